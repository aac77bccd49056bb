//! Session management: `C_OpenSession` to `C_SessionCancel`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::call::{SessionHandle, SlotId};
use crate::library::Library;
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

/// One open session.
#[derive(Debug)]
pub struct Session {
    /// Its slot.
    pub slot: Arc<Slot>,
    /// Whether it is a read/write session.
    pub read_write: bool,
}

impl Session {
    /// Whether an operation of this session waits for `C_Login` with `CKU_CONTEXT_SPECIFIC`.
    pub(crate) fn awaits_reauthentication(&self) -> bool {
        false
    }

    /// The PIN was right: the waiting operation may run once.
    pub(crate) fn reauthenticated(&self) {}
}

/// The open sessions of this process, of all slots.
#[derive(Debug, Default)]
pub struct SessionMap {
    last: AtomicU64,
    open: RwLock<HashMap<u64, Arc<Session>>>,
}

impl SessionMap {
    /// The session; `CKR_SESSION_HANDLE_INVALID` where there is none.
    pub fn get(&self, session: SessionHandle) -> Result<Arc<Session>> {
        self.open.read().get(&session.0).cloned().ok_or_else(|| Code::SessionHandleInvalid.into())
    }

    /// Open sessions of a slot: all, and the read/write ones.
    pub fn count(&self, slot: SlotId) -> (u64, u64) {
        self.open
            .read()
            .values()
            .filter(|session| session.slot.id == slot)
            .fold((0, 0), |(all, rw), session| (all + 1, rw + u64::from(session.read_write)))
    }

    /// Somebody logged out of the slot's token: private session objects and the operations that use them are gone.
    pub(crate) fn logged_out(&self, _slot: SlotId) {}

    /// Closes every session, of one slot or of all; what C_CloseAllSessions and C_Finalize need. Tokens without a
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
            session.slot.token.log_out();
        }
    }
}

/// `C_OpenSession`: `flags` as given; without `CKF_SERIAL_SESSION` it is `CKR_SESSION_PARALLEL_NOT_SUPPORTED`.
pub fn open(slot: SlotId, flags: u64) -> Result<SessionHandle> {
    let library = Library::current()?;
    let slot = library.slot(slot)?.clone();
    if flags & cryptoki_sys::CKF_SERIAL_SESSION == 0 {
        return Err(Code::SessionParallelNotSupported.into());
    }
    let read_write = flags & cryptoki_sys::CKF_RW_SESSION != 0;
    if !read_write && slot.token.login_state() == LoginState::SecurityOfficer {
        return Err(Code::SessionReadWriteSoExists.into());
    }
    let handle = library.sessions.last.fetch_add(1, Ordering::Relaxed) + 1;
    library.sessions.open.write().insert(handle, Arc::new(Session { slot, read_write }));
    Ok(SessionHandle(handle))
}

/// `C_CloseSession`.
pub fn close(session: SessionHandle) -> Result<()> {
    let library = Library::current()?;
    let gone = library.sessions.open.write().remove(&session.0).ok_or(Code::SessionHandleInvalid)?;
    if library.sessions.count(gone.slot.id).0 == 0 {
        gone.slot.token.log_out();
    }
    Ok(())
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
    let session = Library::current()?.sessions.get(session)?;
    let state = match (session.slot.token.login_state(), session.read_write) {
        (LoginState::Public, false) => cryptoki_sys::CKS_RO_PUBLIC_SESSION,
        (LoginState::User, false) => cryptoki_sys::CKS_RO_USER_FUNCTIONS,
        (LoginState::Public, true) => cryptoki_sys::CKS_RW_PUBLIC_SESSION,
        (LoginState::User, true) => cryptoki_sys::CKS_RW_USER_FUNCTIONS,
        (LoginState::SecurityOfficer, _) => cryptoki_sys::CKS_RW_SO_FUNCTIONS,
    };
    let write = if session.read_write { cryptoki_sys::CKF_RW_SESSION } else { 0 };
    Ok(SessionInfo { slot: session.slot.id, state, flags: cryptoki_sys::CKF_SERIAL_SESSION | write, device_error: 0 })
}

/// `C_SessionCancel`: `flags` are `CKF_` flags of operations.
pub fn cancel(session: SessionHandle, _flags: u64) -> Result<()> {
    Library::current()?.sessions.get(session).map(drop)
}

/// `C_GetFunctionStatus` and `C_CancelFunction`: `CKR_FUNCTION_NOT_PARALLEL` for a live session.
pub fn not_parallel(session: SessionHandle) -> Result<()> {
    Library::current()?.sessions.get(session)?;
    Err(Code::FunctionNotParallel.into())
}
