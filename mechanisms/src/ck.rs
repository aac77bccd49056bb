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
    HW_FEATURE = cryptoki_sys::CKO_HW_FEATURE,
    MECHANISM = cryptoki_sys::CKO_MECHANISM,
    PROFILE = cryptoki_sys::CKO_PROFILE,
    VALIDATION = cryptoki_sys::CKO_VALIDATION,
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
    AES_XTS = cryptoki_sys::CKK_AES_XTS,
    SHA224_HMAC = cryptoki_sys::CKK_SHA224_HMAC,
    SHA512_224_HMAC = cryptoki_sys::CKK_SHA512_224_HMAC,
    SHA512_256_HMAC = cryptoki_sys::CKK_SHA512_256_HMAC,
    SHA3_224_HMAC = cryptoki_sys::CKK_SHA3_224_HMAC,
    SHA3_256_HMAC = cryptoki_sys::CKK_SHA3_256_HMAC,
    SHA3_384_HMAC = cryptoki_sys::CKK_SHA3_384_HMAC,
    SHA3_512_HMAC = cryptoki_sys::CKK_SHA3_512_HMAC,
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
    SHA224_RSA_PKCS = cryptoki_sys::CKM_SHA224_RSA_PKCS,
    SHA224_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA224_RSA_PKCS_PSS,
    SHA3_224_RSA_PKCS = cryptoki_sys::CKM_SHA3_224_RSA_PKCS,
    SHA3_224_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA3_224_RSA_PKCS_PSS,
    SHA3_256_RSA_PKCS = cryptoki_sys::CKM_SHA3_256_RSA_PKCS,
    SHA3_256_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA3_256_RSA_PKCS_PSS,
    SHA3_384_RSA_PKCS = cryptoki_sys::CKM_SHA3_384_RSA_PKCS,
    SHA3_384_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA3_384_RSA_PKCS_PSS,
    SHA3_512_RSA_PKCS = cryptoki_sys::CKM_SHA3_512_RSA_PKCS,
    SHA3_512_RSA_PKCS_PSS = cryptoki_sys::CKM_SHA3_512_RSA_PKCS_PSS,
    RSA_AES_KEY_WRAP = cryptoki_sys::CKM_RSA_AES_KEY_WRAP,
    ECDSA_SHA224 = cryptoki_sys::CKM_ECDSA_SHA224,
    ECDSA_SHA3_224 = cryptoki_sys::CKM_ECDSA_SHA3_224,
    ECDSA_SHA3_256 = cryptoki_sys::CKM_ECDSA_SHA3_256,
    ECDSA_SHA3_384 = cryptoki_sys::CKM_ECDSA_SHA3_384,
    ECDSA_SHA3_512 = cryptoki_sys::CKM_ECDSA_SHA3_512,
    ECDH1_COFACTOR_DERIVE = cryptoki_sys::CKM_ECDH1_COFACTOR_DERIVE,
    ECDH_AES_KEY_WRAP = cryptoki_sys::CKM_ECDH_AES_KEY_WRAP,
    ECDH_COF_AES_KEY_WRAP = cryptoki_sys::CKM_ECDH_COF_AES_KEY_WRAP,
    AES_XTS_KEY_GEN = cryptoki_sys::CKM_AES_XTS_KEY_GEN,
    AES_XTS = cryptoki_sys::CKM_AES_XTS,
    AES_ECB = cryptoki_sys::CKM_AES_ECB,
    AES_CTR = cryptoki_sys::CKM_AES_CTR,
    AES_CMAC = cryptoki_sys::CKM_AES_CMAC,
    AES_CMAC_GENERAL = cryptoki_sys::CKM_AES_CMAC_GENERAL,
    AES_GMAC = cryptoki_sys::CKM_AES_GMAC,
    AES_CCM = cryptoki_sys::CKM_AES_CCM,
    AES_KEY_WRAP = cryptoki_sys::CKM_AES_KEY_WRAP,
    AES_KEY_WRAP_PAD = cryptoki_sys::CKM_AES_KEY_WRAP_PAD,
    AES_KEY_WRAP_KWP = cryptoki_sys::CKM_AES_KEY_WRAP_KWP,
    AES_KEY_WRAP_PKCS7 = cryptoki_sys::CKM_AES_KEY_WRAP_PKCS7,
    AES_ECB_ENCRYPT_DATA = cryptoki_sys::CKM_AES_ECB_ENCRYPT_DATA,
    AES_CBC_ENCRYPT_DATA = cryptoki_sys::CKM_AES_CBC_ENCRYPT_DATA,
    SHA512_224 = cryptoki_sys::CKM_SHA512_224,
    SHA512_256 = cryptoki_sys::CKM_SHA512_256,
    SHA3_224 = cryptoki_sys::CKM_SHA3_224,
    SHA3_256 = cryptoki_sys::CKM_SHA3_256,
    SHA3_384 = cryptoki_sys::CKM_SHA3_384,
    SHA3_512 = cryptoki_sys::CKM_SHA3_512,
    SHA_1_HMAC_GENERAL = cryptoki_sys::CKM_SHA_1_HMAC_GENERAL,
    SHA256_HMAC_GENERAL = cryptoki_sys::CKM_SHA256_HMAC_GENERAL,
    SHA384_HMAC_GENERAL = cryptoki_sys::CKM_SHA384_HMAC_GENERAL,
    SHA512_HMAC_GENERAL = cryptoki_sys::CKM_SHA512_HMAC_GENERAL,
    SHA_1_KEY_GEN = cryptoki_sys::CKM_SHA_1_KEY_GEN,
    SHA256_KEY_GEN = cryptoki_sys::CKM_SHA256_KEY_GEN,
    SHA384_KEY_GEN = cryptoki_sys::CKM_SHA384_KEY_GEN,
    SHA512_KEY_GEN = cryptoki_sys::CKM_SHA512_KEY_GEN,
    SHA224_HMAC = cryptoki_sys::CKM_SHA224_HMAC,
    SHA224_HMAC_GENERAL = cryptoki_sys::CKM_SHA224_HMAC_GENERAL,
    SHA224_KEY_GEN = cryptoki_sys::CKM_SHA224_KEY_GEN,
    SHA512_224_HMAC = cryptoki_sys::CKM_SHA512_224_HMAC,
    SHA512_224_HMAC_GENERAL = cryptoki_sys::CKM_SHA512_224_HMAC_GENERAL,
    SHA512_224_KEY_GEN = cryptoki_sys::CKM_SHA512_224_KEY_GEN,
    SHA512_256_HMAC = cryptoki_sys::CKM_SHA512_256_HMAC,
    SHA512_256_HMAC_GENERAL = cryptoki_sys::CKM_SHA512_256_HMAC_GENERAL,
    SHA512_256_KEY_GEN = cryptoki_sys::CKM_SHA512_256_KEY_GEN,
    SHA3_224_HMAC = cryptoki_sys::CKM_SHA3_224_HMAC,
    SHA3_224_HMAC_GENERAL = cryptoki_sys::CKM_SHA3_224_HMAC_GENERAL,
    SHA3_224_KEY_GEN = cryptoki_sys::CKM_SHA3_224_KEY_GEN,
    SHA3_256_HMAC = cryptoki_sys::CKM_SHA3_256_HMAC,
    SHA3_256_HMAC_GENERAL = cryptoki_sys::CKM_SHA3_256_HMAC_GENERAL,
    SHA3_256_KEY_GEN = cryptoki_sys::CKM_SHA3_256_KEY_GEN,
    SHA3_384_HMAC = cryptoki_sys::CKM_SHA3_384_HMAC,
    SHA3_384_HMAC_GENERAL = cryptoki_sys::CKM_SHA3_384_HMAC_GENERAL,
    SHA3_384_KEY_GEN = cryptoki_sys::CKM_SHA3_384_KEY_GEN,
    SHA3_512_HMAC = cryptoki_sys::CKM_SHA3_512_HMAC,
    SHA3_512_HMAC_GENERAL = cryptoki_sys::CKM_SHA3_512_HMAC_GENERAL,
    SHA3_512_KEY_GEN = cryptoki_sys::CKM_SHA3_512_KEY_GEN,
    SHA1_KEY_DERIVATION = cryptoki_sys::CKM_SHA1_KEY_DERIVATION,
    SHA224_KEY_DERIVATION = cryptoki_sys::CKM_SHA224_KEY_DERIVATION,
    SHA256_KEY_DERIVATION = cryptoki_sys::CKM_SHA256_KEY_DERIVATION,
    SHA384_KEY_DERIVATION = cryptoki_sys::CKM_SHA384_KEY_DERIVATION,
    SHA512_KEY_DERIVATION = cryptoki_sys::CKM_SHA512_KEY_DERIVATION,
    SHA512_224_KEY_DERIVATION = cryptoki_sys::CKM_SHA512_224_KEY_DERIVATION,
    SHA512_256_KEY_DERIVATION = cryptoki_sys::CKM_SHA512_256_KEY_DERIVATION,
    SHA3_224_KEY_DERIVATION = cryptoki_sys::CKM_SHA3_224_KEY_DERIVATION,
    SHA3_256_KEY_DERIVATION = cryptoki_sys::CKM_SHA3_256_KEY_DERIVATION,
    SHA3_384_KEY_DERIVATION = cryptoki_sys::CKM_SHA3_384_KEY_DERIVATION,
    SHA3_512_KEY_DERIVATION = cryptoki_sys::CKM_SHA3_512_KEY_DERIVATION,
    HKDF_DATA = cryptoki_sys::CKM_HKDF_DATA,
    HKDF_KEY_GEN = cryptoki_sys::CKM_HKDF_KEY_GEN,
    SP800_108_COUNTER_KDF = cryptoki_sys::CKM_SP800_108_COUNTER_KDF,
    CONCATENATE_BASE_AND_KEY = cryptoki_sys::CKM_CONCATENATE_BASE_AND_KEY,
    CONCATENATE_BASE_AND_DATA = cryptoki_sys::CKM_CONCATENATE_BASE_AND_DATA,
    CONCATENATE_DATA_AND_BASE = cryptoki_sys::CKM_CONCATENATE_DATA_AND_BASE,
    XOR_BASE_AND_DATA = cryptoki_sys::CKM_XOR_BASE_AND_DATA,
    EXTRACT_KEY_FROM_KEY = cryptoki_sys::CKM_EXTRACT_KEY_FROM_KEY,
    PKCS5_PBKD2 = cryptoki_sys::CKM_PKCS5_PBKD2,
    PUB_KEY_FROM_PRIV_KEY = cryptoki_sys::CKM_PUB_KEY_FROM_PRIV_KEY,
}
