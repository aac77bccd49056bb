//! AES-GCM: Project Wycheproof, in one message, in parts and message by message; and RustCrypto's implementation as second
//! opinion, with clear keys and with keys in the (emulated) HSM, under the caller's IVs and under the token's.

mod common;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Nonce, Payload};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm};
use cryptoki_sys::{CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_NO_GENERATE};
use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::{Code, Result};
use mechanisms::key::{Key, KeyRequest};
use mechanisms::operation::MessageParams;
use mechanisms::params::{OwnIv, Params};
use mechanisms::table::row;
use wycheproof::{TestResult, aead};
use zeroize::Zeroizing;

use common::{asking, clear_secret, decrypt, encrypt, key, on_both, secret};

const GCM: MechanismType = MechanismType::AES_GCM;

fn gcm(iv: &[u8], aad: &[u8]) -> Params {
    Params::Gcm { iv: iv.to_vec(), aad: aad.to_vec(), tag_bits: 128 }
}

fn given(iv: &[u8], tag: &[u8]) -> MessageParams {
    MessageParams { iv: iv.to_vec(), tag: tag.to_vec(), generator: CKG_NO_GENERATE, ..MessageParams::default() }
}

/// One message of `C_EncryptMessage`: the ciphertext, the IV and the tag in the parameter.
fn encrypt_message(key: &Key, params: &mut MessageParams, aad: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Zeroizing::default();
    row(GCM).unwrap().message_encrypt.unwrap()(&Params::None, key)?.message(params, aad, message, &mut out)?;
    Ok(out.to_vec())
}

fn decrypt_message(key: &Key, params: &MessageParams, aad: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Zeroizing::default();
    let mut op = row(GCM).unwrap().message_decrypt.unwrap()(&Params::None, key)?;
    op.message(&mut params.clone(), aad, message, &mut out)?;
    Ok(out.to_vec())
}

/// One vector with a key of its value.
fn agree(key: &Key, test: &aead::Test) {
    let (params, at) = (gcm(&test.nonce, &test.aad), test.tc_id);
    let sealed = [&test.ct[..], &test.tag].concat();
    let mut message = given(&test.nonce, &test.tag);
    match test.result {
        TestResult::Valid | TestResult::Acceptable => {
            assert_eq!(encrypt(GCM, &params, key, &test.pt).unwrap(), sealed, "{at}");
            assert_eq!(decrypt(GCM, &params, key, &sealed).unwrap(), test.pt[..], "{at}");
            assert_eq!(decrypt_message(key, &message, &test.aad, &test.ct).unwrap(), test.pt[..], "{at}");
            message.tag.fill(0);
            assert_eq!(encrypt_message(key, &mut message, &test.aad, &test.pt).unwrap(), test.ct[..], "{at}");
            assert_eq!(message.tag, test.tag[..], "{at}");
        }
        TestResult::Invalid if test.nonce.is_empty() => {
            assert_eq!(decrypt(GCM, &params, key, &sealed).unwrap_err(), Code::MechanismParamInvalid, "{at}");
            let refused = decrypt_message(key, &message, &test.aad, &test.ct);
            assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid, "{at}");
        }
        TestResult::Invalid => {
            assert_eq!(decrypt(GCM, &params, key, &sealed).unwrap_err(), Code::EncryptedDataInvalid, "{at}");
            let refused = decrypt_message(key, &message, &test.aad, &test.ct);
            assert_eq!(refused.unwrap_err(), Code::AeadDecryptFailed, "{at}");
        }
    }
}

/// The vectors of key sizes that AES has, all of which have tags of 128 bits.
fn vectors(each: impl FnMut(&aead::Test)) -> usize {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let tests: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
    tests.into_iter().inspect(|test| assert_eq!(test.tag.len(), 16)).map(each).count()
}

#[test]
fn wycheproof_with_clear_keys() {
    assert!(vectors(|test| agree(&clear_secret(KeyType::AES, &test.key), test)) > 250);
}

/// A sample: each vector is an import.
#[test]
fn wycheproof_with_keys_in_the_hsm() {
    on_both(|hsm| {
        let mut at = 0;
        let request = KeyRequest { key_type: Some(KeyType::AES), ..asking("decrypt") };
        vectors(|test| {
            at += 1;
            if at % 5 == 0 {
                agree(&key(&hsm.import(secret(&test.key), &request).unwrap()), test);
            }
        });
    });
}

/// RustCrypto's GCM.
fn theirs(key: &[u8], iv: &[u8; 12], aad: &[u8], message: &[u8]) -> Vec<u8> {
    fn run<T: Aead + KeyInit>(key: &[u8], iv: &[u8], aad: &[u8], msg: &[u8]) -> Vec<u8> {
        let nonce = Nonce::<T>::try_from(iv).unwrap();
        T::new_from_slice(key).unwrap().encrypt(&nonce, Payload { msg, aad }).unwrap()
    }
    match key.len() {
        16 => run::<Aes128Gcm>(key, iv, aad, message),
        24 => run::<AesGcm<Aes192, U12>>(key, iv, aad, message),
        _ => run::<Aes256Gcm>(key, iv, aad, message),
    }
}

/// Around a block, the device's 1024 bytes, and a page.
const LENS: [usize; 13] = [1, 15, 16, 17, 31, 33, 1023, 1024, 1025, 1040, 4095, 4096, 4097];

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn clear_keys_agree_with_rustcrypto() {
    for value in [text(16), text(24), text(32)] {
        let key = clear_secret(KeyType::AES, &value);
        for len in LENS {
            for aad_len in [0, 1, 16, 33, 1024] {
                let (message, aad) = (text(len), text(aad_len));
                let sealed = theirs(&value, &[3; 12], &aad, &message);
                assert_eq!(encrypt(GCM, &gcm(&[3; 12], &aad), &key, &message).unwrap(), sealed, "{len} {aad_len}");
                assert_eq!(decrypt(GCM, &gcm(&[3; 12], &aad), &key, &sealed).unwrap(), message);
            }
        }
    }
}

#[test]
fn hsm_keys_agree_with_rustcrypto() {
    on_both(|hsm| {
        let request = KeyRequest { key_type: Some(KeyType::AES), ..asking("decrypt") };
        for value in [text(16), text(32)] {
            let key = key(&hsm.import(secret(&value), &request).unwrap());
            for len in LENS.into_iter().filter(|len| value.len() == 32 || *len < 1100) {
                let (message, aad) = (text(len), text(len % 70));
                let sealed = theirs(&value, &[3; 12], &aad, &message);
                assert_eq!(encrypt(GCM, &gcm(&[3; 12], &aad), &key, &message).unwrap(), sealed, "{len}");
                assert_eq!(decrypt(GCM, &gcm(&[3; 12], &aad), &key, &sealed).unwrap(), message, "{len}");
            }
        }
    });
}

/// Keys of known value that encrypt under the token's IVs only: what comes out is GCM under the IV that was told.
#[test]
fn the_iv_that_the_token_tells_is_the_one_it_used() {
    on_both(|hsm| {
        for (value, allowed) in [(text(16), None), (text(32), None), (text(32), Some(vec![GCM]))] {
            let only_gcm = allowed.is_some() && value.len() == 32;
            let request = KeyRequest { key_type: Some(KeyType::AES), device_iv: true, allowed, ..asking("decrypt") };
            let inside = key(&hsm.import(secret(&value), &request).unwrap());
            for (key, len) in [(&inside, 1), (&inside, 1025), (&clear_secret(KeyType::AES, &value), 33)] {
                let (message, mut seen) = (text(len), Vec::new());
                for _ in 0..3 {
                    let iv = OwnIv::default();
                    let params = Params::GcmOwnIv { iv: iv.clone(), aad: b"aad".to_vec(), tag_bits: 128 };
                    let sealed = encrypt(GCM, &params, key, &message).unwrap();
                    let iv = iv.get().unwrap();
                    assert_eq!(sealed, theirs(&value, &iv, b"aad", &message));
                    assert_eq!(decrypt(GCM, &gcm(&iv, b"aad"), key, &sealed).unwrap(), message);
                    assert!(!seen.contains(&iv));
                    seen.push(iv);
                }
            }
            if value.len() == 32 {
                let refused = encrypt(GCM, &gcm(&[1; 12], b""), &inside, b"message");
                assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid);
                let refused = encrypt_message(&inside, &mut given(&[1; 12], &[0; 16]), b"", b"message");
                assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid);
            }
            // The device has no GCM of nothing, and no short tags; composed from CBC there are both.
            let own = |tag_bits| Params::GcmOwnIv { iv: OwnIv::default(), aad: vec![], tag_bits };
            let empty = encrypt(GCM, &own(128), &inside, b"");
            let short = encrypt(GCM, &own(96), &inside, b"message");
            if only_gcm {
                assert_eq!(empty.unwrap_err(), Code::DataLenRange);
                assert_eq!(short.unwrap_err(), Code::MechanismParamInvalid);
            } else {
                assert_eq!((empty.unwrap().len(), short.unwrap().len()), (16, 7 + 12));
            }
        }
    });
}

/// A key that was made in the HSM takes the caller's IVs and has the device's.
#[test]
fn messages_under_a_key_of_the_hsm() {
    on_both(|hsm| {
        let request = KeyRequest { value_len: Some(32), ..asking("decrypt") };
        let key = key(&hsm.generate(MechanismType::AES_KEY_GEN, &request).unwrap());
        let mut seen = Vec::new();
        for generator in [CKG_GENERATE, CKG_GENERATE_RANDOM] {
            for len in LENS.into_iter().chain([0]) {
                let message = text(len);
                let mut params = MessageParams { generator, ..given(&[0; 12], &[0; 16]) };
                let sealed = encrypt_message(&key, &mut params, b"aad", &message).unwrap();
                assert!(!seen.contains(&params.iv), "another IV each time");
                seen.push(params.iv.clone());
                assert_eq!(decrypt_message(&key, &params, b"aad", &sealed).unwrap(), message, "{len}");
                let whole = [&sealed[..], &params.tag].concat();
                assert_eq!(decrypt(GCM, &gcm(&params.iv, b"aad"), &key, &whole).unwrap(), message);
                // The same key: its unapproved facet makes the same of the same IV.
                assert_eq!(encrypt(GCM, &gcm(&params.iv, b"aad"), &key, &message).unwrap(), whole);
                params.tag[15] ^= 1;
                let refused = decrypt_message(&key, &params, b"aad", &sealed);
                assert_eq!(refused.unwrap_err(), Code::AeadDecryptFailed);
            }
        }
    });
}
