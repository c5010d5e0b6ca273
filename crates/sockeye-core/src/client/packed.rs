//! Packets in MessagePack, or of the application's own parser, that arrive; and those that are emitted as MessagePack.
//!
//! Events and acknowledgements in MessagePack stay as they came: they are looked through, and serde reads their arguments
//! where they lie. All others, and the few that are not quite what official parsers send, are made text at the door, and
//! are packets like any other from there on. What is wrong with a packet is found out on that way alone.

use super::deferred::LEAD;
use super::event::{AckRequest, EmitOptions};
use super::inbound::Arrived;
use super::{Client, PendingEvent};
use crate::Parser;
use crate::error::EmitError;
use crate::handle::{AckId, NamespaceId};
use crate::outbox::Body;
use crate::packet::PacketError;
#[cfg(feature = "eio3")]
use crate::packet::msgpack::decode_text;
use crate::packet::msgpack::{Check, Decoded, Unpacked, decode};
use crate::packet::parser::read;
use crate::packet::socket::parse;
use crate::time::Instant;

/// A packet for sending whose arguments are in MessagePack already: what [`Client::emit_packed`] takes.
#[derive(Clone, Copy, Debug)]
pub struct PackedPacket<'p> {
    /// The array of the event's name and the arguments; for an answer of the arguments alone. It is trusted to be one: use
    /// [`encode_args`](crate::packet::msgpack::encode_args).
    pub data: &'p [u8],
    /// How many binary values are in it.
    pub binaries: usize,
}

impl Client<'_> {
    /// Emits an event whose arguments are in MessagePack already, for drivers that encode elsewhere: only where
    /// `Config::parser` is [`MessagePack`](crate::Parser::MessagePack). The name is not checked.
    ///
    /// # Errors
    /// As [`emit`](Self::emit); with another parser [`EmitError::Encode`].
    pub fn emit_packed(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        packet: PackedPacket<'_>,
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        let body = Body::Packed(packet.data, packet.binaries);
        self.send_event(now, nsp, body, options)
    }

    /// Answers an event with arguments that are in MessagePack already, as for [`emit_packed`](Self::emit_packed).
    ///
    /// # Errors
    /// As [`ack`](Self::ack); with another parser [`EmitError::Encode`].
    pub fn ack_packed(
        &mut self,
        now: Instant,
        request: AckRequest,
        packet: PackedPacket<'_>,
    ) -> Result<(), EmitError> {
        self.send_ack(now, request, Body::Packed(packet.data, packet.binaries))
    }

    /// A message is in the engine's area.
    pub(super) fn packed(&mut self, binary: bool) -> Option<PendingEvent> {
        if binary
            && let Parser::MessagePack = self.engine.config().parser
            && let Some(event) = self.in_place()
        {
            return event;
        }
        let mut decoded = core::mem::take(&mut self.inbound.decoded);
        let event = self.unpack(binary, &mut decoded);
        decoded.tidy();
        self.inbound.decoded = decoded;
        event
    }

    /// The message, if it need not become text.
    fn in_place(&mut self) -> Option<Option<PendingEvent>> {
        let limits = &self.engine.config().limits;
        let (limit, most) = (limits.receive, limits.attachments);
        let mut check = core::mem::replace(&mut self.inbound.check, Check::new());
        let found = check.in_place(self.engine.message(), limit, most);
        check.tidy();
        self.inbound.check = check;
        let found = found?;
        // What comes before the reply to CONNECT is held, as text.
        let nsp = self.find_namespace(found.parsed.nsp.bytes(self.engine.message()))?;
        let entry = self.namespaces.get(nsp)?;
        let offset = found.parsed.id.is_none() && entry.recovery.is_on();
        if !entry.is_joined() || offset && found.odd_last {
            return None;
        }
        Some(self.dispatch_packet(Arrived {
            parsed: found.parsed,
            held: None,
            in_place: Some((found.from, found.count)),
        }))
    }

    fn unpack(&mut self, binary: bool, decoded: &mut Decoded) -> Option<PendingEvent> {
        let config = self.engine.config();
        let (limit, most) = (config.limits.receive, config.limits.attachments);
        let message = self.engine.message();
        let unpacked = match config.parser {
            Parser::Custom(parser) => read(parser, message, binary, decoded).map(|()| {
                let size = decoded.bytes().len() + decoded.attachments().as_records().len();
                match size {
                    0 => Unpacked::Nobodys,
                    size if size > limit => Unpacked::TooLarge(size as u64),
                    _ => Unpacked::Packet,
                }
            }),
            _ if binary => decode(message, limit, most, decoded),
            #[cfg(feature = "eio3")]
            _ if self.engine.is_v3() || self.engine.is_version_open() => {
                decode_text(message, decoded).map(|()| Unpacked::Packet)
            }
            _ => Err(PacketError::NotMessagePack),
        };
        match unpacked {
            Ok(Unpacked::Packet) => (),
            Ok(Unpacked::Nobodys) => {
                crate::fmt::say!(debug, "a packet without a name, or of a strange namespace");
                return None;
            }
            Ok(Unpacked::TooLarge(bytes)) => return Some(PendingEvent::MessageTooLarge { bytes }),
            Err(error) => return self.parse_error(error, None),
        }
        let text = decoded.bytes();
        let attachments = decoded.attachments();
        let bytes = (text.len() + attachments.as_records().len()) as u64;
        let parsed = parse(text, most);
        let rx = self.engine.main_rx();
        let held = match parsed {
            // From here on only its text is needed, so that a complaint can quote it.
            Err(error) => {
                let _ = rx.set_message(text);
                return self.parse_error(error, None);
            }
            Ok(_) if attachments.is_empty() => rx.set_message(text).then_some(None),
            Ok(_) => {
                let from = rx.held_len();
                let held = rx.hold_packet(LEAD, text, attachments.as_records());
                held.then(|| Some((from, rx.held_len())))
            }
        };
        match (parsed, held) {
            (Ok(parsed), Some(held)) => self.dispatch_packet(Arrived {
                parsed,
                held,
                in_place: None,
            }),
            _ => Some(PendingEvent::MessageTooLarge { bytes }),
        }
    }
}
