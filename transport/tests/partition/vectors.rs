//! The data files.

use serde_json::Value;

/// One file of `shared/protocol/vectors`.
pub(crate) fn load(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{path}: {why}"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

/// The bytes of a hexadecimal string; none for `null`.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// PKCS#8 and SPKI of the recorded RSA key of this size.
pub(crate) fn rsa_key(bits: u64) -> (Vec<u8>, Vec<u8>) {
    let file = load("kat_rsa.json");
    let key = list(&file["keys"]).iter().find(|key| key["bits"] == bits).unwrap();
    (bytes(&key["pkcs8_der"]), bytes(&key["spki_der"]))
}
