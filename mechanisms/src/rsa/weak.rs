//! RSA keys that are refused although their numbers fit together: who has the public half finds the private one.
//!
//! | Refused | Why |
//! |---|---|
//! | modulus of less than 1024 bits, or more than 4096 | factored; not of the device |
//! | even modulus, or one with a factor below 701 | no RSA key |
//! | exponent even, 1, or of more than 33 bits | no RSA key, no encryption, only good to keep a verifier busy |
//! | primes close together | Fermat's factorisation; FIPS 186-5, A.1.3 wants them 2^(nlen/2 - 100) apart |
//! | the fingerprint of CVE-2017-15361 (ROCA) | Nemec and others 2017: primes of a known form |
//! | private keys: primes of other than half the length, small private exponent | FIPS 186-5, A.1.1; Wiener 1990 |
//! | private keys whose primes are none | `keys` tries the pair |
//!
//! The time of these checks depends on the modulus, and in the last bits of precision on how far the primes of a key that
//! is being imported are apart; nothing else of a private key.

use std::cmp::Ordering;

use rsa::BoxedUint;
use zeroize::Zeroizing;

/// Shortest modulus of a public key. 1024 bits verify signatures of the past (NIST SP 800-131A: "legacy use"); no more.
pub(crate) const MIN_PUBLIC_BITS: usize = 1024;
/// Longest modulus.
pub(crate) const MAX_BITS: usize = 4096;

/// Why a public key, both numbers big-endian without zeros in front, is refused.
pub(crate) fn public(modulus: &[u8], exponent: &[u8]) -> Result<(), &'static str> {
    if !(MIN_PUBLIC_BITS..=MAX_BITS).contains(&bits(modulus)) {
        return Err("a modulus of less than 1024 or more than 4096 bits");
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err("an even modulus");
    }
    match *exponent {
        [] | [1] => return Err("a public exponent of 0 or 1"),
        [.., last] if last % 2 == 0 => return Err("an even public exponent"),
        // What AWS-LC takes, because long exponents serve only to keep a verifier busy.
        [_, _, _, _] | [_, _, _] | [_, _] | [_] | [1, _, _, _, _] => {}
        _ => return Err("a public exponent of more than 33 bits"),
    }
    if primes().any(|prime| remainder(modulus, prime) == 0) {
        return Err("a modulus with a small factor");
    }
    if is_of_roca(modulus) {
        return Err("a modulus with the fingerprint of CVE-2017-15361 (ROCA)");
    }
    if fermat(modulus) {
        return Err("a modulus whose factors are close together");
    }
    Ok(())
}

/// Why a private key, whose numbers belong together, is refused beside [`public`].
pub(crate) fn private(
    modulus: &[u8],
    private_exponent: &[u8],
    prime_1: &[u8],
    prime_2: &[u8],
) -> Result<(), &'static str> {
    let half = bits(modulus) / 2;
    if bits(prime_1) != half || bits(prime_2) != half {
        return Err("primes of other than half its length");
    }
    let number = |bytes| Zeroizing::new(BoxedUint::from_be_slice_vartime(bytes));
    let (p, q) = (number(prime_1), number(prime_2));
    let (larger, smaller) = if p.cmp_vartime(&*q) == Ordering::Less { (&q, &p) } else { (&p, &q) };
    let distance = Zeroizing::new(larger.wrapping_sub(&**smaller));
    // FIPS 186-5, A.1.3: |p - q| > 2^(nlen/2 - 100).
    if (distance.bits_vartime() as usize) <= half - 100 {
        return Err("primes that are close together");
    }
    if bits(private_exponent) <= half {
        return Err("a small private exponent");
    }
    Ok(())
}

/// Length of a number in bits.
pub(crate) fn bits(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number[first..].first().map_or(0, |byte| (number.len() - first) * 8 - byte.leading_zeros() as usize)
}

/// Whether Fermat's method splits the number in a few steps: n = a^2 - b^2 with a just above the root of n.
fn fermat(modulus: &[u8]) -> bool {
    // Room for a^2, which is a little above n, and for the steps.
    let wide = u32::try_from(modulus.len() * 8 + 64).unwrap_or(u32::MAX);
    let Ok(n) = BoxedUint::from_be_slice(modulus, wide) else { return true };
    let mut a = n.floor_sqrt_vartime();
    a += 1u8;
    let mut rest = a.wrapping_square().wrapping_sub(&n);
    for _ in 0..FERMAT_STEPS {
        if may_be_square(&rest) && rest.checked_sqrt_vartime().is_some() {
            return true;
        }
        // (a + 1)^2 - n is a^2 - n + 2a + 1.
        rest = rest.wrapping_add(&a).wrapping_add(&a);
        rest += 1u8;
        a += 1u8;
    }
    // The square of a prime: a^2 = n for the a before the first.
    n.checked_sqrt_vartime().is_some()
}

/// Whether a number is a square modulo 64, 63, 65 and 11 (Cohen 1993, 1.7.3): of other numbers one in a hundred is.
fn may_be_square(number: &BoxedUint) -> bool {
    let bytes = number.to_be_bytes();
    let low = bytes.last().map_or(0, |byte| u32::from(byte % 64));
    let others = remainder(&bytes, 63 * 65 * 11);
    let square = |rest: u32, modulus: u32| (0..modulus).any(|root| root * root % modulus == rest % modulus);
    square(low, 64) && [63, 65, 11].into_iter().all(|modulus| square(others, modulus))
}

/// Whether the modulus is, modulo each small prime, a power of 65537: that is how the primes of the library behind
/// CVE-2017-15361 were made, `k * M + (65537^a mod M)` with the product M of the first primes, of which the longer keys
/// have more. Of other moduli of 1024 bits not one in 2^80 is so.
fn is_of_roca(modulus: &[u8]) -> bool {
    let last = if bits(modulus) < 1984 { 353 } else { 701 };
    primes().take_while(|prime| *prime <= last).all(|prime| {
        let rest = remainder(modulus, prime);
        let (generator, mut power) = (65537 % prime, 1);
        loop {
            if power == rest {
                return true;
            }
            power = power * generator % prime;
            if power == 1 {
                return false;
            }
        }
    })
}

/// The odd primes up to 701, the largest in the product that 2048 and 3072 bits have.
fn primes() -> impl Iterator<Item = u32> {
    (3..=701)
        .step_by(2)
        .filter(|candidate| (3..).step_by(2).take_while(|d| d * d <= *candidate).all(|d| candidate % d != 0))
}

fn remainder(number: &[u8], modulus: u32) -> u32 {
    number.iter().fold(0, |rest, byte| ((rest << 8) | u32::from(*byte)) % modulus)
}

/// A modulus whose primes agree in all but half of their bits and a few is split in one step; each step reaches further,
/// slowly: more would cost time and find nothing.
const FERMAT_STEPS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::random;
    use crate::rsa::keys::generate_value;
    use crate::rsa::{Crt, components, private_from_components};
    use crate::testing::hex;

    fn number(bytes: &[u8], bits: u32) -> BoxedUint {
        BoxedUint::from_be_slice(bytes, bits).unwrap()
    }

    fn trimmed(number: &BoxedUint) -> Vec<u8> {
        number.to_be_bytes_trimmed_vartime().into_vec()
    }

    #[test]
    fn good_keys_are_taken() {
        for bits in [2048, 3072, 4096] {
            let parts = components(&generate_value(bits).unwrap()).unwrap();
            assert_eq!(public(&parts.modulus, &parts.public_exponent), Ok(()));
            assert_eq!(private(&parts.modulus, &parts.private_exponent, &parts.prime_1, &parts.prime_2), Ok(()));
            for exponent in [&[3][..], &[1, 0, 1], &[0xff; 4], &[1, 0, 0, 0, 1]] {
                assert_eq!(public(&parts.modulus, exponent), Ok(()));
            }
        }
    }

    #[test]
    fn numbers_that_are_no_keys() {
        let n = components(&generate_value(2048).unwrap()).unwrap().modulus;
        for exponent in [&[][..], &[1], &[2], &[1, 0], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1]] {
            assert!(public(&n, exponent).is_err(), "{exponent:?}");
        }
        let mut even = n.clone();
        even[255] ^= 1;
        let times_3 = number(&n[1..], 2048).wrapping_mul(BoxedUint::from(3u8));
        for modulus in [&even[..], &[], &[0xff; 127], &[0xff; 513], &trimmed(&times_3)] {
            assert!(public(modulus, &[3]).is_err());
        }
    }

    #[test]
    fn close_primes() {
        // Fermat needs no primes: any two odd factors that are close will do.
        for (distance, found) in [(2u64, true), (1 << 40, true), (u64::MAX - 1, true)] {
            let mut p = [0xc3; 128];
            random::fill(&mut p[1..]).unwrap();
            p[127] |= 1;
            let p = number(&p, 2048);
            let n = trimmed(&p.wrapping_mul(p.wrapping_add(BoxedUint::from(distance))));
            assert_eq!(fermat(&n), found, "{distance}");
        }
        let p = number(&[0xc3; 128], 2048);
        assert!(fermat(&trimmed(&p.wrapping_square())), "a square");
        let parts = components(&generate_value(2048).unwrap()).unwrap();
        assert!(!fermat(&parts.modulus));

        // What is left of FIPS 186-5's distance: one bit less and more.
        let p = number(&parts.prime_1, 1088);
        let close = |bit: u32| {
            let distance = number(&[&[1][..], &vec![0; bit as usize / 8]].concat(), 1088);
            let q = trimmed(&p.wrapping_sub(&distance));
            private(&parts.modulus, &parts.private_exponent, &parts.prime_1, &q)
        };
        assert_eq!(close(1024 - 104), Err("primes that are close together"));
        assert_eq!(close(1024 - 96), Ok(()));
    }

    #[test]
    fn unbalanced_keys() {
        let parts = components(&generate_value(2048).unwrap()).unwrap();
        let judged = |p: &[u8], q: &[u8], d: &[u8]| private(&parts.modulus, d, p, q);
        let (p, q, d) = (&parts.prime_1, &parts.prime_2, &parts.private_exponent);
        assert!(judged(&p[1..], q, d).is_err());
        assert!(judged(p, &q[64..], d).is_err());
        assert_eq!(judged(p, q, &d[128..]), Err("a small private exponent"));
    }

    /// Of the form `65537^c mod M + j * M`, which the product of two such primes has.
    fn roca(len: usize, last: u32) -> Vec<u8> {
        let wide = u32::try_from(len * 8).unwrap();
        let product = primes()
            .take_while(|prime| *prime <= last)
            .fold(number(&[2], wide), |product, prime| product.wrapping_mul(BoxedUint::from(prime)));
        let modulus = product.to_nz().unwrap();
        let mut power = BoxedUint::one_with_precision(wide);
        for _ in 0..1000 {
            power = power.wrapping_mul(BoxedUint::from(65537u32)).rem_vartime(&modulus);
        }
        let mut j = vec![0; len];
        let room = len - trimmed(&product).len() - 1;
        random::fill(&mut j[len - room..]).unwrap();
        j[len - room] |= 0x80;
        trimmed(&product.wrapping_mul(number(&j, wide)).wrapping_add(&power))
    }

    #[test]
    fn the_fingerprint_of_roca() {
        for (len, last) in [(128, 353), (256, 701), (512, 701)] {
            let modulus = roca(len, last);
            assert!(bits(&modulus) > (len - 2) * 8);
            assert!(is_of_roca(&modulus), "{len}");
            assert!(public(&modulus, &[1, 0, 1]).is_err());
        }
        for _ in 0..50 {
            let mut other = [0xff; 256];
            random::fill(&mut other).unwrap();
            assert!(!is_of_roca(&other));
        }
    }

    #[test]
    fn small_primes_and_remainders() {
        assert_eq!(primes().count(), 125, "and 2: the 126 of 2048 bits");
        assert_eq!((primes().next(), primes().last()), (Some(3), Some(701)));
        assert_eq!(remainder(&[1, 0, 1], 97), 65537 % 97);
        for (bytes, expected) in [(&[][..], 0), (&[0, 0], 0), (&[1], 1), (&[0, 1, 0], 9), (&[0x80, 0], 16)] {
            assert_eq!(bits(bytes), expected);
        }
        for square in [0u32, 1, 4, 144, 1 << 20] {
            assert!(may_be_square(&BoxedUint::from(square)));
        }
        assert!((0..10_000u32).filter(|n| may_be_square(&BoxedUint::from(*n))).count() < 250);
    }

    /// Two primes that agree in their first 123 bits: FIPS 186-5 wants that they differ in the first 100, though Fermat
    /// would take long.
    #[test]
    fn a_private_key_with_close_primes_is_refused() {
        let (p, q) = (hex(P), hex(Q));
        let (p, q) = (number(&p, 2048), number(&q, 2048));
        let n = trimmed(&p.wrapping_mul(&q));
        assert_eq!(public(&n, &[1, 0, 1]), Ok(()));
        let primes = vec![number(&hex(P), 1024), number(&hex(Q), 1024)];
        let key = rsa::RsaPrivateKey::from_primes(primes, BoxedUint::from(65537u32)).unwrap();
        let d = trimmed(rsa::traits::PrivateKeyParts::d(&key));
        for crt in [Crt::default(), Crt { prime_1: Some(&hex(P)), prime_2: Some(&hex(Q)), ..Crt::default() }] {
            let refused = private_from_components(&n, &[1, 0, 1], &d, crt).unwrap_err();
            assert_eq!(refused, Code::AttributeValueInvalid);
            assert!(refused.cause().unwrap().contains("close together"), "{refused}");
        }
    }

    /// Numbers that fit together as those of a key do, but are no primes.
    #[test]
    fn a_private_key_of_composites_is_refused() {
        let composite = |mut number: BoxedUint| {
            loop {
                number += 2u8;
                if primes().all(|prime| remainder(&number.to_be_bytes(), prime) != 0) {
                    return number;
                }
            }
        };
        let (p, q) = (composite(number(&hex(P), 1024)), composite(number(&[0xc7; 128], 1024)));
        let n = trimmed(&number(&trimmed(&p), 2048).wrapping_mul(number(&trimmed(&q), 2048)));
        let key = rsa::RsaPrivateKey::from_primes(vec![p.clone(), q.clone()], BoxedUint::from(65537u32)).unwrap();
        let d = trimmed(rsa::traits::PrivateKeyParts::d(&key));
        let crt = Crt { prime_1: Some(&trimmed(&p)), prime_2: Some(&trimmed(&q)), ..Crt::default() };
        let refused = private_from_components(&n, &[1, 0, 1], &d, crt).unwrap_err();
        assert_eq!(refused, Code::AttributeValueInvalid);
        assert!(refused.cause().unwrap().contains("undo its public half"), "{refused}");
    }

    const P: &str = "cf7cef62f8b8a9bbebad2362f951a5f291ec26494462f2bc0e224724afca58c38d3127de52f1131f3e8c4b4c14b37e5e\
        0c606eb71ba3c0a91de6dc9f103e7aba90fcb215b942de1c88766374c5d6e840819c776bf74a313777f7faa52a66551f\
        dd6da21da74dcf10441801d04e7cf0846963b1e99aafd80aaace3b7adb2afe89";
    const Q: &str = "cf7cef62f8b8a9bbebad2362f951a60e5ef716596c91c9c32a174e004f3433c99ba170b36d0cad91f58d649160a23ff3\
        4030e297c0e00b66f4b295ebba23321206250f1a741bccc9a8dcc6bf6c9aca87d853e0c5dff3375171e6a11efbc2492a\
        599839ec3c7a1b9e548fd3bb239b86d4847decbe429cb18a14ba5208c3c6ce93";
}
