//! AES-GCM and AES-XTS on slices, without frames (semantics 6.3, 6.4; wire 6, B.3).

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, Nonce};
use aws_lc_rs::rand;
use subtle::ConstantTimeEq;

use super::ceremony::SHORT_APP_ID;
use super::keys::Material;
use super::partition::{Partition, State};
use super::raw::Xts;
use super::vault::{Entry, Owner};
use crate::channel::{ChannelError, Direction, GcmCall, GcmReply, XtsCall};
use crate::ddi::KeyType;

impl Partition {
    /// One AES-GCM call; `still` is asked between finding the key and using it (see [`crate::channel::Channel::gcm_if`]).
    pub(super) fn gcm(&self, call: &mut GcmCall<'_>, still: &dyn Fn() -> bool) -> Result<GcmReply, ChannelError> {
        if call.data.is_empty() {
            return Err(driver(GCM_VALIDATION));
        }
        let (kind, material) = {
            let state = self.state();
            let entry = bulk(&state, call.bulk_key).ok_or(gcm_field(1))?;
            if entry.owner != Owner::App && entry.owner != session_owner(call.session) {
                return Err(gcm_field(3));
            }
            if call.short_app_id != SHORT_APP_ID {
                return Err(gcm_field(4));
            }
            (entry.kind, Arc::clone(&entry.material))
        };
        let Material::Gcm(key) = &*material else { return Err(gcm_field(8)) };
        if !still() {
            return Err(ChannelError::Overtaken);
        }
        let approved = kind == KeyType::AES_GCM_BULK_256;
        let fips_approved = approved && self.options.fips_approved;
        let mut iv = call.iv;
        match call.direction {
            Direction::Encrypt => {
                if approved && self.options.device_iv {
                    rand::fill(&mut iv).map_err(|_| engine_error())?;
                }
                let tag = key
                    .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(call.aad), call.data)
                    .map_err(|_| engine_error())?;
                let tag = tag.as_ref().try_into().map_err(|_| engine_error())?;
                Ok(GcmReply { tag, iv, fips_approved })
            }
            Direction::Decrypt => {
                let tag = call.tag.ok_or(driver(GCM_VALIDATION))?;
                key.open_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(call.aad), &tag, call.data)
                    .map_err(|_| ChannelError::TagMismatch)?;
                Ok(GcmReply { tag: [0; 16], iv, fips_approved })
            }
        }
    }

    /// One AES-XTS call: unit after unit, the tweak counting up. `still` as for [`Partition::gcm`].
    pub(super) fn xts(&self, call: &mut XtsCall<'_>, still: &dyn Fn() -> bool) -> Result<(), ChannelError> {
        let len = call.data.len();
        let unit = call.data_unit_len;
        if len == 0 || unit == 0 || !len.is_multiple_of(unit) || !(unit == len || matches!(unit, 512 | 4096 | 8192)) {
            return Err(driver(XTS_VALIDATION));
        }
        if !len.is_multiple_of(16) {
            return Err(xts_field(12));
        }
        if len > MAX_XTS {
            return Err(xts_field(11));
        }
        let (data_key, tweak_key) = {
            let state = self.state();
            let first = bulk(&state, call.data_key).ok_or(xts_field(1))?;
            let second = bulk(&state, call.tweak_key).ok_or(xts_field(2))?;
            for (entry, code) in [(first, 14), (second, 15)] {
                if entry.kind != KeyType::AES_XTS_BULK_256 {
                    return Err(xts_field(code));
                }
            }
            if call.data_key == call.tweak_key {
                return Err(xts_field(5));
            }
            if (first.owner == Owner::App) != (second.owner == Owner::App) {
                return Err(xts_field(4));
            }
            if call.short_app_id != SHORT_APP_ID {
                return Err(xts_field(9));
            }
            for (entry, code) in [(first, 7), (second, 8)] {
                if entry.owner != Owner::App && entry.owner != session_owner(call.session) {
                    return Err(xts_field(code));
                }
            }
            (Arc::clone(&first.material), Arc::clone(&second.material))
        };
        let (Material::Xts(data_key), Material::Xts(tweak_key)) = (&*data_key, &*tweak_key) else {
            return Err(xts_field(14));
        };
        if bool::from(data_key.ct_eq(&**tweak_key)) {
            return Err(xts_field(6));
        }
        if !still() {
            return Err(ChannelError::Overtaken);
        }
        let mut xts = Xts::new(call.direction, data_key, tweak_key).map_err(|_| engine_error())?;
        let mut tweak = u128::from_le_bytes(call.tweak);
        for data in call.data.chunks_mut(unit) {
            xts.unit(&tweak.to_le_bytes(), data).map_err(|_| engine_error())?;
            tweak = tweak.wrapping_add(1);
        }
        Ok(())
    }
}

fn bulk(state: &State, id: u16) -> Option<&Entry> {
    state.vault.bulk(id)
}

fn session_owner(session: u16) -> Owner {
    u8::try_from(session).map_or(Owner::Internal, Owner::Session)
}

fn gcm_field(extended: u32) -> ChannelError {
    ChannelError::FastPath { result: 2, extended }
}

fn xts_field(extended: u32) -> ChannelError {
    ChannelError::FastPath { result: 1, extended }
}

fn engine_error() -> ChannelError {
    ChannelError::FastPath { result: 3, extended: 10 }
}

/// A call that the driver does not submit.
fn driver(extended: u32) -> ChannelError {
    ChannelError::FastPath { result: 0, extended }
}

/// Driver codes (wire 6.6).
const GCM_VALIDATION: u32 = 117;
const XTS_VALIDATION: u32 = 118;
/// Device limit (wire 6.4).
const MAX_XTS: usize = 16 << 20;
