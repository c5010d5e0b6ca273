//! What comes in: HTTP responses, polling payloads, frames, Engine.IO packets.

use core::time::Duration;

use super::{Engine, Happening, Job, Link, Phase, State, Upgrade};
use crate::config::{POLLING, Transport};
use crate::error::{Cause, DisconnectReason};
use crate::limits::ID_LEN;
use crate::packet::engine::{Handshake, Type};
use crate::packet::payload;
use crate::packet::{PacketError, json};
use crate::short::Short;
use crate::wire::http1::{HttpDecoder, Step as HttpStep};
use crate::wire::ws::{self, Item};

/// Bytes of an error's body that are looked at.
const ERROR_BODY: usize = 512;

impl Engine<'_> {
    /// Works through what has arrived until something is to be told.
    pub(super) fn receive(&mut self) -> Option<Happening> {
        if self.inputs == 0 {
            return None;
        }
        const ORDER: &[Link] = if POLLING {
            &[Link::WebSocket, Link::Poll, Link::Post]
        } else {
            Link::USED
        };
        for &link in ORDER {
            let i = link.index();
            while self.inputs & 1 << i != 0 && self.links[i].phase == Phase::Open {
                if let Some(rx) = self.release.take() {
                    self.rx[rx].drop_message();
                }
                let happening = match link {
                    Link::WebSocket if self.http[i].status == 101 && self.http_is_done() => {
                        self.receive_frame()
                    }
                    _ => self.receive_http(link),
                };
                if happening.is_some() || self.pending.is_some() || self.attention {
                    return happening;
                }
            }
        }
        None
    }

    fn http_is_done(&self) -> bool {
        self.links[Link::WebSocket.index()].job != Job::Sending
    }

    // ---- HTTP ----

    fn receive_http(&mut self, link: Link) -> Option<Happening> {
        let link = link.narrow();
        let (i, rx) = (link.index(), self.rx_of(link));
        if link == Link::Poll && self.poll_ended {
            self.http_ended(link);
            return None;
        }
        match self.http[i].step(&mut self.rx[rx]) {
            Err(error) => {
                self.note.clear();
                self.link_failed(link, DisconnectReason::TransportError, error.into());
            }
            Ok(HttpStep::Wait) => {
                self.inputs &= !(1 << i);
                if self.rx[rx].message_len() > 0 && self.rx[rx].is_full() {
                    if link == Link::Poll && self.http[i].status == 200 {
                        self.skip_polled();
                    } else {
                        // Half of an error's text will do.
                        let len = self.rx[rx].message_len();
                        self.rx[rx].trim_message(0, len / 2);
                    }
                }
            }
            Ok(HttpStep::Header { len }) => {
                self.header(link, len);
                self.http[i].header_done(&mut self.rx[rx]);
            }
            Ok(HttpStep::Head) => {
                if self.links[i].job == Job::Idle && link != Link::WebSocket {
                    // No request waits: some proxies announce so that they close an idle connection.
                    self.doom(link);
                } else if self.links[i].job == Job::Sending
                    && link != Link::WebSocket
                    && self.http[i].status == 200
                {
                    self.note.clear();
                    let cause = Cause::BadHttp("HTTP response before the request was complete");
                    self.link_failed(link, DisconnectReason::TransportError, cause);
                } else if link == Link::WebSocket && self.http[i].status == 101 {
                    self.websocket_opened();
                } else {
                    self.rx[rx].drop_message();
                }
            }
            Ok(HttpStep::Body { n }) => return self.http_body(link, n),
            Ok(HttpStep::End) => {
                if link == Link::Poll
                    && self.http[i].status == 200
                    && (self.rx[0].message_len() > 0 || self.poll_skipped.is_some())
                {
                    // The last packet has no separator behind it.
                    self.poll_ended = true;
                    return self.polled_packet();
                }
                self.http_ended(link);
            }
        }
        None
    }

    /// A `Set-Cookie` or `Location` line is at the front of the stream.
    fn header(&mut self, link: Link, len: usize) {
        let rx = self.rx_of(link);
        let line = core::str::from_utf8(&self.rx[rx].stream()[..len]).unwrap_or("");
        let Some((name, value)) = line.split_once(':') else {
            return;
        };
        if name.eq_ignore_ascii_case("set-cookie") {
            if self.config.keeps_cookies() {
                self.cookies.set(value.trim_ascii(), self.now);
            }
        } else {
            self.note.set_lossy(value.trim_ascii().as_bytes());
        }
    }

    fn http_body(&mut self, link: Link, n: usize) -> Option<Happening> {
        let link = link.narrow();
        let (i, rx) = (link.index(), self.rx_of(link));
        if link == Link::Poll && self.http[i].status == 200 {
            let stream = &self.rx[0].stream()[..n];
            let separator = stream.iter().position(|b| *b == payload::SEPARATOR);
            let part = separator.unwrap_or(n);
            let limit = self.config.limits.receive;
            if self.poll_skipped.is_none() && self.rx[0].message_len() + part > limit {
                self.skip_polled();
            }
            match &mut self.poll_skipped {
                Some((_, bytes)) => {
                    *bytes += part as u64;
                    self.rx[0].consume(part);
                }
                None => self.rx[0].take(part),
            }
            if separator.is_some() {
                self.rx[0].consume(1);
                self.http[i].body_taken(part + 1);
                return self.polled_packet();
            }
            self.http[i].body_taken(part);
            return None;
        }
        // The answer to a POST is of no interest; an error's body is, up to a point.
        let keep = if self.http[i].status == 200 {
            0
        } else {
            ERROR_BODY.saturating_sub(self.rx[rx].message_len()).min(n)
        };
        if keep > 0 {
            self.rx[rx].take(keep);
        }
        self.rx[rx].consume(n - keep);
        self.http[i].body_taken(n);
        None
    }

    /// The polled packet cannot be received: its bytes are counted and dropped.
    fn skip_polled(&mut self) {
        let rx = &mut self.rx[0];
        let first = rx.message().first().or(rx.stream().first()).copied();
        self.poll_skipped = Some((first == Some(b'b'), rx.message_len() as u64));
        rx.drop_message();
    }

    /// A response is complete.
    fn http_ended(&mut self, link: Link) {
        let link = link.narrow();
        let (i, rx) = (link.index(), self.rx_of(link));
        let status = self.http[i].status;
        if status != 200 {
            self.http_refused(link);
            return;
        }
        if link == Link::WebSocket {
            self.note.clear();
            let page = self.http[i].html && self.ws_is_main;
            let cause = if page {
                Cause::Html(status)
            } else {
                Cause::WebSocketHandshake
            };
            self.link_failed(link, DisconnectReason::TransportError, cause);
            return;
        }
        if self.http[i].html && matches!(self.state, State::Opening(_)) {
            self.fail(DisconnectReason::TransportError, Cause::Html(status));
            return;
        }
        if link == Link::Poll && !core::mem::take(&mut self.poll_ended) {
            // An answer without a packet: asking on would be a busy loop.
            self.note.clear();
            let opening = matches!(self.state, State::Opening(_));
            let cause = if opening {
                Cause::NotEngineIo
            } else {
                Cause::Packet(PacketError::Type)
            };
            self.fail(DisconnectReason::TransportError, cause);
            return;
        }
        if link == Link::Post {
            self.outbox.post_done();
        }
        let keep = self.http[i].keep_alive;
        let patience = self.http[i].keep_alive_timeout;
        self.http[i] = HttpDecoder::new();
        self.rx[rx].drop_message();
        let state = &mut self.links[i];
        state.job = Job::Idle;
        state.deadline = None;
        state.reused = true;
        if !keep {
            self.doom(link);
        } else {
            // A second early, so that the server does not close just as the next request goes out.
            state.stale_at = patience.map(|s| {
                self.now + Duration::from_secs(u64::from(s)).saturating_sub(Duration::from_secs(1))
            });
        }
    }

    /// A response with a status other than 200 or 101 is complete: tells why.
    fn http_refused(&mut self, link: Link) {
        let link = link.narrow();
        let (i, rx) = (link.index(), self.rx_of(link));
        let status = self.http[i].status;
        if (300..400).contains(&status) {
            self.link_failed(
                link,
                DisconnectReason::TransportError,
                Cause::Redirect(status),
            );
            return;
        }
        let body = self.rx[rx].message();
        let text = core::str::from_utf8(body).unwrap_or("").trim_ascii();
        let mut code = None;
        if json::check_value(text.as_bytes()) == Ok(json::Kind::Object) {
            code = json::field(text, "code")
                .and_then(json::as_u64)
                .and_then(|n| u8::try_from(n).ok());
            let message = json::field(text, "message").map_or("", unquoted);
            self.note.set_lossy(message.as_bytes());
        } else if json::check_value(text.as_bytes()) == Ok(json::Kind::String) {
            self.note.set_lossy(unquoted(text).as_bytes());
        } else if self.http[i].html || text.starts_with('<') {
            self.note.clear();
        } else {
            self.note.set_lossy(text.as_bytes());
        }
        // A server that does not know the session, or a proxy without a server, has taken nothing.
        if link == Link::Post && (code == Some(1) || matches!(status, 404 | 502 | 503)) {
            self.outbox.post_refused();
        }
        self.link_failed(
            link,
            DisconnectReason::TransportError,
            Cause::Http { status, code },
        );
    }

    // ---- WebSocket ----

    fn websocket_opened(&mut self) {
        let i = Link::WebSocket.index();
        let http = &self.http[i];
        let accepted = http.upgrade_websocket
            && http.connection_upgrade
            && !http.extensions
            && http.accept.as_str().as_bytes() == self.ws_accept;
        if !accepted {
            self.note.clear();
            self.link_failed(
                Link::WebSocket,
                DisconnectReason::TransportError,
                Cause::WebSocketHandshake,
            );
            return;
        }
        self.links[i].job = Job::Frames;
        if self.ws_is_main {
            // No more requests on this connection.
            self.head.shrink();
        }
        if POLLING && self.upgrade == Upgrade::Dialing {
            self.send_probe();
        }
    }

    fn receive_frame(&mut self) -> Option<Happening> {
        let rx = self.rx_of(Link::WebSocket);
        if self.farewell {
            // Nothing counts behind a close frame.
            self.rx[rx].clear_stream();
            self.inputs &= !(1 << Link::WebSocket.index());
            return None;
        }
        let limit = self.config.limits.receive;
        match self.ws.step(&mut self.rx[rx], limit) {
            Err(error) => {
                self.note.clear();
                self.link_failed(
                    Link::WebSocket,
                    DisconnectReason::TransportError,
                    error.into(),
                );
                None
            }
            Ok(None) => {
                self.inputs &= !(1 << Link::WebSocket.index());
                None
            }
            Ok(Some(Item::Message { binary })) => {
                self.release = Some(rx);
                if POLLING && !self.ws_is_main {
                    self.probed(binary);
                    return None;
                }
                if binary {
                    self.deliver(true)
                } else {
                    self.packet()
                }
            }
            Ok(Some(Item::Skipped { binary, bytes })) => self.refuse(binary, bytes),
            Ok(Some(Item::Ping { len })) => {
                let mut payload = [0; 125];
                payload[..len].copy_from_slice(&self.rx[rx].stream()[..len]);
                self.rx[rx].consume(len);
                // If pings come faster than pongs leave, the later ones get no answer (RFC 6455 section 5.5.3).
                self.control_frame(ws::PONG, &payload[..len]);
                None
            }
            Ok(Some(Item::Pong)) => None,
            Ok(Some(Item::Close { len })) => {
                let payload = &self.rx[rx].stream()[..len];
                let (code, echo, words) = match payload {
                    [a, b, words @ ..] => (u16::from_be_bytes([*a, *b]), [*a, *b], words),
                    _ => (1005, [0; 2], &[][..]),
                };
                self.note.set_lossy(words);
                let echo = if len >= 2 { &echo[..] } else { &[] };
                self.closed_by_server(echo, Cause::WebSocketClose(code));
                None
            }
        }
    }

    /// A message on a WebSocket that has not taken over yet.
    fn probed(&mut self, binary: bool) {
        if !binary && self.upgrade == Upgrade::Probing && self.rx[2].message() == b"3probe" {
            self.upgrade = Upgrade::Pausing;
        } else {
            self.note.clear();
            self.fail_upgrade(Cause::WebSocketHandshake);
        }
    }

    // ---- Engine.IO packets ----

    /// A packet of a polling payload is in the main area's message.
    fn polled_packet(&mut self) -> Option<Happening> {
        self.release = Some(0);
        if let Some((binary, bytes)) = self.poll_skipped.take() {
            return self.refuse(binary, bytes);
        }
        self.packet()
    }

    fn refuse(&mut self, binary: bool, bytes: u64) -> Option<Happening> {
        match self.state {
            State::Open(_) => Some(Happening::Refused { binary, bytes }),
            State::Opening(_) => self.not_engine_io(),
            State::Down | State::Closing(_) => None,
        }
    }

    fn deliver(&mut self, binary: bool) -> Option<Happening> {
        match self.state {
            State::Open(_) => {
                self.active = true;
                Some(Happening::Message { binary })
            }
            State::Opening(_) => self.not_engine_io(),
            State::Down | State::Closing(_) => None,
        }
    }

    fn not_engine_io(&mut self) -> Option<Happening> {
        let message = self.rx[0].message();
        let digits = message.iter().take_while(|b| b.is_ascii_digit()).count();
        let cause = if digits > 0 && message[digits..].starts_with(b":0{") {
            Cause::OldServer
        } else if self.http[Link::Poll.index()].html {
            Cause::Html(self.http[Link::Poll.index()].status)
        } else {
            Cause::NotEngineIo
        };
        let mut note = Short::EMPTY;
        note.set_lossy(&message[..message.len().min(60)]);
        self.note = note;
        self.fail(DisconnectReason::TransportError, cause);
        None
    }

    /// A text packet is in the main area's message.
    fn packet(&mut self) -> Option<Happening> {
        if POLLING && self.rx[0].message().first() == Some(&b'b') {
            // Base64: always with polling, and on WebSocket from servers that were asked for it (`b64`).
            let rx = &mut self.rx[0];
            let Some(len) = payload::decode_in_place(&mut rx.message_mut()[1..]) else {
                self.note.clear();
                self.fail(
                    DisconnectReason::ParseError,
                    Cause::Packet(PacketError::Encoding),
                );
                return None;
            };
            rx.trim_message(1, len);
            return self.deliver(true);
        }
        let message = self.rx[0].message();
        let kind = Type::of(message);
        if let State::Opening(transport) = self.state {
            let text = core::str::from_utf8(message)
                .ok()
                .and_then(|text| text.get(1..));
            let handshake = text
                .filter(|_| kind == Some(Type::Open))
                .and_then(Handshake::parse);
            return match handshake.and_then(|handshake| {
                let mut id = [0; ID_LEN];
                let sid = json::read_text_into(handshake.sid, &mut id).ok()?;
                Some((Short::exact(sid)?, handshake))
            }) {
                Some((sid, handshake)) => {
                    let upgrade = handshake.upgrade;
                    self.sid = sid;
                    self.ping_interval = handshake.ping_interval;
                    self.heartbeat = handshake.ping_interval + handshake.ping_timeout;
                    self.max_payload = handshake.max_payload;
                    self.opened(transport, upgrade);
                    Some(Happening::Opened)
                }
                None => self.not_engine_io(),
            };
        }
        match kind {
            Some(Type::Message) => {
                self.rx[0].trim_message(1, message_len_without_type(self.rx[0].message_len()));
                self.deliver(false)
            }
            Some(Type::Ping) => {
                self.pinged();
                matches!(self.state, State::Open(_)).then_some(Happening::Ping)
            }
            Some(Type::Close) => {
                self.note.clear();
                self.fail(DisconnectReason::TransportClose, Cause::EngineClose);
                None
            }
            // A second `open`, or packets only a client sends, change nothing.
            Some(Type::Noop | Type::Pong | Type::Open | Type::Upgrade) => None,
            None => {
                let mut note = Short::EMPTY;
                note.set_lossy(&message[..message.len().min(60)]);
                self.note = note;
                self.fail(
                    DisconnectReason::TransportError,
                    Cause::Packet(PacketError::Type),
                );
                None
            }
        }
    }

    fn opened(&mut self, transport: Transport, upgrade_offered: bool) {
        self.state = State::Open(transport);
        self.heartbeat_at = Some(self.now + self.heartbeat);
        self.phase_at = None;
        if transport == Transport::WebSocket {
            self.remembered = true;
        } else if POLLING
            && upgrade_offered
            && self.config.upgrade
            && self.config.transports.allows(Transport::WebSocket)
        {
            self.upgrade = Upgrade::Dialing;
            self.phase_at = Some(self.now + self.config.upgrade_timeout);
            self.want(Link::WebSocket);
        }
    }

    fn pinged(&mut self) {
        self.heartbeat_at = Some(self.now + self.heartbeat);
        if self.pongs_ahead > 0 {
            // Answered before it was read; the server counts from that answer on.
            self.pongs_ahead -= 1;
        } else {
            self.pong_due = true;
            self.unasked_pong_at = self
                .reading_paused
                .then(|| self.now + self.unasked_pong_after());
        }
        self.tidy_due = true;
    }
}

/// A JSON string without its quotes.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

const fn message_len_without_type(len: usize) -> usize {
    len.saturating_sub(1)
}
