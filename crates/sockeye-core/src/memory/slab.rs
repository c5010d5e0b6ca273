//! Entries with a place of their own, and lanes (linked lists) that run through them: adding, removing and moving an
//! entry costs the same however many there are.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::steps::step;

/// The place of an entry.
#[cfg(feature = "alloc")]
pub(crate) type Index = u32;
/// The place of an entry.
#[cfg(not(feature = "alloc"))]
pub(crate) type Index = u16;

/// No place.
pub(crate) const NONE: Index = Index::MAX;
/// Marks, as the predecessor of an entry, that the place is free.
const FREE: Index = Index::MAX - 1;

/// An entry's value while its place is free.
pub(crate) trait Empty {
    const EMPTY: Self;
}

/// An entry, or a free place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<T> {
    value: T,
    prev: Index,
    next: Index,
}

impl<T: Empty> Node<T> {
    /// A free place.
    pub(crate) const EMPTY: Self = Self {
        value: T::EMPTY,
        prev: FREE,
        next: NONE,
    };
}

/// A list of entries of one slab. An entry is in one lane at a time, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    head: Index,
    tail: Index,
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

#[derive(Debug)]
enum Nodes<'a, T> {
    /// The places from `fresh` on have never been used.
    Fixed {
        nodes: &'a mut [Node<T>],
        fresh: usize,
    },
    #[cfg(feature = "alloc")]
    Growable { nodes: Vec<Node<T>>, max: usize },
}

/// Entries, and the places of those that have gone.
#[derive(Debug)]
pub(crate) struct Slab<'a, T> {
    nodes: Nodes<'a, T>,
    /// The first free place; the next of each is the next one.
    free: Index,
    len: usize,
}

impl<'a, T: Empty> Slab<'a, T> {
    pub(crate) const fn fixed(nodes: &'a mut [Node<T>]) -> Self {
        Self {
            nodes: Nodes::Fixed { nodes, fresh: 0 },
            free: NONE,
            len: 0,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn growable(max: usize) -> Self {
        // The two largest numbers have meanings of their own.
        let most = FREE as usize - 1;
        Self {
            nodes: Nodes::Growable {
                nodes: Vec::new(),
                max: if max < most { max } else { most },
            },
            free: NONE,
            len: 0,
        }
    }

    pub(crate) const fn is_fixed(&self) -> bool {
        matches!(self.nodes, Nodes::Fixed { .. })
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there may be.
    pub(crate) const fn max(&self) -> usize {
        match &self.nodes {
            Nodes::Fixed { nodes, .. } => nodes.len(),
            #[cfg(feature = "alloc")]
            Nodes::Growable { max, .. } => *max,
        }
    }

    /// How many more there may be.
    pub(crate) const fn room(&self) -> usize {
        self.max().saturating_sub(self.len)
    }

    /// One past the last place that may be used: for loops over small tables.
    pub(crate) const fn places(&self) -> usize {
        match &self.nodes {
            Nodes::Fixed { fresh, .. } => *fresh,
            #[cfg(feature = "alloc")]
            Nodes::Growable { nodes, .. } => nodes.len(),
        }
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn node(&self, i: Index) -> Option<&Node<T>> {
        step(1);
        let node = match &self.nodes {
            Nodes::Fixed { nodes, .. } => nodes.get(i as usize),
            #[cfg(feature = "alloc")]
            Nodes::Growable { nodes, .. } => nodes.get(i as usize),
        };
        node.filter(|node| node.prev != FREE)
    }

    #[inline]
    fn place(&mut self, i: Index) -> Option<&mut Node<T>> {
        step(1);
        match &mut self.nodes {
            Nodes::Fixed { nodes, .. } => nodes.get_mut(i as usize),
            #[cfg(feature = "alloc")]
            Nodes::Growable { nodes, .. } => nodes.get_mut(i as usize),
        }
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn node_mut(&mut self, i: Index) -> Option<&mut Node<T>> {
        self.place(i).filter(|node| node.prev != FREE)
    }

    #[inline]
    pub(crate) fn get(&self, i: Index) -> Option<&T> {
        self.node(i).map(|node| &node.value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, i: Index) -> Option<&mut T> {
        self.node_mut(i).map(|node| &mut node.value)
    }

    /// Adds an entry, in no lane, as it is while its place is free: for entries that are large, and are filled in where
    /// they lie.
    #[cfg(feature = "alloc")]
    pub(crate) fn insert_empty(&mut self) -> Option<Index> {
        self.insert(T::EMPTY).ok()
    }

    /// Adds an entry, in no lane, as it is while its place is free: for entries that are large, and are filled in where
    /// they lie.
    #[cfg(not(feature = "alloc"))]
    #[inline(never)]
    pub(crate) fn insert_empty(&mut self) -> Option<Index> {
        let (free, Nodes::Fixed { nodes, fresh }) = (self.free, &mut self.nodes);
        let (i, node) = match nodes.get_mut(free as usize) {
            Some(node) => {
                self.free = node.next;
                (free, node)
            }
            None => {
                let i = *fresh;
                let node = nodes.get_mut(i)?;
                *fresh += 1;
                (i as Index, node)
            }
        };
        (node.prev, node.next) = (NONE, NONE);
        self.len += 1;
        Some(i)
    }

    /// Adds an entry, in no lane; hands it back if there is no room.
    #[cfg(not(feature = "alloc"))]
    pub(crate) fn insert(&mut self, value: T) -> Result<Index, T> {
        let Some(i) = self.insert_empty() else {
            return Err(value);
        };
        if let Some(entry) = self.get_mut(i) {
            *entry = value;
        }
        Ok(i)
    }

    /// Adds an entry, in no lane; hands it back if there is no room.
    #[cfg(feature = "alloc")]
    pub(crate) fn insert(&mut self, value: T) -> Result<Index, T> {
        if self.room() == 0 {
            return Err(value);
        }
        let node = Node {
            value,
            prev: NONE,
            next: NONE,
        };
        let i = self.free;
        if let Some(place) = self.place(i) {
            let next = place.next;
            *place = node;
            self.free = next;
            self.len += 1;
            return Ok(i);
        }
        let i = match &mut self.nodes {
            Nodes::Fixed { nodes, fresh } => match nodes.get_mut(*fresh) {
                Some(place) => {
                    *place = node;
                    *fresh += 1;
                    *fresh - 1
                }
                None => return Err(node.value),
            },
            Nodes::Growable { nodes, .. } => {
                if nodes.len() == nodes.capacity() && nodes.len() < 2 {
                    // Most tables of most clients never hold more than one or two.
                    nodes.reserve_exact(1);
                }
                nodes.push(node);
                nodes.len() - 1
            }
        };
        self.len += 1;
        Ok(i as Index)
    }

    /// Removes an entry that is in no lane.
    pub(crate) fn remove(&mut self, i: Index) -> Option<T> {
        let value = core::mem::replace(self.get_mut(i)?, T::EMPTY);
        self.release(i);
        Some(value)
    }

    /// Removes an entry of plain data that is in no lane.
    pub(crate) fn discard(&mut self, i: Index)
    where
        T: Copy,
    {
        self.release(i);
    }

    /// The place of an entry, of which nothing is left to be dropped, is free.
    #[inline]
    fn release(&mut self, i: Index) {
        let free = self.free;
        let Some(node) = self.node_mut(i) else { return };
        node.prev = FREE;
        node.next = free;
        self.free = i;
        self.len -= 1;
        if self.len == 0 {
            self.forget_places();
        }
    }

    /// All places are free: they are given out from the first one on again, and memory after a burst goes back.
    fn forget_places(&mut self) {
        self.free = NONE;
        match &mut self.nodes {
            Nodes::Fixed { nodes, fresh } => {
                for node in nodes.iter_mut().take(*fresh) {
                    node.prev = FREE;
                }
                *fresh = 0;
            }
            #[cfg(feature = "alloc")]
            Nodes::Growable { nodes, .. } => {
                nodes.clear();
                if nodes.capacity() > KEEP {
                    *nodes = Vec::new();
                }
            }
        }
    }

    /// Gives memory back while nothing is kept (growable storage only).
    pub(crate) fn shrink(&mut self) {
        #[cfg(feature = "alloc")]
        if let Nodes::Growable { nodes, .. } = &mut self.nodes
            && nodes.is_empty()
            && nodes.capacity() > 4
        {
            *nodes = Vec::new();
        }
    }

    // ---- lanes ----

    /// The entry behind `i` in its lane.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn next(&self, i: Index) -> Option<Index> {
        self.node(i)
            .map(|node| node.next)
            .filter(|next| *next != NONE)
    }

    /// The entry in front of `i` in its lane.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn prev(&self, i: Index) -> Option<Index> {
        self.node(i)
            .map(|node| node.prev)
            .filter(|prev| *prev != NONE)
    }

    fn link(&mut self, i: Index, prev: Index, next: Index) {
        if let Some(node) = self.node_mut(i) {
            node.prev = prev;
            node.next = next;
        }
    }

    fn set_next(&mut self, i: Index, next: Index) {
        if let Some(node) = self.node_mut(i) {
            node.next = next;
        }
    }

    fn set_prev(&mut self, i: Index, prev: Index) {
        if let Some(node) = self.node_mut(i) {
            node.prev = prev;
        }
    }

    /// Puts an entry that is in no lane to the end of `lane`.
    pub(crate) fn push_back(&mut self, lane: &mut Lane, i: Index) {
        self.link(i, lane.tail, NONE);
        if lane.tail == NONE {
            lane.head = i;
        } else {
            self.set_next(lane.tail, i);
        }
        lane.tail = i;
    }

    /// Puts an entry that is in no lane to the front of `lane`.
    pub(crate) fn push_front(&mut self, lane: &mut Lane, i: Index) {
        self.link(i, NONE, lane.head);
        if lane.head == NONE {
            lane.tail = i;
        } else {
            self.set_prev(lane.head, i);
        }
        lane.head = i;
    }

    /// Takes an entry out of `lane`, in which it is.
    pub(crate) fn unlink(&mut self, lane: &mut Lane, i: Index) {
        let Some(node) = self.node_mut(i) else { return };
        let (prev, next) = (node.prev, node.next);
        node.prev = NONE;
        node.next = NONE;
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
    pub(crate) fn pop_back(&mut self, lane: &mut Lane) -> Option<Index> {
        let i = lane.tail()?;
        self.unlink(lane, i);
        Some(i)
    }
}

/// Growable places that are kept when the last entry has gone.
#[cfg(feature = "alloc")]
const KEEP: usize = 256;

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
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
        let mut nodes = [Node::<u64>::EMPTY; 4];
        play(Slab::fixed(&mut nodes));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn growable_places_are_used_again() {
        play(Slab::growable(4));
    }
}
