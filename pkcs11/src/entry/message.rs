//! Message-based encryption, decryption, signing and verifying (PKCS#11 v3.2, 5.9, 5.11, 5.14, 5.16).

use cryptoki_sys::{CK_BYTE, CK_FLAGS, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG, CK_VOID_PTR};

use crate::boundary::entry_points;

entry_points! {
    /// `C_MessageEncryptInit`.
    Session(hSession) => fn C_MessageEncryptInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    );

    /// `C_EncryptMessage`.
    Session(hSession) => fn C_EncryptMessage(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
        pPlaintext: *mut CK_BYTE,
        ulPlaintextLen: CK_ULONG,
        pCiphertext: *mut CK_BYTE,
        pulCiphertextLen: *mut CK_ULONG,
    );

    /// `C_EncryptMessageBegin`.
    Session(hSession) => fn C_EncryptMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
    );

    /// `C_EncryptMessageNext`.
    Session(hSession) => fn C_EncryptMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pPlaintextPart: *mut CK_BYTE,
        ulPlaintextPartLen: CK_ULONG,
        pCiphertextPart: *mut CK_BYTE,
        pulCiphertextPartLen: *mut CK_ULONG,
        flags: CK_FLAGS,
    );

    /// `C_MessageEncryptFinal`.
    Session(hSession) => fn C_MessageEncryptFinal(hSession: CK_SESSION_HANDLE);

    /// `C_MessageDecryptInit`.
    Session(hSession) => fn C_MessageDecryptInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    );

    /// `C_DecryptMessage`.
    Session(hSession) => fn C_DecryptMessage(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
        pCiphertext: *mut CK_BYTE,
        ulCiphertextLen: CK_ULONG,
        pPlaintext: *mut CK_BYTE,
        pulPlaintextLen: *mut CK_ULONG,
    );

    /// `C_DecryptMessageBegin`.
    Session(hSession) => fn C_DecryptMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
    );

    /// `C_DecryptMessageNext`.
    Session(hSession) => fn C_DecryptMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pCiphertextPart: *mut CK_BYTE,
        ulCiphertextPartLen: CK_ULONG,
        pPlaintextPart: *mut CK_BYTE,
        pulPlaintextPartLen: *mut CK_ULONG,
        flags: CK_FLAGS,
    );

    /// `C_MessageDecryptFinal`.
    Session(hSession) => fn C_MessageDecryptFinal(hSession: CK_SESSION_HANDLE);

    /// `C_MessageSignInit`.
    Session(hSession) => fn C_MessageSignInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    );

    /// `C_SignMessage`.
    Session(hSession) => fn C_SignMessage(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    );

    /// `C_SignMessageBegin`.
    Session(hSession) => fn C_SignMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
    );

    /// `C_SignMessageNext`.
    Session(hSession) => fn C_SignMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pDataPart: *mut CK_BYTE,
        ulDataPartLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    );

    /// `C_MessageSignFinal`.
    Session(hSession) => fn C_MessageSignFinal(hSession: CK_SESSION_HANDLE);

    /// `C_MessageVerifyInit`.
    Session(hSession) => fn C_MessageVerifyInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    );

    /// `C_VerifyMessage`.
    Session(hSession) => fn C_VerifyMessage(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    );

    /// `C_VerifyMessageBegin`.
    Session(hSession) => fn C_VerifyMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
    );

    /// `C_VerifyMessageNext`.
    Session(hSession) => fn C_VerifyMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pDataPart: *mut CK_BYTE,
        ulDataPartLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    );

    /// `C_MessageVerifyFinal`.
    Session(hSession) => fn C_MessageVerifyFinal(hSession: CK_SESSION_HANDLE);
}
