//! Whole packets.

use alloc::vec::Vec;

use super::read::{Binary, Failure, Head, Json, Reader};
use super::write::{self, Counts};
use crate::packet::parser::{Decoded, KEEP};
use crate::packet::socket::{Kind, Prefix, decimal_len, put_decimal};
use crate::packet::{Attachments, Packet, PacketError, PacketParser, parser};

impl Decoded {
    /// Appends the value at which `reader` is as JSON.
    fn value(
        &mut self,
        reader: Reader<'_>,
        binary: Binary,
        limit: usize,
        most: u16,
    ) -> Result<(), Failure> {
        let from = self.buf.len();
        let mut mark_lookalikes = false;
        loop {
            let mut json = Json {
                text: &mut self.buf,
                records: &mut self.records,
                count: 0,
                binary,
                limit,
                most,
                lookalike: false,
                mark_lookalikes,
            };
            json.value(&mut { reader })?;
            let (count, lookalike) = (json.count, json.lookalike);
            self.count = count;
            if count == 0 || !lookalike || mark_lookalikes {
                return Ok(());
            }
            self.buf.truncate(from);
            self.records.clear();
            mark_lookalikes = true;
        }
    }

    /// Takes the JSON array of arguments that lie one behind the other; none if they cannot be read.
    pub(super) fn show_items(&mut self, items: &[u8], count: u32) {
        let mut array = Vec::with_capacity(items.len() + 5);
        write::array_head(count, &mut array);
        array.extend_from_slice(items);
        self.show_any(&array);
    }

    /// Takes the JSON of one value that [`Packed`] has made, of any size.
    pub(crate) fn show(&mut self, value: &[u8]) {
        let done = self.show_any(value);
        debug_assert!(done, "what was packed here can be read");
    }

    fn show_any(&mut self, value: &[u8]) -> bool {
        self.clear();
        let done = self.value(Reader::new(value, 0), Binary::Lifted, usize::MAX, u16::MAX);
        if done.is_err() {
            self.clear();
            self.buf.extend_from_slice(b"[]");
        }
        done.is_ok()
    }
}

/// What became of a message that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpacked {
    /// The packet is in the [`Decoded`].
    Packet,
    /// It is nobody's: an event without a name, or of a namespace with a name that no client of this library can have.
    Nobodys,
    /// As text and attachments it has more bytes than it may have: so many at least.
    TooLarge(u64),
}

/// Where the members of a packet lie.
#[derive(Default)]
struct Members {
    kind: Option<usize>,
    nsp: Option<usize>,
    id: Option<usize>,
    data: Option<usize>,
}

impl Members {
    fn find(message: &[u8]) -> Result<Self, PacketError> {
        let error = |at: usize, reason| PacketError::MessagePack {
            at: u32::try_from(at).unwrap_or(u32::MAX),
            reason,
        };
        let mut members = Self::default();
        let mut reader = Reader::new(message, 0);
        let Head::Map(n) = reader.head()? else {
            return Err(error(0, "the packet is not a map"));
        };
        for _ in 0..n {
            let name = { reader }.head()?;
            reader.skip()?;
            let at = Some(reader.position());
            // The last one counts, as in JavaScript.
            match name {
                Head::Str(b"type") => members.kind = at,
                Head::Str(b"nsp") => members.nsp = at,
                Head::Str(b"id") => members.id = at,
                Head::Str(b"data") => members.data = at,
                _ => (),
            }
            reader.skip()?;
        }
        if !reader.is_at_end() {
            let at = reader.position();
            return Err(error(at, "there are bytes behind the packet"));
        }
        Ok(members)
    }
}

/// Reads a message of `socket.io-msgpack-parser`. The text and the attachments that it becomes may have `limit` bytes
/// together, and there may be `most` attachments.
///
/// # Errors
/// What is wrong with it, as that parser sees it: `type` is a whole number from 0 to 4 (or 5 or 6, as Socket.IO 2 says that
/// there is something binary), `nsp` a string, `id` a whole
/// number or absent, and `data` fits the type. Members may be in any order, numbers of any width, and others are
/// tolerated; `nil` counts as absent, because Python's server sends it.
pub fn decode(
    message: &[u8],
    limit: usize,
    most: u16,
    out: &mut Decoded,
) -> Result<Unpacked, PacketError> {
    out.clear();
    let members = Members::find(message)?;
    let head = |at: Option<usize>| match at {
        Some(at) => Reader::new(message, at).head(),
        None => Ok(Head::Undefined),
    };
    let end = message.len() as u32;
    let kind = match head(members.kind)?.as_u64() {
        Some(0) => Kind::Connect,
        Some(1) => Kind::Disconnect,
        Some(2 | 5) => Kind::Event,
        Some(3 | 6) => Kind::Ack,
        Some(4) => Kind::ConnectError,
        _ => return Err(PacketError::Type),
    };
    let Head::Str(nsp) = head(members.nsp)? else {
        return Err(PacketError::MessagePack {
            at: members.nsp.map_or(end, |at| at as u32),
            reason: "its `nsp` is missing, or not a string",
        });
    };
    let id = match head(members.id)? {
        Head::Nil | Head::Undefined => None,
        number => match number.as_u64() {
            Some(id) => Some(id),
            None => {
                let at = members.id.map_or(end, |at| at as u32);
                return Err(PacketError::Id { at });
            }
        },
    };
    let data = head(members.data)?;
    let expected = |expected| PacketError::Payload {
        at: members.data.map_or(end, |at| at as u32),
        expected,
    };
    let absent = matches!(data, Head::Nil | Head::Undefined);
    match (kind, data) {
        (Kind::Connect | Kind::Disconnect, _) if absent => (),
        (Kind::Connect, Head::Map(_)) => (),
        (Kind::Connect, _) => return Err(expected("an object")),
        (Kind::Disconnect, _) => return Err(expected("nothing")),
        (Kind::ConnectError, Head::Str(_) | Head::Map(_)) => (),
        (Kind::ConnectError, _) => return Err(expected("an object or a string")),
        (_, Head::Array(_)) => (),
        _ => return Err(expected("an array")),
    }
    if kind == Kind::Event && !has_name(message, members.data) {
        return Ok(Unpacked::Nobodys);
    }
    if nsp.first() != Some(&b'/') || nsp.contains(&b',') || core::str::from_utf8(nsp).is_err() {
        return Ok(Unpacked::Nobodys);
    }
    let nsp = if nsp == b"/" { &[] } else { nsp };
    // The prefix is put in front of the data, when it is known how many attachments there are.
    let room = 1 + 6 + nsp.len() + 1 + 20;
    out.buf.resize(room, 0);
    if let Some(at) = members.data.filter(|_| !absent) {
        let binary = match kind {
            Kind::Event | Kind::Ack => Binary::Lifted,
            _ => Binary::Spelt,
        };
        let reader = Reader::new(message, at);
        match out.value(reader, binary, limit.saturating_add(room), most) {
            Ok(()) => (),
            Err(Failure::Bad(error)) => return Err(error),
            Err(Failure::TooLarge(bytes)) => return Ok(Unpacked::TooLarge((bytes - room) as u64)),
        }
    }
    let (kind, count) = match (kind, out.count) {
        (Kind::Event, 1..) => (Kind::BinaryEvent, decimal_len(out.count.into()) + 1),
        (Kind::Ack, 1..) => (Kind::BinaryAck, decimal_len(out.count.into()) + 1),
        _ => (kind, 0),
    };
    let comma = usize::from(!nsp.is_empty());
    let len = 1 + count + nsp.len() + comma + id.map_or(0, decimal_len);
    out.from = room - len;
    let mut at = out.from;
    let buf = &mut out.buf;
    buf[at] = kind.digit();
    at += 1;
    if count > 0 {
        at = put_decimal(buf, at, out.count.into());
        buf[at] = b'-';
        at += 1;
    }
    if comma > 0 {
        buf[at..at + nsp.len()].copy_from_slice(nsp);
        at += nsp.len();
        buf[at] = b',';
        at += 1;
    }
    if let Some(id) = id {
        put_decimal(buf, at, id);
    }
    let size = out.bytes().len() + out.records.len();
    if size > limit {
        return Ok(Unpacked::TooLarge(size as u64));
    }
    Ok(Unpacked::Packet)
}

/// Whether an event begins with something that can be its name.
fn has_name(message: &[u8], data: Option<usize>) -> bool {
    let mut reader = Reader::new(message, data.unwrap_or(message.len()));
    if !matches!(reader.head(), Ok(Head::Array(1..))) {
        return false;
    }
    match reader.head() {
        Ok(Head::Str(_) | Head::Uint(_) | Head::Int(_)) => true,
        Ok(Head::Float(n)) => n.is_finite(),
        _ => false,
    }
}

/// The name of an event in what [`encode_args`](super::encode_args) has made.
pub fn event_name(data: &[u8]) -> Option<&str> {
    let mut reader = Reader::new(data, 0);
    let Ok(Head::Array(1..)) = reader.head() else {
        return None;
    };
    super::read::text_of(data.get(reader.position()..)?)
}

/// Packs packets. The memory is used again.
#[derive(Debug)]
pub(crate) struct Packed {
    /// What stands in front of the data: it is the same for each try but for the id.
    prefix: Vec<u8>,
    data: Vec<u8>,
    counts: Counts,
}

impl Packed {
    pub(crate) const fn new() -> Self {
        Self {
            prefix: Vec::new(),
            data: Vec::new(),
            counts: Counts::NONE,
        }
    }

    /// Packs the JSON of a packet's data; none if it is empty. `None` if it is not JSON.
    pub(crate) fn set_data(&mut self, json: &str, attachments: &[&[u8]]) -> Option<()> {
        self.data.clear();
        let json = json.trim_ascii();
        if json.is_empty() {
            return Some(());
        }
        write::value(json, attachments, &mut self.counts, &mut self.data)
    }

    /// Packs everything in front of the data. Events say whether they may be compressed, as the official client does.
    pub(crate) fn set_prefix(&mut self, prefix: &Prefix<'_>, has_data: bool, compress: bool) {
        let kind = match prefix.kind {
            Kind::BinaryEvent => Kind::Event,
            Kind::BinaryAck => Kind::Ack,
            kind => kind,
        };
        let is_event = kind == Kind::Event;
        let members = 2 + u8::from(prefix.id.is_some()) + u8::from(is_event) + u8::from(has_data);
        let out = &mut self.prefix;
        out.clear();
        // Names are texts of less than 32 bytes, behind 0xa0 and their length.
        out.push(0x80 | members);
        out.extend_from_slice(b"\xa4type");
        out.push(kind.digit() - b'0');
        out.extend_from_slice(b"\xa3nsp");
        write::plain(prefix.nsp, out);
        if let Some(id) = prefix.id {
            write::plain("id", out);
            write::unsigned(id, out);
        }
        if is_event {
            // With one member.
            out.extend_from_slice(b"\xa7options\x81\xa8compress");
            out.push(if compress { 0xc3 } else { 0xc2 });
        }
        if has_data {
            out.extend_from_slice(b"\xa4data");
        }
    }

    /// Packs a packet by a parser of the application's: in front stands nothing but the type of a text message.
    pub(crate) fn set_custom(
        &mut self,
        parser: &dyn PacketParser,
        prefix: &Prefix<'_>,
        json: &str,
        attachments: &[&[u8]],
    ) -> Result<(), &'static str> {
        self.prefix.clear();
        if !parser.is_binary() {
            self.prefix.push(b'4');
        }
        parser::write(parser, prefix, json, attachments, &mut self.data)
    }

    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Gives large memory back.
    pub(crate) fn tidy(&mut self) {
        if self.data.capacity() > KEEP {
            self.data = Vec::new();
        }
        if self.counts.capacity() > KEEP {
            self.counts.shrink();
        }
    }
}

/// Writes a packet as `socket.io-msgpack-parser` does, with the attachments that its placeholders stand for. For tools
/// and tests; the client works with the same writer.
pub fn encode(packet: &Packet<'_>, attachments: Attachments<'_>) -> Vec<u8> {
    let mut packed = Packed::new();
    let parts: Vec<&[u8]> = attachments.iter().collect();
    // A `Packet` has been checked, so that this fails for none.
    if packed.set_data(packet.data, &parts).is_none() {
        packed.data.clear();
    }
    let prefix = Prefix {
        kind: packet.kind,
        attachments: 0,
        nsp: packet.nsp,
        id: packet.id,
    };
    packed.set_prefix(&prefix, !packed.data.is_empty(), true);
    let mut message = packed.prefix;
    message.extend_from_slice(&packed.data);
    message
}
