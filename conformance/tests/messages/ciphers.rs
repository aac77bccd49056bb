//! Messages with the caller's IVs, whole and in parts.

use std::ptr::null_mut;

use conformance::call_3_2;
use conformance::raw::length;
use cryptoki_sys::*;

use crate::{Bench, LENS, Message, expected, in_both_policies, iv, text};

in_both_policies! {
    messages_are_the_gcm_of_others(bench) {
        for key in bench.known() {
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
            for (at, len) in (1_u32..).zip(LENS) {
                let (aad, text) = (text(len % 70), text(len));
                // A key of the same value is the same key: each gets IVs of its own.
                let iv = iv(at + u32::try_from(key % 1000).expect("small") * 100);
                let mut message = Message::with_iv(&iv);
                let (cipher, tag) = expected(&iv, &aad, &text);
                assert_eq!(bench.encrypt(&mut message, &aad, &text).expect("a ciphertext"), cipher, "{len}");
                assert_eq!((&message.tag, &message.iv), (&tag, &iv));
                assert_eq!(bench.decrypt(&mut message, &aad, &cipher).expect("the message"), text);
            }
            assert_eq!(bench.encrypt_final(), CKR_OK);
            assert_eq!(bench.decrypt_final(), CKR_OK);
            assert_eq!(bench.encrypt_final(), CKR_OPERATION_NOT_INITIALIZED);
            assert_eq!(bench.decrypt_final(), CKR_OPERATION_NOT_INITIALIZED);
        }
    }

    parts_make_the_whole(bench) {
        for (number, key) in (1_u32..).zip(bench.known()) {
            let (aad, text, iv) = (text(20), text(1500), iv(number));
            let (cipher, tag) = expected(&iv, &aad, &text);
            let mut message = Message::with_iv(&iv);
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(parts(bench, ENCRYPT, &mut message, &aad, &text), Ok(cipher.clone()));
            assert_eq!(message.tag, tag);
            assert_eq!(bench.encrypt_final(), CKR_OK);
            assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(parts(bench, DECRYPT, &mut message, &aad, &cipher), Ok(text.clone()));
            message.tag[0] ^= 1;
            assert_eq!(parts(bench, DECRYPT, &mut message, &aad, &cipher), Err(CKR_AEAD_DECRYPT_FAILED));
            message.tag[0] ^= 1;
            assert_eq!(bench.decrypt(&mut message, &aad, &cipher).as_ref(), Ok(&text), "the process goes on");
            assert_eq!(bench.decrypt_final(), CKR_OK);
        }
    }

    ccm_messages_come_back(bench) {
        for key in bench.known() {
            assert_eq!(bench.encrypt_init(CKM_AES_CCM, key), CKR_OK);
            assert_eq!(bench.decrypt_init(CKM_AES_CCM, key), CKR_OK);
            for (len, generator) in [(0, CKG_GENERATE), (33, CKG_GENERATE_COUNTER), (1025, CKG_NO_GENERATE)] {
                let (aad, text) = (text(20), text(len));
                let data_len = Some(length(&text));
                let mut message = Message { data_len, tag: vec![0; 8], ..Message::generated(generator, &[7; 13], 0) };
                let cipher = bench.encrypt(&mut message, &aad, &text).expect("a ciphertext");
                assert_eq!(cipher.len(), len);
                assert_eq!(message.iv == [7; 13], generator == CKG_NO_GENERATE);
                assert_eq!(bench.decrypt(&mut message, &aad, &cipher).as_ref(), Ok(&text));
                message.tag[7] ^= 1;
                assert_eq!(bench.decrypt(&mut message, &aad, &cipher), Err(CKR_AEAD_DECRYPT_FAILED));
                message.data_len = Some(length(&text) + 1);
                assert_eq!(bench.decrypt(&mut message, &aad, &cipher), Err(CKR_ENCRYPTED_DATA_LEN_RANGE));
                assert_eq!(bench.encrypt(&mut message, &aad, &text), Err(CKR_DATA_LEN_RANGE));
            }
            let mut of_gcm = Message::with_iv(&[1; 12]);
            assert_eq!(bench.encrypt(&mut of_gcm, &[], b"text"), Err(CKR_MECHANISM_PARAM_INVALID));
            assert_eq!(bench.encrypt_final(), CKR_OK);
            assert_eq!(bench.decrypt_final(), CKR_OK);
        }
    }

    sizes_are_told_and_change_nothing(bench) {
        for (number, key) in (1_u32..).zip(bench.known()) {
            let (text, mut message) = (text(100), Message::with_iv(&iv(number)));
            let (pointer, size) = message.parameter();
            let (data, data_len) = (text.as_ptr().cast_mut(), length(&text));
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            let mut out = vec![0; 100];
            let ask = |out, len: &mut CK_ULONG| {
                call_3_2!(
                    bench.raw, C_EncryptMessage, bench.session, pointer, size, null_mut(), 0, data, data_len, out, len
                )
            };
            for _ in 0..2 {
                let mut len = 0;
                assert_eq!((ask(null_mut(), &mut len), len), (CKR_OK, 100));
                len = 99;
                assert_eq!((ask(out.as_mut_ptr(), &mut len), len), (CKR_BUFFER_TOO_SMALL, 100));
            }
            let mut len = 100;
            assert_eq!((ask(out.as_mut_ptr(), &mut len), len), (CKR_OK, 100));
            assert_eq!(out, expected(&iv(number), &[], &text).0);
            assert_eq!(bench.encrypt_final(), CKR_OK);
        }
    }

    input_and_output_may_be_one_buffer(bench) {
        let key = bench.known()[0];
        let (mut buffer, mut message) = (text(1000), Message::with_iv(&iv(1)));
        let (pointer, size) = message.parameter();
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
        let (at, mut len) = (buffer.as_mut_ptr(), 1000);
        let rv = call_3_2!(
            bench.raw, C_EncryptMessage, bench.session, pointer, size, null_mut(), 0, at, 1000, at, &raw mut len
        );
        assert_eq!((rv, len), (CKR_OK, 1000));
        assert_eq!(buffer, expected(&iv(1), &[], &text(1000)).0);
    }
}

/// Which way.
type Encrypts = bool;
const ENCRYPT: Encrypts = true;
const DECRYPT: Encrypts = false;

/// A message in parts of 700 bytes, the last one after size queries.
fn parts(bench: &Bench, encrypts: Encrypts, message: &mut Message, aad: &[u8], text: &[u8]) -> Result<Vec<u8>, CK_RV> {
    let (pointer, size) = message.parameter();
    let (raw, session, aad_at, aad_len) = (&bench.raw, bench.session, aad.as_ptr().cast_mut(), length(aad));
    let rv = if encrypts {
        call_3_2!(raw, C_EncryptMessageBegin, session, pointer, size, aad_at, aad_len)
    } else {
        call_3_2!(raw, C_DecryptMessageBegin, session, pointer, size, aad_at, aad_len)
    };
    assert_eq!(rv, CKR_OK);
    let next = |part: &[u8], out: *mut u8, len: &mut CK_ULONG, flags| {
        let (at, part_len) = (part.as_ptr().cast_mut(), length(part));
        if encrypts {
            call_3_2!(raw, C_EncryptMessageNext, session, pointer, size, at, part_len, out, len, flags)
        } else {
            call_3_2!(raw, C_DecryptMessageNext, session, pointer, size, at, part_len, out, len, flags)
        }
    };
    let (mut out, mut done) = (vec![0; text.len()], 0);
    let mut chunks = text.chunks(700).peekable();
    while let Some(part) = chunks.next() {
        let flags = if chunks.peek().is_some() { 0 } else { CKF_END_OF_MESSAGE };
        let mut wanted = 0;
        assert_eq!(next(part, null_mut(), &mut wanted, flags), CKR_OK);
        if wanted > 0 {
            let mut small = wanted - 1;
            assert_eq!(next(part, out[done..].as_mut_ptr(), &mut small, flags), CKR_BUFFER_TOO_SMALL);
            assert_eq!(small, wanted);
        }
        let mut len = length(&out[done..]);
        match next(part, out[done..].as_mut_ptr(), &mut len, flags) {
            CKR_OK => assert_eq!(len, wanted),
            rv => {
                assert!(out.iter().all(|byte| *byte == 0), "a failure gives nothing out");
                return Err(rv);
            }
        }
        done += usize::try_from(len).expect("a length");
    }
    assert_eq!(done, text.len());
    Ok(out)
}
