//! The partition's RSA-2048 unwrapping key (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{DerPublicKey, Opcode, Request};

message! {
    /// Request of `GetUnwrappingKey`.
    pub struct GetUnwrappingKey;
}

impl Request<'_> for GetUnwrappingKey {
    const OPCODE: Opcode = Opcode::GET_UNWRAPPING_KEY;
    type Response<'r> = GetUnwrappingKeyResponse<'r>;
}

message! {
    /// Response of `GetUnwrappingKey`.
    pub struct GetUnwrappingKeyResponse<'a> {
        /// The key.
        1 key_id: u16,
        /// Its public half.
        2 pub_key: DerPublicKey<'a>,
        /// The masked key (wire 3.7).
        3 masked_key: &'a [u8] as Var<1024>,
    }
}
