//! Mechanism parameters, read from the caller's memory once (by `pkcs11/src/memory/params.rs`, by [`Shape`]) and typed from
//! then on.

use std::fmt;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

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
    /// A `CK_ULONG`: `CK_MAC_GENERAL_PARAMS`, `CK_EXTRACT_PARAMS`, `CK_OBJECT_HANDLE`.
    Number,
    /// No parameter, or an initial value of whatever length the caller gives.
    OptionalIv,
    /// `CK_AES_CTR_PARAMS`.
    Ctr,
    /// `CK_CCM_PARAMS`.
    Ccm,
    /// `CK_AES_CBC_ENCRYPT_DATA_PARAMS`.
    CbcData,
    /// `CK_KEY_DERIVATION_STRING_DATA`.
    StringData,
    /// `CK_RSA_AES_KEY_WRAP_PARAMS`.
    RsaAesWrap,
    /// `CK_ECDH_AES_KEY_WRAP_PARAMS`.
    EcdhAesWrap,
    /// `CK_SP800_108_KDF_PARAMS`.
    Sp800108,
    /// `CK_PKCS5_PBKD2_PARAMS2`.
    Pbkdf2,
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
    /// AES-GCM encryption with an IV of 12 bytes that the token chooses.
    GcmOwnIv {
        /// Where it is found when the encryption is finished.
        iv: OwnIv,
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
    /// A `CK_ULONG`: the length of a MAC in bytes, the first bit to extract, the handle of another key.
    Number(u64),
    /// An initial value that the mechanism has a default for.
    Iv(Vec<u8>),
    /// AES-CTR.
    Ctr {
        /// `ulCounterBits`: the low bits of the block that count.
        bits: u64,
        /// `cb`, the first counter block.
        block: [u8; 16],
    },
    /// AES-CCM.
    Ccm {
        /// `ulDataLen`: bytes of plain text.
        data_len: u64,
        /// Nonce.
        nonce: Vec<u8>,
        /// Additional data.
        aad: Vec<u8>,
        /// `ulMACLen`, bytes.
        mac_len: u64,
    },
    /// `CKM_AES_CBC_ENCRYPT_DATA`.
    CbcData {
        /// The IV.
        iv: [u8; 16],
        /// What is encrypted.
        data: Vec<u8>,
    },
    /// Bytes that go into a derivation.
    StringData(Vec<u8>),
    /// RSA-AES key wrap.
    RsaAesWrap {
        /// `ulAESKeyBits`.
        aes_bits: u64,
        /// `hashAlg` of the OAEP parameters.
        hash: MechanismType,
        /// `mgf`, a `CKG_` number.
        mgf: u64,
        /// `source`, a `CKZ_` number.
        source: u64,
        /// `pSourceData`, the label.
        label: Vec<u8>,
    },
    /// ECDH-AES key wrap.
    EcdhAesWrap {
        /// `ulAESKeyBits`.
        aes_bits: u64,
        /// `kdf`, a `CKD_` number.
        kdf: u64,
        /// `pSharedData`.
        shared: Vec<u8>,
    },
    /// SP 800-108 key derivation.
    Sp800108 {
        /// `prfType`.
        prf: MechanismType,
        /// `pDataParams`, in order.
        data: Vec<PrfData>,
        /// `ulAdditionalDerivedKeys`.
        additional_keys: u64,
    },
    /// PBKDF2.
    Pbkdf2 {
        /// `saltSource`, a `CKZ_` number.
        salt_source: u64,
        /// `pSaltSourceData`.
        salt: Vec<u8>,
        /// `iterations`.
        iterations: u64,
        /// `prf`, a `CKP_PKCS5_PBKD2_` number.
        prf: u64,
        /// `pPassword`.
        password: Password,
    },
}

impl Params {
    /// The handles of the other keys that the parameter names, in its order.
    pub fn other_keys(&self, kind: MechanismType) -> Vec<u64> {
        match self {
            Self::Number(handle) if kind == MechanismType::CONCATENATE_BASE_AND_KEY => vec![*handle],
            Self::Hkdf { salt_type, salt_key, .. } if *salt_type == cryptoki_sys::CKF_HKDF_SALT_KEY => vec![*salt_key],
            Self::Sp800108 { data, .. } => {
                let handle = |data: &PrfData| if let PrfData::Key(handle) = data { Some(*handle) } else { None };
                data.iter().filter_map(handle).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// One of the pieces that each block of an SP 800-108 derivation is computed over (PKCS#11 v3.2, 6.42.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrfData {
    /// The counter: `CK_SP800_108_ITERATION_VARIABLE` of counter mode.
    Counter {
        /// `bLittleEndian`.
        little_endian: bool,
        /// `ulWidthInBits`.
        bits: u64,
    },
    /// `CK_SP800_108_DKM_LENGTH`.
    Length {
        /// `dkmLengthMethod`.
        method: u64,
        /// `bLittleEndian`.
        little_endian: bool,
        /// `ulWidthInBits`.
        bits: u64,
    },
    /// `CK_SP800_108_BYTE_ARRAY`.
    Bytes(Vec<u8>),
    /// `CK_SP800_108_KEY_HANDLE`.
    Key(u64),
}

/// Where an operation leaves the IV that the token chose for it, once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnIv(Arc<OnceLock<[u8; 12]>>);

impl OwnIv {
    /// The IV, when there is one.
    pub fn get(&self) -> Option<[u8; 12]> {
        self.0.get().copied()
    }

    /// Leaves the IV.
    pub(crate) fn put(&self, iv: [u8; 12]) {
        // An operation ends once.
        let _ = self.0.set(iv);
    }
}

/// A password; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A mechanism with its parameter: a `CK_MECHANISM`, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mechanism {
    /// `mechanism`.
    pub kind: MechanismType,
    /// `pParameter`.
    pub params: Params,
}
