//! Packets accepted for sending. The outbox keeps packets, not frames: framing happens when a packet is about to be
//! written, so that unsent packets survive an upgrade and a reconnect.
//!
//! A packet and its attachments are one thing with one state, [`SendState`]. It lies in the area as
//! `[gap][text]{[gap][attachment]}`: into each gap a WebSocket header is written, and the payload is masked in place,
//! so that neighbouring packets become one contiguous write. Until then the gap in front of an attachment keeps its
//! length.
//!
//! With `Parser::MessagePack` a packet is packed when it is accepted: it has no attachments, and its text is binary.
//!
//! `mod.rs` has the packets, `queues.rs`, `ready.rs` and `retries.rs` where they wait, `push.rs` how they get in, `frames.rs`,
//! `compressed.rs` and `post.rs` how they get out, `lost.rs` what the end of a connection means for them, `encode.rs` (with
//! `alloc`) the memory for encoding, `packed.rs` packets in MessagePack.

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
mod post;
mod push;
mod queues;
mod ready;
mod retries;

use crate::config::RETRIES;
use crate::handle::{AckId, NamespaceId};
use crate::memory::steps::{moved, step};
use crate::memory::{Bytes, Empty, Index, Lane, NONE, Serial, Slab, Table, records};
use crate::packet::Attachments;
use crate::wire::ws;
#[cfg(feature = "alloc")]
pub(crate) use encode::encoded;
#[cfg(feature = "offline")]
pub(crate) use offline::Way;
use post::Post;
pub(crate) use post::PostError;

/// Where a packet is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendState {
    /// It waits until its namespace is joined, or (in a `retries` queue) for its turn.
    Waiting,
    /// It may leave, and the application wants to see it before.
    Unreported,
    /// It may leave.
    Ready,
    /// It is being written: framed and masked as a part of [`Write::Frames`], or in the body of [`Write::Post`].
    Writing,
    /// It has been written, and is kept for another try until its answer comes.
    Sent,
    /// It will not be sent: the application is to be told.
    GivenUp,
}

/// How long a packet means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    /// On this connection only: answers, CONNECT, DISCONNECT, volatile events.
    Connection,
    /// Until it has been written once.
    #[default]
    Written,
    /// Until it has been answered: the `retries` queue.
    Answered,
}

impl Life {
    const fn is_answered(self) -> bool {
        RETRIES && matches!(self, Self::Answered)
    }
}

/// What a packet may take of the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Class {
    /// CONNECT and DISCONNECT always find room.
    Control,
    /// Answers find room where events do not any more.
    Answer,
    #[default]
    Event,
}

/// Why a packet was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UnsentCause {
    /// The connection broke twice while it was being written, so that it cannot be what the server, the network or the
    /// heartbeat let through: smaller packets may.
    Interrupted,
    /// The server refused it with HTTP status 413: it is larger than the server accepts.
    TooLarge,
    /// The server answered the POST that carried it with an error. What it made of the packet nobody knows, so that it is
    /// not sent again.
    Refused,
    /// It was sent as often as `NspOptions::retries` allows, and never acknowledged.
    Unanswered,
    /// Its room was needed for a CONNECT packet, without which nothing can be sent at all: enlarge the send buffer.
    NoRoom,
}

impl core::fmt::Display for UnsentCause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Interrupted => {
                "the connection broke twice while it was being sent (is it larger than the server accepts, or too large for the link?)"
            }
            Self::TooLarge => {
                "the server refuses packets of this size (HTTP 413): see its maxHttpBufferSize, or its proxy's limit"
            }
            Self::Refused => "the server answered the request that carried it with an error",
            Self::Unanswered => "it was sent as often as `retries` allows, and never acknowledged",
            Self::NoRoom => {
                "its room in the send buffer was needed for a CONNECT packet: enlarge the buffer"
            }
        })
    }
}

/// A packet with its attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// The how-manieth accepted one it is.
    number: Serial,
    /// Where its area begins, and how many bytes that has.
    area: u32,
    size: u32,
    /// Spare bytes in front of the text.
    gap: u16,
    /// Bytes of the packet prefix at the front of the text.
    prefix: u16,
    text: u32,
    attachments: u16,
    /// The first part that has not left yet: POSTs may carry a packet in portions.
    first: u16,
    /// How often it has been written before, whole or in part.
    tries: u32,
    /// How often a POST with it was answered as if it had not been taken.
    not_taken: u8,
    state: SendState,
    class: Class,
    life: Life,
    cause: UnsentCause,
    /// Being written, but a further try is due already.
    again: bool,
    /// Its attachments are base64 text already.
    base64: bool,
    /// The application wants to see it before it leaves.
    report: bool,
    /// It leaves as it is, whatever has been agreed on.
    #[cfg(feature = "deflate")]
    uncompressed: bool,
    nsp: NamespaceId,
    /// Who waits for its answer.
    ack: Option<AckId>,
    /// Its neighbours in the order of acceptance, which is that of the area.
    older: Index,
    newer: Index,
    #[cfg(feature = "alloc")]
    neighbours: ready::Neighbours,
}

impl Empty for Packet {
    const EMPTY: Self = Self {
        number: 0,
        area: 0,
        size: 0,
        gap: 0,
        prefix: 0,
        text: 0,
        attachments: 0,
        first: 0,
        tries: 0,
        not_taken: 0,
        state: SendState::Waiting,
        class: Class::Event,
        life: Life::Written,
        cause: UnsentCause::Interrupted,
        again: false,
        base64: false,
        report: false,
        #[cfg(feature = "deflate")]
        uncompressed: false,
        nsp: NamespaceId::NONE,
        ack: None,
        older: NONE,
        newer: NONE,
        #[cfg(feature = "alloc")]
        neighbours: ready::Neighbours::NONE,
    };
}

impl Packet {
    const fn start(&self) -> usize {
        self.area as usize + self.gap as usize
    }

    /// Whether it has been interrupted, or soon counts so: in a POST of its own it takes no other with it.
    const fn was_in_trouble(&self) -> bool {
        self.tries > 0 || self.not_taken > 1
    }

    const fn end(&self) -> usize {
        self.area as usize + self.size as usize
    }

    /// Where its first frame begins.
    const fn frame(&self) -> usize {
        self.start() - ws::header_len(self.text as usize)
    }
}

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

/// How a packet behaves in the outbox.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) class: Class,
    pub(crate) life: Life,
    pub(crate) ack: Option<AckId>,
    /// Its namespace is joined, or it needs none.
    pub(crate) ready: bool,
    /// Other namespaces want to send as well: leave some room to them.
    pub(crate) shared: bool,
    /// It is not to be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) uncompressed: bool,
}

/// The JSON part of a packet, and its attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'b> {
    Bytes(&'b [u8], Attachments<'b>),
    /// In the area already: see [`Outbox::stage`].
    Staged(Staged),
    Parts(&'b [&'b str]),
}

impl Body<'_> {
    pub(crate) const EMPTY: Self = Self::Parts(&[]);

    /// Bytes of JSON and attachments.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(json, attachments) => json.len() + attachments.as_records().len(),
            Self::Staged(staged) => staged.json_len + staged.rest,
            Self::Parts(parts) => parts.iter().map(|part| part.len()).sum(),
        }
    }

    pub(crate) const fn attachments(&self) -> usize {
        match self {
            Self::Bytes(_, attachments) => attachments.len(),
            Self::Staged(staged) => staged.count,
            Self::Parts(_) => 0,
        }
    }
}

/// Where [`Outbox::stage`] left a packet. Only valid until anything else happens to the outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staged {
    from: usize,
    json_len: usize,
    /// Bytes of the attachments behind the JSON, gaps included.
    rest: usize,
    count: usize,
}

/// The outbox cannot take the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// Not now: too much is waiting.
    Full,
    /// Never: larger than the whole area.
    TooLarge,
    /// It is not JSON, and so cannot be packed.
    #[cfg(feature = "msgpack")]
    Malformed,
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
    /// Packets and bytes of those.
    doomed: (usize, usize),
    write: Write,
    scratch: post::Scratch,
    /// Events are reported before they leave.
    report: bool,
    #[cfg(feature = "alloc")]
    encoder: encode::Encoder,
    #[cfg(feature = "deflate")]
    compressor: compressed::Compressor,
    #[cfg(feature = "msgpack")]
    packing: packed::Packing,
}

impl<'a> Outbox<'a> {
    /// An empty outbox whose packets may have `max` bytes together; a growable area takes up to twice as many, so that
    /// it need not be tidied for each packet.
    pub(crate) fn new(
        mem: Bytes<'a>,
        packets: Slab<'a, Packet>,
        queues: Table<'a, Queue>,
        max: usize,
        #[cfg(feature = "msgpack")] packs: bool,
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
            doomed: (0, 0),
            write: Write::Nothing,
            scratch: post::SCRATCH,
            report: false,
            #[cfg(feature = "alloc")]
            encoder: encode::Encoder::new(),
            #[cfg(feature = "deflate")]
            compressor: compressed::Compressor::default(),
            #[cfg(feature = "msgpack")]
            packing: packed::Packing::new(packs),
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

    /// Whether something leaves, or is about to, so that there will be more room.
    pub(crate) const fn is_flowing(&self) -> bool {
        !self.ready.is_empty() || !self.unreported.is_empty() || !self.writing.is_empty()
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
            Write::Frames { pos, .. } => pos > 0,
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
            framed_from: if framed { packet.first } else { u16::MAX },
            part: 0,
            at: packet.start(),
            next: Some(packet.text as usize),
            attachments: packet.attachments,
        }
    }

    /// How far the first frame that has not left yet lies behind the packet's first one.
    fn skipped(&self, packet: &Packet) -> usize {
        if packet.first == 0 {
            return 0;
        }
        let before = self.parts(packet).nth(usize::from(packet.first) - 1);
        before.map_or(0, |part| part.end - packet.frame())
    }

    fn bytes_of(&self, range: core::ops::Range<usize>) -> &[u8] {
        self.mem.get().get(range).unwrap_or_default()
    }

    /// Whether packets are packed, and no text.
    #[cfg(not(feature = "msgpack"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    const fn packs(&self) -> bool {
        false
    }

    /// What the first message of a packet is.
    const fn opcode(&self) -> u8 {
        if self.packs() { ws::BINARY } else { ws::TEXT }
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
    pub(crate) const fn set_report(&mut self, on: bool) {
        self.report = on;
    }

    /// The next event to be reported; it may leave now. Packets in front of it that are not reported may as well.
    pub(crate) fn next_report(&mut self) -> Option<(Index, NamespaceId)> {
        while let Some(i) = self.packets.pop_front(&mut self.unreported) {
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
    pub(crate) fn next_given_up(&self) -> Option<(Index, NamespaceId, UnsentCause)> {
        let i = self.given_up.head()?;
        let packet = self.packets.get(i)?;
        Some((i, packet.nsp, packet.cause))
    }

    /// The application knows that the packet was given up.
    pub(crate) fn told(&mut self, i: Index) {
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
            self.remove(i);
            return;
        }
        packet.state = SendState::GivenUp;
        packet.cause = cause;
        self.doomed.0 += 1;
        self.doomed.1 += packet.size as usize;
        self.packets.push_back(&mut self.given_up, i);
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

/// The parts of a packet: its text, then its attachments.
struct Parts<'p> {
    mem: &'p [u8],
    /// From this part on they are framed.
    framed_from: u16,
    part: u16,
    at: usize,
    /// The length of the part at `at`.
    next: Option<usize>,
    attachments: u16,
}

impl Iterator for Parts<'_> {
    type Item = core::ops::Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        step(1);
        let len = self.next?;
        let part = self.at..self.at + len;
        self.next = None;
        if self.part < self.attachments {
            self.part += 1;
            let gap = part.end;
            let len = if self.part >= self.framed_from {
                ws::read_header(self.mem.get(gap..)?)?.1
            } else {
                records::get_u32(self.mem, gap)? as usize
            };
            self.at = gap + ws::header_len(len);
            self.next = Some(len);
        }
        Some(part)
    }
}
