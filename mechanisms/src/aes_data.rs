//! Keys from encrypted data: `CKM_AES_ECB_ENCRYPT_DATA`, `CKM_AES_CBC_ENCRYPT_DATA`. The ciphertext is the new key's value;
//! what is too much of it, "the part discarded will be from the trailing end".
//!
//! Over a base key in the HSM the device encrypts, and the ciphertext, which is the new key's value, leaves it: a key that
//! was outside for a moment is no HSM key, whatever its template says. So the new key is always sealed, and policy strict
//! refuses it. Whoever may encrypt with the base key can compute the new key: a base key for deriving should be for
//! nothing else.

use transport::channel::Direction;
use zeroize::Zeroizing;

use crate::aes::{self, BLOCK};
use crate::aes_cbc::Chain;
use crate::aes_ecb::Ecb;
use crate::ck::MechanismType;
use crate::error::{Code, Result};
use crate::key::Origin;
use crate::params::{Params, Shape};
use crate::residency::Home;
use crate::secret;
use crate::table::{Derivation, Derived, Row};

/// PKCS#11 v3.2, 6.17.
pub(crate) const ROWS: &[Row] = &[
    Row {
        section: "6.17.3",
        shape: Shape::StringData,
        hardware: true,
        derive: Some(derive),
        made_in_library: true,
        derives_by_encrypting: true,
        ..aes::cipher(MechanismType::AES_ECB_ENCRYPT_DATA)
    },
    Row {
        section: "6.17.3",
        shape: Shape::CbcData,
        hardware: true,
        derive: Some(derive),
        made_in_library: true,
        derives_by_encrypting: true,
        ..aes::cipher(MechanismType::AES_CBC_ENCRYPT_DATA)
    },
];

fn derive(from: &Derivation<'_>) -> Result<Derived> {
    let (iv, data) = match from.params {
        Params::StringData(data) => (None, data),
        Params::CbcData { iv, data } => (Some(*iv), data),
        _ => return Err(Code::MechanismParamInvalid.into()),
    };
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return Err(Code::MechanismParamInvalid.because(format_args!("{} bytes of data fill no blocks", data.len())));
    }
    let (key_type, len) = secret::derived(from.request, Some(data.len()), usize::MAX)?;
    if len > data.len() {
        return Err(Code::DataLenRange.because(format_args!("{} bytes of data make no key of {len}", data.len())));
    }
    Home::Clear("its value is a ciphertext, which leaves the HSM").under(from.request.policy)?;
    // No block depends on one that comes later, so only those that are wanted are encrypted.
    let mut value = Zeroizing::new(data[..len.next_multiple_of(BLOCK)].to_vec());
    match iv {
        None => Ecb::new(from.base, Direction::Encrypt)?.blocks(&mut value)?,
        Some(mut iv) => Chain::new(from.base, Direction::Encrypt)?.run(&mut iv, &mut value)?,
    }
    value.truncate(len);
    Ok(Derived::Key(secret::clear(value, key_type, Origin::Library)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ck::KeyType;
    use crate::key::{Key, KeyRequest, NewKey, Policy, Residency};
    use crate::testing::{self, bytes_of, hex};

    fn base() -> Key {
        testing::secret(KeyType::AES, &hex("2b7e151628aed2a6abf7158809cf4f3c"))
    }

    fn derived(kind: MechanismType, params: &Params, request: &KeyRequest) -> Result<NewKey> {
        testing::derive(kind, params, &base(), &[], request)
    }

    fn request(key_type: Option<KeyType>, value_len: Option<usize>) -> KeyRequest {
        KeyRequest { key_type, value_len, extractable: true, ..KeyRequest::default() }
    }

    const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";

    /// The ciphertexts of NIST SP 800-38A, F.1.1 and F.2.1.
    #[test]
    fn the_value_is_the_ciphertext() {
        let ecb = Params::StringData(hex(PLAIN));
        let cbc = Params::CbcData { iv: hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap(), data: hex(PLAIN) };
        for (kind, params, cipher) in [
            (
                MechanismType::AES_ECB_ENCRYPT_DATA,
                ecb,
                "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
            ),
            (
                MechanismType::AES_CBC_ENCRYPT_DATA,
                cbc,
                "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
            ),
        ] {
            let cipher = hex(cipher);
            for len in [16, 24, 32] {
                let new = derived(kind, &params, &request(Some(KeyType::AES), Some(len))).unwrap();
                assert_eq!(
                    (new.key_type, new.residency, new.origin),
                    (KeyType::AES, Residency::Sealed, Origin::Library)
                );
                assert_eq!(bytes_of(new), cipher[..len]);
            }
            for len in 1..=32 {
                assert_eq!(bytes_of(derived(kind, &params, &request(None, Some(len))).unwrap()), cipher[..len]);
            }
            let whole = derived(kind, &params, &request(None, None)).unwrap();
            assert_eq!(whole.key_type, KeyType::GENERIC_SECRET);
            assert_eq!(bytes_of(whole), cipher);
        }
    }

    #[test]
    fn misuse() {
        let refused = |data: usize, request: &KeyRequest| {
            let params = Params::StringData(vec![0; data]);
            derived(MechanismType::AES_ECB_ENCRYPT_DATA, &params, request).unwrap_err()
        };
        for len in [0, 1, 15, 17] {
            assert_eq!(refused(len, &request(None, None)), Code::MechanismParamInvalid);
        }
        assert_eq!(refused(16, &request(None, Some(17))), Code::DataLenRange);
        assert_eq!(refused(16, &request(Some(KeyType::AES), Some(32))), Code::DataLenRange);
        assert_eq!(refused(16, &request(Some(KeyType::AES), None)), Code::TemplateIncomplete);
        assert_eq!(refused(32, &request(Some(KeyType::AES), Some(17))), Code::AttributeValueInvalid);
        assert_eq!(refused(32, &request(Some(KeyType::RSA), Some(16))), Code::TemplateInconsistent);
        let strict = KeyRequest { policy: Policy::Strict, ..request(None, None) };
        assert_eq!(refused(32, &strict), Code::TemplateInconsistent);
        let params = Params::CbcData { iv: [0; 16], data: vec![0; 15] };
        let short = derived(MechanismType::AES_CBC_ENCRYPT_DATA, &params, &request(None, None));
        assert_eq!(short.unwrap_err(), Code::MechanismParamInvalid);
    }
}
