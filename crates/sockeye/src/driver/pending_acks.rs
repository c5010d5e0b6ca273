//! Those who wait for acknowledgements.

use std::collections::HashMap;

use sockeye_core::AckId;

use crate::waiters::AckSender;

/// By the core's number. Every step takes the same time, however many wait.
#[derive(Default)]
pub(super) struct PendingAcks {
    waiting: HashMap<u64, AckSender>,
}

/// Room for so many is kept when nobody waits any more.
const KEEP: usize = 1 << 10;

impl PendingAcks {
    pub(super) fn add(&mut self, id: AckId, sender: AckSender) {
        self.waiting.insert(id.get(), sender);
    }

    pub(super) fn take(&mut self, id: AckId) -> Option<AckSender> {
        let sender = self.waiting.remove(&id.get())?;
        if self.waiting.is_empty() && self.waiting.capacity() > KEEP {
            self.waiting = HashMap::new();
        }
        Some(sender)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = AckSender> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
