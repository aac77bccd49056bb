//! AES-CBC with and without PKCS#7 padding, in pieces of any size; only a partial block is ever kept back (and, when
//! padding is to be removed, the last whole one).

use std::sync::Arc;

use aws_lc_rs::cipher as engine;
use aws_lc_rs::iv::FixedLength;
use transport::channel::Direction;
use transport::partition::{FacetKind, HsmKey, Partition};
use zeroize::{Zeroize, Zeroizing};

use crate::aes::{self, BLOCK};
use crate::ck::MechanismType;
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::CipherOp;
use crate::padding::pkcs7;
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::{CipherInit, Row};

/// PKCS#11 v3.2, 6.10.5 and 6.10.6.
pub(crate) const ROWS: &[Row] = &[
    row(
        MechanismType::AES_CBC,
        "6.10.5",
        |params, key| start(params, key, Direction::Encrypt, false),
        |params, key| start(params, key, Direction::Decrypt, false),
    ),
    row(
        MechanismType::AES_CBC_PAD,
        "6.10.6",
        |params, key| start(params, key, Direction::Encrypt, true),
        |params, key| start(params, key, Direction::Decrypt, true),
    ),
];

const fn row(kind: MechanismType, section: &'static str, encrypt: CipherInit, decrypt: CipherInit) -> Row {
    Row {
        section,
        shape: Shape::Iv16,
        hardware: true,
        encrypt: Some(encrypt),
        decrypt: Some(decrypt),
        ..aes::cipher(kind)
    }
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
                if !key.can(FacetKind::AesCbc) {
                    return Err(Code::KeyFunctionNotPermitted.because("this HSM key was made without CBC"));
                }
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
    direction: Direction,
    padded: bool,
    iv: [u8; BLOCK],
    /// Fewer bytes than a block; when padding is to be removed, up to a whole block.
    kept: Zeroizing<Vec<u8>>,
}

fn start(params: &Params, key: &Key, direction: Direction, padded: bool) -> Result<Box<dyn CipherOp>> {
    let Params::Iv16(iv) = params else {
        return Err(Code::MechanismParamInvalid.because("CBC needs an IV of 16 bytes"));
    };
    let kept = Zeroizing::new(Vec::with_capacity(BLOCK));
    Ok(Box::new(Cbc { chain: Chain::new(key, direction)?, direction, padded, iv: *iv, kept }))
}

impl Cbc {
    /// How many of `len` bytes (with those kept) can be given out before the end of the message.
    fn ready(&self, len: usize) -> usize {
        if self.padded && self.direction == Direction::Decrypt {
            // The last whole block may be the padding.
            len.saturating_sub(1) / BLOCK * BLOCK
        } else {
            len / BLOCK * BLOCK
        }
    }

    fn length_error(&self, len: usize) -> crate::Error {
        let code = match self.direction {
            Direction::Encrypt => Code::DataLenRange,
            Direction::Decrypt => Code::EncryptedDataLenRange,
        };
        code.because(format_args!("{len} bytes are left that fill no block"))
    }

    /// Transforms what stands in `out` from `start` on; on failure nothing stays there.
    fn transform(&mut self, start: usize, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let done = self.chain.run(&mut self.iv, &mut out[start..]);
        if done.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        done
    }
}

impl CipherOp for Cbc {
    fn update_len(&self, len: usize) -> usize {
        self.ready(self.kept.len().saturating_add(len))
    }

    fn final_len(&self, len: usize) -> usize {
        let total = self.kept.len().saturating_add(len);
        match (self.padded, self.direction) {
            (true, Direction::Encrypt) => (total / BLOCK).saturating_add(1).saturating_mul(BLOCK),
            // Padding takes at least one byte away; which, only decryption can tell.
            (true, Direction::Decrypt) | (false, _) => total,
        }
    }

    fn answer_is_padded(&self) -> bool {
        self.padded && self.direction == Direction::Decrypt
    }

    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let ready = self.ready(self.kept.len() + part.len());
        if ready == 0 {
            self.kept.extend_from_slice(part);
            return Ok(());
        }
        let start = out.len();
        let taken = ready - self.kept.len();
        // No more than that: the caller has made room for the whole answer, and a larger request would move it.
        out.reserve(ready);
        out.extend_from_slice(&self.kept);
        out.extend_from_slice(&part[..taken]);
        self.kept.clear();
        self.kept.extend_from_slice(&part[taken..]);
        self.transform(start, out)
    }

    fn finish(mut self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let start = out.len();
        match (self.padded, self.direction) {
            (false, _) if self.kept.is_empty() => Ok(()),
            (false, _) => Err(self.length_error(self.kept.len())),
            (true, Direction::Encrypt) => {
                let (padding, len) = pkcs7::padding(self.kept.len());
                out.extend_from_slice(&self.kept);
                out.extend_from_slice(&padding[..len]);
                self.transform(start, out)
            }
            (true, Direction::Decrypt) => {
                let Ok(mut block) = <[u8; BLOCK]>::try_from(&self.kept[..]) else {
                    return Err(self.length_error(self.kept.len()));
                };
                self.chain.run(&mut self.iv, &mut block)?;
                let len = pkcs7::unpad(&block);
                if let Ok(len) = len {
                    out.extend_from_slice(&block[..len]);
                }
                block.zeroize();
                len.map(|_| ())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ck::KeyType;
    use crate::key::Value;
    use crate::table::row;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn key(bytes: &[u8]) -> Key {
        let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
        Key { key_type: KeyType::AES, material: Material::Clear(Arc::new(value)), public: None }
    }

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
            let (key, cipher) = (key(&hex(bytes)), hex(cipher));
            let row = row(MechanismType::AES_CBC).unwrap();
            assert_eq!(whole(row.encrypt.unwrap()(&iv, &key).unwrap(), &plain).unwrap(), cipher);
            assert_eq!(whole(row.decrypt.unwrap()(&iv, &key).unwrap(), &cipher).unwrap(), plain);
        }
    }

    #[test]
    fn any_pieces_give_the_same_as_the_whole() {
        let key = key(&[7; 32]);
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
        let key = key(&[7; 16]);
        let mut out = Zeroizing::new(b"before".to_vec());
        init(MechanismType::AES_CBC_PAD, &key, Direction::Encrypt).whole(b"message", &mut out).unwrap();
        assert_eq!((out.len(), &out[..6]), (22, &b"before"[..]));
    }

    #[test]
    fn lengths_and_bad_padding() {
        let key = key(&[7; 16]);
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
}
