//! Mechanism parameters, read from the caller's memory once (by `pkcs11/memory.rs`, by [`Shape`]) and typed from then on.

use crate::ck::MechanismType;

/// Which C structure a mechanism's parameter is; a row of the table says it, the C boundary reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No parameter; a null pointer or length zero.
    None,
    /// 16 bytes.
    Iv16,
    /// `CK_GCM_PARAMS` (both the layout with `ulIvBits` and lengths as v3.2, 6.13.4 says).
    Gcm,
    /// `CK_RSA_PKCS_PSS_PARAMS`.
    Pss,
    /// `CK_RSA_PKCS_OAEP_PARAMS`.
    Oaep,
    /// `CK_ECDH1_DERIVE_PARAMS`.
    Ecdh1,
    /// `CK_HKDF_PARAMS`.
    Hkdf,
}

/// A parameter, owned and typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Params {
    /// None given.
    None,
    /// An IV of 16 bytes.
    Iv16([u8; 16]),
    /// AES-GCM.
    Gcm {
        /// IV, any length that the caller gave.
        iv: Vec<u8>,
        /// Additional data.
        aad: Vec<u8>,
        /// Tag length in bits.
        tag_bits: u64,
    },
    /// RSA-PSS.
    Pss {
        /// `hashAlg`.
        hash: MechanismType,
        /// `mgf`, a `CKG_` number.
        mgf: u64,
        /// `sLen`, bytes.
        salt_len: u64,
    },
    /// RSA-OAEP.
    Oaep {
        /// `hashAlg`.
        hash: MechanismType,
        /// `mgf`, a `CKG_` number.
        mgf: u64,
        /// `source`, a `CKZ_` number.
        source: u64,
        /// `pSourceData`, the label.
        label: Vec<u8>,
    },
    /// ECDH.
    Ecdh1 {
        /// `kdf`, a `CKD_` number.
        kdf: u64,
        /// `pSharedData`.
        shared: Vec<u8>,
        /// `pPublicData`: the point, raw or in a DER OCTET STRING.
        public: Vec<u8>,
    },
    /// HKDF.
    Hkdf {
        /// `bExtract`.
        extract: bool,
        /// `bExpand`.
        expand: bool,
        /// `prfHashMechanism`.
        hash: MechanismType,
        /// `ulSaltType`, a `CKF_HKDF_SALT_` number.
        salt_type: u64,
        /// `pSalt`.
        salt: Vec<u8>,
        /// `hSaltKey`.
        salt_key: u64,
        /// `pInfo`.
        info: Vec<u8>,
    },
}

/// A mechanism with its parameter: a `CK_MECHANISM`, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mechanism {
    /// `mechanism`.
    pub kind: MechanismType,
    /// `pParameter`.
    pub params: Params,
}
