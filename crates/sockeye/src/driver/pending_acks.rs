//! Those who wait for acknowledgements.

use std::collections::VecDeque;

use crate::inbox::AckSender;

/// Who waits, and in which namespace (by the handles' number).
pub(super) type Pending = (u32, AckSender);

/// In the order of their ids, which only ever grow. One that waits for ever does not keep the places of later ones.
#[derive(Default)]
pub(super) struct PendingAcks {
    list: VecDeque<(u64, Option<Pending>)>,
    /// Places in the list that are empty.
    empty: usize,
}

impl PendingAcks {
    pub(super) fn add(&mut self, id: u64, sender: Pending) {
        self.list.push_back((id, Some(sender)));
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Pending> {
        let at = self.list.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let sender = self.list[at].1.take()?;
        self.empty += 1;
        while self
            .list
            .front()
            .is_some_and(|(_, sender)| sender.is_none())
        {
            self.list.pop_front();
            self.empty -= 1;
        }
        if self.empty > self.list.len() / 2 + 32 {
            self.list.retain(|(_, sender)| sender.is_some());
            self.empty = 0;
        }
        Some(sender)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        self.empty = 0;
        self.list.drain(..).filter_map(|(_, sender)| sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn one_that_waits_for_ever_costs_one_place() {
        let mut waiting = PendingAcks::default();
        waiting.add(1, (0, oneshot::channel().0));
        for id in 2..100_000u64 {
            waiting.add(id * 3, (0, oneshot::channel().0));
            assert!(waiting.take(id).is_none() || id % 3 == 0);
            assert!(waiting.take(id * 3).is_some());
            assert!(waiting.take(id * 3).is_none());
            assert!(waiting.list.len() < 100);
        }
        assert!(waiting.take(1).is_some());
        assert!(waiting.list.is_empty() && waiting.empty == 0);
    }

    #[test]
    fn taken_in_any_order() {
        let mut waiting = PendingAcks::default();
        for id in 1..=500 {
            waiting.add(id, (0, oneshot::channel().0));
        }
        for id in (1..=500).filter(|id| id % 7 != 0).rev() {
            assert!(waiting.take(id).is_some(), "{id}");
        }
        assert_eq!(waiting.drain().count(), 71);
        assert!(waiting.take(7).is_none());
    }
}
