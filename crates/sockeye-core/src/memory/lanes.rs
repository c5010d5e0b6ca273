//! Lanes: linked lists that run through the entries of a slab.

/// The place of an entry.
#[cfg(feature = "alloc")]
pub(crate) type Index = u32;
/// The place of an entry.
#[cfg(not(feature = "alloc"))]
pub(crate) type Index = u16;

/// No place.
pub(crate) const NONE: Index = Index::MAX;
/// Marks, as the predecessor of an entry, that the place is free.
pub(super) const FREE: Index = Index::MAX - 1;

/// The neighbours of an entry in its lane, or the next free place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) prev: Index,
    pub(super) next: Index,
}

impl Link {
    /// Of a free place.
    pub(super) const FREE: Self = Self {
        prev: FREE,
        next: NONE,
    };
    /// Of an entry in no lane.
    pub(super) const ALONE: Self = Self {
        prev: NONE,
        next: NONE,
    };

    pub(super) const fn is_free(self) -> bool {
        self.prev == FREE
    }
}

/// A list of entries of one slab. An entry is in one lane at a time, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(super) head: Index,
    pub(super) tail: Index,
}

impl Lane {
    pub(crate) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };

    pub(crate) const fn is_empty(self) -> bool {
        self.head == NONE
    }

    /// The first entry.
    pub(crate) const fn head(self) -> Option<Index> {
        if self.head == NONE {
            None
        } else {
            Some(self.head)
        }
    }

    /// The last entry.
    pub(crate) const fn tail(self) -> Option<Index> {
        if self.tail == NONE {
            None
        } else {
            Some(self.tail)
        }
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What can be done with lanes, for whatever has a `link` and a `link_mut` for the places that are not free. In a slab that
/// may grow they lie with the entries; in fixed memory apart from them, so that there is one copy of all this for entries of
/// every kind.
macro_rules! lanes {
    () => {
        /// The entry behind `i` in its lane.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn next(&self, i: Index) -> Option<Index> {
            self.link(i)
                .map(|link| link.next)
                .filter(|next| *next != NONE)
        }

        /// The entry in front of `i` in its lane.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn prev(&self, i: Index) -> Option<Index> {
            self.link(i)
                .map(|link| link.prev)
                .filter(|prev| *prev != NONE)
        }

        fn put(&mut self, i: Index, prev: Index, next: Index) {
            if let Some(link) = self.link_mut(i) {
                (link.prev, link.next) = (prev, next);
            }
        }

        fn set_next(&mut self, i: Index, next: Index) {
            if let Some(link) = self.link_mut(i) {
                link.next = next;
            }
        }

        fn set_prev(&mut self, i: Index, prev: Index) {
            if let Some(link) = self.link_mut(i) {
                link.prev = prev;
            }
        }

        /// Puts an entry that is in no lane to the end of `lane`.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn push_back(&mut self, lane: &mut Lane, i: Index) {
            self.put(i, lane.tail, NONE);
            if lane.tail == NONE {
                lane.head = i;
            } else {
                self.set_next(lane.tail, i);
            }
            lane.tail = i;
        }

        /// Puts an entry that is in no lane to the front of `lane`.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn push_front(&mut self, lane: &mut Lane, i: Index) {
            self.put(i, NONE, lane.head);
            if lane.head == NONE {
                lane.tail = i;
            } else {
                self.set_prev(lane.head, i);
            }
            lane.head = i;
        }

        /// Takes an entry out of `lane`, in which it is.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn unlink(&mut self, lane: &mut Lane, i: Index) {
            let Some(link) = self.link_mut(i) else {
                return;
            };
            let (prev, next) = (link.prev, link.next);
            link.prev = NONE;
            link.next = NONE;
            if prev == NONE {
                lane.head = next;
            } else {
                self.set_next(prev, next);
            }
            if next == NONE {
                lane.tail = prev;
            } else {
                self.set_prev(next, prev);
            }
        }

        /// Takes the first entry out of `lane`.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn pop_front(&mut self, lane: &mut Lane) -> Option<Index> {
            let i = lane.head()?;
            self.unlink(lane, i);
            Some(i)
        }

        /// Takes the entries up to `last` out of `lane`, and puts them to the end of `other`.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn move_front(&mut self, lane: &mut Lane, last: Index, other: &mut Lane) {
            let (first, next) = (lane.head, self.next(last).unwrap_or(NONE));
            lane.head = next;
            if next == NONE {
                lane.tail = NONE;
            } else {
                self.set_prev(next, NONE);
            }
            self.set_prev(first, other.tail);
            self.set_next(last, NONE);
            if other.tail == NONE {
                other.head = first;
            } else {
                self.set_next(other.tail, first);
            }
            other.tail = last;
        }

        /// Takes the last entry out of `lane`.
        #[cfg_attr(not(feature = "alloc"), inline(never))]
        pub(crate) fn pop_back(&mut self, lane: &mut Lane) -> Option<Index> {
            let i = lane.tail()?;
            self.unlink(lane, i);
            Some(i)
        }
    };
}
pub(super) use lanes;

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::memory::{Empty, Places, Slab};
    use std::vec::Vec;

    impl Empty for u64 {
        const EMPTY: Self = 0;
    }

    fn lane(slab: &Slab<'_, u64>, lane: Lane) -> Vec<u64> {
        let mut all = Vec::new();
        let mut at = lane.head();
        while let Some(i) = at {
            all.push(*slab.get(i).unwrap());
            at = slab.next(i);
        }
        all
    }

    fn play(mut slab: Slab<'_, u64>) {
        let mut a = Lane::EMPTY;
        let mut b = Lane::EMPTY;
        let places: Vec<_> = (1..=4).map(|n| slab.insert(n).unwrap()).collect();
        assert_eq!(slab.insert(5), Err(5));
        for i in &places {
            slab.push_back(&mut a, *i);
        }
        slab.unlink(&mut a, places[1]);
        assert_eq!(lane(&slab, a), [1, 3, 4]);
        assert_eq!(slab.remove(places[1]), Some(2));
        assert!(slab.get(places[1]).is_none());
        assert_eq!(slab.remove(places[1]), None);
        let again = slab.insert(7).unwrap();
        assert_eq!(again, places[1], "the place is used again");
        slab.push_front(&mut b, again);
        slab.move_front(&mut a, places[2], &mut b);
        assert_eq!(
            (lane(&slab, a), lane(&slab, b)),
            ([4].into(), [7, 1, 3].into())
        );
        slab.move_front(&mut a, places[3], &mut b);
        assert_eq!(lane(&slab, b), [7, 1, 3, 4]);
        assert!(a.is_empty());
        assert_eq!(slab.pop_back(&mut b), Some(places[3]));
        slab.remove(places[3]);
        while let Some(i) = slab.pop_front(&mut b) {
            slab.remove(i);
        }
        assert!(slab.is_empty() && b.is_empty() && slab.places() == 0);
        assert_eq!(slab.insert(9), Ok(0));
    }

    #[test]
    fn fixed_places_are_used_again() {
        let mut places = Places::<u64, 4>::new();
        play(places.lend());
        // Whatever a former client has left.
        let mut slab = places.lend();
        slab.insert(1).unwrap();
        play(places.lend());
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn growable_places_are_used_again() {
        play(Slab::growable(4));
    }
}
