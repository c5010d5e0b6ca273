//! A bad network: connections are cut, stalled, delayed, throttled and split at bytes that a seed says. What was promised
//! holds all the same. `SOCKEYE_SEED=<seed>` repeats a run.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use sockeye::{Args, Responder};
use sockeye_testkit::chaos::{Chaos, Weather};

use crate::client::{WAYS, builder, connect_by};
use crate::server::{Kind, Server};
use crate::tls;
use crate::wait::{Seen, eventually, within};

/// Events that wait for their answers at the same time.
const WINDOW: usize = 8;

fn seed(default: u64) -> u64 {
    let given = std::env::var("SOCKEYE_SEED").ok();
    let seed = given.map_or(default, |text| {
        text.parse().expect("SOCKEYE_SEED is a number")
    });
    println!("SOCKEYE_SEED={seed}");
    seed
}

async fn proxy(weather: Weather, server: &Server) -> (Chaos, String) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let chaos = Chaos::under(weather, address).await.expect("a free port");
    crate::server::parser_is(
        chaos.address().port(),
        crate::server::parser_of(server.port),
    );
    let port = chaos.address().port();
    tls::secure_is(port, tls::secures(server.port));
    (chaos, tls::url(port, "/"))
}

scenario!(every_event_arrives_in_order_through_cuts);
async fn every_event_arrives_in_order_through_cuts(kind: Kind) {
    let seed = seed(11);
    // A thousand against the official server, fewer against those whose connections take longer to make.
    let cuts = if matches!(kind, Kind::Node48 | Kind::Node48Msgpack) {
        334
    } else {
        100
    };
    let server =
        Server::start_with(kind, &["--ping-interval", "1000", "--ping-timeout", "1000"]).await;
    for (i, way) in WAYS.into_iter().enumerate() {
        // Whom the server tells of every event, in the order of their arrival.
        let witness = connect_by(&server.url("/"), WAYS[1]).await;
        let arrived = Seen::new();
        let seen = arrived.clone();
        witness.on("put", move |(n,): (u64,)| seen.push(n));
        let weather = Weather {
            seed: seed.wrapping_add(i as u64),
            most: 4096,
            silent: true,
            rough: true,
        };
        let (chaos, url) = proxy(weather, &server).await;
        let socket = builder(&url)
            .reconnection_delay(Duration::from_millis(1))
            .reconnection_delay_max(Duration::from_millis(4))
            .timeout(Duration::from_millis(1500))
            .join_timeout(Duration::from_millis(1500))
            .request_timeout(Duration::from_millis(1500))
            .transports(way.iter().copied())
            .retries(1_000_000)
            .ack_timeout(Duration::from_millis(1000))
            .connect_background()
            .expect("good options");
        let mut waiting = VecDeque::new();
        let mut emitted = 0u64;
        loop {
            if chaos.broken() >= cuts {
                chaos.calm();
            } else {
                while waiting.len() < WINDOW {
                    let answer = socket.emit_with_ack::<_, (u64,)>("put", (emitted,)).send();
                    waiting.push_back((emitted, answer));
                    emitted += 1;
                }
            }
            let Some((n, answer)) = waiting.pop_front() else {
                break;
            };
            // One answer each, its own, and in order.
            assert_eq!(
                within("an answer", answer).await.ok(),
                Some((n,)),
                "event {n}"
            );
        }
        within("closing", socket.close())
            .await
            .expect("all is sent");
        eventually("the last event", || {
            arrived.all().last() == Some(&(emitted - 1))
        })
        .await;
        let mut next = 0;
        let all = arrived.all();
        for n in &all {
            assert!(*n <= next, "event {n} has come before event {next}");
            next = next.max(n + 1);
        }
        assert_eq!(next, emitted, "events are missing");
        println!(
            "{kind:?} {way:?}: {} of {} connections broken, {emitted} events, {} came again",
            chaos.broken(),
            chaos.accepted(),
            all.len() as u64 - emitted
        );
        assert!(emitted > cuts / 10);
        within("closing", witness.close())
            .await
            .expect("it has left");
    }
}

scenario!(without_retries_nothing_comes_twice_through_cuts);
async fn without_retries_nothing_comes_twice_through_cuts(kind: Kind) {
    let seed = seed(13);
    let server =
        Server::start_with(kind, &["--ping-interval", "1000", "--ping-timeout", "1000"]).await;
    let mut answers = 0;
    for (i, way) in WAYS.into_iter().enumerate() {
        let witness = connect_by(&server.url("/"), WAYS[1]).await;
        let arrived = Seen::new();
        let seen = arrived.clone();
        witness.on("put", move |(n,): (u64,)| seen.push(n));
        let weather = Weather {
            seed: seed.wrapping_add(i as u64),
            most: 4096,
            silent: false,
            rough: true,
        };
        let (chaos, url) = proxy(weather, &server).await;
        let socket = builder(&url)
            .reconnection_delay(Duration::from_millis(1))
            .reconnection_delay_max(Duration::from_millis(4))
            .transports(way.iter().copied())
            .ack_timeout(Duration::from_secs(5))
            .connect_background()
            .expect("good options");
        let mut waiting = VecDeque::new();
        let (mut emitted, mut acknowledged) = (0u64, Vec::new());
        loop {
            if chaos.broken() >= 100 {
                chaos.calm();
            } else {
                while waiting.len() < WINDOW {
                    let answer = socket.emit_with_ack::<_, (u64,)>("put", (emitted,)).send();
                    waiting.push_back((emitted, answer));
                    emitted += 1;
                }
            }
            let Some((n, answer)) = waiting.pop_front() else {
                break;
            };
            match within("an answer", answer).await {
                Ok(answer) => {
                    assert_eq!(answer, (n,), "its own answer");
                    acknowledged.push(n);
                }
                Err(error) => assert_eq!(
                    error,
                    sockeye::AckError::Disconnected { sent: true },
                    "event {n}"
                ),
            }
        }
        within("closing", socket.close())
            .await
            .expect("all is sent");
        eventually("all that was acknowledged", || {
            let all = arrived.all();
            acknowledged.last().is_none_or(|last| all.contains(last))
        })
        .await;
        let mut all = arrived.all();
        let came = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(came, all.len(), "some events came twice");
        for n in &acknowledged {
            assert!(all.binary_search(n).is_ok(), "event {n} was acknowledged");
        }
        println!(
            "{kind:?} {way:?}: {} connections broken, {emitted} events, {came} came, {} acknowledged",
            chaos.broken(),
            acknowledged.len()
        );
        answers += acknowledged.len();
        within("closing", witness.close())
            .await
            .expect("it has left");
    }
    assert!(answers >= 30, "{answers} acknowledgements");
}

/// What happened, as the client tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Joined { recovered: bool },
    News(u64),
}

scenario!(recovery_brings_exactly_what_was_missed_through_cuts on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_4_8_tls Node48Tls);
async fn recovery_brings_exactly_what_was_missed_through_cuts(kind: Kind) {
    let seed = seed(12);
    let mut server = Server::start_with(kind, &["--recovery", "60000"]).await;
    // The server is told of every cut: it keeps a session from the moment on at which it knows that it has ended.
    let weather = Weather {
        seed,
        most: 4096,
        silent: false,
        rough: true,
    };
    let (chaos, url) = proxy(weather, &server).await;
    let told = Seen::new();
    let (joins, news) = (told.clone(), told.clone());
    let socket = builder(&url)
        .reconnection_delay(Duration::from_millis(15))
        .reconnection_delay_max(Duration::from_millis(30))
        .transports(WAYS[1].iter().copied())
        .on_connect(move |socket: sockeye::Socket| {
            joins.push(Told::Joined {
                recovered: socket.recovered(),
            });
        })
        .on("news", move |args: Args, _: Responder| {
            let n = args.values()[0].as_u64().expect("a number");
            news.push(Told::News(n));
        })
        .connect_background()
        .expect("good options");
    eventually("the first join", || socket.connected()).await;
    let mut n = 0;
    while chaos.broken() < 100 {
        server.emit("/", "news", json!([n])).await;
        // There is something to break in the other direction, too.
        let _ = socket.volatile().emit("count", (n,));
        n += 1;
    }
    chaos.calm();
    eventually("joined for good", || socket.connected()).await;
    server.has_sockets("/", 1).await;
    // On whatever connection the last ones come, there is one that nobody cuts any more.
    for _ in 0..20 {
        server.emit("/", "news", json!([n])).await;
        n += 1;
    }
    eventually("the last news", || {
        told.all().last() == Some(&Told::News(n - 1))
    })
    .await;
    let (mut recovered, mut anew, mut came) = (0, 0, 0);
    // After a join as a new socket the server owes nothing of before.
    let mut next = None;
    for one in told.all() {
        match one {
            Told::Joined { recovered: true } => recovered += 1,
            Told::Joined { recovered: false } => {
                anew += 1;
                next = None;
            }
            Told::News(n) => {
                assert_eq!(n, *next.get_or_insert(n), "exactly what was missed");
                next = Some(n + 1);
                came += 1;
            }
        }
    }
    println!(
        "{} connections broken, {recovered} joins recovered, {anew} as a new socket, {came} of {n} news",
        chaos.broken()
    );
    // (Most connections break before they have joined.)
    assert!(recovered >= 3, "{recovered} joins recovered");
    within("closing", socket.close())
        .await
        .expect("it has left");
}
