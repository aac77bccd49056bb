//! Every mechanism with keys in the (emulated) HSM, in both dialects: made there, imported, used, refused. What the
//! HSM computes is checked outside: with AWS-LC, or the same mechanism on a clear key of the same value.

mod common;

use std::sync::Arc;

use aws_lc_rs::signature as engine;
use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::Code;
use mechanisms::key::{Key, KeyRequest, Material, NewKey, Origin, Policy, PublicKey, Residency};
use mechanisms::params::Params;
use mechanisms::{ec, rsa, table};
use transport::emulator::Kind;
use transport::partition::Curve;
use zeroize::Zeroizing;

use common::{Hsm, asking, clear_secret, decrypt, derive, encrypt, key, on_both, public, secret, sign, verify};

fn pss(hash: MechanismType, mgf: u64, salt_len: u64) -> Params {
    Params::Pss { hash, mgf, salt_len }
}

fn oaep() -> Params {
    Params::Oaep {
        hash: MechanismType::SHA256,
        mgf: cryptoki_sys::CKG_MGF1_SHA1,
        source: cryptoki_sys::CKZ_DATA_SPECIFIED,
        label: b"label".to_vec(),
    }
}

#[test]
fn rsa_keys_made_here_work_there() {
    on_both(|hsm| {
        let request = KeyRequest { modulus_bits: Some(2048), ..asking("sign decrypt") };
        let new = hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &request).unwrap();
        assert_eq!((new.residency, new.origin), (Residency::Hsm, Origin::Library));
        assert!(matches!(new.material, Material::Hsm(..)));
        let (private, public) = (key(&new), public(&new));
        let spki = new.public.as_ref().unwrap().to_spki().unwrap();

        let made = sign(MechanismType::SHA256_RSA_PKCS, &Params::None, &private, b"message").unwrap();
        engine::UnparsedPublicKey::new(&engine::RSA_PKCS1_2048_8192_SHA256, &spki).verify(b"message", &made).unwrap();
        let params = pss(MechanismType::SHA384, cryptoki_sys::CKG_MGF1_SHA384, 48);
        let made = sign(MechanismType::SHA384_RSA_PKCS_PSS, &params, &private, b"message").unwrap();
        engine::UnparsedPublicKey::new(&engine::RSA_PSS_2048_8192_SHA384, &spki).verify(b"message", &made).unwrap();
        let odd = pss(MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA512, 7);
        let made = sign(MechanismType::RSA_PKCS_PSS, &odd, &private, &[5; 32]).unwrap();
        verify(MechanismType::RSA_PKCS_PSS, &odd, &public, &[5; 32], &made).unwrap();
        for (kind, message) in [
            (MechanismType::RSA_PKCS, &b"free data"[..]),
            (MechanismType::RSA_X_509, &[0x11; 256]),
            // 0 and 1 and n - 1 never reach the device, which refuses them.
            (MechanismType::RSA_X_509, &[]),
            (MechanismType::RSA_X_509, &[1]),
        ] {
            let made = sign(kind, &Params::None, &private, message).unwrap();
            verify(kind, &Params::None, &public, message, &made).unwrap();
        }
        for (kind, params) in [(MechanismType::RSA_PKCS, Params::None), (MechanismType::RSA_PKCS_OAEP, oaep())] {
            let ciphertext = encrypt(kind, &params, &public, b"message").unwrap();
            assert_eq!(decrypt(kind, &params, &private, &ciphertext).unwrap(), b"message");
        }
        let ciphertext = encrypt(MechanismType::RSA_X_509, &Params::None, &public, b"message").unwrap();
        let plain = decrypt(MechanismType::RSA_X_509, &Params::None, &private, &ciphertext).unwrap();
        assert_eq!(plain, [&[0; 249][..], b"message"].concat());
        let bad = decrypt(MechanismType::RSA_PKCS, &Params::None, &private, &ciphertext).unwrap();
        assert_eq!(bad, decrypt(MechanismType::RSA_PKCS, &Params::None, &private, &ciphertext).unwrap());
    });
}

#[test]
fn an_rsa_key_has_the_facets_that_were_asked_for() {
    let hsm = Hsm::new(Kind::Virtual);
    let bits = |words| KeyRequest { modulus_bits: Some(2048), ..asking(words) };
    let signer = hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &bits("sign")).unwrap();
    let ciphertext = encrypt(MechanismType::RSA_PKCS, &Params::None, &public(&signer), b"x").unwrap();
    let refused = decrypt(MechanismType::RSA_PKCS, &Params::None, &key(&signer), &ciphertext);
    assert_eq!(refused.unwrap_err(), Code::KeyFunctionNotPermitted);
    let decrypter = hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &bits("decrypt")).unwrap();
    let refused = sign(MechanismType::RSA_PKCS, &Params::None, &key(&decrypter), b"x");
    assert_eq!(refused.unwrap_err(), Code::KeyFunctionNotPermitted);

    let generate = |request| hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &request).map(|new| new.residency);
    assert_eq!(generate(bits("sign extractable")).unwrap(), Residency::Sealed);
    assert_eq!(generate(KeyRequest { policy: Policy::Strict, ..bits("sign") }).unwrap_err(), Code::MechanismInvalid);
    let exponent = KeyRequest { public_exponent: Some(vec![3]), ..bits("sign") };
    assert_eq!(generate(exponent).unwrap_err(), Code::TemplateInconsistent);
    let zeros = KeyRequest { public_exponent: Some(vec![0, 1, 0, 1]), ..bits("sign") };
    assert_eq!(generate(zeros).unwrap(), Residency::Hsm);
    assert_eq!(generate(asking("sign")).unwrap_err(), Code::TemplateIncomplete);
}

#[test]
fn rsa_keys_of_all_sizes_are_imported() {
    let hsm = Hsm::new(Kind::Physical);
    for bits in [3072, 4096] {
        let request = KeyRequest { modulus_bits: Some(bits), ..asking("sign extractable") };
        let outside = hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &request).unwrap();
        let Material::Clear(value) = &outside.material else { panic!("an extractable key") };
        let parts = rsa::components(value).unwrap();
        let value = rsa::private_from_components(
            &parts.modulus,
            &parts.public_exponent,
            &parts.private_exponent,
            rsa::Crt::default(),
        )
        .unwrap();
        let strict = KeyRequest { policy: Policy::Strict, ..asking("sign") };
        let inside = hsm.import(value, &strict).unwrap();
        assert_eq!((inside.residency, inside.origin), (Residency::Hsm, Origin::Imported));
        let kind = MechanismType::SHA512_RSA_PKCS;
        let made = sign(kind, &Params::None, &key(&inside), b"message").unwrap();
        assert_eq!(made, sign(kind, &Params::None, &key(&outside), b"message").unwrap(), "the same key");
    }
}

/// A public half that is not the key's stands for a fault in the device's computation.
#[test]
fn a_wrong_rsa_signature_is_withheld() {
    let hsm = Hsm::new(Kind::Virtual);
    let request = KeyRequest { modulus_bits: Some(2048), ..asking("sign") };
    let pair = || hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &request).unwrap();
    let mixed = Key { public: pair().public.map(Arc::new), ..key(&pair()) };
    for kind in [MechanismType::SHA256_RSA_PKCS, MechanismType::RSA_PKCS, MechanismType::RSA_X_509] {
        assert_eq!(sign(kind, &Params::None, &mixed, b"message").unwrap_err(), Code::DeviceError, "{kind:?}");
    }
}

/// Nothing says that the first prime is the larger one, and some software makes keys where it is not.
#[test]
fn rsa_keys_with_the_smaller_prime_first_are_imported() {
    let hsm = Hsm::new(Kind::Physical);
    let request = KeyRequest { modulus_bits: Some(2048), ..asking("sign extractable") };
    let outside = hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &request).unwrap();
    let Material::Clear(value) = &outside.material else { panic!("an extractable key") };
    let parts = rsa::components(value).unwrap();
    for (prime_1, prime_2) in [(&parts.prime_1, &parts.prime_2), (&parts.prime_2, &parts.prime_1)] {
        let crt = rsa::Crt { prime_1: Some(prime_1), prime_2: Some(prime_2), ..rsa::Crt::default() };
        let value =
            rsa::private_from_components(&parts.modulus, &parts.public_exponent, &parts.private_exponent, crt).unwrap();
        let inside = hsm.import(value, &asking("sign")).unwrap();
        let value =
            rsa::private_from_components(&parts.modulus, &parts.public_exponent, &parts.private_exponent, crt).unwrap();
        let sealed = hsm.import(value, &asking("sign extractable")).unwrap();
        for new in [&inside, &sealed] {
            for (kind, message) in
                [(MechanismType::SHA256_RSA_PKCS, &b"message"[..]), (MechanismType::RSA_PKCS, b"free data")]
            {
                let made = sign(kind, &Params::None, &key(new), message).unwrap();
                verify(kind, &Params::None, &public(new), message, &made).unwrap();
            }
        }
    }
}

#[test]
fn ec_keys_are_born_there() {
    on_both(|hsm| {
        for curve in ec::CURVES {
            let request = KeyRequest { curve: Some(curve), policy: Policy::Strict, ..asking("sign") };
            let new = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &request).unwrap();
            assert_eq!((new.residency, new.origin), (Residency::Hsm, Origin::Device));
            let Some(PublicKey::Ec { point, .. }) = &new.public else { panic!("an EC key") };
            assert_eq!(point.len(), 1 + 2 * curve.len());
            for kind in [
                MechanismType::ECDSA_SHA1,
                MechanismType::ECDSA_SHA256,
                MechanismType::ECDSA_SHA384,
                MechanismType::ECDSA_SHA512,
            ] {
                let made = sign(kind, &Params::None, &key(&new), b"message").unwrap();
                verify(kind, &Params::None, &public(&new), b"message", &made).unwrap();
            }
            for len in [1, 20, 31, 32, 33, 48, 64] {
                let data = vec![0xab; len];
                let made = sign(MechanismType::ECDSA, &Params::None, &key(&new), &data).unwrap();
                verify(MechanismType::ECDSA, &Params::None, &public(&new), &data, &made).unwrap();
            }
            let long = sign(MechanismType::ECDSA, &Params::None, &key(&new), &[1; 80]);
            if curve == Curve::P521 {
                assert_eq!(long.unwrap_err(), Code::DataLenRange);
            } else {
                verify(MechanismType::ECDSA, &Params::None, &public(&new), &[1; 80], &long.unwrap()).unwrap();
            }
        }
    });
}

#[test]
fn an_ec_key_for_both_uses_is_library_made_or_refused() {
    let hsm = Hsm::new(Kind::Virtual);
    let request = KeyRequest { curve: Some(Curve::P256), ..asking("sign derive") };
    let new = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &request).unwrap();
    assert_eq!((new.residency, new.origin), (Residency::Hsm, Origin::Library));
    let made = sign(MechanismType::ECDSA_SHA256, &Params::None, &key(&new), b"message").unwrap();
    verify(MechanismType::ECDSA_SHA256, &Params::None, &public(&new), b"message", &made).unwrap();
    let strict = KeyRequest { policy: Policy::Strict, ..request };
    let refused = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &strict);
    assert_eq!(refused.unwrap_err(), Code::TemplateInconsistent);
    assert_eq!(hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &asking("sign")).unwrap_err(), Code::TemplateIncomplete);
}

/// Both sides of an ECDH, one in the HSM and one clear, derive the same keys: known bytes prove the HSM's HKDF.
#[test]
fn ecdh_and_hkdf_inside_agree_with_the_outside() {
    on_both(|hsm| {
        for curve in ec::CURVES {
            let request = KeyRequest { curve: Some(curve), ..asking("derive") };
            let inside = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &request).unwrap();
            let outside = hsm
                .generate(MechanismType::EC_KEY_PAIR_GEN, &KeyRequest { extractable: true, ..request.clone() })
                .unwrap();
            let ecdh = |of: &NewKey| {
                let Some(PublicKey::Ec { point, .. }) = &of.public else { panic!("an EC key") };
                Params::Ecdh1 { kdf: cryptoki_sys::CKD_NULL, shared: vec![], public: point.clone() }
            };
            let base = |private: &NewKey, peer: &NewKey| {
                derive(MechanismType::ECDH1_DERIVE, &ecdh(peer), &key(private), &asking("derive")).unwrap()
            };
            let (secret_inside, secret_outside) = (base(&inside, &outside), base(&outside, &inside));
            assert_eq!((secret_inside.residency, secret_inside.origin), (Residency::Hsm, Origin::Device));
            assert_eq!(secret_inside.value_len, Some(curve.len()));
            assert_eq!(secret_outside.residency, Residency::Sealed);

            for (salt, info) in [(&b""[..], &b""[..]), (b"salt", b"info"), (&[7; 256], &[8; 256])] {
                let hkdf = Params::Hkdf {
                    extract: true,
                    expand: true,
                    hash: MechanismType::SHA384,
                    salt_type: if salt.is_empty() {
                        cryptoki_sys::CKF_HKDF_SALT_NULL
                    } else {
                        cryptoki_sys::CKF_HKDF_SALT_DATA
                    },
                    salt: salt.to_vec(),
                    salt_key: 0,
                    info: info.to_vec(),
                };
                let both = |request: &KeyRequest| {
                    [&secret_inside, &secret_outside]
                        .map(|base| derive(MechanismType::HKDF_DERIVE, &hkdf, &key(base), request).unwrap())
                };
                let aes = |value_len| KeyRequest {
                    key_type: Some(KeyType::AES),
                    value_len: Some(value_len),
                    ..asking("decrypt")
                };
                for value_len in [16, 24, 32] {
                    let [there, here] = both(&aes(value_len));
                    assert_eq!((there.residency, here.residency), (Residency::Hsm, Residency::Sealed));
                    let iv = Params::Iv16([3; 16]);
                    let ciphertext = encrypt(MechanismType::AES_CBC_PAD, &iv, &key(&there), b"message").unwrap();
                    assert_eq!(decrypt(MechanismType::AES_CBC_PAD, &iv, &key(&here), &ciphertext).unwrap(), b"message");
                }
                let mac = KeyRequest { key_type: Some(KeyType::SHA256_HMAC), value_len: Some(32), ..asking("sign") };
                let [there, here] = both(&mac)
                    .map(|new| sign(MechanismType::SHA256_HMAC, &Params::None, &key(&new), b"message").unwrap());
                assert_eq!(there, here);
            }
        }
    });
}

#[test]
fn what_the_hsm_cannot_derive_is_refused() {
    let hsm = Hsm::new(Kind::Virtual);
    let request = KeyRequest { curve: Some(Curve::P256), ..asking("derive") };
    let new = hsm.generate(MechanismType::EC_KEY_PAIR_GEN, &request).unwrap();
    let Some(PublicKey::Ec { point, .. }) = new.public.clone() else { panic!("an EC key") };
    let ecdh = Params::Ecdh1 { kdf: cryptoki_sys::CKD_NULL, shared: vec![], public: point };
    let refused = |request: &KeyRequest| derive(MechanismType::ECDH1_DERIVE, &ecdh, &key(&new), request).unwrap_err();
    assert_eq!(refused(&asking("derive extractable")), Code::TemplateInconsistent);
    let aes = KeyRequest { key_type: Some(KeyType::AES), value_len: Some(32), ..asking("decrypt") };
    assert_eq!(refused(&aes), Code::TemplateInconsistent);
    assert_eq!(refused(&KeyRequest { value_len: Some(16), ..asking("derive") }), Code::TemplateInconsistent);

    let base = derive(MechanismType::ECDH1_DERIVE, &ecdh, &key(&new), &asking("derive")).unwrap();
    let hkdf = |extract, salt: Vec<u8>| Params::Hkdf {
        extract,
        expand: true,
        hash: MechanismType::SHA256,
        salt_type: cryptoki_sys::CKF_HKDF_SALT_DATA,
        salt,
        salt_key: 0,
        info: vec![],
    };
    let refused = |params: &Params, request: &KeyRequest| {
        derive(MechanismType::HKDF_DERIVE, params, &key(&base), request).unwrap_err()
    };
    assert_eq!(refused(&hkdf(false, vec![]), &aes), Code::MechanismParamInvalid);
    assert_eq!(refused(&hkdf(true, vec![0; 257]), &aes), Code::MechanismParamInvalid);
    let extractable = KeyRequest { extractable: true, ..aes.clone() };
    assert_eq!(refused(&hkdf(true, vec![]), &extractable), Code::TemplateInconsistent);
    let generic = KeyRequest { value_len: Some(32), ..asking("derive") };
    assert_eq!(refused(&hkdf(true, vec![]), &generic), Code::TemplateInconsistent);
    // An AES key in the HSM derives nothing.
    let aes = hsm.generate(MechanismType::AES_KEY_GEN, &aes).unwrap();
    let posing = Key { key_type: KeyType::GENERIC_SECRET, ..key(&aes) };
    let out = KeyRequest { value_len: Some(32), ..asking("sign") };
    let refused = derive(MechanismType::HKDF_DERIVE, &hkdf(true, vec![]), &posing, &out);
    assert_eq!(refused.unwrap_err(), Code::KeyFunctionNotPermitted);
}

#[test]
fn aes_cbc_in_pieces_agrees_with_software() {
    on_both(|hsm| {
        for len in [16, 24, 32] {
            let bytes: Vec<u8> = (0..len).collect();
            let inside = hsm.import(secret(&bytes), &aes_request(usize::from(len))).unwrap();
            assert_eq!((inside.residency, inside.origin), (Residency::Hsm, Origin::Imported));
            let outside = clear_secret(KeyType::AES, &bytes);
            let iv = Params::Iv16([9; 16]);
            for size in [0, 15, 16, 1008, 1023, 1024, 1025, 1040, 5000] {
                let message: Vec<u8> = (0..size).map(|i| u8::try_from(i % 249).unwrap()).collect();
                let ciphertext = encrypt(MechanismType::AES_CBC_PAD, &iv, &key(&inside), &message).unwrap();
                assert_eq!(ciphertext, encrypt(MechanismType::AES_CBC_PAD, &iv, &outside, &message).unwrap());
                let row = table::row(MechanismType::AES_CBC_PAD).unwrap();
                for piece in [7, 16, 1024, 1500] {
                    let mut op = row.decrypt.unwrap()(&iv, &key(&inside)).unwrap();
                    let mut out = Zeroizing::default();
                    for part in ciphertext.chunks(piece) {
                        op.update(part, &mut out).unwrap();
                    }
                    op.finish(&mut out).unwrap();
                    assert_eq!(*out, message);
                }
            }
        }
    });
}

fn aes_request(len: usize) -> KeyRequest {
    KeyRequest { key_type: Some(KeyType::AES), value_len: Some(len), ..asking("decrypt") }
}

#[test]
fn aes_gcm_agrees_with_software_in_every_case() {
    on_both(|hsm| {
        for len in [16, 24, 32] {
            let bytes: Vec<u8> = (0..len).collect();
            let inside = key(&hsm.import(secret(&bytes), &aes_request(usize::from(len))).unwrap());
            let outside = clear_secret(KeyType::AES, &bytes);
            for (iv_len, aad_len, size, tag_bits) in [
                (12, 0, 100, 128),
                (12, 20, 16, 128),
                (12, 33, 1, 96),
                (12, 5, 0, 128),
                (12, 0, 0, 104),
                (16, 7, 50, 128),
                (8, 0, 0, 120),
                (12, 100, 3000, 112),
            ] {
                let params = Params::Gcm { iv: vec![6; iv_len], aad: vec![7; aad_len], tag_bits };
                let message = vec![8; size];
                let ciphertext = encrypt(MechanismType::AES_GCM, &params, &inside, &message).unwrap();
                let expected = encrypt(MechanismType::AES_GCM, &params, &outside, &message).unwrap();
                assert_eq!(ciphertext, expected, "key {len}, iv {iv_len}, aad {aad_len}, {size} bytes, {tag_bits}");
                assert_eq!(decrypt(MechanismType::AES_GCM, &params, &inside, &ciphertext).unwrap(), message);
                let mut spoiled = ciphertext;
                *spoiled.last_mut().unwrap() ^= 1;
                let refused = decrypt(MechanismType::AES_GCM, &params, &inside, &spoiled);
                assert_eq!(refused.unwrap_err(), Code::EncryptedDataInvalid);
            }
        }
    });
}

#[test]
fn an_aes_key_for_gcm_alone_has_no_cbc() {
    let hsm = Hsm::new(Kind::Physical);
    let request = KeyRequest { allowed: Some(vec![MechanismType::AES_GCM]), ..aes_request(32) };
    let new = hsm.generate(MechanismType::AES_KEY_GEN, &request).unwrap();
    let gcm = |iv_len| Params::Gcm { iv: vec![1; iv_len], aad: vec![], tag_bits: 128 };
    let run = |kind, params: &Params, message: &[u8]| encrypt(kind, params, &key(&new), message);
    assert!(run(MechanismType::AES_GCM, &gcm(12), b"message").is_ok());
    assert_eq!(run(MechanismType::AES_GCM, &gcm(12), b"").unwrap_err(), Code::DataLenRange);
    assert_eq!(run(MechanismType::AES_GCM, &gcm(16), b"message").unwrap_err(), Code::MechanismParamInvalid);
    let refused = run(MechanismType::AES_CBC, &Params::Iv16([0; 16]), &[0; 16]);
    assert_eq!(refused.unwrap_err(), Code::KeyFunctionNotPermitted);
}

#[test]
fn aes_keys_are_born_there_and_their_facets_hold_the_same_bytes() {
    on_both(|hsm| {
        for len in [16, 24, 32] {
            let strict = KeyRequest { policy: Policy::Strict, ..aes_request(len) };
            let new = hsm.generate(MechanismType::AES_KEY_GEN, &strict).unwrap();
            assert_eq!((new.residency, new.origin), (Residency::Hsm, Origin::Device));
            assert_eq!(new.value_len, Some(len));
            // GCM's key stream, found with the CBC facet block by block, is what the GCM facet makes.
            let native = Params::Gcm { iv: vec![1; 12], aad: vec![], tag_bits: 128 };
            let stream = encrypt(MechanismType::AES_GCM, &native, &key(&new), &[0; 32]).unwrap();
            let mut block = [1; 16];
            block[12..].copy_from_slice(&2u32.to_be_bytes());
            let zero = Params::Iv16([0; 16]);
            let first = encrypt(MechanismType::AES_CBC, &zero, &key(&new), &block).unwrap();
            assert_eq!(stream[..16], first);
        }
        let bad = KeyRequest { value_len: Some(20), ..aes_request(16) };
        let refused = hsm.generate(MechanismType::AES_KEY_GEN, &bad);
        assert_eq!(refused.unwrap_err(), Code::AttributeValueInvalid);
        let none = KeyRequest { value_len: None, ..aes_request(16) };
        assert_eq!(hsm.generate(MechanismType::AES_KEY_GEN, &none).unwrap_err(), Code::TemplateIncomplete);
        let extractable = KeyRequest { extractable: true, ..aes_request(16) };
        let new = hsm.generate(MechanismType::AES_KEY_GEN, &extractable).unwrap();
        assert_eq!((new.residency, new.origin), (Residency::Sealed, Origin::Library));
        let strict = KeyRequest { policy: Policy::Strict, ..extractable };
        assert_eq!(hsm.generate(MechanismType::AES_KEY_GEN, &strict).unwrap_err(), Code::TemplateInconsistent);
    });
}

#[test]
fn hmac_keys_are_born_there_and_take_1024_bytes() {
    on_both(|hsm| {
        for (len, works) in [
            (32, &[MechanismType::SHA256_HMAC][..]),
            (48, &[MechanismType::SHA256_HMAC, MechanismType::SHA384_HMAC]),
            (64, &[MechanismType::SHA256_HMAC, MechanismType::SHA384_HMAC, MechanismType::SHA512_HMAC]),
            (100, &[MechanismType::SHA384_HMAC, MechanismType::SHA512_HMAC]),
        ] {
            let request = KeyRequest { value_len: Some(len), ..asking("sign") };
            let new = hsm.generate(MechanismType::GENERIC_SECRET_KEY_GEN, &request).unwrap();
            assert_eq!((new.residency, new.origin), (Residency::Hsm, Origin::Device));
            for kind in [MechanismType::SHA256_HMAC, MechanismType::SHA384_HMAC, MechanismType::SHA512_HMAC] {
                let made = sign(kind, &Params::None, &key(&new), &[1; 1024]);
                if works.contains(&kind) {
                    verify(kind, &Params::None, &key(&new), &[1; 1024], &made.unwrap()).unwrap();
                    let spoiled = verify(kind, &Params::None, &key(&new), b"x", &[0; 64][..mac_len(kind)]);
                    assert_eq!(spoiled.unwrap_err(), Code::SignatureInvalid);
                    let long = sign(kind, &Params::None, &key(&new), &[1; 1025]);
                    assert_eq!(long.unwrap_err(), Code::DataLenRange);
                    sign(kind, &Params::None, &key(&new), b"").unwrap();
                } else {
                    assert_eq!(made.unwrap_err(), Code::KeyFunctionNotPermitted);
                }
            }
            let sha1 = sign(MechanismType::SHA_1_HMAC, &Params::None, &key(&new), b"x");
            assert_eq!(sha1.unwrap_err(), Code::KeyFunctionNotPermitted);
        }
        for words in ["derive", "sign extractable"] {
            let request = KeyRequest { value_len: Some(64), ..asking(words) };
            let new = hsm.generate(MechanismType::GENERIC_SECRET_KEY_GEN, &request).unwrap();
            assert_eq!(new.residency, Residency::Sealed);
        }
        let imported = hsm.import(secret(&[1; 64]), &asking("sign")).unwrap();
        assert_eq!(imported.residency, Residency::Sealed);
    });
}

fn mac_len(kind: MechanismType) -> usize {
    match kind {
        MechanismType::SHA256_HMAC => 32,
        MechanismType::SHA384_HMAC => 48,
        _ => 64,
    }
}

#[test]
fn a_key_type_must_fit_its_mechanism() {
    let aes = clear_secret(KeyType::AES, &[1; 16]);
    let refused = sign(MechanismType::SHA256_HMAC, &Params::None, &aes, b"x");
    assert_eq!(refused.unwrap_err(), Code::KeyTypeInconsistent);
    let mac = clear_secret(KeyType::SHA256_HMAC, &[1; 16]);
    assert!(sign(MechanismType::SHA256_HMAC, &Params::None, &mac, b"x").is_ok());
    assert_eq!(sign(MechanismType::SHA384_HMAC, &Params::None, &mac, b"x").unwrap_err(), Code::KeyTypeInconsistent);
}
