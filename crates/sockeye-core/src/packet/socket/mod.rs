//! Socket.IO v5 packets: `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]` (Socket.IO protocol, "Packet encoding").

mod error;

use super::Text;
use super::json;
use crate::features::{BINARY, RECOVERY};
use crate::slices;

pub use error::PacketError;

/// What a Socket.IO packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// `0`: join a namespace, or the server's consent.
    Connect,
    /// `1`: leave a namespace.
    Disconnect,
    /// `2`: an event.
    Event,
    /// `3`: the answer to an event.
    Ack,
    /// `4`: the server refuses the namespace.
    ConnectError,
    /// `5`: an event with attachments.
    BinaryEvent,
    /// `6`: an answer with attachments.
    BinaryAck,
}

impl Kind {
    pub(super) fn of(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    /// The digit on the wire.
    pub const fn digit(self) -> u8 {
        match self {
            Self::Connect => b'0',
            Self::Disconnect => b'1',
            Self::Event => b'2',
            Self::Ack => b'3',
            Self::ConnectError => b'4',
            Self::BinaryEvent => b'5',
            Self::BinaryAck => b'6',
        }
    }

    /// Whether attachments follow the packet.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// Event names that only the library itself fires: neither accepted nor sent.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Whether a name, which may have escapes, is reserved.
pub(crate) fn is_reserved(name: &Text<'_>) -> bool {
    may_be_reserved(name.as_raw().as_bytes()) && RESERVED.iter().any(|reserved| *name == **reserved)
}

/// The same of a name that stands for itself.
pub(crate) fn is_reserved_plain(name: &str) -> bool {
    may_be_reserved(name.as_bytes()) && RESERVED.contains(&name)
}

/// By far the most names are ruled out by one of their first letters; a backslash may hide any.
pub(crate) fn may_be_reserved(raw: &[u8]) -> bool {
    // The beginnings that the reserved names have.
    let stem: &[u8] = match raw.first() {
        Some(b'c') => b"connect",
        Some(b'd') => b"disconnect",
        Some(b'n') => b"newListener",
        Some(b'r') => b"removeListener",
        first => return first == Some(&b'\\'),
    };
    for (byte, letter) in raw.iter().zip(stem) {
        if byte != letter {
            return *byte == b'\\';
        }
    }
    true
}

/// A range of bytes in a packet's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or("")
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn bytes<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A parsed packet as offsets into its text, so that it can be kept while attachments arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) kind: Kind,
    /// Empty: the main namespace.
    pub(crate) nsp: Span,
    pub(crate) id: Option<u64>,
    pub(crate) attachments: u32,
    /// The JSON payload; may be empty.
    pub(crate) data: Span,
    /// The event's name: the inside of the string, still escaped, or a number.
    pub(crate) name: Span,
    /// The comma after the name, if arguments follow.
    pub(crate) comma: u32,
    /// The inside of the last argument if it is a string, still escaped: a recovery offset, which goes back to the server as it came.
    pub(crate) last_text: Span,
}

impl Parsed {
    /// A DISCONNECT of the main namespace: the packet without anything in it.
    pub(crate) const EMPTY: Self = Self {
        kind: Kind::Disconnect,
        nsp: Span::EMPTY,
        id: None,
        attachments: 0,
        data: Span::EMPTY,
        name: Span::EMPTY,
        comma: 0,
        last_text: Span::EMPTY,
    };
}

/// Reads and validates a packet, which is shorter than 4 GiB, and known to be UTF-8.
pub(crate) fn parse(text: &[u8], max_attachments: u16) -> Result<Parsed, PacketError> {
    let mut parsed = Parsed::EMPTY;
    parse_into(text, max_attachments, false, &mut parsed)?;
    Ok(parsed)
}

/// The same, without a copy. `any_error`: for a server of Socket.IO 2 or 1 (protocol version 4 and before), whose ERROR
/// packet, in the place of CONNECT_ERROR, has any JSON. What is in `parsed` after an error is of no use. Answers whether
/// the text is ASCII for certain: then it need not be known to be UTF-8.
pub(crate) fn parse_into(
    text: &[u8],
    max_attachments: u16,
    any_error: bool,
    parsed: &mut Parsed,
) -> Result<bool, PacketError> {
    let kind = text
        .first()
        .copied()
        .and_then(Kind::of)
        .ok_or(PacketError::Type)?;
    let mut at = 1;
    let mut attachments = 0;
    if kind.is_binary() {
        if !BINARY {
            return Err(PacketError::TooManyAttachments { limit: 0 });
        }
        let (n, end) = slices::digits(text, at);
        if end == at || text.get(end) != Some(&b'-') {
            return Err(PacketError::Attachments);
        }
        attachments = match n {
            Some(n) if n <= u64::from(max_attachments) => n as u32,
            _ => {
                return Err(PacketError::TooManyAttachments {
                    limit: max_attachments,
                });
            }
        };
        at = end + 1;
    }
    let mut nsp = Span::default();
    if text.get(at) == Some(&b'/') {
        // The comma may be missing when nothing follows (fact 91 of docs/protocol.md).
        let end = text[at..]
            .iter()
            .position(|b| *b == b',')
            .map_or(text.len(), |n| at + n);
        nsp = Span {
            start: at as u32,
            end: end as u32,
        };
        if end == at + 1 {
            nsp = Span::default();
        }
        at = (end + 1).min(text.len());
    }
    let (id, end) = slices::digits(text, at);
    let id = id.ok_or(PacketError::Id { at: at as u32 })?;
    let id = (end > at).then_some(id);
    let data = Span {
        start: end as u32,
        end: text.len() as u32,
    };
    *parsed = Parsed {
        kind,
        nsp,
        id,
        attachments,
        data,
        ..Parsed::EMPTY
    };
    let json = data.bytes(text);
    let base = end as u32;
    let is = |wanted, expected| check(json, base, expected, [wanted, wanted]);
    let mut ascii = false;
    match kind {
        Kind::Event | Kind::BinaryEvent => {
            if !json.is_empty() {
                ascii = !event(parsed, text)? && nsp.is_empty();
            }
        }
        Kind::Ack | Kind::BinaryAck => {
            // (Without an id it answers nothing, and is passed over: fact 96.)
            if !json.is_empty() {
                is(json::Kind::Array, "an array")?;
            }
        }
        Kind::Connect => {
            if !json.is_empty() {
                is(json::Kind::Object, "an object")?;
            }
        }
        Kind::Disconnect => {
            if !json.is_empty() {
                return Err(PacketError::Payload {
                    at: base,
                    expected: "nothing",
                });
            }
        }
        Kind::ConnectError => {
            let kinds = [json::Kind::Object, json::Kind::String];
            if any_error {
                json::check_value(json).map_err(|error| PacketError::in_payload(base, error))?;
            } else {
                check(json, base, "an object or a string", kinds)?;
            }
        }
    }
    Ok(ascii)
}

/// Checks a payload that begins at byte `base` of the packet.
#[cfg_attr(not(feature = "alloc"), inline(never))]
fn check(
    json: &[u8],
    base: u32,
    expected: &'static str,
    kinds: [json::Kind; 2],
) -> Result<(), PacketError> {
    match json::check_value(json) {
        Ok(kind) if kinds.contains(&kind) => Ok(()),
        Ok(_) => Err(PacketError::Payload { at: base, expected }),
        Err(error) => Err(PacketError::in_payload(base, error)),
    }
}

/// Reads and validates an event; whether its bytes may not all be ASCII.
fn event(packet: &mut Parsed, text: &[u8]) -> Result<bool, PacketError> {
    let base = packet.data.start;
    let json = packet.data.bytes(text);
    let scan = match json::scan_array(json) {
        Ok(scan) => scan,
        Err(error) => return Err(PacketError::in_payload(base, error)),
    };
    let first = slices::part(json, scan.first.start as usize, scan.first.end as usize);
    packet.name = Span {
        start: base + scan.first.start,
        end: base + scan.first.end,
    };
    match first.first() {
        Some(b'"') => {
            packet.name.start += 1;
            packet.name.end -= 1;
            let name = packet.name.bytes(text);
            if may_be_reserved(name)
                && core::str::from_utf8(name).is_ok_and(|name| is_reserved(&Text::from_raw(name)))
            {
                return Err(PacketError::Reserved);
            }
        }
        Some(b'-' | b'0'..=b'9') => (),
        _ => {
            return Err(PacketError::Payload {
                at: packet.name.start.max(base),
                expected: "an array that begins with the event's name",
            });
        }
    }
    if let Some(comma) = scan.rest {
        packet.comma = base + comma;
        let last = slices::part(json, scan.last.start as usize, scan.last.end as usize);
        if RECOVERY && last.len() >= 2 && last[0] == b'"' {
            packet.last_text = Span {
                start: base + scan.last.start + 1,
                end: base + scan.last.end - 1,
            };
        }
    }
    Ok(scan.wide)
}

/// Where the event's name is, in any text that looks like an event as far as its name: for messages about packets that [`parse`] refuses.
/// The inside of the string, still escaped, or a number.
pub(crate) fn event_name_of(packet: &str) -> Option<Span> {
    let text = packet.as_bytes();
    let kind = text.first().copied().and_then(Kind::of)?;
    if !matches!(kind, Kind::Event | Kind::BinaryEvent) {
        return None;
    }
    let mut at = 1;
    let (_, end) = slices::digits(text, at);
    if text.get(end) == Some(&b'-') {
        at = end + 1;
    }
    if text.get(at) == Some(&b'/') {
        at += text.get(at..)?.iter().position(|b| *b == b',')? + 1;
    }
    let (_, end) = slices::digits(text, at);
    at = json::skip_space(text, end);
    if text.get(at) != Some(&b'[') {
        return None;
    }
    let start = json::skip_space(text, at + 1);
    let (start, end) = match text.get(start)? {
        b'"' => (start + 1, json::skip_string(text, start + 1)? - 1),
        b'-' | b'0'..=b'9' => (start, json::skip_value(text, start).ok()?),
        _ => return None,
    };
    Some(Span {
        start: u32::try_from(start).ok()?,
        end: u32::try_from(end).ok()?,
    })
}

/// A Socket.IO packet, borrowed from its text. For tools and tests; the client works on the same parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The type.
    pub kind: Kind,
    /// The namespace; `/` if the packet names none.
    pub nsp: &'a str,
    /// The ack id, if any. Ids start at 0.
    pub id: Option<u64>,
    /// How many attachments follow as binary messages.
    pub attachments: u32,
    /// The JSON payload; empty if there is none.
    pub data: &'a str,
}

impl<'a> Packet<'a> {
    /// Parses and validates one packet (the text after the Engine.IO type `4`).
    ///
    /// # Errors
    /// What is wrong with it; at most `max_attachments` attachments may be announced.
    pub fn parse(text: &'a str, max_attachments: u16) -> Result<Self, PacketError> {
        let parsed = parse(text.as_bytes(), max_attachments)?;
        Ok(Self {
            kind: parsed.kind,
            nsp: if parsed.nsp.is_empty() {
                "/"
            } else {
                parsed.nsp.of(text)
            },
            id: parsed.id,
            attachments: parsed.attachments,
            data: parsed.data.of(text),
        })
    }
}

/// Bytes that decimal `n` takes.
pub(crate) fn decimal_len(n: u64) -> usize {
    if cfg!(feature = "alloc") {
        return n.checked_ilog10().map_or(1, |log| log as usize + 1);
    }
    // Where dividing is slow, and most numbers are short.
    let (mut len, mut bound) = (1, 10u64);
    while n >= bound && len < 20 {
        len += 1;
        bound = bound.wrapping_mul(10);
    }
    len
}

/// The part of a message in front of the JSON, with the Engine.IO type: `4<type>[<n>-][<nsp>,][<id>]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix<'a> {
    pub(crate) kind: Kind,
    pub(crate) attachments: usize,
    pub(crate) nsp: &'a str,
    pub(crate) id: Option<u64>,
}

impl Prefix<'_> {
    pub(crate) fn len(&self) -> usize {
        2 + if BINARY && self.kind.is_binary() {
            decimal_len(self.attachments as u64) + 1
        } else {
            0
        } + if self.nsp == "/" {
            0
        } else {
            self.nsp.len() + 1
        } + self.id.map_or(0, decimal_len)
    }

    /// Writes into `out`, which has exactly [`Self::len`] bytes.
    pub(crate) fn write(&self, out: &mut [u8]) {
        slices::write(out, 0, &[b'4', self.kind.digit()]);
        let mut at = 2;
        if BINARY && self.kind.is_binary() {
            at = put_decimal(out, at, self.attachments as u64);
            slices::write(out, at, b"-");
            at += 1;
        }
        if self.nsp != "/" {
            slices::write(out, at, self.nsp.as_bytes());
            at += self.nsp.len();
            slices::write(out, at, b",");
            at += 1;
        }
        if let Some(id) = self.id {
            put_decimal(out, at, id);
        }
    }
}

/// Writes decimal `n` to `out` from index `at` on; where it ends.
pub(crate) fn put_decimal(out: &mut [u8], at: usize, n: u64) -> usize {
    let end = at + decimal_len(n);
    slices::fill_number(out.get_mut(at..end).unwrap_or_default(), n, 0);
    end
}

#[cfg(test)]
mod tests;
