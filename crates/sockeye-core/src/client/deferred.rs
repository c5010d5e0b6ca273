//! Events that came before the reply to their namespace's CONNECT (`receiveBuffer`): they wait in the receive area, each
//! namespace's in a list, until it is joined.
//!
//! A packet that is held lies there as `[size: u32][next: u32][namespace: u32]`, then its text and its attachments as
//! records. Those that have been told are dead, and are swept out together: each byte moves a bounded number of times.

use super::namespaces::{NamespaceId, Namespaces};
use crate::memory::RxBuf;
use crate::memory::records::{get_u32, put_u32};
use crate::memory::steps::{moved, step};

/// Bytes in front of a held packet's records.
pub(super) const LEAD: usize = 12;

/// No packet, and a dead one.
const END: u32 = u32::MAX;
const DEAD: u32 = u32::MAX - 1;

/// The held packets of one namespace: offsets of the first and the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deferred {
    head: u32,
    tail: u32,
}

impl Deferred {
    pub(super) const EMPTY: Self = Self {
        head: END,
        tail: END,
    };

    pub(super) const fn is_empty(self) -> bool {
        self.head == END
    }
}

/// What is held, beside the lists.
#[derive(Debug)]
pub(super) struct Held {
    /// Bytes of the dead.
    dead: usize,
    /// Lists were dropped while the memory was lent out: their packets are not marked dead yet.
    orphans: bool,
}

impl Held {
    pub(super) const NOTHING: Self = Self {
        dead: 0,
        orphans: false,
    };

    /// The session is over, and with it all that was held.
    pub(super) const fn clear(&mut self) {
        *self = Self::NOTHING;
    }

    pub(super) const fn has_orphans(&self) -> bool {
        self.orphans
    }

    /// The packet that has been held from `from` to the end is complete, and waits for its namespace.
    pub(super) fn add(
        &mut self,
        rx: &mut RxBuf<'_>,
        list: &mut Deferred,
        nsp: NamespaceId,
        from: usize,
    ) {
        let size = rx.held_len() - from;
        let held = rx.held_mut();
        put_u32(held, from, size as u32);
        put_u32(held, from + 4, END);
        put_u32(held, from + 8, nsp.index() as u32);
        if list.is_empty() {
            list.head = from as u32;
        } else {
            put_u32(held, list.tail as usize + 4, from as u32);
        }
        list.tail = from as u32;
    }

    /// Takes the first packet out of a list: it is dead from the next sweep on. Its range.
    pub(super) fn pop(
        &mut self,
        rx: &mut RxBuf<'_>,
        list: &mut Deferred,
    ) -> Option<(usize, usize)> {
        if list.is_empty() {
            return None;
        }
        let from = list.head as usize;
        let held = rx.held_mut();
        let size = get_u32(held, from)? as usize;
        let next = get_u32(held, from + 4)?;
        put_u32(held, from + 4, DEAD);
        self.dead += size;
        list.head = next;
        if next == END {
            list.tail = END;
        }
        Some((from, from + size))
    }

    /// Drops all packets of a list.
    pub(super) fn drop_all(&mut self, rx: &mut RxBuf<'_>, list: &mut Deferred) {
        while self.pop(rx, list).is_some() {}
        // The memory is lent out along with an event: see `collect`.
        self.orphans |= !list.is_empty();
        *list = Deferred::EMPTY;
    }

    /// Marks packets in front of `end` dead that are in no list any more. Lists are in the order of the area, so that
    /// what lies in front of a list's first packet is not in it.
    pub(super) fn collect(&mut self, rx: &mut RxBuf<'_>, namespaces: &Namespaces<'_>, end: usize) {
        self.orphans = false;
        let held = rx.held_mut();
        let mut from = 0;
        while from < end {
            let (Some(size), Some(next), Some(nsp)) = (
                get_u32(held, from),
                get_u32(held, from + 4),
                get_u32(held, from + 8),
            ) else {
                break;
            };
            let listed = namespaces.at(nsp as usize).is_some_and(|entry| {
                !entry.deferred.is_empty() && entry.deferred.head as usize <= from
            });
            if next != DEAD && !listed {
                put_u32(held, from + 4, DEAD);
                self.dead += size as usize;
            }
            from += size as usize;
        }
    }

    /// Sweeps the dead out in front of `end`, where a packet may begin that is still arriving; where it begins then.
    /// In growable memory only when half of what is held is dead, so that the work is in proportion to what arrived.
    pub(super) fn sweep(
        &mut self,
        rx: &mut RxBuf<'_>,
        namespaces: &mut Namespaces<'_>,
        end: usize,
    ) -> usize {
        if self.dead == 0 || rx.is_growable() && self.dead * 2 < end {
            return end;
        }
        let (mut from, mut to) = (0, 0);
        while from < end {
            let held = rx.held_mut();
            let (Some(size), Some(next), Some(nsp)) = (
                get_u32(held, from),
                get_u32(held, from + 4),
                get_u32(held, from + 8),
            ) else {
                break;
            };
            let size = size as usize;
            step(1);
            if next != DEAD {
                moved(size);
                held.copy_within(from..from + size, to);
                put_u32(held, to + 4, END);
                if let Some(list) = namespaces.deferred_at(nsp as usize) {
                    // The lists are in the order of the area: each is built anew as its packets move.
                    if list.head as usize == from {
                        list.head = to as u32;
                    } else {
                        put_u32(rx.held_mut(), list.tail as usize + 4, to as u32);
                    }
                    list.tail = to as u32;
                }
                to += size;
            }
            from += size;
        }
        self.dead = 0;
        rx.close_gap(to, end);
        to
    }
}

impl Namespaces<'_> {
    fn deferred_at(&mut self, place: usize) -> Option<&mut Deferred> {
        let id = self.at(place)?.id;
        self.get_mut(id).map(|entry| &mut entry.deferred)
    }
}
