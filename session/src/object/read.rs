//! Reading attributes: `C_GetAttributeValue`, and what a search compares.

use std::borrow::Cow;

use mechanisms::ck::KeyType;
use zeroize::Zeroizing;

use crate::attribute::family::Family;
use crate::attribute::table::Shape;
use crate::attribute::{AttributeType as A, nested, table};
use crate::call::Room;
use crate::object::model::{Holding, Object};
use crate::object::value;
use crate::object::{AttributeReply, AttributeRoom};
use crate::token::{LoginState, Token};
use crate::{Code, Result};

/// An attribute of an object, as the three answers that reading has.
pub(crate) enum Reading<'a> {
    /// The object does not have it.
    Absent,
    /// It has, and does not show it.
    Sensitive,
    /// The value; zeroized where it was a secret.
    Value(Cow<'a, [u8]>),
    /// A secret value that may be shown.
    Secret(Zeroizing<Vec<u8>>),
}

impl Reading<'_> {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Absent | Self::Sensitive => None,
            Self::Value(value) => Some(value),
            Self::Secret(value) => Some(value),
        }
    }
}

/// Reads one attribute.
pub(crate) fn attribute<'a>(object: &'a Object, kind: A, token: &Token) -> Result<Reading<'a>> {
    if let Some(value) = object.attributes.bytes(kind) {
        return Ok(Reading::Value(Cow::Borrowed(value)));
    }
    let Some(row) = table::row(kind, object.family) else { return Ok(Reading::Absent) };
    if row.notes(7) {
        if object.hides_value() || out_of_reach(object, token) {
            return Ok(Reading::Sensitive);
        }
        return Ok(value::hidden(object, kind, token)?.map_or(Reading::Absent, Reading::Secret));
    }
    if kind == A::CHECK_VALUE {
        if out_of_reach(object, token) {
            return Ok(Reading::Sensitive);
        }
        return Ok(Reading::Value(Cow::Owned(check_value(object, token)?)));
    }
    Ok(Reading::Absent)
}

/// Whether only a login could open the value: a key with `CKA_PRIVATE` false is seen without one.
fn out_of_reach(object: &Object, token: &Token) -> bool {
    object.takes_login() && token.login_state() == LoginState::Public
}

/// Whether the object has this value.
pub(crate) fn matches(object: &Object, kind: A, wanted: &[u8], token: &Token) -> Result<bool> {
    Ok(attribute(object, kind, token)?.bytes() == Some(wanted))
}

/// `C_GetAttributeValue`. 5.7.5: each attribute has its own result, and the call answers one of the codes that apply.
pub(crate) fn all(
    object: &Object,
    wanted: &[(A, AttributeRoom)],
    token: &Token,
) -> Result<(Vec<AttributeReply>, Option<Code>)> {
    let mut replies = Vec::with_capacity(wanted.len());
    let (mut sensitive, mut unknown, mut small) = (false, false, false);
    for (kind, room) in wanted {
        let reading = attribute(object, *kind, token)?;
        let template = table::shape(*kind) == Some(Shape::Template);
        let reply = match (reading.bytes(), room) {
            (None, _) => {
                match reading {
                    Reading::Sensitive => sensitive = true,
                    _ => unknown = true,
                }
                AttributeReply::Unavailable
            }
            (Some(value), AttributeRoom::Value(Room::Query)) if template => {
                AttributeReply::Length(nested::decode(value)?.len() * size_of::<cryptoki_sys::CK_ATTRIBUTE>())
            }
            (Some(value), AttributeRoom::Array(rooms)) => {
                let elements = nested::decode(value)?;
                if rooms.len() < elements.len() {
                    small = true;
                    AttributeReply::Unavailable
                } else {
                    let replies = elements.into_iter().zip(rooms);
                    let replies = replies.map(|((kind, value), room)| (kind, value_in(value, *room, &mut small)));
                    AttributeReply::Array(replies.collect())
                }
            }
            (Some(value), AttributeRoom::Value(room)) => value_in(value, *room, &mut small),
        };
        replies.push(reply);
    }
    let code =
        [(sensitive, Code::AttributeSensitive), (unknown, Code::AttributeTypeInvalid), (small, Code::BufferTooSmall)];
    Ok((replies, code.into_iter().find_map(|(applies, code)| applies.then_some(code))))
}

fn value_in(value: &[u8], room: Room, small: &mut bool) -> AttributeReply {
    match room {
        Room::Query => AttributeReply::Length(value.len()),
        Room::Bytes(room) if value.len() <= room => AttributeReply::Value(value.to_vec().into()),
        Room::Bytes(_) => {
            *small = true;
            AttributeReply::Unavailable
        }
    }
}

/// `CKA_CHECK_VALUE` (4.6.2, 4.11.1): three bytes; none where the value cannot be asked for it, or must not.
pub(crate) fn check_value(object: &Object, token: &Token) -> Result<Vec<u8>> {
    let digest = |bytes: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
        digest.as_ref()[..3].to_vec()
    };
    if object.family == Family::Certificate {
        return Ok(object.attributes.bytes(A::VALUE).filter(|value| !value.is_empty()).map(digest).unwrap_or_default());
    }
    let aes = object.key_type() == Some(KeyType::AES);
    match &object.holding {
        Holding::Hsm(key) if aes => value::hsm_check_value(key, token),
        // The device has no operation that shows the SHA-1 of a value.
        Holding::Hsm(_) | Holding::None => Ok(Vec::new()),
        Holding::Sealed(_) | Holding::Clear(_) => match &*value::open(object, token)? {
            mechanisms::key::Value::Secret(bytes) if aes => value::aes_check_value(bytes),
            // Three bytes of a digest find a value that is not much longer.
            mechanisms::key::Value::Secret(bytes) if object.hides_value() && bytes.len() < value::SHORTEST_HIDDEN => {
                Ok(Vec::new())
            }
            mechanisms::key::Value::Secret(bytes) => Ok(digest(bytes)),
            _ => Ok(Vec::new()),
        },
    }
}
