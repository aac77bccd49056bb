//! Throughput of one process by its threads, where every command takes a while.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{Sandbox, Token};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectClass;
use cryptoki::session::Session;

use crate::options::Options;
use crate::random::Random;
use crate::{role, token};

/// Prints a table of medians: operations per second by latency and threads.
pub(crate) fn run(options: &Options) -> bool {
    let latencies = options.list("microseconds", "0,100,1000");
    let threads = options.list("threads", "1,2,4,8,16");
    let (rounds, milliseconds) = (options.get("rounds", 5), options.get("milliseconds", 500));
    let setting = options.settings()[0];
    println!("Operations per second on a {setting}, medians of {rounds} rounds of {milliseconds} ms:\n");
    let head: Vec<String> =
        threads.iter().map(|threads| format!(" {threads} thread{} |", if *threads == 1 { "" } else { "s" })).collect();
    println!("| Latency per command | Operation |{}\n|---|---|{}", head.concat(), "---:|".repeat(threads.len()));
    let sandbox = setting.sandbox();
    let mut good = true;
    for latency in latencies {
        sandbox.driver().order(&format!(r#"{{"latency":{{"microseconds":{latency}}}}}"#));
        for (name, _) in WORK {
            let cells: Vec<String> = threads
                .iter()
                .map(|threads| {
                    let rate = median(&sandbox, &format!("{threads} {rounds} {milliseconds} {name}"));
                    good &= rate.is_some();
                    rate.map_or_else(|| " failed |".to_owned(), |rate| format!(" {rate} |"))
                })
                .collect();
            println!("| {latency} us | {name} |{}", cells.concat());
        }
        sandbox.driver().order(r#"{"latency":{"microseconds":0}}"#);
    }
    good
}

fn median(sandbox: &Sandbox, line: &str) -> Option<u64> {
    let mut child = role(sandbox, "latency").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ourselves");
    let mut input = child.stdin.take().expect("it was piped");
    writeln!(input, "{line}").expect("it listens");
    drop(input);
    let output = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut rates: Vec<u64> = output.lines().map_while(|line| line.ok()?.parse().ok()).collect();
    rates.sort_unstable();
    (child.wait().expect("our own child").success()).then(|| rates.get(rates.len() / 2).copied())?
}

/// What a thread does again and again.
type Work = fn(&Session, &mut Random);

const WORK: &[(&str, Work)] = &[
    ("ECDSA P-256 sign", |session, random| {
        let key = token::one(session, "pair", ObjectClass::PRIVATE_KEY).expect("the key");
        session.sign(&Mechanism::Ecdsa, key, &random.bytes::<32>()).expect("a signature");
    }),
    ("AES-GCM encrypt, 1 KiB", |session, _| {
        let key = token::one(session, "aes", ObjectClass::SECRET_KEY).expect("the key");
        // Not drawn: no IV may come twice, not even in another run.
        let mut iv = [0; 12];
        session.generate_random_slice(&mut iv).expect("random bytes");
        let parameters = GcmParams::new(&mut iv, &[], 128.into()).expect("parameters");
        session.encrypt(&Mechanism::AesGcm(parameters), key, &[7; 1024]).expect("a ciphertext");
    }),
];

/// The process: one line, `THREADS ROUNDS MILLISECONDS NAME`; a rate for every round.
pub(crate) fn serve() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
    let words: Vec<&str> = line.trim().splitn(4, ' ').collect();
    let [threads, rounds, milliseconds, name] = words[..] else { panic!("{line}") };
    let number = |word: &str| word.parse::<u64>().expect("a number");
    let (_, work) = WORK.iter().find(|(known, _)| *known == name).expect("work of ours");
    let token = Token::open();
    let session = token.user();
    if token::one(&session, "pair", ObjectClass::PRIVATE_KEY).is_err() {
        token::pair(&session, "pair", token::P256, true).expect("a key pair");
        token::aes(&session, "aes", true).expect("a key");
    }
    work(&session, &mut Random::new(0));
    for _ in 0..number(rounds) {
        let (stop, done, begun) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
        thread::scope(|scope| {
            for thread in 0..number(threads) {
                let session = token.library.open_rw_session(token.slot).expect("a session");
                let (stop, done) = (&stop, &done);
                scope.spawn(move || {
                    let mut random = Random::new(thread);
                    while !stop.load(Ordering::Relaxed) {
                        work(&session, &mut random);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            thread::sleep(Duration::from_millis(number(milliseconds)));
            stop.store(true, Ordering::Relaxed);
        });
        let micros = u64::try_from(begun.elapsed().as_micros()).expect("a short round");
        println!("{}", done.into_inner() * 1_000_000 / micros);
    }
}
