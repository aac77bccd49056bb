//! What a `CKM_` does.
//!
//! | Room | What it is |
//! |---|---|
//! | [`ck`] | the standard's constants as types that print their names |
//! | [`error`] | the one error type, variant and `CKR_` code on one line |
//! | [`params`] | mechanism parameters, parsed once at the edge |
//! | [`key`] | what a key is to a mechanism: HSM-resident, clear, public; and what is asked of a new one |
//! | [`operation`] | the traits that a session drives |
//! | [`table`] | one row per mechanism; lists, flags and docs come from it |
//!
//! A family is one file: its rows, the functions they name, their tests.

pub mod ck;
pub mod error;
pub mod key;
pub mod operation;
pub mod params;
pub mod table;

pub use error::{Error, Result};
