//! `C_GetOperationState`, `C_SetOperationState`, and `C_DigestKey`, whose keys decide what may be saved.

use std::ptr::null_mut;

use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with, token};
use cryptoki_sys::*;

use crate::harness::{aes, alone, answers, answers_3_2, create, mac_key, user};

alone! {
    /// The example of the standard (5.6.7), for every digest, with each number of bytes in the last block.
    a_digest_goes_on_from_where_it_was_saved(raw) {
        let session = user(raw);
        for kind in [CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512, CKM_SHA3_256, CKM_SHA3_512] {
            for len in [0, 1, 63, 64, 65, 127, 128, 200] {
                let (first, second) = (vec![1_u8; len], *b"second");
                begin(raw, session, kind);
                update(raw, session, &first);
                let mut state = save(raw, session);
                update(raw, session, b"is forgotten");
                answers!(CKR_OK, raw, C_SetOperationState, session, state.as_mut_ptr(), length(&state), 0, 0);
                update(raw, session, &second);
                let spliced = finish(raw, session);
                begin(raw, session, kind);
                update(raw, session, &[&first[..], &second].concat());
                assert_eq!(spliced, finish(raw, session), "{kind:#x} {len}");
            }
        }
    }

    a_state_moves_to_another_session_any_number_of_times(raw) {
        let session = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        begin(raw, session, CKM_SHA256);
        update(raw, session, b"first ");
        let mut state = save(raw, session);
        let mut digests = Vec::new();
        for _ in 0..3 {
            let other = token::open(raw, slot).expect("a session");
            answers!(CKR_OK, raw, C_SetOperationState, other, state.as_mut_ptr(), length(&state), 0, 0);
            // What it replaces is cancelled, so there is nothing to begin anew.
            let mut sha1 = mechanism(CKM_SHA_1);
            answers!(CKR_OPERATION_ACTIVE, raw, C_DigestInit, other, &raw mut sha1);
            update(raw, other, b"second");
            digests.push(finish(raw, other));
            answers!(CKR_OK, raw, C_CloseSession, other);
        }
        update(raw, session, b"second");
        assert!(digests.iter().all(|digest| *digest == digests[0]));
        assert_eq!(finish(raw, session), digests[0]);
    }

    two_threads_take_up_one_state(raw) {
        let session = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        begin(raw, session, CKM_SHA512);
        update(raw, session, b"first ");
        let state = save(raw, session);
        update(raw, session, b"second");
        let expected = finish(raw, session);
        let take_up = || {
            let own = token::open(raw, slot).expect("a session");
            for _ in 0..50 {
                let mut state = state.clone();
                answers!(CKR_OK, raw, C_SetOperationState, own, state.as_mut_ptr(), length(&state), 0, 0);
                let mut again = save(raw, own);
                answers!(CKR_OK, raw, C_SetOperationState, own, again.as_mut_ptr(), length(&again), 0, 0);
                update(raw, own, b"second");
                assert_eq!(finish(raw, own), expected);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(take_up);
            scope.spawn(take_up);
        });
    }

    an_hsm_hmac_goes_on_with_its_key_given_again(raw) {
        let session = user(raw);
        let (key, other) = (mac_key(raw, session, false), mac_key(raw, session, false));
        for (kind, len) in [(CKM_SHA256_HMAC, 0), (CKM_SHA256_HMAC_GENERAL, 8_u64)] {
            let mut len = len;
            let mut hmac = if len == 0 { mechanism(kind) } else { mechanism_with(kind, &mut len) };
            answers!(CKR_OK, raw, C_SignInit, session, &raw mut hmac, key);
            let mut part = *b"first ";
            answers!(CKR_OK, raw, C_SignUpdate, session, part.as_mut_ptr(), 6);
            let mut state = save(raw, session);
            let (at, size) = (state.as_mut_ptr(), length(&state));
            answers!(CKR_KEY_NEEDED, raw, C_SetOperationState, session, at, size, 0, 0);
            answers!(CKR_KEY_CHANGED, raw, C_SetOperationState, session, at, size, 0, other);
            answers!(CKR_KEY_NOT_NEEDED, raw, C_SetOperationState, session, at, size, key, key);
            // Whatever was refused, the operation went on.
            let tag = finish_hmac(raw, session, b"second");
            answers!(CKR_OK, raw, C_SetOperationState, session, at, size, 0, key);
            answers!(CKR_OPERATION_ACTIVE, raw, C_SignInit, session, &raw mut hmac, key);
            assert_eq!(finish_hmac(raw, session, b"second"), tag);
            // A verification likewise.
            answers!(CKR_OK, raw, C_VerifyInit, session, &raw mut hmac, key);
            answers!(CKR_OK, raw, C_VerifyUpdate, session, part.as_mut_ptr(), 6);
            let mut state = save(raw, session);
            answers!(CKR_OK, raw, C_VerifyInit, session, null_mut(), 0);
            answers!(CKR_OK, raw, C_SetOperationState, session, state.as_mut_ptr(), length(&state), 0, key);
            let (mut rest, mut tag) = (*b"second", tag);
            answers!(CKR_OK, raw, C_VerifyUpdate, session, rest.as_mut_ptr(), 6);
            answers!(CKR_OK, raw, C_VerifyFinal, session, tag.as_mut_ptr(), length(&tag));
        }
    }

    what_cannot_be_saved_says_so(raw) {
        let session = user(raw);
        let mut len = 0;
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_GetOperationState, session, null_mut(), &raw mut len);
        // AWS-LC does not give out the state of an HMAC.
        let sealed = mac_key(raw, session, true);
        let mut hmac = mechanism(CKM_SHA256_HMAC);
        answers!(CKR_OK, raw, C_SignInit, session, &raw mut hmac, sealed);
        answers!(CKR_STATE_UNSAVEABLE, raw, C_GetOperationState, session, null_mut(), &raw mut len);
        answers_3_2!(CKR_OK, raw, C_SessionCancel, session, CKF_SIGN);
        let (mut iv, key) = ([0_u8; 16], aes(raw, session));
        let mut cbc = mechanism_with(CKM_AES_CBC, &mut iv);
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
        begin(raw, session, CKM_SHA256);
        // Both or nothing.
        answers!(CKR_STATE_UNSAVEABLE, raw, C_GetOperationState, session, null_mut(), &raw mut len);
        answers!(CKR_OK, raw, C_EncryptInit, session, null_mut(), 0);
        answers!(CKR_OK, raw, C_GetOperationState, session, null_mut(), &raw mut len);
    }

    too_little_room_and_nulls_leave_the_operation_alone(raw) {
        let session = user(raw);
        begin(raw, session, CKM_SHA256);
        let (mut state, mut len) = ([0_u8; 512], 0);
        answers!(CKR_OK, raw, C_GetOperationState, session, null_mut(), &raw mut len);
        let wanted = len;
        len -= 1;
        let at = state.as_mut_ptr();
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_GetOperationState, session, at, &raw mut len);
        assert_eq!((len, state), (wanted, [0; 512]));
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetOperationState, session, at, null_mut());
        answers!(CKR_ARGUMENTS_BAD, raw, C_SetOperationState, session, null_mut(), 10, 0, 0);
        answers!(CKR_OK, raw, C_GetOperationState, session, at, &raw mut len);
        assert_eq!(len, wanted);
        update(raw, session, b"abc");
        finish(raw, session);
    }

    a_forged_or_foreign_state_is_invalid(raw) {
        let session = user(raw);
        begin(raw, session, CKM_SHA256);
        update(raw, session, b"first");
        let state = save(raw, session);
        let set = |session, mut state: Vec<u8>| conformance::call!(
            raw, C_SetOperationState, session, state.as_mut_ptr(), length(&state), 0, 0
        );
        for at in 0..state.len() {
            let mut forged = state.clone();
            forged[at] ^= 0x80;
            assert_eq!(set(session, forged), CKR_SAVED_STATE_INVALID, "byte {at}");
            assert_eq!(set(session, state[..at].to_vec()), CKR_SAVED_STATE_INVALID, "{at} bytes");
        }
        assert_eq!(set(session, [&state[..], &[0]].concat()), CKR_SAVED_STATE_INVALID);
        // It names the key of a digest, which has none.
        let (mut copy, key) = (state.clone(), aes(raw, session));
        let at = copy.as_mut_ptr();
        answers!(CKR_KEY_NOT_NEEDED, raw, C_SetOperationState, session, at, length(&copy), key, 0);
        answers!(CKR_KEY_NOT_NEEDED, raw, C_SetOperationState, session, at, length(&copy), 0, key);
        // Another state of the session (5.6.7).
        answers!(CKR_OK, raw, C_Logout, session);
        assert_eq!(set(session, state.clone()), CKR_SAVED_STATE_INVALID);
        token::login(raw, session).expect("the PIN is right");
        assert_eq!(set(session, state.clone()), CKR_OK);
        // Another life of the library.
        answers!(CKR_OK, raw, C_Finalize, null_mut());
        assert_eq!(crate::harness::initialize(raw), CKR_OK);
        let session = crate::harness::again_user(raw).expect("a login");
        assert_eq!(set(session, state), CKR_SAVED_STATE_INVALID);
    }

    a_secret_key_is_digested(raw) {
        let session = user(raw);
        let value = *b"sixteen byte key";
        for sensitive in [false, true] {
            let key = secret(raw, session, &value, sensitive, true);
            begin(raw, session, CKM_SHA256);
            update(raw, session, b"before");
            answers!(CKR_OK, raw, C_DigestKey, session, key);
            update(raw, session, b"after");
            let mut len = 0;
            if sensitive {
                answers!(CKR_STATE_UNSAVEABLE, raw, C_GetOperationState, session, null_mut(), &raw mut len);
            } else {
                answers!(CKR_OK, raw, C_GetOperationState, session, null_mut(), &raw mut len);
            }
            let digest = finish(raw, session);
            begin(raw, session, CKM_SHA256);
            update(raw, session, &[&b"before"[..], &value, b"after"].concat());
            assert_eq!(digest, finish(raw, session));
        }
    }

    a_key_that_cannot_be_digested_leaves_the_digest_as_it_was(raw) {
        let session = user(raw);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DigestKey, session, 1);
        begin(raw, session, CKM_SHA256);
        answers!(CKR_KEY_HANDLE_INVALID, raw, C_DigestKey, session, 0);
        answers!(CKR_KEY_INDIGESTIBLE, raw, C_DigestKey, session, aes(raw, session));
        let (public, private) = pair(raw, session);
        answers!(CKR_KEY_INDIGESTIBLE, raw, C_DigestKey, session, public);
        answers!(CKR_KEY_INDIGESTIBLE, raw, C_DigestKey, session, private);
        // Whoever has the digest of a short key can search for the key.
        let short = secret(raw, session, b"thirteen byte", true, true);
        answers!(CKR_KEY_SIZE_RANGE, raw, C_DigestKey, session, short);
        let open = secret(raw, session, b"thirteen byte", false, true);
        answers!(CKR_OK, raw, C_DigestKey, session, open);
        let digest = finish(raw, session);
        begin(raw, session, CKM_SHA256);
        update(raw, session, b"thirteen byte");
        assert_eq!(digest, finish(raw, session));
    }

    a_digest_of_a_private_key_ends_with_the_login(raw) {
        let session = user(raw);
        let key = secret(raw, session, b"sixteen byte key", true, true);
        begin(raw, session, CKM_SHA256);
        answers!(CKR_OK, raw, C_DigestKey, session, key);
        answers!(CKR_OK, raw, C_Logout, session);
        let (mut value, mut len) = ([0_u8; 32], 32);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DigestFinal, session, value.as_mut_ptr(), &raw mut len);
    }
}

fn begin(raw: &Raw, session: CK_SESSION_HANDLE, kind: CK_MECHANISM_TYPE) {
    let mut mechanism = mechanism(kind);
    answers!(CKR_OK, raw, C_DigestInit, session, &raw mut mechanism);
}

fn update(raw: &Raw, session: CK_SESSION_HANDLE, part: &[u8]) {
    let mut part = part.to_vec();
    answers!(CKR_OK, raw, C_DigestUpdate, session, part.as_mut_ptr(), length(&part));
}

fn finish(raw: &Raw, session: CK_SESSION_HANDLE) -> Vec<u8> {
    let (mut value, mut len) = (vec![0_u8; 64], 64);
    answers!(CKR_OK, raw, C_DigestFinal, session, value.as_mut_ptr(), &raw mut len);
    value.truncate(usize::try_from(len).expect("short"));
    value
}

fn finish_hmac(raw: &Raw, session: CK_SESSION_HANDLE, part: &[u8]) -> Vec<u8> {
    let (mut part, mut value, mut len) = (part.to_vec(), vec![0_u8; 64], 64);
    answers!(CKR_OK, raw, C_SignUpdate, session, part.as_mut_ptr(), length(&part));
    answers!(CKR_OK, raw, C_SignFinal, session, value.as_mut_ptr(), &raw mut len);
    value.truncate(usize::try_from(len).expect("short"));
    value
}

fn save(raw: &Raw, session: CK_SESSION_HANDLE) -> Vec<u8> {
    let (mut state, mut len) = (vec![0_u8; 4096], 4096);
    answers!(CKR_OK, raw, C_GetOperationState, session, state.as_mut_ptr(), &raw mut len);
    state.truncate(usize::try_from(len).expect("short"));
    state
}

/// An imported generic secret.
fn secret(raw: &Raw, session: CK_SESSION_HANDLE, value: &[u8], sensitive: bool, extractable: bool) -> CK_OBJECT_HANDLE {
    let template = Attributes::new()
        .number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .flag(CKA_SENSITIVE, sensitive)
        .flag(CKA_EXTRACTABLE, extractable)
        .bytes(CKA_VALUE, value)
        .flag(CKA_SIGN, true);
    create(raw, session, template)
}

fn pair(raw: &Raw, session: CK_SESSION_HANDLE) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
    let public = Attributes::new().bytes(CKA_EC_PARAMS, token::OID_P256);
    token::generate_pair(raw, session, CKM_EC_KEY_PAIR_GEN, public, Attributes::new().flag(CKA_SIGN, true))
        .unwrap_or_else(|failure| panic!("{failure}"))
}
