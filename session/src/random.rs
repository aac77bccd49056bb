//! `C_SeedRandom`, `C_GenerateRandom`.

use crate::call::{Argument, SessionHandle};
use crate::library::Library;
use crate::{Code, Result};

/// `C_SeedRandom`: the seed is checked, and mixed in nowhere; see the body.
pub fn seed(session: SessionHandle, seed: Argument<&[u8]>) -> Result<()> {
    Library::current()?.sessions.get(session)?;
    // The generator is seeded by the operating system and takes no other seed. To add bytes that the caller knows can
    // only be as good as not to add them, so the call succeeds: "mixes additional seed material" promises no more (5.19).
    seed.map(drop)
}

/// `C_GenerateRandom`: `len` bytes.
pub fn generate(session: SessionHandle, len: usize) -> Result<Vec<u8>> {
    Library::current()?.sessions.get(session)?;
    if len > LONGEST {
        return Err(Code::ArgumentsBad.because(format_args!("{len} random bytes at once; {LONGEST} are allowed")));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Code::HostMemory.because(format_args!("{len} bytes")))?;
    bytes.resize(len, 0);
    mechanisms::random::fill(&mut bytes)?;
    Ok(bytes)
}

/// More at once is a mistake of the caller, and the memory would be touched before the boundary could know.
const LONGEST: usize = 1 << 30;
