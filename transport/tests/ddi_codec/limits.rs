//! Every schema of the command files, built by a writer that knows nothing of our structs: the longest byte strings are
//! read, one byte more is not.

use serde_json::Value;
use transport::ddi::mbor::Writer;
use transport::ddi::*;

use crate::commands::command;
use crate::vectors::{array, command_files, load, text};

/// Which byte string of a body gets which length; the others are empty.
struct Choice {
    chosen: usize,
    extra: usize,
    seen: usize,
    /// Limit of the chosen string, once it was written.
    max: Option<usize>,
}

fn write_map(schema: &Value, choice: &mut Choice, w: &mut Writer<'_>) {
    let members = array(schema);
    w.map(u8::try_from(members.len()).expect("few")).expect("few");
    for member in members {
        w.field(u8::try_from(member["id"].as_u64().expect("id")).expect("small"));
        match &member["type"] {
            Value::String(plain) => match plain.as_str() {
                "u8" => w.u8(1),
                "u16" => w.u16(1),
                "u32" => w.u32(1),
                "bool" => w.bool(true),
                other => panic!("unknown type {other}"),
            },
            kind if kind.get("enum_u32").is_some() => w.u32(1),
            kind if kind.get("map").is_some() => write_map(&kind["map"], choice, w),
            kind if kind.get("bytes_fixed").is_some() => {
                let len = usize::try_from(kind["bytes_fixed"].as_u64().expect("length")).expect("small");
                w.fixed(&vec![7; len]).expect("fixed");
            }
            kind => {
                let max = usize::try_from(kind["bytes_max"].as_u64().expect("length")).expect("small");
                let len = if choice.seen == choice.chosen { max + choice.extra } else { 0 };
                if choice.seen == choice.chosen {
                    choice.max = Some(max);
                }
                choice.seen += 1;
                w.variable(&vec![7; len], len).expect("variable");
            }
        }
    }
}

#[test]
fn every_byte_string_has_the_limit_of_its_schema() {
    let mut strings = 0;
    for name in command_files() {
        let file = load(&name);
        let command = command(text(&file["command"]));
        for (schema, read) in [("request_schema", command.request), ("response_schema", command.response)] {
            for chosen in 0.. {
                let body = |extra| {
                    let mut choice = Choice { chosen, extra, seen: 0, max: None };
                    let mut out = Vec::new();
                    let mut w = Writer::new(&mut out, Dialect::Virtual);
                    w.map(2).expect("map");
                    w.field(0);
                    if schema == "request_schema" {
                        RequestHeader { rev: None, op: command.opcode, session: None }.encode(&mut w).expect("header");
                    } else {
                        let request = RequestHeader { rev: None, op: command.opcode, session: None };
                        ResponseHeader::answering(&request, Status::SUCCESS).encode(&mut w).expect("header");
                    }
                    w.field(1);
                    write_map(&file[schema], &mut choice, &mut w);
                    (out, choice.max)
                };
                let (longest, max) = body(0);
                let read_back = read(&longest, Dialect::Virtual);
                assert!(read_back.is_ok(), "{name} {schema} string {chosen}: {read_back:?}");
                let Some(max) = max else { break };
                strings += 1;
                let too_long = read(&body(1).0, Dialect::Virtual).map(|frame| frame.fields);
                let expected = Err(CodecError::TooLong { len: max + 1, max });
                assert_eq!(too_long, expected, "{name} {schema} string {chosen}");
            }
        }
    }
    assert!(strings > 60, "only {strings} strings");
}

#[test]
fn a_request_over_4096_bytes_is_refused() {
    let maximal = [7; 1024];
    let key = || DerPublicKey { der: (&[7; 768][..]).into(), key_kind: KeyType::ECC_384_PUBLIC };
    let request = command::EstablishCredential {
        encrypted_credential: EncryptedEstablishCredential {
            encrypted_id: &[7; 16],
            encrypted_pin: &[7; 16],
            iv: &[7; 16],
            nonce: &[7; 32],
            tag: &[7; 48],
        },
        pub_key: key(),
        masked_bk3: &maximal,
        bmk: &maximal,
        masked_unwrapping_key: &maximal,
        pota_sig: (&maximal[..]).into(),
        pota_pub_key: key(),
    };
    let mut out = vec![1];
    let refused = encode_request(Some(ApiRev::V1_0), None, &request, Dialect::Virtual, &mut out);
    assert!(matches!(refused, Err(CodecError::FrameTooLong { max: 4096, .. })), "{refused:?}");
    assert!(out.is_empty(), "no half frame is left to be sent");
}
