//! Answering events.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use sockeye_core::packet::EmitArgs;
use sockeye_core::{AckRequest, EmitError};

use crate::Socket;
use crate::dispatch::guard::Outcome;
use crate::inbox::{Head, NspShared, Shared, encode};

/// What an event handler gets beside the arguments: the way to answer, and to the socket.
///
/// It does not keep the connection alive.
#[derive(Clone)]
pub struct Responder {
    pub(crate) shared: Weak<Shared>,
    pub(crate) nsp: Arc<NspShared>,
    pub(crate) request: Option<AckRequest>,
    /// Whether the event has been answered: shared by all clones that answer the same event.
    pub(crate) answered: Arc<AtomicBool>,
}

impl Responder {
    /// Turns to the next event. As long as nobody keeps a clone, this allocates nothing.
    pub(crate) fn begin(&mut self, request: Option<AckRequest>) {
        self.request = request;
        if request.is_some() {
            match Arc::get_mut(&mut self.answered) {
                Some(answered) => *answered.get_mut() = false,
                None => self.answered = Arc::default(),
            }
        }
    }

    /// Whether the server asked for an answer.
    pub const fn is_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Answers the event, now or later. `args` is a tuple; binary may stand at any depth. If the server did not ask,
    /// nothing is sent.
    ///
    /// # Errors
    /// [`EmitError::AlreadyAnswered`] if a clone, or another handler of the same event, has answered: an event has one
    /// acknowledgement. Others as [`Socket::emit`]; the event is not answered then, and a clone may try again. An answer
    /// after the connection was lost is dropped without a word: it would mean nothing on another one.
    pub fn ack<A: EmitArgs>(self, args: A) -> Result<(), EmitError> {
        let Some(request) = self.request else {
            return Ok(());
        };
        let Some(shared) = self.shared.upgrade() else {
            return Err(EmitError::Stale);
        };
        if self.answered.swap(true, Ordering::AcqRel) {
            return Err(EmitError::AlreadyAnswered);
        }
        let sent = encode(None, &args, shared.encoding(), |json, records, count| {
            shared.packet(&self.nsp, Head::Ack(request), json, records, count, None)
        });
        if sent.is_err() {
            self.answered.store(false, Ordering::Release);
        }
        sent
    }

    /// Answers with what a handler has returned, if the server asked.
    pub(crate) fn settle<A: EmitArgs>(&self, answer: A) -> Outcome {
        if !self.is_requested() {
            return Ok(());
        }
        match self.clone().ack(answer) {
            // The connection is gone, and the question with it.
            Ok(()) | Err(EmitError::Stale | EmitError::Closed) => Ok(()),
            Err(error) => Err(format!("its acknowledgement was not sent: {error}")),
        }
    }

    /// Whether the event has been answered, by this or by another [`Responder`] of the same event.
    pub fn is_answered(&self) -> bool {
        self.request.is_some() && self.answered.load(Ordering::Acquire)
    }

    /// The ack id on the wire, if the server asked for an answer.
    pub fn ack_id(&self) -> Option<u64> {
        self.request.map(|request| request.id())
    }

    /// The socket the event came to; `None` once its last handle is gone. Use this in handlers rather than a captured
    /// [`Socket`], which would keep the connection alive for ever.
    pub fn socket(&self) -> Option<Socket> {
        Socket::upgrade(&self.shared, &self.nsp)
    }

    /// As [`socket`](Self::socket), for handlers of a blocking client.
    #[cfg(feature = "blocking")]
    pub fn blocking_socket(&self) -> Option<crate::blocking::Socket> {
        self.socket().map(Into::into)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("namespace", &self.nsp.name)
            .field("ack_id", &self.ack_id())
            .finish()
    }
}
