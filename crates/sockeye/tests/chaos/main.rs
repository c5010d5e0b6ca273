//! A bad network between a client and the scripted server, over real TCP and TLS: connections are cut, stalled, delayed,
//! throttled and split at bytes that a seed says. And many clients that lose one server at once.
//!
//! A failing run prints its seed; `SOCKEYE_SEED=<seed>` repeats it. A seed that has failed once is kept as a test.

#[path = "../net/peers.rs"]
#[allow(dead_code)]
mod peers;
#[path = "../client/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

mod bytes;
mod cuts;
mod storm;

use std::time::Duration;

use sockeye::{Client, ClientBuilder, Transport};

/// The three ways to a session.
const WAYS: [&[Transport]; 3] = [
    &[Transport::WebSocket],
    &[Transport::Polling],
    &[Transport::Polling, Transport::WebSocket],
];

/// The seed of the run: another one each time a test is run by hand with `SOCKEYE_SEED=random`.
fn seed(default: u64) -> u64 {
    let seed = match std::env::var("SOCKEYE_SEED").as_deref() {
        Ok("random") => u64::from(std::process::id()) << 20 ^ default,
        Ok(text) => text.parse().expect("SOCKEYE_SEED is a number, or `random`"),
        Err(_) => default,
    };
    println!("SOCKEYE_SEED={seed}");
    seed
}

/// A client that comes back within milliseconds, and gives nothing more than a fraction of a second.
fn hasty(url: String, way: &[Transport]) -> ClientBuilder {
    Client::builder(url)
        .transports(way.iter().copied())
        .reconnection_delay(Duration::from_millis(1))
        .reconnection_delay_max(Duration::from_millis(4))
        .timeout(Duration::from_millis(1500))
        .join_timeout(Duration::from_millis(1000))
        .request_timeout(Duration::from_millis(1000))
}

/// Ends a test that hangs.
async fn bounded(what: &str, seconds: u64, test: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(Duration::from_secs(seconds), test).await;
    assert!(ended.is_ok(), "{what}: not within {seconds} s");
}
