//! Events taken out of the client, so that the application can give commands while it reads one.
//!
//! An [`Event`] borrows the client, for good reason: it lies in the receive memory. A driver without a heap that calls
//! the application back cannot copy it either. So the receive memory is *moved* out along with the event: the rest of
//! the client is free to encode, answer, connect and disconnect meanwhile.

use super::event::{Event, Refusal, Unsent};
use super::inbound::Arrived;
use super::notices::Notice;
use super::outputs::name_in;
use super::views::{Received, args_in, message_in};
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
    /// What is made of the packet for those who look at it.
    #[cfg(feature = "msgpack")]
    shown: crate::packet::msgpack::ArgsText,
    /// Of the session that the memory was received in; none once the memory has been given back.
    epoch: Option<u32>,
    event: PendingEvent,
    /// The packet, if the event is one.
    packet: Arrived,
    join: u32,
    transport: Transport,
    /// Bytes that an event is about.
    bytes: usize,
}

/// The text of a detached event that does not lie in the receive memory: of a session id what fits, of an event's name
/// likewise. At most [`NOTE_LEN`](crate::NOTE_LEN) bytes.
#[derive(Clone, Debug)]
pub struct EventText(Short<NOTE_LEN>);

impl Detached<'_> {
    /// Whether [`Client::event_text`] is to be asked for a text that belongs to the event. Few events have one; those that
    /// have none are not made larger by it.
    pub const fn has_text(&self) -> bool {
        matches!(
            self.event,
            PendingEvent::Opened
                | PendingEvent::UpgradeFailed(_)
                | PendingEvent::Noted(Notice::Disconnected { .. } | Notice::Closed { .. })
                | PendingEvent::Unsent { .. }
        )
    }

    /// The event. `text` is what [`Client::event_text`] gave for it; without it the event has an empty text.
    pub fn event<'e>(&'e self, text: Option<&'e EventText>) -> Event<'e> {
        let text = text.map_or("", |text| text.0.as_str());
        let details = |cause: Cause| Details { cause, text };
        match self.event {
            PendingEvent::Opened => Event::Opened {
                transport: self.transport,
                sid: text,
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
            PendingEvent::Message { nsp } => {
                Event::Message(message_in(self.received(), nsp, self.join, &self.packet))
            }
            PendingEvent::Ack { id } => Event::Ack {
                id,
                result: Ok(args_in(self.received(), &self.packet)),
            },
            PendingEvent::Noted(notice) => notice.event(text),
            PendingEvent::Unsent { nsp, cause, .. } => Event::Unsent(Unsent {
                nsp,
                event: Text::from_raw(text),
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

impl<'a> Detached<'a> {
    const fn received(&self) -> Received<'_, 'a> {
        Received {
            rx: &self.rx,
            #[cfg(feature = "msgpack")]
            shown: &self.shown,
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
        let bytes = match event {
            PendingEvent::Unsent { packet, .. } => self.outbox.json(packet).1,
            _ => self.largest(),
        };
        let transport = self.engine.transport().unwrap_or(Transport::Polling);
        let join = if let PendingEvent::Message { nsp } = event {
            self.join_of(nsp)
        } else {
            0
        };
        let packet = *self.inbound.packet();
        let (rx, epoch) = self.engine.lend_main_rx();
        Detached {
            rx,
            #[cfg(feature = "msgpack")]
            shown: crate::packet::msgpack::ArgsText::new(),
            epoch: Some(epoch),
            event,
            packet,
            join,
            transport,
            bytes,
        }
    }

    /// The text of a detached event that [has one](Detached::has_text). To be asked for before anything else is done with
    /// the client: the next input, command or output may change it.
    pub fn event_text(&mut self, event: &Detached<'_>) -> EventText {
        EventText(match event.event {
            PendingEvent::Opened => Short::cut(self.engine.sid().unwrap_or("")),
            PendingEvent::UpgradeFailed(cause)
            | PendingEvent::Noted(
                Notice::Disconnected { cause, .. } | Notice::Closed { cause, .. },
            ) => Short::cut(self.details(cause).text),
            PendingEvent::Unsent { packet, .. } => {
                #[cfg(feature = "msgpack")]
                self.outbox.show(packet);
                Short::cut(name_in(self.outbox.json(packet).0).as_raw())
            }
            _ => Short::EMPTY,
        })
    }

    /// Gives back the receive memory of an event. If its session has been ended meanwhile, what was received is void. Does
    /// nothing for an event whose memory has been given back.
    pub fn attach(&mut self, event: &mut Detached<'a>) {
        if let Some(epoch) = event.epoch.take() {
            self.agenda.end();
            self.engine.give_back(&mut event.rx, epoch);
            self.returned();
        }
    }
}
