//! Compressed messages on the way out (permessage-deflate, RFC 7692).
//!
//! A packet of which some message is compressed is a write of its own: its frames are put together in a buffer, one by one,
//! and the area keeps the packet as it is. Therefore nothing has to be undone when it is to be sent again, and packets of
//! which nothing is compressed travel as they always do, in place.
//!
//! Large messages leave in several frames, so that no more than a piece is compressed at a time. Nothing goes in between
//! two frames of one message, because the engine's own packets are messages as well.

use alloc::vec::Vec;

use super::{Outbox, Write};
use crate::memory::Index;
use crate::memory::records::get_u32;
use crate::rng::Rng;
use crate::wire::ws;
use crate::wire::ws::deflate::{Agreement, Deflater};

/// Bytes of a message that are compressed at a time.
const PIECE: usize = 64 << 10;

/// The longest frame header, for which the buffer has room in front.
const LEAD: usize = 14;

/// More memory than this is not kept for the next frame.
const KEEP: usize = 16 << 10;

/// The frame bits of RFC 6455, section 5.2, and of RFC 7692, section 6.
const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const CONTINUATION: u8 = 0;

/// The compressor of a WebSocket, and the frame that is being written.
#[derive(Debug, Default)]
pub(super) struct Compressor {
    /// What has been agreed on, and from how many bytes on messages are compressed.
    agreed: Option<(Agreement, usize)>,
    /// Made for the first message that is compressed: it takes 300 KB and more.
    deflater: Option<Deflater>,
    /// The frame, from `from` on; so many bytes of the buffer have been written, or lie in front of it.
    frame: Vec<u8>,
    from: usize,
    pos: usize,
    /// The part of the packet that is in it: which one, where it lies behind the packet's area, and how long it is.
    part: u16,
    at: usize,
    len: usize,
    /// Bytes of the part that are in frames by now.
    framed: usize,
    /// This is the first frame of the part.
    first: bool,
}

impl Compressor {
    /// Whether something of the packet has been written.
    pub(super) const fn is_begun(&self) -> bool {
        self.part > 0 || !self.first || self.pos > self.from
    }

    /// Whether some message has been written in part.
    pub(super) const fn is_in_message(&self) -> bool {
        !self.first || self.pos > self.from
    }

    pub(super) fn bytes(&self, pause: bool) -> &[u8] {
        if pause && !self.is_in_message() {
            return &[];
        }
        self.frame.get(self.pos..).unwrap_or_default()
    }

    /// What has been compressed will not be sent: the server must not be referred to it.
    pub(super) fn forget(&mut self) {
        self.deflater = None;
    }

    /// Gives memory back that can be had again.
    pub(super) fn shrink(&mut self) {
        self.forget();
        self.frame = Vec::new();
    }
}

impl Outbox<'_> {
    /// From here on messages of so many bytes or more are compressed as has been agreed on; or none are.
    pub(crate) fn compress(&mut self, agreed: Option<(Agreement, usize)>) {
        self.compressor = Compressor {
            agreed: agreed.filter(|(agreement, _)| agreement.can_deflate()),
            ..Compressor::default()
        };
    }

    /// Whether some message of a packet is to be compressed.
    #[inline]
    pub(super) fn is_compressible(&self, i: Index) -> bool {
        let (Some((_, threshold)), Some(packet)) = (self.compressor.agreed, self.packets.get(i))
        else {
            return false;
        };
        // What has left in part leaves as it began.
        !packet.uncompressed
            && !self.is_typed(i)
            && packet.first() == 0
            && (packet.text as usize >= threshold
                || packet.attachments > 0 && self.parts(packet).any(|part| part.len() >= threshold))
    }

    /// Begins to write a ready packet of which some message is to be compressed.
    pub(super) fn commit_compressed(&mut self, i: Index, rng: &mut Rng) {
        let Some((gap, text)) = self.packets.get(i).map(|p| (p.gap, p.text)) else {
            return;
        };
        self.start_writing(i);
        self.write = Write::Compressed;
        let compressor = &mut self.compressor;
        (compressor.part, compressor.at, compressor.len) = (0, gap.into(), text as usize);
        (compressor.framed, compressor.first) = (0, true);
        self.put_frame(i, rng);
    }

    /// Puts the next frame of the packet together.
    fn put_frame(&mut self, i: Index, rng: &mut Rng) {
        let Some(packet) = self.packets.get(i) else {
            return;
        };
        let opcode = self.opcode();
        let compressor = &mut self.compressor;
        let Some((agreement, threshold)) = compressor.agreed else {
            return;
        };
        let (at, len, framed) = (compressor.at, compressor.len, compressor.framed);
        let frame = &mut compressor.frame;
        frame.clear();
        frame.resize(LEAD, 0);
        let is_compressed = len >= threshold;
        let n = if is_compressed {
            PIECE.min(len - framed)
        } else {
            len
        };
        let start = packet.area as usize + at + framed;
        let piece = self.mem.get().get(start..start + n).unwrap_or_default();
        let is_last = framed + n >= len;
        if is_compressed {
            compressor
                .deflater
                .get_or_insert_with(|| Deflater::new(agreement))
                .piece(piece, is_last, frame);
        } else {
            frame.extend_from_slice(piece);
        }
        let mut bits = match (compressor.part, packet.by_post.is_base64()) {
            _ if !compressor.first => CONTINUATION,
            (0, _) => opcode,
            (_, true) => ws::TEXT,
            (_, false) => ws::BINARY,
        };
        if is_compressed && compressor.first {
            bits |= COMPRESSED;
        }
        let key = rng.mask();
        let payload = frame.len() - LEAD;
        let from = LEAD - ws::header_len(payload);
        if let Some((header, payload)) = frame
            .get_mut(from..)
            .and_then(|f| f.split_at_mut_checked(LEAD - from))
        {
            ws::write_header(header, bits, payload.len(), key);
            if !is_last {
                header[0] &= !FIN;
            }
            ws::mask(payload, key);
        }
        compressor.framed += n;
        (compressor.from, compressor.pos) = (from, from);
    }

    /// `n` bytes of the frame have been written; what follows it is put together by [`Self::next_frame`].
    pub(super) fn compressed_written(&mut self, n: usize) {
        self.compressor.pos += n;
    }

    /// Goes on with a compressed packet whose frame has been written.
    pub(crate) fn next_frame(&mut self, rng: &mut Rng) {
        let Write::Compressed = self.write else {
            return;
        };
        let compressor = &mut self.compressor;
        if compressor.pos < compressor.frame.len() {
            return;
        }
        let Some(i) = self.writing.head() else {
            return;
        };
        compressor.first = false;
        if compressor.framed >= compressor.len {
            let Some(packet) = self.packets.get(i) else {
                return;
            };
            if compressor.part >= packet.attachments {
                if compressor.frame.capacity() > KEEP {
                    compressor.frame = Vec::new();
                }
                self.packets.unlink(&mut self.writing, i);
                self.write = Write::Nothing;
                self.has_left(i, 0);
                return;
            }
            // The next one lies behind a gap in which its length stands.
            let gap = compressor.at + compressor.len;
            let len = get_u32(self.mem.get(), packet.area as usize + gap).unwrap_or(0) as usize;
            (compressor.at, compressor.len) = (gap + ws::header_len(len), len);
            (compressor.framed, compressor.first) = (0, true);
            compressor.part += 1;
        }
        self.put_frame(i, rng);
    }
}
