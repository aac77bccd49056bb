//! AES-CBC with and without PKCS#7 padding.

use std::sync::Arc;

use aws_lc_rs::cipher as engine;
use aws_lc_rs::iv::FixedLength;
use transport::channel::Direction;
use transport::partition::{HsmKey, Partition};
use zeroize::Zeroizing;

use crate::aes::{self, BLOCK};
use crate::blockwise::{BlockMode, Blockwise};
use crate::ck::{MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::CipherOp;
use crate::params::{Params, Shape};
use crate::table::{Filler, Row};
use crate::{secret, wrapping};

/// PKCS#11 v3.2, 6.10.5 and 6.10.6.
pub(crate) const ROWS: &[Row] = &[
    Row {
        section: "6.10.5",
        encrypt: Some(|params, key| start(params, key, Direction::Encrypt, false)),
        decrypt: Some(|params, key| start(params, key, Direction::Decrypt, false)),
        wrap: Some(|params, key| Ok(wrapping::wrap(start(params, key, Direction::Encrypt, false)?, BLOCK))),
        unwrap: Some(|params, key| Ok(wrapping::unwrap(start(params, key, Direction::Decrypt, false)?))),
        wraps: &[ObjectClass::SECRET_KEY],
        filler: Filler::Zeros,
        ..row(MechanismType::AES_CBC)
    },
    Row {
        section: "6.10.6",
        encrypt: Some(|params, key| start(params, key, Direction::Encrypt, true)),
        decrypt: Some(|params, key| start(params, key, Direction::Decrypt, true)),
        wrap: Some(|params, key| Ok(wrapping::wrap(start(params, key, Direction::Encrypt, true)?, 1))),
        unwrap: Some(|params, key| Ok(wrapping::unwrap(start(params, key, Direction::Decrypt, true)?))),
        wraps: &[ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY],
        filler: Filler::Pkcs7,
        ..row(MechanismType::AES_CBC_PAD)
    },
];

const fn row(kind: MechanismType) -> Row {
    Row { shape: Shape::Iv16, hardware: true, ..aes::cipher(kind) }
}

/// CBC over whole blocks, in one direction; the key stays where it is.
pub(crate) enum Chain {
    Hsm(Arc<HsmKey>, Arc<Partition>, Direction),
    Encrypt(engine::EncryptingKey),
    Decrypt(engine::DecryptingKey),
}

impl Chain {
    pub(crate) fn new(key: &Key, direction: Direction) -> Result<Self> {
        let failed = |_| Code::FunctionFailed.because("AES-CBC");
        match (&key.material, direction) {
            (Material::Hsm(key, partition), _) => {
                aes::needs_cbc(key)?;
                Ok(Self::Hsm(Arc::clone(key), Arc::clone(partition), direction))
            }
            (Material::Clear(_), Direction::Encrypt) => {
                let key = aes::engine_key(secret::bytes(key)?)?;
                Ok(Self::Encrypt(engine::EncryptingKey::cbc(key).map_err(failed)?))
            }
            (Material::Clear(_), Direction::Decrypt) => {
                let key = aes::engine_key(secret::bytes(key)?)?;
                Ok(Self::Decrypt(engine::DecryptingKey::cbc(key).map_err(failed)?))
            }
            (Material::Public(_), _) => Err(Code::KeyTypeInconsistent.into()),
        }
    }

    /// A block of zeros encrypted, by an encrypting chain: what CMAC makes its subkeys of and GCM its hash key. An HSM key
    /// remembers it while it is in memory, which spares a command of each message.
    pub(crate) fn zero_block(&self) -> Result<Zeroizing<[u8; BLOCK]>> {
        let mut block = Zeroizing::new([0; BLOCK]);
        if let Self::Hsm(key, partition, _) = self {
            let memo = key.memo(|| -> Result<_> {
                let mut memo = Zeroizing::new([0; 32]);
                partition.aes_cbc(key, Direction::Encrypt, &mut [0; BLOCK], &mut memo[..BLOCK])?;
                Ok(memo)
            })?;
            block.copy_from_slice(&memo[..BLOCK]);
        } else {
            self.run(&mut [0; BLOCK], &mut *block)?;
        }
        Ok(block)
    }

    /// Transforms whole blocks in place and moves the IV on.
    pub(crate) fn run(&self, iv: &mut [u8; BLOCK], data: &mut [u8]) -> Result<()> {
        let Some(tail) = data.last_chunk::<BLOCK>().copied() else { return Ok(()) };
        let failed = |_| Code::FunctionFailed.because("AES-CBC");
        match self {
            Self::Hsm(key, partition, direction) => partition.aes_cbc(key, *direction, iv, data)?,
            Self::Encrypt(key) => {
                let context = engine::EncryptionContext::Iv128(FixedLength::from(*iv));
                key.less_safe_encrypt(data, context).map_err(failed)?;
                *iv = *data.last_chunk().expect("data has a whole block, seen above");
            }
            Self::Decrypt(key) => {
                let context = engine::DecryptionContext::Iv128(FixedLength::from(*iv));
                key.decrypt(data, context).map_err(failed)?;
                *iv = tail;
            }
        }
        Ok(())
    }
}

struct Cbc {
    chain: Chain,
    iv: [u8; BLOCK],
}

fn start(params: &Params, key: &Key, direction: Direction, padded: bool) -> Result<Box<dyn CipherOp>> {
    let Params::Iv16(iv) = params else {
        return Err(Code::MechanismParamInvalid.because("CBC needs an IV of 16 bytes"));
    };
    let cbc = Cbc { chain: Chain::new(key, direction)?, iv: *iv };
    Ok(Box::new(Blockwise::new(cbc, direction, padded)))
}

impl BlockMode for Cbc {
    fn run(&mut self, blocks: &mut [u8]) -> Result<()> {
        self.chain.run(&mut self.iv, blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::row;
    use crate::testing::{self, hex};

    fn init(kind: MechanismType, key: &Key, direction: Direction) -> Box<dyn CipherOp> {
        let row = row(kind).unwrap();
        let init = if direction == Direction::Encrypt { row.encrypt } else { row.decrypt }.unwrap();
        init(&Params::Iv16(*b"0123456789abcdef"), key).unwrap()
    }

    fn pieces(mut op: Box<dyn CipherOp>, message: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut out: Zeroizing<Vec<u8>> = Zeroizing::default();
        for part in message.chunks(size) {
            let before = out.len();
            let promised = op.update_len(part.len());
            op.update(part, &mut out)?;
            assert_eq!(out.len() - before, promised);
        }
        let (before, promised) = (out.len(), op.final_len(0));
        op.finish(&mut out)?;
        assert!(out.len() - before <= promised);
        Ok(out.to_vec())
    }

    fn whole(op: Box<dyn CipherOp>, message: &[u8]) -> Result<Vec<u8>> {
        let promised = op.final_len(message.len());
        let mut out = Zeroizing::default();
        op.whole(message, &mut out)?;
        assert!(out.len() <= promised);
        Ok(out.to_vec())
    }

    /// NIST SP 800-38A, F.2.1, F.2.3, F.2.5.
    #[test]
    fn known_answers() {
        let iv = Params::Iv16(hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap());
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        for (bytes, cipher) in [
            ("2b7e151628aed2a6abf7158809cf4f3c", "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
            ),
        ] {
            let (key, cipher) = (testing::aes(&hex(bytes)), hex(cipher));
            let row = row(MechanismType::AES_CBC).unwrap();
            assert_eq!(whole(row.encrypt.unwrap()(&iv, &key).unwrap(), &plain).unwrap(), cipher);
            assert_eq!(whole(row.decrypt.unwrap()(&iv, &key).unwrap(), &cipher).unwrap(), plain);
        }
    }

    #[test]
    fn any_pieces_give_the_same_as_the_whole() {
        let key = testing::aes(&[7; 32]);
        for kind in [MechanismType::AES_CBC, MechanismType::AES_CBC_PAD] {
            for len in [0, 1, 15, 16, 17, 31, 32, 33, 1024, 1040] {
                if kind == MechanismType::AES_CBC && len % 16 != 0 {
                    continue;
                }
                let message: Vec<u8> = (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect();
                let cipher = whole(init(kind, &key, Direction::Encrypt), &message).unwrap();
                let expected = if kind == MechanismType::AES_CBC { len } else { len / 16 * 16 + 16 };
                assert_eq!(cipher.len(), expected);
                assert_eq!(whole(init(kind, &key, Direction::Decrypt), &cipher).unwrap(), message);
                for size in [1, 5, 15, 16, 17, 32, 33, 500] {
                    assert_eq!(pieces(init(kind, &key, Direction::Encrypt), &message, size).unwrap(), cipher);
                    assert_eq!(pieces(init(kind, &key, Direction::Decrypt), &cipher, size).unwrap(), message);
                }
            }
        }
    }

    #[test]
    fn appends_after_what_is_there() {
        let key = testing::aes(&[7; 16]);
        let mut out = Zeroizing::new(b"before".to_vec());
        init(MechanismType::AES_CBC_PAD, &key, Direction::Encrypt).whole(b"message", &mut out).unwrap();
        assert_eq!((out.len(), &out[..6]), (22, &b"before"[..]));
    }

    #[test]
    fn lengths_and_bad_padding() {
        let key = testing::aes(&[7; 16]);
        let run = |kind, direction, message: &[u8]| whole(init(kind, &key, direction), message);
        let (cbc, pad) = (MechanismType::AES_CBC, MechanismType::AES_CBC_PAD);
        assert_eq!(run(cbc, Direction::Encrypt, &[0; 17]).unwrap_err(), Code::DataLenRange);
        assert_eq!(run(cbc, Direction::Decrypt, &[0; 15]).unwrap_err(), Code::EncryptedDataLenRange);
        assert_eq!(run(pad, Direction::Decrypt, &[0; 17]).unwrap_err(), Code::EncryptedDataLenRange);
        assert_eq!(run(pad, Direction::Decrypt, &[]).unwrap_err(), Code::EncryptedDataLenRange);
        let unpadded = run(cbc, Direction::Encrypt, &[0; 32]).unwrap();
        assert_eq!(run(pad, Direction::Decrypt, &unpadded).unwrap_err(), Code::EncryptedDataInvalid);
        let row = row(cbc).unwrap();
        assert_eq!(row.encrypt.unwrap()(&Params::None, &key).err().unwrap(), Code::MechanismParamInvalid);
    }

    /// 6.10.5: filled with zeros; 6.10.6: with PKCS#7 padding.
    #[test]
    fn wrapped_keys_are_padded() {
        let key = testing::aes(&[7; 24]);
        let run = |init: Option<crate::table::CipherInit>, message: &[u8]| {
            whole(init.unwrap()(&Params::Iv16(*b"0123456789abcdef"), &key).unwrap(), message)
        };
        let (cbc, pad) = (row(MechanismType::AES_CBC).unwrap(), row(MechanismType::AES_CBC_PAD).unwrap());
        for len in 1..40 {
            let payload = vec![9; len];
            let filled = [&payload[..], &vec![0; len.next_multiple_of(16) - len]].concat();
            let wrapped = run(cbc.wrap, &payload).unwrap();
            assert_eq!(wrapped, run(cbc.encrypt, &filled).unwrap());
            assert_eq!(run(cbc.unwrap, &wrapped).unwrap(), filled);
            let wrapped = run(pad.wrap, &payload).unwrap();
            assert_eq!(wrapped, run(pad.encrypt, &payload).unwrap());
            assert_eq!(run(pad.unwrap, &wrapped).unwrap(), payload);
        }
        assert_eq!(run(pad.unwrap, &[0; 32]).unwrap_err(), Code::WrappedKeyInvalid);
        assert_eq!(run(pad.unwrap, &[0; 31]).unwrap_err(), Code::WrappedKeyLenRange);
        assert_eq!(run(cbc.unwrap, &[0; 31]).unwrap_err(), Code::WrappedKeyLenRange);
    }
}
