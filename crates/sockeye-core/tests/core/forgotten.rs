//! What is cleared, dropped, or forgotten with its namespace: sent all the same, or told.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Link, NspOptions, Transports};
use sockeye_testkit::{Rig, Server, Settings, config};

use crate::properties::{Roomy, proptest_config};
use crate::{as_text, both};

#[test]
fn what_is_told_as_dropped_is_not_sent() {
    let mut volatile = EmitOptions::VOLATILE;
    volatile.ack = true;
    for options in [EmitOptions::ACK, volatile] {
        for bytes in [0, 3] {
            both(
                || config(Transports::WEBSOCKET),
                |rig| {
                    let nsp = rig.joined_ws();
                    let now = rig.now();
                    // Not drained: it is accepted, and nothing of it is being written.
                    let accepted = if bytes == 0 {
                        rig.client.emit(now, nsp, "v", &(), options)
                    } else {
                        let args = (BinRef(&[7; 3][..bytes]),);
                        rig.client.emit(now, nsp, "v", &args, options)
                    };
                    accepted.unwrap();
                    rig.client.clear_send_buffer(nsp);
                    rig.drain();
                    rig.emit(nsp, "on", &(), EmitOptions::PLAIN).unwrap();
                    rig.expect("ack #1 dropped\nws> 42[\"on\"]");
                },
            );
        }
    }
}

#[test]
fn forgetting_after_leaving_sends_what_was_accepted() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.take_log();
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(chat, "first", &(), EmitOptions::PLAIN).unwrap();
            rig.emit(chat, "b", &(BinRef(&[1, 2]),), EmitOptions::PLAIN)
                .unwrap();
            rig.emit(chat, "last", &(), EmitOptions::PLAIN).unwrap();
            rig.client.disconnect(rig.now(), chat);
            rig.client.forget(rig.now(), chat);
            rig.writable(Link::WebSocket, usize::MAX);
            rig.emit(main, "on", &(), EmitOptions::PLAIN).unwrap();
            let log = rig.take_log();
            let sent: Vec<&str> = log.lines().filter(|l| l.starts_with("ws> ")).collect();
            assert_eq!(
                sent,
                [
                    "ws> 42/chat,[\"first\"]",
                    "ws> 451-/chat,[\"b\",{\"_placeholder\":true,\"num\":0}]",
                    "ws> <0102>",
                    "ws> 42/chat,[\"last\"]",
                    "ws> 41/chat,",
                    "ws> 42[\"on\"]"
                ]
            );
        },
    );
}

/// What is told of packets that have come to their end, without their sizes, which differ by parser.
fn told(log: &str) -> Vec<&str> {
    let ends = |line: &&str| line.starts_with("ack") || line.ends_with(": Forgotten");
    let lines = log.lines().filter(ends);
    lines
        .map(|line| line.split_once(" of ").map_or(line, |(line, _)| line))
        .collect()
}

#[test]
fn what_a_forgotten_namespace_cannot_send_is_told() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.joined_ws();
            // One that was never joined; one with the `retries` queue; one that has been left, and is to be sent.
            let never = rig.namespace("/never", NspOptions::default());
            rig.emit(never, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.emit(never, "b", &(BinRef(&[1]),), EmitOptions::ACK)
                .unwrap();
            let mut options = NspOptions::default();
            options.retries = Some(3);
            let again = rig.namespace("/again", options);
            rig.emit(again, "c", &(), EmitOptions::PLAIN).unwrap();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.take_log();
            for nsp in [never, again] {
                rig.client.forget(rig.now(), nsp);
            }
            rig.drain();
            assert_eq!(
                told(&rig.take_log()),
                ["ack #1 dropped", "unsent /never a", "unsent /again c"]
            );
            rig.write[Link::WebSocket.index()] = 0;
            rig.emit(chat, "d", &(), EmitOptions::PLAIN).unwrap();
            rig.emit(chat, "e", &(), EmitOptions::PLAIN).unwrap();
            rig.client.disconnect(rig.now(), chat);
            rig.client.forget(rig.now(), chat);
            rig.take_log();
            rig.client.handle_closed(rig.now(), Link::WebSocket, None);
            rig.drain();
            assert_eq!(told(&rig.take_log()), ["unsent /chat d", "unsent /chat e"]);
            assert_eq!(rig.client.send_queue_len(), 0);
            assert!(rig.client.is_active(main));
        },
    );
}

#[test]
fn clearing_and_forgetting_finish_what_is_under_way() {
    for forget in [false, true] {
        for written in [0, 1, 20, 50, 58] {
            as_text(
                || config(Transports::WEBSOCKET),
                |rig| {
                    let main = rig.joined_ws();
                    let chat = rig.connect("/chat");
                    rig.ws("40/chat,{\"sid\":\"S2\"}");
                    rig.take_log();
                    // A frame of 51 bytes and one of 8 for the attachment: the write stops somewhere.
                    rig.write[Link::WebSocket.index()] = 0;
                    rig.emit(chat, "b", &(BinRef(&[1, 2]),), EmitOptions::PLAIN)
                        .unwrap();
                    rig.emit(chat, "later", &(), EmitOptions::PLAIN).unwrap();
                    if written > 0 {
                        rig.client.handle_writable(rig.now(), Link::WebSocket);
                        let all = rig.client.transmit(Link::WebSocket).to_vec();
                        rig.client.transmitted(Link::WebSocket, written);
                        rig.wrote(Link::WebSocket, &all[..written]);
                    }
                    if forget {
                        rig.client.forget(rig.now(), chat);
                    } else {
                        rig.client.clear_send_buffer(chat);
                    }
                    rig.writable(Link::WebSocket, usize::MAX);
                    rig.emit(main, "on", &(), EmitOptions::PLAIN).unwrap();
                    let log = rig.take_log();
                    let sent: Vec<&str> = log
                        .lines()
                        .filter(|line| line.starts_with("ws> "))
                        .collect();
                    let mut expected = vec![
                        "ws> 451-/chat,[\"b\",{\"_placeholder\":true,\"num\":0}]",
                        "ws> <0102>",
                    ];
                    if forget {
                        // What this connection can still send it sends.
                        expected.extend(["ws> 42/chat,[\"later\"]", "ws> 41/chat,"]);
                    }
                    expected.push("ws> 42[\"on\"]");
                    assert_eq!(sent, expected, "{written}");
                },
            );
        }
    }
}

/// Plays a script with one namespace that is connected, left and forgotten, over a link that takes some bytes, and breaks: packets
/// that were accepted, those that the server got, and those of which it is told that they are given up.
fn played(script: &[u8]) -> (usize, usize, usize) {
    let mut storage = Box::new(Roomy::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    rig.server = Some(Server::new(Settings::default()));
    let main = rig.connect("/");
    let mut chat = rig.connect("/chat");
    let ws = Link::WebSocket.index();
    let mut accepted = 0;
    for step in script {
        let now = rig.now();
        match step % 12 {
            0..=3 => {
                let emitted = rig
                    .client
                    .emit(now, chat, "e", &(accepted,), EmitOptions::PLAIN);
                accepted += usize::from(emitted.is_ok());
            }
            4 => rig.client.connect(now, chat),
            5 => rig.client.disconnect(now, chat),
            6 => {
                rig.client.forget(now, chat);
                chat = rig.namespace("/chat", NspOptions::default());
            }
            7 => rig.break_all(),
            8 => rig.client.reconnect(now),
            9 => rig.write[ws] = usize::from(step / 12),
            10 => rig.writable(Link::WebSocket, usize::MAX),
            _ => rig.drain(),
        }
        if step & 128 > 0 {
            rig.pass(2_000);
        }
    }
    rig.writable(Link::WebSocket, usize::MAX);
    rig.client.connect(rig.now(), chat);
    rig.client.connect(rig.now(), main);
    rig.drain();
    rig.pass(120_000);
    assert!(rig.client.is_connected(chat));
    assert_eq!(
        (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
        (0, 0)
    );
    let told = rig.take_log().matches("unsent /chat e of").count();
    let server = rig.server.as_ref().unwrap();
    let mut received = server.received.clone();
    let all = received.len();
    received.sort();
    received.dedup();
    assert_eq!(received.len(), all, "none comes twice");
    (accepted, all, told)
}

proptest! {
    #![proptest_config(proptest_config(300))]

    #[test]
    fn what_was_accepted_comes_or_is_told(script in vec(any::<u8>(), 0..80)) {
        let (accepted, received, told) = played(&script);
        prop_assert_eq!(accepted, received + told);
    }
}
