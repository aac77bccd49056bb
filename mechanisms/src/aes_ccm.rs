//! AES-CCM (NIST SP 800-38C).

use crate::table::Row;

/// PKCS#11 v3.2, 6.13.
pub(crate) const ROWS: &[Row] = &[];
