//! Polling, websocket, the upgrade between them, heartbeats.

use std::time::Duration;

use serde_json::Value;
use sockeye::{Responder, Transport};

use crate::client::{WAYS, builder, connect, connect_by, joined};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually, within};

async fn transport_seen_by_server(socket: &sockeye::Socket) -> String {
    let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
        .await
        .unwrap();
    me["transport"].as_str().unwrap().to_owned()
}

scenario!(upgrades_to_websocket and older);
async fn upgrades_to_websocket(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let id = socket.id();
    eventually("the upgrade", || {
        socket.transport() == Some(Transport::WebSocket)
    })
    .await;
    assert_eq!(transport_seen_by_server(&socket).await, "websocket");
    assert_eq!(socket.id(), id);
}

scenario!(stays_on_polling_when_asked_to and older);
async fn stays_on_polling_when_asked_to(kind: Kind) {
    let server = Server::start(kind).await;
    for builder in [
        builder(&server.url("/")).transports([Transport::Polling]),
        builder(&server.url("/"))
            .transports([Transport::Polling, Transport::WebSocket])
            .upgrade(false),
    ] {
        let socket = joined(builder).await;
        let (n,): (u32,) = within("an ack", socket.emit_with_ack("ack", (1,)))
            .await
            .unwrap();
        assert_eq!((n, socket.transport()), (1, Some(Transport::Polling)));
        assert_eq!(transport_seen_by_server(&socket).await, "polling");
    }
}

scenario!(starts_on_websocket_when_asked_to);
async fn starts_on_websocket_when_asked_to(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = connect_by(&link.url("/"), &[Transport::WebSocket]).await;
    assert_eq!(socket.transport(), Some(Transport::WebSocket));
    assert_eq!(transport_seen_by_server(&socket).await, "websocket");
    assert_eq!(link.accepted(), 1);
}

scenario!(takes_what_the_server_offers);
async fn takes_what_the_server_offers(kind: Kind) {
    let polling = Server::start_with(kind, &["--transports", "polling"]).await;
    let socket = connect(&polling.url("/")).await;
    let (n,): (u32,) = within("an ack", socket.emit_with_ack("ack", (1,)))
        .await
        .unwrap();
    assert_eq!((n, socket.transport()), (1, Some(Transport::Polling)));

    let websocket = Server::start_with(kind, &["--transports", "websocket"]).await;
    let socket = connect_by(&websocket.url("/"), &[Transport::WebSocket]).await;
    let (n,): (u32,) = within("an ack", socket.emit_with_ack("ack", (2,)))
        .await
        .unwrap();
    assert_eq!((n, socket.transport()), (2, Some(Transport::WebSocket)));
    let refused = builder(&websocket.url("/"))
        .transports([Transport::Polling])
        .reconnection(false)
        .connect();
    assert!(within("the refusal", refused).await.is_err());
}

scenario!(upgrades_under_load and older);
async fn upgrades_under_load(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    link.hold_websockets(true);
    let burst = Seen::new();
    let seen = burst.clone();
    // Each event received makes one that is sent: the load goes both ways while the transport changes.
    let builder = builder(&link.url("/")).on("burst", move |(n,): (u32,), reply: Responder| {
        reply.socket().unwrap().emit("count", (n,)).unwrap();
        seen.push(n);
    });
    let socket = joined(builder).await;
    socket.emit("burst", (500,)).unwrap();
    burst.wait_for(100).await;
    assert_eq!(socket.transport(), Some(Transport::Polling));
    link.hold_websockets(false);

    let all: Vec<u32> = (0..500).collect();
    assert_eq!(burst.wait_for(500).await, all);
    let (counted,): (Vec<u32>,) = within("counted", socket.emit_with_ack("counted", ()))
        .await
        .unwrap();
    assert_eq!(counted, all);
    eventually("the upgrade", || {
        socket.transport() == Some(Transport::WebSocket)
    })
    .await;
    assert_eq!(transport_seen_by_server(&socket).await, "websocket");
}

scenario!(a_failed_upgrade_changes_nothing and older);
async fn a_failed_upgrade_changes_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    link.hold_websockets(true);
    let socket = connect(&link.url("/")).await;
    let id = socket.id();
    // The websocket is never answered; polling goes on in both directions.
    let (n,): (u32,) = within("an ack", socket.emit_with_ack("ack", (1,)))
        .await
        .unwrap();
    assert_eq!(n, 1);
    let answered = Seen::new();
    let seen = answered.clone();
    socket.on("answered", move |(n,): (u32,)| seen.push(n));
    socket.on("question", |(n,): (u32,), reply: Responder| {
        reply.ack((n + 1,)).unwrap();
    });
    socket.emit("ask", (1,)).unwrap();
    assert_eq!(answered.first().await, 2);
    assert_eq!(
        (socket.transport(), socket.id()),
        (Some(Transport::Polling), id)
    );
}

scenario!(answers_heartbeats);
async fn answers_heartbeats(kind: Kind) {
    let server =
        Server::start_with(kind, &["--ping-interval", "100", "--ping-timeout", "1000"]).await;
    let waits = WAYS.map(|way| {
        let url = server.url("/");
        tokio::spawn(async move {
            let socket = connect_by(&url, way).await;
            let id = socket.id();
            // Longer than the server waits for an answer to its ping.
            let answered = Seen::new();
            let seen = answered.clone();
            socket.on("answered", move |(n,): (u32,)| seen.push(n));
            socket.on("question", |(n,): (u32,), reply: Responder| async move {
                tokio::time::sleep(Duration::from_millis(2200)).await;
                reply.ack((n,)).unwrap();
            });
            socket.emit("ask", (9,)).unwrap();
            let (n,): (u32,) = within("a late answer", socket.emit_with_ack("later", (2200, 1)))
                .await
                .unwrap();
            assert_eq!((n, answered.first().await), (1, 9));
            assert_eq!(socket.id(), id, "{way:?} lost its connection");
        })
    });
    for wait in waits {
        wait.await.expect("no panic");
    }
}
