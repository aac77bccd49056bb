//! What is on disk: one SQLite file per token, shared by many processes.
//!
//! SQLite runs here with a rollback journal and its `unix-none` VFS, under a lock of ours: `flock(2)` on the database
//! file, shared for reads, exclusive for writes, taken for each of them. Not WAL and not SQLite's own locks, because of
//! fork(2): SQLite counts its POSIX locks in a table of the process, per inode. A child inherits that table but not the
//! locks in it. Its own new connection would find the parent's entry, believe that it holds the locks that keep a WAL
//! alive, and a third process could then delete the WAL under it, and acknowledged changes with it. (`findInodeInfo` in
//! SQLite 3.50 `os_unix.c`; "How To Corrupt An SQLite Database File", 2.6.) `unix-none` has no such table, and a child's
//! connection stands on descriptors of its own. It also makes reading cheap: a read costs four system calls.
//!
//! A process killed in the middle of a write leaves a hot journal, and its lock is gone with it: the next one to come
//! finds the journal, takes the exclusive lock and lets SQLite roll back.
//!
//! Nothing is created by reading: a store that is not there reads as a token that is not initialised.

mod attempts;
mod blobs;
mod lock;
mod objects;
mod tokens;

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

pub(crate) use attempts::Attempts;
pub(crate) use blobs::Blobs;
pub(crate) use objects::{Row, RowSearch};
pub(crate) use tokens::{Identity, TokenRow};

use crate::config::Durability;
use crate::log::{self, Level};
use crate::{Code, Error, Result};
use lock::{Mode, lock};

/// A token's store. `Send + Sync`; a process has one per token, and never uses one that it inherited.
pub(crate) struct Store {
    folder: PathBuf,
    durability: Durability,
    open: Mutex<Option<Open>>,
}

/// An open database.
struct Open {
    /// The database file, for the lock and the change counter. SQLite has a descriptor of its own.
    file: File,
    database: Connection,
    journal: PathBuf,
    read_only: bool,
    /// The schema is known to be there.
    current: bool,
    /// The change counter of the last settled state that [`Store::generation`] saw.
    settled: Option<[u8; 4]>,
}

/// Why work on the store failed.
pub(crate) enum Failure {
    /// SQLite's reason.
    Sql(rusqlite::Error),
    /// Ours.
    Refused(Error),
}

impl Store {
    /// The store in this folder, which need not be there.
    pub(crate) fn new(folder: PathBuf, durability: Durability) -> Self {
        Self { folder, durability, open: Mutex::new(None) }
    }

    /// The token's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads, seeing one state of the store; `None` where there is no store.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<Option<T>> {
        let mut place = self.open.lock();
        if place.is_none() {
            *place = self.open_file(false)?;
        }
        let Some(open) = place.as_mut() else { return Ok(None) };
        let Open { file, database, journal, current, .. } = open;
        let _lock = settled(file, database, journal).map_err(|failure| self.explain(failure))?;
        self.check(database, current)?;
        if !*current {
            return Ok(None);
        }
        work(database).map(Some).map_err(|failure| self.explain(failure))
    }

    /// Writes in one transaction that is on disk when this returns; makes the store where there is none.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>) -> Result<T> {
        let mut place = self.open.lock();
        // A store that could only be read may have become writable.
        if place.as_ref().is_none_or(|open| open.read_only) {
            *place = self.open_file(true)?;
        }
        let Some(open) = place.as_mut() else { return Err(Code::DeviceError.because("the store did not open")) };
        if open.read_only {
            return Err(self.explain(Failure::Refused(Code::TokenWriteProtected.because("the store is read-only"))));
        }
        let Open { file, database, current, .. } = open;
        let _lock = lock(file, Mode::Exclusive)?;
        let explain = |failure| self.explain(failure);
        let transaction = database
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| explain(error.into()))?;
        self.check(&transaction, current)?;
        let fresh = !*current;
        if fresh {
            transaction.execute_batch(SCHEMA).map_err(|error| explain(error.into()))?;
        }
        let answer = work(&transaction).map_err(explain)?;
        transaction.commit().map_err(|error| explain(error.into()))?;
        *current = true;
        Ok(answer)
    }

    /// A number that changes with every change of the store by any process; 0 where there is no store. It is SQLite's
    /// file change counter, read without SQLite: one system call while nothing changes.
    pub(crate) fn generation(&self) -> Result<u64> {
        let mut place = self.open.lock();
        if place.is_none() {
            *place = self.open_file(false)?;
        }
        let Some(Open { file, database, journal, settled: seen, .. }) = place.as_mut() else { return Ok(0) };
        let counter = || {
            let mut counter = [0; 4];
            match file.read_exact_at(&mut counter, COUNTER) {
                Ok(()) => Ok(counter),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok([0; 4]),
                Err(error) => Err(self.explain(Failure::Refused(Code::DeviceError.because(error)))),
            }
        };
        let number = |counter| u64::from(u32::from_be_bytes(counter));
        // Without the lock, which costs three system calls more. A writer has put the next number into the file before its
        // change is acknowledged, so where the number of a settled state still stands, that state still holds; half of a
        // change, and what a killed writer left, show another number, or the old one while the change is not made yet.
        let unlocked = counter()?;
        if *seen == Some(unlocked) {
            return Ok(number(unlocked));
        }
        *seen = None;
        let _lock = settled(file, database, journal).map_err(|failure| self.explain(failure))?;
        let counter = counter()?;
        *seen = Some(counter);
        Ok(number(counter))
    }

    /// Opens the database file; `None` where it is not there and is not to be made.
    fn open_file(&self, create: bool) -> Result<Option<Open>> {
        let path = self.folder.join(FILE);
        let refused = |error: &std::io::Error| self.explain(Failure::Refused(io(error)));
        if create {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| refused(&error))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create).mode(0o600);
        let (file, read_only) = match options.open(&path) {
            Ok(file) => (file, false),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory && !create => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                match File::open(&path) {
                    Ok(file) => (file, true),
                    Err(cause) if cause.kind() == ErrorKind::NotFound && !create => return Ok(None),
                    Err(cause) if cause.kind() == ErrorKind::NotFound => return Err(refused(&error)),
                    Err(cause) => {
                        let why = format!("the store cannot be read: {cause}");
                        return Err(self.explain(Failure::Refused(Code::TokenNotRecognized.because(why))));
                    }
                }
            }
            Err(error) => return Err(refused(&error)),
        };
        let access = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        // The connection is behind a mutex of ours.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let explain = |error: rusqlite::Error| self.explain(error.into());
        let database = Connection::open_with_flags_and_vfs(&path, flags, c"unix-none").map_err(explain)?;
        database.set_prepared_statement_cache_capacity(STATEMENTS);
        {
            let _lock = lock(&file, if read_only { Mode::Shared } else { Mode::Exclusive })?;
            database.execute_batch(PRAGMAS).map_err(explain)?;
            let synchronous = match self.durability {
                Durability::Power => "FULL",
                Durability::Process => "OFF",
            };
            database.pragma_update(None, "synchronous", synchronous).map_err(explain)?;
        }
        let journal = self.folder.join(JOURNAL);
        Ok(Some(Open { file, database, journal, read_only, current: false, settled: None }))
    }

    /// Learns whether the schema is there, and refuses what is not ours.
    fn check(&self, database: &Connection, current: &mut bool) -> Result<()> {
        if *current {
            return Ok(());
        }
        let number = |sql| database.query_row(sql, [], |row| row.get::<_, i64>(0));
        let explain = |error: rusqlite::Error| self.explain(error.into());
        match number("PRAGMA user_version").map_err(explain)? {
            VERSION => *current = true,
            0 if number("SELECT count(*) FROM sqlite_schema").map_err(explain)? == 0 => {}
            version => {
                let why = format!("the store has schema version {version}, this library knows {VERSION}");
                return Err(self.explain(Failure::Refused(Code::TokenNotRecognized.because(why))));
            }
        }
        Ok(())
    }

    /// Turns a reason into a code, and says on the log what happened to which store.
    fn explain(&self, failure: Failure) -> Error {
        let error = match failure {
            Failure::Refused(error) => error,
            Failure::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    Code::TokenNotRecognized.because(format_args!("the store is corrupt: {error}"))
                }
                Some(ErrorCode::DiskFull) => Code::DeviceMemory.because("the disk of the store is full"),
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                    Code::TokenWriteProtected.because(format_args!("the store cannot be written: {error}"))
                }
                Some(ErrorCode::OutOfMemory) => Code::HostMemory.because(error),
                _ => Code::DeviceError.because(format_args!("the store: {error}")),
            },
        };
        if matches!(
            error.code(),
            Code::TokenNotRecognized
                | Code::DeviceMemory
                | Code::TokenWriteProtected
                | Code::HostMemory
                | Code::DeviceError
        ) {
            log::event(Level::Error, format_args!("store {}: {error}", self.folder.display()));
        }
        error
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.folder.display())
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

/// What an operating system's error is to a caller.
fn io(error: &std::io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::DeviceMemory,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Code::TokenWriteProtected,
        _ => Code::DeviceError,
    };
    code.because(error)
}

/// The lock to read under: shared; but exclusive where a killed process left a journal, which SQLite then rolls back.
fn settled<'a>(file: &'a File, database: &Connection, journal: &Path) -> Result<lock::Lock<'a>, Failure> {
    let shared = lock(file, Mode::Shared)?;
    if !journal.metadata().is_ok_and(|journal| journal.len() > 0) {
        return Ok(shared);
    }
    drop(shared);
    let exclusive = lock(file, Mode::Exclusive)?;
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(exclusive)
}

/// The database file in the token's folder.
const FILE: &str = "token.sqlite3";
/// SQLite's name for its journal.
const JOURNAL: &str = "token.sqlite3-journal";
/// Where the file change counter stands (database file format, 1.3.7).
const COUNTER: u64 = 24;
/// Statements kept prepared: more than there are.
const STATEMENTS: usize = 64;
const VERSION: i64 = 1;

/// `secure_delete` overwrites PIN slots that were replaced.
const PRAGMAS: &str = "
    PRAGMA journal_mode = TRUNCATE;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;";

/// Version 1. `AUTOINCREMENT`: an object's number is never used twice. The application id is "AzHS".
const SCHEMA: &str = "
    PRAGMA application_id = 0x417a4853;
    PRAGMA user_version = 1;
    CREATE TABLE token (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        token_id BLOB NOT NULL,
        label BLOB NOT NULL,
        serial TEXT NOT NULL,
        firmware TEXT NOT NULL);
    CREATE TABLE pin (
        role INTEGER PRIMARY KEY,
        salt BLOB NOT NULL,
        memory_kib INTEGER NOT NULL,
        passes INTEGER NOT NULL,
        lanes INTEGER NOT NULL,
        sealed BLOB NOT NULL);
    CREATE TABLE blob (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE object (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        class INTEGER NOT NULL,
        key_type INTEGER,
        label_key BLOB NOT NULL,
        id_key BLOB NOT NULL,
        private INTEGER NOT NULL,
        body BLOB NOT NULL,
        mac BLOB);
    CREATE INDEX object_by_id ON object (id_key);
    CREATE INDEX object_by_label ON object (label_key);";

#[cfg(test)]
mod tests;
