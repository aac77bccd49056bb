//! Output of variable length (PKCS#11 v3.2, 5.2), memory at odd addresses, input and output in one place, absurd counts.

#![expect(unsafe_code, reason = "reads and writes at odd addresses")]

use std::ptr::null_mut;

use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with, token};
use cryptoki_sys::*;

use crate::harness::{aes, alone, answers, user};

/// SHA-256 of nothing.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
/// Lengths that nobody has, whatever the pointer.
const ABSURD: [CK_ULONG; 4] = [CK_ULONG::MAX, CK_ULONG::MAX - 15, CK_ULONG::MAX / 2, 1 << 62];

/// Memory at odd addresses.
struct Odd([u8; 512]);

impl Odd {
    fn at<T>(&mut self) -> *mut T {
        let start = self.0.as_mut_ptr();
        if start.addr().is_multiple_of(2) { start.wrapping_add(1).cast() } else { start.cast() }
    }
}

alone! {
    sizes_are_asked_for_and_too_little_room_keeps_the_operation(raw) {
        let session = user(raw);
        let private = ec(raw, session);
        let (mut ecdsa, mut data, mut room, mut len) = (mechanism(CKM_ECDSA), [7_u8; 32], [0xee_u8; 80], 5);
        let (input, output) = (data.as_mut_ptr(), room.as_mut_ptr());
        answers!(CKR_OK, raw, C_SignInit, session, &raw mut ecdsa, private);
        answers!(CKR_OK, raw, C_Sign, session, input, 32, null_mut(), &raw mut len);
        assert_eq!(len, 64);
        for small in [0, 1, 63] {
            len = small;
            answers!(CKR_BUFFER_TOO_SMALL, raw, C_Sign, session, input, 32, output, &raw mut len);
            assert_eq!((len, room), (64, [0xee; 80]));
        }
        len = 80;
        answers!(CKR_OK, raw, C_Sign, session, input, 32, output, &raw mut len);
        assert_eq!(len, 64);
        assert_eq!(room[64..], [0xee; 16], "nothing is written behind the result");
        answers!(CKR_OPERATION_NOT_INITIALIZED, raw, C_Sign, session, input, 32, output, &raw mut len);
    }

    digests_in_one_part_and_in_many(raw) {
        let session = user(raw);
        let (mut sha, mut room, mut len) = (mechanism(CKM_SHA256), [0_u8; 32], 0);
        let output = room.as_mut_ptr();
        answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
        answers!(CKR_OK, raw, C_Digest, session, null_mut(), 0, null_mut(), &raw mut len);
        answers!(CKR_OK, raw, C_Digest, session, null_mut(), 0, output, &raw mut len);
        assert_eq!((len, room), (32, EMPTY), "null with length zero is an empty message");
        room = [0; 32];
        answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
        answers!(CKR_OK, raw, C_DigestUpdate, session, null_mut(), 0);
        len = 31;
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_DigestFinal, session, output, &raw mut len);
        answers!(CKR_OK, raw, C_DigestFinal, session, output, &raw mut len);
        assert_eq!((len, room), (32, EMPTY));
    }

    ciphers_work_in_place(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut iv, mut apart, mut len) = ([3_u8; 16], [0_u8; 48], 48);
        let text = *b"attack at dawn, attack at dawn, attack at dawn!!";
        let mut buffer = text;
        let mut cbc = mechanism_with(CKM_AES_CBC, &mut iv);
        let place = buffer.as_mut_ptr();
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
        answers!(CKR_OK, raw, C_Encrypt, session, place, 48, apart.as_mut_ptr(), &raw mut len);
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
        answers!(CKR_OK, raw, C_Encrypt, session, place, 48, place, &raw mut len);
        assert_eq!(buffer, apart);
        answers!(CKR_OK, raw, C_DecryptInit, session, &raw mut cbc, key);
        answers!(CKR_OK, raw, C_DecryptUpdate, session, place, 48, place, &raw mut len);
        assert_eq!(buffer[..usize::try_from(len).expect("small")], text[..usize::try_from(len).expect("small")]);
        let (done, mut left) = (usize::try_from(len).expect("small"), 48 - len);
        answers!(CKR_OK, raw, C_DecryptFinal, session, place.wrapping_add(done), &raw mut left);
        assert_eq!(buffer, text);
    }

    everything_may_lie_at_odd_addresses(raw) {
        let session = user(raw);
        let private = ec(raw, session);
        let [mut a, mut b, mut c, mut d] = [const { Odd([0; 512]) }; 4];
        let (mech, input, output, len) = (a.at::<CK_MECHANISM>(), b.at::<u8>(), c.at::<u8>(), d.at::<CK_ULONG>());
        // SAFETY: within memory of our own, unaligned on purpose.
        unsafe {
            mech.write_unaligned(mechanism(CKM_ECDSA));
            len.write_unaligned(64);
        }
        answers!(CKR_OK, raw, C_SignInit, session, mech, private);
        answers!(CKR_OK, raw, C_Sign, session, input, 32, output, len);
        // SAFETY: as above.
        assert_eq!(unsafe { len.read_unaligned() }, 64);
        assert_ne!(c.0[..70], [0; 70]);
        let mut number = Odd([0; 512]);
        answers!(CKR_OK, raw, C_GetSlotList, CK_TRUE, null_mut(), number.at());
        answers!(CKR_OK, raw, C_GetSlotList, CK_TRUE, Odd([0; 512]).at(), number.at());
        answers!(CKR_OK, raw, C_GetSessionInfo, session, Odd([0; 512]).at());
        answers!(CKR_OK, raw, C_GetTokenInfo, token::token_slot(raw).expect("a slot"), Odd([0; 512]).at());
        answers!(CKR_OK, raw, C_GetInfo, Odd([0; 512]).at());
        answers!(CKR_OK, raw, C_GenerateRandom, session, Odd([0; 512]).at(), 33);
    }

    templates_may_lie_at_odd_addresses(raw) {
        let session = user(raw);
        let [mut a, mut b, mut c] = [const { Odd([0; 512]) }; 3];
        let (template, handle, value) = (a.at::<CK_ATTRIBUTE>(), b.at::<CK_OBJECT_HANDLE>(), c.at::<CK_ULONG>());
        // SAFETY: within memory of our own, unaligned on purpose.
        unsafe {
            value.write_unaligned(32);
            template.write_unaligned(CK_ATTRIBUTE { type_: CKA_VALUE_LEN, pValue: value.cast(), ulValueLen: 8 });
        }
        let mut generate = mechanism(CKM_AES_KEY_GEN);
        answers!(CKR_OK, raw, C_GenerateKey, session, &raw mut generate, template, 1, handle);
        // SAFETY: as above.
        let key = unsafe {
            value.write_unaligned(0);
            handle.read_unaligned()
        };
        answers!(CKR_OK, raw, C_GetAttributeValue, session, key, template, 1);
        // SAFETY: as above.
        assert_eq!(unsafe { value.read_unaligned() }, 32);
        answers!(CKR_OK, raw, C_FindObjectsInit, session, template, 1);
        answers!(CKR_OK, raw, C_FindObjects, session, handle, 1, value);
        // SAFETY: as above.
        assert_eq!(unsafe { (value.read_unaligned(), handle.read_unaligned()) }, (1, key));
    }

    each_attribute_has_its_own_answer(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut class, mut small, mut secret) = ([0_u8; 16], [0xee_u8; 4], [0_u8; 32]);
        let ask = |kind, value: &mut [u8]| CK_ATTRIBUTE {
            type_: kind,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: length(value),
        };
        let mut template = [
            ask(CKA_CLASS, &mut class),
            CK_ATTRIBUTE { type_: CKA_KEY_TYPE, pValue: null_mut(), ulValueLen: 99 },
            ask(CKA_VALUE_LEN, &mut small),
        ];
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_GetAttributeValue, session, key, template.as_mut_ptr(), 3);
        assert_eq!(template.map(|attribute| attribute.ulValueLen), [8, 8, CK_UNAVAILABLE_INFORMATION]);
        assert_eq!((&class[..8], small), (&CKO_SECRET_KEY.to_ne_bytes()[..], [0xee; 4]));
        let mut template = [ask(CKA_VALUE, &mut secret), ask(CKA_CLASS, &mut class)];
        answers!(CKR_ATTRIBUTE_SENSITIVE, raw, C_GetAttributeValue, session, key, template.as_mut_ptr(), 2);
        assert_eq!(template.map(|attribute| attribute.ulValueLen), [CK_UNAVAILABLE_INFORMATION, 8]);
        assert_eq!(secret, [0; 32]);
        let mut template = [ask(CKA_MODULUS, &mut secret), ask(CKA_CLASS, &mut class)];
        answers!(CKR_ATTRIBUTE_TYPE_INVALID, raw, C_GetAttributeValue, session, key, template.as_mut_ptr(), 2);
        assert_eq!(template.map(|attribute| attribute.ulValueLen), [CK_UNAVAILABLE_INFORMATION, 8]);
    }

    lists_are_asked_for_twice(raw) {
        let session = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        let mut count = 0;
        answers!(CKR_OK, raw, C_GetMechanismList, slot, null_mut(), &raw mut count);
        let all = usize::try_from(count).expect("few");
        assert!(all > 30);
        let mut list = vec![0; all];
        count -= 1;
        answers!(CKR_BUFFER_TOO_SMALL, raw, C_GetMechanismList, slot, list.as_mut_ptr(), &raw mut count);
        assert_eq!((count, list[0]), (length(&list), 0));
        answers!(CKR_OK, raw, C_GetMechanismList, slot, list.as_mut_ptr(), &raw mut count);
        for kind in list {
            let mut info = CK_MECHANISM_INFO::default();
            answers!(CKR_OK, raw, C_GetMechanismInfo, slot, kind, &raw mut info);
            assert_ne!(info.flags & !CKF_HW, 0, "{kind:#x} can do something");
        }
        answers!(CKR_OK, raw, C_CloseSession, session);
    }

    lengths_that_nobody_has(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut byte, mut handle, mut len) = ([0_u8; 64], 0, 64);
        let data = byte.as_mut_ptr();
        let (mut sha, mut generate) = (mechanism(CKM_SHA256), mechanism(CKM_AES_KEY_GEN));
        let mut template = [CK_ATTRIBUTE { type_: CKA_LABEL, pValue: data.cast(), ulValueLen: 1 }];
        let list = template.as_mut_ptr();
        for absurd in ABSURD {
            answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
            answers!(CKR_ARGUMENTS_BAD, raw, C_Digest, session, data, absurd, data, &raw mut len);
            answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
            answers!(CKR_ARGUMENTS_BAD, raw, C_DigestUpdate, session, data, absurd);
            answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
            len = absurd;
            answers!(CKR_ARGUMENTS_BAD, raw, C_Digest, session, data, 1, data, &raw mut len);
            len = 64;
            answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateRandom, session, data, absurd);
            answers!(CKR_ARGUMENTS_BAD, raw, C_SeedRandom, session, data, absurd);
            answers!(CKR_ARGUMENTS_BAD, raw, C_FindObjectsInit, session, list, absurd);
            answers!(CKR_ARGUMENTS_BAD, raw, C_CreateObject, session, list, absurd, &raw mut handle);
            answers!(CKR_ARGUMENTS_BAD, raw, C_SetAttributeValue, session, key, list, absurd);
            answers!(CKR_ARGUMENTS_BAD, raw, C_GetAttributeValue, session, key, list, absurd);
            answers!(CKR_ARGUMENTS_BAD, raw, C_GenerateKey, session, &raw mut generate, list, absurd, &raw mut handle);
            answers!(CKR_OK, raw, C_FindObjectsInit, session, null_mut(), 0);
            answers!(CKR_ARGUMENTS_BAD, raw, C_FindObjects, session, &raw mut handle, absurd, &raw mut len);
            answers!(CKR_OK, raw, C_FindObjectsFinal, session);
            len = 64;
            let mut long = [CK_ATTRIBUTE { ulValueLen: absurd, ..template[0] }];
            let long = long.as_mut_ptr();
            answers!(CKR_ATTRIBUTE_VALUE_INVALID, raw, C_CreateObject, session, long, 1, &raw mut handle);
        }
        answers!(CKR_ARGUMENTS_BAD, raw, C_FindObjectsInit, session, list, 5000);
    }
}

/// A session P-256 private key.
fn ec(raw: &Raw, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let public = Attributes::new().bytes(CKA_EC_PARAMS, token::OID_P256).flag(CKA_VERIFY, true);
    let private = Attributes::new().flag(CKA_SENSITIVE, true).flag(CKA_SIGN, true);
    let pair = token::generate_pair(raw, session, CKM_EC_KEY_PAIR_GEN, public, private);
    pair.unwrap_or_else(|failure| panic!("{failure}")).1
}
