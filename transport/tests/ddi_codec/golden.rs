//! Every frame of every command file.

use serde_json::{Value, json};
use transport::ddi::mbor::{Reader, Writer};
use transport::ddi::*;

use crate::commands::{COMMANDS, Command, Frame, command};
use crate::vectors::{array, bytes, command_files, hex, load, text, unhex};

/// 29 files hold this many frames; a frame that is skipped, or a file that is lost, shows here.
const FRAMES: usize = 284;

#[test]
fn every_golden_frame_is_read_and_written_byte_for_byte() {
    let mut frames = 0;
    let files = command_files();
    assert_eq!(files.len(), COMMANDS.len());
    for name in files {
        let file = load(&name);
        let command = command(text(&file["command"]));
        assert_eq!(file["opcode"], json!(command.opcode.0), "{name}");
        assert_eq!(file["session_control_value"], json!(command.control as u8), "{name}");
        assert_eq!(command.opcode.control(), command.control, "{name}");
        assert_eq!(command.opcode.name(), Some(command.name), "{name}");
        for (kind, read) in
            [("requests", command.request), ("responses", command.response), ("error_responses", command.response)]
        {
            for golden in array(&file[kind]) {
                check(command, golden, read);
                frames += 1;
            }
        }
    }
    assert_eq!(frames, FRAMES);
}

fn check(command: &Command, golden: &Value, read: fn(&[u8], Dialect) -> Result<Frame, CodecError>) {
    let name = format!("{}: {}", command.name, text(&golden["name"]));
    let natural = bytes(&golden["virtual"]);
    assert_eq!(golden["length"], json!(natural.len()), "{name}");
    if let Some(status) = golden.get("status_name") {
        let number = golden["header"]["status"].as_u64().and_then(|number| u32::try_from(number).ok());
        assert_eq!(Status(number.expect("status")).name(), status.as_str(), "{name}");
    }
    if text(&golden["name"]).starts_with("extension map present") {
        // Both sides refuse what the reference can write (wire 2.1, B.1).
        assert_eq!(
            read(&natural, Dialect::Virtual).map(|frame| frame.fields),
            Err(CodecError::OuterCount { found: 3 })
        );
        return;
    }
    let frame = read(&natural, Dialect::Virtual).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(frame.header, golden["header"], "{name}");
    assert_eq!(frame.fields, golden["fields"], "{name}");
    assert_eq!(frame.written(Dialect::Virtual).as_deref(), Ok(&natural[..]), "{name}");

    let physical = match &golden["physical"] {
        Value::String(same) if same == "same" => natural,
        Value::String(other) => unhex(other),
        refusal => {
            let reasons = ["encode_error", "decode_error"];
            assert!(reasons.iter().any(|reason| refusal.get(reason).is_some()), "{name}: {refusal}");
            assert!(frame.written(Dialect::Physical).is_err(), "{name}");
            if refusal.get("decode_error").is_some() {
                assert!(read(&natural, Dialect::Physical).is_err(), "{name}");
            }
            return;
        }
    };
    // The client's value as the device gets it, or the device's as it leaves.
    assert_eq!(frame.written(Dialect::Physical).as_deref(), Ok(&physical[..]), "{name}");
    strings(golden.get("physical_changed_fields").unwrap_or(&Value::Null), &mut |changed| {
        assert!(hex(&physical).contains(changed), "{name}: {changed}");
    });
    // And back to the natural form.
    let frame = read(&physical, Dialect::Physical).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(frame.header, golden["header"], "{name}");
    assert_eq!(frame.fields, natural_again(golden), "{name}");
    assert_eq!(frame.written(Dialect::Physical).as_deref(), Ok(&physical[..]), "{name}");
}

/// The golden fields, but for the digests whose length the physical form does not carry (wire 4.3): an empty digest comes
/// back as a zero of the hash's length, and of 96 bytes the last 68 are left.
fn natural_again(golden: &Value) -> Value {
    let mut fields = golden["fields"].clone();
    if let Some(digest) = fields.get_mut("digest") {
        match text(digest).len() / 2 {
            0 => *digest = json!("00".repeat(32)),
            96 => *digest = json!(text(digest)[2 * (96 - 68)..]),
            _ => {}
        }
    }
    fields
}

/// All strings inside a value.
fn strings(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, visit)),
        Value::Object(members) => members.values().for_each(|value| strings(value, visit)),
        _ => {}
    }
}

#[test]
fn debug_shows_lengths_instead_of_byte_strings() {
    let file = load("cmd_InitBk3.json");
    let request = array(&file["requests"]).iter().find(|request| text(&request["fields"]["bk3"]).len() == 96);
    let frame = bytes(&request.expect("a request of 48 bytes")["virtual"]);
    let shown = (command("InitBk3").request)(&frame, Dialect::Virtual).expect("golden").shown;
    assert_eq!(shown, "InitBk3 { bk3: [48 bytes] }");
}

#[test]
fn primitives_have_their_golden_bytes() {
    let file = load("mbor_primitives.json");
    let mut seen = 0;
    for vector in array(&file["vectors"]) {
        seen += 1;
        let encoding = bytes(&vector["encoding"]);
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, Dialect::Virtual);
        let mut r = Reader::new(&encoding, Dialect::Virtual);
        let number = || vector["value"].as_u64().expect("number");
        match text(&vector["type"]) {
            "u8" => w.u8(r.u8().inspect(|&read| assert_eq!(u64::from(read), number())).expect("u8")),
            "u16" => w.u16(r.u16().inspect(|&read| assert_eq!(u64::from(read), number())).expect("u16")),
            "u32" => w.u32(r.u32().inspect(|&read| assert_eq!(u64::from(read), number())).expect("u32")),
            "u64" => {
                let read = r.u64().expect("u64");
                assert_eq!(format!("{read:016x}"), text(&vector["value_hex"]));
                w.u64(read);
            }
            "bool" => {
                let read = r.bool().expect("bool");
                assert_eq!(Some(read), vector["value"].as_bool());
                w.bool(read);
            }
            "map_header" => {
                let read = r.map().expect("map").left();
                assert_eq!(u64::from(read), number());
                w.map(read).expect("map");
            }
            "bytes_fixed" => {
                let value = bytes(&vector["value"]);
                match value.len() {
                    0 => assert_eq!(r.fixed::<0>().map(|read| &read[..]), Ok(&value[..])),
                    1 => assert_eq!(r.fixed::<1>().map(|read| &read[..]), Ok(&value[..])),
                    16 => assert_eq!(r.fixed::<16>().map(|read| &read[..]), Ok(&value[..])),
                    300 => assert_eq!(r.fixed::<300>().map(|read| &read[..]), Ok(&value[..])),
                    other => panic!("a fixed array of {other} bytes"),
                }
                w.fixed(&value).expect("fixed");
            }
            "bytes_padded" => {
                // The pad follows from the position: put the string where it has this one.
                let pad = vector["pad"].as_u64().and_then(|pad| usize::try_from(pad).ok()).expect("pad");
                let value = bytes(&vector["value"]);
                assert_eq!(r.variable(5), Ok(&value[..]));
                let mut message = Vec::new();
                let mut w = Writer::new(&mut message, Dialect::Virtual);
                let before = [1, 0, 3, 2][pad];
                (0..before).for_each(|_| w.bool(true));
                w.variable(&value, 5).expect("variable");
                assert_eq!(message[before..], encoding, "{vector}");
                out = encoding.clone();
            }
            other => panic!("unknown type {other}"),
        }
        assert_eq!(out, encoding, "{vector}");
    }
    assert_eq!(seen, 30);
}

#[test]
fn every_number_has_its_golden_name() {
    fn check(table: &Value, ours: &[(u32, Option<&str>)], more: usize) {
        let table = table.as_object().expect("table");
        assert_eq!(table.len() + more, ours.len());
        for (name, number) in table {
            let number = number.as_u64().and_then(|number| u32::try_from(number).ok()).expect("number");
            assert!(ours.contains(&(number, Some(name))), "{name} = {number}");
        }
    }
    macro_rules! check {
        ($($type:ident: $table:literal, $more:literal;)+) => {{
            let file = load("enums.json");
            $(check(
                &file[$table],
                &$type::ALL.iter().map(|value| (value.0, value.name())).collect::<Vec<_>>(),
                $more,
            );)+
        }};
    }
    check! {
        Opcode: "DdiOp", 0;
        // The firmware has five more (wire B.1).
        Status: "DdiStatus", 5;
        AesOp: "DdiAesOp", 0;
        AesKeySize: "DdiAesKeySize", 0;
        EccCurve: "DdiEccCurve", 0;
        KeyClass: "DdiKeyClass", 0;
        KeyType: "DdiKeyType", 0;
        HashAlgorithm: "DdiHashAlgorithm", 0;
        DeviceKind: "DdiDeviceKind", 0;
        RsaOpType: "DdiRsaOpType", 0;
        RsaCryptoPadding: "DdiRsaCryptoPadding", 0;
    }
    assert_eq!(format!("{:?} {:?}", Status::KEY_NOT_FOUND, Opcode::ECC_SIGN), "KeyNotFound EccSign");
    assert_eq!(format!("{:?} {:?}", Status(5), KeyType(0xFFFF)), "Status(0x5) KeyType(0xffff)");
}
