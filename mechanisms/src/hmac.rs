//! HMAC (RFC 2104). In the HSM a message has at most 1024 bytes; in AWS-LC, for clear keys, it has any length.

use std::sync::Arc;

use aws_lc_rs::hmac as engine;
use subtle::ConstantTimeEq;
use transport::partition::{FacetKind, HsmKey, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::digest::Hash;
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::{SignOp, VerifyOp};
use crate::secret;
use crate::table::{Row, SignInit, VerifyInit};

/// PKCS#11 v3.2, 6.20.4 to 6.24.4.
pub(crate) const ROWS: &[Row] = &[
    row(
        MechanismType::SHA_1_HMAC,
        "6.20.4",
        &[KeyType::GENERIC_SECRET, KeyType::SHA_1_HMAC],
        false,
        |_, key| sign(key, Hash::Sha1),
        |_, key| verify(key, Hash::Sha1),
    ),
    row(
        MechanismType::SHA256_HMAC,
        "6.22.4",
        &[KeyType::GENERIC_SECRET, KeyType::SHA256_HMAC],
        true,
        |_, key| sign(key, Hash::Sha256),
        |_, key| verify(key, Hash::Sha256),
    ),
    row(
        MechanismType::SHA384_HMAC,
        "6.23.4",
        &[KeyType::GENERIC_SECRET, KeyType::SHA384_HMAC],
        true,
        |_, key| sign(key, Hash::Sha384),
        |_, key| verify(key, Hash::Sha384),
    ),
    row(
        MechanismType::SHA512_HMAC,
        "6.24.4",
        &[KeyType::GENERIC_SECRET, KeyType::SHA512_HMAC],
        true,
        |_, key| sign(key, Hash::Sha512),
        |_, key| verify(key, Hash::Sha512),
    ),
];

const fn row(
    kind: MechanismType,
    section: &'static str,
    keys: &'static [KeyType],
    hardware: bool,
    sign: SignInit,
    verify: VerifyInit,
) -> Row {
    Row {
        section,
        keys,
        min_size: 1,
        max_size: secret::MAX_LEN,
        hardware,
        sign: Some(sign),
        verify: Some(verify),
        ..Row::none(kind)
    }
}

/// Longest message of the device in bytes (semantics 6.10).
const HSM_LIMIT: usize = 1024;

enum Mac {
    Hsm { key: Arc<HsmKey>, partition: Arc<Partition>, facet: FacetKind, hash: Hash, message: Zeroizing<Vec<u8>> },
    Clear { context: Box<engine::Context>, hash: Hash },
}

impl Mac {
    fn new(key: &Key, hash: Hash) -> Result<Self> {
        match &key.material {
            Material::Hsm(key, partition) => {
                let facet = match hash {
                    Hash::Sha256 => Some(FacetKind::HmacSha256),
                    Hash::Sha384 => Some(FacetKind::HmacSha384),
                    Hash::Sha512 => Some(FacetKind::HmacSha512),
                    Hash::Sha1 | Hash::Sha224 => None,
                };
                let Some(facet) = facet.filter(|facet| key.can(*facet)) else {
                    return Err(Code::KeyFunctionNotPermitted.because(format_args!(
                        "this HSM key has no HMAC with {hash:?}; its length and CKA_ALLOWED_MECHANISMS decide"
                    )));
                };
                let (key, partition) = (Arc::clone(key), Arc::clone(partition));
                Ok(Self::Hsm { key, partition, facet, hash, message: Zeroizing::default() })
            }
            Material::Clear(_) => {
                let key = engine::Key::new(hash.hmac(), secret::bytes(key)?);
                Ok(Self::Clear { context: Box::new(engine::Context::with_key(&key)), hash })
            }
            Material::Public(_) => Err(Code::KeyTypeInconsistent.into()),
        }
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        match self {
            Self::Clear { context, .. } => context.update(part),
            Self::Hsm { message, .. } => {
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

    fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Clear { context, .. } => Ok(context.sign().as_ref().to_vec()),
            Self::Hsm { key, partition, facet, hash, message } => {
                let tag = partition.hmac(&key, facet, &message)?;
                if tag.len() == hash.len() {
                    Ok(tag)
                } else {
                    Err(Code::DeviceError.because(format_args!("an HMAC of {} bytes", tag.len())))
                }
            }
        }
    }
}

fn sign(key: &Key, hash: Hash) -> Result<Box<dyn SignOp>> {
    Ok(Box::new(Mac::new(key, hash)?))
}

fn verify(key: &Key, hash: Hash) -> Result<Box<dyn VerifyOp>> {
    Ok(Box::new(Mac::new(key, hash)?))
}

impl SignOp for Mac {
    fn signature_len(&self) -> usize {
        match self {
            Self::Hsm { hash, .. } | Self::Clear { hash, .. } => hash.len(),
        }
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.update(part)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        (*self).finish()
    }
}

impl VerifyOp for Mac {
    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.update(part)
    }

    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()> {
        if signature.len() != self.signature_len() {
            return Err(Code::SignatureLenRange.because(format_args!("an HMAC of {} bytes", signature.len())));
        }
        let computed = (*self).finish()?;
        if bool::from(computed.ct_eq(signature)) { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;

    use super::*;
    use crate::key::Value;
    use crate::params::Params;
    use crate::table::row;

    fn key(bytes: &[u8]) -> Key {
        let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
        Key { key_type: KeyType::GENERIC_SECRET, material: Material::Clear(Arc::new(value)), public: None }
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

    fn second_opinion<M: KeyInit + hmac::Mac>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }

    #[test]
    fn agrees_with_rustcrypto_around_block_sizes() {
        for key_len in [1, 20, 63, 64, 65, 127, 128, 129, 300] {
            for len in [0, 1, 63, 64, 65, 1025] {
                let (bytes, message) = (vec![7; key_len], vec![9; len]);
                let (front, back) = message.split_at(len / 2);
                let key = key(&bytes);
                let run = |kind| tag(kind, &key, &[front, back]);
                assert_eq!(run(MechanismType::SHA_1_HMAC), second_opinion::<hmac::Hmac<sha1::Sha1>>(&bytes, &message));
                assert_eq!(
                    run(MechanismType::SHA256_HMAC),
                    second_opinion::<hmac::Hmac<sha2::Sha256>>(&bytes, &message)
                );
                assert_eq!(
                    run(MechanismType::SHA384_HMAC),
                    second_opinion::<hmac::Hmac<sha2::Sha384>>(&bytes, &message)
                );
                assert_eq!(
                    run(MechanismType::SHA512_HMAC),
                    second_opinion::<hmac::Hmac<sha2::Sha512>>(&bytes, &message)
                );
            }
        }
    }

    /// RFC 4231, test cases 2 and 6; RFC 2202, test case 2.
    #[test]
    fn known_answers() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
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
