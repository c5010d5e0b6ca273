//! Frames in, which are not masked.
//!
//! The decoder works inside the receive area: payload of the fragments of one message joins there, whatever the
//! reads were, and control frames between fragments are taken out.

use core::fmt;

use super::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use crate::memory::RxBuf;

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
    /// A close frame whose payload is no code and text.
    Close,
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
            Self::Close => "malformed WebSocket close frame",
        })
    }
}

/// The bit that a compressed message's first frame has.
#[cfg(feature = "deflate")]
const RSV1: u8 = 0x40;

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
    /// permessage-deflate has been agreed on: messages may be compressed.
    #[cfg(feature = "deflate")]
    deflate: bool,
    /// The message that began last is compressed.
    #[cfg(feature = "deflate")]
    compressed: bool,
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
                if b0 & 0x70 != 0 && !self.may_be_compressed(b0)
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
                        #[cfg(feature = "deflate")]
                        {
                            self.compressed = b0 & RSV1 != 0;
                        }
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

    /// Whether nothing is under way: no message has begun, and no byte of another has come.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn is_between(&self, rx: &RxBuf<'_>) -> bool {
        !self.in_payload && self.message.is_none() && rx.stream().is_empty()
    }

    /// Takes a text message that is here as a whole, in one frame of less than 64 KiB, and begins with `first`, which is
    /// left out. Whether there is one at the front of the stream; all others are left to [`Self::step`].
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn take_text(&mut self, rx: &mut RxBuf<'_>, first: u8, limit: usize) -> bool {
        let found = self.front_text(rx, first, limit);
        let Some(len) = found.map(<[u8]>::len) else {
            return false;
        };
        self.take_front(rx, len);
        true
    }

    /// What [`Self::take_text`] would take, which stays.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn front_text<'r>(
        &self,
        rx: &'r RxBuf<'_>,
        first: u8,
        limit: usize,
    ) -> Option<&'r [u8]> {
        if self.in_payload || self.message.is_some() || rx.message_len() > 0 {
            return None;
        }
        const FINAL_TEXT: u8 = 0x80 | TEXT;
        let (len, c, rest) = match rx.stream() {
            [FINAL_TEXT, len @ 1..=125, c, rest @ ..] => (usize::from(*len), *c, rest),
            [FINAL_TEXT, 126, a, b, c, rest @ ..] => {
                (usize::from(u16::from_be_bytes([*a, *b])), *c, rest)
            }
            _ => return None,
        };
        if c != first || len > limit {
            return None;
        }
        rest.get(..len.checked_sub(1)?)
    }

    /// Takes what [`Self::front_text`] has found: so many bytes.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn take_front(&mut self, rx: &mut RxBuf<'_>, len: usize) {
        #[cfg(feature = "deflate")]
        {
            self.compressed = false;
        }
        // Behind two bytes, or four, and the first of the text.
        let header = if rx.stream().get(1) == Some(&126) {
            5
        } else {
            3
        };
        rx.consume(header);
        rx.take(len);
    }

    /// For a connection on which permessage-deflate has been agreed on, or not.
    #[cfg(feature = "deflate")]
    pub(crate) fn with_deflate(deflate: bool) -> Self {
        Self {
            deflate,
            ..Self::default()
        }
    }

    /// Whether the reserved bits of a frame's first byte say no more than that a message begins which is compressed.
    #[cfg(feature = "deflate")]
    const fn may_be_compressed(&self, b0: u8) -> bool {
        self.deflate && b0 & 0x70 == RSV1 && matches!(b0 & 0x0f, TEXT | BINARY)
    }

    #[cfg(not(feature = "deflate"))]
    const fn may_be_compressed(&self, _: u8) -> bool {
        false
    }

    /// Whether the message of the last [`Item::Message`], or [`Item::Skipped`], is compressed.
    #[cfg(feature = "deflate")]
    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressed
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
            _ if is_close_payload(rx.stream().get(..len).unwrap_or_default()) => {
                Item::Close { len }
            }
            _ => return Err(WsError::Close),
        }))
    }
}

/// Nothing, or a code that may be sent (RFC 6455 section 7.4, and those that IANA has registered since) with a text.
fn is_close_payload(payload: &[u8]) -> bool {
    match payload {
        [] => true,
        [_] => false,
        [a, b, text @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
                && core::str::from_utf8(text).is_ok()
        }
    }
}
