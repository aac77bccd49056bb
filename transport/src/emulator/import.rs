//! RsaUnwrap: RSA-OAEP of a key-encryption key, RFC 5649 of the target (semantics 6.6).

use std::sync::Arc;

use aes_kw::{KwpAes128, KwpAes192, KwpAes256, cipher::KeyInit};
use der::Decode;
use der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::PrivateKeyInfoRef;
use rsa::pkcs1::RsaPrivateKeyRef;
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::dispatch::Reply;
use super::keys::{self, Material, NewKey};
use super::partition::{Partition, Ticket};
use super::raw::{CrtParts, OaepHash, RsaKey};
use super::store::Target;
use super::vault::Owner;
use crate::ddi::command::{RsaUnwrap, RsaUnwrapResponse};
use crate::ddi::{EccCurve, HashAlgorithm, KeyClass, KeyType, RsaCryptoPadding, Status, Usage, key};

impl Partition {
    pub(super) fn rsa_unwrap(
        &self,
        request: &RsaUnwrap<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let class = request.wrapped_blob_key_class;
        let target = Target::new(&request.key_properties, request.key_tag)?;
        if !class_allows(class, target.usage)? {
            return Err(Status::INVALID_PERMISSIONS);
        }
        let hash = match request.wrapped_blob_hash_algorithm {
            HashAlgorithm::SHA1 => OaepHash::Sha1,
            HashAlgorithm::SHA256 => OaepHash::Sha256,
            HashAlgorithm::SHA384 => OaepHash::Sha384,
            HashAlgorithm::SHA512 => OaepHash::Sha512,
            _ => return Err(Status::INVALID_ARG),
        };
        if request.wrapped_blob_padding != RsaCryptoPadding::OAEP {
            return Err(Status::INVALID_ARG);
        }
        let unwrapping = self.unwrapping_key(request.key_id)?;
        let Material::Rsa(rsa) = &*unwrapping else { return Err(Status::INVALID_KEY_TYPE) };
        let (kek, payload) =
            request.wrapped_blob.split_at_checked(OAEP_LEN).ok_or(Status::RSA_UNWRAP_INVALID_REQUEST)?;
        self.check_tag(&target)?;
        let kek = rsa.oaep_decrypt(hash, kek).map_err(|_| Status::RSA_UNWRAP_OAEP_DECODE_FAILED)?;
        let value = kwp_unwrap(&kek, payload)?;
        let key = parse(class, &value, target.usage)?;
        let pub_key = key.material.public_key()?;
        let kind = key.kind;
        let stored = self.store(ticket, &target, key, false)?;
        reply.ok(&RsaUnwrapResponse {
            key_id: stored.placed.id,
            pub_key,
            bulk_key_id: stored.placed.bulk,
            kind,
            masked_key: &stored.masked,
        })
    }

    /// Only the device's own unwrapping key unwraps.
    fn unwrapping_key(&self, id: u16) -> Result<Arc<Material>, Status> {
        let state = self.state();
        let entry = state.vault.entry(id).ok_or(Status::KEY_NOT_FOUND)?;
        if entry.owner != Owner::Internal || entry.usage != Some(Usage::Unwrap) {
            return Err(Status::INVALID_PERMISSIONS);
        }
        Ok(Arc::clone(&entry.material))
    }
}

fn class_allows(class: KeyClass, usage: Usage) -> Result<bool, Status> {
    let example = match class {
        KeyClass::RSA | KeyClass::RSA_CRT => KeyType::RSA_2K_PRIVATE,
        KeyClass::ECC => KeyType::ECC_256_PRIVATE,
        KeyClass::AES => KeyType::AES_128,
        KeyClass::AES_XTS_BULK | KeyClass::AES_GCM_BULK | KeyClass::AES_GCM_BULK_UNAPPROVED => {
            KeyType::AES_XTS_BULK_256
        }
        _ => return Err(Status::INVALID_ARG),
    };
    Ok(keys::allows(example, usage))
}

fn kwp_unwrap(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
    let mut out = Zeroizing::new(vec![0; wrapped.len()]);
    let kek_bad = |_| Status::RSA_UNWRAP_INVALID_KEK;
    let unwrapped = match kek.len() {
        16 => KwpAes128::new_from_slice(kek).map_err(kek_bad)?.unwrap_key(wrapped, &mut out).map(<[u8]>::len),
        24 => KwpAes192::new_from_slice(kek).map_err(kek_bad)?.unwrap_key(wrapped, &mut out).map(<[u8]>::len),
        32 => KwpAes256::new_from_slice(kek).map_err(kek_bad)?.unwrap_key(wrapped, &mut out).map(<[u8]>::len),
        _ => return Err(Status::RSA_UNWRAP_INVALID_KEK),
    };
    let len = unwrapped.map_err(|_| Status::RSA_UNWRAP_AES_UNWRAP_FAILED)?;
    out.truncate(len);
    Ok(out)
}

fn parse(class: KeyClass, value: &[u8], usage: Usage) -> Result<NewKey, Status> {
    let bulk = |kind| if value.len() == 32 { NewKey::symmetric(kind, value) } else { Err(Status::INVALID_ARG) };
    match class {
        KeyClass::RSA => parse_rsa(value, false),
        KeyClass::RSA_CRT => parse_rsa(value, true),
        KeyClass::ECC => parse_ecc(value, usage),
        KeyClass::AES => match value.len() {
            16 => NewKey::symmetric(KeyType::AES_128, value),
            24 => NewKey::symmetric(KeyType::AES_192, value),
            32 => NewKey::symmetric(KeyType::AES_256, value),
            _ => Err(Status::INVALID_ARG),
        },
        KeyClass::AES_XTS_BULK => bulk(KeyType::AES_XTS_BULK_256),
        KeyClass::AES_GCM_BULK => bulk(KeyType::AES_GCM_BULK_256),
        KeyClass::AES_GCM_BULK_UNAPPROVED => bulk(KeyType::AES_GCM_BULK_256_UNAPPROVED),
        _ => Err(Status::INVALID_ARG),
    }
}

/// PKCS#8, rsaEncryption with NULL parameters, two-prime RSAPrivateKey; the engine checks that the numbers fit.
fn parse_rsa(pkcs8: &[u8], crt: bool) -> Result<NewKey, Status> {
    let bad = Status::KEY_DECODE_FAILED;
    let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| bad)?;
    if info.algorithm.oid != RSA_ENCRYPTION || !info.algorithm.parameters.is_some_and(AnyRef::is_null) {
        return Err(bad);
    }
    let numbers = RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).map_err(|_| bad)?;
    if numbers.other_prime_infos.is_some() || numbers.public_exponent.as_bytes().len() > 4 {
        return Err(bad);
    }
    let n = numbers.modulus.as_bytes();
    if !matches!(n.len(), 256 | 384 | 512) || n[0] & 0x80 == 0 {
        return Err(Status::INVALID_KEY_TYPE);
    }
    let inconsistent = |_| Status::PCT_VALIDATION_RSA_UNWRAP_RSA_KEY_FAILED;
    let parts = CrtParts {
        n,
        e: numbers.public_exponent.as_bytes(),
        d: numbers.private_exponent.as_bytes(),
        p: numbers.prime1.as_bytes(),
        q: numbers.prime2.as_bytes(),
        dp: numbers.exponent1.as_bytes(),
        dq: numbers.exponent2.as_bytes(),
        q_inv: numbers.coefficient.as_bytes(),
    };
    let rsa = RsaKey::from_crt(&parts).map_err(inconsistent)?;
    if crt {
        return NewKey::rsa(rsa, true);
    }
    NewKey::rsa(RsaKey::from_exponents(n, parts.e, parts.d).map_err(inconsistent)?, false)
}

/// PKCS#8 with a named curve; the inner ECPrivateKey with its public key and without parameters.
fn parse_ecc(pkcs8: &[u8], usage: Usage) -> Result<NewKey, Status> {
    let bad = Status::KEY_DECODE_FAILED;
    let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| bad)?;
    if info.algorithm.oid != EC_PUBLIC_KEY {
        return Err(bad);
    }
    let curve = match info.algorithm.parameters_oid().map_err(|_| bad)? {
        SECP256R1 => EccCurve::P256,
        SECP384R1 => EccCurve::P384,
        SECP521R1 => EccCurve::P521,
        _ => return Err(bad),
    };
    let inner = EcPrivateKey::from_der(info.private_key.as_bytes()).map_err(|_| bad)?;
    let n = key::coordinate_len(curve).ok_or(bad)?;
    let point = inner.public_key.ok_or(bad)?;
    if inner.parameters.is_some() || inner.private_key.len() != n || point.len() != 2 * n + 1 || point[0] != 4 {
        return Err(bad);
    }
    NewKey::ec_from_parts(curve, inner.private_key, point, usage).ok_or(Status::KEY_STRUCTURAL_VALIDATION_FAILED)
}

/// The unwrapping key is RSA-2048.
const OAEP_LEN: usize = 256;
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
