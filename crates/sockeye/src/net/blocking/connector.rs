//! Streams that are polled, and who makes them.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{SocketRef, socket_ref};
use crate::net::error::{DialError, DialErrorKind};
use crate::net::target::Target;
use crate::sync::atomic::{AtomicBool, Ordering};

/// A byte stream that a blocking client can use: one that tells instead of blocking, and has a socket to wait on.
///
/// A client has one thread, which waits for all its streams at once by polling their sockets. So a stream is made ready
/// by [`start`](Self::start); after that `read` and `write` give [`WouldBlock`](io::ErrorKind::WouldBlock) instead of
/// blocking, and `read` gives `Ok(0)` at the end. After each `write` comes `flush`, which may give `WouldBlock` too, and
/// is called again when the socket takes bytes.
///
/// [`TcpStream`] is one, and on Unix `UnixStream`. A stream that encrypts implements it by passing
/// [`socket`](Self::socket) on to what it encrypts (the client reads until `WouldBlock`, so that nothing that was
/// decrypted in advance is left lying). One without a socket, such as a pipe in memory, keeps the waker of `start` and
/// wakes it whenever there is something to read, or room to write again.
pub trait Stream: Read + Write + Send + 'static {
    /// The client takes the stream over: from here on it does not block. `waker` wakes the client's thread; a stream with
    /// a socket does not need it.
    ///
    /// # Errors
    /// The stream cannot be made so; the attempt to connect has failed then.
    fn start(&mut self, waker: &Waker) -> io::Result<()>;

    /// The socket whose readiness tells about the stream's; `None`: the stream wakes the waker.
    fn socket(&self) -> Option<SocketRef<'_>>;

    /// Says goodbye, where the stream has one (TLS does), before it is dropped. As with `flush`, `WouldBlock` lets it be
    /// called again when the socket takes bytes, for two seconds at most.
    ///
    /// # Errors
    /// The goodbye could not be said. The stream is dropped in any case.
    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for TcpStream {
    fn start(&mut self, _: &Waker) -> io::Result<()> {
        self.set_nonblocking(true)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        Some(socket_ref(self))
    }
}

#[cfg(all(unix, not(target_os = "espidf")))]
impl Stream for std::os::unix::net::UnixStream {
    fn start(&mut self, _: &Waker) -> io::Result<()> {
        self.set_nonblocking(true)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        Some(socket_ref(self))
    }
}

impl Stream for Box<dyn Stream> {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        (**self).start(waker)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        (**self).socket()
    }

    fn close(&mut self) -> io::Result<()> {
        (**self).close()
    }
}

/// Gives a blocking client its byte streams: the one place where it meets a network. Set it with
/// [`ClientBuilder::connector`](crate::blocking::ClientBuilder::connector) to go through a Unix socket, a SOCKS library,
/// or another TLS stack, as that of ESP-IDF.
///
/// A connector is asked for one stream per link: one for a WebSocket, two for polling. For a target that is
/// [secure](Target::secure) the stream it gives is expected to be encrypted already.
///
/// Functions are connectors too:
/// ```no_run
/// # #[cfg(unix)]
/// # fn example() -> Result<(), sockeye::ConnectError> {
/// use std::os::unix::net::UnixStream;
///
/// use sockeye::net::Target;
///
/// let socket = sockeye::blocking::Client::builder("http://localhost/")
///     .connector(|_: Target| UnixStream::connect("/run/app.sock"))
///     .connect()?;
/// # Ok(())
/// # }
/// ```
pub trait Connector: Send + Sync + 'static {
    /// The byte stream.
    type Stream: Stream;

    /// Connects. It runs on a thread of its own and may block, but not for longer than [`Attempt::remaining`]: what comes
    /// of an attempt that has been given up is dropped.
    ///
    /// # Errors
    /// Why there is no stream. An error that [is definitive](DialError::is_definitive) ends
    /// [`Socket::connect`](crate::blocking::Socket::connect); after any other the client tries again, as the reconnection
    /// policy says.
    fn connect(&self, target: &Target, attempt: &Attempt) -> Result<Self::Stream, DialError>;
}

impl<F, S, E> Connector for F
where
    F: Fn(Target) -> Result<S, E> + Send + Sync + 'static,
    S: Stream,
    E: Into<DialError>,
{
    type Stream = S;

    fn connect(&self, target: &Target, _: &Attempt) -> Result<S, DialError> {
        self(target.clone()).map_err(Into::into)
    }
}

/// An attempt to connect: how long it may take, and whether somebody still waits for it.
#[derive(Clone, Debug)]
pub struct Attempt {
    until: Option<Instant>,
    given_up: Arc<AtomicBool>,
}

impl Attempt {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            until: limit.and_then(|limit| Instant::now().checked_add(limit)),
            given_up: Arc::default(),
        }
    }

    /// How long it may still take; `None` without a limit. Zero: it is of no use any more.
    pub fn remaining(&self) -> Option<Duration> {
        if self.is_given_up() {
            return Some(Duration::ZERO);
        }
        let until = self.until?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Whether nobody waits for it any more.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// An error once it is of no use any more.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.remaining() {
            Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

trait Erased: Send + Sync {
    fn connect(&self, target: &Target, attempt: &Attempt) -> Result<Box<dyn Stream>, DialError>;
}

impl<C: Connector> Erased for C {
    fn connect(&self, target: &Target, attempt: &Attempt) -> Result<Box<dyn Stream>, DialError> {
        Ok(Box::new(Connector::connect(self, target, attempt)?))
    }
}

/// A connector of the application's, of any type.
#[derive(Clone)]
pub(crate) struct AnyConnector(Arc<dyn Erased>);

impl AnyConnector {
    pub(crate) fn new(connector: impl Connector) -> Self {
        Self(Arc::new(connector))
    }

    /// Calls it; a panic in it is an error.
    pub(super) fn connect(
        &self,
        target: &Target,
        attempt: &Attempt,
    ) -> Result<Box<dyn Stream>, DialError> {
        let call = || self.0.connect(target, attempt);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|_| {
            Err(DialError::new(
                DialErrorKind::Other,
                "the connector panicked",
            ))
        })
    }
}

impl fmt::Debug for AnyConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
