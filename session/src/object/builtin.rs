//! Objects that are there without anybody having made them: no store holds them, nobody can change, copy or destroy them.
//!
//! To add one, make it a [`Builtin`] of [`all`]. Its place there is part of its handle.
//!
//! | Object | Seen by | What it is |
//! |---|---|---|
//! | public and private key "AZIHSM unwrapping key" | the user | the partition's own RSA key, that imports into the HSM are wrapped to |
//! | `CKO_PROFILE` | all | the profiles that the token conforms to |
//! | `CKO_MECHANISM` | all who ask for the class | one for each mechanism |

use std::sync::Arc;

use mechanisms::ck::{KeyType, MechanismType, ObjectClass};
use mechanisms::key::{Policy, PublicKey};

use crate::attribute::AttributeType as A;
use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::object::model::{Holding, Object};
use crate::object::public;
use crate::object::{birth, facts};
use crate::token::Token;
use crate::{Code, Result};

/// An object of the library or the partition itself.
#[derive(Debug)]
pub(crate) struct Builtin {
    /// The object but for what the device must be asked for; a search that is content with this does not use the device.
    pub(crate) known: Attributes,
    /// Where its public key comes from.
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// `known` is all there is.
    Nothing,
    /// The partition's unwrapping key.
    UnwrappingKey,
}

impl Builtin {
    /// One whose attributes are `known`; those that all built-in objects have are added.
    pub(crate) fn new(known: Attributes) -> Self {
        let mut known = known;
        for kind in [A::MODIFIABLE, A::COPYABLE, A::DESTROYABLE] {
            known.set_flag(kind, false);
        }
        Self { known, source: Source::Nothing }
    }

    /// One that is no storage object (4.4), and has none of their attributes.
    pub(crate) fn bare(known: Attributes) -> Self {
        Self { known, source: Source::Nothing }
    }

    /// Whether only the logged-in user sees it.
    pub(crate) fn is_private(&self) -> bool {
        self.known.flag(A::PRIVATE)
    }

    /// Whether `known` has all of its attributes.
    pub(crate) fn is_known(&self) -> bool {
        self.source == Source::Nothing
    }

    /// The whole object.
    pub(crate) fn object(&self, token: &Token) -> Result<Arc<Object>> {
        let mut attributes = self.known.clone();
        if self.source == Source::UnwrappingKey {
            let key = PublicKey::from_spki(&token.partition()?.unwrapping_key()?)?;
            let private = attributes.number(A::CLASS) == Some(ObjectClass::PRIVATE_KEY.0);
            let family = if private { Family::RsaPrivate } else { Family::RsaPublic };
            attributes.set(A::UNIQUE_ID, unique_id(family, &key)?);
            public::describe(&mut attributes, family, &key)?;
        }
        Object::new(attributes, Holding::None).map(Arc::new)
    }
}

/// The built-in objects of a slot under `policy`, in the order of their handles.
pub(crate) fn all(policy: Policy) -> Vec<Builtin> {
    let mut all = vec![unwrapping_key(Family::RsaPublic), unwrapping_key(Family::RsaPrivate)];
    all.extend(facts::profiles(policy));
    all.extend(facts::mechanisms(policy));
    all
}

/// A key vault wraps a key to the public one; `C_UnwrapKey` with the private one has the device take the key in, so that
/// it is never clear on the host (semantics 6.6). The device does nothing else with it, and neither does this library.
fn unwrapping_key(family: Family) -> Builtin {
    let mut known = Attributes::default();
    known.set_number(A::CLASS, family.class().0);
    known.set_number(A::KEY_TYPE, KeyType::RSA.0);
    known.set(A::LABEL, UNWRAPPING_KEY_LABEL.as_bytes());
    known.set(A::ID, UNWRAPPING_KEY_ID);
    for kind in [A::SUBJECT, A::START_DATE, A::END_DATE] {
        known.set(kind, []);
    }
    // The public half as well: it is the partition's, which there is while somebody is logged in.
    for kind in [A::TOKEN, A::PRIVATE, A::LOCAL] {
        known.set_flag(kind, true);
    }
    known.set_flag(A::DERIVE, false);
    known.set_number(A::KEY_GEN_MECHANISM, MechanismType::RSA_PKCS_KEY_PAIR_GEN.0);
    known.set_number(A::OBJECT_VALIDATION_FLAGS, 0);
    known.set(A::ALLOWED_MECHANISMS, MechanismType::RSA_AES_KEY_WRAP.0.to_le_bytes());
    let (on, off): (&[A], &[A]) = if family == Family::RsaPrivate {
        known.set_number(A::AZIHSM_RESIDENCY, birth::residency(mechanisms::key::Residency::Hsm));
        known.set_number(A::AZIHSM_ORIGIN, birth::origin(mechanisms::key::Origin::Device));
        known.set_number(A::AZIHSM_HISTORY, 2);
        (
            &[A::UNWRAP, A::SENSITIVE, A::ALWAYS_SENSITIVE, A::NEVER_EXTRACTABLE],
            &[
                A::EXTRACTABLE,
                A::DECRYPT,
                A::SIGN,
                A::SIGN_RECOVER,
                A::DECAPSULATE,
                A::ALWAYS_AUTHENTICATE,
                A::WRAP_WITH_TRUSTED,
            ],
        )
    } else {
        (&[A::WRAP], &[A::ENCRYPT, A::VERIFY, A::VERIFY_RECOVER, A::ENCAPSULATE, A::TRUSTED])
    };
    for (kinds, value) in [(on, true), (off, false)] {
        for kind in kinds {
            known.set_flag(*kind, value);
        }
    }
    Builtin { source: Source::UnwrappingKey, ..Builtin::new(known) }
}

/// `CKA_UNIQUE_ID`: the same for as long as the key is, in every process.
fn unique_id(family: Family, key: &PublicKey) -> Result<Vec<u8>> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.to_spki()?);
    let half = if family == Family::RsaPrivate { "private" } else { "public" };
    let [a, b, c, d, ..] = digest.as_ref() else { return Err(Code::GeneralError.into()) };
    Ok(format!("azihsm-unwrapping-{half}-{a:02x}{b:02x}{c:02x}{d:02x}").into_bytes())
}

/// Refuses to change, copy or destroy a built-in object.
pub(crate) fn fixed() -> crate::Error {
    Code::ActionProhibited.because("an object of the library itself")
}

/// `CKA_LABEL` of both halves of the partition's unwrapping key.
pub(crate) const UNWRAPPING_KEY_LABEL: &str = "AZIHSM unwrapping key";
const UNWRAPPING_KEY_ID: &[u8] = b"azihsm-unwrapping-key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::table;

    #[test]
    fn the_unwrapping_key_can_do_one_thing() {
        for builtin in all(Policy::Strict).iter().filter(|builtin| !builtin.is_known()) {
            let known = &builtin.known;
            let uses = [A::ENCRYPT, A::DECRYPT, A::SIGN, A::VERIFY, A::DERIVE, A::WRAP, A::UNWRAP];
            assert_eq!(uses.iter().filter(|kind| known.flag(**kind)).count(), 1);
            assert_eq!(known.numbers(A::ALLOWED_MECHANISMS), Some(vec![MechanismType::RSA_AES_KEY_WRAP.0]));
            assert!(builtin.is_private() && !known.flag(A::COPYABLE) && !known.flag(A::DESTROYABLE));
        }
    }

    #[test]
    fn the_unwrapping_key_has_what_keys_of_its_family_have() {
        for family in [Family::RsaPublic, Family::RsaPrivate] {
            let known = unwrapping_key(family).known;
            let computed = [A::UNIQUE_ID, A::MODULUS, A::MODULUS_BITS, A::PUBLIC_EXPONENT, A::PUBLIC_KEY_INFO];
            let templates = [A::WRAP_TEMPLATE, A::UNWRAP_TEMPLATE, A::DERIVE_TEMPLATE];
            for row in table::rows(family) {
                let expected = !(row.notes(7) || computed.contains(&row.kind) || templates.contains(&row.kind));
                assert_eq!(known.has(row.kind), expected, "{:?} of {family:?}", row.kind);
            }
        }
    }
}
