//! RFC 6455, the client's half: frames out are masked, frames in are not; no extensions.

mod decode;
#[cfg(feature = "deflate")]
pub(crate) mod deflate;
mod encode;
mod handshake;
mod sha1;

pub(crate) use decode::{Item, WsDecoder, WsError};
pub(crate) use encode::{header_len, mask, read_header, write_header};
pub(crate) use handshake::{accept, key};

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;
pub(crate) const CONTINUATION: u8 = 0x0;

#[cfg(test)]
mod tests;
