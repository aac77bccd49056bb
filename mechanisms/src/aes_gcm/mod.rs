//! AES-GCM (NIST SP 800-38D): in one message or in parts (this file), and message by message ([`messages`]).
//!
//! | Key | 12-byte IV | any other IV; an empty message on the device |
//! |---|---|---|
//! | in the HSM, 32 bytes | the device's GCM | composed from one CBC call per block, if the key may do CBC |
//! | in the HSM, 16 or 24 bytes | composed | composed |
//! | clear | AWS-LC's GCM | composed |
//!
//! Tags have 96, 104, 112, 120 or 128 bits with every key. Decryption gives nothing out before the tag is verified, so
//! messages in parts are collected.
//!
//! | Who chooses the IV | How it is asked for | In the HSM, 32 bytes | Any other key |
//! |---|---|---|---|
//! | the caller | `CK_GCM_PARAMS`, `CKG_NO_GENERATE` | an unapproved device key | as above |
//! | the token | a key with `CKA_AZIHSM_DEVICE_IV` | the device at random, an approved device key | the library at random |
//! | the token | `CKG_GENERATE`, `CKG_GENERATE_RANDOM`, 12 bytes, no fixed bits | the same, where the key was made there | the library at random |
//! | the token | other generators, lengths, or fixed bits | the library, [at random or counting](crate::iv) | the same |

mod engine;
mod messages;

use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use self::engine::{Engines, NATIVE_IV};
use crate::aes::{self, BLOCK};
use crate::ck::{MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::CipherOp;
use crate::params::{OwnIv, Params, Shape};
use crate::table::Row;

/// PKCS#11 v3.2, 6.13.2 and 6.13.3.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.13.2",
    shape: Shape::Gcm,
    hardware: true,
    encrypt: Some(|params, key| start(params, key, Direction::Encrypt)),
    decrypt: Some(|params, key| start(params, key, Direction::Decrypt)),
    wrap: Some(|params, key| start(params, key, Direction::Encrypt)),
    unwrap: Some(|params, key| start(params, key, Direction::Decrypt)),
    wraps: &[ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY],
    wraps_by_counter: true,
    message_encrypt: Some(|_, key| messages::start(key, Direction::Encrypt)),
    message_decrypt: Some(|_, key| messages::start(key, Direction::Decrypt)),
    ..aes::cipher(MechanismType::AES_GCM)
}];

/// Who chooses the IV.
enum Iv {
    Caller(Vec<u8>),
    Token(OwnIv),
}

struct Gcm {
    engines: Engines,
    direction: Direction,
    iv: Iv,
    aad: Vec<u8>,
    tag_len: usize,
    message: Zeroizing<Vec<u8>>,
}

fn start(params: &Params, key: &Key, direction: Direction) -> Result<Box<dyn CipherOp>> {
    let (iv, aad, tag_bits) = match params {
        Params::Gcm { iv, aad, tag_bits } => (Iv::Caller(iv.clone()), aad, *tag_bits),
        Params::GcmOwnIv { iv, aad, tag_bits } if direction == Direction::Encrypt => {
            (Iv::Token(iv.clone()), aad, *tag_bits)
        }
        _ => return Err(Code::MechanismParamInvalid.into()),
    };
    let tag_len = tag_len(usize::try_from(tag_bits / 8).ok().filter(|_| tag_bits % 8 == 0), tag_bits)?;
    let engines = Engines::new(key, matches!(&iv, Iv::Caller(iv) if iv.len() != NATIVE_IV))?;
    match &iv {
        Iv::Caller(iv) => engines.check(iv.len(), tag_len, direction)?,
        Iv::Token(_) => engines.check_tag(tag_len)?,
    }
    Ok(Box::new(Gcm { engines, direction, iv, aad: aad.clone(), tag_len, message: Zeroizing::default() }))
}

/// The length of a tag in bytes, where it is one that is offered.
fn tag_len(len: Option<usize>, bits: u64) -> Result<usize> {
    len.filter(|len| (12..=BLOCK).contains(len)).ok_or_else(|| {
        Code::MechanismParamInvalid.because(format_args!("a tag of {bits} bits; 96, 104, 112, 120 and 128 are offered"))
    })
}

impl Gcm {
    /// Encrypts in place, answers the full tag.
    fn seal(&self, data: &mut [u8]) -> Result<[u8; BLOCK]> {
        match &self.iv {
            Iv::Caller(iv) => self.engines.seal(iv, &self.aad, data),
            Iv::Token(place) => {
                let (iv, tag) = self.engines.seal_with_own_iv(&self.aad, data)?;
                place.put(iv);
                Ok(tag)
            }
        }
    }

    fn open(&self, data: &mut [u8], tag: &[u8]) -> Result<()> {
        match &self.iv {
            Iv::Caller(iv) => self.engines.open(iv, &self.aad, data, tag),
            Iv::Token(_) => Err(Code::GeneralError.because("decryption has its IV")),
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
    use crate::testing::{self, hex};

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
            let (key, params, cipher) = (testing::aes(&hex(key_hex)), gcm(&hex(iv), &hex(AAD), 128), hex(cipher));
            for size in [0, 1, 16, 59] {
                assert_eq!(run(&params, &key, Direction::Encrypt, &hex(PLAIN), size).unwrap(), cipher);
                assert_eq!(run(&params, &key, Direction::Decrypt, &cipher, size).unwrap(), hex(PLAIN));
            }
        }
    }

    #[test]
    fn short_tags_in_both_directions() {
        let key = testing::aes(&[1; 32]);
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
        let key = testing::aes(&[1; 16]);
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
        let key = testing::aes(&[1; 16]);
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
