//! AES against Wycheproof: CBC with padding, CCM, CMAC, key wrap with and without padding, XTS. Every vector with a clear
//! key, and with the same key in the (emulated) HSM. Valid means that it works, invalid that it is refused.

mod common;

use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::{Code, Result};
use mechanisms::key::{Key, KeyRequest, Material};
use mechanisms::params::Params;
use mechanisms::table;
use transport::emulator::Kind;
use wycheproof::{TestResult, aead, cipher, keywrap, mac};
use zeroize::Zeroizing;

use common::{Hsm, asking, clear_secret, decrypt, encrypt, key, secret, sign, verify};

/// Runs `test` with the key in memory and, where the HSM holds it, with the key there.
fn on_each(hsm: &Hsm, key_type: KeyType, value: &[u8], test: impl Fn(&Key, bool)) {
    test(&clear_secret(key_type, value), false);
    let request = KeyRequest { key_type: Some(key_type), ..asking("sign decrypt") };
    let new = hsm.import(secret(value), &request).unwrap();
    if let Material::Hsm(inside, partition) = &new.material {
        test(&key(&new), true);
        partition.forget(inside);
    }
}

fn is_valid(result: TestResult) -> bool {
    matches!(result, TestResult::Valid)
}

#[test]
fn key_wrap() {
    let hsm = Hsm::new(Kind::Physical);
    let mut refused = 0;
    for (name, kind) in [
        (keywrap::TestName::AesKeyWrap, MechanismType::AES_KEY_WRAP),
        (keywrap::TestName::AesKeyWrapWithPadding, MechanismType::AES_KEY_WRAP_KWP),
    ] {
        let row = table::row(kind).unwrap();
        let run = |init: Option<table::CipherInit>, key: &Key, message: &[u8]| -> Result<Vec<u8>> {
            let mut out = Zeroizing::default();
            init.unwrap()(&Params::None, key)?.whole(message, &mut out)?;
            Ok(out.to_vec())
        };
        for test in keywrap::TestSet::load(name).unwrap().test_groups.iter().flat_map(|group| &group.tests) {
            on_each(&hsm, KeyType::AES, &test.key, |key, _| {
                let what = format!("{kind:?} {}: {}", test.tc_id, test.comment);
                // SP 800-38F has no key wrap of one semiblock, which RFC 3394 does not forbid.
                let short = kind == MechanismType::AES_KEY_WRAP && test.pt.len() < 16;
                if is_valid(test.result) || (matches!(test.result, TestResult::Acceptable) && !short) {
                    assert_eq!(run(row.unwrap, key, &test.ct).unwrap(), *test.pt, "{what}");
                    assert_eq!(run(row.wrap, key, &test.pt).unwrap(), *test.ct, "{what}");
                    assert_eq!(run(row.encrypt, key, &test.pt).unwrap(), *test.ct, "{what}");
                } else {
                    let code = run(row.unwrap, key, &test.ct).unwrap_err().code();
                    assert!(matches!(code, Code::WrappedKeyInvalid | Code::WrappedKeyLenRange), "{what}: {code:?}");
                    let code = run(row.decrypt, key, &test.ct).unwrap_err().code();
                    assert!(matches!(code, Code::EncryptedDataInvalid | Code::EncryptedDataLenRange), "{what}");
                }
            });
            refused += u32::from(!is_valid(test.result));
        }
    }
    assert!(refused > 100);
}

#[test]
fn cmac() {
    let hsm = Hsm::new(Kind::Virtual);
    let mut seen = 0;
    for group in mac::TestSet::load(mac::TestName::AesCmac).unwrap().test_groups {
        let len = group.tag_size / 8;
        let params = Params::Number(len as u64);
        for test in &group.tests {
            if !matches!(test.key.len(), 16 | 24 | 32) {
                assert!(test.result.must_fail());
                let key = clear_secret(KeyType::AES, &test.key);
                let refused = sign(MechanismType::AES_CMAC_GENERAL, &params, &key, &test.msg);
                assert_eq!(refused.unwrap_err(), Code::KeySizeRange);
                continue;
            }
            on_each(&hsm, KeyType::AES, &test.key, |key, _| {
                let checked = verify(MechanismType::AES_CMAC_GENERAL, &params, key, &test.msg, &test.tag);
                if is_valid(test.result) {
                    checked.unwrap();
                    let tag = sign(MechanismType::AES_CMAC, &Params::None, key, &test.msg).unwrap();
                    assert_eq!(tag[..len], test.tag[..], "{}", test.tc_id);
                } else {
                    let code = checked.unwrap_err().code();
                    assert!(matches!(code, Code::SignatureInvalid | Code::SignatureLenRange), "{}", test.tc_id);
                }
            });
            seen += 1;
        }
    }
    assert!(seen > 100);
}

#[test]
fn ccm() {
    let hsm = Hsm::new(Kind::Virtual);
    let mut seen = 0;
    for group in aead::TestSet::load(aead::TestName::AesCcm).unwrap().test_groups {
        for test in &group.tests {
            let params = Params::Ccm {
                data_len: test.pt.len() as u64,
                nonce: test.nonce.to_vec(),
                aad: test.aad.to_vec(),
                mac_len: (group.tag_size / 8) as u64,
            };
            let message = [&test.ct[..], &test.tag].concat();
            on_each(&hsm, KeyType::AES, &test.key, |key, _| {
                let what = format!("{}: {} {:?}", test.tc_id, test.comment, test.flags);
                let opened = decrypt(MechanismType::AES_CCM, &params, key, &message);
                if test.result.must_fail() {
                    let code = opened.unwrap_err().code();
                    let expected = [
                        Code::EncryptedDataInvalid,
                        Code::EncryptedDataLenRange,
                        // A nonce or a MAC of a length that CCM has not.
                        Code::MechanismParamInvalid,
                    ];
                    assert!(expected.contains(&code), "{what}: {code:?}");
                } else {
                    // Short MACs are "acceptable": the standard lists them.
                    assert_eq!(opened.unwrap(), *test.pt, "{what}");
                    assert_eq!(encrypt(MechanismType::AES_CCM, &params, key, &test.pt).unwrap(), message, "{what}");
                }
            });
            seen += 1;
        }
    }
    assert!(seen > 400);
}

#[test]
fn cbc_with_padding() {
    let hsm = Hsm::new(Kind::Physical);
    let mut seen = 0;
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let params = Params::Iv16(test.nonce[..].try_into().unwrap());
        on_each(&hsm, KeyType::AES, &test.key, |key, _| {
            let opened = decrypt(MechanismType::AES_CBC_PAD, &params, key, &test.ct);
            if test.result.must_fail() {
                let code = opened.unwrap_err().code();
                assert!(matches!(code, Code::EncryptedDataInvalid | Code::EncryptedDataLenRange), "{}", test.tc_id);
            } else {
                assert_eq!(opened.unwrap(), *test.pt);
                assert_eq!(encrypt(MechanismType::AES_CBC_PAD, &params, key, &test.pt).unwrap(), *test.ct);
            }
        });
        seen += 1;
    }
    assert!(seen > 100);
}

#[test]
fn xts() {
    let hsm = Hsm::new(Kind::Physical);
    let mut seen = [0, 0];
    let set = cipher::TestSet::load(cipher::TestName::AesXts).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // Numbers of data units, little-endian, as short as they are.
        let mut tweak = [0; 16];
        tweak[..test.nonce.len()].copy_from_slice(&test.nonce);
        let params = Params::Iv16(tweak);
        if test.key.len() == 48 {
            // AES-192, which neither PKCS#11 (6.15) nor SP 800-38E has.
            let key = clear_secret(KeyType::AES_XTS, &test.key);
            assert_eq!(encrypt(MechanismType::AES_XTS, &params, &key, &test.pt).unwrap_err(), Code::KeySizeRange);
            continue;
        }
        on_each(&hsm, KeyType::AES_XTS, &test.key, |key, inside| {
            let opened = decrypt(MechanismType::AES_XTS, &params, key, &test.ct);
            if inside && test.ct.len() % 16 != 0 {
                assert_eq!(opened.unwrap_err(), Code::EncryptedDataLenRange, "the device steals no ciphertext");
            } else if test.result.must_fail() {
                assert!(opened.is_err(), "{}", test.tc_id);
            } else {
                assert_eq!(opened.unwrap(), *test.pt, "{}: {}", test.tc_id, test.comment);
                assert_eq!(encrypt(MechanismType::AES_XTS, &params, key, &test.pt).unwrap(), *test.ct);
            }
        });
        seen[usize::from(test.key.len() == 64)] += 1;
    }
    assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}: keys of both lengths");
}
