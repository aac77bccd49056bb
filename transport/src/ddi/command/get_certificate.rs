//! One certificate of the chain (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `GetCertificate`.
    pub struct GetCertificate {
        /// 0.
        1 slot_id: u8,
        /// 0 is the root, the last is the partition's.
        2 cert_id: u8,
    }
}

impl Request<'_> for GetCertificate {
    const OPCODE: Opcode = Opcode::GET_CERTIFICATE;
    type Response<'r> = GetCertificateResponse<'r>;
}

message! {
    /// Response of `GetCertificate`.
    pub struct GetCertificateResponse<'a> {
        /// X.509 DER.
        1 certificate: &'a [u8] as Var<2048>,
    }
}
