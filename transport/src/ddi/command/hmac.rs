//! HMAC of one message of at most 1024 bytes (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `Hmac`.
    pub struct Hmac<'a> {
        /// HMAC key.
        1 key_id: u16,
        /// The message.
        2 msg: &'a [u8] as Var<1024>,
    }
}

impl<'a> Request<'a> for Hmac<'a> {
    const OPCODE: Opcode = Opcode::HMAC;
    type Response<'r> = HmacResponse<'r>;
}

message! {
    /// Response of `Hmac`.
    pub struct HmacResponse<'a> {
        /// 32, 48 or 64 bytes.
        1 tag: &'a [u8] as Var<64>,
    }
}
