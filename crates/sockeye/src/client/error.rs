//! What can go wrong, and what a namespace says about itself.

use std::fmt;

use serde_json::Value;
use sockeye_core::packet::ArgsError;
use sockeye_core::{Cause, DisconnectReason, UnsentCause};

use crate::Transport;
use crate::net::DialErrorKind;

/// Any error of user code that computes `auth`, query or headers.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What kind of trouble a [`ConnectError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// A bad URL or option: nothing was tried.
    Config,
    /// The server refused the namespace (a middleware, a missing namespace). It is not tried again until told to.
    Refused,
    /// The server could not be reached, or did not answer as a Socket.IO server does.
    Transport,
    /// The `auth` function failed.
    Auth,
    /// The application disconnected, or dropped the last handle, before the namespace was joined.
    Closed,
}

/// Why a namespace could not be joined. Displays as one line with the cause and the next step.
#[derive(Clone, Debug)]
pub struct ConnectError {
    pub(crate) kind: ConnectErrorKind,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
    pub(crate) active: bool,
    pub(crate) cause: Option<Cause>,
    pub(crate) dial: Option<DialErrorKind>,
}

impl ConnectError {
    pub(crate) fn new(kind: ConnectErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            data: None,
            active: false,
            cause: None,
            dial: None,
        }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ConnectErrorKind::Config, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(
            ConnectErrorKind::Closed,
            "disconnected before the namespace was joined",
        )
    }

    /// What kind of trouble it is.
    pub const fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// The server's message if it refused, else what went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The `data` the server sent along with a refusal (`err.data` in the official client).
    pub const fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    /// Whether the client goes on trying by itself.
    pub const fn active(&self) -> bool {
        self.active
    }

    /// What exactly went wrong on the way to the server, if it did.
    pub const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Why there was no byte stream, if it failed at that: the name, the network, a proxy, TLS, a certificate.
    pub const fn dial(&self) -> Option<DialErrorKind> {
        self.dial
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ConnectErrorKind::Refused => {
                write!(f, "the server refused the connection: {}", self.message)?;
                match &self.data {
                    Some(data) => write!(f, " ({data})"),
                    None => Ok(()),
                }
            }
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why and how a namespace was left.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Disconnected {
    /// The reason, in the official client's terms; displays as its text (`transport close`, …).
    pub reason: DisconnectReason,
    /// What exactly happened, in one line for people.
    pub details: String,
    /// What exactly happened.
    pub cause: Cause,
    /// Whether the client connects again by itself.
    pub will_reconnect: bool,
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.details)
    }
}

/// What happens to a connection: an item of [`Socket::notices`](crate::Socket::notices).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The namespace has been joined (`connect`).
    Connected {
        /// The id of the socket.
        id: String,
        /// The server kept the old session (connection state recovery).
        recovered: bool,
        /// The transport in use; it may be upgraded later.
        transport: Option<Transport>,
    },
    /// The namespace has been left (`disconnect`).
    Disconnected(Disconnected),
    /// The namespace could not be joined (`connect_error`).
    ConnectError(ConnectError),
    /// Another attempt follows after the delay.
    Reconnecting {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Until then.
        delay: std::time::Duration,
    },
    /// Another attempt begins (`reconnect_attempt`): its number, from 1.
    ReconnectAttempt(u32),
    /// A connection has been made again after so many attempts (`reconnect`).
    Reconnected(u32),
    /// All attempts are used up (`reconnect_failed`).
    ReconnectFailed,
    /// Packets travel on WebSocket from here on.
    Upgraded,
    /// The WebSocket could not be used; polling goes on. Why, for people.
    UpgradeFailed(String),
    /// The server's ping has been answered.
    Ping,
    /// The arguments of an event do not fit a handler or a typed stream, which did not get it.
    Mismatch {
        /// The name of the event.
        event: String,
        /// Which argument, and why. It quotes what was found.
        error: ArgsError,
    },
    /// A handler returned an error, or its acknowledgement could not be sent, or it was registered for a name that no
    /// event can have.
    HandlerFailed {
        /// The name of the event, or of what happened to the connection (`connect`, `disconnect`, `connect_error`).
        event: String,
        /// The error, for people.
        error: String,
    },
    /// A stream was full and began to drop events, as its [`Overflow`](crate::Overflow) policy says. Told once until
    /// the stream is read again; [`EventStream::dropped`](crate::EventStream::dropped) goes on counting.
    EventsDropped {
        /// The event of a typed stream; `None` for one of all events.
        event: Option<String>,
        /// Events that the stream has dropped so far.
        total: u64,
    },
    /// A packet that `emit` had accepted will not be sent. Told only where no acknowledgement tells it: that fails with
    /// [`AckError::Disconnected`](crate::AckError::Disconnected) or [`AckError::Dropped`](crate::AckError::Dropped).
    Unsent {
        /// The name of the event.
        event: String,
        /// Bytes of the packet on the wire, attachments included and framing not. (A volatile one that was dropped has not
        /// become a packet: bytes of its JSON array and its attachments.)
        bytes: usize,
        /// Why.
        cause: UnsentCause,
    },
    /// A message from the server was larger than [`Limits::receive`](crate::Limits::receive) and was skipped.
    TooLarge {
        /// Bytes of it.
        bytes: u64,
        /// Bytes that could have been received.
        limit: usize,
    },
}
