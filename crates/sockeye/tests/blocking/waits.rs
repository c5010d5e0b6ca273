//! Waits: for answers, in handlers too, for events, for the end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use sockeye::blocking::{Client, RecvError, Socket};
use sockeye::{AckError, ConnectErrorKind, DisconnectReason, Notice, Responder};
use sockeye_testkit::Settings;

use crate::support::{Host, PATIENCE, closed_port};
use crate::{client, eventually, run};

fn silent() -> Host {
    Host::with(Settings {
        mute_acks: usize::MAX,
        ..Settings::default()
    })
}

#[test]
fn a_whole_session() {
    let host = Host::start();
    let (heard, told) = mpsc::channel();
    let socket = client(&host)
        .on("news", move |(n,): (u32,)| heard.send(n).unwrap())
        .connect()
        .unwrap();
    assert!(socket.connected() && socket.id().is_some());
    socket.emit("hello", ("world",)).unwrap();
    socket.flush();
    assert_eq!(run(host.received(1)), [r#"/ ["hello","world"]"#]);
    host.emit("/", r#"["news",7]"#);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(7));
    let mut events = socket.events();
    host.emit("/", r#"["one",1]"#);
    host.emit("/", r#"["two",2]"#);
    assert_eq!(events.next().unwrap().name(), "one");
    assert_eq!(events.recv().unwrap().parse::<(u32,)>(), Ok((2,)));
    assert!(matches!(events.try_recv(), Err(RecvError::Timeout)));
    let chat = socket.namespace("/chat").connect().unwrap();
    run(host.joined(&["/", "/chat"]));
    chat.close().unwrap();
    run(host.joined(&["/"]));
    socket.close().unwrap();
    run(host.empty());
    assert!(matches!(
        events.recv_timeout(PATIENCE),
        Err(RecvError::Ended)
    ));
    host.state(|state| assert_eq!(state.close_frames(), 1));
}

#[test]
fn the_first_failure_is_the_error() {
    let url = format!("http://{}", closed_port());
    let error = Client::builder(&url).connect().unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Transport);
    assert!(
        error.to_string().contains("is the server running?"),
        "{error}"
    );
    let error = Client::builder("gopher://x").connect().unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Config);
}

/// In the background it waits for the server, and what was emitted meanwhile arrives.
#[test]
fn a_server_that_is_not_there_yet() {
    let address = closed_port();
    let socket = Client::builder(format!("http://{address}"))
        .reconnection_delay(Duration::from_millis(5))
        .reconnection_delay_max(Duration::from_millis(10))
        .connect_background()
        .unwrap();
    let mut notices = socket.notices();
    socket.emit("kept", (1,)).unwrap();
    assert!(matches!(
        notices.recv_timeout(PATIENCE),
        Ok(Notice::ConnectError(_))
    ));
    assert!(!socket.ready_for(Duration::from_millis(1)));
    assert!(!socket.flush_for(Duration::from_millis(1)));
    let error = socket.clone().close().unwrap_err();
    assert_eq!(error.unsent(), 1);
}

#[test]
fn answers() {
    let host = silent();
    let socket = client(&host).connect().unwrap();
    let mut first = socket.emit_with_ack::<_, (u32,)>("ask", (1,)).begin();
    let second = socket.emit_with_ack::<_, (u32,)>("ask", (2,)).begin();
    run(host.received(2));
    assert!(first.try_get().is_none());
    assert!(first.wait_for(Duration::from_millis(1)).is_none());
    host.send("431[20]");
    assert_eq!(second.wait(), Ok((20,)));
    host.send("430[10]");
    assert_eq!(first.wait_for(PATIENCE), Some(Ok((10,))));
    let missing = socket
        .emit_with_ack::<_, ()>("ask", (3,))
        .timeout(Duration::from_millis(5));
    assert_eq!(missing.send(), Err(AckError::Timeout { sent: true }));
    let lost = socket.emit_with_ack::<_, ()>("ask", (4,)).begin();
    run(host.received(4));
    host.cut();
    assert_eq!(lost.wait(), Err(AckError::Disconnected { sent: true }));
    assert!(socket.ready_for(PATIENCE));
}

/// An answer resolves only after the handlers of all earlier events have returned.
#[test]
fn an_answer_comes_after_the_events_before_it() {
    let host = silent();
    let socket = client(&host).connect().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    socket.on("n", move |(_,): (usize,)| {
        std::thread::yield_now();
        counted.fetch_add(1, Ordering::SeqCst);
    });
    for id in 0..200 {
        let answer = socket.emit_with_ack::<_, (usize,)>("ask", (id,)).begin();
        run(host.received(id + 1));
        let mut packets: Vec<_> = (0..5).map(|n| format!("42[\"n\",{n}]")).collect();
        packets.push(format!("43{id}[{id}]"));
        host.segment(&packets);
        assert_eq!(answer.wait(), Ok((id,)));
        assert_eq!(seen.load(Ordering::SeqCst), 5 * (id + 1));
    }
}

/// A handler may wait for an answer, also one that lies behind it in what has been read already, and then goes on in its
/// order.
#[test]
fn a_handler_may_wait_for_an_answer() {
    let host = silent();
    let socket = client(&host).connect().unwrap();
    let (done, all_done) = mpsc::channel();
    let out = done.clone();
    socket.on("go", move |(n,): (u32,), reply: Responder| {
        let socket = reply.blocking_socket().unwrap();
        out.send(format!("asks {n}")).unwrap();
        let answer = socket
            .emit_with_ack::<_, (u32,)>("ask", (n,))
            .timeout(PATIENCE)
            .send();
        out.send(format!("{n}: {answer:?}")).unwrap();
    });
    socket.on("next", move |(): ()| done.send("next".into()).unwrap());
    // The answer that somebody else waits for passes too while the handler waits.
    let other = socket.emit_with_ack::<_, (u32,)>("other", ()).begin();
    run(host.received(1));
    host.segment(&[r#"42["go",1]"#, r#"42["next"]"#, "430[5]"]);
    let next = || all_done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), "asks 1");
    assert_eq!(other.wait(), Ok((5,)));
    run(host.received(2));
    host.send("431[10]");
    assert_eq!(next(), "1: Ok((10,))");
    assert_eq!(next(), "next");
    // Answers wait for their turn again.
    let seen = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&seen);
    socket.on("last", move |(): ()| {
        std::thread::sleep(Duration::from_millis(5));
        told.store(true, Ordering::SeqCst);
    });
    let answer = socket.emit_with_ack::<_, ()>("ask", ()).begin();
    run(host.received(3));
    host.segment(&[r#"42["last"]"#, "432[]"]);
    assert_eq!(answer.wait(), Ok(()));
    assert!(seen.load(Ordering::SeqCst));
}

/// Everything that waits may be called in a handler: joining, flushing, and leaving by the last handle.
#[test]
fn a_handler_may_close_the_client() {
    let host = Host::start();
    let (done, all_done) = mpsc::channel();
    let keeper: Arc<std::sync::Mutex<Option<Socket>>> = Arc::default();
    let kept = Arc::clone(&keeper);
    let socket = client(&host)
        .on("bye", move |(): ()| {
            let socket = kept.lock().unwrap().take().unwrap();
            let other = socket.namespace("/other").connect().unwrap();
            other.emit("said", ()).unwrap();
            other.flush();
            other.close().unwrap();
            done.send(socket.close()).unwrap();
        })
        .connect()
        .unwrap();
    *keeper.lock().unwrap() = Some(socket);
    host.emit("/", r#"["bye"]"#);
    assert_eq!(all_done.recv_timeout(PATIENCE), Ok(Ok(())));
    run(host.empty());
    assert_eq!(run(host.received(1)), [r#"/other ["said"]"#]);
}

#[test]
fn a_panic_in_a_handler_ends_nothing() {
    let host = Host::start();
    let (heard, told) = mpsc::channel();
    let _socket = client(&host)
        .on("n", move |(n,): (u32,)| {
            assert_ne!(n, 1, "on purpose");
            heard.send(n).unwrap();
        })
        .connect()
        .unwrap();
    host.segment(&[r#"42["n",1]"#, r#"42["n",2]"#]);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(2));
}

/// Handlers that may overlap have threads of their own: two wait for each other here.
#[test]
fn concurrent_handlers_overlap() {
    let host = Host::start();
    let socket = client(&host).connect().unwrap();
    let (done, all_done) = mpsc::channel();
    let barrier = Arc::new(Barrier::new(2));
    socket.on_concurrent("meet", 2, move |(n,): (u32,)| {
        barrier.wait();
        done.send(n).unwrap();
    });
    host.segment(&[r#"42["meet",1]"#, r#"42["meet",2]"#]);
    let mut both = [
        all_done.recv_timeout(PATIENCE).unwrap(),
        all_done.recv_timeout(PATIENCE).unwrap(),
    ];
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
}

/// Namespaces do not wait for each other, whatever a handler waits for.
#[test]
fn a_handler_that_blocks_holds_up_its_namespace_only() {
    let host = Host::start();
    let socket = client(&host).connect().unwrap();
    let other = socket.namespace("/other").connect().unwrap();
    let (go, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    socket.on("block", move |(): ()| gate.lock().unwrap().recv().unwrap());
    let (heard, told) = mpsc::channel();
    other.on("n", move |(n,): (u32,)| heard.send(n).unwrap());
    host.emit("/", r#"["block"]"#);
    host.emit("/other", r#"["n",1]"#);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1));
    go.send(()).unwrap();
}

#[test]
fn many_threads_emit() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    let host = Host::start();
    let socket = client(&host).connect().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let socket = socket.clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    while socket.emit("n", (thread, n)).is_err() {
                        socket.room();
                    }
                }
            });
        }
    });
    socket.close().unwrap();
    let received = run(host.received(THREADS * EACH));
    // Each thread's own are in order.
    for thread in 0..THREADS {
        let start = format!("/ [\"n\",{thread},");
        let own = received.iter().filter(|event| event.starts_with(&start));
        let expected = (0..EACH).map(|n| format!("{start}{n}]"));
        assert!(own.cloned().eq(expected), "thread {thread}");
    }
}

/// After a cut it comes back by itself; the server's throwing out is told, and final.
#[test]
fn reconnection() {
    let host = Host::start();
    let (left, told) = mpsc::channel();
    let socket = client(&host)
        .on_disconnect(move |_: Socket, why: sockeye::Disconnected| {
            left.send(why.reason).unwrap();
        })
        .connect()
        .unwrap();
    let first = socket.id();
    host.cut();
    assert_eq!(
        told.recv_timeout(PATIENCE),
        Ok(DisconnectReason::TransportClose)
    );
    eventually("another session", || {
        socket.id().is_some() && socket.id() != first
    });
    host.send("41");
    assert_eq!(
        told.recv_timeout(PATIENCE),
        Ok(DisconnectReason::IoServerDisconnect)
    );
    assert!(!socket.active());
    socket.connect().unwrap();
}

/// `auth` and the query are computed on threads of their own, and may block.
#[test]
fn computed_options() {
    let host = Host::start();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let socket = client(&host)
        .auth_with(move || {
            std::thread::sleep(Duration::from_millis(2));
            Ok(serde_json::json!({ "try": counted.fetch_add(1, Ordering::SeqCst) }))
        })
        .query_with(|| Ok(vec![("token".into(), "a b".into())]))
        .connect()
        .unwrap();
    host.state(|state| {
        assert_eq!(state.queries("token"), ["a%20b"]);
    });
    host.cut();
    eventually("the second try", || count.load(Ordering::SeqCst) == 2);
    assert!(socket.ready_for(PATIENCE));
}

/// The last handle is dropped: what was emitted arrives, the goodbye is said, and the threads end.
#[test]
fn dropping_the_last_handle_says_goodbye() {
    let host = Host::start();
    let socket = client(&host).connect().unwrap();
    socket.emit("last", ("words",)).unwrap();
    drop(socket);
    run(host.empty());
    assert_eq!(run(host.received(1)), [r#"/ ["last","words"]"#]);
    host.state(|state| assert_eq!(state.close_frames(), 1));
}

/// A server that does not answer the goodbye does not hold `close` for longer than it may take.
#[test]
fn close_is_bounded() {
    let host = Host::start();
    let socket = client(&host)
        .close_timeout(Duration::from_millis(50))
        .connect()
        .unwrap();
    host.state(|state| {
        state.stalled = true;
        state.lenient = true;
    });
    // More than the sockets' buffers take.
    let large = "x".repeat(8 << 20);
    let mut emitted = 0;
    while emitted < 3 && socket.emit("large", (&large,)).is_ok() {
        emitted += 1;
    }
    let start = Instant::now();
    let closed = socket.close();
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert!(emitted == 0 || closed.is_err(), "{closed:?}");
}

/// Nothing happens: no processor time is used.
#[cfg(target_os = "linux")]
#[test]
fn idle_connections_sleep() {
    /// User and system time of this process, in clock ticks.
    fn ticks() -> u64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let rest = &stat[stat.rfind(')').unwrap()..];
        let field = |n: usize| -> u64 { rest.split(' ').nth(n).unwrap().parse().unwrap() };
        field(12) + field(13)
    }
    let host = Host::start();
    let sockets: Vec<_> = (0..4)
        .map(|_| host.url("/"))
        .map(|url| Client::builder(url).connect().unwrap())
        .collect();
    // (Upgrades come to an end.)
    eventually("the upgrade", || {
        sockets.iter().all(|socket| socket.transport().is_some())
    });
    std::thread::sleep(Duration::from_millis(300));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    // A loop that does not rest would take 50 ticks for each client.
    assert!(ticks() - before < 10, "{}", ticks() - before);
}
