//! `C_Login`, `C_LoginUser`, `C_Logout`.

use crate::call::SessionHandle;
use crate::library::Library;
use crate::pin_slots::Role;
use crate::slot::Pin;
use crate::token::LoginState;
use crate::{Code, Result};

/// `C_Login`: `user` is a `CKU_` number.
#[expect(clippy::needless_pass_by_value, reason = "the boundary hands over its only copy, which is erased here")]
pub fn login(session: SessionHandle, user: u64, pin: Pin) -> Result<()> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let token = &session.slot.token;
    let log_in = |role| {
        token.log_in(role, &pin)?;
        // Another thread may have closed the last session, and with it ended the login that had not begun yet.
        if session.is_closed() && library.sessions.count(session.slot.id).0 == 0 {
            token.log_out();
            return Err(Code::SessionClosed.because("another thread closed the session"));
        }
        Ok(())
    };
    match user {
        cryptoki_sys::CKU_USER => log_in(Role::User),
        cryptoki_sys::CKU_SO => {
            // The SO works in read/write sessions only (PKCS#11 v3.2, 5.6.8).
            let (all, read_write) = library.sessions.count(session.slot.id);
            if all > read_write && token.login_state() == LoginState::Public {
                return Err(Code::SessionReadOnlyExists.into());
            }
            log_in(Role::SecurityOfficer)
        }
        cryptoki_sys::CKU_CONTEXT_SPECIFIC => {
            if !session.awaits_reauthentication() {
                return Err(Code::OperationNotInitialized.because("no operation waits for a context-specific login"));
            }
            token.reauthenticate(&pin)?;
            session.reauthenticated();
            Ok(())
        }
        other => Err(Code::UserTypeInvalid.because(format_args!("user type {other:#x}"))),
    }
}

/// `C_Logout`.
pub fn logout(session: SessionHandle) -> Result<()> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    if session.slot.token.login_state() == LoginState::Public {
        return Err(Code::UserNotLoggedIn.into());
    }
    session.slot.token.log_out();
    library.sessions.logged_out(session.slot.id);
    Ok(())
}
