//! `C_DecryptInit` to `C_DecryptFinal`.

use mechanisms::params::Mechanism;

use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::operation::cipher::Place;
use crate::operation::{Active, Operations, Purpose, permitted, row};
use crate::{Code, Result};

/// `C_DecryptInit`; a null mechanism (`None`) cancels.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.cancel(cryptoki_sys::CKF_DECRYPT);
        return Ok(());
    };
    if operations.decrypt.is_some() || operations.unfit.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.decrypt)?;
    let permitted = permitted(&session, key, row, Purpose::Decrypt)?;
    let active = Active::keyed(start(&mechanism.params, &permitted.key)?, &permitted);
    operations.decrypt = Some(active);
    Ok(())
}

/// `C_Decrypt`.
pub fn decrypt(session: SessionHandle, data: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    place(&mut operations).whole(data, room)
}

/// `C_DecryptUpdate`.
pub fn update(session: SessionHandle, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    place(&mut operations).update(part, room)
}

/// `C_DecryptFinal`.
pub fn finish(session: SessionHandle, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    place(&mut operations).finish(room)
}

pub(crate) fn place(operations: &mut Operations) -> Place<'_> {
    Place { active: &mut operations.decrypt, unfit: Some(&mut operations.unfit), judges_first: false }
}
