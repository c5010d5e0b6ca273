//! Answering events.

use std::fmt;
use std::sync::{Arc, Weak};

use sockeye_core::packet::EmitArgs;
use sockeye_core::{AckRequest, EmitError};

use crate::Socket;
use crate::inbox::{Head, NspShared, Shared, encode};

/// What an event handler gets beside the arguments: the way to answer, and to the socket.
///
/// It does not keep the connection alive.
#[derive(Clone)]
pub struct Responder {
    pub(crate) shared: Weak<Shared>,
    pub(crate) nsp: Arc<NspShared>,
    pub(crate) request: Option<AckRequest>,
}

impl Responder {
    /// Whether the server asked for an answer.
    pub const fn is_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Answers the event, now or later. `args` is a tuple; binary may stand at any depth. If the server did not ask,
    /// nothing is sent. It takes one answer: a second one (from a clone) is the server's to ignore.
    ///
    /// # Errors
    /// As [`Socket::emit`]. An answer after the connection was lost is dropped without a word: it would mean nothing
    /// on another one.
    pub fn ack<A: EmitArgs>(self, args: A) -> Result<(), EmitError> {
        let Some(request) = self.request else {
            return Ok(());
        };
        let Some(shared) = self.shared.upgrade() else {
            return Err(EmitError::Stale);
        };
        encode(
            None,
            &args,
            shared.limits.attachments,
            |json, records, count| {
                shared.packet(&self.nsp, Head::Ack(request), json, records, count, None)
            },
        )
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
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("namespace", &self.nsp.name)
            .field("ack_id", &self.ack_id())
            .finish()
    }
}
