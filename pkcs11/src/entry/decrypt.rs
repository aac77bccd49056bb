//! Decryption (PKCS#11 v3.2, 5.10).

use cryptoki_sys::{CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{input, mechanism_or_null, output};

entry_points! {
    /// `C_DecryptInit` (5.10.1): a null mechanism cancels.
    Session(hSession) => fn C_DecryptInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        session::decrypt::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_Decrypt` (5.10.2).
    Session(hSession) => fn C_Decrypt(
        hSession: CK_SESSION_HANDLE,
        pEncryptedData: *mut CK_BYTE,
        ulEncryptedDataLen: CK_ULONG,
        pData: *mut CK_BYTE,
        pulDataLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, output) = unsafe { (input(pEncryptedData, ulEncryptedDataLen), output(pData, pulDataLen)) };
        let reply = session::decrypt::decrypt(SessionHandle(hSession), data, output.room());
        output.deliver(reply)
    }

    /// `C_DecryptUpdate` (5.10.3).
    Session(hSession) => fn C_DecryptUpdate(
        hSession: CK_SESSION_HANDLE,
        pEncryptedPart: *mut CK_BYTE,
        ulEncryptedPartLen: CK_ULONG,
        pPart: *mut CK_BYTE,
        pulPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pEncryptedPart, ulEncryptedPartLen), output(pPart, pulPartLen)) };
        let reply = session::decrypt::update(SessionHandle(hSession), part, output.room());
        output.deliver(reply)
    }

    /// `C_DecryptFinal` (5.10.4).
    Session(hSession) => fn C_DecryptFinal(
        hSession: CK_SESSION_HANDLE,
        pLastPart: *mut CK_BYTE,
        pulLastPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the buffer and its length.
        let output = unsafe { output(pLastPart, pulLastPartLen) };
        let reply = session::decrypt::finish(SessionHandle(hSession), output.room());
        output.deliver(reply)
    }
}
