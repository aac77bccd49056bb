//! `C_MessageEncryptInit` to `C_MessageEncryptFinal`.

use mechanisms::operation::MessageParams;
use mechanisms::params::Mechanism;

use super::{Answer, MessageShape, Process, cipher};
use crate::Result;
use crate::call::{Argument, ObjectHandle, Room, SessionHandle};
use crate::library::Library;
use crate::operation::Purpose;

/// `C_MessageEncryptInit`; a null mechanism (`None`) ends the process. Its parameter comes with each message.
pub fn init(session: SessionHandle, mechanism: Argument<Option<Mechanism>>, key: ObjectHandle) -> Result<()> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mut operations = session.operations();
    let Some(mechanism) = mechanism? else {
        operations.cancel(cryptoki_sys::CKF_MESSAGE_ENCRYPT);
        return Ok(());
    };
    cipher::init(&library, &session, &mut operations.messages.encrypt, &mechanism, key, Purpose::Encrypt)
}

/// Which structure comes with each message of the process.
pub fn shape(session: SessionHandle) -> Result<MessageShape> {
    let session = Library::current()?.sessions.get(session)?;
    let operations = session.operations();
    cipher::shape(&operations.messages.encrypt)
}

/// `C_EncryptMessage`.
pub fn whole(
    session: SessionHandle,
    params: Argument<MessageParams>,
    aad: Argument<&[u8]>,
    text: Argument<&[u8]>,
    room: Argument<Room>,
) -> Result<Answer> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    cipher::whole(&mut operations.messages.encrypt, params, aad, text, room)
}

/// `C_EncryptMessageBegin`.
pub fn begin(
    session: SessionHandle,
    params: Argument<MessageParams>,
    aad: Argument<&[u8]>,
) -> Result<Option<MessageParams>> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    cipher::begin(&mut operations.messages.encrypt, params, aad)
}

/// `C_EncryptMessageNext`.
pub fn next(
    session: SessionHandle,
    params: Argument<MessageParams>,
    part: Argument<&[u8]>,
    room: Argument<Room>,
    last: Argument<bool>,
) -> Result<Answer> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    cipher::next(&mut operations.messages.encrypt, params, part, room, last)
}

/// `C_MessageEncryptFinal`.
pub fn finish(session: SessionHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    Process::end(&mut operations.messages.encrypt)
}
