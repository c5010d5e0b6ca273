//! Emits of which it is said whether they are compressed.

use sockeye_core::EmitError;
use sockeye_core::packet::EmitArgs;

use crate::Socket;
use crate::client::ack::EmitWithAck;
use crate::client::volatile::now_or_never;

/// Emits with compression or without: see [`Socket::compress`].
#[derive(Clone, Copy, Debug)]
pub struct Compress<'s> {
    pub(crate) socket: &'s Socket,
    pub(crate) on: bool,
    pub(crate) volatile: bool,
}

impl Compress<'_> {
    /// Emits an event.
    ///
    /// # Errors
    /// As [`Socket::emit`]; as [`Volatile::emit`](crate::Volatile::emit) after [`volatile`](Self::volatile).
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        let send = || {
            self.socket
                .send_packet(event, &args, self.volatile, !self.on)
        };
        if self.volatile {
            now_or_never(self.socket, event, send)
        } else {
            send()
        }
    }

    /// As [`Socket::emit_with_ack`].
    pub fn emit_with_ack<A: EmitArgs, Answer>(&self, event: &str, args: A) -> EmitWithAck<Answer> {
        let request = self.socket.emit_with_ack(event, args).compress(self.on);
        if self.volatile {
            request.volatile()
        } else {
            request
        }
    }

    /// The same, dropped if it cannot be sent at once: see [`Socket::volatile`].
    #[must_use]
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }
}
