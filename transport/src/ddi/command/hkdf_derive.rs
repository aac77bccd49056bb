//! HKDF of a secret inside the device (wire 3.3).

use crate::ddi::wire::{Opt, Plain, Var, message};
use crate::ddi::{HashAlgorithm, KeyType, Opcode, Request, TargetKeyProperties};

message! {
    /// Request of `HkdfDerive`.
    pub struct HkdfDerive<'a> {
        /// Secret.
        1 key_id: u16,
        /// The hash.
        2 hash_algorithm: HashAlgorithm,
        /// Salt, at most 256 bytes.
        3 salt: Option<&'a [u8]> as Opt<Var<256>>,
        /// Info, at most 256 bytes.
        4 info: Option<&'a [u8]> as Opt<Var<256>>,
        /// What to make.
        5 key_type: KeyType,
        /// Tag of the new key, not 0.
        6 key_tag: Option<u16> as Opt<Plain>,
        /// Use and label of the new key.
        7 key_properties: TargetKeyProperties<'a>,
        /// Bytes, for the `VAR_HMAC_...` types.
        8 key_length: Option<u8> as Opt<Plain>,
    }
}

impl<'a> Request<'a> for HkdfDerive<'a> {
    const OPCODE: Opcode = Opcode::HKDF_DERIVE;
    type Response<'r> = HkdfDeriveResponse<'r>;
}

message! {
    /// Response of `HkdfDerive`.
    pub struct HkdfDeriveResponse<'a> {
        /// The new key.
        1 key_id: u16,
        /// The masked key (wire 3.7).
        2 masked_key: &'a [u8] as Var<3072>,
        /// Of bulk AES keys.
        3 bulk_key_id: Option<u16> as Opt<Plain>,
    }
}
