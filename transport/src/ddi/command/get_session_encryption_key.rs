//! The device's envelope key for sessions and `ChangePin` (wire 3.3, 3.8).

use crate::ddi::wire::message;
use crate::ddi::{Opcode, Request};

message! {
    /// Request of `GetSessionEncryptionKey`.
    pub struct GetSessionEncryptionKey;
}

impl Request<'_> for GetSessionEncryptionKey {
    const OPCODE: Opcode = Opcode::GET_SESSION_ENCRYPTION_KEY;
    type Response<'r> = GetSessionEncryptionKeyResponse<'r>;
}

/// Response of `GetSessionEncryptionKey`: the same as of `GetEstablishCredEncryptionKey`.
pub type GetSessionEncryptionKeyResponse<'a> = super::GetEstablishCredEncryptionKeyResponse<'a>;
