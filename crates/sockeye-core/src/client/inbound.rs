//! Socket.IO packets that arrive, and their attachments.

use super::acks::NO_ID;
use super::deferred::{Held, LEAD};
use super::event::Message;
use super::namespaces::NspState;
use super::views::{Received, args_in, message_in, text_in};
use super::{Client, PendingEvent};
use crate::config::BINARY;
use crate::error::{Cause, DisconnectReason, Fault};
use crate::handle::NamespaceId;
use crate::memory::{RECORD, records};
use crate::packet::socket::{Kind, Parsed, Span, event_name_of, parse_into};
use crate::packet::{Args, PacketError, Text, json};
use crate::slices;

/// What has arrived and is still needed.
#[derive(Debug)]
pub(super) struct Inbound {
    /// The packet that was read last: worked on, told, or waiting for its attachments.
    packet: Arrived,
    /// Its attachments are still to come.
    partial: Option<Partial>,
    /// A text that was too large has been skipped: binary messages behind it may have belonged to it.
    orphans: bool,
    borrowed: Borrowed,
    held: Held,
    /// Where packets that came in another form become text, if they do.
    #[cfg(feature = "msgpack")]
    pub(super) decoded: crate::packet::msgpack::Decoded,
    #[cfg(feature = "msgpack")]
    pub(super) check: crate::packet::msgpack::Check,
    /// What has been made of the packet for those who look at it.
    #[cfg(feature = "msgpack")]
    shown: crate::packet::msgpack::ArgsText,
}

/// What the last event has borrowed, to be released before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Borrowed {
    Nothing,
    /// The end of the held bytes, from here on.
    End(usize),
    /// A packet that had been deferred.
    Deferred(NamespaceId),
}

/// What has come of a packet with attachments, of which some are still to come. Nothing else is read meanwhile: a text is
/// an error then, and deferred packets are told before anything new is read.
#[derive(Clone, Copy, Debug)]
struct Partial {
    /// Where it is held.
    start: usize,
    got: u32,
    /// It does not fit: bytes so far. What still comes is skipped.
    too_large: Option<u64>,
}

/// A whole packet: its text is the engine's message, or the first record of a held range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) parsed: Parsed,
    pub(super) held: Option<(usize, usize)>,
    /// It is in MessagePack, as it came: where its arguments begin, and how many there are. It is not held then.
    #[cfg(feature = "msgpack")]
    pub(super) in_place: Option<(u32, u32)>,
}

impl Inbound {
    pub(super) const fn nothing() -> Self {
        Self {
            packet: Arrived {
                parsed: Parsed::EMPTY,
                held: None,
                #[cfg(feature = "msgpack")]
                in_place: None,
            },
            partial: None,
            orphans: false,
            borrowed: Borrowed::Nothing,
            held: Held::NOTHING,
            #[cfg(feature = "msgpack")]
            decoded: crate::packet::msgpack::Decoded::new(),
            #[cfg(feature = "msgpack")]
            check: crate::packet::msgpack::Check::new(),
            #[cfg(feature = "msgpack")]
            shown: crate::packet::msgpack::ArgsText::new(),
        }
    }

    /// The packet of the event that is being told.
    pub(super) const fn packet(&self) -> &Arrived {
        &self.packet
    }

    #[cfg(feature = "eio3")]
    pub(super) const fn set_packet(&mut self, packet: Arrived) {
        self.packet = packet;
    }

    /// Whether attachments of a packet are still to come.
    #[cfg(feature = "alloc")]
    pub(super) const fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// A whole text has come: binary messages behind it belong to nothing that was skipped.
    #[cfg(feature = "alloc")]
    pub(super) const fn whole_text(&mut self) {
        self.orphans = false;
    }

    /// The session is over, and with it all that came.
    pub(super) const fn clear(&mut self) {
        self.partial = None;
        self.orphans = false;
        self.borrowed = Borrowed::Nothing;
        self.held.clear();
    }
}

/// The span of `part`, which lies in `whole`.
pub(super) fn span_of(whole: &str, part: &str) -> Span {
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
    /// Lets go of what the last event borrowed.
    #[cfg_attr(feature = "alloc", inline)]
    pub(super) fn release_received(&mut self) {
        #[cfg(feature = "msgpack")]
        self.inbound.shown.clear();
        if self.inbound.borrowed != Borrowed::Nothing {
            self.release_borrowed();
        }
    }

    #[inline(never)]
    fn release_borrowed(&mut self) {
        match core::mem::replace(&mut self.inbound.borrowed, Borrowed::Nothing) {
            Borrowed::Nothing => (),
            Borrowed::End(from) => self.engine.main_rx().truncate_held(from),
            Borrowed::Deferred(nsp) => {
                let done = self
                    .namespaces
                    .get(nsp)
                    .is_none_or(|entry| entry.deferred.is_empty());
                if done {
                    self.sweep_held();
                }
            }
        }
    }

    /// Where the packets that wait for their namespaces end. Behind them may lie one that is still arriving, or one that
    /// the last event has borrowed.
    fn deferred_end(&self) -> usize {
        match (self.inbound.borrowed, &self.inbound.partial) {
            (Borrowed::End(from), _) => from,
            (_, Some(partial)) if BINARY => partial.start,
            _ => self.engine.main_rx_ref().held_len(),
        }
    }

    fn sweep_held(&mut self) {
        let end = self.deferred_end();
        let rx = self.engine.main_rx();
        let end = self.inbound.held.sweep(rx, &mut self.namespaces, end);
        if let Borrowed::End(from) = &mut self.inbound.borrowed {
            *from = end;
        }
        if BINARY && let Some(partial) = &mut self.inbound.partial {
            partial.start = end;
        }
    }

    /// The receive memory is back: what was dropped meanwhile can be found in it now.
    pub(super) fn returned(&mut self) {
        if self.inbound.held.has_orphans() {
            let end = self.deferred_end();
            let rx = self.engine.main_rx();
            self.inbound.held.collect(rx, &self.namespaces, end);
            self.sweep_held();
        }
    }

    /// A packet cannot be read: the session ends, as with the official client. Which event it was is said, and with
    /// logging at debug level what stands around the place. `packet` is the one, if it is held; else it is the message.
    #[cold]
    pub(super) fn parse_error(
        &mut self,
        error: PacketError,
        packet: Option<&Arrived>,
    ) -> Option<PendingEvent> {
        let text = match packet {
            Some(packet) => self.text(packet),
            None => self.engine.message(),
        };
        let at = error.at().unwrap_or(0) as usize;
        let around = text.get(at.saturating_sub(16)..text.len().min(at + 16));
        crate::fmt::say!(
            debug,
            "bad packet from the server ({}) near: {}",
            error,
            around.unwrap_or_default().escape_ascii()
        );
        // Its beginning is enough to find the name in.
        let (valid, _) = slices::split_text(slices::front(text, 192));
        let fault = Fault::of(Cause::Packet(error));
        let fault = match event_name_of(valid) {
            Some(name) => fault.in_event(Text::from_raw(name.of(valid))),
            None => fault,
        };
        self.engine.reject(DisconnectReason::ParseError, fault);
        None
    }

    /// The packet whose attachments are still to come, as far as it is held.
    fn partial_packet(&self) -> Option<Arrived> {
        let partial = self
            .inbound
            .partial
            .as_ref()
            .filter(|partial| partial.too_large.is_none())?;
        let end = self.engine.main_rx_ref().held_len();
        Some(Arrived {
            held: Some((partial.start, end)),
            ..self.inbound.packet
        })
    }

    /// A message is in the engine's area.
    #[cfg_attr(feature = "alloc", inline)]
    pub(super) fn arrived(&mut self, binary: bool) -> Option<PendingEvent> {
        #[cfg(feature = "msgpack")]
        if self.engine.config().parser.packs() {
            return self.packed(binary);
        }
        if binary {
            return self.attachment();
        }
        if BINARY && self.inbound.partial.is_some() {
            let packet = self.partial_packet();
            return self.parse_error(PacketError::UnexpectedText, packet.as_ref());
        }
        self.inbound.orphans = false;
        let limit = self.engine.config().limits.attachments;
        let text = self.engine.message();
        // Most is ASCII, which is seen sooner; or, where each pass over the bytes counts, along with the JSON.
        let is_utf8 = |text| core::str::from_utf8(text).is_ok();
        let later = !cfg!(feature = "alloc");
        let parsed = if later || text.is_ascii() || is_utf8(text) {
            let packet = &mut self.inbound.packet;
            packet.held = None;
            #[cfg(feature = "eio3")]
            let old = self.engine.is_v3();
            #[cfg(not(feature = "eio3"))]
            let old = false;
            match parse_into(text, limit, old, &mut packet.parsed) {
                Ok(true) => Ok(()),
                _ if later && !is_utf8(text) => Err(PacketError::Encoding),
                parsed => parsed.map(drop),
            }
        } else {
            Err(PacketError::Encoding)
        };
        if let Err(error) = parsed {
            return self.parse_error(error, None);
        }
        if !BINARY || self.inbound.packet.parsed.attachments == 0 {
            return self.dispatch();
        }
        let rx = self.engine.main_rx();
        let start = rx.held_len();
        let bytes = rx.message_len() as u64;
        let held = rx.hold_message(LEAD);
        self.inbound.partial = Some(Partial {
            start,
            got: 0,
            too_large: if held { None } else { Some(bytes) },
        });
        None
    }

    fn attachment(&mut self) -> Option<PendingEvent> {
        if !BINARY {
            return self.parse_error(PacketError::UnexpectedBinary, None);
        }
        let bytes = self.engine.message().len();
        let limit = self.engine.config().limits.receive;
        let Some(partial) = &mut self.inbound.partial else {
            return if self.inbound.orphans {
                None
            } else {
                self.parse_error(PacketError::UnexpectedBinary, None)
            };
        };
        partial.got += 1;
        match &mut partial.too_large {
            Some(sum) => *sum += bytes as u64,
            None => {
                let rx = self.engine.main_rx();
                let sum = rx.held_len() - partial.start - LEAD + bytes;
                if sum > limit || !rx.hold_message(0) {
                    partial.too_large = Some(sum as u64);
                    rx.truncate_held(partial.start);
                }
            }
        }
        self.attachments_done()
    }

    /// A message was larger than the area and has been skipped.
    pub(super) fn message_too_large(&mut self, binary: bool, bytes: u64) -> Option<PendingEvent> {
        #[cfg(feature = "msgpack")]
        let parser = self.engine.config().parser;
        #[cfg(feature = "msgpack")]
        if matches!(parser, crate::Parser::Custom(_)) || binary && parser.packs() {
            return Some(PendingEvent::MessageTooLarge { bytes });
        }
        if !BINARY {
            return if binary {
                self.parse_error(PacketError::UnexpectedBinary, None)
            } else {
                Some(PendingEvent::MessageTooLarge { bytes })
            };
        }
        let Some(partial) = &mut self.inbound.partial else {
            return match (binary, self.inbound.orphans) {
                (true, true) => None,
                (true, false) => self.parse_error(PacketError::UnexpectedBinary, None),
                (false, _) => {
                    // It may have announced attachments: nobody can tell.
                    self.inbound.orphans = true;
                    Some(PendingEvent::MessageTooLarge { bytes })
                }
            };
        };
        if !binary {
            let packet = self.partial_packet();
            return self.parse_error(PacketError::UnexpectedText, packet.as_ref());
        }
        partial.got += 1;
        let rx = self.engine.main_rx();
        let so_far = || (rx.held_len() - partial.start - LEAD) as u64;
        let sum = partial.too_large.unwrap_or_else(so_far);
        if partial.too_large.is_none() {
            rx.truncate_held(partial.start);
        }
        partial.too_large = Some(sum + bytes);
        self.attachments_done()
    }

    fn attachments_done(&mut self) -> Option<PendingEvent> {
        let partial = self.inbound.partial?;
        if partial.got < self.inbound.packet.parsed.attachments {
            return None;
        }
        self.inbound.partial = None;
        if let Some(bytes) = partial.too_large {
            return Some(PendingEvent::MessageTooLarge { bytes });
        }
        let range = (partial.start, self.engine.main_rx_ref().held_len());
        self.inbound.packet.held = Some(range);
        let parsed = &self.inbound.packet.parsed;
        let json = parsed.data.bytes(self.packet_text());
        if !json::check_placeholders(json, parsed.attachments as usize) {
            let packet = self.inbound.packet;
            return self.parse_error(PacketError::Placeholder, Some(&packet));
        }
        self.dispatch()
    }

    /// The text of a packet.
    fn text(&self, arrived: &Arrived) -> &[u8] {
        text_in(self.engine.main_rx_ref(), arrived)
    }

    /// The text of the packet that was read last.
    pub(super) fn packet_text(&self) -> &[u8] {
        self.text(&self.inbound.packet)
    }

    /// The packet that was read last is of no use: what is held of it, at the end, can go.
    fn drop_packet(&mut self) -> Option<PendingEvent> {
        if let Some((from, _)) = self.inbound.packet.held {
            self.engine.main_rx().truncate_held(from);
        }
        None
    }

    /// The namespace a packet names: exactly, or without a query.
    pub(super) fn find_namespace(&self, name: &[u8]) -> Option<NamespaceId> {
        #[cfg(feature = "alloc")]
        if name.is_empty()
            && let Some(nsp) = self.namespaces.main()
        {
            return Some(nsp);
        }
        let name: &[u8] = if name.is_empty() { b"/" } else { name };
        self.namespaces.find(name).or_else(|| {
            let end = name.iter().position(|b| *b == b'?')?;
            self.namespaces.find(&name[..end])
        })
    }

    /// Works on a packet that has been read elsewhere.
    #[cfg(feature = "msgpack")]
    pub(super) fn dispatch_packet(&mut self, packet: Arrived) -> Option<PendingEvent> {
        self.inbound.packet = packet;
        self.dispatch()
    }

    /// Works on the packet that has been read.
    // In line where speed counts more than flash.
    #[cfg_attr(feature = "alloc", inline(always))]
    fn dispatch(&mut self) -> Option<PendingEvent> {
        #[cfg(feature = "eio3")]
        if let Kind::Connect | Kind::Disconnect | Kind::ConnectError =
            self.inbound.packet.parsed.kind
            && let Some(done) = self.old_control()
        {
            return done;
        }
        let parsed = &self.inbound.packet.parsed;
        let (kind, data) = (parsed.kind, parsed.data);
        let found = self.find_namespace(parsed.nsp.bytes(self.packet_text()));
        let Some((nsp, state)) = found
            .and_then(|nsp| self.namespaces.get(nsp))
            .map(|entry| (entry.id, entry.state()))
        else {
            // Not ours: the server's business.
            return self.drop_packet();
        };
        match (kind, state) {
            (Kind::Event | Kind::BinaryEvent, NspState::Joined) => self.event(nsp),
            (
                Kind::Event | Kind::BinaryEvent,
                NspState::Joining | NspState::Waiting | NspState::Asked,
            ) => self.defer(nsp),
            (Kind::Ack | Kind::BinaryAck, NspState::Joined) => self.answer(nsp),
            (Kind::Connect, _) => self.connected(nsp, data),
            (Kind::Disconnect, NspState::Joined) => self.left(nsp),
            (
                Kind::ConnectError,
                NspState::Joining | NspState::Leaving { .. } | NspState::Joined,
            ) => self.connect_error(nsp, data),
            _ => self.drop_packet(),
        }
    }

    #[cfg_attr(feature = "alloc", inline(always))]
    fn event(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let packet = &self.inbound.packet;
        if packet.parsed.data.is_empty() {
            // An event without a name: the official parser lets it pass, and nobody can listen to it.
            return self.drop_packet();
        }
        if let Some((from, _)) = packet.held {
            self.inbound.borrowed = Borrowed::End(from);
        }
        self.told(nsp)
    }

    /// An event is to be told now.
    #[cfg_attr(feature = "alloc", inline(always))]
    fn told(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let Arrived { parsed, held, .. } = &self.inbound.packet;
        // The comma behind the name becomes the bracket of the arguments: they are one JSON array in place.
        if parsed.comma > 0 {
            let at = parsed.comma as usize;
            let rx = self.engine.main_rx();
            let byte = match held {
                None => rx.message_mut().get_mut(at),
                Some((from, _)) => rx.held_mut().get_mut(*from + LEAD + RECORD + at),
            };
            if let Some(byte) = byte {
                *byte = b'[';
            }
        }
        if parsed.id.is_none()
            && !parsed.last_text.is_empty()
            && let Some(entry) = self
                .namespaces
                .get_mut(nsp)
                .filter(|entry| entry.recovery.is_on())
        {
            // The offset for recovery: the last argument, if it is a text.
            let text = text_in(self.engine.main_rx_ref(), &self.inbound.packet);
            if let Ok(offset) = core::str::from_utf8(parsed.last_text.bytes(text)) {
                entry.recovery.received(offset);
            }
        }
        Some(PendingEvent::Message { nsp })
    }

    /// An event before the CONNECT reply waits for it (`receiveBuffer`).
    fn defer(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let rx = self.engine.main_rx();
        let packet = &self.inbound.packet;
        let from = match packet.held {
            Some((from, _)) => from,
            None => {
                let from = rx.held_len();
                let bytes = rx.message_len() as u64;
                if packet.parsed.data.is_empty() {
                    return None;
                }
                if !rx.hold_message(LEAD) {
                    return Some(PendingEvent::MessageTooLarge { bytes });
                }
                from
            }
        };
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            self.inbound.held.add(rx, &mut entry.deferred, nsp, from);
        }
        None
    }

    /// Whether events of the namespace wait.
    pub(super) fn has_deferred(&self, nsp: NamespaceId) -> bool {
        self.namespaces
            .get(nsp)
            .is_some_and(|entry| !entry.deferred.is_empty())
    }

    /// The next deferred event of a namespace that has been joined meanwhile.
    pub(super) fn next_deferred(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let limit = self.engine.config().limits.attachments;
        let rx = self.engine.main_rx();
        let entry = self.namespaces.get_mut(nsp)?;
        let (from, to) = self.inbound.held.pop(rx, &mut entry.deferred)?;
        let text = records::get(rx.held(), from + LEAD)?;
        let packet = &mut self.inbound.packet;
        parse_into(text, limit, false, &mut packet.parsed).ok()?;
        packet.held = Some((from, to));
        #[cfg(feature = "msgpack")]
        {
            packet.in_place = None;
        }
        self.inbound.borrowed = Borrowed::Deferred(nsp);
        self.told(nsp)
    }

    /// Drops the deferred events of a namespace.
    pub(super) fn drop_deferred(&mut self, nsp: NamespaceId) {
        let rx = self.engine.main_rx();
        if let Some(entry) = self.namespaces.get_mut(nsp)
            && !entry.deferred.is_empty()
        {
            self.inbound.held.drop_all(rx, &mut entry.deferred);
            self.sweep_held();
        }
    }

    fn answer(&mut self, nsp: NamespaceId) -> Option<PendingEvent> {
        let place = self
            .inbound
            .packet
            .parsed
            .id
            .filter(|id| *id != NO_ID)
            .and_then(|id| self.acks.find(nsp, id));
        let Some((place, id)) = place.and_then(|place| Some((place, self.acks.id_at(place)?)))
        else {
            // Late, or never asked for.
            return self.drop_packet();
        };
        let silent = self.resolved(nsp, place, id);
        if silent {
            return self.drop_packet();
        }
        if let Some((from, _)) = self.inbound.packet.held {
            self.inbound.borrowed = Borrowed::End(from);
        }
        Some(PendingEvent::Ack { id })
    }

    // ---- views ----

    const fn received(&self) -> Received<'_, '_> {
        Received {
            rx: self.engine.main_rx_ref(),
            #[cfg(feature = "msgpack")]
            shown: &self.inbound.shown,
        }
    }

    pub(super) fn view_args(&self) -> Args<'_> {
        args_in(self.received(), &self.inbound.packet)
    }

    pub(super) fn view(&self, nsp: NamespaceId) -> Message<'_> {
        let join = self.join_of(nsp);
        message_in(self.received(), nsp, join, &self.inbound.packet)
    }
}
