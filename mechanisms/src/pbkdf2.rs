//! PBKDF2 (RFC 8018).

use crate::table::Row;

/// PKCS#11 v3.2, 6.37.
pub(crate) const ROWS: &[Row] = &[];
