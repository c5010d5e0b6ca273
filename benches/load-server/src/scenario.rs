//! What the server does on a connection once the namespace is joined. A scenario has the name of the row.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::linux::net::TcpStreamExt;

use crate::frames::{self, CLOSE, Cycle, Frames, Prebuilt, TEXT};
use crate::handshake::Request;

/// No heartbeat falls into a measurement.
const OPEN: &str = r#"0{"sid":"bench-engine","upgrades":[],"pingInterval":600000,"pingTimeout":600000,"maxPayload":1000000}"#;
const JOINED: &str = r#"40{"sid":"bench-socket"}"#;

pub(crate) fn run(stream: TcpStream, request: &Request, prebuilt: &Prebuilt) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut peer = Peer {
        frames: Frames::new(stream),
        text: Vec::new(),
    };
    send(&mut out, OPEN)?;
    // Else a client with Nagle's algorithm on (rust_socketio) waits 40 ms for the delayed ACK of its first packet.
    out.set_quickack(true)?;
    if !peer.next("40")? {
        return Ok(());
    }
    send(&mut out, JOINED)?;
    match request.scenario.as_str() {
        "receive" => blast(peer, out, &prebuilt.events, request.count),
        "binary" => blast(peer, out, &prebuilt.binary, request.count),
        "binary-typed" => blast(peer, out, &prebuilt.binary_typed, request.count),
        "emit" => count(peer, out, request.count),
        "ack" => answer(peer, out),
        "idle" => peer.drain(),
        other => Err(invalid(&format!("there is no scenario {other:?}"))),
    }
}

/// Waits for the event `go` (so that the client can start its clock), then sends the events as fast as the client reads.
fn blast(mut peer: Peer, mut out: TcpStream, cycle: &Cycle, count: u32) -> io::Result<()> {
    if !peer.next(r#"42["go""#)? {
        return Ok(());
    }
    for chunk in cycle.chunks(count) {
        out.write_all(chunk)?;
    }
    peer.drain()
}

/// Counts events and says `done` when all have come.
fn count(mut peer: Peer, mut out: TcpStream, count: u32) -> io::Result<()> {
    peer.frames.expect_bulk();
    for seen in 0..count {
        if !peer.next(r#"42["event",{"id":"#)? {
            return Err(invalid(&format!(
                "the client left after {seen} of {count} events"
            )));
        }
    }
    send(&mut out, r#"42["done",1]"#)?;
    peer.drain()
}

/// Answers every event with the id in its argument: `427["event",{"id":1007,…}]` with `437[1007]`.
fn answer(mut peer: Peer, mut out: TcpStream) -> io::Result<()> {
    let mut frame = Vec::new();
    while peer.next("42")? {
        let packet =
            str::from_utf8(&peer.text[2..]).map_err(|_| invalid("an event is not UTF-8"))?;
        let (id, args) = packet.split_at(packet.find('[').unwrap_or(0));
        let argument = args
            .strip_prefix(r#"["event",{"id":"#)
            .and_then(|args| args.split(',').next());
        let (Some(argument), false) = (argument, id.is_empty()) else {
            return Err(invalid(&format!(
                "not an event that asks for an ack: {packet:?}"
            )));
        };
        frame.clear();
        frames::ack_frame(&mut frame, id, argument);
        out.write_all(&frame)?;
    }
    Ok(())
}

fn send(out: &mut TcpStream, text: &str) -> io::Result<()> {
    let mut frame = Vec::new();
    frames::push_frame(&mut frame, TEXT, text.as_bytes());
    out.write_all(&frame)
}

/// The client's side of the connection.
struct Peer {
    frames: Frames<TcpStream>,
    /// The payload of the last text frame, in clear text; where only a prefix is expected, only that much.
    text: Vec<u8>,
}

impl Peer {
    /// Waits for the next message, which must begin with `expected`. False when the client has left.
    fn next(&mut self, expected: &str) -> io::Result<bool> {
        // An exact prefix is all that counting needs; an ack needs the entire packet.
        let limit = if expected == "42" {
            usize::MAX
        } else {
            expected.len()
        };
        loop {
            let Some(frame) = self.frames.next()? else {
                return Ok(false);
            };
            match frame.opcode {
                CLOSE => return Ok(false),
                TEXT => {}
                _ => continue,
            }
            match frame.unmask(limit, &mut self.text) {
                text if text.starts_with(expected.as_bytes()) => return Ok(true),
                // rust_socketio sends an Engine.IO pong right after the handshake; a namespace may be left politely.
                [b'3', ..] => {}
                [b'4', b'1', ..] | [b'1', ..] => return Ok(false),
                text => {
                    let text = String::from_utf8_lossy(text);
                    return Err(invalid(&format!(
                        "expected {expected:?}, the client sent {text:?}…"
                    )));
                }
            }
        }
    }

    /// Reads until the client leaves; it may do so in any manner.
    fn drain(mut self) -> io::Result<()> {
        while let Ok(Some(frame)) = self.frames.next() {
            if frame.opcode == CLOSE {
                break;
            }
        }
        Ok(())
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
