//! Makes an AES key (wire 3.3).

use crate::ddi::wire::{Opt, Plain, Var, message};
use crate::ddi::{AesKeySize, Opcode, Request, TargetKeyProperties};

message! {
    /// Request of `AesGenerateKey`.
    pub struct AesGenerateKey<'a> {
        /// Which kind.
        1 key_size: AesKeySize,
        /// Tag of the new key, not 0.
        2 key_tag: Option<u16> as Opt<Plain>,
        /// Use and label of the new key.
        3 key_properties: TargetKeyProperties<'a>,
    }
}

impl<'a> Request<'a> for AesGenerateKey<'a> {
    const OPCODE: Opcode = Opcode::AES_GENERATE_KEY;
    type Response<'r> = AesGenerateKeyResponse<'r>;
}

message! {
    /// Response of `AesGenerateKey`.
    pub struct AesGenerateKeyResponse<'a> {
        /// The new key.
        1 key_id: u16,
        /// Of bulk AES keys.
        2 bulk_key_id: Option<u16> as Opt<Plain>,
        /// The masked key (wire 3.7).
        3 masked_key: &'a [u8] as Var<3072>,
    }
}
