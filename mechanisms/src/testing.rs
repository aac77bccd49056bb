//! What the unit tests of several families share.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::error::Result;
use crate::key::{Key, KeyRequest, Material, NewKey, Value};
use crate::params::Params;
use crate::table::{self, Derivation, Derived};

/// Bytes from hexadecimal digits.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A clear secret key.
pub(crate) fn secret(key_type: KeyType, bytes: &[u8]) -> Key {
    let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
    Key { key_type, material: Material::Clear(Arc::new(value)), public: None }
}

/// A clear AES key.
pub(crate) fn aes(bytes: &[u8]) -> Key {
    secret(KeyType::AES, bytes)
}

/// The bytes of a new clear secret key.
pub(crate) fn bytes_of(new: NewKey) -> Vec<u8> {
    let key = Key { key_type: new.key_type, material: new.material, public: None };
    crate::secret::bytes(&key).unwrap().to_vec()
}

/// `C_DeriveKey` of a secret key, without a partition.
pub(crate) fn derive(
    kind: MechanismType,
    params: &Params,
    base: &Key,
    others: &[Key],
    request: &KeyRequest,
) -> Result<NewKey> {
    let row = table::row(kind).unwrap();
    row.accepts(base)?;
    match row.derive.unwrap()(&Derivation { params, base, others, request, partition: None })? {
        Derived::Key(new) => Ok(new),
        Derived::Public(_) | Derived::Data(_) => panic!("{kind:?} makes no secret key"),
    }
}

/// Bytes that differ from their neighbours.
pub(crate) fn message(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}
