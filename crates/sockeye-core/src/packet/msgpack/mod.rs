//! The packets of `socket.io-msgpack-parser`: each is one binary message, a MessagePack map of `type`, `nsp`, `id`,
//! `options` and `data`, in which binary values stand where they belong.
//!
//! Everything above the bytes works with JSON and attachments: values decoded straight into the application's types,
//! the offset for recovery, packets that are tried again, arguments as text. So here is the one edge where a packet
//! becomes the other: [`decode`] makes of a message the text and the attachments that the usual parser would have sent,
//! [`encode`] the reverse. Both are one pass over the bytes with a bounded stack, and build no tree of values. A parser
//! of the application's own takes the same two steps: see [`PacketParser`](super::PacketParser).
//!
//! What JSON cannot say is read as JavaScript's `JSON.stringify` writes it, so that an application sees the same with
//! either parser: dates are texts in ISO 8601, `undefined` is `null` (and no member of an object at all), floats that
//! are not finite are `null`, keys that are no text become one. Extensions that the parser does not know are the array
//! of their number and their bytes, as there.

#[cfg(feature = "eio3")]
mod older;
mod packet;
mod read;
mod write;

pub use super::parser::Decoded;
#[cfg(feature = "eio3")]
pub(crate) use older::decode_text;
pub(crate) use packet::Packed;
#[cfg(any(feature = "offline", test))]
pub(crate) use packet::event_name;
pub use packet::{Unpacked, decode, encode};

#[cfg(test)]
mod tests;
