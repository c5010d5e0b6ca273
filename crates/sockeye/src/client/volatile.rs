//! Volatile packets.

use sockeye_core::EmitError;
use sockeye_core::packet::EmitArgs;

use crate::Socket;
use crate::client::ack::EmitWithAck;
use crate::client::socket::check_event;

/// Sends a volatile packet, unless it is known already that it would be dropped.
pub(crate) fn now_or_never(
    socket: &Socket,
    event: &str,
    send: impl FnOnce() -> Result<(), EmitError>,
) -> Result<(), EmitError> {
    check_event(event)?;
    if !socket.connected() {
        return Err(EmitError::NotWritable);
    }
    match send() {
        Err(EmitError::Full) => Err(EmitError::NotWritable),
        result => result,
    }
}

/// Emits volatile packets: see [`Socket::volatile`].
#[derive(Clone, Copy, Debug)]
pub struct Volatile<'s> {
    pub(crate) socket: &'s Socket,
}

impl<'s> Volatile<'s> {
    /// Emits an event now or never: it is dropped if it cannot be sent at once, and that is told. Either by the error, or,
    /// where it turns out only after this has returned that the link is congested, by
    /// [`Notice::Unsent`](crate::Notice::Unsent) with [`UnsentCause::NotWritable`](crate::UnsentCause::NotWritable). What has
    /// been begun may still be lost with the connection, and is not sent again.
    ///
    /// Whoever sends values that the next one replaces ignores the result: `let _ = socket.volatile().emit(…);`
    ///
    /// # Errors
    /// [`EmitError::NotWritable`]: it was dropped, because the namespace is not joined or the send buffer is full. Else as
    /// [`Socket::emit`].
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) -> Result<(), EmitError> {
        now_or_never(self.socket, event, || {
            self.socket.send_packet(event, &args, true, false)
        })
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
