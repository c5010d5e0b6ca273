//! MessagePack with the official server's parser: what is said only there. (The other scenarios run with it as well.)

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sockeye::{Bin, Client, Parser, Transport, Value};

use crate::client::{WAYS, builder, connect, connect_by, joined};
use crate::server::{Kind, Server};
use crate::wait::{Seen, within};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    name: String,
    celsius: f64,
    single: f32,
    count: u64,
    least: i64,
    raw: Bin,
    parts: Vec<Bin>,
    inner: Option<Box<Self>>,
}

fn reading() -> Reading {
    let one = Reading {
        name: "roof\n\"é😀".into(),
        celsius: -21.55,
        single: 0.1,
        count: (1 << 53) - 1,
        least: -(1 << 53) + 1,
        raw: Bin::from(vec![0, 0xff, 0x80]),
        parts: vec![Bin::from(vec![]), Bin::from(vec![7; 300])],
        inner: None,
    };
    Reading {
        inner: Some(Box::new(one.clone())),
        ..one
    }
}

scenario!(typed_both_ways on node_4_8_msgpack Node48Msgpack, node_2_5_msgpack Node25Msgpack);
async fn typed_both_ways(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let sent = reading();
        let (back,): (Reading,) = within("an answer", socket.emit_with_ack("ack", (&sent,)))
            .await
            .unwrap();
        assert_eq!(back, sent);
        let heard = Seen::new();
        let seen = heard.clone();
        socket.on("echo", move |(reading,): (Reading,)| seen.push(reading));
        socket.emit("echo", (&sent,)).unwrap();
        assert_eq!(heard.wait_for(1).await, [sent]);
        // What JSON has no word for.
        let odd = (f64::NAN, f64::NEG_INFINITY);
        let (nan, infinite): (f64, f64) = within("an answer", socket.emit_with_ack("ack", odd))
            .await
            .unwrap();
        assert!(nan.is_nan() && infinite == f64::NEG_INFINITY);
        // More than ten binary values, which the other parser refuses.
        let many: Vec<Bin> = (0..100).map(|n| Bin::from(vec![n; 3])).collect();
        let (back,): (Vec<Bin>,) = within("an answer", socket.emit_with_ack("ack", (&many,)))
            .await
            .unwrap();
        assert_eq!(back, many);
    }
}

// The server gets values, not texts of them.
scenario!(what_the_server_understands on node_4_8_msgpack Node48Msgpack, node_2_5_msgpack Node25Msgpack);
async fn what_the_server_understands(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let args = (
        Bin::from(vec![1, 2]),
        [0i64, 127, 128, -1, -33, 70_000, -70_000],
        json!({"deep": [null, true, {"é": "\u{1f600}"}], "many": (0..40).collect::<Vec<_>>()}),
        "x".repeat(70_000),
    );
    let (seen,): (Json,) = within("inspect", socket.emit_with_ack("inspect", &args))
        .await
        .unwrap();
    assert_eq!(seen[0], json!({"$bin": "0102"}));
    assert_eq!(seen[1], json!(args.1));
    assert_eq!(seen[2], args.2);
    assert_eq!(seen[3], json!(args.3));
}

// Whoever speaks another language than the server is told so, and does not hang.
scenario!(the_wrong_parser on node_4_8_msgpack Node48Msgpack, node_4_8 Node48);
async fn the_wrong_parser(kind: Kind) {
    let server = Server::start(kind).await;
    let wrong = match kind {
        Kind::Node48Msgpack => Parser::Json,
        _ => Parser::MessagePack,
    };
    for way in [&[Transport::WebSocket][..], &[Transport::Polling]] {
        let refused = Client::builder(server.url("/"))
            .parser(wrong)
            .transports(way.iter().copied())
            .reconnection(false)
            .timeout(Duration::from_secs(5))
            .join_timeout(Duration::from_secs(5))
            .connect();
        let error = within("the refusal", refused).await.expect_err("no join");
        assert!(!error.to_string().is_empty());
    }
    // The server is none the worse for it.
    let socket = joined(builder(&server.url("/"))).await;
    let (n,): (u32,) = within("an ack", socket.emit_with_ack("ack", (1,)))
        .await
        .unwrap();
    assert_eq!(n, 1);
    let (any,): (Value,) = within("an ack", socket.emit_with_ack("ack", (Value::Null,)))
        .await
        .unwrap();
    assert_eq!(any, Value::Null);
}

scenario!(the_blocking_client on node_4_8_msgpack Node48Msgpack);
async fn the_blocking_client(kind: Kind) {
    let server = Server::start(kind).await;
    let url = server.url("/");
    let talk = tokio::task::spawn_blocking(move || {
        let socket = sockeye::blocking::Client::builder(&url)
            .parser(Parser::MessagePack)
            .connect()
            .unwrap();
        let sent = reading();
        let call = socket.emit_with_ack("ack", (&sent,));
        let (back,): (Reading,) = call.timeout(Duration::from_secs(10)).send().unwrap();
        assert_eq!(back, sent);
        socket.close().unwrap();
    });
    within("the blocking client", talk).await.unwrap();
}
