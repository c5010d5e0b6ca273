//! Handlers: all kinds, at run time, and from inside handlers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use sockeye::{Args, HandlerId, Responder, Socket};
use tokio::sync::oneshot;

use crate::support::{Host, Log, client, client_at, eventually, polling, within};

pub(crate) async fn joined(host: &Host) -> Socket {
    within("connect", client(host).connect()).await.unwrap()
}

/// Waits until the client has worked through everything the server has sent: an event with an ack is answered last.
pub(crate) async fn settled(host: &Host, socket: &Socket) {
    let (sender, receiver) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let id = socket.on("settled", move |()| {
        let _ = sender.lock().unwrap().take().map(|sender| sender.send(()));
    });
    host.emit("/", "[\"settled\"]");
    within("settled", receiver).await.unwrap();
    socket.off(id);
}

#[derive(Debug, Deserialize)]
struct Reading {
    sensor: String,
    celsius: Option<f32>,
}

#[tokio::test]
async fn typed_arguments_sync_and_async() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on("pair", move |(name, n): (String, u32)| {
        out.push(format!("{name} {n}"));
    });
    let out = log.clone();
    socket.on("pair", move |(name, n): (String, u32)| {
        let out = out.clone();
        async move {
            tokio::task::yield_now().await;
            out.push(format!("async {name} {n}"));
        }
    });
    let out = log.clone();
    socket.on("reading", move |(reading,): (Reading,)| {
        out.push(format!("{} {:?}", reading.sensor, reading.celsius));
    });
    let out = log.clone();
    socket.on("nothing", move |()| out.push("nothing"));
    let out = log.clone();
    socket.on("args", move |args: Args| {
        out.push(format!(
            "{} {:?} {}",
            args.len(),
            args.values(),
            args.json()
        ));
    });
    let out = log.clone();
    socket.on("maybe", move |(a, b): (u8, Option<String>)| {
        out.push(format!("{a} {b:?}"));
    });
    host.emit("/", "[\"pair\",\"a\\n\\u00e9\",7]");
    host.emit(
        "/",
        "[\"reading\",{\"sensor\":\"roof\",\"celsius\":21.5,\"more\":[]}]",
    );
    host.emit("/", "[\"nothing\",1,2]");
    host.emit("/", "[\"args\",1,{\"a\":null}]");
    host.emit("/", "[\"maybe\",3]");
    let expected = [
        "a\né 7",
        "async a\né 7",
        "roof Some(21.5)",
        "nothing",
        "2 [Number(1), Object {\"a\": Null}] [1,{\"a\":null}]",
        "3 None",
    ];
    assert_eq!(log.wait(expected.len()).await, expected);
}

#[tokio::test]
async fn responders_sync_async_and_later() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        socket.on("now", |(n,): (u32,), reply: Responder| {
            assert!(reply.is_requested());
            reply.ack((n + 1, "now")).unwrap();
        });
        socket.on("async", |(n,): (u32,), reply: Responder| async move {
            tokio::task::yield_now().await;
            reply.ack((n + 1,)).unwrap();
        });
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        socket.on("later", move |_: Args, reply: Responder| {
            *keep.lock().unwrap() = Some(reply);
        });
        let log = Log::new();
        let out = log.clone();
        socket.on("unasked", move |(): (), reply: Responder| {
            out.push(format!("{} {:?}", reply.is_requested(), reply.ack_id()));
            reply.ack(("never sent",)).unwrap();
        });
        host.send("420[\"now\",1]");
        host.send("4217[\"async\",5]");
        host.send("429007199254740993[\"later\"]");
        host.emit("/", "[\"unasked\"]");
        host.received(2).await;
        assert_eq!(log.wait(1).await, ["false None"]);
        let reply = kept.lock().unwrap().take().unwrap();
        assert_eq!(reply.socket().unwrap().id(), socket.id());
        reply.ack(()).unwrap();
        let received = host.received(3).await;
        assert_eq!(
            received,
            [
                "/ ack 0 [2,\"now\"]",
                "/ ack 17 [6]",
                "/ ack 9007199254740993 []"
            ]
        );
    }
}

#[tokio::test]
async fn once_off_off_event_off_all() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let say = |word: &'static str| {
        let out = log.clone();
        move |(): ()| out.push(word)
    };
    socket.once("e", say("once"));
    let first = socket.on("e", say("first"));
    let second = socket.on("e", say("second"));
    socket.on("f", say("f"));
    assert!(socket.has_handlers("e") && !socket.has_handlers("g"));
    host.emit("/", "[\"e\"]");
    host.emit("/", "[\"e\"]");
    assert_eq!(
        log.wait(5).await,
        ["once", "first", "second", "first", "second"]
    );
    assert!(socket.off(first));
    assert!(!socket.off(first));
    host.emit("/", "[\"e\"]");
    assert_eq!(log.wait(6).await[5..], ["second"]);
    socket.off_event("e");
    assert!(!socket.has_handlers("e") && !socket.off(second));
    host.emit("/", "[\"e\"]");
    host.emit("/", "[\"f\"]");
    assert_eq!(log.wait(7).await[6..], ["f"]);
    let any = log.clone();
    socket.on_any(move |event| any.push(event.name()));
    let mut stream = socket.events();
    socket.off_all();
    assert!(!socket.has_handlers("f"));
    assert!(
        within("the end of the stream", stream.next())
            .await
            .is_none()
    );
    host.emit("/", "[\"f\"]");
    settled(&host, &socket).await;
    assert_eq!(log.lines().len(), 7);
}

#[tokio::test]
async fn a_removed_handler_is_dropped() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let host = Host::start();
    let socket = joined(&host).await;
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(Arc::clone(&dropped));
    let log = Log::new();
    let out = log.clone();
    let id = socket.on("e", move |()| {
        let _ = &flag;
        out.push("e");
    });
    host.emit("/", "[\"e\"]");
    log.wait(1).await;
    socket.off(id);
    // Nothing more arrives; what the handler captured is not kept.
    eventually("dropped", || dropped.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn registering_and_removing_inside_handlers() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    // Registers another one for the next event.
    let out = log.clone();
    socket.on("grow", move |(): (), reply: Responder| {
        out.push("grow");
        let out = out.clone();
        reply
            .socket()
            .unwrap()
            .on("grow", move |()| out.push("grown"));
    });
    host.emit("/", "[\"grow\"]");
    log.wait(1).await;
    settled(&host, &socket).await;
    assert_eq!(log.lines(), ["grow"]);
    host.emit("/", "[\"grow\"]");
    assert_eq!(log.wait(3).await, ["grow", "grow", "grown"]);
    socket.off_event("grow");
    // Removes itself, and the one behind it.
    let ids: Arc<Mutex<Vec<HandlerId>>> = Arc::default();
    let (out, own) = (log.clone(), Arc::clone(&ids));
    let first = socket.on("shrink", move |(): (), reply: Responder| {
        out.push("first");
        let socket = reply.socket().unwrap();
        for id in own.lock().unwrap().drain(..) {
            assert!(socket.off(id));
        }
    });
    let out = log.clone();
    let second = socket.on("shrink", move |()| out.push("second"));
    ids.lock().unwrap().extend([first, second]);
    host.emit("/", "[\"shrink\"]");
    host.emit("/", "[\"shrink\"]");
    settled(&host, &socket).await;
    assert_eq!(log.lines()[3..], ["first"]);
    assert!(!socket.has_handlers("shrink"));
}

#[tokio::test]
async fn emitting_and_awaiting_an_answer_inside_a_handler() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on("go", move |(n,): (u32,), reply: Responder| {
        let out = out.clone();
        async move {
            let socket = reply.socket().unwrap();
            socket.emit("sync", (n,)).unwrap();
            let (name, n): (String, u32) = socket.emit_with_ack("ask", (n,)).await.unwrap();
            out.push(format!("{name} {n}"));
        }
    });
    host.emit("/", "[\"go\",1]");
    host.emit("/", "[\"go\",2]");
    assert_eq!(log.wait(2).await, ["ask 1", "ask 2"]);
    assert_eq!(
        host.received(4).await,
        [
            "/ [\"sync\",1]",
            "/ [\"ask\",1]",
            "/ [\"sync\",2]",
            "/ [\"ask\",2]"
        ]
    );
}

#[tokio::test]
async fn disconnecting_inside_a_handler() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on_disconnect(move |_, why| out.push(why.reason.to_string()));
    socket.on("leave", |(): (), reply: Responder| {
        let socket = reply.socket().unwrap();
        socket.emit("bye", ()).unwrap();
        socket.disconnect();
        assert!(!socket.connected());
    });
    host.emit("/", "[\"leave\"]");
    assert_eq!(log.wait(1).await, ["io client disconnect"]);
    host.empty().await;
    assert_eq!(host.received(1).await, ["/ [\"bye\"]"]);
    assert!(!socket.active());
}

#[tokio::test]
async fn dropping_the_last_socket_inside_a_handler() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    let kept = Arc::new(Mutex::new(None));
    let last = Arc::clone(&kept);
    let log = Log::new();
    let out = log.clone();
    socket.on("drop", move |(): (), reply: Responder| {
        reply.socket().unwrap().emit("last words", ()).unwrap();
        drop(last.lock().unwrap().take());
        out.push(format!("{}", reply.socket().is_some()));
    });
    within("connect", socket.connect()).await.unwrap();
    *kept.lock().unwrap() = Some(socket);
    host.emit("/", "[\"drop\"]");
    assert_eq!(log.wait(1).await, ["false"]);
    host.empty().await;
    assert_eq!(host.received(1).await, ["/ [\"last words\"]"]);
    assert_eq!(host.state(|state| state.close_frames()), 1);
}

fn boom(word: &str) {
    panic!("{word}");
}

#[tokio::test]
async fn a_panicking_handler_ends_nothing() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    socket.on("e", |()| boom("a sync handler"));
    socket.on("e", |()| async { boom("an async handler") });
    socket.on_any(|_| panic!("an any listener"));
    let mut stream = socket.events();
    let out = log.clone();
    socket.on("e", move |()| out.push("still here"));
    socket.on_disconnect(|_, _| panic!("a disconnect handler"));
    let out = log.clone();
    socket.on_disconnect(move |_, _| out.push("disconnected"));
    host.emit("/", "[\"e\"]");
    host.emit("/", "[\"e\"]");
    assert_eq!(log.wait(2).await, ["still here", "still here"]);
    assert_eq!(within("stream", stream.next()).await.unwrap().name(), "e");
    host.cut();
    log.wait_for("disconnected").await;
    eventually("joined again", || socket.connected()).await;
    host.emit("/", "[\"e\"]");
    log.wait(4).await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_skip_only_that_handler() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on("e", move |(n,): (u32,)| out.push(format!("number {n}")));
    let out = log.clone();
    socket.on("e", move |(s,): (String,)| out.push(format!("text {s}")));
    let out = log.clone();
    socket.on("e", move |(n,): (i64,)| {
        let out = out.clone();
        async move { out.push(format!("async {n}")) }
    });
    host.emit("/", "[\"e\",\"word\"]");
    host.emit("/", "[\"e\",-1]");
    host.emit("/", "[\"e\"]");
    host.emit("/", "[\"e\",7]");
    assert_eq!(
        log.wait(4).await,
        ["text word", "async -1", "number 7", "async 7"]
    );
}

#[tokio::test]
async fn events_before_the_reply_are_delivered_as_connected_and_before_connect() {
    let host = Host::start();
    let log = Log::new();
    let (one, two) = (log.clone(), log.clone());
    let builder = client_at(host.url("/"))
        .transports([sockeye::Transport::WebSocket])
        .on("early", move |(): (), reply: Responder| {
            one.push(format!("early {}", reply.socket().unwrap().connected()));
        })
        .on_connect(move |_| two.push("connect"));
    host.state(|state| state.server.settings.mute_connects = 1);
    let socket = builder.connect_background().unwrap();
    host.until("CONNECT", |state| {
        state.texts().contains(&"40".to_owned()).then_some(())
    })
    .await;
    host.send("42[\"early\"]");
    host.send("40{\"sid\":\"by hand\"}");
    assert_eq!(log.wait(2).await, ["early true", "connect"]);
    assert_eq!(socket.id().as_deref(), Some("by hand"));
    host.state(|state| state.lenient = true);
}

#[tokio::test]
async fn handlers_of_a_namespace_run_in_the_order_of_the_events() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on("n", move |(n,): (u32,)| {
        let out = out.clone();
        async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            out.push(n.to_string());
        }
    });
    let out = log.clone();
    socket.on("m", move |(n,): (u32,)| out.push(n.to_string()));
    for n in 0..500 {
        let name = if n % 3 == 0 { "m" } else { "n" };
        host.emit("/", &format!("[\"{name}\",{n}]"));
    }
    let expected: Vec<_> = (0..500).map(|n: u32| n.to_string()).collect();
    assert_eq!(log.wait(500).await, expected);
}

/// A slow handler holds up its own namespace only.
#[tokio::test]
async fn namespaces_do_not_wait_for_each_other() {
    let host = Host::start();
    let socket = joined(&host).await;
    let chat = within("connect", socket.namespace("/chat").connect())
        .await
        .unwrap();
    let log = Log::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (out, open) = (log.clone(), Arc::clone(&gate));
    socket.on("slow", move |(n,): (u32,)| {
        let (out, open) = (out.clone(), Arc::clone(&open));
        async move {
            out.push(format!("begun {n}"));
            let _ = open.acquire().await;
            out.push(format!("done {n}"));
        }
    });
    let out = log.clone();
    chat.on("quick", move |(n,): (u32,)| out.push(format!("quick {n}")));
    host.segment(&["42[\"slow\",1]", "42[\"slow\",2]"]);
    log.wait(1).await;
    for n in 0..3 {
        host.emit("/chat", &format!("[\"quick\",{n}]"));
    }
    assert_eq!(
        log.wait(4).await,
        ["begun 1", "quick 0", "quick 1", "quick 2"]
    );
    gate.close();
    assert_eq!(log.wait(7).await[4..], ["done 1", "begun 2", "done 2"]);
}

#[tokio::test]
async fn concurrent_handlers_overlap_up_to_their_bound_and_begin_in_order() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (out, open) = (log.clone(), Arc::clone(&gate));
    socket.on_concurrent("job", 2, move |(n,): (u32,)| {
        let (out, open) = (out.clone(), Arc::clone(&open));
        out.push(format!("called {n}"));
        async move {
            open.acquire().await.unwrap().forget();
            out.push("done");
            (n * 10,)
        }
    });
    let out = log.clone();
    socket.on("other", move |()| out.push("other"));
    host.segment(&[
        "421[\"job\",1]",
        "422[\"job\",2]",
        "42[\"other\"]",
        "423[\"job\",3]",
        "424[\"job\",4]",
    ]);
    // Two are at work, and what is between passes them. The third has been called and waits for a place, and the fourth
    // waits behind it.
    let begun = ["called 1", "called 2", "other", "called 3"];
    assert_eq!(log.wait(4).await, begun);
    let answer = socket.emit_with_ack::<_, (String,)>("meanwhile", ());
    within("an answer passes", answer).await.unwrap();
    assert_eq!(log.lines(), begun);
    gate.add_permits(1);
    let lines = log.wait(6).await;
    assert_eq!(lines[4..], ["done", "called 4"]);
    gate.add_permits(3);
    log.wait(9).await;
    let mut received = host.received(5).await;
    received[1..].sort();
    assert_eq!(
        received[1..],
        [
            "/ ack 1 [10]",
            "/ ack 2 [20]",
            "/ ack 3 [30]",
            "/ ack 4 [40]"
        ]
    );
}
