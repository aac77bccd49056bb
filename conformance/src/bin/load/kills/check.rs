//! The process after a kill: holds the token against the journal.

use std::collections::BTreeMap;
use std::time::Instant;

use conformance::{Token, from_hex, to_hex};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use super::worker::class;
use super::{IV, MESSAGE, Name};
use crate::expected;
use crate::token::{self, Result};

/// Reads the journal from standard input, and answers what it found.
pub(crate) fn check() {
    let (mut pins, mut wanted, mut begun) = (Vec::new(), BTreeMap::new(), Vec::new());
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["pin", pin] | ["begin", "pin", pin] => pins.push(pin.to_owned()),
            ["begin", ref what @ ..] => begun = what.iter().map(|word| (*word).to_owned()).collect(),
            ["object", kind, name, data] => {
                wanted.insert((kind.to_owned(), name.to_owned()), data.to_owned());
            }
            _ => panic!("{line}"),
        }
    }
    let start = Instant::now();
    let token = Token::open();
    let session = token.library.open_rw_session(token.slot).expect("a session");
    let Some(pin) = pins.iter().find(|pin| opens(&session, pin)) else {
        println!("no PIN opens the token");
        return;
    };
    println!("pin {pin}");
    println!("open {}", start.elapsed().as_millis());
    match Check::of(&session).and_then(|check| check.run(&wanted, &begun)) {
        Ok(()) => println!("done"),
        Err(why) => println!("failed: {}", token::brief(&why)),
    }
}

fn opens(session: &Session, pin: &str) -> bool {
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        Ok(()) => true,
        Err(Error::Pkcs11(RvError::PinIncorrect, _)) => false,
        Err(why) => {
            println!("failed: login: {}", token::brief(&why));
            false
        }
    }
}

struct Check<'a> {
    session: &'a Session,
    /// By class and label.
    there: BTreeMap<Name, Vec<ObjectHandle>>,
}

impl<'a> Check<'a> {
    fn of(session: &'a Session) -> Result<Self> {
        let mut there: BTreeMap<Name, Vec<ObjectHandle>> = BTreeMap::new();
        for object in session.find_objects(&[Attribute::Token(true)])? {
            let attributes = session.get_attributes(object, &[AttributeType::Class, AttributeType::Label])?;
            let [Attribute::Class(class), Attribute::Label(label)] = &attributes[..] else {
                println!("an object without class or label: {attributes:?}");
                continue;
            };
            let label = String::from_utf8_lossy(label).into_owned();
            // Profiles, mechanisms, and what the partition shows of itself, nobody made.
            if label == PARTITIONS_OWN || word(*class) == "other" {
                continue;
            }
            there.entry((word(*class).to_owned(), label)).or_default().push(object);
        }
        Ok(Self { session, there })
    }

    fn run(mut self, wanted: &BTreeMap<Name, String>, begun: &[String]) -> Result<()> {
        let begun: Vec<&str> = begun.iter().map(String::as_str).collect();
        for ((kind, name), data) in wanted {
            match self.take(kind, name)[..] {
                [object] => self.works(kind, name, object, data)?,
                [] if begun[..] == ["destroy", kind, name] => println!("lost {kind} {name}"),
                [] => println!("the acknowledged {kind} {name} is gone"),
                [..] => println!("the acknowledged {kind} {name} is there more than once"),
            }
        }
        match begun[..] {
            ["pair", name] => self.new_pair(name)?,
            ["aes", name] => self.new_secret("aes", name, None)?,
            ["import" | "copy", name, data] => self.new_secret("known", name, Some(data))?,
            _ => {}
        }
        for (class, name) in self.there.keys() {
            println!("nobody made the {class} {name}");
        }
        Ok(())
    }

    fn take(&mut self, kind: &str, name: &str) -> Vec<ObjectHandle> {
        self.there.remove(&(word(class(kind)).to_owned(), name.to_owned())).unwrap_or_default()
    }

    /// An acknowledged object does what it did.
    fn works(&self, kind: &str, name: &str, object: ObjectHandle, data: &str) -> Result<()> {
        let good = match kind {
            "public" => to_hex(&token::point(self.session, object)?) == data,
            "private" => {
                let signature = self.session.sign(&Mechanism::Ecdsa, object, &DIGEST)?;
                expected::ecdsa(&from_hex(data), &DIGEST, &signature)
            }
            _ => to_hex(&self.session.encrypt(&Mechanism::AesCbcPad(IV), object, MESSAGE)?) == data,
        };
        if !good {
            println!("the acknowledged {kind} {name} is another");
        }
        Ok(())
    }

    /// A key pair that was not acknowledged: both halves, or none.
    fn new_pair(&mut self, name: &str) -> Result<()> {
        match (&self.take("public", name)[..], &self.take("private", name)[..]) {
            ([], []) => {}
            ([public], [private]) => {
                let point = to_hex(&token::point(self.session, *public)?);
                self.works("private", name, *private, &point)?;
                println!("found public {name} {point}\nfound private {name} {point}");
            }
            (public, private) => println!("half a key pair: {} public, {} private", public.len(), private.len()),
        }
        Ok(())
    }

    fn new_secret(&mut self, kind: &str, name: &str, data: Option<&str>) -> Result<()> {
        match self.take(kind, name)[..] {
            [] => {}
            [object] => {
                let made = to_hex(&self.session.encrypt(&Mechanism::AesCbcPad(IV), object, MESSAGE)?);
                if data.is_some_and(|data| data != made) {
                    println!("the {kind} {name} is there and another");
                }
                println!("found {kind} {name} {made}");
            }
            [..] => println!("the {kind} {name} is there more than once"),
        }
        Ok(())
    }
}

fn word(class: ObjectClass) -> &'static str {
    match class {
        ObjectClass::PRIVATE_KEY => "private",
        ObjectClass::PUBLIC_KEY => "public",
        ObjectClass::SECRET_KEY => "secret",
        _ => "other",
    }
}

/// The key that the partition itself shows (README, "Mechanisms").
const PARTITIONS_OWN: &str = "AZIHSM unwrapping key";
const DIGEST: [u8; 32] = [0x5A; 32];
