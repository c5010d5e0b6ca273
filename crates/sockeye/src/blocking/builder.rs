//! The builder of a blocking client.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sockeye_core::{Limits, Reconnection};

use super::Socket;
use crate::client::error::BoxError;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
use crate::net::Tls;
use crate::net::blocking::{AnyConnector, Connector};
use crate::{ConnectError, Transport};

/// Makes blocking clients.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// Begins with the server's URL: scheme (`http`, `ws`; `https`, `wss`), host, port, **namespace as the path**, and
    /// query: `http://localhost:3000/chat?room=1`. The request path is an option: [`ClientBuilder::path`].
    pub fn builder(url: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder {
            inner: crate::Client::builder(url).threads(),
        }
    }
}

/// All options, those of [`sockeye::ClientBuilder`](crate::ClientBuilder).
#[must_use = "call `connect`, `connect_background` or `open`"]
pub struct ClientBuilder {
    inner: crate::ClientBuilder,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Methods that are passed on to the builder of both clients.
macro_rules! options {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),*): $about:literal;)*) => {
        impl ClientBuilder {
            $(
                #[doc = $about]
                #[doc = concat!("\n\nAs [`", stringify!($name), "`](crate::ClientBuilder::", stringify!($name), ").")]
                $(#[$attribute])*
                pub fn $name(self $(, $argument: $type)*) -> Self {
                    self.with(|inner| inner.$name($($argument),*))
                }
            )*
        }
    };
}

options! {
    namespace(name: impl Into<String>): "The namespace, instead of the URL's path.";
    path(path: impl Into<String>): "The request path. Default `/socket.io`.";
    add_trailing_slash(on: bool): "Whether the request path ends with a slash. Default true.";
    query(key: impl Into<String>, value: impl Into<String>): "Adds a query parameter to every request.";
    header(name: impl Into<String>, value: impl Into<String>): "Adds a header to every request, also to the WebSocket upgrade.";
    transports(transports: impl IntoIterator<Item = Transport>): "The transports to use, in order. Default polling, then WebSocket.";
    try_all_transports(on: bool): "When the first transport fails before the handshake, try the other at once. Default false.";
    upgrade(on: bool): "Whether a polling connection is upgraded to WebSocket. Default true.";
    remember_upgrade(on: bool): "Start with WebSocket once a WebSocket has worked. Default false.";
    force_base64(on: bool): "Send binary as base64 text, on WebSocket too. Default false.";
    timestamp_requests(on: bool): "Whether requests carry a time stamp against caches.";
    timestamp_param(name: impl Into<String>): "The name of the time stamp. Default `t`.";
    #[cfg(feature = "deflate")]
    compression(compression: impl Into<Option<sockeye_core::Compression>>): "Offers the server to compress WebSocket messages. Default: none.";
    #[cfg(feature = "msgpack")]
    parser(parser: sockeye_core::Parser): "How packets are written: JSON (the default) or MessagePack.";
    #[cfg(feature = "eio3")]
    protocol(protocol: sockeye_core::Protocol): "Which version of Engine.IO is spoken. Default: it is detected.";
    cookies(on: bool): "Keep cookies the server sets, and send them back (sticky sessions). Default true.";
    reconnection(on: bool): "Whether a lost or failed connection is tried again. Default true.";
    reconnection_attempts(attempts: Option<u32>): "How many attempts before giving up; `None`, the default, never does.";
    reconnection_delay(delay: Duration): "The first delay before a reconnection; it doubles with every attempt. Default 1 s.";
    reconnection_delay_max(delay: Duration): "The longest delay before a reconnection. Default 5 s.";
    randomization_factor(factor: f64): "How much of a delay is random, 0 to 1. Default 0.5.";
    reconnection_policy(policy: Reconnection): "The whole reconnection policy at once.";
    timeout(timeout: Duration): "From dialing to the handshake. Default 20 s.";
    join_timeout(timeout: Duration): "From the CONNECT packet to the server's reply. Default 20 s.";
    request_timeout(timeout: Duration): "For one polling request. Default none.";
    wait_for_server(on: bool): "Whether [`connect`](Self::connect) waits for a server that cannot be reached. Default false: the first attempt's failure is its error.";
    close_timeout(timeout: Duration): "How long [`Socket::close`] waits at most. Default 5 s.";
    limits(limits: Limits): "Bounds of memory and counts.";
    auth(auth: impl Serialize): "The `auth` payload of every CONNECT: anything that serialises to a JSON object.";
    ack_timeout(timeout: Duration): "Timeout of acknowledgements that have none of their own. Default none.";
    retries(retries: u32): "At-least-once delivery: every packet waits for its acknowledgement before the next one is sent.";
    #[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
    tls(tls: Tls): "How `https` and `wss` connections are encrypted, and whom they trust.";
    proxy(url: impl AsRef<str>): "The proxy to go through, whatever the environment says.";
    no_proxy(): "No proxy, whatever the environment says.";
    local_address(address: IpAddr): "The local address to connect from.";
    tcp_keepalive(idle: Duration): "Probes an idle connection after this time.";
    resolve(host: &str, addresses: impl IntoIterator<Item = IpAddr>): "Uses these addresses for a host name, in this order, without asking the resolver.";
    host(host: impl Into<String>): "The `Host` header instead of the URL's.";
}

impl ClientBuilder {
    fn with(mut self, change: impl FnOnce(crate::ClientBuilder) -> crate::ClientBuilder) -> Self {
        self.inner = change(self.inner);
        self
    }

    /// WebSocket sub-protocols (`Sec-WebSocket-Protocol`).
    ///
    /// As [`protocols`](crate::ClientBuilder::protocols).
    pub fn protocols<S: AsRef<str>>(self, protocols: impl IntoIterator<Item = S>) -> Self {
        self.with(|inner| inner.protocols(protocols))
    }

    /// Any option of the builder for tokio; for those that have no method here.
    pub fn options(
        self,
        options: impl FnOnce(crate::ClientBuilder) -> crate::ClientBuilder,
    ) -> Self {
        self.with(options)
    }

    /// Computes the query anew for every connection; it replaces the parameters given otherwise. The function has a
    /// thread of its own, and may block. A failure counts as a failed attempt.
    pub fn query_with(
        self,
        query: impl Fn() -> Result<Vec<(String, String)>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let query = Arc::new(query);
        self.with(|inner| {
            inner.query_with(move || {
                let query = Arc::clone(&query);
                async move { query() }
            })
        })
    }

    /// Computes the headers anew for every connection; they replace those given otherwise. The function has a thread of
    /// its own, and may block. A failure counts as a failed attempt.
    pub fn headers_with(
        self,
        headers: impl Fn() -> Result<Vec<(String, String)>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let headers = Arc::new(headers);
        self.with(|inner| {
            inner.headers_with(move || {
                let headers = Arc::clone(&headers);
                async move { headers() }
            })
        })
    }

    /// Computes the `auth` payload anew for every CONNECT: fresh tokens after every reconnection. The function has a
    /// thread of its own, and may block. What its failure means is told at
    /// [`sockeye::ClientBuilder::auth_with`](crate::ClientBuilder::auth_with).
    pub fn auth_with<T: Serialize + Send + 'static>(
        self,
        auth: impl Fn() -> Result<T, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.with(|inner| inner.auth_with(super::namespace::computed(auth)))
    }

    /// Gives the client its byte streams some other way: by a Unix socket, a SOCKS library, another TLS stack. See
    /// [`Connector`]. The options of TCP, TLS and proxies do not apply then, nor does the environment's proxy.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.inner.network.blocking_connector = Some(AnyConnector::new(connector));
        self
    }

    /// The stack of each of the client's threads, in bytes. Default: the platform's. With TLS, threads that connect need
    /// some 32 KiB; handlers what they need themselves.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        let threads = self.inner.threads.get_or_insert_default();
        threads.stack_size = Some(bytes);
        self
    }

    /// Does something with the socket before it connects: registers handlers, takes streams.
    pub fn setup(self, setup: impl FnOnce(&Socket) + Send + 'static) -> Self {
        self.with(|inner| inner.setup(|socket| setup(&socket.clone().into())))
    }

    // ---- go ----

    /// Connects, and waits until the namespace is joined. When the first attempt fails, that is the error; to wait for
    /// a server that is not there yet, set [`wait_for_server`](Self::wait_for_server) or use
    /// [`connect_background`](Self::connect_background). Once joined, a lost connection is made again as the
    /// reconnection policy says.
    ///
    /// # Errors
    /// A bad URL or option, a server that cannot be reached, the server's refusal (with its message and data), or an
    /// answer that no Socket.IO server gives.
    pub fn connect(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect()?;
        Ok(socket)
    }

    /// Connects in the background: emits are kept until the namespace is joined, and it is tried until it is, as the
    /// reconnection policy says. Trouble is told by [`Socket::on_connect_error`].
    ///
    /// # Errors
    /// A bad URL or option, or no thread.
    pub fn connect_background(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect_background();
        Ok(socket)
    }

    /// The socket, not connected (`autoConnect: false`): [`Socket::connect`] does that.
    ///
    /// # Errors
    /// A bad URL or option, or the system has no thread for the client.
    pub fn open(self) -> Result<Socket, ConnectError> {
        self.inner.threads().open().map(Into::into)
    }
}

crate::client::setup::before_connecting!(ClientBuilder, Socket);
