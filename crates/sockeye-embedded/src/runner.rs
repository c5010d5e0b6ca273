//! The run loop: one future that moves bytes, keeps time and tells the application.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, pending, poll_fn};
use core::marker::PhantomData;
use core::task::Poll;
use core::time::Duration;

use embassy_futures::join::join_array;
use embassy_futures::select::{Either, select, select3};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Error, Read, Write};
use sockeye_core::{DetachedOutput, EmitError, Event, Instant, Link, NamespaceId, Refusal};

use crate::clock::Clock;
use crate::connect::{Connect, Connection, Target, words};
use crate::fmt::say;
use crate::handler::{Auth, Handler};
use crate::shared::Shared;
use crate::socket::Socket;

/// How long a connection may take to end in order.
const CLOSE: Duration = Duration::from_secs(1);

/// Runs one client: see [`run`](Self::run).
pub struct Runner<M: RawMutex + 'static, C, const LINKS: usize> {
    pub(crate) shared: &'static Shared<M>,
    pub(crate) target: Target,
    pub(crate) reads: [&'static mut [u8]; LINKS],
    pub(crate) writes: [&'static mut [u8]; LINKS],
    pub(crate) clock: PhantomData<fn() -> C>,
}

impl<M: RawMutex, C, const LINKS: usize> fmt::Debug for Runner<M, C, LINKS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl<M: RawMutex, C: Clock, const LINKS: usize> Runner<M, C, LINKS> {
    /// Runs the client: connects by `connector`, moves bytes, keeps time, reconnects, and tells `handler`. Returns only
    /// after [`Socket::stop`]. Spawn it as a task of its own, or join it with the rest of the application.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connections. The client itself stays whole: run it again, and it reports the
    /// disconnect and connects anew.
    pub async fn run<N: Connect, H: Handler<M>>(&mut self, connector: N, handler: H) {
        let Self {
            shared,
            target,
            reads,
            writes,
            ..
        } = self;
        let driver = Driver {
            shared,
            handler: RefCell::new(handler),
            links: [const { Control::closed() }; 3],
            wake: Cell::new(None),
        };
        driver.begin();
        let (driver, connector) = (&driver, &connector);
        let mut buffers = reads.iter_mut().zip(writes.iter_mut());
        let links: [_; LINKS] = core::array::from_fn(|i| {
            let link = if LINKS == 1 {
                Link::WebSocket
            } else {
                Link::ALL[i % 3]
            };
            let (read, write) = buffers.next().map_or((&mut [][..], &mut [][..]), |(r, w)| {
                (&mut r[..], &mut w[..])
            });
            driver.link::<N, C>(connector, Target { link, ..*target }, read, write)
        });
        select3(
            driver.commands(LINKS),
            driver.timers::<C>(),
            join_array(links),
        )
        .await;
        driver.shared.with(|inner| inner.stop = false);
    }
}

/// What the core wants of a link, and what its part of the run loop is told.
struct Control {
    open: Cell<bool>,
    /// Counts opens and closes, so that both in a row are noticed.
    turn: Cell<u8>,
    /// The core has bytes for it.
    transmit: Cell<bool>,
    /// A connection exists.
    busy: Cell<bool>,
}

impl Control {
    const fn closed() -> Self {
        Self {
            open: Cell::new(false),
            turn: Cell::new(0),
            transmit: Cell::new(false),
            busy: Cell::new(false),
        }
    }

    fn set_open(&self, open: bool) {
        self.open.set(open);
        self.turn.set(self.turn.get().wrapping_add(1));
        self.transmit.set(false);
    }
}

/// The parts of the run loop share this. All of them belong to one future, so that waking the runner polls them all.
struct Driver<M: RawMutex + 'static, H> {
    shared: &'static Shared<M>,
    handler: RefCell<H>,
    links: [Control; 3],
    wake: Cell<Option<Instant>>,
}

impl<M: RawMutex, H: Handler<M>> Driver<M, H> {
    /// A run that was cut short has left links behind of which nothing is known any more.
    fn begin(&self) {
        let now = self.shared.now();
        self.shared.with(|inner| {
            for link in Link::ALL {
                inner
                    .core
                    .handle_open_failed(now, link, "the run loop was ended");
                inner
                    .core
                    .handle_closed(now, link, Some("the run loop was ended"));
            }
        });
        self.drain();
    }

    /// Does what the core says, until it says nothing more.
    fn drain(&self) {
        loop {
            match self.shared.with(|inner| inner.core.poll_detached()) {
                DetachedOutput::Open(link) => self.links[link.index()].set_open(true),
                DetachedOutput::Close(link) => self.links[link.index()].set_open(false),
                DetachedOutput::Transmit(link) => {
                    // The link's part asks for the bytes when it is ready to write them.
                    self.links[link.index()].transmit.set(true);
                    self.shared.with(|inner| inner.core.transmitted(link, 0));
                }
                DetachedOutput::Event(detached) => {
                    self.tell(&detached.event());
                    self.shared.with(|inner| inner.core.attach(detached));
                    continue;
                }
                DetachedOutput::Idle(wake) => {
                    let later = self.wake.replace(wake) != wake;
                    self.shared.with(|inner| {
                        inner.changed();
                        if later {
                            inner.again();
                        }
                    });
                    return;
                }
            }
            // Another part of the loop has to act on it.
            self.shared.with(crate::shared::Inner::again);
        }
    }

    /// Tells the application.
    fn tell(&self, event: &Event<'_>) {
        let shared = self.shared;
        let socket = |nsp: NamespaceId| Socket { shared, nsp };
        // Only `drain` gets here, and it is not called by anything that a handler can call.
        let mut handler = self.handler.borrow_mut();
        let nsp = match event {
            Event::Ack { id, result } => {
                if shared.with(|inner| inner.waiters.resolve(*id, result)) {
                    return;
                }
                shared.first
            }
            Event::Auth(nsp) => {
                if let Err(error) = self.authenticate(&mut *handler, &socket(*nsp)) {
                    let message = match error {
                        EmitError::Auth | EmitError::Encode(_) => {
                            "the auth payload is not a JSON object"
                        }
                        _ => {
                            "the auth payload does not fit the send buffer: enlarge TX of the storage"
                        }
                    };
                    shared.command(|inner, now| inner.core.refuse_auth(now, *nsp));
                    let refusal = Refusal::from_driver(*nsp, message);
                    handler.handle(&socket(*nsp), &Event::ConnectError(refusal));
                }
                return;
            }
            Event::Message(message) => message.nsp,
            Event::Connected { nsp, .. } | Event::Disconnected { nsp, .. } => *nsp,
            Event::ConnectError(refusal) => refusal.nsp,
            Event::Closed { details, .. } => {
                say!(info, "connection closed: {}", details);
                shared.first
            }
            Event::MessageTooLarge { bytes, limit } => {
                say!(
                    warn,
                    "a message of {} bytes was skipped: at most {} can be received",
                    bytes,
                    limit
                );
                shared.first
            }
            _ => shared.first,
        };
        handler.handle(&socket(nsp), event);
    }

    fn authenticate(&self, handler: &mut H, socket: &Socket<M>) -> Result<(), EmitError> {
        match handler.auth(socket) {
            Auth::None => socket.provide_auth(""),
            Auth::Json(json) => socket.provide_auth(json),
            Auth::Later => Ok(()),
        }
    }

    /// Looks at the core whenever a handle has given a command. Ends when told to.
    fn commands(&self, links: usize) -> impl Future<Output = ()> + use<'_, M, H> {
        poll_fn(move |cx| {
            if self.shared.with(|inner| inner.attend(cx.waker())) {
                self.drain();
            }
            if links == 1 {
                self.refuse_polling();
            }
            let busy = self
                .links
                .iter()
                .any(|link| link.open.get() || link.busy.get());
            let stop = self.shared.with(|inner| inner.stop && inner.core.is_down());
            if stop && !busy {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    /// A storage for one link cannot do polling.
    fn refuse_polling(&self) {
        for link in [Link::Poll, Link::Post] {
            let control = &self.links[link.index()];
            if control.open.get() {
                control.set_open(false);
                let now = self.shared.now();
                let words =
                    "polling needs a storage with LINKS = 3, or set the transports to WEBSOCKET";
                self.shared
                    .with(|inner| inner.core.handle_open_failed(now, link, words));
                self.drain();
            }
        }
    }

    /// Keeps the core's deadlines.
    async fn timers<C: Clock>(&self) {
        loop {
            let wake = self.wake.get();
            let changed = poll_fn(|_| {
                if self.wake.get() == wake {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            });
            match wake {
                None => changed.await,
                Some(at) => {
                    if let Either::First(()) = select(C::sleep_until(at), changed).await {
                        let now = self.shared.now();
                        self.shared.with(|inner| inner.core.handle_timeout(now));
                        self.drain();
                    }
                }
            }
        }
    }

    /// One link, connection after connection.
    async fn link<N: Connect, C: Clock>(
        &self,
        connector: &N,
        target: Target,
        read: &mut [u8],
        write: &mut [u8],
    ) {
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
                    let failure = match connection.split().await {
                        Ok((reader, writer)) => {
                            if control.turn.get() == turn {
                                let now = self.shared.now();
                                self.shared
                                    .with(|inner| inner.core.handle_opened(now, link));
                                self.drain();
                            }
                            let reading = self.read(link, turn, reader, read);
                            let writing = self.write(link, turn, writer, write);
                            select3(given_up(), reading, writing).await;
                            None
                        }
                        Err(error) => Some(error),
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
            if let Some(error) = failure
                && control.turn.get() == turn
            {
                control.set_open(false);
                let now = self.shared.now();
                self.shared
                    .with(|inner| inner.core.handle_open_failed(now, link, error.as_str()));
                self.drain();
            }
            self.shared.with(crate::shared::Inner::again);
        }
    }

    /// Reads for as long as the connection lives. Never ends by itself: the core closes the link.
    async fn read<R: Read>(&self, link: Link, turn: u8, mut reader: R, chunk: &mut [u8]) {
        let control = &self.links[link.index()];
        loop {
            let result = reader.read(chunk).await;
            let now = self.shared.now();
            match result {
                Ok(0) => self.closed(now, link, turn, None),
                Ok(n) => {
                    let mut bytes = chunk.get(..n).unwrap_or_default();
                    while !bytes.is_empty() && control.turn.get() == turn {
                        let n = self.shared.with(|inner| {
                            let room = inner.core.receive_buf(link);
                            let n = room.len().min(bytes.len());
                            room[..n].copy_from_slice(&bytes[..n]);
                            inner.core.handle_received(now, link, n);
                            n
                        });
                        bytes = &bytes[n..];
                        self.drain();
                        if n == 0 {
                            // The core promises room as long as the link is open.
                            break;
                        }
                    }
                    continue;
                }
                Err(error) => self.closed(now, link, turn, Some(words(error.kind()))),
            }
            pending::<()>().await;
        }
    }

    /// Writes for as long as the connection lives. Never ends by itself.
    async fn write<W: Write>(&self, link: Link, turn: u8, mut writer: W, chunk: &mut [u8]) {
        let control = &self.links[link.index()];
        loop {
            poll_fn(|_| {
                if control.transmit.get() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            while control.transmit.replace(false) {
                let n = self.take(link, chunk);
                let written = write_all(&mut writer, chunk.get(..n).unwrap_or_default()).await;
                let now = self.shared.now();
                if let Err(kind) = written {
                    self.closed(now, link, turn, Some(words(kind)));
                    pending::<()>().await;
                }
                self.shared
                    .with(|inner| inner.core.handle_writable(now, link));
                self.drain();
            }
            if let Err(error) = writer.flush().await {
                self.closed(self.shared.now(), link, turn, Some(words(error.kind())));
                pending::<()>().await;
            }
        }
    }

    /// Takes bytes from the core, and holds it off until they have been written.
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
        });
        self.drain();
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
