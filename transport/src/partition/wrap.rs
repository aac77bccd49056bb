//! What `RsaUnwrap` takes: RSA-OAEP of a fresh AES key, then that key's wrap of the value (semantics 6.6), the scheme of
//! `CKM_RSA_AES_KEY_WRAP`. Every intermediate is erased.

use aes_kw::{KeyInit, KwpAes256};
use aws_lc_rs::agreement::{ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode};
use pkcs8::PrivateKeyInfoRef;
use sec1::EcPrivateKey;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::Curve;
use crate::{Error, Result};

/// RSA-OAEP-SHA-256 of a random AES-256 key to `unwrapping_key` (SPKI DER), then AES-KWP of `payload`.
pub(super) fn wrap(unwrapping_key: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    let mut kek = Zeroizing::new([0; 32]);
    rand::fill(kek.as_mut()).map_err(|_| failed("random"))?;

    let public = PublicEncryptingKey::from_der(unwrapping_key)
        .map_err(|_| Error::UnexpectedAnswer("the unwrapping key is no RSA key"))?;
    let public = OaepPublicEncryptingKey::new(public).map_err(|_| failed("unwrapping key"))?;
    let oaep_len = public.ciphertext_size();
    let kwp_len = payload.len().div_ceil(8) * 8 + 8;
    let mut blob = vec![0; oaep_len + kwp_len];
    let (oaep, kwp) = blob.split_at_mut(oaep_len);
    public.encrypt(&OAEP_SHA256_MGF1SHA256, kek.as_ref(), oaep, None).map_err(|_| failed("OAEP"))?;
    KwpAes256::new((&*kek).into()).wrap_key(payload, kwp).map_err(|_| failed("key wrap"))?;
    Ok(blob)
}

/// An RSA key as the device wants it: PKCS#8 version 1, rsaEncryption with NULL parameters, nothing else.
pub(super) fn rsa_payload(pkcs8: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let info = PrivateKeyInfoRef::try_from(pkcs8).map_err(|_| Error::InvalidArgument("RSA key is no PKCS#8"))?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return Err(Error::InvalidArgument("PKCS#8 of another algorithm than RSA"));
    }
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    encode(algorithm, info.private_key)
}

/// An EC key as the device wants it: PKCS#8 version 1 with the curve in the algorithm identifier, and inside an
/// `ECPrivateKey` with the public key and without parameters (semantics 6.6).
pub(super) fn ec_payload(pkcs8: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let info = PrivateKeyInfoRef::try_from(pkcs8).map_err(|_| Error::InvalidArgument("EC key is no PKCS#8"))?;
    if info.algorithm.oid != EC_PUBLIC_KEY {
        return Err(Error::InvalidArgument("PKCS#8 of another algorithm than EC"));
    }
    let (_, curve) = info.algorithm.oids().map_err(|_| Error::InvalidArgument("EC key without a named curve"))?;
    let curve = match curve {
        Some(SECP256R1) => Curve::P256,
        Some(SECP384R1) => Curve::P384,
        Some(SECP521R1) => Curve::P521,
        _ => return Err(Error::Unsupported("curves other than P-256, P-384 and P-521")),
    };
    let inner = EcPrivateKey::from_der(info.private_key.as_bytes())
        .map_err(|_| Error::InvalidArgument("EC key without an ECPrivateKey"))?;
    let scalar = padded(inner.private_key, curve.len())?;
    // Computed, not believed: a public key that does not belong to the scalar would make every signature useless.
    let algorithm = match curve {
        Curve::P256 => &ECDH_P256,
        Curve::P384 => &ECDH_P384,
        Curve::P521 => &ECDH_P521,
    };
    let public = PrivateKey::from_private_key(algorithm, &scalar)
        .and_then(|key| key.compute_public_key().map_err(Into::into))
        .map_err(|_| Error::InvalidArgument("EC scalar out of range"))?;
    if inner.public_key.is_some_and(|point| point != public.as_ref() && point.first() == Some(&4)) {
        return Err(Error::InvalidArgument("EC public key does not belong to the private key"));
    }
    let inner = EcPrivateKey { private_key: &scalar, parameters: None, public_key: Some(public.as_ref()) };
    let inner = Zeroizing::new(inner.to_der().map_err(|_| failed("EC key encoding"))?);
    let inner = OctetStringRef::new(&inner).map_err(|_| failed("EC key encoding"))?;
    encode(info.algorithm, inner)
}

fn encode(algorithm: AlgorithmIdentifierRef<'_>, private_key: &OctetStringRef) -> Result<Zeroizing<Vec<u8>>> {
    let info = PrivateKeyInfoRef::new(algorithm, private_key);
    info.to_der().map(Zeroizing::new).map_err(|_| failed("key encoding"))
}

/// RFC 5915 wants the scalar at the curve's length; some encoders drop leading zeros.
fn padded(scalar: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let missing = len.checked_sub(scalar.len()).ok_or(Error::InvalidArgument("EC scalar longer than the curve"))?;
    let mut out = Zeroizing::new(vec![0; len]);
    out[missing..].copy_from_slice(scalar);
    Ok(out)
}

/// A failure of the host's own engine.
fn failed(what: &'static str) -> Error {
    Error::UnexpectedAnswer(what)
}

/// Length of the first part: the unwrapping key is RSA-2048.
pub(super) const OAEP_LEN: usize = 256;
/// Length of the second part at least: RFC 5649 makes 16 bytes of 1 to 8.
pub(super) const MIN_KWP_LEN: usize = 16;

/// RFC 8017, RFC 5480.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
