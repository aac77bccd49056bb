//! Keys that come from outside, wrapped to the device's unwrapping key (semantics 6.6): by us, or by somebody else.

use std::borrow::Cow;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::connection::Connection;
use super::hsm_key::HsmKey;
use super::keys::{each_facet, fits, hash_algorithm, properties};
use super::live::LiveKey;
use super::{FacetKind, Hash, ImportValue, ImportedKey, WrappedClass, wrap};
use crate::ddi::command::RsaUnwrap;
use crate::ddi::{HashAlgorithm, KeyClass, KeyType, RsaCryptoPadding, Status};
use crate::{Error, Result};

/// Wraps a value to the device's unwrapping key and imports it, once per facet.
pub(super) fn import(connection: &Connection, value: &ImportValue<'_>, facets: &[FacetKind]) -> Result<HsmKey> {
    if facets.is_empty() {
        return Err(Error::InvalidArgument("a key without a use"));
    }
    for kind in facets {
        key_class(value, *kind)?;
    }
    let payload = match value {
        ImportValue::Rsa(pkcs8) => wrap::rsa_payload(pkcs8)?,
        ImportValue::Ec(pkcs8) => wrap::ec_payload(pkcs8)?,
        ImportValue::Aes(bytes) | ImportValue::AesXts(bytes) => Zeroizing::new(bytes.to_vec()),
    };
    let unwrapping = connection.unwrapping_key()?;
    each_facet(connection, facets, |kind| {
        // A blob of its own for each, so that no two commands carry the same bytes.
        let part = match kind {
            FacetKind::AesXts => &payload[..XTS_HALF],
            FacetKind::AesXtsTweak => &payload[XTS_HALF..],
            _ => &payload[..],
        };
        let blob = wrap::wrap(&unwrapping.spki, part)?;
        let class = key_class(value, kind)?;
        let (live, masked, _) = unwrap(connection, unwrapping.id, &blob, class, HashAlgorithm::SHA256, kind)?;
        Ok((live, masked))
    })
}

/// Imports a blob that somebody else made, once per facet. All facets hold what is in the one blob.
pub(super) fn import_wrapped(
    connection: &Connection,
    blob: &[u8],
    class: WrappedClass,
    hash: Hash,
    facets: &[FacetKind],
) -> Result<ImportedKey> {
    if facets.is_empty() {
        return Err(Error::InvalidArgument("a key without a use"));
    }
    if !(wrap::OAEP_LEN + wrap::MIN_KWP_LEN..=MAX_LEN).contains(&blob.len()) {
        return Err(Error::InvalidArgument("a wrapped key of less than 272 or more than 3072 bytes"));
    }
    for kind in facets {
        wrapped_class(class, *kind)?;
    }
    let unwrapping = connection.unwrapping_key()?;
    let mut first: Option<Arrived> = None;
    let key = each_facet(connection, facets, |kind| {
        let class = wrapped_class(class, kind)?;
        let (live, masked, arrived) =
            unwrap(connection, unwrapping.id, blob, class, hash_algorithm(hash), kind).map_err(bad_blob)?;
        match &first {
            Some(first) if first.spki != arrived.spki => {
                connection.delete(&live);
                return Err(Error::UnexpectedAnswer("two public keys of one wrapped key"));
            }
            _ => first = Some(arrived),
        }
        Ok((live, masked))
    })?;
    let Arrived { key_type, spki } = first.ok_or(Error::InvalidArgument("a key without a use"))?;
    let value_len = match key_type {
        KeyType::AES_128 => Some(16),
        KeyType::AES_192 => Some(24),
        KeyType::AES_256 | KeyType::AES_GCM_BULK_256 | KeyType::AES_GCM_BULK_256_UNAPPROVED => Some(32),
        _ => None,
    };
    Ok(ImportedKey { key, public: spki, value_len })
}

/// What the device says of a key that it unwrapped.
struct Arrived {
    key_type: KeyType,
    /// SPKI DER, of RSA and EC keys.
    spki: Option<Vec<u8>>,
}

fn unwrap(
    connection: &Connection,
    unwrapping: u16,
    blob: &[u8],
    class: KeyClass,
    hash: HashAlgorithm,
    kind: FacetKind,
) -> Result<(LiveKey, Vec<u8>, Arrived)> {
    let request = RsaUnwrap {
        key_id: unwrapping,
        wrapped_blob: Cow::Borrowed(blob),
        wrapped_blob_key_class: class,
        wrapped_blob_padding: RsaCryptoPadding::OAEP,
        wrapped_blob_hash_algorithm: hash,
        key_tag: None,
        key_properties: properties(kind),
    };
    let (live, masked, arrived) = connection.making_room(|| {
        connection.send(&request, |body| {
            let spki = body.pub_key.map(|key| key.der.into_owned());
            (
                connection.owned(body.key_id, body.bulk_key_id),
                body.masked_key.to_vec(),
                Arrived { key_type: body.kind, spki },
            )
        })
    })?;
    if fits(kind, arrived.key_type) {
        return Ok((live, masked, arrived));
    }
    connection.delete(&live);
    Err(Error::UnexpectedAnswer("an imported key of another kind"))
}

/// One error for everything that can be wrong inside a blob, so that nobody learns from it which part was good
/// (Manger 2001; Bardou and others 2012). The statuses are those of semantics 6.6.
fn bad_blob(error: Error) -> Error {
    let Error::Device { status, .. } = &error else { return error };
    match *status {
        Status::RSA_UNWRAP_INVALID_REQUEST
        | Status::RSA_UNWRAP_OAEP_DECODE_FAILED
        | Status::RSA_UNWRAP_INVALID_KEK
        | Status::RSA_UNWRAP_AES_UNWRAP_FAILED
        | Status::RSA_DECRYPT_FAILED
        | Status::KEY_DECODE_FAILED
        | Status::INVALID_KEY_TYPE
        | Status::INVALID_KEY_LENGTH
        | Status::INVALID_ARG
        | Status::KEY_STRUCTURAL_VALIDATION_FAILED
        | Status::PCT_VALIDATION_RSA_UNWRAP_ECC_KEY_FAILED
        | Status::PCT_VALIDATION_RSA_UNWRAP_RSA_KEY_FAILED => Error::WrappedKeyRejected,
        _ => error,
    }
}

/// What the device is to take the value for (semantics 6.6).
fn key_class(value: &ImportValue<'_>, kind: FacetKind) -> Result<KeyClass> {
    Ok(match (value, kind) {
        (ImportValue::Rsa(_), FacetKind::RsaSign | FacetKind::RsaDecrypt) => KeyClass::RSA_CRT,
        (ImportValue::Ec(_), FacetKind::EcSign | FacetKind::EcDerive) => KeyClass::ECC,
        (ImportValue::Aes(bytes), FacetKind::AesCbc) if matches!(bytes.len(), 16 | 24 | 32) => KeyClass::AES,
        (ImportValue::Aes(bytes), FacetKind::AesGcm) if bytes.len() == 32 => KeyClass::AES_GCM_BULK_UNAPPROVED,
        (ImportValue::Aes(bytes), FacetKind::AesGcmApproved) if bytes.len() == 32 => KeyClass::AES_GCM_BULK,
        (ImportValue::AesXts(bytes), FacetKind::AesXts | FacetKind::AesXtsTweak) => {
            let (data, tweak) = bytes.split_at_checked(XTS_HALF).ok_or(Error::Unsupported(XTS_KEYS))?;
            if tweak.len() != XTS_HALF || bool::from(data.ct_eq(tweak)) {
                return Err(Error::Unsupported(XTS_KEYS));
            }
            KeyClass::AES_XTS_BULK
        }
        (ImportValue::Aes(_), FacetKind::AesCbc) => {
            return Err(Error::Unsupported("AES keys other than 16, 24 or 32 bytes"));
        }
        (ImportValue::Aes(_), FacetKind::AesGcm | FacetKind::AesGcmApproved) => {
            return Err(Error::Unsupported("AES-GCM with keys other than 32 bytes"));
        }
        _ => return Err(Error::Unsupported("importing this kind of key")),
    })
}

/// What the device is to take a wrapped value for, whose length only the device learns (semantics 6.6).
fn wrapped_class(class: WrappedClass, kind: FacetKind) -> Result<KeyClass> {
    Ok(match (class, kind) {
        (WrappedClass::Rsa, FacetKind::RsaSign | FacetKind::RsaDecrypt) => KeyClass::RSA_CRT,
        (WrappedClass::Ec, FacetKind::EcSign | FacetKind::EcDerive) => KeyClass::ECC,
        (WrappedClass::Aes, FacetKind::AesCbc) => KeyClass::AES,
        (WrappedClass::Aes, FacetKind::AesGcm) => KeyClass::AES_GCM_BULK_UNAPPROVED,
        (WrappedClass::Aes, FacetKind::AesGcmApproved) => KeyClass::AES_GCM_BULK,
        _ => return Err(Error::Unsupported("importing this kind of key")),
    })
}

/// Length of each of the two keys of AES-256-XTS.
const XTS_HALF: usize = 32;
const XTS_KEYS: &str = "AES-XTS keys other than two different ones of 32 bytes";
/// Longest blob that the device takes.
const MAX_LEN: usize = 3072;
