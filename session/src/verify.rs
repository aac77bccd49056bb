//! `C_VerifyInit` to `C_VerifyFinal`.

use mechanisms::params::Mechanism;

use crate::call::{Argument, ObjectHandle, SessionHandle};
use crate::library::Library;
use crate::operation::{Active, Purpose, permitted, row};
use crate::{Code, Result};

/// `C_VerifyInit`; a null mechanism (`None`) cancels.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.verify = None;
        return Ok(());
    };
    if operations.verify.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.verify)?;
    let permitted = permitted(&session, key, row, Purpose::Verify)?;
    operations.verify = Some(Active::keyed(start(&mechanism.params, &permitted.key)?, &permitted));
    Ok(())
}

/// `C_Verify`.
pub fn verify(session: SessionHandle, data: Argument<&[u8]>, signature: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let active = Active::take_whole(&mut operations.verify)?;
    active.run.verify(data?, signature?)
}

/// `C_VerifyUpdate`.
pub fn update(session: SessionHandle, part: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut active = Active::take_part(&mut operations.verify)?;
    active.run.update(part?)?;
    active.go_on(&mut operations.verify);
    Ok(())
}

/// `C_VerifyFinal`.
pub fn finish(session: SessionHandle, signature: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let active = Active::take_part(&mut operations.verify)?;
    active.run.finish(signature?)
}
