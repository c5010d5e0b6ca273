//! The client: what drivers hold. It decides everything above the bytes: namespaces, acknowledgements, buffers,
//! retries, reconnection, recovery.
//!
//! `mod.rs` has the driver's side (inputs and the drain), `commands.rs` the application's, `incoming.rs` packets that
//! arrive, `session.rs` what a session's begin and end mean, `detach.rs` events that let commands pass; `nsp.rs`, `acks.rs`, `reconnect.rs`, `event.rs` their types.

pub(crate) mod acks;
pub(crate) mod commands;
pub(crate) mod detach;
pub(crate) mod event;
mod incoming;
pub(crate) mod nsp;
mod reconnect;
#[cfg(feature = "alloc")]
mod scratch;
mod session;

use crate::config::{Config, Str, Transport};
use crate::engine::{Engine, Happening, Link, State, Step};
use crate::error::{AckError, Cause, Details, DisconnectReason};
use crate::memory::{Memory, Table};
use crate::packet::Text;
use crate::packet::socket::Span;
use crate::time::{Instant, earliest};

use acks::{AckId, Acks};
use event::{Event, Outgoing, Output, Refusal};
use incoming::{Arrived, Partial};
use nsp::{NamespaceId, NspEntry, NspState};
use reconnect::Backoff;

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
    nsps: Table<'a, NspEntry>,
    acks: Acks<'a>,
    backoff: Backoff,
    /// A packet whose attachments are still to come.
    partial: Option<Partial>,
    /// A text that was too large has been skipped: binary messages behind it may have belonged to it.
    orphans: bool,
    /// Held bytes that the last event borrowed.
    unhold: Option<(usize, usize)>,
    /// A session is to be opened as soon as the last one is gone.
    dial: bool,
    /// Counts joins of namespaces.
    joins: u32,
    /// Timers of namespaces and acks need a look.
    timers: bool,
    /// Something below is to be told.
    dirty: bool,
    tell_closed: Option<(DisconnectReason, Cause, bool)>,
    tell_reconnecting: Option<core::time::Duration>,
    tell_attempt: bool,
    tell_failed: bool,
    tell_reconnected: Option<u32>,
    /// The cause that goes with `Disconnected`.
    cause: Cause,
    report_outgoing: bool,
    #[cfg(feature = "alloc")]
    scratch: scratch::Scratch,
}

/// An event as offsets, before it borrows.
#[derive(Clone, Copy, Debug)]
enum Ev {
    Opened,
    Upgraded,
    UpgradeFailed(Cause),
    Auth(NamespaceId),
    Connected {
        nsp: NamespaceId,
        recovered: bool,
    },
    Refused {
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
        slot: usize,
    },
    TooLarge {
        bytes: u64,
    },
}

enum Todo {
    Step(Step),
    Event(Ev),
    Idle(Option<Instant>),
}

impl<'a> Client<'a> {
    /// A client that is not connected. `memory` comes from a [`Storage`](crate::Storage), or is growable.
    pub fn new(config: Config<'a>, mut memory: Memory<'a>) -> Self {
        let nsps = core::mem::replace(&mut memory.namespaces, Table::fixed(&mut []));
        let acks = core::mem::replace(&mut memory.acks, Table::fixed(&mut []));
        Self {
            engine: Engine::new(config, memory),
            nsps,
            acks: Acks::new(acks),
            backoff: Backoff::default(),
            partial: None,
            orphans: false,
            unhold: None,
            dial: false,
            joins: 0,
            timers: false,
            dirty: false,
            tell_closed: None,
            tell_reconnecting: None,
            tell_attempt: false,
            tell_failed: false,
            tell_reconnected: None,
            cause: Cause::Local,
            report_outgoing: false,
            #[cfg(feature = "alloc")]
            scratch: scratch::Scratch::new(),
        }
    }

    // ---- getters ----

    /// The configuration.
    pub const fn config(&self) -> &Config<'a> {
        &self.engine.config
    }

    /// The reconnection policy, which may be changed at any time; a running wait is not affected, except that
    /// disabling it ends the wait at its deadline.
    pub const fn reconnection_mut(&mut self) -> &mut crate::Reconnection {
        &mut self.engine.config.reconnection
    }

    /// The transport packets travel on; `None` without a session.
    pub fn transport(&self) -> Option<Transport> {
        self.engine.transport()
    }

    /// The Engine.IO session id; `None` without a session.
    pub fn engine_id(&self) -> Option<&str> {
        self.engine.sid()
    }

    /// The id of the socket in a namespace: present while it is joined.
    pub fn id(&self, nsp: NamespaceId) -> Option<&str> {
        self.nsp(nsp)
            .filter(|entry| entry.state == NspState::Joined)
            .map(|entry| entry.sid.as_str())
    }

    /// The name of a namespace; empty for a stale handle.
    pub fn name(&self, nsp: NamespaceId) -> &str {
        self.nsp(nsp).map_or("", NspEntry::name)
    }

    /// Whether the namespace is joined.
    pub fn is_connected(&self, nsp: NamespaceId) -> bool {
        self.nsp(nsp)
            .is_some_and(|entry| entry.state == NspState::Joined)
    }

    /// Whether the namespace is joined or will be, with this connection or the next.
    pub fn is_active(&self, nsp: NamespaceId) -> bool {
        self.nsp(nsp).is_some_and(NspEntry::is_active)
    }

    /// Whether the server kept the old session at the last CONNECT (A9).
    pub fn is_recovered(&self, nsp: NamespaceId) -> bool {
        self.nsp(nsp).is_some_and(|entry| entry.recovered)
    }

    /// Whether there is neither a link nor a plan for one: a driver may end.
    pub fn is_down(&self) -> bool {
        self.engine.state() == State::Down && !self.dial && self.backoff.at.is_none() && !self.dirty
    }

    /// Messages accepted for sending and not yet written.
    pub fn send_queue_len(&self) -> usize {
        self.engine.outbox.len()
    }

    /// Bytes of them, framing included.
    pub fn send_queue_bytes(&self) -> usize {
        self.engine.outbox.bytes()
    }

    /// Acknowledgements that are waited for, those of the `retries` queue included: at most
    /// [`Limits::acks`](crate::Limits::acks).
    pub fn pending_acks(&self) -> usize {
        self.acks.table.len()
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

    /// The driver could not connect `link`; `words` say why, for people.
    pub fn handle_open_failed(&mut self, now: Instant, link: Link, words: &str) {
        self.advance_clock(now);
        self.engine.handle_opened(link, Err(words));
    }

    /// Room for the next read on `link`: never empty while the link is open and the output is drained.
    pub fn receive_buf(&mut self, link: Link) -> &mut [u8] {
        self.release();
        self.engine.receive_buf(link)
    }

    /// `n` bytes have been read into [`receive_buf`](Self::receive_buf). Zero changes nothing: the end of the stream
    /// is [`handle_closed`](Self::handle_closed), so that it cannot be mistaken for a full buffer.
    pub fn handle_received(&mut self, now: Instant, link: Link, n: usize) {
        self.advance_clock(now);
        self.engine.handle_received(link, n);
    }

    /// `link` has ended, or broken for the reason `words`.
    pub fn handle_closed(&mut self, now: Instant, link: Link, words: Option<&str>) {
        self.advance_clock(now);
        self.engine.handle_closed(link, words);
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

    /// The driver stops reading because the application is slow (`true`), or goes on (`false`). While it does not
    /// read it cannot see pings, so pongs go out unasked when pings are overdue, and the heartbeat deadline rests.
    pub fn handle_reading_paused(&mut self, now: Instant, paused: bool) {
        self.advance_clock(now);
        self.engine.set_reading_paused(paused);
    }

    fn advance_clock(&mut self, now: Instant) {
        if now > self.engine.now {
            self.engine.advance_clock(now);
            self.timers = true;
        }
    }

    // ---- outputs ----

    /// The bytes to write next on `link`; empty if there are none. They stay the same until `transmitted`, but may
    /// move: do not keep the slice over another call.
    pub fn transmit(&self, link: Link) -> &[u8] {
        self.engine.transmit(link)
    }

    /// `n` bytes of [`transmit`](Self::transmit) have been written. Zero: the link takes nothing now; `Transmit` is
    /// not asked for again before [`handle_writable`](Self::handle_writable).
    pub fn transmitted(&mut self, link: Link, n: usize) {
        self.engine.transmitted(link, n);
    }

    /// What to do next. Ends with [`Output::Idle`] in a bounded number of calls.
    pub fn poll_output(&mut self) -> Output<'_> {
        match self.advance() {
            Todo::Step(Step::Open(link)) => Output::Open(link),
            Todo::Step(Step::Transmit(link)) => Output::Transmit(link),
            Todo::Step(Step::Close(link)) => Output::Close(link),
            Todo::Event(ev) => Output::Event(self.borrow(ev)),
            Todo::Step(_) => Output::Idle(None),
            Todo::Idle(wake) => Output::Idle(wake),
        }
    }

    /// Lets go of what the last event borrowed.
    fn release(&mut self) {
        if let Some((from, to)) = self.unhold.take() {
            self.engine.main_rx().unhold(from, to);
            self.held_moved(from, to);
        }
    }

    fn advance(&mut self) -> Todo {
        self.release();
        loop {
            if self.timers {
                self.check_timers();
            }
            if self.dirty {
                if let Some(ev) = self.next_notice() {
                    return Todo::Event(ev);
                }
                self.dirty = false;
            }
            if self.report_outgoing
                && let Some((slot, nsp)) = self.next_outgoing()
            {
                return Todo::Event(Ev::Outgoing { nsp, slot });
            }
            match self.engine.step() {
                Step::Happening(happening) => {
                    if let Some(ev) = self.happened(happening) {
                        return Todo::Event(ev);
                    }
                }
                Step::Idle => {
                    if self.settle() || self.dirty {
                        continue;
                    }
                    return Todo::Idle(self.wake());
                }
                step => return Todo::Step(step),
            }
        }
    }

    fn next_outgoing(&mut self) -> Option<(usize, NamespaceId)> {
        self.engine.transport()?;
        let (slot, _) = self.engine.outbox.next_unreported()?;
        self.engine.outbox.reported(slot);
        let index = self.engine.outbox.get(slot)?.nsp;
        Some((slot, self.handle(index)))
    }

    fn happened(&mut self, happening: Happening) -> Option<Ev> {
        match happening {
            Happening::Opened => Some(self.opened()),
            Happening::Message { binary } => self.arrived(binary),
            Happening::Refused { binary, bytes } => self.refused(binary, bytes),
            Happening::Ping => Some(Ev::Ping),
            Happening::Upgraded => Some(Ev::Upgraded),
            Happening::UpgradeFailed(cause) => Some(Ev::UpgradeFailed(cause)),
            Happening::Closed {
                reason,
                cause,
                opened,
            } => {
                self.closed(reason, cause, opened, false);
                None
            }
        }
    }

    fn wake(&self) -> Option<Instant> {
        let mut wake = earliest(self.engine.wake(), self.backoff.at);
        wake = earliest(wake, self.acks.wake());
        for entry in self.nsps.iter() {
            wake = earliest(wake, entry.deadline);
        }
        wake
    }

    fn details(&self, cause: Cause) -> Details<'_> {
        Details {
            cause,
            text: self.engine.note.as_str(),
        }
    }

    fn borrow(&mut self, ev: Ev) -> Event<'_> {
        match ev {
            Ev::Opened => Event::Opened {
                transport: self.engine.transport().unwrap_or(Transport::Polling),
                sid: self.engine.sid().unwrap_or(""),
            },
            Ev::Upgraded => Event::Upgraded,
            Ev::UpgradeFailed(cause) => Event::UpgradeFailed(self.details(cause)),
            Ev::Auth(nsp) => Event::Auth(nsp),
            Ev::Connected { nsp, recovered } => Event::Connected { nsp, recovered },
            Ev::Refused { nsp, message, data } => {
                let text = core::str::from_utf8(self.engine.message()).unwrap_or("");
                let data = (!data.is_empty()).then(|| data.of(text));
                Event::ConnectError(Refusal {
                    nsp,
                    message: Text::from_raw(message.of(text)),
                    data,
                })
            }
            Ev::NoAnswer { nsp } => Event::ConnectError(Refusal::no_answer(nsp)),
            Ev::OldServer { nsp } => Event::ConnectError(Refusal::old_server(nsp)),
            Ev::Message { nsp, arrived } => Event::Message(self.view(nsp, &arrived)),
            Ev::Ack { id, arrived } => Event::Ack {
                id,
                result: Ok(self.view_args(&arrived)),
            },
            Ev::AckFailed { id, error } => Event::Ack {
                id,
                result: Err(error),
            },
            Ev::Disconnected { nsp, reason } => Event::Disconnected {
                nsp,
                reason,
                details: self.details(self.cause),
            },
            Ev::Closed {
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
            Ev::Reconnecting { attempt, delay } => Event::Reconnecting { attempt, delay },
            Ev::ReconnectAttempt(n) => Event::ReconnectAttempt(n),
            Ev::Reconnected(n) => Event::Reconnected(n),
            Ev::ReconnectFailed => Event::ReconnectFailed,
            Ev::Ping => Event::Ping,
            Ev::Outgoing { nsp, slot } => {
                let outbox = &self.engine.outbox;
                let message = outbox.message(slot);
                let at = message.iter().position(|b| *b == b'[').unwrap_or(0);
                let data = core::str::from_utf8(&message[at..]).unwrap_or("[]");
                Event::Outgoing(Outgoing {
                    nsp,
                    data,
                    outbox,
                    slot,
                })
            }
            Ev::TooLarge { bytes } => Event::MessageTooLarge {
                bytes,
                limit: self.largest(),
            },
        }
    }

    /// Bytes of the largest packet that can be received.
    fn largest(&self) -> usize {
        self.engine
            .main_rx_ref()
            .capacity()
            .min(self.engine.config.limits.receive)
    }

    // ---- tables ----

    fn nsp(&self, nsp: NamespaceId) -> Option<&NspEntry> {
        self.nsps
            .get(nsp.index())
            .filter(|entry| entry.used && entry.generation == nsp.generation)
    }

    fn nsp_mut(&mut self, nsp: NamespaceId) -> Option<&mut NspEntry> {
        self.nsps
            .get_mut(nsp.index())
            .filter(|entry| entry.used && entry.generation == nsp.generation)
    }

    /// Which join of the namespace is current.
    fn join_of(&self, nsp: NamespaceId) -> u32 {
        self.nsp(nsp).map_or(0, |entry| entry.join)
    }

    fn handle(&self, index: u16) -> NamespaceId {
        let generation = self
            .nsps
            .get(index as usize)
            .map_or(0, |entry| entry.generation);
        NamespaceId { index, generation }
    }

    /// The namespace a packet names: exactly, or without a query (A8 item 91).
    fn find_nsp(&self, name: &[u8]) -> Option<u16> {
        let name: &[u8] = if name.is_empty() { b"/" } else { name };
        let by_name = |name: &[u8]| {
            self.nsps
                .iter()
                .position(|entry| entry.used && entry.name().as_bytes() == name)
        };
        let bare = || {
            name.split(|b| *b == b'?')
                .next()
                .filter(|bare| bare.len() < name.len())
        };
        let index = by_name(name).or_else(|| bare().and_then(by_name));
        index.map(|i| i as u16)
    }

    fn any_active(&self) -> bool {
        self.nsps.iter().any(NspEntry::is_active)
    }

    /// Changes the query; it counts from the next connection on (A2 item 8). Percent-encoded, without a leading `?`.
    pub fn set_query(&mut self, query: Str<'a>) {
        self.engine.set_query(query);
    }

    /// Changes the extra headers; they count from the next connection on. Each line ends with CRLF.
    pub fn set_headers(&mut self, headers: Str<'a>) {
        self.engine.set_headers(headers);
    }

    /// Whether events are reported as [`Event::Outgoing`] just before they are written. Off at first.
    pub const fn report_outgoing(&mut self, on: bool) {
        self.report_outgoing = on;
    }
}
