//! Emits with acknowledgement.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sockeye_core::EmitError;
use sockeye_core::packet::{EmitArgs, OwnedArgs};

use super::{wait, wait_for};
use crate::client::ack;
use crate::{AckError, AckFuture};

/// An event that wants an answer, as a request: what [`Socket::emit_with_ack`](super::Socket::emit_with_ack) makes.
///
/// Nothing is sent before [`send`](Self::send) or [`begin`](Self::begin) is called.
///
/// ```
/// # use sockeye::AckError;
/// # use sockeye::blocking::Socket;
/// # use std::time::Duration;
/// # fn f(socket: &Socket) -> Result<(), AckError> {
/// // Sent, and the answer waited for:
/// let (saved,): (bool,) = socket.emit_with_ack("save", ("roof", 21.5)).timeout(Duration::from_secs(5)).send()?;
/// // Sent now, its answer waited for later:
/// let answer = socket.emit_with_ack("save", ("cellar", 12.0)).begin();
/// // … other work …
/// let (saved,): (bool,) = answer.wait()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before `send` or `begin` is called"]
pub struct EmitWithAck<Answer>(ack::EmitWithAck<Answer>);

impl<Answer> EmitWithAck<Answer> {
    pub(super) const fn new(request: ack::EmitWithAck<Answer>) -> Self {
        Self(request)
    }

    /// How long to wait for the answer, instead of the socket's `ack_timeout`. It runs from the emit on, also while
    /// the packet waits for a connection, and an event whose time is up before it was sent is not sent any more. With
    /// `retries` it is also the time of each further try; the socket's own `ack_timeout` is only that, so that an event
    /// without a timeout of its own waits for the server as long as it takes.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// The packet is dropped if it cannot be written at once; the answer is [`AckError::Dropped`] then. See
    /// [`Socket::volatile`](super::Socket::volatile).
    pub fn volatile(self) -> Self {
        Self(self.0.volatile())
    }

    /// Whether the packet may be compressed: see [`Socket::compress`](super::Socket::compress).
    #[cfg(feature = "deflate")]
    pub fn compress(self, on: bool) -> Self {
        Self(self.0.compress(on))
    }

    /// Sends the event now, and gives a handle of its answer.
    pub fn begin(self) -> PendingAck<Answer> {
        PendingAck(self.0.send())
    }
}

impl<Answer: for<'a> OwnedArgs<'a>> EmitWithAck<Answer> {
    /// Sends the event, and waits for its answer: until it is there, the connection is lost, or the time is up. Without a
    /// timeout here or of the socket there is no limit.
    ///
    /// # Errors
    /// Why there is no answer, or why it is not of the type asked for.
    pub fn send(self) -> Result<Answer, AckError> {
        self.begin().wait()
    }
}

impl<Answer> fmt::Debug for EmitWithAck<Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The answer to an event that has been sent, decoded as the tuple `Answer`: what [`EmitWithAck::begin`] gives.
///
/// Dropping it gives the answer up, and takes the event back if the client has not begun to send it: see
/// [`AckFuture`].
#[must_use = "the answer is not waited for: dropping this takes back the event if it is still unsent"]
pub struct PendingAck<Answer>(AckFuture<Answer>);

impl<Answer: for<'a> OwnedArgs<'a>> PendingAck<Answer> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// Why there is no answer, or why it is not of the type asked for.
    pub fn wait(self) -> Result<Answer, AckError> {
        wait(self.0)
    }

    /// Waits for the answer for so long; `None`: it is not there yet, and can be waited for again.
    ///
    /// Once the answer has been given, it is [`AckError::Dropped`].
    pub fn wait_for(&mut self, limit: Duration) -> Option<Result<Answer, AckError>> {
        wait_for(&mut self.0, limit)
    }

    /// The answer, if it is there: as [`wait_for`](Self::wait_for), without waiting.
    pub fn try_get(&mut self) -> Option<Result<Answer, AckError>> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match Pin::new(&mut self.0).poll(&mut cx) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        }
    }
}

impl<Answer> fmt::Debug for PendingAck<Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAck").finish_non_exhaustive()
    }
}

/// Emits volatile packets: see [`Socket::volatile`](super::Socket::volatile).
#[derive(Clone, Copy, Debug)]
pub struct Volatile<'s>(pub(super) crate::Volatile<'s>);

impl<'s> Volatile<'s> {
    /// As [`sockeye::Volatile::emit`](crate::Volatile::emit).
    ///
    /// # Errors
    /// As [`Socket::emit`](super::Socket::emit), for packets that cannot be sent at all.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.0.emit(event, args)
    }

    /// As [`Socket::emit_with_ack`](super::Socket::emit_with_ack); a dropped packet fails with [`AckError::Dropped`].
    pub fn emit_with_ack<A: EmitArgs, Answer>(&self, event: &str, args: A) -> EmitWithAck<Answer> {
        EmitWithAck(self.0.emit_with_ack(event, args))
    }

    /// The same with compression or without: see [`Socket::compress`](super::Socket::compress).
    #[cfg(feature = "deflate")]
    pub const fn compress(self, on: bool) -> Compress<'s> {
        Compress(self.0.compress(on))
    }
}

/// Emits with compression or without: see [`Socket::compress`](super::Socket::compress).
#[cfg(feature = "deflate")]
#[derive(Clone, Copy, Debug)]
pub struct Compress<'s>(pub(super) crate::Compress<'s>);

#[cfg(feature = "deflate")]
impl Compress<'_> {
    /// Emits an event.
    ///
    /// # Errors
    /// As [`Socket::emit`](super::Socket::emit); as [`Volatile::emit`] after [`volatile`](Self::volatile).
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.0.emit(event, args)
    }

    /// As [`Socket::emit_with_ack`](super::Socket::emit_with_ack).
    pub fn emit_with_ack<A: EmitArgs, Answer>(&self, event: &str, args: A) -> EmitWithAck<Answer> {
        EmitWithAck(self.0.emit_with_ack(event, args))
    }

    /// The same, dropped if it cannot be sent at once: see [`Socket::volatile`](super::Socket::volatile).
    #[must_use]
    pub const fn volatile(self) -> Self {
        Self(self.0.volatile())
    }
}
