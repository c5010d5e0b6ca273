//! What handles have asked for: from the inbox to the core.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

#[cfg(feature = "msgpack")]
use sockeye_core::PackedPacket;
use sockeye_core::packet::{Args, Attachments};
use sockeye_core::{EmitError, EmitOptions, RawPacket, UnsentCause};

use super::Driver;
use crate::client::ack::AckError;
use crate::client::error::Notice;
use crate::dispatch::{Answer, Kind};
use crate::inbox::{AckSender, Command, Head, Inbox, lock};

/// More than this of the inbox's memory is not kept, in bytes and in entries.
const KEEP: usize = 1 << 20;
const KEEP_ENTRIES: usize = 1 << 12;

/// A packet as handles have encoded it.
#[derive(Clone, Copy)]
enum Encoded<'p> {
    Text(RawPacket<'p>),
    #[cfg(feature = "msgpack")]
    Packed(PackedPacket<'p>),
}

impl Encoded<'_> {
    /// The name of the event, and bytes of it.
    fn about(&self) -> (String, usize) {
        match self {
            Self::Text(packet) => {
                let mut args = std::str::from_utf8(packet.json)
                    .map(|json| Args::from_checked(json, Attachments::EMPTY))
                    .unwrap_or_default();
                let event = args.next_text().map(|name| name.to_cow().into_owned());
                let attachments = packet.attachments.iter().map(<[u8]>::len);
                let bytes = packet.json.len() + attachments.sum::<usize>();
                (event.unwrap_or_default(), bytes)
            }
            #[cfg(feature = "msgpack")]
            Self::Packed(packet) => {
                let event = sockeye_core::packet::msgpack::event_name(packet.data);
                (event.unwrap_or_default().to_owned(), packet.data.len())
            }
        }
    }
}

impl Driver {
    /// Whether handles have asked for something, or the last one is gone.
    #[cfg(feature = "tokio")]
    pub(super) fn is_called(&self) -> bool {
        self.shared.has_mail() || !self.ending && self.shared.handles.load(Ordering::Acquire) == 0
    }

    /// Takes what handles have asked for.
    pub(super) fn take_inbox(&mut self) {
        // Looked at first: what the last handle has asked for is in the inbox by then, and comes before the goodbye.
        let abandoned = self.shared.handles.load(Ordering::Acquire) == 0;
        if self.shared.has_mail() {
            let mut inbox = self.inbox.take().unwrap_or_default();
            self.taken = self.shared.take_inbox(&mut inbox);
            self.work_inbox(&mut inbox);
            self.inbox = Some(inbox);
            self.needs_drain = true;
        }
        if abandoned {
            self.leave();
        }
    }

    /// The last handle is gone: says goodbye, once that may be.
    pub(super) fn leave(&mut self) {
        if !self.ending && self.may_leave() {
            self.ending = true;
            self.core.disconnect_all(self.now);
            self.needs_drain = true;
        }
    }

    /// The connection has little to do: the memory of packets that have gone is given back.
    pub(super) fn tidy_inbox(&mut self) {
        self.inbox = None;
        lock(&self.shared.mailbox).shrink();
    }

    /// The server has pinged: after a whole interval without packets memory is given back.
    pub(super) fn pinged(&mut self) {
        if std::mem::replace(&mut self.pinged_at, self.taken) == self.taken {
            self.tidy_inbox();
        }
    }

    fn work_inbox(&mut self, inbox: &mut Inbox) {
        let mut at = 0;
        for entry in &inbox.entries {
            let json = &inbox.bytes[at..at + entry.json as usize];
            at += entry.json as usize;
            let records = &inbox.bytes[at..at + entry.records as usize];
            at += entry.records as usize;
            let packet = self.packet(json, records, entry.attachments.into());
            match entry.head {
                Head::Command => {
                    if let Some(command) = inbox.commands.pop_front() {
                        self.command(command);
                    }
                }
                Head::Ack(request) => {
                    let sent = match packet {
                        Encoded::Text(packet) => self.core.ack_raw(self.now, request, packet),
                        #[cfg(feature = "msgpack")]
                        Encoded::Packed(packet) => self.core.ack_packed(self.now, request, packet),
                    };
                    if let Err(error) = sent {
                        tracing::debug!(%error, id = request.id(), "an acknowledgement was not sent");
                    }
                }
                Head::Emit {
                    nsp,
                    ack,
                    volatile,
                    uncompressed,
                    timeout,
                } => {
                    let sender = if ack { inbox.acks.pop_front() } else { None };
                    let mut options = EmitOptions::PLAIN;
                    options.ack = ack;
                    options.volatile = volatile;
                    #[cfg(feature = "deflate")]
                    {
                        options.uncompressed = uncompressed;
                    }
                    #[cfg(not(feature = "deflate"))]
                    let _ = uncompressed;
                    options.timeout = timeout;
                    self.emit(nsp as usize, packet, options, sender);
                }
            }
        }
        inbox.entries.clear();
        inbox.bytes.clear();
        (inbox.size, inbox.packets, inbox.ack_places) = (0, 0, 0);
        if inbox.bytes.capacity() > KEEP {
            inbox.bytes = Vec::new();
        }
        if inbox.entries.capacity() > KEEP_ENTRIES {
            inbox.entries = Vec::new();
        }
        if inbox.acks.capacity() > KEEP_ENTRIES {
            inbox.acks = VecDeque::new();
        }
        // Commands are rare, connections may be many.
        if inbox.commands.capacity() > 0 {
            inbox.commands = VecDeque::new();
        }
    }

    /// A packet of the inbox.
    fn packet<'p>(&self, data: &'p [u8], records: &'p [u8], count: usize) -> Encoded<'p> {
        #[cfg(feature = "msgpack")]
        if self.shared.packed {
            let binaries = count;
            return Encoded::Packed(PackedPacket { data, binaries });
        }
        let attachments = match count {
            0 => Attachments::EMPTY,
            n => Attachments::from_records(records, n).unwrap_or(Attachments::EMPTY),
        };
        Encoded::Text(RawPacket {
            json: data,
            attachments,
        })
    }

    fn emit(
        &mut self,
        nsp: usize,
        packet: Encoded<'_>,
        options: EmitOptions,
        sender: Option<AckSender>,
    ) {
        if sender.as_ref().is_some_and(AckSender::is_closed) {
            // The future was dropped before the packet was looked at: it is taken back.
            return;
        }
        let result = match self.core_handle(nsp) {
            Some(nsp) => match packet {
                Encoded::Text(packet) => self.core.emit_raw(self.now, nsp, packet, options),
                #[cfg(feature = "msgpack")]
                Encoded::Packed(packet) => self.core.emit_packed(self.now, nsp, packet, options),
            },
            None => Err(EmitError::UnknownNamespace),
        };
        match (result, sender) {
            (Ok(Some(id)), Some(sender)) => {
                if sender.accepted(id) {
                    self.acks.add(id, (nsp, sender));
                } else {
                    // Dropped just now.
                    self.core.cancel_ack(id);
                }
            }
            (Err(error), Some(sender)) => {
                tracing::debug!(%error, "a packet was not sent");
                let _ = sender.send(Err(match error {
                    EmitError::NotWritable => AckError::Dropped { sent: false },
                    error => AckError::NotSent(error),
                }));
            }
            (Err(EmitError::NotWritable), None) => {
                self.not_sent(nsp, packet, UnsentCause::NotWritable);
            }
            (Err(error), None) => {
                tracing::warn!(%error, "a packet was not sent");
                self.not_sent(nsp, packet, UnsentCause::Unwritable);
            }
            (Ok(_), _) => (),
        }
    }

    /// A packet was accepted, and the core does not take it.
    fn not_sent(&mut self, nsp: usize, packet: Encoded<'_>, cause: UnsentCause) {
        let Some(slot) = self.slots.get(nsp) else {
            return;
        };
        // A stalled link drops many of them: nothing is made that nobody listens to.
        if !slot.shared.handlers.wants(Kind::Other) {
            return;
        }
        let (event, bytes) = packet.about();
        let notice = Notice::Unsent {
            event,
            bytes,
            cause,
        };
        self.shared.gave_up.store(true, Ordering::Release);
        self.batch.notice(&slot.shared, &notice);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Connect {
                nsp,
                upto,
                keep_trying,
            } => self.connect(nsp, upto, keep_trying),
            Command::Disconnect { nsp } => self.disconnect(nsp),
            Command::Close { nsp, done } => self.close(nsp, done),
            Command::Told { nsp, done } => {
                if let Some(slot) = self.slots.get(nsp) {
                    let told = Answer::Call(Box::new(|| {
                        let _ = done.send(());
                    }));
                    self.batch.answer(&slot.shared, told);
                }
            }
            Command::Forget { nsp } => self.forget(nsp),
            Command::Options { nsp, options } => {
                if let Some(slot) = self.slots.get(nsp) {
                    self.core.set_options(slot.nsp, options);
                }
            }
            Command::Reconnect => self.core.reconnect(self.now),
            Command::Auth { nsp, call, auth } => self.auth_called(nsp, call, auth),
            Command::Query(query) => self.core.set_query(query.into()),
            Command::Headers(headers) => {
                let headers = self.target.origin.complete(headers);
                self.core.set_headers(headers);
            }
            Command::Reconnection(policy) => *self.core.reconnection_mut() = policy,
            Command::ReportOutgoing(on) => self.core.report_outgoing(on),
            Command::Clear { nsp } => {
                if let Some(nsp) = self.core_handle(nsp) {
                    self.core.clear_send_buffer(nsp);
                }
            }
            Command::CancelAck(id) => {
                if self.acks.take(id).is_some() {
                    self.core.cancel_ack(id);
                }
            }
        }
    }
}
