//! What `live` shares state with; `transport/model` puts its own in this place, which tries every interleaving.

pub(super) use std::collections::HashMap as Map;
pub(super) use std::collections::hash_map::Entry;
pub(super) use std::sync::Arc;

pub(super) use parking_lot::{Condvar, Mutex};
