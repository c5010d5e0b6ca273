//! The seam to the network: something that connects byte streams.
#![allow(
    async_fn_in_trait,
    reason = "executors of microcontrollers run futures that are not `Send`"
)]

use core::fmt;

use embedded_io_async::{Error, ErrorKind, Read, Write};
use sockeye_core::Link;

use crate::message::message;

/// Where to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Target {
    /// The host: a name, or an IP address (IPv6 without brackets).
    pub host: &'static str,
    /// The port.
    pub port: u16,
    /// Whether the URL asks for TLS (`https`, `wss`). A connector that has no TLS must refuse.
    pub tls: bool,
    /// Which of the client's byte streams this is: for connectors that keep one socket for each.
    pub link: Link,
}

impl Target {
    /// A target for tests of connectors: the WebSocket of a client.
    pub const fn new(host: &'static str, port: u16, tls: bool) -> Self {
        Self {
            host,
            port,
            tls,
            link: Link::WebSocket,
        }
    }
}

/// Connects byte streams: TCP, or TLS over TCP. Ready ones are `net::EmbassyNet` and
/// `net::EdgeNal`, without TLS; wrap one of them for TLS.
///
/// # Cancel safety
/// The runner drops the future of [`connect`](Self::connect) only to give the connection up (a timeout, or the
/// application disconnects); it must then leave nothing behind that keeps a later `connect` from working.
pub trait Connect {
    /// A connected byte stream.
    type Connection<'c>: Connection
    where
        Self: 'c;

    /// Looks the name up, connects, and for TLS shakes hands and checks the certificate. No timeout is needed: the
    /// client has its own.
    ///
    /// # Errors
    /// Why there is no connection.
    async fn connect(&self, target: Target) -> Result<Self::Connection<'_>, ConnectError>;
}

impl<T: Connect> Connect for &T {
    type Connection<'c>
        = T::Connection<'c>
    where
        Self: 'c;

    async fn connect(&self, target: Target) -> Result<Self::Connection<'_>, ConnectError> {
        T::connect(*self, target).await
    }
}

/// A connected byte stream whose halves are used at the same time. Dropping it cuts the connection.
///
/// # Cancel safety
/// The runner keeps one read and one write under way, each by itself, and never drops one of these futures but to give
/// the connection up. So the halves need not be cancel-safe (those of `mbedtls-rs` are not).
pub trait Connection {
    /// What goes wrong in reading.
    type ReadError: Error;
    /// What goes wrong in writing.
    type WriteError: Error;
    /// The half that reads.
    type Read<'a>: Read<Error = Self::ReadError>
    where
        Self: 'a;
    /// The half that writes. `flush` is awaited when there is nothing more to write, and nothing can be written before
    /// it is done: where `write` alone brings the bytes on their way, as with TCP, let it do nothing.
    type Write<'a>: Write<Error = Self::WriteError>
    where
        Self: 'a;

    /// The two halves. The runner drops this future, too, only to give the connection up.
    ///
    /// # Errors
    /// As for [`Connect::connect`].
    async fn split(&mut self) -> Result<(Self::Read<'_>, Self::Write<'_>), ConnectError>;

    /// Waits until what has been written has left the device, as far as that can be told: for
    /// [`Socket::flush`](crate::Socket::flush), and only while a task waits there. Called after `flush`; nothing can be
    /// written before it is done. Does nothing unless implemented.
    ///
    /// # Errors
    /// As writing.
    async fn sent<'a>(writer: &mut Self::Write<'a>) -> Result<(), Self::WriteError>
    where
        Self: 'a,
    {
        let _ = writer;
        Ok(())
    }

    /// Ends the connection in order, so that what has been written still arrives. The runner does not wait for it
    /// longer than a second, and drops the connection then.
    async fn close(&mut self);
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be looked up.
    Dns,
    /// The server refused: nothing listens on the port.
    Refused,
    /// The attempt was refused or cut off; the network stack does not say which.
    Reset,
    /// The server did not answer.
    TimedOut,
    /// There is no route to the server: the network is down.
    NoRoute,
    /// All sockets of the connector are in use.
    NoSocket,
    /// The URL asks for TLS, and the connector has none.
    NoTls,
    /// Another reason, in words for people.
    Other(&'static str),
}

impl ConnectError {
    /// In words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => message!(
                "K1",
                "the host name could not be looked up: check the name and the DNS server"
            ),
            Self::Refused => message!(
                "K2",
                "connection refused: is the server running on that port?"
            ),
            Self::Reset => {
                message!(
                    "K3",
                    "the attempt was refused or cut off: is the server running on that port, and the network steady?"
                )
            }
            Self::TimedOut => message!("K4", "the server did not answer"),
            Self::NoRoute => message!("K5", "no route to the server: is the network up?"),
            Self::NoSocket => message!(
                "K6",
                "all sockets are in use: size the socket pool for the client's links"
            ),
            Self::NoTls => {
                message!(
                    "K7",
                    "the URL asks for TLS, but this connector has none: use http, or a connector with TLS"
                )
            }
            Self::Other(words) => words,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for ConnectError {}

impl From<ErrorKind> for ConnectError {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Self::Reset,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::NotConnected => Self::NoRoute,
            kind => Self::Other(words(kind)),
        }
    }
}

/// What broke a connection, in words for people.
pub(crate) const fn words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionReset => message!("K8", "connection reset"),
        ErrorKind::ConnectionAborted => message!("K9", "connection aborted"),
        ErrorKind::NotConnected => message!("K10", "not connected"),
        ErrorKind::BrokenPipe => message!("K11", "broken pipe"),
        ErrorKind::TimedOut => message!("K12", "timed out"),
        ErrorKind::InvalidData => message!("K13", "invalid data"),
        ErrorKind::OutOfMemory => message!("K14", "out of memory"),
        ErrorKind::PermissionDenied => message!("K15", "permission denied"),
        ErrorKind::Interrupted => message!("K16", "interrupted"),
        ErrorKind::WriteZero => message!("K17", "the connection takes no bytes"),
        _ => message!("K18", "input/output error"),
    }
}
