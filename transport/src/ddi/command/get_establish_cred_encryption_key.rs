//! The device's envelope key for `EstablishCredential` (wire 3.3, 3.8).

use std::borrow::Cow;

use crate::ddi::physical::Signature;
use crate::ddi::wire::{Fixed, message};
use crate::ddi::{DerPublicKey, Opcode, Request};

message! {
    /// Request of `GetEstablishCredEncryptionKey`.
    pub struct GetEstablishCredEncryptionKey;
}

impl Request<'_> for GetEstablishCredEncryptionKey {
    const OPCODE: Opcode = Opcode::GET_ESTABLISH_CRED_ENCRYPTION_KEY;
    type Response<'r> = GetEstablishCredEncryptionKeyResponse<'r>;
}

message! {
    /// Response of `GetEstablishCredEncryptionKey`.
    pub struct GetEstablishCredEncryptionKeyResponse<'a> {
        /// P-384.
        1 pub_key: DerPublicKey<'a>,
        /// Goes back in the envelope.
        2 nonce: &'a [u8; 32] as Fixed,
        /// `r || s` by the partition key, 96 bytes; empty on a virtual device.
        3 pub_key_signature: Cow<'a, [u8]> as Signature,
    }
}
