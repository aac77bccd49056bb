//! The log: structured, off by default (design 7).

use std::time::Duration;

use crate::Error;

/// One line per call of an entry point: called by the boundary after every function. Expected outcomes log at debug.
pub fn call(_function: &'static str, _error: Option<&Error>, _elapsed: Duration) {}

/// Whether [`call`] would print anything; the boundary takes the time only then.
pub fn enabled() -> bool {
    false
}
