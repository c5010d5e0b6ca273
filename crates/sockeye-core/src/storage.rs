//! All memory of one client, put together: fixed storage that the caller sized, or memory that grows up to the limits.

mod tables;

use crate::client::{AckEntry, Client, Namespace, Notice};
use crate::config::Config;
#[cfg(feature = "polling")]
use crate::config::Transport;
use crate::engine::{AREAS, Engine};
#[cfg(feature = "polling")]
use crate::memory::HOLD_ROOM;
#[cfg(feature = "alloc")]
use crate::memory::RX_CHUNK;
use crate::memory::{Bytes, RxBuf, Slab, Table};
use crate::outbox::{Outbox, Packet, Queue};
pub use tables::Tables;

/// Notices that one namespace can have waiting for the driver, at most, and its share of those of the connection:
/// between two drains a namespace is told of its end once, and the connection of its end, of the next attempt, and of
/// acknowledgements that failed.
const NOTICES: usize = 8;

/// Fixed storage for one client: every byte it will ever use. Put it into a `StaticCell`, or on the stack.
///
/// - `RX`: bytes of the receive buffer, at least 512. It bounds the packets that can be received (see the table). When
///   polling is allowed, two quarters of it (at most 1 KiB each) serve the POST answers and the WebSocket handshake.
/// - `TX`: bytes of packets accepted and not yet written, framing (6 to 14 bytes a packet) included; at least 256.
///   A CONNECT packet with its `auth` payload must fit.
/// - `ACKS`: acknowledgements waited for at one time. A `retries` queue in which a packet waits that asked for none needs
///   one as well, which is kept free for it.
/// - `PACKETS`: packets accepted and not yet written; one with attachments counts once.
/// - `NAMESPACES`: namespaces on the connection.
/// - `HEAD`: bytes for one HTTP request head (path, query, headers, cookies, session id); at least 256.
///
/// The largest packet that can be received, in bytes of its text and its attachments together (here there is one
/// attachment; a further one takes 4 bytes more):
///
/// | `RX` | WebSocket alone | with attachments | polling | with attachments |
/// |--|--|--|--|--|
/// | 512 | 506 | 336 | 218 | 48 |
/// | 1024 | 1018 | 848 | 506 | 336 |
/// | 2048 | 2042 | 1872 | 1018 | 761 |
///
/// That is `RX` − 6 with WebSocket alone, and `RX` − 176 with attachments: room is left to read on while they come. By
/// polling an attachment comes as base64 text, a third longer. Larger packets are skipped, and told by
/// [`Event::MessageTooLarge`](crate::Event::MessageTooLarge).
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
    tables: Tables<ACKS, PACKETS, NAMESPACES>,
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
        }
        Self {
            rx: [0; RX],
            tx: [0; TX],
            head: [0; HEAD],
            tables: Tables::new(),
        }
    }

    /// Lends the storage to a client.
    pub fn memory(&mut self) -> Memory<'_> {
        self.tables.lend(&mut self.rx, &mut self.tx, &mut self.head)
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
    pub(crate) acks: Slab<'a, AckEntry>,
    pub(crate) packets: Slab<'a, Packet>,
    pub(crate) namespaces: Slab<'a, Namespace>,
    pub(crate) queues: Table<'a, Queue>,
    pub(crate) notices: Table<'a, Notice>,
    /// Bytes that the packets to send may have together.
    pub(crate) send_max: usize,
}

impl<'a> Memory<'a> {
    /// Memory that grows as needed, never past `limits`.
    #[cfg(feature = "alloc")]
    pub const fn growable(limits: &crate::Limits) -> Memory<'static> {
        Memory {
            rx: RxMemory::Growable {
                max: limits.receive.saturating_add(RX_CHUNK),
            },
            // Twice as large as its packets: see `Outbox::new`.
            tx: Bytes::growable(limits.send.saturating_mul(2)),
            send_max: limits.send,
            head: Bytes::growable(64 << 10),
            // One more for each `retries` queue: its packet under way waits for an answer that nobody asked for.
            acks: Slab::growable(limits.acks.saturating_add(limits.namespaces as usize)),
            packets: Slab::growable(limits.packets),
            namespaces: Slab::growable(limits.namespaces as usize),
            queues: Table::growable(limits.namespaces as usize),
            notices: Table::growable(usize::MAX),
        }
    }

    /// Without polling the main receive area alone, which is handed out once.
    #[cfg(not(feature = "polling"))]
    pub(crate) fn take_rx(&mut self, _config: &Config<'_>) -> [RxBuf<'a>; AREAS] {
        let main = match core::mem::replace(&mut self.rx, RxMemory::Fixed(&mut [])) {
            RxMemory::Fixed(all) => Bytes::Fixed(all),
            #[cfg(feature = "alloc")]
            RxMemory::Growable { max } => Bytes::growable(max),
        };
        [RxBuf::new(main)]
    }

    /// The three receive areas: main, POST answers, WebSocket handshake. They are handed out once.
    #[cfg(feature = "polling")]
    pub(crate) fn take_rx(&mut self, config: &Config<'_>) -> [RxBuf<'a>; AREAS] {
        let polling = config.transports.allows(Transport::Polling);
        match core::mem::replace(&mut self.rx, RxMemory::Fixed(&mut [])) {
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

impl<'a> Client<'a> {
    /// A client that is not connected. `memory` comes from a [`Storage`], or is growable.
    pub fn new(
        #[cfg_attr(not(feature = "msgpack"), allow(unused_mut))] mut config: Config<'a>,
        mut memory: Memory<'a>,
    ) -> Self {
        let areas = memory.take_rx(&config);
        #[cfg(feature = "msgpack")]
        let parser = config.parser;
        #[cfg(feature = "msgpack")]
        {
            config.limits.attachments = config.parser.attachments(config.limits.attachments);
        }
        Self::from_parts(
            Engine::new(config, memory.head, areas),
            Outbox::new(
                memory.tx,
                memory.packets,
                memory.queues,
                memory.send_max,
                #[cfg(feature = "msgpack")]
                parser,
            ),
            memory.namespaces,
            memory.acks,
            memory.notices,
        )
    }
}
