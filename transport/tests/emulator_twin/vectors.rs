//! The recorded known answers, with the given keys imported through RsaUnwrap.

use serde_json::Value;
use transport::channel::{Direction, GcmCall, XtsCall};
use transport::ddi::command::*;
use transport::ddi::{AesOp, EccCurve, HashAlgorithm, KeyClass, KeyType, RsaOpType, Status, Usage, key};
use transport::emulator::{Kind, Options};

use crate::client::*;

pub(crate) fn load(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/").to_owned() + name;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap_or_default())
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

/// PKCS#8 of the recorded RSA key of this size.
pub(crate) fn rsa_key(bits: u64) -> Vec<u8> {
    let file = load("kat_rsa.json");
    let key = list(&file["keys"]).iter().find(|key| key["bits"].as_u64() == Some(bits)).unwrap();
    bytes(&key["pkcs8_der"])
}

fn hash(name: &Value) -> HashAlgorithm {
    HashAlgorithm::ALL.iter().copied().find(|hash| hash.name() == name.as_str()).unwrap()
}

fn kind(name: &Value) -> KeyType {
    KeyType::ALL.iter().copied().find(|kind| kind.name() == name.as_str()).unwrap()
}

fn curve(name: &Value) -> EccCurve {
    EccCurve::ALL.iter().copied().find(|curve| curve.name() == name.as_str()).unwrap()
}

#[test]
fn known_answers_of_aes_cbc() {
    let (_rig, client) = Rig::with_session(Options::default());
    let file = load("kat_aes.json");
    for case in list(&file["cbc"]) {
        let key = client.import(KeyClass::AES, &bytes(&case["key"]), own(Usage::EncryptDecrypt)).unwrap();
        let (plain, iv) = (bytes(&case["plaintext"]), bytes(&case["iv"]));
        let out = client.cbc(key.id, AesOp::ENCRYPT, &iv, &plain).unwrap();
        assert_eq!(out, (bytes(&case["ciphertext"]), bytes(&case["iv_out_encrypt"])));
        let back = client.cbc(key.id, AesOp::DECRYPT, &iv, &out.0).unwrap();
        assert_eq!(back, (plain, bytes(&case["iv_out_decrypt"])));
        client.delete(key.id).unwrap();
    }
}

#[test]
fn known_answers_of_aes_gcm() {
    let (_rig, client) = Rig::with_session(Options::default());
    let file = load("kat_aes.json");
    for case in list(&file["gcm"]) {
        let class = KeyClass::AES_GCM_BULK_UNAPPROVED;
        let key = client.import(class, &bytes(&case["key"]), own(Usage::EncryptDecrypt)).unwrap();
        let (aad, plain, iv) = (bytes(&case["aad"]), bytes(&case["plaintext"]), array(&case["iv"]));
        let mut data = plain.clone();
        let run = |direction, tag, data: &mut [u8]| {
            client.channel.gcm(GcmCall {
                direction,
                session: client.session.unwrap(),
                short_app_id: 0,
                bulk_key: key.bulk.unwrap(),
                iv,
                tag,
                aad: &aad,
                data,
            })
        };
        let sealed = run(Direction::Encrypt, None, &mut data).unwrap();
        assert_eq!((&data, sealed.tag), (&bytes(&case["ciphertext"]), array(&case["tag"])));
        assert_eq!(sealed.iv, array(&case["iv_out"]));
        run(Direction::Decrypt, Some(sealed.tag), &mut data).unwrap();
        assert_eq!(data, plain);
        client.delete(key.id).unwrap();
    }
}

#[test]
fn known_answers_of_aes_xts() {
    let (_rig, client) = Rig::with_session(Options::default());
    let file = load("kat_aes.json");
    let mut checked = 0;
    for case in list(&file["xts"]) {
        // Those where the simulator ignores half of the tweak are its own.
        if case["equals_standard_with_128_bit_tweak"] != Value::Bool(true) {
            continue;
        }
        let import = |name: &str| {
            client.import(KeyClass::AES_XTS_BULK, &bytes(&case[name]), own(Usage::EncryptDecrypt)).unwrap()
        };
        let (first, second) = (import("key1"), import("key2"));
        let plain = bytes(&case["plaintext"]);
        let mut data = plain.clone();
        let run = |direction, data: &mut [u8]| {
            client.channel.xts(XtsCall {
                direction,
                session: client.session.unwrap(),
                short_app_id: 0,
                data_key: first.bulk.unwrap(),
                tweak_key: second.bulk.unwrap(),
                tweak: array(&case["tweak"]),
                data_unit_len: usize::try_from(case["data_unit_len"].as_u64().unwrap()).unwrap(),
                data,
            })
        };
        run(Direction::Encrypt, &mut data).unwrap();
        assert_eq!(data, bytes(&case["ciphertext"]));
        run(Direction::Decrypt, &mut data).unwrap();
        assert_eq!(data, plain);
        client.delete(first.id).unwrap();
        client.delete(second.id).unwrap();
        checked += 1;
    }
    assert!(checked >= 8);
}

#[test]
fn known_answers_of_rsa() {
    let file = load("kat_rsa.json");
    for dialect in [Kind::Virtual, Kind::Physical] {
        let (_rig, client) = Rig::with_session(Options { kind: dialect, ..Options::default() });
        for class in [KeyClass::RSA, KeyClass::RSA_CRT] {
            for recorded in list(&file["keys"]) {
                let bits = &recorded["bits"];
                let key = client.import(class, &bytes(&recorded["pkcs8_der"]), own(Usage::SignVerify)).unwrap();
                assert_eq!(key.spki, bytes(&recorded["spki_der"]));
                for case in list(&file["mod_exp"]).iter().filter(|case| case["bits"] == *bits) {
                    let answer = client.mod_exp(key.id, RsaOpType::SIGN, &bytes(&case["y"]));
                    if case["status"].is_null() {
                        assert_eq!(answer.unwrap(), bytes(&case["x"]));
                    } else {
                        // The simulator takes short numbers; the firmware wants 1 < m < n - 1 at full length.
                        assert_eq!(answer, Err(Status::INVALID_ARG), "{}", case["case"]);
                    }
                }
                client.delete(key.id).unwrap();
            }
        }
    }
}

#[test]
fn known_answers_of_the_key_wrap() {
    let (_rig, client) = Rig::with_session(Options::default());
    let unwrapping = client.unwrapping_key().unwrap();
    let file = load("kat_rsa.json");
    for case in list(&file["key_wrap"]) {
        let (kek, plain) = (bytes(&case["kek"]), bytes(&case["plaintext"]));
        assert_eq!(kwp(&kek, &plain), bytes(&case["aes_kwp"]));
        let (class, usage) = match case["target"].as_str().unwrap() {
            target if target.starts_with("AES") => (KeyClass::AES, Usage::EncryptDecrypt),
            target if target.starts_with("P-") => (KeyClass::ECC, Usage::SignVerify),
            _ => (KeyClass::RSA, Usage::SignVerify),
        };
        let blob = wrap(&unwrapping.spki, HashAlgorithm::SHA256, &kek, &plain);
        client.unwrap_blob(unwrapping.id, &blob, class, HashAlgorithm::SHA256, own(usage)).unwrap();
    }
    for case in list(&file["unwrap_kek_and_hash_accepted"]) {
        assert_eq!(case["status"], "Success");
        let kek = vec![6; usize::try_from(case["kek_bytes"].as_u64().unwrap()).unwrap()];
        let hash = hash(&case["oaep_hash"]);
        let blob = wrap(&unwrapping.spki, hash, &kek, &[8; 24]);
        let made = client.unwrap_blob(unwrapping.id, &blob, KeyClass::AES, hash, own(Usage::EncryptDecrypt)).unwrap();
        assert_eq!(made.kind, Some(KeyType::AES_192));
    }
}

#[test]
fn known_answers_of_ecdsa() {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    let file = load("kat_ecdsa.json");
    for dialect in [Kind::Virtual, Kind::Physical] {
        let (_rig, client) = Rig::with_session(Options { kind: dialect, ..Options::default() });
        for case in list(&file["vectors"]) {
            let digest = bytes(&case["digest"]);
            if dialect == Kind::Physical && digest.len() > 64 {
                // Not sendable (wire 4.3).
                continue;
            }
            let key = client.import(KeyClass::ECC, &bytes(&case["private_key_pkcs8"]), own(Usage::SignVerify)).unwrap();
            assert_eq!(key.spki, bytes(&case["spki"]));
            let answer = client.ecc_sign(key.id, &digest, hash(&case["digest_algo"]));
            client.delete(key.id).unwrap();
            if digest.is_empty() && dialect == Kind::Virtual {
                assert_eq!(answer, Err(Status::INVALID_ARG));
                continue;
            }
            let signature = answer.unwrap();
            let (curve, point) = key::point_from_spki(&key.spki).unwrap();
            // A physical digest is a number of the hash's length: shorter ones get leading zeros, and no bits are cut.
            let hash_len = hash(&case["digest_algo"]).digest_len().unwrap();
            let order = key::coordinate_len(curve).unwrap();
            let significant = digest[..digest.len().min(order)].to_vec();
            let sent = match dialect {
                Kind::Virtual => significant,
                Kind::Physical if digest.len() >= hash_len => significant,
                Kind::Physical => [vec![0; hash_len.min(order).saturating_sub(digest.len())], digest.clone()].concat(),
            };
            // RustCrypto wants at least half of the order's length.
            let sent = [vec![0; order.saturating_sub(sent.len())], sent].concat();
            let full = |n: usize| [vec![0; n.saturating_sub(sent.len())], sent.clone()].concat();
            match curve {
                EccCurve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
                    .unwrap()
                    .verify_prehash(&full(32), &p256::ecdsa::Signature::from_slice(&signature).unwrap()),
                EccCurve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
                    .unwrap()
                    .verify_prehash(&full(48), &p384::ecdsa::Signature::from_slice(&signature).unwrap()),
                _ => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap().verify_prehash(
                    &if digest.len() > 64 { digest.clone() } else { full(66) },
                    &p521::ecdsa::Signature::from_slice(&signature).unwrap(),
                ),
            }
            .unwrap_or_else(|_| panic!("{dialect:?} {} {} bytes", case["curve"], digest.len()));
        }
    }
}

#[test]
fn known_answers_of_the_derivations() {
    let (_rig, client) = Rig::with_session(Options::default());
    let file = load("kat_kdf.json");
    let (message, iv, block) = (bytes(&file["message"]), bytes(&file["aes_iv"]), bytes(&file["aes_block"]));
    for recorded in list(&file["keys"]) {
        let private = client.import(KeyClass::ECC, &bytes(&recorded["private_key_pkcs8"]), own(Usage::Derive)).unwrap();
        let secret_kind = match curve(&recorded["curve"]) {
            EccCurve::P256 => KeyType::SECRET_256,
            EccCurve::P384 => KeyType::SECRET_384,
            _ => KeyType::SECRET_521,
        };
        let peer = bytes(&recorded["peer_spki"]);
        let secret = client.ecdh(private.id, &peer, secret_kind, own(Usage::Derive)).unwrap();
        for (name, first, second) in [("hkdf", "salt", "info"), ("kbkdf_counter_hmac", "label", "context")] {
            for case in list(&file[name]).iter().filter(|case| case["curve"] == recorded["curve"]) {
                let option = |name: &str| case[name].as_str().map(unhex);
                let (first, second) = (option(first), option(second));
                let key_type = kind(&case["target"]);
                let usage = if case["hmac_of_message"].is_null() { Usage::EncryptDecrypt } else { Usage::SignVerify };
                let key_properties = properties(own(usage), b"");
                let made = if name == "hkdf" {
                    client.hkdf(&HkdfDerive {
                        key_id: secret.id,
                        hash_algorithm: hash(&case["hash"]),
                        salt: first.as_deref(),
                        info: second.as_deref(),
                        key_type,
                        key_tag: None,
                        key_properties,
                        key_length: None,
                    })
                } else {
                    client.kbkdf(&KbkdfCounterHmacDerive {
                        key_id: secret.id,
                        hash_algorithm: hash(&case["hash"]),
                        label: first.as_deref(),
                        context: second.as_deref(),
                        key_type,
                        key_tag: None,
                        key_properties,
                        key_length: None,
                    })
                }
                .unwrap();
                if usage == Usage::SignVerify {
                    assert_eq!(client.hmac(made.id, &message).unwrap(), bytes(&case["hmac_of_message"]));
                } else {
                    let out = client.cbc(made.id, AesOp::ENCRYPT, &iv, &block).unwrap().0;
                    assert_eq!(out, bytes(&case["aes_cbc_of_block"]));
                }
                client.delete(made.id).unwrap();
            }
        }
    }
}
