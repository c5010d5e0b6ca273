//! What the engine has to tell the client: an event, or the end of the session, and the trouble behind it.

use super::{Ended, SessionEvent};
use crate::error::{Cause, DisconnectReason, Fault};

/// What has not been told yet, and the last trouble. Where a session has ended nothing else of it is told, and the trouble is
/// the one that the end, or the failed upgrade, speaks of.
#[derive(Debug)]
pub(super) struct Tidings {
    fault: Fault,
    ended: Option<Ended>,
    /// What has come of an upgrade.
    #[cfg(feature = "polling")]
    event: Option<SessionEvent>,
}

impl Tidings {
    pub(super) const fn none() -> Self {
        Self {
            fault: Fault::of(Cause::Local),
            ended: None,
            #[cfg(feature = "polling")]
            event: None,
        }
    }

    /// The last trouble.
    pub(super) const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// A trouble that is not the end yet.
    pub(super) fn trouble(&mut self, fault: Fault) {
        self.fault = fault;
    }

    /// The session has ended. If the client closed it itself (`asked`), there is no trouble.
    pub(super) fn ended(
        &mut self,
        reason: DisconnectReason,
        fault: Fault,
        opened: bool,
        asked: bool,
    ) {
        self.forget_event();
        self.ended = Some(Ended {
            reason,
            cause: fault.cause,
            opened,
            asked,
        });
        if !asked {
            self.fault = fault;
        }
    }

    /// The session goes on by polling.
    pub(super) fn upgrade_failed(&mut self, fault: Fault) {
        #[cfg(feature = "polling")]
        {
            self.event = Some(SessionEvent::UpgradeFailed(fault.cause));
        }
        self.fault = fault;
    }

    /// The session goes on by WebSocket.
    #[cfg_attr(not(feature = "polling"), allow(clippy::unused_self))]
    pub(super) const fn upgraded(&mut self) {
        #[cfg(feature = "polling")]
        {
            self.event = Some(SessionEvent::Upgraded);
        }
    }

    /// The session is being closed: its upgrade is not told of any more.
    #[cfg_attr(not(feature = "polling"), allow(clippy::unused_self))]
    pub(super) const fn forget_event(&mut self) {
        #[cfg(feature = "polling")]
        {
            self.event = None;
        }
    }

    /// Whether something is to be told before the work goes on.
    pub(super) const fn are_there(&self) -> bool {
        #[cfg(feature = "polling")]
        if self.event.is_some() {
            return true;
        }
        self.ended.is_some()
    }

    pub(super) const fn is_end(&self) -> bool {
        self.ended.is_some()
    }

    /// How the session has ended, if it has; told once.
    pub(super) const fn take_end(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    /// What is to be told of the session, once.
    #[cfg_attr(not(feature = "polling"), allow(clippy::unused_self))]
    pub(super) const fn take_event(&mut self) -> Option<SessionEvent> {
        #[cfg(feature = "polling")]
        return self.event.take();
        #[cfg(not(feature = "polling"))]
        None
    }
}
