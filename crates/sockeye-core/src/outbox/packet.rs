//! What one packet is in the outbox: its state, its kind, where it lies, and what it is accepted from.

use crate::config::{BINARY, RETRIES};
use crate::handle::{AckId, NamespaceId};
use crate::memory::steps::step;
use crate::memory::{Empty, Index, NONE, Serial, records};
use crate::message::message;
#[cfg(any(feature = "alloc", feature = "extras"))]
use crate::packet::Attachments;
use crate::wire::ws;

#[cfg(feature = "alloc")]
use super::ready;

/// Where a packet is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendState {
    /// It waits until its namespace is joined, or (in a `retries` queue) for its turn.
    Waiting,
    /// It may leave, and the application wants to see it before.
    Unreported,
    /// It may leave.
    Ready,
    /// It is being written: framed and masked as a part of [`super::Write::Frames`], or in the body of [`super::Write::Post`].
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
    pub(super) const fn is_answered(self) -> bool {
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
    /// It was volatile, and the connection could not take it at once. Told by drivers that accept a packet before they know
    /// that; where it is known at the call, that fails with [`EmitError::NotWritable`](crate::EmitError::NotWritable).
    NotWritable,
    /// It could not be written: the parser refused it, or it found no room. The log says why. Told by drivers that
    /// accept a packet before they know that; where it is known at the call, that fails. Also of a packet of the `retries`
    /// queue that a parser of the application's cannot write under the number of a later try (see
    /// `PacketParser::encode`).
    Unwritable,
    /// Its namespace was forgotten before it could be sent (`Client::forget`, feature `extras`): the last handle of one that
    /// was not joined is gone, or the connection broke after that.
    Forgotten,
}

impl core::fmt::Display for UnsentCause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Interrupted => {
                message!("U1", "the connection broke twice while it was being sent (is it larger than the server accepts, or too large for the link?)")
            }
            Self::TooLarge => {
                message!("U2", "the server refuses packets of this size (HTTP 413): see its maxHttpBufferSize, or its proxy's limit")
            }
            Self::Refused => message!("U3", "the server answered the request that carried it with an error"),
            Self::Unanswered => message!("U4", "it was sent as often as `retries` allows, and never acknowledged"),
            Self::NoRoom => {
                message!("U5", "its room in the send buffer was needed for a CONNECT packet: enlarge the buffer")
            }
            Self::Unwritable => message!("U6", "the parser refused it, or there was no room for it (the log says which)"),
            Self::Forgotten => message!("U8", "its namespace was given up before it could be sent"),
            Self::NotWritable => message!("U7", "it was volatile, and the connection could not take it at once"),
        })
    }
}

/// A packet with its attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// The how-manieth accepted one it is.
    pub(super) number: Serial,
    /// Where its area begins, and how many bytes that has.
    pub(super) area: u32,
    pub(super) size: u32,
    /// Spare bytes in front of the text.
    pub(super) gap: u16,
    /// Bytes of the packet prefix at the front of the text.
    pub(super) prefix: u16,
    pub(super) text: u32,
    pub(super) attachments: u16,
    /// How often it has been written before, whole or in part.
    pub(super) tries: u32,
    pub(super) by_post: ByPost,
    pub(super) state: SendState,
    pub(super) class: Class,
    pub(super) life: Life,
    pub(super) cause: UnsentCause,
    /// Being written, but a further try is due already.
    pub(super) again: bool,
    /// The application wants to see it before it leaves.
    pub(super) report: bool,
    /// It leaves as it is, whatever has been agreed on.
    #[cfg(feature = "deflate")]
    pub(super) uncompressed: bool,
    pub(super) nsp: NamespaceId,
    /// Who waits for its answer.
    pub(super) ack: Option<AckId>,
    /// Its neighbours in the order of acceptance, which is that of the area.
    pub(super) older: Index,
    pub(super) newer: Index,
    #[cfg(feature = "alloc")]
    pub(super) neighbours: ready::Neighbours,
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
        tries: 0,
        by_post: ByPost::NONE,
        state: SendState::Waiting,
        class: Class::Event,
        life: Life::Written,
        cause: UnsentCause::Interrupted,
        again: false,
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
    pub(super) const fn start(&self) -> usize {
        self.area as usize + self.gap as usize
    }

    /// Whether it has been interrupted, or soon counts so: in a POST of its own it takes no other with it.
    pub(super) const fn was_in_trouble(&self) -> bool {
        self.tries > 0 || self.by_post.not_taken() > 1
    }

    /// Whether it has been sent before, and waits for another try.
    pub(super) const fn was_sent(&self) -> bool {
        self.life.is_answered() && self.tries > 0
    }

    /// The first part that has not left yet.
    pub(super) const fn first(&self) -> u16 {
        self.by_post.first()
    }

    /// How many attachments it has.
    pub(super) const fn attachments(&self) -> u16 {
        if BINARY { self.attachments } else { 0 }
    }

    pub(super) const fn end(&self) -> usize {
        self.area as usize + self.size as usize
    }

    /// Where its first frame begins.
    pub(super) const fn frame(&self) -> usize {
        self.start() - ws::header_len(self.text as usize)
    }
}

/// What only POSTs want to know of a packet; nothing of it is in a build without them.
#[cfg(feature = "polling")]
#[derive(Clone, Copy, Debug)]
pub(super) struct ByPost {
    /// The first part that has not left yet: POSTs may carry a packet in portions.
    first: u16,
    /// How often a POST with it was answered as if it had not been taken.
    not_taken: u8,
    /// Its attachments are base64 text already.
    base64: bool,
}

#[cfg(feature = "polling")]
impl ByPost {
    const NONE: Self = Self::new(false);

    pub(super) const fn new(base64: bool) -> Self {
        Self {
            first: 0,
            not_taken: 0,
            base64,
        }
    }

    const fn first(self) -> u16 {
        self.first
    }

    pub(super) const fn set_first(&mut self, first: u16) {
        self.first = first;
    }

    pub(super) const fn not_taken(self) -> u8 {
        self.not_taken
    }

    pub(super) const fn count_not_taken(&mut self) {
        self.not_taken += 1;
    }

    pub(super) const fn is_base64(self) -> bool {
        self.base64
    }
}

/// What only POSTs want to know of a packet: nothing, in a build without them.
#[cfg(not(feature = "polling"))]
#[derive(Clone, Copy, Debug)]
pub(super) struct ByPost;

#[cfg(not(feature = "polling"))]
#[allow(clippy::unused_self, reason = "as with the feature")]
impl ByPost {
    const NONE: Self = Self;

    pub(super) const fn new(_: bool) -> Self {
        Self
    }

    const fn first(self) -> u16 {
        0
    }

    pub(super) const fn set_first(&mut self, _: u16) {}

    pub(super) const fn not_taken(self) -> u8 {
        0
    }

    pub(super) const fn count_not_taken(&mut self) {}

    pub(super) const fn is_base64(self) -> bool {
        false
    }
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
    #[cfg(any(feature = "alloc", feature = "extras"))]
    Bytes(&'b [u8], Attachments<'b>),
    /// In the area already: see [`super::Outbox::stage`].
    Staged(Staged),
    Parts(&'b [&'b str]),
    /// In MessagePack, with so many binary values in it. Only where that is the parser.
    #[cfg(feature = "msgpack")]
    Packed(&'b [u8], usize),
}

impl Body<'_> {
    pub(crate) const EMPTY: Self = Self::Parts(&[]);

    /// Bytes of JSON and attachments.
    pub(crate) fn len(&self) -> usize {
        match self {
            #[cfg(any(feature = "alloc", feature = "extras"))]
            Self::Bytes(json, attachments) => json.len() + attachments.as_records().len(),
            Self::Staged(staged) if BINARY => staged.json_len + staged.rest,
            Self::Staged(staged) => staged.json_len,
            Self::Parts(parts) => parts.iter().map(|part| part.len()).sum(),
            #[cfg(feature = "msgpack")]
            Self::Packed(data, _) => data.len(),
        }
    }

    pub(crate) const fn attachments(&self) -> usize {
        match self {
            #[cfg(any(feature = "alloc", feature = "extras"))]
            Self::Bytes(_, attachments) => attachments.len(),
            Self::Staged(staged) if BINARY => staged.count,
            Self::Staged(_) => 0,
            Self::Parts(_) => 0,
            #[cfg(feature = "msgpack")]
            Self::Packed(_, binaries) => *binaries,
        }
    }
}

/// Where [`super::Outbox::stage`] left a packet. Only valid until anything else happens to the outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staged {
    pub(super) from: usize,
    pub(super) json_len: usize,
    /// Bytes of the attachments behind the JSON, gaps included.
    pub(super) rest: usize,
    pub(super) count: usize,
}

/// The outbox cannot take the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// Not now: too much is waiting.
    Full,
    /// Never: larger than the whole area.
    TooLarge,
    /// It cannot be packed: why.
    #[cfg(feature = "msgpack")]
    Malformed(&'static str),
}

/// The parts of a packet: its text, then its attachments.
pub(super) struct Parts<'p> {
    pub(super) mem: &'p [u8],
    /// From this part on they are framed.
    pub(super) framed_from: u16,
    pub(super) part: u16,
    pub(super) at: usize,
    /// The length of the part at `at`.
    pub(super) next: Option<usize>,
    pub(super) attachments: u16,
}

impl Iterator for Parts<'_> {
    type Item = core::ops::Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        step(1);
        let len = self.next?;
        let part = self.at..self.at + len;
        self.next = None;
        if BINARY && self.part < self.attachments {
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
