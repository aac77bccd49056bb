//! Masks the owner backup key (wire 3.3).

use crate::ddi::wire::{Fixed, Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `InitBk3`.
    pub struct InitBk3<'a> {
        /// 48 bytes.
        1 bk3: &'a [u8] as Var<48>,
    }
}

impl<'a> Request<'a> for InitBk3<'a> {
    const OPCODE: Opcode = Opcode::INIT_BK3;
    type Response<'r> = InitBk3Response<'r>;
}

message! {
    /// Response of `InitBk3`.
    pub struct InitBk3Response<'a> {
        /// BK3 under the chip's boot key.
        1 masked_bk3: &'a [u8] as Var<1024>,
        /// The virtual machine's.
        2 vm_launch_guid: &'a [u8; 16] as Fixed,
    }
}
