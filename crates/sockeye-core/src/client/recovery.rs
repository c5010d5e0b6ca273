//! Connection state recovery: what the server wants to hear at the next CONNECT, so that it gives back what was missed.

#[cfg(feature = "recovery")]
use crate::id::Id;
#[cfg(feature = "recovery")]
use crate::packet::json;

/// What is known of the session of a namespace, as it came: between the quotes of JSON strings, still escaped.
#[cfg(feature = "recovery")]
#[derive(Debug)]
pub(super) struct Recovery {
    /// Empty if the server does not offer recovery.
    pid: Id,
    /// Of the last event that had one.
    offset: Id,
}

#[cfg(feature = "recovery")]
impl Recovery {
    pub(super) const EMPTY: Self = Self {
        pid: Id::EMPTY,
        offset: Id::EMPTY,
    };

    /// Whether offsets are of interest.
    pub(super) fn is_on(&self) -> bool {
        !self.pid.is_empty()
    }

    pub(super) fn pid_len(&self) -> usize {
        self.pid.as_str().len()
    }

    pub(super) fn clear(&mut self) {
        self.pid.clear();
        self.offset.clear();
    }

    /// The server has consented under this `pid` (empty: none): whether it is the old session. A `pid` that is too long
    /// to be kept switches recovery off.
    pub(super) fn joined(&mut self, pid: &str) -> bool {
        let recovered = !pid.is_empty() && pid == self.pid.as_str();
        if !recovered {
            self.offset.clear();
            self.pid.set_raw(pid);
        }
        recovered
    }

    /// An event has come with this offset. One that is too long to be kept switches recovery off: an older offset would
    /// bring events twice.
    pub(super) fn received(&mut self, offset: &str) {
        if !self.offset.set_raw(offset) {
            self.clear();
        }
    }

    /// The members that go in front of those of `auth`, in parts, with the comma behind them. The application's own keys
    /// win.
    pub(super) fn members<'r>(&'r self, auth: &str) -> [&'r str; 8] {
        let mut parts = [""; 8];
        if !self.is_on() {
            return parts;
        }
        let has_members = auth.len() > 2 && auth.trim_ascii_end().len() > 2;
        let own = |key| json::field(auth, key).is_some();
        let pid = !own("pid");
        let offset = !self.offset.is_empty() && !own("offset");
        if pid {
            parts[..3].copy_from_slice(&["\"pid\":\"", self.pid.as_str(), "\""]);
        }
        if pid && offset {
            parts[3] = ",";
        }
        if offset {
            parts[4..7].copy_from_slice(&["\"offset\":\"", self.offset.as_str(), "\""]);
        }
        if (pid || offset) && has_members {
            parts[7] = ",";
        }
        parts
    }
}

/// Without the feature nothing is kept: each CONNECT asks for a new session, as if the server did not offer recovery.
#[cfg(not(feature = "recovery"))]
#[derive(Debug)]
pub(super) struct Recovery;

#[cfg(not(feature = "recovery"))]
#[allow(clippy::unused_self, reason = "as with the feature")]
impl Recovery {
    pub(super) const EMPTY: Self = Self;

    pub(super) const fn is_on(&self) -> bool {
        false
    }

    pub(super) const fn pid_len(&self) -> usize {
        0
    }

    pub(super) const fn clear(&mut self) {}

    pub(super) const fn joined(&mut self, _pid: &str) -> bool {
        false
    }

    pub(super) const fn received(&mut self, _offset: &str) {}

    pub(super) const fn members<'r>(&'r self, _auth: &str) -> [&'r str; 8] {
        [""; 8]
    }
}
