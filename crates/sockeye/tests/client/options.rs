//! Options of the builder, as they reach the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use sockeye::{BoxError, Transport};
use sockeye_testkit::{Request, response};

use crate::support::{Host, client, client_at, polling, quick, within};

fn path(request: &Request) -> &str {
    request.target().split('?').next().unwrap()
}

#[tokio::test]
async fn path_and_slash() {
    for (given, slash, sent) in [
        ("/socket.io", true, "/socket.io/"),
        ("/socket.io/", false, "/socket.io"),
        ("deep/er", true, "/deep/er/"),
        ("/a%20b/", true, "/a%20b/"),
    ] {
        let host = Host::start();
        let _socket = within(
            "connect",
            client(&host)
                .path(given)
                .add_trailing_slash(slash)
                .connect(),
        )
        .await
        .unwrap();
        let requests = host.state(|state| state.requests.clone());
        assert_eq!(
            requests.iter().map(path).collect::<Vec<_>>(),
            [sent],
            "path {given:?}"
        );
    }
}

#[tokio::test]
async fn query_is_merged_and_encoded() {
    let host = Host::start();
    let url = host.url("/?room=a%20b&x=1");
    let builder = client_at(url)
        .query("key", "v&v=é")
        .query("plus", "a+b c")
        .query("empty", "")
        .query("&a", "&=?a")
        .transports([Transport::Polling]);
    let socket = within("connect", builder.connect()).await.unwrap();
    socket.emit("tell", (1,)).unwrap();
    host.received(1).await;
    host.state(|state| {
        assert!(state.requests.len() >= 3);
        for request in &state.requests {
            assert_eq!(request.query("room"), Some("a%20b"), "{}", request.target());
            assert_eq!(request.query("x"), Some("1"));
            assert_eq!(request.query("key"), Some("v%26v%3D%C3%A9"));
            assert_eq!(request.query("plus"), Some("a%2Bb%20c"));
            assert_eq!(request.query("empty"), Some(""));
            assert_eq!(request.query("%26a"), Some("%26%3D%3Fa"));
            assert_eq!(request.query("EIO"), Some("4"));
            assert_eq!(request.query("transport"), Some("polling"));
        }
    });
}

#[tokio::test]
async fn headers_on_polling_and_on_the_upgrade() {
    let host = Host::start();
    let builder = client_at(host.url("/"))
        .header("X-Device", "board 7")
        .header("Authorization", "Bearer t");
    let socket = within("connect", builder.connect()).await.unwrap();
    host.until("the upgrade", |state| {
        state.texts().contains(&"5".to_owned()).then_some(())
    })
    .await;
    host.state(|state| {
        let seen: Vec<_> = state
            .requests
            .iter()
            .map(|r| (r.method().to_owned(), r.query("transport").unwrap()))
            .collect();
        assert!(
            // (On threads the WebSocket may be there before the connection for POSTs is.)
            (!crate::support::on_tokio() || seen.contains(&("POST".into(), "polling")))
                && seen.contains(&("GET".into(), "websocket")),
            "{seen:?}"
        );
        for request in &state.requests {
            assert_eq!(
                request.header("x-device"),
                Some("board 7"),
                "{}",
                request.head
            );
            assert_eq!(request.header("authorization"), Some("Bearer t"));
            assert_eq!(
                request.header("host"),
                Some(host.address().to_string().as_str())
            );
        }
    });
    within("transport", async {
        while socket.transport() != Some(Transport::WebSocket) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn namespace_from_the_path_or_by_option() {
    let host = Host::start();
    let socket = within("connect", client(&host).namespace("chat").connect())
        .await
        .unwrap();
    assert_eq!(socket.name(), "/chat");
    host.joined(&["/chat"]).await;
    let other = Host::start();
    for name in ["/räume/1", "/r%C3%A4ume/1", "/a b/../c"] {
        let builder =
            client_at(other.url(&format!("{name}?x=1"))).transports([Transport::WebSocket]);
        let socket = within("connect", builder.connect()).await.unwrap();
        assert_eq!(socket.name(), name);
        other.joined(&[name]).await;
        socket.close().await.unwrap();
        other.empty().await;
    }
}

#[tokio::test]
async fn no_auth_fixed_auth_and_auth_of_a_function() {
    let host = Host::start();
    let none = within("connect", client(&host).connect()).await.unwrap();
    drop(none);
    host.empty().await;
    let fixed = within(
        "connect",
        client(&host).auth(json!({"token": "x", "n": 1})).connect(),
    )
    .await
    .unwrap();
    drop(fixed);
    host.empty().await;
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let builder = client(&host).auth_with(move || {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            Ok(json!({ "n": n }))
        }
    });
    let socket = within("connect", builder.connect()).await.unwrap();
    // Anew after a cut, and after disconnect and connect.
    host.cut();
    host.until("a reconnection", |state| {
        (state.server.auths.len() == 4).then_some(())
    })
    .await;
    within("joined", async {
        while !socket.connected() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    socket.disconnect();
    within("connect", socket.connect()).await.unwrap();
    let auths = host.state(|state| state.server.auths.clone());
    // It goes into CONNECT, and nowhere else.
    assert!(host.state(|state| state.queries("token").iter().all(|token| token == "-")));
    assert_eq!(auths[0], "");
    let json: serde_json::Value = serde_json::from_str(&auths[1]).unwrap();
    assert_eq!(json, json!({"token": "x", "n": 1}));
    assert_eq!(auths[2..], ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"]);
}

#[tokio::test]
async fn auth_can_be_changed_for_the_next_connect() {
    let host = Host::start();
    let socket = within("connect", client(&host).auth(json!({"t": 1})).connect())
        .await
        .unwrap();
    socket.set_auth(json!({"t": 2})).unwrap();
    assert!(
        socket
            .set_auth(json!([1]))
            .unwrap_err()
            .to_string()
            .contains("must be a JSON object")
    );
    socket.disconnect();
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(
        host.state(|state| state.server.auths.clone()),
        ["{\"t\":1}", "{\"t\":2}"]
    );
}

#[tokio::test]
async fn an_auth_function_that_fails_is_told() {
    let host = Host::start();
    let builder =
        client(&host).auth_with(|| async { Err::<(), BoxError>("the vault is shut".into()) });
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(error.kind(), sockeye::ConnectErrorKind::Auth);
    assert!(error.to_string().contains("the vault is shut"), "{error}");
    let builder = client(&host).auth_with(|| async { Ok(json!("a string")) });
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert!(
        error.to_string().contains("must be a JSON object"),
        "{error}"
    );
    assert!(host.state(|state| state.server.auths.is_empty()));
}

#[tokio::test]
async fn an_auth_function_that_panics_is_an_error() {
    let host = Host::start();
    let builder = client(&host).auth_with(|| async { if true { panic!("boom") } else { Ok(()) } });
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(error.kind(), sockeye::ConnectErrorKind::Auth);
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[tokio::test]
async fn a_query_function_that_fails_or_panics_is_a_failed_attempt() {
    let host = Host::start();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let builder = client(&host).wait_for_server(true).query_with(move || {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match n {
                0 => Err("no clock yet".into()),
                1 => panic!("boom"),
                n => Ok(vec![("n".to_owned(), n.to_string())]),
            }
        }
    });
    let socket = within("connect", builder.connect()).await.unwrap();
    assert!(socket.connected());
    assert_eq!(host.state(|state| state.queries("n")), ["2"]);
}

#[tokio::test]
async fn query_and_headers_are_refreshed_for_every_connection() {
    let host = Host::start();
    let count = Arc::new(AtomicU32::new(0));
    let (for_query, for_headers) = (Arc::clone(&count), Arc::clone(&count));
    let builder = quick(client_at(host.url("/")))
        .query_with(move || {
            let n = for_query.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ok(vec![("n".to_owned(), n.to_string())]) }
        })
        .headers_with(move || {
            let n = for_headers.load(Ordering::Relaxed);
            async move { Ok(vec![("X-N".to_owned(), n.to_string())]) }
        });
    let _socket = within("connect", builder.connect()).await.unwrap();
    for session in 1..=2 {
        host.until("the upgrade", |state| {
            let upgrades = state.texts().iter().filter(|text| *text == "5").count();
            (upgrades == session).then_some(())
        })
        .await;
        let requests = host.state(|state| {
            assert_eq!(state.server.sessions() as usize, session);
            std::mem::take(&mut state.requests)
        });
        assert!(requests.len() >= 3);
        for request in requests {
            // All requests of a session carry the same.
            assert_eq!(
                request.query("n"),
                Some(session.to_string().as_str()),
                "{}",
                request.head
            );
            assert_eq!(
                request.header("x-n"),
                Some(session.to_string().as_str()),
                "{}",
                request.head
            );
        }
        host.cut();
    }
}

#[tokio::test]
async fn query_and_headers_can_be_set_for_the_next_connection() {
    let host = Host::start();
    let socket = within(
        "connect",
        client(&host).query("v", "1").header("X-V", "1").connect(),
    )
    .await
    .unwrap();
    socket.manager().set_query([("v", "2 3")]);
    socket.manager().set_headers([("X-V", "2")]).unwrap();
    assert!(
        socket
            .manager()
            .set_headers([("X-V", "2\r\nX-Evil: 1")])
            .is_err()
    );
    socket.manager().reconnect();
    host.until("a second session", |state| {
        (state.requests.len() == 2).then_some(())
    })
    .await;
    host.state(|state| {
        assert_eq!(state.queries("v"), ["1", "2%203"]);
        assert_eq!(state.requests[1].header("x-v"), Some("2"));
    });
}

#[tokio::test]
async fn time_stamps() {
    let host = Host::start();
    // Polling by default, not WebSocket.
    let socket = within("connect", polling(&host).connect()).await.unwrap();
    drop(socket);
    host.empty().await;
    let stamps = host.state(|state| state.queries("t"));
    assert!(
        stamps.len() >= 3 && stamps.iter().all(|t| t != "-"),
        "{stamps:?}"
    );
    for (i, stamp) in stamps.iter().enumerate() {
        assert!(!stamps[..i].contains(stamp), "a stamp twice: {stamps:?}");
    }
    let host = Host::start();
    let _socket = within("connect", client(&host).connect()).await.unwrap();
    assert_eq!(host.state(|state| state.queries("t")), ["-"]);
    let host = Host::start();
    let _socket = within(
        "connect",
        client(&host)
            .timestamp_requests(true)
            .timestamp_param("ts")
            .connect(),
    )
    .await
    .unwrap();
    assert_ne!(host.state(|state| state.queries("ts")), ["-"]);
    let host = Host::start();
    let _socket = within(
        "connect",
        polling(&host).timestamp_requests(false).connect(),
    )
    .await
    .unwrap();
    assert!(
        host.state(|state| state.queries("t"))
            .iter()
            .all(|t| t == "-")
    );
}

#[tokio::test]
async fn sub_protocols_and_base64_are_asked_for() {
    let host = Host::start();
    let builder = client(&host).protocols(["one", "two"]).force_base64(true);
    let socket = within("connect", builder.connect()).await.unwrap();
    socket
        .emit("bin", (sockeye::Bin::from(vec![1, 2, 3]),))
        .unwrap();
    host.until("binary as text", |state| {
        state.texts().contains(&"bAQID".to_owned()).then_some(())
    })
    .await;
    host.state(|state| {
        assert_eq!(
            state.requests[0].header("sec-websocket-protocol"),
            Some("one, two")
        );
        assert_eq!(state.queries("b64"), ["1"]);
        assert!(state.frames.iter().all(|frame| frame.first != 0x82));
        // The scripted server does not know base64 on a WebSocket.
        state.lenient = true;
    });
}

#[tokio::test]
async fn cookies_of_the_server_come_back_unless_switched_off() {
    for on in [true, false] {
        let host = Host::start();
        // The first request is answered by hand, with a cookie, and the client is sent away.
        let mut first = true;
        host.answer_with(move |_| {
            let answer = response("503 Busy", "Set-Cookie: route=a7; Path=/\r\n", b"later");
            std::mem::take(&mut first).then_some(answer)
        });
        let _socket = within(
            "connect",
            polling(&host).cookies(on).wait_for_server(true).connect(),
        )
        .await
        .unwrap();
        let cookies: Vec<_> = host.state(|state| {
            state
                .requests
                .iter()
                .map(|r| r.header("cookie").map(str::to_owned))
                .collect()
        });
        assert_eq!(cookies[0], None);
        let expected = on.then(|| "route=a7".to_owned());
        assert!(
            cookies.len() >= 3 && cookies[1..].iter().all(|c| *c == expected),
            "{on}: {cookies:?}"
        );
    }
}

#[tokio::test]
async fn transports_in_order() {
    // WebSocket refused: polling at once, if all are to be tried.
    let host = Host::start();
    host.answer_with(|request| {
        (request.query("transport") == Some("websocket")).then(|| {
            response(
                "400 Bad Request",
                "",
                b"{\"code\":0,\"message\":\"Transport unknown\"}",
            )
        })
    });
    let builder = client_at(host.url("/"))
        .transports([Transport::WebSocket, Transport::Polling])
        .try_all_transports(true);
    let socket = within("connect", builder.connect()).await.unwrap();
    assert_eq!(socket.transport(), Some(Transport::Polling));
    assert_eq!(
        host.state(|state| state.queries("transport"))[..2],
        ["websocket", "polling"]
    );
    // No upgrade when switched off.
    let host = Host::start();
    let socket = within("connect", client_at(host.url("/")).upgrade(false).connect())
        .await
        .unwrap();
    socket.emit("x", ()).unwrap();
    host.received(1).await;
    assert!(
        host.state(|state| state.queries("transport"))
            .iter()
            .all(|t| t == "polling")
    );
}

#[tokio::test]
async fn a_remembered_upgrade_starts_on_websocket() {
    let host = Host::start();
    let builder = quick(client_at(host.url("/"))).remember_upgrade(true);
    let socket = within("connect", builder.connect()).await.unwrap();
    host.until("the upgrade", |state| {
        state.texts().contains(&"5".to_owned()).then_some(())
    })
    .await;
    crate::support::eventually("upgraded", || {
        socket.transport() == Some(Transport::WebSocket)
    })
    .await;
    socket.disconnect();
    host.empty().await;
    host.state(|state| state.requests.clear());
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(
        host.state(|state| state.queries("transport")),
        ["websocket"]
    );
}
