//! One row per attribute and family: create, copy, set, get and the defaults are driven by it.
//!
//! Footnotes are numbered as in PKCS#11 v3.2, "Common footnotes for object attribute tables":
//!
//! | # | |
//! |---|---|
//! | 1 | must be specified with `C_CreateObject` |
//! | 2 | must not be specified with `C_CreateObject` |
//! | 3 | must be specified when the key is generated |
//! | 4 | must not be specified when the key is generated |
//! | 5 | must be specified when the key is unwrapped |
//! | 6 | must not be specified when the key is unwrapped |
//! | 7 | cannot be revealed if `CKA_SENSITIVE` is true or `CKA_EXTRACTABLE` is false |
//! | 8 | may be modified after creation, and by `C_CopyObject` |
//! | 9 | the default is token-specific |
//! | 10 | can only be set to true by the SO |
//! | 11 | cannot be changed once it is true |
//! | 12 | cannot be changed once it is false |

use super::AttributeType as A;
use super::family::{Families, Family};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `CK_BBOOL`.
    Bool,
    /// `CK_ULONG`.
    Number,
    /// Any bytes.
    Bytes,
    /// Big-endian, leading zeros do not count.
    BigInteger,
    /// Empty or `CK_DATE`: eight digits.
    Date,
    /// An array of `CK_MECHANISM_TYPE`.
    Mechanisms,
    /// An array of `CK_ATTRIBUTE`.
    Template,
}

/// What an object has that was made without the attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing: it does not have the attribute.
    Absent,
    /// `CK_FALSE`.
    False,
    /// `CK_TRUE`.
    True,
    /// No bytes.
    Empty,
    /// This `CK_ULONG`.
    Number(u64),
    /// Token-specific, from key type and the other attributes: see `object::defaults`.
    Chosen,
    /// The library computes it.
    Computed,
}

/// Rules of one attribute in some families.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The attribute.
    pub kind: A,
    /// In objects of these families.
    pub families: Families,
    /// What its value is.
    pub shape: Shape,
    /// Bit n is footnote n.
    footnotes: u16,
    /// When a template is silent.
    pub fallback: Fallback,
    /// Section of PKCS#11 v3.2.
    pub section: &'static str,
}

impl Row {
    /// Whether footnote `number` applies.
    pub const fn notes(&self, number: u8) -> bool {
        self.footnotes & (1 << number) != 0
    }
}

/// The rules of an attribute in a family.
pub fn row(kind: A, family: Family) -> Option<&'static Row> {
    rows_of(kind).find(|row| row.families.contains(family))
}

/// Whether the attribute is known in any family, and its shape.
pub fn shape(kind: A) -> Option<Shape> {
    rows_of(kind).next().map(|row| row.shape)
}

/// A value as it is stored: big integers lose their leading zeros.
pub fn stored(kind: A, value: &[u8]) -> &[u8] {
    let zeros = match shape(kind) {
        Some(BigInteger) => value.iter().take_while(|byte| **byte == 0).count(),
        _ => 0,
    };
    &value[zeros..]
}

/// All rules of a family, by attribute type.
pub fn rows(family: Family) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.families.contains(family))
}

fn rows_of(kind: A) -> impl Iterator<Item = &'static Row> {
    let start = ROWS.partition_point(|row| row.kind < kind);
    ROWS[start..].iter().take_while(move |row| row.kind == kind)
}

const fn rule(
    kind: A,
    families: Families,
    shape: Shape,
    notes: &[u8],
    fallback: Fallback,
    section: &'static str,
) -> Row {
    let mut footnotes = 0;
    let mut at = 0;
    while at < notes.len() {
        footnotes |= 1 << notes[at];
        at += 1;
    }
    Row { kind, families, shape, footnotes, fallback, section }
}

use Fallback::{Absent, Chosen, Computed, Empty, False, Number, True};
use Shape::{BigInteger, Bool, Bytes, Date, Mechanisms, Template};

const ALL: Families = Families::ALL;
const KEYS: Families = Families::KEYS;
const PUBLIC: Families = Families::PUBLIC;
const PRIVATE: Families = Families::PRIVATE;
const HIDDEN: Families = Families::HIDDEN;
const DATA: Families = Families::only(Family::Data);
const CERT: Families = Families::only(Family::Certificate);
const SECRET: Families = Families::only(Family::Secret);
const RSA_PUBLIC: Families = Families::only(Family::RsaPublic);
const RSA_PRIVATE: Families = Families::only(Family::RsaPrivate);
const EC_PUBLIC: Families = Families::only(Family::EcPublic);
const EC_PRIVATE: Families = Families::only(Family::EcPrivate);
const PUBLIC_OR_SECRET: Families = Families(PUBLIC.0 | SECRET.0);
const CERT_OR_SECRET: Families = Families(CERT.0 | SECRET.0);
const CERT_OR_KEYS: Families = Families(CERT.0 | KEYS.0);

/// Sorted by type; no two rows of a type share a family.
#[rustfmt::skip]
static ROWS: &[Row] = &[
    rule(A::CLASS, ALL, Shape::Number, &[1], Computed, "4.2"),
    rule(A::TOKEN, ALL, Bool, &[], False, "4.4"),
    rule(A::PRIVATE, ALL, Bool, &[9], Chosen, "4.4"),
    rule(A::LABEL, ALL, Bytes, &[8], Empty, "4.4"),
    rule(A::UNIQUE_ID, ALL, Bytes, &[2, 4, 6], Computed, "4.4"),
    rule(A::APPLICATION, DATA, Bytes, &[], Empty, "4.5"),
    rule(A::VALUE, DATA, Bytes, &[], Empty, "4.5"),
    rule(A::VALUE, CERT, Bytes, &[1], Empty, "4.6.3"),
    rule(A::VALUE, EC_PRIVATE, BigInteger, &[1, 4, 6, 7], Absent, "6.3.4"),
    rule(A::VALUE, SECRET, Bytes, &[1, 4, 6, 7], Absent, "6.8.2"),
    rule(A::OBJECT_ID, DATA, Bytes, &[], Empty, "4.5"),
    rule(A::CERTIFICATE_TYPE, CERT, Shape::Number, &[1], Absent, "4.6.2"),
    rule(A::ISSUER, CERT, Bytes, &[8], Empty, "4.6.3"),
    rule(A::SERIAL_NUMBER, CERT, Bytes, &[8], Empty, "4.6.3"),
    rule(A::TRUSTED, CERT, Bool, &[10], False, "4.6.2"),
    rule(A::TRUSTED, PUBLIC_OR_SECRET, Bool, &[10], False, "4.9"),
    rule(A::CERTIFICATE_CATEGORY, CERT, Shape::Number, &[], Number(0), "4.6.2"),
    rule(A::JAVA_MIDP_SECURITY_DOMAIN, CERT, Shape::Number, &[], Number(0), "4.6.3"),
    rule(A::URL, CERT, Bytes, &[], Empty, "4.6.3"),
    rule(A::HASH_OF_SUBJECT_PUBLIC_KEY, CERT, Bytes, &[], Empty, "4.6.3"),
    rule(A::HASH_OF_ISSUER_PUBLIC_KEY, CERT, Bytes, &[], Empty, "4.6.3"),
    rule(A::NAME_HASH_ALGORITHM, CERT, Shape::Number, &[], Number(cryptoki_sys::CKM_SHA_1), "4.6.3"),
    rule(A::CHECK_VALUE, CERT_OR_SECRET, Bytes, &[], Computed, "4.11.1"),
    rule(A::KEY_TYPE, KEYS, Shape::Number, &[1, 5], Computed, "4.8"),
    rule(A::SUBJECT, CERT, Bytes, &[1], Empty, "4.6.3"),
    rule(A::SUBJECT, Families(PUBLIC.0 | PRIVATE.0), Bytes, &[8], Empty, "4.9"),
    rule(A::ID, CERT_OR_KEYS, Bytes, &[8], Empty, "4.8"),
    // 4.11 would have a secret key not sensitive where its template is silent. A value that nobody asked to see is hidden.
    rule(A::SENSITIVE, HIDDEN, Bool, &[8, 9, 11], True, "4.10"),
    rule(A::ENCRYPT, PUBLIC_OR_SECRET, Bool, &[8, 9], Chosen, "4.9"),
    rule(A::DECRYPT, HIDDEN, Bool, &[8, 9], Chosen, "4.10"),
    rule(A::WRAP, PUBLIC_OR_SECRET, Bool, &[8, 9], False, "4.9"),
    rule(A::UNWRAP, HIDDEN, Bool, &[8, 9], False, "4.10"),
    rule(A::SIGN, HIDDEN, Bool, &[8, 9], Chosen, "4.10"),
    rule(A::SIGN_RECOVER, PRIVATE, Bool, &[8, 9], False, "4.10"),
    rule(A::VERIFY, PUBLIC_OR_SECRET, Bool, &[8, 9], Chosen, "4.9"),
    rule(A::VERIFY_RECOVER, PUBLIC, Bool, &[8, 9], False, "4.9"),
    rule(A::DERIVE, KEYS, Bool, &[8], Chosen, "4.8"),
    rule(A::START_DATE, CERT, Date, &[], Empty, "4.6.2"),
    rule(A::START_DATE, KEYS, Date, &[8], Empty, "4.8"),
    rule(A::END_DATE, CERT, Date, &[], Empty, "4.6.2"),
    rule(A::END_DATE, KEYS, Date, &[8], Empty, "4.8"),
    rule(A::MODULUS, RSA_PUBLIC, BigInteger, &[1, 4], Absent, "6.1.2"),
    rule(A::MODULUS, RSA_PRIVATE, BigInteger, &[1, 4, 6], Absent, "6.1.3"),
    rule(A::MODULUS_BITS, RSA_PUBLIC, Shape::Number, &[2, 3], Absent, "6.1.2"),
    rule(A::PUBLIC_EXPONENT, RSA_PUBLIC, BigInteger, &[1], Absent, "6.1.2"),
    rule(A::PUBLIC_EXPONENT, RSA_PRIVATE, BigInteger, &[1, 4, 6], Absent, "6.1.3"),
    rule(A::PRIVATE_EXPONENT, RSA_PRIVATE, BigInteger, &[1, 4, 6, 7], Absent, "6.1.3"),
    rule(A::PRIME_1, RSA_PRIVATE, BigInteger, &[4, 6, 7], Absent, "6.1.3"),
    rule(A::PRIME_2, RSA_PRIVATE, BigInteger, &[4, 6, 7], Absent, "6.1.3"),
    rule(A::EXPONENT_1, RSA_PRIVATE, BigInteger, &[4, 6, 7], Absent, "6.1.3"),
    rule(A::EXPONENT_2, RSA_PRIVATE, BigInteger, &[4, 6, 7], Absent, "6.1.3"),
    rule(A::COEFFICIENT, RSA_PRIVATE, BigInteger, &[4, 6, 7], Absent, "6.1.3"),
    rule(A::PUBLIC_KEY_INFO, CERT, Bytes, &[], Empty, "4.6.2"),
    rule(A::PUBLIC_KEY_INFO, PUBLIC, Bytes, &[], Computed, "4.9"),
    rule(A::PUBLIC_KEY_INFO, PRIVATE, Bytes, &[8], Computed, "4.10"),
    rule(A::VALUE_LEN, SECRET, Shape::Number, &[2, 3], Computed, "6.8.2"),
    rule(A::EXTRACTABLE, HIDDEN, Bool, &[8, 9, 12], False, "4.10"),
    rule(A::LOCAL, KEYS, Bool, &[2, 4, 6], Computed, "4.8"),
    rule(A::NEVER_EXTRACTABLE, HIDDEN, Bool, &[2, 4, 6], Computed, "4.10"),
    rule(A::ALWAYS_SENSITIVE, HIDDEN, Bool, &[2, 4, 6], Computed, "4.10"),
    rule(A::KEY_GEN_MECHANISM, KEYS, Shape::Number, &[2, 4, 6], Computed, "4.8"),
    rule(A::MODIFIABLE, ALL, Bool, &[], True, "4.4"),
    // "Can't be set to TRUE once it is set to FALSE": so it may be set.
    rule(A::COPYABLE, ALL, Bool, &[8, 12], True, "4.4"),
    rule(A::DESTROYABLE, ALL, Bool, &[], True, "4.4"),
    rule(A::EC_PARAMS, EC_PUBLIC, Bytes, &[1, 3], Absent, "6.3.3"),
    rule(A::EC_PARAMS, EC_PRIVATE, Bytes, &[1, 4, 6], Absent, "6.3.4"),
    rule(A::EC_POINT, EC_PUBLIC, Bytes, &[1, 4], Absent, "6.3.3"),
    // Not in the standard's table of private keys; consumers ask for it there, and it costs nothing.
    rule(A::EC_POINT, EC_PRIVATE, Bytes, &[4, 6], Computed, "6.3.3"),
    rule(A::ALWAYS_AUTHENTICATE, PRIVATE, Bool, &[], False, "4.10"),
    rule(A::WRAP_WITH_TRUSTED, HIDDEN, Bool, &[11], False, "4.10"),
    // "Can only be set in ways conforming to the module's validation" (4.15.3.2), of which there is none: hence footnote 2.
    rule(A::OBJECT_VALIDATION_FLAGS, KEYS, Shape::Number, &[2, 4, 6, 9], Number(0), "4.8"),
    rule(A::ENCAPSULATE, PUBLIC, Bool, &[8, 9], False, "4.9"),
    rule(A::DECAPSULATE, PRIVATE, Bool, &[8, 9], False, "4.10"),
    rule(A::WRAP_TEMPLATE, PUBLIC_OR_SECRET, Template, &[], Absent, "4.9"),
    rule(A::UNWRAP_TEMPLATE, HIDDEN, Template, &[], Absent, "4.10"),
    rule(A::DERIVE_TEMPLATE, HIDDEN, Template, &[], Absent, "4.10"),
    rule(A::ALLOWED_MECHANISMS, KEYS, Mechanisms, &[], Absent, "4.8"),
    rule(A::AZIHSM_RESIDENCY, HIDDEN, Shape::Number, &[2, 4, 6], Computed, "design 4"),
    rule(A::AZIHSM_ORIGIN, HIDDEN, Shape::Number, &[2, 4, 6], Computed, "design 4"),
    rule(A::AZIHSM_DEVICE_IV, SECRET, Bool, &[], False, "design 4"),
    rule(A::AZIHSM_HISTORY, HIDDEN, Shape::Number, &[2, 4, 6], Computed, "design 4"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_no_two_of_a_type_share_a_family() {
        for pair in ROWS.windows(2) {
            assert!(pair[0].kind <= pair[1].kind, "{:?} before {:?}", pair[0].kind, pair[1].kind);
        }
        for (at, one) in ROWS.iter().enumerate() {
            assert_ne!(one.families.0, 0, "{:?}", one.kind);
            for other in &ROWS[at + 1..] {
                assert!(
                    one.kind != other.kind || one.families.0 & other.families.0 == 0,
                    "two rows of {:?} share a family",
                    one.kind
                );
                assert!(one.kind != other.kind || one.shape == other.shape || one.kind == A::VALUE, "{:?}", one.kind);
            }
        }
    }

    #[test]
    fn every_row_has_a_name_that_the_header_has() {
        for row in ROWS {
            let name = row.kind.name().unwrap_or_else(|| panic!("{:#x} has no name", row.kind.0));
            assert!(name.starts_with("CKA_"), "{name}");
        }
        assert_eq!(A::EC_POINT.0, cryptoki_sys::CKA_EC_POINT);
        assert_eq!(format!("{:?}", A(0x99999)), "CKA_0x99999");
        assert_eq!(format!("{:?}", A::AZIHSM_RESIDENCY), "CKA_AZIHSM_RESIDENCY");
    }

    #[test]
    fn footnotes_do_not_contradict_each_other() {
        for row in ROWS {
            for (must, must_not) in [(1, 2), (3, 4), (5, 6), (11, 12)] {
                assert!(!(row.notes(must) && row.notes(must_not)), "{:?}: {must} and {must_not}", row.kind);
            }
            let switch = row.notes(10) || row.notes(11) || row.notes(12);
            assert!(!switch || row.shape == Bool, "{:?} is no switch", row.kind);
            assert!(!row.notes(7) || HIDDEN.0 & row.families.0 == row.families.0, "{:?} is not hidden", row.kind);
            let fits = match row.fallback {
                False | True => row.shape == Bool,
                Number(_) => row.shape == Shape::Number,
                Empty => matches!(row.shape, Bytes | Date),
                Absent | Chosen | Computed => true,
            };
            assert!(fits, "the default of {:?} has the wrong shape", row.kind);
        }
    }

    #[test]
    fn rules_are_found_by_family() {
        assert!(row(A::VALUE, Family::Certificate).is_some_and(|row| row.notes(1) && !row.notes(7)));
        assert!(row(A::VALUE, Family::Secret).is_some_and(|row| row.notes(7)));
        assert!(row(A::VALUE, Family::RsaPrivate).is_none());
        assert!(row(A::CLASS, Family::Data).is_some());
        assert!(row(A::AZIHSM_ORIGIN, Family::EcPrivate).is_some());
        assert!(shape(A(0x99999)).is_none());
    }
}
