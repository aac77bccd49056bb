//! `C_VerifySignatureInit` to `C_VerifySignatureFinal`; `C_GetSessionValidationFlags`; `C_LoginUser`; sessions that are to
//! be asynchronous.

use std::ptr::null_mut;

use conformance::raw::{length, mechanism, token};
use conformance::{SO_PIN, USER_PIN};
use cryptoki_sys::*;

use crate::harness::{alone, answers, answers_3_2, initialize, mac_key, user};

alone! {
    a_signature_that_is_given_first(raw) {
        let session = user(raw);
        for extractable in [false, true] {
            let key = mac_key(raw, session, extractable);
            let mut hmac = mechanism(CKM_SHA256_HMAC);
            let (mut data, mut tag, mut len) = (*b"in two parts", [0_u8; 32], 32);
            let (at, signature) = (data.as_mut_ptr(), tag.as_mut_ptr());
            answers!(CKR_OK, raw, C_SignInit, session, &raw mut hmac, key);
            answers!(CKR_OK, raw, C_Sign, session, at, 12, signature, &raw mut len);
            let mut init = |tag| answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, &raw mut hmac, key, tag, 32);
            init(signature);
            answers_3_2!(CKR_OK, raw, C_VerifySignature, session, at, 12);
            init(signature);
            answers_3_2!(CKR_OK, raw, C_VerifySignatureUpdate, session, at, 5);
            answers_3_2!(CKR_OK, raw, C_VerifySignatureUpdate, session, data[5..].as_mut_ptr(), 7);
            answers_3_2!(CKR_OK, raw, C_VerifySignatureFinal, session);
            init(signature);
            answers_3_2!(CKR_SIGNATURE_INVALID, raw, C_VerifySignature, session, at, 11);
            init(signature);
            answers_3_2!(CKR_SIGNATURE_INVALID, raw, C_VerifySignatureFinal, session);
            answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 31);
            answers_3_2!(CKR_SIGNATURE_LEN_RANGE, raw, C_VerifySignature, session, at, 12);
        }
    }

    it_is_a_verification_of_which_there_is_one(raw) {
        let session = user(raw);
        let key = mac_key(raw, session, false);
        let mut hmac = mechanism(CKM_SHA256_HMAC);
        let (mut data, mut tag) = ([1_u8; 4], [0_u8; 32]);
        let (at, signature) = (data.as_mut_ptr(), tag.as_mut_ptr());
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifySignature, session, at, 4);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifySignatureUpdate, session, at, 4);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifySignatureFinal, session);
        answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 32);
        answers!(CKR_OPERATION_ACTIVE, raw, C_VerifyInit, session, &raw mut hmac, key);
        answers_3_2!(CKR_OPERATION_ACTIVE, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 32);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Verify, session, at, 4, signature, 32);
        answers_3_2!(CKR_OK, raw, C_SessionCancel, session, CKF_VERIFY);
        answers!(CKR_OK, raw, C_VerifyInit, session, &raw mut hmac, key);
        answers_3_2!(CKR_OPERATION_ACTIVE, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 32);
        answers!(CKR_OK, raw, C_VerifyInit, session, null_mut(), 0);
        // Cancelled by a null mechanism; bad arguments start nothing.
        answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 32);
        answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, null_mut(), 0, null_mut(), 0);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_VerifySignatureInit, session, &raw mut hmac, key, null_mut(), 32);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifySignatureFinal, session);
        // After an update, only the final call ends it well.
        answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 32);
        answers_3_2!(CKR_OK, raw, C_VerifySignatureUpdate, session, at, 4);
        let rv = conformance::call_3_2!(raw, C_VerifySignature, session, at, 4);
        assert_eq!(rv, CKR_OPERATION_ACTIVE);
        // And a logout ends it.
        answers_3_2!(CKR_OK, raw, C_VerifySignatureInit, session, &raw mut hmac, key, signature, 32);
        answers!(CKR_OK, raw, C_Logout, session);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifySignatureFinal, session);
    }

    no_validation_is_claimed(raw) {
        let session = user(raw);
        let mut flags = 7;
        let kind = CKS_LAST_VALIDATION_OK;
        answers_3_2!(CKR_OK, raw, C_GetSessionValidationFlags, session, kind, &raw mut flags);
        assert_eq!(flags, 0);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_GetSessionValidationFlags, session, kind, null_mut());
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_GetSessionValidationFlags, session, 99, &raw mut flags);
        answers_3_2!(CKR_SESSION_HANDLE_INVALID, raw, C_GetSessionValidationFlags, 0, kind, &raw mut flags);
    }

    users_have_no_names(raw) {
        let session = user(raw);
        answers!(CKR_OK, raw, C_Logout, session);
        let (mut pin, mut name) = (USER_PIN.as_bytes().to_vec(), *b"alice");
        let (at, len) = (pin.as_mut_ptr(), length(&pin));
        let named = name.as_mut_ptr();
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_LoginUser, session, CKU_USER, at, len, named, 5);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_LoginUser, session, CKU_USER, at, len, null_mut(), 5);
        answers_3_2!(CKR_PIN_INCORRECT, raw, C_LoginUser, session, CKU_USER, at, len - 1, null_mut(), 0);
        answers_3_2!(CKR_OK, raw, C_LoginUser, session, CKU_USER, at, len, named, 0);
        answers_3_2!(CKR_USER_ALREADY_LOGGED_IN, raw, C_LoginUser, session, CKU_USER, at, len, null_mut(), 0);
        answers!(CKR_OK, raw, C_Logout, session);
        let mut pin = SO_PIN.as_bytes().to_vec();
        answers_3_2!(CKR_OK, raw, C_LoginUser, session, CKU_SO, pin.as_mut_ptr(), length(&pin), null_mut(), 0);
    }

    nothing_is_asynchronous(raw) {
        assert_eq!(initialize(raw), CKR_OK);
        token::make_token(raw).expect("a token");
        let slot = token::token_slot(raw).expect("a slot");
        let (mut session, mut id) = (0, 0);
        let flags = CKF_SERIAL_SESSION | CKF_ASYNC_SESSION;
        answers!(CKR_SESSION_ASYNC_NOT_SUPPORTED, raw, C_OpenSession, slot, flags, null_mut(), None, &raw mut session);
        let session = token::open(raw, slot).expect("a session");
        let mut name = *b"C_Sign\0";
        let at = name.as_mut_ptr();
        answers_3_2!(CKR_FUNCTION_NOT_SUPPORTED, raw, C_AsyncGetID, session, at, &raw mut id);
        answers_3_2!(CKR_FUNCTION_NOT_SUPPORTED, raw, C_AsyncComplete, session, at, null_mut());
        answers_3_2!(CKR_FUNCTION_NOT_SUPPORTED, raw, C_AsyncJoin, session, at, 1, null_mut(), 0);
        let mut info = CK_TOKEN_INFO::default();
        answers!(CKR_OK, raw, C_GetTokenInfo, slot, &raw mut info);
        assert_eq!(info.flags & CKF_ASYNC_SESSION_SUPPORTED, 0);
        assert_ne!(info.flags & CKF_DUAL_CRYPTO_OPERATIONS, 0);
    }
}
