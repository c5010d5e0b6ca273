//! Binary at any depth, both ways, on both transports.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sockeye::{Args, Bin, Transport};

use crate::support::{Host, Log, client, client_at, polling, within};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Picture {
    name: String,
    data: Bin,
    tiles: Vec<Tile>,
    #[serde(default)]
    thumbs: BTreeMap<String, Bin>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Tile {
    Raw(Bin),
    Ref { id: u32 },
    Pair(Bin, Bin),
}

fn picture() -> Picture {
    Picture {
        name: "a \"quoted\" é".into(),
        data: Bin::from((0..=255).collect::<Vec<u8>>()),
        tiles: vec![
            Tile::Raw(Bin::from(vec![1])),
            Tile::Ref { id: 2 },
            Tile::Pair(Bin::from(vec![]), Bin::from(vec![4; 70_000])),
        ],
        thumbs: BTreeMap::from([
            ("s".into(), Bin::from(vec![5, 6])),
            ("t".into(), Bin::from(vec![0x1e, 0x62])),
        ]),
    }
}

#[tokio::test]
async fn there_and_back_at_any_depth() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sender = std::sync::Mutex::new(Some(sender));
        socket.on("echo", move |(picture, n, last): (Picture, u32, Bytes)| {
            let _ = sender
                .lock()
                .unwrap()
                .take()
                .unwrap()
                .send((picture, n, last));
        });
        socket
            .emit("echo", (picture(), 7, Bytes::from_static(b"last")))
            .unwrap();
        let (back, n, last) = within("the echo", receiver).await.unwrap();
        assert_eq!((back, n, &last[..]), (picture(), 7, &b"last"[..]));
        // Placeholders are numbered in the order in which they are met.
        let received = host.received(1).await.remove(0);
        for part in [
            "\"data\":{\"_placeholder\":true,\"num\":0}",
            "{\"Raw\":{\"_placeholder\":true,\"num\":1}}",
            "\"Pair\":[{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":3}]",
            "{\"s\":{\"_placeholder\":true,\"num\":4},\"t\":{\"_placeholder\":true,\"num\":5}}",
            "7,{\"_placeholder\":true,\"num\":6}]",
        ] {
            assert!(
                received.contains(part),
                "{part} is not in {}",
                &received[..600]
            );
        }
    }
}

#[tokio::test]
async fn order_is_kept_around_binary_packets() {
    for transports in [
        vec![Transport::Polling],
        vec![Transport::WebSocket],
        vec![Transport::Polling, Transport::WebSocket],
    ] {
        let host = Host::start();
        let socket = within(
            "connect",
            client_at(host.url("/")).transports(transports).connect(),
        )
        .await
        .unwrap();
        let log = Log::new();
        let out = log.clone();
        socket.on("echo", move |args: Args| {
            out.push(format!(
                "{} {}",
                args.values()[0],
                args.attachments().iter().map(|a| a[0]).sum::<u8>()
            ));
        });
        for n in 0..100u8 {
            match n % 3 {
                0 => socket.emit("echo", (n,)).unwrap(),
                1 => socket.emit("echo", (n, Bin::from(vec![n]))).unwrap(),
                _ => socket
                    .emit("echo", (n, Bin::from(vec![1]), [Bin::from(vec![2, 3])]))
                    .unwrap(),
            }
        }
        let expected: Vec<_> = (0..100u8)
            .map(|n| match n % 3 {
                0 => format!("{n} 0"),
                1 => format!("{n} {n}"),
                _ => format!("{n} 3"),
            })
            .collect();
        assert_eq!(log.wait(100).await, expected);
    }
}

#[tokio::test]
async fn answers_with_binary() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        socket.on(
            "photo",
            |(wanted, key): (u32, Bin), reply: sockeye::Responder| {
                reply
                    .ack((
                        wanted,
                        Bin::from(key.iter().rev().copied().collect::<Vec<u8>>()),
                    ))
                    .unwrap();
            },
        );
        host.send("451-8[\"photo\",640,{\"_placeholder\":true,\"num\":0}]");
        // As a frame, or as base64 on polling.
        if socket.transport() == Some(Transport::WebSocket) {
            host.frame(0x82, &[1, 2, 3]);
        } else {
            host.send("bAQID");
        }
        assert_eq!(
            host.received(1).await,
            ["/ ack 8 [640,{\"_placeholder\":true,\"num\":0}]"]
        );
        host.state(|state| {
            let frame = state
                .frames
                .iter()
                .any(|frame| frame.first == 0x82 && frame.payload == [3, 2, 1]);
            let body = state
                .requests
                .iter()
                .any(|request| request.text().contains("bAwIB"));
            assert!(frame || body);
        });
    }
}

#[tokio::test]
async fn placeholders_in_any_order_and_args_as_they_are() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on("p", move |(a, b): (Bin, Bin)| {
        out.push(format!("{:?} {:?}", &a[..], &b[..]));
    });
    let out = log.clone();
    socket.on("p", move |args: Args| {
        out.push(format!("{:?}", args.attachments()));
    });
    host.emit_binary(
        "/",
        "[\"p\",{\"num\":1,\"_placeholder\":true},{\"_placeholder\":true,\"num\":0}]",
        &[&[1], &[2]],
    );
    assert_eq!(log.wait(2).await, ["[2] [1]", "[b\"\\x01\", b\"\\x02\"]"]);
    // Received arguments can be passed on with everything that belongs to them.
    let mut events = socket.events();
    host.emit_binary(
        "/",
        "[\"q\",{\"a\":[{\"_placeholder\":true,\"num\":0}]}]",
        &[&[7, 8]],
    );
    let event = within("q", events.next()).await.unwrap();
    socket.emit("on", event.args().clone()).unwrap();
    assert_eq!(
        host.received(1).await,
        ["/ [\"on\",{\"a\":[{\"_placeholder\":true,\"num\":0}]}] <0708>"]
    );
}
