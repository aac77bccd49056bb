//! The recorded vectors, for tests.

/// A file of the vectors as JSON.
pub(crate) fn load(name: &str) -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/").to_owned() + name;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    serde_json::from_str(&text).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}
