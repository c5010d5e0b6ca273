//! Several namespaces on one connection.

use std::time::Duration;

use serde_json::json;
use sockeye::{AckError, ConnectErrorKind, DisconnectReason};
use sockeye_testkit::Settings;

use crate::support::{Host, Log, client, eventually, polling, within};

#[tokio::test]
async fn one_connection_for_all() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let chat = within(
        "connect",
        socket.namespace("/chat").auth(json!({"room": 1})).connect(),
    )
    .await
    .unwrap();
    let news = within("connect", socket.namespace("news").connect())
        .await
        .unwrap();
    assert_eq!((chat.name(), news.name()), ("/chat", "/news"));
    host.joined(&["/", "/chat", "/news"]).await;
    host.state(|state| {
        assert_eq!((state.accepted, state.requests.len()), (1, 1));
        assert_eq!(state.server.auths, ["", "{\"room\":1}", ""]);
    });
    let ids = [socket.id(), chat.id(), news.id()];
    assert_eq!(
        ids,
        [Some("S1".into()), Some("S2".into()), Some("S3".into())]
    );
    // Each has handlers, events and acknowledgements of its own.
    let log = Log::new();
    for (name, socket) in [("main", &socket), ("chat", &chat), ("news", &news)] {
        let log = log.clone();
        socket.on("e", move |(n,): (u32,)| log.push(format!("{name} {n}")));
    }
    host.emit("/news", "[\"e\",1]");
    host.emit("/", "[\"e\",2]");
    host.emit("/chat", "[\"e\",3]");
    host.emit("/unknown", "[\"e\",4]");
    host.emit("/news", "[\"e\",5]");
    // In order within each; they do not wait for each other.
    let mut lines = log.wait(4).await;
    lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    assert_eq!(lines, ["chat 3", "main 2", "news 1", "news 5"]);
    let (a, b) = tokio::join!(
        chat.emit_with_ack::<_, (String, u8)>("x", (1,)),
        news.emit_with_ack::<_, (String, u8)>("y", (2,))
    );
    assert_eq!((a.unwrap(), b.unwrap()), (("x".into(), 1), ("y".into(), 2)));
    assert_eq!(
        host.received(2).await,
        ["/chat [\"x\",1]", "/news [\"y\",2]"]
    );
}

#[tokio::test]
async fn the_same_name_gives_the_same_socket() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let one = within("connect", socket.namespace("/chat").connect())
        .await
        .unwrap();
    let log = Log::new();
    let out = log.clone();
    one.on("e", move |()| out.push("e"));
    let two = within("connect", one.namespace("chat").connect())
        .await
        .unwrap();
    assert_eq!(one.id(), two.id());
    assert!(two.has_handlers("e"));
    let main = within("connect", two.namespace("/").connect())
        .await
        .unwrap();
    assert_eq!(main.id(), socket.id());
    assert_eq!(host.state(|state| state.server.auths.len()), 2);
    // One of two handles: the namespace stays.
    drop(one);
    host.emit("/chat", "[\"e\"]");
    log.wait(1).await;
    assert!(two.connected());
}

#[tokio::test]
async fn dropping_the_last_handle_leaves_only_that_namespace() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let chat = within("connect", socket.namespace("/chat").connect())
            .await
            .unwrap();
        chat.emit("last", ()).unwrap();
        drop(chat);
        host.joined(&["/"]).await;
        assert_eq!(host.received(1).await, ["/chat [\"last\"]"]);
        let answer = socket.emit_with_ack::<_, (String,)>("alive", ());
        assert_eq!(within("answer", answer).await.unwrap().0, "alive");
        // And again, as a new one with options of its own.
        host.state(|state| state.server.settings.mute_acks = 1);
        let again = socket
            .namespace("/chat")
            .ack_timeout(Duration::from_millis(5))
            .connect();
        let again = within("connect", again).await.unwrap();
        assert!(!again.has_handlers("e"));
        let error = within("answer", again.emit_with_ack::<_, ()>("x", ()))
            .await
            .unwrap_err();
        assert_eq!(error, AckError::Timeout { sent: true });
        host.joined(&["/", "/chat"]).await;
        // The main namespace may go first.
        drop(socket);
        host.joined(&["/chat"]).await;
        assert!(again.connected());
        drop(again);
        host.empty().await;
    }
}

#[tokio::test]
async fn places_are_taken_again() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    for round in 0..5 {
        for name in ["/a", "/b"] {
            let nsp = within(
                "connect",
                socket.namespace(name).auth(json!({"r": round})).connect(),
            )
            .await
            .unwrap();
            assert_eq!(nsp.name(), name);
            let log = Log::new();
            let out = log.clone();
            nsp.on("e", move |(n,): (u32,)| out.push(format!("{n}")));
            host.emit(name, &format!("[\"e\",{round}]"));
            assert_eq!(log.wait(1).await, [round.to_string()]);
            drop(nsp);
            host.joined(&["/"]).await;
        }
    }
    assert_eq!(host.state(|state| state.server.auths.len()), 11);
}

/// The answer of an `auth` function that is late never goes to another namespace.
#[tokio::test]
async fn a_late_auth_is_for_nobody_else() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let (sender, receiver) = tokio::sync::watch::channel(false);
    let log = Log::new();
    let asked = log.clone();
    let gate = receiver.clone();
    let secret = socket.namespace("/secret").auth_with(move || {
        asked.push("secret");
        let mut gate = gate.clone();
        async move {
            let _ = gate.wait_for(|open| *open).await;
            Ok(json!({"secret": true}))
        }
    });
    let secret = secret.connect_background().unwrap();
    log.wait(1).await;
    drop(secret);
    let other = socket.namespace("/other").auth_with(move || {
        let mut gate = receiver.clone();
        async move {
            let _ = gate.wait_for(|open| *open).await;
            Ok(json!({"other": true}))
        }
    });
    let other = other.open().unwrap();
    other.connect_background();
    socket.flush().await;
    sender.send(true).unwrap();
    eventually("joined", || other.connected()).await;
    assert_eq!(
        host.state(|state| state.server.auths.clone()),
        ["", "{\"other\":true}"]
    );
}

#[tokio::test]
async fn a_refused_one_leaves_the_others_alone() {
    let host = Host::with(Settings {
        refused: vec!["/admin"],
        ..Settings::default()
    });
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let error = within("connect", socket.namespace("/admin").connect())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ConnectErrorKind::Refused, "refused")
    );
    assert!(socket.connected());
    // The first one refused, another let in, on one connection.
    let host = Host::with(Settings {
        refused: vec!["/"],
        ..Settings::default()
    });
    let socket = client(&host).open().unwrap();
    let chat = socket.namespace("/chat").open().unwrap();
    let (main, chat_joined) = tokio::join!(socket.connect(), chat.connect());
    main.unwrap_err();
    chat_joined.unwrap();
    assert!(chat.connected() && !socket.active());
    assert_eq!(host.state(|state| state.accepted), 1);
}

#[tokio::test]
async fn the_server_throws_one_out() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let chat = within("connect", socket.namespace("/chat").connect())
        .await
        .unwrap();
    let log = Log::new();
    let out = log.clone();
    chat.on_disconnect(move |_, why| out.push(format!("{} {}", why.reason, why.will_reconnect)));
    host.send("41/chat,");
    assert_eq!(log.wait(1).await, ["io server disconnect false"]);
    assert!(!chat.active() && chat.id().is_none() && socket.connected());
    // Only by hand it comes back.
    host.state(|state| state.lenient = true);
    assert_eq!(
        DisconnectReason::IoServerDisconnect.as_str(),
        "io server disconnect"
    );
    chat.connect_background();
    host.until("CONNECT", |state| {
        (state.server.auths.len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_connection_ends_with_its_last_namespace_and_comes_back() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let chat = within("connect", socket.namespace("/chat").connect())
        .await
        .unwrap();
    socket.disconnect();
    host.joined(&["/chat"]).await;
    chat.disconnect();
    host.empty().await;
    assert_eq!(host.state(|state| state.close_frames()), 1);
    within("connect", chat.connect()).await.unwrap();
    host.joined(&["/chat"]).await;
    assert!(!socket.connected());
    assert_eq!(host.state(|state| state.accepted), 2);
}

#[tokio::test]
async fn too_many() {
    let host = Host::start();
    let mut limits = sockeye::Limits::default();
    limits.namespaces = 2;
    let socket = within("connect", client(&host).limits(limits).connect())
        .await
        .unwrap();
    let _two = within("connect", socket.namespace("/2").connect())
        .await
        .unwrap();
    let error = within("connect", socket.namespace("/3").connect())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("too many namespaces"), "{error}");
}

#[tokio::test]
async fn names_come_and_go_without_end() {
    let host = Host::start();
    let mut limits = sockeye::Limits::default();
    limits.namespaces = 4;
    let socket = within("connect", client(&host).limits(limits).connect())
        .await
        .unwrap();
    for n in 0..20 {
        let name = format!("/{n}");
        let nsp = within("connect", socket.namespace(&name).connect())
            .await
            .unwrap();
        nsp.emit("hello", (n,)).unwrap();
        drop(nsp);
        host.joined(&["/"]).await;
    }
    let received = host.received(20).await;
    assert_eq!(received[19], "/19 [\"hello\",19]");
    // Nor do those that never joined, or were on their way.
    for n in 20..40 {
        let nsp = socket.namespace(&format!("/{n}")).open().unwrap();
        nsp.emit("lost", ()).unwrap();
        if n % 2 == 0 {
            nsp.connect_background();
        }
    }
    within("written", socket.flush()).await;
    assert!(socket.connected());
}

#[tokio::test]
async fn what_a_dropped_namespace_kept_is_void() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let chat = socket.namespace("/chat").open().unwrap();
    chat.emit("never", ()).unwrap();
    let ask = tokio::spawn(chat.emit_with_ack::<_, ()>("never", ()).send());
    tokio::task::yield_now().await;
    drop(chat);
    ask.abort();
    // Nobody waits for these packets, and a later handle does not send them.
    within("written", socket.flush()).await;
    let chat = within("connect", socket.namespace("/chat").connect())
        .await
        .unwrap();
    chat.emit("new", ()).unwrap();
    assert_eq!(host.received(1).await, ["/chat [\"new\"]"]);
}

#[tokio::test]
async fn what_was_emitted_before_the_join_outlives_the_handle() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let told = Log::new();
        let note = told.clone();
        socket
            .manager()
            .on_error(move |error| note.push(error.message()));
        for n in 0..3 {
            let chat = socket.namespace("/chat").connect_background().unwrap();
            chat.emit("kept", (n,)).unwrap();
        }
        let kept = [
            "/chat [\"kept\",0]",
            "/chat [\"kept\",1]",
            "/chat [\"kept\",2]",
        ];
        assert_eq!(host.received(3).await, kept);
        // Then it is left.
        host.joined(&["/"]).await;
        assert_eq!(told.lines(), [""; 0]);
        // What has nowhere to go is told.
        host.state(|state| state.server.settings.refused = vec!["/no"]);
        let no = socket.namespace("/no").connect_background().unwrap();
        no.emit("lost", ()).unwrap();
        drop(no);
        assert!(told.wait(1).await[0].starts_with("lost was not sent: its namespace"));
        within("written", socket.flush()).await;
        assert!(socket.connected());
    }
}

/// What was emitted before the namespace was left is sent, although its last handle is gone by then.
#[tokio::test]
async fn what_was_emitted_before_the_end_outlives_the_handle() {
    for builder in [client, polling] {
        for leave in [false, true] {
            let host = Host::start();
            let socket = within("connect", builder(&host).connect()).await.unwrap();
            let told = Log::new();
            let note = told.clone();
            socket
                .manager()
                .on_error(move |error| note.push(error.message()));
            let chat = within("connect", socket.namespace("/chat").connect())
                .await
                .unwrap();
            let sent: Vec<String> = (0..20)
                .map(|n| {
                    chat.emit("last", (n,)).unwrap();
                    format!("/chat [\"last\",{n}]")
                })
                .collect();
            if leave {
                chat.disconnect();
            }
            drop(chat);
            assert_eq!(host.received(20).await, sent);
            host.joined(&["/"]).await;
            // What is emitted after that has nowhere to go.
            let chat = socket.namespace("/chat").open().unwrap();
            chat.emit("lost", (1,)).unwrap();
            chat.emit("lost too", ()).unwrap();
            drop(chat);
            let lines = told.wait(2).await;
            assert!(lines[0].starts_with("lost was not sent: "), "{lines:?}");
            assert!(lines[1].starts_with("lost too was not sent: "), "{lines:?}");
        }
    }
}

/// The handles' number of a namespace is not the core's, if it was asked for first and connected last.
#[tokio::test]
async fn connected_in_another_order_than_made() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let made_first = socket.namespace("/a").open().unwrap();
    let log = Log::new();
    let hear = |name: &'static str, socket: &sockeye::Socket| {
        let log = log.clone();
        socket.on("e", move |(n,): (u32,)| log.push(format!("{name} {n}")));
    };
    let made_last = within("connect", socket.namespace("/b").connect())
        .await
        .unwrap();
    within("connect", made_first.connect()).await.unwrap();
    let all = [("/", &socket), ("/a", &made_first), ("/b", &made_last)];
    for (n, (name, socket)) in all.iter().enumerate() {
        hear(name, socket);
        host.emit(name, &format!("[\"e\",{n}]"));
        assert_eq!(log.wait(n + 1).await[n], format!("{name} {n}"));
        let (event, echoed): (String, usize) = within("ack", socket.emit_with_ack("x", (n,)))
            .await
            .unwrap();
        assert_eq!((event.as_str(), echoed), ("x", n));
    }
}
