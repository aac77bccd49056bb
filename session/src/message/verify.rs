//! `C_MessageVerifyInit` to `C_MessageVerifyFinal`. Messages have no parameters of their own here.

use mechanisms::key::Key;
use mechanisms::operation::VerifyOp;
use mechanisms::params::{Mechanism, Params};
use mechanisms::table::VerifyInit;

use super::{Begun, Process};
use crate::call::{Argument, ObjectHandle, SessionHandle};
use crate::library::Library;
use crate::operation::{Purpose, permitted, row};
use crate::{Code, Result};

/// Verifying of messages.
pub(super) struct Verifications {
    start: VerifyInit,
    params: Params,
    key: Key,
    /// The one that the Init made to see that it can be.
    fresh: Option<Box<dyn VerifyOp>>,
    /// Of a message in parts.
    message: Option<Box<dyn VerifyOp>>,
}

impl Verifications {
    fn fresh(&mut self) -> Result<Box<dyn VerifyOp>> {
        self.fresh.take().map_or_else(|| (self.start)(&self.params, &self.key), Ok)
    }

    fn part(
        &mut self,
        mut op: Box<dyn VerifyOp>,
        params: Argument<()>,
        part: Argument<&[u8]>,
        signature: Option<Argument<&[u8]>>,
    ) -> Result<()> {
        params?;
        let (part, signature) = (part?, signature.transpose()?);
        op.update(part)?;
        if let Some(signature) = signature {
            return op.finish(signature);
        }
        self.message = Some(op);
        Ok(())
    }
}

impl Begun for Verifications {
    fn has_begun(&self) -> bool {
        self.message.is_some()
    }
}

/// `C_MessageVerifyInit`; a null mechanism (`None`) ends the process.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.cancel(cryptoki_sys::CKF_MESSAGE_VERIFY);
        return Ok(());
    };
    if operations.messages.verify.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.verify)?;
    let permitted = permitted(&session, key, row, Purpose::Verify)?;
    let fresh = Some(start(&mechanism.params, &permitted.key)?);
    let run = Verifications { start, params: mechanism.params, key: permitted.key.clone(), fresh, message: None };
    operations.messages.verify = Some(Process::new(run, &permitted));
    Ok(())
}

/// `C_VerifyMessage`.
pub fn whole(
    session: SessionHandle,
    params: Argument<()>,
    data: Argument<&[u8]>,
    signature: Argument<&[u8]>,
) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let process = Process::idle(&mut operations.messages.verify)?;
    params?;
    let (data, signature) = (data?, signature?);
    let verdict = process.run.fresh()?.verify(data, signature);
    process.ended_one();
    verdict
}

/// `C_VerifyMessageBegin`.
pub fn begin(session: SessionHandle, params: Argument<()>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let process = Process::idle(&mut operations.messages.verify)?;
    params?;
    process.run.message = Some(process.run.fresh()?);
    Ok(())
}

/// `C_VerifyMessageNext`: without `signature` there is more to come (a null `pSignature`). Every failure ends the message.
pub fn next(
    session: SessionHandle,
    params: Argument<()>,
    part: Argument<&[u8]>,
    signature: Option<Argument<&[u8]>>,
) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let process = Process::ready(&mut operations.messages.verify)?;
    let op = process.run.message.take().ok_or(Code::OperationNotInitialized)?;
    let verdict = process.run.part(op, params, part, signature);
    if !process.run.has_begun() {
        process.ended_one();
    }
    verdict
}

/// `C_MessageVerifyFinal`.
pub fn finish(session: SessionHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    Process::end(&mut operations.messages.verify)
}
