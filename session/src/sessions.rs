//! Session management: `C_OpenSession` to `C_SessionCancel`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mechanisms::key::Policy;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::call::{SessionHandle, SlotId};
use crate::library::Library;
use crate::object::birth;
use crate::object::shelf::Shelf;
use crate::operation::Operations;
use crate::slot::Slot;
use crate::token::LoginState;
use crate::{Code, Result};

/// `CK_SESSION_INFO`.
#[derive(Clone, Copy, Debug)]
pub struct SessionInfo {
    /// The slot.
    pub slot: SlotId,
    /// `CKS_` number, computed from login and read/write.
    pub state: u64,
    /// `CKF_` flags.
    pub flags: u64,
    /// `ulDeviceError`.
    pub device_error: u64,
}

/// One open session. `Send + Sync`; calls that use its operations take turns.
#[derive(Debug)]
pub struct Session {
    /// Its slot.
    pub slot: Arc<Slot>,
    /// Whether it is a read/write session.
    pub read_write: bool,
    /// Its number, never used twice.
    pub(crate) number: u64,
    /// The objects of its slot in this process.
    pub(crate) shelf: Arc<Shelf>,
    /// Set when the session is closed; calls of other threads may still be running on it.
    closed: AtomicBool,
    operations: Mutex<Operations>,
}

impl Session {
    /// The session's operations, locked for the time of a call.
    pub(crate) fn operations(&self) -> MutexGuard<'_, Operations> {
        self.operations.lock()
    }

    /// Whether the session was closed since the call that asks has found it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether an operation of this session waits for `C_Login` with `CKU_CONTEXT_SPECIFIC`.
    pub(crate) fn awaits_reauthentication(&self) -> bool {
        self.operations.lock().await_user()
    }

    /// The PIN was right: the waiting operation may run once.
    pub(crate) fn reauthenticated(&self) {
        self.operations.lock().user_authenticated();
    }

    /// Its state, a `CKS_` number.
    pub(crate) fn state(&self) -> u64 {
        state(self.slot.token.login_state(), self.read_write)
    }

    fn info(&self) -> SessionInfo {
        let write = if self.read_write { cryptoki_sys::CKF_RW_SESSION } else { 0 };
        SessionInfo {
            slot: self.slot.id,
            state: self.state(),
            flags: cryptoki_sys::CKF_SERIAL_SESSION | write,
            device_error: 0,
        }
    }
}

/// The state of a session (PKCS#11 v3.2, 5.6.5, figures 3 and 4), computed, never stored:
///
/// | logged in | read-only | read/write |
/// |---|---|---|
/// | nobody | R/O public | R/W public |
/// | user | R/O user | R/W user |
/// | SO | cannot be | R/W SO |
fn state(login: LoginState, read_write: bool) -> u64 {
    match (login, read_write) {
        (LoginState::Public, false) => cryptoki_sys::CKS_RO_PUBLIC_SESSION,
        (LoginState::User, false) => cryptoki_sys::CKS_RO_USER_FUNCTIONS,
        (LoginState::Public, true) => cryptoki_sys::CKS_RW_PUBLIC_SESSION,
        (LoginState::User, true) => cryptoki_sys::CKS_RW_USER_FUNCTIONS,
        (LoginState::SecurityOfficer, _) => cryptoki_sys::CKS_RW_SO_FUNCTIONS,
    }
}

/// The open sessions of this process, of all slots.
#[derive(Debug, Default)]
pub struct SessionMap {
    last: AtomicU64,
    open: RwLock<HashMap<u64, Arc<Session>>>,
    shelves: RwLock<Vec<(SlotId, Arc<Shelf>)>>,
    policy: Policy,
}

impl SessionMap {
    /// No session yet.
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// The session; `CKR_SESSION_HANDLE_INVALID` where there is none.
    pub fn get(&self, session: SessionHandle) -> Result<Arc<Session>> {
        self.open.read().get(&session.0).cloned().ok_or_else(|| Code::SessionHandleInvalid.into())
    }

    /// Open sessions of a slot: all, and the read/write ones.
    pub fn count(&self, slot: SlotId) -> (u64, u64) {
        self.shelf(slot).sessions()
    }

    /// Somebody logged out of the slot's token: private session objects and the operations that use them are gone.
    /// Called without the token's locks: sessions come before it in the lock order.
    pub(crate) fn logged_out(&self, slot: SlotId) {
        self.shelf(slot).logged_out();
        let sessions: Vec<_> = self.open.read().values().filter(|session| session.slot.id == slot).cloned().collect();
        for session in sessions {
            session.operations().end_private();
        }
    }

    /// Closes every session, of one slot or of all; what `C_CloseAllSessions` and `C_Finalize` need. Tokens without a
    /// session are logged out.
    pub(crate) fn close_all(&self, slot: Option<SlotId>) {
        let mut closed = Vec::new();
        self.open.write().retain(|_, session| {
            let goes = slot.is_none_or(|slot| slot == session.slot.id);
            if goes {
                closed.push(session.clone());
            }
            !goes
        });
        for session in closed {
            Self::closed(&session);
        }
    }

    fn open(&self, slot: Arc<Slot>, read_write: bool) -> SessionHandle {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let objects = self.shelf(slot.id);
        objects.session_opened(read_write);
        let session = Session {
            slot,
            read_write,
            number,
            shelf: objects,
            closed: AtomicBool::new(false),
            operations: Mutex::default(),
        };
        self.open.write().insert(number, Arc::new(session));
        SessionHandle(number)
    }

    fn close(&self, session: SessionHandle) -> Result<()> {
        let gone = self.open.write().remove(&session.0).ok_or(Code::SessionHandleInvalid)?;
        Self::closed(&gone);
        Ok(())
    }

    /// The session is out of the map: its objects go, its operations end, and with the last one the login (5.6.2).
    fn closed(session: &Session) {
        session.closed.store(true, Ordering::Release);
        *session.operations.lock() = Operations::default();
        for object in session.shelf.leave(session.number) {
            birth::forget(session, &object.holding);
        }
        if session.shelf.session_closed(session.read_write) {
            session.slot.token.log_out();
            session.shelf.logged_out();
        }
    }

    fn shelf(&self, slot: SlotId) -> Arc<Shelf> {
        let find = |shelves: &[(SlotId, Arc<Shelf>)]| {
            shelves.iter().find(|(id, _)| *id == slot).map(|(_, shelf)| shelf.clone())
        };
        if let Some(shelf) = find(&self.shelves.read()) {
            return shelf;
        }
        let mut shelves = self.shelves.write();
        find(&shelves).unwrap_or_else(|| {
            let new = Arc::new(Shelf::new(self.policy));
            shelves.push((slot, new.clone()));
            new
        })
    }
}

/// `C_OpenSession`: `flags` as given; without `CKF_SERIAL_SESSION` it is `CKR_SESSION_PARALLEL_NOT_SUPPORTED`. A token that
/// is not initialised is `CKR_TOKEN_NOT_RECOGNIZED`.
pub fn open(slot: SlotId, flags: u64) -> Result<SessionHandle> {
    let library = Library::current()?;
    let slot = library.slot(slot)?.clone();
    if flags & cryptoki_sys::CKF_SERIAL_SESSION == 0 {
        return Err(Code::SessionParallelNotSupported.into());
    }
    if flags & cryptoki_sys::CKF_ASYNC_SESSION != 0 {
        return Err(Code::SessionAsyncNotSupported.into());
    }
    let read_write = flags & cryptoki_sys::CKF_RW_SESSION != 0;
    if !read_write && slot.token.login_state() == LoginState::SecurityOfficer {
        return Err(Code::SessionReadWriteSoExists.into());
    }
    if !library.sessions.shelf(slot.id).has_token(&slot.token)? {
        return Err(Code::TokenNotRecognized.because("the token is not initialised"));
    }
    Ok(library.sessions.open(slot, read_write))
}

/// `C_CloseSession`.
pub fn close(session: SessionHandle) -> Result<()> {
    Library::current()?.sessions.close(session)
}

/// `C_CloseAllSessions`.
pub fn close_all(slot: SlotId) -> Result<()> {
    let library = Library::current()?;
    library.slot(slot)?;
    library.sessions.close_all(Some(slot));
    Ok(())
}

/// `C_GetSessionInfo`.
pub fn info(session: SessionHandle) -> Result<SessionInfo> {
    Ok(Library::current()?.sessions.get(session)?.info())
}

/// `C_SessionCancel`: `flags` are `CKF_` flags of operations; kinds that are not active, or that this library has not,
/// have nothing to cancel.
pub fn cancel(session: SessionHandle, flags: u64) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    session.operations().cancel(flags);
    Ok(())
}

/// `C_GetFunctionStatus` and `C_CancelFunction`: `CKR_FUNCTION_NOT_PARALLEL` for a live session.
pub fn not_parallel(session: SessionHandle) -> Result<()> {
    Library::current()?.sessions.get(session)?;
    Err(Code::FunctionNotParallel.into())
}

/// `C_GetSessionValidationFlags`: `CKS_LAST_VALIDATION_OK` is all that is defined (PKCS#11 v3.2, 4.15.3.1). The token has
/// no `CKO_VALIDATION` whose `CKA_VALIDATION_FLAG` could be set, so no flag ever is.
pub fn validation_flags(session: SessionHandle, kind: u64) -> Result<u64> {
    Library::current()?.sessions.get(session)?;
    if kind != cryptoki_sys::CKS_LAST_VALIDATION_OK {
        return Err(Code::ArgumentsBad.because(format_args!("validation flags of type {kind:#x}")));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_the_table_of_the_standard() {
        use LoginState::{Public, SecurityOfficer, User};
        for (login, read_write, expected) in [
            (Public, false, cryptoki_sys::CKS_RO_PUBLIC_SESSION),
            (Public, true, cryptoki_sys::CKS_RW_PUBLIC_SESSION),
            (User, false, cryptoki_sys::CKS_RO_USER_FUNCTIONS),
            (User, true, cryptoki_sys::CKS_RW_USER_FUNCTIONS),
            (SecurityOfficer, true, cryptoki_sys::CKS_RW_SO_FUNCTIONS),
        ] {
            assert_eq!(state(login, read_write), expected, "{login:?} {read_write}");
        }
    }
}
