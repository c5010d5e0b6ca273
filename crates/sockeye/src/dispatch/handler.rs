//! What may handle an event: functions of typed arguments, sync or async, that may answer or fail.

use std::any::TypeId;
use std::fmt;
use std::future::Future;

use sockeye_core::packet::{Args as ArgsRef, ArgsError, EmitArgs, OwnedArgs};

use crate::client::args::{Args, Event};
use crate::client::responder::Responder;
use crate::dispatch::guard::{BoxFuture, Outcome};

/// An event on its way to handlers.
pub(crate) struct Delivery<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: ArgsRef<'a>,
    pub(crate) responder: &'a Responder,
}

impl Delivery<'_> {
    pub(crate) fn to_event(&self) -> Event {
        Event {
            name: self.name.into(),
            args: Args::from_ref(&self.args),
            responder: self.responder.clone(),
        }
    }
}

/// What calling a handler came to.
#[doc(hidden)]
pub enum Settled {
    /// It is done, perhaps with an error for people.
    Now(Outcome),
    /// It has to be awaited.
    Later(BoxFuture),
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

pub(crate) type EventFn = dyn Fn(&Delivery<'_>) -> Result<Settled, ArgsError> + Send + Sync;

mod marker {
    //! How what a handler returns looks, so that one `on` takes all kinds.
    pub struct Now<M>(M);
    pub struct Later<M>(M);
    pub struct Answer;
    pub struct Fallible;
    pub struct Diverging;
}

/// A function that handles an event: sync or async, with typed arguments as a tuple (or [`Args`], or an own type that
/// is [`FromArgs`](crate::FromArgs)), and optionally a [`Responder`] as its second parameter.
///
/// It returns nothing, or its acknowledgement as a tuple (sent if the server asked for one), or a `Result` of either,
/// whose error becomes a [`Notice::HandlerFailed`](crate::Notice::HandlerFailed). An async one returns a future of the same.
///
/// ```
/// # use sockeye::{Responder, Socket, Args};
/// # fn f(socket: &Socket) {
/// socket.on("news", |(title, n): (String, u32)| println!("{title} {n}"));
/// socket.on("sum", |(a, b): (i64, i64)| (a + b,)); // the acknowledgement
/// socket.on("job", |(id,): (u64,), reply: Responder| async move {
///     // … work …
///     let _ = reply.ack((id, "done"));
/// });
/// socket.on("save", |(text,): (String,)| std::fs::write("news.txt", text)); // an error is told as a notice
/// socket.on("anything", |args: Args| println!("{}", args.json()));
/// # }
/// ```
///
/// What it cannot be does not compile. Every type among the arguments implements `serde::Deserialize`:
///
/// ```compile_fail,E0277
/// struct Reading { celsius: f32 }
/// # fn f(socket: &sockeye::Socket) {
/// socket.on("reading", |(reading,): (Reading,)| println!("{}", reading.celsius));
/// # }
/// ```
///
/// A single returned value is no acknowledgement; `(n,)` would be one:
///
/// ```compile_fail,E0277
/// # fn f(socket: &sockeye::Socket) {
/// socket.on("double", |(n,): (u32,)| 2 * n);
/// # }
/// ```
///
/// Arguments are owned, since async handlers keep them: `String`, not `&str` (the compiler says that the implementation
/// of [`OwnedArgs`] "is not general enough"; it takes no words of ours for an error about lifetimes):
///
/// ```compile_fail
/// # fn f(socket: &sockeye::Socket) {
/// socket.on("news", |(title,): (&str,)| println!("{title}"));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "this cannot handle an event",
    label = "a function of one or two parameters is expected",
    note = "a handler takes all its arguments as one tuple with types, `|(name, age): (String, u32)|`, and optionally a `Responder`: `|(name,): (String,), reply: Responder|`"
)]
pub trait Handler<P>: Send + Sync + 'static {
    /// What it returns: see [`Returns`].
    type Output;

    #[doc(hidden)]
    fn call(&self, params: P) -> Self::Output;
}

impl<H, A, R> Handler<(A,)> for H
where
    H: Fn(A) -> R + Send + Sync + 'static,
{
    type Output = R;

    fn call(&self, (args,): (A,)) -> R {
        self(args)
    }
}

impl<H, A, R> Handler<(A, Responder)> for H
where
    H: Fn(A, Responder) -> R + Send + Sync + 'static,
{
    type Output = R;

    fn call(&self, (args, reply): (A, Responder)) -> R {
        self(args, reply)
    }
}

/// The parameters of a [`Handler`]: its arguments, which are [`FromArgs`](crate::FromArgs), and optionally a [`Responder`].
pub trait Params: Sized + 'static {
    #[doc(hidden)]
    fn read(args: &ArgsRef<'_>, responder: &Responder) -> Result<Self, ArgsError>;
}

impl<A> Params for (A,)
where
    A: for<'a> OwnedArgs<'a> + 'static,
{
    fn read(args: &ArgsRef<'_>, _: &Responder) -> Result<Self, ArgsError> {
        Ok((args.parse()?,))
    }
}

impl<A> Params for (A, Responder)
where
    A: for<'a> OwnedArgs<'a> + 'static,
{
    fn read(args: &ArgsRef<'_>, responder: &Responder) -> Result<Self, ArgsError> {
        Ok((args.parse()?, responder.clone()))
    }
}

/// A handler without its types.
pub(crate) fn event_fn<P, R, M>(handler: impl Handler<P, Output = R>) -> Box<EventFn>
where
    P: Params,
    R: Returns<M>,
{
    Box::new(move |delivery| {
        let params = P::read(&delivery.args, delivery.responder)?;
        Ok(handler.call(params).settle(Some(delivery.responder)))
    })
}

/// As [`event_fn`], for a handler that runs as a task of its own, whether it is async or not.
#[cfg(feature = "blocking")]
pub(crate) fn task_fn<P, R, M>(handler: impl Handler<P, Output = R>) -> Box<EventFn>
where
    P: Params + Send,
    R: Returns<M>,
{
    let handler = std::sync::Arc::new(handler);
    Box::new(move |delivery| {
        let params = P::read(&delivery.args, delivery.responder)?;
        let handler = std::sync::Arc::clone(&handler);
        let responder = delivery.responder.clone();
        Ok(Settled::Later(Box::pin(async move {
            let settled = handler.call(params).settle(Some(&responder));
            match settled {
                Settled::Now(outcome) => outcome,
                Settled::Later(future) => future.await,
            }
        })))
    })
}

/// What a handler may return: a [`Returned`], or a future of one.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "this is returned",
    note = "a handler returns `()`, a tuple (the acknowledgement: `(value,)` for one value), or a `Result` of these; or it is async and its output is one of these"
)]
pub trait Returns<M>: Sized {
    #[doc(hidden)]
    fn settle(self, responder: Option<&Responder>) -> Settled;
}

/// What a handler may come to: nothing, its acknowledgement as a tuple, or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "a handler returns `()`, a tuple (the acknowledgement: `(value,)` for one value), or a `Result` of these"
)]
pub trait Returned<M>: Sized {
    /// Whether it may be an acknowledgement.
    #[doc(hidden)]
    fn answers() -> bool;
    #[doc(hidden)]
    fn finish(self, responder: Option<&Responder>) -> Outcome;
}

impl<V, M> Returns<marker::Now<M>> for V
where
    V: Returned<M>,
{
    fn settle(self, responder: Option<&Responder>) -> Settled {
        Settled::Now(self.finish(responder))
    }
}

impl<F, M> Returns<marker::Later<M>> for F
where
    F: Future + Send + 'static,
    F::Output: Returned<M>,
{
    fn settle(self, responder: Option<&Responder>) -> Settled {
        // A handler that returns nothing needs no way to answer beside its own.
        let responder = responder
            .filter(|responder| F::Output::answers() && responder.is_requested())
            .cloned();
        Settled::Later(Box::pin(async move {
            let value = self.await;
            value.finish(responder.as_ref())
        }))
    }
}

impl<A: EmitArgs + 'static> Returned<marker::Answer> for A {
    /// `()` is no acknowledgement: the handler may have answered by its [`Responder`], or does so later, or never.
    fn answers() -> bool {
        TypeId::of::<A>() != TypeId::of::<()>()
    }

    fn finish(self, responder: Option<&Responder>) -> Outcome {
        match responder.filter(|_| Self::answers()) {
            Some(responder) => responder.settle(self),
            None => Ok(()),
        }
    }
}

impl<A: EmitArgs + 'static, E: fmt::Display> Returned<marker::Fallible> for Result<A, E> {
    fn answers() -> bool {
        <A as Returned<marker::Answer>>::answers()
    }

    fn finish(self, responder: Option<&Responder>) -> Outcome {
        match self {
            Ok(answer) => answer.finish(responder),
            // (With its causes, where the error knows them: anyhow's do.)
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

/// The type `!` of functions that do not return, which has no name yet: `unimplemented!()` is a handler too.
#[doc(hidden)]
pub trait Output {
    type Of;
}

impl<R> Output for fn() -> R {
    type Of = R;
}

pub(crate) type Never = <fn() -> ! as Output>::Of;

impl Returned<marker::Diverging> for Never {
    fn answers() -> bool {
        false
    }

    fn finish(self, _: Option<&Responder>) -> Outcome {
        self
    }
}
