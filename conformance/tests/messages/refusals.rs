//! What is refused, and that a refusal ends no more than its message.

use std::ptr::null_mut;

use conformance::raw::{Attributes, mechanism, token};
use conformance::{call, call_3_2};
use cryptoki_sys::*;

use crate::{Bench, Message, in_both_policies};

in_both_policies! {
    parameters_that_are_not_one(bench) {
        let key = bench.known()[0];
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
        assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
        let spoil: [fn(&mut CK_GCM_MESSAGE_PARAMS); 9] = [
            |params| params.pIv = null_mut(),
            |params| params.ulIvLen = 0,
            |params| params.ulIvLen = CK_ULONG::MAX,
            |params| params.pTag = null_mut(),
            |params| params.ulTagBits = 0,
            |params| params.ulTagBits = 88,
            |params| params.ulTagBits = 127,
            |params| params.ulTagBits = 136,
            |params| params.ulTagBits = CK_ULONG::MAX - 7,
        ];
        for (at, spoil) in spoil.iter().enumerate() {
            let mut message = Message::with_iv(&[1; 12]);
            let (pointer, size) = message.parameter();
            spoil(&mut message.gcm);
            assert_eq!(both(bench, pointer, size), [CKR_MECHANISM_PARAM_INVALID; 2], "{at}");
        }
        for (generator, fixed) in [(5, 0), (CK_ULONG::MAX, 0), (CKG_GENERATE, 97), (CKG_GENERATE, 60), (CKG_GENERATE_COUNTER, 80)] {
            let mut message = Message::generated(generator, &[1; 12], fixed);
            assert_eq!(bench.encrypt(&mut message, &[], b"text"), Err(CKR_MECHANISM_PARAM_INVALID), "{generator} {fixed}");
        }
        let mut message = Message::with_iv(&[1; 12]);
        let (pointer, size) = message.parameter();
        for (pointer, size) in [(null_mut(), size), (null_mut(), 0), (pointer, 0), (pointer, size - 8), (pointer, CK_ULONG::MAX)] {
            assert_eq!(both(bench, pointer, size), [CKR_MECHANISM_PARAM_INVALID; 2]);
        }
        bench.encrypt(&mut Message::with_iv(&[2; 12]), &[], b"text").expect("the process goes on");
    }

    null_pointers_with_lengths(bench) {
        let key = bench.known()[0];
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
        assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
        let mut message = Message::with_iv(&[1; 12]);
        let (pointer, size) = message.parameter();
        let (mut text, mut out, mut len) = ([0; 4], [0; 64], 64);
        let (text, out, room) = (text.as_mut_ptr(), out.as_mut_ptr(), &raw mut len);
        for (aad_len, text, text_len, room) in [
            (4, text, 4, room),
            (0, null_mut(), 4, room),
            (0, text, 4, null_mut()),
            (0, text, CK_ULONG::MAX, room),
        ] {
            let (raw, session, null) = (&bench.raw, bench.session, null_mut());
            let rv = call_3_2!(raw, C_EncryptMessage, session, pointer, size, null, aad_len, text, text_len, out, room);
            assert_eq!(rv, CKR_ARGUMENTS_BAD);
            let rv = call_3_2!(raw, C_DecryptMessage, session, pointer, size, null, aad_len, text, text_len, out, room);
            assert_eq!(rv, CKR_ARGUMENTS_BAD);
        }
        let rv = call_3_2!(bench.raw, C_EncryptMessageBegin, bench.session, pointer, size, null_mut(), 4);
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
        let rv = call_3_2!(bench.raw, C_DecryptMessageBegin, bench.session, pointer, size, null_mut(), 4);
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
        bench.encrypt(&mut message, &[], b"text").expect("the process goes on");
    }

    the_wrong_moment(bench) {
        let (raw, session, key) = (&bench.raw, bench.session, bench.known()[0]);
        let mut message = Message::with_iv(&[1; 12]);
        let (pointer, size) = message.parameter();
        let begin = || call_3_2!(raw, C_EncryptMessageBegin, session, pointer, size, null_mut(), 0);
        let next = |flags| {
            let (mut part, mut len) = (*b"part", 100);
            let mut out = [0; 100];
            let (part, out) = (part.as_mut_ptr(), out.as_mut_ptr());
            call_3_2!(raw, C_EncryptMessageNext, session, pointer, size, part, 4, out, &raw mut len, flags)
        };
        assert_eq!(begin(), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(next(0), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(bench.encrypt(&mut Message::with_iv(&[2; 12]), &[], b""), Err(CKR_OPERATION_NOT_INITIALIZED));
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OPERATION_ACTIVE);
        assert_eq!(next(0), CKR_OPERATION_NOT_INITIALIZED, "no message has begun");
        assert_eq!(begin(), CKR_OK);
        assert_eq!(begin(), CKR_OPERATION_ACTIVE);
        assert_eq!(bench.encrypt(&mut Message::with_iv(&[3; 12]), &[], b"text"), Err(CKR_OPERATION_ACTIVE));
        assert_eq!(bench.encrypt_final(), CKR_OPERATION_ACTIVE);
        assert_eq!(next(0), CKR_OK, "it is still there");
        assert_eq!(next(2), CKR_ARGUMENTS_BAD, "flags that do not exist end the message");
        assert_eq!(next(0), CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(begin(), CKR_OK, "the IV of a message that came to nothing is free");
        assert_eq!(next(CKF_END_OF_MESSAGE), CKR_OK);
        assert_eq!(begin(), CKR_MECHANISM_PARAM_INVALID, "and spent when it did not");
        assert_eq!(bench.encrypt_final(), CKR_OK);
    }

    three_ways_to_end(bench) {
        let (raw, session, key) = (&bench.raw, bench.session, bench.known()[0]);
        let mut message = Message::with_iv(&[1; 12]);
        let (pointer, size) = message.parameter();
        for end in [0, 1, 2] {
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(call_3_2!(raw, C_EncryptMessageBegin, session, pointer, size, null_mut(), 0), CKR_OK);
            match end {
                0 => {
                    assert_eq!(call_3_2!(raw, C_MessageEncryptInit, session, null_mut(), 0), CKR_OK);
                    assert_eq!(call_3_2!(raw, C_MessageDecryptInit, session, null_mut(), 0), CKR_OK);
                }
                1 => {
                    let flags = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT;
                    assert_eq!(call_3_2!(raw, C_SessionCancel, session, flags), CKR_OK);
                }
                _ => {
                    assert_eq!(call!(raw, C_Logout, session), CKR_OK);
                    token::login(raw, session).expect("the user logs in");
                }
            }
            assert_eq!(bench.encrypt_final(), CKR_OPERATION_NOT_INITIALIZED, "{end}");
            assert_eq!(bench.decrypt_final(), CKR_OPERATION_NOT_INITIALIZED, "{end}");
            if end == 2 {
                break;
            }
        }
    }

    keys_and_mechanisms_that_do_not_fit(bench) {
        let key = bench.known()[0];
        assert_eq!(bench.encrypt_init(CKM_AES_CBC, key), CKR_MECHANISM_INVALID);
        assert_eq!(bench.decrypt_init(0x7fff_ffff, key), CKR_MECHANISM_INVALID);
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, 12345), CKR_KEY_HANDLE_INVALID);
        let template = Attributes::new().number(CKA_VALUE_LEN, 32).flag(CKA_ENCRYPT, false).flag(CKA_DECRYPT, false);
        let idle = token::generate(&bench.raw, bench.session, CKM_AES_KEY_GEN, template).expect("a key");
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, idle), CKR_KEY_FUNCTION_NOT_PERMITTED);
        assert_eq!(bench.decrypt_init(CKM_AES_GCM, idle), CKR_KEY_FUNCTION_NOT_PERMITTED);
        let template = Attributes::new()
            .number(CKA_VALUE_LEN, 32)
            .flag(CKA_ENCRYPT, true)
            .bytes(CKA_ALLOWED_MECHANISMS, &CKM_AES_CBC.to_ne_bytes());
        let cbc = token::generate(&bench.raw, bench.session, CKM_AES_KEY_GEN, template).expect("a key");
        assert_eq!(bench.encrypt_init(CKM_AES_GCM, cbc), CKR_MECHANISM_INVALID);
        // What stands beside the mechanism's number is not looked at: programs fill in the one or the other structure.
        let mut odd = CK_MECHANISM { pParameter: std::ptr::without_provenance_mut(8), ulParameterLen: 48, ..mechanism(CKM_AES_GCM) };
        let rv = call_3_2!(bench.raw, C_MessageEncryptInit, bench.session, &raw mut odd, key);
        assert_eq!(rv, CKR_OK);
        assert_eq!(bench.encrypt_final(), CKR_OK);
    }

    a_tampered_message_gives_nothing_out(bench) {
        for (number, key) in (1_u8..).zip(bench.known()) {
            assert_eq!(bench.encrypt_init(CKM_AES_GCM, key), CKR_OK);
            assert_eq!(bench.decrypt_init(CKM_AES_GCM, key), CKR_OK);
            let (aad, text) = (b"associated", b"the plaintext");
            let mut message = Message::with_iv(&[number; 12]);
            let cipher = bench.encrypt(&mut message, aad, text).expect("a ciphertext");
            let good = message.tag.clone();
            for at in 0..16 {
                message.tag = good.clone();
                message.tag[at] ^= 1;
                assert_eq!(bench.decrypt(&mut message, aad, &cipher), Err(CKR_AEAD_DECRYPT_FAILED));
            }
            message.tag = good;
            let mut spoiled = cipher.clone();
            spoiled[3] ^= 0x80;
            assert_eq!(bench.decrypt(&mut message, aad, &spoiled), Err(CKR_AEAD_DECRYPT_FAILED));
            assert_eq!(bench.decrypt(&mut message, b"other", &cipher), Err(CKR_AEAD_DECRYPT_FAILED));
            message.iv[0] ^= 1;
            assert_eq!(bench.decrypt(&mut message, aad, &cipher), Err(CKR_AEAD_DECRYPT_FAILED));
            message.iv[0] ^= 1;
            assert_eq!(bench.decrypt(&mut message, aad, &cipher).expect("the message"), text);
            assert_eq!(bench.encrypt_final(), CKR_OK);
            assert_eq!(bench.decrypt_final(), CKR_OK);
        }
    }
}

/// `C_EncryptMessage` and `C_DecryptMessage` of four bytes with this parameter.
fn both(bench: &Bench, pointer: CK_VOID_PTR, size: CK_ULONG) -> [CK_RV; 2] {
    let (mut text, mut out, mut len) = (*b"text", [0; 64], 64);
    let (text, out, room, null) = (text.as_mut_ptr(), out.as_mut_ptr(), &raw mut len, null_mut());
    [
        call_3_2!(bench.raw, C_EncryptMessage, bench.session, pointer, size, null, 0, text, 4, out, room),
        call_3_2!(bench.raw, C_DecryptMessage, bench.session, pointer, size, null, 0, text, 4, out, room),
    ]
}
