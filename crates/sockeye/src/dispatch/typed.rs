//! What may handle a typed event: functions of the event, sync or async, whose answer is of the event's type.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use sockeye_core::EmitError;
use sockeye_core::packet::{Args as ArgsRef, ArgsError, EmitArgs, NoAck, OwnedArgs, TypedEvent};

use crate::Socket;
use crate::client::responder::Responder;
use crate::dispatch::guard::Outcome;
use crate::dispatch::handler::{EventFn, Never, Settled};

/// A function that handles a [`TypedEvent`]: sync or async, of the event alone, or of the event and a [`Reply`] (or an untyped
/// [`Responder`]).
///
/// Of the event alone it returns the event's acknowledgement, which is sent if the server asked for one; or, if the event has
/// none, nothing. With a [`Reply`] it returns nothing, and answers by that: now, later, or not at all. Either may be in a
/// `Result`, whose error becomes a [`Notice::HandlerFailed`](crate::Notice::HandlerFailed). An async one returns a future
/// of the same.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use serde::Deserialize;
/// use sockeye::{Event, Reply, Socket};
///
/// #[derive(Event, Deserialize)]
/// struct News { title: String }
///
/// #[derive(Event)]
/// #[event(ack = (i64,))]
/// struct Sum(i64, i64);
///
/// fn listen(socket: &Socket) {
///     socket.on_event(|news: News| println!("{}", news.title));
///     socket.on_event(|Sum(a, b)| (a + b,)); // the acknowledgement
///     socket.on_event(|Sum(a, b), reply: Reply<Sum>| async move {
///         // … work …
///         let _ = reply.ack((a + b,));
///     });
/// }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "this cannot handle a typed event",
    label = "a function of one or two parameters is expected",
    note = "a handler takes the event, `|led: Led|`, and optionally a `Reply` of it: `|led: Led, reply: Reply<Led>|`"
)]
pub trait EventHandler<P>: Send + Sync + 'static {
    /// What it returns: see [`ReturnsAck`].
    type Output;

    #[doc(hidden)]
    fn call_event(&self, params: P) -> Self::Output;
}

impl<H, E, R> EventHandler<(E,)> for H
where
    H: Fn(E) -> R + Send + Sync + 'static,
{
    type Output = R;

    fn call_event(&self, (event,): (E,)) -> R {
        self(event)
    }
}

impl<H, E, R> EventHandler<(E, Responder)> for H
where
    H: Fn(E, Responder) -> R + Send + Sync + 'static,
{
    type Output = R;

    fn call_event(&self, (event, responder): (E, Responder)) -> R {
        self(event, responder)
    }
}

impl<H, E, R> EventHandler<(E, Reply<E>)> for H
where
    H: Fn(E, Reply<E>) -> R + Send + Sync + 'static,
{
    type Output = R;

    fn call_event(&self, (event, reply): (E, Reply<E>)) -> R {
        self(event, reply)
    }
}

/// The parameters of an [`EventHandler`]: a [`TypedEvent`] that is [`OwnedArgs`], and optionally a [`Reply`].
pub trait EventParams: Sized + 'static {
    /// The event.
    type Event: TypedEvent;
    /// What the handler has to return: the event's acknowledgement, or [`NoAck`] where it has another way to answer.
    type Ack;

    #[doc(hidden)]
    fn read(args: &ArgsRef<'_>, responder: &Responder) -> Result<Self, ArgsError>;
}

impl<E> EventParams for (E,)
where
    E: TypedEvent + for<'a> OwnedArgs<'a> + 'static,
{
    type Event = E;
    type Ack = E::Ack;

    fn read(args: &ArgsRef<'_>, _: &Responder) -> Result<Self, ArgsError> {
        Ok((args.parse()?,))
    }
}

impl<E> EventParams for (E, Responder)
where
    E: TypedEvent + for<'a> OwnedArgs<'a> + 'static,
{
    type Event = E;
    type Ack = NoAck;

    fn read(args: &ArgsRef<'_>, responder: &Responder) -> Result<Self, ArgsError> {
        Ok((args.parse()?, responder.clone()))
    }
}

impl<E> EventParams for (E, Reply<E>)
where
    E: TypedEvent + for<'a> OwnedArgs<'a> + 'static,
{
    type Event = E;
    type Ack = NoAck;

    fn read(args: &ArgsRef<'_>, responder: &Responder) -> Result<Self, ArgsError> {
        Ok((args.parse()?, Reply::new(responder.clone())))
    }
}

mod marker {
    //! How what a handler returns looks, so that one `on_event` takes all kinds.
    pub struct Now<M>(M);
    pub struct Later<M>(M);
    pub struct Nothing;
    pub struct Answer;
    pub struct Fallible<M>(M);
    pub struct Diverging;
}

/// What a handler of a typed event may return, where the event is acknowledged with `Ack`: an [`AckOutcome`], or a future of
/// one.
#[diagnostic::on_unimplemented(
    message = "a handler of this event cannot return `{Self}`",
    label = "this is returned, and the event is acknowledged with `{Ack}`",
    note = "a handler of the event alone returns the event's acknowledgement (for `NoAck`: nothing), a `Result` of it, or a future of these; one that answers later takes a `Reply` beside the event, and returns nothing"
)]
pub trait ReturnsAck<Ack, M>: Sized {
    #[doc(hidden)]
    fn settle_ack(self, responder: &Responder) -> Settled;
}

/// What a handler of a typed event may come to: its acknowledgement `Ack`, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a handler of this event cannot return `{Self}`",
    label = "this is returned, and the event is acknowledged with `{Ack}`",
    note = "a handler of the event alone returns the event's acknowledgement (for `NoAck`: nothing), or a `Result` of it; one that answers later takes a `Reply` beside the event, and returns nothing"
)]
pub trait AckOutcome<Ack, M>: Sized {
    #[doc(hidden)]
    fn answers() -> bool;
    #[doc(hidden)]
    fn finish_ack(self, responder: Option<&Responder>) -> Outcome;
}

impl<A, V, M> ReturnsAck<A, marker::Now<M>> for V
where
    V: AckOutcome<A, M>,
{
    fn settle_ack(self, responder: &Responder) -> Settled {
        Settled::Now(self.finish_ack(Some(responder)))
    }
}

impl<A, F, M> ReturnsAck<A, marker::Later<M>> for F
where
    F: Future + Send + 'static,
    F::Output: AckOutcome<A, M>,
{
    fn settle_ack(self, responder: &Responder) -> Settled {
        let wanted = F::Output::answers() && responder.is_requested();
        let responder = wanted.then(|| responder.clone());
        Settled::Later(Box::pin(async move {
            let value = self.await;
            value.finish_ack(responder.as_ref())
        }))
    }
}

impl AckOutcome<NoAck, marker::Nothing> for () {
    fn answers() -> bool {
        false
    }

    fn finish_ack(self, _: Option<&Responder>) -> Outcome {
        Ok(())
    }
}

impl<A: EmitArgs> AckOutcome<A, marker::Answer> for A {
    fn answers() -> bool {
        true
    }

    fn finish_ack(self, responder: Option<&Responder>) -> Outcome {
        responder.map_or(Ok(()), |responder| responder.settle(self))
    }
}

impl<A, V, M, E> AckOutcome<A, marker::Fallible<M>> for Result<V, E>
where
    V: AckOutcome<A, M>,
    E: fmt::Display,
{
    fn answers() -> bool {
        V::answers()
    }

    fn finish_ack(self, responder: Option<&Responder>) -> Outcome {
        match self {
            Ok(value) => value.finish_ack(responder),
            // (With its causes, where the error knows them: anyhow's do.)
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

impl<A> AckOutcome<A, marker::Diverging> for Never {
    fn answers() -> bool {
        false
    }

    fn finish_ack(self, _: Option<&Responder>) -> Outcome {
        self
    }
}

/// A handler without its types.
pub(crate) fn event_fn<P, R, M>(handler: impl EventHandler<P, Output = R>) -> Box<EventFn>
where
    P: EventParams,
    R: ReturnsAck<P::Ack, M>,
{
    Box::new(move |delivery| {
        let params = P::read(&delivery.args, delivery.responder)?;
        Ok(handler.call_event(params).settle_ack(delivery.responder))
    })
}

/// As [`event_fn`], for a handler that runs as a task of its own, whether it is async or not.
#[cfg(feature = "blocking")]
pub(crate) fn task_fn<P, R, M>(handler: impl EventHandler<P, Output = R>) -> Box<EventFn>
where
    P: EventParams + Send,
    R: ReturnsAck<P::Ack, M>,
{
    let handler = std::sync::Arc::new(handler);
    Box::new(move |delivery| {
        let params = P::read(&delivery.args, delivery.responder)?;
        let handler = std::sync::Arc::clone(&handler);
        let responder = delivery.responder.clone();
        Ok(Settled::Later(Box::pin(async move {
            let settled = handler.call_event(params).settle_ack(&responder);
            match settled {
                Settled::Now(outcome) => outcome,
                Settled::Later(future) => future.await,
            }
        })))
    })
}

/// Answers a typed event, now or later: what its handler gets beside the event. A [`Responder`] that knows the type of the
/// acknowledgement.
///
/// It does not keep the connection alive.
pub struct Reply<E> {
    responder: Responder,
    event: PhantomData<fn() -> E>,
}

impl<E> Reply<E> {
    pub(crate) const fn new(responder: Responder) -> Self {
        Self {
            responder,
            event: PhantomData,
        }
    }

    /// Whether the server asked for an answer.
    pub const fn is_requested(&self) -> bool {
        self.responder.is_requested()
    }

    /// Answers the event with its acknowledgement. If the server did not ask, nothing is sent.
    ///
    /// # Errors
    /// As [`Responder::ack`].
    pub fn ack(self, ack: E::Ack) -> Result<(), EmitError>
    where
        E: TypedEvent<Ack: EmitArgs>,
    {
        self.responder.ack(ack)
    }

    /// Whether the event has been answered, by this or by another answer to the same event.
    pub fn is_answered(&self) -> bool {
        self.responder.is_answered()
    }

    /// The ack id on the wire, if the server asked for an answer.
    pub fn ack_id(&self) -> Option<u64> {
        self.responder.ack_id()
    }

    /// The socket the event came to: see [`Responder::socket`].
    pub fn socket(&self) -> Option<Socket> {
        self.responder.socket()
    }

    /// As [`socket`](Self::socket), for handlers of a blocking client.
    #[cfg(feature = "blocking")]
    pub fn blocking_socket(&self) -> Option<crate::blocking::Socket> {
        self.responder.blocking_socket()
    }
}

impl<E> Clone for Reply<E> {
    fn clone(&self) -> Self {
        Self::new(self.responder.clone())
    }
}

impl<E> fmt::Debug for Reply<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.responder).finish()
    }
}

/// The answer without its type.
impl<E> From<Reply<E>> for Responder {
    fn from(reply: Reply<E>) -> Self {
        reply.responder
    }
}
