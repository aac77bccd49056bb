//! Wrapping and unwrapping (PKCS#11 v3.2, 5.18), through the raw functions: `C_WrapKey`, `C_UnwrapKey`,
//! `C_WrapKeyAuthenticated`, `C_UnwrapKeyAuthenticated`, with the templates of wrapping and unwrapping keys; nested
//! attributes in `C_GetAttributeValue` (5.7.5); and keys that arrive wrapped to the partition's own unwrapping key, as a
//! key vault sends them.

mod keys;

use std::process::Command;
use std::ptr::null_mut;

use aes_kw::KeyInit;
use conformance::raw::{Attributes, length, mechanism, mechanism_with};
use conformance::{Sandbox, call};
use cryptoki_sys::*;
use keys::*;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey};
use rsa::signature::hazmat::PrehashVerifier;
use rsa::traits::PublicKeyParts;
use sha2::Digest;

// ---- keys of the token

#[test]
fn every_mechanism_brings_a_secret_key_back() {
    under_standard("every_mechanism_brings_a_secret_key_back", |rig| {
        let kek = rig.kek();
        let rsa = Attributes::new().number(CKA_MODULUS_BITS, 2048).flag(CKA_WRAP, true);
        let (public, private) = rig.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, rsa, Attributes::new()).expect("a pair");
        assert!(rig.flag(private, CKA_UNWRAP) && !rig.flag(private, CKA_DECRYPT), "a pair that wraps unwraps");
        let (mut iv, mut rsa_aes) = ([7; 16], RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256));
        let rsa_aes = rsa_aes.mechanism();
        for (kind, by, back) in [
            (mechanism(CKM_AES_KEY_WRAP), kek, kek),
            (mechanism(CKM_AES_KEY_WRAP_KWP), kek, kek),
            (mechanism(CKM_AES_KEY_WRAP_PAD), kek, kek),
            (mechanism(CKM_AES_ECB), kek, kek),
            (with_iv(CKM_AES_CBC, &mut iv), kek, kek),
            (with_iv(CKM_AES_CBC_PAD, &mut iv), kek, kek),
            (mechanism(CKM_RSA_PKCS), public, private),
            (rsa_aes, public, private),
        ] {
            for len in [16, 24, 32] {
                let key = rig.aes(len, Attributes::new().flag(CKA_EXTRACTABLE, true)).expect("a key");
                let wrapped = rig.wrap(kind, by, key).unwrap_or_else(|rv| panic!("{:#x}: {rv:#x}", kind.mechanism));
                let template = aes_in().number(CKA_VALUE_LEN, len);
                let again = rig.unwrap(kind, back, &wrapped, template.clone()).unwrap_or_else(|rv| {
                    panic!("{:#x} of {len} bytes: {rv:#x}", kind.mechanism);
                });
                assert!(rig.same(key, again), "{:#x}", kind.mechanism);
                assert!(rig.flag(again, CKA_EXTRACTABLE), "the default of 5.18.4");
                for off in [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
                    assert!(!rig.flag(again, off), "{off:#x}");
                }
                // Short by a byte, long by one: an impossible length, or what an unwrapping cannot like.
                for bad in [&wrapped[1..], &[&wrapped[..], &[0]].concat()] {
                    let rv = rig.unwrap(kind, back, bad, template.clone()).expect_err("another length");
                    assert!([CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPED_KEY_INVALID].contains(&rv), "{rv:#x}");
                }
                let other = if len == 16 { 32 } else { 16 };
                let rv = rig.unwrap(kind, back, &wrapped, aes_in().number(CKA_VALUE_LEN, other));
                refused(rv, CKR_WRAPPED_KEY_INVALID);
            }
        }
    });
}

/// AES key wrap fills up with zeros what is no multiple of eight bytes; the key came back with them, or not at all.
#[test]
fn key_wrap_brings_back_secrets_of_odd_lengths() {
    under_standard("key_wrap_brings_back_secrets_of_odd_lengths", |rig| {
        let kek = rig.kek();
        for kind in [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD] {
            for len in [13, 20, 28, 33] {
                let value: Vec<u8> = (1..=len).collect();
                let template = || incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET).flag(CKA_SENSITIVE, false);
                let shown = template().flag(CKA_EXTRACTABLE, true).bytes(CKA_VALUE, &value);
                let key = rig.create(shown).expect("a key");
                let wrapped = rig.wrap(mechanism(kind), kek, key).expect("a wrapped key");
                let named = template().number(CKA_VALUE_LEN, len.into());
                let again = rig.unwrap(mechanism(kind), kek, &wrapped, named).expect("the key");
                assert_eq!(rig.get(again, CKA_VALUE), Ok(value), "{kind:#x} of {len} bytes");
                let shorter = template().number(CKA_VALUE_LEN, CK_ULONG::from(len) - 1);
                refused(rig.unwrap(mechanism(kind), kek, &wrapped, shorter), CKR_WRAPPED_KEY_INVALID);
            }
        }
        let unnamed = incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET);
        refused(rig.unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &[0; 32], unnamed), CKR_TEMPLATE_INCOMPLETE);
    });
}

#[test]
fn private_keys_go_out_and_in_as_pkcs8() {
    under_standard("private_keys_go_out_and_in_as_pkcs8", |rig| {
        let kek = rig.kek();
        let extractable = || Attributes::new().flag(CKA_EXTRACTABLE, true).flag(CKA_SIGN, true);
        let rsa = Attributes::new().number(CKA_MODULUS_BITS, 2048);
        let (_, rsa) = rig.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, rsa, extractable()).expect("an RSA pair");
        let ec = Attributes::new().bytes(CKA_EC_PARAMS, conformance::raw::token::OID_P256);
        let (_, ec) = rig.pair(CKM_EC_KEY_PAIR_GEN, ec, extractable()).expect("an EC pair");
        for (key, key_type, same) in [(rsa, CKK_RSA, CKA_MODULUS), (ec, CKK_EC, CKA_EC_POINT)] {
            let wrapped = rig.wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, key).expect("a wrapped key");
            let template = || incoming(CKO_PRIVATE_KEY, key_type).flag(CKA_SIGN, true);
            for extractable in [true, false] {
                let template = template().flag(CKA_EXTRACTABLE, extractable);
                let again =
                    rig.unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &wrapped, template.clone()).expect("the key");
                assert_eq!(rig.get(key, same), rig.get(again, same));
                // The encoding is no multiple of eight bytes.
                let padded = rig.wrap(mechanism(CKM_AES_KEY_WRAP), kek, key).expect("a wrapped key");
                rig.unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &padded, template).expect("the key");
                let signs = if key_type == CKK_RSA { CKM_SHA256_RSA_PKCS } else { CKM_ECDSA_SHA256 };
                rig.sign(mechanism(signs), again, b"text").expect("a signature");
            }
            let other = if key_type == CKK_RSA { CKK_EC } else { CKK_RSA };
            let wrong = rig.unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &wrapped, incoming(CKO_PRIVATE_KEY, other));
            refused(wrong, CKR_WRAPPED_KEY_INVALID);
            let secret = rig.unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &wrapped, aes_in());
            refused(secret, CKR_WRAPPED_KEY_INVALID);
            // A mechanism for secret keys.
            refused(rig.wrap(mechanism(CKM_AES_ECB), kek, key), CKR_KEY_NOT_WRAPPABLE);
        }
    });
}

#[test]
fn gcm_wraps_under_ivs_of_both_sides() {
    under_standard("gcm_wraps_under_ivs_of_both_sides", |rig| {
        let (kek, key) = (rig.kek(), rig.target());
        let mut aad = *b"about the key";
        // The parameters of encryption.
        let mut iv = [1; 12];
        let mut plain = CK_GCM_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvBits: 96,
            pAAD: aad.as_mut_ptr(),
            ulAADLen: length(&aad),
            ulTagBits: 128,
        };
        let plain = mechanism_with(CKM_AES_GCM, &mut plain);
        let wrapped = rig.wrap(plain, kek, key).expect("a wrapped key");
        assert_eq!(wrapped.len(), 48);
        assert!(rig.same(key, rig.unwrap(plain, kek, &wrapped, aes_in()).expect("the key")));
        refused(rig.wrap(plain, kek, key), CKR_MECHANISM_PARAM_INVALID);
        // Those of wrapping: the token makes the IV.
        let mut iv = [0; 12];
        let mut wrap = CK_GCM_WRAP_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvFixedBits: 0,
            ivGenerator: CKG_GENERATE,
            pAAD: aad.as_mut_ptr(),
            ulAADLen: length(&aad),
            ulTagBits: 128,
        };
        let wrap = mechanism_with(CKM_AES_GCM, &mut wrap);
        let wrapped = rig.wrap(wrap, kek, key).expect("a wrapped key");
        assert_ne!(iv, [0; 12], "the IV was written back");
        assert_eq!(wrapped.len(), 48);
        assert!(rig.same(key, rig.unwrap(wrap, kek, &wrapped, aes_in()).expect("the key")));
        let mut flipped = wrapped.clone();
        for at in [0, 31, 32, 47] {
            flipped[at] ^= 1;
            refused(rig.unwrap(wrap, kek, &flipped, aes_in()), CKR_WRAPPED_KEY_INVALID);
            flipped[at] ^= 1;
        }
        // Those of messages: the tag stands beside.
        let (mut iv, mut tag) = ([0; 12], vec![0; 16]);
        let mut message = CK_GCM_MESSAGE_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvFixedBits: 0,
            ivGenerator: CKG_GENERATE,
            pTag: tag.as_mut_ptr(),
            ulTagBits: 128,
        };
        let message = mechanism_with(CKM_AES_GCM, &mut message);
        let wrapped = rig.wrap_authenticated(message, kek, key, &aad).expect("a wrapped key");
        assert_eq!(wrapped.len(), 32);
        assert!(iv != [0; 12] && tag != vec![0; 16], "both were written back");
        let again = rig.unwrap_authenticated(message, kek, &wrapped, aes_in(), &aad).expect("the key");
        assert!(rig.same(key, again));
        refused(rig.unwrap_authenticated(message, kek, &wrapped, aes_in(), b"of another"), CKR_WRAPPED_KEY_INVALID);
        tag[3] ^= 1;
        refused(rig.unwrap_authenticated(message, kek, &wrapped, aes_in(), &aad), CKR_WRAPPED_KEY_INVALID);
        let ecb = mechanism(CKM_AES_KEY_WRAP);
        refused(rig.wrap_authenticated(ecb, kek, key, &aad), CKR_MECHANISM_INVALID);
    });
}

#[test]
fn who_may_wrap_what() {
    under_standard("who_may_wrap_what", |rig| {
        let kw = || mechanism(CKM_AES_KEY_WRAP);
        let (kek, key) = (rig.kek(), rig.target());
        let fixed = rig.aes(32, Attributes::new()).expect("a key");
        refused(rig.wrap(kw(), kek, fixed), CKR_KEY_UNEXTRACTABLE);
        refused(rig.wrap(kw(), 0x7777, key), CKR_WRAPPING_KEY_HANDLE_INVALID);
        refused(rig.wrap(kw(), kek, 0x7777), CKR_KEY_HANDLE_INVALID);
        refused(rig.wrap(kw(), key, fixed), CKR_KEY_FUNCTION_NOT_PERMITTED);
        refused(rig.wrap(mechanism(CKM_RSA_PKCS), kek, key), CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
        refused(rig.wrap(mechanism(CKM_SHA256), kek, key), CKR_MECHANISM_INVALID);
        let wrapped = rig.wrap(kw(), kek, key).expect("a wrapped key");
        refused(rig.unwrap(kw(), 0x7777, &wrapped, aes_in()), CKR_UNWRAPPING_KEY_HANDLE_INVALID);
        refused(rig.unwrap(kw(), key, &wrapped, aes_in()), CKR_KEY_FUNCTION_NOT_PERMITTED);
        refused(rig.unwrap(mechanism(CKM_RSA_PKCS), kek, &wrapped, aes_in()), CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
        let only_class = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY);
        refused(rig.unwrap(kw(), kek, &wrapped, only_class), CKR_TEMPLATE_INCOMPLETE);
        refused(rig.unwrap(kw(), kek, &wrapped, aes_in().bytes(CKA_VALUE, &[1; 32])), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.unwrap(kw(), kek, &wrapped, aes_in().flag(CKA_LOCAL, true)), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.unwrap(kw(), kek, &wrapped, incoming(CKO_PUBLIC_KEY, CKK_RSA)), CKR_TEMPLATE_INCONSISTENT);
        // A padded secret of unknown length.
        let generic = || incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET);
        let blocks = rig.wrap(mechanism(CKM_AES_ECB), kek, key).expect("a wrapped key");
        refused(rig.unwrap(mechanism(CKM_AES_ECB), kek, &blocks, generic()), CKR_TEMPLATE_INCOMPLETE);
        let known = generic().number(CKA_VALUE_LEN, 32);
        rig.unwrap(mechanism(CKM_AES_ECB), kek, &blocks, known).expect("a generic secret");
    });
}

#[test]
fn a_trusted_key_is_the_security_officers() {
    under_standard("a_trusted_key_is_the_security_officers", |rig| {
        let kw = || mechanism(CKM_AES_KEY_WRAP);
        let trusted = || Attributes::new().flag(CKA_TRUSTED, true);
        let kept = Attributes::new().flag(CKA_WRAP, true).flag(CKA_TOKEN, true).flag(CKA_PRIVATE, false);
        let kek = rig.aes(32, kept.bytes(CKA_LABEL, b"trusted")).expect("a wrapping key");
        let careful = Attributes::new().flag(CKA_EXTRACTABLE, true).flag(CKA_WRAP_WITH_TRUSTED, true);
        let key = rig.aes(32, careful.flag(CKA_TOKEN, true).bytes(CKA_LABEL, b"careful")).expect("a key");
        refused(rig.wrap(kw(), kek, key), CKR_KEY_NOT_WRAPPABLE);
        refused(rig.set(kek, trusted()), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.copy(kek, trusted()), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.aes(32, trusted().flag(CKA_WRAP, true)), CKR_ATTRIBUTE_READ_ONLY);
        rig.logout();
        rig.login(CKU_SO).expect("the SO");
        let found = rig.find(Attributes::new().bytes(CKA_LABEL, b"trusted"));
        rig.set(found[0], trusted()).expect("the SO trusts");
        rig.logout();
        rig.login(CKU_USER).expect("the user");
        let kek = rig.find(Attributes::new().bytes(CKA_LABEL, b"trusted"))[0];
        let key = rig.find(Attributes::new().bytes(CKA_LABEL, b"careful"))[0];
        rig.wrap(kw(), kek, key).expect("under a trusted key");
        refused(rig.set(key, Attributes::new().flag(CKA_WRAP_WITH_TRUSTED, false)), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.copy(key, Attributes::new().flag(CKA_WRAP_WITH_TRUSTED, false)), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.set(kek, Attributes::new().flag(CKA_DECRYPT, true)), CKR_ATTRIBUTE_READ_ONLY);
    });
}

// ---- templates

/// A nested template as the standard has it; valid while `inner` is.
fn nested(kind: CK_ATTRIBUTE_TYPE, inner: &mut [CK_ATTRIBUTE]) -> CK_ATTRIBUTE {
    let len = CK_ULONG::try_from(size_of_val(inner)).expect("small");
    CK_ATTRIBUTE { type_: kind, pValue: inner.as_mut_ptr().cast(), ulValueLen: len }
}

/// An AES key that wraps and unwraps, with a template of its own.
fn kek_with(rig: &Rig, kind: CK_ATTRIBUTE_TYPE, mut inner: Attributes) -> Answer<Handle> {
    let mut usage = Attributes::new().number(CKA_VALUE_LEN, 32).flag(CKA_WRAP, true).flag(CKA_UNWRAP, true);
    let (mut inner, mut list) = (inner.list(), usage.list());
    list.push(nested(kind, &mut inner));
    let (mut mechanism, mut key) = (mechanism(CKM_AES_KEY_GEN), 0);
    let (raw, list, len) = (&rig.raw, list.as_mut_ptr(), length(&list));
    match call!(raw, C_GenerateKey, rig.session, &raw mut mechanism, list, len, &raw mut key) {
        CKR_OK => Ok(key),
        rv => Err(rv),
    }
}

#[test]
fn templates_of_wrapping_and_unwrapping_keys_count() {
    under_standard("templates_of_wrapping_and_unwrapping_keys_count", |rig| {
        let kw = || mechanism(CKM_AES_KEY_WRAP);
        let labelled = |label: &[u8]| {
            rig.aes(32, Attributes::new().flag(CKA_EXTRACTABLE, true).bytes(CKA_LABEL, label)).expect("a key")
        };
        let wanted = Attributes::new().bytes(CKA_LABEL, b"may go").number(CKA_KEY_TYPE, CKK_AES);
        let kek = kek_with(rig, CKA_WRAP_TEMPLATE, wanted).expect("a wrapping key");
        let wrapped = rig.wrap(kw(), kek, labelled(b"may go")).expect("a wrapped key");
        refused(rig.wrap(kw(), kek, labelled(b"may not")), CKR_KEY_HANDLE_INVALID);
        rig.unwrap(kw(), kek, &wrapped, aes_in()).expect("it says nothing of unwrapping");

        let wanted = Attributes::new().flag(CKA_EXTRACTABLE, false).bytes(CKA_LABEL, b"came in");
        let kek = kek_with(rig, CKA_UNWRAP_TEMPLATE, wanted).expect("an unwrapping key");
        let wrapped = rig.wrap(kw(), kek, labelled(b"goes out")).expect("a wrapped key");
        let key = rig.unwrap(kw(), kek, &wrapped, aes_in()).expect("the key");
        assert!(!rig.flag(key, CKA_EXTRACTABLE));
        assert_eq!(rig.get(key, CKA_LABEL).expect("its label"), b"came in");
        rig.unwrap(kw(), kek, &wrapped, aes_in().bytes(CKA_LABEL, b"came in")).expect("no contradiction");
        let against = aes_in().flag(CKA_EXTRACTABLE, true);
        refused(rig.unwrap(kw(), kek, &wrapped, against), CKR_TEMPLATE_INCONSISTENT);
        let copy = rig.copy(kek, Attributes::new().bytes(CKA_LABEL, b"copy")).expect("a copy");
        let against = aes_in().flag(CKA_EXTRACTABLE, true);
        refused(rig.unwrap(kw(), copy, &wrapped, against), CKR_TEMPLATE_INCONSISTENT);
        refused(
            kek_with(rig, CKA_UNWRAP_TEMPLATE, Attributes::new().bytes(CKA_TOKEN, &[2])),
            CKR_ATTRIBUTE_VALUE_INVALID,
        );
    });
}

/// 5.7.5: "in the special case of an attribute whose value is an array of attributes".
#[test]
fn a_nested_template_is_read_element_by_element() {
    under_both("a_nested_template_is_read_element_by_element", |rig| {
        let wanted = Attributes::new().bytes(CKA_LABEL, b"came in").flag(CKA_SENSITIVE, true);
        let kek = kek_with(rig, CKA_UNWRAP_TEMPLATE, wanted).expect("an unwrapping key");
        let get = |asked: &mut CK_ATTRIBUTE| {
            call!(rig.raw, C_GetAttributeValue, rig.session, kek, std::ptr::from_mut(asked), 1)
        };
        let size = CK_ULONG::try_from(size_of::<CK_ATTRIBUTE>()).expect("small");
        let mut asked = CK_ATTRIBUTE { type_: CKA_UNWRAP_TEMPLATE, pValue: null_mut(), ulValueLen: 0 };
        assert_eq!((get(&mut asked), asked.ulValueLen), (CKR_OK, 2 * size));
        let blank = CK_ATTRIBUTE { type_: 0x7777, pValue: null_mut(), ulValueLen: 0 };
        // First their lengths, types included.
        let mut elements = [blank; 3];
        assert_eq!(get(&mut nested(CKA_UNWRAP_TEMPLATE, &mut elements[..1])), CKR_BUFFER_TOO_SMALL);
        let mut asked = nested(CKA_UNWRAP_TEMPLATE, &mut elements);
        assert_eq!((get(&mut asked), asked.ulValueLen), (CKR_OK, 2 * size));
        let types_and_lengths = elements.map(|element| (element.type_, element.ulValueLen));
        assert_eq!(types_and_lengths, [(CKA_LABEL, 7), (CKA_SENSITIVE, 1), (0x7777, 0)]);
        // Then the values; each has its own result.
        let (mut label, mut sensitive) = ([0; 7], [9; 1]);
        elements[0].pValue = label.as_mut_ptr().cast();
        elements[1].pValue = sensitive.as_mut_ptr().cast();
        assert_eq!(get(&mut nested(CKA_UNWRAP_TEMPLATE, &mut elements)), CKR_OK);
        assert_eq!((&label, sensitive), (b"came in", [1]));
        (elements[0].ulValueLen, sensitive) = (6, [9]);
        assert_eq!(get(&mut nested(CKA_UNWRAP_TEMPLATE, &mut elements)), CKR_BUFFER_TOO_SMALL);
        assert_eq!((elements[0].ulValueLen, sensitive), (CK_UNAVAILABLE_INFORMATION, [1]));
        let mut none = CK_ATTRIBUTE { type_: CKA_WRAP_TEMPLATE, pValue: null_mut(), ulValueLen: 0 };
        assert_eq!((get(&mut none), none.ulValueLen), (CKR_ATTRIBUTE_TYPE_INVALID, CK_UNAVAILABLE_INFORMATION));
    });
}

// ---- as a key vault sends them

/// What a key vault makes: OAEP of a fresh AES-256 key, then RFC 5649 under that key.
fn vault(public: &rsa::RsaPublicKey, payload: &[u8]) -> Vec<u8> {
    let kek = [0x5a; 32];
    let oaep = rsa::Oaep::<sha2::Sha256>::new();
    let mut blob = public.encrypt(&mut rsa::rand_core::UnwrapErr(Urandom), oaep, &kek).expect("OAEP");
    let start = blob.len();
    blob.resize(start + payload.len().next_multiple_of(8) + 8, 0);
    aes_kw::KwpAes256::new(&kek.into()).wrap_key(payload, &mut blob[start..]).expect("KWP");
    blob
}

/// The same with the openssl program for OAEP.
fn vault_of_openssl(spki: &[u8], payload: &[u8], hash: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let (kek, path) = ([0xa5; 32], |name: &str| folder.path().join(name));
    std::fs::write(path("key.der"), spki).expect("a file");
    std::fs::write(path("kek"), kek).expect("a file");
    let done = Command::new("openssl")
        .args(["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-pkeyopt", "rsa_padding_mode:oaep"])
        .args(["-pkeyopt", &format!("rsa_oaep_md:{hash}"), "-pkeyopt", &format!("rsa_mgf1_md:{hash}")])
        .arg("-inkey")
        .arg(path("key.der"))
        .arg("-in")
        .arg(path("kek"))
        .arg("-out")
        .arg(path("oaep"))
        .status()
        .expect("openssl runs");
    assert!(done.success());
    let mut blob = std::fs::read(path("oaep")).expect("a file");
    let start = blob.len();
    blob.resize(start + payload.len().next_multiple_of(8) + 8, 0);
    aes_kw::KwpAes256::new(&kek.into()).wrap_key(payload, &mut blob[start..]).expect("KWP");
    blob
}

fn own_public(rig: &Rig) -> (Vec<u8>, rsa::RsaPublicKey) {
    let spki = rig.get(rig.unwrapping_key(CKO_PUBLIC_KEY), CKA_PUBLIC_KEY_INFO).expect("its SPKI");
    let key = rsa::RsaPublicKey::from_public_key_der(&spki).expect("an RSA key");
    assert_eq!(key.size(), 256);
    (spki, key)
}

#[test]
fn an_aes_key_arrives_from_a_key_vault() {
    under_both("an_aes_key_arrives_from_a_key_vault", |rig| {
        let (spki, public) = own_public(rig);
        let own = rig.unwrapping_key(CKO_PRIVATE_KEY);
        let value: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        let sha256 = || RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256);
        for (blob, mut wrap) in [
            (vault(&public, &value), sha256()),
            (vault_of_openssl(&spki, &value, "sha256"), sha256()),
            (vault_of_openssl(&spki, &value, "sha1"), RsaAesWrap::new(CKM_SHA_1, CKG_MGF1_SHA1)),
            (vault_of_openssl(&spki, &value, "sha384"), RsaAesWrap::new(CKM_SHA384, CKG_MGF1_SHA384)),
        ] {
            let key = rig.unwrap(wrap.mechanism(), own, &blob, aes_in()).expect("the key");
            assert!(!rig.flag(key, CKA_EXTRACTABLE) && rig.flag(key, CKA_SENSITIVE));
            assert_eq!(rig.get(key, RESIDENCY).expect("where"), 1u64.to_ne_bytes(), "in the HSM");
            let mut iv = [3; 16];
            let ours = rig.encrypt(with_iv(CKM_AES_CBC_PAD, &mut iv), key, b"from the vault").expect("a ciphertext");
            assert_eq!(ours, cbc_pad(&value, [3; 16], b"from the vault"));
        }
        let mut wrap = sha256();
        let leaving = aes_in().flag(CKA_EXTRACTABLE, true);
        refused(rig.unwrap(wrap.mechanism(), own, &vault(&public, &value), leaving), CKR_TEMPLATE_INCONSISTENT);
    });
}

#[test]
fn private_keys_arrive_from_a_key_vault() {
    under_both("private_keys_arrive_from_a_key_vault", |rig| {
        let (_, public) = own_public(rig);
        let own = rig.unwrapping_key(CKO_PRIVATE_KEY);
        let mut wrap = RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256);
        for (algorithm, option) in [("RSA", "rsa_keygen_bits:2048"), ("RSA", "rsa_keygen_bits:3072")] {
            let der = openssl_key(algorithm, option);
            let key = rsa::RsaPrivateKey::from_pkcs8_der(&der).expect("an RSA key");
            let template = incoming(CKO_PRIVATE_KEY, CKK_RSA).flag(CKA_SIGN, true).flag(CKA_DECRYPT, false);
            let arrived = rig.unwrap(wrap.mechanism(), own, &vault(&public, &der), template).expect("the key");
            assert_eq!(rig.get(arrived, CKA_MODULUS).expect("n"), key.n().to_be_bytes_trimmed_vartime().to_vec());
            let signature = rig.sign(mechanism(CKM_SHA256_RSA_PKCS), arrived, b"text").expect("a signature");
            let verifier = rsa::pkcs1v15::VerifyingKey::<sha2::Sha256>::new(key.to_public_key());
            let signature = rsa::pkcs1v15::Signature::try_from(&signature[..]).expect("a signature");
            verifier.verify_prehash(&sha2::Sha256::digest(b"text"), &signature).expect("it verifies");
        }
        let der = openssl_key("EC", "ec_paramgen_curve:P-256");
        let key = p256::ecdsa::SigningKey::from_pkcs8_der(&der).expect("an EC key");
        let template = incoming(CKO_PRIVATE_KEY, CKK_EC).flag(CKA_SIGN, true);
        let blob = vault(&public, key.to_pkcs8_der().expect("DER").as_bytes());
        let arrived = rig.unwrap(wrap.mechanism(), own, &blob, template).expect("the key");
        let signature = rig.sign(mechanism(CKM_ECDSA_SHA256), arrived, b"text").expect("a signature");
        let signature = p256::ecdsa::Signature::from_slice(&signature).expect("r and s");
        p256::ecdsa::signature::Verifier::verify(key.verifying_key(), b"text", &signature).expect("it verifies");
        assert_eq!(rig.get(arrived, RESIDENCY).expect("where"), 1u64.to_ne_bytes(), "in the HSM");
    });
}

#[test]
fn bad_blobs_of_a_key_vault_are_one_code() {
    under_both("bad_blobs_of_a_key_vault_are_one_code", |rig| {
        let (_, public) = own_public(rig);
        let own = rig.unwrapping_key(CKO_PRIVATE_KEY);
        let mut wrap = RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256);
        let good = vault(&public, &[7; 32]);
        for at in [0, 1, 100, 255, 256, 260, 270, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            refused(rig.unwrap(wrap.mechanism(), own, &bad, aes_in()), CKR_WRAPPED_KEY_INVALID);
        }
        // Another key's, another hash's, another kind of key.
        let stranger = rsa::RsaPrivateKey::from_pkcs8_der(&openssl_key("RSA", "rsa_keygen_bits:2048")).expect("a key");
        let other = vault(&stranger.to_public_key(), &[7; 32]);
        refused(rig.unwrap(wrap.mechanism(), own, &other, aes_in()), CKR_WRAPPED_KEY_INVALID);
        let mut sha1 = RsaAesWrap::new(CKM_SHA_1, CKG_MGF1_SHA1);
        refused(rig.unwrap(sha1.mechanism(), own, &good, aes_in()), CKR_WRAPPED_KEY_INVALID);
        let pair = incoming(CKO_PRIVATE_KEY, CKK_EC).flag(CKA_SIGN, true);
        refused(rig.unwrap(wrap.mechanism(), own, &good, pair), CKR_WRAPPED_KEY_INVALID);
        for cut in [0, 1, 255, 256, 264, 271, good.len() - 8, good.len() - 1] {
            let rv = rig.unwrap(wrap.mechanism(), own, &good[..cut], aes_in()).expect_err("cut");
            assert!([CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPED_KEY_INVALID].contains(&rv), "{cut}: {rv:#x}");
        }
        // It does nothing else, and stays what it is.
        refused(rig.unwrap(mechanism(CKM_RSA_PKCS), own, &good[..256], aes_in()), CKR_MECHANISM_INVALID);
        refused(rig.decrypt(mechanism(CKM_RSA_PKCS), own, &good[..256]), CKR_KEY_FUNCTION_NOT_PERMITTED);
        refused(rig.sign(mechanism(CKM_RSA_PKCS), own, b"text"), CKR_KEY_FUNCTION_NOT_PERMITTED);
        refused(rig.set(own, Attributes::new().flag(CKA_DECRYPT, true)), CKR_ACTION_PROHIBITED);
        refused(rig.copy(own, Attributes::new().flag(CKA_DECRYPT, true)), CKR_ACTION_PROHIBITED);
        refused(rig.destroy(own), CKR_ACTION_PROHIBITED);
        refused(rig.get(own, CKA_PRIVATE_EXPONENT), CKR_ATTRIBUTE_SENSITIVE);
    });
}

/// The same through a program: what is wrapped with the public object comes back with the private one.
#[test]
fn a_key_of_the_token_moves_into_the_hsm() {
    under_standard("a_key_of_the_token_moves_into_the_hsm", |rig| {
        let (public, own) = (rig.unwrapping_key(CKO_PUBLIC_KEY), rig.unwrapping_key(CKO_PRIVATE_KEY));
        let mut wrap = RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256);
        let key = rig.target();
        let blob = rig.wrap(wrap.mechanism(), public, key).expect("a wrapped key");
        let inside = rig.unwrap(wrap.mechanism(), own, &blob, aes_in()).expect("the key");
        assert!(rig.same(key, inside));
        assert_eq!(rig.get(inside, RESIDENCY).expect("where"), 1u64.to_ne_bytes(), "in the HSM");
    });
}

/// The list of objects names both halves, to the user only.
#[test]
fn programs_see_the_unwrapping_key() {
    let sandbox = Sandbox::new();
    if conformance::Module::under_test().kind() == conformance::Kind::SoftHsm {
        return;
    }
    sandbox.init_token();
    sandbox.user(&["--list-objects"]).ok().says("AZIHSM unwrapping key");
    sandbox.pkcs11(&["--list-objects"]).ok().never_says("unwrapping");
}

// ---- helpers

/// The system's random bytes, as RustCrypto wants them.
struct Urandom;

impl rsa::rand_core::TryRng for Urandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let mut source = std::fs::File::open("/dev/urandom").expect("a source of random bytes");
        std::io::Read::read_exact(&mut source, bytes).expect("random bytes");
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for Urandom {}

/// PKCS#8 DER of a new key of the openssl program.
fn openssl_key(algorithm: &str, option: &str) -> Vec<u8> {
    let script = "openssl genpkey -algorithm $0 -pkeyopt $1 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -outform DER";
    let made = Command::new("sh").args(["-c", script, algorithm, option]).output().expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

fn cbc_pad(key: &[u8; 32], iv: [u8; 16], text: &[u8]) -> Vec<u8> {
    use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
    cbc::Encryptor::<aes::Aes256>::new(key.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(text)
}

/// `CKA_AZIHSM_RESIDENCY`.
const RESIDENCY: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED | 0x415A_0001;
