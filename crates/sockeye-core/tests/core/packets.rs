//! What a packet must be, and what is let pass (facts 90–97 of docs/protocol.md).

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitError, EmitOptions, Link, Transports};
use sockeye_testkit::config;

use crate::as_text;

const ONE: &str = "{\"_placeholder\":true,\"num\":0}";

/// Sends packets (those that begin with `b` as binary) to a client that has joined `/`.
fn after(packets: &[&str]) -> String {
    let mut logs = Vec::new();
    let log = std::cell::RefCell::new(&mut logs);
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            for packet in packets {
                match packet.strip_prefix('b') {
                    Some(bytes) => rig.ws_binary(bytes.as_bytes()),
                    None => rig.ws(packet),
                }
            }
            log.borrow_mut().push(rig.take_events());
        },
    );
    assert!(
        logs.windows(2).all(|pair| pair[0] == pair[1]),
        "all memories: {logs:?}"
    );
    logs.remove(0)
}

/// Errors by their names alone: where the trouble is, is for the tests of the parser.
fn without_fields(events: &str) -> String {
    let mut parts = events.split(" {");
    let mut plain = parts.next().unwrap_or("").to_owned();
    for part in parts {
        plain.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[test]
fn every_packet_that_cannot_be_read_is_a_parse_error_and_then_a_reconnection() {
    let long = format!("42[1,{}1{}]", "[".repeat(600), "]".repeat(600));
    let cases: &[(&[&str], &str)] = &[
        (&["4"], "Type"),
        (&["47[\"a\"]"], "Type"),
        (&["49"], "Type"),
        (&["4x"], "Type"),
        (&["42[\"a\""], "Json"),
        (&["42[\"a\",]"], "Json"),
        (&["42[\"a\",tru]"], "Json"),
        (&["42[\"a\"]]"], "Json"),
        (&["42[\"a\"] x"], "Json"),
        (&["42[\"\u{8}\"]"], "Json"),
        (&["42[\"\\x\"]"], "Json"),
        (&["42{\"a\":1}"], "Payload"),
        (&["42\"a\""], "Payload"),
        (&["42[]"], "Payload"),
        (&["42[null]"], "Payload"),
        (&["42[[1]]"], "Payload"),
        (&["42[{\"a\":1}]"], "Payload"),
        (&["42[true]"], "Payload"),
        (&["42[\"connect\"]"], "Reserved"),
        (&["42[\"connect_error\"]"], "Reserved"),
        (&["42[\"disconnect\"]"], "Reserved"),
        (&["42[\"disconnecting\"]"], "Reserved"),
        (&["42[\"newListener\"]"], "Reserved"),
        (&["42[\"removeListener\"]"], "Reserved"),
        (&["42[\"conn\\u0065ct\"]"], "Reserved"),
        (&["4299999999999999999999[\"a\"]"], "Id"),
        (&["430{}"], "Payload"),
        (&["430 7"], "Payload"),
        (&["40[1]"], "Payload"),
        (&["40\"x\""], "Payload"),
        (&["40{"], "Json"),
        (&["41[]"], "Payload"),
        (&["41/,{}"], "Payload"),
        (&["44"], "Json"),
        (&["44[1]"], "Payload"),
        (&["45[\"a\"]"], "Attachments"),
        (&["45-[\"a\"]"], "Attachments"),
        (&["45x-[\"a\"]"], "Attachments"),
        (&["4511-[\"a\"]"], "TooManyAttachments"),
        (&["4599999999999999999999-[\"a\"]"], "TooManyAttachments"),
        (&["451[\"a\"]"], "Attachments"),
        (&["bx"], "UnexpectedBinary"),
        (
            &["451-[\"a\",{\"_placeholder\":true,\"num\":0}]", "42[\"b\"]"],
            "UnexpectedText",
        ),
        (
            &["451-[\"a\",{\"_placeholder\":true,\"num\":1}]", "bx"],
            "Placeholder",
        ),
        (
            &["451-[\"a\",{\"_placeholder\":true,\"num\":-1}]", "bx"],
            "Placeholder",
        ),
        (
            &["451-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]", "bx"],
            "Placeholder",
        ),
        (
            &["451-[\"a\",{\"_placeholder\":true,\"num\":0.5}]", "bx"],
            "Placeholder",
        ),
        (
            &["451-[\"a\",{\"_placeholder\":true}]", "bx"],
            "Placeholder",
        ),
        (&[&long], "TooDeep"),
    ];
    for (packets, error) in cases {
        let events = without_fields(&after(packets));
        let expected = format!(
            "closed parse error [Packet({error})], retry\ndisconnected / parse error [Packet({error})]\n\
             reconnecting #1 in 1000 ms\n"
        );
        // Which event it was is said as well: see `a_parse_error_names_the_event`.
        let events: Vec<&str> = events
            .lines()
            .map(|line| {
                line.split_once(" \"in event")
                    .map_or(line, |(line, _)| line)
            })
            .collect();
        let events = events
            .join("\n")
            .replace(")\n", ")]\n")
            .replace(")]]", ")]");
        let expected = expected.trim_end().replace("], retry", "]");
        let events = events.replace("], retry", "]");
        assert_eq!(events, expected, "{packets:?}");
    }
}

#[test]
fn what_is_tolerated() {
    for (packets, events) in [
        // Item 91: missing commas, leading zeros, a query in the namespace.
        (
            &["41/"][..],
            "disconnected / io server disconnect [ServerDisconnect]\n",
        ),
        (&["42/,[\"a\"]"], "message / a []\n"),
        (&["42007[\"a\"]"], "message / a [] ack 7\n"),
        (&["42/?x=1,[\"a\"]"], "message / a []\n"),
        (&["42/elsewhere,[\"a\"]"], ""),
        (
            &["42[\"a\" , 1 ,\t\n [2] ] "],
            "message / a [ 1 ,\\t\\n [2] ]\n",
        ),
        (&["42[1,2]"], "message / 1 [2]\n"),
        (&["42[-1.5e3]"], "message / -1.5e3 []\n"),
        (
            &["42[\"connec\\u0074ed\",\"\\ud83d\\ude00\"]"],
            "message / connected [\"\\ud83d\\ude00\"]\n",
        ),
        (&["42[\"\"]"], "message /  []\n"),
        // Item 96: no JSON at all.
        (&["42", "430", "42[\"on\"]"], "message / on []\n"),
        // Item 95: zero attachments.
        (
            &["450-[\"x\"]", "42[\"on\"]"],
            "message / x []\nmessage / on []\n",
        ),
        (
            &["42[\"plain\",{\"_placeholder\":true,\"num\":0}]"],
            "message / plain [{\"_placeholder\":true,\"num\":0}]\n",
        ),
        // A CONNECT again, and a stray one with a payload.
        (&["40{\"sid\":\"S9\"}", "42[\"on\"]"], "message / on []\n"),
        (
            &["40/no,{\"sid\":\"S9\"}", "42[\"on\"]"],
            "message / on []\n",
        ),
    ] {
        assert_eq!(after(packets), events, "{packets:?}");
    }
}

#[test]
fn attachments_in_any_order_and_depth() {
    let header = "453-[\"b\",{\"num\":2,\"_placeholder\":true},{\"deep\":[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true , \"num\" : 1}]}]";
    let events = after(&[header, "ba", "bbb", "bccc", "42[\"on\"]"]);
    assert!(
        events.ends_with(" <61> <6262> <636363>\nmessage / on []\n"),
        "{events}"
    );
    // An attachment used twice, and one not used.
    let events = after(&[&format!("452-[\"b\",{ONE},{ONE}]"), "ba", "bb"]);
    assert_eq!(events, format!("message / b [{ONE},{ONE}] <61> <62>\n"));
}

#[test]
fn ten_attachments_are_the_limit() {
    let placeholders = |n: usize| {
        (0..n)
            .map(|i| format!("{{\"_placeholder\":true,\"num\":{i}}}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let header = format!("4510-[\"b\",{}]", placeholders(10));
    let mut packets = vec![header.as_str()];
    packets.extend(["bx"; 10]);
    assert!(after(&packets).starts_with("message / b "));
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let ten = [BinRef(b"x"); 10];
            rig.emit(nsp, "b", &ten[..], EmitOptions::PLAIN).unwrap();
            assert_eq!(rig.take_log().lines().count(), 11);
            let eleven = [BinRef(b"x"); 11];
            assert_eq!(
                rig.emit(nsp, "b", &eleven[..], EmitOptions::PLAIN),
                Err(EmitError::TooManyAttachments)
            );
            rig.expect("");
            rig.emit(nsp, "on", &(), EmitOptions::PLAIN).unwrap();
            rig.expect("ws> 42[\"on\"]");
        },
    );
    as_text(
        || {
            let mut config = config(Transports::WEBSOCKET);
            config.limits.attachments = 12;
            config
        },
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "b", &[BinRef(b"x"); 12][..], EmitOptions::PLAIN)
                .unwrap();
            rig.ws(&format!("4512-[\"b\",{}]", placeholders(12)));
            for _ in 0..12 {
                rig.ws_binary(b"x");
            }
            assert!(rig.take_events().starts_with("message / b "));
        },
    );
}

#[test]
fn a_half_packet_is_dropped_with_its_connection() {
    for by_the_application in [false, true] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = rig.joined_ws();
                rig.ws(&format!("451-[\"lost\",{ONE}]"));
                if by_the_application {
                    rig.disconnect(nsp);
                    rig.cut(Link::WebSocket);
                    rig.client.connect(rig.now(), nsp);
                    rig.drain();
                } else {
                    rig.cut(Link::WebSocket);
                    rig.pass(1_000);
                }
                rig.opened_ws();
                rig.ws("40{\"sid\":\"S2\"}");
                rig.ws(&format!("451-[\"whole\",{ONE}]"));
                rig.ws_binary(b"a");
                let events = rig.take_events();
                assert!(
                    events.ends_with(&format!(
                        "connected / id=S2\nmessage / whole [{ONE}] <61>\n"
                    )),
                    "{events}"
                );
            },
        );
    }
}

#[test]
fn reserved_names_are_refused() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            for name in [
                "connect",
                "connect_error",
                "disconnect",
                "disconnecting",
                "newListener",
                "removeListener",
            ] {
                assert_eq!(
                    rig.emit(nsp, name, &(), EmitOptions::PLAIN),
                    Err(EmitError::Reserved),
                    "{name}"
                );
            }
            for name in ["Connect", "reconnect", "", "con\\nect", "\"quoted\"", "ü\n"] {
                rig.emit(nsp, name, &(), EmitOptions::PLAIN).unwrap();
            }
            rig.expect(
                r#"
                ws> 42["Connect"]
                ws> 42["reconnect"]
                ws> 42[""]
                ws> 42["con\\nect"]
                ws> 42["\"quoted\""]
                ws> 42["ü\n"]
                "#,
            );
        },
    );
}

#[test]
fn base64_by_force() {
    as_text(
        || {
            let mut config = config(Transports::WEBSOCKET);
            config.force_base64 = true;
            config
        },
        |rig| {
            rig.connect("/");
            assert!(
                rig.request(Link::WebSocket)
                    .unwrap()
                    .target()
                    .contains("&b64=1")
            );
        },
    );
    crate::growable(
        {
            let mut config = config(Transports::WEBSOCKET);
            config.force_base64 = true;
            config
        },
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "b", &(BinRef(&[1, 2, 3, 4]),), EmitOptions::PLAIN)
                .unwrap();
            rig.expect("ws> 451-[\"b\",{\"_placeholder\":true,\"num\":0}]\nws> bAQIDBA==");
        },
    );
}

#[test]
fn base64_on_a_websocket() {
    // Servers answer b64=1 with text messages.
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws(&format!("451-[\"b\",{ONE}]"));
            rig.ws("bAQID");
            rig.ws("42[\"on\"]");
            assert_eq!(
                rig.take_events(),
                format!("message / b [{ONE}] <010203>\nmessage / on []\n")
            );
        },
    );
}
