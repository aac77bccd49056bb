//! Templates as attribute values: `CKA_WRAP_TEMPLATE`, `CKA_UNWRAP_TEMPLATE`, `CKA_DERIVE_TEMPLATE` (PKCS#11 v3.2, 5.18).
//!
//! Stored as `{ type (8) || length (4) || value } ...`, little-endian, by type, each type once, so that equal templates
//! are equal bytes. A template in a template has no use in the standard and is refused.

use zeroize::Zeroizing;

use super::set::Attributes;
use super::{Attribute, AttributeType, AttributeValue, Template};
use crate::{Code, Result};

/// A template as it is stored.
pub(crate) fn encode(attributes: &Attributes) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (kind, value) in attributes.iter() {
        let len = u32::try_from(value.len()).map_err(|_| Code::AttributeValueInvalid)?;
        out.extend_from_slice(&kind.0.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(value);
    }
    Ok(out)
}

/// The attributes of a stored template; `CKR_DEVICE_ERROR` where it is not one that [`encode`] writes.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Vec<(AttributeType, &[u8])>> {
    let mut attributes = Vec::new();
    while !bytes.is_empty() {
        let broken = || Code::DeviceError.because("a stored template does not decode");
        let (kind, rest) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| broken())?;
        let (value, rest) = rest.split_at_checked(len).ok_or_else(broken)?;
        attributes.push((AttributeType(u64::from_le_bytes(*kind)), value));
        bytes = rest;
    }
    Ok(attributes)
}

/// The caller's template with the attributes of the base or unwrapping key's template added. Where the two contradict each
/// other, reading the answer is `CKR_TEMPLATE_INCONSISTENT`, as 5.18.4 and 5.18.5 want it.
pub(crate) fn merged(mut template: Template, stored: Option<&[u8]>) -> Result<Template> {
    if let Some(stored) = stored {
        template.extend(
            decode(stored)?
                .into_iter()
                .map(|(kind, value)| Attribute { kind, value: AttributeValue::Bytes(Zeroizing::new(value.to_vec())) }),
        );
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_read_back() {
        let mut attributes = Attributes::default();
        attributes.set_flag(AttributeType::SENSITIVE, true);
        attributes.set(AttributeType::LABEL, b"label".to_vec());
        let stored = encode(&attributes).unwrap();
        assert_eq!(
            decode(&stored).unwrap(),
            [(AttributeType::LABEL, &b"label"[..]), (AttributeType::SENSITIVE, &[1][..])]
        );
        for cut in [1, 8, 11, 12, stored.len() - 1] {
            assert_eq!(decode(&stored[..cut]).unwrap_err(), Code::DeviceError, "{cut}");
        }
        assert!(decode(&[]).unwrap().is_empty());
        assert_eq!(merged(vec![], Some(&stored)).unwrap().len(), 2);
        assert_eq!(merged(vec![], None).unwrap().len(), 0);
    }
}
