//! `C_EncapsulateKey`, `C_DecapsulateKey`: for every mechanism whose row has them.

use mechanisms::ck::{KeyType, ObjectClass};
use mechanisms::key::{NewKey, Policy};
use mechanisms::params::Mechanism;
use mechanisms::table::Derivation;
use zeroize::Zeroizing;

use super::implied;
use crate::Result;
use crate::attribute::set::Attributes;
use crate::attribute::{AttributeType as A, Template};
use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::library::Library;
use crate::object::birth::{self, Descent};
use crate::object::template::{self, Birth, Draft};
use crate::operation::{Purpose, permitted, row};
use crate::sessions::Session;

/// `C_EncapsulateKey`: the ciphertext, and the new key where the ciphertext was made.
pub fn encapsulate(
    session: SessionHandle,
    mechanism: Argument<Mechanism>,
    public: ObjectHandle,
    template: Argument<Template>,
    room: Argument<Room>,
) -> Result<(Reply, Option<ObjectHandle>)> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = mechanism?;
    let (row, encapsulate) = row(&mechanism, |row| row.encapsulate)?;
    let public = permitted(&session, public, row, Purpose::Encapsulate)?;
    let new = Shared::new(&library, &session, &template?)?;
    if let Some(reply) = room?.settled((encapsulate.ciphertext_len)(&mechanism.params, &public.key)?) {
        return Ok((reply, None));
    }
    let partition = session.partition()?;
    let made = (encapsulate.run)(&Derivation {
        params: &mechanism.params,
        base: &public.key,
        others: &[],
        request: &new.request,
        partition: partition.as_ref(),
    })?;
    let handle = new.put(made.key)?;
    Ok((Reply::Bytes(Zeroizing::new(made.ciphertext)), Some(handle)))
}

/// `C_DecapsulateKey`.
pub fn decapsulate(
    session: SessionHandle,
    mechanism: Argument<Mechanism>,
    private: ObjectHandle,
    template: Argument<Template>,
    ciphertext: Argument<&[u8]>,
) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = mechanism?;
    let (row, decapsulate) = row(&mechanism, |row| row.decapsulate)?;
    let private = permitted(&session, private, row, Purpose::Decapsulate)?;
    let new = Shared::new(&library, &session, &template?)?;
    let ciphertext = ciphertext?;
    private.spend_authentication(&session)?;
    let partition = session.partition()?;
    let base = Derivation {
        params: &mechanism.params,
        base: &private.key,
        others: &[],
        request: &new.request,
        partition: partition.as_ref(),
    };
    new.put(decapsulate(&base, ciphertext)?)
}

/// A shared key that is to be made.
struct Shared<'a> {
    session: &'a Session,
    draft: Draft,
    attributes: Attributes,
    request: mechanisms::key::KeyRequest,
}

impl<'a> Shared<'a> {
    fn new(library: &Library, session: &'a Session, template: &Template) -> Result<Self> {
        let asked = template::read(template)?.number(A::KEY_TYPE).map(KeyType);
        let key_type = asked.unwrap_or(KeyType::GENERIC_SECRET);
        let implied = implied(session, ObjectClass::SECRET_KEY, Some(key_type));
        let mut draft = Draft::new(template, Birth::Derive, implied)?;
        // 5.18.8: "with a default of CK_TRUE if not provided"; under policy strict nothing can leave.
        if !draft.given.has(A::EXTRACTABLE) {
            draft.given.set_flag(A::EXTRACTABLE, library.config.policy == Policy::Standard);
        }
        let attributes = draft.complete()?;
        birth::may_write(session, &attributes)?;
        let request = template::request(&attributes, draft.family, &library.config)?;
        Ok(Self { session, draft, attributes, request })
    }

    fn put(&self, new: NewKey) -> Result<ObjectHandle> {
        let attributes = self.attributes.clone();
        self.session.put_one(birth::hidden_key(self.session, &self.draft, attributes, new, Descent::IMPORTED)?)
    }
}
