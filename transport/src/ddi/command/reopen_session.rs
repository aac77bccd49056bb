//! Takes a session up again after a reset (wire 3.3, 3.8); the header has the old id.

use crate::ddi::shared::SentKey;
use crate::ddi::wire::{Var, message};
use crate::ddi::{DerPublicKey, EncryptedSessionCredential, Opcode, Request};

message! {
    /// Request of `ReopenSession`.
    pub struct ReopenSession<'a> {
        /// Id, pin and seed.
        1 encrypted_credential: EncryptedSessionCredential<'a>,
        /// The host's ephemeral P-384 key.
        2 pub_key: DerPublicKey<'a> as SentKey,
        /// From `OpenSession`.
        3 bmk_session: &'a [u8] as Var<1024>,
    }
}

impl<'a> Request<'a> for ReopenSession<'a> {
    const OPCODE: Opcode = Opcode::REOPEN_SESSION;
    type Response<'r> = ReopenSessionResponse<'r>;
}

/// Response of `ReopenSession`: the same as of `OpenSession`.
pub type ReopenSessionResponse<'a> = super::OpenSessionResponse<'a>;
