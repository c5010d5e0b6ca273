//! The network: byte streams for the client, and how to have them made another way.
//!
//! By default the client resolves the URL's host, connects by TCP to the quickest of its addresses ([`TcpConnector`]),
//! goes through a proxy if the environment or an option names one, and encrypts by [`Tls`] for `https` and `wss`.
//! A [`Connector`] of the application's replaces all of that.

pub(crate) mod connector;
mod error;
pub(crate) mod headers;
pub(crate) mod options;
pub(crate) mod proxy;
pub(crate) mod redirect;
mod stream;
pub(crate) mod target;
mod tcp;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
mod tls;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::client::options::{PairsFn, caught};

pub use connector::Connector;
pub use error::{DialError, DialErrorKind};
pub use stream::MaybeTls;
pub use target::Target;
pub use tcp::TcpConnector;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub use tls::{Tls, TlsConnector};

use connector::AnyConnector;
use proxy::{ANSWER, Handshake, Kind, Proxy, Step};
use stream::{Open, Stream};

#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub(crate) use tls::{Tls as TlsChoice, TlsClient};

/// Stands in where no TLS is built in: there is no value of it.
#[cfg(not(any(feature = "rustls-no-provider", feature = "native-tls")))]
#[derive(Clone, Debug)]
pub(crate) enum TlsClient {}

#[cfg(not(any(feature = "rustls-no-provider", feature = "native-tls")))]
impl TlsClient {
    async fn handshake<S>(&self, _: S, _: &Target) -> Result<MaybeTls<S>, DialError> {
        match *self {}
    }

    fn explain(&self, _: &io::Error, _: &Target) -> Option<DialError> {
        match *self {}
    }
}

/// Stands in where no TLS is built in: it says so when TLS is asked for.
#[cfg(not(any(feature = "rustls-no-provider", feature = "native-tls")))]
#[derive(Debug, Default)]
pub(crate) struct TlsChoice;

#[cfg(not(any(feature = "rustls-no-provider", feature = "native-tls")))]
impl TlsChoice {
    fn client(&self) -> Result<TlsClient, String> {
        Err("this build has no TLS: enable the feature rustls, or use http:// or ws://".into())
    }
}

/// How one client gets its byte streams.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) target: Target,
    /// The `Authorization` of a URL with credentials.
    authorization: Option<String>,
    connector: Option<AnyConnector>,
    tcp: TcpConnector,
    tls: Option<TlsClient>,
    proxy: Option<Proxy>,
}

impl Network {
    async fn connect(&self) -> Result<Stream, DialError> {
        let target = &self.target;
        if let Some(connector) = &self.connector {
            return connector.connect(target).await;
        }
        let Some(proxy) = &self.proxy else {
            let stream = self.tcp.connect(target).await?;
            return Ok(Stream::Direct(self.encrypt(stream).await?));
        };
        tracing::debug!(%proxy, "through a proxy");
        let mut stream =
            self.tcp.connect(&proxy.at).await.map_err(|error| {
                DialError::proxy(format!("the proxy cannot be reached: {error}"))
            })?;
        // Names are resolved here for proxies that take addresses.
        let address = match proxy.kind {
            Kind::Socks5 => self
                .tcp
                .addresses(target)
                .await?
                .first()
                .map(std::net::SocketAddr::ip),
            Kind::Http | Kind::Socks5Names => None,
        };
        let handshake = proxy.handshake(target, address);
        match (&self.tls, proxy.at.secure()) {
            (Some(tls), true) => {
                let mut stream = tls.handshake(stream, &proxy.at).await?;
                pass(&mut stream, handshake, proxy).await?;
                if !target.secure() {
                    return Ok(Stream::Direct(stream));
                }
                Ok(Stream::Other(Box::new(
                    tls.handshake(stream, target).await?,
                )))
            }
            _ => {
                pass(&mut stream, handshake, proxy).await?;
                Ok(Stream::Direct(self.encrypt(stream).await?))
            }
        }
    }

    async fn encrypt<S>(&self, stream: S) -> Result<MaybeTls<S>, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match &self.tls {
            Some(tls) if self.target.secure() => tls.handshake(stream, &self.target).await,
            _ => Ok(MaybeTls::Plain(stream)),
        }
    }

    /// What an error of an open stream means.
    pub(crate) fn explain(&self, error: &io::Error) -> DialError {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return DialError::clone(error);
        }
        self.tls
            .as_ref()
            .and_then(|tls| tls.explain(error, &self.target))
            .unwrap_or_else(|| DialError::new(DialErrorKind::Unreachable, error.to_string()))
    }

    /// Header lines with what every request carries.
    pub(crate) fn complete(&self, headers: String) -> String {
        headers::complete(headers, self.authorization.as_deref())
    }
}

/// Gets through a proxy.
async fn pass<S>(stream: &mut S, mut handshake: Handshake, proxy: &Proxy) -> Result<(), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cut = |error: io::Error| DialError::proxy(format!("{proxy}: {}", error::reason(&error)));
    let mut received = Vec::new();
    loop {
        match handshake.step(&mut received)? {
            Step::Send(message) => {
                stream.write_all(&message).await.map_err(cut)?;
                stream.flush().await.map_err(cut)?;
            }
            Step::Receive if received.len() >= ANSWER => {
                return Err(DialError::proxy(format!(
                    "the answer of {proxy} has no end"
                )));
            }
            Step::Receive => {
                if stream.read_buf(&mut received).await.map_err(cut)? == 0 {
                    return Err(DialError::proxy(format!(
                        "{proxy} closed the connection before it answered: check its kind, address and credentials"
                    )));
                }
            }
            Step::Done => return Ok(()),
        }
    }
}

/// What a finished dial brings: the stream, and query and headers if they were computed for it.
pub(crate) struct Dialed {
    pub(crate) stream: Open,
    pub(crate) query: Option<String>,
    pub(crate) headers: Option<String>,
}

type DialFuture = Pin<Box<dyn Future<Output = Result<Dialed, DialError>> + Send>>;

/// One of the core's links.
pub(crate) enum Io {
    Closed,
    Dialing(DialFuture),
    Open(Open),
}

/// Begins to connect. `fresh`: the first link of a session, for which query and headers are computed anew.
pub(crate) fn dial(target: &crate::driver::Target, fresh: bool) -> DialFuture {
    let network = Arc::clone(&target.network);
    let query = target.query.clone().filter(|_| fresh);
    let headers = target.headers.clone().filter(|_| fresh);
    Box::pin(async move {
        let query = computed(query, "the query").await?;
        let headers = computed(headers, "the headers").await?;
        let stream = Open::new(network.connect().await?);
        Ok(Dialed {
            stream,
            query,
            headers: headers.map(|headers| network.complete(headers)),
        })
    })
}

async fn computed(source: Option<PairsFn>, what: &str) -> Result<Option<String>, DialError> {
    match source {
        None => Ok(None),
        Some(source) => caught(source).await.map(Some).map_err(|error| {
            DialError::new(
                DialErrorKind::Other,
                format!("{what} could not be computed: {error}"),
            )
        }),
    }
}

impl Io {
    /// Reads into `buf`; `Ok(0)` is the end of the stream.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Open(open) => open.poll_read(cx, buf),
            _ => Poll::Pending,
        }
    }

    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Open(open) => open.poll_write(cx, bytes),
            _ => Poll::Pending,
        }
    }

    /// Moves on what an encrypted stream holds back.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Open(open) => open.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Gives a dial up, or closes the stream.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if let Self::Open(open) = std::mem::replace(self, Self::Closed) {
            open.close(cx);
        }
    }
}
