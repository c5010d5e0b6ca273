//! What is different with a server of Socket.IO 2 or 1 (Engine.IO 3): it joins the main namespace by itself, says so
//! without an id, takes no `auth`, and has ERROR packets.

use super::inbound::Arrived;
use super::namespaces::{Main, NspState};
use super::notices::Notice;
use super::{Client, PendingEvent};
use crate::handle::NamespaceId;
use crate::id::Id;
use crate::packet::socket::{Kind, Span};
use crate::packet::{PacketError, json};

impl Client<'_> {
    /// Whether the server speaks Engine.IO 3 (Socket.IO 2 or 1); false without a session.
    pub const fn is_engine_3(&self) -> bool {
        self.engine.is_open() && self.engine.is_v3()
    }

    /// A packet of the server's about a namespace has come. Whether it has been worked on as one of an old server's, and
    /// what there is to tell.
    pub(super) fn old_control(&mut self) -> Option<Option<PendingEvent>> {
        let parsed = &self.inbound.packet().parsed;
        let main = parsed.nsp.is_empty();
        if !self.engine.is_v3() {
            if parsed.kind == Kind::Connect && self.engine.detects_version() {
                if main && parsed.data.is_empty() && self.namespaces.joined() == 0 {
                    // It may be that it speaks version 4 as well, as netty-socketio does: that would join nothing.
                    self.begin_as_v3();
                    return Some(None);
                }
                self.engine.is_v4();
            }
            return None;
        }
        let (kind, data) = (parsed.kind, parsed.data);
        let nsp = self.find_namespace(parsed.nsp.bytes(self.packet_text()));
        match kind {
            Kind::Connect => {
                if main {
                    self.namespaces.set_main(Main::Joined);
                }
                Some(nsp.and_then(|nsp| self.connected_to_old(nsp)))
            }
            Kind::Disconnect if main => {
                self.namespaces.set_main(Main::Left);
                None
            }
            Kind::ConnectError => {
                let nsp = nsp?;
                if self.is_connected(nsp) {
                    return Some(self.error_event(nsp));
                }
                if main {
                    self.namespaces.set_main(Main::Left);
                }
                Some(self.refused_by_old(nsp, data))
            }
            _ => None,
        }
    }

    /// The session turns out to be one with a server of Engine.IO 3: it is opened anew.
    fn begin_as_v3(&mut self) {
        self.inbound.clear();
        self.outbox.connection_lost();
        for place in 0..self.namespaces.places() {
            let Some(entry) = self.namespaces.at(place) else {
                continue;
            };
            let (nsp, state) = (entry.id, entry.state());
            match state {
                NspState::Leaving { forgotten: true } | NspState::Parted => {
                    self.remove_namespace(nsp);
                    continue;
                }
                NspState::Leaving { .. } => self.namespaces.set_state(nsp, NspState::Idle),
                NspState::Joining | NspState::Asked => {
                    self.namespaces.set_state(nsp, NspState::Waiting);
                }
                NspState::Idle | NspState::Waiting | NspState::Joined => (),
            }
            if let Some(entry) = self.namespaces.get_mut(nsp) {
                entry.session_over();
            }
        }
        self.engine.begin_as_v3();
    }

    /// The server has joined a namespace.
    fn connected_to_old(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        match self.namespaces.get(nsp)?.state() {
            NspState::Joining => self.join_old(nsp),
            NspState::Leaving { forgotten } => {
                self.namespaces.set_state(nsp, NspState::Idle);
                self.send_disconnect(nsp);
                if forgotten {
                    self.forget_left(nsp);
                }
                None
            }
            // The main one is looked at when its turn has come.
            _ => None,
        }
    }

    /// A namespace is joined, under the id that it has there: that of the session, behind the namespace's name if it is
    /// not the main one.
    fn join_old(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let entry = self.namespaces.get_mut(nsp)?;
        let name = entry.wire_name();
        let parts = match name {
            "/" => ["", "", self.engine.sid().unwrap_or("")],
            _ => [name, "#", self.engine.sid().unwrap_or("")],
        };
        let Some(sid) = Id::join(&parts) else {
            self.give_up_join(nsp);
            return Some(PendingEvent::IdTooLong { nsp });
        };
        entry.sid = sid;
        entry.recovered = false;
        entry.recovery.clear();
        self.joined(nsp);
        None
    }

    /// Joins a namespace of an old server, instead of a CONNECT packet with `auth`. Whether that is done; if not, a CONNECT
    /// without it is to be sent.
    pub(super) fn joins_old(
        &mut self,
        nsp: NamespaceId,
        auth: &str,
        deadline: Option<crate::Instant>,
    ) -> bool {
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            // Of another server's.
            entry.recovery.clear();
        }
        if json::has_members(auth) {
            // The main namespace has been joined perhaps: with the last namespace the session ends.
            self.namespaces.set_state(nsp, NspState::Idle);
            self.drop_deferred(nsp);
            self.agenda.notices.push(Notice::NoAuth(nsp));
            self.close_if_unused();
            return true;
        }
        match self.namespaces.main_of_old() {
            _ if !self.is_main(nsp) => return false,
            Main::Left => return false,
            Main::Awaited => self.namespaces.set_joining(nsp, deadline),
            Main::Joined => {
                // Under the id of the session, which is never too long.
                self.namespaces.set_joining(nsp, deadline);
                let _ = self.join_old(nsp);
            }
        }
        true
    }

    /// A CONNECT packet has been accepted for sending: an old server does not always answer the one for the main namespace.
    pub(super) fn asked_old(&mut self, nsp: NamespaceId) {
        if self.is_main(nsp) {
            self.namespaces.set_main(Main::Joined);
            let _ = self.join_old(nsp);
        }
    }

    fn is_main(&self, nsp: NamespaceId) -> bool {
        self.namespaces
            .get(nsp)
            .is_some_and(|entry| entry.wire_name() == "/")
    }

    /// A DISCONNECT packet has been accepted for sending.
    pub(super) fn leaves_old(&mut self, nsp: NamespaceId) {
        if self.is_main(nsp) {
            self.namespaces.set_main(Main::Left);
        }
    }

    /// An ERROR packet for a namespace that is not joined: it is refused. The first text in the payload is the message.
    fn refused_by_old(&mut self, nsp: NamespaceId, data: Span) -> Option<PendingEvent> {
        let state = self.namespaces.get(nsp)?.state();
        if state == NspState::Idle || state == NspState::Parted {
            return None;
        }
        let whole = core::str::from_utf8(self.engine.message()).unwrap_or("");
        let (message, data) = reason(data.of(whole));
        let span = |part: &str| super::inbound::span_of(whole, part);
        let (message, data) = (span(message), data.map(span).unwrap_or_default());
        self.give_up_join(nsp);
        let told = !matches!(state, NspState::Leaving { .. });
        told.then_some(PendingEvent::ConnectError { nsp, message, data })
    }

    /// An ERROR packet for a namespace that is joined (`socket.error(…)`, a `use` of the socket's) changes nothing there:
    /// it is told as an event `error`, as the clients of that time do.
    fn error_event(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let Arrived {
            mut parsed, held, ..
        } = *self.inbound.packet();
        let rx = self.engine.main_rx();
        if held.is_some() || !rx.widen_message() {
            let packet = *self.inbound.packet();
            return self.parse_error(PacketError::Encoding, Some(&packet));
        }
        // The payload becomes an array, in place: what stood in front of it is not needed any more.
        let (from, to) = (parsed.data.start as usize + 1, parsed.data.end as usize + 1);
        let message = rx.message_mut();
        message.copy_within(from..to, from - 1);
        message[from - 2] = b'[';
        message[to - 1] = b']';
        parsed.data = Span {
            start: (from - 2) as u32,
            end: to as u32,
        };
        parsed.id = None;
        self.inbound.set_packet(Arrived {
            parsed,
            held: None,
            #[cfg(feature = "msgpack")]
            in_place: None,
        });
        Some(PendingEvent::Message { nsp })
    }
}

/// The message in the payload of an ERROR packet, between the quotes where it is a text, and what else there is.
fn reason(payload: &str) -> (&str, Option<&str>) {
    fn text(raw: &str) -> Option<&str> {
        raw.strip_prefix('"')?.strip_suffix('"')
    }
    if let Some(message) = text(payload) {
        return (message, None);
    }
    if payload.starts_with('[') {
        let mut items = json::array_items(payload);
        if let Some(message) = items.next().and_then(text) {
            let data = items.next();
            let more = items.next().is_some();
            return (message, if more { Some(payload) } else { data });
        }
    }
    if let Some(message) = json::field(payload, "message").and_then(text) {
        let data = json::field(payload, "data").filter(|raw| *raw != "null");
        return (message, data);
    }
    (payload, Some(payload))
}
