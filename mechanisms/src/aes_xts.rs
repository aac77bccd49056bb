//! AES-XTS (IEEE 1619, NIST SP 800-38E), its keys included.

use crate::table::Row;

/// PKCS#11 v3.2, 6.15.
pub(crate) const ROWS: &[Row] = &[];
