//! Events and connection events as streams.

use futures_util::StreamExt as _;
use sockeye::{DisconnectReason, Notice, Overflow, StreamOptions, Transport};

use crate::support::{Host, Log, client, client_at, within};

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
    // What is on its way to a stream when the last handle is dropped may be void: on threads "two" may be.
    if crate::support::on_tokio() || names.len() > 2 {
        assert_eq!(names, ["one", "ask", "two"]);
    } else {
        assert_eq!(names, ["one", "ask"]);
    }
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
    let socket = client_at(host.url("/")).open().unwrap();
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

#[tokio::test]
async fn one_event_as_a_typed_stream() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on("news", move |(title, _): (String, u32)| out.push(title));
    let mut notices = socket.notices();
    let mut news = socket.stream::<(String, u32)>("news");
    assert!(socket.has_handlers("news") && !socket.has_handlers("other"));
    host.emit("/", "[\"news\",\"a\",1]");
    host.emit("/", "[\"other\",\"x\",0]");
    // This one does not fit, neither the handler nor the stream.
    host.emit("/", "[\"news\",2]");
    host.emit("/", "[\"news\",\"b\",2]");
    assert_eq!(within("a", news.next()).await, Some(("a".into(), 1)));
    assert_eq!(within("b", news.next()).await, Some(("b".into(), 2)));
    for _ in 0..2 {
        let notice = within("a notice", notices.next()).await.unwrap();
        assert!(matches!(notice, Notice::Mismatch { event, .. } if event == "news"));
    }
    // `off_event` is for handlers; the stream is its holder's.
    socket.off_event("news");
    assert!(!socket.has_handlers("news"));
    host.emit("/", "[\"news\",\"c\",3]");
    assert_eq!(within("c", news.next()).await, Some(("c".into(), 3)));
    assert_eq!(log.lines(), ["a", "b"]);
    drop(socket);
    assert_eq!(within("the end", news.next()).await, None);
}

#[tokio::test]
async fn a_server_that_emits_error_is_heard_by_a_stream() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut errors = socket.stream::<(String,)>("error");
    host.emit("/", "[\"error\",\"no such room\"]");
    let error = within("error", errors.next()).await;
    assert_eq!(error, Some(("no such room".into(),)));
}

/// Dropped events are counted, and told once until the stream is read again.
#[tokio::test]
async fn full_streams_drop_the_oldest_or_the_newest() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut notices = socket.notices();
    let options = StreamOptions::new().capacity(3);
    let mut oldest = socket.events_with(options.overflow(Overflow::DropOldest));
    let mut newest = socket.stream_with::<(u32,)>("n", options.overflow(Overflow::DropNewest));
    for n in 0..10 {
        host.emit("/", &format!("[\"n\",{n}]"));
    }
    host.emit("/", "[\"done\"]");
    let mut dropped = Vec::new();
    while dropped.len() < 2 {
        let notice = within("a notice", notices.next()).await.unwrap();
        let Notice::EventsDropped { event, total } = notice else {
            panic!("{notice:?}")
        };
        dropped.push((event, total));
    }
    assert_eq!(dropped, [(None, 1), (Some("n".into()), 1)]);
    // An answer is behind all of them.
    let answer = socket.emit_with_ack::<_, (String,)>("behind them", ());
    within("answer", answer).await.unwrap();
    assert_eq!((oldest.dropped(), newest.dropped()), (8, 7));
    for expected in ["[8]", "[9]", "[]"] {
        let event = within("an event", oldest.next()).await.unwrap();
        assert_eq!(event.args().json(), expected);
    }
    for n in 0..3 {
        assert_eq!(within("n", newest.next()).await, Some((n,)));
    }
    for n in 10..14 {
        host.emit("/", &format!("[\"n\",{n}]"));
    }
    let answer = socket.emit_with_ack::<_, (String,)>("behind them", ());
    within("answer", answer).await.unwrap();
    assert_eq!((oldest.dropped(), newest.dropped()), (9, 8));
    let notice = within("a notice", notices.next()).await.unwrap();
    assert!(
        matches!(
            notice,
            Notice::EventsDropped {
                event: None,
                total: 9
            }
        ),
        "{notice:?}"
    );
}

/// Neither handlers and streams of notices nor acknowledgements wait for a stream that nobody reads.
#[tokio::test]
async fn an_unread_stream_does_not_keep_disconnect_from_being_told() {
    let host = Host::start();
    let log = Log::new();
    let (joined, left) = (log.clone(), log.clone());
    let builder = client(&host)
        .on_connect(move |_| joined.push("connect"))
        .on_disconnect(move |_, why| {
            let left = left.clone();
            async move {
                tokio::task::yield_now().await;
                left.push(why.reason.to_string());
            }
        });
    let socket = within("connect", builder.connect()).await.unwrap();
    let mut events = socket.events_with(StreamOptions::new().capacity(1));
    let unread = socket.stream::<(u32,)>("n");
    let mut notices = socket.notices();
    // The disconnect is in the same segment as events that do not fit, and then comes another one.
    let mut segment: Vec<String> = (0..20).map(|n| format!("42[\"n\",{n}]")).collect();
    segment.push("41".into());
    host.segment(&segment);
    assert_eq!(log.wait(2).await, ["connect", "io server disconnect"]);
    within("connect", socket.connect()).await.unwrap();
    let answer = socket.emit_with_ack::<_, (String,)>("meanwhile", ());
    within("answer", answer).await.unwrap();
    host.send("41");
    let lines = log.wait(4).await;
    assert_eq!(lines[2..], ["connect", "io server disconnect"]);
    let mut told = Vec::new();
    while told.len() < 3 {
        match within("a notice", notices.next()).await.unwrap() {
            Notice::Disconnected(_) => told.push("left"),
            Notice::Connected { .. } => told.push("joined"),
            _ => (),
        }
    }
    assert_eq!(told, ["left", "joined", "left"]);
    // Nothing is lost for that: the events come when they are read.
    for n in 0..20 {
        let event = within("an event", events.next()).await.unwrap();
        assert_eq!(event.parse::<(u32,)>().unwrap(), (n,));
    }
    drop(unread);
}

/// A stream belongs to no runtime. When that of the connection ends, it gives what has arrived, and the end is told.
#[test]
fn the_end_of_the_runtime_is_told_to_streams_on_another() {
    if !crate::support::on_tokio() {
        return; // It ends tokio's runtime.
    }
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let host = Host::start();
    let own = runtime();
    let (socket, mut events, mut typed, mut notices, mut late) = own.block_on(async {
        let socket = within("connect", client(&host).connect()).await.unwrap();
        let notices = socket.notices();
        // One holds the dispatcher up, so that it ends in the middle of its work.
        let events = socket.events_with(StreamOptions::new().capacity(2));
        let typed = socket.stream::<(u32,)>("n");
        for n in 0..10 {
            host.emit("/", &format!("[\"n\",{n}]"));
        }
        let answer = socket.emit_with_ack::<_, (String,)>("behind them", ());
        within("answer", answer).await.unwrap();
        (socket.clone(), events, typed, notices, socket)
    });
    drop(own);
    runtime().block_on(async {
        let Notice::Disconnected(why) = within("a notice", notices.next()).await.unwrap() else {
            panic!("another notice")
        };
        assert!(!why.will_reconnect);
        assert_eq!(
            why.to_string(),
            "transport close: the runtime of the connection has ended"
        );
        assert!(within("the end", notices.next()).await.is_none());
        // The one that the dispatcher had in hand for a full stream is there as well.
        let mut numbers = Vec::new();
        while let Some(event) = within("events", events.next()).await {
            numbers.push(event.parse::<(u32,)>().unwrap().0);
        }
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        for n in 0..10 {
            assert_eq!(within("typed", typed.next()).await, Some((n,)));
        }
        assert!(within("the end", typed.next()).await.is_none());
        // A stream that is taken afterwards ends at once.
        assert!(within("the end", late.events().next()).await.is_none());
        late = socket;
        assert!(!late.connected());
    });
}

/// A server may send pings without end: a stream that is not read keeps a bounded number, and what else was told.
#[tokio::test]
async fn pings_do_not_fill_a_stream_of_notices() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut notices = socket.manager().notices();
    let pings = vec!["2"; 5000];
    host.segment(&pings);
    let answer = socket.emit_with_ack::<_, (String,)>("behind them", ());
    within("answer", answer).await.unwrap();
    host.cut();
    let mut count = 0;
    loop {
        match within("a notice", notices.next()).await.unwrap() {
            Notice::Ping => count += 1,
            Notice::Reconnecting { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    // (On threads it is read while it is filled: more than it holds may come through.)
    let most = if crate::support::on_tokio() {
        512
    } else {
        5000
    };
    assert!((1..=most).contains(&count), "{count}");
    assert_eq!(notices.dropped(), 0);
}

/// The same for a connection that has had nothing to tell before, so that no dispatcher has run yet.
#[test]
fn the_end_of_the_runtime_is_told_to_streams_of_an_idle_connection() {
    if !crate::support::on_tokio() {
        return; // It ends tokio's runtime.
    }
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let host = Host::start();
    let own = runtime();
    let (socket, mut events, mut notices) = own.block_on(async {
        let socket = within("connect", client(&host).connect()).await.unwrap();
        let (events, notices) = (socket.events(), socket.notices());
        (socket, events, notices)
    });
    drop(own);
    runtime().block_on(async {
        assert!(within("the end", events.next()).await.is_none());
        let notice = within("a notice", notices.next()).await;
        assert!(
            matches!(notice, Some(Notice::Disconnected(_))),
            "{notice:?}"
        );
        assert!(within("the end", notices.next()).await.is_none());
    });
    assert!(!socket.active());
}
