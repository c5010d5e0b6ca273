//! A connection that ends at every byte of what must go well once: the HTTP handshake, the WebSocket handshake, the
//! upgrade, and (at every so-manieth byte) the handshake of TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sockeye::net::Tls;
use sockeye::{ClientBuilder, Transport};
use sockeye_testkit::certificates::{Authority, Leaf};
use sockeye_testkit::chaos::{Chaos, End, Fate, Way};

use crate::peers::{Settings, TlsFront};
use crate::support::{Host, eventually, within};
use crate::{WAYS, bounded, hasty};

/// What a connection is for, as its first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Poll,
    Post,
    WebSocket,
}

fn kind(first: &[u8]) -> Kind {
    let first = String::from_utf8_lossy(first);
    if first.starts_with("POST") {
        Kind::Post
    } else if first.contains("transport=websocket") {
        Kind::WebSocket
    } else {
        Kind::Poll
    }
}

/// One case: the first connection of a kind ends like this.
#[derive(Clone, Copy, Debug)]
struct Case {
    way: &'static [Transport],
    kind: Kind,
    direction: Way,
    after: u64,
    end: End,
}

impl Case {
    /// Plays the case to its good end; whether the connection was broken at all (it may have been shorter).
    async fn play(self) -> bool {
        let host = Host::start();
        // (A second session may begin before the first one has ended for the server.)
        host.state(|state| state.lenient = true);
        let mut spent = false;
        let chaos = Chaos::start(host.address(), move |_, first| {
            if spent || kind(first) != self.kind {
                return Fate::FAIR;
            }
            spent = true;
            Fate::broken(self.direction, self.after, self.end)
        });
        let chaos = chaos.await.expect("a port");
        let what = format!("{self:?}");
        let socket = hasty(format!("http://{}/", chaos.address()), self.way)
            .retries(1000)
            .ack_timeout(Duration::from_millis(2000))
            .connect_background()
            .expect("good options");
        for n in 0..3u64 {
            let answer = socket.emit_with_ack::<_, (String, u64)>("put", (n,));
            let answer = within(&what, answer.send()).await;
            assert_eq!(answer.ok(), Some(("put".into(), n)), "{what}");
            if n == 0 && self.way.len() == 2 {
                // The upgrade comes to its end, or to this one, before the client leaves.
                eventually(&what, || {
                    chaos.broken() > 0 || socket.transport() == Some(Transport::WebSocket)
                })
                .await;
            }
        }
        within(&what, socket.close()).await.expect("all is sent");
        chaos.broken() > 0
    }
}

/// Plays the cases of every byte in both directions, some at a time, until connections are too short to be broken; and
/// tells how many bytes that were: up and down at least so many, which is where the part of interest ends.
async fn every_byte(way: &'static [Transport], kind: Kind, least: [u64; 2]) {
    for (direction, least) in [Way::Up, Way::Down].into_iter().zip(least) {
        for end in [End::Reset, End::Finish] {
            let next = Arc::new(AtomicU64::new(0));
            let over = Arc::new(AtomicU64::new(u64::MAX));
            let workers: Vec<_> = (0..8)
                .map(|_| {
                    let (next, over) = (Arc::clone(&next), Arc::clone(&over));
                    tokio::spawn(async move {
                        loop {
                            let after = next.fetch_add(1, Ordering::SeqCst);
                            if after >= over.load(Ordering::SeqCst) || after > 3000 {
                                return;
                            }
                            let case = Case {
                                way,
                                kind,
                                direction,
                                after,
                                end,
                            };
                            if !case.play().await {
                                over.fetch_min(after, Ordering::SeqCst);
                            }
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.await.expect("no panic");
            }
            let bytes = over.load(Ordering::SeqCst);
            println!("{way:?}, {kind:?}, {direction:?}, {end:?}: {bytes} bytes");
            assert!((least..3000).contains(&bytes), "{bytes}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_websocket_handshake() {
    bounded(
        "WebSocket",
        100,
        every_byte(WAYS[0], Kind::WebSocket, [250, 240]),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_polling_requests() {
    bounded("GET", 100, every_byte(WAYS[1], Kind::Poll, [250, 200])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_posts() {
    bounded("POST", 100, every_byte(WAYS[1], Kind::Post, [250, 60])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_upgrade() {
    bounded(
        "upgrade",
        100,
        every_byte(WAYS[2], Kind::WebSocket, [250, 137]),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_polling_that_is_upgraded() {
    bounded("polling", 100, every_byte(WAYS[2], Kind::Poll, [150, 150])).await;
}

/// The first connection of a client over TLS ends at every 13th byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_tls_handshake() {
    let ca = Authority::new("Test CA");
    let identity = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    host.state(|state| state.lenient = true);
    let front = TlsFront::start(&host, &Settings::of(&identity)).await;
    bounded("TLS", 100, async {
        for direction in [Way::Up, Way::Down] {
            for end in [End::Reset, End::Finish] {
                let mut after = 0;
                loop {
                    let mut spent = false;
                    let chaos = Chaos::start(front.relay.address(), move |_, _| {
                        if std::mem::replace(&mut spent, true) {
                            Fate::FAIR
                        } else {
                            Fate::broken(direction, after, end)
                        }
                    });
                    let chaos = chaos.await.expect("a port");
                    let what = format!("{direction:?} {after} {end:?}");
                    let url = format!("https://localhost:{}/", chaos.address().port());
                    let builder: ClientBuilder =
                        hasty(url, WAYS[0]).tls(Tls::new().ca_pem(ca.pem()));
                    let socket = builder
                        .retries(1000)
                        .ack_timeout(Duration::from_millis(2000))
                        .connect_background()
                        .expect("good options");
                    let answer = socket
                        .emit_with_ack::<_, (String, u64)>("put", (after,))
                        .send();
                    assert_eq!(
                        within(&what, answer).await.ok(),
                        Some(("put".into(), after)),
                        "{what}"
                    );
                    within(&what, socket.close()).await.expect("all is sent");
                    host.empty().await;
                    if chaos.broken() == 0 {
                        break;
                    }
                    after += 13;
                }
                println!("{direction:?}, {end:?}: {after} bytes");
                assert!(after > 300);
            }
        }
    })
    .await;
}
