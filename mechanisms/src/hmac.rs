//! HMAC (RFC 2104, FIPS 198-1), whole and cut. In the HSM a message has at most 1024 bytes; for clear keys it has any
//! length, in AWS-LC or, over the hashes that AWS-LC's HMAC lacks, RustCrypto.

use std::sync::Arc;

use aws_lc_rs::hmac as engine;
use hmac::{KeyInit, SimpleHmac};
use subtle::ConstantTimeEq;
use transport::partition::{FacetKind, HsmKey, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::digest::{Hash, with_hasher};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, Material, NewKey};
use crate::operation::{SignOp, VerifyOp};
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::Row;

/// The three mechanisms of each hash: HMAC, HMAC cut to the length that the parameter says, and key generation.
macro_rules! rows {
    ($($hash:ident: $section:literal, $mac:ident, $general:ident, $generate:ident, $hardware:literal;)*) => {
        &[$(
            Row {
                section: concat!($section, ".4"),
                sign: Some(|_, key| Ok(Box::new(Mac::new(key, Hash::$hash, Hash::$hash.len())?))),
                verify: Some(|_, key| Ok(Box::new(Mac::new(key, Hash::$hash, Hash::$hash.len())?))),
                ..hmac(MechanismType::$mac, &[KeyType::GENERIC_SECRET, KeyType::$mac], $hardware)
            },
            Row {
                section: concat!($section, ".3"),
                shape: Shape::Number,
                sign: Some(|params, key| Ok(Box::new(Mac::new(key, Hash::$hash, cut(params, Hash::$hash)?)?))),
                verify: Some(|params, key| Ok(Box::new(Mac::new(key, Hash::$hash, cut(params, Hash::$hash)?)?))),
                ..hmac(MechanismType::$general, &[KeyType::GENERIC_SECRET, KeyType::$mac], $hardware)
            },
            Row {
                section: concat!($section, ".6"),
                generate: Some(|_, request, partition| generate(KeyType::$mac, request, partition)),
                made_in_library: !$hardware,
                ..hmac(MechanismType::$generate, &[KeyType::$mac], $hardware)
            },
        )*]
    };
}

/// PKCS#11 v3.2, 6.20 to 6.31.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = rows! {
    Sha1: "6.20", SHA_1_HMAC, SHA_1_HMAC_GENERAL, SHA_1_KEY_GEN, false;
    Sha224: "6.21", SHA224_HMAC, SHA224_HMAC_GENERAL, SHA224_KEY_GEN, false;
    Sha256: "6.22", SHA256_HMAC, SHA256_HMAC_GENERAL, SHA256_KEY_GEN, true;
    Sha384: "6.23", SHA384_HMAC, SHA384_HMAC_GENERAL, SHA384_KEY_GEN, true;
    Sha512: "6.24", SHA512_HMAC, SHA512_HMAC_GENERAL, SHA512_KEY_GEN, true;
    Sha512_224: "6.25", SHA512_224_HMAC, SHA512_224_HMAC_GENERAL, SHA512_224_KEY_GEN, false;
    Sha512_256: "6.26", SHA512_256_HMAC, SHA512_256_HMAC_GENERAL, SHA512_256_KEY_GEN, false;
    Sha3_224: "6.28", SHA3_224_HMAC, SHA3_224_HMAC_GENERAL, SHA3_224_KEY_GEN, false;
    Sha3_256: "6.29", SHA3_256_HMAC, SHA3_256_HMAC_GENERAL, SHA3_256_KEY_GEN, false;
    Sha3_384: "6.30", SHA3_384_HMAC, SHA3_384_HMAC_GENERAL, SHA3_384_KEY_GEN, false;
    Sha3_512: "6.31", SHA3_512_HMAC, SHA3_512_HMAC_GENERAL, SHA3_512_KEY_GEN, false;
};

/// What the rows of one hash share.
const fn hmac(kind: MechanismType, keys: &'static [KeyType], hardware: bool) -> Row {
    Row { keys, min_size: 1, max_size: secret::MAX_LEN, hardware, ..Row::none(kind) }
}

/// Longest message of the device in bytes (semantics 6.10).
const HSM_LIMIT: usize = 1024;

/// HMAC with a key outside the HSM.
#[derive(Clone)]
pub(crate) struct Hmac(Engine);

#[derive(Clone)]
enum Engine {
    AwsLc(Box<engine::Context>),
    RustCrypto(Box<dyn Parts>),
}

impl Hmac {
    /// With a key of any length.
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Self {
        Self(match algorithm(hash) {
            Some(algorithm) => Engine::AwsLc(Box::new(engine::Context::with_key(&engine::Key::new(algorithm, key)))),
            None => Engine::RustCrypto(with_hasher!(hash, Hasher => {
                Box::new(<SimpleHmac<Hasher> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length"))
            })),
        })
    }

    /// Adds a part.
    pub(crate) fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            Engine::AwsLc(context) => context.update(part),
            Engine::RustCrypto(parts) => parts.update(part),
        }
    }

    /// The HMAC of all parts.
    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self.0 {
            Engine::AwsLc(context) => context.sign().as_ref().to_vec(),
            Engine::RustCrypto(parts) => parts.finish(),
        })
    }
}

/// AWS-LC's algorithm, where its safe interface has one.
fn algorithm(hash: Hash) -> Option<engine::Algorithm> {
    Some(match hash {
        Hash::Sha1 => engine::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha224 => engine::HMAC_SHA224,
        Hash::Sha256 => engine::HMAC_SHA256,
        Hash::Sha384 => engine::HMAC_SHA384,
        Hash::Sha512 => engine::HMAC_SHA512,
        Hash::Sha512_224 | Hash::Sha512_256 | Hash::Sha3_224 | Hash::Sha3_256 | Hash::Sha3_384 | Hash::Sha3_512 => {
            return None;
        }
    })
}

/// An HMAC of RustCrypto.
trait Parts: Send {
    fn update(&mut self, part: &[u8]);
    fn finish(self: Box<Self>) -> Vec<u8>;
    fn duplicate(&self) -> Box<dyn Parts>;
}

impl<M: hmac::Mac + Clone + Send + 'static> Parts for M {
    fn update(&mut self, part: &[u8]) {
        hmac::Mac::update(self, part);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.finalize().into_bytes().to_vec()
    }

    fn duplicate(&self) -> Box<dyn Parts> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Parts> {
    fn clone(&self) -> Self {
        (**self).duplicate()
    }
}

/// The length that the parameter of a general-length HMAC asks for, in bytes.
fn cut(params: &Params, hash: Hash) -> Result<usize> {
    let Params::Number(len) = params else { return Err(Code::MechanismParamInvalid.into()) };
    usize::try_from(*len).ok().filter(|len| (1..=hash.len()).contains(len)).ok_or_else(|| {
        Code::MechanismParamInvalid.because(format_args!("an HMAC of {len} bytes, 1 to {} are possible", hash.len()))
    })
}

fn generate(key_type: KeyType, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    match request.key_type {
        Some(other) if other != key_type => {
            Err(Code::TemplateInconsistent.because(format_args!("{other:?} is not {key_type:?}")))
        }
        _ => secret::generate(key_type, request, partition),
    }
}

/// An HMAC in the making; the first `len` bytes of it are the tag.
struct Mac {
    hash: Hash,
    len: usize,
    state: State,
}

enum State {
    Hsm { key: Arc<HsmKey>, partition: Arc<Partition>, facet: FacetKind, message: Zeroizing<Vec<u8>> },
    Clear(Hmac),
}

impl Mac {
    fn new(key: &Key, hash: Hash, len: usize) -> Result<Self> {
        let state = match &key.material {
            Material::Hsm(key, partition) => {
                let facet = match hash {
                    Hash::Sha256 => Some(FacetKind::HmacSha256),
                    Hash::Sha384 => Some(FacetKind::HmacSha384),
                    Hash::Sha512 => Some(FacetKind::HmacSha512),
                    _ => None,
                };
                let Some(facet) = facet.filter(|facet| key.can(*facet)) else {
                    return Err(Code::KeyFunctionNotPermitted.because(format_args!(
                        "this HSM key has no HMAC with {hash:?}; its length and CKA_ALLOWED_MECHANISMS decide"
                    )));
                };
                let (key, partition) = (Arc::clone(key), Arc::clone(partition));
                State::Hsm { key, partition, facet, message: Zeroizing::default() }
            }
            Material::Clear(_) => State::Clear(Hmac::new(hash, secret::bytes(key)?)),
            Material::Public(_) => return Err(Code::KeyTypeInconsistent.into()),
        };
        Ok(Self { hash, len, state })
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Clear(hmac) => hmac.update(part),
            State::Hsm { message, .. } => {
                if part.len() > HSM_LIMIT - message.len() {
                    return Err(Code::DataLenRange.because(
                        "an HSM key takes HMAC messages of at most 1024 bytes; an extractable (sealed) key has no limit",
                    ));
                }
                message.extend_from_slice(part);
            }
        }
        Ok(())
    }

    /// The message so far of a key in the HSM, which is computed over at the end; the state of AWS-LC cannot be saved.
    fn collected(&self) -> Option<&[u8]> {
        match &self.state {
            State::Hsm { message, .. } => Some(message),
            State::Clear(_) => None,
        }
    }

    fn finish(self) -> Result<Vec<u8>> {
        let mut tag = match self.state {
            State::Clear(hmac) => hmac.finish().to_vec(),
            State::Hsm { key, partition, facet, message } => partition.hmac(&key, facet, &message)?,
        };
        if tag.len() != self.hash.len() {
            return Err(Code::DeviceError.because(format_args!("an HMAC of {} bytes", tag.len())));
        }
        tag.truncate(self.len);
        Ok(tag)
    }
}

impl SignOp for Mac {
    fn signature_len(&self) -> usize {
        self.len
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.update(part)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        (*self).finish()
    }

    fn collected(&self) -> Option<&[u8]> {
        self.collected()
    }
}

impl VerifyOp for Mac {
    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.update(part)
    }

    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()> {
        if signature.len() != self.len {
            return Err(Code::SignatureLenRange.because(format_args!("an HMAC of {} bytes", signature.len())));
        }
        let computed = (*self).finish()?;
        if bool::from(computed.ct_eq(signature)) { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
    }

    fn collected(&self) -> Option<&[u8]> {
        self.collected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::row;
    use crate::testing::{self, hex};

    fn key(bytes: &[u8]) -> Key {
        testing::secret(KeyType::GENERIC_SECRET, bytes)
    }

    fn tag(kind: MechanismType, key: &Key, parts: &[&[u8]]) -> Vec<u8> {
        let mut op = row(kind).unwrap().sign.unwrap()(&Params::None, key).unwrap();
        let len = op.signature_len();
        for part in parts {
            op.update(part).unwrap();
        }
        let tag = op.finish().unwrap();
        assert_eq!(tag.len(), len);
        tag
    }

    /// Everything in RustCrypto, and in AWS-LC where it has the hash; the message in two parts and in one.
    #[test]
    fn engines_agree_around_block_sizes() {
        for key_len in [1, 20, 63, 64, 65, 72, 103, 104, 105, 127, 128, 129, 136, 144, 145, 300] {
            for len in [0, 1, 63, 64, 65, 1025, 4097] {
                let (bytes, message) = (vec![7; key_len], vec![9; len]);
                let (front, back) = message.split_at(len / 2);
                for (kind, hash) in MACS {
                    let expected = with_hasher!(hash, Hasher => {
                        let mut mac = <SimpleHmac<Hasher> as KeyInit>::new_from_slice(&bytes).unwrap();
                        hmac::Mac::update(&mut mac, &message);
                        hmac::Mac::finalize(mac).into_bytes().to_vec()
                    });
                    assert_eq!(tag(kind, &key(&bytes), &[front, back]), expected, "{kind:?} {key_len} {len}");
                    assert_eq!(by_definition(hash, &bytes, &message), expected, "{kind:?} {key_len} {len}");
                }
            }
        }
    }

    /// RFC 2104, 2, over AWS-LC's digests.
    fn by_definition(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
        let block = match hash {
            Hash::Sha1 | Hash::Sha224 | Hash::Sha256 => 64,
            Hash::Sha384 | Hash::Sha512 | Hash::Sha512_224 | Hash::Sha512_256 => 128,
            Hash::Sha3_224 => 144,
            Hash::Sha3_256 => 136,
            Hash::Sha3_384 => 104,
            Hash::Sha3_512 => 72,
        };
        let mut padded = if key.len() > block { hash.digest(key).to_vec() } else { key.to_vec() };
        padded.resize(block, 0);
        let masked = |mask: u8| -> Vec<u8> { padded.iter().map(|byte| byte ^ mask).collect() };
        let inner = hash.digest(&[&masked(0x36)[..], message].concat());
        hash.digest(&[&masked(0x5c)[..], &inner].concat()).to_vec()
    }

    const MACS: [(MechanismType, Hash); 11] = [
        (MechanismType::SHA_1_HMAC, Hash::Sha1),
        (MechanismType::SHA224_HMAC, Hash::Sha224),
        (MechanismType::SHA256_HMAC, Hash::Sha256),
        (MechanismType::SHA384_HMAC, Hash::Sha384),
        (MechanismType::SHA512_HMAC, Hash::Sha512),
        (MechanismType::SHA512_224_HMAC, Hash::Sha512_224),
        (MechanismType::SHA512_256_HMAC, Hash::Sha512_256),
        (MechanismType::SHA3_224_HMAC, Hash::Sha3_224),
        (MechanismType::SHA3_256_HMAC, Hash::Sha3_256),
        (MechanismType::SHA3_384_HMAC, Hash::Sha3_384),
        (MechanismType::SHA3_512_HMAC, Hash::Sha3_512),
    ];

    #[test]
    fn general_length_is_the_front() {
        let key = key(b"key");
        let whole = tag(MechanismType::SHA3_256_HMAC, &key, &[b"message"]);
        let row = row(MechanismType::SHA3_256_HMAC_GENERAL).unwrap();
        for len in [1, 16, 31, 32] {
            let params = Params::Number(len as u64);
            let made = row.sign.unwrap()(&params, &key).unwrap();
            assert_eq!(made.signature_len(), len);
            let made = made.sign(b"message").unwrap();
            assert_eq!(made, whole[..len]);
            let check = |tag: &[u8]| row.verify.unwrap()(&params, &key).unwrap().verify(b"message", tag);
            check(&made).unwrap();
            assert_eq!(check(&[&made[..], &[0]].concat()).unwrap_err(), Code::SignatureLenRange);
            let mut spoiled = made;
            spoiled[len - 1] ^= 1;
            assert_eq!(check(&spoiled).unwrap_err(), Code::SignatureInvalid);
        }
        for params in [Params::Number(0), Params::Number(33), Params::Number(u64::MAX), Params::None] {
            assert_eq!(row.sign.unwrap()(&params, &key).err().unwrap(), Code::MechanismParamInvalid);
            assert_eq!(row.verify.unwrap()(&params, &key).err().unwrap(), Code::MechanismParamInvalid);
        }
    }

    /// RFC 4231, test cases 2 and 6; RFC 2202, test case 2.
    #[test]
    fn known_answers() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        for (kind, bytes, message, expected) in [
            (
                MechanismType::SHA_1_HMAC,
                &b"Jefe"[..],
                &b"what do ya want for nothing?"[..],
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                MechanismType::SHA256_HMAC,
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                MechanismType::SHA256_HMAC,
                &[0xaa; 131],
                long,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(tag(kind, &key(bytes), &[message]), hex(expected));
        }
    }

    #[test]
    fn verification() {
        let key = key(b"key");
        let made = tag(MechanismType::SHA256_HMAC, &key, &[b"message"]);
        let check = |message: &[u8], tag: &[u8]| {
            row(MechanismType::SHA256_HMAC).unwrap().verify.unwrap()(&Params::None, &key).unwrap().verify(message, tag)
        };
        check(b"message", &made).unwrap();
        assert_eq!(check(b"messagf", &made).unwrap_err(), Code::SignatureInvalid);
        assert_eq!(check(b"message", &made[..31]).unwrap_err(), Code::SignatureLenRange);
        let mut spoiled = made;
        spoiled[31] ^= 1;
        assert_eq!(check(b"message", &spoiled).unwrap_err(), Code::SignatureInvalid);
    }
}
