//! The `retries` queue (A7 item 87).

use std::time::Duration;

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Link, NamespaceId, NspOptions, Transports};
use sockeye_testkit::{Rig, config};

use crate::both;

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
