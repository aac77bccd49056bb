//! RSASSA-PSS: `CKM_RSA_PKCS_PSS` and `CKM_*_RSA_PKCS_PSS`.

use zeroize::Zeroizing;

use super::engine::PublicRsa;
use super::row;
use super::signing::{self, SignatureScheme};
use crate::ck::MechanismType;
use crate::digest::Hash;
use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::{SignOp, VerifyOp};
use crate::padding::pss::Scheme;
use crate::params::{Params, Shape};
use crate::table::Row;

/// A row of PSS; of a message that is hashed, where there is a hash.
macro_rules! pss {
    ($kind:ident, $section:literal, $hash:expr) => {
        Row {
            shape: Shape::Pss,
            sign: Some(|params, key| sign(params, key, $hash)),
            verify: Some(|params, key| verify(params, key, $hash)),
            ..row(MechanismType::$kind, $section)
        }
    };
}

/// PKCS#11 v3.2, 6.1.10 and 6.1.15.
pub(crate) const ROWS: &[Row] = &[
    pss!(RSA_PKCS_PSS, "6.1.10", None),
    pss!(SHA1_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha1)),
    pss!(SHA224_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha224)),
    pss!(SHA256_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha256)),
    pss!(SHA384_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha384)),
    pss!(SHA512_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha512)),
    pss!(SHA3_224_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha3_224)),
    pss!(SHA3_256_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha3_256)),
    pss!(SHA3_384_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha3_384)),
    pss!(SHA3_512_RSA_PKCS_PSS, "6.1.15", Some(Hash::Sha3_512)),
];

fn sign(params: &Params, key: &Key, hash: Option<Hash>) -> Result<Box<dyn SignOp>> {
    signing::sign(key, hash, parse(params, key, hash)?)
}

fn verify(params: &Params, key: &Key, hash: Option<Hash>) -> Result<Box<dyn VerifyOp>> {
    signing::verify(key, hash, parse(params, key, hash)?)
}

/// `hash` is the mechanism's, which the parameter must repeat; `None` for a mechanism that takes a digest.
fn parse(params: &Params, key: &Key, mechanism_hash: Option<Hash>) -> Result<Scheme> {
    let Params::Pss { hash, mgf, salt_len } = params else { return Err(Code::MechanismParamInvalid.into()) };
    let bad = |what: String| Code::MechanismParamInvalid.because(what);
    let scheme = Scheme {
        hash: Hash::of(*hash)
            .filter(|hash| mechanism_hash.is_none_or(|expected| expected == *hash))
            .ok_or_else(|| bad(format!("PSS with {hash:?}")))?,
        mgf: Hash::of_mgf(*mgf).ok_or_else(|| bad(format!("PSS with mgf {mgf:#x}")))?,
        salt_len: usize::try_from(*salt_len).unwrap_or(usize::MAX),
    };
    if scheme.fits(PublicRsa::of_verifier(key)?.bits()) {
        Ok(scheme)
    } else {
        Err(bad(format!("a salt of {salt_len} bytes does not fit the modulus")))
    }
}

impl SignatureScheme for Scheme {
    fn limit(&self, _key: &PublicRsa) -> usize {
        self.hash.len()
    }

    fn encode(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        self.pad(message, key.bits())
    }

    fn matches(&self, message: &[u8], key: &PublicRsa, block: &[u8]) -> Result<bool> {
        if message.len() != self.hash.len() {
            return Err(Code::DataLenRange.because(format_args!("a digest of {} bytes", message.len())));
        }
        Ok(self.fits_digest(message, key.bits(), block))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature as engine;

    use super::super::tests::{private, signature, spki, verified};
    use super::*;
    use crate::key::{Material, Value};

    fn params(hash: MechanismType, mgf: u64, salt_len: u64) -> Params {
        Params::Pss { hash, mgf, salt_len }
    }

    fn sha256(salt_len: u64) -> Params {
        params(MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, salt_len)
    }

    #[test]
    fn both_ways_with_aws_lc() {
        let Material::Clear(value) = private().material else { panic!("a clear key") };
        let Value::Rsa(der) = &*value else { panic!("an RSA key") };
        let theirs = aws_lc_rs::rsa::KeyPair::from_pkcs8(der).unwrap();
        for (kind, hash, mgf, verify, sign, salt_len) in [
            (
                MechanismType::SHA256_RSA_PKCS_PSS,
                MechanismType::SHA256,
                cryptoki_sys::CKG_MGF1_SHA256,
                &engine::RSA_PSS_2048_8192_SHA256,
                &engine::RSA_PSS_SHA256,
                32,
            ),
            (
                MechanismType::SHA384_RSA_PKCS_PSS,
                MechanismType::SHA384,
                cryptoki_sys::CKG_MGF1_SHA384,
                &engine::RSA_PSS_2048_8192_SHA384,
                &engine::RSA_PSS_SHA384,
                48,
            ),
            (
                MechanismType::SHA512_RSA_PKCS_PSS,
                MechanismType::SHA512,
                cryptoki_sys::CKG_MGF1_SHA512,
                &engine::RSA_PSS_2048_8192_SHA512,
                &engine::RSA_PSS_SHA512,
                64,
            ),
        ] {
            let params = params(hash, mgf, salt_len);
            let ours = signature(kind, &params, b"message").unwrap();
            engine::UnparsedPublicKey::new(verify, spki()).verify(b"message", &ours).unwrap();
            verified(kind, &params, b"message", &ours).unwrap();
            let mut made = vec![0; 256];
            theirs.sign(sign, &SystemRandom::new(), b"message", &mut made).unwrap();
            verified(kind, &params, b"message", &made).unwrap();
            let digest = Hash::of(hash).unwrap().digest(b"message");
            verified(MechanismType::RSA_PKCS_PSS, &params, &digest, &made).unwrap();
            assert_eq!(verified(kind, &params, b"messagf", &made).unwrap_err(), Code::SignatureInvalid);
        }
    }

    #[test]
    fn salts_of_other_lengths() {
        let digest = Hash::Sha256.digest(b"message");
        for salt_len in [0, 1, 20, 222] {
            let made = signature(MechanismType::RSA_PKCS_PSS, &sha256(salt_len), &digest).unwrap();
            verified(MechanismType::SHA256_RSA_PKCS_PSS, &sha256(salt_len), b"message", &made).unwrap();
            let other = verified(MechanismType::SHA256_RSA_PKCS_PSS, &sha256(salt_len ^ 1), b"message", &made);
            assert!(other.unwrap_err() == Code::SignatureInvalid || salt_len == 222);
        }
    }

    #[test]
    fn misuse() {
        let raw = MechanismType::RSA_PKCS_PSS;
        for len in [0, 31, 33] {
            let data = vec![1; len];
            assert_eq!(signature(raw, &sha256(32), &data).unwrap_err(), Code::DataLenRange);
            assert_eq!(verified(raw, &sha256(32), &data, &[1; 256]).unwrap_err(), Code::DataLenRange);
        }
        for (kind, params) in [
            (raw, sha256(223)),
            (raw, sha256(u64::MAX)),
            (raw, params(MechanismType::SHA256, 99, 32)),
            (raw, params(MechanismType::RSA_PKCS, cryptoki_sys::CKG_MGF1_SHA256, 32)),
            (MechanismType::SHA384_RSA_PKCS_PSS, sha256(32)),
            (raw, Params::None),
        ] {
            assert_eq!(signature(kind, &params, &[1; 32]).unwrap_err(), Code::MechanismParamInvalid);
        }
    }
}
