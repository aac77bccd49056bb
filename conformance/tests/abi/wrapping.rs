//! Null pointers, absurd lengths, wrong handles and templates within templates in wrapping, unwrapping, derivation and
//! encapsulation (PKCS#11 v3.2, 5.18).

use std::ptr::null_mut;

use conformance::raw::token::{OID_P256, generate, generate_pair};
use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with};
use cryptoki_sys::*;

use crate::harness::{aes, again_user, alone, answers, answers_3_2, user};

/// Lengths that no memory has.
const ABSURD: [CK_ULONG; 3] = [CK_ULONG::MAX, 1 << 63, (1 << 63) - 1];

fn kek(raw: &Raw, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let template = Attributes::new().number(CKA_VALUE_LEN, 32).flag(CKA_WRAP, true).flag(CKA_UNWRAP, true);
    generate(raw, session, CKM_AES_KEY_GEN, template).expect("a wrapping key")
}

fn target(raw: &Raw, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let template = Attributes::new().number(CKA_VALUE_LEN, 32).flag(CKA_EXTRACTABLE, true);
    generate(raw, session, CKM_AES_KEY_GEN, template).expect("a key")
}

fn incoming() -> Attributes {
    Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES)
}

alone! {
    of_wrapped_keys(raw) {
        let session = user(raw);
        let (kek, key, stays) = (kek(raw, session), target(raw, session), aes(raw, session));
        let (mut kw, mut out, mut len, mut made) = (mechanism(CKM_AES_KEY_WRAP), [0_u8; 64], 64, 7);
        let (at, room, new) = (out.as_mut_ptr(), &raw mut len, &raw mut made);
        answers!(CKR_ARGUMENTS_BAD, raw, C_WrapKey, session, null_mut(), kek, key, at, room);
        answers!(CKR_ARGUMENTS_BAD, raw, C_WrapKey, session, &raw mut kw, kek, key, at, null_mut());
        answers!(CKR_WRAPPING_KEY_HANDLE_INVALID, raw, C_WrapKey, session, &raw mut kw, 0, key, at, room);
        answers!(CKR_KEY_HANDLE_INVALID, raw, C_WrapKey, session, &raw mut kw, kek, CK_ULONG::MAX, at, room);
        answers!(CKR_KEY_UNEXTRACTABLE, raw, C_WrapKey, session, &raw mut kw, kek, stays, at, room);
        answers!(CKR_SESSION_HANDLE_INVALID, raw, C_WrapKey, 0, &raw mut kw, kek, key, at, room);
        len = 39;
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_WrapKey, session, &raw mut kw, kek, key, at, room);
        assert_eq!((len, out), (40, [0; 64]));
        let odd = at.wrapping_add(1);
        answers!(CKR_OK, raw, C_WrapKey, session, &raw mut kw, kek, key, odd, room);

        let mut template = incoming();
        let mut list = template.list();
        let (list, count) = (list.as_mut_ptr(), length(&list));
        answers!(CKR_ARGUMENTS_BAD, raw, C_UnwrapKey, session, null_mut(), kek, odd, 40, list, count, new);
        answers!(CKR_ARGUMENTS_BAD, raw, C_UnwrapKey, session, &raw mut kw, kek, null_mut(), 40, list, count, new);
        answers!(CKR_ARGUMENTS_BAD, raw, C_UnwrapKey, session, &raw mut kw, kek, odd, 40, null_mut(), count, new);
        answers!(CKR_ARGUMENTS_BAD, raw, C_UnwrapKey, session, &raw mut kw, kek, odd, 40, list, count, null_mut());
        for absurd in ABSURD {
            answers!(CKR_ARGUMENTS_BAD, raw, C_UnwrapKey, session, &raw mut kw, kek, odd, absurd, list, count, new);
            answers!(CKR_ARGUMENTS_BAD, raw, C_UnwrapKey, session, &raw mut kw, kek, odd, 40, list, absurd, new);
        }
        answers!(CKR_UNWRAPPING_KEY_HANDLE_INVALID, raw, C_UnwrapKey, session, &raw mut kw, 0, odd, 40, list, count, new);
        answers!(CKR_WRAPPED_KEY_LEN_RANGE, raw, C_UnwrapKey, session, &raw mut kw, kek, odd, 0, list, count, new);
        assert_eq!(made, 7, "no handle for no key");
        answers!(CKR_OK, raw, C_UnwrapKey, session, &raw mut kw, kek, odd, 40, list, count, new);
    }

    of_keys_wrapped_as_messages(raw) {
        let session = user(raw);
        let (kek, key) = (kek(raw, session), target(raw, session));
        let (mut iv, mut tag, mut out, mut len, mut made) = ([0_u8; 12], [0_u8; 16], [0_u8; 64], 64, 7);
        let mut params = CK_GCM_MESSAGE_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvFixedBits: 0,
            ivGenerator: CKG_GENERATE,
            pTag: tag.as_mut_ptr(),
            ulTagBits: 128,
        };
        let (mut gcm, mut bare) = (mechanism_with(CKM_AES_GCM, &mut params), mechanism(CKM_AES_GCM));
        let (gcm, bare) = (&raw mut gcm, &raw mut bare);
        let (at, room, new, none) = (out.as_mut_ptr(), &raw mut len, &raw mut made, null_mut());
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_WrapKeyAuthenticated, session, null_mut(), kek, key, none, 0, at, room);
        answers_3_2!(CKR_MECHANISM_PARAM_INVALID, raw, C_WrapKeyAuthenticated, session, bare, kek, key, none, 0, at, room);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_WrapKeyAuthenticated, session, gcm, kek, key, none, 1, at, room);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_WrapKeyAuthenticated, session, gcm, kek, key, none, 0, at, null_mut());
        answers_3_2!(
            CKR_WRAPPING_KEY_HANDLE_INVALID, raw, C_WrapKeyAuthenticated, session, gcm, 0, key, none, 0, at, room
        );
        answers_3_2!(CKR_KEY_HANDLE_INVALID, raw, C_WrapKeyAuthenticated, session, gcm, kek, 0, none, 0, at, room);
        assert_eq!((iv, tag), ([0; 12], [0; 16]), "no IV for no key");
        answers_3_2!(CKR_OK, raw, C_WrapKeyAuthenticated, session, gcm, kek, key, none, 0, at, room);

        let mut template = incoming();
        let mut list = template.list();
        let (list, n) = (list.as_mut_ptr(), length(&list));
        answers_3_2!(
            CKR_ARGUMENTS_BAD, raw, C_UnwrapKeyAuthenticated, session, null_mut(), kek, at, 32, list, n, none, 0, new
        );
        answers_3_2!(
            CKR_ARGUMENTS_BAD, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, none, 32, list, n, none, 0, new
        );
        answers_3_2!(
            CKR_ARGUMENTS_BAD, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, at, 32, null_mut(), n, none, 0, new
        );
        answers_3_2!(
            CKR_ARGUMENTS_BAD, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, at, 32, list, n, none, 0, null_mut()
        );
        for absurd in ABSURD {
            answers_3_2!(
                CKR_ARGUMENTS_BAD, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, at, absurd, list, n, none, 0, new
            );
            answers_3_2!(
                CKR_ARGUMENTS_BAD, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, at, 32, list, n, at, absurd, new
            );
        }
        answers_3_2!(
            CKR_UNWRAPPING_KEY_HANDLE_INVALID, raw, C_UnwrapKeyAuthenticated, session, gcm, 0, at, 32, list, n, none, 0, new
        );
        answers_3_2!(
            CKR_WRAPPED_KEY_INVALID, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, at, 31, list, n, none, 0, new
        );
        assert_eq!(made, 7);
        answers_3_2!(CKR_OK, raw, C_UnwrapKeyAuthenticated, session, gcm, kek, at, 32, list, n, none, 0, new);
    }

    /// `C_DecapsulateKey` has the codes of an unwrapping key (5.18.9), `C_EncapsulateKey` those of any key.
    of_encapsulated_keys(raw) {
        let session = user(raw);
        let public = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256).flag(CKA_ENCAPSULATE, true);
        let private = Attributes::new().flag(CKA_DECAPSULATE, true);
        let (public, private) = generate_pair(raw, session, CKM_EC_KEY_PAIR_GEN, public, private).expect("a pair");
        let other = aes(raw, session);
        let mut params = CK_ECDH1_DERIVE_PARAMS {
            kdf: CKD_NULL,
            ulSharedDataLen: 0,
            pSharedData: null_mut(),
            ulPublicDataLen: 0,
            pPublicData: null_mut(),
        };
        let mut ecdh = mechanism_with(CKM_ECDH1_DERIVE, &mut params);
        let mut template = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
        let mut list = template.list();
        let (mut out, mut len, mut made) = ([0_u8; 128], 128, 7);
        let (ecdh, list, n, at, room, new) =
            (&raw mut ecdh, list.as_mut_ptr(), length(&list), out.as_mut_ptr(), &raw mut len, &raw mut made);
        let none = null_mut();
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncapsulateKey, session, null_mut(), public, list, n, at, room, new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncapsulateKey, session, ecdh, public, null_mut(), n, at, room, new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncapsulateKey, session, ecdh, public, list, n, at, null_mut(), new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncapsulateKey, session, ecdh, public, list, n, at, room, null_mut());
        answers_3_2!(CKR_KEY_HANDLE_INVALID, raw, C_EncapsulateKey, session, ecdh, 0, list, n, at, room, new);
        answers_3_2!(CKR_KEY_TYPE_INCONSISTENT, raw, C_EncapsulateKey, session, ecdh, other, list, n, at, room, new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecapsulateKey, session, null_mut(), private, list, n, at, 65, new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecapsulateKey, session, ecdh, private, null_mut(), n, at, 65, new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecapsulateKey, session, ecdh, private, list, n, none, 65, new);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecapsulateKey, session, ecdh, private, list, n, at, 65, null_mut());
        for absurd in ABSURD {
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecapsulateKey, session, ecdh, private, list, n, at, absurd, new);
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecapsulateKey, session, ecdh, private, list, absurd, at, 65, new);
        }
        answers_3_2!(CKR_UNWRAPPING_KEY_HANDLE_INVALID, raw, C_DecapsulateKey, session, ecdh, 0, list, n, at, 65, new);
        answers_3_2!(
            CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, raw, C_DecapsulateKey, session, ecdh, other, list, n, at, 65, new
        );
        assert_eq!(made, 7);
    }

    templates_that_contain_themselves(raw) {
        let session = user(raw);
        let (mut gen_aes, mut key, mut len) = (mechanism(CKM_AES_KEY_GEN), 0, 32 as CK_ULONG);
        let size = size_of::<CK_ATTRIBUTE>() as CK_ULONG;
        for kind in [CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE] {
            let value_len =
                CK_ATTRIBUTE { type_: CKA_VALUE_LEN, pValue: (&raw mut len).cast(), ulValueLen: size_of_val(&len) as _ };
            let mut list = [value_len, CK_ATTRIBUTE { type_: kind, pValue: null_mut(), ulValueLen: 2 * size }];
            list[1].pValue = list.as_mut_ptr().cast();
            answers!(CKR_ATTRIBUTE_VALUE_INVALID, raw, C_GenerateKey, session, &raw mut gen_aes, list.as_mut_ptr(), 2, &raw mut key);
            for odd in [1, size - 1, size + 1, CK_ULONG::MAX, 1 << 63] {
                list[1].ulValueLen = odd;
                answers!(
                    CKR_ATTRIBUTE_VALUE_INVALID, raw, C_GenerateKey, session, &raw mut gen_aes, list.as_mut_ptr(), 2, &raw mut key
                );
            }
        }
        assert_eq!(key, 0);
    }

    a_key_of_a_closed_session_is_gone(raw) {
        let first = user(raw);
        let slot = conformance::raw::token::token_slot(raw).expect("a slot");
        let second = conformance::raw::token::open(raw, slot).expect("a session");
        let (kek, key) = (kek(raw, second), target(raw, second));
        let (mut kw, mut out, mut len) = (mechanism(CKM_AES_KEY_WRAP), [0_u8; 64], 64);
        answers!(CKR_OK, raw, C_WrapKey, first, &raw mut kw, kek, key, out.as_mut_ptr(), &raw mut len);
        answers!(CKR_OK, raw, C_CloseSession, second);
        len = 64;
        let (at, room) = (out.as_mut_ptr(), &raw mut len);
        answers!(CKR_WRAPPING_KEY_HANDLE_INVALID, raw, C_WrapKey, first, &raw mut kw, kek, key, at, room);
        answers!(CKR_OK, raw, C_Logout, first);
        let third = again_user(raw).expect("the user again");
        answers!(CKR_WRAPPING_KEY_HANDLE_INVALID, raw, C_WrapKey, third, &raw mut kw, kek, key, at, room);
    }
}
