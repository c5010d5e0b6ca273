//! Byte streams: connecting, reading, writing, closing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::client::options::{PairsFn, caught};
use crate::client::url::Address;

/// A stream to the server.
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(feature = "testing")]
    Memory(tokio::io::DuplexStream),
}

/// What a finished dial brings: the stream, and query and headers if they were computed for it.
pub(crate) struct Dialed {
    pub(crate) stream: Stream,
    pub(crate) query: Option<String>,
    pub(crate) headers: Option<String>,
}

type DialFuture = Pin<Box<dyn Future<Output = Result<Dialed, String>> + Send>>;

/// One of the core's links.
pub(crate) enum Io {
    Closed,
    Dialing(DialFuture),
    Open(Stream),
}

/// Begins to connect. `fresh`: the first link of a session, for which query and headers are computed anew.
pub(crate) fn dial(target: &crate::driver::Target, fresh: bool) -> DialFuture {
    let address = target.address.clone();
    let query = target.query.clone().filter(|_| fresh);
    let headers = target.headers.clone().filter(|_| fresh);
    Box::pin(async move {
        let query = computed(query, "the query").await?;
        let headers = computed(headers, "the headers").await?;
        let stream = connect(&address).await?;
        Ok(Dialed {
            stream,
            query,
            headers,
        })
    })
}

async fn computed(source: Option<PairsFn>, what: &str) -> Result<Option<String>, String> {
    match source {
        None => Ok(None),
        Some(source) => caught(source)
            .await
            .map(Some)
            .map_err(|error| format!("{what} could not be computed: {error}")),
    }
}

async fn connect(address: &Address) -> Result<Stream, String> {
    #[cfg(feature = "testing")]
    if let Some(stream) = crate::testing::connect(&address.host) {
        return stream
            .map(Stream::Memory)
            .map_err(|error| words(&error, &address.host));
    }
    let stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| words(&error, &format!("{} port {}", address.host, address.port)))?;
    // Small packets should leave at once; a failure only costs time.
    let _ = stream.set_nodelay(true);
    Ok(Stream::Tcp(stream))
}

/// An error for people.
fn words(error: &io::Error, place: &str) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("connection refused by {place} (is the server running?)")
        }
        io::ErrorKind::TimedOut => format!("no answer from {place}"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("{place} cannot be reached")
        }
        _ => {
            let text = error.to_string();
            if text.contains("lookup") || text.contains("resolve") {
                format!("the host name of {place} cannot be resolved")
            } else {
                format!("{place}: {text}")
            }
        }
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
        let Self::Open(stream) = self else {
            return Poll::Pending;
        };
        let mut buf = ReadBuf::new(buf);
        let poll = match stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buf),
            #[cfg(feature = "testing")]
            Stream::Memory(stream) => Pin::new(stream).poll_read(cx, &mut buf),
        };
        poll.map_ok(|()| buf.filled().len())
    }

    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self::Open(stream) = self else {
            return Poll::Pending;
        };
        match stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "testing")]
            Stream::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
}
