//! Events of the core: who is told, and what follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_core::{Cause, Details, DisconnectReason, Event, NamespaceId};

use super::pending_acks::PendingAcks;
use super::slots::Slots;
use crate::client::ack::AckError;
use crate::client::args::Args;
use crate::client::error::{ConnectError, ConnectErrorKind, Disconnected, Notice};
use crate::dispatch::{Answer, Batch};
use crate::inbox::Shared;
use crate::namespace::Status;
use crate::net::DialErrorKind;
use crate::net::failure::LinkFailures;

/// What an event needs from the driver, beside the core that it borrows.
pub(super) struct EventContext<'d> {
    pub(super) shared: &'d Arc<Shared>,
    pub(super) slots: &'d mut Slots,
    pub(super) acks: &'d mut PendingAcks,
    pub(super) batch: &'d mut Batch,
    /// Whether the connection that was lost last is tried again.
    pub(super) retrying: &'d mut bool,
    pub(super) failures: LinkFailures<'d>,
}

/// What is to be done with the core after an event.
pub(super) enum FollowUp {
    Auth(NamespaceId),
    /// Events of a namespace come before it is told that it is joined.
    Early(NamespaceId),
    Joined(NamespaceId),
    /// What handles see of the namespace is out of date.
    Status(NamespaceId),
    /// The server has pinged.
    Pinged,
    /// These are not to be tried again.
    GiveUp(Vec<NamespaceId>),
}

/// Whether trying again is of no use: the answer came from something that is not a Socket.IO server, or will not have us.
fn is_definitive(cause: Cause) -> bool {
    match cause {
        Cause::Http { status, .. } => {
            (400..500).contains(&status) && !matches!(status, 408 | 425 | 429)
        }
        Cause::Redirect(_)
        | Cause::Html(_)
        | Cause::BadHttp(_)
        | Cause::NotEngineIo
        | Cause::OldServer
        | Cause::WebSocketHandshake
        | Cause::HeadTooLong => true,
        _ => false,
    }
}

impl EventContext<'_> {
    /// Tells what concerns the whole connection.
    fn tell(&mut self, notice: Notice) {
        if let Some(manager) = self.shared.known_manager() {
            self.batch.notice(manager, &notice);
        }
    }

    /// Passes one event of the core on.
    pub(super) fn event(&mut self, event: Event<'_>) -> Option<FollowUp> {
        match event {
            Event::Message(message) => {
                let slot = self.slots.of_core(message.nsp)?;
                let early = !slot.joined;
                self.batch.message(&slot.shared, &message);
                // Events that came before the reply are delivered as connected.
                return early.then_some(FollowUp::Early(message.nsp));
            }
            Event::Ack { id, result } => {
                if let Some((index, sender)) = self.acks.take(id) {
                    let result = result
                        .map(|args| Args::from_ref(&args))
                        .map_err(AckError::from);
                    if matches!(&result, Err(error) if !error.sent()) {
                        sender.is_not_sent();
                    }
                    let answer = Answer::Ack(sender, result);
                    match self.slots.get(index) {
                        Some(slot) => self.batch.answer(&slot.shared, answer),
                        None => answer.send(),
                    }
                }
            }
            Event::Outgoing(outgoing) => {
                let slot = self.slots.of_core(outgoing.nsp())?;
                self.batch.outgoing(&slot.shared, &outgoing);
            }
            Event::Unsent(unsent) => {
                let event = unsent.event.to_cow().into_owned();
                let (bytes, cause) = (unsent.bytes, unsent.cause);
                tracing::warn!(event, bytes, %cause, "an event was given up");
                self.shared.gave_up.store(true, Ordering::Release);
                let line = format!("{event} was not sent: {cause}");
                let notice = Notice::Unsent {
                    event,
                    bytes,
                    cause,
                };
                match self.slots.of_core(unsent.nsp) {
                    Some(slot) => self.batch.notice(&slot.shared, &notice),
                    // The namespace has no handles any more, and none who listens: those of the connection are told.
                    None => {
                        self.tell(notice);
                        let error = ConnectError::new(ConnectErrorKind::Closed, line);
                        self.tell(Notice::ConnectError(error));
                    }
                }
            }
            Event::Opened { transport, .. } => {
                // (Whoever knows the session's id may take part in it: it is not logged.)
                tracing::debug!(transport = transport.name(), "connected to the server");
                self.shared.set_transport(Some(transport));
            }
            Event::Upgraded => {
                tracing::debug!("upgraded to websocket");
                self.shared.set_transport(Some(crate::Transport::WebSocket));
                self.tell(Notice::Upgraded);
            }
            Event::UpgradeFailed(details) => {
                tracing::debug!(%details, "no upgrade to websocket");
                let told = self.failures.tell(details);
                self.tell(Notice::UpgradeFailed(told.message));
            }
            Event::Auth(nsp) => return Some(FollowUp::Auth(nsp)),
            Event::Connected { nsp, .. } => return Some(FollowUp::Joined(nsp)),
            Event::ConnectError(refusal) => {
                let message = refusal.message.to_cow().into_owned();
                let mut error = ConnectError::new(ConnectErrorKind::Refused, message);
                error.data = refusal
                    .data
                    .and_then(|data| sockeye_core::packet::read_json(data).ok());
                let slot = self.slots.of_core(refusal.nsp)?;
                tracing::debug!(namespace = %slot.shared.name, message = error.message, "the server refused the namespace");
                slot.keep_trying = false;
                // Before the answer: who is told on another thread may look at once.
                slot.shared.set_status(Status::Idle);
                let notice = Notice::ConnectError(error.clone());
                self.batch.notice(&slot.shared, &notice);
                self.batch.connected(&slot.shared, Err(error));
                return Some(FollowUp::Status(refusal.nsp));
            }
            Event::Disconnected {
                nsp,
                reason,
                details,
            } => {
                let slot = self.slots.of_core(nsp)?;
                slot.joined = false;
                slot.keep_trying &= reason.reconnects();
                tracing::debug!(namespace = %slot.shared.name, %reason, %details, "disconnected");
                let notice = Notice::Disconnected(Disconnected {
                    reason,
                    details: details.to_string(),
                    cause: details.cause,
                    will_reconnect: reason.reconnects() && *self.retrying,
                });
                self.batch.notice(&slot.shared, &notice);
                return Some(FollowUp::Status(nsp));
            }
            Event::Closed {
                reason,
                details,
                opened,
                retry,
            } => return self.closed(reason, details, opened, retry),
            Event::Reconnecting { attempt, delay } => {
                tracing::debug!(attempt, ?delay, "reconnecting");
                self.tell(Notice::Reconnecting { attempt, delay });
            }
            Event::ReconnectAttempt(n) => self.tell(Notice::ReconnectAttempt(n)),
            Event::Reconnected(n) => self.tell(Notice::Reconnected(n)),
            Event::ReconnectFailed => self.tell(Notice::ReconnectFailed),
            Event::Ping => {
                self.tell(Notice::Ping);
                return Some(FollowUp::Pinged);
            }
            Event::MessageTooLarge { bytes, limit } => {
                tracing::warn!(
                    bytes,
                    limit,
                    "a message from the server is larger than the limit and was skipped"
                );
                self.tell(Notice::TooLarge { bytes, limit });
            }
            _ => (),
        }
        None
    }

    /// A session has ended, or an attempt has failed. Once for each connection: all namespaces are concerned.
    fn closed(
        &mut self,
        reason: DisconnectReason,
        details: Details<'_>,
        opened: bool,
        retry: bool,
    ) -> Option<FollowUp> {
        tracing::debug!(%reason, %details, opened, retry, "the connection has ended");
        self.shared.set_transport(None);
        *self.retrying = retry;
        let told = self.failures.tell(details);
        let definitive =
            is_definitive(details.cause) || told.kind.is_some_and(DialErrorKind::is_definitive);
        let mut error = ConnectError::new(ConnectErrorKind::Transport, told.message);
        error.cause = Some(details.cause);
        error.dial = told.kind;
        error.active = retry;
        // `reconnect` ends a connection that is being made as well: that is no failed attempt.
        let failed = reason != DisconnectReason::ForcedClose;
        let mut given_up = Vec::new();
        let mut goes_on = false;
        for slot in self.slots.iter_mut() {
            slot.auth_call = None;
            if slot.joined || !slot.shared.is_active() {
                goes_on |= slot.joined && retry;
                continue;
            }
            let mut error = error.clone();
            if retry && failed && !slot.keep_trying {
                error.active = false;
                given_up.push(slot.nsp);
            }
            // Calls of `connect` wait for the server only if that was asked for, and where waiting is of use.
            let told = !self.shared.wait_for_server || definitive;
            goes_on |= error.active;
            if !error.active {
                slot.keep_trying = false;
                slot.shared.set_status(Status::Idle);
            }
            let answered = !error.active || failed && told;
            let notice = Notice::ConnectError(error.clone());
            self.batch.notice(&slot.shared, &notice);
            if answered {
                self.batch.connected(&slot.shared, Err(error));
            }
        }
        if !opened {
            error.active = goes_on;
            self.tell(Notice::ConnectError(error));
        }
        (!given_up.is_empty()).then_some(FollowUp::GiveUp(given_up))
    }
}
