//! How packets get in: encoded into the area, or copied to it, all or nothing.

use super::packet::ByPost;
use super::{Body, Class, Life, Meta, Outbox, Packet, PushError, SendState, Staged, UnsentCause};
use crate::config::{BINARY, EXTRAS, POLLING};
use crate::error::EmitError;
use crate::handle::{AckId, NamespaceId};
use crate::memory::records::put_u32;
use crate::memory::{Empty as _, Index, Serial};
#[cfg(any(feature = "alloc", feature = "extras"))]
use crate::packet::payload;
use crate::packet::socket::Prefix;
use crate::packet::{EmitArgs, EncodeError, encode_args_to_slice};
use crate::slices;
use crate::wire::ws;

/// The longest frame header.
const MAX_HEADER: usize = 14;

/// Digits of the largest ack id.
const ID_DIGITS: usize = 20;

impl Outbox<'_> {
    /// Encodes arguments into the free end of the area, for [`Body::Staged`]: without a heap, and without a second
    /// buffer. `lead` is what the packet's prefix is expected to take: then it lies where it will lie in the end, else it is
    /// moved.
    pub(crate) fn stage<A: EmitArgs + ?Sized>(
        &mut self,
        event: Option<&str>,
        args: &A,
        limit: u16,
        lead: usize,
    ) -> Result<Staged, EmitError> {
        self.compact();
        let from = self.tail() + ws::header_len(0) + lead;
        let full = if self.packets.is_empty() {
            EmitError::TooLarge
        } else {
            EmitError::Full
        };
        let mem = self.mem.get_mut();
        let Some(out) = mem.get_mut(from..) else {
            return Err(full);
        };
        let (mut count, mut rest) = (0usize, 0usize);
        let mut counted = |attachment: &[u8]| {
            if !BINARY {
                return Err(EncodeError::TooManyAttachments { limit: 0 });
            }
            count += 1;
            rest += area_of(attachment.len());
            if count > usize::from(limit) {
                return Err(EncodeError::TooManyAttachments {
                    limit: limit.into(),
                });
            }
            Ok(())
        };
        let json_len = match encode_args_to_slice(event, args, out, &mut counted) {
            Ok((json_len, _)) => json_len,
            Err(EncodeError::BufferTooSmall) => return Err(full),
            Err(error) => return Err(error.into()),
        };
        if BINARY && count > 0 {
            // Behind the JSON the attachments, as they will lie.
            let split = out.split_at_mut_checked(json_len);
            let Some((front, back)) = split.filter(|(_, back)| back.len() >= rest) else {
                return Err(full);
            };
            let mut at = 0;
            let mut copied = |attachment: &[u8]| {
                put_attachment(back, &mut at, attachment).ok_or(EncodeError::BufferTooSmall)
            };
            // The same arguments give the same JSON: it is written over itself.
            let (again, _) = encode_args_to_slice(event, args, front, &mut copied)?;
            if again != json_len || at != rest {
                return Err(EmitError::Encode(EncodeError::BufferTooSmall));
            }
        }
        Ok(Staged {
            from,
            json_len,
            rest,
            count,
        })
    }

    /// Whether the memory is fixed: packets are then staged in it.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.packets.is_fixed()
    }

    /// Keeps at least `bytes` free for control packets, as far as that leaves some for events.
    pub(crate) fn reserve_control(&mut self, bytes: usize) {
        self.reserve = self.reserve.max(bytes).min(self.max - self.max / 8);
    }

    /// Bytes of the largest packet that can ever be taken in.
    pub(crate) const fn largest(&self) -> usize {
        self.max
    }

    /// Whether a control packet of so many bytes finds room.
    pub(crate) const fn has_control_room(&self, bytes: usize) -> bool {
        self.live + bytes <= self.max && self.packets.room() > 0
    }

    /// Whether one finds room as soon as those that were given up have been told.
    pub(crate) const fn will_have_control_room(&self, bytes: usize) -> bool {
        let (packets, doomed) = self.doomed;
        self.live - doomed + bytes <= self.max && self.packets.room() + packets > 0
    }

    /// Bytes and packets that others of a higher class may still need.
    pub(super) fn reserved(&self, class: Class) -> (usize, usize) {
        let answers = (self.max / 16).min(1024);
        let slots = self.packets.max();
        match class {
            Class::Control => (0, 0),
            Class::Answer => (self.reserve, 1),
            // The smallest tables have no place to spare.
            Class::Event if slots < 8 => (self.reserve, 1),
            Class::Event => (self.reserve + answers, 2),
        }
    }

    /// Whether a namespace that is not joined has its share already, while others want to send as well. At least one
    /// packet it may always have.
    pub(super) fn has_its_share(&self, nsp: NamespaceId, need: usize) -> bool {
        let Some(queue) = self.queues.get(nsp.index()).filter(|queue| queue.held > 0) else {
            return false;
        };
        queue.held_bytes + need > self.max / 2
            || queue.held >= (self.packets.max() / 2).max(1)
            || self.live + need > self.max - self.max / 4
    }

    /// Whether a packet of so many bytes finds room.
    fn has_room(
        &self,
        nsp: NamespaceId,
        size: usize,
        (reserve, slots): (usize, usize),
        meta: &Meta,
    ) -> bool {
        let shared = meta.shared && !meta.ready && meta.class == Class::Event;
        self.packets.room() > slots
            && self.live + size + reserve <= self.max
            && !(shared && self.has_its_share(nsp, size))
    }

    /// Bytes that an event will take, attachments included.
    #[cfg(feature = "offline")]
    pub(crate) fn size_of(
        &self,
        prefix: &Prefix<'_>,
        body: &Body<'_>,
        base64: bool,
        plain: bool,
    ) -> usize {
        let life = if plain { Life::Written } else { Life::Answered };
        #[cfg(feature = "msgpack")]
        if self.packs() {
            return self.packed_size(prefix, body, life);
        }
        layout(prefix, body, base64, life).size
    }

    /// Accepts one packet with its attachments, all or nothing: the number under which it is found.
    pub(crate) fn push(
        &mut self,
        nsp: NamespaceId,
        prefix: &Prefix<'_>,
        body: Body<'_>,
        base64: bool,
        meta: Meta,
    ) -> Result<Index, PushError> {
        #[cfg(feature = "msgpack")]
        if self.packs() || matches!(body, Body::Packed(..)) {
            return self.push_packed(nsp, prefix, &body, meta);
        }
        let layout = layout(prefix, &body, base64, meta.life);
        let base64 = becomes_text(&body, base64);
        let attachments = body.attachments() as u16;
        let prefix_len = layout.prefix;
        self.accept(nsp, layout, (attachments, base64), meta, |outbox, start| {
            outbox.write_body(start, (prefix, prefix_len), &body, base64);
        })
    }

    /// Accepts a packet that will lie so, and is written to where its text begins as soon as there is room for it.
    #[allow(clippy::unnecessary_cast)] // Not where a serial has 32 bits.
    #[inline(always)]
    pub(super) fn accept(
        &mut self,
        nsp: NamespaceId,
        layout: Layout,
        (attachments, base64): (u16, bool),
        meta: Meta,
        write: impl FnOnce(&mut Self, usize),
    ) -> Result<Index, PushError> {
        let Layout {
            prefix: prefix_len,
            text,
            gap,
            size,
        } = layout;
        let (reserve, slots) = self.reserved(meta.class);
        if size + reserve > self.max || slots >= self.packets.max() || size > u32::MAX as usize / 4
        {
            return Err(PushError::TooLarge);
        }
        if !self.has_room(nsp, size, (reserve, slots), &meta) || !self.ensure(size) {
            return Err(PushError::Full);
        }
        let area = self.tail();
        let start = area + gap;
        write(self, start);
        let ready = meta.ready && !meta.life.is_answered();
        let report = EXTRAS && self.report && meta.class == Class::Event;
        let state = if ready {
            self.ready_state(report)
        } else {
            SendState::Waiting
        };
        let packet = Packet {
            number: self.accepted as Serial,
            area: area as u32,
            size: size as u32,
            gap: gap as u16,
            prefix: prefix_len as u16,
            text: text as u32,
            attachments,
            class: meta.class,
            life: meta.life,
            by_post: ByPost::new(base64),
            report,
            #[cfg(feature = "deflate")]
            uncompressed: meta.uncompressed,
            nsp,
            ack: meta.ack,
            older: self.newest,
            state,
            ..Packet::EMPTY
        };
        let Ok(i) = self.packets.insert(packet) else {
            return Err(PushError::Full);
        };
        match self.packets.get_mut(self.newest) {
            Some(newest) => newest.newer = i,
            None => self.oldest = i,
        }
        self.newest = i;
        self.accepted += 1;
        self.live += size;
        if ready {
            self.line_up(i, nsp, state);
            return Ok(i);
        }
        let Some(queue) = self
            .queues
            .get_mut(nsp.index())
            .filter(|queue| queue.owner == nsp)
        else {
            self.remove(i);
            return Err(PushError::Full);
        };
        self.packets
            .push_back(queue.lane(meta.life.is_answered()), i);
        self.account_held(i, true);
        Ok(i)
    }

    /// Writes a packet whose text begins at `start`, for which there is room.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(
        not(any(feature = "alloc", feature = "extras")),
        allow(unused_variables)
    )]
    fn write_body(
        &mut self,
        start: usize,
        (prefix, prefix_len): (&Prefix<'_>, usize),
        body: &Body<'_>,
        base64: bool,
    ) {
        let json = start + prefix_len;
        let mem = self.mem.get_mut();
        match body {
            #[cfg(any(feature = "alloc", feature = "extras"))]
            Body::Bytes(bytes, attachments) => {
                slices::write(mem, json, bytes);
                let mut at = json + bytes.len();
                for attachment in attachments.iter() {
                    if base64 {
                        put_base64(mem, &mut at, attachment);
                    } else {
                        let _ = put_attachment(mem, &mut at, attachment);
                    }
                }
            }
            Body::Staged(staged) => {
                let end = staged.from + staged.json_len + staged.rest;
                if staged.from != json {
                    mem.copy_within(staged.from..end, json);
                }
            }
            Body::Parts(parts) => {
                let mut at = json;
                for part in *parts {
                    slices::write(mem, at, part.as_bytes());
                    at += part.len();
                }
            }
            // (It is pushed as it is where packets are packed: see `Outbox::push_packed`.)
            #[cfg(feature = "msgpack")]
            Body::Packed(..) => (),
        }
        prefix.write(mem.get_mut(start..json).unwrap_or_default());
    }

    /// Makes room for a CONNECT packet that found none although nothing is about to leave: the newest packet that waits
    /// is given up. Who waits for its answer, if anybody, and whether it has been sent before; `None` if no packet waits.
    pub(crate) fn make_room(&mut self) -> Option<(Option<AckId>, bool)> {
        let mut at = self.newest;
        while let Some(packet) = self.packets.get(at) {
            let (i, older) = (at, packet.older);
            let (nsp, ack, retry) = (packet.nsp, packet.ack, packet.life.is_answered());
            let sent = packet.was_sent();
            if packet.state == SendState::Waiting {
                self.account_held(i, false);
                if let Some(queue) = self
                    .queues
                    .get_mut(nsp.index())
                    .filter(|queue| queue.owner == nsp)
                {
                    self.packets.unlink(queue.lane(retry), i);
                }
                self.give_up(i, UnsentCause::NoRoom);
                return Some((ack, sent));
            }
            at = older;
        }
        None
    }
}

/// How a packet will lie.
pub(super) struct Layout {
    /// Bytes of the prefix.
    pub(super) prefix: usize,
    /// Bytes of the text, prefix included.
    pub(super) text: usize,
    /// Bytes kept free in front of it.
    pub(super) gap: usize,
    /// All together, attachments included.
    pub(super) size: usize,
}

/// Whether the attachments become text. Staged ones cannot grow in place: they stay binary, which servers take as well.
const fn becomes_text(body: &Body<'_>, base64: bool) -> bool {
    POLLING && base64 && !matches!(body, Body::Staged(_))
}

#[cfg_attr(not(feature = "alloc"), inline(never))]
#[cfg_attr(
    not(any(feature = "alloc", feature = "extras")),
    allow(unused_variables)
)]
fn layout(prefix: &Prefix<'_>, body: &Body<'_>, base64: bool, life: Life) -> Layout {
    let prefix = prefix.len();
    let json = match body {
        #[cfg(any(feature = "alloc", feature = "extras"))]
        Body::Bytes(json, _) => json.len(),
        Body::Staged(staged) => staged.json_len,
        Body::Parts(parts) => parts.iter().map(|part| part.len()).sum(),
        #[cfg(feature = "msgpack")]
        Body::Packed(..) => 0,
    };
    let text = prefix + json;
    let gap = match life {
        // A later try has another ack id.
        _ if life.is_answered() => MAX_HEADER + ID_DIGITS + prefix,
        _ => ws::header_len(text),
    };
    let rest: usize = match body {
        #[cfg(any(feature = "alloc", feature = "extras"))]
        Body::Bytes(_, attachments) => {
            let base64 = becomes_text(body, base64);
            let area = |bytes: &[u8]| area_of(attachment_len(bytes.len(), base64));
            attachments.iter().map(area).sum()
        }
        Body::Staged(staged) if BINARY => staged.rest,
        Body::Staged(_) => 0,
        Body::Parts(_) => 0,
        #[cfg(feature = "msgpack")]
        Body::Packed(..) => 0,
    };
    Layout {
        prefix,
        text,
        gap,
        size: gap + text + rest,
    }
}

/// The gap of a packed packet, as in [`layout`].
#[cfg(feature = "msgpack")]
pub(super) const fn gap(life: Life, prefix: usize, text: usize) -> usize {
    if life.is_answered() {
        // A later try has another ack id.
        MAX_HEADER + ID_DIGITS + prefix
    } else {
        ws::header_len(text)
    }
}

/// Writes an attachment behind its length; `None` if there is no room.
fn put_attachment(mem: &mut [u8], at: &mut usize, bytes: &[u8]) -> Option<()> {
    let start = *at + ws::header_len(bytes.len());
    mem.get_mut(start..start + bytes.len())?
        .copy_from_slice(bytes);
    put_u32(mem, *at, bytes.len() as u32);
    *at = start + bytes.len();
    Some(())
}

/// Writes an attachment as base64 text with its `b` in front.
#[cfg(any(feature = "alloc", feature = "extras"))]
fn put_base64(mem: &mut [u8], at: &mut usize, bytes: &[u8]) {
    let len = attachment_len(bytes.len(), true);
    let start = *at + ws::header_len(len);
    if let Some(out) = mem.get_mut(start..start + len) {
        out[0] = b'b';
        payload::encode_into(bytes, 0, &mut out[1..]);
    }
    put_u32(mem, *at, len as u32);
    *at = start + len;
}

fn area_of(len: usize) -> usize {
    ws::header_len(len) + len
}

#[cfg(any(feature = "alloc", feature = "extras"))]
fn attachment_len(len: usize, base64: bool) -> usize {
    if base64 {
        1 + payload::encoded_len(len)
    } else {
        len
    }
}
