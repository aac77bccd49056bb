//! Message-based functions (PKCS#11 v3.2, 5.9, 5.11, 5.14, 5.16): one mechanism and key for any number of messages.
//!
//! | Room | Functions |
//! |---|---|
//! | [`encrypt`], [`decrypt`] | `C_MessageEncryptInit` to `C_MessageDecryptFinal`, over `cipher` |
//! | [`sign`], [`verify`] | `C_MessageSignInit` to `C_MessageVerifyFinal` |
//!
//! A process lives from its Init to its Final, a null mechanism, `C_SessionCancel` or the logout; a message that fails ends
//! nothing but itself. A size query, or an answer that does not fit, leaves a message as it is. While a message in parts has
//! begun, the calls that would begin another, or end the process, are `CKR_OPERATION_ACTIVE` and change nothing.

mod cipher;
pub mod decrypt;
pub mod encrypt;
pub mod sign;
pub mod verify;

use mechanisms::operation::MessageParams;
use mechanisms::params::Shape;

use self::cipher::Ciphers;
pub(crate) use self::cipher::once;
use self::sign::Signatures;
use self::verify::Verifications;
use crate::call::Reply;
use crate::operation::Permitted;
use crate::{Code, Result};

/// An answer, and what goes back into the structure that the caller gave with the message.
pub type Answer = (Reply, Option<MessageParams>);

/// Which structure comes with each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageShape {
    /// `CK_GCM_MESSAGE_PARAMS`.
    Gcm,
    /// `CK_CCM_MESSAGE_PARAMS`.
    Ccm,
}

impl MessageShape {
    /// That of a mechanism with this parameter.
    pub(crate) fn of(shape: Shape) -> Self {
        if shape == Shape::Ccm { Self::Ccm } else { Self::Gcm }
    }
}

/// The message-based processes of one session.
#[derive(Default)]
pub(crate) struct Processes {
    encrypt: Option<Process<Ciphers>>,
    decrypt: Option<Process<Ciphers>>,
    sign: Option<Process<Signatures>>,
    verify: Option<Process<Verifications>>,
}

/// A process in its place.
struct Process<T> {
    run: T,
    /// The key has `CKA_ALWAYS_AUTHENTICATE`: "the user has to supply the PIN for each use" (4.10), so for each message.
    asks_each_time: bool,
    /// The user has not been authenticated for the next message.
    awaits_user: bool,
    /// Whether it uses a key that only the logged-in user may see, or whose value takes a login.
    private: bool,
}

impl<T> Process<T> {
    fn new(run: T, permitted: &Permitted) -> Self {
        let Permitted { awaits_user, private, .. } = *permitted;
        Self { run, asks_each_time: awaits_user, awaits_user, private }
    }

    /// The process in `place`, where it may run.
    fn ready(place: &mut Option<Self>) -> Result<&mut Self> {
        let process = place.as_mut().ok_or(Code::OperationNotInitialized)?;
        if process.awaits_user {
            return Err(Code::UserNotLoggedIn.because("CKA_ALWAYS_AUTHENTICATE: C_Login(CKU_CONTEXT_SPECIFIC) is due"));
        }
        Ok(process)
    }

    /// The process where no message has begun; else `CKR_OPERATION_ACTIVE`.
    fn idle(place: &mut Option<Self>) -> Result<&mut Self>
    where
        T: Begun,
    {
        let process = Self::ready(place)?;
        if process.run.has_begun() { Err(begun()) } else { Ok(process) }
    }

    /// Ends the process.
    fn end(place: &mut Option<Self>) -> Result<()>
    where
        T: Begun,
    {
        if place.as_ref().ok_or(Code::OperationNotInitialized)?.run.has_begun() {
            return Err(begun());
        }
        *place = None;
        Ok(())
    }

    /// A message ended.
    fn ended_one(&mut self) {
        self.awaits_user = self.asks_each_time;
    }
}

/// Whether a message in parts has begun.
trait Begun {
    fn has_begun(&self) -> bool;
}

fn begun() -> crate::Error {
    Code::OperationActive.because("a message in several parts has begun")
}

impl Processes {
    /// Whether one waits for the user to authenticate.
    pub(crate) fn await_user(&self) -> bool {
        self.encrypt.as_ref().is_some_and(|process| process.awaits_user)
            || self.decrypt.as_ref().is_some_and(|process| process.awaits_user)
            || self.sign.as_ref().is_some_and(|process| process.awaits_user)
            || self.verify.as_ref().is_some_and(|process| process.awaits_user)
    }

    /// The user authenticated: what waits may run.
    pub(crate) fn user_authenticated(&mut self) {
        for process in [&mut self.encrypt, &mut self.decrypt].into_iter().flatten() {
            process.awaits_user = false;
        }
        if let Some(process) = &mut self.sign {
            process.awaits_user = false;
        }
        if let Some(process) = &mut self.verify {
            process.awaits_user = false;
        }
    }

    /// The user logged out.
    pub(crate) fn end_private(&mut self) {
        self.encrypt.take_if(|process| process.private);
        self.decrypt.take_if(|process| process.private);
        self.sign.take_if(|process| process.private);
        self.verify.take_if(|process| process.private);
    }

    /// Ends the processes that `flags` name, with a message that has begun.
    pub(crate) fn cancel(&mut self, flags: u64) {
        let named = |flag| flags & flag != 0;
        if named(cryptoki_sys::CKF_MESSAGE_ENCRYPT) {
            self.encrypt = None;
        }
        if named(cryptoki_sys::CKF_MESSAGE_DECRYPT) {
            self.decrypt = None;
        }
        if named(cryptoki_sys::CKF_MESSAGE_SIGN) {
            self.sign = None;
        }
        if named(cryptoki_sys::CKF_MESSAGE_VERIFY) {
            self.verify = None;
        }
    }
}
