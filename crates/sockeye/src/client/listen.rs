//! Listening: handlers of events and of what happens to the connection, and streams.

use sockeye_core::packet::OwnedArgs;

use crate::Socket;
use crate::client::args::Event;
use crate::client::error::{ConnectError, Disconnected, Notice};
use crate::client::streams::{EventStream, NoticeStream, StreamOptions};
use crate::dispatch::Kind;
use crate::dispatch::handler::{Handler, Params, Returns, Settled, event_fn};
use crate::dispatch::handlers::HandlerId;

impl Socket {
    /// Handles an event: see [`Handler`] for the functions it takes.
    ///
    /// Handlers of a namespace run one after another, in the order of the events and of their registration, and an async
    /// one is awaited before the next: see [Order](Self#order). A slow one delays later events of its namespace, never
    /// other namespaces or heartbeats; what may overlap is registered with [`on_concurrent`](Self::on_concurrent).
    /// When more than 4 MiB (or 65 536) of events wait, over all namespaces of the connection, the server is not read
    /// until they are fewer. Then answers do not arrive either: a handler that awaits one should give it a timeout.
    ///
    /// Handlers stay over reconnections. Arguments that do not fit are told ([`Notice::Mismatch`]) and logged, and the
    /// handler is not called.
    ///
    /// The names that no event can have are refused, with the method to use instead: `connect`, `disconnect`,
    /// `connect_error`, `error`, and what else [`emit`](Self::emit) refuses. The refusal is logged, told
    /// ([`Notice::HandlerFailed`]), and returned by the next [`connect`](Self::connect) or by the builder.
    pub fn on<P, R, M>(&self, event: &str, handler: impl Handler<P, Output = R>) -> HandlerId
    where
        P: Params,
        R: Returns<M>,
    {
        self.nsp().handlers.on(event, event_fn(handler), false)
    }

    /// As [`on`](Self::on), for the next event only.
    pub fn once<P, R, M>(&self, event: &str, handler: impl Handler<P, Output = R>) -> HandlerId
    where
        P: Params,
        R: Returns<M>,
    {
        self.nsp().handlers.on(event, event_fn(handler), true)
    }

    /// As [`on`](Self::on), for an async handler that may overlap with itself and with later events: it is called in the
    /// order of events, and then runs as a task of its own, at most `limit` at a time (at least 1). When so many are at
    /// work, the next event waits, and those behind it in the namespace.
    ///
    /// An answer that comes after the event may resolve while the handler is still at work.
    pub fn on_concurrent<P, R, M>(
        &self,
        event: &str,
        limit: usize,
        handler: impl Handler<P, Output = R>,
    ) -> HandlerId
    where
        P: Params,
        R: Returns<M>,
    {
        let handler = event_fn(handler);
        self.nsp().handlers.on_concurrent(event, limit, handler)
    }

    /// Removes a handler of any kind; whether it was there. It is not called again.
    pub fn off(&self, handler: HandlerId) -> bool {
        let handlers = &self.nsp().handlers;
        let outgoing = handlers.has_outgoing();
        let removed = handlers.off(handler);
        if outgoing && !handlers.has_outgoing() {
            self.shared().sync_outgoing(self.nsp());
        }
        removed
    }

    /// Removes all handlers of an event.
    pub fn off_event(&self, event: &str) {
        self.nsp().handlers.off_event(event);
    }

    /// Removes all handlers and ends all streams of this namespace.
    pub fn off_all(&self) {
        self.nsp().handlers.clear();
        self.shared().sync_outgoing(self.nsp());
    }

    /// Whether the event has a handler.
    pub fn has_handlers(&self, event: &str) -> bool {
        self.nsp().handlers.has(event)
    }

    /// Sees every event from the server, before its own handlers.
    pub fn on_any(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.nsp().handlers.on_any(false, false, Box::new(handler))
    }

    /// As [`on_any`](Self::on_any), before those registered so far.
    pub fn prepend_any(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.nsp().handlers.on_any(false, true, Box::new(handler))
    }

    /// Sees every event to the server when it is actually sent (not acknowledgements).
    pub fn on_any_outgoing(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        let id = self.nsp().handlers.on_any(true, false, Box::new(handler));
        self.shared().sync_outgoing(self.nsp());
        id
    }

    /// As [`on_any_outgoing`](Self::on_any_outgoing), before those registered so far.
    pub fn prepend_any_outgoing(
        &self,
        handler: impl Fn(&Event) + Send + Sync + 'static,
    ) -> HandlerId {
        let id = self.nsp().handlers.on_any(true, true, Box::new(handler));
        self.shared().sync_outgoing(self.nsp());
        id
    }

    /// Removes all handlers of [`on_any`](Self::on_any).
    pub fn off_any(&self) {
        self.nsp().handlers.off_any(false);
    }

    /// Removes all handlers of [`on_any_outgoing`](Self::on_any_outgoing).
    pub fn off_any_outgoing(&self) {
        self.nsp().handlers.off_any(true);
        self.shared().sync_outgoing(self.nsp());
    }

    // ---- streams ----

    /// The events of this namespace as a stream, from now on; it goes on over reconnections and ends with the
    /// namespace's last handle. It holds 256 events; while it is full, later events of the namespace wait (never
    /// heartbeats, notices or acknowledgements). For another policy see [`events_with`](Self::events_with).
    pub fn events(&self) -> EventStream {
        self.events_with(StreamOptions::new())
    }

    /// As [`events`](Self::events), with a capacity and a policy of your own.
    pub fn events_with(&self, options: StreamOptions) -> EventStream {
        let handlers = &self.nsp().handlers;
        EventStream::new(
            self.nsp(),
            handlers.event_stream(options.capacity, options.overflow),
        )
    }

    /// The arguments of one event as a stream, decoded as the tuple `T` (or another [`FromArgs`](crate::FromArgs) type). It takes its turn
    /// among the handlers of the event; for the rest it is as [`events`](Self::events). Arguments that do not fit are
    /// told ([`Notice::Mismatch`]) and skipped.
    ///
    /// ```
    /// # use sockeye::Socket;
    /// # async fn f(socket: &Socket) {
    /// let mut news = socket.stream::<(String, u32)>("news");
    /// while let Some((title, readers)) = news.next().await {
    ///     println!("{title}: {readers}");
    /// }
    /// # }
    /// ```
    ///
    /// A server that emits an event called `error` can be heard here, where [`on`](Self::on) refuses the name. The other
    /// names that `on` refuses are refused here as well.
    pub fn stream<T>(&self, event: &str) -> EventStream<T>
    where
        T: for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.stream_with(event, StreamOptions::new())
    }

    /// As [`stream`](Self::stream), with a capacity and a policy of your own.
    pub fn stream_with<T>(&self, event: &str, options: StreamOptions) -> EventStream<T>
    where
        T: for<'a> OwnedArgs<'a> + Send + 'static,
    {
        let StreamOptions { capacity, overflow } = options;
        let handlers = &self.nsp().handlers;
        let registered =
            handlers.typed_stream(event, capacity, overflow, |delivery| delivery.args.parse());
        EventStream::new(self.nsp(), registered)
    }

    /// What happens to the connection, as a stream, from now on. It holds 1024 notices; after that the oldest are
    /// dropped, and counted by [`NoticeStream::dropped`]. Nothing waits for it.
    ///
    /// ```
    /// # use sockeye::{Notice, Socket};
    /// # async fn f(socket: &Socket) {
    /// let mut notices = socket.notices();
    /// while let Some(notice) = notices.next().await {
    ///     match notice {
    ///         Notice::Connected { id, .. } => println!("joined as {id}"),
    ///         Notice::Disconnected(why) => println!("left: {why}"),
    ///         Notice::ConnectError(error) => println!("not joined: {error}"),
    ///         _ => (),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn notices(&self) -> NoticeStream {
        NoticeStream::new(self.nsp())
    }

    // ---- the connection ----

    /// Called each time the namespace has been joined; it may be async. Inside it [`id`](Self::id) is the id of this join.
    pub fn on_connect<R, M>(&self, handler: impl Fn(Self) -> R + Send + Sync + 'static) -> HandlerId
    where
        R: Returns<M>,
    {
        self.on_notice(Kind::Connected, move |_, socket| {
            Some(handler(socket?).settle(None))
        })
    }

    /// Called each time the namespace, which was joined, has been left; it may be async.
    ///
    /// ```
    /// # use sockeye::{DisconnectReason, Socket};
    /// # fn f(socket: &Socket) {
    /// socket.on_disconnect(|socket, why| async move {
    ///     if why.reason == DisconnectReason::IoServerDisconnect {
    ///         // The server has thrown us out; the client does not come back by itself.
    ///         let _ = socket.connect().await;
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on_disconnect<R, M>(
        &self,
        handler: impl Fn(Self, Disconnected) -> R + Send + Sync + 'static,
    ) -> HandlerId
    where
        R: Returns<M>,
    {
        self.on_notice(Kind::Disconnected, move |notice, socket| match notice {
            Notice::Disconnected(why) => Some(handler(socket?, why.clone()).settle(None)),
            _ => None,
        })
    }

    /// Called each time an attempt to join has failed; it may be async. [`ConnectError::active`] tells whether it is tried
    /// again.
    pub fn on_connect_error<R, M>(
        &self,
        handler: impl Fn(Self, ConnectError) -> R + Send + Sync + 'static,
    ) -> HandlerId
    where
        R: Returns<M>,
    {
        self.on_notice(Kind::ConnectError, move |notice, socket| match notice {
            Notice::ConnectError(error) => Some(handler(socket?, error.clone()).settle(None)),
            _ => None,
        })
    }

    fn on_notice(
        &self,
        kind: Kind,
        call: impl Fn(&Notice, Option<Self>) -> Option<Settled> + Send + Sync + 'static,
    ) -> HandlerId {
        let call = Box::new(move |notice: &Notice, responder: &crate::Responder| {
            // (A handler whose socket is gone has been removed with it, or will be in a moment.)
            call(notice, responder.socket()).unwrap_or(Settled::Now(Ok(())))
        });
        self.nsp().handlers.on_notice(kind, call)
    }
}
