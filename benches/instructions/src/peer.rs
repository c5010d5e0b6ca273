//! The server's side of one WebSocket, as bytes that come and go in memory.

use std::cmp;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::{CYCLE, Reading, Row};

/// How many bytes of events are ready at a time, about: what one read of a fast connection brings.
const BLOCK: usize = 60_000;

/// Answers the handshakes, and then does what the row asks for.
pub(crate) struct Peer {
    row: Row,
    count: u32,
    stage: Stage,
    /// From the client, not looked at yet.
    received: Vec<u8>,
    /// For the client: answers, which go first.
    answers: Vec<u8>,
    /// How much of them has been read.
    read: usize,
    /// Events, a whole number of cycles, sent again and again.
    block: Vec<u8>,
    /// Where in `block` the client is, and how many bytes of events are still to come.
    at: usize,
    left: usize,
    /// Events that came from the client.
    seen: u32,
}

#[derive(PartialEq)]
enum Stage {
    Request,
    Frames,
}

impl Peer {
    pub(crate) fn new(row: Row, count: u32) -> Self {
        let mut block = Vec::with_capacity(BLOCK + 100);
        while row == Row::Receive && block.len() < BLOCK {
            for n in 0..CYCLE {
                let id = Reading::id(n);
                let event =
                    format!(r#"42["event",{{"id":{id},"t":21.53,"ok":true,"name":"kitchen"}}]"#);
                frame(&mut block, event.as_bytes());
            }
        }
        Self {
            row,
            count,
            stage: Stage::Request,
            received: Vec::with_capacity(2 * BLOCK),
            answers: Vec::with_capacity(BLOCK),
            read: 0,
            block,
            at: 0,
            left: 0,
            seen: 0,
        }
    }

    /// Bytes for the client: how many, 0 if there are none yet.
    pub(crate) fn read(&mut self, to: &mut [u8]) -> usize {
        let from = if self.read < self.answers.len() {
            let from = &self.answers[self.read..];
            let most = cmp::min(from.len(), to.len());
            self.read += most;
            &from[..most]
        } else {
            let from = &self.block[self.at..];
            let most = from.len().min(to.len()).min(self.left);
            self.left -= most;
            self.at = (self.at + most) % self.block.len().max(1);
            &from[..most]
        };
        to[..from.len()].copy_from_slice(from);
        from.len()
    }

    /// Whether there are bytes for the client.
    pub(crate) fn has_bytes(&self) -> bool {
        self.read < self.answers.len() || self.left > 0
    }

    /// Bytes of the client.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.read == self.answers.len() {
            self.answers.clear();
            self.read = 0;
        }
        self.received.extend_from_slice(bytes);
        let mut at = 0;
        if self.stage == Stage::Request {
            let end = self.received.windows(4).position(|end| end == b"\r\n\r\n");
            let Some(end) = end else { return };
            self.upgrade(end);
            at = end + 4;
        }
        while let Some((begin, len)) = masked(&self.received[at..]) {
            let (mask, payload) = (at + begin, at + begin + 4);
            // As little as tells packets apart: the clients are what is counted.
            let mut start = [0; START];
            let most = cmp::min(len, START);
            start[..most].copy_from_slice(&self.received[payload..payload + most]);
            let mask: [u8; 4] = self.received[mask..payload].try_into().expect("four bytes");
            let mask = u32::from_ne_bytes(mask);
            for word in start.chunks_exact_mut(4) {
                let bytes: [u8; 4] = (*word).try_into().expect("four bytes");
                word.copy_from_slice(&(u32::from_ne_bytes(bytes) ^ mask).to_ne_bytes());
            }
            self.packet(&start[..most]);
            at = payload + len;
        }
        self.received.drain(..at);
    }

    fn upgrade(&mut self, end: usize) {
        let request = String::from_utf8_lossy(&self.received[..end]);
        let key = request.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then(|| value.trim().to_owned())
        });
        let key = key.expect("a WebSocket handshake") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        let accept = STANDARD.encode(Sha1::digest(key.as_bytes()));
        write!(
            self.answers,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .expect("a vector takes everything");
        let open = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        frame(&mut self.answers, open.as_bytes());
        self.stage = Stage::Frames;
    }

    /// Takes the beginning of a packet.
    fn packet(&mut self, start: &[u8]) {
        if start.starts_with(b"40") {
            frame(&mut self.answers, br#"40{"sid":"b"}"#);
        } else if start.starts_with(b"42[\"go\"") {
            assert_eq!(self.block.len() % (EVENT * CYCLE as usize), 0);
            self.left = self.count as usize * EVENT;
        } else if start.starts_with(b"42") {
            self.seen += 1;
            let id = start[2..].iter().take_while(|byte| byte.is_ascii_digit());
            let id = id.count();
            match self.row {
                Row::Ack => {
                    let value = Reading::id(self.seen - 1);
                    let digit = |of: u32| b'0' + (value / of % 10) as u8;
                    let value = [digit(1000), digit(100), digit(10), digit(1)];
                    let len = 2 + id as u8 + 6;
                    self.answers.extend_from_slice(&[0x81, len, b'4', b'3']);
                    self.answers.extend_from_slice(&start[2..2 + id]);
                    self.answers.push(b'[');
                    self.answers.extend_from_slice(&value);
                    self.answers.push(b']');
                }
                _ if self.seen == self.count => frame(&mut self.answers, br#"42["done"]"#),
                _ => {}
            }
        } else if !start.starts_with(b"41") {
            panic!("not expected: {:?}", String::from_utf8_lossy(start));
        }
    }
}

/// How much of a packet is looked at: `42`, an id, and what follows it.
const START: usize = 12;

/// The length of an event's frame: all have the same.
const EVENT: usize = 2 + r#"42["event",{"id":1000,"t":21.53,"ok":true,"name":"kitchen"}]"#.len();

/// A text frame without a mask.
fn frame(to: &mut Vec<u8>, payload: &[u8]) {
    let len = u8::try_from(payload.len()).ok().filter(|len| *len < 126);
    to.extend_from_slice(&[0x81, len.expect("a short frame")]);
    to.extend_from_slice(payload);
}

/// A whole frame with a mask: where that begins, and how long the payload is.
fn masked(bytes: &[u8]) -> Option<(usize, usize)> {
    let (begin, len) = match *bytes.get(1)? & 0x7f {
        126 => {
            let len = bytes.get(2..4)?;
            (4, usize::from(u16::from_be_bytes([len[0], len[1]])))
        }
        127 => panic!("a frame that no row sends"),
        len => (2, usize::from(len)),
    };
    (bytes.len() >= begin + 4 + len).then_some((begin, len))
}
