//! Events and connection events as streams.

use futures_util::StreamExt as _;
use sockeye::{DisconnectReason, Notice, Transport};

use crate::support::{Host, client, within};

#[tokio::test]
async fn events_as_a_stream() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut events = socket.events();
    let second = socket.events();
    host.emit("/", "[\"one\",1]");
    host.send("425[\"ask\",2]");
    let one = within("one", events.next()).await.unwrap();
    assert_eq!(
        (
            one.name(),
            one.args().json(),
            one.responder().is_requested()
        ),
        ("one", "[1]", false)
    );
    assert_eq!(one.parse::<(u32,)>().unwrap(), (1,));
    let ask = within("ask", events.next()).await.unwrap();
    let (n,): (u32,) = ask.parse().unwrap();
    ask.responder().ack((n + 1,)).unwrap();
    assert_eq!(host.received(1).await, ["/ ack 5 [3]"]);
    // As a `futures` stream, over a reconnection, to its end with the last handle.
    host.cut();
    host.joined(&["/"]).await;
    host.emit("/", "[\"two\"]");
    let two = within("two", async {
        loop {
            let event = events.next().await.unwrap();
            if event.name() == "two" {
                return event;
            }
        }
    })
    .await;
    assert!(two.args().is_empty());
    drop(socket);
    assert!(within("the end", events.next()).await.is_none());
    let names: Vec<_> = within(
        "all",
        second
            .map(|event| event.name().to_owned())
            .collect::<Vec<_>>(),
    )
    .await;
    assert_eq!(names, ["one", "ask", "two"]);
}

#[tokio::test]
async fn a_stream_of_a_namespace_ends_with_its_last_handle() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let chat = within("connect", socket.namespace("/chat").connect())
        .await
        .unwrap();
    let mut events = chat.events();
    let mut notices = chat.notices();
    host.emit("/chat", "[\"hi\"]");
    assert!(within("hi", events.next()).await.is_some());
    drop(chat);
    assert!(within("the end of events", events.next()).await.is_none());
    while within("the end of notices", notices.next()).await.is_some() {}
    host.joined(&["/"]).await;
    assert!(socket.connected());
}

#[tokio::test]
async fn a_dropped_stream_is_forgotten() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    drop(socket.events());
    drop(socket.notices());
    let mut kept = socket.events();
    for n in 0..600 {
        host.emit("/", &format!("[\"n\",{n}]"));
        if n % 100 == 99 {
            for m in n - 99..=n {
                assert_eq!(
                    within("n", kept.next())
                        .await
                        .unwrap()
                        .parse::<(u32,)>()
                        .unwrap(),
                    (m,)
                );
            }
        }
    }
}

#[tokio::test]
async fn notices_of_a_whole_life() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    let mut notices = socket.notices();
    let mut connection = socket.manager().notices();
    within("connect", socket.connect()).await.unwrap();
    host.cut();
    host.until("a second session", |state| {
        (state.server.joined() == ["/"] && state.server.sessions() == 2).then_some(())
    })
    .await;
    crate::support::eventually("joined", || socket.id().as_deref() == Some("S2")).await;
    socket.disconnect();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(within("a notice", notices.next()).await.unwrap());
    }
    let [
        Notice::Connected {
            id: first,
            recovered: false,
            transport: Some(Transport::WebSocket),
        },
        Notice::Disconnected(cut),
        Notice::Connected { id: second, .. },
        Notice::Disconnected(left),
    ] = seen.as_slice()
    else {
        panic!("{seen:?}");
    };
    // What concerns the connection is told on its own handle.
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(within("a notice", connection.next()).await.unwrap());
    }
    assert!(
        matches!(
            told.as_slice(),
            [
                Notice::Reconnecting { attempt: 1, .. },
                Notice::ReconnectAttempt(1),
                Notice::Reconnected(1),
            ]
        ),
        "{told:?}"
    );
    assert_eq!((first.as_str(), second.as_str()), ("S1", "S2"));
    assert_eq!(
        (cut.reason, cut.will_reconnect),
        (DisconnectReason::TransportClose, true)
    );
    assert_eq!(
        cut.to_string(),
        "transport close: the connection was closed by the other side"
    );
    assert_eq!(
        (left.reason, left.will_reconnect),
        (DisconnectReason::IoClientDisconnect, false)
    );
}

#[tokio::test]
async fn the_upgrade_and_pings_are_told() {
    let host = Host::with(sockeye_testkit::Settings {
        ping_interval: 20,
        ping_timeout: 5000,
        ..Default::default()
    });
    let socket = sockeye::Client::builder(host.url("/")).open().unwrap();
    let mut notices = socket.manager().notices();
    within("connect", socket.connect()).await.unwrap();
    let (mut upgraded, mut pings) = (false, 0);
    within("notices", async {
        while !upgraded || pings < 3 {
            match notices.next().await.unwrap() {
                Notice::Upgraded => upgraded = true,
                Notice::Ping => pings += 1,
                _ => (),
            }
        }
    })
    .await;
    assert_eq!(socket.transport(), Some(Transport::WebSocket));
}

#[tokio::test]
async fn a_full_stream_that_is_never_read_keeps_no_task() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut events = socket.events();
    for n in 0..600 {
        host.emit("/", &format!("[\"n\",{n}]"));
    }
    let answer = socket.emit_with_ack::<_, (String,)>("behind them", ());
    within("answer", answer).await.unwrap();
    drop(socket);
    let metrics = tokio::runtime::Handle::current().metrics();
    crate::support::eventually("no task", || metrics.num_alive_tasks() == 0).await;
    host.empty().await;
    // What it holds can still be read, in order.
    let mut n = 0u32;
    while let Some(event) = within("the end", events.next()).await {
        assert_eq!(event.parse::<(u32,)>().unwrap(), (n,));
        n += 1;
    }
    assert!((256..600).contains(&n), "{n}");
}
