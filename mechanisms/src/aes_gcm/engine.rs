//! What a GCM computation runs on: the device, AWS-LC, or CBC calls of the device.

use std::sync::Arc;

use aws_lc_rs::aead as engine;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use transport::channel::Direction;
use transport::partition::{FacetKind, HsmKey, Partition};
use zeroize::Zeroizing;

use crate::aes::BLOCK;
use crate::aes_cbc::Chain;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Material};
use crate::{random, secret};

/// Length of the IVs that the device and AWS-LC take, and that are chosen here.
pub(super) const NATIVE_IV: usize = 12;

/// A GCM implementation that takes 12-byte IVs and 16-byte tags.
enum Native {
    Hsm(Arc<HsmKey>, Arc<Partition>),
    Clear(engine::LessSafeKey),
}

impl Native {
    /// Encrypts in place, answers the tag.
    fn seal(&self, iv: [u8; NATIVE_IV], aad: &[u8], data: &mut [u8]) -> Result<[u8; BLOCK]> {
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
    fn open(&self, iv: [u8; NATIVE_IV], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<()> {
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
        let hash = GHash::new(&(*chain.zero_block()?).into());
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

/// What a key's GCM can run on.
pub(super) struct Engines {
    native: Option<Native>,
    chain: Option<Chain>,
    /// Encryption with the device's IV.
    approved: Option<(Arc<HsmKey>, Arc<Partition>)>,
    /// The key was made for IVs that the token chooses: an HSM key that has the approved facet and not the other.
    own_ivs_only: bool,
}

impl Engines {
    /// The engines of a key. `any_iv`: whether IVs of other lengths than 12 bytes may come, which takes a key schedule more
    /// of a clear key.
    pub(super) fn new(key: &Key, any_iv: bool) -> Result<Self> {
        match &key.material {
            Material::Hsm(hsm, partition) => {
                let pair = || (Arc::clone(hsm), Arc::clone(partition));
                let approved = hsm.can(FacetKind::AesGcmApproved).then(pair);
                let own_ivs_only = approved.is_some() && !hsm.can(FacetKind::AesGcm);
                // The device takes the caller's IV for decryption with either.
                let native = (approved.is_some() || hsm.can(FacetKind::AesGcm)).then(|| {
                    let (hsm, partition) = pair();
                    Native::Hsm(hsm, partition)
                });
                let chain = hsm.can(FacetKind::AesCbc).then(|| Chain::new(key, Direction::Encrypt)).transpose()?;
                if native.is_none() && chain.is_none() {
                    return Err(Code::KeyFunctionNotPermitted.because("this HSM key can do neither GCM nor CBC"));
                }
                Ok(Self { native, chain, approved, own_ivs_only })
            }
            Material::Clear(_) => {
                let bytes = secret::bytes(key)?;
                let algorithm = match bytes.len() {
                    16 => &engine::AES_128_GCM,
                    24 => &engine::AES_192_GCM,
                    32 => &engine::AES_256_GCM,
                    len => return Err(Code::KeySizeRange.because(format_args!("an AES key of {len} bytes"))),
                };
                let unbound = engine::UnboundKey::new(algorithm, bytes).map_err(|_| Code::KeySizeRange)?;
                let native = Some(Native::Clear(engine::LessSafeKey::new(unbound)));
                let chain = any_iv.then(|| Chain::new(key, Direction::Encrypt)).transpose()?;
                Ok(Self { native, chain, approved: None, own_ivs_only: false })
            }
            Material::Public(_) => Err(Code::KeyTypeInconsistent.into()),
        }
    }

    /// Refuses what no message of whatever length could be encrypted or decrypted with: an IV of the caller, and a tag
    /// of this length.
    pub(super) fn check(&self, iv_len: usize, tag_len: usize, direction: Direction) -> Result<()> {
        let refused = |why: &str| Err(Code::MechanismParamInvalid.because(why));
        if iv_len == 0 {
            return refused("GCM needs an IV");
        }
        if iv_len != NATIVE_IV && self.chain.is_none() {
            return refused("the HSM takes GCM IVs of 12 bytes; others only with a key that may do CBC too");
        }
        if self.own_ivs_only && direction == Direction::Encrypt {
            return refused("the key encrypts with IVs of the token only");
        }
        self.check_tag(tag_len)
    }

    /// Refuses tags that the key could not verify.
    pub(super) fn check_tag(&self, tag_len: usize) -> Result<()> {
        if self.own_ivs_only && tag_len != BLOCK && self.chain.is_none() {
            return Err(Code::MechanismParamInvalid.because("this HSM key has tags of 128 bits only"));
        }
        Ok(())
    }

    /// Whether the key encrypts with IVs of the token only.
    pub(super) fn own_ivs_only(&self) -> bool {
        self.own_ivs_only
    }

    /// Encrypts in place with an IV that the token chooses: the device where it can, else the library at random. Answers
    /// the IV and the full tag.
    pub(super) fn seal_with_own_iv(&self, aad: &[u8], data: &mut [u8]) -> Result<([u8; NATIVE_IV], [u8; BLOCK])> {
        if let Some((key, partition)) = self.approved.as_ref().filter(|_| !data.is_empty()) {
            return Ok(partition.aes_gcm_encrypt_approved(key, aad, data)?);
        }
        let mut iv = [0; NATIVE_IV];
        random::fill(&mut iv)?;
        self.seal(&iv, aad, data).map(|tag| (iv, tag))
    }

    /// Encrypts in place, answers the full tag.
    pub(super) fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; BLOCK]> {
        let native = self.native(iv, data).filter(|_| !self.own_ivs_only);
        if let Some((native, iv)) = native {
            return native.seal(iv, aad, data);
        }
        let composed = self.composed(iv).ok_or_else(|| no_engine(Code::DataLenRange))??;
        composed.count(data)?;
        composed.tag(aad, data)
    }

    /// Decrypts in place if the tag is right; what is in `data` otherwise, the caller wipes.
    pub(super) fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<()> {
        // What verifies a short tag encrypts twice, which this key does with other IVs.
        let native = self.native(iv, data).filter(|_| tag.len() == BLOCK || !self.own_ivs_only);
        if let Some((native, iv)) = native {
            return native.open(iv, aad, data, tag);
        }
        let composed = self.composed(iv).ok_or_else(|| no_engine(Code::EncryptedDataLenRange))??;
        if !bool::from(composed.tag(aad, data)?[..tag.len()].ct_eq(tag)) {
            return Err(Code::EncryptedDataInvalid.into());
        }
        composed.count(data)
    }

    /// The native engine where it can do this message. The device has no GCM of an empty one.
    fn native(&self, iv: &[u8], data: &[u8]) -> Option<(&Native, [u8; NATIVE_IV])> {
        let iv = iv.try_into().ok()?;
        match self.native.as_ref()? {
            Native::Hsm(..) if data.is_empty() => None,
            native => Some((native, iv)),
        }
    }

    fn composed(&self, iv: &[u8]) -> Option<Result<Composed<'_>>> {
        self.chain.as_ref().map(|chain| Composed::new(chain, iv))
    }
}

fn no_engine(code: Code) -> Error {
    code.because("the HSM has no GCM of an empty message, but with a key that may do CBC too")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// What HSM keys of 16 and 24 bytes do, against AWS-LC's own GCM.
    #[test]
    fn composed_agrees_with_native() {
        for key_len in [16, 24, 32] {
            let key = testing::aes(&vec![0x3c; key_len]);
            let engines = Engines::new(&key, true).unwrap();
            let composed = engines.composed(&[9; 12]).unwrap().unwrap();
            for len in [0, 1, 15, 16, 17, 33, 100] {
                for aad_len in [0, 1, 16, 20, 33] {
                    let (mut native, aad) = (vec![5; len], vec![6; aad_len]);
                    let mut data = native.clone();
                    let tag = engines.seal(&[9; 12], &aad, &mut native).unwrap();
                    composed.count(&mut data).unwrap();
                    assert_eq!(composed.tag(&aad, &data).unwrap(), tag, "key {key_len}, message {len}, aad {aad_len}");
                    assert_eq!(data, native);
                }
            }
        }
    }

    #[test]
    fn an_iv_of_the_token_is_another_one_each_time_and_opens() {
        let engines = Engines::new(&testing::aes(&[1; 16]), false).unwrap();
        let (mut one, mut two) = (*b"hello", *b"hello");
        let (first, tag) = engines.seal_with_own_iv(b"aad", &mut one).unwrap();
        let (second, _) = engines.seal_with_own_iv(b"aad", &mut two).unwrap();
        assert!(first != second && one != two);
        engines.open(&first, b"aad", &mut one, &tag).unwrap();
        assert_eq!(&one, b"hello");
    }
}
