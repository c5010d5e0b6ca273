//! The packets of `socket.io-msgpack-parser`: each is one binary message, a MessagePack map of `type`, `nsp`, `id`,
//! `options` and `data`, in which binary values stand where they belong.
//!
//! Arguments go straight between serde and the bytes: `ser.rs` writes them ([`encode_args`]), `typed.rs` reads those of a
//! packet that `check.rs` has looked through, where they lie. What wants text gets it when it asks (`text.rs`).
//!
//! Everything else works with JSON and attachments: control packets, JSON that the application passes on, what is not
//! quite what official parsers send, parsers of the application's own. There is one edge where a packet becomes the other:
//! [`decode`] makes of a message the text and the attachments that the usual parser would have sent, [`encode`] the
//! reverse. Both are one pass over the bytes with a bounded stack, and build no tree of values. A parser of the
//! application's own takes the same two steps: see [`PacketParser`](super::PacketParser).
//!
//! What JSON cannot say is read as JavaScript's `JSON.stringify` writes it, so that an application sees the same with
//! either parser: dates are texts in ISO 8601, `undefined` is `null` (and no member of an object at all), keys that are no text become one. Extensions that the parser does not know are the array
//! of their number and their bytes, as there. Floats that are not finite are `null` in the text, and themselves for serde.

mod check;
#[cfg(feature = "eio3")]
mod older;
mod packet;
mod read;
mod ser;
mod text;
pub(crate) mod typed;
mod write;

pub use super::parser::Decoded;
pub(crate) use check::Check;
#[cfg(feature = "eio3")]
pub(crate) use older::decode_text;
pub(crate) use packet::Packed;
pub use packet::{Unpacked, decode, encode, event_name};
pub(crate) use read::skip_value;
pub use ser::encode_args;
#[doc(hidden)]
pub use ser::{Compound, Packer};
pub use text::ArgsText;
pub(crate) use text::PackedArgs;
#[doc(hidden)]
pub use text::{Seen, look};

#[cfg(test)]
mod tests;
