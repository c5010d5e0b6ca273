//! Servers that mean harm, beside what the driver contract (`sockeye_testkit::contract`) asks of every driver.

use sockeye::{Args, Limits, Notice, Transport};
use sockeye_testkit::response;

use crate::support::raw::{OPEN, connected, listen, ws};
use crate::support::{Log, client_at, quick, within};

#[tokio::test]
async fn messages_over_the_limit_are_skipped() {
    let address = listen(0, |_, mut peer| async move {
        let Some(()) = peer.join().await else { return };
        peer.say(&format!("42[\"large\",\"{}\"]", "x".repeat(300_000)))
            .await;
        peer.say("42[\"small\"]").await;
        peer.linger().await;
    });
    let mut limits = Limits::default();
    limits.receive = 100_000;
    let socket = ws(address).limits(limits).open().unwrap();
    let mut notices = socket.manager().notices();
    let mut events = socket.events();
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(
        within("an event", events.next()).await.unwrap().name(),
        "small"
    );
    loop {
        if let Notice::TooLarge { bytes, limit } = within("a notice", notices.next()).await.unwrap()
        {
            assert!(
                bytes >= 300_000 && (100_000..200_000).contains(&limit),
                "{bytes} {limit}"
            );
            break;
        }
    }
    assert!(socket.connected());
}

#[tokio::test]
async fn lies_about_lengths_are_no_reason_to_reserve_memory() {
    // 2^62 bytes announced: the connection is kept or given up, but nothing of that size is allocated.
    let address = listen(0, |n, mut peer| async move {
        let Some(()) = peer.join().await else { return };
        if n == 0 {
            peer.write(&[0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]).await;
            peer.write(&[b'x'; 1000]).await;
            return;
        }
        if n == 1 {
            peer.say("44999999999999-[\"e\"]").await;
            peer.say("459999999999999999999-[\"e\"]").await;
            peer.linger().await;
            return;
        }
        peer.say("42[\"end\"]").await;
        peer.linger().await;
    });
    let log = Log::new();
    let out = log.clone();
    let _socket = connected(ws(address).on("end", move |_: Args| out.push("end"))).await;
    log.wait(1).await;
}

#[tokio::test]
async fn a_failed_upgrade_stays_on_polling() {
    let address = listen(0, |_, mut peer| async move {
        while let Some(request) = peer.request().await {
            let open = OPEN.replace("[]", "[\"websocket\"]");
            let body = match (
                request.method(),
                request.query("transport"),
                request.query("sid"),
            ) {
                (_, Some("websocket"), _) => return peer.reset(),
                ("GET", _, None) => open,
                ("GET", ..) if request.query("t").is_some() => {
                    // The first GET brings the reply, later ones wait.
                    static FIRST: std::sync::atomic::AtomicBool =
                        std::sync::atomic::AtomicBool::new(true);
                    if FIRST.swap(false, std::sync::atomic::Ordering::SeqCst) {
                        "40{\"sid\":\"S\"}".into()
                    } else {
                        return peer.linger().await;
                    }
                }
                _ => "ok".into(),
            };
            peer.write(&response("200 OK", "", body.as_bytes())).await;
        }
    });
    let socket = quick(client_at(format!("http://{address}")))
        .open()
        .unwrap();
    let mut notices = socket.manager().notices();
    within("connect", socket.connect()).await.unwrap();
    let words = within("the failure", async {
        loop {
            if let Notice::UpgradeFailed(words) = notices.next().await.unwrap() {
                return words;
            }
        }
    })
    .await;
    assert!(!words.is_empty() && !words.contains('\n'), "{words}");
    assert!(socket.connected());
    assert_eq!(socket.transport(), Some(Transport::Polling));
    socket.emit("on polling", ()).unwrap();
    within("written", socket.flush()).await;
}
