//! Ping, pong, deadlines, sleep; the ends of sessions (facts 28–32, 38–41 of docs/protocol.md).

use sockeye_core::{EmitOptions, Link, Transports};
use sockeye_testkit::config;

use crate::both;

#[test]
fn pings_are_answered_and_move_the_deadline() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.pass(25_000);
            rig.ws("2");
            rig.pass(25_000);
            rig.ws("2probe");
            // Other traffic does not move it.
            rig.pass(44_999);
            rig.ws("42[\"x\"]");
            rig.pass(1);
            rig.expect(
                r#"
                @25000
                ws< 2
                ping
                ws> 3
                @50000
                ws< 2probe
                ping
                ws> 3
                @94999
                ws< 42["x"]
                message / x []
                @95000
                close ws
                closed ping timeout [PingTimeout], retry
                disconnected / ping timeout [PingTimeout]
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
}

#[test]
fn the_deadline_is_interval_and_timeout() {
    for transports in [Transports::WEBSOCKET, Transports::POLLING] {
        both(
            || config(transports),
            |rig| {
                rig.connect("/");
                let open = "0{\"sid\":\"E1\",\"pingInterval\":100,\"pingTimeout\":50}";
                if transports == Transports::POLLING {
                    rig.get_reply(open);
                } else {
                    rig.ws_accept();
                    rig.ws(open);
                }
                rig.take_log();
                rig.pass(149);
                assert_eq!(rig.take_log(), "");
                rig.pass(1);
                assert!(
                    rig.take_events()
                        .starts_with("closed ping timeout [PingTimeout], retry\n")
                );
            },
        );
    }
}

#[test]
fn pings_by_polling() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.get_reply("2");
            rig.expect("get< 2\nping\nget>\npost> 3");
            // A pong that is due while a POST is under way leads the next one.
            rig.get_reply("2");
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.expect("get< 2\nping\nget>");
            rig.post_reply();
            rig.expect("post< ok\npost> 3|42[\"a\"]");
        },
    );
}

#[test]
fn emit_after_a_sleep_past_the_deadline() {
    for transports in [Transports::WEBSOCKET, Transports::POLLING] {
        both(
            || config(transports),
            |rig| {
                let polling = transports == Transports::POLLING;
                let nsp = if polling {
                    rig.joined_polling("[]")
                } else {
                    rig.joined_ws()
                };
                rig.sleep(100_000);
                // The first thing after the wake is a command: it must not go to a dead link (fact 32).
                rig.emit(nsp, "late", &(1,), EmitOptions::ACK).unwrap();
                let volatile = rig.emit(nsp, "v", &(), EmitOptions::VOLATILE);
                assert_eq!(volatile, Err(sockeye_core::EmitError::NotWritable));
                let closing = if polling {
                    "close get\nclose post"
                } else {
                    "close ws"
                };
                rig.expect(&format!(
                    "@100000\n{closing}\nclosed ping timeout [PingTimeout], retry\n\
                     disconnected / ping timeout [PingTimeout]\nreconnecting #1 in 1000 ms"
                ));
                rig.pass(1_000);
                if polling {
                    rig.opened_polling("[]");
                    rig.post_reply();
                    rig.get_reply("40{\"sid\":\"S2\"}");
                } else {
                    rig.opened_ws();
                    rig.ws("40{\"sid\":\"S2\"}");
                }
                let log = rig.take_log();
                let late = if polling {
                    "post> 420[\"late\",1]"
                } else {
                    "ws> 420[\"late\",1]"
                };
                assert_eq!(log.matches(late).count(), 1, "{log}");
                assert!(!log.contains("ack #"), "{log}");
            },
        );
    }
}

#[test]
fn bytes_that_waited_during_the_sleep() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.sleep(44_000);
            rig.ws("2");
            rig.expect("@44000\nws< 2\nping\nws> 3");
            rig.sleep(45_000);
            rig.ws("2");
            assert!(rig.take_events().starts_with("closed ping timeout"));
        },
    );
}

#[test]
fn time_that_runs_backwards() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.pass(10_000);
            rig.client.handle_timeout(sockeye_core::Instant::ZERO);
            rig.drain();
            assert_eq!(rig.wake().unwrap().as_millis(), 45_000);
            rig.expect("");
        },
    );
}

#[test]
fn closed_by_the_server() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            rig.get_reply("42[\"bye\"]|1");
            rig.expect(
                r#"
                get< 42["bye"]|1
                message / bye []
                close get
                close post
                closed transport close [EngineClose], retry
                disconnected / transport close [EngineClose]
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws("1");
            rig.expect(
                r"
                ws< 1
                close ws
                closed transport close [EngineClose], retry
                disconnected / transport close [EngineClose]
                reconnecting #1 in 1000 ms
                ",
            );
        },
    );
}

#[test]
fn websocket_close_frames() {
    for (payload, answer, cause) in [
        (&b""[..], "", "WebSocketClose(1005)"),
        (b"\x03\xe8", "03e8", "WebSocketClose(1000)"),
        (
            b"\x03\xf1too big",
            "03f1",
            "WebSocketClose(1009) \"too big\"",
        ),
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = rig.joined_ws();
                rig.ws_frame(0x88, payload);
                let log = rig.take_log();
                let (_, log) = log.split_once('\n').unwrap();
                assert_eq!(
                    log,
                    format!(
                        "closed transport close [{cause}], retry\ndisconnected / transport close [{cause}]\n\
                         reconnecting #1 in 1000 ms\nws> close {answer}\nclose ws\n"
                    )
                );
                assert!(rig.client.is_active(nsp));
                rig.pass(1_000);
                assert!(rig.take_log().contains("open ws\nws> handshake\n"));
            },
        );
    }
}

#[test]
fn a_close_frame_while_the_link_takes_nothing() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            // In the middle of a frame nothing can be put in between.
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "x", &(1,), EmitOptions::PLAIN).unwrap();
            rig.ws_frame(0x88, b"\x03\xe8");
            let log = rig.take_log();
            assert!(
                log.contains("\nclose ws\nclosed transport close [WebSocketClose(1000)], retry\n"),
                "{log}"
            );
        },
    );
}

#[test]
fn ends_of_streams() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.cut(Link::WebSocket);
            rig.expect(
                r"
                close ws
                closed transport close [Eof], retry
                disconnected / transport close [Eof]
                reconnecting #1 in 1000 ms
                ",
            );
        },
    );
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.break_link(Link::WebSocket, "connection reset\nby peer");
            rig.expect(
                r#"
                close ws
                closed transport close [Io "connection reset by peer"], retry
                disconnected / transport close [Io "connection reset by peer"]
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
}

#[test]
fn noop_and_unknown_packets() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws("6");
            rig.ws("3");
            rig.expect("ws< 6\nws< 3");
            rig.ws("9");
            rig.expect(
                r#"
                ws< 9
                close ws
                closed transport error [Packet(Type) "9"], retry
                disconnected / transport error [Packet(Type) "9"]
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
    for payload in ["", "6|", "\u{1}"] {
        both(
            || config(Transports::POLLING),
            |rig| {
                rig.joined_polling("[]");
                rig.get_reply(payload);
                let events = rig.take_events();
                assert!(
                    events.starts_with("closed transport error [Packet(Type)"),
                    "{payload}: {events}"
                );
            },
        );
    }
}

#[test]
fn goodbye_by_websocket() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.write[Link::WebSocket.index()] = 3;
            rig.emit(nsp, "last", &(1,), EmitOptions::PLAIN).unwrap();
            rig.disconnect(nsp);
            assert!(!rig.client.is_down());
            rig.ws_frame(0x88, b"");
            rig.expect(
                r#"
                ws> 42["last",1]
                disconnected / io client disconnect [Local]
                ws> 41
                ws> close
                ws< 88
                close ws
                "#,
            );
            assert!(rig.client.is_down());
            assert_eq!(rig.wake(), None);
        },
    );
    // The server does not answer: the link is cut after the close timeout.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.disconnect(nsp);
            rig.ws("42[\"ignored\"]");
            rig.take_log();
            rig.pass(5_000);
            rig.expect("@2000\nclose ws");
            assert!(rig.client.is_down());
        },
    );
}

#[test]
fn goodbye_by_polling() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.emit(nsp, "last", &(1,), EmitOptions::PLAIN).unwrap();
            rig.disconnect(nsp);
            rig.expect("post> 42[\"last\",1]\ndisconnected / io client disconnect [Local]");
            rig.post_reply();
            // Each in a body of its own: see the facts about servers in docs/protocol.md.
            rig.expect("post< ok\npost> 41");
            rig.post_reply();
            rig.expect("post< ok\npost> 1");
            rig.post_reply();
            rig.expect("post< ok\nclose get\nclose post");
            assert!(rig.client.is_down());
        },
    );
}

#[test]
fn reading_may_pause() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.client.handle_reading_paused(rig.now(), true);
            rig.drain();
            // The application is slow for two minutes. The server pings at 25 s, and 25 s after each pong.
            rig.pass(120_000);
            rig.expect("@35000\nws> 3\n@70000\nws> 3\n@105000\nws> 3");
            rig.client.handle_reading_paused(rig.now(), false);
            rig.drain();
            // The pings that were waiting have been answered already.
            for _ in 0..3 {
                rig.ws("2");
            }
            rig.ws("2");
            let log = rig.take_log();
            assert_eq!(log.matches("ping").count(), 4, "{log}");
            assert_eq!(log.matches("ws> 3").count(), 1, "{log}");
            rig.pass(44_999);
            rig.expect("");
            rig.pass(1);
            assert!(rig.take_events().starts_with("closed ping timeout"));
        },
    );
}

/// Reading goes on, but the pings lie behind so much else that it pauses again and again.
#[test]
fn reading_that_pauses_often_does_not_put_pongs_off() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            for _ in 0..80 {
                for paused in [true, false] {
                    rig.client.handle_reading_paused(rig.now(), paused);
                    rig.drain();
                    rig.pass(500);
                }
            }
            rig.expect("@35000\nws> 3\n@70000\nws> 3");
            // Caught up: the two pings that were answered, then a new one.
            for _ in 0..3 {
                rig.ws("2");
            }
            let log = rig.take_log();
            assert_eq!(
                (log.matches("ping").count(), log.matches("ws> 3").count()),
                (3, 1),
                "{log}"
            );
            rig.pass(44_999);
            rig.expect("");
        },
    );
}
