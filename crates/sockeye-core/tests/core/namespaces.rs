//! Joining and leaving namespaces, buffers before the join.

mod leaving;

use std::time::Duration;

use sockeye_core::{EmitError, EmitOptions, Link, NspOptions, Transports};
use sockeye_testkit::{Opening, config, frame};

use crate::{as_text, both};

fn auth() -> NspOptions {
    let mut options = NspOptions::default();
    options.auth = true;
    options
}

#[test]
fn nothing_but_connect_before_the_reply() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.namespace("/", NspOptions::default());
            rig.emit(nsp, "before connect", &(1,), EmitOptions::PLAIN)
                .unwrap();
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.emit(nsp, "before open", &(2,), EmitOptions::ACK)
                .unwrap();
            rig.opened_ws();
            rig.emit(nsp, "before join", &(3,), EmitOptions::PLAIN)
                .unwrap();
            // Volatile packets are not buffered.
            assert!(
                rig.emit(nsp, "volatile", &(), EmitOptions::VOLATILE)
                    .is_err()
            );
            rig.take_log();
            rig.ws("40{\"sid\":\"S1\"}");
            rig.emit(nsp, "after", &(4,), EmitOptions::PLAIN).unwrap();
            rig.expect(
                r#"
                ws< 40{"sid":"S1"}
                connected / id=S1
                ws> 42["before connect",1]
                ws> 420["before open",2]
                ws> 42["before join",3]
                ws> 42["after",4]
                "#,
            );
        },
    );
}

#[test]
fn events_before_the_reply_are_delivered_before_connected() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.connect("/");
            let chat = rig.connect("/chat");
            rig.opened_ws();
            rig.take_log();
            rig.ws("42[\"early\",1]");
            rig.ws("42/chat,7[\"chat early\"]");
            rig.ws("451-[\"early binary\",{\"_placeholder\":true,\"num\":0}]");
            rig.ws_binary(&[9]);
            rig.expect(
                r#"
                ws< 42["early",1]
                ws< 42/chat,7["chat early"]
                ws< 451-["early binary",{"_placeholder":true,"num":0}]
                ws< <09>
                "#,
            );
            // A packet with attachments is half there when the reply comes... for another namespace's reply that is
            // an error, so the reply comes first.
            rig.ws("40{\"sid\":\"S1\"}");
            rig.ws("42[\"late\"]");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.expect(
                r#"
                ws< 40{"sid":"S1"}
                message / early [1]
                message / early binary [{"_placeholder":true,"num":0}] <09>
                connected / id=S1
                ws< 42["late"]
                message / late []
                ws< 40/chat,{"sid":"S2"}
                message /chat chat early [] ack 7
                connected /chat id=S2
                "#,
            );
            rig.answer(&("ok",)).unwrap();
            rig.expect("ws> 43/chat,7[\"ok\"]");
            assert!(rig.client.is_connected(main) && rig.client.is_connected(chat));
        },
    );
}

#[test]
fn held_events_do_not_outlive_their_join() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("42/chat,[\"old\"]");
            rig.disconnect(chat);
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.client.connect(rig.now(), chat);
            rig.drain();
            // The CONNECT does not follow in the same segment: see `joining_again_waits_for_the_server`.
            rig.pass(100);
            rig.ws("42/chat,[\"new\"]");
            rig.ws("40/chat,{\"sid\":\"S3\"}");
            rig.expect(
                r#"
                ws> 40/chat,
                ws< 42/chat,["old"]
                ws< 40/chat,{"sid":"S2"}
                ws> 41/chat,
                ws> ping
                @100
                ws> 40/chat,
                ws< 42/chat,["new"]
                ws< 40/chat,{"sid":"S3"}
                message /chat new []
                connected /chat id=S3
                "#,
            );
        },
    );
}

#[test]
fn auth_is_asked_for_at_every_connect() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.auth = Some("{\"token\":1}".into());
            let nsp = rig.namespace("/", auth());
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\"}");
            rig.auth = Some(" {\"token\":2} ".into());
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            rig.disconnect(nsp);
            rig.cut(Link::WebSocket);
            rig.auth = Some(String::new());
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            let log = rig.take_log();
            let connects: Vec<&str> = log
                .lines()
                .filter(|line| line.starts_with("ws> 40") || line.starts_with("auth"))
                .collect();
            assert_eq!(
                connects,
                [
                    "auth /",
                    "ws> 40{\"token\":1}",
                    "auth /",
                    "ws> 40{\"token\":2}",
                    "auth /",
                    "ws> 40"
                ]
            );
        },
    );
}

#[test]
fn auth_by_hand() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.namespace("/", auth());
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            assert!(
                rig.client.provide_auth(rig.now(), nsp, "{}").is_ok(),
                "too early: ignored"
            );
            rig.opened_ws();
            rig.take_log();
            // The answer may take its time: nothing is sent meanwhile, and no timeout runs.
            rig.ws("2");
            rig.pass(30_000);
            rig.expect("ws< 2\nping\nws> 3");
            for bad in ["[1]", "\"x\"", "{", "nonsense", "{}{}"] {
                assert_eq!(
                    rig.client.provide_auth(rig.now(), nsp, bad),
                    Err(EmitError::Auth),
                    "{bad}"
                );
            }
            assert!(
                rig.client
                    .provide_auth(rig.now(), nsp, "{\"a\":\"b\"}")
                    .is_ok()
            );
            rig.drain();
            rig.expect("@30000\nws> 40{\"a\":\"b\"}");
            assert!(
                rig.client
                    .provide_auth(rig.now(), nsp, "{\"again\":1}")
                    .is_ok(),
                "too late: ignored"
            );
            rig.drain();
            rig.expect("");
        },
    );
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.namespace("/", auth());
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.take_log();
            rig.client.refuse_auth(rig.now(), nsp);
            rig.drain();
            assert!(!rig.client.is_active(nsp));
            rig.expect("ws> close");
        },
    );
}

#[test]
fn refused() {
    for (payload, shown) in [
        (
            "{\"message\":\"no \\\"entry\\\"\",\"data\":{\"code\":7}}",
            "\"no \"entry\"\" {\"code\":7}",
        ),
        ("{\"message\":\"plain\"}", "\"plain\""),
        ("{\"data\":null,\"message\":\"\"}", "\"\""),
        ("{}", "\"\""),
        ("{\"message\":401}", "\"401\""),
        ("{\"message\":{\"code\":7}}", "\"{\"code\":7}\""),
        ("{\"message\":null,\"data\":false}", "\"\" false"),
        ("\"just a text\"", "\"just a text\""),
    ] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = rig.connect("/");
                rig.emit(nsp, "kept", &(), EmitOptions::PLAIN).unwrap();
                rig.opened_ws();
                rig.take_log();
                rig.ws(&format!("44{payload}"));
                let log = rig.take_log();
                let (_, log) = log.split_once('\n').unwrap();
                assert_eq!(log, format!("connect error / {shown}\nws> close \n"));
                assert!(!rig.client.is_active(nsp) && !rig.client.is_connected(nsp));
                rig.cut(Link::WebSocket);
                rig.pass(100_000);
                rig.expect("close ws");
                // Not tried again until told to; what was accepted is still there.
                rig.client.connect(rig.now(), nsp);
                rig.drain();
                rig.opened_ws();
                rig.ws("40{\"sid\":\"S2\"}");
                assert!(
                    rig.take_log()
                        .ends_with("connected / id=S2\nws> 42[\"kept\"]\n")
                );
            },
        );
    }
}

#[test]
fn one_of_several_is_refused() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("44/chat,{\"message\":\"no\"}");
            rig.ws("42[\"on\"]");
            rig.expect("ws> 40/chat,\nws< 44/chat,{\"message\":\"no\"}\nconnect error /chat \"no\"\nws< 42[\"on\"]\nmessage / on []");
            // A refusal of a namespace that is joined already: it is left, with both events.
            rig.client.connect(rig.now(), chat);
            rig.drain();
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.take_log();
            rig.ws("44/chat,{\"message\":\"out\"}");
            rig.expect(
                "ws< 44/chat,{\"message\":\"out\"}\nconnect error /chat \"out\"\n\
                 disconnected /chat io server disconnect [EngineClose]",
            );
            assert!(!rig.client.is_active(chat));
        },
    );
}

/// The handshake of a server that does not say what only newer ones say.
const HANDSHAKE: &str = "0{\"sid\":\"E1\",\"pingInterval\":25000,\"pingTimeout\":20000}";

/// A server of Socket.IO 2 says it unasked, in one segment with the handshake; it is told long before the join timeout.
#[test]
fn a_reply_without_sid_before_the_question() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.ws_accept();
            let mut bytes = frame(0x81, HANDSHAKE.as_bytes());
            bytes.extend(frame(0x81, b"40"));
            rig.feed(Link::WebSocket, &bytes);
            rig.pass(4_999);
            assert!(rig.client.is_active(nsp));
            rig.take_events();
            rig.pass(1);
            let events = rig.take_events();
            assert!(
                events.starts_with("connect error / \"the server speaks Socket.IO 2"),
                "{events}"
            );
            assert!(!rig.client.is_active(nsp));
        },
    );
}

#[test]
fn a_reply_without_sid() {
    // The real one follows in time: some servers speak both versions.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.ws_accept();
            rig.ws(HANDSHAKE);
            rig.take_log();
            rig.ws("40");
            rig.pass(4_999);
            rig.ws("40{\"sid\":\"S1\"}");
            rig.expect("ws< 40\n@4999\nws< 40{\"sid\":\"S1\"}\nconnected / id=S1");
            rig.pass(15_000);
            assert!(!rig.take_events().contains("Socket.IO 2"));
        },
    );
    // The handshake shows that it is a newer one, which has all of its time.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_ws();
            rig.ws("40");
            rig.take_events();
            rig.pass(19_999);
            assert_eq!(rig.take_events(), "");
            rig.pass(1);
            let events = rig.take_events();
            assert!(
                events.starts_with("connect error / \"the server speaks Socket.IO 2"),
                "{events}"
            );
            assert!(!rig.client.is_active(nsp));
        },
    );
}

/// The server has five seconds from the question on, however long the application takes for that.
#[test]
fn a_reply_without_sid_while_the_application_is_asked() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let mut options = NspOptions::default();
            options.auth = true;
            let nsp = rig.namespace("/", options);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.ws_accept();
            rig.ws(HANDSHAKE);
            rig.ws("40");
            rig.pass(7_000);
            rig.client.provide_auth(rig.now(), nsp, "{}").unwrap();
            rig.drain();
            rig.pass(4_999);
            assert!(rig.client.is_active(nsp));
            rig.take_events();
            rig.pass(1);
            let events = rig.take_events();
            assert!(events.contains("the server speaks Socket.IO 2"), "{events}");
        },
    );
}

/// A shorter join timeout stays, and namespaces that have not been consented to like that have theirs.
#[test]
fn a_reply_without_sid_changes_no_other_deadline() {
    both(
        || {
            let mut config = config(Transports::WEBSOCKET);
            config.join_timeout = Some(Duration::from_secs(2));
            config
        },
        |rig| {
            rig.connect("/");
            rig.ws_accept();
            rig.ws(HANDSHAKE);
            rig.ws("40");
            rig.take_events();
            rig.pass(2_000);
            let events = rig.take_events();
            assert!(events.contains("the server speaks Socket.IO 2"), "{events}");
        },
    );
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let [a, b, c] = ["/a", "/b", "/c"].map(|name| rig.connect(name));
            rig.ws_accept();
            rig.ws(HANDSHAKE);
            rig.ws("40/b,");
            rig.ws("40/c,");
            rig.ws("40/b,{\"sid\":\"S1\"}");
            rig.take_events();
            rig.pass(5_000);
            let events = rig.take_events();
            assert!(
                events.starts_with("connect error /c \"the server speaks Socket.IO 2"),
                "{events}"
            );
            assert!(rig.client.is_active(a) && rig.client.is_connected(b));
            assert!(!rig.client.is_active(c));
            rig.pass(15_000);
            let events = rig.take_events();
            assert!(events.contains("connect error /a \"no answer"), "{events}");
        },
    );
}

#[test]
fn no_reply_within_the_join_timeout() {
    // Alone: the connection is of no use.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_ws();
            rig.take_log();
            rig.pass(20_000);
            rig.expect("@20000\nclose ws\nclosed transport error [JoinTimeout], retry\nreconnecting #1 in 1000 ms");
            assert!(rig.client.is_active(nsp));
        },
    );
    // Beside others: only the namespace is given up, and a late reply is answered by leaving.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.take_log();
            rig.pass(20_000);
            assert!(!rig.client.is_active(chat));
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.expect(
                "@20000\nconnect error /chat \"no answer to the CONNECT packet within the timeout\"\n\
                 ws< 40/chat,{\"sid\":\"S2\"}\nws> 41/chat,",
            );
        },
    );
    both(
        || {
            let mut config = config(Transports::WEBSOCKET);
            config.join_timeout = None;
            config
        },
        |rig| {
            rig.connect("/");
            rig.opened_ws();
            rig.take_log();
            rig.pass(44_999);
            rig.expect("");
        },
    );
}
