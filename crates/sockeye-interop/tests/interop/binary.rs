//! Binary data at any depth, and large messages.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sockeye::{Args, Bin};

use crate::client::{WAYS, connect_by};
use crate::server::{Kind, Server};
use crate::wait::{Seen, within};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nested {
    first: Bin,
    list: (Bin, Deep),
    text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Deep {
    deep: Bin,
}

/// What is sent to a server: with an empty one in it, where the server understands that.
fn nested_for(kind: Kind) -> Nested {
    let mut nested = nested();
    if kind.loses_empty_binary() {
        nested.list.0 = Bin::from(vec![0]);
    }
    nested
}

fn nested() -> Nested {
    let deep = Deep {
        deep: Bin::from(vec![0xff, 0, 0x80]),
    };
    Nested {
        first: Bin::from(vec![1, 2, 3]),
        list: (Bin::from(vec![]), deep),
        text: "æøå".into(),
    }
}

scenario!(the_server_understands_nested_binary and older);
async fn the_server_understands_nested_binary(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/chat"), way).await;
        let args = (nested_for(kind), 1, Bin::from(b"top".to_vec()));
        let second = if kind.loses_empty_binary() { "00" } else { "" };
        let (understood,): (Value,) = within("inspect", socket.emit_with_ack("inspect", args))
            .await
            .unwrap();
        let expected = json!([
            {"first": {"$bin": "010203"}, "list": [{"$bin": second}, {"deep": {"$bin": "ff0080"}}], "text": "æøå"},
            1,
            {"$bin": "746f70"}
        ]);
        assert_eq!(understood, expected, "{way:?}");
    }
}

scenario!(the_client_understands_nested_binary and older);
async fn the_client_understands_nested_binary(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let (answer,): (Nested,) = within("binary", socket.emit_with_ack("binary", ()))
            .await
            .unwrap();
        assert_eq!(answer, nested(), "{way:?}");
    }
}

scenario!(events_carry_binary_both_ways and older);
async fn events_carry_binary_both_ways(kind: Kind) {
    let server = Server::start(kind).await;
    let least = usize::from(kind.loses_empty_binary());
    let event = |n: u32| {
        let bytes = vec![n as u8; n as usize + least];
        (n, nested_for(kind), Bin::from(bytes))
    };
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let echoed = Seen::new();
        let seen = echoed.clone();
        socket.on("echo", move |(n, nested, bytes): (u32, Nested, Bin)| {
            seen.push((n, nested, bytes));
        });
        // Text events between them must not get in the way of attachments.
        for n in 0..50 {
            socket.emit("echo", event(n)).unwrap();
            socket.emit("count", (n,)).unwrap();
        }
        let expected: Vec<_> = (0..50).map(event).collect();
        assert_eq!(echoed.wait_for(50).await, expected, "{way:?}");
    }
}

scenario!(ten_attachments_in_one_event and older);
async fn ten_attachments_in_one_event(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let bins: Vec<Bin> = (0..10).map(|n| Bin::from(vec![n; 100])).collect();
        let (echo,): (Vec<Bin>,) = within("ack", socket.emit_with_ack("ack", (&bins,)))
            .await
            .unwrap();
        assert_eq!(echo, bins, "{way:?}");
    }
}

scenario!(untyped_handlers_see_the_attachments and older);
async fn untyped_handlers_see_the_attachments(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect_by(&server.url("/"), WAYS[1]).await;
    let echoed = Seen::new();
    let seen = echoed.clone();
    socket.on("echo", move |args: Args| {
        let attachments: Vec<Vec<u8>> = args
            .attachments()
            .iter()
            .map(|bytes| bytes.to_vec())
            .collect();
        seen.push((args.values()[0].clone(), attachments));
    });
    socket
        .emit("echo", ("x", Bin::from(vec![1]), Bin::from(vec![2, 3])))
        .unwrap();
    assert_eq!(
        echoed.first().await,
        (json!("x"), vec![vec![1], vec![2, 3]])
    );
}

const LARGE: usize = 2_000_000;

fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

scenario!(two_megabytes_of_text and older);
async fn two_megabytes_of_text(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let (text,): (String,) = within("text", socket.emit_with_ack("text", (LARGE,)))
            .await
            .unwrap();
        assert!(
            text.len() == LARGE && text.bytes().all(|byte| byte == b'x'),
            "{way:?}"
        );
        let sent = "é".repeat(LARGE / 2);
        let sum: usize = sent.bytes().map(usize::from).sum();
        let size: (usize, usize) = within("size", socket.emit_with_ack("size", (sent,)))
            .await
            .unwrap();
        assert_eq!(size, (LARGE, sum), "{way:?}");
    }
}

scenario!(two_megabytes_of_binary and older);
async fn two_megabytes_of_binary(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let (blob,): (Bin,) = within("blob", socket.emit_with_ack("blob", (LARGE,)))
            .await
            .unwrap();
        assert!(blob == Bin::from(pattern(LARGE)), "{way:?}");
        let sum: usize = blob.iter().copied().map(usize::from).sum();
        let size: (usize, usize) = within("size", socket.emit_with_ack("size", (blob,)))
            .await
            .unwrap();
        assert_eq!(size, (LARGE, sum), "{way:?}");
    }
}

scenario!(a_message_too_large_for_the_server_is_not_sent_for_ever);
async fn a_message_too_large_for_the_server_is_not_sent_for_ever(kind: Kind) {
    let server = Server::start_with(kind, &["--max-buffer", "100000"]).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        // The server ends the connection over it. What comes after must get through on the next one.
        socket.emit("count", ("x".repeat(300_000),)).unwrap();
        let answered = async {
            while socket
                .emit_with_ack::<_, (u32,)>("ack", (1,))
                .await
                .is_err()
            {}
        };
        within("an answer after the large message", answered).await;
    }
}
