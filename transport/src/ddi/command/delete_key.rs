//! Deletes a key (wire 3.3).

use crate::ddi::wire::message;
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `DeleteKey`.
    pub struct DeleteKey {
        /// The key.
        1 key_id: u16,
    }
}

impl Request<'_> for DeleteKey {
    const OPCODE: Opcode = Opcode::DELETE_KEY;
    type Response<'r> = DeleteKeyResponse;
}

message! {
    /// Response of `DeleteKey`.
    pub struct DeleteKeyResponse;
}
