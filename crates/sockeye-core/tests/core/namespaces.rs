//! Joining and leaving namespaces, buffers before the join.

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

/// A server of Socket.IO 2 says it unasked, in one segment with the handshake.
#[test]
fn a_reply_without_sid_before_the_question() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.ws_accept();
            let handshake = "0{\"sid\":\"E1\",\"pingInterval\":25000,\"pingTimeout\":20000}";
            let mut bytes = frame(0x81, handshake.as_bytes());
            bytes.extend(frame(0x81, b"40"));
            rig.feed(Link::WebSocket, &bytes);
            rig.pass(20_000);
            let events = rig.take_events();
            assert!(events.contains("the server speaks Socket.IO 2"), "{events}");
        },
    );
}

#[test]
fn a_reply_without_sid() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_ws();
            rig.take_log();
            rig.ws("40");
            // Some servers say so before the real one.
            rig.expect("ws< 40");
            rig.pass(20_000);
            let events = rig.take_events();
            assert!(
                events.starts_with("connect error / \"the server speaks Socket.IO 2"),
                "{events}"
            );
            assert!(!rig.client.is_active(nsp));
        },
    );
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.opened_ws();
            rig.take_log();
            rig.ws("40");
            rig.ws("40{\"sid\":\"S1\"}");
            rig.expect("ws< 40\nws< 40{\"sid\":\"S1\"}\nconnected / id=S1");
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

#[test]
fn the_server_disconnects_one_of_several() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.take_log();
            rig.emit(chat, "asked", &(), EmitOptions::ACK).unwrap();
            rig.ws("41/chat,");
            rig.emit(chat, "held", &(), EmitOptions::PLAIN).unwrap();
            rig.emit(main, "flows", &(), EmitOptions::PLAIN).unwrap();
            rig.ws("42/chat,[\"stray\"]");
            rig.expect(
                r#"
                ws> 42/chat,0["asked"]
                ws< 41/chat,
                disconnected /chat io server disconnect [ServerDisconnect]
                ack #1 disconnected
                ws> 42["flows"]
                ws< 42/chat,["stray"]
                "#,
            );
            assert!(!rig.client.is_active(chat) && rig.client.is_connected(main));
            // The last one takes the connection with it, and nothing reconnects.
            rig.ws("41");
            rig.ws_frame(0x88, b"");
            rig.expect("ws< 41\ndisconnected / io server disconnect [ServerDisconnect]\nws> close\nws< 88\nclose ws");
            rig.pass(100_000);
            rig.expect("");
            assert!(rig.client.is_down());
        },
    );
}

#[test]
fn leaving_one_of_several() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let main = rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.emit(chat, "last", &(), EmitOptions::ACK).unwrap();
            rig.take_log();
            rig.disconnect(chat);
            rig.ws("43/chat,0[]");
            rig.disconnect(chat);
            rig.expect("disconnected /chat io client disconnect [Local]\nack #1 disconnected\nws> 41/chat,\nws< 43/chat,0[]");
            rig.client.disconnect_all(rig.now());
            rig.drain();
            rig.expect("disconnected / io client disconnect [Local]\nws> 41\nws> close");
            assert!(!rig.client.is_active(main));
        },
    );
}

#[test]
fn disconnect_before_anything_was_there() {
    // While dialing, during the handshake, while asked for auth, while joining, during the wait for another try.
    for stage in 0..5 {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.opening = if stage == 0 {
                    Opening::Hold
                } else {
                    Opening::Accept
                };
                if stage == 4 {
                    rig.opening = Opening::Refuse;
                }
                let nsp = rig.namespace(
                    "/",
                    if stage == 2 {
                        auth()
                    } else {
                        NspOptions::default()
                    },
                );
                rig.client.connect(rig.now(), nsp);
                rig.drain();
                if stage == 2 || stage == 3 {
                    rig.opened_ws();
                }
                rig.take_log();
                rig.disconnect(nsp);
                let expected = match stage {
                    0 | 1 => "close ws\n",
                    2 | 3 => "ws> close \n",
                    _ => "",
                };
                assert_eq!(rig.take_log(), expected, "stage {stage}");
                rig.pass(60_000);
                assert!(rig.client.is_down(), "stage {stage}");
                let log = rig.take_log();
                assert!(!log.contains("open"), "stage {stage}: {log}");
            },
        );
    }
}

#[test]
fn connect_again_while_leaving() {
    // The last namespace: the old connection ends, a new one begins.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            rig.disconnect(nsp);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.ws_frame(0x88, b"");
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            assert!(rig.client.is_connected(nsp));
            let log = rig.take_log();
            assert!(log.contains("close ws\nopen ws\n"), "{log}");
        },
    );
    // While the CONNECT was under way, alone.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_ws();
            rig.disconnect(nsp);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.take_log();
            rig.ws_frame(0x88, b"");
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S2\"}");
            let log = rig.take_log();
            assert!(
                log.ends_with("ws> 40\nws< 40{\"sid\":\"S2\"}\nconnected / id=S2\n"),
                "{log}"
            );
        },
    );
    // The same beside another namespace: the reply that is under way will do, and there is a timeout for it.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.disconnect(chat);
            rig.pass(1_000);
            rig.client.connect(rig.now(), chat);
            rig.drain();
            rig.take_log();
            rig.pass(19_000);
            rig.expect("");
            rig.pass(1_000);
            rig.expect("@21000\nconnect error /chat \"no answer to the CONNECT packet within the timeout\"");
        },
    );
}

#[test]
fn forget() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.emit(chat, "a", &(), EmitOptions::ACK).unwrap();
            rig.take_log();
            rig.client.forget(rig.now(), chat);
            rig.drain();
            rig.expect("ack #1 disconnected\nws> 41/chat,");
            assert!(rig.emit(chat, "x", &(), EmitOptions::PLAIN).is_err());
            assert_eq!(rig.client.name(chat), "");
            let again = rig.connect("/chat");
            assert_ne!(again, chat);
            rig.ws_frame(0x8a, b"");
            rig.ws("40/chat,{\"sid\":\"S3\"}");
            assert!(rig.client.is_connected(again) && !rig.client.is_connected(chat));
            rig.emit(again, "x", &(), EmitOptions::ACK).unwrap();
            assert!(
                rig.take_log().ends_with("ws> 42/chat,0[\"x\"]\n"),
                "ids begin anew"
            );
        },
    );
    // While the CONNECT is under way: the server is told after its reply.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let chat = rig.connect("/chat");
            rig.client.forget(rig.now(), chat);
            rig.drain();
            let other = rig.connect("/other");
            rig.ws("40/chat,{\"sid\":\"S2\"}");
            rig.expect("ws> 40/chat,\nws> 40/other,\nws< 40/chat,{\"sid\":\"S2\"}\nws> 41/chat,");
            rig.ws("40/other,{\"sid\":\"S3\"}");
            assert!(rig.client.is_connected(other));
        },
    );
    // Its packets that wait go, those of others stay.
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let a = rig.namespace("/a", NspOptions::default());
            let b = rig.connect("/b");
            rig.emit(a, "gone", &(), EmitOptions::ACK).unwrap();
            rig.emit(b, "stays", &(), EmitOptions::PLAIN).unwrap();
            rig.client.forget(rig.now(), a);
            rig.drain();
            rig.opened_ws();
            rig.ws("40/b,{\"sid\":\"S1\"}");
            let log = rig.take_log();
            assert!(
                log.contains("ack #1 dropped\n") && !log.contains("gone") && log.contains("stays"),
                "{log}"
            );
        },
    );
}

#[test]
fn many_namespaces_on_one_connection() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsps = ["/", "/a", "/b", "/c"].map(|name| rig.connect(name));
            rig.opened_ws();
            rig.take_log();
            for (i, name) in ["", "/a,", "/b,", "/c,"].iter().enumerate() {
                rig.ws(&format!("40{name}{{\"sid\":\"S{i}\"}}"));
            }
            for (i, nsp) in nsps.into_iter().enumerate() {
                rig.emit(
                    nsp,
                    "e",
                    &(i,),
                    EmitOptions::ACK.timeout(Duration::from_secs(5)),
                )
                .unwrap();
            }
            // Ids count in each namespace by itself, and answers find their way by namespace and id.
            rig.ws("43/c,0[3]");
            rig.ws("430[0]");
            rig.ws("43/a,0[1]");
            rig.ws("42/b?token=x,[\"q\"]");
            rig.ws("42/unknown,[\"q\"]");
            let events = rig.take_events();
            assert!(
                events.ends_with("ack #4 [3]\nack #1 [0]\nack #2 [1]\nmessage /b q []\n"),
                "{events}"
            );
            rig.pass(5_000);
            assert_eq!(rig.take_events(), "ack #3 timeout\n");
        },
    );
}
