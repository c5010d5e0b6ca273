//! How packets get out in the body of a POST: text as it is, binary as base64, in large pieces.

use super::{Life, Outbox, Packet, UnsentCause, Write};
#[cfg(not(feature = "alloc"))]
use crate::config::POLLING;
use crate::limits::PACKETS_PER_POST;
use crate::memory::{Index, NONE};
use crate::packet::payload;
#[cfg(feature = "eio3")]
use crate::packet::payload3;

/// Where a piece of the body is put together: some servers take what one read brings for the whole body, so pieces are
/// large where there is memory.
#[cfg(feature = "alloc")]
pub(super) type Scratch = alloc::vec::Vec<u8>;
/// Where a piece of the body is put together.
#[cfg(not(feature = "alloc"))]
pub(super) type Scratch = [u8; if POLLING {
    payload::STEP / 3 * 4 + 2
} else {
    0
}];

#[cfg(feature = "alloc")]
pub(super) const SCRATCH: Scratch = Scratch::new();
#[cfg(not(feature = "alloc"))]
pub(super) const SCRATCH: Scratch = [0; if POLLING {
    payload::STEP / 3 * 4 + 2
} else {
    0
}];

/// Bytes of a piece, where there is a heap.
#[cfg(feature = "alloc")]
const PIECE: usize = 16 << 10;

/// The body of a POST: parts of packets, the first of which heads the lane `writing`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post {
    /// The packet and the part of it that is put together next; `NONE` at the end.
    cursor: Index,
    part: u16,
    /// Bytes of the part that have been put together; base64 advances in steps of three.
    at: usize,
    /// Behind the last part, which belongs to the last packet of the lane.
    end: u16,
    /// Bytes of other packets stand in front.
    leading: bool,
    /// Something stands in front of what is put together next.
    led: bool,
    /// The piece that is being written: bytes of the scratch.
    from: usize,
    to: usize,
    /// The whole body.
    len: usize,
    fate: Fate,
}

/// What the server may have seen of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing of the body has been written.
    Unwritten,
    /// A part of it, up to the cursor.
    Begun,
    /// All of it: the answer is awaited.
    Written,
    /// It has been answered: the server has certainly not taken it.
    NotTaken,
    /// It has been answered: the server will never take it, because it is too large.
    TooLarge,
    /// It has been answered with some other error.
    Refused,
}

/// So often a packet may be answered as if it had not been taken; from then on that counts as an interruption.
const NOT_TAKEN: u8 = 4;

/// What an answer other than 200 says about the packets of the POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostError {
    /// The server does not know the session, or a proxy has no server: nothing was taken.
    NotTaken,
    /// Larger than the server accepts.
    TooLarge,
    /// Whatever else.
    Other,
}

impl Post {
    /// Whether nothing of it has been written.
    pub(super) fn is_unwritten(&self) -> bool {
        self.fate == Fate::Unwritten
    }
}

impl Outbox<'_> {
    /// Chooses the packets of one POST: at most 16 with their attachments, together at most `max_payload` bytes (0: any),
    /// but at least one. A packet that was interrupted before goes alone, so that it takes no other with it.
    /// `leading` bytes of other packets go in front. Returns the length of the body, `leading` included.
    pub(crate) fn commit_post(&mut self, max_payload: usize, leading: usize) -> usize {
        let mut total = leading;
        let mut count = usize::from(leading > 0);
        let mut chosen = false;
        // Behind `leading` there may be no room for the rest of a packet that has left in part: it waits for the next one.
        let rest = self.writing.head();
        let mut end = rest
            .and_then(|i| self.packets.get(i))
            .map_or(0, Packet::first);
        let mut next = rest.or(self.ready.head());
        while let Some((i, packet)) = next.and_then(|i| Some((i, *self.packets.get(i)?))) {
            if chosen && packet.was_in_trouble() {
                break;
            }
            let mut took = packet.first();
            let mut full = false;
            for part in self.parts(&packet).skip(usize::from(packet.first())) {
                let binary = self.packs_binary() || took > 0 && !packet.by_post.is_base64();
                let size = self.body_len(binary, part.len());
                let more = size + usize::from(total > 0 && !self.is_v3());
                full = count > 0
                    && (count >= PACKETS_PER_POST || max_payload > 0 && total + more > max_payload);
                if full {
                    break;
                }
                total += more;
                count += 1;
                took += 1;
            }
            if took == packet.first() {
                break;
            }
            (chosen, end) = (true, took);
            if self.writing.tail() != Some(i) {
                self.start_writing(i);
            }
            if full || packet.was_in_trouble() {
                break;
            }
            next = self.ready.head();
        }
        self.write = Write::Post(Post {
            cursor: NONE,
            part: 0,
            at: 0,
            end,
            leading: leading > 0,
            led: leading > 0,
            from: 0,
            to: 0,
            len: total,
            fate: Fate::Unwritten,
        });
        self.rewind_post();
        total
    }

    /// The length of the body of a POST that is to be sent again; `None` without one.
    pub(crate) const fn post_again(&self) -> Option<usize> {
        match &self.write {
            Write::Post(post) => Some(post.len),
            _ => None,
        }
    }

    /// The POST begins anew, on another connection.
    pub(crate) fn rewind_post(&mut self) {
        let first = self.writing.head();
        let part = first
            .and_then(|i| self.packets.get(i))
            .map_or(0, Packet::first);
        if let Write::Post(post) = &mut self.write {
            post.cursor = first.unwrap_or(NONE);
            post.part = part;
            post.at = 0;
            post.fate = Fate::Unwritten;
            post.led = post.leading;
            (post.from, post.to) = (0, 0);
            self.next_piece();
        }
    }

    /// The next bytes of the body; empty at its end.
    pub(crate) fn post_piece(&self) -> &[u8] {
        match &self.write {
            Write::Post(post) => self.scratch.get(post.from..post.to).unwrap_or_default(),
            _ => &[],
        }
    }

    /// `n` bytes of [`Self::post_piece`] have been written.
    pub(crate) fn post_written(&mut self, n: usize) {
        let Write::Post(post) = &mut self.write else {
            return;
        };
        if post.fate == Fate::Unwritten {
            post.fate = Fate::Begun;
        }
        post.from += n.min(post.to - post.from);
        if post.from == post.to {
            self.next_piece();
        }
    }

    /// Puts the next piece of the body together.
    fn next_piece(&mut self) {
        let Write::Post(mut post) = self.write.take_post() else {
            return;
        };
        #[cfg(feature = "alloc")]
        let mut scratch = core::mem::take(&mut self.scratch);
        #[cfg(not(feature = "alloc"))]
        let mut scratch = self.scratch;
        #[cfg(feature = "alloc")]
        if scratch.is_empty() {
            scratch.resize(post.len.clamp(16, PIECE), 0);
        }
        let mut to = 0;
        while let Some(packet) = self.packets.get(post.cursor) {
            let last = self.writing.tail() == Some(post.cursor);
            let end = if last {
                post.end
            } else {
                packet.attachments() + 1
            };
            if post.part >= end {
                post.cursor = NONE;
                break;
            }
            let range = self.parts(packet).nth(usize::from(post.part));
            let message = self.bytes_of(range.unwrap_or(0..0));
            let binary = self.packs_binary() || post.part > 0 && !packet.by_post.is_base64();
            let begin = post.at == 0;
            #[cfg(feature = "eio3")]
            if self.is_v3() {
                // The length is not torn from the first byte behind it.
                let room = scratch.len() - to;
                if room < 1 + if begin { payload3::MAX_HEAD } else { 0 } {
                    break;
                }
                if begin {
                    to += payload3::put_head(binary, message.len(), &mut scratch[to..]);
                }
            }
            let base64 = binary && !self.is_v3();
            let first = begin && !post.led || self.is_v3();
            // The separator and the `b` are not torn from the first bytes behind them.
            let lead = usize::from(begin && !first) + usize::from(begin && base64);
            let room = scratch.len() - to;
            if room < lead + if base64 { 4 } else { 1 } {
                break;
            }
            if begin && !first {
                scratch[to] = payload::SEPARATOR;
                to += 1;
            }
            if begin && base64 {
                scratch[to] = b'b';
                to += 1;
            }
            post.led = true;
            let left = &message[post.at.min(message.len())..];
            if base64 {
                let (n, written) = payload::encode_into(left, 0, &mut scratch[to..]);
                to += written;
                post.at += n;
            } else {
                let n = left.len().min(scratch.len() - to);
                scratch[to..to + n].copy_from_slice(&left[..n]);
                to += n;
                post.at += n;
            }
            if post.at < message.len() {
                break;
            }
            post.at = 0;
            post.part += 1;
            if post.part >= end {
                post.part = 0;
                post.cursor = if last {
                    NONE
                } else {
                    self.packets.next(post.cursor).unwrap_or(NONE)
                };
            }
        }
        (post.from, post.to) = (0, to);
        self.scratch = scratch;
        self.write = Write::Post(post);
    }

    /// The whole body has been written.
    pub(crate) fn post_is_written(&mut self) {
        self.set_fate(Fate::Written);
    }

    /// The server has answered the POST with an error.
    pub(crate) fn post_refused(&mut self, error: PostError) {
        self.set_fate(match error {
            PostError::NotTaken => Fate::NotTaken,
            PostError::TooLarge => Fate::TooLarge,
            PostError::Other => Fate::Refused,
        });
    }

    fn set_fate(&mut self, fate: Fate) {
        if let Write::Post(post) = &mut self.write {
            post.fate = fate;
        }
    }

    /// The POST has been answered: its packets have left.
    pub(crate) fn post_done(&mut self) {
        let Write::Post(post) = self.write.take_post() else {
            return;
        };
        self.free_scratch();
        while let Some(i) = self.writing.head() {
            let last = self.writing.tail() == Some(i);
            if let Some(packet) = self.packets.get_mut(i)
                && last
                && post.end <= packet.attachments()
            {
                // The rest of it follows in another POST, or over the WebSocket.
                packet.by_post.set_first(post.end);
                return;
            }
            self.packets.unlink(&mut self.writing, i);
            self.has_left(i, 0);
        }
    }

    /// Bytes of a part in a polling body, without separator.
    fn body_len(&self, binary: bool, len: usize) -> usize {
        #[cfg(feature = "eio3")]
        if self.is_v3() {
            return payload3::record_len(binary, len);
        }
        if binary {
            1 + payload::encoded_len(len)
        } else {
            len
        }
    }

    fn free_scratch(&mut self) {
        #[cfg(feature = "alloc")]
        {
            self.scratch = Scratch::new();
        }
    }

    /// The connection has ended under the POST.
    pub(super) fn interrupt_post(&mut self, post: &Post) {
        self.free_scratch();
        match post.fate {
            Fate::Unwritten => (),
            Fate::NotTaken => self.none_taken(),
            // It may have arrived: its packets are not sent twice.
            Fate::Written => {
                while let Some(i) = self.writing.head() {
                    let last = self.writing.tail() == Some(i);
                    let in_part = last
                        && self
                            .packets
                            .get(i)
                            .is_some_and(|packet| post.end <= packet.attachments());
                    if in_part {
                        self.was_begun(Some(i));
                        return;
                    }
                    self.packets.unlink(&mut self.writing, i);
                    self.has_left(i, 0);
                }
            }
            Fate::TooLarge => {
                // Alone it is too large; among others, it may be any of them.
                if self.writing.head() == self.writing.tail()
                    && let Some(i) = self.packets.pop_front(&mut self.writing)
                {
                    self.refused(i, UnsentCause::TooLarge);
                    return;
                }
                self.all_begun(NONE);
            }
            // What the server made of it nobody knows: to send it again might double it.
            Fate::Refused => {
                while let Some(i) = self.packets.pop_front(&mut self.writing) {
                    self.refused(i, UnsentCause::Refused);
                }
            }
            Fate::Begun => self.all_begun(post.cursor),
        }
    }

    /// The server has refused a packet that is in no lane.
    fn refused(&mut self, i: Index, cause: UnsentCause) {
        if self
            .packets
            .get(i)
            .is_some_and(|packet| packet.life == Life::Written)
        {
            self.give_up(i, cause);
        } else {
            self.keep_or_drop(i);
        }
    }

    /// A server that is about to start answers so, and then nothing has been lost. But so does a proxy whose server fell
    /// over these packets, or that takes offence at them: at some point it counts as an interruption.
    fn none_taken(&mut self) {
        let mut at = self.writing.head();
        while let Some(i) = at {
            at = self.packets.next(i);
            if let Some(packet) = self.packets.get_mut(i) {
                if packet.by_post.not_taken() < NOT_TAKEN {
                    packet.by_post.count_not_taken();
                } else {
                    packet.tries = packet.tries.saturating_add(1);
                }
            }
        }
    }

    /// The packets of the lane up to `last` have been interrupted.
    fn all_begun(&mut self, last: Index) {
        let mut at = self.writing.head();
        while let Some(i) = at {
            self.was_begun(Some(i));
            at = self.packets.next(i).filter(|_| i != last);
        }
    }
}

impl Write {
    /// A POST in progress, taken out; anything else stays.
    fn take_post(&mut self) -> Self {
        match self {
            Self::Post(_) => core::mem::replace(self, Self::Nothing),
            _ => Self::Nothing,
        }
    }
}
