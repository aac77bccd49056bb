//! `C_DecryptInit` to `C_DecryptFinal`.

use mechanisms::params::Mechanism;

use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::{Code, Result};

/// `C_DecryptInit`; a null mechanism (`None`) cancels.
pub fn init(_session: SessionHandle, _mechanism: Argument<Option<Mechanism>>, _key: ObjectHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_Decrypt`.
pub fn decrypt(_session: SessionHandle, _data: Argument<&[u8]>, _room: Argument<Room>) -> Result<Reply> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_DecryptUpdate`.
pub fn update(_session: SessionHandle, _part: Argument<&[u8]>, _room: Argument<Room>) -> Result<Reply> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_DecryptFinal`.
pub fn finish(_session: SessionHandle, _room: Argument<Room>) -> Result<Reply> {
    Err(Code::FunctionNotSupported.into())
}
