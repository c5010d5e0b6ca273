//! Handlers of what happens to the connection: they get the socket, and may be async.

use std::sync::Arc;

use sockeye::{DisconnectReason, Notice, Socket};
use sockeye_testkit::Settings;

use crate::support::{Host, Log, client, eventually, within};

/// As the official documentation writes it: thrown out by the server, back by hand.
#[tokio::test]
async fn on_disconnect_may_connect_again() {
    let host = Host::start();
    let log = Log::new();
    let (joined, left) = (log.clone(), log.clone());
    let builder = client(&host)
        .on_connect(move |socket: Socket| {
            let joined = joined.clone();
            async move { joined.push(format!("joined {}", socket.id().unwrap())) }
        })
        .on_disconnect(move |socket, why| {
            let left = left.clone();
            async move {
                left.push(why.reason.to_string());
                if why.reason == DisconnectReason::IoServerDisconnect {
                    left.push(format!("{:?}", socket.connect().await));
                }
            }
        });
    let socket = within("connect", builder.connect()).await.unwrap();
    host.send("41");
    assert_eq!(
        log.wait(4).await,
        ["joined S1", "io server disconnect", "Ok(())", "joined S2"]
    );
    assert!(socket.connected());
}

/// The reply to CONNECT and the goodbye in one segment: the handler sees the join that it is told about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_in_on_connect_is_that_of_the_connect_it_tells() {
    let host = Host::with(Settings {
        mute_connects: usize::MAX,
        ..Settings::default()
    });
    host.state(|state| state.lenient = true);
    let log = Log::new();
    let (out, kept) = (log.clone(), log.clone());
    let socket = client(&host)
        .on_connect(move |socket| {
            out.push(format!("{:?}", socket.id()));
            // Over an await, too, and for every handle.
            let out = out.clone();
            async move {
                tokio::task::yield_now().await;
                out.push(format!("{:?}", socket.clone().id()));
            }
        })
        .on_disconnect(move |socket, _| kept.push(format!("left {:?}", socket.id())))
        .connect_background()
        .unwrap();
    for n in 0..50 {
        host.until("CONNECT", |state| {
            let connects = state.texts().iter().filter(|text| *text == "40").count();
            (connects > n).then_some(())
        })
        .await;
        host.segment(&[format!("40{{\"sid\":\"id{n}\"}}"), "41".to_owned()]);
        let id = format!("Some(\"id{n}\")");
        assert_eq!(log.wait(3 * n + 3).await[3 * n..], [&*id, &id, "left None"]);
        assert_eq!(socket.id(), None);
        socket.connect_background();
    }
}

#[tokio::test]
async fn on_connect_error_gets_the_socket_and_may_fail() {
    let host = Host::with(Settings {
        refused: vec!["/"],
        ..Settings::default()
    });
    let socket = client(&host).open().unwrap();
    let mut notices = socket.notices();
    socket.on_connect_error(|socket, error| async move {
        assert_eq!(socket.name(), "/");
        Err::<(), _>(format!("told: {}", error.message()))
    });
    within("connect", socket.connect()).await.unwrap_err();
    let failed = within("notices", async {
        loop {
            if let Notice::HandlerFailed { event, error } = notices.next().await.unwrap() {
                return (event, error);
            }
        }
    })
    .await;
    assert_eq!(failed.0, "connect_error");
    assert!(failed.1.starts_with("told: "), "{}", failed.1);
}

#[tokio::test]
async fn a_weak_socket_keeps_nothing() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let (weak, out) = (socket.downgrade(), log.clone());
    socket.on("ask", move |(n,): (u32,)| {
        let socket = weak.upgrade().unwrap();
        socket.emit("answer", (n + 1,)).unwrap();
        out.push("asked");
    });
    host.emit("/", "[\"ask\",1]");
    log.wait(1).await;
    assert_eq!(host.received(1).await, ["/ [\"answer\",2]"]);
    let weak = socket.downgrade();
    let captured = Arc::new(());
    let kept = Arc::clone(&captured);
    socket.on("kept", move |()| drop(Arc::clone(&kept)));
    drop(socket);
    if crate::support::on_tokio() {
        assert!(weak.upgrade().is_none());
    } else {
        // The handler of before may be about to let go of its own, on another thread.
        eventually("no handle is left", || weak.upgrade().is_none()).await;
    }
    host.empty().await;
    eventually("handlers are dropped", || Arc::strong_count(&captured) == 1).await;
}
