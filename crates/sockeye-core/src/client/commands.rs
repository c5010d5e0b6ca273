//! What the application can ask for.

use super::Client;
use super::acks::{AckEntry, AckId, NO_ID};
use super::event::{AckRequest, EmitOptions};
use super::nsp::{Name, NamespaceId, NspEntry, NspOptions, NspState};
use crate::engine::State;
use crate::engine::outbox::{Body, Meta, Refused};
use crate::error::{AckError, Cause, DisconnectReason, EmitError};
use crate::packet::socket::{Kind, Prefix};
use crate::packet::{Attachments, EmitArgs, is_reserved_event};
use crate::short::Short;
use crate::time::Instant;

/// Why a namespace was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NamespaceError {
    /// The name has a comma or a control character, or is too long (48 bytes without `alloc`).
    Name,
    /// The table is full: see [`Limits::namespaces`](crate::Limits::namespaces) and `NAMESPACES` of the storage.
    Full,
}

impl core::fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Name => "bad namespace name: no commas or control characters, and not too long",
            Self::Full => "too many namespaces on one connection: raise the limit",
        })
    }
}

impl core::error::Error for NamespaceError {}

impl From<Refused> for EmitError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::TooLarge => Self::TooLarge,
        }
    }
}

/// A packet for sending whose arguments are JSON already: what [`Client::emit_raw`] takes.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'p> {
    /// A JSON array: the event's name, then the arguments; for an answer the arguments alone. It is trusted to be one:
    /// use [`encode_args_to_vec`](crate::packet::encode_args_to_vec) or
    /// [`encode_args_to_slice`](crate::packet::encode_args_to_slice), which also find the attachments.
    pub json: &'p [u8],
    /// The attachments its placeholders refer to.
    pub attachments: Attachments<'p>,
}

impl<'a> Client<'a> {
    /// Adds a namespace, or gives the handle of one that exists (its options stay). It is not connected yet.
    /// A missing leading `/` is added; the empty name is the main namespace.
    ///
    /// # Errors
    /// A name that cannot be sent, or no room.
    pub fn namespace(
        &mut self,
        name: &str,
        options: NspOptions,
    ) -> Result<NamespaceId, NamespaceError> {
        if name.bytes().any(|b| b == b',' || b < 0x20) {
            return Err(NamespaceError::Name);
        }
        let stripped = name.strip_prefix('/').unwrap_or(name);
        let found = self
            .nsps
            .iter()
            .position(|entry| entry.used && entry.name().strip_prefix('/') == Some(stripped));
        if let Some(i) = found {
            // One that was forgotten while its CONNECT was under way comes back as a new one.
            if let Some(entry) = self.nsps.get_mut(i).filter(|entry| entry.forgotten) {
                let (generation, name) = (entry.generation, core::mem::take(&mut entry.name));
                *entry = NspEntry {
                    used: true,
                    generation,
                    name,
                    state: NspState::Leaving,
                    options,
                    ..NspEntry::EMPTY
                };
            }
            return Ok(self.handle(i as u16));
        }
        let mut full = Name::default();
        let mut fits = true;
        for part in ["/", stripped] {
            #[cfg(feature = "alloc")]
            full.push_str(part);
            #[cfg(not(feature = "alloc"))]
            {
                fits &= full.push_str(part);
            }
        }
        fits &= stripped.len() < 4096;
        if !fits {
            return Err(NamespaceError::Name);
        }
        let free = self.nsps.iter().position(|entry| !entry.used);
        let index = match free {
            Some(i) => i,
            None => {
                self.nsps
                    .push(NspEntry::EMPTY)
                    .map_err(|_| NamespaceError::Full)?;
                self.nsps.len() - 1
            }
        };
        let Some(entry) = self.nsps.get_mut(index) else {
            return Err(NamespaceError::Full);
        };
        let generation = entry.generation.wrapping_add(1);
        *entry = NspEntry {
            used: true,
            generation,
            name: full,
            options,
            ..NspEntry::EMPTY
        };
        // A bare CONNECT, and one for recovery, must always find room.
        self.engine.outbox.reserve_control(name.len() + 200);
        Ok(NamespaceId {
            index: index as u16,
            generation,
        })
    }

    /// Changes the options of a namespace: `auth` and `ack_timeout` at once, `retries` for packets emitted later.
    pub fn set_options(&mut self, nsp: NamespaceId, options: NspOptions) {
        if let Some(entry) = self.nsp_mut(nsp) {
            entry.options = options;
        }
    }

    /// Disconnects a namespace and forgets it. If it is joined, packets accepted before still go out over this
    /// connection; everything else that waits for it is dropped. Its acknowledgements fail.
    pub fn forget(&mut self, now: Instant, nsp: NamespaceId) {
        let joined = self.is_connected(nsp);
        self.disconnect(now, nsp);
        let Some(entry) = self.nsp_mut(nsp) else {
            return;
        };
        // The server learns of it after its reply to a CONNECT that is under way: until then the entry stays.
        let leaving = entry.state == NspState::Leaving;
        entry.forgotten = leaving;
        entry.used = leaving;
        entry.generation = entry.generation.wrapping_add(1);
        entry.tell_disconnected = None;
        entry.tell_connected = false;
        entry.tell_auth = false;
        entry.tell_no_answer = false;
        entry.deliver_held = false;
        if joined {
            self.engine.outbox.leave_namespace(nsp.index);
        } else {
            self.engine.outbox.remove_namespace(nsp.index);
        }
        for i in 0..self.acks.table.len() {
            if self
                .acks
                .get(i)
                .is_some_and(|entry| entry.nsp == nsp.index && entry.failed.is_none())
            {
                self.acks.fail(i, AckError::Dropped);
                self.dirty = true;
            }
        }
    }

    /// Connects a namespace, and the connection if there is none. While a reconnection is being waited for, the
    /// namespace joins with it. Does nothing if it is connected or connecting.
    pub fn connect(&mut self, now: Instant, nsp: NamespaceId) {
        self.advance_clock(now);
        let join_deadline = self
            .engine
            .config
            .join_timeout
            .map(|patience| self.engine.now + patience);
        let Some(entry) = self.nsp_mut(nsp) else {
            return;
        };
        match entry.state {
            NspState::Idle => entry.state = NspState::Waiting,
            // The reply to the CONNECT that is under way will do.
            NspState::Leaving => {
                entry.state = NspState::Joining;
                entry.deadline = join_deadline;
            }
            NspState::Waiting | NspState::Asked | NspState::Joining | NspState::Joined => return,
        }
        if matches!(self.engine.state(), State::Down | State::Closing(_))
            && self.backoff.at.is_none()
        {
            self.dial = true;
        }
    }

    /// The `auth` payload that [`Event::Auth`](crate::Event::Auth) asked for: a JSON object, or empty for none.
    /// With connection state recovery `pid` and `offset` are added. Too late or out of turn, it is ignored.
    ///
    /// # Errors
    /// [`EmitError::Full`] or [`EmitError::TooLarge`]: it does not fit the send buffer (now); call again.
    /// [`EmitError::Auth`]: it is not a JSON object.
    pub fn provide_auth(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        auth: &str,
    ) -> Result<(), EmitError> {
        self.advance_clock(now);
        if self
            .nsp(nsp)
            .is_none_or(|entry| entry.state != NspState::Asked)
        {
            return Ok(());
        }
        let auth = auth.trim_ascii();
        let object = crate::packet::json::check_value(auth.as_bytes())
            == Ok(crate::packet::json::Kind::Object);
        if !auth.is_empty() && !object {
            return Err(EmitError::Auth);
        }
        let room = self.engine.outbox.reserve_control(auth.len() + 400);
        if self.send_connect(nsp.index, auth) {
            return Ok(());
        }
        Err(if room {
            EmitError::Full
        } else {
            EmitError::TooLarge
        })
    }

    /// Gives up on a namespace whose `auth` payload cannot be had.
    pub fn refuse_auth(&mut self, now: Instant, nsp: NamespaceId) {
        self.advance_clock(now);
        if let Some(entry) = self
            .nsp_mut(nsp)
            .filter(|entry| entry.state == NspState::Asked)
        {
            entry.state = NspState::Idle;
            self.close_if_unused();
        }
    }

    /// Leaves a namespace: packets accepted before still go out, then the DISCONNECT packet. The connection ends with
    /// its last namespace, a wait for reconnection too. Only a joined namespace fires `Disconnected` (A6 item 74).
    pub fn disconnect(&mut self, now: Instant, nsp: NamespaceId) {
        self.advance_clock(now);
        let Some(entry) = self.nsp_mut(nsp) else {
            return;
        };
        entry.tell_auth = false;
        entry.deadline = None;
        match entry.state {
            NspState::Joined => {
                entry.state = NspState::Idle;
                entry.tell_disconnected = Some(DisconnectReason::IoClientDisconnect);
                entry.purge = core::mem::take(&mut entry.deliver_held);
                entry.tell_connected = false;
                entry.pid = Short::EMPTY;
                entry.offset = Short::EMPTY;
                self.cause = Cause::Local;
                self.engine.note.clear();
                self.dirty = true;
                self.fail_acks(nsp.index, AckError::Disconnected);
                if let Some(entry) = self.nsp_mut(nsp) {
                    entry.in_flight = 0;
                }
                self.send_disconnect(nsp.index);
            }
            // The server may take DISCONNECT only after its reply: then.
            NspState::Joining => {
                entry.state = NspState::Leaving;
                entry.purge = true;
                self.dirty = true;
            }
            NspState::Waiting | NspState::Asked => entry.state = NspState::Idle,
            NspState::Idle | NspState::Leaving => (),
        }
        self.close_if_unused();
    }

    /// Leaves every namespace.
    pub fn disconnect_all(&mut self, now: Instant) {
        for i in 0..self.nsps.len() {
            let handle = self.handle(i as u16);
            self.disconnect(now, handle);
        }
    }

    /// Drops the connection and makes a new one at once: all namespaces are told `forced close` and join again.
    /// A running wait for reconnection ends now.
    pub fn reconnect(&mut self, now: Instant) {
        self.advance_clock(now);
        if !self.any_active() {
            return;
        }
        match self.engine.state() {
            State::Down => {
                if self.backoff.at.is_some() {
                    self.backoff.at = Some(now);
                    self.timers = true;
                }
                return;
            }
            // The old connection has been told off already; the new one need not wait for its goodbye.
            State::Closing(_) => {
                self.engine.abort();
                if self.backoff.at.is_some() {
                    self.backoff.at = Some(now);
                    self.timers = true;
                }
                return;
            }
            State::Opening(_) | State::Open(_) => (),
        }
        let opened = self.engine.transport().is_some();
        self.engine.note.clear();
        self.engine.leave();
        self.closed(DisconnectReason::ForcedClose, Cause::Local, opened, true);
        self.dial = true;
    }

    /// Queues the DISCONNECT packet of a namespace.
    pub(super) fn send_disconnect(&mut self, nsp: u16) {
        let Some(entry) = self.nsps.get(nsp as usize) else {
            return;
        };
        let prefix = Prefix {
            kind: Kind::Disconnect,
            attachments: 0,
            nsp: entry.name(),
            id: None,
        };
        let meta = Meta {
            nsp,
            ready: true,
            transient: true,
            control: true,
            ..Meta::default()
        };
        // If not even the reserve has room, the server notices when the connection ends.
        let _ = self.engine.outbox.push(&prefix, Body::EMPTY, false, meta);
    }

    /// Answers stop, packets wait: the namespace is gone until it is connected again.
    pub(super) fn fail_and_hold(&mut self, nsp: u16) {
        self.engine.outbox.set_ready(nsp, false);
        if let Some(entry) = self.nsps.get_mut(nsp as usize) {
            entry.in_flight = 0;
            entry.deliver_held = false;
            entry.tell_connected = false;
        }
        self.fail_acks(nsp, AckError::Disconnected);
    }

    /// The connection ends with its last namespace (A4 item 60).
    pub(super) fn close_if_unused(&mut self) {
        if !self.any_active() {
            // No reply to a CONNECT is read any more.
            for i in 0..self.nsps.len() {
                if let Some(entry) = self
                    .nsps
                    .get_mut(i)
                    .filter(|entry| entry.state == NspState::Leaving)
                {
                    entry.state = NspState::Idle;
                    entry.used &= !entry.forgotten;
                }
            }
            self.backoff.reset();
            self.dial = false;
            self.tell_reconnecting = None;
            self.tell_attempt = false;
            self.engine.close();
        }
    }

    // ---- sending ----

    /// Emits an event. While the namespace is not joined it is kept and sent after the next join, in order.
    ///
    /// `args` is a tuple (or slice, `Vec`, [`RawArgs`](crate::packet::RawArgs)); binary values may stand at any depth.
    ///
    /// # Errors
    /// The packet was not accepted, for the reason given; nothing of it will be sent.
    pub fn emit<A: EmitArgs + ?Sized>(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        event: &str,
        args: &A,
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        self.check_name(event)?;
        self.encoded(nsp, args, Some(event), |client, body| {
            client.send_event(now, nsp, body, options)
        })
    }

    /// Answers an event that asked for it.
    ///
    /// # Errors
    /// [`EmitError::Stale`] when the connection over which the event came is gone (A7 item 89), else as for `emit`.
    pub fn ack<A: EmitArgs + ?Sized>(
        &mut self,
        now: Instant,
        request: AckRequest,
        args: &A,
    ) -> Result<(), EmitError> {
        self.encoded(request.nsp, args, None, |client, body| {
            client.send_ack(now, request, body)
        })
    }

    /// Whether the application may use this event name.
    ///
    /// # Errors
    /// [`EmitError::Reserved`].
    pub fn check_name(&self, event: &str) -> Result<(), EmitError> {
        if is_reserved_event(event) {
            Err(EmitError::Reserved)
        } else {
            Ok(())
        }
    }

    /// Encodes arguments, and hands the packet on: in fixed memory at the place where it will lie, else in a scratch.
    fn encoded<A: EmitArgs + ?Sized, R>(
        &mut self,
        nsp: NamespaceId,
        args: &A,
        event: Option<&str>,
        send: impl FnOnce(&mut Self, Body<'_>) -> Result<R, EmitError>,
    ) -> Result<R, EmitError> {
        let limit = self.engine.config.limits.attachments;
        #[cfg(feature = "alloc")]
        if !self.engine.outbox.is_fixed() {
            let mut scratch = core::mem::take(&mut self.scratch);
            let result = match scratch.encode(event, args, limit) {
                Ok((json, attachments)) => send(self, Body::Bytes(json, attachments)),
                Err(error) => Err(error),
            };
            scratch.tidy();
            self.scratch = scratch;
            return result;
        }
        // Type, attachment count, namespace, id; twice the namespace, because a retry leaves room for a second prefix.
        let lead = 64 + 2 * self.name(nsp).len();
        let staged = self.engine.outbox.stage(event, args, limit, lead)?;
        send(self, Body::Staged(staged))
    }

    /// Emits an event that is encoded already: for drivers that encode elsewhere. The name is not checked.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_raw(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        packet: RawPacket<'_>,
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        self.send_event(
            now,
            nsp,
            Body::Bytes(packet.json, packet.attachments),
            options,
        )
    }

    fn send_event(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        body: Body<'_>,
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        self.advance_clock(now);
        let limits = self.engine.config.limits;
        let writable = self.engine.is_writable() && !self.engine.outbox.has_backlog();
        let next_seq = self.acks.next();
        let acks_full = self.acks.is_full();
        let base64 = self.engine.config.base64();
        let Some(entry) = self
            .nsps
            .get_mut(nsp.index())
            .filter(|e| e.used && e.generation == nsp.generation)
        else {
            return Err(EmitError::UnknownNamespace);
        };
        let joined = entry.state == NspState::Joined;
        if options.volatile && !(joined && writable) {
            return Err(EmitError::NotWritable);
        }
        let attachments = body.attachments();
        if attachments > usize::from(limits.attachments) {
            return Err(EmitError::TooManyAttachments);
        }
        let retry = entry.options.retries.is_some() && !options.volatile;
        let wants = options.ack || retry;
        if wants && acks_full {
            return Err(EmitError::TooManyAcks);
        }
        let id = (options.ack && !retry).then_some(entry.next_id);
        let kind = if attachments > 0 {
            Kind::BinaryEvent
        } else {
            Kind::Event
        };
        let prefix = Prefix {
            kind,
            attachments,
            nsp: entry.name(),
            id,
        };
        let meta = Meta {
            nsp: nsp.index,
            ack: if wants { next_seq } else { 0 },
            ready: joined && !retry,
            retry,
            report: self.report_outgoing,
            transient: options.volatile,
            ..Meta::default()
        };
        self.engine.outbox.push(&prefix, body, base64, meta)?;
        if !wants {
            return Ok(None);
        }
        if id.is_some() {
            entry.next_id += 1;
        }
        let timeout = options.timeout.or(entry.options.ack_timeout);
        let deadline = if retry {
            None
        } else {
            timeout.map(|patience| self.engine.now + patience)
        };
        let id = id.unwrap_or(NO_ID);
        let silent = !options.ack;
        self.acks.insert(AckEntry {
            id,
            nsp: nsp.index,
            retry,
            silent,
            timeout,
            deadline,
            ..AckEntry::EMPTY
        });
        if retry {
            self.drive_retries(nsp.index);
        }
        Ok(options.ack.then_some(AckId(next_seq)))
    }

    /// Answers an event with arguments that are encoded already.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn ack_raw(
        &mut self,
        now: Instant,
        request: AckRequest,
        packet: RawPacket<'_>,
    ) -> Result<(), EmitError> {
        self.send_ack(now, request, Body::Bytes(packet.json, packet.attachments))
    }

    fn send_ack(
        &mut self,
        now: Instant,
        request: AckRequest,
        body: Body<'_>,
    ) -> Result<(), EmitError> {
        self.advance_clock(now);
        let base64 = self.engine.config.base64();
        let limit = usize::from(self.engine.config.limits.attachments);
        let Some(entry) = self.nsp(request.nsp) else {
            return Err(EmitError::UnknownNamespace);
        };
        if entry.state != NspState::Joined || request.join != entry.join {
            return Err(EmitError::Stale);
        }
        let attachments = body.attachments();
        if attachments > limit {
            return Err(EmitError::TooManyAttachments);
        }
        let kind = if attachments > 0 {
            Kind::BinaryAck
        } else {
            Kind::Ack
        };
        let index = request.nsp.index;
        let Some(entry) = self.nsps.get(index as usize) else {
            return Err(EmitError::UnknownNamespace);
        };
        let prefix = Prefix {
            kind,
            attachments,
            nsp: entry.name(),
            id: Some(request.id),
        };
        let meta = Meta {
            nsp: index,
            ready: true,
            transient: true,
            ..Meta::default()
        };
        self.engine.outbox.push(&prefix, body, base64, meta)?;
        Ok(())
    }

    /// Gives up on an acknowledgement: it will not be told. The packet, if still unsent, is dropped.
    pub fn cancel_ack(&mut self, id: AckId) {
        let Some(i) = self.acks.find_seq(id.0) else {
            return;
        };
        if self.acks.get(i).is_some_and(|entry| entry.retry) {
            if let Some(entry) = self.acks.get_mut(i) {
                entry.silent = true;
            }
            return;
        }
        self.acks.remove(i);
        if let Some(slot) = self.engine.outbox.find_ack(id.0)
            && self.engine.outbox.is_unsent(slot)
        {
            self.engine.outbox.remove_packet(slot);
        }
    }

    /// Drops every packet of a namespace that has not been sent, and fails the acknowledgements that waited for them.
    pub fn clear_send_buffer(&mut self, nsp: NamespaceId) {
        if self.nsp(nsp).is_none() {
            return;
        }
        for i in 0..self.acks.table.len() {
            let Some(entry) = self.acks.get(i).copied() else {
                break;
            };
            let slot = self.engine.outbox.find_ack(entry.seq);
            if entry.nsp == nsp.index && slot.is_some_and(|slot| self.engine.outbox.is_unsent(slot))
            {
                self.acks.fail(i, AckError::Dropped);
                self.dirty = true;
            }
        }
        self.engine.outbox.remove_namespace(nsp.index);
    }
}
