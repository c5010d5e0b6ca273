//! How sessions begin and end: dialing, failing, closing, upgrading.

use core::time::Duration;

use super::{Engine, Goodbye, Link, POST_AREA, State, UPGRADE_AREA, Upgrade};
use crate::config::{POLLING, Transport};
use crate::error::{Cause, DisconnectReason, Fault};
use crate::wire::ws;

impl Engine<'_> {
    /// Begins a session. The engine must be down.
    pub(crate) fn open(&mut self) {
        let first = self.plan.first(&self.config);
        let deadline = self
            .config
            .connect_timeout
            .map(|timeout| self.clock.now() + timeout);
        self.dial(first, deadline, false);
    }

    pub(super) fn dial(
        &mut self,
        transport: Transport,
        deadline: Option<crate::Instant>,
        second: bool,
    ) {
        self.state = State::Opening {
            transport,
            deadline,
            second,
        };
        self.rx.ws_is_main = transport == Transport::WebSocket;
        self.plan.begin();
        self.session.id.clear();
        self.version.begin(&self.config);
        self.heartbeat.stop();
        self.polling.reset();
        self.plan.server.reset(&mut self.polling.cookies);
        self.websocket.control.clear();
        self.head.release();
        self.rx.clear(false);
        self.want(if self.rx.ws_is_main {
            Link::WebSocket
        } else {
            Link::Poll
        });
    }

    /// The handshake is answered elsewhere: the link is opened anew, and the driver says where to.
    pub(super) fn redirected(&mut self, link: Link) {
        self.close_link(link);
        self.rx.clear(false);
        self.want(link);
    }

    /// Asks the driver to open a link.
    pub(super) fn want(&mut self, link: Link) {
        let link = link.narrow();
        self.links.want(link);
        if link == Link::WebSocket {
            self.websocket.reset();
        }
        let rx = self.rx.of(link);
        self.rx.areas[rx].clear_stream();
    }

    /// [`Self::fail`] for a cause without words.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn fail_for(&mut self, reason: DisconnectReason, cause: Cause) {
        self.fail(reason, Fault::of(cause));
    }

    /// Ends the session, or the attempt, at once. The client has to be told in the same call: see
    /// [`take_ended`](Self::take_ended).
    pub(crate) fn fail(&mut self, reason: DisconnectReason, fault: Fault) {
        let opening = match self.state {
            State::Down => return,
            State::Opening {
                transport,
                deadline,
                second,
            } => Some((transport, deadline, second)),
            _ => None,
        };
        let by_websocket = opening.is_some_and(|(first, ..)| first == Transport::WebSocket);
        if reason == DisconnectReason::TransportError || by_websocket {
            self.plan.remember(false);
        }
        if opening.is_some() {
            self.version.forget();
        }
        for &link in Link::USED {
            self.close_link(link);
        }
        if POLLING
            && let Some((transport, deadline, false)) = opening
            && self.config.try_all_transports
            && !matches!(fault.cause, Cause::ConnectTimeout | Cause::Local)
        {
            let other = match transport {
                Transport::Polling => Transport::WebSocket,
                Transport::WebSocket => Transport::Polling,
            };
            if self.config.transports.allows(other) {
                self.dial(other, deadline, true);
                return;
            }
        }
        let asked = self.is_closing();
        self.state = State::Down;
        self.heartbeat.stop();
        self.polling.forget_repetition();
        self.websocket.control.clear();
        self.head.release();
        self.rx.clear(true);
        self.tidings.ended(reason, fault, opening.is_none(), asked);
    }

    /// [`Self::fail`] because of what the server has written, over links that are sound. A polling server is told that
    /// the session ends, as by the official client: without a goodbye it would keep it until its ping timeout, and have
    /// this client twice when that comes back. By WebSocket it sees the connection close.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn reject(&mut self, reason: DisconnectReason, fault: Fault) {
        if !POLLING || self.transport() != Some(Transport::Polling) {
            return self.fail(reason, fault);
        }
        self.leave();
        self.tidings.ended(reason, fault, true, false);
    }

    /// Gives up on the upgrade; polling goes on.
    pub(super) fn fail_upgrade(&mut self, fault: Fault) {
        self.abandon_upgrade();
        if let State::Open { .. } = self.state {
            self.tidings.upgrade_failed(fault);
        }
    }

    fn abandon_upgrade(&mut self) {
        self.close_link(Link::WebSocket);
        self.set_upgrade(Upgrade::None);
        self.websocket.control.clear();
        self.rx.areas[UPGRADE_AREA].clear();
        self.rx.areas[UPGRADE_AREA].shrink();
    }

    pub(super) const fn set_upgrade(&mut self, to: Upgrade) {
        if let State::Open { upgrade, .. } = &mut self.state {
            *upgrade = to;
        }
    }

    /// Says goodbye after what is ready has been written. Nothing is told about this session any more.
    pub(crate) fn close(&mut self) {
        match self.state {
            State::Down | State::Closing { .. } => (),
            State::Opening { transport, .. } => {
                self.closing(transport, Goodbye::Flush);
                self.fail_for(DisconnectReason::ForcedClose, Cause::Local);
            }
            State::Open { transport, upgrade } => {
                if POLLING && upgrade != Upgrade::None {
                    self.abandon_upgrade();
                    self.tidings.forget_event();
                }
                self.closing(transport, Goodbye::Flush);
            }
        }
    }

    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn closing(&mut self, transport: Transport, goodbye: Goodbye) {
        self.state = State::Closing {
            transport,
            deadline: self.clock.now() + self.config.close_timeout,
            goodbye,
        };
        self.heartbeat.stop();
        self.clock.look();
    }

    /// As [`Self::close`], in a hurry: another session is waited for. Without a goodbye a polling server would keep
    /// the old session until its ping timeout.
    pub(crate) fn leave(&mut self) {
        self.close();
        let hurry = self.clock.now() + self.config.close_timeout.min(Duration::from_millis(300));
        if let State::Closing { deadline, .. } = &mut self.state {
            *deadline = hurry.min(*deadline);
        }
    }

    /// Cuts the session without a goodbye and without a word to the application.
    pub(crate) fn abort(&mut self) {
        if let State::Open { transport, .. } | State::Opening { transport, .. } = self.state {
            self.closing(transport, Goodbye::Flush);
        }
        self.fail_for(DisconnectReason::ForcedClose, Cause::Local);
    }

    /// `3probe` has come and polling rests: WebSocket takes over.
    pub(super) fn commit_upgrade(&mut self) {
        let (main, rest) = self.rx.areas.split_at_mut(1);
        if !main[0].adopt(&mut rest[1]) {
            self.fail_upgrade(Fault::of(Cause::WebSocketHandshake));
            return;
        }
        self.rx.ws_is_main = true;
        self.links.set_input(Link::WebSocket, true);
        self.control_frame(ws::TEXT, b"5");
        self.close_link(Link::Poll);
        self.close_link(Link::Post);
        self.rx.areas[POST_AREA].clear();
        self.rx.areas[POST_AREA].shrink();
        self.plan.remember(true);
        self.state = State::Open {
            transport: Transport::WebSocket,
            upgrade: Upgrade::None,
        };
        self.tidings.upgraded();
    }
}
