//! The C ABI itself, called with raw pointers: what a binding cannot express, and what a program must not be able to do to
//! the library.
//!
//! One file per topic: `surface` (symbols, lists, header, needed libraries), `nulls`, `lengths` (output lengths, unaligned
//! memory, absurd counts), `arguments` (of `C_Initialize`, mechanism parameters, templates), `uninitialised`, `handles`,
//! `processes` (fork, unload, threads), `waiting` (for slot events), `dual`, `state`, `recover` and `verify_signature` (the
//! functions that no binding has), `batches` (of attributes), `profiles` (and what else is built in), `attack` (what once broke it), `environment` (configuration and store). `listed`
//! holds what the standard lists as return values of each function; every assertion here asks for one exact value, and
//! that it is on that list.
//!
//! Each test has a process of its own: the library's state is one per process.

#![allow(clippy::wildcard_imports, reason = "the standard's names, by the dozen")]

mod arguments;
mod attack;
mod batches;
mod dual;
mod environment;
mod handles;
mod harness;
mod lengths;
mod listed;
mod messages;
mod nulls;
mod processes;
mod profiles;
mod recover;
mod state;
mod surface;
mod uninitialised;
mod verify_signature;
mod waiting;
mod wrapping;
