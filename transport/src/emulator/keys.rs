//! Key values: parsed once into what the engine works with, and as the plaintext of a masked blob (semantics 5.1, 7.3).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptingKey, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair,
};
use zeroize::Zeroizing;

use super::raw::{DeviceCrt, RsaKey};
use crate::ddi::{DerPublicKey, EccCurve, KeyType, Status, Usage, key};

/// A key, ready for the engine. `Send + Sync`: nothing changes after construction.
#[expect(clippy::large_enum_variant, reason = "it lives behind an `Arc`, one each")]
pub(crate) enum Material {
    /// An entry that only takes room: session, masking key, ceremony key.
    Internal,
    /// AES-CBC.
    Aes { encrypting: EncryptingKey, decrypting: DecryptingKey },
    /// AES-256-GCM.
    Gcm(LessSafeKey),
    /// Half of an XTS key.
    Xts(Zeroizing<[u8; 32]>),
    /// ECDSA.
    EcSign(EcPublic, EcdsaKeyPair),
    /// ECDH.
    EcDerive(EcPublic, agreement::PrivateKey),
    /// RSA private operation.
    Rsa(RsaKey),
    /// ECDH result: the bytes that enter a KDF.
    Secret(Zeroizing<Vec<u8>>),
    /// HMAC.
    Hmac(hmac::Key),
}

/// The public half of an EC key.
#[derive(Clone)]
pub(crate) struct EcPublic {
    /// Its curve.
    pub(crate) curve: EccCurve,
    /// Uncompressed point.
    pub(crate) point: Vec<u8>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Internal => "Internal",
            Self::Aes { .. } => "Aes",
            Self::Gcm(_) => "Gcm",
            Self::Xts(_) => "Xts",
            Self::EcSign(..) => "EcSign",
            Self::EcDerive(..) => "EcDerive",
            Self::Rsa(_) => "Rsa",
            Self::Secret(_) => "Secret",
            Self::Hmac(_) => "Hmac",
        })
    }
}

impl Material {
    /// The public half, as it goes into an answer.
    pub(crate) fn public_key(&self) -> Result<Option<DerPublicKey<'static>>, Status> {
        let (der, key_kind) = match self {
            Self::EcSign(public, _) | Self::EcDerive(public, _) => (
                key::spki_from_point(public.curve, &public.point).map_err(|_| Status::ECC_TO_DER_ERROR)?,
                key::public_key_type(public.curve).ok_or(Status::ECC_GET_CURVE_ERROR)?,
            ),
            Self::Rsa(rsa) => (
                key::spki_from_rsa(rsa.modulus(), &rsa.exponent()).map_err(|_| Status::RSA_TO_DER_ERROR)?,
                match rsa.modulus().len() {
                    256 => KeyType::RSA_2K_PUBLIC,
                    384 => KeyType::RSA_3K_PUBLIC,
                    _ => KeyType::RSA_4K_PUBLIC,
                },
            ),
            _ => return Ok(None),
        };
        Ok(Some(DerPublicKey { der: der.into(), key_kind }))
    }
}

/// A key that is about to enter the vault.
#[derive(Debug)]
pub(crate) struct NewKey {
    /// What it is.
    pub(crate) kind: KeyType,
    /// Ready for the engine.
    pub(crate) material: Material,
    /// Plaintext of its masked blob.
    pub(crate) plain: Zeroizing<Vec<u8>>,
    /// Bytes that it takes in a table.
    pub(crate) raw: usize,
}

impl NewKey {
    /// A symmetric key of a kind with fixed length, or of a variable HMAC kind. `bytes` is its value.
    pub(crate) fn symmetric(kind: KeyType, bytes: &[u8]) -> Result<Self, Status> {
        let bad = Status::INVALID_KEY_LENGTH;
        if !fixed_len(kind)
            .map_or_else(|| variable_range(kind).is_some_and(|r| r.contains(&bytes.len())), |n| n == bytes.len())
        {
            return Err(bad);
        }
        let material = match kind {
            KeyType::AES_128 | KeyType::AES_192 | KeyType::AES_256 => aes(bytes)?,
            KeyType::AES_GCM_BULK_256 | KeyType::AES_GCM_BULK_256_UNAPPROVED => {
                Material::Gcm(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| bad)?))
            }
            KeyType::AES_XTS_BULK_256 => Material::Xts(Zeroizing::new(bytes.try_into().map_err(|_| bad)?)),
            KeyType::SECRET_256 | KeyType::SECRET_384 => Material::Secret(Zeroizing::new(bytes.to_vec())),
            KeyType::SECRET_521 => Material::Secret(Zeroizing::new(bytes[..66].to_vec())),
            _ => Material::Hmac(hmac::Key::new(hmac_kind(kind).ok_or(Status::INVALID_KEY_TYPE)?, bytes)),
        };
        let raw = if super::vault::is_bulk(kind) { BULK_RAW } else { bytes.len() };
        Ok(Self { kind, material, plain: Zeroizing::new(bytes.to_vec()), raw })
    }

    /// A new EC key pair for signing or derivation.
    pub(crate) fn ec_generate(curve: EccCurve, usage: Usage) -> Result<Self, Status> {
        let failed = Status::ECC_GENERATE_ERROR;
        if usage == Usage::Derive {
            let pair = agreement::PrivateKey::generate(ecdh(curve)?).map_err(|_| failed)?;
            let scalar: EcPrivateKeyBin<'_> = pair.as_be_bytes().map_err(|_| failed)?;
            let point = pair.compute_public_key().map_err(|_| failed)?.as_ref().to_vec();
            return Self::ec(curve, scalar.as_ref(), &point, |public| Material::EcDerive(public, pair));
        }
        let pair = EcdsaKeyPair::generate(ecdsa(curve)?).map_err(|_| failed)?;
        let scalar = pair.private_key().as_be_bytes().map_err(|_| failed)?;
        let point = pair.public_key().as_ref().to_vec();
        Self::ec(curve, scalar.as_ref(), &point, |public| Material::EcSign(public, pair))
    }

    /// The EC key of a scalar and its point; `None` if they are out of range or do not belong together.
    pub(crate) fn ec_from_parts(curve: EccCurve, scalar: &[u8], point: &[u8], usage: Usage) -> Option<Self> {
        if usage == Usage::Derive {
            let pair = agreement::PrivateKey::from_private_key(ecdh(curve).ok()?, scalar).ok()?;
            if pair.compute_public_key().ok()?.as_ref() != point {
                return None;
            }
            return Self::ec(curve, scalar, point, |public| Material::EcDerive(public, pair)).ok();
        }
        let pair = EcdsaKeyPair::from_private_key_and_public_key(ecdsa(curve).ok()?, scalar, point).ok()?;
        Self::ec(curve, scalar, point, |public| Material::EcSign(public, pair)).ok()
    }

    fn ec(
        curve: EccCurve,
        scalar: &[u8],
        point: &[u8],
        material: impl FnOnce(EcPublic) -> Material,
    ) -> Result<Self, Status> {
        let kind = private_kind(curve)?;
        let wide = fixed_len(kind).ok_or(Status::ECC_GET_CURVE_ERROR)?;
        let coordinate = (point.len() - 1) / 2;
        let mut plain = Zeroizing::new(vec![0; 3 * wide]);
        for (to, from) in plain.chunks_mut(wide).zip([scalar, &point[1..=coordinate], &point[1 + coordinate..]]) {
            reverse(from, to);
        }
        Ok(Self { kind, material: material(EcPublic { curve, point: point.to_vec() }), plain, raw: wide })
    }

    /// An RSA key, with its CRT values or without.
    pub(crate) fn rsa(key: RsaKey, crt: bool) -> Result<Self, Status> {
        let modulus = key.modulus().len();
        let kind = match (modulus, crt) {
            (256, false) => KeyType::RSA_2K_PRIVATE,
            (384, false) => KeyType::RSA_3K_PRIVATE,
            (512, false) => KeyType::RSA_4K_PRIVATE,
            (256, true) => KeyType::RSA_2K_PRIVATE_CRT,
            (384, true) => KeyType::RSA_3K_PRIVATE_CRT,
            (512, true) => KeyType::RSA_4K_PRIVATE_CRT,
            _ => return Err(Status::RSA_INVALID_KEY_LENGTH),
        };
        let failed = |_| Status::INTERNAL_ERROR;
        let exponent = key.exponent();
        let mut plain = Zeroizing::new(Vec::with_capacity(fixed_len(kind).unwrap_or_default()));
        let mut push = |number: &[u8]| plain.extend(number.iter().rev());
        if crt {
            let [p, q, dp, dq, n1q, n2p] = key.device_crt().map_err(failed)?;
            [&p[..], &q, &dp, &dq, key.modulus(), &n1q, &n2p, &exponent].into_iter().for_each(&mut push);
        } else {
            let d = key.private_exponent().map_err(failed)?;
            [&d[..], key.modulus(), &exponent].into_iter().for_each(&mut push);
        }
        let raw = plain.len();
        Ok(Self { kind, material: Material::Rsa(key), plain, raw })
    }

    /// The key of a masked blob's plaintext; `None` if it cannot be one.
    pub(crate) fn from_plain(kind: KeyType, usage: Usage, variable_len: usize, plain: &[u8]) -> Option<Self> {
        if let Some(curve) = key::curve_of(kind) {
            let wide = fixed_len(kind)?;
            let n = key::coordinate_len(curve)?;
            let natural = |index: usize| {
                let part = plain.get(index * wide..index * wide + n)?;
                Some(Zeroizing::new(part.iter().rev().copied().collect::<Vec<u8>>()))
            };
            let point = [&[4], &natural(1)?[..], &natural(2)?[..]].concat();
            return Self::ec_from_parts(curve, &natural(0)?, &point, usage);
        }
        if let Some(n) = key::modulus_len(kind) {
            let numbers = Zeroizing::new(plain.get(..fixed_len(kind)?)?.iter().rev().copied().collect::<Vec<u8>>());
            return Self::rsa_from_numbers(&numbers, n, is_crt(kind));
        }
        let len = fixed_len(kind).unwrap_or(variable_len);
        Self::symmetric(kind, plain.get(..len)?).ok()
    }

    /// The numbers of a blob's plaintext in reverse order, and so big-endian each: `e, n, d` or
    /// `e, n2p, n1q, n, dq, dp, q, p`.
    fn rsa_from_numbers(numbers: &[u8], n: usize, crt: bool) -> Option<Self> {
        let (e, rest) = numbers.split_at_checked(4)?;
        let key = if crt {
            let (n1q, rest) = rest.get(n..)?.split_at_checked(n)?;
            let (modulus, halves) = rest.split_at_checked(n)?;
            let mut half = halves.chunks_exact(n / 2);
            let [dq, dp, q, p] = [half.next()?, half.next()?, half.next()?, half.next()?];
            RsaKey::from_device_crt(&DeviceCrt { p, q, dp, dq, n: modulus, n1q, e })
        } else {
            let (modulus, d) = rest.split_at_checked(n)?;
            RsaKey::from_exponents(modulus, e, d)
        };
        Self::rsa(key.ok()?, crt).ok()
    }

    /// `key_length` of the blob's metadata: the private part's raw size; 2 for bulk keys (semantics 7.2).
    pub(crate) fn key_length(&self) -> u16 {
        u16::try_from(self.raw).expect("at most 2564 bytes")
    }
}

/// ECDSA with the hash whose length is nearest to the curve's.
fn ecdsa(curve: EccCurve) -> Result<&'static EcdsaSigningAlgorithm, Status> {
    match curve {
        EccCurve::P256 => Ok(&ECDSA_P256_SHA256_FIXED_SIGNING),
        EccCurve::P384 => Ok(&ECDSA_P384_SHA384_FIXED_SIGNING),
        EccCurve::P521 => Ok(&ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => Err(Status::INVALID_ARG),
    }
}

/// ECDH on a curve.
pub(crate) fn ecdh(curve: EccCurve) -> Result<&'static agreement::Algorithm, Status> {
    match curve {
        EccCurve::P256 => Ok(&ECDH_P256),
        EccCurve::P384 => Ok(&ECDH_P384),
        EccCurve::P521 => Ok(&ECDH_P521),
        _ => Err(Status::INVALID_ARG),
    }
}

fn private_kind(curve: EccCurve) -> Result<KeyType, Status> {
    match curve {
        EccCurve::P256 => Ok(KeyType::ECC_256_PRIVATE),
        EccCurve::P384 => Ok(KeyType::ECC_384_PRIVATE),
        EccCurve::P521 => Ok(KeyType::ECC_521_PRIVATE),
        _ => Err(Status::INVALID_ARG),
    }
}

fn aes(bytes: &[u8]) -> Result<Material, Status> {
    let algorithm = match bytes.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let unbound = || UnboundCipherKey::new(algorithm, bytes);
    let keys = unbound().and_then(EncryptingKey::cbc).and_then(|e| Ok((e, unbound().and_then(DecryptingKey::cbc)?)));
    let (encrypting, decrypting) = keys.map_err(|_| Status::AES_INVALID_KEY_LENGTH)?;
    Ok(Material::Aes { encrypting, decrypting })
}

fn hmac_kind(kind: KeyType) -> Option<hmac::Algorithm> {
    match kind {
        KeyType::HMAC_SHA256 | KeyType::VAR_HMAC_256 => Some(hmac::HMAC_SHA256),
        KeyType::HMAC_SHA384 | KeyType::VAR_HMAC_384 => Some(hmac::HMAC_SHA384),
        KeyType::HMAC_SHA512 | KeyType::VAR_HMAC_512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// Raw bytes of a kind's private part; `None` for variable HMAC. Bulk keys: of their value.
pub(crate) fn fixed_len(kind: KeyType) -> Option<usize> {
    match kind {
        KeyType::AES_128 => Some(16),
        KeyType::AES_192 => Some(24),
        KeyType::AES_256
        | KeyType::AES_XTS_BULK_256
        | KeyType::AES_GCM_BULK_256
        | KeyType::AES_GCM_BULK_256_UNAPPROVED
        | KeyType::SECRET_256
        | KeyType::ECC_256_PRIVATE
        | KeyType::HMAC_SHA256 => Some(32),
        KeyType::SECRET_384 | KeyType::ECC_384_PRIVATE | KeyType::HMAC_SHA384 => Some(48),
        KeyType::HMAC_SHA512 => Some(64),
        KeyType::SECRET_521 | KeyType::ECC_521_PRIVATE => Some(68),
        KeyType::RSA_2K_PRIVATE => Some(516),
        KeyType::RSA_3K_PRIVATE => Some(772),
        KeyType::RSA_4K_PRIVATE => Some(1028),
        KeyType::RSA_2K_PRIVATE_CRT => Some(1284),
        KeyType::RSA_3K_PRIVATE_CRT => Some(1924),
        KeyType::RSA_4K_PRIVATE_CRT => Some(2564),
        _ => None,
    }
}

/// Lengths of a variable HMAC kind (semantics 5.1).
pub(crate) fn variable_range(kind: KeyType) -> Option<std::ops::RangeInclusive<usize>> {
    match kind {
        KeyType::VAR_HMAC_256 => Some(32..=64),
        KeyType::VAR_HMAC_384 => Some(48..=128),
        KeyType::VAR_HMAC_512 => Some(64..=128),
        _ => None,
    }
}

/// Whether this usage group is allowed for a kind (semantics 5.3).
pub(crate) fn allows(kind: KeyType, usage: Usage) -> bool {
    match usage {
        Usage::EncryptDecrypt => is_rsa(kind) || is_aes(kind) || super::vault::is_bulk(kind),
        Usage::SignVerify => is_rsa(kind) || is_ecc(kind) || is_hmac(kind),
        Usage::Derive => is_ecc(kind) || is_secret(kind) || is_hmac(kind),
        Usage::Unwrap => false,
    }
}

/// RSA private keys.
pub(crate) fn is_rsa(kind: KeyType) -> bool {
    (KeyType::RSA_2K_PRIVATE..=KeyType::RSA_4K_PRIVATE_CRT).contains(&kind)
}

/// RSA private keys with CRT values.
pub(crate) fn is_crt(kind: KeyType) -> bool {
    (KeyType::RSA_2K_PRIVATE_CRT..=KeyType::RSA_4K_PRIVATE_CRT).contains(&kind)
}

/// EC private keys.
pub(crate) fn is_ecc(kind: KeyType) -> bool {
    (KeyType::ECC_256_PRIVATE..=KeyType::ECC_521_PRIVATE).contains(&kind)
}

/// AES keys of the CBC command.
pub(crate) fn is_aes(kind: KeyType) -> bool {
    (KeyType::AES_128..=KeyType::AES_256).contains(&kind)
}

/// ECDH results.
pub(crate) fn is_secret(kind: KeyType) -> bool {
    (KeyType::SECRET_256..=KeyType::SECRET_521).contains(&kind)
}

/// HMAC keys, of fixed and variable length.
pub(crate) fn is_hmac(kind: KeyType) -> bool {
    hmac_kind(kind).is_some()
}

fn reverse(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
}

/// A bulk key's entry holds its index only (semantics 5.1).
const BULK_RAW: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_22_plaintexts_have_the_sizes_of_section_7_3_and_come_back() {
        let rsa = RsaKey::generate(2048).unwrap();
        let again = RsaKey::from_exponents(rsa.modulus(), &rsa.exponent(), &rsa.private_exponent().unwrap()).unwrap();
        let cases = [
            (NewKey::symmetric(KeyType::AES_192, &[1; 24]).unwrap(), Usage::EncryptDecrypt, 24, 24),
            (NewKey::symmetric(KeyType::AES_GCM_BULK_256, &[1; 32]).unwrap(), Usage::EncryptDecrypt, 32, 2),
            (NewKey::symmetric(KeyType::SECRET_521, &[1; 68]).unwrap(), Usage::Derive, 68, 68),
            (NewKey::symmetric(KeyType::VAR_HMAC_384, &[1; 77]).unwrap(), Usage::SignVerify, 77, 77),
            (NewKey::ec_generate(EccCurve::P256, Usage::SignVerify).unwrap(), Usage::SignVerify, 96, 32),
            (NewKey::ec_generate(EccCurve::P384, Usage::Derive).unwrap(), Usage::Derive, 144, 48),
            (NewKey::ec_generate(EccCurve::P521, Usage::SignVerify).unwrap(), Usage::SignVerify, 204, 68),
            (NewKey::rsa(again, false).unwrap(), Usage::SignVerify, 516, 516),
            (NewKey::rsa(rsa, true).unwrap(), Usage::SignVerify, 1284, 1284),
        ];
        for (key, usage, plain, key_length) in cases {
            assert_eq!((key.plain.len(), usize::from(key.key_length())), (plain, key_length), "{key:?}");
            let padded = [&key.plain[..], &[0; 16]].concat();
            let again = NewKey::from_plain(key.kind, usage, plain, &padded).unwrap();
            assert_eq!((again.kind, &again.plain), (key.kind, &key.plain));
            let spki = |key: &NewKey| key.material.public_key().unwrap();
            assert_eq!(spki(&again), spki(&key));
        }
    }

    #[test]
    fn a_point_of_another_key_is_refused() {
        let a = NewKey::ec_generate(EccCurve::P256, Usage::SignVerify).unwrap();
        let mut b = NewKey::ec_generate(EccCurve::P256, Usage::SignVerify).unwrap();
        b.plain[..32].copy_from_slice(&a.plain[..32]);
        for usage in [Usage::SignVerify, Usage::Derive] {
            assert!(NewKey::from_plain(KeyType::ECC_256_PRIVATE, usage, 0, &b.plain).is_none());
        }
    }
}
