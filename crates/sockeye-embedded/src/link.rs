//! One byte stream of the run loop: connection after connection, read and written.

use core::cell::Cell;
use core::convert::Infallible;
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embassy_futures::select::{Either, select, select3};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Error, Read, Write};
use sockeye_core::{Instant, Link};

use crate::clock::Clock;
use crate::connect::{Connect, Connection, Target, words};
use crate::handler::Handler;
use crate::message::message;
use crate::runner::Driver;
use crate::shared::Inner;

/// How long a connection may take to end in order.
const CLOSE: Duration = Duration::from_secs(1);
/// How long what has been read may wait for room for answers.
const HOLD: Duration = Duration::from_secs(1);
/// Bytes of the smallest event that wants an answer, such as `421["a"]`, with its WebSocket header.
const LEAST_EVENT: usize = 10;
/// Reads in a row after which other tasks get their turn.
const READS: u8 = 4;

/// What the core wants of a link, and what its part of the run loop is told.
pub(crate) struct Control {
    open: Cell<bool>,
    /// Counts opens and closes, so that both in a row are noticed.
    turn: Cell<u8>,
    /// The core has bytes for it.
    pub(crate) transmit: Cell<bool>,
    /// A connection exists.
    busy: Cell<bool>,
}

impl Control {
    pub(crate) const fn closed() -> Self {
        Self {
            open: Cell::new(false),
            turn: Cell::new(0),
            transmit: Cell::new(false),
            busy: Cell::new(false),
        }
    }

    pub(crate) fn set_open(&self, open: bool) {
        self.open.set(open);
        self.turn.set(self.turn.get().wrapping_add(1));
        self.transmit.set(false);
    }

    /// Whether the core wants a connection.
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Whether the core wants a connection, or one exists.
    pub(crate) fn is_busy(&self) -> bool {
        self.open.get() || self.busy.get()
    }
}

#[allow(
    clippy::manual_async_fn,
    reason = "an async fn keeps its arguments twice, as such and as variables"
)]
impl<M: RawMutex, H: Handler<M>> Driver<M, H> {
    /// One link, connection after connection.
    pub(crate) fn link<'a, N: Connect, C: Clock>(
        &'a self,
        connector: &'a N,
        target: Target,
        read: &'a mut [u8],
        write: &'a mut [u8],
    ) -> impl Future<Output = ()> + use<'a, N, C, M, H> {
        async move {
            let link = target.link;
            let control = &self.links[link.index()];
            loop {
                let turn = poll_fn(|_| match control.open.get() {
                    true => Poll::Ready(control.turn.get()),
                    false => Poll::Pending,
                })
                .await;
                // The core does not want this connection any more.
                let given_up = || {
                    poll_fn(|_| {
                        if control.turn.get() == turn {
                            Poll::Pending
                        } else {
                            Poll::Ready(())
                        }
                    })
                };
                control.busy.set(true);
                let failure = match select(connector.connect(target), given_up()).await {
                    Either::Second(()) => None,
                    Either::First(Err(error)) => Some(error),
                    Either::First(Ok(mut connection)) => {
                        let life = async {
                            let (reader, writer) = match connection.split().await {
                                Ok(halves) => halves,
                                Err(error) => return error,
                            };
                            if control.turn.get() == turn {
                                let now = self.shared.now();
                                self.shared
                                    .with(|inner| inner.core.handle_opened(now, link));
                                self.drain();
                            }
                            let reading = self.read::<_, C>(link, turn, reader, read);
                            let writing =
                                self.write::<N::Connection<'_>>(link, turn, writer, write);
                            match select(reading, writing).await {
                                Either::First(never) | Either::Second(never) => match never {},
                            }
                        };
                        let failure = match select(given_up(), life).await {
                            Either::First(()) => None,
                            Either::Second(error) => Some(error),
                        };
                        // If another connection is wanted meanwhile, this one has had time enough.
                        let wanted = poll_fn(|_| {
                            if control.open.get() {
                                Poll::Ready(())
                            } else {
                                Poll::Pending
                            }
                        });
                        select3(
                            connection.close(),
                            C::sleep_until(self.shared.now() + CLOSE),
                            wanted,
                        )
                        .await;
                        failure
                    }
                };
                control.busy.set(false);
                self.shared.with(|inner| inner.sent(link));
                if let Some(error) = failure
                    && control.turn.get() == turn
                {
                    control.set_open(false);
                    let now = self.shared.now();
                    self.shared
                        .with(|inner| inner.core.handle_open_failed(now, link, error.as_str()));
                    self.drain();
                }
                self.shared.with(Inner::again);
            }
        }
    }

    /// Reads for as long as the connection lives: the core closes the link.
    fn read<'a, R: Read, C: Clock>(
        &'a self,
        link: Link,
        turn: u8,
        mut reader: R,
        chunk: &'a mut [u8],
    ) -> impl Future<Output = Infallible> + use<'a, R, C, M, H> {
        async move {
            let control = &self.links[link.index()];
            let mut reads = 0;
            loop {
                let result = reader.read(chunk).await;
                match result {
                    Ok(0) => self.closed(self.shared.now(), link, turn, None),
                    Ok(n) => {
                        let mut bytes = chunk.get(..n).unwrap_or_default();
                        let mut must = false;
                        while !bytes.is_empty() && control.turn.get() == turn {
                            match self.receive(link, bytes, must) {
                                // The core promises room as long as the link is open: nothing may be lost unsaid.
                                Some(0) => {
                                    let words = message!(
                                        "D4",
                                        "the receive buffer has no room: enlarge RX of the storage"
                                    );
                                    self.closed(self.shared.now(), link, turn, Some(words));
                                    break;
                                }
                                Some(n) => {
                                    bytes = bytes.get(n..).unwrap_or_default();
                                    must = false;
                                }
                                None => {
                                    self.digest::<C>().await;
                                    must = true;
                                }
                            }
                        }
                        // A server that sends faster than this chip reads must not keep everything else from running.
                        reads += 1;
                        if reads == READS {
                            reads = 0;
                            yield_now().await;
                        }
                        continue;
                    }
                    Err(error) => {
                        let words = words(error.kind());
                        self.closed(self.shared.now(), link, turn, Some(words));
                    }
                }
                pending::<()>().await;
            }
        }
    }

    /// Waits until the send buffer has room for answers again, but not for ever: behind what is held back there may be
    /// the server's ping.
    async fn digest<C: Clock>(&self) {
        let room = poll_fn(|_| {
            if self.shared.with(|inner| self.is_crowded(inner)) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        select(room, C::sleep_until(self.shared.now() + HOLD)).await;
    }

    /// Hands bytes to the core: as many as it has room for, and no more events than there are places for their answers.
    /// `None` if answers would find no room now, unless they `must` be taken all the same.
    fn receive(&self, link: Link, bytes: &[u8], must: bool) -> Option<usize> {
        let now = self.shared.now();
        let n = self.shared.with(|inner| {
            if !must && self.is_crowded(inner) {
                return None;
            }
            let most = inner.places().max(2) * LEAST_EVENT;
            let room = inner.core.receive_buf(link);
            let n = room.len().min(bytes.len()).min(most);
            room[..n].copy_from_slice(&bytes[..n]);
            inner.core.handle_received(now, link, n);
            Some(n)
        });
        if n.is_some() {
            self.drain();
        }
        n
    }

    /// Writes for as long as the connection lives.
    fn write<'a, 'c: 'a, N: Connection + 'c>(
        &'a self,
        link: Link,
        turn: u8,
        mut writer: N::Write<'c>,
        chunk: &'a mut [u8],
    ) -> impl Future<Output = Infallible> + use<'a, 'c, N, M, H> {
        async move {
            let control = &self.links[link.index()];
            loop {
                poll_fn(|_| {
                    if control.transmit.get() || self.is_awaited(link) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                while control.transmit.replace(false) {
                    let n = self.take(link, chunk);
                    let mut writing =
                        pin!(write_all(&mut writer, chunk.get(..n).unwrap_or_default()));
                    let mut waits = false;
                    let written = poll_fn(|cx| {
                        let written = writing.as_mut().poll(cx);
                        // What follows from the taking is told with what follows from the writing, unless that takes its time.
                        if written.is_pending() && !core::mem::replace(&mut waits, true) {
                            self.drain();
                        }
                        written
                    })
                    .await;
                    // If it took no time, the core's own counts, which never goes back.
                    let now = if waits {
                        self.shared.now()
                    } else {
                        Instant::ZERO
                    };
                    if let Err(kind) = written {
                        self.closed(now, link, turn, Some(words(kind)));
                        pending::<()>().await;
                    }
                    self.shared.with(|inner| {
                        inner.written(link);
                        inner.core.handle_writable(now, link);
                    });
                    self.drain();
                }
                let mut flushed = writer.flush().await;
                if flushed.is_ok() && self.is_awaited(link) {
                    flushed = N::sent(&mut writer).await;
                    self.shared.with(|inner| inner.sent(link));
                }
                if let Err(error) = flushed {
                    self.closed(self.shared.now(), link, turn, Some(words(error.kind())));
                    pending::<()>().await;
                }
            }
        }
    }

    /// Whether a task waits for what was written to `link`.
    fn is_awaited(&self, link: Link) -> bool {
        self.flush.get() && self.shared.with(|inner| inner.is_awaited(link))
    }

    /// Takes bytes from the core, and holds it off until they have been written. What follows from it is still to be told.
    fn take(&self, link: Link, chunk: &mut [u8]) -> usize {
        let now = self.shared.now();
        let mut n = 0;
        self.shared.with(|inner| {
            inner.core.handle_writable(now, link);
            // Header and payload of a frame may lie apart: fill the chunk.
            while n < chunk.len() {
                let bytes = inner.core.transmit(link);
                let len = bytes.len().min(chunk.len() - n);
                if len == 0 {
                    break;
                }
                chunk[n..n + len].copy_from_slice(&bytes[..len]);
                inner.core.transmitted(link, len);
                n += len;
            }
            inner.core.transmitted(link, 0);
            if n > 0 {
                inner.take(link);
            }
        });
        n
    }

    fn closed(&self, now: Instant, link: Link, turn: u8, words: Option<&str>) {
        if self.links[link.index()].turn.get() == turn {
            self.shared
                .with(|inner| inner.core.handle_closed(now, link, words));
            self.drain();
        }
    }
}

async fn write_all<W: Write>(
    writer: &mut W,
    mut bytes: &[u8],
) -> Result<(), embedded_io_async::ErrorKind> {
    while !bytes.is_empty() {
        match writer.write(bytes).await {
            Ok(0) => return Err(embedded_io_async::ErrorKind::WriteZero),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) => return Err(error.kind()),
        }
    }
    Ok(())
}
