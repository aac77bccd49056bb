//! `Record.body`: an object as bytes.
//!
//! ```text
//! version 1 (1) || number of attributes (4) || { type (8) || length (4) || value } ...
//!               || holding: 0 none, 1 HSM, 2 sealed (1) || length (4) || bytes
//! ```
//!
//! Numbers are little-endian. The columns of the record repeat attributes; the body is what counts.

use std::sync::Arc;

use transport::partition::HsmKey;
use zeroize::Zeroizing;

use crate::attribute::AttributeType as A;
use crate::attribute::set::Attributes;
use crate::object::model::{Holding, Object};
use crate::token::Record;
use crate::{Code, Error, Result};

/// The record of a token object. A clear value is never written: `object::birth` seals what becomes a token object.
pub(crate) fn encode(object: &Object) -> Record {
    let attributes = &object.attributes;
    let text = |kind| attributes.bytes(kind).unwrap_or_default().to_vec();
    Record {
        class: object.family.class(),
        key_type: object.key_type(),
        label: text(A::LABEL),
        id: text(A::ID),
        private: object.is_private(),
        body: body(attributes, &object.holding),
    }
}

/// The object of a record; `CKR_DEVICE_ERROR` where the body is not one that [`encode`] writes.
pub(crate) fn decode(record: &Record) -> Result<Object> {
    let (attributes, holding) = parse(&record.body)?;
    let object = Object::new(attributes, holding).map_err(|error| broken(&error.to_string()))?;
    let same = object.family.class() == record.class
        && object.key_type() == record.key_type
        && object.is_private() == record.private;
    if same { Ok(object) } else { Err(broken("its columns say otherwise")) }
}

/// Length of an object's record in bytes: `C_GetObjectSize`.
pub(crate) fn size(object: &Object) -> usize {
    body(&object.attributes, &object.holding).len()
}

fn body(attributes: &Attributes, holding: &Holding) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![VERSION]);
    out.extend_from_slice(&length(attributes.len()));
    for (kind, value) in attributes.iter() {
        out.extend_from_slice(&kind.0.to_le_bytes());
        out.extend_from_slice(&length(value.len()));
        out.extend_from_slice(value);
    }
    let (tag, bytes) = match holding {
        Holding::Hsm(key) => (HSM, key.encode()),
        Holding::Sealed(bytes) => (SEALED, bytes.to_vec()),
        Holding::None | Holding::Clear(_) => (NONE, Vec::new()),
    };
    out.push(tag);
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(&bytes);
    out
}

/// Values come from the C boundary, which bounds a template far below 4 GiB.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn parse(body: &[u8]) -> Result<(Attributes, Holding)> {
    let mut cursor = Cursor(body);
    if cursor.take::<1>()? != [VERSION] {
        return Err(broken("its format is unknown"));
    }
    let count = u32::from_le_bytes(cursor.take()?);
    let mut attributes = Attributes::default();
    let mut last = None;
    for _ in 0..count {
        let kind = u64::from_le_bytes(cursor.take()?);
        if last.is_some_and(|last| kind <= last) {
            return Err(broken("its attributes are out of order"));
        }
        last = Some(kind);
        attributes.set(A(kind), cursor.bytes()?);
    }
    let [tag] = cursor.take()?;
    let bytes = cursor.bytes()?;
    let holding = match tag {
        NONE if bytes.is_empty() => Holding::None,
        HSM => Holding::Hsm(Arc::new(HsmKey::decode(bytes)?)),
        SEALED => Holding::Sealed(bytes.into()),
        _ => return Err(broken("its holding is unknown")),
    };
    if !cursor.0.is_empty() {
        return Err(broken("it goes on after its end"));
    }
    Ok((attributes, holding))
}

fn broken(why: &str) -> Error {
    Code::DeviceError.because(format_args!("a stored object does not decode: {why}"))
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(|| broken("it ends early"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(u32::from_le_bytes(self.take()?)).map_err(|_| broken("a length is too big"))?;
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(|| broken("it ends early"))?;
        self.0 = rest;
        Ok(head)
    }
}

const VERSION: u8 = 1;
const NONE: u8 = 0;
const HSM: u8 = 1;
const SEALED: u8 = 2;

#[cfg(test)]
mod tests {
    use mechanisms::ck::{KeyType, ObjectClass};
    use proptest::prelude::*;

    use super::*;

    fn data(value: &[u8], private: bool) -> Object {
        let mut attributes = Attributes::default();
        attributes.set_number(A::CLASS, ObjectClass::DATA.0);
        attributes.set_flag(A::PRIVATE, private);
        attributes.set(A::LABEL, b"label".to_vec());
        attributes.set(A::VALUE, value.to_vec());
        Object::new(attributes, Holding::None).unwrap()
    }

    fn sealed(bytes: &[u8]) -> Object {
        let mut attributes = Attributes::default();
        attributes.set_number(A::CLASS, ObjectClass::SECRET_KEY.0);
        attributes.set_number(A::KEY_TYPE, KeyType::AES.0);
        attributes.set(A::ID, vec![7]);
        Object::new(attributes, Holding::Sealed(bytes.into())).unwrap()
    }

    #[test]
    fn columns_repeat_the_attributes() {
        let record = encode(&data(b"value", true));
        assert_eq!((record.class, record.key_type, record.private), (ObjectClass::DATA, None, true));
        assert_eq!((record.label.as_slice(), record.id.as_slice()), (b"label".as_slice(), b"".as_slice()));
        let moved = Record { class: ObjectClass::CERTIFICATE, ..record.clone() };
        assert_eq!(decode(&moved).unwrap_err(), Code::DeviceError);
        let shown = Record { private: false, ..record };
        assert_eq!(decode(&shown).unwrap_err(), Code::DeviceError);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in proptest::collection::vec(any::<u8>(), 0..300), private: bool) {
            for object in [data(&value, private), sealed(&value)] {
                let back = decode(&encode(&object)).unwrap();
                prop_assert_eq!(&back.attributes, &object.attributes);
                match (&back.holding, &object.holding) {
                    (Holding::None, Holding::None) => {}
                    (Holding::Sealed(one), Holding::Sealed(other)) => prop_assert_eq!(one, other),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn a_cut_or_longer_body_is_refused(at in 0usize..60, value in proptest::collection::vec(any::<u8>(), 60..80)) {
            let whole = encode(&data(&value, false)).body;
            prop_assert!(parse(&whole[..at]).is_err());
            let mut longer = whole.to_vec();
            longer.push(0);
            prop_assert!(parse(&longer).is_err());
        }
    }
}
