//! The partition's identity: what its last certificate says (semantics 6.12).

use aws_lc_rs::digest;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use crate::{Error, Result};

/// The public key and name of the partition identity (PID) certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The uncompressed P-384 point `04 || x || y`: the message of the owner's endorsement.
    pub(super) point: [u8; 97],
    /// 32 upper-case hex digits.
    pub(super) serial: String,
}

impl Identity {
    /// Reads an X.509 certificate (RFC 5280) as far as the identity goes. The device is its source, so whatever does
    /// not parse is an answer that was not to be expected.
    pub(super) fn from_certificate(certificate: &[u8]) -> Result<Self> {
        let (point, serial) =
            parse(certificate).ok_or(Error::UnexpectedAnswer("the partition certificate is no P-384 certificate"))?;
        let serial = serial.unwrap_or_else(|| upper_hex(&digest::digest(&digest::SHA256, certificate).as_ref()[..16]));
        Ok(Self { point, serial })
    }
}

fn parse(certificate: &[u8]) -> Option<([u8; 97], Option<String>)> {
    let certificate = AnyRef::from_der(certificate).ok().filter(|any| any.tag() == Tag::Sequence)?;
    let tbs = elements(certificate.value())?.into_iter().next().filter(|any| any.tag() == Tag::Sequence)?;
    // version [0] OPTIONAL, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, ...
    let fields = elements(tbs.value())?;
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let skip = usize::from(fields.first()?.tag() == version);
    let (subject, public_key) = (fields.get(skip + 4)?, fields.get(skip + 5)?);

    let public_key = elements(public_key.value())?;
    let bits = public_key.get(1).filter(|any| any.tag() == Tag::BitString)?.value();
    let point: [u8; 97] = bits.strip_prefix(&[0])?.try_into().ok()?;
    Some((point, subject_serial(subject.value())))
}

/// The subject's serial number attribute, where it is 32 upper-case hex digits.
fn subject_serial(subject: &[u8]) -> Option<String> {
    for set in elements(subject)? {
        for attribute in elements(set.value())? {
            let parts = elements(attribute.value())?;
            let (oid, value) = (parts.first()?, parts.get(1)?);
            if oid.decode_as::<ObjectIdentifier>().ok()? == SERIAL_NUMBER {
                let text = std::str::from_utf8(value.value()).ok()?;
                let upper_hex = |c: u8| matches!(c, b'0'..=b'9' | b'A'..=b'F');
                return (text.len() == 32 && text.bytes().all(upper_hex)).then(|| text.to_owned());
            }
        }
    }
    None
}

/// The elements of a constructed value.
fn elements(value: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(value).ok()?;
    let mut out = Vec::with_capacity(8);
    while !reader.is_finished() {
        out.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(out)
}

fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(HEX[usize::from(digit)])).collect()
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// id-at-serialNumber, X.520.
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The certificate of the vendor's simulator: CN=example.com, no serial number in the subject.
    fn recorded() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/attestation.json");
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let text = file["attestation_certificate_der"].as_str().unwrap();
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn a_certificate_without_a_serial_number_is_named_by_its_hash() {
        let certificate = recorded();
        let identity = Identity::from_certificate(&certificate).unwrap();
        let hash = digest::digest(&digest::SHA256, &certificate);
        assert_eq!(identity.serial, upper_hex(&hash.as_ref()[..16]));
        // In a BIT STRING of 98 bytes, the first of which says that no bits are unused.
        let at = certificate.windows(97).position(|window| *window == identity.point).unwrap();
        assert_eq!(certificate[at - 3..at], [0x03, 0x62, 0x00]);
    }

    #[test]
    fn a_serial_number_is_read_only_as_the_firmware_writes_it() {
        // RDNSequence of one SET of one AttributeTypeAndValue, a PrintableString.
        let subject = |text: &str| {
            let value = [&[0x13, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            let attribute = [&[0x06, 0x03, 0x55, 0x04, 0x05][..], &value].concat();
            let attribute = [&[0x30, u8::try_from(attribute.len()).unwrap()], &attribute[..]].concat();
            [&[0x31, u8::try_from(attribute.len()).unwrap()], &attribute[..]].concat()
        };
        let serial = "0123456789ABCDEF0123456789ABCDEF";
        assert_eq!(subject_serial(&subject(serial)).as_deref(), Some(serial));
        assert_eq!(subject_serial(&subject(&serial.to_lowercase())), None);
        assert_eq!(subject_serial(&subject(&serial[1..])), None);
        assert_eq!(subject_serial(&[]), None);
    }

    proptest! {
        #[test]
        fn a_damaged_certificate_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut certificate = recorded();
            let at = at.index(certificate.len());
            certificate[at] = byte;
            let _ = Identity::from_certificate(&certificate);
            let _ = Identity::from_certificate(&certificate[..at]);
        }
    }
}
