//! Random bytes, from AWS-LC's generator (which reseeds itself after fork and from the operating system).

use crate::error::{Code, Result};

/// Fills `out` with random bytes. `CKR_FUNCTION_FAILED` where the operating system gives no entropy.
pub fn fill(out: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(out).map_err(|_| Code::FunctionFailed.because("the random generator failed"))
}

/// Fills `out` with random bytes of which none is zero, as PKCS#1 v1.5 encryption needs (RFC 8017, 7.2.1).
pub(crate) fn fill_nonzero(out: &mut [u8]) -> Result<()> {
    fill(out)?;
    for byte in out {
        while *byte == 0 {
            fill(std::slice::from_mut(byte))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_zero_byte_and_no_repetition() {
        let (mut one, mut two) = ([0; 4096], [0; 4096]);
        super::fill_nonzero(&mut one).unwrap();
        super::fill(&mut two).unwrap();
        assert!(!one.contains(&0) && two.contains(&0) && one != two);
    }
}
