//! The network of a blocking client: sockets that are polled on one thread, and connected on others.

pub(crate) mod connector;
mod dial;
mod notify;
mod open;
mod patient;
mod tls;

use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant as Clock};

use rustix::event::{PollFd, PollFlags, Timespec};
use sockeye_core::drive::{Net, Ready, Received};
use sockeye_core::{Instant, Link};

use super::error::DialError;
use crate::driver::Target;
use crate::driver::blocking::Between;
use crate::driver::threads::Threads;
pub(crate) use connector::AnyConnector;
pub use connector::{Attempt, Connector, Stream};
use dial::{Dial, Route};
pub(crate) use notify::Notifier;
use open::{Found, Open};
pub use tls::MaybeTls;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub use tls::TlsConnector;

/// A socket, as the operating system knows it, borrowed from a [`Stream`].
#[cfg(not(windows))]
pub type SocketRef<'s> = std::os::fd::BorrowedFd<'s>;
/// A socket, as the operating system knows it, borrowed from a [`Stream`].
#[cfg(windows)]
pub type SocketRef<'s> = std::os::windows::io::BorrowedSocket<'s>;

#[cfg(not(windows))]
fn socket_ref(socket: &impl std::os::fd::AsFd) -> SocketRef<'_> {
    socket.as_fd()
}

#[cfg(windows)]
fn socket_ref(socket: &impl std::os::windows::io::AsSocket) -> SocketRef<'_> {
    socket.as_socket()
}

/// The longest wait in one piece: some systems take no longer ones.
const LONGEST: Duration = Duration::from_secs(3600);

/// Waits until one of these is ready, or the time is up: how many are. A signal counts as none.
fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.unwrap_or(LONGEST).min(LONGEST);
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    });
    match rustix::event::poll(fds, Some(&timeout)) {
        Err(rustix::io::Errno::INTR) => Ok(0),
        result => Ok(result?),
    }
}

/// The WebSocket first: a server answers the probe of an upgrade there, and then ends the poll. Read the other way round,
/// polling would be asked for once more, and the upgrade would have to wait for the end of that.
const ORDER: [Link; 3] = [Link::WebSocket, Link::Poll, Link::Post];

/// How a bad descriptor is told, where the system has a word for it.
#[cfg(not(target_os = "espidf"))]
const INVALID: PollFlags = PollFlags::NVAL;
#[cfg(target_os = "espidf")]
const INVALID: PollFlags = PollFlags::empty();

/// One of the core's links.
enum Io {
    Closed,
    Dialing(Dial),
    /// It could not even be begun.
    Failed(DialError),
    /// Connected; what was computed for it has been told, or is about to be.
    Dialed(Box<Open>),
    Open(Box<Open>),
}

/// An error, as the core is told.
pub(crate) struct Told(DialError);

impl AsRef<str> for Told {
    fn as_ref(&self) -> &str {
        self.0.message()
    }
}

/// Up to three links, and what they are waited for with.
pub(crate) struct PollNet {
    route: Route,
    threads: Threads,
    notifier: Notifier,
    waker: Waker,
    between: Rc<Between>,
    origin: Clock,
    links: [Io; 3],
    /// Links that have had their turn since all were last polled.
    served: [bool; 3],
}

impl PollNet {
    pub(crate) fn new(
        target: &Target,
        timeout: Option<Duration>,
        threads: Threads,
        notifier: Notifier,
        between: Rc<Between>,
    ) -> Self {
        Self {
            route: Route {
                network: target.network.clone(),
                query: target.query(),
                headers: target.headers(),
                timeout,
            },
            threads,
            waker: notifier.waker(),
            notifier,
            between,
            origin: Clock::now(),
            links: [Io::Closed, Io::Closed, Io::Closed],
            served: [false; 3],
        }
    }

    fn set(&mut self, link: Link, io: Io) {
        self.links[link.index()] = io;
        let dialing = self.links.iter().any(|io| matches!(io, Io::Dialing(_)));
        self.between.dialing.set(dialing);
    }

    /// An error ends a link: what the core is told of it, and what people are.
    fn broken(&mut self, link: Link, error: DialError) -> Told {
        self.set(link, Io::Closed);
        *self.between.failure.borrow_mut() = Some(error.clone());
        Told(error)
    }

    fn explain(&mut self, link: Link, error: &io::Error) -> Told {
        let error = self.route.network.explain(error);
        self.broken(link, error)
    }

    /// Whether a link is not to be read. Answers to POSTs bring no events, and without them no pong could follow another.
    fn is_paused(&self, link: Link) -> bool {
        self.between.paused.get() && link != Link::Post
    }

    /// What is known without waiting.
    fn next_ready(&mut self) -> Option<Ready<Told>> {
        ORDER.into_iter().find_map(|link| self.link_ready(link))
    }

    fn link_ready(&mut self, link: Link) -> Option<Ready<Told>> {
        let paused = self.is_paused(link);
        let served = &mut self.served[link.index()];
        match &mut self.links[link.index()] {
            Io::Closed => None,
            Io::Dialing(dial) => match dial.take()? {
                Err(error) => Some(Ready::Opened(link, Err(self.broken(link, error)))),
                Ok(dialed) => {
                    let open = Box::new(dialed.open);
                    let computed = dialed.computed;
                    if computed.query.is_some() || computed.headers.is_some() {
                        // The core has to know them before it writes the first request.
                        *self.between.computed.borrow_mut() = Some(computed);
                        self.set(link, Io::Dialed(open));
                        return Some(Ready::Woken);
                    }
                    self.set(link, Io::Open(open));
                    Some(Ready::Opened(link, Ok(())))
                }
            },
            Io::Failed(_) | Io::Dialed(_) => {
                match std::mem::replace(&mut self.links[link.index()], Io::Closed) {
                    Io::Failed(error) => Some(Ready::Opened(link, Err(self.broken(link, error)))),
                    Io::Dialed(open) => {
                        self.set(link, Io::Open(open));
                        Some(Ready::Opened(link, Ok(())))
                    }
                    _ => None,
                }
            }
            Io::Open(open) => {
                if std::mem::take(&mut open.writable) {
                    open.go_on_flushing();
                    if !open.unflushed && std::mem::take(&mut open.stalled) {
                        return Some(Ready::Writable(link));
                    }
                }
                let readable = open.readable && !paused || open.is_broken();
                if !readable || std::mem::replace(served, true) {
                    return None;
                }
                Some(Ready::Readable(link))
            }
        }
    }

    /// Waits for sockets, or for a ring; whether there was a ring.
    fn poll(&mut self, until: Option<Instant>) -> bool {
        self.served = [false; 3];
        // (One more is the notifier's.)
        let mut fds = Vec::with_capacity(4);
        let mut of = [None; 3];
        let mut now = false;
        for link in ORDER {
            let paused = self.is_paused(link);
            let Io::Open(open) = &self.links[link.index()] else {
                continue;
            };
            now |= open.readable && !paused;
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !paused && !open.readable);
            flags.set(PollFlags::OUT, open.stalled || open.unflushed);
            // One that nothing is wanted of is left out: its end would be told again and again.
            if let Some(socket) = open.socket().filter(|_| !flags.is_empty()) {
                of[link.index()] = Some(fds.len());
                fds.push(PollFd::from_borrowed_fd(socket, flags));
            }
        }
        let timeout = if now {
            Some(Duration::ZERO)
        } else {
            until.map(|until| until.duration_since(self.clock()))
        };
        let polled = self.notifier.wait(&mut fds, timeout);
        let found = of.map(|at| at.map(|at| fds[at].revents()));
        drop(fds);
        let rung = polled.unwrap_or_else(|error| {
            // It cannot happen to sockets that are open; if it does, it must not become a loop without rest.
            tracing::error!(%error, "the sockets cannot be polled");
            std::thread::sleep(Duration::from_millis(100));
            true
        });
        for link in ORDER {
            let Io::Open(open) = &mut self.links[link.index()] else {
                continue;
            };
            let flags = match found[link.index()] {
                Some(flags) => flags,
                // Without a socket it rings.
                None if rung && open.socket().is_none() => PollFlags::IN | PollFlags::OUT,
                None => continue,
            };
            let trouble = PollFlags::ERR | PollFlags::HUP | INVALID;
            open.readable |= flags.intersects(PollFlags::IN | trouble);
            open.writable |=
                (open.stalled || open.unflushed) && flags.intersects(PollFlags::OUT | trouble);
        }
        rung
    }

    fn clock(&self) -> Instant {
        let micros = self.origin.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Net for PollNet {
    type Error = Told;

    fn now(&mut self) -> Instant {
        self.clock()
    }

    fn open(&mut self, link: Link) {
        if let Some(network) = self.between.network.take() {
            self.route.network = network;
        }
        let fresh = self.between.fresh.get();
        let io = match Dial::start(&self.route, fresh, &self.threads, &self.waker) {
            Ok(dial) => Io::Dialing(dial),
            Err(error) => Io::Failed(error),
        };
        self.set(link, io);
    }

    fn read(&mut self, link: Link, buf: &mut [u8]) -> Result<Received, Told> {
        let Io::Open(open) = &mut self.links[link.index()] else {
            return Ok(Received::Nothing);
        };
        match open.read(buf) {
            Ok(Found::Bytes(n)) => Ok(Received::Bytes(n)),
            Ok(Found::Nothing) => Ok(Received::Nothing),
            Ok(Found::End) => {
                self.close(link);
                Ok(Received::End)
            }
            Err(error) => Err(self.explain(link, &error)),
        }
    }

    fn write(&mut self, link: Link, bytes: &[u8]) -> Result<usize, Told> {
        let Io::Open(open) = &mut self.links[link.index()] else {
            return Ok(0);
        };
        match open.write(bytes) {
            Ok(n) => Ok(n),
            Err(error) => Err(self.explain(link, &error)),
        }
    }

    fn close(&mut self, link: Link) {
        match std::mem::replace(&mut self.links[link.index()], Io::Closed) {
            Io::Dialing(_) => {
                let unfinished = self.route.network.unfinished();
                *self.between.failure.borrow_mut() = Some(unfinished);
            }
            Io::Dialed(open) | Io::Open(open) => open.close(&self.threads),
            Io::Failed(_) | Io::Closed => (),
        }
        self.set(link, Io::Closed);
    }

    fn wait(&mut self, until: Option<Instant>) -> Ready<Told> {
        if let Some(ready) = self.next_ready() {
            return ready;
        }
        let until = match (until, self.between.deadline.get()) {
            (Some(core), Some(own)) => Some(core.min(own)),
            (core, own) => core.or(own),
        };
        if self.poll(until) {
            return Ready::Woken;
        }
        self.next_ready().unwrap_or(Ready::Woken)
    }
}
