//! Rows 16, 17, 20, 21, 28: the limits of every operation, derivation, attestation.

use transport::channel::{ChannelError, Direction, GcmCall, GcmReply, XtsCall};
use transport::ddi::command::*;
use transport::ddi::{
    AesKeySize, AesOp, EccCurve, HashAlgorithm, KeyClass, KeyType, Opcode, RsaOpType, Status, Usage, key,
};
use transport::emulator::Options;

use crate::client::*;
use crate::vectors::rsa_key;

#[test]
fn row_16_cbc_limits() {
    let (_rig, client) = Rig::with_session(Options::default());
    let key = client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)).unwrap().id;
    let run = |op, iv: &[u8], len| client.cbc(key, op, iv, &vec![5; len]);
    for op in [AesOp::ENCRYPT, AesOp::DECRYPT] {
        for len in [0, 1, 15, 17, 1023] {
            assert_eq!(run(op, &[0; 16], len), Err(Status::INVALID_ARG), "{len}");
        }
        for len in [16, 1024] {
            assert_eq!(run(op, &[0; 16], len).unwrap().0.len(), len);
        }
        for iv in [&[0; 15][..], &[]] {
            assert_eq!(run(op, iv, 16), Err(Status::INVALID_ARG));
        }
    }
    assert_eq!(run(AesOp(3), &[0; 16], 16), Err(Status::INVALID_ARG));
    let bulk = client.aes_generate(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt)).unwrap().id;
    assert_eq!(client.cbc(bulk, AesOp::ENCRYPT, &[0; 16], &[0; 16]), Err(Status::INVALID_KEY_TYPE));
}

#[test]
fn row_16_mod_exp_limits() {
    let (_rig, client) = Rig::with_session(Options::default());
    let key = client.import(KeyClass::RSA_CRT, &rsa_key(2048), app(Usage::SignVerify)).unwrap();
    let (n, _) = key::rsa_from_spki(&key.spki).unwrap();
    let run = |op, y: &[u8]| client.mod_exp(key.id, op, y).map(|x| x.len());
    let number = |last: u8| [vec![0; 255], vec![last]].concat();
    let below = |by: u8| {
        let mut m = n.to_vec();
        m[255] -= by;
        m
    };
    let sign = RsaOpType::SIGN;
    for bad in [number(0), number(1), below(1), n.to_vec(), vec![0xff; 256], vec![2; 255], vec![], vec![0; 257]] {
        assert_eq!(run(sign, &bad), Err(Status::INVALID_ARG));
    }
    for good in [number(2), below(2)] {
        assert_eq!(run(sign, &good), Ok(256));
    }
    assert_eq!(run(RsaOpType::DECRYPT, &number(2)), Err(Status::INVALID_PERMISSIONS));
    assert_eq!(run(RsaOpType(3), &number(2)), Err(Status::INVALID_ARG));
}

#[test]
fn row_16_digest_and_report_lengths() {
    let (_rig, client) = Rig::with_session(Options::default());
    let key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap().id;
    for len in [0, 127] {
        assert_eq!(client.attest(key, &vec![0; len]), Err(Status::INVALID_ARG));
    }
    let (_rig, client) = Rig::with_session(Options { kind: transport::emulator::Kind::Virtual, ..Options::default() });
    let key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap().id;
    assert_eq!(client.ecc_sign(key, &[], HashAlgorithm::SHA256), Err(Status::INVALID_ARG));
    assert_eq!(client.ecc_sign(0x1234, &[], HashAlgorithm::SHA256), Err(Status::INVALID_ARG));
}

struct Fast<'c> {
    client: &'c Client,
    key: u16,
}

impl Fast<'_> {
    fn gcm(
        &self,
        direction: Direction,
        iv: [u8; 12],
        tag: Option<[u8; 16]>,
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<GcmReply, ChannelError> {
        let session = self.client.session.unwrap();
        let call = GcmCall { direction, session, short_app_id: 0, bulk_key: self.key, iv, tag, aad, data };
        self.client.channel.gcm(call)
    }
}

#[test]
fn row_17_an_approved_key_makes_its_own_iv() {
    for (size, approved) in [(AesKeySize::AES_GCM_BULK_256, true), (AesKeySize::AES_GCM_BULK_256_UNAPPROVED, false)] {
        for device_iv in [true, false] {
            let (_rig, client) = Rig::with_session(Options { device_iv, fips_approved: true, ..Options::default() });
            let key = client.aes_generate(size, own(Usage::EncryptDecrypt)).unwrap().bulk.unwrap();
            let fast = Fast { client: &client, key };
            let mut data = *b"some data that is not aligned";
            let plain = data;
            let reply = fast.gcm(Direction::Encrypt, [9; 12], None, b"header", &mut data).unwrap();
            assert_eq!(reply.iv != [9; 12], approved && device_iv);
            assert_eq!(reply.fips_approved, approved);
            let mut wrong = data;
            let mut tag = reply.tag;
            tag[15] ^= 1;
            let refused = fast.gcm(Direction::Decrypt, reply.iv, Some(tag), b"header", &mut wrong);
            assert_eq!(refused, Err(ChannelError::TagMismatch));
            let opened = fast.gcm(Direction::Decrypt, reply.iv, Some(reply.tag), b"header", &mut data).unwrap();
            assert_eq!((opened.tag, opened.iv), ([0; 16], reply.iv));
            assert_eq!(data, plain);
        }
    }
}

#[test]
fn row_16_gcm_checks() {
    let (rig, client) = Rig::with_session(Options::default());
    let key = client.aes_generate(AesKeySize::AES_GCM_BULK_256, own(Usage::EncryptDecrypt)).unwrap().bulk.unwrap();
    let xts = client.aes_generate(AesKeySize::AES_XTS_BULK_256, own(Usage::EncryptDecrypt)).unwrap().bulk.unwrap();
    let fast = Fast { client: &client, key };
    let error = |result, extended| Err(ChannelError::FastPath { result, extended });
    assert_eq!(fast.gcm(Direction::Encrypt, [0; 12], None, &[], &mut []), error(0, 117));
    assert_eq!(fast.gcm(Direction::Decrypt, [0; 12], None, &[], &mut [0; 16]), error(0, 117));
    let wrong = Fast { client: &client, key: xts };
    assert_eq!(wrong.gcm(Direction::Encrypt, [0; 12], None, &[], &mut [0; 16]), error(2, 8));
    let mut other = rig.handle();
    other.open_session(&PIN, &SEED).unwrap();
    let foreign = Fast { client: &other, key };
    assert_eq!(foreign.gcm(Direction::Encrypt, [0; 12], None, &[], &mut [0; 16]), error(2, 3));
    other.close_session().unwrap();
    other.session = Some(1);
    let closed = Fast { client: &other, key };
    assert_eq!(closed.gcm(Direction::Encrypt, [0; 12], None, &[], &mut [0; 16]), error(0, 109));
}

#[test]
fn row_16_xts_units() {
    let (_rig, client) = Rig::with_session(Options::default());
    let make = |metadata| client.aes_generate(AesKeySize::AES_XTS_BULK_256, metadata).unwrap();
    let (first, second) = (make(app(Usage::EncryptDecrypt)), make(app(Usage::EncryptDecrypt)));
    let (own_key, copy) = (make(own(Usage::EncryptDecrypt)), client.unmask(&first.masked).unwrap());
    let gcm = client.aes_generate(AesKeySize::AES_GCM_BULK_256, app(Usage::EncryptDecrypt)).unwrap();
    let run = |direction, data_key: &Made, tweak_key: &Made, data_unit_len, data: &mut [u8]| {
        client.channel.xts(XtsCall {
            direction,
            session: client.session.unwrap(),
            short_app_id: 0,
            data_key: data_key.bulk.unwrap(),
            tweak_key: tweak_key.bulk.unwrap(),
            tweak: [0xff; 16],
            data_unit_len,
            data,
        })
    };
    let encrypt = |a: &Made, b: &Made, unit, len| run(Direction::Encrypt, a, b, unit, &mut vec![1; len]);
    let error = |result, extended| Err(ChannelError::FastPath { result, extended });
    for (unit, len, result) in [
        (16, 16, Ok(())),
        (512, 1024, Ok(())),
        (4096, 8192, Ok(())),
        (8192, 8192, Ok(())),
        (8208, 8208, Ok(())),
        (512, 513, error(0, 118)),
        (500, 1000, error(0, 118)),
        (0, 0, error(0, 118)),
        (17, 17, error(1, 12)),
    ] {
        assert_eq!(encrypt(&first, &second, unit, len), result, "{unit} {len}");
    }
    assert_eq!(encrypt(&first, &first, 16, 16), error(1, 5));
    assert_eq!(encrypt(&first, &copy, 16, 16), error(1, 6));
    assert_eq!(encrypt(&first, &own_key, 16, 16), error(1, 4));
    assert_eq!(encrypt(&gcm, &second, 16, 16), error(1, 14));
    assert_eq!(encrypt(&first, &gcm, 16, 16), error(1, 15));
    // The tweak counts on over all 128 bits, from unit to unit.
    let mut data = vec![7; 1024];
    run(Direction::Encrypt, &first, &second, 512, &mut data).unwrap();
    assert_ne!(data[..512], data[512..]);
    run(Direction::Decrypt, &first, &second, 512, &mut data).unwrap();
    assert_eq!(data, [7; 1024]);
}

#[test]
fn row_20_ecdh_target_fits_the_curve() {
    let (_rig, client) = Rig::with_session(Options::default());
    let derive = |curve| client.ecc_generate(curve, own(Usage::Derive), None).unwrap();
    let kinds = [KeyType::SECRET_256, KeyType::SECRET_384, KeyType::SECRET_521];
    for (curve, good) in [EccCurve::P256, EccCurve::P384, EccCurve::P521].into_iter().zip(kinds) {
        let (a, b) = (derive(curve), derive(curve));
        for kind in kinds {
            let made = client.ecdh(a.id, &b.spki, kind, own(Usage::Derive)).map(|_| ());
            assert_eq!(made, if kind == good { Ok(()) } else { Err(Status::INVALID_KEY_TYPE) });
        }
        let made = client.ecdh(a.id, &b.spki, good, own(Usage::SignVerify));
        assert_eq!(made.unwrap_err(), Status::INVALID_PERMISSIONS);
    }
    let (a, b) = (derive(EccCurve::P256), derive(EccCurve::P384));
    let made = client.ecdh(a.id, &b.spki, KeyType::SECRET_256, own(Usage::Derive));
    assert_eq!(made.unwrap_err(), Status::DER_AND_KEY_TYPE_MISMATCH);
    let off = key::spki_from_point(EccCurve::P256, &[&[4][..], &[1; 64]].concat()).unwrap();
    let made = client.ecdh(a.id, &off, KeyType::SECRET_256, own(Usage::Derive));
    assert_eq!(made.unwrap_err(), Status::ECC_POINT_VALIDATION_FAILED);
}

/// A secret that is the same on every device: from fixed keys.
fn secret(client: &Client) -> Made {
    use p256::pkcs8::EncodePrivateKey;
    let pkcs8 = p256::SecretKey::from_slice(&[9; 32]).unwrap().to_pkcs8_der().unwrap().as_bytes().to_vec();
    let private = client.import(KeyClass::ECC, &pkcs8, own(Usage::Derive)).unwrap();
    client.ecdh(private.id, &private.spki, KeyType::SECRET_256, own(Usage::Derive)).unwrap()
}

fn hkdf(client: &Client, secret: &Made, kind: KeyType, salt: Option<&[u8]>, usage: Usage) -> Result<Made, Status> {
    client.hkdf(&HkdfDerive {
        key_id: secret.id,
        hash_algorithm: HashAlgorithm::SHA256,
        salt,
        info: Some(b"info"),
        key_type: kind,
        key_tag: None,
        key_properties: properties(own(usage), b""),
        key_length: None,
    })
}

#[test]
fn row_20_derivation_targets_and_their_usage() {
    let (_rig, client) = Rig::with_session(Options::default());
    let secret = secret(&client);
    let derive = |kind, usage| hkdf(&client, &secret, kind, None, usage).map(|made| made.bulk.is_some());
    assert_eq!(derive(KeyType::AES_128, Usage::EncryptDecrypt), Ok(false));
    assert_eq!(derive(KeyType::AES_128, Usage::SignVerify), Err(Status::INVALID_PERMISSIONS));
    assert_eq!(derive(KeyType::HMAC_SHA384, Usage::SignVerify), Ok(false));
    assert_eq!(derive(KeyType::HMAC_SHA384, Usage::EncryptDecrypt), Err(Status::INVALID_PERMISSIONS));
    assert_eq!(derive(KeyType::AES_GCM_BULK_256, Usage::EncryptDecrypt), Ok(true));
    assert_eq!(derive(KeyType::SECRET_256, Usage::Derive), Err(Status::INVALID_KEY_TYPE));
    assert_eq!(derive(KeyType::VAR_HMAC_256, Usage::SignVerify), Err(Status::INVALID_KEY_TYPE));
    let aes = hkdf(&client, &secret, KeyType::AES_256, None, Usage::EncryptDecrypt).unwrap();
    let chained = hkdf(&client, &aes, KeyType::AES_256, None, Usage::EncryptDecrypt);
    assert_eq!(chained.unwrap_err(), Status::INVALID_KEY_TYPE);
}

#[test]
fn row_20_variable_hmac_keys_live_and_come_back() {
    let (_rig, client) = Rig::with_session(Options::default());
    let secret = secret(&client);
    for (kind, key_length, tag_len) in
        [(KeyType::VAR_HMAC_256, 40, 32), (KeyType::VAR_HMAC_384, 100, 48), (KeyType::VAR_HMAC_512, 128, 64)]
    {
        let made = client
            .hkdf(&HkdfDerive {
                key_id: secret.id,
                hash_algorithm: HashAlgorithm::SHA512,
                salt: None,
                info: None,
                key_type: kind,
                key_tag: None,
                key_properties: properties(own(Usage::SignVerify), b""),
                key_length: Some(key_length),
            })
            .unwrap();
        let tag = client.hmac(made.id, b"message").unwrap();
        assert_eq!(tag.len(), tag_len);
        let back = client.unmask(&made.masked).unwrap();
        assert_eq!((back.kind, client.hmac(back.id, b"message")), (Some(kind), Ok(tag)));
    }
}

#[test]
fn row_21_quirks_of_the_derivations() {
    let hmac_of = |options: Options, salt: Option<&[u8]>, kbkdf: bool| {
        let (_rig, client) = Rig::with_session(options);
        let secret = secret(&client);
        let made = if kbkdf {
            client
                .kbkdf(&KbkdfCounterHmacDerive {
                    key_id: secret.id,
                    hash_algorithm: HashAlgorithm::SHA256,
                    label: Some(b"label"),
                    context: Some(b"context"),
                    key_type: KeyType::HMAC_SHA256,
                    key_tag: None,
                    key_properties: properties(own(Usage::SignVerify), b""),
                    key_length: None,
                })
                .unwrap()
        } else {
            hkdf(&client, &secret, KeyType::HMAC_SHA256, salt, Usage::SignVerify).unwrap()
        };
        client.hmac(made.id, b"message").unwrap()
    };
    let plain = Options::default;
    let quirk = || Options { hkdf_absent_salt_quirk: true, kbkdf_production_quirk: true, ..Options::default() };
    assert_eq!(hmac_of(plain(), None, false), hmac_of(plain(), Some(&[]), false));
    assert_eq!(hmac_of(plain(), Some(&[0; 32]), false), hmac_of(plain(), Some(&[]), false));
    assert_ne!(hmac_of(quirk(), None, false), hmac_of(plain(), None, false));
    assert_eq!(hmac_of(quirk(), None, false), hmac_of(plain(), Some(&[0; 256]), false));
    assert_eq!(hmac_of(quirk(), Some(&[]), false), hmac_of(plain(), Some(&[]), false));
    assert_ne!(hmac_of(quirk(), None, true), hmac_of(plain(), None, true));
}

#[test]
fn row_28_attestation_reports() {
    let (_rig, client) = Rig::with_session(Options::default());
    let report_data: [u8; 128] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let pid = p384::ecdsa::VerifyingKey::from_sec1_bytes(&client.pid_point()).unwrap();
    let ec = client.ecc_generate(EccCurve::P384, own(Usage::Derive), None).unwrap();
    let rsa = client.import(KeyClass::RSA, &rsa_key(4096), app(Usage::SignVerify)).unwrap();
    let aes = client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)).unwrap();
    let unwrapping = client.unwrapping_key().unwrap();
    // True length of the COSE key and flags (semantics 6.11).
    for (key, length, flags) in [
        (&ec, 107u32, 1 << 2 | 1 << 1 | 1 << 9),
        (&rsa, 525, 1 | 1 << 5 | 1 << 6),
        (&aes, 0, 1 << 2 | 1 << 3 | 1 << 4),
        (&unwrapping, 269, 1 << 2 | 1 << 8),
    ] {
        let report = client.attest(key.id, &report_data).unwrap();
        assert!(report.len() <= 834);
        let mut r = Cbor(&report);
        assert_eq!(r.take(2), [0xd2, 0x84]);
        let protected = r.bytes();
        assert_eq!(protected, b"\xa2\x01\x38\x22\x03\x70application/cbor");
        assert_eq!(r.take(1), [0xa0]);
        let payload = r.bytes();
        let signature = r.bytes();
        assert!(r.0.is_empty());
        let mut signed = b"\x84\x6aSignature1".to_vec();
        signed.push(0x56);
        signed.extend(protected);
        signed.push(0x40);
        signed.push(0x59);
        signed.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        signed.extend(payload);
        let signature = p384::ecdsa::Signature::from_slice(signature).unwrap();
        p384::ecdsa::signature::Verifier::verify(&pid, &signed, &signature).unwrap();

        let mut r = Cbor(payload);
        assert_eq!(r.take(1), [0xa7]);
        assert_eq!((r.uint(), r.uint()), (0, 1));
        assert_eq!(r.uint(), 1);
        let cose_key = r.bytes();
        assert_eq!(cose_key.len(), 525);
        assert_eq!((r.uint(), r.uint()), (2, length));
        assert_eq!((r.uint(), r.uint()), (3, flags));
        assert_eq!(r.uint(), 4);
        assert_eq!(r.bytes(), ID);
        assert_eq!(r.uint(), 5);
        assert_eq!(r.bytes(), report_data);
        assert_eq!(r.uint(), 6);
        assert_eq!(r.bytes().len(), 16);
        assert!(r.0.is_empty());
        assert!(cose_key[length as usize..].iter().all(|byte| *byte == 0));
        if let Ok((_, point)) = key::point_from_spki(&key.spki) {
            assert!(cose_key.windows(48).any(|window| window == &point[1..49]));
            assert!(cose_key.windows(48).any(|window| window == &point[49..]));
        }
    }
}

#[test]
fn row_28_the_firmware_calls_its_answer_ecc_sign() {
    for (attest_opcode_quirk, opcode) in [(true, Opcode::ECC_SIGN), (false, Opcode::ATTEST_KEY)] {
        let (_rig, client) = Rig::with_session(Options { attest_opcode_quirk, ..Options::default() });
        let key_id = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap().id;
        let request = AttestKey { key_id, report_data: &[0; 128] };
        let mut frame = Vec::new();
        transport::ddi::encode_request(Some(REV), client.session, &request, client.dialect, &mut frame).unwrap();
        let kind = transport::ddi::SessionControl::InSession;
        let control = transport::channel::Control { kind, session: client.session };
        let answer = client.exchange(control, &frame).unwrap();
        let (header, _) = transport::ddi::decode_response::<AttestKey<'_>>(&answer, client.dialect).unwrap();
        assert_eq!(header.op, opcode);
    }
}

/// As much CBOR as a report needs.
struct Cbor<'a>(&'a [u8]);

impl<'a> Cbor<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn head(&mut self, major: u8) -> u32 {
        let first = self.take(1)[0];
        assert_eq!(first & 0xe0, major);
        match first & 0x1f {
            small @ 0..=23 => small.into(),
            24 => self.take(1)[0].into(),
            25 => u16::from_be_bytes(self.take(2).try_into().unwrap()).into(),
            other => panic!("{other}"),
        }
    }

    fn uint(&mut self) -> u32 {
        self.head(0)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = self.head(0x40);
        self.take(len as usize)
    }
}
