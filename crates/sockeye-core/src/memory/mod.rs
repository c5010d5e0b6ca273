//! Where the core keeps bytes and tables: fixed storage that the caller sized, or growable storage with a cap.

use core::mem::MaybeUninit;

mod rx;
mod tables;

use crate::client::acks::AckEntry;
use crate::client::nsp::NspEntry;
use crate::config::{Config, Transport};
use crate::engine::outbox::Slot;
use rx::HOLD_ROOM;
#[cfg(feature = "alloc")]
use rx::RX_CHUNK;
pub(crate) use rx::{RECORD, RxBuf};
pub use tables::Tables;

/// A byte area: a borrowed slice, or a vector that grows up to `max`.
#[derive(Debug)]
pub(crate) enum Bytes<'a> {
    Fixed(&'a mut [u8]),
    #[cfg(feature = "alloc")]
    Growable {
        buf: alloc::vec::Vec<u8>,
        max: usize,
    },
}

impl Bytes<'_> {
    #[cfg(feature = "alloc")]
    pub(crate) const fn growable(max: usize) -> Self {
        Self::Growable {
            buf: alloc::vec::Vec::new(),
            max,
        }
    }

    pub(crate) fn get(&self) -> &[u8] {
        match self {
            Self::Fixed(buf) => buf,
            #[cfg(feature = "alloc")]
            Self::Growable { buf, .. } => buf,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Fixed(buf) => buf,
            #[cfg(feature = "alloc")]
            Self::Growable { buf, .. } => buf,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.get().len()
    }

    pub(crate) fn max(&self) -> usize {
        match self {
            Self::Fixed(buf) => buf.len(),
            #[cfg(feature = "alloc")]
            Self::Growable { max, .. } => *max,
        }
    }

    /// Makes the area at least `len` long (twice its size if that is more, never over the cap); whether it is.
    #[cfg_attr(not(feature = "alloc"), allow(clippy::needless_pass_by_ref_mut))]
    pub(crate) fn grow(&mut self, len: usize) -> bool {
        match self {
            Self::Fixed(buf) => len <= buf.len(),
            #[cfg(feature = "alloc")]
            Self::Growable { buf, max } => {
                if len > *max {
                    return false;
                }
                if len > buf.len() {
                    let to = len.max(buf.len() * 2).min(*max);
                    buf.reserve_exact(to - buf.len());
                    buf.resize(to, 0);
                }
                true
            }
        }
    }

    /// Gives all memory back (growable storage only).
    pub(crate) fn shrink(&mut self) {
        match self {
            Self::Fixed(_) => (),
            #[cfg(feature = "alloc")]
            Self::Growable { buf, .. } => *buf = alloc::vec::Vec::new(),
        }
    }
}

/// A double-ended table of small entries: a ring over a borrowed slice, or a `VecDeque` with a cap.
#[derive(Debug)]
pub(crate) enum Table<'a, T> {
    Fixed {
        buf: &'a mut [T],
        head: usize,
        len: usize,
    },
    #[cfg(feature = "alloc")]
    Growable {
        deque: alloc::collections::VecDeque<T>,
        max: usize,
    },
}

impl<'a, T: Default> Table<'a, T> {
    pub(crate) const fn fixed(buf: &'a mut [T]) -> Self {
        Self::Fixed {
            buf,
            head: 0,
            len: 0,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn growable(max: usize) -> Self {
        Self::Growable {
            deque: alloc::collections::VecDeque::new(),
            max,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fixed { len, .. } => *len,
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => deque.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn max(&self) -> usize {
        match self {
            Self::Fixed { buf, .. } => buf.len(),
            #[cfg(feature = "alloc")]
            Self::Growable { max, .. } => *max,
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.max().saturating_sub(self.len())
    }

    // Small code, rather than fast, where flash is scarce: called in many places.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn get(&self, i: usize) -> Option<&T> {
        match self {
            Self::Fixed { buf, head, len } => {
                if i >= *len {
                    return None;
                }
                buf.get(wrap(*head + i, buf.len()))
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => deque.get(i),
        }
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut T> {
        match self {
            Self::Fixed { buf, head, len } => {
                if i >= *len {
                    return None;
                }
                let at = wrap(*head + i, buf.len());
                buf.get_mut(at)
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => deque.get_mut(i),
        }
    }

    /// Appends; hands the entry back if the table is full.
    pub(crate) fn push(&mut self, entry: T) -> Result<(), T> {
        match self {
            Self::Fixed { buf, head, len } => {
                if *len == buf.len() {
                    return Err(entry);
                }
                let at = wrap(*head + *len, buf.len());
                if let Some(free) = buf.get_mut(at) {
                    *free = entry;
                    *len += 1;
                }
                Ok(())
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, max } => {
                if deque.len() >= *max {
                    return Err(entry);
                }
                if deque.len() == deque.capacity() && deque.len() < 2 {
                    // Most tables of most clients never hold more than one or two.
                    deque.reserve_exact(1);
                }
                deque.push_back(entry);
                Ok(())
            }
        }
    }

    /// Removes `n` entries from index `i` on, keeping the order of the rest.
    pub(crate) fn remove(&mut self, i: usize, n: usize) {
        let n = n.min(self.len().saturating_sub(i));
        match self {
            Self::Fixed { buf, head, len } => {
                let cap = buf.len();
                // What is removed stays where it is until it is written over.
                if i == 0 {
                    *head = wrap(*head + n, cap.max(1));
                } else {
                    for k in i..*len - n {
                        buf.swap(wrap(*head + k, cap), wrap(*head + k + n, cap));
                    }
                }
                *len -= n;
                if *len == 0 {
                    *head = 0;
                }
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => {
                if n == 1 {
                    deque.remove(i);
                } else {
                    deque.drain(i..i + n);
                }
            }
        }
    }

    /// Gives memory back when the table has been much larger than it is (growable storage only).
    pub(crate) fn shrink(&mut self) {
        #[cfg(feature = "alloc")]
        if let Self::Growable { deque, .. } = self {
            deque.shrink_to(deque.len().max(4));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(move |i| self.get(i))
    }
}

fn wrap(i: usize, cap: usize) -> usize {
    if i >= cap { i - cap } else { i }
}

/// Fixed storage for one client: every byte it will ever use. Put it into a `StaticCell`, or on the stack.
///
/// - `RX`: bytes of the receive buffer. The largest packet that can be received is about `RX` − 16 with WebSocket
///   alone; with attachments, all of it together, about `RX` − 180. When polling is allowed, two quarters (at most 1 KiB each) of it serve the
///   POST answers and the WebSocket handshake. At least 512.
/// - `TX`: bytes of packets accepted and not yet written, framing (6 to 14 bytes a packet) included; at least 256.
///   A CONNECT packet with its `auth` payload must fit.
/// - `ACKS`: acknowledgements waited for at one time.
/// - `PACKETS`: packets accepted and not yet written; each attachment counts as one.
/// - `NAMESPACES`: namespaces on the connection.
/// - `HEAD`: bytes for one HTTP request head (path, query, headers, cookies, session id); at least 256.
#[derive(Debug)]
pub struct Storage<
    const RX: usize,
    const TX: usize,
    const ACKS: usize = 8,
    const PACKETS: usize = 16,
    const NAMESPACES: usize = 2,
    const HEAD: usize = 512,
> {
    rx: [u8; RX],
    tx: [u8; TX],
    head: [u8; HEAD],
    // Filled when lent: so that a static storage is all zeroes, and takes nothing of the flash.
    acks: MaybeUninit<[AckEntry; ACKS]>,
    slots: MaybeUninit<[Slot; PACKETS]>,
    namespaces: MaybeUninit<[NspEntry; NAMESPACES]>,
}

impl<
    const RX: usize,
    const TX: usize,
    const ACKS: usize,
    const PACKETS: usize,
    const NAMESPACES: usize,
    const HEAD: usize,
> Storage<RX, TX, ACKS, PACKETS, NAMESPACES, HEAD>
{
    /// Empty storage. Usable in a `static`.
    pub const fn new() -> Self {
        const {
            assert!(RX >= 512, "Storage: RX must be at least 512 bytes");
            assert!(TX >= 256, "Storage: TX must be at least 256 bytes");
            assert!(HEAD >= 256, "Storage: HEAD must be at least 256 bytes");
            assert!(
                PACKETS >= 2 && NAMESPACES >= 1,
                "Storage: PACKETS >= 2 and NAMESPACES >= 1"
            );
        }
        Self {
            rx: [0; RX],
            tx: [0; TX],
            head: [0; HEAD],
            acks: MaybeUninit::uninit(),
            slots: MaybeUninit::uninit(),
            namespaces: MaybeUninit::uninit(),
        }
    }

    /// Lends the storage to a client.
    pub fn memory(&mut self) -> Memory<'_> {
        Memory {
            rx: RxMemory::Fixed(&mut self.rx),
            tx: Bytes::Fixed(&mut self.tx),
            head: Bytes::Fixed(&mut self.head),
            acks: Table::fixed(self.acks.write([const { AckEntry::EMPTY }; ACKS])),
            slots: Table::fixed(self.slots.write([const { Slot::EMPTY }; PACKETS])),
            namespaces: Table::fixed(
                self.namespaces
                    .write([const { NspEntry::EMPTY }; NAMESPACES]),
            ),
        }
    }
}

impl<
    const RX: usize,
    const TX: usize,
    const ACKS: usize,
    const PACKETS: usize,
    const NAMESPACES: usize,
    const HEAD: usize,
> Default for Storage<RX, TX, ACKS, PACKETS, NAMESPACES, HEAD>
{
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
enum RxMemory<'a> {
    Fixed(&'a mut [u8]),
    #[cfg(feature = "alloc")]
    Growable {
        max: usize,
    },
}

/// The memory a client works in: borrowed from a [`Storage`], or growable.
#[derive(Debug)]
pub struct Memory<'a> {
    rx: RxMemory<'a>,
    pub(crate) tx: Bytes<'a>,
    pub(crate) head: Bytes<'a>,
    pub(crate) acks: Table<'a, AckEntry>,
    pub(crate) slots: Table<'a, Slot>,
    pub(crate) namespaces: Table<'a, NspEntry>,
}

impl<'a> Memory<'a> {
    /// Memory that grows as needed, never past `limits`.
    #[cfg(feature = "alloc")]
    pub const fn growable(limits: &crate::Limits) -> Memory<'static> {
        Memory {
            rx: RxMemory::Growable {
                max: limits.receive.saturating_add(RX_CHUNK),
            },
            tx: Bytes::growable(limits.send),
            head: Bytes::growable(64 << 10),
            acks: Table::growable(limits.acks),
            slots: Table::growable(limits.packets),
            namespaces: Table::growable(limits.namespaces as usize),
        }
    }

    /// The three receive areas (main, POST answers, WebSocket handshake) and the rest.
    pub(crate) fn split_rx(rx: &mut Self, config: &Config<'_>) -> [RxBuf<'a>; 3] {
        let polling = config.transports.allows(Transport::Polling);
        match core::mem::replace(&mut rx.rx, RxMemory::Fixed(&mut [])) {
            RxMemory::Fixed(all) => {
                let aux = if polling {
                    (all.len() / 4).min(1024)
                } else {
                    0
                };
                // On the WebSocket a whole control frame must fit.
                let ws = if polling { aux.max(HOLD_ROOM) } else { 0 };
                let (main, rest) = all.split_at_mut(all.len() - aux - ws);
                let (post, ws) = rest.split_at_mut(aux);
                [main, post, ws].map(|part| RxBuf::new(Bytes::Fixed(part)))
            }
            #[cfg(feature = "alloc")]
            RxMemory::Growable { max } => {
                [max, 64 << 10, 64 << 10].map(|max| RxBuf::new(Bytes::growable(max)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_a_ring() {
        let mut buf = [0u32; 4];
        let mut t = Table::fixed(&mut buf);
        for i in 1..=4 {
            t.push(i).unwrap();
        }
        assert_eq!(t.push(5), Err(5));
        t.remove(0, 2);
        t.push(5).unwrap();
        t.push(6).unwrap();
        t.remove(1, 2);
        assert_eq!(
            t.iter().copied().collect::<alloc_for_tests::Vec<_>>(),
            [3, 6]
        );
    }

    mod alloc_for_tests {
        extern crate std;
        pub(super) use std::vec::Vec;
    }
}
