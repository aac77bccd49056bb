//! One module in its own process: takes commands from the parent, answers with nanoseconds.

#![allow(clippy::wildcard_imports, reason = "the standard's constants, by the dozen")]

use std::io::{BufRead, Write};
use std::path::Path;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use conformance::ok;
use conformance::raw::token::{self, Result};
use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with};
use cryptoki_sys::*;

use crate::cases::{CASES, Case, Cipher, Signature, Work};
use crate::setup;

/// Answers the parent until it closes the pipe.
pub(crate) fn serve(path: &Path) {
    let mut bench = None;
    for command in std::io::stdin().lock().lines() {
        let command = command.expect("the parent writes text");
        let case = |name: &str| CASES.iter().find(|case| case.name == name).expect("a case of ours");
        let answer = match (command.split_once(' '), &mut bench) {
            (None, _) => Bench::new(path).map(|new| {
                bench = Some(new);
                "ok".to_owned()
            }),
            (Some(("prepare", name)), Some(bench)) => bench.prepare(case(name)).map(|()| "ok".to_owned()),
            (Some((_, name)), Some(bench)) => bench.round(case(name)).map(|samples| samples.join(" ")),
            (Some(_), None) => break,
        };
        println!("{}", answer.unwrap_or_else(|failure| failure.to_string()));
        std::io::stdout().flush().expect("the parent reads");
    }
}

/// What a program does that starts, signs once, and ends. Prints what failed.
pub(crate) fn cold_start(path: &Path) {
    let once = || {
        let raw = token::load(path)?;
        let session = token::open(&raw, token::token_slot(&raw)?)?;
        token::login(&raw, session)?;
        let key = token::find(&raw, session, CKO_PRIVATE_KEY, setup::P256)?;
        sign(&raw, session, CKM_ECDSA, key, &mut [7; 32], &mut [0; 512])?;
        ok!(raw, C_Finalize, null_mut());
        Ok(())
    };
    let result: Result<()> = once();
    if let Err(failure) = result {
        println!("{failure}");
        std::process::exit(1);
    }
}

struct Bench {
    raw: Raw,
    slot: CK_SLOT_ID,
    session: CK_SESSION_HANDLE,
    data: Vec<u8>,
    room: Vec<u8>,
    key: CK_OBJECT_HANDLE,
    /// An IV is never used twice with a key.
    iv: u64,
    /// How many objects there are to search among, and which is searched next.
    objects: usize,
    next: usize,
}

impl Bench {
    fn new(path: &Path) -> Result<Self> {
        let raw = token::load(path)?;
        token::make_token(&raw)?;
        let slot = token::token_slot(&raw)?;
        let session = token::open(&raw, slot)?;
        token::login(&raw, session)?;
        setup::make_keys(&raw, session)?;
        let (data, room) = (vec![0x5a; 1 << 20], vec![0; (1 << 20) + 64]);
        Ok(Self { raw, slot, session, data, room, key: 0, iv: 0, objects: 0, next: 0 })
    }

    /// What a case needs and is not measured.
    fn prepare(&mut self, case: &Case) -> Result<()> {
        let (class, id) = match case.work {
            Work::Sign(Signature::Rsa) => (CKO_PRIVATE_KEY, setup::RSA),
            Work::Sign(Signature::P256) => (CKO_PRIVATE_KEY, setup::P256),
            Work::Sign(Signature::P384) => (CKO_PRIVATE_KEY, setup::P384),
            Work::Sign(Signature::Hmac) => (CKO_SECRET_KEY, setup::HMAC),
            Work::Encrypt(_) => (CKO_SECRET_KEY, setup::AES),
            Work::Find(objects) => return self.populate(objects),
            Work::GenerateAes | Work::GenerateEc | Work::OpenClose | Work::ColdStart => return Ok(()),
        };
        self.key = token::find(&self.raw, self.session, class, id)?;
        Ok(())
    }

    /// One round: samples until the time is up.
    fn round(&mut self, case: &Case) -> Result<Vec<String>> {
        // The first sample of a round pays for what the other module left in the caches.
        self.sample(case)?;
        let start = Instant::now();
        let mut samples = Vec::new();
        while samples.len() < MIN_SAMPLES || (start.elapsed() < ROUND && samples.len() < MAX_SAMPLES) {
            samples.push(crate::nanoseconds(self.sample(case)?).to_string());
        }
        Ok(samples)
    }

    fn sample(&mut self, case: &Case) -> Result<Duration> {
        match case.work {
            Work::Sign(signature) => {
                let (kind, len) = match signature {
                    Signature::Rsa => (CKM_SHA256_RSA_PKCS, 32),
                    Signature::P256 => (CKM_ECDSA, 32),
                    Signature::P384 => (CKM_ECDSA, 48),
                    Signature::Hmac => (CKM_SHA256_HMAC, 1024),
                };
                let start = Instant::now();
                sign(&self.raw, self.session, kind, self.key, &mut self.data[..len], &mut self.room)?;
                Ok(start.elapsed())
            }
            Work::Encrypt(cipher) => self.encrypt(cipher, case.bytes.expect("ciphers have a length")),
            Work::GenerateAes => {
                let template = Attributes::new()
                    .flag(CKA_TOKEN, false)
                    .flag(CKA_SENSITIVE, true)
                    .flag(CKA_EXTRACTABLE, false)
                    .number(CKA_VALUE_LEN, 32)
                    .flag(CKA_ENCRYPT, true)
                    .flag(CKA_DECRYPT, true);
                let start = Instant::now();
                let key = token::generate(&self.raw, self.session, CKM_AES_KEY_GEN, template)?;
                let elapsed = start.elapsed();
                ok!(self.raw, C_DestroyObject, self.session, key);
                Ok(elapsed)
            }
            Work::GenerateEc => {
                let public = Attributes::new().flag(CKA_TOKEN, false).bytes(CKA_EC_PARAMS, token::OID_P256);
                let private = Attributes::new().flag(CKA_TOKEN, false).flag(CKA_SENSITIVE, true).flag(CKA_SIGN, true);
                let private = private.flag(CKA_EXTRACTABLE, false);
                let start = Instant::now();
                let (public, private) = token::generate_pair(
                    &self.raw,
                    self.session,
                    CKM_EC_KEY_PAIR_GEN,
                    public.flag(CKA_VERIFY, true),
                    private,
                )?;
                let elapsed = start.elapsed();
                ok!(self.raw, C_DestroyObject, self.session, public);
                ok!(self.raw, C_DestroyObject, self.session, private);
                Ok(elapsed)
            }
            Work::OpenClose => {
                let start = Instant::now();
                let session = token::open(&self.raw, self.slot)?;
                ok!(self.raw, C_CloseSession, session);
                Ok(start.elapsed())
            }
            Work::Find(objects) => {
                // A step that visits every object before it returns to the first.
                self.next = (self.next + 7919) % objects;
                let id = object_id(self.next);
                let start = Instant::now();
                token::find(&self.raw, self.session, CKO_PUBLIC_KEY, &id)?;
                Ok(start.elapsed())
            }
            Work::ColdStart => Ok(Duration::ZERO),
        }
    }

    fn encrypt(&mut self, cipher: Cipher, len: usize) -> Result<Duration> {
        self.iv += 1;
        let mut iv = [0; 16];
        iv[..8].copy_from_slice(&self.iv.to_le_bytes());
        let mut gcm = CK_GCM_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvBits: 96,
            pAAD: null_mut(),
            ulAADLen: 0,
            ulTagBits: 128,
        };
        let mut mechanism = match cipher {
            Cipher::Gcm => mechanism_with(CKM_AES_GCM, &mut gcm),
            Cipher::Cbc => mechanism_with(CKM_AES_CBC, &mut iv),
        };
        let data = &mut self.data[..len];
        let mut room = length(&self.room);
        let start = Instant::now();
        ok!(self.raw, C_EncryptInit, self.session, &raw mut mechanism, self.key);
        ok!(self.raw, C_Encrypt, self.session, data.as_mut_ptr(), length(data), self.room.as_mut_ptr(), &raw mut room);
        Ok(start.elapsed())
    }

    /// Public keys, which need no login and cost a module the least to make; all hold the curve's base point.
    fn populate(&mut self, objects: usize) -> Result<()> {
        while self.objects < objects {
            let mut template = Attributes::new()
                .number(CKA_CLASS, CKO_PUBLIC_KEY)
                .number(CKA_KEY_TYPE, CKK_EC)
                .flag(CKA_TOKEN, true)
                .flag(CKA_PRIVATE, false)
                .flag(CKA_VERIFY, true)
                .bytes(CKA_EC_PARAMS, token::OID_P256)
                .bytes(CKA_EC_POINT, &BASE_POINT)
                .bytes(CKA_ID, &object_id(self.objects));
            let (mut list, mut object) = (template.list(), 0);
            ok!(self.raw, C_CreateObject, self.session, list.as_mut_ptr(), length(&list), &raw mut object);
            self.objects += 1;
        }
        Ok(())
    }
}

fn sign(
    raw: &Raw,
    session: CK_SESSION_HANDLE,
    kind: CK_MECHANISM_TYPE,
    key: CK_OBJECT_HANDLE,
    data: &mut [u8],
    room: &mut [u8],
) -> Result<()> {
    let (mut mechanism, mut len) = (mechanism(kind), length(room));
    ok!(raw, C_SignInit, session, &raw mut mechanism, key);
    ok!(raw, C_Sign, session, data.as_mut_ptr(), length(data), room.as_mut_ptr(), &raw mut len);
    Ok(())
}

fn object_id(number: usize) -> [u8; 8] {
    number.to_be_bytes()
}

/// Samples of a round: as many as fit into the time, within bounds.
const ROUND: Duration = Duration::from_millis(60);
const MIN_SAMPLES: usize = 5;
const MAX_SAMPLES: usize = 5000;

/// The base point of P-256 (SEC 2, 2.4.2), uncompressed, in a DER OCTET STRING.
const BASE_POINT: [u8; 67] = [
    0x04, 0x41, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42,
    0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31,
    0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];
