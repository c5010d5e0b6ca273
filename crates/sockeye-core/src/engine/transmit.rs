//! What goes out: requests, polling bodies, frames.

use super::polling::Lead;
use super::{Engine, Goodbye, Job, Link, Phase, State, Upgrade};
use crate::config::{POLLING, Timestamp, Transport};
use crate::error::{Cause, DisconnectReason, Fault};
use crate::memory::Bytes;
use crate::outbox::Outbox;
use crate::packet::socket::put_decimal;
use crate::slices;
use crate::wire::ws;

/// What the longest head has behind its cookies, but for what the configuration brings: the lines of a WebSocket handshake.
const BEHIND_COOKIES: usize = 160;

/// The buffer in which request heads are built: one at a time, for whichever link comes first.
#[derive(Debug)]
pub(super) struct Head<'a> {
    mem: Bytes<'a>,
    owner: Option<Link>,
    len: usize,
    pos: usize,
    /// Bytes of the outbox's at the end: the beginning of a body.
    body: usize,
    overflow: bool,
}

impl<'a> Head<'a> {
    pub(super) const fn new(mem: Bytes<'a>) -> Self {
        Self {
            mem,
            owner: None,
            len: 0,
            pos: 0,
            body: 0,
            overflow: false,
        }
    }

    pub(super) fn release(&mut self) {
        self.owner = None;
        self.len = 0;
        self.pos = 0;
        self.body = 0;
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

    /// Whether the head of a request on this link has not been written whole.
    pub(super) fn is_of(&self, link: Link) -> bool {
        self.owner == Some(link)
    }

    fn bytes(&self, link: Link) -> &[u8] {
        if self.owner == Some(link) {
            slices::part(self.mem.get(), self.pos, self.len)
        } else {
            &[]
        }
    }

    fn begin(&mut self, link: Link) {
        self.release();
        self.owner = Some(link);
        self.overflow = false;
    }

    /// Bytes that still find room.
    fn room(&self) -> usize {
        self.mem.max().saturating_sub(self.len)
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if end > self.mem.len() && !self.mem.grow(end) {
            self.overflow = true;
            return;
        }
        slices::write(self.mem.get_mut(), self.len, bytes);
        self.len = end;
    }

    /// Adds the beginning of a body, if there is room for all of it: whether there was.
    fn put_body(&mut self, bytes: &[u8]) -> bool {
        let fits = !self.overflow && self.mem.grow(self.len + bytes.len());
        if fits {
            self.put(bytes);
        }
        fits
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

    /// Extra header lines and cookies. Cookies of both go into one line (RFC 6265 section 5.4): servers join two by a
    /// comma, which spoils the values.
    fn put_headers<'c>(&mut self, lines: &str, jar: impl Iterator<Item = (&'c str, &'c str)>) {
        if !POLLING {
            // There are no cookies but those of the lines.
            self.put(lines.as_bytes());
            return;
        }
        const NAME: &str = "cookie:";
        let mut lead = "Cookie: ";
        // All other lines first, then the one of the cookies.
        for cookies in [false, true] {
            // By their last byte: to look for texts would take 4 KB of a chip's flash.
            for line in lines.as_bytes().split_inclusive(|byte| *byte == b'\n') {
                let value = line
                    .split_at_checked(NAME.len())
                    .filter(|(name, _)| name.eq_ignore_ascii_case(NAME.as_bytes()));
                match value {
                    None if !cookies => self.put(line),
                    Some((_, value)) if cookies => {
                        self.put(core::mem::replace(&mut lead, "; ").as_bytes());
                        self.put(value.trim_ascii());
                    }
                    _ => (),
                }
            }
        }
        for (name, value) in jar {
            self.put_all(&[core::mem::replace(&mut lead, "; "), name, "=", value]);
        }
        if lead == "; " {
            self.put(b"\r\n");
        }
    }

    /// Whether a head is being written.
    pub(super) fn is_busy(&self) -> bool {
        self.owner.is_some()
    }

    fn put_number(&mut self, n: u64) {
        let mut digits = [0; 20];
        let len = put_decimal(&mut digits, 0, n);
        self.put(slices::front(&digits, len));
    }
}

impl Engine<'_> {
    /// The bytes to write next on a link; empty if there are none.
    #[inline]
    pub(crate) fn transmit<'b>(&'b self, outbox: &'b Outbox<'_>, link: Link) -> &'b [u8] {
        let state = &self.links[link];
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
            Link::Post if state.job == Job::Sending => self.post_bytes(outbox),
            Link::Post => &[],
            Link::WebSocket => self.frame_bytes(outbox).0,
        }
    }

    /// The bytes to write next on the WebSocket, and whether they are a control frame's: those go in between two frames
    /// of packets.
    fn frame_bytes<'b>(&'b self, outbox: &'b Outbox<'_>) -> (&'b [u8], bool) {
        let control = &self.websocket.control;
        let begun = control.is_begun();
        if !begun {
            let packets = outbox.ws_bytes(!control.is_empty());
            if !packets.is_empty() {
                return (packets, false);
            }
        }
        (control.bytes(), true)
    }

    /// Whether there are bytes to write on a link that is open.
    pub(super) fn has_output(&self, outbox: &Outbox<'_>, link: Link) -> bool {
        match link.narrow() {
            Link::WebSocket => {
                outbox.is_framing()
                    || !self.websocket.control.is_empty()
                    || !self.head.bytes(link).is_empty()
            }
            _ => !self.transmit(outbox, link).is_empty(),
        }
    }

    fn post_bytes<'b>(&'b self, outbox: &'b Outbox<'_>) -> &'b [u8] {
        if self.polling.lead_unwritten {
            self.polling.lead.bytes(self.version.is_v3())
        } else {
            outbox.post_piece()
        }
    }

    /// `n` bytes of [`Self::transmit`] have been written; 0: the link takes nothing now.
    pub(crate) fn transmitted(&mut self, outbox: &mut Outbox<'_>, link: Link, n: usize) {
        if !link.is_used() {
            return;
        }
        let link = link.narrow();
        if n == 0 {
            self.links[link].blocked = true;
            return;
        }
        let left = self.head.bytes(link).len();
        if left > 0 {
            self.head.pos += n.min(left);
            let body = self.head.body;
            if n >= left {
                self.head.release();
                if link == Link::Poll {
                    self.links[link].job = Job::Waiting;
                }
            }
            if body > 0 && (n >= left || left - n < body) {
                outbox.post_written(if n >= left { body } else { 0 });
            }
        } else if link == Link::WebSocket {
            if !self.websocket.control.is_empty() && self.frame_bytes(outbox).1 {
                self.websocket.control.written(n);
            } else {
                outbox.ws_written(n);
                #[cfg(feature = "deflate")]
                outbox.next_frame(&mut self.rng);
            }
        } else if self.polling.lead_unwritten {
            self.polling.lead_unwritten = false;
        } else {
            outbox.post_written(n);
        }
        if link == Link::Post
            && self.links[link].job == Job::Sending
            && !self.head.is_of(link)
            && self.post_bytes(outbox).is_empty()
        {
            self.links[link].job = Job::Waiting;
            outbox.post_is_written();
        }
    }

    /// Takes back packets that are about to be written and have not begun to leave: they may have to wait.
    pub(crate) fn withdraw(&mut self, outbox: &mut Outbox<'_>) {
        if POLLING && self.links[Link::Post].job == Job::Sending {
            if !self.head.is_of(Link::Post) || self.head.pos > 0 {
                // The request has begun.
                return;
            }
            self.head.release();
            self.links[Link::Post].job = Job::Idle;
            self.links[Link::Post].deadline = None;
            if core::mem::take(&mut self.polling.lead_unwritten) && self.polling.lead == Lead::Pong
            {
                self.heartbeat.owe_pong();
            }
        }
        outbox.withdraw();
    }

    /// Starts what can be started; whether anything changed.
    pub(super) fn work(&mut self, outbox: &mut Outbox<'_>) -> bool {
        match self.state {
            State::Down => false,
            State::Opening {
                transport: Transport::Polling,
                ..
            } => POLLING && self.work_poll(),
            State::Opening {
                transport: Transport::WebSocket,
                ..
            } => self.work_handshake(),
            State::Open {
                transport: Transport::WebSocket,
                ..
            } => self.work_frames(outbox),
            State::Open {
                transport: Transport::Polling,
                upgrade,
            } => POLLING && self.work_polling(outbox, upgrade),
            State::Closing {
                transport: Transport::Polling,
                goodbye,
                ..
            } => POLLING && self.work_polling_goodbye(outbox, goodbye),
            State::Closing {
                transport: Transport::WebSocket,
                goodbye,
                ..
            } => self.work_frames_goodbye(outbox, goodbye),
        }
    }

    fn work_polling(&mut self, outbox: &mut Outbox<'_>, upgrade: Upgrade) -> bool {
        if let Upgrade::Pausing(_) = upgrade {
            let idle = |link: Link| self.links[link].job == Job::Idle;
            // A POST that is to be sent again is not over.
            if idle(Link::Poll) && idle(Link::Post) && !self.polling.is_repeating() {
                self.commit_upgrade();
                return true;
            }
            if !self.polling.is_repeating() {
                return false;
            }
        } else if self.work_poll() {
            return true;
        }
        self.work_post(outbox) || matches!(upgrade, Upgrade::Dialing(_)) && self.work_handshake()
    }

    fn work_polling_goodbye(&mut self, outbox: &mut Outbox<'_>, goodbye: Goodbye) -> bool {
        if self.work_post(outbox) {
            return true;
        }
        if self.links[Link::Post].job != Job::Idle
            || self.polling.is_repeating()
            || outbox.has_ready()
        {
            return false;
        }
        match goodbye {
            Goodbye::Flush if outbox.is_writing() => false,
            Goodbye::Flush => {
                if self.is_ready(Link::Post) {
                    self.begin_post(outbox, Lead::Close);
                    self.set_goodbye(Goodbye::Said);
                }
                self.links.changed
            }
            Goodbye::Said | Goodbye::Answer => {
                self.fail_for(DisconnectReason::ForcedClose, Cause::Local);
                true
            }
        }
    }

    fn work_frames_goodbye(&mut self, outbox: &mut Outbox<'_>, goodbye: Goodbye) -> bool {
        match goodbye {
            Goodbye::Answer => {
                if self.websocket.control.is_empty() {
                    self.fail_for(DisconnectReason::ForcedClose, Cause::Local);
                    return true;
                }
                false
            }
            Goodbye::Said => false,
            Goodbye::Flush => {
                if self.work_frames(outbox) {
                    return true;
                }
                if outbox.is_writing() || !self.websocket.control.is_empty() {
                    return false;
                }
                // No code, as the official client: the server sees 1005.
                self.control_frame(ws::CLOSE, b"");
                self.links[Link::WebSocket].job = Job::Waiting;
                self.set_goodbye(Goodbye::Said);
                true
            }
        }
    }

    const fn set_goodbye(&mut self, to: Goodbye) {
        if let State::Closing { goodbye, .. } = &mut self.state {
            *goodbye = to;
        }
    }

    pub(super) fn work_frames(&mut self, outbox: &mut Outbox<'_>) -> bool {
        if self.heartbeat.is_pong_due() && self.websocket.control.is_empty() {
            self.heartbeat.pong();
            self.control_frame(ws::TEXT, self.heartbeat.packet());
        }
        let committed = !outbox.is_writing() && outbox.commit_ws(&mut self.rng);
        self.session.active |= committed;
        committed
    }

    /// Whether the link is ready for a request; asks for it to be opened otherwise.
    fn is_ready(&mut self, link: Link) -> bool {
        let state = &self.links[link];
        match state.phase {
            Phase::Open if state.stale_at.is_some_and(|at| self.clock.now() >= at) => {
                self.close_link(link);
                false
            }
            Phase::Open => !self.head.is_busy(),
            Phase::Closed => {
                self.want(link);
                false
            }
            Phase::Wanted | Phase::Opening | Phase::Closing { .. } => false,
        }
    }

    fn work_poll(&mut self) -> bool {
        if self.links[Link::Poll].job != Job::Idle || !self.is_ready(Link::Poll) {
            return false;
        }
        self.begin_request(Link::Poll, "GET ", Transport::Polling);
        self.end_request(Link::Poll)
    }

    fn work_post(&mut self, outbox: &mut Outbox<'_>) -> bool {
        if self.links[Link::Post].job != Job::Idle {
            return false;
        }
        let repeating = self.polling.is_repeating();
        let wanted = repeating
            || self.heartbeat.is_pong_due()
            || outbox.has_ready()
            || outbox.is_partly_sent();
        // (One that is to be repeated waits with its connection open.)
        if !wanted
            || !self.is_ready(Link::Post)
            || repeating && self.polling.repeats_at(self.clock.now()).is_some()
        {
            return false;
        }
        let lead = match repeating {
            true => self.polling.lead,
            false if self.heartbeat.pong() => Lead::Pong,
            false => Lead::Nothing,
        };
        self.begin_post(outbox, lead)
    }

    /// Begins a POST of what is ready behind `lead`, or the last one again.
    fn begin_post(&mut self, outbox: &mut Outbox<'_>, lead: Lead) -> bool {
        let again = self.polling.is_repeating();
        self.polling.begin(self.clock.now());
        self.polling.lead = lead;
        self.polling.lead_unwritten = lead != Lead::Nothing;
        self.session.active = true;
        let v3 = self.version.is_v3();
        let len = match outbox.post_again().filter(|_| again) {
            Some(len) => {
                outbox.rewind_post();
                len
            }
            None if lead == Lead::Close => lead.bytes(v3).len(),
            None => outbox.commit_post(self.session.max_payload, lead.bytes(v3).len()),
        };
        self.begin_request(Link::Post, "POST ", Transport::Polling);
        let what = if v3 {
            "Content-Type: application/octet-stream\r\nContent-Length: "
        } else {
            "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "
        };
        self.head.put_all(&[what]);
        self.head.put_number(len as u64);
        self.head.put(b"\r\n");
        let begun = self.end_request(Link::Post);
        if self.head.is_of(Link::Post) {
            // Head and body in one write: there are servers that take what one read brings for all of it.
            self.polling.lead_unwritten &= !self.head.put_body(lead.bytes(v3));
            let piece = outbox.post_piece();
            if !self.polling.lead_unwritten && self.head.put_body(piece) {
                self.head.body = piece.len();
            }
        }
        begun
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn work_handshake(&mut self) -> bool {
        let link = Link::WebSocket;
        let state = &self.links[link];
        if state.job != Job::Idle || state.phase != Phase::Open || self.head.is_busy() {
            return false;
        }
        let key = self.websocket.new_key(&self.rng.nonce());
        self.begin_request(link, "GET ", Transport::WebSocket);
        self.head.put_all(&["Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "]);
        self.head.put(&key);
        self.head.put(b"\r\n");
        if !self.config.protocols.is_empty() {
            self.head
                .put_all(&["Sec-WebSocket-Protocol: ", &self.config.protocols, "\r\n"]);
        }
        #[cfg(feature = "deflate")]
        if let Some(offer) = self.offer() {
            let offer = alloc::format!("Sec-WebSocket-Extensions: {offer}\r\n");
            self.head.put(offer.as_bytes());
        }
        self.end_request(link)
    }

    /// Request line and the headers that all requests share.
    fn begin_request(&mut self, link: Link, method: &str, transport: Transport) {
        self.head.begin(link);
        let head = &mut self.head;
        let (place, config) = (&self.plan.server, &self.config);
        let question = if self.version.is_v3() {
            "?EIO=3&transport="
        } else {
            "?EIO=4&transport="
        };
        head.put_all(&[method, place.path(config), question, transport.name()]);
        let stamped = match self.config.timestamp {
            Timestamp::Polling => transport == Transport::Polling,
            Timestamp::Always => true,
            Timestamp::Never => false,
        };
        if stamped {
            head.put_all(&["&", &self.config.timestamp_param, "="]);
            head.put_number(u64::from(self.rng.u32()));
        }
        // By polling Engine.IO 3 has binary in a form that all servers write alike; with `b64` each counts in its own way.
        if self.config.base64() && !(self.version.is_v3() && transport == Transport::Polling) {
            head.put(b"&b64=1");
        }
        if POLLING && !self.session.id.is_empty() {
            head.put(b"&sid=");
            head.put_escaped(self.session.id.as_str());
        }
        if !place.query(config).is_empty() {
            head.put_all(&["&", place.query(config)]);
        }
        head.put_all(&[" HTTP/1.1\r\nHost: ", place.host(config), "\r\n"]);
        // A server that sets more cookies than the buffer takes would make every later request fail.
        if POLLING {
            let rest = place.headers(config).len() + config.protocols.len() + BEHIND_COOKIES;
            self.polling.cookies.fit(head.room().saturating_sub(rest));
        }
        let jar = self
            .config
            .keeps_cookies()
            .then(|| self.polling.cookies.iter(self.clock.now()))
            .into_iter()
            .flatten();
        head.put_headers(place.headers(config), jar);
    }

    fn end_request(&mut self, link: Link) -> bool {
        self.head.put(b"\r\n");
        if self.head.overflow {
            let fault = Fault::of(Cause::HeadTooLong);
            self.link_failed(link, DisconnectReason::TransportError, fault);
            return true;
        }
        let timeout = self.config.request_timeout;
        let state = &mut self.links[link];
        state.job = Job::Sending;
        state.stale_at = None;
        state.deadline = match link {
            Link::WebSocket => None,
            _ => timeout.map(|timeout| self.clock.now() + timeout),
        };
        true
    }
}
