//! The cache of live device keys. A device key slot is a place in a cache over masked blobs, never storage: tables are
//! small (semantics 5.2).
//!
//! A device reuses a key id at once after deletion, so an id may be used only while nobody can delete it. Whoever uses a
//! key holds a [`Pin`]; only a key that nobody has pinned can leave the cache, and it leaves before it is deleted. So
//! no thread can sign with an id that has become another key.
//!
//! `transport/model` tries this file on every interleaving of a few threads, with its own [`super::sync`].

use std::mem;
use std::ops::Deref;
use std::time::Duration;

use super::hsm_key::Fingerprint;
use super::sync::{Arc, Condvar, Entry, Map, Mutex};

/// A key that is in the device now. Its ids mean something only in the connection, that is the epoch, that made it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LiveKey {
    /// The ordinary key id.
    pub(super) id: u16,
    /// The fast path's name of an AES bulk key; equal to `id` on the simulator only (semantics 6.3).
    pub(super) bulk: Option<u16>,
    /// A Session key, which ends with the session; else an App key, which only `DeleteKey` or a reset ends.
    pub(super) of_session: bool,
    /// The connection's epoch.
    pub(super) epoch: u64,
}

/// A live key that stays in the device while this is held.
#[derive(Clone, Debug)]
pub(super) struct Pin(Arc<LiveKey>);

impl Deref for Pin {
    type Target = LiveKey;

    fn deref(&self) -> &LiveKey {
        &self.0
    }
}

/// The live keys of one connection. `Send + Sync`; its lock is never held across a device call.
#[derive(Debug, Default)]
pub(super) struct LiveKeys {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    slots: Map<Fingerprint, Slot>,
    /// Keys to be deleted as soon as nobody uses them.
    doomed: Vec<Arc<LiveKey>>,
    clock: u64,
}

#[derive(Debug)]
enum Slot {
    /// One thread brings the key into the device; the others wait for it.
    Loading,
    Ready {
        key: Arc<LiveKey>,
        used: u64,
    },
}

/// What [`LiveKeys::pin`] found.
pub(super) enum Found<'a> {
    /// The key is in the device.
    Live(Pin),
    /// It is not: the caller is the one who brings it there.
    Missing(Load<'a>),
}

/// The right and the duty to bring one key into the device. Dropped without [`Load::done`], the next one may try.
pub(super) struct Load<'a> {
    keys: &'a LiveKeys,
    name: Fingerprint,
}

/// What [`LiveKeys::evict`] could do about a full table.
pub(super) enum Evicted {
    /// Delete this key in the device; nobody can reach it any more.
    Key(LiveKey),
    /// Every key is in use just now.
    AllInUse,
    /// The cache holds nothing that would help.
    Nothing,
}

impl LiveKeys {
    /// Pins the key, waiting while another thread loads it.
    pub(super) fn pin(&self, name: &Fingerprint) -> Found<'_> {
        let mut table = self.table.lock();
        loop {
            table.clock += 1;
            let now = table.clock;
            match table.slots.get_mut(name) {
                Some(Slot::Ready { key, used }) => {
                    *used = now;
                    return Found::Live(Pin(Arc::clone(key)));
                }
                Some(Slot::Loading) => self.changed.wait(&mut table),
                None => {
                    table.slots.insert(*name, Slot::Loading);
                    return Found::Missing(Load { keys: self, name: *name });
                }
            }
        }
    }

    /// Takes over a key that was just made. A key of the same name, were there one, is deleted later.
    pub(super) fn insert(&self, name: Fingerprint, key: LiveKey) -> Pin {
        let key = Arc::new(key);
        let mut table = self.table.lock();
        table.clock += 1;
        let slot = Slot::Ready { key: Arc::clone(&key), used: table.clock };
        if let Some(Slot::Ready { key: old, .. }) = table.slots.insert(name, slot) {
            table.doomed.push(old);
        }
        self.changed.notify_all();
        Pin(key)
    }

    /// Forgets a key that the device says it does not have.
    pub(super) fn lost(&self, name: &Fingerprint, pin: &Pin) {
        let mut table = self.table.lock();
        if let Entry::Occupied(slot) = table.slots.entry(*name)
            && matches!(slot.get(), Slot::Ready { key, .. } if Arc::ptr_eq(key, &pin.0))
        {
            slot.remove();
        }
    }

    /// Gives up a key because its object is gone; [`LiveKeys::evict`] hands it out when nobody uses it.
    pub(super) fn doom(&self, name: &Fingerprint) {
        let mut table = self.table.lock();
        if let Entry::Occupied(slot) = table.slots.entry(*name)
            && matches!(slot.get(), Slot::Ready { .. })
            && let Slot::Ready { key, .. } = slot.remove()
        {
            table.doomed.push(key);
        }
    }

    /// A doomed key that nobody uses.
    pub(super) fn doomed(&self) -> Option<LiveKey> {
        let mut table = self.table.lock();
        table.take_doomed(false)
    }

    /// Takes the least recently used key that nobody uses out of the cache; `bulk`: an AES bulk key, because those have
    /// their own seven places per table. Waits a moment where all are in use.
    pub(super) fn evict(&self, bulk: bool) -> Evicted {
        let mut table = self.table.lock();
        match table.evict(bulk) {
            Evicted::AllInUse => {
                // Nobody signals the end of a use: that would cost every use a lock.
                self.changed.wait_for(&mut table, BUSY_WAIT);
                table.evict(bulk)
            }
            other => other,
        }
    }

    /// Takes every key out, for the end of the connection, when nobody can be using one.
    pub(super) fn drain(&mut self) -> Vec<LiveKey> {
        let table = self.table.get_mut();
        let ready = mem::take(&mut table.slots).into_values().filter_map(|slot| match slot {
            Slot::Ready { key, .. } => Some(key),
            Slot::Loading => None,
        });
        ready.chain(table.doomed.drain(..)).filter_map(Arc::into_inner).collect()
    }
}

impl Table {
    fn take_doomed(&mut self, bulk: bool) -> Option<LiveKey> {
        let free = |key: &mut Arc<LiveKey>| (!bulk || key.bulk.is_some()) && Arc::get_mut(key).is_some();
        let at = self.doomed.iter_mut().position(free)?;
        Arc::into_inner(self.doomed.swap_remove(at))
    }

    fn evict(&mut self, bulk: bool) -> Evicted {
        if let Some(key) = self.take_doomed(bulk) {
            return Evicted::Key(key);
        }
        let mut in_use = self.doomed.iter().any(|key| !bulk || key.bulk.is_some());
        let mut loading = 0;
        let mut oldest: Option<(u64, Fingerprint)> = None;
        for (name, slot) in &mut self.slots {
            let Slot::Ready { key, used } = slot else {
                loading += 1;
                continue;
            };
            if bulk && key.bulk.is_none() {
                continue;
            }
            // A unique reference under the lock: no pin exists, and none can come to be but through this lock.
            if Arc::get_mut(key).is_none() {
                in_use = true;
            } else if oldest.is_none_or(|(least, _)| *used < least) {
                oldest = Some((*used, *name));
            }
        }
        let taken = oldest.and_then(|(_, name)| self.slots.remove(&name));
        match taken {
            Some(Slot::Ready { key, .. }) => Arc::into_inner(key).map_or(Evicted::AllInUse, Evicted::Key),
            // One that is being loaded may be the caller's own, which is no reason to wait.
            _ if in_use || loading > 1 => Evicted::AllInUse,
            _ => Evicted::Nothing,
        }
    }
}

impl Load<'_> {
    /// The key is in the device.
    pub(super) fn done(self, key: LiveKey) -> Pin {
        self.keys.insert(self.name, key)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        let mut table = self.keys.table.lock();
        if let Entry::Occupied(slot) = table.slots.entry(self.name)
            && matches!(slot.get(), Slot::Loading)
        {
            slot.remove();
        }
        self.keys.changed.notify_all();
    }
}

/// How long an eviction waits for some use to end before it looks again: a few device calls.
const BUSY_WAIT: Duration = Duration::from_millis(2);
