//! Hostile servers and bad days, in numbers: cuts at every byte, floods, storms, futures dropped anywhere.
//! `SOCKEYE_HEAVY=1` runs the counts that were tried by hand once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::testing::Server;
use sockeye::{Bin, CloseError, EmitError, Limits, Socket, Transport};
use sockeye_testkit::{frame, response};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::support::raw::{OPEN, connected, listen, ws};
use crate::support::{Log, PATIENCE, client_at, eventually, quick, within};

fn scaled(usual: usize, heavy: usize) -> usize {
    if std::env::var_os("SOCKEYE_HEAVY").is_some() {
        heavy
    } else {
        usual
    }
}

/// A small generator of numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Where connection `n` is cut, and whether by a reset.
fn cut(n: usize) -> (usize, bool) {
    (n / 2, n % 2 == 1)
}

#[tokio::test]
async fn cut_at_every_byte_of_the_websocket_handshake() {
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    let address = listen(0, move |n, mut peer| {
        let counted = Arc::clone(&counted);
        async move {
            let Some(mut bytes) = peer.hello().await else {
                return;
            };
            bytes.extend(frame(0x81, b"40{\"sid\":\"S\"}"));
            let (at, reset) = cut(n);
            if at < bytes.len() {
                counted.fetch_add(1, Ordering::SeqCst);
                peer.write(&bytes[..at]).await;
                if reset {
                    peer.reset();
                }
                return;
            }
            bytes.extend(frame(0x81, b"42[\"whole\"]"));
            peer.write(&bytes).await;
            peer.linger().await;
        }
    });
    let log = Log::new();
    let (events, errors, losses) = (log.clone(), log.clone(), log.clone());
    let _socket = ws(address)
        .reconnection_delay(Duration::from_millis(1))
        .reconnection_delay_max(Duration::from_millis(1))
        .on("whole", move |()| events.push("whole"))
        .on_connect_error(move |_, error| errors.push(format!("error {error}")))
        .on_disconnect(move |_, why| losses.push(format!("lost {why}")))
        .connect_background()
        .unwrap();
    log.wait_for("whole").await;
    let lines = log.lines();
    let cuts = cuts.load(Ordering::SeqCst);
    assert!(cuts > 400, "{cuts}");
    // Each cut is told once, by one line of text.
    assert_eq!(lines.len(), cuts + 1);
    assert!(lines.iter().all(|line| !line.contains(char::is_control)));
}

#[tokio::test]
async fn cut_at_every_byte_of_the_polling_handshake() {
    let whole = response(
        "200 OK",
        "Content-Type: text/plain\r\n",
        format!("{OPEN}\u{1e}40{{\"sid\":\"S\"}}\u{1e}42[\"whole\"]").as_bytes(),
    );
    let cuts = 2 * whole.len();
    let attempts = Arc::new(AtomicUsize::new(0));
    let address = listen(0, move |_, mut peer| {
        let (whole, attempts) = (whole.clone(), Arc::clone(&attempts));
        async move {
            while let Some(request) = peer.request().await {
                match (request.method(), request.query("sid")) {
                    ("GET", None) => {
                        let n = attempts.fetch_add(1, Ordering::SeqCst);
                        let (at, reset) = cut(n);
                        if n >= cuts {
                            peer.write(&whole).await;
                            continue;
                        }
                        peer.write(&whole[..at]).await;
                        if reset {
                            peer.reset();
                        }
                        return;
                    }
                    ("GET", _) => return peer.linger().await,
                    _ => peer.write(&response("200 OK", "", b"ok")).await,
                }
            }
        }
    });
    let log = Log::new();
    let (events, errors, losses) = (log.clone(), log.clone(), log.clone());
    let _socket = client_at(format!("http://{address}"))
        .transports([Transport::Polling])
        .reconnection_delay(Duration::from_millis(1))
        .reconnection_delay_max(Duration::from_millis(1))
        .on("whole", move |()| events.push("whole"))
        .on_connect_error(move |_, error| errors.push(format!("error {error}")))
        .on_disconnect(move |_, why| losses.push(format!("lost {why}")))
        .connect_background()
        .unwrap();
    log.wait_for("whole").await;
    let lines = log.lines();
    assert!(cuts > 300, "{cuts}");
    assert_eq!(lines.len(), cuts + 1);
    assert!(lines.iter().all(|line| !line.contains(char::is_control)));
}

#[tokio::test]
async fn a_flood_of_small_events_arrives_in_order() {
    let count = scaled(300_000, 1_000_000);
    let address = listen(0, move |_, mut peer| async move {
        let Some(()) = peer.join().await else { return };
        let mut batch = Vec::new();
        for n in 0..count {
            batch.extend(frame(0x81, format!("42[\"n\",{n}]").as_bytes()));
            if batch.len() > 60_000 || n + 1 == count {
                peer.write(&batch).await;
                batch.clear();
            }
        }
        peer.linger().await;
    });
    let next = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&next);
    let _socket = connected(ws(address).on("n", move |(n,): (usize,)| {
        assert_eq!(seen.fetch_add(1, Ordering::SeqCst), n);
    }))
    .await;
    eventually("all events", || next.load(Ordering::SeqCst) == count).await;
}

/// Small events are counted for what they cost in memory, not for their bytes.
#[tokio::test]
async fn a_flood_behind_a_handler_that_waits_is_held_up() {
    const EVENTS: usize = 4_000_000;
    let written = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&written);
    let address = listen(0, move |_, mut peer| {
        let told = Arc::clone(&told);
        async move {
            let Some(()) = peer.join().await else { return };
            let batch = frame(0x81, b"42[\"n\"]").repeat(1000);
            for _ in 0..EVENTS / 1000 {
                if peer.stream.write_all(&batch).await.is_err() {
                    return;
                }
                told.fetch_add(1000, Ordering::SeqCst);
            }
        }
    });
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let socket = connected(ws(address).on("n", move |()| {
        let open = Arc::clone(&open);
        async move {
            let _ = open.acquire().await;
        }
    }))
    .await;
    // 4 MiB of events that wait are some 60 000; the rest lies in the buffers of two sockets, or is not taken at all.
    let mut before = usize::MAX;
    eventually("held up", || {
        let now = written.load(Ordering::SeqCst);
        let still = now == before && now > 0;
        before = now;
        still
    })
    .await;
    let taken = written.load(Ordering::SeqCst);
    assert!(taken < EVENTS / 2, "{taken} events were taken");
    assert!(socket.connected());
}

/// `emit` says when it is full, `flush` waits, `close` does not wait for ever.
#[tokio::test]
async fn a_server_that_never_reads() {
    let address = listen(4096, |_, mut peer| async move {
        let Some(()) = peer.join().await else { return };
        std::future::pending::<()>().await;
    });
    let mut limits = Limits::default();
    limits.send = 1 << 20;
    let builder = ws(address)
        .limits(limits)
        .close_timeout(Duration::from_millis(200));
    let socket = connected(builder).await;
    let pad = "x".repeat(10_000);
    // What the sockets' buffers take is soon full too.
    let mut accepted = 0;
    let error = within("full", async {
        loop {
            match socket.emit("e", (&pad,)) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    let room = tokio::time::timeout(Duration::from_millis(100), socket.room());
                    if room.await.is_err() {
                        return error;
                    }
                }
            }
        }
    })
    .await;
    assert_eq!(error, EmitError::Full);
    assert!(accepted > 100);
    let flushed = tokio::time::timeout(Duration::from_millis(50), socket.flush()).await;
    assert!(flushed.is_err(), "flushed to a server that reads nothing");
    let begun = std::time::Instant::now();
    let error: CloseError = within("close", socket.close()).await.unwrap_err();
    assert!(error.unsent() > 50, "{error}");
    assert!(begun.elapsed() < PATIENCE / 2);
    eventually("no connection is left", || {
        // The server's task waits for ever, and the one that accepts.
        let metrics = tokio::runtime::Handle::current().metrics();
        metrics.num_alive_tasks() == 2
    })
    .await;
}

/// At least once and in order, whatever is cut: before a packet, within it, before its answer.
#[tokio::test(start_paused = true)]
async fn retries_survive_a_thousand_cuts() {
    if !crate::support::on_tokio() {
        return; // The server in memory, and its clock, are tokio's.
    }
    let cuts = scaled(300, 1000);
    let server = Server::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    server.on("n", move |event| {
        let (n, bin): (usize, Option<Bin>) = event.parse().unwrap();
        assert_eq!(bin.is_some(), n.is_multiple_of(3));
        told.lock().unwrap().push(n);
        event.ack(());
    });
    let socket = quick(client_at(server.url("/")))
        .retries(u32::MAX)
        .ack_timeout(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    let mut dice = Dice(7);
    let mut emitted = 0usize;
    for _ in 0..cuts {
        for _ in 0..dice.below(6) {
            let bin = emitted
                .is_multiple_of(3)
                .then(|| Bin::from(vec![1; dice.below(5000) as usize]));
            socket.emit("n", (emitted, bin)).unwrap();
            emitted += 1;
        }
        for _ in 0..dice.below(40) {
            tokio::task::yield_now().await;
        }
        if dice.below(2) == 0 {
            tokio::time::sleep(Duration::from_micros(dice.below(20_000))).await;
        }
        server.cut();
    }
    tokio::time::timeout(Duration::from_secs(600), socket.flush())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // A packet whose answer was lost comes again, in its place.
    let mut order = seen.lock().unwrap().clone();
    order.dedup();
    assert!(emitted > cuts);
    assert!(order.iter().copied().eq(0..emitted), "{order:?}");
}

/// All lose their server at once, wait a minute for it, and are back soon after it is.
#[tokio::test(start_paused = true)]
async fn a_storm_of_clients_finds_its_server_again() {
    if !crate::support::on_tokio() {
        return; // The server in memory, and its clock, are tokio's.
    }
    let many = scaled(200, 500);
    let server = Server::new();
    server.on("who", |event| event.ack(event.parse::<(usize,)>().unwrap()));
    let mut sockets = Vec::new();
    for _ in 0..many {
        sockets.push(client_at(server.url("/")).connect().await.unwrap());
    }
    for round in 0..3 {
        if round == 1 {
            server.cut();
            // They notice it.
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(!sockets.iter().any(Socket::connected));
        } else {
            server.stop();
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(!sockets.iter().any(Socket::connected));
            server.start();
        }
        let begun = tokio::time::Instant::now();
        for (n, socket) in sockets.iter().enumerate() {
            assert!(socket.ready().await);
            let (m,): (usize,) = socket.emit_with_ack("who", (n,)).await.unwrap();
            assert_eq!(m, n);
        }
        // 5 s at most between attempts, spread by half of it.
        assert!(begun.elapsed() < Duration::from_secs(9));
        assert_eq!(server.connections(), many);
    }
    for socket in sockets {
        socket.close().await.unwrap();
    }
    assert_eq!(server.connections(), 0);
}

/// Futures are dropped after a few polls, with the connection in any state, and nothing is used up.
#[tokio::test(start_paused = true)]
async fn futures_dropped_at_random_leave_nothing_behind() {
    if !crate::support::on_tokio() {
        return; // The server in memory, and its clock, are tokio's.
    }
    const ACKS: usize = 64;
    let server = Server::new();
    server.on("echo", |event| {
        event.ack(event.parse::<(u64,)>().unwrap());
    });
    let mut limits = Limits::default();
    limits.acks = ACKS;
    let socket = quick(client_at(server.url("/")))
        .limits(limits)
        .connect()
        .await
        .unwrap();
    let other = socket.namespace("/other").connect().await.unwrap();
    let mut dice = Dice(1);
    for n in 0..20_000u64 {
        let socket = if dice.below(4) == 0 { &other } else { &socket };
        let mut future: Pin<Box<dyn Future<Output = ()> + '_>> = match dice.below(6) {
            0 => Box::pin(async { drop(socket.connect().await) }),
            1 => Box::pin(socket.flush()),
            2 => Box::pin(async {
                let _ = socket.ready().await;
            }),
            3 => Box::pin(socket.room()),
            _ => Box::pin(async {
                drop(socket.emit_with_ack::<_, (u64,)>("echo", (n,)).await);
            }),
        };
        for _ in 0..dice.below(6) {
            let done = futures_util::future::poll_immediate(&mut future).await;
            if done.is_some() {
                future = Box::pin(async {});
            }
            tokio::task::yield_now().await;
        }
        drop(future);
        match dice.below(400) {
            0 => server.cut(),
            1 => socket.disconnect(),
            2 => tokio::time::sleep(Duration::from_millis(30)).await,
            _ => (),
        }
    }
    within("joined", socket.connect()).await.unwrap();
    let all: Vec<_> = (0..ACKS as u64)
        .map(|n| socket.emit_with_ack::<_, (u64,)>("echo", (n,)).send())
        .collect();
    for (n, answer) in all.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), (n as u64,));
    }
}
