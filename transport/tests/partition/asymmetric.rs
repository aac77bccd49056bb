//! EC and RSA keys.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use transport::Error;
use transport::partition::{Curve, FacetKind, Hash, ImportValue};

use crate::oracle;
use crate::rig::both;
use crate::vectors::{bytes, list, load, rsa_key};

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

#[test]
fn a_generated_ec_key_signs() {
    both(|rig| {
        let partition = rig.partition();
        for curve in CURVES {
            let (key, point) = partition.generate_ec(curve, FacetKind::EcSign).unwrap();
            for len in [20, 28, 32, 48, 64] {
                let digest: Vec<u8> = (0..len.min(curve.len())).map(|n| u8::try_from(n).unwrap() ^ 0xB7).collect();
                let signature = partition.ecc_sign(&key, &digest).unwrap();
                assert_eq!(signature.len(), 2 * curve.len());
                // Some verifiers refuse short digests; zeros in front are the same number.
                let mut number = vec![0; curve.len().min(64) - digest.len()];
                number.extend_from_slice(&digest);
                assert!(oracle::ecdsa_verifies(curve, &point, &number, &signature), "{curve:?} {len}");
            }
            assert!(matches!(partition.ecc_sign(&key, &[]), Err(Error::InvalidArgument(_))));
        }
    });
}

#[test]
fn an_imported_ec_key_signs_with_its_own_public_key() {
    both(|rig| {
        let partition = rig.partition();
        for curve in CURVES {
            let (pkcs8, point) = ec_key(curve);
            let key = partition.import(&ImportValue::Ec(&pkcs8), &[FacetKind::EcSign, FacetKind::EcDerive]).unwrap();
            assert!(key.can(FacetKind::EcSign) && key.can(FacetKind::EcDerive) && !key.can(FacetKind::AesCbc));
            let digest = vec![0x3C; curve.len().min(64)];
            let signature = partition.ecc_sign(&key, &digest).unwrap();
            assert!(oracle::ecdsa_verifies(curve, &point, &digest, &signature), "{curve:?}");
        }
    });
}

/// An EC key as AWS-LC writes it: with parameters inside, which the device does not take.
pub(crate) fn ec_key(curve: Curve) -> (Vec<u8>, Vec<u8>) {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, KeyPair,
    };
    let algorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    };
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let _: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
    (pair.to_pkcs8v1().unwrap().as_ref().to_vec(), pair.public_key().as_ref().to_vec())
}

#[test]
fn a_key_that_is_not_what_it_says_is_refused_before_anything_is_sent() {
    both(|rig| {
        let partition = rig.partition();
        let (rsa, _) = rsa_key(2048);
        let (ec, _) = ec_key(Curve::P256);
        let refused = |value: ImportValue<'_>, facet| partition.import(&value, &[facet]).unwrap_err();
        assert!(matches!(refused(ImportValue::Rsa(&ec), FacetKind::RsaSign), Error::InvalidArgument(_)));
        assert!(matches!(refused(ImportValue::Ec(&rsa), FacetKind::EcSign), Error::InvalidArgument(_)));
        assert!(matches!(refused(ImportValue::Ec(&[1, 2, 3]), FacetKind::EcSign), Error::InvalidArgument(_)));
        assert!(matches!(refused(ImportValue::Ec(&ec), FacetKind::RsaSign), Error::Unsupported(_)));
        assert!(matches!(refused(ImportValue::Aes(&[0; 31]), FacetKind::AesCbc), Error::Unsupported(_)));
        assert!(matches!(refused(ImportValue::Aes(&[0; 16]), FacetKind::AesGcm), Error::Unsupported(_)));
        assert!(matches!(partition.import(&ImportValue::Aes(&[0; 16]), &[]), Err(Error::InvalidArgument(_))));
    });
}

#[test]
fn rsa_keys_of_every_size_answer_the_recorded_powers() {
    let file = load("kat_rsa.json");
    both(|rig| {
        let partition = rig.partition();
        for bits in [2048, 3072, 4096] {
            let (pkcs8, _) = rsa_key(bits);
            let facets = [FacetKind::RsaSign, FacetKind::RsaDecrypt];
            let key = partition.import(&ImportValue::Rsa(&pkcs8), &facets).unwrap();
            let cases: Vec<_> =
                list(&file["mod_exp"]).iter().filter(|case| case["bits"] == bits && case["x"].is_string()).collect();
            assert!(cases.len() >= 2);
            for case in cases {
                for facet in facets {
                    let result = partition.rsa_mod_exp(&key, facet, &bytes(&case["y"])).unwrap();
                    assert_eq!(*result, bytes(&case["x"]), "{bits} {facet:?}");
                }
            }
        }
    });
}

#[test]
fn an_rsa_signature_verifies_and_a_ciphertext_opens() {
    both(|rig| {
        let partition = rig.partition();
        let (pkcs8, spki) = rsa_key(2048);
        let public = RsaPublicKey::from_public_key_der(&spki).unwrap();
        let key = partition.import(&ImportValue::Rsa(&pkcs8), &[FacetKind::RsaSign, FacetKind::RsaDecrypt]).unwrap();

        let digest = [0x77; 32];
        // EMSA-PKCS1-v1_5 without an algorithm prefix.
        let mut padded = vec![0xFF; public.size()];
        (padded[0], padded[1], padded[256 - 33]) = (0, 1, 0);
        padded[256 - 32..].copy_from_slice(&digest);
        let signature = partition.rsa_mod_exp(&key, FacetKind::RsaSign, &padded).unwrap();
        public.verify(Pkcs1v15Sign::new_unprefixed(), &digest, &signature).unwrap();

        let modulus = public.n().to_be_bytes();
        assert_eq!(modulus.len(), 256);
        let wrong_len = partition.rsa_mod_exp(&key, FacetKind::RsaSign, &padded[1..]);
        assert!(matches!(wrong_len, Err(Error::InvalidArgument(_))));
        let wrong_facet = partition.rsa_mod_exp(&key, FacetKind::EcSign, &padded);
        assert!(matches!(wrong_facet, Err(Error::NoFacet(FacetKind::EcSign))));
    });
}

#[test]
fn both_sides_of_an_agreement_derive_the_same_key() {
    both(|rig| {
        let partition = rig.partition();
        for (curve, algorithm) in [(Curve::P256, &ECDH_P256), (Curve::P384, &ECDH_P384), (Curve::P521, &ECDH_P521)] {
            let (key, point) = partition.generate_ec(curve, FacetKind::EcDerive).unwrap();
            let peer = agreement::PrivateKey::generate(algorithm).unwrap();
            let shared = agreement::agree(
                &peer,
                agreement::UnparsedPublicKey::new(algorithm, &point),
                Error::TagMismatch,
                |z| Ok(z.to_vec()),
            )
            .unwrap();
            let secret = partition.ecdh(&key, peer.compute_public_key().unwrap().as_ref()).unwrap();
            let derived =
                partition.hkdf(&secret, Hash::Sha256, b"salt", b"info", 32, &[FacetKind::HmacSha256]).unwrap();
            let okm = oracle::hkdf_sha256(&shared, b"salt", b"info");
            let tag = partition.hmac(&derived, FacetKind::HmacSha256, b"message").unwrap();
            assert_eq!(tag, oracle::hmac(32, &okm, b"message"), "{curve:?}");
            assert!(matches!(partition.ecdh(&key, &point[1..]), Err(Error::InvalidArgument(_))));
        }
    });
}

#[test]
fn host_duty_21_a_report_attests_the_caller_s_data_and_the_public_key() {
    both(|rig| {
        let partition = rig.partition();
        let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        let data: [u8; 128] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let report = partition.attest(&key, FacetKind::EcSign, &data).unwrap();
        let contains = |needle: &[u8]| report.windows(needle.len()).any(|window| window == needle);
        assert_eq!(report[0], 0xD2);
        assert!(contains(&data) && contains(&point[1..33]) && contains(&point[33..]));
    });
}
