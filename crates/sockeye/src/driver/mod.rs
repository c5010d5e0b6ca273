//! The driver: what stands between the core and user code, and what connects it to a runtime.
//!
//! ```text
//! handles --inbox--> driver (core, streams, timer) --queues--> dispatchers (handlers, streams of events)
//! ```
//! The driver never runs user code, so that heartbeats, acknowledgements and reconnection go on whatever handlers do.
//! When the dispatchers fall behind by more than the bound of their queues, the driver stops reading: back-pressure
//! reaches the server through TCP, while the core keeps the connection alive.
//!
//! What is here is of no runtime. Who moves the bytes and waits is `tokio` or `blocking`; both own a [`Driver`].

mod abort;
#[cfg(feature = "blocking")]
pub(crate) mod blocking;
mod commands;
mod events;
mod pending_acks;
mod slots;
#[cfg(feature = "blocking")]
pub(crate) mod threads;
mod timers;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;
mod written;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_core::drive::Work;
use sockeye_core::{Cause, Client, Config, DisconnectReason, Instant, Link, Memory, Output};

use crate::client::ack::AckError;
use crate::client::args::Args;
use crate::client::error::{Disconnected, Notice};
use crate::client::options::PairsFn;
use crate::dispatch::{self, Answer, Outlet, Spawn};
use crate::inbox::{Inbox, Shared, lock};
use crate::namespace::Status;
use crate::net::failure::{LastFailure, LinkFailures};
use crate::net::redirect::Redirects;
use crate::net::{Computed, DialError, DialErrorKind, Network};
use crate::sync::AtomicWaker;
use events::{EventContext, FollowUp};
use pending_acks::PendingAcks;
use slots::Slots;
use timers::{Timer, Timers};
use written::{Closings, Farewell, Flushes};

/// Where the driver connects to.
pub(crate) struct Target {
    /// The configured server.
    pub(crate) origin: Arc<Network>,
    /// The server of this session: another one after a redirect.
    pub(crate) network: Arc<Network>,
    pub(crate) redirects: Redirects,
    pub(crate) pairs: Option<Box<Pairs>>,
}

/// What computes query and headers of each session. (Boxed: most connections of many have neither.)
pub(crate) struct Pairs {
    query: Option<PairsFn>,
    headers: Option<PairsFn>,
}

impl Pairs {
    pub(crate) fn of(query: Option<PairsFn>, headers: Option<PairsFn>) -> Option<Box<Self>> {
        let any = query.is_some() || headers.is_some();
        any.then(|| Box::new(Self { query, headers }))
    }
}

impl Target {
    /// What computes the query.
    pub(crate) fn query(&self) -> Option<PairsFn> {
        self.pairs.as_ref()?.query.clone()
    }

    /// What computes the headers.
    pub(crate) fn headers(&self) -> Option<PairsFn> {
        self.pairs.as_ref()?.headers.clone()
    }
}

/// What a driver is made of, before it has a runtime.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Config<'static>,
    pub(crate) target: Target,
}

impl Parts {
    /// What the lines of the log have in common.
    fn span(&self) -> tracing::Span {
        tracing::debug_span!("sockeye", host = %self.config.host, path = %self.config.path)
    }
}

/// The core with all that handles and dispatchers know of it.
struct Driver {
    core: Client<'static>,
    shared: Arc<Shared>,
    target: Target,
    /// Memory for the next look into the inbox.
    inbox: Option<Box<Inbox>>,
    /// The number of the packet that was taken last.
    taken: u64,
    /// The same at the last ping of the server.
    pinged_at: u64,
    slots: Slots,
    acks: PendingAcks,
    /// Calls of `auth` functions so far.
    auth_calls: u64,
    /// (Boxed, as all that few connections have: they may be many.)
    flushes: Option<Box<Flushes>>,
    closings: Option<Box<Closings>>,
    /// The last handle is gone.
    farewell: Option<Box<Farewell>>,
    /// Namespaces without handles that have something to send, by their handles' number.
    #[allow(
        clippy::box_collection,
        reason = "most connections have none, and there may be many"
    )]
    partings: Option<Box<Vec<usize>>>,
    /// What is to be done at a time, beside the core's own deadlines.
    timers: Timers,
    /// Whether the connection that was lost last is tried again.
    retrying: bool,
    outlet: Arc<Outlet>,
    batch: dispatch::Batch,
    paused: bool,
    now: Instant,
    /// The core has been given something since it was drained.
    needs_drain: bool,
    failure: LastFailure,
    /// What handles see of compression.
    #[cfg(feature = "deflate")]
    agreed: Option<sockeye_core::AgreedCompression>,
    /// The last handle is gone, and the goodbye has been said.
    ending: bool,
    /// It has come to its end, and said so.
    ended: bool,
}

impl Driver {
    /// A driver whose tasks are started by `spawn`. Those that run user code are started when there is something to run.
    fn new(parts: Parts, spawn: Spawn) -> Self {
        let Parts {
            shared,
            mut config,
            target,
        } = parts;
        // Handles keep to the limits; the core has room to spare for CONNECT packets, namespaces that are being left, and
        // the like.
        // Packed, a short fraction takes nine bytes instead of four; handles count JSON.
        #[cfg(feature = "msgpack")]
        if config.parser != sockeye_core::Parser::Json {
            config.limits.send = config.limits.send.saturating_mul(3);
        }
        config.limits.send = config.limits.send.saturating_add(1 << 20);
        config.limits.packets = config.limits.packets.saturating_add(1 << 10);
        config.limits.namespaces = config.limits.namespaces.saturating_add(1 << 8);
        let memory = Memory::growable(&config.limits);
        let outlet = Arc::new(Outlet::new(Arc::downgrade(&shared), spawn));
        Self {
            core: Client::new(config, memory),
            shared,
            target,
            inbox: None,
            taken: 0,
            pinged_at: 0,
            slots: Slots::default(),
            acks: PendingAcks::default(),
            auth_calls: 0,
            flushes: None,
            closings: None,
            farewell: None,
            partings: None,
            timers: Timers::default(),
            retrying: false,
            outlet,
            batch: dispatch::Batch::default(),
            paused: false,
            now: Instant::ZERO,
            needs_drain: true,
            failure: LastFailure::default(),
            #[cfg(feature = "deflate")]
            agreed: None,
            ending: false,
            ended: false,
        }
    }

    /// What is to be done next. Events are told on the way; `dialing`: a link is being connected.
    fn poll(&mut self, dialing: bool) -> Work {
        loop {
            // Most are such.
            self.take_plain();
            match self.core.poll_output() {
                Output::Open(link) => {
                    if let Err(why) = self.choose_server() {
                        let error = DialError::new(DialErrorKind::Redirect, why);
                        self.failure.set(error);
                        self.core.refuse_redirect(self.now, link);
                        continue;
                    }
                    return Work::Open(link);
                }
                Output::Transmit(link) => return Work::Transmit(link),
                Output::Close(link) => return Work::Close(link),
                Output::Idle(wake) => return Work::Idle(wake),
                Output::Event(event) => {
                    let mut context = EventContext {
                        shared: &self.shared,
                        slots: &mut self.slots,
                        acks: &mut self.acks,
                        batch: &mut self.batch,
                        retrying: &mut self.retrying,
                        failures: LinkFailures {
                            last: &mut self.failure,
                            dialing,
                            network: &self.target.network,
                            redirected: self.target.redirects.url(),
                        },
                    };
                    if let Some(follow_up) = context.event(event) {
                        self.follow_up(follow_up);
                    }
                    self.check_bound();
                }
            }
        }
    }

    /// Tells plain events and answers as long as nothing else comes.
    #[inline(always)]
    fn take_plain(&mut self) {
        loop {
            while let Some(event) = self.core.poll_plain() {
                let nsp = event.nsp;
                let early = match self.slots.of_core(nsp) {
                    Some(slot) => {
                        self.batch.plain(&slot.shared, &event);
                        !slot.joined
                    }
                    None => false,
                };
                if early {
                    self.follow_up(FollowUp::Early(nsp));
                }
                self.check_bound();
            }
            let Some(answer) = self.core.poll_plain_answer() else {
                return;
            };
            if let Some((index, sender)) = self.acks.take(answer.id) {
                let answer = Answer::Ack(sender, Ok(Args::from_plain(answer.args)));
                match self.slots.get(index) {
                    Some(slot) => self.batch.answer(&slot.shared, answer),
                    None => answer.send(),
                }
            }
            self.check_bound();
        }
    }

    /// Before a link is opened: where it leads to. A redirect of the handshake is judged.
    fn choose_server(&mut self) -> Result<(), String> {
        let target = &mut self.target;
        if let Some(redirect) = self.core.redirect() {
            let config = self.core.config();
            let origin = &target.origin.target;
            let (to, server) = target.redirects.follow(origin, config, redirect)?;
            let status = redirect.status;
            target.network = match target.origin.redirected(to) {
                Ok(network) => Arc::new(network),
                Err(why) => {
                    let url = target.redirects.url().unwrap_or_default();
                    return Err(format!(
                        "the server redirects (HTTP {status}) to {url}: {why}"
                    ));
                }
            };
            tracing::debug!(status, to = target.redirects.url(), "redirected");
            self.core.follow_redirect(server);
        } else if !self.core.is_redirected() {
            target.redirects.reset();
            target.network = Arc::clone(&target.origin);
        }
        Ok(())
    }

    /// A link is to be opened; whether it is the first one of an attempt.
    fn opening(&mut self, link: Link) -> bool {
        let fresh = self.core.transport().is_none();
        if fresh {
            self.failure.clear();
        }
        tracing::debug!(?link, target = %self.target.network.target, "connecting");
        fresh && !self.core.is_redirected()
    }

    /// What has been computed for a new session.
    fn computed(&mut self, computed: Computed) {
        if let Some(query) = computed.query {
            self.core.set_query(query.into());
        }
        if let Some(headers) = computed.headers {
            self.core.set_headers(headers.into());
        }
    }

    /// What the core has kept until a namespace is joined may be more than may wait: tells the core as soon as it is.
    fn check_bound(&mut self) {
        if !self.paused && self.outlet.would_be_behind(&self.batch) {
            self.paused = true;
            self.core.handle_reading_paused(self.now, true);
        }
    }

    /// Does what an event asked for.
    fn follow_up(&mut self, follow_up: FollowUp) {
        match follow_up {
            FollowUp::Auth(nsp) => self.ask_auth(nsp),
            FollowUp::Early(nsp) => self.joined(nsp, false),
            FollowUp::Joined(nsp) => self.joined(nsp, true),
            FollowUp::Status(nsp) => self.show_status(nsp),
            FollowUp::Pinged => self.pinged(),
            FollowUp::GiveUp(all) => {
                for nsp in all {
                    self.core.disconnect(self.now, nsp);
                }
            }
        }
    }

    /// Gives what has happened to the dispatchers; whether they are too far behind. `register` is called then, to be
    /// woken when they have caught up.
    fn hand_over(&mut self, register: impl FnOnce(&AtomicWaker)) {
        if self.batch.is_empty() && !self.paused {
            return;
        }
        let mut behind = self.outlet.hand_over(&mut self.batch);
        if behind {
            // The dispatchers may have caught up before they could know that they are waited for.
            register(&self.outlet.driver);
            behind = self.outlet.is_behind();
        }
        if behind != self.paused {
            self.paused = behind;
            self.core.handle_reading_paused(self.now, behind);
            self.needs_drain = true;
            tracing::debug!(paused = behind, "handlers are slow: reading");
        }
    }

    /// Publishes the state of the send buffer and tells those who wait for it.
    fn publish(&mut self) {
        let shared = &self.shared;
        shared
            .queued
            .store(self.core.send_queue_bytes(), Ordering::Relaxed);
        shared
            .queued_packets
            .store(self.core.send_queue_len(), Ordering::Relaxed);
        shared
            .waiting_acks
            .store(self.core.pending_acks(), Ordering::Relaxed);
        #[cfg(feature = "deflate")]
        if self.agreed != self.core.compression() {
            self.agreed = self.core.compression();
            *lock(&shared.agreed) = self.agreed;
            tracing::debug!(agreed = ?self.agreed, "compression");
        }
        if shared.room_wanted.load(Ordering::Acquire) && shared.has_room() {
            shared.room_wanted.store(false, Ordering::Release);
            shared.room.advance();
        }
        self.publish_written();
        if self.partings.is_some() {
            self.advance_partings();
        }
        if self.farewell.is_some() {
            // What it waits for may have been written just now.
            self.leave();
        }
        self.advance_closings();
    }

    /// The connection is closed for good.
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut mailbox = lock(&self.shared.mailbox);
        mailbox.closed = true;
        let rest = mailbox.inbox.take();
        drop(mailbox);
        // Whoever has asked for something that is not taken any more is told so.
        drop(rest);
        for (_, sender) in self.acks.drain() {
            let sent = sender.id().is_some_and(|id| self.core.is_sent(id));
            let _ = sender.send(Err(AckError::Disconnected { sent }));
        }
        let nsps: Vec<_> = lock(&self.shared.nsps).iter().cloned().collect();
        let cut_short = self.shared.handles.load(Ordering::Acquire) > 0;
        for slot in self.slots.iter_mut() {
            // With handles alive it is the runtime that has ended under them.
            if cut_short && slot.joined {
                let notice = Notice::Disconnected(Disconnected {
                    reason: DisconnectReason::TransportClose,
                    details: "the runtime of the connection has ended".into(),
                    cause: Cause::Local,
                    will_reconnect: false,
                });
                self.batch.notice(&slot.shared, &notice);
            }
        }
        for nsp in &nsps {
            nsp.set_status(Status::Idle);
            nsp.connects.close();
            nsp.joined.advance();
        }
        self.closings = None;
        self.shared.set_transport(None);
        self.shared.written.reach(u64::MAX);
        self.shared.room.advance();
        self.outlet.hand_over(&mut self.batch);
        // (Also where nobody has listened yet: who does from now on is told the end.)
        for nsp in nsps.iter().chain([self.shared.manager()]) {
            self.outlet.end(nsp);
        }
        tracing::debug!("closed");
    }

    /// When something is to be done beside the core's own deadlines.
    fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what the time has come for.
    fn handle_timers(&mut self) {
        while let Some(timer) = self.timers.take_due(self.now) {
            self.needs_drain = true;
            match timer {
                Timer::Close(number) => self.close_timed_out(number),
                // The next look into the inbox sees to it.
                Timer::Farewell => (),
                Timer::Auth { index, call } => self.auth_due(index, call),
            }
        }
    }
}

impl Drop for Driver {
    /// Also when the runtime ends: those who wait are told.
    fn drop(&mut self) {
        self.end();
    }
}
