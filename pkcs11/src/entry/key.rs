//! Key management (PKCS#11 v3.2, 5.18).

use cryptoki_sys::{CK_ATTRIBUTE, CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{mechanism, place, template};

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
    );

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
    );

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

    /// `C_EncapsulateKey` (new in v3.2).
    Session(hSession) => fn C_EncapsulateKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hPublicKey: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        pCiphertext: *mut CK_BYTE,
        pulCiphertextLen: *mut CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    );

    /// `C_DecapsulateKey` (new in v3.2).
    Session(hSession) => fn C_DecapsulateKey(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hPrivateKey: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulAttributeCount: CK_ULONG,
        pCiphertext: *mut CK_BYTE,
        ulCiphertextLen: CK_ULONG,
        phKey: *mut CK_OBJECT_HANDLE,
    );

    /// `C_WrapKeyAuthenticated` (new in v3.2).
    Session(hSession) => fn C_WrapKeyAuthenticated(
        hSession: CK_SESSION_HANDLE,
        pMechanism: *mut CK_MECHANISM,
        hWrappingKey: CK_OBJECT_HANDLE,
        hKey: CK_OBJECT_HANDLE,
        pAssociatedData: *mut CK_BYTE,
        ulAssociatedDataLen: CK_ULONG,
        pWrappedKey: *mut CK_BYTE,
        pulWrappedKeyLen: *mut CK_ULONG,
    );

    /// `C_UnwrapKeyAuthenticated` (new in v3.2).
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
    );
}
