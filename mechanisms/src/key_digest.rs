//! `CKM_SHA*_KEY_DERIVATION`: a key that is the digest of a key. The base key is outside the HSM: the device digests
//! nothing.

use crate::ck::{KeyType, MechanismType};
use crate::digest::Hash;
use crate::error::Result;
use crate::key::NewKey;
use crate::secret;
use crate::table::{Derivation, Derived, Row};

/// The mechanism of each hash.
macro_rules! rows {
    ($($hash:ident: $section:literal, $kind:ident;)*) => {
        &[$(Row {
            section: concat!($section, ".5"),
            keys: KEYS,
            min_size: 1,
            max_size: secret::MAX_LEN,
            derive: Some(|from| derive(from, Hash::$hash).map(Derived::Key)),
            ..Row::none(MechanismType::$kind)
        },)*]
    };
}

/// PKCS#11 v3.2, 6.20 to 6.31.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = rows! {
    Sha1: "6.20", SHA1_KEY_DERIVATION;
    Sha224: "6.21", SHA224_KEY_DERIVATION;
    Sha256: "6.22", SHA256_KEY_DERIVATION;
    Sha384: "6.23", SHA384_KEY_DERIVATION;
    Sha512: "6.24", SHA512_KEY_DERIVATION;
    Sha512_224: "6.25", SHA512_224_KEY_DERIVATION;
    Sha512_256: "6.26", SHA512_256_KEY_DERIVATION;
    Sha3_224: "6.28", SHA3_224_KEY_DERIVATION;
    Sha3_256: "6.29", SHA3_256_KEY_DERIVATION;
    Sha3_384: "6.30", SHA3_384_KEY_DERIVATION;
    Sha3_512: "6.31", SHA3_512_KEY_DERIVATION;
};

/// Generic secrets first: what is derived where the template names no type.
const KEYS: &[KeyType] = &[KeyType::GENERIC_SECRET, KeyType::AES, KeyType::HKDF];

fn derive(from: &Derivation<'_>, hash: Hash) -> Result<NewKey> {
    let base = secret::outside(from.base)?;
    let (key_type, len) = secret::derived(from.request, Some(hash.len()), hash.len())?;
    secret::derived_here(hash.digest_secret(base, len), key_type, from.request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::key::{KeyRequest, Policy};
    use crate::params::Params;
    use crate::testing::{self, bytes_of};

    fn run(kind: MechanismType, base: &[u8], request: &KeyRequest) -> Result<Vec<u8>> {
        let base = testing::secret(KeyType::GENERIC_SECRET, base);
        let derived = testing::derive(kind, &Params::None, &base, &[], request)?;
        Ok(bytes_of(derived))
    }

    #[test]
    fn the_digest_or_its_front() {
        for (kind, digest) in [
            (MechanismType::SHA1_KEY_DERIVATION, MechanismType::SHA_1),
            (MechanismType::SHA224_KEY_DERIVATION, MechanismType::SHA224),
            (MechanismType::SHA256_KEY_DERIVATION, MechanismType::SHA256),
            (MechanismType::SHA384_KEY_DERIVATION, MechanismType::SHA384),
            (MechanismType::SHA512_KEY_DERIVATION, MechanismType::SHA512),
            (MechanismType::SHA512_224_KEY_DERIVATION, MechanismType::SHA512_224),
            (MechanismType::SHA512_256_KEY_DERIVATION, MechanismType::SHA512_256),
            (MechanismType::SHA3_224_KEY_DERIVATION, MechanismType::SHA3_224),
            (MechanismType::SHA3_256_KEY_DERIVATION, MechanismType::SHA3_256),
            (MechanismType::SHA3_384_KEY_DERIVATION, MechanismType::SHA3_384),
            (MechanismType::SHA3_512_KEY_DERIVATION, MechanismType::SHA3_512),
        ] {
            let expected = Hash::of(digest).unwrap().digest(b"base").to_vec();
            assert_eq!(run(kind, b"base", &KeyRequest::default()).unwrap(), expected);
            let aes = KeyRequest { key_type: Some(KeyType::AES), value_len: Some(16), ..KeyRequest::default() };
            assert_eq!(run(kind, b"base", &aes).unwrap(), expected[..16]);
            let more = KeyRequest { value_len: Some(expected.len() + 1), ..KeyRequest::default() };
            assert_eq!(run(kind, b"base", &more).unwrap_err(), Code::AttributeValueInvalid);
        }
        assert_eq!(ROWS.len(), 11);
    }

    #[test]
    fn misuse() {
        let kind = MechanismType::SHA256_KEY_DERIVATION;
        for (request, code) in [
            (KeyRequest { key_type: Some(KeyType::AES), ..KeyRequest::default() }, Code::TemplateIncomplete),
            (KeyRequest { key_type: Some(KeyType::RSA), ..KeyRequest::default() }, Code::TemplateInconsistent),
            (KeyRequest { policy: Policy::Strict, ..KeyRequest::default() }, Code::TemplateInconsistent),
        ] {
            assert_eq!(run(kind, b"base", &request).unwrap_err(), code);
        }
    }
}
