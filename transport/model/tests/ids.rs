//! No interleaving of loading, evicting, deleting, losing and using keys lets a thread use an id that is another key's:
//! `transport/src/partition/live.rs` itself, over `loom`, around a device that gives every id away again at once.
//!
//! Each property comes with a variant that is broken on purpose, in which the checker has to find the fault.

#[path = "../../src/partition/live.rs"]
#[allow(dead_code, reason = "the connection uses all of it")]
mod live;
mod sync;

mod hsm_key {
    pub(super) type Fingerprint = [u8; 32];
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use live::{Evicted, Found, LiveKey, LiveKeys, Pin};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

type Name = hsm_key::Fingerprint;

const A: Name = [b'A'; 32];
const B: Name = [b'B'; 32];

/// A chip with room for few keys; the lowest free id is the next one (semantics 5.7).
struct Chip(Mutex<Vec<Option<Name>>>);

impl Chip {
    fn new(room: usize) -> Self {
        Self(Mutex::new(vec![None; room]))
    }

    fn unmask(&self, name: Name) -> Option<u16> {
        let mut keys = self.0.lock().unwrap();
        let free = keys.iter().position(Option::is_none)?;
        keys[free] = Some(name);
        u16::try_from(free).ok()
    }

    fn delete(&self, id: u16) {
        let gone = self.0.lock().unwrap()[usize::from(id)].take();
        assert!(gone.is_some(), "a key is deleted once");
    }

    /// Signs with the key that has this id, and says which it was.
    fn sign(&self, id: u16) -> Option<Name> {
        self.0.lock().unwrap()[usize::from(id)]
    }
}

/// As much of `connection.rs` as uses the cache.
struct Connection {
    keys: LiveKeys,
    chip: Chip,
}

impl Connection {
    fn new(room: usize) -> Arc<Self> {
        Arc::new(Self { keys: LiveKeys::default(), chip: Chip::new(room) })
    }

    /// `Connection::live_key` and `Connection::making_room`; `None` where every place is in use.
    fn live_key(&self, name: Name) -> Option<Pin> {
        let load = match self.keys.pin(&name) {
            Found::Live(pin) => return Some(pin),
            Found::Missing(load) => load,
        };
        for _ in 0..3 {
            if let Some(id) = self.chip.unmask(name) {
                return Some(load.done(LiveKey { id, bulk: None, of_session: false, epoch: 1 }));
            }
            match self.keys.evict(false) {
                Evicted::Key(key) => self.chip.delete(key.id),
                Evicted::AllInUse => {}
                Evicted::Nothing => return None,
            }
        }
        None
    }

    /// `Connection::with_key`.
    fn sign(&self, name: Name) {
        if let Some(pin) = self.live_key(name) {
            assert_eq!(self.chip.sign(pin.id), Some(name), "signed with another key");
        }
    }

    /// What a cache without pins would do.
    fn sign_unpinned(&self, name: Name) {
        if let Some(pin) = self.live_key(name) {
            let id = pin.id;
            drop(pin);
            assert_eq!(self.chip.sign(id), Some(name), "signed with another key");
        }
    }

    /// `Connection::forget`.
    fn forget(&self, name: Name) {
        self.keys.doom(&name);
        while let Some(key) = self.keys.doomed() {
            self.chip.delete(key.id);
        }
    }
}

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // Five preemptions at any points; hardly a fault is known that takes more than two (Musuvathi and Qadeer 2007).
    model.preemption_bound = Some(5);
    model.check(test);
}

#[track_caller]
fn is_found(broken: impl Fn() + Sync + Send + 'static, fault: &str) {
    let found = catch_unwind(AssertUnwindSafe(|| check(broken))).expect_err("the checker finds it");
    let why = found.downcast_ref::<String>().map(String::as_str).or_else(|| found.downcast_ref().copied());
    assert!(why.is_some_and(|why| why.contains(fault)), "{why:?}");
}

fn two_signers(room: usize, sign: fn(&Connection, Name)) {
    let connection = Connection::new(room);
    let other = Arc::clone(&connection);
    let thread = thread::spawn(move || {
        sign(&other, B);
    });
    sign(&connection, A);
    sign(&connection, B);
    thread.join().unwrap();
}

#[test]
fn threads_that_evict_each_other_s_keys_sign_with_their_own() {
    check(|| two_signers(1, Connection::sign));
}

#[test]
fn a_key_that_is_not_pinned_is_found_to_be_another() {
    is_found(|| two_signers(1, Connection::sign_unpinned), "signed with another key");
}

fn forgotten_meanwhile(sign: fn(&Connection, Name)) {
    let connection = Connection::new(2);
    let (signing, forgetting) = (Arc::clone(&connection), Arc::clone(&connection));
    let threads = [
        thread::spawn(move || sign(&signing, A)),
        thread::spawn(move || {
            forgetting.forget(A);
            sign(&forgetting, B);
        }),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_key_is_deleted_when_its_last_use_has_ended_and_once() {
    check(|| forgotten_meanwhile(Connection::sign));
}

#[test]
fn a_key_that_is_deleted_in_use_is_found_to_be_another() {
    is_found(|| forgotten_meanwhile(Connection::sign_unpinned), "signed with another key");
}

#[test]
fn a_key_that_vanished_is_forgotten_and_its_successor_is_not() {
    check(|| {
        let connection = Connection::new(2);
        let threads = [(); 2].map(|()| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                let Some(pin) = connection.live_key(A) else { return };
                // The chip says that it does not have it, once: then nobody else can be using it either.
                connection.keys.lost(&A, &pin);
                drop(pin);
                connection.sign(A);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Two processes, a reset, and the fast path, which does not look at sessions: the order of `life.rs`.
struct Shared {
    /// Byte per life in the file that the processes share.
    life: AtomicU64,
    /// Which key has the bulk id that both get.
    bulk: Mutex<Option<Name>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    AsItIs,
    MarkedAfterwards,
    LookedAtBefore,
}

fn reset_between(order: Order) {
    let shared = Arc::new(Shared { life: AtomicU64::new(1), bulk: Mutex::new(Some(A)) });
    let other = Arc::clone(&shared);
    let provisioner = thread::spawn(move || {
        // The reset, and then the other process recovers.
        *other.bulk.lock().unwrap() = None;
        if order != Order::MarkedAfterwards {
            other.life.fetch_add(1, Ordering::SeqCst);
        }
        *other.bulk.lock().unwrap() = Some(B);
        if order == Order::MarkedAfterwards {
            other.life.fetch_add(1, Ordering::SeqCst);
        }
    });
    let still = || shared.life.load(Ordering::SeqCst) == 1;
    let before = order != Order::LookedAtBefore || still();
    let used = *shared.bulk.lock().unwrap();
    let handed_over = if order == Order::LookedAtBefore { before } else { still() };
    if handed_over {
        assert!(used.is_none_or(|name| name == A), "encrypted with another key");
    }
    provisioner.join().unwrap();
}

#[test]
fn a_fast_path_answer_of_another_life_is_never_handed_over() {
    check(|| reset_between(Order::AsItIs));
}

#[test]
fn a_life_that_is_marked_too_late_is_found() {
    is_found(|| reset_between(Order::MarkedAfterwards), "encrypted with another key");
}

#[test]
fn a_mark_that_is_looked_at_too_early_is_found() {
    is_found(|| reset_between(Order::LookedAtBefore), "encrypted with another key");
}
