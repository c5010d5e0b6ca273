//! Connections over tokio's sockets: for trying the embedded client on a computer, and an example of a connector.

use std::io;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use sockeye_embedded::{Connect, ConnectError, Connection, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// Connects by tokio.
pub(crate) struct TokioNet;

/// A connected socket.
pub(crate) struct Socket(TcpStream);
/// Its half that reads.
pub(crate) struct Reader<'a>(ReadHalf<'a>);
/// Its half that writes.
pub(crate) struct Writer<'a>(WriteHalf<'a>);

impl Connect for TokioNet {
    type Connection<'c> = Socket;

    async fn connect(&self, target: Target) -> Result<Socket, ConnectError> {
        if target.tls {
            return Err(ConnectError::NoTls);
        }
        let stream = TcpStream::connect((target.host, target.port)).await;
        let stream = stream.map_err(|error| ConnectError::from(kind(&error)))?;
        stream
            .set_nodelay(true)
            .map_err(|error| ConnectError::from(kind(&error)))?;
        Ok(Socket(stream))
    }
}

impl Connection for Socket {
    type ReadError = ErrorKind;
    type WriteError = ErrorKind;
    type Read<'a> = Reader<'a>;
    type Write<'a> = Writer<'a>;

    async fn split(&mut self) -> Result<(Reader<'_>, Writer<'_>), ConnectError> {
        let (reader, writer) = self.0.split();
        Ok((Reader(reader), Writer(writer)))
    }

    async fn close(&mut self) {
        // Whether it succeeds makes no difference any more.
        let _ = self.0.shutdown().await;
    }
}

impl ErrorType for Reader<'_> {
    type Error = ErrorKind;
}

impl Read for Reader<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buf).await.map_err(|error| kind(&error))
    }
}

impl ErrorType for Writer<'_> {
    type Error = ErrorKind;
}

impl Write for Writer<'_> {
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
        io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        _ => ErrorKind::Other,
    }
}
