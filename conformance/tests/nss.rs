//! NSS (Debian `libnss3-tools` 3.87), by the script of `examples/nss`: `modutil -add`, `certutil -S`, `-R`, `-K` and `-L`
//! with new keys of the token, `pk12util -i` into it. NSS keeps sessions open while it logs in, asks for its own
//! attributes and object classes, and makes an orphan key for a request.

use conformance::Sandbox;

#[test]
fn certifies_with_keys_of_the_token_and_imports_into_it() {
    let sandbox = Sandbox::new();
    let ran = sandbox.example("nss");
    for text in ["Module \"azihsm\" added", "PKCS12 IMPORT SUCCESSFUL", "nss:authority", "nss:server", "(orphan)"] {
        assert!(ran.text().contains(text), "{text:?} is shown: {ran}");
    }
    // OpenSSL, which knows no token, agrees with what the keys of the token signed.
    sandbox.openssl_agrees(&["req", "-in", "example/request.csr", "-noout", "-verify"]);
    let chain = ["verify", "-check_ss_sig", "-CAfile", "example/authority.crt", "example/server.crt"];
    sandbox.openssl(&chain).ok().says("OK");
    let fingerprint = |file: &str| {
        let path = format!("example/{file}");
        sandbox.openssl(&["x509", "-noout", "-fingerprint", "-sha256", "-in", &path]).ok().stdout()
    };
    assert_eq!(fingerprint("imported.crt"), fingerprint("imported-back.crt"), "the imported certificate is itself");
    // The imported key signs as the key in the file does.
    // NSS names it by an id of its own.
    let said = ran.text();
    let mut listed = said.lines().filter_map(|line| line.split_once("> rsa")).map(|(_, rest)| rest.split_whitespace());
    let id = listed
        .find_map(|mut words| words.next().filter(|_| words.next().is_some_and(|name| name.ends_with("imported"))));
    let id = id.unwrap_or_else(|| panic!("the imported key is listed: {ran}"));
    sandbox.write("document", "signed by an imported key");
    let sign = ["--sign", "-m", "SHA256-RSA-PKCS", "-i", "document", "-o", "signature"];
    let private = ["--token-label", "nss", "--login", "--pin", conformance::EXAMPLE_PIN, "--id", id];
    sandbox.tool(&[&private[..], &sign].concat()).ok();
    let verify = ["dgst", "-sha256", "-prverify", "example/imported.key", "-signature", "signature", "document"];
    sandbox.openssl(&verify).ok().says("Verified OK");
}
