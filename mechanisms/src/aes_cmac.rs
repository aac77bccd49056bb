//! AES-CMAC (NIST SP 800-38B).

use crate::table::Row;

/// PKCS#11 v3.2, 6.14.
pub(crate) const ROWS: &[Row] = &[];
