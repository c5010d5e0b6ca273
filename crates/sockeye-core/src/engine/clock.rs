//! The engine's time, and whether a deadline may have come since deadlines were looked at.

use crate::time::Instant;

/// The time as the driver tells it: it never goes back, and no step forward is forgotten before deadlines are looked at.
#[derive(Debug)]
pub(super) struct Clock {
    now: Instant,
    /// A deadline may have come.
    due: bool,
}

impl Clock {
    pub(super) const START: Self = Self {
        now: Instant::ZERO,
        due: false,
    };

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// Moves on to `now`, where deadlines may lie.
    pub(super) fn advance(&mut self, now: Instant) {
        if now > self.now {
            self.now = now;
            self.due = true;
        }
    }

    /// Moves on to `now`, when it is known that no deadline comes before.
    pub(super) fn skip(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// There is a deadline that may have come already.
    pub(super) const fn look(&mut self) {
        self.due = true;
    }

    /// Whether deadlines have to be looked at.
    pub(super) const fn is_due(&self) -> bool {
        self.due
    }

    /// Whether deadlines had to be looked at; they are now.
    pub(super) const fn take_due(&mut self) -> bool {
        core::mem::replace(&mut self.due, false)
    }
}
