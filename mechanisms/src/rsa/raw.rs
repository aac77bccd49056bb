//! RSA without padding: `CKM_RSA_X_509`.
//!
//! It wraps no keys, though the standard's table has it: one key has one wrapped form, a key of 128 bits is found from it
//! in the time of some 2^64 steps (Boneh, Joux, Nguyen 2000), or by a root where the exponent is small; and since
//! unwrapping would take as many bytes "from the end" as a template asks for (6.1.12), it would decrypt any ciphertext of
//! the key, one byte at a time. `CKM_RSA_PKCS_OAEP` is there for it.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{self, Pad, Unpad};
use super::engine::PublicRsa;
use super::row;
use super::signing::{self, Recoverable, SignatureScheme};
use crate::ck::MechanismType;
use crate::digest::too_long;
use crate::error::{Code, Result};
use crate::table::Row;

/// PKCS#11 v3.2, 6.1.12.
pub(crate) const ROWS: &[Row] = &[Row {
    encrypt: Some(|_, key| cipher::encrypt(key, Scheme)),
    decrypt: Some(|_, key| cipher::decrypt(key, |_| Ok(Scheme))),
    sign: Some(|_, key| signing::sign(key, None, Scheme)),
    verify: Some(|_, key| signing::verify(key, None, Scheme)),
    sign_recover: Some(|_, key| signing::sign_recover(key, Scheme)),
    verify_recover: Some(|_, key| signing::verify_recover(key, Scheme)),
    ..row(MechanismType::RSA_X_509, "6.1.12")
}];

struct Scheme;

/// The message with zeros in front, as long as the modulus and below it, else `CKR_DATA_INVALID`.
fn extend(message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
    let zeros = key.len().checked_sub(message.len()).ok_or_else(|| too_long(message.len(), key.len()))?;
    let mut block = Zeroizing::new(vec![0; key.len()]);
    block[zeros..].copy_from_slice(message);
    if key.holds(&block) { Ok(block) } else { Err(Code::DataInvalid.because("the data is not below the modulus")) }
}

impl SignatureScheme for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len()
    }

    fn encode(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        extend(message, key)
    }

    fn matches(&self, message: &[u8], key: &PublicRsa, block: &[u8]) -> Result<bool> {
        Ok(extend(message, key)?.ct_eq(block).into())
    }
}

impl Recoverable for Scheme {
    fn recover<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        Some(block)
    }
}

impl Pad for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len()
    }

    fn pad(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>> {
        extend(message, key)
    }
}

impl Unpad for Scheme {
    fn limit(&self, key: &PublicRsa) -> usize {
        key.len()
    }

    fn unpad(&self, block: Zeroizing<Vec<u8>>, _ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{decrypted, encrypted, modulus, signature, verified};
    use super::*;
    use crate::params::Params;

    const KIND: MechanismType = MechanismType::RSA_X_509;

    #[test]
    fn short_data_gets_zeros_in_front() {
        for message in [&b""[..], b"\x01", b"message", &[0x55; 256]] {
            let extended = [vec![0; 256 - message.len()], message.to_vec()].concat();
            let made = signature(KIND, &Params::None, message).unwrap();
            assert_eq!(made, signature(KIND, &Params::None, &extended).unwrap());
            verified(KIND, &Params::None, message, &made).unwrap();
            let ciphertext = encrypted(KIND, &Params::None, message).unwrap();
            assert_eq!(decrypted(KIND, &Params::None, &ciphertext).unwrap(), extended);
            assert_eq!(encrypted(KIND, &Params::None, &made).unwrap(), extended, "the operations undo each other");
        }
    }

    #[test]
    fn data_must_be_below_the_modulus() {
        for (data, code) in
            [(modulus(), Code::DataInvalid), (vec![0xff; 256], Code::DataInvalid), (vec![0; 257], Code::DataLenRange)]
        {
            assert_eq!(signature(KIND, &Params::None, &data).unwrap_err(), code);
            assert_eq!(encrypted(KIND, &Params::None, &data).unwrap_err(), code);
            assert_eq!(verified(KIND, &Params::None, &data, &[1; 256]).unwrap_err(), code);
        }
        let refused = verified(KIND, &Params::None, b"x", &[1; 256]);
        assert_eq!(refused.unwrap_err(), Code::SignatureInvalid);
    }
}
