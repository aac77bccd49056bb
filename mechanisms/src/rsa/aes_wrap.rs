//! `CKM_RSA_AES_KEY_WRAP`: an AES key under OAEP, then the payload under that key (RFC 5649).
//!
//! | Unwrapping key | Where the payload appears |
//! |---|---|
//! | a private key of the token | in memory: OAEP is opened in the HSM, RFC 5649 here, and the payload is imported again |
//! | the partition's own unwrapping key | in the HSM only: this is its native import (semantics 6.6) |

use std::sync::Arc;

use aes_kw::{KeyInit, KwpAes128, KwpAes192, KwpAes256};
use transport::ddi::{EccCurve, key as encoding};
use transport::partition::{Curve, FacetKind, Hash as DeviceHash, ImportedKey, Partition, WrappedClass};
use zeroize::Zeroizing;

use super::cipher;
use super::engine::{PrivateRsa, PublicRsa};
use super::{oaep, row};
use crate::ck::{KeyType, MechanismType, ObjectClass};
use crate::collected::{Collected, WholeCipher};
use crate::digest::Hash;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRequest, NewKey, Origin, PublicKey};
use crate::operation::CipherOp;
use crate::padding::oaep::Scheme;
use crate::params::{Params, Shape};
use crate::residency::{self, Birth, Home};
use crate::table::Row;
use crate::{ec, random, secret, wrapping};

/// PKCS#11 v3.2, 6.1.19.
pub(crate) const ROWS: &[Row] = &[Row {
    shape: Shape::RsaAesWrap,
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrap_inside: Some(unwrap_inside),
    wraps: &[ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY],
    ..row(MechanismType::RSA_AES_KEY_WRAP, "6.1.19")
}];

/// `CK_RSA_AES_KEY_WRAP_PARAMS`.
struct Parsed {
    aes_len: usize,
    oaep: Scheme,
}

fn parse(params: &Params) -> Result<Parsed> {
    let Params::RsaAesWrap { aes_bits, hash, mgf, source, label } = params else {
        return Err(Code::MechanismParamInvalid.into());
    };
    let aes_len = match aes_bits {
        128 => 16,
        192 => 24,
        256 => 32,
        other => return Err(Code::MechanismParamInvalid.because(format_args!("an AES key of {other} bits"))),
    };
    Ok(Parsed { aes_len, oaep: oaep::scheme(*hash, *mgf, *source, label)? })
}

struct Wrap {
    key: PublicRsa,
    aes_len: usize,
    oaep: Scheme,
}

fn wrap(params: &Params, key: &Key) -> Result<Box<dyn CipherOp>> {
    let Parsed { aes_len, oaep } = parse(params)?;
    Ok(wrapping::wrap(Collected::boxed(Wrap { key: cipher::wrapping_key(key)?, aes_len, oaep }), 1))
}

impl WholeCipher for Wrap {
    fn answer_len(&self, len: usize) -> usize {
        self.key.len().saturating_add(len.div_ceil(8).saturating_add(1).saturating_mul(8))
    }

    fn run(&self, payload: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        if payload.is_empty() || payload.len() > MAX_PAYLOAD {
            return Err(Code::DataLenRange.because(format_args!("a payload of {} bytes", payload.len())));
        }
        let mut kek = Zeroizing::new([0; 32]);
        let kek = &mut kek[..self.aes_len];
        random::fill(kek)?;
        out.reserve_exact(self.answer_len(payload.len()));
        out.extend_from_slice(&cipher::encrypted(&self.key, &self.oaep, kek)?);
        let start = out.len();
        out.resize(self.answer_len(payload.len()), 0);
        match kek.len() {
            16 => KwpAes128::new_from_slice(kek).map_err(kwp_failed)?.wrap_key(payload, &mut out[start..]),
            24 => KwpAes192::new_from_slice(kek).map_err(kwp_failed)?.wrap_key(payload, &mut out[start..]),
            _ => KwpAes256::new_from_slice(kek).map_err(kwp_failed)?.wrap_key(payload, &mut out[start..]),
        }
        .map_err(kwp_failed)?;
        Ok(())
    }
}

fn kwp_failed<E>(_: E) -> Error {
    Code::FunctionFailed.because("AES key wrap")
}

struct Unwrap {
    key: PrivateRsa,
    aes_len: usize,
    oaep: Scheme,
}

fn unwrap(params: &Params, key: &Key) -> Result<Box<dyn CipherOp>> {
    let Parsed { aes_len, oaep } = parse(params)?;
    let key = PrivateRsa::of(key, FacetKind::RsaDecrypt).map_err(cipher::of_unwrapping_key)?;
    Ok(wrapping::unwrap(Collected::boxed(Unwrap { key, aes_len, oaep })))
}

impl WholeCipher for Unwrap {
    fn answer_len(&self, len: usize) -> usize {
        len.saturating_sub(self.key.public.len() + 8)
    }

    fn is_padded(&self) -> bool {
        true
    }

    fn run(&self, wrapped: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let parts = wrapped.split_at_checked(self.key.public.len());
        let Some((oaep, kwp)) = parts.filter(|(_, kwp)| takes(kwp.len())) else {
            return Err(Code::EncryptedDataLenRange.because(format_args!("a wrapped key of {} bytes", wrapped.len())));
        };
        // Where OAEP holds no AES key, the work goes on with one that opens nothing: neither an error nor the time tells
        // that from a bad second part (Manger 2001).
        let kek = match cipher::decrypted(&self.key, &self.oaep, oaep) {
            Ok(kek) if matches!(kek.len(), 16 | 24 | 32) => Some(kek),
            Ok(_) => None,
            Err(error) if error == Code::EncryptedDataInvalid => None,
            Err(error) => return Err(error),
        };
        let mut other = Zeroizing::new(vec![0; self.aes_len]);
        random::fill(&mut other)?;
        out.resize(kwp.len(), 0);
        let opened = match kek.as_deref().unwrap_or(&other).as_slice() {
            key if key.len() == 16 => KwpAes128::new_from_slice(key).map_err(kwp_failed)?.unwrap_key(kwp, out),
            key if key.len() == 24 => KwpAes192::new_from_slice(key).map_err(kwp_failed)?.unwrap_key(kwp, out),
            key => KwpAes256::new_from_slice(key).map_err(kwp_failed)?.unwrap_key(kwp, out),
        };
        match opened.map(<[u8]>::len) {
            Ok(len) if kek.is_some() => {
                out.truncate(len);
                Ok(())
            }
            _ => Err(bad_blob()),
        }
    }
}

fn unwrap_inside(params: &Params, partition: &Arc<Partition>, wrapped: &[u8], request: &KeyRequest) -> Result<NewKey> {
    let hash = device_hash(&parse(params)?.oaep)?;
    let Some(kwp_len) = wrapped.len().checked_sub(OAEP_LEN).filter(|len| takes(*len) && *len <= MAX_BLOB - OAEP_LEN)
    else {
        return Err(Code::WrappedKeyLenRange.because(format_args!("a wrapped key of {} bytes", wrapped.len())));
    };
    let key_type = request.key_type.ok_or_else(|| Code::TemplateIncomplete.because("CKA_KEY_TYPE is missing"))?;
    let (class, home) = match (request.class, key_type) {
        (None | Some(ObjectClass::SECRET_KEY), KeyType::AES) => {
            (WrappedClass::Aes, residency::secret(key_type, aes_len(kwp_len)?, request, Birth::Imported))
        }
        (None | Some(ObjectClass::PRIVATE_KEY), KeyType::RSA) => (WrappedClass::Rsa, residency::rsa(request)),
        (None | Some(ObjectClass::PRIVATE_KEY), KeyType::EC) => (WrappedClass::Ec, residency::ec(request)),
        (class, key_type) => {
            return Err(Code::TemplateInconsistent
                .because(format_args!("the HSM imports AES, RSA and EC keys, no {class:?} of {key_type:?}")));
        }
    };
    let facets = match home {
        Home::Hsm(facets) => facets,
        Home::Clear(why) => {
            return Err(Code::TemplateInconsistent
                .because(format_args!("what the HSM unwraps stays inside, and this key would not: {why}")));
        }
    };
    let ImportedKey { key, public, value_len } =
        partition.import_wrapped(wrapped, class, hash, &facets).map_err(Error::from)?;
    match arrived(class, public.as_deref(), value_len, request) {
        Ok(public) => {
            let new = secret::in_hsm(key, partition, key_type, value_len, Origin::Imported);
            Ok(NewKey { public, ..new })
        }
        Err(error) => {
            partition.forget(&key);
            Err(error)
        }
    }
}

/// The hash as the device names it: it takes MGF1 of the same, and no label.
fn device_hash(oaep: &Scheme) -> Result<DeviceHash> {
    let bad = |what| Err(Code::MechanismParamInvalid.because(format_args!("the HSM unwraps OAEP without {what}")));
    if oaep.mgf != oaep.hash {
        return bad("two different hashes");
    }
    if !oaep.label.is_empty() {
        return bad("a label");
    }
    match oaep.hash {
        Hash::Sha1 => Ok(DeviceHash::Sha1),
        Hash::Sha256 => Ok(DeviceHash::Sha256),
        Hash::Sha384 => Ok(DeviceHash::Sha384),
        Hash::Sha512 => Ok(DeviceHash::Sha512),
        _ => bad("a hash other than SHA-1, SHA-256, SHA-384 and SHA-512"),
    }
}

/// Length of the AES key in a wrapped form of this length; the device checks that it is exactly that.
fn aes_len(kwp_len: usize) -> Result<usize> {
    match kwp_len - 8 {
        len @ (16 | 24 | 32) => Ok(len),
        _ => Err(Code::WrappedKeyLenRange.because("the second part holds no AES key of 16, 24 or 32 bytes")),
    }
}

/// The public half of what is in the device now, after a check against the template; weak keys are refused here too.
fn arrived(
    class: WrappedClass,
    public: Option<&[u8]>,
    value_len: Option<usize>,
    request: &KeyRequest,
) -> Result<Option<PublicKey>> {
    let differs = |what| Code::TemplateInconsistent.because(format_args!("the wrapped key has another {what}"));
    let broken = || Code::DeviceError.because("the HSM answered no public key that can be read");
    match class {
        WrappedClass::Aes if request.value_len.is_some() && request.value_len != value_len => Err(differs("length")),
        WrappedClass::Aes => Ok(None),
        WrappedClass::Rsa => {
            let (modulus, exponent) = public.and_then(|spki| encoding::rsa_from_spki(spki).ok()).ok_or_else(broken)?;
            let public = super::public(modulus, exponent).map_err(|error| Code::WrappedKeyInvalid.because(error))?;
            if request.modulus_bits.is_some_and(|bits| bits != modulus.len() * 8) {
                return Err(differs("length"));
            }
            Ok(Some(public))
        }
        WrappedClass::Ec => {
            let (curve, point) = public.and_then(|spki| encoding::point_from_spki(spki).ok()).ok_or_else(broken)?;
            let curve = match curve {
                EccCurve::P256 => Curve::P256,
                EccCurve::P384 => Curve::P384,
                EccCurve::P521 => Curve::P521,
                _ => return Err(broken()),
            };
            if request.curve.is_some_and(|asked| asked != curve) {
                return Err(differs("curve"));
            }
            let public = ec::public(curve, point).map_err(|_| broken())?;
            Ok(Some(public))
        }
    }
}

/// One error for whatever is wrong inside.
fn bad_blob() -> Error {
    Code::WrappedKeyInvalid.because("the wrapped key is not what it should be")
}

/// Whether RFC 5649 makes wrapped forms of this length.
fn takes(kwp_len: usize) -> bool {
    kwp_len >= 16 && kwp_len.is_multiple_of(8) && kwp_len <= MAX_PAYLOAD + 8
}

/// Longest payload: a key is shorter, and nobody may make us work for more.
const MAX_PAYLOAD: usize = 1 << 16;
/// Length of the first part for the device: its unwrapping key is RSA-2048.
const OAEP_LEN: usize = 256;
/// Longest blob that the device takes (semantics 6.6).
const MAX_BLOB: usize = 3072;

#[cfg(test)]
mod tests {
    use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrapPadded};
    use aws_lc_rs::rsa as engine;

    use super::super::tests::{private, public, spki};
    use super::*;
    use crate::key::{Material, Value};
    use crate::testing::message;

    fn params(aes_bits: u64) -> Params {
        let (hash, mgf) = (MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256);
        Params::RsaAesWrap { aes_bits, hash, mgf, source: cryptoki_sys::CKZ_DATA_SPECIFIED, label: b"label".to_vec() }
    }

    fn run(op: Box<dyn CipherOp>, data: &[u8]) -> Vec<u8> {
        let mut out = Zeroizing::default();
        op.whole(data, &mut out).unwrap();
        out.to_vec()
    }

    /// AWS-LC has both halves of the mechanism for 128 and 256 bits.
    #[test]
    fn both_ways_with_aws_lc() {
        let Material::Clear(value) = private().material else { panic!("a clear key") };
        let Value::Rsa(der) = &*value else { panic!("an RSA key") };
        let opener = engine::PrivateDecryptingKey::from_pkcs8(der).unwrap();
        let opener = engine::OaepPrivateDecryptingKey::new(opener).unwrap();
        let sealer = engine::PublicEncryptingKey::from_der(&spki()).unwrap();
        let sealer = engine::OaepPublicEncryptingKey::new(sealer).unwrap();
        let (oaep, label) = (&engine::OAEP_SHA256_MGF1SHA256, Some(&b"label"[..]));
        for (bits, algorithm) in [(128, &AES_128), (256, &AES_256)] {
            for len in [1, 7, 8, 9, 16, 24, 32, 33, 1023, 1024, 1025, 4096] {
                let payload = message(len);
                let ours = run(wrap(&params(bits), &public()).unwrap(), &payload);
                let (mut kek, mut room) = ([0; 256], vec![0; len + 16]);
                let kek = opener.decrypt(oaep, &ours[..256], &mut kek, label).unwrap();
                assert_eq!(kek.len() as u64 * 8, bits);
                let plain = AesKek::new(algorithm, kek).unwrap().unwrap_with_padding(&ours[256..], &mut room);
                assert_eq!(plain.unwrap(), payload);

                let kek = message(kek.len());
                let mut theirs = vec![0; 256 + len.next_multiple_of(8) + 8];
                let (first, second) = theirs.split_at_mut(256);
                sealer.encrypt(oaep, &kek, first, label).unwrap();
                AesKek::new(algorithm, &kek).unwrap().wrap_with_padding(&payload, second).unwrap();
                assert_eq!(run(unwrap(&params(bits), &private()).unwrap(), &theirs), payload);
            }
        }
    }

    #[test]
    fn parameters() {
        for bits in [0, 64, 127, 255, 512, u64::MAX] {
            assert_eq!(wrap(&params(bits), &public()).err().unwrap(), Code::MechanismParamInvalid);
            assert_eq!(unwrap(&params(bits), &private()).err().unwrap(), Code::MechanismParamInvalid);
        }
        assert_eq!(wrap(&Params::None, &public()).err().unwrap(), Code::MechanismParamInvalid);
        assert_eq!(unwrap(&params(256), &public()).err().unwrap(), Code::UnwrappingKeyTypeInconsistent);
    }
}
