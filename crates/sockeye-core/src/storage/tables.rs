//! Fixed memory whose byte areas get their sizes at run time.

use core::mem::MaybeUninit;

use super::{Memory, NOTICES, RxMemory};
use crate::client::{AckEntry, Namespace, Notice};
use crate::memory::{Bytes, Node, Slab, Table};
use crate::outbox::{Packet, Queue};

/// The tables of a [`Storage`](crate::Storage) without its byte areas, for callers that learn the sizes of those only at
/// run time: a C library, a configuration file.
///
/// What the numbers mean is said at [`Storage`](crate::Storage).
#[derive(Debug)]
pub struct Tables<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize> {
    // Filled when lent: so that a static storage is all zeroes, and takes nothing of the flash.
    acks: MaybeUninit<[Node<AckEntry>; ACKS]>,
    packets: MaybeUninit<[Node<Packet>; PACKETS]>,
    namespaces: MaybeUninit<[Node<Namespace>; NAMESPACES]>,
    queues: MaybeUninit<[Queue; NAMESPACES]>,
    notices: MaybeUninit<[[Notice; NOTICES]; NAMESPACES]>,
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
            acks: MaybeUninit::uninit(),
            packets: MaybeUninit::uninit(),
            namespaces: MaybeUninit::uninit(),
            queues: MaybeUninit::uninit(),
            notices: MaybeUninit::uninit(),
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
            acks: Slab::fixed(fill(&mut self.acks, || [const { Node::EMPTY }; ACKS])),
            packets: Slab::fixed(fill(&mut self.packets, || [const { Node::EMPTY }; PACKETS])),
            namespaces: Slab::fixed(fill(&mut self.namespaces, || {
                [const { Node::EMPTY }; NAMESPACES]
            })),
            queues: Table::fixed(fill(&mut self.queues, || {
                [const { Queue::EMPTY }; NAMESPACES]
            })),
            notices: Table::fixed(
                fill(&mut self.notices, || {
                    [const { [const { Notice::EMPTY }; NOTICES] }; NAMESPACES]
                })
                .as_flattened_mut(),
            ),
        }
    }
}

/// One table at a time: the compiler may make it on the stack before it is copied to where it stays, and then the stacks
/// of devices have to bear the largest table only, not the sum of all.
#[inline(never)]
fn fill<T, const N: usize>(
    slot: &mut MaybeUninit<[T; N]>,
    make: impl FnOnce() -> [T; N],
) -> &mut [T; N] {
    slot.write(make())
}

impl<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize> Default
    for Tables<ACKS, PACKETS, NAMESPACES>
{
    fn default() -> Self {
        Self::new()
    }
}
