//! Commands in, events out: between handles and the core.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_core::packet::Attachments;
use sockeye_core::{Cause, EmitError, EmitOptions, Event, NamespaceId, RawPacket};

use super::pending_acks::PendingAcks;
use super::{Asked, Driver, Space};
use crate::Transport;
use crate::client::ack::AckError;
use crate::client::args::Args;
use crate::client::error::{ConnectError, ConnectErrorKind, Disconnected, Notice};
use crate::client::options::{AuthSource, caught};
use crate::dispatch::{Batch, Item};
use crate::inbox::{ACTIVE, Command, Head, IDLE, Inbox, JOINED, Shared, lock};
use crate::net::DialErrorKind;
use crate::net::failure::LinkFailures;

/// What an event needs from the driver, beside the core that it borrows.
pub(super) struct View<'d> {
    pub(super) shared: &'d Arc<Shared>,
    pub(super) spaces: &'d mut Vec<Option<Space>>,
    pub(super) by_nsp: &'d [usize],
    pub(super) acks: &'d mut PendingAcks,
    pub(super) batch: &'d mut Batch,
    pub(super) failures: LinkFailures<'d>,
}

/// What is to be done with the core after an event.
pub(super) enum FollowUp {
    Auth(NamespaceId),
    /// Events of a namespace come before it is told that it is joined.
    Early(NamespaceId),
    Joined(NamespaceId),
    /// What handles see of the namespace is out of date.
    State(NamespaceId),
}

impl View<'_> {
    fn space(&mut self, nsp: NamespaceId) -> Option<&mut Space> {
        let index = *self.by_nsp.get(nsp.index())?;
        self.spaces
            .get_mut(index)?
            .as_mut()
            .filter(|space| space.nsp == nsp)
    }

    /// Tells every namespace that wants to be connected.
    fn tell_active(&mut self, notice: &Notice) {
        for space in self.spaces.iter().flatten() {
            if space.shared.state.load(Ordering::Acquire) != IDLE {
                self.batch.notice(&space.shared, notice.clone());
            }
        }
    }
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

/// Passes one event of the core on.
pub(super) fn event(event: Event<'_>, view: &mut View<'_>) -> Option<FollowUp> {
    match event {
        Event::Message(message) => {
            let space = view.space(message.nsp)?;
            let early = !space.joined;
            let shared = Arc::clone(&space.shared);
            view.batch.message(&shared, &message);
            // Events that came before the reply are delivered as connected.
            return early.then_some(FollowUp::Early(message.nsp));
        }
        Event::Ack { id, result } => {
            if let Some(sender) = view.acks.take(id.get()) {
                // The receiver may be gone: then nobody cares.
                let _ = sender.send(
                    result
                        .map(|args| Args::from_ref(&args))
                        .map_err(AckError::from),
                );
            }
        }
        Event::Outgoing(outgoing) => {
            let shared = Arc::clone(&view.space(outgoing.nsp())?.shared);
            view.batch.outgoing(&shared, &outgoing);
        }
        Event::Opened { transport, sid } => {
            tracing::debug!(transport = transport.name(), sid, "connected to the server");
            let n = if transport == Transport::Polling {
                1
            } else {
                2
            };
            view.shared.transport.store(n, Ordering::Relaxed);
        }
        Event::Upgraded => {
            tracing::debug!("upgraded to websocket");
            view.shared.transport.store(2, Ordering::Relaxed);
            view.tell_active(&Notice::Upgraded);
        }
        Event::UpgradeFailed(details) => {
            tracing::debug!(%details, "no upgrade to websocket");
            let told = view.failures.tell(details);
            view.tell_active(&Notice::UpgradeFailed(told.message));
        }
        Event::Auth(nsp) => return Some(FollowUp::Auth(nsp)),
        Event::Connected { nsp, .. } => return Some(FollowUp::Joined(nsp)),
        Event::ConnectError(refusal) => {
            let message = refusal.message.to_cow().into_owned();
            let mut error = ConnectError::new(ConnectErrorKind::Refused, message);
            error.data = refusal
                .data
                .and_then(|data| serde_json::from_str(data).ok());
            let space = view.space(refusal.nsp)?;
            tracing::debug!(namespace = %space.shared.name, message = error.message, "the server refused the namespace");
            for waiter in space.waiters.drain(..) {
                let _ = waiter.send(Err(error.clone()));
            }
            let shared = Arc::clone(&space.shared);
            view.batch.notice(&shared, Notice::ConnectError(error));
            return Some(FollowUp::State(refusal.nsp));
        }
        Event::Disconnected {
            nsp,
            reason,
            details,
        } => {
            let retry = view.shared.transport.load(Ordering::Relaxed) == RETRYING;
            let space = view.space(nsp)?;
            let will_reconnect = reason.reconnects() && retry;
            space.joined = false;
            tracing::debug!(namespace = %space.shared.name, %reason, %details, "disconnected");
            let notice = Notice::Disconnected(Disconnected {
                reason,
                details: details.to_string(),
                cause: details.cause,
                will_reconnect,
            });
            let shared = Arc::clone(&space.shared);
            view.batch.notice(&shared, notice);
            return Some(FollowUp::State(nsp));
        }
        Event::Closed {
            reason,
            details,
            opened,
            retry,
        } => {
            tracing::debug!(%reason, %details, opened, retry, "the connection has ended");
            view.shared
                .transport
                .store(if retry { RETRYING } else { 0 }, Ordering::Relaxed);
            let told = view.failures.tell(details);
            let mut error = ConnectError::new(ConnectErrorKind::Transport, told.message);
            error.cause = Some(details.cause);
            error.dial = told.kind;
            error.active = retry;
            let give_up = !retry
                || is_definitive(details.cause)
                || told.kind.is_some_and(DialErrorKind::is_definitive);
            for space in view.spaces.iter_mut().flatten() {
                space.asked = None;
                if space.joined || space.shared.state.load(Ordering::Acquire) == IDLE {
                    continue;
                }
                view.batch
                    .notice(&space.shared, Notice::ConnectError(error.clone()));
                if give_up {
                    for waiter in space.waiters.drain(..) {
                        let _ = waiter.send(Err(error.clone()));
                    }
                }
                if !retry {
                    space.shared.state.store(IDLE, Ordering::Release);
                }
            }
        }
        Event::Reconnecting { attempt, delay } => {
            tracing::debug!(attempt, ?delay, "reconnecting");
            view.tell_active(&Notice::Reconnecting { attempt, delay });
        }
        Event::ReconnectAttempt(n) => view.tell_active(&Notice::ReconnectAttempt(n)),
        Event::Reconnected(n) => view.tell_active(&Notice::Reconnected(n)),
        Event::ReconnectFailed => {
            for space in view.spaces.iter_mut().flatten() {
                // The namespaces were told to be idle with the last failure; those that were meant are told the end.
                view.batch.notice(&space.shared, Notice::ReconnectFailed);
            }
        }
        Event::Ping => view.tell_active(&Notice::Ping),
        Event::MessageTooLarge { bytes, limit } => {
            tracing::warn!(
                bytes,
                limit,
                "a message from the server is larger than the limit and was skipped"
            );
            view.tell_active(&Notice::TooLarge { bytes, limit });
        }
        _ => (),
    }
    None
}

/// The `transport` of a connection that is gone and will be tried again.
const RETRYING: u8 = 3;

impl Driver {
    /// Takes what handles have asked for.
    pub(super) fn take_inbox(&mut self) {
        if self.shared.has_mail() {
            let mut inbox = self.inbox.take().unwrap_or_default();
            self.shared.take_inbox(&mut inbox);
            self.work_inbox(&mut inbox);
            self.inbox = Some(inbox);
            self.stirred = true;
        }
        if !self.closing && self.shared.handles.load(Ordering::Acquire) == 0 {
            // The last handle is gone: say goodbye.
            self.closing = true;
            self.core.disconnect_all(self.now);
            self.stirred = true;
        }
    }

    fn work_inbox(&mut self, inbox: &mut Inbox) {
        let now = self.now;
        let mut at = 0;
        for entry in &inbox.entries {
            let json = &inbox.bytes[at..at + entry.json as usize];
            at += entry.json as usize;
            let records = &inbox.bytes[at..at + entry.records as usize];
            at += entry.records as usize;
            let attachments = match entry.attachments {
                0 => Attachments::EMPTY,
                n => Attachments::from_records(records, n.into()).unwrap_or(Attachments::EMPTY),
            };
            let packet = RawPacket { json, attachments };
            match entry.head {
                Head::Command => {
                    if let Some(command) = inbox.commands.pop_front() {
                        self.command(command);
                    }
                }
                Head::Ack(request) => {
                    if let Err(error) = self.core.ack_raw(now, request, packet) {
                        tracing::debug!(%error, id = request.id(), "an acknowledgement was not sent");
                    }
                }
                Head::Emit {
                    nsp,
                    ack,
                    volatile,
                    timeout,
                } => {
                    let sender = if ack { inbox.acks.pop_front() } else { None };
                    let mut options = EmitOptions::PLAIN;
                    options.ack = ack;
                    options.volatile = volatile;
                    options.timeout = timeout;
                    let result = match self.space(nsp as usize) {
                        Some(nsp) => self.core.emit_raw(now, nsp, packet, options),
                        None => Err(EmitError::UnknownNamespace),
                    };
                    match (result, sender) {
                        (Ok(Some(id)), Some(sender)) => self.acks.add(id.get(), sender),
                        (Err(error), Some(sender)) => {
                            tracing::debug!(%error, "a packet was not sent");
                            let _ = sender.send(Err(match error {
                                EmitError::NotWritable => AckError::Dropped,
                                error => AckError::NotSent(error),
                            }));
                        }
                        (Err(error), None) if error != EmitError::NotWritable => {
                            tracing::warn!(%error, "a packet was not sent");
                        }
                        _ => (),
                    }
                }
            }
        }
        inbox.entries.clear();
        inbox.bytes.clear();
        (inbox.size, inbox.packets) = (0, 0);
        if inbox.bytes.capacity() > KEEP {
            inbox.bytes = Vec::new();
        }
        // Commands are rare, connections may be many.
        inbox.commands = VecDeque::new();
    }

    /// The core's handle of a namespace; made when it is first needed.
    fn space(&mut self, index: usize) -> Option<NamespaceId> {
        if let Some(Some(space)) = self.spaces.get(index) {
            return Some(space.nsp);
        }
        let shared = lock(&self.shared.nsps).get(index).cloned()?;
        if shared.gone.load(Ordering::Acquire) {
            return None;
        }
        let nsp = match self.core.namespace(&shared.name, shared.options) {
            Ok(nsp) => nsp,
            Err(error) => {
                tracing::warn!(%error, namespace = %shared.name, "a namespace was not added");
                return None;
            }
        };
        // The core may know the name from a handle that is gone.
        self.core.set_options(nsp, shared.options);
        if self.spaces.len() <= index {
            self.spaces.resize_with(index + 1, || None);
        }
        if self.by_nsp.len() <= nsp.index() {
            self.by_nsp.resize(nsp.index() + 1, usize::MAX);
        }
        self.by_nsp[nsp.index()] = index;
        self.spaces[index] = Some(Space {
            nsp,
            shared,
            waiters: Vec::new(),
            joined: false,
            asked: None,
        });
        Some(nsp)
    }

    fn command(&mut self, command: Command) {
        let now = self.now;
        match command {
            Command::Connect { nsp: index, waiter } => match self.space(index) {
                None => {
                    if let Some(waiter) = waiter {
                        let _ = waiter.send(Err(ConnectError::config(
                            "too many namespaces on one connection",
                        )));
                    }
                }
                Some(nsp) => {
                    if self.core.is_connected(nsp) {
                        if let Some(waiter) = waiter {
                            let _ = waiter.send(Ok(()));
                        }
                        return;
                    }
                    if let Some(Some(space)) = self.spaces.get_mut(index) {
                        space.waiters.extend(waiter);
                    }
                    self.core.connect(now, nsp);
                    self.show_state(nsp);
                }
            },
            Command::Disconnect { nsp: index } => {
                if let Some(Some(space)) = self.spaces.get_mut(index) {
                    let nsp = space.nsp;
                    space.asked = None;
                    for waiter in space.waiters.drain(..) {
                        let _ = waiter.send(Err(ConnectError::closed()));
                    }
                    self.core.disconnect(now, nsp);
                    self.show_state(nsp);
                }
            }
            Command::Forget { nsp: index } => self.forget(index),
            Command::Reconnect => self.core.reconnect(now),
            Command::Auth {
                nsp: index,
                call,
                auth,
            } => {
                // The place may have been taken by another namespace, or the answer by a later call.
                let asked = self
                    .spaces
                    .get(index)
                    .and_then(Option::as_ref)
                    .and_then(|space| space.asked.as_ref());
                if asked.is_some_and(|asked| asked.call == call) {
                    self.auth(index, auth);
                }
            }
            Command::Query(query) => self.core.set_query(query.into()),
            Command::Headers(headers) => {
                let headers = self.target.network.complete(headers);
                self.core.set_headers(headers.into());
            }
            Command::Reconnection(policy) => *self.core.reconnection_mut() = policy,
            Command::ReportOutgoing(on) => self.core.report_outgoing(on),
            Command::Clear { nsp: index } => {
                if let Some(nsp) = self.space(index) {
                    self.core.clear_send_buffer(nsp);
                }
            }
            Command::Flush(waiter) => self.flushes.push(waiter),
            Command::Ready(waiter) => self.readies.push(waiter),
        }
    }

    /// The last handle of a namespace is gone.
    fn forget(&mut self, index: usize) {
        let Some(shared) = lock(&self.shared.nsps).get(index).cloned() else {
            return;
        };
        // A handle may have been made again meanwhile.
        if shared.handles.load(Ordering::Acquire) > 0 || shared.gone.swap(true, Ordering::AcqRel) {
            return;
        }
        shared.handlers.clear();
        if self.shared.handles.load(Ordering::Acquire) == 0 {
            // All are gone: the connection is closed as a whole, after what was accepted has been written.
            return;
        }
        if let Some(space) = self.spaces.get_mut(index).and_then(Option::take) {
            self.core.forget(self.now, space.nsp);
        }
    }

    /// The `auth` payload has been computed.
    fn auth(&mut self, index: usize, auth: Result<String, String>) {
        let now = self.now;
        let Some(Some(space)) = self.spaces.get_mut(index) else {
            return;
        };
        space.asked = None;
        let nsp = space.nsp;
        let error = match auth {
            Ok(json) => match self.core.provide_auth(now, nsp, &json) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Err(error) => error,
        };
        let error = ConnectError::new(
            ConnectErrorKind::Auth,
            format!("the auth payload could not be had: {error}"),
        );
        self.core.refuse_auth(now, nsp);
        space.shared.state.store(IDLE, Ordering::Release);
        for waiter in space.waiters.drain(..) {
            let _ = waiter.send(Err(error.clone()));
        }
        self.batch
            .notice(&space.shared, Notice::ConnectError(error));
    }

    /// Does what an event asked for.
    pub(super) fn follow_up(&mut self, request: FollowUp) {
        match request {
            FollowUp::Auth(nsp) => {
                let Some(&index) = self.by_nsp.get(nsp.index()) else {
                    return;
                };
                let Some(Some(space)) = self.spaces.get_mut(index) else {
                    return;
                };
                let source = lock(&space.shared.auth).clone();
                match source {
                    AuthSource::None => self.auth(index, Ok(String::new())),
                    AuthSource::Value(json) => self.auth(index, Ok(json.to_string())),
                    AuthSource::Function(function) => {
                        // User code: in a task of its own, so that it cannot hold heartbeats up.
                        let shared = Arc::downgrade(&self.shared);
                        self.calls += 1;
                        let call = self.calls;
                        let task = tokio::spawn(async move {
                            let auth = caught(function).await.map_err(|error| error.to_string());
                            if let Some(shared) = shared.upgrade() {
                                shared.command(Command::Auth {
                                    nsp: index,
                                    call,
                                    auth,
                                });
                            }
                        });
                        space.asked = Some(Asked {
                            call,
                            task: task.abort_handle(),
                        });
                    }
                }
            }
            FollowUp::Early(nsp) => self.joined(nsp, false),
            FollowUp::Joined(nsp) => self.joined(nsp, true),
            FollowUp::State(nsp) => self.show_state(nsp),
        }
    }

    /// Shows handles how a namespace is that is not joined.
    fn show_state(&mut self, nsp: NamespaceId) {
        let Some(&index) = self.by_nsp.get(nsp.index()) else {
            return;
        };
        let Some(Some(space)) = self.spaces.get_mut(index) else {
            return;
        };
        let state = if self.core.is_active(nsp) {
            ACTIVE
        } else {
            IDLE
        };
        space.shared.state.store(state, Ordering::Release);
        *lock(&space.shared.id) = None;
    }

    /// A namespace has been joined; `tell`: it is time to say so.
    fn joined(&mut self, nsp: NamespaceId, tell: bool) {
        let Some(&index) = self.by_nsp.get(nsp.index()) else {
            return;
        };
        let Some(Some(space)) = self.spaces.get_mut(index) else {
            return;
        };
        let id = self.core.id(nsp).unwrap_or("").to_owned();
        let recovered = self.core.is_recovered(nsp);
        *lock(&space.shared.id) = Some(id.as_str().into());
        space.shared.recovered.store(recovered, Ordering::Release);
        space.joined = true;
        space.shared.state.store(JOINED, Ordering::Release);
        if !tell {
            return;
        }
        tracing::debug!(namespace = %space.shared.name, id, recovered, "namespace joined");
        let transport = self.core.transport();
        self.batch.notice(
            &space.shared,
            Notice::Connected {
                id,
                recovered,
                transport,
            },
        );
        for waiter in space.waiters.drain(..) {
            let _ = waiter.send(Ok(()));
        }
    }

    /// The connection is closed for good.
    pub(super) fn end(&mut self) {
        let closed = Inbox {
            closed: true,
            ..Inbox::default()
        };
        let rest = std::mem::replace(&mut **lock(&self.shared.inbox), closed);
        if rest.closed {
            return;
        }
        // Whoever has asked for something that is not taken any more is told so.
        drop(rest);
        for sender in self.acks.drain() {
            let _ = sender.send(Err(AckError::Disconnected));
        }
        for nsp in lock(&self.shared.nsps).iter() {
            nsp.state.store(IDLE, Ordering::Release);
            *lock(&nsp.id) = None;
        }
        for space in self.spaces.iter_mut().flatten() {
            for waiter in space.waiters.drain(..) {
                let _ = waiter.send(Err(ConnectError::closed()));
            }
        }
        self.shared.transport.store(0, Ordering::Relaxed);
        self.batch.items.push(Item::End);
        self.outlet.hand_over(&mut self.batch);
        self.outlet.end();
        tracing::debug!("closed");
    }
}

/// More than this of the inbox's memory is not kept.
const KEEP: usize = 1 << 20;
