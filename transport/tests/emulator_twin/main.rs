//! The emulator through its carrier: each row of semantics 9.1 has a test that names it, the known answers of the
//! recorded vectors, their transcripts, and frames that no client would send.

#![allow(clippy::wildcard_imports, reason = "the commands are the vocabulary of these tests")]

mod client;
mod keys;
mod life;
mod malformed;
mod operations;
mod provisioning;
mod transcripts;
mod vectors;
