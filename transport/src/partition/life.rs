//! Which life of the partition this is: a life begins with `EstablishCredential` and ends with a reset or a migration.
//!
//! # No stale id, ever
//!
//! A device gives an id that a reset took from one key to another, at once. So the question is never whether an id is
//! known, but whether it is still the same key's. An id is used in three ways, and in none can it mean another key:
//!
//! 1. **In the same life** nobody but this process deletes its keys, and `live` deletes none that is pinned. Keys of the
//!    session, and untagged App keys, are found by no one else (semantics 5.5, 5.6); ids of a dead process are deleted by
//!    `ledger` alone, in the life and for the process that had them.
//! 2. **In a command**, after a reset: the session is flagged, and stays flagged until its handle is closed, whatever
//!    happens to the partition meanwhile. The device refuses the command (semantics 1.2, 4).
//! 3. **On the fast path**, after a reset, the driver compares the session id with its own note of it, which a reset does
//!    not clear, and the device looks at the session of Session keys only, never at that of an App key (wire 6.5, B.3). So
//!    an id from before the reset would find whatever App key has it now, of whichever process. That is what the file of
//!    this module is for. Who provisions the partition marks a new life in the folder that all processes of the token
//!    share, *before* it sends `EstablishCredential`, under the lock under which all of them provision. Who makes a
//!    fast-path call looks at the mark *after* the device has looked the id up, and before anything of the answer is handed
//!    over ([`Channel::gcm_if`]). Let the connection have read mark `m` under that lock. If the mark is still `m` when it is
//!    looked at, no `EstablishCredential` was sent since, so no key of a later life existed when the device looked the id
//!    up: it found our key, or none. If it is another one, the answer is thrown away, whatever it was, and the operation
//!    begins again. Nothing is locked during the call, so a process that is stopped in the middle of one delays nobody.
//!
//! A warm call costs no command for any of this, and one `fstat` on the fast path; on an emulated device, which belongs to
//! this process, not even that.
//!
//! Not covered: the owner of another credential who takes the partition over after a reset, from another folder, and holds
//! bulk App keys there, while a call of ours has been on its way since before. Nothing on this side can see that; the
//! device would have to.
//!
//! [`Channel::gcm_if`]: crate::channel::Channel::gcm_if

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::fstat;

use crate::channel::Device;
use crate::{Error, Result};

/// The mark of a life; never the same for two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life(u64);

impl Life {
    /// The mark as a number.
    pub(super) const fn mark(self) -> u64 {
        self.0
    }

    #[cfg(test)]
    pub(super) const fn of(mark: u64) -> Self {
        Self(mark)
    }
}

/// Where lives are marked. `Send + Sync`.
#[derive(Debug)]
pub(super) enum Lives {
    /// Among the processes that share a folder: a file that grows by a byte per life. Its length is read in one system
    /// call, cannot be torn, and never returns to what it was.
    Shared { path: PathBuf, file: OnceLock<File> },
    /// Among the users of a device that no other process has.
    Private(Arc<AtomicU64>),
}

impl Lives {
    /// The lives of the partition behind this device, for the token whose processes share this folder.
    pub(super) fn new(device: &dyn Device, folder: Option<&Path>) -> Self {
        match (device.private_lives(), folder) {
            (Some(counter), _) => Self::Private(counter),
            (None, Some(folder)) => Self::Shared { path: folder.join(FILE), file: OnceLock::new() },
            (None, None) => Self::Private(Arc::default()),
        }
    }

    /// The present life.
    pub(super) fn now(&self) -> Result<Life> {
        let (path, file) = match self {
            Self::Shared { path, file } => (path, file),
            Self::Private(count) => return Ok(Life(count.load(Ordering::SeqCst))),
        };
        let found = fstat(open(path, file)?).map_err(|_| failed(path))?;
        // A file that was taken away is not the one that others mark.
        if found.st_nlink == 0 {
            return Err(failed(path));
        }
        u64::try_from(found.st_size).map(Life).map_err(|_| failed(path))
    }

    /// Marks a new life, before it begins; under the lock of [`super::Durable::exclusively`].
    pub(super) fn begin(&self) -> Result<()> {
        match self {
            Self::Shared { path, file } => open(path, file)?.write_all(b".").map_err(|_| failed(path)),
            Self::Private(count) => {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

fn open<'a>(path: &Path, file: &'a OnceLock<File>) -> Result<&'a File> {
    if let Some(file) = file.get() {
        return Ok(file);
    }
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    let opened = opened.map_err(|_| failed(path))?;
    Ok(file.get_or_init(|| opened))
}

fn failed(path: &Path) -> Error {
    Error::Durable(format!("{}: the mark of the partition's life", path.display()))
}

/// In the token's folder.
const FILE: &str = "lives";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_marked_for_everybody_who_shares_the_folder() {
        let folder = tempfile::TempDir::new().unwrap();
        let lives = || Lives::Shared { path: folder.path().join(FILE), file: OnceLock::new() };
        let (one, other) = (lives(), lives());
        let before = one.now().unwrap();
        assert_eq!(other.now().unwrap(), before);
        other.begin().unwrap();
        assert_ne!(one.now().unwrap(), before);
        assert_eq!(one.now().unwrap(), other.now().unwrap());
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(one.now().is_err(), "nobody would tell us any more");
    }

    #[test]
    fn a_private_life_is_marked_too() {
        let lives = Lives::Private(Arc::default());
        let before = lives.now().unwrap();
        lives.begin().unwrap();
        assert_ne!(lives.now().unwrap(), before);
    }
}
