//! `C_DeriveKey`.

use mechanisms::ck::{KeyType, ObjectClass};
use mechanisms::params::Mechanism;
use mechanisms::table::{Derivation, Derived, Row};

use super::implied;
use crate::attribute::family::Family;
use crate::attribute::{AttributeType as A, Template, nested};
use crate::call::{Argument, ObjectHandle, SessionHandle};
use crate::library::Library;
use crate::object::birth::{self, Descent};
use crate::object::model::Object;
use crate::object::template::{self, Birth, Draft, Implied};
use crate::object::usage;
use crate::operation::{self, Permitted, Purpose, permitted, row};
use crate::sessions::Session;
use crate::{Code, Result};

/// `C_DeriveKey`.
pub fn derive(
    session: SessionHandle,
    mechanism: Argument<Mechanism>,
    base: ObjectHandle,
    template: Argument<Template>,
) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = mechanism?;
    let (row, derive) = row(&mechanism, |row| row.derive)?;
    let template = template?;
    let base = permitted(&session, base, row, Purpose::Derive)?;
    let others: Vec<_> = mechanism
        .params
        .other_keys(mechanism.kind)
        .into_iter()
        .map(|handle| other(&session, row, ObjectHandle(handle)))
        .collect::<Result<_>>()?;
    usage::may_derive(row, &base.object, library.config.allow_conflicting_usage)?;
    let bases: Vec<_> = std::iter::once(&base).chain(&others).map(|base| &*base.object).collect();
    let mut template = nested::merged(template, base.object.attributes.bytes(A::DERIVE_TEMPLATE))?;
    if row.derives_bits_of_base {
        // The first is no more of a base key than the others.
        for base in &bases[1..] {
            template = nested::merged(template, base.attributes.bytes(A::DERIVE_TEMPLATE))?;
        }
    }
    let mut draft = draft(&session, row, &base.object, &template)?;
    if row.derives_bits_of_base {
        usage::inherit(&mut draft, &bases, library.config.allow_conflicting_usage)?;
    }
    let attributes = draft.complete()?;
    birth::may_write(&session, &attributes)?;
    let all = |kind| bases.iter().all(|base| base.attributes.flag(kind));
    let descent = Descent {
        generated_by: None,
        always_sensitive: all(A::ALWAYS_SENSITIVE),
        never_extractable: all(A::NEVER_EXTRACTABLE),
    };
    let mut request = template::request(&attributes, draft.family, &library.config)?;
    if draft.family == Family::Data {
        request.value_len = value_len(&template)?;
    }
    request.base_is_open = bases.iter().all(|base| !base.hides_value());
    base.spend_authentication(&session)?;
    let partition = session.partition()?;
    let keys: Vec<_> = others.iter().map(|other| other.key.clone()).collect();
    let from = Derivation {
        params: &mechanism.params,
        base: &base.key,
        others: &keys,
        request: &request,
        partition: partition.as_ref(),
    };
    let contradiction = || Code::TemplateInconsistent.because("the mechanism makes no object of that class");
    let object = match (derive(&from)?, draft.family) {
        (Derived::Key(new), family) if family.is_hidden() => {
            birth::hidden_key(&session, &draft, attributes, new, descent)?
        }
        (Derived::Public(key), family @ (Family::RsaPublic | Family::EcPublic)) => {
            birth::public_key(attributes, family, &key, Descent::IMPORTED)?
        }
        (Derived::Data(value), Family::Data) => {
            let mut attributes = attributes;
            attributes.set(A::VALUE, value.to_vec());
            birth::plain(attributes)?
        }
        _ => return Err(contradiction()),
    };
    session.put_one(object)
}

/// Another key that the parameter names: it may be of another type than the mechanism's, but it must be for deriving.
fn other(session: &Session, row: &Row, handle: ObjectHandle) -> Result<Permitted> {
    let object = session.key_object(handle)?;
    if !object.attributes.flag(A::DERIVE) {
        return Err(Code::KeyFunctionNotPermitted.because("CKA_DERIVE of the other key is not true"));
    }
    if object.attributes.flag(A::ALWAYS_AUTHENTICATE) {
        return Err(Code::UserNotLoggedIn.because("CKA_ALWAYS_AUTHENTICATE of the other key"));
    }
    if !operation::allows(&object, row.kind) {
        return Err(Code::MechanismInvalid.because("CKA_ALLOWED_MECHANISMS of the other key"));
    }
    Permitted::of(session, object)
}

/// The draft of what the mechanism makes.
fn draft(session: &Session, row: &Row, base: &Object, template: &Template) -> Result<Draft> {
    match row.derives {
        ObjectClass::PUBLIC_KEY => {
            let implied = implied(session, ObjectClass::PUBLIC_KEY, base.key_type());
            let mut draft = Draft::new(template, Birth::Derive, implied)?;
            as_private(&mut draft, base);
            Ok(draft)
        }
        ObjectClass::DATA => {
            let template: Vec<_> =
                template.iter().filter(|attribute| attribute.kind != A::VALUE_LEN).cloned().collect();
            let implied = Implied { class: Some(ObjectClass::DATA), ..session.implied() };
            let mut draft = Draft::new(&template, Birth::Derive, implied)?;
            // What comes of a private key is no less private, unless the template says so.
            if base.is_private() && !draft.given.has(A::PRIVATE) {
                draft.given.set_flag(A::PRIVATE, true);
            }
            Ok(draft)
        }
        _ => {
            let asked = template::read(template)?.number(A::KEY_TYPE).map(KeyType);
            let key_type = asked.unwrap_or(KeyType::GENERIC_SECRET);
            let implied = implied(session, ObjectClass::SECRET_KEY, Some(key_type));
            let mut draft = Draft::new(template, Birth::Derive, implied)?;
            // An ECDH secret is for deriving from: in the HSM it can do nothing else (semantics 5.3).
            let uses = [A::SIGN, A::VERIFY, A::ENCRYPT, A::DECRYPT, A::WRAP, A::UNWRAP, A::DERIVE];
            if row.derives_for_deriving
                && key_type == KeyType::GENERIC_SECRET
                && !uses.iter().any(|kind| draft.given.has(*kind))
            {
                draft.given.set_flag(A::DERIVE, true);
            }
            Ok(draft)
        }
    }
}

/// The length of derived data: the template says it in an attribute that data objects do not have (6.62.3, 6.62.4).
fn value_len(template: &Template) -> Result<Option<usize>> {
    let len = template::read(template)?.number(A::VALUE_LEN).map(usize::try_from).transpose();
    len.map_err(|_| template::about(Code::AttributeValueInvalid, A::VALUE_LEN))
}

/// What a public key has of its private key where the template says nothing (6.43.8).
fn as_private(draft: &mut Draft, private: &Object) {
    let from = &private.attributes;
    for (public, private) in TWINS {
        if !draft.given.has(public) {
            draft.given.set_flag(public, from.flag(private));
        }
    }
    for kind in [A::ID, A::START_DATE, A::END_DATE, A::SUBJECT, A::ALLOWED_MECHANISMS] {
        if let Some(value) = from.bytes(kind)
            && !draft.given.has(kind)
        {
            draft.given.set(kind, value.to_vec());
        }
    }
}

/// A permission of a public key, and the one of the private key that goes with it.
const TWINS: [(A, A); 5] = [
    (A::ENCRYPT, A::DECRYPT),
    (A::VERIFY, A::SIGN),
    (A::VERIFY_RECOVER, A::SIGN_RECOVER),
    (A::WRAP, A::UNWRAP),
    (A::DERIVE, A::DERIVE),
];
