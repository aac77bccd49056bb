//! The two things that the engine's safe crate lacks: RSA without padding on keys of any form, and AES-256-XTS.
//!
//! Everything else goes through `aws-lc-rs`; this is the only file that calls AWS-LC itself. `crate::raw_rsa` gives its
//! RSA to the layer above.

#![expect(unsafe_code, reason = "aws-lc-rs offers neither raw RSA, nor RSA keys without CRT values, nor XTS")]

use std::ffi::c_int;
use std::fmt;
use std::ptr::{self, NonNull};

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use crate::channel::Direction;

/// AWS-LC refused; the caller knows which device status that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// The hash of RSA-OAEP, for the label and for MGF1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OaepHash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Big-endian numbers of an RSA private key with its CRT values (RFC 8017, 3.2).
pub(crate) struct CrtParts<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) dp: &'a [u8],
    pub(crate) dq: &'a [u8],
    pub(crate) q_inv: &'a [u8],
}

/// An RSA private key of 2048, 3072 or 4096 bits, with or without CRT values. `Send + Sync`: AWS-LC locks the blinding
/// state of a key; nothing else of it changes after construction.
pub(crate) struct RsaKey {
    rsa: NonNull<lc::RSA>,
    modulus: Box<[u8]>,
    exponent: [u8; 4],
}

// SAFETY: an RSA object has no thread affinity; it is freed exactly once, by Drop.
unsafe impl Send for RsaKey {}
// SAFETY: rsa.h: "RSA objects ... may be used concurrently on multiple threads provided no other thread is concurrently
// calling a mutating function"; no method here mutates.
unsafe impl Sync for RsaKey {}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({} bits)", self.modulus.len() * 8)
    }
}

impl Drop for RsaKey {
    fn drop(&mut self) {
        // SAFETY: `rsa` came from a constructor of AWS-LC, and this is its only release. Private numbers are erased.
        unsafe { lc::RSA_free(self.rsa.as_ptr()) }
    }
}

impl RsaKey {
    /// Makes a key with public exponent 65537.
    pub(crate) fn generate(bits: u16) -> Result<Self, Refused> {
        let e = Bn::from_be(&[1, 0, 1])?;
        // SAFETY: RSA_new has no conditions.
        let rsa = NonNull::new(unsafe { lc::RSA_new() }).ok_or(Refused)?;
        // SAFETY: `rsa` is a fresh, empty object that nobody shares; `e` lives over the call; no callback.
        let made = unsafe { lc::RSA_generate_key_ex(rsa.as_ptr(), c_int::from(bits), e.0.as_ptr(), ptr::null_mut()) };
        if made != 1 {
            // SAFETY: `rsa` was not given away.
            unsafe { lc::RSA_free(rsa.as_ptr()) };
            return Err(forget_errors());
        }
        Self::own(rsa)
    }

    /// The key of these numbers; AWS-LC checks that they belong together.
    #[expect(clippy::many_single_char_names, reason = "the names of RFC 8017")]
    pub(crate) fn from_crt(parts: &CrtParts<'_>) -> Result<Self, Refused> {
        let CrtParts { n, e, d, p, q, dp, dq, q_inv } = *parts;
        let bn = |bytes| Bn::from_be(bytes);
        let numbers = [bn(n)?, bn(e)?, bn(d)?, bn(p)?, bn(q)?, bn(dp)?, bn(dq)?, bn(q_inv)?];
        let [n, e, d, p, q, dp, dq, q_inv] = numbers.each_ref().map(Bn::ptr);
        // SAFETY: all eight numbers live over the call, which copies them.
        let rsa = unsafe { lc::RSA_new_private_key(n, e, d, p, q, dp, dq, q_inv) };
        Self::own(NonNull::new(rsa).ok_or_else(forget_errors)?)
    }

    /// The key of modulus and both exponents only.
    pub(crate) fn from_exponents(n: &[u8], e: &[u8], d: &[u8]) -> Result<Self, Refused> {
        let [n, e, d] = [Bn::from_be(n)?, Bn::from_be(e)?, Bn::from_be(d)?];
        // SAFETY: the three numbers live over the call, which copies them.
        let rsa = unsafe { lc::RSA_new_private_key_no_crt(n.ptr(), e.ptr(), d.ptr()) };
        Self::own(NonNull::new(rsa).ok_or_else(forget_errors)?)
    }

    /// The key of the numbers that a device keeps of a CRT key (semantics 5.1): the private exponent is recomputed.
    pub(crate) fn from_device_crt(parts: &DeviceCrt<'_>) -> Result<Self, Refused> {
        let ctx = BnCtx::new()?;
        let [p, q, e] = [Bn::from_be(parts.p)?, Bn::from_be(parts.q)?, Bn::from_be(parts.e)?];
        let phi = p.minus_one()?.times(&q.minus_one()?, &ctx)?;
        let d = e.inverse(&phi, &ctx)?.to_be(parts.n.len())?;
        let q_inv = Bn::from_be(parts.n1q)?.over(&q, &ctx)?.to_be(parts.p.len())?;
        Self::from_crt(&CrtParts {
            n: parts.n,
            e: parts.e,
            d: &d,
            p: parts.p,
            q: parts.q,
            dp: parts.dp,
            dq: parts.dq,
            q_inv: &q_inv,
        })
    }

    fn own(rsa: NonNull<lc::RSA>) -> Result<Self, Refused> {
        let mut key = Self { rsa, modulus: Box::default(), exponent: [0; 4] };
        // SAFETY: the getters answer numbers owned by the key, which outlives their use here.
        let (n, e) = unsafe { (lc::RSA_get0_n(rsa.as_ptr()), lc::RSA_get0_e(rsa.as_ptr())) };
        // SAFETY: `n` is non-null in every key that a constructor made.
        let len = unsafe { lc::BN_num_bytes(n) } as usize;
        key.modulus = number(n, len)?.as_slice().into();
        key.exponent.copy_from_slice(&number(e, 4)?);
        Ok(key)
    }

    /// Modulus, big-endian, without leading zeros.
    pub(crate) fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// Public exponent, big-endian, 4 bytes.
    pub(crate) fn exponent(&self) -> [u8; 4] {
        self.exponent
    }

    /// Private exponent, big-endian, as long as the modulus.
    pub(crate) fn private_exponent(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        // SAFETY: the getter answers a number owned by the key, or null.
        number(unsafe { lc::RSA_get0_d(self.rsa.as_ptr()) }, self.modulus.len())
    }

    /// The numbers that a device keeps of a CRT key, big-endian: `p, q, dp, dq` of half, `n1q, n2p` of full modulus
    /// length, where `n1q` is 1 modulo p and 0 modulo q, and `n2p` the other way round (semantics 7.3).
    pub(crate) fn device_crt(&self) -> Result<[Zeroizing<Vec<u8>>; 6], Refused> {
        let rsa = self.rsa.as_ptr();
        let half = self.modulus.len() / 2;
        // SAFETY: the getters answer numbers owned by the key, or null for a key without factors.
        let [p, q, dp, dq, q_inv] = unsafe {
            [
                lc::RSA_get0_p(rsa),
                lc::RSA_get0_q(rsa),
                lc::RSA_get0_dmp1(rsa),
                lc::RSA_get0_dmq1(rsa),
                lc::RSA_get0_iqmp(rsa),
            ]
        };
        let [p, q, dp, dq] = [number(p, half)?, number(q, half)?, number(dp, half)?, number(dq, half)?];
        let ctx = BnCtx::new()?;
        let n1q = Bn::from_be(&number(q_inv, half)?)?.times(&Bn::from_be(&q)?, &ctx)?;
        // The two are 1 together, modulo n.
        let n2p = Bn::from_be(&self.modulus)?.minus(&n1q.minus_one()?)?.to_be(self.modulus.len())?;
        let n1q = n1q.to_be(self.modulus.len())?;
        Ok([p, q, dp, dq, n1q, n2p])
    }

    /// `input ^ d mod n`. `input` and the result are big-endian and as long as the modulus; 1 < input < n - 1.
    pub(crate) fn private_op(&self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if input.len() != self.modulus.len() {
            return Err(Refused);
        }
        let mut out = Zeroizing::new(vec![0; self.modulus.len()]);
        let mut len = 0;
        // SAFETY: `out` has room for `max_out` bytes, `input` is readable for its length; RSA_sign_raw does not change
        // the key but for its blinding, under a lock.
        let done = unsafe {
            lc::RSA_sign_raw(
                self.rsa.as_ptr(),
                &raw mut len,
                out.as_mut_ptr(),
                out.len(),
                input.as_ptr(),
                input.len(),
                lc::RSA_NO_PADDING,
            )
        };
        if done != 1 || len != out.len() { Err(forget_errors()) } else { Ok(out) }
    }

    /// RSA-OAEP decryption (RFC 8017, 7.1.2), the hash for MGF1 too, empty label.
    pub(crate) fn oaep_decrypt(&self, hash: OaepHash, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let ctx = PkeyCtx::new(self)?;
        let mut out = Zeroizing::new(vec![0; self.modulus.len()]);
        let mut len = out.len();
        // SAFETY: `ctx` is a live context over a live key; the digests are static; `out` has room for `len` bytes and
        // `input` is readable for its length.
        let done = unsafe {
            let md = match hash {
                OaepHash::Sha1 => lc::EVP_sha1(),
                OaepHash::Sha256 => lc::EVP_sha256(),
                OaepHash::Sha384 => lc::EVP_sha384(),
                OaepHash::Sha512 => lc::EVP_sha512(),
            };
            lc::EVP_PKEY_decrypt_init(ctx.ctx.as_ptr()) == 1
                && lc::EVP_PKEY_CTX_set_rsa_padding(ctx.ctx.as_ptr(), lc::RSA_PKCS1_OAEP_PADDING) == 1
                && lc::EVP_PKEY_CTX_set_rsa_oaep_md(ctx.ctx.as_ptr(), md) == 1
                && lc::EVP_PKEY_CTX_set_rsa_mgf1_md(ctx.ctx.as_ptr(), md) == 1
                && lc::EVP_PKEY_decrypt(ctx.ctx.as_ptr(), out.as_mut_ptr(), &raw mut len, input.as_ptr(), input.len())
                    == 1
        };
        if !done || len > out.len() {
            return Err(forget_errors());
        }
        out.truncate(len);
        Ok(out)
    }
}

/// An RSA public key. `Send + Sync` as [`RsaKey`] is.
pub(crate) struct RsaPublic {
    rsa: NonNull<lc::RSA>,
    len: usize,
}

// SAFETY: as for `RsaKey`.
unsafe impl Send for RsaPublic {}
// SAFETY: as for `RsaKey`; no method here mutates.
unsafe impl Sync for RsaPublic {}

impl Drop for RsaPublic {
    fn drop(&mut self) {
        // SAFETY: `rsa` came from RSA_new_public_key, and this is its only release.
        unsafe { lc::RSA_free(self.rsa.as_ptr()) }
    }
}

impl RsaPublic {
    /// The key of modulus and exponent, big-endian; AWS-LC wants both odd, the exponent of 2 to 33 bits.
    pub(crate) fn new(n: &[u8], e: &[u8]) -> Result<Self, Refused> {
        let (n, e) = (Bn::from_be(n)?, Bn::from_be(e)?);
        // SAFETY: both numbers live over the call, which copies them.
        let rsa = NonNull::new(unsafe { lc::RSA_new_public_key(n.ptr(), e.ptr()) }).ok_or_else(forget_errors)?;
        // SAFETY: `rsa` is a live key.
        let len = unsafe { lc::RSA_size(rsa.as_ptr()) } as usize;
        Ok(Self { rsa, len })
    }

    /// `input ^ e mod n`. `input` and the result are big-endian and as long as the modulus; the input is below it.
    pub(crate) fn public_op(&self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        if input.len() != self.len {
            return Err(Refused);
        }
        let mut out = Zeroizing::new(vec![0; self.len]);
        let mut len = 0;
        // SAFETY: `out` has room for `max_out` bytes, `input` is readable for its length; the key is not changed but for
        // its cached Montgomery values, under a lock.
        let done = unsafe {
            lc::RSA_encrypt(
                self.rsa.as_ptr(),
                &raw mut len,
                out.as_mut_ptr(),
                out.len(),
                input.as_ptr(),
                input.len(),
                lc::RSA_NO_PADDING,
            )
        };
        if done != 1 || len != out.len() { Err(forget_errors()) } else { Ok(out) }
    }
}

/// Big-endian numbers that a device keeps of a CRT key and that are needed to rebuild it.
pub(crate) struct DeviceCrt<'a> {
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) dp: &'a [u8],
    pub(crate) dq: &'a [u8],
    pub(crate) n: &'a [u8],
    pub(crate) n1q: &'a [u8],
    pub(crate) e: &'a [u8],
}

/// AES-256-XTS (IEEE 1619) in one direction.
pub(crate) struct Xts {
    ctx: NonNull<lc::EVP_CIPHER_CTX>,
    encrypt: c_int,
}

impl Drop for Xts {
    fn drop(&mut self) {
        // SAFETY: `ctx` came from EVP_CIPHER_CTX_new, and this is its only release; the key schedule is erased.
        unsafe { lc::EVP_CIPHER_CTX_free(self.ctx.as_ptr()) }
    }
}

impl Xts {
    /// A context for two different keys; equal ones are refused.
    pub(crate) fn new(direction: Direction, data_key: &[u8; 32], tweak_key: &[u8; 32]) -> Result<Self, Refused> {
        let mut key = Zeroizing::new([0u8; 64]);
        key[..32].copy_from_slice(data_key);
        key[32..].copy_from_slice(tweak_key);
        // SAFETY: EVP_CIPHER_CTX_new has no conditions.
        let ctx = NonNull::new(unsafe { lc::EVP_CIPHER_CTX_new() }).ok_or(Refused)?;
        let xts = Self { ctx, encrypt: c_int::from(direction == Direction::Encrypt) };
        // SAFETY: the cipher is static; the key is read for its 64 bytes; a null IV is set later.
        let done = unsafe {
            lc::EVP_CipherInit_ex(
                ctx.as_ptr(),
                lc::EVP_aes_256_xts(),
                ptr::null_mut(),
                key.as_ptr(),
                ptr::null(),
                xts.encrypt,
            )
        };
        if done == 1 { Ok(xts) } else { Err(forget_errors()) }
    }

    /// Transforms one data unit, 16 bytes to 16 MiB, in place.
    pub(crate) fn unit(&mut self, tweak: &[u8; 16], data: &mut [u8]) -> Result<(), Refused> {
        let len = c_int::try_from(data.len()).map_err(|_| Refused)?;
        let mut out_len = 0;
        // SAFETY: the context is live and keyed; the IV is 16 bytes, XTS's length; in-place operation is allowed, and
        // `data` holds `len` readable and writable bytes, the output of a call without padding being as long as its
        // input.
        let done = unsafe {
            lc::EVP_CipherInit_ex(
                self.ctx.as_ptr(),
                ptr::null(),
                ptr::null_mut(),
                ptr::null(),
                tweak.as_ptr(),
                self.encrypt,
            ) == 1
                && lc::EVP_CipherUpdate(self.ctx.as_ptr(), data.as_mut_ptr(), &raw mut out_len, data.as_ptr(), len) == 1
        };
        if done && out_len == len { Ok(()) } else { Err(forget_errors()) }
    }
}

/// A number that is erased when released.
struct Bn(NonNull<lc::BIGNUM>);

impl Drop for Bn {
    fn drop(&mut self) {
        // SAFETY: this object owns the number.
        unsafe { lc::BN_clear_free(self.0.as_ptr()) }
    }
}

impl Bn {
    fn new() -> Result<Self, Refused> {
        // SAFETY: BN_new has no conditions.
        NonNull::new(unsafe { lc::BN_new() }).map(Self).ok_or(Refused)
    }

    fn from_be(bytes: &[u8]) -> Result<Self, Refused> {
        // SAFETY: `bytes` is readable for its length; a null target makes a new number.
        NonNull::new(unsafe { lc::BN_bin2bn(bytes.as_ptr(), bytes.len(), ptr::null_mut()) }).map(Self).ok_or(Refused)
    }

    fn ptr(&self) -> *const lc::BIGNUM {
        self.0.as_ptr()
    }

    fn to_be(&self, len: usize) -> Result<Zeroizing<Vec<u8>>, Refused> {
        number(self.ptr(), len)
    }

    fn minus_one(&self) -> Result<Self, Refused> {
        // SAFETY: this number lives; the copy is new.
        let copy = Self(NonNull::new(unsafe { lc::BN_dup(self.ptr()) }).ok_or(Refused)?);
        // SAFETY: `copy` is owned.
        if unsafe { lc::BN_sub_word(copy.0.as_ptr(), 1) } == 1 { Ok(copy) } else { Err(forget_errors()) }
    }

    fn minus(&self, other: &Self) -> Result<Self, Refused> {
        let out = Self::new()?;
        // SAFETY: both operands live; `out` is owned and distinct.
        if unsafe { lc::BN_sub(out.0.as_ptr(), self.ptr(), other.ptr()) } == 1 { Ok(out) } else { Err(forget_errors()) }
    }

    /// The quotient, rounded down.
    fn over(&self, other: &Self, ctx: &BnCtx) -> Result<Self, Refused> {
        let out = Self::new()?;
        // SAFETY: all operands live; `out` is owned and distinct; no remainder is wanted.
        if unsafe { lc::BN_div(out.0.as_ptr(), ptr::null_mut(), self.ptr(), other.ptr(), ctx.0.as_ptr()) } == 1 {
            Ok(out)
        } else {
            Err(forget_errors())
        }
    }

    fn times(&self, other: &Self, ctx: &BnCtx) -> Result<Self, Refused> {
        let out = Self::new()?;
        // SAFETY: all operands live; `out` is owned and distinct.
        if unsafe { lc::BN_mul(out.0.as_ptr(), self.ptr(), other.ptr(), ctx.0.as_ptr()) } == 1 {
            Ok(out)
        } else {
            Err(forget_errors())
        }
    }

    fn inverse(&self, modulus: &Self, ctx: &BnCtx) -> Result<Self, Refused> {
        let reduced = Self::new()?;
        let out = Self::new()?;
        // SAFETY: all operands live; the outputs are owned and distinct.
        let done = unsafe {
            lc::BN_nnmod(reduced.0.as_ptr(), self.ptr(), modulus.ptr(), ctx.0.as_ptr()) == 1
                && !lc::BN_mod_inverse(out.0.as_ptr(), reduced.ptr(), modulus.ptr(), ctx.0.as_ptr()).is_null()
        };
        if done { Ok(out) } else { Err(forget_errors()) }
    }
}

struct BnCtx(NonNull<lc::BN_CTX>);

impl Drop for BnCtx {
    fn drop(&mut self) {
        // SAFETY: this object owns the context.
        unsafe { lc::BN_CTX_free(self.0.as_ptr()) }
    }
}

impl BnCtx {
    fn new() -> Result<Self, Refused> {
        // SAFETY: BN_CTX_new has no conditions.
        NonNull::new(unsafe { lc::BN_CTX_new() }).map(Self).ok_or(Refused)
    }
}

/// A public-key context over an RSA key that outlives it.
struct PkeyCtx {
    pkey: NonNull<lc::EVP_PKEY>,
    ctx: NonNull<lc::EVP_PKEY_CTX>,
}

impl Drop for PkeyCtx {
    fn drop(&mut self) {
        // SAFETY: this object owns both.
        unsafe {
            lc::EVP_PKEY_CTX_free(self.ctx.as_ptr());
            lc::EVP_PKEY_free(self.pkey.as_ptr());
        }
    }
}

impl PkeyCtx {
    fn new(key: &RsaKey) -> Result<Self, Refused> {
        // SAFETY: EVP_PKEY_new has no conditions.
        let pkey = NonNull::new(unsafe { lc::EVP_PKEY_new() }).ok_or(Refused)?;
        // SAFETY: both live; set1 takes a reference of its own, and counting is atomic.
        let set = unsafe { lc::EVP_PKEY_set1_RSA(pkey.as_ptr(), key.rsa.as_ptr()) } == 1;
        let ctx = if set {
            // SAFETY: `pkey` lives; the context takes a reference of its own.
            NonNull::new(unsafe { lc::EVP_PKEY_CTX_new(pkey.as_ptr(), ptr::null_mut()) })
        } else {
            None
        };
        let Some(ctx) = ctx else {
            // SAFETY: `pkey` was not given away.
            unsafe { lc::EVP_PKEY_free(pkey.as_ptr()) };
            return Err(forget_errors());
        };
        Ok(Self { pkey, ctx })
    }
}

/// A number as `len` big-endian bytes; refused when it is absent or longer.
fn number(bn: *const lc::BIGNUM, len: usize) -> Result<Zeroizing<Vec<u8>>, Refused> {
    if bn.is_null() {
        return Err(Refused);
    }
    let mut out = Zeroizing::new(vec![0; len]);
    // SAFETY: `bn` is non-null and owned by an object that outlives the call; `out` has room for `len` bytes.
    if unsafe { lc::BN_bn2bin_padded(out.as_mut_ptr(), len, bn) } == 1 { Ok(out) } else { Err(forget_errors()) }
}

/// Empties the thread's error queue, which nobody else reads.
fn forget_errors() -> Refused {
    // SAFETY: ERR_clear_error has no conditions.
    unsafe { lc::ERR_clear_error() };
    Refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_rebuild_the_key() {
        let key = RsaKey::generate(2048).unwrap();
        let mut message = vec![0x5a; 256];
        message[0] = 0;
        let signed = key.private_op(&message).unwrap();
        let [p, q, dp, dq, n1q, n2p] = key.device_crt().unwrap();
        assert_eq!((n1q.len(), n2p.len()), (256, 256));
        let e = key.exponent();
        let parts = DeviceCrt { p: &p, q: &q, dp: &dp, dq: &dq, n: key.modulus(), n1q: &n1q, e: &e };
        let again = RsaKey::from_device_crt(&parts).unwrap();
        // Chinese remainders: n1q is 1 modulo p and 0 modulo q, n2p the other way round.
        let ctx = BnCtx::new().unwrap();
        for (number, prime, other) in [(&n1q, &p, &q), (&n2p, &q, &p)] {
            let [number, prime, other] = [number, prime, other].map(|bytes| Bn::from_be(bytes).unwrap());
            let times = |quotient: Bn, divisor: &Bn| quotient.times(divisor, &ctx).unwrap().to_be(256).unwrap();
            assert_eq!(times(number.over(&other, &ctx).unwrap(), &other), number.to_be(256).unwrap());
            let less = number.minus_one().unwrap();
            assert_eq!(times(less.over(&prime, &ctx).unwrap(), &prime), less.to_be(256).unwrap());
        }
        assert_eq!(again.private_op(&message).unwrap(), signed);
        let plain = RsaKey::from_exponents(key.modulus(), &e, &key.private_exponent().unwrap()).unwrap();
        assert_eq!(plain.private_op(&message).unwrap(), signed);
        assert_eq!(plain.device_crt().unwrap_err(), Refused);
    }

    #[test]
    fn the_public_operation_undoes_the_private_one() {
        let key = RsaKey::generate(2048).unwrap();
        let public = RsaPublic::new(key.modulus(), &key.exponent()).unwrap();
        for message in [[vec![0; 255], vec![2]].concat(), [vec![0], vec![0xa5; 255]].concat()] {
            let powered = key.private_op(&message).unwrap();
            assert_eq!(*public.public_op(&powered).unwrap(), message);
        }
        let one = [vec![0; 255], vec![1]].concat();
        assert_eq!(*public.public_op(&one).unwrap(), one);
        assert!(key.private_op(&one).is_err(), "AWS-LC takes what the device takes");
        assert!(public.public_op(key.modulus()).is_err(), "not below the modulus");
        assert!(public.public_op(&[1; 255]).is_err());
        for e in [&[1][..], &[2], &[4, 0, 0, 0, 1]] {
            assert!(RsaPublic::new(key.modulus(), e).is_err());
        }
    }

    #[test]
    fn inconsistent_numbers_are_refused() {
        let key = RsaKey::generate(2048).unwrap();
        let [p, q, dp, mut dq, n1q, _] = key.device_crt().unwrap();
        dq[127] ^= 1;
        let e = key.exponent();
        let parts = DeviceCrt { p: &p, q: &q, dp: &dp, dq: &dq, n: key.modulus(), n1q: &n1q, e: &e };
        assert!(RsaKey::from_device_crt(&parts).is_err());
    }

    #[test]
    fn equal_xts_keys_are_refused() {
        assert!(Xts::new(Direction::Encrypt, &[7; 32], &[7; 32]).is_err());
    }
}
