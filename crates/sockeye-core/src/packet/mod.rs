//! The byte formats: Engine.IO v4 packets and polling payloads, Socket.IO v5 packets, their JSON arguments and
//! binary attachments. Pure functions and views, no state.

mod args;
mod attachments;
pub(crate) mod engine;
pub(crate) mod json;
#[cfg(feature = "msgpack")]
pub mod msgpack;
#[cfg(feature = "msgpack")]
pub(crate) mod parser;
pub(crate) mod payload;
#[cfg(feature = "eio3")]
#[doc(hidden)]
pub mod payload3;
pub(crate) mod socket;
mod text;
mod typed;
mod value;

pub use args::{Args, ArgsError, FromArgs, OwnedArgs, read_json};
pub use attachments::{Attachments, AttachmentsIter};
#[cfg(feature = "alloc")]
pub use json::write::{Bin, encode_args_to_vec};
pub use json::write::{BinRef, EmitArgs, EncodeError, RawArgs, encode_args_to_slice};
#[cfg(feature = "msgpack")]
pub use parser::{Decoded, PacketParser, WireMessage};
pub use socket::{Kind, Packet, PacketError};
#[cfg(feature = "derive")]
pub use sockeye_derive::CoreEvent as Event;
pub use text::{Reason, Text, TextChars};
pub use typed::{Acknowledged, NoAck, TypedEvent};

#[cfg(feature = "alloc")]
pub use value::{Map, NotJson, Number, Value, ValueIndex, from_value, to_value};
pub use value::{ValueKind, ValueRef};

#[doc(hidden)]
pub use json::write::{ArgsWriter, Edge, Fail, Sink};
#[doc(hidden)]
pub use typed::derived;
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub use value::__private;

/// Whether an event name is reserved by Socket.IO (`connect`, `connect_error`, `disconnect`, `disconnecting`,
/// `newListener`, `removeListener`): such events are neither sent nor received.
pub fn is_reserved_event(name: &str) -> bool {
    // (A backslash in it is no escape.)
    socket::is_reserved_plain(name)
}
