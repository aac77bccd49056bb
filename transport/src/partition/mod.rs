//! One live HSM partition: credential ceremony and provisioning, the device session, the cache of live keys.
//!
//! Everything above says *what* it wants done with *which* [`HsmKey`]; only this room knows key ids, and none leaves it.
//! [`Partition`] is `Send + Sync`; all its methods take `&self` and may run on several threads at once.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::channel::{Device, Direction};
use crate::{Error, Result};

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
    /// AES-XTS data or tweak key.
    AesXts = 8,
    /// HMAC-SHA-256.
    HmacSha256 = 9,
    /// HMAC-SHA-384.
    HmacSha384 = 10,
    /// HMAC-SHA-512.
    HmacSha512 = 11,
    /// A secret that other keys can be derived from (ECDH result).
    Secret = 12,
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
}

/// The secrets with which a partition is provisioned and entered; part of the token's secrets T (design 5).
pub struct PartitionSecrets {
    /// Credential id, 16 bytes, not all zero.
    pub id: [u8; 16],
    /// Credential pin, 16 bytes, not all zero.
    pub pin: Zeroizing<[u8; 16]>,
    /// Owner backup key.
    pub bk3: Zeroizing<[u8; 48]>,
    /// POTA private key: a P-384 scalar, big-endian.
    pub pota: Zeroizing<[u8; 48]>,
}

impl fmt::Debug for PartitionSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartitionSecrets")
    }
}

/// The blobs that a host must keep for a partition (semantics 2.7). Not secret, but nothing opens without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionBlobs {
    /// BK3 masked under the chip's BK_BOOT.
    pub masked_bk3: Option<Vec<u8>>,
    /// Backup of the partition's masking key.
    pub bmk: Option<Vec<u8>>,
    /// Masked RSA unwrapping key.
    pub muk: Option<Vec<u8>>,
    /// The token's root secret, an encoded [`HsmKey`] with a [`FacetKind::Secret`] facet.
    pub root: Option<Vec<u8>>,
    /// The token's sealing key, an encoded [`HsmKey`] with a [`FacetKind::AesGcmApproved`] facet.
    pub seal: Option<Vec<u8>>,
}

/// Where the layer above keeps [`PartitionBlobs`]; shared by all processes of the token.
pub trait Durable: Send + Sync + fmt::Debug {
    /// Runs `provision` while no other process provisions this token; hands it the blobs as they are now and stores
    /// what it changed, synced to disk, before returning (semantics 9.2 rules 2 and 3).
    fn exclusively(
        &self,
        provision: &mut dyn FnMut(&mut PartitionBlobs, &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<()>,
    ) -> Result<()>;
}

/// A key whose value lives in the HSM: its facets as masked blobs, and how to make a missing facet inside the device.
/// `Send + Sync`: facets made later are added under a lock. Holds nothing secret (semantics 2.7).
pub struct HsmKey {
    // The partition room's own fields.
    _private: (),
}

impl fmt::Debug for HsmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HsmKey")
    }
}

impl HsmKey {
    /// The bytes to store: format version, protocol id, facets, recipe. Stable over releases.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The key that [`HsmKey::encode`] wrote.
    pub fn decode(_bytes: &[u8]) -> Result<Self> {
        Err(Error::BlobRejected("key"))
    }

    /// Whether the key has, or can make, this facet.
    pub fn can(&self, _kind: FacetKind) -> bool {
        false
    }
}

/// What the partition says of itself (wire 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// `true` for a physical device.
    pub physical: bool,
    /// Key tables.
    pub tables: u8,
    /// Module approval state.
    pub fips_approved: bool,
    /// Serial number from the partition identity: 32 upper-case hex digits of the PID certificate's subject serial
    /// number, or of the certificate's hash where it has none.
    pub identity: String,
}

/// One live partition; see the module's text.
pub struct Partition {
    _device: Arc<dyn Device>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partition")
    }
}

/// Reads the partition's identity without any credential: GetApiRev, GetDeviceInfo, the certificate chain.
pub fn probe(_device: &dyn Device) -> Result<PartitionInfo> {
    Err(Error::Unsupported("placeholder"))
}

impl Partition {
    /// A partition that provisions itself, and opens its device session, when first used.
    pub fn new(device: Arc<dyn Device>, _secrets: PartitionSecrets, _durable: Arc<dyn Durable>) -> Self {
        Self { _device: device }
    }

    /// Provisions the partition (or finds it provisioned) and opens the device session, if that has not happened yet.
    /// Makes and stores BMK, MUK, root secret and sealing key where the store has none. Called by `C_InitToken` and
    /// `C_Login`; every other method calls it by itself.
    pub fn connect(&self) -> Result<()> {
        Err(Error::Unsupported("placeholder"))
    }

    /// Makes a secret of `len` bytes inside the device: HKDF of the token's root secret with a fresh random salt, so
    /// that every facet holds the same bytes and none ever left. The first of `facets` is made now, the others when
    /// they are first needed. AES: `len` 16, 24, 32; HMAC: the lengths of wire 3.3 HkdfDerive.
    pub fn generate_secret(&self, _len: usize, _facets: &[FacetKind]) -> Result<HsmKey> {
        Err(Error::Unsupported("placeholder"))
    }

    /// Makes an EC key pair inside the device, for [`FacetKind::EcSign`] or [`FacetKind::EcDerive`]. The public key is
    /// the uncompressed point `04 || x || y`.
    pub fn generate_ec(&self, _curve: Curve, _facet: FacetKind) -> Result<(HsmKey, Vec<u8>)> {
        Err(Error::Unsupported("placeholder"))
    }

    /// Wraps a value to the partition's unwrapping key and imports it, once per facet.
    pub fn import(&self, _value: &ImportValue<'_>, _facets: &[FacetKind]) -> Result<HsmKey> {
        Err(Error::Unsupported("placeholder"))
    }

    /// ECDSA over a digest that is already cut to the curve's length; answers `r || s`, 64, 96 or 132 bytes.
    pub fn ecc_sign(&self, _key: &HsmKey, _digest: &[u8]) -> Result<Vec<u8>> {
        Err(Error::Unsupported("placeholder"))
    }

    /// RSA private operation on a modulus-sized operand, 1 < m < n - 1, with the [`FacetKind::RsaSign`] or
    /// [`FacetKind::RsaDecrypt`] facet. Padding is the caller's.
    pub fn rsa_mod_exp(&self, _key: &HsmKey, _facet: FacetKind, _operand: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Err(Error::Unsupported("placeholder"))
    }

    /// AES-CBC without padding over any multiple of 16 bytes, in place; `iv` is left at the chaining value.
    pub fn aes_cbc(&self, _key: &HsmKey, _direction: Direction, _iv: &mut [u8; 16], _data: &mut [u8]) -> Result<()> {
        Err(Error::Unsupported("placeholder"))
    }

    /// AES-256-GCM encryption in place with the caller's IV; answers the tag.
    pub fn aes_gcm_encrypt(&self, _key: &HsmKey, _iv: &[u8; 12], _aad: &[u8], _data: &mut [u8]) -> Result<[u8; 16]> {
        Err(Error::Unsupported("placeholder"))
    }

    /// AES-256-GCM decryption in place; on [`Error::TagMismatch`] `data` is wiped.
    pub fn aes_gcm_decrypt(
        &self,
        _key: &HsmKey,
        _iv: &[u8; 12],
        _aad: &[u8],
        _data: &mut [u8],
        _tag: &[u8; 16],
    ) -> Result<()> {
        Err(Error::Unsupported("placeholder"))
    }

    /// HMAC of a message of at most 1024 bytes with one of the HMAC facets; 32, 48 or 64 bytes.
    pub fn hmac(&self, _key: &HsmKey, _facet: FacetKind, _message: &[u8]) -> Result<Vec<u8>> {
        Err(Error::Unsupported("placeholder"))
    }

    /// ECDH with a peer's uncompressed point on the same curve; the result stays inside, with the one facet
    /// [`FacetKind::Secret`].
    pub fn ecdh(&self, _key: &HsmKey, _peer: &[u8]) -> Result<HsmKey> {
        Err(Error::Unsupported("placeholder"))
    }

    /// HKDF (RFC 5869, extract and expand) of a [`FacetKind::Secret`] key. `salt` and `info` at most 256 bytes each.
    pub fn hkdf(
        &self,
        _key: &HsmKey,
        _hash: Hash,
        _salt: &[u8],
        _info: &[u8],
        _len: usize,
        _facets: &[FacetKind],
    ) -> Result<HsmKey> {
        Err(Error::Unsupported("placeholder"))
    }

    /// Encrypts a value under the token's sealing key, bound to `context`: `iv (12) || ciphertext || tag (16)`.
    pub fn seal(&self, _context: &[u8], _value: &[u8]) -> Result<Vec<u8>> {
        Err(Error::Unsupported("placeholder"))
    }

    /// Opens what [`Partition::seal`] made.
    pub fn unseal(&self, _context: &[u8], _sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Err(Error::Unsupported("placeholder"))
    }

    /// COSE_Sign1 attestation report of a key's facet over 128 bytes of report data (semantics 6.11).
    pub fn attest(&self, _key: &HsmKey, _facet: FacetKind, _report_data: &[u8; 128]) -> Result<Vec<u8>> {
        Err(Error::Unsupported("placeholder"))
    }

    /// Forgets the live device keys of `key`, because its object was destroyed. Never fails: a left-over is evicted
    /// later.
    pub fn forget(&self, _key: &HsmKey) {}

    /// Deletes this process's device keys and closes the device session; the next call opens a new one.
    pub fn disconnect(&self) {}
}
