//! Makes an EC key pair (wire 3.3).

use crate::ddi::wire::{Opt, Plain, Var, message};
use crate::ddi::{DerPublicKey, EccCurve, Opcode, Request, TargetKeyProperties};

message! {
    /// Request of `EccGenerateKeyPair`.
    pub struct EccGenerateKeyPair<'a> {
        /// The curve.
        1 curve: EccCurve,
        /// Tag of the new key, not 0.
        2 key_tag: Option<u16> as Opt<Plain>,
        /// Use and label of the new key.
        3 key_properties: TargetKeyProperties<'a>,
    }
}

impl<'a> Request<'a> for EccGenerateKeyPair<'a> {
    const OPCODE: Opcode = Opcode::ECC_GENERATE_KEY_PAIR;
    type Response<'r> = EccGenerateKeyPairResponse<'r>;
}

message! {
    /// Response of `EccGenerateKeyPair`.
    pub struct EccGenerateKeyPairResponse<'a> {
        /// The new key.
        1 private_key_id: u16,
        /// Its public half.
        2 pub_key: DerPublicKey<'a>,
        /// The masked key (wire 3.7).
        3 masked_key: &'a [u8] as Var<3072>,
    }
}
