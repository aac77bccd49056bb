//! `C_Initialize`, `C_Finalize`, `C_GetInfo`.

use crate::{Code, Result};

/// `CK_C_INITIALIZE_ARGS`, parsed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments {
    /// `CKF_OS_LOCKING_OK`.
    pub os_locking: bool,
    /// `CKF_LIBRARY_CANT_CREATE_OS_THREADS`.
    pub no_threads: bool,
    /// How many of the four mutex callbacks are given: 0, or 4, anything else is `CKR_ARGUMENTS_BAD`.
    pub callbacks: usize,
    /// Whether `pReserved` is null.
    pub reserved_null: bool,
}

/// Strings of `CK_INFO`.
#[derive(Clone, Debug)]
pub struct Info {
    /// `manufacturerID`, at most 32 bytes.
    pub manufacturer: &'static str,
    /// `libraryDescription`, at most 32 bytes.
    pub description: &'static str,
    /// `libraryVersion`, major and minor.
    pub version: (u8, u8),
}

/// `C_Initialize`.
pub fn initialize(_arguments: Option<Arguments>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_Finalize`.
pub fn finalize() -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetInfo`.
pub fn info() -> Result<Info> {
    Err(Code::FunctionNotSupported.into())
}

/// Answers `CKR_CRYPTOKI_NOT_INITIALIZED` before `C_Initialize`, and `CKR_FUNCTION_NOT_SUPPORTED` after: what a function
/// that this library does not have says.
pub fn not_supported() -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// A panic was caught at the boundary: closes the session, if the call had one, so that no half-done operation lives on.
pub fn poisoned(_session: Option<crate::call::SessionHandle>) {}
