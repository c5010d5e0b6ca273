//! The first requests, byte by byte, and what the server may answer.

use sockeye_core::{EmitOptions, Entropy, Link, NspOptions, Timestamp, Transports, text};
use sockeye_testkit::{Opening, config};

use crate::{as_text, both};

#[test]
fn websocket_alone() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            let request = rig.request(Link::WebSocket).unwrap().clone();
            let key = request.header("sec-websocket-key").unwrap().to_owned();
            assert_eq!(key.len(), 24);
            assert_eq!(
                request.head,
                format!(
                    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
                )
            );
            assert!(!rig.client.is_connected(nsp));
            assert!(rig.client.is_active(nsp));
            rig.opened_ws();
            assert_eq!(rig.client.engine_id(), Some("E1"));
            assert_eq!(rig.client.id(nsp), None);
            rig.ws("40{\"sid\":\"S1\"}");
            assert_eq!(rig.client.id(nsp), Some("S1"));
            rig.expect(
                r#"
                open ws
                ws> handshake
                ws< 101
                ws< 0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
                opened websocket E1
                ws> 40
                ws< 40{"sid":"S1"}
                connected / id=S1
                "#,
            );
        },
    );
}

#[test]
fn polling_alone() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.connect("/chat");
            assert_eq!(
                rig.request(Link::Poll).unwrap().head,
                "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n"
            );
            rig.opened_polling("[\"websocket\"]");
            assert_eq!(
                rig.request(Link::Poll).unwrap().head,
                "GET /socket.io/?EIO=4&transport=polling&sid=E1 HTTP/1.1\r\nHost: h\r\n\r\n"
            );
            assert_eq!(
                rig.request(Link::Post).unwrap().head,
                "POST /socket.io/?EIO=4&transport=polling&sid=E1 HTTP/1.1\r\nHost: h\r\n\
                 Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 8\r\n\r\n"
            );
            rig.post_reply();
            rig.get_reply("40/chat,{\"sid\":\"S1\"}");
            assert!(rig.client.is_connected(nsp));
            rig.expect(
                r#"
                open get
                get> handshake
                get< 0{"sid":"E1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
                opened polling E1
                get>
                open post
                post> 40/chat,
                post< ok
                get< 40/chat,{"sid":"S1"}
                connected /chat id=S1
                get>
                "#,
            );
        },
    );
}

#[test]
fn options_in_the_request() {
    both(
        || {
            let mut config = config(Transports::POLLING_FIRST);
            config.host = text("[::1]:3000");
            config.path = text("/my/path");
            config.query = text("token=a%20b&x=1");
            config.headers = text("X-Device: 7\r\nUser-Agent: test\r\n");
            config.protocols = text("soap, wamp");
            config.timestamp = Timestamp::Always;
            config.timestamp_param = text("stamp");
            config.force_base64 = true;
            config
        },
        |rig| {
            rig.connect("/");
            let first = rig.request(Link::Poll).unwrap().clone();
            let stamp = first.query("stamp").unwrap().to_owned();
            assert!(stamp.bytes().all(|b| b.is_ascii_digit()));
            assert_eq!(
                first.head,
                format!(
                    "GET /my/path?EIO=4&transport=polling&stamp={stamp}&b64=1&token=a%20b&x=1 HTTP/1.1\r\n\
                     Host: [::1]:3000\r\nX-Device: 7\r\nUser-Agent: test\r\n\r\n"
                )
            );
            rig.opened_polling("[\"websocket\"]");
            let get = rig.request(Link::Poll).unwrap();
            assert!(
                get.target().ends_with("&b64=1&sid=E1&token=a%20b&x=1"),
                "{}",
                get.target()
            );
            assert_ne!(get.query("stamp"), Some(stamp.as_str()));
            let upgrade = rig.request(Link::WebSocket).unwrap();
            assert!(
                upgrade
                    .target()
                    .starts_with("/my/path?EIO=4&transport=websocket&stamp="),
                "{}",
                upgrade.target()
            );
            assert_eq!(upgrade.query("sid"), Some("E1"));
            assert_eq!(upgrade.header("x-device"), Some("7"));
            assert_eq!(upgrade.header("sec-websocket-protocol"), Some("soap, wamp"));
        },
    );
}

#[test]
fn session_ids_are_escaped_in_the_query() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.get_reply("0{\"sid\":\"a+b/c=&%~\"}");
            assert_eq!(rig.client.engine_id(), Some("a+b/c=&%~"));
            assert_eq!(
                rig.request(Link::Poll).unwrap().query("sid"),
                Some("a%2Bb%2Fc%3D%26%25~")
            );
        },
    );
}

#[test]
fn stamps_follow_the_transport() {
    for (timestamp, polling, websocket) in [
        (Timestamp::Never, false, false),
        (Timestamp::Polling, true, false),
        (Timestamp::Always, true, true),
    ] {
        for (transports, link, wanted) in [
            (Transports::POLLING, Link::Poll, polling),
            (Transports::WEBSOCKET, Link::WebSocket, websocket),
        ] {
            both(
                || {
                    let mut config = config(transports);
                    config.timestamp = timestamp;
                    config
                },
                |rig| {
                    rig.connect("/");
                    assert_eq!(
                        rig.request(link).unwrap().query("t").is_some(),
                        wanted,
                        "{timestamp:?} {link:?}"
                    );
                },
            );
        }
    }
}

#[test]
fn packets_after_open_in_one_payload() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.get_reply("0{\"sid\":\"E1\"}|2|40{\"sid\":\"S1\"}|42[\"hi\",1]");
            rig.expect(
                r#"
                open get
                get> handshake
                get< 0{"sid":"E1"}|2|40{"sid":"S1"}|42["hi",1]
                opened polling E1
                ping
                open post
                get>
                post> 3
                message / hi [1]
                connected / id=S1
                "#,
            );
            // The server consented before it was asked: it is asked all the same, and its second answer changes nothing.
            rig.post_reply();
            rig.get_reply("40{\"sid\":\"S1\"}|42[\"on\"]");
            rig.expect(
                r#"
                post< ok
                post> 40
                get< 40{"sid":"S1"}|42["on"]
                message / on []
                get>
                "#,
            );
        },
    );
}

#[test]
fn odd_fields_in_the_handshake() {
    // Missing, null, of other types, unknown: only `sid` counts (fact 27 of docs/protocol.md).
    for handshake in [
        "0{\"sid\":\"E1\"}",
        "0{\"upgrades\":null,\"pingInterval\":\"x\",\"pingTimeout\":null,\"maxPayload\":[],\"sid\":\"E1\",\"z\":{\"sid\":\"no\"}}",
        "0 {\"sid\" : \"E1\" , \"maxPayload\" : 0 }",
        "0{\"sid\":\"E1\",\"pingInterval\":99999999999999999999,\"pingTimeout\":-1}",
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.connect("/");
                rig.ws_accept();
                rig.ws(handshake);
                assert_eq!(rig.client.engine_id(), Some("E1"), "{handshake}");
                assert!(rig.take_log().ends_with("opened websocket E1\nws> 40\n"));
            },
        );
    }
}

#[test]
fn not_a_handshake() {
    for (packet, cause) in [
        ("0{\"sid\":5}", "NotEngineIo"),
        ("0{}", "NotEngineIo"),
        ("0[1]", "NotEngineIo"),
        ("40", "NotEngineIo"),
        ("2", "NotEngineIo"),
        ("hello", "NotEngineIo"),
        (
            "97:0{\"sid\":\"E1\",\"pingInterval\":25000}2:40",
            "OldServer",
        ),
        ("<!DOCTYPE html><html></html>", "NotEngineIo"),
    ] {
        both(
            || config(Transports::POLLING),
            |rig| {
                rig.connect("/");
                rig.take_log();
                rig.get_reply(packet);
                let log = rig.take_log();
                assert!(
                    log.contains(&format!("closed attempt transport error [{cause} ")),
                    "{packet}: {log}"
                );
                assert!(
                    log.ends_with("retry\nreconnecting #1 in 1000 ms\n"),
                    "{log}"
                );
            },
        );
    }
}

#[test]
fn binary_or_nothing_instead_of_a_handshake() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.ws_accept();
            rig.take_log();
            rig.ws_binary(b"0{}");
            rig.expect(
                r#"
                ws< <307b7d>
                close ws
                closed attempt transport error [NotEngineIo "0{}"], retry
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.take_log();
            rig.get_reply("");
            rig.expect(
                r"
                get<
                close get
                closed attempt transport error [NotEngineIo], retry
                reconnecting #1 in 1000 ms
                ",
            );
        },
    );
}

#[test]
fn no_answer_within_the_connect_timeout() {
    // While dialing, while the request waits, and while the handshake waits.
    for (transports, link, stages) in [
        (Transports::WEBSOCKET, "ws", 0..3),
        (Transports::POLLING, "get", 0..2),
    ] {
        for stage in stages {
            both(
                || config(transports),
                |rig| {
                    if stage == 0 {
                        rig.opening = Opening::Hold;
                    }
                    rig.connect("/");
                    if stage == 2 {
                        rig.ws_accept();
                    }
                    rig.take_log();
                    rig.pass(20_500);
                    rig.expect(&format!(
                        "@20000\nclose {link}\nclosed attempt transport error [ConnectTimeout], retry\n\
                         reconnecting #1 in 1000 ms"
                    ));
                },
            );
        }
    }
}

#[test]
fn connect_timeout_off() {
    both(
        || {
            let mut config = config(Transports::POLLING);
            config.connect_timeout = None;
            config
        },
        |rig| {
            rig.connect("/");
            rig.take_log();
            assert_eq!(rig.wake(), None);
            rig.pass(1_000_000);
            rig.opened_polling("[]");
            assert_eq!(rig.client.engine_id(), Some("E1"));
        },
    );
}

#[test]
fn all_transports_are_tried() {
    both(
        || {
            let mut config = config(Transports::POLLING_FIRST);
            config.try_all_transports = true;
            config
        },
        |rig| {
            rig.connect("/");
            rig.reply(
                Link::Poll,
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            );
            rig.opened_ws();
            rig.expect(
                r#"
                open get
                get> handshake
                get< HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n
                close get
                open ws
                ws> handshake
                ws< 101
                ws< 0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
                opened websocket E1
                ws> 40
                "#,
            );
        },
    );
    // Both fail: one failed attempt, told once, with the last cause.
    both(
        || {
            let mut config = config(Transports::WEBSOCKET_FIRST);
            config.try_all_transports = true;
            config
        },
        |rig| {
            rig.opening = Opening::Refuse;
            rig.connect("/");
            rig.expect(
                r#"
                open ws
                open get
                closed attempt transport error [Dial "connection refused"], retry
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
}

/// Unless all are asked for (fact 10).
#[test]
fn only_the_first_transport_is_tried() {
    for (transports, link) in [
        (Transports::POLLING_FIRST, "get"),
        (Transports::WEBSOCKET_FIRST, "ws"),
    ] {
        both(
            || config(transports),
            |rig| {
                rig.opening = Opening::Refuse;
                rig.connect("/");
                rig.pass(1_000);
                let refused = "closed attempt transport error [Dial \"connection refused\"], retry";
                rig.expect(&format!(
                    "open {link}\n{refused}\nreconnecting #1 in 1000 ms\n@1000\nattempt #1\n\
                     open {link}\n{refused}\nreconnecting #2 in 2000 ms"
                ));
            },
        );
    }
}

#[test]
fn remembered_upgrade() {
    both(
        || {
            let mut config = config(Transports::POLLING_FIRST);
            config.remember_upgrade = true;
            config
        },
        |rig| {
            rig.server = Some(sockeye_testkit::Server::default());
            rig.connect("/");
            assert!(rig.take_log().contains("upgraded"));
            // A regular close keeps the memory, a failure loses it.
            rig.cut(Link::WebSocket);
            rig.take_log();
            rig.pass(1_000);
            assert!(rig.take_log().contains("open ws\nws> handshake\n"));
            rig.break_link(Link::WebSocket, "reset");
            rig.opening = Opening::Refuse;
            rig.pass(1_000);
            rig.opening = Opening::Accept;
            rig.take_log();
            rig.pass(10_000);
            assert!(rig.take_log().contains("open get\nget> handshake\n"));
        },
    );
}

#[test]
fn query_and_headers_change_with_the_next_connection() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_polling("[]");
            rig.client.set_query(text("v=2"));
            rig.client.set_headers(text("A: 2\r\n"));
            rig.post_reply();
            rig.get_reply("40{\"sid\":\"S1\"}");
            let request = rig.request(Link::Poll).unwrap();
            assert_eq!(
                (request.query("v"), request.header("a")),
                (None, None),
                "a session keeps its query"
            );
            rig.break_link(Link::Poll, "reset");
            rig.pass(1_000);
            let request = rig.request(Link::Poll).unwrap();
            assert_eq!(
                (request.query("v"), request.header("a")),
                (Some("2"), Some("2"))
            );
            assert!(rig.client.is_active(nsp));
        },
    );
}

#[test]
fn head_that_does_not_fit() {
    both(
        || {
            let mut config = config(Transports::WEBSOCKET);
            let long: &'static str = Box::leak("q=".to_owned().into_boxed_str());
            config.query = text(long);
            config.headers = text(Box::leak(
                format!("X: {}\r\n", "y".repeat(70_000)).into_boxed_str(),
            ));
            config
        },
        |rig| {
            rig.connect("/");
            rig.expect(
                r"
                open ws
                close ws
                closed attempt transport error [HeadTooLong], retry
                reconnecting #1 in 1000 ms
                ",
            );
        },
    );
}

#[test]
fn keys_and_masks_come_from_the_entropy() {
    let run = |seed| {
        let mut storage = Box::new(crate::Small::new());
        let mut config = config(Transports::WEBSOCKET);
        config.entropy = Entropy::Seed(seed);
        let mut rig = sockeye_testkit::Rig::new(config, storage.memory());
        let nsp = rig.connect("/");
        let key = rig
            .request(Link::WebSocket)
            .unwrap()
            .header("sec-websocket-key")
            .unwrap()
            .to_owned();
        rig.opened_ws();
        rig.ws("40{\"sid\":\"S1\"}");
        for i in 0..200 {
            rig.emit(nsp, "x", &(i,), EmitOptions::PLAIN).unwrap();
        }
        let mut masks = rig.masks.clone();
        let all = masks.len();
        masks.sort_unstable();
        masks.dedup();
        assert_eq!(
            (masks.len(), all),
            (201, 201),
            "a mask of its own for every frame"
        );
        (key, masks)
    };
    assert_ne!(run(1), run(2));
    assert_eq!(run(3), run(3));
}

#[test]
fn namespace_names() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let options = NspOptions::default();
            let main = rig.namespace("", options);
            assert_eq!(rig.namespace("/", options), main);
            assert_eq!(rig.client.name(main), "/");
            let chat = rig.namespace("chat", options);
            assert_eq!(rig.namespace("/chat", options), chat);
            assert_ne!(main, chat);
            for bad in ["/a,b", "/a\nb", &"x".repeat(5000)] {
                assert_eq!(
                    rig.client.namespace(bad, options),
                    Err(sockeye_core::NamespaceError::Name)
                );
            }
        },
    );
}
