//! A receive area: where bytes are read, messages joined, and packets held that wait.

use super::Bytes;
use super::records::{RECORD, put_u32};
use super::steps::moved;

/// Growable receive areas grow to this size when reads fill them; only a larger packet makes them larger.
pub(crate) const RX_CHUNK: usize = 64 << 10;
/// The first size of a growable receive area.
pub(crate) const RX_FIRST: usize = 1 << 10;
/// Room that held records leave: for their own lengths, a frame header, and a control frame of 127 bytes.
pub(crate) const HOLD_ROOM: usize = 160;

/// A receive area: `[held records][message being assembled][stream not yet consumed][free]`.
///
/// Bytes are read to the end of the stream. Decoders consume them from its front: heads and frame headers vanish,
/// payload joins the message, which moves only when a header lies between two of its parts. Packets that wait for
/// attachments or for the CONNECT reply are held as records at the front.
#[derive(Debug)]
pub(crate) struct RxBuf<'a> {
    mem: Bytes<'a>,
    /// End of the held records.
    held: usize,
    msg: usize,
    msg_len: usize,
    start: usize,
    end: usize,
    /// The last read filled all the room it was given: larger reads would save system calls.
    filled: bool,
}

impl<'a> RxBuf<'a> {
    pub(crate) const fn new(mem: Bytes<'a>) -> Self {
        Self {
            mem,
            held: 0,
            msg: RECORD,
            msg_len: 0,
            start: RECORD,
            end: RECORD,
            filled: false,
        }
    }

    /// An area without room, in the place of one that is lent out.
    pub(crate) const fn nothing() -> Self {
        Self::new(Bytes::Fixed(&mut []))
    }

    #[cfg(test)]
    pub(crate) const fn for_test(area: &'a mut [u8]) -> Self {
        Self::new(Bytes::Fixed(area))
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.held = 0;
        self.clear_stream();
    }

    /// Forgets everything but the held records.
    pub(crate) fn clear_stream(&mut self) {
        self.msg = self.held + RECORD;
        self.msg_len = 0;
        self.start = self.msg;
        self.end = self.msg;
        self.filled = false;
    }

    /// Gives memory back while nothing is kept.
    pub(crate) fn shrink(&mut self) {
        if self.held == 0 && self.msg_len == 0 && self.start == self.end {
            self.clear();
            self.mem.shrink();
        }
    }

    /// Room for the next read; empty only if the area is full and may not grow.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end && self.msg_len == 0 {
            let at = (self.held + RECORD).min(self.mem.len());
            (self.msg, self.start, self.end) = (at, at, at);
        }
        let len = self.mem.len();
        if len.saturating_sub(self.end) < (len / 4).max(64) || (self.filled && len < RX_CHUNK) {
            self.compact();
            let want = if self.filled && len < RX_CHUNK {
                (len * 2).max(RX_FIRST)
            } else {
                (self.end + 256).max(RX_FIRST)
            };
            if len.saturating_sub(self.end) < (len / 4).max(64) || self.filled {
                // At the cap, whatever is left has to do.
                let _ = self.mem.grow(want.min(self.mem.max()));
            }
            if self.msg < RECORD {
                (self.msg, self.start, self.end) = (RECORD, RECORD, RECORD);
            }
        }
        self.filled = false;
        let end = self.end;
        self.mem.get_mut().get_mut(end..).unwrap_or_default()
    }

    /// Whether there is memory: growable areas have none at first, and when they have been idle.
    #[cfg(feature = "alloc")]
    pub(crate) fn has_memory(&self) -> bool {
        self.mem.len() > 0
    }

    /// The room that [`Self::space`] would lend without moving or growing anything.
    pub(crate) fn has_space(&self) -> bool {
        self.end < self.mem.len()
    }

    /// `n` bytes have been read into [`Self::space`].
    pub(crate) fn filled(&mut self, n: usize) {
        let room = self.mem.len().saturating_sub(self.end);
        self.filled = n >= room;
        self.end += n.min(room);
    }

    fn compact(&mut self) {
        moved(self.end.saturating_sub(self.held));
        let to = self.held + RECORD;
        if self.msg_len > 0 {
            if self.msg > to {
                self.mem
                    .get_mut()
                    .copy_within(self.msg..self.msg + self.msg_len, to);
                if self.start == self.msg + self.msg_len {
                    self.mem
                        .get_mut()
                        .copy_within(self.start..self.end, to + self.msg_len);
                    self.end -= self.start - to - self.msg_len;
                    self.start = to + self.msg_len;
                }
                self.msg = to;
            }
            let to = self.msg + self.msg_len;
            if self.start > to {
                self.mem.get_mut().copy_within(self.start..self.end, to);
                self.end -= self.start - to;
                self.start = to;
            }
        } else if self.start > to {
            self.mem.get_mut().copy_within(self.start..self.end, to);
            self.end -= self.start - to;
            self.start = to;
            self.msg = to;
        }
    }

    /// The bytes not yet consumed.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn stream(&self) -> &[u8] {
        self.mem.get().get(self.start..self.end).unwrap_or_default()
    }

    /// Drops `n` bytes from the front of the stream.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n.min(self.end - self.start);
    }

    /// Moves `n` bytes from the front of the stream to the end of the message.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn take(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        if self.msg_len == 0 {
            self.msg = self.start;
        } else if self.msg + self.msg_len != self.start {
            moved(n);
            self.mem
                .get_mut()
                .copy_within(self.start..self.start + n, self.msg + self.msg_len);
        }
        self.msg_len += n;
        self.start += n;
    }

    /// The message assembled so far.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn message(&self) -> &[u8] {
        self.mem
            .get()
            .get(self.msg..self.msg + self.msg_len)
            .unwrap_or_default()
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn message_mut(&mut self) -> &mut [u8] {
        self.mem
            .get_mut()
            .get_mut(self.msg..self.msg + self.msg_len)
            .unwrap_or_default()
    }

    pub(crate) fn message_len(&self) -> usize {
        self.msg_len
    }

    /// Keeps `len` bytes of the message from `from` on.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn trim_message(&mut self, from: usize, len: usize) {
        self.msg += from.min(self.msg_len);
        self.msg_len = len.min(self.msg_len);
    }

    /// The byte in front of the message joins it: one that has been consumed or trimmed. Whether there is one.
    #[cfg(feature = "eio3")]
    pub(crate) fn widen_message(&mut self) -> bool {
        let is = self.msg > self.held && self.msg_len > 0;
        if is {
            self.msg -= 1;
            self.msg_len += 1;
        }
        is
    }

    /// Forgets the message.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn drop_message(&mut self) {
        self.msg_len = 0;
    }

    /// Puts other bytes in the place of the message. The area may become larger by so many bytes than it otherwise does, if
    /// much has been read behind the message: the caller bounds their number. Growable memory only.
    #[cfg(feature = "deflate")]
    pub(crate) fn replace_message(&mut self, with: &[u8]) {
        let front = self.held + RECORD;
        if front + with.len() > self.start {
            let shift = front + with.len() - self.start;
            moved(self.end - self.start);
            self.mem.stretch(self.end + shift);
            if self.mem.len() < self.end + shift {
                return;
            }
            self.mem
                .get_mut()
                .copy_within(self.start..self.end, self.start + shift);
            self.start += shift;
            self.end += shift;
        }
        // What is read next joins it, as it would have joined the other.
        self.msg = self.start - with.len();
        self.msg_len = with.len();
        if let Some(message) = self.mem.get_mut().get_mut(self.msg..self.start) {
            message.copy_from_slice(with);
        }
    }

    /// Puts a text in the place of the message, which is the last that is needed of it; whether there is room. The area
    /// may become larger for it than it otherwise does, as for [`Self::replace_message`].
    #[cfg(feature = "msgpack")]
    pub(crate) fn set_message(&mut self, text: &[u8]) -> bool {
        self.drop_message();
        if !self.open_room(RECORD + text.len()) {
            return false;
        }
        self.msg = self.start - text.len();
        self.msg_len = text.len();
        let message = self.mem.get_mut().get_mut(self.msg..self.start);
        message.is_some_and(|message| {
            message.copy_from_slice(text);
            true
        })
    }

    /// Holds a packet in the place of the message: its text as a record, and the records of its attachments, with `lead`
    /// bytes in front for the caller's own use; whether there was room.
    #[cfg(feature = "msgpack")]
    pub(crate) fn hold_packet(&mut self, lead: usize, text: &[u8], records: &[u8]) -> bool {
        self.drop_message();
        let size = lead + RECORD + text.len() + records.len();
        if self.held + size + HOLD_ROOM > self.mem.max() || !self.open_room(size) {
            return false;
        }
        let at = self.held + lead;
        let mem = self.mem.get_mut();
        put_u32(mem, at, text.len() as u32);
        let from = at + RECORD;
        let Some(room) = mem.get_mut(from..from + text.len() + records.len()) else {
            return false;
        };
        let (front, back) = room.split_at_mut(text.len());
        front.copy_from_slice(text);
        back.copy_from_slice(records);
        self.held += size;
        true
    }

    /// Opens a gap behind the records when there is no message. What has been read behind it counts for no packet: if it
    /// takes the room, the area becomes larger, at once by as much that many packets in a row do not move it one by one.
    #[cfg(feature = "msgpack")]
    fn open_room(&mut self, gap: usize) -> bool {
        if self.open_gap(gap) {
            return true;
        }
        let (from, len) = (self.start, self.end - self.start);
        let to = self.held + gap + len;
        self.mem.stretch(to + len);
        if self.mem.len() < to + len {
            return false;
        }
        moved(len);
        self.mem.get_mut().copy_within(from..from + len, to);
        (self.msg, self.start, self.end) = (to, to, to + len);
        true
    }

    /// Whether the area is full: nothing more can be read unless something is dropped.
    pub(crate) fn is_full(&mut self) -> bool {
        !self.has_space() && self.space().is_empty()
    }

    /// The largest packet that fits, about.
    pub(crate) fn capacity(&self) -> usize {
        self.mem.max().saturating_sub(16)
    }

    /// Bytes used by held records.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn held(&self) -> &[u8] {
        self.mem.get().get(..self.held).unwrap_or_default()
    }

    pub(crate) fn held_mut(&mut self) -> &mut [u8] {
        let held = self.held;
        self.mem.get_mut().get_mut(..held).unwrap_or_default()
    }

    pub(crate) fn held_len(&self) -> usize {
        self.held
    }

    /// Moves the message behind the held records, as one more record, with `lead` bytes in front of it for the caller's
    /// own use; whether there was room.
    pub(crate) fn hold_message(&mut self, lead: usize) -> bool {
        // What comes next must still find room to be read and skipped.
        if self.held + lead + self.msg_len + HOLD_ROOM > self.mem.max() {
            return false;
        }
        if !self.open_gap(lead + RECORD) {
            return false;
        }
        let (from, n, at) = (self.msg, self.msg_len, self.held + lead);
        moved(n);
        let mem = self.mem.get_mut();
        mem.copy_within(from..from + n, at + RECORD);
        put_u32(mem, at, n as u32);
        self.held = at + RECORD + n;
        self.msg_len = 0;
        true
    }

    fn first(&self) -> usize {
        if self.msg_len > 0 {
            self.msg
        } else {
            self.start
        }
    }

    /// Moves message and stream towards the end until `gap` bytes are free behind the records; further where there is
    /// room, so that many small messages in a row do not move the stream one by one.
    fn open_gap(&mut self, gap: usize) -> bool {
        let first = self.first();
        let to = self.held + gap;
        if first >= to {
            return true;
        }
        if self.start == self.end && self.msg_len == 0 {
            if to > self.mem.len() && !self.mem.grow(to) {
                return false;
            }
            (self.msg, self.start, self.end) = (to, to, to);
            return true;
        }
        let least = to - first;
        let room = self.mem.max().saturating_sub(self.end);
        if least > room {
            return false;
        }
        let shift = least + (self.end - first).min(room - least);
        if self.end + shift > self.mem.len() && !self.mem.grow(self.end + shift) {
            return false;
        }
        moved(self.end - first);
        self.mem
            .get_mut()
            .copy_within(first..self.end, first + shift);
        self.msg += shift;
        self.start += shift;
        self.end += shift;
        true
    }

    /// Drops the held bytes from `to` on.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn truncate_held(&mut self, to: usize) {
        self.held = self.held.min(to);
    }

    /// Whether the area may grow.
    pub(crate) const fn is_growable(&self) -> bool {
        !matches!(self.mem, Bytes::Fixed(_))
    }

    /// Drops the held bytes `from..to`.
    pub(crate) fn close_gap(&mut self, from: usize, to: usize) {
        if from < to && to <= self.held {
            moved(self.held - to);
            self.mem.get_mut().copy_within(to..self.held, from);
            self.held -= to - from;
        }
    }

    /// Takes over what `other` has not consumed; used when WebSocket takes the main area over from polling.
    pub(crate) fn adopt(&mut self, other: &mut RxBuf<'_>) -> bool {
        self.clear_stream();
        let n = other.stream().len();
        if self.end + n > self.mem.len() && !self.mem.grow(self.end + n) {
            return false;
        }
        let end = self.end;
        self.mem.get_mut()[end..end + n].copy_from_slice(other.stream());
        self.end += n;
        other.clear();
        other.shrink();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_joins_over_headers_and_holds() {
        let mut mem = [0u8; 256];
        let mut rx = RxBuf::new(Bytes::Fixed(&mut mem));
        rx.space()[..10].copy_from_slice(b"hhABhhCDhE");
        rx.filled(10);
        rx.consume(2);
        rx.take(2);
        rx.consume(2);
        rx.take(2);
        assert_eq!(rx.message(), b"ABCD");
        assert!(rx.hold_message(0));
        assert_eq!(rx.held(), b"\x04\0\0\0ABCD");
        rx.consume(1);
        rx.take(1);
        assert_eq!(rx.message(), b"E");
        let n = rx.space().len();
        assert!(n > 40);
        assert_eq!(rx.message(), b"E");
        assert!(rx.hold_message(0));
        assert_eq!(rx.held(), b"\x04\0\0\0ABCD\x01\0\0\0E");
        rx.close_gap(0, 8);
        assert_eq!(rx.held(), b"\x01\0\0\0E");
    }
}
