//! Those who wait for acknowledgements.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sockeye_core::AckId;

use crate::waiters::AckSender;

/// Who waits, and in which namespace (by the handles' number).
pub(super) type Pending = (usize, AckSender);

/// By the core's number. Every step takes the same time, however many wait.
#[derive(Default)]
pub(super) struct PendingAcks {
    waiting: HashMap<u64, Pending, BuildHasherDefault<Mixed>>,
}

/// Hashes the core's numbers. They count up: no peer chooses them, so that one multiplication does.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        // (2^64 by the golden ratio: the upper bits depend on all of the lower ones. They are brought down again, because
        // the table is indexed by those.)
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
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
            self.waiting = HashMap::default();
        }
        Some(sender)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
