//! OpenSSL 3 through `pkcs11-provider` 1.0 (Debian `pkcs11-provider`, from bookworm-backports).
//!
//! `req`, `x509`, `dgst`, `pkeyutl`, `storeutl`, and `s_server`, with the key in the token; an `openssl` that knows no
//! token checks every signature, makes every ciphertext, and is the TLS client. Reaches `C_GetInterface`, `C_Login`,
//! `C_FindObjects`, `C_GetAttributeValue`, `C_Sign`, `C_SignUpdate`, `C_SignFinal`, `C_Verify`, `C_Decrypt`, and
//! `C_Finalize` when the program ends.

use conformance::{Kind, Ran, Sandbox, TOKEN_LABEL, USER_PIN, handshake, private_key, run};

const MESSAGE: &[u8] = b"signed through a provider\n";
const CURVES: [&str; 3] = ["EC:secp256r1", "EC:secp384r1", "EC:secp521r1"];
const PROVIDER: &str = "/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so";

#[test]
fn lists_what_is_in_the_token() {
    let sandbox = sandbox();
    sandbox.key_pair("rsa", "01", "rsa:2048");
    sandbox.key_pair("ec", "02", "EC:secp256r1");
    certificate(&sandbox, "rsa");
    sandbox.openssl_agrees(&["x509", "-in", "rsa.crt", "-outform", "DER", "-out", "rsa.der"]);
    sandbox.user(&["--write-object", "rsa.der", "--type", "cert", "--id", "01", "--label", "rsa"]).ok();
    let uri = format!("pkcs11:token={TOKEN_LABEL}?pin-value={USER_PIN}");
    let listed = provider(&sandbox, &["storeutl", "-noout", "-text", &uri]).ok();
    for line in ["(2048 bit", "(256 bit", "Subject: CN=rsa"] {
        assert!(listed.text().contains(line), "{line:?}: {listed}");
    }
}

#[test]
fn makes_requests_and_self_signed_certificates() {
    let sandbox = sandbox();
    sandbox.key_pair("rsa", "01", "rsa:2048");
    for (number, curve) in CURVES.iter().enumerate() {
        sandbox.key_pair(&format!("ec{number}"), &format!("1{number}"), curve);
    }
    for label in ["rsa", "ec0", "ec1", "ec2"] {
        certificate(&sandbox, label);
        let file = format!("{label}.crt");
        sandbox.openssl(&["verify", "-CAfile", &file, "-check_ss_sig", &file]).ok();
        let request = ["req", "-new", "-sha384", "-key", &private_key(label), "-subj", "/CN=request", "-out", "csr"];
        provider(&sandbox, &request).ok();
        sandbox.openssl(&["req", "-in", "csr", "-verify", "-noout"]).ok().says("verify OK");
    }
}

#[test]
fn signs_certificates_of_others() {
    let sandbox = sandbox();
    sandbox.key_pair("authority", "01", "EC:secp384r1");
    sandbox.key_pair("leaf", "02", "rsa:3072");
    certificate(&sandbox, "authority");
    signed_by(&sandbox, "authority", "leaf");
    sandbox.openssl(&["verify", "-CAfile", "authority.crt", "leaf.crt"]).ok().says("leaf.crt: OK");
}

#[test]
fn digests_and_signs() {
    let sandbox = sandbox();
    for (label, id, kind) in [
        ("rsa", "01", "rsa:2048"),
        ("ec", "02", "EC:secp256r1"),
        ("ec384", "03", "EC:secp384r1"),
        ("ec521", "04", "EC:secp521r1"),
    ] {
        sandbox.key_pair(label, id, kind);
        public_key(&sandbox, label);
        let paddings: &[&[&str]] = match label {
            "rsa" => &[&[], &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]],
            _ => &[&[]],
        };
        for hash in ["-sha1", "-sha256", "-sha384", "-sha512"] {
            if sandbox.module().kind() == Kind::SoftHsm && label != "rsa" && hash == "-sha1" {
                continue;
            }
            for padding in paddings {
                let sign = ["dgst", hash, "-sign", &private_key(label), "-out", "signature"];
                provider(&sandbox, &[&sign[..], padding, &["message"]].concat()).ok();
                let verify = ["dgst", hash, "-verify", "public.pem", "-signature", "signature"];
                sandbox.openssl(&[&verify[..], padding, &["message"]].concat()).ok().says("Verified OK");
                sandbox.openssl(&[&verify[..], padding, &["other"]].concat()).fails();
            }
        }
    }
}

#[test]
fn signs_and_decrypts_with_pkeyutl() {
    let sandbox = sandbox();
    sandbox.key_pair("rsa", "01", "rsa:2048");
    public_key(&sandbox, "rsa");
    sandbox.openssl_agrees(&["dgst", "-sha256", "-binary", "-out", "digest", "message"]);
    let pss = ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32", "-pkeyopt", "digest:sha256"];
    for options in [&["-pkeyopt", "digest:sha256"][..], &pss[..]] {
        let key = private_key("rsa");
        let sign = ["pkeyutl", "-sign", "-inkey", &key, "-in", "digest", "-out", "signature"];
        provider(&sandbox, &[&sign[..], options].concat()).ok();
        let verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "digest", "-sigfile", "signature"];
        sandbox.openssl(&[&verify[..], options].concat()).ok().says("Verified Successfully");
    }
    for options in paddings(&sandbox) {
        let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "message", "-out", "secret"];
        sandbox.openssl(&[&encrypt[..], &options].concat()).ok();
        let key = private_key("rsa");
        let decrypt = ["pkeyutl", "-decrypt", "-inkey", &key, "-in", "secret", "-out", "plain"];
        provider(&sandbox, &[&decrypt[..], &options].concat()).ok();
        assert_eq!(sandbox.read("plain"), MESSAGE, "{options:?}");
        sandbox.write("plain", "");
    }

    sandbox.key_pair("ec", "02", "EC:secp256r1");
    public_key(&sandbox, "ec");
    provider(&sandbox, &["pkeyutl", "-sign", "-inkey", &private_key("ec"), "-in", "digest", "-out", "signature"]).ok();
    let verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "digest", "-sigfile", "signature"];
    sandbox.openssl(&verify).ok().says("Verified Successfully");
}

#[test]
fn serves_tls_1_3_with_an_rsa_key() {
    tls("rsa:2048");
}

#[test]
fn serves_tls_1_3_with_an_ec_key() {
    tls("EC:secp256r1");
}

#[test]
fn a_wrong_pin_is_refused() {
    let sandbox = sandbox();
    sandbox.key_pair("rsa", "01", "rsa:2048");
    let key = private_key("rsa").replace(USER_PIN, "wrong-pin");
    provider(&sandbox, &["dgst", "-sha256", "-sign", &key, "-out", "signature", "message"]).fails();
    provider(&sandbox, &["dgst", "-sha256", "-sign", &private_key("rsa"), "-out", "signature", "message"]).ok();
}

fn tls(kind: &str) {
    let sandbox = sandbox();
    sandbox.key_pair("authority", "01", kind);
    sandbox.key_pair("leaf", "02", kind);
    certificate(&sandbox, "authority");
    signed_by(&sandbox, "authority", "leaf");
    handshake(&sandbox, "provider.cnf", &["-key", &private_key("leaf"), "-cert", "leaf.crt"], "authority.crt");
}

/// A self-signed certificate for the key `label`, in `<label>.crt`.
fn certificate(sandbox: &Sandbox, label: &str) {
    let (subject, out) = (format!("/CN={label}"), format!("{label}.crt"));
    let request = ["req", "-new", "-x509", "-days", "2", "-key", &private_key(label), "-subj", &subject, "-out", &out];
    provider(sandbox, &request).ok();
}

/// A certificate for the key `label`, signed by the key `authority`, in `<label>.crt`.
fn signed_by(sandbox: &Sandbox, authority: &str, label: &str) {
    let (subject, out, ca) = (format!("/CN={label}"), format!("{label}.crt"), format!("{authority}.crt"));
    provider(sandbox, &["req", "-new", "-key", &private_key(label), "-subj", &subject, "-out", "csr"]).ok();
    let key = private_key(authority);
    provider(sandbox, &["x509", "-req", "-in", "csr", "-days", "2", "-CA", &ca, "-CAkey", &key, "-out", &out]).ok();
}

/// The public key `label` in `public.pem`, out of a certificate request.
fn public_key(sandbox: &Sandbox, label: &str) {
    provider(sandbox, &["req", "-new", "-key", &private_key(label), "-subj", "/CN=x", "-out", "csr"]).ok();
    sandbox.openssl_agrees(&["req", "-in", "csr", "-verify", "-noout", "-pubkey", "-out", "public.pem"]);
}

/// The encryption paddings of `pkeyutl` that the module under test can undo.
fn paddings(sandbox: &Sandbox) -> Vec<Vec<&'static str>> {
    let mut paddings = vec![vec!["-pkeyopt", "rsa_padding_mode:pkcs1"]];
    for (oaep, mgf) in [
        ("rsa_oaep_md:sha1", "rsa_mgf1_md:sha1"),
        ("rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"),
        ("rsa_oaep_md:sha384", "rsa_mgf1_md:sha384"),
        ("rsa_oaep_md:sha512", "rsa_mgf1_md:sha512"),
    ] {
        if sandbox.module().kind() == Kind::Azihsm || oaep.ends_with("sha1") {
            paddings.push(vec!["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", oaep, "-pkeyopt", mgf]);
        }
    }
    paddings
}

/// A token, a message and another, and an OpenSSL configuration that activates the provider on the module.
fn sandbox() -> Sandbox {
    assert!(std::path::Path::new(PROVIDER).exists(), "{PROVIDER}: install pkcs11-provider from bookworm-backports");
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    sandbox.write("other", "something else\n");
    let module = sandbox.module().path().display();
    // SoftHSM2 lives on the same libcrypto as its caller, and must not be finalised while that goes down.
    let quirks = match sandbox.module().kind() {
        Kind::SoftHsm => "pkcs11-module-quirks = no-deinit no-operation-state\n",
        Kind::Azihsm => "",
    };
    sandbox.write(
        "provider.cnf",
        format!(
            "openssl_conf = openssl_init\n[openssl_init]\nproviders = providers\n\
             [providers]\ndefault = software\npkcs11 = token\n[software]\nactivate = 1\n\
             [token]\nmodule = {PROVIDER}\npkcs11-module-path = {module}\n{quirks}activate = 1\n\
             [req]\ndistinguished_name = name\n[name]\n"
        ),
    );
    sandbox
}

/// `openssl` with the provider.
fn provider(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    run(sandbox.command("openssl").env("OPENSSL_CONF", sandbox.path("provider.cnf")).args(arguments))
}
