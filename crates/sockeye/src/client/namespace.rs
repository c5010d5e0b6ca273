//! Joining further namespaces on a connection.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sockeye_core::NspOptions;

use crate::Socket;
use crate::client::error::{BoxError, ConnectError};
use crate::client::options::{AuthSource, check_namespace};
use crate::inbox::Shared;

/// Joins another namespace: see [`Socket::namespace`].
#[derive(Debug)]
#[must_use = "call `connect`, `connect_background` or `open`"]
pub struct NamespaceBuilder {
    pub(crate) shared: Arc<Shared>,
    /// The connection stays at least until the namespace has a handle of its own.
    pub(crate) _keep: Socket,
    pub(crate) name: String,
    pub(crate) options: NspOptions,
    pub(crate) auth: AuthSource,
    pub(crate) error: Option<ConnectError>,
}

impl NamespaceBuilder {
    /// The `auth` payload of every CONNECT: anything that serialises to a JSON object.
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        match AuthSource::value(&auth) {
            Ok(source) => self.auth = source,
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Computes the `auth` payload anew for every CONNECT: fresh tokens after every reconnection.
    pub fn auth_with<F, T>(mut self, auth: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Serialize,
    {
        self.auth = AuthSource::function(auth);
        self
    }

    /// Timeout of acknowledgements that have none of their own.
    pub const fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.options.ack_timeout = Some(timeout);
        self
    }

    /// The `retries` queue: see [`ClientBuilder::retries`](crate::ClientBuilder::retries).
    pub const fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// The socket, not connected: register handlers, then [`Socket::connect`].
    ///
    /// # Errors
    /// A bad name or `auth`.
    pub fn open(self) -> Result<Socket, ConnectError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let name = check_namespace(&self.name)?;
        Ok(Socket::new(self.shared, &name, self.options, self.auth))
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
