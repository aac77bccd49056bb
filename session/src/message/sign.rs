//! `C_MessageSignInit` to `C_MessageSignFinal`. Messages have no parameters of their own here.

use mechanisms::key::Key;
use mechanisms::operation::SignOp;
use mechanisms::params::{Mechanism, Params};
use mechanisms::table::SignInit;
use zeroize::Zeroizing;

use super::{Begun, Process};
use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::operation::{Purpose, permitted, row};
use crate::{Code, Result};

/// Signing of messages.
pub(super) struct Signatures {
    start: SignInit,
    params: Params,
    key: Key,
    /// Begun and not used: the one that the Init made to see that it can be, or one that was asked for its length.
    fresh: Option<Box<dyn SignOp>>,
    /// Of a message in parts.
    message: Option<Box<dyn SignOp>>,
}

impl Signatures {
    fn fresh(&mut self) -> Result<Box<dyn SignOp>> {
        self.fresh.take().map_or_else(|| (self.start)(&self.params, &self.key), Ok)
    }
}

impl Begun for Signatures {
    fn has_begun(&self) -> bool {
        self.message.is_some()
    }
}

/// `C_MessageSignInit`; a null mechanism (`None`) ends the process.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.cancel(cryptoki_sys::CKF_MESSAGE_SIGN);
        return Ok(());
    };
    if operations.messages.sign.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.sign)?;
    let permitted = permitted(&session, key, row, Purpose::Sign)?;
    let fresh = Some(start(&mechanism.params, &permitted.key)?);
    let run = Signatures { start, params: mechanism.params, key: permitted.key.clone(), fresh, message: None };
    operations.messages.sign = Some(Process::new(run, &permitted));
    Ok(())
}

/// `C_SignMessage`.
pub fn whole(
    session: SessionHandle,
    params: Argument<()>,
    data: Argument<&[u8]>,
    room: Argument<Room>,
) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let process = Process::idle(&mut operations.messages.sign)?;
    params?;
    let (data, room) = (data?, room?);
    let op = process.run.fresh()?;
    if let Some(reply) = room.settled(op.signature_len()) {
        process.run.fresh = Some(op);
        return Ok(reply);
    }
    let signature = op.sign(data);
    process.ended_one();
    signature.map(|signature| Reply::Bytes(Zeroizing::new(signature)))
}

/// `C_SignMessageBegin`.
pub fn begin(session: SessionHandle, params: Argument<()>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let process = Process::idle(&mut operations.messages.sign)?;
    params?;
    process.run.message = Some(process.run.fresh()?);
    Ok(())
}

/// `C_SignMessageNext`: without `room` there is more to come (a null `pulSignatureLen`). Every failure ends the message.
pub fn next(
    session: SessionHandle,
    params: Argument<()>,
    part: Argument<&[u8]>,
    room: Option<Argument<Room>>,
) -> Result<Option<Reply>> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let process = Process::ready(&mut operations.messages.sign)?;
    let op = process.run.message.take().ok_or(Code::OperationNotInitialized)?;
    let reply = process.run.part(op, params, part, room);
    if !process.run.has_begun() {
        process.ended_one();
    }
    reply
}

impl Signatures {
    fn part(
        &mut self,
        mut op: Box<dyn SignOp>,
        params: Argument<()>,
        part: Argument<&[u8]>,
        room: Option<Argument<Room>>,
    ) -> Result<Option<Reply>> {
        params?;
        let (part, room) = (part?, room.transpose()?);
        if let Some(reply) = room.and_then(|room| room.settled(op.signature_len())) {
            self.message = Some(op);
            return Ok(Some(reply));
        }
        op.update(part)?;
        if room.is_none() {
            self.message = Some(op);
            return Ok(None);
        }
        op.finish().map(|signature| Some(Reply::Bytes(Zeroizing::new(signature))))
    }
}

/// `C_MessageSignFinal`.
pub fn finish(session: SessionHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    Process::end(&mut operations.messages.sign)
}
