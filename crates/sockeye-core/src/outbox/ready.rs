//! The packets of all namespaces leave in one order; here are those of one namespace among them. Growable memory links
//! them, because there may be many. Fixed memory looks through its few.

use super::Outbox;
use crate::handle::NamespaceId;
use crate::memory::Index;

#[cfg(feature = "alloc")]
mod links {
    use super::{Index, NamespaceId, Outbox};
    use crate::memory::NONE;
    use crate::memory::steps::step;

    /// The first and the last ready packet of a namespace.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::outbox) struct OfNamespace {
        first: Index,
        last: Index,
    }

    impl OfNamespace {
        pub(in crate::outbox) const NONE: Self = Self {
            first: NONE,
            last: NONE,
        };
    }

    /// The ready packets of the same namespace in front of a packet and behind it.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::outbox) struct Neighbours {
        before: Index,
        behind: Index,
    }

    impl Neighbours {
        pub(in crate::outbox) const NONE: Self = Self {
            before: NONE,
            behind: NONE,
        };
    }

    impl Outbox<'_> {
        /// The packet has become the last ready one of its namespace.
        #[inline]
        pub(in crate::outbox) fn is_last_ready(&mut self, i: Index, nsp: NamespaceId) {
            let Some(queue) = self.queue(nsp) else { return };
            let before = queue.of_namespace.last;
            queue.of_namespace.last = i;
            if before == NONE {
                queue.of_namespace.first = i;
                return;
            }
            if let Some(packet) = self.packets.get_mut(i) {
                packet.neighbours.before = before;
            }
            if let Some(packet) = self.packets.get_mut(before) {
                packet.neighbours.behind = i;
            }
        }

        /// The packet has become the first ready one of its namespace.
        pub(in crate::outbox) fn is_first_ready(&mut self, i: Index, nsp: NamespaceId) {
            let Some(queue) = self.queue(nsp) else { return };
            let behind = queue.of_namespace.first;
            queue.of_namespace.first = i;
            if behind == NONE {
                queue.of_namespace.last = i;
                return;
            }
            if let Some(packet) = self.packets.get_mut(i) {
                packet.neighbours.behind = behind;
            }
            if let Some(packet) = self.packets.get_mut(behind) {
                packet.neighbours.before = i;
            }
        }

        /// The packet is not ready any more.
        #[inline]
        pub(in crate::outbox) fn is_not_ready(&mut self, i: Index, nsp: NamespaceId) {
            let Some(packet) = self.packets.get_mut(i) else {
                return;
            };
            let Neighbours { before, behind } =
                core::mem::replace(&mut packet.neighbours, Neighbours::NONE);
            if before != NONE
                && let Some(packet) = self.packets.get_mut(before)
            {
                packet.neighbours.behind = behind;
            }
            if behind != NONE
                && let Some(packet) = self.packets.get_mut(behind)
            {
                packet.neighbours.before = before;
            }
            if (before == NONE || behind == NONE)
                && let Some(queue) = self.queue(nsp)
            {
                if before == NONE {
                    queue.of_namespace.first = behind;
                }
                if behind == NONE {
                    queue.of_namespace.last = before;
                }
            }
        }

        /// The ready packet of the namespace in front of `behind`; without one, its last.
        pub(in crate::outbox) fn ready_before(
            &self,
            nsp: NamespaceId,
            behind: Option<Index>,
        ) -> Option<Index> {
            step(1);
            let i = match behind {
                Some(i) => self.packets.get(i)?.neighbours.before,
                None => {
                    let queue = self.queues.get(nsp.index())?;
                    Some(queue)
                        .filter(|queue| queue.owner == nsp)?
                        .of_namespace
                        .last
                }
            };
            (i != NONE).then_some(i)
        }
    }
}

#[cfg(not(feature = "alloc"))]
mod links {
    use super::{Index, NamespaceId, Outbox};
    use crate::config::EXTRAS;
    use crate::outbox::SendState;

    impl Outbox<'_> {
        pub(in crate::outbox) const fn is_last_ready(&self, _: Index, _: NamespaceId) {}

        pub(in crate::outbox) const fn is_first_ready(&self, _: Index, _: NamespaceId) {}

        pub(in crate::outbox) const fn is_not_ready(&self, _: Index, _: NamespaceId) {}

        /// The ready packet of the namespace in front of `behind`; without one, its last.
        #[inline(never)]
        pub(in crate::outbox) fn ready_before(
            &self,
            nsp: NamespaceId,
            behind: Option<Index>,
        ) -> Option<Index> {
            let mut at = match behind {
                Some(i) => self.in_front_of(i),
                None if EXTRAS => self.unreported.tail().or(self.ready.tail()),
                None => self.ready.tail(),
            };
            while let Some(i) = at {
                if self.packets.get(i)?.nsp == nsp {
                    break;
                }
                at = self.in_front_of(i);
            }
            at
        }

        fn in_front_of(&self, i: Index) -> Option<Index> {
            if !EXTRAS {
                return self.packets.prev(i);
            }
            let unreported = self.packets.get(i)?.state == SendState::Unreported;
            let first = self.packets.prev(i);
            first.or(self.ready.tail().filter(|_| unreported))
        }
    }
}

#[cfg(feature = "alloc")]
pub(super) use links::{Neighbours, OfNamespace};
