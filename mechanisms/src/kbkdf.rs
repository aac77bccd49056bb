//! SP 800-108 key derivation in counter mode.

use crate::table::Row;

/// PKCS#11 v3.2, 6.42.
pub(crate) const ROWS: &[Row] = &[];
