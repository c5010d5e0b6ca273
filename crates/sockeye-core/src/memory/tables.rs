//! Fixed memory whose byte areas get their sizes at run time.

use core::mem::MaybeUninit;

use super::{Bytes, Memory, RxMemory, Table};
use crate::client::acks::AckEntry;
use crate::client::nsp::NspEntry;
use crate::engine::outbox::Slot;

/// The tables of a [`Storage`](crate::Storage) without its byte areas, for callers that learn the sizes of those only at
/// run time: a C library, a configuration file.
///
/// What the numbers mean is said at [`Storage`](crate::Storage).
#[derive(Debug)]
pub struct Tables<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize> {
    // Filled when lent, as in a storage.
    acks: MaybeUninit<[AckEntry; ACKS]>,
    slots: MaybeUninit<[Slot; PACKETS]>,
    namespaces: MaybeUninit<[NspEntry; NAMESPACES]>,
}

impl<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize>
    Tables<ACKS, PACKETS, NAMESPACES>
{
    /// Empty tables.
    pub const fn new() -> Self {
        const {
            assert!(
                PACKETS >= 2 && NAMESPACES >= 1,
                "Tables: PACKETS >= 2 and NAMESPACES >= 1"
            );
        }
        Self {
            acks: MaybeUninit::uninit(),
            slots: MaybeUninit::uninit(),
            namespaces: MaybeUninit::uninit(),
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
        Some(Memory {
            rx: RxMemory::Fixed(rx),
            tx: Bytes::Fixed(tx),
            head: Bytes::Fixed(head),
            acks: Table::fixed(self.acks.write([const { AckEntry::EMPTY }; ACKS])),
            slots: Table::fixed(self.slots.write([const { Slot::EMPTY }; PACKETS])),
            namespaces: Table::fixed(
                self.namespaces
                    .write([const { NspEntry::EMPTY }; NAMESPACES]),
            ),
        })
    }
}

impl<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize> Default
    for Tables<ACKS, PACKETS, NAMESPACES>
{
    fn default() -> Self {
        Self::new()
    }
}
