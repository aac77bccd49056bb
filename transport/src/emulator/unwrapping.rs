//! The RSA-2048 unwrapping key and its blob, the MUK (semantics 5.8).

use std::sync::Arc;

use super::dispatch::Reply;
use super::keys::NewKey;
use super::masked::{MaskingKey, Metadata, Parsed};
use super::partition::{Partition, Ticket, UnwrappingKey};
use super::raw::RsaKey;
use super::store::LOCAL;
use super::vault::{Entry, Owner};
use crate::ddi::command::GetUnwrappingKeyResponse;
use crate::ddi::{KeyType, Status, Usage};

impl Partition {
    pub(super) fn get_unwrapping_key(&self, ticket: &Ticket, reply: &mut Reply<'_>) -> Result<(), Status> {
        self.stage()?;
        let mut guard = self.state();
        let state = &mut *guard;
        Self::confirm(state, ticket)?;
        if self.faults.holds_key_generation() {
            return Err(Status::PENDING_KEY_GENERATION);
        }
        if state.pending_polls > 0 {
            state.pending_polls -= 1;
            return Err(Status::PENDING_KEY_GENERATION);
        }
        let unwrapping = state.unwrapping.as_mut().ok_or(Status::PENDING_KEY_GENERATION)?;
        let key_id = if let Some(id) = unwrapping.entry {
            id
        } else {
            let material = Arc::clone(&unwrapping.material);
            let usage = Some(Usage::Unwrap);
            let entry = Entry::new(KeyType::RSA_2K_PRIVATE, Owner::Internal, usage, true, None, material);
            let id = state.vault.insert(entry, unwrapping.plain.len())?.id;
            unwrapping.entry = Some(id);
            id
        };
        let material = Arc::clone(&unwrapping.material);
        let plain = unwrapping.plain.clone();
        drop(guard);
        let masked_key = seal(&ticket.mk, self.options.svn, &plain)?;
        let pub_key = material.public_key()?.ok_or(Status::INTERNAL_ERROR)?;
        reply.ok(&GetUnwrappingKeyResponse { key_id, pub_key, masked_key: &masked_key })
    }

    /// Makes the key if there is none: no state lock over the generation, and one maker at a time.
    fn stage(&self) -> Result<(), Status> {
        let missing = || {
            let state = self.state();
            state.unwrapping.is_none() && state.pending_polls == 0
        };
        if !missing() {
            return Ok(());
        }
        let _maker = self.unwrapping_maker.lock();
        if !missing() {
            return Ok(());
        }
        let key = RsaKey::generate(2048).map_err(|_| Status::RSA_GENERATE_ERROR)?;
        let key = NewKey::rsa(key, false)?;
        let mut state = self.state();
        if state.unwrapping.is_none() {
            state.unwrapping = Some(UnwrappingKey { material: Arc::new(key.material), plain: key.plain, entry: None });
        }
        Ok(())
    }
}

/// The key of a MUK.
pub(super) fn open(masking: &MaskingKey, blob: &[u8]) -> Result<UnwrappingKey, Status> {
    let failed = Status::MASKED_KEY_DECODE_FAILED;
    let parsed = Parsed::new(blob)?;
    if parsed.metadata.key_type != RSA_UNWRAP {
        return Err(failed);
    }
    let plain = masking.open(&parsed)?;
    let key = NewKey::from_plain(KeyType::RSA_2K_PRIVATE, Usage::Unwrap, 0, &plain).ok_or(failed)?;
    Ok(UnwrappingKey { material: Arc::new(key.material), plain: key.plain, entry: None })
}

fn seal(masking: &MaskingKey, svn: u64, plain: &[u8]) -> Result<Vec<u8>, Status> {
    let key_length = u16::try_from(plain.len()).map_err(|_: std::num::TryFromIntError| Status::INTERNAL_ERROR)?;
    let mut metadata = Metadata::internal(svn, RSA_UNWRAP, b"", key_length, true);
    metadata.attributes[..8].copy_from_slice(&(LOCAL | UNWRAP).to_le_bytes());
    masking.seal(&metadata, plain)
}

/// The firmware's key type of its unwrapping key (wire B.1).
pub(super) const RSA_UNWRAP: KeyType = KeyType(0xffff);
const UNWRAP: u64 = 1 << 15;
