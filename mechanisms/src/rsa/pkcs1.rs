//! PKCS#1 v1.5: `CKM_RSA_PKCS` and `CKM_*_RSA_PKCS`.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{self, Pad, Unpad};
use super::engine::{PrivateRsa, PublicRsa};
use super::signing::{self, Recoverable, SignatureScheme};
use super::{encapsulate, row};
use crate::ck::{MechanismType, ObjectClass};
use crate::digest::Hash;
use crate::error::Result;
use crate::padding::pkcs1v15;
use crate::table::{Encapsulate, Row};

/// A row whose message is hashed.
macro_rules! hashed {
    ($kind:ident, $hash:ident) => {
        Row {
            sign: Some(|_, key| signing::sign(key, Some(Hash::$hash), Signature(Some(Hash::$hash)))),
            verify: Some(|_, key| signing::verify(key, Some(Hash::$hash), Signature(Some(Hash::$hash)))),
            ..row(MechanismType::$kind, "6.1.14")
        }
    };
}

/// PKCS#11 v3.2, 6.1.6 and 6.1.14.
pub(crate) const ROWS: &[Row] = &[
    Row {
        encrypt: Some(|_, key| cipher::encrypt(key, Encryption)),
        decrypt: Some(|_, key| cipher::decrypt(key, Decryption::of)),
        sign: Some(|_, key| signing::sign(key, None, Signature(None))),
        verify: Some(|_, key| signing::verify(key, None, Signature(None))),
        sign_recover: Some(|_, key| signing::sign_recover(key, Signature(None))),
        verify_recover: Some(|_, key| signing::verify_recover(key, Signature(None))),
        wrap: Some(|_, key| cipher::wrap(key, Encryption)),
        unwrap: Some(|_, key| cipher::unwrap(key, Decryption::of)),
        wraps: &[ObjectClass::SECRET_KEY],
        encapsulate: Some(Encapsulate {
            ciphertext_len: |_, public| encapsulate::ciphertext_len(public),
            run: |from| encapsulate::encapsulate(from, &Encryption),
        }),
        decapsulate: Some(|from, ciphertext| encapsulate::decapsulate(from, ciphertext, Decryption::of)),
        ..row(MechanismType::RSA_PKCS, "6.1.6")
    },
    hashed!(SHA1_RSA_PKCS, Sha1),
    hashed!(SHA224_RSA_PKCS, Sha224),
    hashed!(SHA256_RSA_PKCS, Sha256),
    hashed!(SHA384_RSA_PKCS, Sha384),
    hashed!(SHA512_RSA_PKCS, Sha512),
    hashed!(SHA3_224_RSA_PKCS, Sha3_224),
    hashed!(SHA3_256_RSA_PKCS, Sha3_256),
    hashed!(SHA3_384_RSA_PKCS, Sha3_384),
    hashed!(SHA3_512_RSA_PKCS, Sha3_512),
];

/// With a hash, the message is its digest; without, it is what the caller gives (often a `DigestInfo` of their own).
struct Signature(Option<Hash>);

impl SignatureScheme for Signature {
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
}

impl Recoverable for Signature {
    fn recover<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        pkcs1v15::unpad_signature(block)
    }
}

/// EME-PKCS1-v1_5.
struct Encryption;

impl Pad for Encryption {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len() - pkcs1v15::OVERHEAD
    }

    fn pad(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        pkcs1v15::pad_encryption(message, key.len())
    }
}

/// Its opposite, with implicit rejection: a bad ciphertext has a message too, and no error says which is which
/// (Bleichenbacher 1998). Unwrapping goes on with that message, so that a bad padding and a key of a wrong length are
/// the same error (Bardou and others 2012, 2.2).
struct Decryption {
    secret: Zeroizing<[u8; 32]>,
}

impl Decryption {
    fn of(key: &PrivateRsa) -> Result<Self> {
        Ok(Self { secret: key.rejection_secret()? })
    }
}

impl Unpad for Decryption {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len() - pkcs1v15::OVERHEAD
    }

    fn unpad(&self, block: Zeroizing<Vec<u8>>, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        pkcs1v15::unpad_encryption(&block, &pkcs1v15::Rejection::new(&self.secret, ciphertext))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature as engine;
    use rsa::pkcs8::DecodePrivateKey;

    use super::super::tests::{decrypted, encrypted, private, rng, signature, spki, theirs, verified};
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
        let (theirs, mut rng) = (theirs(), rng());
        for len in [0, 1, 100, 245] {
            let message = vec![4; len];
            let ours = encrypted(MechanismType::RSA_PKCS, &Params::None, &message).unwrap();
            assert_eq!(decrypted(MechanismType::RSA_PKCS, &Params::None, &ours).unwrap(), message);
            let made = theirs.encrypt(&mut rng, rsa::Pkcs1v15Encrypt, &message).unwrap();
            assert_eq!(decrypted(MechanismType::RSA_PKCS, &Params::None, &made).unwrap(), message);
        }
    }

    /// The `rsa` crate follows the same draft, as OpenSSL 3.2 does: the same synthetic messages.
    #[test]
    fn implicit_rejection_agrees_with_rustcrypto() {
        let Material::Clear(value) = private().material else { panic!("a clear key") };
        let Value::Rsa(der) = &*value else { panic!("an RSA key") };
        let theirs = rsa::RsaPrivateKey::from_pkcs8_der(der).unwrap();
        for i in 0..20 {
            let ciphertext = encrypted(MechanismType::RSA_X_509, &Params::None, &[2 + i; 200]).unwrap();
            let ours = decrypted(MechanismType::RSA_PKCS, &Params::None, &ciphertext).unwrap();
            assert_eq!(ours, theirs.decrypt(rsa::Pkcs1v15Encrypt, &ciphertext).unwrap());
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
