//! Secret keys: made, derived, imported.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use transport::partition::{ImportValue, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, Material, NewKey, Origin, Residency, Value};
use crate::params::Params;
use crate::random;
use crate::residency::{self, Birth, Home};
use crate::table::Row;

/// Longest generic secret in bytes: more than any HMAC block, so that no key is out of reach.
pub(crate) const MAX_LEN: usize = 512;

/// Key types of generic and HMAC secrets.
pub(crate) const GENERIC: &[KeyType] = &[
    KeyType::GENERIC_SECRET,
    KeyType::SHA_1_HMAC,
    KeyType::SHA224_HMAC,
    KeyType::SHA256_HMAC,
    KeyType::SHA384_HMAC,
    KeyType::SHA512_HMAC,
    KeyType::SHA512_224_HMAC,
    KeyType::SHA512_256_HMAC,
    KeyType::SHA3_224_HMAC,
    KeyType::SHA3_256_HMAC,
    KeyType::SHA3_384_HMAC,
    KeyType::SHA3_512_HMAC,
    KeyType::HKDF,
];

/// PKCS#11 v3.2, 6.8.3, which counts the sizes of this one mechanism in bits.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.8.3",
    keys: GENERIC,
    min_size: 8,
    max_size: MAX_LEN * 8,
    hardware: true,
    generate: Some(generate_generic),
    ..Row::none(MechanismType::GENERIC_SECRET_KEY_GEN)
}];

fn generate_generic(_params: &Params, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    let key_type = request.key_type.unwrap_or(KeyType::GENERIC_SECRET);
    if !GENERIC.contains(&key_type) {
        return Err(Code::TemplateInconsistent.because(format_args!("{key_type:?} is no generic secret")));
    }
    generate(key_type, request, partition)
}

/// Makes a secret of `request.value_len` bytes where the template and the policy say.
pub(crate) fn generate(key_type: KeyType, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    let len = request.value_len.ok_or_else(|| Code::TemplateIncomplete.because("CKA_VALUE_LEN is missing"))?;
    check_len(key_type, len)?;
    match residency::secret(key_type, len, request, Birth::Generated).under(request.policy)? {
        Home::Hsm(facets) => {
            // An AES-XTS key is two device keys.
            let each = if key_type == KeyType::AES_XTS { len / 2 } else { len };
            let key = partition.generate_secret(each, &residency::with_lazy(facets))?;
            Ok(in_hsm(key, partition, key_type, Some(len), Origin::Device))
        }
        Home::Clear(_) => {
            let mut value = Zeroizing::new(vec![0; len]);
            random::fill(&mut value)?;
            check_halves(key_type, &value)?;
            Ok(clear(value, key_type, Origin::Library))
        }
    }
}

/// Takes a secret that came from outside.
pub(crate) fn import(
    value: Zeroizing<Vec<u8>>,
    request: &KeyRequest,
    partition: Option<&Arc<Partition>>,
) -> Result<NewKey> {
    let key_type = request.key_type.unwrap_or(KeyType::GENERIC_SECRET);
    if !matches!(key_type, KeyType::AES | KeyType::AES_XTS) && !GENERIC.contains(&key_type) {
        return Err(Code::TemplateInconsistent.because(format_args!("{key_type:?} is no secret key")));
    }
    check_len(key_type, value.len())?;
    check_halves(key_type, &value)?;
    if request.value_len.is_some_and(|len| len != value.len()) {
        return Err(Code::TemplateInconsistent.because("CKA_VALUE_LEN is not the length of CKA_VALUE"));
    }
    match residency::secret(key_type, value.len(), request, Birth::Imported).under(request.policy)? {
        Home::Hsm(facets) => match entry(request, partition)? {
            Some(partition) => {
                let import = if key_type == KeyType::AES_XTS { ImportValue::AesXts } else { ImportValue::Aes };
                let key = partition.import(&import(&value), &facets)?;
                Ok(in_hsm(key, partition, key_type, Some(value.len()), Origin::Imported))
            }
            None => Ok(clear(value, key_type, Origin::Imported)),
        },
        Home::Clear(_) => Ok(clear(value, key_type, Origin::Imported)),
    }
}

/// The partition that an import goes to. `None` is allowed for a session object that is not sensitive, whose value the
/// caller knows anyway: it may be used before anybody logs in, from memory.
pub(crate) fn entry<'a>(
    request: &KeyRequest,
    partition: Option<&'a Arc<Partition>>,
) -> Result<Option<&'a Arc<Partition>>> {
    let strict = request.policy == crate::key::Policy::Strict;
    if partition.is_none() && (request.token || request.sensitive || strict) {
        return Err(Code::UserNotLoggedIn.because("the HSM is open to a logged-in user only"));
    }
    Ok(partition)
}

/// `CKR_ATTRIBUTE_VALUE_INVALID` for a length that the key type has not.
pub(crate) fn check_len(key_type: KeyType, len: usize) -> Result<()> {
    let good = match key_type {
        KeyType::AES => matches!(len, 16 | 24 | 32),
        KeyType::AES_XTS => matches!(len, 32 | 64),
        _ => (1..=MAX_LEN).contains(&len),
    };
    if good { Ok(()) } else { Err(Code::AttributeValueInvalid.because(format_args!("{key_type:?} of {len} bytes"))) }
}

/// `CKR_ATTRIBUTE_VALUE_INVALID` for an AES-XTS key whose halves are equal: then the tweak protects nothing (Rogaway 2004;
/// FIPS 140-3 IG C.I).
fn check_halves(key_type: KeyType, value: &[u8]) -> Result<()> {
    let (data_key, tweak_key) = value.split_at(value.len() / 2);
    if key_type == KeyType::AES_XTS && bool::from(data_key.ct_eq(tweak_key)) {
        return Err(Code::AttributeValueInvalid.because("the two halves of an AES-XTS key are to differ"));
    }
    Ok(())
}

/// The type and length of a secret that is derived in the library out of at most `most` bytes. Where the template names no
/// length: an AES key is `CKR_TEMPLATE_INCOMPLETE`, a generic or HMAC secret has the `natural` length, if there is one.
/// (The standard, 6.43, wants an error for a generic secret that is named without a length; naming what is the default
/// anyway is no mistake.)
pub(crate) fn derived(request: &KeyRequest, natural: Option<usize>, most: usize) -> Result<(KeyType, usize)> {
    let key_type = request.key_type.unwrap_or(KeyType::GENERIC_SECRET);
    let generic = GENERIC.contains(&key_type);
    if key_type != KeyType::AES && !generic {
        return Err(Code::TemplateInconsistent.because(format_args!("{key_type:?} cannot be derived")));
    }
    let len = request
        .value_len
        .or(natural.filter(|_| generic))
        .ok_or_else(|| Code::TemplateIncomplete.because("CKA_VALUE_LEN is missing"))?;
    check_len(key_type, len)?;
    if len > most {
        return Err(Code::AttributeValueInvalid.because(format_args!("{len} bytes are wanted and {most} are there")));
    }
    Ok((key_type, len))
}

/// A secret that was derived in the library, which policy strict does not allow.
pub(crate) fn derived_here(value: Zeroizing<Vec<u8>>, key_type: KeyType, request: &KeyRequest) -> Result<NewKey> {
    Home::Clear("it comes from a key outside the HSM").under(request.policy)?;
    Ok(clear(value, key_type, Origin::Library))
}

/// A key that is in the HSM.
pub(crate) fn in_hsm(
    key: transport::partition::HsmKey,
    partition: &Arc<Partition>,
    key_type: KeyType,
    value_len: Option<usize>,
    origin: Origin,
) -> NewKey {
    NewKey {
        material: Material::Hsm(Arc::new(key), Arc::clone(partition)),
        residency: Residency::Hsm,
        origin,
        public: None,
        key_type,
        value_len,
    }
}

/// A secret key that is in memory; the session seals it where it must be kept.
pub(crate) fn clear(value: Zeroizing<Vec<u8>>, key_type: KeyType, origin: Origin) -> NewKey {
    NewKey {
        value_len: Some(value.len()),
        material: Material::Clear(Arc::new(Value::Secret(value))),
        residency: Residency::Sealed,
        origin,
        public: None,
        key_type,
    }
}

/// The bytes of a clear secret key.
pub(crate) fn bytes(key: &Key) -> Result<&[u8]> {
    match &key.material {
        Material::Clear(value) => match &**value {
            Value::Secret(bytes) => Ok(bytes),
            Value::Rsa(_) | Value::Ec(..) => Err(Code::KeyTypeInconsistent.into()),
        },
        Material::Hsm(..) | Material::Public(_) => Err(Code::KeyTypeInconsistent.into()),
    }
}

/// The bytes of a secret key that a derivation needs outside the HSM; `CKR_KEY_FUNCTION_NOT_PERMITTED` for one inside.
pub(crate) fn outside(key: &Key) -> Result<&[u8]> {
    match &key.material {
        Material::Hsm(..) => Err(Code::KeyFunctionNotPermitted
            .because("the HSM derives from ECDH secrets with HKDF only; this mechanism takes sealed keys")),
        Material::Clear(_) | Material::Public(_) => bytes(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Policy;

    fn take(key_type: KeyType, value: &[u8], request: KeyRequest) -> Result<NewKey> {
        import(Zeroizing::new(value.to_vec()), &KeyRequest { key_type: Some(key_type), ..request }, None)
    }

    fn extractable() -> KeyRequest {
        KeyRequest { extractable: true, ..KeyRequest::default() }
    }

    #[test]
    fn imports_without_a_partition() {
        let new = take(KeyType::AES, &[1; 16], extractable()).unwrap();
        assert_eq!((new.residency, new.origin, new.value_len), (Residency::Sealed, Origin::Imported, Some(16)));
        assert!(take(KeyType::AES, &[1; 16], KeyRequest::default()).is_ok());
        for request in [
            KeyRequest { token: true, ..KeyRequest::default() },
            KeyRequest { sensitive: true, ..KeyRequest::default() },
            KeyRequest { policy: Policy::Strict, ..KeyRequest::default() },
        ] {
            assert_eq!(take(KeyType::AES, &[1; 16], request).unwrap_err(), Code::UserNotLoggedIn);
        }
    }

    #[test]
    fn refuses_bad_lengths_types_and_policies() {
        assert_eq!(take(KeyType::AES, &[1; 17], extractable()).unwrap_err(), Code::AttributeValueInvalid);
        assert_eq!(take(KeyType::AES_XTS, &[1; 32], extractable()).unwrap_err(), Code::AttributeValueInvalid);
        assert_eq!(take(KeyType::AES_XTS, &[1; 64], extractable()).unwrap_err(), Code::AttributeValueInvalid);
        let halves: Vec<u8> = (0..48).collect();
        assert_eq!(take(KeyType::AES_XTS, &halves, extractable()).unwrap_err(), Code::AttributeValueInvalid);
        assert!(take(KeyType::AES_XTS, &halves[..32], extractable()).is_ok());
        assert_eq!(take(KeyType::GENERIC_SECRET, &[], extractable()).unwrap_err(), Code::AttributeValueInvalid);
        assert_eq!(take(KeyType::RSA, &[1; 16], extractable()).unwrap_err(), Code::TemplateInconsistent);
        let wrong = KeyRequest { value_len: Some(15), ..extractable() };
        assert_eq!(take(KeyType::AES, &[1; 16], wrong).unwrap_err(), Code::TemplateInconsistent);
        let strict = KeyRequest { policy: Policy::Strict, ..KeyRequest::default() };
        assert_eq!(take(KeyType::GENERIC_SECRET, &[1; 16], strict).unwrap_err(), Code::TemplateInconsistent);
    }
}
