//! Acknowledgements, asked by the client and asked by the server.

use std::time::Duration;

use serde_json::{Value, json};
use sockeye::{AckError, Args, Bin, Responder};
use tokio::task::JoinSet;

use crate::client::{WAYS, builder, connect, connect_by, upgraded};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually, within};

scenario!(the_server_answers and older);
async fn the_server_answers(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        // The first id is 0; each answer belongs to its own question.
        let (): () = within("an empty answer", socket.emit_with_ack("ack", ()))
            .await
            .unwrap();
        let (n, text): (u32, String) = within("two", socket.emit_with_ack("ack", (1, "two")))
            .await
            .unwrap();
        assert_eq!((n, text.as_str()), (1, "two"));
        let (list,): (Vec<u32>,) = within("a list", socket.emit_with_ack("ack", ([1, 2, 3],)))
            .await
            .unwrap();
        assert_eq!(list, [1, 2, 3]);
        let (nothing,): (Option<u32>,) =
            within("null", socket.emit_with_ack("ack", (Value::Null,)))
                .await
                .unwrap();
        assert_eq!(nothing, None);
    }
}

scenario!(two_hundred_in_flight and older);
async fn two_hundred_in_flight(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let mut questions = JoinSet::new();
        for i in 0..200_u64 {
            // The answers come in another order than the questions went.
            let answer = socket.emit_with_ack::<_, (u64,)>("later", ((200 - i) % 50, i));
            questions.spawn(async move { (i, answer.await) });
        }
        let all = within("200 answers", questions.join_all()).await;
        assert_eq!(all.len(), 200);
        for (i, answer) in all {
            assert_eq!(answer.unwrap(), (i,), "{way:?}");
        }
    }
}

scenario!(the_client_answers and older);
async fn the_client_answers(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/chat"), way).await;
        let answered = Seen::new();
        let seen = answered.clone();
        socket.on("answered", move |args: Args| {
            seen.push(Value::from(args.values()));
        });

        let sync = socket.on("question", |(n,): (u32,), reply: Responder| {
            reply.ack(("double", n * 2)).unwrap();
        });
        socket.emit("ask", (4,)).unwrap();
        assert_eq!(answered.first().await, json!(["double", 8]));
        assert!(socket.off(sync));

        let id = socket.on("question", |(n,): (u32,), reply: Responder| async move {
            tokio::task::yield_now().await;
            reply.ack((n + 1,)).unwrap();
        });
        socket.emit("ask", (1,)).unwrap();
        assert_eq!(answered.wait_for(2).await[1], json!([2]));
        assert!(socket.off(id));

        socket.on("question", |_: Args, reply: Responder| {
            assert!(reply.is_requested());
            reply.ack(()).unwrap();
        });
        socket.emit("ask", ()).unwrap();
        assert_eq!(answered.wait_for(3).await[2], json!([]));
    }
}

scenario!(the_client_answers_with_binary and older);
async fn the_client_answers_with_binary(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/"), way).await;
        let answered = Seen::new();
        let seen = answered.clone();
        socket.on(
            "answered",
            move |(same, n, reversed): (Bin, u32, Vec<Bin>)| seen.push((same, n, reversed)),
        );
        socket.on("question", |(n, bytes): (u32, Bin), reply: Responder| {
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            reply.ack((bytes, n, [Bin::from(reversed)])).unwrap();
        });
        socket.emit("ask", (7, Bin::from(vec![1, 2, 255]))).unwrap();
        let expected = (
            Bin::from(vec![1, 2, 255]),
            7,
            vec![Bin::from(vec![255, 2, 1])],
        );
        assert_eq!(answered.first().await, expected, "{way:?}");
    }
}

scenario!(a_missing_answer_times_out and older);
async fn a_missing_answer_times_out(kind: Kind) {
    let server = Server::start(kind).await;
    let socket = connect(&server.url("/")).await;
    let short = Duration::from_millis(100);
    let missing = socket.emit_with_ack::<_, ()>("silence", ()).timeout(short);
    let error = within("the timeout", missing).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout { .. }), "{error:?}");
    // A late answer belongs to nobody: the next question gets its own.
    let late = within(
        "the timeout",
        socket
            .emit_with_ack::<_, (u32,)>("later", (300, 1))
            .timeout(short),
    )
    .await;
    assert!(late.is_err());
    let (own,): (u32,) = within("an answer", socket.emit_with_ack("later", (400, 2)))
        .await
        .unwrap();
    assert_eq!(own, 2);
    assert!(socket.connected());
}

scenario!(a_broken_link_fails_what_was_asked and older);
async fn a_broken_link_fails_what_was_asked(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = connect(&link.url("/")).await;
    upgraded(&socket).await;
    let question = tokio::spawn(socket.emit_with_ack::<_, ()>("silence", ()).send());
    // Its packet is on its way for sure: this one was sent after it.
    let (n,): (u32,) = within("an answer", socket.emit_with_ack("ack", (1,)))
        .await
        .unwrap();
    assert_eq!(n, 1);
    link.cut();
    let error = within("the failure", question)
        .await
        .expect("no panic")
        .unwrap_err();
    assert!(matches!(error, AckError::Disconnected { .. }), "{error:?}");
    eventually("the reconnection", || socket.connected()).await;
}

scenario!(retries_until_the_server_answers);
async fn retries_until_the_server_answers(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let builder = builder(&link.url("/"))
        .retries(10)
        .ack_timeout(Duration::from_millis(500));
    let socket = crate::client::joined(builder).await;
    link.break_down();
    let question = tokio::spawn(socket.emit_with_ack::<_, (u32,)>("ack", (5,)).send());
    eventually("the disconnection", || !socket.connected()).await;
    link.lead_to(server.port);
    let (answer,) = within("the answer", question)
        .await
        .expect("no panic")
        .unwrap();
    assert_eq!(answer, 5);
}

scenario!(every_answer_comes_over_a_link_that_is_cut);
async fn every_answer_comes_over_a_link_that_is_cut(kind: Kind) {
    let server = Server::start(kind).await;
    for way in WAYS {
        let link = Link::to(server.port).await;
        let builder = builder(&link.url("/"))
            .transports(way.iter().copied())
            .retries(100)
            .ack_timeout(Duration::from_secs(1));
        let socket = crate::client::joined(builder).await;
        let mut answers = JoinSet::new();
        for i in 0..100_u32 {
            let answer = socket.emit_with_ack::<_, (u32,)>("ack", (i,));
            answers.spawn(async move { (i, answer.await) });
        }
        let mut came = 0;
        while let Some(answer) = within("the next answer", answers.join_next()).await {
            let (i, answer) = answer.expect("no panic");
            assert_eq!(answer.unwrap(), (i,), "{way:?}");
            came += 1;
            if came % 20 == 0 {
                link.cut();
            }
        }
        assert_eq!(came, 100);
    }
}
