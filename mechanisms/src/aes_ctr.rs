//! AES-CTR (NIST SP 800-38A). In the HSM each block of the key stream is one command.

use aws_lc_rs::cipher as engine;
use aws_lc_rs::iv::FixedLength;
use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use crate::aes::{self, BLOCK};
use crate::aes_ecb::Ecb;
use crate::ck::MechanismType;
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::CipherOp;
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.11. Its table ticks wrapping too, but the text says nothing of it, and a wrapped key in which anybody
/// may flip bits is no protection.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.11.3",
    shape: Shape::Ctr,
    hardware: true,
    encrypt: Some(start),
    decrypt: Some(start),
    ..aes::cipher(MechanismType::AES_CTR)
}];

fn start(params: &Params, key: &Key) -> Result<Box<dyn CipherOp>> {
    let Params::Ctr { bits: bits @ 1..=128, block } = params else {
        return Err(Code::MechanismParamInvalid.because("a counter has 1 to 128 bits"));
    };
    let counter = u128::from_be_bytes(*block);
    let mask = u128::MAX >> (128 - bits);
    // One more where the counter is 128 bits long and starts at 0, but nobody gets there.
    let left = (mask - (counter & mask)).saturating_add(1);
    let stream = KeyStream::new(key)?;
    Ok(Box::new(Ctr { stream, counter, left, rest: Zeroizing::default(), used: BLOCK }))
}

/// The key stream of a counter: the encryption of one counter block after the other.
pub(crate) enum KeyStream {
    Hsm(Ecb),
    Clear(engine::EncryptingKey),
}

impl KeyStream {
    pub(crate) fn new(key: &Key) -> Result<Self> {
        if let Material::Clear(_) = key.material {
            let key = aes::engine_key(secret::bytes(key)?)?;
            return Ok(Self::Clear(engine::EncryptingKey::ctr(key).map_err(failed)?));
        }
        Ok(Self::Hsm(Ecb::new(key, Direction::Encrypt)?))
    }

    /// Xors the key stream that begins with the block `counter` over `data`, whose last block may be partial.
    pub(crate) fn xor(&self, counter: u128, data: &mut [u8]) -> Result<()> {
        match self {
            Self::Clear(key) => {
                let context = engine::EncryptionContext::Iv128(FixedLength::from(counter.to_be_bytes()));
                key.less_safe_encrypt(data, context).map_err(failed)?;
            }
            Self::Hsm(ecb) => {
                for (at, chunk) in (0..).zip(data.chunks_mut(BLOCK)) {
                    let mut block = Zeroizing::new(counter.wrapping_add(at).to_be_bytes());
                    ecb.blocks(&mut *block)?;
                    chunk.iter_mut().zip(block.iter()).for_each(|(byte, key)| *byte ^= key);
                }
            }
        }
        Ok(())
    }
}

struct Ctr {
    stream: KeyStream,
    /// The next counter block. No bit above the counter's ever changes: the message ends before.
    counter: u128,
    /// How many counter blocks there are from here.
    left: u128,
    /// The key stream's current block, of which so many bytes are used.
    rest: Zeroizing<[u8; BLOCK]>,
    used: usize,
}

impl Ctr {
    fn xor(&mut self, data: &mut [u8]) -> Result<()> {
        let (first, data) = data.split_at_mut(data.len().min(BLOCK - self.used));
        let blocks = data.len().div_ceil(BLOCK) as u128;
        let Some(left) = self.left.checked_sub(blocks) else {
            return Err(Code::DataLenRange.because("the counter's bits would overflow"));
        };
        first.iter_mut().zip(&self.rest[self.used..]).for_each(|(byte, key)| *byte ^= key);
        self.used += first.len();
        let (whole, last) = data.split_at_mut(data.len() / BLOCK * BLOCK);
        self.stream.xor(self.counter, whole)?;
        if !last.is_empty() {
            self.rest.zeroize();
            self.stream.xor(self.counter.wrapping_add(blocks - 1), &mut *self.rest)?;
            last.iter_mut().zip(self.rest.iter()).for_each(|(byte, key)| *byte ^= key);
            self.used = last.len();
        }
        self.counter = self.counter.wrapping_add(blocks);
        self.left = left;
        Ok(())
    }
}

impl CipherOp for Ctr {
    fn update_len(&self, len: usize) -> usize {
        len
    }

    fn final_len(&self, len: usize) -> usize {
        len
    }

    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let start = out.len();
        out.reserve(part.len());
        out.extend_from_slice(part);
        let done = self.xor(&mut out[start..]);
        if done.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        done
    }

    fn finish(self: Box<Self>, _out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        Ok(())
    }
}

fn failed(_: aws_lc_rs::error::Unspecified) -> crate::Error {
    Code::FunctionFailed.because("AES-CTR")
}

#[cfg(test)]
mod tests {
    use ctr::cipher::{KeyIvInit, StreamCipher};

    use super::*;
    use crate::table::row;
    use crate::testing::{self, hex};

    fn run(bits: u64, block: [u8; 16], key: &Key, message: &[u8], size: usize) -> Result<Vec<u8>> {
        let row = row(MechanismType::AES_CTR).unwrap();
        let mut op = row.encrypt.unwrap()(&Params::Ctr { bits, block }, key)?;
        let mut out: Zeroizing<Vec<u8>> = Zeroizing::default();
        for part in message.chunks(size) {
            assert_eq!(op.update_len(part.len()), part.len());
            let before = out.len();
            op.update(part, &mut out).inspect_err(|_| assert_eq!(out.len(), before))?;
        }
        op.finish(&mut out)?;
        Ok(out.to_vec())
    }

    /// NIST SP 800-38A, F.5.1, F.5.3, F.5.5.
    #[test]
    fn known_answers() {
        let block: [u8; 16] = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap();
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        for (bytes, cipher) in [
            ("2b7e151628aed2a6abf7158809cf4f3c", "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5",
            ),
        ] {
            for size in [1, 3, 16, 17, 32] {
                assert_eq!(run(128, block, &testing::aes(&hex(bytes)), &plain, size).unwrap(), hex(cipher));
                assert_eq!(run(16, block, &testing::aes(&hex(bytes)), &hex(cipher), size).unwrap(), plain);
            }
        }
    }

    #[test]
    fn agrees_with_rustcrypto_at_all_sizes() {
        let bytes = [0x5a; 16];
        // Carries run over many bytes.
        let block = [0, 1, 2, 3, 4, 5, 6, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf7];
        for len in (0..=64).chain(1008..=1040).chain(4080..=4112) {
            let message: Vec<u8> = (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect();
            let mut expected = message.clone();
            ctr::Ctr128BE::<::aes::Aes128>::new(&bytes.into(), &block.into()).apply_keystream(&mut expected);
            for size in [15, 16, 1000, 5000] {
                assert_eq!(run(128, block, &testing::aes(&bytes), &message, size).unwrap(), expected, "{len} bytes");
            }
        }
    }

    /// 6.11.3: "if ulCounterBits = 2 and the counter bits start as 1 then only 3 blocks of data can be processed".
    #[test]
    fn the_counter_does_not_overflow() {
        let key = testing::aes(&[1; 16]);
        for (bits, last, blocks) in
            [(2, 0xfd, 3), (2, 0xff, 1), (2, 0xfc, 4), (1, 0xff, 1), (1, 0xfe, 2), (8, 0xf0, 16)]
        {
            let mut block = [0xff; 16];
            block[15] = last;
            for size in [1, 7, 16, 1000] {
                assert!(run(bits, block, &key, &vec![0; blocks * 16], size).is_ok());
                let long = vec![0; blocks * 16 + 1];
                assert_eq!(run(bits, block, &key, &long, size).unwrap_err(), Code::DataLenRange);
            }
        }
        assert!(run(128, [0xff; 16], &key, &[0; 16], 16).is_ok());
        assert_eq!(run(128, [0xff; 16], &key, &[0; 17], 17).unwrap_err(), Code::DataLenRange);
        assert!(run(128, [0; 16], &key, &[0; 4096], 1000).is_ok());
        for bits in [0, 129, u64::MAX] {
            assert_eq!(run(bits, [0; 16], &key, &[], 1).unwrap_err(), Code::MechanismParamInvalid);
        }
    }
}
