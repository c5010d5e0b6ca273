//! `sockeye::blocking::testing`: a server in memory, without a runtime in the test.

use std::time::Duration;

use serde_json::json;
use sockeye::blocking::{Client, ClientBuilder, testing::Server};
use sockeye::{AckError, Bin, ConnectErrorKind, DisconnectReason, Notice, Transport};

use crate::eventually;
use crate::support::{Log, PATIENCE};

const BOTH: [Transport; 2] = [Transport::Polling, Transport::WebSocket];

fn client(server: &Server, namespace: &str) -> ClientBuilder {
    Client::builder(server.url(namespace))
        .reconnection_delay(Duration::from_millis(2))
        .reconnection_delay_max(Duration::from_millis(5))
}

#[test]
fn closures_answer() {
    for transport in BOTH {
        let server = Server::new();
        server.on("sum", |event| {
            let (a, b): (i64, i64) = event.parse().unwrap();
            assert!(event.wants_ack());
            event.ack((a + b,));
            event.emit("told", ("sum",));
        });
        let socket = client(&server, "calc")
            .transports([transport])
            .connect()
            .unwrap();
        let mut events = socket.events();
        let (sum,): (i64,) = socket.emit_with_ack("sum", (20, 22)).send().unwrap();
        assert_eq!(sum, 42);
        assert_eq!(events.recv_timeout(PATIENCE).unwrap().name(), "told");
        assert_eq!(
            (server.connections(), socket.transport()),
            (1, Some(transport))
        );
        socket.close().unwrap();
        eventually("the end", || server.connections() == 0);
    }
}

#[test]
fn a_script_is_the_server() {
    for transport in BOTH {
        let server = Server::new();
        let builder = client(&server, "/")
            .transports([transport])
            .auth(json!({"token": 7}))
            .on("double", |(n,): (i64,), reply: sockeye::Responder| {
                reply.ack((2 * n, Bin::from(vec![9]))).unwrap();
            });
        let socket = builder.connect().unwrap();
        let mut peer = server.peer("/");
        assert_eq!(peer.auth(), &json!({"token": 7}));
        assert_eq!(socket.id().as_deref(), Some(peer.id()));
        // Larger than the pipe, so that both sides wait for one another.
        let blob = Bin::from(vec![7; 300_000]);
        socket.emit("blob", (&blob, 1, [&blob])).unwrap();
        let event = peer.next();
        let (one, n, many): (Bin, u8, Vec<Bin>) = event.parse().unwrap();
        assert_eq!((&one, n, &many[..]), (&blob, 1, &[blob.clone()][..]));
        let (doubled, bin): (i64, Bin) = peer.emit_with_ack("double", (21,));
        assert_eq!((doubled, &bin[..]), (42, &[9][..]));
        let mut events = socket.events();
        peer.emit("news", (&blob,));
        let (news,): (Bin,) = events.recv_timeout(PATIENCE).unwrap().parse().unwrap();
        assert_eq!(news, blob);
        socket.disconnect();
        peer.left();
    }
}

#[test]
fn refusals_and_other_namespaces() {
    let server = Server::new();
    server.refuse("/admin", "not you", Some(json!({"code": 7})));
    let socket = client(&server, "/").connect().unwrap();
    let error = socket.namespace("/admin").connect().unwrap_err();
    assert_eq!(
        (error.kind(), error.message(), error.data()),
        (
            ConnectErrorKind::Refused,
            "not you",
            Some(&json!({"code": 7}))
        )
    );
    server.admit("/admin");
    let admin = socket.namespace("/admin").connect().unwrap();
    let peer = server.peer("/admin");
    peer.disconnect();
    eventually("thrown out", || !admin.connected());
    assert!(socket.connected());
}

#[test]
fn it_goes_and_comes_back() {
    for transport in BOTH {
        let server = Server::new();
        let log = Log::new();
        let entries = log.clone();
        let socket = client(&server, "/")
            .transports([transport])
            .on_disconnect(move |_, why: sockeye::Disconnected| entries.push(why.reason.as_str()))
            .connect()
            .unwrap();
        let mut peer = server.peer("/");
        let asked = socket.emit_with_ack::<_, ()>("never answered", ()).begin();
        assert_eq!(peer.next().name(), "never answered");
        server.stop();
        assert!(matches!(asked.wait(), Err(AckError::Disconnected { .. })));
        socket.emit("kept", (1,)).unwrap();
        let mut notices = socket.notices();
        // It is refused for as long as the server is away.
        loop {
            match notices.recv_timeout(PATIENCE).unwrap() {
                Notice::ConnectError(error) => {
                    assert!(error.to_string().contains("refused"), "{error}");
                    break;
                }
                _ => continue,
            }
        }
        server.start();
        assert_eq!(server.peer("/").next().name(), "kept");
        assert_eq!(log.lines().len(), 1);
    }
}

#[test]
fn a_server_that_stands_still_is_noticed() {
    let server = Server::new();
    server.set_heartbeat(Duration::from_millis(50), Duration::from_millis(50));
    let socket = client(&server, "/").connect().unwrap();
    let mut notices = socket.notices();
    server.stall(true);
    loop {
        if let Notice::Disconnected(why) = notices.recv_timeout(PATIENCE).unwrap() {
            assert_eq!(why.reason, DisconnectReason::PingTimeout);
            break;
        }
    }
    server.stall(false);
    eventually("the reconnection", || socket.connected());
}

/// One server for clients of both kinds.
#[test]
fn a_client_of_tokio_and_one_on_threads() {
    let server = Server::new();
    server.on("echo", |event| event.ack(event.args().clone()));
    let blocking = client(&server, "/").connect().unwrap();
    crate::run(async {
        let socket = sockeye::Client::builder(server.url("/"))
            .connect()
            .await
            .unwrap();
        let (n,): (u8,) = socket.emit_with_ack("echo", (7,)).await.unwrap();
        assert_eq!((n, server.connections()), (7, 2));
    });
    let (n,): (u8,) = blocking.emit_with_ack("echo", (8,)).send().unwrap();
    assert_eq!(n, 8);
}
