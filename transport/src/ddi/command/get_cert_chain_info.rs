//! Length and thumbprint of the certificate chain (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `GetCertChainInfo`.
    pub struct GetCertChainInfo {
        /// 0.
        1 slot_id: u8,
    }
}

impl Request<'_> for GetCertChainInfo {
    const OPCODE: Opcode = Opcode::GET_CERT_CHAIN_INFO;
    type Response<'r> = GetCertChainInfoResponse<'r>;
}

message! {
    /// Response of `GetCertChainInfo`.
    pub struct GetCertChainInfoResponse<'a> {
        /// How many.
        1 num_certs: u8,
        /// SHA-256 over the chain.
        2 thumbprint: &'a [u8] as Var<32>,
    }
}
