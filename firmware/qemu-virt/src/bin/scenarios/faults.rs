//! Servers that go away, come back, or are not Socket.IO servers at all.

use core::cell::Cell;
use core::time::Duration;

use embassy_net::Stack;
use embassy_time::Instant;
use qemu_virt::metric;
use sockeye_embedded::{Event, Socket, Storage};

use crate::stage::{
    LIMIT, Text, check, client, config, connector, expect, fail, host, play, report, until,
};

type Small = Storage<2048, 1024>;

/// The server ends and starts anew: both namespaces are joined again, and what was emitted meanwhile arrives.
pub(crate) async fn restart(network: Stack<'static>) {
    let mut config = config("/");
    config.core.reconnection.delay = Duration::from_millis(200);
    config.core.reconnection.delay_max = Duration::from_millis(500);
    let (root, mut runner) = client!(Small, config);
    let chat = expect(root.namespace("/chat"), "second namespace");
    let (lost, attempts, echoes) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let handler = |_: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::Disconnected { .. } => lost.set(lost.get() + 1),
            Event::ReconnectAttempt(number) => attempts.set(*number),
            Event::Message(message) if message.name == "echo" => {
                check!(message.args.parse() == Ok((17_u8,)), "another echo");
                echoes.set(echoes.get() + 1);
            }
            _ => (),
        }
    };
    let script = async {
        root.ready().await;
        chat.ready().await;
        let id = root.id(|id| id.map(Text::<64>::of));
        host("stop");
        until(|| lost.get() == 2).await;
        expect(chat.emit("echo", (17_u8,)), "emit while offline");
        until(|| attempts.get() >= 2).await;
        let start = Instant::now();
        host("start");
        root.ready().await;
        chat.ready().await;
        metric!("rejoin_ms", start.elapsed().as_millis());
        until(|| echoes.get() == 1).await;
        check!(
            root.id(|now| now.map(Text::of)) != id,
            "the new server knows the old id"
        );
        check!(lost.get() == 2, "more was lost than the two namespaces");
        let back: (u32,) = expect(
            root.emit_with_ack("ack", (5_u32,)).await,
            "ack after the restart",
        );
        check!(back == (5,), "another answer");
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// The link is cut and events are sent meanwhile: the server recovers the session, with the same id and all events, once.
pub(crate) async fn recovery(network: Stack<'static>) {
    let mut config = config("/");
    config.core.reconnection.delay = Duration::from_millis(100);
    config.core.reconnection.delay_max = Duration::from_millis(300);
    let (socket, mut runner) = client!(Small, config);
    let (lost, recovered, next) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let handler = |_: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::Disconnected { .. } => lost.set(lost.get() + 1),
            Event::Connected {
                recovered: true, ..
            } => recovered.set(recovered.get() + 1),
            Event::Message(message) if message.name == "news" => {
                let (number,): (u32,) = expect(message.args.parse(), "news");
                check!(
                    number == next.get(),
                    "news {number} came where {} was due",
                    next.get()
                );
                next.set(number + 1);
            }
            _ => (),
        }
    };
    let script = async {
        socket.ready().await;
        let id = socket.id(|id| id.map(Text::<64>::of));
        check!(recovered.get() == 0, "the first join was a recovery");
        host("emit-news 0 3");
        until(|| next.get() == 3).await;
        // The host cuts the link, waits until the server has noticed, emits, and lets the board through again.
        host("cut");
        until(|| lost.get() == 1).await;
        host("emit-news 3 8");
        host("release");
        until(|| next.get() == 8).await;
        check!(recovered.get() == 1, "the session was not recovered");
        check!(
            socket.recovered(),
            "the socket does not know that it was recovered"
        );
        check!(
            socket.id(|now| now.map(Text::of)) == id,
            "recovered with another id"
        );
        host("emit-news 8 10");
        until(|| next.get() == 10).await;
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// No Socket.IO server there: one plain reason for each attempt, and attempts go on. The host knows which words to expect
/// and looks for them among the lines of [`report`].
pub(crate) async fn wrong_server(network: Stack<'static>) {
    let mut config = config("/");
    config.core.connect_timeout = Some(Duration::from_secs(2));
    config.core.reconnection.delay = Duration::from_millis(50);
    config.core.reconnection.delay_max = Duration::from_millis(100);
    config.core.reconnection.attempts = Some(2);
    let (socket, mut runner) = client!(Small, config);
    let (closed, refused, failed) = (Cell::new(0), Cell::new(0), Cell::new(false));
    let handler = |_: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::Closed { .. } => closed.set(closed.get() + 1),
            Event::ConnectError(_) => refused.set(refused.get() + 1),
            Event::ReconnectFailed => failed.set(true),
            Event::Connected { .. } => {
                fail!("joined a namespace of something that is no Socket.IO server");
            }
            _ => (),
        }
    };
    let script = async {
        until(|| failed.get() || refused.get() > 0).await;
        check!(
            refused.get() == 1 || closed.get() == 3,
            "{} attempts instead of 3",
            closed.get()
        );
        check!(!socket.connected(), "connected");
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}
