//! Volatile packets.

use sockeye_core::EmitError;
use sockeye_core::packet::EmitArgs;

use crate::Socket;
use crate::client::ack::EmitWithAck;
use crate::client::socket::check_event;

/// Emits volatile packets: see [`Socket::volatile`].
#[derive(Clone, Copy, Debug)]
pub struct Volatile<'s> {
    pub(crate) socket: &'s Socket,
}

impl<'s> Volatile<'s> {
    /// Emits an event that is dropped if it cannot be sent at once. `Ok` does not tell which: whether the link takes
    /// it is known only after this has returned.
    ///
    /// # Errors
    /// As [`Socket::emit`], for packets that cannot be sent at all.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        if !self.socket.connected() {
            return check_event(event);
        }
        match self.socket.send_packet(event, &args, true, false) {
            Err(EmitError::Full) => Ok(()),
            result => result,
        }
    }

    /// The same with compression or without: see [`Socket::compress`].
    #[cfg(feature = "deflate")]
    pub const fn compress(self, on: bool) -> crate::Compress<'s> {
        crate::Compress {
            socket: self.socket,
            on,
            volatile: true,
        }
    }

    /// As [`Socket::emit_with_ack`]; a dropped packet fails with [`AckError::Dropped`](crate::AckError::Dropped).
    pub fn emit_with_ack<A: EmitArgs, Answer>(&self, event: &str, args: A) -> EmitWithAck<Answer> {
        self.socket.emit_with_ack(event, args).volatile()
    }
}
