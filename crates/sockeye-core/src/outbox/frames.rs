//! How packets get out as WebSocket frames: many in one write.

use super::{Outbox, SendState, Write};
use crate::config::EIO3;
use crate::limits::BATCH;
use crate::memory::Index;
use crate::memory::records::{get_u32, put_u32};
use crate::rng::Rng;
use crate::wire::ws;

impl Outbox<'_> {
    /// Frames what can go out in one contiguous write; whether there is anything.
    pub(crate) fn commit_ws(&mut self, rng: &mut Rng) -> bool {
        let (mut bytes, mut end, mut skip) = (0, None, 0);
        // A packet whose first parts have left in a POST is finished first.
        if let Some(i) = self.writing.head()
            && let Some(packet) = self.packets.get(i)
        {
            skip = self.skipped(packet);
            end = Some(packet.end());
            bytes = packet.end() - packet.frame() - skip;
            self.frame(i, rng);
        }
        let mut next = self.ready.head();
        // So is one with binary messages that have to say their type.
        if EIO3
            && let Some(i) = self.writing.head().or(next)
            && self.is_typed(i)
        {
            if end.is_none() {
                self.start_writing(i);
                self.frame(i, rng);
            }
            self.write = Write::Frames { skip, pos: 0 };
            self.begin_typed(i, skip);
            return true;
        }
        // A packet of which something is compressed is a write of its own.
        #[cfg(feature = "deflate")]
        if let Some(i) = next.filter(|i| end.is_none() && self.is_compressible(*i)) {
            self.commit_compressed(i, rng);
            return true;
        }
        let mut last = None;
        while let Some(i) = next {
            #[cfg(feature = "deflate")]
            if self.is_compressible(i) {
                break;
            }
            if EIO3 && self.is_typed(i) {
                break;
            }
            let Some(packet) = self.packets.get_mut(i) else {
                break;
            };
            let (from, to) = (packet.frame(), packet.end());
            if end.is_some_and(|end| from != end) || bytes > 0 && bytes + (to - from) > BATCH {
                break;
            }
            packet.state = SendState::Writing;
            let (nsp, text) = (packet.nsp, packet.text as usize);
            let alone = cfg!(feature = "alloc") && packet.attachments() == 0;
            end = Some(to);
            bytes += to - from;
            self.is_not_ready(i, nsp);
            if alone {
                let opcode = self.opcode();
                seal(self.mem.get_mut(), from, opcode, text, rng);
            } else {
                self.frame(i, rng);
            }
            last = Some(i);
            next = self.packets.next(i);
        }
        if let Some(last) = last {
            self.packets
                .move_front(&mut self.ready, last, &mut self.writing);
        }
        if end.is_none() {
            return false;
        }
        self.write = Write::Frames { skip, pos: 0 };
        true
    }

    /// A ready packet is part of the write that begins.
    pub(super) fn start_writing(&mut self, i: Index) {
        self.take_from_ready(i);
        self.packets.push_back(&mut self.writing, i);
        if let Some(packet) = self.packets.get_mut(i) {
            packet.state = SendState::Writing;
        }
    }

    /// Writes the headers of a packet's frames, from the first one on that has not left, and masks their payload.
    fn frame(&mut self, i: Index, rng: &mut Rng) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        let mut start = packet.frame() + self.skipped(packet);
        let (first, attachments, text) =
            (packet.first(), packet.attachments(), packet.text as usize);
        let attachment = if packet.by_post.is_base64() {
            ws::TEXT
        } else {
            self.binary_opcode()
        };
        let opcode = if self.packs_binary() {
            self.binary_opcode()
        } else {
            ws::TEXT
        };
        let mem = self.mem.get_mut();
        for part in first..=attachments {
            let (opcode, len) = match part {
                0 => (opcode, text),
                _ => (attachment, get_u32(mem, start).unwrap_or(0) as usize),
            };
            start = seal(mem, start, opcode, len, rng);
        }
    }

    /// Takes the frames of a packet apart again: unmasked, with the lengths of the attachments in front of them. The
    /// first lies `skip` bytes behind the packet's first one.
    pub(super) fn unframe(&mut self, i: Index, skip: usize) {
        let Some(packet) = self.packets.get(i).copied() else {
            return;
        };
        let mem = self.mem.get_mut();
        let mut start = packet.frame() + skip;
        for part in packet.first()..=packet.attachments() {
            let Some((header, len, key)) = mem.get(start..).and_then(ws::read_header) else {
                return;
            };
            let end = start + header + len;
            if let Some(payload) = mem.get_mut(start + header..end) {
                ws::mask(payload, key);
            }
            if part > 0 {
                put_u32(mem, start, len as u32);
            }
            start = end;
        }
    }

    /// The bytes of the write in progress that are still to be written. `pause`: up to the end of the frame that has
    /// begun, because something else is to go in between.
    #[inline]
    pub(crate) fn ws_bytes(&self, pause: bool) -> &[u8] {
        #[cfg(feature = "deflate")]
        if let Write::Compressed = self.write {
            return self.compressor.bytes(pause);
        }
        let Write::Frames { skip, pos } = self.write else {
            return &[];
        };
        let (Some(first), Some(last)) = (
            self.writing.head().and_then(|i| self.packets.get(i)),
            self.writing.tail().and_then(|i| self.packets.get(i)),
        ) else {
            return &[];
        };
        let from = first.frame() + skip + pos;
        if EIO3 && self.typed.is_writing() {
            return match self.typed.next(pos, pause) {
                Ok(bytes) => bytes,
                Err(to) => self.bytes_of(from..first.frame() + skip + to),
            };
        }
        let to = if pause {
            self.frame_end(first.frame() + skip, pos)
        } else {
            last.end()
        };
        self.bytes_of(from..to)
    }

    /// Where the frame ends that lies `pos` bytes behind `start`; there itself if one ends just there.
    fn frame_end(&self, start: usize, pos: usize) -> usize {
        let mut end = start;
        while end < start + pos {
            match self.mem.get().get(end..).and_then(ws::read_header) {
                Some((header, len, _)) => end += header + len,
                None => return start + pos,
            }
        }
        end
    }

    /// `n` bytes of [`Self::ws_bytes`] have been written.
    pub(crate) fn ws_written(&mut self, n: usize) {
        #[cfg(feature = "deflate")]
        if let Write::Compressed = self.write {
            self.compressed_written(n);
            return;
        }
        let Write::Frames { mut skip, mut pos } = self.write else {
            return;
        };
        if EIO3 && self.typed.is_writing() {
            let end = self.frame_behind(skip + pos);
            if self.typed.written(pos, n, end) {
                return;
            }
        }
        pos += n;
        while let Some(i) = self.writing.head() {
            let size = self
                .packets
                .get(i)
                .map_or(0, |packet| packet.end() - packet.frame() - skip);
            if pos < size {
                self.write = Write::Frames { skip, pos };
                return;
            }
            self.packets.unlink(&mut self.writing, i);
            self.has_left(i, skip);
            pos -= size;
            skip = 0;
        }
        self.write = Write::Nothing;
        self.typed.end();
    }

    /// A packet that was being written, and is in no lane, has been written whole. `skip` as for [`Self::unframe`].
    pub(super) fn has_left(&mut self, i: Index, skip: usize) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        if !packet.life.is_answered() {
            self.remove(i);
            return;
        }
        if matches!(self.write, Write::Frames { .. }) {
            self.unframe(i, skip);
        }
        if let Some(packet) = self.packets.get_mut(i) {
            packet.by_post.set_first(0);
            packet.tries = packet.tries.saturating_add(1);
            packet.state = SendState::Sent;
            if packet.again {
                self.wait_first(i);
            }
        }
    }
}

/// Writes the header of the frame that begins at `start` with `len` bytes of payload, which are masked; where it ends.
#[cfg_attr(feature = "alloc", inline(always))]
fn seal(mem: &mut [u8], start: usize, opcode: u8, len: usize, rng: &mut Rng) -> usize {
    let header = ws::header_len(len);
    let end = start + header + len;
    let key = rng.mask();
    if let Some(frame) = mem.get_mut(start..end) {
        ws::write_header(frame, opcode, len, key);
        ws::mask(frame.get_mut(header..).unwrap_or_default(), key);
    }
    end
}
