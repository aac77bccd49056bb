//! Changes the credential's pin (wire 3.3, 3.8).

use crate::ddi::shared::SentKey;
use crate::ddi::wire::message;
use crate::ddi::{DerPublicKey, EncryptedPin, Opcode, Request};

message! {
    /// Request of `ChangePin`.
    pub struct ChangePin<'a> {
        /// The pin.
        1 new_pin: EncryptedPin<'a>,
        /// The host's ephemeral P-384 key.
        2 pub_key: DerPublicKey<'a> as SentKey,
    }
}

impl<'a> Request<'a> for ChangePin<'a> {
    const OPCODE: Opcode = Opcode::CHANGE_PIN;
    type Response<'r> = ChangePinResponse;
}

message! {
    /// Response of `ChangePin`.
    pub struct ChangePinResponse;
}
