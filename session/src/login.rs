//! `C_Login`, `C_LoginUser`, `C_Logout`.

use crate::call::SessionHandle;
use crate::slot::Pin;
use crate::{Code, Result};

/// `C_Login`: `user` is a `CKU_` number.
pub fn login(_session: SessionHandle, _user: u64, _pin: Pin) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_Logout`.
pub fn logout(_session: SessionHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}
