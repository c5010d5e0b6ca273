//! What handles promise: `connect`, `close`, `flush`, `room`, acknowledgements that are given up, the Manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use sockeye::testing::Server;
use sockeye::{
    AckError, BoxError, Cause, ClientBuilder, ConnectErrorKind, EmitError, Limits, Notice, Socket,
    Transport,
};

use crate::support::{Host, Log, client, client_at, within};

const MINUTE: Duration = Duration::from_secs(60);

fn memory(server: &Server) -> ClientBuilder {
    client_at(server.url("/")).transports([Transport::WebSocket])
}

// ---- connect ----

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_told() {
    let server = Server::new();
    server.stop();
    let log = Log::new();
    let out = log.clone();
    let builder = memory(&server)
        .on_connect_error(move |_, error| out.push(format!("told {}", error.active())));
    let socket = builder.open().unwrap();
    let error = socket.connect().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.cause(), error.active()),
        (ConnectErrorKind::Transport, Some(Cause::Dial), false)
    );
    assert!(!socket.active());
    // That was all: nothing is tried behind one's back.
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(log.lines(), ["told false"]);
    server.start();
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!socket.connected());
    socket.connect().await.unwrap();
    // A connection that was there once is made again.
    server.stop();
    tokio::time::sleep(MINUTE).await;
    assert!(socket.active());
    server.start();
    socket.ready().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_server_is_asked_for() {
    let server = Server::new();
    server.stop();
    let builder = memory(&server).wait_for_server(true);
    let connecting = tokio::spawn(builder.connect());
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!connecting.is_finished());
    let background = memory(&server).connect_background().unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    assert!(background.active() && !background.connected());
    // A call of `connect` then hears of the next attempt, and the client goes on.
    let error = background.connect().await.unwrap_err();
    assert!(error.active() && background.active(), "{error:?}");
    server.start();
    assert!(connecting.await.unwrap().unwrap().connected());
    background.ready().await;
}

/// A namespace that fails with its connection does not take the others with it, nor wait for ever.
#[tokio::test(start_paused = true)]
async fn each_namespace_has_a_first_attempt_of_its_own() {
    let server = Server::new();
    let socket = memory(&server).connect().await.unwrap();
    server.stop();
    tokio::time::sleep(MINUTE).await;
    let chat = socket.namespace("/chat").open().unwrap();
    let error = chat.connect().await.unwrap_err();
    assert!(!error.active() && !chat.active() && socket.active());
    server.start();
    socket.ready().await;
    assert!(!chat.connected());
    chat.connect().await.unwrap();
}

// ---- close ----

/// As in a `main` that ends: the runtime is gone when `block_on` returns.
#[test]
fn closed_programs_lose_nothing() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        for round in 0..5 {
            let host = Host::start();
            let main = async {
                let builder = client_at(host.url("/")).transports([transport]);
                let socket = builder.connect().await.unwrap();
                for n in 0..3 {
                    socket.emit("bye", (n,)).unwrap();
                }
                socket.close().await.unwrap();
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(within("main", main));
            drop(runtime);
            host.state(|state| {
                assert_eq!(state.server.received.len(), 3, "round {round}");
                assert!(!state.server.has_session(), "the goodbye came");
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_leaves_one_namespace_or_the_connection() {
    let server = Server::new();
    let socket = memory(&server).connect().await.unwrap();
    let chat = socket.namespace("/chat").connect().await.unwrap();
    let mut peer = server.peer("/chat").await;
    let other = chat.clone();
    let mut notices = other.notices();
    chat.emit("last", ()).unwrap();
    chat.close().await.unwrap();
    assert_eq!(peer.next().await.name(), "last");
    peer.left().await;
    assert!(matches!(
        notices.next().await,
        Some(Notice::Disconnected(why)) if why.reason == sockeye::DisconnectReason::IoClientDisconnect
    ));
    assert!(socket.connected() && !other.active());
    // The other handle may come back.
    other.connect().await.unwrap();
    other.close().await.unwrap();
    socket.close().await.unwrap();
    assert_eq!(server.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn close_tells_what_was_not_sent() {
    let server = Server::new();
    server.stop();
    // On its way: it is waited for, so long as `close_timeout` says.
    let socket = memory(&server)
        .close_timeout(Duration::from_secs(3))
        .connect_background()
        .unwrap();
    socket.emit("lost", ()).unwrap();
    socket.emit("lost", ()).unwrap();
    let begun = tokio::time::Instant::now();
    let error = socket.close().await.unwrap_err();
    assert_eq!((error.unsent(), begun.elapsed().as_secs()), (2, 3));
    assert!(error.to_string().contains("2 messages unsent"), "{error}");
    // Not on its way at all: nothing to wait for.
    let socket = memory(&server).open().unwrap();
    socket.emit("lost", ()).unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(socket.close().await.unwrap_err().unsent(), 1);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // Nothing to tell.
    memory(&server).open().unwrap().close().await.unwrap();
    let socket = memory(&server).connect_background().unwrap();
    tokio::time::sleep(MINUTE).await;
    socket.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_a_join_that_is_under_way() {
    let server = Server::new();
    let socket = memory(&server).connect_background().unwrap();
    socket.emit("first", ()).unwrap();
    socket.close().await.unwrap();
    let mut peer = server.peer("/").await;
    assert_eq!(peer.next().await.name(), "first");
}

#[tokio::test(start_paused = true)]
async fn close_after_disconnect_waits_for_what_is_under_way() {
    for others in [false, true] {
        let server = Server::new();
        let socket = memory(&server).connect().await.unwrap();
        let chat = socket.namespace("/chat").connect().await.unwrap();
        if !others {
            socket.disconnect();
        }
        let mut peer = server.peer("/chat").await;
        chat.emit("large", ("x".repeat(1 << 20),)).unwrap();
        chat.disconnect();
        chat.close().await.unwrap();
        assert_eq!(peer.next().await.name(), "large");
        peer.left().await;
    }
}

#[tokio::test(start_paused = true)]
async fn close_has_its_time_limit_when_the_server_stalls() {
    let server = Server::new();
    let socket = memory(&server)
        .close_timeout(Duration::from_secs(7))
        .connect()
        .await
        .unwrap();
    // The goodbye is not answered: that has a limit of its own, and nothing is lost by it.
    server.stall(true);
    socket.emit("last", ()).unwrap();
    let begun = tokio::time::Instant::now();
    socket.close().await.unwrap();
    assert!(
        begun.elapsed() <= Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn close_ends_though_the_server_reads_nothing() {
    let host = Host::start();
    let builder = client(&host).close_timeout(Duration::from_millis(50));
    let socket = within("connect", builder.connect()).await.unwrap();
    host.state(|state| state.stalled = true);
    socket.emit("large", ("x".repeat(32 << 20),)).unwrap();
    let error = within("close", socket.close()).await.unwrap_err();
    assert_eq!(error.unsent(), 1);
}

// ---- waits that are given up ----

#[tokio::test(start_paused = true)]
async fn given_up_acknowledgements_free_their_places() {
    let server = Server::new();
    let mut limits = Limits::default();
    limits.acks = 10;
    let socket = memory(&server).limits(limits).connect().await.unwrap();
    for _ in 0..10 {
        // Sent, and then given up: by a timeout, as people do.
        for _ in 0..10 {
            let ask = socket.emit_with_ack::<_, ()>("sent", ()).send();
            let _ = tokio::time::timeout(Duration::from_secs(1), ask).await;
        }
        // Ten at a time wait, the eleventh is refused.
        let asks: Vec<_> = (0..10)
            .map(|_| socket.emit_with_ack::<_, ()>("wait", ()).send())
            .collect();
        let error = socket.emit_with_ack::<_, ()>("no", ()).await.unwrap_err();
        assert_eq!(error, AckError::NotSent(EmitError::TooManyAcks));
        drop(asks);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.on("answered", |event| event.ack(()));
    socket.emit_with_ack::<_, ()>("answered", ()).await.unwrap();
}

/// Dropping the future takes back a packet that has not been begun: whether the driver has seen it or not.
#[tokio::test(start_paused = true)]
async fn giving_up_takes_back_what_was_not_begun() {
    let server = Server::new();
    let socket = memory(&server).open().unwrap();
    drop(socket.emit_with_ack::<_, ()>("never asked", ()));
    drop(socket.emit_with_ack::<_, ()>("unseen", ()).send());
    let seen = socket.emit_with_ack::<_, ()>("seen", ()).send();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(seen);
    socket.emit("kept", ()).unwrap();
    socket.connect().await.unwrap();
    let mut peer = server.peer("/").await;
    assert_eq!(peer.next().await.name(), "kept");
    socket.close().await.unwrap();
    peer.left().await;
}

/// On a namespace with `retries` every packet waits for an answer, one after the other: however many are emitted, none is
/// lost, and none takes the place of an acknowledgement that the application waits for.
#[tokio::test(start_paused = true)]
async fn what_emit_accepts_with_retries_arrives() {
    let server = Server::new();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    server.on("n", move |event| {
        let (n,): (u32,) = event.parse().unwrap();
        assert_eq!(counted.fetch_add(1, Ordering::Relaxed), n, "in order");
        event.ack(());
    });
    let mut limits = Limits::default();
    limits.acks = 2;
    let socket = memory(&server)
        .limits(limits)
        .retries(3)
        .ack_timeout(MINUTE)
        .connect()
        .await
        .unwrap();
    for n in 0..1000 {
        socket.emit("n", (n,)).unwrap();
    }
    socket.flush().await;
    socket.emit_with_ack::<_, ()>("n", (1000,)).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1001);
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_acknowledgements_is_exact() {
    let server = Server::new();
    let mut limits = Limits::default();
    limits.acks = 7;
    for retries in [false, true] {
        let mut builder = memory(&server).limits(limits);
        if retries {
            builder = builder.retries(1);
        }
        let socket = builder.open().unwrap();
        let mut asks = Vec::new();
        for n in 0..7 {
            socket.emit("n", (n,)).unwrap();
            asks.push(socket.emit_with_ack::<_, ()>("n", (n,)).send());
            if n == 3 {
                // The driver takes some of them over.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let error = socket.emit_with_ack::<_, ()>("n", ()).await.unwrap_err();
        assert_eq!(error, AckError::NotSent(EmitError::TooManyAcks));
        socket.emit("plain", ()).unwrap();
    }
}

// ---- flush and ready ----

/// Another thread that emits all the time does not hold a flush up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_waits_for_no_later_packets() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let busy = std::thread::spawn({
        let (socket, stop) = (socket.clone(), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = socket.emit("busy", ("x".repeat(1000),));
            }
        }
    });
    for _ in 0..20 {
        within("flush", socket.flush()).await;
    }
    stop.store(true, Ordering::Relaxed);
    busy.join().unwrap();
}

// ---- auth ----

#[tokio::test(start_paused = true)]
async fn a_failing_auth_function_is_a_failed_attempt() {
    let server = Server::new();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let auth = move || {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match n {
                0 | 1 => Err::<_, BoxError>("no token yet".into()),
                2 if n > 1 => panic!("boom"),
                n => Ok(json!({ "n": n })),
            }
        }
    };
    let log = Log::new();
    let out = log.clone();
    let socket = memory(&server)
        .auth_with(auth)
        .on_connect_error(move |_, error| {
            out.push(format!("{:?} {}", error.kind(), error.active()));
        })
        .open()
        .unwrap();
    // The first attempt of `connect` is told, and is all.
    let error = socket.connect().await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Auth);
    assert!(!error.active() && !socket.active());
    tokio::time::sleep(MINUTE).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    // In the background it is called again, with a delay.
    let begun = tokio::time::Instant::now();
    socket.connect_background();
    socket.ready().await;
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(server.peer("/").await.auth(), &json!({"n": 3}));
    assert_eq!(log.lines(), ["Auth false", "Auth true", "Auth true"]);
}

#[tokio::test(start_paused = true)]
async fn attempts_of_an_auth_function_are_counted() {
    let server = Server::new();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let builder = memory(&server)
        .reconnection_attempts(Some(3))
        .wait_for_server(true)
        .auth_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), BoxError>("never".into()) }
        });
    let error = builder.connect().await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Auth);
    assert!(!error.active());
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

// ---- namespaces ----

#[tokio::test(start_paused = true)]
async fn options_of_a_namespace_that_exists_are_applied_or_refused() {
    let server = Server::new();
    let socket = memory(&server).connect().await.unwrap();
    let chat = socket.namespace("/chat").connect().await.unwrap();
    // Applied.
    let log = Log::new();
    let out = log.clone();
    let same = socket
        .namespace("/chat")
        .auth(json!({"n": 2}))
        .ack_timeout(Duration::from_secs(1))
        .on("hi", move |()| out.push("hi"))
        .open()
        .unwrap();
    assert_eq!(same.id(), chat.id());
    let ask = chat.emit_with_ack::<_, ()>("unanswered", ());
    assert_eq!(ask.await.unwrap_err(), AckError::Timeout { sent: true });
    server.peer("/chat").await.emit("hi", ());
    log.wait(1).await;
    chat.disconnect();
    chat.connect().await.unwrap();
    assert_eq!(server.peer("/chat").await.auth(), &json!({"n": 2}));
    // Refused, with nothing applied.
    let error = socket
        .namespace("/chat")
        .retries(2)
        .auth(json!({"n": 3}))
        .open()
        .unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Config);
    assert!(
        error.to_string().contains("/chat exists already"),
        "{error}"
    );
    // Nothing asked: nothing changed.
    socket.namespace("/chat").open().unwrap();
    chat.disconnect();
    chat.connect().await.unwrap();
    assert_eq!(server.peer("/chat").await.auth(), &json!({"n": 2}));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_handlers_before_it_connects() {
    let server = Server::new();
    let socket = memory(&server).connect().await.unwrap();
    let log = Log::new();
    let (on, any, connect, setup) = (log.clone(), log.clone(), log.clone(), log.clone());
    let chat = socket
        .namespace("/chat")
        .on("first", move |(n,): (u8,)| on.push(format!("on {n}")))
        .on_any(move |event| any.push(format!("any {}", event.name())))
        .on_connect(move |socket: Socket| connect.push(socket.name().to_owned()))
        .setup(move |socket| setup.push(format!("setup {}", socket.name())))
        .connect_background()
        .unwrap();
    server.peer("/chat").await.emit("first", (1,));
    assert_eq!(
        log.wait(4).await,
        ["setup /chat", "/chat", "any first", "on 1"]
    );
    drop(chat);
}

// ---- the Manager ----

#[tokio::test(start_paused = true)]
async fn the_connection_is_told_once_however_many_namespaces() {
    let server = Server::new();
    let socket = memory(&server).connect().await.unwrap();
    let mut others = Vec::new();
    for n in 0..20 {
        let nsp = socket.namespace(&format!("/{n}"));
        others.push(nsp.connect().await.unwrap());
    }
    let manager = others[3].manager();
    let log = Log::new();
    let (attempt, again, waits) = (log.clone(), log.clone(), log.clone());
    manager.on_reconnecting(move |n, delay| {
        assert!(delay <= Duration::from_secs(5));
        waits.push(format!("wait {n}"));
    });
    let id = manager.on_reconnect_attempt(move |n| attempt.push(format!("attempt {n}")));
    manager.on_reconnect(move |n| again.push(format!("again {n}")));
    let mut notices = manager.notices();
    server.cut();
    socket.ready().await;
    log.wait(3).await;
    assert_eq!(log.lines(), ["wait 1", "attempt 1", "again 1"]);
    assert!(matches!(
        notices.next().await,
        Some(Notice::Reconnecting { attempt: 1, .. })
    ));
    assert!(manager.off(id) && !manager.off(id));
    assert_eq!(manager.transport(), Some(Transport::WebSocket));
    // It does not keep the connection, and its streams end with it.
    drop((socket, others));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(server.connections(), 0);
    while notices.next().await.is_some() {}
    assert_eq!(manager.transport(), None);
}

/// A stream that is read on another runtime ends with the runtime of the connection.
#[test]
fn streams_end_with_the_runtime() {
    let host = Host::start();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let own = runtime();
    let (socket, mut events, mut notices, mut connection) = own.block_on(async {
        let socket = within("connect", client(&host).connect()).await.unwrap();
        let streams = (
            socket.events(),
            socket.notices(),
            socket.manager().notices(),
        );
        (socket, streams.0, streams.1, streams.2)
    });
    drop(own);
    runtime().block_on(async {
        assert!(within("events", events.next()).await.is_none());
        while within("notices", notices.next()).await.is_some() {}
        while within("notices", connection.next()).await.is_some() {}
    });
    assert!(!socket.active());
}
