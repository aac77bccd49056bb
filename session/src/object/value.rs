//! The values of private and secret keys outside the HSM: taken from templates, sealed, opened, shown.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, EncryptingKey, UnboundCipherKey};
use mechanisms::key::Value;
use mechanisms::rsa::Crt;
use mechanisms::{ec, rsa};
use transport::channel::Direction;
use transport::partition::{Curve, FacetKind, HsmKey, Partition};
use zeroize::Zeroizing;

use crate::attribute::AttributeType as A;
use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::object::model::{Holding, Object};
use crate::object::public;
use crate::object::template::about;
use crate::token::Token;
use crate::{Code, Result};

/// 112 bits: somebody who has a digest of a shorter value could search for it.
pub(crate) const SHORTEST_HIDDEN: usize = 14;

/// Takes the value of a key out of the template of `C_CreateObject`; `None` for other families.
pub(crate) fn take(family: Family, given: &mut Attributes) -> Result<Option<Value>> {
    let value = match family {
        Family::Secret => Value::Secret(needed(given, A::VALUE)?),
        Family::EcPrivate => {
            let curve = public::curve(given)?;
            ec::private_from_scalar(curve, &needed(given, A::VALUE)?)?
        }
        Family::RsaPrivate => {
            let private = needed(given, A::PRIVATE_EXPONENT)?;
            let parts = RSA_PARTS.map(|kind| given.remove(kind).filter(|part| !part.is_empty()));
            let [prime_1, prime_2, exponent_1, exponent_2, coefficient] =
                parts.each_ref().map(|part| part.as_deref().map(Vec::as_slice));
            let crt = Crt { prime_1, prime_2, exponent_1, exponent_2, coefficient };
            let public = |kind| given.bytes(kind).ok_or_else(|| about(Code::TemplateIncomplete, kind));
            rsa::private_from_components(public(A::MODULUS)?, public(A::PUBLIC_EXPONENT)?, &private, crt)?
        }
        Family::Data | Family::Certificate | Family::Fact | Family::RsaPublic | Family::EcPublic => return Ok(None),
    };
    Ok(Some(value))
}

fn needed(given: &mut Attributes, kind: A) -> Result<Zeroizing<Vec<u8>>> {
    given.remove(kind).filter(|value| !value.is_empty()).ok_or_else(|| about(Code::TemplateIncomplete, kind))
}

/// A hidden attribute (footnote 7) of a key that may show it; `None` for an HSM key, which cannot.
pub(crate) fn hidden(object: &Object, kind: A, token: &Token) -> Result<Option<Zeroizing<Vec<u8>>>> {
    if matches!(object.holding, Holding::Hsm(_) | Holding::None) {
        return Ok(None);
    }
    let value = open(object, token)?;
    Ok(match (&*value, kind) {
        (Value::Secret(bytes), A::VALUE) => Some(bytes.clone()),
        (Value::Ec(..), A::VALUE) => Some(ec::scalar(&value)?),
        (Value::Rsa(_), kind) => {
            let parts = rsa::components(&value)?;
            match kind {
                A::PRIVATE_EXPONENT => Some(parts.private_exponent),
                A::PRIME_1 => Some(parts.prime_1),
                A::PRIME_2 => Some(parts.prime_2),
                A::EXPONENT_1 => Some(parts.exponent_1),
                A::EXPONENT_2 => Some(parts.exponent_2),
                A::COEFFICIENT => Some(parts.coefficient),
                _ => None,
            }
        }
        _ => None,
    })
}

/// Encrypts a value under the token's sealing key, bound to the object's unique id.
pub(crate) fn seal(value: &Value, unique_id: &[u8], partition: &Partition) -> Result<Arc<[u8]>> {
    Ok(partition.seal(unique_id, &encode(value))?.into())
}

/// The value of a sealed or clear key.
pub(crate) fn open(object: &Object, token: &Token) -> Result<Arc<Value>> {
    match &object.holding {
        Holding::Clear(value) => Ok(value.clone()),
        Holding::Sealed(sealed) => {
            let bytes = token.partition()?.unseal(object.unique_id(), sealed)?;
            decode(&bytes).map(Arc::new)
        }
        Holding::None | Holding::Hsm(_) => Err(Code::GeneralError.because("a value that is not outside the HSM")),
    }
}

/// Length of a value in bytes, as it is wrapped, without opening it; `None` where it is not outside the HSM.
pub(crate) fn len(object: &Object) -> Option<usize> {
    match &object.holding {
        Holding::Clear(value) => Some(encode(value).len() - 1),
        Holding::Sealed(sealed) => sealed.len().checked_sub(SEALED_MORE),
        Holding::None | Holding::Hsm(_) => None,
    }
}

/// A value as it is sealed: a tag, then its bytes.
fn encode(value: &Value) -> Zeroizing<Vec<u8>> {
    let (tag, bytes) = match value {
        Value::Secret(bytes) => (SECRET, bytes),
        Value::Rsa(der) => (RSA, der),
        Value::Ec(Curve::P256, der) => (P256, der),
        Value::Ec(Curve::P384, der) => (P384, der),
        Value::Ec(Curve::P521, der) => (P521, der),
    };
    let mut out = Zeroizing::new(Vec::with_capacity(1 + bytes.len()));
    out.push(tag);
    out.extend_from_slice(bytes);
    out
}

fn decode(bytes: &[u8]) -> Result<Value> {
    let broken = || Code::DeviceError.because("a sealed value does not decode");
    let (tag, bytes) = bytes.split_first().ok_or_else(broken)?;
    let bytes = Zeroizing::new(bytes.to_vec());
    Ok(match *tag {
        SECRET => Value::Secret(bytes),
        RSA => Value::Rsa(bytes),
        P256 => Value::Ec(Curve::P256, bytes),
        P384 => Value::Ec(Curve::P384, bytes),
        P521 => Value::Ec(Curve::P521, bytes),
        _ => return Err(broken()),
    })
}

/// `CKA_CHECK_VALUE` of an AES key: three bytes of an encrypted zero block.
pub(crate) fn aes_check_value(key: &[u8]) -> Result<Vec<u8>> {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        32 => &AES_256,
        _ => return Ok(Vec::new()),
    };
    let failed = |_| Code::FunctionFailed.because("AES failed");
    let key = UnboundCipherKey::new(algorithm, key).map_err(failed)?;
    let mut block = [0; 16];
    EncryptingKey::ecb(key).and_then(|key| key.encrypt(&mut block)).map_err(failed)?;
    Ok(block[..3].to_vec())
}

/// The same of an AES key in the HSM, where it can do CBC: with a zero IV that is the same block.
pub(crate) fn hsm_check_value(key: &HsmKey, token: &Token) -> Result<Vec<u8>> {
    if !key.can(FacetKind::AesCbc) {
        return Ok(Vec::new());
    }
    let mut block = [0; 16];
    token.partition()?.aes_cbc(key, Direction::Encrypt, &mut [0; 16], &mut block)?;
    Ok(block[..3].to_vec())
}

/// What a sealed value has more than the value: its tag and what the partition adds.
const SEALED_MORE: usize = 30;
const RSA_PARTS: [A; 5] = [A::PRIME_1, A::PRIME_2, A::EXPONENT_1, A::EXPONENT_2, A::COEFFICIENT];
const SECRET: u8 = 1;
const RSA: u8 = 2;
const P256: u8 = 3;
const P384: u8 = 4;
const P521: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back() {
        for (value, shown) in [
            (Value::Secret(vec![1, 2].into()), "Secret(2 bytes)"),
            (Value::Rsa(vec![3].into()), "Rsa"),
            (Value::Ec(Curve::P384, vec![4].into()), "Ec(P384)"),
        ] {
            assert_eq!(format!("{:?}", decode(&encode(&value)).unwrap()), shown);
        }
        assert_eq!(decode(&[]).unwrap_err(), Code::DeviceError);
        assert_eq!(decode(&[9, 9]).unwrap_err(), Code::DeviceError);
    }

    #[test]
    fn check_value_of_a_known_key() {
        // FIPS 197 has no zero block; NIST AESAVS KAT: AES-128 with an all-zero key and block is 66e94b...
        assert_eq!(aes_check_value(&[0; 16]).unwrap(), [0x66, 0xe9, 0x4b]);
        assert_eq!(aes_check_value(&[0; 32]).unwrap(), [0xdc, 0x95, 0xc0]);
    }
}
