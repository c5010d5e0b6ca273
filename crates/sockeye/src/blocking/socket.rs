//! The socket of a blocking client.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sockeye_core::EmitError;
use sockeye_core::packet::{EmitArgs, OwnedArgs};

use super::ack::{EmitWithAck, Volatile};
use super::namespace::NamespaceBuilder;
use super::streams::{Events, Notices};
use super::{wait, wait_for};
use crate::dispatch::handler::{Params, task_fn};
use crate::{
    CloseError, ConnectError, Disconnected, Event, Handler, HandlerId, Manager, Returns,
    StreamOptions, Transport,
};

/// A namespace on a connection to a Socket.IO server: a cheap clone of a handle, for any number of threads.
///
/// It is [`sockeye::Socket`](crate::Socket) for programs that wait by blocking: what is said there of the order of events,
/// of reconnections and of ending holds here too. What may wait forever has a variant with a limit.
///
/// A call that waits may stand in a handler: see [Waiting in handlers](crate::blocking#waiting-in-handlers).
///
/// # Ending it
/// [`close`](Self::close) sends what was emitted, leaves cleanly and waits for that: so a program should end. Dropping
/// the last handle does the same in the background, of which the end of `main` takes no notice.
#[derive(Clone)]
pub struct Socket {
    inner: crate::Socket,
}

/// The same namespace, for async code on any runtime; whoever drives the connection goes on doing so.
impl From<Socket> for crate::Socket {
    fn from(socket: Socket) -> Self {
        socket.inner
    }
}

/// The same namespace, for code that blocks. (In a task of tokio it must not: use `spawn_blocking` there.)
impl From<crate::Socket> for Socket {
    fn from(inner: crate::Socket) -> Self {
        Self { inner }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Socket {
    pub(super) const fn as_async(&self) -> &crate::Socket {
        &self.inner
    }

    // ---- state ----

    /// The id the server gave to this socket: [`sockeye::Socket::id`](crate::Socket::id).
    pub fn id(&self) -> Option<String> {
        self.inner.id()
    }

    /// Whether the namespace is joined.
    pub fn connected(&self) -> bool {
        self.inner.connected()
    }

    /// Whether the namespace is joined, or will be by itself: on the way, or waiting for a reconnection.
    pub fn active(&self) -> bool {
        self.inner.active()
    }

    /// Whether the server recovered the old session at the last join (connection state recovery).
    pub fn recovered(&self) -> bool {
        self.inner.recovered()
    }

    /// The name of the namespace; `/` for the main one.
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// The transport packets travel on; `None` while there is no connection.
    pub fn transport(&self) -> Option<Transport> {
        self.inner.transport()
    }

    /// The connection itself, which all its namespaces share.
    pub fn manager(&self) -> Manager {
        self.inner.manager()
    }

    /// A handle that keeps nothing alive: for handlers, which are part of the connection and would keep it for ever.
    pub fn downgrade(&self) -> WeakSocket {
        WeakSocket(self.inner.downgrade())
    }

    // ---- sending ----

    /// Emits an event. `args` is a tuple (`()`, `(1,)`, `("a", 2)`, …), a slice or a `Vec`; binary may stand at any depth.
    /// It never waits: see [`sockeye::Socket::emit`](crate::Socket::emit).
    ///
    /// # Errors
    /// [`EmitError::Full`] when the send buffer is at its limit: wait for [`room`](Self::room) and try again. The other
    /// variants tell what is wrong with the packet; nothing of it is sent.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.inner.emit(event, args)
    }

    /// Emits the event `message`, as `socket.send()` does in the official client.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send<A: EmitArgs>(&self, args: A) -> Result<(), EmitError> {
        self.inner.send(args)
    }

    /// An event that wants the server's answer, as a request: [`EmitWithAck::send`] sends it and waits.
    ///
    /// ```
    /// # use sockeye::AckError;
    /// # use sockeye::blocking::Socket;
    /// # use std::time::Duration;
    /// # fn f(socket: &Socket) -> Result<(), AckError> {
    /// let (ok,): (bool,) = socket.emit_with_ack("save", (1,)).timeout(Duration::from_secs(5)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn emit_with_ack<A: EmitArgs, Answer>(&self, event: &str, args: A) -> EmitWithAck<Answer> {
        EmitWithAck::new(self.inner.emit_with_ack(event, args))
    }

    /// Emits volatile packets: dropped if the connection cannot take them at once.
    pub const fn volatile(&self) -> Volatile<'_> {
        Volatile(self.inner.volatile())
    }

    /// Emits with compression, where it has been agreed on, or without: [`sockeye::Socket::compress`](crate::Socket::compress).
    #[cfg(feature = "deflate")]
    pub const fn compress(&self, on: bool) -> super::Compress<'_> {
        super::ack::Compress(self.inner.compress(on))
    }

    /// Waits until the send buffer has room: less than half of its limit is used.
    pub fn room(&self) {
        wait(self.inner.room());
    }

    /// As [`room`](Self::room), at most so long; whether there is room.
    pub fn room_for(&self, limit: Duration) -> bool {
        wait_for(self.inner.room(), limit).is_some()
    }

    /// Waits until everything that was emitted before, on any namespace of the connection, has been written to the
    /// network, or dropped. Packets for a namespace that is not joined are waited for too.
    pub fn flush(&self) {
        wait(self.inner.flush());
    }

    /// As [`flush`](Self::flush), at most so long; whether everything has been written.
    pub fn flush_for(&self, limit: Duration) -> bool {
        wait_for(self.inner.flush(), limit).is_some()
    }

    /// Drops what was emitted on this namespace and has not been sent. Acknowledgements that waited for it fail.
    pub fn clear_send_buffer(&self) {
        self.inner.clear_send_buffer();
    }

    // ---- connection ----

    /// Connects the namespace (again), and waits until it is joined: [`sockeye::Socket::connect`](crate::Socket::connect).
    ///
    /// # Errors
    /// The first attempt's failure; with [`wait_for_server`](super::ClientBuilder::wait_for_server), only what no further
    /// attempt can mend.
    pub fn connect(&self) -> Result<(), ConnectError> {
        wait(self.inner.connect())
    }

    /// Connects the namespace (again) in the background. It is tried until it is joined, as the reconnection policy
    /// says: trouble is told by [`on_connect_error`](Self::on_connect_error).
    pub fn connect_background(&self) {
        self.inner.connect_background();
    }

    /// Waits until the namespace is joined, whoever connects it. `false`: the connection has ended, so that it will never
    /// be.
    pub fn ready(&self) -> bool {
        wait(self.inner.ready())
    }

    /// As [`ready`](Self::ready), at most so long; whether it is joined.
    pub fn ready_for(&self, limit: Duration) -> bool {
        wait_for(self.inner.ready(), limit) == Some(true)
    }

    /// Leaves the namespace, after what was emitted before has been sent; there is no reconnection until
    /// [`connect`](Self::connect). It does not wait: [`close`](Self::close) does.
    pub fn disconnect(&self) {
        self.inner.disconnect();
    }

    /// Leaves the namespace cleanly, and with the last namespace the connection: waits until what was emitted before has
    /// been written, says goodbye, and waits until the goodbye is done. It takes at most
    /// [`close_timeout`](super::ClientBuilder::close_timeout), by default 5 s. This is how a program should end.
    ///
    /// # Errors
    /// Something could not be sent in time, or the namespace was never joined and is not on its way.
    pub fn close(self) -> Result<(), CloseError> {
        wait(self.inner.close())
    }

    /// Another namespace on the same connection: [`sockeye::Socket::namespace`](crate::Socket::namespace).
    pub fn namespace(&self, name: &str) -> NamespaceBuilder {
        NamespaceBuilder::new(self.inner.namespace(name))
    }

    /// Changes the `auth` payload: it counts from the next CONNECT on.
    ///
    /// # Errors
    /// It does not serialise to a JSON object.
    pub fn set_auth(&self, auth: impl Serialize) -> Result<(), ConnectError> {
        self.inner.set_auth(auth)
    }

    // ---- handlers ----

    /// Handles an event: see [`Handler`] for the functions it takes, and [`sockeye::Socket::on`](crate::Socket::on). It
    /// runs on the namespace's thread, and may wait there.
    pub fn on<P, R, M>(&self, event: &str, handler: impl Handler<P, Output = R>) -> HandlerId
    where
        P: Params,
        R: Returns<M>,
    {
        self.inner.on(event, handler)
    }

    /// As [`on`](Self::on), for the next event only.
    pub fn once<P, R, M>(&self, event: &str, handler: impl Handler<P, Output = R>) -> HandlerId
    where
        P: Params,
        R: Returns<M>,
    {
        self.inner.once(event, handler)
    }

    /// As [`on`](Self::on), for a handler that may overlap with itself and with later events: each call has a thread, at
    /// most `limit` at a time (at least 1). When so many are at work, the next event waits, and those behind it in the
    /// namespace.
    ///
    /// An answer that comes after the event may resolve while the handler is still at work.
    pub fn on_concurrent<P, R, M>(
        &self,
        event: &str,
        limit: usize,
        handler: impl Handler<P, Output = R>,
    ) -> HandlerId
    where
        P: Params + Send,
        R: Returns<M>,
    {
        let handlers = &self.inner.nsp().handlers;
        handlers.on_concurrent(event, limit, task_fn(handler))
    }

    /// Sees every event from the server, before its own handlers.
    pub fn on_any(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.inner.on_any(handler)
    }

    /// As [`on_any`](Self::on_any), before those registered so far.
    pub fn prepend_any(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.inner.prepend_any(handler)
    }

    /// Sees every event to the server when it is actually sent (not acknowledgements).
    pub fn on_any_outgoing(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.inner.on_any_outgoing(handler)
    }

    /// As [`on_any_outgoing`](Self::on_any_outgoing), before those registered so far.
    pub fn prepend_any_outgoing(
        &self,
        handler: impl Fn(&Event) + Send + Sync + 'static,
    ) -> HandlerId {
        self.inner.prepend_any_outgoing(handler)
    }

    /// Called each time the namespace has been joined. Inside it [`id`](Self::id) is the id of this join.
    pub fn on_connect<R, M>(&self, handler: impl Fn(Self) -> R + Send + Sync + 'static) -> HandlerId
    where
        R: Returns<M>,
    {
        self.inner.on_connect(move |socket| handler(socket.into()))
    }

    /// Called each time the namespace, which was joined, has been left.
    pub fn on_disconnect<R, M>(
        &self,
        handler: impl Fn(Self, Disconnected) -> R + Send + Sync + 'static,
    ) -> HandlerId
    where
        R: Returns<M>,
    {
        self.inner
            .on_disconnect(move |socket, why| handler(socket.into(), why))
    }

    /// Called each time an attempt to join has failed. [`ConnectError::active`] tells whether it is tried again.
    pub fn on_connect_error<R, M>(
        &self,
        handler: impl Fn(Self, ConnectError) -> R + Send + Sync + 'static,
    ) -> HandlerId
    where
        R: Returns<M>,
    {
        self.inner
            .on_connect_error(move |socket, error| handler(socket.into(), error))
    }

    /// Removes a handler of any kind; whether it was there. It is not called again.
    pub fn off(&self, handler: HandlerId) -> bool {
        self.inner.off(handler)
    }

    /// Removes all handlers of an event.
    pub fn off_event(&self, event: &str) {
        self.inner.off_event(event);
    }

    /// Removes all handlers and ends all streams of this namespace.
    pub fn off_all(&self) {
        self.inner.off_all();
    }

    /// Removes all handlers of [`on_any`](Self::on_any).
    pub fn off_any(&self) {
        self.inner.off_any();
    }

    /// Removes all handlers of [`on_any_outgoing`](Self::on_any_outgoing).
    pub fn off_any_outgoing(&self) {
        self.inner.off_any_outgoing();
    }

    /// Whether the event has a handler.
    pub fn has_handlers(&self, event: &str) -> bool {
        self.inner.has_handlers(event)
    }

    // ---- one after another ----

    /// The events of this namespace, one after another, from now on: [`sockeye::Socket::events`](crate::Socket::events).
    pub fn events(&self) -> Events {
        self.inner.events().into()
    }

    /// As [`events`](Self::events), with a capacity and a policy of your own.
    pub fn events_with(&self, options: StreamOptions) -> Events {
        self.inner.events_with(options).into()
    }

    /// The arguments of one event, decoded as the tuple `T`: [`sockeye::Socket::stream`](crate::Socket::stream).
    ///
    /// ```
    /// # use sockeye::blocking::Socket;
    /// # fn f(socket: &Socket) {
    /// for (title, readers) in socket.stream::<(String, u32)>("news") {
    ///     println!("{title}: {readers}");
    /// }
    /// # }
    /// ```
    pub fn stream<T>(&self, event: &str) -> Events<T>
    where
        T: for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.inner.stream(event).into()
    }

    /// As [`stream`](Self::stream), with a capacity and a policy of your own.
    pub fn stream_with<T>(&self, event: &str, options: StreamOptions) -> Events<T>
    where
        T: for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.inner.stream_with(event, options).into()
    }

    /// What happens to the connection, one after another, from now on:
    /// [`sockeye::Socket::notices`](crate::Socket::notices).
    pub fn notices(&self) -> Notices {
        self.inner.notices().into()
    }
}

/// A handle of a [`Socket`] that keeps neither the namespace nor the connection alive: for what handlers capture.
#[derive(Clone, Debug)]
pub struct WeakSocket(crate::WeakSocket);

impl WeakSocket {
    /// The socket; `None` once its last handle is gone.
    pub fn upgrade(&self) -> Option<Socket> {
        self.0.upgrade().map(Into::into)
    }
}
