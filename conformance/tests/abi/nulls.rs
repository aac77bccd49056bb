//! Null pointers where something must be: `CKR_ARGUMENTS_BAD`, and an operation that was running is over.

use std::ptr::null_mut;

use conformance::raw::{mechanism, token};
use cryptoki_sys::*;

use crate::harness::{aes, alone, answers, initialize, user};

alone! {
    of_the_library_and_its_slots(raw) {
        assert_eq!(initialize(raw), CKR_OK);
        let mut something = 0_u64;
        let reserved = std::ptr::from_mut(&mut something).cast();
        answers!(CKR_ARGUMENTS_BAD, raw, C_Finalize, reserved);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetInfo, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetSlotList, CK_TRUE, &raw mut something, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetSlotInfo, 0, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetTokenInfo, 0, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetMechanismList, 0, null_mut(), null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetMechanismInfo, 0, CKM_ECDSA, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_WaitForSlotEvent, CKF_DONT_BLOCK, null_mut(), null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_WaitForSlotEvent, CKF_DONT_BLOCK, &raw mut something, reserved);
        answers!(CKR_NO_EVENT, raw, C_WaitForSlotEvent, CKF_DONT_BLOCK, &raw mut something, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_OpenSession, 0, CKF_SERIAL_SESSION, null_mut(), None, null_mut());
        let mut pin = *b"so-pin";
        answers!(CKR_ARGUMENTS_BAD, raw, C_InitToken, 0, pin.as_mut_ptr(), 6, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_InitToken, 0, null_mut(), 6, [b' '; 32].as_mut_ptr());
    }

    of_sessions_and_pins(raw) {
        let session = user(raw);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetSessionInfo, session, null_mut());
        let mut pin = *b"user-pin-4567";
        answers!(CKR_ARGUMENTS_BAD, raw, C_SetPIN, session, null_mut(), 13, pin.as_mut_ptr(), 13);
        answers!(CKR_ARGUMENTS_BAD, raw, C_SetPIN, session, pin.as_mut_ptr(), 13, null_mut(), 13);
        answers!(CKR_OK, raw, C_Logout, session);
        answers!(CKR_ARGUMENTS_BAD, raw, C_Login, session, CKU_USER, null_mut(), 13);
        token::login(raw, session).expect("the PIN is what it was");
    }

    of_objects(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut handle, mut class) = (0, CKO_DATA.to_ne_bytes());
        let mut template = [
            CK_ATTRIBUTE { type_: CKA_CLASS, pValue: class.as_mut_ptr().cast(), ulValueLen: 8 },
            CK_ATTRIBUTE { type_: CKA_LABEL, pValue: null_mut(), ulValueLen: 5 },
        ];
        let list = template.as_mut_ptr();
        answers!(CKR_ARGUMENTS_BAD, raw, C_CreateObject, session, null_mut(), 1, &raw mut handle);
        answers!(CKR_ARGUMENTS_BAD, raw, C_CreateObject, session, list, 1, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_CreateObject, session, list, 2, &raw mut handle);
        answers!(CKR_ARGUMENTS_BAD, raw, C_CopyObject, session, key, null_mut(), 1, &raw mut handle);
        answers!(CKR_ARGUMENTS_BAD, raw, C_CopyObject, session, key, null_mut(), 0, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetObjectSize, session, key, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetAttributeValue, session, key, null_mut(), 1);
        answers!(CKR_ARGUMENTS_BAD, raw, C_SetAttributeValue, session, key, null_mut(), 1);
        answers!(CKR_ARGUMENTS_BAD, raw, C_FindObjectsInit, session, null_mut(), 1);
        assert_eq!(handle, 0);
        answers!(CKR_OK, raw, C_FindObjectsInit, session, null_mut(), 0);
        let mut count = 0;
        answers!(CKR_ARGUMENTS_BAD, raw, C_FindObjects, session, null_mut(), 1, &raw mut count);
        answers!(CKR_ARGUMENTS_BAD, raw, C_FindObjects, session, &raw mut handle, 1, null_mut());
        answers!(CKR_OK, raw, C_FindObjects, session, &raw mut handle, 1, &raw mut count);
        assert_eq!((count, handle), (1, key));
        answers!(CKR_OK, raw, C_FindObjectsFinal, session);
    }

    of_keys(raw) {
        let session = user(raw);
        let (mut key, mut other) = (0, 0);
        let mut aes = mechanism(CKM_AES_KEY_GEN);
        let mut ec = mechanism(CKM_EC_KEY_PAIR_GEN);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKey, session, null_mut(), null_mut(), 0, &raw mut key);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKey, session, &raw mut aes, null_mut(), 3, &raw mut key);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKey, session, &raw mut aes, null_mut(), 0, null_mut());
        let none = null_mut();
        let (k, o) = (&raw mut key, &raw mut other);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKeyPair, session, null_mut(), none, 0, none, 0, k, o);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKeyPair, session, &raw mut ec, none, 1, none, 0, k, o);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKeyPair, session, &raw mut ec, none, 0, none, 1, k, o);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKeyPair, session, &raw mut ec, none, 0, none, 0, null_mut(), o);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKeyPair, session, &raw mut ec, none, 0, none, 0, k, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_DeriveKey, session, null_mut(), 1, none, 0, k);
        assert_eq!((key, other), (0, 0));
        answers!(CKR_ARGUMENTS_BAD, raw, C_SeedRandom, session, null_mut(), 8);
        answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateRandom, session, null_mut(), 8);
        answers!(CKR_OK, raw, C_GenerateRandom, session, null_mut(), 0);
    }

    of_digests_end_the_operation(raw) {
        let session = user(raw);
        let (mut sha, mut len, mut room) = (mechanism(CKM_SHA256), 32, [0_u8; 32]);
        let out = room.as_mut_ptr();
        answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
        answers!(CKR_ARGUMENTS_BAD, raw, C_Digest, session, null_mut(), 1, out, &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Digest, session, null_mut(), 0, out, &raw mut len);
        answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
        answers!(CKR_ARGUMENTS_BAD, raw, C_Digest, session, null_mut(), 0, out, null_mut());
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Digest, session, null_mut(), 0, out, &raw mut len);
        answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
        answers!(CKR_ARGUMENTS_BAD, raw, C_DigestUpdate, session, null_mut(), 1);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DigestFinal, session, out, &raw mut len);
    }

    of_ciphers_end_the_operation(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut iv, mut len, mut room) = ([0_u8; 16], 64, [0_u8; 64]);
        let mut cbc = conformance::raw::mechanism_with(CKM_AES_CBC, &mut iv);
        let out = room.as_mut_ptr();
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
        answers!(CKR_ARGUMENTS_BAD, raw, C_Encrypt, session, null_mut(), 16, out, &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Encrypt, session, out, 16, out, &raw mut len);
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
        answers!(CKR_ARGUMENTS_BAD, raw, C_EncryptUpdate, session, null_mut(), 16, out, &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptFinal, session, out, &raw mut len);
        answers!(CKR_OK, raw, C_DecryptInit, session, &raw mut cbc, key);
        answers!(CKR_ARGUMENTS_BAD, raw, C_Decrypt, session, out, 16, out, null_mut());
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Decrypt, session, out, 16, out, &raw mut len);
    }

    of_a_mechanism_cancel_the_operation(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut iv, mut len, mut room) = ([0_u8; 16], 64, [0_u8; 64]);
        let mut cbc = conformance::raw::mechanism_with(CKM_AES_CBC, &mut iv);
        let mut sha = mechanism(CKM_SHA256);
        let out = room.as_mut_ptr();
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
        answers!(CKR_OK, raw, C_EncryptInit, session, null_mut(), key);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Encrypt, session, out, 16, out, &raw mut len);
        answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
        answers!(CKR_OK, raw, C_DigestInit, session, null_mut());
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Digest, session, out, 16, out, &raw mut len);
    }
}
