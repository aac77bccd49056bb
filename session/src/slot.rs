//! Slot and token management: `C_GetSlotList` to `C_SetPIN`.

use mechanisms::ck::MechanismType;
use zeroize::Zeroizing;

use std::sync::Arc;

use crate::call::{Argument, SessionHandle, SlotId};
use crate::token::Token;
use crate::{Code, Result};

/// A slot: one partition, which is always there. `Send + Sync`.
#[derive(Debug)]
pub struct Slot {
    /// Its number; stable over processes and restarts.
    pub id: SlotId,
    /// What is in it.
    pub token: Arc<Token>,
}

/// `CK_SLOT_INFO`; strings are padded by the boundary.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// At most 64 bytes.
    pub description: String,
    /// At most 32 bytes.
    pub manufacturer: String,
    /// `CKF_` flags.
    pub flags: u64,
    /// Hardware version.
    pub hardware: (u8, u8),
    /// Firmware version.
    pub firmware: (u8, u8),
}

/// `CK_TOKEN_INFO`; strings are padded by the boundary; the memory fields are `CK_UNAVAILABLE_INFORMATION`.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Blank padded by the application at `C_InitToken`, 32 bytes.
    pub label: [u8; 32],
    /// At most 32 bytes.
    pub manufacturer: String,
    /// At most 16 bytes.
    pub model: String,
    /// At most 16 bytes.
    pub serial: String,
    /// `CKF_` flags.
    pub flags: u64,
    /// Open sessions of this process.
    pub sessions: u64,
    /// Open read/write sessions of this process.
    pub rw_sessions: u64,
    /// Shortest and longest PIN in bytes.
    pub pin_len: (u64, u64),
    /// Hardware version.
    pub hardware: (u8, u8),
    /// Firmware version.
    pub firmware: (u8, u8),
}

/// `CK_MECHANISM_INFO`.
#[derive(Clone, Copy, Debug)]
pub struct MechanismInfo {
    /// Smallest key, in the unit of the mechanism.
    pub min: u64,
    /// Largest key.
    pub max: u64,
    /// `CKF_` flags.
    pub flags: u64,
}

/// A PIN as the boundary read it; `None` is a null pointer (protected authentication path, which this token has not).
pub type Pin = Argument<Option<Zeroizing<Vec<u8>>>>;

/// `C_GetSlotList`.
pub fn slots(_token_present: bool) -> Result<Vec<SlotId>> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetSlotInfo`.
pub fn slot_info(_slot: SlotId) -> Result<SlotInfo> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetTokenInfo`.
pub fn token_info(_slot: SlotId) -> Result<TokenInfo> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_WaitForSlotEvent`: `CKR_NO_EVENT` is the boundary's, from `None`.
pub fn wait_for_slot_event(_block: bool) -> Result<Option<SlotId>> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetMechanismList`.
pub fn mechanisms(_slot: SlotId) -> Result<Vec<MechanismType>> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetMechanismInfo`.
pub fn mechanism_info(_slot: SlotId, _kind: MechanismType) -> Result<MechanismInfo> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_InitToken`.
pub fn init_token(_slot: SlotId, _so_pin: Pin, _label: Argument<[u8; 32]>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_InitPIN`.
pub fn init_pin(_session: SessionHandle, _pin: Pin) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_SetPIN`.
pub fn set_pin(_session: SessionHandle, _old: Pin, _new: Pin) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}
