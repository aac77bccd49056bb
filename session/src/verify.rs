//! `C_VerifyInit` to `C_VerifyFinal`.

use mechanisms::params::Mechanism;

use crate::call::{Argument, ObjectHandle, SessionHandle};
use crate::{Code, Result};

/// `C_VerifyInit`; a null mechanism (`None`) cancels.
pub fn init(_session: SessionHandle, _mechanism: Argument<Option<Mechanism>>, _key: ObjectHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_Verify`.
pub fn verify(_session: SessionHandle, _data: Argument<&[u8]>, _signature: Argument<&[u8]>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_VerifyUpdate`.
pub fn update(_session: SessionHandle, _part: Argument<&[u8]>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_VerifyFinal`.
pub fn finish(_session: SessionHandle, _signature: Argument<&[u8]>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}
