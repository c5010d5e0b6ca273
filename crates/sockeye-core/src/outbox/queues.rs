//! Where packets wait: each namespace's own until it is joined, those that may leave in one lane for all.

use super::{Class, Life, Outbox, Queue, SendState, UnsentCause};
use crate::config::{EXTRAS, RETRIES};
use crate::handle::{AckId, NamespaceId};
use crate::memory::{Index, Lane, NONE, Serial};

impl Outbox<'_> {
    /// A namespace is known from here on.
    pub(crate) fn add_namespace(&mut self, nsp: NamespaceId) {
        while self.queues.len() <= nsp.index() {
            if self.queues.push(Queue::EMPTY).is_err() {
                return;
            }
        }
        if let Some(queue) = self.queues.get_mut(nsp.index()) {
            *queue = Queue {
                owner: nsp,
                ..Queue::EMPTY
            };
        }
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn queue(&mut self, nsp: NamespaceId) -> Option<&mut Queue> {
        self.queues
            .get_mut(nsp.index())
            .filter(|queue| queue.owner == nsp)
    }

    /// The namespace has been joined: its packets may leave, except those of the `retries` queue.
    pub(crate) fn release(&mut self, nsp: NamespaceId) {
        let Some(queue) = self.queue(nsp) else { return };
        let mut waiting = core::mem::take(&mut queue.waiting);
        while let Some(i) = self.packets.pop_front(&mut waiting) {
            self.account_held(i, false);
            self.make_ready(i);
        }
    }

    /// The namespace is not joined any more: what has not begun to leave waits for the next time. Answers and other
    /// packets that mean nothing then are dropped.
    pub(crate) fn hold(&mut self, nsp: NamespaceId) {
        // From the back, so that each can go to the front of those that wait.
        let mut at = self.ready_before(nsp, None);
        while let Some((i, packet)) = at.and_then(|i| Some((i, self.packets.get(i)?))) {
            let (class, life) = (packet.class, packet.life);
            at = self.ready_before(nsp, Some(i));
            if class == Class::Control {
                continue;
            }
            self.take_from_ready(i);
            if life == Life::Connection {
                self.drop_unsent(i);
            } else {
                self.wait_first(i);
            }
        }
    }

    /// Nothing of the namespace's packets is kept any longer than this connection, over which those that may leave still do. The
    /// others are given up, to be told: nobody can join it again.
    pub(crate) fn forget_namespace(&mut self, nsp: NamespaceId) {
        self.take_packets(nsp, true);
        if let Some(queue) = self.queue(nsp) {
            *queue = Queue::EMPTY;
        }
    }

    /// Drops every packet of the namespace that has not begun to leave, except those that mean something only now.
    pub(crate) fn drop_packets(&mut self, nsp: NamespaceId) {
        self.take_packets(nsp, false);
    }

    fn take_packets(&mut self, nsp: NamespaceId, forgotten: bool) {
        let lanes: &[bool] = if RETRIES { &[false, true] } else { &[false] };
        for &retries in lanes {
            loop {
                let Some(queue) = self.queue(nsp) else { return };
                let mut rest = core::mem::take(queue.lane(retries));
                let Some(i) = self.packets.pop_front(&mut rest) else {
                    break;
                };
                if let Some(queue) = self.queue(nsp) {
                    *queue.lane(retries) = rest;
                }
                self.account_held(i, false);
                if forgotten {
                    self.give_up(i, UnsentCause::Forgotten);
                } else {
                    self.remove(i);
                }
            }
        }
        if !forgotten {
            let mut at = self.ready_before(nsp, None);
            while let Some((i, packet)) = at.and_then(|i| Some((i, self.packets.get(i)?))) {
                let life = packet.life;
                at = self.ready_before(nsp, Some(i));
                if life != Life::Connection {
                    self.take_from_ready(i);
                    self.remove(i);
                }
            }
        }
        // What has begun is finished, but not sent again.
        let under_way = self.queue(nsp).map_or(NONE, |queue| queue.in_flight);
        self.settle_retry(under_way);
    }

    pub(super) const fn ready_lane(&self, unreported: bool) -> Lane {
        if unreported {
            self.unreported
        } else {
            self.ready
        }
    }

    /// A packet that is in no lane may leave.
    pub(super) fn make_ready(&mut self, i: Index) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        let (nsp, state) = (packet.nsp, self.ready_state(packet.report));
        if let Some(packet) = self.packets.get_mut(i) {
            packet.state = state;
        }
        self.line_up(i, nsp, state);
    }

    /// The state of a packet that becomes ready now.
    pub(super) const fn ready_state(&self, report: bool) -> SendState {
        // Behind one that is still to be reported, everything keeps its place.
        if EXTRAS && (report || !self.unreported.is_empty()) {
            SendState::Unreported
        } else {
            SendState::Ready
        }
    }

    /// Puts a packet in the state that [`Self::ready_state`] gave to the end of its lane.
    pub(super) fn line_up(&mut self, i: Index, nsp: NamespaceId, state: SendState) {
        let lane = match state {
            SendState::Unreported if EXTRAS => &mut self.unreported,
            _ => &mut self.ready,
        };
        self.packets.push_back(lane, i);
        self.is_last_ready(i, nsp);
    }

    /// Takes a packet out of the ready ones.
    pub(super) fn take_from_ready(&mut self, i: Index) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        let nsp = packet.nsp;
        match packet.state {
            SendState::Unreported if EXTRAS => {
                self.packets.unlink(&mut self.unreported, i);
            }
            SendState::Ready => self.packets.unlink(&mut self.ready, i),
            _ => return,
        }
        self.is_not_ready(i, nsp);
    }

    /// Counts a packet among those of its namespace that wait (or not any more).
    pub(super) fn account_held(&mut self, i: Index, held: bool) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        let (nsp, size) = (packet.nsp, packet.size as usize);
        if let Some(queue) = self.queue(nsp) {
            if held {
                queue.held += 1;
                queue.held_bytes += size;
            } else {
                queue.held -= 1;
                queue.held_bytes -= size;
            }
        }
    }

    /// A packet that is in no lane waits in front of the others of its namespace; without one it goes.
    pub(super) fn wait_first(&mut self, i: Index) {
        let Some(packet) = self.packets.get_mut(i) else {
            return;
        };
        packet.state = SendState::Waiting;
        packet.again = false;
        let (nsp, retry) = (packet.nsp, packet.life.is_answered());
        let Some(queue) = self
            .queues
            .get_mut(nsp.index())
            .filter(|queue| queue.owner == nsp)
        else {
            let before = self.given_up.tail();
            self.give_up(i, UnsentCause::Forgotten);
            if self.given_up.tail() != before {
                // They come here from the last to the first.
                self.packets.unlink(&mut self.given_up, i);
                self.packets.push_front(&mut self.given_up, i);
            }
            return;
        };
        if retry && queue.in_flight == i {
            queue.in_flight = NONE;
        }
        self.packets.push_front(queue.lane(retry), i);
        self.account_held(i, true);
    }

    /// Removes the packet of an acknowledgement if nothing of it has left: whether it did.
    pub(crate) fn cancel(&mut self, i: Index, ack: AckId) -> bool {
        let Some(packet) = self.of_ack(i, ack) else {
            return false;
        };
        let (nsp, retry) = (packet.nsp, packet.life.is_answered());
        match packet.state {
            SendState::Waiting => {
                self.account_held(i, false);
                let Some(queue) = self
                    .queues
                    .get_mut(nsp.index())
                    .filter(|queue| queue.owner == nsp)
                else {
                    return false;
                };
                self.packets.unlink(queue.lane(retry), i);
            }
            SendState::Unreported | SendState::Ready => {
                self.take_from_ready(i);
                if retry && let Some(queue) = self.queue(nsp).filter(|queue| queue.in_flight == i) {
                    queue.in_flight = NONE;
                }
            }
            SendState::Writing | SendState::Sent | SendState::GivenUp => return false,
        }
        self.remove(i);
        true
    }

    /// Nobody waits for the packet's answer any more.
    pub(crate) fn forget_ack(&mut self, i: Index, ack: AckId) {
        if let Some(packet) = self
            .packets
            .get_mut(i)
            .filter(|packet| packet.ack == Some(ack))
        {
            packet.ack = None;
        }
    }

    /// The end of the packet is told: it may leave on this connection, but not on another one. Whether it has left, or may.
    pub(crate) fn abandon(&mut self, i: Index, ack: AckId) -> bool {
        if let Some(packet) = self
            .packets
            .get_mut(i)
            .filter(|packet| packet.ack == Some(ack))
        {
            if packet.state == SendState::GivenUp {
                self.remove(i);
                return false;
            }
            packet.ack = None;
            packet.life = Life::Connection;
        }
        true
    }

    /// Whether a packet of the namespace is kept.
    pub(crate) fn has_packets(&self, nsp: NamespaceId) -> bool {
        let waits = |queue: &Queue| {
            queue.owner == nsp && (queue.held > 0 || RETRIES && queue.in_flight != NONE)
        };
        if self.queues.get(nsp.index()).is_some_and(waits) || self.ready_before(nsp, None).is_some()
        {
            return true;
        }
        // (What is being written is little.)
        let mut at = self.writing.head();
        while let Some((i, packet)) = at.and_then(|i| Some((i, self.packets.get(i)?))) {
            if packet.nsp == nsp {
                return true;
            }
            at = self.packets.next(i);
        }
        false
    }

    /// Whether the packet that was accepted under this number is still kept.
    #[allow(clippy::unnecessary_cast)] // Not where a serial has 32 bits.
    pub(crate) fn is_kept(&self, i: Index, number: u64) -> bool {
        self.packets
            .get(i)
            .is_some_and(|packet| packet.number == number as Serial)
    }
}
