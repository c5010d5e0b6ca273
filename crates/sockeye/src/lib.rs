//! A [Socket.IO](https://socket.io) client for tokio.
//!
//! Events with acknowledgements both ways, namespaces on one connection, binary at any depth, automatic reconnection,
//! over HTTP long-polling and WebSocket; for servers from Socket.IO 3 on. The protocol lives in `sockeye-core`, which
//! also drives microcontrollers: every platform behaves the same.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use sockeye::{Client, Responder};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Reading { sensor: String, celsius: f32 }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let socket = Client::builder("http://localhost:3000/sensors")
//!         .auth(serde_json::json!({ "token": "secret" }))
//!         .on("led", |(on,): (bool,), reply: Responder| {
//!             println!("led: {on}");
//!             let _ = reply.ack((on,)); // the server's acknowledgement
//!         })
//!         .connect()
//!         .await?; // the namespace is joined
//!
//!     socket.emit("hello", ("board-1",))?;
//!     let reading = Reading { sensor: "roof".into(), celsius: 21.5 };
//!     let (accepted,): (bool,) =
//!         socket.emit_with_ack("reading", (reading,)).timeout(Duration::from_secs(5)).await?;
//!     println!("accepted: {accepted}");
//!
//!     socket.close().await?; // everything has been sent, and the server knows
//!     Ok(())
//! }
//! ```
//!
//! # The network
//! `https` and `wss` by rustls, with the system's trusted CAs or your own (`net::Tls`); HTTP, HTTPS and SOCKS 5
//! proxies, from the environment or given; any other byte stream by a `net::Connector`. Cargo features:
//! - `tokio` (default): the client for tokio.
//! - `blocking`: `sockeye::blocking`, the client on threads, without tokio below.
//! - `rustls` (default): TLS by rustls with ring and the system's CAs. Its parts: `rustls-ring` or `rustls-aws-lc-rs`
//!   or `rustls-no-provider` for the cryptography, `platform-verifier` or `webpki-roots` for trust.
//! - `native-tls`: the system's TLS library, where it is asked for.
//! - `deflate`: compressed WebSocket messages (`ClientBuilder::compression`).
//! - `msgpack`: packets in MessagePack, for servers with `socket.io-msgpack-parser`, and parsers of your own
//!   (`ClientBuilder::parser`).
//! - `derive` (default): `#[derive(Event)]`, events as types of their own ([`TypedEvent`]).
//! - `eio3` (default): older servers, Socket.IO 2 and 1 (`ClientBuilder::protocol`).
//! - `proxy` (default): `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are obeyed.
//!
//! # Connecting
//! [`connect`](ClientBuilder::connect) waits until the namespace is joined. When the first attempt fails, as with a
//! server that is not running, that is its error. Two ways wait for the server instead:
//!
//! ```no_run
//! # use sockeye::Client;
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! // `connect` returns when the server is there:
//! let socket = Client::builder("http://localhost:3000").wait_for_server(true).connect().await?;
//! // This returns at once; what is emitted meanwhile is kept, and trouble is told:
//! let socket = Client::builder("http://localhost:3000")
//!     .on_connect_error(|_, error| eprintln!("{error}"))
//!     .connect_background()?;
//! socket.emit("kept", ("until the server is there",))?;
//! # Ok(())
//! # }
//! ```
//!
//! Once joined, a lost connection is made again as the reconnection policy says, whichever way it was begun.
//!
//! # Ending
//! [`Socket::close`] sends what was emitted, says goodbye and waits for both. Dropping the last handle does the same in
//! the background, which is of no use at the end of `main`: the runtime ends, and what is unsent is lost.
//!
//! # Testing
//! `testing` (a feature) is a server in memory: applications are tested without a network and without waiting.
//!
//! # Differences from the official JavaScript client
//! - The server's reply to CONNECT has a timeout ([`ClientBuilder::join_timeout`]).
//! - `reconnection_attempts(Some(0))` means none, and the jitter is applied after the cap: see [`Reconnection`].
//! - The URL's query and [`ClientBuilder::query`] are merged.
//! - `connect()` is awaited, and returns the first attempt's error: see above.
//! - `disconnect` fires only for a namespace that had been joined; one on its way gets `connect_error`.
//! - Packets that were accepted and not written when the connection broke are sent on the next one; volatile ones and
//!   acknowledgements are not.
//! - An async handler is awaited before the next event of its namespace ([`Socket::on_concurrent`] for others); see
//!   [Order](Socket#order).
//! - Volatile packets are never kept for a namespace that is not joined.
//! - An Engine.IO `close` packet on WebSocket closes the connection, as it does on polling.
//! - Compression (`permessage-deflate`) is a feature (`deflate`), and offered only where it is asked for
//!   (`ClientBuilder::compression`): it takes some 300 KB for a connection that compresses.

#[cfg(not(any(feature = "tokio", feature = "blocking")))]
compile_error!(
    "sockeye has nothing to run on: enable its feature `tokio` (a default one) or `blocking`"
);

#[cfg(feature = "blocking")]
pub mod blocking;
mod client;
mod dispatch;
mod driver;
mod inbox;
#[cfg(loom)]
pub mod interleavings;
mod namespace;
pub mod net;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod waiters;

pub use client::ack::{AckError, AckFuture, EmitWithAck, Sent};
pub use client::args::{Args, Event};
pub use client::builder::{Client, ClientBuilder};
pub use client::close::CloseError;
#[cfg(feature = "deflate")]
pub use client::compress::Compress;
pub use client::error::{BoxError, ConnectError, ConnectErrorKind, Disconnected, Notice};
pub use client::manager::Manager;
pub use client::namespace::NamespaceBuilder;
pub use client::responder::Responder;
pub use client::socket::Socket;
pub use client::streams::{EventStream, NoticeStream, StreamOptions};
pub use client::volatile::Volatile;
pub use client::weak::WeakSocket;
pub use dispatch::channel::Overflow;
pub use dispatch::handler::{Handler, Params, Returned, Returns};
pub use dispatch::handlers::HandlerId;
pub use dispatch::typed::{AckOutcome, EventHandler, EventParams, Reply, ReturnsAck};
pub use sockeye_core::json;
/// The arguments as they are read, one after another: what an own [`FromArgs`] gets.
pub use sockeye_core::packet::Args as ArgsReader;
#[doc(hidden)]
pub use sockeye_core::packet::derived as __derived;
pub use sockeye_core::packet::{
    Acknowledged, ArgsError, Bin, EmitArgs, EncodeError, FromArgs, NoAck, NotJson, Number,
    OwnedArgs, RawArgs, TypedEvent, Value, from_value, read_json, to_value,
};
pub use sockeye_core::{
    Cause, DisconnectReason, EmitError, Limits, Reconnection, Transport, UnsentCause,
};

#[cfg(feature = "msgpack")]
pub use sockeye_core::Parser;
/// Parsers of your own: a [`PacketParser`](parser::PacketParser) in a `static`, and
/// [`Parser::Custom`] on the builder.
#[cfg(feature = "msgpack")]
pub mod parser {
    pub use sockeye_core::packet::{Decoded, Kind, Packet, PacketError, PacketParser, WireMessage};
}
#[cfg(feature = "eio3")]
pub use sockeye_core::Protocol;
#[cfg(feature = "deflate")]
pub use sockeye_core::{AgreedCompression, Compression};
#[cfg(feature = "derive")]
pub use sockeye_derive::HostEvent as Event;

/// The README's examples are compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
