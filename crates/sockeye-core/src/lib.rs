#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// `Str` is a `Cow` with `alloc` and a plain `&str` without: the same code borrows once too often there.
#![cfg_attr(not(feature = "alloc"), allow(clippy::needless_borrow))]
//! The sans-I/O core of Sockeye, a [Socket.IO](https://socket.io) client for everything with a byte stream.
//!
//! It decides everything (packets, heartbeat, upgrade, namespaces, acknowledgements, retries, reconnection, recovery)
//! and does nothing: it opens no socket, reads no clock, spawns nothing, locks nothing. A *driver* connects byte
//! streams, moves bytes and keeps time. Ready drivers are the crates `sockeye` (tokio), `sockeye-embedded`
//! (`embedded-io-async`) and `sockeye-c` (C, ESP-IDF); writing a blocking one takes an implementation of
//! [`drive::Net`], and the loop is [`drive::run`]. One with a loop of its own does this:
//!
//! ```
//! use sockeye_core::drive::Net;
//! use sockeye_core::{Client, Event, Output};
//!
//! /// Gives the outputs that wait: after every input and every command.
//! fn drain(client: &mut Client<'_>, net: &mut impl Net, mut app: impl FnMut(Event<'_>)) {
//!     loop {
//!         match client.poll_output() {
//!             Output::Open(link) => net.open(link),
//!             Output::Transmit(link) => match net.write(link, client.transmit(link)) {
//!                 Ok(sent) => client.transmitted(link, sent),
//!                 Err(error) => client.handle_closed(net.now(), link, Some(error.as_ref())),
//!             },
//!             Output::Close(link) => net.close(link),
//!             Output::Event(event) => app(event),
//!             // Until then, or until a link has news, there is nothing to do.
//!             Output::Idle(_wake) => return,
//!         }
//!     }
//! }
//! ```
//!
//! Invariants, each held by tests:
//! 1. Every [`AckId`] resolves exactly once: by the answer, its deadline, or the disconnect.
//! 2. Any split of the incoming bytes gives the same events.
//! 3. [`Client::poll_output`] reaches [`Output::Idle`] in a bounded number of calls.
//! 4. No input makes it panic or use memory past [`Limits`] or its [`Storage`].
//! 5. In steady state nothing is allocated, neither for an event read by borrow nor for an emit.
//!
//! # Features
//! - `alloc` (default): growable memory (`Memory::growable`), values of any shape (`packet::Value`, `serde_json::Value`)
//!   and owned binary data (`packet::Bin`) as arguments. Without it, everything lives in a [`Storage`] that the caller owns.
//! - `polling` (default): HTTP long-polling, the upgrade from it, base64 payloads, cookies. Without it: WebSocket alone.
//! - `deflate`: compressed WebSocket messages (permessage-deflate), if `Config::compression` asks for them.
//! - `msgpack`: packets in MessagePack, as `socket.io-msgpack-parser` sends them, if `Config::parser` asks for it.
//! - `eio3`: older servers, which speak Engine.IO 3 (Socket.IO 2 and 1), if `Config::protocol` asks for them.
//! - `redirects`: a driver may follow redirects of the handshake. Without it, they are errors.
//! - `retries` (default): the queue that sends each packet again until it is acknowledged (`NspOptions::retries`).
//! - `recovery` (default): connection state recovery. Without it, every connection begins a new session of the server, and
//!   `recovered` is never true.
//! - `offline` (default): what gives way when events are emitted while a namespace is not joined (`NspOptions::offline`,
//!   `spare_bytes`, `spare_packets`). Without it: nothing, a full send buffer refuses the emit.
//! - `messages` (default): errors in whole sentences. Without it, and without `alloc`, each is shown as a short code, which
//!   `docs/messages.md` of the repository explains: 3.7 KB less flash on a chip.
//! - `derive`: `#[derive(packet::Event)]` for [`packet::TypedEvent`].
//! - `log`, `defmt`: where diagnostics go.
//!
//! An option of a feature that is off does not compile.

#[cfg(feature = "alloc")]
extern crate alloc;

mod client;
mod config;
pub mod drive;
mod engine;
mod error;
mod features;
mod fmt;
mod handle;
mod id;
mod limits;
mod memory;
mod message;
mod outbox;
pub mod packet;
mod rng;
mod short;
mod slices;
mod storage;
mod time;
mod url;
mod wire;

#[cfg(feature = "msgpack")]
pub use client::PackedPacket;
pub use client::{
    AckRequest, Client, Detached, DetachedOutput, EmitOptions, Event, EventText, Message,
    NamespaceError, NspOptions, Outgoing, Output, RawPacket, Refusal, Unsent,
};
#[cfg(feature = "alloc")]
pub use client::{PlainAnswer, PlainEvent};
#[cfg(feature = "offline")]
pub use config::Offline;
#[cfg(feature = "msgpack")]
pub use config::Parser;
#[cfg(feature = "eio3")]
pub use config::Protocol;
#[cfg(feature = "deflate")]
pub use config::{AgreedCompression, Compression};
pub use config::{Config, Entropy, Reconnection, Str, Timestamp, Transport, Transports, text};
pub use engine::Link;
#[cfg(feature = "redirects")]
pub use engine::{Redirect, Server};
pub use error::{AckError, Cause, Details, DisconnectReason, EmitError};
pub use handle::{AckId, NamespaceId};
pub use limits::{ID_LEN, ID_MAX, Limits, NOTE_LEN};
#[cfg(feature = "count-steps")]
#[doc(hidden)]
pub use memory::steps::steps;
pub use outbox::UnsentCause;
#[doc(hidden)]
pub use packet::derived as __derived;
pub use storage::{Memory, Storage, Tables};
pub use time::Instant;
pub use url::{Url, UrlError};

/// The old name of [`NamespaceId`].
#[deprecated(note = "use `NamespaceId`")]
pub type Nsp = NamespaceId;
