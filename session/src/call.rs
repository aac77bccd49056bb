//! How arguments come in and results go out.
//!
//! Bad arguments travel as values (`Result<&[u8]>`), because they too end an operation and the session owns that rule.

use zeroize::Zeroizing;

use crate::{Code, Error, Result};

/// A slot's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u64);

/// `CK_SESSION_HANDLE`; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionHandle(pub u64);

/// `CK_OBJECT_HANDLE`; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectHandle(pub u64);

/// What the caller has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// A null buffer: the length is asked for.
    Query,
    /// A buffer of so many bytes.
    Bytes(usize),
}

/// What goes back to the caller of a function with output of variable length (PKCS#11 v3.2, 5.2).
#[derive(Debug)]
pub enum Reply {
    /// The answer to a size query.
    Length(usize),
    /// `CKR_BUFFER_TOO_SMALL`, and the length that is needed.
    TooSmall(usize),
    /// The result.
    Bytes(Zeroizing<Vec<u8>>),
}

impl Room {
    /// The answer, where `len` bytes of result settle it without doing the work: a size query, or too little room.
    pub fn settled(self, len: usize) -> Option<Reply> {
        match self {
            Self::Query => Some(Reply::Length(len)),
            Self::Bytes(room) if room < len => Some(Reply::TooSmall(len)),
            Self::Bytes(_) => None,
        }
    }
}

/// A place in the caller's memory that outlives a call: the C boundary made it of a pointer and alone can write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerMemory(pub usize);

/// An argument as the C boundary found it: a bad one is an error that the session gets to see.
pub type Argument<T> = Result<T, Error>;

/// The error of a null pointer where none is allowed.
pub fn null() -> Error {
    Code::ArgumentsBad.because("null pointer")
}
