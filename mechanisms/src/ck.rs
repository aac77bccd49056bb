//! The standard's constants as types of their own, which print their name and keep unknown values.

use std::fmt;

/// Declares a newtype over `CK_ULONG` with named values, for example `MechanismType::ECDSA` that prints `CKM_ECDSA`.
macro_rules! constants {
    ($(#[$meta:meta])* $name:ident, $prefix:literal: $($value:ident = $number:expr),* $(,)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        #[expect(missing_docs, reason = "named as in the standard")]
        impl $name {
            $(pub const $value: Self = Self($number);)*

            /// The standard's name, where this is a known value.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$value => Some(concat!($prefix, stringify!($value))),)*
                    _ => None,
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}{:#x}", $prefix, self.0),
                }
            }
        }
    };
}

constants! {
    /// `CK_OBJECT_CLASS`.
    ObjectClass, "CKO_":
    DATA = cryptoki_sys::CKO_DATA,
    CERTIFICATE = cryptoki_sys::CKO_CERTIFICATE,
    PUBLIC_KEY = cryptoki_sys::CKO_PUBLIC_KEY,
    PRIVATE_KEY = cryptoki_sys::CKO_PRIVATE_KEY,
    SECRET_KEY = cryptoki_sys::CKO_SECRET_KEY,
}

constants! {
    /// `CK_KEY_TYPE`.
    KeyType, "CKK_":
    RSA = cryptoki_sys::CKK_RSA,
    EC = cryptoki_sys::CKK_EC,
    AES = cryptoki_sys::CKK_AES,
    GENERIC_SECRET = cryptoki_sys::CKK_GENERIC_SECRET,
    SHA_1_HMAC = cryptoki_sys::CKK_SHA_1_HMAC,
    SHA256_HMAC = cryptoki_sys::CKK_SHA256_HMAC,
    SHA384_HMAC = cryptoki_sys::CKK_SHA384_HMAC,
    SHA512_HMAC = cryptoki_sys::CKK_SHA512_HMAC,
    HKDF = cryptoki_sys::CKK_HKDF,
}

constants! {
    /// `CK_MECHANISM_TYPE`.
    MechanismType, "CKM_":
    RSA_PKCS_KEY_PAIR_GEN = cryptoki_sys::CKM_RSA_PKCS_KEY_PAIR_GEN,
    RSA_PKCS = cryptoki_sys::CKM_RSA_PKCS,
    RSA_X_509 = cryptoki_sys::CKM_RSA_X_509,
    RSA_PKCS_OAEP = cryptoki_sys::CKM_RSA_PKCS_OAEP,
    RSA_PKCS_PSS = cryptoki_sys::CKM_RSA_PKCS_PSS,
    SHA1_RSA_PKCS = cryptoki_sys::CKM_SHA1_RSA_PKCS,
    SHA256_RSA_PKCS = cryptoki_sys::CKM_SHA256_RSA_PKCS,
    SHA384_RSA_PKCS = cryptoki_sys::CKM_SHA384_RSA_PKCS,
    SHA512_RSA_PKCS = cryptoki_sys::CKM_SHA512_RSA_PKCS,
    SHA1_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA1_RSA_PKCS_PSS,
    SHA256_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA256_RSA_PKCS_PSS,
    SHA384_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA384_RSA_PKCS_PSS,
    SHA512_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA512_RSA_PKCS_PSS,
    EC_KEY_PAIR_GEN = cryptoki_sys::CKM_EC_KEY_PAIR_GEN,
    ECDSA = cryptoki_sys::CKM_ECDSA,
    ECDSA_SHA1 = cryptoki_sys::CKM_ECDSA_SHA1,
    ECDSA_SHA256 = cryptoki_sys::CKM_ECDSA_SHA256,
    ECDSA_SHA384 = cryptoki_sys::CKM_ECDSA_SHA384,
    ECDSA_SHA512 = cryptoki_sys::CKM_ECDSA_SHA512,
    ECDH1_DERIVE = cryptoki_sys::CKM_ECDH1_DERIVE,
    AES_KEY_GEN = cryptoki_sys::CKM_AES_KEY_GEN,
    AES_CBC = cryptoki_sys::CKM_AES_CBC,
    AES_CBC_PAD = cryptoki_sys::CKM_AES_CBC_PAD,
    AES_GCM = cryptoki_sys::CKM_AES_GCM,
    GENERIC_SECRET_KEY_GEN = cryptoki_sys::CKM_GENERIC_SECRET_KEY_GEN,
    SHA_1_HMAC = cryptoki_sys::CKM_SHA_1_HMAC,
    SHA256_HMAC = cryptoki_sys::CKM_SHA256_HMAC,
    SHA384_HMAC = cryptoki_sys::CKM_SHA384_HMAC,
    SHA512_HMAC = cryptoki_sys::CKM_SHA512_HMAC,
    HKDF_DERIVE = cryptoki_sys::CKM_HKDF_DERIVE,
    SHA_1 = cryptoki_sys::CKM_SHA_1,
    SHA224 = cryptoki_sys::CKM_SHA224,
    SHA256 = cryptoki_sys::CKM_SHA256,
    SHA384 = cryptoki_sys::CKM_SHA384,
    SHA512 = cryptoki_sys::CKM_SHA512,
}
