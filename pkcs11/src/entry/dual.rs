//! Two operations at once (PKCS#11 v3.2, 5.17), and asynchronous ones.

use cryptoki_sys::{CK_ASYNC_DATA, CK_BYTE, CK_SESSION_HANDLE, CK_ULONG, CK_UTF8CHAR};
use session::call::SessionHandle;

use crate::boundary::entry_points;
use crate::memory::{input, output};

entry_points! {
    /// `C_DigestEncryptUpdate` (5.17.1).
    Session(hSession) => fn C_DigestEncryptUpdate(
        hSession: CK_SESSION_HANDLE,
        pPart: *mut CK_BYTE,
        ulPartLen: CK_ULONG,
        pEncryptedPart: *mut CK_BYTE,
        pulEncryptedPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pPart, ulPartLen), output(pEncryptedPart, pulEncryptedPartLen)) };
        let reply = session::dual::digest_encrypt(SessionHandle(hSession), part, output.room());
        output.deliver(reply)
    }

    /// `C_DecryptDigestUpdate` (5.17.2).
    Session(hSession) => fn C_DecryptDigestUpdate(
        hSession: CK_SESSION_HANDLE,
        pEncryptedPart: *mut CK_BYTE,
        ulEncryptedPartLen: CK_ULONG,
        pPart: *mut CK_BYTE,
        pulPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pEncryptedPart, ulEncryptedPartLen), output(pPart, pulPartLen)) };
        let reply = session::dual::decrypt_digest(SessionHandle(hSession), part, output.room());
        output.deliver(reply)
    }

    /// `C_SignEncryptUpdate` (5.17.3).
    Session(hSession) => fn C_SignEncryptUpdate(
        hSession: CK_SESSION_HANDLE,
        pPart: *mut CK_BYTE,
        ulPartLen: CK_ULONG,
        pEncryptedPart: *mut CK_BYTE,
        pulEncryptedPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pPart, ulPartLen), output(pEncryptedPart, pulEncryptedPartLen)) };
        let reply = session::dual::sign_encrypt(SessionHandle(hSession), part, output.room());
        output.deliver(reply)
    }

    /// `C_DecryptVerifyUpdate` (5.17.4).
    Session(hSession) => fn C_DecryptVerifyUpdate(
        hSession: CK_SESSION_HANDLE,
        pEncryptedPart: *mut CK_BYTE,
        ulEncryptedPartLen: CK_ULONG,
        pPart: *mut CK_BYTE,
        pulPartLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pEncryptedPart, ulEncryptedPartLen), output(pPart, pulPartLen)) };
        let reply = session::dual::decrypt_verify(SessionHandle(hSession), part, output.room());
        output.deliver(reply)
    }

    /// `C_AsyncComplete` (v3.2, "Asynchronous function management functions"): no session here is asynchronous.
    Session(hSession) => fn C_AsyncComplete(
        hSession: CK_SESSION_HANDLE,
        pFunctionName: *mut CK_UTF8CHAR,
        pResult: *mut CK_ASYNC_DATA,
    );

    /// `C_AsyncGetID` (v3.2, "Asynchronous function management functions"): no session here is asynchronous.
    Session(hSession) => fn C_AsyncGetID(
        hSession: CK_SESSION_HANDLE,
        pFunctionName: *mut CK_UTF8CHAR,
        pulID: *mut CK_ULONG,
    );

    /// `C_AsyncJoin` (v3.2, "Asynchronous function management functions"): no session here is asynchronous.
    Session(hSession) => fn C_AsyncJoin(
        hSession: CK_SESSION_HANDLE,
        pFunctionName: *mut CK_UTF8CHAR,
        ulID: CK_ULONG,
        pData: *mut CK_BYTE,
        ulData: CK_ULONG,
    );
}
