//! The attributes that an object has, each as the bytes that cross the C boundary (`CK_ULONG` as 8 bytes, little-endian as
//! on every platform of the device; `CK_BBOOL` as one byte).

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::AttributeType;

/// Attribute types and values; `Debug` prints types and lengths only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<AttributeType, Zeroizing<Vec<u8>>>);

impl Attributes {
    /// The value's bytes.
    pub fn bytes(&self, kind: AttributeType) -> Option<&[u8]> {
        self.0.get(&kind).map(|value| value.as_slice())
    }

    /// A `CK_BBOOL`; absent is `false`.
    pub fn flag(&self, kind: AttributeType) -> bool {
        self.bytes(kind).is_some_and(|value| value == [1])
    }

    /// A `CK_ULONG`.
    pub fn number(&self, kind: AttributeType) -> Option<u64> {
        self.bytes(kind).and_then(|value| value.try_into().ok()).map(u64::from_le_bytes)
    }

    /// A list of `CK_ULONG`.
    pub fn numbers(&self, kind: AttributeType) -> Option<Vec<u64>> {
        self.bytes(kind).map(|value| value.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect())
    }

    /// Whether the object has it.
    pub fn has(&self, kind: AttributeType) -> bool {
        self.0.contains_key(&kind)
    }

    /// Sets bytes.
    pub fn set(&mut self, kind: AttributeType, value: impl Into<Vec<u8>>) {
        self.0.insert(kind, Zeroizing::new(value.into()));
    }

    /// Sets a `CK_BBOOL`.
    pub fn set_flag(&mut self, kind: AttributeType, value: bool) {
        self.set(kind, [u8::from(value)]);
    }

    /// Sets a `CK_ULONG`.
    pub fn set_number(&mut self, kind: AttributeType, value: u64) {
        self.set(kind, value.to_le_bytes());
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, kind: AttributeType) -> Option<Zeroizing<Vec<u8>>> {
        self.0.remove(&kind)
    }

    /// All, by type.
    pub fn iter(&self) -> impl Iterator<Item = (AttributeType, &[u8])> {
        self.0.iter().map(|(kind, value)| (*kind, value.as_slice()))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(kind, value)| (kind, value.len()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_and_debug_is_silent() {
        let mut set = Attributes::default();
        set.set_flag(AttributeType::SIGN, true);
        set.set_number(AttributeType::VALUE_LEN, 32);
        set.set(AttributeType::LABEL, b"hidden".to_vec());
        assert!(set.flag(AttributeType::SIGN) && !set.flag(AttributeType::VERIFY));
        assert_eq!(set.number(AttributeType::VALUE_LEN), Some(32));
        assert_eq!(set.number(AttributeType::LABEL), None);
        let shown = format!("{set:?}");
        assert!(shown.contains("CKA_LABEL: 6") && !shown.contains("hidden"), "{shown}");
    }
}
