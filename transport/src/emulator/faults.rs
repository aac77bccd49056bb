//! The fault port: what a test makes the device do, and what the device counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::Deserialize;

use crate::channel::{ChannelError, Control};
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
    /// The driver stops waiting for the command, and the device runs it after all, when it has been given this many
    /// more commands (wire 5.5 row 19, 6.5 row 18). A fast-path call runs at once, and its output is dropped.
    Late(u64),
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
    /// Whether commands take time, and which: `None` is every one that is not named.
    slow: AtomicBool,
    latencies: Mutex<Vec<(Option<u32>, Duration)>>,
    /// How often everything in progress was aborted, and how many commands that hit.
    aborts: AtomicU64,
    aborted: AtomicU64,
    waiting: Mutex<()>,
    wake: Condvar,
    making_keys: AtomicBool,
    late: Mutex<Vec<Late>>,
    any_late: AtomicBool,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    seen: u64,
}

/// A command that nobody waits for any more.
#[derive(Debug)]
pub(crate) struct Late {
    /// How many commands the device still takes before it.
    after: u64,
    pub(crate) control: Control,
    pub(crate) request: Vec<u8>,
}

/// A command on its way through the device: the one that was there at an abort has been aborted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage(u64);

impl Faults {
    pub(crate) fn new(planned: &[Fault]) -> Self {
        Self {
            armed: AtomicBool::new(!planned.is_empty()),
            planned: Mutex::new(planned.iter().cloned().map(|fault| Planned { fault, seen: 0 }).collect()),
            counters: [const { AtomicU64::new(0) }; COUNTERS],
            start: Instant::now(),
            advanced_milliseconds: AtomicU64::new(0),
            slow: AtomicBool::new(false),
            latencies: Mutex::default(),
            aborts: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            waiting: Mutex::default(),
            wake: Condvar::new(),
            making_keys: AtomicBool::new(false),
            late: Mutex::default(),
            any_late: AtomicBool::new(false),
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

    /// From now on every command of this opcode takes this much longer; without an opcode, every command and fast-path
    /// call that is not named. Commands do not wait for one another. Zero is the end of it.
    pub fn set_latency(&self, opcode: Option<u32>, latency: Duration) {
        let mut latencies = self.latencies.lock();
        latencies.retain(|(of, _)| *of != opcode);
        if !latency.is_zero() {
            latencies.push((opcode, latency));
        }
        self.slow.store(!latencies.is_empty(), Ordering::Release);
    }

    /// Aborts every command that is in the device now, as the driver does when one of them takes too long (wire 5.7):
    /// those that have not begun never do, and the answers of the others are dropped.
    pub fn abort_in_progress(&self) {
        let _waiting = self.waiting.lock();
        self.aborts.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_all();
    }

    /// How many commands and fast-path calls [`Faults::abort_in_progress`] has hit.
    pub fn aborted(&self) -> u64 {
        self.aborted.load(Ordering::Acquire)
    }

    /// Whether the device is making its unwrapping key, for as long as it is told to: GetUnwrappingKey answers
    /// PendingKeyGeneration (semantics 5.8).
    pub fn hold_key_generation(&self, hold: bool) {
        self.making_keys.store(hold, Ordering::Release);
    }

    pub(crate) fn holds_key_generation(&self) -> bool {
        self.making_keys.load(Ordering::Acquire)
    }

    /// A command comes into the device.
    pub(crate) fn enter(&self) -> Passage {
        Passage(self.aborts.load(Ordering::Acquire))
    }

    /// Whether the command has been aborted since; asked once, at its end.
    pub(crate) fn leave(&self, passage: Passage) -> Result<(), ChannelError> {
        if self.aborts.load(Ordering::Acquire) == passage.0 {
            return Ok(());
        }
        self.aborted.fetch_add(1, Ordering::AcqRel);
        Err(ChannelError::Aborted)
    }

    /// The time that a command takes before it runs; an error if it is aborted in it.
    pub(crate) fn take_time(
        &self,
        opcode: Option<Opcode>,
        action: Option<Action>,
        passage: Passage,
    ) -> Result<(), ChannelError> {
        let mut time = Duration::ZERO;
        if let Some(Action::DelayMilliseconds(ms)) = action {
            time += Duration::from_millis(ms);
        }
        if self.slow.load(Ordering::Acquire) {
            let latencies = self.latencies.lock();
            let of = |wanted: Option<u32>| latencies.iter().find(|(of, _)| *of == wanted).map(|(_, latency)| *latency);
            let named = opcode.and_then(|opcode| of(Some(opcode.0)));
            time += named.or_else(|| of(None)).unwrap_or_default();
        }
        if time.is_zero() {
            return Ok(());
        }
        let until = Instant::now() + time;
        let mut waiting = self.waiting.lock();
        while self.aborts.load(Ordering::Acquire) == passage.0 {
            if self.wake.wait_until(&mut waiting, until).timed_out() {
                return Ok(());
            }
        }
        drop(waiting);
        self.leave(passage)
    }

    /// Keeps a command for later.
    pub(crate) fn postpone(&self, after: u64, control: Control, request: Vec<u8>) {
        self.late.lock().push(Late { after, control, request });
        self.any_late.store(true, Ordering::Release);
    }

    /// The postponed commands whose time has come with this one.
    pub(crate) fn overdue(&self) -> Vec<Late> {
        if !self.any_late.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut late = self.late.lock();
        for command in &mut *late {
            command.after = command.after.saturating_sub(1);
        }
        let due = late.extract_if(.., |command| command.after == 0).collect();
        self.any_late.store(!late.is_empty(), Ordering::Release);
        due
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
            plan.seen + 1 < plan.fault.nth.saturating_add(plan.fault.times)
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
    fn an_abort_ends_what_is_in_the_device_and_nothing_else() {
        let faults = Faults::new(&[]);
        faults.set_latency(Some(1062), Duration::from_mins(1));
        std::thread::scope(|scope| {
            let (faults, passage) = (&faults, faults.enter());
            let slow = scope.spawn(move || faults.take_time(Some(Opcode(1062)), None, passage));
            while !slow.is_finished() {
                faults.abort_in_progress();
                std::thread::yield_now();
            }
            assert_eq!(slow.join().unwrap(), Err(ChannelError::Aborted));
        });
        assert_eq!(faults.aborted(), 1);
        let next = faults.enter();
        assert_eq!(faults.take_time(Some(Opcode(1061)), None, next), Ok(()));
        assert_eq!(faults.leave(next), Ok(()));
    }

    #[test]
    fn a_command_takes_the_time_of_its_kind_or_else_of_all() {
        let faults = Faults::new(&[]);
        let time = |opcode: Option<u32>| {
            let start = Instant::now();
            faults.take_time(opcode.map(Opcode), None, faults.enter()).unwrap();
            start.elapsed()
        };
        faults.set_latency(None, Duration::from_millis(30));
        faults.set_latency(Some(1062), Duration::from_millis(1));
        assert!(time(None) >= Duration::from_millis(30));
        assert!(time(Some(1061)) >= Duration::from_millis(30));
        assert!((1..30).contains(&time(Some(1062)).as_millis()));
        faults.set_latency(None, Duration::ZERO);
        assert!(time(Some(1061)) < Duration::from_millis(30));
    }

    #[test]
    fn a_late_command_comes_after_so_many_others() {
        let faults = Faults::new(&[]);
        let control = Control { kind: crate::ddi::SessionControl::NoSession, session: None };
        faults.postpone(2, control, vec![7]);
        assert!(faults.overdue().is_empty());
        assert_eq!(faults.overdue().pop().map(|late| late.request), Some(vec![7]));
        assert!(faults.overdue().is_empty());
    }

    #[test]
    fn faults_are_read_from_json() {
        let fault: Fault = serde_json::from_str(r#"{"opcode":1062,"action":{"status":134217736}}"#).unwrap();
        assert_eq!(fault, Fault { opcode: Some(1062), nth: 1, times: 1, action: Action::Status(0x0800_0008) });
    }
}
