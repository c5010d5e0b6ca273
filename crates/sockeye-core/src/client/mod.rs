//! The client: what drivers hold. It decides everything above the bytes: namespaces, acknowledgements, buffers,
//! retries, reconnection, recovery.
//!
//! `mod.rs` has the state and the getters, `inputs.rs` and `outputs.rs` the driver's side, `commands.rs` the application's;
//! `inbound.rs` packets that arrive, `joins.rs` those among them that join and leave namespaces, `deferred.rs` those that wait for their namespace; `lifecycle.rs` what a session's begin and end mean,
//! `retries.rs` what becomes of packets that wait for answers; `detached.rs` events that let commands pass, `packed.rs`
//! packets in MessagePack, `views.rs` what events borrow of packets, `plain.rs` the shortest way of plain events, `agenda.rs` what there is to do, and the short way of most packets. Each of
//! `namespaces.rs`, `acks.rs`, `recovery.rs`, `backoff.rs` and `notices.rs` owns its state; `event.rs` is what is told.

mod acks;
mod agenda;
mod backoff;
mod commands;
mod deferred;
mod detached;
mod event;
mod inbound;
mod inputs;
mod joins;
mod lifecycle;
mod namespaces;
mod notices;
#[cfg(feature = "offline")]
mod offline;
mod outputs;
#[cfg(feature = "msgpack")]
mod packed;
#[cfg(feature = "alloc")]
mod plain;
mod recovery;
mod retries;
#[cfg(feature = "eio3")]
mod version;
mod views;

use crate::config::{Config, Transport};
use crate::engine::{Engine, Link};
use crate::error::{AckError, Cause};
use crate::handle::{AckId, NamespaceId};
use crate::memory::{Index, Slab, Table};
use crate::outbox::{Outbox, UnsentCause};
use crate::packet::socket::Span;
use crate::time::Instant;

pub(crate) use acks::AckEntry;
use acks::Acks;
use agenda::Agenda;
pub use commands::{NamespaceError, RawPacket};
pub use detached::{Detached, DetachedOutput, EventText};
pub use event::{AckRequest, EmitOptions, Event, Message, Outgoing, Output, Refusal, Unsent};
use inbound::Inbound;
pub(crate) use namespaces::Namespace;
use namespaces::Namespaces;
pub use namespaces::NspOptions;
pub(crate) use notices::Notice;
#[cfg(feature = "msgpack")]
pub use packed::PackedPacket;
#[cfg(feature = "alloc")]
pub use plain::{PlainAnswer, PlainEvent};

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
    agenda: Agenda<'a>,
}

/// An event as offsets, before it borrows.
#[derive(Clone, Copy, Debug)]
enum PendingEvent {
    Opened,
    Upgraded,
    UpgradeFailed(Cause),
    /// What was noted, and is told by itself.
    Noted(Notice),
    Connected {
        nsp: NamespaceId,
        recovered: bool,
    },
    ConnectError {
        nsp: NamespaceId,
        message: Span,
        data: Span,
    },
    IdTooLong {
        nsp: NamespaceId,
    },
    /// The packet is in the client's [`Inbound`].
    Message {
        nsp: NamespaceId,
    },
    /// Likewise.
    Ack {
        id: AckId,
    },
    AckFailed {
        id: AckId,
        error: AckError,
    },
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
            inbound: Inbound::nothing(),
            agenda: Agenda::new(notices),
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
        self.agenda.reconnect.attempts = u32::MAX - left;
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
        self.engine.is_down() && self.agenda.is_empty()
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

    // ---- changes that count from the next connection on ----

    /// Changes the query; it counts from the next connection on. Percent-encoded, without a leading `?`.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub fn set_query(&mut self, query: crate::config::Str<'a>) {
        self.engine.set_query(query);
    }

    /// Changes the extra headers; they count from the next connection on. Each line ends with CRLF.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub fn set_headers(&mut self, headers: crate::config::Str<'a>) {
        self.engine.set_headers(headers);
    }

    /// Whether events are reported as [`Event::Outgoing`] just before they are written. Off at first; it counts for
    /// events that are emitted from then on.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub const fn report_outgoing(&mut self, on: bool) {
        self.outbox.set_report(on);
    }
}
