//! `CKO_PROFILE` and `CKO_MECHANISM`; and, for each profile that the token claims, the mandatory test case of the OASIS
//! profiles document (Cryptographic Token Interface Profiles v3.2, 5), call by call, with values of our own where the test
//! case has those of a token of OASIS.

use std::ptr::null_mut;

use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with, token};
use conformance::{TOKEN_LABEL, USER_PIN};
use cryptoki_sys::*;

use crate::harness::{alone, answers, answers_3_2, create, initialize, user};

alone! {
    the_profiles_that_are_claimed(raw) {
        assert_eq!(initialize(raw), CKR_OK);
        token::make_token(raw).expect("a token");
        // Without a login, by everybody.
        let session = token::open(raw, token::token_slot(raw).expect("a slot")).expect("a session");
        let found = find(raw, session, Attributes::new().number(CKA_CLASS, CKO_PROFILE));
        let claimed: Vec<_> = found.iter().map(|profile| number(raw, session, *profile, CKA_PROFILE_ID)).collect();
        let expected =
            [CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER, CKP_AUTHENTICATION_TOKEN, CKP_HKDF_TLS_TOKEN];
        assert_eq!(claimed, expected);
        for profile in &found {
            let mut template = Attributes::new().flag(CKA_PRIVATE, false);
            let (mut list, mut copy) = (template.list(), 0);
            answers!(CKR_ACTION_PROHIBITED, raw, C_DestroyObject, session, *profile);
            let list = list.as_mut_ptr();
            answers!(CKR_ACTION_PROHIBITED, raw, C_CopyObject, session, *profile, list, 1, &raw mut copy);
            answers!(CKR_ACTION_PROHIBITED, raw, C_SetAttributeValue, session, *profile, list, 1);
        }
        let wanted = Attributes::new().flag(CKA_TOKEN, true).number(CKA_PROFILE_ID, CKP_EXTENDED_PROVIDER);
        assert_eq!(find(raw, session, wanted), [found[1]]);
        assert!(find(raw, session, Attributes::new().number(CKA_CLASS, CKO_VALIDATION)).is_empty());
        assert!(find(raw, session, Attributes::new().number(CKA_CLASS, CKO_HW_FEATURE)).is_empty());
    }

    nobody_makes_a_fact(raw) {
        let session = user(raw);
        for class in [CKO_PROFILE, CKO_MECHANISM, CKO_VALIDATION, CKO_HW_FEATURE] {
            let mut template = Attributes::new().number(CKA_CLASS, class);
            let (mut list, mut object) = (template.list(), 0);
            let rv = conformance::call!(raw, C_CreateObject, session, list.as_mut_ptr(), 1, &raw mut object);
            assert_eq!(rv, CKR_ATTRIBUTE_VALUE_INVALID, "{class:#x}");
        }
    }

    /// 4.14: they are found by those only who ask for the class.
    a_mechanism_object_for_each_mechanism(raw) {
        let session = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        let found = find(raw, session, Attributes::new().number(CKA_CLASS, CKO_MECHANISM));
        let kinds: Vec<_> = found.iter().map(|object| number(raw, session, *object, CKA_MECHANISM_TYPE)).collect();
        assert_eq!(kinds, mechanisms(raw, slot));
        let everything = find(raw, session, Attributes::new());
        assert!(found.iter().all(|object| !everything.contains(object)));
        assert!(find(raw, session, Attributes::new().number(CKA_MECHANISM_TYPE, kinds[0])).is_empty());
        let wanted = Attributes::new().number(CKA_CLASS, CKO_MECHANISM).number(CKA_MECHANISM_TYPE, CKM_ECDSA);
        assert_eq!(find(raw, session, wanted).len(), 1);
    }

    baseline_provider_bl_m_1(raw) {
        let slot = begin(raw);
        slot_and_token(raw, slot);
        let session = open(raw, slot, CKF_SERIAL_SESSION);
        find_one(raw, session);
        end(raw, slot, session);
    }

    extended_provider_ext_m_1(raw) {
        let slot = begin(raw);
        slot_and_token(raw, slot);
        let listed = mechanisms(raw, slot);
        for kind in [CKM_SHA512, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS] {
            assert!(listed.contains(&kind));
        }
        for (kind, flags) in [
            (CKM_SHA512, CKF_DIGEST),
            (CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
            (CKM_RSA_PKCS, CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY | CKF_WRAP | CKF_UNWRAP),
        ] {
            let mut info = CK_MECHANISM_INFO::default();
            answers!(CKR_OK, raw, C_GetMechanismInfo, slot, kind, &raw mut info);
            assert_eq!(info.flags & flags, flags, "{kind:#x}");
        }
        let session = open(raw, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION);
        token::login(raw, session).expect("C_Login");
        find_one(raw, session);
        answers!(CKR_OK, raw, C_Logout, session);
        // The profile has C_LoginUser, too.
        let mut pin = USER_PIN.as_bytes().to_vec();
        let at = pin.as_mut_ptr();
        answers_3_2!(CKR_OK, raw, C_LoginUser, session, CKU_USER, at, length(&pin), null_mut(), 0);
        answers!(CKR_OK, raw, C_Logout, session);
        end(raw, slot, session);
    }

    authentication_token_auth_m_1(raw) {
        let slot = begin(raw);
        let session = open(raw, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION);
        token::login(raw, session).expect("C_Login");
        let public = Attributes::new()
            .flag(CKA_TOKEN, true)
            .bytes(CKA_LABEL, b"testrsa-pub")
            .number(CKA_MODULUS_BITS, 2048)
            .bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1])
            .flag(CKA_VERIFY, true);
        let private =
            Attributes::new().flag(CKA_TOKEN, true).bytes(CKA_LABEL, b"testrsa-pri").flag(CKA_SIGN, true);
        token::generate_pair(raw, session, CKM_RSA_PKCS_KEY_PAIR_GEN, public, private).expect("a pair");
        let named = |label: &[u8], class| {
            Attributes::new().flag(CKA_TOKEN, true).bytes(CKA_LABEL, label).number(CKA_CLASS, class)
        };
        let public = find(raw, session, named(b"testrsa-pub", CKO_PUBLIC_KEY))[0];
        let (mut modulus, mut exponent) = ([0_u8; 1024], [0_u8; 1024]);
        let attribute = |type_, value: &mut [u8; 1024]| CK_ATTRIBUTE {
            type_,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: 1024,
        };
        let mut template = [attribute(CKA_MODULUS, &mut modulus), attribute(CKA_PUBLIC_EXPONENT, &mut exponent)];
        answers!(CKR_OK, raw, C_GetAttributeValue, session, public, template.as_mut_ptr(), 2);
        assert_eq!((template[0].ulValueLen, template[1].ulValueLen), (256, 3));
        let private = find(raw, session, named(b"testrsa-pri", CKO_PRIVATE_KEY))[0];
        let mut rsa = mechanism(CKM_SHA256_RSA_PKCS);
        let (mut data, mut signature, mut len) = ([7_u8; 391], [0_u8; 256], 256);
        answers!(CKR_OK, raw, C_SignInit, session, &raw mut rsa, private);
        let at = signature.as_mut_ptr();
        answers!(CKR_OK, raw, C_Sign, session, data.as_mut_ptr(), 391, at, &raw mut len);
        answers!(CKR_OK, raw, C_VerifyInit, session, &raw mut rsa, public);
        answers!(CKR_OK, raw, C_Verify, session, data.as_mut_ptr(), 391, at, len);
        answers!(CKR_OK, raw, C_Logout, session);
        end(raw, slot, session);
    }

    /// It has no test case; the profile names two values of `pInfo` that must be taken.
    hkdf_tls_token(raw) {
        let session = user(raw);
        let base = create(
            raw,
            session,
            Attributes::new()
                .number(CKA_CLASS, CKO_SECRET_KEY)
                .number(CKA_KEY_TYPE, CKK_HKDF)
                .bytes(CKA_VALUE, &[9; 32])
                .flag(CKA_DERIVE, true),
        );
        for (label, len) in [(&b"tls iv"[..], 12_u16), (b"tls quic iv", 12)] {
            let mut info = [&len.to_be_bytes()[..], label, &[0]].concat();
            let mut params = CK_HKDF_PARAMS {
                bExtract: CK_FALSE,
                bExpand: CK_TRUE,
                prfHashMechanism: CKM_SHA256,
                ulSaltType: CKF_HKDF_SALT_NULL,
                pSalt: null_mut(),
                ulSaltLen: 0,
                hSaltKey: 0,
                pInfo: info.as_mut_ptr(),
                ulInfoLen: length(&info),
            };
            let mut hkdf = mechanism_with(CKM_HKDF_DATA, &mut params);
            let mut template = Attributes::new().number(CKA_CLASS, CKO_DATA).number(CKA_VALUE_LEN, len.into());
            let (mut list, mut data) = (template.list(), 0);
            let count = length(&list);
            answers!(CKR_OK, raw, C_DeriveKey, session, &raw mut hkdf, base, list.as_mut_ptr(), count, &raw mut data);
            let mut value = [0_u8; 64];
            let at = value.as_mut_ptr().cast();
            let mut attribute = CK_ATTRIBUTE { type_: CKA_VALUE, pValue: at, ulValueLen: 64 };
            answers!(CKR_OK, raw, C_GetAttributeValue, session, data, &raw mut attribute, 1);
            assert_eq!(attribute.ulValueLen, u64::from(len));
        }
    }
}

/// `C_Initialize`, `C_GetInfo`, `C_GetSlotList`.
fn begin(raw: &Raw) -> CK_SLOT_ID {
    assert_eq!(initialize(raw), CKR_OK);
    token::make_token(raw).expect("a token");
    let mut info = CK_INFO::default();
    answers!(CKR_OK, raw, C_GetInfo, &raw mut info);
    assert_eq!((info.cryptokiVersion.major, info.cryptokiVersion.minor, info.flags), (3, 2, 0));
    let mut count = 0;
    answers!(CKR_OK, raw, C_GetSlotList, CK_TRUE, null_mut(), &raw mut count);
    assert!(count > 0);
    token::token_slot(raw).expect("C_GetSlotList")
}

fn slot_and_token(raw: &Raw, slot: CK_SLOT_ID) {
    let (mut info, mut token) = (CK_SLOT_INFO::default(), CK_TOKEN_INFO::default());
    answers!(CKR_OK, raw, C_GetSlotInfo, slot, &raw mut info);
    assert_ne!(info.flags & CKF_TOKEN_PRESENT, 0);
    answers!(CKR_OK, raw, C_GetTokenInfo, slot, &raw mut token);
    assert!(token.label.starts_with(TOKEN_LABEL.as_bytes()));
    let flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;
    assert_eq!(token.flags & flags, flags);
}

fn open(raw: &Raw, slot: CK_SLOT_ID, flags: CK_FLAGS) -> CK_SESSION_HANDLE {
    let mut session = 0;
    answers!(CKR_OK, raw, C_OpenSession, slot, flags, null_mut(), None, &raw mut session);
    session
}

/// A search for token objects that takes one of them.
fn find_one(raw: &Raw, session: CK_SESSION_HANDLE) {
    let mut template = Attributes::new().flag(CKA_TOKEN, true);
    let (mut list, mut found, mut count) = (template.list(), 0, 0);
    answers!(CKR_OK, raw, C_FindObjectsInit, session, list.as_mut_ptr(), 1);
    answers!(CKR_OK, raw, C_FindObjects, session, &raw mut found, 1, &raw mut count);
    answers!(CKR_OK, raw, C_FindObjectsFinal, session);
}

fn end(raw: &Raw, slot: CK_SLOT_ID, session: CK_SESSION_HANDLE) {
    answers!(CKR_OK, raw, C_CloseSession, session);
    answers!(CKR_OK, raw, C_CloseAllSessions, slot);
    answers!(CKR_OK, raw, C_Finalize, null_mut());
}

/// All objects that match.
fn find(raw: &Raw, session: CK_SESSION_HANDLE, mut template: Attributes) -> Vec<CK_OBJECT_HANDLE> {
    let (mut list, mut found, mut count) = (template.list(), vec![0; 1000], 0);
    answers!(CKR_OK, raw, C_FindObjectsInit, session, list.as_mut_ptr(), length(&list));
    answers!(CKR_OK, raw, C_FindObjects, session, found.as_mut_ptr(), 1000, &raw mut count);
    answers!(CKR_OK, raw, C_FindObjectsFinal, session);
    found.truncate(usize::try_from(count).expect("few objects"));
    found
}

/// An attribute that is a `CK_ULONG`.
fn number(raw: &Raw, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, type_: CK_ATTRIBUTE_TYPE) -> CK_ULONG {
    let mut value = 0_u64;
    let at = std::ptr::from_mut(&mut value).cast();
    let mut attribute = CK_ATTRIBUTE { type_, pValue: at, ulValueLen: 8 };
    answers!(CKR_OK, raw, C_GetAttributeValue, session, object, &raw mut attribute, 1);
    value
}

fn mechanisms(raw: &Raw, slot: CK_SLOT_ID) -> Vec<CK_MECHANISM_TYPE> {
    let (mut list, mut count) = (vec![0; 1000], 1000);
    answers!(CKR_OK, raw, C_GetMechanismList, slot, list.as_mut_ptr(), &raw mut count);
    list.truncate(usize::try_from(count).expect("few mechanisms"));
    list
}
