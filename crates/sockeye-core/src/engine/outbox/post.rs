//! How packets get out in the body of a POST: text as it is, binary as base64, a piece at a time.

use super::{BINARY, IN_BATCH, Outbox, Slot};
use crate::limits::PACKETS_PER_POST;
use crate::packet::payload;

/// The polling body in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post {
    /// The slot being written, or the place to look for the next one.
    pub(super) cursor: usize,
    /// Offset within the current slot's message; base64 advances by [`payload::STEP`].
    at: usize,
    /// What the next [`Outbox::post_piece`] lends.
    piece: Piece,
    /// Nothing precedes: the first packet has no separator.
    first: bool,
    /// All of it has been written: the answer is awaited.
    pub(super) written: bool,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Bytes of the area, relative to the current slot's message; −1 is the separator.
    Area {
        from: isize,
        to: isize,
    },
    /// Bytes of the scratch.
    Scratch {
        from: usize,
        to: usize,
    },
    End,
}

impl Outbox<'_> {
    /// Chooses the packets of one POST: at most 16, together at most `max_payload` bytes (0: any), but at least one.
    /// `leading` bytes of other packets go in front. Returns the length of the body, `leading` included.
    pub(crate) fn commit_post(&mut self, max_payload: usize, leading: usize) -> usize {
        let mut total = leading;
        let mut count = usize::from(leading > 0);
        let mut i = self.first_sendable().unwrap_or(self.slots.len());
        let cursor = i;
        while let Some(slot) = self.slots.get_mut(i) {
            if slot.is_sendable() {
                let size = body_len(slot);
                let more = size + usize::from(total > 0);
                if count > 0
                    && (count >= PACKETS_PER_POST || max_payload > 0 && total + more > max_payload)
                {
                    break;
                }
                slot.flags |= IN_BATCH;
                total += more;
                count += 1;
            }
            i += 1;
        }
        self.post = Some(Post {
            cursor,
            at: 0,
            piece: Piece::End,
            first: leading == 0,
            written: false,
        });
        self.next_packet();
        total
    }

    /// The next bytes of the body; empty at its end.
    pub(crate) fn post_piece(&self) -> &[u8] {
        let Some(post) = &self.post else { return &[] };
        match post.piece {
            Piece::Area { from, to } => self.slots.get(post.cursor).map_or(&[], |slot| {
                let start = slot.start as usize;
                &self.mem.get()[start.saturating_add_signed(from)..start.saturating_add_signed(to)]
            }),
            Piece::Scratch { from, to } => &self.scratch[from..to],
            Piece::End => &[],
        }
    }

    /// `n` bytes of [`Self::post_piece`] have been written.
    pub(crate) fn post_written(&mut self, n: usize) {
        let Some(post) = &mut self.post else { return };
        let done = match &mut post.piece {
            Piece::Area { from, to } => {
                *from = (*from + n as isize).min(*to);
                from == to
            }
            Piece::Scratch { from, to } => {
                *from = (*from + n).min(*to);
                from == to
            }
            Piece::End => return,
        };
        if done {
            self.next_piece();
        }
    }

    /// Moves on to the next packet of the body.
    fn next_packet(&mut self) {
        let Some(post) = &mut self.post else { return };
        while let Some(slot) = self.slots.get(post.cursor) {
            if slot.has(IN_BATCH) {
                post.at = 0;
                if slot.has(BINARY) {
                    self.base64_piece(true);
                    return;
                }
                if !post.first {
                    self.mem.get_mut()[slot.start as usize - 1] = payload::SEPARATOR;
                }
                post.piece = Piece::Area {
                    from: if post.first { 0 } else { -1 },
                    to: slot.len as isize,
                };
                post.first = false;
                return;
            }
            post.cursor += 1;
        }
        post.piece = Piece::End;
    }

    fn next_piece(&mut self) {
        let Some(post) = &mut self.post else { return };
        if let Some(slot) = self.slots.get(post.cursor)
            && slot.has(BINARY)
            && post.at < slot.len as usize
        {
            self.base64_piece(false);
            return;
        }
        post.cursor += 1;
        self.next_packet();
    }

    /// Prepares the next characters of a binary packet in the scratch.
    fn base64_piece(&mut self, begin: bool) {
        let Some(post) = &mut self.post else { return };
        let Some(slot) = self.slots.get(post.cursor) else {
            return;
        };
        let message = &self.mem.get()[slot.start as usize..slot.end()];
        let mut to = 0;
        if begin {
            if !post.first {
                self.scratch[to] = payload::SEPARATOR;
                to += 1;
            }
            post.first = false;
            self.scratch[to] = b'b';
            to += 1;
        }
        let step = &message[post.at..message.len().min(post.at + payload::STEP)];
        post.at += step.len();
        to += payload::encode_step(step, &mut self.scratch[to..]);
        post.piece = Piece::Scratch { from: 0, to };
    }

    /// The whole body has been written.
    pub(crate) fn post_is_written(&mut self) {
        if let Some(post) = &mut self.post {
            post.written = true;
        }
    }

    /// The server has certainly not taken the POST: its packets stay.
    pub(crate) fn post_refused(&mut self) {
        if let Some(post) = &mut self.post {
            post.written = false;
        }
    }

    /// The POST has been answered: its packets leave.
    pub(crate) fn post_done(&mut self) {
        self.post = None;
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            if slot.has(IN_BATCH) {
                let before = self.slots.len();
                self.retire(i, 1);
                // A slot that stays (part of a larger packet, or a retry) is passed over.
                if self.slots.len() == before {
                    i += 1;
                } else {
                    i = 0;
                }
            } else {
                i += 1;
            }
        }
    }
}

/// Bytes of the slot in a polling body, without separator.
fn body_len(slot: &Slot) -> usize {
    if slot.has(BINARY) {
        1 + payload::encoded_len(slot.len as usize)
    } else {
        slot.len as usize
    }
}
