//! The connector: what gives the client its byte streams.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::DialError;
use super::stream::Stream;
use super::target::Target;

/// Gives a byte stream for a target: the one place where the client meets a network. Set it with
/// [`ClientBuilder::connector`](crate::ClientBuilder::connector) to go through a Unix socket, a pipe in memory, a SOCKS
/// library or another TLS stack.
///
/// A connector is asked for one stream per link: one for a WebSocket, two for polling. For a target that is
/// [secure](Target::secure) the stream it gives is expected to be encrypted already;
/// `net::Tls::over` adds that to a connector of plain streams.
///
/// Functions are connectors too:
/// ```no_run
/// # async fn example() -> Result<(), sockeye::ConnectError> {
/// use sockeye::net::Target;
///
/// let socket = sockeye::Client::builder("http://localhost/")
///     .connector(|_: Target| tokio::net::UnixStream::connect("/run/app.sock"))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// The client gives up a connection attempt by dropping the future, after
/// [`ClientBuilder::timeout`](crate::ClientBuilder::timeout) for instance.
pub trait Connector: Send + Sync + 'static {
    /// The byte stream. It is flushed after every write, and shut down when the client closes the link.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects.
    ///
    /// # Errors
    /// Why there is no stream. An error that [is definitive](DialError::is_definitive) ends
    /// [`Socket::connect`](crate::Socket::connect); after any other the client tries again, as the reconnection policy says.
    fn connect(
        &self,
        target: &Target,
    ) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;
}

impl<F, Fut, S, E> Connector for F
where
    F: Fn(Target) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<S, E>> + Send,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    E: Into<DialError>,
{
    type Stream = S;

    async fn connect(&self, target: &Target) -> Result<S, DialError> {
        self(target.clone()).await.map_err(Into::into)
    }
}

type BoxConnect<'a> = Pin<Box<dyn Future<Output = Result<Stream, DialError>> + Send + 'a>>;

trait Erased: Send + Sync {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxConnect<'a>;
}

impl<C: Connector> Erased for C {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxConnect<'a> {
        Box::pin(async move {
            let stream = Connector::connect(self, target).await?;
            Ok(Stream::Other(Box::new(stream)))
        })
    }
}

/// A connector of the application's, of any type.
#[derive(Clone)]
pub(crate) struct AnyConnector(Arc<dyn Erased>);

impl AnyConnector {
    pub(crate) fn new(connector: impl Connector) -> Self {
        Self(Arc::new(connector))
    }

    pub(crate) async fn connect(&self, target: &Target) -> Result<Stream, DialError> {
        self.0.connect(target).await
    }
}

impl fmt::Debug for AnyConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
