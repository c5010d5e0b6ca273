//! Servers of Socket.IO 2 and 1 (Engine.IO 3): what is different there. What is the same runs in the other modules.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sockeye::{ConnectErrorKind, Event, Protocol, Transport};

use crate::client::{WAYS, builder, connect_by, joined, upgraded};
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually, within};

macro_rules! older {
    ($name:ident) => {
        scenario!($name on node_2_5 Node25, node_1_7 Node17, python_4 Python4, flask_4 Flask4);
    };
}

older!(the_version_is_detected_or_chosen);
async fn the_version_is_detected_or_chosen(kind: Kind) {
    let mut server = Server::start(kind).await;
    for protocol in [Protocol::Detect, Protocol::V3] {
        for way in WAYS {
            let builder = builder(&server.url("/?color=blue"))
                .protocol(protocol)
                .transports(way.iter().copied())
                .header("x-tenant", "a7");
            let socket = joined(builder).await;
            let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
                .await
                .unwrap();
            assert_eq!(me["id"], json!(socket.id().unwrap()), "{way:?}");
            assert_eq!(me["query"]["color"], "blue");
            assert_eq!(me["headers"]["x-tenant"], "a7");
            if way.len() > 1 {
                upgraded(&socket).await;
            }
            // What the server saw of a connection before this one is over.
            server.has_sockets("/", 1).await;
            socket.disconnect();
            server.has_sockets("/", 0).await;
        }
    }
}

older!(protocol_4_refuses_it);
async fn protocol_4_refuses_it(kind: Kind) {
    let server = Server::start(kind).await;
    let refused = builder(&server.url("/"))
        .protocol(Protocol::V4)
        .transports([Transport::Polling])
        .reconnection(false)
        .connect();
    let error = within("an error", refused).await.expect_err("it is older");
    let text = error.to_string();
    let expected = match kind {
        // It refuses by itself what it does not speak.
        Kind::Python4 | Kind::Flask4 => "unsupported version",
        _ => "Socket.IO 2",
    };
    assert!(text.contains(expected), "{text}");
}

// Over a WebSocket alone nothing but the silence after its unasked `40` tells. (The servers in Python close the WebSocket.)
scenario!(protocol_4_refuses_it_over_a_websocket on node_2_5 Node25, node_1_7 Node17);
async fn protocol_4_refuses_it_over_a_websocket(kind: Kind) {
    let server = Server::start(kind).await;
    let begun = Instant::now();
    let refused = builder(&server.url("/"))
        .protocol(Protocol::V4)
        .transports([Transport::WebSocket])
        .reconnection(false)
        .connect();
    let error = within("an error", refused).await.expect_err("it is older");
    assert_eq!(error.kind(), ConnectErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("Socket.IO 2"), "{error}");
    // Long before the join timeout of 20 s.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

scenario!(protocol_3_is_refused on node_4_8 Node48, python Python);
async fn protocol_3_is_refused(kind: Kind) {
    let server = Server::start(kind).await;
    let refused = builder(&server.url("/"))
        .protocol(Protocol::V3)
        .transports([Transport::Polling])
        .reconnection(false)
        .connect();
    let error = within("an error", refused).await.expect_err("it is newer");
    assert!(error.to_string().contains("400"), "{error}");
}

older!(credentials_go_into_the_query);
async fn credentials_go_into_the_query(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let with_auth = builder(&server.url("/"))
            .transports(way.iter().copied())
            .auth(json!({"token": "secret"}))
            .connect();
        let error = within("an error", with_auth).await.expect_err("no auth");
        assert_eq!(error.kind(), ConnectErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("query or a header"), "{error}");

        let bare = builder(&server.url("/admin")).transports(way.iter().copied());
        let error = within("an error", bare.connect())
            .await
            .expect_err("no token");
        assert_eq!(error.message(), "not authorized", "{error}");

        let query = builder(&server.url("/admin?token=secret")).transports(way.iter().copied());
        let admin = joined(query).await;
        let id = admin.id().unwrap();
        // As the clients of that time have it, whatever the server calls it.
        assert!(id.starts_with("/admin#"), "{id}");
    }
}

scenario!(a_namespace_has_a_query_of_its_own on node_2_5 Node25, node_1_7 Node17);
async fn a_namespace_has_a_query_of_its_own(kind: Kind) {
    let mut server = Server::start(kind).await;
    for way in WAYS {
        let main = connect_by(&server.url("/"), way).await;
        let admin = within("joining", main.namespace("/admin?token=secret").connect())
            .await
            .unwrap();
        let (answer,): (String,) = within("ack", admin.emit_with_ack("ack", ("å",)))
            .await
            .unwrap();
        assert_eq!(answer, "å");
        server.emit("/admin", "news", json!([1])).await;
        admin.disconnect();
        server.has_sockets("/admin", 0).await;
        assert!(main.connected());
        main.disconnect();
        server.has_sockets("/", 0).await;
    }
}

scenario!(errors_of_a_socket_are_events on node_2_5 Node25, node_1_7 Node17);
async fn errors_of_a_socket_are_events(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect_by(&server.url("/"), &[Transport::WebSocket]).await;
    let heard = Seen::new();
    let seen = heard.clone();
    socket.on_any(move |event: &Event| {
        if event.name() == "error" {
            seen.push(json!([event.name(), Value::from(event.args().values())]));
        }
    });
    socket.emit("complain", (json!("no"),)).unwrap();
    socket
        .emit("complain", (json!({"reason": [1, "two"]}),))
        .unwrap();
    assert_eq!(
        heard.wait_for(2).await,
        [
            json!(["error", ["no"]]),
            json!(["error", [{"reason": [1, "two"]}]])
        ]
    );
    assert!(socket.connected());
}

older!(the_heart_beats);
async fn the_heart_beats(kind: Kind) {
    let options = ["--ping-interval", "1000", "--ping-timeout", "3000"];
    let server = Server::start_with(kind, &options).await;
    for way in [[Transport::Polling], [Transport::WebSocket]] {
        let socket = connect_by(&server.url("/"), &way).await;
        let (late,): (u64,) = within(
            "an answer after several beats",
            socket.emit_with_ack("later", (3_500, 7)),
        )
        .await
        .unwrap();
        assert_eq!(late, 7);
        assert!(socket.connected());
    }
}

older!(it_comes_back_after_a_restart);
async fn it_comes_back_after_a_restart(kind: Kind) {
    let mut server = Server::start(kind).await;
    let link = crate::link::Link::to(server.port).await;
    for way in [[Transport::Polling], [Transport::WebSocket]] {
        let socket = connect_by(&link.url("/"), &way).await;
        let chat = within("joining", socket.namespace("/chat").connect())
            .await
            .unwrap();
        server.restart().await;
        link.lead_to(server.port);
        link.cut();
        eventually("the end", || !socket.connected()).await;
        let (kept,): (u8,) = within("ack", chat.emit_with_ack("ack", (1,)))
            .await
            .unwrap();
        assert_eq!(kept, 1);
        eventually("the main namespace", || socket.connected()).await;
    }
}
