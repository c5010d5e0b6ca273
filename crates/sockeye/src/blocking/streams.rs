//! Events and notices, one after another.

use std::fmt;
use std::time::Duration;

use super::{wait, wait_for};
use crate::{Event, EventStream, Notice, NoticeStream};

/// Events, as an iterator that waits for the next one: see [`Socket::events`](super::Socket::events) and
/// [`Socket::stream`](super::Socket::stream). It ends with the namespace's last handle: an iterator that is read on
/// the thread that owns the only handle goes on until it is broken off.
#[must_use = "events that are not read fill it; drop it if nobody reads it"]
pub struct Events<T = Event>(EventStream<T>);

impl<T> Events<T> {
    /// The next event, waited for; `None` at the end.
    pub fn recv(&mut self) -> Option<T> {
        wait(self.0.next())
    }

    /// The next event, waited for at most so long.
    ///
    /// # Errors
    /// [`RecvError::Timeout`]: none yet. [`RecvError::Ended`]: none any more.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<T, RecvError> {
        received(wait_for(self.0.next(), limit))
    }

    /// The next event, if one is there.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn try_recv(&mut self) -> Result<T, RecvError> {
        self.recv_timeout(Duration::ZERO)
    }

    /// How many events have been dropped so far for want of room: 0 for ever with
    /// [`Overflow::Wait`](crate::Overflow::Wait).
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

impl<T> Iterator for Events<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.recv()
    }
}

impl<T> From<EventStream<T>> for Events<T> {
    fn from(stream: EventStream<T>) -> Self {
        Self(stream)
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// What happens to a connection, as an iterator that waits for the next notice: see
/// [`Socket::notices`](super::Socket::notices). Those of the whole connection are had by
/// `Notices::from(socket.manager().notices())`.
#[must_use = "notices that are not read fill it; drop it if nobody reads it"]
pub struct Notices(NoticeStream);

impl Notices {
    /// The next notice, waited for; `None` at the end.
    pub fn recv(&mut self) -> Option<Notice> {
        wait(self.0.next())
    }

    /// The next notice, waited for at most so long.
    ///
    /// # Errors
    /// [`RecvError::Timeout`]: none yet. [`RecvError::Ended`]: none any more.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Notice, RecvError> {
        received(wait_for(self.0.next(), limit))
    }

    /// The next notice, if one is there.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn try_recv(&mut self) -> Result<Notice, RecvError> {
        self.recv_timeout(Duration::ZERO)
    }

    /// How many notices have been dropped so far, because more than 1024 waited.
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

impl Iterator for Notices {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        self.recv()
    }
}

impl From<NoticeStream> for Notices {
    fn from(stream: NoticeStream) -> Self {
        Self(stream)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// Nothing has come in the time.
    Timeout,
    /// Nothing comes any more.
    Ended,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "nothing has come in the time",
            Self::Ended => "nothing comes any more: the namespace or the connection has ended",
        })
    }
}

impl std::error::Error for RecvError {}

fn received<T>(waited: Option<Option<T>>) -> Result<T, RecvError> {
    waited.ok_or(RecvError::Timeout)?.ok_or(RecvError::Ended)
}
