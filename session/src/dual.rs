//! Two operations at once: `C_DigestEncryptUpdate` to `C_DecryptVerifyUpdate` (PKCS#11 v3.2, 5.17).
//!
//! Both operations advance, or neither: a size query, a buffer that is too small and a missing operation change nothing.
//! An error ends the operation that made it. Where the cipher refuses its part, "no plaintext is passed to the active
//! digest operation" (5.17.1): that one lives on as it was. Where the other one refuses what the cipher has already taken,
//! both end, for they would be out of step.

use crate::call::{Argument, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::operation::Active;
use crate::operation::cipher::Place;
use crate::{Code, Result, decrypt, encrypt};

/// `C_DigestEncryptUpdate`.
pub fn digest_encrypt(session: SessionHandle, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut digest = operations.digest.take();
    let reply =
        both(encrypt::place(&mut operations), &mut digest, part.clone(), room, |digest, _| digest.run.update(part?));
    operations.digest = digest;
    reply
}

/// `C_DecryptDigestUpdate`: what is given out is digested.
pub fn decrypt_digest(session: SessionHandle, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut digest = operations.digest.take();
    let place = decrypt::place(&mut operations);
    let reply = both(place, &mut digest, part, room, |digest, plain| digest.run.update(plain));
    operations.digest = digest;
    reply
}

/// `C_SignEncryptUpdate`.
pub fn sign_encrypt(session: SessionHandle, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut sign = operations.sign.take();
    let reply = both(encrypt::place(&mut operations), &mut sign, part.clone(), room, |sign, _| sign.run.update(part?));
    operations.sign = sign;
    reply
}

/// `C_DecryptVerifyUpdate`: what is given out is verified.
pub fn decrypt_verify(session: SessionHandle, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut verify = operations.verify.take();
    let place = decrypt::place(&mut operations);
    let reply = both(place, &mut verify, part, room, |verify, plain| verify.run.update(plain));
    operations.verify = verify;
    reply
}

/// Gives a part to the cipher and, where that took it, to the other operation: `pass` gets what the cipher answered.
fn both<T: ?Sized>(
    cipher: Place<'_>,
    other: &mut Option<Active<T>>,
    part: Argument<&[u8]>,
    room: Argument<Room>,
    pass: impl FnOnce(&mut Active<T>, &[u8]) -> Result<()>,
) -> Result<Reply> {
    if cipher.active.is_none() || other.is_none() {
        return Err(Code::OperationNotInitialized.because("one of the two operations"));
    }
    let mut active = Active::take_part(other)?;
    let mut passed = Ok(());
    let reply = cipher.update_with(part, room, |answer| {
        passed = pass(&mut active, answer);
        passed.clone()
    });
    match (&reply, &passed) {
        (Ok(Reply::Bytes(_)), _) => active.go_on(other),
        // Nothing was passed on.
        (_, Ok(())) => active.put_back(other),
        (_, Err(_)) => {}
    }
    reply
}
