//! The byte streams of a client: plain TCP as it is, rustls in a box for its size, neither with a dynamic call; all others
//! boxed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(feature = "rustls-no-provider")]
use sockeye_tls::tokio_rustls;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::heard::Heard;

/// A stream with or without TLS: what `net::Tls::over` makes of a stream `S`.
#[derive(Debug)]
#[non_exhaustive]
pub enum MaybeTls<S> {
    /// As it is.
    Plain(S),
    /// Encrypted by rustls. (Boxed, because it is large: a kilobyte and more.)
    #[cfg(feature = "rustls-no-provider")]
    Rustls(Box<tokio_rustls::client::TlsStream<S>>),
    /// Encrypted by the operating system's library.
    #[cfg(feature = "native-tls")]
    Native(Box<tokio_native_tls::TlsStream<S>>),
}

/// Passes a call on to the stream inside.
macro_rules! inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain($stream) => $call,
            #[cfg(feature = "rustls-no-provider")]
            Self::Rustls($stream) => $call,
            #[cfg(feature = "native-tls")]
            Self::Native($stream) => $call,
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        inner!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// Any stream of the application's.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// What the driver reads from and writes to.
pub(crate) enum Stream {
    Direct(MaybeTls<TcpStream>),
    Other(Box<dyn ByteStream>),
}

impl Stream {
    /// Whether what was written may lie in a buffer: only a socket itself has none.
    const fn buffers(&self) -> bool {
        !matches!(self, Self::Direct(MaybeTls::Plain(_)))
    }
}

/// Passes a call on to the stream inside.
macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Stream::Direct($stream) => $call,
            Stream::Other($stream) => $call,
        }
    };
}

/// An open stream, and what the driver has to know of it.
pub(crate) struct Open {
    stream: Stream,
    /// Bytes written may wait in the stream's own buffer.
    unflushed: bool,
    heard: Heard,
}

/// A goodbye that the network does not take at once is given up after this.
const GOODBYE: Duration = Duration::from_secs(2);

impl Open {
    pub(crate) const fn new(stream: Stream) -> Self {
        Self {
            stream,
            unflushed: false,
            heard: Heard::new(),
        }
    }

    /// Whether there may be something to read, as far as that can be known without a buffer.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = match &self.stream {
            Stream::Direct(MaybeTls::Plain(socket)) => socket,
            #[cfg(feature = "rustls-no-provider")]
            Stream::Direct(MaybeTls::Rustls(stream)) => match stream.get_ref() {
                (socket, session) if session.wants_read() => socket,
                // What has been decrypted waits, or the end.
                _ => return Poll::Ready(()),
            },
            _ => return Poll::Ready(()),
        };
        // An error is told by the read that follows.
        socket.poll_read_ready(cx).map(drop)
    }

    /// Reads into `buf`; `Ok(0)` is the end of the stream.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let plain = !self.stream.buffers();
        let mut buf = ReadBuf::new(buf);
        let poll = each!(&mut self.stream, stream => Pin::new(stream).poll_read(cx, &mut buf));
        match poll {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(self.heard.received(buf.filled(), plain)),
            Poll::Ready(Err(error)) => Poll::Ready(self.heard.failed(error, plain)),
        }
    }

    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard.wrote();
        let poll = each!(&mut self.stream, stream => Pin::new(stream).poll_write(cx, bytes));
        if poll.is_ready() && self.stream.buffers() {
            self.unflushed = true;
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
        }
        poll
    }

    /// Moves on what lies in the stream's own buffer.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let poll = each!(&mut self.stream, stream => Pin::new(stream).poll_flush(cx));
        self.unflushed = poll.is_pending();
        poll
    }

    /// Closes the stream: an encrypted one says goodbye first, but nobody waits for that.
    pub(crate) fn close(mut self, cx: &mut Context<'_>) {
        if !self.stream.buffers() {
            return;
        }
        let poll = each!(&mut self.stream, stream => Pin::new(stream).poll_shutdown(cx));
        if poll.is_pending()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let goodbye = async { each!(&mut self.stream, stream => stream.shutdown().await) };
                // Whether it arrives or not, the stream is closed after this.
                let _ = tokio::time::timeout(GOODBYE, goodbye).await;
            });
        }
    }
}
