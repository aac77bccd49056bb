//! IVs and nonces that the library generates for messages (PKCS#11 v3.2, 6.13.2: the `CKG_` numbers).
//!
//! | Generator | The part that is not fixed |
//! |---|---|
//! | `CKG_GENERATE`, `CKG_GENERATE_RANDOM` | random, at least 56 bits (the shortest CCM nonce) |
//! | `CKG_GENERATE_COUNTER` | a counter from zero, at least 32 bits |
//! | `CKG_GENERATE_COUNTER_XOR` | what the caller gives, the same each time, XOR the counter |

use cryptoki_sys::{
    CKG_GENERATE, CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR, CKG_GENERATE_RANDOM, CKG_NO_GENERATE,
};

use crate::error::{Code, Result};
use crate::operation::MessageParams;
use crate::random;

/// The generators of the messages of one operation.
#[derive(Debug, Default)]
pub struct Generator {
    /// The counter's next value.
    next: u64,
    /// What `CKG_GENERATE_COUNTER_XOR` was given first: "the value of the non-fixed portion passed must not vary".
    base: Option<Vec<u8>>,
}

impl Generator {
    /// Writes the next IV to `params.iv`. `CKR_MECHANISM_PARAM_INVALID` for a generator that does not exist, for too few
    /// bits, and where the counter is at its end.
    pub fn generate(&mut self, params: &mut MessageParams) -> Result<()> {
        let refused = |why: &str| Err(Code::MechanismParamInvalid.because(why));
        if params.generator == CKG_NO_GENERATE {
            return Ok(());
        }
        let Some(free) = (params.iv.len() as u64 * 8).checked_sub(params.fixed_bits) else {
            return refused("more fixed bits than the IV has");
        };
        match params.generator {
            CKG_GENERATE | CKG_GENERATE_RANDOM if free < MIN_RANDOM_BITS => {
                refused("a generated IV has at least 56 bits that are not fixed")
            }
            CKG_GENERATE | CKG_GENERATE_RANDOM => {
                let mut random = vec![0; params.iv.len()];
                random::fill(&mut random)?;
                blend(&mut params.iv, free, |at, _| random[at]);
                Ok(())
            }
            CKG_GENERATE_COUNTER | CKG_GENERATE_COUNTER_XOR if free < MIN_COUNTER_BITS => {
                refused("a counter has at least 32 bits")
            }
            CKG_GENERATE_COUNTER | CKG_GENERATE_COUNTER_XOR => {
                if (free < 64 && self.next >> free != 0) || self.next == u64::MAX {
                    return refused("every value of the counter was used");
                }
                let xor = params.generator == CKG_GENERATE_COUNTER_XOR;
                if xor {
                    let mut free_part = params.iv.clone();
                    keep_free(&mut free_part, free);
                    if self.base.get_or_insert_with(|| free_part.clone()) != &free_part {
                        return refused("the part of the IV that is not fixed varies from message to message");
                    }
                }
                let (counter, len) = (self.next, params.iv.len());
                let octet = |at: usize| {
                    // Big-endian, from the IV's end.
                    let place = len - 1 - at;
                    if place < 8 { counter.to_le_bytes()[place] } else { 0 }
                };
                blend(&mut params.iv, free, |at, byte| if xor { byte ^ octet(at) } else { octet(at) });
                self.next += 1;
                Ok(())
            }
            other => Err(Code::MechanismParamInvalid.because(format_args!("IV generator {other:#x}"))),
        }
    }

    /// Lets `CKG_GENERATE_COUNTER` go on from the value that stands in `iv`, where that is ahead.
    pub fn skip_to(&mut self, iv: &[u8], fixed_bits: u64) {
        let free = (iv.len() as u64 * 8).saturating_sub(fixed_bits);
        let value = iv.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
        let value = if free < 64 { value & ((1 << free) - 1) } else { value };
        self.next = self.next.max(value);
    }
}

/// Replaces the last `free` bits of `iv` with those that `new` makes of a place and what is there.
fn blend(iv: &mut [u8], free: u64, new: impl Fn(usize, u8) -> u8) {
    let len = iv.len();
    for (at, byte) in iv.iter_mut().enumerate() {
        // Bits of the IV from this byte's first to the end.
        let from_here = (len - at) as u64 * 8;
        let mask = match free.checked_sub(from_here - 8) {
            None => 0,
            Some(bits) if bits >= 8 => 0xff,
            Some(bits) => (1u8 << bits) - 1,
        };
        *byte = (*byte & !mask) | (new(at, *byte) & mask);
    }
}

/// Clears the fixed bits.
fn keep_free(iv: &mut [u8], free: u64) {
    let given = iv.to_vec();
    iv.fill(0);
    blend(iv, free, |at, _| given[at]);
}

/// The shortest nonce of CCM: "zero is always an acceptable value" for the fixed bits (6.13.5).
const MIN_RANDOM_BITS: u64 = 56;
/// Enough for the 2^32 messages that one key may encrypt (NIST SP 800-38D, 8.3).
const MIN_COUNTER_BITS: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn params(generator: u64, iv: &[u8], fixed_bits: u64) -> MessageParams {
        MessageParams { iv: iv.to_vec(), fixed_bits, generator, ..MessageParams::default() }
    }

    fn next(generator: &mut Generator, kind: u64, iv: &[u8], fixed_bits: u64) -> Result<Vec<u8>> {
        let mut params = params(kind, iv, fixed_bits);
        generator.generate(&mut params).map(|()| params.iv)
    }

    #[test]
    fn counters_start_at_zero_and_keep_the_fixed_bits() {
        let mut generator = Generator::default();
        let mut count = |iv: &[u8], fixed| next(&mut generator, CKG_GENERATE_COUNTER, iv, fixed).unwrap();
        assert_eq!(count(&[0xaa; 12], 32), [&[0xaa; 4][..], &[0; 8]].concat());
        assert_eq!(count(&[0xaa; 12], 32), [&[0xaa; 4][..], &[0, 0, 0, 0, 0, 0, 0, 1]].concat());
        assert_eq!(count(&[0xff; 12], 36), [&[0xff; 4][..], &[0xf0, 0, 0, 0, 0, 0, 0, 2]].concat());
        assert_eq!(count(&[0xff; 12], 0), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn an_xor_counter_goes_over_one_base() {
        let mut generator = Generator::default();
        let mut count = |iv: &[u8], fixed| next(&mut generator, CKG_GENERATE_COUNTER_XOR, iv, fixed);
        let base = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(count(&base, 0).unwrap(), base);
        assert_eq!(count(&base, 0).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]);
        assert_eq!(count(&base, 0).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14]);
        assert_eq!(count(&[9; 12], 0).unwrap_err(), Code::MechanismParamInvalid);
    }

    #[test]
    fn random_parts_leave_the_fixed_bits() {
        for kind in [CKG_GENERATE, CKG_GENERATE_RANDOM] {
            let mut generator = Generator::default();
            let one = next(&mut generator, kind, &[0x55; 12], 33).unwrap();
            let two = next(&mut generator, kind, &[0x55; 12], 33).unwrap();
            assert!(one != two && one[..4] == [0x55; 4] && one[4] & 0x80 == 0);
        }
    }

    #[test]
    fn counters_end_and_skip() {
        let mut generator = Generator::default();
        generator.skip_to(&[0xaa, 0xff, 0xff, 0xff, 0xff], 8);
        let last = next(&mut generator, CKG_GENERATE_COUNTER, &[0xaa; 5], 8).unwrap();
        assert_eq!(last, [0xaa, 0xff, 0xff, 0xff, 0xff]);
        let over = next(&mut generator, CKG_GENERATE_COUNTER, &[0xaa; 5], 8);
        assert_eq!(over.unwrap_err(), Code::MechanismParamInvalid);
        generator.skip_to(&[0; 5], 8);
        assert!(next(&mut generator, CKG_GENERATE_COUNTER, &[0xaa; 5], 8).is_err(), "never back");
    }

    #[test]
    fn what_makes_no_unique_iv_is_refused() {
        for (kind, len, fixed) in [
            (CKG_GENERATE, 12, 41),
            (CKG_GENERATE_RANDOM, 6, 0),
            (CKG_GENERATE_COUNTER, 12, 65),
            (CKG_GENERATE_COUNTER_XOR, 12, 65),
            (CKG_GENERATE, 12, 97),
            (CKG_GENERATE, 12, u64::MAX),
            (99, 12, 0),
        ] {
            let refused = next(&mut Generator::default(), kind, &vec![1; len], fixed);
            assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid, "{kind} {len} {fixed}");
        }
    }
}
