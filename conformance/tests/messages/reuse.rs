//! No IV encrypts twice under one key in one process (NIST SP 800-38D, 8), unless the configuration allows it.

use std::ptr::null_mut;

use conformance::call;
use conformance::raw::{Attributes, length};
use cryptoki_sys::*;

use crate::{Bench, Message, in_both_policies};

in_both_policies! {
    an_iv_is_good_once(bench) {
        // One key is in the HSM and one is sealed: their value is the same, so that they are one key here.
        for (key, [one, two]) in bench.known().into_iter().zip([[1, 9], [2, 10]]) {
            let (first, second) = ([one; 12], [two; 12]);
            bench.encrypt_once(key, &mut first.clone(), b"one").expect("a ciphertext");
            assert_eq!(bench.encrypt_once(key, &mut first.clone(), b"two"), Err(CKR_MECHANISM_PARAM_INVALID));
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            let again = bench.encrypt(&mut Message::with_iv(&first), &[], b"three");
            assert_eq!(again, Err(CKR_MECHANISM_PARAM_INVALID));
            let mut other = Message::with_iv(&second);
            let cipher = bench.encrypt(&mut other, &[], b"four").expect("another IV");
            assert_eq!(bench.encrypt(&mut other, &[], b"five"), Err(CKR_MECHANISM_PARAM_INVALID));
            assert_eq!(bench.encrypt_final(), CKR_OK);
            assert_eq!(bench.encrypt_once(key, &mut second.clone(), b"six"), Err(CKR_MECHANISM_PARAM_INVALID));
            assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
            let mut other = Message { tag: other.tag, ..Message::with_iv(&second) };
            for _ in 0..2 {
                assert_eq!(bench.decrypt(&mut other, &[], &cipher).expect("decryption may repeat"), b"four");
            }
            assert_eq!(bench.decrypt_final(), CKR_OK);
            let copy = copy(bench, key);
            assert_eq!(bench.encrypt_once(copy, &mut second.clone(), b"seven"), Err(CKR_MECHANISM_PARAM_INVALID), "the same key");
            assert_eq!(bench.encrypt_once(key, &mut [1; 12], b"of the first"), Err(CKR_MECHANISM_PARAM_INVALID));
            let made = bench.made(Attributes::new());
            bench.encrypt_once(made, &mut second.clone(), b"eight").expect("another key");
        }
    }

    what_gives_nothing_out_costs_no_iv(bench) {
        let key = bench.known()[0];
        let mut iv = [5; 12];
        for _ in 0..2 {
            assert_eq!(bench.gcm_init(key, &mut iv), CKR_OK);
            assert_eq!(call!(bench.raw, C_EncryptInit, bench.session, null_mut(), 0), CKR_OK, "cancelled");
        }
        assert_eq!(bench.gcm_init(key, &mut iv), CKR_OK);
        let (mut text, mut out, mut len) = (*b"text", [0; 20], 0);
        let at = text.as_mut_ptr();
        assert_eq!(call!(bench.raw, C_Encrypt, bench.session, at, 4, null_mut(), &raw mut len), CKR_OK);
        len = 3;
        let rv = call!(bench.raw, C_Encrypt, bench.session, at, 4, out.as_mut_ptr(), &raw mut len);
        assert_eq!((rv, len), (CKR_BUFFER_TOO_SMALL, 20));
        assert_eq!(call!(bench.raw, C_Encrypt, bench.session, at, 4, out.as_mut_ptr(), &raw mut len), CKR_OK);
        assert_eq!(bench.gcm_init(key, &mut iv), CKR_MECHANISM_PARAM_INVALID);
    }

    /// SunPKCS11 of Java 17 gives up an encryption by encrypting nothing, and begins it again with additional data.
    an_iv_that_encrypted_nothing_is_good_for_the_next(bench) {
        let key = bench.known()[0];
        assert_eq!(bench.encrypt_once(key, &mut [7; 12], b"").expect("a tag").len(), 16);
        bench.encrypt_once(key, &mut [7; 12], b"something").expect("a ciphertext");
        assert_eq!(bench.encrypt_once(key, &mut [7; 12], b"more"), Err(CKR_MECHANISM_PARAM_INVALID));
        bench.encrypt_once(key, &mut [8; 12], b"").expect("a tag");
        bench.encrypt_once(key, &mut [9; 12], b"another").expect("a ciphertext");
        assert_eq!(bench.encrypt_once(key, &mut [8; 12], b"too late"), Err(CKR_MECHANISM_PARAM_INVALID));
    }

    two_sessions_do_not_share_an_iv(bench) {
        let key = bench.known()[0];
        let mut iv = [6; 12];
        assert_eq!(bench.gcm_init(key, &mut iv), CKR_OK);
        let mut second = 0;
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        assert_eq!(call!(bench.raw, C_OpenSession, bench.slot, flags, null_mut(), None, &raw mut second), CKR_OK);
        let mut params = CK_GCM_PARAMS { pIv: iv.as_mut_ptr(), ulIvLen: 12, ulTagBits: 128, ..CK_GCM_PARAMS::default() };
        let mut mechanism = conformance::raw::mechanism_with(CKM_AES_GCM, &mut params);
        let rv = call!(bench.raw, C_EncryptInit, second, &raw mut mechanism, key);
        assert_eq!(rv, CKR_MECHANISM_PARAM_INVALID);
        assert_eq!(call!(bench.raw, C_EncryptInit, bench.session, null_mut(), 0), CKR_OK);
        assert_eq!(call!(bench.raw, C_EncryptInit, second, &raw mut mechanism, key), CKR_OK, "free again");
    }
}

fn copy(bench: &Bench, key: CK_OBJECT_HANDLE) -> CK_OBJECT_HANDLE {
    let mut template = Attributes::new().bytes(CKA_LABEL, b"copy");
    let (mut list, mut copy) = (template.list(), 0);
    let rv = call!(bench.raw, C_CopyObject, bench.session, key, list.as_mut_ptr(), length(&list), &raw mut copy);
    assert_eq!(rv, CKR_OK);
    copy
}

/// `allow_gcm_iv_reuse`.
#[test]
fn the_configuration_may_allow_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pkcs11.json");
    std::fs::write(&file, r#"{"allow_gcm_iv_reuse": true}"#).expect("a file");
    let variables = [("AZIHSM_PKCS11_CONFIG", file.to_str().expect("a path"))];
    crate::run(concat!(module_path!(), "::the_configuration_may_allow_it"), &variables, false, |bench| {
        let key = bench.known()[0];
        let one = bench.encrypt_once(key, &mut [1; 12], b"one").expect("a ciphertext");
        assert_eq!(bench.encrypt_once(key, &mut [1; 12], b"one"), Ok(one));
    });
}
