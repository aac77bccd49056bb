//! Changing objects: `C_SetAttributeValue` and `C_CopyObject` (PKCS#11 v3.2, 4.1.2 and 4.1.3).

use transport::partition::FacetKind;

use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::attribute::{Attribute, AttributeType as A, table};
use crate::object::model::{Holding, Object};
use crate::object::template::{about, read};
use crate::{Code, Result};

/// What changes the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// `C_SetAttributeValue`.
    Set,
    /// `C_CopyObject`, which may also change the four special attributes of 4.1.3.
    Copy,
}

/// The attributes of `object` as the template changes them: `CKR_ATTRIBUTE_READ_ONLY` where one may not be changed, or not
/// in this direction.
pub(crate) fn changed(
    object: &Object,
    template: &[Attribute],
    change: Change,
    security_officer: bool,
) -> Result<Attributes> {
    let mut attributes = object.attributes.clone();
    // 4.6.2: "Trusted certificates cannot be modified"; the SO, who trusts them, may end that.
    if change == Change::Set && object.family == Family::Certificate && object.attributes.flag(A::TRUSTED) {
        let ends = |(kind, value): (A, &[u8])| kind == A::TRUSTED && value == [0];
        if !(security_officer && read(template)?.iter().all(ends)) {
            return Err(Code::ActionProhibited.because("a trusted certificate"));
        }
    }
    for (kind, value) in read(template)?.iter() {
        let row = table::row(kind, object.family)
            .ok_or_else(|| Code::TemplateInconsistent.because(format_args!("{kind:?} of {:?}", object.family)))?;
        if row.notes(7) {
            return Err(about(Code::AttributeReadOnly, kind));
        }
        let now = object.attributes.bytes(kind);
        // Saying what already is changes nothing: consumers copy with whole templates.
        if now == Some(value) && change == Change::Copy {
            continue;
        }
        let special = change == Change::Copy && COPY_CHANGES.contains(&kind);
        let by_officer = row.notes(10) && (security_officer || value == [0]);
        let lowers = kind == A::WRAP_WITH_TRUSTED && value == [1];
        // 4.11: "C_SetAttributeValue may be used to destroy the attribute, by supplying no-value".
        let destroys = kind == A::CHECK_VALUE && object.family == Family::Secret && value.is_empty();
        if !(row.notes(8) || special || by_officer || lowers || destroys) {
            return Err(about(Code::AttributeReadOnly, kind));
        }
        if (row.notes(11) && now == Some(&[1]) && value != [1]) || (row.notes(12) && now == Some(&[0]) && value != [0])
        {
            return Err(about(Code::AttributeReadOnly, kind));
        }
        if kind == A::PUBLIC_KEY_INFO && now != Some(value) {
            return Err(about(Code::AttributeValueInvalid, kind));
        }
        if value == [1] && now != Some(&[1]) && !possible(object.family, &object.holding, kind) {
            return Err(
                Code::AttributeReadOnly.because(format_args!("{kind:?}: the key is in the HSM for another use"))
            );
        }
        attributes.set(kind, value);
    }
    // Footnote 10: what others make of what the SO trusts, the SO has not seen.
    if change == Change::Copy && attributes.flag(A::TRUSTED) && !security_officer {
        attributes.set_flag(A::TRUSTED, false);
    }
    // A copy of a private object must not be less private than it: its value is the same.
    if object.is_private() && !attributes.flag(A::PRIVATE) {
        return Err(Code::TemplateInconsistent.because("CKA_PRIVATE cannot be taken back"));
    }
    if attributes.flag(A::ALWAYS_AUTHENTICATE) && !attributes.flag(A::PRIVATE) {
        return Err(about(Code::TemplateInconsistent, A::ALWAYS_AUTHENTICATE));
    }
    Ok(attributes)
}

/// Whether a permission can be given to a key where it is: a key in the HSM has the uses that it was made for (design 4).
pub(crate) fn possible(family: Family, holding: &Holding, kind: A) -> bool {
    let Holding::Hsm(key) = holding else { return true };
    let facets: &[FacetKind] = match (family, kind) {
        (Family::RsaPrivate, A::SIGN | A::SIGN_RECOVER) => &[FacetKind::RsaSign],
        (Family::RsaPrivate, A::DECRYPT | A::UNWRAP | A::DECAPSULATE) => &[FacetKind::RsaDecrypt],
        (Family::EcPrivate, A::SIGN) => &[FacetKind::EcSign],
        (Family::EcPrivate, A::DERIVE | A::DECAPSULATE) => &[FacetKind::EcDerive],
        (Family::Secret, A::ENCRYPT | A::DECRYPT | A::WRAP | A::UNWRAP) => {
            &[FacetKind::AesCbc, FacetKind::AesGcm, FacetKind::AesGcmApproved, FacetKind::AesXts]
        }
        (Family::Secret, A::SIGN | A::VERIFY) => {
            // CBC: CMAC is made of it, and so are the derivations by encryption.
            &[FacetKind::HmacSha256, FacetKind::HmacSha384, FacetKind::HmacSha512, FacetKind::AesCbc]
        }
        (Family::Secret, A::DERIVE) => &[FacetKind::Secret, FacetKind::AesCbc],
        _ => return true,
    };
    facets.iter().any(|facet| key.can(*facet))
}

/// 4.1.3: "plus the four special attributes" that a copy may change.
const COPY_CHANGES: [A; 4] = [A::TOKEN, A::PRIVATE, A::MODIFIABLE, A::DESTROYABLE];

#[cfg(test)]
mod tests {
    use mechanisms::ck::{KeyType, ObjectClass};

    use super::*;
    use crate::attribute::AttributeValue;

    fn flag(kind: A, value: u8) -> Attribute {
        Attribute { kind, value: AttributeValue::Bytes(vec![value].into()) }
    }

    fn key() -> Object {
        let mut attributes = Attributes::default();
        attributes.set_number(A::CLASS, ObjectClass::SECRET_KEY.0);
        attributes.set_number(A::KEY_TYPE, KeyType::AES.0);
        for (kind, value) in
            [(A::SENSITIVE, true), (A::EXTRACTABLE, false), (A::PRIVATE, true), (A::TOKEN, false), (A::SIGN, false)]
        {
            attributes.set_flag(kind, value);
        }
        Object::new(attributes, Holding::Sealed([0; 4].into())).unwrap()
    }

    #[test]
    fn only_what_may_change_does() {
        for (change, attribute, code) in [
            (Change::Set, flag(A::SIGN, 1), None),
            (Change::Set, flag(A::LABEL, 65), None),
            (Change::Set, flag(A::SENSITIVE, 0), Some(Code::AttributeReadOnly)),
            (Change::Set, flag(A::SENSITIVE, 1), None),
            (Change::Set, flag(A::EXTRACTABLE, 1), Some(Code::AttributeReadOnly)),
            (Change::Copy, flag(A::EXTRACTABLE, 1), Some(Code::AttributeReadOnly)),
            (Change::Set, flag(A::TOKEN, 1), Some(Code::AttributeReadOnly)),
            (Change::Copy, flag(A::TOKEN, 1), None),
            (Change::Copy, flag(A::PRIVATE, 0), Some(Code::TemplateInconsistent)),
            (Change::Set, flag(A::LOCAL, 1), Some(Code::AttributeReadOnly)),
            (Change::Copy, flag(A::VALUE, 1), Some(Code::AttributeReadOnly)),
            (Change::Set, flag(A::TRUSTED, 1), Some(Code::AttributeReadOnly)),
            (Change::Set, flag(A::MODULUS, 1), Some(Code::TemplateInconsistent)),
            (Change::Set, flag(A(0x99999), 1), Some(Code::AttributeTypeInvalid)),
        ] {
            let outcome = changed(&key(), std::slice::from_ref(&attribute), change, false);
            assert_eq!(outcome.as_ref().err().map(crate::Error::code), code, "{change:?} {attribute:?}");
            if let Ok(attributes) = outcome {
                let AttributeValue::Bytes(value) = &attribute.value else { panic!("bytes") };
                assert_eq!(attributes.bytes(attribute.kind), Some(value.as_slice()));
            }
        }
        assert!(changed(&key(), &[flag(A::TRUSTED, 1)], Change::Set, true).is_ok(), "the SO may trust");
    }

    fn empty(kind: A) -> Attribute {
        Attribute { kind, value: AttributeValue::Bytes(Vec::new().into()) }
    }

    #[test]
    fn a_check_value_can_be_taken_away() {
        assert!(changed(&key(), &[empty(A::CHECK_VALUE)], Change::Set, false).unwrap().has(A::CHECK_VALUE));
        let other = changed(&key(), &[flag(A::CHECK_VALUE, 1)], Change::Set, false);
        assert_eq!(other.unwrap_err(), Code::AttributeReadOnly);
    }

    #[test]
    fn a_trusted_certificate_is_fixed_while_it_is_trusted() {
        let mut attributes = Attributes::default();
        attributes.set_number(A::CLASS, ObjectClass::CERTIFICATE.0);
        attributes.set_flag(A::TRUSTED, false);
        let plain = Object::new(attributes.clone(), Holding::None).unwrap();
        attributes.set_flag(A::TRUSTED, true);
        let trusted = Object::new(attributes, Holding::None).unwrap();
        assert!(changed(&plain, &[flag(A::ID, 1)], Change::Set, false).is_ok());
        // 4.6.3: "Only the CKA_ID, CKA_ISSUER, and CKA_SERIAL_NUMBER attributes may be modified", and the label.
        assert_eq!(changed(&plain, &[empty(A::START_DATE)], Change::Set, false).unwrap_err(), Code::AttributeReadOnly);
        for (attribute, officer) in [(flag(A::ID, 1), false), (flag(A::ID, 1), true), (flag(A::TRUSTED, 0), false)] {
            let outcome = changed(&trusted, &[attribute], Change::Set, officer);
            assert_eq!(outcome.unwrap_err(), Code::ActionProhibited);
        }
        assert!(changed(&trusted, &[flag(A::TRUSTED, 0)], Change::Set, true).is_ok());
        let copy = changed(&trusted, &[flag(A::ID, 1)], Change::Copy, false).unwrap();
        assert!(!copy.flag(A::TRUSTED), "a copy is another object");
        assert!(changed(&trusted, &[], Change::Copy, true).unwrap().flag(A::TRUSTED));
    }
}
