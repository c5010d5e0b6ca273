//! The network: byte streams for the client, and how to have them made another way.
//!
//! By default the client resolves the URL's host, connects by TCP to the quickest of its addresses ([`TcpConnector`]),
//! goes through a proxy if the environment or an option names one, and encrypts by `Tls` for `https` and `wss`.
//! A [`Connector`] of the application's replaces all of that.

pub(crate) mod connector;
mod error;
pub(crate) mod failure;
pub(crate) mod headers;
mod network;
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

use crate::client::options::{PairsFn, caught};

pub use connector::Connector;
pub use error::{DialError, DialErrorKind};
pub use stream::MaybeTls;
pub use target::Target;
pub use tcp::TcpConnector;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub use tls::{Tls, TlsConnector};

pub(crate) use network::Network;
use stream::Open;

#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub(crate) use tls::{Tls as TlsChoice, TlsClient};

/// What an error means that may be one of rustls, from a connector that is not known.
fn explain(error: &io::Error, target: &Target) -> Option<DialError> {
    #[cfg(feature = "rustls-no-provider")]
    return tls::explain::inner(error).map(|_| tls::explain::explain(error, target, true));
    #[cfg(not(feature = "rustls-no-provider"))]
    {
        let _ = (error, target);
        None
    }
}

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

/// Query and headers, if they were computed for a dial.
pub(crate) struct Computed {
    pub(crate) query: Option<String>,
    pub(crate) headers: Option<String>,
}

/// What a finished dial brings.
pub(crate) struct Dialed {
    pub(crate) stream: Open,
    pub(crate) computed: Computed,
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
        network.begin();
        let computed = compute(&network, query, headers).await?;
        let stream = Open::new(network.connect().await?);
        Ok(Dialed { stream, computed })
    })
}

/// Calls the functions for query and headers.
async fn compute(
    network: &Network,
    query: Option<PairsFn>,
    headers: Option<PairsFn>,
) -> Result<Computed, DialError> {
    let query = computed(query, "the query").await?;
    let headers = computed(headers, "the headers").await?;
    Ok(Computed {
        query,
        headers: headers.map(|headers| network.complete(headers)),
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

    /// Whether a dial is under way.
    pub(crate) const fn is_dialing(&self) -> bool {
        matches!(self, Self::Dialing(_))
    }

    /// Gives a dial up, or closes the stream.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if let Self::Open(open) = std::mem::replace(self, Self::Closed) {
            open.close(cx);
        }
    }
}
