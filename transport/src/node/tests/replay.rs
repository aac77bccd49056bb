//! `protocol/vectors/ioctl_arguments.json`: what the SDK's Linux client passed to the driver, call by call, and what it got
//! back. Every member of the file has a field here that is read, and the compiler sees to that: unknown members are refused,
//! and a field that nobody reads is a warning.

#![expect(unsafe_code, reason = "reads the memory that an ioctl argument names")]

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::slice;

use serde::Deserialize;
use serde_json::Value;

use super::super::aad::AadPlace;
use super::super::layouts::{self, Argument, Buffers, CommandIn, CommandOut, FastPathIn, FastPathOut, Field, Header};
use super::*;
use crate::channel::{Channel, ChannelError, Device};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    request_codes: BTreeMap<String, String>,
    structure_sizes: BTreeMap<String, usize>,
    layouts: BTreeMap<String, Vec<LayoutField>>,
    session_control_byte: String,
    calls: Vec<Recorded>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutField {
    field: String,
    offset: usize,
    size: usize,
    pointer: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    label: String,
    ioctl: String,
    request_code: String,
    argument_in: String,
    fields_in: BTreeMap<String, Value>,
    source_buffer: Option<String>,
    #[serde(rename = "return")]
    returned: i32,
    argument_out: String,
    fields_out: BTreeMap<String, Value>,
    destination_buffer: Option<String>,
}

fn file() -> File {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ioctl_arguments.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{path}: {why}"));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn number(text: &str) -> u32 {
    u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// Our structures under the recorder's names: prefix, fields, and the names that differ.
fn ours(name: &str) -> Vec<(String, usize, usize)> {
    let parts: &[(&str, &[Field])] = match name {
        "generic" => &[("hdr.", Header::FIELDS), ("in.", CommandIn::FIELDS), ("out.", CommandOut::FIELDS)],
        "device_info" => &[("", InfoArgument::FIELDS)],
        "reset" => &[("hdr.", Header::FIELDS), ("", Reset::FIELDS)],
        "fast_path_gcm" => &[
            ("hdr.", Header::FIELDS),
            ("in.", FastPathIn::FIELDS),
            ("in.gcm.", Gcm::FIELDS),
            ("out.", FastPathOut::FIELDS),
        ],
        "fast_path_xts" => &[
            ("hdr.", Header::FIELDS),
            ("in.", FastPathIn::FIELDS),
            ("in.xts.", Xts::FIELDS),
            ("out.", FastPathOut::FIELDS),
        ],
        other => panic!("a structure that we do not have: {other}"),
    };
    parts
        .iter()
        .flat_map(|(prefix, fields)| fields.iter().map(move |&(field, at, len)| (format!("{prefix}{field}"), at, len)))
        // Reserved bytes, padding and the header as a whole have no name in the file.
        .filter(|(field, ..)| !["pad_", "reserved_", "unused_"].iter().any(|word| field.contains(word)))
        .filter(|(field, ..)| field != "hdr")
        .map(|(field, at, len)| {
            let field = match (name, field.as_str()) {
                ("generic", "out.extended_status") => "out.ioctl_status".into(),
                ("reset", "abort_type") => "in.abort_type".into(),
                ("reset", "abort_status") => "out.abort_status".into(),
                ("fast_path_gcm", "out.command_specific") => "out.tag".into(),
                _ => field,
            };
            (field, at, len)
        })
        .collect()
}

#[test]
fn numbers_sizes_and_every_offset_are_the_recorded_ones() {
    let file = file();
    let codes: BTreeMap<_, _> = file.request_codes.iter().map(|(name, code)| (name.as_str(), number(code))).collect();
    let wanted = [
        ("generic", layouts::GENERIC_COMMAND),
        ("device_info", layouts::GET_DEVICE_INFO),
        ("reset", layouts::RESET_DEVICE),
        ("fast_path_xts", layouts::AES_XTS),
        ("fast_path_gcm", layouts::AES_GCM),
    ];
    assert_eq!(codes, BTreeMap::from(wanted));
    let sizes: BTreeMap<_, _> = file.structure_sizes.iter().map(|(name, &size)| (name.as_str(), size)).collect();
    let wanted = [
        ("generic", size_of::<Command>()),
        ("device_info", size_of::<InfoArgument>()),
        ("reset", size_of::<Reset>()),
        ("fast_path", size_of::<FastPath<Gcm>>()),
    ];
    assert_eq!(sizes, BTreeMap::from(wanted));
    assert_eq!(size_of::<FastPath<Xts>>(), sizes["fast_path"]);
    assert_eq!(Command::FIELDS, [("hdr", 0, 16), ("input", 16, 72), ("out", 88, 24)]);

    assert_eq!(file.layouts.len(), 5);
    for (name, recorded) in &file.layouts {
        let recorded: Vec<_> = recorded.iter().map(|field| (field.field.clone(), field.offset, field.size)).collect();
        assert_eq!(ours(name), recorded, "{name}");
    }
    assert_eq!(file.session_control_byte, "bits 0-1 session control kind, bit 2 session id valid");
}

/// A recorded value among the bytes of an argument: a little-endian number or a hex string.
fn assert_value(bytes: &[u8], value: &Value, what: &str) {
    match value {
        Value::Number(wanted) => {
            let found = bytes.iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte));
            assert_eq!(Some(found), wanted.as_u64(), "{what}");
        }
        Value::String(wanted) => assert_eq!(bytes, unhex(wanted), "{what}"),
        other => panic!("{what}: {other}"),
    }
}

/// The driver of the recording: takes exactly the recorded call, and answers what was answered then.
#[derive(Debug)]
struct Replay {
    calls: Mutex<VecDeque<Recorded>>,
    layouts: BTreeMap<String, Vec<LayoutField>>,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl fmt::Debug for LayoutField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)
    }
}

impl Replay {
    fn play<A: Argument>(&self, argument: &mut A, buffers: Option<(&[u8], &mut [u8])>) -> Returned {
        let call = self.calls.lock().pop_front().expect("a call that was not recorded");
        let label = &call.label;
        assert_eq!(A::NUMBER, number(&call.request_code), "{label}");
        let layout = &self.layouts[&call.ioctl];
        let (recorded_in, recorded_out) = (unhex(&call.argument_in), unhex(&call.argument_out));
        // SAFETY: an argument is all bytes (no padding but named fields, asserted in `layouts`), any of which may be read
        // and written.
        let bytes = unsafe { slice::from_raw_parts_mut((&raw mut *argument).cast::<u8>(), size_of::<A>()) };
        // Of the device info, all but the byte of padding comes back (wire 5.8).
        let written_back = if A::NUMBER == layouts::GET_DEVICE_INFO { 175 } else { bytes.len() };
        assert_eq!((recorded_in.len(), recorded_out.len()), (bytes.len(), written_back), "{label}");

        let mut named = vec![false; bytes.len()];
        let mut pointers = Vec::new();
        for field in layout {
            let range = field.offset..field.offset + field.size;
            named[range.clone()].fill(true);
            if field.pointer {
                pointers.push((range.clone(), bytes[range.clone()].to_vec()));
                assert!(recorded_in[range].iter().all(|&byte| byte == 0), "{label}: {} is zeroed", field.field);
                continue;
            }
            assert_eq!(bytes[range.clone()], recorded_in[range.clone()], "{label}: {}", field.field);
            if let Some(value) = call.fields_in.get(&field.field) {
                assert_value(&bytes[range.clone()], value, &format!("{label}: {}", field.field));
            }
            if let Some(value) = call.fields_out.get(&field.field) {
                assert_value(&recorded_out[range], value, &format!("{label}: {}", field.field));
            }
        }
        // Padding and reserved bytes: zero here, whatever the recorded client had on its stack.
        assert!(named.iter().zip(&*bytes).all(|(&named, &byte)| named || byte == 0), "{label}: a nameless byte is set");
        for field in call.fields_in.keys().chain(call.fields_out.keys()) {
            assert!(layout.iter().any(|known| known.field == *field), "{label}: {field}");
        }

        bytes[..written_back].copy_from_slice(&recorded_out);
        for (range, pointer) in &pointers {
            bytes[range.clone()].copy_from_slice(pointer);
        }
        assert_eq!(buffers.is_some(), call.source_buffer.is_some(), "{label}");
        assert_eq!(buffers.is_some(), call.destination_buffer.is_some(), "{label}");
        if let Some((source, destination)) = buffers {
            assert_eq!(source, unhex(call.source_buffer.as_ref().unwrap()), "{label}: source");
            let addresses = [source.as_ptr().addr(), destination.as_ptr().addr()];
            assert_eq!(
                pointers.iter().map(|(_, pointer)| pointer.clone()).collect::<Vec<_>>(),
                addresses.map(usize::to_le_bytes)
            );
            let output = unhex(call.destination_buffer.as_ref().unwrap());
            destination[..output.len()].copy_from_slice(&output);
        }
        if call.returned < 0 { Err(Errno(-call.returned)) } else { Ok(call.returned) }
    }
}

impl Driver for Replay {
    fn open(&self, _: &Path) -> Result<OwnedFd, Errno> {
        Ok(std::fs::File::open("/dev/null").unwrap().into())
    }

    fn ioctl(&self, _: BorrowedFd<'_>, call: Call<'_>) -> Returned {
        match call {
            Call::Command { argument, source, destination } => {
                argument.aim(source, destination);
                self.play(argument, Some((source, destination)))
            }
            Call::Gcm { argument, source, destination } => {
                argument.aim(source, destination);
                self.play(argument, Some((source, destination)))
            }
            Call::Xts { argument, source, destination } => {
                argument.aim(source, destination);
                self.play(argument, Some((source, destination)))
            }
            Call::Info { argument } => self.play(argument, None),
            Call::Reset { argument } => self.play(argument, None),
        }
    }
}

impl Recorded {
    fn input(&self, field: &str) -> u64 {
        self.fields_in[field].as_u64().unwrap()
    }

    fn small<T: TryFrom<u64>>(&self, field: &str) -> T {
        T::try_from(self.input(field)).unwrap_or_else(|_| panic!("{}: {field}", self.label))
    }

    fn bytes<const N: usize>(fields: &BTreeMap<String, Value>, field: &str) -> [u8; N] {
        unhex(fields[field].as_str().unwrap()).try_into().unwrap()
    }

    fn output(&self, field: &str) -> u64 {
        self.fields_out[field].as_u64().unwrap()
    }

    fn direction(&self) -> Direction {
        if self.input("in.op_code") == 0 { Direction::Encrypt } else { Direction::Decrypt }
    }

    fn source(&self) -> Vec<u8> {
        unhex(self.source_buffer.as_ref().unwrap())
    }

    fn destination(&self) -> Vec<u8> {
        unhex(self.destination_buffer.as_ref().unwrap())
    }

    /// The error that this recording must become, or none: a code of the driver means the same wherever it appears.
    fn error(&self) -> Option<ChannelError> {
        let code = self.fields_out.get("out.ioctl_status").or_else(|| self.fields_out.get("out.extended_status"));
        let code = code.map_or(0, |code| code.as_u64().unwrap());
        match (self.ioctl.as_str(), self.returned, code) {
            (_, 0, 0) => None,
            ("generic", -22, 11) => Some(ChannelError::SessionLimit),
            ("generic", -22, 12) => Some(ChannelError::NoSession),
            ("generic", -22, 14) => Some(ChannelError::SessionMismatch),
            ("fast_path_gcm", -22, 107 | 108) | ("fast_path_xts", -22, 109 | 118) => {
                Some(ChannelError::FastPath { result: 0, extended: u32::try_from(code).unwrap() })
            }
            // "The device-level status of a failed fast-path operation" is a choice of the recording (vectors/README.md).
            ("fast_path_gcm", 0, 38) => Some(ChannelError::FastPath { result: 38, extended: 38 }),
            other => panic!("{}: {other:?}", self.label),
        }
    }

    fn run(&self, node: &Node, channel: &dyn Channel) {
        match self.ioctl.as_str() {
            "device_info" => self.run_info(node),
            "generic" => self.run_command(channel),
            "fast_path_gcm" => self.run_gcm(channel),
            "fast_path_xts" => self.run_xts(channel),
            "reset" => assert_eq!(node.reset().err(), self.error(), "{}", self.label),
            other => panic!("{}: {other}", self.label),
        }
    }

    fn run_info(&self, node: &Node) {
        let found = node.details().unwrap();
        assert_eq!(u64::from(found.controller), self.output("id"));
        assert_eq!(found.entropy, Self::bytes::<32>(&self.fields_out, "device_entropy"));
        for (text, field) in [
            (found.pci_address, "pci_info"),
            (found.serial, "serial_num"),
            (found.firmware, "firmware_rev"),
            (found.driver, "driver_rev"),
        ] {
            let bytes = unhex(self.fields_out[field].as_str().unwrap());
            assert_eq!(text.as_bytes(), bytes.split(|&byte| byte == 0).next().unwrap(), "{field}");
            assert!(!text.is_empty(), "{field}");
        }
    }

    fn run_command(&self, channel: &dyn Channel) {
        let flags = self.input("in.session_control");
        let kind = match flags & 3 {
            0 => SessionControl::NoSession,
            1 => SessionControl::Open,
            2 => SessionControl::Close,
            _ => SessionControl::InSession,
        };
        let session = (flags & 4 != 0).then(|| self.small("in.session_id"));
        let mut response = Vec::new();
        let found = channel.exchange(Control { kind, session }, &self.source(), &mut response);
        assert_eq!(found.err(), self.error(), "{}", self.label);
        assert_eq!(response, self.destination(), "{}", self.label);
        assert_eq!(response.len() as u64, self.output("out.byte_count"), "{}", self.label);
    }

    fn run_gcm(&self, channel: &dyn Channel) {
        let (source, aad_len) = (self.source(), self.small("in.gcm.actual_aad_len"));
        let place = AadPlace::of(aad_len).unwrap();
        let (area, payload) = source.split_at(place.aligned);
        let iv = Self::bytes(&self.fields_in, "in.gcm.iv");
        let mut data = payload.to_vec();
        let found = channel.gcm(GcmCall {
            direction: self.direction(),
            session: self.small("in.session_id"),
            short_app_id: self.small("in.short_app_id"),
            bulk_key: self.small("in.gcm.key_id"),
            iv,
            tag: Some(Self::bytes(&self.fields_in, "in.gcm.tag")),
            aad: &area[place.before..place.before + aad_len],
            data: &mut data,
        });
        let error = self.error();
        assert_eq!(found.clone().err(), error, "{}", self.label);
        if error.is_some() {
            assert_eq!(data, payload, "{}", self.label);
            return;
        }
        let reply = found.unwrap();
        assert_eq!(data, self.destination()[place.aligned..], "{}", self.label);
        assert_eq!(u64::from(reply.fips_approved), self.output("out.fips_approved"), "{}", self.label);
        assert_eq!(reply.tag, Self::bytes(&self.fields_out, "out.tag"), "{}", self.label);
        let reported = match self.direction() {
            Direction::Encrypt => Self::bytes(&self.fields_out, "out.iv"),
            Direction::Decrypt => iv,
        };
        assert_eq!(reply.iv, reported, "{}", self.label);
    }

    fn run_xts(&self, channel: &dyn Channel) {
        let source = self.source();
        let mut data = source.clone();
        let found = channel.xts(XtsCall {
            direction: self.direction(),
            session: self.small("in.session_id"),
            short_app_id: self.small("in.short_app_id"),
            data_key: self.small("in.xts.key_id1"),
            tweak_key: self.small("in.xts.key_id2"),
            tweak: Self::bytes(&self.fields_in, "in.xts.tweak"),
            data_unit_len: match self.input("in.xts.data_unit_len") {
                0 => source.len(),
                1 => 512,
                2 => 4096,
                _ => 8192,
            },
            data: &mut data,
        });
        let error = self.error();
        assert_eq!(found.err(), error, "{}", self.label);
        assert_eq!(data, if error.is_some() { source } else { self.destination() }, "{}", self.label);
    }
}

#[test]
fn every_recorded_call_is_made_again_byte_for_byte_and_understood() {
    let driver = Arc::new(Replay { calls: Mutex::new(file().calls.into()), layouts: file().layouts });
    let node = node(Arc::clone(&driver) as Arc<dyn Driver>);
    let channel = node.open().unwrap();
    let calls = file().calls;
    assert_eq!(calls.len(), 45);
    for (done, call) in calls.iter().enumerate() {
        call.run(&node, &*channel);
        assert_eq!(driver.calls.lock().len(), calls.len() - done - 1, "{}: not one call", call.label);
    }
}
