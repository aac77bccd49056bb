//! Templates: read, checked against the table, completed with the defaults (PKCS#11 v3.2, 4.1).

use mechanisms::ck::{KeyType, MechanismType, ObjectClass};
use mechanisms::key::KeyRequest;

use crate::attribute::family::{Families, Family};
use crate::attribute::set::Attributes;
use crate::attribute::table::{self, Fallback, Shape};
use crate::attribute::{Attribute, AttributeType as A, AttributeValue, nested};
use crate::config::Config;
use crate::object::usage;
use crate::{Code, Error, Result};

/// What makes the object: decides which footnotes forbid and demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// `C_CreateObject`: footnotes 1 and 2.
    Create,
    /// `C_GenerateKey`, `C_GenerateKeyPair`: footnotes 3 and 4.
    Generate,
    /// `C_DeriveKey`, which contributes what `C_UnwrapKey` does: footnotes 5 and 6.
    Derive,
    /// `C_UnwrapKey`: footnotes 5 and 6.
    Unwrap,
}

/// A template whose attributes are valid, of one family, and allowed.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) family: Family,
    pub(crate) given: Attributes,
}

/// What the function itself says of the object.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Implied {
    pub(crate) class: Option<ObjectClass>,
    pub(crate) key_type: Option<KeyType>,
    /// Whether the SO is logged in: footnote 10.
    pub(crate) security_officer: bool,
}

/// The attributes of a template, each once and of the right shape: `CKR_ATTRIBUTE_TYPE_INVALID`,
/// `CKR_ATTRIBUTE_VALUE_INVALID`, `CKR_TEMPLATE_INCONSISTENT`.
pub(crate) fn read(template: &[Attribute]) -> Result<Attributes> {
    let mut given = Attributes::default();
    for Attribute { kind, value } in template {
        let shape = table::shape(*kind).ok_or_else(|| about(Code::AttributeTypeInvalid, *kind))?;
        let inner;
        let bytes = match (value, shape) {
            (AttributeValue::Bytes(bytes), _) if fits(shape, bytes) => table::stored(*kind, bytes),
            (AttributeValue::Template(template), Shape::Template) => {
                inner = nested_template(*kind, template)?;
                &inner
            }
            _ => return Err(about(Code::AttributeValueInvalid, *kind)),
        };
        // "Library developers are encouraged to behave as though the attribute had only appeared once" (4.1.1).
        if given.bytes(*kind).is_some_and(|before| before != bytes) {
            return Err(Code::TemplateInconsistent.because(format_args!("{kind:?} twice, with two values")));
        }
        given.set(*kind, bytes);
    }
    Ok(given)
}

/// A template that is an attribute, as it is stored.
fn nested_template(kind: A, template: &[Attribute]) -> Result<Vec<u8>> {
    if template.iter().any(|inner| matches!(inner.value, AttributeValue::Template(_))) {
        return Err(Code::AttributeValueInvalid.because(format_args!("{kind:?} holds another template")));
    }
    nested::encode(&read(template)?)
}

fn fits(shape: Shape, value: &[u8]) -> bool {
    match shape {
        Shape::Bool => matches!(value, [0 | 1]),
        Shape::Number => value.len() == size_of::<u64>(),
        Shape::Bytes | Shape::BigInteger => true,
        Shape::Date => value.is_empty() || is_date(value),
        Shape::Mechanisms => value.len().is_multiple_of(size_of::<u64>()),
        Shape::Template => false,
    }
}

/// `CK_DATE`: a day of the calendar. Dates are for reference only: "Cryptoki does not attach any special meaning to them"
/// (4.8), so nothing is refused for being early or late.
fn is_date(value: &[u8]) -> bool {
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0'));
    if value.len() != 8 || !value.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let (year, month, day) = (number(&value[..4]), number(&value[4..6]), number(&value[6..]));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

impl Draft {
    /// The draft of a new object.
    pub(crate) fn new(template: &[Attribute], birth: Birth, implied: Implied) -> Result<Self> {
        let mut given = read(template)?;
        let class = settle(&mut given, A::CLASS, implied.class.map(|class| class.0))?
            .ok_or_else(|| about(Code::TemplateIncomplete, A::CLASS))?;
        let key_type = settle(&mut given, A::KEY_TYPE, implied.key_type.map(|key_type| key_type.0))?;
        let family = Family::of(ObjectClass(class), key_type.map(KeyType)).map_err(|error| {
            // A class or type that does not go with what the function makes is a contradiction, not a bad value.
            let stays = birth == Birth::Create || error == Code::TemplateIncomplete;
            if stays { error } else { Code::TemplateInconsistent.because(error) }
        })?;
        if family == Family::Fact {
            return Err(Code::AttributeValueInvalid.because(format_args!("nobody makes objects of class {class:#x}")));
        }
        for (kind, value) in given.iter() {
            let row = table::row(kind, family)
                .ok_or_else(|| Code::TemplateInconsistent.because(format_args!("{kind:?} is not one of {family:?}")))?;
            let forbidden = match birth {
                Birth::Create => row.notes(2),
                Birth::Generate => row.notes(4),
                Birth::Derive | Birth::Unwrap => row.notes(6),
            };
            // A check value can be checked only against a value that the caller gives; an empty one asks for none.
            let forbidden = forbidden || (kind == A::CHECK_VALUE && birth != Birth::Create && !value.is_empty());
            if forbidden || (row.notes(10) && value == [1] && !implied.security_officer) {
                return Err(about(Code::AttributeReadOnly, kind));
            }
        }
        let missing = table::rows(family).find(|row| {
            let demanded = match birth {
                Birth::Create => row.notes(1),
                Birth::Generate => row.notes(3),
                Birth::Derive => false,
                Birth::Unwrap => row.notes(5),
            };
            demanded && !given.has(row.kind)
        });
        match missing {
            Some(row) => Err(about(Code::TemplateIncomplete, row.kind)),
            None => Ok(Self { family, given }),
        }
    }

    /// The attributes with the defaults of the table; computed ones are still missing.
    pub(crate) fn complete(&self) -> Result<Attributes> {
        let (family, given) = (self.family, &self.given);
        let mut attributes = given.clone();
        for row in table::rows(family).filter(|row| !given.has(row.kind)) {
            match row.fallback {
                Fallback::Absent | Fallback::Computed => {}
                Fallback::False => attributes.set_flag(row.kind, false),
                Fallback::True => attributes.set_flag(row.kind, true),
                Fallback::Empty => attributes.set(row.kind, []),
                Fallback::Number(value) => attributes.set_number(row.kind, value),
                Fallback::Chosen => attributes.set_flag(row.kind, chosen(row.kind, family, given)),
            }
        }
        consistent(family, &attributes)?;
        Ok(attributes)
    }
}

/// Where a template is silent on a token-specific flag, what consumers expect (`pkcs11-tool`, SunPKCS11 and
/// pkcs11-provider make keys with few flags or none): a key can do what its type is for. A key that is asked to derive is
/// for deriving: the device gives a key one use, so the others must be asked for too.
fn chosen(kind: A, family: Family, given: &Attributes) -> bool {
    let key_type = given.number(A::KEY_TYPE).map(KeyType);
    let derives = given.flag(A::DERIVE);
    let aes = matches!(key_type, Some(KeyType::AES | KeyType::AES_XTS));
    match kind {
        A::PRIVATE => family.is_hidden(),
        // Defaults never conflict with what is asked for: see `usage`.
        A::ENCRYPT => family == Family::RsaPublic || (aes && !given.flag(A::UNWRAP) && !given.flag(A::WRAP)),
        A::DECRYPT => (family == Family::RsaPrivate && !given.flag(A::UNWRAP)) || (aes && !given.flag(A::WRAP)),
        A::VERIFY if Families::PUBLIC.contains(family) => true,
        A::SIGN if family == Family::RsaPrivate => true,
        A::SIGN | A::VERIFY => !derives && !aes && key_type != Some(KeyType::HKDF),
        A::DERIVE => key_type == Some(KeyType::HKDF),
        _ => false,
    }
}

/// Rules between attributes.
fn consistent(family: Family, attributes: &Attributes) -> Result<()> {
    let flag = |kind| attributes.flag(kind);
    if flag(A::ALWAYS_AUTHENTICATE) && !flag(A::PRIVATE) {
        return Err(Code::TemplateInconsistent.because("CKA_ALWAYS_AUTHENTICATE without CKA_PRIVATE (4.10)"));
    }
    if flag(A::AZIHSM_DEVICE_IV) && attributes.number(A::KEY_TYPE) != Some(KeyType::AES.0) {
        return Err(about(Code::TemplateInconsistent, A::AZIHSM_DEVICE_IV));
    }
    if family == Family::Certificate {
        if attributes.number(A::CERTIFICATE_TYPE) != Some(cryptoki_sys::CKC_X_509) {
            return Err(about(Code::AttributeValueInvalid, A::CERTIFICATE_TYPE));
        }
        // 4.6.3: "must be non-empty if CKA_URL is empty".
        if attributes.bytes(A::VALUE) == Some(&[]) && attributes.bytes(A::URL) == Some(&[]) {
            return Err(about(Code::TemplateIncomplete, A::VALUE));
        }
        // 4.6.3: the hashes "can only be empty if CKA_URL is empty".
        if attributes.bytes(A::URL) != Some(&[]) {
            for kind in [A::HASH_OF_SUBJECT_PUBLIC_KEY, A::HASH_OF_ISSUER_PUBLIC_KEY] {
                if attributes.bytes(kind) == Some(&[]) {
                    return Err(about(Code::TemplateIncomplete, kind));
                }
            }
        }
    }
    Ok(())
}

/// What a completed template asks of a new private or secret key; its uses must not conflict.
pub(crate) fn request(attributes: &Attributes, family: Family, config: &Config) -> Result<KeyRequest> {
    usage::check(family, attributes, config.allow_conflicting_usage)?;
    let flag = |kind| attributes.flag(kind);
    let len = |kind| {
        let number = attributes.number(kind).map(usize::try_from).transpose();
        number.map_err(|_| about(Code::AttributeValueInvalid, kind))
    };
    let allowed = attributes.numbers(A::ALLOWED_MECHANISMS);
    Ok(KeyRequest {
        class: attributes.number(A::CLASS).map(ObjectClass),
        key_type: attributes.number(A::KEY_TYPE).map(KeyType),
        value_len: len(A::VALUE_LEN)?,
        modulus_bits: None,
        public_exponent: None,
        curve: None,
        sign: flag(A::SIGN) || flag(A::SIGN_RECOVER) || flag(A::VERIFY),
        decrypt: flag(A::DECRYPT) || flag(A::UNWRAP) || flag(A::ENCRYPT) || flag(A::WRAP) || flag(A::DECAPSULATE),
        derive: flag(A::DERIVE) || flag(A::DECAPSULATE),
        extractable: flag(A::EXTRACTABLE),
        sensitive: flag(A::SENSITIVE),
        token: flag(A::TOKEN),
        device_iv: flag(A::AZIHSM_DEVICE_IV),
        allowed: allowed.map(|kinds| kinds.into_iter().map(MechanismType).collect()),
        policy: config.policy,
        // What derives from a key that shows its value says so itself.
        base_is_open: false,
    })
}

/// An error about one attribute.
pub(crate) fn about(code: Code, kind: A) -> Error {
    code.because(format_args!("{kind:?}"))
}

/// Joins what the template gives with what the function implies.
fn settle(given: &mut Attributes, kind: A, implied: Option<u64>) -> Result<Option<u64>> {
    match (given.number(kind), implied) {
        (Some(given), Some(implied)) if given != implied => Err(about(Code::TemplateInconsistent, kind)),
        (given @ Some(_), _) => Ok(given),
        (None, Some(implied)) => {
            given.set_number(kind, implied);
            Ok(Some(implied))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: A, value: &[u8]) -> Attribute {
        Attribute { kind, value: AttributeValue::Bytes(value.to_vec().into()) }
    }

    fn number(kind: A, value: u64) -> Attribute {
        bytes(kind, &value.to_le_bytes())
    }

    fn nested(template: Vec<Attribute>) -> Attribute {
        Attribute { kind: A::WRAP_TEMPLATE, value: AttributeValue::Template(template) }
    }

    fn aes(more: &[Attribute]) -> Vec<Attribute> {
        let mut template = vec![
            number(A::CLASS, ObjectClass::SECRET_KEY.0),
            number(A::KEY_TYPE, KeyType::AES.0),
            bytes(A::VALUE, &[1; 16]),
        ];
        template.extend_from_slice(more);
        template
    }

    fn create(template: &[Attribute]) -> Result<Attributes> {
        Draft::new(template, Birth::Create, Implied::default())?.complete()
    }

    #[test]
    fn a_silent_template_gets_the_defaults() {
        let made = create(&aes(&[])).unwrap();
        for on in [A::ENCRYPT, A::DECRYPT, A::SENSITIVE, A::PRIVATE, A::MODIFIABLE, A::COPYABLE, A::DESTROYABLE] {
            assert!(made.flag(on), "{on:?}");
        }
        for off in [A::SIGN, A::VERIFY, A::DERIVE, A::EXTRACTABLE, A::TOKEN, A::WRAP, A::TRUSTED] {
            assert!(made.has(off) && !made.flag(off), "{off:?}");
        }
        assert_eq!(made.bytes(A::LABEL), Some(&[][..]));
    }

    #[test]
    fn defaults_do_not_conflict_with_what_is_asked_for() {
        for (asked, off) in [(A::WRAP, A::DECRYPT), (A::WRAP, A::ENCRYPT), (A::UNWRAP, A::ENCRYPT)] {
            let made = create(&aes(&[bytes(asked, &[1])])).unwrap();
            assert!(made.flag(asked) && !made.flag(off), "{asked:?}");
            usage::check(Family::Secret, &made, false).unwrap();
        }
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        for good in ["20260228", "20240229", "20000229", "99991231"] {
            assert!(is_date(good.as_bytes()), "{good}");
        }
        for bad in ["20260229", "19000229", "20261301", "20260431", "20260100", "00000000", "2026010"] {
            assert!(!is_date(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_key_that_derives_does_not_sign_unless_asked_to() {
        let implied =
            Implied { class: Some(ObjectClass::PRIVATE_KEY), key_type: Some(KeyType::EC), security_officer: false };
        let made = |template: &[Attribute]| Draft::new(template, Birth::Generate, implied).unwrap().complete().unwrap();
        assert!(made(&[]).flag(A::SIGN) && !made(&[]).flag(A::DERIVE));
        assert!(!made(&[bytes(A::DERIVE, &[1])]).flag(A::SIGN));
        assert!(made(&[bytes(A::DERIVE, &[1]), bytes(A::SIGN, &[1])]).flag(A::SIGN));
    }

    #[test]
    fn refusals_have_the_codes_of_the_standard() {
        for (more, code) in [
            (bytes(A(0x999999), &[]), Code::AttributeTypeInvalid),
            (bytes(A::TOKEN, &[]), Code::AttributeValueInvalid),
            (bytes(A::TOKEN, &[2]), Code::AttributeValueInvalid),
            (bytes(A::START_DATE, b"2026xx01"), Code::AttributeValueInvalid),
            (bytes(A::VALUE, &[2; 16]), Code::TemplateInconsistent),
            (bytes(A::MODULUS, &[2; 16]), Code::TemplateInconsistent),
            (bytes(A::LOCAL, &[1]), Code::AttributeReadOnly),
            (bytes(A::ALWAYS_SENSITIVE, &[1]), Code::AttributeReadOnly),
            (number(A::VALUE_LEN, 16), Code::AttributeReadOnly),
            (number(A::AZIHSM_RESIDENCY, 1), Code::AttributeReadOnly),
            (bytes(A::TRUSTED, &[1]), Code::AttributeReadOnly),
            (bytes(A::START_DATE, b"20260230"), Code::AttributeValueInvalid),
            (bytes(A::WRAP_TEMPLATE, &[]), Code::AttributeValueInvalid),
            (nested(vec![bytes(A::TOKEN, &[2])]), Code::AttributeValueInvalid),
            (nested(vec![bytes(A(0x999999), &[])]), Code::AttributeTypeInvalid),
            (nested(vec![bytes(A::TOKEN, &[1]), bytes(A::TOKEN, &[0])]), Code::TemplateInconsistent),
            (nested(vec![nested(vec![])]), Code::AttributeValueInvalid),
        ] {
            let error = create(&aes(std::slice::from_ref(&more))).unwrap_err();
            assert_eq!(error, code, "{more:?}");
        }
        assert!(create(&aes(&[bytes(A::VALUE, &[1; 16]), bytes(A::TRUSTED, &[0])])).is_ok(), "the same value twice");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = create(&aes(&[])[..2]).unwrap_err();
        assert_eq!((error.code(), error.cause()), (Code::TemplateIncomplete, Some("CKA_VALUE")));
        assert_eq!(create(&[]).unwrap_err(), Code::TemplateIncomplete);
        let implied =
            Implied { class: Some(ObjectClass::SECRET_KEY), key_type: Some(KeyType::AES), ..Implied::default() };
        let generate = |template: &[Attribute]| Draft::new(template, Birth::Generate, implied).map(drop);
        assert_eq!(generate(&[]).unwrap_err(), Code::TemplateIncomplete);
        assert!(generate(&[number(A::VALUE_LEN, 16)]).is_ok());
        let other = [number(A::VALUE_LEN, 16), number(A::KEY_TYPE, KeyType::RSA.0)];
        assert_eq!(generate(&other).unwrap_err(), Code::TemplateInconsistent);
        let value = [number(A::VALUE_LEN, 16), bytes(A::VALUE, &[0; 16])];
        assert_eq!(generate(&value).unwrap_err(), Code::AttributeReadOnly);
    }

    #[test]
    fn big_integers_lose_their_leading_zeros() {
        assert_eq!(read(&[bytes(A::MODULUS, &[0, 0, 3, 0])]).unwrap().bytes(A::MODULUS), Some(&[3, 0][..]));
    }
}
