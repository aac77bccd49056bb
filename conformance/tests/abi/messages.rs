//! Null pointers, absurd lengths and wrong structures in the message functions (PKCS#11 v3.2, 5.9, 5.11, 5.14, 5.16): each is
//! its code, ends the message that it is in, and leaves the process of messages alive.

use std::ptr::null_mut;

use conformance::raw::token::{OID_P256, generate_pair};
use conformance::raw::{Attributes, mechanism};
use cryptoki_sys::*;

use crate::harness::{aes, alone, answers_3_2, user};

/// A parameter whose IV the token draws.
struct Params {
    iv: [u8; 12],
    tag: [u8; 16],
}

impl Params {
    fn message(&mut self) -> CK_GCM_MESSAGE_PARAMS {
        CK_GCM_MESSAGE_PARAMS {
            pIv: self.iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvFixedBits: 0,
            ivGenerator: CKG_GENERATE_RANDOM,
            pTag: self.tag.as_mut_ptr(),
            ulTagBits: 128,
        }
    }
}

const SIZE: CK_ULONG = size_of::<CK_GCM_MESSAGE_PARAMS>() as CK_ULONG;
/// Lengths that no memory has.
const ABSURD: [CK_ULONG; 3] = [CK_ULONG::MAX, 1 << 63, (1 << 63) - 1];

alone! {
    of_encrypted_messages(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut gcm, mut params) = (mechanism(CKM_AES_GCM), Params { iv: [0; 12], tag: [0; 16] });
        let mut message = params.message();
        let (good, mut data, mut len) = ((&raw mut message).cast(), [0_u8; 64], 64);
        let (at, out) = (data.as_mut_ptr(), &raw mut len);
        let none = null_mut();
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptMessage, session, good, SIZE, none, 0, at, 16, at, out);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptMessageBegin, session, good, SIZE, none, 0);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptMessageNext, session, good, SIZE, at, 1, at, out, 0);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_MessageEncryptFinal, session);
        answers_3_2!(CKR_KEY_HANDLE_INVALID, raw, C_MessageEncryptInit, session, &raw mut gcm, key + 100);
        answers_3_2!(CKR_OK, raw, C_MessageEncryptInit, session, &raw mut gcm, key);
        answers_3_2!(CKR_OPERATION_ACTIVE, raw, C_MessageEncryptInit, session, &raw mut gcm, key);

        // The structure, and its pointers.
        for size in [0, 1, SIZE - 1, SIZE + 1, CK_ULONG::MAX] {
            answers_3_2!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptMessage, session, good, size, none, 0, at, 16, at, out);
        }
        answers_3_2!(
            CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptMessage, session, null_mut(), SIZE, none, 0, at, 16, at, out
        );
        let spoils: [fn(&mut CK_GCM_MESSAGE_PARAMS); 8] = [
            |message| message.pIv = null_mut(),
            |message| message.pTag = null_mut(),
            |message| message.ulIvLen = CK_ULONG::MAX,
            |message| message.ulIvLen = 0,
            |message| message.ulTagBits = CK_ULONG::MAX,
            |message| message.ulTagBits = 7,
            |message| message.ulIvFixedBits = CK_ULONG::MAX,
            |message| message.ivGenerator = CK_ULONG::MAX,
        ];
        for spoil in spoils {
            let mut bad = params.message();
            spoil(&mut bad);
            let bad = (&raw mut bad).cast();
            answers_3_2!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptMessage, session, bad, SIZE, none, 0, at, 16, at, out);
        }
        // Lengths.
        for absurd in ABSURD {
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncryptMessage, session, good, SIZE, at, absurd, at, 16, at, out);
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncryptMessage, session, good, SIZE, none, 0, at, absurd, at, out);
        }
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncryptMessage, session, good, SIZE, none, 1, at, 16, at, out);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncryptMessage, session, good, SIZE, none, 0, none, 16, at, out);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncryptMessage, session, good, SIZE, none, 0, at, 16, at, null_mut());
        // In parts: flags that do not exist end the message, not the process.
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptMessageNext, session, good, SIZE, at, 16, at, out, 0);
        answers_3_2!(CKR_OK, raw, C_EncryptMessageBegin, session, good, SIZE, none, 0);
        answers_3_2!(CKR_OPERATION_ACTIVE, raw, C_EncryptMessage, session, good, SIZE, none, 0, at, 16, at, out);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_EncryptMessageNext, session, good, SIZE, at, 16, at, out, 2);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_EncryptMessageNext, session, good, SIZE, at, 16, at, out, 0);
        // Input and output are one memory; the place is odd.
        let odd = at.wrapping_add(1);
        len = 63;
        answers_3_2!(CKR_OK, raw, C_EncryptMessage, session, good, SIZE, odd, 3, odd, 16, odd, out);
        assert_eq!(len, 16);
        answers_3_2!(CKR_OK, raw, C_MessageEncryptFinal, session);
    }

    of_decrypted_messages(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let (mut gcm, mut params) = (mechanism(CKM_AES_GCM), Params { iv: [0; 12], tag: [0; 16] });
        let mut message = params.message();
        message.ivGenerator = CKG_NO_GENERATE;
        let (good, mut data, mut len) = ((&raw mut message).cast(), [0_u8; 64], 64);
        let (at, out) = (data.as_mut_ptr(), &raw mut len);
        let none = null_mut();
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DecryptMessage, session, good, SIZE, none, 0, at, 16, at, out);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_DecryptMessageBegin, session, good, SIZE, none, 0);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_MessageDecryptFinal, session);
        answers_3_2!(CKR_OK, raw, C_MessageDecryptInit, session, &raw mut gcm, key);
        for size in [0, 1, SIZE - 1, SIZE + 1, CK_ULONG::MAX] {
            answers_3_2!(CKR_MECHANISM_PARAM_INVALID, raw, C_DecryptMessage, session, good, size, none, 0, at, 16, at, out);
        }
        for absurd in ABSURD {
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecryptMessage, session, good, SIZE, at, absurd, at, 16, at, out);
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecryptMessage, session, good, SIZE, none, 0, at, absurd, at, out);
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecryptMessageBegin, session, good, SIZE, at, absurd);
        }
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecryptMessage, session, good, SIZE, none, 0, none, 16, at, out);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_DecryptMessage, session, good, SIZE, none, 0, at, 16, at, null_mut());
        // A bad tag gives nothing out.
        answers_3_2!(CKR_AEAD_DECRYPT_FAILED, raw, C_DecryptMessage, session, good, SIZE, none, 0, at, 16, at, out);
        assert_eq!(data, [0; 64]);
        answers_3_2!(CKR_OK, raw, C_DecryptMessageBegin, session, good, SIZE, none, 0);
        answers_3_2!(CKR_OK, raw, C_DecryptMessageNext, session, good, SIZE, at, 16, at, out, 0);
        assert_eq!(len, 0);
        len = 64;
        answers_3_2!(
            CKR_AEAD_DECRYPT_FAILED, raw, C_DecryptMessageNext, session, good, SIZE, at, 16, at, out, CKF_END_OF_MESSAGE
        );
        assert_eq!(len, 64);
        answers_3_2!(CKR_OK, raw, C_MessageDecryptFinal, session);
    }

    of_signed_messages(raw) {
        let session = user(raw);
        let curve = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256);
        let (public, private) =
            generate_pair(raw, session, CKM_EC_KEY_PAIR_GEN, curve, Attributes::new()).expect("a pair");
        let (mut ecdsa, mut data, mut len) = (mechanism(CKM_ECDSA_SHA256), [0_u8; 64], 64);
        let (at, out, none) = (data.as_mut_ptr(), &raw mut len, null_mut::<u8>());
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_SignMessage, session, none.cast(), 0, at, 1, at, out);
        answers_3_2!(CKR_OPERATION_NOT_INITIALIZED, raw, C_VerifyMessage, session, none.cast(), 0, at, 1, at, 64);
        answers_3_2!(CKR_OK, raw, C_MessageSignInit, session, &raw mut ecdsa, private);
        answers_3_2!(CKR_OK, raw, C_MessageVerifyInit, session, &raw mut ecdsa, public);
        for absurd in ABSURD {
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_SignMessage, session, none.cast(), 0, at, absurd, at, out);
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_VerifyMessage, session, none.cast(), 0, at, absurd, at, 64);
            answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_VerifyMessage, session, none.cast(), 0, at, 1, at, absurd);
        }
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_SignMessage, session, none.cast(), 0, none, 1, at, out);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_SignMessage, session, none.cast(), 0, at, 1, at, null_mut());
        answers_3_2!(CKR_MECHANISM_PARAM_INVALID, raw, C_SignMessage, session, at.cast(), 1, at, 1, at, out);
        answers_3_2!(CKR_ARGUMENTS_BAD, raw, C_VerifyMessage, session, none.cast(), 0, none, 1, at, 64);
        // The processes are alive.
        answers_3_2!(CKR_OK, raw, C_SignMessage, session, none.cast(), 0, at, 32, at, out);
        answers_3_2!(CKR_OK, raw, C_VerifyMessage, session, none.cast(), 0, [0_u8; 32].as_mut_ptr(), 32, at, len);
        answers_3_2!(CKR_OK, raw, C_MessageSignFinal, session);
        answers_3_2!(CKR_OK, raw, C_MessageVerifyFinal, session);
    }
}
