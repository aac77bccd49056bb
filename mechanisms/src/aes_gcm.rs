//! AES-GCM (NIST SP 800-38D).
//!
//! | Key | 12-byte IV | any other IV; an empty message on the device |
//! |---|---|---|
//! | in the HSM, 32 bytes | the device's GCM | composed from one CBC call per block, if the key may do CBC |
//! | in the HSM, 16 or 24 bytes | composed | composed |
//! | clear | AWS-LC's GCM | composed |
//!
//! Tags have 96, 104, 112, 120 or 128 bits with every key. Decryption gives nothing out before the tag is verified, so
//! messages in parts are collected.

use std::sync::Arc;

use aws_lc_rs::aead as engine;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use transport::channel::Direction;
use transport::partition::{FacetKind, HsmKey, Partition};
use zeroize::{Zeroize, Zeroizing};

use crate::aes::{self, BLOCK};
use crate::aes_cbc::Chain;
use crate::ck::{MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::CipherOp;
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.13.2.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.13.2",
    shape: Shape::Gcm,
    hardware: true,
    encrypt: Some(|params, key| start(params, key, Direction::Encrypt)),
    decrypt: Some(|params, key| start(params, key, Direction::Decrypt)),
    wrap: Some(|params, key| start(params, key, Direction::Encrypt)),
    unwrap: Some(|params, key| start(params, key, Direction::Decrypt)),
    wraps: &[ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY],
    ..aes::cipher(MechanismType::AES_GCM)
}];

/// A GCM implementation that takes 12-byte IVs and 16-byte tags.
enum Native {
    Hsm(Arc<HsmKey>, Arc<Partition>),
    Clear(engine::LessSafeKey),
}

impl Native {
    /// Encrypts in place, answers the tag.
    fn seal(&self, iv: [u8; 12], aad: &[u8], data: &mut [u8]) -> Result<[u8; BLOCK]> {
        match self {
            Self::Hsm(key, partition) => Ok(partition.aes_gcm_encrypt(key, &iv, aad, data)?),
            Self::Clear(key) => {
                let nonce = engine::Nonce::assume_unique_for_key(iv);
                let tag = key
                    .seal_in_place_separate_tag(nonce, engine::Aad::from(aad), data)
                    .map_err(|_| Code::FunctionFailed.because("AES-GCM"))?;
                tag.as_ref().try_into().map_err(|_| Code::GeneralError.because("a GCM tag is 16 bytes"))
            }
        }
    }

    /// Decrypts in place if the tag, 12 to 16 bytes, is right; what is in `data` otherwise, the caller wipes.
    fn open(&self, iv: [u8; 12], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<()> {
        if let Ok(tag) = <&[u8; BLOCK]>::try_from(tag) {
            return match self {
                Self::Hsm(key, partition) => Ok(partition.aes_gcm_decrypt(key, &iv, aad, data, tag)?),
                Self::Clear(key) => {
                    let nonce = engine::Nonce::assume_unique_for_key(iv);
                    key.open_in_place_separate_tag(nonce, engine::Aad::from(aad), tag, data)
                        .map(|_| ())
                        .map_err(|_| Code::EncryptedDataInvalid.into())
                }
            };
        }
        // Neither engine verifies a short tag. But encryption is an XOR with a key stream: encrypting the ciphertext
        // gives the plaintext, and encrypting that gives the ciphertext with its full tag.
        self.seal(iv, aad, data)?;
        let mut again = Zeroizing::new(data.to_vec());
        let full = self.seal(iv, aad, &mut again)?;
        if bool::from(full[..tag.len()].ct_eq(tag)) { Ok(()) } else { Err(Code::EncryptedDataInvalid.into()) }
    }
}

/// GCM over a block cipher that is used one block at a time: CBC encryption with IV 0 (semantics 8.1).
struct Composed<'a> {
    chain: &'a Chain,
    hash: GHash,
    /// The first counter block.
    j0: [u8; BLOCK],
}

impl<'a> Composed<'a> {
    fn new(chain: &'a Chain, iv: &[u8]) -> Result<Self> {
        let mut h = encrypt_block(chain, [0; BLOCK])?;
        let hash = GHash::new(&h.into());
        h.zeroize();
        let mut j0 = [0; BLOCK];
        if iv.len() == 12 {
            j0[..12].copy_from_slice(iv);
            j0[15] = 1;
        } else {
            let mut hash = hash.clone();
            hash.update_padded(iv);
            hash.update(&[lengths(0, iv.len()).into()]);
            j0 = hash.finalize().into();
        }
        Ok(Self { chain, hash, j0 })
    }

    /// Xors the key stream over `data`.
    fn count(&self, data: &mut [u8]) -> Result<()> {
        let (prefix, start) = self.j0.split_last_chunk::<4>().expect("a block has 16 bytes");
        let mut counter = u32::from_be_bytes(*start);
        for chunk in data.chunks_mut(BLOCK) {
            counter = counter.wrapping_add(1);
            let mut block = [0; BLOCK];
            block[..12].copy_from_slice(prefix);
            block[12..].copy_from_slice(&counter.to_be_bytes());
            let stream = Zeroizing::new(encrypt_block(self.chain, block)?);
            chunk.iter_mut().zip(stream.iter()).for_each(|(byte, key)| *byte ^= key);
        }
        Ok(())
    }

    fn tag(&self, aad: &[u8], ciphertext: &[u8]) -> Result<[u8; BLOCK]> {
        let mut hash = self.hash.clone();
        hash.update_padded(aad);
        hash.update_padded(ciphertext);
        hash.update(&[lengths(aad.len(), ciphertext.len()).into()]);
        let mut tag: [u8; BLOCK] = hash.finalize().into();
        let mask = encrypt_block(self.chain, self.j0)?;
        tag.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        Ok(tag)
    }
}

fn encrypt_block(chain: &Chain, mut block: [u8; BLOCK]) -> Result<[u8; BLOCK]> {
    chain.run(&mut [0; BLOCK], &mut block)?;
    Ok(block)
}

/// Two lengths in bits, 64 bits each, big-endian.
fn lengths(first: usize, second: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..8].copy_from_slice(&(first as u64 * 8).to_be_bytes());
    block[8..].copy_from_slice(&(second as u64 * 8).to_be_bytes());
    block
}

struct Gcm {
    native: Option<(Native, [u8; 12])>,
    chain: Option<Chain>,
    direction: Direction,
    iv: Vec<u8>,
    aad: Vec<u8>,
    tag_len: usize,
    message: Zeroizing<Vec<u8>>,
}

fn start(params: &Params, key: &Key, direction: Direction) -> Result<Box<dyn CipherOp>> {
    let Params::Gcm { iv, aad, tag_bits } = params else { return Err(Code::MechanismParamInvalid.into()) };
    if iv.is_empty() {
        return Err(Code::MechanismParamInvalid.because("GCM needs an IV"));
    }
    if !(96..=128).contains(tag_bits) || tag_bits % 8 != 0 {
        return Err(Code::MechanismParamInvalid
            .because(format_args!("a tag of {tag_bits} bits; 96, 104, 112, 120 and 128 are offered")));
    }
    let tag_len = usize::try_from(tag_bits / 8).unwrap_or(BLOCK);
    let (native, chain) = engines(key, iv)?;
    let (iv, aad) = (iv.clone(), aad.clone());
    Ok(Box::new(Gcm { native, chain, direction, iv, aad, tag_len, message: Zeroizing::default() }))
}

type Engines = (Option<(Native, [u8; 12])>, Option<Chain>);

fn engines(key: &Key, iv: &[u8]) -> Result<Engines> {
    let iv = <[u8; 12]>::try_from(iv).ok();
    match &key.material {
        Material::Hsm(hsm, partition) => {
            let native = iv
                .filter(|_| hsm.can(FacetKind::AesGcm))
                .map(|iv| (Native::Hsm(Arc::clone(hsm), Arc::clone(partition)), iv));
            let chain = hsm.can(FacetKind::AesCbc).then(|| Chain::new(key, Direction::Encrypt)).transpose()?;
            match (&native, &chain) {
                (None, None) if hsm.can(FacetKind::AesGcm) => Err(Code::MechanismParamInvalid
                    .because("the HSM takes GCM IVs of 12 bytes; others only with a key that may do CBC too")),
                (None, None) => Err(Code::KeyFunctionNotPermitted.because("this HSM key can do neither GCM nor CBC")),
                _ => Ok((native, chain)),
            }
        }
        Material::Clear(_) => {
            let bytes = secret::bytes(key)?;
            let algorithm = match bytes.len() {
                16 => &engine::AES_128_GCM,
                24 => &engine::AES_192_GCM,
                32 => &engine::AES_256_GCM,
                len => return Err(Code::KeySizeRange.because(format_args!("an AES key of {len} bytes"))),
            };
            let Some(iv) = iv else { return Ok((None, Some(Chain::new(key, Direction::Encrypt)?))) };
            let unbound = engine::UnboundKey::new(algorithm, bytes).map_err(|_| Code::KeySizeRange)?;
            Ok((Some((Native::Clear(engine::LessSafeKey::new(unbound)), iv)), None))
        }
        Material::Public(_) => Err(Code::KeyTypeInconsistent.into()),
    }
}

/// What one message runs on.
enum Engine<'a> {
    Native(&'a Native, [u8; 12]),
    Composed(Composed<'a>),
}

impl Gcm {
    /// The native engine where it can, else the composed one. The device has no GCM of an empty message.
    fn engine(&self, data: &[u8]) -> Result<Engine<'_>> {
        match (&self.native, &self.chain) {
            (Some((Native::Hsm(..), _)), None) if data.is_empty() => {
                let code = match self.direction {
                    Direction::Encrypt => Code::DataLenRange,
                    Direction::Decrypt => Code::EncryptedDataLenRange,
                };
                Err(code.because("the HSM has no GCM of an empty message, but with a key that may do CBC too"))
            }
            (Some((native @ Native::Hsm(..), iv)), _) if !data.is_empty() => Ok(Engine::Native(native, *iv)),
            (Some((native @ Native::Clear(_), iv)), _) => Ok(Engine::Native(native, *iv)),
            (_, Some(chain)) => Ok(Engine::Composed(Composed::new(chain, &self.iv)?)),
            (_, None) => Err(Code::GeneralError.because("GCM without an engine")),
        }
    }

    /// Encrypts in place, answers the full tag.
    fn seal(&self, data: &mut [u8]) -> Result<[u8; BLOCK]> {
        match self.engine(data)? {
            Engine::Native(native, iv) => native.seal(iv, &self.aad, data),
            Engine::Composed(composed) => {
                composed.count(data)?;
                composed.tag(&self.aad, data)
            }
        }
    }

    fn open(&self, data: &mut [u8], tag: &[u8]) -> Result<()> {
        match self.engine(data)? {
            Engine::Native(native, iv) => native.open(iv, &self.aad, data, tag),
            Engine::Composed(composed) => {
                if !bool::from(composed.tag(&self.aad, data)?[..tag.len()].ct_eq(tag)) {
                    return Err(Code::EncryptedDataInvalid.into());
                }
                composed.count(data)
            }
        }
    }

    /// Transforms what stands in `out` from `start` on; on failure nothing stays there.
    fn transform(&self, start: usize, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let done = match self.direction {
            Direction::Encrypt => self.seal(&mut out[start..]).map(|tag| out.extend_from_slice(&tag[..self.tag_len])),
            Direction::Decrypt => {
                let Some(len) = (out.len() - start).checked_sub(self.tag_len) else {
                    let len = out.len() - start;
                    out.truncate(start);
                    return Err(Code::EncryptedDataLenRange.because(format_args!("{len} bytes hold no tag")));
                };
                let tag = out.split_off(start + len);
                self.open(&mut out[start..], &tag)
            }
        };
        if done.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        done
    }
}

impl CipherOp for Gcm {
    fn update_len(&self, _len: usize) -> usize {
        0
    }

    fn final_len(&self, len: usize) -> usize {
        let total = self.message.len().saturating_add(len);
        match self.direction {
            Direction::Encrypt => total.saturating_add(self.tag_len),
            Direction::Decrypt => total.saturating_sub(self.tag_len),
        }
    }

    fn update(&mut self, part: &[u8], _out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        grow(&mut self.message, part.len());
        self.message.extend_from_slice(part);
        Ok(())
    }

    fn finish(mut self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        if out.is_empty() {
            std::mem::swap(&mut self.message, out);
            return self.transform(0, out);
        }
        self.whole(&[], out)
    }

    fn whole(mut self: Box<Self>, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let start = out.len();
        out.reserve(self.message.len() + message.len() + BLOCK);
        out.extend_from_slice(&std::mem::take(&mut self.message));
        out.extend_from_slice(message);
        self.transform(start, out)
    }
}

/// Makes room for `more` bytes, by doubling, without leaving the old allocation's content behind.
fn grow(buffer: &mut Zeroizing<Vec<u8>>, more: usize) {
    let need = buffer.len() + more;
    if need > buffer.capacity() {
        let mut bigger = Zeroizing::new(Vec::with_capacity(need.max(2 * buffer.capacity())));
        bigger.extend_from_slice(buffer);
        *buffer = bigger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ck::KeyType;
    use crate::key::Value;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn key(bytes: &[u8]) -> Key {
        let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
        Key { key_type: KeyType::AES, material: Material::Clear(Arc::new(value)), public: None }
    }

    fn gcm(iv: &[u8], aad: &[u8], tag_bits: u64) -> Params {
        Params::Gcm { iv: iv.to_vec(), aad: aad.to_vec(), tag_bits }
    }

    fn run(params: &Params, key: &Key, direction: Direction, message: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut op = start(params, key, direction)?;
        let promised = op.final_len(message.len());
        let mut out = Zeroizing::new(b"before".to_vec());
        if size == 0 {
            op.whole(message, &mut out)?;
        } else {
            for part in message.chunks(size) {
                op.update(part, &mut out)?;
                assert_eq!(out.len(), 6, "nothing leaves before the end");
            }
            op.finish(&mut out)?;
        }
        assert_eq!(out.len() - 6, promised);
        Ok(out[6..].to_vec())
    }

    const KEY: &str = "feffe9928665731c6d6a8f9467308308";
    const PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                         b16aedf5aa0de657ba637b39";
    const AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";

    /// "The Galois/Counter Mode of Operation" (its authors' submission to NIST), test cases 4, 5, 6 (AES-128), 16 and 18 (AES-256):
    /// IVs of 12, 8 and 60 bytes.
    #[test]
    fn known_answers() {
        let long_iv = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525\
                       416aedbf5a0de6a57a637b39b";
        let double = KEY.repeat(2);
        for (key_hex, iv, cipher) in [
            (
                KEY,
                "cafebabefacedbaddecaf888",
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05\
                 1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
            ),
            (
                KEY,
                "cafebabefacedbad",
                "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b42\
                 4989b5e1ebac0f07c23f45983612d2e79e3b0785561be14aaca2fccb",
            ),
            (
                KEY,
                long_iv,
                "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6f\
                 d62875d2aca417034c34aee5619cc5aefffe0bfa462af43c1699d050",
            ),
            (
                &double,
                "cafebabefacedbaddecaf888",
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                 c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
            ),
            (
                &double,
                long_iv,
                "5a8def2f0c9e53f1f75d7853659e2a20eeb2b22aafde6419a058ab4f6f746bf40fc0c3b780f244452da3ebf1c5d82cde\
                 a2418997200ef82e44ae7e3fa44a8266ee1c8eb0c8b5d4cf5ae9f19a",
            ),
        ] {
            let (key, params, cipher) = (key(&hex(key_hex)), gcm(&hex(iv), &hex(AAD), 128), hex(cipher));
            for size in [0, 1, 16, 59] {
                assert_eq!(run(&params, &key, Direction::Encrypt, &hex(PLAIN), size).unwrap(), cipher);
                assert_eq!(run(&params, &key, Direction::Decrypt, &cipher, size).unwrap(), hex(PLAIN));
            }
        }
    }

    /// What HSM keys of 16 and 24 bytes do, against AWS-LC's own GCM.
    #[test]
    fn composed_agrees_with_native() {
        for key_len in [16, 24, 32] {
            let key = key(&vec![0x3c; key_len]);
            let chain = Chain::new(&key, Direction::Encrypt).unwrap();
            for len in [0, 1, 15, 16, 17, 33, 100] {
                for aad_len in [0, 1, 16, 20, 33] {
                    let (message, aad) = (vec![5; len], vec![6; aad_len]);
                    let expected = run(&gcm(&[9; 12], &aad, 128), &key, Direction::Encrypt, &message, 0).unwrap();
                    let composed = Composed::new(&chain, &[9; 12]).unwrap();
                    let mut data = message.clone();
                    composed.count(&mut data).unwrap();
                    data.extend_from_slice(&composed.tag(&aad, &data).unwrap());
                    assert_eq!(data, expected, "key {key_len}, message {len}, aad {aad_len}");
                }
            }
        }
    }

    #[test]
    fn short_tags_in_both_directions() {
        let key = key(&[1; 32]);
        for iv in [&[9; 12][..], &[9; 16]] {
            let full = run(&gcm(iv, b"aad", 128), &key, Direction::Encrypt, b"some message", 0).unwrap();
            for tag_bits in [96, 104, 112, 120] {
                let params = gcm(iv, b"aad", tag_bits);
                let short = run(&params, &key, Direction::Encrypt, b"some message", 0).unwrap();
                assert_eq!(short[..], full[..short.len()]);
                assert_eq!(run(&params, &key, Direction::Decrypt, &short, 0).unwrap(), b"some message");
                for at in 0..short.len() {
                    let mut spoiled = short.clone();
                    spoiled[at] ^= 1;
                    let refused = run(&params, &key, Direction::Decrypt, &spoiled, 0);
                    assert_eq!(refused.unwrap_err(), Code::EncryptedDataInvalid);
                }
            }
        }
    }

    #[test]
    fn a_bad_tag_releases_nothing() {
        let key = key(&[1; 16]);
        for iv in [&[9; 12][..], &[9; 13]] {
            let mut cipher = run(&gcm(iv, b"", 128), &key, Direction::Encrypt, b"message", 0).unwrap();
            cipher[0] ^= 1;
            let mut out = Zeroizing::new(b"before".to_vec());
            let op = start(&gcm(iv, b"", 128), &key, Direction::Decrypt).unwrap();
            assert_eq!(op.whole(&cipher, &mut out).unwrap_err(), Code::EncryptedDataInvalid);
            assert_eq!(*out, b"before");
        }
    }

    #[test]
    fn misuse() {
        let key = key(&[1; 16]);
        let refused = |params: &Params| start(params, &key, Direction::Encrypt).err().unwrap();
        for tag_bits in [0, 32, 64, 88, 95, 100, 129, 136, u64::MAX] {
            assert_eq!(refused(&gcm(&[1; 12], b"", tag_bits)), Code::MechanismParamInvalid);
        }
        assert_eq!(refused(&gcm(b"", b"", 128)), Code::MechanismParamInvalid);
        assert_eq!(refused(&Params::None), Code::MechanismParamInvalid);
        let short = run(&gcm(&[1; 12], b"", 128), &key, Direction::Decrypt, &[0; 15], 0);
        assert_eq!(short.unwrap_err(), Code::EncryptedDataLenRange);
    }
}
