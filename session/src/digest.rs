//! `C_DigestInit` to `C_DigestFinal`.

use mechanisms::key::Value;
use mechanisms::operation::DigestOp;
use mechanisms::params::Mechanism;
use zeroize::Zeroizing;

use crate::attribute::family::Family;
use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::object::model::Holding;
use crate::object::value;
use crate::operation::{self, Active, row};
use crate::sessions::Session;
use crate::{Code, Result};

/// `C_DigestInit`; a null mechanism (`None`) cancels.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.digest = None;
        return Ok(());
    };
    if operations.digest.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (_, start) = row(&mechanism, |row| row.digest)?;
    let active = Active::keyless(start(&mechanism.params)?);
    operations.digest = Some(active.from(mechanism, None));
    Ok(())
}

/// `C_Digest`.
pub fn digest(session: SessionHandle, data: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let active = Active::take_whole(&mut operations.digest)?;
    if let Some(reply) = room?.settled(active.run.digest_len()) {
        active.put_back(&mut operations.digest);
        return Ok(reply);
    }
    active.run.digest(data?).map(|digest| Reply::Bytes(Zeroizing::new(digest)))
}

/// `C_DigestUpdate`.
pub fn update(session: SessionHandle, part: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut active = Active::take_part(&mut operations.digest)?;
    active.run.update(part?)?;
    active.go_on(&mut operations.digest);
    Ok(())
}

/// `C_DigestKey`: adds the value of a secret key.
///
/// A key in the HSM never shows its value, so it is `CKR_KEY_INDIGESTIBLE`, as what is no secret key. The standard lets a
/// sensitive key be digested (5.12.4 has no word of `CKA_SENSITIVE`, and the digest of an unknown value does not tell it):
/// one of fewer than 112 bits is refused, because somebody could search for it, and a state that holds one is not saved.
/// Nothing is digested where that fails, and the operation goes on: 5.12.4 does not end it.
pub fn key(session: SessionHandle, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut active = Active::take_part(&mut operations.digest)?;
    let digested = digest_key(&session, key, &mut active);
    match digested {
        Ok(()) => active.go_on(&mut operations.digest),
        Err(_) => active.put_back(&mut operations.digest),
    }
    digested
}

fn digest_key(session: &Session, key: ObjectHandle, active: &mut Active<dyn DigestOp>) -> Result<()> {
    let indigestible = |why| Code::KeyIndigestible.because(why);
    let object = session.key_object(key)?;
    if object.family != Family::Secret {
        return Err(indigestible("not a secret key"));
    }
    if matches!(object.holding, Holding::Hsm(_)) {
        return Err(indigestible("the value of a key in the HSM is never seen"));
    }
    if !active.mechanism().is_none_or(|mechanism| operation::allows(&object, mechanism)) {
        return Err(indigestible("CKA_ALLOWED_MECHANISMS of the key"));
    }
    let value = value::open(&object, &session.slot.token)?;
    let Value::Secret(bytes) = &*value else { return Err(indigestible("not a secret")) };
    if object.hides_value() {
        if bytes.len() < value::SHORTEST_HIDDEN {
            return Err(Code::KeySizeRange.because(format_args!("a sensitive key of {} bytes", bytes.len())));
        }
        active.keep_state();
    }
    active.took_key(object.is_private() || object.takes_login());
    active.run.update(bytes)
}

/// `C_DigestFinal`.
pub fn finish(session: SessionHandle, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let active = Active::take_part(&mut operations.digest)?;
    if let Some(reply) = room?.settled(active.run.digest_len()) {
        active.put_back(&mut operations.digest);
        return Ok(reply);
    }
    active.run.finish().map(|digest| Reply::Bytes(Zeroizing::new(digest)))
}
