//! An emit with acknowledgement as a request, and its answer as a future.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_core::packet::{ArgsError, OwnedArgs};
use sockeye_core::{AckError as Missing, EmitError};

use crate::Socket;
use crate::inbox::{Encoded, Head};
use crate::waiters::{AckFate, AckReceiver, ack_channel};

/// Why there is no answer.
///
/// # What `sent` means
/// Whether the server may have got the event. `true`: all of it has been handed to the operating system at least once, or
/// it was on its way out just then. Nobody knows what the server did. `false`: the server cannot have got it whole, and
/// never will: it may be emitted again without being there twice.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AckError {
    /// Not within the timeout. If the packet was still unsent, it will not be sent.
    Timeout {
        /// Whether the server may have got the event.
        sent: bool,
    },
    /// The namespace was left, or the connection lost, before the answer.
    Disconnected {
        /// Whether the server may have got the event. `false` if the connection broke twice in the midst of it, if the
        /// server refused its size, or if it was volatile and had not left.
        sent: bool,
    },
    /// A volatile packet was dropped, the send buffer was cleared, or the socket is gone.
    Dropped {
        /// Whether the server may have got the event.
        sent: bool,
    },
    /// The packet was not accepted for sending.
    NotSent(EmitError),
    /// The answer is not of the type asked for.
    Answer(ArgsError),
}

impl AckError {
    /// Whether the server may have got the event: see [above](Self#what-sent-means).
    #[must_use]
    pub const fn sent(&self) -> bool {
        match *self {
            Self::Timeout { sent } | Self::Disconnected { sent } | Self::Dropped { sent } => sent,
            Self::NotSent(_) => false,
            Self::Answer(_) => true,
        }
    }
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { sent: true } => f.write_str("no acknowledgement within the timeout"),
            Self::Timeout { sent: false } => {
                f.write_str("the event could not be sent within the timeout")
            }
            Self::Disconnected { sent: true } => {
                f.write_str("the socket has been disconnected before the acknowledgement")
            }
            Self::Disconnected { sent: false } => {
                f.write_str("the socket has been disconnected before the event was sent")
            }
            Self::Dropped { .. } => {
                f.write_str("the packet was dropped, so that no acknowledgement can come")
            }
            Self::NotSent(error) => error.fmt(f),
            Self::Answer(error) => write!(f, "the acknowledgement is not as expected: {error}"),
        }
    }
}

impl std::error::Error for AckError {}

impl From<Missing> for AckError {
    fn from(error: Missing) -> Self {
        match error {
            Missing::Timeout { sent } => Self::Timeout { sent },
            Missing::Disconnected { sent } => Self::Disconnected { sent },
            Missing::Dropped { sent } => Self::Dropped { sent },
        }
    }
}

/// An event that wants an answer, as a request: what [`Socket::emit_with_ack`] makes.
///
/// Nothing is sent before it is awaited or [`send`](Self::send) is called.
///
/// ```
/// # use sockeye::{AckError, Socket};
/// # use std::time::Duration;
/// # async fn f(socket: &Socket) -> Result<(), AckError> {
/// // Sent when it is awaited, as a request of `reqwest` is:
/// let (saved,): (bool,) = socket.emit_with_ack("save", ("roof", 21.5)).await?;
/// // Sent now, its answer awaited later:
/// let answer = socket.emit_with_ack("save", ("cellar", 12.0)).timeout(Duration::from_secs(5)).send();
/// // … other work …
/// let (saved,): (bool,) = answer.await?;
/// # Ok(())
/// # }
/// ```
///
/// There is no `retries` here: it is an option of the namespace ([`ClientBuilder::retries`](crate::ClientBuilder::retries)),
/// as in the official client. Events of such a namespace are sent one at a time, each when the one before has been
/// answered, which is what keeps them in order although some are sent twice. A single event with retries among others
/// without would be overtaken by what was emitted after it, once at each further try. Give such events a namespace of their own.
#[must_use = "nothing is sent before it is awaited or `send` is called"]
pub struct EmitWithAck<Answer> {
    socket: Socket,
    packet: Result<Encoded, EmitError>,
    timeout: Option<Duration>,
    volatile: bool,
    uncompressed: bool,
    answer: PhantomData<fn() -> Answer>,
}

impl<Answer> EmitWithAck<Answer> {
    pub(crate) fn new(socket: Socket, packet: Result<Encoded, EmitError>) -> Self {
        Self {
            socket,
            packet,
            timeout: None,
            volatile: false,
            uncompressed: false,
            answer: PhantomData,
        }
    }

    /// How long to wait for the answer, instead of the socket's `ack_timeout`. It runs from the emit on, also while
    /// the packet waits for a connection, and an event whose time is up before it was sent is not sent any more. With
    /// `retries` it is also the time of each further try; the socket's own `ack_timeout` is only that, so that an event
    /// without a timeout of its own waits for the server as long as it takes.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The packet is dropped if it cannot be written at once; the answer is [`AckError::Dropped`] then. See
    /// [`Socket::volatile`].
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether the packet may be compressed: see [`Socket::compress`].
    #[cfg(feature = "deflate")]
    pub const fn compress(mut self, on: bool) -> Self {
        self.uncompressed = !on;
        self
    }

    /// Sends the event now, and gives the future of its answer.
    pub fn send(self) -> AckFuture<Answer> {
        let Self {
            socket,
            packet,
            timeout,
            volatile,
            uncompressed,
            ..
        } = self;
        let sent = packet.and_then(|packet| {
            let (sender, receiver) = ack_channel();
            let head = Head::Emit {
                nsp: socket.nsp().index as u32,
                ack: true,
                volatile,
                uncompressed,
                timeout,
            };
            socket.shared().packet(
                socket.nsp(),
                head,
                &packet.json,
                &packet.records,
                packet.count,
                Some(sender),
            )?;
            Ok(receiver)
        });
        let state = match sent {
            Ok(receiver) => State::Waiting(receiver),
            // What a volatile packet meets that finds no room is its lot.
            Err(EmitError::Full) if volatile => State::Failed(AckError::Dropped { sent: false }),
            Err(error) => State::Failed(AckError::NotSent(error)),
        };
        AckFuture {
            socket,
            state,
            answer: PhantomData,
        }
    }
}

impl<Answer: for<'a> OwnedArgs<'a>> IntoFuture for EmitWithAck<Answer> {
    type Output = Result<Answer, AckError>;
    type IntoFuture = AckFuture<Answer>;

    fn into_future(self) -> AckFuture<Answer> {
        self.send()
    }
}

impl<Answer> fmt::Debug for EmitWithAck<Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitWithAck")
            .field("timeout", &self.timeout)
            .field("volatile", &self.volatile)
            .finish_non_exhaustive()
    }
}

enum State {
    Waiting(AckReceiver),
    Failed(AckError),
    Done,
}

/// The answer to an event that has been sent, decoded as the tuple `Answer`: what [`EmitWithAck::send`] gives.
///
/// # Dropping it
/// Dropping it gives the answer up, and takes the event back if the client has not begun to send it; what has been
/// begun goes out all the same, and its answer is for nobody. (With [`retries`](crate::ClientBuilder::retries), an event
/// that has been begun is sent again until it is acknowledged.) Nothing is kept of it.
#[must_use = "the answer is not waited for: dropping this takes back the event if it is still unsent"]
pub struct AckFuture<Answer> {
    socket: Socket,
    state: State,
    answer: PhantomData<fn() -> Answer>,
}

impl<Answer> AckFuture<Answer> {
    /// Waits until the event has been sent, whether or not the answer is there: `true` once all of it has been handed to
    /// the operating system, `false` when it is certain that it never will be, because its time was up, say. (With
    /// `retries` the server may be sent it again after that.) What was emitted before the call counts as well: call it
    /// directly after [`send`](EmitWithAck::send).
    ///
    /// It may be awaited beside this future, which it does not borrow. Who drops this future takes the event back if it has
    /// not begun to leave, which is not told here any more: it says `true` then.
    pub fn sent(&self) -> Sent {
        let shared = Arc::clone(self.socket.shared());
        let target = shared.accepted();
        let written = Box::pin(async move {
            shared.written.wait(target, || shared.wake()).await;
        });
        Sent(match &self.state {
            State::Waiting(receiver) => Fate::Waiting {
                written,
                answer: receiver.fate(),
            },
            State::Failed(error) => Fate::Known(error.sent()),
            State::Done => Fate::Known(true),
        })
    }
}

/// Whether an event has been sent: what [`AckFuture::sent`] gives.
#[must_use = "it waits when it is awaited"]
pub struct Sent(Fate);

enum Fate {
    Waiting {
        /// Everything that was emitted before has been written, or will not be.
        written: Pin<Box<dyn Future<Output = ()> + Send>>,
        answer: AckFate,
    },
    Known(bool),
}

impl Future for Sent {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let sent = match &mut self.0 {
            Fate::Known(sent) => *sent,
            Fate::Waiting { written, answer } => {
                // (That it is not sent is noted before those who wait for `written` are told.)
                if written.as_mut().poll(cx).is_pending() && !answer.is_unsent() {
                    return Poll::Pending;
                }
                !answer.is_unsent()
            }
        };
        self.0 = Fate::Known(sent);
        Poll::Ready(sent)
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").finish_non_exhaustive()
    }
}

impl<Answer: for<'a> OwnedArgs<'a>> Future for AckFuture<Answer> {
    type Output = Result<Answer, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.state {
            State::Waiting(receiver) => match receiver.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => answer,
            },
            State::Failed(error) => Err(error.clone()),
            State::Done => Err(AckError::Dropped { sent: true }),
        };
        self.state = State::Done;
        Poll::Ready(answer.and_then(|args| args.parse().map_err(AckError::Answer)))
    }
}

impl<Answer> Drop for AckFuture<Answer> {
    fn drop(&mut self) {
        if let State::Waiting(receiver) = &self.state {
            receiver.give_up(self.socket.shared());
        }
    }
}

impl<Answer> fmt::Debug for AckFuture<Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckFuture").finish_non_exhaustive()
    }
}
