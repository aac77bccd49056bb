//! PKCS#1 v1.5: `CKM_RSA_PKCS` and `CKM_SHA*_RSA_PKCS`.

use aws_lc_rs::signature as engine;
use once_cell::sync::OnceCell;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CipherScheme, Known, PublicRsa, SignatureScheme, row};
use crate::ck::MechanismType;
use crate::digest::Hash;
use crate::error::Result;
use crate::padding::pkcs1v15;
use crate::random;
use crate::table::{Row, SignInit, VerifyInit};

/// PKCS#11 v3.2, 6.1.6 and 6.1.14.
pub(crate) const ROWS: &[Row] = &[
    Row {
        encrypt: Some(|_, key| super::encrypt(key, Scheme(None))),
        decrypt: Some(|_, key| {
            rejection_secret()?;
            super::decrypt(key, Scheme(None))
        }),
        sign: Some(|_, key| super::sign(key, None, Scheme(None))),
        verify: Some(|_, key| super::verify(key, None, Scheme(None))),
        ..row(MechanismType::RSA_PKCS, "6.1.6")
    },
    hashed(
        MechanismType::SHA1_RSA_PKCS,
        |_, key| super::sign(key, Some(Hash::Sha1), Scheme(Some(Hash::Sha1))),
        |_, key| super::verify(key, Some(Hash::Sha1), Scheme(Some(Hash::Sha1))),
    ),
    hashed(
        MechanismType::SHA256_RSA_PKCS,
        |_, key| super::sign(key, Some(Hash::Sha256), Scheme(Some(Hash::Sha256))),
        |_, key| super::verify(key, Some(Hash::Sha256), Scheme(Some(Hash::Sha256))),
    ),
    hashed(
        MechanismType::SHA384_RSA_PKCS,
        |_, key| super::sign(key, Some(Hash::Sha384), Scheme(Some(Hash::Sha384))),
        |_, key| super::verify(key, Some(Hash::Sha384), Scheme(Some(Hash::Sha384))),
    ),
    hashed(
        MechanismType::SHA512_RSA_PKCS,
        |_, key| super::sign(key, Some(Hash::Sha512), Scheme(Some(Hash::Sha512))),
        |_, key| super::verify(key, Some(Hash::Sha512), Scheme(Some(Hash::Sha512))),
    ),
];

const fn hashed(kind: MechanismType, sign: SignInit, verify: VerifyInit) -> Row {
    Row { sign: Some(sign), verify: Some(verify), ..row(kind, "6.1.14") }
}

/// With a hash, the message is its digest; without, it is what the caller gives (often a `DigestInfo` of their own).
struct Scheme(Option<Hash>);

impl SignatureScheme for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len() - pkcs1v15::OVERHEAD
    }

    fn encode(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        match self.0 {
            Some(hash) => pkcs1v15::pad_signature(&pkcs1v15::digest_info(hash, message), key.len()),
            None => pkcs1v15::pad_signature(message, key.len()),
        }
    }

    fn matches(&self, message: &[u8], key: &PublicRsa, block: &[u8]) -> Result<bool> {
        // Comparing whole blocks leaves no room for the mistakes of parsing (RFC 8017, 8.2.2).
        Ok(self.encode(message, key)?.ct_eq(block).into())
    }

    fn known(&self, message: &[u8]) -> Option<Known> {
        let (hash, digest) = match self.0 {
            Some(hash) => (hash, message),
            None => pkcs1v15::parse_digest_info(message)?,
        };
        let (verify, sign): (_, Option<&'static dyn engine::RsaEncoding>) = match hash {
            Hash::Sha1 => (&engine::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, None),
            Hash::Sha256 => (&engine::RSA_PKCS1_2048_8192_SHA256, Some(&engine::RSA_PKCS1_SHA256)),
            Hash::Sha384 => (&engine::RSA_PKCS1_2048_8192_SHA384, Some(&engine::RSA_PKCS1_SHA384)),
            Hash::Sha512 => (&engine::RSA_PKCS1_2048_8192_SHA512, Some(&engine::RSA_PKCS1_SHA512)),
            _ => return None,
        };
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest, hash.engine()?).ok()?;
        Some(Known { digest, verify, sign })
    }
}

impl CipherScheme for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len() - pkcs1v15::OVERHEAD
    }

    fn pad(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        pkcs1v15::pad_encryption(message, key.len())
    }

    fn unpad(&self, block: Zeroizing<Vec<u8>>, key: &PublicRsa, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let rejection = pkcs1v15::Rejection::new(rejection_secret()?, &key.modulus, ciphertext);
        pkcs1v15::unpad_encryption(&block, &rejection)
    }
}

/// From which the synthetic messages of bad ciphertexts are made. The draft takes the private exponent, which an HSM
/// key does not show; a secret of the process makes them as stable as an attacker could notice.
fn rejection_secret() -> Result<&'static [u8]> {
    static SECRET: OnceCell<Zeroizing<[u8; 32]>> = OnceCell::new();
    SECRET
        .get_or_try_init(|| {
            let mut secret = Zeroizing::new([0; 32]);
            random::fill(&mut *secret)?;
            Ok(secret)
        })
        .map(|secret| &secret[..])
}

#[cfg(test)]
mod tests {
    use rsa::pkcs8::DecodePrivateKey;

    use super::super::tests::{decrypted, encrypted, modulus, private, signature, spki, verified};
    use super::*;
    use crate::error::Code;
    use crate::key::{Material, Value};
    use crate::params::Params;

    #[test]
    fn signatures_verify_in_aws_lc_and_here() {
        for (kind, algorithm) in [
            (MechanismType::SHA1_RSA_PKCS, &engine::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
            (MechanismType::SHA256_RSA_PKCS, &engine::RSA_PKCS1_2048_8192_SHA256),
            (MechanismType::SHA384_RSA_PKCS, &engine::RSA_PKCS1_2048_8192_SHA384),
            (MechanismType::SHA512_RSA_PKCS, &engine::RSA_PKCS1_2048_8192_SHA512),
        ] {
            let made = signature(kind, &Params::None, b"message").unwrap();
            engine::UnparsedPublicKey::new(algorithm, spki()).verify(b"message", &made).unwrap();
            verified(kind, &Params::None, b"message", &made).unwrap();
            let refused = verified(kind, &Params::None, b"messagf", &made);
            assert_eq!(refused.unwrap_err(), Code::SignatureInvalid);
        }
    }

    #[test]
    fn callers_digest_info_is_the_hashed_mechanism() {
        let info = pkcs1v15::digest_info(Hash::Sha256, &Hash::Sha256.digest(b"message"));
        let raw = signature(MechanismType::RSA_PKCS, &Params::None, &info).unwrap();
        assert_eq!(raw, signature(MechanismType::SHA256_RSA_PKCS, &Params::None, b"message").unwrap());
        verified(MechanismType::RSA_PKCS, &Params::None, &info, &raw).unwrap();
    }

    #[test]
    fn raw_data_has_a_limit() {
        for len in [0, 1, 245] {
            let data = vec![3; len];
            let made = signature(MechanismType::RSA_PKCS, &Params::None, &data).unwrap();
            verified(MechanismType::RSA_PKCS, &Params::None, &data, &made).unwrap();
        }
        let data = [3; 246];
        assert_eq!(signature(MechanismType::RSA_PKCS, &Params::None, &data).unwrap_err(), Code::DataLenRange);
        assert_eq!(verified(MechanismType::RSA_PKCS, &Params::None, &data, &[1; 256]).unwrap_err(), Code::DataLenRange);
        assert_eq!(encrypted(MechanismType::RSA_PKCS, &Params::None, &data).unwrap_err(), Code::DataLenRange);
    }

    #[test]
    fn encryption_both_ways_with_rustcrypto() {
        let Ok(crate::key::PublicKey::Rsa { exponent, .. }) = crate::rsa::public(&modulus(), &[1, 0, 1]) else {
            panic!("an RSA key")
        };
        let theirs = super::super::keys::engine_public(&modulus(), &exponent).unwrap();
        let mut rng = rsa::rand_core::UnwrapErr(super::super::SystemRandom);
        for len in [0, 1, 100, 245] {
            let message = vec![4; len];
            let ours = encrypted(MechanismType::RSA_PKCS, &Params::None, &message).unwrap();
            assert_eq!(decrypted(MechanismType::RSA_PKCS, &Params::None, &ours).unwrap(), message);
            let made = theirs.encrypt(&mut rng, rsa::Pkcs1v15Encrypt, &message).unwrap();
            assert_eq!(decrypted(MechanismType::RSA_PKCS, &Params::None, &made).unwrap(), message);
        }
    }

    /// The `rsa` crate follows the same draft, with the private exponent as the secret: the same synthetic messages.
    #[test]
    fn implicit_rejection_agrees_with_rustcrypto() {
        let Material::Clear(value) = private().material else { panic!("a clear key") };
        let Value::Rsa(der) = &*value else { panic!("an RSA key") };
        let theirs = rsa::RsaPrivateKey::from_pkcs8_der(der).unwrap();
        let d = crate::rsa::components(&value).unwrap().private_exponent;
        let padded = [vec![0; 256 - d.len()], d.to_vec()].concat();
        let secret = Hash::Sha256.digest(&padded);
        for i in 0..20 {
            let ciphertext = encrypted(MechanismType::RSA_X_509, &Params::None, &[2 + i; 200]).unwrap();
            let block = decrypted(MechanismType::RSA_X_509, &Params::None, &ciphertext).unwrap();
            let rejection = pkcs1v15::Rejection::new(&secret, &[], &ciphertext);
            let ours = pkcs1v15::unpad_encryption(&block, &rejection).unwrap();
            assert_eq!(*ours, theirs.decrypt(rsa::Pkcs1v15Encrypt, &ciphertext).unwrap());
        }
    }

    #[test]
    fn a_bad_ciphertext_decrypts_to_the_same_nonsense_each_time() {
        let mut ciphertext = encrypted(MechanismType::RSA_X_509, &Params::None, b"no padding at all").unwrap();
        let first = decrypted(MechanismType::RSA_PKCS, &Params::None, &ciphertext).unwrap();
        assert_eq!(decrypted(MechanismType::RSA_PKCS, &Params::None, &ciphertext).unwrap(), first);
        ciphertext[255] ^= 1;
        let second = decrypted(MechanismType::RSA_PKCS, &Params::None, &ciphertext).unwrap();
        assert_ne!(first, second);
    }
}
