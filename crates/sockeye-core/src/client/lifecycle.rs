//! What the begin and the end of a session mean for namespaces, acknowledgements and reconnection; joining; timers.

use core::time::Duration;

use super::namespaces::{Heard, NspState, Parting};
use super::notices::Notice;
use super::{Client, PendingEvent};
use crate::config::{EXTRAS, Transport};
use crate::engine::Ended;
use crate::error::{Cause, DisconnectReason, EmitError};
use crate::fmt::say;
use crate::handle::NamespaceId;
use crate::outbox::{Body, Class, Life, Meta};
use crate::packet::socket::{Kind, Prefix};
use crate::time::{Instant, earliest};

/// So long a CONNECT waits for a sign that the server has worked on the DISCONNECT in front of it.
const PARTING: Duration = Duration::from_millis(100);

/// Bytes of a CONNECT packet beside name, `auth` and recovery: prefix, frame header, and some to spare.
pub(super) const CONNECT_SPARE: usize = 32;

/// What an offset for recovery takes in the usual case, with both keys.
const OFFSET_SPARE: usize = 64;

impl Client<'_> {
    /// There is a session.
    pub(super) fn opened(&mut self) -> PendingEvent {
        say!(
            debug,
            "session opened on {}",
            self.engine.transport().map_or("", Transport::name)
        );
        #[cfg(feature = "eio3")]
        {
            self.outbox.set_v3(self.engine.is_v3());
            self.namespaces.set_main(super::namespaces::Main::Awaited);
        }
        let attempts = self.agenda.reconnect.succeeded(self.engine.now());
        if attempts > 0 {
            self.agenda.notices.push(Notice::Reconnected(attempts));
        }
        PendingEvent::Opened
    }

    /// Follows the engine: whatever ends a session ends it for the namespaces before anything else can happen.
    pub(super) fn follow(&mut self) {
        if let Some(ended) = self.engine.take_ended() {
            self.session_ended(ended);
        }
    }

    fn session_ended(&mut self, ended: Ended) {
        let Ended {
            reason,
            cause,
            opened,
            asked,
        } = ended;
        self.inbound.clear();
        if self.engine.is_closing() {
            // Its goodbye is still to be said; what has begun to leave may end in front of that.
            self.engine.withdraw(&mut self.outbox);
            self.outbox.hold_all();
        } else {
            self.outbox.connection_lost();
        }
        if asked {
            self.tell_unsent();
            // The application has been told already. The next session knows nothing of what was said in this one.
            for place in 0..self.namespaces.places() {
                let nsp = self.namespaces.at(place).map(|entry| entry.id);
                if let Some(entry) = nsp.and_then(|nsp| self.namespaces.get_mut(nsp)) {
                    entry.session_over();
                }
            }
            while let Some(nsp) = self.namespaces.first_parted() {
                self.namespaces.remove(nsp);
            }
            return;
        }
        say!(debug, "session ended ({}): {}", reason, self.details(cause));
        if opened {
            let unreadable = reason == DisconnectReason::ParseError;
            self.agenda.reconnect.ended(self.engine.now(), unreadable);
        }
        self.session_over(reason, cause, opened, false);
    }

    /// The session, or the attempt at one, is over for the namespaces. `again`: the application wants another at once.
    pub(super) fn session_over(
        &mut self,
        reason: DisconnectReason,
        cause: Cause,
        opened: bool,
        again: bool,
    ) {
        let policy = self.engine.config().reconnection;
        let exhausted = policy
            .attempts
            .is_some_and(|max| self.agenda.reconnect.attempts >= max);
        let retry = self.namespaces.active() > 0 && (again || policy.enabled && !exhausted);
        self.agenda.notices.push(Notice::Closed {
            reason,
            cause,
            opened,
            retry,
        });
        for place in 0..self.namespaces.places() {
            self.namespace_lost(place, reason, cause, retry);
        }
        for place in 0..self.namespaces.places() {
            if let Some(nsp) = self.namespaces.at(place).map(|entry| entry.id) {
                self.fail_acks(nsp);
            }
        }
        self.tell_unsent();
        if again {
            self.agenda.reconnect.reset();
        } else if retry {
            let now = self.engine.now();
            let attempt = self.agenda.reconnect.attempts.saturating_add(1);
            let delay = self.agenda.reconnect.plan(now, &policy, self.engine.rng());
            let delay = delay.into();
            self.agenda
                .notices
                .push(Notice::Reconnecting { attempt, delay });
        } else {
            if exhausted && policy.enabled && self.agenda.reconnect.attempts > 0 {
                self.agenda.notices.push(Notice::ReconnectFailed);
            }
            self.agenda.reconnect.reset();
        }
    }

    /// Packets that were given up are to be told, if there are any.
    pub(super) fn tell_unsent(&mut self) {
        if self.outbox.has_given_up() {
            self.agenda.notices.push(Notice::Unsent);
        }
    }

    fn namespace_lost(
        &mut self,
        place: usize,
        reason: DisconnectReason,
        cause: Cause,
        retry: bool,
    ) {
        let Some(entry) = self.namespaces.at(place) else {
            return;
        };
        let (nsp, state) = (entry.id, entry.state());
        if state == NspState::Joined {
            self.agenda
                .notices
                .push(Notice::Disconnected { nsp, reason, cause });
        }
        if EXTRAS && let NspState::Leaving { forgotten: true } | NspState::Parted = state {
            self.remove_namespace(nsp);
            return;
        }
        let wanted = !matches!(state, NspState::Idle | NspState::Leaving { .. });
        let next = if wanted && retry {
            NspState::Waiting
        } else {
            NspState::Idle
        };
        self.namespaces.set_state(nsp, next);
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.session_over();
        }
    }

    /// A namespace has been joined: its packets may leave, and it is to be told, behind the events that came before.
    pub(super) fn joined(&mut self, nsp: NamespaceId) {
        let join = self.namespaces.next_join();
        self.namespaces.set_state(nsp, NspState::Joined);
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.join = join;
            entry.heard = Heard::Nothing;
            if entry.recovery.is_on() {
                // The next CONNECT says more than this one.
                let recovery = entry.recovery.pid_len() + OFFSET_SPARE;
                self.outbox
                    .reserve_control(entry.connect_len as usize + recovery);
            }
        }
        self.agenda.notices.push(Notice::Connected { nsp, join });
        self.outbox.release(nsp);
        self.drive_retries(nsp);
    }

    /// The namespace will not be joined by this CONNECT.
    pub(super) fn give_up_join(&mut self, nsp: NamespaceId) {
        self.drop_deferred(nsp);
        let forgotten = self
            .namespaces
            .get(nsp)
            .is_some_and(|entry| entry.state() == NspState::Leaving { forgotten: true });
        self.namespaces.set_state(nsp, NspState::Idle);
        if EXTRAS && forgotten {
            self.remove_namespace(nsp);
        }
        self.close_if_unused();
    }

    /// Forgets a namespace that waits for nothing any more.
    pub(super) fn remove_namespace(&mut self, nsp: NamespaceId) {
        self.drop_deferred(nsp);
        self.outbox.forget_namespace(nsp);
        self.tell_unsent();
        self.namespaces.remove(nsp);
    }

    /// Forgets a namespace. If it has just been left, its place is kept until the server knows.
    pub(super) fn forget_left(&mut self, nsp: NamespaceId) {
        let parting = self
            .namespaces
            .get(nsp)
            .is_some_and(|entry| entry.parting != Parting::None);
        if !parting || !self.engine.is_open() {
            self.remove_namespace(nsp);
            return;
        }
        self.drop_deferred(nsp);
        self.outbox.forget_namespace(nsp);
        self.namespaces.part(nsp);
    }

    // ---- timers ----

    /// The next deadline.
    pub(super) fn wake(&self) -> Option<Instant> {
        let mut wake = earliest(self.engine.wake(), self.agenda.reconnect.wake());
        wake = earliest(wake, self.acks.wake());
        wake = earliest(wake, self.namespaces.next_deadline().map(|(at, _)| at));
        if self.engine.is_open() {
            let mut at = self.namespaces.next_waiting(None);
            while let Some(nsp) = at {
                if let Some(Parting::Written { until, .. }) =
                    self.namespaces.get(nsp).map(|entry| entry.parting)
                {
                    wake = earliest(wake, Some(until));
                }
                at = self.namespaces.next_waiting(Some(nsp));
            }
        }
        wake
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn check_timers(&mut self) {
        let now = self.engine.now();
        while let Some(place) = self.acks.next_due(now) {
            self.ack_expired(place);
        }
        while let Some((at, nsp)) = self.namespaces.next_deadline() {
            if now < at {
                break;
            }
            self.join_expired(nsp);
        }
        if self.agenda.reconnect.take_due(now) {
            if self.engine.config().reconnection.enabled {
                self.agenda.reconnect.attempts = self.agenda.reconnect.attempts.saturating_add(1);
                self.agenda.reconnect.dial = true;
                self.agenda
                    .notices
                    .push(Notice::ReconnectAttempt(self.agenda.reconnect.attempts));
            } else {
                self.agenda.reconnect.reset();
                self.idle_all();
            }
        }
    }

    fn idle_all(&mut self) {
        for place in 0..self.namespaces.places() {
            if let Some(nsp) = self.namespaces.at(place).map(|entry| entry.id) {
                self.namespaces.set_state(nsp, NspState::Idle);
            }
        }
    }

    /// The server has not answered a CONNECT.
    fn join_expired(&mut self, nsp: NamespaceId) {
        let old = self
            .namespaces
            .get(nsp)
            .is_some_and(|entry| entry.heard == Heard::Bare);
        self.drop_deferred(nsp);
        if self.namespaces.joined() > 0 {
            // The connection works for others: only this namespace is given up, as after a refusal.
            self.namespaces
                .set_state(nsp, NspState::Leaving { forgotten: false });
            self.agenda.notices.push(Notice::NoAnswer { nsp, old });
        } else if old {
            self.namespaces.set_state(nsp, NspState::Idle);
            self.agenda.notices.push(Notice::NoAnswer { nsp, old });
            self.close_if_unused();
        } else {
            self.engine
                .fail_for(DisconnectReason::TransportError, Cause::JoinTimeout);
            self.follow();
        }
    }

    // ---- joining ----

    /// When the engine has nothing to do: joins namespaces, opens a session that is wanted. Whether anything changed.
    pub(super) fn settle(&mut self) -> bool {
        if self.engine.is_down() {
            let dial = core::mem::replace(&mut self.agenda.reconnect.dial, false);
            if dial && self.namespaces.active() > 0 {
                self.engine.open();
                return true;
            }
            return false;
        }
        self.engine.is_open() && (self.join() || self.drive_starved())
    }

    /// Sends CONNECT for namespaces that wait for it. Whether anything changed.
    fn join(&mut self) -> bool {
        while let Some(nsp) = self.namespaces.first_parted() {
            if !self.has_parted(nsp, false) {
                break;
            }
            self.namespaces.remove(nsp);
        }
        let mut changed = false;
        let pings = self.engine.pings();
        let mut at = self.namespaces.next_waiting(None);
        while let Some(nsp) = at {
            at = self.namespaces.next_waiting(Some(nsp));
            if !self.may_join(nsp) {
                continue;
            }
            let Some(entry) = self.namespaces.get(nsp) else {
                continue;
            };
            if entry.options.auth {
                self.namespaces.set_state(nsp, NspState::Asked);
                self.agenda.notices.push(Notice::Auth(nsp));
                changed = true;
            } else {
                changed |= self.send_connect(nsp, "").is_ok();
            }
        }
        changed || self.engine.pings() != pings
    }

    /// Whether the server has worked on the last DISCONNECT of the namespace. If somebody waits for that, it is asked: what
    /// it sends of itself may have left before the DISCONNECT arrived.
    fn has_parted(&mut self, nsp: NamespaceId, wanted: bool) -> bool {
        let now = self.engine.now();
        let Some(entry) = self.namespaces.get_mut(nsp) else {
            return true;
        };
        if let Parting::Unwritten { packet, number } = entry.parting {
            if self.outbox.is_kept(packet, number) {
                return false;
            }
            // With polling a packet is kept until its POST has been answered: no better sign could come.
            entry.parting = match self.engine.transport() {
                Some(Transport::WebSocket) => Parting::Written {
                    until: now + PARTING,
                    ping: None,
                },
                _ => Parting::None,
            };
        }
        if let Parting::Written { until, ping } = &mut entry.parting {
            if wanted && ping.is_none() {
                *ping = Some(self.engine.ping());
            }
            let answered = ping.is_some_and(|ping| self.engine.is_answered(ping));
            if !answered && now < *until {
                return false;
            }
            entry.parting = Parting::None;
        }
        true
    }

    /// Whether a CONNECT may be sent, and there is room for as large a one as the last.
    fn may_join(&mut self, nsp: NamespaceId) -> bool {
        if !self.has_parted(nsp, true) {
            return false;
        }
        let wanted = self
            .namespaces
            .get(nsp)
            .map_or(0, |entry| entry.room_wanted as usize);
        wanted == 0 || self.make_room(wanted)
    }

    /// Sees to it that a control packet of `bytes` finds room: what waits for it may have to be given up, lest nothing
    /// can ever be sent. False if more leaves anyway, so that it is only a matter of time.
    fn make_room(&mut self, bytes: usize) -> bool {
        while !self.outbox.has_control_room(bytes) {
            if self.outbox.is_flowing() || self.outbox.will_have_control_room(bytes) {
                return false;
            }
            match self.outbox.make_room() {
                None => return false,
                Some((Some(ack), sent)) => self.drop_ack(ack, sent),
                Some((None, _)) => self.agenda.notices.push(Notice::Unsent),
            }
        }
        true
    }

    /// Queues the CONNECT packet: `{"pid":…,"offset":…,` + the members of `auth` + `}`. If there is no room now, the
    /// namespace waits for it.
    pub(super) fn send_connect(&mut self, nsp: NamespaceId, auth: &str) -> Result<(), EmitError> {
        let timeout = self.engine.config().join_timeout;
        let deadline = timeout.map(|timeout| self.engine.now() + timeout);
        #[cfg(feature = "eio3")]
        let v3 = self.engine.is_v3();
        #[cfg(feature = "eio3")]
        if v3 && self.joins_old(nsp, auth, deadline) {
            return Ok(());
        }
        #[cfg(feature = "eio3")]
        let auth = if v3 { "" } else { auth };
        let Some(entry) = self.namespaces.get(nsp) else {
            return Ok(());
        };
        let members = entry.recovery.members(auth);
        let recovery: usize = members.iter().map(|part| part.len()).sum();
        let needed = entry.name().len() + auth.len() + recovery + CONNECT_SPARE;
        // Packed, a short fraction takes nine bytes instead of four; no parser takes more than three times the bytes.
        #[cfg(feature = "msgpack")]
        let needed = match self.engine.config().parser {
            crate::Parser::MessagePack | crate::Parser::Custom(_) => 3 * needed,
            crate::Parser::Json => needed,
        };
        if needed > self.outbox.largest() {
            return Err(EmitError::TooLarge);
        }
        self.outbox.reserve_control(needed);
        if !self.make_room(needed) {
            self.namespaces.set_state(nsp, NspState::Waiting);
            if let Some(entry) = self.namespaces.get_mut(nsp) {
                entry.room_wanted = needed as u32;
            }
            return Err(EmitError::Full);
        }
        let Some(entry) = self.namespaces.get(nsp) else {
            return Ok(());
        };
        let prefix = control(Kind::Connect, entry.name());
        let members = entry.recovery.members(auth);
        let pushed = if recovery == 0 {
            self.outbox
                .push(nsp, &prefix, Body::Parts(&[auth]), false, CONTROL)
        } else {
            let own = auth
                .strip_prefix('{')
                .and_then(|s| s.strip_suffix('}'))
                .unwrap_or("")
                .trim_ascii();
            let [a, b, c, d, e, f, g, h] = members;
            let parts = ["{", a, b, c, d, e, f, g, h, own, "}"];
            self.outbox
                .push(nsp, &prefix, Body::Parts(&parts), false, CONTROL)
        };
        pushed?;
        self.namespaces.set_joining(nsp, deadline);
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.room_wanted = 0;
            entry.connect_len = (needed - recovery) as u32;
            match entry.heard {
                Heard::Nothing => (),
                Heard::Bare => self.doubt(nsp),
                Heard::Consent => self.joined(nsp),
            }
        }
        #[cfg(feature = "eio3")]
        if v3 {
            self.asked_old(nsp);
        }
        Ok(())
    }

    /// Queues the DISCONNECT packet of a namespace.
    pub(super) fn send_disconnect(&mut self, nsp: NamespaceId) {
        let Some(entry) = self.namespaces.get(nsp) else {
            return;
        };
        let prefix = control(Kind::Disconnect, entry.wire_name());
        let number = self.outbox.accepted();
        // If not even the reserve has room, the server notices when the connection ends.
        let Ok(packet) = self.outbox.push(nsp, &prefix, Body::EMPTY, false, CONTROL) else {
            return;
        };
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.parting = Parting::Unwritten { packet, number };
        }
        #[cfg(feature = "eio3")]
        self.leaves_old(nsp);
    }

    /// The connection ends with its last namespace.
    pub(super) fn close_if_unused(&mut self) {
        if self.namespaces.active() > 0 {
            return;
        }
        // No reply to a CONNECT is read any more.
        for place in 0..self.namespaces.places() {
            let Some(entry) = self.namespaces.at(place) else {
                continue;
            };
            let nsp = entry.id;
            if let NspState::Leaving { forgotten } = entry.state() {
                self.namespaces.set_state(nsp, NspState::Idle);
                if EXTRAS && forgotten {
                    self.remove_namespace(nsp);
                }
            }
        }
        self.agenda.reconnect.reset();
        self.agenda.reconnect.dial = false;
        self.agenda.notices.drop_attempts();
        self.engine.close();
        self.follow();
    }
}

const CONTROL: Meta = Meta {
    class: Class::Control,
    life: Life::Connection,
    ack: None,
    ready: true,
    shared: false,
    #[cfg(feature = "deflate")]
    uncompressed: false,
};

const fn control(kind: Kind, nsp: &str) -> Prefix<'_> {
    Prefix {
        kind,
        attachments: 0,
        nsp,
        id: None,
    }
}
