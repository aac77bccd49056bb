//! `C_GenerateKey`, `C_GenerateKeyPair`.

use mechanisms::ck::ObjectClass;
use mechanisms::key::KeyRequest;
use mechanisms::params::Mechanism;

use super::{implied, key_type};
use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::attribute::{AttributeType as A, Template};
use crate::call::{Argument, ObjectHandle, SessionHandle};
use crate::library::Library;
use crate::object::birth::{self, Descent};
use crate::object::template::{self, Birth, Draft};
use crate::object::{public, usage};
use crate::operation::row;
use crate::{Code, Result};

/// `C_GenerateKey`.
pub fn generate(
    session: SessionHandle,
    mechanism: Argument<Mechanism>,
    template: Argument<Template>,
) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = mechanism?;
    let (row, generate) = row(&mechanism, |row| row.generate)?;
    let template = template?;
    let implied = implied(&session, ObjectClass::SECRET_KEY, key_type(&template, row)?);
    let draft = Draft::new(&template, Birth::Generate, implied)?;
    let attributes = draft.complete()?;
    birth::may_write(&session, &attributes)?;
    let request = template::request(&attributes, draft.family, &library.config)?;
    let new = generate(&mechanism.params, &request, &session.slot.token.partition()?)?;
    session.put_one(birth::hidden_key(&session, &draft, attributes, new, Descent::generated(mechanism.kind))?)
}

/// `C_GenerateKeyPair`: the public and the private key.
pub fn generate_pair(
    session: SessionHandle,
    mechanism: Argument<Mechanism>,
    public: Argument<Template>,
    private: Argument<Template>,
) -> Result<(ObjectHandle, ObjectHandle)> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = mechanism?;
    let (row, generate) = row(&mechanism, |row| row.generate_pair)?;
    let (public, private) = (public?, private?);
    let key_type = row.keys.first().copied();
    let half = |template: &Template, class| Draft::new(template, Birth::Generate, implied(&session, class, key_type));
    let (mut public, mut private) =
        (half(&public, ObjectClass::PUBLIC_KEY)?, half(&private, ObjectClass::PRIVATE_KEY)?);
    // "The key identifier for a public key and its corresponding private key should be the same" (4.8).
    let id = private.given.bytes(A::ID).or(public.given.bytes(A::ID)).map(<[u8]>::to_vec);
    for half in [&mut public.given, &mut private.given] {
        if let Some(id) = &id
            && !half.has(A::ID)
        {
            half.set(A::ID, id.clone());
        }
    }
    let family = public.family;
    if family == Family::RsaPublic {
        usage::pair_for_wrapping(&public.given, &mut private.given);
    }
    let (mut public, attributes) = (public.complete()?, private.complete()?);
    birth::may_write(&session, &public)?;
    birth::may_write(&session, &attributes)?;
    let request = pair_request(&public, template::request(&attributes, private.family, &library.config)?)?;
    let new = generate(&mechanism.params, &request, &session.slot.token.partition()?)?;
    let key = new.public.clone().ok_or_else(|| Code::GeneralError.because("a pair without a public half"))?;
    let descent = Descent::generated(mechanism.kind);
    // What the template asked for is now what the key is: it is described anew.
    for kind in [A::MODULUS_BITS, A::PUBLIC_EXPONENT, A::EC_PARAMS] {
        public.remove(kind);
    }
    let public = birth::public_key(public, family, &key, descent)?;
    let private = birth::hidden_key(&session, &private, attributes, new, descent)?;
    match session.put(vec![public, private])?[..] {
        [public, private] => Ok((public, private)),
        _ => Err(Code::GeneralError.because("the store lost an object")),
    }
}

/// What the public template adds to the request for a pair.
fn pair_request(public: &Attributes, mut request: KeyRequest) -> Result<KeyRequest> {
    if let Some(bits) = public.number(A::MODULUS_BITS) {
        request.modulus_bits = Some(usize::try_from(bits).map_err(|_| Code::KeySizeRange)?);
    }
    request.public_exponent = public.bytes(A::PUBLIC_EXPONENT).map(<[u8]>::to_vec);
    if public.has(A::EC_PARAMS) {
        request.curve = Some(public::curve(public)?);
    }
    Ok(request)
}
