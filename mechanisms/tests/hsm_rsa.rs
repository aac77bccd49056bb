//! RSA keys in the (emulated) HSM, in both dialects: wrapping, the native import, encapsulation, recovery. What attackers
//! try is in `rsa_attacks`.

mod common;

use std::sync::Arc;

use common::rsa::{WRAP, multiplied, oaep, pair, rsa_aes, run, sha256, unwrap, wrap};
use common::{Hsm, asking, decrypt, encrypt, key, on_both, public, sign, verify};
use mechanisms::ck::{KeyType, MechanismType, ObjectClass};
use mechanisms::error::{Code, Result};
use mechanisms::key::{Key, KeyRequest, Material, NewKey, Origin, Policy, Residency, Value};
use mechanisms::params::Params;
use mechanisms::table::{self, Derivation};
use mechanisms::{ec, rsa as ours};
use transport::emulator::Kind;
use transport::partition::Curve;

fn unwrap_inside(hsm: &Hsm, params: &Params, wrapped: &[u8], request: &KeyRequest) -> Result<NewKey> {
    table::row(WRAP).unwrap().unwrap_inside.unwrap()(params, &hsm.partition, wrapped, request)
}

/// The partition's unwrapping key, as the object that others wrap with.
fn unwrapping_key(hsm: &Hsm) -> Key {
    let spki = hsm.partition.unwrapping_key().unwrap();
    let (modulus, exponent) = transport::ddi::key::rsa_from_spki(&spki).unwrap();
    let public = ours::public(modulus, exponent).unwrap();
    Key { key_type: KeyType::RSA, material: Material::Public(Arc::new(public)), public: None }
}

fn aes(words: &str) -> KeyRequest {
    KeyRequest { class: Some(ObjectClass::SECRET_KEY), key_type: Some(KeyType::AES), ..asking(words) }
}

fn of_private(key_type: KeyType, words: &str) -> KeyRequest {
    KeyRequest { class: Some(ObjectClass::PRIVATE_KEY), key_type: Some(key_type), ..asking(words) }
}

#[test]
fn aes_keys_arrive_inside() {
    on_both(|hsm| {
        let wrapping = unwrapping_key(hsm);
        for (hash, mgf) in [
            (MechanismType::SHA_1, cryptoki_sys::CKG_MGF1_SHA1),
            (MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256),
            (MechanismType::SHA384, cryptoki_sys::CKG_MGF1_SHA384),
            (MechanismType::SHA512, cryptoki_sys::CKG_MGF1_SHA512),
        ] {
            for (aes_bits, len) in [(128, 16), (192, 24), (256, 32)] {
                let params = rsa_aes(aes_bits, hash, mgf, b"");
                let value = vec![0x42; len];
                let wrapped = wrap(WRAP, &params, &wrapping, &value).unwrap();
                let strict = KeyRequest { policy: Policy::Strict, ..aes("decrypt") };
                let new = unwrap_inside(hsm, &params, &wrapped, &strict).unwrap();
                assert_eq!((new.residency, new.origin), (Residency::Hsm, Origin::Imported));
                assert_eq!((new.value_len, new.key_type, &new.public), (Some(len), KeyType::AES, &None));
                assert!(matches!(new.material, Material::Hsm(..)));
                // Both facets of a key of 32 bytes hold the value.
                let iv = Params::Iv16([3; 16]);
                let here = common::clear_secret(KeyType::AES, &value);
                let ciphertext = encrypt(MechanismType::AES_CBC_PAD, &iv, &key(&new), b"message").unwrap();
                assert_eq!(decrypt(MechanismType::AES_CBC_PAD, &iv, &here, &ciphertext).unwrap(), b"message");
                let gcm = Params::Gcm { iv: vec![hash.0.to_le_bytes()[0]; 12], aad: vec![], tag_bits: 128 };
                let ciphertext = encrypt(MechanismType::AES_GCM, &gcm, &key(&new), b"message").unwrap();
                assert_eq!(decrypt(MechanismType::AES_GCM, &gcm, &here, &ciphertext).unwrap(), b"message");
            }
        }
    });
}

#[test]
fn private_keys_arrive_inside_with_their_public_half() {
    on_both(|hsm| {
        let wrapping = unwrapping_key(hsm);
        let outside = pair(hsm, "sign decrypt extractable");
        let Material::Clear(value) = &outside.material else { panic!("an extractable key") };
        let Value::Rsa(der) = &**value else { panic!("an RSA key") };
        let wrapped = wrap(WRAP, &sha256(), &wrapping, der).unwrap();
        let new = unwrap_inside(hsm, &sha256(), &wrapped, &of_private(KeyType::RSA, "sign decrypt")).unwrap();
        assert_eq!((&new.public, new.residency), (&outside.public, Residency::Hsm));
        let made = sign(MechanismType::SHA256_RSA_PKCS, &Params::None, &key(&new), b"message").unwrap();
        verify(MechanismType::SHA256_RSA_PKCS, &Params::None, &public(&outside), b"message", &made).unwrap();
        let ciphertext = encrypt(MechanismType::RSA_PKCS_OAEP, &oaep(), &public(&outside), b"message").unwrap();
        assert_eq!(decrypt(MechanismType::RSA_PKCS_OAEP, &oaep(), &key(&new), &ciphertext).unwrap(), b"message");

        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let mut scalar = vec![0x17; curve.len()];
            scalar[0] = 0;
            let value = ec::private_from_scalar(curve, &scalar).unwrap();
            let Value::Ec(_, der) = &value else { panic!("an EC key") };
            let wrapped = wrap(WRAP, &sha256(), &wrapping, der).unwrap();
            let request = of_private(KeyType::EC, "sign derive");
            let new = unwrap_inside(hsm, &sha256(), &wrapped, &request).unwrap();
            assert_eq!(new.public, Some(value.public().unwrap()));
            let made = sign(MechanismType::ECDSA_SHA256, &Params::None, &key(&new), b"message").unwrap();
            verify(MechanismType::ECDSA_SHA256, &Params::None, &public(&new), b"message", &made).unwrap();
            let other = if curve == Curve::P256 { Curve::P384 } else { Curve::P256 };
            let refused = unwrap_inside(hsm, &sha256(), &wrapped, &KeyRequest { curve: Some(other), ..request });
            assert_eq!(refused.unwrap_err(), Code::TemplateInconsistent);
        }
    });
}

#[test]
fn what_the_hsm_cannot_take_is_refused_before_it_is_asked() {
    let hsm = Hsm::new(Kind::Virtual);
    let wrapping = unwrapping_key(&hsm);
    let wrapped = wrap(WRAP, &sha256(), &wrapping, &[7; 32]).unwrap();
    let refused = |params: &Params, wrapped: &[u8], request: &KeyRequest| {
        unwrap_inside(&hsm, params, wrapped, request).unwrap_err()
    };
    for request in [
        KeyRequest { key_type: Some(KeyType::GENERIC_SECRET), ..aes("sign") },
        KeyRequest { key_type: Some(KeyType::SHA256_HMAC), ..aes("sign") },
        KeyRequest { class: Some(ObjectClass::PUBLIC_KEY), ..aes("decrypt") },
        of_private(KeyType::AES, "decrypt"),
        KeyRequest { key_type: Some(KeyType::RSA), ..aes("sign") },
        aes("decrypt extractable"),
        of_private(KeyType::RSA, "sign extractable"),
        KeyRequest { value_len: Some(16), ..aes("decrypt") },
    ] {
        let error = refused(&sha256(), &wrapped, &request);
        assert_eq!(error, Code::TemplateInconsistent);
        assert!(error.cause().is_some(), "the reason is in the log");
    }
    assert_eq!(refused(&sha256(), &wrapped, &KeyRequest { key_type: None, ..aes("") }), Code::TemplateIncomplete);
    for params in [
        rsa_aes(256, MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA1, b""),
        rsa_aes(256, MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, b"label"),
        rsa_aes(256, MechanismType::SHA224, cryptoki_sys::CKG_MGF1_SHA224, b""),
        rsa_aes(512, MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, b""),
        Params::None,
    ] {
        assert_eq!(refused(&params, &wrapped, &aes("decrypt")), Code::MechanismParamInvalid);
    }
    for len in [0, 255, 256, 264, 271, 273, 3080] {
        let wrapped = vec![1; len];
        assert_eq!(refused(&sha256(), &wrapped, &aes("decrypt")), Code::WrappedKeyLenRange, "{len}");
    }
    // What RFC 5649 makes of 33 bytes can be no AES key.
    assert_eq!(refused(&sha256(), &[1; 256 + 48], &aes("decrypt")), Code::WrappedKeyLenRange);
}

/// The device's own words for what is wrong would be an oracle for its unwrapping key.
#[test]
fn every_bad_blob_is_one_error() {
    on_both(|hsm| {
        let wrapping = unwrapping_key(hsm);
        let good = wrap(WRAP, &sha256(), &wrapping, &[7; 32]).unwrap();
        let mut blobs = Vec::new();
        for at in [0, 100, 255, 256, 264, 295] {
            let mut blob = good.clone();
            blob[at] ^= 1;
            blobs.push(blob);
        }
        blobs.push([&[0; 256][..], &good[256..]].concat());
        blobs.push([&[0xff; 256][..], &good[256..]].concat());
        blobs.push(
            wrap(WRAP, &rsa_aes(256, MechanismType::SHA_1, cryptoki_sys::CKG_MGF1_SHA1, b""), &wrapping, &[7; 32])
                .unwrap(),
        );
        blobs.push(
            wrap(WRAP, &rsa_aes(256, MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, b"x"), &wrapping, &[7; 32])
                .unwrap(),
        );
        // 31 and 25 bytes are wrapped as 32 are: only the device sees that they are no key.
        blobs.push(wrap(WRAP, &sha256(), &wrapping, &[7; 31]).unwrap());
        blobs.push(wrap(WRAP, &sha256(), &wrapping, &[7; 25]).unwrap());
        let mut words = Vec::new();
        for blob in blobs {
            let error = unwrap_inside(hsm, &sha256(), &blob, &aes("decrypt")).unwrap_err();
            assert_eq!(error, Code::WrappedKeyInvalid);
            words.push(format!("{error}"));
        }
        words.dedup();
        assert_eq!(words.len(), 1, "{words:?}");
        let request = of_private(KeyType::RSA, "sign");
        for payload in [&[7; 32][..], b"not a key at all, but long enough"] {
            let blob = wrap(WRAP, &sha256(), &wrapping, payload).unwrap();
            assert_eq!(unwrap_inside(hsm, &sha256(), &blob, &request).unwrap_err(), Code::WrappedKeyInvalid);
        }
    });
}

/// What arrived is held against the template, and does not stay in the device where it differs.
#[test]
fn a_key_of_another_size_is_refused() {
    let hsm = Hsm::new(Kind::Virtual);
    let outside = pair(&hsm, "sign extractable");
    let Material::Clear(value) = &outside.material else { panic!("an extractable key") };
    let Value::Rsa(der) = &**value else { panic!("an RSA key") };
    let wrapped = wrap(WRAP, &sha256(), &unwrapping_key(&hsm), der).unwrap();
    let request = KeyRequest { modulus_bits: Some(3072), ..of_private(KeyType::RSA, "sign") };
    assert_eq!(unwrap_inside(&hsm, &sha256(), &wrapped, &request).unwrap_err(), Code::TemplateInconsistent);
}

/// The same mechanism with a key pair of the token, in the HSM and outside.
#[test]
fn wrapping_to_a_key_of_the_token() {
    on_both(|hsm| {
        for words in ["decrypt", "decrypt extractable"] {
            let pair = pair(hsm, words);
            for (params, len) in [
                (sha256(), 1),
                (rsa_aes(128, MechanismType::SHA_1, cryptoki_sys::CKG_MGF1_SHA1, b"label"), 16),
                (rsa_aes(192, MechanismType::SHA384, cryptoki_sys::CKG_MGF1_SHA1, b""), 1023),
                (rsa_aes(256, MechanismType::SHA3_512, cryptoki_sys::CKG_MGF1_SHA3_256, b""), 1024),
                (rsa_aes(256, MechanismType::SHA224, cryptoki_sys::CKG_MGF1_SHA512, b""), 4097),
            ] {
                let payload = vec![0x99; len];
                let wrapped = wrap(WRAP, &params, &public(&pair), &payload).unwrap();
                assert_eq!(wrapped.len(), 256 + len.next_multiple_of(8) + 8);
                assert_eq!(unwrap(WRAP, &params, &key(&pair), &wrapped).unwrap(), payload);
                // The AES key may have any of the three lengths, whatever the parameter says of its own.
                if let Params::RsaAesWrap { hash, mgf, label, .. } = &params {
                    let other = rsa_aes(128, *hash, *mgf, label);
                    assert_eq!(unwrap(WRAP, &other, &key(&pair), &wrapped).unwrap(), payload);
                }
                for at in [0, 128, 255, 256, wrapped.len() - 1] {
                    let mut spoiled = wrapped.clone();
                    spoiled[at] ^= 1;
                    let error = unwrap(WRAP, &params, &key(&pair), &spoiled).unwrap_err();
                    assert_eq!(error, Code::WrappedKeyInvalid, "byte {at}");
                }
                for len in [0, 255, 256, 264, wrapped.len() - 1] {
                    let error = unwrap(WRAP, &params, &key(&pair), &wrapped[..len]).unwrap_err();
                    assert_eq!(error, Code::WrappedKeyLenRange, "{len} bytes");
                }
            }
            assert_eq!(wrap(WRAP, &sha256(), &public(&pair), &[]).unwrap_err(), Code::KeySizeRange);
            assert_eq!(wrap(WRAP, &sha256(), &public(&pair), &vec![0; 65537]).unwrap_err(), Code::KeySizeRange);
        }
        let signer = pair(hsm, "sign");
        assert_eq!(unwrap(WRAP, &sha256(), &key(&signer), &[1; 272]).unwrap_err(), Code::KeyFunctionNotPermitted);
    });
}

#[test]
fn oaep_and_pkcs1_wrap_secret_keys() {
    on_both(|hsm| {
        for words in ["decrypt", "decrypt extractable"] {
            let pair = pair(hsm, words);
            for (kind, params, longest) in
                [(MechanismType::RSA_PKCS, Params::None, 245), (MechanismType::RSA_PKCS_OAEP, oaep(), 190)]
            {
                for len in [1, 16, 32, longest] {
                    let payload = vec![0x31; len];
                    let wrapped = wrap(kind, &params, &public(&pair), &payload).unwrap();
                    assert_eq!(unwrap(kind, &params, &key(&pair), &wrapped).unwrap(), payload);
                    assert_eq!(decrypt(kind, &params, &key(&pair), &wrapped).unwrap(), payload, "it is encryption");
                }
                let error = wrap(kind, &params, &public(&pair), &vec![1; longest + 1]).unwrap_err();
                assert_eq!(error, Code::KeySizeRange);
                for len in [0, 255, 257] {
                    let error = unwrap(kind, &params, &key(&pair), &vec![1; len]).unwrap_err();
                    assert_eq!(error, Code::WrappedKeyLenRange);
                }
                let error = unwrap(kind, &params, &key(&pair), &[0xff; 256]).unwrap_err();
                assert_eq!(error, Code::WrappedKeyInvalid);
                let row = table::row(kind).unwrap();
                assert_eq!(row.wraps, [ObjectClass::SECRET_KEY]);
            }
        }
    });
    let raw = table::row(MechanismType::RSA_X_509).unwrap();
    assert!(raw.wrap.is_none() && raw.unwrap.is_none(), "it would decrypt any ciphertext, byte by byte");
}

#[test]
fn signatures_give_their_data_back() {
    on_both(|hsm| {
        for words in ["sign", "sign extractable"] {
            let pair = pair(hsm, words);
            let recover = |kind, data: &[u8]| {
                let made = run(|row| row.sign_recover, kind, &Params::None, &key(&pair), data)?;
                assert_eq!(made, sign(kind, &Params::None, &key(&pair), data)?, "the signature of C_Sign");
                let back = run(|row| row.verify_recover, kind, &Params::None, &public(&pair), &made)?;
                Ok::<_, mechanisms::Error>((made, back))
            };
            for len in [0, 1, 32, 245] {
                let data = vec![0xff; len];
                assert_eq!(recover(MechanismType::RSA_PKCS, &data).unwrap().1, data);
            }
            assert_eq!(recover(MechanismType::RSA_PKCS, &[1; 246]).unwrap_err(), Code::DataLenRange);
            for len in [0, 1, 32, 256] {
                let data = vec![0x11; len];
                let back = recover(MechanismType::RSA_X_509, &data).unwrap().1;
                assert_eq!(back, [vec![0; 256 - len], data].concat());
            }
            assert_eq!(recover(MechanismType::RSA_X_509, &[0xff; 256]).unwrap_err(), Code::DataInvalid);

            let verify = |kind, signature: &[u8]| {
                run(|row| row.verify_recover, kind, &Params::None, &public(&pair), signature).unwrap_err()
            };
            let (made, _) = recover(MechanismType::RSA_PKCS, b"data").unwrap();
            let mut other = made.clone();
            other[200] ^= 1;
            assert_eq!(verify(MechanismType::RSA_PKCS, &other), Code::SignatureInvalid);
            for kind in [MechanismType::RSA_PKCS, MechanismType::RSA_X_509] {
                assert_eq!(verify(kind, &[0xff; 256]), Code::SignatureInvalid);
                for len in [0, 255, 257] {
                    assert_eq!(verify(kind, &vec![1; len]), Code::SignatureLenRange);
                }
            }
            // Data of C_Encrypt, block type 2, is no signature (Kelsey, Schneier, Wagner 1997: one key, two uses).
            let (raw, _) = recover(MechanismType::RSA_X_509, &[&[0, 2][..], &[0xff; 250], b"\0key"].concat()).unwrap();
            assert_eq!(verify(MechanismType::RSA_PKCS, &raw), Code::SignatureInvalid);
        }
        let decrypter = pair(hsm, "decrypt");
        let refused = run(|row| row.sign_recover, MechanismType::RSA_PKCS, &Params::None, &key(&decrypter), b"x");
        assert_eq!(refused.unwrap_err(), Code::KeyFunctionNotPermitted);
    });
}

#[test]
fn secrets_are_encapsulated_for_both_sides() {
    on_both(|hsm| {
        for words in ["decrypt", "decrypt extractable"] {
            let pair = pair(hsm, words);
            for (kind, params, longest) in
                [(MechanismType::RSA_PKCS, Params::None, 245), (MechanismType::RSA_PKCS_OAEP, oaep(), 190)]
            {
                let row = table::row(kind).unwrap();
                let encapsulate = |base: &Key, request: &KeyRequest| {
                    let (params, partition) = (&params, Some(&hsm.partition));
                    (row.encapsulate.unwrap().run)(&Derivation { params, base, others: &[], request, partition })
                };
                let decapsulate = |ciphertext: &[u8], request: &KeyRequest| {
                    let (params, base, partition) = (&params, &key(&pair), Some(&hsm.partition));
                    let from = Derivation { params, base, others: &[], request, partition };
                    row.decapsulate.unwrap()(&from, ciphertext)
                };
                let len = (row.encapsulate.unwrap().ciphertext_len)(&params, &public(&pair)).unwrap();
                for words in ["decrypt", "decrypt extractable"] {
                    let request = KeyRequest { value_len: Some(32), ..aes(words) };
                    let made = encapsulate(&public(&pair), &request).unwrap();
                    assert_eq!((made.ciphertext.len(), made.key.origin), (len, Origin::Library));
                    let other = decapsulate(&made.ciphertext, &request).unwrap();
                    assert_eq!((other.residency, other.value_len), (made.key.residency, Some(32)));
                    let iv = Params::Iv16([9; 16]);
                    let ciphertext = encrypt(MechanismType::AES_CBC_PAD, &iv, &key(&made.key), b"message").unwrap();
                    let plain = decrypt(MechanismType::AES_CBC_PAD, &iv, &key(&other), &ciphertext).unwrap();
                    assert_eq!(plain, b"message");
                    let wrong = KeyRequest { value_len: Some(16), ..request.clone() };
                    assert_eq!(decapsulate(&made.ciphertext, &wrong).unwrap_err(), Code::WrappedKeyInvalid);
                    // A bad ciphertext has a wrong length, as a good one of another key would; one in 246 has the right.
                    let outcomes = [3, 5, 7].map(|factor| {
                        decapsulate(&multiplied(&pair, &made.ciphertext, factor), &request)
                            .map_err(|error| error.code())
                    });
                    assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(Code::WrappedKeyInvalid))));
                    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(Code::WrappedKeyInvalid))));
                    assert_eq!(decapsulate(&[1; 255], &request).unwrap_err(), Code::WrappedKeyLenRange);
                }
                let generic = KeyRequest {
                    key_type: Some(KeyType::GENERIC_SECRET),
                    value_len: Some(longest),
                    ..aes("sign extractable")
                };
                let made = encapsulate(&public(&pair), &generic).unwrap();
                assert_eq!(decapsulate(&made.ciphertext, &generic).unwrap().value_len, Some(longest));
                let long = KeyRequest { value_len: Some(longest + 1), ..generic };
                assert_eq!(encapsulate(&public(&pair), &long).unwrap_err(), Code::KeySizeRange);
                assert_eq!(encapsulate(&public(&pair), &aes("decrypt")).unwrap_err(), Code::TemplateIncomplete);
                assert_eq!(encapsulate(&key(&pair), &long).unwrap_err(), Code::KeyTypeInconsistent);
            }
        }
    });
}

/// Hashes that AWS-LC has no RSA for; verified with RustCrypto.
#[test]
fn sha_224_and_sha_3_signatures() {
    fn theirs(pair: &NewKey) -> rsa::RsaPublicKey {
        rsa::pkcs8::DecodePublicKey::from_public_key_der(&pair.public.as_ref().unwrap().to_spki().unwrap()).unwrap()
    }
    macro_rules! check {
        ($pair:expr, $hasher:ty, $pkcs1:ident, $pss:ident, $hash:ident, $mgf:ident) => {{
            use sha3::Digest as _;
            let (pair, message) = ($pair, b"message");
            let digest = <$hasher>::digest(message);
            let made = sign(MechanismType::$pkcs1, &Params::None, &key(pair), message).unwrap();
            verify(MechanismType::$pkcs1, &Params::None, &public(pair), message, &made).unwrap();
            theirs(pair).verify(rsa::Pkcs1v15Sign::new::<$hasher>(), &digest, &made).unwrap();
            for salt_len in [digest.len(), 0] {
                let params =
                    Params::Pss { hash: MechanismType::$hash, mgf: cryptoki_sys::$mgf, salt_len: salt_len as u64 };
                let made = sign(MechanismType::$pss, &params, &key(pair), message).unwrap();
                verify(MechanismType::$pss, &params, &public(pair), message, &made).unwrap();
                theirs(pair).verify(rsa::Pss::<$hasher>::new_with_salt(salt_len), &digest, &made).unwrap();
                let refused = verify(MechanismType::$pss, &params, &public(pair), b"messagf", &made);
                assert_eq!(refused.unwrap_err(), Code::SignatureInvalid);
            }
            let params = Params::Oaep {
                hash: MechanismType::$hash,
                mgf: cryptoki_sys::$mgf,
                source: cryptoki_sys::CKZ_DATA_SPECIFIED,
                label: vec![],
            };
            let ciphertext = theirs(pair).encrypt(&mut rng(), rsa::Oaep::<$hasher>::new(), message).unwrap();
            assert_eq!(decrypt(MechanismType::RSA_PKCS_OAEP, &params, &key(pair), &ciphertext).unwrap(), message);
            let ciphertext = encrypt(MechanismType::RSA_PKCS_OAEP, &params, &public(pair), message).unwrap();
            assert_eq!(decrypt(MechanismType::RSA_PKCS_OAEP, &params, &key(pair), &ciphertext).unwrap(), message);
        }};
    }
    let hsm = Hsm::new(Kind::Physical);
    for words in ["sign decrypt", "sign decrypt extractable"] {
        let pair = &pair(&hsm, words);
        check!(pair, sha2::Sha224, SHA224_RSA_PKCS, SHA224_RSA_PKCS_PSS, SHA224, CKG_MGF1_SHA224);
        check!(pair, sha3::Sha3_224, SHA3_224_RSA_PKCS, SHA3_224_RSA_PKCS_PSS, SHA3_224, CKG_MGF1_SHA3_224);
        check!(pair, sha3::Sha3_256, SHA3_256_RSA_PKCS, SHA3_256_RSA_PKCS_PSS, SHA3_256, CKG_MGF1_SHA3_256);
        check!(pair, sha3::Sha3_384, SHA3_384_RSA_PKCS, SHA3_384_RSA_PKCS_PSS, SHA3_384, CKG_MGF1_SHA3_384);
        check!(pair, sha3::Sha3_512, SHA3_512_RSA_PKCS, SHA3_512_RSA_PKCS_PSS, SHA3_512, CKG_MGF1_SHA3_512);
        check!(pair, sha2::Sha512, SHA512_RSA_PKCS, SHA512_RSA_PKCS_PSS, SHA512, CKG_MGF1_SHA512);
    }
}

/// AWS-LC's generator, as the `rsa` crate asks for one.
fn rng() -> rsa::rand_core::UnwrapErr<Random> {
    rsa::rand_core::UnwrapErr(Random)
}

struct Random;

impl rsa::rand_core::TryRng for Random {
    type Error = mechanisms::Error;

    fn try_next_u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        mechanisms::random::fill(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        mechanisms::random::fill(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<()> {
        mechanisms::random::fill(dst)
    }
}

impl rsa::rand_core::TryCryptoRng for Random {}
