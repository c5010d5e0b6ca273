//! Slow applications: the server is held up within bounds, heartbeats go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use sockeye::{Responder, Transport};
use sockeye_testkit::Settings;
use tokio::sync::Semaphore;

use crate::support::{Host, Log, State, client, eventually, polling, within};

const EVENTS: usize = 1000;
const EVENT: usize = 32 << 10;
/// Events that wait in the client (4 MiB, and as much being worked through), and what two sockets hold.
const BOUND: usize = 24 << 20;

fn short_pings() -> Host {
    Host::with(Settings {
        ping_interval: 40,
        ping_timeout: 1600,
        ..Settings::default()
    })
}

fn pongs(state: &State) -> usize {
    let posted = state
        .requests
        .iter()
        .filter(|r| r.method() == "POST")
        .flat_map(|r| r.text().split('\u{1e}'));
    posted.filter(|packet| *packet == "3").count()
        + state.texts().iter().filter(|text| *text == "3").count()
}

async fn more_pongs(host: &Host, more: usize) {
    let mut enough = 0;
    host.until("pongs", |state| {
        let seen = pongs(state);
        enough = if enough == 0 { seen + more } else { enough };
        (seen >= enough).then_some(())
    })
    .await;
}

fn flood(host: &Host) {
    let pad = "x".repeat(EVENT);
    for n in 0..EVENTS {
        host.emit("/", &format!("[\"n\",{n},\"{pad}\"]"));
    }
}

/// The server is read only up to a bound, and the session lives on.
async fn held_up(host: &Host) {
    let mut written = 0;
    loop {
        more_pongs(host, 1).await;
        let now = host.state(|state| state.written);
        assert!(now < BOUND, "{now} bytes were taken from the server");
        if now == written && now > 0 {
            break;
        }
        written = now;
    }
    assert!(written > 4 << 20, "held up too early: {written} bytes");
    assert_eq!(
        host.state(|state| (state.server.sessions(), state.server.has_session())),
        (1, true)
    );
}

#[tokio::test]
async fn a_slow_async_handler_holds_the_server_up() {
    let host = short_pings();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let count = Arc::new(AtomicUsize::new(0));
    let (open, counted) = (Arc::clone(&gate), Arc::clone(&count));
    socket.on("n", move |(n,): (usize,)| {
        let (open, counted) = (Arc::clone(&open), Arc::clone(&counted));
        async move {
            let _ = open.acquire().await;
            assert_eq!(counted.fetch_add(1, Ordering::SeqCst), n);
        }
    });
    flood(&host);
    held_up(&host).await;
    assert_eq!(count.load(Ordering::SeqCst), 0);
    // Emits and disconnects are not held up.
    socket.emit("meanwhile", ()).unwrap();
    host.received(1).await;
    gate.add_permits(1);
    gate.close();
    eventually("all events", || count.load(Ordering::SeqCst) == EVENTS).await;
    more_pongs(&host, 2).await;
    assert!(socket.connected());
    assert_eq!(host.state(|state| state.server.sessions()), 1);
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_the_server_up() {
    let host = short_pings();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut events = socket.events();
    flood(&host);
    held_up(&host).await;
    for n in 0..EVENTS {
        let event = within("an event", events.next()).await.unwrap();
        assert_eq!(event.parse::<(usize,)>().unwrap(), (n,));
    }
    assert_eq!(host.state(|state| state.server.sessions()), 1);
    assert!(socket.connected());
}

#[tokio::test]
async fn polling_is_held_up_too() {
    let host = short_pings();
    let socket = within("connect", polling(&host).connect()).await.unwrap();
    let mut events = socket.events();
    // Payload by payload: each GET takes what is there.
    let pad = "x".repeat(EVENT);
    let mut emitted = 0;
    let mut gets = 0;
    while emitted < 600 {
        for _ in 0..20 {
            host.emit("/", &format!("[\"n\",{emitted},\"{pad}\"]"));
            emitted += 1;
        }
        let now = host.state(|state| {
            state
                .requests
                .iter()
                .filter(|r| r.method() == "GET")
                .count()
        });
        if now == gets {
            tokio::task::yield_now().await;
        }
        gets = now;
    }
    more_pongs(&host, 3).await;
    for n in 0..600 {
        let event = within("an event", events.next()).await.unwrap();
        assert_eq!(event.parse::<(usize,)>().unwrap(), (n,));
    }
    assert_eq!(host.state(|state| state.server.sessions()), 1);
    assert_eq!(socket.transport(), Some(Transport::Polling));
}

/// A handler that never yields keeps its thread; the others go on with heartbeats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_handler_that_blocks_its_thread() {
    let host = short_pings();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let log = Log::new();
    let out = log.clone();
    socket.on("block", move |(): (), reply: Responder| {
        // What a handler emits before it blocks goes out all the same.
        reply.ack(("blocking",)).unwrap();
        out.push("blocked");
        let _ = blocked
            .lock()
            .unwrap()
            .recv_timeout(crate::support::PATIENCE);
        out.push("released");
    });
    host.send("427[\"block\"]");
    log.wait(1).await;
    assert_eq!(host.received(1).await, ["/ ack 7 [\"blocking\"]"]);
    more_pongs(&host, 3).await;
    assert_eq!(log.lines(), ["blocked"]);
    release.send(()).unwrap();
    log.wait(2).await;
    assert_eq!(host.state(|state| state.server.sessions()), 1);
    assert!(socket.connected());
}

#[tokio::test]
async fn disconnecting_and_dropping_while_held_up() {
    let host = short_pings();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    socket.on("n", move |_: (usize,)| {
        let open = Arc::clone(&open);
        async move {
            let _ = open.acquire().await;
        }
    });
    flood(&host);
    held_up(&host).await;
    socket.disconnect();
    host.empty().await;
    assert!(!socket.active());
    drop(socket);
    gate.close();
    eventually("no task", || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
            == 0
    })
    .await;
}

/// Acknowledgements of the server get through although a handler is slow, as long as the server is still read.
#[tokio::test]
async fn acks_pass_slow_handlers() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    socket.on("slow", move |()| {
        let open = Arc::clone(&open);
        async move {
            let _ = open.acquire().await;
        }
    });
    for _ in 0..100 {
        host.emit("/", "[\"slow\"]");
    }
    for n in 0..10u32 {
        let (_, m): (String, u32) = within("ack", socket.emit_with_ack("n", (n,)))
            .await
            .unwrap();
        assert_eq!(m, n);
    }
    gate.close();
}
