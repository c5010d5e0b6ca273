//! Those who wait for acknowledgements.

use std::collections::HashMap;

use sockeye_core::AckId;

use crate::waiters::AckSender;

/// Who waits, and in which namespace (by the handles' number).
pub(super) type Pending = (usize, AckSender);

/// By the core's number. Every step takes the same time, however many wait.
#[derive(Default)]
pub(super) struct PendingAcks {
    waiting: HashMap<u64, Pending>,
}

/// Room for so many is kept when nobody waits any more.
const KEEP: usize = 1 << 10;

impl PendingAcks {
    pub(super) fn add(&mut self, id: AckId, pending: Pending) {
        self.waiting.insert(id.get(), pending);
    }

    pub(super) fn take(&mut self, id: AckId) -> Option<Pending> {
        let sender = self.waiting.remove(&id.get())?;
        if self.waiting.is_empty() && self.waiting.capacity() > KEEP {
            self.waiting = HashMap::new();
        }
        Some(sender)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
