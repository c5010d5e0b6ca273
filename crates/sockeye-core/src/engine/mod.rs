//! One Engine.IO session on one to three links: handshake, polling, WebSocket, upgrade, heartbeat, close.
//!
//! ```text
//! Down -> Opening -> Open(polling) -> [upgrade: Dialing -> Probing -> Pausing] -> Open(websocket)
//!            |            |                                                           |
//!            +------------+---------> Closing -> Down <-------------------------------+
//! ```
//! `mod.rs` holds the state and the drain, `inputs.rs` what the driver tells, `lifecycle.rs` begin and end of sessions and the upgrade, `receive.rs` HTTP
//! responses and Engine.IO packets, `websocket.rs` frames, `transmit.rs` requests and writes, `link.rs` the byte
//! streams, `heartbeat.rs` pings and pongs, `polling/` what only long-polling needs, `redirect.rs` a handshake that is
//! answered elsewhere, `version.rs` what is different in Engine.IO 3. What several of them need has owners of its own: `clock.rs` the time, `tidings.rs` what is
//! to be told, `plan.rs` what counts from the next connection on. The packets to send lie in the outbox, which the client lends.

mod clock;
mod compression;
mod heartbeat;
mod inputs;
mod lifecycle;
mod link;
mod plan;
mod polling;
mod receive;
mod redirect;
mod tidings;
mod transmit;
mod version;
mod websocket;

use crate::config::{Config, POLLING, Transport};
use crate::error::{Cause, DisconnectReason, Fault};
use crate::id::Id;
use crate::memory::{Bytes, RxBuf};
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use clock::Clock;
use heartbeat::Heartbeat;
pub use link::Link;
use link::{Job, Links, Phase};
use plan::Plan;
use polling::Polling;
#[cfg(feature = "redirects")]
pub use redirect::{Redirect, Server};
use tidings::Tidings;
use transmit::Head;
use version::Version;
pub(crate) use websocket::Quick;
use websocket::WebSocket;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    /// Until the handshake's `open` packet.
    Opening {
        transport: Transport,
        deadline: Option<Instant>,
        /// The other transport has been tried before in this attempt.
        second: bool,
    },
    Open {
        transport: Transport,
        upgrade: Upgrade,
    },
    /// Goodbye is being said.
    Closing {
        transport: Transport,
        deadline: Instant,
        goodbye: Goodbye,
    },
}

// (The mark of the variant would be as wide as a time otherwise.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Upgrade {
    None,
    /// The WebSocket is being connected, then its HTTP handshake runs.
    Dialing(Instant),
    /// `2probe` has been sent.
    Probing(Instant),
    /// `3probe` has come: no new polling request; `5` follows when the running ones have ended.
    Pausing(Instant),
}

impl Upgrade {
    const fn deadline(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Dialing(at) | Self::Probing(at) | Self::Pausing(at) => Some(at),
        }
    }
}

/// How a session is being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    /// What is ready is written first, then the goodbye.
    Flush,
    /// The goodbye is on its way.
    Said,
    /// The server has closed the WebSocket: only the answer to that is still to be written.
    Answer,
}

/// What the engine tells the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    /// The handshake is done.
    Opened,
    /// A Socket.IO packet's text, or an attachment, is in [`Engine::message`]. It is released by the next step.
    Message {
        binary: bool,
    },
    /// A message was too large to receive and has been skipped.
    MessageTooLarge {
        binary: bool,
        bytes: u64,
    },
    Ping,
    #[cfg_attr(not(feature = "polling"), allow(dead_code))]
    Upgraded,
    #[cfg_attr(not(feature = "polling"), allow(dead_code))]
    UpgradeFailed(Cause),
}

/// How a session, or the attempt at one, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) reason: DisconnectReason,
    pub(crate) cause: Cause,
    /// There was a session: not only an attempt at one.
    pub(crate) opened: bool,
    /// The client closed it itself: nothing is to be told.
    pub(crate) asked: bool,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Open(Link),
    Transmit(Link),
    Close(Link),
    Event(SessionEvent),
    /// The session has ended: see [`Engine::take_ended`].
    Ended,
    Idle,
}

/// How many receive areas there are: without polling the main one is that of the WebSocket.
pub(crate) const AREAS: usize = if POLLING { 3 } else { 1 };
/// That of POST answers.
const POST_AREA: usize = if POLLING { 1 } else { 0 };
/// That of a WebSocket before it takes over.
const UPGRADE_AREA: usize = if POLLING { 2 } else { 0 };

/// The receive areas.
#[derive(Debug)]
struct Receiver<'a> {
    /// Main (polling GET, then WebSocket), POST answers, WebSocket before it takes over.
    areas: [RxBuf<'a>; AREAS],
    /// The WebSocket reads into the main area.
    ws_is_main: bool,
    /// A message lies in this area until the next step.
    release: Option<usize>,
    /// Counts how often the areas have been cleared.
    epoch: u32,
}

impl Receiver<'_> {
    /// The area a link reads into.
    const fn of(&self, link: Link) -> usize {
        match link {
            _ if !POLLING => 0,
            Link::Poll => 0,
            Link::Post => POST_AREA,
            Link::WebSocket if self.ws_is_main => 0,
            Link::WebSocket => UPGRADE_AREA,
        }
    }

    /// A session begins or ends.
    fn clear(&mut self, shrink: bool) {
        self.release = None;
        self.epoch = self.epoch.wrapping_add(1);
        for area in &mut self.areas {
            area.clear();
            if shrink {
                area.shrink();
            }
        }
    }
}

/// What the handshake said.
#[derive(Debug)]
struct Session {
    id: Id,
    /// Bytes of one POST body that the server accepts; 0 if it did not say.
    max_payload: usize,
    /// Packets have travelled since the last ping; memory is looked through after a ping without any.
    active: bool,
    tidy_due: bool,
}

#[derive(Debug)]
pub(crate) struct Engine<'a> {
    config: Config<'a>,
    rng: Rng,
    clock: Clock,
    state: State,
    tidings: Tidings,
    links: Links,
    rx: Receiver<'a>,
    head: Head<'a>,
    websocket: WebSocket,
    polling: Polling,
    heartbeat: Heartbeat,
    session: Session,
    version: Version,
    plan: Plan<'a>,
}

impl<'a> Engine<'a> {
    /// An engine that is down, with the buffer for request heads and the receive areas (main, POST answers, WebSocket
    /// handshake).
    pub(crate) fn new(config: Config<'a>, head: Bytes<'a>, areas: [RxBuf<'a>; AREAS]) -> Self {
        Self {
            rng: Rng::new(config.entropy),
            config,
            clock: Clock::START,
            state: State::Down,
            tidings: Tidings::none(),
            links: Links::CLOSED,
            rx: Receiver {
                areas,
                ws_is_main: false,
                release: None,
                epoch: 0,
            },
            head: Head::new(head),
            websocket: WebSocket::new(),
            polling: Polling::NEW,
            heartbeat: Heartbeat::STOPPED,
            session: Session {
                id: Id::EMPTY,
                max_payload: 0,
                active: false,
                tidy_due: false,
            },
            version: Version::NEW,
            plan: Plan::NONE,
        }
    }

    // ---- getters ----

    pub(crate) const fn config(&self) -> &Config<'a> {
        &self.config
    }

    pub(crate) const fn config_mut(&mut self) -> &mut Config<'a> {
        &mut self.config
    }

    pub(crate) const fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The last trouble.
    pub(crate) const fn fault(&self) -> &Fault {
        self.tidings.fault()
    }

    pub(crate) const fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    pub(crate) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub(crate) fn sid(&self) -> Option<&str> {
        self.is_open().then(|| self.session.id.as_str())
    }

    /// Bytes of one message that the server said it accepts; 0 if it did not say.
    pub(crate) const fn max_payload(&self) -> usize {
        if self.is_open() {
            self.session.max_payload
        } else {
            0
        }
    }

    /// The transport packets travel on now.
    pub(crate) const fn transport(&self) -> Option<Transport> {
        match self.state {
            State::Open { transport, .. } => Some(transport),
            _ => None,
        }
    }

    const fn upgrade(&self) -> Upgrade {
        match self.state {
            State::Open { upgrade, .. } if POLLING => upgrade,
            _ => Upgrade::None,
        }
    }

    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(crate) fn set_query(&mut self, query: crate::config::Str<'a>) {
        self.plan.set_query(query);
    }

    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(crate) fn set_headers(&mut self, headers: crate::config::Str<'a>) {
        self.plan.set_headers(headers);
    }

    // ---- time ----

    pub(crate) fn advance_clock(&mut self, now: Instant) {
        self.clock.advance(now);
    }

    /// Moves the clock, when it is known that no deadline comes before `now`.
    pub(crate) fn set_clock(&mut self, now: Instant) {
        self.clock.skip(now);
    }

    /// A deadline may have come, although the clock stands.
    pub(crate) const fn look_at_timers(&mut self) {
        self.clock.look();
    }

    /// The next deadline.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let phase = match self.state {
            State::Down => None,
            State::Opening { deadline, .. } => deadline,
            State::Open { upgrade, .. } if POLLING => upgrade.deadline(),
            State::Open { .. } => None,
            State::Closing { deadline, .. } => Some(deadline),
        };
        let wake = earliest(self.heartbeat.wake(), phase);
        if POLLING {
            let repeats = self.polling.repeats_at(self.clock.now());
            earliest(earliest(wake, self.links.deadline()), repeats)
        } else {
            wake
        }
    }

    /// The driver stops or resumes reading, because the application is slow.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(crate) fn set_reading_paused(&mut self, paused: bool) {
        if self.heartbeat.set_paused(self.clock.now(), paused) {
            self.clock.look();
        }
    }

    /// Whether the driver does not read.
    pub(crate) const fn is_reading_paused(&self) -> bool {
        self.heartbeat.is_paused()
    }

    fn check_timers(&mut self) {
        let now = self.clock.now();
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        self.heartbeat.check(now);
        if self.heartbeat.has_expired(now) {
            self.fail_for(DisconnectReason::PingTimeout, Cause::PingTimeout);
            return;
        }
        match self.state {
            State::Opening { deadline, .. } if due(deadline) => {
                self.fail_for(DisconnectReason::TransportError, Cause::ConnectTimeout);
                return;
            }
            State::Closing { deadline, .. } if due(Some(deadline)) => {
                self.fail_for(DisconnectReason::ForcedClose, Cause::Local);
                return;
            }
            State::Open { upgrade, .. } if POLLING && due(upgrade.deadline()) => {
                self.fail_upgrade(Fault::of(Cause::ConnectTimeout));
                return;
            }
            _ => (),
        }
        if POLLING && due(self.links.deadline()) {
            self.fail_for(DisconnectReason::TransportError, Cause::RequestTimeout);
        }
    }

    // ---- outputs ----

    /// How the session has ended, if it has; told once. Whatever depends on it has to follow in the same call.
    pub(crate) const fn take_ended(&mut self) -> Option<Ended> {
        self.tidings.take_end()
    }

    /// The next link that the driver is to close.
    pub(crate) fn next_close(&mut self) -> Option<Link> {
        self.links.next_close()
    }

    /// One thing to do, or `Idle`.
    pub(crate) fn step(&mut self, outbox: &mut Outbox<'_>) -> Action {
        loop {
            if let Some(rx) = self.rx.release.take() {
                self.rx.areas[rx].drop_message();
            }
            if self.clock.take_due() {
                self.check_timers();
            }
            if self.tidings.is_end() {
                return Action::Ended;
            }
            if let Some(link) = self.links.next_close() {
                return Action::Close(link);
            }
            if let Some(event) = self.tidings.take_event() {
                return Action::Event(event);
            }
            if let Some(link) = self.links.next_open() {
                return Action::Open(link);
            }
            if self.is_down() {
                return Action::Idle;
            }
            if let Some(event) = self.receive(outbox) {
                return Action::Event(event);
            }
            if self.is_interrupted() || self.work(outbox) || self.is_interrupted() {
                continue;
            }
            for &link in Link::USED {
                let state = &self.links[link];
                if state.phase == Phase::Open && !state.blocked && self.has_output(outbox, link) {
                    return Action::Transmit(link);
                }
            }
            if self.session.tidy_due {
                self.tidy(outbox);
            }
            return Action::Idle;
        }
    }

    /// Whether something has to be told before the work goes on.
    const fn is_interrupted(&self) -> bool {
        self.tidings.are_there() || self.links.changed
    }

    /// Whether a packet would be written at once: nothing waits in front of it.
    pub(crate) fn is_writable(&self) -> bool {
        match self.state {
            State::Open {
                transport: Transport::WebSocket,
                ..
            } => {
                let link = &self.links[Link::WebSocket];
                link.phase == Phase::Open && !link.blocked && !self.has_expired()
            }
            State::Open {
                transport: Transport::Polling,
                upgrade,
            } if POLLING => {
                self.links[Link::Post].job == Job::Idle
                    && !matches!(upgrade, Upgrade::Pausing(_))
                    && !self.has_expired()
            }
            _ => false,
        }
    }

    /// Whether the heartbeat's deadline has passed, timers or not: the connection is as good as dead.
    pub(crate) fn has_expired(&self) -> bool {
        self.heartbeat.has_expired(self.clock.now())
    }

    /// The receive area with held packets, and the message of the last event.
    pub(crate) const fn main_rx(&mut self) -> &mut RxBuf<'a> {
        &mut self.rx.areas[0]
    }

    pub(crate) const fn main_rx_ref(&self) -> &RxBuf<'a> {
        &self.rx.areas[0]
    }

    /// Lends the receive area of the last event out, with a mark for [`Self::give_back`]. Nothing may be read meanwhile.
    pub(crate) fn lend_main_rx(&mut self) -> (RxBuf<'a>, u32) {
        (
            core::mem::replace(self.main_rx(), RxBuf::nothing()),
            self.rx.epoch,
        )
    }

    /// Takes the receive area back. If the session has ended meanwhile, what it held is void.
    pub(crate) fn give_back(&mut self, rx: &mut RxBuf<'a>, epoch: u32) {
        core::mem::swap(self.main_rx(), rx);
        if epoch != self.rx.epoch {
            let rx = self.main_rx();
            rx.clear();
            rx.shrink();
        }
    }

    /// The message of the last event.
    pub(crate) fn message(&self) -> &[u8] {
        self.main_rx_ref().message()
    }

    /// What the handshake needed is given back when everything has been worked through: most connections have little to do
    /// after it.
    #[cfg(feature = "alloc")]
    pub(crate) const fn tidy_soon(&mut self) {
        self.session.tidy_due = true;
        self.session.active = false;
    }

    /// Frees memory after a ping interval without packets.
    fn tidy(&mut self, outbox: &mut Outbox<'_>) {
        self.session.tidy_due = false;
        if core::mem::take(&mut self.session.active) {
            return;
        }
        self.main_rx().shrink();
        self.websocket.compression.tidy();
        outbox.shrink();
        #[cfg(feature = "alloc")]
        self.websocket.control.shrink();
        if self.rx.ws_is_main {
            self.head.shrink();
        }
    }
}
