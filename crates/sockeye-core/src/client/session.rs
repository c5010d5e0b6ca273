//! What the begin and the end of a session mean for namespaces, acknowledgements and reconnection; timers.

use super::nsp::NspState;
use super::{AckId, Client, Ev, reconnect};
use crate::config::Transport;
use crate::engine::State;
use crate::engine::outbox::{Body, Meta};
use crate::error::{AckError, Cause, DisconnectReason};
use crate::fmt::say;
use crate::packet::json;
use crate::packet::socket::{Kind, Prefix};

impl Client<'_> {
    /// There is a session.
    pub(super) fn opened(&mut self) -> Ev {
        say!(
            debug,
            "session opened on {}",
            self.engine.transport().map_or("", Transport::name)
        );
        // What a session that was closed by the application left behind.
        self.partial = None;
        self.orphans = false;
        self.unhold = None;
        if self.backoff.attempts > 0 {
            self.tell_reconnected = Some(self.backoff.attempts);
        }
        self.backoff.reset();
        self.dirty = true;
        Ev::Opened
    }

    /// The session, or the attempt at one, is over. `again`: the application wants another at once.
    pub(super) fn closed(
        &mut self,
        reason: DisconnectReason,
        cause: Cause,
        opened: bool,
        again: bool,
    ) {
        say!(debug, "session ended ({}): {}", reason, self.details(cause));
        self.partial = None;
        self.unhold = None;
        self.cause = cause;
        let policy = self.engine.config.reconnection;
        let exhausted = policy
            .attempts
            .is_some_and(|max| self.backoff.attempts >= max);
        let retry = self.any_active() && (again || policy.enabled && !exhausted);
        for i in 0..self.nsps.len() {
            let Some(entry) = self.nsps.get_mut(i) else {
                continue;
            };
            if entry.state == NspState::Joined {
                entry.tell_disconnected = Some(reason);
            }
            entry.deadline = None;
            entry.tell_auth = false;
            entry.tell_connected = false;
            entry.deliver_held = false;
            entry.in_flight = 0;
            entry.purge = false;
            entry.state = match entry.state {
                NspState::Idle | NspState::Leaving => NspState::Idle,
                _ if retry => NspState::Waiting,
                _ => NspState::Idle,
            };
            entry.used &= !entry.forgotten;
            self.fail_acks(i as u16, AckError::Disconnected);
        }
        self.tell_closed = Some((reason, cause, opened));
        self.dirty = true;
        if again {
            self.backoff.reset();
        } else if retry {
            let delay = reconnect::delay(&policy, self.backoff.attempts, &mut self.engine.rng);
            self.backoff.at = Some(self.engine.now + delay);
            self.tell_reconnecting = Some(delay);
        } else {
            if exhausted && policy.enabled && self.backoff.attempts > 0 {
                self.tell_failed = true;
            }
            self.backoff.reset();
        }
    }

    /// Fails what waits in a namespace, except packets that have not left yet: they wait for the next connection
    /// (A7 item 83). Retry packets count a try.
    pub(super) fn fail_acks(&mut self, nsp: u16, error: AckError) {
        let retries = self
            .nsps
            .get(nsp as usize)
            .and_then(|entry| entry.options.retries)
            .unwrap_or(0);
        let mut place = 0;
        for i in 0..self.acks.table.len() {
            let Some(entry) = self.acks.get(i).copied() else {
                break;
            };
            if entry.nsp != nsp || entry.failed.is_some() {
                continue;
            }
            if entry.retry {
                if entry.id == super::acks::NO_ID {
                    continue;
                }
                if let Some(entry) = self.acks.get_mut(i) {
                    entry.id = super::acks::NO_ID;
                    entry.deadline = None;
                }
                let tries = self.nsps.get(nsp as usize).map_or(0, |entry| entry.tries);
                if tries > retries || self.engine.outbox.find_ack(entry.seq).is_none() {
                    self.retry_failed(i, error);
                    place = 0;
                }
                continue;
            }
            let slot = self.engine.outbox.find_next_ack(entry.seq, &mut place);
            if !slot.is_some_and(|slot| self.engine.outbox.is_held(slot)) {
                self.acks.fail(i, error);
                self.dirty = true;
            }
        }
    }

    /// The retry packet of ack entry `i` has had all its tries.
    pub(super) fn retry_failed(&mut self, i: usize, error: AckError) {
        let Some(entry) = self.acks.get(i).copied() else {
            return;
        };
        if let Some(slot) = self.engine.outbox.find_ack(entry.seq) {
            self.engine.outbox.forget_retry(slot);
        }
        if let Some(nsp) = self.nsps.get_mut(entry.nsp as usize) {
            nsp.in_flight = 0;
            nsp.tries = 0;
        }
        self.acks.fail(i, error);
        self.dirty = true;
    }

    /// Sends the head of the namespace's retry queue, if nothing is in flight (A7 item 87).
    pub(super) fn drive_retries(&mut self, nsp: u16) {
        let Some(entry) = self.nsps.get_mut(nsp as usize) else {
            return;
        };
        if entry.options.retries.is_none()
            || entry.state != NspState::Joined
            || entry.in_flight != 0
        {
            return;
        }
        let Some(slot) = self.engine.outbox.retry_head(nsp) else {
            return;
        };
        let Some(seq) = self.engine.outbox.get(slot).map(|slot| slot.ack) else {
            return;
        };
        let Some(i) = self
            .acks
            .find_seq(seq)
            .filter(|_| !self.engine.outbox.is_under_way(slot))
        else {
            return;
        };
        let id = entry.next_id;
        entry.next_id += 1;
        entry.in_flight = seq;
        entry.tries += 1;
        let attachments = self.engine.outbox.attachments(slot).count();
        let kind = if attachments > 0 {
            Kind::BinaryEvent
        } else {
            Kind::Event
        };
        let name = entry.name();
        self.engine.outbox.send_retry(
            slot,
            &Prefix {
                kind,
                attachments,
                nsp: name,
                id: Some(id),
            },
        );
        if let Some(ack) = self.acks.get_mut(i) {
            ack.id = id;
        }
        self.acks.arm(i, self.engine.now);
    }

    pub(super) fn check_timers(&mut self) {
        self.timers = false;
        let now = self.engine.now;
        if self.acks.is_due(now) {
            let mut place = 0;
            for i in 0..self.acks.table.len() {
                if self
                    .acks
                    .get(i)
                    .and_then(|entry| entry.deadline)
                    .is_some_and(|at| now >= at)
                {
                    self.ack_expired(i, &mut place);
                }
            }
            self.acks.find_wake();
        }
        for i in 0..self.nsps.len() {
            let Some(entry) = self.nsps.get_mut(i) else {
                continue;
            };
            if entry.deadline.is_some_and(|at| now >= at) {
                entry.deadline = None;
                self.join_expired(i as u16);
            }
        }
        if self.backoff.at.is_some_and(|at| now >= at) {
            self.backoff.at = None;
            if self.engine.config.reconnection.enabled {
                self.backoff.attempts = self.backoff.attempts.saturating_add(1);
                self.tell_attempt = true;
                self.dirty = true;
                self.dial = true;
            } else {
                self.backoff.reset();
                self.idle_all();
            }
        }
    }

    fn idle_all(&mut self) {
        for i in 0..self.nsps.len() {
            if let Some(entry) = self.nsps.get_mut(i) {
                entry.state = NspState::Idle;
            }
        }
    }

    fn ack_expired(&mut self, i: usize, place: &mut usize) {
        let Some(entry) = self.acks.get(i).copied() else {
            return;
        };
        let slot = self.engine.outbox.find_next_ack(entry.seq, place);
        if entry.retry {
            if slot.is_some_and(|slot| !self.engine.outbox.is_sent(slot)) {
                // Still on its way out: the try has not been made yet.
                self.acks.arm(i, self.engine.now);
                return;
            }
            let retries = self
                .nsps
                .get(entry.nsp as usize)
                .and_then(|nsp| nsp.options.retries)
                .unwrap_or(0);
            let tries = self.nsps.get(entry.nsp as usize).map_or(0, |nsp| nsp.tries);
            // Without a packet (the send buffer has been cleared) there is nothing to try again.
            if tries > retries || slot.is_none() {
                self.retry_failed(i, AckError::Timeout);
            } else {
                if let Some(ack) = self.acks.get_mut(i) {
                    ack.id = super::acks::NO_ID;
                    ack.deadline = None;
                }
                if let Some(nsp) = self.nsps.get_mut(entry.nsp as usize) {
                    nsp.in_flight = 0;
                }
            }
            self.drive_retries(entry.nsp);
        } else {
            // A packet that is still unsent is not sent any more (A7 item 81).
            if let Some(slot) = slot
                && self.engine.outbox.is_unsent(slot)
            {
                self.engine.outbox.remove_packet(slot);
            }
            self.acks.fail(i, AckError::Timeout);
            self.dirty = true;
        }
    }

    /// The server has not answered a CONNECT.
    fn join_expired(&mut self, nsp: u16) {
        let others = (0..self.nsps.len()).any(|i| {
            i != nsp as usize
                && self
                    .nsps
                    .get(i)
                    .is_some_and(|entry| entry.state == NspState::Joined)
        });
        let Some(entry) = self.nsps.get_mut(nsp as usize) else {
            return;
        };
        if others {
            // The connection works for others: only this namespace is given up, as after a refusal.
            entry.state = NspState::Leaving;
            entry.tell_no_answer = true;
            self.dirty = true;
        } else {
            self.engine.note.clear();
            self.engine
                .fail(DisconnectReason::TransportError, Cause::JoinTimeout);
        }
    }

    /// When the engine has nothing to do: joins namespaces, opens a session that is wanted. Whether anything changed.
    pub(super) fn settle(&mut self) -> bool {
        match self.engine.state() {
            State::Down => {
                if self.dial && self.any_active() {
                    self.dial = false;
                    self.engine.open();
                    return true;
                }
                self.dial = false;
                false
            }
            State::Open(_) => self.join(),
            State::Opening(_) | State::Closing(_) => false,
        }
    }

    /// Sends CONNECT for namespaces that wait for it. Whether anything changed.
    fn join(&mut self) -> bool {
        let mut changed = false;
        for i in 0..self.nsps.len() {
            let Some(entry) = self
                .nsps
                .get_mut(i)
                .filter(|entry| entry.used && entry.state == NspState::Waiting)
            else {
                continue;
            };
            if entry.options.auth {
                entry.state = NspState::Asked;
                entry.tell_auth = true;
                self.dirty = true;
                changed = true;
            } else {
                changed |= self.send_connect(i as u16, "");
            }
        }
        changed
    }

    /// Queues the CONNECT packet: `{"pid":…,"offset":…,` + the members of `auth` + `}`. False if there is no room yet.
    pub(super) fn send_connect(&mut self, nsp: u16, auth: &str) -> bool {
        let join_timeout = self.engine.config.join_timeout;
        let now = self.engine.now;
        let Some(entry) = self.nsps.get_mut(nsp as usize) else {
            return false;
        };
        let prefix = Prefix {
            kind: Kind::Connect,
            attachments: 0,
            nsp: entry.name(),
            id: None,
        };
        let meta = Meta {
            nsp,
            ready: true,
            transient: true,
            control: true,
            ..Meta::default()
        };
        let auth = auth.trim_ascii();
        let quote = |s: &str| !s.bytes().any(|b| b == b'"' || b == b'\\' || b < 0x20);
        let pid = entry.pid.as_str();
        let offset = entry.offset.as_str();
        let pushed = if pid.is_empty() || !quote(pid) || !quote(offset) {
            self.engine
                .outbox
                .push(&prefix, Body::Parts(&[auth]), false, meta)
        } else {
            // The application's own keys win (A9 item 100).
            let members = auth
                .strip_prefix('{')
                .and_then(|s| s.strip_suffix('}'))
                .unwrap_or("")
                .trim_ascii();
            let own = |key| json::field(auth, key).is_some();
            let (p1, pid, p2) = if own("pid") {
                ("", "", "")
            } else {
                ("\"pid\":\"", pid, "\"")
            };
            let none = offset.is_empty() || own("offset");
            let (o1, offset, o2) = if none {
                ("", "", "")
            } else {
                ("\"offset\":\"", offset, "\"")
            };
            let comma1 = if p1.is_empty() || o1.is_empty() {
                ""
            } else {
                ","
            };
            let comma2 = if members.is_empty() || p1.is_empty() && o1.is_empty() {
                ""
            } else {
                ","
            };
            let parts = [
                "{", p1, pid, p2, comma1, o1, offset, o2, comma2, members, "}",
            ];
            self.engine
                .outbox
                .push(&prefix, Body::Parts(&parts), false, meta)
        };
        match pushed {
            Ok(()) => {
                entry.state = NspState::Joining;
                entry.deadline = join_timeout.map(|patience| now + patience);
                true
            }
            Err(_) => false,
        }
    }

    /// The next event that follows from what has happened, in a fixed order.
    pub(super) fn next_notice(&mut self) -> Option<Ev> {
        if let Some((reason, cause, opened)) = self.tell_closed.take() {
            let retry = self.backoff.at.is_some() || self.dial;
            return Some(Ev::Closed {
                reason,
                cause,
                opened,
                retry,
            });
        }
        for i in 0..self.nsps.len() {
            let handle = self.handle(i as u16);
            let Some(entry) = self.nsps.get_mut(i) else {
                continue;
            };
            if core::mem::take(&mut entry.purge) {
                self.drop_held_of(i as u16);
            }
            let Some(entry) = self.nsps.get_mut(i) else {
                continue;
            };
            if let Some(reason) = entry.tell_disconnected.take() {
                return Some(Ev::Disconnected {
                    nsp: handle,
                    reason,
                });
            }
            if core::mem::take(&mut entry.tell_no_answer) {
                return Some(Ev::NoAnswer { nsp: handle });
            }
        }
        if let Some(ev) = self.next_failed_ack() {
            return Some(ev);
        }
        if let Some(delay) = self.tell_reconnecting.take() {
            return Some(Ev::Reconnecting {
                attempt: self.backoff.attempts.saturating_add(1),
                delay,
            });
        }
        if core::mem::take(&mut self.tell_failed) {
            return Some(Ev::ReconnectFailed);
        }
        if core::mem::take(&mut self.tell_attempt) {
            return Some(Ev::ReconnectAttempt(self.backoff.attempts));
        }
        if let Some(n) = self.tell_reconnected.take() {
            return Some(Ev::Reconnected(n));
        }
        for i in 0..self.nsps.len() {
            let handle = self.handle(i as u16);
            let Some(entry) = self.nsps.get_mut(i) else {
                continue;
            };
            if core::mem::take(&mut entry.tell_auth) {
                return Some(Ev::Auth(handle));
            }
            if entry.deliver_held {
                // Events that came before the CONNECT reply go first, then `connect` (A6 item 68).
                if let Some(ev) = self.next_held(i as u16) {
                    return Some(ev);
                }
                if let Some(entry) = self.nsps.get_mut(i) {
                    entry.deliver_held = false;
                    entry.tell_connected = true;
                }
            }
            if let Some(entry) = self.nsps.get_mut(i)
                && core::mem::take(&mut entry.tell_connected)
            {
                let recovered = entry.recovered;
                return Some(Ev::Connected {
                    nsp: handle,
                    recovered,
                });
            }
        }
        None
    }

    fn next_failed_ack(&mut self) -> Option<Ev> {
        if !self.acks.any_failed {
            return None;
        }
        let mut i = 0;
        while let Some(entry) = self.acks.get(i).copied() {
            match entry.failed {
                None => i += 1,
                Some(error) => {
                    self.acks.remove(i);
                    if !entry.silent {
                        return Some(Ev::AckFailed {
                            id: AckId(entry.seq),
                            error,
                        });
                    }
                }
            }
        }
        self.acks.any_failed = false;
        None
    }
}
