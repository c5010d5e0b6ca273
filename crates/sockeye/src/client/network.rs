//! The builder's options of the network.

use std::net::IpAddr;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
use std::sync::OnceLock;
use std::time::Duration;

use crate::ClientBuilder;
#[cfg(feature = "tokio")]
use crate::net::Connector;
use crate::net::TcpConnector;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
use crate::net::Tls;
#[cfg(feature = "tokio")]
use crate::net::connector::AnyConnector;
use crate::net::options::ProxyOption;
use crate::net::proxy::Proxy;

impl ClientBuilder {
    /// Gives the client its byte streams some other way: by a Unix socket, a pipe in memory, a SOCKS library, another
    /// TLS stack. See [`Connector`]. The options below, `tls` and [`proxy`](Self::proxy) among them, do
    /// not apply then, nor does the environment's proxy.
    #[cfg(feature = "tokio")]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.network.connector = Some(AnyConnector::new(connector));
        self
    }

    /// How `https` and `wss` connections are encrypted, and whom they trust. Default: the operating system's CAs.
    #[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.network.tls = OnceLock::from(Box::new(tls));
        self
    }

    /// The proxy to go through, whatever the environment says: `http://`, `https://` (both by CONNECT, for plain
    /// connections too), `socks5://` (names are resolved here) or `socks5h://` (by the proxy), with
    /// `user:password@` if it wants credentials. An `https` proxy is checked, and shown who the client is, by the options of `tls`.
    ///
    /// By default, with the feature `proxy`, the environment says which: `HTTPS_PROXY` for `https` and `wss`,
    /// `HTTP_PROXY` for `http` and `ws`, `ALL_PROXY` for both, and `NO_PROXY` with the hosts that need none, in upper or
    /// lower case, as curl and reqwest read them. One that cannot be used is an error, not a way around it.
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.network.proxy = ProxyOption::Fixed(Box::new(Proxy::parse(url.as_ref())));
        self
    }

    /// No proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.network.proxy = ProxyOption::None;
        self
    }

    /// The local address to connect from: [`TcpConnector::local_address`].
    pub fn local_address(self, address: IpAddr) -> Self {
        self.tcp(|tcp| tcp.local_address(address))
    }

    /// Probes an idle connection after this time: [`TcpConnector::keepalive`]. Default none, for the heartbeat of
    /// Engine.IO finds dead connections.
    pub fn tcp_keepalive(self, idle: Duration) -> Self {
        self.tcp(|tcp| tcp.keepalive(idle))
    }

    /// Uses these addresses for a host name (`example.test`, or `example.test:8443` for one port), in this order, without
    /// asking the resolver: [`TcpConnector::resolve`].
    pub fn resolve(self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.tcp(|tcp| tcp.resolve(host, addresses))
    }

    /// The `Host` header, with the port if there is to be one, instead of the URL's: to reach a virtual host at an
    /// address of one's own. A certificate is still checked against the URL's host: to change both, put the name into
    /// the URL and its address into [`resolve`](Self::resolve).
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.network.host = Some(host.into());
        self
    }

    /// How many redirects of the handshake are followed in one attempt; 0 for none. Default 5. One that is not followed is
    /// an error that names the address.
    ///
    /// Followed are 301, 302, 303, 307 and 308 as the answer to the first request of a connection: the polling
    /// handshake or, with WebSocket as the first transport, its upgrade request. The whole session then lives at the new
    /// address, until it ends; a reconnection begins at the configured URL again. From `http` to `https` is fine, from
    /// `https` to `http` is refused. Proxy and TLS options apply to the new address as they would if the URL named it.
    ///
    /// To another origin (scheme, host and port) no cookies go along, no credentials of the URL, and of the headers
    /// only `Accept`, `Accept-Language`, `Cache-Control`, `DNT`, `Origin`, `Pragma` and `User-Agent`, because any other
    /// may carry a secret. **The query and the `auth` payload do go along**, as everything that is emitted does: a server
    /// that redirects is trusted to name the server that speaks for it. Over `http` whoever is on the way can redirect.
    pub const fn redirects(mut self, most: usize) -> Self {
        self.redirects = most;
        self
    }

    fn tcp(mut self, change: impl FnOnce(TcpConnector) -> TcpConnector) -> Self {
        self.network.tcp = change(std::mem::take(&mut self.network.tcp));
        self
    }
}
