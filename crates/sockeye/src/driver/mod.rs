//! The tokio driver: one task that owns the core and moves bytes. User code runs in others, one for each namespace that
//! has something to tell: its dispatcher.
//!
//! ```text
//! handles --inbox--> driver (core, sockets, timer) --queues--> dispatchers (handlers, streams)
//! ```
//! The driver never runs user code, so that heartbeats, acknowledgements and reconnection go on whatever handlers do.
//! When the dispatchers fall behind by more than the bound of their queues, the driver stops reading: back-pressure
//! reaches the server through TCP, while the core keeps the connection alive.

mod commands;
mod events;
mod pending_acks;
mod slots;
mod written;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_core::{Cause, Client, Config, DisconnectReason, Instant, Link, Memory, Output};
use tokio::time::Sleep;

use crate::client::ack::AckError;
use crate::client::error::{Disconnected, Notice};
use crate::client::options::PairsFn;
use crate::dispatch::{self, Outlet};
use crate::inbox::{Inbox, Shared, lock};
use crate::namespace::Status;
use crate::net::failure::{LastFailure, LinkFailures};
use crate::net::{self, Io, Network};
use events::{EventContext, FollowUp};
use pending_acks::PendingAcks;
use slots::Slots;
use written::{Closing, Flushes};

/// Where the driver connects to.
pub(crate) struct Target {
    pub(crate) network: Arc<Network>,
    pub(crate) query: Option<PairsFn>,
    pub(crate) headers: Option<PairsFn>,
}

/// Rounds of one poll before others get their turn.
const ROUNDS: usize = 16;

struct Driver {
    core: Client<'static>,
    shared: Arc<Shared>,
    target: Target,
    /// When the core's clock began. It is tokio's clock, which tests may stop.
    origin: tokio::time::Instant,
    links: [Io; 3],
    /// Links whose last write found no room.
    blocked: [bool; 3],
    /// Memory for the next look into the inbox.
    inbox: Option<Box<Inbox>>,
    /// The number of the packet that was taken last.
    taken: u64,
    slots: Slots,
    acks: PendingAcks,
    /// Calls of `auth` functions so far.
    auth_calls: u64,
    flushes: Flushes,
    closings: Vec<Closing>,
    closings_begun: u64,
    /// Whether the connection that was lost last is tried again.
    retrying: bool,
    outlet: Arc<Outlet>,
    batch: dispatch::Batch,
    paused: bool,
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    /// The timer knows whom to wake.
    registered: bool,
    /// The core's deadline.
    wake: Option<Instant>,
    now: Instant,
    /// The core has been given something since it was drained.
    needs_drain: bool,
    dialing: bool,
    failure: LastFailure,
    /// The last handle is gone.
    ending: bool,
    /// It has come to its end, and said so.
    ended: bool,
}

/// Starts the task of a connection. Those that run user code are started when there is something to run.
pub(crate) fn spawn(
    runtime: &tokio::runtime::Handle,
    shared: Arc<Shared>,
    config: Config<'static>,
    target: Target,
) {
    let span = tracing::debug_span!("sockeye", host = %config.host, path = %config.path);
    // Handles keep to the limits; the core has room to spare for CONNECT packets, namespaces that are being left, and
    // the like.
    let mut config = config;
    config.limits.send = config.limits.send.saturating_add(1 << 20);
    config.limits.packets = config.limits.packets.saturating_add(1 << 10);
    config.limits.namespaces = config.limits.namespaces.saturating_add(1 << 8);
    let memory = Memory::growable(&config.limits);
    use tracing::Instrument as _;
    let (tasks, in_span) = (runtime.clone(), span.clone());
    let outlet = Arc::new(Outlet::new(
        Arc::downgrade(&shared),
        Box::new(move |task| {
            tasks.spawn(task.instrument(in_span.clone()));
        }),
    ));
    let _guard = runtime.enter();
    let driver = Driver {
        core: Client::new(config, memory),
        shared,
        target,
        origin: tokio::time::Instant::now(),
        links: [Io::Closed, Io::Closed, Io::Closed],
        blocked: [false; 3],
        inbox: None,
        taken: 0,
        slots: Slots::default(),
        acks: PendingAcks::default(),
        auth_calls: 0,
        flushes: Flushes::default(),
        closings: Vec::new(),
        closings_begun: 0,
        retrying: false,
        outlet,
        batch: dispatch::Batch::default(),
        paused: false,
        sleep: Box::pin(tokio::time::sleep(Duration::from_secs(86_400))),
        armed: None,
        registered: false,
        wake: None,
        now: Instant::ZERO,
        needs_drain: true,
        dialing: false,
        failure: LastFailure::default(),
        ending: false,
        ended: false,
    };
    runtime.spawn(driver.instrument(span));
}

impl Driver {
    /// Reads the clock.
    fn tick(&mut self) {
        self.now = Instant::from_micros(
            u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX),
        );
    }

    /// Does what the core asks for until it is idle.
    fn drain(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        loop {
            match self.core.poll_output() {
                Output::Open(link) => {
                    let fresh = self.core.transport().is_none();
                    if fresh {
                        self.failure.clear();
                    }
                    tracing::debug!(?link, target = %self.target.network.target, "connecting");
                    self.links[link.index()] = Io::Dialing(net::dial(&self.target, fresh));
                    self.dialing = true;
                }
                Output::Transmit(link) => self.write(cx, link),
                Output::Close(link) => {
                    let io = &mut self.links[link.index()];
                    if io.is_dialing() {
                        self.failure.set(self.target.network.unfinished());
                    }
                    io.close(cx);
                }
                Output::Event(event) => {
                    let mut context = EventContext {
                        shared: &self.shared,
                        slots: &mut self.slots,
                        acks: &mut self.acks,
                        batch: &mut self.batch,
                        retrying: &mut self.retrying,
                        failures: LinkFailures {
                            last: &mut self.failure,
                            links: &self.links,
                            network: &self.target.network,
                        },
                    };
                    if let Some(follow_up) = context.event(event) {
                        self.follow_up(follow_up);
                    }
                    self.check_bound();
                }
                Output::Idle(wake) => return wake,
            }
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
            FollowUp::GiveUp(all) => {
                for nsp in all {
                    self.core.disconnect(self.now, nsp);
                }
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, link: Link) {
        let io = &mut self.links[link.index()];
        match io.poll_write(cx, self.core.transmit(link)) {
            Poll::Ready(Ok(n)) if n > 0 => self.core.transmitted(link, n),
            Poll::Ready(Ok(_)) => {
                let error = std::io::Error::other("the connection takes no more bytes");
                self.broken(link, &error);
            }
            Poll::Ready(Err(error)) => self.broken(link, &error),
            Poll::Pending => {
                self.blocked[link.index()] = true;
                self.core.transmitted(link, 0);
            }
        }
    }

    fn broken(&mut self, link: Link, error: &std::io::Error) {
        self.links[link.index()] = Io::Closed;
        let error = self.target.network.explain(error);
        self.core
            .handle_closed(self.now, link, Some(error.message()));
        self.failure.set(error);
        self.needs_drain = true;
    }

    /// Moves on what encrypted streams hold back.
    fn flush(&mut self, cx: &mut Context<'_>) {
        for link in Link::ALL {
            if let Poll::Ready(Err(error)) = self.links[link.index()].poll_flush(cx) {
                self.broken(link, &error);
            }
        }
    }

    /// Goes on connecting; whether a link has come to something.
    fn dial(&mut self, cx: &mut Context<'_>) -> bool {
        self.dialing = false;
        for link in Link::ALL {
            let Io::Dialing(future) = &mut self.links[link.index()] else {
                continue;
            };
            let Poll::Ready(result) = future.as_mut().poll(cx) else {
                self.dialing = true;
                continue;
            };
            self.tick();
            self.needs_drain = true;
            match result {
                Ok(dialed) => {
                    if let Some(query) = dialed.query {
                        self.core.set_query(query.into());
                    }
                    if let Some(headers) = dialed.headers {
                        self.core.set_headers(headers.into());
                    }
                    self.links[link.index()] = Io::Open(dialed.stream);
                    self.core.handle_opened(self.now, link);
                }
                Err(error) => {
                    self.links[link.index()] = Io::Closed;
                    self.core
                        .handle_open_failed(self.now, link, error.message());
                    self.failure.set(error);
                }
            }
        }
        self.needs_drain
    }

    /// Reads what has arrived; whether anything has. What one read brings is worked through before the next.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        // The WebSocket first: a server answers the probe of an upgrade there, and then ends the poll. Read the other
        // way round, polling would be asked for once more, and the upgrade would have to wait for the end of that.
        for link in [Link::WebSocket, Link::Poll, Link::Post] {
            let Io::Open(_) = self.links[link.index()] else {
                continue;
            };
            // Answers to POSTs bring no events, and without them no pong could follow another.
            if self.paused && link != Link::Post {
                continue;
            }
            let buf = self.core.receive_buf(link);
            if buf.is_empty() {
                continue;
            }
            match self.links[link.index()].poll_read(cx, buf) {
                Poll::Pending => continue,
                Poll::Ready(Ok(0)) => {
                    self.tick();
                    self.links[link.index()].close(cx);
                    self.core.handle_closed(self.now, link, None);
                }
                Poll::Ready(Ok(n)) => {
                    self.tick();
                    self.core.handle_received(self.now, link, n);
                }
                Poll::Ready(Err(error)) => {
                    self.tick();
                    self.broken(link, &error);
                }
            }
            self.needs_drain = true;
            return true;
        }
        false
    }

    /// Gives what has happened to the dispatcher, and stops reading when it is behind.
    fn hand_over(&mut self, cx: &mut Context<'_>) {
        if self.batch.is_empty() && !self.paused {
            return;
        }
        let mut behind = self.outlet.hand_over(&mut self.batch);
        if behind {
            // The dispatcher may have caught up before it could know that it is waited for.
            self.outlet.driver.register(cx.waker());
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
        if shared.room_wanted.load(Ordering::Acquire) && shared.has_room() {
            shared.room_wanted.store(false, Ordering::Release);
            shared.room.notify_waiters();
        }
        self.publish_written();
        if !self.closings.is_empty() {
            self.advance_closings();
        }
    }

    /// The connection is closed for good.
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let closed = Inbox {
            closed: true,
            ..Inbox::default()
        };
        let rest = std::mem::replace(&mut **lock(&self.shared.inbox), closed);
        // Whoever has asked for something that is not taken any more is told so.
        drop(rest);
        for (_, sender) in self.acks.drain() {
            let _ = sender.send(Err(AckError::Disconnected));
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
            nsp.joined.notify_waiters();
        }
        self.closings.clear();
        self.shared.set_transport(None);
        self.shared.written.reach(u64::MAX);
        self.shared.room.notify_waiters();
        self.outlet.hand_over(&mut self.batch);
        for nsp in nsps.iter().chain([&self.shared.manager]) {
            self.outlet.end(nsp);
        }
        tracing::debug!("closed");
    }

    /// Sets the timer; whether it has gone off.
    fn arm(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(wake) = self.wake else { return false };
        // Only ever moved to an earlier time: deadlines move on with every packet, the timer need not.
        if self.armed.is_none_or(|armed| wake < armed) {
            self.armed = Some(wake);
            let at = self.origin + Duration::from_micros(wake.as_micros());
            self.sleep.as_mut().reset(at);
            self.registered = false;
        }
        // The timer keeps the waker of its last poll.
        let registered = std::mem::replace(&mut self.registered, true);
        if registered && !self.sleep.is_elapsed() {
            return false;
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            self.armed = None;
            self.tick();
            self.core.handle_timeout(self.now);
            self.needs_drain = true;
            return true;
        }
        false
    }
}

impl Drop for Driver {
    /// Also when the runtime ends: those who wait are told.
    fn drop(&mut self) {
        self.end();
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.waker.register(cx.waker());
        if this.paused {
            this.outlet.driver.register(cx.waker());
        }
        // The clock is read when a poll begins and after every read; nothing in between takes time.
        this.tick();
        this.flush(cx);
        for link in Link::ALL {
            if std::mem::take(&mut this.blocked[link.index()]) {
                this.core.handle_writable(this.now, link);
                this.needs_drain = true;
            }
        }
        for _ in 0..ROUNDS {
            this.take_inbox();
            if this.needs_drain {
                this.wake = this.drain(cx);
                this.needs_drain = false;
                this.publish();
                if this.needs_drain {
                    continue;
                }
            }
            this.hand_over(cx);
            let mut progress = this.dialing && this.dial(cx);
            progress |= this.read(cx);
            progress |= !progress && this.arm(cx);
            if this.ending && !this.needs_drain && this.core.is_down() {
                this.end();
                return Poll::Ready(());
            }
            if !progress && !this.needs_drain {
                return Poll::Pending;
            }
        }
        // Others want to run too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
