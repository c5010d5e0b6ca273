//! How packets get out as WebSocket frames: many in one write.

use super::{BINARY, IN_BATCH, MASKED, Outbox};
use crate::limits::BATCH;
use crate::rng::Rng;
use crate::wire::ws;

/// The contiguous write in progress: slots `first..first + count`, `pos` bytes of it written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) pos: usize,
}

impl Outbox<'_> {
    /// Frames what can go out in one contiguous write; whether there is anything.
    pub(crate) fn commit_ws(&mut self, rng: &mut Rng) -> bool {
        let Some(first) = self.first_sendable() else {
            return false;
        };
        let (mut count, mut bytes, mut end) = (0, 0, 0);
        while let Some(slot) = self.slots.get_mut(first + count) {
            let size = slot.end() - slot.frame();
            if !slot.is_sendable() || count > 0 && (slot.frame() != end || bytes + size > BATCH) {
                break;
            }
            end = slot.end();
            bytes += size;
            let key = rng.mask();
            let opcode = if slot.has(BINARY) {
                ws::BINARY
            } else {
                ws::TEXT
            };
            let (frame, start) = (slot.frame(), slot.start as usize);
            slot.mask = key;
            slot.flags |= MASKED | IN_BATCH;
            let (header, message) = self.mem.get_mut()[frame..end].split_at_mut(start - frame);
            ws::write_header(header, opcode, message.len(), key);
            ws::mask(message, key);
            count += 1;
        }
        self.batch = Some(Batch {
            first,
            count,
            pos: 0,
        });
        self.scan = first + count;
        true
    }

    /// The bytes of the write in progress that are still to be written.
    #[inline]
    pub(crate) fn ws_bytes(&self) -> &[u8] {
        let Some(batch) = &self.batch else { return &[] };
        match (
            self.slots.get(batch.first),
            self.slots.get(batch.first + batch.count - 1),
        ) {
            (Some(first), Some(last)) => self
                .mem
                .get()
                .get(first.frame() + batch.pos..last.end())
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// Whether the write in progress stands between two frames' ends: a control frame may go in between.
    pub(crate) fn ws_started(&self) -> bool {
        self.batch.is_some_and(|batch| batch.pos > 0)
    }

    /// `n` bytes of [`Self::ws_bytes`] have been written.
    pub(crate) fn ws_written(&mut self, n: usize) {
        let left = self.ws_bytes().len();
        let Some(batch) = &mut self.batch else { return };
        batch.pos += n.min(left);
        if n >= left {
            let Batch { first, count, .. } = *batch;
            self.batch = None;
            self.retire(first, count);
        }
    }
}
