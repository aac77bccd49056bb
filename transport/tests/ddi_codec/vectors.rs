//! The data files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).to_owned()
}

/// One file, which must be there.
pub(crate) fn load(name: &str) -> Value {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The names of the command files, in order.
pub(crate) fn command_files() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap_or_else(|why| panic!("{}: {why}", folder().display()));
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("folder").file_name().into_string().expect("ASCII name"))
        .filter(|name| name.starts_with("cmd_"))
        .collect();
    names.sort();
    names
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    unhex(text(value))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Every request frame of the command files, for mutation.
pub(crate) fn all_frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for name in command_files() {
        let file = load(&name);
        for kind in ["requests", "responses", "error_responses"] {
            for frame in array(&file[kind]) {
                frames.push(bytes(&frame["virtual"]));
                frames.extend(frame["physical"].as_str().filter(|&hex| hex != "same").map(unhex));
            }
        }
    }
    frames
}
