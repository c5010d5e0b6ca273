//! Acknowledgements waited for: each resolves exactly once, by the answer, its deadline, or the disconnect.

use core::time::Duration;

use crate::config::RETRIES;
use crate::error::AckError;
use crate::handle::{AckId, NamespaceId};
use crate::memory::{Empty, Index, Lane, NONE, Serial, Slab};
#[cfg(feature = "alloc")]
use crate::memory::{HashIndex, TimerHeap, hash_pair};
use crate::time::Instant;

/// Wire id of a packet that has not been sent.
pub(super) const NO_ID: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
pub(crate) struct AckEntry {
    number: Serial,
    /// The id on the wire.
    id: u64,
    pub(super) nsp: NamespaceId,
    /// Its packet, as long as that is in the outbox.
    pub(super) packet: Index,
    /// A packet of the `retries` queue.
    retry: bool,
    /// The application did not ask for the answer.
    pub(super) silent: bool,
    /// The emit's own timeout; without one the namespace's counts, and only for packets that have been sent.
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) failed: Option<AckError>,
    /// Its place among the timers.
    #[cfg(feature = "alloc")]
    timer: Index,
}

impl Empty for AckEntry {
    const EMPTY: Self = Self {
        number: 0,
        id: NO_ID,
        nsp: NamespaceId::NONE,
        packet: NONE,
        retry: false,
        silent: false,
        timeout: None,
        deadline: None,
        failed: None,
        #[cfg(feature = "alloc")]
        timer: NONE,
    };
}

impl AckEntry {
    /// An entry of a packet that the application wants answered.
    pub(super) const fn asked(nsp: NamespaceId, retry: bool, timeout: Option<Duration>) -> Self {
        let mut entry = Self::EMPTY;
        entry.nsp = nsp;
        entry.retry = retry;
        entry.timeout = timeout;
        entry
    }

    /// An entry of a packet of the `retries` queue whose answer only the queue needs.
    pub(super) const fn unasked(nsp: NamespaceId, packet: Index) -> Self {
        let mut entry = Self::asked(nsp, true, None);
        entry.packet = packet;
        entry.silent = true;
        entry
    }

    /// The entry with its wire id, if that is known already, and its deadline.
    pub(super) fn under(self, id: Option<u64>, deadline: Option<Instant>) -> Self {
        Self {
            id: id.unwrap_or(NO_ID),
            deadline,
            ..self
        }
    }

    /// It belongs to a packet of the `retries` queue.
    pub(super) const fn is_retry(&self) -> bool {
        RETRIES && self.retry
    }

    /// Whether its packet has been sent, or is on its way, under an id.
    pub(super) const fn has_id(&self) -> bool {
        self.id != NO_ID
    }
}

/// The table. Entries are found by the id that the application has, and by namespace and wire id; the next deadline is
/// known; in growable memory all of that without scanning. Each entry is in the lane of its namespace, or, when it has
/// failed and is still to be told, in that of the failed.
#[derive(Debug)]
pub(crate) struct Acks<'a> {
    slab: Slab<'a, AckEntry>,
    /// So many of them the application has asked for.
    asked: usize,
    last: Serial,
    failed: Lane,
    /// A packet of a `retries` queue has found no entry for its answer.
    starved: bool,
    #[cfg(feature = "alloc")]
    by_wire: HashIndex,
    #[cfg(feature = "alloc")]
    timers: TimerHeap,
}

impl<'a> Acks<'a> {
    pub(super) const fn new(slab: Slab<'a, AckEntry>) -> Self {
        Self {
            slab,
            asked: 0,
            last: 0,
            failed: Lane::EMPTY,
            starved: false,
            #[cfg(feature = "alloc")]
            by_wire: HashIndex::new(),
            #[cfg(feature = "alloc")]
            timers: TimerHeap::new(),
        }
    }

    /// How many the application waits for.
    pub(super) const fn asked(&self) -> usize {
        self.asked
    }

    /// Whether there is room for one more that the application asks for, of at most `limit`, beside `reserved` others.
    pub(super) const fn has_room(&self, limit: usize, reserved: usize) -> bool {
        self.asked < limit && self.slab.room() > reserved
    }

    /// A packet of a `retries` queue has found no entry for its answer. One of them will be resolved.
    pub(super) const fn set_starved(&mut self) {
        self.starved = true;
    }

    /// Whether such a packet waits for an entry.
    pub(super) const fn is_starved(&self) -> bool {
        self.starved
    }

    /// Whether such a packet waited for an entry, and there is one now.
    pub(super) const fn take_unstarved(&mut self) -> bool {
        let fed = self.starved && self.slab.room() > 0;
        self.starved &= !fed;
        fed
    }

    /// Adds an entry to the lane of its namespace; there must be room.
    pub(super) fn insert(&mut self, lane: &mut Lane, entry: AckEntry) -> Option<AckId> {
        self.last = self.last.wrapping_add(1).max(1);
        let entry = AckEntry {
            number: self.last,
            ..entry
        };
        let place = self.slab.insert(entry).ok()?;
        self.slab.push_back(lane, place);
        self.asked += usize::from(!entry.silent);
        let deadline = entry.deadline;
        self.index(place, true);
        // (In fixed memory it is in the entry, and nowhere else.)
        if cfg!(feature = "alloc") {
            self.set_deadline(place, deadline);
        }
        AckId::new(self.last, place)
    }

    /// The entry of an id; `None` once it has been resolved.
    #[inline]
    pub(super) fn get(&self, id: AckId) -> Option<&AckEntry> {
        self.slab
            .get(id.place)
            .filter(|entry| entry.number == id.number.get())
    }

    pub(super) fn at(&self, place: Index) -> Option<&AckEntry> {
        self.slab.get(place)
    }

    /// The id of the entry at a place.
    pub(super) fn id_at(&self, place: Index) -> Option<AckId> {
        let entry = self.slab.get(place)?;
        AckId::new(entry.number, place)
    }

    /// The place of an id.
    pub(super) const fn place(id: AckId) -> Index {
        id.place
    }

    /// The entry behind `place` in its lane.
    pub(super) fn next(&self, place: Index) -> Option<Index> {
        self.slab.next(place)
    }

    /// The entry that waits for an answer under a wire id.
    #[inline]
    pub(super) fn find(&self, nsp: NamespaceId, id: u64) -> Option<Index> {
        let is = |place: Index| {
            self.slab
                .get(place)
                .is_some_and(|entry| entry.id == id && entry.nsp == nsp && entry.failed.is_none())
        };
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed() {
            return self.by_wire.find(hash(nsp, id), is);
        }
        (0..self.slab.places() as Index).find(|place| is(*place))
    }

    /// Notes the entry's wire id in the index, or takes it out.
    #[cfg_attr(not(feature = "alloc"), allow(clippy::unused_self))]
    fn index(&mut self, place: Index, there: bool) {
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed()
            && let Some(entry) = self.slab.get(place).filter(|entry| entry.id != NO_ID)
        {
            let key = hash(entry.nsp, entry.id);
            if there {
                self.by_wire.insert(key, place, |place| {
                    let entry = self.slab.get(place);
                    entry.map_or(0, |entry| hash(entry.nsp, entry.id))
                });
            } else {
                self.by_wire.remove(key, place);
            }
        }
        #[cfg(not(feature = "alloc"))]
        let _ = (place, there);
    }

    /// The packet has been sent under this wire id ([`NO_ID`]: it has to be sent again).
    pub(super) fn set_id(&mut self, place: Index, id: u64) {
        self.index(place, false);
        if let Some(entry) = self.slab.get_mut(place) {
            entry.id = id;
        }
        self.index(place, true);
    }

    #[cfg_attr(feature = "alloc", inline)]
    pub(super) fn set_deadline(&mut self, place: Index, deadline: Option<Instant>) {
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed() {
            let slab = &mut self.slab;
            let old = slab.get(place).map_or(NONE, |entry| entry.timer);
            if old == NONE && deadline.is_none() {
                return;
            }
            let mut moved = |place: Index, timer: Index| {
                if let Some(entry) = slab.get_mut(place) {
                    entry.timer = timer;
                }
            };
            if old != NONE {
                self.timers.remove(old, &mut moved);
            }
            if let Some(at) = deadline {
                self.timers.push(at, place, &mut moved);
            }
        }
        if let Some(entry) = self.slab.get_mut(place) {
            entry.deadline = deadline;
        }
    }

    /// Removes an entry from the lane it is in.
    pub(super) fn remove(&mut self, lane: &mut Lane, place: Index) {
        self.index(place, false);
        if cfg!(feature = "alloc") {
            self.set_deadline(place, None);
        }
        self.slab.unlink(lane, place);
        if let Some(entry) = self.slab.get(place) {
            self.asked -= usize::from(!entry.silent);
            self.slab.discard(place);
        }
    }

    /// The packet lies there in the outbox.
    pub(super) fn set_packet(&mut self, id: AckId, packet: Index) {
        if let Some(entry) = self.slab.get_mut(id.place) {
            entry.packet = packet;
        }
    }

    /// The counter stands shortly before its end, as after years.
    #[cfg(feature = "count-steps")]
    pub(super) fn age(&mut self, left: u32) {
        #[allow(clippy::unnecessary_cast)] // Not where a number has 64 bits.
        let left = left as Serial;
        self.last = Serial::MAX - left;
    }

    /// The entry that was added last was added in vain.
    pub(super) fn take_back(&mut self, lane: &mut Lane, id: AckId) {
        self.remove(lane, id.place);
        self.last -= 1;
    }

    /// Nobody waits for the entry's answer any more; the packet still does.
    pub(super) fn silence(&mut self, place: Index) {
        if let Some(entry) = self.slab.get_mut(place).filter(|entry| !entry.silent) {
            entry.silent = true;
            self.asked -= 1;
        }
    }

    /// Takes an entry out of the lane of its namespace: it has failed. If nobody asked, it goes; whether it is to be told.
    pub(super) fn fail(&mut self, lane: &mut Lane, place: Index, error: AckError) -> bool {
        if self.slab.get(place).is_none_or(|entry| entry.silent) {
            self.remove(lane, place);
            return false;
        }
        self.index(place, false);
        self.set_deadline(place, None);
        self.slab.unlink(lane, place);
        self.slab.push_back(&mut self.failed, place);
        if let Some(entry) = self.slab.get_mut(place) {
            entry.failed = Some(error);
        }
        true
    }

    /// The next one that has failed and is to be told.
    pub(super) fn next_failed(&mut self) -> Option<(AckId, AckError)> {
        while let Some(place) = self.failed.head() {
            let id = self.id_at(place)?;
            let entry = *self.slab.get(place)?;
            let mut failed = self.failed;
            self.remove(&mut failed, place);
            self.failed = failed;
            // Nobody may be waiting for it any more.
            if let Some(error) = entry.failed.filter(|_| !entry.silent) {
                return Some((id, error));
            }
        }
        None
    }

    /// The next deadline.
    pub(super) fn wake(&self) -> Option<Instant> {
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed() {
            return self.timers.first().map(|(at, _)| at);
        }
        self.scan_deadlines().map(|(at, _)| at)
    }

    /// An entry whose deadline has come.
    pub(super) fn next_due(&self, now: Instant) -> Option<Index> {
        #[cfg(feature = "alloc")]
        let first = if self.slab.is_fixed() {
            self.scan_deadlines()
        } else {
            self.timers.first()
        };
        #[cfg(not(feature = "alloc"))]
        let first = self.scan_deadlines();
        first.filter(|(at, _)| now >= *at).map(|(_, place)| place)
    }

    /// The earliest deadline of a small table.
    fn scan_deadlines(&self) -> Option<(Instant, Index)> {
        (0..self.slab.places() as Index)
            .filter_map(|place| Some((self.slab.get(place)?.deadline?, place)))
            .min()
    }
}

#[cfg(feature = "alloc")]
const fn hash(nsp: NamespaceId, id: u64) -> u64 {
    hash_pair(nsp.index() as u64, id)
}
