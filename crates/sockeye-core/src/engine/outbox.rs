//! Packets accepted for sending. The outbox keeps packets, not frames: framing happens when a packet is about to be
//! written, so that unsent packets survive an upgrade and a reconnect.
//!
//! Each packet lies in the area with spare bytes in front: a WebSocket header is written there and the payload is
//! masked in place, so that neighbouring packets become one contiguous write. In a polling body the last spare byte
//! becomes the record separator.

use crate::error::EmitError;
use crate::limits::{BATCH, PACKETS_PER_POST};
use crate::memory::{Bytes, RECORD, Table};
use crate::packet::{Attachments, EmitArgs, EncodeError, encode_args_to_slice};
use crate::packet::payload;
use crate::packet::socket::Prefix;
use crate::rng::Rng;
use crate::wire::ws;

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
/// Means nothing on another connection: answers, CONNECT, DISCONNECT.
const TRANSIENT: u16 = 1 << 7;
/// In the `retries` queue: kept until acknowledged.
const RETRY: u16 = 1 << 8;
/// An event that has not yet been reported as outgoing.
const UNREPORTED: u16 = 1 << 9;

impl Slot {
    pub(crate) const EMPTY: Self =
        Self { start: 0, len: 0, gap: 0, prefix: 0, nsp: 0, flags: 0, mask: [0; 4], ack: 0 };

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

/// The contiguous write in progress: slots `first..first + count`, `pos` bytes of it written.
#[derive(Clone, Copy, Debug)]
struct Batch {
    first: usize,
    count: usize,
    pos: usize,
}

/// The polling body in progress.
#[derive(Clone, Copy, Debug)]
struct Post {
    /// The slot being written, or the place to look for the next one.
    cursor: usize,
    /// Offset within the current slot's message; base64 advances by [`payload::STEP`].
    at: usize,
    /// What the next [`Outbox::post_piece`] lends.
    piece: Piece,
    /// Nothing precedes: the first packet has no separator.
    first: bool,
    /// All of it has been written: the answer is awaited.
    written: bool,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Bytes of the area, relative to the current slot's message; −1 is the separator.
    Area { from: isize, to: isize },
    /// Bytes of the scratch.
    Scratch { from: usize, to: usize },
    End,
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
    scratch: [u8; payload::STEP_OUT + 2],
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
            scratch: [0; payload::STEP_OUT + 2],
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
        self.slots.len().checked_sub(1).and_then(|i| self.slots.get(i)).map_or(0, Slot::end)
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

    /// Encodes arguments into the free end of the area, for [`Body::Staged`]: without a heap, and without a second
    /// buffer. `lead` is more than the packet's prefix will take.
    pub(crate) fn stage<A: EmitArgs + ?Sized>(
        &mut self,
        event: Option<&str>,
        args: &A,
        limit: u16,
        lead: usize,
    ) -> Result<Staged, EmitError> {
        self.compact();
        let from = self.tail() + lead + MAX_HEADER;
        let full = if self.slots.is_empty() { EmitError::TooLarge } else { EmitError::Full };
        let mem = self.mem.get_mut();
        let Some(out) = mem.get_mut(from..) else { return Err(full) };
        let (mut count, mut bytes) = (0usize, 0usize);
        let mut counted = |attachment: &[u8]| {
            count += 1;
            bytes += attachment.len();
            if count > usize::from(limit) {
                return Err(EncodeError::TooManyAttachments { limit: limit.into() });
            }
            Ok(())
        };
        let json_len = match encode_args_to_slice(event, args, out, &mut counted) {
            Ok((json_len, _)) => json_len,
            Err(EncodeError::BufferTooSmall) => return Err(full),
            Err(error) => return Err(error.into()),
        };
        // Behind the JSON the attachments, each with its length in front; so far back that every one can later move
        // down to its place behind a frame header without running into the next.
        let records = from + json_len + count * (MAX_HEADER - RECORD);
        if count > 0 {
            if records + count * RECORD + bytes > mem.len() {
                return Err(full);
            }
            let (front, back) = mem.split_at_mut(records);
            let mut at = 0;
            let mut copied = |attachment: &[u8]| {
                let end = at + RECORD + attachment.len();
                let out = back.get_mut(at..end).ok_or(EncodeError::BufferTooSmall)?;
                out[..RECORD].copy_from_slice(&(attachment.len() as u32).to_le_bytes());
                out[RECORD..].copy_from_slice(attachment);
                at = end;
                Ok(())
            };
            // The same arguments give the same JSON: it is written over itself.
            let (again, _) = encode_args_to_slice(event, args, &mut front[from..], &mut copied)?;
            if again != json_len || at != count * RECORD + bytes {
                return Err(EmitError::Encode(EncodeError::BufferTooSmall));
            }
        }
        Ok(Staged { from, json_len, records, count })
    }

    /// Whether the memory is fixed: packets are then staged in it.
    pub(crate) const fn is_fixed(&self) -> bool {
        matches!(self.mem, Bytes::Fixed(_))
    }

    /// Lengths of the attachments, in order.
    fn attachment_lens(&self, body: &Body<'_>, base64: bool, mut each: impl FnMut(usize)) {
        match body {
            Body::Bytes(_, attachments) => attachments.iter().for_each(|a| each(attachment_len(a.len(), base64))),
            Body::Staged(staged) => {
                let mut at = staged.records;
                for _ in 0..staged.count {
                    let len = self.record_len(at);
                    each(len);
                    at += RECORD + len;
                }
            }
            Body::Parts(_) => (),
        }
    }

    fn record_len(&self, at: usize) -> usize {
        let len = self.mem.get().get(at..at + RECORD).and_then(|b| <[u8; RECORD]>::try_from(b).ok());
        len.map_or(0, u32::from_le_bytes) as usize
    }

    /// Accepts one packet with its attachments, all or nothing. Control packets may use the reserve.
    pub(crate) fn push(&mut self, prefix: &Prefix<'_>, body: Body<'_>, base64: bool, meta: Meta) -> Result<(), Refused> {
        let prefix_len = prefix.len();
        let json_len = match &body {
            Body::Bytes(json, _) => json.len(),
            Body::Staged(staged) => staged.json_len,
            Body::Parts(parts) => parts.iter().map(|part| part.len()).sum(),
        };
        // Staged attachments cannot grow in place: they stay binary, which servers take as well.
        let base64 = base64 && !matches!(body, Body::Staged(_));
        let len = prefix_len + json_len;
        let gap = gap(len, meta.retry, prefix);
        let mut need = gap + len;
        self.attachment_lens(&body, base64, |len| need += area_of(len));
        let attachments = body.attachments();
        let slots = 1 + attachments;
        let (reserve, reserve_slots) = if meta.control { (0, 0) } else { (self.reserve, CONTROL_RESERVE_SLOTS) };
        if need + reserve > self.mem.max() || slots + reserve_slots > self.slots.max() || need > u32::MAX as usize / 4 {
            return Err(Refused::TooLarge);
        }
        if self.slots.free() < slots + reserve_slots
            || self.live + need + reserve > self.mem.max()
            || !self.ensure(need)
        {
            return Err(Refused::Full);
        }
        let start = self.tail() + gap;
        let mem = self.mem.get_mut();
        match &body {
            Body::Bytes(json, _) => mem[start + prefix_len..start + len].copy_from_slice(json),
            Body::Staged(staged) => {
                mem.copy_within(staged.from..staged.from + json_len, start + prefix_len);
            }
            Body::Parts(parts) => {
                let mut at = start + prefix_len;
                for part in *parts {
                    mem[at..at + part.len()].copy_from_slice(part.as_bytes());
                    at += part.len();
                }
            }
        }
        prefix.write(&mut mem[start..start + prefix_len]);
        let mut flags = 0;
        for (on, flag) in [
            (meta.ready, READY),
            (meta.transient, TRANSIENT),
            (meta.retry, RETRY),
            (meta.report, UNREPORTED),
            (attachments > 0, MORE),
        ] {
            flags |= if on { flag } else { 0 };
        }
        let slot = Slot {
            start: start as u32,
            len: len as u32,
            gap: gap as u16,
            prefix: prefix_len as u16,
            nsp: meta.nsp,
            flags,
            mask: [0; 4],
            ack: meta.ack,
        };
        // There is room for all: checked above.
        let _ = self.slots.push(slot);
        let mut at = start + len;
        let mut source = match &body {
            Body::Staged(staged) => staged.records,
            _ => 0,
        };
        let mut bytes = match &body {
            Body::Bytes(_, attachments) => attachments.iter(),
            _ => Attachments::EMPTY.iter(),
        };
        for i in 0..attachments {
            let given = bytes.next();
            let len = match given {
                Some(bytes) => attachment_len(bytes.len(), base64),
                None => self.record_len(source),
            };
            let gap = ws::header_len(len);
            let start = at + gap;
            let mem = self.mem.get_mut();
            match given {
                Some(bytes) if base64 => {
                    let out = &mut mem[start..start + len];
                    out[0] = b'b';
                    let mut to = 1;
                    for step in bytes.chunks(payload::STEP) {
                        to += payload::encode_step(step, &mut out[to..]);
                    }
                }
                Some(bytes) => mem[start..start + len].copy_from_slice(bytes),
                None => mem.copy_within(source + RECORD..source + RECORD + len, start),
            }
            source += RECORD + len;
            let more = if i + 1 < attachments { MORE } else { 0 };
            let binary = if base64 { 0 } else { BINARY };
            let _ = self.slots.push(Slot {
                start: start as u32,
                len: len as u32,
                gap: gap as u16,
                prefix: 0,
                flags: (flags & !(MORE | UNREPORTED)) | ATTACHMENT | more | binary,
                ack: 0,
                ..slot
            });
            at = start + len;
        }
        self.live += need;
        self.unreported += usize::from(meta.report);
        Ok(())
    }

    /// Accepts one Engine.IO packet without a Socket.IO part.
    pub(crate) fn push_engine(&mut self, packet: &[u8]) -> Result<(), Refused> {
        let need = area_of(packet.len());
        if self.slots.free() == 0 || !self.ensure(need) {
            return Err(Refused::Full);
        }
        let start = self.tail() + ws::header_len(packet.len());
        self.mem.get_mut()[start..start + packet.len()].copy_from_slice(packet);
        self.live += need;
        let _ = self.slots.push(Slot {
            start: start as u32,
            len: packet.len() as u32,
            gap: (need - packet.len()) as u16,
            flags: READY | TRANSIENT,
            nsp: u16::MAX,
            ..Slot::EMPTY
        });
        Ok(())
    }

    /// Lets the packets of a namespace go, or holds them back. Retry packets are let go one by one.
    pub(crate) fn set_ready(&mut self, nsp: u16, ready: bool) {
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            let end = self.group_end(i);
            if slot.nsp == nsp && !slot.has(RETRY) && (ready || !slot.has(TRANSIENT) && !self.is_under_way(i)) {
                for k in i..end {
                    if let Some(slot) = self.slots.get_mut(k) {
                        slot.flags = if ready { slot.flags | READY } else { slot.flags & !READY };
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
        (0..self.slots.len()).find(|i| self.slots.get(*i).is_some_and(|slot| slot.nsp == nsp && slot.is_retry()))
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
        (i..self.group_end(i)).all(|k| self.slots.get(k).is_some_and(|slot| slot.flags & (SENT | IN_BATCH) == 0))
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
        let count = |flag| (i..end).filter(|k| self.slots.get(*k).is_some_and(|slot| slot.has(flag))).count();
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
        let mut i = 0;
        while let Some(slot) = self.slots.get(i) {
            let ours = slot.nsp == nsp && !slot.has(TRANSIENT);
            if ours && self.remove_packet(i) {
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
        self.slots.get(i).map_or(&[], |slot| &self.mem.get()[slot.start as usize..slot.end()])
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

    // ---- WebSocket ----

    /// Frames what can go out in one contiguous write; whether there is anything.
    pub(crate) fn commit_ws(&mut self, rng: &mut Rng) -> bool {
        let Some(first) = self.first_sendable() else { return false };
        let (mut count, mut bytes, mut end) = (0, 0, 0);
        while let Some(slot) = self.slots.get_mut(first + count) {
            let size = slot.end() - slot.frame();
            if !slot.is_sendable() || count > 0 && (slot.frame() != end || bytes + size > BATCH) {
                break;
            }
            end = slot.end();
            bytes += size;
            let key = rng.mask();
            let opcode = if slot.has(BINARY) { ws::BINARY } else { ws::TEXT };
            let (frame, start) = (slot.frame(), slot.start as usize);
            slot.mask = key;
            slot.flags |= MASKED | IN_BATCH;
            let (header, message) = self.mem.get_mut()[frame..end].split_at_mut(start - frame);
            ws::write_header(header, opcode, message.len(), key);
            ws::mask(message, key);
            count += 1;
        }
        self.batch = Some(Batch { first, count, pos: 0 });
        self.scan = first + count;
        true
    }

    /// The bytes of the write in progress that are still to be written.
    #[inline]
    pub(crate) fn ws_bytes(&self) -> &[u8] {
        let Some(batch) = &self.batch else { return &[] };
        match (self.slots.get(batch.first), self.slots.get(batch.first + batch.count - 1)) {
            (Some(first), Some(last)) => {
                self.mem.get().get(first.frame() + batch.pos..last.end()).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Whether the write in progress stands between two frames' ends: a control frame may go in between.
    pub(crate) fn ws_started(&self) -> bool {
        self.batch.is_some_and(|batch| batch.pos > 0)
    }

    /// `n` bytes of [`Self::ws_bytes`] have been written.
    pub(crate) fn ws_written(&mut self, n: usize) {
        let left = self.ws_bytes().len();
        let Some(batch) = &mut self.batch else { return };
        batch.pos += n.min(left);
        if n >= left {
            let Batch { first, count, .. } = *batch;
            self.batch = None;
            self.retire(first, count);
        }
    }

    /// Slots `first..first + count` have been written.
    fn retire(&mut self, first: usize, count: usize) {
        let mut keep = first > 0 && self.slots.get(first - 1).is_some_and(|slot| slot.has(MORE));
        keep |= self.slots.get(first + count - 1).is_some_and(|slot| slot.has(MORE));
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
            let done = (i..i + n).all(|k| self.slots.get(k).is_some_and(|slot| slot.has(SENT) && !slot.has(RETRY)));
            if done {
                self.remove(i, n);
            } else {
                i += n;
            }
            left = left.saturating_sub(n);
        }
    }

    // ---- Polling ----

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
                if count > 0 && (count >= PACKETS_PER_POST || max_payload > 0 && total + more > max_payload) {
                    break;
                }
                slot.flags |= IN_BATCH;
                total += more;
                count += 1;
            }
            i += 1;
        }
        self.post = Some(Post { cursor, at: 0, piece: Piece::End, first: leading == 0, written: false });
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
                post.piece = Piece::Area { from: if post.first { 0 } else { -1 }, to: slot.len as isize };
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
        let Some(slot) = self.slots.get(post.cursor) else { return };
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

    /// The connection is gone. Packets that were wholly written have left; the others stay for the next one, except
    /// those that mean nothing there. Nothing is sendable until its namespace is joined again.
    pub(crate) fn connection_lost(&mut self) {
        if let Some(Batch { first, count, pos }) = self.batch.take() {
            let origin = self.slots.get(first).map_or(0, Slot::frame);
            let whole = |slot: &Slot| slot.end() - origin <= pos;
            let left = (first..first + count).take_while(|k| self.slots.get(*k).is_some_and(whole)).count();
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
            self.mem.shrink(0);
            self.slots.shrink();
        }
    }
}

/// Spare bytes in front of a message of `len` bytes.
fn gap(len: usize, retry: bool, prefix: &Prefix<'_>) -> usize {
    if retry {
        // A later try has another ack id, of up to 20 digits.
        MAX_HEADER + 20 + prefix.len()
    } else {
        ws::header_len(len)
    }
}

fn area_of(len: usize) -> usize {
    ws::header_len(len) + len
}

fn attachment_len(len: usize, base64: bool) -> usize {
    if base64 { 1 + payload::encoded_len(len) } else { len }
}

/// Bytes of the slot in a polling body, without separator.
fn body_len(slot: &Slot) -> usize {
    if slot.has(BINARY) { 1 + payload::encoded_len(slot.len as usize) } else { slot.len as usize }
}
