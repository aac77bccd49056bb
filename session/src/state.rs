//! `C_GetOperationState`, `C_SetOperationState` (PKCS#11 v3.2, 5.6.6 and 5.6.7).
//!
//! | Operation | What is saved | What is given again |
//! |---|---|---|
//! | digest | the hasher's state | nothing |
//! | signature or verification that collects its message (HMAC in the HSM) | the message so far | its key |
//! | a digest that took a sensitive key, every other operation | `CKR_STATE_UNSAVEABLE` | |
//!
//! A saved state leaves the token, so it is encrypted and authenticated under a random key of this library's life, with the
//! slot and the state of the session: what was forged, changed, or comes from another process, slot or kind of session is
//! `CKR_SAVED_STATE_INVALID`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use mechanisms::ck::MechanismType;
use mechanisms::operation::{DigestOp, SignOp, VerifyOp};
use mechanisms::params::{Mechanism, Params};
use zeroize::Zeroizing;

use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::object::model::Object;
use crate::operation::{Active, Operations, Purpose, Source, permitted, row};
use crate::sessions::Session;
use crate::{Code, Error, Result};

/// `C_GetOperationState`. The operations go on, whatever it answers.
pub fn get(session: SessionHandle, room: Argument<Room>) -> Result<Reply> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let state = {
        let operations = session.operations();
        let saved = saved(&operations)?;
        if let Some(reply) = room?.settled(sealed_len(saved.len())) {
            return Ok(reply);
        }
        saved
    };
    Ok(Reply::Bytes(library.state_key.seal(&state, &binding(&session))?))
}

/// `C_SetOperationState`: replaces whatever operations the session has, or changes nothing.
pub fn set(
    session: SessionHandle,
    state: Argument<&[u8]>,
    encryption_key: ObjectHandle,
    authentication_key: ObjectHandle,
) -> Result<()> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mut operations = session.operations();
    let state = library.state_key.open(state?, &binding(&session))?;
    let parts = read(&state)?;
    if encryption_key.0 != 0 {
        return Err(Code::KeyNotNeeded.because("a saved state has no encryption or decryption"));
    }
    let takes_key = parts.iter().any(|part| part.kind != Kind::Digest);
    match (takes_key, authentication_key.0) {
        (true, 0) => return Err(Code::KeyNeeded.because("the key of the signature or verification")),
        (false, 1..) => return Err(Code::KeyNotNeeded.because("the state is of a digest only")),
        _ => {}
    }
    // 5.6.7: "the ongoing operations are abruptly cancelled", the search too.
    let mut restored = Operations::default();
    for part in parts {
        part.restore(&session, authentication_key, &mut restored)?;
    }
    *operations = restored;
    Ok(())
}

/// The random key of this library's life, made when it is first needed.
#[derive(Default)]
pub struct StateKey(OnceLock<RandomizedNonceKey>);

impl StateKey {
    fn key(&self) -> Result<&RandomizedNonceKey> {
        if self.0.get().is_none() {
            let mut bytes = Zeroizing::new([0; 32]);
            mechanisms::random::fill(&mut *bytes)?;
            let key = RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|_| Code::FunctionFailed)?;
            // A thread that was faster has made it.
            let _ = self.0.set(key);
        }
        self.0.get().ok_or_else(|| Code::GeneralError.into())
    }

    fn seal(&self, state: &[u8], binding: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let mut sealed = Zeroizing::new(Vec::with_capacity(sealed_len(state.len())));
        sealed.extend_from_slice(state);
        let nonce = self.key()?.seal_in_place_append_tag(Aad::from(binding), &mut *sealed);
        sealed.extend_from_slice(nonce.map_err(|_| Code::FunctionFailed)?.as_ref());
        Ok(sealed)
    }

    fn open(&self, sealed: &[u8], binding: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (sealed, nonce) = sealed.split_last_chunk::<NONCE_LEN>().ok_or_else(invalid)?;
        let mut state = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key()?.open_in_place(nonce, Aad::from(binding), &mut state).map_err(|_| invalid())?;
        let len = opened.len();
        state.truncate(len);
        Ok(state)
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey")
    }
}

/// Length of a sealed state of `len` bytes: with its tag and its nonce.
fn sealed_len(len: usize) -> usize {
    len + AES_256_GCM.tag_len() + NONCE_LEN
}

/// What a saved state is bound to: the slot and the state of the session.
fn binding(session: &Session) -> Vec<u8> {
    [&b"azihsm-pkcs11 operations 1"[..], &session.slot.id.0.to_le_bytes(), &session.state().to_le_bytes()].concat()
}

/// Which operation a part of a saved state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Digest,
    Sign,
    Verify,
}

/// One operation of a saved state:
///
/// | bytes | |
/// |---|---|
/// | 1 | kind: 1 digest, 2 signature, 3 verification |
/// | 1 | whether an update was made |
/// | 8 | mechanism |
/// | 1, 8 | whether its parameter is a number, which |
/// | 4, n | length and `CKA_UNIQUE_ID` of the key |
/// | 4, n | length and state |
struct Part<'a> {
    kind: Kind,
    updated: bool,
    mechanism: Mechanism,
    key: &'a [u8],
    state: &'a [u8],
}

fn saved(operations: &Operations) -> Result<Zeroizing<Vec<u8>>> {
    let Operations { encrypt, decrypt, unfit, sign, verify, verify_signature, digest, .. } = operations;
    if encrypt.is_some() || decrypt.is_some() || unfit.is_some() || verify_signature.is_some() {
        return Err(unsaveable());
    }
    // One authentication key is given again, so there can be one operation that needs it.
    if sign.is_some() && verify.is_some() {
        return Err(unsaveable());
    }
    let mut out = Zeroizing::new(Vec::new());
    if let Some(active) = digest {
        write(&mut out, Kind::Digest, active, &active.run.save().ok_or_else(unsaveable)?)?;
    }
    if let Some(active) = sign {
        write(&mut out, Kind::Sign, active, active.run.collected().ok_or_else(unsaveable)?)?;
    }
    if let Some(active) = verify {
        write(&mut out, Kind::Verify, active, active.run.collected().ok_or_else(unsaveable)?)?;
    }
    if out.is_empty() {
        return Err(Code::OperationNotInitialized.into());
    }
    Ok(out)
}

fn write<T: ?Sized>(out: &mut Zeroizing<Vec<u8>>, kind: Kind, active: &Active<T>, state: &[u8]) -> Result<()> {
    let Source { mechanism, key, .. } = active.source().ok_or_else(unsaveable)?;
    let (has_number, number) = match mechanism.params {
        Params::None => (0, 0),
        Params::Number(number) => (1, number),
        _ => return Err(unsaveable()),
    };
    let key = key.as_deref().map(Object::unique_id).unwrap_or_default();
    // As long as it gets, so that no copy is left behind by growing.
    let mut grown = Zeroizing::new(Vec::with_capacity(out.len() + HEAD + key.len() + state.len()));
    grown.extend_from_slice(out);
    grown.push(match kind {
        Kind::Digest => 1,
        Kind::Sign => 2,
        Kind::Verify => 3,
    });
    grown.push(u8::from(active.is_multi_part()));
    grown.extend_from_slice(&mechanism.kind.0.to_le_bytes());
    grown.push(has_number);
    grown.extend_from_slice(&number.to_le_bytes());
    for field in [key, state] {
        grown.extend_from_slice(&u32::try_from(field.len()).map_err(|_| unsaveable())?.to_le_bytes());
        grown.extend_from_slice(field);
    }
    *out = grown;
    Ok(())
}

/// Bytes of a [`Part`] without its key and state.
const HEAD: usize = 1 + 1 + 8 + 1 + 8 + 4 + 4;

fn read(mut state: &[u8]) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while !state.is_empty() {
        parts.push(part(&mut state).ok_or_else(invalid)?);
    }
    Ok(parts)
}

fn part<'a>(state: &mut &'a [u8]) -> Option<Part<'a>> {
    let kind = match byte(state)? {
        1 => Kind::Digest,
        2 => Kind::Sign,
        3 => Kind::Verify,
        _ => return None,
    };
    let updated = byte(state)? == 1;
    let mechanism = MechanismType(number(state)?);
    let has_number = byte(state)? == 1;
    let number = number(state)?;
    let params = if has_number { Params::Number(number) } else { Params::None };
    let (key, state) = (field(state)?, field(state)?);
    Some(Part { kind, updated, mechanism: Mechanism { kind: mechanism, params }, key, state })
}

fn byte(state: &mut &[u8]) -> Option<u8> {
    state.split_off_first().copied()
}

fn number(state: &mut &[u8]) -> Option<u64> {
    let (number, rest) = state.split_first_chunk()?;
    *state = rest;
    Some(u64::from_le_bytes(*number))
}

fn field<'a>(state: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = state.split_first_chunk()?;
    let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    *state = rest;
    Some(field)
}

impl Part<'_> {
    fn restore(self, session: &Session, key: ObjectHandle, into: &mut Operations) -> Result<()> {
        match self.kind {
            Kind::Digest => {
                let run: Box<dyn DigestOp> = mechanisms::digest::restore(self.mechanism.kind, self.state)?;
                into.digest = Some(self.at_its_place(Active::keyless(run), None));
            }
            Kind::Sign => {
                let (_, start) = row(&self.mechanism, |row| row.sign)?;
                let (active, key) = self.keyed(session, key, Purpose::Sign, start)?;
                let mut active: Active<dyn SignOp> = active;
                active.run.update(self.state)?;
                into.sign = Some(self.at_its_place(active, Some(key)));
            }
            Kind::Verify => {
                let (_, start) = row(&self.mechanism, |row| row.verify)?;
                let (active, key) = self.keyed(session, key, Purpose::Verify, start)?;
                let mut active: Active<dyn VerifyOp> = active;
                active.run.update(self.state)?;
                into.verify = Some(self.at_its_place(active, Some(key)));
            }
        }
        Ok(())
    }

    /// Begins the operation again with the key that the caller gives; `CKR_KEY_CHANGED` where it is another.
    fn keyed<T: ?Sized>(
        &self,
        session: &Session,
        key: ObjectHandle,
        purpose: Purpose,
        start: fn(&Params, &mechanisms::key::Key) -> Result<Box<T>>,
    ) -> Result<(Active<T>, Arc<Object>)> {
        // A handle of no key is a key that is not the one.
        let changed = |_: Error| Code::KeyChanged.because("not the key that the operation was begun with");
        let object = session.key_object(key).map_err(changed)?;
        if object.unique_id() != self.key {
            return Err(changed(Code::KeyChanged.into()));
        }
        let (row, ()) = row(&self.mechanism, |_| Some(()))?;
        let permitted = permitted(session, key, row, purpose)?;
        Ok((Active::keyed(start(&self.mechanism.params, &permitted.key)?, &permitted), permitted.object))
    }

    fn at_its_place<T: ?Sized>(&self, active: Active<T>, key: Option<Arc<Object>>) -> Active<T> {
        active.from(self.mechanism.clone(), key).after_updates(self.updated)
    }
}

fn unsaveable() -> Error {
    Code::StateUnsaveable.into()
}

fn invalid() -> Error {
    Code::SavedStateInvalid.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_state_opens_only_as_it_was() {
        let key = StateKey::default();
        let sealed = key.seal(b"state", b"here").unwrap();
        assert_eq!(sealed.len(), sealed_len(5));
        assert_eq!(*key.open(&sealed, b"here").unwrap(), b"state");
        assert_eq!(key.open(&sealed, b"there").unwrap_err(), Code::SavedStateInvalid);
        assert_eq!(StateKey::default().open(&sealed, b"here").unwrap_err(), Code::SavedStateInvalid);
        for at in 0..sealed.len() {
            let mut forged = sealed.to_vec();
            forged[at] ^= 1;
            assert_eq!(key.open(&forged, b"here").unwrap_err(), Code::SavedStateInvalid, "{at}");
            assert_eq!(key.open(&sealed[..at], b"here").unwrap_err(), Code::SavedStateInvalid, "{at}");
        }
    }

    #[test]
    fn truncated_parts_are_no_state() {
        let digest = Active::<()>::keyless(Box::new(()));
        let mechanism = Mechanism { kind: MechanismType::SHA256, params: Params::None };
        let mut out = Zeroizing::default();
        write(&mut out, Kind::Digest, &digest.from(mechanism, None), b"inside").unwrap();
        assert_eq!(out.len(), HEAD + 6);
        assert_eq!(read(&out).unwrap().len(), 1);
        for len in 1..out.len() {
            assert!(read(&out[..len]).is_err(), "{len}");
        }
    }
}
