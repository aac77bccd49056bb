//! Buffers for the fast path, which the device writes by itself: aligned, reused, and zero whenever nobody uses them.

use std::fmt;

use parking_lot::Mutex;
use zeroize::Zeroizing;

/// A few buffers, as many as calls ever ran at once up to [`MAX_KEPT`].
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Zeroizing<Vec<u8>>>>);

impl Pool {
    /// A buffer of `len` zero bytes that starts at a page.
    pub(super) fn take(&self, len: usize) -> Scratch {
        let wanted = len.saturating_add(PAGE - 1);
        let kept = self.0.lock().pop().filter(|memory| memory.len() >= wanted);
        let memory = kept.unwrap_or_else(|| Zeroizing::new(vec![0; wanted]));
        let start = memory.as_ptr().align_offset(PAGE).min(wanted - len);
        Scratch { memory, start, len }
    }

    /// Keeps a buffer for the next call. One that is not given back is erased and freed, which is what happens after a
    /// failed call: the device may not be done with it.
    pub(super) fn give_back(&self, mut scratch: Scratch) {
        // A plain fill: the buffer lives on in the pool, so the compiler cannot see it as dead, and a volatile one would
        // cost more than the call.
        scratch.bytes_mut().fill(0);
        let mut kept = self.0.lock();
        if kept.len() < MAX_KEPT && scratch.memory.len() <= MAX_KEPT_LEN {
            kept.push(scratch.memory);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} buffers)", self.0.lock().len())
    }
}

/// A buffer, erased when it is dropped.
pub(super) struct Scratch {
    memory: Zeroizing<Vec<u8>>,
    start: usize,
    len: usize,
}

impl Scratch {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// The driver pins whole pages and describes them to the device one by one (wire 6.4): a buffer that starts at one needs
/// the fewest, and shares none with anything else at its start.
const PAGE: usize = 4096;
/// How many buffers a handle keeps.
const MAX_KEPT: usize = 4;
/// The longest buffer that a handle keeps: 1 MiB and a generous lot of additional data.
const MAX_KEPT_LEN: usize = (1 << 20) + (64 << 10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_zero_and_as_long_as_asked() {
        let pool = Pool::default();
        for len in [1, 15, 4096, 4097, 100_000, 3 << 20] {
            let scratch = pool.take(len);
            assert_eq!(scratch.bytes().as_ptr().addr() % PAGE, 0, "{len}");
            assert_eq!(scratch.bytes(), vec![0; len]);
            pool.give_back(scratch);
        }
    }

    #[test]
    fn a_buffer_is_reused_and_nothing_of_its_last_use_is_left() {
        let pool = Pool::default();
        let mut scratch = pool.take(1000);
        scratch.bytes_mut().fill(0xAB);
        let address = scratch.bytes().as_ptr().addr();
        pool.give_back(scratch);
        let scratch = pool.take(500);
        assert_eq!(scratch.bytes().as_ptr().addr(), address);
        assert!(scratch.memory.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn the_pool_stays_small() {
        let pool = Pool::default();
        let many: Vec<_> = (0..10).map(|_| pool.take(64)).collect();
        for scratch in many {
            pool.give_back(scratch);
        }
        assert_eq!(pool.0.lock().len(), MAX_KEPT);
        pool.0.lock().clear();
        pool.give_back(pool.take(MAX_KEPT_LEN));
        assert_eq!(pool.0.lock().len(), 0);
    }
}
