//! Scenarios with MessagePack: tests and logs go on speaking of texts and attachments, and what travels is packed.

use sockeye_core::packet::msgpack::{Decoded, Unpacked, decode};
use sockeye_core::{Link, Parser};

use super::Rig;
use crate::http::{base64, unbase64};
use crate::server::pack;
use crate::words;
use crate::ws::frame;

/// A text whose attachments are still to come from the test.
#[derive(Debug)]
pub(super) struct Announced {
    packet: String,
    left: usize,
    attachments: Vec<Vec<u8>>,
}

impl Announced {
    /// If the packet announces attachments.
    fn of(packet: &str) -> Option<Self> {
        let rest = packet.strip_prefix("45").or(packet.strip_prefix("46"))?;
        let left = rest.split_once('-')?.0.parse().ok().filter(|n| *n > 0)?;
        Some(Self {
            packet: packet.to_owned(),
            left,
            attachments: Vec::new(),
        })
    }

    /// Whether this was the last one.
    fn is_whole_with(&mut self, bytes: &[u8]) -> bool {
        self.attachments.push(bytes.to_vec());
        self.left -= 1;
        self.left == 0
    }
}

/// A message of the client as it is without MessagePack.
fn unpacked(message: &[u8]) -> (String, Vec<Vec<u8>>) {
    let mut decoded = Decoded::new();
    let verdict = decode(message, usize::MAX, u16::MAX, &mut decoded);
    assert_eq!(verdict, Ok(Unpacked::Packet), "{}", message.escape_ascii());
    let attachments = decoded.attachments().iter().map(<[u8]>::to_vec).collect();
    (format!("4{}", decoded.text()), attachments)
}

impl Rig<'_> {
    /// Whether packets are packed.
    pub(super) fn packs(&self) -> bool {
        self.client.config().parser != Parser::Json
    }

    /// Sends a text packet of the test; whether it was one to be packed.
    pub(super) fn send_packed(&mut self, packet: &str) -> bool {
        if !self.packs() || !packet.starts_with('4') {
            return false;
        }
        if let Some(announced) = Announced::of(packet) {
            self.announced = Some(announced);
            return true;
        }
        let Some(message) = pack(packet, &[]) else {
            return false;
        };
        self.feed(Link::WebSocket, &frame(0x82, &message));
        true
    }

    /// Takes an attachment of the test; whether one was due.
    pub(super) fn attach_packed(&mut self, bytes: &[u8]) -> bool {
        let Some(mut announced) = self.announced.take() else {
            return false;
        };
        if !announced.is_whole_with(bytes) {
            self.announced = Some(announced);
            return true;
        }
        let message = pack(&announced.packet, &announced.attachments).expect("a packet");
        self.feed(Link::WebSocket, &frame(0x82, &message));
        true
    }

    /// The payload of a polling response, with packed packets.
    pub(super) fn payload_packed(&self, payload: &str) -> String {
        if !self.packs() {
            return payload.to_owned();
        }
        let mut out: Vec<String> = Vec::new();
        let mut records = payload.split('\u{1e}');
        while let Some(record) = records.next() {
            let mut attachments = Vec::new();
            let mut announced = Announced::of(record).map_or(0, |announced| announced.left);
            while announced > 0
                && let Some(bytes) = records.next().and_then(|b| unbase64(b.strip_prefix('b')?))
            {
                attachments.push(bytes);
                announced -= 1;
            }
            out.push(match pack(record, &attachments) {
                Some(message) => format!("b{}", base64(&message)),
                None => record.to_owned(),
            });
        }
        out.join("\u{1e}")
    }

    /// The lines of a binary frame of the client.
    pub(super) fn frame_lines(&self, message: &[u8]) -> String {
        let (packet, attachments) = unpacked(message);
        let mut lines = format!("ws> {}", words::printable(packet.as_bytes()));
        for bytes in attachments {
            lines.push_str(&format!("\nws> <{}>", words::hex(&bytes)));
        }
        lines
    }

    /// The body of a POST of the client.
    pub(super) fn body_unpacked(&self, body: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(body);
        let mut out: Vec<String> = Vec::new();
        for record in text.split('\u{1e}') {
            let message = record.strip_prefix('b').filter(|_| self.packs());
            let Some(message) = message.and_then(unbase64) else {
                out.push(record.to_owned());
                continue;
            };
            let (packet, attachments) = unpacked(&message);
            out.push(packet);
            out.extend(
                attachments
                    .iter()
                    .map(|bytes| format!("b{}", base64(bytes))),
            );
        }
        out.join("\u{1e}").into_bytes()
    }
}
