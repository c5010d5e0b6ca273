//! Packets in MessagePack, or of the application's own parser, that arrive: each is made text at the door, and is a packet like any other from there on.

use super::deferred::LEAD;
use super::inbound::Arrived;
use super::{Client, PendingEvent};
use crate::Parser;
use crate::packet::PacketError;
#[cfg(feature = "eio3")]
use crate::packet::msgpack::decode_text;
use crate::packet::msgpack::{Decoded, Unpacked, decode};
use crate::packet::parser::read;
use crate::packet::socket::parse;

impl Client<'_> {
    /// A message is in the engine's area.
    pub(super) fn packed(&mut self, binary: bool) -> Option<PendingEvent> {
        let mut decoded = core::mem::take(&mut self.inbound.decoded);
        let event = self.unpack(binary, &mut decoded);
        decoded.tidy();
        self.inbound.decoded = decoded;
        event
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
            (Ok(parsed), Some(held)) => self.dispatch_packet(Arrived { parsed, held }),
            _ => Some(PendingEvent::MessageTooLarge { bytes }),
        }
    }
}
