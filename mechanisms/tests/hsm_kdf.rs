//! Digests' relatives with keys in the (emulated) HSM, in both dialects: what runs there agrees with the outside, and what
//! cannot run there is refused.

mod common;

use std::sync::Arc;

use common::{Hsm, asking, clear_secret, derive, derive_with, key, on_both, public, sign, verify};
use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::{Code, Result};
use mechanisms::key::{Key, KeyRequest, NewKey, Origin, Policy, PublicKey, Residency, Value};
use mechanisms::params::{Params, PrfData};
use mechanisms::table::{self, Derivation, Derived, Encapsulated};
use mechanisms::{ec, import};
use transport::emulator::Kind;
use transport::partition::Curve;

const ECDSA: [MechanismType; 9] = [
    MechanismType::ECDSA_SHA1,
    MechanismType::ECDSA_SHA224,
    MechanismType::ECDSA_SHA256,
    MechanismType::ECDSA_SHA384,
    MechanismType::ECDSA_SHA512,
    MechanismType::ECDSA_SHA3_224,
    MechanismType::ECDSA_SHA3_256,
    MechanismType::ECDSA_SHA3_384,
    MechanismType::ECDSA_SHA3_512,
];

#[test]
fn ecdsa_with_every_hash() {
    on_both(|hsm| {
        for curve in ec::CURVES {
            let new = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &on(curve, "sign")).unwrap();
            for kind in ECDSA {
                let made = sign(kind, &Params::None, &key(&new), b"message").unwrap();
                verify(kind, &Params::None, &public(&new), b"message", &made).unwrap();
                let refused = verify(kind, &Params::None, &public(&new), b"messagf", &made);
                assert_eq!(refused.unwrap_err(), Code::SignatureInvalid);
            }
        }
    });
}

#[test]
fn hmac_cut_on_the_host() {
    on_both(|hsm| {
        for (general, whole, len) in [
            (MechanismType::SHA256_HMAC_GENERAL, MechanismType::SHA256_HMAC, 32),
            (MechanismType::SHA384_HMAC_GENERAL, MechanismType::SHA384_HMAC, 48),
            (MechanismType::SHA512_HMAC_GENERAL, MechanismType::SHA512_HMAC, 64),
        ] {
            let generic = KeyRequest { value_len: Some(64), ..asking("sign") };
            let new = hsm.generate(MechanismType::GENERIC_SECRET_KEY_GEN, &generic).unwrap();
            assert_eq!(new.residency, Residency::Hsm);
            for size in [0, 1, 1023, 1024] {
                let message = vec![7; size];
                let full = sign(whole, &Params::None, &key(&new), &message).unwrap();
                for cut in [1, len / 2, len] {
                    let params = Params::Number(cut as u64);
                    let made = sign(general, &params, &key(&new), &message).unwrap();
                    assert_eq!(made, full[..cut]);
                    verify(general, &params, &key(&new), &message, &made).unwrap();
                }
            }
            let too_long = sign(general, &Params::Number(8), &key(&new), &[0; 1025]);
            assert_eq!(too_long.unwrap_err(), Code::DataLenRange);
        }
    });
}

#[test]
fn hmac_keys_are_generated_where_they_can_be() {
    on_both(|hsm| {
        for (generate, mac, len, residency) in [
            (MechanismType::SHA256_KEY_GEN, MechanismType::SHA256_HMAC, 32, Residency::Hsm),
            (MechanismType::SHA384_KEY_GEN, MechanismType::SHA384_HMAC, 48, Residency::Hsm),
            (MechanismType::SHA512_KEY_GEN, MechanismType::SHA512_HMAC, 64, Residency::Hsm),
            (MechanismType::SHA512_KEY_GEN, MechanismType::SHA512_HMAC, 32, Residency::Sealed),
            (MechanismType::SHA_1_KEY_GEN, MechanismType::SHA_1_HMAC, 20, Residency::Sealed),
            (MechanismType::SHA224_KEY_GEN, MechanismType::SHA224_HMAC, 28, Residency::Sealed),
            (MechanismType::SHA512_224_KEY_GEN, MechanismType::SHA512_224_HMAC, 28, Residency::Sealed),
            (MechanismType::SHA512_256_KEY_GEN, MechanismType::SHA512_256_HMAC, 32, Residency::Sealed),
            (MechanismType::SHA3_224_KEY_GEN, MechanismType::SHA3_224_HMAC, 28, Residency::Sealed),
            (MechanismType::SHA3_256_KEY_GEN, MechanismType::SHA3_256_HMAC, 32, Residency::Sealed),
            (MechanismType::SHA3_384_KEY_GEN, MechanismType::SHA3_384_HMAC, 48, Residency::Sealed),
            (MechanismType::SHA3_512_KEY_GEN, MechanismType::SHA3_512_HMAC, 64, Residency::Sealed),
            (MechanismType::HKDF_KEY_GEN, MechanismType::HKDF_DERIVE, 32, Residency::Sealed),
        ] {
            let request = KeyRequest { value_len: Some(len), ..asking("sign") };
            let new = hsm.generate(generate, &request).unwrap();
            assert_eq!((new.residency, new.value_len), (residency, Some(len)), "{generate:?}");
            assert_eq!(new.key_type, *table::row(generate).unwrap().keys.first().unwrap());
            if generate != MechanismType::HKDF_KEY_GEN {
                let tag = sign(mac, &Params::None, &key(&new), b"message").unwrap();
                verify(mac, &Params::None, &key(&new), b"message", &tag).unwrap();
            }
            let strict = KeyRequest { policy: Policy::Strict, ..request.clone() };
            let under_strict = hsm.generate(generate, &strict).map(|_| ());
            assert_eq!(under_strict.is_ok(), residency == Residency::Hsm, "{generate:?}");
            let other = KeyRequest { key_type: Some(KeyType::AES), ..request.clone() };
            assert_eq!(hsm.generate(generate, &other).unwrap_err(), Code::TemplateInconsistent);
            let without = KeyRequest { value_len: None, ..request };
            assert_eq!(hsm.generate(generate, &without).unwrap_err(), Code::TemplateIncomplete);
        }
    });
}

/// An HSM key can be agreed with by both mechanisms, and the secret stays; a function on it is refused with the reason.
#[test]
fn ecdh_of_an_hsm_key() {
    on_both(|hsm| {
        for curve in ec::CURVES {
            let [one, two] = pairs(hsm, curve);
            let derived =
                [(MechanismType::ECDH1_DERIVE, &one, &two), (MechanismType::ECDH1_COFACTOR_DERIVE, &two, &one)].map(
                    |(kind, ours, theirs)| {
                        let params = ecdh(cryptoki_sys::CKD_NULL, point(theirs));
                        derive(kind, &params, &key(ours), &asking("derive")).unwrap()
                    },
                );
            let tags = derived.map(|secret| {
                assert_eq!((secret.residency, secret.origin), (Residency::Hsm, Origin::Device));
                probe(hsm, &key(&secret))
            });
            assert_eq!(tags[0], tags[1]);

            let request = KeyRequest { value_len: Some(32), ..asking("derive") };
            for kdf in [cryptoki_sys::CKD_SHA256_KDF, cryptoki_sys::CKD_SHA256_KDF_SP800] {
                let refused = derive(MechanismType::ECDH1_DERIVE, &ecdh(kdf, point(&two)), &key(&one), &request);
                assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid);
            }
        }
    });
}

#[test]
fn encapsulation_for_hsm_keys() {
    on_both(|hsm| {
        for curve in ec::CURVES {
            let [ours, _] = pairs(hsm, curve);
            // Made in the HSM: a pair for once, and the secret on both sides.
            let inside = encapsulate(hsm, &public(&ours), &asking("derive")).unwrap();
            assert_eq!((inside.key.residency, inside.key.origin), (Residency::Hsm, Origin::Device));
            let there = decapsulate(hsm, &key(&ours), &inside.ciphertext).unwrap();
            assert_eq!(probe(hsm, &key(&inside.key)), probe(hsm, &key(&there)));
            // Made in the library for a key that may leave it; the other side has it in the HSM all the same.
            let outside = encapsulate(hsm, &public(&ours), &asking("derive extractable")).unwrap();
            assert_eq!((outside.key.residency, outside.key.origin), (Residency::Sealed, Origin::Library));
            let there = decapsulate(hsm, &key(&ours), &outside.ciphertext).unwrap();
            assert_eq!(probe(hsm, &key(&outside.key)), probe(hsm, &key(&there)));

            let strict = |words| KeyRequest { policy: Policy::Strict, ..asking(words) };
            let refused = encapsulate(hsm, &public(&ours), &strict("derive extractable")).unwrap_err();
            assert_eq!(refused, Code::TemplateInconsistent);
            assert!(encapsulate(hsm, &public(&ours), &strict("derive")).is_ok());
            let nonsense = decapsulate(hsm, &key(&ours), &inside.ciphertext[1..]).unwrap_err();
            assert_eq!(nonsense, Code::WrappedKeyInvalid);
        }
    });
}

/// The salt of an HKDF in the HSM may be a key outside it.
#[test]
fn hkdf_with_a_key_as_the_salt() {
    on_both(|hsm| {
        let secret = agreed(hsm);
        let request = KeyRequest { key_type: Some(KeyType::SHA256_HMAC), value_len: Some(32), ..asking("sign") };
        let salt = clear_secret(KeyType::GENERIC_SECRET, b"salt");
        let tags = [hkdf(cryptoki_sys::CKF_HKDF_SALT_DATA), hkdf(cryptoki_sys::CKF_HKDF_SALT_KEY)].map(|params| {
            let others =
                if params.other_keys(MechanismType::HKDF_DERIVE).is_empty() { vec![] } else { vec![salt.clone()] };
            let new = derive_with(MechanismType::HKDF_DERIVE, &params, &secret, &others, &request).unwrap();
            assert_eq!(new.residency, Residency::Hsm);
            sign(MechanismType::SHA256_HMAC, &Params::None, &key(&new), b"x").unwrap()
        });
        assert_eq!(tags[0], tags[1]);
        // But no key inside.
        let inside = [secret.clone()];
        let params = hkdf(cryptoki_sys::CKF_HKDF_SALT_KEY);
        let refused = derive_with(MechanismType::HKDF_DERIVE, &params, &secret, &inside, &request);
        assert_eq!(refused.unwrap_err(), Code::KeyFunctionNotPermitted);
    });
}

/// What the device has not, nobody pretends to do with its keys.
#[test]
fn what_an_hsm_secret_does_not_do() {
    let hsm = Hsm::new(Kind::Virtual);
    let secret = agreed(&hsm);
    let counter = PrfData::Counter { little_endian: false, bits: 32 };
    let kbkdf = Params::Sp800108 { prf: MechanismType::SHA256_HMAC, data: vec![counter], additional_keys: 0 };
    let data = Params::StringData(vec![1; 32]);
    let request = KeyRequest { value_len: Some(32), base_is_open: true, ..asking("derive") };
    for (kind, params) in [
        (MechanismType::SP800_108_COUNTER_KDF, &kbkdf),
        (MechanismType::CONCATENATE_BASE_AND_KEY, &Params::Number(1)),
        (MechanismType::CONCATENATE_BASE_AND_DATA, &data),
        (MechanismType::CONCATENATE_DATA_AND_BASE, &data),
        (MechanismType::XOR_BASE_AND_DATA, &data),
        (MechanismType::EXTRACT_KEY_FROM_KEY, &Params::Number(0)),
        (MechanismType::SHA256_KEY_DERIVATION, &Params::None),
        (MechanismType::HKDF_DATA, &hkdf(cryptoki_sys::CKF_HKDF_SALT_DATA)),
    ] {
        let other = [clear_secret(KeyType::GENERIC_SECRET, b"other")];
        let refused = derive_with(kind, params, &secret, &other, &request).unwrap_err();
        assert_eq!(refused, Code::KeyFunctionNotPermitted, "{kind:?}");
    }
    // Nor as the second of two keys.
    let base = clear_secret(KeyType::GENERIC_SECRET, b"base");
    let kind = MechanismType::CONCATENATE_BASE_AND_KEY;
    let refused = derive_with(kind, &Params::Number(1), &base, &[secret], &request).unwrap_err();
    assert_eq!(refused, Code::KeyFunctionNotPermitted);
}

/// AES-CMAC runs in the HSM, and so the counter mode over it has a key there; what comes of it is outside.
#[test]
fn counter_mode_over_cmac_in_the_hsm() {
    on_both(|hsm| {
        for len in [16, 24, 32] {
            let bytes = vec![len; usize::from(len)];
            let aes = KeyRequest { key_type: Some(KeyType::AES), ..asking("decrypt") };
            let inside = key(&hsm.import(common::secret(&bytes), &aes).unwrap());
            let outside = clear_secret(KeyType::AES, &bytes);
            let pieces = vec![PrfData::Counter { little_endian: false, bits: 8 }, PrfData::Bytes(vec![3; 50])];
            let params = Params::Sp800108 { prf: MechanismType::AES_CMAC, data: pieces, additional_keys: 0 };
            let request = KeyRequest { value_len: Some(40), ..asking("derive") };
            let made = [&inside, &outside].map(|base| {
                let new = derive(MechanismType::SP800_108_COUNTER_KDF, &params, base, &request).unwrap();
                assert_eq!((new.residency, new.origin), (Residency::Sealed, Origin::Library));
                sign(MechanismType::SHA_1_HMAC, &Params::None, &key(&new), b"x").unwrap()
            });
            assert_eq!(made[0], made[1]);
        }
    });
}

#[test]
fn the_public_half_of_hsm_keys() {
    let hsm = Hsm::new(Kind::Virtual);
    let new = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &on(Curve::P384, "sign")).unwrap();
    let request = asking("");
    let base = key(&new);
    let from = Derivation { params: &Params::None, base: &base, others: &[], request: &request, partition: None };
    let row = table::row(MechanismType::PUB_KEY_FROM_PRIV_KEY).unwrap();
    let Derived::Public(made) = row.derive.unwrap()(&from).unwrap() else { panic!("a public key") };
    assert_eq!(Some(made), new.public);
}

/// A tag by a key that is derived from the secret, which tells secrets apart.
fn probe(hsm: &Hsm, secret: &Key) -> Vec<u8> {
    let request = KeyRequest { key_type: Some(KeyType::SHA256_HMAC), value_len: Some(32), ..asking("sign") };
    let params = hkdf(cryptoki_sys::CKF_HKDF_SALT_DATA);
    let row = table::row(MechanismType::HKDF_DERIVE).unwrap();
    let partition = Some(&hsm.partition);
    let from = Derivation { params: &params, base: secret, others: &[], request: &request, partition };
    let Derived::Key(new) = row.derive.unwrap()(&from).unwrap() else { panic!("a key") };
    sign(MechanismType::SHA256_HMAC, &Params::None, &key(&new), b"probe").unwrap()
}

/// The ECDH secret of an HSM key and a key from outside.
fn agreed(hsm: &Hsm) -> Key {
    let [one, two] = pairs(hsm, Curve::P256);
    let params = ecdh(cryptoki_sys::CKD_NULL, point(&two));
    key(&derive(MechanismType::ECDH1_DERIVE, &params, &key(&one), &asking("derive")).unwrap())
}

/// One pair that the device made, one that was imported.
fn pairs(hsm: &Hsm, curve: Curve) -> [NewKey; 2] {
    let made = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &on(curve, "derive")).unwrap();
    let value: Value = ec::private_from_scalar(curve, &[0x35; 32]).unwrap();
    [made, import(value, &on(curve, "derive"), Some(&hsm.partition)).unwrap()]
}

fn on(curve: Curve, words: &str) -> KeyRequest {
    KeyRequest { curve: Some(curve), ..asking(words) }
}

fn point(new: &NewKey) -> Vec<u8> {
    match &new.public {
        Some(PublicKey::Ec { point, .. }) => point.clone(),
        other => panic!("{other:?}"),
    }
}

fn ecdh(kdf: u64, public: Vec<u8>) -> Params {
    Params::Ecdh1 { kdf, shared: vec![], public }
}

fn hkdf(salt_type: u64) -> Params {
    let (salt, info) = (b"salt".to_vec(), b"info".to_vec());
    Params::Hkdf { extract: true, expand: true, hash: MechanismType::SHA256, salt_type, salt, salt_key: 1, info }
}

fn encapsulate(hsm: &Hsm, public: &Key, request: &KeyRequest) -> Result<Encapsulated> {
    let params = ecdh(cryptoki_sys::CKD_NULL, vec![]);
    let row = table::row(MechanismType::ECDH1_DERIVE).unwrap();
    let partition: Option<&Arc<_>> = Some(&hsm.partition);
    (row.encapsulate.unwrap().run)(&Derivation { params: &params, base: public, others: &[], request, partition })
}

fn decapsulate(hsm: &Hsm, private: &Key, ciphertext: &[u8]) -> Result<NewKey> {
    let params = ecdh(cryptoki_sys::CKD_NULL, vec![]);
    let row = table::row(MechanismType::ECDH1_DERIVE).unwrap();
    let (request, partition) = (asking("derive"), Some(&hsm.partition));
    let from = Derivation { params: &params, base: private, others: &[], request: &request, partition };
    row.decapsulate.unwrap()(&from, ciphertext)
}
