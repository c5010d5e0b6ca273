//! When a wait is over, what it was about has been told.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use sockeye::testing::Server;
use sockeye::{Client, Notice, Transport, UnsentCause};

use crate::support::{Host, client, within};

/// What a future has come to by now.
fn by_now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A server that refuses every POST with an event as too large. That ends the session, and the client may be on its way
/// to the next one when its test lets go of it; the server has room for one session, so each client has its own server.
fn refusing() -> Host {
    let host = Host::start();
    host.answer_with(|request| {
        let refused = request.method() == "POST" && request.body.starts_with(b"42");
        refused.then(|| sockeye_testkit::response("413 Payload Too Large", "", b""))
    });
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_is_in_the_stream_when_flush_returns() {
    for round in 0..50 {
        let host = refusing();
        let builder = client(&host).transports([Transport::Polling]);
        let socket = within("connect", builder.connect()).await.unwrap();
        let mut notices = socket.notices();
        socket.emit("large", ("x",)).unwrap();
        within("flush", socket.flush()).await;
        let mut unsent = 0;
        while let Some(Some(notice)) = by_now(notices.next()) {
            if let Notice::Unsent { event, cause, .. } = notice {
                assert_eq!((&*event, cause), ("large", UnsentCause::TooLarge));
                unsent += 1;
            }
        }
        assert_eq!(unsent, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_is_in_the_stream_when_close_returns() {
    for round in 0..50 {
        let host = refusing();
        let builder = client(&host).transports([Transport::Polling]);
        let socket = within("connect", builder.connect()).await.unwrap();
        let mut notices = socket.notices();
        socket.emit("large", ("x",)).unwrap();
        let _ = within("close", socket.close()).await;
        let mut unsent = 0;
        while let Some(notice) = within("end", notices.next()).await {
            unsent += usize::from(matches!(notice, Notice::Unsent { .. }));
        }
        assert_eq!(unsent, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_goodbye_has_been_told_when_close_returns() {
    let server = Server::new();
    for round in 0..200 {
        let told = Arc::new(AtomicBool::new(false));
        let tell = told.clone();
        let socket = Client::builder(server.url("/"))
            .transports([Transport::WebSocket])
            .on_disconnect(move |_, _| tell.store(true, Ordering::Release))
            .connect()
            .await
            .unwrap();
        socket.close().await.unwrap();
        assert!(told.load(Ordering::Acquire), "round {round}");
    }
}

/// A handler may flush and close: that waits for nothing that waits for the handler.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_flush_and_close() {
    for last in ["flush", "close"] {
        let host = refusing();
        let (done, told) = tokio::sync::oneshot::channel();
        let done = std::sync::Mutex::new(Some(done));
        let builder = client(&host).transports([Transport::Polling]);
        let builder = builder.on_connect(move |socket| {
            let done = done.lock().unwrap().take();
            async move {
                socket.emit("large", ("x",)).unwrap();
                socket.flush().await;
                if last == "close" {
                    let _ = socket.close().await;
                }
                if let Some(done) = done {
                    done.send(()).unwrap();
                }
            }
        });
        let socket = builder.connect_background().unwrap();
        let _notices = socket.notices();
        within(last, told).await.unwrap();
    }
}

/// `close` has its time limit also when a handler that comes first does not return.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn close_does_not_wait_for_ever_for_a_handler() {
    let host = Host::start();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, began) = tokio::sync::oneshot::channel();
    let held = std::sync::Mutex::new((held, Some(begun)));
    let builder = client(&host).close_timeout(std::time::Duration::from_millis(50));
    let builder = builder.on_connect(move |_| {
        let mut held = held.lock().unwrap();
        let _ = held.1.take().unwrap().send(());
        let _ = held.0.recv();
    });
    let socket = builder.connect_background().unwrap();
    within("handler", began).await.unwrap();
    within("close", socket.close()).await.unwrap();
    release.send(()).unwrap();
}
