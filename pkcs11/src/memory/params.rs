//! Mechanism parameters: which C structure to read is what the mechanism's row says.

use cryptoki_sys::{
    CK_BYTE, CK_ECDH1_DERIVE_PARAMS, CK_FALSE, CK_GCM_PARAMS, CK_HKDF_PARAMS, CK_MECHANISM, CK_RSA_PKCS_OAEP_PARAMS,
    CK_RSA_PKCS_PSS_PARAMS, CK_ULONG,
};
use mechanisms::ck::MechanismType;
use mechanisms::params::{Mechanism, Params, Shape};
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
            Shape::None if self.data.is_null() || self.len == 0 => Ok(Params::None),
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
        }
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
