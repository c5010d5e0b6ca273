//! What is below TLS: byte streams over TCP.
#![allow(
    async_fn_in_trait,
    reason = "executors of microcontrollers run futures that are not `Send`"
)]

use core::cell::Cell;
use core::fmt;

use mbedtls_rs::Split;
use sockeye_embedded::ConnectError;
use sockeye_embedded::embedded_io_async::{ErrorType, Read, Write};

/// Connects by TCP, for TLS on top. Ready ones are [`EmbassyNet`](sockeye_embedded::net::EmbassyNet) (feature
/// `embassy-net`) and `Tokio` (feature `tokio`).
pub trait Tcp {
    /// A connected socket; dropping it cuts the connection.
    type Socket<'c>: Read + Write + Split
    where
        Self: 'c;

    /// Whether written bytes stay where they are until they are flushed. Where the stack sends by itself (TCP mostly does),
    /// a flush is needed only to wait for the other side. Default false.
    const FLUSH: bool = false;

    /// Connects to `host`, a name or an address.
    ///
    /// # Errors
    /// Why there is no connection.
    async fn connect_tcp(&self, host: &str, port: u16) -> Result<Self::Socket<'_>, ConnectError>;
}

impl<N: Tcp> Tcp for &N {
    type Socket<'c>
        = N::Socket<'c>
    where
        Self: 'c;
    const FLUSH: bool = N::FLUSH;

    async fn connect_tcp(&self, host: &str, port: u16) -> Result<Self::Socket<'_>, ConnectError> {
        N::connect_tcp(*self, host, port).await
    }
}

/// A socket that waits for the other side in a flush only when told to.
pub struct Stream<'c, S> {
    socket: S,
    deep: &'c Cell<bool>,
    always: bool,
}

impl<S> fmt::Debug for Stream<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl<'c, S> Stream<'c, S> {
    pub(crate) const fn new(socket: S, deep: &'c Cell<bool>, always: bool) -> Self {
        Self {
            socket,
            deep,
            always,
        }
    }
}

impl<S: ErrorType> ErrorType for Stream<'_, S> {
    type Error = S::Error;
}

impl<S: Read> Read for Stream<'_, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        self.socket.read(buf).await
    }
}

impl<S: Write> Write for Stream<'_, S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        self.socket.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        if self.always || self.deep.get() {
            self.socket.flush().await
        } else {
            Ok(())
        }
    }
}

impl<'c, S: Split> Split for Stream<'c, S> {
    type Read<'a>
        = S::Read<'a>
    where
        Self: 'a;
    type Write<'a>
        = Stream<'c, S::Write<'a>>
    where
        Self: 'a;

    fn split(&mut self) -> (Self::Read<'_>, Self::Write<'_>) {
        let (read, write) = self.socket.split();
        (read, Stream::new(write, self.deep, self.always))
    }
}

#[cfg(feature = "embassy-net")]
pub use embassy::EmbassyTcp;
#[cfg(feature = "tokio")]
pub use tokio::TokioTcp;

#[cfg(feature = "embassy-net")]
mod embassy {
    use embassy_net::tcp::{Error, TcpReader, TcpWriter};
    use sockeye_embedded::net::{EmbassyNet, EmbassySocket};

    use super::*;

    /// A TCP socket of an [`EmbassyNet`].
    #[derive(Debug)]
    pub struct EmbassyTcp<'c, 'd>(EmbassySocket<'c, 'd>);

    impl<'d, const LINKS: usize> Tcp for EmbassyNet<'d, LINKS> {
        type Socket<'c>
            = EmbassyTcp<'c, 'd>
        where
            Self: 'c;

        async fn connect_tcp(
            &self,
            host: &str,
            port: u16,
        ) -> Result<Self::Socket<'_>, ConnectError> {
            self.connect_tcp(host, port).await.map(EmbassyTcp)
        }
    }

    impl ErrorType for EmbassyTcp<'_, '_> {
        type Error = Error;
    }

    impl Read for EmbassyTcp<'_, '_> {
        async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
            self.0.socket().read(buf).await
        }
    }

    impl Write for EmbassyTcp<'_, '_> {
        async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
            self.0.socket().write(buf).await
        }

        async fn flush(&mut self) -> Result<(), Error> {
            self.0.socket().flush().await
        }
    }

    impl Split for EmbassyTcp<'_, '_> {
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
}

#[cfg(feature = "tokio")]
mod tokio {
    use sockeye_embedded::embedded_io_async::ErrorKind;
    use sockeye_embedded::net::{Tokio, TokioReader, TokioSocket, TokioWriter};

    use super::*;

    /// A TCP socket of a [`Tokio`].
    #[derive(Debug)]
    pub struct TokioTcp(TokioSocket);

    impl Tcp for Tokio {
        type Socket<'c> = TokioTcp;

        async fn connect_tcp(&self, host: &str, port: u16) -> Result<TokioTcp, ConnectError> {
            self.connect_tcp(host, port).await.map(TokioTcp)
        }
    }

    impl ErrorType for TokioTcp {
        type Error = ErrorKind;
    }

    impl Read for TokioTcp {
        async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
            self.0.halves().0.read(buf).await
        }
    }

    impl Write for TokioTcp {
        async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
            self.0.halves().1.write(buf).await
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            self.0.halves().1.flush().await
        }
    }

    impl Split for TokioTcp {
        type Read<'a> = TokioReader<'a>;
        type Write<'a> = TokioWriter<'a>;

        fn split(&mut self) -> (TokioReader<'_>, TokioWriter<'_>) {
            self.0.halves()
        }
    }
}
