//! Keys in and out of the vault: what every key-creating command shares, and UnmaskKey, OpenKey, DeleteKey.

use std::sync::Arc;

use super::dispatch::Reply;
use super::keys::{self, NewKey};
use super::masked::{MaskingKey, Metadata, Parsed};
use super::partition::{Partition, Ticket};
use super::unwrapping::RSA_UNWRAP;
use super::vault::{Entry, Owner, Placed};
use crate::ddi::command::{DeleteKey, DeleteKeyResponse, OpenKey, OpenKeyResponse, UnmaskKey, UnmaskKeyResponse};
use crate::ddi::{KeyType, Status, TargetKeyProperties, Usage};

/// What a new key is to be: the request's properties, judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) usage: Usage,
    session: bool,
    tag: Option<u16>,
    label: &'a [u8],
}

/// A key that went into the vault.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) placed: Placed,
    pub(super) masked: Vec<u8>,
}

impl<'a> Target<'a> {
    /// The rules that every key-creating command shares (semantics 5.3, 5.5).
    pub(super) fn new(properties: &TargetKeyProperties<'a>, tag: Option<u16>) -> Result<Self, Status> {
        let session = properties.key_metadata.is_session();
        if tag == Some(0) || (session && tag.is_some()) {
            return Err(Status::INVALID_ARG);
        }
        let usage = properties.key_metadata.usage().ok_or(Status::INVALID_PERMISSIONS)?;
        Ok(Self { usage, session, tag, label: properties.key_label })
    }

    /// Whether the usage group is allowed for this kind.
    pub(super) fn fits(&self, kind: KeyType) -> Result<(), Status> {
        if keys::allows(kind, self.usage) { Ok(()) } else { Err(Status::INVALID_PERMISSIONS) }
    }
}

impl Partition {
    /// What a key of this kind is to be, where it may be that; judged before the key is made.
    pub(super) fn target<'a>(
        &self,
        kind: KeyType,
        properties: &TargetKeyProperties<'a>,
        tag: Option<u16>,
    ) -> Result<Target<'a>, Status> {
        let target = Target::new(properties, tag)?;
        target.fits(kind)?;
        self.check_tag(&target)?;
        Ok(target)
    }

    /// Refuses a tag that is in use, before the key is made.
    pub(super) fn check_tag(&self, target: &Target<'_>) -> Result<(), Status> {
        match target.tag {
            Some(tag) if self.state().vault.has_tag(tag) => Err(Status::KEY_TAG_ALREADY_EXISTS),
            _ => Ok(()),
        }
    }

    /// Masks a new key and puts it into the vault.
    pub(super) fn store(
        &self,
        ticket: &Ticket,
        target: &Target<'_>,
        key: NewKey,
        local: bool,
    ) -> Result<Stored, Status> {
        let masking = if target.session { &ticket.smk } else { &ticket.mk };
        let masked = mask(masking, self.options.svn, target, &key, local)?;
        let owner = if target.session { Owner::Session(ticket.session) } else { Owner::App };
        let raw = key.raw;
        let entry = Entry::new(key.kind, owner, Some(target.usage), local, target.tag, Arc::new(key.material));
        let mut state = self.state();
        Self::confirm(&state, ticket)?;
        let placed = state.vault.insert(entry, raw)?;
        Ok(Stored { placed, masked })
    }

    /// Semantics 7.6, in the firmware's order.
    pub(super) fn unmask_key(
        &self,
        request: &UnmaskKey<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let failed = Status::MASKED_KEY_DECODE_FAILED;
        let parsed = Parsed::new(request.masked_key)?;
        let metadata = &parsed.metadata;
        let session = metadata.flags() & SESSION != 0;
        let plain = if session { &ticket.smk } else { &ticket.mk }.open(&parsed)?;
        if metadata.key_type == RSA_UNWRAP {
            return Err(Status::UNMASK_UNWRAPPING_KEY_NOT_ALLOWED);
        }
        let usage = usage_of(metadata.flags()).ok_or(failed)?;
        if !keys::allows(metadata.key_type, usage) {
            return Err(failed);
        }
        let tag = metadata.key_tag;
        if tag == Some(0) || (session && tag.is_some()) {
            return Err(Status::INVALID_ARG);
        }
        let target = Target { usage, session, tag, label: &metadata.label };
        self.check_tag(&target)?;
        let variable = usize::from(metadata.key_length);
        let key = NewKey::from_plain(metadata.key_type, usage, variable, &plain).ok_or(failed)?;
        let pub_key = key.material.public_key()?;
        let kind = key.kind;
        let stored = self.store(ticket, &target, key, metadata.flags() & LOCAL != 0)?;
        let masked_key = if self.options.unmask_echo { request.masked_key } else { &stored.masked };
        reply.ok(&UnmaskKeyResponse {
            key_id: stored.placed.id,
            pub_key,
            bulk_key_id: stored.placed.bulk,
            kind,
            masked_key,
        })
    }

    pub(super) fn open_key(&self, request: &OpenKey, ticket: &Ticket, reply: &mut Reply<'_>) -> Result<(), Status> {
        let state = self.state();
        Self::confirm(&state, ticket)?;
        let key_id = state.vault.tagged(request.key_tag).ok_or(Status::KEY_NOT_FOUND)?;
        let entry = state.vault.visible(key_id, ticket.session)?;
        let (kind, material) = (entry.kind, Arc::clone(&entry.material));
        let bulk_key_id = state.vault.bulk_id(key_id);
        drop(state);
        reply.ok(&OpenKeyResponse { key_id, key_kind: kind, pub_key: material.public_key()?, bulk_key_id })
    }

    /// Semantics 5.6 and 5.7. The value is erased when the last command that uses it is through.
    pub(super) fn delete_key(&self, request: &DeleteKey, ticket: &Ticket, reply: &mut Reply<'_>) -> Result<(), Status> {
        let mut state = self.state();
        Self::confirm(&state, ticket)?;
        let id = request.key_id;
        let entry = state.vault.entry(id).or_else(|| state.vault.disabled(id)).ok_or(Status::KEY_NOT_FOUND)?;
        match entry.owner {
            Owner::Internal if state.sessions.iter().flatten().any(|session| session.entry == Some(id)) => {
                return Err(Status::KEY_NOT_FOUND);
            }
            Owner::Internal | Owner::Stranger => return Err(Status::CANNOT_DELETE_INTERNAL_KEYS),
            Owner::Session(owner) if owner != ticket.session => return Err(Status::INVALID_PERMISSIONS),
            Owner::Session(_) | Owner::App => {}
        }
        if self.options.busy_keys && Arc::strong_count(&entry.material) > 1 {
            state.vault.disable(id);
            return Err(Status::CANNOT_DELETE_KEY_IN_USE);
        }
        let gone = state.vault.remove(id);
        drop(state);
        drop(gone);
        reply.ok(&DeleteKeyResponse)
    }
}

/// The masked blob of a key (semantics 7.2).
pub(super) fn mask(
    masking: &MaskingKey,
    svn: u64,
    target: &Target<'_>,
    key: &NewKey,
    local: bool,
) -> Result<Vec<u8>, Status> {
    let mut flags = usage_flags(target.usage);
    if target.session {
        flags |= SESSION;
    }
    if local {
        flags |= LOCAL;
    }
    let mut attributes = [0; 32];
    attributes[..8].copy_from_slice(&flags.to_le_bytes());
    if keys::variable_range(key.kind).is_some() {
        attributes[VARIABLE_LENGTH] = u8::try_from(key.raw).map_err(|_| Status::INVALID_KEY_LENGTH)?;
    }
    let metadata = Metadata {
        svn: Some(svn),
        key_type: key.kind,
        attributes,
        bks2_index: Some(0),
        key_tag: target.tag,
        label: target.label.to_vec(),
        key_length: key.key_length(),
    };
    masking.seal(&metadata, &key.plain)
}

fn usage_flags(usage: Usage) -> u64 {
    match usage {
        Usage::EncryptDecrypt => 1 << 10 | 1 << 11,
        Usage::SignVerify => 1 << 12 | 1 << 13,
        Usage::Derive => 1 << 16,
        Usage::Unwrap => 1 << 15,
    }
}

fn usage_of(flags: u64) -> Option<Usage> {
    const USES: u64 = 0x1_fc00;
    [Usage::EncryptDecrypt, Usage::SignVerify, Usage::Derive, Usage::Unwrap]
        .into_iter()
        .find(|usage| usage_flags(*usage) == flags & USES)
}

/// Flag word (semantics 5.4).
pub(super) const SESSION: u64 = 1 << 1;
pub(super) const LOCAL: u64 = 1 << 5;
/// Where the attribute blob keeps the length of a variable HMAC key.
const VARIABLE_LENGTH: usize = 24;
