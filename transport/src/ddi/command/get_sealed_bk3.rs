//! Reads the sealed BK3 (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `GetSealedBk3`.
    pub struct GetSealedBk3;
}

impl Request<'_> for GetSealedBk3 {
    const OPCODE: Opcode = Opcode::GET_SEALED_BK3;
    type Response<'r> = GetSealedBk3Response<'r>;
}

message! {
    /// Response of `GetSealedBk3`.
    pub struct GetSealedBk3Response<'a> {
        /// What was stored.
        1 sealed_bk3: &'a [u8] as Var<1024>,
    }
}
