//! AES-CTR (NIST SP 800-38A).

use crate::table::Row;

/// PKCS#11 v3.2, 6.11.
pub(crate) const ROWS: &[Row] = &[];
