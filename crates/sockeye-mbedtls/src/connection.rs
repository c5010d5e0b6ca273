//! A connection through TLS.

use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use mbedtls_rs::{SavedSession, Session, SessionError, Split};
use sockeye_embedded::embedded_io_async::{ErrorType, Read, Write};
use sockeye_embedded::{ConnectError, Connection, Target};

use crate::Mbedtls;
use crate::tcp::Stream;

/// A TLS session over a TCP connection.
pub struct Encrypted<'c, S: Read + Write> {
    session: Session<'c, Stream<'c, S>>,
    keeper: &'c dyn Keeper,
    target: Target,
}

/// The connector, whatever is below it.
pub(crate) trait Keeper {
    fn keep(&self, target: Target, session: Option<SavedSession>);
    fn deep(&self) -> &Cell<bool>;
}

impl<N> Keeper for Mbedtls<N> {
    fn keep(&self, target: Target, session: Option<SavedSession>) {
        self.keep(target, session);
    }

    fn deep(&self) -> &Cell<bool> {
        &self.deep
    }
}

impl<S: Read + Write> fmt::Debug for Encrypted<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").finish_non_exhaustive()
    }
}

impl<'c, S: Read + Write> Encrypted<'c, S> {
    pub(crate) fn new(
        session: Session<'c, Stream<'c, S>>,
        keeper: &'c dyn Keeper,
        target: Target,
    ) -> Self {
        Self {
            session,
            keeper,
            target,
        }
    }
}

impl<S: Read + Write + Split> Connection for Encrypted<'_, S> {
    type ReadError = SessionError;
    type WriteError = SessionError;
    type Read<'a>
        = ReadHalf<'a>
    where
        Self: 'a;
    type Write<'a>
        = WriteHalf<'a>
    where
        Self: 'a;

    async fn split(&mut self) -> Result<(ReadHalf<'_>, WriteHalf<'_>), ConnectError> {
        let halves = self.session.split().await;
        let (read, write) = halves.map_err(|error| crate::failure::words(error, 0))?;
        let write = WriteHalf {
            half: Box::new(write),
            deep: self.keeper.deep(),
        };
        Ok((ReadHalf(Box::new(read)), write))
    }

    async fn sent<'a>(writer: &mut WriteHalf<'a>) -> Result<(), SessionError>
    where
        Self: 'a,
    {
        writer.deep.set(true);
        let flushed = writer.half.flush().await;
        writer.deep.set(false);
        flushed
    }

    async fn close(&mut self) {
        // Only now, because a server may send what is needed to resume long after the handshake.
        self.keeper.keep(self.target, self.session.save().ok());
        // The connection is cut in any case.
        let _ = self.session.close().await;
    }
}

/// The half of a session that reads. Its own type has no name, so it is boxed: Mbed TLS has a heap in any case.
pub struct ReadHalf<'a>(Box<dyn AnyRead + 'a>);

/// The half of a session that writes.
pub struct WriteHalf<'a> {
    half: Box<dyn AnyWrite + 'a>,
    deep: &'a Cell<bool>,
}

impl fmt::Debug for ReadHalf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl fmt::Debug for WriteHalf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}

type Boxed<'b, T> = Pin<Box<dyn Future<Output = Result<T, SessionError>> + 'b>>;

trait AnyRead {
    fn read<'b>(&'b mut self, buf: &'b mut [u8]) -> Boxed<'b, usize>;
}

impl<T: Read<Error = SessionError>> AnyRead for T {
    fn read<'b>(&'b mut self, buf: &'b mut [u8]) -> Boxed<'b, usize> {
        Box::pin(Read::read(self, buf))
    }
}

trait AnyWrite {
    fn write<'b>(&'b mut self, buf: &'b [u8]) -> Boxed<'b, usize>;
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

impl ErrorType for ReadHalf<'_> {
    type Error = SessionError;
}

impl Read for ReadHalf<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, SessionError> {
        self.0.read(buf).await
    }
}

impl ErrorType for WriteHalf<'_> {
    type Error = SessionError;
}

impl Write for WriteHalf<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, SessionError> {
        self.half.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        self.half.flush().await
    }
}
