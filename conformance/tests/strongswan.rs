//! strongSwan's `pki` (Debian `strongswan-pki` 5.9), by the script of `examples/strongswan`: an authority whose EC key,
//! and a gateway whose RSA key, is in the token. `C_Login` again for every key, and `C_Sign` on a session of its own.

use conformance::Sandbox;

#[test]
fn certifies_with_keys_of_the_token() {
    let sandbox = Sandbox::new();
    sandbox.example("strongswan").says("certificate trusted, lifetimes valid");
    // OpenSSL, which knows no token, says so too.
    sandbox.openssl_agrees(&["req", "-in", "example/gateway.csr", "-noout", "-verify"]);
    let chain = ["verify", "-check_ss_sig", "-CAfile", "example/authority.crt", "example/gateway.crt"];
    sandbox.openssl(&chain).ok().says("OK");
    for name in ["authority", "gateway"] {
        let certificate = format!("example/{name}.crt");
        let certified = sandbox.openssl(&["x509", "-noout", "-pubkey", "-in", &certificate]).ok();
        assert_eq!(certified.stdout().as_bytes(), sandbox.example_public_key("strongswan", name), "{name}");
    }
}
