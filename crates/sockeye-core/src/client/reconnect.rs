//! The reconnection policy: when to try again.

use core::time::Duration;

use crate::config::Reconnection;
use crate::rng::Rng;
use crate::time::{Instant, micros};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    /// Attempts made since the last success.
    pub(crate) attempts: u32,
    /// When the next attempt is due.
    pub(crate) at: Option<Instant>,
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The delay before attempt `n`, counted from 0: see [`Reconnection`].
pub(crate) fn delay(policy: &Reconnection, n: u32, rng: &mut Rng) -> Duration {
    let max = micros(policy.delay_max);
    let base = micros(policy.delay)
        .saturating_mul(1u64.checked_shl(n).unwrap_or(u64::MAX))
        .min(max);
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
