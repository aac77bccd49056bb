//! Attributes: their types, templates, the table of rules.
//!
//! | Room | What it is |
//! |---|---|
//! | [`table`] | one row per attribute and family of objects: value, footnotes, default, section |
//! | [`set`] | the attributes that an object has |
//! | `nested` | templates as attribute values |
//! | [`family`] | the kinds of objects that differ in their attributes |

pub mod family;
pub(crate) mod nested;
pub mod set;
pub mod table;

use std::fmt;

use zeroize::Zeroizing;

/// Declares the attribute types that this token knows, from the constants of the header.
macro_rules! attribute_types {
    ($($name:ident = $constant:ident),* $(,)?) => {
        #[expect(missing_docs, reason = "named as in the standard")]
        impl AttributeType {
            $(pub const $name: Self = Self(cryptoki_sys::$constant);)*

            /// The standard's name, where this is a known value.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($constant)),)*
                    Self::AZIHSM_RESIDENCY => Some("CKA_AZIHSM_RESIDENCY"),
                    Self::AZIHSM_ORIGIN => Some("CKA_AZIHSM_ORIGIN"),
                    Self::AZIHSM_DEVICE_IV => Some("CKA_AZIHSM_DEVICE_IV"),
                    Self::AZIHSM_HISTORY => Some("CKA_AZIHSM_HISTORY"),
                    _ => None,
                }
            }
        }
    };
}

/// `CK_ATTRIBUTE_TYPE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u64);

attribute_types! {
    CLASS = CKA_CLASS,
    TOKEN = CKA_TOKEN,
    PRIVATE = CKA_PRIVATE,
    LABEL = CKA_LABEL,
    UNIQUE_ID = CKA_UNIQUE_ID,
    APPLICATION = CKA_APPLICATION,
    VALUE = CKA_VALUE,
    OBJECT_ID = CKA_OBJECT_ID,
    CERTIFICATE_TYPE = CKA_CERTIFICATE_TYPE,
    ISSUER = CKA_ISSUER,
    SERIAL_NUMBER = CKA_SERIAL_NUMBER,
    TRUSTED = CKA_TRUSTED,
    CERTIFICATE_CATEGORY = CKA_CERTIFICATE_CATEGORY,
    JAVA_MIDP_SECURITY_DOMAIN = CKA_JAVA_MIDP_SECURITY_DOMAIN,
    URL = CKA_URL,
    HASH_OF_SUBJECT_PUBLIC_KEY = CKA_HASH_OF_SUBJECT_PUBLIC_KEY,
    HASH_OF_ISSUER_PUBLIC_KEY = CKA_HASH_OF_ISSUER_PUBLIC_KEY,
    NAME_HASH_ALGORITHM = CKA_NAME_HASH_ALGORITHM,
    CHECK_VALUE = CKA_CHECK_VALUE,
    KEY_TYPE = CKA_KEY_TYPE,
    SUBJECT = CKA_SUBJECT,
    ID = CKA_ID,
    SENSITIVE = CKA_SENSITIVE,
    ENCRYPT = CKA_ENCRYPT,
    DECRYPT = CKA_DECRYPT,
    WRAP = CKA_WRAP,
    UNWRAP = CKA_UNWRAP,
    SIGN = CKA_SIGN,
    SIGN_RECOVER = CKA_SIGN_RECOVER,
    VERIFY = CKA_VERIFY,
    VERIFY_RECOVER = CKA_VERIFY_RECOVER,
    DERIVE = CKA_DERIVE,
    START_DATE = CKA_START_DATE,
    END_DATE = CKA_END_DATE,
    MODULUS = CKA_MODULUS,
    MODULUS_BITS = CKA_MODULUS_BITS,
    PUBLIC_EXPONENT = CKA_PUBLIC_EXPONENT,
    PRIVATE_EXPONENT = CKA_PRIVATE_EXPONENT,
    PRIME_1 = CKA_PRIME_1,
    PRIME_2 = CKA_PRIME_2,
    EXPONENT_1 = CKA_EXPONENT_1,
    EXPONENT_2 = CKA_EXPONENT_2,
    COEFFICIENT = CKA_COEFFICIENT,
    PUBLIC_KEY_INFO = CKA_PUBLIC_KEY_INFO,
    VALUE_LEN = CKA_VALUE_LEN,
    EXTRACTABLE = CKA_EXTRACTABLE,
    LOCAL = CKA_LOCAL,
    NEVER_EXTRACTABLE = CKA_NEVER_EXTRACTABLE,
    ALWAYS_SENSITIVE = CKA_ALWAYS_SENSITIVE,
    KEY_GEN_MECHANISM = CKA_KEY_GEN_MECHANISM,
    MODIFIABLE = CKA_MODIFIABLE,
    COPYABLE = CKA_COPYABLE,
    DESTROYABLE = CKA_DESTROYABLE,
    EC_PARAMS = CKA_EC_PARAMS,
    EC_POINT = CKA_EC_POINT,
    ALWAYS_AUTHENTICATE = CKA_ALWAYS_AUTHENTICATE,
    WRAP_WITH_TRUSTED = CKA_WRAP_WITH_TRUSTED,
    OBJECT_VALIDATION_FLAGS = CKA_OBJECT_VALIDATION_FLAGS,
    ENCAPSULATE = CKA_ENCAPSULATE,
    DECAPSULATE = CKA_DECAPSULATE,
    WRAP_TEMPLATE = CKA_WRAP_TEMPLATE,
    UNWRAP_TEMPLATE = CKA_UNWRAP_TEMPLATE,
    DERIVE_TEMPLATE = CKA_DERIVE_TEMPLATE,
    ALLOWED_MECHANISMS = CKA_ALLOWED_MECHANISMS,
    PROFILE_ID = CKA_PROFILE_ID,
    MECHANISM_TYPE = CKA_MECHANISM_TYPE,
}

impl AttributeType {
    /// Where a key's value lives (design 4), `CK_ULONG`: 1 in the HSM, 2 sealed. Read-only.
    pub const AZIHSM_RESIDENCY: Self = Self(cryptoki_sys::CKA_VENDOR_DEFINED | 0x415A0001);
    /// Where a key's value was made (design 4), `CK_ULONG`: 1 device, 2 library, 3 imported. Read-only.
    pub const AZIHSM_ORIGIN: Self = Self(cryptoki_sys::CKA_VENDOR_DEFINED | 0x415A0002);
    /// Whether an AES key encrypts with GCM under IVs of the token only (`CK_BBOOL`, of a new key; default false):
    /// `C_EncryptInit` with `CKM_AES_GCM` then takes a buffer of 12 bytes as `pIv`, and the IV is written there when the
    /// encryption is finished. A key in the HSM takes the device's own IVs (an approved device key), any other the library's
    /// random ones.
    pub const AZIHSM_DEVICE_IV: Self = Self(cryptoki_sys::CKA_VENDOR_DEFINED | 0x415A0003);
    /// What a secret or private key could ever do, `CK_ULONG`: 1 wrap, 2 unwrap, 4 decrypt, 8 encrypt. It decides which of
    /// them the key can still get (`object::usage`). Read-only.
    pub const AZIHSM_HISTORY: Self = Self(cryptoki_sys::CKA_VENDOR_DEFINED | 0x415A0004);
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "CKA_{:#x}", self.0),
        }
    }
}

/// One attribute of a template, copied from the caller. `Debug` prints the type and length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `type`.
    pub kind: AttributeType,
    /// The value.
    pub value: AttributeValue,
}

/// What a template gives as a value.
#[derive(Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Bytes; empty for a null pointer with length 0.
    Bytes(Zeroizing<Vec<u8>>),
    /// A nested template (`CKF_ARRAY_ATTRIBUTE` types other than `CKA_ALLOWED_MECHANISMS`).
    Template(Vec<Attribute>),
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            AttributeValue::Bytes(bytes) => write!(f, "{:?}({} bytes)", self.kind, bytes.len()),
            AttributeValue::Template(inner) => write!(f, "{:?}{inner:?}", self.kind),
        }
    }
}

/// A template as the boundary read it.
pub type Template = Vec<Attribute>;
