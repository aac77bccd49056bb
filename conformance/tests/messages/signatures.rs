//! Messages that are signed and verified.

use std::ptr::null_mut;

use conformance::raw::token::{self, OID_P256};
use conformance::raw::{Attributes, length, mechanism};
use conformance::{USER_PIN, call, call_3_2};
use cryptoki_sys::*;

use crate::{Bench, in_both_policies, text};

in_both_policies! {
    whole_and_in_parts(bench) {
        let (public, private) = pair(bench, Attributes::new());
        let (raw, session) = (&bench.raw, bench.session);
        let text = text(3000);
        assert_eq!(sign_init(bench, private), CKR_OK);
        assert_eq!(sign_init(bench, private), CKR_OPERATION_ACTIVE);
        let signatures = [whole(bench, &text).expect("a signature"), parts(bench, &text).expect("a signature")];
        assert_ne!(signatures[0], signatures[1], "ECDSA is random");
        assert_eq!(call_3_2!(raw, C_MessageSignFinal, session), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageSignFinal, session), CKR_OPERATION_NOT_INITIALIZED);

        assert_eq!(verify_init(bench, public), CKR_OK);
        for mut signature in signatures {
            assert_eq!(verify(bench, &text, &mut signature), CKR_OK);
            assert_eq!(verify_parts(bench, &text, &mut signature), CKR_OK);
            signature[40] ^= 1;
            assert_eq!(verify(bench, &text, &mut signature), CKR_SIGNATURE_INVALID);
            assert_eq!(verify_parts(bench, &text, &mut signature), CKR_SIGNATURE_INVALID);
            assert_eq!(verify(bench, &text, &mut signature[..63]), CKR_SIGNATURE_LEN_RANGE);
            signature[40] ^= 1;
            // C_Verify, the other way to do it, agrees.
            let mut kind = mechanism(CKM_ECDSA_SHA256);
            assert_eq!(call!(raw, C_VerifyInit, session, &raw mut kind, public), CKR_OK);
            let (at, len) = (text.as_ptr().cast_mut(), length(&text));
            assert_eq!(call!(raw, C_Verify, session, at, len, signature.as_mut_ptr(), 64), CKR_OK);
        }
        assert_eq!(call_3_2!(raw, C_MessageVerifyFinal, session), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageVerifyFinal, session), CKR_OPERATION_NOT_INITIALIZED);
    }

    refusals_end_no_more_than_a_message(bench) {
        let (public, private) = pair(bench, Attributes::new());
        let (raw, session, null) = (&bench.raw, bench.session, null_mut());
        let (mut data, mut out, mut len) = (*b"data", [0_u8; 64], 64);
        let (data, place) = (data.as_mut_ptr(), out.as_mut_ptr());
        assert_eq!(call_3_2!(raw, C_SignMessageBegin, session, null, 0), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(sign_init(bench, public), CKR_KEY_TYPE_INCONSISTENT);
        assert_eq!(sign_init(bench, private), CKR_OK);
        let some = data.cast();
        assert_eq!(call_3_2!(raw, C_SignMessage, session, some, 4, data, 4, place, &raw mut len), CKR_MECHANISM_PARAM_INVALID);
        assert_eq!(call_3_2!(raw, C_SignMessage, session, null, 0, null_mut(), 4, place, &raw mut len), CKR_ARGUMENTS_BAD);
        assert_eq!(call_3_2!(raw, C_SignMessage, session, null, 0, data, 4, place, null_mut()), CKR_ARGUMENTS_BAD);
        len = 63;
        assert_eq!(call_3_2!(raw, C_SignMessage, session, null, 0, data, 4, place, &raw mut len), CKR_BUFFER_TOO_SMALL);
        assert_eq!(len, 64);
        let next = |len: *mut CK_ULONG| call_3_2!(raw, C_SignMessageNext, session, null, 0, data, 4, place, len);
        assert_eq!(next(null_mut()), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(call_3_2!(raw, C_SignMessageBegin, session, null, 0), CKR_OK);
        assert_eq!(call_3_2!(raw, C_SignMessageBegin, session, null, 0), CKR_OPERATION_ACTIVE);
        assert_eq!(call_3_2!(raw, C_MessageSignFinal, session), CKR_OPERATION_ACTIVE);
        assert!(matches!(whole(bench, b"data"), Err(CKR_OPERATION_ACTIVE)));
        assert_eq!(next(null_mut()), CKR_OK);
        let rv = call_3_2!(raw, C_SignMessageNext, session, null, 0, null_mut(), 4, place, null_mut());
        assert_eq!(rv, CKR_ARGUMENTS_BAD, "ends the message");
        assert_eq!(next(null_mut()), CKR_OPERATION_NOT_INITIALIZED);
        whole(bench, b"data").expect("the process goes on");

        assert_eq!(verify_init(bench, private), CKR_KEY_TYPE_INCONSISTENT);
        assert_eq!(verify_init(bench, public), CKR_OK);
        let rv = call_3_2!(raw, C_VerifyMessage, session, null, 0, data, 4, null_mut(), 64);
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
        assert_eq!(call_3_2!(raw, C_VerifyMessageBegin, session, null, 0), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageVerifyFinal, session), CKR_OPERATION_ACTIVE);
        assert_eq!(call_3_2!(raw, C_SessionCancel, session, CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageVerifyFinal, session), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(call_3_2!(raw, C_MessageSignFinal, session), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(sign_init(bench, private), CKR_OK);
        assert_eq!(verify_init(bench, public), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageSignInit, session, null_mut(), 0), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageVerifyInit, session, null_mut(), 0), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageSignFinal, session), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(call_3_2!(raw, C_MessageVerifyFinal, session), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(sign_init(bench, private), CKR_OK);
        assert_eq!(call!(raw, C_Logout, session), CKR_OK);
        assert_eq!(call_3_2!(raw, C_MessageSignFinal, session), CKR_OPERATION_NOT_INITIALIZED);
    }

    /// "The user has to supply the PIN for each use" (4.10).
    each_message_asks_for_the_pin(bench) {
        let (_, private) = pair(bench, Attributes::new().flag(CKA_ALWAYS_AUTHENTICATE, true));
        assert_eq!(sign_init(bench, private), CKR_OK);
        assert!(matches!(whole(bench, b"one"), Err(CKR_USER_NOT_LOGGED_IN)));
        for _ in 0..2 {
            let mut pin = USER_PIN.as_bytes().to_vec();
            let rv = call!(bench.raw, C_Login, bench.session, CKU_CONTEXT_SPECIFIC, pin.as_mut_ptr(), length(&pin));
            assert_eq!(rv, CKR_OK);
            whole(bench, b"two").expect("a signature");
            assert!(matches!(whole(bench, b"three"), Err(CKR_USER_NOT_LOGGED_IN)));
            let rv = call_3_2!(bench.raw, C_SignMessageBegin, bench.session, null_mut(), 0);
            assert_eq!(rv, CKR_USER_NOT_LOGGED_IN);
        }
    }
}

fn pair(bench: &Bench, private: Attributes) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
    let public = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256).flag(CKA_VERIFY, true);
    let private = private.flag(CKA_SIGN, true).flag(CKA_PRIVATE, true);
    token::generate_pair(&bench.raw, bench.session, CKM_EC_KEY_PAIR_GEN, public, private).expect("a pair")
}

fn sign_init(bench: &Bench, key: CK_OBJECT_HANDLE) -> CK_RV {
    call_3_2!(bench.raw, C_MessageSignInit, bench.session, &mut mechanism(CKM_ECDSA_SHA256), key)
}

fn verify_init(bench: &Bench, key: CK_OBJECT_HANDLE) -> CK_RV {
    call_3_2!(bench.raw, C_MessageVerifyInit, bench.session, &mut mechanism(CKM_ECDSA_SHA256), key)
}

/// `C_SignMessage`, after a size query.
fn whole(bench: &Bench, text: &[u8]) -> Result<Vec<u8>, CK_RV> {
    let (at, text_len, mut len) = (text.as_ptr().cast_mut(), length(text), 0);
    let sign = |out: *mut u8, len: &mut CK_ULONG| {
        call_3_2!(bench.raw, C_SignMessage, bench.session, null_mut(), 0, at, text_len, out, len)
    };
    match sign(null_mut(), &mut len) {
        CKR_OK => {}
        rv => return Err(rv),
    }
    let mut out = vec![0; usize::try_from(len).expect("a length")];
    crate::filled(sign(out.as_mut_ptr(), &mut len), out, len)
}

/// `C_SignMessageBegin` and `C_SignMessageNext`; the length is asked for with the last part.
fn parts(bench: &Bench, text: &[u8]) -> Result<Vec<u8>, CK_RV> {
    let (raw, session) = (&bench.raw, bench.session);
    assert_eq!(call_3_2!(raw, C_SignMessageBegin, session, null_mut(), 0), CKR_OK);
    let next = |part: &[u8], out: *mut u8, len: *mut CK_ULONG| {
        let (at, part_len) = (part.as_ptr().cast_mut(), length(part));
        call_3_2!(raw, C_SignMessageNext, session, null_mut(), 0, at, part_len, out, len)
    };
    let (head, tail) = text.split_at(text.len() / 2);
    for part in head.chunks(300) {
        assert_eq!(next(part, null_mut(), null_mut()), CKR_OK);
    }
    let mut len = 0;
    assert_eq!((next(tail, null_mut(), &raw mut len), len), (CKR_OK, 64));
    let mut out = vec![0; 64];
    let rv = next(tail, out.as_mut_ptr(), &raw mut len);
    crate::filled(rv, out, len)
}

fn verify(bench: &Bench, text: &[u8], signature: &mut [u8]) -> CK_RV {
    let (at, len, place, place_len) =
        (text.as_ptr().cast_mut(), length(text), signature.as_mut_ptr(), length(signature));
    call_3_2!(bench.raw, C_VerifyMessage, bench.session, null_mut(), 0, at, len, place, place_len)
}

fn verify_parts(bench: &Bench, text: &[u8], signature: &mut [u8]) -> CK_RV {
    let (raw, session) = (&bench.raw, bench.session);
    assert_eq!(call_3_2!(raw, C_VerifyMessageBegin, session, null_mut(), 0), CKR_OK);
    for part in text.chunks(700) {
        let (at, len) = (part.as_ptr().cast_mut(), length(part));
        assert_eq!(call_3_2!(raw, C_VerifyMessageNext, session, null_mut(), 0, at, len, null_mut(), 0), CKR_OK);
    }
    let (place, len) = (signature.as_mut_ptr(), length(signature));
    call_3_2!(raw, C_VerifyMessageNext, session, null_mut(), 0, null_mut(), 0, place, len)
}
