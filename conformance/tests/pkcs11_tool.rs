//! `OpenSC` `pkcs11-tool` (Debian `opensc`), and `openssl` as the second opinion on every signature and ciphertext.
//!
//! Functions covered, as pkcs11-tool reaches them: `C_Initialize`, `C_GetInfo`, `C_GetSlotList`, `C_GetSlotInfo`,
//! `C_GetTokenInfo`, `C_GetMechanismList`, `C_GetMechanismInfo`, `C_InitToken`, `C_InitPIN`, `C_SetPIN`, `C_Login`,
//! `C_GenerateKey`, `C_GenerateKeyPair`, `C_CreateObject`, `C_FindObjects`, `C_GetAttributeValue`, `C_SetAttributeValue`,
//! `C_DestroyObject`, `C_Sign` and `C_SignUpdate`, `C_Verify`, `C_Encrypt`, `C_Decrypt`, `C_Digest`, `C_GenerateRandom`,
//! `C_SeedRandom`.
//!
//! What `OpenSC` 0.23 itself cannot do, and other suites cover: RSA encryption, AES-GCM.

use conformance::{Kind, SO_PIN, Sandbox, TOKEN_LABEL, USER_PIN, from_hex, to_hex};

const MESSAGE: &[u8] = b"The quick brown fox jumps over the lazy dog, and into the HSM.\n";
const IV: &str = "000102030405060708090a0b0c0d0e0f";
/// The digests of the issue: pkcs11-tool's word in RSA and ECDSA mechanisms, in PSS and OAEP parameters, and openssl's.
const HASHES: [(&str, &str, &str); 4] = [
    ("SHA1", "SHA-1", "sha1"),
    ("SHA256", "SHA256", "sha256"),
    ("SHA384", "SHA384", "sha384"),
    ("SHA512", "SHA512", "sha512"),
];

/// `CKM_HKDF_DERIVE`, which `OpenSC` 0.23 knows by its number only.
const HKDF_DERIVE: &str = "mechtype-0x402A";

// ---- slots, tokens and PINs

#[test]
fn shows_the_library_its_slot_and_its_mechanisms() {
    let sandbox = Sandbox::new();
    sandbox.tool(&["--show-info"]).ok().says("Cryptoki version");
    let empty = sandbox.tool(&["--list-slots"]).ok();
    assert!(empty.text().contains("uninitialized"), "a token that nobody has initialised says so: {empty}");
    sandbox.init_token();
    sandbox
        .tool(&["--list-token-slots"])
        .ok()
        .says(TOKEN_LABEL)
        .says("login required")
        .says("rng")
        .says("token initialized");
    let list = sandbox.tool(&["--list-mechanisms", "--slot-index", "0"]).ok();
    for name in [
        "RSA-PKCS-KEY-PAIR-GEN",
        "RSA-PKCS,",
        "RSA-X-509",
        "RSA-PKCS-OAEP",
        "RSA-PKCS-PSS",
        "SHA1-RSA-PKCS,",
        "SHA256-RSA-PKCS,",
        "SHA384-RSA-PKCS,",
        "SHA512-RSA-PKCS,",
        "SHA1-RSA-PKCS-PSS",
        "SHA256-RSA-PKCS-PSS",
        "SHA384-RSA-PKCS-PSS",
        "SHA512-RSA-PKCS-PSS",
        "ECDSA-KEY-PAIR-GEN",
        "ECDSA,",
        "ECDH1-DERIVE",
        "AES-KEY-GEN",
        "AES-CBC,",
        "AES-CBC-PAD",
        "AES-GCM",
        "GENERIC-SECRET-KEY-GEN",
        "SHA-1-HMAC",
        "SHA256-HMAC",
        "SHA384-HMAC",
        "SHA512-HMAC",
        "SHA-1,",
        "SHA224",
        "SHA256,",
        "SHA384,",
        "SHA512,",
    ] {
        assert!(list.text().contains(&format!("  {name}")), "{name} is listed: {list}");
    }
    if sandbox.module().kind() == Kind::Azihsm {
        for name in ["ECDSA-SHA1", "ECDSA-SHA256", "ECDSA-SHA384", "ECDSA-SHA512", HKDF_DERIVE] {
            assert!(list.text().contains(&format!("  {name}")), "{name} is listed: {list}");
        }
    }
}

#[test]
fn sets_and_changes_the_users_pin() {
    let sandbox = Sandbox::with_token();
    sandbox.user(&["--list-objects"]).ok();
    sandbox.pkcs11(&["--login", "--pin", "wrong-pin", "--list-objects"]).fails().says("CKR_PIN_INCORRECT");
    sandbox.pkcs11(&["--login", "--pin", USER_PIN, "--change-pin", "--new-pin", "another-pin"]).ok();
    sandbox.user(&["--list-objects"]).fails().says("CKR_PIN_INCORRECT");
    sandbox.pkcs11(&["--login", "--pin", "another-pin", "--list-objects"]).ok();
    // The security officer gives the user a new PIN.
    let init = ["--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--new-pin", USER_PIN];
    sandbox.pkcs11(&init).ok();
    sandbox.user(&["--list-objects"]).ok();
}

#[test]
fn sets_and_changes_the_security_officers_pin() {
    let sandbox = Sandbox::with_token();
    let change = |old, new| {
        let so = ["--login", "--login-type", "so", "--so-pin", old];
        sandbox.pkcs11(&[&so[..], &["--change-pin", "--new-pin", new]].concat())
    };
    change("wrong-so-pin", "new-so-pin").fails().says("CKR_PIN_INCORRECT");
    change(SO_PIN, "new-so-pin").ok();
    change(SO_PIN, "new-so-pin").fails().says("CKR_PIN_INCORRECT");
    change("new-so-pin", SO_PIN).ok();
}

#[test]
fn initialises_a_token_again_only_with_its_so_pin() {
    let sandbox = Sandbox::with_token();
    sandbox.user(&["--keygen", "--key-type", "AES:32", "--label", "gone"]).ok();
    let init = ["--init-token", "--token-label", TOKEN_LABEL, "--label", "second", "--so-pin"];
    sandbox.tool(&[&init[..], &["wrong-so-pin"]].concat()).fails().says("CKR_PIN_INCORRECT");
    sandbox.user(&["--list-objects"]).ok().says("gone");
    sandbox.tool(&[&init[..], &[SO_PIN]].concat()).ok();
    sandbox.tool(&["--list-token-slots"]).ok().says("second").never_says(TOKEN_LABEL);
    let list = ["--token-label", "second", "--list-objects"];
    sandbox.tool(&list).ok().never_says("gone");
}

#[test]
fn a_wrong_pin_is_counted_and_shown() {
    let sandbox = Sandbox::with_token();
    if sandbox.module().kind() == Kind::SoftHsm {
        return; // SoftHSM2 says "count low" after one wrong PIN, and never locks.
    }
    let wrong = ["--login", "--pin", "wrong-pin", "--list-objects"];
    for _ in 0..9 {
        sandbox.pkcs11(&wrong).fails().says("CKR_PIN_INCORRECT");
    }
    sandbox.tool(&["--list-token-slots"]).ok().says("final user PIN try");
    sandbox.pkcs11(&wrong).fails();
    sandbox.tool(&["--list-token-slots"]).ok().says("user PIN locked");
    sandbox.user(&["--list-objects"]).fails().says("CKR_PIN_LOCKED");
    let init = ["--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--new-pin", USER_PIN];
    sandbox.pkcs11(&init).ok();
    sandbox.user(&["--list-objects"]).ok();
}

// ---- the program's own tests

#[test]
fn passes_the_programs_own_test() {
    let sandbox = Sandbox::with_token();
    if sandbox.module().kind() == Kind::SoftHsm {
        return; // SoftHSM2 refuses the OAEP parameters of this test.
    }
    let rsa =
        ["--keypairgen", "--key-type", "rsa:2048", "--label", "rsa", "--id", "01", "--usage-sign", "--usage-decrypt"];
    sandbox.user(&rsa).ok();
    let tested = sandbox.user(&["--test"]).ok().says("No errors").says("RSA-PKCS-OAEP").says("SHA256: OK");
    assert!(!tested.text().contains("ERR"), "{tested}");
    // And once more without insisting on mechanisms that run in hardware.
    sandbox.user(&["--test", "--allow-sw"]).ok().says("No errors");
}

#[test]
fn passes_the_programs_own_test_of_elliptic_curves() {
    let sandbox = Sandbox::with_token();
    if sandbox.module().kind() == Kind::SoftHsm {
        return; // SoftHSM2 has no ECDSA_SHA1.
    }
    for (id, curve) in [("11", "secp256r1"), ("12", "secp384r1"), ("13", "secp521r1")] {
        let curve = format!("EC:{curve}");
        let test = ["--session-rw", "--test-ec", "--id", id, "--label", "ec", "--key-type", &curve];
        let tested = sandbox.user(&test).ok();
        assert!(!tested.text().contains("ERR"), "{tested}");
    }
}

#[test]
fn passes_the_programs_own_tests_of_forks_and_threads() {
    let sandbox = Sandbox::with_token();
    if sandbox.module().kind() == Kind::SoftHsm {
        return; // SoftHSM2 does not survive them.
    }
    sandbox.tool(&["--test-fork"]).ok();
    let tested =
        sandbox.tool(&["--use-locking", "--test-threads", "ILGISL", "--test-threads", "ILGISL", "--show-info"]);
    let tested = tested.ok().never_says("CKR_GENERAL_ERROR").never_says("Unknown test");
    assert_eq!(tested.text().matches("C_GetSlotList returned CKR_OK").count(), 4, "{tested}");
}

#[test]
fn gives_random_bytes() {
    let sandbox = Sandbox::with_token();
    sandbox.pkcs11(&["--generate-random", "64", "-o", "one"]).ok();
    sandbox.pkcs11(&["--generate-random", "64", "-o", "two"]).ok();
    assert_eq!(sandbox.read("one").len(), 64);
    assert_ne!(sandbox.read("one"), sandbox.read("two"));
}

#[test]
fn digests() {
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    for (mechanism, hash) in
        [("SHA-1", "sha1"), ("SHA224", "sha224"), ("SHA256", "sha256"), ("SHA384", "sha384"), ("SHA512", "sha512")]
    {
        sandbox.pkcs11(&["--hash", "-m", mechanism, "-i", "message", "-o", "digest"]).ok();
        sandbox.openssl_agrees(&["dgst", &format!("-{hash}"), "-binary", "-out", "expected", "message"]);
        assert_eq!(sandbox.read("digest"), sandbox.read("expected"), "{mechanism}");
    }
}

// ---- RSA

#[test]
fn rsa_2048() {
    rsa("2048");
}

#[test]
fn rsa_3072() {
    rsa("3072");
}

#[test]
fn rsa_4096() {
    rsa("4096");
}

/// A key pair of `bits` bits: every signature mechanism and every decryption mechanism of pkcs11-tool.
fn rsa(bits: &str) {
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    let kind = format!("rsa:{bits}");
    let generate =
        ["--keypairgen", "--key-type", &kind, "--label", "rsa", "--id", "01", "--usage-sign", "--usage-decrypt"];
    sandbox.user(&generate).ok().says("sensitive").says("always sensitive").says("never extractable").says("local");
    public_key(&sandbox, "01");
    let size = sandbox.openssl(&["pkey", "-pubin", "-inform", "DER", "-in", "pub.der", "-noout", "-text"]).ok();
    assert!(size.text().contains(&format!("{bits} bit")), "{size}");
    rsa_signatures(&sandbox, "01");
    rsa_decryption(&sandbox, "01");
}

fn rsa_signatures(sandbox: &Sandbox, id: &str) {
    // No hash in the mechanism: pkcs11-tool pads a DigestInfo that it is given; openssl verifies the hash.
    sandbox.openssl_agrees(&["dgst", "-sha256", "-binary", "-out", "digest", "message"]);
    let mut digest_info = from_hex("3031300d060960864801650304020105000420");
    digest_info.extend(sandbox.read("digest"));
    sandbox.write("digest-info", digest_info);
    sign(sandbox, id, "RSA-PKCS", "digest-info", &[]);
    sandbox.openssl_agrees(&[
        "dgst",
        "-sha256",
        "-keyform",
        "DER",
        "-verify",
        "pub.der",
        "-signature",
        "signature",
        "message",
    ]);
    for (name, parameter, hash) in HASHES {
        sign(sandbox, id, &format!("{name}-RSA-PKCS"), "message", &[]);
        let hash = &format!("-{hash}");
        let verify = ["dgst", hash, "-keyform", "DER", "-verify", "pub.der", "-signature", "signature"];
        sandbox.openssl_agrees(&[&verify[..], &["message"]].concat());
        sandbox.openssl(&[&verify[..], &["digest"]].concat()).fails();

        sign(sandbox, id, &format!("{name}-RSA-PKCS-PSS"), "message", &[]);
        let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
        sandbox.openssl_agrees(&[&verify[..], &pss[..], &["message"]].concat());

        // PSS of a digest made elsewhere, and a salt of another length.
        sandbox.openssl_agrees(&["dgst", hash, "-binary", "-out", "hashed", "message"]);
        let mgf = format!("MGF1-{name}");
        let options = ["--hash-algorithm", parameter, "--mgf", &mgf, "--salt-len", "11"];
        sign(sandbox, id, "RSA-PKCS-PSS", "hashed", &options);
        let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:11"];
        sandbox.openssl_agrees(&[&verify[..], &pss[..], &["message"]].concat());
    }
}

fn rsa_decryption(sandbox: &Sandbox, id: &str) {
    let encrypt =
        ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "pub.der", "-in", "message", "-out", "secret"];
    sandbox.openssl_agrees(&[&encrypt[..], &["-pkeyopt", "rsa_padding_mode:pkcs1"]].concat());
    sandbox.user(&["--decrypt", "--id", id, "-m", "RSA-PKCS", "-i", "secret", "-o", "plain"]).ok();
    assert_eq!(sandbox.read("plain"), MESSAGE, "RSA-PKCS");
    for (name, parameter, hash) in HASHES {
        if sandbox.module().kind() == Kind::SoftHsm && name != "SHA1" {
            continue;
        }
        let options = [
            "-pkeyopt",
            "rsa_padding_mode:oaep",
            "-pkeyopt",
            &format!("rsa_oaep_md:{hash}"),
            "-pkeyopt",
            &format!("rsa_mgf1_md:{hash}"),
        ];
        sandbox.openssl_agrees(&[&encrypt[..], &options[..]].concat());
        let mgf = format!("MGF1-{name}");
        let oaep = ["--decrypt", "--id", id, "-m", "RSA-PKCS-OAEP", "--hash-algorithm", parameter, "--mgf", &mgf];
        sandbox.user(&[&oaep[..], &["-i", "secret", "-o", "plain"]].concat()).ok();
        assert_eq!(sandbox.read("plain"), MESSAGE, "RSA-PKCS-OAEP with {name}");
    }
}

// ---- elliptic curves

#[test]
fn ec_p256() {
    ec("secp256r1", "prime256v1", 32);
}

#[test]
fn ec_p384() {
    ec("secp384r1", "secp384r1", 48);
}

#[test]
fn ec_p521() {
    ec("secp521r1", "secp521r1", 66);
}

fn ec(curve: &str, openssl_name: &str, coordinate_len: usize) {
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    let kind = format!("EC:{curve}");
    let generate = ["--keypairgen", "--key-type", &kind, "--label", "ec", "--id", "02", "--usage-sign"];
    sandbox.user(&generate).ok().says("sensitive").says("never extractable").says("local");
    public_key(&sandbox, "02");
    sandbox.openssl(&["pkey", "-pubin", "-inform", "DER", "-in", "pub.der", "-noout", "-text"]).ok().says(openssl_name);
    ec_signatures(&sandbox, "02", coordinate_len);
}

fn ec_signatures(sandbox: &Sandbox, id: &str, coordinate_len: usize) {
    for (name, _, hash) in HASHES {
        let hash = &format!("-{hash}");
        let verify = ["dgst", hash, "-keyform", "DER", "-verify", "pub.der", "-signature", "signature"];
        sandbox.openssl_agrees(&["dgst", hash, "-binary", "-out", "hashed", "message"]);
        // pkcs11-tool gives the whole digest to a raw ECDSA mechanism; the library cuts it to the curve.
        sign(sandbox, id, "ECDSA", "hashed", &["--signature-format", "openssl"]);
        sandbox.openssl_agrees(&[&verify[..], &["message"]].concat());
        if sandbox.module().kind() == Kind::Azihsm {
            sign(sandbox, id, &format!("ECDSA-{name}"), "message", &["--signature-format", "openssl"]);
            sandbox.openssl_agrees(&[&verify[..], &["message"]].concat());
            sandbox.openssl(&[&verify[..], &["hashed"]].concat()).fails();
        }
    }
    sign(sandbox, id, "ECDSA", "hashed", &["--signature-format", "rs"]);
    assert_eq!(sandbox.read("signature").len(), 2 * coordinate_len, "r || s");
}

// ---- secret keys

#[test]
fn aes_128() {
    aes(16);
}

#[test]
fn aes_192() {
    aes(24);
}

#[test]
fn aes_256() {
    aes(32);
}

/// A generated key that stays inside and one whose value openssl may know.
fn aes(key_len: usize) {
    let sandbox = Sandbox::with_token();
    let kind = &format!("AES:{key_len}");
    let generate = ["--keygen", "--key-type", kind, "--sensitive", "--label", "inside", "--id", "03"];
    sandbox.user(&generate).ok().says("sensitive").says("always sensitive").says("never extractable").says("local");
    sandbox.user(&["--read-object", "--type", "secrkey", "--id", "03", "-o", "value"]).fails();
    for len in [16, 64, 4096] {
        aes_round_trip(&sandbox, "03", "AES-CBC", len);
    }
    for len in [0, 1, 15, 16, 17, 4095, 4096] {
        aes_round_trip(&sandbox, "03", "AES-CBC-PAD", len);
    }

    let value = vec![0x5a; key_len];
    sandbox.write("key", &value);
    let write = ["--write-object", "key", "--type", "secrkey", "--key-type", kind, "--id", "04", "--label", "written"];
    sandbox.user(&[&write[..], &["--extractable", "--usage-decrypt"]].concat()).ok();
    aes_agrees(&sandbox, "04", &value);
    let generate = ["--keygen", "--key-type", kind, "--extractable", "--label", "open", "--id", "05"];
    sandbox.user(&generate).ok();
    sandbox.user(&["--read-object", "--type", "secrkey", "--id", "05", "-o", "value"]).ok();
    let value = sandbox.read("value");
    assert_eq!(value.len(), key_len);
    aes_agrees(&sandbox, "05", &value);
}

fn aes_round_trip(sandbox: &Sandbox, id: &str, mechanism: &str, len: usize) {
    sandbox.write("plain", vec![0x2a; len]);
    aes_run(sandbox, "--encrypt", id, mechanism, "plain", "cipher");
    let padded = if mechanism == "AES-CBC" { len } else { len / 16 * 16 + 16 };
    assert_eq!(sandbox.read("cipher").len(), padded, "{mechanism} of {len} bytes");
    assert_ne!(sandbox.read("cipher"), sandbox.read("plain"), "{mechanism} of {len} bytes");
    aes_run(sandbox, "--decrypt", id, mechanism, "cipher", "back");
    assert_eq!(sandbox.read("back"), sandbox.read("plain"), "{mechanism} of {len} bytes");
}

fn aes_agrees(sandbox: &Sandbox, id: &str, key: &[u8]) {
    let (cipher, key) = (format!("-aes-{}-cbc", key.len() * 8), to_hex(key));
    let encrypt = ["enc", "-e", &cipher, "-K", &key, "-iv", IV, "-in", "plain", "-out", "expected"];
    for (mechanism, len, options) in [("AES-CBC", 4096, &["-nopad"][..]), ("AES-CBC-PAD", 1000, &[])] {
        sandbox.write("plain", vec![0x77; len]);
        aes_run(sandbox, "--encrypt", id, mechanism, "plain", "cipher");
        sandbox.openssl_agrees(&[&encrypt[..], options].concat());
        assert_eq!(sandbox.read("cipher"), sandbox.read("expected"), "{mechanism}");
        aes_run(sandbox, "--decrypt", id, mechanism, "expected", "back");
        assert_eq!(sandbox.read("back"), sandbox.read("plain"), "{mechanism}");
    }
}

fn aes_run(sandbox: &Sandbox, what: &str, id: &str, mechanism: &str, input: &str, output: &str) {
    // pkcs11-tool leaves an old file behind where the output is empty.
    let _ = std::fs::remove_file(sandbox.path(output));
    sandbox.user(&[what, "--id", id, "-m", mechanism, "--iv", IV, "-i", input, "-o", output]).ok();
}

#[test]
fn generic_secrets_and_hmac() {
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    // OpenSC 0.23 writes no generic secrets; it makes one, and this one may be read.
    let generate =
        ["--keygen", "--key-type", "GENERIC:64", "--extractable", "--usage-sign", "--label", "open", "--id", "06"];
    sandbox.user(&generate).ok();
    sandbox.user(&["--read-object", "--type", "secrkey", "--id", "06", "-o", "value"]).ok();
    let value = sandbox.read("value");
    assert_eq!(value.len(), 64);
    let key = format!("hexkey:{}", to_hex(&value));
    for (mechanism, hash) in
        [("SHA-1-HMAC", "sha1"), ("SHA256-HMAC", "sha256"), ("SHA384-HMAC", "sha384"), ("SHA512-HMAC", "sha512")]
    {
        sign(&sandbox, "06", mechanism, "message", &[]);
        let mac =
            ["dgst", &format!("-{hash}"), "-mac", "HMAC", "-macopt", &key, "-binary", "-out", "expected", "message"];
        sandbox.openssl_agrees(&mac);
        assert_eq!(sandbox.read("signature"), sandbox.read("expected"), "{mechanism}");
    }
    let generate =
        ["--keygen", "--key-type", "GENERIC:32", "--sensitive", "--usage-sign", "--label", "inside", "--id", "07"];
    sandbox.user(&generate).ok().says("never extractable").says("local");
    sign(&sandbox, "07", "SHA256-HMAC", "message", &[]);
    assert_eq!(sandbox.read("signature").len(), 32);
    sandbox.user(&["--keygen", "--key-type", "GENERIC:64", "--usage-sign", "--label", "long", "--id", "08"]).ok();
    sign(&sandbox, "08", "SHA512-HMAC", "message", &[]);
    assert_eq!(sandbox.read("signature").len(), 64);
}

// ---- objects written, listed, read, renamed, deleted

#[test]
fn writes_an_rsa_private_key() {
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    sandbox.openssl_agrees(&["genrsa", "-out", "key.pem", "2048"]);
    write_key_pair(&sandbox, "21");
    sandbox.openssl_agrees(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "expected"]);
    public_key(&sandbox, "21");
    assert_eq!(sandbox.read("pub.der"), sandbox.read("expected"), "the public key reads back as it was written");
    rsa_signatures(&sandbox, "21");
    rsa_decryption(&sandbox, "21");
}

#[test]
fn writes_an_ec_private_key() {
    for (curve, coordinate_len) in [("prime256v1", 32), ("secp384r1", 48), ("secp521r1", 66)] {
        let sandbox = Sandbox::with_token();
        sandbox.write("message", MESSAGE);
        sandbox.openssl_agrees(&["ecparam", "-name", curve, "-genkey", "-noout", "-out", "key.pem"]);
        write_key_pair(&sandbox, "22");
        sandbox.openssl_agrees(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "expected"]);
        public_key(&sandbox, "22");
        assert_eq!(
            sandbox.read("pub.der"),
            sandbox.read("expected"),
            "{curve}: the public key reads back as it was written"
        );
        ec_signatures(&sandbox, "22", coordinate_len);
    }
}

fn write_key_pair(sandbox: &Sandbox, id: &str) {
    sandbox.openssl_agrees(&["pkey", "-in", "key.pem", "-outform", "DER", "-out", "key.der"]);
    sandbox.openssl_agrees(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der"]);
    let write = ["--write-object", "key.der", "--type", "privkey", "--id", id, "--label", "written"];
    let written = sandbox.user(&[&write[..], &["--usage-sign", "--usage-decrypt"]].concat()).ok();
    // An imported key has never been only inside.
    assert!(!written.text().contains("always sensitive") && !written.text().contains("local"), "{written}");
    sandbox.user(&["--write-object", "public.der", "--type", "pubkey", "--id", id, "--label", "written"]).ok();
}

#[test]
fn writes_a_certificate() {
    let sandbox = Sandbox::with_token();
    let request =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-subj", "/CN=written", "-days", "2"];
    sandbox.openssl_agrees(&[&request[..], &["-outform", "DER", "-out", "cert.der"]].concat());
    sandbox.user(&["--write-object", "cert.der", "--type", "cert", "--id", "31", "--label", "a certificate"]).ok();
    sandbox.pkcs11(&["--list-objects", "--type", "cert"]).ok().says("a certificate").says("CN=written");
    sandbox.pkcs11(&["--read-object", "--type", "cert", "--id", "31", "-o", "back"]).ok();
    assert_eq!(sandbox.read("back"), sandbox.read("cert.der"));
    sandbox.user(&["--delete-object", "--type", "cert", "--id", "31"]).ok();
    sandbox.pkcs11(&["--list-objects"]).ok().never_says("a certificate");
}

#[test]
fn writes_data_objects() {
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    let write = ["--write-object", "message", "--type", "data", "--application-label", "conformance"];
    sandbox.user(&[&write[..], &["--label", "open note"]].concat()).ok();
    sandbox.user(&[&write[..], &["--label", "secret note", "--private"]].concat()).ok();
    sandbox.pkcs11(&["--list-objects", "--type", "data"]).ok().says("open note").never_says("secret note");
    sandbox.user(&["--list-objects", "--type", "data"]).ok().says("open note").says("secret note").says("conformance");
    for label in ["open note", "secret note"] {
        sandbox.user(&["--read-object", "--type", "data", "--label", label, "-o", "back"]).ok();
        assert_eq!(sandbox.read("back"), MESSAGE, "{label}");
        sandbox.user(&["--delete-object", "--type", "data", "--label", label]).ok();
    }
    sandbox.user(&["--list-objects"]).ok().never_says("note");
}

#[test]
fn lists_finds_renames_and_deletes_keys() {
    let sandbox = Sandbox::with_token();
    sandbox.user(&["--keypairgen", "--key-type", "EC:secp256r1", "--label", "pair", "--id", "41", "--usage-sign"]).ok();
    sandbox.user(&["--keygen", "--key-type", "AES:32", "--label", "secret", "--id", "42", "--private"]).ok();
    // Without login only the public key is there.
    sandbox
        .pkcs11(&["--list-objects"])
        .ok()
        .says("Public Key Object")
        .never_says("Private Key")
        .never_says("Secret Key");
    sandbox.user(&["--list-objects"]).ok().says("Public Key").says("Private Key").says("Secret Key");
    sandbox.user(&["--list-objects", "--type", "secrkey"]).ok().says("secret").never_says("Public Key");
    sandbox.user(&["--type", "privkey", "--id", "41", "--set-id", "43"]).ok();
    sandbox.user(&["--list-objects", "--type", "privkey"]).ok().says("43");
    sandbox.user(&["--delete-object", "--type", "privkey", "--id", "43"]).ok();
    sandbox.user(&["--list-objects"]).ok().never_says("ID:         43").says("Public Key Object; EC");
    sandbox.user(&["--delete-object", "--type", "pubkey", "--id", "41"]).ok();
    sandbox.user(&["--delete-object", "--type", "secrkey", "--id", "42"]).ok();
    // What is built in stays.
    sandbox.user(&["--list-objects"]).ok().never_says("Object; EC").never_says("Secret Key Object;");
    sandbox.user(&["--delete-object", "--type", "secrkey", "--id", "42"]).fails();
}

// ---- helpers

/// Signs the file `input` with the private or secret key `id` into `signature`, and lets the module verify it, and
/// refuse it for something else.
#[track_caller]
fn sign(sandbox: &Sandbox, id: &str, mechanism: &str, input: &str, options: &[&str]) {
    let sign = ["--sign", "--id", id, "-m", mechanism, "-i", input, "-o", "signature"];
    sandbox.user(&[&sign[..], options].concat()).ok();
    let verify = ["--verify", "--id", id, "-m", mechanism, "--signature-file", "signature"];
    sandbox.user(&[&verify[..], options, &["-i", input]].concat()).ok().says("Signature is valid");
    let mut other = sandbox.read(input);
    *other.first_mut().expect("there is a message") ^= 1;
    sandbox.write("other", other);
    let refused = sandbox.user(&[&verify[..], options, &["-i", "other"]].concat());
    assert!(!refused.text().contains("Signature is valid"), "another message must not verify: {refused}");
}

/// Reads the public key `id` into `pub.der`, a `SubjectPublicKeyInfo`.
#[track_caller]
fn public_key(sandbox: &Sandbox, id: &str) {
    let listed = sandbox.pkcs11(&["--list-objects", "--type", "pubkey", "--id", id]).ok();
    if listed.text().contains("EC_PARAMS:  06052b81040022") {
        // OpenSC 0.23 takes every point of 97 bytes for one of P-256 when it reads it; its list shows it well.
        let text = listed.text();
        let point =
            text.split_once("EC_POINT:   0461").and_then(|(_, rest)| rest.lines().next()).expect("a P-384 point");
        let info = from_hex(&format!("3076301006072a8648ce3d020106052b81040022036200{point}"));
        sandbox.write("pub.der", info);
        return;
    }
    sandbox.pkcs11(&["--read-object", "--type", "pubkey", "--id", id, "-o", "pub.der"]).ok();
}
