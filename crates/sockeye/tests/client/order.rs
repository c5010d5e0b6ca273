//! Events, answers and notices reach user code in the order in which the server sent them, in one segment as in many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::{AckError, DisconnectReason, Responder, Socket};
use sockeye_testkit::Settings;

use crate::support::{Host, Log, client, eventually, within};

/// How often each race is run.
const TRIES: usize = 200;

fn silent() -> Host {
    Host::with(Settings {
        mute_acks: usize::MAX,
        ..Settings::default()
    })
}

/// So many events, then what follows.
fn events_and(count: usize, rest: &[String]) -> Vec<String> {
    let mut packets: Vec<String> = (0..count).map(|n| format!("42[\"n\",{n}]")).collect();
    packets.extend_from_slice(rest);
    packets
}

/// Asks again and again; each answer comes in one segment with `count` events before it.
async fn answers_after(socket: &Socket, host: &Host, count: usize, seen: &AtomicUsize) {
    for id in 0..TRIES {
        let ask = socket.emit_with_ack::<_, (usize,)>("ask", (id,));
        let answer = async {
            host.received(id + 1).await;
            host.segment(&events_and(count, &[format!("43{id}[{id}]")]));
            std::future::pending::<()>().await;
        };
        let (n,) = within("the answer", async {
            tokio::select! {
                biased;
                answer = ask => answer.map(|answer| (answer, seen.load(Ordering::SeqCst))),
                () = answer => unreachable!(),
            }
        })
        .await
        .map(|((n,), handled)| {
            assert_eq!(handled, count * (id + 1), "handled before answer {id}");
            (n,)
        })
        .unwrap();
        assert_eq!(n, id);
    }
}

async fn sync_and_async(count: usize, builder: impl Fn(&Host) -> sockeye::ClientBuilder) {
    for kind in ["sync", "async"] {
        let host = silent();
        let socket = within("connect", builder(&host).connect()).await.unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        if kind == "sync" {
            socket.on("n", move |(_,): (usize,)| {
                counted.fetch_add(1, Ordering::SeqCst);
            });
        } else {
            socket.on("n", move |(_,): (usize,)| {
                let counted = Arc::clone(&counted);
                async move {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        answers_after(&socket, &host, count, &seen).await;
    }
}

#[tokio::test]
async fn an_answer_comes_after_the_event_before_it() {
    sync_and_async(1, client).await;
}

#[tokio::test]
async fn an_answer_comes_after_twenty_events_before_it() {
    sync_and_async(20, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_after_the_event_before_it_on_threads() {
    sync_and_async(1, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_after_twenty_events_before_it_on_threads() {
    sync_and_async(20, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_retries_too() {
    sync_and_async(5, |host| {
        client(host).ack_timeout(Duration::from_secs(60)).retries(1)
    })
    .await;
}

/// An async handler is awaited before the answer behind it, if it needs nothing that is still to come.
#[tokio::test]
async fn a_pending_handler_is_overtaken_by_answers_only() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (out, open) = (log.clone(), Arc::clone(&gate));
    socket.on("n", move |(n,): (usize,)| {
        let (out, open) = (out.clone(), Arc::clone(&open));
        async move {
            let _ = open.acquire().await;
            out.push(format!("event {n}"));
        }
    });
    let out = log.clone();
    socket.on_disconnect(move |_, why| out.push(why.reason.to_string()));
    let ask = socket.emit_with_ack::<_, (String,)>("ask", ());
    let answer = async {
        host.received(1).await;
        // The answer is behind two events in the same segment, and a disconnect behind it.
        host.segment(&events_and(2, &["430[\"yes\"]".into(), "41".into()]));
        std::future::pending::<()>().await;
    };
    let answered = within("the answer passes", async {
        tokio::select! {
            answered = ask => answered,
            () = answer => unreachable!(),
        }
    })
    .await
    .unwrap();
    assert_eq!(answered, ("yes".into(),));
    // One that comes later passes as well: nothing can be asked any more, but `connect` is one.
    eventually("left", || !socket.connected()).await;
    within("connect", socket.connect()).await.unwrap();
    assert!(log.lines().is_empty());
    gate.close();
    assert_eq!(
        log.wait(3).await,
        ["event 0", "event 1", "io server disconnect"]
    );
}

/// Each handler asks, and the answers come behind twenty events that wait for it.
#[tokio::test]
async fn a_handler_that_awaits_an_answer_does_not_wait_for_itself() {
    if !crate::support::on_tokio() {
        return; // Its handler spawns a task.
    }
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on("go", move |(n,): (usize,), reply: Responder| {
        let out = out.clone();
        async move {
            let socket = reply.socket().unwrap();
            let (m,): (usize,) = socket.emit_with_ack("ask", (n,)).await.unwrap();
            // By way of another task, too.
            let (k,) = tokio::spawn(async move {
                let answer = socket.emit_with_ack::<_, (usize,)>("ask again", (n,));
                answer.await.unwrap()
            })
            .await
            .unwrap();
            out.push(format!("{n} {m} {k}"));
        }
    });
    let out = log.clone();
    socket.on("n", move |(n,): (usize,)| out.push(n.to_string()));
    for n in 0..20 {
        host.send(&format!("42[\"go\",{n}]"));
        host.received(2 * n + 1).await;
        host.segment(&events_and(20, &[format!("43{}[{n}]", 2 * n)]));
        host.received(2 * n + 2).await;
        host.segment(&events_and(20, &[format!("43{}[{n}]", 2 * n + 1)]));
        let lines = log.wait(41 * (n + 1)).await;
        assert_eq!(lines[41 * n], format!("{n} {n} {n}"));
    }
}

/// An answer that never comes fails by its timeout, also while the handler that waits holds up twenty events.
#[tokio::test]
async fn a_timeout_passes_too() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on("go", move |(): (), reply: Responder| {
        let out = out.clone();
        async move {
            let ask = reply.socket().unwrap().emit_with_ack::<_, ()>("ask", ());
            let error = ask.timeout(Duration::from_millis(20)).await.unwrap_err();
            out.push(error.to_string());
        }
    });
    let out = log.clone();
    socket.on("n", move |(n,): (usize,)| out.push(n.to_string()));
    let mut packets = vec!["42[\"go\"]".to_owned()];
    packets.extend(events_and(20, &[]));
    host.segment(&packets);
    let lines = log.wait(21).await;
    assert_eq!(lines[0], "no acknowledgement within the timeout");
    assert_eq!(lines[20], "19");
}

/// `disconnect` is told after the events before it, and so is the failure of an acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnect_comes_after_the_events_before_it() {
    let host = silent();
    let seen = Arc::new(AtomicUsize::new(0));
    let log = Log::new();
    let (counted, told, out) = (Arc::clone(&seen), Arc::clone(&seen), log.clone());
    let builder = client(&host)
        .on("n", move |(_,): (usize,)| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .on_disconnect(move |socket, why| {
            assert_eq!(why.reason, DisconnectReason::IoServerDisconnect);
            out.push(format!(
                "{} {}",
                told.load(Ordering::SeqCst),
                socket.connected()
            ));
        });
    let socket = within("connect", builder.connect()).await.unwrap();
    for n in 0..TRIES {
        let ask = socket.emit_with_ack::<_, ()>("ask", ());
        let leave = async {
            host.received(n + 1).await;
            host.segment(&events_and(20, &["41".into()]));
            std::future::pending::<()>().await;
        };
        let (error, handled) = within("the failure", async {
            tokio::select! {
                biased;
                answer = ask => (answer.unwrap_err(), seen.load(Ordering::SeqCst)),
                () = leave => unreachable!(),
            }
        })
        .await;
        assert_eq!(
            (error, handled),
            (AckError::Disconnected { sent: true }, 20 * (n + 1))
        );
        assert_eq!(log.wait(n + 1).await[n], format!("{} false", 20 * (n + 1)));
        within("connect", socket.connect()).await.unwrap();
    }
}

/// `connect` resolves after its handler has been called, and that one after the events before the reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_resolves_after_its_handlers() {
    for _ in 0..50 {
        let host = Host::start();
        let log = Log::new();
        let out = log.clone();
        let builder = client(&host).on_connect(move |_| out.push("on_connect"));
        let socket = within("connect", builder.connect()).await.unwrap();
        assert_eq!(log.lines(), ["on_connect"]);
        drop(socket);
    }
}

/// Who is answered goes on at once, also when the handler behind the answer blocks its thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_not_held_up_by_a_handler_behind_it_that_blocks() {
    let host = silent();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let out = log.clone();
    socket.on("n", move |(_,): (usize,)| out.push("event"));
    let out = log.clone();
    socket.on("block", move |()| {
        out.push("blocks");
        let _ = blocked
            .lock()
            .unwrap()
            .recv_timeout(crate::support::PATIENCE);
        out.push("released");
    });
    for id in 0..20 {
        let (asking, out) = (socket.clone(), log.clone());
        tokio::spawn(async move {
            let answer = asking.emit_with_ack::<_, (usize,)>("ask", ());
            answer.await.unwrap();
            out.push("answered");
        });
        host.received(id + 1).await;
        host.segment(&events_and(
            1,
            &[format!("43{id}[{id}]"), "42[\"block\"]".into()],
        ));
        let mut lines = log.wait(4 * id + 3).await[4 * id..].to_vec();
        assert_eq!(lines.remove(0), "event");
        lines.sort_unstable();
        assert_eq!(lines, ["answered", "blocks"]);
        release.send(()).unwrap();
        log.wait(4 * id + 4).await;
    }
}

/// No user code, no dispatcher: a connection is one task until something has to be told.
#[tokio::test]
async fn a_dispatcher_is_started_with_the_first_thing_to_tell() {
    if !crate::support::on_tokio() {
        return; // It counts tokio's tasks.
    }
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    for n in 0..10u32 {
        let (_, m): (String, u32) = within("ack", socket.emit_with_ack("n", (n,)))
            .await
            .unwrap();
        assert_eq!(m, n);
    }
    // Pings, disconnects and joins that nobody listens to are nothing to tell.
    host.segment(&["2", "2", "2", "41"]);
    eventually("left", || !socket.connected()).await;
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(tasks(), 1);
    let log = Log::new();
    let out = log.clone();
    socket.on("e", move |()| out.push("e"));
    host.emit("/", "[\"e\"]");
    log.wait(1).await;
    assert_eq!(tasks(), 2);
    drop(socket);
    eventually("no task", || tasks() == 0).await;
}
