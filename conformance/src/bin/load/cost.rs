//! How many commands the device is given for one PKCS#11 operation.

#![allow(clippy::wildcard_imports, reason = "the standard's constants, by the dozen")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::ptr::null_mut;

use conformance::raw::token::{self as raw_token, Result};
use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with};
use conformance::{Dialect, Module, Sandbox, ok};
use cryptoki_sys::*;

use crate::options::{Options, Setting};
use crate::{role, token};

/// A line of the table.
struct Case {
    name: &'static str,
    /// Whether it is counted the second time, with the key in the device.
    warm: bool,
    run: fn(&mut Bench) -> Result<()>,
}

const fn warm(name: &'static str, run: fn(&mut Bench) -> Result<()>) -> Case {
    Case { name, warm: true, run }
}

const fn cold(name: &'static str, run: fn(&mut Bench) -> Result<()>) -> Case {
    Case { name, warm: false, run }
}

/// In the order of the table. The first four are one process from its start; the fifth is another.
const CASES: &[Case] = &[
    cold("`C_Initialize`, `C_OpenSession`", Bench::open),
    cold("`C_Login`, the first of a process", Bench::login),
    cold("ECDSA sign, first use of a token key by a process", Bench::ecdsa),
    warm("ECDSA sign, P-256, key in the device", Bench::ecdsa),
    warm("RSA-2048 sign", Bench::rsa),
    warm("AES-GCM encrypt, 1 KiB", |bench| bench.gcm(1 << 10)),
    warm("AES-GCM encrypt, 1 MiB", |bench| bench.gcm(1 << 20)),
    warm("AES-CBC encrypt, 1 KiB", |bench| bench.cbc(1 << 10)),
    warm("AES-CBC encrypt, 1 MiB", |bench| bench.cbc(1 << 20)),
    warm("AES-CTR encrypt, 1 KiB", |bench| bench.ctr(1 << 10)),
    warm("HMAC-SHA256, 1 KiB, key in the HSM", |bench| bench.hmac(HMAC)),
    cold("HMAC-SHA256, sealed key, first use by a process", |bench| bench.hmac(SEALED)),
    warm("HMAC-SHA256, sealed key, again", |bench| bench.hmac(SEALED)),
    warm("ECDSA verify", Bench::verify),
    warm("SHA-256 digest, 1 KiB", Bench::digest),
    warm("`C_GenerateRandom`", Bench::random),
    warm("find a key by label, read its point", Bench::find),
    warm("generate an AES-256 key", |bench| bench.new_secret(CKM_AES_KEY_GEN)),
    warm("generate a generic secret, 32 bytes", |bench| bench.new_secret(CKM_GENERIC_SECRET_KEY_GEN)),
    warm("generate a P-256 key pair", Bench::new_pair),
    warm("generate an RSA-2048 key pair", Bench::new_rsa),
    warm("import an AES-256 key", |bench| bench.import(CKK_AES)),
    warm("import an HMAC key, which is sealed", |bench| bench.import(CKK_GENERIC_SECRET)),
    warm("destroy a token key that was just made", Bench::destroy),
    cold("`C_Logout`, `C_Finalize`", Bench::close),
];

/// Prints the table of what the physical dialect costs, and where the virtual one costs something else.
pub(crate) fn run(_: &Options) -> bool {
    let [physical, other] =
        [Dialect::Physical, Dialect::Virtual].map(|dialect| counted(&Setting::Chip(dialect).sandbox()));
    println!("| Operation | Commands | Which |\n|---|---:|---|");
    for ((name, counts), (_, virtual_counts)) in physical.iter().zip(&other) {
        let total = |counts: &Counts| counts.values().sum::<u64>();
        let mut which: Vec<String> = counts
            .iter()
            .map(|(opcode, count)| {
                let name = opcode_name(opcode);
                if *count == 1 { name } else { format!("{count} {name}") }
            })
            .collect();
        if counts != virtual_counts {
            which.push(format!("in the virtual dialect {}", total(virtual_counts)));
        }
        println!("| {name} | {} | {} |", total(counts), which.join(", "));
    }
    true
}

type Counts = BTreeMap<String, u64>;

fn counted(sandbox: &Sandbox) -> Vec<(&'static str, Counts)> {
    // Somebody else makes the keys, so that this process has used none of them.
    let mut maker = Served::start(sandbox);
    for step in ["open", "login", "keys", "close"] {
        maker.ask(step);
    }
    drop(maker);
    let mut served = Served::start(sandbox);
    let counted = CASES.iter().map(|case| {
        if case.warm {
            served.ask(case.name);
        }
        let before = counts(sandbox);
        served.ask(case.name);
        let mut after = counts(sandbox);
        for (opcode, count) in before {
            *after.entry(opcode).or_default() -= count;
        }
        after.retain(|_, count| *count > 0);
        (case.name, after)
    });
    counted.collect()
}

fn counts(sandbox: &Sandbox) -> Counts {
    sandbox.driver().commands().into_iter().collect()
}

/// A process that does what it is told.
struct Served {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Served {
    fn start(sandbox: &Sandbox) -> Self {
        let mut child = role(sandbox, "cost").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ourselves");
        let commands = child.stdin.take().expect("it was piped");
        let answers = BufReader::new(child.stdout.take().expect("it was piped"));
        Self { child, commands, answers }
    }

    fn ask(&mut self, what: &str) {
        writeln!(self.commands, "{what}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, "ok\n", "{what}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process: a line names a case, or a step before them.
pub(crate) fn serve() {
    let mut bench = Bench { raw: Raw::load(Module::under_test().path()), session: 0, iv: 0 };
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let done = match line.as_str() {
            "open" => bench.open(),
            "login" => bench.login(),
            "keys" => bench.keys(),
            "close" => bench.close(),
            name => (CASES.iter().find(|case| case.name == name).expect("a case of ours").run)(&mut bench),
        };
        println!("{}", done.map_or_else(|failure| failure.to_string(), |()| "ok".to_owned()));
        std::io::stdout().flush().expect("the parent listens");
    }
}

struct Bench {
    raw: Raw,
    session: CK_SESSION_HANDLE,
    iv: u64,
}

impl Bench {
    fn open(&mut self) -> Result<()> {
        let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..CK_C_INITIALIZE_ARGS::default() };
        ok!(self.raw, C_Initialize, std::ptr::from_mut(&mut arguments).cast());
        self.session = raw_token::open(&self.raw, raw_token::token_slot(&self.raw)?)?;
        Ok(())
    }

    fn login(&mut self) -> Result<()> {
        raw_token::login(&self.raw, self.session)
    }

    fn close(&mut self) -> Result<()> {
        ok!(self.raw, C_Logout, self.session);
        ok!(self.raw, C_Finalize, null_mut());
        Ok(())
    }

    fn keys(&mut self) -> Result<()> {
        let (raw, session) = (&self.raw, self.session);
        let pair = |kind, public: Attributes, label: &[u8]| {
            let public = public.flag(CKA_TOKEN, true).flag(CKA_VERIFY, true).bytes(CKA_LABEL, label);
            let private = guarded(label).flag(CKA_SIGN, true);
            raw_token::generate_pair(raw, session, kind, public, private).map(drop)
        };
        pair(CKM_EC_KEY_PAIR_GEN, Attributes::new().bytes(CKA_EC_PARAMS, token::P256), EC)?;
        pair(CKM_RSA_PKCS_KEY_PAIR_GEN, rsa_2048(), RSA)?;
        let aes = guarded(AES).number(CKA_VALUE_LEN, 32).flag(CKA_ENCRYPT, true).flag(CKA_DECRYPT, true);
        raw_token::generate(raw, session, CKM_AES_KEY_GEN, aes)?;
        let hmac = guarded(HMAC).number(CKA_VALUE_LEN, 32).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
        raw_token::generate(raw, session, CKM_GENERIC_SECRET_KEY_GEN, hmac.flag(CKA_SIGN, true))?;
        self.create(guarded(SEALED).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET).flag(CKA_SIGN, true)).map(drop)
    }

    fn create(&self, template: Attributes) -> Result<CK_OBJECT_HANDLE> {
        let mut template = template.number(CKA_CLASS, CKO_SECRET_KEY).bytes(CKA_VALUE, &[7; 32]);
        let (mut list, mut object) = (template.list(), 0);
        ok!(self.raw, C_CreateObject, self.session, list.as_mut_ptr(), length(&list), &raw mut object);
        Ok(object)
    }

    fn key(&self, class: CK_OBJECT_CLASS, label: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        raw_token::find_labelled(&self.raw, self.session, class, label)
    }

    fn sign(&self, kind: CK_MECHANISM_TYPE, key: CK_OBJECT_HANDLE, len: usize) -> Result<Vec<u8>> {
        let (mut data, mut signature) = (vec![7; len], vec![0; 512]);
        let (mut mechanism, mut room) = (mechanism(kind), length(&signature));
        ok!(self.raw, C_SignInit, self.session, &raw mut mechanism, key);
        ok!(self.raw, C_Sign, self.session, data.as_mut_ptr(), length(&data), signature.as_mut_ptr(), &raw mut room);
        signature.truncate(usize::try_from(room).expect("a length"));
        Ok(signature)
    }

    fn ecdsa(&mut self) -> Result<()> {
        self.sign(CKM_ECDSA, self.key(CKO_PRIVATE_KEY, EC)?, 32).map(drop)
    }

    fn rsa(&mut self) -> Result<()> {
        self.sign(CKM_SHA256_RSA_PKCS, self.key(CKO_PRIVATE_KEY, RSA)?, 100).map(drop)
    }

    fn hmac(&mut self, label: &[u8]) -> Result<()> {
        self.sign(CKM_SHA256_HMAC, self.key(CKO_SECRET_KEY, label)?, 1024).map(drop)
    }

    fn encrypt<T>(&mut self, kind: CK_MECHANISM_TYPE, parameter: &mut T, len: usize) -> Result<()> {
        let key = self.key(CKO_SECRET_KEY, AES)?;
        let (mut data, mut room) = (vec![7; len], vec![0; len + 64]);
        let (mut mechanism, mut room_len) = (mechanism_with(kind, parameter), length(&room));
        ok!(self.raw, C_EncryptInit, self.session, &raw mut mechanism, key);
        let (data, data_len) = (data.as_mut_ptr(), length(&data));
        ok!(self.raw, C_Encrypt, self.session, data, data_len, room.as_mut_ptr(), &raw mut room_len);
        Ok(())
    }

    fn gcm(&mut self, len: usize) -> Result<()> {
        self.iv += 1;
        let mut iv = [0; 12];
        iv[..8].copy_from_slice(&self.iv.to_le_bytes());
        let mut parameters = CK_GCM_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: 12,
            ulIvBits: 96,
            pAAD: null_mut(),
            ulAADLen: 0,
            ulTagBits: 128,
        };
        self.encrypt(CKM_AES_GCM, &mut parameters, len)
    }

    fn cbc(&mut self, len: usize) -> Result<()> {
        self.encrypt(CKM_AES_CBC, &mut [7_u8; 16], len)
    }

    fn ctr(&mut self, len: usize) -> Result<()> {
        let mut parameters = CK_AES_CTR_PARAMS { ulCounterBits: 128, cb: [7; 16] };
        self.encrypt(CKM_AES_CTR, &mut parameters, len)
    }

    fn verify(&mut self) -> Result<()> {
        // Once per process, and for the first of the two runs only; the second finds it here.
        static SIGNATURE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        if SIGNATURE.get().is_none() {
            let made = self.sign(CKM_ECDSA, self.key(CKO_PRIVATE_KEY, EC)?, 32)?;
            SIGNATURE.get_or_init(|| made);
        }
        let (mut data, mut signature) = ([7; 32], SIGNATURE.get().expect("just made").clone());
        let (mut mechanism, key) = (mechanism(CKM_ECDSA), self.key(CKO_PUBLIC_KEY, EC)?);
        ok!(self.raw, C_VerifyInit, self.session, &raw mut mechanism, key);
        let (data, data_len) = (data.as_mut_ptr(), length(&data));
        ok!(self.raw, C_Verify, self.session, data, data_len, signature.as_mut_ptr(), length(&signature));
        Ok(())
    }

    fn digest(&mut self) -> Result<()> {
        let (mut data, mut digest, mut mechanism, mut len) = ([7; 1024], [0; 32], mechanism(CKM_SHA256), 32);
        ok!(self.raw, C_DigestInit, self.session, &raw mut mechanism);
        let (data, data_len) = (data.as_mut_ptr(), length(&data));
        ok!(self.raw, C_Digest, self.session, data, data_len, digest.as_mut_ptr(), &raw mut len);
        Ok(())
    }

    fn random(&mut self) -> Result<()> {
        let mut random = [0; 32];
        ok!(self.raw, C_GenerateRandom, self.session, random.as_mut_ptr(), length(&random));
        Ok(())
    }

    fn find(&mut self) -> Result<()> {
        let key = self.key(CKO_PUBLIC_KEY, EC)?;
        let mut point = [0_u8; 67];
        let mut attribute =
            CK_ATTRIBUTE { type_: CKA_EC_POINT, pValue: point.as_mut_ptr().cast(), ulValueLen: length(&point) };
        ok!(self.raw, C_GetAttributeValue, self.session, key, &raw mut attribute, 1);
        Ok(())
    }

    fn new_secret(&mut self, kind: CK_MECHANISM_TYPE) -> Result<()> {
        let usage = if kind == CKM_AES_KEY_GEN { CKA_ENCRYPT } else { CKA_SIGN };
        let template = guarded(b"new").number(CKA_VALUE_LEN, 32).flag(usage, true);
        raw_token::generate(&self.raw, self.session, kind, template).map(drop)
    }

    fn new_pair(&mut self) -> Result<()> {
        let public = Attributes::new().bytes(CKA_EC_PARAMS, token::P256).flag(CKA_TOKEN, true).flag(CKA_VERIFY, true);
        let private = guarded(b"new").flag(CKA_SIGN, true);
        raw_token::generate_pair(&self.raw, self.session, CKM_EC_KEY_PAIR_GEN, public, private).map(drop)
    }

    fn new_rsa(&mut self) -> Result<()> {
        let public = rsa_2048().flag(CKA_TOKEN, true).flag(CKA_VERIFY, true);
        let private = guarded(b"new").flag(CKA_SIGN, true);
        raw_token::generate_pair(&self.raw, self.session, CKM_RSA_PKCS_KEY_PAIR_GEN, public, private).map(drop)
    }

    fn import(&mut self, kind: CK_KEY_TYPE) -> Result<()> {
        let usage = if kind == CKK_AES { CKA_ENCRYPT } else { CKA_SIGN };
        self.create(guarded(b"imported").number(CKA_KEY_TYPE, kind).flag(usage, true)).map(drop)
    }

    /// Every run destroys one of what the lines before it made.
    fn destroy(&mut self) -> Result<()> {
        let mut template = Attributes::new().number(CKA_CLASS, CKO_PRIVATE_KEY).bytes(CKA_LABEL, b"new");
        let (mut list, mut found, mut count) = (template.list(), 0, 0);
        ok!(self.raw, C_FindObjectsInit, self.session, list.as_mut_ptr(), length(&list));
        ok!(self.raw, C_FindObjects, self.session, &raw mut found, 1, &raw mut count);
        ok!(self.raw, C_FindObjectsFinal, self.session);
        ok!(self.raw, C_DestroyObject, self.session, found);
        Ok(())
    }
}

fn guarded(label: &[u8]) -> Attributes {
    Attributes::new()
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, false)
        .bytes(CKA_LABEL, label)
}

fn rsa_2048() -> Attributes {
    Attributes::new().number(CKA_MODULUS_BITS, 2048).bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1])
}

/// The commands by name (wire 3.1).
fn opcode_name(opcode: &str) -> String {
    let name = match opcode {
        "1002" => "GetApiRev",
        "1003" => "GetDeviceInfo",
        "1014" => "DeleteKey",
        "1015" => "OpenKey",
        "1031" => "RsaModExp",
        "1035" => "RsaUnwrap",
        "1051" => "GetUnwrappingKey",
        "1061" => "EccGenerateKeyPair",
        "1062" => "EccSign",
        "1071" => "AesGenerateKey",
        "1072" => "AesEncryptDecrypt",
        "1074" => "EcdhKeyExchange",
        "1075" => "HkdfDerive",
        "1077" => "Hmac",
        "1101" => "GetEstablishCredEncryptionKey",
        "1102" => "EstablishCredential",
        "1103" => "GetSessionEncryptionKey",
        "1104" => "OpenSession",
        "1105" => "CloseSession",
        "1107" => "UnmaskKey",
        "1108" => "GetCertChainInfo",
        "1109" => "GetCertificate",
        "gcm" => "AES-GCM call",
        other => other,
    };
    name.to_owned()
}

const EC: &[u8] = b"cost-ec";
const RSA: &[u8] = b"cost-rsa";
const AES: &[u8] = b"cost-aes";
const HMAC: &[u8] = b"cost-hmac";
const SEALED: &[u8] = b"cost-sealed";
