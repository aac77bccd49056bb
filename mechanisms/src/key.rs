//! What a key is to a mechanism, and what is asked of a key that is to be made.

use std::fmt;
use std::sync::Arc;

use ::rsa as rsa_crate;
use rsa_crate::pkcs8::der::{Decode, Encode};
use transport::partition::{Curve, HsmKey, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::{ec, rsa};

/// A key as a mechanism sees it.
#[derive(Clone, Debug)]
pub struct Key {
    /// `CKA_KEY_TYPE`.
    pub key_type: KeyType,
    /// Where its value is.
    pub material: Material,
    /// The public half of an RSA or EC private key: the device does not keep it, and padding, range checks and the
    /// check of each RSA signature need it. Required where `material` is `Hsm`; else `None` is allowed.
    pub public: Option<Arc<PublicKey>>,
}

/// Where a key's value is.
#[derive(Clone, Debug)]
pub enum Material {
    /// In the HSM; used there.
    Hsm(Arc<HsmKey>, Arc<Partition>),
    /// In zeroizing memory: a sealed key while a session uses it, or a session key that is not sensitive.
    Clear(Arc<Value>),
    /// A public key.
    Public(Arc<PublicKey>),
}

/// The value of a secret or private key, outside the HSM. `Debug` prints its kind and length only.
pub enum Value {
    /// AES, generic and HMAC secrets.
    Secret(Zeroizing<Vec<u8>>),
    /// An RSA private key, PKCS#8 DER (RFC 5958, RFC 8017) with all CRT values.
    Rsa(Zeroizing<Vec<u8>>),
    /// An EC private key, PKCS#8 DER (RFC 5958, RFC 5915) with the public key inside.
    Ec(Curve, Zeroizing<Vec<u8>>),
}

impl Value {
    /// The public half of a private key; `CKR_KEY_TYPE_INCONSISTENT` for a secret.
    pub fn public(&self) -> Result<PublicKey> {
        match self {
            Self::Secret(_) => Err(Code::KeyTypeInconsistent.because("a secret key has no public half")),
            Self::Rsa(der) => rsa::public_of(der),
            Self::Ec(curve, der) => ec::public_of(*curve, der),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(bytes) => write!(f, "Secret({} bytes)", bytes.len()),
            Self::Rsa(_) => f.write_str("Rsa"),
            Self::Ec(curve, _) => write!(f, "Ec({curve:?})"),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Modulus and exponent, big-endian, no leading zeros.
    Rsa {
        /// n.
        modulus: Vec<u8>,
        /// e.
        exponent: Vec<u8>,
    },
    /// An uncompressed point `04 || x || y`.
    Ec {
        /// The curve.
        curve: Curve,
        /// The point.
        point: Vec<u8>,
    },
}

impl PublicKey {
    /// The validated key of `SubjectPublicKeyInfo` DER (RFC 5280): RSA of 2048 to 4096 bits, or EC on a curve that this
    /// library has; else `CKR_ATTRIBUTE_VALUE_INVALID`.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let bad = || Code::AttributeValueInvalid.because("not the SubjectPublicKeyInfo of an RSA or EC key");
        let info = rsa_crate::pkcs8::spki::SubjectPublicKeyInfoRef::from_der(der).map_err(|_| bad())?;
        let key = info.subject_public_key.as_bytes().ok_or_else(bad)?;
        if info.algorithm.oid == rsa_crate::pkcs1::ALGORITHM_OID {
            let key = rsa_crate::pkcs1::RsaPublicKeyRef::from_der(key).map_err(|_| bad())?;
            return rsa::public(key.modulus.as_bytes(), key.public_exponent.as_bytes());
        }
        let params = info.algorithm.parameters.and_then(|params| params.to_der().ok()).ok_or_else(bad)?;
        ec::public(ec::curve_from_params(&params)?, key)
    }

    /// `SubjectPublicKeyInfo` DER (RFC 5280): `CKA_PUBLIC_KEY_INFO`.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        match self {
            Self::Rsa { modulus, exponent } => rsa::spki(modulus, exponent),
            Self::Ec { curve, point } => ec::spki(*curve, point),
        }
    }

    /// `CKA_EC_PARAMS` and `CKA_EC_POINT` (in its DER OCTET STRING); `None` for RSA.
    pub fn ec_attributes(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Rsa { .. } => None,
            Self::Ec { curve, point } => Some((ec::params_of(*curve).to_vec(), ec::point_attribute(point))),
        }
    }
}

/// `CKA_AZIHSM_RESIDENCY`: where a key's value lives (design 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// In the HSM.
    Hsm,
    /// Encrypted under a partition-resident key; or, for a session object that is not sensitive, in zeroizing memory.
    Sealed,
}

/// `CKA_AZIHSM_ORIGIN`: where a key's value was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the device.
    Device,
    /// In this library.
    Library,
    /// Outside.
    Imported,
}

/// Which keys are allowed (design 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// Sealed keys and library-made RSA keys are allowed.
    #[default]
    Standard,
    /// Neither is.
    Strict,
}

/// What a template asks of a new key, as far as a mechanism needs to know.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one attribute of the template")]
pub struct KeyRequest {
    /// `CKA_CLASS`; `None` where the function implies it.
    pub class: Option<ObjectClass>,
    /// `CKA_KEY_TYPE` of the secret or private key; `None` where the mechanism implies it.
    pub key_type: Option<KeyType>,
    /// `CKA_VALUE_LEN`, bytes.
    pub value_len: Option<usize>,
    /// `CKA_MODULUS_BITS`.
    pub modulus_bits: Option<usize>,
    /// `CKA_PUBLIC_EXPONENT`, big-endian.
    pub public_exponent: Option<Vec<u8>>,
    /// `CKA_EC_PARAMS`.
    pub curve: Option<Curve>,
    /// `CKA_SIGN` or `CKA_SIGN_RECOVER`; and `CKA_VERIFY` of a secret key.
    pub sign: bool,
    /// `CKA_DECRYPT`, `CKA_UNWRAP` or `CKA_DECAPSULATE`; and `CKA_ENCRYPT` or `CKA_WRAP` of a secret key.
    pub decrypt: bool,
    /// `CKA_DERIVE` or `CKA_DECAPSULATE`.
    pub derive: bool,
    /// `CKA_EXTRACTABLE`.
    pub extractable: bool,
    /// `CKA_SENSITIVE`.
    pub sensitive: bool,
    /// `CKA_TOKEN`.
    pub token: bool,
    /// `CKA_AZIHSM_DEVICE_IV`: GCM encryption with IVs of the token only.
    pub device_iv: bool,
    /// `CKA_ALLOWED_MECHANISMS`; `None` allows all.
    pub allowed: Option<Vec<MechanismType>>,
    /// The policy in force.
    pub policy: Policy,
    /// Of a derivation: whether each of its base keys shows its value to the caller (extractable and not sensitive), so
    /// that a part of the value gives nothing away. False is the safe answer.
    pub base_is_open: bool,
}

/// A key that was made, derived or imported.
#[derive(Debug)]
pub struct NewKey {
    /// `Hsm` or `Clear`.
    pub material: Material,
    /// Where its value lives.
    pub residency: Residency,
    /// Where its value was made.
    pub origin: Origin,
    /// The public half, of a private key.
    pub public: Option<PublicKey>,
    /// `CKA_KEY_TYPE`.
    pub key_type: KeyType,
    /// `CKA_VALUE_LEN` of a secret key, bytes.
    pub value_len: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_come_back_from_their_spki() {
        let rsa = rsa::keys::generate_value(2048).unwrap().public().unwrap();
        assert_eq!(PublicKey::from_spki(&rsa.to_spki().unwrap()).unwrap(), rsa);
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let ec = ec::generate_value(curve).unwrap().public().unwrap();
            let mut spki = ec.to_spki().unwrap();
            assert_eq!(PublicKey::from_spki(&spki).unwrap(), ec);
            *spki.last_mut().unwrap() ^= 1;
            assert_eq!(PublicKey::from_spki(&spki).unwrap_err(), Code::AttributeValueInvalid);
            assert_eq!(PublicKey::from_spki(&spki[1..]).unwrap_err(), Code::AttributeValueInvalid);
        }
    }
}
