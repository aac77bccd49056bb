//! `C_GetAttributeValue` with many attributes (PKCS#11 v3.2, 5.7.5): each has its own result, whatever becomes of the
//! others.

use std::ptr::null_mut;

use conformance::raw::{Attributes, Raw, token};
use cryptoki_sys::*;

use crate::harness::{alone, answers, user};

const UNAVAILABLE: CK_ULONG = CK_UNAVAILABLE_INFORMATION;

alone! {
    each_attribute_has_its_own_result(raw) {
        let session = user(raw);
        let key = key(raw, session);
        let (mut label, mut value, mut id, mut class, mut again) = ([0_u8; 32], [0_u8; 64], [0xee_u8; 2], 0_u64, 0_u64);
        let mut batch = [
            attribute(CKA_LABEL, &mut label, 32),
            attribute(CKA_VALUE, &mut value, 64),
            attribute(CKA_MODULUS, &mut value, 64),
            attribute(CKA_ID, &mut id, 2),
            CK_ATTRIBUTE { type_: CKA_KEY_TYPE, pValue: null_mut(), ulValueLen: 0 },
            attribute(CKA_CLASS, &mut class, 8),
            attribute(0x7fff_1234, &mut value, 64),
            attribute(CKA_CLASS, &mut again, 8),
        ];
        let rv = conformance::call!(raw, C_GetAttributeValue, session, key, batch.as_mut_ptr(), 8);
        // "If more than one of these error codes is applicable, Cryptoki may return any of them."
        assert!([CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL].contains(&rv), "{rv:#x}");
        let lengths = batch.map(|attribute| attribute.ulValueLen);
        assert_eq!(lengths, [5, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, 8, 8, UNAVAILABLE, 8]);
        assert_eq!((&label[..6], class, again), (&b"batch\0"[..], CKO_SECRET_KEY, CKO_SECRET_KEY));
        assert_eq!((value, id), ([0; 64], [0xee; 2]), "what is not given is not written");
    }

    each_failure_alone_has_its_code(raw) {
        let session = user(raw);
        let key = key(raw, session);
        let (mut room, mut class) = ([0_u8; 64], 0_u64);
        for (type_, len, rv) in [
            (CKA_VALUE, 64, CKR_ATTRIBUTE_SENSITIVE),
            (CKA_MODULUS, 64, CKR_ATTRIBUTE_TYPE_INVALID),
            (CKA_ID, 2, CKR_BUFFER_TOO_SMALL),
            (CKA_ID, 3, CKR_OK),
        ] {
            for first in [true, false] {
                class = 0;
                let mut batch = [attribute(type_, &mut room, len), attribute(CKA_CLASS, &mut class, 8)];
                if !first {
                    batch.swap(0, 1);
                }
                let got = conformance::call!(raw, C_GetAttributeValue, session, key, batch.as_mut_ptr(), 2);
                assert_eq!(got, rv, "{type_:#x}");
                assert_eq!(class, CKO_SECRET_KEY);
            }
        }
        // A sensitive value does not tell its length either.
        let mut batch = [CK_ATTRIBUTE { type_: CKA_VALUE, pValue: null_mut(), ulValueLen: 7 }];
        answers!(CKR_ATTRIBUTE_SENSITIVE, raw, C_GetAttributeValue, session, key, batch.as_mut_ptr(), 1);
        assert_eq!(batch[0].ulValueLen, UNAVAILABLE);
        answers!(CKR_OK, raw, C_GetAttributeValue, session, key, batch.as_mut_ptr(), 0);
        answers!(CKR_OBJECT_HANDLE_INVALID, raw, C_GetAttributeValue, session, 0, batch.as_mut_ptr(), 1);
        assert_eq!(class, CKO_SECRET_KEY);
    }
}

fn attribute<T>(type_: CK_ATTRIBUTE_TYPE, place: &mut T, len: CK_ULONG) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_, pValue: std::ptr::from_mut(place).cast(), ulValueLen: len }
}

fn key(raw: &Raw, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let template = Attributes::new()
        .bytes(CKA_LABEL, b"batch")
        .bytes(CKA_ID, &[1, 2, 3])
        .flag(CKA_SENSITIVE, true)
        .number(CKA_VALUE_LEN, 32)
        .flag(CKA_ENCRYPT, true);
    token::generate(raw, session, CKM_AES_KEY_GEN, template).unwrap_or_else(|failure| panic!("{failure}"))
}
