//! Forks of a process whose threads are at work.

#![expect(unsafe_code, reason = "forks")]
#![allow(clippy::wildcard_imports, reason = "the standard's constants, by the dozen")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use conformance::raw::token::{self as raw_token, Failure};
use conformance::raw::{Raw, length, mechanism};
use conformance::{Module, Token, ok, run as finish};
use cryptoki_sys::*;

use crate::options::Options;
use crate::random::Random;
use crate::{expected, role, token};

/// Runs it in each setting, and prints what the forking process found.
pub(crate) fn run(options: &Options) -> bool {
    let numbers = [options.get("forks", 1000), options.get("threads", 4), options.get("at-once", 3)];
    let mut good = true;
    for setting in options.settings() {
        let sandbox = setting.sandbox();
        let ran = finish(role(&sandbox, "forks").args(numbers.map(|number: u64| number.to_string())));
        println!("{setting}: {}", ran.stdout().trim_end());
        if !ran.succeeded() {
            println!("{ran}");
        }
        good &= ran.succeeded();
    }
    good
}

/// The process: `FORKS THREADS AT-ONCE`.
pub(crate) fn work(arguments: &[String]) {
    let numbers: Vec<u64> = arguments.iter().map(|word| word.parse().expect("a number")).collect();
    let [forks, threads, at_once] = numbers[..] else { panic!("three numbers") };
    {
        let token = Token::open();
        token::pair(&token.user(), "pair", token::P256, true).expect("a key");
        token.library.finalize().expect("the end of the set-up");
    }
    let raw = raw_token::load(Module::under_test().path()).expect("the module");
    let slot = raw_token::token_slot(&raw).expect("a slot");
    let session = raw_token::open(&raw, slot).expect("a session");
    raw_token::login(&raw, session).expect("the login");
    let point = point(&raw, session).expect("the point");

    let stop = AtomicBool::new(false);
    let (signed, disturbed, slowest) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    let mut failures = Vec::new();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (raw, point, stop) = (&raw, &point, &stop);
            let (signed, disturbed, slowest) = (&signed, &disturbed, &slowest);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                let session = raw_token::open(raw, slot).expect("a session");
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    match sign(raw, session, point, &mut random) {
                        Ok(()) => signed.fetch_add(1, Ordering::Relaxed),
                        Err(why) => {
                            eprintln!("the parent: {why}");
                            disturbed.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                    let elapsed = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                    slowest.fetch_max(elapsed, Ordering::Relaxed);
                }
            });
        }
        let mut alive = 0;
        for number in 0..forks {
            if alive == at_once {
                failures.extend(reap());
                alive -= 1;
            }
            // SAFETY: the child runs `child` and leaves with _exit.
            match unsafe { libc::fork() } {
                -1 => failures.push("fork".to_owned()),
                0 => {
                    let status = child(&raw, &point, number);
                    // SAFETY: ends the child.
                    unsafe { libc::_exit(status) }
                }
                _ => alive += 1,
            }
        }
        for _ in 0..alive {
            failures.extend(reap());
        }
        stop.store(true, Ordering::Relaxed);
    });
    for failure in failures.iter().take(20) {
        eprintln!("{failure}");
    }
    let (signed, disturbed) = (signed.into_inner(), disturbed.into_inner());
    println!(
        "{forks} forks, {} failed children, {signed} signatures of the parent, {disturbed} failed, slowest {} ms, {} s",
        failures.len(),
        slowest.into_inner() / 1000,
        begun.elapsed().as_secs()
    );
    if !failures.is_empty() || disturbed > 0 || signed == 0 {
        std::process::exit(1);
    }
}

/// A child's life; 0 is a good one, the others name what failed.
fn child(raw: &Raw, point: &[u8], number: u64) -> i32 {
    // SAFETY: no memory. A child that hangs is ended by the signal, and so counted.
    unsafe { libc::alarm(60) };
    if number % 8 == 7 {
        // Some children have nothing to do with the library.
        return 0;
    }
    let life = || {
        let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..CK_C_INITIALIZE_ARGS::default() };
        ok!(raw, C_Initialize, std::ptr::from_mut(&mut arguments).cast());
        let session = raw_token::open(raw, raw_token::token_slot(raw)?)?;
        raw_token::login(raw, session)?;
        let mut random = Random::new(number);
        for _ in 0..3 {
            sign(raw, session, point, &mut random)?;
        }
        if number.is_multiple_of(2) {
            ok!(raw, C_Finalize, null_mut());
        }
        Ok::<_, Failure>(())
    };
    match life() {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("child {number}: {why}");
            1
        }
    }
}

/// One child has ended; what was bad about it.
fn reap() -> Option<String> {
    let mut status = 0;
    // SAFETY: room for the status.
    let child = unsafe { libc::waitpid(-1, &raw mut status, 0) };
    if child < 0 {
        return Some("waitpid".to_owned());
    }
    (status != 0).then(|| format!("child {child}: status {status:#x}"))
}

/// One signature, checked.
fn sign(raw: &Raw, session: CK_SESSION_HANDLE, point: &[u8], random: &mut Random) -> Result<(), Failure> {
    let key = find(raw, session, CKO_PRIVATE_KEY)?;
    let (mut digest, mut signature) = (random.bytes::<32>(), [0; 64]);
    let (mut mechanism, mut len) = (mechanism(CKM_ECDSA), length(&signature));
    ok!(raw, C_SignInit, session, &raw mut mechanism, key);
    ok!(raw, C_Sign, session, digest.as_mut_ptr(), length(&digest), signature.as_mut_ptr(), &raw mut len);
    if expected::ecdsa(point, &digest, &signature) { Ok(()) } else { Err(Failure("a wrong signature", 0)) }
}

fn point(raw: &Raw, session: CK_SESSION_HANDLE) -> Result<Vec<u8>, Failure> {
    let key = find(raw, session, CKO_PUBLIC_KEY)?;
    let mut point = vec![0; 67];
    let mut attribute =
        CK_ATTRIBUTE { type_: CKA_EC_POINT, pValue: point.as_mut_ptr().cast(), ulValueLen: length(&point) };
    ok!(raw, C_GetAttributeValue, session, key, &raw mut attribute, 1);
    Ok(point)
}

fn find(raw: &Raw, session: CK_SESSION_HANDLE, class: CK_OBJECT_CLASS) -> Result<CK_OBJECT_HANDLE, Failure> {
    raw_token::find_labelled(raw, session, class, b"pair")
}
