//! Signatures and MACs (PKCS#11 v3.2, 5.13).

use cryptoki_sys::{CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{input, mechanism_or_null, output};

entry_points! {
    /// `C_SignInit` (5.13.1): a null mechanism cancels.
    Session(hSession) => fn C_SignInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        session::sign::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_Sign` (5.13.2).
    Session(hSession) => fn C_Sign(
        hSession: CK_SESSION_HANDLE,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, output) = unsafe { (input(pData, ulDataLen), output(pSignature, pulSignatureLen)) };
        let reply = session::sign::sign(SessionHandle(hSession), data, output.room());
        output.deliver(reply)
    }

    /// `C_SignUpdate` (5.13.3).
    Session(hSession) => fn C_SignUpdate(hSession: CK_SESSION_HANDLE, pPart: *mut CK_BYTE, ulPartLen: CK_ULONG) {
        // SAFETY: the standard's promise for the part and its length.
        session::sign::update(SessionHandle(hSession), unsafe { input(pPart, ulPartLen) })
    }

    /// `C_SignFinal` (5.13.4).
    Session(hSession) => fn C_SignFinal(
        hSession: CK_SESSION_HANDLE,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the buffer and its length.
        let output = unsafe { output(pSignature, pulSignatureLen) };
        let reply = session::sign::finish(SessionHandle(hSession), output.room());
        output.deliver(reply)
    }

    /// `C_SignRecoverInit` (5.13.5): a null mechanism cancels.
    Session(hSession) => fn C_SignRecoverInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        session::sign::recover_init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_SignRecover` (5.13.6).
    Session(hSession) => fn C_SignRecover(
        hSession: CK_SESSION_HANDLE,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, output) = unsafe { (input(pData, ulDataLen), output(pSignature, pulSignatureLen)) };
        let reply = session::sign::recover(SessionHandle(hSession), data, output.room());
        output.deliver(reply)
    }
}
