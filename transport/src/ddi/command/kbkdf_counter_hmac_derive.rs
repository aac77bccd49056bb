//! SP 800-108 counter mode with HMAC, of a secret inside the device (wire 3.3).

use crate::ddi::wire::{Opt, Plain, Var, message};
use crate::ddi::{HashAlgorithm, KeyType, Opcode, Request, TargetKeyProperties};

message! {
    /// Request of `KbkdfCounterHmacDerive`.
    pub struct KbkdfCounterHmacDerive<'a> {
        /// Secret.
        1 key_id: u16,
        /// The hash.
        2 hash_algorithm: HashAlgorithm,
        /// Label, at most 256 bytes.
        3 label: Option<&'a [u8]> as Opt<Var<256>>,
        /// Context, at most 256 bytes.
        4 context: Option<&'a [u8]> as Opt<Var<256>>,
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

impl<'a> Request<'a> for KbkdfCounterHmacDerive<'a> {
    const OPCODE: Opcode = Opcode::KBKDF_COUNTER_HMAC_DERIVE;
    type Response<'r> = KbkdfCounterHmacDeriveResponse<'r>;
}

/// Response of `KbkdfCounterHmacDerive`: the same as of `HkdfDerive`.
pub type KbkdfCounterHmacDeriveResponse<'a> = super::HkdfDeriveResponse<'a>;
