//! Closes the session of the header (wire 3.3).

use crate::ddi::wire::message;
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `CloseSession`.
    pub struct CloseSession;
}

impl Request<'_> for CloseSession {
    const OPCODE: Opcode = Opcode::CLOSE_SESSION;
    type Response<'r> = CloseSessionResponse;
}

message! {
    /// Response of `CloseSession`.
    pub struct CloseSessionResponse;
}
