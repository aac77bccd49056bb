//! `C_DigestInit` to `C_DigestFinal`.

use mechanisms::params::Mechanism;

use crate::call::{Argument, Reply, Room, SessionHandle};
use crate::{Code, Result};

/// `C_DigestInit`; a null mechanism (`None`) cancels.
pub fn init(_session: SessionHandle, _mechanism: Argument<Option<Mechanism>>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_Digest`.
pub fn digest(_session: SessionHandle, _data: Argument<&[u8]>, _room: Argument<Room>) -> Result<Reply> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_DigestUpdate`.
pub fn update(_session: SessionHandle, _part: Argument<&[u8]>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_DigestFinal`.
pub fn finish(_session: SessionHandle, _room: Argument<Room>) -> Result<Reply> {
    Err(Code::FunctionNotSupported.into())
}
