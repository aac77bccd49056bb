//! Session management: `C_OpenSession` to `C_SessionCancel`.

use crate::call::{SessionHandle, SlotId};
use crate::{Code, Result};

/// `CK_SESSION_INFO`.
#[derive(Clone, Copy, Debug)]
pub struct SessionInfo {
    /// The slot.
    pub slot: SlotId,
    /// `CKS_` number, computed from login and read/write.
    pub state: u64,
    /// `CKF_` flags.
    pub flags: u64,
    /// `ulDeviceError`.
    pub device_error: u64,
}

/// `C_OpenSession`: `flags` as given; without `CKF_SERIAL_SESSION` it is `CKR_SESSION_PARALLEL_NOT_SUPPORTED`.
pub fn open(_slot: SlotId, _flags: u64) -> Result<SessionHandle> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_CloseSession`.
pub fn close(_session: SessionHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_CloseAllSessions`.
pub fn close_all(_slot: SlotId) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetSessionInfo`.
pub fn info(_session: SessionHandle) -> Result<SessionInfo> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_SessionCancel`: `flags` are `CKF_` flags of operations.
pub fn cancel(_session: SessionHandle, _flags: u64) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetFunctionStatus` and `C_CancelFunction`: `CKR_FUNCTION_NOT_PARALLEL` for a live session.
pub fn not_parallel(_session: SessionHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}
