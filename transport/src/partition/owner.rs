//! What the owner of a partition keeps for it: secrets, blobs, and a place for the blobs.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::Result;

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
    /// BK3 masked under the chip's `BK_BOOT`.
    pub masked_bk3: Option<Vec<u8>>,
    /// Backup of the partition's masking key.
    pub bmk: Option<Vec<u8>>,
    /// Masked RSA unwrapping key.
    pub muk: Option<Vec<u8>>,
    /// The token's root secret, an encoded [`super::HsmKey`] with a [`super::FacetKind::Secret`] facet.
    pub root: Option<Vec<u8>>,
    /// The token's sealing key, an encoded [`super::HsmKey`] with a [`super::FacetKind::AesGcmApproved`] facet.
    pub seal: Option<Vec<u8>>,
}

/// Where the layer above keeps [`PartitionBlobs`]; shared by all processes of the token.
pub trait Durable: Send + Sync + fmt::Debug {
    /// Runs `provision` while no other process provisions this token; hands it the blobs as they are now and stores
    /// what it changed, synced to disk, before returning (semantics 9.2 rules 2 and 3).
    #[expect(clippy::type_complexity, reason = "one closure that is given another; a name would hide that")]
    fn exclusively(
        &self,
        provision: &mut dyn FnMut(&mut PartitionBlobs, &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<()>,
    ) -> Result<()>;

    /// The folder, there already, that all processes of the token share and nobody else writes to, for what they have to
    /// tell one another while they run; `None` where the device is this store's alone.
    fn folder(&self) -> Option<&Path> {
        None
    }
}
