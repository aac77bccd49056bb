//! DDI: typed requests and responses, and their bytes (wire 1 to 4).
//!
//! One file per command in [`command`]. A request type names its opcode, its session-control kind and its response type.
//! Byte strings are borrowed; those that the Physical dialect rewrites are `Cow`. Values are always in the natural form
//! (DER, big-endian): the codec converts for [`Dialect::Physical`], in both directions, on both sides.
//!
//! | File | What it is |
//! |---|---|
//! | [`mbor`] | the binary format: a writer that pads, a cursor that cannot overrun |
//! | `wire` | a message as a table of fields |
//! | `envelope` | whole frames: header and body, for the client and for the device |
//! | `enums`, `status`, `metadata`, `shared` | what the messages have in common |
//! | [`key`], `physical` | public keys and numbers in both dialects |

pub mod command;
mod enums;
mod envelope;
mod error;
pub mod key;
pub mod mbor;
mod metadata;
mod physical;
mod shared;
mod status;
mod wire;

pub use enums::{
    AesKeySize, AesOp, DeviceKind, EccCurve, HashAlgorithm, KeyClass, KeyType, Opcode, RsaCryptoPadding, RsaOpType,
};
pub use envelope::{
    MAX_REQUEST_LEN, MAX_RESPONSE_LEN, RequestHeader, ResponseHeader, decode_body, decode_request_header,
    decode_response, encode_error, encode_request, encode_response,
};
pub use error::CodecError;
pub use metadata::{Metadata, Usage};
pub use shared::{
    ApiRev, DerPublicKey, EncryptedEstablishCredential, EncryptedPin, EncryptedSessionCredential, TargetKeyProperties,
};
pub use status::Status;
pub use wire::{Request, Wire};

/// Which form numbers and public keys have on the wire (wire 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DER and big-endian.
    Virtual,
    /// Raw and little-endian.
    Physical,
}

impl From<DeviceKind> for Dialect {
    /// Everything except `Physical` needs no conversion (wire 4.1).
    fn from(kind: DeviceKind) -> Self {
        if kind == DeviceKind::PHYSICAL { Self::Physical } else { Self::Virtual }
    }
}

/// The session-control kind of a command (wire 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionControl {
    /// No session.
    NoSession = 0,
    /// Opens one.
    Open = 1,
    /// Closes one.
    Close = 2,
    /// Runs in one.
    InSession = 3,
}
