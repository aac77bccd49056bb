//! `C_SeedRandom`, `C_GenerateRandom`.

use crate::call::{Argument, SessionHandle};
use crate::{Code, Result};

/// `C_SeedRandom`: the seed is checked, and mixed in nowhere; see the body.
pub fn seed(_session: SessionHandle, _seed: Argument<&[u8]>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GenerateRandom`: `len` bytes.
pub fn generate(_session: SessionHandle, _len: usize) -> Result<Vec<u8>> {
    Err(Code::FunctionNotSupported.into())
}
