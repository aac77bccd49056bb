//! EMSA-PSS (RFC 8017, 9.1).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::mgf1_xor;
use crate::digest::Hash;
use crate::error::{Code, Result};
use crate::random;

/// The two hashes and the length of the salt in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheme {
    pub(crate) hash: Hash,
    pub(crate) mgf: Hash,
    pub(crate) salt_len: usize,
}

impl Scheme {
    /// Whether the encoding fits a modulus of `modulus_bits`.
    pub(crate) fn fits(&self, modulus_bits: usize) -> bool {
        let em_len = modulus_bits.saturating_sub(1).div_ceil(8);
        self.salt_len.checked_add(self.hash.len() + 2).is_some_and(|need| need <= em_len)
    }

    /// The encoded message of a digest, as long as the modulus.
    pub(crate) fn pad(&self, digest: &[u8], modulus_bits: usize) -> Result<Zeroizing<Vec<u8>>> {
        let mut salt = vec![0; self.salt_len];
        random::fill(&mut salt)?;
        self.pad_with(digest, modulus_bits, &salt)
    }

    pub(crate) fn pad_with(&self, digest: &[u8], modulus_bits: usize, salt: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        if digest.len() != self.hash.len() {
            return Err(Code::DataLenRange.because(format_args!("a digest of {} bytes", digest.len())));
        }
        if !self.fits(modulus_bits) {
            return Err(Code::MechanismParamInvalid.because("the salt does not fit the modulus"));
        }
        let hash_len = self.hash.len();
        let mut block = Zeroizing::new(vec![0; modulus_bits.div_ceil(8)]);
        let em = encoded(&mut block, modulus_bits);
        let db_len = em.len() - hash_len - 1;
        let (db, tail) = em.split_at_mut(db_len);
        db[db_len - salt.len() - 1] = 1;
        db[db_len - salt.len()..].copy_from_slice(salt);
        tail[..hash_len].copy_from_slice(&self.salted(digest, salt));
        tail[hash_len] = 0xbc;
        mgf1_xor(self.mgf, &tail[..hash_len], db);
        db[0] &= first_byte_mask(modulus_bits);
        Ok(block)
    }

    /// Whether `block` (as long as the modulus) encodes `digest`.
    pub(crate) fn fits_digest(&self, digest: &[u8], modulus_bits: usize, block: &[u8]) -> bool {
        if digest.len() != self.hash.len() || !self.fits(modulus_bits) || block.len() != modulus_bits.div_ceil(8) {
            return false;
        }
        let hash_len = self.hash.len();
        let mut block = block.to_vec();
        let surplus = block.len() - (modulus_bits - 1).div_ceil(8);
        if block[..surplus].iter().any(|byte| *byte != 0) {
            return false;
        }
        let em = encoded(&mut block, modulus_bits);
        let db_len = em.len() - hash_len - 1;
        let (db, tail) = em.split_at_mut(db_len);
        let mask = first_byte_mask(modulus_bits);
        if tail[hash_len] != 0xbc || db[0] & !mask != 0 {
            return false;
        }
        mgf1_xor(self.mgf, &tail[..hash_len], db);
        db[0] &= mask;
        let (padding, salt) = db.split_at(db_len - self.salt_len);
        let Some((one, zeros)) = padding.split_last() else { return false };
        *one == 1
            && zeros.iter().all(|byte| *byte == 0)
            && bool::from(self.salted(digest, salt)[..].ct_eq(&tail[..hash_len]))
    }

    /// Hash(eight zeros || digest || salt).
    fn salted(&self, digest: &[u8], salt: &[u8]) -> Vec<u8> {
        let mut context = self.hash.context();
        context.update(&[0; 8]);
        context.update(digest);
        context.update(salt);
        context.finish().as_ref().to_vec()
    }
}

/// The part of a modulus-sized block that is the encoded message: all but one byte where `modulus_bits` is 1 mod 8.
fn encoded(block: &mut [u8], modulus_bits: usize) -> &mut [u8] {
    let surplus = block.len() - (modulus_bits - 1).div_ceil(8);
    &mut block[surplus..]
}

/// The bits of the first byte that belong to the encoded message of `modulus_bits` - 1 bits.
fn first_byte_mask(modulus_bits: usize) -> u8 {
    0xff >> ((8 - (modulus_bits - 1) % 8) % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_at_odd_sizes_and_salts() {
        for modulus_bits in [1022, 1023, 1024, 1025, 1026, 2048] {
            for salt_len in [0, 1, 20, 32, (modulus_bits - 1_usize).div_ceil(8) - 34] {
                let scheme = Scheme { hash: Hash::Sha256, mgf: Hash::Sha512, salt_len };
                let digest = scheme.hash.digest(b"message");
                let block = scheme.pad(&digest, modulus_bits).unwrap();
                assert!(scheme.fits_digest(&digest, modulus_bits, &block));
                assert!(!scheme.fits_digest(&scheme.hash.digest(b"other"), modulus_bits, &block));
                for at in 0..block.len() {
                    let mut spoiled = block.to_vec();
                    spoiled[at] ^= 1;
                    assert!(!scheme.fits_digest(&digest, modulus_bits, &spoiled), "byte {at} of {modulus_bits} bits");
                }
                let other = Scheme { salt_len: salt_len + 1, ..scheme };
                assert!(!other.fits_digest(&digest, modulus_bits, &block));
            }
        }
    }

    #[test]
    fn limits() {
        let scheme = Scheme { hash: Hash::Sha512, mgf: Hash::Sha512, salt_len: 62 };
        assert!(scheme.fits(1024));
        assert!(!scheme.fits(1017));
        assert!(!Scheme { salt_len: 63, ..scheme }.fits(1024));
        assert!(!Scheme { salt_len: usize::MAX, ..scheme }.fits(1024));
        assert_eq!(scheme.pad(&[0; 63], 1024).unwrap_err(), Code::DataLenRange);
    }
}
