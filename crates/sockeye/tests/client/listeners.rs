//! Listeners to any event: those that come, and those that go.

use sockeye::{Args, Event, Responder};

use crate::handlers::{joined, settled};
use crate::support::{Host, Log, client, within};

#[tokio::test]
async fn any_listeners_come_first_and_in_order() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let say = |word: &'static str| {
        let out = log.clone();
        move |event: &Event| out.push(format!("{word} {} {}", event.name(), event.args().json()))
    };
    let out = log.clone();
    socket.on("e", move |(n,): (u32,)| out.push(format!("own {n}")));
    let one = socket.on_any(say("one"));
    socket.on_any(say("two"));
    socket.prepend_any(say("zero"));
    host.emit("/", "[\"e\",1]");
    assert_eq!(
        log.wait(4).await,
        ["zero e [1]", "one e [1]", "two e [1]", "own 1"]
    );
    assert!(socket.off(one));
    host.emit("/", "[\"unhandled\"]");
    assert_eq!(
        log.wait(6).await[4..],
        ["zero unhandled []", "two unhandled []"]
    );
    socket.off_any();
    host.emit("/", "[\"e\",2]");
    assert_eq!(log.wait(7).await[6..], ["own 2"]);
}

#[tokio::test]
async fn on_any_may_answer() {
    let host = Host::start();
    let socket = joined(&host).await;
    socket.on_any(|event| {
        let (n,): (u32,) = event.parse().unwrap();
        event.responder().ack((n * 2,)).unwrap();
    });
    host.send("423[\"double\",21]");
    assert_eq!(host.received(1).await, ["/ ack 3 [42]"]);
}

/// A value of the user's that looks like the place of an attachment, next to one.
#[tokio::test]
async fn an_outgoing_event_is_seen_whatever_it_holds() {
    #[derive(serde::Serialize)]
    struct Lookalike {
        _placeholder: bool,
    }
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on_any_outgoing(move |event| {
        out.push(format!(
            "{} +{}",
            event.name(),
            event.args().attachments().len()
        ));
    });
    within("connect", socket.connect()).await.unwrap();
    let odd = Lookalike { _placeholder: true };
    socket
        .emit("odd", (odd, sockeye::Bin::from(vec![1, 2])))
        .unwrap();
    assert_eq!(log.wait(1).await, ["odd +1"]);
}

#[tokio::test]
async fn outgoing_events_are_seen_when_they_are_sent() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    let log = Log::new();
    let out = log.clone();
    let id = socket.on_any_outgoing(move |event| {
        out.push(format!(
            "{} {} +{}",
            event.name(),
            event.args().json(),
            event.args().attachments().len()
        ));
    });
    socket.on("ask", |(): (), reply: Responder| {
        reply.ack(("an answer",)).unwrap();
    });
    let out = log.clone();
    socket.on_connect(move |socket| {
        out.push("connected");
        socket.emit("inside", ()).unwrap();
    });
    socket.emit("early", (1, "two")).unwrap();
    socket
        .emit("binary", (sockeye::Bin::from(vec![1, 2]),))
        .unwrap();
    tokio::task::yield_now().await;
    assert!(
        log.lines().is_empty(),
        "reported although it was only buffered"
    );
    within("connect", socket.connect()).await.unwrap();
    host.send("421[\"ask\"]");
    host.received(4).await;
    let answer = socket.emit_with_ack::<_, Args>("acked", (true,));
    within("answer", answer).await.unwrap();
    let lines = log.wait(5).await;
    let mut sorted = lines.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "acked [true] +0",
            "binary [{\"_placeholder\":true,\"num\":0}] +1",
            "connected",
            "early [1,\"two\"] +0",
            "inside [] +0"
        ]
    );
    let at = |start: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(start))
            .unwrap()
    };
    assert!(
        at("early") < at("binary") && at("binary") < at("inside") && at("inside") < at("acked"),
        "{lines:?}"
    );
    socket.off(id);
    socket.emit("unseen", ()).unwrap();
    host.received(6).await;
    settled(&host, &socket).await;
    assert_eq!(log.lines().len(), 5);
}
