//! Lost connections: what is kept, what is made anew, and how it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use sockeye::{Cause, DisconnectReason, Notice, Reconnection};
use sockeye_testkit::{Settings, response};

use crate::support::{Host, Log, client, client_at, eventually, polling, quick, within};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn handlers_namespaces_and_packets_survive_a_cut() {
    for builder in [client, polling, |host: &Host| {
        quick(client_at(host.url("/")))
    }] {
        let host = Host::start();
        let count = Arc::new(AtomicU32::new(0));
        let socket = within(
            "connect",
            builder(&host)
                .auth_with(move || {
                    let n = count.fetch_add(1, Ordering::Relaxed);
                    async move { Ok(json!({ "n": n })) }
                })
                .connect(),
        )
        .await
        .unwrap();
        let chat = within(
            "connect",
            socket.namespace("/chat").auth(json!({"c": 1})).connect(),
        )
        .await
        .unwrap();
        let log = Log::new();
        let (one, two) = (log.clone(), log.clone());
        socket.on("e", move |(n,): (u32,)| one.push(format!("main {n}")));
        chat.on("e", move |(n,): (u32,)| two.push(format!("chat {n}")));
        let cuts = Log::new();
        let told = cuts.clone();
        socket.on_disconnect(move |_, _| told.push("cut"));
        for round in 1..=3u32 {
            host.cut();
            // Before the client knows of the cut, what it writes is lost: nobody can tell.
            cuts.wait(round as usize).await;
            socket.emit("kept", (round,)).unwrap();
            host.until("a new session", |state| {
                (state.server.sessions() == round + 1).then_some(())
            })
            .await;
            host.joined(&["/", "/chat"]).await;
            host.emit("/", &format!("[\"e\",{round}]"));
            host.emit("/chat", &format!("[\"e\",{round}]"));
            let mut lines = log.wait(2 * round as usize).await;
            // Namespaces do not wait for each other.
            let last = &mut lines[2 * round as usize - 2..];
            last.sort_unstable();
            assert_eq!(last, [format!("chat {round}"), format!("main {round}")]);
            assert!(socket.connected() && chat.connected());
            let received = host.received(round as usize).await;
            assert_eq!(received.len(), round as usize);
            assert_eq!(
                received[round as usize - 1],
                format!("/ [\"kept\",{round}]")
            );
        }
        let auths = host.state(|state| state.server.auths.clone());
        assert_eq!(auths.len(), 8);
        for round in 0..4 {
            assert!(auths.contains(&format!("{{\"n\":{round}}}")), "{auths:?}");
        }
        assert_eq!(auths.iter().filter(|auth| *auth == "{\"c\":1}").count(), 4);
    }
}

#[tokio::test]
async fn the_session_is_new_unless_recovered() {
    let host = Host::start();
    let socket = within("connect", client(&host).auth(json!({"t": 2})).connect())
        .await
        .unwrap();
    assert_eq!(socket.id().as_deref(), Some("S1"));
    host.cut();
    host.joined(&["/"]).await;
    eventually("joined", || socket.id().as_deref() == Some("S2")).await;
    assert!(!socket.recovered());
}

#[tokio::test]
async fn connection_state_recovery() {
    let host = Host::with(Settings {
        mute_connects: 2,
        ..Settings::default()
    });
    host.state(|state| state.lenient = true);
    let log = Log::new();
    let (one, two) = (log.clone(), log.clone());
    let socket = client(&host)
        .auth(json!({"t": 2}))
        .on("e", move |(n, offset): (u32, String)| {
            one.push(format!("e {n} {offset}"));
        })
        .on_connect(move |socket| {
            two.push(format!(
                "connect {} {}",
                socket.id().unwrap(),
                socket.recovered()
            ));
        })
        .connect_background()
        .unwrap();
    host.until("CONNECT", |state| {
        (state.server.auths.len() == 1).then_some(())
    })
    .await;
    host.send("40{\"sid\":\"A\",\"pid\":\"P1\"}");
    host.send("42[\"e\",1,\"off1\"]");
    log.wait(2).await;
    host.cut();
    host.until("CONNECT", |state| {
        (state.server.auths.len() == 2).then_some(())
    })
    .await;
    assert_eq!(
        host.state(|state| state.server.auths[1].clone()),
        "{\"pid\":\"P1\",\"offset\":\"off1\",\"t\":2}"
    );
    host.send("40{\"sid\":\"A\",\"pid\":\"P1\"}");
    host.send("42[\"e\",2,\"off2\"]");
    assert_eq!(
        log.wait(4).await,
        ["connect A false", "e 1 off1", "connect A true", "e 2 off2"]
    );
    assert!(socket.recovered());
}

#[tokio::test]
async fn reasons() {
    type Case = (
        &'static str,
        fn(&Host),
        DisconnectReason,
        fn(Cause) -> bool,
        bool,
    );
    let cases: [Case; 7] = [
        (
            "cut",
            |host: &Host| host.cut(),
            DisconnectReason::TransportClose,
            |cause| cause == Cause::Eof,
            true,
        ),
        (
            "engine close",
            |host| host.send("1"),
            DisconnectReason::TransportClose,
            |cause| cause == Cause::EngineClose,
            true,
        ),
        (
            "bad packet",
            |host| host.send("42{"),
            DisconnectReason::ParseError,
            |cause| matches!(cause, Cause::Packet(_)),
            true,
        ),
        (
            "text for binary",
            |host| {
                host.send("451-[\"e\",{\"_placeholder\":true,\"num\":0}]");
                host.send("42[\"e\"]");
            },
            DisconnectReason::ParseError,
            |cause| matches!(cause, Cause::Packet(_)),
            true,
        ),
        (
            "masked frame",
            |host| host.frame(0x91, b"x"),
            DisconnectReason::TransportError,
            |cause| matches!(cause, Cause::WebSocketProtocol(_)),
            true,
        ),
        (
            "close frame",
            |host| host.frame(0x88, b"\x03\xf1too big"),
            DisconnectReason::TransportClose,
            |cause| cause == Cause::WebSocketClose(1009),
            true,
        ),
        (
            "thrown out",
            |host| host.send("41"),
            DisconnectReason::IoServerDisconnect,
            |cause| cause == Cause::ServerDisconnect,
            false,
        ),
    ];
    for (name, act, reason, is, again) in cases {
        let host = Host::start();
        host.state(|state| state.lenient = true);
        let socket = within("connect", client(&host).connect()).await.unwrap();
        let mut notices = socket.notices();
        act(&host);
        let told = loop {
            match within(name, notices.next()).await.unwrap() {
                Notice::Disconnected(told) => break told,
                _ => continue,
            }
        };
        assert_eq!(
            (told.reason, told.will_reconnect),
            (reason, again),
            "{name}: {told:?}"
        );
        assert!(is(told.cause), "{name}: {told:?}");
        assert!(!told.to_string().contains('\n'));
        if again {
            host.until("a new session", |state| {
                (state.server.sessions() >= 2).then_some(())
            })
            .await;
            eventually("joined", || socket.connected()).await;
        } else {
            assert!(!socket.active());
            host.empty().await;
            assert_eq!(host.state(|state| state.server.sessions()), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ping_timeout() {
    if !crate::support::on_tokio() {
        return; // The server in memory, and its clock, are tokio's.
    }
    let server = sockeye::testing::Server::new();
    let socket = client_at(server.url("/")).connect().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    server.stall(true);
    let mut notices = socket.notices();
    let begun = tokio::time::Instant::now();
    match notices.next().await {
        Some(Notice::Disconnected(why)) => {
            assert_eq!(why.reason, DisconnectReason::PingTimeout);
        }
        other => panic!("{other:?}"),
    }
    // 25 s and 20 s after the ping at 25 s.
    assert_eq!(begun.elapsed().as_secs(), 40);
    server.stall(false);
    socket.ready().await;
}

#[tokio::test]
async fn disconnect_stops_the_wait() {
    let host = Host::start();
    let builder = client(&host)
        .reconnection_delay(HOUR)
        .reconnection_delay_max(HOUR);
    let socket = within("connect", builder.connect()).await.unwrap();
    let mut waits = socket.manager().notices();
    host.cut();
    while !matches!(
        within("the wait", waits.next()).await.unwrap(),
        Notice::Reconnecting { .. }
    ) {}
    assert!(socket.active() && !socket.connected());
    socket.disconnect();
    assert!(!socket.active());
    socket.flush().await;
    // Connect begins at once; the wait is over.
    within("connect", socket.connect()).await.unwrap();
    assert!(socket.connected());
    assert_eq!(host.state(|state| state.server.sessions()), 2);
}

#[tokio::test]
async fn reconnect_by_hand_ends_the_wait() {
    let host = Host::start();
    let builder = client(&host)
        .reconnection_delay(HOUR)
        .reconnection_delay_max(HOUR);
    let socket = within("connect", builder.connect()).await.unwrap();
    let mut waits = socket.manager().notices();
    let mut notices = socket.notices();
    host.cut();
    while !matches!(
        within("the wait", waits.next()).await.unwrap(),
        Notice::Reconnecting { .. }
    ) {}
    socket.manager().reconnect();
    eventually("joined", || socket.connected()).await;
    // And on a live connection: a forced close, then a new one.
    socket.manager().reconnect();
    loop {
        if let Notice::Disconnected(why) = within("notice", notices.next()).await.unwrap()
            && why.reason == DisconnectReason::ForcedClose
        {
            assert!(why.will_reconnect);
            break;
        }
    }
    eventually("joined", || socket.id().as_deref() == Some("S3")).await;
    host.until("the old one is gone", |state| {
        (state.open == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn disconnect_then_connect_at_once() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let (one, two) = (log.clone(), log.clone());
    socket.on_disconnect(move |_, why| one.push(why.reason.to_string()));
    socket.on_connect(move |socket| two.push(socket.id().unwrap()));
    for round in 1..=10 {
        socket.disconnect();
        assert!(!socket.connected() && socket.id().is_none());
        within("connect", socket.connect()).await.unwrap();
        let id = format!("S{}", round + 1);
        assert_eq!(socket.id(), Some(id.clone()));
        log.wait(2 * round).await;
        assert_eq!(
            log.lines()[2 * round - 2..],
            ["io client disconnect".to_owned(), id]
        );
    }
    // Twice in a row does no harm, nor without a connection.
    socket.disconnect();
    socket.disconnect();
    socket.connect_background();
    socket.disconnect();
    host.empty().await;
    assert!(!socket.active());
}

#[tokio::test]
async fn without_reconnection_a_cut_is_the_end() {
    let host = Host::start();
    let socket = within("connect", client(&host).reconnection(false).connect())
        .await
        .unwrap();
    let mut notices = socket.notices();
    host.cut();
    let Notice::Disconnected(why) = within("notice", notices.next()).await.unwrap() else {
        panic!()
    };
    assert!(!why.will_reconnect);
    assert!(!socket.active());
    within("connect", socket.connect()).await.unwrap();
}

#[tokio::test]
async fn the_policy_can_be_changed_while_connected() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut notices = socket.notices();
    let mut policy = Reconnection::DEFAULT;
    policy.enabled = false;
    socket.manager().set_reconnection(policy);
    socket.flush().await;
    host.cut();
    let Notice::Disconnected(why) = within("notice", notices.next()).await.unwrap() else {
        panic!()
    };
    assert!(!why.will_reconnect && !socket.active());
}

#[tokio::test]
async fn errors_between_attempts_are_told_in_order() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let say = |word: &'static str| {
        let log = log.clone();
        move |n: u32| log.push(format!("{word} {n}"))
    };
    socket.manager().on_reconnect_attempt(say("attempt"));
    socket.manager().on_reconnect(say("reconnect"));
    let (one, two, three) = (log.clone(), log.clone(), log.clone());
    socket.on_connect(move |_| one.push("connect"));
    socket.on_disconnect(move |_, _| two.push("disconnect"));
    socket.on_connect_error(move |_, error| three.push(format!("error {}", error.active())));
    let mut left = 2;
    host.answer_with(move |_| {
        left -= 1;
        (left >= 0).then(|| response("503 Service Unavailable", "", b"busy"))
    });
    host.cut();
    let all = [
        "disconnect",
        "attempt 1",
        "error true",
        "attempt 2",
        "error true",
        "attempt 3",
        "reconnect 3",
        "connect",
    ];
    let told = log.wait(8).await;
    if crate::support::on_tokio() {
        assert_eq!(told, all);
    }
    // The connection's and the namespace's own are each in order; they do not wait for each other.
    let of_connection = |line: &&str| line.contains(char::is_numeric);
    let told: Vec<&str> = told.iter().map(AsRef::as_ref).collect();
    for own in [true, false] {
        let pick = |lines: &[&'static str]| -> Vec<&'static str> {
            let own = lines.iter().filter(|line| of_connection(line) == own);
            own.copied().collect()
        };
        let heard: Vec<_> = told
            .iter()
            .filter(|line| of_connection(line) == own)
            .copied()
            .collect();
        assert_eq!(heard, pick(&all));
    }
}
