//! Namespaces and credentials where servers speak Engine.IO 3.

use super::*;

#[test]
fn the_main_namespace_refused() {
    as_text(
        || spoken(Protocol::V3, Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            let chat = rig.connect("/chat");
            rig.ws_accept();
            let mut bytes = frame(0x81, OPEN_WS.as_bytes());
            bytes.extend(frame(0x81, b"44\"no\""));
            rig.feed(Link::WebSocket, &bytes);
            rig.ws("40/chat");
            assert!(!rig.client.is_active(nsp) && rig.client.is_connected(chat));
            let events = rig.take_events();
            assert!(events.contains("connect error / \"no\""), "{events}");
            // It is asked for, when it is wanted again.
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.expect("connected / id=E1\nws> 40");
            rig.ws("40");
            rig.expect("ws< 40");
        },
    );
}

#[test]
fn the_main_namespace_left_and_wanted_again() {
    as_text(
        || spoken(Protocol::V3, Transports::WEBSOCKET),
        |rig| {
            let nsp = joined_ws(rig);
            let chat = rig.connect("/chat");
            rig.ws("40/chat");
            rig.take_log();
            rig.client.disconnect(rig.now(), nsp);
            rig.drain();
            rig.expect("disconnected / io client disconnect [Local]\nws> 41");
            assert!(rig.client.is_connected(chat));
            rig.pass(200);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.pass(200);
            let log = rig.take_log();
            assert!(log.contains("connected / id=E1\nws> 40\n"), "{log}");
            rig.ws("41");
            assert!(rig.take_events().contains("io server disconnect"));
        },
    );
}

/// Nobody wants the main namespace, which is joined all the same.
#[test]
fn another_namespace_alone() {
    as_text(
        || spoken(Protocol::Detect, Transports::WEBSOCKET),
        |rig| {
            let chat = rig.connect("/chat");
            rig.ws_accept();
            rig.ws(OPEN_WS);
            rig.ws("40");
            rig.ws_accept();
            rig.ws(OPEN_WS);
            rig.ws("40");
            rig.ws("42[\"not ours\"]");
            rig.ws("40/chat");
            rig.ws("42/chat,[\"ours\"]");
            let events = rig.take_events();
            assert!(!events.contains("not ours"), "{events}");
            assert!(events.contains("message /chat ours []"), "{events}");
            // Later it is wanted after all: it is there at once.
            rig.take_log();
            let nsp = rig.connect("/");
            rig.expect("connected / id=E1");
            assert_eq!(rig.client.id(nsp), Some("E1"));
            rig.client.disconnect(rig.now(), chat);
            rig.drain();
            rig.take_log();
        },
    );
}

#[test]
fn credentials_are_refused_with_what_to_do() {
    let auth = NspOptions::default();
    for (given, refused) in [("{\"token\":\"t\"}", true), ("{}", false), ("", false)] {
        as_text(
            || spoken(Protocol::V3, Transports::WEBSOCKET),
            |rig| {
                let mut options = auth;
                options.auth = true;
                rig.auth = Some(given.to_owned());
                let nsp = rig.namespace("/", options);
                rig.client.connect(rig.now(), nsp);
                rig.drain();
                rig.ws_accept();
                rig.ws(OPEN_WS);
                rig.ws("40");
                let events = rig.take_events();
                assert_eq!(rig.client.is_connected(nsp), !refused, "{events}");
                assert_eq!(
                    events.contains(
                        "takes no auth payload: put the credentials into the query or a header"
                    ),
                    refused,
                    "{events}"
                );
                assert_eq!(rig.client.is_active(nsp), !refused);
            },
        );
    }
}

#[test]
fn queries_of_namespaces() {
    as_text(
        || spoken(Protocol::V3, Transports::WEBSOCKET),
        |rig| {
            joined_ws(rig);
            let chat = rig.connect("/chat?a=1");
            rig.expect("ws> 40/chat?a=1,");
            rig.ws("40/chat");
            rig.emit(chat, "e", &(), EmitOptions::PLAIN).unwrap();
            rig.ws("42/chat,[\"x\"]");
            rig.expect("ws< 40/chat\nconnected /chat?a=1 id=/chat#E1\nws> 42/chat,[\"e\"]\nws< 42/chat,[\"x\"]\nmessage /chat?a=1 x []");
            // The same namespace with another query, which counts at the next CONNECT.
            let again = rig.namespace("/chat?a=2", NspOptions::default());
            assert_eq!(again, chat);
            rig.client.disconnect(rig.now(), chat);
            rig.drain();
            rig.pass(200);
            rig.client.connect(rig.now(), chat);
            rig.drain();
            rig.pass(200);
            let log = rig.take_log();
            assert!(
                log.contains("ws> 41/chat,") && log.contains("ws> 40/chat?a=2,"),
                "{log}"
            );
            let refused = rig.client.namespace("/?a=1", NspOptions::default());
            assert_eq!(refused, Err(NamespaceError::Name));
        },
    );
}
