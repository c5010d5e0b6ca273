//! The short way of most packets: where all has been done, and nothing has happened since but that a packet came or was
//! emitted on an open WebSocket, nothing else needs a look.
//!
//! It does nothing that [`Client::advance`] would not do, in the same order. Whatever may set a deadline, note something to
//! be told or have a namespace wait ends it ([`Client::unsettle`]), until all has been done again.

use super::{Client, Next, PendingEvent};
use crate::engine::{Link, Quick};
use crate::time::Instant;

/// There is no deadline.
const NEVER: Instant = Instant::from_micros(u64::MAX);

impl Client<'_> {
    /// Something has happened that may need a look at everything.
    pub(super) const fn unsettle(&mut self) {
        self.settled = false;
    }

    /// Everything has been done, up to the next deadline.
    pub(super) fn settle_until(&mut self, wake: Option<Instant>) {
        self.quiet_until = wake.unwrap_or(NEVER);
        // (Who waits to be joined may wait for room, or for what is still to be written: the one comes with the other.)
        self.settled = self.notices.is_empty()
            && !self.timers
            && !self.starved
            && self.namespaces.next_waiting(None).is_none()
            && self.namespaces.first_parted().is_none();
    }

    /// A packet has been accepted; `plain`: at most its answer is waited for, until `deadline`.
    #[inline]
    pub(super) fn packet_accepted(&mut self, plain: bool, deadline: Option<Instant>) {
        if !plain {
            self.settled = false;
            self.quiet_until = Instant::ZERO;
        } else if let Some(deadline) = deadline {
            self.quiet_until = self.quiet_until.min(deadline);
        }
    }

    /// What is to be done next, if that can be known so.
    #[inline]
    pub(super) fn advance_settled(&mut self) -> Option<Next> {
        if self.outbox.has_reports() {
            return None;
        }
        if self.engine.next_text() {
            let event = self.arrived(false);
            self.settled &= self.notices.is_empty()
                && matches!(
                    event,
                    Some(PendingEvent::Message { .. } | PendingEvent::Ack { .. })
                );
            if let Some(event) = event {
                return Some(Next::Event(event));
            }
            self.follow();
            return None;
        }
        match self.engine.quick(&mut self.outbox) {
            Quick::Transmit => Some(Next::Transmit(Link::WebSocket)),
            Quick::Idle => {
                let wake = self.quiet_until;
                Some(Next::Idle((wake != NEVER).then_some(wake)))
            }
            Quick::Other => None,
        }
    }
}
