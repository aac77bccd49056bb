//! RSA: raw operations on one side, paddings (`crate::padding`) on the other, and one driver for each of the functions
//! between them. The private step runs in the HSM; for clear keys, and for public keys, in AWS-LC.
//!
//! | File | What it is |
//! |---|---|
//! | `engine` | a public or a private key, ready for its raw operation |
//! | `signing` | sign, verify, and both with recovery |
//! | `cipher` | encrypt, decrypt, wrap, unwrap |
//! | `pkcs1`, `pss`, `oaep`, `raw` | the paddings as rows |
//! | `encapsulate` | encapsulation with these paddings |
//! | `aes_wrap` | RSA-AES key wrap, and the native import of the device |
//! | `keys`, `weak` | generation, import, encodings; which keys are refused |
//!
//! Each signature is checked with the public key before it is released (semantics 9.2 rule 15).

pub(crate) mod aes_wrap;
mod cipher;
mod encapsulate;
mod engine;
pub(crate) mod keys;
pub(crate) mod oaep;
pub(crate) mod pkcs1;
pub(crate) mod pss;
pub(crate) mod raw;
mod signing;
mod weak;

use crate::ck::{KeyType, MechanismType};
use crate::table::Row;

pub use keys::{Components, Crt, components, private_from_components, private_from_pkcs8, public};
pub(crate) use keys::{public_of, spki};

/// What all rows over RSA keys share. The sizes are those of private keys and of keys to encrypt and wrap with;
/// signatures of older keys, from 1024 bits, are verified all the same.
pub(crate) const fn row(kind: MechanismType, section: &'static str) -> Row {
    Row { section, keys: &[KeyType::RSA], min_size: 2048, max_size: 4096, hardware: true, ..Row::none(kind) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use once_cell::sync::Lazy;
    use zeroize::Zeroizing;

    use super::*;
    use crate::error::{Code, Result};
    use crate::key::{Key, Material, PublicKey, Value};
    use crate::params::Params;
    use crate::table;

    /// Key generation is slow; one key serves all tests.
    static PAIR: Lazy<Arc<Value>> = Lazy::new(|| Arc::new(keys::generate_value(2048).unwrap()));

    pub(crate) fn private() -> Key {
        Key { key_type: KeyType::RSA, material: Material::Clear(Arc::clone(&PAIR)), public: None }
    }

    pub(crate) fn public() -> Key {
        let public = Arc::new(PAIR.public().unwrap());
        Key { key_type: KeyType::RSA, material: Material::Public(public), public: None }
    }

    pub(crate) fn modulus() -> Vec<u8> {
        match PAIR.public().unwrap() {
            PublicKey::Rsa { modulus, .. } => modulus,
            PublicKey::Ec { .. } => panic!("an RSA key"),
        }
    }

    pub(crate) fn signature(kind: MechanismType, params: &Params, message: &[u8]) -> Result<Vec<u8>> {
        let op = table::row(kind).unwrap().sign.unwrap()(params, &private())?;
        assert_eq!(op.signature_len(), 256);
        op.sign(message)
    }

    pub(crate) fn verified(kind: MechanismType, params: &Params, message: &[u8], signature: &[u8]) -> Result<()> {
        table::row(kind).unwrap().verify.unwrap()(params, &public())?.verify(message, signature)
    }

    pub(crate) fn encrypted(kind: MechanismType, params: &Params, message: &[u8]) -> Result<Vec<u8>> {
        let op = table::row(kind).unwrap().encrypt.unwrap()(params, &public())?;
        let promised = op.final_len(message.len());
        let mut out = Zeroizing::default();
        op.whole(message, &mut out)?;
        assert_eq!(out.len(), promised);
        Ok(out.to_vec())
    }

    pub(crate) fn decrypted(kind: MechanismType, params: &Params, ciphertext: &[u8]) -> Result<Vec<u8>> {
        let op = table::row(kind).unwrap().decrypt.unwrap()(params, &private())?;
        let promised = op.final_len(ciphertext.len());
        let mut out = Zeroizing::default();
        op.whole(ciphertext, &mut out)?;
        assert!(out.len() <= promised);
        Ok(out.to_vec())
    }

    /// AWS-LC's random generator, as the `rsa` crate asks for one.
    pub(crate) struct SystemRandom;

    impl rsa::rand_core::TryRng for SystemRandom {
        type Error = crate::Error;

        fn try_next_u32(&mut self) -> Result<u32> {
            let mut bytes = [0; 4];
            crate::random::fill(&mut bytes)?;
            Ok(u32::from_ne_bytes(bytes))
        }

        fn try_next_u64(&mut self) -> Result<u64> {
            let mut bytes = [0; 8];
            crate::random::fill(&mut bytes)?;
            Ok(u64::from_ne_bytes(bytes))
        }

        fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<()> {
            crate::random::fill(dst)
        }
    }

    impl rsa::rand_core::TryCryptoRng for SystemRandom {}

    pub(crate) fn rng() -> rsa::rand_core::UnwrapErr<SystemRandom> {
        rsa::rand_core::UnwrapErr(SystemRandom)
    }

    /// The public key in the `rsa` crate, for a second opinion.
    pub(crate) fn theirs() -> rsa::RsaPublicKey {
        rsa::pkcs8::DecodePublicKey::from_public_key_der(&spki()).unwrap()
    }

    /// The public key in AWS-LC, for a second opinion.
    pub(crate) fn spki() -> Vec<u8> {
        PAIR.public().unwrap().to_spki().unwrap()
    }

    #[test]
    fn lengths_and_ranges_of_signatures_and_ciphertexts() {
        let kind = MechanismType::SHA256_RSA_PKCS;
        for len in [0, 255, 257] {
            let refused = verified(kind, &Params::None, b"x", &vec![1; len]);
            assert_eq!(refused.unwrap_err(), Code::SignatureLenRange);
            let refused = decrypted(MechanismType::RSA_PKCS, &Params::None, &vec![1; len]);
            assert_eq!(refused.unwrap_err(), Code::EncryptedDataLenRange);
        }
        for block in [modulus(), vec![0xff; 256]] {
            assert_eq!(verified(kind, &Params::None, b"x", &block).unwrap_err(), Code::SignatureInvalid);
            let refused = decrypted(MechanismType::RSA_PKCS, &Params::None, &block);
            assert_eq!(refused.unwrap_err(), Code::EncryptedDataInvalid);
        }
        let row = table::row(kind).unwrap();
        assert_eq!(row.sign.unwrap()(&Params::None, &public()).err().unwrap(), Code::KeyTypeInconsistent);
    }
}
