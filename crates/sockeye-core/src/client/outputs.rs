//! What is to be done and told: the drain of the client.

use super::event::{Event, Outgoing, Output, Refusal, Unsent};
use super::namespaces::NspState;
use super::notices::Notice;
use super::{Client, Next, PendingEvent};
use crate::config::Transport;
use crate::engine::{Action, Link, SessionEvent};
use crate::error::{Cause, Details, DisconnectReason};
use crate::handle::NamespaceId;
use crate::packet::Text;

impl Client<'_> {
    /// The bytes to write next on `link`; empty if there are none. They stay the same until `transmitted`, but may
    /// move: do not keep the slice over another call.
    pub fn transmit(&self, link: Link) -> &[u8] {
        self.engine.transmit(&self.outbox, link)
    }

    /// `n` bytes of [`transmit`](Self::transmit) have been written. Zero: the link takes nothing now; `Transmit` is
    /// not asked for again before [`handle_writable`](Self::handle_writable).
    pub fn transmitted(&mut self, link: Link, n: usize) {
        self.engine.transmitted(&mut self.outbox, link, n);
    }

    /// What to do next. Ends with [`Output::Idle`] in a bounded number of calls.
    // In line where speed counts more than flash: as far as nothing has to be done.
    #[cfg_attr(feature = "alloc", inline)]
    pub fn poll_output(&mut self) -> Output<'_> {
        #[cfg(feature = "alloc")]
        if let Some(wake) = self.rests() {
            return Output::Idle(wake);
        }
        self.next_output()
    }

    #[cfg_attr(feature = "alloc", inline(never))]
    fn next_output(&mut self) -> Output<'_> {
        match self.advance() {
            Next::Open(link) => Output::Open(link),
            Next::Transmit(link) => Output::Transmit(link),
            Next::Close(link) => Output::Close(link),
            Next::Event(event) => Output::Event(self.borrow(event)),
            Next::Idle(wake) => Output::Idle(wake),
        }
    }

    /// Lets go of what the last event borrowed.
    #[cfg_attr(feature = "alloc", inline)]
    pub(super) fn release(&mut self) {
        self.release_received();
        self.outbox.told();
    }

    pub(super) fn advance(&mut self) -> Next {
        self.release();
        if self.agenda.is_settled()
            && let Some(next) = self.advance_settled()
        {
            return next;
        }
        self.agenda.break_off();
        loop {
            if self.agenda.take_timers() {
                self.check_timers();
            }
            if !self.agenda.notices.is_empty() {
                // What has failed is closed before it is told.
                if let Some(Notice::Closed { reason, .. }) = self.agenda.notices.first()
                    && reason != DisconnectReason::ForcedClose
                    && let Some(link) = self.engine.next_close()
                {
                    return Next::Close(link);
                }
                if let Some(event) = self.next_notice() {
                    return Next::Event(event);
                }
            }
            let waiting = !self.agenda.notices.is_empty();
            if let Some((packet, nsp)) = self.outbox.next_report() {
                return Next::Event(PendingEvent::Outgoing { nsp, packet });
            }
            #[cfg(feature = "alloc")]
            if self.engine.next_text() {
                if let Some(event) = self.arrived(false) {
                    return Next::Event(event);
                }
                self.follow();
                continue;
            }
            match self.engine.step(&mut self.outbox) {
                Action::Open(link) => return Next::Open(link),
                Action::Transmit(link) => return Next::Transmit(link),
                Action::Close(link) => return Next::Close(link),
                Action::Event(event) => {
                    if let Some(event) = self.session_event(event) {
                        return Next::Event(event);
                    }
                    self.follow();
                }
                Action::Ended => self.follow(),
                Action::Idle => {
                    // Notices that wait until the driver reads again are not waited for.
                    if !self.settle() && (waiting || self.agenda.notices.is_empty()) {
                        let wake = self.wake();
                        let settled = self.is_settled();
                        self.agenda.begin(wake, settled);
                        return Next::Idle(wake);
                    }
                }
            }
        }
    }

    /// Whether nobody waits to be joined or told.
    fn is_settled(&self) -> bool {
        // (Who waits to be joined may wait for room, or for what is still to be written: the one comes with the other.)
        self.agenda.notices.is_empty()
            && !self.acks.is_starved()
            && self.namespaces.next_waiting(None).is_none()
            && self.namespaces.first_parted().is_none()
    }

    pub(super) fn session_event(&mut self, event: SessionEvent) -> Option<PendingEvent> {
        match event {
            SessionEvent::Opened => Some(self.opened()),
            SessionEvent::Message { binary } => self.arrived(binary),
            SessionEvent::MessageTooLarge { binary, bytes } => {
                self.message_too_large(binary, bytes)
            }
            SessionEvent::Ping => Some(PendingEvent::Ping),
            SessionEvent::Upgraded => Some(PendingEvent::Upgraded),
            SessionEvent::UpgradeFailed(cause) => Some(PendingEvent::UpgradeFailed(cause)),
        }
    }

    /// The next event that was noted.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn next_notice(&mut self) -> Option<PendingEvent> {
        while let Some(notice) = self.agenda.notices.first() {
            let event = match notice {
                Notice::FailedAcks => match self.acks.next_failed() {
                    // It stays until none is left.
                    Some((id, error)) => return Some(PendingEvent::AckFailed { id, error }),
                    None => None,
                },
                Notice::Unsent => match self.outbox.next_given_up() {
                    Some((packet, nsp, cause)) => {
                        return Some(PendingEvent::Unsent { nsp, packet, cause });
                    }
                    None => None,
                },
                #[cfg(feature = "offline")]
                Notice::Dropped(nsp) => self.namespaces.get_mut(nsp).map(|entry| {
                    let count = core::mem::take(&mut entry.dropped);
                    PendingEvent::Dropped { nsp, count }
                }),
                // Its events are told when the driver reads again, and the join behind them.
                Notice::Connected { nsp, .. }
                    if self.engine.is_reading_paused() && self.has_deferred(nsp) =>
                {
                    return None;
                }
                Notice::Connected { nsp, join } => match self.next_of_join(nsp, join) {
                    Some(event @ PendingEvent::Message { .. }) => return Some(event),
                    other => other,
                },
                other => self.still_true(other).map(PendingEvent::Noted),
            };
            self.agenda.notices.done();
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// What a notice tells by itself, if it is still to be told.
    fn still_true(&self, mut notice: Notice) -> Option<Notice> {
        match &mut notice {
            // A command may have changed the plan meanwhile.
            Notice::Closed { retry, .. } => {
                *retry &= self.agenda.reconnect.is_waiting() || self.agenda.reconnect.dial;
            }
            Notice::Auth(nsp) => {
                let entry = self.namespaces.get(*nsp)?;
                return (entry.state() == NspState::Asked).then_some(notice);
            }
            Notice::Disconnected { nsp, .. } | Notice::NoAnswer { nsp, .. } => {
                self.namespaces.get(*nsp)?;
            }
            #[cfg(feature = "eio3")]
            Notice::NoAuth(nsp) => {
                self.namespaces.get(*nsp)?;
            }
            _ => (),
        }
        Some(notice)
    }

    /// Events that came before the CONNECT reply are told first, then the join.
    fn next_of_join(&mut self, nsp: NamespaceId, join: u32) -> Option<PendingEvent> {
        self.namespaces
            .get(nsp)
            .filter(|entry| entry.is_joined() && entry.join == join)?;
        if let Some(event) = self.next_deferred(nsp) {
            return Some(event);
        }
        let recovered = self.is_recovered(nsp);
        Some(PendingEvent::Connected { nsp, recovered })
    }

    pub(super) fn details(&self, cause: Cause) -> Details<'_> {
        Details {
            cause,
            text: self.engine.fault().text_for(cause),
        }
    }

    fn borrow(&mut self, event: PendingEvent) -> Event<'_> {
        match event {
            PendingEvent::Opened => Event::Opened {
                transport: self.engine.transport().unwrap_or(Transport::Polling),
                sid: self.engine.sid().unwrap_or(""),
            },
            PendingEvent::Upgraded => Event::Upgraded,
            PendingEvent::UpgradeFailed(cause) => Event::UpgradeFailed(self.details(cause)),
            PendingEvent::ConnectError { nsp, message, data } => {
                let text = core::str::from_utf8(self.engine.message()).unwrap_or("");
                let data = (!data.is_empty()).then(|| data.of(text));
                Event::ConnectError(Refusal {
                    nsp,
                    message: Text::from_raw(message.of(text)),
                    data,
                })
            }
            PendingEvent::Message { nsp } => Event::Message(self.view(nsp)),
            PendingEvent::Ack { id } => Event::Ack {
                id,
                result: Ok(self.view_args()),
            },
            PendingEvent::Noted(notice) => {
                let text = notice.cause().map(|cause| self.details(cause).text);
                notice.event(text.unwrap_or_default())
            }
            PendingEvent::Outgoing { nsp, packet } => {
                #[cfg(feature = "msgpack")]
                self.outbox.show(packet);
                let outbox = &self.outbox;
                Event::Outgoing(Outgoing {
                    nsp,
                    data: outbox.json(packet).0,
                    outbox,
                    packet,
                })
            }
            PendingEvent::Unsent { nsp, packet, cause } => {
                #[cfg(feature = "msgpack")]
                self.outbox.show(packet);
                let (json, bytes) = self.outbox.json(packet);
                Event::Unsent(Unsent {
                    nsp,
                    event: name_in(json),
                    bytes,
                    cause,
                })
            }
            PendingEvent::MessageTooLarge { bytes } => Event::MessageTooLarge {
                bytes,
                limit: self.largest(),
            },
            other => other.plain(),
        }
    }

    /// Bytes of the largest packet that can be received.
    pub(super) fn largest(&self) -> usize {
        self.engine
            .main_rx_ref()
            .capacity()
            .min(self.engine.config().limits.receive)
    }

    /// Which join of the namespace is current.
    pub(super) fn join_of(&self, nsp: NamespaceId) -> u32 {
        self.namespaces.get(nsp).map_or(0, |entry| entry.join)
    }
}

impl Notice {
    /// The cause, of those that have one.
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Self::Closed { cause, .. } | Self::Disconnected { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// What is told by itself; `text` belongs to the cause.
    pub(super) fn event(self, text: &str) -> Event<'_> {
        match self {
            Self::Disconnected { nsp, reason, cause } => Event::Disconnected {
                nsp,
                reason,
                details: Details { cause, text },
            },
            Self::Closed {
                reason,
                cause,
                opened,
                retry,
            } => Event::Closed {
                reason,
                details: Details { cause, text },
                opened,
                retry,
            },
            Self::NoAnswer { nsp, old: false } => Event::ConnectError(Refusal::no_answer(nsp)),
            Self::NoAnswer { nsp, old: true } => Event::ConnectError(Refusal::old_server(nsp)),
            #[cfg(feature = "eio3")]
            Self::NoAuth(nsp) => Event::ConnectError(Refusal::no_auth(nsp)),
            Self::Auth(nsp) => Event::Auth(nsp),
            Self::Reconnecting { attempt, delay } => Event::Reconnecting {
                attempt,
                delay: delay.into(),
            },
            Self::ReconnectAttempt(n) => Event::ReconnectAttempt(n),
            Self::Reconnected(n) => Event::Reconnected(n),
            // All others stand for more than themselves, and are never told as they are.
            _ => Event::ReconnectFailed,
        }
    }
}

impl PendingEvent {
    /// The events that borrow nothing.
    pub(super) fn plain<'c>(self) -> Event<'c> {
        match self {
            Self::Upgraded => Event::Upgraded,
            Self::Connected { nsp, recovered } => Event::Connected { nsp, recovered },
            Self::IdTooLong { nsp } => Event::ConnectError(Refusal::id_too_long(nsp)),
            Self::AckFailed { id, error } => Event::Ack {
                id,
                result: Err(error),
            },
            #[cfg(feature = "offline")]
            Self::Dropped { nsp, count } => Event::Dropped { nsp, count },
            // All others borrow.
            _ => Event::Ping,
        }
    }
}

/// The event's name in the JSON array of a packet; empty if it is a number.
pub(super) fn name_in(json: &str) -> Text<'_> {
    let first = crate::packet::json::array_items(json).next();
    first
        .and_then(crate::packet::json::as_str)
        .unwrap_or_default()
}
