//! AES-ECB (NIST SP 800-38A), and single blocks for the modes that are made of them.
//!
//! The device has no ECB. Encryption is one CBC command per block with IV 0; decryption one per 1024 bytes, because what
//! CBC decryption does more than ECB is an XOR with the ciphertext before (semantics 8.1).

use std::sync::Arc;

use aws_lc_rs::cipher as engine;
use transport::channel::Direction;
use transport::partition::{HsmKey, Partition};

use crate::aes::{self, BLOCK};
use crate::blockwise::{BlockMode, Blockwise};
use crate::ck::{MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::CipherOp;
use crate::table::{Filler, Row};
use crate::{secret, wrapping};

/// PKCS#11 v3.2, 6.10.4.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.10.4",
    hardware: true,
    encrypt: Some(|_, key| start(key, Direction::Encrypt)),
    decrypt: Some(|_, key| start(key, Direction::Decrypt)),
    wrap: Some(|_, key| Ok(wrapping::wrap(start(key, Direction::Encrypt)?, BLOCK))),
    unwrap: Some(|_, key| Ok(wrapping::unwrap(start(key, Direction::Decrypt)?))),
    wraps: &[ObjectClass::SECRET_KEY],
    filler: Filler::Zeros,
    ..aes::cipher(MechanismType::AES_ECB)
}];

fn start(key: &Key, direction: Direction) -> Result<Box<dyn CipherOp>> {
    Ok(Box::new(Blockwise::new(Ecb::new(key, direction)?, direction, false)))
}

/// The block cipher in one direction; the key stays where it is.
pub(crate) enum Ecb {
    Hsm(Arc<HsmKey>, Arc<Partition>, Direction),
    Encrypt(engine::EncryptingKey),
    Decrypt(engine::DecryptingKey),
}

impl Ecb {
    pub(crate) fn new(key: &Key, direction: Direction) -> Result<Self> {
        match (&key.material, direction) {
            (Material::Hsm(key, partition), _) => {
                aes::needs_cbc(key)?;
                Ok(Self::Hsm(Arc::clone(key), Arc::clone(partition), direction))
            }
            (Material::Clear(_), Direction::Encrypt) => {
                let key = aes::engine_key(secret::bytes(key)?)?;
                Ok(Self::Encrypt(engine::EncryptingKey::ecb(key).map_err(failed)?))
            }
            (Material::Clear(_), Direction::Decrypt) => {
                let key = aes::engine_key(secret::bytes(key)?)?;
                Ok(Self::Decrypt(engine::DecryptingKey::ecb(key).map_err(failed)?))
            }
            (Material::Public(_), _) => Err(Code::KeyTypeInconsistent.into()),
        }
    }

    /// Whether each encrypted block, and each call, is a command to the device.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::Hsm(..))
    }

    /// Transforms each of some whole blocks in place.
    pub(crate) fn blocks(&self, data: &mut [u8]) -> Result<()> {
        match self {
            Self::Hsm(key, partition, Direction::Encrypt) => {
                for block in data.chunks_exact_mut(BLOCK) {
                    partition.aes_cbc(key, Direction::Encrypt, &mut [0; BLOCK], block)?;
                }
            }
            Self::Hsm(key, partition, Direction::Decrypt) => {
                for chunk in data.chunks_mut(COMMAND) {
                    let mut before = [0; COMMAND];
                    before[..chunk.len()].copy_from_slice(chunk);
                    partition.aes_cbc(key, Direction::Decrypt, &mut [0; BLOCK], chunk)?;
                    // The first block was chained to an IV of zeros.
                    chunk.iter_mut().skip(BLOCK).zip(before).for_each(|(byte, before)| *byte ^= before);
                }
            }
            Self::Encrypt(key) => {
                key.less_safe_encrypt(data, engine::EncryptionContext::None).map_err(failed)?;
            }
            Self::Decrypt(key) => {
                key.decrypt(data, engine::DecryptionContext::None).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl BlockMode for Ecb {
    fn run(&mut self, blocks: &mut [u8]) -> Result<()> {
        self.blocks(blocks)
    }
}

fn failed(_: aws_lc_rs::error::Unspecified) -> crate::Error {
    Code::FunctionFailed.because("AES-ECB")
}

/// What one CBC command of the device takes (semantics 6.2).
const COMMAND: usize = 1024;

#[cfg(test)]
mod tests {
    use ::aes::cipher::{BlockCipherEncrypt, KeyInit};
    use ::aes::{Aes128, Aes192, Aes256};

    use super::*;
    use crate::ck::KeyType;
    use crate::params::Params;
    use crate::table::{CipherInit, row};
    use crate::testing::{hex, message, secret};
    use zeroize::Zeroizing;

    fn run(init: Option<CipherInit>, key: &Key, message: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut op = init.unwrap()(&Params::None, key)?;
        let mut out: Zeroizing<Vec<u8>> = Zeroizing::default();
        for part in message.chunks(size) {
            let (before, promised) = (out.len(), op.update_len(part.len()));
            op.update(part, &mut out)?;
            assert_eq!(out.len() - before, promised);
        }
        let (before, promised) = (out.len(), op.final_len(0));
        op.finish(&mut out)?;
        assert_eq!(out.len() - before, promised);
        Ok(out.to_vec())
    }

    fn ecb() -> &'static Row {
        row(MechanismType::AES_ECB).unwrap()
    }

    /// NIST SP 800-38A, F.1.1, F.1.3, F.1.5.
    #[test]
    fn known_answers() {
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        for (bytes, cipher) in [
            ("2b7e151628aed2a6abf7158809cf4f3c", "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870",
            ),
        ] {
            let key = secret(KeyType::AES, &hex(bytes));
            for size in [1, 16, 31, 32] {
                assert_eq!(run(ecb().encrypt, &key, &plain, size).unwrap(), hex(cipher));
                assert_eq!(run(ecb().decrypt, &key, &hex(cipher), size).unwrap(), plain);
            }
        }
    }

    #[test]
    fn agrees_with_rustcrypto_at_all_sizes() {
        fn check<C: KeyInit + BlockCipherEncrypt>(bytes: &[u8]) {
            let (key, other) = (secret(KeyType::AES, bytes), C::new_from_slice(bytes).unwrap());
            for len in (0..=64).chain(1008..=1040).chain(4080..=4112) {
                let plain = message(len);
                if len % BLOCK != 0 {
                    assert_eq!(run(ecb().encrypt, &key, &plain, 100).unwrap_err(), Code::DataLenRange);
                    assert_eq!(run(ecb().decrypt, &key, &plain, 100).unwrap_err(), Code::EncryptedDataLenRange);
                    continue;
                }
                let mut expected = plain.clone();
                for block in expected.chunks_exact_mut(BLOCK) {
                    other.encrypt_block(block.try_into().unwrap());
                }
                for size in [15, 1000, 5000] {
                    assert_eq!(run(ecb().encrypt, &key, &plain, size).unwrap(), expected, "{len} bytes");
                    assert_eq!(run(ecb().decrypt, &key, &expected, size).unwrap(), plain);
                }
            }
        }
        check::<Aes128>(&[1; 16]);
        check::<Aes192>(&[2; 24]);
        check::<Aes256>(&[3; 32]);
    }

    /// 6.10.4: "padded on the trailing end with up to block size minus one null bytes".
    #[test]
    fn wrapped_keys_are_filled_with_zeros() {
        let key = secret(KeyType::AES, &[3; 32]);
        for len in 0..40 {
            let payload = message(len);
            let padded = [&payload[..], &vec![0; len.next_multiple_of(BLOCK) - len]].concat();
            for size in [7, 16, 40] {
                let wrapped = run(ecb().wrap, &key, &payload, size).unwrap();
                assert_eq!(wrapped, run(ecb().encrypt, &key, &padded, 40).unwrap());
                assert_eq!(run(ecb().unwrap, &key, &wrapped, size).unwrap(), padded);
            }
            let op = ecb().wrap.unwrap()(&Params::None, &key).unwrap();
            assert_eq!(op.final_len(len), padded.len(), "the size query before");
        }
        assert_eq!(run(ecb().unwrap, &key, &[0; 17], 40).unwrap_err(), Code::WrappedKeyLenRange);
    }
}
