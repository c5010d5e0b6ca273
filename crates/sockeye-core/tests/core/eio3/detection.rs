//! Which version a server speaks: found out, refused, or chosen.

use super::*;

#[test]
fn a_websocket_that_leaves_the_version_open_is_opened_anew() {
    as_text(
        || spoken(Protocol::Detect, Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            let chat = rig.connect("/chat");
            rig.emit(nsp, "kept", &(), EmitOptions::PLAIN).unwrap();
            assert_eq!(
                rig.request(Link::WebSocket).unwrap().query("EIO"),
                Some("4")
            );
            rig.ws_accept();
            let mut bytes = frame(0x81, OPEN_WS.as_bytes());
            bytes.extend(frame(0x81, b"40"));
            rig.feed(Link::WebSocket, &bytes);
            assert_eq!(
                rig.request(Link::WebSocket).unwrap().query("EIO"),
                Some("3")
            );
            rig.ws_accept();
            rig.ws(OPEN_WS);
            rig.ws("40");
            rig.ws("40/chat");
            assert_eq!(
                (rig.client.id(nsp), rig.client.id(chat)),
                (Some("E1"), Some("/chat#E1"))
            );
            let log = rig.take_log();
            assert_eq!(log.matches("> 40").count(), 1, "{log}");
            assert!(log.contains("ws> 42[\"kept\"]"), "{log}");
            assert!(!rig.take_events().contains("closed"));
            // At the next connection it is known, until an attempt fails.
            rig.break_all();
            rig.pass(1_000);
            assert_eq!(
                rig.request(Link::WebSocket).unwrap().query("EIO"),
                Some("3")
            );
            rig.break_all();
            rig.pass(5_000);
            assert_eq!(
                rig.request(Link::WebSocket).unwrap().query("EIO"),
                Some("4")
            );
        },
    );
}

/// python-engineio 3.14 refuses what it does not speak, with words; engine.io with a code.
#[test]
fn a_server_that_refuses_version_4_is_asked_for_3() {
    let words =
        r#""The client is using an unsupported version of the Socket.IO or Engine.IO protocols""#;
    for body in [
        words,
        r#"{"code":5,"message":"Unsupported protocol version"}"#,
    ] {
        let refusal = response("400 Bad Request", "", body.as_bytes());
        for transports in [Transports::POLLING, Transports::WEBSOCKET] {
            let link = match transports.first() {
                Transport::Polling => Link::Poll,
                Transport::WebSocket => Link::WebSocket,
            };
            as_text(
                || spoken(Protocol::Detect, transports),
                |rig| {
                    let nsp = rig.connect("/");
                    rig.reply(link, &refusal);
                    assert_eq!(rig.request(link).unwrap().query("EIO"), Some("3"));
                    assert_eq!(rig.take_events(), "", "nothing has failed");
                    if link == Link::Poll {
                        polled(rig, &as_records(&[OPEN.as_bytes(), b"40"]));
                    } else {
                        rig.ws_accept();
                        rig.ws(OPEN_WS);
                        rig.ws("40");
                    }
                    assert!(rig.client.is_connected(nsp));
                    // One that refuses both has failed, and the next attempt asks for version 4 again.
                    rig.break_all();
                    rig.pass(1_000);
                    assert_eq!(rig.request(link).unwrap().query("EIO"), Some("3"));
                    rig.take_log();
                    rig.reply(link, &refusal);
                    assert!(rig.take_events().contains("closed attempt"));
                    rig.pass(5_000);
                    assert_eq!(rig.request(link).unwrap().query("EIO"), Some("4"));
                },
            );
        }
    }
    as_text(
        || spoken(Protocol::V4, Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.reply(
                Link::Poll,
                &response("400 Bad Request", "", words.as_bytes()),
            );
            assert!(rig.take_events().contains("closed attempt"));
        },
    );
}

/// What tells a server of version 4: `maxPayload`, or the answer to the CONNECT.
#[test]
fn newer_servers_are_not_mistaken() {
    as_text(
        || spoken(Protocol::Detect, Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_ws();
            // netty-socketio says so by itself, before the real answer.
            rig.ws("40");
            rig.ws("40{\"sid\":\"S1\"}");
            assert!(rig.client.is_connected(nsp) && !rig.client.is_engine_3());
            rig.break_all();
            rig.pass(1_000);
            rig.ws_accept();
            rig.ws("0{\"sid\":\"E2\"}");
            rig.ws("40{\"sid\":\"S2\"}");
            rig.ws("40");
            assert!(rig.client.is_connected(nsp) && !rig.client.is_engine_3());
            assert_eq!(rig.client.engine_id(), Some("E2"));
        },
    );
    as_text(
        || spoken(Protocol::Detect, Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            assert!(rig.client.is_connected(nsp) && !rig.client.is_engine_3());
        },
    );
}

#[test]
fn answers_that_are_no_handshake() {
    for (body, shown) in [
        ("404 page not found", "404 page not found"),
        ("1:0", "0"),
        ("12", "12"),
        ("5:hello", "hello"),
    ] {
        as_text(
            || spoken(Protocol::Detect, Transports::POLLING),
            |rig| {
                rig.connect("/");
                polled(rig, body.as_bytes());
                let events = rig.take_events();
                assert!(
                    events.contains(&format!("[NotEngineIo {shown:?}]")),
                    "{body}: {events}"
                );
            },
        );
    }
    // In a session, what is cut off, or counted wrongly, ends it.
    for body in ["10:42[\"x\"]", "x", "", "1:😀"] {
        as_text(
            || spoken(Protocol::V3, Transports::POLLING),
            |rig| {
                joined_polling(rig);
                polled(rig, body.as_bytes());
                let events = rig.take_events();
                assert!(
                    events.contains("disconnected / transport error"),
                    "{body}: {events}"
                );
            },
        );
    }
}

/// With protocol 4, and where lengths could not be trusted, an old server is what it has always been.
#[test]
fn the_version_can_be_chosen() {
    as_text(
        || spoken(Protocol::V4, Transports::POLLING),
        |rig| {
            rig.connect("/");
            polled(rig, &as_lengths(&[OPEN, "40"]));
            let events = rig.take_events();
            assert!(events.contains("[OldServer "), "{events}");
        },
    );
    as_text(
        || {
            let mut config = spoken(Protocol::Detect, Transports::POLLING);
            config.force_base64 = true;
            config
        },
        |rig| {
            rig.connect("/");
            polled(rig, &as_lengths(&[OPEN, "40"]));
            let events = rig.take_events();
            assert!(events.contains("[OldServer "), "{events}");
        },
    );
    as_text(
        || {
            let mut config = spoken(Protocol::V3, Transports::POLLING_FIRST);
            config.force_base64 = true;
            config
        },
        |rig| {
            rig.connect("/");
            let request = rig.request(Link::Poll).unwrap();
            assert_eq!(
                (request.query("EIO"), request.query("b64")),
                (Some("3"), None)
            );
            polled(rig, &as_lengths(&[OPEN, "40"]));
            assert_eq!(
                rig.request(Link::WebSocket).unwrap().query("b64"),
                Some("1")
            );
        },
    );
}

#[test]
fn errors_of_the_server() {
    for (payload, message, data) in [
        ("\"not authorized\"", "not authorized", None),
        (
            "[\"not authorized\",{\"a\":1}]",
            "not authorized",
            Some("{\"a\":1}"),
        ),
        ("{\"message\":\"no\",\"data\":[1]}", "no", Some("[1]")),
        ("{\"a\":1}", "{\"a\":1}", Some("{\"a\":1}")),
        ("[1]", "[1]", Some("[1]")),
    ] {
        as_text(
            || spoken(Protocol::V3, Transports::WEBSOCKET),
            |rig| {
                let nsp = joined_ws(rig);
                let admin = rig.connect("/admin");
                rig.take_log();
                rig.ws(&format!("44/admin,{payload}"));
                let events = rig.take_events();
                let data = data.map(|data| format!(" {data}")).unwrap_or_default();
                let expected = format!("connect error /admin \"{message}\"{data}\n");
                assert_eq!(events, expected);
                assert!(!rig.client.is_active(admin) && rig.client.is_connected(nsp));
                // One for a namespace that is joined is an event there.
                rig.ws(&format!("44{payload}"));
                assert_eq!(rig.take_events(), format!("message / error [{payload}]\n"));
                assert!(rig.client.is_connected(nsp));
            },
        );
    }
}
