//! One TLS 1.3 handshake and one page, between a server whose key is in the token and a client that knows no token.

use std::process::Command;

use crate::{Sandbox, serve};

/// Lets `openssl s_server`, under the OpenSSL configuration `configuration` of `sandbox`, serve one page with the key
/// and certificate that `server` names, and `openssl s_client` fetch it: the client trusts only the certificate in the file `trusted` of `sandbox`.
///
/// # Panics
/// Where the handshake is not one of TLS 1.3, the server does not prove that it has the key of a certificate that the
/// client trusts, or the page does not arrive.
#[track_caller]
pub fn handshake(sandbox: &Sandbox, configuration: &str, server: &[&str], trusted: &str) {
    let (port, server) = serve("ACCEPT", |port| {
        let mut command: Command = sandbox.command("openssl");
        command.env("OPENSSL_CONF", sandbox.path(configuration));
        command.args(["s_server", "-www", "-tls1_3", "-accept", &format!("127.0.0.1:{port}")]).args(server);
        command
    });
    sandbox.write("request", "GET / HTTP/1.0\r\n\r\n");
    let connect = format!("127.0.0.1:{port}");
    let client = ["s_client", "-connect", &connect, "-CAfile", trusted, "-verify_return_error", "-ign_eof"];
    let client = sandbox.run_with("openssl", &client, "request");
    assert!(client.succeeded(), "the client is content: {client}\n-- the server\n{}", server.text());
    client.says("New, TLSv1.3").says("Verification: OK").says("HTTP/1.0 200 ok");
}
