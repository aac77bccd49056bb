//! The active operations of a session: one of each kind (PKCS#11 v3.2, 5.8.1 and its siblings: initialising an active
//! kind is `CKR_OPERATION_ACTIVE`).
//!
//! An operation is taken out of its place to run and put back only for a size query, an answer that was too small, or a
//! successful update. Every other outcome ends it, bad arguments too.

pub(crate) mod cipher;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::key::Key;
use mechanisms::operation::{CipherOp, DigestOp, SignOp, VerifyOp};
use mechanisms::params::Mechanism;
use mechanisms::table::{self, Row};
use zeroize::Zeroizing;

use crate::attribute::{self, AttributeType};
use crate::call::{Argument, ObjectHandle, Reply, Room};
use crate::ivs::{Due, Nothing};
use crate::message::Processes;
use crate::object::model::Object;
use crate::sessions::Session;
use crate::{Code, Error, Result};

/// An operation in its place.
pub(crate) struct Active<T: ?Sized> {
    /// What the mechanism does.
    pub(crate) run: Box<T>,
    /// An update was made: only the final call may end it ("C_Sign cannot be used to terminate a multi-part
    /// operation", 5.13.2, and so for its siblings).
    multi_part: bool,
    /// The key has `CKA_ALWAYS_AUTHENTICATE`, and the user has not been authenticated since the operation began.
    awaits_user: bool,
    /// Whether it uses a key that only the logged-in user may see, or whose value takes a login.
    private: bool,
    /// What it was initialised with, where its state can be saved.
    source: Option<Source>,
}

/// What an operation was initialised with: what is needed to begin it again.
pub(crate) struct Source {
    pub(crate) mechanism: Mechanism,
    pub(crate) key: Option<Arc<Object>>,
    /// The state holds what must not leave the token.
    kept: bool,
}

/// A verification whose signature was given when it began.
pub(crate) struct Signed {
    pub(crate) run: Box<dyn VerifyOp>,
    pub(crate) signature: Vec<u8>,
}

/// A decryption whose answer did not fit: its input and its answer wait for the caller's next, bigger buffer. The exact
/// length is known only after the work, and the standard lets a buffer be exactly as long as the answer (5.2).
pub(crate) struct Unfit {
    input: Vec<u8>,
    answer: Zeroizing<Vec<u8>>,
}

/// The operations of one session.
#[derive(Default)]
pub(crate) struct Operations {
    pub(crate) encrypt: Option<Active<dyn CipherOp>>,
    pub(crate) decrypt: Option<Active<dyn CipherOp>>,
    pub(crate) unfit: Option<Unfit>,
    pub(crate) sign: Option<Active<dyn SignOp>>,
    pub(crate) verify: Option<Active<dyn VerifyOp>>,
    /// `C_VerifySignatureInit`; never beside `verify`.
    pub(crate) verify_signature: Option<Active<Signed>>,
    pub(crate) sign_recover: Option<Active<dyn CipherOp>>,
    pub(crate) verify_recover: Option<Active<dyn CipherOp>>,
    /// As `unfit`, of `verify_recover`.
    pub(crate) recovered: Option<Unfit>,
    pub(crate) digest: Option<Active<dyn DigestOp>>,
    /// Where the IV goes that the token chooses for `encrypt`.
    pub(crate) encrypt_iv: Option<Due>,
    /// The IV of the last `encrypt`, where that was of nothing.
    pub(crate) nothing: Nothing,
    /// The message-based ones.
    pub(crate) messages: Processes,
    /// A use in one call of a key with `CKA_ALWAYS_AUTHENTICATE`.
    pub(crate) single_use: Option<SingleUse>,
    /// Handles that `C_FindObjects` has not given out yet.
    pub(crate) search: Option<VecDeque<ObjectHandle>>,
}

/// A use in one call that waits for the user to authenticate, or may run because he has.
pub(crate) struct SingleUse {
    /// `CKA_UNIQUE_ID`.
    key: Vec<u8>,
    authenticated: bool,
}

/// What a key is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    SignRecover,
    VerifyRecover,
    Derive,
    Wrap,
    Unwrap,
    Encapsulate,
    Decapsulate,
}

impl Purpose {
    fn attribute(self) -> AttributeType {
        match self {
            Self::Encrypt => AttributeType::ENCRYPT,
            Self::Decrypt => AttributeType::DECRYPT,
            Self::Sign => AttributeType::SIGN,
            Self::Verify => AttributeType::VERIFY,
            Self::SignRecover => AttributeType::SIGN_RECOVER,
            Self::VerifyRecover => AttributeType::VERIFY_RECOVER,
            Self::Derive => AttributeType::DERIVE,
            Self::Wrap => AttributeType::WRAP,
            Self::Unwrap => AttributeType::UNWRAP,
            Self::Encapsulate => AttributeType::ENCAPSULATE,
            Self::Decapsulate => AttributeType::DECAPSULATE,
        }
    }

    /// The code that this purpose has for what is wrong with its key: wrapping and unwrapping have their own (5.18.3,
    /// 5.18.4), and decapsulation that of unwrapping (5.18.9).
    fn recode(self, error: Error) -> Error {
        let code = match (self, error.code()) {
            (Self::Wrap, Code::KeyHandleInvalid) => Code::WrappingKeyHandleInvalid,
            (Self::Wrap, Code::KeyTypeInconsistent) => Code::WrappingKeyTypeInconsistent,
            (Self::Wrap, Code::KeySizeRange) => Code::WrappingKeySizeRange,
            (Self::Unwrap | Self::Decapsulate, Code::KeyHandleInvalid) => Code::UnwrappingKeyHandleInvalid,
            (Self::Unwrap | Self::Decapsulate, Code::KeyTypeInconsistent) => Code::UnwrappingKeyTypeInconsistent,
            (Self::Unwrap | Self::Decapsulate, Code::KeySizeRange) => Code::UnwrappingKeySizeRange,
            _ => return error,
        };
        match error.cause() {
            Some(cause) => code.because(cause),
            None => code.into(),
        }
    }
}

/// A key that may be used, with what the operation must remember of it.
pub(crate) struct Permitted {
    pub(crate) key: Key,
    pub(crate) object: Arc<Object>,
    pub(crate) awaits_user: bool,
    pub(crate) private: bool,
}

impl<T: ?Sized> Active<T> {
    /// An operation that was just initialised with a key.
    pub(crate) fn keyed(run: Box<T>, permitted: &Permitted) -> Self {
        let (awaits_user, private) = (permitted.awaits_user, permitted.private);
        Self { run, multi_part: false, awaits_user, private, source: None }
    }

    /// An operation without a key.
    pub(crate) fn keyless(run: Box<T>) -> Self {
        Self { run, multi_part: false, awaits_user: false, private: false, source: None }
    }

    /// Remembers what the operation was initialised with, so that its state may be saved.
    pub(crate) fn from(mut self, mechanism: Mechanism, key: Option<Arc<Object>>) -> Self {
        self.source = Some(Source { mechanism, key, kept: false });
        self
    }

    /// The same operation in another dress; its state is not saved.
    pub(crate) fn map<U: ?Sized>(self, dress: impl FnOnce(Box<T>) -> Box<U>) -> Active<U> {
        let Self { run, multi_part, awaits_user, private, .. } = self;
        Active { run: dress(run), multi_part, awaits_user, private, source: None }
    }

    /// What the operation was initialised with; `None` where its state cannot be saved.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref().filter(|source| !source.kept)
    }

    /// The mechanism, of an operation that was made [`from`](Self::from) it.
    pub(crate) fn mechanism(&self) -> Option<MechanismType> {
        self.source.as_ref().map(|source| source.mechanism.kind)
    }

    /// The operation as it was after updates, or before.
    pub(crate) fn after_updates(mut self, multi_part: bool) -> Self {
        self.multi_part = multi_part;
        self
    }

    /// The state of the operation will not leave the token.
    pub(crate) fn keep_state(&mut self) {
        if let Some(source) = &mut self.source {
            source.kept = true;
        }
    }

    /// A key went into the message: it ends with the login, where that gave the key.
    pub(crate) fn took_key(&mut self, private: bool) {
        self.private |= private;
    }

    /// Whether an update was made.
    pub(crate) fn is_multi_part(&self) -> bool {
        self.multi_part
    }

    /// Takes the operation out for a call in one part; ends it where an update was made before.
    pub(crate) fn take_whole(place: &mut Option<Self>) -> Result<Self> {
        let active = Self::take_part(place)?;
        if active.multi_part {
            return Err(Code::OperationActive.because("an operation in several parts is ended by its final call"));
        }
        Ok(active)
    }

    /// Takes the operation out for an update or a final call.
    pub(crate) fn take_part(place: &mut Option<Self>) -> Result<Self> {
        let active = place.take().ok_or(Code::OperationNotInitialized)?;
        // 4.10: "Failing or omitting to re-authenticate ... will result in CKR_USER_NOT_LOGGED_IN".
        if active.awaits_user {
            return Err(Code::UserNotLoggedIn.because("CKA_ALWAYS_AUTHENTICATE: C_Login(CKU_CONTEXT_SPECIFIC) is due"));
        }
        Ok(active)
    }

    /// Puts the operation back, unchanged.
    pub(crate) fn put_back(self, place: &mut Option<Self>) {
        *place = Some(self);
    }

    /// Puts the operation back after an update.
    pub(crate) fn go_on(mut self, place: &mut Option<Self>) {
        self.multi_part = true;
        *place = Some(self);
    }
}

impl Operations {
    /// Whether one waits for the user to authenticate.
    pub(crate) fn await_user(&self) -> bool {
        self.encrypt.as_ref().is_some_and(|active| active.awaits_user)
            || self.decrypt.as_ref().is_some_and(|active| active.awaits_user)
            || self.sign.as_ref().is_some_and(|active| active.awaits_user)
            || self.verify.as_ref().is_some_and(|active| active.awaits_user)
            || self.verify_signature.as_ref().is_some_and(|active| active.awaits_user)
            || self.sign_recover.as_ref().is_some_and(|active| active.awaits_user)
            || self.verify_recover.as_ref().is_some_and(|active| active.awaits_user)
            || self.messages.await_user()
            || self.single_use.as_ref().is_some_and(|single| !single.authenticated)
    }

    /// The user authenticated: what waits may run.
    pub(crate) fn user_authenticated(&mut self) {
        self.messages.user_authenticated();
        let ciphers = [&mut self.encrypt, &mut self.decrypt, &mut self.sign_recover, &mut self.verify_recover];
        for active in ciphers.into_iter().flatten() {
            active.awaits_user = false;
        }
        if let Some(active) = &mut self.verify_signature {
            active.awaits_user = false;
        }
        if let Some(single) = &mut self.single_use {
            single.authenticated = true;
        }
        if let Some(active) = &mut self.sign {
            active.awaits_user = false;
        }
        if let Some(active) = &mut self.verify {
            active.awaits_user = false;
        }
    }

    /// Ends what uses a private key, or a live partition, because the user logged out: an operation that went on would
    /// keep the token's secrets, and a device session of the eight that there are.
    pub(crate) fn end_private(&mut self) {
        self.encrypt.take_if(|active| active.private);
        self.decrypt.take_if(|active| active.private);
        self.sign.take_if(|active| active.private);
        self.verify.take_if(|active| active.private);
        self.verify_signature.take_if(|active| active.private);
        self.sign_recover.take_if(|active| active.private);
        self.verify_recover.take_if(|active| active.private);
        self.digest.take_if(|active| active.private);
        self.messages.end_private();
        self.unfit = None;
        self.recovered = None;
        self.single_use = None;
        self.search = None;
    }

    /// `C_SessionCancel`: ends the kinds that `flags` name.
    pub(crate) fn cancel(&mut self, flags: u64) {
        self.messages.cancel(flags);
        let named = |flag| flags & flag != 0;
        if named(cryptoki_sys::CKF_ENCRYPT) {
            self.encrypt = None;
            self.encrypt_iv = None;
        }
        if named(cryptoki_sys::CKF_DECRYPT) {
            self.decrypt = None;
            self.unfit = None;
        }
        if named(cryptoki_sys::CKF_SIGN) {
            self.sign = None;
        }
        if named(cryptoki_sys::CKF_VERIFY) {
            self.verify = None;
            self.verify_signature = None;
        }
        if named(cryptoki_sys::CKF_SIGN_RECOVER) {
            self.sign_recover = None;
        }
        if named(cryptoki_sys::CKF_VERIFY_RECOVER) {
            self.verify_recover = None;
            self.recovered = None;
        }
        if named(cryptoki_sys::CKF_DIGEST) {
            self.digest = None;
        }
        if named(cryptoki_sys::CKF_FIND_OBJECTS) {
            self.search = None;
        }
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("encrypt", &self.encrypt.is_some())
            .field("decrypt", &self.decrypt.is_some())
            .field("sign", &self.sign.is_some())
            .field("verify", &(self.verify.is_some() || self.verify_signature.is_some()))
            .field("sign_recover", &self.sign_recover.is_some())
            .field("verify_recover", &self.verify_recover.is_some())
            .field("digest", &self.digest.is_some())
            .field("search", &self.search.as_ref().map(VecDeque::len))
            .finish_non_exhaustive()
    }
}

/// The mechanism's row, where it can do what `function` picks; else `CKR_MECHANISM_INVALID`.
pub(crate) fn row<F>(mechanism: &Mechanism, function: impl Fn(&'static Row) -> Option<F>) -> Result<(&'static Row, F)> {
    let row = table::row(mechanism.kind)
        .ok_or_else(|| Code::MechanismInvalid.because(format_args!("{:?}", mechanism.kind)))?;
    let start = function(row)
        .ok_or_else(|| Code::MechanismInvalid.because(format_args!("{:?} cannot do this", mechanism.kind)))?;
    Ok((row, start))
}

/// The key, where it may be used for `purpose` with this mechanism.
///
/// `CKR_KEY_HANDLE_INVALID` where there is no such key that the session may see, `CKR_KEY_TYPE_INCONSISTENT` where the
/// mechanism does not take its type, or the purpose not its class; that has priority over
/// `CKR_KEY_FUNCTION_NOT_PERMITTED` (5.1.6).
pub(crate) fn permitted(session: &Session, handle: ObjectHandle, row: &Row, purpose: Purpose) -> Result<Permitted> {
    let permitted = || {
        let object = session.key_object(handle)?;
        let key_type = object.key_type().ok_or(Code::KeyHandleInvalid)?;
        check(&object, key_type, row, purpose)?;
        Permitted::of(session, object)
    };
    permitted().map_err(|error| purpose.recode(error))
}

impl Permitted {
    /// A key whose use was found to be permitted.
    pub(crate) fn of(session: &Session, object: Arc<Object>) -> Result<Self> {
        let private = object.is_private() || object.takes_login();
        let awaits_user = object.attributes.flag(AttributeType::ALWAYS_AUTHENTICATE);
        let key = object.key(&session.slot.token)?;
        Ok(Self { key, object, awaits_user, private })
    }

    /// For a use that is one call, so that there is no moment between its beginning and its end: where the key has
    /// `CKA_ALWAYS_AUTHENTICATE`, the call is first `CKR_USER_NOT_LOGGED_IN`, and after `C_Login` with
    /// `CKU_CONTEXT_SPECIFIC` one call with the same key may run.
    pub(crate) fn spend_authentication(&self, session: &Session) -> Result<()> {
        if !self.awaits_user {
            return Ok(());
        }
        let mut operations = session.operations();
        let id = self.object.unique_id();
        if operations.single_use.take_if(|single| single.authenticated && single.key == id).is_some() {
            return Ok(());
        }
        operations.single_use = Some(SingleUse { key: id.to_vec(), authenticated: false });
        Err(Code::UserNotLoggedIn
            .because("CKA_ALWAYS_AUTHENTICATE: C_Login(CKU_CONTEXT_SPECIFIC) is due, then the same call again"))
    }
}

fn check(object: &Object, key_type: KeyType, row: &Row, purpose: Purpose) -> Result<()> {
    if !row.keys.contains(&key_type) {
        return Err(Code::KeyTypeInconsistent.because(format_args!("{:?} with a {key_type:?} key", row.kind)));
    }
    let attribute = purpose.attribute();
    if attribute::table::row(attribute, object.family).is_none() {
        return Err(Code::KeyTypeInconsistent.because(format_args!("{purpose:?} with a key of {:?}", object.family)));
    }
    if !object.attributes.flag(attribute) {
        return Err(Code::KeyFunctionNotPermitted.because(format_args!("{attribute:?} is not true")));
    }
    if !allows(object, row.kind) {
        return Err(Code::MechanismInvalid.because(format_args!("CKA_ALLOWED_MECHANISMS has no {:?}", row.kind)));
    }
    Ok(())
}

/// Whether `CKA_ALLOWED_MECHANISMS` of the key, where it has any, names the mechanism.
pub(crate) fn allows(object: &Object, mechanism: MechanismType) -> bool {
    let allowed = object.attributes.numbers(AttributeType::ALLOWED_MECHANISMS);
    allowed.is_none_or(|allowed| allowed.iter().any(|kind| MechanismType(*kind) == mechanism))
}
