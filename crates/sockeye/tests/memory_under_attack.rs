//! What a hostile server can make a client hold: next to nothing. A process of its own, because it measures the memory
//! of the process.

#[allow(dead_code, unused_imports)] // A part is enough here.
#[path = "client/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye::{Client, Limits, Transport};
use sockeye_testkit::frame;

use support::raw::{Peer, connected, listen, ws};
use support::{Log, eventually, quick, within};

/// What a step may take: less than any of the messages, and some of the allocator's own.
const SLACK: usize = 12 << 20;

/// Bytes this process holds.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.map_or(0, |pages: usize| pages * 4096)
}

/// Runs a step, and looks at the memory all the while.
async fn bounded(what: &str, bound: usize, step: impl Future<Output = ()>) {
    let step = Box::pin(step);
    let before = resident();
    let mut most = 0;
    let look = async {
        loop {
            most = most.max(resident());
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    Box::pin(within(what, async {
        tokio::select! {
            () = step => (),
            () = look => (),
        }
    }))
    .await;
    let held = most.max(resident()).saturating_sub(before);
    assert!(held < bound, "{what}: {held} bytes");
}

/// The server's side of one attack, then an event that the client must still hear: on the same connection, or on the
/// next one if the server hangs up.
async fn attack(
    mut peer: Peer,
    n: usize,
    hangs_up: bool,
    bytes: impl Fn(&mut Vec<u8>, usize) -> bool,
) {
    let Some(()) = peer.join().await else { return };
    if n == 0 {
        let mut batch = Vec::new();
        for piece in 0.. {
            if !bytes(&mut batch, piece) {
                break;
            }
            if batch.len() > 60_000 {
                peer.write(&batch).await;
                batch.clear();
            }
        }
        peer.write(&batch).await;
        if hangs_up {
            return;
        }
    }
    peer.say("42[\"end\"]").await;
    peer.linger().await;
}

async fn survives(
    hangs_up: bool,
    bytes: impl Fn(&mut Vec<u8>, usize) -> bool + Clone + Send + Sync + 'static,
) {
    let address = listen(0, move |n, peer| {
        let bytes = bytes.clone();
        async move { attack(peer, n, hangs_up, bytes).await }
    });
    let log = Log::new();
    let out = log.clone();
    let _socket = Box::pin(connected(ws(address).on("end", move |()| out.push("end")))).await;
    log.wait(1).await;
}

/// One test, so that nothing else allocates meanwhile.
#[tokio::test]
async fn what_a_server_sends_is_not_kept() {
    messages().await;
    answers_to_requests().await;
    pings_with_a_thousand_namespaces().await;
}

async fn messages() {
    bounded("a frame of 64 MB", SLACK, async {
        survives(false, |out, piece| {
            if piece == 0 {
                out.extend([0x82, 127]);
                out.extend((64u64 << 20).to_be_bytes());
            }
            if piece < 1024 {
                out.resize(out.len() + (64 << 10), b'x');
            }
            piece < 1024
        })
        .await;
    })
    .await;

    bounded("a length of 2^62", SLACK, async {
        survives(true, |out, piece| {
            if piece == 0 {
                out.extend([0x81, 127]);
                out.extend((1u64 << 62).to_be_bytes());
            }
            out.resize(out.len() + (64 << 10), b'x');
            piece < 1000
        })
        .await;
    })
    .await;

    bounded("a million fragments", SLACK, async {
        survives(false, |out, piece| {
            match piece {
                0 => out.extend(frame(0x01, b"42[\"many\",\"")),
                1..1_000_000 => out.extend(frame(0x00, if piece % 2 == 0 { b"x" } else { b"" })),
                1_000_000 => out.extend(frame(0x80, b"\"]")),
                _ => return false,
            }
            true
        })
        .await;
    })
    .await;
}

async fn answers_to_requests() {
    // A polled packet, the handshake too, may be as large as this.
    let mut limits = Limits::default();
    limits.receive = 1 << 20;
    bounded("heads and bodies without an end", SLACK, async {
        for endless in [
            &b"HTTP/1.1 200 OK\r\nX: "[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n0",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99999999\r\n0{",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: ",
        ] {
            for transport in [Transport::Polling, Transport::WebSocket] {
                let taken = Arc::new(AtomicUsize::new(0));
                let counted = Arc::clone(&taken);
                let address = listen(0, move |_, mut peer| {
                    let counted = Arc::clone(&counted);
                    async move {
                        let _ = peer.request().await;
                        let pad = vec![b'x'; 64 << 10];
                        peer.write(endless).await;
                        // 40 MB are more than a client takes of any answer.
                        while counted.fetch_add(1, Ordering::SeqCst) < 640 {
                            if tokio::io::AsyncWriteExt::write_all(&mut peer.stream, &pad)
                                .await
                                .is_err()
                            {
                                return;
                            }
                        }
                    }
                });
                let builder = quick(Client::builder(format!("http://{address}")))
                    .transports([transport])
                    .limits(limits)
                    .reconnection(false);
                let error = within("an error", builder.connect()).await.unwrap_err();
                assert!(!error.message().contains(char::is_control), "{error}");
            }
        }
    })
    .await;
}

/// One notice for each of 1000 namespaces and 20 000 pings would be some gigabytes.
async fn pings_with_a_thousand_namespaces() {
    const NAMESPACES: usize = 1000;
    const PINGS: usize = 20_000;
    let (go, gone) = tokio::sync::watch::channel(0);
    let address = listen(0, move |_, mut peer| {
        let mut gone = gone.clone();
        async move {
            let Some(()) = peer.join().await else { return };
            for _ in 0..NAMESPACES {
                let connect = peer.text().await.unwrap();
                peer.say(&format!("{connect}{{\"sid\":\"S\"}}")).await;
            }
            for round in 1..3 {
                let _ = gone.wait_for(|go| *go == round).await;
                peer.write(&frame(0x81, b"2").repeat(PINGS)).await;
                peer.say("42[\"end\"]").await;
            }
            peer.linger().await;
        }
    });
    let log = Log::new();
    let out = log.clone();
    let socket = connected(ws(address).on("end", move |()| out.push("end"))).await;
    let all: Vec<_> = (0..NAMESPACES)
        .map(|n| socket.namespace(&format!("/n{n}")).connect_background())
        .collect::<Result<_, _>>()
        .unwrap();
    eventually("all joined", || all.iter().all(sockeye::Socket::connected)).await;
    bounded("pings that nobody listens to", SLACK, async {
        go.send_replace(1);
        log.wait(1).await;
    })
    .await;
    let pinged = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pinged);
    socket.manager().on_ping(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    bounded("pings that are listened to", SLACK, async {
        go.send_replace(2);
        log.wait(2).await;
        eventually("all told", || pinged.load(Ordering::SeqCst) == PINGS).await;
    })
    .await;
}
