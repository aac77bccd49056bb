//! What a status means to the one who sent the command (semantics 9.3). The only place that knows.

use std::thread;
use std::time::{Duration, Instant};

use super::ceremony;
use crate::channel::ChannelError;
use crate::ddi::Status;
use crate::{Error, Result};

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The id means nothing to the device any more: forget it, bring the key in again, once.
    Reload,
    /// Evict a key, an AES bulk key where `bulk`, and send the command again.
    MakeRoom {
        /// The seven bulk places of a table are full, not the table.
        bulk: bool,
    },
    /// Somebody else's ceremony spent the nonce: the whole ceremony again.
    RepeatCeremony,
    /// The partition is provisioned, by another process or by another owner.
    AlreadyProvisioned,
    /// BK3 has to be masked again: the chip's boot key is another one.
    MaskBk3Again,
    /// The partition identity is another one: read the chain and endorse again.
    EndorseAgain,
    /// A blob does not belong to this partition. It is kept.
    BlobRejected,
    /// The same command again, a little later.
    Later,
    /// All sessions are taken: wait a while for one.
    WaitForSession,
    /// The device was reset or migrated: provision, open a session, and start again with new ids.
    Recover,
    /// The command was aborted. It may or may not have run, and there may have been a reset: start again in a new
    /// connection. The old one is closed as usual, because its keys may still be in the device.
    Reconnect,
    /// Nothing mends this.
    GiveUp,
}

/// The reaction to a failed command.
pub(super) fn reaction(error: &Error) -> Reaction {
    let status = match error {
        Error::Device { status, .. } => *status,
        Error::Channel(ChannelError::FastPath { result, extended }) => return fast_path(*result, *extended),
        // The driver submitted nothing.
        Error::Channel(ChannelError::NotReady) => return Reaction::Later,
        Error::Channel(ChannelError::Aborted | ChannelError::Late) => return Reaction::Reconnect,
        Error::Channel(ChannelError::Overtaken) => return Reaction::Recover,
        _ => return Reaction::GiveUp,
    };
    match status {
        Status::KEY_NOT_FOUND => Reaction::Reload,
        Status::NOT_ENOUGH_SPACE | Status::DEFRAGMENTATION_NEEDED | Status::REACHED_MAX_KEYS => {
            Reaction::MakeRoom { bulk: false }
        }
        Status::REACHED_MAX_AES_BULK_KEYS => Reaction::MakeRoom { bulk: true },
        // Without the key that was asked for a moment ago there was a reset, or somebody else's ceremony used it up.
        Status::NONCE_MISMATCH
        | Status::SESSION_ENCRYPTION_KEY_GENERATE_FAILED
        | Status::ESTABLISH_CRED_ENCRYPTION_KEY_GENERATE_FAILED => Reaction::RepeatCeremony,
        Status::VAULT_APP_LIMIT_REACHED | Status::PARTITION_ALREADY_PROVISIONED => Reaction::AlreadyProvisioned,
        Status::UNMASKING_BK3_FAILED | Status::MASKED_BK_BOOT_NOT_PRESENT | Status::MASKING_BK_BOOT_FAILED => {
            Reaction::MaskBk3Again
        }
        Status::ECC_VERIFY_FAILED => Reaction::EndorseAgain,
        Status::MASKED_KEY_DECODE_FAILED => Reaction::BlobRejected,
        Status::PENDING_KEY_GENERATION
        | Status::CANNOT_DELETE_KEY_IN_USE
        | Status::CANNOT_DELETE_SOME_KEYS_IN_USE
        | Status::CANNOT_CLOSE_SESSION_IN_USE => Reaction::Later,
        Status::VAULT_SESSION_LIMIT_REACHED => Reaction::WaitForSession,
        Status::SESSION_NEEDS_RENEGOTIATION
        | Status::PARTITION_NOT_PROVISIONED
        | Status::CREDENTIALS_NOT_ESTABLISHED
        | Status::SESSION_NOT_FOUND
        | Status::FILE_HANDLE_NO_EXISTING_SESSION
        | Status::FILE_HANDLE_SESSION_ID_DOES_NOT_MATCH => Reaction::Recover,
        _ => Reaction::GiveUp,
    }
}

/// The fast path's refusals that come before any data is touched, so that the call may be repeated (wire 6.6, B.3;
/// semantics 6.3).
const fn fast_path(result: u32, extended: u32) -> Reaction {
    match (result, extended) {
        // The device: no such key, not ours, or one of another kind that has its place now.
        (2, 1..=4) | (XTS, 1..=4 | 7..=10 | 14 | 15) => Reaction::Reload,
        // The driver: session or application of another handle, or none.
        (0, 107..=110) => Reaction::Recover,
        _ => Reaction::GiveUp,
    }
}

/// Which of the two keys of AES-XTS, data key and tweak key, the device does not know any more; both, where it does not
/// say (wire B.3, table X).
pub(super) fn lost_xts_keys(error: &Error) -> (bool, bool) {
    match error {
        Error::Channel(ChannelError::FastPath { result: XTS, extended: 1 | 7 | 9 | 14 }) => (true, false),
        Error::Channel(ChannelError::FastPath { result: XTS, extended: 2 | 8 | 10 | 15 }) => (false, true),
        _ => (true, true),
    }
}

/// Whether opening a connection failed in a way that a reset, a migration or an abort in the middle of it explains, so
/// that it has to begin again with the certificate chain. A false certificate or a forged ceremony key looks the same,
/// and fails every time.
pub(super) fn interrupted(error: &Error) -> bool {
    // A ceremony that was repeated in vain has met many others.
    matches!(reaction(error), Reaction::Recover | Reaction::Reconnect | Reaction::RepeatCeremony)
        || is(error, Status::INVALID_CERTIFICATE)
        || *error == ceremony::NOT_SIGNED
}

/// How often, and for how long, one call of the layer above begins again.
#[derive(Debug)]
pub(super) struct Restarts {
    left: u32,
    pause: Duration,
    deadline: Option<Instant>,
}

impl Restarts {
    pub(super) const fn new() -> Self {
        Self { left: RESTARTS, pause: Duration::ZERO, deadline: None }
    }

    /// Whether to begin again; the first time at once, then after growing pauses.
    pub(super) fn again(&mut self) -> bool {
        let now = Instant::now();
        if self.left == 0 || now + self.pause >= *self.deadline.get_or_insert(now + RESTART_LIMIT) {
            return false;
        }
        thread::sleep(self.pause);
        self.left -= 1;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        true
    }
}

/// Whether a failed command answered exactly this.
pub(super) fn is(error: &Error, wanted: Status) -> bool {
    matches!(error, Error::Device { status, .. } if *status == wanted)
}

/// Repeats `run` while its failure asks for `again`, with growing pauses, for at most `limit`.
pub(super) fn repeat<T>(again: Reaction, limit: Duration, mut run: impl FnMut() -> Result<T>) -> Result<T> {
    let mut deadline = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match run() {
            Err(error) if reaction(&error) == again => error,
            done => return done,
        };
        // Asked only now: most commands work at once, and are not to pay for a clock.
        let now = Instant::now();
        if now + pause >= *deadline.get_or_insert(now + limit) {
            return Err(error);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How long a device that is not ready, because it is being reset, is waited for.
pub(super) const READY_WAIT: Duration = Duration::from_secs(5);
/// Resets that come one every 200 ms leave room for a recovery, which takes some ten commands; the pauses grow to
/// 128 ms and come to a quarter of a second.
const RESTARTS: u32 = 8;
const RESTART_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The fast path's status of a refused AES-XTS call.
const XTS: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddi::Opcode;

    fn error(status: Status) -> Error {
        Error::Device { command: Opcode::OPEN_SESSION, status }
    }

    #[test]
    fn a_command_is_repeated_until_it_works_or_fails_otherwise() {
        let mut answers = vec![Ok(7), Err(error(Status::PENDING_KEY_GENERATION))];
        let found = repeat(Reaction::Later, Duration::from_secs(1), || answers.pop().unwrap());
        assert_eq!(found, Ok(7));
        let mut answers = vec![Ok(7), Err(error(Status::INVALID_ARG))];
        let found = repeat(Reaction::Later, Duration::from_secs(1), || answers.pop().unwrap());
        assert_eq!(found, Err(error(Status::INVALID_ARG)));
    }

    #[test]
    fn repeating_ends() {
        let start = Instant::now();
        let limit = Duration::from_millis(30);
        let found: Result<()> = repeat(Reaction::Later, limit, || Err(error(Status::PENDING_KEY_GENERATION)));
        assert!(found.is_err() && start.elapsed() <= limit);
    }

    #[test]
    fn beginning_again_ends() {
        let mut restarts = Restarts::new();
        let start = Instant::now();
        assert!(restarts.again() && start.elapsed() < Duration::from_millis(100), "at once");
        assert_eq!((1..100).filter(|_| restarts.again()).count(), 7);
        assert!(start.elapsed() >= Duration::from_millis(2 + 4 + 8 + 16 + 32 + 64), "with pauses");
    }

    #[test]
    fn only_what_a_reset_explains_is_begun_again() {
        assert!(interrupted(&ceremony::NOT_SIGNED));
        assert!(interrupted(&Error::Channel(ChannelError::Aborted)));
        assert!(interrupted(&error(Status::CREDENTIALS_NOT_ESTABLISHED)));
        assert!(interrupted(&error(Status::SESSION_ENCRYPTION_KEY_GENERATE_FAILED)), "a reset between two commands");
        assert!(interrupted(&error(Status::NONCE_MISMATCH)));
        assert!(!interrupted(&error(Status::INVALID_APP_CREDENTIALS)), "each try counts against the lockout");
        assert!(!interrupted(&Error::UnexpectedAnswer("another")));
        assert!(!interrupted(&Error::BlobRejected("a masked key")));
    }

    #[test]
    fn an_unknown_status_is_final() {
        assert_eq!(reaction(&error(Status(0x0870_FFFF))), Reaction::GiveUp);
        assert_eq!(reaction(&Error::TagMismatch), Reaction::GiveUp);
    }
}
