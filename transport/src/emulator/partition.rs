//! The life of the partition: what is volatile in the chip, and what resets it (semantics 2, 4).
//!
//! One lock guards all of it. Commands take it to find and check, let go of it to compute, and take it again to store;
//! a [`Ticket`] tells then whether the session still lives.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{agreement, rand};
use parking_lot::{Mutex, MutexGuard};
use zeroize::Zeroizing;

use super::certificates::Identity;
use super::faults::Faults;
use super::hierarchy::Fleet;
use super::keys::Material;
use super::lockout::LockoutState;
use super::masked::MaskingKey;
use super::options::Options;
use super::state_file::{Durable, StateFile};
use super::vault::{Entry, Owner, Vault};
use crate::channel::ChannelError;
use crate::ddi::{ApiRev, KeyType, Status};

/// One emulated partition. `Send + Sync`: the volatile state is behind its lock, the rest does not change.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) file: StateFile,
    /// Held by whoever makes the unwrapping key, which takes long.
    pub(crate) unwrapping_maker: Mutex<()>,
    state: Mutex<State>,
}

/// What the chip forgets when it loses power.
pub(crate) struct State {
    pub(crate) identity: Arc<Identity>,
    pub(crate) fleet: Fleet,
    pub(crate) vm_launch_guid: [u8; 16],
    pub(crate) nonce: [u8; 32],
    /// "Establish credential encryption key": made on the first query, gone with its use.
    pub(crate) establish_key: Option<CeremonyKey>,
    /// "Session encryption key": made on the first query, kept until reset.
    pub(crate) session_key: Option<CeremonyKey>,
    pub(crate) credential: Option<Credential>,
    pub(crate) provisioned: Option<Provisioned>,
    pub(crate) unwrapping: Option<UnwrappingKey>,
    pub(crate) pending_polls: u32,
    pub(crate) chain_was_asked: bool,
    pub(crate) lockout: LockoutState,
    pub(crate) sessions: [Option<Session>; SESSIONS],
    pub(crate) next_serial: u64,
    pub(crate) vault: Vault,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("provisioned", &self.provisioned.is_some()).finish_non_exhaustive()
    }
}

/// The partition's one credential.
pub(crate) struct Credential {
    pub(crate) id: [u8; 16],
    pub(crate) pin: Zeroizing<[u8; 16]>,
}

/// What provisioning leaves behind.
pub(crate) struct Provisioned {
    pub(crate) mk: Arc<MaskingKey>,
    pub(crate) bk3_session: Zeroizing<[u8; 48]>,
}

/// A P-384 key that envelopes are encrypted to.
#[derive(Clone)]
pub(crate) struct CeremonyKey {
    pub(crate) key: Arc<agreement::PrivateKey>,
    pub(crate) point: Vec<u8>,
    /// ECDSA by the PID key over the raw little-endian point (semantics 3.1).
    pub(crate) signature: [u8; 96],
    /// Its entry in the vault.
    pub(crate) entry: u16,
}

/// The RSA unwrapping key: staged, and in the vault after the first GetUnwrappingKey.
pub(crate) struct UnwrappingKey {
    pub(crate) material: Arc<Material>,
    pub(crate) plain: Zeroizing<Vec<u8>>,
    pub(crate) entry: Option<u16>,
}

/// A session slot in use.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) rev: ApiRev,
    /// Distinguishes sessions that had the same slot, and lives of one session.
    pub(crate) serial: u64,
    /// `None`: the slot needs renegotiation.
    pub(crate) smk: Option<Arc<MaskingKey>>,
    /// Its entry in the vault.
    pub(crate) entry: Option<u16>,
}

/// A session that was found alive, and what its commands need.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) session: u8,
    pub(crate) serial: u64,
    pub(crate) mk: Arc<MaskingKey>,
    pub(crate) smk: Arc<MaskingKey>,
}

impl Partition {
    /// The partition of a durable file, in the state after power-on.
    pub(crate) fn new(file: StateFile, durable: Durable, options: Options) -> Result<Self, ChannelError> {
        let nonce = fresh_nonce()?;
        let state = State {
            identity: Arc::new(durable.identity),
            fleet: durable.fleet,
            vm_launch_guid: durable.vm_launch_guid,
            nonce,
            establish_key: None,
            session_key: None,
            credential: None,
            provisioned: None,
            unwrapping: None,
            pending_polls: options.pending_unwrapping_key_polls,
            chain_was_asked: false,
            lockout: LockoutState::default(),
            sessions: [const { None }; SESSIONS],
            next_serial: 0,
            vault: Vault::new(options.tables, options.bulk_id_is_key_id),
        };
        Ok(Self {
            faults: Faults::new(&options.faults),
            options,
            file,
            unwrapping_maker: Mutex::new(()),
            state: Mutex::new(state),
        })
    }

    /// The volatile state; not to be held during heavy computation.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// NSSR (semantics 2.6): credential, keys, nonce and lockout are gone; session slots stay and need renegotiation;
    /// the unwrapping key stays staged.
    pub(crate) fn reset(&self) -> Result<(), ChannelError> {
        let nonce = fresh_nonce()?;
        self.forget(&mut self.state(), nonce);
        Ok(())
    }

    fn forget(&self, state: &mut State, nonce: [u8; 32]) {
        state.nonce = nonce;
        state.establish_key = None;
        state.session_key = None;
        state.credential = None;
        state.provisioned = None;
        state.lockout = LockoutState::default();
        state.vault = Vault::new(self.options.tables, self.options.bulk_id_is_key_id);
        if let Some(unwrapping) = &mut state.unwrapping {
            unwrapping.entry = None;
        }
        for session in state.sessions.iter_mut().flatten() {
            session.smk = None;
            session.entry = None;
        }
    }

    /// Live migration (semantics 2.6): as a reset, on a device with another identity and without the unwrapping key. In
    /// one step: whoever provisions after it does so on the other device.
    pub(crate) fn migrate(&self) -> Result<(), ChannelError> {
        let identity = Identity::generate()?;
        let nonce = fresh_nonce()?;
        let mut state = self.state();
        let stored: Result<(), ()> = self.file.update(|durable| {
            durable.identity = identity.clone();
            Ok(())
        })?;
        debug_assert!(stored.is_ok());
        self.forget(&mut state, nonce);
        state.identity = Arc::new(identity);
        state.unwrapping = None;
        state.pending_polls = self.options.pending_unwrapping_key_polls;
        state.chain_was_asked = false;
        Ok(())
    }

    /// Closes a session, or frees its slot if it needs renegotiation; an unknown one is harmless.
    pub(crate) fn close(&self, session: u8) {
        let mut state = self.state();
        let Some(slot) = state.sessions.get_mut(usize::from(session)).and_then(Option::take) else { return };
        state.vault.remove_session(session);
        if let Some(entry) = slot.entry {
            state.vault.remove(entry);
        }
    }

    /// Whether the ticket's session is still the same, in the same life.
    pub(crate) fn confirm(state: &State, ticket: &Ticket) -> Result<(), Status> {
        match &state.sessions[usize::from(ticket.session)] {
            Some(session) if session.serial != ticket.serial => Err(Status::SESSION_NOT_FOUND),
            Some(session) if session.smk.is_none() => Err(Status::SESSION_NEEDS_RENEGOTIATION),
            Some(_) => Ok(()),
            None => Err(Status::SESSION_NOT_FOUND),
        }
    }
}

fn fresh_nonce() -> Result<[u8; 32], ChannelError> {
    let mut nonce = [0; 32];
    rand::fill(&mut nonce).map_err(|_| ChannelError::State("no randomness".to_owned()))?;
    Ok(nonce)
}

impl State {
    /// A new nonce.
    pub(crate) fn renew_nonce(&mut self) -> Result<(), Status> {
        rand::fill(&mut self.nonce).map_err(|_| Status::RNG_ERROR)
    }

    /// See [`super::Emulator::occupy_sessions`].
    pub(crate) fn occupy_sessions(&mut self, count: usize) -> usize {
        let of_stranger = |slot: &Option<Session>| slot.as_ref().is_some_and(|session| session.serial == STRANGER);
        for slot in self.sessions.iter_mut().filter(|slot| of_stranger(slot)) {
            *slot = None;
        }
        let rev = super::dispatch::REVISION;
        for slot in self.sessions.iter_mut().filter(|slot| slot.is_none()).take(count) {
            *slot = Some(Session { rev, serial: STRANGER, smk: None, entry: None });
        }
        self.sessions.iter().filter(|slot| of_stranger(slot)).count()
    }

    /// Takes room for one of the device's own secrets.
    pub(crate) fn reserve(&mut self, kind: KeyType, raw: usize) -> Result<u16, Status> {
        let entry = Entry::new(kind, Owner::Internal, None, true, None, Arc::new(Material::Internal));
        self.vault.insert(entry, raw).map(|placed| placed.id)
    }
}

/// The serial number of the sessions of somebody that is not in this emulation.
const STRANGER: u64 = u64::MAX;
/// Sessions per partition (semantics 4).
pub(crate) const SESSIONS: usize = 8;
