//! `C_SignInit` to `C_SignRecover`.

use mechanisms::params::Mechanism;
use zeroize::Zeroizing;

use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::operation::cipher::Place;
use crate::operation::{Active, Purpose, permitted, row};
use crate::{Code, Result};

/// `C_SignInit`; a null mechanism (`None`) cancels.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.sign = None;
        return Ok(());
    };
    if operations.sign.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.sign)?;
    let permitted = permitted(&session, key, row, Purpose::Sign)?;
    let active = Active::keyed(start(&mechanism.params, &permitted.key)?, &permitted);
    operations.sign = Some(active.from(mechanism, Some(permitted.object)));
    Ok(())
}

/// `C_Sign`.
pub fn sign(session: SessionHandle, data: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let active = Active::take_whole(&mut operations.sign)?;
    if let Some(reply) = room?.settled(active.run.signature_len()) {
        active.put_back(&mut operations.sign);
        return Ok(reply);
    }
    active.run.sign(data?).map(|signature| Reply::Bytes(Zeroizing::new(signature)))
}

/// `C_SignUpdate`.
pub fn update(session: SessionHandle, part: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut active = Active::take_part(&mut operations.sign)?;
    active.run.update(part?)?;
    active.go_on(&mut operations.sign);
    Ok(())
}

/// `C_SignFinal`.
pub fn finish(session: SessionHandle, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let active = Active::take_part(&mut operations.sign)?;
    if let Some(reply) = room?.settled(active.run.signature_len()) {
        active.put_back(&mut operations.sign);
        return Ok(reply);
    }
    active.run.finish().map(|signature| Reply::Bytes(Zeroizing::new(signature)))
}

/// `C_SignRecoverInit`; a null mechanism (`None`) cancels.
pub fn recover_init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.sign_recover = None;
        return Ok(());
    };
    if operations.sign_recover.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.sign_recover)?;
    let permitted = permitted(&session, key, row, Purpose::SignRecover)?;
    operations.sign_recover = Some(Active::keyed(start(&mechanism.params, &permitted.key)?, &permitted));
    Ok(())
}

/// `C_SignRecover`: the signature that holds the data.
pub fn recover(session: SessionHandle, data: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    Place { active: &mut operations.sign_recover, unfit: None, judges_first: false }.whole(data, room)
}
