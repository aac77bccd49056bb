//! Every function before `C_Initialize` and after `C_Finalize`, and the functions that the library has not.

#![expect(unsafe_code, reason = "calls every function of the header by its name")]

use std::ffi::c_void;
use std::ptr::null_mut;

use conformance::raw::Raw;
use cryptoki_sys::*;

use crate::harness::{alone, answers, initialize, user};

/// The functions that may be called at any time.
const ANYTIME: [&str; 4] = ["C_Initialize", "C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface"];

/// What this library has not.
pub(crate) const MISSING: &[&str] = &["C_AsyncComplete", "C_AsyncGetID", "C_AsyncJoin"];

alone! {
    every_function_says_that_the_library_is_not_initialised(raw) {
        for name in names().iter().filter(|name| !ANYTIME.contains(&name.as_str())) {
            assert_eq!(with_zeros(raw, name), CKR_CRYPTOKI_NOT_INITIALIZED, "{name}");
        }
    }

    every_function_says_so_again_after_the_end(raw) {
        user(raw);
        answers!(CKR_OK, raw, C_Finalize, null_mut());
        for name in names().iter().filter(|name| !ANYTIME.contains(&name.as_str())) {
            assert_eq!(with_zeros(raw, name), CKR_CRYPTOKI_NOT_INITIALIZED, "{name}");
        }
    }

    no_function_takes_nothing_for_something(raw) {
        assert_eq!(initialize(raw), CKR_OK);
        let refused = [CKR_ARGUMENTS_BAD, CKR_SESSION_HANDLE_INVALID];
        for name in names() {
            let wanted: &[CK_RV] = match name.as_str() {
                // Ends the library, which is for the end.
                "C_Finalize" => continue,
                "C_Initialize" => &[CKR_CRYPTOKI_ALREADY_INITIALIZED],
                // Slot 0, and nothing to close there.
                "C_CloseAllSessions" => &[CKR_OK],
                missing if MISSING.contains(&missing) => &[CKR_FUNCTION_NOT_SUPPORTED],
                _ => &refused,
            };
            let rv = with_zeros(raw, &name);
            assert!(wanted.contains(&rv), "{name}: {rv:#x}");
        }
        answers!(CKR_OK, raw, C_Finalize, null_mut());
    }
}

/// All functions of the header.
fn names() -> Vec<String> {
    let list = format!("{:?}", CK_FUNCTION_LIST_3_2::default());
    let words = list.split([' ', ':', ',', '{', '}']);
    words.filter(|word| word.starts_with("C_")).map(str::to_owned).collect()
}

/// Calls a function with zero for every argument: no session, no slot but the first, null for every pointer.
fn with_zeros(raw: &Raw, name: &str) -> CK_RV {
    type Widest = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize, usize, usize, usize) -> CK_RV;
    let symbol = raw.symbol(name).unwrap_or_else(|| panic!("{name} is exported"));
    // SAFETY: all arguments are integers or pointers; no function has more than ten; in the C calling conventions of Linux
    // the caller cleans up, so that arguments beyond those that a function has do nothing.
    unsafe { std::mem::transmute::<*const c_void, Widest>(symbol)(0, 0, 0, 0, 0, 0, 0, 0, 0, 0) }
}
