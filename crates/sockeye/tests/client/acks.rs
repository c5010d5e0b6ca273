//! Acknowledgements of the server.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use sockeye::{AckError, Args, ArgsError, Bin, EmitError, Limits};
use sockeye_testkit::Settings;

use crate::support::{Host, client, eventually, polling, within};

/// The server answers nothing by itself.
fn silent() -> Host {
    Host::with(Settings {
        mute_acks: usize::MAX,
        ..Settings::default()
    })
}

#[derive(Debug, Deserialize, PartialEq)]
struct Answer {
    ok: bool,
    note: Option<String>,
}

#[tokio::test]
async fn typed_answers() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let ask = tokio::spawn({
        let socket = socket.clone();
        async move {
            let one: (u32, String) = socket.emit_with_ack("one", (1,)).await.unwrap();
            let (two,): (Answer,) = socket.emit_with_ack("two", ()).await.unwrap();
            socket.emit_with_ack::<_, ()>("three", ()).await.unwrap();
            let four: Args = socket.emit_with_ack("four", ()).await.unwrap();
            let five: (Option<u8>, Option<u8>) = socket.emit_with_ack("five", ()).await.unwrap();
            (one, two, four.json().to_owned(), five)
        }
    });
    for (n, answer) in [
        "[7,\"seven\"]",
        "[{\"ok\":true,\"more\":1}]",
        "[1,2,3]",
        "[{\"a\":[]}]",
        "[5]",
    ]
    .into_iter()
    .enumerate()
    {
        host.received(n + 1).await;
        host.send(&format!("43{n}{answer}"));
    }
    let (one, two, four, five) = within("answers", ask).await.unwrap();
    assert_eq!(one, (7, "seven".into()));
    assert_eq!(
        two,
        Answer {
            ok: true,
            note: None
        }
    );
    assert_eq!(four, "[{\"a\":[]}]");
    assert_eq!(five, (Some(5), None));
}

#[tokio::test]
async fn a_wrong_type_is_told() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let error = within("answer", socket.emit_with_ack::<_, (u32,)>("text", ()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AckError::Answer(ArgsError::Invalid { index: 0, .. })),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with("the acknowledgement is not as expected: argument 0"),
        "{error}"
    );
    let error = within(
        "answer",
        socket.emit_with_ack::<_, (String, u32)>("text", ()),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(error, AckError::Answer(ArgsError::Missing { index: 1 })),
        "{error:?}"
    );
}

#[tokio::test]
async fn two_hundred_in_flight_answered_backwards() {
    for builder in [client, polling] {
        let host = silent();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let asks: Vec<_> = (0..200)
            .map(|n: u32| socket.emit_with_ack::<_, (u32,)>("n", (n,)).send())
            .collect();
        let all = tokio::spawn(join_all(asks));
        host.received(200).await;
        for n in (0..200).rev() {
            host.send(&format!("43{n}[{}]", n * 10));
        }
        let answers = within("answers", all).await.unwrap();
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), (n as u32 * 10,));
        }
    }
}

#[tokio::test]
async fn an_answer_with_binary() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let ask = socket.emit_with_ack::<_, (String, Bin, Vec<Bin>)>(
            "b",
            (
                Bin::from(vec![1, 2]),
                [Bin::from(vec![]), Bin::from(vec![9; 3000])],
            ),
        );
        let (name, one, many) = within("answer", ask).await.unwrap();
        assert_eq!(name, "b");
        assert_eq!(&one[..], [1, 2]);
        assert_eq!((many[0].len(), &many[1][..]), (0, &[9; 3000][..]));
        let ask = socket.emit_with_ack::<_, Args>("b", (Bin::from(vec![3]),));
        let args = within("answer", ask).await.unwrap();
        assert_eq!(args.attachments()[0][..], [3]);
    }
}

#[tokio::test]
async fn timeouts_of_the_call_and_of_the_socket() {
    let host = silent();
    let socket = within(
        "connect",
        client(&host)
            .ack_timeout(Duration::from_millis(20))
            .connect(),
    )
    .await
    .unwrap();
    let error = within("answer", socket.emit_with_ack::<_, ()>("a", ()))
        .await
        .unwrap_err();
    assert_eq!(error, AckError::Timeout { sent: true });
    let ask = socket
        .emit_with_ack::<_, (u32,)>("b", ())
        .timeout(Duration::from_secs(60))
        .send();
    let ask = tokio::spawn(ask);
    host.received(2).await;
    // The late answer to the first one is for nobody.
    host.send("430[1]");
    host.send("431[2]");
    assert_eq!(within("answer", ask).await.unwrap().unwrap(), (2,));
    let error = within(
        "answer",
        socket
            .emit_with_ack::<_, ()>("c", ())
            .timeout(Duration::ZERO),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, AckError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_packet_that_timed_out_unsent_is_not_sent() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    socket.emit("before", ()).unwrap();
    let answer = socket
        .emit_with_ack::<_, ()>("stale", ())
        .timeout(Duration::from_millis(5))
        .send();
    // Two ask, one of them before the time is up.
    let (early, late) = (tokio::spawn(answer.sent()), answer.sent());
    let error = within("timeout", answer).await.unwrap_err();
    assert_eq!(error, AckError::Timeout { sent: false });
    assert!(!within("late", late).await);
    socket.emit("after", ()).unwrap();
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(host.received(2).await, ["/ [\"before\"]", "/ [\"after\"]"]);
    assert!(!within("early", early).await.unwrap());
    // What the server does not answer has been sent all the same, and that is told before the answer fails.
    host.state(|state| state.server.settings.mute_acks = usize::MAX);
    let answer = socket
        .emit_with_ack::<_, ()>("mute", ())
        .timeout(Duration::from_millis(20))
        .send();
    assert!(within("sent", answer.sent()).await);
    let error = within("timeout", answer).await.unwrap_err();
    assert_eq!(error, AckError::Timeout { sent: true });
    let never = socket.emit_with_ack::<_, ()>("connect", ()).send();
    assert!(!within("refused", never.sent()).await);
}

#[tokio::test]
async fn lost_connections_fail_what_was_sent_and_keep_what_was_not() {
    let host = silent();
    let socket = within(
        "connect",
        client(&host)
            .reconnection_delay(Duration::from_millis(50))
            .connect(),
    )
    .await
    .unwrap();
    let sent = tokio::spawn(socket.emit_with_ack::<_, ()>("sent", ()).send());
    host.received(1).await;
    host.cut();
    assert_eq!(
        within("answer", sent).await.unwrap().unwrap_err(),
        AckError::Disconnected { sent: true }
    );
    host.state(|state| state.server.settings.mute_acks = 0);
    // Emitted while there is no connection: it waits for the next one.
    let kept = socket.emit_with_ack::<_, (String,)>("kept", ());
    assert_eq!(within("answer", kept).await.unwrap(), ("kept".into(),));
}

#[tokio::test]
async fn disconnect_fails_what_waits() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let ask = tokio::spawn(socket.emit_with_ack::<_, ()>("a", ()).send());
    host.received(1).await;
    socket.disconnect();
    assert_eq!(
        within("answer", ask).await.unwrap().unwrap_err(),
        AckError::Disconnected { sent: true }
    );
    // The server throws the client out: the same.
    within("connect", socket.connect()).await.unwrap();
    let ask = tokio::spawn(socket.emit_with_ack::<_, ()>("b", ()).send());
    host.received(2).await;
    host.send("41");
    assert_eq!(
        within("answer", ask).await.unwrap().unwrap_err(),
        AckError::Disconnected { sent: true }
    );
}

#[tokio::test]
async fn a_cleared_send_buffer_fails_what_waits() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    let ask = tokio::spawn(socket.emit_with_ack::<_, ()>("a", ()).send());
    tokio::task::yield_now().await;
    socket.emit("b", ()).unwrap();
    socket.clear_send_buffer();
    assert_eq!(
        within("answer", ask).await.unwrap().unwrap_err(),
        AckError::Dropped { sent: false }
    );
    socket.emit("c", ()).unwrap();
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(host.received(1).await, ["/ [\"c\"]"]);
}

#[tokio::test]
async fn futures_may_be_dropped() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    // Never polled: never sent.
    drop(socket.emit_with_ack::<_, ()>("unsent", ()));
    // Polled once: sent; the answer is for nobody.
    let _ = tokio::time::timeout(Duration::ZERO, socket.emit_with_ack::<_, ()>("sent", ())).await;
    let ask = tokio::spawn(socket.emit_with_ack::<_, (u8,)>("last", ()).send());
    assert_eq!(host.received(2).await, ["/ [\"sent\"]", "/ [\"last\"]"]);
    host.send("430[0]");
    host.send("431[1]");
    host.send("431[2]");
    host.send("4399[3]");
    assert_eq!(within("answer", ask).await.unwrap().unwrap(), (1,));
    assert!(socket.connected());
}

#[tokio::test]
async fn packets_that_are_not_accepted() {
    let host = Host::start();
    let mut limits = Limits::default();
    limits.send = 4096;
    let socket = client(&host).limits(limits).open().unwrap();
    for name in [
        "connect",
        "disconnect",
        "connect_error",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        assert_eq!(socket.emit(name, ()), Err(EmitError::Reserved));
        let error = within("answer", socket.emit_with_ack::<_, ()>(name, ()))
            .await
            .unwrap_err();
        assert_eq!(error, AckError::NotSent(EmitError::Reserved));
    }
    let many = vec![Bin::from(vec![0]); 11];
    assert_eq!(
        socket.emit("e", (many,)),
        Err(EmitError::TooManyAttachments)
    );
    assert_eq!(
        socket.emit("e", ("x".repeat(5000),)),
        Err(EmitError::TooLarge)
    );
    let broken = std::collections::HashMap::from([(vec![1], 2)]);
    let error = socket.emit("e", (broken,)).unwrap_err();
    assert!(
        matches!(error, EmitError::Encode(_)) && !error.to_string().contains('\n'),
        "{error}"
    );
    let error = within(
        "answer",
        socket.emit_with_ack::<_, ()>("e", ("x".repeat(5000),)),
    )
    .await
    .unwrap_err();
    assert_eq!(error, AckError::NotSent(EmitError::TooLarge));
}

/// An acknowledgement that never comes costs its own entry, however many others come meanwhile.
#[tokio::test]
async fn one_that_never_comes_does_not_hold_others_up() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let never = tokio::spawn(socket.emit_with_ack::<_, ()>("never", ()).send());
    host.received(1).await;
    host.state(|state| state.server.settings.mute_acks = 0);
    for n in 0..300u32 {
        let (_, m): (String, u32) = within("answer", socket.emit_with_ack("n", (n,)))
            .await
            .unwrap();
        assert_eq!(m, n);
    }
    assert!(!never.is_finished());
    socket.disconnect();
    assert_eq!(
        within("answer", never).await.unwrap().unwrap_err(),
        AckError::Disconnected { sent: true }
    );
    eventually("idle", || !socket.active()).await;
}
