//! Keys that somebody else wrapped to the partition's unwrapping key: the blobs here are made as a key vault would.

use aes_kw::{KeyInit, KwpAes128, KwpAes192, KwpAes256};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepPublicEncryptingKey, PublicEncryptingKey,
};
use der::Encode;
use pkcs8::PrivateKeyInfoRef;
use sec1::EcPrivateKey;
use transport::Error;
use transport::channel::Direction;
use transport::emulator::Kind;
use transport::partition::{Curve, FacetKind, Hash, ImportValue, Partition, WrappedClass};

use crate::oracle;
use crate::rig::{Rig, both};
use crate::vectors::{bytes, list, load, rsa_key};

/// What `CKM_RSA_AES_KEY_WRAP` makes of a value.
pub(crate) fn wrap(unwrapping_key: &[u8], hash: Hash, kek: &[u8], value: &[u8], label: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        Hash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        Hash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        Hash::Sha512 => &OAEP_SHA512_MGF1SHA512,
    };
    let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(unwrapping_key).unwrap()).unwrap();
    let mut blob = vec![0; public.ciphertext_size()];
    public.encrypt(algorithm, kek, &mut blob, Some(label)).unwrap();
    let mut kwp = vec![0; value.len().next_multiple_of(8) + 8];
    match kek.len() {
        16 => KwpAes128::new_from_slice(kek).unwrap().wrap_key(value, &mut kwp),
        24 => KwpAes192::new_from_slice(kek).unwrap().wrap_key(value, &mut kwp),
        32 => KwpAes256::new_from_slice(kek).unwrap().wrap_key(value, &mut kwp),
        // A key that the device does not take: the payload does not matter.
        _ => return [blob, kwp].concat(),
    }
    .unwrap();
    [blob, kwp].concat()
}

/// An EC key in the form that the device takes, and its point.
fn ec_key() -> (Vec<u8>, Vec<u8>) {
    use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref().to_vec();
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let inner = EcPrivateKey { private_key: scalar.as_ref(), parameters: None, public_key: Some(&point) };
    let inner = inner.to_der().unwrap();
    let outer = pair.to_pkcs8v1().unwrap();
    let algorithm = PrivateKeyInfoRef::try_from(outer.as_ref()).unwrap().algorithm;
    let inner = der::asn1::OctetStringRef::new(&inner).unwrap();
    (PrivateKeyInfoRef::new(algorithm, inner).to_der().unwrap(), point)
}

fn cbc(partition: &Partition, key: &transport::partition::HsmKey) -> Vec<u8> {
    let mut data = vec![0x41; 48];
    partition.aes_cbc(key, Direction::Encrypt, &mut [7; 16], &mut data).unwrap();
    data
}

#[test]
fn aes_keys_of_every_length_hash_and_wrapping_key() {
    both(|rig| {
        let partition = rig.partition();
        let spki = partition.unwrapping_key().unwrap();
        assert_eq!(partition.unwrapping_key().unwrap(), spki);
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            for len in [16, 24, 32] {
                let (kek, value) = (vec![3; 48 - len.max(16)], vec![9; len]);
                let blob = wrap(&spki, hash, &kek, &value, b"");
                let made = partition.import_wrapped(&blob, WrappedClass::Aes, hash, &[FacetKind::AesCbc]).unwrap();
                assert_eq!((made.public, made.value_len), (None, Some(len)));
                assert_eq!(cbc(&partition, &made.key), oracle::cbc_encrypt(&value, &[7; 16], &[0x41; 48]));
            }
        }
    });
}

#[test]
fn the_facets_of_one_blob_hold_one_value() {
    both(|rig| {
        let partition = rig.partition();
        let spki = partition.unwrapping_key().unwrap();
        let value = [0x5e; 32];
        let blob = wrap(&spki, Hash::Sha256, &[1; 32], &value, b"");
        let facets = [FacetKind::AesCbc, FacetKind::AesGcm];
        let made = partition.import_wrapped(&blob, WrappedClass::Aes, Hash::Sha256, &facets).unwrap();
        assert!(facets.iter().all(|facet| made.key.can(*facet)));
        assert_eq!(cbc(&partition, &made.key), oracle::cbc_encrypt(&value, &[7; 16], &[0x41; 48]));
        let other = partition.import(&ImportValue::Aes(&value), &[FacetKind::AesGcm]).unwrap();
        let mut data = b"message".to_vec();
        let tag = partition.aes_gcm_encrypt(&made.key, &[4; 12], b"aad", &mut data).unwrap();
        partition.aes_gcm_decrypt(&other, &[4; 12], b"aad", &mut data, &tag).unwrap();
        assert_eq!(data, b"message");
    });
}

#[test]
fn rsa_and_ec_keys_arrive_with_their_public_half() {
    let file = load("kat_rsa.json");
    both(|rig| {
        let partition = rig.partition();
        let spki = partition.unwrapping_key().unwrap();
        for bits in [2048, 3072, 4096] {
            let (pkcs8, public) = rsa_key(bits);
            let blob = wrap(&spki, Hash::Sha1, &[1; 32], &pkcs8, b"");
            let facets = [FacetKind::RsaSign, FacetKind::RsaDecrypt];
            let made = partition.import_wrapped(&blob, WrappedClass::Rsa, Hash::Sha1, &facets).unwrap();
            assert_eq!((made.public, made.value_len), (Some(public), None));
            let case =
                list(&file["mod_exp"]).iter().find(|case| case["bits"] == bits && case["x"].is_string()).unwrap();
            for facet in facets {
                assert_eq!(*partition.rsa_mod_exp(&made.key, facet, &bytes(&case["y"])).unwrap(), bytes(&case["x"]));
            }
        }
        let (pkcs8, point) = ec_key();
        let blob = wrap(&spki, Hash::Sha512, &[1; 16], &pkcs8, b"");
        let facets = [FacetKind::EcSign, FacetKind::EcDerive];
        let made = partition.import_wrapped(&blob, WrappedClass::Ec, Hash::Sha512, &facets).unwrap();
        assert!(made.public.unwrap().ends_with(&point));
        let signature = partition.ecc_sign(&made.key, &[8; 32]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[8; 32], &signature));
    });
}

#[test]
fn every_bad_blob_is_the_same_error() {
    both(|rig| {
        let partition = rig.partition();
        let spki = partition.unwrapping_key().unwrap();
        let (rsa, _) = rsa_key(2048);
        let (ec, _) = ec_key();
        let good = |value: &[u8]| wrap(&spki, Hash::Sha256, &[1; 32], value, b"");
        let spoiled = |value: &[u8], at: usize| {
            let mut blob = good(value);
            blob[at] ^= 1;
            blob
        };
        let mut not_rsa = rsa.clone();
        not_rsa[600] ^= 1;
        let (aes, class_rsa, class_ec) = (WrappedClass::Aes, WrappedClass::Rsa, WrappedClass::Ec);
        for (blob, class, what) in [
            (spoiled(&[1; 16], 128), aes, "OAEP"),
            ([&[0xff; 256][..], &good(&[1; 16])[256..]].concat(), aes, "a first part above the modulus"),
            (wrap(&spki, Hash::Sha1, &[1; 32], &[1; 16], b""), aes, "another hash"),
            (wrap(&spki, Hash::Sha256, &[1; 32], &[1; 16], b"label"), aes, "a label"),
            (wrap(&spki, Hash::Sha256, &[1; 17], &[1; 16], b""), aes, "a wrapping key of 17 bytes"),
            (spoiled(&[1; 16], 270), aes, "RFC 5649"),
            (good(&[1; 16])[..272].to_vec(), aes, "a part of RFC 5649"),
            (good(&[1; 15]), aes, "15 bytes"),
            (good(&[1; 20]), aes, "20 bytes"),
            (good(&rsa), aes, "RSA as AES"),
            (good(&ec), class_rsa, "EC as RSA"),
            (good(&rsa), class_ec, "RSA as EC"),
            (good(&[1; 32]), class_rsa, "AES as RSA"),
            (good(&not_rsa), class_rsa, "an inconsistent RSA key"),
        ] {
            let facet = match class {
                WrappedClass::Aes => FacetKind::AesCbc,
                WrappedClass::Rsa => FacetKind::RsaSign,
                WrappedClass::Ec => FacetKind::EcSign,
            };
            let refused = partition.import_wrapped(&blob, class, Hash::Sha256, &[facet]).unwrap_err();
            assert_eq!(refused, Error::WrappedKeyRejected, "{what}");
        }
        let refused =
            partition.import_wrapped(&good(&[1; 16]), aes, Hash::Sha256, &[FacetKind::AesCbc, FacetKind::AesGcm]);
        assert_eq!(refused.unwrap_err(), Error::WrappedKeyRejected, "a length for one facet only");
    });
}

#[test]
fn misuse_is_refused_before_anything_is_sent() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let refused = |len: usize, class, facets: &[FacetKind]| {
        partition.import_wrapped(&vec![1; len], class, Hash::Sha256, facets).unwrap_err()
    };
    for len in [0, 255, 256, 271, 3073] {
        assert!(matches!(refused(len, WrappedClass::Aes, &[FacetKind::AesCbc]), Error::InvalidArgument(_)));
    }
    assert!(matches!(refused(272, WrappedClass::Aes, &[]), Error::InvalidArgument(_)));
    assert!(matches!(refused(272, WrappedClass::Aes, &[FacetKind::HmacSha256]), Error::Unsupported(_)));
    assert!(matches!(refused(272, WrappedClass::Rsa, &[FacetKind::EcSign]), Error::Unsupported(_)));
    assert_eq!(refused(272, WrappedClass::Aes, &[FacetKind::AesCbc]), Error::WrappedKeyRejected);
}
