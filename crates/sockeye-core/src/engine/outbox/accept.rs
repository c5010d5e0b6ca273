//! How packets get in: encoded into the area, or copied to it, all or nothing.

use super::{
    ATTACHMENT, BINARY, Body, CONTROL_RESERVE_SLOTS, MAX_HEADER, MORE, Meta, Outbox, READY, RETRY,
    Refused, Slot, Staged, TRANSIENT, UNREPORTED,
};
use crate::config::POLLING;
use crate::error::EmitError;
#[cfg(feature = "alloc")]
use crate::memory::Bytes;
use crate::memory::RECORD;
use crate::packet::socket::Prefix;
use crate::packet::{Attachments, EmitArgs, EncodeError, encode_args_to_slice, payload};
use crate::wire::ws;

impl Outbox<'_> {
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
        let full = if self.slots.is_empty() {
            EmitError::TooLarge
        } else {
            EmitError::Full
        };
        let mem = self.mem.get_mut();
        let Some(out) = mem.get_mut(from..) else {
            return Err(full);
        };
        let (mut count, mut bytes) = (0usize, 0usize);
        let mut counted = |attachment: &[u8]| {
            count += 1;
            bytes += attachment.len();
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
        Ok(Staged {
            from,
            json_len,
            records,
            count,
        })
    }

    /// Whether the memory is fixed: packets are then staged in it.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_fixed(&self) -> bool {
        matches!(self.mem, Bytes::Fixed(_))
    }

    /// Lengths of the attachments, in order.
    fn attachment_lens(&self, body: &Body<'_>, base64: bool, mut each: impl FnMut(usize)) {
        match body {
            Body::Bytes(_, attachments) => attachments
                .iter()
                .for_each(|a| each(attachment_len(a.len(), base64))),
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
        let len = self
            .mem
            .get()
            .get(at..at + RECORD)
            .and_then(|b| <[u8; RECORD]>::try_from(b).ok());
        len.map_or(0, u32::from_le_bytes) as usize
    }

    /// Accepts one packet with its attachments, all or nothing. Control packets may use the reserve.
    pub(crate) fn push(
        &mut self,
        prefix: &Prefix<'_>,
        body: Body<'_>,
        base64: bool,
        meta: Meta,
    ) -> Result<(), Refused> {
        let prefix_len = prefix.len();
        let json_len = match &body {
            Body::Bytes(json, _) => json.len(),
            Body::Staged(staged) => staged.json_len,
            Body::Parts(parts) => parts.iter().map(|part| part.len()).sum(),
        };
        // Staged attachments cannot grow in place: they stay binary, which servers take as well.
        let base64 = POLLING && base64 && !matches!(body, Body::Staged(_));
        let len = prefix_len + json_len;
        let gap = gap(len, meta.retry, prefix);
        let mut need = gap + len;
        self.attachment_lens(&body, base64, |len| need += area_of(len));
        let attachments = body.attachments();
        let slots = 1 + attachments;
        let (reserve, reserve_slots) = if meta.control {
            (0, 0)
        } else {
            (self.reserve, CONTROL_RESERVE_SLOTS)
        };
        if need + reserve > self.mem.max()
            || slots + reserve_slots > self.slots.max()
            || need > u32::MAX as usize / 4
        {
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
    if base64 {
        1 + payload::encoded_len(len)
    } else {
        len
    }
}
