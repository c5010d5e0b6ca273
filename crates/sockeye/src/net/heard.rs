//! What is known of an open stream from the bytes that have gone over it. No runtime is used here.

use std::io;

use super::error::{DialError, DialErrorKind};

/// A record of TLS that carries an alert: what a server of TLS answers to plain HTTP. No HTTP answer begins so.
const TLS_ALERT: u8 = 0x15;

/// What has gone over a stream.
#[derive(Debug)]
pub(super) struct Heard {
    /// Nothing has been read since the last write, so that an end now cuts no answer.
    unanswered: bool,
    /// Nothing has been read at all.
    silent: bool,
}

impl Heard {
    pub(super) const fn new() -> Self {
        Self {
            unanswered: true,
            silent: true,
        }
    }

    /// Something is written.
    pub(super) const fn wrote(&mut self) {
        self.unanswered = true;
    }

    /// These bytes have been read, none at the end; `plain`: nothing decrypts them.
    pub(super) fn received(&mut self, bytes: &[u8], plain: bool) -> io::Result<usize> {
        self.unanswered &= bytes.is_empty();
        if std::mem::take(&mut self.silent) && plain && bytes.first() == Some(&TLS_ALERT) {
            return Err(io::Error::other(DialError::new(
                DialErrorKind::Tls,
                "the server speaks TLS at this port: use https:// or wss://",
            )));
        }
        Ok(bytes.len())
    }

    /// What an error of reading comes to. An encrypted stream that ends without a goodbye may have been cut by somebody
    /// in between. Where no part of an answer has arrived nothing can be missing from one: many servers close idle
    /// connections that way.
    pub(super) fn failed(&self, error: io::Error, plain: bool) -> io::Result<usize> {
        if error.kind() == io::ErrorKind::UnexpectedEof && self.unanswered && !plain {
            return Ok(0);
        }
        Err(error)
    }
}
