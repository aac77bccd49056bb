//! `flock(2)`, with an end to waiting.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::{Code, Result};

/// Who else may hold the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Others with `Shared`.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock that is held; dropping it lets it go. It belongs to the open file, so two opens of one file exclude each other
/// inside one process too, and the end of a process, however it comes, frees it.
#[derive(Debug)]
pub(super) struct Lock<'a>(&'a File);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Not merely by closing: a child that was forked while the lock was held has the same open file.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Waits for the lock: store locks are held for milliseconds. `CKR_FUNCTION_FAILED` after [`PATIENCE`], rather than a
/// caller that hangs behind a stopped process.
pub(super) fn lock(file: &File, mode: Mode) -> Result<Lock<'_>> {
    lock_within(file, mode, PATIENCE)
}

/// [`lock`], with another patience.
pub(super) fn lock_within(file: &File, mode: Mode, patience: Duration) -> Result<Lock<'_>> {
    let operation = match mode {
        Mode::Shared => FlockOperation::NonBlockingLockShared,
        Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    let mut pause = Duration::from_micros(20);
    let mut since = None;
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(Lock(file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Code::DeviceError.because(format_args!("flock: {error}"))),
        }
        if since.get_or_insert_with(Instant::now).elapsed() > patience {
            return Err(Code::FunctionFailed.because("another process holds the token's store"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
