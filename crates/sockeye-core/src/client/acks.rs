//! Acknowledgements waited for: each resolves exactly once, by the answer, its deadline, or the disconnect.

use core::time::Duration;

use crate::error::AckError;
use crate::memory::Table;
use crate::time::{Instant, earliest};

/// An acknowledgement that is waited for: given out by an emit, named again by exactly one
/// [`Event::Ack`](crate::Event::Ack). Never used twice in the life of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AckId(pub(crate) u64);

impl AckId {
    /// The number behind the id: counts up from 1.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Wire id of a packet that has not been sent.
pub(crate) const NO_ID: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AckEntry {
    /// The `AckId`.
    pub(crate) seq: u64,
    /// The id on the wire.
    pub(crate) id: u64,
    pub(crate) nsp: u16,
    /// A packet of the retry queue.
    pub(crate) retry: bool,
    /// The application did not ask for the answer.
    pub(crate) silent: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) failed: Option<AckError>,
}

impl AckEntry {
    pub(crate) const EMPTY: Self = Self {
        seq: 0,
        id: NO_ID,
        nsp: 0,
        retry: false,
        silent: false,
        timeout: None,
        deadline: None,
        failed: None,
    };
}

impl Default for AckEntry {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The table, ordered by `seq`.
#[derive(Debug)]
pub(crate) struct Acks<'a> {
    pub(crate) table: Table<'a, AckEntry>,
    last: u64,
    /// No deadline lies before this.
    wake: Option<Instant>,
    /// Some entry has failed and is to be told.
    pub(crate) any_failed: bool,
}

impl<'a> Acks<'a> {
    pub(crate) const fn new(table: Table<'a, AckEntry>) -> Self {
        Self {
            table,
            last: 0,
            wake: None,
            any_failed: false,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.table.free() == 0
    }

    /// The `seq` that the next [`Self::insert`] will get.
    pub(crate) const fn next(&self) -> u64 {
        self.last + 1
    }

    /// Adds an entry under [`Self::next`]; there must be room.
    pub(crate) fn insert(&mut self, entry: AckEntry) {
        self.last += 1;
        self.wake = earliest(self.wake, entry.deadline);
        let _ = self.table.push(AckEntry {
            seq: self.last,
            ..entry
        });
    }

    /// The entry for an answer. Answers mostly come in the order of the questions: the search begins at the oldest.
    pub(crate) fn find(&self, nsp: u16, id: u64) -> Option<usize> {
        self.table
            .iter()
            .position(|entry| entry.id == id && entry.nsp == nsp && entry.failed.is_none())
    }

    pub(crate) fn find_seq(&self, seq: u64) -> Option<usize> {
        let (mut lo, mut hi) = (0, self.table.len());
        while lo < hi {
            let mid = (lo + hi) / 2;
            match self.table.get(mid)?.seq {
                at if at == seq => return Some(mid),
                at if at < seq => lo = mid + 1,
                _ => hi = mid,
            }
        }
        None
    }

    pub(crate) fn get(&self, i: usize) -> Option<&AckEntry> {
        self.table.get(i)
    }

    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut AckEntry> {
        self.table.get_mut(i)
    }

    pub(crate) fn remove(&mut self, i: usize) {
        self.table.remove(i, 1);
        if self.table.is_empty() {
            self.wake = None;
        }
    }

    /// Marks an entry failed: it will be told and removed.
    pub(crate) fn fail(&mut self, i: usize, error: AckError) {
        if let Some(entry) = self.table.get_mut(i) {
            entry.failed = Some(error);
            entry.deadline = None;
            self.any_failed = true;
        }
    }

    pub(crate) fn arm(&mut self, i: usize, now: Instant) {
        if let Some(entry) = self.table.get_mut(i) {
            entry.deadline = entry.timeout.map(|patience| now + patience);
            self.wake = earliest(self.wake, entry.deadline);
        }
    }

    pub(crate) const fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Whether some deadline may have passed.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wake.is_some_and(|wake| now >= wake)
    }

    /// After the expired entries have been dealt with: finds the next wake.
    pub(crate) fn find_wake(&mut self) {
        self.wake = self
            .table
            .iter()
            .fold(None, |wake, entry| earliest(wake, entry.deadline));
    }
}
