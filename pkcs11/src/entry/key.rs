//! Key management (PKCS#11 v3.2, 5.18).

use cryptoki_sys::{CK_ATTRIBUTE, CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{Tag, input, mechanism, message_wrapping, output, place, template, unwrapping, wrapping};

entry_points! {
    /// `C_GenerateKey` (5.18.1).
    Session(hSession) => fn C_GenerateKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        pTemplate: *mut CK_ATTRIBUTE,
        ulCount: CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism, the template and its count, and `phKey`.
        let (mechanism, template, place) =
            unsafe { (mechanism(pMechanism), template(pTemplate, ulCount), place(phKey)?) };
        place.put(session::key::generate(SessionHandle(hSession), mechanism, template)?.0);
        Ok(())
    }

    /// `C_GenerateKeyPair` (5.18.2).
    Session(hSession) => fn C_GenerateKeyPair(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        pPublicKeyTemplate: *mut CK_ATTRIBUTE,
        ulPublicKeyAttributeCount: CK_ULONG,
        pPrivateKeyTemplate: *mut CK_ATTRIBUTE,
        ulPrivateKeyAttributeCount: CK_ULONG,
        phPublicKey: *mut CK_OBJECT_HANDLE,
        phPrivateKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism, and for each template and its count.
        let (mechanism, public, private) = unsafe {
            (
                mechanism(pMechanism),
                template(pPublicKeyTemplate, ulPublicKeyAttributeCount),
                template(pPrivateKeyTemplate, ulPrivateKeyAttributeCount),
            )
        };
        // SAFETY: the standard's promise for both handles.
        let (public_place, private_place) = unsafe { (place(phPublicKey)?, place(phPrivateKey)?) };
        let (public, private) = session::key::generate_pair(SessionHandle(hSession), mechanism, public, private)?;
        public_place.put(public.0);
        private_place.put(private.0);
        Ok(())
    }

    /// `C_WrapKey` (5.18.3).
    Session(hSession) => fn C_WrapKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hWrappingKey: CK_OBJECT_HANDLE,
        hKey: CK_OBJECT_HANDLE,
        pWrappedKey: *mut CK_BYTE,
        pulWrappedKeyLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the mechanism and what it points at, and for the buffer and its length.
        let ((wrapping, parameter), output) = unsafe { (wrapping(pMechanism), output(pWrappedKey, pulWrappedKeyLen)) };
        let (by, key) = (ObjectHandle(hWrappingKey), ObjectHandle(hKey));
        let answer = session::key::wrap(SessionHandle(hSession), wrapping, by, key, output.room());
        parameter.deliver(output, answer)
    }

    /// `C_UnwrapKey` (5.18.4).
    Session(hSession) => fn C_UnwrapKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hUnwrappingKey: CK_OBJECT_HANDLE,
        pWrappedKey: *mut CK_BYTE,
        ulWrappedKeyLen: CK_ULONG,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair, the mechanism, and `phKey`.
        let (mechanism, wrapped, template, place) = unsafe {
            (
                unwrapping(pMechanism),
                input(pWrappedKey, ulWrappedKeyLen),
                template(pTemplate, ulAttributeCount),
                place(phKey)?,
            )
        };
        let (session, by) = (SessionHandle(hSession), ObjectHandle(hUnwrappingKey));
        place.put(session::key::unwrap(session, mechanism, by, wrapped, template)?.0);
        Ok(())
    }

    /// `C_DeriveKey` (5.18.5).
    Session(hSession) => fn C_DeriveKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hBaseKey: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism, the template and its count, and `phKey`.
        let (mechanism, template, place) =
            unsafe { (mechanism(pMechanism), template(pTemplate, ulAttributeCount), place(phKey)?) };
        place.put(session::key::derive(SessionHandle(hSession), mechanism, ObjectHandle(hBaseKey), template)?.0);
        Ok(())
    }

    /// `C_EncapsulateKey` (5.18.8).
    Session(hSession) => fn C_EncapsulateKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hPublicKey: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        pCiphertext: *mut CK_BYTE,
        pulCiphertextLen: *mut CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism, the template, the buffer and its length, and `phKey`.
        let (mechanism, template, output, place) = unsafe {
            (
                mechanism(pMechanism),
                template(pTemplate, ulAttributeCount),
                output(pCiphertext, pulCiphertextLen),
                place(phKey)?,
            )
        };
        let (session, public) = (SessionHandle(hSession), ObjectHandle(hPublicKey));
        let (reply, key) = session::key::encapsulate(session, mechanism, public, template, output.room())?;
        output.deliver(Ok(reply))?;
        if let Some(key) = key {
            place.put(key.0);
        }
        Ok(())
    }

    /// `C_DecapsulateKey` (5.18.9).
    Session(hSession) => fn C_DecapsulateKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hPrivateKey: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        pCiphertext: *mut CK_BYTE,
        ulCiphertextLen: CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the mechanism, the template, the ciphertext, and `phKey`.
        let (mechanism, template, ciphertext, place) = unsafe {
            (
                mechanism(pMechanism),
                template(pTemplate, ulAttributeCount),
                input(pCiphertext, ulCiphertextLen),
                place(phKey)?,
            )
        };
        let (session, private) = (SessionHandle(hSession), ObjectHandle(hPrivateKey));
        place.put(session::key::decapsulate(session, mechanism, private, template, ciphertext)?.0);
        Ok(())
    }

    /// `C_WrapKeyAuthenticated` (5.18.6).
    Session(hSession) => fn C_WrapKeyAuthenticated(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hWrappingKey: CK_OBJECT_HANDLE,
        hKey: CK_OBJECT_HANDLE,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
        pWrappedKey: *mut CK_BYTE,
        pulWrappedKeyLen: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair, the mechanism and what it points at.
        let ((kind, parameter), aad, output) = unsafe {
            (
                message_wrapping(pMechanism, Tag::Write),
                input(pAssociatedData, ulAssociatedDataLen),
                output(pWrappedKey, pulWrappedKeyLen),
            )
        };
        let (session, by, key) = (SessionHandle(hSession), ObjectHandle(hWrappingKey), ObjectHandle(hKey));
        let answer =
            session::key::wrap_authenticated(session, kind, parameter.params(), by, key, aad, output.room());
        parameter.deliver(output, answer)
    }

    /// `C_UnwrapKeyAuthenticated` (5.18.7).
    Session(hSession) => fn C_UnwrapKeyAuthenticated(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hUnwrappingKey: CK_OBJECT_HANDLE,
        pWrappedKey: *mut CK_BYTE,
        ulWrappedKeyLen: CK_ULONG,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for each pointer and length pair, the mechanism, and `phKey`.
        let ((kind, parameter), wrapped, template, aad, place) = unsafe {
            (
                message_wrapping(pMechanism, Tag::Read),
                input(pWrappedKey, ulWrappedKeyLen),
                template(pTemplate, ulAttributeCount),
                input(pAssociatedData, ulAssociatedDataLen),
                place(phKey)?,
            )
        };
        let (session, by, params) = (SessionHandle(hSession), ObjectHandle(hUnwrappingKey), parameter.params());
        place.put(session::key::unwrap_authenticated(session, kind, params, by, wrapped, template, aad)?.0);
        Ok(())
    }
}
