//! What is held of futures that are dropped while the server is away: nothing. A process of its own, because it measures
//! the memory of the process.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use sockeye::testing::Server;
use sockeye::{Client, Limits};

const MINUTE: Duration = Duration::from_secs(60);

/// Polls once.
fn begin<F: Future>(future: &mut std::pin::Pin<Box<F>>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
}

/// Bytes this process holds.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.map_or(0, |pages: usize| pages * 4096)
}

/// The driver has the time to take what was asked, in between, and does not in the other round.
#[tokio::test(start_paused = true)]
async fn dropped_futures_leave_nothing_while_the_server_is_away() {
    const MANY: usize = 500_000;
    let server = Server::new();
    server.stop();
    let mut limits = Limits::default();
    limits.send = 1 << 20;
    let socket = Client::builder(server.url("/"))
        .limits(limits)
        .connect_background()
        .unwrap();
    while socket.emit("full", ("x".repeat(1000),)).is_ok() {}
    tokio::time::sleep(MINUTE).await;
    let before = resident();
    for n in 0..MANY {
        begin(&mut Box::pin(socket.connect()));
        begin(&mut Box::pin(socket.room()));
        begin(&mut Box::pin(socket.flush()));
        begin(&mut Box::pin(socket.ready()));
        if n % 1000 == 0 && n > MANY / 2 {
            tokio::task::yield_now().await;
        }
    }
    let held = resident().saturating_sub(before);
    assert!(held < 8 << 20, "{held} bytes for {MANY} dropped futures");
    server.start();
    socket.ready().await;
    socket.flush().await;
    socket.room().await;
}
