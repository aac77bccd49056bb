//! Attributes: their types, templates, the table of rules.

use std::fmt;

use zeroize::Zeroizing;

/// `CK_ATTRIBUTE_TYPE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u64);

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CKA_{:#x}", self.0)
    }
}

/// One attribute of a template, copied from the caller. `Debug` prints the type and length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `type`.
    pub kind: AttributeType,
    /// The value.
    pub value: AttributeValue,
}

/// What a template gives as a value.
#[derive(Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Bytes; empty for a null pointer with length 0.
    Bytes(Zeroizing<Vec<u8>>),
    /// A nested template (`CKF_ARRAY_ATTRIBUTE` types other than `CKA_ALLOWED_MECHANISMS`).
    Template(Vec<Attribute>),
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            AttributeValue::Bytes(bytes) => write!(f, "{:?}({} bytes)", self.kind, bytes.len()),
            AttributeValue::Template(inner) => write!(f, "{:?}{inner:?}", self.kind),
        }
    }
}

/// A template as the boundary read it.
pub type Template = Vec<Attribute>;
