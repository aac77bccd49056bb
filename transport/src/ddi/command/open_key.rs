//! Finds a key by its tag (wire 3.3).

use crate::ddi::wire::{Opt, Plain, message};
use crate::ddi::{DerPublicKey, KeyType, Opcode, Request};

message! {
    /// Request of `OpenKey`.
    pub struct OpenKey {
        /// The tag.
        1 key_tag: u16,
    }
}

impl Request<'_> for OpenKey {
    const OPCODE: Opcode = Opcode::OPEN_KEY;
    type Response<'r> = OpenKeyResponse<'r>;
}

message! {
    /// Response of `OpenKey`.
    pub struct OpenKeyResponse<'a> {
        /// The key.
        1 key_id: u16,
        /// What it is.
        2 key_kind: KeyType,
        /// Of RSA and ECC keys.
        3 pub_key: Option<DerPublicKey<'a>> as Opt<Plain>,
        /// Of bulk AES keys.
        4 bulk_key_id: Option<u16> as Opt<Plain>,
    }
}
