//! The one initialised library of this process.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use once_cell::race::OnceBox;
use parking_lot::RwLock;

use crate::call::SlotId;
use crate::config::Config;
use crate::ivs::Ivs;
use crate::sessions::SessionMap;
use crate::slot::{self, Slot};
use crate::state::StateKey;
use crate::{Code, Result};

/// What `C_Initialize` made: `Send + Sync`, shared by all threads of the process.
#[derive(Debug)]
pub struct Library {
    /// The configuration that it was made with.
    pub config: Config,
    /// The slots, in the order of `C_GetSlotList`.
    pub slots: Vec<Arc<Slot>>,
    /// The open sessions of this process.
    pub sessions: SessionMap,
    /// What seals the operation states that leave the token.
    pub state_key: StateKey,
    /// Which IVs its AES-GCM keys have encrypted with.
    pub(crate) ivs: Arc<Ivs>,
    /// Ends with the library; whoever waits for it keeps nothing else alive.
    pub(crate) ending: Arc<Ending>,
}

/// The end of a library, which `C_WaitForSlotEvent` waits for. Of the standard library, whose locks have no state that a
/// fork could leave behind.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    /// Returns when the library has ended.
    pub(crate) fn wait(&self) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            ended = self.changed.wait(ended).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The library has ended.
    pub(crate) fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

impl Library {
    /// A library with the slots of a configuration, and no session.
    pub(crate) fn new(config: Config) -> Self {
        let slots = slot::configured(&config);
        let (sessions, state_key, ending) = (SessionMap::new(config.policy), StateKey::default(), Arc::default());
        Self { config, slots, sessions, state_key, ivs: Arc::default(), ending }
    }

    /// The library, where this process has initialised it and not finalised it since; else
    /// `CKR_CRYPTOKI_NOT_INITIALIZED`, which is also the answer in a forked child of a process that had.
    pub fn current() -> Result<Arc<Self>> {
        let cell = newest().filter(|cell| cell.pid == std::process::id()).ok_or(Code::CryptokiNotInitialized)?;
        cell.library.read().clone().ok_or_else(|| Code::CryptokiNotInitialized.into())
    }

    /// A slot; `CKR_SLOT_ID_INVALID` where there is none.
    pub fn slot(&self, id: SlotId) -> Result<&Arc<Slot>> {
        self.slots.iter().find(|slot| slot.id == id).ok_or_else(|| Code::SlotIdInvalid.into())
    }

    /// Puts the library that `make` makes in place for this process; `CKR_CRYPTOKI_ALREADY_INITIALIZED` where there is
    /// one.
    pub(crate) fn install(make: impl FnOnce() -> Result<Self>) -> Result<()> {
        let mut place = own().library.write();
        if place.is_some() {
            return Err(Code::CryptokiAlreadyInitialized.into());
        }
        *place = Some(Arc::new(make()?));
        Ok(())
    }

    /// Takes the library out of its place; calls that run at this moment keep it alive until they return.
    pub(crate) fn uninstall() -> Result<Arc<Self>> {
        let cell = newest().filter(|cell| cell.pid == std::process::id()).ok_or(Code::CryptokiNotInitialized)?;
        cell.library.write().take().ok_or_else(|| Code::CryptokiNotInitialized.into())
    }
}

/// The place of one process's library.
///
/// A fork copies a process with one thread. Whatever another thread held at that moment stays locked in the child for
/// ever, so a child must never wait for a lock that its parent made. It therefore never looks into a place whose process
/// id is not its own: it appends a place of its own, with a lock of its own, to a list that is linked without locks. The
/// parent's library stays where it is in the child's memory, never used and never dropped: dropping it would close the
/// device sessions and database handles that it shares with the parent. Only the last place of the list counts, so that
/// a process id that comes round again cannot bring a remote ancestor's library back.
struct Place {
    pid: u32,
    library: RwLock<Option<Arc<Library>>>,
    next: OnceBox<Self>,
}

/// Statics are not dropped, and this one has nothing that runs at exit or unload.
static FIRST: OnceBox<Place> = OnceBox::new();

fn newest() -> Option<&'static Place> {
    let mut place = FIRST.get()?;
    while let Some(next) = place.next.get() {
        place = next;
    }
    Some(place)
}

/// This process's place, made where there is none. Threads that race meet at one: the list only ever grows, and an append
/// that lost its race looks again.
fn own() -> &'static Place {
    let pid = std::process::id();
    let new = || Box::new(Place { pid, library: RwLock::new(None), next: OnceBox::new() });
    let mut place = FIRST.get_or_init(new);
    loop {
        match place.next.get() {
            Some(next) => place = next,
            None if place.pid == pid => return place,
            None => place = place.next.get_or_init(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Durability, Pin, Transport};
    use crate::log::{Level, Target};

    fn library() -> Library {
        let config = Config {
            transport: Transport::Emulator,
            state: "/nowhere".into(),
            policy: mechanisms::key::Policy::Standard,
            allow_conflicting_usage: false,
            log_level: Level::Off,
            log_target: Target::Stderr,
            pin: Pin::default(),
            slots: 2,
            session_wait_ms: 0,
            allow_gcm_iv_reuse: false,
            durability: Durability::Power,
            emulator: transport::emulator::Options::default(),
        };
        Library::new(config)
    }

    /// The place is one for the process: this is the only test here that uses it.
    #[test]
    fn there_is_at_most_one_library() {
        assert_eq!(Library::current().unwrap_err(), Code::CryptokiNotInitialized);
        assert_eq!(Library::uninstall().unwrap_err(), Code::CryptokiNotInitialized);
        assert_eq!(Library::install(|| Err(Code::HostMemory.into())).unwrap_err(), Code::HostMemory);
        for _ in 0..2 {
            Library::install(|| Ok(library())).unwrap();
            assert_eq!(Library::install(|| Ok(library())).unwrap_err(), Code::CryptokiAlreadyInitialized);
            let current = Library::current().unwrap();
            assert_eq!(current.slot(SlotId(1)).unwrap().id, SlotId(1));
            assert_eq!(current.slot(SlotId(2)).unwrap_err(), Code::SlotIdInvalid);
            assert!(Arc::ptr_eq(&Library::uninstall().unwrap(), &current));
            assert_eq!(Library::current().unwrap_err(), Code::CryptokiNotInitialized);
        }
        // However often, by however many threads: one place.
        assert!(FIRST.get().unwrap().next.get().is_none());
    }

    #[test]
    fn slots_of_a_library_touch_nothing_before_they_are_used() {
        let library = library();
        assert_eq!(library.slots.len(), 2);
        assert!(!std::path::Path::new("/nowhere").exists());
    }
}
