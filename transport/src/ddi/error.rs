//! Why bytes are not a frame, or a value cannot become one.

use std::fmt;

use super::KeyType;

/// Why bytes are not a frame, or a value cannot become one. Offsets (`at`) count from the first byte of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The message ends early.
    Truncated,
    /// Another kind of item than the schema has here (wire 1.1).
    Marker {
        /// Where.
        at: usize,
        /// The marker byte that is there.
        found: u8,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Another field than the schema has here: unknown, twice, or out of order (wire 1.2).
    FieldId {
        /// Where.
        at: usize,
        /// The id that is there.
        found: u8,
        /// The id that belongs there.
        wanted: u8,
    },
    /// The map's count ends before a mandatory field.
    FieldMissing {
        /// The field's id.
        wanted: u8,
    },
    /// The map's count goes beyond the fields of the schema.
    FieldsLeft {
        /// How many are left.
        count: u8,
    },
    /// The outer map has another number of fields than two (wire 2.1).
    OuterCount {
        /// Its count.
        found: u8,
    },
    /// The message goes on after its end.
    TrailingBytes {
        /// How many bytes.
        len: usize,
    },
    /// A fixed array has another length, or padding (wire 1.3).
    FixedLength {
        /// Its length.
        found: usize,
        /// The length of the schema.
        wanted: usize,
        /// Its pad bytes, of which it must have none.
        pad: usize,
    },
    /// A byte string is longer than the schema allows.
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A map of more than 31 fields cannot be written.
    TooManyFields {
        /// How many.
        count: u8,
    },
    /// The frame passes the device's limit: 4096 bytes per request, 8192 per response (wire 1.6).
    FrameTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A public key is not in the form that the dialect needs (wire 4.3): the reason.
    PublicKey(&'static str),
    /// The key type has no public key on the wire, or is not the key's (wire 4.3).
    KeyKind(KeyType),
    /// A raw public key has another length than its type (wire 4.3).
    RawKeyLength {
        /// Its length.
        len: usize,
    },
    /// A component of a raw P-521 key or signature does not fit 66 bytes, or an RSA exponent 4 bytes (wire 4.3).
    ComponentRange,
    /// A signature is not two components of 32, 48, or 66 (raw: 68) bytes (wire 4.3).
    SignatureLength {
        /// Its length.
        len: usize,
    },
    /// The digest of a physical `EccSign` is not exactly 68 bytes (wire 4.3; the firmware answers `InvalidArg`).
    DigestLength {
        /// Its length.
        len: usize,
    },
    /// A wrapped blob is shorter than the 256 bytes that the physical dialect reverses (wire 4.3).
    BlobTooShort {
        /// Its length.
        len: usize,
    },
    /// The answer's header is not an echo of the request's (wire 2.3): which part.
    NotAnEcho(&'static str),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends early"),
            Self::Marker { at, found, wanted } => write!(f, "marker {found:#04x} at {at} is not {wanted}"),
            Self::FieldId { at, found, wanted } => write!(f, "field {found} at {at} where {wanted} belongs"),
            Self::FieldMissing { wanted } => write!(f, "field {wanted} is missing"),
            Self::FieldsLeft { count } => write!(f, "{count} fields too many"),
            Self::OuterCount { found } => write!(f, "an outer map of {found} fields, not 2"),
            Self::TrailingBytes { len } => write!(f, "{len} bytes after the end"),
            Self::FixedLength { found, wanted, pad } => {
                write!(f, "a fixed array of {found} bytes and {pad} pad bytes, not {wanted} bytes")
            }
            Self::TooLong { len, max } => write!(f, "a byte string of {len} bytes, the limit is {max}"),
            Self::TooManyFields { count } => write!(f, "a map of {count} fields, the limit is 31"),
            Self::FrameTooLong { len, max } => write!(f, "a frame of {len} bytes, the limit is {max}"),
            Self::PublicKey(why) => write!(f, "public key: {why}"),
            Self::KeyKind(kind) => write!(f, "a public key of type {kind:?}"),
            Self::RawKeyLength { len } => write!(f, "a raw public key of {len} bytes"),
            Self::ComponentRange => f.write_str("a key or signature component is out of range"),
            Self::SignatureLength { len } => write!(f, "a signature of {len} bytes"),
            Self::DigestLength { len } => write!(f, "a physical digest of {len} bytes, not 68"),
            Self::BlobTooShort { len } => write!(f, "a wrapped blob of {len} bytes, the minimum is 256"),
            Self::NotAnEcho(what) => write!(f, "the answer's {what} is not the request's"),
        }
    }
}

impl std::error::Error for CodecError {}
