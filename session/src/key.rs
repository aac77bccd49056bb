//! Key management: `C_GenerateKey`, `C_GenerateKeyPair`, `C_DeriveKey`.

use mechanisms::params::Mechanism;

use crate::attribute::Template;
use crate::call::{Argument, ObjectHandle, SessionHandle};
use crate::{Code, Result};

/// `C_GenerateKey`.
pub fn generate(
    _session: SessionHandle,
    _mechanism: Argument<Mechanism>,
    _template: Argument<Template>,
) -> Result<ObjectHandle> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_GenerateKeyPair`: the public and the private key.
pub fn generate_pair(
    _session: SessionHandle,
    _mechanism: Argument<Mechanism>,
    _public: Argument<Template>,
    _private: Argument<Template>,
) -> Result<(ObjectHandle, ObjectHandle)> {
    Err(Code::FunctionNotSupported.into())
}

/// `C_DeriveKey`.
pub fn derive(
    _session: SessionHandle,
    _mechanism: Argument<Mechanism>,
    _base: ObjectHandle,
    _template: Argument<Template>,
) -> Result<ObjectHandle> {
    Err(Code::FunctionNotSupported.into())
}
