//! What is to be told, in order. Each notice says what has become of a session or a namespace at the moment it was
//! noted; a notice of a namespace that has been forgotten meanwhile is not told.

use core::time::Duration;

use crate::time::micros;

use crate::error::{Cause, DisconnectReason};
use crate::handle::NamespaceId;
use crate::memory::Table;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Notice {
    /// The session, or an attempt at one, has ended.
    Closed {
        reason: DisconnectReason,
        cause: Cause,
        opened: bool,
        retry: bool,
    },
    Disconnected {
        nsp: NamespaceId,
        reason: DisconnectReason,
        cause: Cause,
    },
    /// The server has not answered a CONNECT; `old`: but with one of Socket.IO 2.
    NoAnswer {
        nsp: NamespaceId,
        old: bool,
    },
    /// The server takes no `auth`, and there is some.
    #[cfg(feature = "eio3")]
    NoAuth(NamespaceId),
    /// Acknowledgements have failed: one after the other, until none is left.
    FailedAcks,
    /// Packets were given up: one after the other, until none is left.
    Unsent,
    /// Events of the namespace gave way to newer ones.
    #[cfg(feature = "offline")]
    Dropped(NamespaceId),
    Reconnecting {
        attempt: u32,
        delay: Delay,
    },
    ReconnectAttempt(u32),
    Reconnected(u32),
    ReconnectFailed,
    /// The application is asked for `auth`.
    Auth(NamespaceId),
    /// A namespace has been joined: its events that came before are told, then the join itself.
    Connected {
        nsp: NamespaceId,
        join: u32,
    },
}

/// A time to wait in microseconds, in halves: notices lie in tables, and one that is not aligned to eight bytes is a third
/// smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    high: u32,
    low: u32,
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        let micros = micros(delay);
        Self {
            high: (micros >> 32) as u32,
            low: micros as u32,
        }
    }
}

impl From<Delay> for Duration {
    fn from(delay: Delay) -> Self {
        Self::from_micros(u64::from(delay.high) << 32 | u64::from(delay.low))
    }
}

impl Notice {
    pub(crate) const EMPTY: Self = Self::FailedAcks;
}

impl Default for Notice {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The queue of notices.
///
/// The driver drains between inputs, so that few wait at a time; fixed memory has eight places for each namespace.
#[derive(Debug)]
pub(crate) struct Notices<'a> {
    queue: Table<'a, Notice>,
    /// Those that stand for a lane are in the queue.
    failed_acks: bool,
    unsent: bool,
}

impl<'a> Notices<'a> {
    pub(super) const fn new(queue: Table<'a, Notice>) -> Self {
        Self {
            queue,
            failed_acks: false,
            unsent: false,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn push(&mut self, notice: Notice) {
        let once = match notice {
            Notice::FailedAcks => core::mem::replace(&mut self.failed_acks, true),
            Notice::Unsent => core::mem::replace(&mut self.unsent, true),
            _ => false,
        };
        if !once {
            let pushed = self.queue.push(notice);
            debug_assert!(pushed.is_ok(), "drain after every input");
        }
    }

    /// The notice to be told now; it stays until [`Self::done`].
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn first(&self) -> Option<Notice> {
        self.queue.get(0).copied()
    }

    /// The first notice has been told.
    pub(super) fn done(&mut self) {
        match self.first() {
            Some(Notice::FailedAcks) => self.failed_acks = false,
            Some(Notice::Unsent) => self.unsent = false,
            _ => (),
        }
        self.queue.remove(0, 1);
        if self.queue.is_empty() {
            self.queue.shrink();
        }
    }

    /// Attempts to reconnect are not made any more.
    pub(super) fn drop_attempts(&mut self) {
        let mut i = 0;
        while let Some(notice) = self.queue.get(i) {
            if let Notice::Reconnecting { .. } | Notice::ReconnectAttempt(_) = notice {
                self.queue.remove(i, 1);
            } else {
                i += 1;
            }
        }
    }
}
