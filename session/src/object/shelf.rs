//! The objects of one slot in this process: the session objects, and the token objects that were opened lately.
//!
//! Handles, 64 bits:
//!
//! | | bits 48 to 63 | bits 1 to 47 | bit 0 |
//! |---|---|---|---|
//! | session object | number, never used twice | | 1 |
//! | public token object | 0 | number in the store | 0 |
//! | private token object | logouts so far | number in the store | 0 |
//! | built-in object | bit 63, and where it is private logouts so far | place in the list | 1 |
//!
//! `C_Logout` makes handles to private objects invalid for good (PKCS#11 v3.2, 5.6.10): such a handle is good only for as
//! long as the number of logouts is the one it was made under. A handle to a public object stays what it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mechanisms::key::Policy;
use once_cell::sync::OnceCell;
use parking_lot::{Mutex, RwLock};

use crate::call::ObjectHandle;
use crate::object::builtin::{self, Builtin};
use crate::object::model::Object;
use crate::object::record;
use crate::sessions::Session;
use crate::token::{Fetched, LoginState, ObjectId, Token};
use crate::{Code, Result};

/// Where an object lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the token's store.
    Token(ObjectId),
    /// In the memory of this process.
    Session(u64),
    /// In the list of [`builtin::all`].
    Builtin(usize),
}

/// See the module's text. `Send + Sync`.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// Open sessions: all, and the read/write ones.
    open: Mutex<(u64, u64)>,
    last: AtomicU64,
    logouts: AtomicU64,
    initialized: AtomicBool,
    session_objects: RwLock<SessionObjects>,
    builtins: OnceCell<Vec<Builtin>>,
    /// Decides which built-in objects there are.
    policy: Policy,
    opened: RwLock<Opened>,
}

/// The session objects by number, and how many each session has, so that the usual session, which leaves nothing behind,
/// is closed without a look at them.
#[derive(Debug, Default)]
struct SessionObjects {
    kept: BTreeMap<u64, Kept>,
    owned: HashMap<u64, usize>,
}

impl SessionObjects {
    fn extract(&mut self, goes: impl Fn(&Kept) -> bool) -> Vec<Arc<Object>> {
        let numbers: Vec<_> = self.kept.iter().filter(|(_, kept)| goes(kept)).map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).map(|kept| kept.object).collect()
    }

    fn remove(&mut self, number: u64) -> Option<Kept> {
        let gone = self.kept.remove(&number)?;
        if let Some(count) = self.owned.get_mut(&gone.owner) {
            *count -= 1;
            if *count == 0 {
                self.owned.remove(&gone.owner);
            }
        }
        Some(gone)
    }
}

/// A session object and the session that made it.
#[derive(Debug)]
struct Kept {
    owner: u64,
    object: Arc<Object>,
}

/// Token objects as they were at a generation of the store.
#[derive(Debug, Default)]
struct Opened {
    generation: u64,
    objects: HashMap<ObjectId, Known>,
}

/// A token object, and whether a login vouched for it: what was opened before nobody could verify, so that a login opens
/// it again.
#[derive(Clone, Debug)]
struct Known {
    object: Arc<Object>,
    verified: bool,
}

impl Shelf {
    /// An empty one.
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Whether the slot's token is initialised; once it is, it stays so, and the store need not be asked again.
    pub(crate) fn has_token(&self, token: &Token) -> Result<bool> {
        if !self.initialized.load(Ordering::Relaxed) {
            self.initialized.store(token.is_initialized()?, Ordering::Relaxed);
        }
        Ok(self.initialized.load(Ordering::Relaxed))
    }

    /// Counts a session in.
    pub(crate) fn session_opened(&self, read_write: bool) {
        let mut open = self.open.lock();
        open.0 += 1;
        open.1 += u64::from(read_write);
    }

    /// Takes the objects of a session out.
    pub(crate) fn leave(&self, number: u64) -> Vec<Arc<Object>> {
        if !self.session_objects.read().owned.contains_key(&number) {
            return Vec::new();
        }
        self.session_objects.write().extract(|kept| kept.owner == number)
    }

    /// Counts a session out; whether it was the last.
    pub(crate) fn session_closed(&self, read_write: bool) -> bool {
        let mut open = self.open.lock();
        open.0 = open.0.saturating_sub(1);
        open.1 = open.1.saturating_sub(u64::from(read_write));
        open.0 == 0
    }

    /// Open sessions: all, and the read/write ones.
    pub(crate) fn sessions(&self) -> (u64, u64) {
        *self.open.lock()
    }

    /// Nobody is logged in any more: private objects go out of memory, and their handles are void.
    pub(crate) fn logged_out(&self) {
        self.logouts.fetch_add(1, Ordering::Relaxed);
        self.session_objects.write().extract(|kept| kept.object.is_private());
        self.opened.write().objects.clear();
    }

    /// Takes a session object in, owned by session `owner`; refused where `may` says that it may not be there any more.
    /// Whoever takes objects out, as the end of a session or of a login does, first sees to it that `may` says so.
    fn keep(&self, owner: u64, object: Object, may: impl FnOnce() -> Result<()>) -> Result<Place> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut objects = self.session_objects.write();
        may()?;
        objects.kept.insert(number, Kept { owner, object: Arc::new(object) });
        *objects.owned.entry(owner).or_default() += 1;
        Ok(Place::Session(number))
    }

    /// The session objects, oldest first.
    pub(crate) fn session_objects(&self) -> Vec<(Place, Arc<Object>)> {
        let objects = self.session_objects.read();
        objects.kept.iter().map(|(number, kept)| (Place::Session(*number), kept.object.clone())).collect()
    }

    /// The handle that names a place from now on.
    pub(crate) fn handle(&self, place: Place, private: bool) -> ObjectHandle {
        match place {
            Place::Token(id) if private => ObjectHandle((self.logouts() << LOGOUTS_SHIFT) | (id.0 << 1)),
            Place::Token(id) => ObjectHandle(id.0 << 1),
            Place::Session(number) => ObjectHandle((number << 1) | 1),
            Place::Builtin(at) => {
                let logouts = if private { self.logouts() << LOGOUTS_SHIFT } else { 0 };
                ObjectHandle(BUILTIN | logouts | (((at as u64) << 1) | 1))
            }
        }
    }

    /// The built-in objects, each with its place.
    pub(crate) fn builtins(&self) -> impl Iterator<Item = (Place, &Builtin)> {
        let builtins = self.builtins.get_or_init(|| builtin::all(self.policy));
        builtins.iter().enumerate().map(|(at, builtin)| (Place::Builtin(at), builtin))
    }

    /// The handles of token objects that a search found. Only after a logout does it matter which are private, and they
    /// are opened to see.
    pub(crate) fn handles(&self, token: &Token, found: Vec<ObjectId>) -> Result<Vec<ObjectHandle>> {
        if self.logouts() == 0 {
            return Ok(found.into_iter().map(|id| self.handle(Place::Token(id), false)).collect());
        }
        let mut handles = Vec::with_capacity(found.len());
        for place in found.into_iter().map(Place::Token) {
            // One that went since the store answered is left out, and so is one that somebody tampered with.
            if let Some(object) = self.sound_object(token, place)? {
                handles.push(self.handle(place, object.is_private()));
            }
        }
        Ok(handles)
    }

    fn logouts(&self) -> u64 {
        self.logouts.load(Ordering::Relaxed)
    }

    /// The place that a handle names and the object there; `None` where there is none that may be seen.
    pub(crate) fn named(&self, token: &Token, handle: ObjectHandle) -> Result<Option<(Place, Arc<Object>)>> {
        let ObjectHandle(bits) = handle;
        let place = match bits & 1 {
            1 if bits & BUILTIN != 0 => {
                let at = (bits & !(u64::MAX << LOGOUTS_SHIFT)) >> 1;
                Place::Builtin(usize::try_from(at).unwrap_or(usize::MAX))
            }
            1 => Place::Session(bits >> 1),
            _ => Place::Token(ObjectId((bits & !(u64::MAX << LOGOUTS_SHIFT)) >> 1)),
        };
        let object = self.object(token, place)?;
        let good = |object: &Object| handle == self.handle(place, object.is_private());
        Ok(object.filter(|object| good(object)).map(|object| (place, object)))
    }

    /// The object at a place, or `None`; private objects only while the user is logged in. `CKR_DEVICE_ERROR` where
    /// somebody has tampered with it.
    pub(crate) fn object(&self, token: &Token, place: Place) -> Result<Option<Arc<Object>>> {
        self.look(token, place)?.transpose()
    }

    /// The same for a search, which passes over an object that somebody has tampered with: the others are still there.
    pub(crate) fn sound_object(&self, token: &Token, place: Place) -> Result<Option<Arc<Object>>> {
        Ok(self.look(token, place)?.and_then(Result::ok))
    }

    /// The outer error is the store's, the inner one this object's.
    fn look(&self, token: &Token, place: Place) -> Result<Option<Result<Arc<Object>>>> {
        let object = match place {
            Place::Session(number) => self.session_objects.read().kept.get(&number).map(|kept| Ok(kept.object.clone())),
            Place::Token(id) => self.token_object(token, id)?,
            Place::Builtin(at) => {
                let user = token.login_state() == LoginState::User;
                let builtin = self.builtins().nth(at).map(|(_, builtin)| builtin);
                builtin.filter(|builtin| user || !builtin.is_private()).map(|builtin| builtin.object(token))
            }
        };
        let visible = |object: &Object| !object.is_private() || token.login_state() == LoginState::User;
        Ok(object.filter(|object| object.as_ref().map_or(true, |object| visible(object))))
    }

    fn token_object(&self, token: &Token, id: ObjectId) -> Result<Option<Result<Arc<Object>>>> {
        if id.0 == 0 {
            return Ok(None);
        }
        // Read before the record: what is remembered is never older than the generation that it is remembered under.
        let generation = token.generation()?;
        {
            let opened = self.opened.read();
            if opened.generation == generation
                && let Some(known) = opened.objects.get(&id)
                && (known.verified || token.login_state() == LoginState::Public)
            {
                return Ok(Some(Ok(known.object.clone())));
            }
        }
        let (record, verified) = match token.fetch(id)? {
            None => return Ok(None),
            Some(Fetched::Tampered(error)) => return Ok(Some(Err(error))),
            Some(Fetched::Unverified(record)) => (record, false),
            Some(Fetched::Verified(record)) => (record, true),
        };
        let object = match record::decode(&record) {
            Ok(object) => Arc::new(object),
            Err(error) => return Ok(Some(Err(error))),
        };
        let mut opened = self.opened.write();
        if opened.generation != generation || opened.objects.len() >= MOST_OPENED {
            opened.objects.clear();
            opened.generation = generation;
        }
        opened.objects.insert(id, Known { object: object.clone(), verified });
        Ok(Some(Ok(object)))
    }

    /// Puts a changed object in the place of `old`; `CKR_OBJECT_HANDLE_INVALID` where there is none any more. `false` where
    /// it is not `old` any more: somebody else changed it, and what he said must not be taken back.
    pub(crate) fn replace(&self, token: &Token, place: Place, old: &Arc<Object>, object: Object) -> Result<bool> {
        match place {
            Place::Token(id) => token.replace(id, &record::encode(old), &record::encode(&object)),
            Place::Session(number) => {
                let mut objects = self.session_objects.write();
                let kept = objects.kept.get_mut(&number).ok_or(Code::ObjectHandleInvalid)?;
                let same = Arc::ptr_eq(&kept.object, old);
                if same {
                    kept.object = Arc::new(object);
                }
                Ok(same)
            }
            Place::Builtin(_) => Err(builtin::fixed()),
        }
    }

    /// Removes an object; `CKR_OBJECT_HANDLE_INVALID` where it is gone.
    pub(crate) fn remove(&self, token: &Token, place: Place) -> Result<()> {
        match place {
            Place::Token(id) => token.remove(id),
            Place::Session(number) => {
                self.session_objects.write().remove(number).ok_or(Code::ObjectHandleInvalid)?;
                Ok(())
            }
            Place::Builtin(_) => Err(builtin::fixed()),
        }
    }
}

impl Session {
    /// The object that the handle names, as far as this session may see it; else `CKR_OBJECT_HANDLE_INVALID`.
    pub(crate) fn object(&self, handle: ObjectHandle) -> Result<(Place, Arc<Object>)> {
        self.shelf.named(&self.slot.token, handle)?.ok_or_else(|| Code::ObjectHandleInvalid.into())
    }

    /// The key that the handle names; else `CKR_KEY_HANDLE_INVALID`.
    pub(crate) fn key_object(&self, handle: ObjectHandle) -> Result<Arc<Object>> {
        let (_, object) = self.shelf.named(&self.slot.token, handle)?.ok_or(Code::KeyHandleInvalid)?;
        if object.key_type().is_none() {
            return Err(Code::KeyHandleInvalid.because("not a key"));
        }
        Ok(object)
    }

    /// Puts new objects where they belong, all or none: token objects in one transaction, session objects into this
    /// session, which cannot fail.
    pub(crate) fn put(&self, objects: Vec<Object>) -> Result<Vec<ObjectHandle>> {
        let records: Vec<_> = objects.iter().filter(|object| object.is_token()).map(record::encode).collect();
        let ids = if records.is_empty() { Vec::new() } else { self.slot.token.insert(&records)? };
        let mut ids = ids.into_iter();
        let mut handles = Vec::with_capacity(objects.len());
        for object in objects {
            let private = object.is_private();
            let place = if object.is_token() {
                let id = ids.next().ok_or_else(|| Code::GeneralError.because("the store lost an object"))?;
                Place::Token(id)
            } else {
                self.shelf.keep(self.number, object, || self.still_there(private))?
            };
            handles.push(self.shelf.handle(place, private));
        }
        Ok(handles)
    }

    /// Whether the session and, for a private object, the login are still what they were when the call began: another
    /// thread may have closed the one or ended the other.
    fn still_there(&self, private: bool) -> Result<()> {
        if self.is_closed() {
            return Err(Code::SessionClosed.because("another thread closed the session"));
        }
        if private && self.slot.token.login_state() != LoginState::User {
            return Err(Code::UserNotLoggedIn.because("another thread logged out"));
        }
        Ok(())
    }
}

/// Token objects that are kept open at most; past it all are let go.
const MOST_OPENED: usize = 4096;
/// Where a token object's handle counts logouts.
const LOGOUTS_SHIFT: u32 = 48;
/// What tells the handle of a built-in object from a session object's.
const BUILTIN: u64 = 1 << 63;
