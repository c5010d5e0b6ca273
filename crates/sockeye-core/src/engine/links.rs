//! What goes out: requests, polling bodies, frames.

use super::{Engine, Job, Link, Phase, State, Upgrade};
use crate::config::{POLLING, Timestamp, Transport};
use crate::error::{Cause, DisconnectReason};
use crate::memory::Bytes;
use crate::packet::socket::put_decimal;
use crate::wire::ws;

/// The buffer in which request heads are built: one at a time, for whichever link comes first.
#[derive(Debug)]
pub(super) struct Head<'a> {
    mem: Bytes<'a>,
    owner: Option<Link>,
    len: usize,
    pos: usize,
    overflow: bool,
}

impl<'a> Head<'a> {
    pub(super) const fn new(mem: Bytes<'a>) -> Self {
        Self {
            mem,
            owner: None,
            len: 0,
            pos: 0,
            overflow: false,
        }
    }

    pub(super) fn release(&mut self) {
        self.owner = None;
        self.len = 0;
        self.pos = 0;
    }

    pub(super) fn release_if(&mut self, link: Link) {
        if self.owner == Some(link) {
            self.release();
        }
    }

    pub(super) fn shrink(&mut self) {
        if self.owner.is_none() {
            self.mem.shrink();
        }
    }

    fn bytes(&self, link: Link) -> &[u8] {
        if self.owner == Some(link) {
            &self.mem.get()[self.pos..self.len]
        } else {
            &[]
        }
    }

    fn begin(&mut self, link: Link) {
        self.release();
        self.owner = Some(link);
        self.overflow = false;
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if end > self.mem.len() && !self.mem.grow(end) {
            self.overflow = true;
            return;
        }
        self.mem.get_mut()[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    fn put_all(&mut self, parts: &[&str]) {
        for part in parts {
            self.put(part.as_bytes());
        }
    }

    /// Percent-encodes what a query does not take as it is.
    fn put_escaped(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                self.put(&[byte]);
            } else {
                let hex = |n: u8| b"0123456789ABCDEF"[usize::from(n & 15)];
                self.put(&[b'%', hex(byte >> 4), hex(byte)]);
            }
        }
    }

    fn put_number(&mut self, n: u64) {
        let mut digits = [0; 20];
        let len = put_decimal(&mut digits, n);
        self.put(&digits[..len]);
    }
}

/// Control frames and Engine.IO's own packets on a WebSocket: they go in front of queued packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    buf: [u8; 140],
    len: u8,
    pos: u8,
}

impl Control {
    pub(super) const EMPTY: Self = Self {
        buf: [0; 140],
        len: 0,
        pos: 0,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a frame if there is room; `payload` has at most 125 bytes.
    pub(super) fn frame(&mut self, opcode: u8, payload: &[u8], key: [u8; 4]) {
        let at = usize::from(self.len);
        let end = at + 6 + payload.len();
        if let Some(out) = self.buf.get_mut(at..end) {
            ws::write_header(&mut out[..6], opcode, payload.len(), key);
            out[6..].copy_from_slice(payload);
            ws::mask(&mut out[6..], key);
            self.len = end as u8;
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buf[usize::from(self.pos)..usize::from(self.len)]
    }

    fn written(&mut self, n: usize) {
        self.pos += n.min(self.bytes().len()) as u8;
        if self.pos == self.len {
            (self.pos, self.len) = (0, 0);
        }
    }
}

impl Engine<'_> {
    /// The bytes to write next on a link; empty if there are none.
    #[inline]
    pub(crate) fn transmit(&self, link: Link) -> &[u8] {
        let state = &self.links[link.index()];
        if !link.is_used() || state.phase != Phase::Open {
            return &[];
        }
        let link = link.narrow();
        let head = self.head.bytes(link);
        if !head.is_empty() {
            return head;
        }
        match link {
            Link::Poll => &[],
            Link::Post if state.job == Job::Sending => self.post_bytes(),
            Link::Post => &[],
            Link::WebSocket => {
                // A write in progress is finished first; otherwise control frames lead.
                if self.control.pos == 0 && (self.control.is_empty() || self.outbox.ws_started()) {
                    self.outbox.ws_bytes()
                } else {
                    self.control.bytes()
                }
            }
        }
    }

    fn post_bytes(&self) -> &[u8] {
        if self.post_pong {
            b"3"
        } else {
            self.outbox.post_piece()
        }
    }

    /// `n` bytes of [`Self::transmit`] have been written; 0: the link takes nothing now.
    pub(crate) fn transmitted(&mut self, link: Link, n: usize) {
        if !link.is_used() {
            return;
        }
        let link = link.narrow();
        if n == 0 {
            self.links[link.index()].blocked = true;
            return;
        }
        let left = self.head.bytes(link).len();
        if left > 0 {
            self.head.pos += n.min(left);
            if n >= left {
                self.head.release();
                if link == Link::Poll {
                    self.links[link.index()].job = Job::Waiting;
                }
            }
        } else if link == Link::WebSocket {
            if self.control.pos == 0 && (self.control.is_empty() || self.outbox.ws_started()) {
                self.outbox.ws_written(n);
            } else {
                self.control.written(n);
            }
        } else if self.post_pong {
            self.post_pong = false;
        } else {
            self.outbox.post_written(n);
        }
        let post = &mut self.links[Link::Post.index()];
        if link == Link::Post
            && post.job == Job::Sending
            && self.head.owner != Some(link)
            && self.post_bytes().is_empty()
        {
            self.links[Link::Post.index()].job = Job::Waiting;
            self.outbox.post_is_written();
        }
    }

    /// Starts what can be started; whether anything changed.
    pub(super) fn work(&mut self) -> bool {
        match self.state {
            State::Down => false,
            State::Opening(Transport::Polling) => POLLING && self.work_poll(),
            State::Opening(Transport::WebSocket) => self.work_handshake(),
            State::Open(Transport::Polling) | State::Closing(Transport::Polling) if !POLLING => {
                false
            }
            State::Open(Transport::Polling) => {
                if self.upgrade == Upgrade::Pausing {
                    let idle = |link: Link| self.links[link.index()].job == Job::Idle;
                    if idle(Link::Poll) && idle(Link::Post) {
                        self.commit_upgrade();
                        return true;
                    }
                    return false;
                }
                self.work_poll()
                    || self.work_post()
                    || self.upgrade == Upgrade::Dialing && self.work_handshake()
            }
            State::Open(Transport::WebSocket) => self.work_frames(),
            State::Closing(Transport::Polling) => {
                if self.work_post() {
                    return true;
                }
                if self.links[Link::Post.index()].job == Job::Idle && !self.outbox.has_sendable() {
                    self.fail(DisconnectReason::ForcedClose, Cause::Local);
                    return true;
                }
                false
            }
            State::Closing(Transport::WebSocket) if self.farewell => {
                if self.control.is_empty() {
                    self.fail(DisconnectReason::ForcedClose, Cause::Local);
                    return true;
                }
                false
            }
            State::Closing(Transport::WebSocket) => {
                if self.work_frames() {
                    return true;
                }
                if !self.outbox.is_writing() && self.control.is_empty() && !self.close_sent() {
                    // No code, as the official client: the server sees 1005.
                    self.control_frame(ws::CLOSE, b"");
                    self.links[Link::WebSocket.index()].job = Job::Waiting;
                    return true;
                }
                false
            }
        }
    }

    fn close_sent(&self) -> bool {
        self.links[Link::WebSocket.index()].job == Job::Waiting
    }

    fn work_frames(&mut self) -> bool {
        if self.close_sent() {
            return false;
        }
        if self.pong_due && self.control.is_empty() {
            self.pong_due = false;
            self.control_frame(ws::TEXT, b"3");
        }
        let committed = !self.outbox.is_writing() && self.outbox.commit_ws(&mut self.rng);
        self.active |= committed;
        committed
    }

    /// Whether the link is ready for a request; asks for it to be opened otherwise.
    fn is_ready(&mut self, link: Link) -> bool {
        let state = &self.links[link.index()];
        match state.phase {
            Phase::Open if state.stale_at.is_some_and(|at| self.now >= at) => {
                self.doom(link);
                false
            }
            Phase::Open => self.head.owner.is_none(),
            Phase::Closed => {
                self.want(link);
                false
            }
            Phase::Wanted | Phase::Opening | Phase::Doomed => false,
        }
    }

    fn work_poll(&mut self) -> bool {
        if self.links[Link::Poll.index()].job != Job::Idle || !self.is_ready(Link::Poll) {
            return false;
        }
        self.begin_request(Link::Poll, "GET ", Transport::Polling);
        self.end_request(Link::Poll)
    }

    fn work_post(&mut self) -> bool {
        if self.links[Link::Post.index()].job != Job::Idle
            || !(self.pong_due || self.outbox.has_sendable())
            || !self.is_ready(Link::Post)
        {
            return false;
        }
        self.post_pong = core::mem::take(&mut self.pong_due);
        let leading = usize::from(self.post_pong);
        self.active = true;
        let len = self.outbox.commit_post(self.max_payload, leading);
        self.begin_request(Link::Post, "POST ", Transport::Polling);
        self.head
            .put_all(&["Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "]);
        self.head.put_number(len as u64);
        self.head.put(b"\r\n");
        self.end_request(Link::Post)
    }

    fn work_handshake(&mut self) -> bool {
        let link = Link::WebSocket;
        let state = &self.links[link.index()];
        if state.job != Job::Idle || state.phase != Phase::Open || self.head.owner.is_some() {
            return false;
        }
        let key = ws::key(&self.rng.nonce());
        self.ws_accept = ws::accept(&key);
        self.begin_request(link, "GET ", Transport::WebSocket);
        self.head.put_all(&["Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "]);
        self.head.put(&key);
        self.head.put(b"\r\n");
        if !self.config.protocols.is_empty() {
            self.head
                .put_all(&["Sec-WebSocket-Protocol: ", &self.config.protocols, "\r\n"]);
        }
        self.end_request(link)
    }

    /// Request line and the headers that all requests share.
    fn begin_request(&mut self, link: Link, method: &str, transport: Transport) {
        self.head.begin(link);
        let head = &mut self.head;
        head.put_all(&[
            method,
            &self.config.path,
            "?EIO=4&transport=",
            transport.name(),
        ]);
        let stamped = match self.config.timestamp {
            Timestamp::Polling => transport == Transport::Polling,
            Timestamp::Always => true,
            Timestamp::Never => false,
        };
        if stamped {
            head.put_all(&["&", &self.config.timestamp_param, "="]);
            head.put_number(u64::from(self.rng.u32()));
        }
        if self.config.base64() {
            head.put(b"&b64=1");
        }
        if POLLING && !self.sid.is_empty() {
            head.put(b"&sid=");
            head.put_escaped(self.sid.as_str());
        }
        if !self.config.query.is_empty() {
            head.put_all(&["&", &self.config.query]);
        }
        head.put_all(&[
            " HTTP/1.1\r\nHost: ",
            &self.config.host,
            "\r\n",
            &self.config.headers,
        ]);
        if self.config.keeps_cookies() {
            let mut first = true;
            for (name, value) in self.cookies.iter(self.now) {
                head.put_all(&[if first { "Cookie: " } else { "; " }, name, "=", value]);
                first = false;
            }
            if !first {
                head.put(b"\r\n");
            }
        }
    }

    fn end_request(&mut self, link: Link) -> bool {
        self.head.put(b"\r\n");
        if self.head.overflow {
            self.note.clear();
            self.link_failed(link, DisconnectReason::TransportError, Cause::HeadTooLong);
            return true;
        }
        let state = &mut self.links[link.index()];
        state.job = Job::Sending;
        state.stale_at = None;
        state.deadline = match link {
            Link::WebSocket => None,
            _ => self
                .config
                .request_timeout
                .map(|patience| self.now + patience),
        };
        true
    }
}
