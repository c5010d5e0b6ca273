//! Connections over tokio's sockets.

use std::io;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::connect::{Connect, ConnectError, Connection, Target};

/// Connects by tokio: for trying a device's program on a computer. No TLS.
///
/// ```no_run
/// use sockeye_embedded::{Config, Event, Socket, Storage, net::Tokio};
/// use static_cell::ConstStaticCell;
///
/// static STORAGE: ConstStaticCell<Storage<2048, 1024>> = ConstStaticCell::new(Storage::new());
///
/// # fn random(bytes: &mut [u8]) {}
/// # #[cfg(feature = "embassy-time")]
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     let config = Config::new("http://127.0.0.1:3000", random).unwrap();
///     let (socket, mut runner) = sockeye_embedded::new(config, STORAGE.take()).unwrap();
///     socket.emit("hello", ("from a computer",)).unwrap();
///     runner.run(Tokio, |_: &Socket, event: &Event<'_>| println!("{event:?}")).await;
/// }
/// # #[cfg(not(feature = "embassy-time"))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

/// A connected socket of [`Tokio`].
#[derive(Debug)]
pub struct TokioSocket(TcpStream);

impl TokioSocket {
    /// The stream: for TLS on top.
    pub const fn stream(&mut self) -> &mut TcpStream {
        &mut self.0
    }

    /// The halves, at once.
    pub fn halves(&mut self) -> (TokioReader<'_>, TokioWriter<'_>) {
        let (reader, writer) = self.0.split();
        (TokioReader(reader), TokioWriter(writer))
    }
}

/// The half of a [`TokioSocket`] that reads.
#[derive(Debug)]
pub struct TokioReader<'a>(ReadHalf<'a>);

/// The half of a [`TokioSocket`] that writes.
#[derive(Debug)]
pub struct TokioWriter<'a>(WriteHalf<'a>);

impl Tokio {
    /// Connects to `host`, with or without TLS in mind: for connectors that put TLS on top.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect_tcp(&self, host: &str, port: u16) -> Result<TokioSocket, ConnectError> {
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|error| ConnectError::from(kind(&error)))?;
        stream
            .set_nodelay(true)
            .map_err(|error| ConnectError::from(kind(&error)))?;
        Ok(TokioSocket(stream))
    }
}

impl Connect for Tokio {
    type Connection<'c> = TokioSocket;

    async fn connect(&self, target: Target) -> Result<TokioSocket, ConnectError> {
        if target.tls {
            return Err(ConnectError::NoTls);
        }
        self.connect_tcp(target.host, target.port).await
    }
}

impl Connection for TokioSocket {
    type ReadError = ErrorKind;
    type WriteError = ErrorKind;
    type Read<'a> = TokioReader<'a>;
    type Write<'a> = TokioWriter<'a>;

    async fn split(&mut self) -> Result<(TokioReader<'_>, TokioWriter<'_>), ConnectError> {
        Ok(self.halves())
    }

    async fn close(&mut self) {
        // Whether it succeeds makes no difference any more.
        let _ = self.0.shutdown().await;
    }
}

impl ErrorType for TokioReader<'_> {
    type Error = ErrorKind;
}

impl Read for TokioReader<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buf).await.map_err(|error| kind(&error))
    }
}

impl ErrorType for TokioWriter<'_> {
    type Error = ErrorKind;
}

impl Write for TokioWriter<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(buf).await.map_err(|error| kind(&error))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().await.map_err(|error| kind(&error))
    }
}

fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted => ErrorKind::ConnectionAborted,
        io::ErrorKind::NotConnected => ErrorKind::NotConnected,
        io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        _ => ErrorKind::Other,
    }
}
