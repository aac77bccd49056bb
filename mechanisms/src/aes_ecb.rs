//! AES-ECB (NIST SP 800-38A).

use crate::table::Row;

/// PKCS#11 v3.2, 6.10.4.
pub(crate) const ROWS: &[Row] = &[];
