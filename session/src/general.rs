//! `C_Initialize`, `C_Finalize`, `C_GetInfo`.

use crate::call::SessionHandle;
use crate::config::{self, Config};
use crate::library::Library;
use crate::log::{self, Level};
use crate::{Code, Result, sessions};

/// `CK_C_INITIALIZE_ARGS`, parsed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments {
    /// `CKF_OS_LOCKING_OK`.
    pub os_locking: bool,
    /// `CKF_LIBRARY_CANT_CREATE_OS_THREADS`.
    pub no_threads: bool,
    /// How many of the four mutex callbacks are given: 0, or 4, anything else is `CKR_ARGUMENTS_BAD`.
    pub callbacks: usize,
    /// Whether `pReserved` is null.
    pub reserved_null: bool,
}

/// Strings of `CK_INFO`.
#[derive(Clone, Debug)]
pub struct Info {
    /// `manufacturerID`, at most 32 bytes.
    pub manufacturer: &'static str,
    /// `libraryDescription`, at most 32 bytes.
    pub description: &'static str,
    /// `libraryVersion`, major and minor.
    pub version: (u8, u8),
}

/// `C_Initialize` (PKCS#11 v3.2, 5.4.1).
///
/// The library locks with what the operating system gives it, and makes no thread: `CKF_LIBRARY_CANT_CREATE_OS_THREADS`
/// costs it nothing. Callbacks for locking are not used, so an application that insists on them (gives them without
/// `CKF_OS_LOCKING_OK`) is told so: `CKR_CANT_LOCK`.
pub fn initialize(arguments: Option<Arguments>) -> Result<()> {
    let arguments = arguments.unwrap_or(Arguments { reserved_null: true, ..Arguments::default() });
    if !arguments.reserved_null {
        return Err(Code::ArgumentsBad.because("pReserved is not null"));
    }
    match arguments.callbacks {
        0 => {}
        4 if arguments.os_locking => {}
        4 => return Err(Code::CantLock.because("locking callbacks without CKF_OS_LOCKING_OK")),
        some => return Err(Code::ArgumentsBad.because(format_args!("{some} of 4 locking callbacks"))),
    }
    Library::install(|| {
        let config = Config::load().map_err(|flaw| {
            // What the file says of the log is not known. The boundary logs the error that goes back.
            let (level, target) = config::log_from_environment().unwrap_or_default();
            log::configure(level, &target);
            Code::GeneralError.because(format_args!("configuration: {flaw}"))
        })?;
        log::configure(config.log_level, &config.log_target);
        let library = Library::new(config);
        let (count, state) = (library.slots.len(), library.config.state.display());
        log::event(Level::Info, format_args!("version {VERSION}, {count} slots, state in {state}"));
        Ok(library)
    })
}

/// `C_Finalize`. Calls that other threads are in the middle of end as they would have (the standard leaves it undefined).
pub fn finalize() -> Result<()> {
    let library = Library::uninstall()?;
    library.ending.end();
    library.sessions.close_all(None);
    for slot in &library.slots {
        slot.token.log_out();
    }
    Ok(())
}

/// `C_GetInfo`.
pub fn info() -> Result<Info> {
    Library::current()?;
    let number = |text: &str| text.parse().unwrap_or(0);
    let version = (number(env!("CARGO_PKG_VERSION_MAJOR")), number(env!("CARGO_PKG_VERSION_MINOR")));
    Ok(Info { manufacturer: "azihsm-pkcs11", description: "Azure Integrated HSM PKCS#11", version })
}

/// Answers `CKR_CRYPTOKI_NOT_INITIALIZED` before `C_Initialize`, and `CKR_FUNCTION_NOT_SUPPORTED` after: what a function
/// that this library does not have says.
pub fn not_supported() -> Result<()> {
    Library::current()?;
    Err(Code::FunctionNotSupported.into())
}

/// A panic was caught at the boundary: closes the session, if the call had one, so that no half-done operation lives on.
pub fn poisoned(session: Option<SessionHandle>) {
    log::event(Level::Error, format_args!("a panic was caught; its session is closed"));
    if let Some(session) = session {
        // The handle may have been no session's; then there is nothing to close.
        let _ = sessions::close(session);
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked_before_anything_is_done() {
        let good = Arguments { reserved_null: true, ..Arguments::default() };
        let refused = |arguments| initialize(Some(arguments)).unwrap_err();
        assert_eq!(refused(Arguments { reserved_null: false, ..good }), Code::ArgumentsBad);
        for callbacks in 1..4 {
            assert_eq!(refused(Arguments { callbacks, ..good }), Code::ArgumentsBad);
            assert_eq!(refused(Arguments { callbacks, os_locking: true, ..good }), Code::ArgumentsBad);
        }
        assert_eq!(refused(Arguments { callbacks: 4, ..good }), Code::CantLock);
    }
}
