//! `C_VerifyInit` to `C_VerifySignatureFinal`.

use mechanisms::operation::VerifyOp;
use mechanisms::params::Mechanism;

use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::operation::cipher::Place;
use crate::operation::{Active, Operations, Purpose, Signed, permitted, row};
use crate::sessions::Session;
use crate::{Code, Error, Result};

/// `C_VerifyInit`; a null mechanism (`None`) cancels.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.verify = None;
        return Ok(());
    };
    operations.verify = Some(begin(&session, &operations, mechanism, key)?);
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

/// `C_VerifyRecoverInit`; a null mechanism (`None`) cancels.
pub fn recover_init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.cancel(cryptoki_sys::CKF_VERIFY_RECOVER);
        return Ok(());
    };
    if operations.verify_recover.is_some() || operations.recovered.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.verify_recover)?;
    let permitted = permitted(&session, key, row, Purpose::VerifyRecover)?;
    operations.verify_recover = Some(Active::keyed(start(&mechanism.params, &permitted.key)?, &permitted));
    Ok(())
}

/// `C_VerifyRecover`: the data in the signature. A bad signature is told before a buffer that is too small (5.15.6).
pub fn recover(session: SessionHandle, signature: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let operations = &mut *operations;
    let (active, unfit) = (&mut operations.verify_recover, Some(&mut operations.recovered));
    Place { active, unfit, judges_first: true }.whole(signature, room).map_err(of_a_signature)
}

/// `C_VerifySignatureInit`; a null mechanism (`None`) cancels. A bad length of the signature is for the call that ends the
/// operation to tell.
pub fn signature_init(
    session: SessionHandle,
    mechanism: Argument<Option<Mechanism>>,
    key: ObjectHandle,
    signature: Argument<&[u8]>,
) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.verify_signature = None;
        return Ok(());
    };
    let signature = signature?.to_vec();
    let active = begin(&session, &operations, mechanism, key)?;
    operations.verify_signature = Some(active.map(|run| Box::new(Signed { run, signature })));
    Ok(())
}

/// `C_VerifySignature`.
pub fn signature(session: SessionHandle, data: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Signed { run, signature } = *Active::take_whole(&mut operations.verify_signature)?.run;
    run.verify(data?, &signature)
}

/// `C_VerifySignatureUpdate`.
pub fn signature_update(session: SessionHandle, part: Argument<&[u8]>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let mut active = Active::take_part(&mut operations.verify_signature)?;
    active.run.run.update(part?)?;
    active.go_on(&mut operations.verify_signature);
    Ok(())
}

/// `C_VerifySignatureFinal`.
pub fn signature_finish(session: SessionHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Signed { run, signature } = *Active::take_part(&mut operations.verify_signature)?.run;
    run.finish(&signature)
}

/// Begins a verification, of either kind: a session has one.
fn begin(
    session: &Session,
    operations: &Operations,
    mechanism: Mechanism,
    key: ObjectHandle,
) -> Result<Active<dyn VerifyOp>> {
    if operations.verify.is_some() || operations.verify_signature.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.verify)?;
    let permitted = permitted(session, key, row, Purpose::Verify)?;
    let active = Active::keyed(start(&mechanism.params, &permitted.key)?, &permitted);
    Ok(active.from(mechanism, Some(permitted.object)))
}

/// The rows of recovery may speak of encrypted data, which is what a signature is to them.
fn of_a_signature(error: Error) -> Error {
    let code = match error.code() {
        Code::EncryptedDataInvalid => Code::SignatureInvalid,
        Code::EncryptedDataLenRange => Code::SignatureLenRange,
        _ => return error,
    };
    error.cause().map_or_else(|| code.into(), |cause| code.because(cause))
}
