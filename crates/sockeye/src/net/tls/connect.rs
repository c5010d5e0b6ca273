//! TLS on streams of tokio.

#[cfg(feature = "rustls-no-provider")]
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Tls;
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

/// What makes the handshakes of one client.
#[derive(Clone, Debug)]
pub(crate) enum TlsClient {
    #[cfg(feature = "rustls-no-provider")]
    Rustls(Arc<rustls::ClientConfig>),
    #[cfg(feature = "native-tls")]
    Native(native_tls::TlsConnector),
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
        // Without any TLS there is no such value, and nothing to do.
        let _ = (&stream, target);
        match *self {
            #[cfg(feature = "rustls-no-provider")]
            Self::Rustls(ref config) => {
                // A name is sent to the server (SNI), an address is not: rustls knows the difference.
                let name = rustls::pki_types::ServerName::try_from(target.host().to_owned())
                    .map_err(|_| {
                        DialError::config(format!(
                            "{:?} is no name that a certificate can have: use the server's DNS name or address",
                            target.host()
                        ))
                    })?;
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, stream).await.map_err(|error| {
                    super::explain::explain(&error, target, self.is_identified())
                })?;
                tracing::debug!(
                    version = ?stream.get_ref().1.protocol_version(),
                    kind = ?stream.get_ref().1.handshake_kind(),
                    "TLS established"
                );
                Ok(MaybeTls::Rustls(Box::new(stream)))
            }
            #[cfg(feature = "native-tls")]
            Self::Native(ref connector) => {
                let connector = tokio_native_tls::TlsConnector::from(connector.clone());
                match connector.connect(target.host(), stream).await {
                    Ok(stream) => Ok(MaybeTls::Native(Box::new(stream))),
                    // The library's errors say no more than their text.
                    Err(error) => Err(DialError::new(
                        crate::net::error::DialErrorKind::Certificate,
                        format!(
                            "no TLS with {target}: {error} (check the server's certificate and the trusted CAs)"
                        ),
                    )),
                }
            }
        }
    }

    /// What an error of an established stream means, if it is one of TLS: TLS 1.3 servers refuse the client's
    /// certificate after the client's side of the handshake is done.
    pub(crate) fn explain(&self, error: &std::io::Error, target: &Target) -> Option<DialError> {
        let _ = (error, target);
        match self {
            #[cfg(feature = "rustls-no-provider")]
            Self::Rustls(_) => super::explain::inner(error)
                .is_some()
                .then(|| super::explain::explain(error, target, self.is_identified())),
            #[cfg(feature = "native-tls")]
            Self::Native(_) => None,
        }
    }

    /// Whether there is a certificate to show.
    #[cfg(feature = "rustls-no-provider")]
    fn is_identified(&self) -> bool {
        match self {
            Self::Rustls(config) => config.client_auth_cert_resolver.has_certs(),
            #[cfg(feature = "native-tls")]
            Self::Native(_) => false,
        }
    }
}
