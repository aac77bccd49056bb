import java.io.IOException;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
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
import java.security.interfaces.RSAPublicKey;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * The token through SunPKCS11, each result checked by Java's own software providers.
 *
 * <p>Usage: java Conformance.java CONFIGURATION PIN COMMAND, where COMMAND is one of the methods below. Prints "ok" and
 * the number of checks.
 */
public final class Conformance {
    private static final byte[] MESSAGE = "signed from Java".getBytes();

    private final Provider token;
    private final char[] pin;
    private int checks;

    private Conformance(Provider token, char[] pin) {
        this.token = token;
        this.pin = pin;
    }

    public static void main(String[] arguments) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(token);
        Conformance conformance = new Conformance(token, arguments[1].toCharArray());
        switch (arguments[2]) {
            case "login" -> conformance.login();
            case "rsa" -> conformance.rsa();
            case "ec" -> conformance.ec(List.of(arguments).subList(3, arguments.length));
            case "cbc" -> conformance.cbc();
            case "gcm" -> conformance.gcm();
            case "others" -> conformance.others();
            case "entries" -> conformance.entries(List.of(arguments).subList(3, arguments.length));
            default -> throw new IllegalArgumentException(arguments[2]);
        }
        System.out.println("ok " + conformance.checks);
    }

    /** The key store opens with the PIN and not with another. */
    private void login() throws Exception {
        try {
            KeyStore.getInstance("PKCS11", token).load(null, "wrong-pin".toCharArray());
            throw new AssertionError("a wrong PIN opens the key store");
        } catch (IOException refused) {
            Throwable cause = refused;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            check("CKR_PIN_INCORRECT: " + cause, String.valueOf(cause.getMessage()).contains("CKR_PIN_INCORRECT"));
        }
        check("an empty token", Collections.list(keyStore().aliases()).isEmpty());
    }

    private void rsa() throws Exception {
        keyStore();
        for (int bits : new int[] {2048, 3072, 4096}) {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA", token);
            generator.initialize(bits);
            KeyPair pair = generator.generateKeyPair();
            check("modulus", ((RSAPublicKey) pair.getPublic()).getModulus().bitLength() == bits);
            check("exponent", ((RSAPublicKey) pair.getPublic()).getPublicExponent().equals(BigInteger.valueOf(65537)));
            check("the private key stays inside", pair.getPrivate().getEncoded() == null);
            for (String hash : List.of("SHA1", "SHA256", "SHA384", "SHA512")) {
                sign(hash + "withRSA", null, pair, "SunRsaSign");
            }
            for (String hash : List.of("SHA-256", "SHA-384", "SHA-512")) {
                int length = MessageDigest.getInstance(hash).getDigestLength();
                AlgorithmParameterSpec pss =
                        new PSSParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), length, PSSParameterSpec.TRAILER_FIELD_BC);
                sign("RSASSA-PSS", pss, pair, "SunRsaSign");
            }
            Cipher encrypt = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
            encrypt.init(Cipher.ENCRYPT_MODE, software(pair.getPublic(), "RSA", "SunRsaSign"));
            Cipher decrypt = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
            decrypt.init(Cipher.DECRYPT_MODE, pair.getPrivate());
            check("RSA decryption", Arrays.equals(decrypt.doFinal(encrypt.doFinal(MESSAGE)), MESSAGE));
        }
    }

    private void ec(List<String> curves) throws Exception {
        keyStore();
        for (String curve : curves) {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", token);
            generator.initialize(new ECGenParameterSpec(curve));
            KeyPair pair = generator.generateKeyPair();
            check("the private key stays inside", pair.getPrivate().getEncoded() == null);
            for (String hash : List.of("SHA1", "SHA256", "SHA384", "SHA512")) {
                sign(hash + "withECDSA", null, pair, "SunEC");
            }
        }
    }

    private void sign(String algorithm, AlgorithmParameterSpec parameters, KeyPair pair, String software) throws Exception {
        Signature signer = Signature.getInstance(algorithm, token);
        signer.initSign(pair.getPrivate());
        if (parameters != null) {
            signer.setParameter(parameters);
        }
        for (byte part : MESSAGE) {
            signer.update(part);
        }
        byte[] signature = signer.sign();
        PublicKey publicKey = software(pair.getPublic(), algorithm.contains("EC") ? "EC" : "RSA", software);
        for (Provider provider : List.of(Security.getProvider(software), token)) {
            boolean mine = provider == token;
            Signature verifier = Signature.getInstance(algorithm, provider);
            verifier.initVerify(mine ? pair.getPublic() : publicKey);
            if (parameters != null) {
                verifier.setParameter(parameters);
            }
            verifier.update(MESSAGE);
            check(algorithm + " by " + provider.getName(), verifier.verify(signature));
            verifier.update("something else".getBytes());
            check(algorithm + " refused by " + provider.getName(), !verifier.verify(signature));
        }
    }

    private void cbc() throws Exception {
        keyStore();
        IvParameterSpec iv = new IvParameterSpec(Arrays.copyOf(MESSAGE, 16));
        for (int bits : new int[] {128, 192, 256}) {
            SecretKey inside = generate(bits);
            SecretKey known = new SecretKeySpec(filled(bits / 8, 0x41), "AES");
            for (String padding : List.of("NoPadding", "PKCS5Padding")) {
                for (int length : new int[] {16, 160, 4096, 100_000}) {
                    int size = padding.equals("NoPadding") ? length / 16 * 16 : length + 5;
                    byte[] plain = filled(size, 0x42);
                    String name = "AES/CBC/" + padding;
                    byte[] cipher = run(token, name, Cipher.ENCRYPT_MODE, inside, iv, plain);
                    check(name + " there and back", Arrays.equals(run(token, name, Cipher.DECRYPT_MODE, inside, iv, cipher), plain));
                    byte[] expected = run(Security.getProvider("SunJCE"), name, Cipher.ENCRYPT_MODE, known, iv, plain);
                    check(name, Arrays.equals(run(token, name, Cipher.ENCRYPT_MODE, known, iv, plain), expected));
                    check(name, Arrays.equals(run(token, name, Cipher.DECRYPT_MODE, known, iv, expected), plain));
                }
            }
        }
    }

    private void gcm() throws Exception {
        keyStore();
        String name = "AES/GCM/NoPadding";
        for (int bits : new int[] {128, 256}) {
            SecretKey inside = generate(bits);
            SecretKey known = new SecretKeySpec(filled(bits / 8, 0x43), "AES");
            byte number = 0;
            // SunPKCS11 of Java 17 crashes in its own code where there is no plaintext at all.
            for (int length : new int[] {1, 16, 1000, 100_000}) {
                byte[] plain = filled(length, 0x44);
                GCMParameterSpec iv = new GCMParameterSpec(128, filled(12, ++number));
                byte[] cipher = run(token, name, Cipher.ENCRYPT_MODE, inside, iv, plain);
                check("the tag is there", cipher.length == length + 16);
                check("GCM there and back", Arrays.equals(run(token, name, Cipher.DECRYPT_MODE, inside, iv, cipher), plain));
                cipher[cipher.length - 1] ^= 1;
                try {
                    run(token, name, Cipher.DECRYPT_MODE, inside, iv, cipher);
                    throw new AssertionError("a wrong tag is accepted");
                } catch (AEADBadTagException refused) {
                    check("a wrong tag is refused", true);
                }
                iv = new GCMParameterSpec(128, filled(12, number + 100));
                byte[] expected = run(Security.getProvider("SunJCE"), name, Cipher.ENCRYPT_MODE, known, iv, plain);
                check("GCM", Arrays.equals(run(token, name, Cipher.ENCRYPT_MODE, known, iv, plain), expected));
                check("GCM", Arrays.equals(run(token, name, Cipher.DECRYPT_MODE, known, iv, expected), plain));
            }
        }
    }

    /** In pieces of 1000 bytes, as a stream would. */
    private byte[] run(Provider provider, String name, int mode, SecretKey key, AlgorithmParameterSpec iv, byte[] input)
            throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance(name, provider);
        cipher.init(mode, key, iv);
        if (iv instanceof GCMParameterSpec) {
            cipher.updateAAD(MESSAGE);
        }
        byte[] output = new byte[input.length + 64];
        int length = 0;
        for (int at = 0; at < input.length; at += 1000) {
            length += cipher.update(input, at, Math.min(1000, input.length - at), output, length);
        }
        length += cipher.doFinal(output, length);
        return Arrays.copyOf(output, length);
    }

    /** Digests, MACs and random bytes. */
    private void others() throws Exception {
        keyStore();
        // A session that has an object stays open, and with it the login; SunPKCS11 closes others as it goes.
        SecretKey anchor = generate(256);
        for (String hash : List.of("SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512")) {
            byte[] expected = MessageDigest.getInstance(hash, "SUN").digest(MESSAGE);
            check(hash, Arrays.equals(MessageDigest.getInstance(hash, token).digest(MESSAGE), expected));
        }
        for (String name : List.of("HmacSHA1", "HmacSHA256", "HmacSHA384", "HmacSHA512")) {
            SecretKey key = new SecretKeySpec(filled(64, 0x45), name);
            Mac software = Mac.getInstance(name, "SunJCE");
            software.init(key);
            Mac hardware = Mac.getInstance(name, token);
            hardware.init(key);
            check(name, Arrays.equals(hardware.doFinal(MESSAGE), software.doFinal(MESSAGE)));
        }
        byte[] one = new byte[64];
        byte[] two = new byte[64];
        SecureRandom random = SecureRandom.getInstance("PKCS11", token);
        random.nextBytes(one);
        random.nextBytes(two);
        check("the anchor", anchor.getAlgorithm().equals("AES"));
        check("random bytes", !Arrays.equals(one, two) && !Arrays.equals(one, new byte[64]));
    }

    /** The key store holds exactly the private keys that keytool made, they work, and entries come and go. */
    private void entries(List<String> aliases) throws Exception {
        KeyStore store = keyStore();
        List<String> found = new ArrayList<>(Collections.list(store.aliases()));
        Collections.sort(found);
        check("aliases: " + found, found.equals(aliases));
        for (String alias : found) {
            PrivateKey key = (PrivateKey) store.getKey(alias, null);
            PublicKey certified = store.getCertificate(alias).getPublicKey();
            boolean rsa = key.getAlgorithm().equals("RSA");
            sign(rsa ? "SHA256withRSA" : "SHA256withECDSA", null, new KeyPair(certified, key), rsa ? "SunRsaSign" : "SunEC");
        }
        SecretKey key = generate(256);
        IvParameterSpec iv = new IvParameterSpec(new byte[16]);
        byte[] cipher = run(token, "AES/CBC/NoPadding", Cipher.ENCRYPT_MODE, key, iv, new byte[32]);
        store.setKeyEntry("kept", key, null, null);
        store = keyStore();
        SecretKey again = (SecretKey) store.getKey("kept", null);
        check("the key that was kept", Arrays.equals(run(token, "AES/CBC/NoPadding", Cipher.DECRYPT_MODE, again, iv, cipher), new byte[32]));
        store.deleteEntry("kept");
        store.deleteEntry(found.get(0));
        found.remove(0);
        List<String> left = new ArrayList<>(Collections.list(keyStore().aliases()));
        Collections.sort(left);
        check("what is left: " + left, left.equals(found));
    }

    private KeyStore keyStore() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, pin);
        return store;
    }

    private SecretKey generate(int bits) throws GeneralSecurityException {
        KeyGenerator generator = KeyGenerator.getInstance("AES", token);
        generator.init(bits);
        SecretKey key = generator.generateKey();
        check("the secret key stays inside", key.getEncoded() == null);
        return key;
    }

    /** The same public key for a provider that knows no token. */
    private static PublicKey software(PublicKey key, String algorithm, String provider) throws GeneralSecurityException {
        return java.security.KeyFactory.getInstance(algorithm, provider)
                .generatePublic(new java.security.spec.X509EncodedKeySpec(key.getEncoded()));
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private void check(String name, boolean fact) {
        if (!fact) {
            throw new AssertionError(name);
        }
        checks++;
    }
}
