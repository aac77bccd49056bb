//! The whole life of an object through the Rust `cryptoki` crate: made, found, used, looked at, changed, copied, destroyed.
//!
//! Reaches `C_GenerateKey`, `C_GenerateKeyPair`, `C_CreateObject`, `C_CopyObject`, `C_DestroyObject`, `C_FindObjects`,
//! `C_GetAttributeValue`, `C_SetAttributeValue`, `C_DeriveKey`, `C_Encrypt`, `C_Decrypt`, `C_Sign`, `C_Verify`, `C_Digest`
//! in one shot and in pieces, `C_GenerateRandom`, `C_SeedRandom`, `C_OpenSession`, `C_CloseSession`, `C_GetSessionInfo`. The
//! second opinion is the `RustCrypto` crates'.

use conformance::{Kind, Token};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki_sys::CKA_VENDOR_DEFINED;

mod aes_keys;
mod ec_pairs;
mod macs;
mod objects;
mod rsa_pairs;

const MESSAGE: &[u8] = b"the whole life of a key";
const IV: [u8; 16] = [7; 16];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
const RESIDENCY: AttributeType = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0001);
const ORIGIN: AttributeType = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0002);
/// The values of [`RESIDENCY`] and [`ORIGIN`].
const HSM: u64 = 1;
const SEALED: u64 = 2;
const DEVICE: u64 = 1;
const LIBRARY: u64 = 2;
const IMPORTED: u64 = 3;
/// What the objects have that somebody made, and those that are built in have not.
const MADE: [Attribute; 1] = [Attribute::Modifiable(true)];

fn generate_aes(session: &Session, len: u64, more: &[Attribute]) -> ObjectHandle {
    let mut template = vec![Attribute::ValueLen(len.into()), Attribute::Encrypt(true), Attribute::Decrypt(true)];
    template.extend_from_slice(more);
    if !more.iter().any(|attribute| attribute.attribute_type() == AttributeType::Sensitive) {
        template.extend([Attribute::Sensitive(true), Attribute::Extractable(false)]);
    }
    session.generate_key(&Mechanism::AesKeyGen, &template).expect("an AES key")
}

fn generate_ec(session: &Session, curve: &[u8], usage: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::EcParams(curve.into()), Attribute::Verify(true)];
    let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
    let private = [&private[..], usage].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).expect("an EC pair")
}

fn import(session: &Session, key_type: KeyType, value: Vec<u8>, more: &[Attribute]) -> ObjectHandle {
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(key_type), Attribute::Value(value)];
    let closed = [Attribute::Extractable(false)];
    session.create_object(&[&template[..], &closed, more].concat()).expect("an imported key")
}

/// Signs and verifies in pieces, and mixes with one shot.
fn in_pieces(session: &Session, mechanism: &Mechanism<'_>, private: ObjectHandle, public: ObjectHandle) {
    session.sign_init(mechanism, private).expect("a start");
    for piece in MESSAGE.chunks(7) {
        session.sign_update(piece).expect("a piece");
    }
    let signature = session.sign_final().expect("the end");
    session.verify(mechanism, public, MESSAGE, &signature).expect("it verifies");
    session.verify_init(mechanism, public).expect("a start");
    for piece in MESSAGE.chunks(3) {
        session.verify_update(piece).expect("a piece");
    }
    session.verify_final(&signature).expect("it verifies");
}

/// `CKA_LOCAL`, `CKA_ALWAYS_SENSITIVE`, `CKA_NEVER_EXTRACTABLE`, `CKA_PRIVATE`.
fn facts(session: &Session, key: ObjectHandle) -> [bool; 4] {
    let wanted =
        [AttributeType::Local, AttributeType::AlwaysSensitive, AttributeType::NeverExtractable, AttributeType::Private];
    match session.get_attributes(key, &wanted).expect("attributes")[..] {
        [
            Attribute::Local(local),
            Attribute::AlwaysSensitive(sensitive),
            Attribute::NeverExtractable(never),
            Attribute::Private(private),
        ] => [local, sensitive, never, private],
        ref other => panic!("{other:?}"),
    }
}

/// The key says that it lives and was made as `expected`: residency, origin. `SoftHSM2` says nothing.
#[track_caller]
fn lives(token: &Token, session: &Session, key: ObjectHandle, expected: (u64, u64)) {
    if token.module.kind() == Kind::SoftHsm {
        return;
    }
    match &session.get_attributes(key, &[RESIDENCY, ORIGIN]).expect("attributes")[..] {
        [Attribute::VendorDefined((RESIDENCY, lives)), Attribute::VendorDefined((ORIGIN, made))] => {
            let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("a CK_ULONG"));
            assert_eq!((number(lives), number(made)), expected, "residency, origin");
        }
        other => panic!("{other:?}"),
    }
}
