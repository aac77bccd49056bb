//! `C_SignRecoverInit`, `C_SignRecover`, `C_VerifyRecoverInit`, `C_VerifyRecover`.

use std::ptr::null_mut;

use conformance::raw::{Attributes, Raw, length, mechanism, token};
use conformance::{USER_PIN, call};
use cryptoki_sys::*;

use crate::harness::{alone, answers, answers_3_2, mac_key, user};

alone! {
    data_comes_back_out_of_its_signature(raw) {
        let session = user(raw);
        let (public, private) = pair(raw, session, false);
        let mut rsa = mechanism(CKM_RSA_PKCS);
        let (mut data, mut signature, mut len) = (*b"recover me", [0_u8; 256], 0);
        let at = signature.as_mut_ptr();
        answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, private);
        // A size query and too little room leave it alone.
        answers!(CKR_OK, raw, C_SignRecover, session, data.as_mut_ptr(), 10, null_mut(), &raw mut len);
        assert_eq!(len, 256);
        len = 255;
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_SignRecover, session, data.as_mut_ptr(), 10, at, &raw mut len);
        answers!(CKR_OK, raw, C_SignRecover, session, data.as_mut_ptr(), 10, at, &raw mut len);
        let none = null_mut();
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_SignRecover, session, none, 0, at, &raw mut len);

        let (mut back, mut len) = ([0_u8; 256], 9);
        answers!(CKR_OK, raw, C_VerifyRecoverInit, session, &raw mut rsa, public);
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_VerifyRecover, session, at, 256, back.as_mut_ptr(), &raw mut len);
        assert_eq!((len, back), (10, [0; 256]));
        answers!(CKR_OK, raw, C_VerifyRecover, session, at, 256, back.as_mut_ptr(), &raw mut len);
        assert_eq!(&back[..10], b"recover me");
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifyRecover, session, at, 256, none, &raw mut len);

        // It is the signature that C_Sign makes.
        let (mut other, mut len) = ([0_u8; 256], 256);
        answers!(CKR_OK, raw, C_SignInit, session, &raw mut rsa, private);
        answers!(CKR_OK, raw, C_Sign, session, data.as_mut_ptr(), 10, other.as_mut_ptr(), &raw mut len);
        assert_eq!(signature, other);
    }

    a_bad_signature_is_told_before_too_little_room(raw) {
        let session = user(raw);
        let (public, private) = pair(raw, session, false);
        let mut rsa = mechanism(CKM_RSA_PKCS);
        let mut signature = sign(raw, session, private, b"data");
        let (mut data, mut len) = ([0_u8; 4], 0);
        let to = data.as_mut_ptr();
        signature[200] ^= 1;
        let at = signature.as_mut_ptr();
        answers!(CKR_OK, raw, C_VerifyRecoverInit, session, &raw mut rsa, public);
        answers!(CKR_SIGNATURE_INVALID, raw, C_VerifyRecover, session, at, 256, to, &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifyRecover, session, at, 256, to, &raw mut len);
        answers!(CKR_OK, raw, C_VerifyRecoverInit, session, &raw mut rsa, public);
        answers!(CKR_SIGNATURE_LEN_RANGE, raw, C_VerifyRecover, session, at, 255, to, &raw mut len);
    }

    keys_and_mechanisms_that_cannot(raw) {
        let session = user(raw);
        let (public, private) = pair(raw, session, false);
        let (mut rsa, mut sha, mut len) = (mechanism(CKM_RSA_PKCS), mechanism(CKM_SHA256_RSA_PKCS), 0);
        answers!(CKR_MECHANISM_INVALID, raw, C_SignRecoverInit, session, &raw mut sha, private);
        answers!(CKR_MECHANISM_INVALID, raw, C_VerifyRecoverInit, session, &raw mut sha, public);
        answers!(CKR_KEY_TYPE_INCONSISTENT, raw, C_SignRecoverInit, session, &raw mut rsa, public);
        answers!(CKR_KEY_TYPE_INCONSISTENT, raw, C_VerifyRecoverInit, session, &raw mut rsa, private);
        let mac = mac_key(raw, session, false);
        answers!(CKR_KEY_TYPE_INCONSISTENT, raw, C_SignRecoverInit, session, &raw mut rsa, mac);
        answers!(CKR_KEY_HANDLE_INVALID, raw, C_SignRecoverInit, session, &raw mut rsa, 0);
        let pair = |attribute| {
            let public = rsa_public().flag(CKA_VERIFY_RECOVER, attribute == CKA_VERIFY_RECOVER);
            let private = Attributes::new()
                .flag(CKA_SIGN, true)
                .flag(CKA_SIGN_RECOVER, attribute == CKA_SIGN_RECOVER);
            token::generate_pair(raw, session, CKM_RSA_PKCS_KEY_PAIR_GEN, public, private).expect("a pair")
        };
        let (_, unfit) = pair(CKA_VERIFY_RECOVER);
        answers!(CKR_KEY_FUNCTION_NOT_PERMITTED, raw, C_SignRecoverInit, session, &raw mut rsa, unfit);
        let (unfit, _) = pair(CKA_SIGN_RECOVER);
        answers!(CKR_KEY_FUNCTION_NOT_PERMITTED, raw, C_VerifyRecoverInit, session, &raw mut rsa, unfit);
        // Active, cancelled by a null mechanism and by its flag.
        for _ in 0..2 {
            answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, private);
            answers!(CKR_OPERATION_ACTIVE, raw, C_SignRecoverInit, session, &raw mut rsa, private);
            answers!(CKR_OK, raw, C_SignRecoverInit, session, null_mut(), 0);
            answers!(CKR_OK, raw, C_VerifyRecoverInit, session, &raw mut rsa, public);
            answers!(CKR_OPERATION_ACTIVE, raw, C_VerifyRecoverInit, session, &raw mut rsa, public);
            answers_3_2!(CKR_OK, raw, C_SessionCancel, session, CKF_VERIFY_RECOVER | CKF_SIGN_RECOVER);
        }
        // A null where something must be ends it.
        answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, private);
        answers!(CKR_ARGUMENTS_BAD, raw, C_SignRecover, session, null_mut(), 4, null_mut(), &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_SignRecover, session, null_mut(), 0, null_mut(), &raw mut len);
    }

    each_use_of_some_keys_takes_a_login(raw) {
        let session = user(raw);
        let (_, private) = pair(raw, session, true);
        let mut rsa = mechanism(CKM_RSA_PKCS);
        let (mut data, mut signature, mut len) = (*b"data", [0_u8; 256], 256);
        let (from, to) = (data.as_mut_ptr(), signature.as_mut_ptr());
        answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, private);
        let rv = call!(raw, C_SignRecover, session, from, 4, to, &raw mut len);
        assert_eq!(rv, CKR_USER_NOT_LOGGED_IN);
        answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, private);
        let mut pin = USER_PIN.as_bytes().to_vec();
        answers!(CKR_OK, raw, C_Login, session, CKU_CONTEXT_SPECIFIC, pin.as_mut_ptr(), length(&pin));
        answers!(CKR_OK, raw, C_SignRecover, session, from, 4, to, &raw mut len);
        // A logout in the middle.
        answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, private);
        answers!(CKR_OK, raw, C_Logout, session);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_SignRecover, session, from, 4, to, &raw mut len);
    }
}

fn rsa_public() -> Attributes {
    Attributes::new().number(CKA_MODULUS_BITS, 2048).bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1]).flag(CKA_VERIFY, true)
}

fn pair(raw: &Raw, session: CK_SESSION_HANDLE, always: bool) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
    let private = Attributes::new()
        .flag(CKA_SIGN, true)
        .flag(CKA_SIGN_RECOVER, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_ALWAYS_AUTHENTICATE, always);
    let public = rsa_public().flag(CKA_VERIFY_RECOVER, true);
    token::generate_pair(raw, session, CKM_RSA_PKCS_KEY_PAIR_GEN, public, private)
        .unwrap_or_else(|failure| panic!("{failure}"))
}

fn sign(raw: &Raw, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, data: &[u8]) -> Vec<u8> {
    let (mut rsa, mut data, mut signature, mut len) = (mechanism(CKM_RSA_PKCS), data.to_vec(), vec![0; 256], 256);
    answers!(CKR_OK, raw, C_SignRecoverInit, session, &raw mut rsa, key);
    let at = data.as_mut_ptr();
    answers!(CKR_OK, raw, C_SignRecover, session, at, length(&data), signature.as_mut_ptr(), &raw mut len);
    signature
}
