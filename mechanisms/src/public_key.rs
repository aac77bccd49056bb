//! `CKM_PUB_KEY_FROM_PRIV_KEY`.

use crate::table::Row;

/// PKCS#11 v3.2, 6.43.
pub(crate) const ROWS: &[Row] = &[];
