//! Events and connection events as streams.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::client::args::Event;
use crate::client::error::Notice;
use crate::dispatch::channel::{Channel, Overflow};
use crate::dispatch::handlers::HandlerId;
use crate::inbox::NspShared;

/// How much a stream of events holds, and what happens to an event for which it has no room.
///
/// ```
/// # use sockeye::{Overflow, Socket, StreamOptions};
/// # fn f(socket: &Socket) {
/// // The newest hundred positions: those that nobody had time for are dropped, and counted.
/// let options = StreamOptions::new().capacity(100).overflow(Overflow::DropOldest);
/// let positions = socket.stream_with::<(f64, f64)>("position", options);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "give it to `events_with` or `stream_with`"]
pub struct StreamOptions {
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamOptions {
    /// 256 events, then [`Overflow::Wait`].
    pub const fn new() -> Self {
        Self {
            capacity: 256,
            overflow: Overflow::Wait,
        }
    }

    /// How many events it holds, at least 1.
    pub const fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// What happens to an event for which there is no room.
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }
}

/// A stream's end of its queue; the other end is forgotten when it is dropped.
struct Reader<T> {
    channel: Arc<Channel<T>>,
    nsp: Weak<NspShared>,
    id: HandlerId,
}

impl<T> Reader<T> {
    fn new(nsp: &Arc<NspShared>, (id, channel): (HandlerId, Arc<Channel<T>>)) -> Self {
        Self {
            channel,
            nsp: Arc::downgrade(nsp),
            id,
        }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        if let Some(nsp) = self.nsp.upgrade() {
            nsp.handlers.off(self.id);
        }
        self.channel.leave();
    }
}

/// Events as a stream: see [`Socket::events`](crate::Socket::events) and [`Socket::stream`](crate::Socket::stream).
///
/// It belongs to no runtime: it may be read on another one than the connection's. When that one ends, the stream gives
/// what has arrived, and ends; [`NoticeStream`] tells why.
#[must_use = "a stream that is not read fills; drop it if nobody reads it"]
pub struct EventStream<T = Event> {
    reader: Reader<T>,
}

impl<T> EventStream<T> {
    pub(crate) fn new(nsp: &Arc<NspShared>, registered: (HandlerId, Arc<Channel<T>>)) -> Self {
        Self {
            reader: Reader::new(nsp, registered),
        }
    }

    /// The next event; `None` at the end. Giving the future up loses nothing.
    pub async fn next(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.reader.channel.poll_next(cx)).await
    }

    /// How many events have been dropped so far for want of room: 0 for ever with [`Overflow::Wait`].
    pub fn dropped(&self) -> u64 {
        self.reader.channel.dropped()
    }
}

impl<T> Stream for EventStream<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.reader.channel.poll_next(cx)
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// Connection events as a stream: see [`Socket::notices`](crate::Socket::notices).
#[must_use = "a stream that is not read fills; drop it if nobody reads it"]
pub struct NoticeStream {
    reader: Reader<Notice>,
}

impl NoticeStream {
    /// How many notices it holds.
    pub(crate) const CAPACITY: usize = 1024;

    pub(crate) fn new(nsp: &Arc<NspShared>) -> Self {
        Self {
            reader: Reader::new(nsp, nsp.handlers.notice_stream(Self::CAPACITY)),
        }
    }

    /// The next one; `None` at the end. Giving the future up loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        std::future::poll_fn(|cx| self.reader.channel.poll_next(cx)).await
    }

    /// How many notices have been dropped so far, because more than 1024 waited: the oldest ones. (Pings are not told
    /// any more when half of the places are taken, and are not counted here.)
    pub fn dropped(&self) -> u64 {
        self.reader.channel.dropped()
    }
}

impl Stream for NoticeStream {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.reader.channel.poll_next(cx)
    }
}

impl fmt::Debug for NoticeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoticeStream")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}
