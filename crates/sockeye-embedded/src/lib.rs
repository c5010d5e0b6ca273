#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! A [Socket.IO](https://socket.io) client for microcontrollers: `no_std`, no heap, async over `embedded-io-async`.

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
    AckError, AckId, AckRequest, Cause, Details, DisconnectReason, EmitError, EmitOptions, Event, Message,
    NamespaceError, Nsp, NspOptions, Reconnection, Refusal, Transport, Transports,
};
pub use storage::Storage;
pub use url::{Url, UrlError};

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
    storage: &'static mut Storage<RX, TX, M, ACKS, ANSWERS, PACKETS, NAMESPACES, HEAD, CHUNK, LINKS>,
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
    storage: &'static mut Storage<RX, TX, M, ACKS, ANSWERS, PACKETS, NAMESPACES, HEAD, CHUNK, LINKS>,
    clock: C,
) -> Result<(Socket<M>, Runner<M, C, LINKS>), NamespaceError> {
    let _ = clock;
    let Config { core, host, port, tls, namespace, mut options, auto_connect } = config;
    let Storage { core: memory, waiters, answers, reads, writes, shared } = storage;
    let mut core = Client::new(core, memory.memory());
    options.auth = true;
    let nsp = core.namespace(namespace, options)?;
    if auto_connect {
        core.connect(C::now(), nsp);
    }
    let waiters = waiters::Waiters::new(waiters, answers);
    let shared: &'static shared::Shared<M> = shared.insert(shared::Shared::new(core, waiters, C::now, nsp));
    let runner = Runner {
        shared,
        target: Target { host, port, tls, link: Link::WebSocket },
        reads: reads.each_mut().map(|chunk| &mut chunk[..]),
        writes: writes.each_mut().map(|chunk| &mut chunk[..]),
        clock: PhantomData,
    };
    Ok((Socket { shared, nsp }, runner))
}
