//! What can be wrong with a packet of the server's.

use core::fmt;

use crate::message::{message, write_message};
use crate::packet::json::{self, JsonError};

/// Why a text is not a Socket.IO packet: what is wrong, and at which byte of the packet, the Engine.IO type not counted. The reaction of a
/// client is to close with the reason `parse error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PacketError {
    /// The first character is not a packet type.
    Type,
    /// The attachment count is missing or malformed.
    Attachments,
    /// More attachments are announced than the limit.
    TooManyAttachments {
        /// The limit.
        limit: u16,
    },
    /// The ack id does not fit 64 bits, or is no number (in MessagePack).
    Id {
        /// Where it is, or should be.
        at: u32,
    },
    /// The payload is not JSON.
    Json {
        /// The first byte that cannot stand where it does.
        at: u32,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The payload is JSON, but nests deeper than this library reads.
    TooDeep {
        /// Where the level begins that is one too many.
        at: u32,
        /// How many levels an argument may have: 512 with `alloc`, 64 without.
        limit: u32,
    },
    /// The payload is JSON, but not what this type of packet carries.
    Payload {
        /// Where it begins.
        at: u32,
        /// What it should be.
        expected: &'static str,
    },
    /// The event's name is reserved (`connect`, `disconnect`, …).
    Reserved,
    /// A placeholder names an attachment that does not exist.
    Placeholder,
    /// A binary message without a header that announced it.
    UnexpectedBinary,
    /// A binary message is not a packet in MessagePack.
    #[cfg(feature = "msgpack")]
    MessagePack {
        /// The byte of the message where the trouble is.
        at: u32,
        /// What the trouble is.
        reason: &'static str,
    },
    /// A parser of the application's own cannot read a message.
    #[cfg(feature = "msgpack")]
    Parser {
        /// What the trouble is.
        reason: &'static str,
    },
    /// A text message where packets in MessagePack are due.
    #[cfg(feature = "msgpack")]
    NotMessagePack,
    /// A text message where attachments were due.
    UnexpectedText,
    /// Text that is not UTF-8, or base64 that cannot be decoded.
    Encoding,
}

impl PacketError {
    /// The byte of the packet that the complaint is about, if it is about one.
    pub const fn at(&self) -> Option<u32> {
        match *self {
            Self::Type => Some(0),
            Self::Attachments | Self::TooManyAttachments { .. } => Some(1),
            Self::Id { at }
            | Self::Json { at, .. }
            | Self::TooDeep { at, .. }
            | Self::Payload { at, .. } => Some(at),
            #[cfg(feature = "msgpack")]
            Self::MessagePack { at, .. } => Some(at),
            _ => None,
        }
    }

    /// What is wrong with a payload that begins at byte `base`.
    #[cold]
    #[inline(never)]
    pub(super) const fn in_payload(base: u32, error: JsonError) -> Self {
        let at = base.saturating_add(error.offset());
        match error {
            JsonError::TooDeep { .. } => Self::TooDeep {
                at,
                limit: json::MAX_DEPTH,
            },
            JsonError::NotArray { .. } => Self::Payload {
                at,
                expected: "an array",
            },
            other => Self::Json {
                at,
                reason: other.reason(),
            },
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::Type => message!("P1", "unknown packet type"),
            Self::Attachments => message!("P2", "the number of attachments is missing or malformed"),
            Self::TooManyAttachments { limit } => {
                return write_message!(f, "P3", "more attachments than the limit of {limit}", limit);
            }
            Self::Id { at } => return write_message!(f, "P4", "ack id is no number or too large (at byte {at})", at),
            Self::Json { at, reason } => {
                return write_message!(f, "P5", "the payload is not valid JSON: {reason} (at byte {at})", reason, at);
            }
            Self::TooDeep { at, limit } => {
                return write_message!(
                    f,
                    "P6",
                    "the payload is nested deeper than {limit} levels (at byte {at})",
                    limit,
                    at
                );
            }
            Self::Payload { at, expected } => {
                return write_message!(
                    f,
                    "P7",
                    "the payload does not fit the packet type: expected {expected} (at byte {at})",
                    expected,
                    at
                );
            }
            Self::Reserved => message!("P8", "the event name is reserved"),
            Self::Placeholder => message!("P9", "a placeholder names an attachment that does not exist"),
            #[cfg(not(feature = "msgpack"))]
            Self::UnexpectedBinary => message!("P10", "binary data that no packet announced"),
            #[cfg(feature = "msgpack")]
            Self::UnexpectedBinary => {
                "binary data that no packet announced (does the server use another parser, such as MessagePack?)"
            }
            #[cfg(feature = "msgpack")]
            Self::MessagePack { at, reason } => {
                return write!(f, "not a packet in MessagePack: {reason} (at byte {at})");
            }
            #[cfg(feature = "msgpack")]
            Self::Parser { reason } => {
                return write!(f, "the parser cannot read the message: {reason}");
            }
            #[cfg(feature = "msgpack")]
            Self::NotMessagePack => {
                "a text packet where MessagePack was due: the server uses another parser"
            }
            Self::UnexpectedText => message!("P11", "a text packet came while attachments were due"),
            Self::Encoding => message!("P12", "text is not UTF-8 or not base64"),
        })
    }
}

impl core::error::Error for PacketError {}
