//! The run loop: one future that moves bytes, keeps time and tells the application.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::task::Poll;

use embassy_futures::join::join_array;
use embassy_futures::select::{Either, select, select3};
use embassy_sync::blocking_mutex::raw::RawMutex;
use sockeye_core::{Detached, DetachedOutput, Event, Instant, Link, NamespaceId, Refusal};

use crate::clock::Clock;
use crate::connect::{Connect, Target};
use crate::fmt::say;
use crate::handler::{Auth, Handler};
use crate::link::Control;
use crate::message::message;
use crate::shared::{AuthError, Inner, Shared};
use crate::socket::Socket;

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
    /// One poll of it does bounded work: after a few reads it gives way to other tasks, however fast the server sends.
    /// While the send buffer is more than half full and the connection takes bytes slowly, nothing more is received, for
    /// at most a second at a time, so that handlers find room for their answers.
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
            flush: Cell::new(false),
        };
        driver.begin();
        let (driver, connector) = (&driver, &connector);
        let links: [_; LINKS] = {
            let mut buffers = reads.iter_mut().zip(writes.iter_mut());
            core::array::from_fn(|i| {
                let link = if LINKS == 1 {
                    Link::WebSocket
                } else {
                    Link::ALL[i % 3]
                };
                let (read, write) = buffers.next().map_or((&mut [][..], &mut [][..]), |(r, w)| {
                    (&mut r[..], &mut w[..])
                });
                driver.link::<N, C>(connector, Target { link, ..*target }, read, write)
            })
        };
        select3(
            driver.commands(LINKS),
            driver.timers::<C>(),
            join_array(links),
        )
        .await;
        driver.shared.with(|inner| inner.stop = false);
    }
}

/// The parts of the run loop share this. All of them belong to one future, so that waking the runner polls them all.
pub(crate) struct Driver<M: RawMutex + 'static, H> {
    pub(crate) shared: &'static Shared<M>,
    handler: RefCell<H>,
    pub(crate) links: [Control; 3],
    wake: Cell<Option<Instant>>,
    /// A task waits for written bytes to leave the device.
    pub(crate) flush: Cell<bool>,
}

impl<M: RawMutex, H: Handler<M>> Driver<M, H> {
    /// A run that was cut short has left links behind of which nothing is known any more.
    fn begin(&self) {
        let now = self.shared.now();
        let words = message!("D5", "the run loop was ended");
        self.shared.with(|inner| {
            for link in Link::ALL {
                inner.sent(link);
                inner.core.handle_open_failed(now, link, words);
                inner.core.handle_closed(now, link, Some(words));
            }
        });
        self.drain();
    }

    /// Does what the core says, until it says nothing more.
    pub(crate) fn drain(&self) {
        loop {
            let mut asked = None;
            // The core is entered once for each output: what follows from it alone is done at once.
            match &mut self
                .shared
                .with(|inner| self.next_output(inner, &mut asked))
            {
                DetachedOutput::Open(link) => self.links[link.index()].set_open(true),
                DetachedOutput::Close(link) => self.links[link.index()].set_open(false),
                // The link's part asks for the bytes when it is ready to write them.
                DetachedOutput::Transmit(link) => self.links[link.index()].transmit.set(true),
                DetachedOutput::Event(detached) => {
                    if detached.has_text() {
                        self.tell_with_text(detached);
                    } else {
                        self.tell(&detached.event(None));
                    }
                    self.shared.with(|inner| inner.core.attach(detached));
                }
                DetachedOutput::Idle(_) => match asked {
                    Some(nsp) => self.ask(nsp),
                    None => return,
                },
            }
        }
    }

    /// What the core says, and what follows from it without the application. `asked`: the namespace whose `auth` is to be
    /// asked for before all is done.
    fn next_output(
        &self,
        inner: &mut Inner,
        asked: &mut Option<NamespaceId>,
    ) -> DetachedOutput<'static> {
        let output = inner.core.poll_detached();
        match output {
            DetachedOutput::Event(_) => return output,
            DetachedOutput::Idle(wake) => {
                *asked = inner.auths.next();
                if asked.is_some() {
                    return output;
                }
                inner.tasks.wake_all();
                if self.wake.replace(wake) == wake {
                    return output;
                }
            }
            DetachedOutput::Transmit(link) => inner.core.transmitted(link, 0),
            DetachedOutput::Open(_) | DetachedOutput::Close(_) => (),
        }
        // Another part of the loop has to act on it.
        inner.again();
        output
    }

    /// Whether nothing should be received, because handlers' answers would find no room: the send buffer is more than half
    /// full of what is being written. (What waits for a namespace to be joined holds nothing back.)
    pub(crate) fn is_crowded(&self, inner: &Inner) -> bool {
        !inner.has_room()
            && (inner.is_writing() || self.links.iter().any(|link| link.transmit.get()))
    }

    /// Tells the application of an event with a text. By itself, so that there is room for the text only meanwhile.
    #[inline(never)]
    fn tell_with_text(&self, detached: &Detached<'_>) {
        let text = self.shared.with(|inner| inner.core.event_text(detached));
        self.tell(&detached.event(Some(&text)));
    }

    /// Tells the application.
    #[inline(never)]
    fn tell(&self, event: &Event<'_>) {
        let shared = self.shared;
        let socket = |nsp: NamespaceId| Socket { shared, nsp };
        let nsp = match event {
            Event::Ack { id, result } => {
                if shared.with(|inner| inner.waiters.resolve(*id, result)) {
                    return;
                }
                shared.first
            }
            Event::Auth(nsp) => return self.ask(*nsp),
            Event::Message(message) => message.nsp,
            Event::Connected { nsp, .. } | Event::Disconnected { nsp, .. } => *nsp,
            Event::ConnectError(refusal) => refusal.nsp,
            Event::Unsent(unsent) => unsent.nsp,
            Event::Dropped { nsp, .. } => *nsp,
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
        // Only `drain` gets here, and it is not called by anything that a handler can call.
        self.handler.borrow_mut().handle(&socket(nsp), event);
    }

    /// Asks the application for the `auth` payload of a namespace. One that finds no room beside what waits in the send
    /// buffer is asked for again when something has left the buffer.
    fn ask(&self, nsp: NamespaceId) {
        let shared = self.shared;
        let socket = Socket { shared, nsp };
        shared.with(|inner| inner.auths.error = None);
        let mut handler = self.handler.borrow_mut();
        let json = match handler.auth(&socket) {
            // An application that has tried to give one does not want to connect without.
            Auth::None => shared
                .with(|inner| inner.auths.error.is_none())
                .then_some(""),
            Auth::Json(json) => Some(json),
            Auth::Later => None,
        };
        if let Some(json) = json {
            let _ = socket.provide_auth(json);
        }
        // What `provide_auth` says is noted by itself.
        let message = match shared.with(|inner| inner.auths.error.take()) {
            None | Some(AuthError::Full) => return,
            Some(AuthError::Malformed) => {
                message!("D1", "the auth payload is not a JSON object")
            }
            Some(AuthError::TooLarge) => message!(
                "D2",
                "the auth payload does not fit the send buffer: enlarge TX of the storage"
            ),
        };
        shared.command(|inner, now| inner.core.refuse_auth(now, nsp));
        let refusal = Refusal::from_driver(nsp, message);
        handler.handle(&socket, &Event::ConnectError(refusal));
    }

    /// Looks at the core whenever a handle has given a command. Ends when told to.
    fn commands(&self, links: usize) -> impl Future<Output = ()> + use<'_, M, H> {
        poll_fn(move |cx| {
            let (work, flush) = self.shared.with(|inner| inner.attend(cx.waker()));
            self.flush.set(flush);
            if work {
                self.drain();
            }
            if links == 1 {
                self.refuse_polling();
            }
            let busy = self.links.iter().any(Control::is_busy);
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
            if control.is_open() {
                control.set_open(false);
                let now = self.shared.now();
                let words = message!(
                    "D3",
                    "polling needs a storage with LINKS = 3, or set the transports to WEBSOCKET"
                );
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
}
