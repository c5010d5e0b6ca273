//! The `retries` queue (fact 87 of docs/protocol.md).

use std::time::Duration;

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Link, NamespaceId, NspOptions, Transports};
use sockeye_testkit::{Rig, config};

use crate::{as_text, both};

fn joined(rig: &mut Rig<'_>, retries: u32, timeout: Option<u64>) -> NamespaceId {
    let nsp = rig.joined_ws();
    let mut options = NspOptions::default();
    options.retries = Some(retries);
    options.ack_timeout = timeout.map(Duration::from_millis);
    rig.client.set_options(nsp, options);
    nsp
}

#[test]
fn one_in_flight_in_order() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined(rig, 3, Some(1_000));
            rig.emit(nsp, "a", &(1,), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(BinRef(&[2]),), EmitOptions::PLAIN)
                .unwrap();
            rig.emit(nsp, "c", &(3,), EmitOptions::ACK).unwrap();
            // Volatile packets pass the queue by.
            rig.emit(nsp, "v", &(), EmitOptions::VOLATILE).unwrap();
            rig.ws("430[\"done\"]");
            rig.ws("431[]");
            rig.ws("432[]");
            rig.expect(
                r#"
                ws> 420["a",1]
                ws> 42["v"]
                ws< 430["done"]
                ack #1 ["done"]
                ws> 451-1["b",{"_placeholder":true,"num":0}]
                ws> <02>
                ws< 431[]
                ws> 422["c",3]
                ws< 432[]
                ack #2 []
                "#,
            );
            assert_eq!(rig.client.send_queue_len(), 0);
        },
    );
}

#[test]
fn a_new_id_for_every_try_until_they_are_used_up() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined(rig, 2, Some(1_000));
            rig.emit(nsp, "a", &(BinRef(&[1, 2, 3]),), EmitOptions::ACK)
                .unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::ACK).unwrap();
            rig.pass(2_500);
            // The answer to an earlier try is late, and is not taken for the current one's.
            rig.ws("430[\"late\"]");
            rig.pass(1_000);
            rig.ws("433[\"b\"]");
            rig.expect(
                r#"
                ws> 451-0["a",{"_placeholder":true,"num":0}]
                ws> <010203>
                @1000
                ws> 451-1["a",{"_placeholder":true,"num":0}]
                ws> <010203>
                @2000
                ws> 451-2["a",{"_placeholder":true,"num":0}]
                ws> <010203>
                @2500
                ws< 430["late"]
                @3000
                ack #1 timeout
                ws> 423["b"]
                @3500
                ws< 433["b"]
                ack #2 ["b"]
                "#,
            );
            assert_eq!(rig.client.send_queue_len(), 0);
        },
    );
}

#[test]
fn the_head_is_sent_again_after_a_reconnection() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            // Without a timeout, only a reconnection helps.
            let nsp = joined(rig, 1, None);
            rig.emit(nsp, "a", &(1,), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(2,), EmitOptions::ACK).unwrap();
            rig.pass(10_000);
            rig.expect("ws> 420[\"a\",1]");
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opened_ws();
            rig.take_log();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.expect("ws< 40{\"sid\":\"S2\"}\nconnected / id=S2\nws> 421[\"a\",1]");
            // Two tries are all there were.
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S3\"}");
            let log = rig.take_log();
            assert!(
                log.contains("ack #1 disconnected\n") && log.ends_with("ws> 422[\"b\",2]\n"),
                "{log}"
            );
        },
    );
}

#[test]
fn packets_emitted_before_the_join_wait_their_turn() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let mut options = NspOptions::default();
            options.retries = Some(1);
            options.ack_timeout = Some(Duration::from_secs(1));
            let nsp = rig.namespace("/", options);
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            rig.pass(5_000);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.take_log();
            rig.ws("40{\"sid\":\"S1\"}");
            rig.ws("430[]");
            rig.ws("431[]");
            rig.expect(
                "ws< 40{\"sid\":\"S1\"}\nconnected / id=S1\nws> 420[\"a\"]\nws< 430[]\nack #1 []\nws> 421[\"b\"]\nws< 431[]",
            );
        },
    );
}

#[test]
fn a_try_that_has_not_left_is_not_counted() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined(rig, 1, Some(100));
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "a", &(BinRef(&[1; 20]),), EmitOptions::ACK)
                .unwrap();
            rig.pass(1_000);
            rig.expect("");
            // Half of it is written when the link stalls again: the frame is finished as it was begun.
            rig.writable(Link::WebSocket, usize::MAX);
            rig.expect(
                "@1000\nws> 451-0[\"a\",{\"_placeholder\":true,\"num\":0}]\nws> <0101010101010101010101010101010101010101>",
            );
            rig.pass(100);
            let log = rig.take_log();
            assert!(log.contains("ws> 451-1["), "{log}");
            rig.pass(100);
            rig.expect("@1200\nack #1 timeout");
        },
    );
}

#[test]
fn by_polling() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            let mut options = NspOptions::default();
            options.retries = Some(1);
            options.ack_timeout = Some(Duration::from_millis(500));
            rig.client.set_options(nsp, options);
            rig.emit(nsp, "a", &(BinRef(&[1]),), EmitOptions::ACK)
                .unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::ACK).unwrap();
            rig.post_reply();
            rig.pass(500);
            rig.post_reply();
            rig.get_reply("431[]");
            rig.post_reply();
            rig.get_reply("432[]");
            rig.expect(
                r#"
                post> 451-0["a",{"_placeholder":true,"num":0}]|bAQ==
                post< ok
                @500
                post> 451-1["a",{"_placeholder":true,"num":0}]|bAQ==
                post< ok
                get< 431[]
                ack #1 []
                get>
                post> 422["b"]
                post< ok
                get< 432[]
                ack #2 []
                get>
                "#,
            );
        },
    );
}

#[test]
fn disconnecting_keeps_the_queue() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined(rig, 5, Some(1_000));
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::ACK).unwrap();
            rig.disconnect(nsp);
            rig.cut(Link::WebSocket);
            rig.pass(5_000);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.take_log();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.ws("431[]");
            rig.ws("432[]");
            let events = rig.take_events();
            assert_eq!(events, "connected / id=S2\nack #1 []\nack #2 []\n");
        },
    );
}

#[test]
fn forgetting_and_clearing() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined(rig, 5, Some(1_000));
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::ACK).unwrap();
            rig.take_log();
            rig.client.clear_send_buffer(nsp);
            rig.drain();
            // The one in flight has been sent: its answer still counts, but it is not tried again.
            rig.expect("ack #2 dropped");
            rig.pass(10_000);
            let events = rig.take_events();
            assert!(events == "ack #1 timeout\n", "{events}");
            rig.emit(nsp, "c", &(), EmitOptions::ACK).unwrap();
            rig.ws("431[]");
            assert_eq!(rig.take_events(), "ack #3 []\n");
        },
    );
}

#[test]
fn a_try_that_was_cut_off_behind_others_is_not_counted() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            // One try is all there is.
            let nsp = joined(rig, 0, None);
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "v", &(), EmitOptions::VOLATILE).unwrap();
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            for round in 2..5 {
                rig.cut(Link::WebSocket);
                rig.pass(1_000);
                rig.writable(Link::WebSocket, usize::MAX);
                rig.opened_ws();
                rig.write[Link::WebSocket.index()] = 0;
                rig.ws(&format!("40{{\"sid\":\"S{round}\"}}"));
                let log = rig.take_log();
                assert!(!log.contains("ack #") && !log.contains("unsent"), "{log}");
            }
            rig.writable(Link::WebSocket, usize::MAX);
            rig.expect("ws> 423[\"a\"]");
            // Begun and cut off is a try, for the one that is waited for as for the other.
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opened_ws();
            rig.write[Link::WebSocket.index()] = 0;
            rig.ws("40{\"sid\":\"S5\"}");
            let events = rig.take_events();
            assert!(events.contains("ack #1 disconnected\n"), "{events}");
            let n = rig.client.transmit(Link::WebSocket).len();
            assert!(n > 3);
            rig.client.transmitted(Link::WebSocket, n - 3);
            rig.cut(Link::WebSocket);
            let events = rig.take_events();
            assert!(
                events.contains("unsent / b of 8 bytes: Unanswered\n"),
                "{events}"
            );
            assert_eq!(rig.client.send_queue_len(), 0);
        },
    );
}

#[test]
fn every_packet_finds_an_entry_for_its_answer() {
    // Two acknowledgements at a time, and packets in front that nobody asked to be acknowledged.
    let mut storage = Box::new(sockeye_core::Storage::<1024, 1024, 2, 8, 2, 512>::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    let mut options = NspOptions::default();
    options.retries = Some(3);
    let nsp = rig.namespace("/", options);
    rig.emit(nsp, "plain", &(), EmitOptions::PLAIN).unwrap();
    rig.emit(nsp, "asked", &(), EmitOptions::ACK).unwrap();
    let full = rig.emit(nsp, "asked", &(), EmitOptions::ACK);
    assert_eq!(full, Err(sockeye_core::EmitError::TooManyAcks));
    rig.client.connect(rig.now(), nsp);
    rig.drain();
    rig.opened_ws();
    rig.take_log();
    rig.ws("40{\"sid\":\"S1\"}");
    rig.ws("430[]");
    rig.ws("431[]");
    rig.expect(
        r#"
        ws< 40{"sid":"S1"}
        connected / id=S1
        ws> 420["plain"]
        ws< 430[]
        ws> 421["asked"]
        ws< 431[]
        ack #1 []
        "#,
    );
}

#[test]
fn thrown_out_while_the_head_waits_for_the_link() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let mut options = NspOptions::default();
            options.retries = Some(1);
            options.ack_timeout = Some(Duration::from_secs(1));
            let b = rig.namespace("/b", options);
            rig.client.connect(rig.now(), b);
            rig.drain();
            rig.ws("40/b,{\"sid\":\"B\"}");
            rig.take_log();
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(b, "head", &(BinRef(&[7; 5]),), EmitOptions::ACK)
                .unwrap();
            rig.emit(b, "next", &(), EmitOptions::PLAIN).unwrap();
            rig.ws("41/b,");
            rig.pass(5_000);
            // It would name a namespace that the server does not know any more.
            rig.writable(Link::WebSocket, usize::MAX);
            rig.expect("ws< 41/b,\ndisconnected /b io server disconnect [ServerDisconnect]");
            rig.client.connect(rig.now(), b);
            rig.drain();
            rig.ws("40/b,{\"sid\":\"B2\"}");
            rig.ws("43/b,1[]");
            rig.expect(
                r#"
                @5000
                ws> 40/b,
                ws< 40/b,{"sid":"B2"}
                connected /b id=B2
                ws> 451-/b,1["head",{"_placeholder":true,"num":0}]
                ws> <0707070707>
                ws< 43/b,1[]
                ack #1 []
                ws> 42/b,2["next"]
                "#,
            );
        },
    );
}

#[test]
fn a_link_cut_at_every_byte_of_a_packet_with_attachments() {
    for cut_at in 0..140 {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = joined(rig, 5, Some(5_000));
                rig.write[Link::WebSocket.index()] = 0;
                rig.emit(
                    nsp,
                    "pic",
                    &(BinRef(&[7; 30]), BinRef(&[8; 3])),
                    EmitOptions::ACK,
                )
                .unwrap();
                rig.emit(nsp, "next", &(1,), EmitOptions::PLAIN).unwrap();
                rig.emit(nsp, "last", &(1,), EmitOptions::ACK).unwrap();
                let mut left = cut_at;
                while left > 0 {
                    let n = rig.client.transmit(Link::WebSocket).len().min(left);
                    if n == 0 {
                        break;
                    }
                    rig.client.transmitted(Link::WebSocket, n);
                    left -= n;
                }
                rig.cut(Link::WebSocket);
                rig.write[Link::WebSocket.index()] = usize::MAX;
                rig.pass(1_000);
                rig.opened_ws();
                rig.take_log();
                rig.ws("40{\"sid\":\"S2\"}");
                for id in 1..8 {
                    rig.ws(&format!("43{id}[]"));
                }
                let log = rig.take_log();
                assert!(log.contains("ws> <0808"), "{cut_at}: {log}");
                assert!(log.contains("ws> 422[\"next\""), "{cut_at}: {log}");
                assert!(
                    log.contains("ack #1 []\n") && log.contains("ack #2 []\n"),
                    "{cut_at}: {log}"
                );
                assert_eq!(
                    (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
                    (0, 0)
                );
            },
        );
    }
}

#[test]
fn a_reconnection_while_the_head_is_put_off() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined(rig, 2, Some(1_000));
            rig.connect("/b");
            rig.ws("40/b,{\"sid\":\"B\"}");
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(nsp, "a", &(), EmitOptions::ACK).unwrap();
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            rig.disconnect(nsp);
            rig.client.connect(rig.now(), nsp);
            rig.client.reconnect(rig.now());
            rig.drain();
            rig.writable(Link::WebSocket, usize::MAX);
            rig.ws_frame(0x88, b"");
            rig.opened_ws();
            rig.take_log();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.ws("431[]");
            rig.ws("432[]");
            rig.expect(
                r#"
                ws< 40{"sid":"S2"}
                connected / id=S2
                ws> 421["a"]
                ws< 431[]
                ack #1 []
                ws> 422["b"]
                ws< 432[]
                "#,
            );
            assert_eq!(rig.client.send_queue_len(), 0);
        },
    );
}
