//! Servers of Socket.IO 2 and 1 (Engine.IO 3): fact 103 of docs/protocol.md. What they send is as the npm packages
//! socket.io 2.5 and 1.7 were seen to send it.

mod detection;
mod namespaces;

use sockeye_core::packet::BinRef;
use sockeye_core::{
    Config, EmitOptions, Link, NamespaceError, NspOptions, Protocol, Transport, Transports,
};

use sockeye_testkit::{Pieces, Rig, config, frame, response};

use crate::as_text;

const OPEN: &str =
    r#"0{"sid":"E1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}"#;
const OPEN_WS: &str = r#"0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":5000}"#;

fn spoken(protocol: Protocol, transports: Transports) -> Config<'static> {
    let mut config = config(transports);
    config.protocol = protocol;
    config
}

/// A payload as text: each packet behind its length in units of UTF-16.
fn as_lengths(packets: &[&str]) -> Vec<u8> {
    let packet = |packet: &&str| format!("{}:{packet}", packet.encode_utf16().count());
    packets.iter().map(packet).collect::<String>().into_bytes()
}

/// A payload in the binary form; a packet that begins with a byte 4 is binary.
fn as_records(packets: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    for packet in packets {
        payload.push(u8::from(packet.first() == Some(&4)));
        payload.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
        payload.push(255);
        payload.extend_from_slice(packet);
    }
    payload
}

/// What a body in the binary form holds: texts as they are, binary in hexadecimal with its type.
fn records(mut body: &[u8]) -> String {
    let mut packets = Vec::new();
    while let [form @ (0 | 1), rest @ ..] = body {
        let end = rest.iter().position(|byte| *byte == 255).expect("a length");
        let len = rest[..end]
            .iter()
            .fold(0, |n, digit| n * 10 + usize::from(*digit));
        let packet = &rest[end + 1..end + 1 + len];
        packets.push(match form {
            0 => String::from_utf8(packet.to_vec()).unwrap(),
            _ => packet.iter().map(|byte| format!("{byte:02x}")).collect(),
        });
        body = &rest[end + 1 + len..];
    }
    assert!(body.is_empty());
    packets.join("|")
}

/// Answers the waiting GET.
fn polled(rig: &mut Rig<'_>, payload: &[u8]) {
    rig.reply(
        Link::Poll,
        &response(
            "200 OK",
            "Content-Type: application/octet-stream\r\n",
            payload,
        ),
    );
}

/// The packets of the waiting POST, which is answered.
fn posted(rig: &mut Rig<'_>) -> String {
    let request = rig.request(Link::Post).expect("a POST").clone();
    assert_eq!(
        request.header("content-type"),
        Some("application/octet-stream")
    );
    rig.post_reply();
    records(&request.body)
}

/// A polling client in a session with the main namespace joined.
fn joined_polling(rig: &mut Rig<'_>) -> sockeye_core::NamespaceId {
    let nsp = rig.connect("/");
    polled(rig, &as_lengths(&[OPEN, "40"]));
    assert!(rig.client.is_connected(nsp) && rig.client.is_engine_3());
    rig.take_log();
    nsp
}

/// The same over a WebSocket from the start.
fn joined_ws(rig: &mut Rig<'_>) -> sockeye_core::NamespaceId {
    let nsp = rig.connect("/");
    rig.ws_accept();
    rig.ws(OPEN_WS);
    rig.ws("40");
    assert!(rig.client.is_connected(nsp));
    rig.take_log();
    nsp
}

#[test]
fn by_polling_it_is_detected_on_the_same_connection() {
    for payload in [
        as_lengths(&[OPEN, "40", "42[\"grüße\",\"€😀\",1]"]),
        as_records(&[OPEN.as_bytes(), b"40", "42[\"grüße\",\"€😀\",1]".as_bytes()]),
    ] {
        as_text(
            || spoken(Protocol::Detect, Transports::POLLING),
            |rig| {
                rig.pieces = Pieces::Of(1);
                let nsp = rig.connect("/");
                assert_eq!(
                    rig.request(Link::Poll).unwrap().query("EIO"),
                    Some("4"),
                    "the question is the newer server's"
                );
                polled(rig, &payload);
                let events = rig.take_events();
                assert_eq!(
                    events,
                    "opened polling E1\nconnected / id=E1\nmessage / grüße [\"€😀\",1]\n"
                );
                assert_eq!(rig.client.id(nsp), Some("E1"));
                assert_eq!(rig.request(Link::Poll).unwrap().query("EIO"), Some("3"));
                assert!(rig.request(Link::Post).is_none(), "no CONNECT");
            },
        );
    }
}

/// Every split of an answer over HTTP with both forms and binary data.
#[test]
fn payloads_at_every_split() {
    let packets: [&[u8]; 4] = [
        b"2",
        "42[\"e\",\"€😀\"]".as_bytes(),
        b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
        b"\x04\x01\x02\x03",
    ];
    let texts = [
        "2",
        "42[\"e\",\"€😀\"]",
        "451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
        "b4AQID",
    ];
    for payload in [as_records(&packets), as_lengths(&texts)] {
        let answer = response("200 OK", "", &payload);
        for split in 1..answer.len() {
            as_text(
                || spoken(Protocol::V3, Transports::POLLING),
                |rig| {
                    joined_polling(rig);
                    rig.reply(Link::Poll, &answer[..split]);
                    rig.feed(Link::Poll, &answer[split..]);
                    assert_eq!(
                        rig.take_events(),
                        "message / e [\"€😀\"]\nmessage / b [{\"_placeholder\":true,\"num\":0}] <010203>\n",
                        "at {split}"
                    );
                },
            );
        }
    }
}

#[test]
fn what_is_posted() {
    as_text(
        || spoken(Protocol::V3, Transports::POLLING),
        |rig| {
            let nsp = joined_polling(rig);
            let chat = rig.connect("/chat?token=a%20b");
            assert_eq!(posted(rig), "40/chat?token=a%20b,");
            polled(rig, &as_lengths(&["40/chat,"]));
            assert_eq!(rig.client.id(chat), Some("/chat#E1"));
            rig.emit(nsp, "first", &("é",), EmitOptions::PLAIN).unwrap();
            let long = [7u8; 300];
            rig.emit(
                chat,
                "b",
                &(BinRef(&[1, 2, 3]), BinRef(&long)),
                EmitOptions::ACK,
            )
            .unwrap();
            rig.emit(nsp, "last", &(), EmitOptions::PLAIN).unwrap();
            assert_eq!(posted(rig), "42[\"first\",\"é\"]");
            let expected = format!(
                "452-/chat,0[\"b\",{{\"_placeholder\":true,\"num\":0}},{{\"_placeholder\":true,\"num\":1}}]|04010203|04{}|42[\"last\"]",
                "07".repeat(300)
            );
            assert_eq!(posted(rig), expected);
            polled(rig, &as_lengths(&["43/chat,0[1]"]));
            assert!(rig.take_events().contains("ack"));
        },
    );
}

#[test]
fn the_client_pings_and_waits_for_the_pong() {
    as_text(
        || spoken(Protocol::V3, Transports::WEBSOCKET),
        |rig| {
            joined_ws(rig);
            rig.pass(24_999);
            rig.expect("");
            rig.pass(1);
            rig.expect("@25000\nws> 2");
            rig.pass(4_999);
            rig.ws("3");
            rig.expect("@29999\nws< 3\nping");
            rig.pass(25_000);
            rig.expect("@54999\nws> 2");
            // Other packets are no answer; then the deadline.
            rig.ws("42[\"x\"]");
            rig.take_log();
            rig.pass(5_000);
            let events = rig.take_events();
            assert!(events.contains("disconnected / ping timeout"), "{events}");
        },
    );
}

#[test]
fn pings_go_on_while_the_driver_does_not_read() {
    as_text(
        || spoken(Protocol::V3, Transports::WEBSOCKET),
        |rig| {
            joined_ws(rig);
            rig.pause_reading(true);
            rig.pass(100_000);
            rig.expect("@25000\nws> 2\n@50000\nws> 2\n@75000\nws> 2\n@100000\nws> 2");
            rig.pause_reading(false);
            rig.pass(4_999);
            rig.ws("3");
            rig.take_log();
            rig.pass(24_000);
            rig.expect("");
        },
    );
}

#[test]
fn pings_by_polling() {
    as_text(
        || spoken(Protocol::V3, Transports::POLLING),
        |rig| {
            joined_polling(rig);
            rig.pass(25_000);
            assert_eq!(posted(rig), "2");
            polled(rig, &as_lengths(&["3"]));
            rig.pass(5_000);
            assert!(rig.client.transport().is_some());
            rig.take_log();
            let nsp = rig.namespace("/", NspOptions::default());
            rig.client.disconnect(rig.now(), nsp);
            rig.drain();
            assert_eq!(posted(rig), "41");
            assert_eq!(posted(rig), "1");
        },
    );
}

#[test]
fn the_upgrade() {
    as_text(
        || spoken(Protocol::Detect, Transports::POLLING_FIRST),
        |rig| {
            let nsp = joined_polling(rig);
            assert_eq!(
                rig.request(Link::WebSocket).unwrap().query("EIO"),
                Some("3")
            );
            // Its first half leaves by polling, the rest over the WebSocket.
            rig.ws_accept();
            rig.ws("3probe");
            polled(rig, &as_lengths(&["6"]));
            rig.take_log();
            assert_eq!(rig.client.transport(), Some(Transport::WebSocket));
            rig.emit(nsp, "b", &(BinRef(&[1, 2, 3]),), EmitOptions::PLAIN)
                .unwrap();
            rig.expect(
                "ws> 451-[\"b\",{\"_placeholder\":true,\"num\":0}]\nws> 02 04\nws> 80 010203",
            );
        },
    );
}

/// However little a write takes, and whatever control frames come in between.
#[test]
fn binary_messages_over_a_websocket() {
    for most in [1, 2, 3, 5, 7, 8, 13, usize::MAX] {
        as_text(
            || spoken(Protocol::V3, Transports::WEBSOCKET),
            |rig| {
                let nsp = joined_ws(rig);
                rig.write = [most; 3];
                for round in 0..3u8 {
                    let data = (BinRef(&[round, 9]), BinRef(&[8; 20]));
                    rig.emit(nsp, "b", &data, EmitOptions::PLAIN).unwrap();
                    rig.emit(nsp, "t", &(round,), EmitOptions::PLAIN).unwrap();
                    let binary = format!(
                        "ws> 452-[\"b\",{{\"_placeholder\":true,\"num\":0}},{{\"_placeholder\":true,\"num\":1}}]\nws> 02 04\nws> 80 0{round}09\nws> 02 04\nws> 80 {}\nws> 42[\"t\",{round}]",
                        "08".repeat(20)
                    );
                    rig.expect(&binary);
                }
                // What the server sends has the type in front.
                rig.ws("451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
                rig.ws_binary(&[4, 1, 2]);
                assert!(rig.take_events().contains("<0102>"));
                rig.ws("451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
                rig.ws("b4AQI=");
                assert!(rig.take_events().contains("<0102>"));
                rig.ws_binary(&[5, 1, 2]);
                assert!(rig.take_events().contains("[Packet(Type)"));
            },
        );
    }
}

/// A WebSocket ping, and an Engine.IO ping that is due, are answered and sent only where a message allows it.
#[test]
fn nothing_of_engine_io_goes_between_type_and_data() {
    for blocked_at in 0..120 {
        as_text(
            || spoken(Protocol::V3, Transports::WEBSOCKET),
            |rig| {
                let nsp = joined_ws(rig);
                rig.write = [0; 3];
                let data = (BinRef(&[1, 2]), BinRef(&[3, 4]));
                rig.emit(nsp, "b", &data, EmitOptions::PLAIN).unwrap();
                for _ in 0..blocked_at {
                    rig.writable(Link::WebSocket, 1);
                    rig.write = [0; 3];
                }
                rig.ws_frame(0x89, b"p");
                rig.pass(25_000);
                rig.writable(Link::WebSocket, usize::MAX);
                let log = rig.take_log();
                let lines: Vec<&str> = log
                    .lines()
                    .filter(|line| line.starts_with("ws> "))
                    .collect();
                for (i, line) in lines.iter().enumerate() {
                    if *line == "ws> 02 04" {
                        let next = lines[i + 1];
                        assert!(next.starts_with("ws> 80 "), "{blocked_at}: {log}");
                    }
                }
                let count = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
                assert_eq!(
                    (
                        count("ws> 02"),
                        count("ws> 80"),
                        count("ws> 2"),
                        count("ws> pong")
                    ),
                    (2, 2, 1, 1),
                    "{blocked_at}: {log}"
                );
            },
        );
    }
}
