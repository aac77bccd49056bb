//! One of two processes on one token: does what standard input says, one line of answer per line of command.
//!
//! `find LABEL`, `key LABEL`, `import LABEL [BYTE]`, `gcm LABEL TEXT`, `seal LABEL TEXT`, `data LABEL TEXT`, `value LABEL`, `rename OLD NEW`, `destroy LABEL`, `pair LABEL`,
//! `point LABEL`, `sign LABEL TEXT`, `encrypt LABEL TEXT`, `decrypt LABEL HEX`, `hold LABEL`, `use`, `logout`, `login PIN`,
//! `pin OLD NEW`. The answer is `ok ...`, or `error` and the library's return value as the `cryptoki` crate names it.
#![allow(clippy::print_stdout, reason = "its answers are what it is for")]

use std::io::{BufRead, Write};

use conformance::{Token, from_hex, to_hex};
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

fn main() {
    let token = Token::open();
    let session = token.user();
    let mut held = None;
    println!("ok ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        match answer(&session, &mut held, &words) {
            Ok(text) => println!("ok {text}"),
            Err(Error::Pkcs11(code, _)) => println!("error {code:?}"),
            Err(other) => println!("error {other}"),
        }
        std::io::stdout().flush().expect("somebody listens");
    }
}

fn answer(session: &Session, held: &mut Option<ObjectHandle>, words: &[&str]) -> Result<String, Error> {
    let named = |label: &str| session.find_objects(&[Attribute::Label(label.into())]);
    let one = |label: &str, class: ObjectClass| -> Result<ObjectHandle, Error> {
        let found = session.find_objects(&[Attribute::Label(label.into()), Attribute::Class(class)])?;
        found.first().copied().ok_or(Error::InvalidValue)
    };
    let kept = |label: &str| vec![Attribute::Token(true), Attribute::Label(label.into())];
    let mut text = String::from("done");
    match *words {
        ["find", label] => text = named(label)?.len().to_string(),
        ["key", label] => {
            let usage = [Attribute::ValueLen(32.into()), Attribute::Encrypt(true), Attribute::Decrypt(true)];
            session.generate_key(&Mechanism::AesKeyGen, &[kept(label), usage.to_vec()].concat())?;
        }
        ["import", label] => import(session, kept(label), 7)?,
        ["import", label, byte] => import(session, kept(label), byte.parse().map_err(|_| Error::InvalidValue)?)?,
        // There and back, because no IV may come twice.
        ["gcm", label, message] => {
            let key = one(label, ObjectClass::SECRET_KEY)?;
            let mut iv = [0; 12];
            session.generate_random_slice(&mut iv)?;
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into())?);
            let cipher = session.encrypt(&mechanism, key, message.as_bytes())?;
            text = String::from_utf8_lossy(&session.decrypt(&mechanism, key, &cipher)?).into_owned();
        }
        // IV and ciphertext.
        ["seal", label, message] => {
            let key = one(label, ObjectClass::SECRET_KEY)?;
            let mut iv = [0; 12];
            session.generate_random_slice(&mut iv)?;
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into())?);
            let cipher = session.encrypt(&mechanism, key, message.as_bytes())?;
            text = to_hex(&iv) + &to_hex(&cipher);
        }
        ["data", label, value] => {
            let data = [Attribute::Class(ObjectClass::DATA), Attribute::Value(value.into())];
            session.create_object(&[kept(label), data.to_vec()].concat())?;
        }
        ["value", label] => {
            let attributes = session.get_attributes(one(label, ObjectClass::DATA)?, &[AttributeType::Value])?;
            let [Attribute::Value(value)] = attributes.as_slice() else { return Err(Error::InvalidValue) };
            text = String::from_utf8_lossy(value).into_owned();
        }
        ["rename", old, new] => {
            for object in named(old)? {
                session.update_attributes(object, &[Attribute::Label(new.into())])?;
            }
        }
        ["destroy", label] => {
            for object in named(label)? {
                session.destroy_object(object)?;
            }
        }
        ["pair", label] => {
            let public = [Attribute::EcParams(P256.into()), Attribute::Verify(true)];
            let public = [kept(label), public.to_vec()].concat();
            let private = [kept(label), vec![Attribute::Sign(true)]].concat();
            session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
        }
        ["point", label] => {
            let attributes = session.get_attributes(one(label, ObjectClass::PUBLIC_KEY)?, &[AttributeType::EcPoint])?;
            let [Attribute::EcPoint(point)] = attributes.as_slice() else { return Err(Error::InvalidValue) };
            text = to_hex(point);
        }
        ["sign", label, message] => {
            let key = one(label, ObjectClass::PRIVATE_KEY)?;
            text = to_hex(&session.sign(&Mechanism::Ecdsa, key, message.as_bytes())?);
        }
        ["encrypt", label, message] => {
            let key = one(label, ObjectClass::SECRET_KEY)?;
            text = to_hex(&session.encrypt(&Mechanism::AesCbcPad([0; 16]), key, message.as_bytes())?);
        }
        ["decrypt", label, message] => {
            let key = one(label, ObjectClass::SECRET_KEY)?;
            let plain = session.decrypt(&Mechanism::AesCbcPad([0; 16]), key, &from_hex(message))?;
            text = String::from_utf8_lossy(&plain).into_owned();
        }
        ["hold", label] => *held = Some(one(label, ObjectClass::SECRET_KEY)?),
        ["use"] => {
            let key = held.ok_or(Error::InvalidValue)?;
            session.encrypt(&Mechanism::AesCbcPad([0; 16]), key, b"with a held handle")?;
        }
        ["logout"] => session.logout()?,
        ["login", pin] => session.login(UserType::User, Some(&AuthPin::new(pin.into())))?,
        ["pin", old, new] => session.set_pin(&AuthPin::new(old.into()), &AuthPin::new(new.into()))?,
        _ => return Err(Error::NotSupported),
    }
    Ok(text)
}

/// An AES key of 32 times this byte.
fn import(session: &Session, kept: Vec<Attribute>, byte: u8) -> Result<(), Error> {
    let kind = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
    let usage = [Attribute::Value(vec![byte; 32]), Attribute::Encrypt(true), Attribute::Decrypt(true)];
    session.create_object(&[kept, kind.to_vec(), usage.to_vec()].concat())?;
    Ok(())
}

/// The object identifier of P-256 in DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
