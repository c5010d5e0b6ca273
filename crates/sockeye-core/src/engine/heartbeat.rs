//! The heartbeat: the server pings, the client answers, and each knows by it that the other is there. In Engine.IO 3 it
//! is the other way round.

use core::time::Duration;

use crate::config::EXTRAS;
use crate::time::{Instant, earliest};

/// What is known of the server's pings, and which pongs are owed.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    /// `pingInterval` + `pingTimeout`.
    patience: Duration,
    /// When the connection counts as dead; `None` without a session.
    deadline: Option<Instant>,
    /// The driver does not read: what is due then, and until the reading has caught up.
    unread: Unread,
    pong_due: bool,
    /// In Engine.IO 3, where the client pings: when it does so next. A ping that is due is a `pong_due` then, and the
    /// deadline is that of its answer.
    #[cfg(feature = "eio3")]
    ping_at: Option<Instant>,
}

/// While the driver does not read it cannot see pings. Pongs go out unasked then.
#[derive(Debug)]
struct Unread {
    paused: bool,
    /// When to send the next pong unasked.
    pong_at: Option<Instant>,
    /// Pongs sent before their pings were read.
    ahead: u32,
}

impl Heartbeat {
    pub(super) const STOPPED: Self = Self {
        interval: Duration::ZERO,
        patience: Duration::ZERO,
        deadline: None,
        unread: Unread {
            paused: false,
            pong_at: None,
            ahead: 0,
        },
        pong_due: false,
        #[cfg(feature = "eio3")]
        ping_at: None,
    };

    /// A session begins: pings are expected from now on.
    pub(super) fn start(&mut self, now: Instant, interval: Duration, timeout: Duration) {
        self.interval = interval;
        self.patience = interval.saturating_add(timeout);
        self.deadline = Some(now + self.patience);
    }

    /// A session of Engine.IO 3 begins: the client sends a ping each `interval`, and the answer has to come within `timeout`.
    #[cfg(feature = "eio3")]
    pub(super) fn start_pinging(&mut self, now: Instant, interval: Duration, timeout: Duration) {
        self.interval = interval;
        self.patience = timeout;
        self.deadline = None;
        self.ping_at = Some(now + interval);
    }

    /// The server has answered a ping of ours.
    #[cfg(feature = "eio3")]
    pub(super) fn ponged(&mut self, now: Instant) {
        self.deadline = None;
        self.ping_at = Some(now + self.interval);
    }

    /// Whether it is this side that pings.
    const fn pings(&self) -> bool {
        #[cfg(feature = "eio3")]
        return self.ping_at.is_some();
        #[cfg(not(feature = "eio3"))]
        return false;
    }

    /// The Engine.IO packet that is due with [`Self::is_pong_due`].
    pub(super) const fn packet(&self) -> &'static [u8] {
        if self.pings() { b"2" } else { b"3" }
    }

    /// No pings are expected any more, and no pongs are sent.
    pub(super) const fn stop(&mut self) {
        self.deadline = None;
        self.unread.pong_at = None;
        self.unread.ahead = 0;
        self.pong_due = false;
        #[cfg(feature = "eio3")]
        {
            self.ping_at = None;
        }
    }

    /// A ping has been read.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.deadline = Some(now + self.patience);
        if EXTRAS && self.unread.ahead > 0 {
            // Answered before it was read; the server counts from that answer on.
            self.unread.ahead -= 1;
        } else {
            self.pong_due = true;
            if EXTRAS {
                let unasked = self.unread.paused.then(|| now + self.unasked_after());
                self.unread.pong_at = unasked;
            }
        }
    }

    /// From a pong to the next one if no ping has been read: half of the timeout past the ping's own time. That is
    /// after the server's ping, so that each pong answers one, and before its patience ends.
    fn unasked_after(&self) -> Duration {
        self.interval.saturating_add(self.patience) / 2
    }

    /// The driver stops or resumes reading, because the application is slow: pongs go out unasked when pings are
    /// overdue, and the deadline rests. That goes on after it has resumed, until it has caught up: the next ping may lie
    /// behind much else. Whether anything changed.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(super) fn set_paused(&mut self, now: Instant, paused: bool) -> bool {
        if paused == self.unread.paused {
            return false;
        }
        self.unread.paused = paused;
        if paused && self.pings() {
            // The server's patience ends without pings: they go on, and their answers are not waited for.
        } else if paused {
            let after = self.unasked_after();
            let first = self.deadline.map(|at| at - self.patience + after);
            self.unread.pong_at = self.unread.pong_at.or(first);
        } else if self.deadline.is_some() {
            self.deadline = Some(now + self.patience);
        }
        true
    }

    /// Whether the driver does not read.
    pub(super) const fn is_paused(&self) -> bool {
        EXTRAS && self.unread.paused
    }

    /// Sends a pong unasked if it is time.
    pub(super) fn check(&mut self, now: Instant) {
        #[cfg(feature = "eio3")]
        if self.ping_at.is_some_and(|at| now >= at) {
            self.pong_due = true;
            self.ping_at = Some(now + self.interval);
            self.deadline = self.deadline.or(Some(now + self.patience));
        }
        if EXTRAS && self.unread.pong_at.is_some_and(|at| now >= at) {
            self.pong_due = true;
            self.unread.ahead += 1;
            self.unread.pong_at = Some(now + self.unasked_after());
        }
    }

    /// Whether the deadline has passed, timers or not: the connection is as good as dead.
    pub(super) fn has_expired(&self, now: Instant) -> bool {
        !self.is_paused() && self.deadline.is_some_and(|at| now >= at)
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        let wake = if EXTRAS {
            let deadline = self.deadline.filter(|_| !self.unread.paused);
            earliest(deadline, self.unread.pong_at)
        } else {
            self.deadline
        };
        #[cfg(feature = "eio3")]
        let wake = earliest(wake, self.ping_at);
        wake
    }

    /// A pong that was on its way has been taken back.
    pub(super) const fn owe_pong(&mut self) {
        self.pong_due = true;
    }

    pub(super) const fn is_pong_due(&self) -> bool {
        self.pong_due
    }

    /// A pong is on its way.
    pub(super) const fn pong(&mut self) -> bool {
        core::mem::replace(&mut self.pong_due, false)
    }
}
