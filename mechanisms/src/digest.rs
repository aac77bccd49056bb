//! The SHA families: digests, and the hash that other families name.
//!
//! | Message | Engine | Why |
//! |---|---|---|
//! | in one part; hashed for a signature | AWS-LC; RustCrypto for SHA-512/224 and SHA3-224, which it lacks | the fastest |
//! | digested in several parts | RustCrypto | the state can be saved (`C_GetOperationState`); AWS-LC's cannot |
//!
//! The price was measured in parts of 8 KiB, with SHA-NI and AVX2, on a busy machine: SHA-1 and SHA-256 are as fast in
//! both engines, SHA-384 and SHA-512 within a quarter, and SHA-3 in RustCrypto, which needs an optimised build, is no
//! slower.

use aws_lc_rs::digest as engine;
use digest::Digest as _;
use digest::common::hazmat::{SerializableState, SerializedState};
use zeroize::{Zeroize, Zeroizing};

use crate::ck::MechanismType;
use crate::error::{Code, Error, Result};
use crate::operation::DigestOp;
use crate::table::Row;

/// PKCS#11 v3.2, 6.20 to 6.31.
pub(crate) const ROWS: &[Row] = &[
    row(MechanismType::SHA_1, "6.20.2", |_| start(Hash::Sha1)),
    row(MechanismType::SHA224, "6.21.2", |_| start(Hash::Sha224)),
    row(MechanismType::SHA256, "6.22.2", |_| start(Hash::Sha256)),
    row(MechanismType::SHA384, "6.23.2", |_| start(Hash::Sha384)),
    row(MechanismType::SHA512, "6.24.2", |_| start(Hash::Sha512)),
    row(MechanismType::SHA512_224, "6.25.2", |_| start(Hash::Sha512_224)),
    row(MechanismType::SHA512_256, "6.26.2", |_| start(Hash::Sha512_256)),
    row(MechanismType::SHA3_224, "6.28.2", |_| start(Hash::Sha3_224)),
    row(MechanismType::SHA3_256, "6.29.2", |_| start(Hash::Sha3_256)),
    row(MechanismType::SHA3_384, "6.30.2", |_| start(Hash::Sha3_384)),
    row(MechanismType::SHA3_512, "6.31.2", |_| start(Hash::Sha3_512)),
];

const fn row(kind: MechanismType, section: &'static str, init: crate::table::DigestInit) -> Row {
    Row { section, digest: Some(init), ..Row::none(kind) }
}

/// A hash of the SHA families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

/// Runs an expression with `$hasher` naming RustCrypto's hasher of a hash.
macro_rules! with_hasher {
    ($hash:expr, $hasher:ident => $body:expr) => {
        match $hash {
            $crate::digest::Hash::Sha1 => {
                type $hasher = sha1::Sha1;
                $body
            }
            $crate::digest::Hash::Sha224 => {
                type $hasher = sha2::Sha224;
                $body
            }
            $crate::digest::Hash::Sha256 => {
                type $hasher = sha2::Sha256;
                $body
            }
            $crate::digest::Hash::Sha384 => {
                type $hasher = sha2::Sha384;
                $body
            }
            $crate::digest::Hash::Sha512 => {
                type $hasher = sha2::Sha512;
                $body
            }
            $crate::digest::Hash::Sha512_224 => {
                type $hasher = sha2::Sha512_224;
                $body
            }
            $crate::digest::Hash::Sha512_256 => {
                type $hasher = sha2::Sha512_256;
                $body
            }
            $crate::digest::Hash::Sha3_224 => {
                type $hasher = sha3::Sha3_224;
                $body
            }
            $crate::digest::Hash::Sha3_256 => {
                type $hasher = sha3::Sha3_256;
                $body
            }
            $crate::digest::Hash::Sha3_384 => {
                type $hasher = sha3::Sha3_384;
                $body
            }
            $crate::digest::Hash::Sha3_512 => {
                type $hasher = sha3::Sha3_512;
                $body
            }
        }
    };
}
pub(crate) use with_hasher;

impl Hash {
    /// The hash that a digest mechanism is, as parameters of PSS, OAEP and HKDF name it.
    pub(crate) fn of(kind: MechanismType) -> Option<Self> {
        Some(match kind {
            MechanismType::SHA_1 => Self::Sha1,
            MechanismType::SHA224 => Self::Sha224,
            MechanismType::SHA256 => Self::Sha256,
            MechanismType::SHA384 => Self::Sha384,
            MechanismType::SHA512 => Self::Sha512,
            MechanismType::SHA512_224 => Self::Sha512_224,
            MechanismType::SHA512_256 => Self::Sha512_256,
            MechanismType::SHA3_224 => Self::Sha3_224,
            MechanismType::SHA3_256 => Self::Sha3_256,
            MechanismType::SHA3_384 => Self::Sha3_384,
            MechanismType::SHA3_512 => Self::Sha3_512,
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
            cryptoki_sys::CKG_MGF1_SHA3_224 => Self::Sha3_224,
            cryptoki_sys::CKG_MGF1_SHA3_256 => Self::Sha3_256,
            cryptoki_sys::CKG_MGF1_SHA3_384 => Self::Sha3_384,
            cryptoki_sys::CKG_MGF1_SHA3_512 => Self::Sha3_512,
            _ => return None,
        })
    }

    /// Length of the digest in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha512_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// AWS-LC's algorithm, where its safe interface has one.
    pub(crate) fn engine(self) -> Option<&'static engine::Algorithm> {
        Some(match self {
            Self::Sha1 => &engine::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &engine::SHA224,
            Self::Sha256 => &engine::SHA256,
            Self::Sha384 => &engine::SHA384,
            Self::Sha512 => &engine::SHA512,
            Self::Sha512_256 => &engine::SHA512_256,
            Self::Sha3_256 => &engine::SHA3_256,
            Self::Sha3_384 => &engine::SHA3_384,
            Self::Sha3_512 => &engine::SHA3_512,
            Self::Sha512_224 | Self::Sha3_224 => return None,
        })
    }

    /// The digest of a whole message.
    pub(crate) fn digest(self, message: &[u8]) -> Digest {
        match self.engine() {
            Some(algorithm) => Digest::new(engine::digest(algorithm, message).as_ref()),
            None => with_hasher!(self, Hasher => Digest::new(&Hasher::digest(message))),
        }
    }

    /// The first `len` bytes of the digest of a secret.
    pub(crate) fn digest_secret(self, secret: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
        let mut digest = self.digest(secret);
        let front = Zeroizing::new(digest[..len].to_vec());
        digest.bytes.zeroize();
        front
    }

    /// A digest in parts that nobody needs to save.
    pub(crate) fn context(self) -> Context {
        Context(match self.engine() {
            Some(algorithm) => Running::Engine(engine::Context::new(algorithm)),
            None => Running::Parts(self.parts()),
        })
    }

    /// A digest in parts whose state can be saved.
    fn parts(self) -> Box<dyn Parts> {
        with_hasher!(self, Hasher => Box::new(Hasher::new()))
    }
}

/// A digest; derefs to its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Digest {
    fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { bytes, len: digest.len() }
    }
}

impl std::ops::Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A digest in parts.
pub(crate) struct Context(Running);

enum Running {
    Engine(engine::Context),
    Parts(Box<dyn Parts>),
}

impl Context {
    /// Adds a part.
    pub(crate) fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            Running::Engine(context) => context.update(part),
            Running::Parts(parts) => parts.update(part),
        }
    }

    /// The digest of all parts.
    pub(crate) fn finish(self) -> Digest {
        match self.0 {
            Running::Engine(context) => Digest::new(context.finish().as_ref()),
            Running::Parts(parts) => parts.finish(),
        }
    }
}

/// A hasher of RustCrypto.
trait Parts: Send {
    fn update(&mut self, part: &[u8]);
    fn finish(self: Box<Self>) -> Digest;
    fn save(&self) -> Zeroizing<Vec<u8>>;
}

impl<H: digest::Digest + SerializableState + Send> Parts for H {
    fn update(&mut self, part: &[u8]) {
        digest::Digest::update(self, part);
    }

    fn finish(self: Box<Self>) -> Digest {
        Digest::new(&self.finalize())
    }

    fn save(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.serialize().to_vec())
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
            Self::Hashed(context) => Zeroizing::new(context.finish().to_vec()),
            Self::Whole { parts, .. } => parts,
        }
    }
}

/// `CKR_DATA_LEN_RANGE`, with the length and the limit for the log.
pub(crate) fn too_long(len: usize, limit: usize) -> Error {
    Code::DataLenRange.because(format_args!("{len} bytes of data, at most {limit} are taken"))
}

/// `C_DigestInit` to `C_DigestFinal`.
struct Digesting {
    hash: Hash,
    /// The parts so far; `None` before the first.
    parts: Option<Box<dyn Parts>>,
}

impl Digesting {
    fn parts(&mut self) -> &mut dyn Parts {
        &mut **self.parts.get_or_insert_with(|| self.hash.parts())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn start(hash: Hash) -> Result<Box<dyn DigestOp>> {
    Ok(Box::new(Digesting { hash, parts: None }))
}

/// Takes up a digest where [`DigestOp::save`] of the same mechanism left it; `CKR_SAVED_STATE_INVALID` for anything
/// else.
pub fn restore(kind: MechanismType, state: &[u8]) -> Result<Box<dyn DigestOp>> {
    let invalid = || Code::SavedStateInvalid.because(format_args!("no state of {kind:?}"));
    let hash = Hash::of(kind).ok_or_else(invalid)?;
    let [STATE_VERSION, state @ ..] = state else { return Err(invalid()) };
    let parts: Box<dyn Parts> = with_hasher!(hash, Hasher => {
        let state = <&SerializedState<Hasher>>::try_from(state).map_err(|_| invalid())?;
        Box::new(Hasher::deserialize(state).map_err(|_| invalid())?)
    });
    Ok(Box::new(Digesting { hash, parts: Some(parts) }))
}

impl DigestOp for Digesting {
    fn digest_len(&self) -> usize {
        self.hash.len()
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.parts().update(part);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        Ok(match self.parts {
            Some(parts) => parts.finish().to_vec(),
            None => self.hash.digest(&[]).to_vec(),
        })
    }

    fn digest(mut self: Box<Self>, message: &[u8]) -> Result<Vec<u8>> {
        match &mut self.parts {
            Some(_) => {
                self.update(message)?;
                self.finish()
            }
            None => Ok(self.hash.digest(message).to_vec()),
        }
    }

    fn save(&self) -> Option<Zeroizing<Vec<u8>>> {
        let state = self.parts.as_ref().map_or_else(|| self.hash.parts().save(), |parts| parts.save());
        let mut saved = Zeroizing::new(Vec::with_capacity(1 + state.len()));
        saved.push(STATE_VERSION);
        saved.extend_from_slice(&state);
        Some(saved)
    }
}

/// What a saved state begins with: the layout that the 0.11 and 0.12 generation of RustCrypto's hashers writes.
const STATE_VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::testing::{hex, message};

    /// Every digest mechanism with its hash.
    fn all() -> impl Iterator<Item = (MechanismType, Hash)> {
        ROWS.iter().map(|row| (row.kind, Hash::of(row.kind).unwrap()))
    }

    fn init(kind: MechanismType) -> Box<dyn DigestOp> {
        crate::table::row(kind).unwrap().digest.unwrap()(&Params::None).unwrap()
    }

    fn run(kind: MechanismType, parts: &[&[u8]]) -> Vec<u8> {
        let mut op = init(kind);
        let len = op.digest_len();
        for part in parts {
            op.update(part).unwrap();
        }
        let digest = op.finish().unwrap();
        assert_eq!(digest.len(), len);
        digest
    }

    /// AWS-LC's context, its one-shot function, and RustCrypto's hashers check each other, where all have the hash.
    #[test]
    fn engines_agree_around_block_sizes() {
        for len in LENGTHS {
            let data = message(len);
            let (a, b) = data.split_at(len / 3);
            for (kind, hash) in all() {
                let mut context = hash.context();
                context.update(a);
                context.update(b);
                let digest = context.finish();
                assert_eq!(run(kind, &[a, &[], b]), *digest, "{kind:?} {len}");
                assert_eq!(init(kind).digest(&data).unwrap(), *digest, "{kind:?} {len}");
                assert_eq!(*hash.digest(&data), *digest, "{kind:?} {len}");
            }
        }
    }

    /// FIPS 180-4 and FIPS 202 examples: the digests of "abc" (NIST, Cryptographic Standards and Guidelines).
    #[test]
    fn known_answers() {
        for (kind, expected) in [
            (MechanismType::SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (MechanismType::SHA224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (MechanismType::SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                MechanismType::SHA384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                MechanismType::SHA512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (MechanismType::SHA512_224, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"),
            (MechanismType::SHA512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
            (MechanismType::SHA3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
            (MechanismType::SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
            (
                MechanismType::SHA3_384,
                "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
            ),
            (
                MechanismType::SHA3_512,
                "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
                 10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
            ),
        ] {
            assert_eq!(init(kind).digest(b"abc").unwrap(), hex(expected), "{kind:?}");
        }
        assert_eq!(all().count(), 11);
    }

    #[test]
    fn a_saved_digest_goes_on() {
        for len in LENGTHS {
            let data = message(len);
            for (kind, hash) in all() {
                let mut op = init(kind);
                let empty = restore(kind, &op.save().unwrap()).unwrap();
                op.update(&data).unwrap();
                let mut again = restore(kind, &op.save().unwrap()).unwrap();
                op.update(b"rest").unwrap();
                again.update(b"rest").unwrap();
                let expected = hash.digest(&[&data, &b"rest"[..]].concat());
                assert_eq!(op.finish().unwrap(), *expected, "{kind:?} {len}");
                assert_eq!(again.finish().unwrap(), *expected, "{kind:?} {len}");
                assert_eq!(empty.digest(&data).unwrap(), *hash.digest(&data), "{kind:?} {len}");
            }
        }
    }

    #[test]
    fn nonsense_is_no_saved_digest() {
        for (kind, _) in all() {
            let good = init(kind).save().unwrap();
            let mut later = good.clone();
            later[0] += 1;
            for bad in [&[][..], &[STATE_VERSION], &good[..good.len() - 1], &[&good[..], &[0]].concat(), &later] {
                assert_eq!(restore(kind, bad).err().unwrap(), Code::SavedStateInvalid, "{kind:?}");
            }
            // Nothing to do with what the bytes are: it must not panic.
            let _ = restore(kind, &[&[STATE_VERSION], &vec![0xff; good.len() - 1][..]].concat());
        }
        assert_eq!(restore(MechanismType::ECDSA, &[1]).err().unwrap(), Code::SavedStateInvalid);
    }

    #[test]
    fn a_whole_message_has_a_limit() {
        let mut message = Message::new(None, 4);
        message.update(b"ab").unwrap();
        assert_eq!(message.update(b"cde").unwrap_err(), Code::DataLenRange);
        message.update(b"cd").unwrap();
        assert_eq!(*message.finish(), b"abcd");
    }

    /// Around the blocks of every hash (64, 72, 104, 128, 136, 144 bytes) and 4096.
    const LENGTHS: [usize; 27] = [
        0, 1, 55, 56, 63, 64, 65, 71, 72, 73, 103, 104, 105, 111, 112, 127, 128, 129, 135, 136, 143, 144, 145, 1024,
        4095, 4096, 4097,
    ];
}
