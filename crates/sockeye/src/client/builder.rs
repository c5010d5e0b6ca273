//! The builder: where to connect, and all options of Manager and Socket.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sockeye_core::{Config, Entropy, Limits, Reconnection, Timestamp, Transports};

use crate::client::error::{BoxError, ConnectError};
use crate::client::namespace::{Setup, Wanted};
use crate::client::options::{
    AuthSource, PairsFn, check_namespace, check_query, encode_headers, encode_query, is_token,
};
use crate::client::url::Address;
#[cfg(feature = "blocking")]
use crate::driver::threads::ThreadOptions;
use crate::driver::{self, Pairs, Parts, Target};
use crate::inbox::Shared;
use crate::net::options::NetworkOptions;
use crate::net::redirect::{self, Redirects};
use crate::{Socket, Transport};

/// Makes clients.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// Begins with the server's URL: scheme (`http`, `ws`; `https`, `wss`), host, port, **namespace as the path**, and
    /// query: `http://localhost:3000/chat?room=1`. The path is taken as it is written, as the official client does: nothing is
    /// percent-encoded or decoded, `/a%20b` is the namespace `/a%20b`. The request path is an option: [`ClientBuilder::path`].
    pub fn builder(url: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder::new(url.as_ref())
    }
}

/// All options, with the official client's defaults: see each method.
#[must_use = "call `connect`, `connect_background` or `open`"]
pub struct ClientBuilder {
    url: Result<Address, ConnectError>,
    namespace: Option<String>,
    path: String,
    trailing_slash: bool,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    transports: Vec<Transport>,
    timestamp_requests: Option<bool>,
    bad_protocol: Option<String>,
    auth: Result<AuthSource, ConnectError>,
    ack_timeout: Option<Duration>,
    retries: Option<u32>,
    wait_for_server: bool,
    close_timeout: Duration,
    config: Config<'static>,
    query_with: Option<PairsFn>,
    headers_with: Option<PairsFn>,
    setup: Vec<Setup>,
    pub(crate) redirects: usize,
    pub(crate) network: NetworkOptions,
    /// Threads drive the connection instead of tasks of tokio.
    #[cfg(feature = "blocking")]
    pub(crate) threads: Option<ThreadOptions>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn entropy(out: &mut [u8]) {
    // The operating system's generator does not fail on the systems we run on.
    getrandom::fill(out).expect("the operating system has no random numbers");
}

impl ClientBuilder {
    fn new(url: &str) -> Self {
        Self {
            url: Address::parse(url),
            namespace: None,
            path: "/socket.io".into(),
            trailing_slash: true,
            query: Vec::new(),
            headers: Vec::new(),
            transports: vec![Transport::Polling, Transport::WebSocket],
            timestamp_requests: None,
            bad_protocol: None,
            auth: Ok(AuthSource::None),
            ack_timeout: None,
            retries: None,
            wait_for_server: false,
            close_timeout: Duration::from_secs(5),
            config: config(),
            query_with: None,
            headers_with: None,
            setup: Vec::new(),
            redirects: redirect::DEFAULT,
            network: NetworkOptions::default(),
            #[cfg(feature = "blocking")]
            threads: None,
        }
    }

    // ---- where ----

    /// The namespace, instead of the URL's path.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// The request path. Default `/socket.io`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Whether the request path ends with a slash. Default true.
    pub const fn add_trailing_slash(mut self, on: bool) -> Self {
        self.trailing_slash = on;
        self
    }

    /// Adds a query parameter to every request; the URL's own query is kept too.
    pub fn query(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((key.into(), value.into()));
        self
    }

    /// Computes the query anew for every connection; it replaces the parameters given otherwise. A failure counts as
    /// a failed attempt.
    pub fn query_with<F>(mut self, query: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<(String, String)>, BoxError>> + Send + 'static,
    {
        self.query_with = Some(Arc::new(move || {
            let query = query();
            Box::pin(async move { Ok(encode_query(query.await?)) })
        }));
        self
    }

    /// Adds a header to every request, also to the WebSocket upgrade.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Computes the headers anew for every connection; they replace those given otherwise. A failure counts as a
    /// failed attempt.
    pub fn headers_with<F>(mut self, headers: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<(String, String)>, BoxError>> + Send + 'static,
    {
        self.headers_with = Some(Arc::new(move || {
            let headers = headers();
            Box::pin(async move { Ok(encode_headers(headers.await?)?) })
        }));
        self
    }

    // ---- how ----

    /// The transports to use, in order. Default polling, then WebSocket.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// When the first transport fails before the handshake, try the other at once. Default false.
    pub const fn try_all_transports(mut self, on: bool) -> Self {
        self.config.try_all_transports = on;
        self
    }

    /// Whether a polling connection is upgraded to WebSocket. Default true.
    pub const fn upgrade(mut self, on: bool) -> Self {
        self.config.upgrade = on;
        self
    }

    /// Start with WebSocket once a WebSocket has worked; forgotten at any transport error. Default false.
    pub const fn remember_upgrade(mut self, on: bool) -> Self {
        self.config.remember_upgrade = on;
        self
    }

    /// Send binary as base64 text, on WebSocket too. Default false.
    pub const fn force_base64(mut self, on: bool) -> Self {
        self.config.force_base64 = on;
        self
    }

    /// Whether requests carry a time stamp against caches: unset, polling requests do; `true`, all; `false`, none.
    pub const fn timestamp_requests(mut self, on: bool) -> Self {
        self.timestamp_requests = Some(on);
        self
    }

    /// The name of the time stamp. Default `t`.
    pub fn timestamp_param(mut self, name: impl Into<String>) -> Self {
        self.config.timestamp_param = name.into().into();
        self
    }

    /// WebSocket sub-protocols (`Sec-WebSocket-Protocol`).
    pub fn protocols<S: AsRef<str>>(mut self, protocols: impl IntoIterator<Item = S>) -> Self {
        let list: Vec<String> = protocols
            .into_iter()
            .map(|p| p.as_ref().to_owned())
            .collect();
        self.config.protocols = list.join(", ").into();
        self.bad_protocol = list.into_iter().find(|protocol| !is_token(protocol));
        self
    }

    /// Offers the server to compress WebSocket messages (permessage-deflate, RFC 7692): `Compression::DEFAULT`, which has
    /// the official client's threshold of 1 KiB, or with other choices. Default: none. Without the server's agreement
    /// (official servers want `perMessageDeflate: true`) messages are not compressed; nor are they by long-polling.
    /// [`Socket::compress`] switches it off for single events.
    ///
    /// A connection that compresses takes some 300 KB more, given back when it is idle, and 43 KB for what it receives.
    /// What a compressed message stands for counts for [`Limits::receive`]: one that is larger ends the connection, with
    /// [`Cause::Compression`](crate::Cause::Compression), since the next ones may refer to it.
    #[cfg(feature = "deflate")]
    pub fn compression(
        mut self,
        compression: impl Into<Option<sockeye_core::Compression>>,
    ) -> Self {
        self.config.compression = compression.into();
        self
    }

    /// How packets are written. Default [`Parser::Json`](crate::Parser::Json);
    /// [`Parser::MessagePack`](crate::Parser::MessagePack) is for servers with `socket.io-msgpack-parser`,
    /// [`Parser::Custom`](crate::Parser::Custom) a parser of your own. Both sides have to
    /// use the same: a server with another parser closes the connection, and the reason of the disconnect here is
    /// `parse error` or `transport close`. Handlers and emits are the same with either.
    ///
    /// What JSON cannot say is read as `JSON.stringify` writes it: dates as texts in ISO 8601, `undefined` as `null`
    /// (and as no member of an object). Extensions that the official parser does not know are arrays of their number and
    /// their bytes, as there. Floats that are not finite travel as they are; where arguments are looked at as JSON they are
    /// `null`.
    ///
    /// Arguments go between serde and MessagePack with no text in between.
    ///
    /// A packet counts for [`Limits::receive`] as the JSON and the binary that it would become, and may have at least 1024
    /// binary values, whatever [`Limits::attachments`] says.
    #[cfg(feature = "msgpack")]
    pub const fn parser(mut self, parser: sockeye_core::Parser) -> Self {
        self.config.parser = parser;
        self
    }

    /// Which version of the protocol is spoken. Default [`Protocol::Detect`](crate::Protocol::Detect): servers of Socket.IO 3
    /// and later (Engine.IO 4) and those of Socket.IO 2 and 1 (Engine.IO 3) are told by their answer. By long-polling that takes
    /// nothing; with WebSocket alone an older server sees two connections, of which the first ends at once:
    /// [`Protocol::V3`](crate::Protocol::V3) spares it that. [`Protocol::V4`](crate::Protocol::V4) refuses older servers, with
    /// [`Cause::OldServer`](crate::Cause::OldServer).
    ///
    /// Older servers know no `auth` payload: with one, `connect` fails and says so. Credentials go into the query, into a header,
    /// or behind a namespace's name, where they leave with its CONNECT packet: `/chat?token=…`. What such a server says by
    /// `socket.error(…)` is an event named `error`, for [`Socket::on_any`] or a stream. Connections are never recovered.
    #[cfg(feature = "eio3")]
    pub const fn protocol(mut self, protocol: sockeye_core::Protocol) -> Self {
        self.config.protocol = protocol;
        self
    }

    /// Keep cookies the server sets, and send them back (sticky sessions). Default true.
    pub const fn cookies(mut self, on: bool) -> Self {
        self.config.cookies = on;
        self
    }

    /// Whether a lost or failed connection is tried again. Default true.
    pub const fn reconnection(mut self, on: bool) -> Self {
        self.config.reconnection.enabled = on;
        self
    }

    /// How many attempts before giving up; `None`, the default, never does. (In the official client 0 means for ever;
    /// here it means none.)
    pub const fn reconnection_attempts(mut self, attempts: Option<u32>) -> Self {
        self.config.reconnection.attempts = attempts;
        self
    }

    /// The first delay before a reconnection; it doubles with every attempt. Default 1 s.
    pub const fn reconnection_delay(mut self, delay: Duration) -> Self {
        self.config.reconnection.delay = delay;
        self
    }

    /// The longest delay before a reconnection. Default 5 s.
    pub const fn reconnection_delay_max(mut self, delay: Duration) -> Self {
        self.config.reconnection.delay_max = delay;
        self
    }

    /// How much of a delay is random, 0 to 1. Default 0.5. Applied after the cap, so that a fleet spreads.
    pub fn randomization_factor(mut self, factor: f64) -> Self {
        self.config.reconnection.jitter_permille = (factor.clamp(0.0, 1.0) * 1000.0) as u16;
        self
    }

    /// The whole reconnection policy at once.
    pub const fn reconnection_policy(mut self, policy: Reconnection) -> Self {
        self.config.reconnection = policy;
        self
    }

    /// From dialing to the handshake. Default 20 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = Some(timeout);
        self
    }

    /// From the CONNECT packet to the server's reply. Default 20 s. (The official client waits for ever.)
    pub const fn join_timeout(mut self, timeout: Duration) -> Self {
        self.config.join_timeout = Some(timeout);
        self
    }

    /// For one polling request. Default none: the heartbeat finds dead connections.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = Some(timeout);
        self
    }

    /// Whether [`connect`](Self::connect) waits for a server that cannot be reached, trying again as the reconnection
    /// policy says (by default for ever). Default false: the first attempt's failure is its error. What no further
    /// attempt can mend, as a refusal or an answer that no Socket.IO server gives, is an error in any case.
    pub const fn wait_for_server(mut self, on: bool) -> Self {
        self.wait_for_server = on;
        self
    }

    /// How long [`Socket::close`] waits at most until what was emitted has been sent and the goodbye is done.
    /// Default 5 s.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Bounds of memory and counts.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    // ---- the socket ----

    /// The `auth` payload of every CONNECT: anything that serialises to a JSON object.
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.auth = AuthSource::value(&auth);
        self
    }

    /// Computes the `auth` payload anew for every CONNECT: fresh tokens after every reconnection. A failure (an error, a
    /// panic, something that is not an object) counts as a failed attempt: it is told by
    /// [`Socket::on_connect_error`], and the function is called again after a delay, as the reconnection policy says.
    /// For the first attempt of [`connect`](Self::connect) it is the error, unless
    /// [`wait_for_server`](Self::wait_for_server) is set.
    pub fn auth_with<F, T>(mut self, auth: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Serialize,
    {
        self.auth = Ok(AuthSource::function(auth));
        self
    }

    /// Timeout of acknowledgements that have none of their own. Default none.
    pub const fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.ack_timeout = Some(timeout);
        self
    }

    /// At-least-once delivery: every packet waits for its acknowledgement before the next one is sent, and is sent up
    /// to `retries` times more. Needs [`ack_timeout`](Self::ack_timeout), and a server that acknowledges every event.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Does something with the socket before it connects: registers handlers, takes streams.
    pub fn setup(mut self, setup: impl FnOnce(&Socket) + Send + 'static) -> Self {
        self.setup.push(Box::new(setup));
        self
    }

    /// Drives the connection by threads of its own instead of tasks of tokio (feature `blocking`): for async code on
    /// another runtime. Handlers run on [threads](crate::blocking#threads), without a runtime. (Without the feature
    /// `tokio` it is always so. For code that is not async, see [`blocking`](crate::blocking).)
    #[cfg(feature = "blocking")]
    pub fn threads(mut self) -> Self {
        self.threads.get_or_insert_default();
        self
    }

    // ---- go ----

    /// Connects, and waits until the namespace is joined. When the first attempt fails, that is the error; to wait for
    /// a server that is not there yet, set [`wait_for_server`](Self::wait_for_server) or use
    /// [`connect_background`](Self::connect_background). Once joined, a lost connection is made again as the
    /// reconnection policy says.
    ///
    /// Must be called within a tokio runtime, if one is to drive the connection. Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// A bad URL or option, a server that cannot be reached, the server's refusal (with its message and data), or an
    /// answer that no Socket.IO server gives.
    pub async fn connect(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect().await?;
        Ok(socket)
    }

    /// Connects in the background: emits are kept until the namespace is joined, and it is tried until it is, as the
    /// reconnection policy says. Trouble is told by [`Socket::on_connect_error`].
    ///
    /// # Errors
    /// A bad URL or option.
    pub fn connect_background(self) -> Result<Socket, ConnectError> {
        let socket = self.open()?;
        socket.connect_background();
        Ok(socket)
    }

    /// The socket, not connected (`autoConnect: false`): [`Socket::connect`] does that.
    ///
    /// # Errors
    /// A bad URL or option, or no tokio runtime.
    pub fn open(self) -> Result<Socket, ConnectError> {
        #[cfg(all(feature = "blocking", feature = "tokio"))]
        let threads = self.threads.clone();
        #[cfg(all(feature = "blocking", not(feature = "tokio")))]
        let threads = Some(self.threads.clone().unwrap_or_default());
        // (A bad option is told before a missing runtime.)
        let (socket, parts) = self.prepare()?;
        #[cfg(feature = "blocking")]
        if let Some(threads) = threads {
            driver::blocking::spawn(parts, threads)?;
            return Ok(socket);
        }
        #[cfg(feature = "tokio")]
        {
            let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
                ConnectError::config("no tokio runtime: call this from within one (#[tokio::main])")
            })?;
            driver::tokio::spawn(&runtime, parts);
            Ok(socket)
        }
        #[cfg(not(feature = "tokio"))]
        unreachable!("threads or tokio")
    }

    /// The socket, and what its driver is made of.
    pub(crate) fn prepare(mut self) -> Result<(Socket, Parts), ConnectError> {
        let address = self.url?;
        let name = check_namespace(self.namespace.as_deref().unwrap_or(&address.namespace))?;
        let auth = self.auth?;
        if !self.path.starts_with('/') {
            self.path.insert(0, '/');
        }
        if self
            .path
            .bytes()
            .any(|b| b <= b' ' || b == b'?' || b == b'#' || b >= 0x7f)
        {
            return Err(ConnectError::config(format!(
                "bad path {:?}: no spaces, ? or #; percent-encode others",
                self.path
            )));
        }
        let path = match (self.path.ends_with('/'), self.trailing_slash) {
            (false, true) => self.path + "/",
            (true, false) => self.path.trim_end_matches('/').to_owned(),
            _ => self.path,
        };
        for (key, _) in address.query.iter().chain(&self.query) {
            check_query(key)?;
        }
        if let Some(protocol) = self.bad_protocol {
            return Err(ConnectError::config(format!(
                "bad WebSocket sub-protocol {protocol:?}: letters, digits and - only"
            )));
        }
        let stamp = &*self.config.timestamp_param;
        check_query(stamp)?;
        if stamp.is_empty()
            || !stamp
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        {
            return Err(ConnectError::config(format!(
                "bad name of the time stamp {stamp:?}: letters, digits and - only"
            )));
        }
        let transports = match *self.transports.as_slice() {
            [] => {
                return Err(ConnectError::config(
                    "no transport: give polling, websocket or both",
                ));
            }
            [Transport::Polling] => Transports::POLLING,
            [Transport::WebSocket] => Transports::WEBSOCKET,
            [Transport::Polling, ..] => Transports::POLLING_FIRST,
            [Transport::WebSocket, ..] => Transports::WEBSOCKET_FIRST,
        };
        let mut config = self.config;
        config.host = self.network.authority(&address)?.into();
        let network = Arc::new(self.network.build(&address)?);
        config.path = path.into();
        config.query =
            encode_query(address.query.iter().chain(&self.query).map(|(k, v)| (k, v))).into();
        let headers = encode_headers(self.headers.iter().map(|(k, v)| (k, v)))?;
        config.headers = network.complete(headers);
        config.transports = transports;
        config.follow_redirects = self.redirects > 0;
        config.timestamp = match self.timestamp_requests {
            None => Timestamp::Polling,
            Some(true) => Timestamp::Always,
            Some(false) => Timestamp::Never,
        };
        #[cfg(feature = "msgpack")]
        {
            config.limits.attachments = config.parser.attachments(config.limits.attachments);
        }
        #[cfg(feature = "msgpack")]
        let packed = config.parser == sockeye_core::Parser::MessagePack;
        #[cfg(not(feature = "msgpack"))]
        let packed = false;
        let shared = Arc::new(Shared::new(
            config.limits,
            (config.force_base64, packed),
            self.wait_for_server,
            self.close_timeout,
        ));
        let wanted = Wanted {
            auth: Some(auth),
            ack_timeout: self.ack_timeout,
            retries: self.retries,
        };
        let socket = Socket::new(Arc::clone(&shared), &name, wanted)?;
        for setup in self.setup {
            setup(&socket);
        }
        if let Some(error) = socket.nsp().handlers.take_refused() {
            return Err(error);
        }
        let target = Target {
            origin: Arc::clone(&network),
            network,
            redirects: Redirects::new(self.redirects),
            pairs: Pairs::of(self.query_with, self.headers_with),
        };
        let parts = Parts {
            shared,
            config,
            target,
        };
        Ok((socket, parts))
    }
}

/// What the builder begins with.
#[cfg_attr(not(feature = "eio3"), allow(unused_mut))]
fn config() -> Config<'static> {
    let mut config = Config::new(sockeye_core::text(""), Entropy::Fn(entropy));
    #[cfg(feature = "eio3")]
    {
        config.protocol = sockeye_core::Protocol::Detect;
    }
    config
}

crate::client::setup::before_connecting!(ClientBuilder, Socket);
