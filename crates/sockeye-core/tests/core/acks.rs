//! Acknowledgements.

use std::time::Duration;

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitError, EmitOptions, Link, NspOptions, Transports};
use sockeye_testkit::config;

use crate::{as_text, both};

fn within(ms: u64) -> EmitOptions {
    EmitOptions::ACK.timeout(Duration::from_millis(ms))
}

#[test]
fn ids_from_zero_and_exactly_once() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let first = rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap().unwrap();
            assert_eq!(rig.emit(nsp, "b", &(), EmitOptions::PLAIN), Ok(None));
            let second = rig.emit(nsp, "c", &(), EmitOptions::ACK).unwrap().unwrap();
            assert!(first < second);
            rig.ws("431[\"two\",{}]");
            rig.ws("430[]");
            rig.ws("430[\"again\"]");
            rig.ws("437[\"never asked\"]");
            rig.ws("43002[]");
            rig.expect(
                r#"
                ws> 420["a"]
                ws> 42["b"]
                ws> 421["c"]
                ws< 431["two",{}]
                ack #2 ["two",{}]
                ws< 430[]
                ack #1 []
                ws< 430["again"]
                ws< 437["never asked"]
                ws< 43002[]
                "#,
            );
        },
    );
}

// As in the reference, where it is looked up under no id (fact 96): a server that writes one is not left for it.
#[test]
fn an_answer_without_an_id_answers_nothing() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.take_log();
            for packet in ["43[]", "43[1]", "461-[{\"_placeholder\":true,\"num\":0}]"] {
                rig.ws(packet);
            }
            rig.ws_binary(&[7]);
            rig.ws("42[\"still here\"]");
            rig.ws("430[1]");
            rig.expect(
                r#"
                ws< 43[]
                ws< 43[1]
                ws< 461-[{"_placeholder":true,"num":0}]
                ws< <07>
                ws< 42["still here"]
                message / still here []
                ws< 430[1]
                ack #1 [1]
                "#,
            );
        },
    );
}

#[test]
fn ids_go_on_over_reconnections() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.ws("430[]");
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.take_log();
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.expect("ws> 421[\"a\"]");
            // Leading zeros are tolerated (fact 91).
            rig.ws("43001[1]");
            rig.expect("ws< 43001[1]\nack #2 [1]");
        },
    );
}

#[test]
fn timeouts() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "a", &(), within(300)).unwrap();
            rig.emit(nsp, "b", &(), within(100)).unwrap();
            rig.emit(nsp, "c", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "d", &(), within(200)).unwrap();
            rig.take_log();
            rig.pass(100);
            rig.ws("433[\"in time\"]");
            rig.pass(1_000);
            rig.ws("430[\"late\"]");
            rig.ws("432[]");
            rig.expect(
                r#"
                @100
                ack #2 timeout
                ws< 433["in time"]
                ack #4 ["in time"]
                @300
                ack #1 timeout
                @1100
                ws< 430["late"]
                ws< 432[]
                ack #3 []
                "#,
            );
        },
    );
}

#[test]
fn a_timeout_of_nothing() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "a", &(), within(0)).unwrap();
            rig.pass(0);
            let log = rig.take_log();
            assert!(log.contains("ack #1 timeout"), "{log}");
        },
    );
}

#[test]
fn the_namespace_may_have_a_default_timeout() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let mut options = NspOptions::default();
            options.ack_timeout = Some(Duration::from_millis(50));
            rig.client.set_options(nsp, options);
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(), within(80)).unwrap();
            rig.take_log();
            rig.pass(100);
            rig.expect("@50\nack #1 timeout\n@80\nack #2 timeout");
        },
    );
}

#[test]
fn a_timeout_takes_the_packet_along() {
    // Unsent packets are dropped (fact 81), whether the namespace or the link is not ready.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.emit(nsp, "gone", &(BinRef(&[1]),), within(50)).unwrap();
            rig.emit(nsp, "stays", &(), EmitOptions::PLAIN).unwrap();
            rig.pass(60);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\"}");
            let log = rig.take_log();
            assert!(log.contains("ack #1 timeout"), "{log}");
            assert!(
                !log.contains("gone") && log.ends_with("ws> 42[\"stays\"]\n"),
                "{log}"
            );
        },
    );
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "under way", &(), within(50)).unwrap();
            rig.emit(nsp, "gone", &(), within(50)).unwrap();
            rig.pass(60);
            rig.expect("@50\nack #1 timeout\nack #2 timeout unsent");
            rig.writable(Link::WebSocket, usize::MAX);
            rig.expect("@60\nws> 420[\"under way\"]");
        },
    );
}

#[test]
fn a_disconnect_fails_only_what_has_been_sent() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "sent", &(), EmitOptions::ACK).unwrap();
            rig.cut(Link::WebSocket);
            rig.emit(nsp, "held", &(), EmitOptions::ACK).unwrap();
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.ws("430[\"for the first\"]");
            rig.ws("431[\"for the second\"]");
            let events = rig.take_events();
            assert_eq!(
                events,
                "closed transport close [Eof], retry\ndisconnected / transport close [Eof]\nack #1 disconnected\n\
                 reconnecting #1 in 1000 ms\nattempt #1\nopened websocket E1\nreconnected #1\nconnected / id=S2\n\
                 ack #2 [\"for the second\"]\n"
            );
        },
    );
}

#[test]
fn a_cut_in_the_middle_of_a_batch() {
    // What has been written whole is gone, what has not is sent again, once.
    for written in 0..70 {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = rig.joined_ws();
                let names = ["a", "b", "c", "d"];
                for name in names {
                    rig.client
                        .emit(rig.now(), nsp, name, &(), EmitOptions::ACK)
                        .unwrap();
                }
                match rig.client.poll_output() {
                    sockeye_core::Output::Transmit(link) => {
                        assert_eq!(rig.client.transmit(link).len(), 4 * 14);
                        if written > 0 {
                            rig.client.transmitted(link, written.min(56));
                        }
                    }
                    other => panic!("{other:?}"),
                }
                rig.cut(Link::WebSocket);
                let whole = written.min(56) / 14;
                let events = rig.take_events();
                assert_eq!(
                    events.matches(" disconnected\n").count(),
                    whole,
                    "{written}: {events}"
                );
                rig.pass(1_000);
                rig.opened_ws();
                rig.ws("40{\"sid\":\"S2\"}");
                let log = rig.take_log();
                let again: Vec<&str> = log
                    .lines()
                    .filter(|line| line.starts_with("ws> 42"))
                    .collect();
                let expected: Vec<String> = (whole..4)
                    .map(|i| format!("ws> 42{i}[\"{}\"]", names[i]))
                    .collect();
                assert_eq!(again, expected, "{written}");
            },
        );
    }
}

#[test]
fn a_cut_between_the_parts_of_a_packet() {
    for written in [0, 10, 45, 50, 52, 60, 65] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = rig.joined_ws();
                let args = (BinRef(&[1, 2]), BinRef(&[3, 4]));
                rig.client
                    .emit(rig.now(), nsp, "p", &args, EmitOptions::ACK)
                    .unwrap();
                match rig.client.poll_output() {
                    sockeye_core::Output::Transmit(link) => {
                        let all = rig.client.transmit(link).len();
                        assert!(written < all, "{all}");
                        if written > 0 {
                            rig.client.transmitted(link, written);
                        }
                    }
                    other => panic!("{other:?}"),
                }
                rig.cut(Link::WebSocket);
                rig.pass(1_000);
                rig.opened_ws();
                rig.ws("40{\"sid\":\"S2\"}");
                let log = rig.take_log();
                assert!(!log.contains("ack #"), "{log}");
                assert!(
                    log.ends_with(
                        "ws> 452-0[\"p\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\nws> <0102>\nws> <0304>\n"
                    ),
                    "{written}: {log}"
                );
            },
        );
    }
}

#[test]
fn answers_to_the_server() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.ws("420[\"q\"]");
            rig.ws("42123[\"r\"]");
            rig.answer(&()).unwrap();
            rig.answer(&(1, BinRef(&[8]))).unwrap();
            rig.expect(
                r#"
                ws< 420["q"]
                message / q [] ack 0
                ws< 42123["r"]
                message / r [] ack 123
                ws> 430[]
                ws> 461-123[1,{"_placeholder":true,"num":0}]
                ws> <08>
                "#,
            );
        },
    );
}

#[test]
fn binary_answers_from_the_server() {
    for transports in [Transports::WEBSOCKET, Transports::POLLING] {
        as_text(
            || config(transports),
            |rig| {
                let polling = transports == Transports::POLLING;
                let nsp = if polling {
                    rig.joined_polling("[]")
                } else {
                    rig.joined_ws()
                };
                rig.emit(nsp, "give", &(), EmitOptions::ACK).unwrap();
                rig.take_log();
                if polling {
                    rig.get_reply("461-0[{\"_placeholder\":true,\"num\":0}]");
                    rig.get_reply("bBQY=");
                } else {
                    rig.ws("461-0[{\"_placeholder\":true,\"num\":0}]");
                    rig.ws_binary(&[5, 6]);
                }
                assert_eq!(
                    rig.take_events(),
                    "ack #1 [{\"_placeholder\":true,\"num\":0}] <0506>\n"
                );
            },
        );
    }
}

#[test]
fn stale_answers_are_refused() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.ws("425[\"old\"]");
            rig.ws("426[\"older\"]");
            rig.cut(Link::WebSocket);
            assert_eq!(rig.answer(&("no session",)), Err(EmitError::Stale));
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.take_log();
            assert_eq!(rig.answer(&("other session",)), Err(EmitError::Stale));
            rig.expect("");
            // The same after leaving and joining again on one connection.
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"S3\"}");
            rig.ws("42/chat,1[\"q\"]");
            rig.disconnect(chat);
            rig.client.connect(rig.now(), chat);
            rig.drain();
            rig.ws("40/chat,{\"sid\":\"S4\"}");
            rig.take_log();
            assert_eq!(rig.answer(&("other join",)), Err(EmitError::Stale));
            rig.expect("");
            assert!(rig.client.is_connected(nsp));
        },
    );
}

#[test]
fn cancelled() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            let held = rig
                .emit(nsp, "held", &(), EmitOptions::ACK)
                .unwrap()
                .unwrap();
            rig.client.cancel_ack(held);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\"}");
            let sent = rig.emit(nsp, "sent", &(), within(100)).unwrap().unwrap();
            rig.client.cancel_ack(sent);
            rig.client.cancel_ack(sent);
            rig.drain();
            rig.ws("431[]");
            rig.pass(200);
            let log = rig.take_log();
            assert!(
                !log.contains("held")
                    && log.contains("ws> 421[\"sent\"]")
                    && !log.contains("ack #"),
                "{log}"
            );
        },
    );
}

#[test]
fn clearing_the_send_buffer() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.emit(nsp, "a", &(BinRef(&[1]),), EmitOptions::ACK)
                .unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            assert_eq!(rig.client.send_queue_len(), 2);
            rig.client.clear_send_buffer(nsp);
            rig.drain();
            assert_eq!(
                (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
                (0, 0)
            );
            assert!(rig.take_events().ends_with("ack #1 dropped\n"));
            // The CONNECT itself is not the application's to clear, nor a packet that is under way.
            rig.write[Link::WebSocket.index()] = 0;
            rig.ws_accept();
            rig.writable(Link::WebSocket, usize::MAX);
            rig.write[Link::WebSocket.index()] = 0;
            rig.ws("0{\"sid\":\"E1\"}");
            rig.client.clear_send_buffer(nsp);
            rig.writable(Link::WebSocket, usize::MAX);
            rig.ws("40{\"sid\":\"S1\"}");
            assert!(rig.client.is_connected(nsp));
        },
    );
}

#[test]
fn volatile() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.namespace("/", NspOptions::default());
            let mut acked = EmitOptions::VOLATILE;
            acked.ack = true;
            assert_eq!(rig.emit(nsp, "v", &(), acked), Err(EmitError::NotWritable));
            let nsp = rig.joined_ws();
            rig.emit(nsp, "v", &(1,), acked).unwrap();
            rig.ws("430[]");
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "x", &(), EmitOptions::PLAIN).unwrap();
            assert_eq!(
                rig.emit(nsp, "v", &(2,), EmitOptions::VOLATILE),
                Err(EmitError::NotWritable)
            );
            rig.writable(Link::WebSocket, usize::MAX);
            rig.emit(nsp, "v", &(3,), EmitOptions::VOLATILE).unwrap();
            rig.expect("ws> 420[\"v\",1]\nws< 430[]\nack #1 []\nws> 42[\"x\"]\nws> 42[\"v\",3]");
        },
    );
}

#[test]
fn outgoing_events_are_reported_when_they_leave() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.client.report_outgoing(true);
            rig.detached = false;
            let nsp = rig.connect("/");
            rig.emit(nsp, "held", &(BinRef(&[1]),), EmitOptions::PLAIN)
                .unwrap();
            rig.opened_ws();
            rig.take_log();
            rig.ws("40{\"sid\":\"S1\"}");
            rig.ws("420[\"q\"]");
            rig.answer(&(1,)).unwrap();
            rig.emit(nsp, "now", &(2,), EmitOptions::ACK).unwrap();
            rig.expect(
                r#"
                ws< 40{"sid":"S1"}
                connected / id=S1
                outgoing / ["held",{"_placeholder":true,"num":0}] <01>
                ws> 451-["held",{"_placeholder":true,"num":0}]
                ws> <01>
                ws< 420["q"]
                message / q [] ack 0
                ws> 430[1]
                outgoing / ["now",2]
                ws> 420["now",2]
                "#,
            );
        },
    );
}

#[test]
fn volatile_packets_die_with_their_connection() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.client
                .emit(rig.now(), nsp, "kept", &(), EmitOptions::PLAIN)
                .unwrap();
            let mut volatile = EmitOptions::VOLATILE;
            volatile.ack = true;
            rig.client
                .emit(rig.now(), nsp, "gone", &(BinRef(&[1]),), volatile)
                .unwrap();
            rig.client.handle_closed(rig.now(), Link::WebSocket, None);
            rig.drain();
            assert!(rig.take_log().contains("ack #1 disconnected unsent\n"));
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            assert!(
                rig.take_log()
                    .ends_with("connected / id=S2\nws> 42[\"kept\"]\n")
            );
        },
    );
}
