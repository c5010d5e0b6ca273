#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! A [Socket.IO](https://socket.io) client for microcontrollers: `no_std`, no heap, async over `embedded-io-async`.
//!
//! The protocol is `sockeye-core`'s: acknowledgements, namespaces, binary, reconnection, connection state recovery and
//! the offline buffer all work here. This crate moves the bytes, keeps time and gives you handles.
//!
//! ```no_run
//! # #[cfg(feature = "embassy-net")] mod app {
//! use core::time::Duration;
//! use embassy_executor::Spawner;
//! use embassy_net::Stack;
//! use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
//! use sockeye_embedded::{Config, EmbassyRunner, Handlers, Socket, Storage};
//! use static_cell::ConstStaticCell;
//!
//! static STORAGE: ConstStaticCell<Storage<2048, 1024>> = ConstStaticCell::new(Storage::new());
//! static BUFFERS: ConstStaticCell<SocketBuffers<1, 1024, 1024>> = ConstStaticCell::new(SocketBuffers::new());
//!
//! #[embassy_executor::task]
//! async fn client(mut runner: EmbassyRunner, net: EmbassyNet<'static, 1>) {
//!     let handlers = Handlers::new()
//!         .on("led", |socket, event| {
//!             let (on,): (bool,) = event.args.parse()?;
//!             // … switch it, then answer:
//!             Ok(socket.reply(event, (on,))?)
//!         })
//!         .on_disconnect(|_, reason, _| log::warn!("disconnected: {reason}"));
//!     runner.run(net, handlers).await;
//! }
//!
//! async fn start(spawner: Spawner, stack: Stack<'static>, random: fn(&mut [u8])) {
//!     let config = Config::new("http://192.168.1.10:3000/board", random).unwrap();
//!     let (socket, runner) = sockeye_embedded::new(config, STORAGE.take()).unwrap();
//!     let net = EmbassyNet::new(stack, BUFFERS.take());
//!     spawner.spawn(client(runner, net).unwrap());
//!     telemetry(socket).await;
//! }
//!
//! async fn telemetry(socket: Socket) {
//!     for counter in 0u32.. {
//!         match socket.emit_with_ack("telemetry", (counter,)).timeout(Duration::from_secs(5)).await {
//!             Ok((seen,)) => { let _: u32 = seen; }
//!             Err(error) => log::warn!("no answer: {error}"),
//!         }
//!         embassy_time::Timer::after_secs(1).await;
//!     }
//! }
//! # }
//! ```
//!
//! # The parts
//! - [`Storage`]: all memory, sized in one place, in a static; sizes by name with [`storage!`].
//! - [`Config`]: from a URL; the options of all Sockeye clients are in [`Config::core`]. Texts that are known at run time
//!   only (credentials from flash) find a place in [`Texts`].
//! - [`new`] makes of them a [`Socket`], the handle that tasks copy, and a [`Runner`], whose
//!   [`run`](Runner::run) is the one future that does the work.
//! - [`Handler`] gets the events, lent from the receive buffer: a type of yours, [`Handlers`], or a closure.
//! - [`Connect`] is the network: `net::EmbassyNet`, `net::EdgeNal`, or your own, for instance with TLS. With
//!   the feature `tokio`, `net::Tokio` runs the same program on a computer.
//!
//! # TLS
//! `https` URLs need a connector that does TLS: that of the crate `sockeye-mbedtls` verifies certificates against a CA and
//! the clock, with `net::EmbassyNet` below it. For another library, connect TCP (`net::EmbassyNet::connect_tcp`), wrap
//! it in a session that verifies the server's certificate and name, shake hands in [`Connect::connect`], and give out the
//! halves in [`Connection::split`]. They need not be cancel-safe: the run loop never cancels a read or a write but to give
//! the connection up. What a session was refused for goes into [`ConnectError::Other`]. The traits of `embedded-io-async`
//! are at hand as [`embedded_io_async`].
//!
//! # Sleep
//! Every call passes the time to the core. After a light sleep past the heartbeat's deadline, the first emit, read or
//! timer finds the connection dead: what was emitted is kept, and sent when the client has connected anew. If your sleep
//! is longer than the server's `pingInterval` + `pingTimeout` anyway, call [`Socket::disconnect`] before it. Before a deep
//! sleep, which forgets everything, await [`Socket::flush`], or call [`Socket::stop`] and wait for [`Runner::run`] to
//! return: both mean that what was emitted has left the device.
//!
//! # Features
//! - `embassy-time` (default): the clock. Without it implement [`Clock`] and use [`new_with_clock`].
//! - `retries`, `recovery`, `offline` (default): the `retries` queue (`NspOptions::retries`), connection state recovery
//!   (`Socket::recovered`), and what gives way while a namespace is not joined (`NspOptions::offline`, `spare_bytes`,
//!   `spare_packets`). A device that does not need one leaves it out, and saves flash; its options do not compile then. What
//!   each takes stands in `firmware/qemu-virt/README.md`.
//! - `binary` (default): binary values in events and acknowledgements, both ways. Without it an emit with one is refused
//!   ([`EmitError::TooManyAttachments`]), and a packet that announces some ends the connection with `parse error`, which is told.
//! - `messages` (default): errors in whole sentences. Without it each is shown as a short code, which `docs/messages.md` of the
//!   repository explains, and 3.7 KB of flash are saved. `alloc` brings them back.
//! - `embassy-net`, `ipv6`: connections over embassy-net. - `edge-nal`: over any stack with those traits.
//! - `tokio`: `net::Tokio`, to try a device's program on a computer.
//! - `derive`: `#[derive(Event)]`, events as types of their own ([`TypedEvent`]). What is not used of them takes no flash.
//! - `log`, `defmt`: where diagnostics go; with `defmt` public types can be logged.
//! - `alloc`: `String`, `serde_json::Value`, `Bin` as arguments.

#[cfg(any(test, feature = "tokio"))]
extern crate std;

mod ack;
mod clock;
mod config;
mod connect;
mod fmt;
mod handler;
mod link;
mod message;
pub mod net;
mod queue;
mod runner;
mod shared;
mod socket;
mod storage;
mod texts;
mod typed;
mod waiters;

use core::marker::PhantomData;

use embassy_sync::blocking_mutex::raw::RawMutex;
use sockeye_core::{Client, Link};

pub use ack::{AnswerError, EmitWithAck};
#[cfg(feature = "embassy-time")]
pub use clock::EmbassyClock;
pub use clock::{Clock, Instant};
pub use config::{Config, CoreConfig};
pub use connect::{Connect, ConnectError, Connection, Target};
pub use embedded_io_async;
pub use handler::{Auth, Handler, HandlerError, Handlers};
pub use runner::Runner;
pub use socket::{Socket, Volatile};
pub use sockeye_core as core_api;
#[cfg(feature = "offline")]
pub use sockeye_core::Offline;
#[cfg(feature = "eio3")]
pub use sockeye_core::Protocol;
#[doc(hidden)]
pub use sockeye_core::packet::derived as __derived;
pub use sockeye_core::packet::{
    Acknowledged, Args, ArgsError, BinRef, EmitArgs, FromArgs, NoAck, OwnedArgs, RawArgs, Text,
    TypedEvent,
};
pub use sockeye_core::{
    AckError, AckId, AckRequest, Cause, Details, DisconnectReason, EmitError, EmitOptions, Event,
    Message, NamespaceError, NamespaceId, NspOptions, Reconnection, Refusal, Transport, Transports,
};
pub use sockeye_core::{Str, text};
pub use sockeye_core::{Url, UrlError};
#[cfg(feature = "derive")]
pub use sockeye_derive::EmbeddedEvent as Event;
pub use storage::{Memory, Sizes, Storage};
pub use texts::{NoRoom, Texts};
pub use typed::{Reply, Request, ReturnsAck};

/// The lock of a [`Storage`] unless another one is named: all handles stay on one executor.
#[doc(hidden)]
pub type DefaultMutex = embassy_sync::blocking_mutex::raw::NoopRawMutex;

/// The runner of a client on the clock of `embassy-time`, for task signatures: `async fn client(mut runner: EmbassyRunner)`.
/// Of the storage's sizes only `LINKS` shows in it.
#[cfg(feature = "embassy-time")]
pub type EmbassyRunner<M = DefaultMutex, const LINKS: usize = 1> = Runner<M, EmbassyClock, LINKS>;

/// A client in `storage`, on the clock of `embassy-time`: the handle of its first namespace, and what runs it.
///
/// # Errors
/// The namespace's name cannot be sent, or there is no room for it.
#[cfg(feature = "embassy-time")]
pub fn new<M: RawMutex + 'static, const LINKS: usize>(
    config: Config,
    storage: &'static mut impl Memory<M, LINKS>,
) -> Result<(Socket<M>, EmbassyRunner<M, LINKS>), NamespaceError> {
    new_with_clock(config, storage, EmbassyClock)
}

/// As [`new`], on another clock.
///
/// # Errors
/// As [`new`].
pub fn new_with_clock<C: Clock, M: RawMutex + 'static, const LINKS: usize>(
    config: Config,
    storage: &'static mut impl Memory<M, LINKS>,
    clock: C,
) -> Result<(Socket<M>, Runner<M, C, LINKS>), NamespaceError> {
    let _ = clock;
    let Config {
        core,
        host,
        port,
        tls,
        namespace,
        mut options,
        auto_connect,
    } = config;
    let parts = storage.parts();
    let mut core = Client::new(core, parts.core);
    options.auth = true;
    let nsp = core.namespace(namespace, options)?;
    if auto_connect {
        core.connect(C::now(), nsp);
    }
    let waiters = waiters::Waiters::new(parts.waiters, parts.answers);
    let auths = shared::Auths::new(parts.auths);
    let shared: &'static shared::Shared<M> = parts.shared.write(shared::Shared::new(
        core,
        waiters,
        auths,
        parts.room,
        C::now,
        nsp,
    ));
    let runner = Runner {
        shared,
        target: Target {
            host,
            port,
            tls,
            link: Link::WebSocket,
        },
        reads: parts.reads,
        writes: parts.writes,
        clock: PhantomData,
    };
    Ok((Socket { shared, nsp }, runner))
}
