//! Encryption (PKCS#11 v3.2, 5.8).

use cryptoki_sys::{CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{deliver_encrypted, input, mechanism_or_null, output, place_of_iv};

entry_points! {
    /// `C_EncryptInit` (5.8.1): a null mechanism cancels.
    Session(hSession) => fn C_EncryptInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at; CKA_AZIHSM_DEVICE_IV asks that
        // the IV's buffer outlives the operation.
        let (mechanism, iv) = unsafe { (mechanism_or_null(pMechanism), place_of_iv(pMechanism)) };
        session::encrypt::init_with_iv(SessionHandle(hSession), mechanism, ObjectHandle(hKey), iv)
    }

    /// `C_Encrypt` (5.8.2).
    Session(hSession) => fn C_Encrypt(
        hSession: CK_SESSION_HANDLE,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pEncryptedData: *mut CK_BYTE,
        pulEncryptedDataLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, output) = unsafe { (input(pData, ulDataLen), output(pEncryptedData, pulEncryptedDataLen)) };
        let encrypted = session::encrypt::encrypt(SessionHandle(hSession), data, output.room());
        deliver_encrypted(output, encrypted)
    }

    /// `C_EncryptUpdate` (5.8.3).
    Session(hSession) => fn C_EncryptUpdate(
        hSession: CK_SESSION_HANDLE,
        pPart: *mut CK_BYTE,
        ulPartLen: CK_ULONG,
        pEncryptedPart: *mut CK_BYTE,
        pulEncryptedPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pPart, ulPartLen), output(pEncryptedPart, pulEncryptedPartLen)) };
        let reply = session::encrypt::update(SessionHandle(hSession), part, output.room());
        output.deliver(reply)
    }

    /// `C_EncryptFinal` (5.8.4).
    Session(hSession) => fn C_EncryptFinal(
        hSession: CK_SESSION_HANDLE,
        pLastEncryptedPart: *mut CK_BYTE,
        pulLastEncryptedPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the buffer and its length.
        let output = unsafe { output(pLastEncryptedPart, pulLastEncryptedPartLen) };
        let encrypted = session::encrypt::finish(SessionHandle(hSession), output.room());
        deliver_encrypted(output, encrypted)
    }
}
