//! permessage-deflate with the official servers, by Node's own zlib.

use serde_json::Value;
use sockeye::{Bin, Compression, Socket, Transport};

use crate::client::{builder, joined, upgraded};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{eventually, within};

/// What the server compresses by: `--deflate THRESHOLD`.
const ALWAYS: [&str; 2] = ["--deflate", "0"];

/// What the server says of the WebSocket.
async fn extensions(socket: &Socket) -> String {
    let (me,): (Value,) = within("describe", socket.emit_with_ack("describe", ()))
        .await
        .unwrap();
    me["extensions"].as_str().unwrap_or_default().to_owned()
}

/// Texts and binary of all sizes there and back, each several times, so that later ones refer to earlier ones.
async fn there_and_back(socket: &Socket) {
    for _ in 0..3 {
        for n in [0, 1, 100, 1023, 1024, 5000, 70_000, 700_000] {
            let text: String = ('a'..='z')
                .chain(['æ', '\u{1f600}'])
                .cycle()
                .take(n)
                .collect();
            let bytes: Vec<u8> = (0..n).map(|i| (i * i / 7) as u8).collect();
            let answer = socket.emit_with_ack("ack", (&text, Bin::from(bytes.clone())));
            let (a, b): (String, Bin) = within("an answer", answer).await.unwrap();
            assert!(
                a == text && b.as_ref() == bytes,
                "{n} bytes have changed on the way"
            );
        }
    }
}

scenario!(compressed_both_ways on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_4_8_tls Node48Tls, node_3_1 Node31);
async fn compressed_both_ways(kind: Kind) {
    let server = Server::start_with(kind, &ALWAYS).await;
    for compression in [
        Compression::DEFAULT,
        Compression::DEFAULT.threshold(0),
        Compression::DEFAULT.client_no_context_takeover(true),
        Compression::DEFAULT
            .server_no_context_takeover(true)
            .threshold(0),
    ] {
        for transports in [
            vec![Transport::WebSocket],
            vec![Transport::Polling, Transport::WebSocket],
        ] {
            let builder = builder(&server.url("/"))
                .transports(transports)
                .compression(compression);
            let socket = joined(builder).await;
            upgraded(&socket).await;
            assert_eq!(extensions(&socket).await, "permessage-deflate");
            let agreed = socket.manager().compression().expect("compression");
            assert!(agreed.sending);
            there_and_back(&socket).await;
        }
    }
}

// A server that asks for smaller windows refuses whoever does not offer them: its messages are read all the same.
scenario!(smaller_windows on node_4_8 Node48, node_3_1 Node31);
async fn smaller_windows(kind: Kind) {
    let server = Server::start_with(kind, &["--deflate", "0", "--window-bits", "10"]).await;
    let builder = builder(&server.url("/"))
        .transports([Transport::WebSocket])
        .compression(Compression::DEFAULT.threshold(0));
    let socket = joined(builder).await;
    assert_eq!(extensions(&socket).await, "permessage-deflate");
    let agreed = socket.manager().compression().expect("compression");
    assert!(!agreed.sending);
    there_and_back(&socket).await;
}

// By default the official servers do not compress, and others decide for themselves.
scenario!(offered_to_anybody on node_4_8 Node48, node_3_1 Node31, python Python, socketioxide Socketioxide);
async fn offered_to_anybody(kind: Kind) {
    let server = Server::start(kind).await;
    let builder = builder(&server.url("/"))
        .transports([Transport::WebSocket])
        .compression(Compression::DEFAULT);
    let socket = joined(builder).await;
    there_and_back(&socket).await;
}

// What is kept for the next connection is compressed anew, with nothing of the old one's context.
scenario!(a_connection_that_breaks on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_4_8_tls Node48Tls);
async fn a_connection_that_breaks(kind: Kind) {
    let server = Server::start_with(kind, &ALWAYS).await;
    let link = Link::to(server.port).await;
    let builder = builder(&link.url("/"))
        .transports([Transport::WebSocket])
        .compression(Compression::DEFAULT);
    let socket = joined(builder).await;
    there_and_back(&socket).await;
    link.cut();
    // What is asked before the client has seen the cut goes down with the old connection.
    eventually("the end", || !socket.connected()).await;
    there_and_back(&socket).await;
}
