//! Events as types: sent and handled by what stands at the type, with the acknowledgement checked by the compiler.

use core::fmt;
use core::marker::PhantomData;

use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use sockeye_core::packet::{Acknowledged, Args, ArgsError, EmitArgs, NoAck, OwnedArgs, TypedEvent};
use sockeye_core::{AckRequest, EmitError, Event, Message};

use crate::ack::{EmitWithAck, parse_owned};
use crate::handler::{Chain, Entry, HandlerError, Handlers, failed};
use crate::socket::{Socket, Volatile};

/// The future of [`Socket::request`], which resolves to the acknowledgement of the type `E`.
pub type Request<'s, E, M = NoopRawMutex> = EmitWithAck<
    's,
    M,
    &'s E,
    <E as TypedEvent>::Ack,
    fn(Args<'_>) -> Result<<E as TypedEvent>::Ack, ArgsError>,
>;

/// # Typed events
impl<M: RawMutex> Socket<M> {
    /// Emits a typed event: as [`emit`](Self::emit), with the name and the arguments of the type. An acknowledgement that the
    /// event may have is not asked for: that is [`request`](Self::request).
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_event<E: TypedEvent + EmitArgs>(&self, event: &E) -> Result<(), EmitError> {
        self.emit(E::NAME, event)
    }

    /// Emits a typed event and waits for its acknowledgement: as [`emit_with_ack`](Self::emit_with_ack), with the name, the
    /// arguments and the acknowledgement of the type.
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use sockeye_embedded::{AnswerError, Event, Socket};
    ///
    /// #[derive(Event)]
    /// #[event(ack = (bool,))]
    /// struct Save<'a>(u32, &'a str);
    ///
    /// async fn save(socket: Socket) -> Result<bool, AnswerError> {
    ///     let (saved,) = socket.request(&Save(7, "text")).await?;
    ///     Ok(saved)
    /// }
    /// # }
    /// ```
    pub fn request<'s, E>(&self, event: &'s E) -> Request<'s, E, M>
    where
        E: Acknowledged<Ack: for<'a> OwnedArgs<'a>> + EmitArgs,
    {
        self.emit_with_ack_read(E::NAME, event, parse_owned::<E::Ack>)
    }
}

impl<M: RawMutex> Volatile<M> {
    /// As [`emit`](Self::emit), of a typed event.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_event<E: TypedEvent + EmitArgs>(&self, event: &E) -> Result<(), EmitError> {
        self.emit(E::NAME, event)
    }

    /// As [`Socket::request`]; if the packet is dropped, the future fails at once.
    pub fn request<'s, E>(&self, event: &'s E) -> Request<'s, E, M>
    where
        E: Acknowledged<Ack: for<'a> OwnedArgs<'a>> + EmitArgs,
    {
        let mut request = self.0.request(event);
        request.options.volatile = true;
        request
    }
}

impl<L> Handlers<L> {
    /// Calls `f` for every event of a type, of every namespace. It returns the event's acknowledgement, which is sent if
    /// the server asked for one (nothing, if the event has none), or a `Result` of it.
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use sockeye_embedded::{Event, Handler, Handlers};
    ///
    /// #[derive(Event)]
    /// #[event(ack = (bool,))]
    /// struct Led(bool);
    ///
    /// fn handlers() -> impl Handler {
    ///     Handlers::new().on_event(|_, Led(on): Led| {
    ///         // switch it
    ///         (on,)
    ///     })
    /// }
    /// # }
    /// ```
    ///
    /// What borrows from the receive buffer is read by name instead:
    /// `.on(News::NAME, |_, event| { let news: News<'_> = event.args.parse()?; … })`, or with [`Message::typed`].
    pub fn on_event<M, E, F, R, K>(self, f: F) -> Handlers<Entry<L, OnTyped<E, F, K>>>
    where
        M: RawMutex + 'static,
        E: TypedEvent + for<'a> OwnedArgs<'a>,
        F: FnMut(&Socket<M>, E) -> R,
        R: ReturnsAck<E::Ack, K>,
    {
        self.and(OnTyped(f, PhantomData))
    }

    /// As [`on_event`](Self::on_event), for a handler that answers by a [`Reply`]: at once, later, or not at all. It returns
    /// nothing, or a `Result` of that.
    pub fn on_event_reply<M, E, F, R, K>(self, f: F) -> Handlers<Entry<L, OnTypedReply<E, F, K>>>
    where
        M: RawMutex + 'static,
        E: TypedEvent + for<'a> OwnedArgs<'a>,
        F: FnMut(&Socket<M>, E, Reply<E, M>) -> R,
        R: ReturnsAck<NoAck, K>,
    {
        self.and(OnTypedReply(f, PhantomData))
    }
}

/// An entry for events of a type.
pub struct OnTyped<E, F, K>(F, PhantomData<fn() -> (E, K)>);
/// An entry for events of a type that are answered by a [`Reply`].
pub struct OnTypedReply<E, F, K>(F, PhantomData<fn() -> (E, K)>);

impl<E, F, K> fmt::Debug for OnTyped<E, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnTyped").finish_non_exhaustive()
    }
}

impl<E, F, K> fmt::Debug for OnTypedReply<E, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnTypedReply").finish_non_exhaustive()
    }
}

impl<M, E, F, R, K> Chain<M> for OnTyped<E, F, K>
where
    M: RawMutex + 'static,
    E: TypedEvent + for<'a> OwnedArgs<'a>,
    F: FnMut(&Socket<M>, E) -> R,
    R: ReturnsAck<E::Ack, K>,
{
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        if let Event::Message(message) = event
            && let Some(read) = message.typed::<E>()
        {
            let done = match read {
                Ok(typed) => (self.0)(socket, typed).settle_ack(socket, message),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = done {
                failed(E::NAME, &error);
            }
        }
    }
}

impl<M, E, F, R, K> Chain<M> for OnTypedReply<E, F, K>
where
    M: RawMutex + 'static,
    E: TypedEvent + for<'a> OwnedArgs<'a>,
    F: FnMut(&Socket<M>, E, Reply<E, M>) -> R,
    R: ReturnsAck<NoAck, K>,
{
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        if let Event::Message(message) = event
            && let Some(read) = message.typed::<E>()
        {
            let reply = Reply {
                socket: *socket,
                request: message.ack,
                event: PhantomData,
            };
            let done = match read {
                Ok(typed) => (self.0)(socket, typed, reply).settle_ack(socket, message),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = done {
                failed(E::NAME, &error);
            }
        }
    }
}

mod marker {
    //! How what a handler returns looks, so that one `on_event` takes all kinds.
    pub struct Nothing;
    pub struct Answer;
    pub struct Fallible<K>(K);
}

/// What a handler of [`Handlers::on_event`] may return, where the event is acknowledged with `Ack`: that, or a `Result` of it
/// with a [`HandlerError`]; nothing, where the event has no acknowledgement.
#[diagnostic::on_unimplemented(
    message = "a handler of this event cannot return `{Self}`",
    label = "this is returned, and the event is acknowledged with `{Ack}`",
    note = "a handler returns the event's acknowledgement (for `NoAck`: nothing), or a `Result` of it; one that answers later is registered by `on_event_reply`, and returns nothing"
)]
pub trait ReturnsAck<Ack, K>: Sized {
    #[doc(hidden)]
    fn settle_ack<M: RawMutex>(
        self,
        socket: &Socket<M>,
        event: &Message<'_>,
    ) -> Result<(), HandlerError>;
}

impl ReturnsAck<NoAck, marker::Nothing> for () {
    fn settle_ack<M: RawMutex>(self, _: &Socket<M>, _: &Message<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl<A: EmitArgs> ReturnsAck<A, marker::Answer> for A {
    fn settle_ack<M: RawMutex>(
        self,
        socket: &Socket<M>,
        event: &Message<'_>,
    ) -> Result<(), HandlerError> {
        Ok(socket.reply(event, self)?)
    }
}

impl<A, V: ReturnsAck<A, K>, K> ReturnsAck<A, marker::Fallible<K>> for Result<V, HandlerError> {
    fn settle_ack<M: RawMutex>(
        self,
        socket: &Socket<M>,
        event: &Message<'_>,
    ) -> Result<(), HandlerError> {
        self?.settle_ack(socket, event)
    }
}

/// Answers a typed event, now or later, in its handler or in another task: what [`Handlers::on_event_reply`] gives beside the
/// event.
pub struct Reply<E, M: RawMutex + 'static = NoopRawMutex> {
    socket: Socket<M>,
    request: Option<AckRequest>,
    event: PhantomData<fn() -> E>,
}

impl<E, M: RawMutex> Reply<E, M> {
    /// Whether the server asked for an answer.
    pub const fn is_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Answers the event with its acknowledgement. If the server did not ask, nothing is sent.
    ///
    /// # Errors
    /// As [`Socket::ack`].
    pub fn ack(self, ack: E::Ack) -> Result<(), EmitError>
    where
        E: TypedEvent<Ack: EmitArgs>,
    {
        let Some(request) = self.request else {
            return Ok(());
        };
        self.socket.ack(request, ack)
    }
}

impl<E, M: RawMutex> Clone for Reply<E, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, M: RawMutex> Copy for Reply<E, M> {}

impl<E, M: RawMutex> fmt::Debug for Reply<E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("socket", &self.socket)
            .field("request", &self.request)
            .finish()
    }
}
