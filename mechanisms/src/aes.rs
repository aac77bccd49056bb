//! AES keys.

use std::sync::Arc;

use aws_lc_rs::cipher as engine;
use transport::partition::{FacetKind, HsmKey, Partition};

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::{KeyRequest, NewKey};
use crate::params::Params;
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.10.3.
pub(crate) const ROWS: &[Row] =
    &[Row { section: "6.10.3", hardware: true, generate: Some(generate), ..cipher(MechanismType::AES_KEY_GEN) }];

/// What all rows over AES keys share.
pub(crate) const fn cipher(kind: MechanismType) -> Row {
    Row { keys: &[KeyType::AES], min_size: 16, max_size: 32, ..Row::none(kind) }
}

/// Length of a block in bytes.
pub(crate) const BLOCK: usize = 16;

/// A key for AWS-LC's block modes.
pub(crate) fn engine_key(bytes: &[u8]) -> Result<engine::UnboundCipherKey> {
    let algorithm = match bytes.len() {
        16 => &engine::AES_128,
        24 => &engine::AES_192,
        32 => &engine::AES_256,
        len => return Err(Code::KeySizeRange.because(format_args!("an AES key of {len} bytes"))),
    };
    engine::UnboundCipherKey::new(algorithm, bytes).map_err(|_| Code::KeySizeRange.into())
}

/// `CKR_KEY_FUNCTION_NOT_PERMITTED` unless this HSM key has the facet that every mode but GCM and XTS is made of.
pub(crate) fn needs_cbc(key: &HsmKey) -> Result<()> {
    if key.can(FacetKind::AesCbc) {
        return Ok(());
    }
    Err(Code::KeyFunctionNotPermitted.because("this HSM key was made without CBC"))
}

fn generate(_params: &Params, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    match request.key_type {
        None | Some(KeyType::AES) => secret::generate(KeyType::AES, request, partition),
        Some(other) => Err(Code::TemplateInconsistent.because(format_args!("{other:?} is not CKK_AES"))),
    }
}
