//! RSA private operation; padding is the host's (wire 3.3).

use std::borrow::Cow;

use crate::ddi::physical::Operand;
use crate::ddi::wire::message;
use crate::ddi::{Opcode, Request, RsaOpType};

message! {
    /// Request of `RsaModExp`.
    pub struct RsaModExp<'a> {
        /// RSA private key.
        1 key_id: u16,
        /// Modulus-sized operand, big-endian.
        2 y: Cow<'a, [u8]> as Operand,
        /// Must match the key's usage.
        3 op_type: RsaOpType,
    }
}

impl<'a> Request<'a> for RsaModExp<'a> {
    const OPCODE: Opcode = Opcode::RSA_MOD_EXP;
    type Response<'r> = RsaModExpResponse<'r>;
}

message! {
    /// Response of `RsaModExp`.
    pub struct RsaModExpResponse<'a> {
        /// Modulus-sized result, big-endian. May be secret: take it into `Zeroizing`.
        1 x: Cow<'a, [u8]> as Operand,
    }
}
