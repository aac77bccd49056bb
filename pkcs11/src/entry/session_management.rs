//! Session management, and login (PKCS#11 v3.2, 5.6). Named apart from the crate `session`.

use cryptoki_sys::{
    CK_BYTE, CK_FLAGS, CK_NOTIFY, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_SESSION_INFO,
    CK_SESSION_VALIDATION_FLAGS_TYPE, CK_SLOT_ID, CK_ULONG, CK_USER_TYPE, CK_UTF8CHAR, CK_VOID_PTR,
};
use session::Code;
use session::call::{ObjectHandle, SessionHandle, SlotId};

use crate::boundary::entry_points;
use crate::memory::{input, output, pin, place};

entry_points! {
    /// `C_OpenSession` (5.6.1): there is nothing to notify an application of.
    Library => fn C_OpenSession(
        slotID: CK_SLOT_ID,
        flags: CK_FLAGS,
        pApplication: CK_VOID_PTR,
        Notify: CK_NOTIFY,
        phSession: *mut CK_SESSION_HANDLE,
    ) {
        let _ = (pApplication, Notify);
        // SAFETY: the standard's promise for `phSession`.
        let place = unsafe { place(phSession) }?;
        place.put(session::sessions::open(SlotId(slotID), flags)?.0);
        Ok(())
    }

    /// `C_CloseSession` (5.6.2).
    Session(hSession) => fn C_CloseSession(hSession: CK_SESSION_HANDLE) {
        session::sessions::close(SessionHandle(hSession))
    }

    /// `C_CloseAllSessions` (5.6.3).
    Library => fn C_CloseAllSessions(slotID: CK_SLOT_ID) {
        session::sessions::close_all(SlotId(slotID))
    }

    /// `C_GetSessionInfo` (5.6.4).
    Session(hSession) => fn C_GetSessionInfo(hSession: CK_SESSION_HANDLE, pInfo: *mut CK_SESSION_INFO) {
        // SAFETY: the standard's promise for `pInfo`.
        let place = unsafe { place(pInfo) }?;
        let info = session::sessions::info(SessionHandle(hSession))?;
        place.put(CK_SESSION_INFO {
            slotID: info.slot.0,
            state: info.state,
            flags: info.flags,
            ulDeviceError: info.device_error,
        });
        Ok(())
    }

    /// `C_SessionCancel` (5.6.5).
    Session(hSession) => fn C_SessionCancel(hSession: CK_SESSION_HANDLE, flags: CK_FLAGS) {
        session::sessions::cancel(SessionHandle(hSession), flags)
    }

    /// `C_GetOperationState` (5.6.6).
    Session(hSession) => fn C_GetOperationState(
        hSession: CK_SESSION_HANDLE,
        pOperationState: *mut CK_BYTE,
        pulOperationStateLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the buffer and its length.
        let output = unsafe { output(pOperationState, pulOperationStateLen) };
        let reply = session::state::get(SessionHandle(hSession), output.room());
        output.deliver(reply)
    }

    /// `C_SetOperationState` (5.6.7).
    Session(hSession) => fn C_SetOperationState(
        hSession: CK_SESSION_HANDLE,
        pOperationState: *mut CK_BYTE,
        ulOperationStateLen: CK_ULONG,
        hEncryptionKey: CK_OBJECT_HANDLE,
        hAuthenticationKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the state and its length.
        let state = unsafe { input(pOperationState, ulOperationStateLen) };
        let (encryption_key, authentication_key) = (ObjectHandle(hEncryptionKey), ObjectHandle(hAuthenticationKey));
        session::state::set(SessionHandle(hSession), state, encryption_key, authentication_key)
    }

    /// `C_Login` (5.6.8).
    Session(hSession) => fn C_Login(
        hSession: CK_SESSION_HANDLE,
        userType: CK_USER_TYPE,
        pPin: *mut CK_UTF8CHAR,
        ulPinLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the PIN and its length.
        session::login::login(SessionHandle(hSession), userType, unsafe { pin(pPin, ulPinLen) })
    }

    /// `C_LoginUser` (5.6.9): without a name it is `C_Login`; users of these tokens have no names,
    /// so that whatever name is given is a bad argument.
    Session(hSession) => fn C_LoginUser(
        hSession: CK_SESSION_HANDLE,
        userType: CK_USER_TYPE,
        pPin: *mut CK_UTF8CHAR,
        ulPinLen: CK_ULONG,
        pUsername: *mut CK_UTF8CHAR,
        ulUsernameLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the name and the PIN and their lengths.
        let (name, pin) = unsafe { (input(pUsername, ulUsernameLen), pin(pPin, ulPinLen)) };
        if name?.is_empty() {
            session::login::login(SessionHandle(hSession), userType, pin)
        } else {
            Err(Code::ArgumentsBad.because("users of this token have no names"))
        }
    }

    /// `C_Logout` (5.6.10).
    Session(hSession) => fn C_Logout(hSession: CK_SESSION_HANDLE) {
        session::login::logout(SessionHandle(hSession))
    }

    /// `C_GetSessionValidationFlags` (5.6.11).
    Session(hSession) => fn C_GetSessionValidationFlags(
        hSession: CK_SESSION_HANDLE,
        type_: CK_SESSION_VALIDATION_FLAGS_TYPE,
        pFlags: *mut CK_FLAGS,
    ) {
        // SAFETY: the standard's promise for `pFlags`.
        let place = unsafe { place(pFlags) }?;
        place.put(session::sessions::validation_flags(SessionHandle(hSession), type_)?);
        Ok(())
    }
}
