//! Events taken out of the client, so that the application can give commands while it reads one.
//!
//! An [`Event`] borrows the client, for good reason: it lies in the receive memory. A driver without a heap that calls
//! the application back cannot copy it either. So the receive memory is *moved* out along with the event: the rest of
//! the client is free to encode, answer, connect and disconnect meanwhile.

use super::event::{Event, Refusal, Unsent};
use super::inbound::{args_in, message_in};
use super::outputs::name_in;
use super::{Client, Next, PendingEvent};
use crate::config::Transport;
use crate::engine::Link;
use crate::error::{Cause, Details};
use crate::limits::NOTE_LEN;
use crate::memory::RxBuf;
use crate::packet::Text;
use crate::short::Short;
use crate::time::Instant;

/// What [`Client::poll_detached`] says: as [`Output`](crate::Output), with the event taken out.
#[derive(Debug)]
#[must_use = "drain until `Idle` before waiting"]
#[allow(
    clippy::large_enum_variant,
    reason = "there is no heap to put it on, and it lives for one match"
)]
pub enum DetachedOutput<'a> {
    /// As [`Output::Open`](crate::Output::Open).
    Open(Link),
    /// As [`Output::Transmit`](crate::Output::Transmit).
    Transmit(Link),
    /// As [`Output::Close`](crate::Output::Close).
    Close(Link),
    /// Tell the application, then [`Client::attach`] it again.
    Event(Detached<'a>),
    /// As [`Output::Idle`](crate::Output::Idle).
    Idle(Option<Instant>),
}

/// An event with the receive memory that it lies in. Until it is given back by [`Client::attach`], the client takes
/// commands, but no inputs, and must not be polled: it has nowhere to receive.
#[derive(Debug)]
#[must_use = "without `attach` the client cannot receive any more"]
pub struct Detached<'a> {
    rx: RxBuf<'a>,
    epoch: u32,
    event: PendingEvent,
    join: u32,
    transport: Transport,
    /// The text of an event that does not lie in `rx`: of a session id what fits, of an event's name likewise.
    text: Short<NOTE_LEN>,
    /// Bytes that an event is about.
    bytes: usize,
}

impl Detached<'_> {
    /// The event.
    pub fn event(&self) -> Event<'_> {
        let details = |cause: Cause| Details {
            cause,
            text: self.text.as_str(),
        };
        match self.event {
            PendingEvent::Opened => Event::Opened {
                transport: self.transport,
                sid: self.text.as_str(),
            },
            PendingEvent::UpgradeFailed(cause) => Event::UpgradeFailed(details(cause)),
            PendingEvent::ConnectError { nsp, message, data } => {
                let text = core::str::from_utf8(self.rx.message()).unwrap_or("");
                let data = (!data.is_empty()).then(|| data.of(text));
                Event::ConnectError(Refusal {
                    nsp,
                    message: Text::from_raw(message.of(text)),
                    data,
                })
            }
            PendingEvent::Message { nsp, ref arrived } => {
                Event::Message(message_in(&self.rx, nsp, self.join, arrived))
            }
            PendingEvent::Ack { id, ref arrived } => Event::Ack {
                id,
                result: Ok(args_in(&self.rx, arrived)),
            },
            PendingEvent::Disconnected { nsp, reason, cause } => Event::Disconnected {
                nsp,
                reason,
                details: details(cause),
            },
            PendingEvent::Closed {
                reason,
                cause,
                opened,
                retry,
            } => Event::Closed {
                reason,
                details: details(cause),
                opened,
                retry,
            },
            PendingEvent::Unsent { nsp, cause, .. } => Event::Unsent(Unsent {
                nsp,
                event: Text::from_raw(self.text.as_str()),
                bytes: self.bytes,
                cause,
            }),
            PendingEvent::MessageTooLarge { bytes } => Event::MessageTooLarge {
                bytes,
                limit: self.bytes,
            },
            // Outgoing packets lie in the send memory: they are never detached.
            other => other.plain(),
        }
    }
}

impl<'a> Client<'a> {
    /// As [`poll_output`](Self::poll_output), for drivers whose application gives commands while it looks at an event.
    /// [`Event::Outgoing`] is not told this way.
    pub fn poll_detached(&mut self) -> DetachedOutput<'a> {
        loop {
            return match self.advance() {
                Next::Open(link) => DetachedOutput::Open(link),
                Next::Transmit(link) => DetachedOutput::Transmit(link),
                Next::Close(link) => DetachedOutput::Close(link),
                Next::Event(PendingEvent::Outgoing { .. }) => continue,
                Next::Event(event) => DetachedOutput::Event(self.detach(event)),
                Next::Idle(wake) => DetachedOutput::Idle(wake),
            };
        }
    }

    fn detach(&mut self, event: PendingEvent) -> Detached<'a> {
        let mut bytes = self.largest();
        let text = match event {
            PendingEvent::Opened => Short::cut(self.engine.sid().unwrap_or("")),
            PendingEvent::UpgradeFailed(cause)
            | PendingEvent::Disconnected { cause, .. }
            | PendingEvent::Closed { cause, .. } => Short::cut(self.details(cause).text),
            PendingEvent::Unsent { packet, .. } => {
                #[cfg(feature = "msgpack")]
                self.outbox.show(packet);
                let (json, len) = self.outbox.json(packet);
                bytes = len;
                Short::cut(name_in(json).as_raw())
            }
            _ => Short::EMPTY,
        };
        let transport = self.engine.transport().unwrap_or(Transport::Polling);
        let join = if let PendingEvent::Message { nsp, .. } = event {
            self.join_of(nsp)
        } else {
            0
        };
        let (rx, epoch) = self.engine.lend_main_rx();
        Detached {
            rx,
            epoch,
            event,
            join,
            transport,
            text,
            bytes,
        }
    }

    /// Gives back the receive memory of an event. If its session has been ended meanwhile, what was received is void.
    pub fn attach(&mut self, event: Detached<'a>) {
        self.engine.give_back(event.rx, event.epoch);
        self.returned();
    }
}
