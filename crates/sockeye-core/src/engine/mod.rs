//! One Engine.IO v4 session on one to three links: handshake, polling, WebSocket, upgrade, heartbeat, close.
//!
//! ```text
//! Down -> Opening -> Open(polling) -> [upgrade: Dialing -> Handshake -> Probing -> Pausing] -> Open(websocket)
//!            |            |                                                                         |
//!            +------------+-------------> Closing -> Down <-----------------------------------------+
//! ```
//! `mod.rs` holds the state and the drain, `session.rs` begin and end of sessions, `receive.rs` what comes in, `links.rs` requests and writes,
//! `outbox.rs` the packets to send, `cookies.rs` the jar.

pub(crate) mod cookies;
mod links;
pub(crate) mod outbox;
mod receive;
mod session;

use core::time::Duration;

use crate::config::{Config, POLLING, Str, Transport};
use crate::error::{Cause, DisconnectReason};
use crate::limits::NOTE_LEN;
use crate::memory::{Memory, RxBuf};
use crate::rng::Rng;
use crate::short::Short;
use crate::time::{Instant, earliest};
use crate::wire::http1::HttpDecoder;
use crate::wire::ws::WsDecoder;
use cookies::Jar;
use links::{Control, Head};
use outbox::Outbox;

/// One of the byte streams that a session may use. Drivers connect, read, write and close them; which bytes travel is
/// the core's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Link {
    /// Polling: GET requests.
    Poll,
    /// Polling: POST requests.
    Post,
    /// The WebSocket.
    WebSocket,
}

impl Link {
    /// All links, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Post, Self::WebSocket];

    /// Those that are ever opened.
    const USED: &[Self] = if POLLING {
        &Self::ALL
    } else {
        &[Self::WebSocket]
    };

    /// The same link, known to the compiler where there is but one.
    const fn narrow(self) -> Self {
        if POLLING { self } else { Self::WebSocket }
    }

    const fn is_used(self) -> bool {
        POLLING || matches!(self, Self::WebSocket)
    }

    /// 0, 1 or 2: for drivers that keep an array of sockets.
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    /// To be opened: the driver has not been told yet.
    Wanted,
    /// The driver is connecting.
    Opening,
    Open,
    /// To be closed: the driver has not been told yet.
    Doomed,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Idle,
    /// A request is being written.
    Sending,
    /// A response is awaited; on a WebSocket: a close frame has been sent.
    Waiting,
    /// The WebSocket handshake is done: frames travel.
    Frames,
}

#[derive(Clone, Copy, Debug)]
struct LinkState {
    phase: Phase,
    job: Job,
    /// The last write took nothing: wait for the driver's word.
    blocked: bool,
    /// A request has been answered on this connection before.
    reused: bool,
    /// The server closes the idle connection about then: do not use it any more.
    stale_at: Option<Instant>,
    deadline: Option<Instant>,
    /// To be opened again once it has been closed.
    reopen: bool,
}

impl LinkState {
    const CLOSED: Self = Self {
        phase: Phase::Closed,
        job: Job::Idle,
        blocked: false,
        reused: false,
        stale_at: None,
        deadline: None,
        reopen: false,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Down,
    /// Until the handshake's `open` packet.
    Opening(Transport),
    Open(Transport),
    /// Goodbye is being said.
    Closing(Transport),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    None,
    /// The WebSocket is being connected, then its HTTP handshake runs.
    Dialing,
    /// `2probe` has been sent.
    Probing,
    /// `3probe` has come: no new polling request; `5` follows when the running ones have ended.
    Pausing,
}

/// What the engine tells the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The handshake is done.
    Opened,
    /// A Socket.IO packet's text, or an attachment, is in [`Engine::message`]. It is released by the next step.
    Message {
        binary: bool,
    },
    /// A message was too large to receive and has been skipped.
    Refused {
        binary: bool,
        bytes: u64,
    },
    Ping,
    Upgraded,
    UpgradeFailed(Cause),
    /// The session, or the attempt, is over.
    Closed {
        reason: DisconnectReason,
        cause: Cause,
        opened: bool,
    },
}

/// One thing for the driver to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Open(Link),
    Transmit(Link),
    Close(Link),
    Happening(Happening),
    Idle,
}

#[derive(Debug)]
pub(crate) struct Engine<'a> {
    pub(crate) config: Config<'a>,
    pub(crate) outbox: Outbox<'a>,
    pub(crate) rng: Rng,
    pub(crate) now: Instant,
    /// Words that came with the last trouble.
    pub(crate) note: Short<NOTE_LEN>,
    state: State,
    upgrade: Upgrade,
    links: [LinkState; 3],
    /// Links on which bytes have arrived that may make a step possible: one bit each.
    inputs: u8,
    /// Main (polling GET, then WebSocket), POST answers, WebSocket before it takes over.
    rx: [RxBuf<'a>; 3],
    ws_is_main: bool,
    http: [HttpDecoder; 3],
    ws: WsDecoder,
    ws_accept: [u8; 28],
    head: Head<'a>,
    control: Control,
    cookies: Jar,
    sid: Short<{ crate::limits::ID_LEN }>,
    heartbeat: Duration,
    ping_interval: Duration,
    max_payload: usize,
    /// Ping deadline.
    heartbeat_at: Option<Instant>,
    /// Open, upgrade or close deadline: one at a time.
    phase_at: Option<Instant>,
    /// While reading is paused: when to send a pong unasked.
    unasked_pong_at: Option<Instant>,
    reading_paused: bool,
    /// Pongs sent before their pings were read.
    pongs_ahead: u32,
    pong_due: bool,
    /// The POST under way begins with a pong that has not been written yet.
    post_pong: bool,
    /// The server has closed the WebSocket: only the answer to that is still to be written.
    farewell: bool,
    /// A message lies in this area until the next step.
    release: Option<usize>,
    pending: Option<Happening>,
    /// Links or timers need a look.
    attention: bool,
    timers: bool,
    /// A polling message that does not fit is being skipped: whether it is binary, and its bytes so far.
    poll_skipped: Option<(bool, u64)>,
    poll_first: bool,
    poll_ended: bool,
    /// The other transport has been tried in this attempt.
    second_try: bool,
    /// A WebSocket has worked (`rememberUpgrade`).
    remembered: bool,
    next_query: Option<Str<'a>>,
    next_headers: Option<Str<'a>>,
    fresh_session: bool,
    tidy_due: bool,
    /// Packets have travelled since the last ping.
    active: bool,
    /// Counts how often the receive areas have been cleared.
    epoch: u32,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(config: Config<'a>, mut memory: Memory<'a>) -> Self {
        let rx = Memory::split_rx(&mut memory, &config);
        Self {
            rng: Rng::new(config.entropy),
            outbox: Outbox::new(memory.tx, memory.slots),
            head: Head::new(memory.head),
            config,
            now: Instant::ZERO,
            note: Short::EMPTY,
            state: State::Down,
            upgrade: Upgrade::None,
            links: [LinkState::CLOSED; 3],
            inputs: 0,
            rx,
            ws_is_main: false,
            http: [HttpDecoder::new(); 3],
            ws: WsDecoder::default(),
            ws_accept: [0; 28],
            control: Control::EMPTY,
            cookies: Jar::EMPTY,
            sid: Short::EMPTY,
            heartbeat: Duration::ZERO,
            ping_interval: Duration::ZERO,
            max_payload: 0,
            heartbeat_at: None,
            phase_at: None,
            unasked_pong_at: None,
            reading_paused: false,
            pongs_ahead: 0,
            pong_due: false,
            post_pong: false,
            farewell: false,
            release: None,
            pending: None,
            attention: false,
            timers: false,
            poll_skipped: None,
            poll_first: false,
            poll_ended: false,
            second_try: false,
            remembered: false,
            next_query: None,
            next_headers: None,
            fresh_session: false,
            tidy_due: false,
            active: false,
            epoch: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn sid(&self) -> Option<&str> {
        matches!(self.state, State::Open(_)).then(|| self.sid.as_str())
    }

    /// The transport packets travel on now.
    pub(crate) fn transport(&self) -> Option<Transport> {
        match self.state {
            State::Open(transport) => Some(transport),
            _ => None,
        }
    }

    pub(crate) fn set_query(&mut self, query: Str<'a>) {
        self.next_query = Some(query);
    }

    pub(crate) fn set_headers(&mut self, headers: Str<'a>) {
        self.next_headers = Some(headers);
    }

    pub(crate) fn advance_clock(&mut self, now: Instant) {
        if now > self.now {
            self.now = now;
            self.timers = true;
        }
    }

    /// A deadline may have come, although the clock stands.
    pub(crate) const fn look_at_timers(&mut self) {
        self.timers = true;
    }

    /// The next deadline.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat_at.filter(|_| !self.reading_paused);
        let mut wake = earliest(earliest(heartbeat, self.unasked_pong_at), self.phase_at);
        if POLLING {
            for link in &self.links {
                wake = earliest(wake, link.deadline);
            }
        }
        wake
    }

    /// The driver stops or resumes reading, because the application is slow. While it does not read it cannot see
    /// pings: pongs go out unasked when pings are overdue, and the deadline rests. That goes on after it has resumed,
    /// until it has caught up: the next ping may lie behind much else.
    pub(crate) fn set_reading_paused(&mut self, paused: bool) {
        if paused == self.reading_paused {
            return;
        }
        self.reading_paused = paused;
        if paused {
            let after = self.unasked_pong_after();
            let first = self.heartbeat_at.map(|at| at - self.heartbeat + after);
            self.unasked_pong_at = self.unasked_pong_at.or(first);
        } else if self.heartbeat_at.is_some() {
            self.heartbeat_at = Some(self.now + self.heartbeat);
        }
        self.timers = true;
    }

    /// From a pong to the next one if no ping has been read: half of the timeout past the ping's own time. That is
    /// after the server's ping, so that each pong answers one, and before its patience ends.
    fn unasked_pong_after(&self) -> Duration {
        (self.ping_interval + self.heartbeat) / 2
    }

    fn check_timers(&mut self) {
        self.timers = false;
        let due = |at: Option<Instant>| at.is_some_and(|at| self.now >= at);
        if due(self.unasked_pong_at) {
            self.pong_due = true;
            self.pongs_ahead += 1;
            self.unasked_pong_at = Some(self.now + self.unasked_pong_after());
        }
        if !self.reading_paused && due(self.heartbeat_at) {
            self.note.clear();
            self.fail(DisconnectReason::PingTimeout, Cause::PingTimeout);
            return;
        }
        if due(self.phase_at) {
            self.note.clear();
            match self.state {
                State::Opening(_) => {
                    self.fail(DisconnectReason::TransportError, Cause::ConnectTimeout);
                }
                State::Closing(_) => self.fail(DisconnectReason::ForcedClose, Cause::Local),
                State::Open(_) if POLLING => self.fail_upgrade(Cause::ConnectTimeout),
                State::Open(_) | State::Down => self.phase_at = None,
            }
            return;
        }
        if POLLING && self.links.iter().any(|link| due(link.deadline)) {
            self.note.clear();
            self.fail(DisconnectReason::TransportError, Cause::RequestTimeout);
        }
    }

    /// Whether the heartbeat's deadline has passed, timers or not: the connection is as good as dead (A3 item 32).
    pub(crate) fn has_expired(&self) -> bool {
        !self.reading_paused && self.heartbeat_at.is_some_and(|at| self.now >= at)
    }

    /// One thing to do, or `Idle`.
    pub(crate) fn step(&mut self) -> Step {
        loop {
            if let Some(rx) = self.release.take() {
                self.rx[rx].drop_message();
            }
            if self.timers {
                self.check_timers();
            }
            if self.attention {
                for &link in Link::USED {
                    let state = &mut self.links[link.index()];
                    if state.phase == Phase::Doomed {
                        state.phase = if state.reopen {
                            Phase::Wanted
                        } else {
                            Phase::Closed
                        };
                        state.reopen = false;
                        return Step::Close(link);
                    }
                }
            }
            if let Some(happening) = self.pending.take() {
                return Step::Happening(happening);
            }
            if self.attention {
                for &link in Link::USED {
                    let state = &mut self.links[link.index()];
                    if state.phase == Phase::Wanted {
                        state.phase = Phase::Opening;
                        return Step::Open(link);
                    }
                }
                self.attention = false;
            }
            if self.state == State::Down {
                return Step::Idle;
            }
            if let Some(happening) = self.receive() {
                return Step::Happening(happening);
            }
            if self.pending.is_some() || self.attention {
                continue;
            }
            if self.work() || self.attention || self.pending.is_some() {
                continue;
            }
            for &link in Link::USED {
                let state = &self.links[link.index()];
                if state.phase == Phase::Open && !state.blocked && !self.transmit(link).is_empty() {
                    return Step::Transmit(link);
                }
            }
            if self.tidy_due {
                self.tidy();
            }
            return Step::Idle;
        }
    }

    // ---- inputs ----

    /// The driver has connected the link, or failed to (`words` say why).
    pub(crate) fn handle_opened(&mut self, link: Link, result: Result<(), &str>) {
        if !link.is_used() {
            return;
        }
        let state = &mut self.links[link.index()];
        if state.phase != Phase::Opening {
            return;
        }
        match result {
            Ok(()) => {
                *state = LinkState {
                    phase: Phase::Open,
                    ..LinkState::CLOSED
                };
                self.inputs &= !(1 << link.index());
                if self.fresh_session {
                    self.fresh_session = false;
                    if let Some(query) = self.next_query.take() {
                        self.config.query = query;
                    }
                    if let Some(headers) = self.next_headers.take() {
                        self.config.headers = headers;
                    }
                }
            }
            Err(words) => {
                state.phase = Phase::Closed;
                self.note.set_lossy(words.as_bytes());
                self.link_failed(link, DisconnectReason::TransportError, Cause::Dial);
            }
        }
    }

    /// Room for the next read on a link.
    pub(crate) fn receive_buf(&mut self, link: Link) -> &mut [u8] {
        if !link.is_used() || self.links[link.index()].phase != Phase::Open {
            return &mut [];
        }
        let rx = self.rx_of(link);
        self.rx[rx].space()
    }

    pub(crate) fn handle_received(&mut self, link: Link, n: usize) {
        let state = &mut self.links[link.index()];
        if link.is_used() && state.phase == Phase::Open && n > 0 {
            self.inputs |= 1 << link.index();
            let rx = self.rx_of(link);
            self.rx[rx].filled(n);
        }
    }

    /// The link has ended: regularly, or with an error in `words`.
    pub(crate) fn handle_closed(&mut self, link: Link, words: Option<&str>) {
        let i = link.index();
        if !link.is_used() || self.links[i].phase != Phase::Open {
            return;
        }
        let link = link.narrow();
        let job = self.links[i].job;
        if words.is_none() && self.http[i].ends_with_close() {
            // The regular end of a body: what is left of it is worked through, then the link is closed.
            self.http[i].end_of_stream();
            self.inputs |= 1 << i;
            return;
        }
        self.links[i].phase = Phase::Doomed;
        self.attention = true;
        let cause = match words {
            Some(words) => {
                self.note.set_lossy(words.as_bytes());
                Cause::Io
            }
            None => {
                self.note.clear();
                Cause::Eof
            }
        };
        if link == Link::WebSocket {
            let handshaken = self.http[i].status == 101;
            let reason = if handshaken {
                DisconnectReason::TransportClose
            } else {
                DisconnectReason::TransportError
            };
            self.link_failed(link, reason, cause);
        } else if job == Job::Idle && !matches!(self.state, State::Opening(_)) {
            self.links[i].reused = false;
        } else if link == Link::Poll
            && self.links[i].reused
            && self.http[i].is_fresh()
            && words.is_none()
        {
            // The server closed the idle connection just as the request went out: ask again on a new one.
            self.head.release_if(link);
            self.want_again(link);
        } else {
            self.link_failed(link, DisconnectReason::TransportError, cause);
        }
    }

    fn want_again(&mut self, link: Link) {
        self.doom(link);
        self.http[link.index()] = HttpDecoder::new();
    }

    /// The driver can write again.
    pub(crate) fn handle_writable(&mut self, link: Link) {
        self.links[link.index()].blocked = false;
    }

    fn link_failed(&mut self, link: Link, reason: DisconnectReason, cause: Cause) {
        if let State::Closing(_) = self.state {
            self.fail(reason, cause);
        } else if POLLING && link == Link::WebSocket && !self.ws_is_main {
            self.fail_upgrade(cause);
        } else {
            self.fail(reason, cause);
        }
    }

    /// Whether a packet would be written at once: nothing waits in front of it.
    pub(crate) fn is_writable(&self) -> bool {
        match self.state {
            State::Open(Transport::WebSocket) => {
                let link = &self.links[Link::WebSocket.index()];
                link.phase == Phase::Open && !link.blocked && !self.has_expired()
            }
            State::Open(Transport::Polling) if POLLING => {
                self.links[Link::Post.index()].job == Job::Idle
                    && self.upgrade != Upgrade::Pausing
                    && !self.has_expired()
            }
            _ => false,
        }
    }

    /// The receive area with held packets, and the message of the last happening.
    pub(crate) fn main_rx(&mut self) -> &mut RxBuf<'a> {
        &mut self.rx[0]
    }

    pub(crate) fn main_rx_ref(&self) -> &RxBuf<'a> {
        &self.rx[0]
    }

    /// Lends the receive area of the last happening out, with a mark for [`Self::give_back`]. Nothing may be read meanwhile.
    pub(crate) fn lend_main_rx(&mut self) -> (RxBuf<'a>, u32) {
        (
            core::mem::replace(&mut self.rx[0], RxBuf::nothing()),
            self.epoch,
        )
    }

    /// Takes the receive area back. If the session has ended meanwhile, what it held is void.
    pub(crate) fn give_back(&mut self, mut rx: RxBuf<'a>, epoch: u32) {
        if epoch != self.epoch {
            rx.clear();
            rx.shrink();
        }
        self.rx[0] = rx;
    }

    /// The message of the last happening.
    pub(crate) fn message(&self) -> &[u8] {
        self.rx[0].message()
    }

    /// Frees memory after a ping interval without packets.
    fn tidy(&mut self) {
        self.tidy_due = false;
        if core::mem::take(&mut self.active) {
            return;
        }
        self.rx[0].shrink();
        self.outbox.shrink();
        if self.ws_is_main {
            self.head.shrink();
        }
    }

    fn control_frame(&mut self, opcode: u8, payload: &[u8]) {
        let key = self.rng.mask();
        self.control.frame(opcode, payload, key);
    }
}
