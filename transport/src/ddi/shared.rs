//! Structures that several commands share (wire 3.2).

use std::borrow::Cow;
use std::fmt;

use super::mbor::{Reader, Writer};
use super::wire::{Fixed, Form, Var, message, show_len};
use super::{CodecError, Dialect, KeyType, Metadata, Wire, key, physical};

message! {
    /// An API revision; compared by major, then minor (wire 2.5).
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub struct ApiRev {
        /// Major number.
        1 major: u32,
        /// Minor number.
        2 minor: u32,
    }
}

impl ApiRev {
    /// 1.0, the revision of all known devices.
    pub const V1_0: Self = Self { major: 1, minor: 0 };
}

/// A public key: its DER `SubjectPublicKeyInfo` in both dialects of this API, and its type, a `..._PUBLIC` value.
#[derive(Clone, PartialEq, Eq)]
pub struct DerPublicKey<'a> {
    /// The SPKI; at most 768 bytes. Raw in the physical dialect, on the wire only.
    pub der: Cow<'a, [u8]>,
    /// RSA or ECC, and its size.
    pub key_kind: KeyType,
}

impl fmt::Debug for DerPublicKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerPublicKey")
            .field("der", &fmt::from_fn(|f| show_len(&self.der, f)))
            .field("key_kind", &self.key_kind)
            .finish()
    }
}

impl<'a> Wire<'a> for DerPublicKey<'a> {
    fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.map(2)?;
        w.field(1);
        match w.dialect() {
            Dialect::Virtual => w.variable(&self.der, MAX_DER)?,
            Dialect::Physical => physical::put_public_key(&self.der, self.key_kind, MAX_DER, w)?,
        }
        w.field(2);
        self.key_kind.encode(w)
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
        let mut fields = r.map()?;
        fields.mandatory(1, r)?;
        let wire = r.variable(MAX_DER)?;
        fields.mandatory(2, r)?;
        let key_kind = KeyType::decode(r)?;
        fields.finish()?;
        let der = match r.dialect() {
            Dialect::Virtual => Cow::Borrowed(wire),
            Dialect::Physical => Cow::Owned(physical::public_key(wire, key_kind)?),
        };
        Ok(Self { der, key_kind })
    }
}

/// A [`DerPublicKey`] in a request: the physical dialect sends EC keys only (wire 4.3).
pub(crate) struct SentKey;

impl<'a> Form<'a, DerPublicKey<'a>> for SentKey {
    fn put(value: &DerPublicKey<'a>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        if w.dialect() == Dialect::Physical && key::curve_of(value.key_kind).is_none() {
            return Err(CodecError::KeyKind(value.key_kind));
        }
        value.encode(w)
    }

    fn take(r: &mut Reader<'a>) -> Result<DerPublicKey<'a>, CodecError> {
        DerPublicKey::decode(r)
    }

    fn show(value: &DerPublicKey<'a>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(value, f)
    }
}

message! {
    /// What a new key is to be.
    pub struct TargetKeyProperties<'a> {
        /// Use and life time.
        1 key_metadata: Metadata,
        /// A name for people, at most 128 bytes.
        2 key_label: &'a [u8] as Var<128>,
    }
}

message! {
    /// Envelope of `EstablishCredential` (wire 3.8).
    pub struct EncryptedEstablishCredential<'a> {
        /// 16 bytes.
        1 encrypted_id: &'a [u8] as Var<16>,
        /// 16 bytes.
        2 encrypted_pin: &'a [u8] as Var<16>,
        /// 16 bytes.
        3 iv: &'a [u8] as Var<16>,
        /// The device's nonce.
        4 nonce: &'a [u8; 32] as Fixed,
        /// HMAC-SHA-384.
        5 tag: &'a [u8; 48] as Fixed,
    }
}

message! {
    /// Envelope of `OpenSession` and `ReopenSession` (wire 3.8).
    pub struct EncryptedSessionCredential<'a> {
        /// 16 bytes.
        1 encrypted_id: &'a [u8] as Var<16>,
        /// 16 bytes.
        2 encrypted_pin: &'a [u8] as Var<16>,
        /// 48 bytes.
        3 encrypted_seed: &'a [u8] as Var<48>,
        /// 16 bytes.
        4 iv: &'a [u8] as Var<16>,
        /// The device's nonce.
        5 nonce: &'a [u8; 32] as Fixed,
        /// HMAC-SHA-384.
        6 tag: &'a [u8; 48] as Fixed,
    }
}

message! {
    /// Envelope of `ChangePin` (wire 3.8); its ids start at 2.
    pub struct EncryptedPin<'a> {
        /// 16 bytes.
        2 encrypted_pin: &'a [u8] as Var<16>,
        /// 16 bytes.
        3 iv: &'a [u8] as Var<16>,
        /// The device's nonce.
        4 nonce: &'a [u8; 32] as Fixed,
        /// HMAC-SHA-384.
        5 tag: &'a [u8; 48] as Fixed,
    }
}

/// Largest `der` (wire 3.2).
const MAX_DER: usize = 768;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddi::EccCurve;

    fn encoded(key: &DerPublicKey<'_>, dialect: Dialect) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        key.encode(&mut Writer::new(&mut out, dialect)).map(|()| out)
    }

    /// Wire 4.4, example E8.
    #[test]
    fn a_public_key_has_the_bytes_of_the_worked_example() {
        let point: Vec<u8> = [4].into_iter().chain(1..=0x40).collect();
        let der = key::spki_from_point(EccCurve::P256, &point).expect("a point's shape");
        let key = DerPublicKey { der: Cow::Owned(der), key_kind: KeyType::ECC_256_PUBLIC };

        let natural = encoded(&key, Dialect::Virtual).expect("fits");
        assert_eq!(natural.len(), 106);
        assert_eq!(natural[..13], [0xA2, 0x18, 1, 0x82, 0, 0x5B, 0, 0, 0x30, 0x59, 0x30, 0x13, 0x06]);
        assert_eq!(natural[natural.len() - 7..], [0x18, 2, 0x1A, 0, 0, 0, 0x16]);

        let physical = encoded(&key, Dialect::Physical).expect("fits");
        assert_eq!(physical.len(), 79);
        assert_eq!(physical[..11], [0xA2, 0x18, 1, 0x82, 0, 0x40, 0, 0, 0x20, 0x1F, 0x1E]);
        assert_eq!(physical[39..42], [0x01, 0x40, 0x3F]);

        for (bytes, dialect) in [(natural, Dialect::Virtual), (physical, Dialect::Physical)] {
            assert_eq!(DerPublicKey::decode(&mut Reader::new(&bytes, dialect)).as_ref(), Ok(&key));
        }
    }

    #[test]
    fn a_physical_request_carries_no_rsa_key() {
        let der = key::spki_from_rsa(&[0xC5; 256], &[1, 0, 1]).expect("numbers");
        let key = DerPublicKey { der: Cow::Owned(der), key_kind: KeyType::RSA_2K_PUBLIC };
        let mut out = Vec::new();
        assert_eq!(SentKey::put(&key, &mut Writer::new(&mut out, Dialect::Virtual)), Ok(()));
        let refused = SentKey::put(&key, &mut Writer::new(&mut out, Dialect::Physical));
        assert_eq!(refused, Err(CodecError::KeyKind(KeyType::RSA_2K_PUBLIC)));
        // A device does send one.
        assert_eq!(encoded(&key, Dialect::Physical).expect("fits").len(), 8 + 260 + 7);
    }

    #[test]
    fn the_key_and_its_type_must_agree() {
        let point: Vec<u8> = [4].into_iter().chain(1..=0x40).collect();
        let der = key::spki_from_point(EccCurve::P256, &point).expect("a point's shape");
        for key_kind in [KeyType::ECC_384_PUBLIC, KeyType::ECC_256_PRIVATE, KeyType::AES_128, KeyType(0xFFFF)] {
            let key = DerPublicKey { der: Cow::Borrowed(&der), key_kind };
            assert_eq!(encoded(&key, Dialect::Physical), Err(CodecError::KeyKind(key_kind)));
        }
        let key = DerPublicKey { der: Cow::Borrowed(&der), key_kind: KeyType::RSA_2K_PUBLIC };
        assert_eq!(encoded(&key, Dialect::Physical), Err(CodecError::PublicKey("not an RSA key")));
        let rsa = key::spki_from_rsa(&[0xC5; 384], &[1, 0, 1]).expect("numbers");
        let key = DerPublicKey { der: Cow::Owned(rsa), key_kind: KeyType::RSA_2K_PUBLIC };
        assert_eq!(encoded(&key, Dialect::Physical), Err(CodecError::KeyKind(KeyType::RSA_2K_PUBLIC)));
    }
}
