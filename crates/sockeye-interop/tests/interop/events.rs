//! Events both ways: arguments, text, order.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sockeye::{Args, Event};

use crate::client::{WAYS, connect, connect_by};
use crate::server::{Kind, Server};
use crate::wait::{Seen, within};

/// What is hard to carry: escapes, the payload separator, characters outside the basic plane.
const TEXTS: [&str; 7] = [
    "",
    "æøå ÅÄÖ ß",
    "漢字 かな 한글",
    "🐟 👩‍👩‍👧 \u{10ffff}",
    "quote \" backslash \\ slash / newline \n tab \t",
    "separator \u{1e} zero \u{0} delete \u{7f} line \u{2028}",
    "451-[\"x\",{\"_placeholder\":true,\"num\":0}]",
];

scenario!(echoes_every_kind_of_argument and older);
async fn echoes_every_kind_of_argument(kind: Kind) {
    let server = Server::start(kind).await;
    let lists = [
        json!([]),
        json!([null]),
        json!([1, "two", true, false, null, 1.5, -7]),
        json!([
            9_007_199_254_740_991_i64,
            -9_007_199_254_740_991_i64,
            1e-7,
            -0.25
        ]),
        json!([[], {}, [[]], [{}], {"a": {"b": [{"c": null}]}}]),
        json!([{"": 1, "key with \"quotes\"": 2, "ключ": [3]}]),
        json!(["event name", ["event name"]]),
    ];
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let echoed = Seen::new();
        let seen = echoed.clone();
        socket.on("echo", move |args: Args| {
            seen.push(Value::from(args.values()));
        });
        for list in &lists {
            socket
                .emit("echo", list.as_array().unwrap().as_slice())
                .unwrap();
        }
        assert_eq!(echoed.wait_for(lists.len()).await, lists, "{way:?}");
    }
}

scenario!(carries_any_text and older);
async fn carries_any_text(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/chat"), way).await;
        for text in TEXTS {
            let (understood,): (Vec<String>,) =
                within("inspect", socket.emit_with_ack("inspect", (text,)))
                    .await
                    .unwrap();
            assert_eq!(understood, [text], "{way:?}");
            let (echo,): (String,) = within("ack", socket.emit_with_ack("ack", (text,)))
                .await
                .unwrap();
            assert_eq!(echo, text, "{way:?}");
        }
        let (all,): (Vec<String>,) = within("ack", socket.emit_with_ack("ack", (TEXTS,)))
            .await
            .unwrap();
        assert_eq!(all, TEXTS, "{way:?}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    device: String,
    celsius: f64,
    tags: Vec<String>,
    parent: Option<Box<Self>>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    Idle,
    Busy { percent: u8 },
}

scenario!(carries_types_of_the_application and older);
async fn carries_types_of_the_application(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let echoed = Seen::new();
    let seen = echoed.clone();
    socket.on("echo", move |(n, reading): (u8, Reading)| {
        seen.push((n, reading));
    });
    let inner = Reading {
        device: "a".into(),
        celsius: 21.5,
        tags: vec![],
        parent: None,
        state: State::Busy { percent: 7 },
    };
    let outer = Reading {
        parent: Some(Box::new(inner.clone())),
        state: State::Idle,
        tags: vec!["x".into()],
        ..inner
    };
    socket.emit("echo", (1, &outer)).unwrap();
    assert_eq!(echoed.first().await, (1, outer));
}

scenario!(events_keep_their_order);
async fn events_keep_their_order(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let burst = Seen::new();
        let seen = burst.clone();
        socket.on("burst", move |(n,): (u32,)| seen.push(n));
        socket.emit("burst", (500,)).unwrap();
        for i in 0..500 {
            socket.emit("count", (i,)).unwrap();
        }
        let (counted,): (Vec<u32>,) = within("counted", socket.emit_with_ack("counted", ()))
            .await
            .unwrap();
        assert_eq!(counted, (0..500).collect::<Vec<_>>(), "{way:?}");
        assert_eq!(burst.wait_for(500).await, counted, "{way:?}");
    }
}

// The others hand events to tasks of their own, so that what they send has no order.
scenario!(an_answer_comes_after_the_events_before_it on node_4_8 Node48, node_3_1 Node31);
async fn an_answer_comes_after_the_events_before_it(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let seen = Seen::new();
        let handled = seen.clone();
        socket.on("echo", move |(n,): (usize,)| handled.push(n));
        for round in 1..=50 {
            // Written together, answered in one tick.
            for n in 0..20 {
                socket.emit("echo", (n,)).unwrap();
            }
            let (m,): (usize,) = within("an answer", socket.emit_with_ack("ack", (round,)))
                .await
                .unwrap();
            assert_eq!((m, seen.len()), (round, 20 * round), "{way:?}");
        }
    }
}

scenario!(handlers_come_and_go);
async fn handlers_come_and_go(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let seen = Seen::new();
    let log = |who: &'static str| {
        let seen = seen.clone();
        move |(n,): (u32,)| seen.push(format!("{who} {n}"))
    };
    socket.once("echo", log("once"));
    let first = socket.on("echo", log("on"));
    let any = seen.clone();
    // The welcome may come before or after this.
    socket.on_any(move |event: &Event| {
        if event.name() != "welcome" {
            any.push(format!("any {}", event.name()));
        }
    });
    socket.emit("echo", (1,)).unwrap();
    socket.emit("echo", (2,)).unwrap();
    assert_eq!(
        seen.wait_for(5).await,
        ["any echo", "once 1", "on 1", "any echo", "on 2"]
    );

    assert!(socket.off(first));
    let (answer,): (u32,) = within("ack", socket.emit_with_ack("ack", (3,)))
        .await
        .unwrap();
    socket.on("echo", log("late"));
    socket.emit("echo", (4,)).unwrap();
    assert_eq!(answer, 3);
    assert_eq!(seen.wait_for(7).await[5..], ["any echo", "late 4"]);
}

scenario!(broadcasts_reach_the_others);
async fn broadcasts_reach_the_others(kind: Kind) {
    let server = Server::start(kind).await;
    let (one, two) = (
        connect(&server.url("/chat")).await,
        connect(&server.url("/chat")).await,
    );
    let heard = Seen::new();
    for (name, socket) in [("one", &one), ("two", &two)] {
        let seen = heard.clone();
        socket.on("broadcast", move |(text, n): (String, u32)| {
            seen.push((name, text, n));
        });
    }
    one.emit("broadcast", ("from one", 1)).unwrap();
    assert_eq!(heard.first().await, ("two", "from one".to_owned(), 1));
    two.emit("broadcast", ("from two", 2)).unwrap();
    assert_eq!(
        heard.wait_for(2).await[1],
        ("one", "from two".to_owned(), 2)
    );
}

scenario!(a_stream_gives_what_handlers_get);
async fn a_stream_gives_what_handlers_get(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let mut events = socket.events();
    socket.emit("burst", (100,)).unwrap();
    for expected in 0..100 {
        let event = loop {
            let event = within("an event", events.next())
                .await
                .expect("the stream goes on");
            if event.name() != "welcome" {
                break event;
            }
        };
        assert_eq!((event.name(), event.parse()), ("burst", Ok((expected,))));
    }
    socket.emit("ask", (7,)).unwrap();
    let question = within("the question", events.next())
        .await
        .expect("the stream goes on");
    assert_eq!(question.name(), "question");
    question.responder().ack((8,)).unwrap();
    let answered = within("what was answered", events.next())
        .await
        .expect("the stream goes on");
    assert_eq!((answered.name(), answered.parse()), ("answered", Ok((8,))));
}
