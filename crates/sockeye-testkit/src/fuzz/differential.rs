//! Our readers and writers beside those of others, over the same bytes: JSON beside `serde_json`, heads of HTTP responses
//! beside `httparse`, WebSocket frames beside tungstenite. Where they differ on purpose, the difference is named here.

use std::io::{self, Read, Write};

use serde_json::Value as Theirs;
use sockeye_core::packet::{Value, encode_args_to_vec, read_json};
use sockeye_core::{Link, Memory, Transports};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

use super::{lenient, pieces};
use crate::rig::{Rig, config};
use crate::{Frame, frame};

// ---- JSON ----

/// Anything as JSON: the same verdict, the same value, and what is written of it reads the same.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Objects that stand for attachments are ours alone.
    if text.contains("placeholder") || text.contains("\\u00") {
        return;
    }
    let ours = read_json::<Value>(text);
    let theirs = serde_json::from_str::<Theirs>(text);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert!(same(ours, theirs), "{text:?}: {ours:?}, {theirs:?}");
            written(ours, theirs);
        }
        (Err(_), Err(_)) => (),
        (Err(error), Ok(_)) => panic!("only we refuse {text:?}: {error}"),
        (Ok(value), Err(error)) => {
            let error = error.to_string();
            let on_purpose = [
                // JavaScript makes infinity of it, and sends halves of pairs.
                "number out of range",
                "surrogate",
                "unexpected end of hex escape",
                // They allow 127 levels, we 512.
                "recursion limit exceeded",
            ];
            assert!(
                on_purpose.iter().any(|known| error.contains(known)),
                "only we accept {text:?}: {value:?}; they: {error}"
            );
        }
    }
}

/// The last digits of a float may differ: serde_json rounds more than once unless it is asked not to, and below the
/// smallest normal float these are more of it. (That ours are exact is tested beside the standard library.)
pub(super) fn close(ours: f64, theirs: f64) -> bool {
    let about = ours.abs().max(f64::MIN_POSITIVE);
    ours == theirs || (ours - theirs).abs() <= about * (4.0 * f64::EPSILON)
}

fn same(ours: &Value, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Bool(ours), Theirs::Bool(theirs)) => ours == theirs,
        (Value::String(ours), Theirs::String(theirs)) => ours == theirs,
        (Value::Number(ours), Theirs::Number(theirs)) => {
            let whole = |n: Option<u64>, m: Option<i64>| n.map(i128::from).or(m.map(i128::from));
            match (
                whole(ours.as_u64(), ours.as_i64()),
                whole(theirs.as_u64(), theirs.as_i64()),
            ) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => theirs
                    .as_f64()
                    .is_some_and(|theirs| close(ours.as_f64(), theirs)),
            }
        }
        (Value::Array(ours), Theirs::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Value::Object(ours), Theirs::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(name, value)| theirs.get(name).is_some_and(|theirs| same(value, theirs)))
        }
        _ => false,
    }
}

/// What we write of a value, ours or theirs, is JSON to them, and the value; but for floats, letter by letter.
fn written(ours: &Value, theirs: &Theirs) {
    fn has_floats(value: &Theirs) -> bool {
        match value {
            Theirs::Number(n) => n.is_f64(),
            Theirs::Array(items) => items.iter().any(has_floats),
            Theirs::Object(members) => members.values().any(has_floats),
            _ => false,
        }
    }
    for by_us in [write(&(ours,)), write(&(theirs,))] {
        let read: Theirs =
            serde_json::from_str(&by_us).unwrap_or_else(|error| panic!("{by_us:?}: {error}"));
        assert!(
            read[0] == "e" && same(ours, &read[1]),
            "{by_us:?} of {theirs:?}"
        );
    }
    if !has_floats(theirs) {
        assert_eq!(write(&(theirs,)), format!("[\"e\",{theirs}]"));
    }
}

fn write(args: &impl sockeye_core::packet::EmitArgs) -> String {
    let mut json = Vec::new();
    let wrote = encode_args_to_vec(Some("e"), args, &mut json, &mut |_: &[u8]| Ok(()));
    wrote.expect("a value can be written");
    String::from_utf8(json).expect("JSON is UTF-8")
}

// ---- HTTP ----

const OPEN: &str =
    r#"0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// Anything as the head of a response: what `httparse` reads is read by us as well, with the same status.
pub fn http_head(data: &[u8]) {
    let (pieces, data) = pieces(data);
    let mut bytes = b"HTTP/1.1 ".to_vec();
    bytes.extend_from_slice(data);
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes.extend_from_slice(b"\r\n\r\n");
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let verdict = response.parse(&bytes);
    let Ok(httparse::Status::Complete(len)) = verdict else {
        return;
    };
    let status = response.code.unwrap_or(0);
    // Their head may end at an earlier empty line, with bare line feeds: the rest would be the body.
    let whole = len == bytes.len();
    // Interim responses, and what says how long the body is, are another matter.
    let framed = response.headers.iter().any(|header| {
        ["content-length", "transfer-encoding", "content-encoding"]
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name))
    });
    if !whole || framed || !(200..600).contains(&status) || matches!(status, 204 | 304) {
        return;
    }
    bytes.extend_from_slice(OPEN.as_bytes());
    let config = config(Transports::POLLING);
    let memory = Memory::growable(&config.limits);
    let mut rig = lenient(Rig::new(config, memory));
    rig.connect("/");
    rig.take_log();
    rig.pieces = pieces;
    rig.feed(Link::Poll, &bytes);
    rig.cut(Link::Poll);
    let log = rig.take_log();
    let head = bytes.escape_ascii();
    if status == 200 {
        assert!(log.contains("opened polling E1"), "{head}\n{log}");
    } else {
        assert!(!log.contains("opened"), "{head}\n{log}");
        assert!(log.contains(&status.to_string()), "{head}\n{log}");
    }
}

// ---- WebSocket ----

/// Bytes to read, and nowhere to write to.
struct Tape<'d>(&'d [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(buffer)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Frames of the server, good ones and bad ones, as the bytes say.
fn frames(mut script: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut n = 0;
    while let [op, arg, rest @ ..] = script {
        script = rest;
        n += 1;
        let text = format!("42[\"e\",{n}]");
        let text = text.as_bytes();
        let filler = vec![*arg; usize::from(arg % 126)];
        match op % 20 {
            0..=5 => out.extend(frame(0x81, text)),
            6..=8 => {
                let (a, b) = text.split_at(usize::from(*arg) % (text.len() + 1));
                out.extend(frame(0x01, a));
                if arg & 0x40 > 0 {
                    out.extend(frame(0x89, &filler));
                }
                if arg & 0x20 > 0 {
                    out.extend(frame(0x00, b""));
                }
                out.extend(frame(0x80, b));
            }
            9 => out.extend(frame(0x89, &filler)),
            10 => out.extend(frame(0x8a, &filler)),
            // The same text, its length in more bytes than it needs.
            11 => {
                out.extend([0x81, 127, 0, 0, 0, 0, 0, 0, 0, text.len() as u8]);
                out.extend(text);
            }
            12 => out.extend(frame(0x88, &[0x03, 0xe8])),
            // Faults: reserved bits, reserved opcodes, fragments out of order, control frames that are long or in
            // fragments, masks.
            13 => out.extend(frame(0x81 | (arg & 0x70), text)),
            14 => out.extend(frame(0x80 | (arg & 0x0f), text)),
            15 => out.extend(frame(*arg & 0x8f, b"")),
            16 => out.extend(frame(0x89, &[0; 126])),
            17 => out.extend(frame(0x09, b"x")),
            18 => {
                out.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
                out.extend(text);
            }
            _ => {
                // Any byte anywhere.
                let at = usize::from(*arg) % out.len().max(1);
                if let (Some(byte), Some(new)) = (out.get_mut(at), script.first()) {
                    *byte = *new;
                }
            }
        }
    }
    out
}

/// What tungstenite makes of the frames: the texts, until the end or the first fault. `None` if one is too long for it
/// (we skip such a message, and go on) or not UTF-8 (that is another target's business).
fn their_texts(bytes: &[u8]) -> Option<(Vec<String>, bool)> {
    let mut socket = WebSocket::from_raw_socket(Tape(bytes), Role::Client, None);
    let mut texts = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => texts.push(text.to_string()),
            Ok(Message::Close(_)) => return Some((texts, true)),
            Ok(Message::Binary(bytes)) => texts.push(format!("binary {bytes:?}")),
            Ok(_) => (),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Some((texts, false));
            }
            // It says so at the first fragment; we look at a text when it is whole.
            Err(Error::Capacity(_) | Error::Utf8(_)) => return None,
            Err(_) => return Some((texts, true)),
        }
    }
}

/// Whether the last frame is all there.
fn is_whole(mut bytes: &[u8]) -> bool {
    while let Some((_, len)) = Frame::parse(bytes) {
        bytes = &bytes[len..];
    }
    bytes.is_empty()
}

/// Where the first control frame begins that says its length in more bytes than one, though it is short. RFC 6455 wants the
/// fewest; we refuse it by that, as `ws` does, and tungstenite takes it.
fn long_control(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some((_, len)) = Frame::parse(&bytes[at..]) {
        if bytes[at] & 0x08 > 0 && bytes[at + 1] & 0x7f > 125 {
            return Some(at);
        }
        at += len;
    }
    None
}

/// Frames beside tungstenite: the same messages until the first fault, and a fault for the one is one for the other.
pub fn ws_frames(data: &[u8]) {
    let (pieces, script) = pieces(data);
    let bytes = frames(script);
    let fault = long_control(&bytes);
    let Some((texts, over)) = their_texts(&bytes[..fault.unwrap_or(bytes.len())]) else {
        return;
    };
    let over = over || fault.is_some();
    let mut expected = Vec::new();
    for text in &texts {
        // What the byte of chance has made of a text is another target's business.
        let number = text
            .strip_prefix("42[\"e\",")
            .and_then(|rest| rest.strip_suffix(']'));
        let Some(number) = number.and_then(|n| n.parse::<u32>().ok()) else {
            return;
        };
        expected.push(format!("message / e [{number}]"));
    }
    let config = config(Transports::WEBSOCKET);
    let memory = Memory::growable(&config.limits);
    let mut rig = lenient(Rig::new(config, memory));
    rig.joined_ws();
    rig.pieces = pieces;
    rig.feed(Link::WebSocket, &bytes);
    let log = rig.take_log();
    let events: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("message"))
        .collect();
    let shown = bytes.escape_ascii();
    assert_eq!(events, expected, "{shown}\n{log}");
    // They look at a frame when all of it is there, we at its head: of one that is cut short we may refuse more.
    let closed = !rig.is_open(Link::WebSocket);
    assert!(
        closed == over || closed && !is_whole(&bytes),
        "{shown}\n{log}"
    );
}
