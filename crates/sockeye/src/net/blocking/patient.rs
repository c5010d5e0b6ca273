//! Streams that do not block, used as if they did: for the conversations before a link is open.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::connector::{Attempt, Stream};
use super::poll;
use crate::driver::threads::Bell;

/// So often is looked whether an attempt has been given up.
const LOOK: Duration = Duration::from_secs(1);

/// What a stream is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Read,
    Write,
    #[cfg(feature = "native-tls")]
    Either,
}

/// Waits for a stream.
pub(super) struct Waiter {
    /// For a stream without a socket.
    bell: Bell,
}

impl Waiter {
    /// Takes a stream over: it does not block from here on, but for this.
    pub(super) fn start(stream: &mut impl Stream) -> io::Result<Self> {
        let bell = Bell::new();
        stream.start(&bell.waker())?;
        Ok(Self { bell })
    }

    /// Waits until the stream may be ready.
    ///
    /// # Errors
    /// The time is up, or nobody waits for the attempt any more.
    pub(super) fn wait(
        &self,
        stream: &impl Stream,
        attempt: &Attempt,
        want: Want,
    ) -> io::Result<()> {
        loop {
            attempt.check()?;
            let time = attempt.remaining().map_or(LOOK, |left| left.min(LOOK));
            let ready = match stream.socket() {
                Some(socket) => {
                    let flags = match want {
                        Want::Read => PollFlags::IN,
                        Want::Write => PollFlags::OUT,
                        #[cfg(feature = "native-tls")]
                        Want::Either => PollFlags::IN | PollFlags::OUT,
                    };
                    poll(&mut [PollFd::from_borrowed_fd(socket, flags)], Some(time))? > 0
                }
                None => self.bell.wait(Instant::now().checked_add(time)),
            };
            if ready {
                return Ok(());
            }
        }
    }
}

/// A stream that waits.
pub(super) struct Patient<'s, S> {
    stream: &'s mut S,
    attempt: &'s Attempt,
    waiter: Waiter,
}

impl<'s, S: Stream> Patient<'s, S> {
    pub(super) fn new(stream: &'s mut S, attempt: &'s Attempt) -> io::Result<Self> {
        let waiter = Waiter::start(stream)?;
        Ok(Self {
            stream,
            attempt,
            waiter,
        })
    }

    fn wait<T>(
        &mut self,
        want: Want,
        mut call: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match call(self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiter.wait(self.stream, self.attempt, want)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                result => return result,
            }
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.wait(Want::Write, Stream::close)
    }
}

impl<S: Stream> Read for Patient<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait(Want::Read, |stream| stream.read(buf))
    }
}

impl<S: Stream> Write for Patient<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(Want::Write, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wait(Want::Write, Write::flush)
    }
}
