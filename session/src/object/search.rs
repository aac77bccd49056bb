//! Finding objects: `C_FindObjectsInit` takes a snapshot of the handles that match (PKCS#11 v3.2, 5.7.7).

use std::collections::VecDeque;

use mechanisms::ck::{KeyType, ObjectClass};

use crate::Result;
use crate::attribute::set::Attributes;
use crate::attribute::{Attribute, AttributeType as A, AttributeValue, table};
use crate::call::ObjectHandle;
use crate::object::model::Object;
use crate::object::shelf::Place;
use crate::object::{read, template};
use crate::sessions::Session;
use crate::token::{LoginState, Search, Token};

/// What a template asks for.
#[derive(Debug)]
struct Wanted {
    /// `CKA_TOKEN`, where it is given.
    token: Option<bool>,
    /// What the store narrows by.
    search: Search,
    /// What is left to compare on an opened object.
    rest: Attributes,
}

/// The handles of the objects that match and that the session may see: token objects, then session objects.
pub(crate) fn handles(session: &Session, template: &[Attribute]) -> Result<VecDeque<ObjectHandle>> {
    let Some(wanted) = Wanted::of(template) else { return Ok(VecDeque::new()) };
    let token = &session.slot.token;
    let mut found = VecDeque::new();
    if wanted.token != Some(false) {
        let mut ids = token.search(&wanted.search)?;
        // A record is opened only where the store could not decide.
        if !wanted.rest.is_empty() {
            let mut matching = Vec::new();
            for id in ids {
                if matches(session, Place::Token(id), &wanted.rest)? {
                    matching.push(id);
                }
            }
            ids = matching;
        }
        found.extend(session.shelf.handles(token, ids)?);
    }
    if wanted.token != Some(true) {
        let user = token.login_state() == LoginState::User;
        for (place, object) in session.shelf.session_objects() {
            if (user || !object.is_private())
                && wanted.narrowed(&object.attributes)
                && all_match(&object, &wanted.rest, token)?
            {
                found.push_back(session.shelf.handle(place, object.is_private()));
            }
        }
    }
    found.extend(builtins(session, &wanted)?);
    Ok(found)
}

/// The built-in objects that match: last, so that whoever takes the first key gets one of his own. The device is asked only
/// where the search is for what the device alone knows.
fn builtins(session: &Session, wanted: &Wanted) -> Result<Vec<ObjectHandle>> {
    let token = &session.slot.token;
    let user = token.login_state() == LoginState::User;
    let mut found = Vec::new();
    for (place, builtin) in session.shelf.builtins() {
        // 4.3, 4.14: hardware features and mechanisms are found by those only who ask for their class.
        let shy = [ObjectClass::HW_FEATURE, ObjectClass::MECHANISM].map(|class| Some(class.0));
        let unasked = wanted.search.class.is_none() && shy.contains(&builtin.known.number(A::CLASS));
        if unasked || (builtin.is_private() && !user) || !wanted.could_be(&builtin.known) {
            continue;
        }
        let known = wanted.rest.iter().all(|(kind, value)| builtin.known.bytes(kind) == Some(value));
        if known || (!builtin.is_known() && all_match(&*builtin.object(token)?, &wanted.rest, token)?) {
            found.push(session.shelf.handle(place, builtin.is_private()));
        }
    }
    Ok(found)
}

impl Wanted {
    /// `None` where nothing can match: an attribute given twice with two values, or a value no object can have.
    fn of(template: &[Attribute]) -> Option<Self> {
        let mut wanted = Self { token: None, search: Search::default(), rest: Attributes::default() };
        for attribute in template {
            let Attribute { kind, value } = attribute;
            let AttributeValue::Bytes(bytes) = value else {
                // Compared as it is stored.
                let stored = template::read(std::slice::from_ref(attribute)).ok()?;
                wanted.rest.set(*kind, stored.bytes(*kind)?);
                continue;
            };
            let number = || <[u8; 8]>::try_from(bytes.as_slice()).ok().map(u64::from_le_bytes);
            match *kind {
                A::TOKEN => {
                    let token = match bytes.as_slice() {
                        [0] => false,
                        [_] => true,
                        _ => return None,
                    };
                    once(&mut wanted.token, token)?;
                }
                A::CLASS => once(&mut wanted.search.class, ObjectClass(number()?))?,
                A::KEY_TYPE => once(&mut wanted.search.key_type, KeyType(number()?))?,
                A::LABEL => once(&mut wanted.search.label, bytes.to_vec())?,
                // Objects without the attribute have an empty column; only the object itself tells them apart.
                A::ID if !bytes.is_empty() => once(&mut wanted.search.id, bytes.to_vec())?,
                kind => {
                    let bytes = table::stored(kind, bytes);
                    if wanted.rest.bytes(kind).is_some_and(|before| before != bytes) {
                        return None;
                    }
                    wanted.rest.set(kind, bytes);
                }
            }
        }
        Some(wanted)
    }

    /// What [`Search`] does, for a session object.
    fn narrowed(&self, attributes: &Attributes) -> bool {
        let is = |kind, wanted: Option<&[u8]>| wanted.is_none_or(|wanted| attributes.bytes(kind) == Some(wanted));
        let number = |kind, wanted: Option<u64>| wanted.is_none_or(|wanted| attributes.number(kind) == Some(wanted));
        number(A::CLASS, self.search.class.map(|class| class.0))
            && number(A::KEY_TYPE, self.search.key_type.map(|key_type| key_type.0))
            && is(A::LABEL, self.search.label.as_deref())
            && is(A::ID, self.search.id.as_deref())
    }

    /// The same for a built-in object, of any kind; one whose attributes contradict `rest` is out, too.
    fn could_be(&self, known: &Attributes) -> bool {
        self.narrowed(known)
            && self.token.is_none_or(|token| known.has(A::TOKEN) && known.flag(A::TOKEN) == token)
            && self.rest.iter().all(|(kind, value)| known.bytes(kind).is_none_or(|now| now == value))
    }
}

fn once<T: PartialEq>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.as_ref().is_some_and(|before| *before != value) {
        return None;
    }
    *place = Some(value);
    Some(())
}

/// An object that went since the store answered does not match, nor does one that somebody tampered with.
fn matches(session: &Session, place: Place, rest: &Attributes) -> Result<bool> {
    match session.shelf.sound_object(&session.slot.token, place)? {
        Some(object) => all_match(&object, rest, &session.slot.token),
        None => Ok(false),
    }
}

fn all_match(object: &Object, rest: &Attributes, token: &Token) -> Result<bool> {
    for (kind, wanted) in rest.iter() {
        if !read::matches(object, kind, wanted, token)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: A, value: &[u8]) -> Attribute {
        Attribute { kind, value: AttributeValue::Bytes(value.to_vec().into()) }
    }

    #[test]
    fn indexed_attributes_leave_nothing_to_compare() {
        let wanted = Wanted::of(&[
            bytes(A::TOKEN, &[1]),
            bytes(A::CLASS, &ObjectClass::PRIVATE_KEY.0.to_le_bytes()),
            bytes(A::KEY_TYPE, &KeyType::EC.0.to_le_bytes()),
            bytes(A::ID, &[7]),
            bytes(A::LABEL, b"x"),
        ])
        .unwrap();
        assert!(wanted.rest.is_empty());
        assert_eq!((wanted.token, wanted.search.class), (Some(true), Some(ObjectClass::PRIVATE_KEY)));
        assert_eq!((wanted.search.id.as_deref(), wanted.search.label.as_deref()), (Some(&[7][..]), Some(&b"x"[..])));
    }

    #[test]
    fn what_cannot_be_matches_nothing() {
        assert!(Wanted::of(&[bytes(A::CLASS, &[1])]).is_none());
        assert!(Wanted::of(&[bytes(A::ID, &[1]), bytes(A::ID, &[2])]).is_none());
        assert!(Wanted::of(&[bytes(A::SIGN, &[1]), bytes(A::SIGN, &[0])]).is_none());
        assert!(Wanted::of(&[bytes(A::SIGN, &[1]), bytes(A::SIGN, &[1])]).is_some());
    }

    #[test]
    fn an_empty_id_is_compared_on_the_object() {
        let wanted = Wanted::of(&[bytes(A::ID, &[])]).unwrap();
        assert!(wanted.search.id.is_none() && wanted.rest.has(A::ID));
    }
}
