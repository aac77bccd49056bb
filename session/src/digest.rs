//! `C_DigestInit` to `C_DigestFinal`.

use mechanisms::params::Mechanism;
use zeroize::Zeroizing;

use crate::call::{Argument, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::operation::{Active, row};
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
    operations.digest = Some(Active::keyless(start(&mechanism.params)?));
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
