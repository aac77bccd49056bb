//! RSA-AES key wrap: an AES key under OAEP, then the payload under that key (RFC 5649).

use crate::table::Row;

/// PKCS#11 v3.2, 6.1.
pub(crate) const ROWS: &[Row] = &[];
