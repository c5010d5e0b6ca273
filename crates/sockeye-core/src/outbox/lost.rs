//! What the end of a connection means for packets.

use super::{Life, Outbox, SendState, UnsentCause, Write};
use crate::config::{EXTRAS, POLLING, RETRIES};
use crate::memory::{Index, NONE};

/// So often a packet may be interrupted by the end of a connection; then it is given up.
pub(super) const INTERRUPTIONS: u32 = 2;

impl Outbox<'_> {
    /// The connection is gone, and with it whatever means nothing on another one. Packets that were wholly written have
    /// left. One that was begun cannot have been understood: it is sent once more, and given up if that is interrupted
    /// as well, lest it keep all behind it waiting for ever. Everything else waits for its namespace again, in order.
    pub(crate) fn connection_lost(&mut self) {
        self.interrupt();
        #[cfg(feature = "deflate")]
        self.compress(None);
        // From the back, so that each goes to the front of those that wait.
        while EXTRAS && let Some(i) = self.packets.pop_back(&mut self.unreported) {
            self.ready_lost(i);
        }
        while let Some(i) = self.packets.pop_back(&mut self.ready) {
            self.ready_lost(i);
        }
        while let Some(i) = self.packets.pop_back(&mut self.writing) {
            self.keep_or_drop(i);
        }
        for n in 0..self.in_flight_queues() {
            let Some(i) = self.queues.get(n).map(|queue| queue.in_flight) else {
                continue;
            };
            if self
                .packets
                .get(i)
                .is_some_and(|packet| packet.state == SendState::Sent)
            {
                self.wait_first(i);
            }
            if let Some(queue) = self.queues.get_mut(n) {
                queue.in_flight = NONE;
            }
        }
    }

    /// Takes back what has been put together for a write and has not begun to leave. A POST must not have begun at all.
    pub(crate) fn withdraw(&mut self) {
        let begun = match self.write {
            Write::Frames { skip, pos } => skip > 0 || pos > 0 || self.typed.is_in_message(),
            #[cfg(feature = "deflate")]
            Write::Compressed => self.compressor.is_begun(),
            Write::Post(post) if POLLING && post.is_unwritten() => self
                .writing
                .head()
                .and_then(|i| self.packets.get(i))
                .is_some_and(|packet| packet.first() > 0),
            _ => return,
        };
        while let Some(i) = self.writing.tail() {
            if begun && self.writing.head() == Some(i) {
                break;
            }
            if let Write::Frames { .. } = self.write {
                self.unframe(i, 0);
            }
            self.packets.unlink(&mut self.writing, i);
            self.packets.push_front(&mut self.ready, i);
            let Some(packet) = self.packets.get_mut(i) else {
                break;
            };
            packet.state = SendState::Ready;
            let nsp = packet.nsp;
            self.is_first_ready(i, nsp);
        }
        #[cfg(feature = "deflate")]
        if !begun && matches!(self.write, Write::Compressed) {
            self.compressor.forget();
        }
        if self.writing.is_empty() || matches!(self.write, Write::Post(_)) {
            self.write = Write::Nothing;
            self.typed.end();
        }
    }

    /// Everything that has not begun to leave is for the next connection; what has begun may end on this one.
    pub(crate) fn hold_all(&mut self) {
        for &unreported in if EXTRAS { &[true, false][..] } else { &[false] } {
            let mut at = self.ready_lane(unreported).tail();
            while let Some(i) = at {
                at = self.packets.prev(i);
                if self
                    .packets
                    .get(i)
                    .is_some_and(|packet| packet.life != Life::Connection)
                {
                    self.take_from_ready(i);
                    self.wait_first(i);
                }
            }
        }
        for n in 0..self.in_flight_queues() {
            if let Some(owner) = self.queues.get(n).map(|queue| queue.owner) {
                self.requeue_retry(owner);
            }
        }
    }

    /// Queues that may have a packet under way that waits for its answer.
    fn in_flight_queues(&self) -> usize {
        if RETRIES { self.queues.len() } else { 0 }
    }

    fn ready_lost(&mut self, i: Index) {
        if let Some(nsp) = self.packets.get(i).map(|packet| packet.nsp) {
            self.is_not_ready(i, nsp);
        }
        self.keep_or_drop(i);
    }

    /// A packet that is in no lane: it waits, is given up, or means nothing any more.
    pub(super) fn keep_or_drop(&mut self, i: Index) {
        let Some(packet) = self.packets.get_mut(i) else {
            return;
        };
        packet.by_post.set_first(0);
        match packet.life {
            Life::Connection => self.drop_unsent(i),
            Life::Written if packet.tries >= INTERRUPTIONS => {
                self.give_up(i, UnsentCause::Interrupted);
            }
            Life::Written | Life::Answered => self.wait_first(i),
        }
    }

    /// The write in progress ends where it is.
    fn interrupt(&mut self) {
        let typed = self.typed.is_in_message();
        self.typed.end();
        match core::mem::replace(&mut self.write, Write::Nothing) {
            // Between two POSTs that carry one packet.
            Write::Nothing => {
                let first = self.writing.head();
                self.was_begun(first);
            }
            Write::Frames { mut skip, pos } => {
                let mut at = self.writing.head();
                if pos > 0 || skip > 0 || typed {
                    self.was_begun(at);
                }
                while let Some(i) = at {
                    at = self.packets.next(i);
                    self.unframe(i, skip);
                    skip = 0;
                }
            }
            #[cfg(feature = "deflate")]
            Write::Compressed => {
                let first = self.writing.head();
                self.was_begun(first.filter(|_| self.compressor.is_begun()));
            }
            Write::Post(post) if POLLING => self.interrupt_post(&post),
            Write::Post(_) => (),
        }
    }

    /// The connection broke while the packet was being written.
    pub(super) fn was_begun(&mut self, i: Option<Index>) {
        if let Some(packet) = i.and_then(|i| self.packets.get_mut(i)) {
            packet.tries = packet.tries.saturating_add(1);
        }
    }
}
