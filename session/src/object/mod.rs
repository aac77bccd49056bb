//! Object management: `C_CreateObject` to `C_FindObjectsFinal`.

use zeroize::Zeroizing;

use crate::attribute::{AttributeType, Template};
use crate::call::{Argument, ObjectHandle, Room, SessionHandle};
use crate::{Code, Result};

/// The answer for one attribute of `C_GetAttributeValue` (PKCS#11 v3.2, 5.7.5): each has its own result.
#[derive(Debug)]
pub enum AttributeReply {
    /// The length, for a null `pValue`.
    Length(usize),
    /// The value, which fits.
    Value(Zeroizing<Vec<u8>>),
    /// Sensitive, unknown or too small: `ulValueLen` becomes `CK_UNAVAILABLE_INFORMATION`.
    Unavailable,
}

/// `C_CreateObject`.
pub fn create(_session: SessionHandle, _template: Argument<Template>) -> Result<ObjectHandle> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_CopyObject`.
pub fn copy(_session: SessionHandle, _object: ObjectHandle, _template: Argument<Template>) -> Result<ObjectHandle> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_DestroyObject`.
pub fn destroy(_session: SessionHandle, _object: ObjectHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetObjectSize`, bytes.
pub fn size(_session: SessionHandle, _object: ObjectHandle) -> Result<u64> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GetAttributeValue`: a reply for each wanted attribute, in order, and the code of the whole call
/// (`CKR_ATTRIBUTE_SENSITIVE`, `CKR_ATTRIBUTE_TYPE_INVALID`, `CKR_BUFFER_TOO_SMALL`) where not all could be given.
pub fn attributes(
    _session: SessionHandle,
    _object: ObjectHandle,
    _wanted: Argument<Vec<(AttributeType, Room)>>,
) -> Result<(Vec<AttributeReply>, Option<Code>)> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_SetAttributeValue`.
pub fn set_attributes(_session: SessionHandle, _object: ObjectHandle, _template: Argument<Template>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_FindObjectsInit`.
pub fn find_init(_session: SessionHandle, _template: Argument<Template>) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_FindObjects`: at most `max` more handles.
pub fn find(_session: SessionHandle, _max: usize) -> Result<Vec<ObjectHandle>> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_FindObjectsFinal`.
pub fn find_final(_session: SessionHandle) -> Result<()> {
    Err(Code::FunctionNotSupported.into())
}
