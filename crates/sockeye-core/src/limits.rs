//! Every bound the core keeps, in one place.

/// Bounds on what the core accepts, keeps and sends. None can be exceeded by a peer.
///
/// With fixed storage the buffers' own sizes bind first; `Limits` can only make them tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Limits {
    /// Attachments in one packet, both ways. Default 10, as socket.io-parser 4.2.6 does: a current official server
    /// closes the connection on more. With `Parser::MessagePack` (feature `msgpack`) at
    /// least 1024: no server counts them there.
    pub attachments: u16,
    /// Bytes of one received packet together with its attachments; one in MessagePack counts as the text and the
    /// attachments that it would become. A larger one is skipped and reported by
    /// [`Event::MessageTooLarge`](crate::Event::MessageTooLarge). Default 16 MiB with growable storage.
    pub receive: usize,
    /// Bytes of packets accepted for sending and not yet written (the `sendBuffer`), framing included.
    /// Default 64 MiB with growable storage.
    pub send: usize,
    /// Packets accepted for sending and not yet written; an attachment counts as one. Default 262 144.
    pub packets: usize,
    /// Acknowledgements waited for at one time. Default 65 536.
    pub acks: usize,
    /// Namespaces on one connection. Default 1024.
    pub namespaces: u16,
}

impl Limits {
    /// The defaults named at each field.
    pub const DEFAULT: Self = Self {
        attachments: 10,
        receive: 16 << 20,
        send: 64 << 20,
        packets: 1 << 18,
        acks: 1 << 16,
        namespaces: 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Longest namespace name in the no-alloc tier, in bytes.
#[cfg(not(feature = "alloc"))]
pub(crate) const NAMESPACE_LEN: usize = 48;

/// Longest Engine.IO session id, Socket.IO socket id, recovery `pid` and `offset` that is kept, in bytes of UTF-8.
/// Official ids have 20 to 36 bytes, servers with ids of their own make tokens of several hundred. A longer session or
/// socket id is refused with an error that says so; a longer `pid` or `offset` switches recovery off.
#[cfg(feature = "alloc")]
pub const ID_MAX: usize = 1024;
/// Longest Engine.IO session id, Socket.IO socket id, recovery `pid` and `offset` that is kept, in bytes of UTF-8.
/// Official ids have 20 to 36 bytes. A longer session or socket id is refused with an error that says so; a longer `pid`
/// or `offset` switches recovery off.
#[cfg(not(feature = "alloc"))]
pub const ID_MAX: usize = ID_LEN;

/// [`ID_MAX`] without a heap, where ids lie in the storage.
pub const ID_LEN: usize = 64;

/// Longest text kept of a server's error (HTTP body, close reason), in bytes; the rest is cut.
pub const NOTE_LEN: usize = 160;

/// At most this many packets go into one POST: python-engineio refuses more.
pub(crate) const PACKETS_PER_POST: usize = 16;

/// Bytes of packets that are framed for one write on a WebSocket, unless one packet alone is larger.
pub(crate) const BATCH: usize = 64 << 10;

/// Bytes of an HTTP response head in total; more is an error.
pub(crate) const HEAD_LIMIT: usize = 64 << 10;
