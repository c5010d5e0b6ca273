//! TLS on streams of tokio.

#[cfg(feature = "rustls-no-provider")]
use std::sync::Arc;

#[cfg(feature = "rustls-no-provider")]
use sockeye_tls::tokio_rustls;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Tls, TlsClient};
use crate::net::connector::Connector;
use crate::net::error::DialError;
use crate::net::stream::MaybeTls;
use crate::net::target::Target;

/// A connector that adds TLS to the streams of another: see [`Tls::over`].
#[derive(Clone, Debug)]
pub struct TlsConnector<C> {
    inner: C,
    client: Result<TlsClient, String>,
}

impl Tls {
    /// A connector that encrypts the streams of `inner` for targets that are [secure](Target::secure), and leaves
    /// others as they are. For connectors that know nothing of TLS, such as one through a SOCKS library:
    /// ```no_run
    /// # use sockeye::net::{Target, Tls};
    /// # async fn through_socks(_: Target) -> std::io::Result<tokio::net::TcpStream> { unimplemented!() }
    /// let builder = sockeye::Client::builder("https://example.test/")
    ///     .connector(Tls::new().over(through_socks));
    /// ```
    pub fn over<C: Connector>(&self, inner: C) -> TlsConnector<C> {
        TlsConnector {
            inner,
            client: self.client(),
        }
    }
}

impl<C: Connector> Connector for TlsConnector<C> {
    type Stream = MaybeTls<C::Stream>;

    async fn connect(&self, target: &Target) -> Result<Self::Stream, DialError> {
        if !target.secure() {
            return Ok(MaybeTls::Plain(self.inner.connect(target).await?));
        }
        let client = self
            .client
            .as_ref()
            .map_err(|error| DialError::config(error.clone()))?;
        let stream = self.inner.connect(&target.plain()).await?;
        client.handshake(stream, target).await
    }
}

impl TlsClient {
    /// Makes the handshake with `target` over `stream`.
    pub(crate) async fn handshake<S>(
        &self,
        stream: S,
        target: &Target,
    ) -> Result<MaybeTls<S>, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self {
            #[cfg(feature = "rustls-no-provider")]
            Self::Rustls(config) => {
                let name = super::client::server_name(target)?;
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                let stream = connector
                    .connect(name, stream)
                    .await
                    .map_err(|error| self.explain_handshake(&error, target))?;
                tracing::debug!(
                    version = ?stream.get_ref().1.protocol_version(),
                    kind = ?stream.get_ref().1.handshake_kind(),
                    "TLS established"
                );
                Ok(MaybeTls::Rustls(Box::new(stream)))
            }
            #[cfg(feature = "native-tls")]
            Self::Native(connector) => {
                let connector = tokio_native_tls::TlsConnector::from(connector.clone());
                match connector.connect(target.host(), stream).await {
                    Ok(stream) => Ok(MaybeTls::Native(Box::new(stream))),
                    Err(error) => Err(super::client::native_error(&error, target)),
                }
            }
        }
    }
}
