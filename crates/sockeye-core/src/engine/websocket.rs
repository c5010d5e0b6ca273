//! The WebSocket: its handshake, frames that arrive, control frames that leave.

use super::Phase;
use super::compression::Compression;
use super::{Engine, Goodbye, Job, Link, SessionEvent, State, UPGRADE_AREA, Upgrade};
use crate::config::{POLLING, Transport};
use crate::error::{Cause, DisconnectReason, Fault};
use crate::outbox::Outbox;
use crate::slices;
use crate::wire::ws::{self, Item, WsDecoder};

/// Control frames and Engine.IO's own packets on a WebSocket: they go in front of queued packets.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// With a heap there is memory only from the first frame on, until the connection is idle.
    #[cfg(feature = "alloc")]
    buf: alloc::vec::Vec<u8>,
    #[cfg(not(feature = "alloc"))]
    buf: [u8; ROOM],
    len: u8,
    pos: u8,
    /// Where the last frame begins, if it is a pong; `NO_PONG` otherwise.
    pong: u8,
}

/// Bytes of control frames that may wait: the longest pong, and one short frame of ours.
const ROOM: usize = 140;
/// Of which pongs take so many at most, so that no ping takes the room of a close frame or of `5`, the upgrade.
const PONGS: usize = 6 + 125;
const NO_PONG: u8 = u8::MAX;

impl Control {
    // Not a constant: it would lie in flash, to be copied from there.
    const fn empty() -> Self {
        Self {
            #[cfg(feature = "alloc")]
            buf: alloc::vec::Vec::new(),
            #[cfg(not(feature = "alloc"))]
            buf: [0; ROOM],
            len: 0,
            pos: 0,
            pong: NO_PONG,
        }
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        #[cfg(feature = "alloc")]
        {
            self.buf = alloc::vec::Vec::new();
        }
        (self.pos, self.len, self.pong) = (0, 0, NO_PONG);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a frame if there is room; `payload` has at most 125 bytes. If pings come faster than pongs leave, the
    /// last pong that waits gives way to the new one: the latest ping is the one to answer (RFC 6455 section 5.5.3).
    pub(super) fn frame(&mut self, opcode: u8, payload: &[u8], key: [u8; 4]) {
        let is_pong = opcode == ws::PONG;
        let room = if is_pong { PONGS } else { ROOM };
        let len = 6 + payload.len();
        let mut at = usize::from(self.len);
        if is_pong && at + len > room && self.pong != NO_PONG && self.pos <= self.pong {
            at = self.pong.into();
        }
        let end = at + len;
        if end > room {
            return;
        }
        #[cfg(feature = "alloc")]
        self.buf.resize(ROOM, 0);
        if let Some(out) = self.buf.get_mut(at..end) {
            ws::write_header(out, opcode, payload.len(), key);
            slices::write(out, 6, payload);
            ws::mask(out.get_mut(6..).unwrap_or_default(), key);
            self.len = end as u8;
            self.pong = if is_pong { at as u8 } else { NO_PONG };
        }
    }

    /// Gives memory back if nothing waits.
    #[cfg(feature = "alloc")]
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            self.buf = alloc::vec::Vec::new();
        }
    }

    /// Whether a pong is the last frame that waits.
    pub(super) const fn has_pong(&self) -> bool {
        self.pong != NO_PONG
    }

    /// Whether a part of a frame has been written.
    pub(super) const fn is_begun(&self) -> bool {
        self.pos > 0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        slices::part(&self.buf, self.pos.into(), self.len.into())
    }

    pub(super) fn written(&mut self, n: usize) {
        self.pos += n.min(self.bytes().len()) as u8;
        if self.pos == self.len {
            (self.pos, self.len, self.pong) = (0, 0, NO_PONG);
        }
    }
}

/// What [`Engine::quick`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quick {
    /// Bytes are to be written.
    Transmit,
    /// Nothing.
    Idle,
    /// It takes a look at everything.
    Other,
}

/// What is kept of the WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket {
    pub(super) decoder: WsDecoder,
    pub(super) compression: Compression,
    /// The answer to our key.
    accept: [u8; 28],
    pub(super) control: Control,
    /// Our own pings, counted over all connections.
    pings: u32,
    /// How many of them have been answered, or will not be any more.
    pongs: u32,
}

impl WebSocket {
    pub(super) fn new() -> Self {
        Self {
            decoder: WsDecoder::default(),
            compression: Compression::OFF,
            accept: [0; 28],
            control: Control::empty(),
            pings: 0,
            pongs: 0,
        }
    }

    /// A connection begins.
    pub(super) fn reset(&mut self) {
        self.decoder = WsDecoder::default();
        self.compression.reset();
        self.pongs = self.pings;
    }

    /// A key for a handshake.
    pub(super) fn new_key(&mut self, nonce: &[u8; 16]) -> [u8; 24] {
        let key = ws::key(nonce);
        self.accept = ws::accept(&key);
        key
    }

    /// Whether this is the answer to the last key.
    pub(super) fn accepts(&self, answer: &str) -> bool {
        answer.as_bytes() == self.accept
    }
}

impl Engine<'_> {
    pub(super) fn control_frame(&mut self, opcode: u8, payload: &[u8]) {
        let key = self.rng.mask();
        self.websocket.control.frame(opcode, payload, key);
    }

    /// Whether a pong waits that can leave now: it does, before the next ping could take its place.
    pub(super) fn must_answer(&self) -> bool {
        self.websocket.control.has_pong() && !self.links[Link::WebSocket].blocked
    }

    /// Asks the server for a sign that it has read everything written so far; gives the number of the question.
    pub(crate) fn ping(&mut self) -> u32 {
        self.control_frame(ws::PING, &[]);
        self.websocket.pings = self.websocket.pings.wrapping_add(1);
        self.websocket.pings
    }

    /// The counters stand shortly before their ends, as after years.
    #[cfg(feature = "count-steps")]
    pub(crate) const fn age(&mut self, left: u32) {
        self.websocket.pings = u32::MAX - left;
        self.websocket.pongs = u32::MAX - left;
        self.rx.epoch = u32::MAX - left;
    }

    /// How many questions have been asked.
    pub(crate) const fn pings(&self) -> u32 {
        self.websocket.pings
    }

    /// Whether the server has given the sign it was asked for.
    pub(crate) const fn is_answered(&self, ping: u32) -> bool {
        self.websocket.pongs.wrapping_sub(ping) < u32::MAX / 2
    }

    /// The server has agreed to frames.
    pub(super) fn websocket_opened(&mut self, outbox: &mut Outbox<'_>) {
        let http = self.links.response(Link::WebSocket);
        let extended = http.extensions;
        let accepted = http.upgrade_websocket && http.connection_upgrade && http.accepted;
        if !(accepted && self.agree(outbox, extended)) {
            self.link_failed(
                Link::WebSocket,
                DisconnectReason::TransportError,
                Fault::of(Cause::WebSocketHandshake),
            );
            return;
        }
        self.links[Link::WebSocket].job = Job::Frames;
        #[cfg(feature = "alloc")]
        self.links.switched(Link::WebSocket);
        if self.rx.ws_is_main {
            // No more requests on this connection.
            self.head.shrink();
        }
        if POLLING && let Upgrade::Dialing(at) = self.upgrade() {
            self.control_frame(ws::TEXT, b"2probe");
            self.set_upgrade(Upgrade::Probing(at));
        }
    }

    /// The way of most messages, past all that a step looks at: a small Socket.IO packet in a frame of its own, on an
    /// open WebSocket, when nothing is to be told or done before it. Whether there is one; if not, a step may be possible
    /// all the same.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn next_text(&mut self) -> bool {
        let Some(rx) = self.next_frames() else {
            return false;
        };
        let limit = self.config.limits.receive;
        let decoder = &mut self.websocket.decoder;
        if decoder.is_between(&self.rx.areas[rx]) {
            self.links.set_input(Link::WebSocket, false);
            return false;
        }
        // What `packet` and `deliver` would make of it.
        let taken = decoder.take_text(&mut self.rx.areas[rx], b'4', limit);
        if taken {
            self.rx.release = Some(rx);
            self.session.active = true;
        }
        taken
    }

    /// The receive area of an open WebSocket, if frames may be in it and nothing is to be told or done before them.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    fn next_frames(&mut self) -> Option<usize> {
        let State::Open {
            transport: Transport::WebSocket,
            ..
        } = self.state
        else {
            return None;
        };
        if self.clock.is_due()
            || self.is_interrupted()
            || self.next_input() != Some(Link::WebSocket)
        {
            return None;
        }
        if let Some(rx) = self.rx.release.take() {
            self.rx.areas[rx].drop_message();
        }
        Some(self.rx.of(Link::WebSocket))
    }

    /// Whether bytes may lie on a link that have not been worked through.
    #[inline]
    pub(crate) const fn has_inputs(&self) -> bool {
        self.links.has_inputs()
    }

    /// As [`Self::next_text`], but the packet is taken only if `wanted` wants it. What that has found out about the packet
    /// comes back with it.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn next_text_if<W>(
        &mut self,
        wanted: impl FnOnce(&[u8]) -> Option<W>,
    ) -> Option<(W, &mut [u8])> {
        let at = self.next_frames()?;
        let rx = &mut self.rx.areas[at];
        let decoder = &mut self.websocket.decoder;
        let Some(text) = decoder.front_text(rx, b'4', self.config.limits.receive) else {
            if decoder.is_between(rx) {
                self.links.set_input(Link::WebSocket, false);
            }
            return None;
        };
        let (len, found) = (text.len(), wanted(text)?);
        decoder.take_front(rx, len);
        self.rx.release = Some(at);
        self.session.active = true;
        Some((found, rx.message_mut()))
    }

    /// What frames of any kind on an open WebSocket bring next, when nothing is to be told or done before it.
    #[cfg(feature = "alloc")]
    pub(crate) fn next_message(&mut self, outbox: &mut Outbox<'_>) -> Option<SessionEvent> {
        self.next_frames()?;
        if self.must_answer() || !self.has_frames() {
            return None;
        }
        self.receive_frame(outbox)
    }

    /// Whether [`Self::quick`] would find nothing, as far as that can be told without doing anything. It has nothing else to do
    /// then but to let go of the last message, which is done.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn rests(&mut self, outbox: &Outbox<'_>) -> bool {
        let link = &self.links[Link::WebSocket];
        let rests = matches!(
            self.state,
            State::Open {
                transport: Transport::WebSocket,
                ..
            }
        ) && !(self.clock.is_due()
            || self.is_interrupted()
            || self.links.has_inputs()
            || self.session.tidy_due
            || outbox.has_ready()
            || outbox.is_partly_sent()
            || self.heartbeat.is_pong_due())
            && link.phase == Phase::Open
            && (link.blocked || !self.has_output(outbox, Link::WebSocket));
        if rests && let Some(rx) = self.rx.release.take() {
            self.rx.areas[rx].drop_message();
        }
        rests
    }

    /// What is to be done on an open WebSocket, when nothing else is: nothing has come that is not worked through, no
    /// deadline has, and no link changes.
    pub(crate) fn quick(&mut self, outbox: &mut Outbox<'_>) -> Quick {
        let State::Open {
            transport: Transport::WebSocket,
            ..
        } = self.state
        else {
            return Quick::Other;
        };
        if self.clock.is_due()
            || self.is_interrupted()
            || self.links.has_inputs()
            || self.session.tidy_due
        {
            return Quick::Other;
        }
        if let Some(rx) = self.rx.release.take() {
            self.rx.areas[rx].drop_message();
        }
        if outbox.has_ready() || outbox.is_partly_sent() || self.heartbeat.is_pong_due() {
            self.work_frames(outbox);
        }
        let link = &self.links[Link::WebSocket];
        if link.phase != Phase::Open {
            return Quick::Other;
        }
        if !link.blocked && self.has_output(outbox, Link::WebSocket) {
            Quick::Transmit
        } else {
            Quick::Idle
        }
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn receive_frame(&mut self, outbox: &mut Outbox<'_>) -> Option<SessionEvent> {
        let rx = self.rx.of(Link::WebSocket);
        if let State::Closing {
            goodbye: Goodbye::Answer,
            ..
        } = self.state
        {
            // Nothing counts behind a close frame.
            self.rx.areas[rx].clear_stream();
            self.links.set_input(Link::WebSocket, false);
            return None;
        }
        let limit = self.config.limits.receive;
        match self.websocket.decoder.step(&mut self.rx.areas[rx], limit) {
            Err(error) => {
                let fault = Fault::of(error.into());
                self.link_failed(Link::WebSocket, DisconnectReason::TransportError, fault);
                None
            }
            Ok(None) => {
                self.links.set_input(Link::WebSocket, false);
                None
            }
            Ok(Some(Item::Message { binary })) => {
                self.rx.release = Some(rx);
                if !self.inflate(outbox, rx) {
                    return None;
                }
                if POLLING && !self.rx.ws_is_main {
                    self.probed(binary);
                    return None;
                }
                if binary && self.version.is_v3() {
                    self.typed_binary()
                } else if binary {
                    self.deliver(true)
                } else {
                    self.packet()
                }
            }
            Ok(Some(Item::Skipped { .. })) if self.lost_compressed(outbox) => None,
            Ok(Some(Item::Skipped { binary, bytes })) => self.too_large(binary, bytes),
            Ok(Some(Item::Ping { len })) => {
                let mut payload = [0; 125];
                payload[..len].copy_from_slice(&self.rx.areas[rx].stream()[..len]);
                self.rx.areas[rx].consume(len);
                self.control_frame(ws::PONG, &payload[..len]);
                None
            }
            Ok(Some(Item::Pong)) => {
                // One that was not asked for says nothing.
                if self.websocket.pongs != self.websocket.pings {
                    self.websocket.pongs = self.websocket.pongs.wrapping_add(1);
                }
                None
            }
            Ok(Some(Item::Close { len })) => {
                let payload = &self.rx.areas[rx].stream()[..len];
                let (code, echo, message) = match payload {
                    [a, b, message @ ..] => (u16::from_be_bytes([*a, *b]), [*a, *b], message),
                    _ => (1005, [0; 2], &[][..]),
                };
                let fault = Fault::quoting(Cause::WebSocketClose(code), message);
                let echo = if len >= 2 { &echo[..] } else { &[] };
                self.close_websocket(outbox, echo, DisconnectReason::TransportClose, fault);
                None
            }
        }
    }

    /// A message on a WebSocket that has not taken over yet.
    fn probed(&mut self, binary: bool) {
        match self.upgrade() {
            Upgrade::Probing(at)
                if !binary && self.rx.areas[UPGRADE_AREA].message() == b"3probe" =>
            {
                self.set_upgrade(Upgrade::Pausing(at));
            }
            _ => self.fail_upgrade(Fault::of(Cause::WebSocketHandshake)),
        }
    }

    /// The session ends by a close frame of ours with this payload: as the answer to the server's (RFC 6455 section 5.5.1), or
    /// because of something that the server has sent. Then the link is closed.
    pub(super) fn close_websocket(
        &mut self,
        outbox: &Outbox<'_>,
        payload: &[u8],
        reason: DisconnectReason,
        fault: Fault,
    ) {
        let open = matches!(
            self.state,
            State::Open {
                transport: Transport::WebSocket,
                ..
            }
        );
        let in_frame = outbox.is_in_frame();
        if !open || self.links[Link::WebSocket].blocked || in_frame || self.has_expired() {
            self.link_failed(Link::WebSocket, reason, fault);
            return;
        }
        self.control_frame(ws::CLOSE, payload);
        self.closing(Transport::WebSocket, Goodbye::Answer);
        self.tidings.ended(reason, fault, true, false);
    }
}
