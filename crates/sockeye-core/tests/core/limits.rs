//! Bounds: what is too large or too much is said, and the connection goes on.

use sockeye_core::packet::BinRef;
use sockeye_core::{
    Config, EmitError, EmitOptions, Link, NamespaceError, NspOptions, Storage, Transports,
};
use sockeye_testkit::{Pieces, Rig, config};

use crate::{as_text, both};

const ONE: &str = "{\"_placeholder\":true,\"num\":0}";

/// Receives at most 300 bytes, by configuration.
fn narrow(transports: Transports) -> Config<'static> {
    let mut config = config(transports);
    config.limits.receive = 300;
    config
}

#[test]
fn messages_that_are_too_large_are_skipped_and_said_to_be() {
    for pieces in [Pieces::Whole, Pieces::Of(1), Pieces::Of(100)] {
        as_text(
            || narrow(Transports::WEBSOCKET),
            |rig| {
                rig.joined_ws();
                rig.pieces = pieces.clone();
                let long = "x".repeat(291);
                rig.ws(&format!("42[\"a\",\"{long}\"]"));
                let longest = &long[..290];
                rig.ws(&format!("42[\"a\",\"{longest}\"]"));
                rig.ws("42[\"on\"]");
                let events = rig.take_events();
                assert_eq!(
                    events,
                    format!(
                        "refused 301 bytes, limit 300\nmessage / a [\"{longest}\"]\nmessage / on []\n"
                    )
                );
            },
        );
    }
}

#[test]
fn the_same_by_polling() {
    for pieces in [Pieces::Whole, Pieces::Of(1), Pieces::Of(64)] {
        as_text(
            || narrow(Transports::POLLING),
            |rig| {
                rig.joined_polling("[]");
                rig.pieces = pieces.clone();
                let long = "x".repeat(1000);
                rig.get_reply(&format!("42[\"a\"]|42[\"a\",\"{long}\"]|42[\"b\"]"));
                rig.get_reply(&format!("42[\"a\",\"{long}\"]"));
                rig.get_reply("42[\"on\"]");
                let events = rig.take_events();
                assert_eq!(
                    events,
                    "message / a []\nrefused 1010 bytes, limit 300\nmessage / b []\nrefused 1010 bytes, limit 300\nmessage / on []\n"
                );
            },
        );
    }
}

#[test]
fn attachments_count_together() {
    for pieces in [Pieces::Whole, Pieces::Of(1)] {
        as_text(
            || narrow(Transports::WEBSOCKET),
            |rig| {
                rig.joined_ws();
                rig.pieces = pieces.clone();
                let header = format!("453-[\"b\",{ONE},{ONE},{ONE}]");
                rig.ws(&header);
                rig.ws_binary(&[1; 10]);
                rig.ws_binary(&[2; 301]);
                rig.ws("2");
                rig.ws_binary(&[3; 10]);
                rig.ws("42[\"on\"]");
                // Too large only when taken together, found out at the last one.
                rig.ws(&header);
                rig.ws_binary(&[1; 100]);
                rig.ws_binary(&[2; 60]);
                rig.ws_binary(&[3; 200]);
                rig.ws("42[\"on\"]");
                rig.ws(&format!("451-[\"b\",{ONE}]"));
                rig.ws_binary(&[3; 200]);
                let log = rig.take_events();
                let events: Vec<&str> = log
                    .lines()
                    .map(|line| line.split(" [{").next().unwrap())
                    .collect();
                assert_eq!(events.len(), 6, "{log}");
                assert_eq!(events[0], "ping");
                assert!(events[1].starts_with("refused 4"), "{log}");
                assert_eq!(events[2], "message / on []");
                assert!(events[3].starts_with("refused 4"), "{log}");
                assert_eq!(events[4..], ["message / on []", "message / b"]);
            },
        );
    }
}

#[test]
fn a_header_that_is_too_large_takes_its_attachments_along() {
    as_text(
        || narrow(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws(&format!("452-[\"b\",{ONE},{ONE},\"{}\"]", "x".repeat(300)));
            rig.ws_binary(&[1; 10]);
            rig.ws_binary(&[1; 1000]);
            rig.ws("42[\"on\"]");
            let events = rig.take_events();
            assert_eq!(events.lines().count(), 2, "{events}");
            assert!(
                events.starts_with("refused ") && events.ends_with("message / on []\n"),
                "{events}"
            );
            // But from then on binary without a header is an error again.
            rig.ws_binary(b"x");
            assert!(
                rig.take_events()
                    .starts_with("closed parse error [Packet(UnexpectedBinary)]")
            );
        },
    );
}

#[test]
fn a_large_attachment_by_polling() {
    both(
        || narrow(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            let base64 = "AAAA".repeat(200);
            rig.get_reply(&format!(
                "452-[\"b\",{ONE},{ONE}]|b{base64}|bAAAA|42[\"on\"]"
            ));
            let events = rig.take_events();
            assert!(
                events.starts_with("refused ") && events.ends_with("message / on []\n"),
                "{events}"
            );
            assert_eq!(events.lines().count(), 2, "{events}");
        },
    );
}

#[test]
fn a_large_packet_instead_of_a_handshake() {
    for transports in [Transports::WEBSOCKET, Transports::POLLING] {
        both(
            || narrow(transports),
            |rig| {
                rig.connect("/");
                let long = "x".repeat(1000);
                if transports == Transports::WEBSOCKET {
                    rig.ws_accept();
                    rig.ws(&long);
                } else {
                    rig.get_reply(&long);
                }
                assert!(
                    rig.take_events()
                        .starts_with("closed attempt transport error [NotEngineIo")
                );
            },
        );
    }
}

/// The smallest storage there can be.
type Tiny = Storage<512, 256, 1, 2, 1, 256>;

#[test]
fn the_smallest_storage_never_stands_still() {
    // Every length around the area's size, by every kind of split: always room for the next read, and the small
    // event behind it always arrives.
    for len in (0..560).step_by(3) {
        for piece in [1, 13, 1000] {
            let mut storage = Box::new(Tiny::new());
            let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
            rig.joined_ws();
            rig.pieces = Pieces::Of(piece);
            let text = "x".repeat(len);
            rig.ws_frame(0x01, format!("42[\"a\",\"{text}").as_bytes());
            rig.ws_frame(0x89, &[b'p'; 125]);
            rig.ws_frame(0x00, b"yy");
            rig.ws_frame(0x80, b"\"]");
            rig.ws(&format!("452-[\"b\",{ONE},{ONE}]"));
            rig.ws_binary(&vec![1; len]);
            rig.ws_frame(0x89, &[b'p'; 125]);
            rig.ws_binary(&vec![1; len / 2]);
            rig.ws("42[\"on\"]");
            let events = rig.take_events();
            assert_eq!(events.lines().count(), 3, "{len}: {events}");
            assert!(events.ends_with("message / on []\n"), "{len}: {events}");
        }
    }
}

#[test]
fn the_smallest_storage_by_polling() {
    for len in (0..400).step_by(3) {
        for (chunk, piece) in [(0, 1), (0, 1000), (1, 1000), (50, 7), (300, 1000)] {
            let mut storage = Box::new(Tiny::new());
            let mut rig = Rig::new(config(Transports::POLLING), storage.memory());
            rig.joined_polling("[]");
            rig.pieces = Pieces::Of(piece);
            let text = "x".repeat(len);
            let payload = format!(
                "42[\"a\",\"{text}\"]\u{1e}451-[\"b\",{ONE}]\u{1e}b{}\u{1e}42[\"on\"]",
                "AAAA".repeat(len / 4)
            );
            if chunk == 0 {
                rig.get_reply(&payload);
            } else {
                let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for part in payload.as_bytes().chunks(chunk) {
                    bytes.extend(format!("{:x}\r\n", part.len()).bytes());
                    bytes.extend(part);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
                rig.reply(Link::Poll, &bytes);
            }
            let events = rig.take_events();
            assert_eq!(events.lines().count(), 3, "{len} {chunk}: {events}");
            assert!(events.ends_with("message / on []\n"), "{len}: {events}");
        }
    }
}

#[test]
fn long_errors_in_a_small_area() {
    for len in [100, 126, 127, 128, 129, 200, 300, 5000] {
        let mut storage = Box::new(Tiny::new());
        let mut rig = Rig::new(config(Transports::POLLING), storage.memory());
        let nsp = rig.joined_polling("[]");
        rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
        rig.take_log();
        let body = "e".repeat(len);
        rig.reply(
            Link::Post,
            &sockeye_testkit::response("500 Oops", "", body.as_bytes()),
        );
        assert!(
            rig.take_events().starts_with(
                "closed transport error [Http { status: 500, code: None } \"eeeeeeeee"
            )
        );
    }
}

#[test]
fn events_held_before_the_join_are_bounded_too() {
    let mut storage = Box::new(Storage::<1024, 512, 1, 4, 1, 256>::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    rig.connect("/");
    rig.opened_ws();
    for i in 0..60 {
        rig.ws(&format!("42[\"early\",{i}]"));
        rig.ws_frame(0x89, &[b'p'; 125]);
    }
    rig.ws("40{\"sid\":\"S1\"}");
    rig.ws("42[\"on\"]");
    let events = rig.take_events();
    let early = events.matches("message / early").count();
    let refused = events.matches("refused 13 bytes").count();
    assert!(
        early > 20 && early + refused == 60,
        "{early} and {refused}: {events}"
    );
    assert!(events.ends_with("connected / id=S1\nmessage / on []\n"));
}

#[test]
fn the_send_buffer_is_bounded_and_loses_nothing() {
    both(
        || {
            let mut config = config(Transports::WEBSOCKET);
            config.limits.send = 4096;
            config.limits.packets = 32;
            config.limits.acks = 8;
            config.limits.namespaces = 4;
            config
        },
        |rig| {
            let nsp = rig.connect("/");
            // By packets.
            let mut accepted = 0;
            loop {
                match rig.emit(nsp, "n", &(accepted,), EmitOptions::PLAIN) {
                    Ok(_) => accepted += 1,
                    Err(error) => {
                        assert_eq!(error, EmitError::Full);
                        break;
                    }
                }
            }
            assert_eq!(
                accepted, 30,
                "places are kept for the CONNECT and for an answer"
            );
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\"}");
            let log = rig.take_log();
            let sent: Vec<&str> = log
                .lines()
                .filter(|line| line.starts_with("ws> 42"))
                .collect();
            assert_eq!(
                sent,
                (0..30)
                    .map(|i| format!("ws> 42[\"n\",{i}]"))
                    .collect::<Vec<_>>()
            );
            // By bytes.
            rig.write[Link::WebSocket.index()] = 0;
            let text = "x".repeat(1000);
            let mut accepted = 0;
            while rig
                .emit(nsp, "big", &(text.as_str(),), EmitOptions::PLAIN)
                .is_ok()
            {
                accepted += 1;
            }
            assert_eq!(accepted, 3);
            let binary = (BinRef(text.as_bytes()),);
            assert_eq!(
                rig.emit(nsp, "big", &binary, EmitOptions::PLAIN),
                Err(EmitError::Full)
            );
            let giant = "x".repeat(5000);
            let error = rig
                .emit(nsp, "giant", &(giant.as_str(),), EmitOptions::PLAIN)
                .unwrap_err();
            assert!(
                matches!(error, EmitError::TooLarge | EmitError::Full),
                "{error:?}"
            );
            rig.writable(Link::WebSocket, usize::MAX);
            assert_eq!(rig.take_log().matches("ws> 42[\"big\"").count(), 3);
            assert_eq!(
                rig.emit(nsp, "giant", &(giant.as_str(),), EmitOptions::PLAIN),
                Err(EmitError::TooLarge)
            );
            // By acknowledgements.
            for _ in 0..8 {
                rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            }
            assert_eq!(
                rig.emit(nsp, "a", &(), EmitOptions::ACK),
                Err(EmitError::TooManyAcks)
            );
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.ws("430[]");
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            // By namespaces.
            for name in ["/1", "/2", "/3"] {
                rig.namespace(name, NspOptions::default());
            }
            assert_eq!(
                rig.client.namespace("/4", NspOptions::default()),
                Err(NamespaceError::Full)
            );
        },
    );
}

#[test]
fn a_full_send_buffer_still_connects_and_answers_pings() {
    both(
        || {
            let mut config = config(Transports::POLLING);
            config.limits.packets = 32;
            config
        },
        |rig| {
            let nsp = rig.connect("/");
            while rig
                .emit(
                    nsp,
                    "n",
                    &("some text that takes room",),
                    EmitOptions::PLAIN,
                )
                .is_ok()
            {}
            rig.opened_polling("[]");
            rig.get_reply("2");
            rig.post_reply();
            rig.post_reply();
            rig.get_reply("40{\"sid\":\"S1\"}");
            assert!(rig.client.is_connected(nsp));
        },
    );
}

#[test]
fn a_drain_has_few_steps() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.longest_drain = 0;
            for i in 0..30 {
                rig.client
                    .emit(rig.now(), nsp, "n", &(i,), EmitOptions::PLAIN)
                    .unwrap();
            }
            rig.drain();
            assert!(rig.longest_drain <= 3, "{}", rig.longest_drain);
            let mut bytes = Vec::new();
            for _ in 0..100 {
                bytes.extend(sockeye_testkit::frame(0x81, b"42[\"e\",1]"));
            }
            rig.feed(Link::WebSocket, &bytes);
            assert!(
                rig.longest_drain <= 101,
                "one output an event, and idle: {}",
                rig.longest_drain
            );
        },
    );
}
