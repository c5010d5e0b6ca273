//! Which notices somebody listens to: the others are not even made.

use crate::client::error::Notice;

/// The notices that have handlers of their own, and all others, which only streams tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connected,
    Disconnected,
    ConnectError,
    ReconnectAttempt,
    Reconnected,
    ReconnectFailed,
    Reconnecting,
    Upgraded,
    Ping,
    Other,
}

const KINDS: usize = Kind::Other as usize + 1;

impl Kind {
    pub(crate) const fn of(notice: &Notice) -> Self {
        match notice {
            Notice::Connected { .. } => Self::Connected,
            Notice::Disconnected(_) => Self::Disconnected,
            Notice::ConnectError(_) => Self::ConnectError,
            Notice::ReconnectAttempt(_) => Self::ReconnectAttempt,
            Notice::Reconnected(_) => Self::Reconnected,
            Notice::ReconnectFailed => Self::ReconnectFailed,
            Notice::Reconnecting { .. } => Self::Reconnecting,
            Notice::Upgraded => Self::Upgraded,
            Notice::Ping => Self::Ping,
            _ => Self::Other,
        }
    }

    /// The official client's word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connect",
            Self::Disconnected => "disconnect",
            Self::ConnectError => "connect_error",
            Self::ReconnectAttempt => "reconnect_attempt",
            Self::Reconnected => "reconnect",
            Self::ReconnectFailed => "reconnect_failed",
            Self::Reconnecting => "reconnecting",
            Self::Upgraded => "upgrade",
            Self::Ping => "ping",
            Self::Other => "connection event",
        }
    }
}

/// How many listen to each kind.
pub(crate) struct Wanted([u32; KINDS]);

impl Wanted {
    pub(crate) const NOBODY: Self = Self([0; KINDS]);

    pub(crate) const fn add(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) const fn remove(&mut self, kind: Kind) {
        self.0[kind as usize] -= 1;
    }

    /// A stream listens to all kinds.
    pub(crate) fn add_all(&mut self) {
        self.0.iter_mut().for_each(|count| *count += 1);
    }

    pub(crate) fn remove_all(&mut self) {
        self.0.iter_mut().for_each(|count| *count -= 1);
    }

    /// One bit for each kind that somebody listens to.
    pub(crate) fn mask(&self) -> u32 {
        let kinds = self.0.iter().enumerate();
        kinds.fold(0, |mask, (kind, count)| {
            mask | u32::from(*count > 0) << kind
        })
    }

    pub(crate) const fn contains(mask: u32, kind: Kind) -> bool {
        mask & 1 << kind as u32 != 0
    }
}
