//! RFC 6455, the client's half: frames out are masked, frames in are not; no extensions.
//!
//! The decoder works inside the receive area: payload of the fragments of one message joins there, whatever the
//! reads were, and control frames between fragments are taken out.

use core::fmt;

use super::sha1::sha1;
use crate::memory::RxBuf;

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PONG: u8 = 0xa;
const CONTINUATION: u8 = 0x0;
const PING: u8 = 0x9;

/// A violation of RFC 6455 by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WsError {
    /// Reserved bits or a reserved opcode.
    Reserved,
    /// A masked frame: only clients mask.
    Masked,
    /// A fragmented or over-long control frame.
    Control,
    /// A continuation without a start, or a start within a message.
    Fragment,
    /// A length with the top bit set.
    Length,
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => {
                "WebSocket frame with reserved bits or opcode (no extension was offered)"
            }
            Self::Masked => "masked WebSocket frame from the server",
            Self::Control => "fragmented or over-long WebSocket control frame",
            Self::Fragment => "WebSocket fragments out of order",
            Self::Length => "WebSocket frame length over 2^63",
        })
    }
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A whole message is in [`RxBuf::message`].
    Message { binary: bool },
    /// A message of this many bytes did not fit and was skipped.
    Skipped { binary: bool, bytes: u64 },
    /// A ping with `len` bytes of payload at the front of the stream; the caller consumes them.
    Ping { len: usize },
    /// A pong: nothing to do.
    Pong,
    /// A close frame, payload as for `Ping`.
    Close { len: usize },
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WsDecoder {
    /// Payload bytes of the current data frame still to come.
    remaining: u64,
    in_payload: bool,
    fin: bool,
    /// A message has begun; whether it is binary.
    message: Option<bool>,
    /// Bytes of a message that does not fit, if it is being skipped.
    skipped: Option<u64>,
}

impl WsDecoder {
    /// Consumes what it can; `None` when more bytes are needed. A message in `rx` stays until the caller drops it.
    pub(crate) fn step(
        &mut self,
        rx: &mut RxBuf<'_>,
        limit: usize,
    ) -> Result<Option<Item>, WsError> {
        loop {
            if !self.in_payload {
                let stream = rx.stream();
                let [b0, b1, ..] = *stream else {
                    return Ok(self.wait(rx));
                };
                let opcode = b0 & 0x0f;
                if b0 & 0x70 != 0
                    || !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG)
                {
                    return Err(WsError::Reserved);
                }
                if b1 & 0x80 != 0 {
                    return Err(WsError::Masked);
                }
                let fin = b0 & 0x80 != 0;
                if opcode >= CLOSE {
                    return self.control(rx, opcode, fin, usize::from(b1));
                }
                let (len, header) = match b1 {
                    126 => match stream.get(2..4) {
                        Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
                        _ => return Ok(self.wait(rx)),
                    },
                    127 => match stream.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()) {
                        Some(bytes) => (u64::from_be_bytes(bytes), 10),
                        None => return Ok(self.wait(rx)),
                    },
                    n => (u64::from(n), 2),
                };
                if len >> 63 != 0 {
                    return Err(WsError::Length);
                }
                match (opcode, self.message) {
                    (CONTINUATION, Some(_)) => (),
                    (TEXT | BINARY, None) => {
                        self.message = Some(opcode == BINARY);
                        self.skipped = None;
                    }
                    _ => return Err(WsError::Fragment),
                }
                rx.consume(header);
                (self.in_payload, self.remaining, self.fin) = (true, len, fin);
                let total = (rx.message_len() as u64).saturating_add(len);
                if self.skipped.is_none() && total > limit as u64 {
                    self.skipped = Some(rx.message_len() as u64);
                    rx.drop_message();
                }
            }
            let available = rx.stream().len() as u64;
            let n = available.min(self.remaining);
            match &mut self.skipped {
                Some(bytes) => {
                    *bytes = bytes.saturating_add(n);
                    rx.consume(n as usize);
                }
                None => rx.take(n as usize),
            }
            self.remaining -= n;
            if self.remaining > 0 {
                return Ok(self.wait(rx));
            }
            self.in_payload = false;
            if self.fin {
                let binary = self.message.take().unwrap_or(false);
                return Ok(Some(match self.skipped.take() {
                    Some(bytes) => Item::Skipped { binary, bytes },
                    None => Item::Message { binary },
                }));
            }
        }
    }

    /// More bytes are needed. If the area cannot take any, the message is skipped and said to be, rather than lose the
    /// connection.
    fn wait(&mut self, rx: &mut RxBuf<'_>) -> Option<Item> {
        if self.message.is_some() && self.skipped.is_none() && rx.is_full() {
            self.skipped = Some(rx.message_len() as u64);
            rx.drop_message();
        }
        None
    }

    fn control(
        &mut self,
        rx: &mut RxBuf<'_>,
        opcode: u8,
        fin: bool,
        len: usize,
    ) -> Result<Option<Item>, WsError> {
        if !fin || len > 125 {
            return Err(WsError::Control);
        }
        if rx.stream().len() < 2 + len {
            return Ok(self.wait(rx));
        }
        rx.consume(2);
        Ok(Some(match opcode {
            PING => Item::Ping { len },
            PONG => {
                rx.consume(len);
                Item::Pong
            }
            _ => Item::Close { len },
        }))
    }
}

/// Bytes of the header of a masked frame with `len` bytes of payload.
pub(crate) const fn header_len(len: usize) -> usize {
    match len {
        0..=125 => 6,
        126..=65_535 => 8,
        _ => 14,
    }
}

/// Writes the header of an unfragmented masked frame into `out`, which has [`header_len`] bytes.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn write_header(out: &mut [u8], opcode: u8, len: usize, mask: [u8; 4]) {
    out[0] = 0x80 | opcode;
    match len {
        0..=125 => {
            out[1] = 0x80 | len as u8;
            out[2..6].copy_from_slice(&mask);
        }
        126..=65_535 => {
            out[1] = 0x80 | 126;
            out[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            out[4..8].copy_from_slice(&mask);
        }
        _ => {
            out[1] = 0x80 | 127;
            out[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            out[10..14].copy_from_slice(&mask);
        }
    }
}

/// Masks, or unmasks, in place.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let mut rest = bytes;
    // Eight at a time where machines have such words.
    if cfg!(feature = "alloc") {
        let wide = u64::from_ne_bytes([
            key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3],
        ]);
        let (chunks, short) = rest.as_chunks_mut::<8>();
        for chunk in chunks {
            *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
        }
        rest = short;
    }
    let (chunks, rest) = rest.as_chunks_mut::<4>();
    for [a, b, c, d] in chunks {
        *a ^= key[0];
        *b ^= key[1];
        *c ^= key[2];
        *d ^= key[3];
    }
    for (byte, key) in rest.iter_mut().zip(&key) {
        *byte ^= key;
    }
}

/// `Sec-WebSocket-Key` of 16 random bytes: 24 characters.
pub(crate) fn key(nonce: &[u8; 16]) -> [u8; 24] {
    let mut out = [0; 24];
    base64(nonce, &mut out);
    out
}

/// The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2).
pub(crate) fn accept(key: &[u8; 24]) -> [u8; 28] {
    let mut text = [0; 60];
    let (front, back) = text.split_at_mut(24);
    front.copy_from_slice(key);
    back.copy_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut out = [0; 28];
    base64(&sha1(&text), &mut out);
    out
}

/// Base64 with padding for the few bytes of a handshake: small, where the polling transport's is fast.
fn base64(bytes: &[u8], out: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (group, out) in bytes.chunks(3).zip(out.chunks_exact_mut(4)) {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for (i, out) in out.iter_mut().enumerate() {
            *out = if i > group.len() {
                b'='
            } else {
                ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]
            };
        }
    }
}

#[cfg(test)]
#[path = "ws_tests.rs"]
mod tests;
