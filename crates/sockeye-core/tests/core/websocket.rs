//! RFC 6455 as servers and proxies use it.

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Link, Transports};
use sockeye_testkit::{Pieces, accept_key, config, frame};

use crate::{as_text, both};

#[test]
fn fragments_with_control_frames_between() {
    for pieces in [Pieces::Whole, Pieces::Of(1), Pieces::Of(7)] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.joined_ws();
                rig.pieces = pieces.clone();
                // The character é is cut in two.
                let text = "42[\"caf\u{e9}\",1]".as_bytes();
                let mut bytes = frame(0x01, &text[..8]);
                bytes.extend(frame(0x89, b"p1"));
                bytes.extend(frame(0x00, b""));
                bytes.extend(frame(0x8a, b"unasked"));
                bytes.extend(frame(0x00, &text[8..10]));
                bytes.extend(frame(0x89, b""));
                bytes.extend(frame(0x80, &text[10..]));
                bytes.extend(frame(0x81, b"42[\"next\"]"));
                rig.feed(Link::WebSocket, &bytes);
                let log = rig.take_log();
                let mut events: Vec<&str> = log
                    .lines()
                    .filter(|line| line.starts_with("message"))
                    .collect();
                assert_eq!(events, ["message / café [1]", "message / next []"]);
                events = log
                    .lines()
                    .filter(|line| line.starts_with("ws> pong"))
                    .collect();
                assert_eq!(events, ["ws> pong p1", "ws> pong "]);
            },
        );
    }
}

#[test]
fn fragmented_attachments_and_control_packets_between() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws(
                "452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"num\":1,\"_placeholder\":true}]",
            );
            rig.ws("2");
            rig.ws_frame(0x02, &[1, 2]);
            rig.ws_frame(0x89, b"x");
            rig.ws_frame(0x80, &[3]);
            rig.ws("6");
            rig.ws_binary(&[]);
            rig.expect(
                r#"
                ws< 452-["b",{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}]
                ws< 2
                ping
                ws> 3
                ws< 02 \u{1}\u{2}
                ws< 89 x
                ws> pong x
                ws< 80 \u{3}
                ws< 6
                ws< <>
                message / b [{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}] <010203> <>
                "#,
            );
        },
    );
}

#[test]
fn violations() {
    for (bytes, cause) in [
        (
            &b"\xc1\x00"[..],
            "frame with reserved bits or opcode, though no extension was offered",
        ),
        (
            b"\x83\x00",
            "frame with reserved bits or opcode, though no extension was offered",
        ),
        (b"\x81\x81mask!", "masked frame from the server"),
        (b"\x09\x00", "fragmented or over-long control frame"),
        (b"\x89\x7e\x00\x80", "fragmented or over-long control frame"),
        // Short, with its length written long.
        (
            b"\x8a\x7f\x00\x00\x00\x00\x00\x00\x00\x09",
            "fragmented or over-long control frame",
        ),
        (b"\x80\x00", "fragments out of order"),
        (b"\x01\x01a\x81\x00", "fragments out of order"),
        (
            b"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x01",
            "frame length over 2^63",
        ),
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.joined_ws();
                rig.feed(Link::WebSocket, bytes);
                let events = rig.take_events();
                let expected =
                    format!("closed transport error [WebSocketProtocol(\"{cause}\")], retry\n");
                assert!(events.starts_with(&expected), "{events}");
            },
        );
    }
}

#[test]
fn text_that_is_not_utf8() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws_frame(0x81, b"42[\"\xff\"]");
            assert!(
                rig.take_events()
                    .starts_with("closed parse error [Packet(Encoding)], retry\n")
            );
        },
    );
}

#[test]
fn handshakes_that_are_not_accepted() {
    let head = |status: &str, headers: &str| format!("HTTP/1.1 {status}\r\n{headers}\r\n");
    for (status, headers) in [
        (
            "101 X",
            "Connection: Upgrade\r\nSec-WebSocket-Accept: @\r\n",
        ),
        ("101 X", "Upgrade: websocket\r\nSec-WebSocket-Accept: @\r\n"),
        ("101 X", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
        (
            "101 X",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
        ),
        (
            "101 X",
            "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: @\r\n",
        ),
        (
            "101 X",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: @\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        ),
        ("200 OK", "Content-Length: 0\r\n"),
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.connect("/");
                let key = rig
                    .request(Link::WebSocket)
                    .unwrap()
                    .header("sec-websocket-key")
                    .unwrap()
                    .to_owned();
                let answer = head(status, headers).replace('@', &accept_key(&key));
                rig.feed(Link::WebSocket, answer.as_bytes());
                let events = rig.take_events();
                assert!(
                    events.starts_with(
                        "closed attempt transport error [WebSocketHandshake], retry\n"
                    ),
                    "{headers}: {events}"
                );
            },
        );
    }
    // The same, well-formed, in an odd spelling.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            let key = rig
                .request(Link::WebSocket)
                .unwrap()
                .header("sec-websocket-key")
                .unwrap()
                .to_owned();
            let answer = head(
                "101 Web Socket Protocol Handshake",
                "Server: x\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\nsec-websocket-accept: @ \r\nSec-WebSocket-Extensions:\r\n",
            );
            let mut bytes = answer.replace('@', &accept_key(&key)).into_bytes();
            bytes.extend(frame(0x81, b"0{\"sid\":\"E1\"}"));
            bytes.extend(frame(0x81, b"6"));
            rig.feed(Link::WebSocket, &bytes);
            assert_eq!(rig.client.engine_id(), Some("E1"));
        },
    );
}

#[test]
fn short_writes_and_control_frames() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.write[Link::WebSocket.index()] = 3;
            rig.emit(nsp, "b", &(BinRef(&[7; 300]), 1), EmitOptions::PLAIN)
                .unwrap();
            rig.expect(
                r#"
                ws> 451-["b",{"_placeholder":true,"num":0},1]
                ws> <070707070707070707070707070707070707070707070707…(300 bytes, sum 2af47b40)>
                "#,
            );
            // A write that stops within a frame is finished before the pong.
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "n", &(1,), EmitOptions::PLAIN).unwrap();
            rig.ws("2");
            rig.ws_frame(0x89, b"q");
            rig.writable(Link::WebSocket, 4);
            rig.expect("ws< 2\nping\nws< 89 q\nws> 3\nws> pong q\nws> 42[\"n\",1]");
        },
    );
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            // Four bytes of the frame are written, then the link is full.
            rig.emit(nsp, "n", &(0,), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.write[Link::WebSocket.index()] = 4;
            rig.client
                .emit(rig.now(), nsp, "n", &(1,), EmitOptions::PLAIN)
                .unwrap();
            match rig.client.poll_output() {
                sockeye_core::Output::Transmit(link) => {
                    assert_eq!(rig.client.transmit(link)[0], 0x81);
                    rig.client.transmitted(link, 4);
                    rig.client.transmitted(link, 0);
                }
                other => panic!("{other:?}"),
            }
            rig.client.handle_received(rig.now(), Link::WebSocket, 0);
            rig.ws_frame(0x89, b"q");
            let rest = rig.client.transmit(Link::WebSocket).len();
            assert_eq!(rest, 6 + 9 - 4, "the rest of the frame, not the pong");
        },
    );
}

#[test]
fn many_packets_are_one_write() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            for i in 0..10 {
                rig.client
                    .emit(rig.now(), nsp, "n", &(i,), EmitOptions::PLAIN)
                    .unwrap();
            }
            let mut writes = 0;
            loop {
                match rig.client.poll_output() {
                    sockeye_core::Output::Transmit(link) => {
                        writes += 1;
                        let n = rig.client.transmit(link).len();
                        assert_eq!(n, 10 * 15);
                        rig.client.transmitted(link, n);
                    }
                    sockeye_core::Output::Idle(_) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(writes, 1);
            assert_eq!(rig.client.send_queue_len(), 0);
        },
    );
}

#[test]
fn large_frames_both_ways() {
    // 126 and 65536 are where frame headers grow.
    let make = |len: usize| "x".repeat(len);
    for len in [
        100, 111, 112, 113, 114, 65_520, 65_521, 65_522, 65_523, 70_000, 1_000_000,
    ] {
        let run = |rig: &mut sockeye_testkit::Rig<'_>| {
            let nsp = rig.joined_ws();
            rig.pieces = Pieces::Of(40_000);
            let text = make(len);
            rig.ws(&format!("42[\"e\",\"{text}\"]"));
            rig.ws_binary_event(&vec![5; len]);
            rig.write[2] = 50_000;
            rig.emit(
                nsp,
                "e",
                &(text.as_str(), BinRef(&vec![5; len])),
                EmitOptions::PLAIN,
            )
            .unwrap();
            let log = rig.take_log();
            let messages = log
                .lines()
                .filter(|line| line.starts_with("message / "))
                .count();
            assert_eq!(messages, 2, "{len}: {log}");
            assert_eq!(
                log.lines().filter(|line| line.starts_with("ws> ")).count(),
                2,
                "{len}: {log}"
            );
            rig.ws("42[\"after\"]");
            assert!(rig.take_events().contains("message / after []"));
        };
        if len < 1000 {
            both(|| config(Transports::WEBSOCKET), run);
        } else {
            crate::growable(config(Transports::WEBSOCKET), run);
        }
    }
}
