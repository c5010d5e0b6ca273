//! What the suites of the official client check, and no other file here does: see `docs/parity.md`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Serialize, Serializer};
use sockeye::{Args, Client, Socket};

use crate::support::{Host, Log, client, eventually, within};

/// A connection belongs to its client; namespaces of one client share it, two clients never do.
#[tokio::test]
async fn two_clients_of_one_url_are_two_connections() {
    let host = Host::start();
    let one = within("connect", client(&host).connect()).await.unwrap();
    let two = within("connect", client(&host).connect()).await.unwrap();
    assert_ne!(one.id(), two.id());
    assert_eq!(
        host.state(|state| (state.accepted, state.server.sessions())),
        (2, 2)
    );
    one.disconnect();
    host.until("one connection", |state| (state.open == 1).then_some(()))
        .await;
    let answer = two.emit_with_ack::<_, (String,)>("still here", ());
    assert_eq!(within("answer", answer).await.unwrap().0, "still here");
}

/// The client outlives its connection: a namespace that is asked for later makes a new one.
#[tokio::test]
async fn another_namespace_opens_the_connection_again() {
    let host = Host::start();
    let log = Log::new();
    // A namespace is left with its last handle.
    let kept = Arc::new(Mutex::new(None));
    let (out, keep) = (log.clone(), Arc::clone(&kept));
    let builder = client(&host).on_disconnect(move |socket: Socket, why| {
        let (out, keep) = (out.clone(), Arc::clone(&keep));
        async move {
            let chat = socket.namespace("/chat").connect().await.unwrap();
            out.push(format!("{} {}", why.reason, chat.name()));
            *keep.lock().unwrap() = Some(chat);
        }
    });
    let socket = within("connect", builder.connect()).await.unwrap();
    socket.disconnect();
    assert_eq!(log.wait(1).await, ["io client disconnect /chat"]);
    host.joined(&["/chat"]).await;
    assert!(!socket.connected());
    drop(kept);
}

#[tokio::test]
async fn asking_for_a_namespace_that_was_left_joins_it_again() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on("e", move |(n,): (u32,)| out.push(n.to_string()));
    socket.disconnect();
    host.empty().await;
    let again = within("connect", socket.namespace("/").connect())
        .await
        .unwrap();
    // It is the same socket, with its handlers.
    assert!(socket.connected() && socket.id() == again.id());
    host.emit("/", "[\"e\",1]");
    assert_eq!(log.wait(1).await, ["1"]);
}

/// Not once for the queue that was there at the join, and once more for the emit.
#[tokio::test]
async fn an_emit_inside_on_connect_goes_once_with_retries() {
    let host = Host::start();
    let builder = client(&host)
        .retries(3)
        .ack_timeout(Duration::from_secs(60))
        .on_connect(|socket: Socket| {
            socket.emit("hello", (1,)).unwrap();
        });
    let socket = within("connect", builder.connect()).await.unwrap();
    // The queue is in order: what is in front of this one has been sent and answered.
    let last = socket.emit_with_ack::<_, (String,)>("last", ());
    assert_eq!(within("answer", last).await.unwrap().0, "last");
    assert_eq!(host.received(2).await, ["/ [\"hello\",1]", "/ [\"last\"]"]);
}

#[tokio::test]
async fn outgoing_listeners_are_called_in_order_and_can_be_put_first() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let say = |word: &'static str| {
        let out = log.clone();
        move |event: &sockeye::Event| out.push(format!("{word} {}", event.name()))
    };
    let two = socket.on_any_outgoing(say("two"));
    let one = socket.prepend_any_outgoing(say("one"));
    socket.prepend_any_outgoing(say("zero"));
    socket.emit("a", ()).unwrap();
    assert_eq!(log.wait(3).await, ["zero a", "one a", "two a"]);
    assert!(socket.off(two) && socket.off(one));
    socket.emit("b", ()).unwrap();
    assert_eq!(log.wait(4).await[3..], ["zero b"]);
    socket.off_any_outgoing();
    socket.emit("c", ()).unwrap();
    let answer = socket.emit_with_ack::<_, Args>("d", ());
    within("answer", answer).await.unwrap();
    assert_eq!(log.lines().len(), 4);
    // The first one of all, put in front of nobody: it is called too.
    socket.prepend_any_outgoing(say("alone"));
    socket.emit("e", ()).unwrap();
    assert_eq!(log.wait(5).await[4..], ["alone e"]);
}

/// A time stamp as crates for dates write it: JSON has no type of its own for it, and neither has Socket.IO.
struct Date;

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&"2026-02-28T23:59:59.000Z")
    }
}

#[derive(Serialize)]
struct Reading {
    at: Date,
    ok: bool,
}

#[tokio::test]
async fn dates_are_texts_alone_in_objects_and_in_answers() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    socket.on("when", |()| (Date, false));
    socket.emit("alone", (Date,)).unwrap();
    let reading = Reading {
        at: Date,
        ok: false,
    };
    socket.emit("inside", (reading,)).unwrap();
    host.received(2).await;
    host.send("425[\"when\"]");
    assert_eq!(
        host.received(3).await,
        [
            "/ [\"alone\",\"2026-02-28T23:59:59.000Z\"]",
            "/ [\"inside\",{\"at\":\"2026-02-28T23:59:59.000Z\",\"ok\":false}]",
            "/ ack 5 [\"2026-02-28T23:59:59.000Z\",false]"
        ]
    );
}

/// Texts that are hard to carry, in both directions and over both transports.
#[tokio::test]
async fn any_text_comes_back_as_it_was() {
    const TEXTS: [&str; 5] = [
        "\u{42d}\u{442}\u{43e} \u{65e5}\u{672c}\u{8a9e} \u{20ac}",
        "\u{1f41f} \u{10ffff} e\u{301}",
        "\u{1e} \u{0} \u{7f} \u{2028} \u{feff}",
        "b64= 451-[\"x\"] \\ \" /",
        "",
    ];
    for builder in [client, crate::support::polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let (_, back): (String, Vec<String>) =
            within("answer", socket.emit_with_ack("t", (TEXTS,)))
                .await
                .unwrap();
        assert_eq!(back, TEXTS);
        let log = Log::new();
        let out = log.clone();
        socket.on("text", move |(text,): (String,)| out.push(text));
        for text in TEXTS {
            host.emit("/", &format!("[\"text\",{}]", serde_json::json!(text)));
        }
        assert_eq!(log.wait(TEXTS.len()).await, TEXTS);
    }
}

/// A first connection that works is not an attempt of a reconnection, and nothing is tried beside it.
#[tokio::test]
async fn a_connection_that_works_is_no_reconnection() {
    let host = Host::start();
    let log = Log::new();
    let socket = Client::builder(host.url("/")).open().unwrap();
    let (one, two, three) = (log.clone(), log.clone(), log.clone());
    socket
        .manager()
        .on_reconnect_attempt(move |n: u32| one.push(format!("attempt {n}")));
    socket
        .manager()
        .on_reconnect(move |n: u32| two.push(format!("reconnect {n}")));
    socket.on_connect_error(move |_, error| three.push(error.to_string()));
    within("connect", socket.connect()).await.unwrap();
    eventually("the upgrade", || {
        socket.transport() == Some(sockeye::Transport::WebSocket)
    })
    .await;
    assert_eq!(log.lines(), Vec::<String>::new());
    assert_eq!(host.state(|state| state.server.sessions()), 1);
}
