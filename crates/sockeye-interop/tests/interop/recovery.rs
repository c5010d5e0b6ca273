//! Connection state recovery, which only socket.io 4.6 and newer has.

use serde_json::json;
use sockeye::Args;

use crate::client::{WAYS, connect_by};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually};

scenario!(what_was_missed_is_delivered on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_4_8_tls Node48Tls);
async fn what_was_missed_is_delivered(kind: Kind) {
    // A server that is not being asked anything notices a loss by its heartbeat only.
    let heartbeat = ["--ping-interval", "500", "--ping-timeout", "500"];
    let options = [&heartbeat[..], &["--recovery", "60000"]].concat();
    let mut server = Server::start_with(kind, &options).await;
    for way in WAYS {
        let link = Link::to(server.port).await;
        let socket = connect_by(&link.url("/"), way).await;
        let notes = Seen::new();
        let seen = notes.clone();
        // With recovery on, the server adds an offset as one argument more.
        socket.on("note", move |args: Args| {
            seen.push(args.values()[0].clone());
        });
        let id = socket.id();
        server.emit("/", "note", json!([1])).await;
        notes.wait_for(1).await;

        for round in 1..=3 {
            link.break_down();
            eventually("the disconnection", || !socket.connected()).await;
            server.has_sockets("/", 0).await;
            server.emit("/", "note", json!([round * 10])).await;
            server.emit("/", "note", json!([round * 10 + 1])).await;
            link.lead_to(server.port);
            let all = notes.wait_for(1 + 2 * round).await;
            assert_eq!(
                all[2 * round - 1..],
                [json!(round * 10), json!(round * 10 + 1)],
                "{way:?}"
            );
            assert!(socket.recovered() && socket.id() == id, "{way:?}");
        }
        socket.disconnect();
        server.has_sockets("/", 0).await;
    }
}

scenario!(a_new_session_is_not_recovered on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_4_8_tls Node48Tls);
async fn a_new_session_is_not_recovered(kind: Kind) {
    let server = Server::start_with(kind, &["--recovery", "60000"]).await;
    let socket = connect_by(&server.url("/"), WAYS[1]).await;
    let id = socket.id();
    assert!(!socket.recovered());
    socket.disconnect();
    crate::wait::within("joining again", socket.connect())
        .await
        .unwrap();
    assert!(!socket.recovered() && socket.id() != id);
}
