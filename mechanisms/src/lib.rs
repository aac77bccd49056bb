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
//! | [`digest`] | hashes, and taking up a saved digest |
//! | [`iv`] | IVs that the library generates for messages |
//! | [`residency`] | where a new key will live |
//! | [`rsa`], [`ec`] | keys of these families: components, encodings, validation |
//! | [`random`] | random bytes |
//!
//! A family is one file: its rows, the functions they name, their tests. Private families:
//!
//! | Families | What they do |
//! |---|---|
//! | `aes`, `secret` | generate AES keys and generic secrets |
//! | `aes_cbc`, `aes_ccm`, `aes_ctr`, `aes_ecb`, `aes_gcm`, `aes_xts` | encrypt, whole, in parts and message by message |
//! | `aes_cmac`, `hmac`, `ecdsa` | sign and verify |
//! | `aes_key_wrap`, `ecdh_aes_wrap` | wrap and unwrap keys, as some ciphers do too |
//! | `ecdh`, `public_key` | use the private halves of pairs otherwise: agree, encapsulate, tell the public half |
//! | `aes_data`, `combine`, `hkdf`, `kbkdf`, `key_digest`, `pbkdf2` | derive keys |
//!
//! `padding` holds what has no key in it; `blockwise`, `cbc_mac`, `collected` and `wrapping` are what ciphers of several
//! families have in common; `import` is the last step of whatever brings a key in; `testing` is for the tests.

mod aes;
mod aes_cbc;
mod aes_ccm;
mod aes_cmac;
mod aes_ctr;
mod aes_data;
mod aes_ecb;
mod aes_gcm;
mod aes_key_wrap;
mod aes_xts;
mod blockwise;
mod cbc_mac;
pub mod ck;
mod collected;
mod combine;
pub mod digest;
pub mod ec;
mod ecdh;
mod ecdh_aes_wrap;
mod ecdsa;
pub mod error;
mod hkdf;
mod hmac;
mod import;
pub mod iv;
mod kbkdf;
pub mod key;
mod key_digest;
pub mod operation;
mod padding;
pub mod params;
mod pbkdf2;
mod public_key;
pub mod random;
pub mod residency;
pub mod rsa;
mod secret;
pub mod table;
#[cfg(test)]
mod testing;
mod wrapping;

pub use error::{Error, Result};
pub use import::import;
