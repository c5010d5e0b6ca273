//! Joining further namespaces on a connection.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::Socket;
use crate::client::error::{BoxError, ConnectError};
use crate::client::options::{AuthSource, check_namespace};

/// What is asked of a namespace: what is `None` stays as it is.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) auth: Option<AuthSource>,
    pub(crate) ack_timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
}

/// Does something with a socket before it connects.
pub(crate) type Setup = Box<dyn FnOnce(&Socket) + Send>;

/// Joins another namespace: see [`Socket::namespace`].
#[must_use = "call `connect`, `connect_background` or `open`"]
pub struct NamespaceBuilder {
    /// The connection stays at least until the namespace has a handle of its own.
    from: Socket,
    name: String,
    wanted: Wanted,
    error: Option<ConnectError>,
    setup: Vec<Setup>,
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl NamespaceBuilder {
    pub(crate) fn new(from: Socket, name: &str) -> Self {
        Self {
            from,
            name: name.to_owned(),
            wanted: Wanted::default(),
            error: None,
            setup: Vec::new(),
        }
    }

    /// The `auth` payload of every CONNECT: anything that serialises to a JSON object.
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        match AuthSource::value(&auth) {
            Ok(source) => self.wanted.auth = Some(source),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Computes the `auth` payload anew for every CONNECT: fresh tokens after every reconnection. A failure counts as a
    /// failed attempt: see [`ClientBuilder::auth_with`](crate::ClientBuilder::auth_with).
    pub fn auth_with<F, T>(mut self, auth: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Serialize,
    {
        self.wanted.auth = Some(AuthSource::function(auth));
        self
    }

    /// Timeout of acknowledgements that have none of their own.
    pub const fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.wanted.ack_timeout = Some(timeout);
        self
    }

    /// The `retries` queue: see [`ClientBuilder::retries`](crate::ClientBuilder::retries).
    pub const fn retries(mut self, retries: u32) -> Self {
        self.wanted.retries = Some(retries);
        self
    }

    // ---- listening ----

    /// Does something with the socket before it connects: registers handlers, takes streams.
    pub fn setup(mut self, setup: impl FnOnce(&Socket) + Send + 'static) -> Self {
        self.setup.push(Box::new(setup));
        self
    }

    // ---- go ----

    /// The socket, not connected: register handlers, then [`Socket::connect`]. If there is one of this name already,
    /// it is that one, with the options of this builder: `auth` counts from the next CONNECT on, `ack_timeout` from the
    /// next emit on.
    ///
    /// # Errors
    /// A bad name or `auth`; `retries` other than those of the namespace that exists; more namespaces than
    /// [`Limits::namespaces`](crate::Limits::namespaces).
    pub fn open(self) -> Result<Socket, ConnectError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let name = check_namespace(&self.name)?;
        let socket = Socket::new(Arc::clone(self.from.shared()), &name, self.wanted)?;
        for setup in self.setup {
            setup(&socket);
        }
        if let Some(error) = socket.nsp().handlers.take_refused() {
            return Err(error);
        }
        Ok(socket)
    }

    /// Connects and waits until the namespace is joined.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub async fn connect(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect().await?;
        Ok(socket)
    }

    /// Connects in the background.
    ///
    /// # Errors
    /// A bad name or `auth`.
    pub fn connect_background(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect_background();
        Ok(socket)
    }
}

crate::client::setup::before_connecting!(NamespaceBuilder, Socket);
