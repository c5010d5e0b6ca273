//! HTTP/1.1, the client's half: reads one response at a time (RFC 9112).
//!
//! The head is read line by line inside the receive area, so that its size does not matter: only lines of interest
//! must fit, others are skipped as they arrive, and so is everything between the chunks of a body. Like this there is always
//! room to read on. Body bytes join the area's message; how far is for the caller to say.

use core::fmt;

use crate::config::POLLING;
use crate::limits::HEAD_LIMIT;
use crate::memory::RxBuf;
use crate::slices;

/// Why a response is not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// The first line is not an HTTP/1.x status line.
    StatusLine,
    /// The head is longer than [`HEAD_LIMIT`].
    Head,
    /// Content-Length is malformed or contradictory.
    Length,
    /// A transfer coding other than `chunked`, or a compressed body.
    Coding,
    /// A malformed chunk.
    Chunk,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatusLine => "the server does not speak HTTP/1.1",
            Self::Head => "HTTP response head too long",
            Self::Length => "bad Content-Length in the HTTP response",
            Self::Coding => {
                "unsupported Transfer-Encoding or Content-Encoding in the HTTP response"
            }
            Self::Chunk => "malformed chunk in the HTTP response",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// No more bytes belong to this response.
    None,
    Length(u64),
    /// Bytes left of the current chunk.
    Chunk(u64),
    /// The line end behind a chunk; `true` in the middle of it.
    ChunkEnd(bool),
    /// In the line of a chunk's size, which is so much as far as it has been read.
    ChunkSize(u64, SizeLine),
    /// In the trailer; `true` when the line has begun.
    Trailer(bool),
    UntilClose,
}

/// How far the line of a chunk's size has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeLine {
    Begin,
    Digits,
    /// Blanks behind the digits.
    Blanks,
    Extension,
    LineEnd,
}

/// Whether bodies are read. Without polling the only response is that to a WebSocket handshake, and of a refusal the status
/// has to do.
pub(crate) const READS_BODIES: bool = POLLING;

/// Bytes of the line of a chunk's size: a client reads no extensions, but they have to end some time.
const SIZE_LINE_LIMIT: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Status,
    Headers,
    Body,
}

/// What the decoder wants the caller to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More bytes are needed.
    Wait,
    /// A header line of interest to the caller is at the front of the stream, `len` bytes without the line end;
    /// the caller looks at it and calls [`HttpDecoder::header_done`].
    Header { len: usize },
    /// The head is complete: the fields of the decoder are valid.
    Head,
    /// Up to `n` bytes at the front of the stream belong to the body; the caller consumes some of them (at least
    /// one) and calls [`HttpDecoder::body_taken`].
    Body { n: usize },
    /// The response is complete.
    End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpDecoder {
    state: State,
    body: Body,
    /// A line longer than the area is being skipped.
    skipping: bool,
    head_bytes: usize,
    /// Bytes of the current line of a chunk's size.
    size_line: u32,
    length: Option<u64>,
    chunked: bool,
    http10: bool,
    /// The request was answered as far as this status; 0 before the status line.
    pub(crate) status: u16,
    /// The link may carry another request afterwards.
    pub(crate) keep_alive: bool,
    /// Seconds from `Keep-Alive: timeout=`.
    pub(crate) keep_alive_timeout: Option<u16>,
    pub(crate) upgrade_websocket: bool,
    pub(crate) connection_upgrade: bool,
    /// `Sec-WebSocket-Accept` is what it has to be: the caller's to say.
    pub(crate) accepted: bool,
    /// An extension or protocol that was not offered would be a violation; the caller checks `extensions`.
    pub(crate) extensions: bool,
    pub(crate) html: bool,
    /// A `Set-Cookie` was skipped because its line is longer than the area: to be told.
    // The engine is to tell it.
    #[allow(dead_code)]
    pub(crate) cookie_skipped: bool,
}

impl HttpDecoder {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Status,
            body: Body::None,
            skipping: false,
            head_bytes: 0,
            size_line: 0,
            length: None,
            chunked: false,
            http10: false,
            status: 0,
            keep_alive: true,
            keep_alive_timeout: None,
            upgrade_websocket: false,
            connection_upgrade: false,
            accepted: false,
            extensions: false,
            html: false,
            cookie_skipped: false,
        }
    }

    /// The next response begins.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) const fn reset(&mut self) {
        *self = Self::new();
    }

    /// What is left of a response that has switched to WebSocket.
    #[cfg(feature = "alloc")]
    pub(crate) const SWITCHED: Self = Self {
        state: State::Body,
        status: 101,
        ..Self::new()
    };

    /// Whether nothing of a response has arrived yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.state == State::Status && self.head_bytes == 0
    }

    /// Whether the end of the stream now would be the regular end of the body.
    pub(crate) fn ends_with_close(&self) -> bool {
        self.state == State::Body && self.body == Body::UntilClose
    }

    /// The stream has ended, and the body with it.
    pub(crate) fn end_of_stream(&mut self) {
        if self.ends_with_close() {
            self.body = Body::None;
        }
    }

    /// Reads on. `head_end` headers `Set-Cookie` and `Location` are handed to the caller.
    pub(crate) fn step(&mut self, rx: &mut RxBuf<'_>) -> Result<Step, HttpError> {
        loop {
            match self.state {
                State::Status => {
                    let Some(len) = self.line(rx)? else {
                        if self.skipping {
                            // The reason is long, and the rest of the line is skipped as if it were a header.
                            self.state = State::Headers;
                        }
                        return Ok(Step::Wait);
                    };
                    let line = trim(slices::front(rx.stream(), len));
                    if line.is_empty() && self.head_bytes <= 2 {
                        self.end_line(rx, len);
                        continue;
                    }
                    self.status_line(line)?;
                    self.end_line(rx, len);
                    self.state = State::Headers;
                }
                State::Headers => {
                    let Some(len) = self.line(rx)? else {
                        return Ok(Step::Wait);
                    };
                    if self.skipping {
                        self.skipping = false;
                        self.end_line(rx, len);
                        continue;
                    }
                    let line = trim(slices::front(rx.stream(), len));
                    if line.is_empty() {
                        self.end_line(rx, len);
                        if self.status < 200 && self.status != 101 {
                            // An interim response: the final one follows.
                            self.reset();
                            continue;
                        }
                        self.start_body();
                        return Ok(Step::Head);
                    }
                    let line_len = line.len();
                    let wanted = self.header_line(rx, line_len)?;
                    if wanted {
                        return Ok(Step::Header { len: line_len });
                    }
                    self.end_line(rx, len);
                }
                State::Body => return self.body_step(rx),
            }
        }
    }

    /// The caller has looked at the header line of [`Step::Header`].
    pub(crate) fn header_done(&mut self, rx: &mut RxBuf<'_>) {
        if let Some(len) = rx.stream().iter().position(|b| *b == b'\n') {
            self.end_line(rx, len);
        }
    }

    /// The caller has consumed `n` bytes of the body.
    pub(crate) fn body_taken(&mut self, n: usize) {
        if let Body::Length(left) | Body::Chunk(left) = &mut self.body {
            *left = left.saturating_sub(n as u64);
            if *left == 0 && matches!(self.body, Body::Chunk(_)) {
                self.body = Body::ChunkEnd(false);
            }
        }
    }

    /// The length of the line at the front of the stream without its `\n`. A line that fills the area is skipped.
    fn line(&mut self, rx: &mut RxBuf<'_>) -> Result<Option<usize>, HttpError> {
        if let Some(len) = rx.stream().iter().position(|b| *b == b'\n') {
            return Ok(Some(len));
        }
        if self.head_bytes + rx.stream().len() > HEAD_LIMIT {
            return Err(HttpError::Head);
        }
        if rx.is_full() {
            if !core::mem::replace(&mut self.skipping, true) {
                self.skip(rx.stream())?;
            }
            let n = rx.stream().len();
            self.head_bytes += n;
            rx.consume(n);
        }
        Ok(None)
    }

    /// Looks at the front of a line that is longer than the area.
    #[cold]
    fn skip(&mut self, front: &[u8]) -> Result<(), HttpError> {
        if self.state == State::Status {
            // Up to the blank behind the status; what follows is for people.
            return self.status_line(front.get(..13).unwrap_or(front));
        }
        if !POLLING {
            // Nothing but the answer to a handshake is read, and of a refusal the status.
            return Ok(());
        }
        let name = front.split(|b| *b == b':').next().unwrap_or_default();
        let framing = ["content-length", "transfer-encoding", "content-encoding"];
        if framing.iter().any(|wanted| same(name, wanted)) {
            // Without it the body would be misread.
            return Err(HttpError::Head);
        }
        self.cookie_skipped |= same(name, "set-cookie");
        Ok(())
    }

    fn end_line(&mut self, rx: &mut RxBuf<'_>, len: usize) {
        self.head_bytes += len + 1;
        rx.consume(len + 1);
    }

    fn status_line(&mut self, line: &[u8]) -> Result<(), HttpError> {
        let rest = line.strip_prefix(b"HTTP/1.").ok_or(HttpError::StatusLine)?;
        let [
            minor @ b'0'..=b'9',
            b' ',
            a @ b'1'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            tail @ ..,
        ] = rest
        else {
            return Err(HttpError::StatusLine);
        };
        if !matches!(tail, [] | [b' ', ..]) {
            return Err(HttpError::StatusLine);
        }
        self.status = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
        self.http10 = *minor == b'0';
        self.keep_alive = !self.http10;
        Ok(())
    }

    /// Reads one header line; whether the caller wants to see it.
    fn header_line(&mut self, rx: &RxBuf<'_>, len: usize) -> Result<bool, HttpError> {
        let line = slices::front(rx.stream(), len);
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return Ok(false);
        };
        let name = slices::front(line, colon);
        let value = slices::part(line, colon + 1, len).trim_ascii();
        let is = |wanted: &str| same(name, wanted);
        if is("connection") {
            for token in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if same(token, "upgrade") {
                    self.connection_upgrade = true;
                } else if READS_BODIES && same(token, "close") {
                    self.keep_alive = false;
                } else if READS_BODIES && same(token, "keep-alive") {
                    self.keep_alive = true;
                }
            }
        } else if READS_BODIES && is("content-length") {
            let n = slices::number(value).ok_or(HttpError::Length)?;
            if self.length.is_some_and(|old| old != n) {
                return Err(HttpError::Length);
            }
            self.length = Some(n);
        } else if READS_BODIES && is("transfer-encoding") {
            if !same(value, "chunked") {
                return Err(HttpError::Coding);
            }
            self.chunked = true;
        } else if READS_BODIES && is("content-encoding") {
            if !value.is_empty() && !same(value, "identity") {
                return Err(HttpError::Coding);
            }
        } else if POLLING && is("keep-alive") {
            self.keep_alive_timeout = core::str::from_utf8(value)
                .ok()
                .and_then(|v| {
                    v.split(',')
                        .find_map(|part| part.trim_ascii().strip_prefix("timeout="))
                })
                .and_then(|v| v.trim_ascii().parse().ok());
        } else if is("upgrade") {
            self.upgrade_websocket = same(value, "websocket");
        } else if is("sec-websocket-extensions") {
            self.extensions = !value.is_empty();
            #[cfg(feature = "deflate")]
            return Ok(true);
        } else if is("content-type") {
            self.html = value.get(..9).is_some_and(|value| same(value, "text/html"));
        } else {
            return Ok(is("sec-websocket-accept") || POLLING && is("set-cookie") || is("location"));
        }
        Ok(false)
    }

    fn start_body(&mut self) {
        self.state = State::Body;
        self.body =
            if !READS_BODIES || self.status == 101 || self.status == 204 || self.status == 304 {
                Body::None
            } else if self.chunked {
                Body::ChunkSize(0, SizeLine::Begin)
            } else if let Some(n) = self.length {
                Body::Length(n)
            } else {
                self.keep_alive = false;
                Body::UntilClose
            };
    }

    fn body_step(&mut self, rx: &mut RxBuf<'_>) -> Result<Step, HttpError> {
        loop {
            let available = rx.stream().len();
            match self.body {
                Body::None | Body::Length(0) => return Ok(Step::End),
                _ if !READS_BODIES => return Ok(Step::End),
                Body::Length(left) | Body::Chunk(left) => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(available);
                    return Ok(if n == 0 { Step::Wait } else { Step::Body { n } });
                }
                Body::UntilClose => {
                    return Ok(if available == 0 {
                        Step::Wait
                    } else {
                        Step::Body { n: available }
                    });
                }
                _ if available == 0 => return Ok(Step::Wait),
                Body::ChunkEnd(_) | Body::ChunkSize(..) | Body::Trailer(_) => {
                    let taken = self.between_chunks(rx.stream())?;
                    rx.consume(taken);
                }
            }
        }
    }

    /// Takes what is no body out of the front of a chunked one, byte by byte as it arrives: so many bytes.
    fn between_chunks(&mut self, stream: &[u8]) -> Result<usize, HttpError> {
        for (at, byte) in stream.iter().enumerate() {
            self.body = match (self.body, *byte) {
                (Body::ChunkEnd(false), b'\r') => Body::ChunkEnd(true),
                (Body::ChunkEnd(_), b'\n') => {
                    self.size_line = 0;
                    Body::ChunkSize(0, SizeLine::Begin)
                }
                (Body::ChunkSize(size, line), byte) => self.size_line(size, line, byte)?,
                (Body::Trailer(false), b'\n') => Body::None,
                (Body::Trailer(begun), byte) => {
                    self.head_bytes += 1;
                    if self.head_bytes > HEAD_LIMIT {
                        return Err(HttpError::Head);
                    }
                    Body::Trailer(byte != b'\n' && (begun || byte != b'\r'))
                }
                (Body::ChunkEnd(_), _) => return Err(HttpError::Chunk),
                _ => return Ok(at),
            };
        }
        Ok(stream.len())
    }

    /// One byte of the line of a chunk's size.
    fn size_line(&mut self, size: u64, line: SizeLine, byte: u8) -> Result<Body, HttpError> {
        self.size_line += 1;
        if self.size_line > SIZE_LINE_LIMIT {
            return Err(HttpError::Chunk);
        }
        let digit = char::from(byte).to_digit(16);
        Ok(match (line, byte) {
            (SizeLine::Begin, b' ' | b'\t') => Body::ChunkSize(0, line),
            (SizeLine::Begin, b'\n') => return Err(HttpError::Chunk),
            (_, b'\n') if size == 0 => Body::Trailer(false),
            (_, b'\n') => Body::Chunk(size),
            (SizeLine::Extension, _) => Body::ChunkSize(size, line),
            (SizeLine::Begin | SizeLine::Digits, _) if let Some(digit) = digit => {
                let size = size.checked_mul(16).ok_or(HttpError::Chunk)? + u64::from(digit);
                Body::ChunkSize(size, SizeLine::Digits)
            }
            (SizeLine::Digits | SizeLine::Blanks, b';') => {
                Body::ChunkSize(size, SizeLine::Extension)
            }
            (SizeLine::Digits | SizeLine::Blanks, b' ' | b'\t') => {
                Body::ChunkSize(size, SizeLine::Blanks)
            }
            (SizeLine::Digits | SizeLine::Blanks, b'\r') => {
                Body::ChunkSize(size, SizeLine::LineEnd)
            }
            _ => return Err(HttpError::Chunk),
        })
    }
}

/// Names and tokens do not depend on case. Once: it is asked in many places.
#[inline(never)]
fn same(a: &[u8], b: &str) -> bool {
    a.eq_ignore_ascii_case(b.as_bytes())
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
