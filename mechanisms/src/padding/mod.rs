//! Paddings: pure functions on bytes, no key in sight. What depends on secret bytes is constant-time.

pub(crate) mod oaep;
pub(crate) mod pkcs1v15;
pub(crate) mod pkcs7;
pub(crate) mod pss;

use crate::digest::Hash;

/// Xors MGF1(seed) over `out` (RFC 8017, B.2.1).
fn mgf1_xor(hash: Hash, seed: &[u8], out: &mut [u8]) {
    for (counter, chunk) in (0u32..).zip(out.chunks_mut(hash.len())) {
        let mut context = hash.context();
        context.update(seed);
        context.update(&counter.to_be_bytes());
        for (byte, mask) in chunk.iter_mut().zip(context.finish().as_ref()) {
            *byte ^= mask;
        }
    }
}
