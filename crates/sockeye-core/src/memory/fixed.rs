//! Entries with a place of their own, in fixed memory: as `slab.rs` has them for memory that may grow. What runs through the
//! places lies apart from the entries, so that there is one copy of its code for entries of every kind.

use core::ops::{Deref, DerefMut};

use arrayvec::ArrayVec;

use super::lanes::{FREE, Link, lanes};
use super::steps::step;
use super::{Empty, Index, Lane, NONE};

/// Fixed memory for entries.
#[derive(Debug)]
pub(crate) struct Places<T, const N: usize> {
    entries: ArrayVec<T, N>,
    // Filled when lent, too: an array that is made as a whole has all tables lie on the stack before they are copied to
    // where they stay (40 KB of it for the largest of the C library).
    links: ArrayVec<Link, N>,
}

impl<T: Empty, const N: usize> Places<T, N> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: ArrayVec::new_const(),
            links: ArrayVec::new_const(),
        }
    }

    /// A slab of free places, of whatever a former client has left.
    pub(crate) fn lend(&mut self) -> Slab<'_, T> {
        Slab {
            entries: super::fill(&mut self.entries, T::empty),
            lanes: Lanes {
                links: super::fill(&mut self.links, || Link::FREE),
                fresh: 0,
                free: NONE,
                len: 0,
            },
        }
    }
}

/// Entries, and the places of those that have gone.
#[derive(Debug)]
pub(crate) struct Slab<'a, T> {
    entries: &'a mut [T],
    lanes: Lanes<'a>,
}

/// The places of a slab and the lanes that run through them.
#[derive(Debug)]
pub(crate) struct Lanes<'a> {
    links: &'a mut [Link],
    /// The places from here on have never been used.
    fresh: usize,
    /// The first free place; the next of each is the next one.
    free: Index,
    len: usize,
}

impl Lanes<'_> {
    #[inline(always)]
    fn find(&self, i: Index) -> Option<&Link> {
        step(1);
        self.links.get(i as usize).filter(|link| !link.is_free())
    }

    #[inline]
    fn link(&self, i: Index) -> Option<&Link> {
        self.find(i)
    }

    #[inline]
    fn link_mut(&mut self, i: Index) -> Option<&mut Link> {
        step(1);
        let link = self.links.get_mut(i as usize);
        link.filter(|link| !link.is_free())
    }

    /// Takes a free place, if there is one.
    #[inline(never)]
    fn take(&mut self) -> Option<Index> {
        step(1);
        let i = if self.free == NONE {
            self.fresh
        } else {
            self.free as usize
        };
        let link = self.links.get_mut(i)?;
        if i == self.fresh {
            self.fresh += 1;
        } else {
            self.free = link.next;
        }
        *link = Link::ALONE;
        self.len += 1;
        Some(i as Index)
    }

    /// The place of an entry is free. When all are, they are given out from the first one on again.
    #[inline(never)]
    fn release(&mut self, i: Index) {
        let free = self.free;
        let Some(link) = self.link_mut(i) else {
            return;
        };
        *link = Link {
            prev: FREE,
            next: free,
        };
        self.free = i;
        self.len -= 1;
        if self.len == 0 {
            self.free = NONE;
            self.fresh = 0;
        }
    }

    lanes!();
}

impl<'a, T> Deref for Slab<'a, T> {
    type Target = Lanes<'a>;

    #[inline]
    fn deref(&self) -> &Lanes<'a> {
        &self.lanes
    }
}

impl<T> DerefMut for Slab<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.lanes
    }
}

impl<T: Empty> Slab<'_, T> {
    #[allow(clippy::unused_self, reason = "as of memory that may grow")]
    pub(crate) const fn is_fixed(&self) -> bool {
        true
    }

    pub(crate) const fn len(&self) -> usize {
        self.lanes.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.lanes.len == 0
    }

    /// How many there may be.
    pub(crate) const fn max(&self) -> usize {
        self.lanes.links.len()
    }

    /// How many more there may be.
    pub(crate) const fn room(&self) -> usize {
        self.max().saturating_sub(self.lanes.len)
    }

    /// One past the last place that may be used: for loops over small tables.
    pub(crate) const fn places(&self) -> usize {
        self.lanes.fresh
    }

    #[inline(never)]
    pub(crate) fn get(&self, i: Index) -> Option<&T> {
        self.lanes.find(i)?;
        self.entries.get(i as usize)
    }

    #[inline(never)]
    pub(crate) fn get_mut(&mut self, i: Index) -> Option<&mut T> {
        self.lanes.find(i)?;
        self.entries.get_mut(i as usize)
    }

    /// Adds an entry, in no lane, as it is while its place is free: for entries that are large, and are filled in where
    /// they lie.
    pub(crate) fn insert_empty(&mut self) -> Option<Index> {
        self.lanes.take()
    }

    /// Adds an entry, in no lane; hands it back if there is no room.
    pub(crate) fn insert(&mut self, value: T) -> Result<Index, T> {
        let Some(i) = self.lanes.take() else {
            return Err(value);
        };
        if let Some(entry) = self.entries.get_mut(i as usize) {
            *entry = value;
        }
        Ok(i)
    }

    /// Removes an entry that is in no lane.
    pub(crate) fn remove(&mut self, i: Index) -> Option<T> {
        let value = core::mem::replace(self.get_mut(i)?, T::empty());
        self.lanes.release(i);
        Some(value)
    }

    /// Removes an entry of plain data that is in no lane.
    pub(crate) fn discard(&mut self, i: Index)
    where
        T: Copy,
    {
        self.lanes.release(i);
    }

    /// Fixed memory is not given back.
    #[allow(clippy::unused_self, reason = "as of memory that may grow")]
    pub(crate) const fn shrink(&mut self) {}
}
