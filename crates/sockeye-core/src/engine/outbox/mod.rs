//! Packets accepted for sending. The outbox keeps packets, not frames: framing happens when a packet is about to be
//! written, so that unsent packets survive an upgrade and a reconnect.
//!
//! Each packet lies in the area with spare bytes in front: a WebSocket header is written there and the payload is
//! masked in place, so that neighbouring packets become one contiguous write. In a polling body the last spare byte
//! becomes the record separator.
//!
//! `mod.rs` has the packets and what becomes of them, `accept.rs` how they get in, `frames.rs` and `post.rs` how they
//! get out.

mod accept;
mod frames;
mod post;

use crate::config::POLLING;
use crate::limits::BATCH;
use crate::memory::{Bytes, Table};
use crate::packet::Attachments;
use crate::packet::payload;
use crate::packet::socket::Prefix;
use crate::wire::ws;
use frames::Batch;
use post::Post;

/// One message: a packet's text, or one attachment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Offset of the message in the area.
    start: u32,
    len: u32,
    /// Spare bytes in front that belong to the slot.
    gap: u16,
    /// Bytes of the packet prefix at the front of the message.
    prefix: u16,
    pub(crate) nsp: u16,
    flags: u16,
    mask: [u8; 4],
    /// The [`AckId`](crate::AckId) that waits for the packet's answer; 0 for none.
    pub(crate) ack: u64,
}

/// Goes out as a binary message.
const BINARY: u16 = 1;
/// May be sent now: its namespace is joined.
const READY: u16 = 1 << 1;
/// An attachment of the same packet follows.
const MORE: u16 = 1 << 2;
/// Is an attachment.
const ATTACHMENT: u16 = 1 << 3;
/// Framed and masked with `mask`.
const MASKED: u16 = 1 << 4;
/// Part of the write in progress.
const IN_BATCH: u16 = 1 << 5;
/// Written; kept for the rest of its packet, or for another try.
const SENT: u16 = 1 << 6;
/// Means nothing on another connection: answers, CONNECT, DISCONNECT, volatile events.
const TRANSIENT: u16 = 1 << 7;
/// In the `retries` queue: kept until acknowledged.
const RETRY: u16 = 1 << 8;
/// An event that has not yet been reported as outgoing.
const UNREPORTED: u16 = 1 << 9;

impl Slot {
    pub(crate) const EMPTY: Self = Self {
        start: 0,
        len: 0,
        gap: 0,
        prefix: 0,
        nsp: 0,
        flags: 0,
        mask: [0; 4],
        ack: 0,
    };

    const fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    const fn area(&self) -> usize {
        self.start as usize - self.gap as usize
    }

    const fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }

    const fn frame(&self) -> usize {
        self.start as usize - ws::header_len(self.len as usize)
    }

    const fn is_sendable(&self) -> bool {
        self.flags & (READY | IN_BATCH | SENT) == READY
    }

    pub(crate) const fn is_retry(&self) -> bool {
        self.has(RETRY) && !self.has(ATTACHMENT)
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// How a packet behaves in the outbox.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) nsp: u16,
    pub(crate) ack: u64,
    pub(crate) ready: bool,
    pub(crate) transient: bool,
    /// May use the reserve: CONNECT, DISCONNECT.
    pub(crate) control: bool,
    pub(crate) retry: bool,
    pub(crate) report: bool,
}

/// The JSON part of a packet, and its attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'b> {
    Bytes(&'b [u8], Attachments<'b>),
    /// In the area already: see [`Outbox::stage`].
    Staged(Staged),
    Parts(&'b [&'b str]),
}

impl Body<'_> {
    pub(crate) const EMPTY: Self = Self::Parts(&[]);

    pub(crate) const fn attachments(&self) -> usize {
        match self {
            Self::Bytes(_, attachments) => attachments.len(),
            Self::Staged(staged) => staged.count,
            Self::Parts(_) => 0,
        }
    }
}

/// Where [`Outbox::stage`] left a packet. Only valid until anything else happens to the outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staged {
    from: usize,
    json_len: usize,
    records: usize,
    count: usize,
}

/// Room for a step of base64 behind a separator and a `b`; none where nothing is sent as base64.
const SCRATCH: usize = if POLLING { payload::STEP_OUT + 2 } else { 0 };

/// The longest frame header.
const MAX_HEADER: usize = 14;

/// The outbox cannot take the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not now: too much is waiting.
    Full,
    /// Never: larger than the whole area.
    TooLarge,
}

/// The head of a CONNECT must always find this much room, whatever the application has queued.
const CONTROL_RESERVE_SLOTS: usize = 1;

#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    mem: Bytes<'a>,
    slots: Table<'a, Slot>,
    /// Sum of the slots' areas.
    live: usize,
    /// All slots before this index are known not to be sendable.
    scan: usize,
    batch: Option<Batch>,
    post: Option<Post>,
    /// Events that have not been reported as outgoing yet.
    unreported: usize,
    /// Bytes kept free for CONNECT packets.
    reserve: usize,
    scratch: [u8; SCRATCH],
}

impl<'a> Outbox<'a> {
    pub(crate) const fn new(mem: Bytes<'a>, slots: Table<'a, Slot>) -> Self {
        Self {
            mem,
            slots,
            live: 0,
            scan: 0,
            batch: None,
            post: None,
            unreported: 0,
            reserve: 0,
            scratch: [0; SCRATCH],
        }
    }

    /// Keeps at least `bytes` free for control packets, but never more than half of the area; whether that is enough.
    pub(crate) fn reserve_control(&mut self, bytes: usize) -> bool {
        self.reserve = self.reserve.max(bytes).min(self.mem.max() / 2);
        bytes <= self.mem.max()
    }

    /// Bytes of everything kept.
    pub(crate) fn bytes(&self) -> usize {
        self.live
    }

    /// Messages kept.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, i: usize) -> Option<&Slot> {
        self.slots.get(i)
    }

    fn tail(&self) -> usize {
        self.slots
            .len()
            .checked_sub(1)
            .and_then(|i| self.slots.get(i))
            .map_or(0, Slot::end)
    }

    /// Room for `bytes` more at the tail.
    fn ensure(&mut self, bytes: usize) -> bool {
        let tail = self.tail();
        if tail + bytes <= self.mem.len() {
            return true;
        }
        if self.live + bytes > self.mem.max() {
            return false;
        }
        // Slide when at least half is dead, grow otherwise: amortised constant work.
        if self.live * 2 > tail && self.mem.grow(tail + bytes) {
            return true;
        }
        self.compact();
        self.mem.grow(self.tail() + bytes)
    }

    fn compact(&mut self) {
        let mut to = 0;
        for i in 0..self.slots.len() {
            if let Some(slot) = self.slots.get_mut(i) {
                let from = slot.area();
                let end = slot.end();
                if from != to {
                    self.mem.get_mut().copy_within(from..end, to);
                    slot.start -= (from - to) as u32;
                }
                to += end - from;
            }
        }
    }

    /// Lets the packets of a namespace go, or holds them back. Retry packets are let go one by one.
    pub(crate) fn set_ready(&mut self, nsp: u16, ready: bool) {
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            let end = self.group_end(i);
            if slot.nsp == nsp
                && !slot.has(RETRY)
                && (ready || !slot.has(TRANSIENT) && !self.is_under_way(i))
            {
                for k in i..end {
                    if let Some(slot) = self.slots.get_mut(k) {
                        slot.flags = if ready {
                            slot.flags | READY
                        } else {
                            slot.flags & !READY
                        };
                    }
                }
            }
            i = end;
        }
        self.scan = 0;
    }

    /// Holds everything back that has not begun to leave: it is for the next connection.
    pub(crate) fn hold_all(&mut self) {
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            let end = self.group_end(i);
            if !slot.has(TRANSIENT) && !self.is_under_way(i) {
                for k in i..end {
                    if let Some(slot) = self.slots.get_mut(k) {
                        slot.flags &= !READY;
                    }
                }
            }
            i = end;
        }
    }

    /// The first packet of the namespace's `retries` queue.
    pub(crate) fn retry_head(&self, nsp: u16) -> Option<usize> {
        (0..self.slots.len()).find(|i| {
            self.slots
                .get(*i)
                .is_some_and(|slot| slot.nsp == nsp && slot.is_retry())
        })
    }

    /// The packet that waits for `ack`.
    pub(crate) fn find_ack(&self, ack: u64) -> Option<usize> {
        (0..self.slots.len()).find(|i| self.slots.get(*i).is_some_and(|slot| slot.ack == ack))
    }

    /// As [`Self::find_ack`] for one ack after the other, in rising order: `from`, 0 at first, keeps the place.
    pub(crate) fn find_next_ack(&self, ack: u64, from: &mut usize) -> Option<usize> {
        // Packets lie in the order in which they were accepted, and so do their acks.
        while let Some(slot) = self.slots.get(*from) {
            if slot.ack >= ack {
                return (slot.ack == ack).then_some(*from);
            }
            *from += 1;
        }
        None
    }

    fn group_end(&self, i: usize) -> usize {
        let mut end = i;
        while self.slots.get(end).is_some_and(|slot| slot.has(MORE)) {
            end += 1;
        }
        end + 1
    }

    /// Makes the retry packet at `i` sendable (again) under a new ack id.
    pub(crate) fn send_retry(&mut self, i: usize, prefix: &Prefix<'_>) {
        let end = self.group_end(i);
        for k in i..end {
            self.unmask(k);
            if let Some(slot) = self.slots.get_mut(k) {
                slot.flags = (slot.flags | READY) & !(SENT | IN_BATCH);
            }
        }
        if let Some(slot) = self.slots.get_mut(i) {
            let json = slot.start as usize + slot.prefix as usize;
            let len = prefix.len();
            let start = json - len;
            slot.gap = (start - slot.area()) as u16;
            slot.len = slot.len + len as u32 - u32::from(slot.prefix);
            slot.prefix = len as u16;
            slot.start = start as u32;
            prefix.write(&mut self.mem.get_mut()[start..json]);
        }
        self.scan = self.scan.min(i);
    }

    /// Whether the packet at `i` has neither been written nor is being written.
    pub(crate) fn is_unsent(&self, i: usize) -> bool {
        (i..self.group_end(i)).all(|k| {
            self.slots
                .get(k)
                .is_some_and(|slot| slot.flags & (SENT | IN_BATCH) == 0)
        })
    }

    /// Whether the packet at `i` has been written whole.
    pub(crate) fn is_sent(&self, i: usize) -> bool {
        (i..self.group_end(i)).all(|k| self.slots.get(k).is_some_and(|slot| slot.has(SENT)))
    }

    /// Whether nothing of the packet at `i` has been written, and it waits for its namespace.
    pub(crate) fn is_held(&self, i: usize) -> bool {
        self.slots.get(i).is_some_and(|slot| !slot.has(READY)) && self.is_unsent(i)
    }

    /// Removes the packet at `i` with its attachments, unless it is under way; whether it did.
    pub(crate) fn remove_packet(&mut self, i: usize) -> bool {
        let end = self.group_end(i);
        if self.is_under_way(i) {
            return false;
        }
        self.remove(i, end - i);
        true
    }

    /// Whether the packet at `i` is being written, or written in part: the rest of it must follow.
    pub(crate) fn is_under_way(&self, i: usize) -> bool {
        let end = self.group_end(i);
        let count = |flag| {
            (i..end)
                .filter(|k| self.slots.get(*k).is_some_and(|slot| slot.has(flag)))
                .count()
        };
        count(IN_BATCH) > 0 || (1..end - i).contains(&count(SENT))
    }

    /// The packet at `i` needs no answer any more: it leaves once written.
    pub(crate) fn forget_retry(&mut self, i: usize) {
        let end = self.group_end(i);
        if self.remove_packet(i) {
            return;
        }
        for k in i..end {
            if let Some(slot) = self.slots.get_mut(k) {
                slot.flags &= !RETRY;
            }
        }
    }

    /// Removes every event of a namespace. What is under way is finished, but not sent again.
    pub(crate) fn remove_namespace(&mut self, nsp: u16) {
        self.remove_packets_of(nsp, false);
    }

    /// As [`Self::remove_namespace`], but what this connection can still send it sends.
    pub(crate) fn leave_namespace(&mut self, nsp: u16) {
        self.remove_packets_of(nsp, true);
    }

    fn remove_packets_of(&mut self, nsp: u16, keep_ready: bool) {
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            let ours = slot.nsp == nsp && !slot.has(TRANSIENT);
            let keep = keep_ready && slot.has(READY);
            if ours && !keep && self.remove_packet(i) {
                continue;
            }
            let end = self.group_end(i);
            for k in i..end {
                if let Some(slot) = self.slots.get_mut(k).filter(|_| ours) {
                    slot.flags = (slot.flags | TRANSIENT) & !RETRY;
                }
            }
            i = end;
        }
    }

    fn remove(&mut self, i: usize, n: usize) {
        for k in i..i + n {
            if let Some(slot) = self.slots.get(k) {
                self.live -= slot.end() - slot.area();
                self.unreported -= usize::from(slot.has(UNREPORTED));
            }
        }
        self.slots.remove(i, n);
        if self.scan > i {
            self.scan = self.scan.saturating_sub(n).max(i);
        }
        if let Some(batch) = &mut self.batch
            && batch.first > i
        {
            batch.first -= n;
        }
        if let Some(post) = &mut self.post
            && post.cursor > i
        {
            post.cursor -= n;
        }
    }

    fn unmask(&mut self, i: usize) {
        if let Some(slot) = self.slots.get_mut(i).filter(|slot| slot.has(MASKED)) {
            slot.flags &= !MASKED;
            let (start, end, key) = (slot.start as usize, slot.end(), slot.mask);
            ws::mask(&mut self.mem.get_mut()[start..end], key);
        }
    }

    /// The first sendable slot.
    fn first_sendable(&mut self) -> Option<usize> {
        while let Some(slot) = self.slots.get(self.scan) {
            if slot.is_sendable() {
                return Some(self.scan);
            }
            self.scan += 1;
        }
        None
    }

    /// Whether something could be written now.
    pub(crate) fn has_sendable(&mut self) -> bool {
        self.first_sendable().is_some()
    }

    /// Whether more than one write's worth waits: too much for a volatile packet to join.
    pub(crate) fn has_backlog(&self) -> bool {
        self.live > BATCH
    }

    /// Whether a write is in progress.
    pub(crate) fn is_writing(&self) -> bool {
        self.batch.is_some() || self.post.is_some()
    }

    /// The next event to report as outgoing before it is framed: its index and message text.
    pub(crate) fn next_unreported(&mut self) -> Option<(usize, &[u8])> {
        if self.unreported == 0 {
            return None;
        }
        let i = self.first_sendable()?;
        let mut k = i;
        // One batch's worth is looked at; the rest is reported before its own batch.
        while let Some(slot) = self.slots.get(k) {
            if slot.is_sendable() && slot.has(UNREPORTED) {
                let (start, end) = (slot.start as usize, slot.end());
                return Some((k, &self.mem.get()[start..end]));
            }
            k += 1;
        }
        None
    }

    pub(crate) fn message(&self, i: usize) -> &[u8] {
        self.slots
            .get(i)
            .map_or(&[], |slot| &self.mem.get()[slot.start as usize..slot.end()])
    }

    pub(crate) fn reported(&mut self, i: usize) {
        if let Some(slot) = self.slots.get_mut(i).filter(|slot| slot.has(UNREPORTED)) {
            slot.flags &= !UNREPORTED;
            self.unreported -= 1;
        }
    }

    /// The attachments of the packet at `i`, in order.
    pub(crate) fn attachments(&self, i: usize) -> impl Iterator<Item = &[u8]> {
        (i + 1..self.group_end(i)).map(move |k| self.message(k))
    }

    /// Slots `first..first + count` have been written.
    fn retire(&mut self, first: usize, count: usize) {
        let mut keep = first > 0 && self.slots.get(first - 1).is_some_and(|slot| slot.has(MORE));
        keep |= self
            .slots
            .get(first + count - 1)
            .is_some_and(|slot| slot.has(MORE));
        for k in first..first + count {
            if let Some(slot) = self.slots.get_mut(k) {
                keep |= slot.has(RETRY);
                slot.flags = (slot.flags & !IN_BATCH) | SENT;
            }
        }
        if !keep {
            self.remove(first, count);
            return;
        }
        // Packet by packet: those whose every part is written leave, unless they wait for an ack.
        let mut i = first;
        while i > 0 && self.slots.get(i - 1).is_some_and(|slot| slot.has(MORE)) {
            i -= 1;
        }
        let mut left = first + count - i;
        while left > 0 {
            let n = self.group_end(i) - i;
            let done = (i..i + n).all(|k| {
                self.slots
                    .get(k)
                    .is_some_and(|slot| slot.has(SENT) && !slot.has(RETRY))
            });
            if done {
                self.remove(i, n);
            } else {
                i += n;
            }
            left = left.saturating_sub(n);
        }
    }

    /// The connection is gone. Packets that were wholly written have left; the others stay for the next one, except
    /// those that mean nothing there. Nothing is sendable until its namespace is joined again.
    pub(crate) fn connection_lost(&mut self) {
        if let Some(Batch { first, count, pos }) = self.batch.take() {
            let origin = self.slots.get(first).map_or(0, Slot::frame);
            let whole = |slot: &Slot| slot.end() - origin <= pos;
            let left = (first..first + count)
                .take_while(|k| self.slots.get(*k).is_some_and(whole))
                .count();
            if left > 0 {
                self.retire(first, left);
            }
        }
        // A POST without an answer may have arrived: its packets are not sent twice.
        if self.post.take().is_some_and(|post| post.written) {
            self.post_done();
        }
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            let end = self.group_end(i);
            if slot.has(TRANSIENT) {
                self.remove(i, end - i);
                continue;
            }
            for k in i..end {
                self.unmask(k);
                if let Some(slot) = self.slots.get_mut(k) {
                    let sent = if slot.has(RETRY) { SENT } else { 0 };
                    slot.flags &= !(READY | IN_BATCH | SENT) | sent;
                }
            }
            i = end;
        }
        self.scan = 0;
    }

    /// Gives memory back while nothing is kept.
    pub(crate) fn shrink(&mut self) {
        if self.slots.is_empty() {
            self.mem.shrink();
            self.slots.shrink();
        }
    }
}
