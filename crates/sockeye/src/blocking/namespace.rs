//! Joining further namespaces on a connection.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Socket;
use crate::ConnectError;
use crate::client::error::BoxError;

/// A function that blocks, as one that is async. It runs when the future is polled, and that is done on a thread of its
/// own.
pub(super) fn computed<T: Send + 'static>(
    function: impl Fn() -> Result<T, BoxError> + Send + Sync + 'static,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>> + Send + Sync
{
    let function = Arc::new(function);
    move || {
        let function = Arc::clone(&function);
        Box::pin(async move { function() })
    }
}

/// Joins another namespace: see [`Socket::namespace`].
#[must_use = "call `connect`, `connect_background` or `open`"]
pub struct NamespaceBuilder {
    inner: crate::NamespaceBuilder,
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl NamespaceBuilder {
    pub(super) const fn new(inner: crate::NamespaceBuilder) -> Self {
        Self { inner }
    }

    pub(super) fn with(
        mut self,
        change: impl FnOnce(crate::NamespaceBuilder) -> crate::NamespaceBuilder,
    ) -> Self {
        self.inner = change(self.inner);
        self
    }

    /// The `auth` payload of every CONNECT: anything that serialises to a JSON object.
    pub fn auth(self, auth: impl Serialize) -> Self {
        self.with(|inner| inner.auth(auth))
    }

    /// Computes the `auth` payload anew for every CONNECT: see
    /// [`ClientBuilder::auth_with`](super::ClientBuilder::auth_with).
    pub fn auth_with<T: Serialize + Send + 'static>(
        self,
        auth: impl Fn() -> Result<T, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.with(|inner| inner.auth_with(computed(auth)))
    }

    /// Timeout of acknowledgements that have none of their own.
    pub fn ack_timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.ack_timeout(timeout))
    }

    /// The `retries` queue: see [`ClientBuilder::retries`](super::ClientBuilder::retries).
    pub fn retries(self, retries: u32) -> Self {
        self.with(|inner| inner.retries(retries))
    }

    /// Does something with the socket before it connects: registers handlers, takes streams.
    pub fn setup(self, setup: impl FnOnce(&Socket) + Send + 'static) -> Self {
        self.with(|inner| inner.setup(|socket| setup(&socket.clone().into())))
    }

    /// The socket, not connected: [`sockeye::NamespaceBuilder::open`](crate::NamespaceBuilder::open).
    ///
    /// # Errors
    /// A bad name or `auth`; `retries` other than those of the namespace that exists; too many namespaces.
    pub fn open(self) -> Result<Socket, ConnectError> {
        self.inner.open().map(Into::into)
    }

    /// Connects and waits until the namespace is joined.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub fn connect(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect()?;
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
