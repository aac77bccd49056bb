//! One TLS 1.3 handshake and one page, between a server whose key is in the token and a client that knows no token.

use crate::{Background, Sandbox};

/// Lets `openssl s_server`, under the OpenSSL configuration `configuration` of `sandbox`, serve one page with the key
/// and certificate that `server` names, and `openssl s_client` fetch it: the client trusts only the certificate in the
/// file `trusted` of `sandbox`.
///
/// # Panics
/// Where the handshake is not one of TLS 1.3, the server does not prove that it has the key of a certificate that the
/// client trusts, or the page does not arrive.
#[track_caller]
pub fn handshake(sandbox: &Sandbox, configuration: &str, server: &[&str], trusted: &str) {
    let mut command = sandbox.command("openssl");
    command.env("OPENSSL_CONF", sandbox.path(configuration));
    command.args(["s_server", "-www", "-tls1_3", "-accept", "127.0.0.1:0"]).args(server);
    let mut server = Background::start(&mut command);
    server.until_it_says("ACCEPT 127.0.0.1:");
    let said = server.text();
    let port = said.lines().find_map(|line| line.strip_prefix("ACCEPT ")).expect("what it was waited for");
    sandbox.write("request", "GET / HTTP/1.0\r\n\r\n");
    let client = ["s_client", "-connect", port, "-CAfile", trusted, "-verify_return_error", "-ign_eof"];
    let client = sandbox.run_with("openssl", &client, "request");
    assert!(client.succeeded(), "the client is content: {client}\n-- the server\n{}", server.text());
    client.says("New, TLSv1.3").says("Verification: OK").says("HTTP/1.0 200 ok");
}
