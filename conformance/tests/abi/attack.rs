//! What attackers of the library tried with success, by symptom.

#![expect(unsafe_code, reason = "forks")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use conformance::raw::{Attributes, Raw, length, token};
use cryptoki_sys::*;

use crate::harness::{again_user, alone, answers, initialize, user};

alone! {
    /// `SQLite` had locks of the process that every allocation took: a child that was forked while another thread held one
    /// waited for it for ever.
    a_child_forked_in_the_middle_of_a_load_does_not_hang(raw) {
        let first = user(raw);
        let slot = token::token_slot(raw).expect("a slot");
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let session = token::open(raw, slot).expect("a session");
                    while !stop.load(Ordering::Relaxed) {
                        make_and_destroy(raw, session);
                    }
                });
            }
            let outcomes: Vec<_> = (0..40).map(|_| child(|| {
                assert_eq!(initialize(raw), CKR_OK);
                make_and_destroy(raw, again_user(raw).expect("a login of its own"));
                answers!(CKR_OK, raw, C_Finalize, std::ptr::null_mut());
            })).collect();
            stop.store(true, Ordering::Relaxed);
            assert!(outcomes.iter().all(|status| *status == 0), "a child hung or failed: {outcomes:x?}");
        });
        make_and_destroy(raw, first);
    }
}

/// A data object on the token, found again.
fn make_and_destroy(raw: &Raw, session: CK_SESSION_HANDLE) {
    let template = Attributes::new().number(CKA_CLASS, CKO_DATA).flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true);
    let (mut template, mut object, mut size) = (template.bytes(CKA_VALUE, &[7; 300]), 0, 0);
    let mut list = template.list();
    answers!(CKR_OK, raw, C_CreateObject, session, list.as_mut_ptr(), length(&list), &raw mut object);
    answers!(CKR_OK, raw, C_GetObjectSize, session, object, &raw mut size);
    answers!(CKR_OK, raw, C_DestroyObject, session, object);
}

/// The wait status of a forked child that runs `body`: 0 where it ended well, and the alarm's signal where it hung.
fn child(body: impl FnOnce()) -> i32 {
    // SAFETY: the point of the test: other threads are in the library. The C library lets a child allocate, and the child
    // calls nothing else but the library under test, `alarm` and `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("fork"),
        0 => {
            // SAFETY: no handler is installed: it ends the child.
            unsafe { libc::alarm(20) };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        child => {
            let mut status = -1;
            // SAFETY: our own child, and room for its status.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            status
        }
    }
}
