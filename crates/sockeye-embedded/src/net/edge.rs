//! Connections over the traits of `edge-nal`.

use core::net::{IpAddr, SocketAddr};

use edge_nal::{AddrType, Close, Dns, TcpConnect, TcpShutdown, TcpSplit};
use embedded_io_async::{Error, ErrorType, Write};

use crate::connect::{Connect, ConnectError, Connection, Target};

/// Connects over any network stack with the traits of `edge-nal`: `S` connects, `D` looks names up (often the same
/// object by reference). No TLS, unless `S` makes TLS of every connection: see [`Self::with_tls`].
#[derive(Clone, Copy, Debug)]
pub struct EdgeNal<S, D> {
    stack: S,
    dns: D,
    addresses: Addresses,
    flush: bool,
    tls: bool,
}

#[derive(Clone, Copy, Debug)]
enum Addresses {
    V4,
    V6,
    Any,
}

impl<S: TcpConnect, D: Dns> EdgeNal<S, D> {
    /// Connects by `stack`, looks names up by `dns`, as IPv4 addresses.
    pub const fn new(stack: S, dns: D) -> Self {
        Self {
            stack,
            dns,
            addresses: Addresses::V4,
            flush: false,
            tls: false,
        }
    }

    /// Looks names up as IPv6 addresses alone (`true`), or as whatever comes first (`false`).
    #[must_use]
    pub const fn with_ipv6(mut self, only: bool) -> Self {
        self.addresses = if only { Addresses::V6 } else { Addresses::Any };
        self
    }

    /// `S` speaks TLS, with certificates checked against the host that it was configured for: takes `https` URLs, and
    /// no others; flushes after writing.
    #[must_use]
    pub const fn with_tls(mut self) -> Self {
        self.tls = true;
        self.flush = true;
        self
    }

    /// Calls the sockets' `flush` after writing: for stacks that send nothing before.
    #[must_use]
    pub const fn with_flush(mut self) -> Self {
        self.flush = true;
        self
    }

    async fn look_up(&self, host: &str) -> Result<IpAddr, ConnectError> {
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        let kind = match self.addresses {
            Addresses::V4 => AddrType::IPv4,
            Addresses::V6 => AddrType::IPv6,
            Addresses::Any => AddrType::Either,
        };
        self.dns
            .get_host_by_name(host, kind)
            .await
            .map_err(|_| ConnectError::Dns)
    }
}

impl<S: TcpConnect, D: Dns> Connect for EdgeNal<S, D> {
    type Connection<'c>
        = EdgeSocket<S::Socket<'c>>
    where
        Self: 'c;

    async fn connect(&self, target: Target) -> Result<Self::Connection<'_>, ConnectError> {
        match (target.tls, self.tls) {
            (true, false) => return Err(ConnectError::NoTls),
            (false, true) => {
                return Err(ConnectError::Other(
                    "this connector speaks TLS: use an https URL",
                ));
            }
            _ => (),
        }
        let address = self.look_up(target.host).await?;
        let socket = self
            .stack
            .connect(SocketAddr::new(address, target.port))
            .await;
        let socket = socket.map_err(|error| ConnectError::from(error.kind()))?;
        Ok(EdgeSocket {
            socket,
            flush: self.flush,
        })
    }
}

/// A connected socket of an [`EdgeNal`].
#[derive(Debug)]
pub struct EdgeSocket<T> {
    socket: T,
    flush: bool,
}

impl<T: TcpSplit + TcpShutdown> Connection for EdgeSocket<T>
where
    T::Error: Error,
{
    type ReadError = T::Error;
    type WriteError = T::Error;
    type Read<'a>
        = T::Read<'a>
    where
        Self: 'a;
    type Write<'a>
        = Writer<T::Write<'a>>
    where
        Self: 'a;

    async fn split(&mut self) -> Result<(Self::Read<'_>, Self::Write<'_>), ConnectError> {
        let flush = self.flush;
        let (read, write) = self.socket.split();
        Ok((read, Writer { write, flush }))
    }

    async fn close(&mut self) {
        if self.socket.close(Close::Both).await.is_err() {
            let _ = self.socket.abort().await;
        }
    }
}

/// The half of a socket that writes.
#[derive(Debug)]
pub struct Writer<W> {
    write: W,
    flush: bool,
}

impl<W: Write> ErrorType for Writer<W> {
    type Error = W::Error;
}

impl<W: Write> Write for Writer<W> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.write.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        if self.flush {
            self.write.flush().await
        } else {
            Ok(())
        }
    }
}
