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
use crate::table::Row;
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
