//! One process of the mixed load: threads that draw operations, and hold every answer against another implementation's.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::Instant;

use conformance::Token;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use crate::expected;
use crate::random::Random;
use crate::token::{self, Result};

/// Makes the keys that all workers share.
pub(crate) fn set_up() {
    let token = Token::open();
    let session = token.user();
    for number in 0..P256_KEYS {
        token::pair(&session, &format!("p256-{number}"), token::P256, true).expect("a P-256 key");
    }
    token::pair(&session, "p384", token::P384, true).expect("a P-384 key");
    token::rsa(&session, "rsa", true).expect("an RSA key");
    for number in 0..AES_KEYS {
        token::import(&session, &format!("aes-{number}"), &value(number), true).expect("an AES key");
    }
    token::hmac(&session, "hmac", true).expect("an HMAC key");
    token::sealed_hmac(&session, "sealed", &value(SEALED), true).expect("a sealed HMAC key");
}

/// Works: `SEED NUMBER THREADS OPERATIONS`, the last for each thread.
pub(crate) fn work(arguments: &[String]) {
    let numbers: Vec<u64> = arguments.iter().map(|word| word.parse().expect("a number")).collect();
    let [seed, number, threads, operations] = numbers[..] else { panic!("four numbers") };
    let token = Token::open();
    // It keeps everybody logged in.
    let first = token.user();
    let reference = first.sign(&Mechanism::Sha256Hmac, find(&first, "hmac", ObjectClass::SECRET_KEY), MESSAGE);
    let reference = reference.expect("the reference MAC");
    thread::scope(|scope| {
        for thread in 0..threads {
            let session = token.library.open_rw_session(token.slot).expect("a session");
            let reference = reference.clone();
            let random = Random::new(seed ^ (number * threads + thread + 1).wrapping_mul(0xD1B5_4A32_D192_ED03));
            scope.spawn(move || Worker::new(session, random, reference).run(operations));
        }
    });
}

struct Worker {
    session: Session,
    random: Random,
    p256: Vec<(ObjectHandle, Vec<u8>)>,
    p384: (ObjectHandle, Vec<u8>),
    rsa: (ObjectHandle, Vec<u8>),
    aes: Vec<(ObjectHandle, [u8; 32])>,
    hmac: ObjectHandle,
    sealed: ObjectHandle,
    /// The MAC of [`MESSAGE`], from before the load.
    reference: Vec<u8>,
    kinds: BTreeMap<&'static str, (u64, u128)>,
    /// In the names of objects that only this worker makes.
    made: u64,
}

/// One operation: its name, how often it is drawn, and what it does; `false` is a wrong answer.
type Operation = (&'static str, u64, fn(&mut Worker) -> Result<bool>);

const OPERATIONS: &[Operation] = &[
    ("ECDSA P-256 sign", 26, Worker::sign_p256),
    ("ECDSA P-384 sign", 4, Worker::sign_p384),
    ("ECDSA-SHA256 sign in parts", 6, Worker::sign_in_parts),
    ("RSA-2048 sign", 6, Worker::sign_rsa),
    ("AES-GCM encrypt", 12, Worker::gcm_encrypt),
    ("AES-GCM decrypt", 8, Worker::gcm_decrypt),
    ("AES-CBC encrypt", 8, Worker::cbc_encrypt),
    ("AES-CBC decrypt in parts", 6, Worker::cbc_in_parts),
    ("HMAC in the HSM", 5, Worker::hmac),
    ("HMAC with a sealed key", 4, Worker::sealed_hmac),
    ("EC key pair, signed with and destroyed", 4, Worker::new_pair),
    ("AES key, used and destroyed", 3, Worker::new_aes),
    ("AES import, used and destroyed", 1, Worker::new_import),
    ("find and read", 5, Worker::find),
    ("token object, copied and destroyed", 2, Worker::token_object),
];

impl Worker {
    fn new(session: Session, random: Random, reference: Vec<u8>) -> Self {
        let ec = |label: &str| {
            let point = token::point(&session, find(&session, label, ObjectClass::PUBLIC_KEY)).expect("a point");
            (find(&session, label, ObjectClass::PRIVATE_KEY), point)
        };
        let rsa = token::modulus(&session, find(&session, "rsa", ObjectClass::PUBLIC_KEY)).expect("a modulus");
        let aes = |number| (find(&session, &format!("aes-{number}"), ObjectClass::SECRET_KEY), value(number));
        Self {
            p256: (0..P256_KEYS).map(|number| ec(&format!("p256-{number}"))).collect(),
            p384: ec("p384"),
            rsa: (find(&session, "rsa", ObjectClass::PRIVATE_KEY), rsa),
            aes: (0..AES_KEYS).map(aes).collect(),
            hmac: find(&session, "hmac", ObjectClass::SECRET_KEY),
            sealed: find(&session, "sealed", ObjectClass::SECRET_KEY),
            kinds: BTreeMap::new(),
            made: random.clone().next(),
            session,
            random,
            reference,
        }
    }

    fn run(mut self, operations: u64) {
        let total = OPERATIONS.iter().map(|(_, weight, _)| weight).sum();
        for _ in 0..operations {
            let mut drawn = self.random.below(total);
            let operation = OPERATIONS.iter().find(|(_, weight, _)| {
                let hit = drawn < *weight;
                drawn = drawn.wrapping_sub(*weight);
                hit
            });
            let (name, _, run) = operation.expect("below the sum");
            let start = Instant::now();
            let outcome = run(&mut self);
            let elapsed = start.elapsed().as_micros();
            let kind = self.kinds.entry(name).or_default();
            *kind = (kind.0 + 1, kind.1.max(elapsed));
            match outcome {
                Ok(true) => say("."),
                Ok(false) => say(&format!(".wrong: {name}\n")),
                Err(why) => say(&format!(".failed: {name}: {} after {elapsed} us\n", token::brief(&why))),
            }
        }
        for (name, (count, slowest)) in &self.kinds {
            say(&format!("kind {count} {slowest} {name}\n"));
        }
    }

    fn sign_p256(&mut self) -> Result<bool> {
        let digest: [u8; 32] = self.random.bytes();
        let (key, point) = self.random.pick(&self.p256);
        let signature = self.session.sign(&Mechanism::Ecdsa, *key, &digest)?;
        Ok(expected::ecdsa(point, &digest, &signature))
    }

    fn sign_p384(&mut self) -> Result<bool> {
        let digest: [u8; 48] = self.random.bytes();
        let (key, point) = &self.p384;
        let signature = self.session.sign(&Mechanism::Ecdsa, *key, &digest)?;
        Ok(expected::ecdsa(point, &digest, &signature))
    }

    fn sign_in_parts(&mut self) -> Result<bool> {
        let message: [u8; 300] = self.random.bytes();
        let (key, point) = self.random.pick(&self.p256);
        self.session.sign_init(&Mechanism::EcdsaSha256, *key)?;
        for part in message.chunks(70) {
            self.session.sign_update(part)?;
        }
        let signature = self.session.sign_final()?;
        Ok(expected::ecdsa(point, &expected::sha256(&message), &signature))
    }

    fn sign_rsa(&mut self) -> Result<bool> {
        let message: [u8; 100] = self.random.bytes();
        let (key, modulus) = &self.rsa;
        let signature = self.session.sign(&Mechanism::Sha256RsaPkcs, *key, &message)?;
        Ok(expected::rsa(modulus, &message, &signature))
    }

    fn gcm_encrypt(&mut self) -> Result<bool> {
        let (iv, aad, data) = (self.random.bytes(), self.random.bytes::<20>(), self.message());
        let (key, value) = *self.random.pick(&self.aes);
        let mut given = iv;
        let parameters = GcmParams::new(&mut given, &aad, 128.into())?;
        let made = self.session.encrypt(&Mechanism::AesGcm(parameters), key, &data)?;
        Ok(made == expected::gcm(&value, &iv, &aad, &data))
    }

    fn gcm_decrypt(&mut self) -> Result<bool> {
        let (mut iv, aad, data) = (self.random.bytes(), self.random.bytes::<20>(), self.message());
        let (key, value) = *self.random.pick(&self.aes);
        let sent = expected::gcm(&value, &iv, &aad, &data);
        let parameters = GcmParams::new(&mut iv, &aad, 128.into())?;
        Ok(self.session.decrypt(&Mechanism::AesGcm(parameters), key, &sent)? == data)
    }

    fn cbc_encrypt(&mut self) -> Result<bool> {
        let (iv, data) = (self.random.bytes(), self.message());
        let (key, value) = *self.random.pick(&self.aes);
        let made = self.session.encrypt(&Mechanism::AesCbcPad(iv), key, &data)?;
        Ok(made == expected::cbc(&value, &iv, &data))
    }

    fn cbc_in_parts(&mut self) -> Result<bool> {
        let (iv, data) = (self.random.bytes(), self.message());
        let (key, value) = *self.random.pick(&self.aes);
        self.session.decrypt_init(&Mechanism::AesCbcPad(iv), key)?;
        let mut plain = Vec::new();
        for part in expected::cbc(&value, &iv, &data).chunks(700) {
            plain.extend(self.session.decrypt_update(part)?);
        }
        plain.extend(self.session.decrypt_final()?);
        Ok(plain == data)
    }

    fn hmac(&mut self) -> Result<bool> {
        Ok(self.session.sign(&Mechanism::Sha256Hmac, self.hmac, MESSAGE)? == self.reference)
    }

    fn sealed_hmac(&mut self) -> Result<bool> {
        let message = self.message();
        let mac = self.session.sign(&Mechanism::Sha256Hmac, self.sealed, &message)?;
        Ok(mac == expected::hmac(&value(SEALED), &message))
    }

    fn new_pair(&mut self) -> Result<bool> {
        let (digest, label) = (self.random.bytes::<32>(), self.label());
        let (public, private) = token::pair(&self.session, &label, token::P256, false)?;
        let signature = self.session.sign(&Mechanism::Ecdsa, private, &digest)?;
        let point = token::point(&self.session, public)?;
        self.session.destroy_object(private)?;
        self.session.destroy_object(public)?;
        Ok(expected::ecdsa(&point, &digest, &signature))
    }

    fn new_aes(&mut self) -> Result<bool> {
        let (iv, data, label) = (self.random.bytes(), self.message(), self.label());
        let key = token::aes(&self.session, &label, false)?;
        let made = self.session.encrypt(&Mechanism::AesCbcPad(iv), key, &data)?;
        let plain = self.session.decrypt(&Mechanism::AesCbcPad(iv), key, &made)?;
        self.session.destroy_object(key)?;
        Ok(made != data && plain == data)
    }

    fn new_import(&mut self) -> Result<bool> {
        let (iv, data, label) = (self.random.bytes(), self.message(), self.label());
        let value = self.random.bytes();
        let key = token::import(&self.session, &label, &value, false)?;
        let made = self.session.encrypt(&Mechanism::AesCbcPad(iv), key, &data)?;
        self.session.destroy_object(key)?;
        Ok(made == expected::cbc(&value, &iv, &data))
    }

    fn find(&mut self) -> Result<bool> {
        let number = self.random.below(P256_KEYS);
        let key = token::one(&self.session, &format!("p256-{number}"), ObjectClass::PUBLIC_KEY)?;
        let point = token::point(&self.session, key)?;
        Ok(self.p256.iter().any(|(_, known)| *known == point))
    }

    fn token_object(&mut self) -> Result<bool> {
        let (label, text) = (self.label(), self.message());
        let data = [Attribute::Class(ObjectClass::DATA), Attribute::Value(text.clone())];
        let object = self.session.create_object(&[token::named(&label, true), data.to_vec()].concat())?;
        let copy = self.session.copy_object(object, &[Attribute::Label([label.as_bytes(), b"+"].concat())])?;
        self.session.destroy_object(object)?;
        let read = self.session.get_attributes(copy, &[AttributeType::Value])?;
        self.session.destroy_object(copy)?;
        Ok(read == [Attribute::Value(text)])
    }

    /// Of a length around a block, the device's kilobyte, or a page.
    fn message(&mut self) -> Vec<u8> {
        let lengths = [1, 15, 16, 17, 64, 100, 1000, 1023, 1024, 1025, 2000, 4096, 5000];
        let mut message = vec![0; *self.random.pick(&lengths)];
        self.random.fill(&mut message);
        message
    }

    fn label(&mut self) -> String {
        self.made = self.made.wrapping_add(1);
        format!("made-{:016x}", self.made)
    }
}

fn find(session: &Session, label: &str, class: ObjectClass) -> ObjectHandle {
    token::one(session, label, class).unwrap_or_else(|why| panic!("{label}: {why}"))
}

/// One write, so that threads do not mix.
fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).expect("the parent listens");
}

/// The value of the key of this number.
fn value(number: u64) -> [u8; 32] {
    Random::new(number).bytes()
}

const P256_KEYS: u64 = 4;
const AES_KEYS: u64 = 3;
const SEALED: u64 = 99;
/// No more than the HSM takes.
const MESSAGE: &[u8; 1024] = &[0xA5; 1024];
