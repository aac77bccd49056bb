//! Numbers with names: opcodes and the enumerations of the messages (wire 3.1, 3.4).

use super::SessionControl;

/// A number on the wire that has names: an associated constant each, `Debug` prints the SDK's name, and a number without a
/// name is kept and printed as it is.
macro_rules! open_enum {
    ($(#[$doc:meta])* pub struct $type:ident {
        $($(#[$value_doc:meta])* $constant:ident : $name:ident = $value:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(pub u32);

        impl $type {
            $($(#[$value_doc])* pub const $constant: Self = Self($value);)+

            /// Every named value, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$constant),+];

            /// The SDK's name of the value, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($type), "({:#x})"), self.0),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self, f)
            }
        }

        impl<'a> $crate::ddi::Wire<'a> for $type {
            fn encode(&self, w: &mut $crate::ddi::mbor::Writer<'_>) -> Result<(), $crate::ddi::CodecError> {
                w.u32(self.0);
                Ok(())
            }

            fn decode(r: &mut $crate::ddi::mbor::Reader<'a>) -> Result<Self, $crate::ddi::CodecError> {
                r.u32().map(Self)
            }
        }
    };
}
pub(crate) use open_enum;

open_enum! {
    /// An opcode (wire 3.1); unknown numbers are kept.
    pub struct Opcode {
        /// Never sent; in replies to unparsable requests.
        INVALID: Invalid = 1001,
        /// API revision range.
        GET_API_REV: GetApiRev = 1002,
        /// Device kind and tables.
        GET_DEVICE_INFO: GetDeviceInfo = 1003,
        /// Deletes a key.
        DELETE_KEY: DeleteKey = 1014,
        /// Finds a key by its tag.
        OPEN_KEY: OpenKey = 1015,
        /// Attestation report of a key.
        ATTEST_KEY: AttestKey = 1016,
        /// RSA private operation.
        RSA_MOD_EXP: RsaModExp = 1031,
        /// Imports a wrapped key.
        RSA_UNWRAP: RsaUnwrap = 1035,
        /// The partition's RSA unwrapping key.
        GET_UNWRAPPING_KEY: GetUnwrappingKey = 1051,
        /// Makes an EC key pair.
        ECC_GENERATE_KEY_PAIR: EccGenerateKeyPair = 1061,
        /// ECDSA over a digest.
        ECC_SIGN: EccSign = 1062,
        /// Makes an AES key.
        AES_GENERATE_KEY: AesGenerateKey = 1071,
        /// AES-CBC.
        AES_ENCRYPT_DECRYPT: AesEncryptDecrypt = 1072,
        /// ECDH to a secret inside the device.
        ECDH_KEY_EXCHANGE: EcdhKeyExchange = 1074,
        /// HKDF.
        HKDF_DERIVE: HkdfDerive = 1075,
        /// SP 800-108 counter mode.
        KBKDF_COUNTER_HMAC_DERIVE: KbkdfCounterHmacDerive = 1076,
        /// HMAC of one message.
        HMAC: Hmac = 1077,
        /// Envelope key for `EstablishCredential`.
        GET_ESTABLISH_CRED_ENCRYPTION_KEY: GetEstablishCredEncryptionKey = 1101,
        /// Provisions the partition.
        ESTABLISH_CREDENTIAL: EstablishCredential = 1102,
        /// Envelope key for sessions.
        GET_SESSION_ENCRYPTION_KEY: GetSessionEncryptionKey = 1103,
        /// Opens a session.
        OPEN_SESSION: OpenSession = 1104,
        /// Closes a session.
        CLOSE_SESSION: CloseSession = 1105,
        /// Changes the credential's pin.
        CHANGE_PIN: ChangePin = 1106,
        /// Restores a masked key.
        UNMASK_KEY: UnmaskKey = 1107,
        /// Certificate chain length and thumbprint.
        GET_CERT_CHAIN_INFO: GetCertChainInfo = 1108,
        /// One certificate.
        GET_CERTIFICATE: GetCertificate = 1109,
        /// Takes a session up again after a reset.
        REOPEN_SESSION: ReopenSession = 1110,
        /// Masks the owner backup key.
        INIT_BK3: InitBk3 = 1111,
        /// Reads the sealed BK3.
        GET_SEALED_BK3: GetSealedBk3 = 1112,
        /// Stores the sealed BK3.
        SET_SEALED_BK3: SetSealedBk3 = 1113,
    }
}

impl Opcode {
    /// The session-control kind that belongs to the opcode; `InSession` for any number that is not listed (wire 3.1).
    pub const fn control(self) -> SessionControl {
        match self {
            Self::GET_API_REV
            | Self::GET_DEVICE_INFO
            | Self::GET_ESTABLISH_CRED_ENCRYPTION_KEY
            | Self::ESTABLISH_CREDENTIAL
            | Self::GET_SESSION_ENCRYPTION_KEY
            | Self::GET_CERT_CHAIN_INFO
            | Self::GET_CERTIFICATE
            | Self::INIT_BK3
            | Self::GET_SEALED_BK3
            | Self::SET_SEALED_BK3 => SessionControl::NoSession,
            Self::OPEN_SESSION => SessionControl::Open,
            Self::CLOSE_SESSION => SessionControl::Close,
            _ => SessionControl::InSession,
        }
    }
}

open_enum! {
    /// What the device is; selects the dialect (wire 4.1).
    pub struct DeviceKind {
        /// Natural forms.
        VIRTUAL: Virtual = 1,
        /// Raw forms.
        PHYSICAL: Physical = 2,
    }
}

open_enum! {
    /// What a wrapped blob holds (wire 3.4).
    pub struct KeyClass {
        /// RSA, without the CRT values.
        RSA: Rsa = 1,
        /// RSA with the CRT values.
        RSA_CRT: RsaCrt = 2,
        /// AES-128, 192 or 256.
        AES: Aes = 3,
        /// Half an AES-XTS key.
        AES_XTS_BULK: AesXtsBulk = 4,
        /// AES-256-GCM with device-made IVs.
        AES_GCM_BULK: AesGcmBulk = 5,
        /// AES-256-GCM with the caller's IVs.
        AES_GCM_BULK_UNAPPROVED: AesGcmBulkUnapproved = 6,
        /// EC.
        ECC: Ecc = 7,
    }
}

open_enum! {
    /// What a key is (wire 3.4).
    pub struct KeyType {
        /// RSA-2048 private key.
        RSA_2K_PRIVATE: Rsa2kPrivate = 1,
        /// RSA-3072 private key.
        RSA_3K_PRIVATE: Rsa3kPrivate = 2,
        /// RSA-4096 private key.
        RSA_4K_PRIVATE: Rsa4kPrivate = 3,
        /// RSA-2048 private key with CRT values.
        RSA_2K_PRIVATE_CRT: Rsa2kPrivateCrt = 4,
        /// RSA-3072 private key with CRT values.
        RSA_3K_PRIVATE_CRT: Rsa3kPrivateCrt = 5,
        /// RSA-4096 private key with CRT values.
        RSA_4K_PRIVATE_CRT: Rsa4kPrivateCrt = 6,
        /// P-256 private key.
        ECC_256_PRIVATE: Ecc256Private = 7,
        /// P-384 private key.
        ECC_384_PRIVATE: Ecc384Private = 8,
        /// P-521 private key.
        ECC_521_PRIVATE: Ecc521Private = 9,
        /// AES-128.
        AES_128: Aes128 = 10,
        /// AES-192.
        AES_192: Aes192 = 11,
        /// AES-256.
        AES_256: Aes256 = 12,
        /// Half an AES-256-XTS key, fast path.
        AES_XTS_BULK_256: AesXtsBulk256 = 13,
        /// AES-256-GCM with device-made IVs, fast path.
        AES_GCM_BULK_256: AesGcmBulk256 = 14,
        /// AES-256-GCM with the caller's IVs, fast path.
        AES_GCM_BULK_256_UNAPPROVED: AesGcmBulk256Unapproved = 15,
        /// ECDH result of P-256.
        SECRET_256: Secret256 = 16,
        /// ECDH result of P-384.
        SECRET_384: Secret384 = 17,
        /// ECDH result of P-521.
        SECRET_521: Secret521 = 18,
        /// RSA-2048 public key.
        RSA_2K_PUBLIC: Rsa2kPublic = 19,
        /// RSA-3072 public key.
        RSA_3K_PUBLIC: Rsa3kPublic = 20,
        /// RSA-4096 public key.
        RSA_4K_PUBLIC: Rsa4kPublic = 21,
        /// P-256 public key.
        ECC_256_PUBLIC: Ecc256Public = 22,
        /// P-384 public key.
        ECC_384_PUBLIC: Ecc384Public = 23,
        /// P-521 public key.
        ECC_521_PUBLIC: Ecc521Public = 24,
        /// HMAC-SHA-256, 32 bytes.
        HMAC_SHA256: HmacSha256 = 25,
        /// HMAC-SHA-384, 48 bytes.
        HMAC_SHA384: HmacSha384 = 26,
        /// HMAC-SHA-512, 64 bytes.
        HMAC_SHA512: HmacSha512 = 27,
        /// A masking key; only in masked-blob metadata.
        AES_CBC_256_HMAC_384: AesCbc256Hmac384 = 28,
        /// A key-derivation secret; only in masked-blob metadata.
        KBKDF_SECRET_SHA384: KbKdfSecretSha384 = 29,
        /// HMAC-SHA-256, 32 to 64 bytes.
        VAR_HMAC_256: VarHmac256 = 30,
        /// HMAC-SHA-384, 48 to 128 bytes.
        VAR_HMAC_384: VarHmac384 = 31,
        /// HMAC-SHA-512, 64 to 128 bytes.
        VAR_HMAC_512: VarHmac512 = 32,
    }
}

open_enum! {
    /// What `AesGenerateKey` makes (wire 3.4).
    pub struct AesKeySize {
        /// AES-128.
        AES_128: Aes128 = 1,
        /// AES-192.
        AES_192: Aes192 = 2,
        /// AES-256.
        AES_256: Aes256 = 3,
        /// Half an AES-256-XTS key.
        AES_XTS_BULK_256: AesXtsBulk256 = 4,
        /// AES-256-GCM with device-made IVs.
        AES_GCM_BULK_256: AesGcmBulk256 = 5,
        /// AES-256-GCM with the caller's IVs.
        AES_GCM_BULK_256_UNAPPROVED: AesGcmBulk256Unapproved = 6,
    }
}

open_enum! {
    /// Which way `AesEncryptDecrypt` runs (wire 3.4).
    pub struct AesOp {
        /// Encrypt.
        ENCRYPT: Encrypt = 1,
        /// Decrypt.
        DECRYPT: Decrypt = 2,
    }
}

open_enum! {
    /// A curve (wire 3.4).
    pub struct EccCurve {
        /// secp256r1.
        P256: P256 = 1,
        /// secp384r1.
        P384: P384 = 2,
        /// secp521r1.
        P521: P521 = 3,
    }
}

open_enum! {
    /// A hash (wire 3.4).
    pub struct HashAlgorithm {
        /// SHA-1.
        SHA1: Sha1 = 1,
        /// SHA-256.
        SHA256: Sha256 = 2,
        /// SHA-384.
        SHA384: Sha384 = 3,
        /// SHA-512.
        SHA512: Sha512 = 4,
    }
}

impl HashAlgorithm {
    /// Length of a digest in bytes, of a known hash.
    pub const fn digest_len(self) -> Option<usize> {
        match self {
            Self::SHA1 => Some(20),
            Self::SHA256 => Some(32),
            Self::SHA384 => Some(48),
            Self::SHA512 => Some(64),
            _ => None,
        }
    }
}

open_enum! {
    /// What an RSA private operation is for (wire 3.4).
    pub struct RsaOpType {
        /// Needs a key for encrypt and decrypt.
        DECRYPT: Decrypt = 1,
        /// Needs a key for sign and verify.
        SIGN: Sign = 2,
    }
}

open_enum! {
    /// The padding of the wrapped key-encryption key (wire 3.4).
    pub struct RsaCryptoPadding {
        /// OAEP.
        OAEP: Oaep = 1,
    }
}
