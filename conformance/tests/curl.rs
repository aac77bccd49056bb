//! curl (Debian `curl` 7.88) with OpenSSL's engine, by the script of `examples/curl`: a client certificate whose key is
//! in the token, by TLS 1.2 and 1.3, at a server (`openssl s_server`) that knows no token and serves nobody without one.

use conformance::Sandbox;

#[test]
fn shows_a_client_certificate_of_the_token() {
    let sandbox = Sandbox::new();
    let ran = sandbox.example("curl").says("alert certificate required").says("HTTP status 200");
    assert_eq!(ran.text().matches("HTTP status 200").count(), 2, "{ran}");
    // What the server saw is on the page.
    for version in ["1.2", "1.3"] {
        let page = String::from_utf8_lossy(&sandbox.read(&format!("example/page-{version}.html"))).into_owned();
        for text in [&format!("New, TLSv{version}")[..], "Client certificate", "CN=client in the HSM"] {
            assert!(page.contains(text), "{text:?} is shown by TLS {version}: {page}");
        }
    }
    let certified = sandbox.openssl(&["x509", "-noout", "-pubkey", "-in", "example/client.crt"]).ok();
    assert_eq!(certified.stdout().as_bytes(), sandbox.example_public_key("curl", "client"));
}
