//! Packets accepted for sending. The outbox keeps packets, not frames: framing happens when a packet is about to be
//! written, so that unsent packets survive an upgrade and a reconnect.
//!
//! A packet and its attachments are one thing with one state, [`SendState`]. It lies in the area as
//! `[gap][text]{[gap][attachment]}`: into each gap a WebSocket header is written, and the payload is masked in place,
//! so that neighbouring packets become one contiguous write. Until then the gap in front of an attachment keeps its
//! length.
//!
//! With another parser than JSON a packet is packed when it is accepted: it has no attachments, and its text may be binary.
//!
//! `mod.rs` has the outbox, `packet.rs` what one packet is, `queues.rs`, `ready.rs` and `retries.rs` where they wait, `push.rs` how they get in, `frames.rs`,
//! `compressed.rs` and `post.rs` how they get out, `lost.rs` what the end of a connection means for them, `encode.rs` (with
//! `alloc`) the memory for encoding, `packed.rs` packets in MessagePack, `typed.rs`
//! binary messages of Engine.IO 3.

#[cfg(feature = "deflate")]
mod compressed;
#[cfg(feature = "alloc")]
mod encode;
mod frames;
mod lost;
#[cfg(feature = "offline")]
mod offline;
#[cfg(feature = "msgpack")]
mod packed;
mod packet;
mod post;
mod push;
mod queues;
mod ready;
mod retries;
mod typed;

use crate::config::{EXTRAS, RETRIES};
use crate::handle::{AckId, NamespaceId};
use crate::memory::steps::moved;
use crate::memory::{Bytes, Index, Lane, NONE, Serial, Slab, Table};
use crate::wire::ws;
#[cfg(feature = "alloc")]
pub(crate) use encode::encoded;
#[cfg(feature = "offline")]
pub(crate) use offline::Way;
pub use packet::UnsentCause;
pub(crate) use packet::{Body, Class, Life, Meta, Packet, PushError, Staged};
use packet::{Parts, SendState};
use post::Post;
pub(crate) use post::PostError;

/// The packets of one namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    owner: NamespaceId,
    /// Until it is joined.
    waiting: Lane,
    /// Those that are sent one at a time, each until it is answered, without the one under way.
    retries: Lane,
    /// The one of them that is under way: ready, being written, or sent.
    in_flight: Index,
    #[cfg(feature = "alloc")]
    of_namespace: ready::OfNamespace,
    /// Packets and bytes of all that wait.
    held: usize,
    held_bytes: usize,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self {
        owner: NamespaceId::NONE,
        waiting: Lane::EMPTY,
        retries: Lane::EMPTY,
        in_flight: NONE,
        #[cfg(feature = "alloc")]
        of_namespace: ready::OfNamespace::NONE,
        held: 0,
        held_bytes: 0,
    };
}

impl Queue {
    /// Where a packet of the `retries` queue waits, or another.
    const fn lane(&mut self, retry: bool) -> &mut Lane {
        if RETRIES && retry {
            &mut self.retries
        } else {
            &mut self.waiting
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What is being written: packets of the lane `writing`.
#[derive(Debug)]
enum Write {
    Nothing,
    /// Contiguous frames. The first lies `skip` bytes behind the first packet's first one, which has left already with
    /// what lies between them; so many bytes from there on have been written.
    Frames {
        skip: usize,
        pos: usize,
    },
    /// One packet as frames in a buffer of their own.
    #[cfg(feature = "deflate")]
    Compressed,
    /// The body of a POST.
    Post(Post),
}

#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    mem: Bytes<'a>,
    packets: Slab<'a, Packet>,
    queues: Table<'a, Queue>,
    /// Bytes that all packets together may have.
    max: usize,
    /// Bytes that they have.
    live: usize,
    oldest: Index,
    newest: Index,
    /// Packets accepted so far.
    accepted: u64,
    /// Bytes kept free for CONNECT packets.
    reserve: usize,
    /// Ready packets: those in front of which one is still to be reported, then the others.
    ready: Lane,
    unreported: Lane,
    writing: Lane,
    given_up: Lane,
    /// The first of them is being told: it goes with the next output.
    telling: Option<Index>,
    /// Packets and bytes of those.
    doomed: (usize, usize),
    write: Write,
    scratch: post::Scratch,
    /// Events are reported before they leave.
    report: bool,
    #[cfg(feature = "alloc")]
    encoder: Option<alloc::boxed::Box<encode::Encoder>>,
    #[cfg(feature = "deflate")]
    compressor: compressed::Compressor,
    #[cfg(feature = "msgpack")]
    packing: packed::Packing,
    typed: typed::Typed,
}

impl<'a> Outbox<'a> {
    /// An empty outbox whose packets may have `max` bytes together; a growable area takes up to twice as many, so that
    /// it need not be tidied for each packet.
    pub(crate) fn new(
        mem: Bytes<'a>,
        packets: Slab<'a, Packet>,
        queues: Table<'a, Queue>,
        max: usize,
        #[cfg(feature = "msgpack")] parser: crate::Parser,
    ) -> Self {
        Self {
            mem,
            packets,
            queues,
            max,
            live: 0,
            oldest: NONE,
            newest: NONE,
            accepted: 0,
            reserve: 0,
            ready: Lane::EMPTY,
            unreported: Lane::EMPTY,
            writing: Lane::EMPTY,
            given_up: Lane::EMPTY,
            telling: None,
            doomed: (0, 0),
            write: Write::Nothing,
            scratch: post::SCRATCH,
            report: false,
            #[cfg(feature = "alloc")]
            encoder: None,
            #[cfg(feature = "deflate")]
            compressor: compressed::Compressor::default(),
            #[cfg(feature = "msgpack")]
            packing: packed::Packing::new(parser),
            typed: typed::Typed::OFF,
        }
    }

    // ---- getters ----

    /// Bytes of everything kept.
    pub(crate) const fn bytes(&self) -> usize {
        self.live
    }

    /// Packets kept.
    pub(crate) const fn len(&self) -> usize {
        self.packets.len()
    }

    /// The numbers of packets stand shortly before the end of what is kept of them, as after years.
    #[cfg(feature = "count-steps")]
    pub(crate) fn age(&mut self, left: u32) {
        self.accepted = u64::from(u32::MAX - left);
    }

    /// Packets accepted so far.
    pub(crate) const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// All packets accepted before this number have left, or their end is told.
    #[allow(clippy::unnecessary_cast)] // Not where a serial has 32 bits.
    pub(crate) fn written(&self) -> u64 {
        let since = self.packets.get(self.oldest).map_or(0, |packet| {
            (self.accepted as Serial).wrapping_sub(packet.number)
        });
        self.accepted - since as u64
    }

    /// Whether something may leave.
    pub(crate) const fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether events wait to be reported before they leave, or something waits behind them.
    pub(crate) const fn has_reports(&self) -> bool {
        EXTRAS && !self.unreported.is_empty()
    }

    /// Whether something leaves, or is about to, so that there will be more room.
    pub(crate) const fn is_flowing(&self) -> bool {
        !self.ready.is_empty() || self.has_reports() || !self.writing.is_empty()
    }

    /// Whether more than one write's worth waits: too much for a volatile packet to join.
    pub(crate) const fn has_backlog(&self) -> bool {
        self.live > crate::limits::BATCH
    }

    /// Whether a write is in progress.
    pub(crate) const fn is_writing(&self) -> bool {
        !matches!(self.write, Write::Nothing)
    }

    /// Whether frames are being written.
    pub(crate) const fn is_framing(&self) -> bool {
        match self.write {
            Write::Frames { .. } => true,
            #[cfg(feature = "deflate")]
            Write::Compressed => true,
            _ => false,
        }
    }

    /// Whether a packet has left in part, in a POST that is over, and the rest of it is to follow.
    pub(crate) const fn is_partly_sent(&self) -> bool {
        !self.writing.is_empty() && !self.is_writing()
    }

    /// Whether some frame has been written in part.
    pub(crate) const fn is_in_frame(&self) -> bool {
        match self.write {
            Write::Frames { pos, .. } => pos > 0 || self.typed.is_in_message(),
            #[cfg(feature = "deflate")]
            Write::Compressed => self.compressor.is_in_message(),
            _ => false,
        }
    }

    /// Whether the packet of an acknowledgement is here and nothing of it has left on this connection.
    pub(crate) fn is_unsent(&self, packet: Index, ack: AckId) -> bool {
        self.of_ack(packet, ack).is_some_and(|packet| {
            matches!(
                packet.state,
                SendState::Waiting | SendState::Unreported | SendState::Ready
            )
        })
    }

    /// Whether the packet of an acknowledgement waits for its namespace or its turn.
    pub(crate) fn is_waiting(&self, packet: Index, ack: AckId) -> bool {
        self.of_ack(packet, ack)
            .is_some_and(|packet| packet.state == SendState::Waiting)
    }

    /// Whether the packet of an acknowledgement has been written whole, or is being written.
    pub(crate) fn is_sent(&self, packet: Index, ack: AckId) -> bool {
        self.of_ack(packet, ack)
            .is_none_or(|packet| match packet.state {
                SendState::Writing | SendState::Sent => true,
                SendState::Waiting | SendState::Unreported | SendState::Ready => packet.was_sent(),
                SendState::GivenUp => false,
            })
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn of_ack(&self, packet: Index, ack: AckId) -> Option<&Packet> {
        self.packets
            .get(packet)
            .filter(|packet| packet.ack == Some(ack))
    }

    /// The text and the attachments of a packet, as ranges of the area.
    fn parts(&self, packet: &Packet) -> Parts<'_> {
        let framed =
            packet.state == SendState::Writing && matches!(self.write, Write::Frames { .. });
        Parts {
            mem: self.mem.get(),
            framed_from: if framed { packet.first() } else { u16::MAX },
            part: 0,
            at: packet.start(),
            next: Some(packet.text as usize),
            attachments: packet.attachments(),
        }
    }

    /// How far the first frame that has not left yet lies behind the packet's first one.
    fn skipped(&self, packet: &Packet) -> usize {
        if packet.first() == 0 {
            return 0;
        }
        let before = self.parts(packet).nth(usize::from(packet.first()) - 1);
        before.map_or(0, |part| part.end - packet.frame())
    }

    fn bytes_of(&self, range: core::ops::Range<usize>) -> &[u8] {
        self.mem.get().get(range).unwrap_or_default()
    }

    /// Whether packets are packed as binary messages.
    #[cfg(not(feature = "msgpack"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    const fn packs_binary(&self) -> bool {
        false
    }

    /// What the first message of a packet is.
    const fn opcode(&self) -> u8 {
        if self.packs_binary() {
            ws::BINARY
        } else {
            ws::TEXT
        }
    }

    /// The JSON of a packet's text, as bytes; of a packed one its data as it is.
    fn json_bytes(&self, i: Index) -> &[u8] {
        let Some(packet) = self.packets.get(i) else {
            return &[];
        };
        let start = packet.start();
        self.bytes_of(start + packet.prefix as usize..start + packet.text as usize)
    }

    /// The text of a packet behind its prefix, and its bytes on the wire without framing. Of a packed one the packet that
    /// has been shown last.
    pub(crate) fn json(&self, i: Index) -> (&str, usize) {
        let Some(packet) = self.packets.get(i) else {
            return ("[]", 0);
        };
        let bytes = self.parts(packet).map(|part| part.len()).sum();
        #[cfg(feature = "msgpack")]
        if self.packs() {
            return (self.shown().text(), bytes);
        }
        let json = self.json_bytes(i);
        (core::str::from_utf8(json).unwrap_or("[]"), bytes)
    }

    /// The attachments of a packet, in order; as for [`Self::json`].
    pub(crate) fn attachments(&self, i: Index) -> impl Iterator<Item = &[u8]> {
        let parts = self.packets.get(i).map(|packet| self.parts(packet));
        let attachments = parts
            .into_iter()
            .flatten()
            .skip(1)
            .map(|part| self.bytes_of(part));
        #[cfg(feature = "msgpack")]
        let attachments = attachments.chain(self.shown().attachments().iter());
        attachments
    }

    // ---- reports ----

    /// Whether events are reported before they leave.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(crate) const fn set_report(&mut self, on: bool) {
        self.report = on;
    }

    /// The next event to be reported; it may leave now. Packets in front of it that are not reported may as well.
    pub(crate) fn next_report(&mut self) -> Option<(Index, NamespaceId)> {
        while EXTRAS && let Some(i) = self.packets.pop_front(&mut self.unreported) {
            self.packets.push_back(&mut self.ready, i);
            if let Some(packet) = self.packets.get_mut(i) {
                packet.state = SendState::Ready;
                if core::mem::take(&mut packet.report) {
                    return Some((i, packet.nsp));
                }
            }
        }
        None
    }

    /// The next packet that was given up and has to be told: its namespace and why. [`Self::told`] releases it.
    pub(crate) fn next_given_up(&mut self) -> Option<(Index, NamespaceId, UnsentCause)> {
        let i = self.given_up.head()?;
        let packet = self.packets.get(i)?;
        self.telling = Some(i);
        Some((i, packet.nsp, packet.cause))
    }

    /// Whether packets were given up and have to be told.
    pub(crate) const fn has_given_up(&self) -> bool {
        self.given_up.head().is_some()
    }

    /// The application knows of the packet that was given up: what it was told of last, if it was.
    #[inline]
    pub(crate) fn told(&mut self) {
        if let Some(i) = self.telling.take() {
            self.forget_given_up(i);
        }
    }

    fn forget_given_up(&mut self, i: Index) {
        if self
            .packets
            .get(i)
            .is_some_and(|packet| packet.state == SendState::GivenUp)
        {
            let size = self.packets.get(i).map_or(0, |packet| packet.size as usize);
            self.packets.unlink(&mut self.given_up, i);
            self.doomed.0 -= 1;
            self.doomed.1 -= size;
            self.remove(i);
        }
    }

    /// Gives a packet up that is in no lane. If somebody waits for its answer, that tells the end: it goes at once.
    fn give_up(&mut self, i: Index, cause: UnsentCause) {
        let Some(packet) = self.packets.get_mut(i) else {
            return;
        };
        if packet.ack.is_some() {
            if matches!(cause, UnsentCause::Interrupted | UnsentCause::TooLarge) {
                self.drop_unsent(i);
            } else {
                self.remove(i);
            }
            return;
        }
        packet.state = SendState::GivenUp;
        packet.cause = cause;
        self.doomed.0 += 1;
        self.doomed.1 += packet.size as usize;
        self.packets.push_back(&mut self.given_up, i);
    }

    /// Drops a packet that is in no lane and has not left whole. One whose answer is waited for is kept until that fails,
    /// which it does in the same call ([`Self::abandon`]): else it would be taken for one that has been written.
    fn drop_unsent(&mut self, i: Index) {
        match self.packets.get_mut(i) {
            Some(packet) if packet.ack.is_some() => packet.state = SendState::GivenUp,
            _ => self.remove(i),
        }
    }

    // ---- room ----

    /// Removes a packet that is in no lane.
    fn remove(&mut self, i: Index) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        let (older, newer) = (packet.older, packet.newer);
        self.live -= packet.size as usize;
        self.packets.discard(i);
        match self.packets.get_mut(older) {
            Some(packet) => packet.newer = newer,
            None => self.oldest = newer,
        }
        match self.packets.get_mut(newer) {
            Some(packet) => packet.older = older,
            None => self.newest = older,
        }
    }

    /// Where the next packet would lie.
    fn tail(&self) -> usize {
        self.packets.get(self.newest).map_or(0, Packet::end)
    }

    /// Room for `bytes` more at the tail.
    fn ensure(&mut self, bytes: usize) -> bool {
        let tail = self.tail();
        if tail + bytes <= self.mem.len() {
            return true;
        }
        // Tidied when at least half is dead, grown otherwise: amortised constant work.
        if self.live * 2 > tail && self.mem.grow(tail + bytes) {
            return true;
        }
        self.compact();
        self.mem.grow(self.tail() + bytes)
    }

    /// Moves all packets together.
    fn compact(&mut self) {
        let mut to = 0;
        let mut at = self.oldest;
        while let Some(packet) = self.packets.get_mut(at) {
            let (from, end) = (packet.area as usize, packet.end());
            packet.area = to as u32;
            at = packet.newer;
            if from != to {
                moved(end - from);
                self.mem.get_mut().copy_within(from..end, to);
            }
            to += end - from;
        }
    }

    /// Gives memory back while nothing is kept.
    pub(crate) fn shrink(&mut self) {
        if self.packets.is_empty() {
            #[cfg(feature = "deflate")]
            self.compressor.shrink();
            self.mem.shrink();
            self.packets.shrink();
        }
    }
}
