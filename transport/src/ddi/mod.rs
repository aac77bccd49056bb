//! DDI: typed requests and responses, and their bytes (wire 1 to 4).
//!
//! One file per command in `command/`. A request type names its opcode, its session-control kind and its response type.
//! Byte strings are borrowed; those that the Physical dialect rewrites are `Cow`. Values are always in the natural form
//! (DER, big-endian): the codec converts for [`Dialect::Physical`], in both directions, on both sides.

use std::fmt;

/// Which form numbers and public keys have on the wire (wire 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DER and big-endian.
    Virtual,
    /// Raw and little-endian.
    Physical,
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

/// An opcode; unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opcode(pub u32);

/// A device status; unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

impl fmt::Debug for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Why bytes are not a frame, or a value cannot become one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The message ends early.
    Truncated,
    /// Placeholder reason, replaced by the codec's own list.
    Malformed(&'static str),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends early"),
            Self::Malformed(why) => write!(f, "malformed message: {why}"),
        }
    }
}

impl std::error::Error for CodecError {}
