//! Apache httpd 2.4 (Debian `apache2-bin`) with an RSA and an EC key in the token, as `examples/apache/run` sets it up.
//!
//! TLS 1.2 and 1.3 to clients that know no token, several workers of many threads, and graceful restarts, at which httpd
//! unloads and loads its TLS module, while clients come. Reaches what `nginx.rs` does, and `C_Sign` by many threads.

mod server;

use server::{Server, script};

#[test]
fn the_example_ends_well() {
    script("apache", "apache2", "engine").says(" 0 failed");
}

#[test]
fn serves_and_reloads_through_the_engine() {
    let server = Server::start("apache", "apache2", "engine");
    server.is_trusted();
    server.reloads_under_load("-USR1");
}
