//! HKDF (RFC 5869), SP 800-108 in counter mode and HMAC keys by the device's hash names.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::ddi::{HashAlgorithm, Status};

/// The HMAC of a hash.
pub(crate) fn hmac_of(hash: HashAlgorithm) -> Option<hmac::Algorithm> {
    match hash {
        HashAlgorithm::SHA1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        HashAlgorithm::SHA256 => Some(hmac::HMAC_SHA256),
        HashAlgorithm::SHA384 => Some(hmac::HMAC_SHA384),
        HashAlgorithm::SHA512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// HKDF, extract and expand, of at most 128 bytes.
pub(crate) fn hkdf(
    hash: HashAlgorithm,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, Status> {
    let algorithm = match hash {
        HashAlgorithm::SHA1 => hkdf::HKDF_SHA1_FOR_LEGACY_USE_ONLY,
        HashAlgorithm::SHA256 => hkdf::HKDF_SHA256,
        HashAlgorithm::SHA384 => hkdf::HKDF_SHA384,
        HashAlgorithm::SHA512 => hkdf::HKDF_SHA512,
        _ => return Err(Status::HKDF_INVALID_INPUT_PARAM),
    };
    let mut out = Zeroizing::new(vec![0; len]);
    hkdf::Salt::new(algorithm, salt)
        .extract(secret)
        .expand(&[info], Length(len))
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| Status::HKDF_ERROR)?;
    Ok(out)
}

/// SP 800-108 counter mode: block i = HMAC(K, i (u32 BE, from 1) || label || 0x00 || context || L (u32 BE, bits)).
/// `out` is at most 128 bytes long.
pub(crate) fn kbkdf(prf: hmac::Algorithm, key: &[u8], label: &[u8], context: &[&[u8]], out: &mut [u8]) {
    let bits = u32::try_from(out.len() * 8).expect("at most 128 bytes");
    let key = hmac::Key::new(prf, key);
    for (number, block) in (1u32..).zip(out.chunks_mut(prf.tag_len())) {
        let mut mac = hmac::Context::with_key(&key);
        mac.update(&number.to_be_bytes());
        mac.update(label);
        mac.update(&[0]);
        for part in context {
            mac.update(part);
        }
        mac.update(&bits.to_be_bytes());
        block.copy_from_slice(&mac.sign().as_ref()[..block.len()]);
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
