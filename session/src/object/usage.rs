//! What one key may be used for beside another use, so that the API cannot be turned against the keys behind it.
//!
//! The attacks: a key that wraps and decrypts gives out every extractable key (Clulow 2003), and so does one that has the
//! two permissions one after the other, or in two copies (Delaune, Kremer, Steel 2008; Bortolozzo and others 2010).
//!
//! | Rule | Refused with |
//! |---|---|
//! | no secret key has `CKA_WRAP` and `CKA_DECRYPT`, or `CKA_UNWRAP` and `CKA_ENCRYPT` | `CKR_TEMPLATE_INCONSISTENT` |
//! | `CKA_WRAP` and `CKA_UNWRAP` of a secret key are given at its birth or never | `CKR_ATTRIBUTE_READ_ONLY` |
//! | one that could ever wrap never decrypts, one that could ever unwrap never encrypts, nor do their copies | `CKR_ATTRIBUTE_READ_ONLY` |
//! | a private key gets `CKA_DECRYPT` at its birth or never | `CKR_ATTRIBUTE_READ_ONLY` |
//! | what could ever wrap or unwrap goes out under a trusted key only: else it comes back with other permissions | `CKR_KEY_NOT_WRAPPABLE` |
//! | one that could ever encrypt wraps nothing with AES-GCM: in counter mode, to encrypt is to decrypt | `CKR_KEY_NOT_WRAPPABLE` |
//! | so one that could ever wrap gets `CKA_ENCRYPT` at its birth or never | `CKR_ATTRIBUTE_READ_ONLY` |
//! | one that could ever wrap or unwrap derives nothing by encrypting data | `CKR_KEY_FUNCTION_NOT_PERMITTED` |
//! | a sensitive key is not wrapped with a public key whose private half here may decrypt | `CKR_KEY_NOT_WRAPPABLE` |
//! | only the SO trusts, and no secret key that is extractable or could ever decrypt | `CKR_ATTRIBUTE_READ_ONLY` |
//!
//! Configuration `allow_conflicting_usage` lifts all but the last, and for a trusted key not those of encryption either.
//! An RSA pair may both decrypt and unwrap: the standard's own example makes such pairs (5.18.2), and so does NSS. What it
//! decrypts, it decrypts to whoever could have wrapped to any other public key; a key that must go out to few only has
//! `CKA_WRAP_WITH_TRUSTED`, or is not extractable.

use mechanisms::ck::ObjectClass;
use mechanisms::table::Row;

use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::attribute::{Attribute, AttributeType as A, AttributeValue};
use crate::object::model::Object;
use crate::object::search;
use crate::object::template::{Draft, about};
use crate::sessions::Session;
use crate::{Code, Result};

/// What a key could ever do: `CKA_AZIHSM_HISTORY`.
const WRAPS: u64 = 1;
const UNWRAPS: u64 = 2;
const DECRYPTS: u64 = 4;
const ENCRYPTS: u64 = 8;

const USES: [(A, u64); 4] = [(A::WRAP, WRAPS), (A::UNWRAP, UNWRAPS), (A::DECRYPT, DECRYPTS), (A::ENCRYPT, ENCRYPTS)];

/// Each use, and what a secret key that has it never has.
const CONFLICTS: [(A, u64); 4] =
    [(A::WRAP, DECRYPTS), (A::DECRYPT, WRAPS), (A::UNWRAP, ENCRYPTS), (A::ENCRYPT, UNWRAPS)];

/// What the attributes permit now.
fn now(attributes: &Attributes) -> u64 {
    USES.iter().filter(|(kind, _)| attributes.flag(*kind)).map(|(_, bit)| bit).sum()
}

/// What the key could ever do; keys of before this was remembered could do what they can.
fn ever(attributes: &Attributes) -> u64 {
    now(attributes) | attributes.number(A::AZIHSM_HISTORY).unwrap_or(0)
}

/// Checks the uses of a key that is to be made.
pub(crate) fn check(family: Family, attributes: &Attributes, allow_conflicts: bool) -> Result<()> {
    if family != Family::Secret {
        return Ok(());
    }
    if attributes.flag(A::TRUSTED) && !can_be_trusted(attributes) {
        return Err(Code::TemplateInconsistent.because("a trusted key that could show what it wraps"));
    }
    let uses = now(attributes);
    for (kind, conflict) in CONFLICTS {
        if !allow_conflicts && attributes.flag(kind) && uses & conflict != 0 {
            return Err(Code::TemplateInconsistent.because(format_args!(
                "{kind:?} conflicts with another use, unless allow_conflicting_usage is configured"
            )));
        }
    }
    Ok(())
}

/// Remembers what a key can do from its birth on.
pub(crate) fn remember(attributes: &mut Attributes) {
    attributes.set_number(A::AZIHSM_HISTORY, ever(attributes));
}

/// Checks the uses of a key that is to be changed or copied from `old`, and remembers those that it gets.
pub(crate) fn change(old: &Object, attributes: &mut Attributes, allow_conflicts: bool) -> Result<()> {
    if !old.family.is_hidden() {
        return Ok(());
    }
    let past = ever(&old.attributes);
    let gains = |kind| attributes.flag(kind) && !old.attributes.flag(kind);
    let refused = |kind: A, why: &str| Err(Code::AttributeReadOnly.because(format_args!("{kind:?}: {why}")));
    if old.family == Family::Secret {
        if gains(A::TRUSTED) && (!can_be_trusted(attributes) || past & DECRYPTS != 0) {
            return refused(A::TRUSTED, "the key could show what it wraps");
        }
        if gains(A::DECRYPT) && old.attributes.flag(A::TRUSTED) {
            return refused(A::DECRYPT, "the key is trusted");
        }
    }
    if !allow_conflicts {
        match old.family {
            Family::Secret => {
                for (kind, bit) in [(A::WRAP, WRAPS), (A::UNWRAP, UNWRAPS)] {
                    if gains(kind) && past & bit == 0 {
                        return refused(kind, "given at a key's birth or never");
                    }
                }
                for (kind, conflict) in CONFLICTS {
                    if gains(kind) && past & conflict != 0 {
                        return refused(kind, "the key could do what conflicts with it");
                    }
                }
                if gains(A::ENCRYPT) && past & WRAPS != 0 && past & ENCRYPTS == 0 {
                    return refused(A::ENCRYPT, "what it wrapped in counter mode would be decrypted");
                }
            }
            Family::RsaPrivate if gains(A::DECRYPT) && past & DECRYPTS == 0 => {
                return refused(A::DECRYPT, "given at a private key's birth or never");
            }
            _ => {}
        }
    }
    attributes.set_number(A::AZIHSM_HISTORY, past | now(attributes));
    Ok(())
}

fn can_be_trusted(attributes: &Attributes) -> bool {
    !attributes.flag(A::EXTRACTABLE) && !attributes.flag(A::DECRYPT)
}

/// A pair whose public half is asked to wrap, and whose private half is asked for neither, unwraps and does not decrypt.
pub(crate) fn pair_for_wrapping(public: &Attributes, private: &mut Attributes) {
    if public.flag(A::WRAP) && !private.has(A::DECRYPT) && !private.has(A::UNWRAP) {
        private.set_flag(A::DECRYPT, false);
        private.set_flag(A::UNWRAP, true);
    }
}

/// What a key of bits of its base keys takes over from them (6.43): it is sensitive where one of them is, not extractable
/// where one is not; `CKR_TEMPLATE_INCONSISTENT` where the template says otherwise. It is no twin of a key that wraps or
/// unwraps, and gets neither permission itself: XOR with zeros gives the same key again.
pub(crate) fn inherit(draft: &mut Draft, bases: &[&Object], allow_conflicts: bool) -> Result<()> {
    let any = |test: &dyn Fn(&Object) -> bool| bases.iter().any(|base| test(base));
    for (kind, wanted, applies) in [
        (A::SENSITIVE, true, any(&|base| base.attributes.flag(A::SENSITIVE))),
        (A::EXTRACTABLE, false, any(&|base| !base.attributes.flag(A::EXTRACTABLE))),
        // What must not go out under any key must not go out as the base of another.
        (A::WRAP_WITH_TRUSTED, true, any(&|base| base.attributes.flag(A::WRAP_WITH_TRUSTED))),
    ] {
        if !applies {
            continue;
        }
        if draft.given.has(kind) && draft.given.flag(kind) != wanted {
            return Err(Code::TemplateInconsistent.because(format_args!("{kind:?} differs from the base key's")));
        }
        draft.given.set_flag(kind, wanted);
    }
    if allow_conflicts || !any(&Object::hides_value) {
        return Ok(());
    }
    if any(&|base| ever(&base.attributes) & (WRAPS | UNWRAPS) != 0) {
        return Err(Code::KeyFunctionNotPermitted.because("a key that wraps or unwraps would get a twin"));
    }
    for kind in [A::WRAP, A::UNWRAP] {
        if draft.given.flag(kind) {
            return Err(about(Code::TemplateInconsistent, kind));
        }
    }
    Ok(())
}

/// Whether `wrapping` may wrap `key` with this mechanism, by their uses; other rules are `key::wrap`'s.
pub(crate) fn may_wrap(
    session: &Session,
    row: &Row,
    wrapping: &Object,
    key: &Object,
    allow_conflicts: bool,
) -> Result<()> {
    let trusted = wrapping.attributes.flag(A::TRUSTED);
    let encrypts = ever(&wrapping.attributes) & ENCRYPTS != 0;
    if row.wraps_by_counter && encrypts && (trusted || !allow_conflicts) {
        return Err(Code::KeyNotWrappable
            .because("a key that encrypts would decrypt what it wraps in counter mode (AES_CTR, AES_ECB)"));
    }
    if allow_conflicts || trusted {
        return Ok(());
    }
    if key.family == Family::Secret && ever(&key.attributes) & (WRAPS | UNWRAPS) != 0 {
        return Err(Code::KeyNotWrappable
            .because("a key that wraps or unwraps would come back with other permissions: only under a trusted key"));
    }
    if key.attributes.flag(A::SENSITIVE) && wrapping.family == Family::RsaPublic && half_decrypts(session, wrapping)? {
        return Err(Code::KeyNotWrappable.because("the private half of the wrapping key may decrypt"));
    }
    Ok(())
}

/// Whether `base` may derive with this mechanism: a derivation that encrypts the caller's data is an encryption, with
/// which a wrapping key would open what it wrapped in counter mode, and an unwrapping key take in what the caller made up.
pub(crate) fn may_derive(row: &Row, base: &Object, allow_conflicts: bool) -> Result<()> {
    let watched = !allow_conflicts || base.attributes.flag(A::TRUSTED);
    if row.derives_by_encrypting && watched && ever(&base.attributes) & (WRAPS | UNWRAPS) != 0 {
        return Err(Code::KeyFunctionNotPermitted.because("a key that wraps or unwraps would encrypt"));
    }
    Ok(())
}

/// Whether there is a private half of this public key that may decrypt.
fn half_decrypts(session: &Session, public: &Object) -> Result<bool> {
    let bytes = |kind, value: &[u8]| Attribute { kind, value: AttributeValue::Bytes(value.to_vec().into()) };
    let half = [
        bytes(A::CLASS, &ObjectClass::PRIVATE_KEY.0.to_le_bytes()),
        bytes(A::MODULUS, public.attributes.bytes(A::MODULUS).unwrap_or_default()),
        bytes(A::DECRYPT, &[1]),
    ];
    Ok(!search::handles(session, &half)?.is_empty())
}

#[cfg(test)]
mod tests {
    use mechanisms::ck::KeyType;

    use super::*;
    use crate::object::model::Holding;

    fn key(words: &[A]) -> Object {
        let mut attributes = Attributes::default();
        attributes.set_number(A::CLASS, ObjectClass::SECRET_KEY.0);
        attributes.set_number(A::KEY_TYPE, KeyType::AES.0);
        for kind in words {
            attributes.set_flag(*kind, true);
        }
        remember(&mut attributes);
        Object::new(attributes, Holding::Sealed([0; 4].into())).unwrap()
    }

    /// The key after it was given or lost a permission.
    fn changed(old: &Object, kind: A, value: bool) -> Result<Object> {
        let mut attributes = old.attributes.clone();
        attributes.set_flag(kind, value);
        change(old, &mut attributes, false)?;
        Object::new(attributes, old.holding.clone())
    }

    #[test]
    fn conflicting_uses() {
        for (words, good) in [
            (&[A::ENCRYPT, A::DECRYPT][..], true),
            (&[A::WRAP, A::UNWRAP], true),
            (&[A::WRAP, A::ENCRYPT], true),
            (&[A::UNWRAP, A::DECRYPT], true),
            (&[A::WRAP, A::DECRYPT], false),
            (&[A::UNWRAP, A::ENCRYPT], false),
            (&[A::TRUSTED, A::WRAP], true),
            (&[A::TRUSTED, A::WRAP, A::EXTRACTABLE], false),
            (&[A::TRUSTED, A::DECRYPT], false),
        ] {
            assert_eq!(check(Family::Secret, &key(words).attributes, false).is_ok(), good, "{words:?}");
        }
        assert!(check(Family::Secret, &key(&[A::WRAP, A::DECRYPT]).attributes, true).is_ok(), "where configured");
        assert!(check(Family::RsaPrivate, &key(&[A::UNWRAP, A::DECRYPT]).attributes, false).is_ok());
    }

    #[test]
    fn no_cycle_of_changes_gives_both() {
        let (wraps, decrypts, nothing) = (key(&[A::WRAP, A::UNWRAP]), key(&[A::DECRYPT, A::ENCRYPT]), key(&[]));
        let silent = changed(&changed(&wraps, A::WRAP, false).unwrap(), A::UNWRAP, false).unwrap();
        for (old, kind, good) in [
            (&wraps, A::DECRYPT, false),
            (&wraps, A::ENCRYPT, false),
            (&key(&[A::WRAP]), A::ENCRYPT, false),
            (&silent, A::DECRYPT, false),
            (&silent, A::ENCRYPT, false),
            (&silent, A::WRAP, true),
            (&decrypts, A::WRAP, false),
            (&decrypts, A::UNWRAP, false),
            (&nothing, A::WRAP, false),
            (&nothing, A::DECRYPT, true),
        ] {
            let outcome = changed(old, kind, true);
            assert_eq!(outcome.is_ok(), good, "{kind:?}: {outcome:?}");
            if let Err(error) = outcome {
                assert_eq!(error, Code::AttributeReadOnly);
            }
        }
    }

    #[test]
    fn a_trusted_key_cannot_learn_to_decrypt() {
        assert!(changed(&key(&[A::WRAP]), A::TRUSTED, true).is_ok());
        assert!(changed(&key(&[A::EXTRACTABLE]), A::TRUSTED, true).is_err());
        let once = changed(&key(&[A::DECRYPT]), A::DECRYPT, false).unwrap();
        assert!(changed(&once, A::TRUSTED, true).is_err());
        assert!(changed(&key(&[A::TRUSTED]), A::DECRYPT, true).is_err());
    }

    #[test]
    fn a_pair_that_wraps_unwraps() {
        let mut public = Attributes::default();
        let mut private = Attributes::default();
        pair_for_wrapping(&public, &mut private);
        assert!(private.is_empty());
        public.set_flag(A::WRAP, true);
        pair_for_wrapping(&public, &mut private);
        assert!(private.flag(A::UNWRAP) && !private.flag(A::DECRYPT));
        let mut asked = Attributes::default();
        asked.set_flag(A::DECRYPT, true);
        pair_for_wrapping(&public, &mut asked);
        assert!(asked.flag(A::DECRYPT) && !asked.has(A::UNWRAP));
    }
}
