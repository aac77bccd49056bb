//! RSASSA-PKCS1-v1_5 and RSAES-PKCS1-v1_5 (RFC 8017, 8.2, 7.2 and 9.2), with implicit rejection on decryption
//! (draft-irtf-cfrg-rsa-guidance): a ciphertext with bad padding decrypts to a message that looks random and is always
//! the same for the same ciphertext, so that there is no padding oracle to ask.

use aws_lc_rs::hmac;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use zeroize::Zeroizing;

use crate::digest::{Hash, too_long};
use crate::error::{Code, Result};
use crate::random;

/// `00 || type || PS (at least 8) || 00`.
pub(crate) const OVERHEAD: usize = 11;

/// The `DigestInfo` of a digest (RFC 8017, 9.2, note 1).
pub(crate) fn digest_info(hash: Hash, digest: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([prefix(hash), digest].concat())
}

fn prefix(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
        Hash::Sha224 => const { &nist(0x04, 28) },
        Hash::Sha256 => const { &nist(0x01, 32) },
        Hash::Sha384 => const { &nist(0x02, 48) },
        Hash::Sha512 => const { &nist(0x03, 64) },
        Hash::Sha512_224 => const { &nist(0x05, 28) },
        Hash::Sha512_256 => const { &nist(0x06, 32) },
        Hash::Sha3_224 => const { &nist(0x07, 28) },
        Hash::Sha3_256 => const { &nist(0x08, 32) },
        Hash::Sha3_384 => const { &nist(0x09, 48) },
        Hash::Sha3_512 => const { &nist(0x0a, 64) },
    }
}

/// id-sha224, id-sha3-256, ... are 2.16.840.1.101.3.4.2.`last`, with NULL parameters (RFC 8017, B.1; RFC 9688, 2).
const fn nist(last: u8, len: u8) -> [u8; 19] {
    [
        0x30,
        17 + len,
        0x30,
        0x0d,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        last,
        0x05,
        0x00,
        0x04,
        len,
    ]
}

/// EMSA-PKCS1-v1_5 without the `DigestInfo`: `00 || 01 || FF.. || 00 || data`, `len` bytes.
pub(crate) fn pad_signature(data: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let limit = len.saturating_sub(OVERHEAD);
    if data.len() > limit {
        return Err(too_long(data.len(), limit));
    }
    let mut block = Zeroizing::new(vec![0xff; len]);
    let zero = len - data.len() - 1;
    block[0] = 0;
    block[1] = 1;
    block[zero] = 0;
    block[zero + 1..].copy_from_slice(data);
    Ok(block)
}

/// The data in a block of [`pad_signature`]. Signatures are public: no secret hangs on the time it takes.
pub(crate) fn unpad_signature(block: &[u8]) -> Option<&[u8]> {
    let padding = block.strip_prefix(&[0, 1])?;
    let ones = padding.iter().position(|byte| *byte != 0xff)?;
    (ones >= 8 && padding[ones] == 0).then(|| &padding[ones + 1..])
}

/// EME-PKCS1-v1_5: `00 || 02 || PS || 00 || message`, `len` bytes.
pub(crate) fn pad_encryption(message: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let limit = len.saturating_sub(OVERHEAD);
    if message.len() > limit {
        return Err(too_long(message.len(), limit));
    }
    let mut block = Zeroizing::new(vec![0; len]);
    let zero = len - message.len() - 1;
    block[1] = 2;
    random::fill_nonzero(&mut block[2..zero])?;
    block[zero + 1..].copy_from_slice(message);
    Ok(block)
}

/// What a decrypted block holds, or, where its padding is wrong, the synthetic message that belongs to `rejection`.
/// Constant-time but for the length of the answer, which the caller of `C_Decrypt` sees anyway.
pub(crate) fn unpad_encryption(block: &[u8], rejection: &Rejection) -> Result<Zeroizing<Vec<u8>>> {
    let len = block.len();
    if len < OVERHEAD {
        return Err(Code::EncryptedDataLenRange.into());
    }
    let (synthetic, synthetic_len) = rejection.message(len);

    let mut good = block[0].ct_eq(&0) & block[1].ct_eq(&2);
    let mut found = Choice::from(0);
    let mut start = 0u32;
    for (index, byte) in (2u32..).zip(&block[2..]) {
        let first = byte.ct_eq(&0) & !found;
        start.conditional_assign(&(index + 1), first);
        found |= first;
    }
    // At least 8 bytes of padding: the message starts at 11 or later.
    good &= found & start.ct_gt(&10);
    let len_u32 = u32::try_from(len).map_err(|_| Code::EncryptedDataLenRange)?;
    start.conditional_assign(&(len_u32 - synthetic_len), !good);

    let start = start as usize;
    let mut message = Zeroizing::new(vec![0; len - start]);
    for ((out, real), fake) in message.iter_mut().zip(&block[start..]).zip(&synthetic[start..]) {
        *out = u8::conditional_select(fake, real, good);
    }
    Ok(message)
}

/// What makes the synthetic message of one ciphertext: deterministic for a key and ciphertext, unpredictable outside.
pub(crate) struct Rejection(hmac::Key);

impl Rejection {
    /// From a secret of the key, and the ciphertext as long as the modulus: the KDK of the draft, section 7.2.
    pub(crate) fn new(secret: &[u8; 32], ciphertext: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, ciphertext).as_ref()))
    }

    /// A block of `len` bytes and how many of its last bytes are the message, 0 to `len` - 11.
    fn message(&self, len: usize) -> (Zeroizing<Vec<u8>>, u32) {
        let limit = u32::try_from(len - OVERHEAD + 1).unwrap_or(u32::MAX);
        let mask = limit.next_power_of_two() - 1;
        let candidates = self.expand(b"length", 256);
        let mut message_len = 0u32;
        for pair in candidates.chunks_exact(2) {
            let candidate = u32::from(u16::from_be_bytes([pair[0], pair[1]])) & mask;
            message_len.conditional_assign(&candidate, candidate.ct_lt(&limit));
        }
        (self.expand(b"message", len), message_len)
    }

    /// The draft's IRPRF: HMAC(KDK, i (2) || label || bits (2)) for i = 0, 1, ...
    fn expand(&self, label: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
        let bits = u16::try_from(len * 8).unwrap_or(u16::MAX);
        let mut out = Zeroizing::new(vec![0; len]);
        for (index, chunk) in (0u16..).zip(out.chunks_mut(32)) {
            let mut context = hmac::Context::with_key(&self.0);
            context.update(&index.to_be_bytes());
            context.update(label);
            context.update(&bits.to_be_bytes());
            chunk.copy_from_slice(&context.sign().as_ref()[..chunk.len()]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection() -> Rejection {
        Rejection::new(&[7; 32], b"ciphertext")
    }

    #[test]
    fn signature_blocks() {
        let block = pad_signature(b"data", 16).unwrap();
        assert_eq!(*block, [&[0, 1][..], &[0xff; 9], &[0], b"data"].concat());
        assert_eq!(pad_signature(b"123456", 16).unwrap_err(), Code::DataLenRange);
        assert!(pad_signature(b"12345", 16).is_ok());
        assert!(pad_signature(b"", 16).is_ok());
    }

    #[test]
    fn recovery_takes_only_what_is_padded_so() {
        for data in [&b""[..], b"d", b"data", b"\xff\xff", b"\0\0"] {
            let block = pad_signature(data, 16).unwrap();
            assert_eq!(unpad_signature(&block), Some(data));
            for at in 0..block.len() - data.len() {
                let mut spoiled = block.to_vec();
                spoiled[at] ^= 0x40;
                assert_eq!(unpad_signature(&spoiled), None, "byte {at}");
            }
        }
        assert_eq!(unpad_signature(&[&[0, 1][..], &[0xff; 7], b"\0data"].concat()), None, "short padding");
        assert_eq!(unpad_signature(&[&[0, 1][..], &[0xff; 14]].concat()), None, "no end of the padding");
        assert_eq!(unpad_signature(&[]), None);
    }

    #[test]
    fn encryption_round_trip() {
        for message in [&b""[..], b"m", &[7; 53]] {
            let block = pad_encryption(message, 64).unwrap();
            assert_eq!(*unpad_encryption(&block, &rejection()).unwrap(), message);
        }
        assert_eq!(pad_encryption(&[0; 54], 64).unwrap_err(), Code::DataLenRange);
    }

    #[test]
    fn every_kind_of_bad_padding_is_the_same_synthetic_message() {
        let good = pad_encryption(b"message", 64).unwrap();
        let synthetic = unpad_encryption(&[0; 64], &rejection()).unwrap();
        let spoil = |at: usize, byte: u8| {
            let mut block = good.to_vec();
            block[at] = byte;
            unpad_encryption(&block, &rejection()).unwrap()
        };
        assert_eq!(spoil(0, 1), synthetic, "first byte");
        assert_eq!(spoil(1, 1), synthetic, "block type");
        for at in 2..10 {
            assert_eq!(spoil(at, 0), synthetic, "padding of {} bytes", at - 2);
        }
        assert_ne!(spoil(10, 0), synthetic, "8 bytes of padding are enough");
        let mut no_zero = good.to_vec();
        no_zero.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = 1);
        no_zero[0] = 0;
        no_zero[1] = 2;
        assert_eq!(unpad_encryption(&no_zero, &rejection()).unwrap(), synthetic, "no separator");
    }

    #[test]
    fn synthetic_messages_differ_by_ciphertext_and_fit() {
        let mut lengths = std::collections::BTreeSet::new();
        for i in 0..200u32 {
            let rejection = Rejection::new(&[7; 32], &i.to_be_bytes());
            let message = unpad_encryption(&[0; 256], &rejection).unwrap();
            assert!(message.len() <= 256 - OVERHEAD);
            lengths.insert(message.len());
        }
        assert!(lengths.len() > 50, "lengths are spread");
        assert!(lengths.iter().any(|len| *len > 128), "long ones occur");
    }
}
