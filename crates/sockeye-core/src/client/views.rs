//! What events borrow of a packet, where it was received.

use super::deferred::LEAD;
use super::event::{AckRequest, Message};
use super::inbound::Arrived;
use crate::config::EIO3;
use crate::handle::NamespaceId;
use crate::memory::{RECORD, RxBuf, records};
#[cfg(feature = "msgpack")]
use crate::packet::msgpack::ArgsText;
use crate::packet::socket::Kind;
use crate::packet::{Args, Attachments, Text};

/// Where a packet lies that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Received<'r, 'a> {
    pub(super) rx: &'r RxBuf<'a>,
    /// The text of its arguments, if they came in MessagePack and somebody wants to see it.
    #[cfg(feature = "msgpack")]
    pub(super) shown: &'r ArgsText,
}

/// The text of a packet that lies in `rx`.
pub(super) fn text_in<'r>(rx: &'r RxBuf<'_>, arrived: &Arrived) -> &'r [u8] {
    match arrived.held {
        None => rx.message(),
        Some((from, _)) => records::get(rx.held(), from + LEAD).unwrap_or_default(),
    }
}

/// The arguments of a packet that has been received.
pub(super) fn args_in<'r>(received: Received<'r, '_>, arrived: &Arrived) -> Args<'r> {
    #[cfg(feature = "msgpack")]
    if let Some(args) = args_in_place(received, arrived) {
        return args;
    }
    let rx = received.rx;
    // Checked when it arrived; `str` wants to know again.
    let text = core::str::from_utf8(text_in(rx, arrived)).unwrap_or("");
    args_of(rx, text, arrived)
}

fn args_of<'r>(rx: &'r RxBuf<'_>, text: &'r str, arrived: &Arrived) -> Args<'r> {
    let parsed = &arrived.parsed;
    let from = match parsed.kind {
        Kind::Event | Kind::BinaryEvent => parsed.comma,
        _ => parsed.data.start,
    };
    let json = if from == 0 && !(EIO3 && parsed.kind == Kind::ConnectError) {
        ""
    } else {
        text.get(from as usize..).unwrap_or("").trim_ascii_end()
    };
    let attachments = match arrived.held {
        None => Attachments::EMPTY,
        Some((from, to)) => {
            let records = rx.held().get(from + LEAD + RECORD + text.len()..to);
            Attachments::new(records.unwrap_or_default(), parsed.attachments as usize)
        }
    };
    Args::trusted(
        if json.is_empty() {
            "[]"
        } else {
            json.trim_ascii_start()
        },
        attachments,
    )
}

/// The event in a packet that has been received.
#[cfg_attr(feature = "alloc", inline)]
pub(super) fn message_in<'r>(
    received: Received<'r, '_>,
    nsp: NamespaceId,
    join: u32,
    arrived: &Arrived,
) -> Message<'r> {
    let parsed = &arrived.parsed;
    #[cfg(feature = "msgpack")]
    if let Some(message) = message_in_place(received, nsp, join, arrived) {
        return message;
    }
    let rx = received.rx;
    let text = core::str::from_utf8(text_in(rx, arrived)).unwrap_or("");
    Message {
        nsp,
        name: Text::from_raw(match parsed.kind {
            // An ERROR packet of an old server's, which has no name of its own.
            Kind::ConnectError if EIO3 => "error",
            _ => parsed.name.of(text),
        }),
        args: args_of(rx, text, arrived),
        ack: parsed.id.map(|id| AckRequest { nsp, id, join }),
    }
}

/// The arguments of a packet in MessagePack that is the message.
#[cfg(feature = "msgpack")]
fn args_in_place<'r>(received: Received<'r, '_>, arrived: &Arrived) -> Option<Args<'r>> {
    let (from, count) = arrived.in_place?;
    let to = arrived.parsed.data.end as usize;
    let message = received.rx.message();
    let items = message.get(from as usize..to).unwrap_or_default();
    Some(Args::packed(items, count, received.shown))
}

/// The event in a packet in MessagePack that is the message.
#[cfg(feature = "msgpack")]
fn message_in_place<'r>(
    received: Received<'r, '_>,
    nsp: NamespaceId,
    join: u32,
    arrived: &Arrived,
) -> Option<Message<'r>> {
    let args = args_in_place(received, arrived)?;
    let name = arrived.parsed.name.bytes(received.rx.message());
    Some(Message {
        nsp,
        // (It is plain: see `Check::in_place`.)
        name: Text::from_raw(core::str::from_utf8(name).unwrap_or_default()),
        args,
        ack: arrived.parsed.id.map(|id| AckRequest { nsp, id, join }),
    })
}
