//! A key for every mechanism, in the HSM or outside it. AES, RSA and sealed keys come from outside, so that the same key
//! can be had twice with different permissions.

use conformance::raw::token::{self, Failure, OID_P256, Result};
use conformance::raw::{Attributes, length, mechanism_with};
use conformance::{from_hex, ok};
use cryptoki_sys::*;

use crate::Bench;

/// Where a key's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    Hsm,
    Sealed,
}

/// What a mechanism's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// None: digests, generation.
    None,
    Rsa,
    Ec,
    Aes,
    Xts,
    /// A secret of this type.
    Secret(CK_KEY_TYPE),
    /// A secret that keys are derived from; in the HSM that is the secret of an ECDH.
    Root(CK_KEY_TYPE),
}

/// The key of either side; the same handle twice for a secret key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) public: CK_OBJECT_HANDLE,
    pub(crate) hidden: CK_OBJECT_HANDLE,
}

/// A session key of `len` bytes, where the type leaves a choice, that may do what `uses` names and nothing else.
pub(crate) fn make(bench: &Bench, base: Base, home: Home, len: usize, uses: &[CK_ATTRIBUTE_TYPE]) -> Result<Pair> {
    let pair = match base {
        Base::None => return Ok(Pair { public: 0, hidden: 0 }),
        Base::Rsa => {
            let public = rsa(CKO_PUBLIC_KEY, &RSA[..1], uses);
            let private = hide(rsa(CKO_PRIVATE_KEY, &RSA, uses), home);
            Pair { public: create(bench, public)?, hidden: create(bench, private)? }
        }
        Base::Ec => {
            let public = permit(Attributes::new().bytes(CKA_EC_PARAMS, OID_P256), &PUBLIC_USES, uses);
            let private = hide(permit(Attributes::new(), &PRIVATE_USES, uses), home);
            let (public, hidden) =
                token::generate_pair(&bench.raw, bench.session, CKM_EC_KEY_PAIR_GEN, public, private)?;
            Pair { public, hidden }
        }
        Base::Aes => twice(secret(bench, CKK_AES, home, &pattern(len), uses)?),
        Base::Xts => twice(secret(bench, CKK_AES_XTS, home, &pattern(len), uses)?),
        Base::Secret(kind) | Base::Root(kind) if home == Home::Sealed => {
            twice(secret(bench, kind, home, &pattern(len), uses)?)
        }
        Base::Secret(kind) => {
            let size = CK_ULONG::try_from(len).expect("small");
            let template = Attributes::new().number(CKA_KEY_TYPE, kind).number(CKA_VALUE_LEN, size);
            let template = hide(permit(template, &SECRET_USES, uses), home);
            twice(token::generate(&bench.raw, bench.session, CKM_GENERIC_SECRET_KEY_GEN, template)?)
        }
        Base::Root(_) => twice(agreed(bench)?),
    };
    let residency = number(bench, pair.hidden, CKA_VENDOR_DEFINED | 0x415A_0001)?;
    let wanted = if home == Home::Hsm { 1 } else { 2 };
    if residency == wanted { Ok(pair) } else { Err(Failure("the key is elsewhere: CKA_AZIHSM_RESIDENCY", residency)) }
}

/// `C_CreateObject`.
pub(crate) fn create(bench: &Bench, mut template: Attributes) -> Result<CK_OBJECT_HANDLE> {
    let (mut list, mut object) = (template.list(), 0);
    ok!(bench.raw, C_CreateObject, bench.session, list.as_mut_ptr(), length(&list), &raw mut object);
    Ok(object)
}

/// `C_DeriveKey`.
pub(crate) fn derive(
    bench: &Bench,
    mechanism: &mut CK_MECHANISM,
    base: CK_OBJECT_HANDLE,
    mut template: Attributes,
) -> Result<CK_OBJECT_HANDLE> {
    let (mut list, mut key) = (template.list(), 0);
    ok!(bench.raw, C_DeriveKey, bench.session, mechanism, base, list.as_mut_ptr(), length(&list), &raw mut key);
    Ok(key)
}

/// An attribute's bytes.
pub(crate) fn bytes(bench: &Bench, object: CK_OBJECT_HANDLE, kind: CK_ATTRIBUTE_TYPE) -> Result<Vec<u8>> {
    let mut room = vec![0; 2048];
    let mut attribute = CK_ATTRIBUTE { type_: kind, pValue: room.as_mut_ptr().cast(), ulValueLen: length(&room) };
    ok!(bench.raw, C_GetAttributeValue, bench.session, object, &raw mut attribute, 1);
    room.truncate(usize::try_from(attribute.ulValueLen).expect("small"));
    Ok(room)
}

fn number(bench: &Bench, object: CK_OBJECT_HANDLE, kind: CK_ATTRIBUTE_TYPE) -> Result<CK_ULONG> {
    let value = bytes(bench, object, kind)?;
    value.try_into().map(CK_ULONG::from_ne_bytes).map_err(|_| Failure("an attribute is no number", CKR_GENERAL_ERROR))
}

/// Bytes that differ in each place, so that the halves of an XTS key do.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 7 + 1) % 256).expect("a byte")).collect()
}

/// A secret key with a known value.
pub(crate) fn secret(
    bench: &Bench,
    kind: CK_KEY_TYPE,
    home: Home,
    value: &[u8],
    uses: &[CK_ATTRIBUTE_TYPE],
) -> Result<CK_OBJECT_HANDLE> {
    let template = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, kind);
    create(bench, hide(permit(template.bytes(CKA_VALUE, value), &SECRET_USES, uses), home))
}

/// The secret of an ECDH of an HSM key with itself.
fn agreed(bench: &Bench) -> Result<CK_OBJECT_HANDLE> {
    let pair = make(bench, Base::Ec, Home::Hsm, 0, &[CKA_DERIVE])?;
    let mut point = bytes(bench, pair.public, CKA_EC_POINT)?;
    let mut parameter = CK_ECDH1_DERIVE_PARAMS {
        kdf: CKD_NULL,
        ulSharedDataLen: 0,
        pSharedData: std::ptr::null_mut(),
        ulPublicDataLen: length(&point),
        pPublicData: point.as_mut_ptr(),
    };
    let template = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    let template = hide(template.flag(CKA_DERIVE, true), Home::Hsm);
    derive(bench, &mut mechanism_with(CKM_ECDH1_DERIVE, &mut parameter), pair.hidden, template)
}

fn rsa(class: CK_OBJECT_CLASS, parts: &[(CK_ATTRIBUTE_TYPE, &str)], uses: &[CK_ATTRIBUTE_TYPE]) -> Attributes {
    let template = Attributes::new().number(CKA_CLASS, class).number(CKA_KEY_TYPE, CKK_RSA);
    let template = template.bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1]);
    let template = parts.iter().fold(template, |template, (kind, value)| template.bytes(*kind, &from_hex(value)));
    permit(template, if class == CKO_PUBLIC_KEY { &PUBLIC_USES } else { &PRIVATE_USES }, uses)
}

/// Says of each of `all` whether it is one of `uses`.
fn permit(template: Attributes, all: &[CK_ATTRIBUTE_TYPE], uses: &[CK_ATTRIBUTE_TYPE]) -> Attributes {
    all.iter().fold(template, |template, kind| template.flag(*kind, uses.contains(kind)))
}

/// A key that stays in the HSM, or one whose value may be had.
pub(crate) fn hide(template: Attributes, home: Home) -> Attributes {
    let hidden = home == Home::Hsm;
    template.flag(CKA_SENSITIVE, hidden).flag(CKA_EXTRACTABLE, !hidden)
}

fn twice(key: CK_OBJECT_HANDLE) -> Pair {
    Pair { public: key, hidden: key }
}

const PUBLIC_USES: [CK_ATTRIBUTE_TYPE; 5] = [CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP, CKA_ENCAPSULATE];
const PRIVATE_USES: [CK_ATTRIBUTE_TYPE; 6] =
    [CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP, CKA_DERIVE, CKA_DECAPSULATE];
const SECRET_USES: [CK_ATTRIBUTE_TYPE; 7] =
    [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];

/// A 2048-bit RSA key for tests only (`openssl genrsa`): attribute and value, hexadecimal; the public exponent is 65537.
pub(crate) const RSA: [(CK_ATTRIBUTE_TYPE, &str); 7] = [
    (
        CKA_MODULUS,
        concat!(
            "9e0e40cb9182a05a6e03b87ddae164e8531f2a14d0d863159917fa368e5146867f13c449b55bf48f4983e81652fc7784",
            "f85f4c2e9810715c86f28768c96b2d8fa096f01dfe5e764e68c1bab0c7c3109b82690db8f0aa9e17dd2b8e77f44fb1d6",
            "28492421621e8b1f6a5f8db149acf1a1408a215f7408d529082c92517aa7d17e6c58628403d92d157831ac8922666e33",
            "196173b826008a5473ce2913ee65bc551c22e43ef8feccf4e87454a6df3385497450aa33bc7d9d726a0da297a093a6c9",
            "44f2afab0258ff9ed2380478e7ef4833815dd782b03b9d9141fc5a8da588bed8401a291f38fa74be6cc350ca8581a109",
            "f46118b0d68d24dfc3967703d74f8869",
        ),
    ),
    (
        CKA_PRIVATE_EXPONENT,
        concat!(
            "2842cd328db04e947a6dac3332ec333e12de5f63ca0734c62da733ef6db53a57cc4b06b717e1829c75478a79154e864b",
            "72d123a0c2cf7d70ea5721330a0ba9216af0c7dd7c0c27eab538940baff6fa6602842c20adfd6824000cb64fcc05f8f0",
            "ea762723f1d081f3d0aee27304a76f2d7a3935631135a6c6baf44f993dbb3ddba5c28d8292c303155ac2bd6aaa560f28",
            "8f20c92e802199abac10b1346dd62421b9a7834cecf90cd149c3a877a437064d0c21943fa94dfb1963172611a6fec970",
            "5f25fe2970d6f6e8854207e31149f7ae79132b1e15f0a210c7005074e93c5e5cd1e9737f3e90f44e6ebb84bc062181eb",
            "06d8704eae30e63027e425b5d90ccdb9",
        ),
    ),
    (
        CKA_PRIME_1,
        concat!(
            "d13fe996a5fccfd5a8dad99299aef8d920b10702319dec3fa7ee2e326df833a0922c08a50cb52337c02d077f2c7b4694",
            "4f8afdf09aad90e4630ecfd9d1227f892dd802a8e92b82125ee28f2cb7d1949eab555d5c5edc51e075aa5d775e219264",
            "c339d739e144858c674edfb0dfdda5510657a839889cb45a03512fc5b4740287",
        ),
    ),
    (
        CKA_PRIME_2,
        concat!(
            "c15e49adb90c5583ce9a04c79cfa6b0975865f2a6b039b16361419596f560a9fc760705f8deaddbfe0c5df2751d2eb70",
            "3107ca7bc92ec8143c2b1f86ae3850d21985824b42ca4ef8211992c8f7061a02edbf0d09cf3acc737918bc91e1ed930d",
            "c08f6441a074c74db33ae9e26da5162ea0e14e408d27ea4bb12d2d927f31a98f",
        ),
    ),
    (
        CKA_EXPONENT_1,
        concat!(
            "ce2b26bfe3f3dfe32867d90f7494cd6341aeaab522a5f2ec154dbbfebc135ceacc9ace39b0f798278a15d3d91dbea89f",
            "e06f961cc68a54c4724559cdc71d3283bac3a67b3ea23b9a561aebeea77ebbec49ebe5fce90a3331f13d56b211f10a08",
            "75c23ba92fa70fde72bb67f321df84cefc6cc9b7463f0003e058d1b4fe437f69",
        ),
    ),
    (
        CKA_EXPONENT_2,
        concat!(
            "1cb4a3996f8c1e31c7fce352c2c2061bcc5f9b470fc5e44302da2efd30e30406be3159dd4593254233db0c0aa941f783",
            "9b33bde26c764e6b7a972841f52115166b857f572ede1ba5083ce4a682cd5c152d381c766556243dcc2f58e70b341a8d",
            "8315865b9bb75a52f5957c5d09cbe5241cebf592eda18c4d9a4acba620cdbd8f",
        ),
    ),
    (
        CKA_COEFFICIENT,
        concat!(
            "69799319f9cdb740fc5da80fd0570c0b8376b93f0ef805ad405585f76a12eaaa97a5aebe6cf0e9f3276e352720099ad4",
            "1d893041cfe9638a48171aa9abf383da9ae318fac74a1654a7a3400c9062a5fab8b160792d638f00e54008020cadc816",
            "e0456d6d2588f4bdf0c05795faebd85b2c662f0c7a2de377db76c9da4d8123fc",
        ),
    ),
];
