//! What `connect` comes to.

use std::time::Duration;

use serde_json::json;
use sockeye::{Cause, ConnectErrorKind, Notice, Transport};
use sockeye_testkit::{Settings, response};

use crate::support::{
    Host, Log, client, client_at, closed_port, eventually, polling, quick, within,
};

#[tokio::test]
async fn joined() {
    let host = Host::start();
    let socket = within("connect", client_at(host.url("/chat")).connect())
        .await
        .unwrap();
    assert!(socket.connected() && socket.active() && !socket.recovered());
    assert_eq!(socket.id().as_deref(), Some("S1"));
    assert_eq!(socket.name(), "/chat");
    assert!(socket.transport().is_some());
    assert_eq!(host.state(|state| state.server.joined().join(" ")), "/chat");
    // Again: already there.
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(host.state(|state| state.server.sessions()), 1);
}

#[tokio::test]
async fn refused_with_message_and_data() {
    let host = Host::with(Settings {
        refused: vec!["/admin"],
        ..Settings::default()
    });
    for transport in [Transport::Polling, Transport::WebSocket] {
        let builder = client_at(host.url("/admin")).transports([transport]);
        let error = within("connect", builder.connect()).await.unwrap_err();
        assert_eq!(error.kind(), ConnectErrorKind::Refused);
        assert_eq!(error.message(), "refused");
        assert_eq!(error.data(), Some(&json!({"code": 7})));
        assert!(!error.active());
        assert_eq!(
            error.to_string(),
            "the server refused the connection: refused ({\"code\":7})"
        );
    }
    // It is over: no other attempt is made.
    host.empty().await;
    assert_eq!(host.state(|state| state.server.sessions()), 2);
}

#[tokio::test]
async fn refused_and_then_let_in() {
    let host = Host::with(Settings {
        refused: vec!["/"],
        ..Settings::default()
    });
    let socket = client(&host).open().unwrap();
    assert!(!socket.active());
    within("connect", socket.connect()).await.unwrap_err();
    assert!(!socket.active() && !socket.connected());
    host.state(|state| state.server.settings.refused.clear());
    within("connect", socket.connect()).await.unwrap();
    assert!(socket.connected());
}

/// Errors that trying again cannot mend end `connect`, though reconnection is on.
#[tokio::test]
async fn definitive_errors() {
    let html = || {
        response(
            "200 OK",
            "Content-Type: text/html\r\n",
            b"<!DOCTYPE html><html><body>Hi</body></html>",
        )
    };
    let old = || {
        response("200 OK", "", b"96:0{\"sid\":\"x\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":5000}2:40")
    };
    type Case = (&'static str, Vec<u8>, &'static str, fn(Cause) -> bool);
    let cases: [Case; 7] = [
        ("html", html(), "web page", |cause| {
            matches!(cause, Cause::Html(200))
        }),
        (
            "404",
            response("404 Not Found", "", b"Cannot GET"),
            "check the path",
            |cause| matches!(cause, Cause::Http { status: 404, .. }),
        ),
        (
            "401",
            response("401 Unauthorized", "", b"who are you?"),
            "who are you?",
            |cause| matches!(cause, Cause::Http { status: 401, .. }),
        ),
        ("v2", old(), "Socket.IO 2", |cause| {
            cause == Cause::OldServer
        }),
        (
            "redirect",
            response("301 Moved", "Location: https://elsewhere/\r\n", b""),
            "https://elsewhere/",
            |cause| cause == Cause::Redirect(301),
        ),
        (
            "text",
            response("200 OK", "", b"hello"),
            "not an Engine.IO handshake",
            |cause| cause == Cause::NotEngineIo,
        ),
        (
            "ssh",
            b"SSH-2.0-OpenSSH_9.6\r\nfoo\r\n\r\n".to_vec(),
            "does not speak HTTP",
            |cause| matches!(cause, Cause::BadHttp(_)),
        ),
    ];
    for (name, answer, words, is) in cases {
        let host = Host::start();
        host.answer_with(move |_| Some(answer.clone()));
        let error = within(
            name,
            polling(&host)
                .redirects(0)
                .protocol(sockeye::Protocol::V4)
                .connect(),
        )
        .await
        .expect_err(name);
        let line = error.to_string();
        assert_eq!(error.kind(), ConnectErrorKind::Transport, "{name}");
        assert!(
            line.contains(words) && !line.contains('\n'),
            "{name}: {line}"
        );
        assert!(error.cause().is_some_and(is), "{name}: {:?}", error.cause());
        host.empty().await;
    }
}

#[tokio::test]
async fn definitive_errors_on_websocket() {
    let page = response("200 OK", "Content-Type: text/html\r\n", b"<html></html>");
    for (name, answer, words) in [
        ("html", page, "web page"),
        ("404", response("404 Not Found", "", b""), "HTTP 404"),
        ("no key", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n\r\n".to_vec(), "RFC 6455"),
    ] {
        let host = Host::start();
        host.answer_with(move |_| Some(answer.clone()));
        let error = within(name, client(&host).connect()).await.expect_err(name);
        let line = error.to_string();
        assert!(line.contains(words) && !line.contains('\n'), "{name}: {line}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again() {
    let host = Host::start();
    let mut left = 3;
    host.answer_with(move |_| {
        left -= 1;
        (left >= 0).then(|| response("503 Service Unavailable", "", b"busy"))
    });
    let log = Log::new();
    let errors = log.clone();
    let builder = polling(&host)
        .wait_for_server(true)
        .on_connect_error(move |_, error| errors.push(format!("{} {}", error.active(), error)));
    let _socket = within("connect", builder.connect()).await.unwrap();
    let lines = log.wait(3).await;
    assert_eq!(lines.len(), 3);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("true the server answered HTTP 503: busy")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_closed_port() {
    let address = closed_port();
    let builder = client_at(format!("http://{address}")).reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.cause()),
        (ConnectErrorKind::Transport, Some(Cause::Dial))
    );
    assert!(!error.active());
    let line = error.to_string();
    assert!(
        line.contains("connection refused by 127.0.0.1 port")
            && line.contains("is the server running?"),
        "{line}"
    );
}

#[tokio::test]
async fn a_host_name_that_is_not_known() {
    let builder = client_at("http://no-such-host.invalid:1").reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert!(
        error.to_string().contains("no-such-host.invalid"),
        "{error}"
    );
}

#[tokio::test]
async fn attempts_used_up() {
    let builder = quick(client_at(format!("http://{}", closed_port())))
        .reconnection_attempts(Some(2))
        .wait_for_server(true);
    let log = Log::new();
    let socket = builder.open().unwrap();
    let mut notices = socket.manager().notices();
    let failed = log.clone();
    socket
        .manager()
        .on_reconnect_failed(move || failed.push("failed"));
    let attempts = log.clone();
    socket
        .manager()
        .on_reconnect_attempt(move |n| attempts.push(format!("attempt {n}")));
    let error = within("connect", socket.connect()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Dial));
    assert!(!error.active() && !socket.active());
    assert_eq!(log.wait(3).await, ["attempt 1", "attempt 2", "failed"]);
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Notice::ReconnectFailed)) {
        seen.push(within("a notice", notices.next()).await.unwrap());
    }
    let words: Vec<_> = seen
        .iter()
        .map(|notice| match notice {
            Notice::ConnectError(error) => format!("error {}", error.active()),
            Notice::Reconnecting { attempt, delay } => {
                assert!(*delay <= Duration::from_millis(10), "{delay:?}");
                format!("wait {attempt}")
            }
            Notice::ReconnectAttempt(n) => format!("attempt {n}"),
            Notice::ReconnectFailed => "failed".into(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        words,
        [
            "error true",
            "wait 1",
            "attempt 1",
            "error true",
            "wait 2",
            "attempt 2",
            "error false",
            "failed"
        ]
    );
}

#[tokio::test]
async fn no_attempts_at_all() {
    let builder = client_at(format!("http://{}", closed_port())).reconnection_attempts(Some(0));
    within("connect", builder.connect()).await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let host = Host::start();
    host.state(|state| state.mute = true);
    let builder = client(&host)
        .timeout(Duration::from_millis(30))
        .reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::ConnectTimeout));
    host.empty().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_connect() {
    let host = Host::with(Settings {
        mute_connects: 1,
        ..Settings::default()
    });
    let builder = client(&host)
        .join_timeout(Duration::from_millis(30))
        .reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::JoinTimeout));
    assert!(error.to_string().contains("CONNECT"), "{error}");
    // And for one that waits, the next attempt is answered.
    host.state(|state| state.server.settings.mute_connects = 1);
    let builder = client(&host)
        .join_timeout(Duration::from_millis(30))
        .wait_for_server(true);
    within("connect", builder.connect()).await.unwrap();
}

#[tokio::test]
async fn connect_in_the_background() {
    let host = Host::start();
    let log = Log::new();
    let connected = log.clone();
    let builder = client(&host)
        .on_connect(move |socket| connected.push(format!("connected {:?}", socket.id())));
    let socket = builder.connect_background().unwrap();
    assert!(socket.active());
    assert_eq!(log.wait(1).await, ["connected Some(\"S1\")"]);
    assert!(socket.connected());
}

#[tokio::test]
async fn open_then_connect() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    assert!(
        !socket.active()
            && !socket.connected()
            && socket.id().is_none()
            && socket.transport().is_none()
    );
    let log = Log::new();
    let seen = log.clone();
    socket.on("hi", move |(n,): (u32,)| seen.push(n.to_string()));
    assert_eq!(host.state(|state| state.accepted), 0);
    within("connect", socket.connect()).await.unwrap();
    host.emit("/", "[\"hi\",7]");
    assert_eq!(log.wait(1).await, ["7"]);
    assert_eq!(host.state(|state| state.accepted), 1);
}

#[tokio::test]
async fn emits_before_the_join_are_kept_in_order() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let host = Host::start();
        let socket = client_at(host.url("/early"))
            .transports([transport])
            .open()
            .unwrap();
        for n in 0..50 {
            socket.emit("n", (n,)).unwrap();
        }
        socket.connect_background();
        for n in 50..100 {
            socket.emit("n", (n,)).unwrap();
        }
        let received = host.received(100).await;
        let expected: Vec<_> = (0..100).map(|n| format!("/early [\"n\",{n}]")).collect();
        assert_eq!(received, expected);
        // Nothing but CONNECT left before the reply: the scripted server would have complained.
    }
}

#[tokio::test]
async fn disconnect_while_connecting_ends_connect() {
    let host = Host::start();
    host.state(|state| state.mute = true);
    let socket = client(&host).open().unwrap();
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { socket.connect().await }
    });
    host.until("a request", |state| {
        (!state.requests.is_empty()).then_some(())
    })
    .await;
    socket.disconnect();
    let error = within("connect", waiting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Closed);
    assert!(!socket.active());
    host.empty().await;
}

#[tokio::test]
async fn connect_that_is_no_longer_awaited_goes_on() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    let _ = tokio::time::timeout(Duration::ZERO, socket.connect()).await;
    eventually("joined", || socket.connected()).await;
}
