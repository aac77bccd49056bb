//! `C_DigestEncryptUpdate`, `C_DecryptDigestUpdate`, `C_SignEncryptUpdate`, `C_DecryptVerifyUpdate`: both operations
//! advance, or neither.

use std::ptr::null_mut;

use conformance::raw::{Raw, mechanism, mechanism_with};
use cryptoki_sys::*;

use crate::harness::{aes, alone, answers, mac_key, user};

alone! {
    digest_and_encrypt_and_back(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let mut plain = *b"sixteen bytes ansixteen bytes bn";
        cbc(raw, session, key, true);
        digest(raw, session);
        let mut encrypted = [0_u8; 32];
        for (from, to) in [(0, 16), (16, 32)] {
            let (part, mut len) = (plain[from..to].as_mut_ptr(), 16);
            answers!(CKR_OK, raw, C_DigestEncryptUpdate, session, part, 16, encrypted[from..].as_mut_ptr(), &raw mut len);
            assert_eq!(len, 16);
        }
        let whole = finish_digest(raw, session);
        end(raw, session, true);
        assert_eq!(whole, digest_of(raw, session, &plain));
        assert_ne!(encrypted, plain);

        cbc(raw, session, key, false);
        digest(raw, session);
        let (mut back, mut len) = ([0_u8; 32], 32);
        let from = encrypted.as_mut_ptr();
        answers!(CKR_OK, raw, C_DecryptDigestUpdate, session, from, 32, back.as_mut_ptr(), &raw mut len);
        assert_eq!((len, back), (32, plain));
        assert_eq!(finish_digest(raw, session), whole);
        end(raw, session, false);
    }

    sign_and_encrypt_and_back(raw) {
        let session = user(raw);
        let (key, mac) = (aes(raw, session), mac_key(raw, session, false));
        let mut hmac = mechanism(CKM_SHA256_HMAC);
        let mut plain = [7_u8; 48];
        cbc(raw, session, key, true);
        answers!(CKR_OK, raw, C_SignInit, session, &raw mut hmac, mac);
        let (mut encrypted, mut len) = ([0_u8; 48], 48);
        let (from, to) = (plain.as_mut_ptr(), encrypted.as_mut_ptr());
        answers!(CKR_OK, raw, C_SignEncryptUpdate, session, from, 48, to, &raw mut len);
        let (mut tag, mut tag_len) = ([0_u8; 32], 32);
        answers!(CKR_OK, raw, C_SignFinal, session, tag.as_mut_ptr(), &raw mut tag_len);
        end(raw, session, true);

        // In place, for input and output may be the same memory.
        cbc(raw, session, key, false);
        answers!(CKR_OK, raw, C_VerifyInit, session, &raw mut hmac, mac);
        answers!(CKR_OK, raw, C_DecryptVerifyUpdate, session, to, 48, to, &raw mut len);
        assert_eq!(encrypted, plain);
        answers!(CKR_OK, raw, C_VerifyFinal, session, tag.as_mut_ptr(), 32);
        end(raw, session, false);
    }

    a_size_query_or_too_little_room_advances_neither(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let mut plain = [9_u8; 32];
        let from = plain.as_mut_ptr();
        cbc(raw, session, key, true);
        digest(raw, session);
        let (mut out, mut len) = ([0_u8; 32], 0);
        answers!(CKR_OK, raw, C_DigestEncryptUpdate, session, from, 32, null_mut(), &raw mut len);
        assert_eq!(len, 32);
        len = 31;
        let to = out.as_mut_ptr();
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_DigestEncryptUpdate, session, from, 32, to, &raw mut len);
        assert_eq!((len, out), (32, [0; 32]));
        answers!(CKR_OK, raw, C_DigestEncryptUpdate, session, from, 32, to, &raw mut len);
        assert_eq!(finish_digest(raw, session), digest_of(raw, session, &plain));
        end(raw, session, true);
    }

    both_must_be_active(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut data, mut len) = ([1_u8; 16], 16);
        let at = data.as_mut_ptr();
        let neither = |raw: &Raw, len| {
            answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DigestEncryptUpdate, session, at, 16, at, len);
            answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DecryptDigestUpdate, session, at, 16, at, len);
            answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_SignEncryptUpdate, session, at, 16, at, len);
            answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DecryptVerifyUpdate, session, at, 16, at, len);
        };
        neither(raw, &raw mut len);
        cbc(raw, session, key, true);
        neither(raw, &raw mut len);
        // The one that is there is as it was: it may still be used in one part.
        answers!(CKR_OK, raw, C_Encrypt, session, at, 16, at, &raw mut len);
        digest(raw, session);
        neither(raw, &raw mut len);
        let (mut value, mut value_len) = ([0_u8; 32], 32);
        answers!(CKR_OK, raw, C_Digest, session, at, 16, value.as_mut_ptr(), &raw mut value_len);
    }

    an_update_makes_both_multi_part(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut data, mut len) = ([1_u8; 16], 16);
        let at = data.as_mut_ptr();
        cbc(raw, session, key, true);
        digest(raw, session);
        answers!(CKR_OK, raw, C_DigestEncryptUpdate, session, at, 16, at, &raw mut len);
        answers!(CKR_OPERATION_ACTIVE, raw, C_Encrypt, session, at, 16, at, &raw mut len);
        let (mut value, mut value_len) = ([0_u8; 32], 32);
        answers!(CKR_OPERATION_ACTIVE, raw, C_Digest, session, at, 16, value.as_mut_ptr(), &raw mut value_len);
    }

    a_part_that_the_mac_refuses_ends_both(raw) {
        let session = user(raw);
        let (key, mac) = (aes(raw, session), mac_key(raw, session, false));
        let mut hmac = mechanism(CKM_SHA256_HMAC);
        // More than the HSM takes.
        let (mut data, mut len) = ([1_u8; 2048], 2048);
        let at = data.as_mut_ptr();
        cbc(raw, session, key, true);
        answers!(CKR_OK, raw, C_SignInit, session, &raw mut hmac, mac);
        answers!(CKR_DATA_LEN_RANGE, raw, C_SignEncryptUpdate, session, at, 2048, at, &raw mut len);
        assert_eq!(data, [1; 2048], "nothing is given out");
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptFinal, session, at, &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_SignFinal, session, at, &raw mut len);
    }

    null_pointers_end_the_cipher(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut data, mut len) = ([1_u8; 16], 16);
        let at = data.as_mut_ptr();
        cbc(raw, session, key, true);
        digest(raw, session);
        answers!(CKR_ARGUMENTS_BAD, raw, C_DigestEncryptUpdate, session, null_mut(), 16, at, &raw mut len);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptUpdate, session, at, 16, at, &raw mut len);
        // "No plaintext is passed to the active digest operation."
        assert_eq!(finish_digest(raw, session), digest_of(raw, session, &[]));
    }

    a_logout_ends_the_half_that_has_the_key(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut data, mut len) = ([1_u8; 16], 16);
        let at = data.as_mut_ptr();
        cbc(raw, session, key, true);
        digest(raw, session);
        answers!(CKR_OK, raw, C_DigestEncryptUpdate, session, at, 16, at, &raw mut len);
        answers!(CKR_OK, raw, C_Logout, session);
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DigestEncryptUpdate, session, at, 16, at, &raw mut len);
        assert_eq!(finish_digest(raw, session), digest_of(raw, session, &[1; 16]));
    }
}

fn cbc(raw: &Raw, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, encrypt: bool) {
    let mut iv = [3_u8; 16];
    let mut mechanism = mechanism_with(CKM_AES_CBC, &mut iv);
    if encrypt {
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut mechanism, key);
    } else {
        answers!(CKR_OK, raw, C_DecryptInit, session, &raw mut mechanism, key);
    }
}

fn end(raw: &Raw, session: CK_SESSION_HANDLE, encrypt: bool) {
    let (mut out, mut len) = ([0_u8; 16], 16);
    if encrypt {
        answers!(CKR_OK, raw, C_EncryptFinal, session, out.as_mut_ptr(), &raw mut len);
    } else {
        answers!(CKR_OK, raw, C_DecryptFinal, session, out.as_mut_ptr(), &raw mut len);
    }
    assert_eq!(len, 0);
}

fn digest(raw: &Raw, session: CK_SESSION_HANDLE) {
    let mut sha256 = mechanism(CKM_SHA256);
    answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha256);
}

fn finish_digest(raw: &Raw, session: CK_SESSION_HANDLE) -> [u8; 32] {
    let (mut value, mut len) = ([0_u8; 32], 32);
    answers!(CKR_OK, raw, C_DigestFinal, session, value.as_mut_ptr(), &raw mut len);
    value
}

fn digest_of(raw: &Raw, session: CK_SESSION_HANDLE, data: &[u8]) -> [u8; 32] {
    digest(raw, session);
    let (mut data, mut value, mut len) = (data.to_vec(), [0_u8; 32], 32);
    let size = conformance::raw::length(&data);
    answers!(CKR_OK, raw, C_Digest, session, data.as_mut_ptr(), size, value.as_mut_ptr(), &raw mut len);
    value
}
