//! OpenSSL 3 through its older way, the engine (Debian `libengine-pkcs11-openssl`, libp11 0.4.12).
//!
//! `req`, `x509`, `dgst`, `pkeyutl` and `s_server` with the key in the token; an `openssl` that knows no token checks
//! every signature, makes every ciphertext, and is the TLS client. Reaches `C_GetFunctionList`, `C_Login`,
//! `C_FindObjects`, `C_GetAttributeValue`, `C_Sign` with `CKM_RSA_PKCS`, `CKM_RSA_X_509`, `CKM_RSA_PKCS_PSS` and
//! `CKM_ECDSA`, `C_Decrypt`, and `C_Finalize` when the program ends.

use conformance::{Kind, Ran, Sandbox, USER_PIN, handshake, private_key, run};

const MESSAGE: &[u8] = b"signed through an engine\n";
const ENGINE: &str = "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so";
const VIA_ENGINE: [&str; 4] = ["-engine", "pkcs11", "-keyform", "engine"];
const PSS: [&str; 2] = ["rsa_padding_mode:pss", "rsa_pss_saltlen:digest"];

#[test]
fn makes_requests_and_self_signed_certificates() {
    let sandbox = sandbox();
    for (label, id, kind) in KEYS {
        sandbox.key_pair(label, id, kind);
        certificate(&sandbox, label);
        let file = format!("{label}.crt");
        sandbox.openssl(&["verify", "-CAfile", &file, "-check_ss_sig", &file]).ok();
        request(&sandbox, label);
        sandbox.openssl(&["req", "-in", "csr", "-verify", "-noout"]).ok().says("verify OK");
    }
}

#[test]
fn signs_certificates_of_others() {
    let sandbox = sandbox();
    sandbox.key_pair("authority", "01", "rsa:3072");
    sandbox.key_pair("leaf", "02", "EC:secp384r1");
    certificate(&sandbox, "authority");
    signed_by(&sandbox, "authority", "leaf");
    sandbox.openssl(&["verify", "-CAfile", "authority.crt", "leaf.crt"]).ok().says("leaf.crt: OK");
}

#[test]
fn digests_and_signs() {
    let sandbox = sandbox();
    for (label, id, kind) in KEYS {
        sandbox.key_pair(label, id, kind);
        public_key(&sandbox, label);
        let paddings: &[&[&str]] = match label {
            "rsa" => &[&[], &["-sigopt", PSS[0], "-sigopt", PSS[1]]],
            _ => &[&[]],
        };
        for hash in ["-sha1", "-sha256", "-sha384", "-sha512"] {
            for padding in paddings {
                let key = private_key(label);
                let sign = [hash, "-sign", &key, "-out", "signature"];
                engine(&sandbox, "dgst", &[&sign[..], padding, &["message"]].concat()).ok();
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
    sandbox.openssl_agrees(&["dgst", "-sha256", "-binary", "-out", "digest", "message"]);
    for (label, id, kind) in KEYS {
        sandbox.key_pair(label, id, kind);
        public_key(&sandbox, label);
        let paddings: &[&[&str]] = match label {
            "rsa" => &[
                &["-pkeyopt", "digest:sha256"],
                &["-pkeyopt", PSS[0], "-pkeyopt", PSS[1], "-pkeyopt", "digest:sha256"],
            ],
            _ => &[&[]],
        };
        for padding in paddings {
            let key = private_key(label);
            let sign = ["-sign", "-inkey", &key, "-in", "digest", "-out", "signature"];
            engine(&sandbox, "pkeyutl", &[&sign[..], padding].concat()).ok();
            let verify =
                ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "digest", "-sigfile", "signature"];
            sandbox.openssl(&[&verify[..], padding].concat()).ok().says("Verified Successfully");
        }
    }

    public_key(&sandbox, "rsa");
    for (padding, digest) in
        [("pkcs1", ""), ("oaep", "sha1"), ("oaep", "sha256"), ("oaep", "sha384"), ("oaep", "sha512")]
    {
        if sandbox.module().kind() == Kind::SoftHsm && !["", "sha1"].contains(&digest) {
            continue;
        }
        let mode = format!("rsa_padding_mode:{padding}");
        let (oaep, mgf) = (format!("rsa_oaep_md:{digest}"), format!("rsa_mgf1_md:{digest}"));
        let mut options = vec!["-pkeyopt", &mode];
        if padding == "oaep" {
            options.extend(["-pkeyopt", &oaep, "-pkeyopt", &mgf]);
        }
        let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "message", "-out", "secret"];
        sandbox.openssl(&[&encrypt[..], &options].concat()).ok();
        let key = private_key("rsa");
        let decrypt = ["-decrypt", "-inkey", &key, "-in", "secret", "-out", "plain"];
        engine(&sandbox, "pkeyutl", &[&decrypt[..], &options].concat()).ok();
        assert_eq!(sandbox.read("plain"), MESSAGE, "{options:?}");
        sandbox.write("plain", "");
    }
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
    let refused =
        engine(&sandbox, "dgst", &["-sha256", "-sign", &key, "-out", "signature", "message"]).says("PIN incorrect");
    if sandbox.module().kind() == Kind::Azihsm {
        refused.fails(); // SoftHSM2 crashes while this program ends.
    }
    engine(&sandbox, "dgst", &["-sha256", "-sign", &private_key("rsa"), "-out", "signature", "message"]).ok();
}

const KEYS: [(&str, &str, &str); 4] = [
    ("rsa", "01", "rsa:2048"),
    ("ec256", "02", "EC:secp256r1"),
    ("ec384", "03", "EC:secp384r1"),
    ("ec521", "04", "EC:secp521r1"),
];

fn tls(kind: &str) {
    let sandbox = sandbox();
    sandbox.key_pair("authority", "01", kind);
    sandbox.key_pair("leaf", "02", kind);
    certificate(&sandbox, "authority");
    signed_by(&sandbox, "authority", "leaf");
    let key = private_key("leaf");
    let server = [&VIA_ENGINE[..], &["-key", &key, "-cert", "leaf.crt"]].concat();
    handshake(&sandbox, "engine.cnf", &server, "authority.crt");
}

/// A self-signed certificate for the key `label`, in `<label>.crt`.
fn certificate(sandbox: &Sandbox, label: &str) {
    let (subject, out) = (format!("/CN={label}"), format!("{label}.crt"));
    let request = ["-new", "-x509", "-days", "2", "-key", &private_key(label), "-subj", &subject, "-out", &out];
    engine(sandbox, "req", &request).ok();
}

/// A certificate request for the key `label`, in `csr`.
fn request(sandbox: &Sandbox, label: &str) {
    let subject = format!("/CN={label}");
    engine(sandbox, "req", &["-new", "-sha384", "-key", &private_key(label), "-subj", &subject, "-out", "csr"]).ok();
}

/// A certificate for the key `label`, signed by the key `authority`, in `<label>.crt`.
fn signed_by(sandbox: &Sandbox, authority: &str, label: &str) {
    request(sandbox, label);
    let (out, ca, key) = (format!("{label}.crt"), format!("{authority}.crt"), private_key(authority));
    let sign = ["x509", "-req", "-in", "csr", "-days", "2", "-out", &out, "-engine", "pkcs11", "-CA", &ca];
    let sign = [&sign[..], &["-CAkeyform", "engine", "-CAkey", &key]].concat();
    run(sandbox.command("openssl").env("OPENSSL_CONF", sandbox.path("engine.cnf")).args(sign)).ok();
}

/// The public key `label` in `public.pem`, out of a certificate request.
fn public_key(sandbox: &Sandbox, label: &str) {
    request(sandbox, label);
    sandbox.openssl_agrees(&["req", "-in", "csr", "-verify", "-noout", "-pubkey", "-out", "public.pem"]);
}

/// A token, a message and another, and an OpenSSL configuration that gives the engine the module.
fn sandbox() -> Sandbox {
    assert!(std::path::Path::new(ENGINE).exists(), "{ENGINE}: install the Debian package libengine-pkcs11-openssl");
    let sandbox = Sandbox::with_token();
    sandbox.write("message", MESSAGE);
    sandbox.write("other", "something else\n");
    let module = sandbox.module().path().display();
    sandbox.write(
        "engine.cnf",
        format!(
            "openssl_conf = openssl_init\n[openssl_init]\nengines = engines\n[engines]\npkcs11 = token\n\
             [token]\nengine_id = pkcs11\nMODULE_PATH = {module}\ninit = 0\n[req]\ndistinguished_name = name\n[name]\n"
        ),
    );
    sandbox
}

/// `openssl <command>` with its key in the engine.
fn engine(sandbox: &Sandbox, command: &str, arguments: &[&str]) -> Ran {
    let mut openssl = sandbox.command("openssl");
    openssl.env("OPENSSL_CONF", sandbox.path("engine.cnf"));
    run(openssl.arg(command).args(VIA_ENGINE).args(arguments))
}
