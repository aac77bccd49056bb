//! Eight sessions and a few key tables for all processes of the machine (semantics 4, 5.2): how they wait for one another,
//! and when they let go.
//!
//! Nobody can be asked for a session: there are no threads here, so a process that does nothing hears nothing. So
//!
//! - the **last** session of the chip is nobody's for longer than an operation. A device gives the lowest free number, so
//!   whoever has the highest knows that all are taken, and lets it go when no thread of it uses it. However many idle
//!   processes keep the other seven, the eighth goes round.
//! - a process that **works** looks, every [`SLICE`], whether somebody waits, and lets its session go where somebody does,
//!   at the end of the operation. It gets its next one behind those who wait.
//! - those who wait do it in line: a lock in the folder that they share is the turn to ask the device. One process asks,
//!   which costs two ceremonies, and the others wait for the lock, which costs the device nothing.
//!
//! With places for keys it is the same, with a line for the tables and one for the seven bulk places of each: who has
//! nothing in the device that could make room stands in line, who works looks whether somebody does and takes its least
//! recently used key out, and who brings a key in while others wait gets in line behind them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::reaction::{Reaction, reaction};
use crate::{Error, Result};

/// How the processes of a partition take turns. `Send + Sync`.
#[derive(Debug)]
pub(super) struct Turns {
    /// `None` where no other process has the device.
    path: Option<PathBuf>,
    /// How long a session is waited for.
    pub(super) patience: Duration,
}

/// The turn to ask for a session, or to know that somebody has it.
struct Turn(File);

impl Drop for Turn {
    fn drop(&mut self) {
        // Not merely by closing: a child that was forked meanwhile has the same open file.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Turns {
    pub(super) fn new(folder: Option<&Path>) -> Self {
        Self { path: folder.map(|folder| folder.join(FILE)), patience: PATIENCE }
    }

    /// The same for places in the key tables, or for the bulk places in them.
    pub(super) fn of_places(folder: Option<&Path>, bulk: bool) -> Self {
        let file = if bulk { BULK_FILE } else { TABLE_FILE };
        Self { path: folder.map(|folder| folder.join(file)), patience: PLACE_PATIENCE }
    }

    /// Whether there are other processes.
    pub(super) fn is_shared(&self) -> bool {
        self.path.is_some()
    }

    /// Stands in line, giving what those in front may need, and tries again and again when it is our turn; `None` when that
    /// takes too long.
    pub(super) fn stand<T>(&self, give: impl Fn(), mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
        let until = Instant::now() + self.patience;
        let mut pause = SHORTEST;
        let mut turn = None;
        while Instant::now() < until {
            if turn.is_none() {
                turn = self.turn(FlockOperation::NonBlockingLockExclusive);
            }
            if turn.is_some() {
                pause = SHORTEST;
                if let Some(done) = attempt() {
                    return Some(done);
                }
            } else {
                give();
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
        None
    }

    /// Opens a session, when it is our turn and one is free; [`Error::SessionsExhausted`] when that takes too long. A line
    /// moves on, so it is stood in longer than at its head.
    pub(super) fn wait<T>(&self, mut open: impl FnMut() -> Result<T>) -> Result<T> {
        let mut until = Instant::now() + self.patience * IN_LINE;
        let mut pause = SHORTEST;
        let mut turn = None;
        loop {
            if turn.is_none() {
                turn = self.turn(FlockOperation::NonBlockingLockExclusive);
                if turn.is_some() || self.path.is_none() {
                    until = until.min(Instant::now() + self.patience);
                }
            }
            if turn.is_some() || self.path.is_none() {
                match open() {
                    Err(error) if reaction(&error) == Reaction::WaitForSession => {}
                    done => return done,
                }
            }
            if Instant::now() + pause >= until {
                return Err(Error::SessionsExhausted);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn turn(&self, operation: FlockOperation) -> Option<Turn> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.path.as_ref()?).ok()?;
        flock(&file, operation).is_ok().then_some(Turn(file))
    }

    /// Whether another process waits for a session.
    pub(super) fn somebody_waits(&self) -> bool {
        self.path.is_some() && self.turn(FlockOperation::NonBlockingLockShared).is_none()
    }
}

/// When a session was taken, and when we last looked who waits.
#[derive(Debug)]
pub(super) struct Held {
    session: u16,
    since: Instant,
    /// Milliseconds after `since`.
    look_at: AtomicU64,
}

/// When we last looked who waits for a place.
#[derive(Debug)]
pub(super) struct Looked {
    since: Instant,
    /// Milliseconds after `since`.
    next: AtomicU64,
}

impl Looked {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), next: AtomicU64::new(PLACE_SLICE) }
    }

    /// Asked after each operation: whether to give a place to somebody who waits for one. Who cannot is asked
    /// [`again`](Looked::again) after the next operation.
    pub(super) fn give(&self, places: &Turns) -> bool {
        if !places.is_shared() {
            return false;
        }
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.next.load(Ordering::Relaxed) {
            return false;
        }
        self.next.store(now.saturating_add(PLACE_SLICE), Ordering::Relaxed);
        places.somebody_waits()
    }

    /// No place could be given.
    pub(super) fn again(&self) {
        self.next.store(0, Ordering::Relaxed);
    }
}

/// Whether to let a session go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LetGo {
    /// No.
    No,
    /// If nobody here uses it.
    WhenIdle,
    /// Whoever uses it: they get another one.
    Now,
}

impl Held {
    pub(super) fn new(session: u16) -> Self {
        Self { session, since: Instant::now(), look_at: AtomicU64::new(SLICE) }
    }

    /// Asked after each operation.
    pub(super) fn let_go(&self, turns: &Turns) -> LetGo {
        if turns.path.is_none() {
            return LetGo::No;
        }
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now >= self.look_at.load(Ordering::Relaxed) {
            self.look_at.store(now.saturating_add(SLICE), Ordering::Relaxed);
            if turns.somebody_waits() {
                return LetGo::Now;
            }
        }
        if self.session == LAST { LetGo::WhenIdle } else { LetGo::No }
    }
}

/// In the token's folder.
const FILE: &str = "session.turn";
const TABLE_FILE: &str = "table.turn";
const BULK_FILE: &str = "bulk.turn";
/// The highest session id (semantics 4).
const LAST: u16 = 7;
/// How long a session is kept, in milliseconds, while others wait for it: some tens of operations, against the ten
/// commands that a new one costs.
const SLICE: u64 = 50;
/// How long a session is waited for, unless the layer above says otherwise.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often, in milliseconds, a process that works looks whether others wait for a place: a key costs one command to
/// bring in again, a session ten.
const PLACE_SLICE: u64 = 5;
/// How long a place is waited for, before the chip is reset because those who have them all do nothing.
const PLACE_PATIENCE: Duration = Duration::from_secs(2);
/// How many times as long it is waited for the turn.
const IN_LINE: u32 = 6;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddi::{Opcode, Status};

    fn full() -> Error {
        Error::Device { command: Opcode::OPEN_SESSION, status: Status::VAULT_SESSION_LIMIT_REACHED }
    }

    fn turns(folder: &tempfile::TempDir, patience: u64) -> Turns {
        Turns { patience: Duration::from_millis(patience), ..Turns::new(Some(folder.path())) }
    }

    #[test]
    fn a_session_is_waited_for_and_not_forever() {
        let folder = tempfile::TempDir::new().unwrap();
        for turns in [turns(&folder, 60), Turns { path: None, patience: Duration::from_millis(60) }] {
            let mut left = 3;
            let opened = turns.wait(|| {
                left -= 1;
                if left > 0 { Err(full()) } else { Ok(5) }
            });
            assert_eq!(opened, Ok(5));
            let start = Instant::now();
            assert_eq!(turns.wait(|| Err::<(), _>(full())), Err(Error::SessionsExhausted));
            assert!(start.elapsed() < Duration::from_secs(1));
            assert_eq!(turns.wait(|| Err::<(), _>(Error::TagMismatch)), Err(Error::TagMismatch));
        }
    }

    #[test]
    fn one_asks_and_the_others_wait_in_line() {
        let folder = tempfile::TempDir::new().unwrap();
        let turns = turns(&folder, 40);
        let first = turns.turn(FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(turns.somebody_waits());
        assert_eq!(turns.wait(|| -> Result<()> { panic!("it is not our turn") }), Err(Error::SessionsExhausted));
        drop(first);
        assert!(!turns.somebody_waits());
        assert_eq!(turns.wait(|| Ok(())), Ok(()));
    }

    #[test]
    fn places_are_given_to_those_who_stand_in_line() {
        let folder = tempfile::TempDir::new().unwrap();
        let bulk = Turns { patience: Duration::from_millis(40), ..Turns::of_places(Some(folder.path()), true) };
        let table = Turns::of_places(Some(folder.path()), false);
        let looked = || Looked { next: AtomicU64::new(0), ..Looked::new() };
        assert!(!looked().give(&bulk));
        let mut left = 3;
        let tried = bulk.stand(
            || (),
            || {
                left -= 1;
                assert!(looked().give(&bulk), "we wait");
                assert!(!looked().give(&table), "for something else");
                assert_eq!(bulk.stand(|| (), || -> Option<()> { panic!("it is not our turn") }), None);
                (left == 0).then_some(7)
            },
        );
        assert_eq!(tried, None, "too long");
        assert_eq!(bulk.stand(|| (), || Some(8)), Some(8));
        assert!(!looked().give(&Turns::of_places(None, true)), "nobody else is there");
        let kept = looked();
        let _waiting = bulk.turn(FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(kept.give(&bulk));
        assert!(!kept.give(&bulk), "not looked again so soon");
        kept.again();
        assert!(kept.give(&bulk));
    }

    #[test]
    fn the_last_session_is_let_go_when_idle_and_any_when_somebody_waits() {
        let folder = tempfile::TempDir::new().unwrap();
        let turns = turns(&folder, 40);
        let held = |session| Held { look_at: AtomicU64::new(0), ..Held::new(session) };
        assert_eq!(held(LAST).let_go(&turns), LetGo::WhenIdle);
        assert_eq!(held(0).let_go(&turns), LetGo::No);
        let _waiting = turns.turn(FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(held(LAST).let_go(&turns), LetGo::Now);
        let kept = held(0);
        assert_eq!(kept.let_go(&turns), LetGo::Now);
        assert_eq!(kept.let_go(&turns), LetGo::No, "not looked again so soon");
        assert_eq!(held(LAST).let_go(&Turns::new(None)), LetGo::No, "nobody else can have it");
    }
}
