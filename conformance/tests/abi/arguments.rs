//! `CK_C_INITIALIZE_ARGS`, mechanism parameters that are cut off, templates with what nobody knows.

#![expect(unsafe_code, reason = "callbacks that are never called")]

use std::ffi::c_void;
use std::ptr::null_mut;

use conformance::raw::{Attributes, length, mechanism, token};
use cryptoki_sys::*;

use crate::harness::{aes, alone, answers, user};

unsafe extern "C" fn create(_: *mut *mut c_void) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn touch(_: *mut c_void) -> CK_RV {
    CKR_OK
}

fn with_callbacks(flags: CK_FLAGS) -> CK_C_INITIALIZE_ARGS {
    CK_C_INITIALIZE_ARGS {
        CreateMutex: Some(create),
        DestroyMutex: Some(touch),
        LockMutex: Some(touch),
        UnlockMutex: Some(touch),
        flags,
        pReserved: null_mut(),
    }
}

alone! {
    initialize_without_arguments(raw) {
        answers!(CKR_OK, raw, C_Initialize, null_mut());
        answers!(CKR_CRYPTOKI_ALREADY_INITIALIZED, raw, C_Initialize, null_mut());
        answers!(CKR_OK, raw, C_Finalize, null_mut());
        answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_Finalize, null_mut());
        answers!(CKR_OK, raw, C_Initialize, null_mut());
    }

    initialize_with_each_kind_of_locking(raw) {
        let can = [
            CK_C_INITIALIZE_ARGS::default(),
            CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..CK_C_INITIALIZE_ARGS::default() },
            CK_C_INITIALIZE_ARGS { flags: CKF_LIBRARY_CANT_CREATE_OS_THREADS, ..CK_C_INITIALIZE_ARGS::default() },
            with_callbacks(CKF_OS_LOCKING_OK),
        ];
        for mut arguments in can {
            answers!(CKR_OK, raw, C_Initialize, std::ptr::from_mut(&mut arguments).cast());
            answers!(CKR_OK, raw, C_Finalize, null_mut());
        }
        let mut insists = with_callbacks(0);
        answers!(CKR_CANT_LOCK, raw, C_Initialize, std::ptr::from_mut(&mut insists).cast());
        answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_Finalize, null_mut());
    }

    initialize_with_some_callbacks_or_something_reserved(raw) {
        let all = with_callbacks(CKF_OS_LOCKING_OK);
        let mut something = 0_u64;
        let wrong = [
            CK_C_INITIALIZE_ARGS { CreateMutex: None, ..all },
            CK_C_INITIALIZE_ARGS { UnlockMutex: None, LockMutex: None, ..all },
            CK_C_INITIALIZE_ARGS { CreateMutex: Some(create), ..CK_C_INITIALIZE_ARGS::default() },
            CK_C_INITIALIZE_ARGS { pReserved: std::ptr::from_mut(&mut something).cast(), ..CK_C_INITIALIZE_ARGS::default() },
        ];
        for mut arguments in wrong {
            answers!(CKR_ARGUMENTS_BAD, raw, C_Initialize, std::ptr::from_mut(&mut arguments).cast());
        }
        answers!(CKR_OK, raw, C_Initialize, null_mut());
    }

    initialize_arguments_may_lie_at_odd_addresses(raw) {
        let mut memory = [0_u8; 128];
        let start = memory.as_mut_ptr();
        let odd = if start.addr().is_multiple_of(2) { start.wrapping_add(1) } else { start };
        answers!(CKR_OK, raw, C_Initialize, odd.cast());
    }

    parameters_that_are_cut_off_or_missing(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let mut memory = [0_u64; 16];
        let data: *mut c_void = memory.as_mut_ptr().cast();
        let with = |kind, len| CK_MECHANISM { mechanism: kind, pParameter: data, ulParameterLen: len };
        for (kind, size) in [(CKM_AES_CBC, 16), (CKM_AES_CBC_PAD, 16), (CKM_AES_GCM, size_of::<CK_GCM_PARAMS>())] {
            for len in [0, 1, size - 1, size + 1, usize::MAX] {
                let mut cut = with(kind, len as CK_ULONG);
                answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptInit, session, &raw mut cut, key);
                answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_DecryptInit, session, &raw mut cut, key);
            }
            let mut missing = CK_MECHANISM { mechanism: kind, pParameter: null_mut(), ulParameterLen: size as CK_ULONG };
            answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptInit, session, &raw mut missing, key);
            let mut missing = mechanism(kind);
            answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptInit, session, &raw mut missing, key);
        }
        for kind in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS] {
            for len in [0, size_of::<CK_RSA_PKCS_PSS_PARAMS>() - 1] {
                let mut cut = with(kind, len as CK_ULONG);
                answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_SignInit, session, &raw mut cut, key);
                answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_VerifyInit, session, &raw mut cut, key);
            }
        }
        let mut oaep = with(CKM_RSA_PKCS_OAEP, 39);
        answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptInit, session, &raw mut oaep, key);
        let mut new = 0;
        for (kind, size) in [(CKM_ECDH1_DERIVE, 40), (CKM_HKDF_DERIVE, 64)] {
            let mut cut = with(kind, size - 1);
            answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_DeriveKey, session, &raw mut cut, key, null_mut(), 0, &raw mut new);
        }
        let mut needless = with(CKM_SHA256, 4);
        answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_DigestInit, session, &raw mut needless);
        assert_eq!(new, 0);
    }

    pointers_in_parameters(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let mut iv = [1_u8; 12];
        let good = CK_GCM_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvBits: 96,
            pAAD: null_mut(),
            ulAADLen: 0,
            ulTagBits: 128,
        };
        for bad in [
            CK_GCM_PARAMS { pIv: null_mut(), ..good },
            CK_GCM_PARAMS { ulAADLen: 3, ..good },
            CK_GCM_PARAMS { ulIvLen: CK_ULONG::MAX, ..good },
            CK_GCM_PARAMS { pAAD: iv.as_mut_ptr(), ulAADLen: CK_ULONG::MAX / 2, ..good },
            CK_GCM_PARAMS { ulTagBits: CK_ULONG::MAX, ..good },
        ] {
            let mut bad = bad;
            let mut gcm = conformance::raw::mechanism_with(CKM_AES_GCM, &mut bad);
            answers!(CKR_MECHANISM_PARAM_INVALID, raw, C_EncryptInit, session, &raw mut gcm, key);
        }
        // The structure as the text of v2.40 printed it, without ulIvBits.
        let mut old: [u64; 5] = [iv.as_mut_ptr().addr() as u64, 12, 0, 0, 128];
        let mut new = good;
        let mut gcm = conformance::raw::mechanism_with(CKM_AES_GCM, &mut old);
        let (mut data, mut sealed, mut len) = (*b"sixteen bytes...", [0_u8; 32], 32);
        answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut gcm, key);
        answers!(CKR_OK, raw, C_Encrypt, session, data.as_mut_ptr(), 16, sealed.as_mut_ptr(), &raw mut len);
        assert_eq!(len, 32);
        gcm = conformance::raw::mechanism_with(CKM_AES_GCM, &mut new);
        data.fill(0);
        len = 16;
        answers!(CKR_OK, raw, C_DecryptInit, session, &raw mut gcm, key);
        answers!(CKR_OK, raw, C_Decrypt, session, sealed.as_mut_ptr(), 32, data.as_mut_ptr(), &raw mut len);
        assert_eq!((len, &data), (16, b"sixteen bytes..."), "both layouts say the same");
    }

    mechanisms_that_nobody_knows(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let mut info = CK_MECHANISM_INFO::default();
        let mut new = 0;
        for kind in [CK_ULONG::MAX, CKM_VENDOR_DEFINED | 0x1234_5678, CKM_MD5] {
            let mut unknown = mechanism(kind);
            answers!(CKR_MECHANISM_INVALID, raw, C_GetMechanismInfo, 0, kind, &raw mut info);
            answers!(CKR_MECHANISM_INVALID, raw, C_DigestInit, session, &raw mut unknown);
            answers!(CKR_MECHANISM_INVALID, raw, C_SignInit, session, &raw mut unknown, key);
            answers!(CKR_MECHANISM_INVALID, raw, C_EncryptInit, session, &raw mut unknown, key);
            answers!(CKR_MECHANISM_INVALID, raw, C_GenerateKey, session, &raw mut unknown, null_mut(), 0, &raw mut new);
        }
        // Known, and not for this.
        let mut sha = mechanism(CKM_SHA256);
        answers!(CKR_MECHANISM_INVALID, raw, C_SignInit, session, &raw mut sha, key);
    }

    attributes_that_nobody_knows(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        let mut object = 0;
        let data = || Attributes::new().number(CKA_CLASS, CKO_DATA).bytes(CKA_VALUE, b"value");
        for kind in [CKA_VENDOR_DEFINED | 0x0123_4567, 0x7777, CK_ULONG::MAX] {
            let mut template = data().bytes(kind, b"what");
            let mut list = template.list();
            answers!(CKR_ATTRIBUTE_TYPE_INVALID, raw, C_CreateObject, session, list.as_mut_ptr(), 3, &raw mut object);
            let mut asked = [CK_ATTRIBUTE { type_: kind, pValue: null_mut(), ulValueLen: 0 }];
            answers!(CKR_ATTRIBUTE_TYPE_INVALID, raw, C_GetAttributeValue, session, key, asked.as_mut_ptr(), 1);
            assert_eq!(asked[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
        }
        for wrong in [
            data().bytes(CKA_TOKEN, &[0, 0]),
            data().bytes(CKA_PRIVATE, &[]),
            data().bytes(CKA_TOKEN, &[2]),
            Attributes::new().bytes(CKA_CLASS, &[0; 4]),
        ] {
            let mut wrong = wrong;
            let mut list = wrong.list();
            let count = length(&list);
            answers!(CKR_ATTRIBUTE_VALUE_INVALID, raw, C_CreateObject, session, list.as_mut_ptr(), count, &raw mut object);
        }
        assert_eq!(object, 0);
    }

    pins_of_absurd_length(raw) {
        let session = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        let (mut pin, mut new) = (conformance::USER_PIN.as_bytes().to_vec(), vec![b'x'; 100_000]);
        let (old, len) = (pin.as_mut_ptr(), length(&pin));
        for absurd in [3, 256, 5000, 100_000] {
            answers!(CKR_PIN_LEN_RANGE, raw, C_SetPIN, session, old, len, new.as_mut_ptr(), absurd);
        }
        for absurd in [CK_ULONG::MAX, CK_ULONG::MAX / 2] {
            answers!(CKR_PIN_LEN_RANGE, raw, C_SetPIN, session, old, len, new.as_mut_ptr(), absurd);
        }
        answers!(CKR_SESSION_EXISTS, raw, C_InitToken, slot, old, len, [b' '; 32].as_mut_ptr());
        answers!(CKR_OK, raw, C_Logout, session);
        answers!(CKR_PIN_INCORRECT, raw, C_Login, session, CKU_USER, new.as_mut_ptr(), 5000);
        answers!(CKR_USER_TYPE_INVALID, raw, C_Login, session, 17, old, len);
        answers!(CKR_OK, raw, C_Login, session, CKU_USER, old, len);
    }
}
