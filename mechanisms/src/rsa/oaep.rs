//! `CKM_RSA_PKCS_OAEP`.

use zeroize::Zeroizing;

use super::cipher::{self, Pad, Unpad};
use super::engine::PublicRsa;
use super::{encapsulate, row};
use crate::ck::{MechanismType, ObjectClass};
use crate::digest::Hash;
use crate::error::{Code, Result};
use crate::padding::oaep::Scheme;
use crate::params::{Params, Shape};
use crate::table::{Encapsulate, Row};

/// PKCS#11 v3.2, 6.1.8.
pub(crate) const ROWS: &[Row] = &[Row {
    shape: Shape::Oaep,
    encrypt: Some(|params, key| cipher::encrypt(key, parse(params)?)),
    decrypt: Some(|params, key| cipher::decrypt(key, |_| parse(params))),
    wrap: Some(|params, key| cipher::wrap(key, parse(params)?)),
    unwrap: Some(|params, key| cipher::unwrap(key, |_| parse(params))),
    wraps: &[ObjectClass::SECRET_KEY],
    encapsulate: Some(Encapsulate {
        ciphertext_len: |params, public| {
            parse(params)?;
            encapsulate::ciphertext_len(public)
        },
        run: |from| encapsulate::encapsulate(from, &parse(from.params)?),
    }),
    decapsulate: Some(|from, ciphertext| encapsulate::decapsulate(from, ciphertext, |_| parse(from.params))),
    ..row(MechanismType::RSA_PKCS_OAEP, "6.1.8")
}];

fn parse(params: &Params) -> Result<Scheme> {
    let Params::Oaep { hash, mgf, source, label } = params else { return Err(Code::MechanismParamInvalid.into()) };
    scheme(*hash, *mgf, *source, label)
}

/// The two hashes may differ: Java's `OAEPWithSHA-256AndMGF1Padding` masks with SHA-1.
pub(crate) fn scheme(hash: MechanismType, mgf: u64, source: u64, label: &[u8]) -> Result<Scheme> {
    let bad = |what: String| Code::MechanismParamInvalid.because(what);
    let scheme = Scheme {
        hash: Hash::of(hash).ok_or_else(|| bad(format!("OAEP with {hash:?}")))?,
        mgf: Hash::of_mgf(mgf).ok_or_else(|| bad(format!("OAEP with mgf {mgf:#x}")))?,
        label: label.to_vec(),
    };
    // Zero is no source, and what callers leave there who have no label.
    match source {
        cryptoki_sys::CKZ_DATA_SPECIFIED => Ok(scheme),
        0 if label.is_empty() => Ok(scheme),
        other => Err(bad(format!("OAEP with source {other:#x}"))),
    }
}

impl Pad for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        // 2048 bits hold two SHA-512 digests and more.
        self.limit(key.len()).unwrap_or(0)
    }

    fn pad(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        self.pad(message, key.len())
    }
}

impl Unpad for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        Pad::limit(self, key)
    }

    fn unpad(&self, block: Zeroizing<Vec<u8>>, _ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.unpad(block)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa as engine;

    use super::super::tests::{decrypted, encrypted, private, spki};
    use super::*;
    use crate::key::{Material, Value};

    const KIND: MechanismType = MechanismType::RSA_PKCS_OAEP;

    fn params(hash: MechanismType, mgf: u64, label: &[u8]) -> Params {
        Params::Oaep { hash, mgf, source: cryptoki_sys::CKZ_DATA_SPECIFIED, label: label.to_vec() }
    }

    #[test]
    fn both_ways_with_aws_lc() {
        let Material::Clear(value) = private().material else { panic!("a clear key") };
        let Value::Rsa(der) = &*value else { panic!("an RSA key") };
        let theirs = engine::PrivateDecryptingKey::from_pkcs8(der).unwrap();
        let theirs = engine::OaepPrivateDecryptingKey::new(theirs).unwrap();
        let public = engine::PublicEncryptingKey::from_der(&spki()).unwrap();
        let public = engine::OaepPublicEncryptingKey::new(public).unwrap();
        for (hash, mgf, algorithm, limit) in [
            (MechanismType::SHA_1, cryptoki_sys::CKG_MGF1_SHA1, &engine::OAEP_SHA1_MGF1SHA1, 214),
            (MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, &engine::OAEP_SHA256_MGF1SHA256, 190),
            (MechanismType::SHA384, cryptoki_sys::CKG_MGF1_SHA384, &engine::OAEP_SHA384_MGF1SHA384, 158),
            (MechanismType::SHA512, cryptoki_sys::CKG_MGF1_SHA512, &engine::OAEP_SHA512_MGF1SHA512, 126),
        ] {
            for label in [&b""[..], b"label"] {
                let params = params(hash, mgf, label);
                for len in [1, limit] {
                    let message = vec![8; len];
                    let mut buffer = [0; 256];
                    let ours = encrypted(KIND, &params, &message).unwrap();
                    assert_eq!(theirs.decrypt(algorithm, &ours, &mut buffer, Some(label)).unwrap(), message);
                    let made = public.encrypt(algorithm, &message, &mut buffer, Some(label)).unwrap();
                    assert_eq!(decrypted(KIND, &params, made).unwrap(), message);
                }
                let refused = encrypted(KIND, &params, &vec![8; limit + 1]);
                assert_eq!(refused.unwrap_err(), Code::DataLenRange);
            }
        }
    }

    #[test]
    fn mixed_hashes_and_wrong_ones() {
        let mixed = params(MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA1, b"");
        let ciphertext = encrypted(KIND, &mixed, b"message").unwrap();
        assert_eq!(decrypted(KIND, &mixed, &ciphertext).unwrap(), b"message");
        for other in [
            params(MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, b""),
            params(MechanismType::SHA_1, cryptoki_sys::CKG_MGF1_SHA1, b""),
            params(MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA1, b"label"),
        ] {
            assert_eq!(decrypted(KIND, &other, &ciphertext).unwrap_err(), Code::EncryptedDataInvalid);
        }
    }

    #[test]
    fn misuse() {
        let source = |source, label: &[u8]| Params::Oaep {
            hash: MechanismType::SHA256,
            mgf: cryptoki_sys::CKG_MGF1_SHA256,
            source,
            label: label.to_vec(),
        };
        assert!(encrypted(KIND, &source(0, b""), b"x").is_ok());
        for bad in [
            params(MechanismType::ECDSA, cryptoki_sys::CKG_MGF1_SHA256, b""),
            params(MechanismType::SHA256, 99, b""),
            source(0, b"label"),
            source(2, b""),
            Params::None,
        ] {
            assert_eq!(encrypted(KIND, &bad, b"x").unwrap_err(), Code::MechanismParamInvalid);
        }
    }
}
