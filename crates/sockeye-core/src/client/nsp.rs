//! Namespaces: one entry each, multiplexed on the connection.

use core::time::Duration;

use crate::error::DisconnectReason;
use crate::limits::ID_LEN;
use crate::short::Short;
use crate::time::Instant;

/// A namespace of a client: the handle that [`Client::namespace`](crate::Client::namespace) gives out.
///
/// It stays valid over reconnections, until [`Client::forget`](crate::Client::forget).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NamespaceId {
    pub(crate) index: u16,
    pub(crate) generation: u16,
}

impl NamespaceId {
    /// A small number, unique among the namespaces alive: for drivers that keep tables beside the core.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// The options of one namespace (A5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct NspOptions {
    /// Ask for the `auth` payload at every CONNECT by [`Event::Auth`](crate::Event::Auth).
    pub auth: bool,
    /// Timeout of acknowledgements that have none of their own.
    pub ack_timeout: Option<Duration>,
    /// The `retries` queue (A7 item 87): every packet waits for its acknowledgement before the next one is sent,
    /// and is sent at most this many times more. Needs a timeout, or a lost answer holds the queue up until the
    /// next reconnection. The server must acknowledge every event.
    pub retries: Option<u32>,
}

#[cfg(feature = "alloc")]
pub(crate) type Name = alloc::string::String;
#[cfg(not(feature = "alloc"))]
pub(crate) type Name = Short<{ crate::limits::NAMESPACE_LEN }>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NspState {
    /// Not connected, and not to be.
    Idle,
    /// To be connected as soon as there is a session; the application may have to be asked for `auth`.
    Waiting,
    /// The application has been asked for `auth`.
    Asked,
    /// CONNECT has been sent.
    Joining,
    /// CONNECT has been sent, but the application has changed its mind.
    Leaving,
    Joined,
}

#[derive(Clone, Debug)]
pub(crate) struct NspEntry {
    pub(crate) used: bool,
    pub(crate) generation: u16,
    pub(crate) name: Name,
    pub(crate) state: NspState,
    pub(crate) options: NspOptions,
    pub(crate) deadline: Option<Instant>,
    /// Which join this is, counted over the client: answers to events of older ones are stale.
    pub(crate) join: u32,
    /// The next ack id: from 0, never reset.
    pub(crate) next_id: u64,
    pub(crate) sid: Short<ID_LEN>,
    pub(crate) pid: Short<ID_LEN>,
    pub(crate) offset: Short<ID_LEN>,
    pub(crate) recovered: bool,
    /// The `AckId` of the retry packet in flight; 0 for none.
    pub(crate) in_flight: u64,
    /// How often the head of the retry queue has been sent.
    pub(crate) tries: u32,
    // Events to be told.
    pub(crate) tell_auth: bool,
    pub(crate) tell_disconnected: Option<DisconnectReason>,
    pub(crate) tell_connected: bool,
    pub(crate) tell_no_answer: bool,
    /// Held events are to be delivered, then `tell_connected`.
    pub(crate) deliver_held: bool,
    /// Held events are void: the join they came with has been given up.
    pub(crate) purge: bool,
    /// Forgotten by the application; kept until the CONNECT under way has been answered.
    pub(crate) forgotten: bool,
}

impl NspEntry {
    pub(crate) const EMPTY: Self = Self {
        used: false,
        generation: 0,
        #[cfg(feature = "alloc")]
        name: Name::new(),
        #[cfg(not(feature = "alloc"))]
        name: Short::EMPTY,
        state: NspState::Idle,
        options: NspOptions {
            auth: false,
            ack_timeout: None,
            retries: None,
        },
        deadline: None,
        join: 0,
        next_id: 0,
        sid: Short::EMPTY,
        pid: Short::EMPTY,
        offset: Short::EMPTY,
        recovered: false,
        in_flight: 0,
        tries: 0,
        tell_auth: false,
        tell_disconnected: None,
        tell_connected: false,
        tell_no_answer: false,
        deliver_held: false,
        purge: false,
        forgotten: false,
    };

    pub(crate) fn name(&self) -> &str {
        #[cfg(feature = "alloc")]
        return &self.name;
        #[cfg(not(feature = "alloc"))]
        return self.name.as_str();
    }

    /// Whether the namespace (re)connects with the connection.
    pub(crate) const fn is_active(&self) -> bool {
        self.used && !matches!(self.state, NspState::Idle | NspState::Leaving)
    }
}

impl Default for NspEntry {
    fn default() -> Self {
        Self::EMPTY
    }
}
