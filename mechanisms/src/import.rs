//! `C_CreateObject` of secret and private keys, and the last step of `C_UnwrapKey`.

use std::sync::Arc;

use transport::partition::Partition;

use crate::error::Result;
use crate::key::{KeyRequest, NewKey, Value};
use crate::{ec, rsa, secret};

/// Takes a key value from outside to where the template and the policy say: into the HSM, once per facet, or to memory
/// for the session to seal. `partition` may be `None` before login, for session objects that are not sensitive only
/// (else `CKR_USER_NOT_LOGGED_IN`).
pub fn import(value: Value, request: &KeyRequest, partition: Option<&Arc<Partition>>) -> Result<NewKey> {
    match value {
        Value::Secret(bytes) => secret::import(bytes, request, partition),
        Value::Rsa(der) => rsa::keys::import(der, request, partition),
        Value::Ec(..) => ec::import(value, request, partition),
    }
}
