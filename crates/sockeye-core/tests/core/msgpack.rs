//! Packets in MessagePack: what is different about them. (Most other scenarios run with them as well: see `both`.)

use std::time::Duration;

#[cfg(feature = "eio3")]
use sockeye_core::Protocol;
use sockeye_core::packet::msgpack::{Decoded, Unpacked, decode};
use sockeye_core::packet::{Attachments, BinRef};
use sockeye_core::{
    Client, Config, EmitError, EmitOptions, Event, Link, Memory, NamespaceId, NspOptions, Offline,
    Output, Parser, RawPacket, Transports,
};
use sockeye_testkit::{Frame, OWN_PARSER, Pieces, Rig, Seeded, config, frame, pack};

use crate::Small;

fn packing(transports: Transports) -> Config<'static> {
    let mut config = config(transports);
    config.parser = Parser::MessagePack;
    config
}

/// Over both kinds of memory, with detached events, and all of that through the seam for parsers of the application's own.
fn all(config: impl Fn() -> Config<'static>, scenario: impl Fn(&mut Rig<'_>)) {
    for parser in [Parser::MessagePack, Parser::Custom(&OWN_PARSER)] {
        println!("{parser:?}");
        let config = || {
            let mut config = config();
            config.parser = parser;
            config
        };
        for detached in [false, true] {
            let mut storage = Box::new(Small::new());
            let mut rig = Rig::new(config(), storage.memory());
            rig.detached = detached;
            scenario(&mut rig);
            let memory = Memory::growable(&config().limits);
            let mut rig = Rig::new(config(), memory);
            rig.detached = detached;
            scenario(&mut rig);
        }
    }
}

fn packet(text: &str, attachments: &[&[u8]]) -> Vec<u8> {
    let attachments: Vec<Vec<u8>> = attachments.iter().map(|bytes| bytes.to_vec()).collect();
    pack(text, &attachments).expect("a packet")
}

/// A text packet, and binary that is not packed, end the session; what they say helps.
#[test]
fn another_parser_on_the_other_side() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws_frame(0x81, b"42[\"a\"]");
            let events = rig.take_events();
            assert!(
                events.contains(r#"NotMessagePack) "in event \"a\"""#),
                "{events}"
            );
            rig.pass(5_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.take_log();
            rig.ws_frame(0x82, b"\x01\x02\x03");
            let events = rig.take_events();
            assert!(events.contains("the packet is not a map"), "{events}");
        },
    );
    // The reverse is told as well.
    let error = sockeye_core::packet::PacketError::UnexpectedBinary;
    assert!(error.to_string().contains("another parser"));
}

/// What the client writes, whole: event, answer, CONNECT and DISCONNECT, on a WebSocket and in a POST.
#[test]
fn the_bytes() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            rig.keep_raw = true;
            let nsp = rig.connect("/chat");
            rig.opened_ws();
            rig.ws("40/chat,{\"sid\":\"S1\"}");
            rig.emit(nsp, "e", &(BinRef(&[7]), 1.5), EmitOptions::ACK)
                .unwrap();
            rig.ws("42/chat,5[\"q\"]");
            rig.answer(&("yes",)).unwrap();
            rig.disconnect(nsp);
            let raw = rig.raw[Link::WebSocket.index()].clone();
            let head = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            let mut rest = &raw[head..];
            let mut sent = Vec::new();
            while let Some((frame, len)) = Frame::parse(rest) {
                sent.push((frame.first, frame.payload));
                rest = &rest[len..];
            }
            let expected: [(u8, &[u8]); 4] = [
                (0x82, b"\x82\xa4type\x00\xa3nsp\xa5/chat"),
                (
                    0x82,
                    b"\x85\xa4type\x02\xa3nsp\xa5/chat\xa2id\x00\xa7options\x81\xa8compress\xc3\xa4data\x93\xa1e\xc4\x01\x07\xcb\x3f\xf8\0\0\0\0\0\0",
                ),
                (0x82, b"\x84\xa4type\x03\xa3nsp\xa5/chat\xa2id\x05\xa4data\x91\xa3yes"),
                (0x82, b"\x82\xa4type\x01\xa3nsp\xa5/chat"),
            ];
            for (sent, expected) in sent.iter().zip(expected) {
                assert_eq!((sent.0, &*sent.1), expected);
            }
        },
    );
    all(
        || packing(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.opened_polling("[]");
            let request = rig.request(Link::Post).expect("a POST");
            // `{type: 0, nsp: "/"}`
            assert_eq!(request.text(), "bgqR0eXBlAKNuc3ChLw==");
        },
    );
}

/// Any split of the bytes gives the same events, on a WebSocket and by polling.
#[test]
fn every_split() {
    let packets = [
        packet("40{\"sid\":\"S1\",\"pid\":\"P\"}", &[]),
        packet("42[\"a\",1,\"é\\n\",\"off\"]", &[]),
        packet(
            "452-7[\"b\",{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}]",
            &[b"one", b""],
        ),
        packet("42/other,[\"nobody's\"]", &[]),
        packet("44{\"message\":\"no\",\"data\":[1]}", &[]),
    ];
    let ws: Vec<u8> = packets
        .iter()
        .flat_map(|packet| frame(0x82, packet))
        .collect();
    let run = |at: Option<usize>| {
        let config = packing(Transports::WEBSOCKET);
        let memory = Memory::growable(&config.limits);
        let mut rig = Rig::new(config, memory);
        rig.connect("/");
        rig.opened_ws();
        rig.take_log();
        match at {
            Some(at) => {
                rig.feed(Link::WebSocket, &ws[..at]);
                rig.feed(Link::WebSocket, &ws[at..]);
            }
            None => rig.feed(Link::WebSocket, &ws),
        }
        rig.take_events()
    };
    let whole = run(None);
    assert_eq!(whole.lines().count(), 5, "{whole}");
    assert!(whole.contains("message / b [{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}] <6f6e65> <>"), "{whole}");
    for at in 1..ws.len() {
        assert_eq!(run(Some(at)), whole, "{at}");
    }
    for seed in 0..50 {
        let config = packing(Transports::WEBSOCKET);
        let mut storage = Box::new(Small::new());
        let mut rig = Rig::new(config, storage.memory());
        rig.connect("/");
        rig.opened_ws();
        rig.take_log();
        rig.pieces = Pieces::Random(Seeded::new(seed));
        rig.feed(Link::WebSocket, &ws);
        assert_eq!(rig.take_events(), whole, "{seed}");
    }
}

/// Events that came before the join wait for it, with what was binary in them.
#[test]
fn before_the_join() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.opened_ws();
            rig.take_log();
            let mut early = Vec::new();
            for n in 0..20 {
                early.extend(frame(0x82, &packet(&format!("42[\"t\",{n}]"), &[])));
                let text = format!("451-[\"b\",{n},{{\"_placeholder\":true,\"num\":0}}]");
                early.extend(frame(0x82, &packet(&text, &[&[n]])));
            }
            // In one read, so that each moves what is behind it.
            rig.feed(Link::WebSocket, &early);
            assert_eq!(rig.take_events(), "");
            rig.ws("40{\"sid\":\"S1\"}");
            let events = rig.take_events();
            let mut expected = String::new();
            for n in 0..20 {
                expected += &format!(
                    "message / t [{n}]\nmessage / b [{n},{{\"_placeholder\":true,\"num\":0}}] <{n:02x}>\n"
                );
            }
            assert_eq!(events, expected + "connected / id=S1\n");
        },
    );
}

/// More than fits: the message itself, or what becomes of it. The connection goes on.
#[test]
fn what_is_too_large() {
    let mut config = packing(Transports::WEBSOCKET);
    config.limits.receive = 300;
    let memory = Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    rig.joined_ws();
    rig.ws_frame(0x82, &[0; 400]);
    rig.expect_told("refused 400 bytes, limit 300");
    // 200 bytes that become 700.
    let long = packet(&format!("42[\"e\",[{}]]", vec!["null"; 150].join(",")), &[]);
    assert!(long.len() < 300);
    rig.ws_frame(0x82, &long);
    let events = rig.take_events();
    assert!(
        events.starts_with("refused 30") && events.ends_with("limit 300\n"),
        "{events}"
    );
    rig.ws("42[\"on\"]");
    assert_eq!(rig.take_events(), "message / on []\n");
}

trait Told {
    fn expect_told(&mut self, expected: &str);
}

impl Told for Rig<'_> {
    fn expect_told(&mut self, expected: &str) {
        assert_eq!(self.take_events(), format!("{expected}\n"));
    }
}

/// In fixed memory: what does not fit is told, wherever it does not.
#[test]
fn fixed_memory_is_enough_or_says_so() {
    type Tight = sockeye_core::Storage<512, 512>;
    for len in 0..500 {
        let mut storage = Box::new(Tight::new());
        let mut rig = Rig::new(packing(Transports::WEBSOCKET), storage.memory());
        rig.joined_ws();
        let text = "\\n".repeat(len);
        let bytes = vec![7; len];
        let mut both = frame(0x82, &packet(&format!("42[\"t\",\"{text}\"]"), &[]));
        both.extend(frame(
            0x82,
            &packet("451-[\"b\",{\"_placeholder\":true,\"num\":0}]", &[&bytes]),
        ));
        both.extend(frame(0x82, &packet("42[\"on\"]", &[])));
        rig.feed(Link::WebSocket, &both);
        let events = rig.take_events();
        let lines: Vec<&str> = events.lines().collect();
        assert_eq!(lines.len(), 3, "{len}: {events}");
        assert!(
            lines[0].starts_with("message / t") || lines[0].starts_with("refused "),
            "{events}"
        );
        assert!(
            lines[1].starts_with("message / b") || lines[1].starts_with("refused "),
            "{events}"
        );
        assert_eq!(lines[2], "message / on []");
    }
}

/// No server counts the binary values of a packet.
#[test]
fn more_than_ten_binary_values() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let many = [BinRef(&[1]); 40];
            assert_eq!(rig.emit(nsp, "many", &many, EmitOptions::PLAIN), Ok(None));
            assert!(rig.take_log().contains("ws> 4540-[\"many\","));
            let parts: Vec<String> = (0..40)
                .map(|n| format!("{{\"_placeholder\":true,\"num\":{n}}}"))
                .collect();
            rig.ws_frame(
                0x82,
                &packet(
                    &format!("4540-[\"many\",{}]", parts.join(",")),
                    &[&b"x"[..]; 40],
                ),
            );
            assert_eq!(rig.take_events().matches("<78>").count(), 40);
        },
    );
}

/// A packet of the `retries` queue has another id at each try, of any length, and is otherwise the same.
#[test]
fn tries_have_ids_of_their_own() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let mut options = NspOptions::default();
            options.retries = Some(400);
            options.ack_timeout = Some(Duration::from_millis(10));
            rig.client.set_options(nsp, options);
            rig.emit(nsp, "r", &(BinRef(b"\xff\x00"),), EmitOptions::ACK)
                .unwrap();
            rig.pass(10 * 300);
            let log = rig.take_log();
            for id in [0, 127, 128, 255, 256, 299] {
                let text =
                    format!("ws> 451-{id}[\"r\",{{\"_placeholder\":true,\"num\":0}}]\nws> <ff00>");
                assert!(log.contains(&text), "{id}");
            }
            rig.ws("43300[1]");
            assert!(rig.take_events().contains("ack #1 [1]"));
            assert_eq!(
                (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
                (0, 0)
            );
        },
    );
}

/// What is told of packets that were emitted speaks of their JSON.
#[test]
fn what_is_told_of_packets() {
    let mut config = packing(Transports::WEBSOCKET);
    config.limits.send = 1 << 16;
    let memory = Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    let nsp = rig.joined_ws();
    rig.client.report_outgoing(true);
    rig.emit(nsp, "o\"\n", &(BinRef(b"ab"), "é"), EmitOptions::PLAIN)
        .unwrap();
    rig.emit(nsp, "p", &(), EmitOptions::PLAIN).unwrap();
    let events = rig.take_events();
    assert!(
        events.contains("[\"o\\\"\\n\",{\"_placeholder\":true,\"num\":0},\"é\"] <6162>"),
        "{events}"
    );
    assert!(events.contains("[\"p\"]\n"), "{events}");
    // Given up: by its name, and with its bytes as they are on the wire.
    rig.client.report_outgoing(false);
    rig.write[Link::WebSocket.index()] = 0;
    rig.emit(nsp, "l\"ost", &(BinRef(&[0; 99]),), EmitOptions::PLAIN)
        .unwrap();
    for round in 0..2 {
        assert!(!rig.client.transmit(Link::WebSocket).is_empty());
        rig.client.transmitted(Link::WebSocket, 3);
        rig.cut(Link::WebSocket);
        let events = rig.take_events();
        let told = "unsent / l\"ost of 145 bytes: Interrupted\n";
        assert_eq!(events.contains(told), round == 1, "{events}");
        if round == 1 {
            break;
        }
        rig.write[Link::WebSocket.index()] = usize::MAX;
        rig.pass(5_000);
        rig.opened_ws();
        rig.write[Link::WebSocket.index()] = 0;
        rig.ws("40{\"sid\":\"S\"}");
    }
    assert_eq!(rig.client.send_queue_len(), 0);
}

/// Of each event the latest is kept: names are compared as texts.
#[test]
fn the_latest_of_each_name() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            let mut options = NspOptions::default();
            options.offline = Offline::KeepLatest;
            let nsp = rig.namespace("/", options);
            for n in 0..3 {
                rig.emit(nsp, "a\n", &(n,), EmitOptions::PLAIN).unwrap();
                rig.emit(nsp, "a", &(n, BinRef(&[n])), EmitOptions::PLAIN)
                    .unwrap();
            }
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.take_log();
            rig.ws("40{\"sid\":\"S1\"}");
            let log = rig.take_log();
            assert_eq!(log.matches("ws> 42").count(), 1, "{log}");
            assert!(
                log.contains("ws> 42[\"a\\n\",2]") && log.contains("ws> 451-[\"a\",2,"),
                "{log}"
            );
        },
    );
}

/// What is not JSON is refused, and nothing of it is kept.
#[test]
fn raw_packets_that_are_no_json() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let raw = RawPacket {
                json: b"[\"a\",",
                attachments: Attachments::EMPTY,
            };
            let refused = rig.client.emit_raw(rig.now(), nsp, raw, EmitOptions::ACK);
            assert!(matches!(refused, Err(EmitError::Encode(_))), "{refused:?}");
            assert_eq!(
                (rig.client.send_queue_len(), rig.client.pending_acks()),
                (0, 0)
            );
        },
    );
}

/// The `auth` payload may grow when it is packed: there is room for it all the same.
#[test]
fn auth_that_grows() {
    all(
        || packing(Transports::WEBSOCKET),
        |rig| {
            rig.auth = Some(format!("{{\"f\":[{}]}}", vec!["1.5"; 60].join(",")));
            let mut options = NspOptions::default();
            options.auth = true;
            let nsp = rig.namespace("/", options);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            assert!(rig.take_log().contains("ws> 40{\"f\":[1.5,1.5,"));
        },
    );
}

/// Nothing is quadratic: many small packets in one read, and many before the join.
#[cfg(feature = "alloc")]
#[test]
fn many_in_one_read() {
    let (client, nsp) = &mut growable();
    let one = frame(0x82, &packet("42[\"e\",1]", &[]));
    let mut bytes = Vec::new();
    for _ in 0..2000 {
        bytes.extend_from_slice(&one);
    }
    let before = sockeye_core::steps();
    feed(client, &bytes);
    let moved = sockeye_core::steps() - before;
    assert!(
        moved < 40 * bytes.len() as u64,
        "{moved} for {} bytes",
        bytes.len()
    );
    assert!(client.is_connected(*nsp));
}

fn growable() -> (Client<'static>, NamespaceId) {
    let config = packing(Transports::WEBSOCKET);
    let memory = Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    let nsp = rig.joined_ws();
    (rig.client, nsp)
}

fn feed(client: &mut Client<'_>, mut bytes: &[u8]) -> usize {
    let mut messages = 0;
    while !bytes.is_empty() {
        let room = client.receive_buf(Link::WebSocket);
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        client.handle_received(sockeye_core::Instant::ZERO, Link::WebSocket, n);
        loop {
            match client.poll_output() {
                Output::Event(Event::Message(_)) => messages += 1,
                Output::Idle(_) => break,
                _ => (),
            }
        }
    }
    messages
}

/// What the client packs, the reader of this library reads: see the tests of the testkit for those of others.
#[test]
fn there_and_back() {
    let mut decoded = Decoded::new();
    let message = packet("42[\"e\",{\"a\":[1,-1,1.5,null,true,\"x\"]}]", &[]);
    assert_eq!(
        decode(&message, 1000, 0, &mut decoded),
        Ok(Unpacked::Packet)
    );
    assert_eq!(
        decoded.text(),
        "2[\"e\",{\"a\":[1,-1,1.5,null,true,\"x\"]}]"
    );
}

/// Socket.IO 2 with version 2 of the parser: what it sends beside events is text.
#[cfg(feature = "eio3")]
#[test]
fn a_server_of_socket_io_2() {
    const OPEN: &[u8] = br#"0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":5000}"#;
    all(
        || {
            let mut config = packing(Transports::WEBSOCKET);
            config.protocol = Protocol::V3;
            config
        },
        |rig| {
            // (A parser of the application's own reads what it reads.)
            if rig.client.config().parser != Parser::MessagePack {
                return;
            }
            let text = |text: &str| frame(0x81, text.as_bytes());
            let nsp = rig.connect("/");
            rig.ws_accept();
            rig.feed(Link::WebSocket, &frame(0x81, OPEN));
            rig.feed(Link::WebSocket, &text(r#"4{"type":0,"nsp":"/"}"#));
            let events = rig.take_events();
            assert!(events.ends_with("connected / id=E1\n"), "{events}");
            // The type of Engine.IO stands in front, and there is one for events with something binary.
            let event = b"\x04\x83\xa4type\x05\xa3nsp\xa1/\xa4data\x92\xa1b\xc4\x01\x07";
            rig.feed(Link::WebSocket, &frame(0x82, event));
            let told = "message / b [{\"_placeholder\":true,\"num\":0}] <07>\n";
            assert_eq!(rig.take_events(), told);
            let chat = rig.connect("/chat");
            let refused = r#"4{"type":4,"nsp":"/chat","data":"Invalid namespace"}"#;
            rig.feed(Link::WebSocket, &text(refused));
            assert!(rig.take_events().contains("Invalid namespace"));
            assert!(rig.client.is_connected(nsp) && !rig.client.is_connected(chat));
            rig.feed(Link::WebSocket, &text(r#"4{"type":1,"nsp":"/"}"#));
            assert!(rig.take_events().contains("io server disconnect"));
        },
    );
}
