//! Keys from encrypted data: `CKM_AES_ECB_ENCRYPT_DATA`, `CKM_AES_CBC_ENCRYPT_DATA`.

use crate::table::Row;

/// PKCS#11 v3.2, 6.17.
pub(crate) const ROWS: &[Row] = &[];
