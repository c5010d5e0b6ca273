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
//! - [`Storage`]: all memory, sized in one place, in a static.
//! - [`Config`]: from a URL; the options of all Sockeye clients are in [`Config::core`].
//! - [`new`] makes of them a [`Socket`], the handle that tasks copy, and a [`Runner`], whose
//!   [`run`](Runner::run) is the one future that does the work.
//! - [`Handler`] gets the events, lent from the receive buffer: a type of yours, [`Handlers`], or a closure.
//! - [`Connect`] is the network: [`net::EmbassyNet`], [`net::EdgeNal`], or your own, for instance with TLS.
//!
//! # TLS
//! `https` URLs need a connector that does TLS. With `mbedtls-rs`: connect TCP ([`net::EmbassyNet::connect_tcp`]), wrap
//! it in a session with `AuthMode::Required`, a CA and the host's name, shake hands in [`Connect::connect`], and give
//! out the halves of the session's `split` in [`Connection::split`]. Its writes are not cancel-safe; the run loop never
//! cancels one but to give the connection up. What a session was refused for goes into [`ConnectError::Other`].
//!
//! # Sleep
//! Every call passes the time to the core. After a light sleep past the heartbeat's deadline, the first emit, read or
//! timer finds the connection dead: what was emitted is kept, and sent when the client has connected anew. If your sleep
//! is longer than the server's `pingInterval` + `pingTimeout` anyway, call [`Socket::disconnect`] before it.
//!
//! # Features
//! - `embassy-time` (default): the clock. Without it implement [`Clock`] and use [`new_with_clock`].
//! - `embassy-net`, `ipv6`: connections over embassy-net. - `edge-nal`: over any stack with those traits.
//! - `log`, `defmt`: where diagnostics go; with `defmt` public types can be logged.
//! - `alloc`: `String`, `serde_json::Value`, `Bin` as arguments.

#[cfg(test)]
extern crate std;

mod ack;
mod clock;
mod config;
mod connect;
mod fmt;
mod handler;
pub mod net;
mod runner;
mod shared;
mod socket;
mod storage;
mod url;
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
pub use handler::{Auth, Handler, HandlerError, Handlers};
pub use runner::Runner;
pub use socket::{Socket, Volatile};
pub use sockeye_core as core_api;
pub use sockeye_core::packet::{Args, ArgsError, BinRef, EmitArgs, FromArgs, RawArgs, Text};
pub use sockeye_core::{
    AckError, AckId, AckRequest, Cause, Details, DisconnectReason, EmitError, EmitOptions, Event,
    Message, NamespaceError, NamespaceId, NspOptions, Reconnection, Refusal, Transport, Transports,
};
pub use storage::Storage;
pub use url::{Url, UrlError};

/// The runner of a client with default sizes of links and locks, on the clock of `embassy-time`: for task signatures.
#[cfg(feature = "embassy-time")]
pub type EmbassyRunner<
    M = embassy_sync::blocking_mutex::raw::NoopRawMutex,
    const LINKS: usize = 1,
> = Runner<M, EmbassyClock, LINKS>;

/// A client in `storage`, on the clock of `embassy-time`: the handle of its first namespace, and what runs it.
///
/// # Errors
/// The namespace's name cannot be sent, or there is no room for it.
#[cfg(feature = "embassy-time")]
#[allow(clippy::type_complexity, reason = "the sizes")]
pub fn new<
    M: RawMutex + 'static,
    const RX: usize,
    const TX: usize,
    const ACKS: usize,
    const ANSWERS: usize,
    const PACKETS: usize,
    const NAMESPACES: usize,
    const HEAD: usize,
    const CHUNK: usize,
    const LINKS: usize,
>(
    config: Config,
    storage: &'static mut Storage<
        RX,
        TX,
        M,
        ACKS,
        ANSWERS,
        PACKETS,
        NAMESPACES,
        HEAD,
        CHUNK,
        LINKS,
    >,
) -> Result<(Socket<M>, Runner<M, EmbassyClock, LINKS>), NamespaceError> {
    new_with_clock(config, storage, EmbassyClock)
}

/// As [`new`], on another clock.
///
/// # Errors
/// As [`new`].
#[allow(clippy::type_complexity, reason = "the sizes")]
pub fn new_with_clock<
    C: Clock,
    M: RawMutex + 'static,
    const RX: usize,
    const TX: usize,
    const ACKS: usize,
    const ANSWERS: usize,
    const PACKETS: usize,
    const NAMESPACES: usize,
    const HEAD: usize,
    const CHUNK: usize,
    const LINKS: usize,
>(
    config: Config,
    storage: &'static mut Storage<
        RX,
        TX,
        M,
        ACKS,
        ANSWERS,
        PACKETS,
        NAMESPACES,
        HEAD,
        CHUNK,
        LINKS,
    >,
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
    let Storage {
        core: memory,
        waiters,
        answers,
        reads,
        writes,
        shared,
    } = storage;
    let mut core = Client::new(core, memory.memory());
    options.auth = true;
    let nsp = core.namespace(namespace, options)?;
    if auto_connect {
        core.connect(C::now(), nsp);
    }
    let waiters = waiters::Waiters::new(
        waiters.write([const { waiters::Waiter::EMPTY }; ACKS]),
        answers,
    );
    let shared: &'static shared::Shared<M> =
        shared.write(shared::Shared::new(core, waiters, C::now, nsp));
    let runner = Runner {
        shared,
        target: Target {
            host,
            port,
            tls,
            link: Link::WebSocket,
        },
        reads: reads.each_mut().map(|chunk| &mut chunk[..]),
        writes: writes.each_mut().map(|chunk| &mut chunk[..]),
        clock: PhantomData,
    };
    Ok((Socket { shared, nsp }, runner))
}
