//! The client's connector with TLS: a TCP connection of embassy-net, made a session by [`Tls`].

extern crate alloc;

use crate::tls::Tls;
use alloc::boxed::Box;
use core::ffi::CStr;
use core::future::Future;
use core::pin::Pin;
use embassy_net::tcp::{self, TcpReader, TcpWriter};
use embedded_io_async::{ErrorType, Read, Write};
use mbedtls_rs::{Session, SessionError, Split};
use sockeye_embedded::net::{EmbassyNet, EmbassySocket};
use sockeye_embedded::{Connect, ConnectError, Connection, Target};

/// Connects by TCP, and takes the server for what it claims to be only if its certificate says so. Refuses URLs without TLS.
pub struct Secure {
    tcp: EmbassyNet<'static, 1>,
    tls: Tls,
    name: &'static CStr,
}

impl Secure {
    /// Over `tcp`, with servers whose certificate is for `name`.
    pub const fn new(tcp: EmbassyNet<'static, 1>, tls: Tls, name: &'static CStr) -> Self {
        Self { tcp, tls, name }
    }
}

impl Connect for Secure {
    type Connection<'c> = Encrypted<'c>;

    async fn connect(&self, target: Target) -> Result<Encrypted<'_>, ConnectError> {
        if !target.tls {
            return Err(ConnectError::Other(
                "this connector has TLS only: use an https URL",
            ));
        }
        let socket = Socket(self.tcp.connect_tcp(target.host, target.port).await?);
        let session = self.tls.connect(socket, self.name).await;
        session.map(Encrypted).map_err(|failure| {
            log::warn!("{failure}");
            ConnectError::Other(failure.words())
        })
    }
}

/// A TCP connection that a TLS session can split.
struct Socket<'c>(EmbassySocket<'c, 'static>);

impl ErrorType for Socket<'_> {
    type Error = tcp::Error;
}

impl Read for Socket<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, tcp::Error> {
        self.0.socket().read(buf).await
    }
}

impl Write for Socket<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, tcp::Error> {
        self.0.socket().write(buf).await
    }

    async fn flush(&mut self) -> Result<(), tcp::Error> {
        self.0.socket().flush().await
    }
}

impl Split for Socket<'_> {
    type Read<'a>
        = TcpReader<'a>
    where
        Self: 'a;
    type Write<'a>
        = TcpWriter<'a>
    where
        Self: 'a;

    fn split(&mut self) -> (TcpReader<'_>, TcpWriter<'_>) {
        self.0.socket().split()
    }
}

/// A TLS session over a TCP connection.
pub struct Encrypted<'c>(Session<'c, Socket<'c>>);

impl Connection for Encrypted<'_> {
    type ReadError = SessionError;
    type WriteError = SessionError;
    type Read<'a>
        = Half<dyn AnyRead + 'a>
    where
        Self: 'a;
    type Write<'a>
        = Half<dyn AnyWrite + 'a>
    where
        Self: 'a;

    async fn split(&mut self) -> Result<(Self::Read<'_>, Self::Write<'_>), ConnectError> {
        let halves = self.0.split().await;
        let (read, write) = halves.map_err(|_| ConnectError::Other("the TLS session broke"))?;
        Ok((Half(Box::new(read)), Half(Box::new(write))))
    }

    async fn close(&mut self) {
        // The connection is cut in any case.
        let _ = self.0.close().await;
    }
}

/// A half of a session. Its type has no name, so it is boxed: Mbed TLS has a heap in any case.
pub struct Half<T: ?Sized>(Box<T>);

type Boxed<'b, T> = Pin<Box<dyn Future<Output = Result<T, SessionError>> + 'b>>;

/// A half that reads, without its type.
pub trait AnyRead {
    /// As [`Read::read`].
    fn read<'b>(&'b mut self, buf: &'b mut [u8]) -> Boxed<'b, usize>;
}

impl<T: Read<Error = SessionError>> AnyRead for T {
    fn read<'b>(&'b mut self, buf: &'b mut [u8]) -> Boxed<'b, usize> {
        Box::pin(Read::read(self, buf))
    }
}

/// A half that writes, without its type.
pub trait AnyWrite {
    /// As [`Write::write`].
    fn write<'b>(&'b mut self, buf: &'b [u8]) -> Boxed<'b, usize>;
    /// As [`Write::flush`].
    fn flush(&mut self) -> Boxed<'_, ()>;
}

impl<T: Write<Error = SessionError>> AnyWrite for T {
    fn write<'b>(&'b mut self, buf: &'b [u8]) -> Boxed<'b, usize> {
        Box::pin(Write::write(self, buf))
    }

    fn flush(&mut self) -> Boxed<'_, ()> {
        Box::pin(Write::flush(self))
    }
}

impl<T: ?Sized> ErrorType for Half<T> {
    type Error = SessionError;
}

impl Read for Half<dyn AnyRead + '_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, SessionError> {
        self.0.read(buf).await
    }
}

impl Write for Half<dyn AnyWrite + '_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, SessionError> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        self.0.flush().await
    }
}
