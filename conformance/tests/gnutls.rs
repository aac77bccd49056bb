//! GnuTLS (Debian `gnutls-bin` 3.7), by the script of `examples/gnutls`.
//!
//! `p11tool` makes the keys, tests them and writes a certificate; `certtool` signs a self-signed certificate, a request
//! and a certificate; `gnutls-serv` serves TLS 1.2 and 1.3 with key and certificate in the token, to `gnutls-cli` and to
//! `openssl s_client`.

use conformance::Sandbox;

#[test]
fn certifies_and_serves_with_keys_of_the_token() {
    let sandbox = Sandbox::new();
    let ran = sandbox.example("gnutls");
    for text in [
        "Verifying against public key in the token... ok",
        "(TLS1.2-X.509)",
        "(TLS1.3-X.509)",
        "New, TLSv1.2",
        "New, TLSv1.3",
        "The certificate is trusted",
    ] {
        assert!(ran.text().contains(text), "{text:?} is shown: {ran}");
    }
    // OpenSSL, which knows no token, says so too; of the request that the token's RSA key signed, and of the certificates.
    sandbox.openssl_agrees(&["req", "-in", "example/server.csr", "-noout", "-verify"]);
    let chain = ["verify", "-x509_strict", "-check_ss_sig", "-CAfile", "example/authority.crt", "example/server.crt"];
    sandbox.openssl(&chain).ok().says("OK");
    for (name, certificate) in [("ec", "authority"), ("rsa", "server")] {
        let certificate = format!("example/{certificate}.crt");
        let certified = sandbox.openssl(&["x509", "-noout", "-pubkey", "-in", &certificate]).ok();
        assert_eq!(certified.stdout().as_bytes(), sandbox.example_public_key("gnutls", name), "{name}");
    }
    for file in ["openssl-1.2.txt", "openssl-1.3.txt"] {
        let page = String::from_utf8_lossy(&sandbox.read(&format!("example/{file}"))).into_owned();
        assert!(page.contains("Verification: OK") && page.contains("HTTP/1.0 200 OK"), "{file}: {page}");
    }
}
