//! The server's side of one client in one namespace.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use serde_json::Value;
use sockeye_core::packet::{ArgsError, EmitArgs, FromArgs, OwnedArgs};
use tokio::sync::mpsc;

use super::PATIENCE;
use super::session::Session;
use crate::client::args::Args;

/// A client's being in a namespace: who it is, and the way to it.
pub(super) struct Membership {
    pub(super) session: Weak<Session>,
    pub(super) namespace: String,
    pub(super) id: String,
    pub(super) auth: Value,
}

impl Membership {
    fn emit<A: EmitArgs>(&self, event: Option<&str>, id: Option<u64>, args: &A) {
        if let Some(session) = self.session.upgrade() {
            session.send(&self.namespace, event, id, args);
        }
    }
}

/// Waits for what a test expects.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// One client in one namespace, as the server sees it: what [`Server::peer`](super::Server::peer) gives. What is sent to
/// one that is gone goes nowhere, as on a network.
pub struct Peer {
    membership: Arc<Membership>,
    events: mpsc::UnboundedReceiver<Received>,
}

impl Peer {
    pub(super) const fn new(
        membership: Arc<Membership>,
        events: mpsc::UnboundedReceiver<Received>,
    ) -> Self {
        Self { membership, events }
    }

    /// The id that the client was given: its [`Socket::id`](crate::Socket::id).
    pub fn id(&self) -> &str {
        &self.membership.id
    }

    /// The `auth` payload of the client; null if it gave none.
    pub fn auth(&self) -> &Value {
        &self.membership.auth
    }

    /// The client's next event that has no handler ([`Server::on`](super::Server::on)).
    ///
    /// # Panics
    /// The client leaves, or none comes within 60 s.
    pub async fn next(&mut self) -> Received {
        match within("an event of the client", self.events.recv()).await {
            Some(event) => event,
            None => panic!("the client has left before its next event"),
        }
    }

    /// Waits until the client has left the namespace. What it emitted before is passed over.
    ///
    /// # Panics
    /// It does not within 60 s.
    pub async fn left(&mut self) {
        within("the client's leaving", async {
            while self.events.recv().await.is_some() {}
        })
        .await;
    }

    /// Sends an event to the client.
    ///
    /// # Panics
    /// The arguments cannot be encoded.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) {
        self.membership.emit(Some(event), None, &args);
    }

    /// Sends an event and waits for the client's answer.
    ///
    /// # Panics
    /// The client leaves, or gives no answer within 60 s, or one that is not of the type asked for.
    pub async fn emit_with_ack<A: EmitArgs, Answer: for<'a> OwnedArgs<'a>>(
        &self,
        event: &str,
        args: A,
    ) -> Answer {
        let session = self.membership.session.upgrade();
        let answer = session.map(|session| session.ask(&self.membership.namespace, event, &args));
        let answer = match answer {
            Some(answer) => within("the client's answer", answer).await.ok(),
            None => None,
        };
        let Some(answer) = answer else {
            panic!("the client has left before it answered {event}");
        };
        match answer.parse() {
            Ok(answer) => answer,
            Err(error) => panic!("the client's answer to {event} is not as expected: {error}"),
        }
    }

    /// Throws the client out of the namespace (`io server disconnect`).
    pub fn disconnect(&self) {
        if let Some(session) = self.membership.session.upgrade() {
            session.leave(&self.membership.namespace);
        }
    }

    /// Breaks the client's connection without a word.
    pub fn cut(&self) {
        if let Some(session) = self.membership.session.upgrade() {
            session.end();
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("namespace", &self.membership.namespace)
            .field("id", &self.membership.id)
            .finish_non_exhaustive()
    }
}

/// An event of a client. A clone of it can be kept, to answer later.
#[derive(Clone)]
pub struct Received {
    membership: Arc<Membership>,
    name: String,
    args: Args,
    ack: Option<u64>,
}

impl Received {
    pub(super) fn new(
        membership: Arc<Membership>,
        name: &str,
        args: Args,
        ack: Option<u64>,
    ) -> Self {
        Self {
            membership,
            name: name.to_owned(),
            args,
            ack,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments.
    pub const fn args(&self) -> &Args {
        &self.args
    }

    /// Its arguments as a tuple; see [`Args::parse`].
    ///
    /// # Errors
    /// Which argument does not fit, and why.
    pub fn parse<'a, T: FromArgs<'a>>(&'a self) -> Result<T, ArgsError> {
        self.args.parse()
    }

    /// Whether the client wants an answer.
    pub const fn wants_ack(&self) -> bool {
        self.ack.is_some()
    }

    /// Answers the event, if the client wants it.
    ///
    /// # Panics
    /// The arguments cannot be encoded.
    pub fn ack<A: EmitArgs>(&self, args: A) {
        if let Some(id) = self.ack {
            self.membership.emit(None, Some(id), &args);
        }
    }

    /// Sends an event to the client whose event this is.
    ///
    /// # Panics
    /// The arguments cannot be encoded.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) {
        self.membership.emit(Some(event), None, &args);
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("name", &self.name)
            .field("args", &self.args)
            .field("wants_ack", &self.wants_ack())
            .finish_non_exhaustive()
    }
}
