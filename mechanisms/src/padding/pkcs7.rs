//! PKCS#7 padding to blocks of `N` bytes (RFC 5652, 6.3; PKCS#11 `CKM_AES_CBC_PAD`, `CKM_AES_KEY_WRAP_PKCS7`).

use subtle::{Choice, ConstantTimeEq, ConstantTimeLess};

use crate::error::{Code, Result};

/// What is appended to a message whose last block has `partial` bytes: 1 to `N` bytes.
pub(crate) fn padding<const N: usize>(partial: usize) -> ([u8; N], usize) {
    let len = N - partial % N;
    ([byte(len); N], len)
}

/// How many of a last block's bytes are message, 0 to `N - 1`; constant-time but for the answer.
pub(crate) fn unpad<const N: usize>(block: &[u8; N]) -> Result<usize> {
    let (good, len) = check(block);
    if bool::from(good) { Ok(N - len) } else { Err(Code::EncryptedDataInvalid.into()) }
}

/// Whether the block ends in a padding, and the length that its last byte claims; constant-time.
pub(crate) fn check<const N: usize>(block: &[u8; N]) -> (Choice, usize) {
    let len = block[N - 1];
    let mut good = !len.ct_eq(&0) & len.ct_lt(&byte(N + 1));
    for (distance, byte) in (1u8..=byte(N)).zip(block.iter().rev()) {
        let padding: Choice = distance.ct_lt(&len) | distance.ct_eq(&len);
        good &= !padding | byte.ct_eq(&len);
    }
    (good, usize::from(len))
}

/// Blocks are shorter than 255 bytes.
fn byte(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_length_and_every_defect<const N: usize>() {
        for partial in 0..N {
            let mut block = [0xa5; N];
            let (bytes, len) = padding::<N>(partial);
            block[partial..].copy_from_slice(&bytes[..len]);
            assert_eq!(unpad(&block).unwrap(), partial);
            for at in partial..N {
                let mut spoiled = block;
                spoiled[at] ^= 0x80;
                assert_eq!(unpad(&spoiled).unwrap_err(), Code::EncryptedDataInvalid);
            }
        }
        assert_eq!(unpad(&[0; N]).unwrap_err(), Code::EncryptedDataInvalid);
        assert_eq!(unpad(&[byte(N + 1); N]).unwrap_err(), Code::EncryptedDataInvalid);
    }

    #[test]
    fn blocks_of_16_and_of_8_bytes() {
        every_length_and_every_defect::<16>();
        every_length_and_every_defect::<8>();
    }
}
