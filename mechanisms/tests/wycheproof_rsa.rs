//! Project Wycheproof against RSA: what it calls invalid is refused, what it calls valid is taken.

mod common;

use std::sync::Arc;

use common::{asking, decrypt, key, on_both, verify};
use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::Code;
use mechanisms::key::{Key, Material, Value};
use mechanisms::params::Params;
use mechanisms::rsa::{self as ours, Crt};
use wycheproof::{HashFunction, TestResult, rsa_oaep, rsa_pkcs1_decrypt, rsa_pkcs1_verify, rsa_pss_verify};

/// The mechanism of a digest, of its PKCS#1 signature where there is one, of its MGF1 where there is one.
fn hash(hash: HashFunction) -> (MechanismType, Option<MechanismType>, Option<u64>) {
    use cryptoki_sys as c;
    use mechanisms::ck::MechanismType as M;
    match hash {
        HashFunction::Sha1 => (M::SHA_1, Some(M::SHA1_RSA_PKCS), Some(c::CKG_MGF1_SHA1)),
        HashFunction::Sha2_224 => (M::SHA224, Some(M::SHA224_RSA_PKCS), Some(c::CKG_MGF1_SHA224)),
        HashFunction::Sha2_256 => (M::SHA256, Some(M::SHA256_RSA_PKCS), Some(c::CKG_MGF1_SHA256)),
        HashFunction::Sha2_384 => (M::SHA384, Some(M::SHA384_RSA_PKCS), Some(c::CKG_MGF1_SHA384)),
        HashFunction::Sha2_512 => (M::SHA512, Some(M::SHA512_RSA_PKCS), Some(c::CKG_MGF1_SHA512)),
        HashFunction::Sha2_512_224 => (M::SHA512_224, None, None),
        HashFunction::Sha2_512_256 => (M::SHA512_256, None, None),
        HashFunction::Sha3_224 => (M::SHA3_224, Some(M::SHA3_224_RSA_PKCS), Some(c::CKG_MGF1_SHA3_224)),
        HashFunction::Sha3_256 => (M::SHA3_256, Some(M::SHA3_256_RSA_PKCS), Some(c::CKG_MGF1_SHA3_256)),
        HashFunction::Sha3_384 => (M::SHA3_384, Some(M::SHA3_384_RSA_PKCS), Some(c::CKG_MGF1_SHA3_384)),
        HashFunction::Sha3_512 => (M::SHA3_512, Some(M::SHA3_512_RSA_PKCS), Some(c::CKG_MGF1_SHA3_512)),
        other => panic!("{other:?}"),
    }
}

fn digest(kind: MechanismType, message: &[u8]) -> Vec<u8> {
    let mut op = mechanisms::table::row(kind).unwrap().digest.unwrap()(&Params::None).unwrap();
    op.update(message).unwrap();
    op.finish().unwrap()
}

/// The `DigestInfo` of SHA-512/224 or SHA-512/256 (RFC 8017, B.1).
fn digest_info(kind: MechanismType, message: &[u8]) -> Vec<u8> {
    let last = if kind == MechanismType::SHA512_224 { 5 } else { 6 };
    let digest = digest(kind, message);
    let len = u8::try_from(digest.len()).unwrap();
    let oid = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last];
    [&[0x30, 17 + len, 0x30, 13][..], &oid, &[5, 0, 4, len], &digest].concat()
}

/// A public key, or none where its size is not ours.
fn public(n: &[u8], e: &[u8], bits: usize) -> Option<Key> {
    match ours::public(n, e) {
        Ok(public) => Some(Key { key_type: KeyType::RSA, material: Material::Public(Arc::new(public)), public: None }),
        Err(error) => {
            assert!(error == Code::AttributeValueInvalid && !(1024..=4096).contains(&bits), "{bits} bits: {error}");
            None
        }
    }
}

fn private(key: &wycheproof::RsaPrivate, bits: usize) -> Option<Value> {
    let crt = Crt {
        prime_1: Some(&key.p),
        prime_2: Some(&key.q),
        exponent_1: Some(&key.d1),
        exponent_2: Some(&key.d2),
        coefficient: Some(&key.c),
    };
    match ours::private_from_components(&key.n, &key.e, &key.d, crt) {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error == Code::AttributeValueInvalid && ![2048, 3072, 4096].contains(&bits), "{bits}: {error}");
            None
        }
    }
}

fn clear(value: Value) -> Key {
    Key { key_type: KeyType::RSA, material: Material::Clear(Arc::new(value)), public: None }
}

fn judge(expected: TestResult, outcome: mechanisms::Result<()>, case: &str) {
    match (expected, outcome) {
        (TestResult::Valid, outcome) => outcome.unwrap_or_else(|error| panic!("{case}: {error}")),
        (TestResult::Acceptable, _) => {}
        (TestResult::Invalid, outcome) => {
            let error = outcome.expect_err(case);
            assert!(error == Code::SignatureInvalid || error == Code::SignatureLenRange, "{case}: {error}");
        }
    }
}

#[test]
fn pkcs1_signatures() {
    let (mut run, mut skipped) = (0, 0);
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let Some(key) = public(&group.key.n, &group.key.e, group.key_size) else {
                skipped += 1;
                continue;
            };
            let (digester, mechanism, _) = hash(group.hash);
            for test in group.tests {
                let outcome = if let Some(kind) = mechanism {
                    verify(kind, &Params::None, &key, &test.msg, &test.sig)
                } else {
                    // SHA-512/t has no mechanism of its own: the caller makes the DigestInfo.
                    let info = digest_info(digester, &test.msg);
                    verify(MechanismType::RSA_PKCS, &Params::None, &key, &info, &test.sig)
                };
                judge(test.result, outcome, &format!("{name:?} {}: {}", test.tc_id, test.comment));
                run += 1;
            }
        }
    }
    assert!(run > 4000, "{run} run");
    assert_eq!(skipped, 3, "the keys of 8192 bits");
}

#[test]
fn pss_signatures() {
    let (mut run, mut without_mgf) = (0, 0);
    for name in rsa_pss_verify::TestName::all() {
        if format!("{name:?}").contains("Shake") {
            continue;
        }
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let Some(key) = public(&group.key.n, &group.key.e, group.key_size) else { continue };
            let (digester, _, _) = hash(group.hash);
            let Some(mgf) = group.mgf_hash.and_then(|mgf| hash(mgf).2) else {
                without_mgf += 1;
                continue;
            };
            let params = Params::Pss { hash: digester, mgf, salt_len: group.salt_size as u64 };
            for test in group.tests {
                let digest = digest(digester, &test.msg);
                let outcome = verify(MechanismType::RSA_PKCS_PSS, &params, &key, &digest, &test.sig);
                judge(test.result, outcome, &format!("{name:?} {}: {}", test.tc_id, test.comment));
                run += 1;
            }
        }
    }
    assert!(run > 1500, "{run} run");
    assert!(without_mgf > 0, "MGF1 with SHA-512/t has no number");
}

#[test]
fn oaep() {
    let (mut run, mut other) = (0, 0);
    for name in rsa_oaep::TestName::all() {
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let (Some(value), (digester, ..), (_, _, mgf)) =
                (private(&group.key, group.key_size), hash(group.hash), hash(group.mgf_hash))
            else {
                other += 1;
                continue;
            };
            let Some(mgf) = mgf else {
                other += 1;
                continue;
            };
            let key = clear(value);
            for test in group.tests {
                let params = Params::Oaep {
                    hash: digester,
                    mgf,
                    source: cryptoki_sys::CKZ_DATA_SPECIFIED,
                    label: test.label.to_vec(),
                };
                let outcome = decrypt(MechanismType::RSA_PKCS_OAEP, &params, &key, &test.ct);
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                match (test.result, outcome) {
                    (TestResult::Valid | TestResult::Acceptable, outcome) => {
                        assert_eq!(outcome.unwrap_or_else(|error| panic!("{case}: {error}")), *test.pt, "{case}");
                    }
                    (TestResult::Invalid, outcome) => {
                        let error = outcome.expect_err(&case);
                        let len = test.ct.len() * 8 == group.key_size;
                        let expected = if len { Code::EncryptedDataInvalid } else { Code::EncryptedDataLenRange };
                        assert_eq!(error, expected, "{case}");
                    }
                }
                run += 1;
            }
        }
    }
    assert!(run > 500, "{run} run");
    assert!(other > 0, "keys of other sizes, and MGF1 with SHA-512/t");
}

/// A bad padding has a synthetic message, the one of the draft that the `rsa` crate follows too.
#[test]
fn pkcs1_decryption() {
    let mut synthetic = 0;
    for name in rsa_pkcs1_decrypt::TestName::all() {
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let value = private(&group.key, group.key_size).unwrap();
            let Value::Rsa(der) = &value else { panic!("an RSA key") };
            let theirs: rsa::RsaPrivateKey = rsa::pkcs8::DecodePrivateKey::from_pkcs8_der(der).unwrap();
            let key = clear(value);
            for test in group.tests {
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                let outcome = decrypt(MechanismType::RSA_PKCS, &Params::None, &key, &test.ct);
                match (test.result, outcome) {
                    (TestResult::Valid | TestResult::Acceptable, outcome) => {
                        assert_eq!(outcome.unwrap_or_else(|error| panic!("{case}: {error}")), *test.pt, "{case}");
                    }
                    (TestResult::Invalid, Ok(message)) => {
                        assert_eq!(message, theirs.decrypt(rsa::Pkcs1v15Encrypt, &test.ct).unwrap(), "{case}");
                        synthetic += 1;
                    }
                    (TestResult::Invalid, Err(error)) => {
                        let len = test.ct.len() * 8 == group.key_size;
                        let expected = if len { Code::EncryptedDataInvalid } else { Code::EncryptedDataLenRange };
                        assert_eq!(error, expected, "{case}");
                    }
                }
            }
        }
    }
    assert!(synthetic > 30, "{synthetic}");
}

/// The same with the key in the HSM, whose synthetic messages are its own, and always the same.
#[test]
fn pkcs1_decryption_inside() {
    on_both(|hsm| {
        let name = rsa_pkcs1_decrypt::TestName::Rsa2048;
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let new = hsm.import(private(&group.key, group.key_size).unwrap(), &asking("decrypt")).unwrap();
            assert!(matches!(new.material, Material::Hsm(..)));
            for test in group.tests {
                let opened = || decrypt(MechanismType::RSA_PKCS, &Params::None, &key(&new), &test.ct);
                match (test.result, opened()) {
                    (TestResult::Invalid, Ok(message)) => assert_eq!(message, opened().unwrap(), "{}", test.tc_id),
                    (TestResult::Invalid, Err(_)) => assert!(test.ct.len() != 256 || test.ct[..] >= group.key.n[..]),
                    (_, outcome) => assert_eq!(outcome.unwrap(), *test.pt, "{}", test.tc_id),
                }
            }
        }
    });
}
