//! A crate of its own for `tests/ids.rs`, so that no other build carries the model checker.
