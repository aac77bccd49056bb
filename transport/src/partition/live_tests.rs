//! `live`, by hand; `transport/model` is the exhaustive one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::hsm_key::Fingerprint;
use super::live::{Evicted, Found, LiveKey, LiveKeys, Pin};

fn name(n: u8) -> Fingerprint {
    [n; 32]
}

fn live(id: u16) -> LiveKey {
    LiveKey { id, bulk: None, of_session: false, epoch: 1 }
}

fn evicted(keys: &LiveKeys, bulk: bool) -> Option<u16> {
    match keys.evict(bulk) {
        Evicted::Key(key) => Some(key.id),
        Evicted::AllInUse | Evicted::Nothing => None,
    }
}

fn pinned(keys: &LiveKeys, n: u8) -> Pin {
    match keys.pin(&name(n)) {
        Found::Live(pin) => pin,
        Found::Missing(_) => panic!("key {n} is missing"),
    }
}

#[test]
fn the_least_recently_used_key_leaves_first() {
    let keys = LiveKeys::default();
    for n in 1..=3 {
        keys.insert(name(n), live(u16::from(n)));
    }
    drop(pinned(&keys, 1));
    assert_eq!(evicted(&keys, false), Some(2));
    assert_eq!(evicted(&keys, false), Some(3));
    assert_eq!(evicted(&keys, false), Some(1));
    assert!(matches!(keys.evict(false), Evicted::Nothing));
}

#[test]
fn a_pinned_key_is_never_evicted() {
    let keys = LiveKeys::default();
    let pin = keys.insert(name(1), live(1));
    keys.insert(name(2), live(2));
    assert_eq!(evicted(&keys, false), Some(2));
    assert!(matches!(keys.evict(false), Evicted::AllInUse));
    drop(pin);
    assert_eq!(evicted(&keys, false), Some(1));
}

#[test]
fn only_a_bulk_key_makes_room_for_a_bulk_key() {
    let keys = LiveKeys::default();
    keys.insert(name(1), live(1));
    assert!(matches!(keys.evict(true), Evicted::Nothing));
    keys.insert(name(2), LiveKey { bulk: Some(9), ..live(2) });
    assert_eq!(evicted(&keys, true), Some(2));
}

#[test]
fn a_doomed_key_waits_for_its_last_use() {
    let keys = LiveKeys::default();
    let pin = keys.insert(name(1), live(1));
    keys.doom(&name(1));
    assert!(keys.doomed().is_none());
    assert!(matches!(keys.pin(&name(1)), Found::Missing(_)), "nobody finds a doomed key");
    drop(pin);
    assert_eq!(keys.doomed(), Some(live(1)));
}

#[test]
fn a_lost_key_goes_only_if_it_is_still_the_same() {
    let keys = LiveKeys::default();
    let old = keys.insert(name(1), live(1));
    keys.insert(name(1), live(2));
    keys.lost(&name(1), &old);
    assert_eq!(pinned(&keys, 1).id, 2);
    let new = pinned(&keys, 1);
    keys.lost(&name(1), &new);
    assert!(matches!(keys.pin(&name(1)), Found::Missing(_)));
}

#[test]
fn one_thread_loads_and_the_others_wait() {
    let keys = LiveKeys::default();
    let loads = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| match keys.pin(&name(1)) {
                Found::Live(pin) => assert_eq!(pin.id, 7),
                Found::Missing(load) => {
                    loads.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(20));
                    load.done(live(7));
                }
            });
        }
    });
    assert_eq!(loads.into_inner(), 1);
}

#[test]
fn a_failed_load_lets_the_next_one_try() {
    let keys = LiveKeys::default();
    match keys.pin(&name(1)) {
        Found::Missing(load) => drop(load),
        Found::Live(_) => panic!("nothing is live"),
    }
    assert!(matches!(keys.pin(&name(1)), Found::Missing(_)));
}

#[test]
fn draining_hands_out_everything() {
    let mut keys = LiveKeys::default();
    keys.insert(name(1), live(1));
    keys.insert(name(2), live(2));
    keys.doom(&name(2));
    let mut ids: Vec<_> = keys.drain().into_iter().map(|key| key.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
}
