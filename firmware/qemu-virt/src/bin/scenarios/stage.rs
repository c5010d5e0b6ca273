//! What all scenarios stand on: a client in static memory, steps that can fail, a limit of time.

use core::fmt::Write;
use core::future::{Future, poll_fn};
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, with_timeout};
use qemu_virt::board::{args, entropy};
use qemu_virt::{net, println};
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{Config, EmbassyClock, Event, Handler, Runner};
use static_cell::{ConstStaticCell, StaticCell};

/// Guest time that a scenario may take, unless it says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Prints why, and ends the run.
macro_rules! fail {
    ($($arg:tt)*) => {{
        qemu_virt::println!("failed: {}", format_args!($($arg)*));
        qemu_virt::board::exit(1)
    }};
}
pub(crate) use fail;

/// Ends the run unless it is true.
macro_rules! check {
    ($condition:expr, $($arg:tt)*) => {
        if !$condition {
            crate::stage::fail!($($arg)*);
        }
    };
}
pub(crate) use check;

/// A client in static memory of the type of storage that is named.
macro_rules! client {
    ($storage:ty, $config:expr) => {{
        static STORAGE: static_cell::ConstStaticCell<$storage> =
            static_cell::ConstStaticCell::new(<$storage>::new());
        match sockeye_embedded::new($config, STORAGE.take()) {
            Ok(client) => client,
            Err(error) => crate::stage::fail!("no client: {error}"),
        }
    }};
}
pub(crate) use client;

/// The client's configuration for a namespace of the server on the host.
pub(crate) fn config(namespace: &str) -> Config {
    static URL: StaticCell<Text<96>> = StaticCell::new();
    let url = URL.init(Text::new());
    let _ = write!(url, "http://{}:{}{namespace}", net::HOST, net::port());
    let url: &'static Text<96> = url;
    let mut config = match Config::new(url.as_str(), entropy::fill) {
        Ok(config) => config,
        Err(error) => fail!("{error}"),
    };
    if let Some(path) = args::get("path") {
        config.core.path = path;
    }
    config
}

/// A connector on the board's network with one socket.
pub(crate) fn connector(network: Stack<'static>) -> EmbassyNet<'static, 1> {
    static BUFFERS: ConstStaticCell<SocketBuffers<1, 1024, 1024>> =
        ConstStaticCell::new(SocketBuffers::new());
    EmbassyNet::new(network, BUFFERS.take())
}

/// Runs the client until the script has come to its end. Both belong to one task, so the script looks again at what it
/// waits for whenever the client has moved.
pub(crate) async fn play<H: Handler, const L: usize, const S: usize>(
    (runner, connector): (&mut Runner<Noop, EmbassyClock, L>, EmbassyNet<'static, S>),
    handler: H,
    limit: Duration,
    script: impl Future<Output = ()>,
) {
    match select(runner.run(connector, handler), with_timeout(limit, script)).await {
        Either::Second(Ok(())) => (),
        Either::Second(Err(_)) => fail!("the scenario was not done after {} s", limit.as_secs()),
        Either::First(()) => fail!("the run loop ended by itself"),
    }
}

pub(crate) type Noop = embassy_sync::blocking_mutex::raw::NoopRawMutex;

/// Waits until it is so.
pub(crate) async fn until(so: impl Fn() -> bool) {
    poll_fn(|_| if so() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Prints what happens to the connection.
pub(crate) fn report(event: &Event<'_>) {
    match event {
        Event::Opened { transport, .. } => println!("opened: {}", transport.name()),
        Event::Upgraded => println!("upgraded"),
        Event::UpgradeFailed(details) => println!("upgrade failed: {details}"),
        Event::Closed { details, retry, .. } => println!("closed: {details} (retry: {retry})"),
        Event::ConnectError(refusal) => println!("refused: {}", refusal.message),
        Event::MessageTooLarge { bytes, limit } => println!("skipped: {bytes} of {limit}"),
        Event::Disconnected { reason, .. } => println!("disconnected: {reason}"),
        _ => (),
    }
}

/// Asks the host for something.
pub(crate) fn host(what: &str) {
    println!("host {what}");
}

/// What a call gave, or the end of the run.
pub(crate) fn expect<T, E: core::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail!("{what}: {error}"),
    }
}

/// A short text of our own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        let mut own = Self::new();
        let _ = own.write_str(text);
        own
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self
            .bytes
            .get_mut(self.len..self.len + text.len())
            .ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
