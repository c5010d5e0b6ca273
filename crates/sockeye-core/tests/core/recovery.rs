//! Connection state recovery.

use sockeye_core::{EmitOptions, Link, NspOptions, Transports};
use sockeye_testkit::{Rig, config};

use crate::{as_text, both};

fn again(rig: &mut Rig<'_>) {
    rig.cut(Link::WebSocket);
    rig.pass(1_000);
    rig.take_log();
    rig.opened_ws();
}

fn last_connect(rig: &mut Rig<'_>) -> String {
    let log = rig.take_log();
    log.lines()
        .rfind(|line| line.starts_with("ws> 40"))
        .unwrap_or("none")
        .to_owned()
}

fn joined_with_pid(rig: &mut Rig<'_>, options: NspOptions) -> sockeye_core::NamespaceId {
    let nsp = rig.namespace("/", options);
    rig.client.connect(rig.now(), nsp);
    rig.drain();
    rig.opened_ws();
    rig.ws("40{\"sid\":\"S1\",\"pid\":\"P1\"}");
    rig.take_log();
    nsp
}

#[test]
fn the_session_comes_back() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined_with_pid(rig, NspOptions::default());
            assert!(!rig.client.is_recovered(nsp));
            rig.ws("42[\"a\",1,\"off1\"]");
            // The offset is visible as the last argument, as in the official client.
            rig.expect("ws< 42[\"a\",1,\"off1\"]\nmessage / a [1,\"off1\"]");
            again(rig);
            assert_eq!(
                last_connect(rig),
                "ws> 40{\"pid\":\"P1\",\"offset\":\"off1\"}"
            );
            rig.ws("40{\"sid\":\"S1\",\"pid\":\"P1\"}");
            rig.ws("42[\"missed\",\"off2\"]");
            rig.expect(
                "ws< 40{\"sid\":\"S1\",\"pid\":\"P1\"}\nconnected / recovered id=S1\n\
                 ws< 42[\"missed\",\"off2\"]\nmessage / missed [\"off2\"]",
            );
            assert!(rig.client.is_recovered(nsp));
            again(rig);
            assert_eq!(
                last_connect(rig),
                "ws> 40{\"pid\":\"P1\",\"offset\":\"off2\"}"
            );
            // The server has forgotten the session: a new one.
            rig.ws("40{\"sid\":\"S2\",\"pid\":\"P2\"}");
            assert!(!rig.client.is_recovered(nsp));
            again(rig);
            assert_eq!(last_connect(rig), "ws> 40{\"pid\":\"P2\"}");
            // A server without recovery.
            rig.ws("40{\"sid\":\"S3\"}");
            rig.ws("42[\"a\",\"not an offset\"]");
            again(rig);
            assert_eq!(last_connect(rig), "ws> 40");
        },
    );
}

#[test]
fn what_counts_as_an_offset() {
    for (packet, offset) in [
        ("42[\"a\",\"off1\"]", "\"off1\""),
        ("42[\"a\",{},\"off1\"]", "\"off1\""),
        ("42[\"a\",\"off1\" ]", "\"off1\""),
        // An event that wants an answer has none (fact 99), nor has one whose last argument is no text.
        ("420[\"a\",\"off1\"]", ""),
        ("42[\"a\",\"off1\",1]", ""),
        ("42[\"off1\"]", ""),
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                joined_with_pid(rig, NspOptions::default());
                rig.ws(packet);
                again(rig);
                let expected = if offset.is_empty() {
                    "ws> 40{\"pid\":\"P1\"}".to_owned()
                } else {
                    format!("ws> 40{{\"pid\":\"P1\",\"offset\":{offset}}}")
                };
                assert_eq!(last_connect(rig), expected, "{packet}");
            },
        );
    }
}

#[test]
fn binary_events_have_offsets_too() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            joined_with_pid(rig, NspOptions::default());
            rig.ws("451-[\"a\",{\"_placeholder\":true,\"num\":0},\"off9\"]");
            rig.ws_binary(&[1]);
            again(rig);
            assert_eq!(
                last_connect(rig),
                "ws> 40{\"pid\":\"P1\",\"offset\":\"off9\"}"
            );
        },
    );
}

#[test]
fn the_applications_keys_win() {
    for (auth, expected) in [
        ("{\"t\":2}", "{\"pid\":\"P1\",\"offset\":\"off1\",\"t\":2}"),
        ("{}", "{\"pid\":\"P1\",\"offset\":\"off1\"}"),
        ("", "{\"pid\":\"P1\",\"offset\":\"off1\"}"),
        (
            "{\"pid\":\"mine\"}",
            "{\"offset\":\"off1\",\"pid\":\"mine\"}",
        ),
        ("{\"offset\":1,\"pid\":2}", "{\"offset\":1,\"pid\":2}"),
        ("{\"offset\":1}", "{\"pid\":\"P1\",\"offset\":1}"),
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let mut options = NspOptions::default();
                options.auth = true;
                rig.auth = Some(auth.into());
                joined_with_pid(rig, options);
                rig.ws("42[\"a\",\"off1\"]");
                again(rig);
                assert_eq!(last_connect(rig), format!("ws> 40{expected}"), "{auth}");
            },
        );
    }
}

#[test]
fn not_after_a_goodbye() {
    for by_server in [false, true] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = joined_with_pid(rig, NspOptions::default());
                rig.ws("42[\"a\",\"off1\"]");
                if by_server {
                    rig.ws("41");
                } else {
                    rig.disconnect(nsp);
                }
                rig.cut(Link::WebSocket);
                rig.client.connect(rig.now(), nsp);
                rig.drain();
                rig.opened_ws();
                assert_eq!(last_connect(rig), "ws> 40");
            },
        );
    }
}

#[test]
fn odd_pids() {
    let long = "p".repeat(sockeye_core::ID_MAX + 1);
    for (pid, kept) in [
        ("1", None),
        ("null", None),
        ("\"\"", None),
        (&format!("\"{long}\""), None),
        // What is escaped goes back as it came.
        ("\"with \\\"quote\"", Some(r#"with \"quote"#)),
        ("\"a\\/b\\u003d\"", Some(r"a\/b\u003d")),
    ] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.connect("/");
                rig.opened_ws();
                rig.ws(&format!("40{{\"sid\":\"S1\",\"pid\":{pid}}}"));
                rig.ws("42[\"a\",\"off1\"]");
                again(rig);
                let expected = kept.map_or("ws> 40".into(), |pid| {
                    format!("ws> 40{{\"pid\":\"{pid}\",\"offset\":\"off1\"}}")
                });
                assert_eq!(last_connect(rig), expected, "{pid}");
            },
        );
    }
}

#[test]
fn answers_to_a_recovered_session_stay_stale() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = joined_with_pid(rig, NspOptions::default());
            rig.emit(nsp, "sent", &(), EmitOptions::ACK).unwrap();
            rig.ws("427[\"q\"]");
            again(rig);
            rig.ws("40{\"sid\":\"S1\",\"pid\":\"P1\"}");
            assert!(rig.answer(&()).is_err());
            rig.ws("430[\"late\"]");
            assert!(!rig.take_events().contains("ack #1 ["));
        },
    );
}
