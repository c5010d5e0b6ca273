//! What the server does on a connection once the namespace is joined. A scenario has the name of the row.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::frames::{self, BINARY, CLOSE, Cycle, Frames, Prebuilt, TEXT, packed};
use crate::handshake::Request;
use crate::wire::Wire;

/// No heartbeat falls into a measurement.
const OPEN: &str = r#"0{"sid":"bench-engine","upgrades":[],"pingInterval":600000,"pingTimeout":600000,"maxPayload":1000000}"#;
const GO: &[u8] = br#"42["go""#;
const JOINED: &str = r#"40{"sid":"bench-socket"}"#;

/// The same by long-polling, from where WebSocket is an upgrade.
pub(crate) fn open_by_polling() -> String {
    OPEN.replace("[]", r#"["websocket"]"#)
}

pub(crate) fn run<W: Wire>(stream: W, request: &Request, prebuilt: &Prebuilt) -> io::Result<()> {
    let mut out = stream.twin()?;
    let mut peer = Peer {
        frames: Frames::new(stream),
        text: Vec::new(),
        opcode: TEXT,
    };
    if request.upgrade {
        for (said, answer) in [(b"2probe".as_slice(), Some("3probe")), (b"5", None)] {
            if !peer.next(said)? {
                return Ok(());
            }
            answer.map_or(Ok(()), |answer| send(&mut out, answer))?;
        }
    } else {
        send(&mut out, OPEN)?;
    }
    // Else a client with Nagle's algorithm on (rust_socketio) waits 40 ms for the delayed ACK of its first packet.
    out.quick()?;
    let (scenario, size) = sized(&request.scenario);
    if scenario == "namespaces" {
        return namespaces(peer, out, size, request.count);
    }
    if request.packed {
        return run_packed(peer, out, request, prebuilt);
    }
    if !peer.next(b"40")? {
        return Ok(());
    }
    send(&mut out, JOINED)?;
    match scenario {
        "receive" | "receive-tls" => blast(peer, out, &prebuilt.events, GO, request.count),
        "binary" => blast(peer, out, &prebuilt.binary, GO, request.count),
        "binary-typed" => blast(peer, out, &prebuilt.binary_typed, GO, request.count),
        "emit" => count(
            peer,
            out,
            EMITTED,
            (TEXT, br#"42["done",1]"#),
            request.count,
        ),
        "ack" => answer(peer, out, 1, request.count),
        "acks" => answer(peer, out, size, request.count),
        "fan-in" => fan_in(peer, &out, &prebuilt.events, size, request.count),
        "idle" | "idle-tls" | "idle-tls-own" => {
            // (One file for each connection, and not two: there may be ten thousand.)
            drop(out);
            peer.drain()
        }
        other => Err(invalid(&format!("there is no scenario {other:?}"))),
    }
}

/// The same in MessagePack, as far as there are rows for it.
fn run_packed<W: Wire>(
    mut peer: Peer<W>,
    mut out: W,
    request: &Request,
    prebuilt: &Prebuilt,
) -> io::Result<()> {
    peer.opcode = BINARY;
    if !peer.next(packed::JOIN)? {
        return Ok(());
    }
    send_as(&mut out, BINARY, packed::JOINED)?;
    match request.scenario.as_str() {
        "receive" => blast(
            peer,
            out,
            &prebuilt.packed_events,
            packed::GO,
            request.count,
        ),
        "binary-typed" => blast(
            peer,
            out,
            &prebuilt.packed_binary_typed,
            packed::GO,
            request.count,
        ),
        "emit" => count(
            peer,
            out,
            packed::EVENT,
            (BINARY, packed::DONE),
            request.count,
        ),
        other => Err(invalid(&format!(
            "there is no scenario {other:?} in MessagePack"
        ))),
    }
}

/// Waits for the event `go` (so that the client can start its clock), then sends the events as fast as the client reads.
fn blast<W: Wire>(
    mut peer: Peer<W>,
    mut out: W,
    cycle: &Cycle,
    go: &[u8],
    count: u32,
) -> io::Result<()> {
    if !peer.next(go)? {
        return Ok(());
    }
    for chunk in cycle.chunks(count) {
        out.write_all(chunk)?;
    }
    peer.drain()
}

/// All connections of a run with several, as far as they have asked for their events.
static GROUP: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());
/// Events in a second, over all connections of a run.
const PACE: u32 = 100_000;

/// Waits until `size` connections have said `go`, then sends `count` events to them, to one after the other, evenly
/// [paced](PACE): whatever their number, each event is a write of its own at the same time.
fn fan_in<W: Wire>(
    mut peer: Peer<W>,
    out: &W,
    cycle: &Cycle,
    size: u32,
    count: u32,
) -> io::Result<()> {
    if !peer.next(GO)? {
        return Ok(());
    }
    let mut group = GROUP.lock().unwrap_or_else(PoisonError::into_inner);
    group.push(out.socket()?);
    if group.len() < size as usize {
        drop(group);
        return peer.drain();
    }
    let mut all = std::mem::take(&mut *group);
    drop(group);
    let begin = Instant::now();
    for n in 0..count {
        let due = Duration::from_nanos(u64::from(n) * 1_000_000_000 / u64::from(PACE));
        while begin.elapsed() < due {
            std::thread::yield_now();
        }
        // (One that has left is its client's business, which tells it.)
        let _ = all[(n % size) as usize].write_all(cycle.event(n / size));
    }
    peer.drain()
}

/// How an event begins that is counted.
const EMITTED: &[u8] = br#"42["event",{"id":"#;

/// Counts events, which begin with `event`, and says `done` when all have come.
fn count<W: Wire>(
    mut peer: Peer<W>,
    mut out: W,
    event: &[u8],
    (opcode, done): (u8, &[u8]),
    count: u32,
) -> io::Result<()> {
    peer.frames.expect_bulk();
    for seen in 0..count {
        if !peer.next(event)? {
            return Err(invalid(&format!(
                "the client left after {seen} of {count} events"
            )));
        }
    }
    send_as(&mut out, opcode, done)?;
    peer.drain()
}

/// The scenario and its size: `acks-100` is `acks` with 100.
fn sized(scenario: &str) -> (&str, u32) {
    scenario
        .rsplit_once('-')
        .and_then(|(name, size)| Some((name, size.parse().ok()?)))
        .unwrap_or((scenario, 0))
}

/// Lets the client join `count_of` namespaces, then sends events to the last one. Their names all have the same length,
/// so that rows of this kind differ by nothing but the number.
fn namespaces<W: Wire>(mut peer: Peer<W>, mut out: W, count_of: u32, count: u32) -> io::Result<()> {
    for n in 0..count_of {
        // In which order they join is the client's business.
        if !peer.next(b"40/n")? {
            return Err(invalid(&format!("the client joined {n} of {count_of}")));
        }
        let name = str::from_utf8(&peer.text[2..]).map_err(|_| invalid("a name is not UTF-8"))?;
        let name = name.split(',').next().unwrap_or_default();
        send(&mut out, &format!(r#"40{name},{{"sid":"bench-socket"}}"#))?;
    }
    let last = format!("/n{:03}", count_of.saturating_sub(1));
    blast(
        peer,
        out,
        &Cycle::events_for(&last),
        format!(r#"42{last},["go""#).as_bytes(),
        count,
    )
}

/// Answers every event with the id in its argument: `427["event",{"id":1007,…}]` with `437[1007]`. Waits for `batch`
/// events, and answers them in an order that is random, but the same in every run.
fn answer<W: Wire>(mut peer: Peer<W>, mut out: W, batch: u32, count: u32) -> io::Result<()> {
    if batch > 1 {
        peer.frames.expect_bulk();
    }
    let mut random = 0x2545_f491_u32;
    let mut left = count;
    while left > 0 {
        let mut answers = Vec::new();
        for _ in 0..batch.min(left) {
            if !peer.next(b"42")? {
                return Ok(());
            }
            answers.push(answer_to(&peer.text)?);
        }
        left -= answers.len() as u32;
        for n in (1..answers.len()).rev() {
            // Marsaglia's xorshift: enough of a shuffle, and no dependency.
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            answers.swap(n, random as usize % (n + 1));
        }
        out.write_all(&answers.concat())?;
    }
    peer.drain()
}

/// The frame that answers an event.
fn answer_to(text: &[u8]) -> io::Result<Vec<u8>> {
    let packet = str::from_utf8(&text[2..]).map_err(|_| invalid("an event is not UTF-8"))?;
    let (id, args) = packet.split_at(packet.find('[').unwrap_or(0));
    let argument = args
        .strip_prefix(r#"["event",{"id":"#)
        .and_then(|args| args.split(',').next());
    let (Some(argument), false) = (argument, id.is_empty()) else {
        return Err(invalid(&format!(
            "not an event that asks for an ack: {packet:?}"
        )));
    };
    let mut frame = Vec::new();
    frames::ack_frame(&mut frame, id, argument);
    Ok(frame)
}

fn send(out: &mut impl Write, text: &str) -> io::Result<()> {
    send_as(out, TEXT, text.as_bytes())
}

fn send_as(out: &mut impl Write, opcode: u8, message: &[u8]) -> io::Result<()> {
    let mut frame = Vec::new();
    frames::push_frame(&mut frame, opcode, message);
    out.write_all(&frame)
}

/// The client's side of the connection.
struct Peer<R> {
    frames: Frames<R>,
    /// The payload of the last packet's frame, in clear text; where only a prefix is expected, only that much.
    text: Vec<u8>,
    /// The frames in which packets come.
    opcode: u8,
}

impl<R: Read> Peer<R> {
    /// Waits for the next message, which must begin with `expected`. False when the client has left.
    fn next(&mut self, expected: &[u8]) -> io::Result<bool> {
        // An exact prefix is all that counting needs; an ack needs the entire packet, and so does a name.
        let limit = if matches!(expected, b"42" | b"40/n") {
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
                opcode if opcode == self.opcode => {}
                _ => continue,
            }
            match frame.unmask(limit, &mut self.text) {
                text if text.starts_with(expected) => return Ok(true),
                // rust_socketio sends an Engine.IO pong right after the handshake; a namespace may be left politely.
                [b'3', ..] => {}
                [b'4', b'1', ..] | [b'1', ..] => return Ok(false),
                text => {
                    return Err(invalid(&format!(
                        "expected {:?}, the client sent {:?}…",
                        expected.escape_ascii().to_string(),
                        text.escape_ascii().to_string(),
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
