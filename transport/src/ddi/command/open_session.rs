//! Opens a session (wire 3.3, 3.8).

use crate::ddi::shared::SentKey;
use crate::ddi::wire::{Var, message};
use crate::ddi::{DerPublicKey, EncryptedSessionCredential, Opcode, Request};

message! {
    /// Request of `OpenSession`.
    pub struct OpenSession<'a> {
        /// Id, pin and seed.
        1 encrypted_credential: EncryptedSessionCredential<'a>,
        /// The host's ephemeral P-384 key.
        2 pub_key: DerPublicKey<'a> as SentKey,
    }
}

impl<'a> Request<'a> for OpenSession<'a> {
    const OPCODE: Opcode = Opcode::OPEN_SESSION;
    type Response<'r> = OpenSessionResponse<'r>;
}

message! {
    /// Response of `OpenSession`.
    pub struct OpenSessionResponse<'a> {
        /// The session, as in the header.
        1 sess_id: u16,
        /// For the fast path.
        2 short_app_id: u8,
        /// For `ReopenSession`.
        3 bmk_session: &'a [u8] as Var<1024>,
    }
}
