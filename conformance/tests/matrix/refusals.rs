//! What a mechanism does not claim, each function refuses with `CKR_MECHANISM_INVALID`, whatever the key.

use conformance::raw::{Attributes, length};
use conformance::{call, call_3_2};
use cryptoki_sys::*;

use crate::cases::{self, Case};
use crate::keys::{self, Base, Home, Pair};
use crate::{Bench, Policy};

/// A flag, the permission that its key needs, and the call.
type Attempt = (CK_FLAGS, CK_ATTRIBUTE_TYPE, fn(&Bench, &mut CK_MECHANISM, Pair) -> CK_RV);

/// Tells what is not refused.
pub(crate) fn unclaimed(bench: &Bench, case: &Case, info: &CK_MECHANISM_INFO) -> Vec<String> {
    let home = if bench.policy == Policy::Strict || info.flags & CKF_HW != 0 { Home::Hsm } else { Home::Sealed };
    let mut failures = Vec::new();
    for (flag, permission, attempt) in ATTEMPTS.iter().filter(|(flag, ..)| info.flags & flag == 0) {
        let len = case.lengths[usize::from(home == Home::Sealed)].first().copied().unwrap_or(32);
        let own = keys::make(bench, case.base, home, len, &[*permission]).ok().filter(|pair| pair.hidden != 0);
        let any = || keys::make(bench, Base::Aes, home, 32, &[CKA_ENCRYPT, CKA_DECRYPT]).expect("an AES key");
        let (parameter, size) = (case.parameter)(bench, home);
        let mut mechanism = CK_MECHANISM { mechanism: case.kind, pParameter: parameter, ulParameterLen: size };
        let rv = attempt(bench, &mut mechanism, own.unwrap_or_else(any));
        if rv != CKR_MECHANISM_INVALID {
            failures.push(format!("{:#x} does not claim flag {flag:#x}, but answers {rv:#x}", case.kind));
        }
    }
    failures
}

/// Mechanisms of the header that are not listed have no information, and nothing runs with them.
pub(crate) fn unlisted(bench: &Bench) -> Vec<String> {
    let listed = bench.mechanisms();
    let hidden = cases::all().into_iter().map(|case| case.kind).filter(|kind| !listed.contains(kind));
    let mut failures = Vec::new();
    for kind in hidden.chain([CKM_DES3_CBC, CKM_MD5, CKM_RC4, CKM_EDDSA, CKM_ML_KEM, 0x1234_5678]) {
        let mut info = CK_MECHANISM_INFO::default();
        let rv = call!(bench.raw, C_GetMechanismInfo, bench.slot, kind, &raw mut info);
        if rv != CKR_MECHANISM_INVALID {
            failures.push(format!("{kind:#x} is not listed, but has information: {rv:#x}"));
        }
    }
    failures
}

const ATTEMPTS: &[Attempt] = &[
    (CKF_ENCRYPT, CKA_ENCRYPT, |bench, mechanism, pair| {
        call!(bench.raw, C_EncryptInit, bench.session, mechanism, pair.public)
    }),
    (CKF_DECRYPT, CKA_DECRYPT, |bench, mechanism, pair| {
        call!(bench.raw, C_DecryptInit, bench.session, mechanism, pair.hidden)
    }),
    (CKF_SIGN, CKA_SIGN, |bench, mechanism, pair| call!(bench.raw, C_SignInit, bench.session, mechanism, pair.hidden)),
    (CKF_VERIFY, CKA_VERIFY, |bench, mechanism, pair| {
        call!(bench.raw, C_VerifyInit, bench.session, mechanism, pair.public)
    }),
    (CKF_SIGN_RECOVER, CKA_SIGN_RECOVER, |bench, mechanism, pair| {
        call!(bench.raw, C_SignRecoverInit, bench.session, mechanism, pair.hidden)
    }),
    (CKF_VERIFY_RECOVER, CKA_VERIFY_RECOVER, |bench, mechanism, pair| {
        call!(bench.raw, C_VerifyRecoverInit, bench.session, mechanism, pair.public)
    }),
    (CKF_DIGEST, CKA_SIGN, |bench, mechanism, _| call!(bench.raw, C_DigestInit, bench.session, mechanism)),
    (CKF_MESSAGE_ENCRYPT, CKA_ENCRYPT, |bench, mechanism, pair| {
        call_3_2!(bench.raw, C_MessageEncryptInit, bench.session, mechanism, pair.public)
    }),
    (CKF_MESSAGE_DECRYPT, CKA_DECRYPT, |bench, mechanism, pair| {
        call_3_2!(bench.raw, C_MessageDecryptInit, bench.session, mechanism, pair.hidden)
    }),
    (CKF_MESSAGE_SIGN, CKA_SIGN, |bench, mechanism, pair| {
        call_3_2!(bench.raw, C_MessageSignInit, bench.session, mechanism, pair.hidden)
    }),
    (CKF_MESSAGE_VERIFY, CKA_VERIFY, |bench, mechanism, pair| {
        call_3_2!(bench.raw, C_MessageVerifyInit, bench.session, mechanism, pair.public)
    }),
    (CKF_WRAP, CKA_WRAP, |bench, mechanism, pair| {
        let mut len = 0;
        let (session, out) = (bench.session, std::ptr::null_mut());
        call!(bench.raw, C_WrapKey, session, mechanism, pair.public, pair.hidden, out, &raw mut len)
    }),
    (CKF_UNWRAP, CKA_UNWRAP, |bench, mechanism, pair| {
        let (mut wrapped, mut template, mut key) = ([0_u8; 256], secret(), 0);
        let mut list = template.list();
        let (list, count, session) = (list.as_mut_ptr(), length(&list), bench.session);
        let wrapped = wrapped.as_mut_ptr();
        call!(bench.raw, C_UnwrapKey, session, mechanism, pair.hidden, wrapped, 256, list, count, &raw mut key)
    }),
    (CKF_DERIVE, CKA_DERIVE, |bench, mechanism, pair| {
        let (mut template, mut key) = (secret(), 0);
        let mut list = template.list();
        let (list, count, session) = (list.as_mut_ptr(), length(&list), bench.session);
        call!(bench.raw, C_DeriveKey, session, mechanism, pair.hidden, list, count, &raw mut key)
    }),
    (CKF_GENERATE, CKA_SIGN, |bench, mechanism, _| {
        let (mut template, mut key) = (secret().number(CKA_VALUE_LEN, 32), 0);
        let mut list = template.list();
        call!(bench.raw, C_GenerateKey, bench.session, mechanism, list.as_mut_ptr(), length(&list), &raw mut key)
    }),
    (CKF_GENERATE_KEY_PAIR, CKA_SIGN, |bench, mechanism, _| {
        let (none, mut public, mut private) = (std::ptr::null_mut(), 0, 0);
        let (public, private) = (&raw mut public, &raw mut private);
        call!(bench.raw, C_GenerateKeyPair, bench.session, mechanism, none, 0, none, 0, public, private)
    }),
    (CKF_ENCAPSULATE, CKA_ENCAPSULATE, |bench, mechanism, pair| {
        let (mut template, mut len, mut key) = (secret(), 0, 0);
        let mut list = template.list();
        let (list, count, session) = (list.as_mut_ptr(), length(&list), bench.session);
        let (out, len, key) = (std::ptr::null_mut(), &raw mut len, &raw mut key);
        call_3_2!(bench.raw, C_EncapsulateKey, session, mechanism, pair.public, list, count, out, len, key)
    }),
    (CKF_DECAPSULATE, CKA_DECAPSULATE, |bench, mechanism, pair| {
        let (mut text, mut template, mut key) = ([4_u8; 65], secret(), 0);
        let mut list = template.list();
        let (list, count, session) = (list.as_mut_ptr(), length(&list), bench.session);
        let (text, key) = (text.as_mut_ptr(), &raw mut key);
        call_3_2!(bench.raw, C_DecapsulateKey, session, mechanism, pair.hidden, list, count, text, 65, key)
    }),
];

fn secret() -> Attributes {
    Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
}
