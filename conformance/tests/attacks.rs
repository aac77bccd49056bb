//! The published attacks on the API, each shown failing under policy standard and under policy strict:
//!
//! - J. Clulow, "On the Security of PKCS #11", CHES 2003: key separation, key conjuring, weaker keys out of strong ones,
//!   small exponents, trojan wrapping keys, related keys, reduced key space
//! - S. Delaune, S. Kremer, G. Steel, "Formal Analysis of PKCS#11", CSF 2008: attributes set one after the other, and keys
//!   that come back with others
//! - M. Bortolozzo, M. Centenaro, R. Focardi, G. Steel, "Attacking and Fixing PKCS#11 Security Tokens", CCS 2010: a1 to a5
//! - R. Bardou, R. Focardi, Y. Kawamoto, L. Simionato, G. Steel, J.-K. Tsay, "Efficient Padding Oracle Attacks on
//!   Cryptographic Hardware", CRYPTO 2012
//!
//! Under policy strict no key is extractable, so that the target of most of them cannot even be made; the calls before it
//! are refused there all the same.

mod keys;

use conformance::raw::{Attributes, length, mechanism, mechanism_with};
use conformance::{Kind, Module};
use cryptoki_sys::*;
use keys::*;

/// The attack under both policies, on our own module.
#[track_caller]
fn fails(test: &str, attack: impl Fn(&Rig)) {
    if Module::under_test().kind() == Kind::Azihsm {
        under_both(test, attack);
    }
}

fn uses(kinds: &[CK_ATTRIBUTE_TYPE]) -> Attributes {
    kinds.iter().fold(Attributes::new(), |template, kind| template.flag(*kind, true))
}

/// A key that may go out, where the policy has such keys.
fn target(rig: &Rig) -> Option<Handle> {
    if rig.strict {
        let refused = rig.aes(32, uses(&[CKA_EXTRACTABLE]));
        assert_eq!(refused, Err(CKR_TEMPLATE_INCONSISTENT), "no key is extractable under policy strict");
        return None;
    }
    Some(rig.target())
}

fn kw() -> CK_MECHANISM {
    mechanism(CKM_AES_KEY_WRAP)
}

// ---- Clulow 2003

/// 3.1, and a1 of Bortolozzo and others: what a key wraps, the same key decrypts.
#[test]
fn clulow_wrap_and_decrypt_with_one_key() {
    fails("clulow_wrap_and_decrypt_with_one_key", |rig| {
        for both in [&[CKA_WRAP, CKA_DECRYPT], &[CKA_UNWRAP, CKA_ENCRYPT]] {
            refused(rig.aes(32, uses(both)), CKR_TEMPLATE_INCONSISTENT);
            let known = aes_in().bytes(CKA_VALUE, &[7; 32]);
            let known = both.iter().fold(known, |template, kind| template.flag(*kind, true));
            refused(rig.create(known), CKR_TEMPLATE_INCONSISTENT);
        }
        // What the template does not ask for does not come with it.
        let kek = rig.kek();
        assert!(!rig.flag(kek, CKA_DECRYPT) && !rig.flag(kek, CKA_ENCRYPT));
        refused(rig.decrypt(mechanism(CKM_AES_ECB), kek, &[0; 16]), CKR_KEY_FUNCTION_NOT_PERMITTED);
        let Some(target) = target(rig) else { return };
        let wrapped = rig.wrap(mechanism(CKM_AES_ECB), kek, target).expect("it may be wrapped");
        refused(rig.decrypt(mechanism(CKM_AES_ECB), kek, &wrapped), CKR_KEY_FUNCTION_NOT_PERMITTED);
        // A key that comes in with both.
        for both in [&[CKA_WRAP, CKA_DECRYPT], &[CKA_UNWRAP, CKA_ENCRYPT]] {
            let template = both.iter().fold(aes_in(), |template, kind| template.flag(*kind, true));
            refused(rig.unwrap(mechanism(CKM_AES_ECB), kek, &wrapped, template), CKR_TEMPLATE_INCONSISTENT);
        }
    });
}

/// 3.2: random bytes unwrap to a key that nobody knows, from which others are found.
#[test]
fn clulow_key_conjuring() {
    fails("clulow_key_conjuring", |rig| {
        let kek = rig.kek();
        let (private, mut rsa_aes) = (unwrapping_half(rig), RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256));
        let template = || aes_in().flag(CKA_EXTRACTABLE, false).number(CKA_VALUE_LEN, 32);
        for seed in 0..8_u8 {
            let noise = |len: u16| (0..len).map(|at| seed.wrapping_mul(31) ^ at.to_le_bytes()[0]).collect::<Vec<u8>>();
            for (kind, len) in [(CKM_AES_KEY_WRAP, 40), (CKM_AES_KEY_WRAP_KWP, 40), (CKM_AES_KEY_WRAP_PAD, 48)] {
                refused(rig.unwrap(mechanism(kind), kek, &noise(len), template()), CKR_WRAPPED_KEY_INVALID);
            }
            let mut iv = [0; 16];
            let pad = with_iv(CKM_AES_CBC_PAD, &mut iv);
            refused(rig.unwrap(pad, kek, &noise(48), template()), CKR_WRAPPED_KEY_INVALID);
            let own = rig.unwrapping_key(CKO_PRIVATE_KEY);
            refused(rig.unwrap(rsa_aes.mechanism(), own, &noise(296), template()), CKR_WRAPPED_KEY_INVALID);
            if let Some(private) = private {
                refused(rig.unwrap(rsa_aes.mechanism(), private, &noise(296), template()), CKR_WRAPPED_KEY_INVALID);
            }
        }
    });
}

/// 3.3: the blocks of a wrapped key put together anew make a key that is easier to find. Of triple DES that is a key of two
/// equal halves; of AES a key that is the same block twice, or a short one.
#[test]
fn clulow_weaker_keys_by_swapped_blocks() {
    fails("clulow_weaker_keys_by_swapped_blocks", |rig| {
        let (kek, ecb) = (rig.kek(), mechanism(CKM_AES_ECB));
        let Some(target) = target(rig) else { return };
        let wrapped = rig.wrap(ecb, kek, target).expect("two blocks");
        for half in [&wrapped[..16], &wrapped[16..]] {
            refused(rig.unwrap(ecb, kek, &half.repeat(2), aes_in()), CKR_WRAPPED_KEY_INVALID);
        }
        // A part of a block is no key: neither the front of this one, nor a secret of a byte with fifteen zeros behind.
        let secret = || incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET).flag(CKA_SIGN, true);
        for len in 1..16 {
            let template = secret().number(CKA_VALUE_LEN, len);
            refused(rig.unwrap(ecb, kek, &wrapped[..16], template), CKR_WRAPPED_KEY_INVALID);
        }
        // Not with any length that is not the key's.
        for len in 17..32 {
            let template = secret().number(CKA_VALUE_LEN, len);
            refused(rig.unwrap(ecb, kek, &wrapped, template), CKR_WRAPPED_KEY_INVALID);
        }
        // The mechanisms with integrity take no block from its place.
        let whole = rig.wrap(kw(), kek, target).expect("a wrapped key");
        let mut swapped = whole.clone();
        swapped[8..24].copy_from_slice(&whole[24..40]);
        swapped[24..40].copy_from_slice(&whole[8..24]);
        refused(rig.unwrap(kw(), kek, &swapped, aes_in()), CKR_WRAPPED_KEY_INVALID);
    });
}

/// 3.4: a public key whose exponent is 1 wraps to the key itself.
#[test]
fn clulow_small_public_exponents() {
    fails("clulow_small_public_exponents", |rig| {
        let modulus = rig.get(rig.unwrapping_key(CKO_PUBLIC_KEY), CKA_MODULUS).expect("a modulus");
        for exponent in [&[1][..], &[0], &[2], &[0, 0, 1], &[]] {
            let template = incoming(CKO_PUBLIC_KEY, CKK_RSA)
                .bytes(CKA_MODULUS, &modulus)
                .bytes(CKA_PUBLIC_EXPONENT, exponent)
                .flag(CKA_WRAP, true);
            refused(rig.create(template), CKR_ATTRIBUTE_VALUE_INVALID);
        }
        // Nor is there wrapping without padding, for which a small exponent would do.
        let Some(target) = target(rig) else { return };
        let public = rig.unwrapping_key(CKO_PUBLIC_KEY);
        refused(rig.wrap(mechanism(CKM_RSA_X_509), public, target), CKR_MECHANISM_INVALID);
    });
}

/// 3.5: the attacker brings a wrapping key whose value, or private half, he knows.
#[test]
fn clulow_trojan_wrapping_keys() {
    fails("clulow_trojan_wrapping_keys", |rig| {
        let known = aes_in().bytes(CKA_VALUE, &[7; 32]).flag(CKA_WRAP, true);
        let known = rig.create(known).expect("anybody may bring a key");
        // Any good modulus will do: nobody can tell who has the private half.
        let modulus = rig.get(rig.unwrapping_key(CKO_PUBLIC_KEY), CKA_MODULUS).expect("a modulus");
        let public = incoming(CKO_PUBLIC_KEY, CKK_RSA)
            .bytes(CKA_MODULUS, &modulus)
            .bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1])
            .flag(CKA_WRAP, true);
        let public = rig.create(public).expect("anybody may bring a public key");
        // By default nothing goes out, under whatever key.
        let kept = rig.aes(32, Attributes::new()).expect("a key");
        refused(rig.wrap(kw(), known, kept), CKR_KEY_UNEXTRACTABLE);
        refused(rig.wrap(mechanism(CKM_RSA_PKCS), public, kept), CKR_KEY_UNEXTRACTABLE);
        // Nobody but the SO makes a key trusted, and a key that goes out under such only stays away from these.
        for key in [known, public] {
            refused(rig.set(key, uses(&[CKA_TRUSTED])), CKR_ATTRIBUTE_READ_ONLY);
            refused(rig.copy(key, uses(&[CKA_TRUSTED])), CKR_ATTRIBUTE_READ_ONLY);
        }
        let trojan = aes_in().bytes(CKA_VALUE, &[7; 32]).flag(CKA_WRAP, true).flag(CKA_TRUSTED, true);
        refused(rig.create(trojan), CKR_ATTRIBUTE_READ_ONLY);
        if rig.strict {
            return;
        }
        let careful = rig.aes(32, uses(&[CKA_EXTRACTABLE, CKA_WRAP_WITH_TRUSTED])).expect("a careful key");
        refused(rig.wrap(kw(), known, careful), CKR_KEY_NOT_WRAPPABLE);
        refused(rig.wrap(mechanism(CKM_RSA_PKCS), public, careful), CKR_KEY_NOT_WRAPPABLE);
        let careless = Attributes::new().flag(CKA_WRAP_WITH_TRUSTED, false);
        refused(rig.set(careful, careless.clone()), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.copy(careful, careless), CKR_ATTRIBUTE_READ_ONLY);
    });
}

/// A generic secret for deriving, which the attacker may not see; policy strict has none.
fn base(rig: &Rig) -> Option<Handle> {
    let template = uses(&[CKA_DERIVE, CKA_SENSITIVE]).number(CKA_VALUE_LEN, 32);
    match rig.generate(CKM_GENERIC_SECRET_KEY_GEN, template) {
        Err(CKR_TEMPLATE_INCONSISTENT) if rig.strict => None,
        made => Some(made.expect("a secret")),
    }
}

fn secret_out(len: CK_ULONG) -> Attributes {
    incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET).number(CKA_VALUE_LEN, len).flag(CKA_SIGN, true)
}

/// 3.6: keys that differ by what the attacker says break a cipher that is weak to related keys; and one that differs by
/// nothing is the same key with other permissions.
#[test]
fn clulow_related_keys() {
    fails("clulow_related_keys", |rig| {
        let mut zeros = [0; 32];
        let mut data = CK_KEY_DERIVATION_STRING_DATA { pData: zeros.as_mut_ptr(), ulLen: 32 };
        let xor = mechanism_with(CKM_XOR_BASE_AND_DATA, &mut data);
        // No key that wraps or unwraps gets a twin that does the opposite, and no twin gets to wrap.
        let kek = rig.aes(32, uses(&[CKA_WRAP, CKA_UNWRAP, CKA_DERIVE])).expect("a wrapping key");
        rig.derive(xor, kek, aes_in().flag(CKA_DECRYPT, true).flag(CKA_ENCRYPT, true)).expect_err("a twin");
        let Some(base) = base(rig) else { return };
        for kind in [CKA_WRAP, CKA_UNWRAP] {
            refused(rig.derive(xor, base, aes_in().flag(kind, true)), CKR_TEMPLATE_INCONSISTENT);
        }
        let mut handle = base;
        let join = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut handle);
        refused(rig.derive(join, base, secret_out(64).flag(CKA_SENSITIVE, false)), CKR_TEMPLATE_INCONSISTENT);
        refused(rig.derive(xor, base, secret_out(32).flag(CKA_EXTRACTABLE, true)), CKR_TEMPLATE_INCONSISTENT);
        let twin = rig.derive(xor, base, secret_out(32)).expect("another key of the same length");
        assert!(rig.flag(twin, CKA_SENSITIVE) && !rig.flag(twin, CKA_EXTRACTABLE));
        refused(rig.get(twin, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
    });
}

/// 3.7: a byte of a key, made a key, is found by trying; and then the next.
#[test]
fn clulow_reduced_key_space() {
    fails("clulow_reduced_key_space", |rig| {
        let mut known = [9; 31];
        let Some(base) = base(rig) else {
            let kek = rig.aes(32, uses(&[CKA_DERIVE])).expect("a key of the HSM");
            let mut first = 0;
            let extract = mechanism_with(CKM_EXTRACT_KEY_FROM_KEY, &mut first);
            rig.derive(extract, kek, secret_out(1)).expect_err("a byte of a key");
            return;
        };
        for len in [1, 8, 16, 31] {
            let mut first: CK_ULONG = 0;
            let extract = mechanism_with(CKM_EXTRACT_KEY_FROM_KEY, &mut first);
            refused(rig.derive(extract, base, secret_out(len)), CKR_TEMPLATE_INCONSISTENT);
            let mut data = CK_KEY_DERIVATION_STRING_DATA { pData: known.as_mut_ptr(), ulLen: len };
            let short = mechanism_with(CKM_XOR_BASE_AND_DATA, &mut data);
            refused(rig.derive(short, base, secret_out(len)), CKR_TEMPLATE_INCONSISTENT);
            // All of it that the attacker does not bring himself is one byte.
            let mut data = CK_KEY_DERIVATION_STRING_DATA { pData: known.as_mut_ptr(), ulLen: 31 };
            let front = mechanism_with(CKM_CONCATENATE_DATA_AND_BASE, &mut data);
            refused(rig.derive(front, base, secret_out(32)), CKR_TEMPLATE_INCONSISTENT);
            let back = mechanism_with(CKM_CONCATENATE_BASE_AND_DATA, &mut data);
            refused(rig.derive(back, base, secret_out(len)), CKR_TEMPLATE_INCONSISTENT);
        }
        // In two steps: known bytes in front, then a window over the seam.
        let mut data = CK_KEY_DERIVATION_STRING_DATA { pData: known.as_mut_ptr(), ulLen: 31 };
        let front = mechanism_with(CKM_CONCATENATE_DATA_AND_BASE, &mut data);
        let longer = secret_out(63).flag(CKA_DERIVE, true);
        let longer = rig.derive(front, base, longer).expect("the whole of both");
        let mut first: CK_ULONG = 0;
        let extract = mechanism_with(CKM_EXTRACT_KEY_FROM_KEY, &mut first);
        refused(rig.derive(extract, longer, secret_out(32)), CKR_TEMPLATE_INCONSISTENT);
        // The same with an unwrapping that takes the front of a wrapped key.
        let (kek, target) = (rig.kek(), rig.target());
        for kind in [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD, CKM_AES_ECB] {
            let wrapped = rig.wrap(mechanism(kind), kek, target).expect("a wrapped key");
            for len in [1, 8, 15, 16, 24, 31] {
                refused(rig.unwrap(mechanism(kind), kek, &wrapped, secret_out(len)), CKR_WRAPPED_KEY_INVALID);
            }
        }
    });
}

// ---- Delaune, Kremer, Steel 2008

/// Figure 3: the two permissions one after the other.
#[test]
fn delaune_wrap_then_decrypt() {
    fails("delaune_wrap_then_decrypt", |rig| {
        let kek = rig.aes(32, uses(&[CKA_WRAP])).expect("a wrapping key");
        let wrapped = target(rig).map(|target| rig.wrap(mechanism(CKM_AES_ECB), kek, target).expect("a wrapped key"));
        refused(rig.set(kek, uses(&[CKA_DECRYPT])), CKR_ATTRIBUTE_READ_ONLY);
        // Nor when the first was taken away, nor a copy, nor a copy of what has neither.
        rig.set(kek, Attributes::new().flag(CKA_WRAP, false)).expect("it may be given up");
        refused(rig.set(kek, uses(&[CKA_DECRYPT])), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.copy(kek, uses(&[CKA_DECRYPT])), CKR_ATTRIBUTE_READ_ONLY);
        let copy = rig.copy(kek, Attributes::new()).expect("a copy");
        refused(rig.set(copy, uses(&[CKA_DECRYPT])), CKR_ATTRIBUTE_READ_ONLY);
        if let Some(wrapped) = wrapped {
            refused(rig.decrypt(mechanism(CKM_AES_ECB), kek, &wrapped), CKR_KEY_FUNCTION_NOT_PERMITTED);
        }
        // The other way round: what decrypts, or ever did, does not wrap.
        let cipher = rig.aes(32, uses(&[CKA_DECRYPT])).expect("a cipher key");
        for key in [cipher, rig.copy(cipher, Attributes::new().flag(CKA_DECRYPT, false)).expect("a copy")] {
            refused(rig.set(key, uses(&[CKA_WRAP])), CKR_ATTRIBUTE_READ_ONLY);
            refused(rig.copy(key, uses(&[CKA_WRAP])), CKR_ATTRIBUTE_READ_ONLY);
        }
        // A key without any, of which one copy would wrap and another decrypt.
        let neither = Attributes::new().flag(CKA_ENCRYPT, false).flag(CKA_DECRYPT, false);
        let neither = rig.aes(32, neither).expect("a key");
        refused(rig.copy(neither, uses(&[CKA_WRAP])), CKR_ATTRIBUTE_READ_ONLY);
    });
}

/// Figure 4: a key of the attacker's choice is encrypted, and unwrapped as a wrapping key.
#[test]
fn delaune_encrypt_then_unwrap() {
    fails("delaune_encrypt_then_unwrap", |rig| {
        let cipher = rig.aes(32, uses(&[CKA_ENCRYPT])).expect("a cipher key");
        let chosen = rig.encrypt(mechanism(CKM_AES_ECB), cipher, &[7; 32]).expect("the attacker's key");
        refused(rig.unwrap(mechanism(CKM_AES_ECB), cipher, &chosen, aes_in()), CKR_KEY_FUNCTION_NOT_PERMITTED);
        refused(rig.set(cipher, uses(&[CKA_UNWRAP])), CKR_ATTRIBUTE_READ_ONLY);
        rig.set(cipher, Attributes::new().flag(CKA_ENCRYPT, false)).expect("it may be given up");
        refused(rig.set(cipher, uses(&[CKA_UNWRAP])), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.copy(cipher, uses(&[CKA_UNWRAP])), CKR_ATTRIBUTE_READ_ONLY);
        let kek = rig.aes(32, uses(&[CKA_UNWRAP])).expect("an unwrapping key");
        refused(rig.set(kek, uses(&[CKA_ENCRYPT])), CKR_ATTRIBUTE_READ_ONLY);
        rig.set(kek, Attributes::new().flag(CKA_UNWRAP, false)).expect("it may be given up");
        refused(rig.copy(kek, uses(&[CKA_ENCRYPT])), CKR_ATTRIBUTE_READ_ONLY);
    });
}

/// Figures 5 and 6: a wrapping key is wrapped, and comes back with the permission that it must not have.
#[test]
fn delaune_reimport_with_other_attributes() {
    fails("delaune_reimport_with_other_attributes", |rig| {
        if rig.strict {
            refused(rig.aes(32, uses(&[CKA_WRAP, CKA_EXTRACTABLE])), CKR_TEMPLATE_INCONSISTENT);
            return;
        }
        let other = rig.aes(32, uses(&[CKA_WRAP, CKA_UNWRAP])).expect("another wrapping key");
        for kind in [CKA_WRAP, CKA_UNWRAP] {
            let kek = rig.aes(32, uses(&[kind, CKA_EXTRACTABLE])).expect("an extractable wrapping key");
            refused(rig.wrap(kw(), other, kek), CKR_KEY_NOT_WRAPPABLE);
            if kind == CKA_WRAP {
                refused(rig.wrap(kw(), kek, kek), CKR_KEY_NOT_WRAPPABLE);
            }
            // Into the HSM, which would forget what it was.
            let mut inside = RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256);
            let public = rig.unwrapping_key(CKO_PUBLIC_KEY);
            refused(rig.wrap(inside.mechanism(), public, kek), CKR_KEY_NOT_WRAPPABLE);
            // Neither does it help to give the permission up first.
            rig.set(kek, Attributes::new().flag(kind, false)).expect("it may be given up");
            refused(rig.wrap(kw(), other, kek), CKR_KEY_NOT_WRAPPABLE);
            let copy = rig.copy(kek, Attributes::new()).expect("a copy");
            refused(rig.wrap(kw(), other, copy), CKR_KEY_NOT_WRAPPABLE);
        }
    });
}

// ---- Bortolozzo, Centenaro, Focardi, Steel 2010

/// a2: wrapped with a public key, decrypted with its private half.
#[test]
fn bortolozzo_a2_wrap_and_decrypt_with_a_pair() {
    fails("bortolozzo_a2_wrap_and_decrypt_with_a_pair", |rig| {
        if rig.strict {
            assert!(target(rig).is_none(), "nothing to wrap");
            return;
        }
        let public = || Attributes::new().number(CKA_MODULUS_BITS, 2048).flag(CKA_WRAP, true);
        let (wraps, opens) = rig.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, public(), uses(&[CKA_DECRYPT])).expect("a pair");
        assert!(rig.flag(opens, CKA_DECRYPT));
        let target = rig.target();
        refused(rig.wrap(mechanism(CKM_RSA_PKCS), wraps, target), CKR_KEY_NOT_WRAPPABLE);
        // A pair made for wrapping does not learn to decrypt, before or after.
        let (wraps, unwraps) = rig.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, public(), uses(&[CKA_UNWRAP])).expect("a pair");
        let wrapped = rig.wrap(mechanism(CKM_RSA_PKCS), wraps, target).expect("a wrapped key");
        refused(rig.decrypt(mechanism(CKM_RSA_PKCS), unwraps, &wrapped), CKR_KEY_FUNCTION_NOT_PERMITTED);
        refused(rig.set(unwraps, uses(&[CKA_DECRYPT])), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.copy(unwraps, uses(&[CKA_DECRYPT])), CKR_ATTRIBUTE_READ_ONLY);
    });
}

/// a3: sensitive keys are read. a4: keys that are not extractable are read, or wrapped.
#[test]
fn bortolozzo_a3_a4_read_what_is_sensitive_or_unextractable() {
    fails("bortolozzo_a3_a4_read_what_is_sensitive_or_unextractable", |rig| {
        let kek = rig.kek();
        for (sensitive, extractable) in [(true, false), (true, true), (false, false)] {
            let template = Attributes::new().flag(CKA_SENSITIVE, sensitive).flag(CKA_EXTRACTABLE, extractable);
            if rig.strict && extractable {
                refused(rig.aes(32, template), CKR_TEMPLATE_INCONSISTENT);
                continue;
            }
            let key = rig.aes(32, template.clone()).expect("a key");
            let curve = Attributes::new().bytes(CKA_EC_PARAMS, conformance::raw::token::OID_P256);
            let (_, private) = rig.pair(CKM_EC_KEY_PAIR_GEN, curve, template).expect("a pair");
            for key in [key, private] {
                refused(rig.get(key, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
                let copy = rig.copy(key, Attributes::new()).expect("a copy");
                refused(rig.get(copy, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
                if !extractable {
                    refused(rig.wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, key), CKR_KEY_UNEXTRACTABLE);
                }
                // A search that guesses the value learns nothing.
                assert!(rig.find(Attributes::new().bytes(CKA_VALUE, &[0; 32])).is_empty());
            }
        }
        let own = rig.unwrapping_key(CKO_PRIVATE_KEY);
        for part in [CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT] {
            refused(rig.get(own, part), CKR_ATTRIBUTE_SENSITIVE);
        }
    });
}

/// a5: a sensitive key is made not sensitive, one that is not extractable extractable.
#[test]
fn bortolozzo_a5_take_back_sensitive_and_unextractable() {
    fails("bortolozzo_a5_take_back_sensitive_and_unextractable", |rig| {
        let key = rig.aes(32, Attributes::new()).expect("a key");
        assert!(rig.flag(key, CKA_SENSITIVE) && !rig.flag(key, CKA_EXTRACTABLE), "the defaults are the safe ones");
        for weaker in [Attributes::new().flag(CKA_SENSITIVE, false), Attributes::new().flag(CKA_EXTRACTABLE, true)] {
            refused(rig.set(key, weaker.clone()), CKR_ATTRIBUTE_READ_ONLY);
            refused(rig.copy(key, weaker.clone()), CKR_ATTRIBUTE_READ_ONLY);
            let copy = rig.copy(key, Attributes::new().flag(CKA_TOKEN, true)).expect("a copy");
            refused(rig.set(copy, weaker), CKR_ATTRIBUTE_READ_ONLY);
        }
        for history in [CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL] {
            refused(rig.aes(32, uses(&[history])), CKR_ATTRIBUTE_READ_ONLY);
            rig.set(key, uses(&[history])).expect_err("computed");
        }
        // Another way back is a copy that everybody sees.
        refused(rig.copy(key, Attributes::new().flag(CKA_PRIVATE, false)), CKR_TEMPLATE_INCONSISTENT);
    });
}

// ---- Bardou and others 2012

/// An RSA private key that unwraps, made here: policy strict has none of its own making.
fn unwrapping_half(rig: &Rig) -> Option<Handle> {
    rsa_pair(rig, CKA_UNWRAP).map(|(_, private)| private)
}

fn rsa_pair(rig: &Rig, opens: CK_ATTRIBUTE_TYPE) -> Option<(Handle, Handle)> {
    if rig.strict {
        return None;
    }
    let public = Attributes::new().number(CKA_MODULUS_BITS, 2048).flag(CKA_WRAP, true).flag(CKA_ENCRYPT, true);
    Some(rig.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, public, uses(&[opens])).expect("a pair"))
}

/// Bleichenbacher 1998 through `C_UnwrapKey` and `C_Decrypt`: whatever is wrong with a padding, and wherever, is one answer.
#[test]
fn bardou_rsa_pkcs_padding_oracle() {
    fails("bardou_rsa_pkcs_padding_oracle", |rig| {
        let Some((public, private)) = rsa_pair(rig, CKA_UNWRAP) else { return };
        let Some((_, decrypts)) = rsa_pair(rig, CKA_DECRYPT) else { return };
        let encoded = |block: &dyn Fn(&mut [u8])| {
            let mut message = vec![0xff; 256];
            message[..2].copy_from_slice(&[0, 2]);
            message[256 - 33] = 0;
            block(&mut message);
            rig.encrypt(mechanism(CKM_RSA_X_509), public, &message).expect("a number below the modulus")
        };
        let template = || aes_in().number(CKA_VALUE_LEN, 32);
        let pkcs = || mechanism(CKM_RSA_PKCS);
        rig.unwrap(pkcs(), private, &encoded(&|_| {}), template()).expect("a good one");
        let bad: [fn(&mut [u8]); 5] = [
            |message| message[1] = 1,
            |message| message[0] = 1,
            |message| message[5] = 0,
            |message| message[9] = 0,
            |message| message[256 - 33] = 0xff,
        ];
        // Of made-up payloads one in 250 or so has the length of the template by chance, and is a key that nobody knows.
        for (at, change) in bad.into_iter().enumerate() {
            let answers = (1..=5).map(|variant| {
                let message = |message: &mut [u8]| {
                    message[100] = variant;
                    change(message);
                };
                rig.unwrap(pkcs(), private, &encoded(&message), template())
            });
            let refusals: Vec<_> = answers.filter_map(Result::err).collect();
            assert!(refusals.iter().all(|rv| *rv == CKR_WRAPPED_KEY_INVALID), "padding {at}: {refusals:x?}");
            assert!(refusals.len() >= 3, "padding {at}: {} of 5 refused", refusals.len());
        }
        // A key of another length than the template's is no other answer than a bad padding.
        let good = encoded(&|_| {});
        refused(rig.unwrap(pkcs(), private, &good, aes_in().number(CKA_VALUE_LEN, 16)), CKR_WRAPPED_KEY_INVALID);
        // Decryption answers as if the padding were good (implicit rejection), the same each time.
        let noise = [&[0][..], &[0x42; 255]].concat();
        let first = rig.decrypt(pkcs(), decrypts, &noise).expect("an answer");
        assert_eq!(rig.decrypt(pkcs(), decrypts, &noise), Ok(first));
    });
}

/// Manger 2001, the same with OAEP: in `CKM_RSA_AES_KEY_WRAP`, of a key of the token and of the partition's own.
#[test]
fn bardou_oaep_oracle() {
    fails("bardou_oaep_oracle", |rig| {
        let mut wrap = RsaAesWrap::new(CKM_SHA256, CKG_MGF1_SHA256);
        let own = rig.unwrapping_key(CKO_PRIVATE_KEY);
        let own_public = rig.unwrapping_key(CKO_PUBLIC_KEY);
        let mut keys = vec![(own_public, own)];
        keys.extend(rsa_pair(rig, CKA_UNWRAP));
        for (public, private) in keys {
            let modulus = rig.get(public, CKA_MODULUS).expect("n");
            let exponent = rig.get(public, CKA_PUBLIC_EXPONENT).expect("e");
            let raw = incoming(CKO_PUBLIC_KEY, CKK_RSA)
                .bytes(CKA_MODULUS, &modulus)
                .bytes(CKA_PUBLIC_EXPONENT, &exponent)
                .flag(CKA_ENCRYPT, true);
            let raw = rig.create(raw).expect("the same public key");
            // A first byte that is zero or not, a hash that fits or not: all behind it is noise.
            for first in [0, 1, 2, 0x7f] {
                let message = [&[first][..], &[0x33; 255]].concat();
                let oaep = rig.encrypt(mechanism(CKM_RSA_X_509), raw, &message).expect("below the modulus");
                let blob = [&oaep[..], &[0x44; 40]].concat();
                refused(rig.unwrap(wrap.mechanism(), private, &blob, aes_in()), CKR_WRAPPED_KEY_INVALID);
            }
        }
    });
}

/// Vaudenay 2002 through `C_UnwrapKey` with `CKM_AES_CBC_PAD`: the attacker varies the block before the last until a key
/// comes in, and knows the last byte of what is behind it. Here no single byte makes a padding good.
#[test]
fn bardou_cbc_pad_oracle() {
    fails("bardou_cbc_pad_oracle", |rig| {
        let (kek, mut iv) = (rig.kek(), [0; 16]);
        let pad = with_iv(CKM_AES_CBC_PAD, &mut iv);
        let Some(target) = target(rig) else {
            // Whatever the bytes are: nothing ever comes in.
            let secret = incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET);
            refused(rig.unwrap(pad, kek, &[5; 32], secret), CKR_TEMPLATE_INCONSISTENT);
            return;
        };
        let wrapped = rig.wrap(pad, kek, target).expect("a wrapped key");
        rig.unwrap(pad, kek, &wrapped, aes_in()).expect("as it is, it comes in");
        // The first block of the key, behind a block of the attacker's: every value of its last byte.
        for guess in 0..=255_u8 {
            let forged = [&[0x11; 15][..], &[guess], &wrapped[..16]].concat();
            for template in [aes_in(), incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET), secret_out(31), secret_out(15)] {
                refused(rig.unwrap(pad, kek, &forged, template), CKR_WRAPPED_KEY_INVALID);
            }
        }
        // The zeros of CKM_AES_CBC are no oracle either.
        let mut iv = [0; 16];
        let cbc = with_iv(CKM_AES_CBC, &mut iv);
        for guess in 0..=255_u8 {
            let forged = [&[0x11; 15][..], &[guess], &wrapped[..16]].concat();
            refused(rig.unwrap(cbc, kek, &forged, secret_out(31)), CKR_WRAPPED_KEY_INVALID);
        }
        // In decryption with a key that never unwraps: one code for every bad padding.
        let cipher = rig.aes(32, uses(&[CKA_ENCRYPT, CKA_DECRYPT])).expect("a cipher key");
        let mut iv = [0; 16];
        let pad = with_iv(CKM_AES_CBC_PAD, &mut iv);
        let mut text = rig.encrypt(pad, cipher, &[1; 16]).expect("a ciphertext");
        for change in [1, 0x0f, 0x10, 0x30, 0x80] {
            text[15] ^= change;
            refused(rig.decrypt(pad, cipher, &text), CKR_ENCRYPTED_DATA_INVALID);
            text[15] ^= change;
        }
        assert_eq!(length(&text), 32);
    });
}

// ---- where the configuration wants it

/// `allow_conflicting_usage` lifts the rules for programs that cannot do without, and nothing else.
#[test]
fn conflicting_usage_is_a_matter_of_configuration() {
    if Module::under_test().kind() != Kind::Azihsm {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pkcs11.json");
    std::fs::write(&file, r#"{"allow_conflicting_usage": true}"#).expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let test = "conflicting_usage_is_a_matter_of_configuration";
    under(test, &["standard", "strict"], &[("AZIHSM_PKCS11_CONFIG", file)], |rig| {
        let key = rig.aes(32, uses(&[CKA_WRAP, CKA_UNWRAP, CKA_ENCRYPT, CKA_DECRYPT])).expect("all of it");
        let cipher = rig.aes(32, uses(&[CKA_ENCRYPT, CKA_DECRYPT])).expect("a cipher key");
        rig.set(cipher, uses(&[CKA_WRAP])).expect("later, too");
        refused(rig.set(key, Attributes::new().flag(CKA_SENSITIVE, false)), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.set(key, uses(&[CKA_TRUSTED])), CKR_ATTRIBUTE_READ_ONLY);
        refused(rig.wrap(kw(), key, cipher), CKR_KEY_UNEXTRACTABLE);
    });
}
