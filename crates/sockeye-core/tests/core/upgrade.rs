//! From polling to WebSocket (facts 42 and 43 of docs/protocol.md).

use std::time::Duration;

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitError, EmitOptions, Link, Transport, Transports};
use sockeye_testkit::{Opening, Server, Settings, config};

use crate::both;

#[test]
fn step_by_step_with_emits_in_every_phase() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            rig.opening = Opening::Hold;
            let nsp = rig.connect("/");
            rig.opened(Link::Poll);
            rig.opened_polling("[\"websocket\"]");
            rig.opened(Link::Post);
            rig.get_reply("40{\"sid\":\"S1\"}");
            rig.post_reply();
            let emit = |rig: &mut sockeye_testkit::Rig<'_>, i: i32| {
                rig.emit(nsp, "n", &(i,), EmitOptions::PLAIN).unwrap();
            };
            emit(rig, 0);
            rig.opened(Link::WebSocket);
            emit(rig, 1);
            rig.ws_accept();
            emit(rig, 2);
            rig.post_reply();
            emit(rig, 3);
            rig.ws("3probe");
            // From here on no new request: the running POST and GET are waited for.
            emit(rig, 4);
            rig.post_reply();
            emit(rig, 5);
            rig.get_reply("42[\"by polling\"]");
            emit(rig, 6);
            rig.ws("42[\"by websocket\"]");
            assert_eq!(rig.client.transport(), Some(Transport::WebSocket));
            rig.expect(
                r#"
                open get
                get> handshake
                get< 0{"sid":"E1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
                opened polling E1
                open ws
                get>
                open post
                post> 40
                get< 40{"sid":"S1"}
                connected / id=S1
                get>
                post< ok
                post> 42["n",0]
                ws> upgrade
                ws< 101
                ws> 2probe
                post< ok
                post> 42["n",1]|42["n",2]
                ws< 3probe
                post< ok
                get< 42["by polling"]
                message / by polling []
                close get
                close post
                upgraded
                ws> 5
                ws> 42["n",3]
                ws> 42["n",4]
                ws> 42["n",5]
                ws> 42["n",6]
                ws< 42["by websocket"]
                message / by websocket []
                "#,
            );
        },
    );
}

#[test]
fn frames_in_the_same_read_as_the_answer() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            rig.joined_polling("[\"websocket\"]");
            rig.ws_accept();
            rig.ws("3probe");
            rig.get_reply("6");
            rig.expect(
                "ws< 101\nws> 2probe\nws< 3probe\nget< 6\nclose get\nclose post\nupgraded\nws> 5",
            );
        },
    );
}

/// A probe that fails in every possible way leaves polling as it was.
#[test]
fn failed_probes() {
    type Step = fn(&mut sockeye_testkit::Rig<'_>);
    let steps: [(&str, Step); 9] = [
        ("Dial \"connection refused\"", |rig| {
            rig.refused(Link::WebSocket);
        }),
        ("WebSocketRefused \"Bad request\"", |rig| {
            rig.opened(Link::WebSocket);
            let body = br#"{"code":3,"message":"Bad request"}"#;
            rig.reply(
                Link::WebSocket,
                &sockeye_testkit::response("400 Bad Request", "", body),
            );
        }),
        ("WebSocketHandshake", |rig| {
            rig.opened(Link::WebSocket);
            rig.reply(
                Link::WebSocket,
                b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
        }),
        ("WebSocketHandshake", |rig| {
            rig.opened(Link::WebSocket);
            rig.reply(
                Link::WebSocket,
                &sockeye_testkit::response("200 OK", "", b"hello"),
            );
        }),
        ("WebSocketHandshake", |rig| {
            rig.opened(Link::WebSocket);
            rig.ws_accept();
            rig.ws("3nope");
        }),
        ("Eof", |rig| {
            rig.opened(Link::WebSocket);
            rig.ws_accept();
            rig.cut(Link::WebSocket);
        }),
        ("WebSocketClose(1000)", |rig| {
            rig.opened(Link::WebSocket);
            rig.ws_accept();
            rig.ws_frame(0x88, b"\x03\xe8");
        }),
        (
            "WebSocketProtocol(\"masked frame from the server\")",
            |rig| {
                rig.opened(Link::WebSocket);
                rig.ws_accept();
                rig.feed(Link::WebSocket, b"\x81\x80abcd");
            },
        ),
        ("ConnectTimeout", |rig| {
            rig.opened(Link::WebSocket);
            rig.ws_accept();
            rig.pass(10_000);
        }),
    ];
    for (cause, step) in steps {
        both(
            || config(Transports::POLLING_FIRST),
            |rig| {
                rig.opening = Opening::Hold;
                let nsp = rig.connect("/");
                rig.opened(Link::Poll);
                rig.opened_polling("[\"websocket\"]");
                rig.opened(Link::Post);
                rig.get_reply("40{\"sid\":\"S1\"}");
                rig.post_reply();
                rig.take_log();
                step(rig);
                let events = rig.take_events();
                assert_eq!(events, format!("upgrade failed [{cause}]\n"));
                rig.emit(nsp, "still", &(), EmitOptions::PLAIN).unwrap();
                rig.get_reply("42[\"here\"]");
                rig.post_reply();
                rig.expect(
                    "post> 42[\"still\"]\nget< 42[\"here\"]\nmessage / here []\nget>\npost< ok",
                );
                assert_eq!(rig.client.transport(), Some(Transport::Polling));
            },
        );
    }
}

#[test]
fn the_websocket_is_lost_while_polling_pauses() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            let nsp = rig.joined_polling("[\"websocket\"]");
            rig.ws_accept();
            rig.ws("3probe");
            rig.emit(nsp, "n", &(1,), EmitOptions::PLAIN).unwrap();
            assert!(!rig.client.is_writable());
            assert_eq!(
                rig.emit(nsp, "v", &(), EmitOptions::VOLATILE),
                Err(EmitError::NotWritable)
            );
            rig.cut(Link::WebSocket);
            rig.get_reply("6");
            rig.expect(
                r#"
                ws< 101
                ws> 2probe
                ws< 3probe
                close ws
                upgrade failed [Eof]
                post> 42["n",1]
                get< 6
                get>
                "#,
            );
        },
    );
}

#[test]
fn a_server_that_never_ends_the_get() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            let nsp = rig.joined_polling("[\"websocket\"]");
            rig.ws_accept();
            rig.ws("3probe");
            rig.emit(nsp, "n", &(1,), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.pass(10_000);
            rig.expect("@10000\nclose ws\nupgrade failed [ConnectTimeout]\npost> 42[\"n\",1]");
        },
    );
}

#[test]
fn pings_during_the_upgrade() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            let nsp = rig.joined_polling("[\"websocket\"]");
            // Nothing may mix: a pong and a packet for the POST, a probe for the WebSocket.
            rig.write[Link::WebSocket.index()] = 1;
            rig.write[Link::Post.index()] = 1;
            rig.get_reply("2");
            rig.emit(nsp, "n", &(1,), EmitOptions::PLAIN).unwrap();
            rig.post_reply();
            rig.write[Link::WebSocket.index()] = 0;
            rig.client.handle_writable(rig.now(), Link::WebSocket);
            rig.ws_accept();
            rig.post_reply();
            rig.get_reply("2");
            rig.emit(nsp, "n", &(2,), EmitOptions::PLAIN).unwrap();
            rig.writable(Link::WebSocket, 1);
            rig.post_reply();
            rig.ws_frame(0x89, b"are you there");
            rig.ws("3probe");
            // A ping in the last GET is answered on the WebSocket.
            rig.post_reply();
            rig.get_reply("2|6");
            let log = rig.take_log();
            assert_eq!(
                log,
                "get< 2\nping\nget>\npost> 3\npost< ok\npost> 42[\"n\",1]\nws< 101\npost< ok\nget< 2\nping\nget>\n\
                 post> 3\nws> 2probe\npost< ok\npost> 42[\"n\",2]\nws< 89 are you there\nws> pong are you there\n\
                 ws< 3probe\npost< ok\nget< 2|6\nping\nclose get\nclose post\nupgraded\nws> 5\nws> 3\n"
            );
        },
    );
}

#[test]
fn closing_in_every_phase() {
    for phase in 0..4 {
        both(
            || config(Transports::POLLING_FIRST),
            |rig| {
                rig.opening = Opening::Hold;
                let nsp = rig.connect("/");
                rig.opened(Link::Poll);
                rig.opened_polling("[\"websocket\"]");
                rig.opened(Link::Post);
                rig.get_reply("40{\"sid\":\"S1\"}");
                rig.post_reply();
                if phase > 0 {
                    rig.opened(Link::WebSocket);
                }
                if phase > 1 {
                    rig.ws_accept();
                }
                if phase > 2 {
                    rig.ws("3probe");
                }
                rig.take_log();
                rig.disconnect(nsp);
                rig.expect("disconnected / io client disconnect [Local]\nclose ws\npost> 41");
                rig.post_reply();
                rig.expect("post< ok\npost> 1");
                rig.post_reply();
                rig.expect("post< ok\nclose get\nclose post");
                assert!(rig.client.is_down());
            },
        );
    }
}

/// The upgrade is given up for the goodbye. What was emitted before leaves by polling; what is emitted after stays for
/// another connection.
#[test]
fn leaving_during_an_upgrade_takes_along_what_was_emitted_before() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            let nsp = rig.joined_polling("[\"websocket\"]");
            rig.ws_accept();
            rig.ws("3probe");
            // Polling pauses: this waits for the WebSocket.
            rig.emit(nsp, "before", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.disconnect(nsp);
            rig.emit(nsp, "after", &(), EmitOptions::ACK).unwrap();
            rig.post_reply();
            rig.post_reply();
            rig.expect(
                r#"
                disconnected / io client disconnect [Local]
                close ws
                post> 42["before"]|41
                post< ok
                post> 1
                post< ok
                close get
                close post
                "#,
            );
            assert!(rig.client.is_down());
            // It goes with the next join, and its answer is its own.
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_polling("[]");
            rig.post_reply();
            rig.get_reply("40{\"sid\":\"S2\"}");
            rig.get_reply("430[7]");
            let log = rig.take_log();
            assert_eq!(log.matches("post> 420[\"after\"]").count(), 1, "{log}");
            assert!(log.contains("ack #1 [7]\n"), "{log}");
        },
    );
}

#[test]
fn upgrade_off() {
    for by_config in [true, false] {
        both(
            || {
                let mut config = config(Transports::POLLING_FIRST);
                config.upgrade = !by_config;
                config
            },
            |rig| {
                rig.joined_polling(if by_config {
                    "[\"websocket\"]"
                } else {
                    "[\"webtransport\"]"
                });
                assert!(!rig.is_open(Link::WebSocket));
            },
        );
    }
}

#[test]
fn order_is_kept_under_load() {
    for latency in [0, 1, 5, 30] {
        both(
            || config(Transports::POLLING_FIRST),
            |rig| {
                rig.server = Some(Server::new(Settings {
                    max_payload: 500,
                    ..Settings::default()
                }));
                rig.latency = Duration::from_millis(latency);
                let nsp = rig.connect("/");
                for i in 0..500 {
                    let args = (i, BinRef(&[1, 2, 3]));
                    while rig.emit(nsp, "echo", &args, EmitOptions::PLAIN) == Err(EmitError::Full) {
                        rig.pass(2);
                    }
                    if i % 5 == 0 {
                        rig.pass(2);
                    }
                }
                rig.pass(3_000);
                let server = rig.server.as_ref().unwrap();
                assert_eq!(server.violations, Vec::<String>::new());
                let numbers: Vec<&str> = server
                    .received
                    .iter()
                    .map(|line| line.split(',').nth(1).unwrap())
                    .collect();
                assert_eq!(numbers, (0..500).map(|i| i.to_string()).collect::<Vec<_>>());
                let events = rig.take_events();
                assert!(events.contains("upgraded\n"));
                let echoes: Vec<&str> = events
                    .lines()
                    .filter(|line| line.starts_with("message / echo"))
                    .collect();
                assert_eq!(echoes.len(), 500);
                assert!(
                    echoes
                        .iter()
                        .enumerate()
                        .all(|(i, line)| line.contains(&format!(" echo [{i},")))
                );
            },
        );
    }
}
