//! Structures that several commands share (wire 3.2).

use std::borrow::Cow;
use std::fmt;

use super::mbor::{Reader, Writer};
use super::wire::{Fixed, Var, message, show_len};
use super::{CodecError, Dialect, KeyType, Metadata, Wire, physical};

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
