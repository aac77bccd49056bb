//! nginx 1.22 (Debian `nginx`) with an RSA and an EC key in the token, as `examples/nginx/run` sets it up: through OpenSSL's
//! engine, and through its provider.
//!
//! TLS 1.2 and 1.3 to clients that know no token, three workers that the master forks after it has logged in and found
//! the keys, and reloads while clients come. Reaches `C_Initialize` after a fork, with no `C_Finalize` before it, in
//! every worker; `C_Login`, `C_FindObjects` and `C_Sign` there; and several processes on one token.

mod server;

use server::{Server, script};

#[test]
fn the_example_ends_well() {
    script("nginx", "nginx", "engine").says(" 0 failed");
}

#[test]
fn serves_and_reloads_through_the_engine() {
    let server = Server::start("nginx", "nginx", "engine");
    server.is_trusted();
    server.reloads_under_load("-HUP");
}

#[test]
fn serves_and_reloads_through_the_provider() {
    let server = Server::start("nginx", "nginx", "provider");
    server.is_trusted();
    server.reloads_under_load("-HUP");
}
