//! Losing the connection and coming back, or not.

use std::time::Duration;

use serde_json::Value;
use sockeye::{DisconnectReason, Disconnected, Responder};

use crate::client::{WAYS, builder, connect, connect_by, joined, upgraded};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually, within};

fn reasons(socket: &sockeye::Socket) -> Seen<DisconnectReason> {
    let reasons = Seen::new();
    let seen = reasons.clone();
    socket.on_disconnect(move |_, disconnected: Disconnected| seen.push(disconnected.reason));
    reasons
}

fn is_loss(reason: DisconnectReason) -> bool {
    matches!(
        reason,
        DisconnectReason::TransportClose | DisconnectReason::TransportError
    )
}

scenario!(the_server_restarts);
async fn the_server_restarts(kind: Kind) {
    let mut server = Server::start(kind).await;
    for way in WAYS {
        let link = Link::to(server.port).await;
        let socket = connect_by(&link.url("/chat"), way).await;
        let reasons = reasons(&socket);
        let reconnected = Seen::new();
        let seen = reconnected.clone();
        socket
            .manager()
            .on_reconnect(move |attempts: u32| seen.push(attempts));
        let echoed = Seen::new();
        let seen = echoed.clone();
        socket.on("echo", move |(n,): (u32,)| seen.push(n));
        let first = socket.id();

        link.break_down();
        server.restart().await;
        assert!(
            is_loss(reasons.first().await),
            "{way:?} {:?}",
            reasons.all()
        );
        // Kept until the connection is there again.
        for n in 0..20 {
            socket.emit("echo", (n,)).unwrap();
        }
        link.lead_to(server.port);
        assert!(reconnected.first().await >= 1);
        assert_eq!(
            echoed.wait_for(20).await,
            (0..20).collect::<Vec<_>>(),
            "{way:?}"
        );
        assert!(socket.connected() && socket.id() != first);
        assert_eq!((reasons.len(), reconnected.len()), (1, 1));
    }
}

scenario!(the_server_stops_in_order);
async fn the_server_stops_in_order(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = connect(&link.url("/")).await;
    let reasons = reasons(&socket);
    link.lead_to(0);
    server.stop().await;
    let reason = reasons.first().await;
    assert!(
        is_loss(reason) || reason == DisconnectReason::IoServerDisconnect,
        "{reason:?}"
    );
    assert!(!socket.connected());
}

scenario!(the_link_is_cut_again_and_again);
async fn the_link_is_cut_again_and_again(kind: Kind) {
    // A server that is not being asked anything notices by its heartbeat only.
    let mut server =
        Server::start_with(kind, &["--ping-interval", "1000", "--ping-timeout", "1000"]).await;
    let link = Link::to(server.port).await;
    let root = connect(&link.url("/")).await;
    let chat = within("joining", root.namespace("/chat").connect())
        .await
        .unwrap();
    let (lost, chat_lost) = (reasons(&root), reasons(&chat));
    for round in 1..=5 {
        upgraded(&root).await;
        let (id, chat_id) = (root.id(), chat.id());
        link.cut();
        lost.wait_for(round).await;
        chat_lost.wait_for(round).await;
        eventually("both namespaces joined again", || {
            let new =
                |now: Option<String>, before: &Option<String>| now.is_some() && now != *before;
            new(root.id(), &id) && new(chat.id(), &chat_id)
        })
        .await;
        for socket in [&root, &chat] {
            let (n,): (usize,) = within("an ack", socket.emit_with_ack("ack", (round,)))
                .await
                .unwrap();
            assert_eq!(n, round);
        }
    }
    // What was lost does not stay behind on the server either.
    server.has_sockets("/", 1).await;
    server.has_sockets("/chat", 1).await;
    assert!(lost.all().into_iter().all(is_loss), "{:?}", lost.all());
}

// python-socketio announces its interval in whole seconds.
scenario!(a_vanished_link_is_noticed_by_the_heartbeat);
async fn a_vanished_link_is_noticed_by_the_heartbeat(kind: Kind) {
    let server =
        Server::start_with(kind, &["--ping-interval", "1000", "--ping-timeout", "300"]).await;
    for way in WAYS {
        let link = Link::to(server.port).await;
        let builder = builder(&link.url("/"))
            .transports(way.iter().copied())
            .timeout(Duration::from_millis(500));
        let socket = joined(builder).await;
        let reasons = reasons(&socket);
        link.stall(true);
        assert_eq!(
            reasons.first().await,
            DisconnectReason::PingTimeout,
            "{way:?}"
        );
        link.stall(false);
        eventually("the reconnection", || socket.connected()).await;
        let (n,): (u32,) = within("an ack", socket.emit_with_ack("ack", (1,)))
            .await
            .unwrap();
        assert_eq!(n, 1);
    }
}

scenario!(the_server_takes_a_socket_out);
async fn the_server_takes_a_socket_out(kind: Kind) {
    let mut server = Server::start(kind).await;
    for way in WAYS {
        let root = connect_by(&server.url("/"), way).await;
        let chat = within("joining", root.namespace("/chat").connect())
            .await
            .unwrap();
        let (root_left, chat_left) = (reasons(&root), reasons(&chat));
        let id = root.id();

        server.disconnect("/chat").await;
        assert_eq!(
            chat_left.first().await,
            DisconnectReason::IoServerDisconnect,
            "{way:?}"
        );
        assert!(!chat.connected() && !chat.active());
        let (n,): (u32,) = within("an ack on /", root.emit_with_ack("ack", (1,)))
            .await
            .unwrap();
        assert_eq!((n, root.id(), root_left.len()), (1, id, 0));

        within("joining again", chat.connect()).await.unwrap();
        server.has_sockets("/chat", 1).await;
        chat.emit("leave", ()).unwrap();
        chat_left.wait_for(2).await;
        assert!(!chat.active() && root.connected());
        root.disconnect();
        server.has_sockets("/", 0).await;
    }
}

// socketioxide cannot close one connection.
scenario!(the_server_closes_the_connection on node_4_8 Node48, node_3_1 Node31, python Python);
async fn the_server_closes_the_connection(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let reasons = reasons(&socket);
        socket.emit("close", ()).unwrap();
        let reason = reasons.first().await;
        if kind == Kind::Python {
            // It ends the connection without a word to the namespaces; that is a loss, after which one comes back.
            assert!(is_loss(reason), "{way:?} {reason:?}");
            eventually("the reconnection", || socket.connected()).await;
        } else {
            assert_eq!(reason, DisconnectReason::IoServerDisconnect, "{way:?}");
            assert!(!socket.active());
        }
    }
}

scenario!(the_first_connection_is_tried_again on node_4_8 Node48, socketioxide Socketioxide);
async fn the_first_connection_is_tried_again(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    link.break_down();
    let errors = Seen::new();
    let seen = errors.clone();
    let echoed = Seen::new();
    let heard = echoed.clone();
    let socket = builder(&link.url("/"))
        .on_connect_error(move |_, error: sockeye::ConnectError| seen.push(error.to_string()))
        .on("echo", move |(n,): (u32,)| heard.push(n))
        .connect_background()
        .unwrap();
    socket.emit("echo", (1,)).unwrap();
    errors.wait_for(2).await;
    assert!(!socket.connected() && socket.active());
    link.lead_to(server.port);
    assert_eq!(echoed.first().await, 1);
}

scenario!(gives_up_after_the_last_attempt on node_4_8 Node48);
async fn gives_up_after_the_last_attempt(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = joined(builder(&link.url("/")).reconnection_attempts(Some(3))).await;
    let events = Seen::new();
    let (attempts, failed) = (events.clone(), events.clone());
    socket
        .manager()
        .on_reconnect_attempt(move |n: u32| attempts.push(format!("attempt {n}")));
    socket
        .manager()
        .on_reconnect_failed(move || failed.push("failed".to_owned()));
    link.break_down();
    assert_eq!(
        events.wait_for(4).await,
        ["attempt 1", "attempt 2", "attempt 3", "failed"]
    );
    assert!(!socket.connected());

    link.lead_to(server.port);
    within("connecting by hand", socket.connect())
        .await
        .unwrap();
    assert_eq!(events.len(), 4);
}

scenario!(disconnecting_ends_the_wait_for_the_next_attempt on node_4_8 Node48);
async fn disconnecting_ends_the_wait_for_the_next_attempt(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let hour = Duration::from_secs(3600);
    let builder = builder(&link.url("/"))
        .reconnection_delay(hour)
        .reconnection_delay_max(hour);
    let socket = joined(builder).await;
    let lost = reasons(&socket);
    link.break_down();
    lost.wait_for(1).await;
    assert!(socket.active());
    socket.disconnect();
    eventually("the end of the attempts", || !socket.active()).await;
    link.lead_to(server.port);
    within("connecting by hand", socket.connect())
        .await
        .unwrap();
}

scenario!(no_reconnection_when_switched_off on node_4_8 Node48);
async fn no_reconnection_when_switched_off(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = joined(builder(&link.url("/")).reconnection(false)).await;
    upgraded(&socket).await;
    let lost = reasons(&socket);
    let accepted = link.accepted();
    link.cut();
    lost.wait_for(1).await;
    assert!(!socket.connected() && !socket.active());
    within("connecting by hand", socket.connect())
        .await
        .unwrap();
    assert!(link.accepted() > accepted);
}

scenario!(a_new_connection_on_demand);
async fn a_new_connection_on_demand(kind: Kind) {
    let mut server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let id = socket.id();
    socket.manager().reconnect();
    eventually("a new session", || {
        socket.id().is_some() && socket.id() != id
    })
    .await;
    server.has_sockets("/", 1).await;
}

scenario!(handlers_may_leave_and_emit);
async fn handlers_may_leave_and_emit(kind: Kind) {
    let mut server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let reasons = reasons(&socket);
    socket.on("echo", |(n,): (u32,), reply: Responder| {
        let socket = reply.socket().unwrap();
        if n < 10 {
            socket.emit("echo", (n + 1,)).unwrap();
        } else {
            socket.disconnect();
        }
    });
    socket.emit("echo", (0,)).unwrap();
    assert_eq!(reasons.first().await, DisconnectReason::IoClientDisconnect);
    server.has_sockets("/", 0).await;
}

scenario!(volatile_events_are_dropped_while_disconnected);
async fn volatile_events_are_dropped_while_disconnected(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = connect(&link.url("/")).await;
    let lost = reasons(&socket);
    link.break_down();
    lost.wait_for(1).await;
    let dropped = socket.volatile().emit("count", (1,));
    assert_eq!(dropped, Err(sockeye::EmitError::NotWritable));
    socket.emit("count", (2,)).unwrap();
    link.lead_to(server.port);
    let (counted,): (Value,) = within("counted", socket.emit_with_ack("counted", ()))
        .await
        .unwrap();
    assert_eq!(counted, serde_json::json!([2]));
}
