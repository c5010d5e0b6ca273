//! The network: byte streams for the client, and how to have them made another way.
//!
//! By default the client resolves the URL's host, connects by TCP to the quickest of its addresses ([`TcpConnector`]),
//! goes through a proxy if the environment or an option names one, and encrypts by `Tls` for `https` and `wss`.
//! A `Connector` of the application's replaces all of that.

#[cfg(feature = "blocking")]
pub(crate) mod blocking;
#[cfg(feature = "tokio")]
mod connect;
#[cfg(feature = "tokio")]
pub(crate) mod connector;
mod error;
pub(crate) mod failure;
pub(crate) mod headers;
mod heard;
#[cfg(feature = "tokio")]
pub(crate) mod io;
mod network;
pub(crate) mod options;
pub(crate) mod proxy;
#[cfg(feature = "tokio")]
mod race;
pub(crate) mod redirect;
#[cfg(feature = "tokio")]
mod stream;
pub(crate) mod target;
mod tcp;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
mod tls;

use std::io::Error;

use crate::client::options::{PairsFn, caught};

#[cfg(feature = "tokio")]
pub use connector::Connector;
pub use error::{DialError, DialErrorKind};
#[cfg(feature = "tokio")]
pub use stream::MaybeTls;
pub use target::Target;
pub use tcp::TcpConnector;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub use tls::Tls;
#[cfg(all(
    feature = "tokio",
    any(feature = "rustls-no-provider", feature = "native-tls")
))]
pub use tls::TlsConnector;

pub(crate) use network::Network;

#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub(crate) use tls::{Tls as TlsChoice, TlsClient};

/// What an error means that may be one of rustls, from a connector that is not known.
fn explain(error: &Error, target: &Target) -> Option<DialError> {
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
    #[cfg(feature = "tokio")]
    async fn handshake<S>(&self, _: S, _: &Target) -> Result<MaybeTls<S>, DialError> {
        match *self {}
    }

    fn explain(&self, _: &Error, _: &Target) -> Option<DialError> {
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
        headers: headers.map(|headers| network.complete(headers).into_owned()),
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
