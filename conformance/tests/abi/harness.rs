//! A process per test, and assertions on return values.

use std::path::PathBuf;
use std::process::Command;

use conformance::raw::{Raw, token};
use conformance::{Module, Ran, Sandbox, run};
use cryptoki_sys::*;

/// Declares tests whose body runs in a process of its own, with the module loaded and not initialised.
macro_rules! alone {
    ($($(#[$meta:meta])* $name:ident($raw:ident) $body:block)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            $crate::harness::in_a_process(concat!(module_path!(), "::", stringify!($name)), |$raw| $body);
        }
    )*};
}
pub(crate) use alone;

/// Calls a function and asks for one return value, which the standard lists for the function.
macro_rules! answers {
    ($wanted:ident, $raw:expr, $name:ident $(, $argument:expr)* $(,)?) => {{
        let rv = conformance::call!($raw, $name $(, $argument)*);
        $crate::harness::check(stringify!($name), rv, $wanted, stringify!($wanted));
    }};
}
pub(crate) use answers;

/// The same for the functions that versions 3.0 and 3.2 added.
macro_rules! answers_3_2 {
    ($wanted:ident, $raw:expr, $name:ident $(, $argument:expr)* $(,)?) => {{
        let rv = conformance::call_3_2!($raw, $name $(, $argument)*);
        $crate::harness::check(stringify!($name), rv, $wanted, stringify!($wanted));
    }};
}
pub(crate) use answers_3_2;

/// The return value is the wanted one, and the standard lists it for the function.
#[track_caller]
pub(crate) fn check(function: &str, rv: CK_RV, wanted: CK_RV, name: &str) {
    assert_eq!(rv, wanted, "{function} should have answered {name} ({wanted:#x}), not {rv:#x}");
    assert!(crate::listed::is_listed(function, rv), "the standard does not list {name} for {function}");
}

/// Runs `body` in a process of its own that has the module loaded.
pub(crate) fn in_a_process(test: &str, body: impl FnOnce(&Raw)) {
    if inside() {
        return body(&Raw::load(Module::under_test().path()));
    }
    again(&Sandbox::new(), test).ok().says("1 passed");
}

/// Runs the test again in a process of its own, which is [`inside`].
pub(crate) fn again(sandbox: &Sandbox, test: &str) -> Ran {
    run(&mut again_command(sandbox, test))
}

/// The command of [`again`].
pub(crate) fn again_command(sandbox: &Sandbox, test: &str) -> Command {
    // The name of a test has no crate in it.
    let (_, test) = test.split_once("::").expect("a module's path");
    let mut command = sandbox.command(std::env::current_exe().expect("this test"));
    command.env(INSIDE, "1").args(["--exact", test, "--nocapture", "--test-threads=1"]);
    // The module is looked for beside this program.
    command.env("AZIHSM_CONFORMANCE_MODULE", sandbox.module().path());
    command
}

/// Whether this is the process that the test's body is for.
pub(crate) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The state folder of this process.
pub(crate) fn state() -> PathBuf {
    std::env::var_os("AZIHSM_PKCS11_STATE").expect("the sandbox names it").into()
}

/// `C_Initialize` with `CKF_OS_LOCKING_OK`.
pub(crate) fn initialize(raw: &Raw) -> CK_RV {
    let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..CK_C_INITIALIZE_ARGS::default() };
    conformance::call!(raw, C_Initialize, std::ptr::from_mut(&mut arguments).cast())
}

/// An initialised library with a new token and a session in which the user is logged in.
pub(crate) fn user(raw: &Raw) -> CK_SESSION_HANDLE {
    assert_eq!(initialize(raw), CKR_OK);
    let made = || {
        token::make_token(raw)?;
        again_user(raw)
    };
    made().unwrap_or_else(|failure: token::Failure| panic!("{failure}"))
}

/// A session of the token that is there, with the user logged in.
pub(crate) fn again_user(raw: &Raw) -> token::Result<CK_SESSION_HANDLE> {
    let session = token::open(raw, token::token_slot(raw)?)?;
    token::login(raw, session)?;
    Ok(session)
}

/// A session AES-256 key that may do everything here.
pub(crate) fn aes(raw: &Raw, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let template = conformance::raw::Attributes::new()
        .flag(CKA_TOKEN, false)
        .flag(CKA_SENSITIVE, true)
        .number(CKA_VALUE_LEN, 32)
        .flag(CKA_ENCRYPT, true)
        .flag(CKA_DECRYPT, true);
    token::generate(raw, session, CKM_AES_KEY_GEN, template).unwrap_or_else(|failure| panic!("{failure}"))
}

/// A session HMAC key of 32 bytes that lives in the HSM; or, where it is extractable, outside.
pub(crate) fn mac_key(raw: &Raw, session: CK_SESSION_HANDLE, extractable: bool) -> CK_OBJECT_HANDLE {
    let template = conformance::raw::Attributes::new()
        .flag(CKA_TOKEN, false)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, extractable)
        .number(CKA_VALUE_LEN, 32)
        .flag(CKA_SIGN, true)
        .flag(CKA_VERIFY, true);
    token::generate(raw, session, CKM_GENERIC_SECRET_KEY_GEN, template).unwrap_or_else(|failure| panic!("{failure}"))
}

/// `C_CreateObject`.
pub(crate) fn create(
    raw: &Raw,
    session: CK_SESSION_HANDLE,
    mut template: conformance::raw::Attributes,
) -> CK_OBJECT_HANDLE {
    let (mut list, mut object) = (template.list(), 0);
    answers!(CKR_OK, raw, C_CreateObject, session, list.as_mut_ptr(), conformance::raw::length(&list), &raw mut object);
    object
}

const INSIDE: &str = "AZIHSM_ABI_INSIDE";
