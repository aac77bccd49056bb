//! Object management: `C_CreateObject` to `C_FindObjectsFinal`.
//!
//! | Room | What it is |
//! |---|---|
//! | `model` | an object in memory |
//! | `template` | templates checked by the attribute table and completed with its defaults |
//! | `builtin` | objects that nobody made: the partition's unwrapping key |
//! | `birth` | from a completed template and a value to an object; who may write what |
//! | `change` | what `C_SetAttributeValue` and `C_CopyObject` may change |
//! | `usage` | which uses of one key may stand beside each other |
//! | `value`, `public` | key values and public keys in attributes |
//! | `read`, `search` | reading and comparing attributes, finding objects |
//! | `shelf` | the objects of one slot in this process, handles |
//! | `record` | an object as bytes |

pub(crate) mod birth;
pub(crate) mod builtin;
pub(crate) mod change;
mod facts;
pub(crate) mod model;
pub(crate) mod public;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod search;
pub(crate) mod shelf;
pub(crate) mod template;
pub(crate) mod usage;
pub(crate) mod value;

use std::sync::Arc;

use transport::partition::Partition;
use zeroize::Zeroizing;

use crate::attribute::family::Family;
use crate::attribute::{AttributeType, Template};
use crate::call::{Argument, ObjectHandle, Room, SessionHandle};
use crate::library::Library;
use crate::object::birth::Descent;
use crate::object::change::Change;
use crate::object::model::{Holding, Object};
use crate::object::template::{Birth, Draft, Implied, about};
use crate::sessions::Session;
use crate::token::LoginState;
use crate::{Code, Result};

/// What the caller has room for, of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeRoom {
    /// A value; of an array of attributes, a query for its length.
    Value(Room),
    /// Elements of an array of attributes.
    Array(Vec<Room>),
}

impl From<Room> for AttributeRoom {
    fn from(room: Room) -> Self {
        Self::Value(room)
    }
}

/// The answer for one attribute of `C_GetAttributeValue` (PKCS#11 v3.2, 5.7.5): each has its own result.
#[derive(Debug)]
pub enum AttributeReply {
    /// The length, for a null `pValue`.
    Length(usize),
    /// The value, which fits.
    Value(Zeroizing<Vec<u8>>),
    /// The elements of an array of attributes, for each of which there is a place: with a reply of its own.
    Array(Vec<(AttributeType, AttributeReply)>),
    /// Sensitive, unknown or too small: `ulValueLen` becomes `CK_UNAVAILABLE_INFORMATION`.
    Unavailable,
}

/// `C_CreateObject`.
pub fn create(session: SessionHandle, template: Argument<Template>) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mut draft = Draft::new(&template?, Birth::Create, session.implied())?;
    let family = draft.family;
    let value = value::take(family, &mut draft.given)?;
    let check_value =
        draft.given.bytes(AttributeType::CHECK_VALUE).filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
    if check_value.is_some() {
        draft.given.remove(AttributeType::CHECK_VALUE);
    }
    let attributes = draft.complete()?;
    birth::may_write(&session, &attributes)?;
    let object = match (family, value) {
        (_, Some(value)) => {
            let request = template::request(&attributes, family, &library.config)?;
            let new = library.ivs.import(value, &request, session.partition()?.as_ref())?;
            birth::hidden_key(&session, &draft, attributes, new, Descent::IMPORTED)?
        }
        (Family::RsaPublic, None) => {
            let bytes = |kind| attributes.bytes(kind).unwrap_or_default();
            let key = mechanisms::rsa::public(bytes(AttributeType::MODULUS), bytes(AttributeType::PUBLIC_EXPONENT))?;
            birth::public_key(attributes, family, &key, Descent::IMPORTED)?
        }
        (Family::EcPublic, None) => {
            let point = attributes.bytes(AttributeType::EC_POINT).unwrap_or_default();
            let key = mechanisms::ec::public(public::curve(&attributes)?, point)?;
            birth::public_key(attributes, family, &key, Descent::IMPORTED)?
        }
        (_, None) => birth::plain(attributes)?,
    };
    // 4.6.2, 4.11.1: a check value that is given must be right.
    if let Some(given) = check_value {
        let computed = read::check_value(&object, &session.slot.token)?;
        if !computed.is_empty() && computed != given {
            return Err(about(Code::AttributeValueInvalid, AttributeType::CHECK_VALUE));
        }
    }
    session.put_one(object)
}

/// `C_CopyObject`.
pub fn copy(session: SessionHandle, object: ObjectHandle, template: Argument<Template>) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let (_, original) = session.object(object)?;
    let template = template?;
    if !original.attributes.flag(AttributeType::COPYABLE) {
        return Err(about(Code::ActionProhibited, AttributeType::COPYABLE));
    }
    let mut attributes = change::changed(&original, &template, Change::Copy, session.is_security_officer())?;
    usage::change(&original, &mut attributes, library.config.allow_conflicting_usage)?;
    birth::may_write(&session, &attributes)?;
    session.put_one(birth::copied(&session, &original, attributes)?)
}

/// `C_DestroyObject`.
pub fn destroy(session: SessionHandle, object: ObjectHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let (place, object) = session.object(object)?;
    birth::may_write(&session, &object.attributes)?;
    if !object.attributes.flag(AttributeType::DESTROYABLE) {
        return Err(about(Code::ActionProhibited, AttributeType::DESTROYABLE));
    }
    session.shelf.remove(&session.slot.token, place)?;
    birth::forget(&session, &object.holding);
    Ok(())
}

/// `C_GetObjectSize`, bytes.
pub fn size(session: SessionHandle, object: ObjectHandle) -> Result<u64> {
    let (_, object) = Library::current()?.sessions.get(session)?.object(object)?;
    Ok(record::size(&object) as u64)
}

/// `C_GetAttributeValue`: a reply for each wanted attribute, in order, and the code of the whole call
/// (`CKR_ATTRIBUTE_SENSITIVE`, `CKR_ATTRIBUTE_TYPE_INVALID`, `CKR_BUFFER_TOO_SMALL`) where not all could be given.
pub fn attributes(
    session: SessionHandle,
    object: ObjectHandle,
    wanted: Argument<Vec<(AttributeType, AttributeRoom)>>,
) -> Result<(Vec<AttributeReply>, Option<Code>)> {
    let session = Library::current()?.sessions.get(session)?;
    let (_, object) = session.object(object)?;
    read::all(&object, &wanted?, &session.slot.token)
}

/// `C_SetAttributeValue`.
pub fn set_attributes(session: SessionHandle, object: ObjectHandle, template: Argument<Template>) -> Result<()> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let allow = library.config.allow_conflicting_usage;
    let mut known = session.object(object)?;
    let template = template?;
    // Another thread or process may change the object between our look and our change; each time, one of us gets ahead.
    for _ in 0..MOST_LOOKS {
        let (place, old) = &known;
        let new = with_attributes(&session, old, &template, allow)?;
        if session.shelf.replace(&session.slot.token, *place, old, new)? {
            return Ok(());
        }
        known = session.object(object)?;
    }
    Err(Code::FunctionFailed.because("others keep changing the object"))
}

fn with_attributes(session: &Session, object: &Object, template: &Template, allow_conflicts: bool) -> Result<Object> {
    birth::may_write(session, &object.attributes)?;
    if !object.attributes.flag(AttributeType::MODIFIABLE) {
        return Err(about(Code::ActionProhibited, AttributeType::MODIFIABLE));
    }
    let mut attributes = change::changed(object, template, Change::Set, session.is_security_officer())?;
    usage::change(object, &mut attributes, allow_conflicts)?;
    let holding = match &object.holding {
        // A clear value becomes sensitive: from now on it is sealed.
        Holding::Clear(value) if attributes.flag(AttributeType::SENSITIVE) => {
            Holding::Sealed(value::seal(value, object.unique_id(), &*session.slot.token.partition()?)?)
        }
        holding => holding.clone(),
    };
    Object::new(attributes, holding)
}

/// `C_FindObjectsInit`.
pub fn find_init(session: SessionHandle, template: Argument<Template>) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    if operations.search.is_some() {
        return Err(Code::OperationActive.into());
    }
    operations.search = Some(search::handles(&session, &template?)?);
    Ok(())
}

/// `C_FindObjects`: at most `max` more handles.
pub fn find(session: SessionHandle, max: usize) -> Result<Vec<ObjectHandle>> {
    let session = Library::current()?.sessions.get(session)?;
    let mut operations = session.operations();
    let search = operations.search.as_mut().ok_or(Code::OperationNotInitialized)?;
    let count = max.min(search.len());
    Ok(search.drain(..count).collect())
}

/// `C_FindObjectsFinal`.
pub fn find_final(session: SessionHandle) -> Result<()> {
    let session = Library::current()?.sessions.get(session)?;
    let ended = session.operations().search.take();
    ended.map(drop).ok_or_else(|| Code::OperationNotInitialized.into())
}

impl Session {
    /// What this session says of every object that it makes.
    pub(crate) fn implied(&self) -> Implied {
        Implied { security_officer: self.is_security_officer(), ..Implied::default() }
    }

    /// Whether the SO is logged in.
    pub(crate) fn is_security_officer(&self) -> bool {
        self.slot.token.login_state() == LoginState::SecurityOfficer
    }

    /// The partition, or `None` while nobody is logged in.
    pub(crate) fn partition(&self) -> Result<Option<Arc<Partition>>> {
        match self.slot.token.login_state() {
            LoginState::Public => Ok(None),
            LoginState::User | LoginState::SecurityOfficer => self.slot.token.partition().map(Some),
        }
    }

    /// Puts one new object where it belongs.
    pub(crate) fn put_one(&self, object: Object) -> Result<ObjectHandle> {
        let handle = self.put(vec![object])?.pop();
        handle.ok_or_else(|| Code::GeneralError.because("the store lost an object"))
    }
}

/// How often a change is tried again because somebody else changed the object first.
const MOST_LOOKS: usize = 100;
