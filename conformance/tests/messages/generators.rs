//! Who chooses an IV.

use std::collections::HashSet;

use conformance::raw::{Attributes, length};
use conformance::{call, call_3_2};
use cryptoki_sys::*;

use crate::{Bench, DEVICE_IV, Message, expected, in_both_policies, text};

in_both_policies! {
    generated_ivs_come_back_and_are_all_different(bench) {
        for key in bench.known().into_iter().chain([bench.made(Attributes::new())]) {
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
            let mut seen = HashSet::new();
            for (generator, fixed) in [(CKG_GENERATE, 0), (CKG_GENERATE_RANDOM, 0), (CKG_GENERATE, 32), (CKG_GENERATE_RANDOM, 16)] {
                for len in [0, 1, 1025] {
                    let (text, mut message) = (text(len), Message::generated(generator, &[0xc5; 12], fixed));
                    let cipher = bench.encrypt(&mut message, b"aad", &text).expect("a ciphertext");
                    assert!(seen.insert(message.iv.clone()), "{generator} {fixed}");
                    assert!(message.iv.iter().take(usize::try_from(fixed / 8).unwrap()).all(|byte| *byte == 0xc5));
                    assert_eq!(bench.decrypt(&mut message, b"aad", &cipher).as_ref(), Ok(&text));
                }
            }
            assert_eq!(bench.encrypt_final(), CKR_OK);
            assert_eq!(bench.decrypt_final(), CKR_OK);
        }
    }

    counters_count_from_zero_and_go_on_where_the_key_has_been(bench) {
        let key = bench.made(Attributes::new());
        let mut message = Message::generated(CKG_GENERATE_COUNTER, &[0xff; 12], 32);
        for round in 0..3_u64 {
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            for at in 0..5_u64 {
                bench.encrypt(&mut message, &[], b"text").expect("a ciphertext");
                assert_eq!(message.iv, [&[0xff; 4][..], &(5 * round + at).to_be_bytes()].concat());
            }
            assert_eq!(bench.encrypt_final(), CKR_OK);
        }
    }

    xor_counters_go_over_the_callers_iv(bench) {
        let key = bench.made(Attributes::new());
        let base: Vec<u8> = (1..=12).collect();
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
        for at in 0..4_u8 {
            let mut message = Message::generated(CKG_GENERATE_COUNTER_XOR, &base, 0);
            bench.encrypt(&mut message, &[], b"text").expect("a ciphertext");
            assert_eq!((&message.iv[..11], message.iv[11]), (&base[..11], base[11] ^ at));
        }
        let mut other = Message::generated(CKG_GENERATE_COUNTER_XOR, &[9; 12], 0);
        assert_eq!(bench.encrypt(&mut other, &[], b"text"), Err(CKR_MECHANISM_PARAM_INVALID));
        assert_eq!(bench.encrypt_final(), CKR_OK);
    }

    a_message_in_parts_has_its_iv_when_it_begins(bench) {
        let key = bench.made(Attributes::new());
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
        let mut message = Message::generated(CKG_GENERATE, &[0; 12], 0);
        let (pointer, size) = message.parameter();
        let (mut text, mut len) = (text(50), 50);
        assert_eq!(call_3_2!(bench.raw, C_EncryptMessageBegin, bench.session, pointer, size, std::ptr::null_mut(), 0), CKR_OK);
        let iv = message.iv.clone();
        assert_ne!(iv, [0; 12]);
        let at = text.as_mut_ptr();
        let rv = call_3_2!(
            bench.raw, C_EncryptMessageNext, bench.session, pointer, size, at, 50, at, &raw mut len, CKF_END_OF_MESSAGE
        );
        assert_eq!((rv, len, &message.iv), (CKR_OK, 50, &iv));
        assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
        assert_eq!(bench.decrypt(&mut message, &[], &text), Ok(crate::text(50)));
    }

    a_key_whose_ivs_the_token_chooses(bench) {
        let with = Attributes::new().flag(DEVICE_IV, true);
        let gcm_only = with.clone().bytes(CKA_ALLOWED_MECHANISMS, &CKM_AES_GCM.to_ne_bytes());
        let known = bench.known_with(&with).into_iter().chain(bench.known_with(&gcm_only));
        for (key, known) in known.map(|key| (key, true)).chain([(bench.made(with.clone()), false)]) {
            let mut seen = HashSet::new();
            for len in [1, 16, 1025] {
                let (text, mut iv) = (text(len), [0xee; 12]);
                let cipher = bench.encrypt_once(key, &mut iv, &text).expect("a ciphertext");
                assert!(seen.insert(iv) && iv != [0xee; 12], "the IV is written back");
                if known {
                    let (body, tag) = expected(&iv, &[], &text);
                    assert_eq!(cipher, [body, tag].concat());
                }
                let mut back = Message { tag: cipher[len..].to_vec(), ..Message::with_iv(&iv) };
                assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
                assert_eq!(bench.decrypt(&mut back, &[], &cipher[..len]).as_ref(), Ok(&text));
                assert_eq!(bench.decrypt_final(), CKR_OK);
            }
            in_parts(bench, key);
            assert_eq!(bench.gcm_init(key, &mut [0; 16]), CKR_MECHANISM_PARAM_INVALID, "12 bytes, no more");
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            let refused = bench.encrypt(&mut Message::with_iv(&[1; 12]), &[], b"text");
            assert_eq!(refused, Err(CKR_MECHANISM_PARAM_INVALID));
            let mut message = Message::generated(CKG_GENERATE, &[0; 12], 0);
            bench.encrypt(&mut message, &[], b"text").expect("an IV of the token");
            assert_ne!(message.iv, [0; 12]);
            assert_eq!(bench.encrypt_final(), CKR_OK);
        }
        let off = bench.aes(false, Attributes::new());
        let mut iv = [0x77; 12];
        bench.encrypt_once(off, &mut iv, b"text").expect("a ciphertext");
        assert_eq!(iv, [0x77; 12], "nobody else's IV is written to");
    }

    only_aes_keys_have_ivs(bench) {
        let template = Attributes::new()
            .number(CKA_CLASS, CKO_SECRET_KEY)
            .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
            .bytes(CKA_VALUE, &[7; 32])
            .flag(DEVICE_IV, true);
        assert_eq!(bench.create(template), Err(CKR_TEMPLATE_INCONSISTENT));
    }
}

/// The IV is there when the last part is, and not before.
fn in_parts(bench: &Bench, key: CK_OBJECT_HANDLE) {
    let (text, mut iv, mut out) = (text(100), [0xee; 12], [0; 116]);
    let place = iv.as_mut_ptr();
    assert_eq!(bench.gcm_init(key, &mut iv), CKR_OK);
    let mut len = 116;
    let at = text.as_ptr().cast_mut();
    let rv = call!(bench.raw, C_EncryptUpdate, bench.session, at, length(&text), out.as_mut_ptr(), &raw mut len);
    assert_eq!((rv, len), (CKR_OK, 0));
    assert_eq!(iv, [0xee; 12]);
    len = 115;
    let rv = call!(bench.raw, C_EncryptFinal, bench.session, out.as_mut_ptr(), &raw mut len);
    assert_eq!((rv, len, iv), (CKR_BUFFER_TOO_SMALL, 116, [0xee; 12]));
    let rv = call!(bench.raw, C_EncryptFinal, bench.session, out.as_mut_ptr(), &raw mut len);
    assert_eq!((rv, len), (CKR_OK, 116));
    assert_eq!(place, iv.as_mut_ptr());
    assert_ne!(iv, [0xee; 12]);
}
