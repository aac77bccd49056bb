//! Which API revisions the device speaks (wire 3.3). Sent without revision and session.

use crate::ddi::wire::message;
use crate::ddi::{ApiRev, Opcode, Request};

message! {
    /// Request of `GetApiRev`.
    pub struct GetApiRev;
}

impl Request<'_> for GetApiRev {
    const OPCODE: Opcode = Opcode::GET_API_REV;
    type Response<'r> = GetApiRevResponse;
}

message! {
    /// Response of `GetApiRev`.
    pub struct GetApiRevResponse {
        /// Lowest revision.
        1 min: ApiRev,
        /// Highest revision.
        2 max: ApiRev,
    }
}
