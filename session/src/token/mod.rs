//! A token: its secrets while somebody is logged in, its partition, its objects on disk.

mod objects;
mod records;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mechanisms::ck::{KeyType, ObjectClass};
use once_cell::sync::OnceCell;
use parking_lot::{Mutex, RwLock};
use transport::channel::Device;
use transport::partition::{Partition, probe};
use zeroize::Zeroizing;

use crate::config::Pin as PinRules;
use crate::log::{self, Level};
use crate::pin_slots::{PinSlot, Role, Secrets, random};
use crate::slot::Pin;
use crate::store::{Attempts, Blobs, Identity, Store, TokenRow};
use crate::{Code, Error, Result};
pub use objects::Fetched;
use records::RecordKeys;

/// Who is logged in, in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// Nobody.
    Public,
    /// `CKU_USER`.
    User,
    /// `CKU_SO`.
    SecurityOfficer,
}

/// A stored object's number; never used twice within a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u64);

/// An object as the store keeps it. Index columns of private objects are keyed hashes, their body is encrypted; every key
/// object's record is authenticated, so that nobody can move a blob under other attributes (design 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `CKA_CLASS`.
    pub class: ObjectClass,
    /// `CKA_KEY_TYPE`, of keys.
    pub key_type: Option<KeyType>,
    /// `CKA_LABEL`.
    pub label: Vec<u8>,
    /// `CKA_ID`.
    pub id: Vec<u8>,
    /// `CKA_PRIVATE`.
    pub private: bool,
    /// Everything else, in the object room's own encoding.
    pub body: Zeroizing<Vec<u8>>,
}

/// What a search can be narrowed by before records are opened; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `CKA_CLASS`.
    pub class: Option<ObjectClass>,
    /// `CKA_KEY_TYPE`.
    pub key_type: Option<KeyType>,
    /// `CKA_LABEL`.
    pub label: Option<Vec<u8>>,
    /// `CKA_ID`.
    pub id: Option<Vec<u8>>,
}

/// How a token's device is opened, when it is first needed.
pub(crate) type Opener = Box<dyn Fn() -> transport::Result<Arc<dyn Device>> + Send + Sync>;

/// A token; `Send + Sync`, shared by all sessions of the process.
///
/// Locks, in their order: `ceremony` (one login, logout or PIN change at a time in a process), then `login` (never held
/// across a device command or Argon2), then the store's own.
pub struct Token {
    store: Arc<Store>,
    rules: PinRules,
    session_wait: Duration,
    open: Opener,
    device: OnceCell<Arc<dyn Device>>,
    identity: OnceCell<Identity>,
    /// Whose secrets this process gave the device last.
    provisioned: Mutex<Option<[u8; 16]>>,
    ceremony: Mutex<()>,
    login: RwLock<Option<Arc<Login>>>,
}

/// A login: lives until `C_Logout`, or longer where a call is still running on it.
struct Login {
    role: Role,
    token_id: [u8; 16],
    secrets: Secrets,
    records: RecordKeys,
    partition: OnceCell<Arc<Partition>>,
}

/// What `C_GetTokenInfo` tells of a token, but for its sessions.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The token, where it is initialised.
    pub(crate) row: Option<TokenRow>,
    /// Serial number and firmware.
    pub(crate) identity: Identity,
    /// Wrong PINs.
    pub(crate) attempts: Attempts,
    /// Wrong PINs that lock.
    pub(crate) max_attempts: u32,
}

impl Token {
    /// The token whose store is in this folder, on the device that `open` opens. Touches neither.
    pub(crate) fn new(store: Store, rules: PinRules, session_wait: Duration, open: Opener) -> Self {
        Self {
            store: Arc::new(store),
            rules,
            session_wait,
            open,
            device: OnceCell::new(),
            identity: OnceCell::new(),
            provisioned: Mutex::new(None),
            ceremony: Mutex::new(()),
            login: RwLock::new(None),
        }
    }

    /// Who is logged in.
    pub fn login_state(&self) -> LoginState {
        self.login.read().as_ref().map_or(LoginState::Public, |login| login.role.into())
    }

    /// The live partition; `CKR_USER_NOT_LOGGED_IN` while nobody is logged in. The first call after a login connects it,
    /// and waits as long as the configuration says while other processes have all of the chip's eight sessions.
    pub fn partition(&self) -> Result<Arc<Partition>> {
        let login = self.login()?;
        let partition = login.partition.get_or_try_init(|| {
            let partition = self.prepare(login.token_id, &login.secrets)?;
            connect(&partition).map(|()| partition)
        });
        partition.cloned()
    }

    /// The partition where this login has connected it, without connecting it.
    pub(crate) fn connected_partition(&self) -> Option<Arc<Partition>> {
        self.login().ok()?.partition.get().cloned()
    }

    /// Whether there is a token: `C_InitToken` was called.
    pub(crate) fn is_initialized(&self) -> Result<bool> {
        Ok(self.store.token()?.is_some())
    }

    /// What is known of the token; probes the device only where the token is not initialised.
    pub(crate) fn facts(&self) -> Result<Facts> {
        let row = self.store.token()?;
        let identity = match &row {
            Some(row) => row.identity.clone(),
            None => self.identity()?.clone(),
        };
        // A counter that this process may not open has no word of its own in the list of C_GetTokenInfo.
        let attempts = self.store.attempts().map_err(as_device_error)?;
        Ok(Facts { row, identity, attempts, max_attempts: self.rules.max_attempts })
    }

    /// `C_InitToken`, where no session is open.
    ///
    /// The new secrets are stored before the device sees them: a chip takes an owner backup key once, and one that only
    /// a killed process knew would be lost. So a device that fails here leaves an initialised token, which is provisioned
    /// by its first login that uses it.
    pub(crate) fn initialize(&self, pin: &Pin, label: [u8; 32]) -> Result<()> {
        let pin = given(pin)?;
        let _ceremony = self.ceremony.lock();
        let device = self.device()?;
        let identity = self.identity()?.clone();
        let before = match self.store.pin_slot(Role::SecurityOfficer)? {
            Some((token, slot)) => Some(self.try_slot(&token, Role::SecurityOfficer, slot.as_ref(), pin)?),
            None => None,
        };
        let secrets = Secrets::new(before.as_ref())?;
        let row = TokenRow { token_id: *random()?, label, identity, user_pin: false };
        let slot = PinSlot::seal(&row.token_id, Role::SecurityOfficer, pin, self.rules.argon2, &secrets)?;
        self.store.initialize(&row, &slot)?;
        self.store.forgive(Role::SecurityOfficer)?;
        self.store.forgive(Role::User)?;
        device.reset().map_err(transport::Error::from)?;
        let partition = self.prepare(row.token_id, &secrets)?;
        connect(&partition)?;
        partition.disconnect();
        log::event(Level::Info, format_args!("token {} initialised", row.identity.serial));
        Ok(())
    }

    /// `C_InitPIN`: the SO sets the user's PIN.
    pub(crate) fn initialize_pin(&self, pin: &Pin) -> Result<()> {
        let pin = given(pin)?;
        let _ceremony = self.ceremony.lock();
        let login = self.login()?;
        if login.role != Role::SecurityOfficer {
            return Err(Code::UserNotLoggedIn.into());
        }
        let slot = PinSlot::seal(&login.token_id, Role::User, pin, self.rules.argon2, &login.secrets)?;
        self.store.set_pin_slot(&login.token_id, Role::User, &slot).map_err(as_corrupt)?;
        self.store.forgive(Role::User)
    }

    /// `C_SetPIN`: the SO's own PIN where the SO is logged in, else the user's.
    pub(crate) fn set_pin(&self, old: &Pin, new: &Pin) -> Result<()> {
        let (old, new) = (given(old)?, given(new)?);
        if !crate::pin_slots::PIN_LEN.contains(&new.len()) {
            return Err(Code::PinLenRange.because(format_args!("a new PIN of {} bytes", new.len())));
        }
        let _ceremony = self.ceremony.lock();
        let role = match self.login_state() {
            LoginState::SecurityOfficer => Role::SecurityOfficer,
            LoginState::Public | LoginState::User => Role::User,
        };
        let Some((token, Some(slot))) = self.store.pin_slot(role).map_err(as_corrupt)? else {
            return Err(Code::PinIncorrect.because(format_args!("no {} PIN is set", role.name())));
        };
        let secrets = self.try_slot(&token, role, Some(&slot), old)?;
        let slot = PinSlot::seal(&token.token_id, role, new, self.rules.argon2, &secrets)?;
        self.store.set_pin_slot(&token.token_id, role, &slot).map_err(as_corrupt)
    }

    /// `C_Login`. Opens the PIN slot and nothing else: the device is used when it is needed.
    pub(crate) fn log_in(&self, role: Role, pin: &Pin) -> Result<()> {
        let pin = given(pin)?;
        let _ceremony = self.ceremony.lock();
        if let Some(login) = &*self.login.read() {
            let same = login.role == role;
            return Err(if same { Code::UserAlreadyLoggedIn } else { Code::UserAnotherAlreadyLoggedIn }.into());
        }
        let (token, slot) = self
            .store
            .pin_slot(role)
            .map_err(as_device_error)?
            .ok_or_else(|| Code::UserPinNotInitialized.because("the token is not initialised"))?;
        let secrets = self.try_slot(&token, role, slot.as_ref(), pin).map_err(as_device_error)?;
        let records = RecordKeys::new(token.token_id, secrets.record_key())?;
        let login = Login { role, token_id: token.token_id, secrets, records, partition: OnceCell::new() };
        *self.login.write() = Some(Arc::new(login));
        Ok(())
    }

    /// Ends the login, if there is one: the token's secrets are erased and the partition is let go. Called by `C_Logout`
    /// and when the last session of the process on this token is closed.
    pub(crate) fn log_out(&self) {
        let _ceremony = self.ceremony.lock();
        let login = self.login.write().take();
        if let Some(partition) = login.as_ref().and_then(|login| login.partition.get()) {
            partition.disconnect();
        }
    }

    /// Checks the user's PIN once more, for `CKU_CONTEXT_SPECIFIC`; wrong ones count as in `C_Login`.
    pub(crate) fn reauthenticate(&self, pin: &Pin) -> Result<()> {
        let pin = given(pin)?;
        let _ceremony = self.ceremony.lock();
        if self.login()?.role != Role::User {
            return Err(Code::UserNotLoggedIn.into());
        }
        let (token, slot) =
            self.store.pin_slot(Role::User).map_err(as_device_error)?.ok_or(Code::UserPinNotInitialized)?;
        self.try_slot(&token, Role::User, slot.as_ref(), pin).map(drop).map_err(as_device_error)
    }

    fn try_slot(&self, token: &TokenRow, role: Role, slot: Option<&PinSlot>, pin: &[u8]) -> Result<Secrets> {
        let slot = slot.ok_or_else(|| Code::UserPinNotInitialized.because(format_args!("no {} PIN", role.name())))?;
        self.store.try_pin(role, self.rules.max_attempts, || slot.open(&token.token_id, role, pin))
    }

    fn login(&self) -> Result<Arc<Login>> {
        self.login.read().clone().ok_or_else(|| Code::UserNotLoggedIn.into())
    }

    fn prepare(&self, token_id: [u8; 16], secrets: &Secrets) -> Result<Arc<Partition>> {
        let device = self.device()?.clone();
        let before = self.provisioned.lock().replace(token_id);
        // Another process initialised the token anew, and with it reset the chip. Of an emulated chip each process has a
        // life of its own, which has not heard of that.
        if before.is_some_and(|before| before != token_id) && device.info().map_err(transport::Error::from)?.emulated {
            device.reset().map_err(transport::Error::from)?;
        }
        let blobs = Arc::new(Blobs { store: self.store.clone(), token_id });
        Ok(Arc::new(Partition::new(device, secrets.partition(), blobs).waiting_for_sessions(self.session_wait)))
    }

    fn device(&self) -> Result<&Arc<dyn Device>> {
        self.device.get_or_try_init(|| {
            let device = (self.open)()?;
            let info = device.info().map_err(transport::Error::from)?;
            if info.emulated {
                let folder = self.store.folder().display();
                log::event(
                    Level::Info,
                    format_args!("the token in {folder} is emulated: no hardware protects its keys"),
                );
            }
            Ok(device)
        })
    }

    fn identity(&self) -> Result<&Identity> {
        self.identity.get_or_try_init(|| {
            let device = self.device()?;
            let info = device.info().map_err(transport::Error::from)?;
            let serial = probe(device.as_ref())?.identity;
            Ok(Identity { serial, firmware: info.firmware })
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("store", &self.store).field("login", &self.login_state()).finish_non_exhaustive()
    }
}

impl From<Role> for LoginState {
    fn from(role: Role) -> Self {
        match role {
            Role::SecurityOfficer => Self::SecurityOfficer,
            Role::User => Self::User,
        }
    }
}

/// Provisions the partition and opens its device session.
fn connect(partition: &Partition) -> Result<()> {
    match partition.connect() {
        Err(transport::Error::SessionsExhausted) => Err(Code::SessionCount.because(
            "other processes have all eight sessions of this HSM partition; p11-kit server can share one library among \
             many processes",
        )),
        outcome => Ok(outcome?),
    }
}

/// A store that is corrupt, or cannot be written, to a function whose list of codes in the standard has no
/// `CKR_TOKEN_NOT_RECOGNIZED` and `CKR_TOKEN_WRITE_PROTECTED`.
fn as_device_error(error: Error) -> Error {
    match error.code() {
        Code::TokenNotRecognized | Code::TokenWriteProtected => Code::DeviceError.because(error),
        _ => error,
    }
}

/// A store that is corrupt, likewise, to a function that has the second.
fn as_corrupt(error: Error) -> Error {
    match error.code() {
        Code::TokenNotRecognized => Code::DeviceError.because(error),
        _ => error,
    }
}

/// The PIN; there is no protected authentication path, so a null pointer is none.
fn given(pin: &Pin) -> Result<&[u8]> {
    match pin {
        Ok(Some(pin)) => Ok(pin),
        Ok(None) => Err(Code::ArgumentsBad.because("null PIN, and no protected authentication path")),
        Err(error) => Err(error.clone()),
    }
}

#[cfg(test)]
mod tests;
