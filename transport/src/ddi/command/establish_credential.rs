//! Provisions the partition (wire 3.3, 3.8).

use std::borrow::Cow;

use crate::ddi::physical::PotaSignature;
use crate::ddi::shared::SentKey;
use crate::ddi::wire::{Var, message};
use crate::ddi::{DerPublicKey, EncryptedEstablishCredential, Opcode, Request};

message! {
    /// Request of `EstablishCredential`.
    pub struct EstablishCredential<'a> {
        /// Id and pin.
        1 encrypted_credential: EncryptedEstablishCredential<'a>,
        /// The host's ephemeral P-384 key.
        2 pub_key: DerPublicKey<'a> as SentKey,
        /// From `InitBk3`.
        3 masked_bk3: &'a [u8] as Var<1024>,
        /// Saved backup masking key, or empty.
        4 bmk: &'a [u8] as Var<1024>,
        /// Saved masked unwrapping key, or empty.
        5 masked_unwrapping_key: &'a [u8] as Var<1024>,
        /// Endorsement `r || s`, 96 bytes.
        6 pota_sig: Cow<'a, [u8]> as PotaSignature,
        /// The endorser's P-384 key.
        7 pota_pub_key: DerPublicKey<'a> as SentKey,
    }
}

impl<'a> Request<'a> for EstablishCredential<'a> {
    const OPCODE: Opcode = Opcode::ESTABLISH_CREDENTIAL;
    type Response<'r> = EstablishCredentialResponse<'r>;
}

message! {
    /// Response of `EstablishCredential`.
    pub struct EstablishCredentialResponse<'a> {
        /// Backup masking key; store it before any key is made.
        1 bmk: &'a [u8] as Var<1024>,
    }
}
