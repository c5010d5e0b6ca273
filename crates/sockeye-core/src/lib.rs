#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// `Str` is a `Cow` with `alloc` and a plain `&str` without: the same code borrows once too often there.
#![cfg_attr(not(feature = "alloc"), allow(clippy::needless_borrow))]
//! The sans-I/O core of Sockeye, a [Socket.IO](https://socket.io) client for everything with a byte stream.
//!
//! It decides everything (packets, heartbeat, upgrade, namespaces, acknowledgements, retries, reconnection, recovery)
//! and does nothing: it opens no socket, reads no clock, spawns nothing, locks nothing. A *driver* connects byte
//! streams, moves bytes and keeps time. Ready drivers are the crates `sockeye` (tokio) and `sockeye-embedded`
//! (`embedded-io-async`); writing one takes this loop:
//!
//! ```
//! use sockeye_core::{Client, Event, Instant, Link, Output};
//!
//! /// What a blocking driver has to offer.
//! trait Net {
//!     fn now(&self) -> Instant;
//!     fn open(&mut self, link: Link) -> bool;
//!     fn read(&mut self, link: Link, buf: &mut [u8]) -> usize;
//!     fn write(&mut self, link: Link, bytes: &[u8]) -> usize;
//!     fn close(&mut self, link: Link);
//!     /// Waits for bytes on a link, until `wake` at the latest.
//!     fn wait(&mut self, wake: Option<Instant>) -> Option<Link>;
//! }
//!
//! fn run(client: &mut Client<'_>, net: &mut impl Net, mut app: impl FnMut(Event<'_>)) {
//!     loop {
//!         let wake = loop {
//!             match client.poll_output() {
//!                 Output::Open(link) if net.open(link) => client.handle_opened(net.now(), link),
//!                 Output::Open(link) => client.handle_open_failed(net.now(), link, "refused"),
//!                 Output::Transmit(link) => {
//!                     let sent = net.write(link, client.transmit(link));
//!                     client.transmitted(link, sent);
//!                 }
//!                 Output::Close(link) => net.close(link),
//!                 Output::Event(event) => app(event),
//!                 Output::Idle(wake) => break wake,
//!             }
//!         };
//!         match net.wait(wake) {
//!             Some(link) => match net.read(link, client.receive_buf(link)) {
//!                 0 => client.handle_closed(net.now(), link, None),
//!                 n => client.handle_received(net.now(), link, n),
//!             },
//!             None if client.is_down() => return,
//!             None => client.handle_timeout(net.now()),
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
//! - `log`, `defmt`: where diagnostics go.

#[cfg(feature = "alloc")]
extern crate alloc;

mod client;
mod config;
mod engine;
mod error;
mod fmt;
mod id;
mod limits;
mod memory;
mod outbox;
pub mod packet;
mod rng;
mod short;
mod storage;
mod time;
mod wire;

pub use client::{
    AckId, AckRequest, Client, Detached, DetachedOutput, EmitOptions, Event, Message,
    NamespaceError, NamespaceId, NspOptions, Outgoing, Output, RawPacket, Refusal, Unsent,
};
pub use config::{Config, Entropy, Reconnection, Str, Timestamp, Transport, Transports, text};
pub use engine::Link;
pub use error::{AckError, Cause, Details, DisconnectReason, EmitError};
pub use limits::{ID_LEN, ID_MAX, Limits, NOTE_LEN};
#[cfg(feature = "count-steps")]
#[doc(hidden)]
pub use memory::steps::steps;
pub use outbox::UnsentCause;
pub use storage::{Memory, Storage};
pub use time::Instant;

/// The old name of [`NamespaceId`].
#[deprecated(note = "use `NamespaceId`")]
pub type Nsp = NamespaceId;
