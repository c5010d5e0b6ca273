//! Waiting for an answer.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use embassy_sync::blocking_mutex::raw::RawMutex;
use sockeye_core::packet::{Args, ArgsError, EmitArgs, OwnedArgs};
use sockeye_core::{AckError, AckId, EmitError, EmitOptions};

use crate::message::write_message;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::waiters::Answer;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnswerError {
    /// The event was not accepted for sending.
    Emit(EmitError),
    /// No answer came.
    Ack(AckError),
    /// The answer is not of the type that was asked for.
    Args(ArgsError),
    /// The answer, of so many bytes, did not fit the memory for answers: enlarge `ANSWERS` of the storage.
    NoRoom(usize),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emit(error) => error.fmt(f),
            Self::Ack(error) => error.fmt(f),
            Self::Args(error) => {
                write_message!(f, "D6", "the answer cannot be read: {error}", error)
            }
            Self::NoRoom(bytes) => {
                write_message!(
                    f,
                    "D7",
                    "the answer has {bytes} bytes, more than are free for answers: enlarge ANSWERS of the storage",
                    bytes
                )
            }
        }
    }
}

impl core::error::Error for AnswerError {}

impl From<EmitError> for AnswerError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

impl From<AckError> for AnswerError {
    fn from(error: AckError) -> Self {
        Self::Ack(error)
    }
}

impl From<ArgsError> for AnswerError {
    fn from(error: ArgsError) -> Self {
        Self::Args(error)
    }
}

/// Reads an answer as a tuple of owned types.
pub(crate) fn parse_owned<T: for<'a> OwnedArgs<'a>>(args: Args<'_>) -> Result<T, ArgsError> {
    args.parse()
}

/// The future of [`Socket::emit_with_ack`]. It emits when it is first polled, and resolves exactly once: with the answer,
/// when its time is up, or with the disconnect.
///
/// # Cancel safety
/// Dropping it cancels the acknowledgement; a packet that has not been sent is not sent any more. Nothing else is lost.
#[must_use = "nothing is sent before the future is awaited"]
pub struct EmitWithAck<'s, M: RawMutex + 'static, A, T, F> {
    pub(crate) socket: Socket<M>,
    pub(crate) event: &'s str,
    pub(crate) args: A,
    pub(crate) options: EmitOptions,
    pub(crate) id: Option<AckId>,
    pub(crate) read: Option<F>,
    pub(crate) result: PhantomData<fn() -> T>,
}

impl<M: RawMutex, A, T, F> fmt::Debug for EmitWithAck<'_, M, A, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitWithAck")
            .field("event", &self.event)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<M: RawMutex, A, T, F> EmitWithAck<'_, M, A, T, F> {
    /// The longest time to wait, from the emit on; with `retries` until the first try, and then from each one. Without
    /// it the namespace's `ack_timeout` counts, which with `retries` is the time of a try alone; if there is none
    /// either, the answer is waited for until the disconnect.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }
}

// Nothing in it is pinned.
impl<M: RawMutex, A, T, F> Unpin for EmitWithAck<'_, M, A, T, F> {}

impl<M, A, T, F> Future for EmitWithAck<'_, M, A, T, F>
where
    M: RawMutex,
    A: EmitArgs,
    F: FnOnce(Args<'_>) -> Result<T, ArgsError>,
{
    type Output = Result<T, AnswerError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let id = match this.id {
            Some(id) => id,
            None => {
                let id = this.socket.shared.command(|inner, now| {
                    if inner.waiters.is_full() {
                        return Err(EmitError::TooManyAcks);
                    }
                    let id = inner.core.emit(
                        now,
                        this.socket.nsp,
                        this.event,
                        &this.args,
                        this.options,
                    )?;
                    let id = id.ok_or(EmitError::TooManyAcks)?;
                    inner.waiters.add(id);
                    Ok(id)
                })?;
                this.id = Some(id);
                id
            }
        };
        let mut value = None;
        let read = &mut this.read;
        let polled = poll_answer(this.socket.shared, id, cx.waker(), &mut |args| {
            value = read.take().map(|read| read(args));
        });
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(done) => {
                this.id = None;
                Poll::Ready(match (done, value) {
                    (Ok(()), Some(value)) => value.map_err(AnswerError::Args),
                    (Err(error), _) => Err(error),
                    (Ok(()), None) => Err(AnswerError::Ack(AckError::Dropped { sent: true })),
                })
            }
        }
    }
}

/// The part that is the same for all types.
fn poll_answer<M: RawMutex>(
    shared: &Shared<M>,
    id: AckId,
    waker: &Waker,
    read: &mut dyn FnMut(Args<'_>),
) -> Poll<Result<(), AnswerError>> {
    shared.with(|inner| {
        let done = match inner.waiters.poll(id, waker) {
            Answer::Waiting => return Poll::Pending,
            Answer::Args(args) => {
                read(args);
                Ok(())
            }
            Answer::Failed(error) => Err(AnswerError::Ack(error)),
            Answer::NoRoom(bytes) => Err(AnswerError::NoRoom(bytes)),
        };
        inner.waiters.remove(id);
        Poll::Ready(done)
    })
}

impl<M: RawMutex, A, T, F> Drop for EmitWithAck<'_, M, A, T, F> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.socket.shared.command(|inner, _| {
                inner.core.cancel_ack(id);
                inner.waiters.remove(id);
            });
        }
    }
}
