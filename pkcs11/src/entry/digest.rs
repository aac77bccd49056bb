//! Message digesting (PKCS#11 v3.2, 5.12).

use cryptoki_sys::{CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{input, mechanism_or_null, output};

entry_points! {
    /// `C_DigestInit` (5.12.1): a null mechanism cancels.
    Session(hSession) => fn C_DigestInit(hSession: CK_SESSION_HANDLE, pMechanism: *mut CK_MECHANISM) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        session::digest::init(SessionHandle(hSession), unsafe { mechanism_or_null(pMechanism) })
    }

    /// `C_Digest` (5.12.2).
    Session(hSession) => fn C_Digest(
        hSession: CK_SESSION_HANDLE,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pDigest: *mut CK_BYTE,
        pulDigestLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, output) = unsafe { (input(pData, ulDataLen), output(pDigest, pulDigestLen)) };
        let reply = session::digest::digest(SessionHandle(hSession), data, output.room());
        output.deliver(reply)
    }

    /// `C_DigestUpdate` (5.12.3).
    Session(hSession) => fn C_DigestUpdate(hSession: CK_SESSION_HANDLE, pPart: *mut CK_BYTE, ulPartLen: CK_ULONG) {
        // SAFETY: the standard's promise for the part and its length.
        session::digest::update(SessionHandle(hSession), unsafe { input(pPart, ulPartLen) })
    }

    /// `C_DigestKey` (5.12.4).
    Session(hSession) => fn C_DigestKey(hSession: CK_SESSION_HANDLE, hKey: CK_OBJECT_HANDLE) {
        session::digest::key(SessionHandle(hSession), ObjectHandle(hKey))
    }

    /// `C_DigestFinal` (5.12.5).
    Session(hSession) => fn C_DigestFinal(
        hSession: CK_SESSION_HANDLE,
        pDigest: *mut CK_BYTE,
        pulDigestLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the buffer and its length.
        let output = unsafe { output(pDigest, pulDigestLen) };
        let reply = session::digest::finish(SessionHandle(hSession), output.room());
        output.deliver(reply)
    }
}
