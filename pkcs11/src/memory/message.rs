//! The structures that come with each message (PKCS#11 v3.2, 6.13.6): read with what they point at, and written to where
//! encryption makes an IV and a tag.

use cryptoki_sys::{
    CK_BYTE, CK_CCM_MESSAGE_PARAMS, CK_GCM_MESSAGE_PARAMS, CK_GCM_WRAP_PARAMS, CK_MECHANISM, CK_ULONG, CKG_NO_GENERATE,
};
use mechanisms::ck::MechanismType;
use mechanisms::operation::MessageParams;
use mechanisms::params::{Mechanism, Params};
use session::call::{Argument, CallerMemory, null};
use session::encrypt::Encrypted;
use session::key::Wrapping;
use session::message::{Answer, MessageShape};
use session::{Code, Error, Result};

use super::params::{GcmParams240, mechanism};
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
        Err(error) => MessageParameter::nothing(Err(error)),
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

/// How a key is to be wrapped: by the mechanism's own parameter, or with `CK_GCM_WRAP_PARAMS` (v3.2, 6.13.3), where the
/// token may generate the IV. The parameter that comes with it is what the IV is written to.
///
/// # Safety
///
/// As for [`super::mechanism`]; and `pIv` is null, or valid for writes of `ulIvLen` bytes until the value is consumed.
pub(crate) unsafe fn wrapping(data: *const CK_MECHANISM) -> (Argument<Wrapping>, MessageParameter) {
    let nothing = || MessageParameter::nothing(Ok(MessageParams::default()));
    // SAFETY: the caller's promise.
    let given = match unsafe { gcm_wrap(data) } {
        // SAFETY: the caller's promise, handed on.
        Ok(None) => return (unsafe { mechanism(data) }.map(Wrapping::Plain), nothing()),
        Err(error) => return (Err(error), nothing()),
        Ok(Some(given)) => given,
    };
    let message = CK_GCM_MESSAGE_PARAMS {
        pIv: given.pIv,
        ulIvLen: given.ulIvLen,
        ulIvFixedBits: given.ulIvFixedBits,
        ivGenerator: given.ivGenerator,
        pTag: std::ptr::null_mut(),
        ulTagBits: given.ulTagBits,
    };
    let len = ck_ulong(size_of::<CK_GCM_MESSAGE_PARAMS>()).unwrap_or(0);
    let shape = Ok(MessageShape::Gcm);
    // SAFETY: the caller's promise for the pointers of the structure; the structure is our own.
    let parameter = unsafe { message_parameter(shape, std::ptr::from_ref(&message).cast(), len, Tag::Later) };
    // SAFETY: the caller's promise for the additional data, which is copied at once.
    let aad = unsafe { input(given.pAAD, given.ulAADLen) }.map_err(|_| invalid("holds a null pointer with a length"));
    let wrapping =
        || Ok(Wrapping::OwnIv { kind: MechanismType::AES_GCM, params: parameter.params()?, aad: aad?.to_vec() });
    (wrapping(), parameter)
}

/// The mechanism that unwraps; of `CK_GCM_WRAP_PARAMS` "the ulIvFixedBits and ivGenerator fields are ignored".
///
/// # Safety
///
/// As for [`super::mechanism`].
pub(crate) unsafe fn unwrapping(data: *const CK_MECHANISM) -> Argument<Mechanism> {
    // SAFETY: the caller's promise.
    let Some(given) = (unsafe { gcm_wrap(data) })? else {
        // SAFETY: the caller's promise, handed on.
        return unsafe { mechanism(data) };
    };
    let null = |_| invalid("holds a null pointer with a length");
    // SAFETY: the caller's promise for the pointers of the structure; both are copied at once.
    let (iv, aad) = unsafe { (input(given.pIv, given.ulIvLen), input(given.pAAD, given.ulAADLen)) };
    let (iv, aad) = (iv.map_err(null)?.to_vec(), aad.map_err(null)?.to_vec());
    Ok(Mechanism { kind: MechanismType::AES_GCM, params: Params::Gcm { iv, aad, tag_bits: given.ulTagBits } })
}

/// `CK_GCM_WRAP_PARAMS`, where this is `CKM_AES_GCM` with a parameter of that size, which `CK_GCM_PARAMS` has not.
///
/// # Safety
///
/// `data` is null, or valid for a read of the structure; `pParameter` is null, or valid for reads of `ulParameterLen` bytes.
unsafe fn gcm_wrap(data: *const CK_MECHANISM) -> Result<Option<CK_GCM_WRAP_PARAMS>> {
    // SAFETY: the caller's promise.
    let mechanism = unsafe { read(data) }.ok_or_else(null)?;
    if MechanismType(mechanism.mechanism) != MechanismType::AES_GCM
        || mechanism.ulParameterLen != ck_ulong(size_of::<CK_GCM_WRAP_PARAMS>())?
    {
        return Ok(None);
    }
    // SAFETY: as long as the structure, as was just seen; every value of it is a good one.
    Ok(unsafe { read(mechanism.pParameter.cast()) })
}

/// A mechanism whose parameter is that of a message (`C_WrapKeyAuthenticated`), and that parameter.
///
/// # Safety
///
/// `data` is null, or valid for a read of the structure; what it points at as for [`message_parameter`].
pub(crate) unsafe fn message_wrapping(
    data: *const CK_MECHANISM,
    tag: Tag,
) -> (Argument<MechanismType>, MessageParameter) {
    // SAFETY: the caller's promise.
    let Some(mechanism) = (unsafe { read(data) }) else {
        return (Err(null()), MessageParameter::nothing(Err(null())));
    };
    let kind = MechanismType(mechanism.mechanism);
    let shape = session::key::message_shape(kind);
    let known = shape.as_ref().map(|_| kind).map_err(Clone::clone);
    // SAFETY: the caller's promise, handed on.
    let parameter = unsafe { message_parameter(shape, mechanism.pParameter.cast(), mechanism.ulParameterLen, tag) };
    (known, parameter)
}

impl MessageParameter {
    fn nothing(params: Argument<MessageParams>) -> Self {
        Self { params, iv: std::ptr::null_mut(), tag: std::ptr::null_mut() }
    }

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

/// These run under Miri: see `memory::tests`.
#[cfg(test)]
mod tests {
    use cryptoki_sys::{CKG_GENERATE, CKM_AES_GCM};
    use session::call::{Reply, Room};
    use zeroize::Zeroizing;

    use super::super::output;
    use super::*;

    fn gcm(iv: &mut [u8], tag: &mut [u8], generator: CK_ULONG) -> CK_GCM_MESSAGE_PARAMS {
        CK_GCM_MESSAGE_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: iv.len() as CK_ULONG,
            ulIvFixedBits: 8,
            ivGenerator: generator,
            pTag: tag.as_mut_ptr(),
            ulTagBits: 8 * tag.len() as CK_ULONG,
        }
    }

    fn parameter<T>(shape: MessageShape, given: &T, tag: Tag) -> MessageParameter {
        let len = size_of::<T>() as CK_ULONG;
        // SAFETY: a structure whose pointers are null, or valid for the lengths beside them while the test uses them.
        unsafe { message_parameter(Ok(shape), std::ptr::from_ref(given).cast(), len, tag) }
    }

    fn made(iv: &[u8], tag: &[u8]) -> MessageParams {
        MessageParams { iv: iv.to_vec(), tag: tag.to_vec(), ..MessageParams::default() }
    }

    #[test]
    fn encryption_writes_what_it_made() {
        for (generator, iv_after) in [(CKG_GENERATE, [9; 12]), (CKG_NO_GENERATE, [1; 12])] {
            let (mut iv, mut tag, mut out, mut len) = ([1; 12], [2; 16], [0; 4], 4);
            let given = gcm(&mut iv, &mut tag, generator);
            let read = parameter(MessageShape::Gcm, &given, Tag::Write);
            let params = read.params().unwrap();
            assert_eq!((&params.iv[..], &params.tag[..]), (&[1; 12][..], &[0; 16][..]), "the tag is not read");
            assert_eq!((params.fixed_bits, params.generator, params.data_len), (8, generator, None));
            // SAFETY: a buffer and its length.
            let output = unsafe { output(out.as_mut_ptr(), &raw mut len) };
            assert_eq!(output.room().unwrap(), Room::Bytes(4));
            let reply = Reply::Bytes(Zeroizing::new(vec![7; 3]));
            read.deliver(output, Ok((reply, Some(made(&[9; 12], &[8; 16]))))).unwrap();
            assert_eq!((iv, tag, out, len), (iv_after, [8; 16], [7, 7, 7, 0], 3));
        }
    }

    #[test]
    fn decryption_and_the_middle_of_a_message_write_nothing() {
        for (how, read_tag) in [(Tag::Read, [2; 16]), (Tag::Later, [0; 16])] {
            let (mut iv, mut tag) = ([1; 12], [2; 16]);
            let given = gcm(&mut iv, &mut tag, CKG_NO_GENERATE);
            let read = parameter(MessageShape::Gcm, &given, how);
            assert_eq!(read.params().unwrap().tag, read_tag);
            read.put(Some(made(&[9; 12], &[8; 16]))).unwrap();
            assert_eq!((iv, tag), ([1; 12], [2; 16]));
        }
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        for (iv_len, tag_len) in [(13, 16), (11, 16), (12, 15)] {
            let (mut iv, mut tag) = ([1; 12], [2; 16]);
            let given = gcm(&mut iv, &mut tag, CKG_GENERATE);
            let read = parameter(MessageShape::Gcm, &given, Tag::Write);
            let refused = read.put(Some(made(&vec![9; iv_len], &vec![8; tag_len])));
            assert_eq!(refused.unwrap_err(), Code::GeneralError);
            assert_eq!((iv, tag), ([1; 12], [2; 16]));
        }
    }

    #[test]
    fn structures_may_be_unaligned_and_must_be_whole() {
        let (mut nonce, mut mac) = ([1; 13], [2; 8]);
        let given = CK_CCM_MESSAGE_PARAMS {
            ulDataLen: 100,
            pNonce: nonce.as_mut_ptr(),
            ulNonceLen: 13,
            ulNonceFixedBits: 0,
            nonceGenerator: CKG_GENERATE,
            pMAC: mac.as_mut_ptr(),
            ulMACLen: 8,
        };
        let mut memory = [0_u64; 9];
        let at = memory.as_mut_ptr().cast::<u8>().wrapping_add(1);
        // SAFETY: 72 bytes hold the structure's 56 from the second on.
        unsafe { at.cast::<CK_CCM_MESSAGE_PARAMS>().write_unaligned(given) };
        // SAFETY: the structure that was just written.
        let read = unsafe { message_parameter(Ok(MessageShape::Ccm), at, 56, Tag::Read) };
        let params = read.params().unwrap();
        assert_eq!((params.data_len, &params.iv[..], &params.tag[..]), (Some(100), &nonce[..], &mac[..]));
        for len in [0, 48, 55, 57, CK_ULONG::MAX] {
            // SAFETY: refused before anything is read.
            let read = unsafe { message_parameter(Ok(MessageShape::Ccm), at, len, Tag::Read) };
            assert_eq!(read.params().unwrap_err(), Code::MechanismParamInvalid, "{len}");
        }
        // SAFETY: null is allowed.
        let read = unsafe { message_parameter(Ok(MessageShape::Gcm), std::ptr::null(), 48, Tag::Read) };
        assert_eq!(read.params().unwrap_err(), Code::MechanismParamInvalid);
        // SAFETY: the session's error comes first.
        let read =
            unsafe { message_parameter(Err(Code::OperationNotInitialized.into()), std::ptr::null(), 0, Tag::Read) };
        assert_eq!(read.params().unwrap_err(), Code::OperationNotInitialized);
    }

    #[test]
    fn the_place_of_an_iv_is_found_in_both_layouts() {
        let mut iv = [0_u8; 12];
        let mut words = [iv.as_mut_ptr(); 6];
        for (len, found) in [(48, true), (40, true), (39, false), (0, false)] {
            let mut mechanism =
                CK_MECHANISM { mechanism: CKM_AES_GCM, pParameter: words.as_mut_ptr().cast(), ulParameterLen: len };
            // SAFETY: a mechanism whose parameter begins with a pointer.
            let place = unsafe { place_of_iv(&raw const mechanism) };
            assert_eq!(place.is_some(), found);
            mechanism.mechanism = cryptoki_sys::CKM_AES_CBC;
            // SAFETY: likewise.
            assert!(unsafe { place_of_iv(&raw const mechanism) }.is_none());
            if place.is_some() {
                let (mut out, mut len) = ([0; 1], 1);
                // SAFETY: a buffer and its length.
                let output = unsafe { output(out.as_mut_ptr(), &raw mut len) };
                let reply = Reply::Bytes(Zeroizing::new(vec![3]));
                let encrypted = Encrypted { reply, iv: place.map(|place| (place, [5; 12])) };
                deliver_encrypted(output, Ok(encrypted)).unwrap();
                assert_eq!((iv, out), ([5; 12], [3]));
                iv = [0; 12];
            }
        }
        // SAFETY: null is allowed.
        assert!(unsafe { place_of_iv(std::ptr::null()) }.is_none());
    }
}
