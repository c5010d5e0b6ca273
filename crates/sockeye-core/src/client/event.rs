//! What the core tells the application.

use core::time::Duration;

use crate::config::Transport;
use crate::engine::Link;
use crate::error::{AckError, Details, DisconnectReason};
use crate::handle::{AckId, NamespaceId};
use crate::memory::Index;
use crate::message::message;
use crate::outbox::{Outbox, UnsentCause};
use crate::packet::{Args, ArgsError, Attachments, FromArgs, Text, TypedEvent};
use crate::time::Instant;

/// One thing for the driver to do. Drain until `Idle` after every input and every command.
#[derive(Debug)]
#[must_use = "drain until `Idle` before waiting"]
pub enum Output<'c> {
    /// Connect this link to the server, then call [`Client::handle_opened`](crate::Client::handle_opened).
    Open(Link),
    /// Write [`Client::transmit`](crate::Client::transmit) to this link, then call
    /// [`Client::transmitted`](crate::Client::transmitted).
    Transmit(Link),
    /// Close this link. No word about it is expected.
    Close(Link),
    /// Tell the application. What the event borrows is released by the next `poll_output`.
    Event(Event<'c>),
    /// Nothing to do until bytes arrive, a link becomes writable, a command is given, or this deadline
    /// ([`Client::handle_timeout`](crate::Client::handle_timeout)).
    Idle(Option<Instant>),
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'c> {
    /// The Engine.IO handshake is done; namespaces are being joined.
    Opened {
        /// The transport in use.
        transport: Transport,
        /// The Engine.IO session id.
        sid: &'c str,
    },
    /// Packets travel on WebSocket from here on.
    Upgraded,
    /// The WebSocket could not be used; polling goes on.
    UpgradeFailed(Details<'c>),
    /// The `auth` payload for a CONNECT is wanted: answer with [`Client::provide_auth`](crate::Client::provide_auth).
    Auth(NamespaceId),
    /// A namespace has been joined: events flow. Its id is [`Client::id`](crate::Client::id).
    Connected {
        /// The namespace.
        nsp: NamespaceId,
        /// The server kept the old session: missed events follow, id and rooms are the same.
        recovered: bool,
    },
    /// The server refused a namespace, or gave no answer in time. Not tried again until told to.
    ConnectError(Refusal<'c>),
    /// An event from the server.
    Message(Message<'c>),
    /// An acknowledgement is resolved.
    Ack {
        /// The one that the emit gave out.
        id: AckId,
        /// The server's answer, or why there is none.
        result: Result<Args<'c>, AckError>,
    },
    /// A namespace that was joined is no longer.
    Disconnected {
        /// The namespace.
        nsp: NamespaceId,
        /// Why, in the official client's terms.
        reason: DisconnectReason,
        /// Why, exactly.
        details: Details<'c>,
    },
    /// The connection, or an attempt at it, has failed. `Disconnected` follows for each joined namespace.
    Closed {
        /// Why, in the official client's terms.
        reason: DisconnectReason,
        /// Why, exactly.
        details: Details<'c>,
        /// Whether a session had been established: `false` for a failed attempt.
        opened: bool,
        /// Whether another attempt follows.
        retry: bool,
    },
    /// Another attempt follows after `delay`.
    Reconnecting {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Until then.
        delay: Duration,
    },
    /// Another attempt begins.
    ReconnectAttempt(u32),
    /// An attempt succeeded: there is a session again.
    Reconnected(u32),
    /// All attempts are used up. Nothing more happens until told to connect.
    ReconnectFailed,
    /// The server's ping has been answered.
    Ping,
    /// An event is about to be written (only with `Client::report_outgoing`, feature `extras`).
    Outgoing(Outgoing<'c>),
    /// A packet that an emit had accepted was given up. Told only where no acknowledgement tells it.
    Unsent(Unsent<'c>),
    /// Events that waited for a join gave way to newer ones: see `NspOptions::offline` (feature `offline`).
    Dropped {
        /// The namespace.
        nsp: NamespaceId,
        /// How many, since this was told last.
        count: u32,
    },
    /// A message from the server was larger than can be received, and was skipped. The connection goes on.
    MessageTooLarge {
        /// Bytes of it.
        bytes: u64,
        /// Bytes that could have been received.
        limit: usize,
    },
}

/// Why a namespace could not be joined.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'c> {
    /// The namespace.
    pub nsp: NamespaceId,
    /// The server's message.
    pub message: Text<'c>,
    /// The server's `data`, as JSON.
    pub data: Option<&'c str>,
}

impl<'c> Refusal<'c> {
    /// A refusal in a driver's own words (no quotes or backslashes): the namespace could not be joined for a reason
    /// on this side.
    pub const fn from_driver(nsp: NamespaceId, message: &'c str) -> Self {
        Self {
            nsp,
            message: Text::from_raw(message),
            data: None,
        }
    }

    pub(crate) const fn no_answer(nsp: NamespaceId) -> Self {
        let message = Text::from_raw(message!(
            "R1",
            "no answer to the CONNECT packet within the timeout"
        ));
        Self {
            nsp,
            message,
            data: None,
        }
    }

    pub(crate) const fn old_server(nsp: NamespaceId) -> Self {
        let message = Text::from_raw(if cfg!(feature = "eio3") {
            message!(
                "R2",
                "the server speaks Socket.IO 2: choose protocol 3, or have it detected"
            )
        } else {
            message!(
                "R2",
                "the server speaks Socket.IO 2: Sockeye needs Socket.IO 3 or later there"
            )
        });
        Self {
            nsp,
            message,
            data: None,
        }
    }

    #[cfg(feature = "eio3")]
    pub(crate) const fn no_auth(nsp: NamespaceId) -> Self {
        let message = Text::from_raw(message!(
            "R4",
            "the server speaks Socket.IO 2, which takes no auth payload: put the credentials into the query or a header"
        ));
        Self {
            nsp,
            message,
            data: None,
        }
    }

    pub(crate) const fn id_too_long(nsp: NamespaceId) -> Self {
        let message = Text::from_raw(message!(
            "R3",
            "the socket id that the server gave is longer than can be kept here: see ID_MAX"
        ));
        Self {
            nsp,
            message,
            data: None,
        }
    }
}

/// An event: its name, arguments, and the wish for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Message<'c> {
    /// The namespace it belongs to.
    pub nsp: NamespaceId,
    /// The event's name; compares with `&str`.
    pub name: Text<'c>,
    /// The arguments, decoded on demand.
    pub args: Args<'c>,
    /// The server wants an answer: pass this to [`Client::ack`](crate::Client::ack), now or later.
    pub ack: Option<AckRequest>,
}

impl<'c> Message<'c> {
    /// The event as a type of its own, which may borrow; `None` if it has another name.
    ///
    /// # Errors
    /// Its arguments do not fit the type: which one, and why.
    pub fn typed<E: TypedEvent + FromArgs<'c>>(&self) -> Option<Result<E, ArgsError>> {
        (self.name == E::NAME).then(|| self.args.parse())
    }

    /// The attachments that came with it, in the order of their placeholders' numbers.
    pub fn attachments(&self) -> Attachments<'c> {
        self.args.attachments()
    }
}

/// An event that is about to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'c> {
    pub(crate) nsp: NamespaceId,
    pub(crate) data: &'c str,
    pub(crate) outbox: &'c Outbox<'c>,
    pub(crate) packet: Index,
}

impl<'c> Outgoing<'c> {
    /// The namespace it goes to.
    pub const fn nsp(&self) -> NamespaceId {
        self.nsp
    }

    /// The JSON array of the packet: name first, then the arguments, binary as placeholders.
    pub const fn data(&self) -> &'c str {
        self.data
    }

    /// The attachments, in the order of their placeholders' numbers.
    pub fn attachments(&self) -> impl Iterator<Item = &'c [u8]> + use<'c> {
        self.outbox.attachments(self.packet)
    }
}

/// A packet that was accepted and will not be sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsent<'c> {
    /// The namespace it was emitted on.
    pub nsp: NamespaceId,
    /// The event's name.
    pub event: Text<'c>,
    /// Bytes of the packet on the wire, attachments included and framing not.
    pub bytes: usize,
    /// Why.
    pub cause: UnsentCause,
}

/// The server's wish for an answer to one event. Answers over a later connection are refused as stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AckRequest {
    pub(crate) nsp: NamespaceId,
    pub(crate) id: u64,
    pub(crate) join: u32,
}

impl AckRequest {
    /// The ack id on the wire.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The namespace of the event.
    pub const fn nsp(&self) -> NamespaceId {
        self.nsp
    }
}

/// How an event is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct EmitOptions {
    /// Ask for an acknowledgement.
    pub ack: bool,
    /// Its timeout, from the emit on, with `retries` until the first try, and then from each one. Without one the
    /// namespace's `ack_timeout` counts, which with `retries` is the time of a try alone; if there is none either, the
    /// answer is waited for until the disconnect.
    pub timeout: Option<Duration>,
    /// Drop the packet if it cannot be written at once.
    pub volatile: bool,
    /// Do not compress the packet, whatever has been agreed on: it is compressed already, or has secrets beside what
    /// others may choose.
    #[cfg(feature = "deflate")]
    pub uncompressed: bool,
}

impl EmitOptions {
    /// No answer wanted.
    pub const PLAIN: Self = Self {
        ack: false,
        timeout: None,
        volatile: false,
        #[cfg(feature = "deflate")]
        uncompressed: false,
    };
    /// An answer wanted.
    pub const ACK: Self = Self {
        ack: true,
        timeout: None,
        volatile: false,
        #[cfg(feature = "deflate")]
        uncompressed: false,
    };
    /// Dropped if it cannot be written at once.
    pub const VOLATILE: Self = Self {
        ack: false,
        timeout: None,
        volatile: true,
        #[cfg(feature = "deflate")]
        uncompressed: false,
    };

    /// The same with a timeout for the acknowledgement.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same, compressed if that has been agreed on (the default) or never.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn compress(mut self, on: bool) -> Self {
        self.uncompressed = !on;
        self
    }
}
