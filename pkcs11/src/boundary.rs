//! What every entry point has in common, written once: export, panic guard, log line, `CK_RV`.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cryptoki_sys::{CK_RV, CK_SESSION_HANDLE, CKR_OK};
use session::call::SessionHandle;
use session::{Code, Error, Result};

/// Declares exported functions, each once:
///
/// ```text
/// entry_points! {
///     /// `C_Sign` (PKCS#11 v3.2, 5.13.2).
///     Session(hSession) => fn C_Sign(hSession: CK_SESSION_HANDLE, pData: CK_BYTE_PTR, ..) { body }
///     Session(hSession) => fn C_GetOperationState(..);
/// }
/// ```
///
/// The word before `=>` is the [`Scope`]. The body is a block that ends in `session::Result<()>`. A function without a body
/// is one that this library does not have: `CKR_CRYPTOKI_NOT_INITIALIZED`, after initialization
/// `CKR_FUNCTION_NOT_SUPPORTED`.
macro_rules! entry_points {
    ($($(#[$meta:meta])* $scope:ident $(($handle:ident))? => fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $body:tt)*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// Every pointer is null, or valid as the standard says for this function, for the length that goes with it; memory
        /// that the function writes is used by nobody else meanwhile. Alignment is not needed. Input and output may be the
        /// same memory.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($arg: $kind),*) -> cryptoki_sys::CK_RV {
            $crate::boundary::guard(
                stringify!($name),
                $crate::boundary::Scope::$scope $(($handle))?,
                || $crate::boundary::entry_points!(@body $body $($arg)*),
            )
        }
    )*};
    (@body ; $($arg:ident)*) => {{
        $(let _ = $arg;)*
        session::general::not_supported()
    }};
    (@body $body:block $($arg:ident)*) => { $body };
}
pub(crate) use entry_points;

/// What must be there for a function to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Nothing: the functions that may come before `C_Initialize`.
    Anytime,
    /// The initialised library.
    Library,
    /// A session, which a panic costs.
    Session(CK_SESSION_HANDLE),
}

/// Runs the body of an entry point. A panic becomes `CKR_GENERAL_ERROR` and costs the session, never the host program.
pub(crate) fn guard(name: &'static str, scope: Scope, body: impl FnOnce() -> Result<()>) -> CK_RV {
    let started = session::log::enabled().then(Instant::now);
    // Nothing of the body is seen after a panic: its session is closed, and locks of the session do not poison.
    let result = panic::catch_unwind(AssertUnwindSafe(|| body().map_err(|error| uninitialised_first(scope, error))))
        .unwrap_or_else(|payload| {
            // A payload whose destructor panics would take the host program with it.
            std::mem::forget(payload);
            Err(after_panic(scope))
        });
    let error = result.err();
    let rv = error.as_ref().map_or(CKR_OK, |error| error.code().rv());
    // The log is outside the first guard, so that it can tell of a panic; it has its own.
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        session::log::call(name, error.as_ref(), started.map_or(Duration::ZERO, |started| started.elapsed()));
    }))
    .map_err(std::mem::forget);
    rv
}

/// Keeps the panic message off the host program's stderr; the log line of the call tells where it was instead. The
/// hook belongs to this library's own copy of the Rust runtime.
pub(crate) fn quiet_panics() {
    // Not a `Once`: a child that was forked while another thread is in here would wait for that thread for ever.
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    panic::set_hook(Box::new(|info| {
        // The place only: a message could carry values.
        if let (Some(place), Ok(mut last)) = (info.location(), LAST_PANIC.try_lock()) {
            *last = Some(place.to_string());
        }
    }));
}

/// "Cryptoki is not initialised" comes before whatever else is wrong with the arguments.
fn uninitialised_first(scope: Scope, error: Error) -> Error {
    if scope == Scope::Anytime || error != Code::ArgumentsBad {
        return error;
    }
    match session::general::not_supported() {
        Err(state) if state == Code::CryptokiNotInitialized => state,
        _ => error,
    }
}

fn after_panic(scope: Scope) -> Error {
    let session = if let Scope::Session(handle) = scope { Some(SessionHandle(handle)) } else { None };
    let closed = panic::catch_unwind(|| session::general::poisoned(session)).map_err(std::mem::forget).is_ok();
    let place = LAST_PANIC.try_lock().ok().and_then(|mut last| last.take()).unwrap_or_default();
    let fate = if closed { "" } else { ", and the session could not be closed" };
    Code::GeneralError.because(format_args!("panic at {place}{fate}"))
}

static INSTALLED: AtomicBool = AtomicBool::new(false);
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki_sys::{CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_GENERAL_ERROR};

    #[test]
    fn results_become_return_values() {
        assert_eq!(guard("C_Test", Scope::Anytime, || Ok(())), CKR_OK);
        assert_eq!(guard("C_Test", Scope::Anytime, || Err(Code::BufferTooSmall.into())), CKR_BUFFER_TOO_SMALL);
        assert_eq!(guard("C_Test", Scope::Anytime, || Err(session::call::null())), CKR_ARGUMENTS_BAD);
    }

    #[test]
    fn a_panic_does_not_cross() {
        assert_eq!(guard("C_Test", Scope::Anytime, || panic!("on purpose")), CKR_GENERAL_ERROR);
    }

    #[test]
    fn a_panic_payload_that_panics_when_dropped_does_not_cross() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("second, on purpose");
            }
        }
        assert_eq!(guard("C_Test", Scope::Anytime, || panic::panic_any(Bomb)), CKR_GENERAL_ERROR);
    }
}
