//! What comes in: HTTP responses, polling payloads, Engine.IO packets.

use core::time::Duration;

use super::{Engine, Job, Link, SessionEvent, State, Upgrade};
use crate::config::{EIO3, POLLING, Transport};
use crate::error::{Cause, DisconnectReason, Fault};
use crate::outbox::{Outbox, PostError};
use crate::packet::engine::{Handshake, Type};
use crate::packet::payload;
use crate::packet::{PacketError, json};
use crate::slices;
use crate::wire::http1::{HttpDecoder, READS_BODIES, Step as HttpStep};

/// Bytes of an error's body that are looked at.
const ERROR_BODY: usize = 512;

impl Engine<'_> {
    /// Works through what has arrived until something is to be told.
    pub(super) fn receive(&mut self, outbox: &mut Outbox<'_>) -> Option<SessionEvent> {
        while let Some(link) = self.next_input() {
            if link == Link::WebSocket && self.must_answer() {
                return None;
            }
            if let Some(rx) = self.rx.release.take() {
                self.rx.areas[rx].drop_message();
            }
            let event = match link {
                Link::WebSocket if self.has_frames() => self.receive_frame(outbox),
                _ => self.receive_http(outbox, link),
            };
            if event.is_some() || self.is_interrupted() {
                return event;
            }
        }
        None
    }

    /// The first open link on which a step may be possible: the WebSocket before the others.
    pub(super) fn next_input(&self) -> Option<Link> {
        if !self.links.has_inputs() {
            return None;
        }
        const ORDER: &[Link] = if POLLING {
            &[Link::WebSocket, Link::Poll, Link::Post]
        } else {
            Link::USED
        };
        let paused = self.is_reading_paused() && self.is_open();
        ORDER.iter().copied().find(|&link| {
            // Answers to POSTs bring no events, and without them no pong could follow another. A handshake brings none.
            let waits = paused
                && link != Link::Post
                && !(POLLING && link == Link::WebSocket && !self.rx.ws_is_main);
            self.links.has_input(link) && self.links.is_open(link) && !waits
        })
    }

    pub(super) fn has_frames(&self) -> bool {
        self.links.response(Link::WebSocket).status == 101
            && self.links[Link::WebSocket].job != Job::Sending
    }

    // ---- HTTP ----

    fn receive_http(&mut self, outbox: &mut Outbox<'_>, link: Link) -> Option<SessionEvent> {
        let link = link.narrow();
        let rx = self.rx.of(link);
        if link == Link::Poll && self.polling.ended {
            self.http_ended(outbox, link);
            return None;
        }
        let step = self.links.http(link).step(&mut self.rx.areas[rx]);
        let status = self.links.response(link).status;
        match step {
            Err(error) => {
                let fault = Fault::of(error.into());
                self.link_failed(link, DisconnectReason::TransportError, fault);
            }
            Ok(HttpStep::Wait) => {
                self.links.set_input(link, false);
                let area = &mut self.rx.areas[rx];
                if READS_BODIES && area.message_len() > 0 && area.is_full() {
                    if link == Link::Poll && status == 200 {
                        self.skip_polled();
                    } else {
                        // Half of an error's text will do.
                        let len = area.message_len();
                        area.trim_message(0, len / 2);
                    }
                }
            }
            Ok(HttpStep::Header { len }) => {
                self.header(link, len);
                self.links.http(link).header_done(&mut self.rx.areas[rx]);
            }
            Ok(HttpStep::Head) => {
                if self.links.response(link).cookie_skipped {
                    crate::fmt::say!(
                        warn,
                        "a cookie of the server was dropped: it is longer than the receive area"
                    );
                }
                let job = self.links[link].job;
                if job == Job::Idle && link != Link::WebSocket {
                    // No request waits: some proxies announce so that they close an idle connection.
                    self.close_link(link);
                } else if job == Job::Sending && link != Link::WebSocket && status == 200 {
                    let cause = Cause::BadHttp("HTTP response before the request was complete");
                    self.link_failed(link, DisconnectReason::TransportError, Fault::of(cause));
                } else if link == Link::WebSocket && status == 101 {
                    self.websocket_opened(outbox);
                } else if self.plan.server.is_unjudged() {
                    self.redirected(link);
                } else {
                    self.rx.areas[rx].drop_message();
                }
            }
            Ok(HttpStep::Body { n }) if READS_BODIES => return self.http_body(link, n),
            Ok(HttpStep::Body { .. }) => (),
            Ok(HttpStep::End) => {
                if link == Link::Poll
                    && status == 200
                    && !self.version.is_v3()
                    && (!self.message().is_empty() || self.polling.skipped.is_some())
                {
                    // The last packet has no separator behind it.
                    self.polling.ended = true;
                    return self.polled_packet();
                }
                self.http_ended(outbox, link);
            }
        }
        None
    }

    /// A `Sec-WebSocket-Accept`, `Set-Cookie` or `Location` line is at the front of the stream.
    fn header(&mut self, link: Link, len: usize) {
        let offer = self.offer();
        let rx = self.rx.of(link);
        let line =
            core::str::from_utf8(slices::front(self.rx.areas[rx].stream(), len)).unwrap_or("");
        let Some((name, value)) = slices::split_once(line, b':') else {
            return;
        };
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("sec-websocket-accept") {
            let accepted = self.websocket.accepts(value);
            self.links.http(link).accepted = accepted;
        } else if POLLING && name.eq_ignore_ascii_case("set-cookie") {
            if self.config.keeps_cookies() {
                self.polling.cookies.set(value, self.clock.now());
            }
        } else if !self.websocket.compression.hear(offer, link, name, value) {
            let status = self.links.response(link).status;
            self.tidings
                .trouble(Fault::quoting(Cause::Redirect(status), value.as_bytes()));
            if self.config.follows_redirects() && matches!(self.state, State::Opening { .. }) {
                self.plan.server.note(status, value);
            }
        }
    }

    fn http_body(&mut self, link: Link, n: usize) -> Option<SessionEvent> {
        let link = link.narrow();
        let rx = self.rx.of(link);
        if link == Link::Poll && self.links.response(link).status == 200 {
            if EIO3 && self.is_v3_payload() {
                return self.v3_body(n);
            }
            let stream = &self.main_rx_ref().stream()[..n];
            let separator = stream.iter().position(|b| *b == payload::SEPARATOR);
            let part = separator.unwrap_or(n);
            let limit = self.config.limits.receive;
            if self.polling.skipped.is_none() && self.message().len() + part > limit {
                self.skip_polled();
            }
            match &mut self.polling.skipped {
                Some((_, bytes)) => {
                    *bytes += part as u64;
                    self.main_rx().consume(part);
                }
                None => self.main_rx().take(part),
            }
            if separator.is_some() {
                self.main_rx().consume(1);
                self.links.http(link).body_taken(part + 1);
                return self.polled_packet();
            }
            self.links.http(link).body_taken(part);
            return None;
        }
        // The answer to a POST is of no interest; an error's body is, up to a point.
        let area = &mut self.rx.areas[rx];
        let keep = if self.links.response(link).status == 200 {
            0
        } else {
            ERROR_BODY.saturating_sub(area.message_len()).min(n)
        };
        if keep > 0 {
            area.take(keep);
        }
        area.consume(n - keep);
        self.links.http(link).body_taken(n);
        None
    }

    /// The polled packet cannot be received: its bytes are counted and dropped.
    pub(super) fn skip_polled(&mut self) {
        let rx = self.main_rx();
        let first = rx.message().first().or(rx.stream().first()).copied();
        let bytes = rx.message_len() as u64;
        rx.drop_message();
        let binary = first == Some(b'b') || self.is_binary_record();
        self.polling.skipped = Some((binary, bytes));
    }

    /// A response is complete.
    fn http_ended(&mut self, outbox: &mut Outbox<'_>, link: Link) {
        let link = link.narrow();
        let rx = self.rx.of(link);
        let http = self.links.response(link);
        let (status, html) = (http.status, http.html);
        let opening = matches!(self.state, State::Opening { .. });
        let error = DisconnectReason::TransportError;
        if status != 200 {
            self.http_refused(outbox, link);
            return;
        }
        if link == Link::WebSocket {
            let cause = if html && self.rx.ws_is_main {
                Cause::Html(status)
            } else {
                Cause::WebSocketHandshake
            };
            self.link_failed(link, error, Fault::of(cause));
            return;
        }
        if html && opening {
            self.fail_for(error, Cause::Html(status));
            return;
        }
        if EIO3 && link == Link::Poll && self.version.is_v3() && !self.v3_body_ended() {
            return;
        }
        let empty = !core::mem::take(&mut self.polling.ended) && !self.version.is_v3();
        if link == Link::Poll && empty {
            // An answer without a packet: asking on would be a busy loop.
            let cause = if opening {
                Cause::NotEngineIo
            } else {
                Cause::Packet(PacketError::Type)
            };
            self.fail_for(error, cause);
            return;
        }
        if link == Link::Post {
            outbox.post_done();
            self.polling.answered(self.clock.now());
        }
        let http = core::mem::replace(self.links.http(link), HttpDecoder::new());
        self.rx.areas[rx].drop_message();
        if !http.keep_alive {
            self.close_link(link);
            return;
        }
        let now = self.clock.now();
        let state = &mut self.links[link];
        state.job = Job::Idle;
        state.deadline = None;
        state.reused = true;
        // A second early, so that the server does not close just as the next request goes out.
        state.stale_at = http
            .keep_alive_timeout
            .map(|s| now + Duration::from_secs(u64::from(s.saturating_sub(1))));
    }

    /// A response with a status other than 200 or 101 is complete: tells why.
    fn http_refused(&mut self, outbox: &mut Outbox<'_>, link: Link) {
        let link = link.narrow();
        let rx = self.rx.of(link);
        let http = self.links.response(link);
        let (status, html) = (http.status, http.html);
        let error = DisconnectReason::TransportError;
        if (300..400).contains(&status) {
            // The address was noted when its line came.
            let cause = Cause::Redirect(status);
            let fault = Fault::quoting(cause, self.tidings.fault().text_for(cause).as_bytes());
            self.link_failed(link, error, fault);
            return;
        }
        let text = if READS_BODIES {
            core::str::from_utf8(self.rx.areas[rx].message()).unwrap_or("")
        } else {
            ""
        };
        let text = text.trim_ascii();
        let mut code = None;
        let message = match json::check_value(text.as_bytes()) {
            _ if !READS_BODIES => "",
            Ok(json::Kind::Object) => {
                code = json::field(text, "code")
                    .and_then(json::as_u64)
                    .and_then(|n| u8::try_from(n).ok());
                json::field(text, "message").map_or("", unquoted)
            }
            Ok(json::Kind::String) => unquoted(text),
            _ if html || text.starts_with('<') => "",
            _ => text,
        };
        #[cfg(feature = "eio3")]
        let unsupported = match status {
            400 => code == Some(5) || message.starts_with(super::version::UNSUPPORTED),
            // The same for a WebSocket below ASGI, which has no words for it.
            403 => link == Link::WebSocket && message.is_empty(),
            _ => false,
        };
        // What an official server says to a request that has lost its upgrade headers on the way, and proxies say so too.
        let no_upgrade = link == Link::WebSocket && matches!((status, code), (400, None | Some(3)));
        let cause = if no_upgrade {
            Cause::WebSocketRefused
        } else {
            Cause::Http { status, code }
        };
        let fault = Fault::quoting(cause, message.as_bytes());
        #[cfg(feature = "eio3")]
        if unsupported && self.refuses_v4() {
            return;
        }
        if link == Link::Post {
            outbox.post_refused(match (status, code) {
                // A server that does not know the session, or a proxy without a server, has taken nothing.
                (404 | 502 | 503, _) | (_, Some(1)) => PostError::NotTaken,
                (413, _) => PostError::TooLarge,
                _ => PostError::Other,
            });
        }
        self.link_failed(link, error, fault);
    }

    // ---- Engine.IO packets ----

    /// A packet of a polling payload is in the main area's message.
    pub(super) fn polled_packet(&mut self) -> Option<SessionEvent> {
        self.rx.release = Some(0);
        if let Some((binary, bytes)) = self.polling.skipped.take() {
            return self.too_large(binary, bytes);
        }
        if self.is_binary_record() {
            return self.typed_binary();
        }
        self.packet()
    }

    pub(super) fn too_large(&mut self, binary: bool, bytes: u64) -> Option<SessionEvent> {
        match self.state {
            State::Open { .. } => Some(SessionEvent::MessageTooLarge { binary, bytes }),
            State::Opening { .. } => self.not_engine_io(),
            State::Down | State::Closing { .. } => None,
        }
    }

    pub(super) fn deliver(&mut self, binary: bool) -> Option<SessionEvent> {
        match self.state {
            State::Open { .. } => {
                self.session.active = true;
                Some(SessionEvent::Message { binary })
            }
            State::Opening { .. } => self.not_engine_io(),
            State::Down | State::Closing { .. } => None,
        }
    }

    pub(super) fn not_engine_io(&mut self) -> Option<SessionEvent> {
        let message = self.message();
        let digits = message.iter().take_while(|b| b.is_ascii_digit()).count();
        let http = self.links.response(Link::Poll);
        // Engine.IO 3 in text form is `<length>:0{…}`, in binary form `0x00 <digits> 0xff 0{…}`.
        let binary = message.iter().position(|b| *b == 0xff);
        let old = digits > 0 && slices::part(message, digits, message.len()).starts_with(b":0{")
            || message.first() == Some(&0)
                && binary.is_some_and(|at| {
                    slices::part(message, at + 1, message.len()).starts_with(b"0{")
                });
        let cause = if old {
            Cause::OldServer
        } else if POLLING && http.html {
            Cause::Html(http.status)
        } else {
            Cause::NotEngineIo
        };
        let fault = Fault::quoting(cause, slices::front(message, 60));
        self.fail(DisconnectReason::TransportError, fault);
        None
    }

    /// A text packet is in the main area's message.
    pub(super) fn packet(&mut self) -> Option<SessionEvent> {
        if POLLING && self.message().first() == Some(&b'b') {
            // Base64: always with polling, and on WebSocket from servers that were asked for it (`b64`).
            // In Engine.IO 3 the type stands between.
            let typed = self.version.is_v3();
            if typed && self.message().get(1) != Some(&b'4') {
                return self.unknown_type();
            }
            let lead = 1 + usize::from(typed);
            let rx = self.main_rx();
            let Some(len) = payload::decode_in_place(&mut rx.message_mut()[lead..]) else {
                let cause = Cause::Packet(PacketError::Encoding);
                self.reject(DisconnectReason::ParseError, Fault::of(cause));
                return None;
            };
            rx.trim_message(lead, len);
            return self.deliver(true);
        }
        let message = self.message();
        let kind = Type::of(message);
        if let State::Opening { transport, .. } = self.state {
            return self.handshake(transport, kind);
        }
        match kind {
            Some(Type::Message) => {
                let len = message.len();
                self.main_rx().trim_message(1, len.saturating_sub(1));
                self.deliver(false)
            }
            #[cfg(feature = "eio3")]
            Some(Type::Pong) if self.version.is_v3() => {
                self.heartbeat.ponged(self.clock.now());
                self.session.tidy_due = true;
                self.is_open().then_some(SessionEvent::Ping)
            }
            // Nobody asks for pongs there.
            Some(Type::Ping) if self.version.is_v3() => None,
            Some(Type::Ping) => {
                self.heartbeat.pinged(self.clock.now());
                self.session.tidy_due = true;
                self.is_open().then_some(SessionEvent::Ping)
            }
            Some(Type::Close) => {
                self.fail_for(DisconnectReason::TransportClose, Cause::EngineClose);
                None
            }
            // A second `open`, or packets only a client sends, change nothing.
            Some(Type::Noop | Type::Pong | Type::Open | Type::Upgrade) => None,
            None => self.unknown_type(),
        }
    }

    /// The packet in the main area's message is of no type that is known.
    pub(super) fn unknown_type(&mut self) -> Option<SessionEvent> {
        let cause = Cause::Packet(PacketError::Type);
        let fault = Fault::quoting(cause, slices::front(self.message(), 60));
        self.reject(DisconnectReason::TransportError, fault);
        None
    }

    /// The first packet of a session.
    fn handshake(&mut self, transport: Transport, kind: Option<Type>) -> Option<SessionEvent> {
        let text = core::str::from_utf8(self.rx.areas[0].message())
            .ok()
            .and_then(|text| text.get(1..));
        let Some(handshake) = text
            .filter(|_| kind == Some(Type::Open))
            .and_then(Handshake::parse)
        else {
            return self.not_engine_io();
        };
        if let Some(field) = handshake.unreadable {
            crate::fmt::say!(
                warn,
                "the handshake's {} is not a number: its default is taken",
                field
            );
        }
        if !json::as_str(handshake.sid).is_some_and(|sid| self.session.id.set(sid)) {
            let fault = Fault::of(Cause::IdTooLong);
            self.fail(DisconnectReason::TransportError, fault);
            return None;
        }
        let (interval, timeout) = (handshake.ping_interval, handshake.ping_timeout);
        let upgrade = handshake.upgrade;
        self.session.max_payload = handshake.max_payload;
        self.version_heard(transport, handshake.max_payload);
        #[cfg(feature = "eio3")]
        if self.version.is_v3() {
            self.heartbeat
                .start_pinging(self.clock.now(), interval, timeout);
        } else {
            self.heartbeat.start(self.clock.now(), interval, timeout);
        }
        #[cfg(not(feature = "eio3"))]
        self.heartbeat.start(self.clock.now(), interval, timeout);
        self.opened(transport, upgrade);
        Some(SessionEvent::Opened)
    }

    fn opened(&mut self, transport: Transport, upgrade_offered: bool) {
        let mut upgrade = Upgrade::None;
        if transport == Transport::WebSocket {
            self.plan.remember(true);
        } else if POLLING
            && upgrade_offered
            && self.config.upgrade
            && self.config.transports.allows(Transport::WebSocket)
        {
            upgrade = Upgrade::Dialing(self.clock.now() + self.config.upgrade_timeout);
            self.want(Link::WebSocket);
        }
        self.state = State::Open { transport, upgrade };
    }
}

/// A JSON string without its quotes.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}
