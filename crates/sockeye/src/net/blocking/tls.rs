//! TLS on streams that are polled.

use std::io::{self, Read, Write};
#[cfg(feature = "rustls-no-provider")]
use std::sync::Arc;
use std::task::Waker;

use super::SocketRef;
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
use super::connector::Connector;
use super::connector::{Attempt, Stream};
#[cfg(feature = "rustls-no-provider")]
use super::patient::Patient;
#[cfg(feature = "native-tls")]
use super::patient::{Waiter, Want};
use crate::net::TlsClient;
use crate::net::error::DialError;
use crate::net::target::Target;

/// A stream `S` with or without TLS: what `Tls::over_blocking` makes of it.
#[derive(Debug)]
pub struct MaybeTls<S>(Inner<S>);

#[derive(Debug)]
enum Inner<S> {
    Plain(S),
    /// (Boxed, because it is large: a kilobyte and more.)
    #[cfg(feature = "rustls-no-provider")]
    Rustls(Box<Encrypted<S>>),
    #[cfg(feature = "native-tls")]
    Native(Box<native_tls::TlsStream<S>>),
}

impl<S> MaybeTls<S> {
    pub(super) const fn plain(stream: S) -> Self {
        Self(Inner::Plain(stream))
    }

    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.0, Inner::Plain(_))
    }
}

/// Passes a call on to the stream inside.
macro_rules! inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.0 {
            Inner::Plain($stream) => $call,
            #[cfg(feature = "rustls-no-provider")]
            Inner::Rustls($stream) => $call,
            #[cfg(feature = "native-tls")]
            Inner::Native($stream) => $call,
        }
    };
}

impl<S: Stream> Read for MaybeTls<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        inner!(self, stream => stream.read(buf))
    }
}

impl<S: Stream> Write for MaybeTls<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        inner!(self, stream => stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        inner!(self, stream => stream.flush())
    }
}

impl<S: Stream> MaybeTls<S> {
    fn below(&self) -> &S {
        match &self.0 {
            Inner::Plain(stream) => stream,
            #[cfg(feature = "rustls-no-provider")]
            Inner::Rustls(stream) => &stream.below,
            #[cfg(feature = "native-tls")]
            Inner::Native(stream) => stream.get_ref(),
        }
    }

    fn below_mut(&mut self) -> &mut S {
        match &mut self.0 {
            Inner::Plain(stream) => stream,
            #[cfg(feature = "rustls-no-provider")]
            Inner::Rustls(stream) => &mut stream.below,
            #[cfg(feature = "native-tls")]
            Inner::Native(stream) => stream.get_mut(),
        }
    }
}

impl<S: Stream> Stream for MaybeTls<S> {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.below_mut().start(waker)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        self.below().socket()
    }

    fn close(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain(stream) => stream.close(),
            #[cfg(feature = "rustls-no-provider")]
            Inner::Rustls(stream) => stream.close(),
            #[cfg(feature = "native-tls")]
            Inner::Native(stream) => stream.shutdown(),
        }
    }
}

/// A connection of rustls over a stream that does not block. (`rustls::StreamOwned` would not read while what it has to
/// write finds no room: two sides that both write much would wait for each other.)
#[cfg(feature = "rustls-no-provider")]
#[derive(Debug)]
struct Encrypted<S> {
    tls: rustls::ClientConnection,
    below: S,
    /// The goodbye has been written to `tls`.
    closing: bool,
}

#[cfg(feature = "rustls-no-provider")]
impl<S: Stream> Encrypted<S> {
    /// Gives the stream below what is encrypted; `WouldBlock` if it does not take all of it.
    fn write_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.below) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => (),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.closing, true) {
            self.tls.send_close_notify();
        }
        self.flush()
    }
}

#[cfg(feature = "rustls-no-provider")]
impl<S: Stream> Read for Encrypted<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                // Also the end: `Ok(0)` after a goodbye, `UnexpectedEof` without one.
                result => return result,
            }
            self.tls.read_tls(&mut self.below)?;
            if let Err(error) = self.tls.process_new_packets() {
                // The alert that tells the other side, if there is room for it.
                let _ = self.write_records();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            // Answers of the protocol itself. What finds no room goes out with the next write.
            match self.write_records() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => (),
            }
        }
    }
}

#[cfg(feature = "rustls-no-provider")]
impl<S: Stream> Write for Encrypted<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nothing more is taken before what was taken has gone out: so little lies here.
        self.write_records()?;
        let taken = self.tls.writer().write(bytes)?;
        match self.write_records() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_records()?;
        self.below.flush()
    }
}

impl TlsClient {
    /// Makes the handshake with `target` over `stream`, which does not block any more.
    #[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
    pub(super) fn encrypt<S: Stream>(
        &self,
        mut stream: S,
        target: &Target,
        attempt: &Attempt,
    ) -> Result<MaybeTls<S>, DialError> {
        match self {
            #[cfg(feature = "rustls-no-provider")]
            Self::Rustls(config) => {
                let name = crate::net::tls::client::server_name(target)?;
                let failed = |error: &io::Error| self.explain_handshake(error, target);
                let mut tls = rustls::ClientConnection::new(Arc::clone(config), name)
                    .map_err(|error| failed(&io::Error::other(error)))?;
                let mut patient =
                    Patient::new(&mut stream, attempt).map_err(|error| failed(&error))?;
                while tls.is_handshaking() || tls.wants_write() {
                    let (read, written) = tls
                        .complete_io(&mut patient)
                        .map_err(|error| failed(&error))?;
                    if read + written == 0 && tls.is_handshaking() {
                        return Err(failed(&io::ErrorKind::UnexpectedEof.into()));
                    }
                }
                tracing::debug!(
                    version = ?tls.protocol_version(),
                    kind = ?tls.handshake_kind(),
                    "TLS established"
                );
                Ok(MaybeTls(Inner::Rustls(Box::new(Encrypted {
                    tls,
                    below: stream,
                    closing: false,
                }))))
            }
            #[cfg(feature = "native-tls")]
            Self::Native(connector) => {
                use native_tls::HandshakeError;
                let late = || {
                    DialError::new(
                        crate::net::DialErrorKind::Unreachable,
                        format!("{target} did not finish the TLS handshake"),
                    )
                };
                let waiter = Waiter::start(&mut stream).map_err(|_| late())?;
                let mut result = connector.connect(target.host(), stream);
                loop {
                    match result {
                        Ok(stream) => return Ok(MaybeTls(Inner::Native(Box::new(stream)))),
                        Err(HandshakeError::Failure(error)) => {
                            return Err(crate::net::tls::client::native_error(&error, target));
                        }
                        Err(HandshakeError::WouldBlock(half)) => {
                            waiter
                                .wait(half.get_ref(), attempt, Want::Either)
                                .map_err(|_| late())?;
                            result = half.handshake();
                        }
                    }
                }
            }
        }
    }

    #[cfg(not(any(feature = "rustls-no-provider", feature = "native-tls")))]
    pub(super) fn encrypt<S: Stream>(
        &self,
        _: S,
        _: &Target,
        _: &Attempt,
    ) -> Result<MaybeTls<S>, DialError> {
        match *self {}
    }
}

/// A connector that encrypts the streams of another for targets that are [secure](Target::secure), and leaves others as
/// they are: see [`Tls::over_blocking`](crate::net::Tls::over_blocking).
#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
#[derive(Clone, Debug)]
pub struct TlsConnector<C> {
    inner: C,
    client: Result<TlsClient, String>,
}

#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
impl crate::net::Tls {
    /// A connector of a blocking client that encrypts the streams of `inner`, as [`Tls`](Self) says: for connectors that
    /// know nothing of TLS.
    /// ```no_run
    /// # use sockeye::net::{Target, Tls};
    /// # fn through_socks(_: Target) -> std::io::Result<std::net::TcpStream> { unimplemented!() }
    /// let builder = sockeye::blocking::Client::builder("https://example.test/")
    ///     .connector(Tls::new().over_blocking(through_socks));
    /// ```
    pub fn over_blocking<C: Connector>(&self, inner: C) -> TlsConnector<C> {
        TlsConnector {
            inner,
            client: self.client(),
        }
    }
}

#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
impl<C: Connector> Connector for TlsConnector<C> {
    type Stream = MaybeTls<C::Stream>;

    fn connect(&self, target: &Target, attempt: &Attempt) -> Result<Self::Stream, DialError> {
        if !target.secure() {
            return Ok(MaybeTls::plain(self.inner.connect(target, attempt)?));
        }
        let client = self
            .client
            .as_ref()
            .map_err(|error| DialError::config(error.clone()))?;
        let stream = self.inner.connect(&target.plain(), attempt)?;
        client.encrypt(stream, target, attempt)
    }
}
