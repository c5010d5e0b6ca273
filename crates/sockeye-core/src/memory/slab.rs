//! Entries with a place of their own, in memory that may grow: adding, removing and moving an entry costs the same however
//! many there are.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use super::lanes::{FREE, Link, lanes};
use super::steps::step;
use super::{Empty, Index, Lane, NONE};

/// An entry, or a free place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<T> {
    value: T,
    link: Link,
}

impl<T: Empty> Node<T> {
    /// A free place.
    const EMPTY: Self = Self {
        value: T::EMPTY,
        link: Link::FREE,
    };
}

/// Fixed memory for entries.
#[derive(Debug)]
pub(crate) struct Places<T, const N: usize>(ArrayVec<Node<T>, N>);

impl<T: Empty, const N: usize> Places<T, N> {
    pub(crate) const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// A slab of free places, of whatever a former client has left.
    pub(crate) fn lend(&mut self) -> Slab<'_, T> {
        Slab::fixed(super::fill(&mut self.0, || const { Node::EMPTY }))
    }
}

#[derive(Debug)]
enum Nodes<'a, T> {
    /// The places from `fresh` on have never been used.
    Fixed {
        nodes: &'a mut [Node<T>],
        fresh: usize,
    },
    Growable {
        nodes: Vec<Node<T>>,
        max: usize,
    },
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
    const fn fixed(nodes: &'a mut [Node<T>]) -> Self {
        Self {
            nodes: Nodes::Fixed { nodes, fresh: 0 },
            free: NONE,
            len: 0,
        }
    }

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
            Nodes::Growable { nodes, .. } => nodes.len(),
        }
    }

    #[inline]
    fn node(&self, i: Index) -> Option<&Node<T>> {
        step(1);
        let node = match &self.nodes {
            Nodes::Fixed { nodes, .. } => nodes.get(i as usize),
            Nodes::Growable { nodes, .. } => nodes.get(i as usize),
        };
        node.filter(|node| !node.link.is_free())
    }

    #[inline]
    fn place(&mut self, i: Index) -> Option<&mut Node<T>> {
        step(1);
        match &mut self.nodes {
            Nodes::Fixed { nodes, .. } => nodes.get_mut(i as usize),
            Nodes::Growable { nodes, .. } => nodes.get_mut(i as usize),
        }
    }

    #[inline]
    fn node_mut(&mut self, i: Index) -> Option<&mut Node<T>> {
        self.place(i).filter(|node| !node.link.is_free())
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
    pub(crate) fn insert_empty(&mut self) -> Option<Index> {
        self.insert(T::EMPTY).ok()
    }

    /// Adds an entry, in no lane; hands it back if there is no room.
    pub(crate) fn insert(&mut self, value: T) -> Result<Index, T> {
        if self.room() == 0 {
            return Err(value);
        }
        let node = Node {
            value,
            link: Link::ALONE,
        };
        let i = self.free;
        if let Some(place) = self.place(i) {
            let next = place.link.next;
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
        node.link = Link {
            prev: FREE,
            next: free,
        };
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
                    node.link.prev = FREE;
                }
                *fresh = 0;
            }
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
        if let Nodes::Growable { nodes, .. } = &mut self.nodes
            && nodes.is_empty()
        {
            *nodes = Vec::new();
        }
    }

    #[inline]
    fn link(&self, i: Index) -> Option<&Link> {
        self.node(i).map(|node| &node.link)
    }

    #[inline]
    fn link_mut(&mut self, i: Index) -> Option<&mut Link> {
        self.node_mut(i).map(|node| &mut node.link)
    }

    lanes!();
}

/// Growable places that are kept when the last entry has gone.
const KEEP: usize = 256;
