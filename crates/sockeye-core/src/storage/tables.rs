//! Fixed memory whose byte areas get their sizes at run time.

use arrayvec::ArrayVec;

use super::{Memory, NOTICES, RxMemory};
use crate::client::{AckEntry, Namespace, Notice};
use crate::memory::{Bytes, Places, Table, fill};
use crate::outbox::{Packet, Queue};

/// The tables of a [`Storage`](crate::Storage) without its byte areas, for callers that learn the sizes of those only at
/// run time: a C library, a configuration file.
///
/// What the numbers mean is said at [`Storage`](crate::Storage).
#[derive(Debug)]
pub struct Tables<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize> {
    // Filled when lent: so that a static storage is all zeroes, and takes nothing of the flash. Entry by entry: a table that
    // is made as a whole may lie on the stack before it is copied to where it stays, and the stacks of devices are small.
    acks: Places<AckEntry, ACKS>,
    packets: Places<Packet, PACKETS>,
    namespaces: Places<Namespace, NAMESPACES>,
    queues: ArrayVec<Queue, NAMESPACES>,
    notices: ArrayVec<[Notice; NOTICES], NAMESPACES>,
}

impl<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize>
    Tables<ACKS, PACKETS, NAMESPACES>
{
    /// Empty tables.
    pub const fn new() -> Self {
        const {
            assert!(
                PACKETS >= 2 && NAMESPACES >= 1,
                "Storage: PACKETS >= 2 and NAMESPACES >= 1"
            );
        }
        Self {
            acks: Places::new(),
            packets: Places::new(),
            namespaces: Places::new(),
            queues: ArrayVec::new_const(),
            notices: ArrayVec::new_const(),
        }
    }

    /// Lends the tables and these areas to a client. `None` if an area is too small: `rx` needs 512 bytes at least,
    /// `tx` and `head` 256 each.
    pub fn memory<'a>(
        &'a mut self,
        rx: &'a mut [u8],
        tx: &'a mut [u8],
        head: &'a mut [u8],
    ) -> Option<Memory<'a>> {
        if rx.len() < 512 || tx.len() < 256 || head.len() < 256 {
            return None;
        }
        Some(self.lend(rx, tx, head))
    }

    /// The same for areas whose sizes have been checked.
    pub(super) fn lend<'a>(
        &'a mut self,
        rx: &'a mut [u8],
        tx: &'a mut [u8],
        head: &'a mut [u8],
    ) -> Memory<'a> {
        Memory {
            rx: RxMemory::Fixed(rx),
            send_max: tx.len(),
            tx: Bytes::Fixed(tx),
            head: Bytes::Fixed(head),
            acks: self.acks.lend(),
            packets: self.packets.lend(),
            namespaces: self.namespaces.lend(),
            queues: Table::fixed(fill(&mut self.queues, || const { Queue::EMPTY })),
            notices: Table::fixed(
                fill(&mut self.notices, || [const { Notice::EMPTY }; NOTICES]).as_flattened_mut(),
            ),
        }
    }
}

impl<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize> Default
    for Tables<ACKS, PACKETS, NAMESPACES>
{
    fn default() -> Self {
        Self::new()
    }
}
