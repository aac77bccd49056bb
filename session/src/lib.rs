//! The token: what an application sees between the C functions and the mechanisms.
//!
//! One file per chapter of the standard's functions, named as in `pkcs11/entry`: [`general`], [`slot`], [`sessions`],
//! [`login`], [`object`], [`encrypt`], [`decrypt`], [`digest`], [`sign`], [`verify`], [`dual`], [`message`],
//! [`state`], [`key`], [`random`]. Behind them:
//!
//! | Room | What it is |
//! |---|---|
//! | [`call`] | how arguments come in and results go out, the rule for output of variable length |
//! | [`library`] | the one initialised library of this process; notices a fork |
//! | `operation` | what one session is in the middle of, one operation of each kind |
//! | [`token`] | a token: its secrets, login state, partition, objects |
//! | `ivs` | which IVs AES-GCM keys have encrypted with |
//! | [`attribute`] | the attribute table, templates |
//! | `store`, `pin_slots` | what is on disk |
//! | [`config`], [`log`] | configuration and log |
//!
//! Lock order, never taken the other way round: library, maps, session, token, partition. No map lock is held across a
//! device call.

pub mod attribute;
pub mod call;
pub mod config;
pub mod decrypt;
pub mod digest;
pub mod dual;
pub mod encrypt;
pub mod general;
mod ivs;
pub mod key;
pub mod library;
pub mod log;
pub mod login;
pub mod message;
pub mod object;
pub(crate) mod operation;
mod pin_slots;
pub mod random;
pub mod sessions;
pub mod sign;
pub mod slot;
pub mod state;
mod store;
pub mod token;
pub mod verify;

pub use mechanisms::error::{Code, Error, Result};

#[cfg(test)]
mod tests;
