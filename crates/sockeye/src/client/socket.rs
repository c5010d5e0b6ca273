//! The socket: what applications hold.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde::Serialize;
use sockeye_core::packet::EmitArgs;
use sockeye_core::{EmitError, NspOptions, Reconnection};
use tokio::sync::oneshot;

use crate::Transport;
use crate::client::ack::AckFuture;
use crate::client::error::ConnectError;
use crate::client::namespace::NamespaceBuilder;
use crate::client::options::{AuthSource, encode_headers, encode_query};
use crate::dispatch::guard::told_id;
use crate::dispatch::handlers::Handlers;
use crate::dispatch::queue::Queue;
use crate::inbox::{ACTIVE, Command, Head, IDLE, NspShared, Shared, encode, lock};

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
/// # Lifetime
/// Dropping the last handle of a namespace leaves it; dropping the last handle of all closes the connection cleanly
/// and ends its tasks. Handlers should not capture a `Socket` of their own connection (it would keep it alive for
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
        if self.nsp.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.command(Command::Forget {
                nsp: self.nsp.index,
            });
        }
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.waker.wake();
        }
    }
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
            shared.handles.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Self {
            shared,
            nsp: Arc::clone(nsp),
        })
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        name: &str,
        options: NspOptions,
        auth: AuthSource,
    ) -> Self {
        let mut nsps = lock(&shared.nsps);
        let existing = nsps
            .iter()
            .find(|nsp| *nsp.name == *name && !nsp.gone.load(Ordering::Acquire))
            .cloned();
        let nsp = existing.unwrap_or_else(|| {
            // The place of a namespace that has been left for good is taken again.
            let index = nsps
                .iter()
                .position(|nsp| nsp.gone.load(Ordering::Acquire))
                .unwrap_or(nsps.len());
            let nsp = Arc::new(NspShared {
                index,
                name: name.into(),
                options,
                auth: Mutex::new(auth),
                state: AtomicU8::new(IDLE),
                recovered: AtomicBool::new(false),
                id: Mutex::new(None),
                handlers: Handlers::new(),
                queue: Queue::new(),
                handles: AtomicUsize::new(0),
                gone: AtomicBool::new(false),
            });
            match nsps.get_mut(index) {
                Some(place) => *place = Arc::clone(&nsp),
                None => nsps.push(Arc::clone(&nsp)),
            }
            nsp
        });
        drop(nsps);
        Self::counted(shared, nsp)
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
        lock(&self.nsp.id).as_deref().map(str::to_owned)
    }

    /// Whether the namespace is joined.
    pub fn connected(&self) -> bool {
        self.nsp.is_joined()
    }

    /// Whether the namespace is joined, or will be by itself: on the way, or waiting for a reconnection.
    pub fn active(&self) -> bool {
        self.nsp.state.load(Ordering::Acquire) >= ACTIVE
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
    /// [`EmitError::Full`] when the send buffer is at its limit: await [`ready`](Self::ready) and try again. The other
    /// variants tell what is wrong with the packet; nothing of it is sent.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        self.send_packet(event, &args, false)
    }

    /// Emits the event `message`, as `socket.send()` does in the official client.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send<A: EmitArgs>(&self, args: A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    fn send_packet<A: EmitArgs>(
        &self,
        event: &str,
        args: &A,
        volatile: bool,
    ) -> Result<(), EmitError> {
        check_event(event)?;
        let head = Head::Emit {
            nsp: self.nsp.index as u32,
            ack: false,
            volatile,
            timeout: None,
        };
        encode(
            Some(event),
            args,
            self.shared.limits.attachments,
            |json, records, count| {
                self.shared
                    .packet(&self.nsp, head, json, records, count, None)
            },
        )
    }

    /// Emits an event and gives a future of the server's answer, decoded as the tuple `T`:
    /// `let (ok,): (bool,) = socket.emit_with_ack("save", (1,)).timeout(Duration::from_secs(5)).await?;`
    ///
    /// The event is sent when the future is first polled. Without a timeout here or
    /// [`ack_timeout`](crate::ClientBuilder::ack_timeout) it waits until the answer or the disconnect.
    pub fn emit_with_ack<T, A: EmitArgs>(&self, event: &str, args: A) -> AckFuture<T> {
        self.ask(event, &args, None, false)
    }

    fn ask<T, A: EmitArgs>(
        &self,
        event: &str,
        args: &A,
        timeout: Option<Duration>,
        volatile: bool,
    ) -> AckFuture<T> {
        let packet = check_event(event).and_then(|()| {
            encode(
                Some(event),
                args,
                self.shared.limits.attachments,
                |json, records, count| Ok((json.to_vec(), records.to_vec(), count)),
            )
        });
        AckFuture::new(self.clone(), packet, timeout, volatile)
    }

    /// Emits volatile packets: dropped if the connection cannot take them at once (not joined, upgrading, or the link
    /// is congested). For values that the next one replaces.
    pub const fn volatile(&self) -> Volatile<'_> {
        Volatile { socket: self }
    }

    /// Waits until the send buffer has room: less than half of its limit is used.
    ///
    /// ```
    /// # use sockeye::{EmitError, Socket};
    /// # async fn f(socket: &Socket, chunk: &[u8]) -> Result<(), EmitError> {
    /// while let Err(EmitError::Full) = socket.emit("chunk", (chunk,)) {
    ///     socket.ready().await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready(&self) {
        let (sender, receiver) = oneshot::channel();
        self.shared.command(Command::Ready(sender));
        let _ = receiver.await;
    }

    /// Waits until everything that was emitted before, on any namespace of the connection, has been written to the
    /// network. Packets for a namespace that is not joined are waited for too.
    pub async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        self.shared.command(Command::Flush(sender));
        let _ = receiver.await;
    }

    /// Drops what was emitted on this namespace and has not been sent (after a long time offline, say).
    /// Acknowledgements that waited for it fail.
    pub fn clear_send_buffer(&self) {
        self.shared.command(Command::Clear {
            nsp: self.nsp.index,
        });
    }

    // ---- connection ----

    /// Connects the namespace (again), and waits until it is joined. Transport failures are retried as the
    /// reconnection policy says.
    ///
    /// # Errors
    /// The server refused, or answered as no Socket.IO server does, or the attempts are used up; or a handler was
    /// registered for a name that no event can have (see [`on`](Self::on)): told once, and nothing is tried.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        if let Some(error) = self.nsp.handlers.take_refused() {
            return Err(error);
        }
        let (sender, receiver) = oneshot::channel();
        self.begin_connect(Some(sender));
        receiver
            .await
            .unwrap_or_else(|_| Err(ConnectError::closed()))
    }

    /// Connects the namespace (again) in the background.
    pub fn connect_background(&self) {
        self.begin_connect(None);
    }

    fn begin_connect(&self, waiter: Option<crate::inbox::Waiter>) {
        let _ = self
            .nsp
            .state
            .compare_exchange(IDLE, ACTIVE, Ordering::AcqRel, Ordering::Acquire);
        self.shared.command(Command::Connect {
            nsp: self.nsp.index,
            waiter,
        });
    }

    /// Leaves the namespace, after what was emitted before has been sent; there is no reconnection until
    /// [`connect`](Self::connect). Works at any moment, also while a reconnection is being waited for. The connection
    /// is closed with its last namespace.
    pub fn disconnect(&self) {
        self.nsp.state.store(IDLE, Ordering::Release);
        *lock(&self.nsp.id) = None;
        self.shared.command(Command::Disconnect {
            nsp: self.nsp.index,
        });
    }

    /// Drops the connection of all namespaces and makes a new one at once (reason `forced close`). A running wait for
    /// reconnection ends now.
    pub fn reconnect(&self) {
        self.shared.command(Command::Reconnect);
    }

    /// Another namespace on the same connection. Ask for the same name again to get the same socket.
    ///
    /// ```
    /// # use sockeye::{ConnectError, Socket};
    /// # async fn f(socket: &Socket) -> Result<(), ConnectError> {
    /// let chat = socket.namespace("/chat").auth(serde_json::json!({ "room": 7 })).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespace(&self, name: &str) -> NamespaceBuilder {
        NamespaceBuilder {
            shared: Arc::clone(&self.shared),
            _keep: self.clone(),
            name: name.to_owned(),
            options: crate::client::options::nsp_options(),
            auth: AuthSource::None,
            error: None,
        }
    }

    /// Changes the `auth` payload: it counts from the next CONNECT on.
    pub fn set_auth(&self, auth: impl Serialize) -> Result<(), ConnectError> {
        *lock(&self.nsp.auth) = AuthSource::value(&auth)?;
        Ok(())
    }

    /// Changes the query; it counts from the next connection on.
    pub fn set_query<K: AsRef<str>, V: AsRef<str>>(&self, query: impl IntoIterator<Item = (K, V)>) {
        self.shared.command(Command::Query(encode_query(query)));
    }

    /// Changes the extra headers; they count from the next connection on.
    ///
    /// # Errors
    /// A name or value that HTTP does not allow.
    pub fn set_headers<K: AsRef<str>, V: AsRef<str>>(
        &self,
        headers: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), ConnectError> {
        self.shared
            .command(Command::Headers(encode_headers(headers)?));
        Ok(())
    }

    /// Changes the reconnection policy. Disabling it ends a running wait when its time comes.
    pub fn set_reconnection(&self, policy: Reconnection) {
        self.shared.command(Command::Reconnection(policy));
    }
}

/// Reserved names are refused before anything is encoded (A7 item 78).
fn check_event(event: &str) -> Result<(), EmitError> {
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

/// Emits volatile packets: see [`Socket::volatile`].
#[derive(Clone, Copy, Debug)]
pub struct Volatile<'s> {
    socket: &'s Socket,
}

impl Volatile<'_> {
    /// Emits an event that is dropped if it cannot be sent at once. `Ok` does not tell which.
    ///
    /// # Errors
    /// As [`Socket::emit`], for packets that cannot be sent at all.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        if !self.socket.connected() {
            return check_event(event);
        }
        match self.socket.send_packet(event, &args, true) {
            Err(EmitError::Full) => Ok(()),
            result => result,
        }
    }

    /// As [`Socket::emit_with_ack`]; a dropped packet fails with [`AckError::Dropped`](crate::AckError::Dropped).
    pub fn emit_with_ack<T, A: EmitArgs>(&self, event: &str, args: A) -> AckFuture<T> {
        self.socket.ask(event, &args, None, true)
    }
}
