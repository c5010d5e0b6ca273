//! The seam for parsers: what stands between Socket.IO's packets and the messages of Engine.IO.

use alloc::vec::Vec;
use core::fmt::Debug;

use super::socket::{Kind, Prefix};
use super::{Attachments, Packet, PacketError};
use crate::memory::records::put_u32;

/// More memory than this is not kept from one packet to the next.
pub(super) const KEEP: usize = 16 << 10;

/// How much longer a packet may become by the number that a later try gives it.
pub(crate) const ID_SLACK: usize = 64;

/// One message of Engine.IO: on a WebSocket a message of its own, by long-polling a part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireMessage<'m> {
    /// Text.
    Text(&'m str),
    /// Bytes; by long-polling they travel as base64.
    Binary(&'m [u8]),
}

/// A parser of one's own, as `parser` of the official client and server takes one: both sides have to have the same.
/// [`Parser::Custom`](crate::Parser::Custom) chooses it.
///
/// A packet becomes one message. The client works with JSON text and attachments: types are read and written by serde as
/// always, and the parser translates at the edge. (The one in MessagePack that comes with this library is known to the
/// client, so that its arguments need no text in between.)
///
/// ```
/// use sockeye_core::Parser;
/// use sockeye_core::packet::{Decoded, Kind, Packet, PacketError, PacketParser, WireMessage};
///
/// /// The type as a digit, the number or nothing, the namespace, and the data, each behind a semicolon. No binary.
/// #[derive(Debug)]
/// struct Semicolons;
///
/// impl PacketParser for Semicolons {
///     fn is_binary(&self) -> bool {
///         false
///     }
///
///     fn encode(&self, packet: &Packet<'_>, attachments: &[&[u8]], out: &mut Vec<u8>) -> Result<(), &'static str> {
///         if !attachments.is_empty() {
///             return Err("this parser carries no binary data");
///         }
///         let id = packet.id.map_or(String::new(), |id| id.to_string());
///         let kind = char::from(packet.kind.digit());
///         out.extend_from_slice(format!("{kind};{id};{};{}", packet.nsp, packet.data).as_bytes());
///         Ok(())
///     }
///
///     fn decode(&self, message: WireMessage<'_>, out: &mut Decoded) -> Result<(), PacketError> {
///         let bad = |reason| PacketError::Parser { reason };
///         let WireMessage::Text(text) = message else { return Err(bad("it is binary")) };
///         let mut parts = text.splitn(4, ';');
///         let mut next = || parts.next().ok_or(bad("a part is missing"));
///         let kind = Kind::of_digit(next()?).ok_or(bad("the type is none"))?;
///         let id = next()?;
///         let id = (!id.is_empty()).then(|| id.parse()).transpose().map_err(|_| bad("the number is none"))?;
///         let packet = Packet { kind, id, nsp: next()?, attachments: 0, data: next()? };
///         out.set(&packet, &[]);
///         Ok(())
///     }
/// }
///
/// static SEMICOLONS: Semicolons = Semicolons;
/// let parser = Parser::Custom(&SEMICOLONS);
/// # let mut decoded = Decoded::new();
/// # SEMICOLONS.decode(WireMessage::Text("2;7;/chat;[\"a\"]"), &mut decoded).unwrap();
/// # assert_eq!(decoded.text(), "2/chat,7[\"a\"]");
/// # let _ = parser;
/// ```
pub trait PacketParser: Debug + Send + Sync {
    /// Whether it writes binary messages, and not text. (It may read both.)
    fn is_binary(&self) -> bool;

    /// Appends the packet to `out`, which is empty: UTF-8, unless [`is_binary`](Self::is_binary). The type is one of
    /// `Connect`, `Disconnect`, `Event`, `Ack`, `ConnectError`; a placeholder `{"_placeholder":true,"num":n}` in the
    /// data stands for `attachments[n]`.
    ///
    /// It has to give the same for the same packet, and takes at most three times the bytes of the data and 64 more.
    /// Packets of the `retries` queue get a number when they are sent, a new one each time: that may make them at most
    /// 64 bytes longer. One that becomes longer than that, or cannot be written, is given up: its acknowledgement fails as
    /// [`Dropped`](crate::AckError::Dropped), or without one that is told as
    /// [`Unwritable`](crate::UnsentCause::Unwritable).
    ///
    /// # Errors
    /// Why it cannot be written: the emit fails with that.
    fn encode(
        &self,
        packet: &Packet<'_>,
        attachments: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str>;

    /// Reads a message, and gives the packet to [`Decoded::set`]. It is then checked as if it had come as text: its data has to
    /// be JSON, and it has to be within the limits. What a parser makes room for meanwhile, it has to bound itself. A message
    /// for which it sets nothing is passed over.
    ///
    /// # Errors
    /// What is wrong with it: [`PacketError::Parser`], or another one that fits. The connection is closed then, with
    /// the reason `parse error`.
    fn decode(&self, message: WireMessage<'_>, out: &mut Decoded) -> Result<(), PacketError>;
}

/// A packet as the usual parser would have sent it: its text, and its attachments. The memory is used again.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The text, from `from` on.
    pub(super) buf: Vec<u8>,
    pub(super) from: usize,
    pub(super) records: Vec<u8>,
    pub(super) count: u32,
}

impl Decoded {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            buf: Vec::new(),
            from: 0,
            records: Vec::new(),
            count: 0,
        }
    }

    /// Takes a packet: its data is JSON, with a placeholder for each of the attachments. Whether their types say so
    /// (`BinaryEvent`) makes no difference.
    pub fn set(&mut self, packet: &Packet<'_>, attachments: &[&[u8]]) {
        self.clear();
        self.count = u32::try_from(attachments.len()).unwrap_or(u32::MAX);
        let prefix = Prefix {
            kind: packet.kind.with_attachments(!attachments.is_empty()),
            attachments: attachments.len(),
            nsp: packet.nsp,
            id: packet.id,
        };
        self.buf.resize(prefix.len(), 0);
        prefix.write(&mut self.buf);
        // Without the type of Engine.IO.
        self.from = 1;
        self.buf.extend_from_slice(packet.data.as_bytes());
        for bytes in attachments {
            let at = self.records.len();
            self.records.resize(at + 4, 0);
            put_u32(&mut self.records, at, bytes.len() as u32);
            self.records.extend_from_slice(bytes);
        }
    }

    /// The text of the packet: `2["event",…]`, as [`Packet::parse`] takes it.
    pub fn text(&self) -> &str {
        core::str::from_utf8(self.bytes()).unwrap_or("")
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buf.get(self.from..).unwrap_or_default()
    }

    /// Its attachments.
    pub fn attachments(&self) -> Attachments<'_> {
        Attachments::new(&self.records, self.count as usize)
    }

    pub(super) fn clear(&mut self) {
        self.buf.clear();
        self.from = 0;
        self.records.clear();
        self.count = 0;
    }

    /// Gives large memory back.
    pub(crate) fn tidy(&mut self) {
        if self.buf.capacity() + self.records.capacity() > KEEP {
            *self = Self::new();
        }
    }

    /// Takes what a parser of the application's has written, and shows its data alone.
    pub(crate) fn show_custom(&mut self, parser: &dyn PacketParser, message: &[u8]) {
        let shown = read(parser, message, parser.is_binary(), self).is_ok();
        let data = Packet::parse(self.text(), u16::MAX).map_or(0, |packet| packet.data.len());
        debug_assert!(shown, "what a parser has written it can read");
        if shown && data > 0 {
            self.from = self.buf.len() - data;
        } else {
            self.clear();
            self.buf.extend_from_slice(b"[]");
        }
    }

    /// The packet that has been decoded last.
    pub(crate) fn packet(&self) -> Option<Packet<'_>> {
        Packet::parse(self.text(), u16::MAX).ok()
    }
}

/// Reads a message by a parser of the application's.
pub(crate) fn read(
    parser: &dyn PacketParser,
    message: &[u8],
    binary: bool,
    out: &mut Decoded,
) -> Result<(), PacketError> {
    out.clear();
    let message = if binary {
        WireMessage::Binary(message)
    } else {
        WireMessage::Text(core::str::from_utf8(message).map_err(|_| PacketError::Encoding)?)
    };
    parser.decode(message, out)
}

/// Writes a packet by a parser of the application's.
pub(crate) fn write(
    parser: &dyn PacketParser,
    prefix: &Prefix<'_>,
    json: &str,
    attachments: &[&[u8]],
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    out.clear();
    let packet = Packet {
        kind: prefix.kind.with_attachments(false),
        nsp: prefix.nsp,
        id: prefix.id,
        attachments: attachments.len() as u32,
        data: json.trim_ascii(),
    };
    parser.encode(&packet, attachments, out)?;
    if !parser.is_binary() && core::str::from_utf8(out).is_err() {
        return Err("the parser has written text that is not UTF-8");
    }
    Ok(())
}

impl Kind {
    /// The type that a digit of the protocol stands for.
    pub fn of_digit(digit: &str) -> Option<Self> {
        match digit.as_bytes() {
            [digit] => Self::of(*digit),
            _ => None,
        }
    }

    /// The type of a packet with or without attachments.
    pub(super) const fn with_attachments(self, has_some: bool) -> Self {
        match (self, has_some) {
            (Self::Event | Self::BinaryEvent, true) => Self::BinaryEvent,
            (Self::Event | Self::BinaryEvent, false) => Self::Event,
            (Self::Ack | Self::BinaryAck, true) => Self::BinaryAck,
            (Self::Ack | Self::BinaryAck, false) => Self::Ack,
            (kind, _) => kind,
        }
    }
}
