//! The process that is killed: changes the token until then, and keeps the journal.

use std::io::Write;

use conformance::{Token, to_hex};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use super::{IV, MESSAGE, Name};
use crate::expected;
use crate::random::Random;
use crate::token::{self, Result};

/// Works until it is killed. Standard input says what is there.
pub(crate) fn work(_arguments: &[String]) {
    let (mut pin, mut objects, mut random) = (String::new(), Vec::new(), Random::new(0));
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["pin", word] => word.clone_into(&mut pin),
            ["object", kind, name, data] => objects.push(((kind.to_owned(), name.to_owned()), data.to_owned())),
            ["seed", seed] => random = Random::new(seed.parse().expect("a number")),
            _ => panic!("{line}"),
        }
    }
    let token = Token::open();
    let session = token.library.open_rw_session(token.slot).expect("a session");
    session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))).expect("the login");
    say("ready\n");
    let mut worker = Worker { session, random, objects, pin };
    loop {
        if let Err(why) = worker.step() {
            say(&format!("failed: {}\n", token::brief(&why)));
        }
    }
}

struct Worker {
    session: Session,
    random: Random,
    objects: Vec<(Name, String)>,
    pin: String,
}

impl Worker {
    fn step(&mut self) -> Result<()> {
        let many = self.objects.len() > 20;
        match self.random.below(100) {
            0..10 => self.change_pin(),
            10..30 => self.destroy(),
            _ if many => self.destroy(),
            30..55 => self.pair(),
            55..70 => self.aes(),
            70..90 => self.import(),
            _ => self.copy(),
        }
    }

    fn pair(&mut self) -> Result<()> {
        let name = self.name();
        say(&format!("begin pair {name}\n"));
        let (public, _) = token::pair(&self.session, &name, token::P256, true)?;
        let point = to_hex(&token::point(&self.session, public)?);
        say(&format!("half public {name} {point}\nmade private {name} {point}\n"));
        self.objects.push((("public".to_owned(), name.clone()), point.clone()));
        self.objects.push((("private".to_owned(), name), point));
        Ok(())
    }

    fn aes(&mut self) -> Result<()> {
        let name = self.name();
        say(&format!("begin aes {name}\n"));
        let key = token::aes(&self.session, &name, true)?;
        let data = to_hex(&self.session.encrypt(&Mechanism::AesCbcPad(IV), key, MESSAGE)?);
        self.made("aes", name, data);
        Ok(())
    }

    fn import(&mut self) -> Result<()> {
        let (name, value) = (self.name(), self.random.bytes());
        let data = to_hex(&expected::cbc(&value, &IV, MESSAGE));
        say(&format!("begin import {name} {data}\n"));
        token::import(&self.session, &name, &value, true)?;
        self.made("known", name, data);
        Ok(())
    }

    fn copy(&mut self) -> Result<()> {
        let name = self.name();
        let secrets: Vec<_> =
            self.objects.iter().filter(|((kind, _), _)| matches!(kind.as_str(), "aes" | "known")).cloned().collect();
        if secrets.is_empty() {
            return Ok(());
        }
        let ((_, from), data) = self.random.pick(&secrets).clone();
        say(&format!("begin copy {name} {data}\n"));
        let from = token::one(&self.session, &from, ObjectClass::SECRET_KEY)?;
        self.session.copy_object(from, &[Attribute::Label(name.as_str().into())])?;
        self.made("known", name, data);
        Ok(())
    }

    fn destroy(&mut self) -> Result<()> {
        if self.objects.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(self.objects.len()).expect("few objects");
        let index = usize::try_from(self.random.below(count)).expect("below the count");
        let ((kind, name), _) = self.objects[index].clone();
        say(&format!("begin destroy {kind} {name}\n"));
        let object = token::one(&self.session, &name, class(&kind))?;
        self.session.destroy_object(object)?;
        self.objects.remove(index);
        say(&format!("gone {kind} {name}\n"));
        Ok(())
    }

    fn change_pin(&mut self) -> Result<()> {
        let pin = format!("pin-{:x}", self.random.next());
        say(&format!("begin pin {pin}\n"));
        self.session.set_pin(&AuthPin::new(self.pin.as_str().into()), &AuthPin::new(pin.as_str().into()))?;
        say(&format!("pin {pin}\n"));
        self.pin = pin;
        Ok(())
    }

    fn made(&mut self, kind: &str, name: String, data: String) {
        say(&format!("made {kind} {name} {data}\n"));
        self.objects.push(((kind.to_owned(), name), data));
    }

    fn name(&mut self) -> String {
        format!("{:016x}", self.random.next())
    }
}

/// The class of a kind of the journal.
pub(super) fn class(kind: &str) -> ObjectClass {
    match kind {
        "private" => ObjectClass::PRIVATE_KEY,
        "public" => ObjectClass::PUBLIC_KEY,
        _ => ObjectClass::SECRET_KEY,
    }
}

/// One write for whole lines: shorter than what a pipe takes at once, so that a kill does not cut them.
fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).expect("the parent listens");
}
