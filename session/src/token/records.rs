//! What a stored object's columns mean, and who may trust them (design 5).
//!
//! | | private objects | public objects |
//! |---|---|---|
//! | label, id (index columns) | HMAC-SHA-256 under the token's index key, 16 bytes | as they are |
//! | body | AES-256-GCM, with label and id inside | as it is |
//! | bound together by | the GCM tag: number, token and all other columns are additional data | an HMAC over the same |
//!
//! So no row can be changed, swapped with another's, or brought from another token. The keys come from the token's
//! record key by HKDF-SHA-256 and exist while somebody is logged in. Before that, public objects cannot be verified,
//! because there is no key to do it with; and what a session without login stores has no HMAC. Rows of private and
//! secret keys without one are refused as soon as there is a key, so none can be slipped in that way.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType as HkdfLen, Prk, Salt};
use aws_lc_rs::hmac;
use mechanisms::ck::{KeyType, ObjectClass};
use zeroize::Zeroizing;

use super::Record;
use crate::pin_slots::random;
use crate::store::Row;
use crate::{Code, Result};

/// The keys of a token's records.
pub(crate) struct RecordKeys {
    token_id: [u8; 16],
    index: hmac::Key,
    mac: hmac::Key,
    body: LessSafeKey,
}

impl fmt::Debug for RecordKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKeys")
    }
}

/// An index column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Label = 1,
    Id = 2,
}

/// A row that was changed by somebody who has not the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tampered;

impl RecordKeys {
    pub(crate) fn new(token_id: [u8; 16], record_key: &[u8; 32]) -> Result<Self> {
        let prk = Salt::new(HKDF_SHA256, &token_id).extract(record_key);
        let body = UnboundKey::new(&AES_256_GCM, &*expand(&prk, b"body")?)
            .map_err(|_| Code::FunctionFailed.because("record key"))?;
        Ok(Self {
            token_id,
            index: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&prk, b"index")?),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&prk, b"mac")?),
            body: LessSafeKey::new(body),
        })
    }

    /// The index column of a private object's label or id.
    pub(crate) fn index(&self, column: Column, value: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.index);
        context.update(&[column as u8]);
        context.update(value);
        context.sign().as_ref()[..16].to_vec()
    }

    /// The row of a record with this number.
    pub(crate) fn row(&self, id: u64, record: &Record) -> Result<Row> {
        if !record.private {
            let row = open_row(record);
            let mac = hmac::sign(&self.mac, &[&self.header(id, &row)[..], &row.body].concat());
            return Ok(Row { mac: Some(mac.as_ref().to_vec()), ..row });
        }
        let mut row = Row {
            label_key: self.index(Column::Label, &record.label),
            id_key: self.index(Column::Id, &record.id),
            body: Vec::new(),
            ..open_row(record)
        };
        let nonce = *random::<NONCE_LEN>()?;
        let mut sealed = inner(record)?;
        let tag = self
            .body
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.header(id, &row)),
                &mut sealed,
            )
            .map_err(|_| Code::FunctionFailed.because("sealing a record failed"))?;
        row.body = [&nonce, &sealed[..], tag.as_ref()].concat();
        Ok(row)
    }

    /// The record of the row with this number.
    pub(crate) fn open(&self, id: u64, row: Row) -> Result<Record, Tampered> {
        let header = self.header(id, &row);
        if !row.private {
            match &row.mac {
                Some(mac) => hmac::verify(&self.mac, &[&header[..], &row.body].concat(), mac).map_err(|_| Tampered)?,
                None if must_be_authentic(ObjectClass(row.class)) => return Err(Tampered),
                None => {}
            }
            return Ok(unverified(row));
        }
        let (nonce, sealed) = row.body.split_first_chunk::<NONCE_LEN>().ok_or(Tampered)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.body.open_in_place(nonce, Aad::from(header), &mut bytes).map_err(|_| Tampered)?;
        let (label, rest) = counted(plain).ok_or(Tampered)?;
        let (object_id, body) = counted(rest).ok_or(Tampered)?;
        Ok(Record {
            class: ObjectClass(row.class),
            key_type: row.key_type.map(KeyType),
            label: label.to_vec(),
            id: object_id.to_vec(),
            private: true,
            body: Zeroizing::new(body.to_vec()),
        })
    }

    /// All that a row's body is bound to.
    fn header(&self, id: u64, row: &Row) -> Vec<u8> {
        let mut bytes = b"azihsm-pkcs11 record 1".to_vec();
        bytes.extend_from_slice(&self.token_id);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&row.class.to_be_bytes());
        bytes.push(row.key_type.is_some().into());
        bytes.extend_from_slice(&row.key_type.unwrap_or(0).to_be_bytes());
        bytes.push(row.private.into());
        for column in [&row.label_key, &row.id_key] {
            bytes.extend_from_slice(&column.len().to_be_bytes());
            bytes.extend_from_slice(column);
        }
        bytes
    }
}

/// The row of a public object without a login: nothing vouches for it. Keys that hold a value cannot be stored so.
pub(crate) fn row_without_login(record: &Record) -> Result<Row> {
    if record.private || must_be_authentic(record.class) {
        return Err(Code::UserNotLoggedIn.into());
    }
    Ok(open_row(record))
}

/// The record of a public object's row, before a login: it cannot be verified.
pub(crate) fn unverified(row: Row) -> Record {
    Record {
        class: ObjectClass(row.class),
        key_type: row.key_type.map(KeyType),
        label: row.label_key,
        id: row.id_key,
        private: row.private,
        body: Zeroizing::new(row.body),
    }
}

/// Objects whose attributes decide what a key may do.
fn must_be_authentic(class: ObjectClass) -> bool {
    matches!(class, ObjectClass::PRIVATE_KEY | ObjectClass::SECRET_KEY)
}

fn open_row(record: &Record) -> Row {
    Row {
        class: record.class.0,
        key_type: record.key_type.map(|kind| kind.0),
        label_key: record.label.clone(),
        id_key: record.id.clone(),
        private: record.private,
        body: if record.private { Vec::new() } else { record.body.to_vec() },
        mac: None,
    }
}

/// What a private object's body encrypts: label and id with their lengths, then the body.
fn inner(record: &Record) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 + record.label.len() + record.id.len() + record.body.len()));
    for field in [&record.label, &record.id] {
        let len = u32::try_from(field.len()).map_err(|_| Code::AttributeValueInvalid)?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes.extend_from_slice(&record.body);
    Ok(bytes)
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

fn expand(prk: &Prk, purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    prk.expand(&[b"azihsm-pkcs11 record ", purpose], Len32)
        .and_then(|okm| okm.fill(&mut *key))
        .map_err(|_| Code::FunctionFailed.because("deriving a record key failed"))?;
    Ok(key)
}

struct Len32;

impl HkdfLen for Len32 {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> RecordKeys {
        RecordKeys::new([1; 16], &[2; 32]).unwrap()
    }

    fn record(private: bool) -> Record {
        Record {
            class: ObjectClass::SECRET_KEY,
            key_type: Some(KeyType::AES),
            label: b"label".to_vec(),
            id: b"id".to_vec(),
            private,
            body: Zeroizing::new(b"the body".to_vec()),
        }
    }

    #[test]
    fn a_row_opens_to_the_record_it_was_made_of() {
        for private in [false, true] {
            let row = keys().row(5, &record(private)).unwrap();
            assert_eq!(keys().open(5, row).unwrap(), record(private));
        }
    }

    #[test]
    fn a_private_row_shows_nothing() {
        let row = keys().row(5, &record(true)).unwrap();
        for (column, text) in
            [(&row.label_key, &b"label"[..]), (&row.id_key, b"id"), (&row.body, b"label"), (&row.body, b"body")]
        {
            assert!(!column.windows(text.len()).any(|window| window == text));
        }
        assert_eq!(row.label_key, keys().index(Column::Label, b"label"));
        assert_ne!(keys().index(Column::Label, b"x"), keys().index(Column::Id, b"x"));
    }

    #[test]
    fn a_row_that_was_changed_or_moved_is_refused() {
        for private in [false, true] {
            let row = keys().row(5, &record(private)).unwrap();
            let changes: [fn(&mut Row); 7] = [
                |row| row.class = ObjectClass::PRIVATE_KEY.0,
                |row| row.key_type = None,
                |row| row.label_key.push(0),
                |row| row.id_key[0] ^= 1,
                |row| row.private = !row.private,
                |row| row.body[3] ^= 1,
                |row| {
                    let moved = row.label_key.pop().unwrap();
                    row.id_key.insert(0, moved);
                },
            ];
            for (index, change) in changes.into_iter().enumerate() {
                let mut forged = row.clone();
                change(&mut forged);
                assert_eq!(keys().open(5, forged), Err(Tampered), "change {index} of private {private}");
            }
            assert_eq!(keys().open(6, row.clone()), Err(Tampered));
            assert_eq!(RecordKeys::new([9; 16], &[2; 32]).unwrap().open(5, row.clone()), Err(Tampered));
            assert_eq!(RecordKeys::new([1; 16], &[9; 32]).unwrap().open(5, row), Err(Tampered));
        }
    }

    #[test]
    fn a_key_cannot_shed_its_authentication() {
        let row = keys().row(5, &record(false)).unwrap();
        assert_eq!(keys().open(5, Row { mac: None, ..row }), Err(Tampered));
        assert_eq!(row_without_login(&record(false)).unwrap_err(), Code::UserNotLoggedIn);
        assert_eq!(row_without_login(&record(true)).unwrap_err(), Code::UserNotLoggedIn);
    }

    #[test]
    fn what_was_stored_without_login_opens_with_one() {
        let certificate = Record { class: ObjectClass::CERTIFICATE, key_type: None, ..record(false) };
        let row = row_without_login(&certificate).unwrap();
        assert_eq!(unverified(row.clone()), certificate);
        assert_eq!(keys().open(5, row).unwrap(), certificate);
    }
}
