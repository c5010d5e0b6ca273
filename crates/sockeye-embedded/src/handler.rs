//! Where events go.

use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use sockeye_core::packet::{Args, ArgsError};
use sockeye_core::{
    AckError, AckId, Details, DisconnectReason, EmitError, Event, Message, Refusal,
};

use crate::fmt::say;
use crate::socket::Socket;

/// What a client tells the application. Events are lent: they lie in the receive buffer, and are gone when the method
/// returns. Meanwhile the handler may use the socket as it likes: emit, answer, disconnect.
///
/// The methods are not `async`, because nothing is received while one runs: hand lengthy work to another task (an
/// `embassy_sync` channel or signal). An answer can be given later: [`Message::ack`] can be kept.
///
/// There are three ways to get one: implement it for a type of yours; put one together by [`Handlers`]; or pass a
/// closure `|socket: &Socket, event: &Event<'_>|`, which gets everything.
pub trait Handler<M: RawMutex + 'static = NoopRawMutex> {
    /// An event from the server.
    fn on_event(&mut self, socket: &Socket<M>, event: &Message<'_>) {
        let _ = (socket, event);
    }

    /// The namespace of `socket` has been joined. `recovered`: the server kept the old session (its rooms, its id), and
    /// has sent what was missed.
    fn on_connect(&mut self, socket: &Socket<M>, recovered: bool) {
        let _ = (socket, recovered);
    }

    /// The namespace of `socket`, which was joined, is no longer. Unless it was one side's wish
    /// ([`DisconnectReason::reconnects`]), the client connects again by itself.
    fn on_disconnect(
        &mut self,
        socket: &Socket<M>,
        reason: DisconnectReason,
        details: &Details<'_>,
    ) {
        let _ = (socket, reason, details);
    }

    /// The server refused the namespace. It is not tried again before [`Socket::connect`].
    fn on_connect_error(&mut self, socket: &Socket<M>, error: &Refusal<'_>) {
        let _ = (socket, error);
    }

    /// The answer to an [`emit_with`](Socket::emit_with), or why there is none.
    fn on_ack(&mut self, socket: &Socket<M>, id: AckId, answer: &Result<Args<'_>, AckError>) {
        let _ = (socket, id, answer);
    }

    /// Everything else: the state of the connection ([`Event::Opened`], [`Event::Upgraded`], [`Event::Closed`],
    /// [`Event::Reconnecting`] with its delay, [`Event::ReconnectAttempt`], [`Event::Reconnected`],
    /// [`Event::ReconnectFailed`], [`Event::Ping`]), and what has been lost: [`Event::MessageTooLarge`], a message that was
    /// too large to receive; [`Event::Unsent`], a packet that was accepted and given up; [`Event::Dropped`], events that gave
    /// way to newer ones while the namespace was not joined (feature `offline`).
    fn on_manager(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        let _ = (socket, event);
    }

    /// The `auth` payload for a CONNECT of this namespace. Asked anew every time, so that a token can be fresh; and again
    /// when the payload found no room beside what waits in the send buffer, as soon as something has been sent. What can
    /// never be sent is told by [`on_connect_error`](Self::on_connect_error).
    fn auth(&mut self, socket: &Socket<M>) -> Auth<'_> {
        let _ = socket;
        Auth::None
    }

    /// All of the above but `auth` in one place: calls the other methods unless you implement it yourself.
    fn handle(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        match event {
            Event::Message(message) => self.on_event(socket, message),
            Event::Connected { recovered, .. } => self.on_connect(socket, *recovered),
            Event::Disconnected {
                reason, details, ..
            } => self.on_disconnect(socket, *reason, details),
            Event::ConnectError(refusal) => self.on_connect_error(socket, refusal),
            Event::Ack { id, result } => self.on_ack(socket, *id, result),
            event => self.on_manager(socket, event),
        }
    }
}

/// A closure gets everything, also [`Event::Auth`], which it may answer at once by [`Socket::provide_auth`].
impl<M: RawMutex + 'static, F: FnMut(&Socket<M>, &Event<'_>)> Handler<M> for F {
    fn handle(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        self(socket, event);
    }

    fn auth(&mut self, socket: &Socket<M>) -> Auth<'_> {
        self(socket, &Event::Auth(socket.nsp()));
        Auth::None
    }
}

/// The `auth` payload of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth<'h> {
    /// None, or it has been given already by [`Socket::provide_auth`] or [`Socket::provide_auth_value`]. (If what was given
    /// was not taken, the namespace does not connect without it.)
    None,
    /// A JSON object.
    Json(&'h str),
    /// It comes later by [`Socket::provide_auth`]; until then the namespace does not connect.
    Later,
}

/// Why a handler of [`Handlers::on`] failed. It is logged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HandlerError {
    /// The arguments were not as expected.
    Args(ArgsError),
    /// What it wanted to send was not accepted.
    Emit(EmitError),
}

impl core::fmt::Display for HandlerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Args(error) => error.fmt(f),
            Self::Emit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HandlerError {}

impl From<ArgsError> for HandlerError {
    fn from(error: ArgsError) -> Self {
        Self::Args(error)
    }
}

impl From<EmitError> for HandlerError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// A handler put together from closures, one for each event: a table that the compiler lays out, without a heap.
///
/// ```
/// use sockeye_embedded::{Handler, Handlers};
///
/// fn handlers() -> impl Handler {
///     Handlers::new()
///         .on("led", |socket, event| {
///             let (on,): (bool,) = event.args.parse()?;
///             // switch it, then answer
///             Ok(socket.reply(event, (on,))?)
///         })
///         .on_connect(|socket, recovered| { let _ = (socket, recovered); })
/// }
/// ```
/// An event may have several entries: they are called in the order in which they were added. What no entry wants is
/// dropped; a failed entry (arguments of another type, a full send buffer) is logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handlers<L = ()>(L);

impl Handlers {
    /// An empty table.
    pub const fn new() -> Self {
        Self(())
    }
}

/// An entry behind `first`, for one kind of event.
#[derive(Clone, Copy, Debug)]
pub struct Entry<L, F> {
    first: L,
    then: F,
}

/// An entry for events of a name.
#[derive(Clone, Copy, Debug)]
pub struct OnEvent<F>(&'static str, F);
/// An entry for connects.
#[derive(Clone, Copy, Debug)]
pub struct OnConnect<F>(F);
/// An entry for disconnects.
#[derive(Clone, Copy, Debug)]
pub struct OnDisconnect<F>(F);
/// An entry for refused connects.
#[derive(Clone, Copy, Debug)]
pub struct OnConnectError<F>(F);
/// An entry for everything.
#[derive(Clone, Copy, Debug)]
pub struct OnAny<F>(F);

/// The chain of entries behind [`Handlers`].
#[doc(hidden)]
pub trait Chain<M: RawMutex + 'static> {
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>);
}

impl<M: RawMutex + 'static> Chain<M> for () {
    fn call(&mut self, _: &Socket<M>, _: &Event<'_>) {}
}

impl<M: RawMutex + 'static, L: Chain<M>, F: Chain<M>> Chain<M> for Entry<L, F> {
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        self.first.call(socket, event);
        self.then.call(socket, event);
    }
}

impl<M, F> Chain<M> for OnEvent<F>
where
    M: RawMutex + 'static,
    F: FnMut(&Socket<M>, &Message<'_>) -> Result<(), HandlerError>,
{
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        if let Event::Message(message) = event
            && message.name == self.0
            && let Err(error) = (self.1)(socket, message)
        {
            failed(self.0, &error);
        }
    }
}

#[cold]
pub(crate) fn failed(event: &str, error: &HandlerError) {
    say!(warn, "the handler of {} failed: {}", event, error);
}

impl<M: RawMutex + 'static, F: FnMut(&Socket<M>, bool)> Chain<M> for OnConnect<F> {
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        if let Event::Connected { recovered, .. } = event {
            (self.0)(socket, *recovered);
        }
    }
}

impl<M: RawMutex + 'static, F: FnMut(&Socket<M>, DisconnectReason, &Details<'_>)> Chain<M>
    for OnDisconnect<F>
{
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        if let Event::Disconnected {
            reason, details, ..
        } = event
        {
            (self.0)(socket, *reason, details);
        }
    }
}

impl<M: RawMutex + 'static, F: FnMut(&Socket<M>, &Refusal<'_>)> Chain<M> for OnConnectError<F> {
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        if let Event::ConnectError(refusal) = event {
            (self.0)(socket, refusal);
        }
    }
}

impl<M: RawMutex + 'static, F: FnMut(&Socket<M>, &Event<'_>)> Chain<M> for OnAny<F> {
    fn call(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        (self.0)(socket, event);
    }
}

impl<L> Handlers<L> {
    pub(crate) fn and<F>(self, then: F) -> Handlers<Entry<L, F>> {
        Handlers(Entry {
            first: self.0,
            then,
        })
    }

    /// Calls `f` for every event called `name`, of every namespace (compare the socket to tell them apart).
    pub fn on<M, F>(self, name: &'static str, f: F) -> Handlers<Entry<L, OnEvent<F>>>
    where
        M: RawMutex + 'static,
        F: FnMut(&Socket<M>, &Message<'_>) -> Result<(), HandlerError>,
    {
        self.and(OnEvent(name, f))
    }

    /// Calls `f` when a namespace has been joined; the flag says whether the session was recovered.
    pub fn on_connect<M, F>(self, f: F) -> Handlers<Entry<L, OnConnect<F>>>
    where
        M: RawMutex + 'static,
        F: FnMut(&Socket<M>, bool),
    {
        self.and(OnConnect(f))
    }

    /// Calls `f` when a namespace has been left or lost.
    pub fn on_disconnect<M, F>(self, f: F) -> Handlers<Entry<L, OnDisconnect<F>>>
    where
        M: RawMutex + 'static,
        F: FnMut(&Socket<M>, DisconnectReason, &Details<'_>),
    {
        self.and(OnDisconnect(f))
    }

    /// Calls `f` when the server refused a namespace.
    pub fn on_connect_error<M, F>(self, f: F) -> Handlers<Entry<L, OnConnectError<F>>>
    where
        M: RawMutex + 'static,
        F: FnMut(&Socket<M>, &Refusal<'_>),
    {
        self.and(OnConnectError(f))
    }

    /// Calls `f` for everything: every event of every kind, also [`Event::Auth`], which it may answer at once by
    /// [`Socket::provide_auth`].
    pub fn on_any<M, F>(self, f: F) -> Handlers<Entry<L, OnAny<F>>>
    where
        M: RawMutex + 'static,
        F: FnMut(&Socket<M>, &Event<'_>),
    {
        self.and(OnAny(f))
    }
}

impl<M: RawMutex + 'static, L: Chain<M>> Handler<M> for Handlers<L> {
    fn handle(&mut self, socket: &Socket<M>, event: &Event<'_>) {
        self.0.call(socket, event);
    }

    fn auth(&mut self, socket: &Socket<M>) -> Auth<'_> {
        self.0.call(socket, &Event::Auth(socket.nsp()));
        Auth::None
    }
}
