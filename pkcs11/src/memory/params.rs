//! Mechanism parameters: which C structure to read is what the mechanism's row says.

use cryptoki_sys::{
    CK_AES_CBC_ENCRYPT_DATA_PARAMS, CK_AES_CTR_PARAMS, CK_BYTE, CK_CCM_PARAMS, CK_ECDH_AES_KEY_WRAP_PARAMS,
    CK_ECDH1_DERIVE_PARAMS, CK_FALSE, CK_GCM_PARAMS, CK_HKDF_PARAMS, CK_KEY_DERIVATION_STRING_DATA, CK_MECHANISM,
    CK_OBJECT_HANDLE, CK_PKCS5_PBKD2_PARAMS2, CK_PRF_DATA_PARAM, CK_RSA_AES_KEY_WRAP_PARAMS, CK_RSA_PKCS_OAEP_PARAMS,
    CK_RSA_PKCS_PSS_PARAMS, CK_SP800_108_COUNTER_FORMAT, CK_SP800_108_DKM_LENGTH_FORMAT, CK_SP800_108_KDF_PARAMS,
    CK_ULONG,
};
use mechanisms::ck::MechanismType;
use mechanisms::params::{Mechanism, Params, Password, PrfData, Shape};
use session::call::{Argument, null};
use session::{Code, Error, Result};

use super::{ck_ulong, fixed, input, read};

/// A mechanism, copied with its parameter; null is `CKR_ARGUMENTS_BAD`.
///
/// # Safety
///
/// As for [`mechanism_or_null`].
pub(crate) unsafe fn mechanism(data: *const CK_MECHANISM) -> Argument<Mechanism> {
    // SAFETY: the caller's promise, handed on.
    unsafe { mechanism_or_null(data) }?.ok_or_else(null)
}

/// A mechanism, copied with its parameter; null is `None`, which cancels an operation.
///
/// # Safety
///
/// `data` is null, or valid for a read of the structure; `pParameter` is null, or valid for reads of `ulParameterLen`
/// bytes; where these are the structure that belongs to the mechanism, its pointers are valid likewise.
pub(crate) unsafe fn mechanism_or_null(data: *const CK_MECHANISM) -> Argument<Option<Mechanism>> {
    // SAFETY: the caller's promise.
    let Some(mechanism) = (unsafe { read(data) }) else { return Ok(None) };
    let kind = MechanismType(mechanism.mechanism);
    let row = mechanisms::table::row(kind).ok_or_else(|| Code::MechanismInvalid.because(format_args!("{kind:?}")))?;
    // SAFETY: the caller's promise for the parameter of this mechanism.
    let params = unsafe { parse(kind, row.shape, mechanism.pParameter.cast(), mechanism.ulParameterLen) }?;
    Ok(Some(Mechanism { kind, params }))
}

/// A mechanism of messages, whose parameters come with each of them: what stands beside it here, which some programs fill
/// in and some do not, is not read. Null is `None`, which ends the process.
///
/// # Safety
///
/// `data` is null, or valid for a read of the structure.
pub(crate) unsafe fn message_mechanism(data: *const CK_MECHANISM) -> Option<Mechanism> {
    // SAFETY: the caller's promise.
    let mechanism = unsafe { read(data) };
    mechanism.map(|mechanism| Mechanism { kind: MechanismType(mechanism.mechanism), params: Params::None })
}

/// The parameter of a mechanism whose row names `shape`.
///
/// # Safety
///
/// `data` is null, or valid for reads of `len` bytes; where these are the structure that `shape` names, its pointers are
/// valid for its lengths.
pub(super) unsafe fn parse(kind: MechanismType, shape: Shape, data: *const CK_BYTE, len: CK_ULONG) -> Result<Params> {
    // SAFETY: the caller's promise, handed on.
    unsafe { Parameter { kind, data, len }.parse(shape) }
}

/// `pParameter` and `ulParameterLen`.
struct Parameter {
    kind: MechanismType,
    data: *const CK_BYTE,
    len: CK_ULONG,
}

impl Parameter {
    /// # Safety
    ///
    /// `data` is null, or valid for reads of `len` bytes; where these are the structure that `shape` names, its pointers are
    /// valid for its lengths.
    unsafe fn parse(&self, shape: Shape) -> Result<Params> {
        match shape {
            // A pointer without a length, or a length without a pointer, is how some programs write "none".
            Shape::None | Shape::OptionalIv if self.data.is_null() || self.len == 0 => Ok(Params::None),
            Shape::None => Err(self.invalid("takes none")),
            Shape::Iv16 => {
                self.check_len(16)?;
                // SAFETY: not null and 16 bytes long, as was just checked.
                Ok(Params::Iv16(unsafe { fixed(self.data) }?))
            }
            // SAFETY: the caller's promise, handed on.
            Shape::Gcm => unsafe { self.gcm() },
            Shape::Pss => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_RSA_PKCS_PSS_PARAMS = unsafe { self.structure() }?;
                Ok(Params::Pss { hash: MechanismType(given.hashAlg), mgf: given.mgf, salt_len: given.sLen })
            }
            Shape::Oaep => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_RSA_PKCS_OAEP_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointers of the structure.
                let label = unsafe { self.bytes(given.pSourceData.cast(), given.ulSourceDataLen) }?;
                Ok(Params::Oaep { hash: MechanismType(given.hashAlg), mgf: given.mgf, source: given.source, label })
            }
            Shape::Ecdh1 => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_ECDH1_DERIVE_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointers of the structure.
                let shared = unsafe { self.bytes(given.pSharedData, given.ulSharedDataLen) }?;
                // SAFETY: likewise.
                let public = unsafe { self.bytes(given.pPublicData, given.ulPublicDataLen) }?;
                Ok(Params::Ecdh1 { kdf: given.kdf, shared, public })
            }
            Shape::Hkdf => {
                // SAFETY: the caller's promise; no value of the structure is bad, CK_BBOOL is a byte.
                let given: CK_HKDF_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointers of the structure.
                let salt = unsafe { self.bytes(given.pSalt, given.ulSaltLen) }?;
                // SAFETY: likewise.
                let info = unsafe { self.bytes(given.pInfo, given.ulInfoLen) }?;
                Ok(Params::Hkdf {
                    extract: given.bExtract != CK_FALSE,
                    expand: given.bExpand != CK_FALSE,
                    hash: MechanismType(given.prfHashMechanism),
                    salt_type: given.ulSaltType,
                    salt,
                    salt_key: given.hSaltKey,
                    info,
                })
            }
            Shape::Number => {
                // SAFETY: the caller's promise; every value is a number.
                Ok(Params::Number(unsafe { self.structure() }?))
            }
            // SAFETY: the caller's promise, handed on.
            Shape::OptionalIv => Ok(Params::Iv(unsafe { self.bytes(self.data, self.len) }?)),
            Shape::Ctr => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_AES_CTR_PARAMS = unsafe { self.structure() }?;
                Ok(Params::Ctr { bits: given.ulCounterBits, block: given.cb })
            }
            Shape::Ccm => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_CCM_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointers of the structure.
                let nonce = unsafe { self.bytes(given.pNonce, given.ulNonceLen) }?;
                // SAFETY: likewise.
                let aad = unsafe { self.bytes(given.pAAD, given.ulAADLen) }?;
                Ok(Params::Ccm { data_len: given.ulDataLen, nonce, aad, mac_len: given.ulMACLen })
            }
            Shape::CbcData => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_AES_CBC_ENCRYPT_DATA_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointer of the structure.
                let data = unsafe { self.bytes(given.pData, given.length) }?;
                Ok(Params::CbcData { iv: given.iv, data })
            }
            Shape::StringData => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_KEY_DERIVATION_STRING_DATA = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointer of the structure.
                Ok(Params::StringData(unsafe { self.bytes(given.pData, given.ulLen) }?))
            }
            Shape::RsaAesWrap => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_RSA_AES_KEY_WRAP_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointer of the structure.
                let oaep = unsafe { read(given.pOAEPParams) }.ok_or_else(|| self.invalid("has no OAEP parameters"))?;
                // SAFETY: likewise.
                let label = unsafe { self.bytes(oaep.pSourceData.cast(), oaep.ulSourceDataLen) }?;
                Ok(Params::RsaAesWrap {
                    aes_bits: given.ulAESKeyBits,
                    hash: MechanismType(oaep.hashAlg),
                    mgf: oaep.mgf,
                    source: oaep.source,
                    label,
                })
            }
            Shape::EcdhAesWrap => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_ECDH_AES_KEY_WRAP_PARAMS = unsafe { self.structure() }?;
                // SAFETY: the caller's promise for the pointer of the structure.
                let shared = unsafe { self.bytes(given.pSharedData, given.ulSharedDataLen) }?;
                Ok(Params::EcdhAesWrap { aes_bits: given.ulAESKeyBits, kdf: given.kdf, shared })
            }
            // SAFETY: the caller's promise, handed on.
            Shape::Sp800108 => unsafe { self.sp800_108() },
            Shape::Pbkdf2 => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_PKCS5_PBKD2_PARAMS2 = unsafe { self.structure() }?;
                if !given.pPrfData.is_null() || given.ulPrfDataLen != 0 {
                    return Err(self.invalid("has data for a prf that takes none"));
                }
                // SAFETY: the caller's promise for the pointers of the structure.
                let salt = unsafe { self.bytes(given.pSaltSourceData.cast(), given.ulSaltSourceDataLen) }?;
                // SAFETY: likewise.
                let password = unsafe { self.bytes(given.pPassword, given.ulPasswordLen) }?;
                Ok(Params::Pbkdf2 {
                    salt_source: given.saltSource,
                    salt,
                    iterations: given.iterations,
                    prf: given.prf,
                    password: Password(password.into()),
                })
            }
        }
    }

    /// The parameter with each of its pieces, of which there are few in any use.
    ///
    /// # Safety
    ///
    /// As for [`Parameter::parse`].
    unsafe fn sp800_108(&self) -> Result<Params> {
        // SAFETY: the caller's promise; no value of the structure is bad.
        let given: CK_SP800_108_KDF_PARAMS = unsafe { self.structure() }?;
        let count = usize::try_from(given.ulNumberOfDataParams).unwrap_or(usize::MAX);
        if count > MAX_PIECES || (count > 0 && given.pDataParams.is_null()) {
            return Err(self.invalid("has no pieces, or too many"));
        }
        let mut data = Vec::with_capacity(count);
        for at in 0..count {
            // SAFETY: not null, and the caller's promise for `ulNumberOfDataParams` of them.
            let piece = unsafe { read(given.pDataParams.wrapping_add(at)) }.ok_or_else(null)?;
            // SAFETY: the caller's promise, handed on.
            data.push(unsafe { self.prf_data(&piece) }?);
        }
        let prf = MechanismType(given.prfType);
        Ok(Params::Sp800108 { prf, data, additional_keys: given.ulAdditionalDerivedKeys })
    }

    /// One piece.
    ///
    /// # Safety
    ///
    /// `pValue` is null, or valid for reads of `ulValueLen` bytes.
    unsafe fn prf_data(&self, piece: &CK_PRF_DATA_PARAM) -> Result<PrfData> {
        let inner = Parameter { kind: self.kind, data: piece.pValue.cast(), len: piece.ulValueLen };
        Ok(match piece.type_ {
            // The counter is the iteration variable; CK_SP800_108_COUNTER belongs to the other modes (6.42.3).
            cryptoki_sys::CK_SP800_108_ITERATION_VARIABLE => {
                // SAFETY: the caller's promise; no value of the structure is bad.
                let given: CK_SP800_108_COUNTER_FORMAT = unsafe { inner.structure() }?;
                PrfData::Counter { little_endian: given.bLittleEndian != CK_FALSE, bits: given.ulWidthInBits }
            }
            cryptoki_sys::CK_SP800_108_DKM_LENGTH => {
                // SAFETY: likewise.
                let given: CK_SP800_108_DKM_LENGTH_FORMAT = unsafe { inner.structure() }?;
                PrfData::Length {
                    method: given.dkmLengthMethod,
                    little_endian: given.bLittleEndian != CK_FALSE,
                    bits: given.ulWidthInBits,
                }
            }
            // SAFETY: the caller's promise, handed on.
            cryptoki_sys::CK_SP800_108_BYTE_ARRAY => PrfData::Bytes(unsafe { inner.bytes(inner.data, inner.len) }?),
            cryptoki_sys::CK_SP800_108_KEY_HANDLE => {
                // SAFETY: the caller's promise; every value is a number.
                let handle: CK_OBJECT_HANDLE = unsafe { inner.structure() }?;
                PrfData::Key(handle)
            }
            other => return Err(self.invalid(format_args!("has a piece of unknown type {other}"))),
        })
    }

    /// Both layouts that are in use: `CK_GCM_PARAMS` of the header, with `ulIvBits`, and the one without it, which the text
    /// of v2.40 printed and some programs were built with. `ulIvBits` says nothing
    /// that `ulIvLen` does not, and is left at zero or unset by many programs (rust-cryptoki on `ulIvBits`), so it is not
    /// looked at.
    ///
    /// # Safety
    ///
    /// As for [`Parameter::parse`].
    unsafe fn gcm(&self) -> Result<Params> {
        let without_iv_bits = self.len == ck_ulong(size_of::<GcmParams240>())?;
        let (iv, iv_len, aad, aad_len, tag_bits) = if without_iv_bits {
            // SAFETY: the caller's promise; no value of the structure is bad.
            let given: GcmParams240 = unsafe { self.structure() }?;
            (given.pIv, given.ulIvLen, given.pAAD, given.ulAADLen, given.ulTagBits)
        } else {
            // SAFETY: likewise.
            let given: CK_GCM_PARAMS = unsafe { self.structure() }?;
            (given.pIv, given.ulIvLen, given.pAAD, given.ulAADLen, given.ulTagBits)
        };
        // SAFETY: the caller's promise for the pointers of the structure.
        let iv = unsafe { self.bytes(iv, iv_len) }?;
        // SAFETY: likewise.
        let aad = unsafe { self.bytes(aad, aad_len) }?;
        Ok(Params::Gcm { iv, aad, tag_bits })
    }

    /// The parameter as a structure of exactly its size.
    ///
    /// # Safety
    ///
    /// `data` is null, or valid for reads of `len` bytes; every value of `T` is a good one.
    unsafe fn structure<T: Copy>(&self) -> Result<T> {
        self.check_len(size_of::<T>())?;
        // SAFETY: not null and as long as a `T`, as was just checked; every value is good by the caller's promise.
        unsafe { read(self.data.cast::<T>()) }.ok_or_else(null)
    }

    /// Bytes that the structure points at.
    ///
    /// # Safety
    ///
    /// `data` is null, or valid for reads of `len` bytes.
    unsafe fn bytes(&self, data: *const CK_BYTE, len: CK_ULONG) -> Result<Vec<u8>> {
        if len > MAX_PART {
            return Err(self.invalid("holds an absurd length"));
        }
        // SAFETY: the caller's promise, handed on; the slice is copied at once.
        let bytes = unsafe { input(data, len) }.map_err(|_| self.invalid("holds a null pointer with a length"))?;
        Ok(bytes.to_vec())
    }

    fn check_len(&self, wanted: usize) -> Result<()> {
        if self.data.is_null() {
            return Err(self.invalid("is missing"));
        }
        if self.len != ck_ulong(wanted)? {
            return Err(self.invalid(format_args!("is {} bytes long, {wanted} wanted", self.len)));
        }
        Ok(())
    }

    fn invalid(&self, what: impl std::fmt::Display) -> Error {
        Code::MechanismParamInvalid.because(format_args!("the parameter of {:?} {what}", self.kind))
    }
}

/// `CK_GCM_PARAMS` as the text of v2.40 printed it (PKCS#11 Current Mechanisms v2.40, AES-GCM
/// mechanism parameters), before it was brought in line with the header.
#[derive(Clone, Copy)]
#[expect(non_snake_case, reason = "names of the standard")]
#[repr(C)]
pub(super) struct GcmParams240 {
    pub(super) pIv: *mut CK_BYTE,
    pub(super) ulIvLen: CK_ULONG,
    pub(super) pAAD: *mut CK_BYTE,
    pub(super) ulAADLen: CK_ULONG,
    pub(super) ulTagBits: CK_ULONG,
}

/// Longest IV, label, salt, or additional data that is copied from a parameter.
const MAX_PART: CK_ULONG = 64 << 20;
/// Most pieces of an SP 800-108 derivation that are read.
const MAX_PIECES: usize = 64;
