//! Socket.IO packets that arrive, and their attachments.

use super::acks::NO_ID;
use super::event::{AckRequest, Message};
use super::nsp::{NamespaceId, NspState};
use super::{AckId, Client, Ev};
use crate::error::{Cause, DisconnectReason};
use crate::memory::{RECORD, RxBuf};
use crate::packet::socket::{Kind, Parsed, Span, parse};
use crate::packet::{Args, Attachments, PacketError, Text, json};
use crate::short::Short;

/// A packet with attachments, of which some are still to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    parsed: Parsed,
    /// Where its records begin.
    start: usize,
    got: u32,
    /// It does not fit: bytes so far. What still comes is skipped.
    refused: Option<u64>,
}

/// A whole packet: its text is the engine's message, or the first record of a held range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    parsed: Parsed,
    held: Option<(usize, usize)>,
}

/// The span of `part`, which lies in `whole`.
fn span_of(whole: &str, part: &str) -> Span {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if start <= whole.len() {
        Span {
            start: start as u32,
            end: (start + part.len()) as u32,
        }
    } else {
        Span::default()
    }
}

impl Client<'_> {
    fn parse_error(&mut self, error: PacketError) -> Option<Ev> {
        self.engine.note.clear();
        self.engine
            .fail(DisconnectReason::ParseError, Cause::Packet(error));
        None
    }

    /// A message is in the engine's area.
    pub(super) fn arrived(&mut self, binary: bool) -> Option<Ev> {
        if binary {
            return self.attachment();
        }
        if self.partial.is_some() {
            return self.parse_error(PacketError::UnexpectedText);
        }
        self.orphans = false;
        let limit = self.engine.config.limits.attachments;
        let text = core::str::from_utf8(self.engine.message()).map_err(|_| PacketError::Encoding);
        let parsed = match text.and_then(|text| parse(text, limit)) {
            Ok(parsed) => parsed,
            Err(error) => return self.parse_error(error),
        };
        if parsed.attachments == 0 {
            return self.dispatch(Arrived { parsed, held: None });
        }
        let start = self.engine.main_rx_ref().held_len();
        let bytes = self.engine.message().len() as u64;
        let held = self.engine.main_rx().hold_message();
        let refused = if held { None } else { Some(bytes) };
        self.partial = Some(Partial {
            parsed,
            start,
            got: 0,
            refused,
        });
        None
    }

    fn attachment(&mut self) -> Option<Ev> {
        let bytes = self.engine.message().len();
        let limit = self.engine.config.limits.receive;
        let Some(partial) = &mut self.partial else {
            return if self.orphans {
                None
            } else {
                self.parse_error(PacketError::UnexpectedBinary)
            };
        };
        partial.got += 1;
        match &mut partial.refused {
            Some(sum) => *sum += bytes as u64,
            None => {
                let rx = self.engine.main_rx();
                let sum = rx.held_len() - partial.start + bytes;
                if sum > limit || !rx.hold_message() {
                    partial.refused = Some(sum as u64);
                    let end = rx.held_len();
                    rx.unhold(partial.start, end);
                }
            }
        }
        self.attachments_done()
    }

    /// A message was larger than the area and has been skipped.
    pub(super) fn refused(&mut self, binary: bool, bytes: u64) -> Option<Ev> {
        let Some(partial) = &mut self.partial else {
            return match (binary, self.orphans) {
                (true, true) => None,
                (true, false) => self.parse_error(PacketError::UnexpectedBinary),
                (false, _) => {
                    // It may have announced attachments: nobody can tell.
                    self.orphans = true;
                    Some(Ev::TooLarge { bytes })
                }
            };
        };
        if !binary {
            return self.parse_error(PacketError::UnexpectedText);
        }
        partial.got += 1;
        let rx = self.engine.main_rx();
        let end = rx.held_len();
        let sum = partial.refused.unwrap_or((end - partial.start) as u64);
        if partial.refused.is_none() {
            rx.unhold(partial.start, end);
        }
        partial.refused = Some(sum + bytes);
        self.attachments_done()
    }

    fn attachments_done(&mut self) -> Option<Ev> {
        let partial = self.partial?;
        if partial.got < partial.parsed.attachments {
            return None;
        }
        self.partial = None;
        if let Some(bytes) = partial.refused {
            return Some(Ev::TooLarge { bytes });
        }
        let range = (partial.start, self.engine.main_rx_ref().held_len());
        let arrived = Arrived {
            parsed: partial.parsed,
            held: Some(range),
        };
        let json = partial.parsed.data.bytes(self.text(&arrived));
        if !json::check_placeholders(json, partial.parsed.attachments as usize) {
            return self.parse_error(PacketError::Placeholder);
        }
        self.dispatch(arrived)
    }

    /// The text of a packet.
    fn text(&self, arrived: &Arrived) -> &[u8] {
        text_in(self.engine.main_rx_ref(), arrived)
    }

    /// The packet needs no more: its records can go.
    fn drop_held(&mut self, arrived: &Arrived) {
        if let Some((from, to)) = arrived.held {
            self.engine.main_rx().unhold(from, to);
        }
    }

    fn dispatch(&mut self, arrived: Arrived) -> Option<Ev> {
        let parsed = &arrived.parsed;
        let index = self.find_nsp(parsed.nsp.bytes(self.text(&arrived)));
        let state = index
            .and_then(|i| self.nsps.get(i as usize))
            .map(|entry| entry.state);
        let (Some(index), Some(state)) = (index, state) else {
            // Not ours: the server's business.
            self.drop_held(&arrived);
            return None;
        };
        match (parsed.kind, state) {
            (Kind::Event | Kind::BinaryEvent, NspState::Joined) => self.event(index, arrived),
            (Kind::Event | Kind::BinaryEvent, NspState::Joining) => self.defer(arrived),
            (Kind::Ack | Kind::BinaryAck, NspState::Joined) => self.answer(index, arrived),
            (Kind::Connect, _) => self.connected(index, parsed.data),
            (Kind::Disconnect, NspState::Joined) => self.left(index),
            (Kind::ConnectError, NspState::Joining | NspState::Leaving | NspState::Joined) => {
                self.connect_error(index, parsed.data)
            }
            _ => {
                self.drop_held(&arrived);
                None
            }
        }
    }

    fn event(&mut self, index: u16, arrived: Arrived) -> Option<Ev> {
        let Arrived { parsed, held } = arrived;
        if parsed.data.is_empty() {
            // An event without a name: the official parser lets it pass, and nobody can listen to it.
            self.drop_held(&arrived);
            return None;
        }
        // The comma behind the name becomes the bracket of the arguments: they are one JSON array in place.
        if parsed.comma > 0 {
            let at = parsed.comma as usize;
            let rx = self.engine.main_rx();
            let byte = match held {
                None => rx.message_mut().get_mut(at),
                Some((from, _)) => rx.held_mut().get_mut(from + RECORD + at),
            };
            if let Some(byte) = byte {
                *byte = b'[';
            }
        }
        self.unhold = held;
        if parsed.id.is_none() && !parsed.last_text.is_empty() {
            // The offset for recovery: the last argument, if it is a text (A9 item 99).
            let has_pid = self
                .nsps
                .get(index as usize)
                .is_some_and(|entry| !entry.pid.is_empty());
            let offset = || {
                core::str::from_utf8(parsed.last_text.bytes(self.text(&arrived)))
                    .ok()
                    .and_then(Short::exact)
            };
            if has_pid
                && let Some(offset) = offset()
                && let Some(entry) = self.nsps.get_mut(index as usize)
            {
                entry.offset = offset;
            }
        }
        Some(Ev::Message {
            nsp: self.handle(index),
            arrived,
        })
    }

    /// An event before the CONNECT reply is held (`receiveBuffer`, A6 item 69).
    fn defer(&mut self, arrived: Arrived) -> Option<Ev> {
        if arrived.held.is_none() {
            let bytes = self.engine.message().len() as u64;
            if !self.engine.main_rx().hold_message() {
                return Some(Ev::TooLarge { bytes });
            }
        }
        None
    }

    /// The next held event of a namespace that has been joined meanwhile.
    pub(super) fn next_held(&mut self, index: u16) -> Option<Ev> {
        let limit = self.engine.config.limits.attachments;
        let end = self
            .partial
            .map_or(self.engine.main_rx_ref().held_len(), |partial| {
                partial.start
            });
        let mut from = 0;
        while from < end {
            let ((_, to), nsp) = self.held_packet(from, limit)?;
            if nsp == Some(index) {
                let text =
                    core::str::from_utf8(record(self.engine.main_rx_ref().held(), from)?).ok()?;
                let parsed = parse(text, limit).ok()?;
                return self.event(
                    index,
                    Arrived {
                        parsed,
                        held: Some((from, to)),
                    },
                );
            }
            from = to;
        }
        None
    }

    /// Drops the held events of a namespace.
    pub(super) fn drop_held_of(&mut self, index: u16) {
        let limit = self.engine.config.limits.attachments;
        let mut from = 0;
        loop {
            let end = self
                .partial
                .map_or(self.engine.main_rx_ref().held_len(), |partial| {
                    partial.start
                });
            if from >= end {
                return;
            }
            let Some(((_, to), nsp)) = self.held_packet(from, limit) else {
                return;
            };
            if nsp == Some(index) {
                self.engine.main_rx().unhold(from, to);
                self.held_moved(from, to);
            } else {
                from = to;
            }
        }
    }

    /// The extent and the namespace of the held packet at `from`.
    fn held_packet(&self, from: usize, limit: u16) -> Option<((usize, usize), Option<u16>)> {
        let held = self.engine.main_rx_ref().held();
        let text = record(held, from)?;
        let parsed = parse(core::str::from_utf8(text).ok()?, limit).ok()?;
        let mut to = from + RECORD + text.len();
        for _ in 0..parsed.attachments {
            to += RECORD + record(held, to)?.len();
        }
        Some(((from, to), self.find_nsp(parsed.nsp.bytes(text))))
    }

    /// Held bytes `from..to` are gone: a packet that is still arriving behind them has moved.
    pub(super) fn held_moved(&mut self, from: usize, to: usize) {
        if let Some(partial) = &mut self.partial
            && partial.start >= to
        {
            partial.start -= to - from;
        }
    }

    fn answer(&mut self, index: u16, arrived: Arrived) -> Option<Ev> {
        let found = arrived
            .parsed
            .id
            .filter(|id| *id != NO_ID)
            .and_then(|id| self.acks.find(index, id));
        let Some(entry) = found.and_then(|i| self.acks.get(i).copied()) else {
            // Late, or never asked for.
            self.drop_held(&arrived);
            return None;
        };
        if let Some(i) = found {
            self.acks.remove(i);
        }
        if entry.retry {
            if let Some(slot) = self.engine.outbox.find_ack(entry.seq) {
                self.engine.outbox.forget_retry(slot);
            }
            if let Some(nsp) = self.nsps.get_mut(index as usize) {
                nsp.in_flight = 0;
                nsp.tries = 0;
            }
            self.drive_retries(index);
        }
        if entry.silent {
            self.drop_held(&arrived);
            return None;
        }
        self.unhold = arrived.held;
        Some(Ev::Ack {
            id: AckId(entry.seq),
            arrived,
        })
    }

    /// The server's consent (A6 item 67).
    fn connected(&mut self, index: u16, data: Span) -> Option<Ev> {
        let handle = self.handle(index);
        let text = core::str::from_utf8(data.bytes(self.engine.message())).unwrap_or("");
        let read = |key| json::field(text, key).and_then(json::as_str);
        let sid = read("sid").and_then(|sid| sid.as_plain()).map(Short::cut);
        let pid = read("pid")
            .and_then(|pid| pid.as_plain())
            .and_then(Short::exact)
            .unwrap_or_default();
        self.joins = self.joins.wrapping_add(1);
        let join = self.joins;
        let entry = self.nsps.get_mut(index as usize)?;
        match (entry.state, sid) {
            (NspState::Joining, Some(sid)) => {
                entry.state = NspState::Joined;
                entry.join = join;
                entry.deadline = None;
                entry.recovered = !pid.is_empty() && pid == entry.pid;
                if !entry.recovered {
                    entry.offset = Short::EMPTY;
                }
                entry.sid = sid;
                entry.pid = pid;
                entry.deliver_held = true;
                self.dirty = true;
                self.engine.outbox.set_ready(index, true);
                self.drive_retries(index);
                None
            }
            (NspState::Leaving, Some(_)) => {
                entry.state = NspState::Idle;
                entry.used &= !entry.forgotten;
                self.send_disconnect(index);
                None
            }
            (NspState::Joining | NspState::Waiting | NspState::Asked, None) => {
                entry.state = NspState::Idle;
                entry.deadline = None;
                self.close_if_unused();
                Some(Ev::OldServer { nsp: handle })
            }
            _ => None,
        }
    }

    /// The server refuses the namespace (A6 item 75).
    fn connect_error(&mut self, index: u16, data: Span) -> Option<Ev> {
        let handle = self.handle(index);
        let whole = core::str::from_utf8(self.engine.message()).unwrap_or("");
        let text = data.of(whole);
        let inner = |raw: &str| {
            raw.strip_prefix('"')
                .and_then(|s| s.strip_suffix('"'))
                .map(|s| span_of(whole, s))
        };
        let (message, data) = if text.starts_with('"') {
            (inner(text).unwrap_or_default(), Span::default())
        } else {
            let message = json::field(text, "message")
                .and_then(inner)
                .unwrap_or_default();
            let data = json::field(text, "data")
                .filter(|raw| *raw != "null")
                .map(|raw| span_of(whole, raw));
            (message, data.unwrap_or_default())
        };
        let entry = self.nsps.get_mut(index as usize)?;
        let was = core::mem::replace(&mut entry.state, NspState::Idle);
        entry.deadline = None;
        entry.used &= !entry.forgotten;
        entry.purge = true;
        self.dirty = true;
        let entry = self.nsps.get_mut(index as usize)?;
        if was == NspState::Joined {
            // The official client stays `connected` but deaf; here the namespace is left.
            entry.tell_disconnected = Some(DisconnectReason::IoServerDisconnect);
            self.engine.note.clear();
            self.cause = Cause::EngineClose;
            self.dirty = true;
            self.fail_and_hold(index);
        }
        self.close_if_unused();
        (was != NspState::Leaving).then_some(Ev::Refused {
            nsp: handle,
            message,
            data,
        })
    }

    /// The server has thrown the client out of the namespace (A6 item 73).
    fn left(&mut self, index: u16) -> Option<Ev> {
        let entry = self.nsps.get_mut(index as usize)?;
        entry.state = NspState::Idle;
        entry.tell_disconnected = Some(DisconnectReason::IoServerDisconnect);
        // The server does not keep a session that it ended itself (A9 item 102).
        entry.pid = Short::EMPTY;
        entry.offset = Short::EMPTY;
        self.cause = Cause::ServerDisconnect;
        self.engine.note.clear();
        self.dirty = true;
        self.fail_and_hold(index);
        self.close_if_unused();
        None
    }

    // ---- views ----

    pub(super) fn view_args(&self, arrived: &Arrived) -> Args<'_> {
        args_in(self.engine.main_rx_ref(), arrived)
    }

    pub(super) fn view(&self, nsp: NamespaceId, arrived: &Arrived) -> Message<'_> {
        message_in(self.engine.main_rx_ref(), nsp, self.join_of(nsp), arrived)
    }
}

/// The text of a packet that lies in `rx`.
fn text_in<'r>(rx: &'r RxBuf<'_>, arrived: &Arrived) -> &'r [u8] {
    match arrived.held {
        None => rx.message(),
        Some((from, _)) => record(rx.held(), from).unwrap_or_default(),
    }
}

/// The arguments of a packet that lies in `rx`.
pub(super) fn args_in<'r>(rx: &'r RxBuf<'_>, arrived: &Arrived) -> Args<'r> {
    // Checked when it arrived; `str` wants to know again.
    let text = core::str::from_utf8(text_in(rx, arrived)).unwrap_or("");
    args_of(rx, text, arrived)
}

fn args_of<'r>(rx: &'r RxBuf<'_>, text: &'r str, arrived: &Arrived) -> Args<'r> {
    let parsed = &arrived.parsed;
    let from = match parsed.kind {
        Kind::Event | Kind::BinaryEvent => parsed.comma,
        _ => parsed.data.start,
    };
    let json = if from == 0 {
        ""
    } else {
        text.get(from as usize..).unwrap_or("").trim_ascii_end()
    };
    let attachments = match arrived.held {
        None => Attachments::EMPTY,
        Some((from, to)) => {
            let records = rx.held().get(from + RECORD + text.len()..to);
            Attachments::new(records.unwrap_or_default(), parsed.attachments as usize)
        }
    };
    Args::trusted(
        if json.is_empty() {
            "[]"
        } else {
            json.trim_ascii_start()
        },
        attachments,
    )
}

/// The event in a packet that lies in `rx`.
pub(super) fn message_in<'r>(
    rx: &'r RxBuf<'_>,
    nsp: NamespaceId,
    join: u32,
    arrived: &Arrived,
) -> Message<'r> {
    let parsed = &arrived.parsed;
    let text = core::str::from_utf8(text_in(rx, arrived)).unwrap_or("");
    Message {
        nsp,
        name: Text::from_raw(parsed.name.of(text)),
        args: args_of(rx, text, arrived),
        ack: parsed.id.map(|id| AckRequest { nsp, id, join }),
    }
}

/// The content of the record at `from`.
fn record(held: &[u8], from: usize) -> Option<&[u8]> {
    let len = held
        .get(from..from + RECORD)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)? as usize;
    held.get(from + RECORD..from + RECORD + len)
}
