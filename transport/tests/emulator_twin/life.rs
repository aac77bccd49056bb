//! Rows 1 to 5, 25 to 27, 29 to 31, 33: frames, sessions, resets, processes.

use transport::channel::{ChannelError, Control, Device};
use transport::ddi::command::*;
use transport::ddi::{
    AesKeySize, EccCurve, HashAlgorithm, KeyType, Opcode, RequestHeader, SessionControl, Status, Usage, encode_request,
};
use transport::emulator::{Action, Fault, Kind, Options};

use crate::client::*;

fn control(kind: SessionControl, session: Option<u16>) -> Control {
    Control { kind, session }
}

/// Sends a frame as it is and answers the response header's opcode, session and status.
fn header(client: &Client, control: Control, frame: &[u8]) -> (Opcode, Option<u16>, Status) {
    let answer = client.exchange(control, frame).unwrap();
    let (header, _) = transport::ddi::decode_response::<GetApiRev>(&answer, client.dialect)
        .or_else(|_| {
            // A success of another command: only the header is asked for.
            let mut error = answer.clone();
            let at = error.windows(2).position(|window| window == [0x18, 0x04]).unwrap();
            error[at + 3] |= 0x80;
            transport::ddi::decode_response::<GetApiRev>(&error, client.dialect)
        })
        .unwrap();
    (header.op, header.session, header.status)
}

fn frame(op: Opcode, rev: bool, session: Option<u16>) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = RequestHeader { rev: rev.then_some(REV), op, session };
    encode_header(&header, &mut frame);
    frame
}

/// A request frame with an empty body.
fn encode_header(header: &RequestHeader, out: &mut Vec<u8>) {
    let mut template = Vec::new();
    encode_request(header.rev, header.session, &GetApiRev, transport::ddi::Dialect::Virtual, &mut template).unwrap();
    let at = template.windows(4).position(|window| window == 1002u32.to_be_bytes()).unwrap();
    template[at..at + 4].copy_from_slice(&header.op.0.to_be_bytes());
    *out = template;
}

#[test]
fn row_01_revisions() {
    let (_rig, client) = Rig::with_session(Options::default());
    let none = control(SessionControl::NoSession, None);
    let status = |op, rev| header(&client, none, &frame(op, rev, None)).2;
    assert_eq!(status(Opcode::GET_API_REV, true), Status::UNSUPPORTED_REVISION);
    assert_eq!(status(Opcode::GET_DEVICE_INFO, false), Status::UNSUPPORTED_REVISION);
    assert!(client.call(&GetApiRev, |r| (r.min, r.max)).is_ok_and(|range| range == (REV, REV)));
    let mut newer = frame(Opcode::GET_DEVICE_INFO, true, None);
    let at = newer.windows(4).position(|window| window == 1u32.to_be_bytes()).unwrap();
    newer[at + 3] = 2;
    assert_eq!(header(&client, none, &newer).2, Status::UNSUPPORTED_REVISION);
    let inside = control(SessionControl::InSession, client.session);
    let bare = frame(Opcode::GET_UNWRAPPING_KEY, false, client.session);
    assert_eq!(header(&client, inside, &bare).2, Status::UNSUPPORTED_REVISION);
}

#[test]
fn row_01_surplus_missing_and_unknown() {
    let (_rig, client) = Rig::with_session(Options::default());
    let none = control(SessionControl::NoSession, None);
    let inside = control(SessionControl::InSession, client.session);
    let unparsable = (Opcode::INVALID, None, Status::DDI_DECODE_FAILED);
    assert_eq!(header(&client, none, &[0]), unparsable);
    let mut extended = frame(Opcode::GET_DEVICE_INFO, true, None);
    extended[0] = 0xa3;
    extended.extend([0x18, 0x02, 0xa0]);
    assert_eq!(header(&client, none, &extended), unparsable);
    let mut surplus = frame(Opcode::GET_DEVICE_INFO, true, None);
    surplus.push(0);
    assert_eq!(header(&client, none, &surplus).2, Status::DDI_DECODE_FAILED);
    let empty = frame(Opcode::DELETE_KEY, true, client.session);
    assert_eq!(header(&client, inside, &empty).2, Status::DDI_DECODE_FAILED);
    for op in [Opcode(2001), Opcode(2003), Opcode::INVALID, Opcode(7)] {
        assert_eq!(header(&client, inside, &frame(op, true, client.session)).2, Status::UNSUPPORTED_CMD);
    }
    assert_eq!(client.exchange(none, &[]), Err(ChannelError::Descriptor { status: 0xc1 }));
    assert_eq!(client.exchange(none, &[0xa0; 4097]), Err(ChannelError::RequestTooLong { len: 4097 }));
}

#[test]
fn row_02_descriptor_opcode_and_header_must_agree() {
    let (rig, client) = Rig::with_session(Options::default());
    let session = client.session;
    let status = |client: &Client, control, frame: &[u8]| header(client, control, frame).2;
    let none = control(SessionControl::NoSession, None);
    let inside = control(SessionControl::InSession, session);
    assert_eq!(status(&client, inside, &frame(Opcode::GET_DEVICE_INFO, true, None)), Status::INVALID_ARG);
    assert_eq!(status(&client, none, &frame(Opcode::GET_DEVICE_INFO, true, session)), Status::INVALID_ARG);
    assert_eq!(status(&client, none, &frame(Opcode::GET_UNWRAPPING_KEY, true, session)), Status::INVALID_ARG);
    assert_eq!(status(&client, inside, &frame(Opcode::GET_UNWRAPPING_KEY, true, Some(3))), Status::INVALID_ARG);
    assert_eq!(status(&client, inside, &frame(Opcode::GET_UNWRAPPING_KEY, true, None)), Status::INVALID_ARG);
    let other = rig.handle();
    let open = frame(Opcode::OPEN_SESSION, true, Some(0));
    assert_eq!(status(&other, control(SessionControl::Open, Some(0)), &open), Status::SESSION_NOT_EXPECTED);
    assert_eq!(status(&other, control(SessionControl::Open, None), &open), Status::INVALID_ARG);
}

#[test]
fn row_02_one_session_per_handle() {
    let (rig, mut client) = Rig::with_session(Options::default());
    let session = client.session;
    let any = frame(Opcode::GET_UNWRAPPING_KEY, true, session);
    assert_eq!(client.exchange(control(SessionControl::Open, None), &any), Err(ChannelError::SessionLimit));
    let fresh = rig.handle();
    let inside = control(SessionControl::InSession, session);
    assert_eq!(fresh.exchange(inside, &any), Err(ChannelError::NoSession));
    for wrong in [None, Some(5)] {
        let inside = control(SessionControl::InSession, wrong);
        assert_eq!(client.exchange(inside, &any), Err(ChannelError::SessionMismatch));
    }
    client.close_session().unwrap();
    assert_eq!(client.exchange(inside, &any), Err(ChannelError::NoSession));
    client.open_session(&PIN, &SEED).unwrap();
}

#[test]
fn row_03_eight_sessions_lowest_free_id() {
    let (rig, first) = Rig::with_session(Options::default());
    let mut clients = vec![first];
    for id in 1..8 {
        let mut client = rig.handle();
        client.open_session(&PIN, &SEED).unwrap();
        assert_eq!(client.session, Some(id));
        clients.push(client);
    }
    let mut ninth = rig.handle();
    // The limit is found only after a good login.
    assert_eq!(ninth.open_session(b"another pin, 16b", &SEED), Err(Status::INVALID_APP_CREDENTIALS));
    assert_eq!(ninth.open_session(&PIN, &SEED), Err(Status::VAULT_SESSION_LIMIT_REACHED));
    clients[5].close_session().unwrap();
    clients[2].close_session().unwrap();
    ninth.open_session(&PIN, &SEED).unwrap();
    assert_eq!(ninth.session, Some(2));
}

#[test]
fn row_04_dropping_a_handle_flushes_its_session() {
    let (rig, client) = Rig::with_session(Options::default());
    let app_key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap();
    let own_key = client.ecc_generate(EccCurve::P256, own(Usage::SignVerify), None).unwrap();
    drop(client);
    let mut client = rig.handle();
    client.open_session(&PIN, &SEED).unwrap();
    assert_eq!(client.session, Some(0));
    assert!(client.ecc_sign(app_key.id, &[1; 32], HashAlgorithm::SHA256).is_ok());
    assert_eq!(client.ecc_sign(own_key.id, &[1; 32], HashAlgorithm::SHA256), Err(Status::KEY_NOT_FOUND));
    // Another life of the slot has another session masking key.
    assert_eq!(client.unmask(&own_key.masked).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
}

#[test]
fn row_05_nonce_kept_on_mismatch_and_bad_tag_and_spent_by_a_good_tag() {
    let (rig, _first) = Rig::with_session(Options::default());
    let mut client = rig.handle();
    let mut envelope = client.envelope(&PIN, &SEED).unwrap();
    let nonce = envelope.nonce;
    envelope.nonce[0] ^= 1;
    assert_eq!(client.open_with(&envelope), Err(Status::NONCE_MISMATCH));
    envelope.nonce[0] ^= 1;
    envelope.tag[0] ^= 1;
    assert_eq!(client.open_with(&envelope), Err(Status::PIN_DECRYPTION_FAILED));
    assert_eq!(client.session_key().unwrap().1, nonce);
    let (device, ..) = client.session_key().unwrap();
    assert_eq!(client.open_session(b"another pin, 16b", &SEED), Err(Status::INVALID_APP_CREDENTIALS));
    let (same_device, spent, _) = client.session_key().unwrap();
    assert_ne!(spent, nonce);
    assert_eq!(same_device, device);
    envelope.tag[0] ^= 1;
    assert_eq!(client.open_with(&envelope), Err(Status::NONCE_MISMATCH));
    client.open_session(&PIN, &SEED).unwrap();
    assert_ne!(client.session_key().unwrap().1, spent);
    rig.device.reset().unwrap();
    assert_eq!(client.session_key().unwrap_err(), Status::CREDENTIALS_NOT_ESTABLISHED);
}

#[test]
fn row_06_every_tampered_field_is_found() {
    let (rig, _first) = Rig::with_session(Options::default());
    let mut client = rig.handle();
    for field in 0..4 {
        let mut envelope = client.envelope(&PIN, &SEED).unwrap();
        match field {
            0 => envelope.id[3] ^= 4,
            1 => envelope.pin[3] ^= 4,
            2 => envelope.seed[3] ^= 4,
            _ => envelope.iv[3] ^= 4,
        }
        assert_eq!(client.open_with(&envelope), Err(Status::PIN_DECRYPTION_FAILED), "field {field}");
    }
    let mut short = client.envelope(&PIN, &SEED).unwrap();
    short.seed.pop();
    assert_eq!(client.open_with(&short), Err(Status::INVALID_ARG));
    let zero = client.envelope(&[0; 16], &SEED).unwrap();
    assert_eq!(client.open_with(&zero), Err(Status::INVALID_APP_CREDENTIALS));
}

#[test]
fn change_pin_keeps_sessions_and_locks_the_old_pin_out() {
    let (rig, client) = Rig::with_session(Options::default());
    client.change_pin(b"a new pin, 16 by").unwrap();
    assert!(client.unwrapping_key().is_ok());
    let mut other = rig.handle();
    assert_eq!(other.open_session(&PIN, &SEED), Err(Status::INVALID_APP_CREDENTIALS));
    other.open_session(b"a new pin, 16 by", &SEED).unwrap();
    assert_eq!(client.change_pin(&[0; 16]), Err(Status::INVALID_APP_CREDENTIALS));
}

#[test]
fn row_25_reset_and_recovery() {
    let rig = Rig::new(Options::default());
    let mut client = rig.handle();
    let mut blobs = client.provision(&Blobs::default()).unwrap();
    let bmk_session = client.open_session(&PIN, &SEED).unwrap();
    let muk = client.unwrapping_key().unwrap();
    blobs.muk.clone_from(&muk.masked);
    let app_key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap();
    let own_key = client.ecc_generate(EccCurve::P256, own(Usage::SignVerify), None).unwrap();
    let pid = client.pid_point();
    rig.device.reset().unwrap();

    let sign = |client: &Client, id| client.ecc_sign(id, &[1; 32], HashAlgorithm::SHA256).map(|_| ());
    assert_eq!(sign(&client, app_key.id), Err(Status::SESSION_NEEDS_RENEGOTIATION));
    let envelope = {
        let (device, nonce, _) = client.establish_key().unwrap();
        Envelope::new(&device, nonce, &ID, &PIN, &SEED)
    };
    let reopen = ReopenSession {
        encrypted_credential: envelope.session(),
        pub_key: envelope.pub_key(),
        bmk_session: &bmk_session,
    };
    assert_eq!(client.call(&reopen, |_| ()), Err(Status::PARTITION_NOT_PROVISIONED));
    assert_eq!(client.pid_point(), pid);
    let again = rig.handle().provision(&blobs).unwrap();
    assert_ne!(again.bmk, blobs.bmk);
    assert_eq!(client.reopen_session(&[1; 48], &bmk_session), Err(Status::MASKED_KEY_DECODE_FAILED));
    let other = rig.handle();
    assert_eq!(sign(&client, app_key.id), Err(Status::SESSION_NEEDS_RENEGOTIATION));
    drop(other);
    let renewed = client.reopen_session(&SEED, &bmk_session).unwrap();
    assert_ne!(renewed, bmk_session);
    assert_eq!(client.reopen_session(&SEED, &renewed), Err(Status::PROCESSED_IO_EVENT_IN_INVALID_STATE));
    assert_eq!(sign(&client, app_key.id), Err(Status::KEY_NOT_FOUND));
    for blob in [&app_key.masked, &own_key.masked] {
        let back = client.unmask(blob).unwrap();
        assert_eq!(sign(&client, back.id), Ok(()));
    }
    assert_eq!(client.unwrapping_key().unwrap().spki, muk.spki);
}

#[test]
fn row_25_a_flagged_session_counts_and_can_be_closed() {
    let rig = Rig::new(Options::default());
    let mut client = rig.handle();
    let blobs = client.provision(&Blobs::default()).unwrap();
    client.open_session(&PIN, &SEED).unwrap();
    rig.device.reset().unwrap();
    let mut other = rig.handle();
    other.provision(&blobs).unwrap();
    other.open_session(&PIN, &SEED).unwrap();
    assert_eq!(other.session, Some(1));
    client.close_session().unwrap();
    client.open_session(&PIN, &SEED).unwrap();
    assert_eq!(client.session, Some(0));
}

#[test]
fn row_25_a_flagged_session_can_be_closed_before_provisioning() {
    let (rig, mut client) = Rig::with_session(Options::default());
    rig.device.reset().unwrap();
    client.close_session().unwrap();
    assert_eq!(client.session_key().unwrap_err(), Status::CREDENTIALS_NOT_ESTABLISHED);
}

#[test]
fn a_session_whose_opening_was_aborted_is_lost_until_it_is_reset() {
    let (rig, _first) = Rig::with_session(Options::default());
    let opening = rig.handle();
    let envelope = opening.envelope(&PIN, &SEED).unwrap();
    let request = OpenSession { encrypted_credential: envelope.session(), pub_key: envelope.pub_key() };
    let mut frame = Vec::new();
    encode_request(Some(REV), None, &request, opening.dialect, &mut frame).unwrap();
    let opcode = Some(Opcode::OPEN_SESSION.0);
    rig.device.faults().plan(Fault { opcode, nth: 1, times: 1, action: Action::AbortAfter });
    assert_eq!(opening.exchange(control(SessionControl::Open, None), &frame), Err(ChannelError::Aborted));
    drop(opening);
    let mut next = rig.handle();
    next.open_session(&PIN, &SEED).unwrap();
    assert_eq!(next.session, Some(2));
}

#[test]
fn row_26_migration_brings_another_identity_and_keeps_the_blobs() {
    let rig = Rig::new(Options::default());
    let mut client = rig.handle();
    let blobs = client.provision(&Blobs::default()).unwrap();
    let bmk_session = client.open_session(&PIN, &SEED).unwrap();
    let unwrapping = client.unwrapping_key().unwrap();
    let key = client.ecc_generate(EccCurve::P384, own(Usage::SignVerify), None).unwrap();
    let pid = client.pid_point();
    let old_signature = client.pota_signature(&POTA);
    rig.device.migrate().unwrap();
    assert_eq!(client.call(&GetCertificate { slot_id: 0, cert_id: 0 }, |_| ()), Err(Status::INVALID_CERTIFICATE));
    assert_ne!(client.pid_point(), pid);
    let (device, nonce, _) = client.establish_key().unwrap();
    let envelope = Envelope::new(&device, nonce, &ID, &PIN, &[]);
    let refused = client.establish_raw(&blobs, &old_signature, &pota_spki(&POTA), &envelope);
    assert_eq!(refused, Err(Status::ECC_VERIFY_FAILED));
    client.establish_with(&blobs, &POTA, &envelope).unwrap();
    client.reopen_session(&SEED, &bmk_session).unwrap();
    client.unmask(&key.masked).unwrap();
    assert_ne!(client.unwrapping_key().unwrap().spki, unwrapping.spki);
}

#[test]
fn row_27_the_unwrapping_key_may_be_pending() {
    let options = Options { pending_unwrapping_key_polls: 2, ..Options::default() };
    let (_rig, client) = Rig::with_session(options);
    for _ in 0..2 {
        assert_eq!(client.unwrapping_key().unwrap_err(), Status::PENDING_KEY_GENERATION);
    }
    client.unwrapping_key().unwrap();
}

#[test]
fn row_29_certificates() {
    use sha2::{Digest, Sha256};
    let rig = Rig::new(Options::default());
    let client = rig.handle();
    let get = |slot_id, cert_id| client.call(&GetCertificate { slot_id, cert_id }, |r| r.certificate.to_vec());
    assert_eq!(get(0, 0), Err(Status::INVALID_CERTIFICATE));
    assert_eq!(client.call(&GetCertChainInfo { slot_id: 1 }, |_| ()), Err(Status::INVALID_ARG));
    let chain = client.chain();
    assert!(chain.len() >= 3);
    assert_eq!(get(1, 0), Err(Status::INVALID_ARG));
    assert_eq!(get(0, u8::try_from(chain.len()).unwrap()), Err(Status::INVALID_CERTIFICATE));
    let hashes: Vec<_> = chain.iter().map(Sha256::digest).collect();
    let (device, last) = hashes.split_at(hashes.len() - 2);
    let expected = Sha256::digest([&Sha256::digest(device.concat())[..], &last[0], &last[1]].concat());
    let thumbprint = client.call(&GetCertChainInfo { slot_id: 0 }, |r| r.thumbprint.to_vec()).unwrap();
    assert_eq!(thumbprint, expected.to_vec());
    // Each certificate is signed by the key of the one before it, the first by its own.
    for (index, certificate) in chain.iter().enumerate() {
        let issuer = point_of(&chain[index.saturating_sub(1)]);
        let (body, signature) = split_certificate(certificate);
        let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&issuer).unwrap();
        let signature = p384::ecdsa::Signature::from_der(signature).unwrap();
        p384::ecdsa::signature::Verifier::verify(&key, body, &signature).unwrap();
    }
    let serial = rig.device.info().unwrap().serial;
    let leaf = chain.last().unwrap();
    assert!(leaf.windows(32).any(|window| window == serial.as_bytes()));
}

/// Signed body and signature of an X.509 certificate, read with the DER reader.
fn split_certificate(certificate: &[u8]) -> (&[u8], &[u8]) {
    use der::{Decode, Encode, asn1::AnyRef};
    let outer = AnyRef::from_der(certificate).unwrap();
    let mut rest = outer.value();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (part, tail) = AnyRef::from_der_partial(rest).unwrap();
        let len = rest.len() - tail.len();
        assert_eq!(part.encoded_len().map(u32::from).unwrap() as usize, len);
        parts.push((&rest[..len], part));
        rest = tail;
    }
    assert_eq!(parts.len(), 3);
    (parts[0].0, &parts[2].1.value()[1..])
}

#[test]
fn row_30_fips_state_is_reported_and_never_on_errors() {
    let (_rig, client) = Rig::with_session(Options { fips_approved: true, ..Options::default() });
    assert!(client.call(&GetDeviceInfo, |r| r.fips_approved).unwrap());
    let approved = |request: &[u8], kind, session| {
        let answer = client.exchange(control(kind, session), request).unwrap();
        let at = answer.windows(4).position(|window| window[..2] == [0x18, 0x05]).unwrap();
        answer[at + 2] == 0x15
    };
    let inside = SessionControl::InSession;
    assert!(approved(&frame(Opcode::GET_UNWRAPPING_KEY, true, client.session), inside, client.session));
    assert!(!approved(&frame(Opcode(2003), true, client.session), inside, client.session));
    assert!(!approved(&frame(Opcode::GET_DEVICE_INFO, true, None), SessionControl::NoSession, None));
    let key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap().id;
    let sign = |digest: &[u8], hash| client.ecc_sign(key, digest, hash).map(|_| ());
    assert_eq!(sign(&[1; 20], HashAlgorithm::SHA1), Err(Status::NON_FIPS_APPROVED_DIGEST));
    assert_eq!(sign(&[1; 32], HashAlgorithm::SHA384), Err(Status::DIGEST_HASH_MISMATCH_WITH_ECC_CURVE));
    assert_eq!(sign(&[1; 32], HashAlgorithm::SHA256), Ok(()));
}

#[test]
fn row_31_both_dialects() {
    for (kind, signature_len, raw) in [(Kind::Virtual, 0, false), (Kind::Physical, 96, true)] {
        let (rig, client) = Rig::with_session(Options { kind, ..Options::default() });
        let told = rig.handle().call(&GetDeviceInfo, |r| r.kind).unwrap();
        assert_eq!(told.0, if raw { 2 } else { 1 });
        let (device, _, signature) = client.session_key().unwrap();
        assert_eq!(signature.len(), signature_len);
        if raw {
            // The PID key signs the raw little-endian key (semantics 3.1).
            let (_, point) = transport::ddi::key::point_from_spki(&device).unwrap();
            let mut message = point[1..].to_vec();
            message[..48].reverse();
            message[48..].reverse();
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&client.pid_point()).unwrap();
            let signature = p384::ecdsa::Signature::from_slice(&signature).unwrap();
            p384::ecdsa::signature::Verifier::verify(&key, &message, &signature).unwrap();
        }
    }
}

#[test]
fn row_33_parallel_commands_of_several_sessions() {
    let (rig, client) = Rig::with_session(Options::default());
    let key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap();
    let (_, point) = transport::ddi::key::point_from_spki(&key.spki).unwrap();
    let verifier = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let mut own = rig.handle();
            let (verifier, shared, id) = (&verifier, &client, key.id);
            scope.spawn(move || {
                while own.open_session(&PIN, &SEED) == Err(Status::NONCE_MISMATCH) {}
                for round in 0..20 {
                    let digest = [thread * 20 + round; 32];
                    for client in [&own, shared] {
                        let signature = client.ecc_sign(id, &digest, HashAlgorithm::SHA256).unwrap();
                        let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
                        p256::ecdsa::signature::hazmat::PrehashVerifier::verify_prehash(verifier, &digest, &signature)
                            .unwrap();
                    }
                    let aes = own.aes_generate(AesKeySize::AES_256, own_metadata()).unwrap();
                    own.delete(aes.id).unwrap();
                }
            });
        }
    });
}

fn own_metadata() -> transport::ddi::Metadata {
    own(Usage::EncryptDecrypt)
}

#[test]
fn faults_happen_when_they_are_planned() {
    let (rig, client) = Rig::with_session(Options::default());
    let faults = rig.device.faults();
    let plan = |opcode: Option<Opcode>, nth, action| {
        faults.plan(Fault { opcode: opcode.map(|op| op.0), nth, times: 1, action });
    };
    let key = client.aes_generate(AesKeySize::AES_256, app(Usage::EncryptDecrypt)).unwrap().id;
    let before = faults.commands(Opcode::DELETE_KEY);
    plan(Some(Opcode::DELETE_KEY), 1, Action::status(Status::CANNOT_DELETE_KEY_IN_USE));
    assert_eq!(client.delete(key), Err(Status::CANNOT_DELETE_KEY_IN_USE));
    plan(Some(Opcode::DELETE_KEY), 1, Action::AbortBefore);
    let mut frame = Vec::new();
    encode_request(Some(REV), client.session, &DeleteKey { key_id: key }, client.dialect, &mut frame).unwrap();
    let inside = control(SessionControl::InSession, client.session);
    assert_eq!(client.exchange(inside, &frame), Err(ChannelError::Aborted));
    plan(Some(Opcode::DELETE_KEY), 1, Action::AbortAfter);
    assert_eq!(client.exchange(inside, &frame), Err(ChannelError::Aborted));
    assert_eq!(client.delete(key), Err(Status::KEY_NOT_FOUND));
    assert_eq!(faults.commands(Opcode::DELETE_KEY) - before, 4);
    plan(None, 1, Action::NotReady);
    assert_eq!(client.exchange(inside, &frame), Err(ChannelError::NotReady));
    plan(None, 1, Action::Reset);
    assert_eq!(client.delete(key), Err(Status::SESSION_NEEDS_RENEGOTIATION));
    plan(Some(Opcode::GET_API_REV), 1, Action::Migrate);
    faults.clear();
    assert!(client.call(&GetApiRev, |_| ()).is_ok());
}

#[test]
fn processes_share_the_durable_part_and_nothing_else() {
    let rig = Rig::new(Options::default());
    let mut first = rig.handle();
    let blobs = first.provision(&Blobs::default()).unwrap();
    first.open_session(&PIN, &SEED).unwrap();
    let key = first.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap();
    let sealed = SetSealedBk3 { sealed_bk3: &blobs.masked_bk3 };
    first.call(&sealed, |_| ()).unwrap();
    // What another process on the same folder sees: the chip after a reboot.
    let device = power_on(rig.folder.path(), Options::default());
    let mut second = Client { channel: device.open().unwrap(), dialect: first.dialect, session: None };
    assert_eq!(second.chain(), first.chain());
    assert_eq!(second.session_key().unwrap_err(), Status::CREDENTIALS_NOT_ESTABLISHED);
    assert_eq!(second.init_bk3(), Err(Status::BK3_ALREADY_INITIALIZED));
    let masked_bk3 = second.call(&GetSealedBk3, |r| r.sealed_bk3.to_vec()).unwrap();
    second.provision(&Blobs { masked_bk3, ..blobs }).unwrap();
    second.open_session(&PIN, &SEED).unwrap();
    assert_eq!(second.session, Some(0));
    let back = second.unmask(&key.masked).unwrap();
    assert_eq!((back.spki, back.kind), (key.spki, Some(KeyType::ECC_256_PRIVATE)));
    drop(second);
    assert!(first.unwrapping_key().is_ok());
}

/// Run in a process of its own by the test below; says which identity the folder has.
#[test]
fn another_process_opens_the_folder() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let device = power_on(folder.as_ref(), Options::default());
    let serial = device.info().unwrap().serial;
    std::fs::write(std::path::Path::new(&folder).join(format!("seen-{}", std::process::id())), serial).unwrap();
}

#[test]
fn processes_that_create_a_device_at_once_agree_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "life::another_process_opens_the_folder"])
                .env(FOLDER, folder.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let seen: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("seen-"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|serial| *serial == seen[0]));
    let here = power_on(folder.path(), Options::default());
    assert_eq!(here.info().unwrap().serial, seen[0]);
}

const FOLDER: &str = "EMULATOR_TWIN_FOLDER";
