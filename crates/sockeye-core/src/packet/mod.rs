//! The byte formats: Engine.IO v4 packets and polling payloads, Socket.IO v5 packets, their JSON arguments and
//! binary attachments. Pure functions and views, no state.

mod args;
mod attachments;
mod de;
pub(crate) mod engine;
pub(crate) mod json;
pub(crate) mod payload;
mod ser;
pub(crate) mod socket;
mod text;

pub use args::{Args, ArgsError, FromArgs};
pub use attachments::Attachments;
#[cfg(feature = "alloc")]
pub use ser::{Bin, encode_args_to_vec};
pub use ser::{BinRef, EmitArgs, EncodeError, RawArgs, encode_args_to_slice};
pub use socket::{Kind, Packet, PacketError};
pub use text::Text;
