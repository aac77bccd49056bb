//! `C_WrapKey`, `C_WrapKeyAuthenticated`.

use std::sync::Arc;

use mechanisms::ck::MechanismType;
use mechanisms::key::Value;
use mechanisms::operation::MessageParams;
use mechanisms::params::{Mechanism, Params};
use mechanisms::table::{self, Row};
use zeroize::Zeroizing;

use super::unwrap::goes_through;
use crate::attribute::family::Family;
use crate::attribute::{AttributeType as A, nested};
use crate::call::{Argument, ObjectHandle, Reply, Room, SessionHandle};
use crate::ivs;
use crate::library::Library;
use crate::message::{Answer, MessageShape, once};
use crate::object::model::{Holding, Object};
use crate::object::{read, usage, value};
use crate::operation::{Permitted, Purpose, permitted, row};
use crate::sessions::Session;
use crate::token::Token;
use crate::{Code, Error, Result};

/// How a key is to be wrapped.
#[derive(Clone, Debug)]
pub enum Wrapping {
    /// With the mechanism's own parameter.
    Plain(Mechanism),
    /// With an IV that the token may generate: `CK_GCM_WRAP_PARAMS`. The tag is the end of the wrapped key.
    OwnIv {
        /// The mechanism.
        kind: MechanismType,
        /// IV, generator, and a tag of the wanted length.
        params: MessageParams,
        /// Additional data.
        aad: Vec<u8>,
    },
}

/// Which structure a mechanism's message parameters are; `CKR_MECHANISM_INVALID` where it wraps no messages.
pub fn message_shape(kind: MechanismType) -> Result<MessageShape> {
    let row = table::row(kind).filter(|row| row.wrap.is_some() && row.message_encrypt.is_some());
    let row = row.ok_or_else(|| Code::MechanismInvalid.because(format_args!("{kind:?} wraps no messages")))?;
    Ok(MessageShape::of(row.shape))
}

/// `C_WrapKey`.
pub fn wrap(
    session: SessionHandle,
    wrapping: Argument<Wrapping>,
    wrapping_key: ObjectHandle,
    key: ObjectHandle,
    room: Argument<Room>,
) -> Result<Answer> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    match wrapping? {
        Wrapping::Plain(mechanism) => {
            let (row, start) = row(&mechanism, |row| row.wrap)?;
            let (by, object) = pair(&library, &session, row, wrapping_key, key)?;
            let room = room?;
            let len = payload_len(&object)?;
            // A key of which the token chooses the IVs takes CK_GCM_WRAP_PARAMS only.
            let (op, _) = ivs::start(&library, start, &mechanism, &by, None)?;
            // No mechanism has to wrap to know the length of its answer.
            if let Some(reply) = room.settled(op.final_len(len)) {
                return Ok((reply, None));
            }
            let payload = payload(&object, &session.slot.token)?;
            let mut out = Zeroizing::new(Vec::with_capacity(op.final_len(len)));
            op.whole(bytes(&payload), &mut out).map_err(of_key)?;
            Ok((Reply::Bytes(out), None))
        }
        Wrapping::OwnIv { kind, params, aad } => {
            let tag_len = params.tag.len();
            let mut answer = message(&library, &session, kind, [wrapping_key, key], params, &aad, room, tag_len)?;
            if let (Reply::Bytes(bytes), Some(params)) = &mut answer {
                bytes.extend_from_slice(&params.tag);
            }
            Ok(answer)
        }
    }
}

/// `C_WrapKeyAuthenticated`: the parameter is that of a message, to which the IV and the tag are written.
pub fn wrap_authenticated(
    session: SessionHandle,
    kind: Argument<MechanismType>,
    params: Argument<MessageParams>,
    wrapping_key: ObjectHandle,
    key: ObjectHandle,
    aad: Argument<&[u8]>,
    room: Argument<Room>,
) -> Result<Answer> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let (kind, params, aad) = (kind?, params?, aad?);
    message(&library, &session, kind, [wrapping_key, key], params, aad, room, 0)
}

/// Wraps as one message. `more` bytes will be added to the answer.
#[expect(clippy::too_many_arguments, reason = "the parameters of two functions of the standard")]
fn message(
    library: &Library,
    session: &Session,
    kind: MechanismType,
    [wrapping_key, key]: [ObjectHandle; 2],
    params: MessageParams,
    aad: &[u8],
    room: Argument<Room>,
    more: usize,
) -> Result<Answer> {
    let mechanism = Mechanism { kind, params: Params::None };
    let (row, start) = row(&mechanism, |row| row.message_encrypt.filter(|_| row.wrap.is_some()))?;
    let (by, object) = pair(library, session, row, wrapping_key, key)?;
    let room = room?;
    if let Some(reply) = room.settled(payload_len(&object)? + more) {
        return Ok((reply, None));
    }
    // One message is no place for a counter: it would begin again with the next key.
    if matches!(params.generator, cryptoki_sys::CKG_GENERATE_COUNTER | cryptoki_sys::CKG_GENERATE_COUNTER_XOR) {
        return Err(Code::MechanismParamInvalid.because("a counter for a single message would use its IV again"));
    }
    let payload = payload(&object, &session.slot.token)?;
    once(library, row, start, &by, true, params, aad, bytes(&payload)).map_err(of_key)
}

/// The wrapping key and the key that it may wrap.
fn pair(
    library: &Library,
    session: &Session,
    row: &Row,
    wrapping_key: ObjectHandle,
    key: ObjectHandle,
) -> Result<(Permitted, Arc<Object>)> {
    let by = permitted(session, wrapping_key, row, Purpose::Wrap)?;
    let object = session.key_object(key)?;
    if !object.family.is_hidden() {
        return Err(Code::KeyNotWrappable.because("a public key goes out as it is"));
    }
    if !object.attributes.flag(A::EXTRACTABLE) {
        return Err(Code::KeyUnextractable.because("CKA_EXTRACTABLE is false"));
    }
    if !row.wraps.contains(&object.family.class()) {
        return Err(Code::KeyNotWrappable.because(format_args!(
            "{:?} does not wrap {:?}",
            row.kind,
            object.family.class()
        )));
    }
    if object.attributes.flag(A::WRAP_WITH_TRUSTED) && !by.object.attributes.flag(A::TRUSTED) {
        return Err(Code::KeyNotWrappable.because("CKA_WRAP_WITH_TRUSTED, and the wrapping key is not trusted"));
    }
    if let Some(template) = by.object.attributes.bytes(A::WRAP_TEMPLATE) {
        for (kind, value) in nested::decode(template)? {
            if !read::matches(&object, kind, value, &session.slot.token)? {
                return Err(Code::KeyHandleInvalid
                    .because(format_args!("{kind:?} is not what CKA_WRAP_TEMPLATE of the wrapping key wants")));
            }
        }
    }
    if let (Family::Secret, Some(len)) = (object.family, value::len(&object))
        && !goes_through(row.filler, len)
    {
        return Err(
            Code::KeySizeRange.because(format_args!("{:?}: it would not come in again (key::unwrap)", row.kind))
        );
    }
    usage::may_wrap(session, row, &by.object, &object, library.config.allow_conflicting_usage)?;
    Ok((by, object))
}

/// Length of what is wrapped, known without opening it.
fn payload_len(object: &Object) -> Result<usize> {
    value::len(object).ok_or_else(|| Code::KeyNotWrappable.because("the HSM does not give the key out"))
}

fn payload(object: &Object, token: &Token) -> Result<Arc<Value>> {
    match object.holding {
        Holding::Sealed(_) | Holding::Clear(_) => value::open(object, token),
        Holding::Hsm(_) | Holding::None => Err(Code::KeyNotWrappable.because("the HSM does not give the key out")),
    }
}

/// The value of a secret key; PKCS#8 DER of a private key (6.7).
fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Secret(bytes) | Value::Rsa(bytes) | Value::Ec(_, bytes) => bytes,
    }
}

/// What is wrong with the payload is wrong with the key (5.18.3).
fn of_key(error: Error) -> Error {
    if error == Code::DataLenRange { Code::KeySizeRange.because(error) } else { error }
}

#[cfg(test)]
mod tests {
    use mechanisms::ck::ObjectClass;

    #[test]
    fn rows_that_wrap_say_what() {
        for row in mechanisms::table::rows() {
            assert_eq!(row.wrap.is_some() || row.unwrap.is_some(), !row.wraps.is_empty(), "{:?}", row.kind);
            let hidden = [ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY];
            assert!(row.wraps.iter().all(|class| hidden.contains(class)), "{:?}", row.kind);
        }
    }
}
