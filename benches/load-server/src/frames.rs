//! Server-to-client frames (built once) and the reader of client-to-server frames.

use std::io::{self, Read};

/// As in `bench-common`, which this crate does not use so that it builds in a second.
const FIRST_ID: u32 = 1000;
const CYCLE: u32 = 1000;
const ATTACHMENT: usize = 1024;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;

/// Appends an unmasked, final frame.
pub(crate) fn push_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(len as u8),
        len @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// The JSON of the reading with this id.
fn reading(id: u32) -> String {
    format!(r#"{{"id":{id},"t":21.53,"ok":true,"name":"kitchen"}}"#)
}

/// MessagePack as `socket.io-msgpack-parser` writes it: members in the order in which the server sets them, fractions in 64 bits.
pub(crate) mod packed {
    use super::ATTACHMENT;

    /// `["event",{"id":…` of a client up to the number, with the options that it writes.
    pub(crate) const EVENT: &[u8] =
        b"\x84\xa4type\x02\xa3nsp\xa1/\xa7options\x81\xa8compress\xc3\xa4data\x92\xa5event\x84\xa2id";
    /// `["go"]` of a client.
    pub(crate) const GO: &[u8] =
        b"\x84\xa4type\x02\xa3nsp\xa1/\xa7options\x81\xa8compress\xc3\xa4data\x91\xa2go";
    /// The client wants to join.
    pub(crate) const JOIN: &[u8] = b"\x82\xa4type\x00\xa3nsp\xa1/";
    /// It has.
    pub(crate) const JOINED: &[u8] =
        b"\x83\xa4type\x00\xa4data\x81\xa3sid\xacbench-socket\xa3nsp\xa1/";
    /// `["done",1]` of the server.
    pub(crate) const DONE: &[u8] = b"\x83\xa4type\x02\xa4data\x92\xa4done\x01\xa3nsp\xa1/";

    /// The same reading as in JSON.
    fn reading(id: u32) -> Vec<u8> {
        let mut out = b"\x84\xa2id\xcd".to_vec();
        out.extend_from_slice(&(id as u16).to_be_bytes());
        out.extend_from_slice(b"\xa1t\xcb");
        out.extend_from_slice(&21.53_f64.to_be_bytes());
        out.extend_from_slice(b"\xa2ok\xc3\xa4name\xa7kitchen");
        out
    }

    /// An event with a reading, in front of which stands an attachment if there is one.
    pub(crate) fn event(id: u32, attachment: Option<&[u8; ATTACHMENT]>) -> Vec<u8> {
        let mut out = b"\x83\xa4type\x02\xa4data".to_vec();
        out.push(0x92 + u8::from(attachment.is_some()));
        out.extend_from_slice(b"\xa5event");
        if let Some(bytes) = attachment {
            out.push(0xc5);
            out.extend_from_slice(&(ATTACHMENT as u16).to_be_bytes());
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(&reading(id));
        out.extend_from_slice(b"\xa3nsp\xa1/");
        out
    }
}

/// An attachment begins with the id.
fn attachment(id: u32) -> [u8; ATTACHMENT] {
    let mut attachment = [0x5a; ATTACHMENT];
    attachment[..4].copy_from_slice(id.to_string().as_bytes());
    attachment
}

/// One cycle of events as they go over the wire, all of the same length, back to back.
pub(crate) struct Cycle(Vec<u8>);

impl Cycle {
    fn new(push_event: impl Fn(&mut Vec<u8>, u32)) -> Self {
        let mut bytes = Vec::new();
        (FIRST_ID..FIRST_ID + CYCLE).for_each(|id| push_event(&mut bytes, id));
        Self(bytes)
    }

    /// Small typed events for a namespace; for the main one its name is empty.
    pub(crate) fn events_for(namespace: &str) -> Self {
        let comma = if namespace.is_empty() { "" } else { "," };
        Self::new(|out, id| {
            let text = format!(r#"42{namespace}{comma}["event",{}]"#, reading(id));
            push_frame(out, TEXT, text.as_bytes());
        })
    }

    /// The frame of one event.
    pub(crate) fn event(&self, n: u32) -> &[u8] {
        let len = self.0.len() / CYCLE as usize;
        let from = len * (n % CYCLE) as usize;
        &self.0[from..from + len]
    }

    /// The frames of `count` events: one large slice after the other.
    pub(crate) fn chunks(&self, count: u32) -> impl Iterator<Item = &[u8]> {
        let whole = (0..count / CYCLE).map(|_| self.0.as_slice());
        let rest = self.0.len() / CYCLE as usize * (count % CYCLE) as usize;
        whole.chain([&self.0[..rest]])
    }
}

/// All that is sent in bulk.
pub(crate) struct Prebuilt {
    pub(crate) events: Cycle,
    pub(crate) binary: Cycle,
    pub(crate) binary_typed: Cycle,
    /// The same in MessagePack.
    pub(crate) packed_events: Cycle,
    pub(crate) packed_binary_typed: Cycle,
}

impl Prebuilt {
    pub(crate) fn new() -> Self {
        let push_binary = |out: &mut Vec<u8>, header: &str, id: u32| {
            push_frame(out, TEXT, header.as_bytes());
            push_frame(out, BINARY, &attachment(id));
        };
        Self {
            events: Cycle::events_for(""),
            binary: Cycle::new(|out, id| {
                push_binary(out, r#"451-["event",{"_placeholder":true,"num":0}]"#, id);
            }),
            binary_typed: Cycle::new(|out, id| {
                let header = format!(
                    r#"451-["event",{{"_placeholder":true,"num":0}},{}]"#,
                    reading(id)
                );
                push_binary(out, &header, id);
            }),
            packed_events: Cycle::new(|out, id| {
                push_frame(out, BINARY, &packed::event(id, None));
            }),
            packed_binary_typed: Cycle::new(|out, id| {
                push_frame(out, BINARY, &packed::event(id, Some(&attachment(id))));
            }),
        }
    }
}

/// The frame that answers the event `ack_id`.
pub(crate) fn ack_frame(out: &mut Vec<u8>, ack_id: &str, argument: &str) {
    push_frame(out, TEXT, format!("43{ack_id}[{argument}]").as_bytes());
}

/// Reads client frames from large reads.
pub(crate) struct Frames<R> {
    stream: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A frame as it came: `payload` is still masked.
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    mask: [u8; 4],
    payload: &'a [u8],
}

impl Frame<'_> {
    /// The payload in clear text, up to `limit` bytes.
    pub(crate) fn unmask<'b>(&self, limit: usize, out: &'b mut Vec<u8>) -> &'b [u8] {
        out.clear();
        out.extend(
            self.payload
                .iter()
                .take(limit)
                .zip(self.mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        out
    }
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(stream: R) -> Self {
        // Small at first: a thousand of these wait on idle connections.
        Self {
            stream,
            buffer: vec![0; 4 * 1024],
            start: 0,
            end: 0,
        }
    }

    /// Makes room for bulk reads.
    pub(crate) fn expect_bulk(&mut self) {
        self.buffer.resize(256 * 1024, 0);
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        loop {
            if let Some((head, len)) = parse_head(&self.buffer[self.start..self.end])? {
                if head + len > self.buffer.len() {
                    self.buffer.resize(head + len, 0);
                }
                if self.start + head + len <= self.end {
                    let at = self.start + head;
                    self.start = at + len;
                    let mask = self.buffer[at - 4..at].try_into().expect("four bytes");
                    let opcode = self.buffer[at - head] & 0x0f;
                    return Ok(Some(Frame {
                        opcode,
                        mask,
                        payload: &self.buffer[at..at + len],
                    }));
                }
            }
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            let n = self.stream.read(&mut self.buffer[self.end..])?;
            if n == 0 {
                return Ok(None);
            }
            self.end += n;
        }
    }
}

/// Lengths of the head (with the mask) and of the payload, as soon as the head is complete.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0xf0 != 0x80 || second & 0x80 == 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a client frame is not masked, or fragmented",
        ));
    }
    let (extra, len) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, len) if len.len() >= 8 => (
            8,
            u64::from_be_bytes(len[..8].try_into().expect("eight bytes")) as usize,
        ),
        (126 | 127, _) => return Ok(None),
        (len, _) => (0, usize::from(len)),
    };
    let head = 2 + extra + 4;
    Ok((bytes.len() >= head).then_some((head, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out its bytes `step` at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(n);
            buffer[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    fn push_masked(out: &mut Vec<u8>, payload: &[u8]) {
        let mut plain = Vec::new();
        push_frame(&mut plain, TEXT, payload);
        let head = plain.len() - payload.len();
        let mask = [1, 2, 3, 4];
        out.push(plain[0]);
        out.push(plain[1] | 0x80);
        out.extend_from_slice(&plain[2..head]);
        out.extend_from_slice(&mask);
        out.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    }

    #[test]
    fn client_frames_survive_any_split() {
        let payloads = [0, 1, 125, 126, 5_000, 0x1_0000].map(|len| vec![b'x'; len]);
        let mut stream = Vec::new();
        payloads
            .iter()
            .for_each(|payload| push_masked(&mut stream, payload));
        for step in [1, 2, 3, 7, 1000, usize::MAX] {
            let mut frames = Frames::new(Trickle(&stream, step));
            let mut clear = Vec::new();
            for payload in &payloads {
                let frame = frames.next().unwrap().expect("one more frame");
                assert_eq!(frame.opcode, TEXT);
                assert!(
                    frame.unmask(usize::MAX, &mut clear) == payload.as_slice(),
                    "step {step}"
                );
            }
            assert!(frames.next().unwrap().is_none());
        }
    }

    #[test]
    fn a_cycle_is_cut_between_events() {
        let prebuilt = Prebuilt::new();
        let length: usize = prebuilt.binary_typed.chunks(2_345).map(<[u8]>::len).sum();
        let whole: usize = prebuilt.binary_typed.chunks(CYCLE).map(<[u8]>::len).sum();
        assert_eq!(length, whole / CYCLE as usize * 2_345);
        assert!(
            prebuilt
                .events
                .chunks(1)
                .any(|chunk| chunk.ends_with(br#""name":"kitchen"}]"#))
        );
    }
}
