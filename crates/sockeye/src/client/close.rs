//! Leaving cleanly.

use std::fmt;

use futures_channel::oneshot;

use crate::Socket;
use crate::inbox::Command;

/// A namespace could not be closed cleanly: not everything that was emitted could be sent in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseError {
    pub(crate) unsent: usize,
}

impl CloseError {
    /// Messages of the connection that waited for being sent when the time was up; an attachment counts as one.
    pub const fn unsent(&self) -> usize {
        self.unsent
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "closed with {} messages unsent: the server cannot be reached, or takes them too slowly \
             (raise `close_timeout` to wait longer)",
            self.unsent
        )
    }
}

impl std::error::Error for CloseError {}

impl Socket {
    /// Leaves the namespace cleanly, and with the last namespace the connection: waits until what was emitted before
    /// has been written, says goodbye, and waits until the goodbye is done. It takes at most
    /// [`close_timeout`](crate::ClientBuilder::close_timeout), by default 5 s. This is how a program should end:
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let socket = sockeye::Client::builder("http://localhost:3000").connect().await?;
    /// socket.emit("hello", ("world",))?;
    /// socket.close().await?; // without this, `main` may end before anything has been sent
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Other handles of the namespace see a disconnect with the reason `io client disconnect`, and may connect again.
    ///
    /// # Dropping the last handle instead
    /// does the same in the background, but nothing waits for it: when the runtime ends before, as at the end of
    /// `main`, what has not been sent yet is lost. Dropping the future of `close` is the same as dropping the handle.
    ///
    /// # Errors
    /// Something could not be sent in time, or the namespace was never joined and is not on its way.
    pub async fn close(self) -> Result<(), CloseError> {
        let (sender, receiver) = oneshot::channel();
        let asked = self.shared().command(Command::Close {
            nsp: self.nsp().index,
            done: sender,
        });
        if !asked {
            // The connection has ended before.
            return Ok(());
        }
        receiver.await.unwrap_or_else(|_| {
            // Its runtime has ended.
            match self.shared().queued_packets() {
                0 => Ok(()),
                unsent => Err(CloseError { unsent }),
            }
        })
    }
}
