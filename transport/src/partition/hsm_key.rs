//! A key whose value lives in the HSM: masked blobs per facet, and how to make a facet that has none yet.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::FacetKind;
use crate::{Error, Result};

/// What a live device key was made from: SHA-256 of the blob, or of the recipe and the kind. Two keys with the same
/// fingerprint are the same device key, so it is the name under which the cache knows it.
pub(super) type Fingerprint = [u8; 32];

/// A key whose value lives in the HSM: its facets as masked blobs, and how to make a missing facet inside the device.
/// Immutable but for its memo, `Send + Sync`; holds no key value (semantics 2.7).
#[derive(Clone, PartialEq, Eq)]
pub struct HsmKey {
    facets: Vec<Facet>,
    recipe: Option<Recipe>,
    /// The names of the facets that come from the recipe: needed for every use, so not hashed for every use.
    derived: Vec<(FacetKind, Fingerprint)>,
    memo: Memo,
}

/// A secret that the layer above computed with the key once and needs for each use; not part of the key.
#[derive(Default)]
struct Memo(OnceLock<Zeroizing<[u8; 32]>>);

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}

/// One device key as a masked blob.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Facet {
    kind: FacetKind,
    blob: Box<[u8]>,
    fingerprint: Fingerprint,
}

/// HKDF-SHA-384 of the token's root secret with this salt and [`Recipe::info`]: the same bytes for every kind but one, so
/// a missing facet is made by deriving again, and no value ever leaves the device (design 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Fingerprint of the root secret's facet.
    pub(super) root: Fingerprint,
    /// Fresh random bytes per key.
    pub(super) salt: [u8; SALT_LEN],
    /// Length of the value in bytes.
    pub(super) len: u8,
    /// The facets that the key may have.
    pub(super) kinds: Vec<FacetKind>,
}

/// How a facet becomes a live device key.
pub(super) enum Source<'a> {
    /// `UnmaskKey`.
    Blob(&'a [u8]),
    /// `HkdfDerive` of the root secret.
    Recipe(&'a Recipe),
}

impl HsmKey {
    /// A key with these facets.
    pub(super) fn new(facets: Vec<(FacetKind, Vec<u8>)>, recipe: Option<Recipe>) -> Self {
        let facets = facets.into_iter().map(|(kind, blob)| Facet::new(kind, blob.into_boxed_slice())).collect();
        Self::of(facets, recipe)
    }

    fn of(facets: Vec<Facet>, recipe: Option<Recipe>) -> Self {
        let kinds = recipe.iter().flat_map(|recipe| recipe.kinds.iter().map(|kind| (*kind, recipe.fingerprint(*kind))));
        let derived = kinds.collect();
        Self { facets, recipe, derived, memo: Memo::default() }
    }

    /// A secret that `make` computes with the key, once for this object's life in memory.
    pub fn memo<E>(
        &self,
        make: impl FnOnce() -> std::result::Result<Zeroizing<[u8; 32]>, E>,
    ) -> std::result::Result<&[u8; 32], E> {
        if let Some(memo) = self.memo.0.get() {
            return Ok(memo);
        }
        let secret = make()?;
        Ok(self.memo.0.get_or_init(|| secret))
    }

    /// The bytes to store: format version, protocol id, facets, recipe. Stable over releases.
    pub fn encode(&self) -> Vec<u8> {
        let blobs: usize = self.facets.iter().map(|facet| 3 + facet.blob.len()).sum();
        let mut out = Vec::with_capacity(blobs + 96);
        out.extend_from_slice(&[FORMAT, PROTOCOL_MBOR, count(self.facets.len())]);
        for facet in &self.facets {
            out.push(facet.kind as u8);
            out.extend_from_slice(&u16::try_from(facet.blob.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(&facet.blob);
        }
        match &self.recipe {
            None => out.push(RECIPE_NONE),
            Some(recipe) => {
                out.push(RECIPE_HKDF_SHA384);
                out.extend_from_slice(&recipe.encode());
            }
        }
        out
    }

    /// The key that [`HsmKey::encode`] wrote. Anything else is [`Error::BlobRejected`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        decode(bytes).ok_or(Error::BlobRejected("stored key"))
    }

    /// Whether the key has, or can make, this facet.
    pub fn can(&self, kind: FacetKind) -> bool {
        self.facets.iter().any(|facet| facet.kind == kind) || self.derived.iter().any(|(derived, _)| *derived == kind)
    }

    /// The cache's name for a facet, and where it comes from. The recipe goes first: what is derived is a Session key,
    /// which the device clears away when this process ends, however it ends; a blob's is an App key.
    pub(super) fn source(&self, kind: FacetKind) -> Result<(Fingerprint, Source<'_>)> {
        let derived = self.derived.iter().find(|(derived, _)| *derived == kind);
        if let (Some(recipe), Some((_, name))) = (&self.recipe, derived) {
            return Ok((*name, Source::Recipe(recipe)));
        }
        let facet = self.facets.iter().find(|facet| facet.kind == kind).ok_or(Error::NoFacet(kind))?;
        Ok((facet.fingerprint, Source::Blob(&facet.blob)))
    }

    /// What this key, and every copy of it, is known by outside the device: a hash, unlike that of any other key.
    pub fn name(&self) -> [u8; 32] {
        // A key has a facet or a recipe that makes one.
        self.fingerprints().next().unwrap_or_default()
    }

    /// Every name under which the cache may know this key.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> + '_ {
        let derived = self.derived.iter().map(|(_, name)| *name);
        self.facets.iter().map(|facet| facet.fingerprint).chain(derived)
    }
}

impl fmt::Debug for HsmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.facets.iter().map(|facet| facet.kind).chain(self.derived.iter().map(|(kind, _)| *kind));
        f.write_str("HsmKey")?;
        f.debug_set().entries(kinds.collect::<BTreeSet<_>>()).finish()
    }
}

impl Facet {
    fn new(kind: FacetKind, blob: Box<[u8]>) -> Self {
        let fingerprint = fingerprint(&[b"blob", &[kind as u8], &blob]);
        Self { kind, blob, fingerprint }
    }
}

impl Recipe {
    /// The HKDF `info` of a facet. The tweak key of AES-XTS is another key than its data key (SP 800-38E).
    pub(super) const fn info(kind: FacetKind) -> &'static [u8] {
        match kind {
            FacetKind::AesXtsTweak => b"azihsm-pkcs11 xts tweak v1",
            _ => b"azihsm-pkcs11 secret v1",
        }
    }

    fn fingerprint(&self, kind: FacetKind) -> Fingerprint {
        fingerprint(&[b"recipe", &[kind as u8, self.len], &self.root, &self.salt])
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(34 + SALT_LEN + self.kinds.len());
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&[self.len, count(self.kinds.len())]);
        out.extend(self.kinds.iter().map(|kind| *kind as u8));
        out
    }
}

fn fingerprint(parts: &[&[u8]]) -> Fingerprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn decode(bytes: &[u8]) -> Option<HsmKey> {
    let mut input = Input(bytes);
    if input.take::<2>()? != [FORMAT, PROTOCOL_MBOR] {
        return None;
    }
    let [facets_len] = input.take()?;
    let mut facets: Vec<Facet> = Vec::with_capacity(usize::from(facets_len.min(MAX_FACETS)));
    for _ in 0..facets_len {
        let [kind, high, low] = input.take()?;
        let kind = FacetKind::from_u8(kind)?;
        let blob = input.slice(usize::from(u16::from_be_bytes([high, low])))?;
        if blob.is_empty() || blob.len() > MAX_BLOB_LEN || facets.iter().any(|facet| facet.kind == kind) {
            return None;
        }
        facets.push(Facet::new(kind, blob.into()));
    }
    let recipe = match input.take()? {
        [RECIPE_NONE] => None,
        [RECIPE_HKDF_SHA384] => {
            let (root, salt, [len, kinds_len]) = (input.take()?, input.take()?, input.take()?);
            let kinds = input.slice(usize::from(kinds_len))?;
            let kinds = kinds.iter().map(|kind| FacetKind::from_u8(*kind)).collect::<Option<Vec<_>>>()?;
            Some(Recipe { root, salt, len, kinds })
        }
        _ => return None,
    };
    let usable = !facets.is_empty() || recipe.is_some();
    (input.0.is_empty() && usable).then(|| HsmKey::of(facets, recipe))
}

/// A cursor that cannot overrun.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
}

/// A key never has more than the kinds that exist, so the count always fits.
fn count(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

/// Version of this encoding.
const FORMAT: u8 = 1;
/// The blobs are those of the DDI in MBOR (semantics 10: a second protocol will have its own).
const PROTOCOL_MBOR: u8 = 1;
const RECIPE_NONE: u8 = 0;
const RECIPE_HKDF_SHA384: u8 = 1;
const MAX_FACETS: u8 = 13;
/// Largest masked key (wire 3.3).
const MAX_BLOB_LEN: usize = 3072;
/// Length of a recipe's salt.
pub(super) const SALT_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = FacetKind> {
        (1u8..=13).prop_map(|kind| FacetKind::from_u8(kind).unwrap())
    }

    fn key() -> impl Strategy<Value = HsmKey> {
        let facets = proptest::collection::btree_map(kind(), proptest::collection::vec(any::<u8>(), 1..400), 1..4);
        let recipe = (any::<[u8; 32]>(), any::<[u8; 32]>(), 16u8..=128, proptest::collection::vec(kind(), 1..5))
            .prop_map(|(root, salt, len, kinds)| Recipe { root, salt, len, kinds });
        (facets, proptest::option::of(recipe))
            .prop_map(|(facets, recipe)| HsmKey::new(facets.into_iter().collect(), recipe))
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(key in key()) {
            prop_assert_eq!(HsmKey::decode(&key.encode()).unwrap(), key);
        }

        #[test]
        fn a_truncated_or_longer_encoding_is_rejected(key in key(), cut in any::<prop::sample::Index>()) {
            let mut bytes = key.encode();
            prop_assert!(HsmKey::decode(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(HsmKey::decode(&bytes).is_err());
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = HsmKey::decode(&bytes);
            let mut plausible = vec![FORMAT, PROTOCOL_MBOR];
            plausible.extend(bytes);
            let _ = HsmKey::decode(&plausible);
        }
    }

    #[test]
    fn the_encoding_is_the_documented_one() {
        let key = HsmKey::new(vec![(FacetKind::EcSign, vec![0xAA, 0xBB])], None);
        assert_eq!(key.encode(), [1, 1, 1, 3, 0, 2, 0xAA, 0xBB, 0]);
        let recipe =
            Recipe { root: [7; 32], salt: [9; 32], len: 32, kinds: vec![FacetKind::AesCbc, FacetKind::AesGcm] };
        let key = HsmKey::new(vec![(FacetKind::AesCbc, vec![0xCC])], Some(recipe));
        let expected = [&[1, 1, 1, 5, 0, 1, 0xCC, 1][..], &[7; 32], &[9; 32], &[32, 2, 5, 6]].concat();
        assert_eq!(key.encode(), expected);
    }

    #[test]
    fn a_facet_comes_from_the_recipe_else_from_its_blob_else_not_at_all() {
        let recipe =
            Recipe { root: [7; 32], salt: [9; 32], len: 32, kinds: vec![FacetKind::AesCbc, FacetKind::AesGcm] };
        let key = HsmKey::new(vec![(FacetKind::AesCbc, vec![0xCC])], Some(recipe));
        assert!(matches!(key.source(FacetKind::AesCbc), Ok((_, Source::Recipe(_)))));
        assert!(matches!(key.source(FacetKind::AesGcm), Ok((_, Source::Recipe(_)))));
        let key = HsmKey::new(vec![(FacetKind::AesGcm, vec![0xCC])], None);
        assert!(matches!(key.source(FacetKind::AesGcm), Ok((_, Source::Blob([0xCC])))));
        assert!(matches!(key.source(FacetKind::AesXts), Err(Error::NoFacet(FacetKind::AesXts))));
        assert!(key.can(FacetKind::AesGcm) && !key.can(FacetKind::EcSign));
    }

    #[test]
    fn a_memo_is_made_once_and_is_not_part_of_the_key() {
        let key = HsmKey::new(vec![(FacetKind::RsaDecrypt, vec![1])], None);
        assert_eq!(key.memo(|| Err(7)), Err(7));
        assert_eq!(key.memo(|| Ok::<_, ()>(Zeroizing::new([1; 32]))), Ok(&[1; 32]));
        assert_eq!(key.memo(|| Err(7)), Ok(&[1; 32]));
        assert_eq!(HsmKey::decode(&key.encode()).unwrap(), key);
        assert_eq!(key.clone().memo(|| Err(7)), Err(7));
    }

    #[test]
    fn copies_have_one_name_and_other_keys_another() {
        let key = |blob| HsmKey::new(vec![(FacetKind::AesCbc, vec![blob])], None);
        assert_eq!(HsmKey::decode(&key(1).encode()).unwrap().name(), key(1).name());
        assert_ne!(key(1).name(), key(2).name());
        let recipe = |salt| Recipe { root: [7; 32], salt: [salt; 32], len: 32, kinds: vec![FacetKind::AesCbc] };
        let made = |salt| HsmKey::new(vec![], Some(recipe(salt)));
        assert_ne!(made(1).name(), made(2).name());
        assert_eq!(HsmKey::decode(&made(1).encode()).unwrap().name(), made(1).name());
    }

    #[test]
    fn the_same_blob_under_two_kinds_has_two_fingerprints() {
        let key = HsmKey::new(vec![(FacetKind::EcSign, vec![1]), (FacetKind::EcDerive, vec![1])], None);
        assert_ne!(key.source(FacetKind::EcSign).unwrap().0, key.source(FacetKind::EcDerive).unwrap().0);
    }
}
