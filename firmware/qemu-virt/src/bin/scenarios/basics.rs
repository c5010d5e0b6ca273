//! Namespaces, typed events, acknowledgements, refusals by the server, heartbeats.

use core::cell::{Cell, RefCell};

use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use qemu_virt::{metric, println};
use serde::{Deserialize, Serialize};
use sockeye_embedded::{AckError, AnswerError, Event, Handlers, Socket, Storage};

use crate::stage::{
    LIMIT, Text, check, client, config, connector, expect, fail, play, report, until,
};

type Small = Storage<2048, 1024>;
type Network = Stack<'static>;

/// Joins two namespaces on one connection, leaves one, joins it again; the other stays.
pub(crate) async fn namespaces(network: Network) {
    // Room for the server's long description of a connection among the answers.
    let (root, mut runner) = client!(Storage<2048, 1024, crate::stage::Noop, 4, 1024>, config("/"));
    let chat = expect(root.namespace("/chat"), "second namespace");
    let start = Instant::now();
    let (welcomes, disconnects) = (Cell::new(0), Cell::new(0));
    let handler = Handlers::new()
        .on("welcome", |socket: &Socket, event| {
            let (name,): (&str,) = event.args.parse()?;
            check!(
                socket.name(|own| own == name),
                "{name} was welcomed elsewhere"
            );
            welcomes.set(welcomes.get() + 1);
            Ok(())
        })
        .on_disconnect(|socket, reason, _| {
            check!(*socket == chat, "the wrong namespace was left");
            println!("left: {reason}");
            disconnects.set(disconnects.get() + 1);
        })
        .on_any(|_, event| report(event));
    let script = async {
        root.ready().await;
        metric!("join_us", start.elapsed().as_micros());
        until(|| welcomes.get() == 2).await;
        let id = root.id(|id| id.map(Text::<64>::of));
        check!(id.is_some(), "joined without an id");
        check!(
            chat.id(|other| other.map(Text::of)) != id,
            "both namespaces have one id"
        );

        #[derive(Deserialize)]
        struct Described {
            transport: Kind,
        }
        #[derive(Deserialize, PartialEq)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Polling,
            Websocket,
        }
        let (seen,): (Described,) = expect(chat.emit_with_ack("describe", ()).await, "describe");
        check!(
            seen.transport == Kind::Websocket,
            "the server sees another transport"
        );

        chat.disconnect();
        until(|| disconnects.get() == 1).await;
        check!(
            root.connected() && !chat.connected(),
            "leaving one namespace ended the other"
        );
        chat.connect();
        until(|| welcomes.get() == 3).await;
        check!(
            root.id(|now| now.map(Text::of)) == id,
            "the first namespace was joined anew"
        );
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Reading<'a> {
    sensor: &'a str,
    celsius: f32,
    steps: i64,
    valid: bool,
    history: [u16; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

const READING: Reading<'_> = Reading {
    sensor: "kjøkken/été 🐟",
    celsius: -21.625,
    steps: i64::MIN / 1024,
    valid: true,
    history: [0, 1, u16::MAX],
    note: None,
};

/// Structs that borrow from the receive buffer come back as they were sent; order is kept.
pub(crate) async fn events(network: Network) {
    let (socket, mut runner) = client!(Small, config("/"));
    let (echoes, next) = (Cell::new(0), Cell::new(0));
    let handler = Handlers::new()
        .on("echo", |_: &Socket, event| {
            let (reading, escaped, nothing): (Reading<'_>, sockeye_embedded::Text<'_>, Option<u8>) =
                event.args.parse()?;
            check!(reading == READING, "another reading came back: {reading:?}");
            check!(
                escaped == "a \"quoted\"\n\\line",
                "another text came back: {escaped}"
            );
            check!(nothing.is_none(), "null became something");
            echoes.set(echoes.get() + 1);
            Ok(())
        })
        .on("burst", |_, event| {
            let (number,): (u32,) = event.args.parse()?;
            check!(
                number == next.get(),
                "event {number} came where {} was due",
                next.get()
            );
            next.set(number + 1);
            Ok(())
        })
        .on_any(|_, event| report(event));
    let script = async {
        // Emitted before there is a connection: it waits in the send buffer.
        expect(
            socket.emit("echo", (&READING, "a \"quoted\"\n\\line", None::<u8>)),
            "emit",
        );
        until(|| echoes.get() == 1).await;
        for number in 0..50_u32 {
            if socket.emit("count", (number,)).is_err() {
                socket.flush().await;
                expect(
                    socket.emit("count", (number,)),
                    "emit after the buffer was flushed",
                );
            }
        }
        let counted = socket.emit_with_ack_read("counted", (), |mut args| {
            let numbers = args.next_raw().unwrap_or_default();
            let in_order = numbers.trim_matches(['[', ']']).split(',').enumerate();
            Ok(in_order
                .filter(|(at, number)| number.parse() == Ok(*at))
                .count())
        });
        check!(
            expect(counted.await, "counted") == 50,
            "not all of 50 events arrived in order"
        );
        expect(socket.emit("burst", (100,)), "emit");
        until(|| next.get() == 100).await;
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// Acknowledgements both ways, several at a time, a timeout, and one too many.
pub(crate) async fn acks(network: Network) {
    let (socket, mut runner) = client!(Small, config("/"));
    let answered = Cell::new(0);
    let handler = Handlers::new()
        .on("question", |socket: &Socket, event| {
            let (number,): (u32,) = event.args.parse()?;
            check!(event.ack.is_some(), "the server's question wants no answer");
            Ok(socket.reply(event, (number * 2, "answer"))?)
        })
        .on("answered", |_, event| {
            let (number, text): (u32, &str) = event.args.parse()?;
            check!(
                (number, text) == (84, "answer"),
                "the server got another answer: {number} {text}"
            );
            answered.set(answered.get() + 1);
            Ok(())
        })
        .on_any(|_, event| report(event));
    let script = async {
        socket.ready().await;
        let start = Instant::now();
        let echo: (u32, bool) = expect(socket.emit_with_ack("ack", (7_u32, true)).await, "ack");
        metric!("ack_us", start.elapsed().as_micros());
        check!(echo == (7, true), "another answer");

        expect(socket.emit("ask", (42_u32,)), "ask");
        until(|| answered.get() == 1).await;

        // Answers out of order find their tasks.
        let later = |ms: u32, value: u32| socket.emit_with_ack::<_, (u32,)>("later", (ms, value));
        let (a, b, c) =
            embassy_futures::join::join3(later(120, 1), later(60, 2), later(1, 3)).await;
        check!(
            (a, b, c) == (Ok((1,)), Ok((2,)), Ok((3,))),
            "answers were mixed up"
        );

        let silence = socket
            .emit_with_ack::<_, ()>("silence", ())
            .timeout(core::time::Duration::from_millis(200));
        check!(
            silence.await == Err(AnswerError::Ack(AckError::Timeout { sent: true })),
            "silence was answered"
        );
        // A late answer to what has timed out is nobody's.
        let late = later(300, 9).timeout(core::time::Duration::from_millis(20));
        check!(
            late.await == Err(AnswerError::Ack(AckError::Timeout { sent: true })),
            "an answer before its time"
        );
        check!(
            later(600, 10).await == Ok((10,)),
            "a late answer went to another task"
        );

        let long = socket.emit_with_ack::<_, ()>("text", (400,)).await;
        check!(
            matches!(long, Err(AnswerError::NoRoom(_))),
            "an answer beyond ANSWERS was not refused: {long:?}"
        );
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// The server's middleware refuses, with its own data, until the auth payload is right; an unknown namespace is
/// refused too; what is joined stays.
pub(crate) async fn admin(network: Network) {
    let (root, mut runner) =
        client!(Storage<2048, 1024, crate::stage::Noop, 4, 256, 16, 3>, config("/"));
    let admin = expect(root.namespace("/admin"), "namespace");
    let unknown = expect(root.namespace("/unknown"), "namespace");
    let (refused, missing, token) = (Cell::new(0), Cell::new(0), RefCell::new("wrong"));
    let handler = |socket: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::Auth(nsp) if *nsp == admin.nsp() => {
                #[derive(Serialize)]
                struct Login<'a> {
                    token: &'a str,
                }
                let given = socket.provide_auth_value(&Login {
                    token: *token.borrow(),
                });
                expect(given, "auth");
            }
            Event::Auth(_) => expect(socket.provide_auth(""), "auth"),
            Event::ConnectError(refusal) if refusal.nsp == admin.nsp() => {
                check!(
                    refusal.message == "not authorized",
                    "refused by {}",
                    refusal.message
                );
                check!(
                    refusal.data == Some("{\"code\":401}"),
                    "refused with {:?}",
                    refusal.data
                );
                refused.set(refused.get() + 1);
            }
            Event::ConnectError(refusal) => {
                check!(
                    refusal.nsp == unknown.nsp() && refusal.message == "Invalid namespace",
                    "an unexpected refusal"
                );
                missing.set(missing.get() + 1);
            }
            Event::Disconnected { reason, .. } => fail!("disconnected: {reason}"),
            _ => (),
        }
    };
    let script = async {
        until(|| refused.get() == 1 && missing.get() == 1).await;
        root.ready().await;
        check!(
            !admin.active() && !unknown.active(),
            "a refused namespace is still tried"
        );
        *token.borrow_mut() = "secret";
        admin.connect();
        admin.ready().await;
        check!(
            (refused.get(), root.connected()) == (1, true),
            "refused again, or the first namespace was lost"
        );
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// A server that pings every 300 ms: the connection outlives many of its deadlines, and its silence is noticed.
pub(crate) async fn heartbeat(network: Network) {
    let (socket, mut runner) = client!(Small, config("/"));
    let (pings, lost) = (Cell::new(0), Cell::new(0));
    let handler = |_: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::Ping => pings.set(pings.get() + 1),
            Event::Disconnected { reason, .. } => {
                check!(
                    *reason == sockeye_embedded::DisconnectReason::PingTimeout,
                    "lost by {reason}"
                );
                lost.set(lost.get() + 1);
            }
            _ => (),
        }
    };
    let script = async {
        socket.ready().await;
        Timer::after(Duration::from_secs(3)).await;
        check!(pings.get() >= 8, "only {} pings in 3 s", pings.get());
        check!(lost.get() == 0, "lost though the server was there");
        let silent = Instant::now();
        crate::stage::host("hang");
        until(|| lost.get() == 1).await;
        metric!("silence_noticed_ms", silent.elapsed().as_millis());
        crate::stage::host("release");
        socket.ready().await;
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}
