//! p11-kit (Debian `p11-kit` 0.24), and `p11tool` (Debian `gnutls-bin`, of GNU TLS) on top of it, with our module file.
//!
//! `p11-kit list-modules`; and the listing of tokens and objects, which in Debian 12 is `p11tool`'s: `p11-kit` has
//! `list-tokens` and `list-objects` from 0.25 on, and where it has them they are asked too. p11-kit reads no user's
//! configuration when it runs as root, so these commands run as `nobody` then. Reaches `C_GetInfo`, `C_GetSlotList`,
//! `C_GetTokenInfo`, `C_OpenSession`, `C_Login`, `C_FindObjects`, `C_GetAttributeValue`, `C_Finalize`.

use conformance::{Sandbox, TOKEN_LABEL, USER_PIN};

#[test]
fn lists_modules() {
    let sandbox = sandbox();
    let path = sandbox.module().path().display().to_string();
    let listed = sandbox.run("p11-kit", &["list-modules"]).ok();
    let ours = listed.stdout();
    let ours =
        ours.split_once(&format!("azihsm: {path}")).unwrap_or_else(|| panic!("the module is listed: {listed}")).1;
    for line in
        [&format!("token: {TOKEN_LABEL}")[..], "rng", "login-required", "user-pin-initialized", "token-initialized"]
    {
        assert!(ours.contains(line), "{line:?} is shown: {listed}");
    }
}

#[test]
fn lists_tokens() {
    let sandbox = sandbox();
    let listed = sandbox.run("p11tool", &["--list-tokens"]).ok();
    for text in [&format!(";token={TOKEN_LABEL}")[..], "libazihsm_pkcs11.so"] {
        assert!(listed.text().contains(text) || !is_ours(&sandbox), "{text:?} is shown: {listed}");
    }
    if knows(&sandbox, "list-tokens") {
        sandbox.run("p11-kit", &["list-tokens"]).ok().says(&format!("token={TOKEN_LABEL}"));
    }
}

#[test]
fn lists_objects() {
    let sandbox = sandbox();
    sandbox.key_pair("an rsa key", "01", "rsa:2048");
    sandbox.key_pair("an ec key", "02", "EC:secp256r1");
    sandbox.user(&["--keygen", "--key-type", "AES:32", "--label", "a secret key", "--id", "03", "--private"]).ok();
    let token = format!("pkcs11:token={TOKEN_LABEL}");
    let listed = sandbox.run("p11tool", &["--batch", "--list-all", &token]).ok();
    let listed = listed.says("object=an%20rsa%20key;type=public").says("object=an%20ec%20key;type=public");
    listed.never_says("type=private").never_says("type=secret-key");
    let pin = format!("--set-pin={USER_PIN}");
    let listed = sandbox.run("p11tool", &["--batch", "--login", &pin, "--list-all", &token]).ok();
    for text in [
        "object=an%20rsa%20key;type=private",
        "object=an%20ec%20key;type=private",
        "object=a%20secret%20key;type=secret-key",
        "Private key (RSA-2048)",
        "Private key (EC/ECDSA-SECP256R1)",
        "CKA_PRIVATE",
        "CKA_SENSITIVE",
        "CKA_NEVER_EXTRACTABLE",
    ] {
        assert!(listed.text().contains(text), "{text:?} is shown: {listed}");
    }
    if knows(&sandbox, "list-objects") {
        let listed = sandbox.run("p11-kit", &["list-objects", &token]).ok();
        listed.says("an%20rsa%20key").says("an%20ec%20key").never_says("type=private");
    }
}

#[test]
fn signs_with_a_key_named_by_its_uri() {
    let sandbox = sandbox();
    sandbox.key_pair("an ec key", "02", "EC:secp256r1");
    let (pin, uri) =
        (format!("--set-pin={USER_PIN}"), format!("pkcs11:token={TOKEN_LABEL};object=an%20ec%20key;type=private"));
    sandbox
        .run("p11tool", &["--batch", "--login", &pin, "--test-sign", &uri])
        .ok()
        .says("Verifying against public key");
}

/// Whether this p11-kit has `command`.
fn knows(sandbox: &Sandbox, command: &str) -> bool {
    sandbox.run("p11-kit", &["--help"]).text().contains(command)
}

fn is_ours(sandbox: &Sandbox) -> bool {
    sandbox.module().kind() == conformance::Kind::Azihsm
}

/// A token, and a user's configuration that names its module and no other.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::unprivileged();
    sandbox.init_token();
    let modules = sandbox.path(".config/pkcs11/modules");
    std::fs::create_dir_all(&modules).expect("our own folder");
    sandbox.write(".config/pkcs11/pkcs11.conf", "user-config: only\n");
    sandbox.write(".config/pkcs11/modules/azihsm.module", format!("module: {}\n", sandbox.module().path().display()));
    sandbox
}
