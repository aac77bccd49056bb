//! Restores a masked key (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `UnmaskKey`.
    pub struct UnmaskKey<'a> {
        /// The masked key (wire 3.7).
        1 masked_key: &'a [u8] as Var<3072>,
    }
}

impl<'a> Request<'a> for UnmaskKey<'a> {
    const OPCODE: Opcode = Opcode::UNMASK_KEY;
    type Response<'r> = UnmaskKeyResponse<'r>;
}

/// Response of `UnmaskKey`: the same as of `RsaUnwrap`.
pub type UnmaskKeyResponse<'a> = super::RsaUnwrapResponse<'a>;
