//! The fault port: what a test makes the device do, and what the device counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;

use crate::ddi::{Opcode, Status};

/// One fault: what happens at the `nth` command of an opcode.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which command (wire 3.1); absent: any command.
    #[serde(default)]
    pub opcode: Option<u32>,
    /// Counts matching commands from now, the first is 1.
    #[serde(default = "first")]
    pub nth: u64,
    /// How many matching commands in a row it hits.
    #[serde(default = "first")]
    pub times: u64,
    /// What happens.
    pub action: Action,
}

/// What a [`Fault`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The command answers this status and does nothing.
    Status(u32),
    /// The command is not submitted: the driver says "not ready".
    NotReady,
    /// The command is aborted before it ran.
    AbortBefore,
    /// The command is aborted after it ran.
    AbortAfter,
    /// The command takes this many milliseconds longer.
    DelayMilliseconds(u64),
    /// The partition is reset before the command (NSSR).
    Reset,
    /// The partition is migrated to another device before the command.
    Migrate,
}

/// The fault port of an emulated device; `Send + Sync`.
#[derive(Debug)]
pub struct Faults {
    armed: AtomicBool,
    planned: Mutex<Vec<Planned>>,
    counters: [AtomicU64; COUNTERS],
    start: Instant,
    advanced_milliseconds: AtomicU64,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    seen: u64,
}

impl Faults {
    pub(crate) fn new(planned: &[Fault]) -> Self {
        Self {
            armed: AtomicBool::new(!planned.is_empty()),
            planned: Mutex::new(planned.iter().cloned().map(|fault| Planned { fault, seen: 0 }).collect()),
            counters: [const { AtomicU64::new(0) }; COUNTERS],
            start: Instant::now(),
            advanced_milliseconds: AtomicU64::new(0),
        }
    }

    /// Adds a fault; it counts commands from now.
    pub fn plan(&self, fault: Fault) {
        self.planned.lock().push(Planned { fault, seen: 0 });
        self.armed.store(true, Ordering::Release);
    }

    /// Forgets all faults that have not happened.
    pub fn clear(&self) {
        self.planned.lock().clear();
        self.armed.store(false, Ordering::Release);
    }

    /// How many commands of this opcode the device has been given.
    pub fn commands(&self, opcode: Opcode) -> u64 {
        counter(opcode).map_or(0, |index| self.counters[index].load(Ordering::Relaxed))
    }

    /// How many AES-GCM calls the fast path has been given.
    pub fn gcm_calls(&self) -> u64 {
        self.counters[GCM].load(Ordering::Relaxed)
    }

    /// How many AES-XTS calls the fast path has been given.
    pub fn xts_calls(&self) -> u64 {
        self.counters[XTS].load(Ordering::Relaxed)
    }

    /// Moves the device's clock forward; the PIN lockout reads it.
    pub fn advance_clock(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.advanced_milliseconds.fetch_add(by, Ordering::Relaxed);
    }

    /// Time since the device was opened.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.advanced_milliseconds.load(Ordering::Relaxed))
    }

    /// Counts a command and answers the fault that hits it.
    pub(crate) fn strike(&self, opcode: Opcode) -> Option<Action> {
        if let Some(index) = counter(opcode) {
            self.counters[index].fetch_add(1, Ordering::Relaxed);
        }
        if self.armed.load(Ordering::Acquire) { self.due(Some(opcode)) } else { None }
    }

    /// Counts a fast-path call and answers the fault, of those for any command, that hits it.
    pub(crate) fn strike_gcm(&self) -> Option<Action> {
        self.counters[GCM].fetch_add(1, Ordering::Relaxed);
        if self.armed.load(Ordering::Acquire) { self.due(None) } else { None }
    }

    /// See [`Faults::strike_gcm`].
    pub(crate) fn strike_xts(&self) -> Option<Action> {
        self.counters[XTS].fetch_add(1, Ordering::Relaxed);
        if self.armed.load(Ordering::Acquire) { self.due(None) } else { None }
    }

    fn due(&self, opcode: Option<Opcode>) -> Option<Action> {
        let mut planned = self.planned.lock();
        let mut action = None;
        planned.retain_mut(|plan| {
            if plan.fault.opcode.is_some_and(|wanted| opcode.is_none_or(|opcode| opcode.0 != wanted)) {
                return true;
            }
            plan.seen += 1;
            if plan.seen < plan.fault.nth || action.is_some() {
                return true;
            }
            action = Some(plan.fault.action);
            plan.seen + 1 < plan.fault.nth + plan.fault.times
        });
        action
    }
}

impl Action {
    /// The fault that answers this status.
    pub fn status(status: Status) -> Self {
        Self::Status(status.0)
    }
}

fn first() -> u64 {
    1
}

fn counter(opcode: Opcode) -> Option<usize> {
    let index = usize::try_from(opcode.0.checked_sub(1000)?).ok()?;
    (index < GCM).then_some(index)
}

const GCM: usize = 128;
const XTS: usize = 129;
const COUNTERS: usize = 130;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(opcode: Option<u32>, nth: u64, times: u64) -> Fault {
        Fault { opcode, nth, times, action: Action::NotReady }
    }

    #[test]
    fn the_nth_command_is_hit_as_often_as_planned() {
        let faults = Faults::new(&[fault(Some(1062), 2, 2)]);
        let hits: Vec<bool> = (0..5).map(|_| faults.strike(Opcode(1062)).is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.commands(Opcode(1062)), 5);
        assert_eq!(faults.commands(Opcode(1061)), 0);
        assert!(faults.strike_gcm().is_none());
    }

    #[test]
    fn a_fault_without_opcode_hits_any_command() {
        let faults = Faults::new(&[]);
        assert!(faults.strike(Opcode(1002)).is_none());
        faults.plan(fault(None, 1, 1));
        assert_eq!(faults.strike_gcm(), Some(Action::NotReady));
        assert!(faults.strike(Opcode(1002)).is_none());
    }

    #[test]
    fn faults_are_read_from_json() {
        let fault: Fault = serde_json::from_str(r#"{"opcode":1062,"action":{"status":134217736}}"#).unwrap();
        assert_eq!(fault, Fault { opcode: Some(1062), nth: 1, times: 1, action: Action::Status(0x0800_0008) });
    }
}
