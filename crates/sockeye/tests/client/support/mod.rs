//! What the tests share: a server on a port, a log, bounded waits.

mod host;
mod log;
pub(crate) mod raw;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use host::{Host, State};
pub(crate) use log::Log;
use socket2::{Domain, Socket, Type};
use sockeye::{Client, ClientBuilder, Transport};

/// Nothing takes longer than this unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for `future`, but not for ever.
pub(crate) async fn within<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future.into_future()).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Looks again and again until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Whether the clients of this binary are driven by tokio: by threads in those that are called so.
pub(crate) fn on_tokio() -> bool {
    !env!("CARGO_CRATE_NAME").starts_with("threads")
}

/// A client of the driver that this binary is about.
pub(crate) fn client_at(url: impl AsRef<str>) -> ClientBuilder {
    let builder = Client::builder(url);
    if on_tokio() {
        builder
    } else {
        builder.threads()
    }
}

/// A client of `host` over WebSocket alone that reconnects quickly.
pub(crate) fn client(host: &Host) -> ClientBuilder {
    quick(client_at(host.url("/")).transports([Transport::WebSocket]))
}

/// A client of `host` over polling alone that reconnects quickly.
pub(crate) fn polling(host: &Host) -> ClientBuilder {
    quick(client_at(host.url("/")).transports([Transport::Polling]))
}

/// Reconnects after a few milliseconds.
pub(crate) const fn quick(builder: ClientBuilder) -> ClientBuilder {
    builder
        .reconnection_delay(Duration::from_millis(5))
        .reconnection_delay_max(Duration::from_millis(10))
}

/// An address where nobody listens, to the end of this process: the port is bound, so that no server of another test gets
/// it, and never listens, so that connections are refused.
pub(crate) fn closed_port() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("an address");
    std::mem::forget(socket);
    address.as_socket().expect("an address of the internet")
}
