//! The client: what drivers hold. It decides everything above the bytes: namespaces, acknowledgements, buffers,
//! retries, reconnection, recovery.
//!
//! `mod.rs` has the driver's side (inputs and the drain), `commands.rs` the application's; `inbound.rs` packets that
//! arrive, `deferred.rs` those that wait for their namespace; `lifecycle.rs` what a session's begin and end mean,
//! `retries.rs` what becomes of packets that wait for answers; `detached.rs` events that let commands pass, `packed.rs`
//! packets in MessagePack that arrive. Each of
//! `namespaces.rs`, `acks.rs`, `recovery.rs`, `backoff.rs` and `notices.rs` owns its state; `event.rs` is what is told.

mod acks;
mod backoff;
mod commands;
mod deferred;
mod detached;
mod event;
mod inbound;
mod lifecycle;
mod namespaces;
mod notices;
#[cfg(feature = "offline")]
mod offline;
#[cfg(feature = "msgpack")]
mod packed;
mod recovery;
mod retries;
#[cfg(feature = "eio3")]
mod version;

use crate::config::{Config, Str, Transport};
use crate::engine::{Action, Engine, Link, SessionEvent};
use crate::error::{AckError, Cause, Details, DisconnectReason};
use crate::handle::{AckId, NamespaceId};
use crate::memory::{Index, Slab, Table};
use crate::outbox::{Outbox, UnsentCause};
use crate::packet::Text;
use crate::packet::socket::Span;
use crate::time::Instant;

pub(crate) use acks::AckEntry;
use acks::Acks;
use backoff::Reconnect;
pub use commands::{NamespaceError, RawPacket};
pub use detached::{Detached, DetachedOutput};
pub use event::{AckRequest, EmitOptions, Event, Message, Outgoing, Output, Refusal, Unsent};
use inbound::{Arrived, Inbound};
pub(crate) use namespaces::Namespace;
pub use namespaces::NspOptions;
use namespaces::{Namespaces, NspState};
pub(crate) use notices::Notice;
use notices::Notices;

/// A Socket.IO client without I/O, clock or entropy of its own.
///
/// Its methods are of four kinds:
/// - **getters** (`id`, `is_connected`, `transport`, …) change nothing;
/// - **inputs** (`handle_*`) tell it what happened outside, and the time;
/// - **commands** (`connect`, `emit`, `ack`, `disconnect`, …) say what the application wants;
/// - **outputs**: [`poll_output`](Self::poll_output) says what is to be done, with `receive_buf` and
///   `transmit`/`transmitted` to move the bytes.
///
/// After every input and every command, call `poll_output` until it gives [`Output::Idle`]. Trouble with the peer
/// arrives only as events; commands fail only for reasons the caller can see (full, unknown, reserved).
#[derive(Debug)]
pub struct Client<'a> {
    engine: Engine<'a>,
    outbox: Outbox<'a>,
    namespaces: Namespaces<'a>,
    acks: Acks<'a>,
    inbound: Inbound,
    reconnect: Reconnect,
    notices: Notices<'a>,
    /// Timers of namespaces and acks need a look.
    timers: bool,
    /// A packet of a `retries` queue has found no entry for its answer.
    starved: bool,
    /// No deadline comes before, as was found when all was done last; zero as soon as anything but reading has happened.
    quiet_until: Instant,
    /// A packet whose end is being told, to be released with the next output.
    unsent: Option<Index>,
    /// What a server of Engine.IO 3 does about the main namespace.
    #[cfg(feature = "eio3")]
    main: version::Main,
}

/// An event as offsets, before it borrows.
#[derive(Clone, Copy, Debug)]
enum PendingEvent {
    Opened,
    Upgraded,
    UpgradeFailed(Cause),
    Auth(NamespaceId),
    Connected {
        nsp: NamespaceId,
        recovered: bool,
    },
    ConnectError {
        nsp: NamespaceId,
        message: Span,
        data: Span,
    },
    NoAnswer {
        nsp: NamespaceId,
    },
    OldServer {
        nsp: NamespaceId,
    },
    #[cfg(feature = "eio3")]
    NoAuth {
        nsp: NamespaceId,
    },
    IdTooLong {
        nsp: NamespaceId,
    },
    Message {
        nsp: NamespaceId,
        arrived: Arrived,
    },
    Ack {
        id: AckId,
        arrived: Arrived,
    },
    AckFailed {
        id: AckId,
        error: AckError,
    },
    Disconnected {
        nsp: NamespaceId,
        reason: DisconnectReason,
        cause: Cause,
    },
    Closed {
        reason: DisconnectReason,
        cause: Cause,
        opened: bool,
        retry: bool,
    },
    Reconnecting {
        attempt: u32,
        delay: core::time::Duration,
    },
    ReconnectAttempt(u32),
    Reconnected(u32),
    ReconnectFailed,
    Ping,
    Outgoing {
        nsp: NamespaceId,
        packet: Index,
    },
    Unsent {
        nsp: NamespaceId,
        packet: Index,
        cause: UnsentCause,
    },
    #[cfg(feature = "offline")]
    Dropped {
        nsp: NamespaceId,
        count: u32,
    },
    MessageTooLarge {
        bytes: u64,
    },
}

enum Next {
    Open(Link),
    Transmit(Link),
    Close(Link),
    Event(PendingEvent),
    Idle(Option<Instant>),
}

impl<'a> Client<'a> {
    /// A client that is not connected, of its floors and the tables of its own. `storage.rs` puts it together.
    pub(crate) const fn from_parts(
        engine: Engine<'a>,
        outbox: Outbox<'a>,
        namespaces: Slab<'a, Namespace>,
        acks: Slab<'a, AckEntry>,
        notices: Table<'a, Notice>,
    ) -> Self {
        Self {
            outbox,
            engine,
            namespaces: Namespaces::new(namespaces),
            acks: Acks::new(acks),
            inbound: Inbound::NOTHING,
            reconnect: Reconnect::NONE,
            notices: Notices::new(notices),
            timers: false,
            starved: false,
            quiet_until: Instant::ZERO,
            unsent: None,
            #[cfg(feature = "eio3")]
            main: version::Main::Awaited,
        }
    }

    /// Sets every counter `left` steps before its end, as after years, so that a test sees it pass. For a client that has
    /// done nothing yet; for this crate's own tests.
    #[cfg(feature = "count-steps")]
    #[doc(hidden)]
    pub fn age(&mut self, left: u32) {
        self.engine.age(left);
        self.outbox.age(left);
        self.namespaces.age(left);
        self.acks.age(left);
        self.reconnect.attempts = u32::MAX - left;
    }

    // ---- getters ----

    /// The configuration.
    pub const fn config(&self) -> &Config<'a> {
        self.engine.config()
    }

    /// The reconnection policy, which may be changed at any time; a running wait is not affected, except that
    /// disabling it ends the wait at its deadline.
    pub const fn reconnection_mut(&mut self) -> &mut crate::Reconnection {
        &mut self.engine.config_mut().reconnection
    }

    /// The transport packets travel on; `None` without a session.
    pub fn transport(&self) -> Option<Transport> {
        self.engine.transport()
    }

    /// The Engine.IO session id; `None` without a session.
    pub fn engine_id(&self) -> Option<&str> {
        self.engine.sid()
    }

    /// What the server has agreed on of the offered [`Config::compression`]; `None` if nothing is compressed.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<crate::AgreedCompression> {
        self.engine.compression()
    }

    /// Bytes of one message that the server said it accepts (`maxPayload`); `None` if it did not say, or without a
    /// session. A larger one is accepted here all the same: the server decides.
    pub fn max_payload(&self) -> Option<usize> {
        Some(self.engine.max_payload()).filter(|max| *max > 0)
    }

    /// The id of the socket in a namespace: present while it is joined.
    pub fn id(&self, nsp: NamespaceId) -> Option<&str> {
        self.namespaces
            .get(nsp)
            .filter(|entry| entry.is_joined())
            .map(|entry| entry.sid.as_str())
    }

    /// The name of a namespace; empty for a stale handle.
    pub fn name(&self, nsp: NamespaceId) -> &str {
        self.namespaces.get(nsp).map_or("", Namespace::name)
    }

    /// Whether the namespace is joined.
    pub fn is_connected(&self, nsp: NamespaceId) -> bool {
        self.namespaces.get(nsp).is_some_and(Namespace::is_joined)
    }

    /// Whether the namespace is joined or will be, with this connection or the next.
    pub fn is_active(&self, nsp: NamespaceId) -> bool {
        self.namespaces.get(nsp).is_some_and(Namespace::is_active)
    }

    /// Whether the server kept the old session at the last CONNECT (connection state recovery).
    pub fn is_recovered(&self, nsp: NamespaceId) -> bool {
        self.namespaces
            .get(nsp)
            .is_some_and(|entry| entry.recovered)
    }

    /// Whether there is neither a link nor a plan for one: a driver may end.
    pub fn is_down(&self) -> bool {
        self.engine.is_down()
            && !self.reconnect.dial
            && !self.reconnect.is_waiting()
            && self.notices.is_empty()
    }

    /// Packets accepted for sending and not yet written (or, in a `retries` queue, not yet acknowledged); one with
    /// attachments counts once.
    pub fn send_queue_len(&self) -> usize {
        self.outbox.len()
    }

    /// Bytes of them, framing included.
    pub fn send_queue_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// How many packets have been accepted for sending so far: a mark for [`written_mark`](Self::written_mark).
    pub fn send_mark(&self) -> u64 {
        self.outbox.accepted()
    }

    /// All packets accepted before the send buffer stood at this [`send_mark`](Self::send_mark) have been written (in a
    /// `retries` queue: acknowledged), or their end has been told. So a flush is over when this has reached the mark at
    /// which it began, however much was emitted since.
    pub fn written_mark(&self) -> u64 {
        self.outbox.written()
    }

    /// Acknowledgements that the application waits for: at most [`Limits::acks`](crate::Limits::acks).
    pub const fn pending_acks(&self) -> usize {
        self.acks.asked()
    }

    /// Whether a packet for a joined namespace would be written at once.
    pub fn is_writable(&self) -> bool {
        self.engine.is_writable()
    }

    // ---- inputs ----

    /// The driver has connected `link`, as [`Output::Open`] asked.
    pub fn handle_opened(&mut self, now: Instant, link: Link) {
        self.advance_clock(now);
        self.engine.handle_opened(link, Ok(()));
    }

    /// The driver could not connect `link`; `message` says why, for people.
    pub fn handle_open_failed(&mut self, now: Instant, link: Link, message: &str) {
        self.advance_clock(now);
        self.engine.handle_opened(link, Err(message));
        self.follow();
    }

    /// The redirect of the handshake that the driver is to judge, when it is asked to open a link again by
    /// [`Output::Open`]. Needs [`Config::follow_redirects`]; there are none once a session is open. A driver answers by
    /// [`follow_redirect`](Self::follow_redirect) or [`refuse_redirect`](Self::refuse_redirect) before it connects. It
    /// bounds how many it follows in one attempt, never goes from encrypted to plain, and keeps credentials from other
    /// origins (RFC 9110, section 15.4). All redirects of an attempt share its [`Config::connect_timeout`].
    #[cfg(feature = "redirects")]
    pub fn redirect(&self) -> Option<crate::Redirect<'_>> {
        self.engine.redirect()
    }

    /// The driver opens the link at `server`, and every other one of this session. The next attempt, after the session
    /// has ended or this attempt has failed, begins at the configured server again. Does nothing without a
    /// [`redirect`](Self::redirect).
    #[cfg(feature = "redirects")]
    pub fn follow_redirect(&mut self, server: crate::Server) {
        self.engine.follow_redirect(server);
    }

    /// Whether this session, or the attempt at one, has been sent to another server by
    /// [`follow_redirect`](Self::follow_redirect).
    #[cfg(feature = "redirects")]
    pub fn is_redirected(&self) -> bool {
        self.engine.is_redirected()
    }

    /// The driver does not follow the [`redirect`](Self::redirect): the attempt fails, with [`Cause::Redirect`].
    #[cfg(feature = "redirects")]
    pub fn refuse_redirect(&mut self, now: Instant, link: Link) {
        self.advance_clock(now);
        self.engine.refuse_redirect(link);
        self.follow();
    }

    /// Room for the next read on `link`: never empty while the link is open and the output is drained, unless the driver
    /// has [paused](Self::handle_reading_paused) reading.
    pub fn receive_buf(&mut self, link: Link) -> &mut [u8] {
        self.release();
        self.engine.receive_buf(link)
    }

    /// `n` bytes have been read into [`receive_buf`](Self::receive_buf). Zero changes nothing: the end of the stream
    /// is [`handle_closed`](Self::handle_closed), so that it cannot be mistaken for a full buffer.
    pub fn handle_received(&mut self, now: Instant, link: Link, n: usize) {
        // Most bytes come when no deadline has: then timers need no look.
        if now < self.quiet_until {
            self.engine.set_clock(now);
        } else {
            self.advance_clock(now);
        }
        self.engine.handle_received(link, n);
    }

    /// `link` has ended, or broken for the reason `message`.
    pub fn handle_closed(&mut self, now: Instant, link: Link, message: Option<&str>) {
        self.advance_clock(now);
        self.engine.handle_closed(link, message);
        self.follow();
    }

    /// `link`, which took no bytes before, takes some again.
    pub fn handle_writable(&mut self, now: Instant, link: Link) {
        self.advance_clock(now);
        self.engine.handle_writable(link);
    }

    /// The deadline of [`Output::Idle`] has come. Early and repeated calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance_clock(now);
        self.engine.look_at_timers();
        self.timers = true;
    }

    /// The driver stops reading because the application is slow (`true`), or goes on (`false`). What has been read and
    /// not worked through waits as well: no [`Event::Message`] is told meanwhile, so that a driver's bound holds within
    /// one drain. While it does not read it cannot see pings, so pongs go out unasked when pings are overdue, and the
    /// heartbeat deadline rests.
    pub fn handle_reading_paused(&mut self, now: Instant, paused: bool) {
        self.advance_clock(now);
        self.engine.set_reading_paused(paused);
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn advance_clock(&mut self, now: Instant) {
        self.quiet_until = Instant::ZERO;
        if now > self.engine.now() {
            self.engine.advance_clock(now);
            self.timers = true;
        }
    }

    // ---- outputs ----

    /// The bytes to write next on `link`; empty if there are none. They stay the same until `transmitted`, but may
    /// move: do not keep the slice over another call.
    pub fn transmit(&self, link: Link) -> &[u8] {
        self.engine.transmit(&self.outbox, link)
    }

    /// `n` bytes of [`transmit`](Self::transmit) have been written. Zero: the link takes nothing now; `Transmit` is
    /// not asked for again before [`handle_writable`](Self::handle_writable).
    pub fn transmitted(&mut self, link: Link, n: usize) {
        self.engine.transmitted(&mut self.outbox, link, n);
    }

    /// What to do next. Ends with [`Output::Idle`] in a bounded number of calls.
    pub fn poll_output(&mut self) -> Output<'_> {
        match self.advance() {
            Next::Open(link) => Output::Open(link),
            Next::Transmit(link) => Output::Transmit(link),
            Next::Close(link) => Output::Close(link),
            Next::Event(event) => Output::Event(self.borrow(event)),
            Next::Idle(wake) => Output::Idle(wake),
        }
    }

    /// Lets go of what the last event borrowed.
    fn release(&mut self) {
        self.release_received();
        if let Some(packet) = self.unsent.take() {
            self.outbox.told(packet);
        }
    }

    fn advance(&mut self) -> Next {
        self.release();
        self.quiet_until = Instant::ZERO;
        loop {
            if self.timers {
                self.check_timers();
            }
            if !self.notices.is_empty() {
                // What has failed is closed before it is told.
                if let Some(Notice::Closed { reason, .. }) = self.notices.first()
                    && reason != DisconnectReason::ForcedClose
                    && let Some(link) = self.engine.next_close()
                {
                    return Next::Close(link);
                }
                if let Some(event) = self.next_notice() {
                    return Next::Event(event);
                }
            }
            let waiting = !self.notices.is_empty();
            if let Some((packet, nsp)) = self.outbox.next_report() {
                return Next::Event(PendingEvent::Outgoing { nsp, packet });
            }
            #[cfg(feature = "alloc")]
            if self.engine.next_text() {
                if let Some(event) = self.arrived(false) {
                    return Next::Event(event);
                }
                self.follow();
                continue;
            }
            match self.engine.step(&mut self.outbox) {
                Action::Open(link) => return Next::Open(link),
                Action::Transmit(link) => return Next::Transmit(link),
                Action::Close(link) => return Next::Close(link),
                Action::Event(event) => {
                    if let Some(event) = self.session_event(event) {
                        return Next::Event(event);
                    }
                    self.follow();
                }
                Action::Ended => self.follow(),
                Action::Idle => {
                    // Notices that wait until the driver reads again are not waited for.
                    if !self.settle() && (waiting || self.notices.is_empty()) {
                        let wake = self.wake();
                        self.quiet_until = wake.unwrap_or(Instant::from_micros(u64::MAX));
                        return Next::Idle(wake);
                    }
                }
            }
        }
    }

    fn session_event(&mut self, event: SessionEvent) -> Option<PendingEvent> {
        match event {
            SessionEvent::Opened => Some(self.opened()),
            SessionEvent::Message { binary } => self.arrived(binary),
            SessionEvent::MessageTooLarge { binary, bytes } => {
                self.message_too_large(binary, bytes)
            }
            SessionEvent::Ping => Some(PendingEvent::Ping),
            SessionEvent::Upgraded => Some(PendingEvent::Upgraded),
            SessionEvent::UpgradeFailed(cause) => Some(PendingEvent::UpgradeFailed(cause)),
        }
    }

    /// The next event that was noted.
    fn next_notice(&mut self) -> Option<PendingEvent> {
        while let Some(notice) = self.notices.first() {
            let known = |nsp| self.namespaces.get(nsp).is_some();
            let event = match notice {
                Notice::Closed {
                    reason,
                    cause,
                    opened,
                    retry,
                } => Some(PendingEvent::Closed {
                    reason,
                    cause,
                    opened,
                    // A command may have changed the plan meanwhile.
                    retry: retry && (self.reconnect.is_waiting() || self.reconnect.dial),
                }),
                Notice::Disconnected { nsp, reason, cause } => {
                    known(nsp).then_some(PendingEvent::Disconnected { nsp, reason, cause })
                }
                Notice::NoAnswer { nsp, old } if known(nsp) => Some(if old {
                    PendingEvent::OldServer { nsp }
                } else {
                    PendingEvent::NoAnswer { nsp }
                }),
                #[cfg(feature = "eio3")]
                Notice::NoAuth(nsp) => known(nsp).then_some(PendingEvent::NoAuth { nsp }),
                Notice::FailedAcks => match self.acks.next_failed() {
                    // It stays until none is left.
                    Some((id, error)) => return Some(PendingEvent::AckFailed { id, error }),
                    None => None,
                },
                Notice::Unsent => match self.outbox.next_given_up() {
                    Some((packet, nsp, cause)) => {
                        self.unsent = Some(packet);
                        return Some(PendingEvent::Unsent { nsp, packet, cause });
                    }
                    None => None,
                },
                #[cfg(feature = "offline")]
                Notice::Dropped(nsp) => self.namespaces.get_mut(nsp).map(|entry| {
                    let count = core::mem::take(&mut entry.dropped);
                    PendingEvent::Dropped { nsp, count }
                }),
                Notice::Reconnecting { attempt, delay } => {
                    Some(PendingEvent::Reconnecting { attempt, delay })
                }
                Notice::ReconnectAttempt(n) => Some(PendingEvent::ReconnectAttempt(n)),
                Notice::Reconnected(n) => Some(PendingEvent::Reconnected(n)),
                Notice::ReconnectFailed => Some(PendingEvent::ReconnectFailed),
                Notice::Auth(nsp) => self
                    .namespaces
                    .get(nsp)
                    .filter(|entry| entry.state() == NspState::Asked)
                    .map(|_| PendingEvent::Auth(nsp)),
                // Its events are told when the driver reads again, and the join behind them.
                Notice::Connected { nsp, .. }
                    if self.engine.is_reading_paused() && self.has_deferred(nsp) =>
                {
                    return None;
                }
                Notice::Connected { nsp, join } => match self.next_of_join(nsp, join) {
                    Some(event @ PendingEvent::Message { .. }) => return Some(event),
                    other => other,
                },
                Notice::NoAnswer { .. } => None,
            };
            self.notices.done();
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Events that came before the CONNECT reply are told first, then the join.
    fn next_of_join(&mut self, nsp: NamespaceId, join: u32) -> Option<PendingEvent> {
        self.namespaces
            .get(nsp)
            .filter(|entry| entry.is_joined() && entry.join == join)?;
        if let Some(event) = self.next_deferred(nsp) {
            return Some(event);
        }
        let recovered = self.is_recovered(nsp);
        Some(PendingEvent::Connected { nsp, recovered })
    }

    fn details(&self, cause: Cause) -> Details<'_> {
        Details {
            cause,
            text: self.engine.fault().text_for(cause),
        }
    }

    fn borrow(&mut self, event: PendingEvent) -> Event<'_> {
        match event {
            PendingEvent::Opened => Event::Opened {
                transport: self.engine.transport().unwrap_or(Transport::Polling),
                sid: self.engine.sid().unwrap_or(""),
            },
            PendingEvent::Upgraded => Event::Upgraded,
            PendingEvent::UpgradeFailed(cause) => Event::UpgradeFailed(self.details(cause)),
            PendingEvent::ConnectError { nsp, message, data } => {
                let text = core::str::from_utf8(self.engine.message()).unwrap_or("");
                let data = (!data.is_empty()).then(|| data.of(text));
                Event::ConnectError(Refusal {
                    nsp,
                    message: Text::from_raw(message.of(text)),
                    data,
                })
            }
            PendingEvent::Message { nsp, arrived } => Event::Message(self.view(nsp, &arrived)),
            PendingEvent::Ack { id, arrived } => Event::Ack {
                id,
                result: Ok(self.view_args(&arrived)),
            },
            PendingEvent::Disconnected { nsp, reason, cause } => Event::Disconnected {
                nsp,
                reason,
                details: self.details(cause),
            },
            PendingEvent::Closed {
                reason,
                cause,
                opened,
                retry,
            } => Event::Closed {
                reason,
                details: self.details(cause),
                opened,
                retry,
            },
            PendingEvent::Outgoing { nsp, packet } => {
                #[cfg(feature = "msgpack")]
                self.outbox.show(packet);
                let outbox = &self.outbox;
                Event::Outgoing(Outgoing {
                    nsp,
                    data: outbox.json(packet).0,
                    outbox,
                    packet,
                })
            }
            PendingEvent::Unsent { nsp, packet, cause } => {
                #[cfg(feature = "msgpack")]
                self.outbox.show(packet);
                let (json, bytes) = self.outbox.json(packet);
                Event::Unsent(Unsent {
                    nsp,
                    event: name_in(json),
                    bytes,
                    cause,
                })
            }
            PendingEvent::MessageTooLarge { bytes } => Event::MessageTooLarge {
                bytes,
                limit: self.largest(),
            },
            other => other.plain(),
        }
    }

    /// Bytes of the largest packet that can be received.
    fn largest(&self) -> usize {
        self.engine
            .main_rx_ref()
            .capacity()
            .min(self.engine.config().limits.receive)
    }

    /// Which join of the namespace is current.
    fn join_of(&self, nsp: NamespaceId) -> u32 {
        self.namespaces.get(nsp).map_or(0, |entry| entry.join)
    }

    // ---- changes that count from the next connection on ----

    /// Changes the query; it counts from the next connection on. Percent-encoded, without a leading `?`.
    pub fn set_query(&mut self, query: Str<'a>) {
        self.engine.set_query(query);
    }

    /// Changes the extra headers; they count from the next connection on. Each line ends with CRLF.
    pub fn set_headers(&mut self, headers: Str<'a>) {
        self.engine.set_headers(headers);
    }

    /// Whether events are reported as [`Event::Outgoing`] just before they are written. Off at first; it counts for
    /// events that are emitted from then on.
    pub const fn report_outgoing(&mut self, on: bool) {
        self.outbox.set_report(on);
    }
}

impl PendingEvent {
    /// The events that borrow nothing.
    fn plain<'c>(self) -> Event<'c> {
        match self {
            Self::Upgraded => Event::Upgraded,
            Self::Auth(nsp) => Event::Auth(nsp),
            Self::Connected { nsp, recovered } => Event::Connected { nsp, recovered },
            Self::NoAnswer { nsp } => Event::ConnectError(Refusal::no_answer(nsp)),
            Self::OldServer { nsp } => Event::ConnectError(Refusal::old_server(nsp)),
            #[cfg(feature = "eio3")]
            Self::NoAuth { nsp } => Event::ConnectError(Refusal::no_auth(nsp)),
            Self::IdTooLong { nsp } => Event::ConnectError(Refusal::id_too_long(nsp)),
            Self::AckFailed { id, error } => Event::Ack {
                id,
                result: Err(error),
            },
            #[cfg(feature = "offline")]
            Self::Dropped { nsp, count } => Event::Dropped { nsp, count },
            Self::Reconnecting { attempt, delay } => Event::Reconnecting { attempt, delay },
            Self::ReconnectAttempt(n) => Event::ReconnectAttempt(n),
            Self::Reconnected(n) => Event::Reconnected(n),
            Self::ReconnectFailed => Event::ReconnectFailed,
            // All others borrow.
            _ => Event::Ping,
        }
    }
}

/// The event's name in the JSON array of a packet; empty if it is a number.
fn name_in(json: &str) -> Text<'_> {
    let first = crate::packet::json::array_items(json).next();
    first
        .and_then(crate::packet::json::as_str)
        .unwrap_or_default()
}
