//! Message-based encryption, decryption, signing and verifying (PKCS#11 v3.2, 5.9, 5.11, 5.14, 5.16).

use cryptoki_sys::{
    CK_BYTE, CK_FLAGS, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG, CK_VOID_PTR, CKF_END_OF_MESSAGE,
};
use session::Code;
use session::call::{Argument, ObjectHandle, SessionHandle};
use session::message::{decrypt, encrypt, sign, verify};

use crate::boundary::entry_points;
use crate::memory::{Tag, input, mechanism_or_null, message_mechanism, message_parameter, no_parameter, output};

entry_points! {
    /// `C_MessageEncryptInit` (5.9.1): a null mechanism ends the process.
    Session(hSession) => fn C_MessageEncryptInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism.
        let mechanism = Ok(unsafe { message_mechanism(pMechanism) });
        encrypt::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_EncryptMessage` (5.9.2).
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
    ) {
        let shape = encrypt::shape(SessionHandle(hSession));
        // SAFETY: the standard's promise for each pointer and length pair, and for the structure and its pointers.
        let (parameter, aad, text, output) = unsafe {
            (
                message_parameter(shape, pParameter.cast(), ulParameterLen, Tag::Write),
                input(pAssociatedData, ulAssociatedDataLen),
                input(pPlaintext, ulPlaintextLen),
                output(pCiphertext, pulCiphertextLen),
            )
        };
        let answer = encrypt::whole(SessionHandle(hSession), parameter.params(), aad, text, output.room());
        parameter.deliver(output, answer)
    }

    /// `C_EncryptMessageBegin` (5.9.3).
    Session(hSession) => fn C_EncryptMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
    ) {
        let shape = encrypt::shape(SessionHandle(hSession));
        // SAFETY: the standard's promise for the pointer and length pair, and for the structure and its pointers.
        let (parameter, aad) = unsafe {
            (
                message_parameter(shape, pParameter.cast(), ulParameterLen, Tag::Later),
                input(pAssociatedData, ulAssociatedDataLen),
            )
        };
        let made = encrypt::begin(SessionHandle(hSession), parameter.params(), aad)?;
        parameter.put(made)
    }

    /// `C_EncryptMessageNext` (5.9.4).
    Session(hSession) => fn C_EncryptMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pPlaintextPart: *mut CK_BYTE,
        ulPlaintextPartLen: CK_ULONG,
        pCiphertextPart: *mut CK_BYTE,
        pulCiphertextPartLen: *mut CK_ULONG,
        flags: CK_FLAGS,
    ) {
        let (shape, last) = (encrypt::shape(SessionHandle(hSession)), end_of_message(flags));
        let tag = if matches!(last, Ok(true)) { Tag::Write } else { Tag::Later };
        // SAFETY: the standard's promise for each pointer and length pair, and for the structure and its pointers.
        let (parameter, part, output) = unsafe {
            (
                message_parameter(shape, pParameter.cast(), ulParameterLen, tag),
                input(pPlaintextPart, ulPlaintextPartLen),
                output(pCiphertextPart, pulCiphertextPartLen),
            )
        };
        let answer = encrypt::next(SessionHandle(hSession), parameter.params(), part, output.room(), last);
        parameter.deliver(output, answer)
    }

    /// `C_MessageEncryptFinal` (5.9.5).
    Session(hSession) => fn C_MessageEncryptFinal(hSession: CK_SESSION_HANDLE) {
        encrypt::finish(SessionHandle(hSession))
    }

    /// `C_MessageDecryptInit` (5.11.1): a null mechanism ends the process.
    Session(hSession) => fn C_MessageDecryptInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism.
        let mechanism = Ok(unsafe { message_mechanism(pMechanism) });
        decrypt::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_DecryptMessage` (5.11.2).
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
    ) {
        let shape = decrypt::shape(SessionHandle(hSession));
        // SAFETY: the standard's promise for each pointer and length pair, and for the structure and its pointers.
        let (parameter, aad, text, output) = unsafe {
            (
                message_parameter(shape, pParameter.cast(), ulParameterLen, Tag::Read),
                input(pAssociatedData, ulAssociatedDataLen),
                input(pCiphertext, ulCiphertextLen),
                output(pPlaintext, pulPlaintextLen),
            )
        };
        let answer = decrypt::whole(SessionHandle(hSession), parameter.params(), aad, text, output.room());
        parameter.deliver(output, answer)
    }

    /// `C_DecryptMessageBegin` (5.11.3).
    Session(hSession) => fn C_DecryptMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
    ) {
        let shape = decrypt::shape(SessionHandle(hSession));
        // SAFETY: the standard's promise for the pointer and length pair, and for the structure and its pointers.
        let (parameter, aad) = unsafe {
            (
                message_parameter(shape, pParameter.cast(), ulParameterLen, Tag::Later),
                input(pAssociatedData, ulAssociatedDataLen),
            )
        };
        let made = decrypt::begin(SessionHandle(hSession), parameter.params(), aad)?;
        parameter.put(made)
    }

    /// `C_DecryptMessageNext` (5.11.4).
    Session(hSession) => fn C_DecryptMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pCiphertextPart: *mut CK_BYTE,
        ulCiphertextPartLen: CK_ULONG,
        pPlaintextPart: *mut CK_BYTE,
        pulPlaintextPartLen: *mut CK_ULONG,
        flags: CK_FLAGS,
    ) {
        let (shape, last) = (decrypt::shape(SessionHandle(hSession)), end_of_message(flags));
        let tag = if matches!(last, Ok(true)) { Tag::Read } else { Tag::Later };
        // SAFETY: the standard's promise for each pointer and length pair, and for the structure and its pointers.
        let (parameter, part, output) = unsafe {
            (
                message_parameter(shape, pParameter.cast(), ulParameterLen, tag),
                input(pCiphertextPart, ulCiphertextPartLen),
                output(pPlaintextPart, pulPlaintextPartLen),
            )
        };
        let answer = decrypt::next(SessionHandle(hSession), parameter.params(), part, output.room(), last);
        parameter.deliver(output, answer)
    }

    /// `C_MessageDecryptFinal` (5.11.5).
    Session(hSession) => fn C_MessageDecryptFinal(hSession: CK_SESSION_HANDLE) {
        decrypt::finish(SessionHandle(hSession))
    }

    /// `C_MessageSignInit` (5.14.1): a null mechanism ends the process.
    Session(hSession) => fn C_MessageSignInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        sign::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_SignMessage` (5.14.2).
    Session(hSession) => fn C_SignMessage(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, output) = unsafe { (input(pData, ulDataLen), output(pSignature, pulSignatureLen)) };
        let params = no_parameter(pParameter, ulParameterLen);
        let reply = sign::whole(SessionHandle(hSession), params, data, output.room());
        output.deliver(reply)
    }

    /// `C_SignMessageBegin` (5.14.3).
    Session(hSession) => fn C_SignMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
    ) {
        sign::begin(SessionHandle(hSession), no_parameter(pParameter, ulParameterLen))
    }

    /// `C_SignMessageNext` (5.14.4): a null `pulSignatureLen` says that there is more to come.
    Session(hSession) => fn C_SignMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pDataPart: *mut CK_BYTE,
        ulDataPartLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        pulSignatureLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, output) = unsafe { (input(pDataPart, ulDataPartLen), output(pSignature, pulSignatureLen)) };
        let params = no_parameter(pParameter, ulParameterLen);
        let room = (!pulSignatureLen.is_null()).then(|| output.room());
        match sign::next(SessionHandle(hSession), params, part, room)? {
            Some(reply) => output.deliver(Ok(reply)),
            None => Ok(()),
        }
    }

    /// `C_MessageSignFinal` (5.14.5).
    Session(hSession) => fn C_MessageSignFinal(hSession: CK_SESSION_HANDLE) {
        sign::finish(SessionHandle(hSession))
    }

    /// `C_MessageVerifyInit` (5.16.1): a null mechanism ends the process.
    Session(hSession) => fn C_MessageVerifyInit(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hKey: CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism and what its parameter points at.
        let mechanism = unsafe { mechanism_or_null(pMechanism) };
        verify::init(SessionHandle(hSession), mechanism, ObjectHandle(hKey))
    }

    /// `C_VerifyMessage` (5.16.2).
    Session(hSession) => fn C_VerifyMessage(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pData: *mut CK_BYTE,
        ulDataLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (data, signature) = unsafe { (input(pData, ulDataLen), input(pSignature, ulSignatureLen)) };
        verify::whole(SessionHandle(hSession), no_parameter(pParameter, ulParameterLen), data, signature)
    }

    /// `C_VerifyMessageBegin` (5.16.3).
    Session(hSession) => fn C_VerifyMessageBegin(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
    ) {
        verify::begin(SessionHandle(hSession), no_parameter(pParameter, ulParameterLen))
    }

    /// `C_VerifyMessageNext` (5.16.4): a null `pSignature` says that there is more to come.
    Session(hSession) => fn C_VerifyMessageNext(
        hSession: CK_SESSION_HANDLE,
        pParameter: CK_VOID_PTR,
        ulParameterLen: CK_ULONG,
        pDataPart: *mut CK_BYTE,
        ulDataPartLen: CK_ULONG,
        pSignature: *mut CK_BYTE,
        ulSignatureLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair.
        let (part, signature) = unsafe { (input(pDataPart, ulDataPartLen), input(pSignature, ulSignatureLen)) };
        let signature = (!pSignature.is_null()).then_some(signature);
        verify::next(SessionHandle(hSession), no_parameter(pParameter, ulParameterLen), part, signature)
    }

    /// `C_MessageVerifyFinal` (5.16.5).
    Session(hSession) => fn C_MessageVerifyFinal(hSession: CK_SESSION_HANDLE) {
        verify::finish(SessionHandle(hSession))
    }
}

/// Whether this is the last part of a message; `CKR_ARGUMENTS_BAD` for flags that do not exist.
fn end_of_message(flags: CK_FLAGS) -> Argument<bool> {
    match flags {
        0 => Ok(false),
        CKF_END_OF_MESSAGE => Ok(true),
        other => Err(Code::ArgumentsBad.because(format_args!("flags {other:#x}"))),
    }
}
