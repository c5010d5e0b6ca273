//! Clients as the scenarios use them.

use std::time::Duration;

use sockeye::{Client, ClientBuilder, Parser, Socket, Transport};

use crate::wait::{eventually, within};

/// Each data scenario runs on both transports alone, and on the upgrade from one to the other.
pub(crate) const WAYS: [&[Transport]; 3] = [
    &[Transport::Polling],
    &[Transport::WebSocket],
    &[Transport::Polling, Transport::WebSocket],
];

/// With delays that do not make tests wait.
pub(crate) fn builder(url: &str) -> ClientBuilder {
    let port = url.split_once("127.0.0.1:").and_then(|(_, rest)| {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse().ok()
    });
    let parser = port.map_or(Parser::Json, crate::server::parser_of);
    let mut builder = crate::driven(Client::builder(url));
    if url.starts_with("https:") {
        builder = builder.tls(crate::tls::trust());
    }
    builder
        .parser(parser)
        .reconnection_delay(Duration::from_millis(20))
        .reconnection_delay_max(Duration::from_millis(100))
        .timeout(Duration::from_secs(10))
}

/// A joined socket.
pub(crate) async fn connect(url: &str) -> Socket {
    connect_by(url, &[Transport::Polling, Transport::WebSocket]).await
}

/// A joined socket that may use these transports only.
pub(crate) async fn connect_by(url: &str, transports: &[Transport]) -> Socket {
    joined(builder(url).transports(transports.iter().copied())).await
}

/// The socket of this builder, joined.
pub(crate) async fn joined(builder: ClientBuilder) -> Socket {
    within("joining", builder.connect())
        .await
        .unwrap_or_else(|error| panic!("cannot connect: {error}"))
}

/// Waits for the end of the upgrade. A session that is cut between two polls may survive that, because the next GET simply
/// takes a new connection: tests that cut sessions wait for this first.
pub(crate) async fn upgraded(socket: &Socket) {
    eventually("the upgrade", || {
        socket.transport() == Some(Transport::WebSocket)
    })
    .await;
}
