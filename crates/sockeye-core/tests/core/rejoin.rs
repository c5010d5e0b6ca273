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
        // Answers take longer than the server's tick.
        for latency in [2, 30, 70] {
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

/// What the server sends of itself proves nothing: it may have left before the DISCONNECT arrived. An answer does.
#[test]
fn the_server_is_asked_for_a_sign() {
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
            // Neither time nor pongs that nobody asked for count before it has been written.
            rig.ws_frame(0x8a, b"");
            rig.pass(1_000);
            rig.writable(Link::WebSocket, usize::MAX);
            rig.pass(50);
            rig.ws("42[\"e\"]");
            rig.pass(49);
            rig.ws_frame(0x8a, b"");
            rig.expect(
                r#"
                disconnected /chat io client disconnect [Local]
                ws< 8a
                @1000
                ws> 41/chat,
                ws> ping
                @1050
                ws< 42["e"]
                message / e []
                @1099
                ws< 8a
                ws> 40/chat,
                "#,
            );
        },
    );
}

/// Two namespaces that are left at different times are two questions.
#[test]
fn each_question_has_its_answer() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let [a, b] = ["/a", "/b"].map(|name| {
                let nsp = rig.connect(name);
                rig.ws(&format!("40{name},{{\"sid\":\"S\"}}"));
                nsp
            });
            rig.take_log();
            for nsp in [a, b] {
                rig.client.disconnect(rig.now(), nsp);
                rig.client.connect(rig.now(), nsp);
                rig.drain();
            }
            rig.ws_frame(0x8a, b"");
            rig.pass(10);
            rig.ws_frame(0x8a, b"");
            rig.expect(
                r#"
                disconnected /a io client disconnect [Local]
                ws> 41/a,
                ws> ping
                disconnected /b io client disconnect [Local]
                ws> 41/b,
                ws> ping
                ws< 8a
                ws> 40/a,
                @10
                ws< 8a
                ws> 40/b,
                "#,
            );
        },
    );
}

/// With polling, the answer to the POST is the sign.
#[test]
fn polling_goes_on_at_once() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.latency = Duration::from_millis(2);
            served(rig);
            let chat = rig.connect("/chat");
            rig.pass(1_000);
            rig.client.disconnect(rig.now(), chat);
            rig.client.connect(rig.now(), chat);
            rig.drain();
            rig.pass(8);
            assert!(rig.client.is_connected(chat), "{}", rig.take_log());
            sound(rig, 1);
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
            rig.expect("ws> 41/chat,\nws> 40/other,\nws> ping");
            // A server that answers no pings is waited for no longer than this.
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

/// The connection is not closed with the only namespace that is joined while another one is about to be.
#[test]
fn leaving_one_while_another_joins() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.disconnect(main);
            rig.ws("40/chat,{\"sid\":\"C\"}");
            rig.emit(chat, "e", &(), EmitOptions::PLAIN).unwrap();
            rig.expect(
                r#"
                ws> 40/chat,
                disconnected / io client disconnect [Local]
                ws> 41
                ws< 40/chat,{"sid":"C"}
                connected /chat id=C
                ws> 42/chat,["e"]
                "#,
            );
        },
    );
}
