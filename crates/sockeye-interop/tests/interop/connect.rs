//! Joining, namespaces, authentication, refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use sockeye::{Disconnected, Transport};

use crate::client::{WAYS, builder, connect, connect_by, joined, upgraded};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually, within};

scenario!(joins_and_leaves and older);
async fn joins_and_leaves(kind: Kind) {
    let mut server = Server::start(kind).await;
    let welcomed = Seen::new();
    let seen = welcomed.clone();
    let socket =
        joined(builder(&server.url("/")).on("welcome", move |(nsp,): (String,)| seen.push(nsp)))
            .await;

    assert!(socket.connected() && socket.active() && !socket.recovered());
    assert_eq!(server.sockets("/").await, 1);
    assert_eq!(welcomed.first().await, "/");
    let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
        .await
        .unwrap();
    assert_eq!(me["id"].as_str(), socket.id().as_deref());
    assert_eq!(me["nsp"], "/");

    socket.disconnect();
    server.has_sockets("/", 0).await;
    assert!(!socket.connected() && !socket.active());
    assert_eq!(socket.id(), None);

    within("joining again", socket.connect()).await.unwrap();
    assert_eq!(server.sockets("/").await, 1);
    assert_eq!(welcomed.wait_for(2).await, ["/", "/"]);
}

scenario!(leaves_when_the_last_handle_is_dropped and older);
async fn leaves_when_the_last_handle_is_dropped(kind: Kind) {
    let mut server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let clone = socket.clone();
    drop(socket);
    let (answer,): (u32,) = within("an ack", clone.emit_with_ack("ack", (1,)))
        .await
        .unwrap();
    assert_eq!((answer, server.sockets("/").await), (1, 1));
    drop(clone);
    server.has_sockets("/", 0).await;
}

scenario!(namespaces_share_one_connection);
async fn namespaces_share_one_connection(kind: Kind) {
    let mut server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let root = connect_by(&link.url("/"), &[Transport::WebSocket]).await;
    let chat = within("joining /chat", root.namespace("/chat").connect())
        .await
        .unwrap();
    assert_eq!(link.accepted(), 1);
    // socketioxide gives all namespaces of a connection the same id.
    assert!(kind == Kind::Socketioxide || root.id() != chat.id());

    let seen = Seen::new();
    for (name, socket) in [("root", &root), ("chat", &chat)] {
        let seen = seen.clone();
        socket.on("news", move |(n,): (u32,)| seen.push((name, n)));
    }
    server.emit("/chat", "news", json!([1])).await;
    assert_eq!(seen.first().await, ("chat", 1));
    server.emit("/", "news", json!([2])).await;
    assert_eq!(seen.wait_for(2).await[1], ("root", 2));

    chat.disconnect();
    server.has_sockets("/chat", 0).await;
    let (answer,): (u32,) = within("an ack on /", root.emit_with_ack("ack", (3,)))
        .await
        .unwrap();
    assert_eq!(answer, 3);
}

scenario!(joins_a_namespace_alone);
async fn joins_a_namespace_alone(kind: Kind) {
    let mut server = Server::start(kind).await;
    let chat = connect(&server.url("/chat")).await;
    assert_eq!(
        (server.sockets("/").await, server.sockets("/chat").await),
        (0, 1)
    );
    let (me,): (Value,) = within("describe", chat.emit_with_ack("describe", ()))
        .await
        .unwrap();
    assert_eq!(me["nsp"], "/chat");
}

scenario!(holds_events_back_until_a_slow_namespace_is_joined and older);
async fn holds_events_back_until_a_slow_namespace_is_joined(kind: Kind) {
    let server = Server::start(kind).await;
    let slow = builder(&server.url("/slow")).connect_background().unwrap();
    for i in 0..20 {
        slow.emit("count", (i,)).unwrap();
    }
    assert!(!slow.connected());
    let (counted,): (Vec<u32>,) = within("counted", slow.emit_with_ack("counted", ()))
        .await
        .unwrap();
    assert_eq!(counted, (0..20).collect::<Vec<_>>());
}

scenario!(leaves_and_joins_again_at_once and older);
async fn leaves_and_joins_again_at_once(kind: Kind) {
    // The official server leaves a namespace on its next tick: a CONNECT behind the DISCONNECT in one segment would meet
    // the old socket, and end the connection with all namespaces.
    let mut server = Server::start(kind).await;
    for way in WAYS {
        let root = connect_by(&server.url("/"), way).await;
        let chat = within("joining", root.namespace("/chat").connect())
            .await
            .unwrap();
        let (session, lost) = (root.id(), Seen::new());
        let seen = lost.clone();
        root.on_disconnect(move |_, why: Disconnected| seen.push(why.to_string()));
        for n in 0..10u32 {
            chat.disconnect();
            within("joining again", chat.connect()).await.unwrap();
            let (m,): (u32,) = within("an answer", chat.emit_with_ack("ack", (n,)))
                .await
                .unwrap();
            assert_eq!(m, n);
        }
        assert_eq!((root.id(), lost.all()), (session, Vec::new()), "{way:?}");
        server.has_sockets("/chat", 1).await;
        within("closing", root.close()).await.ok();
        drop(chat);
        server.has_sockets("/", 0).await;
    }
}

scenario!(sends_auth_query_and_headers);
async fn sends_auth_query_and_headers(kind: Kind) {
    let server = Server::start(kind).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let builder = builder(&server.url("/chat?token=1"))
            .transports([transport])
            .auth(json!({"token": "x", "deep": {"list": [1, null, "æ"]}}))
            .query("device", "board 1&2")
            .header("X-Name", "v");
        let socket = joined(builder).await;
        let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
            .await
            .unwrap();
        assert_eq!(
            me["auth"],
            json!({"token": "x", "deep": {"list": [1, null, "æ"]}})
        );
        assert_eq!(me["query"]["token"], "1", "{me}");
        // Some servers hand the query out as it came.
        let device = me["query"]["device"]
            .as_str()
            .unwrap()
            .replace('+', " ")
            .replace("%20", " ")
            .replace("%26", "&");
        assert_eq!(device, "board 1&2");
        assert_eq!(me["headers"]["x-name"], "v", "{me}");
    }
}

scenario!(computes_auth_for_every_join);
async fn computes_auth_for_every_join(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let builder = builder(&link.url("/")).auth_with(move || {
        let n = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok::<_, sockeye::BoxError>(json!({"n": n})) }
    });
    let socket = joined(builder).await;
    upgraded(&socket).await;
    let first = socket.id();
    link.cut();
    eventually("a new session", || {
        socket.id().is_some() && socket.id() != first
    })
    .await;
    let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
        .await
        .unwrap();
    assert_eq!(me["auth"], json!({"n": 2}));
    socket.disconnect();
    within("joining again", socket.connect()).await.unwrap();
    let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
        .await
        .unwrap();
    assert_eq!(me["auth"], json!({"n": 3}));
}

scenario!(is_refused_with_message_and_data);
async fn is_refused_with_message_and_data(kind: Kind) {
    let mut server = Server::start(kind).await;
    let error = within("the refusal", builder(&server.url("/admin")).connect())
        .await
        .expect_err("a refusal");
    assert_eq!(error.message(), "not authorized", "{error}");
    assert!(error.to_string().contains("not authorized"), "{error}");
    // socketioxide has no way to send data.
    let data = (kind != Kind::Socketioxide).then(|| json!({"code": 401}));
    assert_eq!(error.data().cloned(), data, "{error}");
    assert_eq!(server.sockets("/admin").await, 0);

    let admin = joined(builder(&server.url("/admin")).auth(json!({"token": "secret"}))).await;
    assert!(admin.connected());
}

scenario!(a_refused_namespace_leaves_the_others_alone);
async fn a_refused_namespace_leaves_the_others_alone(kind: Kind) {
    let server = Server::start(kind).await;
    let root = connect(&server.url("/")).await;
    let id = root.id();
    let admin = within("the refusal", root.namespace("/admin").connect()).await;
    assert!(admin.is_err());
    let unknown = within("the refusal", root.namespace("/nowhere").connect())
        .await
        .expect_err("a refusal");
    let expected = if kind == Kind::Python {
        "Unable to connect"
    } else {
        "Invalid namespace"
    };
    assert_eq!(unknown.message(), expected, "{unknown}");

    let (answer,): (u32,) = within("an ack", root.emit_with_ack("ack", (1,)))
        .await
        .unwrap();
    assert_eq!((answer, root.id()), (1, id));
    let admin = within(
        "joining",
        root.namespace("/admin")
            .auth(json!({"token": "secret"}))
            .connect(),
    )
    .await
    .unwrap();
    assert!(admin.connected());
}

scenario!(uses_another_request_path);
async fn uses_another_request_path(kind: Kind) {
    let server = Server::start_with(kind, &["--path", "/realtime"]).await;
    let socket = joined(builder(&server.url("/chat")).path("/realtime")).await;
    let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
        .await
        .unwrap();
    assert_eq!(me["nsp"], "/chat");
}
