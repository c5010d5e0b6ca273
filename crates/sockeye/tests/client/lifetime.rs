//! Handles, tasks and runtimes: nothing is left behind, nobody waits for ever.

use std::sync::Arc;
use std::time::Duration;

use sockeye::{AckError, ConnectErrorKind, EmitError, Responder, Socket};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::support::{
    Host, Log, client, client_at, closed_port, eventually, polling, quick, within,
};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn no_tasks() {
    eventually("no task is left", || tasks() == 0).await;
}

#[tokio::test]
async fn dropping_the_last_handle_says_goodbye_and_leaves_no_task() {
    let host = Host::start();
    assert_eq!(tasks(), 0);
    let socket = within("connect", client(&host).connect()).await.unwrap();
    assert!(tasks() > 0);
    let clone = socket.clone();
    drop(socket);
    clone.emit("still", ()).unwrap();
    host.received(1).await;
    // What was accepted before still goes out.
    clone.emit("last", ("x".repeat(300_000),)).unwrap();
    drop(clone);
    no_tasks().await;
    host.empty().await;
    host.state(|state| {
        assert_eq!(state.server.received.len(), 2);
        assert!(state.texts().contains(&"41".to_owned()), "no DISCONNECT");
        assert_eq!(state.close_frames(), 1);
        assert!(!state.server.has_session());
    });
}

#[tokio::test]
async fn on_polling_too() {
    let host = Host::start();
    let socket = within("connect", polling(&host).connect()).await.unwrap();
    socket.emit("last", ()).unwrap();
    drop(socket);
    no_tasks().await;
    host.empty().await;
    host.state(|state| {
        assert_eq!(state.server.received, ["/ [\"last\"]"]);
        let posts: Vec<_> = state
            .requests
            .iter()
            .filter(|r| r.method() == "POST")
            .map(|r| r.text().to_owned())
            .collect();
        assert!(posts.join("\u{1e}").ends_with("41\u{1e}1"), "{posts:?}");
        assert!(!state.server.has_session());
    });
}

#[tokio::test]
async fn dropped_before_connecting() {
    let host = Host::start();
    drop(client(&host).open().unwrap());
    no_tasks().await;
    assert_eq!(host.state(|state| state.accepted), 0);
}

#[tokio::test]
async fn dropped_while_connecting() {
    for builder in [client, polling] {
        let host = Host::start();
        host.state(|state| state.mute = true);
        let socket = builder(&host).connect_background().unwrap();
        host.until("a request", |state| {
            (!state.requests.is_empty()).then_some(())
        })
        .await;
        drop(socket);
        no_tasks().await;
        host.empty().await;
    }
}

/// What was emitted before goes out all the same, as with `close`: the goodbye waits for the namespace.
#[tokio::test]
async fn what_was_emitted_is_waited_for_while_connecting() {
    for builder in [client, polling] {
        let host = Host::start();
        // (The goodbye is not said by that limit.)
        let builder = builder(&host).close_timeout(Duration::from_secs(3600));
        let socket = builder.connect_background().unwrap();
        socket.emit("last", ("words",)).unwrap();
        drop(socket);
        assert_eq!(host.received(1).await, [r#"/ ["last","words"]"#]);
        no_tasks().await;
        host.empty().await;
    }
}

/// But not for longer than a `close` takes, and not when nobody connects.
#[tokio::test]
async fn what_cannot_be_sent_is_not_waited_for_for_ever() {
    let limit = Duration::from_millis(100);
    let builder = client_at(format!("http://{}", closed_port()));
    let socket = builder.close_timeout(limit).connect_background().unwrap();
    socket.emit("last", ("words",)).unwrap();
    let dropped = std::time::Instant::now();
    drop(socket);
    no_tasks().await;
    assert!(dropped.elapsed() >= limit, "{:?}", dropped.elapsed());

    let host = Host::start();
    let socket = client(&host).open().unwrap();
    socket.emit("last", ("words",)).unwrap();
    drop(socket);
    no_tasks().await;
    assert_eq!(host.state(|state| state.accepted), 0);
}

#[tokio::test]
async fn dropped_while_joining() {
    let host = Host::with(sockeye_testkit::Settings {
        mute_connects: 1,
        ..Default::default()
    });
    let socket = client(&host).connect_background().unwrap();
    host.until("CONNECT", |state| {
        (!state.server.auths.is_empty()).then_some(())
    })
    .await;
    drop(socket);
    no_tasks().await;
    host.empty().await;
}

#[tokio::test]
async fn dropped_while_auth_is_computed() {
    let host = Host::start();
    let log = Log::new();
    let asked = log.clone();
    let builder = client(&host).auth_with(move || {
        asked.push("asked");
        std::future::pending::<Result<(), _>>()
    });
    let socket = builder.connect_background().unwrap();
    log.wait(1).await;
    drop(socket);
    no_tasks().await;
    host.empty().await;
}

#[tokio::test]
async fn dropped_while_the_query_is_computed() {
    let host = Host::start();
    let log = Log::new();
    let asked = log.clone();
    let builder = client(&host).query_with(move || {
        asked.push("asked");
        std::future::pending()
    });
    let socket = builder.connect_background().unwrap();
    log.wait(1).await;
    drop(socket);
    no_tasks().await;
}

#[tokio::test]
async fn dropped_while_backing_off() {
    let log = Log::new();
    let failed = log.clone();
    let builder = client_at(format!("http://{}", closed_port()))
        .reconnection_delay(Duration::from_secs(3600))
        .reconnection_delay_max(Duration::from_secs(3600))
        .on_connect_error(move |_, error| failed.push(error.active().to_string()));
    let socket = builder.connect_background().unwrap();
    assert_eq!(log.wait(1).await, ["true"]);
    drop(socket);
    no_tasks().await;
}

#[tokio::test]
async fn dropped_while_the_server_stalls() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    host.state(|state| state.stalled = true);
    socket.emit("large", ("x".repeat(32 << 20),)).unwrap();
    drop(socket);
    // The goodbye has a time limit of 2 s.
    no_tasks().await;
}

#[tokio::test]
async fn a_cancelled_connect_leaves_no_task() {
    let host = Host::start();
    host.state(|state| state.mute = true);
    let connecting = tokio::spawn(client(&host).connect());
    host.until("a request", |state| {
        (!state.requests.is_empty()).then_some(())
    })
    .await;
    connecting.abort();
    no_tasks().await;
    host.empty().await;
}

#[tokio::test]
async fn a_refused_connect_leaves_no_task() {
    let host = Host::with(sockeye_testkit::Settings {
        refused: vec!["/"],
        ..Default::default()
    });
    within("connect", client(&host).connect())
        .await
        .unwrap_err();
    no_tasks().await;
    host.empty().await;
}

#[tokio::test]
async fn streams_and_responders_do_not_keep_the_connection() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let mut events = socket.events();
    let notices = socket.notices();
    host.send("421[\"ask\"]");
    let event = within("ask", events.next()).await.unwrap();
    let responder: Responder = event.responder();
    drop(socket);
    no_tasks().await;
    host.empty().await;
    assert!(responder.socket().is_none());
    assert!(responder.ack(()).is_err());
    assert!(within("the end", events.next()).await.is_none());
    drop(notices);
}

/// A handler that is at work is not cut short; the connection does not wait for it, and what is queued behind it is void.
#[tokio::test]
async fn a_handler_at_work_finishes_after_the_last_handle() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let gate = Arc::new(tokio::sync::Notify::new());
    let (out, open) = (log.clone(), Arc::clone(&gate));
    socket.on("slow", move |(n,): (u32,)| {
        let (out, open) = (out.clone(), Arc::clone(&open));
        async move {
            out.push(format!("begun {n}"));
            open.notified().await;
            out.push(format!("done {n}"));
        }
    });
    host.emit("/", "[\"slow\",1]");
    host.emit("/", "[\"slow\",2]");
    log.wait(1).await;
    drop(socket);
    host.empty().await;
    gate.notify_one();
    no_tasks().await;
    assert_eq!(log.lines(), ["begun 1", "done 1"]);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn assert_dead(socket: &Socket) {
    assert!(
        !socket.connected()
            && !socket.active()
            && socket.id().is_none()
            && socket.transport().is_none()
    );
    assert_eq!(socket.emit("x", ()), Err(EmitError::Closed));
    let other = runtime();
    other.block_on(async {
        let error = within("ack", socket.emit_with_ack::<_, ()>("x", ()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AckError::NotSent(_) | AckError::Dropped { .. }),
            "{error:?}"
        );
        assert_eq!(
            within("connect", socket.connect())
                .await
                .unwrap_err()
                .kind(),
            ConnectErrorKind::Closed
        );
        within("room", socket.room()).await;
        assert!(!within("ready", socket.ready()).await);
        within("flush", socket.flush()).await;
    });
}

#[test]
fn the_end_of_the_runtime_fails_acks_and_waiters() {
    let host = Host::with(sockeye_testkit::Settings {
        mute_acks: usize::MAX,
        ..Default::default()
    });
    let own = runtime();
    let (socket, ask) = own.block_on(async {
        let socket = within("connect", client(&host).connect()).await.unwrap();
        let mut ask = Box::pin(socket.emit_with_ack::<_, ()>("ask", ()).send());
        let _ = tokio::time::timeout(Duration::ZERO, &mut ask).await;
        host.received(1).await;
        (socket, ask)
    });
    let joining = own.block_on(async {
        host.state(|state| state.server.settings.mute_connects = 1);
        let other = socket.namespace("/other").open().unwrap();
        let mut joining = Box::pin(async move { other.connect().await });
        let _ = tokio::time::timeout(Duration::from_millis(1), &mut joining).await;
        Some(joining)
    });
    let joining = joining.unwrap();
    drop(own);
    let other = runtime();
    other.block_on(async {
        assert_eq!(
            within("ack", ask).await.unwrap_err(),
            AckError::Disconnected { sent: true }
        );
        assert_eq!(
            within("connect", joining).await.unwrap_err().kind(),
            ConnectErrorKind::Closed
        );
    });
    assert_dead(&socket);
}

#[test]
fn the_end_of_the_runtime_fails_what_the_driver_never_took() {
    let host = Host::start();
    let own = runtime();
    // The driver has not run at all yet.
    let (socket, ask, connecting) = {
        let _entered = own.enter();
        let socket = client(&host).open().unwrap();
        let mut ask = Box::pin(socket.emit_with_ack::<_, ()>("ask", ()).send());
        let mut connecting = Box::pin({
            let socket = socket.clone();
            async move { socket.connect().await }
        });
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(ask.as_mut().poll(&mut cx).is_pending());
        assert!(connecting.as_mut().poll(&mut cx).is_pending());
        (socket, ask, connecting)
    };
    drop(own);
    let other = runtime();
    other.block_on(async {
        let error = within("ack", ask).await.unwrap_err();
        assert!(
            matches!(
                error,
                AckError::Dropped { .. } | AckError::Disconnected { sent: true }
            ),
            "{error:?}"
        );
        assert_eq!(
            within("connect", connecting).await.unwrap_err().kind(),
            ConnectErrorKind::Closed
        );
    });
    assert_dead(&socket);
}

#[test]
fn no_runtime_is_an_error() {
    let error = client_at("http://127.0.0.1:1").open().unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Config);
    assert!(error.to_string().contains("no tokio runtime"), "{error}");
}

/// Also what is accepted while the driver is at work on what came before, just ahead of the end of the last handle.
#[test]
fn handles_work_from_threads_without_a_runtime() {
    let own = Runtime::new().unwrap();
    for _ in 0..300 {
        let host = Host::start();
        let socket = own.block_on(within("connect", async {
            client(&host).connect().await.unwrap()
        }));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let socket = socket.clone();
                scope.spawn(move || {
                    for n in 0..100 {
                        socket.emit("n", (thread, n)).unwrap();
                    }
                });
            }
            drop(socket);
        });
        let received = own.block_on(host.received(400));
        for thread in 0..4 {
            let own: Vec<_> = received
                .iter()
                .filter(|line| line.starts_with(&format!("/ [\"n\",{thread},")))
                .collect();
            let expected: Vec<_> = (0..100)
                .map(|n| format!("/ [\"n\",{thread},{n}]"))
                .collect();
            assert_eq!(own, expected.iter().collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn many_connections_come_and_go() {
    let host = Host::start();
    for _ in 0..20 {
        let socket = within("connect", quick(client_at(host.url("/"))).connect())
            .await
            .unwrap();
        drop(socket);
        no_tasks().await;
    }
    host.empty().await;
    assert_eq!(host.state(|state| state.server.sessions()), 20);
}
