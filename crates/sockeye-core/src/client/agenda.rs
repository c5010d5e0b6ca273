//! Whether anything may have to be done, known without a look: no deadline comes before a moment, and where nothing has
//! happened but that a packet came or was emitted on an open WebSocket, nothing else needs a look (the short way of most
//! packets).
//!
//! The short way does nothing that [`Client::advance`] would not do, in the same order. Whatever may set a deadline, note
//! something to be told or have a namespace wait ends it ([`Agenda::end`]), until all has been done again.

#[cfg(feature = "alloc")]
use super::PendingEvent;
use super::backoff::Reconnect;
use super::notices::{Notice, Notices};
use super::{Client, Next};
#[cfg(feature = "alloc")]
use crate::engine::SessionEvent;
use crate::engine::{Link, Quick};
use crate::memory::Table;
use crate::time::Instant;

/// There is no deadline.
const NEVER: Instant = Instant::from_micros(u64::MAX);

/// What there is to do beside working on what comes: to tell, to dial again, to look at deadlines; or nothing of that, and
/// until when.
#[derive(Debug)]
pub(super) struct Agenda<'a> {
    pub(super) notices: Notices<'a>,
    pub(super) reconnect: Reconnect,
    /// Timers of namespaces and acks need a look.
    timers: bool,
    /// No deadline comes before; zero as soon as anything but reading has happened.
    until: Instant,
    /// Nothing but packets that come and go on an open WebSocket has happened since all was done: `until` is still the next
    /// deadline, and nobody waits to be joined or told.
    settled: bool,
}

impl<'a> Agenda<'a> {
    pub(super) const fn new(notices: Table<'a, Notice>) -> Self {
        Self {
            notices: Notices::new(notices),
            reconnect: Reconnect::NONE,
            timers: false,
            until: Instant::ZERO,
            settled: false,
        }
    }

    /// Whether nothing is to be told, and no session is planned.
    pub(super) fn is_empty(&self) -> bool {
        !self.reconnect.dial && !self.reconnect.is_waiting() && self.notices.is_empty()
    }

    /// Timers of namespaces and acks need a look.
    pub(super) const fn look_at_timers(&mut self) {
        self.timers = true;
    }

    /// Whether they needed one, which they get now.
    pub(super) const fn take_timers(&mut self) -> bool {
        core::mem::replace(&mut self.timers, false)
    }

    /// Whether no deadline comes up to `now`.
    #[inline]
    pub(super) fn lasts(&self, now: Instant) -> bool {
        now < self.until
    }

    /// Everything is looked at from here on.
    pub(super) const fn break_off(&mut self) {
        self.end();
        self.until = Instant::ZERO;
    }

    /// Something has happened that may need a look at everything, but set no deadline.
    #[inline]
    pub(super) const fn end(&mut self) {
        self.settled = false;
    }

    /// Everything has been done, up to the next deadline; `settled`: and nobody waits to be joined or told.
    pub(super) fn begin(&mut self, wake: Option<Instant>, settled: bool) {
        self.until = wake.unwrap_or(NEVER);
        self.settled = settled && !self.timers;
    }

    /// A packet has been accepted; `plain`: at most its answer is waited for, until `deadline`.
    #[inline]
    pub(super) fn packet_accepted(&mut self, plain: bool, deadline: Option<Instant>) {
        if !plain {
            self.break_off();
        } else if let Some(deadline) = deadline {
            self.until = self.until.min(deadline);
        }
    }

    /// Whether the short way is open.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.settled && self.notices.is_empty()
    }

    /// The short way stays open only so, and if nothing is to be told.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn keep(&mut self, on: bool) {
        self.settled &= on && self.notices.is_empty();
    }

    /// The next deadline.
    #[inline]
    fn wake(&self) -> Option<Instant> {
        (self.until != NEVER).then_some(self.until)
    }
}

impl Client<'_> {
    /// The next deadline, if there is nothing to do until then: as it mostly is after a write, or an answer.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn rests(&mut self) -> Option<Option<Instant>> {
        let rests = !self.engine.has_inputs()
            && self.agenda.is_settled()
            && !self.outbox.has_reports()
            && self.engine.rests(&self.outbox);
        if !rests {
            return None;
        }
        self.release();
        Some(self.agenda.wake())
    }

    /// What is to be done next, if that can be known so.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn advance_settled(&mut self) -> Option<Next> {
        loop {
            if self.outbox.has_reports() {
                return None;
            }
            if !self.engine.has_inputs() {
                break;
            }
            let binary = if self.engine.next_text() {
                false
            } else {
                match self.engine.next_message(&mut self.outbox) {
                    Some(SessionEvent::Message { binary }) => binary,
                    Some(other) => {
                        self.agenda.break_off();
                        let event = self.session_event(other);
                        if event.is_none() {
                            self.follow();
                        }
                        return event.map(Next::Event);
                    }
                    None => break,
                }
            };
            let event = self.arrived(binary);
            // Nothing else comes of an event or an answer, and nothing yet of one whose attachments are to come.
            self.agenda.keep(match &event {
                Some(event) => matches!(
                    event,
                    PendingEvent::Message { .. } | PendingEvent::Ack { .. }
                ),
                None => self.inbound.is_partial(),
            });
            if let Some(event) = event {
                return Some(Next::Event(event));
            }
            if !self.agenda.is_settled() {
                self.follow();
                return None;
            }
        }
        self.settled_output()
    }

    /// What is to be done next, if that can be known so. Where flash is scarce, what comes goes the long way, and what is
    /// emitted the short one.
    #[cfg(not(feature = "alloc"))]
    pub(super) fn advance_settled(&mut self) -> Option<Next> {
        if self.outbox.has_reports() || self.engine.has_inputs() {
            return None;
        }
        self.settled_output()
    }

    /// What is to be done when nothing has come.
    #[inline]
    fn settled_output(&mut self) -> Option<Next> {
        match self.engine.quick(&mut self.outbox) {
            Quick::Transmit => Some(Next::Transmit(Link::WebSocket)),
            Quick::Idle => Some(Next::Idle(self.agenda.wake())),
            Quick::Other => None,
        }
    }
}
