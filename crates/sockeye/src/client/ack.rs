//! Acknowledgements as futures.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_core::packet::{ArgsError, FromArgs};
use sockeye_core::{AckError as Missing, EmitError};
use tokio::sync::oneshot;

use crate::Socket;
use crate::client::args::Args;
use crate::inbox::Head;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AckError {
    /// Not within the timeout. If the packet was still unsent, it will not be sent.
    Timeout,
    /// The connection was lost after the packet had been sent.
    Disconnected,
    /// A volatile packet was dropped, the send buffer was cleared, or the socket is gone.
    Dropped,
    /// The packet was not accepted for sending.
    NotSent(EmitError),
    /// The answer is not of the type asked for.
    Answer(ArgsError),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no acknowledgement within the timeout"),
            Self::Disconnected => {
                f.write_str("the socket has been disconnected before the acknowledgement")
            }
            Self::Dropped => {
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
            Missing::Timeout => Self::Timeout,
            Missing::Disconnected => Self::Disconnected,
            Missing::Dropped => Self::Dropped,
        }
    }
}

enum State {
    /// The encoded packet, not handed over yet.
    Unsent {
        json: Vec<u8>,
        records: Vec<u8>,
        attachments: usize,
        timeout: Option<Duration>,
        volatile: bool,
    },
    Waiting(oneshot::Receiver<Result<Args, AckError>>),
    Failed(Option<EmitError>),
}

/// The answer to an event, decoded as the tuple `T`. The event is sent when the future is first polled; dropping the
/// future afterwards does not take it back.
#[must_use = "the event is sent when the future is awaited"]
pub struct AckFuture<T> {
    socket: Socket,
    state: State,
    answer: PhantomData<fn() -> T>,
}

impl<T> AckFuture<T> {
    pub(crate) fn new(
        socket: Socket,
        packet: Result<(Vec<u8>, Vec<u8>, usize), EmitError>,
        timeout: Option<Duration>,
        volatile: bool,
    ) -> Self {
        let state = match packet {
            Ok((json, records, attachments)) => State::Unsent {
                json,
                records,
                attachments,
                timeout,
                volatile,
            },
            Err(error) => State::Failed(Some(error)),
        };
        Self {
            socket,
            state,
            answer: PhantomData,
        }
    }

    /// How long to wait for the answer, instead of the socket's `ack_timeout`. It runs from the emit on, also while
    /// the packet waits for a connection; with `retries`, from each try.
    pub fn timeout(mut self, patience: Duration) -> Self {
        if let State::Unsent { timeout, .. } = &mut self.state {
            *timeout = Some(patience);
        }
        self
    }
}

impl<T: for<'a> FromArgs<'a>> Future for AckFuture<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Unsent {
                    json,
                    records,
                    attachments,
                    timeout,
                    volatile,
                } => {
                    let (sender, receiver) = oneshot::channel();
                    let nsp = this.socket.nsp().index as u32;
                    let head = Head::Emit {
                        nsp,
                        ack: true,
                        volatile: *volatile,
                        timeout: *timeout,
                    };
                    let sent = this.socket.shared().packet(
                        this.socket.nsp(),
                        head,
                        json,
                        records,
                        *attachments,
                        Some(sender),
                    );
                    this.state = match sent {
                        Ok(()) => State::Waiting(receiver),
                        Err(error) => State::Failed(Some(error)),
                    };
                }
                State::Waiting(receiver) => {
                    return Pin::new(receiver).poll(cx).map(|answer| match answer {
                        Ok(Ok(args)) => args.parse().map_err(AckError::Answer),
                        Ok(Err(error)) => Err(error),
                        Err(_) => Err(AckError::Dropped),
                    });
                }
                State::Failed(error) => {
                    let error = error.take().map_or(AckError::Dropped, AckError::NotSent);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl<T> fmt::Debug for AckFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckFuture").finish_non_exhaustive()
    }
}
