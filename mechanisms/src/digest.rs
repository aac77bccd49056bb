//! The SHA family: digests, and the hash that other families name.

use aws_lc_rs::digest::{self, Context};
use zeroize::Zeroizing;

use crate::ck::MechanismType;
use crate::error::{Code, Error, Result};
use crate::operation::DigestOp;
use crate::params::Params;
use crate::table::Row;

/// PKCS#11 v3.2, 6.20 to 6.25.
pub(crate) const ROWS: &[Row] = &[
    row(MechanismType::SHA_1, "6.20.2", |params| start(params, Hash::Sha1)),
    row(MechanismType::SHA224, "6.21.2", |params| start(params, Hash::Sha224)),
    row(MechanismType::SHA256, "6.22.2", |params| start(params, Hash::Sha256)),
    row(MechanismType::SHA384, "6.23.2", |params| start(params, Hash::Sha384)),
    row(MechanismType::SHA512, "6.24.2", |params| start(params, Hash::Sha512)),
];

const fn row(kind: MechanismType, section: &'static str, init: crate::table::DigestInit) -> Row {
    Row { section, digest: Some(init), ..Row::none(kind) }
}

/// A hash of the SHA family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The hash that a digest mechanism is, as parameters of PSS, OAEP and HKDF name it.
    pub(crate) fn of(kind: MechanismType) -> Option<Self> {
        Some(match kind {
            MechanismType::SHA_1 => Self::Sha1,
            MechanismType::SHA224 => Self::Sha224,
            MechanismType::SHA256 => Self::Sha256,
            MechanismType::SHA384 => Self::Sha384,
            MechanismType::SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    /// The hash of a mask generation function, a `CKG_` number (PKCS#11 v3.2, 6.1.8).
    pub(crate) fn of_mgf(mgf: u64) -> Option<Self> {
        Some(match mgf {
            cryptoki_sys::CKG_MGF1_SHA1 => Self::Sha1,
            cryptoki_sys::CKG_MGF1_SHA224 => Self::Sha224,
            cryptoki_sys::CKG_MGF1_SHA256 => Self::Sha256,
            cryptoki_sys::CKG_MGF1_SHA384 => Self::Sha384,
            cryptoki_sys::CKG_MGF1_SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    /// Length of the digest in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn engine(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(crate) fn hmac(self) -> aws_lc_rs::hmac::Algorithm {
        use aws_lc_rs::hmac;
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => hmac::HMAC_SHA224,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// The digest of a whole message.
    pub(crate) fn digest(self, message: &[u8]) -> Digest {
        Digest(digest::digest(self.engine(), message))
    }

    /// A digest in parts.
    pub(crate) fn context(self) -> Context {
        Context::new(self.engine())
    }
}

/// A digest; derefs to its bytes.
pub(crate) struct Digest(digest::Digest);

impl std::ops::Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// What a signature is made over: the message itself, up to a limit, or its digest.
pub(crate) enum Message {
    /// Parts of a message that is signed as it is; at most `limit` bytes.
    Whole {
        /// The parts so far.
        parts: Zeroizing<Vec<u8>>,
        /// Most bytes that the mechanism takes.
        limit: usize,
    },
    /// Parts of a message that is hashed.
    Hashed(Box<Context>),
}

impl Message {
    /// Hashed where there is a hash, else whole and at most `limit` bytes.
    pub(crate) fn new(hash: Option<Hash>, limit: usize) -> Self {
        match hash {
            Some(hash) => Self::Hashed(Box::new(hash.context())),
            None => Self::Whole { parts: Zeroizing::default(), limit },
        }
    }

    /// Adds a part; `CKR_DATA_LEN_RANGE` past the limit.
    pub(crate) fn update(&mut self, part: &[u8]) -> Result<()> {
        match self {
            Self::Hashed(context) => context.update(part),
            Self::Whole { parts, limit } => {
                let room = *limit - parts.len();
                if part.len() > room {
                    return Err(too_long(parts.len().saturating_add(part.len()), *limit));
                }
                // A digest or a padded block fits at once, so that no copy is left behind by growing.
                parts.reserve_exact(room.min(512));
                parts.extend_from_slice(part);
            }
        }
        Ok(())
    }

    /// The digest, or the whole message.
    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Hashed(context) => Zeroizing::new(context.finish().as_ref().to_vec()),
            Self::Whole { parts, .. } => parts,
        }
    }
}

/// `CKR_DATA_LEN_RANGE`, with the length and the limit for the log.
pub(crate) fn too_long(len: usize, limit: usize) -> Error {
    Code::DataLenRange.because(format_args!("{len} bytes of data, at most {limit} are taken"))
}

struct Digesting {
    context: Context,
    hash: Hash,
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn start(_params: &Params, hash: Hash) -> Result<Box<dyn DigestOp>> {
    Ok(Box::new(Digesting { context: hash.context(), hash }))
}

impl DigestOp for Digesting {
    fn digest_len(&self) -> usize {
        self.hash.len()
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.context.update(part);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        Ok(self.context.finish().as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    fn run(kind: MechanismType, parts: &[&[u8]]) -> Vec<u8> {
        let init = crate::table::row(kind).unwrap().digest.unwrap();
        let mut op = init(&Params::None).unwrap();
        let len = op.digest_len();
        for part in parts {
            op.update(part).unwrap();
        }
        let digest = op.finish().unwrap();
        assert_eq!(digest.len(), len);
        digest
    }

    #[test]
    fn agrees_with_rustcrypto_around_block_sizes() {
        for len in [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000] {
            let data: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let (a, b) = data.split_at(len / 3);
            assert_eq!(run(MechanismType::SHA_1, &[a, b]), sha1::Sha1::digest(&data).as_slice());
            assert_eq!(run(MechanismType::SHA224, &[a, b]), sha2::Sha224::digest(&data).as_slice());
            assert_eq!(run(MechanismType::SHA256, &[a, &[], b]), sha2::Sha256::digest(&data).as_slice());
            assert_eq!(run(MechanismType::SHA384, &[&data]), sha2::Sha384::digest(&data).as_slice());
            assert_eq!(run(MechanismType::SHA512, &[a, b]), sha2::Sha512::digest(&data).as_slice());
        }
    }

    #[test]
    fn a_whole_message_has_a_limit() {
        let mut message = Message::new(None, 4);
        message.update(b"ab").unwrap();
        assert_eq!(message.update(b"cde").unwrap_err(), Code::DataLenRange);
        message.update(b"cd").unwrap();
        assert_eq!(*message.finish(), b"abcd");
    }
}
