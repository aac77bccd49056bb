//! One function per flag of `CK_MECHANISM_INFO`: it does what the flag claims, and checks the result by the way back.

use std::ptr::null_mut;

use conformance::raw::token::{self, Failure, OID_P256, Result};
use conformance::raw::{Attributes, length, mechanism_with};
use conformance::{call, call_3_2, ok};
use cryptoki_sys::*;

use crate::Bench;
use crate::Policy;
use crate::cases::Case;
use crate::keys::{self, Base, Home, Pair, hide};

/// Runs what the information claims, with a key of `len` bytes at `home`, and tells what failed.
pub(crate) fn claimed(bench: &Bench, case: &Case, info: &CK_MECHANISM_INFO, home: Home, len: usize) -> Vec<String> {
    let known = USES.iter().fold(CKF_HW | EC_FLAGS, |known, (flags, _)| known | flags);
    let mut failures = Vec::new();
    if info.flags & !known != 0 {
        failures.push(format!("{:#x}: flags {:#x} are not known here", case.kind, info.flags & !known));
    }
    for (flags, run) in USES {
        let claimed = info.flags & flags;
        if claimed == 0 {
            continue;
        }
        let used = Use { bench, case, info, home, len };
        if claimed != *flags {
            failures.push(format!("{:#x}: one of the flags {flags:#x} without the others", case.kind));
        } else if let Err(failure) = run(&used) {
            failures.push(format!("{:#x} flags {flags:#x} {home:?} {len} bytes: {failure}", case.kind));
        }
    }
    failures
}

/// One mechanism with one kind of key.
struct Use<'a> {
    bench: &'a Bench,
    case: &'a Case,
    info: &'a CK_MECHANISM_INFO,
    home: Home,
    len: usize,
}

type Run = fn(&Use<'_>) -> Result<()>;

/// Flags that come together, and what runs them.
const USES: &[(CK_FLAGS, Run)] = &[
    (CKF_GENERATE, generate),
    (CKF_GENERATE_KEY_PAIR, generate_pair),
    (CKF_ENCRYPT | CKF_DECRYPT, encrypt),
    (CKF_SIGN | CKF_VERIFY, sign),
    (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER, recover),
    (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT, encrypt_messages),
    (CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY, sign_messages),
    (CKF_DIGEST, digest),
    (CKF_WRAP | CKF_UNWRAP, wrap),
    (CKF_DERIVE, derive),
    (CKF_ENCAPSULATE | CKF_DECAPSULATE, encapsulate),
    // Says of the two above that Begin and Next work too: conformance/tests/messages.
    (CKF_MULTI_MESSAGE, |_| Ok(())),
];
const EC_FLAGS: CK_FLAGS = CKF_EC_F_P | CKF_EC_OID | CKF_EC_UNCOMPRESS | CKF_EC_COMPRESS;

impl Use<'_> {
    fn keys(&self, uses: &[CK_ATTRIBUTE_TYPE]) -> Result<Pair> {
        keys::make(self.bench, self.case.base, self.home, self.len, uses)
    }

    fn mechanism(&self) -> CK_MECHANISM {
        self.bench.data_len.set(CK_ULONG::try_from(self.case.message).expect("small"));
        self.mechanism_for_payload()
    }

    fn mechanism_for_payload(&self) -> CK_MECHANISM {
        let (parameter, len) = (self.case.parameter)(self.bench, self.home);
        CK_MECHANISM { mechanism: self.case.kind, pParameter: parameter, ulParameterLen: len }
    }

    /// A message that every mechanism with its length takes: as a number it is smaller than any modulus.
    fn message(&self) -> Vec<u8> {
        let mut message = keys::pattern(self.case.message);
        message[0] = 0;
        message
    }
}

fn generate(used: &Use<'_>) -> Result<()> {
    let bench = used.bench;
    let bits = used.case.kind == CKM_GENERIC_SECRET_KEY_GEN;
    let bytes = |size: CK_ULONG| if bits { size / 8 } else { size };
    let make = |len: CK_ULONG, home| {
        let aes = matches!(used.case.kind, CKM_AES_KEY_GEN | CKM_AES_XTS_KEY_GEN);
        let permission = if aes { CKA_ENCRYPT } else { CKA_SIGN };
        let template = hide(Attributes::new().number(CKA_VALUE_LEN, len).flag(permission, true), home);
        let (mut mechanism, mut template) = (used.mechanism(), template);
        let (mut list, mut key) = (template.list(), 0);
        ok!(
            bench.raw,
            C_GenerateKey,
            bench.session,
            &raw mut mechanism,
            list.as_mut_ptr(),
            length(&list),
            &raw mut key
        );
        Ok(key)
    };
    let (min, max) = (bytes(used.info.ulMinKeySize), bytes(used.info.ulMaxKeySize));
    // In the HSM: the usual length; which others there are, is the residency's business.
    let sizes = match used.home {
        Home::Hsm => vec![64.clamp(min, max)],
        Home::Sealed => vec![min, max],
    };
    for size in sizes {
        let key = make(size, used.home)?;
        let residency = keys::bytes(bench, key, CKA_VENDOR_DEFINED | 0x415A_0001)?;
        let wanted: CK_ULONG = if used.home == Home::Hsm { 1 } else { 2 };
        expect(residency == wanted.to_ne_bytes(), "the new key's residency")?;
    }
    for size in [min.wrapping_sub(1), max + 1] {
        expect(make(size, used.home).is_err(), "a length outside the sizes should be refused")?;
    }
    Ok(())
}

fn generate_pair(used: &Use<'_>) -> Result<()> {
    let bench = used.bench;
    let make = |public: Attributes| {
        let private = hide(Attributes::new().flag(CKA_SIGN, true), used.home);
        token::generate_pair(&bench.raw, bench.session, used.case.kind, public, private)
    };
    if used.case.kind == CKM_EC_KEY_PAIR_GEN {
        for curve in [OID_P256, OID_P384, OID_P521] {
            make(Attributes::new().bytes(CKA_EC_PARAMS, curve))?;
        }
        return expect(make(Attributes::new().bytes(CKA_EC_PARAMS, OID_P224)).is_err(), "P-224 should be refused");
    }
    let bits = |bits| Attributes::new().number(CKA_MODULUS_BITS, bits).bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1]);
    // The largest takes many seconds; the sizes between are those of pkcs11-tool's and Java's suites.
    make(bits(used.info.ulMinKeySize))?;
    for size in [used.info.ulMinKeySize - 8, used.info.ulMaxKeySize + 8] {
        expect(make(bits(size)).is_err(), "a modulus outside the sizes should be refused")?;
    }
    Ok(())
}

fn encrypt(used: &Use<'_>) -> Result<()> {
    let (bench, message) = (used.bench, used.message());
    let (pair, mut mechanism) = (used.keys(&[CKA_ENCRYPT, CKA_DECRYPT])?, used.mechanism());
    ok!(bench.raw, C_EncryptInit, bench.session, &raw mut mechanism, pair.public);
    let secret = in_room(|out, len| {
        call!(bench.raw, C_Encrypt, bench.session, message.as_ptr().cast_mut(), length(&message), out, len)
    })?;
    expect(secret != message, "the ciphertext is the message")?;
    ok!(bench.raw, C_DecryptInit, bench.session, &raw mut mechanism, pair.hidden);
    let back = in_room(|out, len| {
        call!(bench.raw, C_Decrypt, bench.session, secret.as_ptr().cast_mut(), length(&secret), out, len)
    })?;
    expect(back == message, "decryption gave another message")
}

fn sign(used: &Use<'_>) -> Result<()> {
    let (bench, message) = (used.bench, used.message());
    let (pair, mut mechanism) = (used.keys(&[CKA_SIGN, CKA_VERIFY])?, used.mechanism());
    let (data, data_len) = (message.as_ptr().cast_mut(), length(&message));
    ok!(bench.raw, C_SignInit, bench.session, &raw mut mechanism, pair.hidden);
    let mut signature = in_room(|out, len| call!(bench.raw, C_Sign, bench.session, data, data_len, out, len))?;
    let mut verify = |signature: &mut [u8]| {
        ok!(bench.raw, C_VerifyInit, bench.session, &raw mut mechanism, pair.public);
        ok!(bench.raw, C_Verify, bench.session, data, data_len, signature.as_mut_ptr(), length(signature));
        Ok(())
    };
    verify(&mut signature)?;
    let last = signature.len() - 1;
    signature[last] ^= 1;
    let refused = matches!(verify(&mut signature), Err(Failure("C_Verify", CKR_SIGNATURE_INVALID)));
    expect(refused, "a changed signature should be CKR_SIGNATURE_INVALID")
}

fn recover(used: &Use<'_>) -> Result<()> {
    let (bench, message) = (used.bench, used.message());
    let (pair, mut mechanism) = (used.keys(&[CKA_SIGN_RECOVER, CKA_VERIFY_RECOVER])?, used.mechanism());
    ok!(bench.raw, C_SignRecoverInit, bench.session, &raw mut mechanism, pair.hidden);
    let signature = in_room(|out, len| {
        call!(bench.raw, C_SignRecover, bench.session, message.as_ptr().cast_mut(), length(&message), out, len)
    })?;
    ok!(bench.raw, C_VerifyRecoverInit, bench.session, &raw mut mechanism, pair.public);
    let back = in_room(|out, len| {
        call!(bench.raw, C_VerifyRecover, bench.session, signature.as_ptr().cast_mut(), length(&signature), out, len)
    })?;
    expect(back == message, "another message was recovered")
}

fn encrypt_messages(used: &Use<'_>) -> Result<()> {
    let (bench, message) = (used.bench, used.message());
    let pair = used.keys(&[CKA_ENCRYPT, CKA_DECRYPT])?;
    let mut mechanism = conformance::raw::mechanism(used.case.kind);
    let (mut iv, mut tag) = (bench.nonce(), [0_u8; 16]);
    let mut parameter = MessageParameter::of(used.case, &mut iv, &mut tag);
    let (pointer, size) = parameter.parts();
    started(call_3_2!(bench.raw, C_MessageEncryptInit, bench.session, &raw mut mechanism, pair.public))?;
    let (data, data_len) = (message.as_ptr().cast_mut(), length(&message));
    let secret = in_room(|out, len| {
        call_3_2!(bench.raw, C_EncryptMessage, bench.session, pointer, size, null_mut(), 0, data, data_len, out, len)
    })?;
    started(call_3_2!(bench.raw, C_MessageEncryptFinal, bench.session))?;
    started(call_3_2!(bench.raw, C_MessageDecryptInit, bench.session, &raw mut mechanism, pair.hidden))?;
    let (data, data_len) = (secret.as_ptr().cast_mut(), length(&secret));
    let back = in_room(|out, len| {
        call_3_2!(bench.raw, C_DecryptMessage, bench.session, pointer, size, null_mut(), 0, data, data_len, out, len)
    })?;
    started(call_3_2!(bench.raw, C_MessageDecryptFinal, bench.session))?;
    expect(back == message, "decryption gave another message")
}

fn sign_messages(used: &Use<'_>) -> Result<()> {
    let (bench, message) = (used.bench, used.message());
    let (pair, mut mechanism) = (used.keys(&[CKA_SIGN, CKA_VERIFY])?, used.mechanism());
    let (data, data_len) = (message.as_ptr().cast_mut(), length(&message));
    started(call_3_2!(bench.raw, C_MessageSignInit, bench.session, &raw mut mechanism, pair.hidden))?;
    // Two, for a message does not end the operation.
    let mut signatures = Vec::new();
    for _ in 0..2 {
        signatures.push(in_room(|out, len| {
            call_3_2!(bench.raw, C_SignMessage, bench.session, null_mut(), 0, data, data_len, out, len)
        })?);
    }
    started(call_3_2!(bench.raw, C_MessageSignFinal, bench.session))?;
    started(call_3_2!(bench.raw, C_MessageVerifyInit, bench.session, &raw mut mechanism, pair.public))?;
    for mut signature in signatures {
        let (place, len) = (signature.as_mut_ptr(), length(&signature));
        started(call_3_2!(bench.raw, C_VerifyMessage, bench.session, null_mut(), 0, data, data_len, place, len))?;
    }
    started(call_3_2!(bench.raw, C_MessageVerifyFinal, bench.session))
}

fn digest(used: &Use<'_>) -> Result<()> {
    let (bench, message, mut mechanism) = (used.bench, used.message(), used.mechanism());
    let (data, data_len) = (message.as_ptr().cast_mut(), length(&message));
    ok!(bench.raw, C_DigestInit, bench.session, &raw mut mechanism);
    let whole = in_room(|out, len| call!(bench.raw, C_Digest, bench.session, data, data_len, out, len))?;
    ok!(bench.raw, C_DigestInit, bench.session, &raw mut mechanism);
    ok!(bench.raw, C_DigestUpdate, bench.session, data, 1);
    ok!(bench.raw, C_DigestUpdate, bench.session, data.wrapping_add(1), data_len - 1);
    let parts = in_room(|out, len| call!(bench.raw, C_DigestFinal, bench.session, out, len))?;
    expect(whole == parts && whole.len() >= 20, "the digest of the parts is another")
}

fn wrap(used: &Use<'_>) -> Result<()> {
    let bench = used.bench;
    bench.data_len.set(16);
    // One parameter for both: a nonce is in it.
    let mut mechanism = used.mechanism_for_payload();
    let permissions: &[CK_ATTRIBUTE_TYPE] =
        if bench.policy == Policy::Standard { &[CKA_WRAP, CKA_UNWRAP] } else { &[CKA_WRAP] };
    let pair = used.keys(permissions)?;
    if bench.policy == Policy::Strict {
        // What leaves the HSM is a sealed key, and there is none: conformance/tests/wrapping.rs unwraps here.
        let target = keys::secret(bench, CKK_AES, Home::Hsm, &keys::pattern(16), &[CKA_ENCRYPT])?;
        let wrapped = in_room(|out, len| {
            call!(bench.raw, C_WrapKey, bench.session, &raw mut mechanism, pair.public, target, out, len)
        });
        let refused = matches!(wrapped, Err(Failure(_, CKR_KEY_UNEXTRACTABLE)));
        return expect(refused, "wrapping a key of the HSM should be CKR_KEY_UNEXTRACTABLE");
    }
    let target = keys::secret(bench, CKK_AES, Home::Sealed, &keys::pattern(16), &[CKA_ENCRYPT])?;
    let mut wrapped = in_room(|out, len| {
        call!(bench.raw, C_WrapKey, bench.session, &raw mut mechanism, pair.public, target, out, len)
    })?;
    let mut template = (used.case.makes)(Home::Sealed);
    let (mut list, mut key) = (template.list(), 0);
    let (place, len) = (wrapped.as_mut_ptr(), length(&wrapped));
    ok!(
        bench.raw,
        C_UnwrapKey,
        bench.session,
        &raw mut mechanism,
        pair.hidden,
        place,
        len,
        list.as_mut_ptr(),
        length(&list),
        &raw mut key
    );
    expect(keys::bytes(bench, key, CKA_VALUE)? == keys::pattern(16), "another key was unwrapped")
}

fn derive(used: &Use<'_>) -> Result<()> {
    let bench = used.bench;
    let (pair, mut mechanism) = (used.keys(&[CKA_DERIVE])?, used.mechanism());
    let mut derived = || keys::derive(bench, &mut mechanism, pair.hidden, (used.case.makes)(used.home));
    let (one, two) = (derived()?, derived()?);
    let value = match used.case.kind {
        CKM_PUB_KEY_FROM_PRIV_KEY => CKA_EC_POINT,
        // The AES key and the secret stay inside, where their check value and what they derive are to be had.
        _ if used.home == Home::Hsm => return Ok(()),
        _ => CKA_VALUE,
    };
    let (one, two) = (keys::bytes(bench, one, value)?, keys::bytes(bench, two, value)?);
    expect(!one.is_empty() && one == two, "the same derivation gives the same")
}

fn encapsulate(used: &Use<'_>) -> Result<()> {
    let bench = used.bench;
    let (pair, mut mechanism) = (used.keys(&[CKA_ENCAPSULATE, CKA_DECAPSULATE])?, used.mechanism());
    // "pPublicData and ulPublicDataLen must be set to NULL and 0" (6.3.17): the ciphertext is the public key.
    let mut agreement = CK_ECDH1_DERIVE_PARAMS {
        kdf: CKD_NULL,
        ulSharedDataLen: 0,
        pSharedData: null_mut(),
        ulPublicDataLen: 0,
        pPublicData: null_mut(),
    };
    if used.case.base == Base::Ec {
        mechanism = mechanism_with(used.case.kind, &mut agreement);
    }
    let make = || (used.case.makes)(used.home);
    let (mut template, mut ours, mut theirs) = (make(), 0, 0);
    let list = template.list();
    let (attributes, count) = (list.as_ptr().cast_mut(), length(&list));
    let mut ciphertext = in_room(|out, len| {
        call_3_2!(
            bench.raw,
            C_EncapsulateKey,
            bench.session,
            &raw mut mechanism,
            pair.public,
            attributes,
            count,
            out,
            len,
            &raw mut ours
        )
    })?;
    let (place, len) = (ciphertext.as_mut_ptr(), length(&ciphertext));
    started(call_3_2!(
        bench.raw,
        C_DecapsulateKey,
        bench.session,
        &raw mut mechanism,
        pair.hidden,
        attributes,
        count,
        place,
        len,
        &raw mut theirs
    ))?;
    if used.home == Home::Hsm {
        return Ok(());
    }
    let (ours, theirs) = (keys::bytes(bench, ours, CKA_VALUE)?, keys::bytes(bench, theirs, CKA_VALUE)?);
    expect(ours == theirs, "both sides have the same key")
}

/// `CK_GCM_MESSAGE_PARAMS` or `CK_CCM_MESSAGE_PARAMS`.
enum MessageParameter {
    Gcm(CK_GCM_MESSAGE_PARAMS),
    Ccm(CK_CCM_MESSAGE_PARAMS),
}

impl MessageParameter {
    fn of(case: &Case, iv: &mut [u8; 12], tag: &mut [u8; 16]) -> Self {
        if case.kind == CKM_AES_CCM {
            return Self::Ccm(CK_CCM_MESSAGE_PARAMS {
                ulDataLen: CK_ULONG::try_from(case.message).expect("small"),
                pNonce: iv.as_mut_ptr(),
                ulNonceLen: 12,
                ulNonceFixedBits: 0,
                nonceGenerator: CKG_NO_GENERATE,
                pMAC: tag.as_mut_ptr(),
                ulMACLen: 16,
            });
        }
        Self::Gcm(CK_GCM_MESSAGE_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvFixedBits: 0,
            ivGenerator: CKG_NO_GENERATE,
            pTag: tag.as_mut_ptr(),
            ulTagBits: 128,
        })
    }

    fn parts(&mut self) -> (CK_VOID_PTR, CK_ULONG) {
        let (pointer, size): (CK_VOID_PTR, usize) = match self {
            Self::Gcm(params) => (std::ptr::from_mut(params).cast(), size_of_val(params)),
            Self::Ccm(params) => (std::ptr::from_mut(params).cast(), size_of_val(params)),
        };
        (pointer, CK_ULONG::try_from(size).expect("small"))
    }
}

/// Asks for the length, then for the answer.
pub(crate) fn in_room(mut call: impl FnMut(*mut CK_BYTE, *mut CK_ULONG) -> CK_RV) -> Result<Vec<u8>> {
    let mut len = 0;
    answered(call(null_mut(), &raw mut len), "size query")?;
    let mut room = vec![0; usize::try_from(len).expect("a length")];
    answered(call(room.as_mut_ptr(), &raw mut len), "answer")?;
    room.truncate(usize::try_from(len).expect("a length"));
    Ok(room)
}

fn started(rv: CK_RV) -> Result<()> {
    answered(rv, "a call")
}

fn answered(rv: CK_RV, what: &'static str) -> Result<()> {
    if rv == CKR_OK { Ok(()) } else { Err(Failure(what, rv)) }
}

fn expect(good: bool, what: &'static str) -> Result<()> {
    if good { Ok(()) } else { Err(Failure(what, CKR_OK)) }
}

const OID_P224: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 33];
const OID_P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 34];
const OID_P521: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 35];
