//! The one error type of this crate.

use std::fmt;

use crate::channel::ChannelError;
use crate::ddi::{CodecError, Opcode, Status};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong between a request and the HSM; the cause is kept for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The device answered a status other than success.
    Device {
        /// Which command.
        command: Opcode,
        /// Which status (wire 3.6).
        status: Status,
    },
    /// The frame did not get through.
    Channel(ChannelError),
    /// A frame could not be built or understood.
    Codec(CodecError),
    /// The answer is well-formed but is not an answer to the request (op, session, kind or length differs).
    UnexpectedAnswer(&'static str),
    /// The key has no facet for this use (design 4).
    NoFacet(crate::partition::FacetKind),
    /// The device cannot do this at all: the limit or rule, for the log.
    Unsupported(&'static str),
    /// An argument has the wrong length or range; nothing was sent.
    InvalidArgument(&'static str),
    /// AES-GCM authentication failed.
    TagMismatch,
    /// The device does not take a wrapped key. What is wrong with it is not said: an answer would be an oracle.
    WrappedKeyRejected,
    /// All eight device sessions of the partition are taken.
    SessionsExhausted,
    /// The stored BMK or a blob does not open on this partition; it is kept (semantics 9.2 rule 26).
    BlobRejected(&'static str),
    /// The blob store of the layer above failed.
    Durable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { command, status } => write!(f, "{command:?} answered {status:?}"),
            Self::Channel(cause) => write!(f, "{cause}"),
            Self::Codec(cause) => write!(f, "{cause}"),
            Self::UnexpectedAnswer(what) => write!(f, "unexpected answer: {what}"),
            Self::NoFacet(kind) => write!(f, "the key has no {kind:?} facet"),
            Self::Unsupported(what) => write!(f, "the device cannot: {what}"),
            Self::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
            Self::TagMismatch => f.write_str("authentication failed"),
            Self::WrappedKeyRejected => f.write_str("the wrapped key is not what it should be"),
            Self::SessionsExhausted => f.write_str("all device sessions are in use"),
            Self::BlobRejected(what) => write!(f, "{what} does not open on this partition"),
            Self::Durable(why) => write!(f, "blob store: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ChannelError> for Error {
    fn from(cause: ChannelError) -> Self {
        match cause {
            ChannelError::TagMismatch => Self::TagMismatch,
            other => Self::Channel(other),
        }
    }
}

impl From<CodecError> for Error {
    fn from(cause: CodecError) -> Self {
        Self::Codec(cause)
    }
}
