//! The server's side: HTTP upgrade and WebSocket frames, from bytes to bytes.

use base64::Engine;
use sha1::{Digest, Sha1};

/// What the client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Close,
    Ping,
}

/// The answer to an upgrade request, if `request` holds one whole; and how many bytes it has.
pub(crate) fn upgrade(request: &[u8]) -> Option<(String, usize)> {
    let end = request.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&request[..end]).expect("an ASCII request");
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .expect("a key");
    let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = base64::engine::general_purpose::STANDARD.encode(hash);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some((answer, end))
}

/// The first whole frame in `bytes`, which it is removed from. Frames must be masked and unfragmented.
pub(crate) fn take_frame(bytes: &mut Vec<u8>) -> Option<Frame> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(second & 0x80, 0x80, "a client masks its frames");
    assert_eq!(first & 0xf0, 0x80, "whole frames without extensions");
    let (len, at) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => (
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
            10,
        ),
        len => (usize::from(len), 2),
    };
    let key: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    let mut payload = bytes.get(at + 4..at + 4 + len)?.to_vec();
    payload
        .iter_mut()
        .enumerate()
        .for_each(|(i, byte)| *byte ^= key[i % 4]);
    bytes.drain(..at + 4 + len);
    Some(match first & 0x0f {
        1 => Frame::Text(String::from_utf8(payload).expect("UTF-8")),
        2 => Frame::Binary(payload),
        8 => Frame::Close,
        9 => Frame::Ping,
        opcode => panic!("unexpected opcode {opcode}"),
    })
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(1, text.as_bytes())
}

pub(crate) fn binary(bytes: &[u8]) -> Vec<u8> {
    frame(2, bytes)
}

/// The Engine.IO handshake.
pub(crate) const OPEN: &str = r#"0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
