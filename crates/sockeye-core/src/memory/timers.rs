//! Deadlines in order: a binary heap of places, in which each entry knows where it stands, so that one can be taken out
//! from the middle.

use alloc::vec::Vec;

use super::Index;
use super::steps::step;
use crate::time::Instant;

/// Not in the heap.
pub(crate) const NOT_QUEUED: Index = Index::MAX;

/// Deadlines of entries that lie elsewhere: `moved` tells each where it stands in the heap.
#[derive(Debug, Default)]
pub(crate) struct TimerHeap(Vec<(Instant, Index)>);

impl TimerHeap {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The earliest deadline, and whose it is.
    pub(crate) fn first(&self) -> Option<(Instant, Index)> {
        self.0.first().copied()
    }

    pub(crate) fn push(&mut self, at: Instant, i: Index, mut moved: impl FnMut(Index, Index)) {
        self.0.push((at, i));
        let last = self.0.len() - 1;
        moved(i, last as Index);
        self.rise(last, &mut moved);
    }

    /// Takes out the deadline at `place`.
    pub(crate) fn remove(&mut self, place: Index, mut moved: impl FnMut(Index, Index)) {
        let place = place as usize;
        if place >= self.0.len() {
            return;
        }
        let (_, i) = self.0.swap_remove(place);
        moved(i, NOT_QUEUED);
        if place < self.0.len() {
            moved(self.0[place].1, place as Index);
            self.rise(place, &mut moved);
            self.sink(place, &mut moved);
        } else if self.0.is_empty() && self.0.capacity() > 1024 {
            self.0 = Vec::new();
        }
    }

    fn swap(&mut self, a: usize, b: usize, moved: &mut impl FnMut(Index, Index)) {
        step(1);
        self.0.swap(a, b);
        moved(self.0[a].1, a as Index);
        moved(self.0[b].1, b as Index);
    }

    fn rise(&mut self, mut at: usize, moved: &mut impl FnMut(Index, Index)) {
        while at > 0 {
            let above = (at - 1) / 2;
            if self.0[above].0 <= self.0[at].0 {
                return;
            }
            self.swap(above, at, moved);
            at = above;
        }
    }

    fn sink(&mut self, mut at: usize, moved: &mut impl FnMut(Index, Index)) {
        loop {
            let mut least = at;
            for below in [2 * at + 1, 2 * at + 2] {
                if below < self.0.len() && self.0[below].0 < self.0[least].0 {
                    least = below;
                }
            }
            if least == at {
                return;
            }
            self.swap(at, least, moved);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeMap;
    use std::vec;

    #[test]
    fn earliest_first_with_removals_from_the_middle() {
        let mut heap = TimerHeap::new();
        let mut places = vec![NOT_QUEUED; 200];
        let mut truth = BTreeMap::new();
        let mut seed = 7u64;
        for step in 0..5000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let i = (seed >> 33) as usize % 200;
            if places[i] == NOT_QUEUED {
                let at = Instant::from_micros(seed >> 50);
                heap.push(at, i as Index, |i, place| places[i as usize] = place);
                truth.insert(i, at);
            } else {
                let place = places[i];
                heap.remove(place, |i, place| places[i as usize] = place);
                truth.remove(&i);
            }
            let least = truth.values().min().copied();
            assert_eq!(heap.first().map(|(at, _)| at), least, "step {step}");
            for (i, place) in places.iter().enumerate() {
                assert_eq!(*place != NOT_QUEUED, truth.contains_key(&i));
            }
        }
    }
}
