//! Making keys inside the device.

use std::borrow::Cow;

use aws_lc_rs::rand;

use super::connection::Connection;
use super::hsm_key::{HsmKey, Recipe, SALT_LEN};
use super::live::LiveKey;
use super::{Curve, FacetKind, Hash};
use crate::ddi::command::{EccGenerateKeyPair, EcdhKeyExchange, HkdfDerive};
use crate::ddi::{EccCurve, HashAlgorithm, KeyType, Metadata, TargetKeyProperties, Usage, key};
use crate::{Error, Result};

/// What `HkdfDerive` is to make for a facet.
struct Target {
    key_type: KeyType,
    /// For the kinds of variable length.
    key_length: Option<u8>,
}

/// The derived kind of a facet of `len` bytes (semantics 6.9).
fn target(kind: FacetKind, len: usize) -> Result<Target> {
    let variable = |key_type| Target { key_type, key_length: u8::try_from(len).ok() };
    let exact = |key_type| Target { key_type, key_length: None };
    Ok(match (kind, len) {
        (FacetKind::AesCbc, 16) => exact(KeyType::AES_128),
        (FacetKind::AesCbc, 24) => exact(KeyType::AES_192),
        (FacetKind::AesCbc, 32) => exact(KeyType::AES_256),
        (FacetKind::AesGcm, 32) => exact(KeyType::AES_GCM_BULK_256_UNAPPROVED),
        (FacetKind::AesGcmApproved, 32) => exact(KeyType::AES_GCM_BULK_256),
        (FacetKind::AesXts | FacetKind::AesXtsTweak, 32) => exact(KeyType::AES_XTS_BULK_256),
        (FacetKind::HmacSha256, 32) => exact(KeyType::HMAC_SHA256),
        (FacetKind::HmacSha384, 48) => exact(KeyType::HMAC_SHA384),
        (FacetKind::HmacSha512, 64) => exact(KeyType::HMAC_SHA512),
        (FacetKind::HmacSha256, 33..=64) => variable(KeyType::VAR_HMAC_256),
        (FacetKind::HmacSha384, 49..=128) => variable(KeyType::VAR_HMAC_384),
        (FacetKind::HmacSha512, 65..=128) => variable(KeyType::VAR_HMAC_512),
        (FacetKind::AesCbc, _) => return Err(Error::Unsupported("AES keys other than 16, 24 or 32 bytes")),
        (FacetKind::AesGcm | FacetKind::AesGcmApproved | FacetKind::AesXts | FacetKind::AesXtsTweak, _) => {
            return Err(Error::Unsupported("AES-GCM and AES-XTS with keys other than 32 bytes"));
        }
        (FacetKind::HmacSha256, _) => return Err(Error::Unsupported("HMAC-SHA-256 keys outside 32 to 64 bytes")),
        (FacetKind::HmacSha384, _) => return Err(Error::Unsupported("HMAC-SHA-384 keys outside 48 to 128 bytes")),
        (FacetKind::HmacSha512, _) => return Err(Error::Unsupported("HMAC-SHA-512 keys outside 64 to 128 bytes")),
        (FacetKind::Secret, _) => return Err(Error::Unsupported("deriving a key that keys are derived from")),
        (FacetKind::RsaSign | FacetKind::RsaDecrypt | FacetKind::EcSign | FacetKind::EcDerive, _) => {
            return Err(Error::Unsupported("deriving an RSA or EC key"));
        }
    })
}

/// The one usage group of a facet (semantics 5.3).
const fn usage(kind: FacetKind) -> Usage {
    match kind {
        FacetKind::RsaSign
        | FacetKind::EcSign
        | FacetKind::HmacSha256
        | FacetKind::HmacSha384
        | FacetKind::HmacSha512 => Usage::SignVerify,
        FacetKind::RsaDecrypt
        | FacetKind::AesCbc
        | FacetKind::AesGcm
        | FacetKind::AesGcmApproved
        | FacetKind::AesXts
        | FacetKind::AesXtsTweak => Usage::EncryptDecrypt,
        FacetKind::EcDerive | FacetKind::Secret => Usage::Derive,
    }
}

/// An App key: masked under the partition's masking key, so any session of any process opens its blob. No label: the
/// store binds name and blob together.
pub(super) fn properties(kind: FacetKind) -> TargetKeyProperties<'static> {
    scoped(kind, false)
}

fn scoped(kind: FacetKind, of_session: bool) -> TargetKeyProperties<'static> {
    TargetKeyProperties { key_metadata: Metadata::new(usage(kind), of_session), key_label: &[] }
}

/// Whether a device key of this type is what the facet wants.
pub(super) fn fits(kind: FacetKind, key_type: KeyType) -> bool {
    let wanted: &[KeyType] = match kind {
        FacetKind::RsaSign | FacetKind::RsaDecrypt => &[
            KeyType::RSA_2K_PRIVATE,
            KeyType::RSA_3K_PRIVATE,
            KeyType::RSA_4K_PRIVATE,
            KeyType::RSA_2K_PRIVATE_CRT,
            KeyType::RSA_3K_PRIVATE_CRT,
            KeyType::RSA_4K_PRIVATE_CRT,
        ],
        FacetKind::EcSign | FacetKind::EcDerive => {
            &[KeyType::ECC_256_PRIVATE, KeyType::ECC_384_PRIVATE, KeyType::ECC_521_PRIVATE]
        }
        FacetKind::AesCbc => &[KeyType::AES_128, KeyType::AES_192, KeyType::AES_256],
        FacetKind::AesGcm => &[KeyType::AES_GCM_BULK_256_UNAPPROVED],
        FacetKind::AesGcmApproved => &[KeyType::AES_GCM_BULK_256],
        FacetKind::AesXts | FacetKind::AesXtsTweak => &[KeyType::AES_XTS_BULK_256],
        FacetKind::HmacSha256 => &[KeyType::HMAC_SHA256, KeyType::VAR_HMAC_256],
        FacetKind::HmacSha384 => &[KeyType::HMAC_SHA384, KeyType::VAR_HMAC_384],
        FacetKind::HmacSha512 => &[KeyType::HMAC_SHA512, KeyType::VAR_HMAC_512],
        FacetKind::Secret => &[KeyType::SECRET_256, KeyType::SECRET_384, KeyType::SECRET_521],
    };
    wanted.contains(&key_type)
}

/// Whether keys of this facet take a bulk place.
pub(super) fn is_bulk(kind: FacetKind) -> bool {
    matches!(kind, FacetKind::AesGcm | FacetKind::AesGcmApproved | FacetKind::AesXts | FacetKind::AesXtsTweak)
}

/// A new secret of the token: a recipe over the root secret, with its first facet made. The recipe is all that is kept of
/// it: the device keys are Session keys, and what they are masked with dies with the session.
pub(super) fn generate_secret(connection: &Connection, len: usize, facets: &[FacetKind]) -> Result<HsmKey> {
    secret_under(connection, connection.root(), len, facets)
}

fn secret_under(connection: &Connection, root_key: &HsmKey, len: usize, facets: &[FacetKind]) -> Result<HsmKey> {
    let first = *facets.first().ok_or(Error::InvalidArgument("a key without a use"))?;
    for kind in facets {
        target(*kind, len)?;
    }
    let (root, _) = root_key.source(FacetKind::Secret)?;
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt).map_err(|_| Error::UnexpectedAnswer("random"))?;
    let len = u8::try_from(len).map_err(|_| Error::Unsupported("secrets over 128 bytes"))?;
    let mut kinds = facets.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let recipe = Recipe { root, salt, len, kinds };
    let live = derive_recipe(connection, root_key, &recipe, first)?;
    let key = HsmKey::new(Vec::new(), Some(recipe));
    connection.keep(&key, first, live)?;
    Ok(key)
}

/// A facet from the recipe.
pub(super) fn derive_again(connection: &Connection, recipe: &Recipe, kind: FacetKind) -> Result<LiveKey> {
    derive_recipe(connection, connection.root(), recipe, kind)
}

fn derive_recipe(connection: &Connection, root: &HsmKey, recipe: &Recipe, kind: FacetKind) -> Result<LiveKey> {
    if root.source(FacetKind::Secret)?.0 != recipe.root {
        return Err(Error::BlobRejected("the root secret of another token"));
    }
    let input = Kdf { hash: Hash::Sha384, salt: &recipe.salt, info: Recipe::info(kind), len: usize::from(recipe.len) };
    Ok(derive(connection, root, &input, kind, true)?.0)
}

/// HKDF of a secret, with one key per facet. All are made now: the result keeps no hold on the base key.
pub(super) fn hkdf(
    connection: &Connection,
    base: &HsmKey,
    hash: Hash,
    salt: &[u8],
    info: &[u8],
    len: usize,
    facets: &[FacetKind],
) -> Result<HsmKey> {
    if facets.is_empty() {
        return Err(Error::InvalidArgument("a key without a use"));
    }
    if salt.len() > MAX_KDF_INPUT || info.len() > MAX_KDF_INPUT {
        return Err(Error::Unsupported("HKDF salt or info over 256 bytes"));
    }
    if facets.contains(&FacetKind::AesXtsTweak) {
        return Err(Error::Unsupported("two different keys from one derivation"));
    }
    for kind in facets {
        target(*kind, len)?;
    }
    let input = Kdf { hash, salt, info, len };
    each_facet(connection, facets, |kind| derive(connection, base, &input, kind, false))
}

/// What HKDF is given beside the base key.
struct Kdf<'a> {
    hash: Hash,
    salt: &'a [u8],
    info: &'a [u8],
    len: usize,
}

fn derive(
    connection: &Connection,
    base: &HsmKey,
    input: &Kdf<'_>,
    kind: FacetKind,
    of_session: bool,
) -> Result<(LiveKey, Vec<u8>)> {
    let Target { key_type, key_length } = target(kind, input.len)?;
    connection.with_key(base, FacetKind::Secret, |secret| {
        let request = HkdfDerive {
            key_id: secret.id,
            hash_algorithm: hash_algorithm(input.hash),
            // Always explicit: what an absent salt means differs between devices (semantics 6.9).
            salt: Some(input.salt),
            info: Some(input.info),
            key_type,
            key_tag: None,
            key_properties: scoped(kind, of_session),
            key_length,
        };
        connection.making_room(|| {
            connection.send(&request, |body| {
                let live = connection.made(body.key_id, body.bulk_key_id, of_session);
                (live, body.masked_key.to_vec())
            })
        })
    })
}

/// Makes one device key per facet, and deletes those made before where one fails.
pub(super) fn each_facet(
    connection: &Connection,
    facets: &[FacetKind],
    mut make: impl FnMut(FacetKind) -> Result<(LiveKey, Vec<u8>)>,
) -> Result<HsmKey> {
    let mut kinds = facets.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let (mut live, mut blobs) = (Vec::with_capacity(kinds.len()), Vec::with_capacity(kinds.len()));
    for kind in kinds {
        match make(kind) {
            Ok((key, masked)) => {
                live.push((kind, key));
                blobs.push((kind, masked));
            }
            Err(error) => {
                for (_, key) in &live {
                    connection.delete(key);
                }
                return Err(error);
            }
        }
    }
    let key = HsmKey::new(blobs, None);
    for (kind, live) in live {
        connection.keep(&key, kind, live)?;
    }
    Ok(key)
}

/// An EC key pair made in the device, and its uncompressed point.
pub(super) fn generate_ec(connection: &Connection, curve: Curve, kind: FacetKind) -> Result<(HsmKey, Vec<u8>)> {
    if !matches!(kind, FacetKind::EcSign | FacetKind::EcDerive) {
        return Err(Error::NoFacet(kind));
    }
    let (live, masked, point) = make_ec(connection, curve, kind, false)?;
    let key = HsmKey::new(vec![(kind, masked)], None);
    connection.keep(&key, kind, live)?;
    Ok((key, point))
}

fn make_ec(
    connection: &Connection,
    curve: Curve,
    kind: FacetKind,
    of_session: bool,
) -> Result<(LiveKey, Vec<u8>, Vec<u8>)> {
    let key_properties = scoped(kind, of_session);
    let request = EccGenerateKeyPair { curve: ecc_curve(curve), key_tag: None, key_properties };
    let (live, masked, spki) = connection.making_room(|| {
        connection.send(&request, |body| {
            let live = connection.made(body.private_key_id, None, of_session);
            (live, body.masked_key.to_vec(), body.pub_key.der.into_owned())
        })
    })?;
    match key::point_from_spki(&spki) {
        Ok((made, point)) if made == ecc_curve(curve) => Ok((live, masked, point.to_vec())),
        _ => {
            connection.delete(&live);
            Err(Error::UnexpectedAnswer("a public key of another curve"))
        }
    }
}

/// ECDH with a peer; the secret stays in the device.
pub(super) fn ecdh(connection: &Connection, private: &HsmKey, peer: &[u8]) -> Result<HsmKey> {
    let (curve, key_type) = match peer.len() {
        65 => (Curve::P256, KeyType::SECRET_256),
        97 => (Curve::P384, KeyType::SECRET_384),
        133 => (Curve::P521, KeyType::SECRET_521),
        _ => return Err(Error::InvalidArgument("the peer's point is not uncompressed, or of another curve")),
    };
    let spki = key::spki_from_point(ecc_curve(curve), peer)
        .map_err(|_| Error::InvalidArgument("the peer's point is not uncompressed"))?;
    let (live, masked) =
        connection.with_key(private, FacetKind::EcDerive, |key| agree(connection, key.id, &spki, key_type))?;
    let key = HsmKey::new(vec![(FacetKind::Secret, masked)], None);
    connection.keep(&key, FacetKind::Secret, live)?;
    Ok(key)
}

fn agree(connection: &Connection, private: u16, peer_spki: &[u8], key_type: KeyType) -> Result<(LiveKey, Vec<u8>)> {
    let request = EcdhKeyExchange {
        priv_key_id: private,
        pub_key_der: Cow::Borrowed(peer_spki),
        key_type,
        key_tag: None,
        key_properties: properties(FacetKind::Secret),
    };
    connection.making_room(|| {
        connection.send(&request, |body| (connection.owned(body.key_id, None), body.masked_key.to_vec()))
    })
}

/// The token's root secret: ECDH between two key pairs of the device, which exist for this one exchange. Nobody ever
/// holds either private key, so nobody can compute the secret.
pub(super) fn make_root(connection: &Connection) -> Result<HsmKey> {
    let a = Temporary::make(connection)?;
    let b = Temporary::make(connection)?;
    let spki = key::spki_from_point(EccCurve::P384, &b.point)?;
    let (live, masked) = agree(connection, a.live.id, &spki, KeyType::SECRET_384)?;
    let key = HsmKey::new(vec![(FacetKind::Secret, masked)], None);
    connection.keep(&key, FacetKind::Secret, live)?;
    Ok(key)
}

/// The token's sealing key: a secret like any other, with which the device also chooses every IV.
pub(super) fn make_seal(connection: &Connection, root: &HsmKey) -> Result<HsmKey> {
    secret_under(connection, root, 32, &[FacetKind::AesGcmApproved])
}

/// A P-384 key pair of this session that is deleted when it goes out of scope, and by the device with the session.
struct Temporary<'a> {
    connection: &'a Connection,
    live: LiveKey,
    point: Vec<u8>,
}

impl<'a> Temporary<'a> {
    fn make(connection: &'a Connection) -> Result<Self> {
        let (live, _, point) = make_ec(connection, Curve::P384, FacetKind::EcDerive, true)?;
        Ok(Self { connection, live, point })
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        self.connection.delete(&self.live);
    }
}

const fn ecc_curve(curve: Curve) -> EccCurve {
    match curve {
        Curve::P256 => EccCurve::P256,
        Curve::P384 => EccCurve::P384,
        Curve::P521 => EccCurve::P521,
    }
}

pub(super) const fn hash_algorithm(hash: Hash) -> HashAlgorithm {
    match hash {
        Hash::Sha1 => HashAlgorithm::SHA1,
        Hash::Sha256 => HashAlgorithm::SHA256,
        Hash::Sha384 => HashAlgorithm::SHA384,
        Hash::Sha512 => HashAlgorithm::SHA512,
    }
}

/// Longest HKDF salt or info (semantics 6.9).
const MAX_KDF_INPUT: usize = 256;
