//! Polling payloads of Engine.IO 3 (its protocol document, revision 3, "Encoding"): each packet behind its length.
//!
//! There are two forms. As text it is `<length>:<packet>`, where the length counts as JavaScript does, in units of
//! UTF-16. In the binary form it is a byte 0 (text) or 1 (binary), the digits of the length as bytes 0 to 9, a byte 255,
//! and the packet, counted in bytes. Servers choose for each answer. What is sent has the binary form always: all servers
//! take it, and read it alike.

/// No length has so many digits.
const DIGITS: u8 = 12;

/// What a step has found at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes in front of a packet, up to its beginning or (`done` is false) as far as there are any.
    Head {
        /// The packet begins behind them.
        done: bool,
    },
    /// Bytes of a packet, up to its end or as far as there are any.
    Part {
        /// The packet is complete with them.
        end: bool,
    },
    /// No payload.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a packet.
    Start,
    /// In the digits of a length.
    Length { text: bool, digits: u8, length: u64 },
    /// In a packet that is counted in bytes.
    Bytes(u64),
    /// In a packet that is counted in units of UTF-16: those to come, and the bytes to come of the character that has begun.
    Units(u64, u8),
    /// In what is no payload.
    Malformed,
}

/// Reads payloads in pieces of any size, and keeps nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    at: At,
    /// The packet that was begun last is binary.
    binary: bool,
    /// A packet has been read whole since the payload began.
    some: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::NEW
    }
}

impl Reader {
    /// Before a payload.
    pub const NEW: Self = Self {
        at: At::Start,
        binary: false,
        some: false,
    };

    /// Whether the first packet of a session can begin so: text, in either form. No packet of Engine.IO 4 does.
    pub(crate) const fn is_first(byte: u8) -> bool {
        matches!(byte, 0 | b'1'..=b'9')
    }

    /// Whether the packet that was begun last is binary.
    pub const fn is_binary(&self) -> bool {
        self.binary
    }

    /// The payload has ended: whether it held packets, and nothing but whole ones. The next one begins.
    pub fn finish(&mut self) -> bool {
        let whole = self.some && self.at == At::Start;
        *self = Self {
            binary: self.binary,
            ..Self::NEW
        };
        whole
    }

    /// Looks at the front of `bytes`, which are not empty: so many of them are what the step says.
    pub fn step(&mut self, bytes: &[u8]) -> (usize, Step) {
        match self.at {
            At::Start | At::Length { .. } => self.head(bytes),
            At::Bytes(left) => {
                let n = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let left = left - n as u64;
                let end = left == 0;
                self.at = if end { At::Start } else { At::Bytes(left) };
                self.some |= end;
                (n, Step::Part { end })
            }
            At::Units(left, rest) => self.text(bytes, left, rest),
            At::Malformed => (0, Step::Malformed),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> (usize, Step) {
        for (i, &byte) in bytes.iter().enumerate() {
            self.at = match (self.at, byte) {
                (At::Start, 0 | 1) => {
                    self.binary = byte == 1;
                    At::Length {
                        text: false,
                        digits: 0,
                        length: 0,
                    }
                }
                (At::Start, b'1'..=b'9') => {
                    self.binary = false;
                    At::Length {
                        text: true,
                        digits: 1,
                        length: u64::from(byte - b'0'),
                    }
                }
                (
                    At::Length {
                        text: true, length, ..
                    },
                    b':',
                ) => At::Units(length, 0),
                (
                    At::Length {
                        text: false,
                        length: length @ 1..,
                        ..
                    },
                    255,
                ) => At::Bytes(length),
                (
                    At::Length {
                        text,
                        digits: digits @ ..DIGITS,
                        length,
                    },
                    _,
                ) if byte.wrapping_sub(if text { b'0' } else { 0 }) <= 9 => At::Length {
                    text,
                    digits: digits + 1,
                    length: length * 10 + u64::from(byte & 15),
                },
                _ => {
                    self.at = At::Malformed;
                    return (0, Step::Malformed);
                }
            };
            if let At::Bytes(_) | At::Units(..) = self.at {
                return (i + 1, Step::Head { done: true });
            }
        }
        (bytes.len(), Step::Head { done: false })
    }

    fn text(&mut self, bytes: &[u8], mut left: u64, mut rest: u8) -> (usize, Step) {
        let mut n = 0;
        while n < bytes.len() && (left > 0 || rest > 0) {
            let byte = bytes[n];
            let (units, more) = match byte {
                // Bytes that begin no character count as one: whoever reads the packet sees what they are.
                _ if rest > 0 && byte & 0xc0 == 0x80 => (0, rest - 1),
                0xc0..=0xdf => (1, 1),
                0xe0..=0xef => (1, 2),
                0xf0.. => (2, 3),
                _ => (1, 0),
            };
            if units > left {
                if left == 0 && rest > 0 {
                    // A character is broken off by the next packet.
                    rest = 0;
                    break;
                }
                // A pair is torn: the length does not count as it should.
                self.at = At::Malformed;
                return (0, Step::Malformed);
            }
            left -= units;
            rest = more;
            n += 1;
        }
        let end = left == 0 && rest == 0;
        self.at = if end {
            At::Start
        } else {
            At::Units(left, rest)
        };
        self.some |= end;
        (n, Step::Part { end })
    }
}

/// The longest that [`put_head`] writes.
pub(crate) const MAX_HEAD: usize = 14;

/// Bytes of a packet in a payload: `len` of them are the message's, or the text's with its type.
pub(crate) const fn record_len(binary: bool, len: usize) -> usize {
    let len = len + binary as usize;
    let (mut digits, mut rest) = (1, len / 10);
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    2 + digits + len
}

/// Writes what goes in front of a packet: for a binary message, its type as well. The bytes written; `out` has room for
/// [`MAX_HEAD`].
pub(crate) fn put_head(binary: bool, len: usize, out: &mut [u8]) -> usize {
    let total = len + usize::from(binary);
    let n = record_len(binary, len) - len;
    let digits = n - 2 - usize::from(binary);
    let mut rest = total;
    let Some(out) = out.get_mut(..n) else {
        return 0;
    };
    out[0] = u8::from(binary);
    for place in out[1..=digits].iter_mut().rev() {
        *place = (rest % 10) as u8;
        rest /= 10;
    }
    out[1 + digits] = 255;
    if binary {
        out[n - 1] = 4;
    }
    n
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    /// The packets of a payload that comes in pieces, binary ones in hexadecimal; `None` if it is none.
    fn read(pieces: &[&[u8]]) -> Option<Vec<String>> {
        let mut reader = Reader::NEW;
        let mut packets = Vec::new();
        let mut packet = Vec::new();
        for piece in pieces {
            let mut bytes = *piece;
            while !bytes.is_empty() {
                let (n, step) = reader.step(bytes);
                match step {
                    Step::Malformed => return None,
                    Step::Head { .. } => assert!(n > 0),
                    Step::Part { end } => {
                        packet.extend_from_slice(&bytes[..n]);
                        assert!(n > 0 || end);
                        if end {
                            packets.push(if reader.is_binary() {
                                packet.iter().map(|b| std::format!("{b:02x}")).collect()
                            } else {
                                String::from_utf8_lossy(&packet).into_owned()
                            });
                            packet.clear();
                        }
                    }
                }
                bytes = &bytes[n..];
            }
        }
        reader.finish().then_some(packets)
    }

    #[test]
    fn both_forms_at_every_split() {
        // As npm socket.io 2.5 and 1.7 wrote them.
        let text = "94:0{\"sid\":\"MhpIgCKtwWUCIGGjAAAA\",\"upgrades\":[\"websocket\"],\"pingInterval\":1000,\"pingTimeout\":800}2:4024:42[\"hello\",\"grüße€😀\",1]6:b4AQID";
        let binary = b"\x00\x03\x00\xff42[\"hello\",\"gr\xc3\xbc\xc3\x9fe\xe2\x82\xac\xf0\x9f\x98\x80\",1]\x00\x04\x01\xff451-[\"bin\",{\"_placeholder\":true,\"num\":0}]\x01\x04\xff\x04\x01\x02\x03";
        let expected_text = [
            "0{\"sid\":\"MhpIgCKtwWUCIGGjAAAA\",\"upgrades\":[\"websocket\"],\"pingInterval\":1000,\"pingTimeout\":800}",
            "40",
            "42[\"hello\",\"grüße€😀\",1]",
            "b4AQID",
        ];
        let expected_binary = [
            "42[\"hello\",\"grüße€😀\",1]",
            "451-[\"bin\",{\"_placeholder\":true,\"num\":0}]",
            "04010203",
        ];
        for (payload, expected) in [
            (text.as_bytes(), &expected_text[..]),
            (&binary[..], &expected_binary[..]),
        ] {
            for split in 0..=payload.len() {
                let (a, b) = payload.split_at(split);
                let packets = read(&[a, b]).unwrap_or_default();
                assert_eq!(packets, expected, "at {split}");
            }
            let single: Vec<&[u8]> = payload.chunks(1).collect();
            assert_eq!(read(&single).unwrap_or_default(), expected);
            // Torn off anywhere but between two packets, it is none.
            let whole = (1..payload.len()).filter(|n| read(&[&payload[..*n]]).is_some());
            assert_eq!(whole.count(), expected.len() - 1);
        }
    }

    #[test]
    fn what_is_no_payload() {
        for bad in [
            &b""[..],
            b"0{\"sid\":\"a\"}",
            b"404 not found",
            b":4",
            b"1",
            b"1:",
            b"2:4",
            b"\x00\xff4",
            b"\x00\x01:4",
            b"\x00\x0a\xff4",
            b"\x02\x01\xff4",
            b"\x00\x00\xff",
            b"1111111111111:4",
            b"\x001111111111111",
            "1:😀".as_bytes(),
            b"1:4x",
        ] {
            assert_eq!(read(&[bad]), None, "{}", bad.escape_ascii());
        }
        assert_eq!(read(&[b"1:2"]).unwrap(), ["2"]);
        assert_eq!(read(&[b"\x00\x00\x01\xff2"]).unwrap(), ["2"]);
        // Not UTF-8: whoever reads the packet tells.
        assert_eq!(read(&[b"2:4\xe2\x821:2"]).unwrap(), ["4\u{fffd}", "2"]);
    }

    #[test]
    fn what_is_written_is_read() {
        for len in (1..1200).chain([99_999, 100_000]) {
            for binary in [false, true] {
                let mut payload = [0u8; MAX_HEAD].to_vec();
                let n = put_head(binary, len, &mut payload);
                payload.truncate(n);
                payload.resize(n + len, b'4');
                assert_eq!(payload.len(), record_len(binary, len));
                let packets = read(&[&payload]).unwrap();
                let bytes = if binary { 2 * (len + 1) } else { len };
                assert_eq!((packets.len(), packets[0].len()), (1, bytes));
            }
        }
    }
}
