//! How sessions begin and end: dialing, failing, closing, upgrading.

use core::time::Duration;

use super::links::Control;
use super::{Engine, Happening, Link, LinkState, Phase, State, Upgrade};
use crate::config::{POLLING, Transport};
use crate::error::{Cause, DisconnectReason};
use crate::wire::http1::HttpDecoder;
use crate::wire::ws::{self, WsDecoder};

impl Engine<'_> {
    /// Begins a session. The engine must be down.
    pub(crate) fn open(&mut self) {
        self.second_try = false;
        let remembered = self.config.remember_upgrade && self.remembered;
        let first = if remembered && self.config.transports.allows(Transport::WebSocket) {
            Transport::WebSocket
        } else {
            self.config.transports.first()
        };
        self.phase_at = self
            .config
            .connect_timeout
            .map(|patience| self.now + patience);
        self.dial(first);
    }

    pub(super) fn dial(&mut self, transport: Transport) {
        self.state = State::Opening(transport);
        self.upgrade = Upgrade::None;
        self.ws_is_main = transport == Transport::WebSocket;
        self.fresh_session = true;
        self.sid.clear();
        self.heartbeat_at = None;
        self.pong_due = false;
        self.post_pong = false;
        self.farewell = false;
        self.pongs_ahead = 0;
        self.unasked_pong_at = None;
        self.poll_skipped = None;
        self.poll_first = true;
        self.poll_ended = false;
        self.control = Control::EMPTY;
        self.head.release();
        self.epoch = self.epoch.wrapping_add(1);
        for rx in &mut self.rx {
            rx.clear();
        }
        self.want(if self.ws_is_main {
            Link::WebSocket
        } else {
            Link::Poll
        });
    }

    /// Asks the driver to open a link.
    pub(super) fn want(&mut self, link: Link) {
        let link = link.narrow();
        let state = &mut self.links[link.index()];
        // A link that is still to be closed is closed first: see `step`.
        let doomed = state.phase == Phase::Doomed;
        *state = LinkState {
            reopen: doomed,
            ..LinkState::CLOSED
        };
        self.inputs &= !(1 << link.index());
        state.phase = if doomed { Phase::Doomed } else { Phase::Wanted };
        self.http[link.index()] = HttpDecoder::new();
        if link == Link::WebSocket {
            self.ws = WsDecoder::default();
        }
        let rx = self.rx_of(link);
        self.rx[rx].clear_stream();
        self.attention = true;
    }

    pub(super) fn doom(&mut self, link: Link) {
        let link = link.narrow();
        let state = &mut self.links[link.index()];
        let phase = match state.phase {
            Phase::Closed | Phase::Wanted => Phase::Closed,
            Phase::Opening | Phase::Open | Phase::Doomed => Phase::Doomed,
        };
        *state = LinkState {
            phase,
            ..LinkState::CLOSED
        };
        self.inputs &= !(1 << link.index());
        self.head.release_if(link);
        self.attention = true;
    }

    /// The receive area a link reads into.
    pub(super) fn rx_of(&self, link: Link) -> usize {
        match link {
            _ if !POLLING => 0,
            Link::Poll => 0,
            Link::Post => 1,
            Link::WebSocket if self.ws_is_main => 0,
            Link::WebSocket => 2,
        }
    }

    /// Ends the session, or the attempt, at once.
    pub(crate) fn fail(&mut self, reason: DisconnectReason, cause: Cause) {
        if self.state == State::Down {
            return;
        }
        let opening = match self.state {
            State::Opening(transport) => Some(transport),
            _ => None,
        };
        if reason == DisconnectReason::TransportError || opening == Some(Transport::WebSocket) {
            self.remembered = false;
        }
        for &link in Link::USED {
            self.doom(link);
        }
        self.outbox.connection_lost();
        if POLLING
            && let Some(transport) = opening
            && self.config.try_all_transports
            && !self.second_try
            && !matches!(cause, Cause::ConnectTimeout | Cause::Local)
        {
            let other = match transport {
                Transport::Polling => Transport::WebSocket,
                Transport::WebSocket => Transport::Polling,
            };
            if self.config.transports.allows(other) {
                self.second_try = true;
                self.dial(other);
                return;
            }
        }
        let closing = matches!(self.state, State::Closing(_));
        self.state = State::Down;
        self.upgrade = Upgrade::None;
        self.heartbeat_at = None;
        self.phase_at = None;
        self.unasked_pong_at = None;
        self.release = None;
        self.control = Control::EMPTY;
        self.head.release();
        self.epoch = self.epoch.wrapping_add(1);
        for rx in &mut self.rx {
            rx.clear();
            rx.shrink();
        }
        if !closing {
            self.pending = Some(Happening::Closed {
                reason,
                cause,
                opened: opening.is_none(),
            });
        }
    }

    /// Gives up on the upgrade; polling goes on.
    pub(super) fn fail_upgrade(&mut self, cause: Cause) {
        self.doom(Link::WebSocket);
        self.upgrade = Upgrade::None;
        self.phase_at = None;
        self.control = Control::EMPTY;
        self.rx[2].clear();
        self.rx[2].shrink();
        if matches!(self.state, State::Open(_)) {
            self.pending = Some(Happening::UpgradeFailed(cause));
        }
    }

    /// Says goodbye after what is sendable has been written. Nothing is reported about this session any more.
    pub(crate) fn close(&mut self) {
        match self.state {
            State::Down | State::Closing(_) => return,
            State::Opening(_) => {
                self.state = State::Closing(Transport::Polling);
                self.fail(DisconnectReason::ForcedClose, Cause::Local);
                return;
            }
            State::Open(transport) => {
                if POLLING && self.upgrade != Upgrade::None {
                    self.fail_upgrade(Cause::Local);
                    self.pending = None;
                }
                if POLLING && transport == Transport::Polling {
                    let _ = self.outbox.push_engine(b"1");
                }
                self.state = State::Closing(transport);
            }
        }
        self.heartbeat_at = None;
        self.unasked_pong_at = None;
        self.phase_at = Some(self.now + self.config.close_timeout);
        self.timers = true;
    }

    /// As [`Self::close`], in a hurry: another session is waited for. Without a goodbye a polling server would keep
    /// the old session until its ping timeout.
    pub(crate) fn leave(&mut self) {
        self.outbox.hold_all();
        self.close();
        let hurry = self.now + self.config.close_timeout.min(Duration::from_millis(300));
        self.phase_at = self.phase_at.map(|at| at.min(hurry));
    }

    /// The server has sent a close frame: that is answered by one, then the link is closed (RFC 6455 section 5.5.1).
    pub(super) fn closed_by_server(&mut self, payload: &[u8], cause: Cause) {
        let ws = &self.links[Link::WebSocket.index()];
        let open = self.state == State::Open(Transport::WebSocket);
        if !open || ws.blocked || self.outbox.ws_started() || self.has_expired() {
            self.link_failed(Link::WebSocket, DisconnectReason::TransportClose, cause);
            return;
        }
        self.outbox.connection_lost();
        self.control_frame(ws::CLOSE, payload);
        self.farewell = true;
        self.pong_due = false;
        self.state = State::Closing(Transport::WebSocket);
        self.heartbeat_at = None;
        self.unasked_pong_at = None;
        self.phase_at = Some(self.now + self.config.close_timeout);
        self.pending = Some(Happening::Closed {
            reason: DisconnectReason::TransportClose,
            cause,
            opened: true,
        });
    }

    /// Cuts the session without a goodbye and without a word to the client.
    pub(crate) fn abort(&mut self) {
        if let State::Open(transport) | State::Opening(transport) = self.state {
            self.state = State::Closing(transport);
        }
        self.fail(DisconnectReason::ForcedClose, Cause::Local);
    }

    pub(super) fn send_probe(&mut self) {
        self.control_frame(ws::TEXT, b"2probe");
        self.upgrade = Upgrade::Probing;
    }

    /// `3probe` has come and polling rests: WebSocket takes over.
    pub(super) fn commit_upgrade(&mut self) {
        let (main, rest) = self.rx.split_at_mut(1);
        if !main[0].adopt(&mut rest[1]) {
            self.fail_upgrade(Cause::WebSocketHandshake);
            return;
        }
        self.ws_is_main = true;
        self.inputs |= 1 << Link::WebSocket.index();
        self.control_frame(ws::TEXT, b"5");
        self.doom(Link::Poll);
        self.doom(Link::Post);
        self.rx[1].clear();
        self.rx[1].shrink();
        self.upgrade = Upgrade::None;
        self.phase_at = None;
        self.remembered = true;
        self.state = State::Open(Transport::WebSocket);
        self.pending = Some(Happening::Upgraded);
    }
}
