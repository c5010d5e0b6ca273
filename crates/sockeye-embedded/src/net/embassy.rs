//! Connections over `embassy-net`.

use core::cell::{RefCell, RefMut};
use core::fmt;

use embassy_net::Stack;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::{ConnectError as TcpError, Error, TcpReader, TcpSocket, TcpWriter};
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorType, Write};

use crate::connect::{Connect, ConnectError, Connection, Target};

/// How long a connection waits for the RST of the one before it to be sent.
const RESET: Duration = Duration::from_millis(100);

/// Memory for `LINKS` TCP sockets: put it into a `ConstStaticCell`. `RX` is TCP's receive window (what the server may send
/// ahead), `TX` what may be under way to it; from about 512 bytes on they matter for speed only.
///
/// `LINKS` is 1 for a client on WebSocket alone, 3 with polling. The stack's own `StackResources` need as many sockets,
/// and one for DNS.
#[derive(Debug)]
pub struct SocketBuffers<const LINKS: usize, const RX: usize, const TX: usize> {
    buffers: [([u8; RX], [u8; TX]); LINKS],
}

impl<const LINKS: usize, const RX: usize, const TX: usize> SocketBuffers<LINKS, RX, TX> {
    /// Empty buffers.
    pub const fn new() -> Self {
        Self {
            buffers: [([0; RX], [0; TX]); LINKS],
        }
    }
}

impl<const LINKS: usize, const RX: usize, const TX: usize> Default
    for SocketBuffers<LINKS, RX, TX>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Connects over an `embassy-net` stack, with `LINKS` sockets that are used again and again. No TLS.
pub struct EmbassyNet<'d, const LINKS: usize> {
    stack: Stack<'d>,
    sockets: [RefCell<TcpSocket<'d>>; LINKS],
}

impl<const LINKS: usize> fmt::Debug for EmbassyNet<'_, LINKS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbassyNet").finish_non_exhaustive()
    }
}

impl<'d, const LINKS: usize> EmbassyNet<'d, LINKS> {
    /// Sockets on `stack` in `buffers`.
    pub fn new<const RX: usize, const TX: usize>(
        stack: Stack<'d>,
        buffers: &'d mut SocketBuffers<LINKS, RX, TX>,
    ) -> Self {
        let sockets = buffers.buffers.each_mut().map(|(rx, tx)| {
            let mut socket = TcpSocket::new(stack, rx, tx);
            // Frames are written whole: waiting for more only delays them.
            socket.set_nagle_enabled(false);
            RefCell::new(socket)
        });
        Self { stack, sockets }
    }

    /// Connects a free socket to `host`, with or without TLS in mind: for connectors that put TLS on top.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect_tcp(
        &self,
        host: &str,
        port: u16,
    ) -> Result<EmbassySocket<'_, 'd>, ConnectError> {
        let socket = self
            .sockets
            .iter()
            .find_map(|socket| socket.try_borrow_mut().ok());
        // From here on the socket is cleaned up whatever happens.
        let mut socket = EmbassySocket {
            socket: socket.ok_or(ConnectError::NoSocket)?,
        };
        if !self.stack.is_link_up() || !self.stack.is_config_up() {
            return Err(ConnectError::NoRoute);
        }
        // The connection before this one may have been aborted a moment ago: its RST is sent by the stack later, and not
        // at all if the socket is in use again by then. A server that is out of reach is not waited for.
        let _ = with_timeout(RESET, socket.socket.flush()).await;
        let addresses = self.stack.dns_query(host, DnsQueryType::A).await;
        #[cfg(feature = "ipv6")]
        let addresses = match addresses {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            _ => self.stack.dns_query(host, DnsQueryType::Aaaa).await,
        };
        let address = addresses
            .ok()
            .and_then(|addresses| addresses.first().copied())
            .ok_or(ConnectError::Dns)?;
        socket
            .socket
            .connect((address, port))
            .await
            .map_err(|error| match error {
                TcpError::ConnectionReset if !self.stack.is_config_up() => ConnectError::NoRoute,
                // Also what the stack says when it has given up by itself.
                TcpError::ConnectionReset => ConnectError::Reset,
                TcpError::TimedOut => ConnectError::TimedOut,
                TcpError::NoRoute => ConnectError::NoRoute,
                TcpError::InvalidState => ConnectError::NoSocket,
            })?;
        Ok(socket)
    }
}

impl<'d, const LINKS: usize> Connect for EmbassyNet<'d, LINKS> {
    type Connection<'c>
        = EmbassySocket<'c, 'd>
    where
        Self: 'c;

    async fn connect(&self, target: Target) -> Result<Self::Connection<'_>, ConnectError> {
        if target.tls {
            return Err(ConnectError::NoTls);
        }
        self.connect_tcp(target.host, target.port).await
    }
}

/// A connected socket of an [`EmbassyNet`]; dropping it resets the connection, unless it was closed in order.
pub struct EmbassySocket<'c, 'd> {
    socket: RefMut<'c, TcpSocket<'d>>,
}

impl<'d> EmbassySocket<'_, 'd> {
    /// The socket: for TLS on top.
    pub fn socket(&mut self) -> &mut TcpSocket<'d> {
        &mut self.socket
    }
}

impl fmt::Debug for EmbassySocket<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbassySocket").finish_non_exhaustive()
    }
}

impl Drop for EmbassySocket<'_, '_> {
    fn drop(&mut self) {
        // Also makes the socket fit for the next connection.
        self.socket.abort();
    }
}

impl Connection for EmbassySocket<'_, '_> {
    type ReadError = Error;
    type WriteError = Error;
    type Read<'a>
        = TcpReader<'a>
    where
        Self: 'a;
    type Write<'a>
        = Writer<'a>
    where
        Self: 'a;

    async fn split(&mut self) -> Result<(Self::Read<'_>, Self::Write<'_>), ConnectError> {
        let (reader, writer) = self.socket.split();
        Ok((reader, Writer(writer)))
    }

    /// The other side's TCP has confirmed everything.
    async fn sent<'a>(writer: &mut Self::Write<'a>) -> Result<(), Error>
    where
        Self: 'a,
    {
        writer.0.flush().await
    }

    async fn close(&mut self) {
        self.socket.close();
        let _ = self.socket.flush().await;
        // The socket is made fit for the next connection by a reset, which must not overtake the server's reading: its
        // own end of the connection says that it has read everything.
        let mut rest = [0; 32];
        while let Ok(1..) = self.socket.read(&mut rest).await {}
    }
}

/// The half of a socket that writes.
pub struct Writer<'a>(TcpWriter<'a>);

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl ErrorType for Writer<'_> {
    type Error = Error;
}

impl Write for Writer<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.0.write(buf).await
    }

    /// Does nothing: the stack sends by itself, and its own `flush` waits for the server's acknowledgement.
    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
