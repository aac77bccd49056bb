//! What the roles do with a token, through the `cryptoki` crate.

use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error in few words.
pub(crate) fn brief(why: &Error) -> String {
    match why {
        Error::Pkcs11(code, function) => format!("{function:?} {code:?}"),
        other => format!("{other:?}"),
    }
}

/// The object of a class with a label.
pub(crate) fn one(session: &Session, label: &str, class: ObjectClass) -> Result<ObjectHandle> {
    let found = session.find_objects(&[Attribute::Label(label.into()), Attribute::Class(class)])?;
    if let [object] = found[..] { Ok(object) } else { Err(Error::InvalidValue) }
}

/// The point of a public key, as the token has it: a DER octet string.
pub(crate) fn point(session: &Session, key: ObjectHandle) -> Result<Vec<u8>> {
    match session.get_attributes(key, &[AttributeType::EcPoint])?.pop() {
        Some(Attribute::EcPoint(point)) => Ok(point),
        _ => Err(Error::InvalidValue),
    }
}

pub(crate) fn modulus(session: &Session, key: ObjectHandle) -> Result<Vec<u8>> {
    match session.get_attributes(key, &[AttributeType::Modulus])?.pop() {
        Some(Attribute::Modulus(modulus)) => Ok(modulus),
        _ => Err(Error::InvalidValue),
    }
}

/// Label and lifetime.
pub(crate) fn named(label: &str, token: bool) -> Vec<Attribute> {
    vec![Attribute::Token(token), Attribute::Label(label.into()), Attribute::Private(true)]
}

/// An EC key pair in the HSM; the public key's label is the same.
pub(crate) fn pair(session: &Session, label: &str, curve: &[u8], token: bool) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = [Attribute::Token(token), Attribute::Label(label.into()), Attribute::EcParams(curve.to_vec())];
    let private = [named(label, token), guarded(), vec![Attribute::Sign(true)]].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &[&public[..], &[Attribute::Verify(true)]].concat(), &private)
}

/// An RSA-2048 key pair for signatures.
pub(crate) fn rsa(session: &Session, label: &str, token: bool) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = [
        Attribute::Token(token),
        Attribute::Label(label.into()),
        Attribute::ModulusBits(2048.into()),
        Attribute::PublicExponent(vec![1, 0, 1]),
        Attribute::Verify(true),
    ];
    let private = [named(label, token), guarded(), vec![Attribute::Sign(true)]].concat();
    session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)
}

/// An AES-256 key of this value, which the HSM then has.
pub(crate) fn import(session: &Session, label: &str, value: &[u8; 32], token: bool) -> Result<ObjectHandle> {
    let kind = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
    let usage = [Attribute::Encrypt(true), Attribute::Decrypt(true), Attribute::Value(value.to_vec())];
    session.create_object(&[named(label, token), guarded(), kind.to_vec(), usage.to_vec()].concat())
}

/// An AES-256 key that nobody knows.
pub(crate) fn aes(session: &Session, label: &str, token: bool) -> Result<ObjectHandle> {
    let usage = [Attribute::ValueLen(32.into()), Attribute::Encrypt(true), Attribute::Decrypt(true)];
    session.generate_key(&Mechanism::AesKeyGen, &[named(label, token), guarded(), usage.to_vec()].concat())
}

/// An HMAC key that nobody knows, in the HSM.
pub(crate) fn hmac(session: &Session, label: &str, token: bool) -> Result<ObjectHandle> {
    let usage = [
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::ValueLen(32.into()),
        Attribute::Sign(true),
        Attribute::Verify(true),
    ];
    session.generate_key(&Mechanism::GenericSecretKeyGen, &[named(label, token), guarded(), usage.to_vec()].concat())
}

/// An HMAC key of this value: sealed, because the HSM takes none.
pub(crate) fn sealed_hmac(session: &Session, label: &str, value: &[u8], token: bool) -> Result<ObjectHandle> {
    let kind = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::GENERIC_SECRET)];
    let usage = [Attribute::Sign(true), Attribute::Verify(true), Attribute::Value(value.to_vec())];
    session.create_object(&[named(label, token), guarded(), kind.to_vec(), usage.to_vec()].concat())
}

fn guarded() -> Vec<Attribute> {
    vec![Attribute::Sensitive(true), Attribute::Extractable(false)]
}

/// `secp256r1` and `secp384r1` as DER object identifiers.
pub(crate) const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(crate) const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
