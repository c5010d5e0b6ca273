//! The send buffer: bounds, order, volatile packets, retries.

use std::time::Duration;

use sockeye::testing::Server;
use sockeye::{AckError, Bin, EmitError, Limits, Notice, UnsentCause};

use crate::support::{Host, Log, client, client_at, polling, within};

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// Lets the driver do what it has been woken for.
async fn a_round() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// What was accepted is sent, all of it and in order; the rest was refused to the caller's face.
#[tokio::test]
async fn full_means_full_and_ok_means_sent() {
    let cases = [
        ("bytes", limits(|l| l.send = 8 << 10), "x".repeat(100)),
        ("small bytes", limits(|l| l.send = 8 << 10), String::new()),
        ("packets", limits(|l| l.packets = 20), "x".into()),
        ("one large", limits(|l| l.send = 8 << 10), "x".repeat(5000)),
    ];
    for (name, limits, pad) in cases {
        let host = Host::start();
        let socket = client(&host)
            .namespace(
                "/a-rather-long-name-of-a-namespace/that/goes/on/and/on/for/more/than/the/usual",
            )
            .limits(limits)
            .open()
            .unwrap();
        let mut accepted = 0;
        loop {
            match socket.emit("n", (accepted, &pad)) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    assert_eq!(error, EmitError::Full, "{name}");
                    break;
                }
            }
            // The driver takes them over meanwhile, or not.
            if accepted % 7 == 0 {
                tokio::task::yield_now().await;
            }
            assert!(accepted < 1000, "{name}: no bound");
        }
        assert!(accepted > 0, "{name}");
        socket.connect_background();
        within("room", socket.room()).await;
        socket.emit("end", ()).unwrap();
        let received = host.received(accepted + 1).await;
        for (n, line) in received[..accepted].iter().enumerate() {
            assert!(
                line.contains(&format!("[\"n\",{n},")),
                "{name}: {n} of {accepted} is missing"
            );
        }
    }
}

/// The same while the driver takes packets over in parallel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_means_full_with_many_producers() {
    let host = Host::start();
    let socket = client(&host)
        .limits(limits(|l| l.send = 4 << 20))
        .open()
        .unwrap();
    let pad = "x".repeat(2000);
    let producers: Vec<_> = (0..3)
        .map(|producer| {
            let (socket, pad) = (socket.clone(), pad.clone());
            std::thread::spawn(move || {
                let mut accepted = 0;
                while socket.emit("n", (producer, accepted, &pad)).is_ok() {
                    accepted += 1;
                }
                accepted
            })
        })
        .collect();
    let accepted: usize = producers
        .into_iter()
        .map(|producer| producer.join().unwrap())
        .sum();
    assert!((1000..3000).contains(&accepted), "{accepted}");
    within("connect", socket.connect()).await.unwrap();
    within("written", socket.flush()).await;
    assert_eq!(host.received(accepted).await.len(), accepted);
}

#[tokio::test]
async fn long_names_of_namespaces_count() {
    let host = Host::start();
    let socket = client(&host)
        .namespace("n".repeat(3000))
        .limits(limits(|l| l.send = 4 << 20))
        .open()
        .unwrap();
    let mut accepted = 0;
    while socket.emit("n", (accepted,)).is_ok() {
        accepted += 1;
    }
    within("connect", socket.connect()).await.unwrap();
    within("written", socket.flush()).await;
    assert_eq!(host.received(accepted).await.len(), accepted);
}

#[tokio::test]
async fn full_with_attachments() {
    let host = Host::start();
    let socket = client(&host)
        .limits(limits(|l| l.packets = 30))
        .open()
        .unwrap();
    let mut accepted = 0;
    while socket
        .emit("b", (accepted, Bin::from(vec![1]), Bin::from(vec![2])))
        .is_ok()
    {
        accepted += 1;
        assert!(accepted < 100, "no bound");
    }
    within("connect", socket.connect()).await.unwrap();
    socket.emit("end", ()).unwrap();
    let received = host.received(accepted + 1).await;
    assert_eq!(received.len(), accepted + 1);
}

#[tokio::test]
async fn too_many_acknowledgements_are_refused_not_lost() {
    let host = Host::start();
    let socket = client(&host).limits(limits(|l| l.acks = 5)).open().unwrap();
    let asks: Vec<_> = (0..10)
        .map(|n| tokio::spawn(socket.emit_with_ack::<_, (String, u32)>("n", (n,)).send()))
        .collect();
    tokio::task::yield_now().await;
    within("connect", socket.connect()).await.unwrap();
    let mut answered = 0;
    for (n, ask) in asks.into_iter().enumerate() {
        match within("answer", ask).await.unwrap() {
            Ok((_, m)) => {
                assert_eq!(m as usize, n);
                answered += 1;
            }
            Err(error) => assert_eq!(error, AckError::NotSent(EmitError::TooManyAcks)),
        }
    }
    assert_eq!(answered, 5);
    assert_eq!(host.received(5).await.len(), 5);
}

/// A producer that is faster than the network gets by with a small buffer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_paces_a_producer() {
    for builder in [client, polling] {
        let host = Host::start();
        let socket = within(
            "connect",
            builder(&host)
                .limits(limits(|l| l.send = 8 << 10))
                .connect(),
        )
        .await
        .unwrap();
        let pad = "x".repeat(1000);
        let (mut full, mut sent) = (0, 0);
        // However fast the driver is: at some point the buffer is full.
        while sent < 1000 || full <= 3 && sent < 20_000 {
            let n = sent;
            sent += 1;
            while let Err(error) = socket.emit("n", (n, &pad)) {
                assert_eq!(error, EmitError::Full);
                full += 1;
                within("room", socket.room()).await;
            }
        }
        assert!(full > 3, "{full}");
        within("written", socket.flush()).await;
        let received = host.received(sent).await;
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(n, line)| line.starts_with(&format!("/ [\"n\",{n},")))
        );
    }
}

#[tokio::test]
async fn flush_waits_for_what_was_emitted_before() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    // Nothing to wait for.
    within("flush", socket.flush()).await;
    socket.emit("a", ()).unwrap();
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { socket.flush().await }
    });
    a_round().await;
    assert!(!waiting.is_finished());
    within("connect", socket.connect()).await.unwrap();
    within("flush", waiting).await.unwrap();
    host.received(1).await;
}

#[tokio::test]
async fn volatile_packets_are_dropped_unless_they_can_go_at_once() {
    let host = Host::start();
    let socket = client(&host).open().unwrap();
    assert_eq!(
        socket.volatile().emit("unjoined", ()),
        Err(EmitError::NotWritable)
    );
    assert_eq!(
        socket.compress(false).volatile().emit("unjoined", ()),
        Err(EmitError::NotWritable)
    );
    let error = within(
        "ack",
        socket.volatile().emit_with_ack::<_, ()>("unjoined", ()),
    )
    .await
    .unwrap_err();
    assert_eq!(error, AckError::Dropped { sent: false });
    assert_eq!(
        socket.volatile().emit("disconnect", ()),
        Err(EmitError::Reserved)
    );
    within("connect", socket.connect()).await.unwrap();
    within("written", socket.flush()).await;
    socket.volatile().emit("now", (1,)).unwrap();
    assert_eq!(host.received(1).await, ["/ [\"now\",1]"]);
    let (_, n): (String, u8) = within("ack", socket.volatile().emit_with_ack("asked", (2,)))
        .await
        .unwrap();
    assert_eq!(n, 2);
    // A server that does not read: the link fills up.
    host.state(|state| state.stalled = true);
    socket.emit("large", ("x".repeat(24 << 20),)).unwrap();
    a_round().await;
    // Whether the link takes it, the driver finds out: it is told.
    let mut notices = socket.notices();
    let bytes = Bin::from(vec![1, 2]);
    socket.volatile().emit("dropped", (bytes,)).unwrap();
    let notice = within("a notice", notices.next()).await;
    let Some(Notice::Unsent {
        event,
        bytes: 43,
        cause: UnsentCause::NotWritable,
    }) = notice
    else {
        panic!("another notice: {notice:?}")
    };
    assert_eq!(event, "dropped");
    let error = within(
        "ack",
        socket.volatile().emit_with_ack::<_, ()>("dropped", ()),
    )
    .await
    .unwrap_err();
    assert_eq!(error, AckError::Dropped { sent: false });
    host.state(|state| state.stalled = false);
    within("written", socket.flush()).await;
    socket.volatile().emit("again", ()).unwrap();
    let received = host.received(4).await;
    assert!(received[2].starts_with("/ [\"large\""));
    assert_eq!(received[3], "/ [\"again\"]");
}

/// A server that leaves the first events without an answer; the names of all it has seen.
fn forgetful(unanswered: usize) -> (Server, Log) {
    let (server, log) = (Server::new(), Log::new());
    for name in ["one", "two", "lost", "kept"] {
        let seen = log.clone();
        server.on(name, move |event| {
            seen.push(event.name());
            if seen.lines().len() > unanswered {
                event.ack((event.name(), event.args().len() as u32));
            }
        });
    }
    (server, log)
}

#[tokio::test(start_paused = true)]
async fn retries_keep_order_and_try_again() {
    if !crate::support::on_tokio() {
        return; // The server in memory, and its clock, are tokio's.
    }
    let (server, seen) = forgetful(2);
    let builder = client_at(server.url("/"))
        .retries(2)
        .ack_timeout(Duration::from_secs(20));
    let socket = builder.connect().await.unwrap();
    let begun = tokio::time::Instant::now();
    socket.emit("one", ()).unwrap();
    let two = socket.emit_with_ack::<_, (String, u32)>("two", (2,));
    assert_eq!(two.await.unwrap(), ("two".into(), 1));
    // The first one was sent three times before it was answered; nothing overtook it.
    assert_eq!(seen.lines(), ["one", "one", "one", "two"]);
    assert_eq!(begun.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn retries_used_up_and_over_a_reconnection() {
    if !crate::support::on_tokio() {
        return; // The server in memory, and its clock, are tokio's.
    }
    let (server, seen) = forgetful(3);
    let builder = client_at(server.url("/"))
        .retries(1)
        .ack_timeout(Duration::from_secs(10));
    let socket = builder.connect().await.unwrap();
    let lost = socket.emit_with_ack::<_, ()>("lost", ());
    assert_eq!(lost.await.unwrap_err(), AckError::Timeout { sent: true });
    assert_eq!(seen.lines(), ["lost", "lost"]);
    // The head of the queue goes again on the next connection.
    let kept = socket
        .emit_with_ack::<_, (String,)>("kept", ())
        .timeout(Duration::from_secs(60))
        .send();
    seen.wait(3).await;
    server.cut();
    assert_eq!(kept.await.unwrap(), ("kept".into(),));
    assert_eq!(seen.lines()[2..], ["kept", "kept"]);
}
