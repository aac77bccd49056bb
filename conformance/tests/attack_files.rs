//! State that a process may use only in part.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use conformance::Sandbox;

/// `C_GetTokenInfo` answered `CKR_TOKEN_WRITE_PROTECTED`, which the standard does not list for it.
#[test]
fn a_token_whose_pin_counter_is_closed_is_a_device_error() {
    let sandbox = Sandbox::unprivileged();
    sandbox.init_token();
    let counter = sandbox.token_folder().join("attempts");
    set_permissions(&counter, Permissions::from_mode(0o0)).expect("the file is there");
    sandbox.tool(&["--list-slots"]).says("CKR_DEVICE_ERROR");
    set_permissions(&counter, Permissions::from_mode(0o600)).expect("the file is there");
    sandbox.tool(&["--list-slots"]).ok().says("conformance");
}
