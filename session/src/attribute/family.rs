//! The kinds of objects that differ in their attributes: class and, for public and private keys, key type.

use mechanisms::ck::{KeyType, ObjectClass};

use crate::{Code, Result};

/// One kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Family {
    /// `CKO_DATA`.
    Data = 1,
    /// `CKO_CERTIFICATE`, X.509.
    Certificate = 2,
    /// `CKO_PUBLIC_KEY`, `CKK_RSA`.
    RsaPublic = 4,
    /// `CKO_PUBLIC_KEY`, `CKK_EC`.
    EcPublic = 8,
    /// `CKO_PRIVATE_KEY`, `CKK_RSA`.
    RsaPrivate = 16,
    /// `CKO_PRIVATE_KEY`, `CKK_EC`.
    EcPrivate = 32,
    /// `CKO_SECRET_KEY`.
    Secret = 64,
    /// `CKO_HW_FEATURE`, `CKO_MECHANISM`, `CKO_PROFILE`, `CKO_VALIDATION`: objects that nobody makes, each with the
    /// attributes that the library gives it.
    Fact = 128,
}

/// A set of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families(pub u16);

impl Families {
    /// Every object that somebody can make.
    pub const ALL: Self = Self(127);
    /// Public, private and secret keys.
    pub const KEYS: Self = Self(124);
    /// Public keys.
    pub const PUBLIC: Self = Self(Family::RsaPublic as u16 | Family::EcPublic as u16);
    /// Private keys.
    pub const PRIVATE: Self = Self(Family::RsaPrivate as u16 | Family::EcPrivate as u16);
    /// Keys whose value is a secret.
    pub const HIDDEN: Self = Self(Self::PRIVATE.0 | Family::Secret as u16);

    /// Just one.
    pub const fn only(family: Family) -> Self {
        Self(family as u16)
    }

    /// Whether `family` is one of them.
    pub const fn contains(self, family: Family) -> bool {
        self.0 & family as u16 != 0
    }
}

impl Family {
    /// The family of a class and key type; `CKR_ATTRIBUTE_VALUE_INVALID` where this token has no such objects.
    pub fn of(class: ObjectClass, key_type: Option<KeyType>) -> Result<Self> {
        let refused = || Code::AttributeValueInvalid.because(format_args!("no objects of {class:?} {key_type:?}"));
        Ok(match (class, key_type) {
            (ObjectClass::DATA, _) => Self::Data,
            (ObjectClass::CERTIFICATE, _) => Self::Certificate,
            (
                ObjectClass::HW_FEATURE | ObjectClass::MECHANISM | ObjectClass::PROFILE | ObjectClass::VALIDATION,
                None,
            ) => Self::Fact,
            (_, None) => return Err(Code::TemplateIncomplete.because("CKA_KEY_TYPE")),
            (ObjectClass::PUBLIC_KEY, Some(KeyType::RSA)) => Self::RsaPublic,
            (ObjectClass::PUBLIC_KEY, Some(KeyType::EC)) => Self::EcPublic,
            (ObjectClass::PRIVATE_KEY, Some(KeyType::RSA)) => Self::RsaPrivate,
            (ObjectClass::PRIVATE_KEY, Some(KeyType::EC)) => Self::EcPrivate,
            (ObjectClass::SECRET_KEY, Some(key)) if SECRETS.contains(&key) => Self::Secret,
            _ => return Err(refused()),
        })
    }

    /// `CKA_CLASS`; of [`Family::Fact`] one of several, so that the object's own attribute is the one to ask.
    pub fn class(self) -> ObjectClass {
        match self {
            Self::Data => ObjectClass::DATA,
            Self::Fact => ObjectClass::HW_FEATURE,
            Self::Certificate => ObjectClass::CERTIFICATE,
            Self::RsaPublic | Self::EcPublic => ObjectClass::PUBLIC_KEY,
            Self::RsaPrivate | Self::EcPrivate => ObjectClass::PRIVATE_KEY,
            Self::Secret => ObjectClass::SECRET_KEY,
        }
    }

    /// Whether its objects have a secret value.
    pub fn is_hidden(self) -> bool {
        Families::HIDDEN.contains(self)
    }
}

/// Key types of secret keys.
const SECRETS: &[KeyType] = &[
    KeyType::AES,
    KeyType::AES_XTS,
    KeyType::GENERIC_SECRET,
    KeyType::SHA_1_HMAC,
    KeyType::SHA256_HMAC,
    KeyType::SHA384_HMAC,
    KeyType::SHA512_HMAC,
    KeyType::SHA224_HMAC,
    KeyType::SHA512_224_HMAC,
    KeyType::SHA512_256_HMAC,
    KeyType::SHA3_224_HMAC,
    KeyType::SHA3_256_HMAC,
    KeyType::SHA3_384_HMAC,
    KeyType::SHA3_512_HMAC,
    KeyType::HKDF,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_classes() {
        assert_eq!(Family::of(ObjectClass::DATA, None).unwrap(), Family::Data);
        assert_eq!(Family::of(ObjectClass::SECRET_KEY, Some(KeyType::AES)).unwrap(), Family::Secret);
        assert_eq!(Family::of(ObjectClass::PRIVATE_KEY, Some(KeyType::EC)).unwrap(), Family::EcPrivate);
        assert_eq!(Family::of(ObjectClass::PRIVATE_KEY, None).unwrap_err(), Code::TemplateIncomplete);
        assert_eq!(Family::of(ObjectClass::SECRET_KEY, Some(KeyType::RSA)).unwrap_err(), Code::AttributeValueInvalid);
        assert_eq!(Family::of(ObjectClass(77), Some(KeyType::RSA)).unwrap_err(), Code::AttributeValueInvalid);
    }
}
