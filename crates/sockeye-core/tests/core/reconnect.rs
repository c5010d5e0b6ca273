//! Trying again: when, how often, and when not.

use std::time::Duration;

use sockeye_core::{Config, EmitOptions, Link, Reconnection, Transports};
use sockeye_testkit::{Opening, config};

use crate::both;

fn with(policy: impl Fn(&mut Reconnection)) -> Config<'static> {
    let mut config = config(Transports::WEBSOCKET);
    policy(&mut config.reconnection);
    config
}

#[test]
fn delays_grow_to_the_cap_and_never_end() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.opening = Opening::Refuse;
            rig.connect("/");
            rig.pass(20_000);
            let mut expected = String::new();
            let mut at = 0;
            for n in 1.. {
                if n > 1 || at > 0 {
                    expected.push_str(&format!("@{at}\nattempt #{}\n", n - 1));
                }
                expected.push_str("open ws\nclosed attempt transport error [Dial \"connection refused\"], retry\n");
                let delay = [1_000, 2_000, 4_000, 5_000][(n - 1).min(3)];
                expected.push_str(&format!("reconnecting #{n} in {delay} ms\n"));
                at += delay;
                if at > 20_000 {
                    break;
                }
            }
            rig.expect(&expected);
            // Days later it still tries every five seconds.
            rig.set_quiet(true);
            rig.pass(2 * 86_400_000);
            rig.set_quiet(false);
            rig.take_log();
            rig.pass(5_000);
            let log = rig.take_log();
            assert_eq!(log.matches("attempt #").count(), 1, "{log}");
        },
    );
}

#[test]
fn success_resets_the_delays() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.opening = Opening::Refuse;
            rig.connect("/");
            rig.pass(3_000);
            rig.opening = Opening::Accept;
            rig.pass(4_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\"}");
            let events = rig.take_events();
            assert!(
                events.ends_with(
                    "attempt #3\nopened websocket E1\nreconnected #3\nconnected / id=S1\n"
                ),
                "{events}"
            );
            rig.cut(Link::WebSocket);
            assert!(rig.take_events().ends_with("reconnecting #1 in 1000 ms\n"));
        },
    );
}

#[test]
fn attempts_may_be_limited() {
    both(
        || with(|policy| policy.attempts = Some(2)),
        |rig| {
            rig.opening = Opening::Refuse;
            let nsp = rig.connect("/");
            rig.emit(nsp, "kept", &(), EmitOptions::ACK).unwrap();
            rig.pass(60_000);
            rig.expect(
                r#"
                open ws
                closed attempt transport error [Dial "connection refused"], retry
                reconnecting #1 in 1000 ms
                @1000
                attempt #1
                open ws
                closed attempt transport error [Dial "connection refused"], retry
                reconnecting #2 in 2000 ms
                @3000
                attempt #2
                open ws
                closed attempt transport error [Dial "connection refused"]
                reconnect failed
                "#,
            );
            assert!(!rig.client.is_active(nsp) && rig.client.is_down());
            // Told to connect, it begins anew.
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            assert!(rig.take_events().ends_with("reconnecting #1 in 1000 ms\n"));
            rig.opening = Opening::Accept;
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\"}");
            assert!(rig.take_log().ends_with("ws> 420[\"kept\"]\n"));
        },
    );
}

#[test]
fn zero_attempts_are_none() {
    both(
        || with(|policy| policy.attempts = Some(0)),
        |rig| {
            rig.opening = Opening::Refuse;
            rig.connect("/");
            rig.expect("open ws\nclosed attempt transport error [Dial \"connection refused\"]");
            assert!(rig.client.is_down());
        },
    );
}

#[test]
fn reconnection_off() {
    both(
        || with(|policy| policy.enabled = false),
        |rig| {
            let nsp = rig.joined_ws();
            rig.cut(Link::WebSocket);
            rig.expect(
                "close ws\nclosed transport close [Eof]\ndisconnected / transport close [Eof]",
            );
            assert!(!rig.client.is_active(nsp) && rig.client.is_down());
            rig.pass(60_000);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.expect("@60000\nopen ws\nws> handshake");
        },
    );
    // Switched off during the wait.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.cut(Link::WebSocket);
            rig.client.reconnection_mut().enabled = false;
            rig.take_log();
            rig.pass(60_000);
            rig.expect("");
            assert!(rig.client.is_down() && !rig.client.is_active(nsp));
        },
    );
}

#[test]
fn jitter_keeps_its_bounds() {
    let mut delays = Vec::new();
    let mut config = config(Transports::WEBSOCKET);
    config.reconnection = Reconnection::DEFAULT;
    let mut storage = Box::new(crate::Small::new());
    let mut rig = sockeye_testkit::Rig::new(config, storage.memory());
    rig.opening = Opening::Refuse;
    rig.connect("/");
    rig.pass(3_600_000);
    for line in rig.take_log().lines() {
        if let Some((_, ms)) = line
            .strip_suffix(" ms")
            .and_then(|line| line.rsplit_once(' '))
        {
            delays.push(ms.parse::<u64>().unwrap());
        }
    }
    assert!((500..=1_500).contains(&delays[0]) && (1_000..=3_000).contains(&delays[1]));
    assert!(delays[3..].iter().all(|ms| (2_500..=5_000).contains(ms)));
    let mut distinct = delays[3..].to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(
        distinct.len() > delays.len() / 2,
        "a fleet must not move in step"
    );
}

#[test]
fn reconnect_now() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.emit(nsp, "sent", &(), EmitOptions::ACK).unwrap();
            rig.take_log();
            rig.client.reconnect(rig.now());
            rig.drain();
            rig.ws_frame(0x88, b"");
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.expect(
                r#"
                closed forced close [Local], retry
                disconnected / forced close [Local]
                ack #1 disconnected
                ws> close
                ws< 88
                close ws
                open ws
                ws> handshake
                ws< 101
                ws< 0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
                opened websocket E1
                ws> 40
                ws< 40{"sid":"S2"}
                connected / id=S2
                "#,
            );
            // It cuts a wait short.
            rig.opening = Opening::Refuse;
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opening = Opening::Accept;
            rig.take_log();
            rig.client.reconnect(rig.now());
            rig.drain();
            rig.expect("attempt #2\nopen ws\nws> handshake");
            // While dialing: the attempt is given up for a fresh one.
            rig.client.reconnect(rig.now());
            rig.drain();
            rig.expect(
                "closed attempt forced close [Local], retry\nclose ws\nopen ws\nws> handshake",
            );
            // After a goodbye that still waits for its answer.
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S3\"}");
            rig.disconnect(nsp);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.take_log();
            rig.client.reconnect(rig.now());
            rig.drain();
            rig.expect("close ws\nopen ws\nws> handshake");
            // Nothing is active: nothing happens.
            rig.disconnect(nsp);
            rig.take_log();
            rig.client.reconnect(rig.now());
            rig.drain();
            rig.expect("");
        },
    );
}

#[test]
fn disconnect_ends_the_wait() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.cut(Link::WebSocket);
            rig.take_log();
            rig.disconnect(nsp);
            rig.pass(60_000);
            rig.expect("");
            assert!(rig.client.is_down());
            assert_eq!(rig.wake(), None);
        },
    );
}

#[test]
fn another_namespace_joins_the_wait() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.cut(Link::WebSocket);
            rig.take_log();
            // It does not cut the wait short (fact 60).
            rig.pass(500);
            rig.connect("/chat");
            rig.expect("");
            rig.pass(500);
            rig.opened_ws();
            let log = rig.take_log();
            assert!(log.ends_with("ws> 40\nws> 40/chat,\n"), "{log}");
        },
    );
}

#[test]
fn buffered_packets_survive_and_keep_their_order() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.cut(Link::WebSocket);
            for i in 0..3 {
                rig.emit(nsp, "n", &(i,), EmitOptions::PLAIN).unwrap();
            }
            rig.opening = Opening::Refuse;
            rig.pass(1_000);
            rig.emit(nsp, "n", &(3,), EmitOptions::PLAIN).unwrap();
            rig.opening = Opening::Accept;
            rig.pass(2_000);
            rig.opened_ws();
            rig.emit(nsp, "n", &(4,), EmitOptions::PLAIN).unwrap();
            rig.ws("40{\"sid\":\"S2\"}");
            let log = rig.take_log();
            assert!(
                log.ends_with("ws> 42[\"n\",0]\nws> 42[\"n\",1]\nws> 42[\"n\",2]\nws> 42[\"n\",3]\nws> 42[\"n\",4]\n"),
                "{log}"
            );
        },
    );
}

#[test]
fn a_link_that_opens_too_late_is_not_used() {
    both(
        || {
            let mut config = config(Transports::WEBSOCKET);
            config.connect_timeout = Some(Duration::from_secs(1));
            config
        },
        |rig| {
            rig.opening = Opening::Hold;
            rig.connect("/");
            rig.pass(1_500);
            // The driver's word comes after the core has given the link up.
            rig.client.handle_opened(rig.now(), Link::WebSocket);
            rig.drain();
            assert!(rig.client.transmit(Link::WebSocket).is_empty());
            rig.pass(500);
            rig.opened(Link::WebSocket);
            let log = rig.take_log();
            assert!(
                log.ends_with("@2000\nattempt #1\nopen ws\nws> handshake\n"),
                "{log}"
            );
        },
    );
}

#[test]
fn after_connecting_by_hand_it_reconnects_by_itself() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.disconnect(nsp);
            rig.ws_frame(0x88, b"");
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.take_log();
            rig.cut(Link::WebSocket);
            assert!(rig.take_events().ends_with("reconnecting #1 in 1000 ms\n"));
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S3\"}");
            assert_eq!(
                rig.take_events(),
                "attempt #1\nopened websocket E1\nreconnected #1\nconnected / id=S3\n"
            );
        },
    );
}

#[test]
fn attempts_are_counted_anew_after_giving_up() {
    both(
        || with(|policy| policy.attempts = Some(2)),
        |rig| {
            rig.opening = Opening::Refuse;
            let nsp = rig.connect("/");
            for round in 0..2 {
                rig.pass(60_000);
                let events = rig.take_events();
                let attempts: Vec<&str> = events
                    .lines()
                    .filter(|line| line.starts_with("attempt #") || line.starts_with("reconnect f"))
                    .collect();
                assert_eq!(
                    attempts,
                    ["attempt #1", "attempt #2", "reconnect failed"],
                    "{round}"
                );
                rig.client.connect(rig.now(), nsp);
                rig.drain();
            }
        },
    );
}

/// It is the attempt that is left, not only the wait for it: nothing is told of it, and nothing follows.
#[test]
fn leaving_during_an_attempt_ends_it() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.cut(Link::WebSocket);
            rig.opening = Opening::Hold;
            rig.pass(1_000);
            rig.take_log();
            rig.disconnect(nsp);
            rig.opened(Link::WebSocket);
            rig.pass(60_000);
            rig.expect("close ws");
            assert!(rig.client.is_down() && !rig.client.is_active(nsp));
        },
    );
}

#[test]
fn one_of_two_is_left_during_the_wait() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"C1\"}");
            rig.cut(Link::WebSocket);
            rig.take_log();
            rig.disconnect(main);
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40/chat,{\"sid\":\"C2\"}");
            let log = rig.take_log();
            assert!(
                log.ends_with(
                    "ws> 40/chat,\nws< 40/chat,{\"sid\":\"C2\"}\nconnected /chat id=C2\n"
                ),
                "{log}"
            );
            assert!(!log.contains("ws> 40\n"), "{log}");
            assert!(!rig.client.is_active(main) && rig.client.is_connected(chat));
        },
    );
}

#[test]
fn another_namespace_does_not_count_the_attempts_anew() {
    both(
        || with(|policy| policy.attempts = Some(2)),
        |rig| {
            rig.opening = Opening::Refuse;
            let one = rig.connect("/one");
            // Between the first attempt and the second.
            rig.pass(1_500);
            let two = rig.connect("/two");
            rig.pass(60_000);
            let events = rig.take_events();
            assert_eq!(events.matches("attempt #").count(), 2, "{events}");
            assert_eq!(events.matches("reconnect failed").count(), 1, "{events}");
            assert!(!rig.client.is_active(one) && !rig.client.is_active(two));
        },
    );
}

#[test]
fn there_is_no_id_between_two_sessions() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            assert!(rig.client.id(nsp).is_some());
            rig.cut(Link::WebSocket);
            assert_eq!(rig.client.id(nsp), None);
            rig.pass(1_000);
            rig.opened_ws();
            assert_eq!(rig.client.id(nsp), None);
            rig.ws("40{\"sid\":\"S2\"}");
            assert_eq!(rig.client.id(nsp), Some("S2"));
        },
    );
}
