//! `sockeye::testing`: a server in memory, on a clock that stands still.

use std::time::Duration;

use serde_json::json;
use sockeye::testing::Server;
use sockeye::{AckError, Bin, Cause, Client, ConnectErrorKind, DisconnectReason, Transport};

use crate::support::Log;

const BOTH: [Transport; 2] = [Transport::Polling, Transport::WebSocket];

#[tokio::test(start_paused = true)]
async fn closures_answer() {
    for transport in BOTH {
        let server = Server::new();
        server.on("sum", |event| {
            let (a, b): (i64, i64) = event.parse().unwrap();
            assert!(event.wants_ack());
            event.ack((a + b,));
            event.emit("told", ("sum",));
        });
        let builder = Client::builder(server.url("calc")).transports([transport]);
        let socket = builder.connect().await.unwrap();
        let mut events = socket.events();
        let (sum,): (i64,) = socket.emit_with_ack("sum", (20, 22)).await.unwrap();
        assert_eq!(sum, 42);
        assert_eq!(events.next().await.unwrap().name(), "told");
        assert_eq!(
            (server.connections(), socket.transport()),
            (1, Some(transport))
        );
        socket.close().await.unwrap();
        assert_eq!(server.connections(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_is_the_server() {
    for transport in BOTH {
        let server = Server::new();
        let builder = Client::builder(server.url("/"))
            .transports([transport])
            .auth(json!({"token": 7}))
            .on("double", |(n,): (i64,), reply: sockeye::Responder| {
                reply.ack((2 * n, Bin::from(vec![9]))).unwrap();
            });
        let socket = builder.connect().await.unwrap();
        let mut peer = server.peer("/").await;
        assert_eq!(peer.auth(), &json!({"token": 7}));
        assert_eq!(socket.id().as_deref(), Some(peer.id()));
        // Binary both ways, in the order of its placeholders.
        let blob = Bin::from(vec![1, 2, 3]);
        socket.emit("blob", (&blob, 1, [&blob])).unwrap();
        let event = peer.next().await;
        let (one, n, many): (Bin, u8, Vec<Bin>) = event.parse().unwrap();
        assert_eq!((&one, n, &many[..]), (&blob, 1, &[blob.clone()][..]));
        let (doubled, bin): (i64, Bin) = peer.emit_with_ack("double", (21,)).await;
        assert_eq!((doubled, &bin[..]), (42, &[9][..]));
        let mut events = socket.events();
        peer.emit("news", (&blob,));
        let (news,): (Bin,) = events.next().await.unwrap().parse().unwrap();
        assert_eq!(news, blob);
        socket.disconnect();
        peer.left().await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_and_other_namespaces() {
    let server = Server::new();
    server.refuse("/admin", "not you", Some(json!({"code": 7})));
    let socket = Client::builder(server.url("/")).connect().await.unwrap();
    let error = socket.namespace("/admin").connect().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message(), error.data()),
        (
            ConnectErrorKind::Refused,
            "not you",
            Some(&json!({"code": 7}))
        )
    );
    server.admit("/admin");
    let admin = socket.namespace("/admin").connect().await.unwrap();
    let log = Log::new();
    let out = log.clone();
    admin.on_disconnect(move |_, why| out.push(why.reason.to_string()));
    server.peer("/admin").await.disconnect();
    log.wait_for("io server disconnect").await;
    assert!(socket.connected() && !admin.active());
}

/// A day with a heartbeat, and an hour without the server, take no time.
#[tokio::test(start_paused = true)]
async fn time_passes_at_once() {
    let begun = std::time::Instant::now();
    let server = Server::new();
    let socket = Client::builder(server.url("/")).connect().await.unwrap();
    let pings = Log::new();
    let out = pings.clone();
    socket.manager().on_ping(move || out.push("ping"));
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(socket.connected());
    let pings = pings.lines().len();
    assert!((3400..=3456).contains(&pings), "{pings}");
    let errors = Log::new();
    let out = errors.clone();
    socket.on_connect_error(move |_, error| out.push(format!("{:?}", error.cause())));
    server.stop();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!socket.connected() && socket.active());
    // Every 5 s at most, and spread after the cap.
    let attempts = errors.lines().len();
    assert!((700..2000).contains(&attempts), "{attempts}");
    assert_eq!(errors.lines()[0], format!("{:?}", Some(Cause::Dial)));
    server.start();
    socket.ready().await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

/// The driver sleeps until something happens: on a clock that stands still it once did not.
#[tokio::test(start_paused = true)]
async fn the_driver_does_not_spin_on_a_paused_clock() {
    let server = Server::new();
    let socket = Client::builder(server.url("/")).connect().await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = socket
        .emit_with_ack::<_, ()>("unanswered", ())
        .timeout(Duration::from_secs(3600))
        .await
        .unwrap_err();
    assert_eq!(error, AckError::Timeout { sent: true });
    let waited = begun.elapsed();
    assert!(
        (3600..3602).contains(&waited.as_secs()),
        "an hour by its own clock: {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_thrown_out_and_a_silent_server_noticed() {
    let server = Server::new();
    server.set_heartbeat(Duration::from_secs(1), Duration::from_secs(1));
    let socket = Client::builder(server.url("/"))
        .transports([Transport::WebSocket])
        .connect()
        .await
        .unwrap();
    let mut notices = socket.notices();
    server.peer("/").await.cut();
    match notices.next().await {
        Some(sockeye::Notice::Disconnected(why)) => {
            assert_eq!(why.reason, DisconnectReason::TransportClose);
        }
        other => panic!("{other:?}"),
    }
    socket.ready().await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(socket.connected(), "pings are answered");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_not_there() {
    let server = Server::new();
    let url = server.url("/");
    drop(server);
    let error = Client::builder(&url).connect().await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Dial));
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "no client has joined /nowhere within 60s")]
async fn waits_of_tests_end() {
    let server = Server::new();
    let _ = server.peer("/nowhere").await;
}
