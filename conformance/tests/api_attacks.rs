//! Attacks through the API itself on keys that may go out (Clulow 2003; Delaune, Kremer, Steel 2008; Bortolozzo and others
//! 2010): what once succeeded, by symptom. The rules are those of `session/src/object/usage.rs`.

mod keys;

use std::ptr::null_mut;

use aes_kw::KeyInit;
use conformance::call;
use conformance::raw::{Attributes, length, mechanism, mechanism_with};
use cryptoki_sys::*;
use keys::*;

/// In counter mode to encrypt is to decrypt: a key that wrapped with AES-GCM and encrypted with AES-CTR, or block by block,
/// gave out every extractable key. And that was the default of a key that was only asked to wrap.
#[test]
fn what_gcm_wrapped_is_not_opened_by_encrypting_it() {
    under_standard("what_gcm_wrapped_is_not_opened_by_encrypting_it", |rig| {
        let target = rig.target();
        for extractable in [false, true] {
            let wraps = || Attributes::new().flag(CKA_WRAP, true).flag(CKA_EXTRACTABLE, extractable);
            let mut iv = *b"twelve bytes";
            let mut params = gcm(&mut iv);
            let with_gcm = mechanism_with(CKM_AES_GCM, &mut params);

            let kek = rig.aes(32, wraps()).expect("a wrapping key");
            assert!(!rig.flag(kek, CKA_ENCRYPT) && !rig.flag(kek, CKA_DECRYPT), "unless it is asked for");
            rig.wrap(with_gcm, kek, target).expect("a wrapped key");
            refused(rig.encrypt(mechanism(CKM_AES_ECB), kek, &[0; 16]), CKR_KEY_FUNCTION_NOT_PERMITTED);
            refused(rig.set(kek, Attributes::new().flag(CKA_ENCRYPT, true)), CKR_ATTRIBUTE_READ_ONLY);
            refused(rig.copy(kek, Attributes::new().flag(CKA_ENCRYPT, true)), CKR_ATTRIBUTE_READ_ONLY);

            // Where both are asked for, it wraps in other modes.
            let both = rig.aes(32, wraps().flag(CKA_ENCRYPT, true)).expect("a key for both");
            refused(rig.wrap(with_gcm, both, target), CKR_KEY_NOT_WRAPPABLE);
            let mut tag = [0_u8; 16];
            let mut message = CK_GCM_MESSAGE_PARAMS {
                pIv: iv.as_mut_ptr(),
                ulIvLen: 12,
                ulIvFixedBits: 0,
                ivGenerator: CKG_GENERATE,
                pTag: tag.as_mut_ptr(),
                ulTagBits: 128,
            };
            let message = mechanism_with(CKM_AES_GCM, &mut message);
            refused(rig.wrap_authenticated(message, both, target, b""), CKR_KEY_NOT_WRAPPABLE);
            rig.wrap(mechanism(CKM_AES_KEY_WRAP), both, target).expect("a wrapped key");
            // Nor where it did so before.
            rig.set(both, Attributes::new().flag(CKA_ENCRYPT, false)).expect("one use less");
            refused(rig.wrap(with_gcm, both, target), CKR_KEY_NOT_WRAPPABLE);
        }
    });
}

/// A known value that came in twice was two keys in the HSM, each with IVs of its own.
#[test]
fn no_iv_is_used_twice_by_importing_the_key_twice() {
    under_both("no_iv_is_used_twice_by_importing_the_key_twice", |rig| {
        let key = || aes_in().bytes(CKA_VALUE, &[9; 32]);
        let (one, two) = (rig.create(key()).expect("a key"), rig.create(key()).expect("its twin"));
        let kek = rig.create(aes_in().bytes(CKA_VALUE, &[8; 32]).flag(CKA_UNWRAP, true)).expect("an unwrapping key");
        let mut wrapped = [0; 40];
        aes_kw::KwpAes256::new(&[8; 32].into()).wrap_key(&[9; 32], &mut wrapped).expect("KWP");
        let stays = aes_in().flag(CKA_EXTRACTABLE, false);
        let three = rig.unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &wrapped, stays).expect("the same once more");
        for (at, key) in [one, two, three].into_iter().enumerate() {
            let mut iv = *b"once only...";
            let mut params = gcm(&mut iv);
            let answer = rig.encrypt(mechanism_with(CKM_AES_GCM, &mut params), key, b"text");
            match at {
                0 => drop(answer.expect("the first")),
                _ => refused(answer, CKR_MECHANISM_PARAM_INVALID),
            }
        }
    });
}

/// A key that is derived by encrypting data, and shown, is that ciphertext.
#[test]
fn a_wrapping_key_does_not_encrypt_by_deriving() {
    under_standard("a_wrapping_key_does_not_encrypt_by_deriving", |rig| {
        for use_ in [CKA_WRAP, CKA_UNWRAP] {
            for extractable in [false, true] {
                let template = Attributes::new().flag(use_, true).flag(CKA_DERIVE, true);
                let kek = rig.aes(32, template.flag(CKA_EXTRACTABLE, extractable)).expect("a key");
                let mut block = [0; 16];
                let mut data = string(&mut block);
                let ecb = mechanism_with(CKM_AES_ECB_ENCRYPT_DATA, &mut data);
                refused(rig.derive(ecb, kek, secret().number(CKA_VALUE_LEN, 16)), CKR_KEY_FUNCTION_NOT_PERMITTED);
                let mut data = CK_AES_CBC_ENCRYPT_DATA_PARAMS { iv: [0; 16], pData: block.as_mut_ptr(), length: 16 };
                let cbc = mechanism_with(CKM_AES_CBC_ENCRYPT_DATA, &mut data);
                refused(rig.derive(cbc, kek, secret().number(CKA_VALUE_LEN, 16)), CKR_KEY_FUNCTION_NOT_PERMITTED);
            }
        }
    });
}

/// A key that may not be cut or shown where it is the base was so where it came second.
#[test]
fn the_second_base_key_has_its_own_rules() {
    under_standard("the_second_base_key_has_its_own_rules", |rig| {
        let own = rig.create(secret().bytes(CKA_VALUE, &[1; 16]).flag(CKA_DERIVE, true).flag(CKA_EXTRACTABLE, true));
        let own = own.expect("the attacker's key");
        let base = || Attributes::new().number(CKA_VALUE_LEN, 32).flag(CKA_EXTRACTABLE, true).flag(CKA_DERIVE, true);
        let limited = base().bytes(CKA_ALLOWED_MECHANISMS, &CKM_HKDF_DERIVE.to_ne_bytes());
        let mut limited = rig.generate(CKM_GENERIC_SECRET_KEY_GEN, limited).expect("a key for HKDF");
        let join = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut limited);
        refused(rig.derive(join, own, secret()), CKR_MECHANISM_INVALID);

        // `Attributes` knows no templates in templates.
        let (mut stay, mut base) = (Attributes::new().flag(CKA_EXTRACTABLE, false), base());
        let (mut inner, mut list) = (stay.list(), base.list());
        list.push(CK_ATTRIBUTE {
            type_: CKA_DERIVE_TEMPLATE,
            pValue: inner.as_mut_ptr().cast(),
            ulValueLen: length(&inner) * size_of::<CK_ATTRIBUTE>() as CK_ULONG,
        });
        let (mut generate, mut bound) = (mechanism(CKM_GENERIC_SECRET_KEY_GEN), 0);
        let (place, count) = (list.as_mut_ptr(), length(&list));
        let rv = call!(rig.raw, C_GenerateKey, rig.session, &raw mut generate, place, count, &raw mut bound);
        assert_eq!(rv, CKR_OK);
        let join = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut bound);
        refused(rig.derive(join, own, secret().flag(CKA_EXTRACTABLE, true)), CKR_TEMPLATE_INCONSISTENT);
        let made = rig.derive(join, own, secret()).expect("a key that stays");
        assert!(!rig.flag(made, CKA_EXTRACTABLE));
    });
}

/// A digest is a use, and `CKA_ALLOWED_MECHANISMS` says which there are; also after a sensitive key was digested.
#[test]
fn a_key_for_one_mechanism_is_not_digested() {
    under_standard("a_key_for_one_mechanism_is_not_digested", |rig| {
        let key = || secret().bytes(CKA_VALUE, &[1; 16]);
        let free = rig.create(key()).expect("a key");
        let limited = rig.create(key().bytes(CKA_ALLOWED_MECHANISMS, &CKM_SHA256_HMAC.to_ne_bytes())).expect("a key");
        let mut sha = mechanism(CKM_SHA256);
        assert_eq!(call!(rig.raw, C_DigestInit, rig.session, &raw mut sha), CKR_OK);
        for (key, rv) in [(limited, CKR_KEY_INDIGESTIBLE), (free, CKR_OK), (limited, CKR_KEY_INDIGESTIBLE)] {
            assert_eq!(call!(rig.raw, C_DigestKey, rig.session, key), rv);
        }
        let mut len = 0;
        let rv = call!(rig.raw, C_GetOperationState, rig.session, null_mut(), &raw mut len);
        assert_eq!(rv, CKR_STATE_UNSAVEABLE, "with a sensitive key in it");
    });
}

/// One byte that nobody may see was found by its check value.
#[test]
fn a_short_hidden_secret_has_no_check_value() {
    under_standard("a_short_hidden_secret_has_no_check_value", |rig| {
        for (len, sensitive, shown) in [(1, true, 0), (13, true, 0), (14, true, 3), (1, false, 3)] {
            let key = secret().bytes(CKA_VALUE, &[7; 16][..len]).flag(CKA_SENSITIVE, sensitive);
            let key = rig.create(key.flag(CKA_EXTRACTABLE, true)).expect("a key");
            assert_eq!(rig.get(key, CKA_CHECK_VALUE).expect("an attribute").len(), shown, "{len} bytes");
        }
    });
}

fn secret() -> Attributes {
    incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET)
}

fn string(data: &mut [u8]) -> CK_KEY_DERIVATION_STRING_DATA {
    CK_KEY_DERIVATION_STRING_DATA { ulLen: length(data), pData: data.as_mut_ptr() }
}

fn gcm(iv: &mut [u8; 12]) -> CK_GCM_PARAMS {
    CK_GCM_PARAMS { pIv: iv.as_mut_ptr(), ulIvLen: 12, ulIvBits: 96, ulTagBits: 128, ..CK_GCM_PARAMS::default() }
}
