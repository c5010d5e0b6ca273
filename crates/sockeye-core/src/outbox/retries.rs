//! The `retries` queue of a namespace: its packets are sent one at a time, each again and again until it is answered.

use super::{Life, Outbox, Queue, SendState, UnsentCause};
use crate::config::RETRIES;
use crate::handle::{AckId, NamespaceId};
use crate::memory::{Index, NONE};
use crate::packet::socket::Prefix;

impl Outbox<'_> {
    /// The queue of a namespace. (Without the feature nothing is ever in it, and what asks it is left out.)
    fn retries_of(&self, nsp: NamespaceId) -> Option<&Queue> {
        let queue = self.queues.get(nsp.index())?;
        (RETRIES && queue.owner == nsp).then_some(queue)
    }

    /// The next packet of the queue, if none is under way; who waits for its answer; how many attachments it has.
    pub(crate) fn retry_head(&self, nsp: NamespaceId) -> Option<(Index, Option<AckId>, usize)> {
        let queue = self.retries_of(nsp)?;
        if queue.in_flight != NONE {
            return None;
        }
        let i = queue.retries.head()?;
        let packet = self.packets.get(i)?;
        Some((i, packet.ack, packet.attachments() as usize))
    }

    /// The packet of the queue that is under way.
    pub(crate) fn retry_under_way(&self, nsp: NamespaceId) -> Option<Index> {
        let queue = self.retries_of(nsp)?;
        (queue.in_flight != NONE).then_some(queue.in_flight)
    }

    /// Queues in which a packet waits whose answer the application did not ask for: when its turn comes, it needs an
    /// entry among the acknowledgements all the same. Growable memory has one more for each, so that nobody counts.
    pub(crate) fn unasked_queues(&self) -> usize {
        if !RETRIES || cfg!(feature = "alloc") && !self.is_fixed() {
            return 0;
        }
        let has_unasked = |n: usize| {
            let mut at = self.queues.get(n).and_then(|queue| queue.retries.head());
            while let Some((i, packet)) = at.and_then(|i| Some((i, self.packets.get(i)?))) {
                if packet.ack.is_none() {
                    return true;
                }
                at = self.packets.next(i);
            }
            false
        };
        (0..self.queues.len()).filter(|n| has_unasked(*n)).count()
    }

    /// Sends the head of the queue (again) under a new ack id. Whether it could be given that: if not, it is given up, and
    /// told by itself unless somebody waits for its answer.
    pub(crate) fn send_retry(&mut self, nsp: NamespaceId, prefix: &Prefix<'_>) -> bool {
        let Some(queue) = self
            .queues
            .get_mut(nsp.index())
            .filter(|queue| RETRIES && queue.owner == nsp)
        else {
            return true;
        };
        let Some(i) = self.packets.pop_front(&mut queue.retries) else {
            return true;
        };
        queue.in_flight = i;
        self.account_held(i, false);
        #[cfg(feature = "msgpack")]
        if self.packs() {
            let written = self.repack_prefix(i, prefix);
            if written {
                self.make_ready(i);
            } else {
                if let Some(queue) = self.queue(nsp) {
                    queue.in_flight = NONE;
                }
                self.give_up(i, UnsentCause::Unwritable);
            }
            return written;
        }
        if let Some(packet) = self.packets.get_mut(i) {
            let json = packet.start() + packet.prefix as usize;
            let len = prefix.len();
            let start = json - len;
            packet.gap = (start - packet.area as usize) as u16;
            packet.text = packet.text + len as u32 - u32::from(packet.prefix);
            packet.prefix = len as u16;
            if let Some(out) = self.mem.get_mut().get_mut(start..json) {
                prefix.write(out);
            }
        }
        self.make_ready(i);
        true
    }

    /// Whether the packet of the queue that is under way has been written whole.
    pub(crate) fn is_retry_sent(&self, nsp: NamespaceId) -> bool {
        self.retry_under_way(nsp)
            .and_then(|i| self.packets.get(i))
            .is_some_and(|packet| packet.state == SendState::Sent)
    }

    /// Whether the packet under way, or the head of the queue if none is, has been sent `retries` times more than once;
    /// one that is being written counts as sent. A try of which nothing has left is none.
    pub(crate) fn is_exhausted(&self, nsp: NamespaceId, retries: u32) -> bool {
        let Some(queue) = self.retries_of(nsp) else {
            return false;
        };
        let i = match queue.in_flight {
            NONE => queue.retries.head(),
            i => Some(i),
        };
        i.and_then(|i| self.packets.get(i)).is_some_and(|packet| {
            let now = u32::from(packet.state == SendState::Writing);
            packet.tries.saturating_add(now) > retries
        })
    }

    /// Whether a packet that waits in the queue has been sent before.
    pub(crate) fn was_tried(&self, i: Index) -> bool {
        self.packets.get(i).is_some_and(|packet| packet.tries > 0)
    }

    /// The packet under way goes back to the head of its queue, for another try; if it is being written, as soon as it
    /// has been.
    pub(crate) fn requeue_retry(&mut self, nsp: NamespaceId) {
        let Some(i) = self.retry_under_way(nsp) else {
            return;
        };
        match self.packets.get(i).map(|packet| packet.state) {
            Some(SendState::Sent) => self.wait_first(i),
            Some(SendState::Unreported | SendState::Ready) => {
                self.take_from_ready(i);
                self.wait_first(i);
            }
            Some(SendState::Writing) => {
                if let Some(packet) = self.packets.get_mut(i) {
                    packet.again = true;
                }
            }
            _ => (),
        }
    }

    /// The packet under way needs no answer any more: it leaves once written, and the queue moves on.
    pub(crate) fn finish_retry(&mut self, nsp: NamespaceId) {
        if let Some(i) = self.retry_under_way(nsp) {
            self.settle_retry(i);
        }
    }

    /// The head of the queue has had all its tries. `tell`: nobody waits for its answer, so that its end is told by
    /// itself; whether it will be.
    pub(crate) fn give_up_retry(&mut self, nsp: NamespaceId, tell: bool) -> bool {
        if let Some(i) = self.retry_under_way(nsp) {
            // It is being written: it leaves, and is forgotten.
            self.settle_retry(i);
            if let Some(packet) = self.packets.get_mut(i).filter(|_| tell) {
                // But if the connection ends under it, that is told.
                packet.life = Life::Written;
                packet.tries = packet.tries.max(super::lost::INTERRUPTIONS);
            }
            return false;
        }
        let Some(queue) = self
            .queues
            .get_mut(nsp.index())
            .filter(|queue| RETRIES && queue.owner == nsp)
        else {
            return false;
        };
        let Some(i) = self.packets.pop_front(&mut queue.retries) else {
            return false;
        };
        self.account_held(i, false);
        if tell {
            self.give_up(i, UnsentCause::Unanswered);
        } else {
            self.remove(i);
        }
        tell
    }

    pub(super) fn settle_retry(&mut self, i: Index) {
        let Some(packet) = self.packets.get_mut(i) else {
            return;
        };
        if !packet.life.is_answered() {
            return;
        }
        packet.ack = None;
        let (nsp, state) = (packet.nsp, packet.state);
        if state == SendState::Writing {
            packet.life = Life::Connection;
        }
        if let Some(queue) = self.queue(nsp).filter(|queue| queue.in_flight == i) {
            queue.in_flight = NONE;
        }
        match state {
            SendState::Sent => self.remove(i),
            SendState::Unreported | SendState::Ready => {
                self.take_from_ready(i);
                self.remove(i);
            }
            SendState::Waiting | SendState::Writing | SendState::GivenUp => (),
        }
    }
}
