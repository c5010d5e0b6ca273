//! Packets in MessagePack: packed when they are accepted, so that their size counts from there on, and read again for
//! those who want to see them.

use alloc::string::String;
use alloc::vec::Vec;

use super::push::{Layout, gap};
use super::{Body, Life, Meta, Outbox, PushError};
use crate::handle::NamespaceId;
use crate::memory::Index;
use crate::memory::records::get_u32;
use crate::packet::msgpack::{Decoded, Packed};
use crate::packet::socket::{Kind, Prefix};
use crate::slices;
use crate::wire::ws;

/// Whether packets are packed, and the memory for it, which is used again.
#[derive(Debug)]
pub(super) struct Packing {
    on: bool,
    packed: Packed,
    /// The packet that is being looked at.
    shown: Decoded,
}

impl Packing {
    pub(super) const fn new(on: bool) -> Self {
        Self {
            on,
            packed: Packed::new(),
            shown: Decoded::new(),
        }
    }
}

impl Outbox<'_> {
    /// Whether packets are packed, and no text.
    pub(super) const fn packs(&self) -> bool {
        self.packing.on
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
        shown.show(self.json_bytes(i));
        self.packing.shown = shown;
    }

    /// Packs a body.
    fn pack(&self, body: &Body<'_>, packed: &mut Packed) -> Result<(), PushError> {
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
        };
        json.and_then(|json| packed.set_data(json, &attachments))
            .ok_or(PushError::Malformed)
    }

    /// How a packed packet will lie.
    fn packed_layout(
        &self,
        prefix: &Prefix<'_>,
        body: &Body<'_>,
        (life, compress): (Life, bool),
        packed: &mut Packed,
    ) -> Result<Layout, PushError> {
        self.pack(body, packed)?;
        packed.set_prefix(prefix, !packed.data().is_empty(), compress);
        let prefix = packed.prefix().len();
        let text = prefix + packed.data().len();
        let gap = gap(life, prefix, text);
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
                slices::write(mem, start + packed.prefix().len(), packed.data());
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

    /// Gives a packet of the `retries` queue, which is in no lane, another prefix.
    pub(super) fn repack_prefix(&mut self, i: Index, prefix: &Prefix<'_>) {
        let Some(packet) = self.packets.get_mut(i) else {
            return;
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
    }
}

/// Whether the data of a packed event begins with this name, which is spelt as in JSON.
#[cfg(feature = "offline")]
pub(super) fn has_name(data: &[u8], name: &[u8]) -> bool {
    let name = core::str::from_utf8(name).map(crate::packet::Text::from_raw);
    name.is_ok_and(|name| {
        crate::packet::msgpack::event_name(data).is_some_and(|other| name == *other)
    })
}
