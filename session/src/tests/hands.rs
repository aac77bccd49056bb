//! What the scenes have in common: templates, keys, and looks at objects.

use mechanisms::ck::{KeyType, MechanismType, ObjectClass};
use mechanisms::params::{Mechanism, Params};
use zeroize::Zeroizing;

use crate::attribute::{Attribute, AttributeType as A, AttributeValue};
use crate::call::{ObjectHandle, Reply, Room, SessionHandle, SlotId};
use crate::library::Library;
use crate::object::AttributeReply;
use crate::{Result, key, login, object, sessions, slot};

/// Turns a flag of the newest object of the slot's store over, as somebody does who has the disk.
pub(super) fn flip(slot: SlotId, kind: A) {
    let state = Library::current().unwrap().config.state.clone();
    let database = rusqlite::Connection::open(state.join(format!("slot{}/token.sqlite3", slot.0))).unwrap();
    let newest = "SELECT id, body FROM object ORDER BY id DESC LIMIT 1";
    let (id, mut body): (i64, Vec<u8>) = database.query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let place = [&kind.0.to_le_bytes()[..], &1u32.to_le_bytes()].concat();
    let at = body.windows(place.len()).position(|window| window == place).unwrap() + place.len();
    body[at] ^= 1;
    database.execute("UPDATE object SET body = ?2 WHERE id = ?1", (id, body)).unwrap();
}

pub(super) const RW: u64 = cryptoki_sys::CKF_SERIAL_SESSION | cryptoki_sys::CKF_RW_SESSION;
pub(super) const USER: &str = "user-pin";
pub(super) const AES_KEY_GEN: Mechanism = Mechanism { kind: MechanismType::AES_KEY_GEN, params: Params::None };
pub(super) const EC_KEY_PAIR_GEN: Mechanism = Mechanism { kind: MechanismType::EC_KEY_PAIR_GEN, params: Params::None };
pub(super) const RSA_KEY_PAIR_GEN: Mechanism =
    Mechanism { kind: MechanismType::RSA_PKCS_KEY_PAIR_GEN, params: Params::None };
pub(super) const ECDSA_SHA256: Mechanism = Mechanism { kind: MechanismType::ECDSA_SHA256, params: Params::None };
pub(super) const SHA256_RSA: Mechanism = Mechanism { kind: MechanismType::SHA256_RSA_PKCS, params: Params::None };
pub(super) const PAD: Mechanism = Mechanism { kind: MechanismType::AES_CBC_PAD, params: Params::Iv16([3; 16]) };

#[expect(clippy::unnecessary_wraps, reason = "the boundary's form of a PIN")]
pub(super) fn pin(text: &str) -> slot::Pin {
    Ok(Some(Zeroizing::new(text.as_bytes().to_vec())))
}

/// A read/write session on a fresh token, with the user logged in.
pub(super) fn user(slot: SlotId) -> SessionHandle {
    slot::init_token(slot, pin("so-pin"), Ok([b' '; 32])).unwrap();
    let session = sessions::open(slot, RW).unwrap();
    login::login(session, cryptoki_sys::CKU_SO, pin("so-pin")).unwrap();
    slot::init_pin(session, pin(USER)).unwrap();
    login::logout(session).unwrap();
    login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    session
}

pub(super) fn raw(kind: A, value: &[u8]) -> Attribute {
    Attribute { kind, value: AttributeValue::Bytes(value.to_vec().into()) }
}

pub(super) fn flag(kind: A, value: bool) -> Attribute {
    raw(kind, &[u8::from(value)])
}

pub(super) fn number(kind: A, value: u64) -> Attribute {
    raw(kind, &value.to_le_bytes())
}

pub(super) fn aes(session: SessionHandle, len: u64, more: &[Attribute]) -> ObjectHandle {
    let template = [&[number(A::VALUE_LEN, len)], more].concat();
    key::generate(session, Ok(AES_KEY_GEN), Ok(template)).unwrap()
}

pub(super) fn ec(session: SessionHandle, public: &[Attribute], private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let curve = raw(A::EC_PARAMS, mechanisms::ec::params_of(transport::partition::Curve::P256));
    let public = [&[curve], public].concat();
    key::generate_pair(session, Ok(EC_KEY_PAIR_GEN), Ok(public), Ok(private.to_vec())).unwrap()
}

pub(super) fn secret_template(key_type: KeyType, value: &[u8]) -> Vec<Attribute> {
    vec![number(A::CLASS, ObjectClass::SECRET_KEY.0), number(A::KEY_TYPE, key_type.0), raw(A::VALUE, value)]
}

pub(super) fn secret(session: SessionHandle, key_type: KeyType, value: &[u8], more: &[Attribute]) -> ObjectHandle {
    object::create(session, Ok([&secret_template(key_type, value)[..], more].concat())).unwrap()
}

pub(super) fn value(session: SessionHandle, object: ObjectHandle, kind: A) -> Result<Vec<u8>> {
    let (mut replies, code) = object::attributes(session, object, Ok(vec![(kind, Room::Bytes(10_000).into())]))?;
    match (replies.pop(), code) {
        (Some(AttributeReply::Value(value)), None) => Ok(value.to_vec()),
        (Some(AttributeReply::Unavailable), Some(code)) => Err(code.into()),
        other => panic!("{other:?}"),
    }
}

/// All but the built-in objects.
pub(super) fn find(session: SessionHandle, template: &[Attribute]) -> Vec<ObjectHandle> {
    let mut found = find_all(session, template);
    found.retain(|found| !is_builtin(*found));
    found
}

pub(super) fn find_all(session: SessionHandle, template: &[Attribute]) -> Vec<ObjectHandle> {
    object::find_init(session, Ok(template.to_vec())).unwrap();
    let found = object::find(session, 1000).unwrap();
    object::find_final(session).unwrap();
    found
}

pub(super) fn is_builtin(handle: ObjectHandle) -> bool {
    handle.0 & (1 << 63 | 1) == (1 << 63 | 1)
}

pub(super) fn bytes(reply: Result<impl Into<Reply>>) -> Vec<u8> {
    match reply.unwrap().into() {
        Reply::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}
