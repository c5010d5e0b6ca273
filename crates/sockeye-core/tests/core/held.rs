//! Events that wait in the receive memory for their namespace, and commands given at odd moments.

use sockeye_core::{
    Client, DetachedOutput, EmitOptions, Event, Instant, Link, NspOptions, Output, Transports,
};
use sockeye_testkit::{Rig, config, frame};

use crate::{as_text, both};

/// Feeds frames, and gives a command as soon as a message is told: while it is detached, or before it is released.
fn at_message(rig: &mut Rig<'_>, bytes: &[u8], mut command: impl FnMut(&mut Client<'_>, Instant)) {
    let now = rig.now();
    let room = rig.client.receive_buf(Link::WebSocket);
    room[..bytes.len()].copy_from_slice(bytes);
    rig.client
        .handle_received(now, Link::WebSocket, bytes.len());
    if rig.detached {
        loop {
            match rig.client.poll_detached() {
                DetachedOutput::Event(mut event) => {
                    let told = matches!(event.event(None), Event::Message(_));
                    if told {
                        command(&mut rig.client, now);
                    }
                    rig.client.attach(&mut event);
                    if told {
                        break;
                    }
                }
                DetachedOutput::Idle(_) => panic!("no message"),
                _ => (),
            }
        }
    } else {
        loop {
            match rig.client.poll_output() {
                Output::Event(Event::Message(_)) => break,
                Output::Idle(_) => panic!("no message"),
                _ => (),
            }
        }
        command(&mut rig.client, now);
    }
    rig.drain();
}

fn binary_event() -> Vec<u8> {
    let mut bytes = frame(0x81, b"451-[\"pic\",{\"_placeholder\":true,\"num\":0}]");
    bytes.extend(frame(0x82, &[0xff; 20]));
    bytes
}

#[test]
fn a_namespace_is_left_while_a_binary_event_is_looked_at() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let b = rig.connect("/b");
            let c = rig.connect("/c");
            for n in 0..20 {
                rig.ws(&format!("42/b,[\"b\",{n}]"));
                rig.ws(&format!("42/c,[\"c\",{n}]"));
            }
            rig.take_log();
            // Its deferred events are dropped, and swept out of the memory that the binary event lies behind.
            at_message(rig, &binary_event(), |client, now| {
                client.disconnect(now, b);
            });
            rig.ws("40/c,{\"sid\":\"C\"}");
            let events = rig.take_events();
            assert_eq!(events.matches("message /c c").count(), 20, "{events}");
            assert!(events.ends_with("connected /c id=C\n"), "{events}");
            // What was dropped is not told by a later join.
            rig.ws("40/b,{\"sid\":\"B\"}");
            rig.client.connect(rig.now(), b);
            rig.drain();
            rig.pass(100);
            rig.ws("40/b,{\"sid\":\"B2\"}");
            let events = rig.take_events();
            assert_eq!(events, "connected /b id=B2\n");
            assert!(rig.client.is_connected(c));
        },
    );
}

#[test]
fn held_memory_comes_back() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let long = "x".repeat(700);
            for round in 0..20 {
                let b = rig.connect("/b");
                for _ in 0..4 {
                    rig.ws(&format!("42/b,[\"b\",\"{long}\"]"));
                }
                at_message(rig, &binary_event(), |client, now| match round % 3 {
                    0 => client.forget(now, b),
                    1 => client.disconnect(now, b),
                    _ => client.clear_send_buffer(b),
                });
                if round % 3 == 2 {
                    rig.disconnect(b);
                }
                rig.ws("40/b,{\"sid\":\"B\"}");
                rig.pass(1_000);
                let events = rig.take_events();
                assert!(
                    !events.contains("refused") && !events.contains("message /b"),
                    "{round}: {events}"
                );
            }
        },
    );
}

#[test]
fn what_a_server_said_early_does_not_outlive_its_session() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let mut options = NspOptions::default();
            options.auth = true;
            let nsp = rig.namespace("/", options);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            // Consent before the question, which is never asked.
            rig.ws("40{\"sid\":\"early\"}");
            rig.disconnect(nsp);
            rig.ws_frame(0x88, b"");
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.emit(nsp, "x", &(), EmitOptions::PLAIN).unwrap();
            rig.opened_ws();
            rig.client.provide_auth(rig.now(), nsp, "{}").unwrap();
            rig.drain();
            assert!(!rig.client.is_connected(nsp));
            rig.take_log();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.expect("ws< 40{\"sid\":\"S2\"}\nconnected / id=S2\nws> 42[\"x\"]");
        },
    );
}
