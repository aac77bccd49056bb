//! Forks, unloading, threads.

#![expect(unsafe_code, reason = "forks, loads and unloads")]

use std::ptr::null_mut;
use std::sync::mpsc;
use std::thread;

use conformance::raw::{Raw, length, mechanism, mechanism_with, token};
use conformance::{Module, Sandbox, call};
use cryptoki_sys::*;

use crate::harness::{aes, again, again_user, alone, answers, initialize, inside, user};

alone! {
    a_child_begins_anew_without_finalize(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        in_child(|| {
            let mut size = 0;
            answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_GetObjectSize, session, key, &raw mut size);
            answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_CloseSession, session);
            assert_eq!(initialize(raw), CKR_OK);
            answers!(CKR_CRYPTOKI_ALREADY_INITIALIZED, raw, C_Initialize, null_mut());
            answers!(CKR_SESSION_HANDLE_INVALID, raw, C_CloseSession, session);
            // Nobody is logged in here, whatever the parent did.
            let own = again_user(raw).expect("a login of its own");
            encrypt(raw, own, aes(raw, own));
            answers!(CKR_OK, raw, C_Finalize, null_mut());
        });
        encrypt(raw, session, key);
        answers!(CKR_OK, raw, C_Finalize, null_mut());
    }

    a_child_begins_anew_after_finalize(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        in_child(|| {
            answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_Finalize, null_mut());
            answers!(CKR_OK, raw, C_Initialize, null_mut());
            let own = again_user(raw).expect("a login of its own");
            encrypt(raw, own, aes(raw, own));
        });
        encrypt(raw, session, key);
    }

    a_child_that_never_uses_the_library_harms_nobody(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        in_child(|| {});
        encrypt(raw, session, key);
    }

    a_child_of_a_child(raw) {
        let session = user(raw);
        in_child(|| {
            assert_eq!(initialize(raw), CKR_OK);
            let own = again_user(raw).expect("a login of its own");
            let key = aes(raw, own);
            in_child(|| {
                answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_CloseSession, own);
                assert_eq!(initialize(raw), CKR_OK);
                let own = again_user(raw).expect("a login of its own");
                encrypt(raw, own, aes(raw, own));
            });
            encrypt(raw, own, key);
        });
        answers!(CKR_OK, raw, C_CloseSession, session);
    }

    many_threads(raw) {
        let first = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let session = token::open(raw, slot).expect("a session");
                        let key = aes(raw, session);
                        encrypt(raw, session, key);
                        let mut random = [0_u8; 16];
                        answers!(CKR_OK, raw, C_GenerateRandom, session, random.as_mut_ptr(), 16);
                        answers!(CKR_OK, raw, C_DestroyObject, session, key);
                        answers!(CKR_OK, raw, C_CloseSession, session);
                    }
                });
            }
        });
        answers!(CKR_OK, raw, C_CloseSession, first);
    }

    one_session_from_two_threads(raw) {
        let session = user(raw);
        let key = aes(raw, session);
        // The standard leaves the order open; each answer is one of an operation that is or is not there.
        let hammer = || {
            let (mut iv, mut data, mut len) = ([0_u8; 16], [0_u8; 16], 16);
            let mut cbc = mechanism_with(CKM_AES_CBC, &mut iv);
            for _ in 0..200 {
                let rv = call!(raw, C_EncryptInit, session, &raw mut cbc, key);
                assert!([CKR_OK, CKR_OPERATION_ACTIVE].contains(&rv), "{rv:#x}");
                let rv = call!(raw, C_Encrypt, session, data.as_mut_ptr(), 16, data.as_mut_ptr(), &raw mut len);
                assert!([CKR_OK, CKR_OPERATION_NOT_INITIALIZED].contains(&rv), "{rv:#x}");
            }
        };
        thread::scope(|scope| {
            scope.spawn(hammer);
            scope.spawn(hammer);
        });
        // An operation may be left over.
        call!(raw, C_EncryptInit, session, null_mut(), 0);
        encrypt(raw, session, key);
    }

    two_threads_initialise_once(raw) {
        let results: Vec<CK_RV> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| initialize(raw))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(results.iter().filter(|rv| **rv == CKR_OK).count(), 1, "{results:x?}");
        assert_eq!(results.iter().filter(|rv| **rv == CKR_CRYPTOKI_ALREADY_INITIALIZED).count(), 3, "{results:x?}");
    }
}

#[test]
fn unloaded_and_loaded_again() {
    if !inside() {
        again(&Sandbox::new(), concat!(module_path!(), "::unloaded_and_loaded_again")).ok().says("1 passed");
        return;
    }
    let module = Module::under_test();
    for round in 0..3 {
        let raw = Raw::load(module.path());
        assert_eq!(initialize(&raw), CKR_OK);
        if round == 0 {
            token::make_token(&raw).expect("a token");
        }
        let (used, wait_for_use) = mpsc::channel::<()>();
        let (unloaded, wait_for_unload) = mpsc::channel::<()>();
        let path = module.path().to_owned();
        // A thread that outlives the library, and takes what the library keeps for each thread with it when it ends.
        let thread = thread::spawn(move || {
            let raw = Raw::load(&path);
            let session = again_user(&raw).expect("the token is there");
            encrypt(&raw, session, aes(&raw, session));
            // SAFETY: nothing of the library is used by this thread from here on.
            unsafe { raw.close() };
            used.send(()).expect("the test waits");
            wait_for_unload.recv().expect("the test goes on");
        });
        wait_for_use.recv().expect("the thread goes on");
        answers!(CKR_OK, raw, C_Finalize, null_mut());
        // SAFETY: nothing of the library is used until it is loaded again.
        unsafe { raw.close() };
        unloaded.send(()).expect("the thread waits");
        thread.join().expect("the thread ends well");
    }
}

/// Runs `body` in a forked child, which has to end well. A panic there does not unwind into the parent's test.
pub(crate) fn in_child(body: impl FnOnce()) {
    // SAFETY: this process has no thread but the test's own that uses the library; the child only calls the body and
    // `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("fork"),
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        child => {
            let mut status = 0;
            // SAFETY: our own child, and room for its status.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child's status is {status:#x}");
        }
    }
}

/// Encrypts and decrypts, and digests for good measure.
fn encrypt(raw: &Raw, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
    let (mut iv, mut data, mut len) = ([9_u8; 16], *b"sixteen bytes...", 16);
    let mut cbc = mechanism_with(CKM_AES_CBC, &mut iv);
    let place = data.as_mut_ptr();
    answers!(CKR_OK, raw, C_EncryptInit, session, &raw mut cbc, key);
    answers!(CKR_OK, raw, C_Encrypt, session, place, 16, place, &raw mut len);
    assert_ne!(&data, b"sixteen bytes...");
    let place = data.as_mut_ptr();
    answers!(CKR_OK, raw, C_DecryptInit, session, &raw mut cbc, key);
    answers!(CKR_OK, raw, C_Decrypt, session, place, 16, place, &raw mut len);
    assert_eq!(&data, b"sixteen bytes...");
    let (mut sha, mut digest) = (mechanism(CKM_SHA256), [0_u8; 32]);
    len = length(&digest);
    answers!(CKR_OK, raw, C_DigestInit, session, &raw mut sha);
    answers!(CKR_OK, raw, C_Digest, session, data.as_mut_ptr(), 16, digest.as_mut_ptr(), &raw mut len);
}
