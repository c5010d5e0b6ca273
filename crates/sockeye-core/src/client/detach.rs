//! Events taken out of the client, so that the application can give commands while it reads one.
//!
//! An [`Event`] borrows the client, for good reason: it lies in the receive memory. A driver without a heap that calls
//! the application back cannot copy it either. So the receive memory is *moved* out along with the event: the rest of
//! the client is free to encode, answer, connect and disconnect meanwhile.

use super::event::{Event, Refusal};
use super::incoming::{args_in, message_in};
use super::{Client, Ev, Todo};
use crate::config::Transport;
use crate::engine::{Link, Step};
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
    ev: Ev,
    cause: Cause,
    join: u32,
    transport: Transport,
    /// The text of an event that does not lie in `rx`.
    text: Short<NOTE_LEN>,
    limit: usize,
}

impl Detached<'_> {
    /// The event.
    pub fn event(&self) -> Event<'_> {
        let details = |cause: Cause| Details {
            cause,
            text: self.text.as_str(),
        };
        match self.ev {
            Ev::Opened => Event::Opened {
                transport: self.transport,
                sid: self.text.as_str(),
            },
            Ev::Upgraded => Event::Upgraded,
            Ev::UpgradeFailed(cause) => Event::UpgradeFailed(details(cause)),
            Ev::Auth(nsp) => Event::Auth(nsp),
            Ev::Connected { nsp, recovered } => Event::Connected { nsp, recovered },
            Ev::Refused { nsp, message, data } => {
                let text = core::str::from_utf8(self.rx.message()).unwrap_or("");
                let data = (!data.is_empty()).then(|| data.of(text));
                Event::ConnectError(Refusal {
                    nsp,
                    message: Text::from_raw(message.of(text)),
                    data,
                })
            }
            Ev::NoAnswer { nsp } => Event::ConnectError(Refusal::no_answer(nsp)),
            Ev::OldServer { nsp } => Event::ConnectError(Refusal::old_server(nsp)),
            Ev::Message { nsp, ref arrived } => {
                Event::Message(message_in(&self.rx, nsp, self.join, arrived))
            }
            Ev::Ack { id, ref arrived } => Event::Ack {
                id,
                result: Ok(args_in(&self.rx, arrived)),
            },
            Ev::AckFailed { id, error } => Event::Ack {
                id,
                result: Err(error),
            },
            Ev::Disconnected { nsp, reason } => Event::Disconnected {
                nsp,
                reason,
                details: details(self.cause),
            },
            Ev::Closed {
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
            Ev::Reconnecting { attempt, delay } => Event::Reconnecting { attempt, delay },
            Ev::ReconnectAttempt(n) => Event::ReconnectAttempt(n),
            Ev::Reconnected(n) => Event::Reconnected(n),
            Ev::ReconnectFailed => Event::ReconnectFailed,
            // Outgoing packets lie in the send memory: they are never detached.
            Ev::Ping | Ev::Outgoing { .. } => Event::Ping,
            Ev::TooLarge { bytes } => Event::MessageTooLarge {
                bytes,
                limit: self.limit,
            },
        }
    }
}

impl<'a> Client<'a> {
    /// As [`poll_output`](Self::poll_output), for drivers whose application gives commands while it looks at an event.
    /// [`Event::Outgoing`] is not told this way.
    pub fn poll_detached(&mut self) -> DetachedOutput<'a> {
        loop {
            return match self.advance() {
                Todo::Step(Step::Open(link)) => DetachedOutput::Open(link),
                Todo::Step(Step::Transmit(link)) => DetachedOutput::Transmit(link),
                Todo::Step(Step::Close(link)) => DetachedOutput::Close(link),
                Todo::Event(Ev::Outgoing { .. }) => continue,
                Todo::Event(ev) => DetachedOutput::Event(self.detach(ev)),
                Todo::Step(_) => DetachedOutput::Idle(None),
                Todo::Idle(wake) => DetachedOutput::Idle(wake),
            };
        }
    }

    fn detach(&mut self, ev: Ev) -> Detached<'a> {
        let text = match ev {
            Ev::Opened => Short::cut(self.engine.sid().unwrap_or("")),
            Ev::UpgradeFailed(_) | Ev::Disconnected { .. } | Ev::Closed { .. } => self.engine.note,
            _ => Short::EMPTY,
        };
        let transport = self.engine.transport().unwrap_or(Transport::Polling);
        let limit = self.largest();
        let join = if let Ev::Message { nsp, .. } = ev {
            self.join_of(nsp)
        } else {
            0
        };
        let (rx, epoch) = self.engine.lend_main_rx();
        Detached {
            rx,
            epoch,
            ev,
            cause: self.cause,
            join,
            transport,
            text,
            limit,
        }
    }

    /// Gives back the receive memory of an event. If its session has been ended meanwhile, what was received is void.
    pub fn attach(&mut self, event: Detached<'a>) {
        self.engine.give_back(event.rx, event.epoch);
    }
}
