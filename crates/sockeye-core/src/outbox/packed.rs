//! Packets in MessagePack, or in what the application's own parser makes of them: packed when they are accepted, so that
//! their size counts from there on, and read again for those who want to see them. Arguments that serde has written are in
//! MessagePack already.

use alloc::string::String;
use alloc::vec::Vec;

use super::push::{Layout, gap};
use super::{Body, Life, Meta, Outbox, PushError};
use crate::Parser;
use crate::handle::NamespaceId;
use crate::memory::Index;
use crate::memory::records::get_u32;
use crate::packet::PacketParser;
#[cfg(feature = "offline")]
use crate::packet::Text;
use crate::packet::msgpack::{Decoded, Packed};
use crate::packet::parser::{self, ID_SLACK};
use crate::packet::socket::{Kind, Prefix};
use crate::slices;
use crate::wire::ws;

/// Which parser packs packets, and the memory for it, which is used again.
#[derive(Debug)]
pub(super) struct Packing {
    parser: Parser,
    /// Its messages are binary.
    binary: bool,
    packed: Packed,
    /// The packet that is being looked at.
    shown: Decoded,
}

impl Packing {
    pub(super) fn new(parser: Parser) -> Self {
        let binary = match parser {
            Parser::Json => false,
            Parser::MessagePack => true,
            Parser::Custom(parser) => parser.is_binary(),
        };
        Self {
            parser,
            binary,
            packed: Packed::new(),
            shown: Decoded::new(),
        }
    }
}

/// What is packed of a packet's data: by whoever made it, or here.
fn data_of<'p>(body: &Body<'p>, packed: &'p Packed) -> &'p [u8] {
    match body {
        Body::Packed(data, _) => data,
        _ => packed.data(),
    }
}

impl Outbox<'_> {
    /// Whether arguments are in MessagePack from the start.
    pub(crate) const fn takes_packed(&self) -> bool {
        matches!(self.packing.parser, Parser::MessagePack)
    }

    /// Whether packets are packed, and no text.
    pub(super) const fn packs(&self) -> bool {
        self.packing.parser.packs()
    }

    /// Whether packets are packed as binary messages.
    pub(super) const fn packs_binary(&self) -> bool {
        self.packing.binary
    }

    pub(super) const fn shown(&self) -> &Decoded {
        &self.packing.shown
    }

    /// Makes the JSON of a packet, for [`Self::json`] and [`Self::attachments`], if packets are packed.
    pub(crate) fn show(&mut self, i: Index) {
        if !self.packs() {
            return;
        }
        let mut shown = core::mem::take(&mut self.packing.shown);
        shown.tidy();
        match self.packing.parser {
            Parser::Custom(parser) => shown.show_custom(parser, self.json_bytes(i)),
            _ => shown.show(self.json_bytes(i)),
        }
        self.packing.shown = shown;
    }

    /// Packs a packet.
    fn pack(
        &self,
        prefix: &Prefix<'_>,
        body: &Body<'_>,
        compress: bool,
        packed: &mut Packed,
    ) -> Result<(), PushError> {
        let joined: String;
        let mut attachments = Vec::new();
        let json = match body {
            Body::Bytes(json, parts) => {
                attachments.extend(parts.iter());
                core::str::from_utf8(json).ok()
            }
            Body::Parts(parts) => {
                joined = parts.concat();
                Some(joined.as_str())
            }
            Body::Staged(staged) => {
                let end = staged.from + staged.json_len;
                let mut at = end;
                for _ in 0..staged.count {
                    let len = get_u32(self.mem.get(), at).unwrap_or(0) as usize;
                    let start = at + ws::header_len(len);
                    at = start + len;
                    attachments.push(slices::part(self.mem.get(), start, at));
                }
                core::str::from_utf8(slices::part(self.mem.get(), staged.from, end)).ok()
            }
            Body::Packed(data, _) => {
                if !self.takes_packed() {
                    return Err(PushError::Malformed("the parser is not MessagePack"));
                }
                packed.set_prefix(prefix, !data.is_empty(), compress);
                return Ok(());
            }
        };
        const NO_JSON: PushError = PushError::Malformed("the arguments are not valid JSON");
        let json = json.ok_or(NO_JSON)?;
        if let Parser::Custom(parser) = self.packing.parser {
            let set = packed.set_custom(parser, prefix, json, &attachments);
            return set.map_err(PushError::Malformed);
        }
        packed.set_data(json, &attachments).ok_or(NO_JSON)?;
        packed.set_prefix(prefix, !packed.data().is_empty(), compress);
        Ok(())
    }

    /// How a packed packet will lie.
    fn packed_layout(
        &self,
        prefix: &Prefix<'_>,
        body: &Body<'_>,
        (life, compress): (Life, bool),
        packed: &mut Packed,
    ) -> Result<Layout, PushError> {
        self.pack(prefix, body, compress, packed)?;
        let prefix = packed.prefix().len();
        let text = prefix + data_of(body, packed).len();
        let spare = match self.packing.parser {
            Parser::Custom(_) => ID_SLACK,
            _ => prefix,
        };
        let gap = gap(life, spare, text);
        Ok(Layout {
            prefix,
            text,
            gap,
            size: gap + text,
        })
    }

    /// As [`Self::push`].
    pub(super) fn push_packed(
        &mut self,
        nsp: NamespaceId,
        prefix: &Prefix<'_>,
        body: &Body<'_>,
        meta: Meta,
    ) -> Result<Index, PushError> {
        #[cfg(feature = "deflate")]
        let compress = !meta.uncompressed;
        #[cfg(not(feature = "deflate"))]
        let compress = true;
        let mut packed = core::mem::replace(&mut self.packing.packed, Packed::new());
        let layout = self.packed_layout(prefix, body, (meta.life, compress), &mut packed);
        let pushed = layout.and_then(|layout| {
            self.accept(nsp, layout, (0, false), meta, |outbox, start| {
                let mem = outbox.mem.get_mut();
                slices::write(mem, start, packed.prefix());
                slices::write(mem, start + packed.prefix().len(), data_of(body, &packed));
            })
        });
        packed.tidy();
        self.packing.packed = packed;
        pushed
    }

    /// Bytes that an event will take.
    #[cfg(feature = "offline")]
    pub(super) fn packed_size(&self, prefix: &Prefix<'_>, body: &Body<'_>, life: Life) -> usize {
        let layout = self.packed_layout(prefix, body, (life, true), &mut Packed::new());
        // What cannot be packed is refused, with its reason, when it is pushed.
        layout.map_or(0, |layout| layout.size)
    }

    /// Gives a packet of the `retries` queue, which is in no lane, another prefix. Whether it has it: a parser of the
    /// application's may not be able to.
    pub(super) fn repack_prefix(&mut self, i: Index, prefix: &Prefix<'_>) -> bool {
        if let Parser::Custom(parser) = self.packing.parser {
            return self.repack(i, prefix.id, parser);
        }
        let Some(packet) = self.packets.get_mut(i) else {
            return true;
        };
        #[cfg(feature = "deflate")]
        let compress = !packet.uncompressed;
        #[cfg(not(feature = "deflate"))]
        let compress = true;
        debug_assert!(matches!(prefix.kind, Kind::Event));
        self.packing.packed.set_prefix(prefix, true, compress);
        let new = self.packing.packed.prefix();
        let data = packet.start() + packet.prefix as usize;
        let start = data - new.len();
        packet.gap = (start - packet.area as usize) as u16;
        packet.text = packet.text + new.len() as u32 - u32::from(packet.prefix);
        packet.prefix = new.len() as u16;
        slices::write(self.mem.get_mut(), start, new);
        true
    }

    /// Writes such a packet anew, under another number, by a parser of the application's. Whether it is written: under
    /// the number that it had nothing would answer it.
    fn repack(&mut self, i: Index, id: Option<u64>, parser: &dyn PacketParser) -> bool {
        let mut shown = core::mem::take(&mut self.packing.shown);
        let mut packed = core::mem::replace(&mut self.packing.packed, Packed::new());
        let read = parser::read(parser, self.json_bytes(i), parser.is_binary(), &mut shown);
        let mut done = false;
        if let Some(old) = shown.packet().filter(|_| read.is_ok()) {
            let prefix = Prefix {
                kind: old.kind,
                attachments: 0,
                nsp: old.nsp,
                id,
            };
            let parts: Vec<&[u8]> = shown.attachments().iter().collect();
            let set = packed.set_custom(parser, &prefix, old.data, &parts);
            done = set.is_ok() && self.put_again(i, &packed);
        }
        if !done {
            crate::fmt::say!(
                warn,
                "a packet is given up: with the number of another try its parser cannot write it, or makes it too long"
            );
        }
        packed.tidy();
        (self.packing.shown, self.packing.packed) = (shown, packed);
        done
    }

    /// Puts another message in the place of a packet's, at the same end. Whether it found room there.
    fn put_again(&mut self, i: Index, packed: &Packed) -> bool {
        let Some(packet) = self.packets.get_mut(i) else {
            return true;
        };
        let end = packet.start() + packet.text as usize;
        let len = packed.prefix().len() + packed.data().len();
        let least = packet.area as usize + ws::header_len(len);
        let Some(start) = end.checked_sub(len).filter(|at| *at >= least) else {
            return false;
        };
        packet.gap = (start - packet.area as usize) as u16;
        packet.text = len as u32;
        let mem = self.mem.get_mut();
        slices::write(mem, start, packed.prefix());
        slices::write(mem, start + packed.prefix().len(), packed.data());
        true
    }

    /// Whether the data of a packed event begins with this name, which is spelt as in JSON.
    #[cfg(feature = "offline")]
    pub(super) fn has_name(&self, data: &[u8], name: &[u8]) -> bool {
        let Ok(name) = core::str::from_utf8(name).map(Text::from_raw) else {
            return false;
        };
        if let Parser::Custom(parser) = self.packing.parser {
            let mut decoded = Decoded::new();
            let read = parser::read(parser, data, parser.is_binary(), &mut decoded);
            let other = decoded.packet().filter(|_| read.is_ok());
            return other.is_some_and(|packet| {
                let other = super::offline::name_token(packet.data.as_bytes());
                core::str::from_utf8(other).is_ok_and(|other| Text::from_raw(other) == name)
            });
        }
        crate::packet::msgpack::event_name(data).is_some_and(|other| name == *other)
    }
}
