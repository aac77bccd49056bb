//! Black-box suites: load the built library, see nothing inside.
//!
//! - [`Module`]: the shared object under test, and what a program has to be told to use it.
//! - [`Sandbox`]: one state folder of its own per test, and the commands that run against it.
//! - [`Ran`]: a finished command; every assertion on it shows the whole command and its output.
//! - [`FakeDriver`]: chips behind `/dev/azihsm<N>` for the programs of a sandbox.
//! - [`to_hex`], [`from_hex`]: bytes as text.
//! - [`raw`]: the module's C functions, with nothing in between, for the ABI tests and the benchmark.
//! - [`isolated`]: a test body that gets a process of its own, for tests that load the library in process.

mod example;
mod fake_driver;
mod hex;
mod isolated;
mod module;
mod ran;
pub mod raw;
mod sandbox;
mod tls;

pub use example::EXAMPLE_PIN;
pub use fake_driver::{Dialect, FakeDriver};
pub use hex::{from_hex, to_hex};
pub use isolated::{Token, isolated, isolated_under};
pub use module::{Kind, Module};
pub use ran::{Background, Ran, run};
pub use sandbox::{SO_PIN, Sandbox, TOKEN_LABEL, USER_PIN, private_key, tool};
pub use tls::handshake;
