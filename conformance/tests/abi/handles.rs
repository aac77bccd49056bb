//! Handles of what is gone, of what never was, and of something else.

use std::ptr::null_mut;

use conformance::raw::{mechanism, mechanism_with, token};
use cryptoki_sys::*;

use crate::harness::{aes, again_user, alone, answers, initialize, user};

/// What no session and no object ever had as a handle here.
const NEVER: [CK_ULONG; 4] = [0, 0x7fff_ffff, CK_ULONG::MAX, CK_ULONG::MAX / 2];

alone! {
    sessions_that_never_were(raw) {
        user(raw);
        let (mut len, mut byte, mut sha) = (8, [0_u8; 8], mechanism(CKM_SHA256));
        let data = byte.as_mut_ptr();
        for session in NEVER {
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_CloseSession, session);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_GetSessionInfo, session, &mut CK_SESSION_INFO::default());
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Login, session, CKU_USER, data, 8);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Logout, session);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_InitPIN, session, data, 8);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_SetPIN, session, data, 8, data, 8);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_FindObjectsInit, session, null_mut(), 0);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_FindObjects, session, &raw mut len, 1, &raw mut len);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_FindObjectsFinal, session);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_DigestInit, session, &raw mut sha);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Digest, session, data, 8, data, &raw mut len);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Sign, session, data, 8, data, &raw mut len);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Verify, session, data, 8, data, 8);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Encrypt, session, data, 8, data, &raw mut len);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_Decrypt, session, data, 8, data, &raw mut len);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_DestroyObject, session, 1);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_GetObjectSize, session, 1, &raw mut len);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_GenerateRandom, session, data, 8);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_SeedRandom, session, data, 8);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_GetFunctionStatus, session);
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_CancelFunction, session);
        }
    }

    sessions_that_are_closed(raw) {
        let first = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        let second = token::open(raw, slot).expect("a session");
        answers!(CKR_FUNCTION_NOT_PARALLEL, raw, C_GetFunctionStatus, second);
        answers!(CKR_FUNCTION_NOT_PARALLEL, raw, C_CancelFunction, second);
        answers!(CKR_OK, raw, C_CloseSession, second);
        answers!(CKR_SESSION_HANDLE_INVALID, raw, C_CloseSession, second);
        answers!(CKR_OK, raw, C_CloseAllSessions, slot);
        answers!(CKR_SESSION_HANDLE_INVALID, raw, C_CloseSession, first);
        let third = token::open(raw, slot).expect("a session");
        assert!(![first, second].contains(&third), "a handle is not used again at once");
        answers!(CKR_USER_NOT_LOGGED_IN, raw, C_Logout, third);
    }

    objects_that_are_gone_or_never_were(raw) {
        let session = user(raw);
        let gone = aes(raw, session);
        answers!(CKR_OK, raw, C_DestroyObject, session, gone);
        let (mut size, mut iv, mut new) = (0, [0_u8; 16], 0);
        let mut cbc = mechanism_with(CKM_AES_CBC, &mut iv);
        let mut ecdsa = mechanism(CKM_ECDSA);
        for object in NEVER.into_iter().chain([gone]) {
            answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_DestroyObject, session, object);
            answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_GetObjectSize, session, object, &raw mut size);
            answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_GetAttributeValue, session, object, null_mut(), 0);
            answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_SetAttributeValue, session, object, null_mut(), 0);
            answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_CopyObject, session, object, null_mut(), 0, &raw mut new);
            answers!(CKR_KEY_HANDLE_INVALID, raw, C_EncryptInit, session, &raw mut cbc, object);
            answers!(CKR_KEY_HANDLE_INVALID, raw, C_DecryptInit, session, &raw mut cbc, object);
            answers!(CKR_KEY_HANDLE_INVALID, raw, C_SignInit, session, &raw mut ecdsa, object);
            answers!(CKR_KEY_HANDLE_INVALID, raw, C_VerifyInit, session, &raw mut ecdsa, object);
        }
        assert_eq!(new, 0);
    }

    a_session_object_ends_with_its_session(raw) {
        let session = user(raw);
        let other = token::open(raw, token::token_slot(raw).expect("a slot")).expect("a session");
        let key = aes(raw, other);
        let mut size = 0;
        answers!(CKR_OK, raw, C_GetObjectSize, session, key, &raw mut size);
        assert!((32..4096).contains(&size), "{size} bytes for an AES key and its attributes");
        answers!(CKR_OK, raw, C_CloseSession, other);
        answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_GetObjectSize, session, key, &raw mut size);
    }

    handles_end_with_the_library(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        answers!(CKR_OK, raw, C_Finalize, null_mut());
        assert_eq!(initialize(raw), CKR_OK);
        answers!(CKR_SESSION_HANDLE_INVALID, raw, C_CloseSession, session);
        let session = again_user(raw).expect("the token is still there");
        let mut size = 0;
        answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_GetObjectSize, session, key, &raw mut size);
    }

    slots_that_never_were(raw) {
        assert_eq!(initialize(raw), CKR_OK);
        let (mut count, mut session) = (0, 0);
        for slot in [1000, CK_ULONG::MAX] {
            answers!(CKR_SLOT_ID_INVALID, raw, C_GetSlotInfo, slot, &mut CK_SLOT_INFO::default());
            answers!(CKR_SLOT_ID_INVALID, raw, C_GetTokenInfo, slot, &mut CK_TOKEN_INFO::default());
            answers!(CKR_SLOT_ID_INVALID, raw, C_GetMechanismList, slot, null_mut(), &raw mut count);
            let flags = CKF_SERIAL_SESSION;
            answers!(CKR_SLOT_ID_INVALID, raw, C_OpenSession, slot, flags, null_mut(), None, &raw mut session);
            answers!(CKR_SLOT_ID_INVALID, raw, C_CloseAllSessions, slot);
        }
        answers!(CKR_SESSION_PARALLEL_NOT_SUPPORTED, raw, C_OpenSession, 0, 0, null_mut(), None, &raw mut session);
        assert_eq!(session, 0);
    }
}
