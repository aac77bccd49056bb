//! Rows 12 to 15, 18, 19, 22, 23, 32, 33: tables, usage, tags, owners, import, masked keys.

use p256::pkcs8::EncodePrivateKey;
use transport::channel::{ChannelError, Direction, GcmCall};
use transport::ddi::command::*;
use transport::ddi::{
    AesKeySize, AesOp, EccCurve, HashAlgorithm, KeyClass, KeyType, Metadata, RsaOpType, Status, Usage,
};
use transport::emulator::Options;

use crate::client::*;
use crate::vectors::rsa_key;

#[test]
fn row_12_a_table_is_finite_and_eviction_helps() {
    let (_rig, client) = Rig::with_session(Options::default());
    client.unwrapping_key().unwrap();
    let mut keys = Vec::new();
    let status = loop {
        match client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)) {
            Ok(key) => keys.push(key.id),
            Err(status) => break status,
        }
    };
    // Semantics 5.2, worked example: 221 beside masking key, unwrapping key, ceremony key and one session.
    assert_eq!((keys.len(), status), (221, Status::NOT_ENOUGH_SPACE));
    client.delete(keys[7]).unwrap();
    assert_eq!(client.aes_generate(AesKeySize::AES_128, app(Usage::EncryptDecrypt)).unwrap().id, keys[7]);
    assert_eq!(client.delete(0x0400), Err(Status::KEY_NOT_FOUND));
}

#[test]
fn row_12_seven_bulk_keys_per_table() {
    for tables in [1u8, 2] {
        let (_rig, client) = Rig::with_session(Options { tables, ..Options::default() });
        let made: Vec<_> = (0..7 * tables)
            .map(|_| client.aes_generate(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt)).unwrap())
            .collect();
        let more = client.aes_generate(AesKeySize::AES_XTS_BULK_256, app(Usage::EncryptDecrypt));
        assert_eq!(more.unwrap_err(), Status::REACHED_MAX_AES_BULK_KEYS);
        client.delete(made[3].id).unwrap();
        let again = client.aes_generate(AesKeySize::AES_XTS_BULK_256, app(Usage::EncryptDecrypt)).unwrap();
        assert_eq!(again.bulk, made[3].bulk);
    }
}

#[test]
fn row_13_exactly_one_usage_group_that_fits_the_kind() {
    let (_rig, client) = Rig::with_session(Options::default());
    let ecc = |metadata| client.ecc_generate(EccCurve::P256, metadata, None).map(|_| ());
    let aes = |metadata| client.aes_generate(AesKeySize::AES_128, metadata).map(|_| ());
    let bulk = |metadata| client.aes_generate(AesKeySize::AES_GCM_BULK_256, metadata).map(|_| ());
    let no = Err(Status::INVALID_PERMISSIONS);
    for bits in 0..512u128 {
        let metadata = Metadata(bits);
        let usage = metadata.usage();
        let expect = |good: bool| if good { Ok(()) } else { no };
        if usage.is_none() || bits.trailing_zeros() >= 2 {
            assert_eq!(ecc(metadata), expect(matches!(usage, Some(Usage::SignVerify | Usage::Derive))), "{bits:#x}");
            assert_eq!(aes(metadata), expect(usage == Some(Usage::EncryptDecrypt)), "{bits:#x}");
        }
    }
    // FW accepts any legal group for a bulk key.
    assert_eq!(bulk(app(Usage::SignVerify)), Ok(()));
    assert_eq!(bulk(Metadata(0)), no);
}

#[test]
fn row_14_tags() {
    let (rig, client) = Rig::with_session(Options::default());
    let tagged = |metadata, tag| client.ecc_generate(EccCurve::P384, metadata, Some(tag));
    assert_eq!(tagged(app(Usage::SignVerify), 0).unwrap_err(), Status::INVALID_ARG);
    assert_eq!(tagged(own(Usage::SignVerify), 5).unwrap_err(), Status::INVALID_ARG);
    let key = tagged(app(Usage::SignVerify), 5).unwrap();
    assert_eq!(tagged(app(Usage::Derive), 5).unwrap_err(), Status::KEY_TAG_ALREADY_EXISTS);
    assert_eq!(client.unmask(&key.masked).unwrap_err(), Status::KEY_TAG_ALREADY_EXISTS);
    let mut other = rig.handle();
    other.open_session(&PIN, &SEED).unwrap();
    let found = other.open_key(5).unwrap();
    assert_eq!((found.id, found.kind, &found.spki), (key.id, Some(KeyType::ECC_384_PRIVATE), &key.spki));
    for tag in [0, 6] {
        assert_eq!(other.open_key(tag).unwrap_err(), Status::KEY_NOT_FOUND);
    }
    other.delete(key.id).unwrap();
    assert_eq!(other.open_key(5).unwrap_err(), Status::KEY_NOT_FOUND);
    let back = client.unmask(&key.masked).unwrap();
    assert_eq!(other.open_key(5).unwrap().id, back.id);
    let bulk = client.aes_generate_tagged(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt), Some(9)).unwrap();
    assert_eq!(client.open_key(9).unwrap().bulk, bulk.bulk);
}

#[test]
fn row_15_session_keys_are_invisible_and_internal_ones_untouchable() {
    let (rig, client) = Rig::with_session(Options::default());
    let mut other = rig.handle();
    other.open_session(&PIN, &SEED).unwrap();
    let key = client.aes_generate(AesKeySize::AES_256, own(Usage::EncryptDecrypt)).unwrap();
    let use_it = |client: &Client| client.cbc(key.id, AesOp::ENCRYPT, &[0; 16], &[0; 16]).map(|_| ());
    assert_eq!(use_it(&client), Ok(()));
    assert_eq!(use_it(&other), Err(Status::INVALID_PERMISSIONS));
    assert_eq!(other.delete(key.id), Err(Status::INVALID_PERMISSIONS));
    assert_eq!(other.unmask(&key.masked).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    let unwrapping = client.unwrapping_key().unwrap();
    assert_eq!(client.mod_exp(unwrapping.id, RsaOpType::DECRYPT, &[1; 256]), Err(Status::INVALID_PERMISSIONS));
    assert_eq!(client.delete(unwrapping.id), Err(Status::CANNOT_DELETE_INTERNAL_KEYS));
    assert_eq!(client.unmask(&unwrapping.masked).unwrap_err(), Status::UNMASK_UNWRAPPING_KEY_NOT_ALLOWED);
    // Every other id is a key of the device or nothing, and none can be deleted or used.
    for id in 0..256 {
        if id == key.id {
            continue;
        }
        let deleted = client.delete(id).unwrap_err();
        assert!([Status::CANNOT_DELETE_INTERNAL_KEYS, Status::KEY_NOT_FOUND].contains(&deleted), "{id} {deleted:?}");
        let used = client.hmac(id, &[]).unwrap_err();
        assert!([Status::INVALID_PERMISSIONS, Status::KEY_NOT_FOUND].contains(&used), "{id} {used:?}");
    }
    client.delete(key.id).unwrap();
    assert_eq!(use_it(&client), Err(Status::KEY_NOT_FOUND));
}

#[test]
fn row_15_checks_come_in_the_firmware_order() {
    let (rig, client) = Rig::with_session(Options::default());
    let mut other = rig.handle();
    other.open_session(&PIN, &SEED).unwrap();
    let derive = client.ecc_generate(EccCurve::P256, own(Usage::Derive), None).unwrap().id;
    // Owner before kind, kind before usage.
    assert_eq!(other.cbc(derive, AesOp::ENCRYPT, &[0; 16], &[0; 16]).unwrap_err(), Status::INVALID_PERMISSIONS);
    assert_eq!(client.cbc(derive, AesOp::ENCRYPT, &[0; 16], &[0; 16]).unwrap_err(), Status::INVALID_KEY_TYPE);
    assert_eq!(client.ecc_sign(derive, &[1; 32], HashAlgorithm::SHA256), Err(Status::INVALID_PERMISSIONS));
    let sign = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap();
    let made = client.ecdh(sign.id, &sign.spki, KeyType::SECRET_256, app(Usage::Derive));
    assert_eq!(made.unwrap_err(), Status::INVALID_PERMISSIONS);
    assert_eq!(client.mod_exp(sign.id, RsaOpType::SIGN, &[1; 256]), Err(Status::INVALID_KEY_TYPE));
    assert_eq!(client.hmac(sign.id, &[1]), Err(Status::INVALID_KEY_TYPE));
}

fn gcm(client: &Client, bulk_key: u16, data: &mut [u8]) -> Result<(), ChannelError> {
    let session = client.session.unwrap();
    let (direction, iv) = (Direction::Encrypt, [0; 12]);
    let call = GcmCall { direction, session, short_app_id: 0, bulk_key, iv, tag: None, aad: &[], data };
    client.channel.gcm(call).map(|_| ())
}

#[test]
fn row_18_the_fast_path_knows_bulk_key_ids_only() {
    let (_rig, client) = Rig::with_session(Options::default());
    let key = client.aes_generate(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt)).unwrap();
    let bulk = key.bulk.unwrap();
    assert_ne!(bulk, key.id);
    assert_eq!(gcm(&client, bulk, &mut [0; 16]), Ok(()));
    let refused = Err(ChannelError::FastPath { result: 2, extended: 1 });
    assert_eq!(gcm(&client, key.id, &mut [0; 16]), refused);
    client.delete(key.id).unwrap();
    assert_eq!(gcm(&client, bulk, &mut [0; 16]), refused);
    let (_rig, client) = Rig::with_session(Options { bulk_id_is_key_id: true, ..Options::default() });
    let key = client.aes_generate(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt)).unwrap();
    assert_eq!(key.bulk, Some(key.id));
    assert_eq!(gcm(&client, key.id, &mut [0; 16]), Ok(()));
}

#[test]
fn row_19_import_refuses_damaged_wrappings() {
    let (_rig, client) = Rig::with_session(Options::default());
    let unwrapping = client.unwrapping_key().unwrap();
    let sha256 = HashAlgorithm::SHA256;
    let import = |id, blob: &[u8], class, hash| {
        client.unwrap_blob(id, blob, class, hash, app(Usage::EncryptDecrypt)).map(|made| made.kind)
    };
    let good = wrap(&unwrapping.spki, sha256, &[1; 32], &[2; 32]);
    let id = unwrapping.id;
    assert_eq!(import(id, &good, KeyClass::AES, sha256), Ok(Some(KeyType::AES_256)));
    let hash = HashAlgorithm::SHA384;
    assert_eq!(import(id, &good, KeyClass::AES, hash), Err(Status::RSA_UNWRAP_OAEP_DECODE_FAILED));
    let mut bad = good.clone();
    bad[100] ^= 1;
    assert_eq!(import(id, &bad, KeyClass::AES, sha256), Err(Status::RSA_UNWRAP_OAEP_DECODE_FAILED));
    let mut bad = good.clone();
    bad[270] ^= 1;
    assert_eq!(import(id, &bad, KeyClass::AES, sha256), Err(Status::RSA_UNWRAP_AES_UNWRAP_FAILED));
    assert_eq!(import(id, &good[..256], KeyClass::AES, sha256), Err(Status::RSA_UNWRAP_AES_UNWRAP_FAILED));
    let other_kek = [&oaep(&unwrapping.spki, sha256, &[1; 20]), &good[256..]].concat();
    assert_eq!(import(id, &other_kek, KeyClass::AES, sha256), Err(Status::RSA_UNWRAP_INVALID_KEK));
    assert_eq!(import(id, &good, KeyClass(8), sha256), Err(Status::INVALID_ARG));
    assert_eq!(import(0x00ff, &good, KeyClass::AES, sha256), Err(Status::KEY_NOT_FOUND));
    let aes = client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)).unwrap().id;
    assert_eq!(import(aes, &good, KeyClass::AES, sha256), Err(Status::INVALID_PERMISSIONS));
    for len in [15, 17, 31, 33] {
        let odd = wrap(&unwrapping.spki, sha256, &[1; 32], &vec![3; len]);
        assert_eq!(import(id, &odd, KeyClass::AES, sha256), Err(Status::INVALID_ARG));
        assert_eq!(import(id, &odd, KeyClass::AES_GCM_BULK, sha256), Err(Status::INVALID_ARG));
    }
}

#[test]
fn row_19_a_blob_below_256_bytes_is_refused() {
    let (_rig, client) = Rig::with_session(Options { kind: transport::emulator::Kind::Virtual, ..Options::default() });
    let id = client.unwrapping_key().unwrap().id;
    let import = client.unwrap_blob(id, &[1; 255], KeyClass::AES, HashAlgorithm::SHA256, app(Usage::EncryptDecrypt));
    assert_eq!(import.unwrap_err(), Status::RSA_UNWRAP_INVALID_REQUEST);
}

#[test]
fn row_19_import_checks_der_and_consistency() {
    let (_rig, client) = Rig::with_session(Options::default());
    let refused = |class, value: &[u8]| client.import(class, value, app(Usage::SignVerify)).unwrap_err();
    // RFC 5915 inside RFC 5958, as p256 writes it: with the public key, without parameters.
    let good = p256::SecretKey::from_slice(&[9; 32]).unwrap().to_pkcs8_der().unwrap().as_bytes().to_vec();
    client.import(KeyClass::ECC, &good, app(Usage::SignVerify)).unwrap();
    client.import(KeyClass::ECC, &good, own(Usage::Derive)).unwrap();
    assert_eq!(
        client.import(KeyClass::ECC, &good, app(Usage::EncryptDecrypt)).unwrap_err(),
        Status::INVALID_PERMISSIONS
    );
    let mut foreign = good.clone();
    let last = foreign.len() - 1;
    foreign[last] ^= 1;
    assert_eq!(refused(KeyClass::ECC, &foreign), Status::KEY_STRUCTURAL_VALIDATION_FAILED);
    let trailing = [&good[..], &[0]].concat();
    assert_eq!(refused(KeyClass::ECC, &trailing), Status::KEY_DECODE_FAILED);
    assert_eq!(refused(KeyClass::RSA, &good), Status::KEY_DECODE_FAILED);
    let rsa = rsa_key(2048);
    assert_eq!(refused(KeyClass::ECC, &rsa), Status::KEY_DECODE_FAILED);
    for class in [KeyClass::RSA, KeyClass::RSA_CRT] {
        client.import(class, &rsa, app(Usage::SignVerify)).unwrap();
        let mut wrong = rsa.clone();
        let last = wrong.len() - 1;
        wrong[last] ^= 1;
        assert_eq!(refused(class, &wrong), Status::PCT_VALIDATION_RSA_UNWRAP_RSA_KEY_FAILED);
        assert_eq!(refused(class, &rsa[..last]), Status::KEY_DECODE_FAILED);
        let unwrap = client.import(class, &rsa, app(Usage::Unwrap));
        assert_eq!(unwrap.unwrap_err(), Status::INVALID_PERMISSIONS);
    }
}

#[test]
fn row_22_metadata_tells_label_kind_flags_and_length() {
    let (_rig, client) = Rig::with_session(Options::default());
    let field = |blob: &[u8], at: usize| u16::from_le_bytes([blob[at], blob[at + 1]]);
    let flags = |blob: &[u8]| {
        let metadata = &blob[68..];
        let at = metadata.windows(5).position(|window| window == [0x18, 0x01, 0x80, 0x00, 0x20]).unwrap() + 5;
        u64::from_le_bytes(metadata[at..at + 8].try_into().unwrap())
    };
    let app_key = client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)).unwrap();
    let own_key = client.aes_generate(AesKeySize::AES_128, own(Usage::EncryptDecrypt)).unwrap();
    // Sizes of semantics 7.4 and flag words of 7.2.
    assert_eq!((app_key.masked.len(), flags(&app_key.masked)), (244, 0x0c20));
    assert_eq!((own_key.masked.len(), flags(&own_key.masked)), (228, 0x0c22));
    assert_eq!((field(&app_key.masked, 0), field(&app_key.masked, 2), field(&app_key.masked, 16)), (1, 1, 48));
    let ecc = client.ecc_generate(EccCurve::P521, app(Usage::Derive), Some(3)).unwrap();
    assert!(ecc.masked.windows(5).any(|window| window == b"label"));
    assert_eq!(flags(&ecc.masked), 1 << 16 | 1 << 5);
    let imported = client.import(KeyClass::RSA_CRT, &rsa_key(2048), app(Usage::SignVerify)).unwrap();
    assert_eq!(imported.masked.len(), 1492 + "imported".len());
    assert_eq!(flags(&imported.masked), 1 << 12 | 1 << 13);
    // A fresh IV each time.
    let again = client.unmask(&app_key.masked).unwrap();
    assert_ne!(again.masked, app_key.masked);
    assert_ne!(again.masked[52..68], app_key.masked[52..68]);
    assert_eq!(again.masked[68..148], app_key.masked[68..148]);
}

#[test]
fn row_23_every_kind_comes_back_from_its_blob() {
    let (_rig, client) = Rig::with_session(Options::default());
    let message = [0x11; 48];
    let aes = client.aes_generate(AesKeySize::AES_192, own(Usage::EncryptDecrypt)).unwrap();
    let first = client.cbc(aes.id, AesOp::ENCRYPT, &[7; 16], &message).unwrap();
    let back = client.unmask(&aes.masked).unwrap();
    assert_ne!(back.id, aes.id);
    assert_eq!(client.cbc(back.id, AesOp::ENCRYPT, &[7; 16], &message).unwrap(), first);
    let rsa = rsa_key(3072);
    for (class, kind) in [(KeyClass::RSA, KeyType::RSA_3K_PRIVATE), (KeyClass::RSA_CRT, KeyType::RSA_3K_PRIVATE_CRT)] {
        let key = client.import(class, &rsa, app(Usage::EncryptDecrypt)).unwrap();
        let mut operand = [0x33; 384];
        operand[0] = 0;
        let first = client.mod_exp(key.id, RsaOpType::DECRYPT, &operand).unwrap();
        client.delete(key.id).unwrap();
        let back = client.unmask(&key.masked).unwrap();
        assert_eq!((back.kind, &back.spki), (Some(kind), &key.spki));
        assert_eq!(client.mod_exp(back.id, RsaOpType::DECRYPT, &operand).unwrap(), first);
        client.delete(back.id).unwrap();
    }
    for curve in [EccCurve::P256, EccCurve::P384, EccCurve::P521] {
        let key = client.ecc_generate(curve, app(Usage::SignVerify), None).unwrap();
        let back = client.unmask(&key.masked).unwrap();
        assert_eq!(back.spki, key.spki);
        client.ecc_sign(back.id, &[1; 32], HashAlgorithm::SHA256).unwrap();
    }
    let bulk = client.aes_generate(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt)).unwrap();
    assert!(client.unmask(&bulk.masked).unwrap().bulk.is_some());
    for damage in [&[][..], &bulk.masked[..200], &[&bulk.masked[..], &[0]].concat()] {
        assert_eq!(client.unmask(damage).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    }
}

#[test]
fn row_23_the_blob_is_echoed_where_wanted() {
    let (_rig, client) = Rig::with_session(Options { unmask_echo: true, ..Options::default() });
    let key = client.ecc_generate(EccCurve::P256, app(Usage::Derive), None).unwrap();
    assert_eq!(client.unmask(&key.masked).unwrap().masked, key.masked);
}

#[test]
fn row_33_a_busy_key_can_refuse_deletion() {
    let (_rig, client) = Rig::with_session(Options { busy_keys: true, ..Options::default() });
    let key = client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)).unwrap();
    // Not in use: deleted at once.
    client.delete(key.id).unwrap();
    let rsa = client.import(KeyClass::RSA, &rsa_key(4096), app(Usage::SignVerify)).unwrap();
    let mut operand = [0x33; 512];
    operand[0] = 0;
    let seen = std::thread::scope(|scope| {
        let worker = scope.spawn(|| while client.mod_exp(rsa.id, RsaOpType::SIGN, &operand).is_ok() {});
        let mut seen = Vec::new();
        loop {
            match client.delete(rsa.id) {
                Ok(()) => break,
                Err(status) => seen.push(status),
            }
        }
        worker.join().unwrap();
        seen
    });
    assert!(seen.iter().all(|status| *status == Status::CANNOT_DELETE_KEY_IN_USE));
    assert_eq!(client.delete(rsa.id), Err(Status::KEY_NOT_FOUND));
}

#[test]
fn labels_have_at_most_128_bytes() {
    let (_rig, client) = Rig::with_session(Options::default());
    let label = [b'x'; 128];
    let request = AesGenerateKey {
        key_size: AesKeySize::AES_256,
        key_tag: None,
        key_properties: properties(app(Usage::EncryptDecrypt), &label),
    };
    let blob = client.call(&request, |r| r.masked_key.to_vec()).unwrap();
    assert!(blob.windows(128).any(|window| window == label));
}
