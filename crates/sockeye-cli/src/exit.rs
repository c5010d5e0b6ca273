//! Exit codes, and the error that ends a command.

use std::fmt;

/// What the exit code of `sockeye` says. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done as asked.
    Ok = 0,
    /// Could not connect, or the server refused.
    Connect = 1,
    /// Wrong usage: an option, the URL, JSON, a file.
    Usage = 2,
    /// No acknowledgement in time.
    AckTimeout = 3,
    /// The server disconnected us.
    ServerDisconnect = 4,
    /// The connection broke and did not come back.
    Lost = 5,
    /// `demo`: a check failed. `load`: a condition of `--fail-if` holds.
    Check = 6,
    /// The output could not be written, other than by a reader that left.
    Output = 7,
    /// Ended by Ctrl-C before the work was done.
    Interrupted = 130,
}

/// The section of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done as asked
  1    could not connect, or the server refused
  2    wrong usage: an option, the URL, JSON, a file
  3    no acknowledgement in time
  4    the server disconnected us
  5    the connection broke and did not come back
  6    demo: a check failed; load: a condition of --fail-if holds
  7    the output could not be written (a full disk, say)
  130  ended by Ctrl-C before the work was done";

/// The end of a command that could not do its work: one line and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// A mistake in what the user wrote.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
