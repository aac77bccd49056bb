//! Wrong PINs, counted before the try.
//!
//! A file of eight bytes beside the database: two counters, of wrong PINs in a row for SO and USER. A try adds one, checks
//! the PIN, and only then takes it back, so killing the process cannot give a free try. Nothing waits for the disk
//! before the try: what a process has written outlives its being killed, and who can cut the machine's power has the
//! files anyway. After a wrong PIN the count is synced.
//!
//! The file is locked for the whole try, so that many processes that log in at once with the right PIN, as the workers of
//! a server do, do not add up to a lockout.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::lock::{Mode, lock};
use super::{Failure, Store, io};
use crate::pin_slots::Role;
use crate::{Code, Result};

/// Wrong PINs in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Of the SO.
    pub(crate) security_officer: u32,
    /// Of the user.
    pub(crate) user: u32,
}

impl Attempts {
    /// Of one role.
    pub(crate) fn of(self, role: Role) -> u32 {
        match role {
            Role::SecurityOfficer => self.security_officer,
            Role::User => self.user,
        }
    }

    fn set(&mut self, role: Role, count: u32) {
        match role {
            Role::SecurityOfficer => self.security_officer = count,
            Role::User => self.user = count,
        }
    }
}

impl Store {
    /// The counters.
    pub(crate) fn attempts(&self) -> Result<Attempts> {
        match File::open(self.folder.join(FILE)) {
            Ok(file) => read(&file),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(Attempts::default())
            }
            Err(error) => Err(self.explain(Failure::Refused(io(&error)))),
        }
    }

    /// One try of a PIN: counts it, makes it, takes it back if it was right (`Ok(Some)`); `CKR_PIN_INCORRECT` where it
    /// answered `None`, `CKR_PIN_LOCKED` without a try after `most` wrong ones. An error of the try itself is no wrong
    /// PIN.
    pub(crate) fn try_pin<T>(&self, role: Role, most: u32, attempt: impl FnOnce() -> Result<Option<T>>) -> Result<T> {
        let refused = |error: std::io::Error| self.explain(Failure::Refused(io(&error)));
        let path = self.folder.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(refused)?;
        let _lock = lock(&file, Mode::Exclusive)?;
        let before = read(&file)?;
        if before.of(role) >= most && most != FORGIVING {
            return Err(Code::PinLocked.because(format_args!("{} wrong {} PINs", before.of(role), role.name())));
        }
        let write = |count| {
            let mut now = before;
            now.set(role, count);
            file.write_all_at(&[now.security_officer.to_le_bytes(), now.user.to_le_bytes()].concat(), 0)
                .map_err(refused)
        };
        let count = before.of(role).saturating_add(1);
        write(count)?;
        match attempt() {
            Ok(Some(opened)) => write(0).map(|()| opened),
            Ok(None) => {
                file.sync_data().map_err(refused)?;
                Err(Code::PinIncorrect.because(format_args!("{} PIN, wrong {count} of {most}", role.name())))
            }
            Err(error) => write(before.of(role)).and(Err(error)),
        }
    }

    /// Clears a role's counter: its PIN was set anew.
    pub(crate) fn forgive(&self, role: Role) -> Result<()> {
        self.try_pin(role, FORGIVING, || Ok(Some(())))
    }
}

/// A file that is not whole counts from zero: it was made a moment ago.
fn read(file: &File) -> Result<Attempts> {
    let mut bytes = [0; 8];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {
            let [security_officer, user] =
                [0, 4].map(|at| bytes[at..].first_chunk().map_or(u32::MAX, |four| u32::from_le_bytes(*four)));
            Ok(Attempts { security_officer, user })
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Attempts::default()),
        Err(error) => Err(Code::DeviceError.because(format_args!("{FILE}: {error}"))),
    }
}

const FILE: &str = "attempts";
/// A limit that no count reaches.
const FORGIVING: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Durability;

    #[test]
    fn a_killed_try_has_been_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (store, other) = (
            Store::new(folder.path().into(), Durability::Process),
            Store::new(folder.path().into(), Durability::Process),
        );
        store
            .try_pin(Role::User, 3, || {
                // What the disk says while the try runs is what it would say had the process been killed in it.
                assert_eq!(other.attempts().unwrap(), Attempts { security_officer: 0, user: 1 });
                Ok(Some(()))
            })
            .unwrap();
        assert_eq!(other.attempts().unwrap(), Attempts::default());
    }

    #[test]
    fn wrong_pins_lock_one_role_and_a_right_one_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into(), Durability::Process);
        let attempt = |role, right: bool| store.try_pin(role, 3, || Ok(right.then_some(())));
        for _ in 0..2 {
            assert_eq!(attempt(Role::User, false).unwrap_err(), Code::PinIncorrect);
        }
        attempt(Role::User, true).unwrap();
        for _ in 0..3 {
            assert_eq!(attempt(Role::User, false).unwrap_err(), Code::PinIncorrect);
        }
        assert_eq!(attempt(Role::User, true).unwrap_err(), Code::PinLocked);
        attempt(Role::SecurityOfficer, true).unwrap();
        assert_eq!(attempt(Role::User, true).unwrap_err(), Code::PinLocked);
        store.forgive(Role::User).unwrap();
        attempt(Role::User, true).unwrap();
    }

    #[test]
    fn a_failure_of_ours_is_not_a_wrong_pin() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into(), Durability::Process);
        let failed = store.try_pin::<()>(Role::User, 3, || Err(Code::HostMemory.into()));
        assert_eq!(failed.unwrap_err(), Code::HostMemory);
        assert_eq!(store.attempts().unwrap(), Attempts::default());
    }
}
