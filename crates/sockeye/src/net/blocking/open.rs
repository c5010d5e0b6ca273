//! An open link of a blocking client.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::task::Waker;
use std::time::Duration;

use super::SocketRef;
use super::connector::{Attempt, Stream};
use super::patient::Patient;
use super::tls::MaybeTls;
use crate::driver::threads::Threads;
use crate::net::heard::Heard;

/// A goodbye that the network does not take at once is given up after this.
const GOODBYE: Duration = Duration::from_secs(2);

/// Plain TCP and TLS over it without a dynamic call, all others boxed.
pub(super) enum Kind {
    Direct(MaybeTls<TcpStream>),
    Other(Box<dyn Stream>),
}

/// Passes a call on to the stream inside.
macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Kind::Direct($stream) => $call,
            Kind::Other($stream) => $call,
        }
    };
}

impl Kind {
    /// Whether the bytes on the wire are those of the protocol, and none wait in a buffer of the stream's.
    const fn is_plain(&self) -> bool {
        matches!(self, Self::Direct(stream) if stream.is_plain())
    }

    pub(super) fn start(&mut self, waker: &Waker) -> io::Result<()> {
        each!(self, stream => stream.start(waker))
    }
}

/// An open stream, and what the loop has to know of it.
pub(super) struct Open {
    stream: Kind,
    heard: Heard,
    /// There may be something to read: it has not said `WouldBlock` since.
    pub(super) readable: bool,
    /// There may be room to write again.
    pub(super) writable: bool,
    /// The last write took nothing, and nobody has been told that there is room again.
    pub(super) stalled: bool,
    /// Bytes written wait in the stream's own buffer.
    pub(super) unflushed: bool,
    /// It broke, and nobody has been told.
    broken: Option<io::Error>,
}

/// What a read found.
pub(super) enum Found {
    Bytes(usize),
    Nothing,
    End,
}

impl Open {
    pub(super) const fn new(stream: Kind) -> Self {
        Self {
            stream,
            heard: Heard::new(),
            readable: true,
            writable: false,
            stalled: false,
            unflushed: false,
            broken: None,
        }
    }

    pub(super) fn socket(&self) -> Option<SocketRef<'_>> {
        each!(&self.stream, stream => stream.socket())
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<Found> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let plain = self.stream.is_plain();
        let result = each!(&mut self.stream, stream => stream.read(buf));
        let read = match result {
            Ok(read) => self.heard.received(&buf[..read.min(buf.len())], plain)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Found::Nothing);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Found::Nothing),
            Err(error) => self.heard.failed(error, plain)?,
        };
        if read == 0 {
            return Ok(Found::End);
        }
        // A socket that gave less than it could is empty. (What decrypts may hold more.)
        if plain && read < buf.len() {
            self.readable = false;
        }
        Ok(Found::Bytes(read))
    }

    /// Writes what it takes now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.wrote();
        loop {
            let result = each!(&mut self.stream, stream => stream.write(bytes));
            match result {
                Ok(0) => return Err(io::Error::other("the connection takes no more bytes")),
                Ok(written) => {
                    if !self.stream.is_plain() {
                        self.flush()?;
                    }
                    return Ok(written.min(bytes.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (self.stalled, self.writable) = (true, false);
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves on what lies in the stream's own buffer.
    fn flush(&mut self) -> io::Result<()> {
        loop {
            let result = each!(&mut self.stream, stream => stream.flush());
            return match result {
                Ok(()) => {
                    self.unflushed = false;
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (self.unflushed, self.writable) = (true, false);
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// There is room to write: flushes. An error is told by the next read.
    pub(super) fn go_on_flushing(&mut self) {
        if self.unflushed
            && let Err(error) = self.flush()
        {
            self.unflushed = false;
            self.readable = true;
            self.broken = Some(error);
        }
    }

    /// Whether it breaks has to be told before anything else.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Closes the stream: an encrypted one says goodbye first, but nobody waits for that.
    pub(super) fn close(mut self, threads: &Threads) {
        if self.stream.is_plain() {
            return;
        }
        let said = each!(&mut self.stream, stream => stream.close());
        if said.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            let goodbye = async move {
                let attempt = Attempt::new(Some(GOODBYE));
                // Whether it arrives or not, the stream is closed after this.
                let _ = each!(&mut self.stream, stream => {
                    Patient::new(stream, &attempt).and_then(|mut stream| stream.close())
                });
            };
            let _ = threads.spawn(Box::pin(goodbye));
        }
    }
}
