//! What a killed process leaves behind, and how the next one clears it away.
//!
//! Session keys end with the session: the driver flushes it when the process dies. An App key stays until it is deleted or
//! the chip is reset, and nothing in the device enumerates keys (semantics 7.6). So every connection notes the ids of its
//! App keys in a file of its own, a byte per id, and holds the file's lock as long as it lives. A file without a holder
//! is a dead process's, and whoever finds it deletes what it names.
//!
//! A key that is deleted by mistake is an id of somebody else that comes to mean another key, so the file errs on one
//! side only: it never names an id that is not its owner's. An id is noted after the key was made and crossed out before
//! it is deleted, by the owner and by the one who clears up alike; the file carries the mark of the partition's life, and
//! only a connection of the same life deletes by it, whose own session the device refuses after a reset. Session keys are
//! not noted, because their ids are given away without us. What falls through, a key whose process was killed while the
//! device made it, stays until the tables are full; then the chip is reset for it ([`super::Partition`]).
//!
//! Why not tags (semantics 5.5), under which two processes would share one device key, and left-overs could be asked for:
//! whoever of the two evicts the key makes the id of the other one stale, in the middle of a life, where no mark and no
//! session tells. Each process has its own copies here, and nobody deletes the key of a living one.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};

use super::life::Life;

/// The App keys of one connection. `Send + Sync`. Best effort: without a file, a killed process's keys stay longer.
#[derive(Debug, Default)]
pub(super) struct Ledger(Option<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
}

impl Ledger {
    /// A new one, in the folder that the token's processes share.
    pub(super) fn open(folder: Option<&Path>, life: Life) -> Self {
        Self(folder.and_then(|folder| Open::new(folder, life)))
    }

    /// The device has just made this App key for us.
    pub(super) fn note(&self, id: u16) {
        self.write(id, HERE);
    }

    /// The key is about to be deleted, or is not ours any more.
    pub(super) fn cross_out(&self, id: u16) {
        self.write(id, GONE);
    }

    fn write(&self, id: u16, what: u8) {
        if let Some(Open { file, .. }) = &self.0 {
            let _ = file.write_all_at(&[what], id.into());
        }
    }

    /// Nothing of it is left in the device.
    pub(super) fn close(&mut self) {
        if let Some(Open { path, .. }) = self.0.take() {
            let _ = fs::remove_file(path);
        }
    }

    /// Hands out the ids of dead processes in this life, each crossed out already.
    pub(super) fn left_overs(&self, folder: Option<&Path>, life: Life, mut delete: impl FnMut(u16)) {
        let Some(entries) = folder.and_then(|folder| fs::read_dir(folder).ok()) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let own = self.0.as_ref().is_some_and(|own| own.path == path);
            if let Some(of) = life_of(&path).filter(|_| !own) {
                clear(&path, of == life.mark(), &mut delete);
            }
        }
    }
}

impl Open {
    fn new(folder: &Path, life: Life) -> Option<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{PREFIX}{}-{}-{number}", life.mark(), std::process::id()));
        // Under its name only when it is locked, so that nobody takes it for a dead one's.
        let unnamed = path.with_extension("new");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&unnamed).ok()?;
        let named =
            flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && fs::rename(&unnamed, &path).is_ok();
        named.then_some(Self { file, path })
    }
}

/// Deletes what a dead process's file names, and the file.
fn clear(path: &Path, same_life: bool, delete: &mut impl FnMut(u16)) {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return };
    let dead = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    // Another one may have cleared it since it was found.
    if !dead || file.metadata().map_or(true, |found| found.nlink() == 0) {
        return;
    }
    let mut ids = vec![GONE; usize::from(u16::MAX) + 1];
    if same_life && let Ok(len) = file.read_at(&mut ids, 0) {
        for (id, _) in (0..=u16::MAX).zip(&ids[..len]).filter(|(_, what)| **what == HERE) {
            if file.write_all_at(&[GONE], id.into()).is_err() {
                return;
            }
            delete(id);
        }
    }
    let _ = fs::remove_file(path);
}

/// The mark in a ledger's name; `None` for other files.
fn life_of(path: &Path) -> Option<u64> {
    let (mark, rest) = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.split_once('-')?;
    if rest.contains('.') { None } else { mark.parse().ok() }
}

/// Tells the connections of a process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);
const PREFIX: &str = "device-keys-";
const GONE: u8 = 0;
const HERE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn left(by: &Ledger, folder: &Path, life: Life) -> Vec<u16> {
        let mut found = Vec::new();
        by.left_overs(Some(folder), life, |id| found.push(id));
        found
    }

    #[test]
    fn what_a_dead_one_noted_is_found_once_and_a_living_one_s_never() {
        let folder = tempfile::TempDir::new().unwrap();
        let (life, later) = (Life::of(3), Life::of(4));
        let open = || Ledger::open(Some(folder.path()), life);
        let (one, other) = (open(), open());
        for id in [0, 7, 0xFFFF] {
            one.note(id);
        }
        one.cross_out(7);
        assert!(left(&other, folder.path(), life).is_empty(), "it lives");
        assert!(left(&one, folder.path(), life).is_empty(), "its own");
        drop(one);
        assert_eq!(left(&other, folder.path(), life), [0, 0xFFFF]);
        assert!(left(&other, folder.path(), life).is_empty());

        let dead = open();
        dead.note(1);
        drop(dead);
        assert!(left(&other, folder.path(), later).is_empty(), "ids of another life are nobody's");
        assert!(left(&other, folder.path(), life).is_empty(), "and the file is gone");

        let mut closed = open();
        closed.note(2);
        closed.close();
        assert!(left(&other, folder.path(), life).is_empty());
        drop(other);
    }
}
