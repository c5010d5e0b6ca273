//! The reconnection policy: when to try again.

use core::time::Duration;

use crate::config::Reconnection;
use crate::rng::Rng;
use crate::time::{Instant, micros};

/// The plan for the next session.
#[derive(Debug)]
pub(super) struct Reconnect {
    /// Attempts made since the last success.
    pub(super) attempts: u32,
    /// When the next attempt is due.
    at: Option<Instant>,
    /// A session is to be opened as soon as the last one is gone.
    pub(super) dial: bool,
    /// Sessions in a row that ended, soon after they began, with a packet that cannot be read: a server that goes on
    /// sending it would otherwise be connected to once a second for ever.
    unreadable: u32,
    /// When the session began.
    opened_at: Instant,
}

/// A session that has lasted so long has worked.
const LASTING: Duration = Duration::from_secs(60);

impl Reconnect {
    pub(super) const NONE: Self = Self {
        attempts: 0,
        at: None,
        dial: false,
        unreadable: 0,
        opened_at: Instant::ZERO,
    };

    /// When the next attempt is due.
    pub(super) const fn wake(&self) -> Option<Instant> {
        self.at
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.at.is_some()
    }

    /// There is a session again: how many attempts it took.
    pub(super) const fn succeeded(&mut self, now: Instant) -> u32 {
        self.at = None;
        self.opened_at = now;
        core::mem::replace(&mut self.attempts, 0)
    }

    /// No further attempt is planned.
    pub(super) const fn reset(&mut self) {
        self.attempts = 0;
        self.at = None;
    }

    /// A session has ended, because of a packet that cannot be read or for another reason.
    pub(super) fn ended(&mut self, now: Instant, unreadable: bool) {
        let lasted = now.duration_since(self.opened_at) >= LASTING;
        self.unreadable = if !unreadable {
            0
        } else if lasted {
            1
        } else {
            self.unreadable.saturating_add(1)
        };
    }

    /// Plans the next attempt: the delay until then.
    pub(super) fn plan(&mut self, now: Instant, policy: &Reconnection, rng: &mut Rng) -> Duration {
        let n = self.attempts.max(self.unreadable.saturating_sub(1));
        let delay = delay(policy, n, rng);
        self.at = Some(now + delay);
        delay
    }

    /// A planned attempt is made now.
    pub(super) const fn hurry(&mut self, now: Instant) {
        if self.at.is_some() {
            self.at = Some(now);
        }
    }

    /// Whether the time for the next attempt has come.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.at.is_some_and(|at| now >= at);
        if due {
            self.at = None;
        }
        due
    }
}

/// The delay before attempt `n`, counted from 0: see [`Reconnection`].
fn delay(policy: &Reconnection, n: u32, rng: &mut Rng) -> Duration {
    let max = micros(policy.delay_max);
    let base = micros(policy.delay);
    let base = if base > 0 && n >= base.leading_zeros() {
        max
    } else {
        base.checked_shl(n).unwrap_or(0).min(max)
    };
    let jitter = base / 1000 * u64::from(policy.jitter_permille.min(1000));
    Duration::from_micros(rng.between(base - jitter, base.saturating_add(jitter).min(max)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Entropy;

    #[test]
    fn saturates_and_spreads_after_the_cap() {
        let policy = Reconnection::DEFAULT;
        let mut rng = Rng::new(Entropy::Seed(1));
        for (n, lo, hi) in [
            (0, 500, 1500),
            (1, 1000, 3000),
            (2, 2000, 5000),
            (3, 2500, 5000),
            (1100, 2500, 5000),
        ] {
            let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
            for _ in 0..2000 {
                let d = delay(&policy, n, &mut rng);
                least = least.min(d);
                most = most.max(d);
            }
            let (lo, hi) = (Duration::from_millis(lo), Duration::from_millis(hi));
            assert!(
                least >= lo && least < lo + (hi - lo) / 10,
                "attempt {n}: {least:?}"
            );
            assert!(
                most <= hi && most > hi - (hi - lo) / 10,
                "attempt {n}: {most:?}"
            );
        }
        let exact = Reconnection {
            jitter_permille: 0,
            ..policy
        };
        assert_eq!(delay(&exact, 1, &mut rng), Duration::from_secs(2));
        assert_eq!(delay(&exact, u32::MAX, &mut rng), Duration::from_secs(5));
    }
}
