//! The structures that come with each message (PKCS#11 v3.2, 6.13.6): read with what they point at, and written to where
//! encryption makes an IV and a tag.

use cryptoki_sys::{CK_BYTE, CK_CCM_MESSAGE_PARAMS, CK_GCM_MESSAGE_PARAMS, CK_MECHANISM, CK_ULONG, CKG_NO_GENERATE};
use mechanisms::ck::MechanismType;
use mechanisms::operation::MessageParams;
use session::call::{Argument, CallerMemory};
use session::encrypt::Encrypted;
use session::message::{Answer, MessageShape};
use session::{Code, Error, Result};

use super::params::GcmParams240;
use super::{Output, ck_ulong, input, plausible, read};

/// What is done with the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Decryption reads it.
    Read,
    /// Encryption writes it.
    Write,
    /// Nothing yet: the message goes on.
    Later,
}

/// The parameter of a message.
pub(crate) struct MessageParameter {
    params: Argument<MessageParams>,
    /// Where a generated IV goes; null where the IV is the caller's.
    iv: *mut CK_BYTE,
    /// Where the tag goes; null where none is written.
    tag: *mut CK_BYTE,
}

/// The parameter of a message of which the session says the structure.
///
/// # Safety
///
/// `data` is null, or valid for reads of `len` bytes; where these are the structure that `shape` names, its pointers are
/// null, or valid for reads and writes of the lengths beside them, until the value is consumed.
pub(crate) unsafe fn message_parameter(
    shape: Result<MessageShape>,
    data: *const CK_BYTE,
    len: CK_ULONG,
    tag: Tag,
) -> MessageParameter {
    // SAFETY: the caller's promise, handed on.
    match unsafe { parse(shape, data, len, tag) } {
        Ok(parameter) => parameter,
        Err(error) => MessageParameter { params: Err(error), iv: std::ptr::null_mut(), tag: std::ptr::null_mut() },
    }
}

/// # Safety
///
/// As for [`message_parameter`].
unsafe fn parse(
    shape: Result<MessageShape>,
    data: *const CK_BYTE,
    len: CK_ULONG,
    use_of_tag: Tag,
) -> Result<MessageParameter> {
    let (iv, iv_len, fixed_bits, generator, tag, tag_len, data_len) = match shape? {
        MessageShape::Gcm => {
            // SAFETY: the caller's promise; no value of the structure is bad.
            let given: CK_GCM_MESSAGE_PARAMS = unsafe { structure(data, len) }?;
            if !given.ulTagBits.is_multiple_of(8) {
                return Err(invalid(format_args!("asks for a tag of {} bits", given.ulTagBits)));
            }
            let tag_len = given.ulTagBits / 8;
            (given.pIv, given.ulIvLen, given.ulIvFixedBits, given.ivGenerator, given.pTag, tag_len, None)
        }
        MessageShape::Ccm => {
            // SAFETY: likewise.
            let given: CK_CCM_MESSAGE_PARAMS = unsafe { structure(data, len) }?;
            let (fixed, generator, data_len) = (given.ulNonceFixedBits, given.nonceGenerator, Some(given.ulDataLen));
            (given.pNonce, given.ulNonceLen, fixed, generator, given.pMAC, given.ulMACLen, data_len)
        }
    };
    if iv_len > MAX_IV || tag_len > MAX_TAG {
        return Err(invalid("holds an absurd length"));
    }
    if tag.is_null() && tag_len > 0 && use_of_tag != Tag::Later {
        return Err(invalid("has no place for the tag"));
    }
    let null = |_| invalid("holds a null pointer with a length");
    // SAFETY: the caller's promise for the pointers of the structure; the slices are copied at once. What a generated IV
    // will replace may be anything, and no value of a byte is bad.
    let iv_bytes = unsafe { input(iv, iv_len) }.map_err(null)?.to_vec();
    let tag_bytes = if use_of_tag == Tag::Read {
        // SAFETY: likewise.
        unsafe { input(tag, tag_len) }.map_err(null)?.to_vec()
    } else {
        vec![0; plausible(tag_len)?]
    };
    let params = MessageParams { iv: iv_bytes, fixed_bits, generator, tag: tag_bytes, data_len };
    let nowhere = std::ptr::null_mut();
    Ok(MessageParameter {
        params: Ok(params),
        iv: if generator == CKG_NO_GENERATE { nowhere } else { iv },
        tag: if use_of_tag == Tag::Write { tag } else { nowhere },
    })
}

impl MessageParameter {
    /// The parameter, copied.
    pub(crate) fn params(&self) -> Argument<MessageParams> {
        self.params.clone()
    }

    /// Writes the answer, and then what was made for the structure.
    pub(crate) fn deliver(self, output: Output, answer: Result<Answer>) -> Result<()> {
        let (reply, made) = answer?;
        output.deliver(Ok(reply))?;
        self.put(made)
    }

    /// Writes what was made for the structure: a generated IV, and the tag.
    pub(crate) fn put(self, made: Option<MessageParams>) -> Result<()> {
        let (given, Some(made)) = (self.params?, made) else { return Ok(()) };
        if made.iv.len() != given.iv.len() || made.tag.len() != given.tag.len() {
            return Err(Code::GeneralError.because("an IV or a tag that the caller has no room for"));
        }
        for (place, bytes) in [(self.iv, &made.iv), (self.tag, &made.tag)] {
            if !place.is_null() {
                // SAFETY: valid for writes of the length that was read with it (`message_parameter`), which is that of
                // `bytes`, as was just seen; `bytes` is memory of our own.
                unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            }
        }
        Ok(())
    }
}

/// The parameter of a message that is signed or verified: there is none.
pub(crate) fn no_parameter<T>(data: *const T, len: CK_ULONG) -> Argument<()> {
    if data.is_null() || len == 0 { Ok(()) } else { Err(invalid("is there, and messages take none here")) }
}

/// The place of the IV of `CKM_AES_GCM`, where a key whose IVs the token chooses will have it written.
///
/// # Safety
///
/// As for [`super::mechanism_or_null`]; and `pIv` is null, or valid for writes of `ulIvLen` bytes, from now until the
/// operation that this mechanism begins has ended.
pub(crate) unsafe fn place_of_iv(data: *const CK_MECHANISM) -> Option<CallerMemory> {
    // SAFETY: the caller's promise.
    let mechanism = unsafe { read(data) }?;
    if MechanismType(mechanism.mechanism) != MechanismType::AES_GCM
        || mechanism.ulParameterLen < CK_ULONG::try_from(size_of::<GcmParams240>()).ok()?
    {
        return None;
    }
    // SAFETY: the caller's promise. Both layouts of the structure begin with the pointer.
    let iv = unsafe { read(mechanism.pParameter.cast::<*mut CK_BYTE>()) }?;
    (!iv.is_null()).then(|| CallerMemory(iv.expose_provenance()))
}

/// Writes the end of an encryption, and the IV where the token chose it.
pub(crate) fn deliver_encrypted(output: Output, encrypted: Result<Encrypted>) -> Result<()> {
    let Encrypted { reply, iv } = encrypted?;
    output.deliver(Ok(reply))?;
    if let Some((CallerMemory(place), iv)) = iv {
        let place = std::ptr::with_exposed_provenance_mut::<CK_BYTE>(place);
        // SAFETY: made by `place_of_iv` of a pointer that is not null, and that is valid for writes of 12 bytes, the length
        // that the session has checked, to the end of the operation, which is now.
        unsafe { place.copy_from_nonoverlapping(iv.as_ptr(), iv.len()) };
    }
    Ok(())
}

/// # Safety
///
/// `data` is null, or valid for reads of `len` bytes; every value of `T` is a good one.
unsafe fn structure<T: Copy>(data: *const CK_BYTE, len: CK_ULONG) -> Result<T> {
    if data.is_null() || len != ck_ulong(size_of::<T>())? {
        return Err(invalid(format_args!("is missing or {len} bytes long, {} wanted", size_of::<T>())));
    }
    // SAFETY: not null and as long as a `T`; every value is good by the caller's promise.
    unsafe { read(data.cast::<T>()) }.ok_or_else(|| invalid("is missing"))
}

fn invalid(what: impl std::fmt::Display) -> Error {
    Code::MechanismParamInvalid.because(format_args!("the parameter of the message {what}"))
}

/// Longest IV that is copied.
const MAX_IV: CK_ULONG = 1 << 20;
/// Longest tag: 128 bits.
const MAX_TAG: CK_ULONG = 16;
