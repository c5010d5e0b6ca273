//! What becomes of packets that wait for an answer: acknowledgements that are resolved, fail or expire, and the
//! `retries` queue, in which each packet is sent again until it has been answered.

use super::Client;
use super::acks::{AckEntry, Acks, NO_ID};
use super::namespaces::Namespace;
use super::notices::Notice;
use crate::config::RETRIES;
use crate::error::AckError;
use crate::handle::{AckId, NamespaceId};
use crate::memory::{Index, NONE};
use crate::packet::socket::{Kind, Prefix};

impl Client<'_> {
    /// An acknowledgement has been answered: its entry goes. Whether nobody asked for it.
    pub(super) fn resolved(&mut self, nsp: NamespaceId, place: Index, id: AckId) -> bool {
        let Some(entry) = self.acks.at(place).copied() else {
            return true;
        };
        if entry.is_retry() {
            self.agenda.end();
            self.retry_over(nsp, place);
        } else {
            // The server has answered before it can have read the packet: nobody waits for another answer.
            self.outbox.forget_ack(entry.packet, id);
        }
        self.remove_ack(nsp, place);
        if entry.is_retry() {
            self.drive_retries(nsp);
        }
        entry.silent
    }

    fn remove_ack(&mut self, nsp: NamespaceId, place: Index) {
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            self.acks.remove(&mut entry.acks, place);
        }
    }

    /// An acknowledgement will not be answered: it is to be told.
    fn fail_ack(&mut self, nsp: NamespaceId, place: Index, error: AckError) {
        if let Some(entry) = self.namespaces.get_mut(nsp)
            && self.acks.fail(&mut entry.acks, place, error)
        {
            self.agenda.notices.push(Notice::FailedAcks);
        }
    }

    /// Fails an acknowledgement whose packet was given up.
    pub(super) fn drop_ack(&mut self, id: AckId, sent: bool) {
        if let Some(nsp) = self.acks.get(id).map(|entry| entry.nsp) {
            self.fail_ack(nsp, Acks::place(id), AckError::Dropped { sent });
        }
    }

    /// The namespace is not joined any more: what waits for an answer fails, except packets that have not begun to leave.
    /// They wait for the next time. Packets of the `retries` queue get another try, as far as that count goes.
    pub(super) fn fail_acks(&mut self, nsp: NamespaceId) {
        self.outbox.requeue_retry(nsp);
        let Some(entry) = self.namespaces.get_mut(nsp) else {
            return;
        };
        let in_flight = core::mem::replace(&mut entry.retry_ack, NONE);
        let retries = entry.options.retries().unwrap_or(0);
        let exhausted = self.outbox.is_exhausted(nsp, retries);
        let mut at = entry.acks.head();
        while let Some(place) = at {
            at = self.acks.next(place);
            let (Some(entry), Some(id)) = (self.acks.at(place).copied(), self.acks.id_at(place))
            else {
                return;
            };
            if !entry.is_retry() {
                if !self.outbox.is_waiting(entry.packet, id) {
                    // Its end is told here, so that it must not come to the server later.
                    let sent = self.outbox.abandon(entry.packet, id);
                    self.fail_ack(nsp, place, AckError::Disconnected { sent });
                }
            } else if entry.has_id() {
                if place != in_flight {
                    // Its packet is gone already.
                    self.fail_ack(nsp, place, AckError::Disconnected { sent: true });
                } else if exhausted {
                    self.give_up_retry(nsp, place, AckError::Disconnected { sent: true });
                } else {
                    self.retry_later(nsp, place);
                }
            }
        }
    }

    /// The packet in flight has to be sent again.
    fn retry_later(&mut self, nsp: NamespaceId, place: Index) {
        if self.acks.at(place).is_some_and(|entry| entry.silent) {
            self.remove_ack(nsp, place);
            return;
        }
        self.acks.set_id(place, NO_ID);
        let timeout = self.acks.at(place).and_then(|entry| entry.timeout);
        let now = self.engine.now();
        self.acks
            .set_deadline(place, timeout.map(|timeout| now + timeout));
    }

    /// The packet in flight has been answered, or given up: the queue moves on.
    fn retry_over(&mut self, nsp: NamespaceId, place: Index) {
        if let Some(entry) = self
            .namespaces
            .get_mut(nsp)
            .filter(|entry| entry.retry_ack == place)
        {
            entry.retry_ack = NONE;
            self.outbox.finish_retry(nsp);
        }
    }

    /// The head of the queue, which was in flight, has had all its tries.
    fn give_up_retry(&mut self, nsp: NamespaceId, place: Index, error: AckError) {
        if let Some(entry) = self
            .namespaces
            .get_mut(nsp)
            .filter(|entry| entry.retry_ack == place)
        {
            entry.retry_ack = NONE;
        }
        let silent = self.acks.at(place).is_none_or(|entry| entry.silent);
        if self.outbox.give_up_retry(nsp, silent) {
            self.agenda.notices.push(Notice::Unsent);
        }
        self.fail_ack(nsp, place, error);
    }

    /// Sends the head of the namespace's queue, if nothing is in flight.
    pub(super) fn drive_retries(&mut self, nsp: NamespaceId) {
        // A head that cannot be written is given up, and makes room for the next.
        while !self.drive_retry(nsp) {}
    }

    /// Whether the head of the queue is on its way, or none can be.
    fn drive_retry(&mut self, nsp: NamespaceId) -> bool {
        let joined = |entry: &Namespace| entry.is_joined();
        if !RETRIES || !self.namespaces.get(nsp).is_some_and(joined) {
            return true;
        }
        let Some((packet, ack, attachments)) = self.outbox.retry_head(nsp) else {
            return true;
        };
        let Some(entry) = self.namespaces.get_mut(nsp) else {
            return true;
        };
        let place = match ack {
            Some(ack) => Acks::place(ack),
            None => {
                let silent = AckEntry::unasked(nsp, packet);
                match self.acks.insert(&mut entry.acks, silent) {
                    Some(id) => Acks::place(id),
                    // One of them will be resolved: see `settle`.
                    None => {
                        self.acks.set_starved();
                        return true;
                    }
                }
            }
        };
        let id = entry.next_id;
        entry.next_id += 1;
        entry.retry_ack = place;
        let own = self.acks.at(place).and_then(|entry| entry.timeout);
        let timeout = own.or(entry.options.ack_timeout);
        let prefix = Prefix {
            kind: if attachments > 0 {
                Kind::BinaryEvent
            } else {
                Kind::Event
            },
            attachments,
            nsp: entry.wire_name(),
            id: Some(id),
        };
        let sent = self.outbox.was_tried(packet);
        if !self.outbox.send_retry(nsp, &prefix) {
            entry.retry_ack = NONE;
            self.unwritable_retry(nsp, place, ack.is_none(), sent);
            return false;
        }
        self.acks.set_id(place, id);
        let now = self.engine.now();
        self.acks
            .set_deadline(place, timeout.map(|timeout| now + timeout));
        true
    }

    /// The packet that was to be sent (again) has been given up: that is told.
    #[cold]
    fn unwritable_retry(&mut self, nsp: NamespaceId, place: Index, unasked: bool, sent: bool) {
        if unasked {
            self.remove_ack(nsp, place);
            self.agenda.notices.push(Notice::Unsent);
        } else {
            self.fail_ack(nsp, place, AckError::Dropped { sent });
        }
    }

    /// There was no room for an entry: looks again.
    pub(super) fn drive_starved(&mut self) -> bool {
        if !RETRIES || !self.acks.take_unstarved() {
            return false;
        }
        for place in 0..self.namespaces.places() {
            if let Some(nsp) = self.namespaces.at(place).map(|entry| entry.id) {
                self.drive_retries(nsp);
            }
        }
        true
    }

    /// The time of an acknowledgement is up.
    pub(super) fn ack_expired(&mut self, place: Index) {
        let (Some(entry), Some(id)) = (self.acks.at(place).copied(), self.acks.id_at(place)) else {
            return;
        };
        let nsp = entry.nsp;
        if !entry.is_retry() || !entry.has_id() {
            // A packet that is still unsent is not sent any more.
            let sent = self.outbox.is_sent(entry.packet, id);
            if !self.outbox.cancel(entry.packet, id) {
                self.outbox.forget_ack(entry.packet, id);
            }
            self.fail_ack(nsp, place, AckError::Timeout { sent });
            return;
        }
        let Some(namespace) = self.namespaces.get(nsp) else {
            return;
        };
        let ours = namespace.retry_ack == place && self.outbox.retry_under_way(nsp).is_some();
        if ours && !self.outbox.is_retry_sent(nsp) {
            // Still on its way out: the try has not been made yet.
            let timeout = entry.timeout.or(namespace.options.ack_timeout);
            let now = self.engine.now();
            self.acks
                .set_deadline(place, timeout.map(|timeout| now + timeout));
            return;
        }
        let retries = namespace.options.retries().unwrap_or(0);
        let exhausted = self.outbox.is_exhausted(nsp, retries);
        if !ours {
            // Without a packet (the send buffer has been cleared) there is nothing to try again.
            self.fail_ack(nsp, place, AckError::Timeout { sent: true });
        } else if exhausted {
            self.outbox.requeue_retry(nsp);
            self.give_up_retry(nsp, place, AckError::Timeout { sent: true });
        } else {
            self.outbox.requeue_retry(nsp);
            if let Some(entry) = self.namespaces.get_mut(nsp) {
                entry.retry_ack = NONE;
            }
            self.retry_later(nsp, place);
        }
        self.drive_retries(nsp);
    }

    /// Gives up on an acknowledgement: it will not be told. A packet of which nothing has left is not sent any more; one
    /// of the `retries` queue that has been sent once goes on being sent until it is answered.
    pub fn cancel_ack(&mut self, id: AckId) {
        self.agenda.end();
        let Some(entry) = self.acks.get(id).copied() else {
            return;
        };
        let (nsp, place) = (entry.nsp, Acks::place(id));
        if entry.failed.is_some() {
            self.acks.silence(place);
            return;
        }
        if entry.is_retry() && entry.has_id() {
            self.outbox.forget_ack(entry.packet, id);
            let under_way = self
                .namespaces
                .get(nsp)
                .is_some_and(|entry| entry.retry_ack == place)
                && self.outbox.retry_under_way(nsp).is_some();
            if under_way {
                self.acks.silence(place);
            } else {
                self.remove_ack(nsp, place);
            }
            return;
        }
        let tried = entry.is_retry() && self.outbox.was_tried(entry.packet);
        if tried || !self.outbox.cancel(entry.packet, id) {
            self.outbox.forget_ack(entry.packet, id);
        }
        self.remove_ack(nsp, place);
    }

    /// Whether the server may have got the event of an acknowledgement that is waited for: all of it has been handed to the
    /// network at least once, or is on its way out. `true` also once the acknowledgement has been told: that says what it
    /// came to.
    #[must_use]
    pub fn is_sent(&self, id: AckId) -> bool {
        self.acks.get(id).is_none_or(|entry| match entry.failed {
            Some(error) => error.sent(),
            None => self.outbox.is_sent(entry.packet, id),
        })
    }

    /// Whether something of a namespace is kept to be sent, or (with `retries`) to be answered.
    #[must_use]
    pub fn has_unsent(&self, nsp: NamespaceId) -> bool {
        self.outbox.has_packets(nsp)
    }

    /// Drops every packet of a namespace that has not been sent, and fails the acknowledgements that waited for them.
    pub fn clear_send_buffer(&mut self, nsp: NamespaceId) {
        self.agenda.end();
        self.drop_unsent(nsp, false);
        self.outbox.drop_packets(nsp);
    }

    /// Fails the acknowledgements of a namespace whose packets have not been sent, or all of them.
    pub(super) fn drop_unsent(&mut self, nsp: NamespaceId, all: bool) {
        let mut at = self.namespaces.get(nsp).and_then(|entry| entry.acks.head());
        while let Some(place) = at {
            at = self.acks.next(place);
            let (Some(entry), Some(id)) = (self.acks.at(place).copied(), self.acks.id_at(place))
            else {
                return;
            };
            if all && entry.silent {
                // Nobody waits for it: its packet's own end is told.
                self.outbox.forget_ack(entry.packet, id);
                self.remove_ack(nsp, place);
            } else if all || self.outbox.is_unsent(entry.packet, id) {
                let sent = self.outbox.is_sent(entry.packet, id);
                if !self.outbox.cancel(entry.packet, id) {
                    self.outbox.forget_ack(entry.packet, id);
                }
                self.fail_ack(nsp, place, AckError::Dropped { sent });
            }
        }
    }
}

impl Namespace {
    /// The timeout of an acknowledgement of a packet that is not in the `retries` queue.
    pub(super) fn ack_timeout(
        &self,
        own: Option<core::time::Duration>,
    ) -> Option<core::time::Duration> {
        own.or(self.options.ack_timeout)
    }
}
