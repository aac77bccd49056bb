//! Imports a wrapped key (wire 3.3).

use std::borrow::Cow;

use crate::ddi::physical::WrappedBlob;
use crate::ddi::wire::{Opt, Plain, Var, message};
use crate::ddi::{
    DerPublicKey, HashAlgorithm, KeyClass, KeyType, Opcode, Request, RsaCryptoPadding, TargetKeyProperties,
};

message! {
    /// Request of `RsaUnwrap`.
    pub struct RsaUnwrap<'a> {
        /// Unwrapping key.
        1 key_id: u16,
        /// RSA-OAEP of an AES key, 256 bytes big-endian, then RFC 5649 of the target; at most 3072 bytes.
        2 wrapped_blob: Cow<'a, [u8]> as WrappedBlob,
        /// What the target is.
        3 wrapped_blob_key_class: KeyClass,
        /// OAEP.
        4 wrapped_blob_padding: RsaCryptoPadding,
        /// OAEP hash.
        5 wrapped_blob_hash_algorithm: HashAlgorithm,
        /// Tag of the new key, not 0.
        6 key_tag: Option<u16> as Opt<Plain>,
        /// Use and label of the new key.
        7 key_properties: TargetKeyProperties<'a>,
    }
}

impl<'a> Request<'a> for RsaUnwrap<'a> {
    const OPCODE: Opcode = Opcode::RSA_UNWRAP;
    type Response<'r> = RsaUnwrapResponse<'r>;
}

message! {
    /// Response of `RsaUnwrap`.
    pub struct RsaUnwrapResponse<'a> {
        /// The new key.
        1 key_id: u16,
        /// Of RSA and ECC keys.
        2 pub_key: Option<DerPublicKey<'a>> as Opt<Plain>,
        /// Of bulk AES keys.
        3 bulk_key_id: Option<u16> as Opt<Plain>,
        /// What it is.
        4 kind: KeyType,
        /// The masked key (wire 3.7).
        5 masked_key: &'a [u8] as Var<3072>,
    }
}
