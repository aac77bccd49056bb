//! Keys from keys and data, put together or cut: `CKM_CONCATENATE_*`, `CKM_XOR_BASE_AND_DATA`, `CKM_EXTRACT_KEY_FROM_KEY`.

use crate::table::Row;

/// PKCS#11 v3.2, 6.43.
pub(crate) const ROWS: &[Row] = &[];
