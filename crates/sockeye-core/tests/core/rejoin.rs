//! Leaving a namespace and joining it again: the server must have worked on the DISCONNECT first.

use std::time::Duration;

use sockeye_core::{EmitOptions, Link, NspOptions, Transports};
use sockeye_testkit::{Rig, Server, Settings, config};

use crate::both;

/// A server that takes a tick to leave.
fn served(rig: &mut Rig<'_>) {
    rig.server = Some(Server::new(Settings {
        leaves_later: true,
        upgrades: false,
        ..Settings::default()
    }));
    rig.connect("/");
}

fn sound(rig: &Rig<'_>, sessions: u32) {
    let server = rig.server.as_ref().unwrap();
    assert_eq!(server.violations, Vec::<String>::new());
    assert_eq!(server.sessions(), sessions);
}

#[test]
fn a_server_that_leaves_a_tick_later() {
    for transports in [Transports::WEBSOCKET, Transports::POLLING] {
        for latency in [0, 1, 30, 70] {
            for forgotten in [false, true] {
                both(
                    || config(transports),
                    |rig| {
                        rig.latency = Duration::from_millis(latency);
                        served(rig);
                        let mut chat = rig.connect("/chat");
                        rig.pass(1_000);
                        for round in 0..5 {
                            rig.emit(chat, "e", &(round,), EmitOptions::PLAIN).unwrap();
                            if forgotten {
                                rig.client.forget(rig.now(), chat);
                                chat = rig.namespace("/chat", NspOptions::default());
                            } else {
                                rig.client.disconnect(rig.now(), chat);
                            }
                            rig.client.connect(rig.now(), chat);
                            rig.drain();
                            // At most 100 ms, and what the way takes.
                            rig.pass(101 + 8 * latency);
                            assert!(rig.client.is_connected(chat), "{}", rig.take_log());
                        }
                        sound(rig, 1);
                        let received = &rig.server.as_ref().unwrap().received;
                        assert_eq!(received.len(), 5, "{received:?}");
                    },
                );
            }
        }
    }
}

#[test]
fn a_sign_of_the_server_is_enough() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"C\"}");
            rig.take_log();
            rig.write[Link::WebSocket.index()] = 0;
            rig.client.disconnect(rig.now(), chat);
            rig.client.connect(rig.now(), chat);
            rig.drain();
            // What comes before it has been written does not count, nor does the time.
            rig.ws("42[\"e\"]");
            rig.pass(1_000);
            rig.writable(Link::WebSocket, usize::MAX);
            rig.pass(99);
            rig.ws("42[\"e\"]");
            rig.expect(
                r#"
                disconnected /chat io client disconnect [Local]
                ws< 42["e"]
                message / e []
                @1000
                ws> 41/chat,
                @1099
                ws< 42["e"]
                message / e []
                ws> 40/chat,
                "#,
            );
        },
    );
}

#[test]
fn other_namespaces_do_not_wait() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"C\"}");
            rig.take_log();
            rig.client.forget(rig.now(), chat);
            rig.connect("/other");
            let again = rig.connect("/chat");
            assert_ne!(again, chat);
            assert_eq!(rig.client.name(chat), "");
            assert!(rig.emit(chat, "x", &(), EmitOptions::PLAIN).is_err());
            rig.expect("ws> 41/chat,\nws> 40/other,");
            rig.pass(100);
            rig.expect("@100\nws> 40/chat,");
        },
    );
}

#[test]
fn places_of_the_forgotten_come_back() {
    // Room for two: places are kept back only as long as nobody needs them.
    let mut storage = Box::new(sockeye_core::Storage::<1024, 1024, 4, 8, 2, 512>::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    served(&mut rig);
    for n in 0..20 {
        let nsp = rig.connect(&format!("/n{n}"));
        rig.pass(if n % 3 == 0 { 0 } else { 150 });
        assert!(rig.client.is_connected(nsp), "{n}: {}", rig.take_log());
        rig.client.forget(rig.now(), nsp);
        rig.drain();
    }
    sound(&rig, 1);
    let main = rig.namespace("/", NspOptions::default());
    rig.client.forget(rig.now(), main);
    rig.drain();
    rig.pass(5_000);
    assert!(rig.client.is_down());
}
