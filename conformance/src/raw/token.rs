//! A token made and used through the raw functions; every call that fails says which it was.

#![allow(clippy::wildcard_imports, reason = "the standard's constants, by the dozen")]

use std::fmt;
use std::path::Path;
use std::ptr::null_mut;

use super::{Attributes, Raw, length, mechanism};
use crate::{SO_PIN, TOKEN_LABEL, USER_PIN, call, ok};
use cryptoki_sys::*;

/// A function that did not return `CKR_OK`.
#[derive(Debug)]
pub struct Failure(pub &'static str, pub CK_RV);

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x}", self.0, self.1)
    }
}

/// The result of a call.
pub type Result<T> = std::result::Result<T, Failure>;

/// Loads and initialises a module.
pub fn load(path: &Path) -> Result<Raw> {
    let raw = Raw::load(path);
    let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..CK_C_INITIALIZE_ARGS::default() };
    ok!(raw, C_Initialize, std::ptr::from_mut(&mut arguments).cast());
    Ok(raw)
}

/// A new token with both PINs.
pub fn make_token(raw: &Raw) -> Result<()> {
    let slot = first_slot(raw)?;
    let mut label = [b' '; 32];
    label[..TOKEN_LABEL.len()].copy_from_slice(TOKEN_LABEL.as_bytes());
    let (mut so_pin, mut user_pin) = (SO_PIN.as_bytes().to_vec(), USER_PIN.as_bytes().to_vec());
    ok!(raw, C_InitToken, slot, so_pin.as_mut_ptr(), length(&so_pin), label.as_mut_ptr());
    let session = open(raw, token_slot(raw)?)?;
    ok!(raw, C_Login, session, CKU_SO, so_pin.as_mut_ptr(), length(&so_pin));
    ok!(raw, C_InitPIN, session, user_pin.as_mut_ptr(), length(&user_pin));
    ok!(raw, C_Logout, session);
    ok!(raw, C_CloseSession, session);
    Ok(())
}

/// The slot of the token that [`make_token`] made; `SoftHSM2` moves it there from the slot of the empty one.
pub fn token_slot(raw: &Raw) -> Result<CK_SLOT_ID> {
    for slot in slots(raw)? {
        let mut info = CK_TOKEN_INFO::default();
        ok!(raw, C_GetTokenInfo, slot, &raw mut info);
        if info.label.starts_with(TOKEN_LABEL.as_bytes()) {
            return Ok(slot);
        }
    }
    Err(Failure("C_GetSlotList", CKR_TOKEN_NOT_PRESENT))
}

fn first_slot(raw: &Raw) -> Result<CK_SLOT_ID> {
    slots(raw)?.first().copied().ok_or(Failure("C_GetSlotList", CKR_SLOT_ID_INVALID))
}

fn slots(raw: &Raw) -> Result<Vec<CK_SLOT_ID>> {
    let mut count = 0;
    ok!(raw, C_GetSlotList, CK_TRUE, null_mut(), &raw mut count);
    let mut slots = vec![0; usize::try_from(count).expect("few slots")];
    ok!(raw, C_GetSlotList, CK_TRUE, slots.as_mut_ptr(), &raw mut count);
    Ok(slots)
}

/// A read/write session.
pub fn open(raw: &Raw, slot: CK_SLOT_ID) -> Result<CK_SESSION_HANDLE> {
    let mut session = 0;
    ok!(raw, C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, null_mut(), None, &raw mut session);
    Ok(session)
}

/// Logs the user in.
pub fn login(raw: &Raw, session: CK_SESSION_HANDLE) -> Result<()> {
    let mut pin = USER_PIN.as_bytes().to_vec();
    ok!(raw, C_Login, session, CKU_USER, pin.as_mut_ptr(), length(&pin));
    Ok(())
}

/// `C_GenerateKey`.
pub fn generate(
    raw: &Raw,
    session: CK_SESSION_HANDLE,
    kind: CK_MECHANISM_TYPE,
    mut template: Attributes,
) -> Result<CK_OBJECT_HANDLE> {
    let (mut mechanism, mut list, mut key) = (mechanism(kind), template.list(), 0);
    ok!(raw, C_GenerateKey, session, &raw mut mechanism, list.as_mut_ptr(), length(&list), &raw mut key);
    Ok(key)
}

/// `C_GenerateKeyPair`: the public and the private key.
pub fn generate_pair(
    raw: &Raw,
    session: CK_SESSION_HANDLE,
    kind: CK_MECHANISM_TYPE,
    mut public: Attributes,
    mut private: Attributes,
) -> Result<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)> {
    let (mut public, mut private, mut mechanism) = (public.list(), private.list(), mechanism(kind));
    let (mut public_key, mut private_key) = (0, 0);
    ok!(
        raw,
        C_GenerateKeyPair,
        session,
        &raw mut mechanism,
        public.as_mut_ptr(),
        length(&public),
        private.as_mut_ptr(),
        length(&private),
        &raw mut public_key,
        &raw mut private_key
    );
    Ok((public_key, private_key))
}

/// The one object of a class with an id.
pub fn find(raw: &Raw, session: CK_SESSION_HANDLE, class: CK_OBJECT_CLASS, id: &[u8]) -> Result<CK_OBJECT_HANDLE> {
    find_by(raw, session, Attributes::new().number(CKA_CLASS, class).bytes(CKA_ID, id))
}

/// The one object of a class with a label.
pub fn find_labelled(
    raw: &Raw,
    session: CK_SESSION_HANDLE,
    class: CK_OBJECT_CLASS,
    label: &[u8],
) -> Result<CK_OBJECT_HANDLE> {
    find_by(raw, session, Attributes::new().number(CKA_CLASS, class).bytes(CKA_LABEL, label))
}

fn find_by(raw: &Raw, session: CK_SESSION_HANDLE, mut template: Attributes) -> Result<CK_OBJECT_HANDLE> {
    let mut list = template.list();
    let (mut found, mut count) = ([0; 2], 0);
    ok!(raw, C_FindObjectsInit, session, list.as_mut_ptr(), length(&list));
    let rv = call!(raw, C_FindObjects, session, found.as_mut_ptr(), 2, &raw mut count);
    ok!(raw, C_FindObjectsFinal, session);
    match (rv, count) {
        (CKR_OK, 1) => Ok(found[0]),
        (CKR_OK, _) => Err(Failure("C_FindObjects found not one but", count)),
        (rv, _) => Err(Failure("C_FindObjects", rv)),
    }
}

/// `secp256r1` as a DER object identifier, the value of `CKA_EC_PARAMS`.
pub const OID_P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
