//! Which version of Engine.IO the session speaks, and what is different in version 3 (Socket.IO 2 and 1).

use super::{Engine, SessionEvent};
#[cfg(feature = "eio3")]
use super::{Link, State};
use crate::config::{Config, Transport};
#[cfg(feature = "eio3")]
use crate::error::{Cause, DisconnectReason, Fault};
#[cfg(feature = "eio3")]
use crate::packet::payload3::{Reader, Step};

/// What python-engineio 3.14 answers to a client of another version, with HTTP 400. (Others take any.)
#[cfg(feature = "eio3")]
pub(super) const UNSUPPORTED: &str = "The client is using an unsupported version";

/// What is known of the version. A build without the feature only knows that a server might be an old one.
#[derive(Debug)]
pub(super) struct Version {
    /// The session speaks Engine.IO 3.
    #[cfg(feature = "eio3")]
    v3: bool,
    /// Version 4 was asked for, and the handshake has come over a WebSocket and tells nothing about the version: what comes
    /// next does.
    open: bool,
    /// The last session was begun anew as one of Engine.IO 3: the next begins so.
    #[cfg(feature = "eio3")]
    learned: bool,
}

impl Version {
    pub(super) const NEW: Self = Self {
        #[cfg(feature = "eio3")]
        v3: false,
        open: false,
        #[cfg(feature = "eio3")]
        learned: false,
    };

    pub(super) const fn is_v3(&self) -> bool {
        #[cfg(feature = "eio3")]
        return self.v3;
        #[cfg(not(feature = "eio3"))]
        return false;
    }

    /// A session is to be opened.
    pub(super) const fn begin(&mut self, config: &Config<'_>) {
        #[cfg(feature = "eio3")]
        {
            self.v3 = config.begins_with_v3() || config.detects() && self.learned;
        }
        #[cfg(not(feature = "eio3"))]
        let _ = config;
        self.open = false;
    }

    /// An attempt has failed: the next server may be another.
    pub(super) const fn forget(&mut self) {
        #[cfg(feature = "eio3")]
        {
            self.learned = false;
        }
    }
}

impl Engine<'_> {
    /// The handshake has come over `transport`.
    pub(super) const fn version_heard(&mut self, transport: Transport, max_payload: usize) {
        // `maxPayload` is Engine.IO 4's, but not every server of that names it.
        let tells = matches!(transport, Transport::Polling) || max_payload > 0;
        self.version.open = !self.version.is_v3() && !tells;
    }

    /// Whether the handshake has left the version open.
    pub(crate) const fn is_version_open(&self) -> bool {
        self.version.open
    }

    /// A binary message of Engine.IO 3 is in the main area: its type stands in front.
    pub(super) fn typed_binary(&mut self) -> Option<SessionEvent> {
        const MESSAGE: u8 = 4;
        if self.message().first() != Some(&MESSAGE) {
            return self.unknown_type();
        }
        let len = self.message().len() - 1;
        self.main_rx().trim_message(1, len);
        self.deliver(true)
    }

    /// Whether the polled packet is a binary record of an Engine.IO 3 payload.
    #[allow(clippy::unused_self, reason = "as with the feature")]
    pub(super) const fn is_binary_record(&self) -> bool {
        #[cfg(feature = "eio3")]
        return self.version.v3 && self.polling.reader.is_binary();
        #[cfg(not(feature = "eio3"))]
        return false;
    }
}

/// There are no such payloads without the feature.
#[cfg(not(feature = "eio3"))]
#[allow(clippy::unused_self, reason = "as with the feature")]
impl Engine<'_> {
    pub(super) const fn is_v3_payload(&mut self) -> bool {
        false
    }

    pub(super) const fn v3_body(&mut self, _n: usize) -> Option<SessionEvent> {
        None
    }

    pub(super) const fn v3_body_ended(&mut self) -> bool {
        true
    }
}

#[cfg(feature = "eio3")]
impl Engine<'_> {
    /// Whether the session speaks Engine.IO 3.
    pub(crate) const fn is_v3(&self) -> bool {
        self.version.is_v3()
    }

    /// Whether it is to be found out which version the server speaks.
    pub(crate) const fn detects_version(&self) -> bool {
        self.version.open && self.config.detects()
    }

    /// The server has shown that it speaks Engine.IO 4.
    pub(crate) const fn is_v4(&mut self) {
        self.version.open = false;
    }

    /// The server has refused the version that was asked for: whether it is asked for Engine.IO 3 now.
    pub(super) fn refuses_v4(&mut self) -> bool {
        let State::Opening {
            transport,
            deadline,
            second,
        } = self.state
        else {
            return false;
        };
        if self.version.v3 || !self.config.detects() {
            return false;
        }
        self.version.learned = true;
        for &link in Link::USED {
            self.close_link(link);
        }
        self.dial(transport, deadline, second);
        true
    }

    /// The server turns out to speak Engine.IO 3: the WebSocket is opened anew, and asks for it from the start.
    pub(crate) fn begin_as_v3(&mut self) {
        self.version.learned = true;
        let deadline = self
            .config
            .connect_timeout
            .map(|timeout| self.clock.now() + timeout);
        for &link in Link::USED {
            self.close_link(link);
        }
        self.dial(Transport::WebSocket, deadline, true);
    }

    /// Whether the body that arrives is an Engine.IO 3 payload. The first one tells the version, if it is not known.
    pub(super) fn is_v3_payload(&mut self) -> bool {
        if !self.version.v3
            && self.config.detects()
            && matches!(self.state, State::Opening { .. })
            && self.message().is_empty()
            && self.polling.skipped.is_none()
        {
            let first = self.main_rx_ref().stream().first();
            self.version.v3 = first.is_some_and(|byte| Reader::is_first(*byte));
        }
        self.version.v3
    }

    /// The first `n` bytes of the stream belong to an Engine.IO 3 payload.
    pub(super) fn v3_body(&mut self, n: usize) -> Option<SessionEvent> {
        let mut reader = self.polling.reader;
        let stream = self.main_rx_ref().stream();
        let (used, step) = reader.step(stream.get(..n).unwrap_or(stream));
        self.polling.reader = reader;
        self.links.http(Link::Poll).body_taken(used);
        let limit = self.config.limits.receive;
        match step {
            Step::Head { done } => {
                // Kept until it is complete: it is shown if it is none.
                self.main_rx().take(used);
                if done {
                    self.main_rx().drop_message();
                }
                None
            }
            Step::Malformed => {
                self.main_rx().take(n);
                if let State::Opening { .. } = self.state {
                    return self.not_engine_io();
                }
                self.malformed()
            }
            Step::Part { end } => {
                if self.polling.skipped.is_none() && self.message().len() + used > limit {
                    self.skip_polled();
                }
                match &mut self.polling.skipped {
                    Some((_, bytes)) => {
                        *bytes += used as u64;
                        self.main_rx().consume(used);
                    }
                    None => self.main_rx().take(used),
                }
                if end { self.polled_packet() } else { None }
            }
        }
    }

    /// A body has ended: whether it was a payload of whole packets. If not, the session has ended with it.
    pub(super) fn v3_body_ended(&mut self) -> bool {
        let whole = self.polling.reader.finish();
        if !whole {
            if let State::Opening { .. } = self.state {
                self.not_engine_io();
            } else {
                self.malformed();
            }
        }
        whole
    }

    fn malformed(&mut self) -> Option<SessionEvent> {
        let cause = Cause::BadHttp("malformed Engine.IO 3 payload in the HTTP response");
        self.fail(DisconnectReason::TransportError, Fault::of(cause));
        None
    }
}
