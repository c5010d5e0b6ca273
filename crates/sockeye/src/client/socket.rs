//! The socket: what applications hold.

use std::fmt;
use std::sync::{Arc, Weak};

use serde::Serialize;
use sockeye_core::EmitError;
use sockeye_core::packet::EmitArgs;

use crate::Transport;
use crate::client::ack::EmitWithAck;
use crate::client::error::ConnectError;
use crate::client::manager::Manager;
use crate::client::namespace::{NamespaceBuilder, Wanted};
use crate::client::options::{AuthSource, nsp_options};
use crate::client::volatile::Volatile;
use crate::dispatch::guard::told_id;
use crate::inbox::{Command, Encoded, Head, NspShared, Shared, encode, lock};
use crate::namespace::Status;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::waiters::ConnectCall;

/// A namespace on a connection to a Socket.IO server: a cheap clone of a handle.
///
/// # Order
/// The events, answers and notices of a namespace reach the program in the order in which they arrived. An answer (of
/// [`emit_with_ack`](Self::emit_with_ack), or of [`connect`](Self::connect)) resolves after the handlers of all earlier
/// events have been called, and awaited if they are async; notices (`on_connect`, `on_disconnect`, …) wait in the same
/// way. Two things may be overtaken, since a program could otherwise wait for itself:
/// - While an async handler is pending, answers pass: a handler may await one. (A sync handler must not block its thread
///   for one.)
/// - While a stream with [`Overflow::Wait`](crate::Overflow::Wait) is full, answers and notices pass: a stream that
///   nobody reads does not keep `disconnect` from being told.
///
/// Namespaces do not wait for each other.
///
/// # Ending it
/// [`close`](Self::close) sends what was emitted, leaves cleanly and waits for that: so a program should end. Dropping
/// the last handle of a namespace leaves it in the background, once what was emitted on it has been sent (its handlers
/// are called until then); what cannot be, because the namespace is not to be joined, is dropped, and the connection's
/// listeners are told, event for event ([`Manager::on_error`](crate::Manager::on_error), and
/// [`Notice::Unsent`](crate::Notice::Unsent) in [`Manager::notices`](crate::Manager::notices)); dropping the last handle of all closes the connection
/// in the background, and ends its tasks, after what was emitted has been sent: a namespace that is on its way is waited
/// for as long as [`close_timeout`](crate::ClientBuilder::close_timeout) says. Nothing waits for all that: what is unsent when `main` returns
/// is lost.
///
/// Handlers should not capture a `Socket` of their own connection (it would keep it alive for
/// ever): they get one from [`Responder::socket`](crate::Responder::socket), or capture a [`WeakSocket`](crate::WeakSocket).
pub struct Socket {
    shared: Arc<Shared>,
    nsp: Arc<NspShared>,
}

impl Clone for Socket {
    fn clone(&self) -> Self {
        Self::counted(Arc::clone(&self.shared), Arc::clone(&self.nsp))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The connection's first: the driver, which is told of the namespace's end, has to see then whether others go on, or
        // the connection ends with it.
        let last = uncount(&self.shared);
        if self.nsp.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.command(Command::Forget {
                nsp: self.nsp.index,
            });
        }
        if last {
            self.shared.waker.wake();
        }
    }
}

/// One handle of the connection less; whether it was the last. The driver looks for that when it is woken.
fn uncount(shared: &Shared) -> bool {
    shared.handles.fetch_sub(1, Ordering::AcqRel) == 1
}

impl Socket {
    fn counted(shared: Arc<Shared>, nsp: Arc<NspShared>) -> Self {
        nsp.handles.fetch_add(1, Ordering::AcqRel);
        shared.handles.fetch_add(1, Ordering::AcqRel);
        Self { shared, nsp }
    }

    /// A handle, unless the last one is gone already.
    pub(crate) fn upgrade(shared: &Weak<Shared>, nsp: &Arc<NspShared>) -> Option<Self> {
        let shared = shared.upgrade()?;
        let alive = |count: &AtomicUsize| {
            count
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                    (n > 0).then_some(n + 1)
                })
                .is_ok()
        };
        if !alive(&shared.handles) {
            return None;
        }
        if !alive(&nsp.handles) {
            // What was counted for a moment may have been the last: those that were dropped meanwhile were not.
            if uncount(&shared) {
                shared.waker.wake();
            }
            return None;
        }
        Some(Self {
            shared,
            nsp: Arc::clone(nsp),
        })
    }

    /// A handle of the namespace of this name, which is made if there is none.
    ///
    /// # Errors
    /// There is one, with other options that cannot be changed; there are too many.
    pub(crate) fn new(
        shared: Arc<Shared>,
        name: &str,
        wanted: Wanted,
    ) -> Result<Self, ConnectError> {
        let mut nsps = lock(&shared.nsps);
        let nsp = match nsps.find(name) {
            Some(nsp) if *nsp.name != *name => {
                return Err(ConnectError::config(format!(
                    "the namespace {} is there already, with another query than {name}",
                    nsp.name
                )));
            }
            Some(nsp) => {
                // Counted under the lock: it is not forgotten any more.
                nsp.handles.fetch_add(1, Ordering::AcqRel);
                nsp
            }
            None => {
                // Refused here, and not where its packets would have been accepted already.
                let most = usize::from(shared.limits.namespaces);
                if nsps.is_full(most) {
                    return Err(ConnectError::config(format!(
                        "too many namespaces on one connection: {most} at most, raise `Limits::namespaces`"
                    )));
                }
                let mut options = nsp_options();
                options.ack_timeout = wanted.ack_timeout;
                options.retries = wanted.retries;
                let auth = wanted.auth.unwrap_or(AuthSource::None);
                let nsp = nsps.add(name, options, auth);
                nsp.handles.fetch_add(1, Ordering::AcqRel);
                drop(nsps);
                shared.handles.fetch_add(1, Ordering::AcqRel);
                return Ok(Self { shared, nsp });
            }
        };
        drop(nsps);
        shared.handles.fetch_add(1, Ordering::AcqRel);
        let socket = Self { shared, nsp };
        socket.apply(wanted)?;
        Ok(socket)
    }

    /// Applies options to a namespace that exists.
    fn apply(&self, wanted: Wanted) -> Result<(), ConnectError> {
        let mut options = lock(&self.nsp.options);
        if wanted.retries.is_some() && wanted.retries != options.retries {
            return Err(ConnectError::config(format!(
                "the namespace {} exists already, and its `retries` cannot be changed: give them when it is made first",
                self.nsp.name
            )));
        }
        if wanted.ack_timeout.is_some() && wanted.ack_timeout != options.ack_timeout {
            options.ack_timeout = wanted.ack_timeout;
            self.shared.command(Command::Options {
                nsp: self.nsp.index,
                options: *options,
            });
        }
        drop(options);
        if let Some(auth) = wanted.auth {
            *lock(&self.nsp.auth) = auth;
        }
        Ok(())
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) const fn nsp(&self) -> &Arc<NspShared> {
        &self.nsp
    }

    // ---- state ----

    /// The id the server gave to this socket: present while the namespace is joined, new at every join unless the
    /// session was recovered. Inside an [`on_connect`](Self::on_connect) handler it is the id of the join that the
    /// handler is told about, even if the namespace has been left again meanwhile.
    pub fn id(&self) -> Option<String> {
        if let Some(id) = told_id(Arc::as_ptr(&self.nsp) as usize) {
            return Some(id);
        }
        match self.nsp.status() {
            Status::Joined { id } => Some(id.into()),
            Status::Idle | Status::Active => None,
        }
    }

    /// Whether the namespace is joined.
    pub fn connected(&self) -> bool {
        self.nsp.is_joined()
    }

    /// Whether the namespace is joined, or will be by itself: on the way, or waiting for a reconnection.
    pub fn active(&self) -> bool {
        self.nsp.is_active()
    }

    /// Whether the server recovered the old session at the last join (connection state recovery, server 4.6 and later).
    pub fn recovered(&self) -> bool {
        self.nsp.recovered.load(Ordering::Acquire)
    }

    /// The name of the namespace; `/` for the main one.
    pub fn name(&self) -> &str {
        &self.nsp.name
    }

    /// The transport packets travel on; `None` while there is no connection.
    pub fn transport(&self) -> Option<Transport> {
        self.shared.transport()
    }

    /// The connection itself, which all its namespaces share: its query, headers and reconnection policy, and what
    /// happens to it (`socket.io` in the official client).
    pub fn manager(&self) -> Manager {
        Manager::new(Arc::clone(&self.shared))
    }

    // ---- sending ----

    /// Emits an event. `args` is a tuple (`()`, `(1,)`, `("a", 2)`, …), a slice or a `Vec`; binary ([`Bin`](crate::Bin),
    /// `bytes::Bytes`, `serde_bytes`) may stand at any depth.
    ///
    /// ```
    /// # use sockeye::{Bin, EmitError, Socket};
    /// # fn f(socket: &Socket) -> Result<(), EmitError> {
    /// socket.emit("ready", ())?;
    /// socket.emit("reading", ("roof", 21.5))?;
    /// socket.emit("picture", (serde_json::json!({ "width": 640 }), Bin::from(vec![0xff, 0xd8])))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It never waits. While the namespace is not joined the packet is kept, and sent in order after the next join.
    ///
    /// # Errors
    /// [`EmitError::Full`] when the send buffer is at its limit: await [`room`](Self::room) and try again. The other
    /// variants tell what is wrong with the packet; nothing of it is sent.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.send_packet(event, &args, false, false)
    }

    /// Emits the event `message`, as `socket.send()` does in the official client.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send<A: EmitArgs>(&self, args: A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    pub(crate) fn send_packet<A: EmitArgs>(
        &self,
        event: &str,
        args: &A,
        volatile: bool,
        uncompressed: bool,
    ) -> Result<(), EmitError> {
        check_event(event)?;
        let head = Head::Emit {
            nsp: self.nsp.index as u32,
            ack: false,
            volatile,
            uncompressed,
            timeout: None,
        };
        encode(
            Some(event),
            args,
            self.shared.encoding(),
            |json, records, count| {
                self.shared
                    .packet(&self.nsp, head, json, records, count, None)
            },
        )
    }

    /// An event that wants the server's answer, as a request: it is sent when it is awaited, or by
    /// [`send`](EmitWithAck::send). The answer is decoded as the tuple `Answer`, which the place it goes to tells:
    ///
    /// ```
    /// # use sockeye::{AckError, Socket};
    /// # use std::time::Duration;
    /// # async fn f(socket: &Socket) -> Result<(), AckError> {
    /// let (ok,): (bool,) = socket.emit_with_ack("save", (1,)).timeout(Duration::from_secs(5)).await?;
    /// // Or where nothing else tells it; `()` if the answer does not matter:
    /// socket.emit_with_ack::<_, ()>("save", (2,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Without a timeout here or [`ack_timeout`](crate::ClientBuilder::ack_timeout) it waits until the answer or the
    /// disconnect. Dropping the future gives the answer up; see [`AckFuture`](crate::AckFuture) for what that means.
    pub fn emit_with_ack<A: EmitArgs, Answer>(&self, event: &str, args: A) -> EmitWithAck<Answer> {
        let packet =
            check_event(event).and_then(|()| Encoded::new(event, &args, self.shared.encoding()));
        EmitWithAck::new(self.clone(), packet)
    }

    /// Emits volatile packets: dropped if the connection cannot take them at once (not joined, upgrading, or the link
    /// is congested), and that is told. For values that the next one replaces.
    pub const fn volatile(&self) -> Volatile<'_> {
        Volatile { socket: self }
    }

    /// Emits with compression, which is the default where it has been agreed on
    /// ([`compression`](crate::ClientBuilder::compression)), or without: for what is compressed already, and for what holds
    /// a secret beside something that others may choose (whoever sees the sizes of messages can guess it then).
    #[cfg(feature = "deflate")]
    pub const fn compress(&self, on: bool) -> crate::Compress<'_> {
        crate::Compress {
            socket: self,
            on,
            volatile: false,
        }
    }

    /// Waits until the send buffer has room: less than half of its limit is used.
    ///
    /// ```
    /// # use sockeye::{EmitError, Socket};
    /// # async fn f(socket: &Socket, chunk: &[u8]) -> Result<(), EmitError> {
    /// while let Err(EmitError::Full) = socket.emit("chunk", (chunk,)) {
    ///     socket.room().await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn room(&self) {
        loop {
            // Looked at first: what happens from here on is not missed.
            let before = self.shared.room.reached();
            if self.shared.has_room() {
                return;
            }
            // The driver looks after this, and so does not miss it.
            self.shared.room_wanted.store(true, Ordering::Release);
            self.shared.wake();
            self.shared.room.wait(before + 1, || ()).await;
        }
    }

    /// Waits until everything that was emitted before, on any namespace of the connection, has been written to the
    /// network, or dropped. What is emitted later is not waited for. Packets for a namespace that is not joined are
    /// waited for too.
    ///
    /// What was given up instead of written has been told by [`Notice::Unsent`](crate::Notice::Unsent) before: it is in the streams of
    /// [`notices`](Self::notices). (Unless `flush` is awaited by a handler that this notice has to wait for.)
    pub async fn flush(&self) {
        let target = self.shared.accepted();
        let shared = &self.shared;
        shared.written.wait(target, || shared.wake()).await;
        shared.told().await;
    }

    /// Drops what was emitted on this namespace and has not been sent (after a long time offline, say).
    /// Acknowledgements that waited for it fail.
    pub fn clear_send_buffer(&self) {
        self.shared.command(Command::Clear {
            nsp: self.nsp.index,
        });
    }

    // ---- connection ----

    /// Connects the namespace (again), and waits until it is joined.
    ///
    /// When the first attempt fails, its error is returned, and that is the end of it, unless the namespace is being
    /// connected in the background anyway ([`ConnectError::active`] tells which). To wait for a server that is not
    /// there yet, set [`wait_for_server`](crate::ClientBuilder::wait_for_server) or use
    /// [`connect_background`](Self::connect_background). Once joined, a lost connection is made again as the
    /// reconnection policy says.
    ///
    /// Dropping the future does not take the attempt back.
    ///
    /// # Errors
    /// The server cannot be reached or refused, or answered as no Socket.IO server does; with `wait_for_server`, the
    /// attempts are used up. A handler was registered for a name that no event can have (see [`on`](Self::on)): told
    /// once, and nothing is tried.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        if let Some(error) = self.nsp.handlers.take_refused() {
            return Err(error);
        }
        let call = ConnectCall {
            nsp: &self.nsp,
            ticket: self.nsp.connects.begin(),
        };
        self.nsp.activate();
        let keep_trying = self.shared.wait_for_server;
        if !self
            .shared
            .connect(&self.nsp, Some(call.ticket), keep_trying)
        {
            self.nsp.set_status(Status::Idle);
            return Err(ConnectError::closed());
        }
        call.await
    }

    /// Connects the namespace (again) in the background. It is tried until it is joined, as the reconnection policy
    /// says: trouble is told by [`on_connect_error`](Self::on_connect_error).
    pub fn connect_background(&self) {
        self.nsp.activate();
        if !self.shared.connect(&self.nsp, None, true) {
            self.nsp.set_status(Status::Idle);
        }
    }

    /// Waits until the namespace is joined, whoever connects it: at once if it is, for ever if nobody does. `false`: the
    /// connection's runtime has ended, so that it will never be.
    pub async fn ready(&self) -> bool {
        loop {
            let before = self.nsp.joined.reached();
            if self.connected() {
                return true;
            }
            if self.shared.has_ended() {
                return false;
            }
            self.nsp.joined.wait(before + 1, || ()).await;
        }
    }

    /// Leaves the namespace, after what was emitted before has been sent; there is no reconnection until
    /// [`connect`](Self::connect). Works at any moment, also while a reconnection is being waited for. The connection
    /// is closed with its last namespace. It does not wait: [`close`](Self::close) does.
    pub fn disconnect(&self) {
        self.nsp.set_status(Status::Idle);
        self.shared.command(Command::Disconnect {
            nsp: self.nsp.index,
        });
    }

    /// Another namespace on the same connection. Ask for the same name again to get the same socket: the options given
    /// then are applied to it, or refused with an error if they cannot be.
    ///
    /// ```
    /// # use sockeye::{ConnectError, Socket};
    /// # async fn f(socket: &Socket) -> Result<(), ConnectError> {
    /// let chat = socket.namespace("/chat").auth(serde_json::json!({ "room": 7 })).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespace(&self, name: &str) -> NamespaceBuilder {
        NamespaceBuilder::new(self.clone(), name)
    }

    /// Changes the `auth` payload: it counts from the next CONNECT on.
    pub fn set_auth(&self, auth: impl Serialize) -> Result<(), ConnectError> {
        *lock(&self.nsp.auth) = AuthSource::value(&auth)?;
        Ok(())
    }
}

/// Reserved names are refused before anything is encoded encoded.
pub(crate) fn check_event(event: &str) -> Result<(), EmitError> {
    if sockeye_core::packet::is_reserved_event(event) {
        Err(EmitError::Reserved)
    } else {
        Ok(())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("namespace", &self.nsp.name)
            .field("connected", &self.connected())
            .finish()
    }
}
