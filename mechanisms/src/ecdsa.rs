//! ECDSA. The private step runs in the HSM, or in AWS-LC for a clear key; verification is AWS-LC's.

use std::sync::Arc;

use aws_lc_rs::signature as engine;
use p521::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use transport::partition::{Curve, HsmKey, Partition};

use crate::ck::{KeyType, MechanismType};
use crate::digest::{Hash, Message};
use crate::ec;
use crate::error::{Code, Result};
use crate::key::{Key, Material, Value};
use crate::operation::{SignOp, VerifyOp};
use crate::table::{Row, SignInit, VerifyInit};

/// PKCS#11 v3.2, 6.3.12 and 6.3.13.
pub(crate) const ROWS: &[Row] = &[
    row(MechanismType::ECDSA, "6.3.12", |_, key| sign(key, None), |_, key| verify(key, None)),
    row(
        MechanismType::ECDSA_SHA1,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha1)),
        |_, key| verify(key, Some(Hash::Sha1)),
    ),
    row(
        MechanismType::ECDSA_SHA224,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha224)),
        |_, key| verify(key, Some(Hash::Sha224)),
    ),
    row(
        MechanismType::ECDSA_SHA256,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha256)),
        |_, key| verify(key, Some(Hash::Sha256)),
    ),
    row(
        MechanismType::ECDSA_SHA384,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha384)),
        |_, key| verify(key, Some(Hash::Sha384)),
    ),
    row(
        MechanismType::ECDSA_SHA512,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha512)),
        |_, key| verify(key, Some(Hash::Sha512)),
    ),
    row(
        MechanismType::ECDSA_SHA3_224,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha3_224)),
        |_, key| verify(key, Some(Hash::Sha3_224)),
    ),
    row(
        MechanismType::ECDSA_SHA3_256,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha3_256)),
        |_, key| verify(key, Some(Hash::Sha3_256)),
    ),
    row(
        MechanismType::ECDSA_SHA3_384,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha3_384)),
        |_, key| verify(key, Some(Hash::Sha3_384)),
    ),
    row(
        MechanismType::ECDSA_SHA3_512,
        "6.3.13",
        |_, key| sign(key, Some(Hash::Sha3_512)),
        |_, key| verify(key, Some(Hash::Sha3_512)),
    ),
];

const fn row(kind: MechanismType, section: &'static str, sign: SignInit, verify: VerifyInit) -> Row {
    Row {
        section,
        keys: &[KeyType::EC],
        min_size: 256,
        max_size: 521,
        hardware: true,
        sign: Some(sign),
        verify: Some(verify),
        ..Row::none(kind)
    }
}

/// `CKM_ECDSA` takes a digest; longer data is cut, so there is a bound to what is worth collecting.
const RAW_LIMIT: usize = 4096;

struct Signing {
    curve: Curve,
    signer: Signer,
    message: Message,
}

enum Signer {
    Hsm(Arc<HsmKey>, Arc<Partition>),
    Clear(Arc<Value>),
}

fn sign(key: &Key, hash: Option<Hash>) -> Result<Box<dyn SignOp>> {
    let (curve, _) = ec::public_half(key)?;
    let signer = match &key.material {
        Material::Hsm(key, partition) => Signer::Hsm(Arc::clone(key), Arc::clone(partition)),
        Material::Clear(value) => Signer::Clear(Arc::clone(value)),
        Material::Public(_) => return Err(Code::KeyTypeInconsistent.because("signing needs a private key")),
    };
    Ok(Box::new(Signing { curve, signer, message: Message::new(hash, RAW_LIMIT) }))
}

impl SignOp for Signing {
    fn signature_len(&self) -> usize {
        2 * self.curve.len()
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.message.update(part)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        let digest = self.message.finish();
        let cut = cut(self.curve, &digest)?;
        let signature = match &self.signer {
            // Whether the device would cut or reduce more is documented nowhere (semantics 6.7).
            Signer::Hsm(..) if cut.len() > engine_len(self.curve) => {
                return Err(Code::DataLenRange.because("the HSM signs digests of at most 64 bytes"));
            }
            Signer::Hsm(key, partition) => partition.ecc_sign(key, &cut)?,
            Signer::Clear(value) => sign_clear(self.curve, value, &cut)?,
        };
        if signature.len() == 2 * self.curve.len() {
            Ok(signature)
        } else {
            Err(Code::DeviceError.because(format_args!("a signature of {} bytes", signature.len())))
        }
    }
}

/// The leftmost bits of a digest that ECDSA uses, as an integer in big-endian bytes (FIPS 186-5, 6.4.1). Only P-521's
/// order is no whole number of bytes: of 66 bytes the last 7 bits go.
fn cut(curve: Curve, digest: &[u8]) -> Result<Vec<u8>> {
    if digest.is_empty() {
        return Err(Code::DataLenRange.because("no data to sign"));
    }
    let mut cut = digest[..digest.len().min(curve.len())].to_vec();
    if curve == Curve::P521 && cut.len() == curve.len() {
        let mut carry = 0;
        for byte in &mut cut {
            let shifted = (*byte >> 7) | carry;
            carry = *byte << 1;
            *byte = shifted;
        }
    }
    Ok(cut)
}

/// The digest that AWS-LC's one hash per curve has; a shorter one is the same integer with zeros in front.
const fn engine_len(curve: Curve) -> usize {
    match curve {
        Curve::P256 => 32,
        Curve::P384 => 48,
        Curve::P521 => 64,
    }
}

fn engine_digest(curve: Curve, cut: &[u8]) -> Option<aws_lc_rs::digest::Digest> {
    let mut padded = [0; 64];
    let padded = &mut padded[..engine_len(curve)];
    let start = padded.len().checked_sub(cut.len())?;
    padded[start..].copy_from_slice(cut);
    let hash = match curve {
        Curve::P256 => Hash::Sha256,
        Curve::P384 => Hash::Sha384,
        Curve::P521 => Hash::Sha512,
    };
    aws_lc_rs::digest::Digest::import_less_safe(padded, hash.engine()?).ok()
}

fn sign_clear(curve: Curve, value: &Value, cut: &[u8]) -> Result<Vec<u8>> {
    let Value::Ec(_, der) = value else { return Err(Code::KeyTypeInconsistent.into()) };
    let Some(digest) = engine_digest(curve, cut) else { return sign_p521_long(value, cut) };
    let algorithm = match curve {
        Curve::P256 => &engine::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &engine::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &engine::ECDSA_P521_SHA512_FIXED_SIGNING,
    };
    let pair = engine::EcdsaKeyPair::from_pkcs8(algorithm, der)
        .map_err(|why| Code::GeneralError.because(format_args!("a stored EC key: {why}")))?;
    let signature = pair.sign_digest(&digest).map_err(|_| Code::FunctionFailed.because("ECDSA failed"))?;
    Ok(signature.as_ref().to_vec())
}

/// More than 512 bits on P-521, which AWS-LC's safe interface does not take.
fn sign_p521_long(value: &Value, cut: &[u8]) -> Result<Vec<u8>> {
    let failed = |_| Code::FunctionFailed.because("ECDSA failed");
    let key = p521::ecdsa::SigningKey::from_slice(&ec::scalar(value)?).map_err(failed)?;
    let signature: p521::ecdsa::Signature = key.sign_prehash(cut).map_err(failed)?;
    Ok(signature.to_bytes().to_vec())
}

struct Verifying {
    curve: Curve,
    point: Vec<u8>,
    message: Message,
}

fn verify(key: &Key, hash: Option<Hash>) -> Result<Box<dyn VerifyOp>> {
    let (curve, point) = ec::public_half(key)?;
    Ok(Box::new(Verifying { curve, point, message: Message::new(hash, RAW_LIMIT) }))
}

impl VerifyOp for Verifying {
    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.message.update(part)
    }

    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()> {
        let signature = full_length(self.curve, signature)?;
        check(self.curve, &self.point, &cut(self.curve, &self.message.finish())?, &signature)
    }
}

/// `r || s` at the curve's length: both may come shortened to the same length (PKCS#11 v3.2, 6.3.1).
fn full_length(curve: Curve, signature: &[u8]) -> Result<Vec<u8>> {
    let (len, half) = (curve.len(), signature.len() / 2);
    if signature.is_empty() || !signature.len().is_multiple_of(2) || half > len {
        return Err(Code::SignatureLenRange.because(format_args!("a signature of {} bytes", signature.len())));
    }
    let mut full = vec![0; 2 * len];
    full[len - half..len].copy_from_slice(&signature[..half]);
    full[2 * len - half..].copy_from_slice(&signature[half..]);
    Ok(full)
}

/// Checks `r || s` over a digest that is already cut.
fn check(curve: Curve, point: &[u8], cut: &[u8], signature: &[u8]) -> Result<()> {
    let good = if let Some(digest) = engine_digest(curve, cut) {
        let algorithm: &'static dyn engine::VerificationAlgorithm = match curve {
            Curve::P256 => &engine::ECDSA_P256_SHA256_FIXED,
            Curve::P384 => &engine::ECDSA_P384_SHA384_FIXED,
            Curve::P521 => &engine::ECDSA_P521_SHA512_FIXED,
        };
        engine::UnparsedPublicKey::new(algorithm, point).verify_digest(&digest, signature).is_ok()
    } else {
        let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point);
        let signature = p521::ecdsa::Signature::from_slice(signature);
        matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_prehash(cut, &signature).is_ok())
    };
    if good { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{PublicKey, Value};
    use crate::params::Params;
    use crate::table::row;
    use crate::testing::hex;

    fn pair(curve: Curve) -> (Key, Key) {
        let value = ec::generate_value(curve).unwrap();
        let public = Arc::new(value.public().unwrap());
        let key = |material| Key { key_type: KeyType::EC, material, public: None };
        (key(Material::Clear(Arc::new(value))), key(Material::Public(public)))
    }

    fn signature(kind: MechanismType, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
        row(kind).unwrap().sign.unwrap()(&Params::None, key)?.sign(message)
    }

    fn verified(kind: MechanismType, key: &Key, message: &[u8], signature: &[u8]) -> Result<()> {
        row(kind).unwrap().verify.unwrap()(&Params::None, key)?.verify(message, signature)
    }

    /// The second opinion of a signature over a prehash.
    fn second_opinion(key: &Key, prehash: &[u8], signature: &[u8]) -> bool {
        let (curve, point) = ec::public_half(key).unwrap();
        match curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                .unwrap()
                .verify_prehash(prehash, &p256::ecdsa::Signature::from_slice(signature).unwrap())
                .is_ok(),
            Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                .unwrap()
                .verify_prehash(prehash, &p384::ecdsa::Signature::from_slice(signature).unwrap())
                .is_ok(),
            Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                .unwrap()
                .verify_prehash(prehash, &p521::ecdsa::Signature::from_slice(signature).unwrap())
                .is_ok(),
        }
    }

    #[test]
    fn every_hash_on_every_curve() {
        let hashes = [
            (MechanismType::ECDSA_SHA1, Hash::Sha1),
            (MechanismType::ECDSA_SHA224, Hash::Sha224),
            (MechanismType::ECDSA_SHA256, Hash::Sha256),
            (MechanismType::ECDSA_SHA384, Hash::Sha384),
            (MechanismType::ECDSA_SHA512, Hash::Sha512),
            (MechanismType::ECDSA_SHA3_224, Hash::Sha3_224),
            (MechanismType::ECDSA_SHA3_256, Hash::Sha3_256),
            (MechanismType::ECDSA_SHA3_384, Hash::Sha3_384),
            (MechanismType::ECDSA_SHA3_512, Hash::Sha3_512),
        ];
        for curve in ec::CURVES {
            let (private, public) = pair(curve);
            for (kind, hash) in hashes {
                let made = signature(kind, &private, b"message").unwrap();
                assert_eq!(made.len(), 2 * curve.len());
                verified(kind, &public, b"message", &made).unwrap();
                verified(MechanismType::ECDSA, &public, &hash.digest(b"message"), &made).unwrap();
                assert!(second_opinion(&public, &hash.digest(b"message"), &made), "{curve:?} {hash:?}");
                assert_eq!(verified(kind, &public, b"messagf", &made).unwrap_err(), Code::SignatureInvalid);
            }
        }
    }

    #[test]
    fn raw_data_of_any_length_is_cut_to_the_order() {
        for curve in ec::CURVES {
            let (private, public) = pair(curve);
            for len in [1, 20, 31, 32, 33, 48, 64, 65, 66, 67, 100] {
                let data = vec![0xf7; len];
                let made = signature(MechanismType::ECDSA, &private, &data).unwrap();
                verified(MechanismType::ECDSA, &public, &data, &made).unwrap();
                if len > curve.len() {
                    verified(MechanismType::ECDSA, &public, &data[..curve.len()], &made).unwrap();
                }
                if len <= curve.len() {
                    let code = verified(MechanismType::ECDSA, &public, &[&data[..], &[1]].concat(), &made);
                    assert_eq!(code.is_ok(), len == curve.len(), "{curve:?} {len}");
                }
            }
        }
    }

    #[test]
    fn p521_uses_the_leftmost_521_bits() {
        let (private, public) = pair(Curve::P521);
        let mut data = vec![0x5a; 66];
        let made = signature(MechanismType::ECDSA, &private, &data).unwrap();
        data[65] ^= 0x7f; // the last seven bits do not count
        verified(MechanismType::ECDSA, &public, &data, &made).unwrap();
        data[65] ^= 0x80;
        assert_eq!(verified(MechanismType::ECDSA, &public, &data, &made).unwrap_err(), Code::SignatureInvalid);
    }

    #[test]
    fn misuse() {
        let (private, public) = pair(Curve::P256);
        assert_eq!(signature(MechanismType::ECDSA, &private, b"").unwrap_err(), Code::DataLenRange);
        assert_eq!(signature(MechanismType::ECDSA, &public, b"x").unwrap_err(), Code::KeyTypeInconsistent);
        let made = signature(MechanismType::ECDSA, &private, b"x").unwrap();
        for bad in [&made[..63], &[&made[..], &[0]].concat(), &[&made[..], &[0, 0]].concat(), &[]] {
            assert_eq!(verified(MechanismType::ECDSA, &public, b"x", bad).unwrap_err(), Code::SignatureLenRange);
        }
        for bad in [vec![0; 64], vec![0xff; 64], vec![1; 62], vec![0; 2]] {
            assert_eq!(verified(MechanismType::ECDSA, &public, b"x", &bad).unwrap_err(), Code::SignatureInvalid);
        }
        let too_much = vec![1; RAW_LIMIT + 1];
        assert_eq!(signature(MechanismType::ECDSA, &private, &too_much).unwrap_err(), Code::DataLenRange);
    }

    /// RFC 6979, A.2.5: the key and the signature over "sample" with SHA-256.
    #[test]
    fn known_signature_verifies() {
        let scalar = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let made = hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
        let value: Value = ec::private_from_scalar(Curve::P256, &scalar).unwrap();
        let public: PublicKey = value.public().unwrap();
        let key = Key { key_type: KeyType::EC, material: Material::Public(Arc::new(public)), public: None };
        verified(MechanismType::ECDSA_SHA256, &key, b"sample", &made).unwrap();
    }

    /// 6.3.1: a signature may have a shorter length where both numbers have zeros in front.
    #[test]
    fn shortened_signatures() {
        let (private, public) = pair(Curve::P521);
        // The order of P-521 has 521 bits: one signature in four has both first bytes zero.
        let made = (0..1000)
            .map(|_| signature(MechanismType::ECDSA, &private, b"x").unwrap())
            .find(|made| made[0] == 0 && made[66] == 0)
            .unwrap();
        let short = [&made[1..66], &made[67..]].concat();
        verified(MechanismType::ECDSA, &public, b"x", &short).unwrap();
        assert_eq!(full_length(Curve::P521, &short).unwrap(), made);
    }
}
