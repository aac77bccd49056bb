//! AES key wrap (RFC 3394, RFC 5649).

use crate::table::Row;

/// PKCS#11 v3.2, 6.16.
pub(crate) const ROWS: &[Row] = &[];
