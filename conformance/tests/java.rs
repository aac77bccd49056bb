//! Java 17 (Debian `openjdk-17-jdk-headless`) through `SunPKCS11`, and `keytool`.
//!
//! `conformance/java/Conformance.java`: key store load with a right and a wrong PIN, RSA and EC key pairs, signatures,
//! RSA decryption, AES-CBC and AES-GCM in pieces, digests, HMAC, random bytes, key store entries; every result is checked
//! by Java's own software providers. `keytool -genkeypair`, `-list`, `-certreq`, `-delete`, with `openssl` as the second
//! opinion. Reaches, beyond what other suites do, `C_CopyObject` (Java makes a session object and copies it to the token),
//! `C_GetOperationState`, `C_GetSessionInfo`, `C_EncryptUpdate`, `C_DecryptUpdate`, and sessions that stay open for the life of the process.

use conformance::{Kind, Ran, Sandbox, USER_PIN};

#[test]
fn the_key_store_opens_with_the_pin() {
    java(&sandbox(), &["login"]);
}

#[test]
fn rsa() {
    java(&sandbox(), &["rsa"]);
}

#[test]
fn ec() {
    let sandbox = sandbox();
    // Java 17 cuts leading zeros from both halves of a signature that it has verified, so every fourth of P-521 is
    // shorter than the curve. The standard allows it ("may have a shorter length", 6.3.1); SoftHSM2 does not.
    let p521 = if sandbox.module().kind() == Kind::SoftHsm { &[][..] } else { &["secp521r1"] };
    java(&sandbox, &[&["ec", "secp256r1", "secp384r1"], p521].concat());
}

#[test]
fn aes_cbc() {
    java(&sandbox(), &["cbc"]);
}

#[test]
fn aes_gcm() {
    java(&sandbox(), &["gcm"]);
}

#[test]
fn digests_macs_and_random_bytes() {
    java(&sandbox(), &["others"]);
}

#[test]
fn keytool_makes_and_lists_key_pairs() {
    let sandbox = sandbox();
    let pairs = [
        ("ec256", &["-keyalg", "EC", "-groupname", "secp256r1"][..]),
        ("ec384", &["-keyalg", "EC", "-groupname", "secp384r1"]),
        ("rsa2048", &["-keyalg", "RSA", "-keysize", "2048"]),
        ("rsa3072", &["-keyalg", "RSA", "-keysize", "3072", "-sigalg", "SHA384withRSA"]),
    ];
    for (alias, kind) in pairs {
        keytool(&sandbox, &[&["-genkeypair", "-alias", alias, "-dname", "CN=keytool"], kind].concat()).ok();
        keytool(&sandbox, &["-exportcert", "-rfc", "-alias", alias, "-file", "certificate"]).ok();
        sandbox.openssl(&["verify", "-CAfile", "certificate", "-check_ss_sig", "certificate"]).ok();
        keytool(&sandbox, &["-certreq", "-alias", alias, "-file", "csr"]).ok();
        sandbox.openssl(&["req", "-in", "csr", "-verify", "-noout"]).ok().says("verify OK");
    }
    let listed = keytool(&sandbox, &["-list"]).ok();
    for text in ["Your keystore contains 4 entries", "ec256, PrivateKeyEntry", "rsa3072, PrivateKeyEntry"] {
        assert!(listed.text().contains(text), "{text:?} is shown: {listed}");
    }
    // Another program sees what Java made.
    sandbox.user(&["--list-objects", "--type", "cert"]).ok().says("rsa3072").says("CN=keytool");
    java(&sandbox, &["entries", "ec256", "ec384", "rsa2048", "rsa3072"]);
    keytool(&sandbox, &["-delete", "-alias", "rsa2048"]).ok();
    keytool(&sandbox, &["-list"]).ok().says("Your keystore contains 2 entries").never_says("rsa2048");
    sandbox.user(&["--list-objects"]).ok().never_says("rsa2048");
}

/// `conformance/java/Services.java` walks all services of the provider, which registers them from the mechanism list.
#[test]
fn every_service_that_java_finds_in_the_mechanism_list_runs() {
    let sandbox = sandbox();
    // Java asks for no usage of the keys that are to agree on a secret either.
    let configuration = String::from_utf8(sandbox.read("sun.cfg")).expect("text");
    let alone = "CKK_EC) = {\n  CKA_SIGN = true\n";
    sandbox.write("walk.cfg", configuration.replace(alone, &format!("{alone}  CKA_DERIVE = true\n")));
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Services.java");
    let ran = sandbox.run("java", &[program, "walk.cfg", USER_PIN]).ok();
    let services = ran.stdout().trim().strip_prefix("ok ").and_then(|count| count.parse::<u32>().ok());
    assert!(services.is_some_and(|count| count > 50), "{ran}");
}

/// Runs a command of the Java program, which ends with the number of its checks.
#[track_caller]
fn java(sandbox: &Sandbox, command: &[&str]) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Conformance.java");
    let ran = sandbox.run("java", &[&[program, "sun.cfg", USER_PIN], command].concat()).ok();
    let checks = ran.stdout().trim().strip_prefix("ok ").and_then(|count| count.parse::<u32>().ok());
    assert!(checks.is_some_and(|count| count > 0), "{ran}");
}

fn keytool(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let (command, options) = arguments.split_first().expect("keytool has a command");
    let store = ["-keystore", "NONE", "-storetype", "PKCS11", "-storepass", USER_PIN];
    let provider = ["-providerClass", "sun.security.pkcs11.SunPKCS11", "-providerArg", "sun.cfg"];
    sandbox.run("keytool", &[&[*command], &store[..], &provider[..], options].concat())
}

/// A token and a `SunPKCS11` configuration for it.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_token();
    // Java names no usage in the keys that it makes; the standard leaves to the token what that means.
    let usage = "attributes(*, CKO_PRIVATE_KEY, CKK_RSA) = {\n  CKA_SIGN = true\n  CKA_DECRYPT = true\n}\n\
                 attributes(*, CKO_PRIVATE_KEY, CKK_EC) = {\n  CKA_SIGN = true\n}\n\
                 attributes(*, CKO_SECRET_KEY, CKK_AES) = {\n  CKA_ENCRYPT = true\n  CKA_DECRYPT = true\n}\n\
                 attributes(generate, CKO_SECRET_KEY, *) = {\n  CKA_SENSITIVE = true\n}\n";
    let module = sandbox.module().path().display();
    sandbox.write("sun.cfg", format!("name = Token\nlibrary = {module}\nslotListIndex = 0\n{usage}"));
    sandbox
}
