//! permessage-deflate (RFC 7692): messages are compressed, each with what earlier ones taught, or without.
//!
//! [`Offer`] and [`Agreement`] are the negotiation, [`Inflater`] and [`Deflater`] the two directions.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, MinReset, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// What every compressed message ends with, and leaves out on the wire.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What the client offers in `Sec-WebSocket-Extensions`: two ways, of which a server takes the first that suits it. By the
/// second it may ask for a smaller window (`client_max_window_bits`), as some always do. The compressor knows one window only:
/// messages are not compressed then, and those that come are inflated all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The server is asked to begin each message anew.
    pub(crate) server_no_context_takeover: bool,
    /// The client will begin each message anew.
    pub(crate) client_no_context_takeover: bool,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (lead, window) in [("", ""), (", ", "; client_max_window_bits")] {
            f.write_str(lead)?;
            f.write_str("permessage-deflate")?;
            if self.server_no_context_takeover {
                f.write_str("; server_no_context_takeover")?;
            }
            if self.client_no_context_takeover {
                f.write_str("; client_no_context_takeover")?;
            }
            f.write_str(window)?;
        }
        Ok(())
    }
}

/// What has been agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The server begins each message anew.
    pub(crate) server_no_context_takeover: bool,
    /// The client has to begin each message anew.
    pub(crate) client_no_context_takeover: bool,
    /// The window that the server allows the client, 8 to 15. (Its own is never larger than the one that is kept.)
    pub(crate) client_max_window_bits: u8,
}

impl Agreement {
    /// Whether messages can be compressed as has been agreed on.
    pub(crate) const fn can_deflate(&self) -> bool {
        self.client_max_window_bits == WINDOW_BITS
    }
}

/// The window of the compressor, and the largest that there is: 32 KiB.
const WINDOW_BITS: u8 = 15;

/// Why an answer is none to the offer. The connection has to be failed (RFC 6455 section 4.1, RFC 7692 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerError {
    /// Another extension, or this one twice.
    Extension,
    /// A parameter that is unknown, was not offered, or stands twice.
    Parameter,
    /// A parameter with a wrong value.
    Value,
}

impl Offer {
    /// Reads the server's `Sec-WebSocket-Extensions`. Without that header nothing is compressed.
    pub(crate) fn answered(self, header: &str) -> Result<Agreement, AnswerError> {
        let mut parts = header.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") || header.contains(',') {
            return Err(AnswerError::Extension);
        }
        let mut agreed = Agreement {
            server_no_context_takeover: false,
            // What the client has said of itself holds without an answer.
            client_no_context_takeover: self.client_no_context_takeover,
            client_max_window_bits: WINDOW_BITS,
        };
        let mut seen = [false; 4];
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (part, None),
            };
            let which = match name {
                "server_no_context_takeover" => 0,
                "client_no_context_takeover" => 1,
                "server_max_window_bits" => 2,
                "client_max_window_bits" => 3,
                _ => return Err(AnswerError::Parameter),
            };
            if core::mem::replace(&mut seen[which], true) {
                return Err(AnswerError::Parameter);
            }
            match (which, value) {
                (0, None) => agreed.server_no_context_takeover = true,
                (1, None) => agreed.client_no_context_takeover = true,
                (2 | 3, Some(value)) => {
                    // The value may stand in quotes (RFC 6455 section 9.1).
                    let bits = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
                        Some(inner) => inner,
                        None => value,
                    };
                    let bits = match bits.as_bytes() {
                        [digit @ b'8'..=b'9'] => digit - b'0',
                        [b'1', digit @ b'0'..=b'5'] => 10 + digit - b'0',
                        _ => return Err(AnswerError::Value),
                    };
                    if which == 3 {
                        agreed.client_max_window_bits = bits;
                    }
                }
                _ => return Err(AnswerError::Value),
            }
        }
        // A server that was asked to begin anew has to say that it does.
        if self.server_no_context_takeover && !agreed.server_no_context_takeover {
            return Err(AnswerError::Parameter);
        }
        Ok(agreed)
    }
}

/// Why a message cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// The data is not DEFLATE's.
    Corrupt,
    /// The message is larger than the bound, whatever its compressed size. Later ones, which may refer to it, cannot be read.
    TooLarge,
}

/// Inflates what the server sends, piece by piece as it arrives.
pub(crate) struct Inflater {
    state: Box<InflateState>,
    anew: bool,
}

impl Inflater {
    pub(crate) fn new(agreed: Agreement) -> Self {
        Self {
            state: InflateState::new_boxed(DataFormat::Raw),
            anew: agreed.server_no_context_takeover,
        }
    }

    /// Appends what a piece of a message's payload stands for to `out`, which does not become longer than `limit`. A byte of
    /// payload stands for up to 1032.
    pub(crate) fn feed(
        &mut self,
        mut piece: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        let mut some = [0; 1024];
        loop {
            let result = inflate(&mut self.state, piece, &mut some, MZFlush::None);
            piece = piece.get(result.bytes_consumed..).unwrap_or_default();
            let bytes = some.get(..result.bytes_written).unwrap_or_default();
            if bytes.len() > limit.saturating_sub(out.len()) {
                return Err(InflateError::TooLarge);
            }
            out.extend_from_slice(bytes);
            match result.status {
                // A block that says to be the last one: the next begins a new stream, without what was before.
                Ok(MZStatus::StreamEnd) => {
                    self.state.reset_as(MinReset);
                    if piece.is_empty() {
                        return Ok(());
                    }
                }
                Ok(_) if piece.is_empty() && bytes.len() < some.len() => return Ok(()),
                Ok(_) => {}
                // All has been taken and all has been given.
                Err(MZError::Buf) if piece.is_empty() => return Ok(()),
                Err(_) => return Err(InflateError::Corrupt),
            }
        }
    }

    /// As [`feed`](Self::feed), at the end of the message.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), InflateError> {
        self.feed(&TAIL, out, limit)?;
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        if self.anew {
            self.state.reset_as(MinReset);
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its window holds messages.
        f.write_str("Inflater")
    }
}

/// Compresses what the client sends. Takes some 300 KB.
pub(crate) struct Deflater {
    state: Box<CompressorOxide>,
    anew: bool,
}

impl Deflater {
    pub(crate) fn new(agreed: Agreement) -> Self {
        // Raw data (a negative window), at the level that zlib takes by default.
        let flags = create_comp_flags_from_zip_params(6, -15, 0);
        Self {
            state: Box::new(CompressorOxide::new(flags)),
            anew: agreed.client_no_context_takeover,
        }
    }

    /// Appends the payload of a whole message to `out`.
    #[cfg(test)]
    pub(crate) fn message(&mut self, message: &[u8], out: &mut Vec<u8>) {
        self.piece(message, true, out);
    }

    /// Appends what a piece of a message becomes to `out`: all of it, so that it can leave as a frame.
    pub(crate) fn piece(&mut self, mut message: &[u8], last: bool, out: &mut Vec<u8>) {
        let mut some = [0; 1024];
        let start = out.len();
        loop {
            let result = deflate(&mut self.state, message, &mut some, MZFlush::Sync);
            message = message.get(result.bytes_consumed..).unwrap_or_default();
            out.extend_from_slice(some.get(..result.bytes_written).unwrap_or_default());
            if message.is_empty() && result.bytes_written < some.len() || result.status.is_err() {
                break;
            }
        }
        if !last {
            return;
        }
        let written = out.get(start..).unwrap_or_default();
        if written.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if out.len() == start {
            // An empty message is one empty block (RFC 7692 section 7.2.3.6).
            out.push(0);
        }
        if self.anew {
            self.state.reset();
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflater")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::ToString as _;
    use std::vec;

    const BOTH_KEEP: Agreement = Agreement {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        client_max_window_bits: 15,
    };
    const BOTH_ANEW: Agreement = Agreement {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        client_max_window_bits: 15,
    };

    fn inflated(inflater: &mut Inflater, payload: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in payload.chunks(piece) {
            inflater.feed(piece, &mut out, usize::MAX).unwrap();
        }
        inflater.finish(&mut out, usize::MAX).unwrap();
        out
    }

    #[test]
    fn the_examples_of_the_standard() {
        for piece in 1..8 {
            let mut inflater = Inflater::new(BOTH_KEEP);
            let mut next = |payload: &[u8]| inflated(&mut inflater, payload, piece);
            // 7.2.3.1 and 7.2.3.2: the second refers to the first.
            assert_eq!(next(b"\xf2\x48\xcd\xc9\xc9\x07\x00"), b"Hello");
            assert_eq!(next(b"\xf2\x00\x11\x00\x00"), b"Hello");
            // 7.2.3.3: not compressed. 7.2.3.4: a last block. 7.2.3.5: two blocks. 7.2.3.6: nothing.
            assert_eq!(
                next(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
                b"Hello"
            );
            assert_eq!(next(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), b"Hello");
            assert_eq!(
                next(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
                b"Hello"
            );
            assert_eq!(next(b"\x00"), b"");
        }
    }

    #[test]
    fn messages_go_there_and_back() {
        for agreed in [BOTH_KEEP, BOTH_ANEW] {
            let (mut deflater, mut inflater) = (Deflater::new(agreed), Inflater::new(agreed));
            let mut sizes = Vec::new();
            for (n, piece) in [0usize, 1, 5, 1000, 1000, 70_000, 0, 0, 3]
                .into_iter()
                .zip([1, 7, usize::MAX].into_iter().cycle())
            {
                let message: Vec<u8> = (0..n).map(|i| (i * i / 7) as u8).collect();
                let mut payload = TAIL.to_vec();
                deflater.message(&message, &mut payload);
                let payload = payload.split_off(TAIL.len());
                assert!(!payload.is_empty());
                sizes.push(payload.len());
                assert_eq!(inflated(&mut inflater, &payload, piece), message);
            }
            let remembered = sizes[4] < sizes[3] / 4;
            assert_eq!(remembered, !agreed.client_no_context_takeover, "{sizes:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        for agreed in [BOTH_KEEP, BOTH_ANEW] {
            let mut bomb = Vec::new();
            Deflater::new(agreed).message(&vec![0; 10_000_000], &mut bomb);
            assert!(bomb.len() < 20_000);
            let mut inflater = Inflater::new(agreed);
            let (mut out, limit) = (Vec::new(), 50_000);
            let refused = bomb.chunks(100).position(|piece| {
                inflater.feed(piece, &mut out, limit) == Err(InflateError::TooLarge)
            });
            assert!(refused.is_some_and(|piece| piece < 3));
            assert!(out.len() <= limit && out.capacity() <= 2 * limit);
        }
    }

    #[test]
    fn what_is_no_deflate_is_refused() {
        let mut inflater = Inflater::new(BOTH_KEEP);
        let result = inflater.feed(b"\xff\xff\xff\xff", &mut Vec::new(), 100);
        assert_eq!(result, Err(InflateError::Corrupt));
    }

    #[test]
    fn offers_and_answers() {
        let plain = Offer::default();
        let anew = Offer {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
        };
        assert_eq!(
            plain.to_string(),
            "permessage-deflate, permessage-deflate; client_max_window_bits"
        );
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(
            format!("{anew}"),
            format!("{both}, {both}; client_max_window_bits")
        );
        assert_eq!(plain.answered("permessage-deflate"), Ok(BOTH_KEEP));
        assert_eq!(
            plain.answered(
                "permessage-deflate;client_no_context_takeover ; server_no_context_takeover"
            ),
            Ok(BOTH_ANEW)
        );
        for (bits, value) in [("8", 8), ("15", 15), ("\"10\"", 10)] {
            let answer = format!("permessage-deflate; server_max_window_bits={bits}");
            // Any of them fits into the window that is kept.
            assert_eq!(plain.answered(&answer), Ok(BOTH_KEEP));
            let answer = format!("permessage-deflate; client_max_window_bits={bits}");
            let agreed = plain.answered(&answer).unwrap();
            assert_eq!(agreed.client_max_window_bits, value);
            assert_eq!(agreed.can_deflate(), value == 15);
        }
        let kept = anew.answered("permessage-deflate; server_no_context_takeover");
        assert_eq!(kept, Ok(BOTH_ANEW), "what the client said of itself");
        for (answer, error) in [
            ("", AnswerError::Extension),
            ("x-webkit-deflate-frame", AnswerError::Extension),
            (
                "permessage-deflate, permessage-deflate",
                AnswerError::Extension,
            ),
            ("permessage-deflate; x", AnswerError::Parameter),
            (
                "permessage-deflate; client_max_window_bits=16",
                AnswerError::Value,
            ),
            (
                "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
                AnswerError::Parameter,
            ),
            (
                "permessage-deflate; server_max_window_bits",
                AnswerError::Value,
            ),
            (
                "permessage-deflate; client_max_window_bits",
                AnswerError::Value,
            ),
            (
                "permessage-deflate; server_max_window_bits=16",
                AnswerError::Value,
            ),
            (
                "permessage-deflate; server_max_window_bits=08",
                AnswerError::Value,
            ),
            (
                "permessage-deflate; server_no_context_takeover=1",
                AnswerError::Value,
            ),
        ] {
            assert_eq!(plain.answered(answer), Err(error), "{answer}");
        }
        let ignored = anew.answered("permessage-deflate");
        assert_eq!(ignored, Err(AnswerError::Parameter));
    }
}
