//! PKCS#7 padding for 16-byte blocks (RFC 5652, 6.3; PKCS#11 `CKM_AES_CBC_PAD`).

use subtle::{Choice, ConstantTimeEq, ConstantTimeLess};

use crate::error::{Code, Result};

/// What is appended to a message whose last block has `partial` bytes (0 to 15): 1 to 16 bytes.
pub(crate) fn padding(partial: usize) -> ([u8; 16], usize) {
    let len = 16 - partial % 16;
    ([u8::try_from(len).unwrap_or(16); 16], len)
}

/// How many of a last block's bytes are message, 0 to 15; constant-time but for the answer.
pub(crate) fn unpad(block: &[u8; 16]) -> Result<usize> {
    let len = block[15];
    let mut good = !len.ct_eq(&0) & len.ct_lt(&17);
    for (distance, byte) in (1u8..=16).zip(block.iter().rev()) {
        let padding: Choice = distance.ct_lt(&len) | distance.ct_eq(&len);
        good &= !padding | byte.ct_eq(&len);
    }
    if bool::from(good) { Ok(16 - usize::from(len)) } else { Err(Code::EncryptedDataInvalid.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_every_defect() {
        for partial in 0..16 {
            let mut block = [0xa5; 16];
            let (bytes, len) = padding(partial);
            block[partial..].copy_from_slice(&bytes[..len]);
            assert_eq!(unpad(&block).unwrap(), partial);
            for at in partial..16 {
                let mut spoiled = block;
                spoiled[at] ^= 0x80;
                assert_eq!(unpad(&spoiled).unwrap_err(), Code::EncryptedDataInvalid);
            }
        }
        assert_eq!(unpad(&[0; 16]).unwrap_err(), Code::EncryptedDataInvalid);
        assert_eq!(unpad(&[17; 16]).unwrap_err(), Code::EncryptedDataInvalid);
    }
}
