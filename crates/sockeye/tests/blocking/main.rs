//! `sockeye::blocking` as programs without a runtime use it. What it shares with the client on tokio is tested by
//! `tests/threads`; here is what blocks: waits, handlers that wait, iterators, threads, connectors, TLS.

#[path = "../client/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that need more of it"
)]
mod support;

mod events;
#[path = "../../examples/blocking.rs"]
#[allow(dead_code, reason = "the example's own `main`")]
mod example;
mod in_memory;
mod network;
mod waits;

use std::time::{Duration, Instant};

use sockeye::Transport;
use sockeye::blocking::{Client, ClientBuilder};

use support::{Host, PATIENCE};

/// Runs the future of a helper.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A client of `host` over WebSocket alone that reconnects quickly.
fn client(host: &Host) -> ClientBuilder {
    Client::builder(host.url("/"))
        .transports([Transport::WebSocket])
        .reconnection_delay(Duration::from_millis(5))
        .reconnection_delay_max(Duration::from_millis(10))
}

/// Looks again and again until `condition` holds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The example runs against a server that plays its part.
#[test]
fn the_example() {
    let host = Host::with(sockeye_testkit::Settings {
        mute_acks: usize::MAX,
        ..sockeye_testkit::Settings::default()
    });
    let url = host.url("/");
    let example = std::thread::spawn(move || example::run(&url).map_err(|error| error.to_string()));
    assert_eq!(run(host.received(1)), [r#"/ ["subscribe","news"]"#]);
    host.emit("/", r#"["news","one"]"#);
    // A question that wants an answer, amidst the news: it is asked back, and answered.
    host.send(r#"420["question",4]"#);
    run(host.until("the handler's question", |state| {
        let asked = state
            .server
            .received
            .iter()
            .any(|event| event.ends_with(r#"["sum",4,4]"#));
        asked.then_some(())
    }));
    host.send("430[8]");
    run(host.until("the handler's answer", |state| {
        // (The first transport is polling, and may have been left by now.)
        let polled = state
            .requests
            .iter()
            .any(|request| request.text().contains("430[8]"));
        let framed = state.texts().iter().any(|text| text == "430[8]");
        (polled || framed).then_some(())
    }));
    host.emit("/", r#"["news","two"]"#);
    // Subscribed, asked back and answered; and the two that are under way at once.
    run(host.received(5));
    host.send("431[3]");
    host.send("432[7]");
    assert_eq!(example.join().unwrap(), Ok(()));
    run(host.empty());
}
