//! Engine.IO 3: payloads by themselves, and a client that speaks it.

use sockeye_core::packet::BinRef;
use sockeye_core::packet::payload3::{Reader, Step};
use sockeye_core::{Config, EmitOptions, Link, Protocol, Transports};

use super::{memories, pieces};
use crate::rig::{Pieces, config};
use crate::{frame, response};

const OPEN: &[u8] =
    br#"80:0{"sid":"E1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}2:40"#;
const OPEN_WS: &str = r#"0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":5000}"#;

/// Anything as a payload of Engine.IO 3, and as frames behind the handshake.
///
/// # Panics
/// If a payload is read otherwise in pieces than as a whole.
pub fn older(data: &[u8]) {
    let (pieces, data) = pieces(data);
    let whole = packets(data, usize::MAX);
    for size in [1, 2, 3, 7] {
        assert_eq!(packets(data, size), whole, "in pieces of {size} bytes");
    }
    for protocol in [Protocol::V3, Protocol::Detect] {
        let mut config = config(Transports::POLLING);
        config.protocol = protocol;
        memories(&config, |mut rig| {
            rig.connect("/");
            rig.pieces = pieces.clone();
            rig.feed(Link::Poll, &response("200 OK", "", data));
            rig.pass(60_000);
        });
        memories(&config, |mut rig| {
            let nsp = rig.connect("/");
            rig.feed(Link::Poll, &response("200 OK", "", OPEN));
            rig.pieces = pieces.clone();
            rig.feed(Link::Poll, &response("200 OK", "", data));
            let _ = rig.emit(nsp, "x", &(BinRef(b"123"),), EmitOptions::ACK);
            rig.feed(Link::Poll, &response("200 OK", "", data));
            rig.pass(60_000);
        });
        config.transports = Transports::WEBSOCKET;
        frames(&config, &pieces, data);
        #[cfg(feature = "msgpack")]
        {
            config.parser = sockeye_core::Parser::MessagePack;
            frames(&config, &pieces, data);
        }
    }
}

/// The records of `data` as WebSocket messages.
fn frames(config: &Config<'static>, pieces: &Pieces, data: &[u8]) {
    memories(config, |mut rig| {
        let nsp = rig.connect("/");
        rig.ws_accept();
        rig.feed(Link::WebSocket, &frame(0x81, OPEN_WS.as_bytes()));
        rig.pieces = pieces.clone();
        for record in data.split(|byte| *byte == 0x1e) {
            let binary = record.first() == Some(&4);
            rig.feed(
                Link::WebSocket,
                &frame(if binary { 0x82 } else { 0x81 }, record),
            );
        }
        let _ = rig.emit(nsp, "x", &(1,), EmitOptions::ACK);
        rig.pass(60_000);
    });
}

/// The packets of a payload that is read in pieces of `size` bytes, and whether it was one.
fn packets(data: &[u8], size: usize) -> (Vec<(bool, Vec<u8>)>, bool) {
    let mut reader = Reader::default();
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    for mut piece in data.chunks(size.min(data.len().max(1))) {
        while !piece.is_empty() {
            let (n, step) = reader.step(piece);
            let (front, rest) = piece.split_at(n);
            piece = rest;
            match step {
                Step::Head { done } => assert!(done || piece.is_empty()),
                Step::Part { end } => {
                    packet.extend_from_slice(front);
                    assert!(end || piece.is_empty());
                    if end {
                        packets.push((reader.is_binary(), std::mem::take(&mut packet)));
                    }
                }
                Step::Malformed => return (packets, false),
            }
        }
    }
    (packets, reader.finish())
}
