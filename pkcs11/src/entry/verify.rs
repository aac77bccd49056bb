//! Verifying signatures and MACs (PKCS#11 v3.2, 5.15).

use cryptoki_sys::{CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{input, mechanism_or_null, output};

entry_points! {
    /// `C_VerifyInit` (5.15.1): a null mechanism cancels.
    Session(hSession) => fn C_VerifyInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        session::verify::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_Verify` (5.15.2).
    Session(hSession) => fn C_Verify(
        hSession: CK_SESSION_HANDLE,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, signature) = unsafe { (input(pData, ulDataLen), input(pSignature, ulSignatureLen)) };
        session::verify::verify(SessionHandle(hSession), data, signature)
    }

    /// `C_VerifyUpdate` (5.15.3).
    Session(hSession) => fn C_VerifyUpdate(hSession: CK_SESSION_HANDLE, pPart: *mut CK_BYTE, ulPartLen: CK_ULONG) {
        // SAFETY: the standard's promise for the part and its length.
        session::verify::update(SessionHandle(hSession), unsafe { input(pPart, ulPartLen) })
    }

    /// `C_VerifyFinal` (5.15.4).
    Session(hSession) => fn C_VerifyFinal(
        hSession: CK_SESSION_HANDLE,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the signature and its length.
        session::verify::finish(SessionHandle(hSession), unsafe { input(pSignature, ulSignatureLen) })
    }

    /// `C_VerifyRecoverInit` (5.15.5): a null mechanism cancels.
    Session(hSession) => fn C_VerifyRecoverInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        session::verify::recover_init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_VerifyRecover` (5.15.6).
    Session(hSession) => fn C_VerifyRecover(
        hSession: CK_SESSION_HANDLE,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
        pData: *mut CK_BYTE,
        pulDataLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (signature, output) = unsafe { (input(pSignature, ulSignatureLen), output(pData, pulDataLen)) };
        let reply = session::verify::recover(SessionHandle(hSession), signature, output.room());
        output.deliver(reply)
    }

    /// `C_VerifySignatureInit` (5.15.7): a null mechanism cancels.
    Session(hSession) => fn C_VerifySignatureInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at, and for the signature.
        let (mechanism, signature) = unsafe { (mechanism_or_null(pMechanism), input(pSignature, ulSignatureLen)) };
        session::verify::signature_init(SessionHandle(hSession), mechanism, ObjectHandle(hKey), signature)
    }

    /// `C_VerifySignature` (5.15.8).
    Session(hSession) => fn C_VerifySignature(hSession: CK_SESSION_HANDLE, pData: *mut CK_BYTE, ulDataLen: CK_ULONG) {
        // SAFETY: the standard's promise for the data and its length.
        session::verify::signature(SessionHandle(hSession), unsafe { input(pData, ulDataLen) })
    }

    /// `C_VerifySignatureUpdate` (5.15.9).
    Session(hSession) => fn C_VerifySignatureUpdate(
        hSession: CK_SESSION_HANDLE,
        pPart: *mut CK_BYTE,
        ulPartLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the part and its length.
        session::verify::signature_update(SessionHandle(hSession), unsafe { input(pPart, ulPartLen) })
    }

    /// `C_VerifySignatureFinal` (5.15.10).
    Session(hSession) => fn C_VerifySignatureFinal(hSession: CK_SESSION_HANDLE) {
        session::verify::signature_finish(SessionHandle(hSession))
    }
}
