//! Tests that load the library in process, each in a process of its own.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::{Module, SO_PIN, Sandbox, TOKEN_LABEL, USER_PIN, run};

/// The library loaded and initialised in this process, and its one slot with an initialised token.
#[derive(Debug)]
pub struct Token {
    /// The library.
    pub library: Pkcs11,
    /// The slot of the token [`TOKEN_LABEL`].
    pub slot: Slot,
    /// The path of the module and whose it is.
    pub module: Module,
}

impl Token {
    /// Loads the module in this process, whose environment already names its state.
    ///
    /// # Panics
    /// Where the module cannot be loaded or initialised.
    pub fn load() -> (Module, Pkcs11) {
        let module = Module::under_test();
        let library = Pkcs11::new(module.path()).expect("the module loads");
        library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).expect("the module initialises");
        (module, library)
    }

    /// Loads the module and finds the token that is already there.
    ///
    /// # Panics
    /// Where there is no initialised token.
    pub fn open() -> Self {
        let (module, library) = Self::load();
        let slot = *library.get_slots_with_initialized_token().expect("slots").first().expect("an initialised token");
        Self { library, slot, module }
    }

    fn make() -> Self {
        let (module, library) = Self::load();
        let slot = *library.get_slots_with_token().expect("slots").first().expect("a slot with a token");
        library.init_token(slot, &so_pin(), TOKEN_LABEL).expect("the token initialises");
        // SoftHSM2 moves the token to another slot here.
        let slot = *library.get_slots_with_initialized_token().expect("slots").first().expect("the new token");
        let session = library.open_rw_session(slot).expect("a session");
        session.login(UserType::So, Some(&so_pin())).expect("the SO logs in");
        session.init_pin(&user_pin()).expect("the user's PIN is set");
        drop(session);
        Self { library, slot, module }
    }

    /// A read-write session with the user logged in.
    ///
    /// # Panics
    /// Where that fails.
    pub fn user(&self) -> Session {
        let session = self.library.open_rw_session(self.slot).expect("a session");
        session.login(UserType::User, Some(&user_pin())).expect("the user logs in");
        session
    }
}

/// Runs `body` with a new token, in a process of its own: a library's state is one per process, and is chosen by the
/// environment that the process starts with. `test` is the name of the calling test.
///
/// # Panics
/// Where the body panics in that process; the message holds its output.
#[track_caller]
pub fn isolated(test: &str, body: impl FnOnce(&Token)) {
    isolated_under(test, &[], &[], body);
}

/// The same with `variables` in the environment of that process, which then `says` each of these texts (its log, say).
///
/// # Panics
/// Where the body panics in that process, or a text is not there; the message holds its output.
#[track_caller]
pub fn isolated_under(test: &str, variables: &[(&str, &str)], says: &[&str], body: impl FnOnce(&Token)) {
    if std::env::var_os(INSIDE).is_some() {
        return body(&Token::make());
    }
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(std::env::current_exe().expect("this test"));
    command.env(INSIDE, "1").envs(variables.iter().copied());
    let ran = run(command.args(["--exact", test, "--nocapture", "--test-threads=1"])).ok().says("1 passed");
    says.iter().fold(ran, |ran, text| ran.says(text));
}

/// The security officer's PIN in cryptoki's type.
pub(crate) fn so_pin() -> AuthPin {
    AuthPin::new(SO_PIN.into())
}

/// The user's PIN in cryptoki's type.
pub(crate) fn user_pin() -> AuthPin {
    AuthPin::new(USER_PIN.into())
}

const INSIDE: &str = "AZIHSM_CONFORMANCE_INSIDE";
