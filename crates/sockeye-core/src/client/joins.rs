//! CONNECT, CONNECT_ERROR and DISCONNECT packets that arrive: namespaces are joined, refused, and left.

use core::time::Duration;

use super::inbound::span_of;
use super::namespaces::{Heard, NspState};
use super::notices::Notice;
use super::{Client, PendingEvent};
use crate::config::{EXTRAS, RECOVERY};
use crate::error::{Cause, DisconnectReason};
use crate::handle::NamespaceId;
use crate::packet::json;
use crate::packet::socket::Span;

/// So long is the answer to a CONNECT waited for when the server seems to be one of Socket.IO 2. Whoever means to answer
/// (netty-socketio) has nothing to wait for; on the slowest of networks it takes a round trip.
const DOUBT: Duration = Duration::from_secs(5);

impl Client<'_> {
    /// The server's consent.
    pub(super) fn connected(&mut self, nsp: NamespaceId, data: Span) -> Option<PendingEvent> {
        let text = core::str::from_utf8(data.bytes(self.engine.message())).unwrap_or("");
        let read = |key| json::field(text, key).and_then(json::as_str);
        let sid = read("sid");
        let pid = if RECOVERY { read("pid") } else { None };
        let entry = self.namespaces.get_mut(nsp)?;
        match (entry.state(), sid) {
            (NspState::Joining, Some(sid)) => {
                if !entry.sid.set(sid) {
                    self.give_up_join(nsp);
                    return Some(PendingEvent::IdTooLong { nsp });
                }
                let pid = pid.map_or("", |pid| pid.as_raw());
                entry.recovered = entry.recovery.joined(pid);
                self.joined(nsp);
                // (Once: others that join will need as much again.)
                #[cfg(feature = "alloc")]
                if self.namespaces.joined() == 1 {
                    self.engine.tidy_soon();
                }
            }
            (NspState::Leaving { forgotten }, Some(_)) => {
                self.namespaces.set_state(nsp, NspState::Idle);
                self.send_disconnect(nsp);
                if EXTRAS && forgotten {
                    self.forget_left(nsp);
                }
            }
            // It may be that of Socket.IO 2, which does not wait for the question, or come before the real one: what comes
            // within the patience for that decides.
            (NspState::Joining | NspState::Waiting | NspState::Asked, None)
                if entry.heard == Heard::Nothing =>
            {
                entry.heard = Heard::Bare;
                self.doubt(nsp);
            }
            // The answer before the question: it counts when the question has been asked.
            (NspState::Waiting | NspState::Asked, Some(sid)) => {
                let fits = entry.sid.set(sid);
                if fits {
                    entry.recovered = false;
                    entry.recovery.clear();
                    entry.heard = Heard::Consent;
                }
            }
            (NspState::Joined, Some(sid)) => {
                // The answer to the question that was answered before: the id may be another.
                entry.sid.set(sid);
            }
            _ => (),
        }
        None
    }

    /// The server has consented to a namespace without an id. If its handshake leaves open whether it is of Socket.IO 2, it
    /// is a newer one only if it answers the CONNECT packet, which has been sent: the one that is known for both does so at
    /// once.
    pub(super) fn doubt(&mut self, nsp: NamespaceId) {
        if self.engine.is_version_open() {
            let until = self.engine.now() + DOUBT;
            self.namespaces.expect_sooner(nsp, until);
        }
    }

    /// The server refuses the namespace.
    pub(super) fn connect_error(&mut self, nsp: NamespaceId, data: Span) -> Option<PendingEvent> {
        let whole = core::str::from_utf8(self.engine.message()).unwrap_or("");
        let text = data.of(whole);
        // Between the quotes, or as it stands: some servers put a number there, or an object.
        let words = |raw: &str| {
            let inner = raw.strip_prefix('"').and_then(|s| s.strip_suffix('"'));
            span_of(whole, inner.unwrap_or(raw))
        };
        let present = |raw: &&str| *raw != "null";
        let (message, data) = if text.starts_with('"') {
            (words(text), Span::default())
        } else {
            let message = json::field(text, "message").filter(present).map(words);
            let data = json::field(text, "data")
                .filter(present)
                .map(|raw| span_of(whole, raw));
            (message.unwrap_or_default(), data.unwrap_or_default())
        };
        let was = self.namespaces.get(nsp)?.state();
        if was == NspState::Joined {
            // The official client stays `connected` but deaf; here the namespace is left.
            self.thrown_out(nsp, Cause::EngineClose);
        } else {
            self.give_up_join(nsp);
        }
        let told = !matches!(was, NspState::Leaving { .. });
        told.then_some(PendingEvent::ConnectError { nsp, message, data })
    }

    /// The server has thrown the client out of the namespace.
    pub(super) fn left(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        // The server does not keep a session that it ended itself.
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.recovery.clear();
        }
        self.thrown_out(nsp, Cause::ServerDisconnect);
        None
    }

    /// A joined namespace ends by the server's will. What has not left waits until it is connected again.
    pub(super) fn thrown_out(&mut self, nsp: NamespaceId, cause: Cause) {
        self.namespaces.set_state(nsp, NspState::Idle);
        self.drop_deferred(nsp);
        self.agenda.notices.push(Notice::Disconnected {
            nsp,
            reason: DisconnectReason::IoServerDisconnect,
            cause,
        });
        // Not even what lies ready for the next write may follow the server's word.
        self.engine.withdraw(&mut self.outbox);
        self.outbox.hold(nsp);
        self.fail_acks(nsp);
        self.close_if_unused();
    }
}
