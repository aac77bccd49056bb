//! Attestation report of a key (wire 3.3). The firmware answers with the opcode of `EccSign` (semantics 6.11).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `AttestKey`.
    pub struct AttestKey<'a> {
        /// The key.
        1 key_id: u16,
        /// The caller's data; the firmware wants 128 bytes.
        2 report_data: &'a [u8] as Var<128>,
    }
}

impl<'a> Request<'a> for AttestKey<'a> {
    const OPCODE: Opcode = Opcode::ATTEST_KEY;
    type Response<'r> = AttestKeyResponse<'r>;
}

message! {
    /// Response of `AttestKey`.
    pub struct AttestKeyResponse<'a> {
        /// Tagged `COSE_Sign1`, at most 834 bytes.
        1 report: &'a [u8] as Var<834>,
    }
}
