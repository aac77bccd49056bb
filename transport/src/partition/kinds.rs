//! What keys are for, and the names of what goes into them.

use super::HsmKey;

/// One use of a device key: a device key has exactly one usage group and one algorithm family (semantics 5.3), so a
/// PKCS#11 key has one or more of these (design 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FacetKind {
    /// RSA modular exponentiation for signing.
    RsaSign = 1,
    /// RSA modular exponentiation for decryption.
    RsaDecrypt = 2,
    /// ECDSA.
    EcSign = 3,
    /// ECDH.
    EcDerive = 4,
    /// AES-CBC with 16, 24 or 32 byte keys.
    AesCbc = 5,
    /// AES-256-GCM with the caller's IV ("unapproved" device key).
    AesGcm = 6,
    /// AES-256-GCM with the device's IV ("approved" device key).
    AesGcmApproved = 7,
    /// AES-256-XTS: the key that encrypts the data, the first half of the value.
    AesXts = 8,
    /// HMAC-SHA-256.
    HmacSha256 = 9,
    /// HMAC-SHA-384.
    HmacSha384 = 10,
    /// HMAC-SHA-512.
    HmacSha512 = 11,
    /// A secret that other keys can be derived from (ECDH result).
    Secret = 12,
    /// AES-256-XTS: the key that encrypts the tweak, the second half of the value; a device key of its own.
    AesXtsTweak = 13,
}

impl FacetKind {
    /// Every kind, in the order of their numbers, which are those of a stored key.
    pub const ALL: [Self; 13] = [
        Self::RsaSign,
        Self::RsaDecrypt,
        Self::EcSign,
        Self::EcDerive,
        Self::AesCbc,
        Self::AesGcm,
        Self::AesGcmApproved,
        Self::AesXts,
        Self::HmacSha256,
        Self::HmacSha384,
        Self::HmacSha512,
        Self::Secret,
        Self::AesXtsTweak,
    ];

    /// The kind of this number.
    pub(super) fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// The curves of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

impl Curve {
    /// Length of a coordinate or scalar in bytes: 32, 48, 66.
    #[expect(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
    pub const fn len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The hash of a derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say all")]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// What is imported into the device.
#[derive(Debug)]
pub enum ImportValue<'a> {
    /// PKCS#8 DER of a two-prime RSA key with all CRT values, 2048, 3072 or 4096 bits.
    Rsa(&'a [u8]),
    /// PKCS#8 DER of an EC key with the public key inside.
    Ec(&'a [u8]),
    /// 16, 24 or 32 bytes.
    Aes(&'a [u8]),
    /// 32 bytes of data key and 32 bytes of tweak key, which differ: with [`FacetKind::AesXts`] and
    /// [`FacetKind::AesXtsTweak`].
    AesXts(&'a [u8]),
}

/// What is in a blob that somebody else wrapped to the partition's unwrapping key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrappedClass {
    /// PKCS#8 DER of a two-prime RSA key with all CRT values, 2048, 3072 or 4096 bits.
    Rsa,
    /// PKCS#8 DER of an EC key with the public key inside and the curve outside only (semantics 6.6).
    Ec,
    /// 16, 24 or 32 bytes.
    Aes,
}

/// A key that arrived wrapped.
#[derive(Debug)]
pub struct ImportedKey {
    /// The key.
    pub key: HsmKey,
    /// `SubjectPublicKeyInfo` DER, of an RSA or EC key.
    pub public: Option<Vec<u8>>,
    /// Length of an AES key in bytes.
    pub value_len: Option<usize>,
}
