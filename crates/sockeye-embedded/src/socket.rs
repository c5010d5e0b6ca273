//! Handles: what tasks hold.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use serde::Serialize;
use sockeye_core::packet::{Args, ArgsError, EmitArgs, OwnedArgs, encode_args_to_slice};
use sockeye_core::{
    AckId, AckRequest, EmitError, EmitOptions, Message, NamespaceError, NamespaceId, NspOptions,
    Reconnection, Transport,
};

use crate::ack::{EmitWithAck, parse_owned};
use crate::queue::Ticket;
use crate::shared::{Inner, Shared};

/// Longest `auth` payload that [`Socket::provide_auth_value`] writes, in bytes.
const AUTH_LEN: usize = 512;

/// A handle for one namespace: copy it to wherever it is needed. Its words are those of the official client.
///
/// `M` says where handles may be used. With `NoopRawMutex`, the default, all tasks run on the runner's executor, and
/// the compiler holds you to it. With `CriticalSectionRawMutex`, they may run anywhere, interrupt handlers and the
/// other core included; interrupts are then off while arguments are encoded and while a packet is parsed, but not while
/// your handlers run.
///
/// # Waiting
/// Any number of tasks may wait in [`ready`](Self::ready), [`room`](Self::room) and [`flush`](Self::flush) at one time. Eight of them are woken
/// straight; further ones wake one another, so a future of theirs that is kept without being polled holds up those that
/// began to wait before it.
///
/// # Cancel safety
/// Methods that are not `async` do all they do at once, without waiting: they have nothing to cancel. The futures of
/// [`ready`](Self::ready), [`room`](Self::room) and [`flush`](Self::flush) only watch; that of [`emit_with_ack`](Self::emit_with_ack) cancels
/// the acknowledgement when it is dropped. All may be dropped at any time.
pub struct Socket<M: RawMutex + 'static = NoopRawMutex> {
    pub(crate) shared: &'static Shared<M>,
    pub(crate) nsp: NamespaceId,
}

impl<M: RawMutex> Clone for Socket<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: RawMutex> Copy for Socket<M> {}

impl<M: RawMutex> PartialEq for Socket<M> {
    /// Whether both are the same namespace of the same client.
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.shared, other.shared) && self.nsp == other.nsp
    }
}

impl<M: RawMutex> Eq for Socket<M> {}

impl<M: RawMutex> fmt::Debug for Socket<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("nsp", &self.nsp)
            .finish_non_exhaustive()
    }
}

impl<M: RawMutex> Socket<M> {
    // ---- getters ----

    /// Whether the namespace is joined.
    pub fn connected(&self) -> bool {
        self.shared.with(|inner| inner.core.is_connected(self.nsp))
    }

    /// Whether the namespace is joined or will be, with this connection or the next.
    pub fn active(&self) -> bool {
        self.shared.with(|inner| inner.core.is_active(self.nsp))
    }

    /// Whether the server kept the old session at the last connect: same id, missed events delivered.
    #[cfg(feature = "recovery")]
    pub fn recovered(&self) -> bool {
        self.shared.with(|inner| inner.core.is_recovered(self.nsp))
    }

    /// Lends the id that the server gave this socket; `None` while it is not connected. `read` must not use the client.
    pub fn id<R>(&self, read: impl FnOnce(Option<&str>) -> R) -> R {
        self.shared.with(|inner| read(inner.core.id(self.nsp)))
    }

    /// Lends the name of the namespace. `read` must not use the client.
    pub fn name<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        self.shared.with(|inner| read(inner.core.name(self.nsp)))
    }

    /// The core's handle of the namespace, as events name it.
    pub const fn nsp(&self) -> NamespaceId {
        self.nsp
    }

    /// The transport in use; `None` without a connection.
    pub fn transport(&self) -> Option<Transport> {
        self.shared.with(|inner| inner.core.transport())
    }

    /// Packets of the whole client that wait for being written.
    pub fn send_queue_len(&self) -> usize {
        self.shared.with(|inner| inner.core.send_queue_len())
    }

    // ---- sending ----

    /// Emits an event; `args` is a tuple. It is encoded at once, straight into the send buffer. While the namespace is
    /// not connected it waits there, and is sent after the next connect.
    ///
    /// # Errors
    /// [`EmitError::Full`]: wait for [`room`](Self::room), or enlarge `TX` or `PACKETS`. Others as they say.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.emit_with(event, &args, EmitOptions::PLAIN).map(drop)
    }

    /// Emits the event `message`.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send<A: EmitArgs>(&self, args: A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Emits with options. With [`EmitOptions::ACK`] the answer goes to
    /// [`Handler::on_ack`](crate::Handler::on_ack) under the id that is returned, and is read there by borrow.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_with<A: EmitArgs + ?Sized>(
        &self,
        event: &str,
        args: &A,
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        self.shared
            .command(|inner, now| inner.core.emit(now, self.nsp, event, args, options))
    }

    /// Emits an event and waits for the answer, whose arguments become a tuple `T` of owned types:
    /// `let (ok,): (bool,) = socket.emit_with_ack("led", (true,)).timeout(limit).await?;`
    ///
    /// Nothing is sent before the future is first polled. Dropping it cancels: the answer is ignored then, and the
    /// packet is not sent if it has not been.
    pub fn emit_with_ack<'s, A: EmitArgs, T: for<'a> OwnedArgs<'a>>(
        &self,
        event: &'s str,
        args: A,
    ) -> EmitWithAck<'s, M, A, T, impl FnOnce(Args<'_>) -> Result<T, ArgsError> + use<M, A, T>>
    {
        self.emit_with_ack_read(event, args, parse_owned::<T>)
    }

    /// As [`emit_with_ack`](Self::emit_with_ack), with an answer that is read by borrow, where it lies. `read` runs at
    /// most once, and must not use the client.
    pub const fn emit_with_ack_read<'s, A, T, F>(
        &self,
        event: &'s str,
        args: A,
        read: F,
    ) -> EmitWithAck<'s, M, A, T, F>
    where
        A: EmitArgs,
        F: FnOnce(Args<'_>) -> Result<T, ArgsError>,
    {
        let options = EmitOptions::ACK;
        EmitWithAck {
            socket: *self,
            event,
            args,
            options,
            id: None,
            read: Some(read),
            result: PhantomData,
        }
    }

    /// What is emitted through this is dropped if it cannot be written at once.
    pub const fn volatile(&self) -> Volatile<M> {
        Volatile(*self)
    }

    /// Answers an event that asked for it, in its handler or later: [`Message::ack`] is the request.
    ///
    /// # Errors
    /// [`EmitError::Stale`] when the connection over which the event came is gone, else as [`emit`](Self::emit).
    pub fn ack<A: EmitArgs>(&self, request: AckRequest, args: A) -> Result<(), EmitError> {
        self.shared
            .command(|inner, now| inner.core.ack(now, request, &args))
    }

    /// Answers an event if it asked for an answer; else does nothing.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn reply<A: EmitArgs>(&self, event: &Message<'_>, args: A) -> Result<(), EmitError> {
        event.ack.map_or(Ok(()), |request| self.ack(request, args))
    }

    /// Drops every packet of the namespace that has not been sent; acknowledgements that wait for them fail.
    pub fn clear_send_buffer(&self) {
        self.shared.command(|inner, _| {
            inner.core.clear_send_buffer(self.nsp);
            inner.auths.has_room();
        });
    }

    // ---- connection ----

    /// Connects the namespace, after a disconnect or a refusal. Does nothing if it is connected or on the way.
    pub fn connect(&self) {
        self.shared.command(|inner, now| {
            inner.stop = false;
            inner.core.connect(now, self.nsp);
        });
    }

    /// Leaves the namespace. What was emitted before is still sent. The connection ends with its last namespace.
    pub fn disconnect(&self) {
        self.shared
            .command(|inner, now| inner.core.disconnect(now, self.nsp));
    }

    /// Drops the connection and makes a new one at once; a wait for reconnection ends now. Good after the network has
    /// come back.
    pub fn reconnect(&self) {
        self.shared.command(|inner, now| inner.core.reconnect(now));
    }

    /// Disconnects everything and has [`Runner::run`](crate::Runner::run) return when that is done, unless
    /// [`connect`](Self::connect) or [`namespace`](Self::namespace) is called meanwhile. What was emitted before on joined
    /// namespaces is still sent, and the connection ends in order: what to do before a deep sleep. It takes
    /// [`close_timeout`](crate::CoreConfig::close_timeout) and a second at most.
    pub fn stop(&self) {
        self.shared.command(|inner, now| {
            inner.core.disconnect_all(now);
            inner.stop = true;
        });
    }

    /// Another namespace on the same connection (the storage needs room: `NAMESPACES`), and connects it. The same name
    /// gives the same namespace.
    ///
    /// # Errors
    /// A name that cannot be sent, or no room.
    pub fn namespace(&self, name: &str) -> Result<Self, NamespaceError> {
        self.namespace_with(name, NspOptions::default())
    }

    /// As [`namespace`](Self::namespace), with options.
    ///
    /// # Errors
    /// As [`namespace`](Self::namespace).
    pub fn namespace_with(
        &self,
        name: &str,
        mut options: NspOptions,
    ) -> Result<Self, NamespaceError> {
        options.auth = true;
        self.shared.command(|inner, now| {
            let nsp = inner.core.namespace(name, options)?;
            inner.stop = false;
            inner.core.connect(now, nsp);
            Ok(Self {
                shared: self.shared,
                nsp,
            })
        })
    }

    /// Changes the reconnection policy.
    pub fn set_reconnection(&self, policy: Reconnection) {
        self.shared
            .command(|inner, _| *inner.core.reconnection_mut() = policy);
    }

    /// Gives the `auth` payload, a JSON object, after [`Handler::auth`](crate::Handler::auth) has said
    /// [`Auth::Later`](crate::Auth::Later). Out of turn it is ignored.
    ///
    /// # Errors
    /// [`EmitError::Full`]: it does not fit beside what waits in the send buffer. Nothing is to be done then:
    /// [`Handler::auth`](crate::Handler::auth) is called again when something has been sent, and the namespace connects
    /// with what is given then. [`EmitError::TooLarge`]: it can never fit. [`EmitError::Auth`]: it is not a JSON object.
    pub fn provide_auth(&self, json: &str) -> Result<(), EmitError> {
        self.shared.command(|inner, now| {
            let result = inner.core.provide_auth(now, self.nsp, json);
            inner.auths.note(self.nsp, &result);
            result
        })
    }

    /// As [`provide_auth`](Self::provide_auth), from a struct, up to 512 bytes of JSON.
    ///
    /// # Errors
    /// As [`provide_auth`](Self::provide_auth), and [`EmitError::Encode`].
    pub fn provide_auth_value<T: Serialize>(&self, auth: &T) -> Result<(), EmitError> {
        let mut buf = [0; AUTH_LEN];
        match encode_args_to_slice(None, &(auth,), &mut buf, &mut |_| Ok(())) {
            Ok((len, _)) => {
                // The array of one argument, without its brackets.
                let json = buf
                    .get(1..len.saturating_sub(1))
                    .and_then(|json| core::str::from_utf8(json).ok());
                self.provide_auth(json.unwrap_or(""))
            }
            Err(error) => {
                let result = Err(error.into());
                self.shared
                    .with(|inner| inner.auths.note(self.nsp, &result));
                result
            }
        }
    }

    /// Waits until the namespace is connected; for ever, if the server refuses it and nobody connects it again.
    pub fn ready(&self) -> impl Future<Output = ()> + use<M> {
        self.wait(|inner, nsp| inner.core.is_connected(nsp))
    }

    /// Waits until the send buffer has room: until at least half of its bytes and of its places are free.
    ///
    /// ```
    /// # use sockeye_embedded::{EmitError, Socket};
    /// # async fn f(socket: Socket, chunk: u32) -> Result<(), EmitError> {
    /// while let Err(EmitError::Full) = socket.emit("chunk", (chunk,)) {
    ///     socket.room().await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn room(&self) -> impl Future<Output = ()> + use<M> {
        self.wait(|inner, _| inner.has_room())
    }

    /// Waits until everything that was emitted, on any namespace, has left the device, or has been dropped. Packets for a
    /// namespace that is not joined are waited for too.
    ///
    /// How far that goes, [`Connection::sent`](crate::Connection::sent) says: with
    /// `net::EmbassyNet` until the other side's TCP has confirmed the bytes. Nothing else is written
    /// while that is waited for.
    pub fn flush(&self) -> impl Future<Output = ()> + use<M> {
        self.wait(|inner, _| inner.is_flushed())
    }

    const fn wait(&self, done: fn(&mut Inner, NamespaceId) -> bool) -> Wait<M> {
        Wait {
            socket: *self,
            done,
            ticket: Ticket::NEW,
        }
    }
}

/// Waits until something is so.
struct Wait<M: RawMutex + 'static> {
    socket: Socket<M>,
    done: fn(&mut Inner, NamespaceId) -> bool,
    ticket: Ticket,
}

impl<M: RawMutex> Future for Wait<M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            socket,
            done,
            ticket,
        } = &mut *self;
        socket.shared.with(|inner| {
            if done(inner, socket.nsp) {
                inner.tasks.leave(ticket);
                return Poll::Ready(());
            }
            inner.tasks.wait(ticket, cx.waker());
            Poll::Pending
        })
    }
}

impl<M: RawMutex> Drop for Wait<M> {
    fn drop(&mut self) {
        let Self { socket, ticket, .. } = self;
        socket.shared.with(|inner| inner.tasks.leave(ticket));
    }
}

/// Emits what is dropped if it cannot be written at once: see [`Socket::volatile`].
#[derive(Debug)]
pub struct Volatile<M: RawMutex + 'static = NoopRawMutex>(pub(crate) Socket<M>);

impl<M: RawMutex> Volatile<M> {
    /// Emits an event now or never.
    ///
    /// # Errors
    /// [`EmitError::NotWritable`] if it was dropped, else as [`Socket::emit`].
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.0
            .emit_with(event, &args, EmitOptions::VOLATILE)
            .map(drop)
    }

    /// As [`Socket::emit_with_ack`]; if the packet is dropped, the future fails at once.
    pub fn emit_with_ack<'s, A: EmitArgs, T: for<'a> OwnedArgs<'a>>(
        &self,
        event: &'s str,
        args: A,
    ) -> EmitWithAck<'s, M, A, T, impl FnOnce(Args<'_>) -> Result<T, ArgsError> + use<M, A, T>>
    {
        let mut ack = self.0.emit_with_ack(event, args);
        ack.options.volatile = true;
        ack
    }
}
