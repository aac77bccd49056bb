//! RSAES-OAEP (RFC 8017, 7.1). Unpadding is constant-time and knows one error.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::mgf1_xor;
use crate::digest::{Hash, too_long};
use crate::error::{Code, Result};
use crate::random;

/// The two hashes and the label.
#[derive(Clone, Debug)]
pub(crate) struct Scheme {
    pub(crate) hash: Hash,
    pub(crate) mgf: Hash,
    pub(crate) label: Vec<u8>,
}

impl Scheme {
    /// The longest message for a modulus of `len` bytes; `None` where not even an empty one fits.
    pub(crate) fn limit(&self, len: usize) -> Option<usize> {
        len.checked_sub(2 * self.hash.len() + 2)
    }

    /// EME-OAEP encoding, `len` bytes.
    pub(crate) fn pad(&self, message: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
        let mut seed = Zeroizing::new(vec![0; self.hash.len()]);
        random::fill(&mut seed)?;
        self.pad_with(message, len, &seed)
    }

    fn pad_with(&self, message: &[u8], len: usize, seed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let limit = self.limit(len).ok_or(Code::KeySizeRange)?;
        if message.len() > limit {
            return Err(too_long(message.len(), limit));
        }
        let hash_len = self.hash.len();
        let mut block = Zeroizing::new(vec![0; len]);
        let (masked_seed, data) = block[1..].split_at_mut(hash_len);
        masked_seed.copy_from_slice(seed);
        data[..hash_len].copy_from_slice(&self.hash.digest(&self.label));
        let one = data.len() - message.len() - 1;
        data[one] = 1;
        data[one + 1..].copy_from_slice(message);
        mgf1_xor(self.mgf, masked_seed, data);
        mgf1_xor(self.mgf, data, masked_seed);
        Ok(block)
    }

    /// What a decrypted block holds; else `CKR_ENCRYPTED_DATA_INVALID`, whatever is wrong with it.
    pub(crate) fn unpad(&self, mut block: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
        let hash_len = self.hash.len();
        self.limit(block.len()).ok_or(Code::KeySizeRange)?;
        let (first, rest) = block.split_at_mut(1);
        let (seed, data) = rest.split_at_mut(hash_len);
        mgf1_xor(self.mgf, data, seed);
        mgf1_xor(self.mgf, seed, data);

        let mut good = first[0].ct_eq(&0) & data[..hash_len].ct_eq(&self.hash.digest(&self.label));
        let mut found = Choice::from(0);
        let mut start = 0u32;
        for (index, byte) in (0u32..).zip(&data[hash_len..]) {
            let one = byte.ct_eq(&1);
            start.conditional_assign(&(index + 1), one & !found);
            good &= found | one | byte.ct_eq(&0);
            found |= one;
        }
        if !bool::from(good & found) {
            return Err(Code::EncryptedDataInvalid.into());
        }
        Ok(Zeroizing::new(data[hash_len + start as usize..].to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme() -> Scheme {
        Scheme { hash: Hash::Sha256, mgf: Hash::Sha1, label: b"label".to_vec() }
    }

    #[test]
    fn round_trip_up_to_the_limit() {
        assert_eq!(scheme().limit(128), Some(62));
        for len in [0, 1, 61, 62] {
            let message = vec![9; len];
            let block = scheme().pad(&message, 128).unwrap();
            assert_eq!(*scheme().unpad(block).unwrap(), message);
        }
        assert_eq!(scheme().pad(&[0; 63], 128).unwrap_err(), Code::DataLenRange);
        assert_eq!(scheme().pad(&[], 65).unwrap_err(), Code::KeySizeRange);
    }

    #[test]
    fn every_defect_is_the_same_error() {
        let block = scheme().pad(b"message", 128).unwrap();
        for at in 0..128 {
            let mut spoiled = block.clone();
            spoiled[at] ^= 0x40;
            // The message itself carries no redundancy, but the mask mixes each bit into the seed and so into lHash.
            assert_eq!(scheme().unpad(spoiled).unwrap_err(), Code::EncryptedDataInvalid, "byte {at}");
        }
        let other = Scheme { label: Vec::new(), ..scheme() };
        assert_eq!(other.unpad(block).unwrap_err(), Code::EncryptedDataInvalid);
    }

    #[test]
    fn missing_or_spoiled_separator() {
        let hash_len = 32;
        for fill in [[0u8, 0], [0, 2]] {
            let mut block = Zeroizing::new(vec![0; 128]);
            let (seed, data) = block[1..].split_at_mut(hash_len);
            data[..hash_len].copy_from_slice(&scheme().hash.digest(b"label"));
            data[hash_len..hash_len + 2].copy_from_slice(&fill);
            mgf1_xor(Hash::Sha1, seed, data);
            mgf1_xor(Hash::Sha1, data, seed);
            assert_eq!(scheme().unpad(block).unwrap_err(), Code::EncryptedDataInvalid);
        }
    }
}
