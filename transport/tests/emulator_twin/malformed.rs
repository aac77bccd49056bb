//! Frames that no client would send: always an answer, never a panic.

use std::sync::OnceLock;

use proptest::prelude::*;
use transport::channel::Control;
use transport::ddi::command::GetApiRev;
use transport::ddi::{Dialect, Opcode, SessionControl, Status, decode_request_header, decode_response};
use transport::emulator::{Kind, Options};

use crate::client::*;
use crate::vectors::{bytes, load};

fn control_kind(number: u64) -> SessionControl {
    match number {
        0 => SessionControl::NoSession,
        1 => SessionControl::Open,
        2 => SessionControl::Close,
        _ => SessionControl::InSession,
    }
}

/// The status of an answer, whatever command it belongs to.
pub(crate) fn status_of(answer: &[u8]) -> Status {
    // Header field 4 is the first "18 04 1a" of a frame: nothing before it can look like that.
    let at = answer.windows(3).position(|window| window == [0x18, 0x04, 0x1a]).expect("a status") + 3;
    Status(u32::from_be_bytes(answer[at..at + 4].try_into().expect("four bytes")))
}

#[test]
fn recorded_malformed_requests_are_refused() {
    let options = Options { kind: Kind::Virtual, ..Options::default() };
    let (_rig, client) = Rig::with_session(options);
    let file = load("malformed_requests.json");
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 70);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let session = case["ioctl"]["session_id"].as_u64().map(|id| u16::try_from(id).unwrap());
        let control = Control { kind: control_kind(case["ioctl"]["session_control"].as_u64().unwrap()), session };
        let expected = match (name, case["status"].as_str()) {
            // The codec is strict where the vendor's tolerates deviations (wire 1.5, recommendation).
            ("outer map marker with bit 6 set" | "header key marker 0x19", _) => Ok("DdiDecodeFailed"),
            ("op value marker 0x19 (u16) with 4 value bytes" | "byte string marker with bit 2 set", _) => {
                Ok("DdiDecodeFailed")
            }
            // Firmware: no key number is out of range.
            ("DeleteKey of key 0x4000 (table out of range)", _) => Ok("KeyNotFound"),
            // The driver refuses a session id that is not the handle's.
            (_, Some("SessionExpected")) => Err(()),
            (_, Some("InvalidArg")) if session != Some(0) => Err(()),
            (_, Some(status)) => Ok(status),
            // Firmware answers a message where the simulator fails the descriptor.
            (_, None) => Ok("InvalidArg"),
        };
        let request = bytes(&case["request"]);
        let answer = client.exchange(control, &request);
        match (&answer, expected) {
            (Ok(answer), Ok(expected)) => {
                let status = status_of(answer);
                let known = status.name().unwrap();
                let driver_first = session.is_none() && control.kind == SessionControl::InSession;
                assert!(known == expected || driver_first, "{name}: {known}, not {expected}");
            }
            (Err(_), Err(())) => {}
            // An empty frame does not reach the message layer, and the driver's checks come first.
            (Err(_), Ok(_)) => assert!(
                request.is_empty() || control.kind == SessionControl::Open || session != Some(0),
                "{name}: {answer:?}"
            ),
            (Ok(answer), Err(())) => panic!("{name}: {:?}", status_of(answer)),
        }
    }
}

/// Golden requests of every command, in both dialects.
fn golden() -> &'static [(Dialect, Vec<u8>)] {
    static FRAMES: OnceLock<Vec<(Dialect, Vec<u8>)>> = OnceLock::new();
    FRAMES.get_or_init(|| {
        let mut frames = Vec::new();
        for opcode in Opcode::ALL.iter().filter(|opcode| **opcode != Opcode::INVALID) {
            let file = load(&format!("cmd_{}.json", opcode.name().unwrap()));
            for request in file["requests"].as_array().unwrap() {
                let plain = bytes(&request["virtual"]);
                let physical = request["physical"].as_str().filter(|text| *text != "same").map(crate::vectors::unhex);
                frames.push((Dialect::Physical, physical.unwrap_or_else(|| plain.clone())));
                frames.push((Dialect::Virtual, plain));
            }
        }
        assert!(frames.len() > 100);
        frames
    })
}

struct Victim {
    _rig: Rig,
    client: Client,
}

thread_local! {
    /// Provisioned devices with a session each, for all the cases of a test.
    static VICTIMS: [Victim; 2] = [Kind::Virtual, Kind::Physical].map(|kind| {
        let (rig, client) = Rig::with_session(Options { kind, tables: 2, ..Options::default() });
        Victim { _rig: rig, client }
    });
}

/// Sends a frame with the descriptor that belongs to it; the answer must be one.
fn send(dialect: Dialect, frame: &[u8]) -> Option<Status> {
    VICTIMS.with(|victims| {
        let client = &victims[usize::from(dialect == Dialect::Physical)].client;
        let kind =
            decode_request_header(frame, dialect).map_or(SessionControl::InSession, |(header, _)| header.op.control());
        let session = (kind == SessionControl::InSession).then_some(client.session).flatten();
        let answer = client.exchange(Control { kind, session }, frame).ok()?;
        decode_response::<GetApiRev>(&answer, dialect)
            .map(|(header, _)| header.status)
            .or_else(|_| Ok::<_, ()>(status_of(&answer)))
            .ok()
    })
}

/// Sets the session of a golden frame to the one that is open.
fn in_session(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some(at) = frame.windows(3).position(|window| window == [0x18, 0x03, 0x19]) {
        frame[at + 3..at + 5].copy_from_slice(&[0, 0]);
    }
    frame
}

#[test]
fn golden_requests_are_all_answered() {
    for (dialect, frame) in golden() {
        let closes = decode_request_header(frame, *dialect).is_ok_and(|(header, _)| header.op == Opcode::CLOSE_SESSION);
        if !closes {
            send(*dialect, &in_session(frame.clone()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_golden_requests_never_panic(
        index in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (dialect, frame) = index.get(golden());
        let mut frame = in_session(frame.clone());
        for (at, value) in flips {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        let opcode = decode_request_header(&frame, *dialect).map(|(header, _)| header.op);
        // Closing would end the session that all cases share.
        prop_assume!(opcode != Ok(Opcode::CLOSE_SESSION));
        send(*dialect, &frame);
    }

    #[test]
    fn random_bytes_never_panic(frame in prop::collection::vec(any::<u8>(), 1..200)) {
        for dialect in [Dialect::Virtual, Dialect::Physical] {
            prop_assert_ne!(send(dialect, &frame), Some(Status::SUCCESS));
        }
    }
}
