//! Frames that were exchanged with the vendor's simulator.

use serde_json::Value;
use transport::ddi::mbor::{Reader, Writer};
use transport::ddi::*;

use crate::commands::{COMMANDS, command};
use crate::vectors::{array, bytes, load, text};

#[test]
fn every_transcript_frame_is_written_as_it_was_read() {
    let mut commands = 0;
    for name in ["transcript_lifecycle.json", "transcript_reset_recovery.json", "transcript_sessions.json"] {
        let file = load(name);
        for step in array(&file["steps"]).iter().filter(|step| step.get("command").is_some()) {
            let at = format!("{name} step {}", step["step"]);
            let command = command(text(&step["command"]));
            for (frame, read) in [("request", command.request), ("response", command.response)] {
                let bytes = bytes(&step[frame]);
                let found = read(&bytes, Dialect::Virtual).unwrap_or_else(|why| panic!("{at} {frame}: {why}"));
                assert_eq!(found.header, step[format!("{frame}_header")], "{at} {frame}");
                assert_eq!(found.fields, step[format!("{frame}_fields")], "{at} {frame}");
                assert_eq!(found.written(Dialect::Virtual).as_deref(), Ok(&bytes[..]), "{at} {frame}");
            }
            let request = bytes(&step["request"]);
            let (request, _) = decode_request_header(&request, Dialect::Virtual).expect("read above");
            let response = bytes(&step["response"]);
            let (response, _) = decode_response::<command::CloseSession>(&response, Dialect::Virtual)
                .or_else(|_| header_only(&response))
                .expect("read above");
            assert_eq!(response.check_echo(&request), Ok(()), "{at}");
            commands += 1;
        }
    }
    assert_eq!(commands, 152);
}

/// The header of a response whatever its body is: its success is made an error.
fn header_only(response: &[u8]) -> Result<(ResponseHeader, Option<command::CloseSessionResponse>), CodecError> {
    COMMANDS
        .iter()
        .find_map(|command| (command.response)(response, Dialect::Virtual).ok())
        .map(|frame| {
            let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
            let header = &frame.header;
            let header = ResponseHeader {
                rev: number(&header["rev"]["major"]).map(|major| ApiRev { major, minor: 0 }),
                op: Opcode(number(&header["op"]).expect("op")),
                session: number(&header["sess_id"]).and_then(|session| u16::try_from(session).ok()),
                status: Status(number(&header["status"]).expect("status")),
                fips_approved: header["fips_approved"].as_bool().expect("bool"),
            };
            (header, None)
        })
        .ok_or(CodecError::Truncated)
}

#[test]
fn the_ceremony_frames_translate_into_each_other() {
    let file = load("credential_ceremony.json");
    let frames = file["frames_with_fixed_iv"].as_object().expect("frames");
    assert_eq!(frames.len(), 2);
    for (name, frames) in frames {
        let (natural, physical) = (bytes(&frames["virtual"]), bytes(&frames["physical"]));
        for (bytes, dialect) in [(&natural, Dialect::Virtual), (&physical, Dialect::Physical)] {
            let frame = (command(name).request)(bytes, dialect).expect(name);
            assert_eq!(frame.written(Dialect::Virtual).as_deref(), Ok(&natural[..]), "{name} {dialect:?}");
            assert_eq!(frame.written(Dialect::Physical).as_deref(), Ok(&physical[..]), "{name} {dialect:?}");
        }
    }
}

#[test]
fn rsa_keys_have_their_recorded_physical_form() {
    let file = load("kat_rsa.json");
    let keys = array(&file["keys"]);
    assert_eq!(keys.len(), 3);
    for golden in keys {
        let key_kind = match golden["bits"].as_u64() {
            Some(2048) => KeyType::RSA_2K_PUBLIC,
            Some(3072) => KeyType::RSA_3K_PUBLIC,
            Some(4096) => KeyType::RSA_4K_PUBLIC,
            other => panic!("{other:?} bits"),
        };
        let key = DerPublicKey { der: bytes(&golden["spki_der"]).into(), key_kind };
        let mut out = Vec::new();
        key.encode(&mut Writer::new(&mut out, Dialect::Physical)).expect("fits");
        let raw = bytes(&golden["public_key_physical_form"]);
        assert_eq!(out[8..8 + raw.len()], raw);
        assert_eq!(DerPublicKey::decode(&mut Reader::new(&out, Dialect::Physical)), Ok(key));
    }
}

/// What the reference decoder lets pass and a strict one does not (wire 1.5).
const STRICTER: [&str; 4] = [
    "outer map marker with bit 6 set",
    "header key marker 0x19",
    "op value marker 0x19 (u16) with 4 value bytes",
    "byte string marker with bit 2 set",
];

#[test]
fn damaged_requests_are_refused_where_the_device_refuses_them() {
    let file = load("malformed_requests.json");
    let cases = array(&file["cases"]);
    assert_eq!(cases.len(), 75);
    for case in cases {
        let name = text(&case["name"]);
        let request = bytes(&case["request"]);
        let header = decode_request_header(&request, Dialect::Virtual);
        let stricter = STRICTER.contains(&name);
        let Some(response) = case.get("response") else {
            assert!(header.is_ok(), "{name}: failed below the message, not for its bytes");
            continue;
        };
        // What stands in the device's answer tells how far it read.
        let response = bytes(response);
        let (answer, _) = decode_response::<command::GetApiRev>(&response, Dialect::Virtual)
            .or_else(|_| header_only(&response).map(|(header, _)| (header, None)))
            .expect(name);
        assert_eq!(answer.status.name(), case["status"].as_str(), "{name}");
        let Ok((request_header, _)) = header else {
            assert!(answer == ResponseHeader::unparsable() || stricter, "{name}: {header:?}");
            assert_eq!(
                answer.check_echo(&RequestHeader { rev: None, op: Opcode(1), session: None }).is_ok(),
                !stricter
            );
            continue;
        };
        assert_ne!(answer, ResponseHeader::unparsable(), "{name}");
        assert_eq!(answer.check_echo(&request_header), Ok(()), "{name}");
        let op = request_header.op.name().and_then(|name| COMMANDS.iter().find(|command| command.name == name));
        let body = (op.expect(name).request)(&request, Dialect::Virtual);
        let accepted = answer.status != Status::DDI_DECODE_FAILED;
        assert_eq!(body.is_ok(), accepted && !stricter, "{name}: {body:?}");
    }
}

#[test]
fn an_answer_must_echo_its_request() {
    let rev = Some(ApiRev::V1_0);
    let request = RequestHeader { rev, op: Opcode::HMAC, session: Some(3) };
    let answer = ResponseHeader::answering(&request, Status::SUCCESS);
    assert_eq!(answer.check_echo(&request), Ok(()));
    let failed = ResponseHeader::answering(&request, Status::KEY_NOT_FOUND);
    assert_eq!(failed.check_echo(&request), Ok(()));
    // PartitionNotProvisioned leaves the session out (wire B.1).
    assert_eq!(ResponseHeader { session: None, ..failed }.check_echo(&request), Ok(()));
    for (wrong, what) in [
        (ResponseHeader { op: Opcode::ECC_SIGN, ..answer }, "opcode"),
        (ResponseHeader { rev: None, ..answer }, "revision"),
        (ResponseHeader { session: None, ..answer }, "session"),
        (ResponseHeader { session: Some(4), ..answer }, "session"),
        (ResponseHeader { session: Some(4), ..failed }, "session"),
        (ResponseHeader { op: Opcode::INVALID, ..answer }, "opcode"),
    ] {
        assert_eq!(wrong.check_echo(&request), Err(CodecError::NotAnEcho(what)), "{wrong:?}");
    }
    // The firmware answers AttestKey as EccSign (semantics 6.11).
    let attest = RequestHeader { op: Opcode::ATTEST_KEY, ..request };
    assert_eq!(ResponseHeader { op: Opcode::ECC_SIGN, ..answer }.check_echo(&attest), Ok(()));
    // OpenSession learns its session.
    let open = RequestHeader { rev, op: Opcode::OPEN_SESSION, session: None };
    let opened = ResponseHeader { session: Some(0), ..ResponseHeader::answering(&open, Status::SUCCESS) };
    assert_eq!(opened.check_echo(&open), Ok(()));
    assert!(ResponseHeader { session: None, ..opened }.check_echo(&open).is_err());
}
