//! Namespaces that are left, thrown out of, joined again or forgotten.

use super::*;

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
