//! ECDH to a secret inside the device (wire 3.3).

use std::borrow::Cow;

use crate::ddi::physical::PeerKey;
use crate::ddi::wire::{Opt, Plain, Var, message};
use crate::ddi::{KeyType, Opcode, Request, TargetKeyProperties};

message! {
    /// Request of `EcdhKeyExchange`.
    pub struct EcdhKeyExchange<'a> {
        /// ECC key for derivation.
        1 priv_key_id: u16,
        /// The peer's SPKI, at most 192 bytes.
        2 pub_key_der: Cow<'a, [u8]> as PeerKey,
        /// The `SECRET_...` of the curve.
        3 key_type: KeyType,
        /// Tag of the new key, not 0.
        4 key_tag: Option<u16> as Opt<Plain>,
        /// Use and label of the new key.
        5 key_properties: TargetKeyProperties<'a>,
    }
}

impl<'a> Request<'a> for EcdhKeyExchange<'a> {
    const OPCODE: Opcode = Opcode::ECDH_KEY_EXCHANGE;
    type Response<'r> = EcdhKeyExchangeResponse<'r>;
}

message! {
    /// Response of `EcdhKeyExchange`.
    pub struct EcdhKeyExchangeResponse<'a> {
        /// The new key.
        1 key_id: u16,
        /// The masked key (wire 3.7).
        2 masked_key: &'a [u8] as Var<3072>,
    }
}
