//! `C_WaitForSlotEvent`: no slot of this library ever has an event, so a call that waits for one waits for `C_Finalize`.

use std::ptr::null_mut;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use conformance::call;
use conformance::raw::{Raw, token};
use cryptoki_sys::*;

use crate::harness::{again_user, alone, answers, initialize, user};

alone! {
    a_call_that_blocks_returns_with_finalize(raw) {
        let session = user(raw);
        thread::scope(|scope| {
            let waiting = wait(scope, raw);
            // The library is used by others meanwhile.
            let slot = token::token_slot(raw).expect("a slot");
            let other = token::open(raw, slot).expect("a session");
            answers!(CKR_OK, raw, C_CloseSession, other);
            answers!(CKR_OK, raw, C_Logout, session);
            assert!(waiting.try_recv().is_err(), "it waits");
            answers!(CKR_OK, raw, C_Finalize, null_mut());
            assert_eq!(waiting.recv_timeout(SOON).expect("it returns"), CKR_CRYPTOKI_NOT_INITIALIZED);
        });
        // The next life has its own end.
        assert_eq!(initialize(raw), CKR_OK);
        thread::scope(|scope| {
            let waiting = [wait(scope, raw), wait(scope, raw)];
            let mut slot = 0;
            answers!(CKR_NO_EVENT, raw, C_WaitForSlotEvent, CKF_DONT_BLOCK, &raw mut slot, null_mut());
            again_user(raw).expect("a login");
            answers!(CKR_OK, raw, C_Finalize, null_mut());
            for waiting in waiting {
                assert_eq!(waiting.recv_timeout(SOON).expect("it returns"), CKR_CRYPTOKI_NOT_INITIALIZED);
            }
        });
    }

    a_child_that_was_forked_while_somebody_waits(raw) {
        let session = user(raw);
        thread::scope(|scope| {
            let waiting = wait(scope, raw);
            crate::processes::in_child(|| {
                let mut slot = 0;
                let none = null_mut();
                answers!(CKR_CRYPTOKI_NOT_INITIALIZED, raw, C_WaitForSlotEvent, 0, &raw mut slot, none);
                assert_eq!(initialize(raw), CKR_OK);
                again_user(raw).expect("a login of its own");
                answers!(CKR_NO_EVENT, raw, C_WaitForSlotEvent, CKF_DONT_BLOCK, &raw mut slot, none);
                answers!(CKR_OK, raw, C_Finalize, none);
            });
            assert!(waiting.try_recv().is_err(), "the child's end is not the parent's");
            answers!(CKR_OK, raw, C_CloseSession, session);
            answers!(CKR_OK, raw, C_Finalize, null_mut());
            assert_eq!(waiting.recv_timeout(SOON).expect("it returns"), CKR_CRYPTOKI_NOT_INITIALIZED);
        });
    }
}

/// A thread that waits for an event, and tells what the call returned.
fn wait<'scope>(scope: &'scope thread::Scope<'scope, '_>, raw: &'scope Raw) -> mpsc::Receiver<CK_RV> {
    let (tell, told) = mpsc::channel();
    scope.spawn(move || {
        let mut slot = 0;
        let rv = call!(raw, C_WaitForSlotEvent, 0, &raw mut slot, null_mut());
        tell.send(rv).expect("the test waits");
    });
    // Nothing tells that a thread is inside a call; this is long enough for it to be there.
    thread::sleep(Duration::from_millis(50));
    told
}

/// Long enough for a slow machine.
const SOON: Duration = Duration::from_secs(20);
