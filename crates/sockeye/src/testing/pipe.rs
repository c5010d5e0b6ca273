//! A pipe in memory, as a blocking client takes its streams.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadBuf};

use crate::net::blocking::{SocketRef, Stream};

/// One end of a pipe: it wakes the client's thread.
pub(super) struct Pipe {
    end: DuplexStream,
    waker: Waker,
}

impl Pipe {
    pub(super) fn new(end: DuplexStream) -> Self {
        let waker = Waker::noop().clone();
        Self { end, waker }
    }
}

/// What is not there yet would block.
fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut bytes = ReadBuf::new(bytes);
        let mut context = Context::from_waker(&self.waker);
        now(Pin::new(&mut self.end).poll_read(&mut context, &mut bytes))?;
        Ok(bytes.filled().len())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        now(Pin::new(&mut self.end).poll_write(&mut context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pipe {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.waker = waker.clone();
        Ok(())
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        None
    }
}
