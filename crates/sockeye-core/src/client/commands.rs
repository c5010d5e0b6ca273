//! What the application can ask for.

use super::Client;
use super::acks::AckEntry;
use super::event::{AckRequest, EmitOptions};
use super::namespaces::{Name, Namespace, NspOptions, NspState, Parting, on_wire};
use super::notices::Notice;
use crate::config::EXTRAS;
use crate::error::{Cause, DisconnectReason, EmitError};
use crate::handle::{AckId, NamespaceId};
use crate::message::message;
#[cfg(feature = "alloc")]
use crate::outbox::encoded;
use crate::outbox::{Body, Class, Life, Meta, PushError};
use crate::packet::socket::{Kind, Prefix};
use crate::packet::{Attachments, EmitArgs, is_reserved_event};
#[cfg(feature = "msgpack")]
use crate::packet::{EncodeError, Reason};
use crate::time::Instant;

/// Why a namespace was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NamespaceError {
    /// The name has a comma or a control character, or is too long (48 bytes without `alloc`). Or, unless `Config::protocol` is 4, it
    /// is a query behind the main namespace, for which older servers take none: use the query of the connection.
    Name,
    /// The table is full: see [`Limits::namespaces`](crate::Limits::namespaces) and `NAMESPACES` of the storage.
    Full,
}

impl core::fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Name if cfg!(feature = "eio3") => {
                message!("N1", "bad namespace name: no commas or control characters, no query behind the main namespace, and not too long")
            }
            Self::Name => message!("N2", "bad namespace name: no commas or control characters, and not too long"),
            Self::Full => message!("N3", "too many namespaces on one connection: raise the limit"),
        })
    }
}

impl core::error::Error for NamespaceError {}

impl From<PushError> for EmitError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Full => Self::Full,
            PushError::TooLarge => Self::TooLarge,
            #[cfg(feature = "msgpack")]
            PushError::Malformed(why) => Self::Encode(EncodeError::Serialize(Reason::new(why))),
        }
    }
}

/// A packet for sending whose arguments are JSON already: what `Client::emit_raw` takes (feature `extras`).
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'p> {
    /// A JSON array: the event's name, then the arguments; for an answer the arguments alone. It is trusted to be one:
    /// use `packet::encode_args_to_vec` (with `alloc`) or
    /// [`encode_args_to_slice`](crate::packet::encode_args_to_slice), which also find the attachments.
    pub json: &'p [u8],
    /// The attachments its placeholders refer to.
    pub attachments: Attachments<'p>,
}

impl<'a> Client<'a> {
    /// Adds a namespace, or gives the handle of one that exists (its options stay). It is not connected yet.
    /// A missing leading `/` is added; the empty name is the main namespace. With the feature `eio3` a query may follow, which goes
    /// out with the CONNECT packet alone: `/chat?token=…`. Of one namespace named with several, the last counts.
    ///
    /// # Errors
    /// A name that cannot be sent, or no room.
    pub fn namespace(
        &mut self,
        name: &str,
        options: NspOptions,
    ) -> Result<NamespaceId, NamespaceError> {
        self.agenda.end();
        if name.bytes().any(|b| b == b',' || b < 0x20) {
            return Err(NamespaceError::Name);
        }
        let stripped = name.strip_prefix('/').unwrap_or(name);
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
        let wire = full.as_str();
        #[cfg(feature = "eio3")]
        let wire = super::namespaces::without_query(wire);
        let wire = wire.as_bytes();
        // CONNECT is not sent for the main namespace there: its query would be lost.
        #[cfg(feature = "eio3")]
        if wire.len() == 1
            && full.as_str() != "/"
            && self.engine.config().protocol != crate::Protocol::V4
        {
            return Err(NamespaceError::Name);
        }
        let (mut leaving, mut parting) = (false, Parting::None);
        if let Some(found) = self.namespaces.find(wire)
            && let Some(entry) = self.namespaces.get(found)
        {
            if !EXTRAS {
                return Ok(found);
            }
            leaving = entry.state() == NspState::Leaving { forgotten: true };
            if !leaving && entry.state() != NspState::Parted {
                #[cfg(feature = "eio3")]
                if let Some(entry) = self.namespaces.get_mut(found) {
                    // Another query counts from the next CONNECT on.
                    entry.name = full;
                }
                return Ok(found);
            }
            // One that was forgotten while its CONNECT was under way comes back as a new one, in its place: the reply to
            // that CONNECT is still to come. Or the server has not worked on its DISCONNECT yet.
            parting = entry.parting;
            self.remove_namespace(found);
        }
        if !self.namespaces.has_room()
            && let Some(parted) = self.namespaces.first_parted()
        {
            self.namespaces.remove(parted);
        }
        let nsp = self
            .namespaces
            .add(full, options)
            .ok_or(NamespaceError::Full)?;
        self.outbox.add_namespace(nsp);
        if EXTRAS && let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.parting = parting;
        }
        if leaving {
            self.namespaces
                .set_state(nsp, NspState::Leaving { forgotten: false });
        }
        // A bare CONNECT must always find room; one with `auth` sees to it itself.
        self.outbox
            .reserve_control(name.len() + super::lifecycle::CONNECT_SPARE);
        Ok(nsp)
    }

    /// Changes the options of a namespace: `auth` and `ack_timeout` at once, `retries` for packets emitted later.
    pub fn set_options(&mut self, nsp: NamespaceId, options: NspOptions) {
        self.agenda.end();
        if let Some(entry) = self.namespaces.get_mut(nsp) {
            entry.options = options;
        }
    }

    /// Disconnects a namespace and forgets it. If it is joined, or was until it was left, packets accepted before still go out over
    /// this connection. Everything else that waits for it is given up: its acknowledgements fail, other packets are told by
    /// [`Event::Unsent`](crate::Event::Unsent).
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub fn forget(&mut self, now: Instant, nsp: NamespaceId) {
        self.disconnect(now, nsp);
        self.drop_unsent(nsp, true);
        self.outbox.forget_namespace(nsp);
        self.tell_unsent();
        match self.namespaces.get(nsp).map(Namespace::state) {
            None => (),
            // The server learns of it after its reply to a CONNECT that is under way: until then the entry stays.
            Some(NspState::Leaving { .. }) => {
                self.namespaces
                    .set_state(nsp, NspState::Leaving { forgotten: true });
            }
            Some(_) => self.forget_left(nsp),
        }
    }

    /// Connects a namespace, and the connection if there is none. While a reconnection is being waited for, the
    /// namespace joins with it. Does nothing if it is connected or connecting.
    pub fn connect(&mut self, now: Instant, nsp: NamespaceId) {
        self.advance_clock(now);
        let timeout = self.engine.config().join_timeout;
        let deadline = timeout.map(|timeout| self.engine.now() + timeout);
        match self.namespaces.get(nsp).map(Namespace::state) {
            Some(NspState::Idle) => self.namespaces.set_state(nsp, NspState::Waiting),
            // The reply to the CONNECT that is under way will do.
            Some(NspState::Leaving { forgotten: false }) => {
                self.namespaces.set_joining(nsp, deadline);
            }
            _ => return,
        }
        if (self.engine.is_down() || self.engine.is_closing())
            && !self.agenda.reconnect.is_waiting()
        {
            self.agenda.reconnect.dial = true;
        }
    }

    /// The `auth` payload that [`Event::Auth`](crate::Event::Auth) asked for: a JSON object, or empty for none.
    /// With connection state recovery `pid` and `offset` are added. Too late or out of turn, it is ignored.
    ///
    /// If there is no room for the packet now, because others are about to leave, it is asked for again when there is.
    ///
    /// # Errors
    /// [`EmitError::TooLarge`]: the packet can never fit the send buffer; [`EmitError::Auth`]: it is not a JSON object.
    pub fn provide_auth(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        auth: &str,
    ) -> Result<(), EmitError> {
        self.advance_clock(now);
        if self
            .namespaces
            .get(nsp)
            .is_none_or(|entry| entry.state() != NspState::Asked)
        {
            return Ok(());
        }
        let auth = auth.trim_ascii();
        let object = crate::packet::json::check_value(auth.as_bytes())
            == Ok(crate::packet::json::Kind::Object);
        if !auth.is_empty() && !object {
            return Err(EmitError::Auth);
        }
        match self.send_connect(nsp, auth) {
            Err(EmitError::Full) => Ok(()),
            result => result,
        }
    }

    /// Gives up on a namespace whose `auth` payload cannot be had.
    pub fn refuse_auth(&mut self, now: Instant, nsp: NamespaceId) {
        self.advance_clock(now);
        if self
            .namespaces
            .get(nsp)
            .is_some_and(|entry| entry.state() == NspState::Asked)
        {
            self.namespaces.set_state(nsp, NspState::Idle);
            self.drop_deferred(nsp);
            self.close_if_unused();
        }
    }

    /// Leaves a namespace: packets accepted before still go out, then the DISCONNECT packet. The connection ends with
    /// its last namespace, a wait for reconnection too. Only a joined namespace fires `Disconnected`.
    pub fn disconnect(&mut self, now: Instant, nsp: NamespaceId) {
        self.advance_clock(now);
        let Some(state) = self.namespaces.get(nsp).map(Namespace::state) else {
            return;
        };
        match state {
            NspState::Joined => {
                self.namespaces.set_state(nsp, NspState::Idle);
                self.drop_deferred(nsp);
                if let Some(entry) = self.namespaces.get_mut(nsp) {
                    entry.recovery.clear();
                }
                self.agenda.notices.push(Notice::Disconnected {
                    nsp,
                    reason: DisconnectReason::IoClientDisconnect,
                    cause: Cause::Local,
                });
                self.fail_acks(nsp);
                self.send_disconnect(nsp);
            }
            // The server may take DISCONNECT only after its reply: then.
            NspState::Joining => {
                self.namespaces
                    .set_state(nsp, NspState::Leaving { forgotten: false });
                self.drop_deferred(nsp);
            }
            NspState::Waiting | NspState::Asked => {
                self.namespaces.set_state(nsp, NspState::Idle);
                self.drop_deferred(nsp);
            }
            NspState::Idle | NspState::Leaving { .. } | NspState::Parted => (),
        }
        self.close_if_unused();
    }

    /// Leaves every namespace.
    pub fn disconnect_all(&mut self, now: Instant) {
        for place in 0..self.namespaces.places() {
            if let Some(nsp) = self.namespaces.at(place).map(|entry| entry.id) {
                self.disconnect(now, nsp);
            }
        }
    }

    /// Drops the connection and makes a new one at once: all namespaces are told `forced close` and join again.
    /// A running wait for reconnection ends now.
    pub fn reconnect(&mut self, now: Instant) {
        self.advance_clock(now);
        if self.namespaces.active() == 0 {
            return;
        }
        if self.engine.is_down() || self.engine.is_closing() {
            // An old connection has been told off already; the new one need not wait for its goodbye.
            self.engine.abort();
            self.follow();
            self.agenda.reconnect.hurry(now);
            self.agenda.look_at_timers();
            return;
        }
        let opened = self.engine.transport().is_some();
        self.engine.withdraw(&mut self.outbox);
        self.outbox.hold_all();
        self.engine.leave();
        self.session_over(DisconnectReason::ForcedClose, Cause::Local, opened, true);
        self.inbound.clear();
        self.follow();
        self.agenda.reconnect.dial = true;
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
        let entry = self.namespaces.get(nsp).filter(|_| options.ack);
        let id = entry.map(|entry| entry.next_id);
        loop {
            let sent = self.encoded((nsp, id), args, Some(event), |client, body| {
                client.send_event(now, nsp, body, options)
            });
            if !matches!(sent, Err(EmitError::Full)) || !self.gives_way(nsp, options) {
                return sent;
            }
        }
    }

    /// Without the feature nothing gives way.
    #[cfg(not(feature = "offline"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    const fn gives_way(&mut self, _nsp: NamespaceId, _options: EmitOptions) -> bool {
        false
    }

    /// Answers an event that asked for it.
    ///
    /// # Errors
    /// [`EmitError::Stale`] when the connection over which the event came is gone, else as for `emit`.
    pub fn ack<A: EmitArgs + ?Sized>(
        &mut self,
        now: Instant,
        request: AckRequest,
        args: &A,
    ) -> Result<(), EmitError> {
        self.encoded(
            (request.nsp, Some(request.id)),
            args,
            None,
            |client, body| client.send_ack(now, request, body),
        )
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

    /// Encodes arguments, and hands the packet on: in fixed memory at the place where it will lie, as far as its prefix is
    /// known (`id`: with this number), else in a scratch.
    fn encoded<A: EmitArgs + ?Sized, R>(
        &mut self,
        (nsp, id): (NamespaceId, Option<u64>),
        args: &A,
        event: Option<&str>,
        send: impl FnOnce(&mut Self, Body<'_>) -> Result<R, EmitError>,
    ) -> Result<R, EmitError> {
        let limit = self.engine.config().limits.attachments;
        #[cfg(feature = "msgpack")]
        let scratch = !self.outbox.is_fixed() || self.outbox.takes_packed();
        #[cfg(all(feature = "alloc", not(feature = "msgpack")))]
        let scratch = !self.outbox.is_fixed();
        #[cfg(feature = "alloc")]
        if scratch {
            return encoded(
                self,
                |client| &mut client.outbox,
                (event, args, limit),
                send,
            );
        }
        let lead = self.lead(nsp, id);
        let staged = self.outbox.stage(event, args, limit, lead)?;
        send(self, Body::Staged(staged))
    }

    /// Bytes in front of the arguments of a packet without attachments.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn lead(&self, nsp: NamespaceId, id: Option<u64>) -> usize {
        let entry = self.namespaces.get(nsp);
        let nsp = entry.map_or("/", |entry| on_wire(&entry.name));
        let prefix = Prefix {
            kind: Kind::Event,
            attachments: 0,
            nsp,
            id,
        };
        prefix.len()
    }

    /// Emits an event that is encoded already: for drivers that encode elsewhere. The name is not checked.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    #[cfg(any(feature = "alloc", feature = "extras"))]
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

    pub(super) fn send_event(
        &mut self,
        now: Instant,
        nsp: NamespaceId,
        body: Body<'_>,
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        self.pass_time(now);
        let max_payload = self.engine.max_payload();
        if max_payload > 0 && body.len() > max_payload {
            // The server may close the connection on it. Whether it does is its business: see `Event::Unsent`.
            crate::fmt::say!(
                warn,
                "an event of {} bytes is larger than the maxPayload of {} that the server announced",
                body.len(),
                max_payload
            );
        }
        let config = self.engine.config();
        let (most_attachments, most_acks) = (config.limits.attachments, config.limits.acks);
        let base64 = config.sends_base64();
        let shared = self.namespaces.active() > 1;
        let Some(entry) = self.namespaces.get_mut(nsp) else {
            return Err(EmitError::UnknownNamespace);
        };
        let joined = entry.is_joined();
        if options.volatile && !(joined && self.engine.is_writable() && !self.outbox.has_backlog())
        {
            return Err(EmitError::NotWritable);
        }
        let attachments = body.attachments();
        if attachments > usize::from(most_attachments) {
            return Err(EmitError::TooManyAttachments);
        }
        #[cfg(feature = "offline")]
        let entry = if joined {
            entry
        } else {
            self.make_offline_room(nsp, &body, options)?;
            match self.namespaces.get_mut(nsp) {
                Some(entry) => entry,
                None => return Err(EmitError::UnknownNamespace),
            }
        };
        let retry = entry.options.retries().is_some() && !options.volatile;
        let id = (options.ack && !retry).then_some(entry.next_id);
        let prefix = Prefix {
            kind: if attachments > 0 {
                Kind::BinaryEvent
            } else {
                Kind::Event
            },
            attachments,
            nsp: on_wire(&entry.name),
            id,
        };
        let mut meta = Meta {
            class: Class::Event,
            life: match (options.volatile, retry) {
                (true, _) => Life::Connection,
                (false, true) => Life::Answered,
                (false, false) => Life::Written,
            },
            ready: joined,
            shared,
            ack: None,
            #[cfg(feature = "deflate")]
            uncompressed: options.uncompressed,
        };
        if !options.ack {
            self.outbox.push(nsp, &prefix, body, base64, meta)?;
            self.agenda.packet_accepted(joined && !retry, None);
            if retry {
                self.drive_retries(nsp);
            }
            return Ok(None);
        }
        // A packet in front of this one may need an entry first: without it, both would wait for ever.
        if !self.acks.has_room(most_acks, self.outbox.unasked_queues()) {
            return Err(EmitError::TooManyAcks);
        }
        let timeout = if retry {
            options.timeout
        } else {
            entry.ack_timeout(options.timeout)
        };
        let deadline = timeout.map(|timeout| self.engine.now() + timeout);
        let waiting = AckEntry::asked(nsp, retry, options.timeout);
        let Some(ack) = self
            .acks
            .insert(&mut entry.acks, waiting.under(id, deadline))
        else {
            return Err(EmitError::TooManyAcks);
        };
        meta.ack = Some(ack);
        match self.outbox.push(nsp, &prefix, body, base64, meta) {
            Ok(packet) => self.acks.set_packet(ack, packet),
            Err(error) => {
                self.acks.take_back(&mut entry.acks, ack);
                return Err(error.into());
            }
        }
        if id.is_some() {
            entry.next_id += 1;
        }
        self.agenda.packet_accepted(joined && !retry, deadline);
        if retry {
            self.drive_retries(nsp);
        }
        Ok(Some(ack))
    }

    /// Answers an event with arguments that are encoded already.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub fn ack_raw(
        &mut self,
        now: Instant,
        request: AckRequest,
        packet: RawPacket<'_>,
    ) -> Result<(), EmitError> {
        self.send_ack(now, request, Body::Bytes(packet.json, packet.attachments))
    }

    pub(super) fn send_ack(
        &mut self,
        now: Instant,
        request: AckRequest,
        body: Body<'_>,
    ) -> Result<(), EmitError> {
        self.pass_time(now);
        let base64 = self.engine.config().sends_base64();
        let limit = usize::from(self.engine.config().limits.attachments);
        let Some(entry) = self.namespaces.get(request.nsp) else {
            return Err(EmitError::UnknownNamespace);
        };
        if !entry.is_joined() || request.join != entry.join {
            return Err(EmitError::Stale);
        }
        let attachments = body.attachments();
        if attachments > limit {
            return Err(EmitError::TooManyAttachments);
        }
        let prefix = Prefix {
            kind: if attachments > 0 {
                Kind::BinaryAck
            } else {
                Kind::Ack
            },
            attachments,
            nsp: entry.wire_name(),
            id: Some(request.id),
        };
        let meta = Meta {
            class: Class::Answer,
            life: Life::Connection,
            ack: None,
            ready: true,
            shared: false,
            #[cfg(feature = "deflate")]
            uncompressed: false,
        };
        self.outbox.push(request.nsp, &prefix, body, base64, meta)?;
        Ok(())
    }
}
