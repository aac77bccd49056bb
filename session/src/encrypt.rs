//! `C_EncryptInit` to `C_EncryptFinal`.

use mechanisms::params::Mechanism;

use crate::call::{Argument, CallerMemory, ObjectHandle, Reply, Room, SessionHandle};
use crate::ivs::{self, Due};
use crate::library::Library;
use crate::operation::cipher::Place;
use crate::operation::{Active, Operations, Purpose, permitted, row};
use crate::{Code, Result};

/// `C_EncryptInit`; a null mechanism (`None`) cancels.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    init_with_iv(session, mechanism, key, None)
}

/// [`init`] with the place of the caller's IV, where a key whose IVs the token chooses will have it written.
pub fn init_with_iv(
    session: SessionHandle,
    mechanism: Argument<Option<Mechanism>>,
    key: ObjectHandle,
    iv: Option<CallerMemory>,
) -> Result<()> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.cancel(cryptoki_sys::CKF_ENCRYPT);
        return Ok(());
    };
    if operations.encrypt.is_some() {
        return Err(Code::OperationActive.into());
    }
    let (row, start) = row(&mechanism, |row| row.encrypt)?;
    let permitted = permitted(&session, key, row, Purpose::Encrypt)?;
    let (run, due) = ivs::start_after(&operations.nothing, &library, start, &mechanism, &permitted, iv)?;
    operations.encrypt = Some(Active::keyed(run, &permitted));
    operations.encrypt_iv = due;
    Ok(())
}

/// `C_Encrypt`.
pub fn encrypt(session: SessionHandle, data: Argument<&[u8]>, room: Argument<Room>) -> Result<Encrypted> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let reply = place(&mut operations).whole(data, room);
    Encrypted::of(reply, &mut operations)
}

/// `C_EncryptUpdate`.
pub fn update(session: SessionHandle, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    place(&mut operations).update(part, room)
}

/// `C_EncryptFinal`.
pub fn finish(session: SessionHandle, room: Argument<Room>) -> Result<Encrypted> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let reply = place(&mut operations).finish(room);
    Encrypted::of(reply, &mut operations)
}

/// The end of an encryption, or an answer about its length.
#[derive(Debug)]
pub struct Encrypted {
    /// The answer.
    pub reply: Reply,
    /// Where the IV goes that the token chose, and the IV.
    pub iv: Option<(CallerMemory, [u8; 12])>,
}

impl From<Encrypted> for Reply {
    fn from(encrypted: Encrypted) -> Self {
        encrypted.reply
    }
}

impl Encrypted {
    fn of(reply: Result<Reply>, operations: &mut Operations) -> Result<Self> {
        let due = if operations.encrypt.is_none() { operations.encrypt_iv.take() } else { None };
        Ok(Self { reply: reply?, iv: due.and_then(Due::deliver) })
    }
}

pub(crate) fn place(operations: &mut Operations) -> Place<'_> {
    Place { active: &mut operations.encrypt, unfit: None, judges_first: false }
}
