//! From a completed template and a value to an object: the attributes that the library computes, and sealing.

use std::sync::Arc;

use mechanisms::ck::MechanismType;
use mechanisms::key::{Material, NewKey, Origin, PublicKey, Residency, Value};

use crate::attribute::AttributeType as A;
use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::object::model::{Holding, Object};
use crate::object::template::Draft;
use crate::object::{change, public, usage, value};
use crate::sessions::Session;
use crate::token::LoginState;
use crate::{Code, Result};

/// What the way a key came to be says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descent {
    /// `CKA_KEY_GEN_MECHANISM`, and so `CKA_LOCAL`, of a generated key.
    pub(crate) generated_by: Option<MechanismType>,
    /// Whether its value was always sensitive up to now: `CKA_ALWAYS_SENSITIVE`.
    pub(crate) always_sensitive: bool,
    /// Whether its value was never extractable up to now: `CKA_NEVER_EXTRACTABLE`.
    pub(crate) never_extractable: bool,
}

impl Descent {
    /// Made inside by a mechanism.
    pub(crate) fn generated(by: MechanismType) -> Self {
        Self { generated_by: Some(by), always_sensitive: true, never_extractable: true }
    }

    /// From outside.
    pub(crate) const IMPORTED: Self = Self { generated_by: None, always_sensitive: false, never_extractable: false };
}

/// A private or secret key from a draft, its completed attributes and its new value.
///
/// A permission that the value cannot have where it lives (design 4: a device key has the uses that it was made for) is
/// `CKR_TEMPLATE_INCONSISTENT` where the draft asks for it, and false where it is a default.
pub(crate) fn hidden_key(
    session: &Session,
    draft: &Draft,
    mut attributes: Attributes,
    new: NewKey,
    descent: Descent,
) -> Result<Object> {
    let (sensitive, extractable) = (attributes.flag(A::SENSITIVE), attributes.flag(A::EXTRACTABLE));
    attributes.set_number(A::KEY_TYPE, new.key_type.0);
    identify(&mut attributes)?;
    mark_descent(&mut attributes, descent);
    attributes.set_flag(A::ALWAYS_SENSITIVE, descent.always_sensitive && sensitive);
    attributes.set_flag(A::NEVER_EXTRACTABLE, descent.never_extractable && !extractable);
    attributes.set_number(A::AZIHSM_RESIDENCY, residency(new.residency));
    attributes.set_number(A::AZIHSM_ORIGIN, origin(new.origin));
    if let Some(len) = new.value_len {
        attributes.set_number(A::VALUE_LEN, len as u64);
    }
    if let Some(public) = &new.public {
        let family = match public {
            PublicKey::Rsa { .. } => Family::RsaPrivate,
            PublicKey::Ec { .. } => Family::EcPrivate,
        };
        public::describe(&mut attributes, family, public)?;
    }
    usage::remember(&mut attributes);
    let holding = match new.material {
        Material::Hsm(key, _) => Holding::Hsm(key),
        Material::Clear(value) => hold(session, &attributes, value)?,
        Material::Public(_) => return Err(Code::GeneralError.because("a public key where a hidden one was made")),
    };
    for kind in PERMISSIONS {
        if !attributes.flag(kind) || change::possible(draft.family, &holding, kind) {
            continue;
        }
        // Where the template names mechanisms, they decide which uses the key has.
        if draft.given.flag(kind) && !draft.given.has(A::ALLOWED_MECHANISMS) {
            forget(session, &holding);
            return Err(Code::TemplateInconsistent.because(format_args!("{kind:?}: the HSM key cannot do this")));
        }
        attributes.set_flag(kind, false);
    }
    Object::new(attributes, holding)
}

/// Lets the live device keys of an object go that is no more. Where this login has not used the device, there are none.
pub(crate) fn forget(session: &Session, holding: &Holding) {
    if let Holding::Hsm(key) = holding
        && let Some(partition) = session.slot.token.connected_partition()
    {
        partition.forget(key);
    }
}

/// Where a value outside the HSM goes: a session object that is not sensitive stays in zeroizing memory (design 4).
fn hold(session: &Session, attributes: &Attributes, value: Arc<Value>) -> Result<Holding> {
    if !attributes.flag(A::TOKEN) && !attributes.flag(A::SENSITIVE) {
        return Ok(Holding::Clear(value));
    }
    let unique_id = attributes.bytes(A::UNIQUE_ID).unwrap_or_default();
    Ok(Holding::Sealed(value::seal(&value, unique_id, &*session.slot.token.partition()?)?))
}

/// A public key from a completed template and its value.
pub(crate) fn public_key(
    mut attributes: Attributes,
    family: Family,
    key: &PublicKey,
    descent: Descent,
) -> Result<Object> {
    identify(&mut attributes)?;
    mark_descent(&mut attributes, descent);
    public::describe(&mut attributes, family, key)?;
    Object::new(attributes, Holding::None)
}

/// A data object or a certificate from a completed template.
pub(crate) fn plain(mut attributes: Attributes) -> Result<Object> {
    identify(&mut attributes)?;
    Object::new(attributes, Holding::None)
}

/// The same object under a new `CKA_UNIQUE_ID`, with changed attributes: `C_CopyObject`.
pub(crate) fn copied(session: &Session, original: &Object, mut attributes: Attributes) -> Result<Object> {
    identify(&mut attributes)?;
    let holding = match &original.holding {
        Holding::Sealed(_) | Holding::Clear(_) => {
            hold(session, &attributes, value::open(original, &session.slot.token)?)?
        }
        holding => holding.clone(),
    };
    Object::new(attributes, holding)
}

/// Whether this session may make, change or destroy an object with these attributes (PKCS#11 v3.2, 4.4 and 5.6.5):
///
/// | | R/O session | R/W public or SO | R/W user |
/// |---|---|---|---|
/// | public session object | yes | yes | yes |
/// | public token object | `CKR_SESSION_READ_ONLY` | yes | yes |
/// | private session object | user only | `CKR_USER_NOT_LOGGED_IN` | yes |
/// | private token object | `CKR_SESSION_READ_ONLY` | `CKR_USER_NOT_LOGGED_IN` | yes |
pub(crate) fn may_write(session: &Session, attributes: &Attributes) -> Result<()> {
    let user = session.slot.token.login_state() == LoginState::User;
    writable(attributes, session.read_write, user)
}

fn writable(attributes: &Attributes, read_write: bool, user: bool) -> Result<()> {
    if attributes.flag(A::TOKEN) && !read_write {
        return Err(Code::SessionReadOnly.into());
    }
    if attributes.flag(A::PRIVATE) && !user {
        return Err(Code::UserNotLoggedIn.into());
    }
    Ok(())
}

fn mark_descent(attributes: &mut Attributes, descent: Descent) {
    attributes.set_flag(A::LOCAL, descent.generated_by.is_some());
    let mechanism = descent.generated_by.map_or(cryptoki_sys::CK_UNAVAILABLE_INFORMATION, |kind| kind.0);
    attributes.set_number(A::KEY_GEN_MECHANISM, mechanism);
}

/// `CKA_UNIQUE_ID`: a random UUID (RFC 9562, version 4) as text.
fn identify(attributes: &mut Attributes) -> Result<()> {
    let mut random = [0; 16];
    mechanisms::random::fill(&mut random)?;
    random[6] = (random[6] & 0x0f) | 0x40;
    random[8] = (random[8] & 0x3f) | 0x80;
    let mut text = Vec::with_capacity(36);
    for (at, byte) in random.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        text.extend([byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]));
    }
    attributes.set(A::UNIQUE_ID, text);
    Ok(())
}

/// The vendor attribute's number.
pub(crate) fn residency(residency: Residency) -> u64 {
    match residency {
        Residency::Hsm => 1,
        Residency::Sealed => 2,
    }
}

/// The vendor attribute's number.
pub(crate) fn origin(origin: Origin) -> u64 {
    match origin {
        Origin::Device => 1,
        Origin::Library => 2,
        Origin::Imported => 3,
    }
}

/// What `change::possible` knows of; `CKA_WRAP` and its like go with `CKA_ENCRYPT`.
const PERMISSIONS: [A; 6] = [A::SIGN, A::SIGN_RECOVER, A::VERIFY, A::ENCRYPT, A::DECRYPT, A::DERIVE];
const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_what() {
        for (token, private, read_write, user, code) in [
            (false, false, false, false, None),
            (true, false, false, false, Some(Code::SessionReadOnly)),
            (true, false, true, false, None),
            (false, true, false, true, None),
            (false, true, true, false, Some(Code::UserNotLoggedIn)),
            (true, true, false, true, Some(Code::SessionReadOnly)),
            (true, true, true, false, Some(Code::UserNotLoggedIn)),
            (true, true, true, true, None),
        ] {
            let mut attributes = Attributes::default();
            attributes.set_flag(A::TOKEN, token);
            attributes.set_flag(A::PRIVATE, private);
            let outcome = writable(&attributes, read_write, user).err().map(|error| error.code());
            assert_eq!(outcome, code, "token {token} private {private} rw {read_write} user {user}");
        }
    }

    #[test]
    fn unique_ids_are_uuids() {
        let (mut one, mut two) = (Attributes::default(), Attributes::default());
        identify(&mut one).unwrap();
        identify(&mut two).unwrap();
        let text = one.bytes(A::UNIQUE_ID).unwrap();
        assert_eq!((text.len(), text[8], text[14], text[23]), (36, b'-', b'4', b'-'));
        assert!(matches!(text[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(one, two);
    }
}
