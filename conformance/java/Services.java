import java.security.AlgorithmParameters;
import java.security.Key;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Walks all services that SunPKCS11 registers from the token's mechanism list, and runs each once: what is listed must
 * work. Prints a line per service; ends with "ok" and their number, or with the number of failures.
 */
public class Services {
    private static final byte[] MESSAGE = "what is listed must work, and here it does".getBytes();

    /**
     * What Java 17 registers and cannot run with any token: its native code has no conversion of PSS parameters for the
     * mechanisms with SHA-3 ("Java object of this class cannot be converted to native PKCS#11 type").
     */
    private static final String NOT_IN_JAVA = "SHA3-\\d+withRSASSA-PSS";

    private static Provider provider;
    private static KeyPair rsa;
    private static KeyPair ec;
    private static SecretKey aes;

    public static void main(String[] arguments) throws Exception {
        provider = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(provider);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        store.load(null, arguments[1].toCharArray());
        rsa = pair("RSA");
        ec = pair("EC");
        KeyGenerator generator = KeyGenerator.getInstance("AES", provider);
        generator.init(256);
        aes = generator.generateKey();

        List<String> failures = new ArrayList<>();
        int count = 0;
        TreeSet<String> seen = new TreeSet<>();
        for (Provider.Service service : provider.getServices()) {
            String name = service.getType() + " " + service.getAlgorithm();
            if (!seen.add(name) || service.getAlgorithm().matches(NOT_IN_JAVA)) {
                continue;
            }
            try {
                run(service.getType(), service.getAlgorithm());
                count++;
                System.err.println("runs  " + name);
            } catch (Throwable failure) {
                Throwable cause = failure;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                failures.add(name + ": " + failure + " (" + cause + ")");
                System.err.println("FAILS " + failures.get(failures.size() - 1));
            }
        }
        System.out.println(failures.isEmpty() ? "ok " + count : failures.size() + " of " + seen.size() + " fail");
        System.exit(failures.isEmpty() ? 0 : 1);
    }

    private static void run(String type, String algorithm) throws Exception {
        switch (type) {
            case "MessageDigest" -> digest(algorithm);
            case "Mac" -> mac(algorithm);
            case "Signature" -> signature(algorithm);
            case "Cipher" -> cipher(algorithm);
            case "KeyGenerator" -> keyGenerator(algorithm);
            case "KeyPairGenerator" -> pair(algorithm);
            case "KeyAgreement" -> agreement(algorithm);
            case "KeyFactory" -> factory(algorithm);
            case "SecretKeyFactory" -> secretFactory(algorithm);
            case "SecureRandom" -> random(algorithm);
            case "KeyStore" -> check(KeyStore.getInstance(algorithm, provider) != null);
            case "AlgorithmParameters" -> check(AlgorithmParameters.getInstance(algorithm, provider) != null);
            default -> throw new IllegalStateException("nobody knows how to run a " + type);
        }
    }

    private static void digest(String algorithm) throws Exception {
        MessageDigest digest = MessageDigest.getInstance(algorithm, provider);
        digest.update(MESSAGE, 0, 7);
        MessageDigest copy = (MessageDigest) digest.clone();
        digest.update(MESSAGE, 7, MESSAGE.length - 7);
        byte[] expected = MessageDigest.getInstance(algorithm, "SUN").digest(MESSAGE);
        check(Arrays.equals(digest.digest(), expected));
        copy.update(MESSAGE, 7, MESSAGE.length - 7);
        check(Arrays.equals(copy.digest(), expected));
        check(Arrays.equals(digest.digest(MESSAGE), expected));
    }

    private static void mac(String algorithm) throws Exception {
        SecretKey clear = new SecretKeySpec(new byte[32], "Generic");
        Mac mac = Mac.getInstance(algorithm, provider);
        mac.init(clear);
        mac.update(MESSAGE, 0, 7);
        mac.update(MESSAGE, 7, MESSAGE.length - 7);
        Mac software = Mac.getInstance(algorithm, "SunJCE");
        software.init(clear);
        check(Arrays.equals(mac.doFinal(), software.doFinal(MESSAGE)));
    }

    private static void signature(String algorithm) throws Exception {
        KeyPair pair = algorithm.contains("ECDSA") ? ec : rsa;
        Signature signer = Signature.getInstance(algorithm, provider);
        Signature verifier = Signature.getInstance(algorithm, provider);
        byte[] message = MESSAGE;
        if (algorithm.startsWith("NONE")) {
            message = Arrays.copyOf(MESSAGE, 32);
        }
        if (algorithm.contains("PSS")) {
            AlgorithmParameterSpec pss = pss(algorithm);
            signer.setParameter(pss);
            verifier.setParameter(pss);
        }
        signer.initSign(pair.getPrivate());
        signer.update(message, 0, 5);
        signer.update(message, 5, message.length - 5);
        byte[] signature = signer.sign();
        verifier.initVerify(pair.getPublic());
        verifier.update(message);
        check(verifier.verify(signature));
        verifier.initVerify(pair.getPublic());
        verifier.update(message, 0, message.length - 1);
        verifier.update((byte) 'x');
        check(!verifier.verify(signature));
        // SunPKCS11 reads public keys of the token as its own; the second opinion gets them as X.509 says.
        String family = pair == ec ? "EC" : "RSA";
        PublicKey open = KeyFactory.getInstance(family, family.equals("EC") ? "SunEC" : "SunRsaSign")
            .generatePublic(new X509EncodedKeySpec(pair.getPublic().getEncoded()));
        if (!algorithm.startsWith("NONE")) {
            String name = algorithm.contains("PSS") ? "RSASSA-PSS" : algorithm;
            Signature second = Signature.getInstance(name, family.equals("EC") ? "SunEC" : "SunRsaSign");
            if (algorithm.contains("PSS")) {
                second.setParameter(pss(algorithm));
            }
            second.initVerify(open);
            second.update(message);
            check(second.verify(signature));
        }
    }

    private static PSSParameterSpec pss(String algorithm) {
        String hash = algorithm.equals("RSASSA-PSS") ? "SHA-256" : algorithm.replaceAll("withRSASSA-PSS", "");
        hash = hash.equals("SHA1") ? "SHA-1" : hash.replaceAll("^SHA(\\d{3})", "SHA-$1");
        int len = switch (hash) {
            case "SHA-1" -> 20;
            case "SHA-224", "SHA3-224", "SHA-512/224" -> 28;
            case "SHA-256", "SHA3-256", "SHA-512/256" -> 32;
            case "SHA-384", "SHA3-384" -> 48;
            default -> 64;
        };
        return new PSSParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), len, 1);
    }

    private static void cipher(String transformation) throws Exception {
        if (transformation.startsWith("RSA")) {
            Cipher cipher = Cipher.getInstance(transformation, provider);
            cipher.init(Cipher.ENCRYPT_MODE, rsa.getPublic());
            byte[] sealed = cipher.doFinal(Arrays.copyOf(MESSAGE, 16));
            cipher.init(Cipher.DECRYPT_MODE, rsa.getPrivate());
            byte[] opened = cipher.doFinal(sealed);
            check(Arrays.equals(Arrays.copyOfRange(opened, opened.length - 16, opened.length),
                Arrays.copyOf(MESSAGE, 16)));
            return;
        }
        if (!transformation.startsWith("AES")) {
            throw new IllegalStateException("a cipher that nobody knows");
        }
        int bits = transformation.startsWith("AES_") ? Integer.parseInt(transformation.substring(4, 7)) : 256;
        for (Key key : new Key[] {bits == 256 ? aes : generated(bits), new SecretKeySpec(new byte[bits / 8], "AES")}) {
            Cipher cipher = Cipher.getInstance(transformation, provider);
            AlgorithmParameterSpec spec = null;
            if (transformation.contains("GCM")) {
                byte[] iv = new byte[12];
                new java.util.Random().nextBytes(iv);
                spec = new GCMParameterSpec(128, iv);
            } else if (!transformation.contains("ECB") && !transformation.equals("AES")) {
                spec = new IvParameterSpec(new byte[16]);
            }
            boolean padded = transformation.contains("PKCS5") || transformation.equals("AES");
            boolean stream = transformation.contains("CTR") || transformation.contains("GCM");
            byte[] message = padded || stream ? MESSAGE : Arrays.copyOf(MESSAGE, 32);
            cipher.init(Cipher.ENCRYPT_MODE, key, spec);
            // Java 17 forgets what doFinal adds to an AEAD message that update began.
            int part = transformation.contains("GCM") ? message.length : 17;
            byte[] first = cipher.update(message, 0, part);
            byte[] rest = cipher.doFinal(message, part, message.length - part);
            byte[] sealed = concat(first, rest);
            cipher.init(Cipher.DECRYPT_MODE, key, spec);
            check(Arrays.equals(cipher.doFinal(sealed), message));
            if (key instanceof SecretKeySpec) {
                Cipher software = Cipher.getInstance(transformation, "SunJCE");
                software.init(Cipher.DECRYPT_MODE, key, spec);
                check(Arrays.equals(software.doFinal(sealed), message));
            }
        }
    }

    private static byte[] concat(byte[] first, byte[] rest) {
        byte[] head = first == null ? new byte[0] : first;
        byte[] both = Arrays.copyOf(head, head.length + rest.length);
        System.arraycopy(rest, 0, both, head.length, rest.length);
        return both;
    }

    private static SecretKey generated(int bits) throws Exception {
        KeyGenerator generator = KeyGenerator.getInstance("AES", provider);
        generator.init(bits);
        return generator.generateKey();
    }

    private static void keyGenerator(String algorithm) throws Exception {
        check(KeyGenerator.getInstance(algorithm, provider).generateKey() != null);
    }

    private static KeyPair pair(String algorithm) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance(algorithm, provider);
        if (algorithm.equals("EC")) {
            generator.initialize(new ECGenParameterSpec("secp256r1"));
        } else {
            generator.initialize(2048);
        }
        return generator.generateKeyPair();
    }

    private static void agreement(String algorithm) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "SunEC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair peer = generator.generateKeyPair();
        KeyAgreement agreement = KeyAgreement.getInstance(algorithm, provider);
        agreement.init(pair("EC").getPrivate());
        agreement.doPhase(peer.getPublic(), true);
        check(agreement.generateSecret("TlsPremasterSecret") != null);
    }

    private static void factory(String algorithm) throws Exception {
        KeyFactory factory = KeyFactory.getInstance(algorithm, provider);
        boolean elliptic = algorithm.equals("EC");
        KeyPairGenerator generator = KeyPairGenerator.getInstance(algorithm, elliptic ? "SunEC" : "SunRsaSign");
        generator.initialize(elliptic ? 256 : 2048);
        KeyPair software = generator.generateKeyPair();
        PublicKey there = (PublicKey) factory.translateKey(software.getPublic());
        check(Arrays.equals(there.getEncoded(), software.getPublic().getEncoded()));
        PrivateKey hidden = (PrivateKey) factory.translateKey(software.getPrivate());
        String kind = elliptic ? "SHA256withECDSA" : "SHA256withRSA";
        Signature signer = Signature.getInstance(kind, provider);
        signer.initSign(hidden);
        signer.update(MESSAGE);
        byte[] signature = signer.sign();
        Signature verifier = Signature.getInstance(kind, elliptic ? "SunEC" : "SunRsaSign");
        verifier.initVerify(software.getPublic());
        verifier.update(MESSAGE);
        check(verifier.verify(signature));
        check(elliptic ? there instanceof ECPublicKey : there instanceof RSAPublicKey);
    }

    private static void secretFactory(String algorithm) throws Exception {
        SecretKeyFactory factory = SecretKeyFactory.getInstance(algorithm, provider);
        SecretKey there = factory.translateKey(new SecretKeySpec(new byte[16], algorithm));
        check(there.getAlgorithm().equals(algorithm));
    }

    private static void random(String algorithm) throws Exception {
        byte[] bytes = new byte[32];
        SecureRandom random = SecureRandom.getInstance(algorithm, provider);
        random.setSeed(MESSAGE);
        random.nextBytes(bytes);
        check(!Arrays.equals(bytes, new byte[32]));
    }

    private static void check(boolean good) {
        if (!good) {
            throw new IllegalStateException("a wrong result");
        }
    }
}
