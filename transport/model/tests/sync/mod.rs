//! `parking_lot`'s locks and `std`'s `Arc` as `live.rs` uses them, made of `loom`'s.

pub(super) use std::collections::BTreeMap as Map;
pub(super) use std::collections::btree_map::Entry;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use loom::sync as checked;

#[derive(Debug, Default)]
pub(super) struct Mutex<T>(checked::Mutex<T>);

/// A lock that is held; it is not while [`Condvar::wait`] has the inner one.
pub(super) struct Guard<'a, T> {
    of: &'a Mutex<T>,
    inner: Option<checked::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(super) fn lock(&self) -> Guard<'_, T> {
        Guard { of: self, inner: Some(self.0.lock().unwrap()) }
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap()
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().unwrap()
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().unwrap()
    }
}

#[derive(Debug, Default)]
pub(super) struct Condvar(checked::Condvar);

impl Condvar {
    pub(super) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        guard.inner = guard.inner.take().map(|inner| self.0.wait(inner).unwrap());
    }

    /// Time passes: everybody else may run, and then it is over.
    #[allow(clippy::unused_self, reason = "nobody signals: it is the time that ends")]
    pub(super) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, _: Duration) {
        drop(guard.inner.take());
        loom::thread::yield_now();
        guard.inner = Some(guard.of.0.lock().unwrap());
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[derive(Debug)]
pub(super) struct Arc<T>(checked::Arc<T>);

impl<T> Arc<T> {
    pub(super) fn new(value: T) -> Self {
        Self(checked::Arc::new(value))
    }

    pub(super) fn get_mut(this: &mut Self) -> Option<&mut T> {
        checked::Arc::get_mut(&mut this.0)
    }

    pub(super) fn into_inner(this: Self) -> Option<T> {
        checked::Arc::try_unwrap(this.0).ok()
    }

    pub(super) fn ptr_eq(this: &Self, other: &Self) -> bool {
        checked::Arc::ptr_eq(&this.0, &other.0)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(checked::Arc::clone(&self.0))
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
