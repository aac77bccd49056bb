//! Random numbers (PKCS#11 v3.2, 5.19).

use cryptoki_sys::{CK_BYTE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::SessionHandle;

use crate::boundary::entry_points;
use crate::memory::{fill, input};

entry_points! {
    /// `C_SeedRandom` (5.19.1).
    Session(hSession) => fn C_SeedRandom(hSession: CK_SESSION_HANDLE, pSeed: *mut CK_BYTE, ulSeedLen: CK_ULONG) {
        // SAFETY: the standard's promise for the seed and its length.
        session::random::seed(SessionHandle(hSession), unsafe { input(pSeed, ulSeedLen) })
    }

    /// `C_GenerateRandom` (5.19.2).
    Session(hSession) => fn C_GenerateRandom(
        hSession: CK_SESSION_HANDLE,
        pRandomData: *mut CK_BYTE,
        ulRandomLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the buffer and its length.
        let mut buffer = unsafe { fill(pRandomData, ulRandomLen) }?;
        // Once even for no bytes, so that the session is looked at.
        loop {
            buffer.push(&session::random::generate(SessionHandle(hSession), buffer.left().min(PIECE))?)?;
            if buffer.left() == 0 {
                return Ok(());
            }
        }
    }
}

/// So many random bytes are made at once, whatever length the caller gives.
const PIECE: usize = 64 * 1024;
