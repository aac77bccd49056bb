//! The PIN lockout (semantics 3.8).

use std::time::Duration;

use super::options::Lockout;

/// The counters; reset with the partition.
#[derive(Debug, Default)]
pub(crate) struct LockoutState {
    locked: bool,
    attempts: u16,
    delay: u16,
    until: Duration,
}

impl LockoutState {
    /// Whether logins are refused at this time.
    pub(crate) fn refuses(&self, now: Duration) -> bool {
        self.locked && now < self.until
    }

    /// A right credential. The state value stays "Lockout", harmless with nothing to wait for.
    pub(crate) fn right(&mut self) {
        if self.locked {
            self.attempts = 0;
            self.delay = 0;
            self.until = Duration::ZERO;
        }
    }

    /// A wrong credential.
    pub(crate) fn wrong(&mut self, policy: &Lockout, now: Duration) {
        if !policy.enabled {
            return;
        }
        self.locked = true;
        self.attempts += 1;
        if self.attempts >= policy.attempts {
            self.delay += 1;
            self.attempts = 0;
        }
        if self.delay > policy.max_steps {
            self.attempts = 0;
            self.delay = 0;
            self.until = Duration::ZERO;
            return;
        }
        self.until = now + Duration::from_secs(u64::from(self.delay) * policy.step_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_11_the_thousandth_wrong_login_and_each_later_one_lock_for_a_minute() {
        let policy = Lockout::default();
        let mut lockout = LockoutState::default();
        let mut now = Duration::ZERO;
        for _ in 0..999 {
            lockout.wrong(&policy, now);
            assert!(!lockout.refuses(now));
        }
        for _ in 0..2 {
            lockout.wrong(&policy, now);
            assert!(lockout.refuses(now + Duration::from_secs(59)));
            now += Duration::from_mins(1);
            assert!(!lockout.refuses(now));
        }
        lockout.right();
        lockout.wrong(&policy, now);
        assert!(!lockout.refuses(now));
    }

    #[test]
    fn row_11_the_delay_grows_to_32_minutes_and_wraps() {
        let policy = Lockout { attempts: 1, ..Lockout::default() };
        let mut lockout = LockoutState::default();
        for step in 1..=32 {
            lockout.wrong(&policy, Duration::ZERO);
            assert!(lockout.refuses(Duration::from_secs(60 * step - 1)));
            assert!(!lockout.refuses(Duration::from_secs(60 * step)));
        }
        lockout.wrong(&policy, Duration::ZERO);
        assert!(!lockout.refuses(Duration::ZERO));
    }

    #[test]
    fn row_11_can_be_switched_off() {
        let policy = Lockout { enabled: false, attempts: 1, ..Lockout::default() };
        let mut lockout = LockoutState::default();
        lockout.wrong(&policy, Duration::ZERO);
        assert!(!lockout.refuses(Duration::ZERO));
    }
}
