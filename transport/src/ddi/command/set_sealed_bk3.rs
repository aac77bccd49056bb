//! Stores the sealed BK3, once (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `SetSealedBk3`.
    pub struct SetSealedBk3<'a> {
        /// At most 512 bytes by the device's limit.
        1 sealed_bk3: &'a [u8] as Var<1024>,
    }
}

impl<'a> Request<'a> for SetSealedBk3<'a> {
    const OPCODE: Opcode = Opcode::SET_SEALED_BK3;
    type Response<'r> = SetSealedBk3Response;
}

message! {
    /// Response of `SetSealedBk3`.
    pub struct SetSealedBk3Response;
}
