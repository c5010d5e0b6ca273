//! Connections that break at random moments: what was promised holds all the same.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye::net::Tls;
use sockeye::{AckError, AckFuture, ClientBuilder, Socket, Transport};
use sockeye_testkit::Settings;
use sockeye_testkit::certificates::{Authority, Leaf};
use sockeye_testkit::chaos::{Chaos, Weather};

use crate::peers::TlsFront;
use crate::support::Host;
use crate::{WAYS, bounded, hasty, seed};

/// Events that wait for their answers at the same time.
const WINDOW: usize = 8;

fn server() -> Host {
    let host = Host::with(Settings {
        // What breaks without a sign is noticed soon.
        ping_interval: 300,
        ping_timeout: 300,
        ..Settings::default()
    });
    // A request that was on its way when its connection ended may arrive after the next session has begun.
    host.state(|state| state.lenient = true);
    host
}

/// The numbers of the events that the server has received, in the order of their arrival.
fn numbers(host: &Host) -> Vec<u64> {
    host.state(|state| {
        let lines = state.server.received.iter();
        lines
            .map(|line| {
                let number = line
                    .strip_prefix("/ [\"put\",")
                    .and_then(|rest| rest.strip_suffix(']'));
                number
                    .and_then(|n| n.parse().ok())
                    .unwrap_or_else(|| panic!("{line}"))
            })
            .collect()
    })
}

type Put = AckFuture<(String, u64)>;

fn put(socket: &Socket, n: u64) -> Put {
    socket.emit_with_ack("put", (n,)).send()
}

/// Emits until so many connections have been broken, with `retries`; returns how many events that were.
async fn emit_through(cuts: u64, chaos: &Chaos, builder: ClientBuilder) -> u64 {
    let socket = builder
        .retries(1_000_000)
        .ack_timeout(Duration::from_millis(700))
        .connect_background()
        .expect("good options");
    let mut waiting: VecDeque<(u64, Put)> = VecDeque::new();
    let mut emitted = 0;
    loop {
        if chaos.broken() >= cuts {
            chaos.calm();
        } else {
            while waiting.len() < WINDOW {
                waiting.push_back((emitted, put(&socket, emitted)));
                emitted += 1;
            }
        }
        let Some((n, answer)) = waiting.pop_front() else {
            break;
        };
        // One answer each, its own, and in order.
        assert_eq!(
            answer
                .await
                .unwrap_or_else(|error| panic!("event {n}: {error}")),
            ("put".into(), n)
        );
    }
    socket.close().await.expect("all is sent");
    emitted
}

/// Every event has arrived, and the first arrivals are in order. (One whose acknowledgement was lost comes again.)
fn all_in_order(host: &Host, emitted: u64) -> u64 {
    let mut next = 0;
    let mut repeats = 0;
    for n in numbers(host) {
        if n == next {
            next += 1;
        } else {
            assert!(n < next, "event {n} has come before event {next}");
            repeats += 1;
        }
    }
    assert_eq!(next, emitted, "events are missing");
    repeats
}

async fn cuts_with_retries(way: &'static [Transport], seed: u64, cuts: u64) {
    let host = server();
    let weather = Weather {
        seed,
        most: 4096,
        silent: true,
        rough: true,
    };
    let chaos = Chaos::under(weather, host.address()).await.expect("a port");
    let url = format!("http://{}/", chaos.address());
    let emitted = emit_through(cuts, &chaos, hasty(url, way)).await;
    let repeats = all_in_order(&host, emitted);
    println!(
        "{way:?}: {} of {} connections broken, {emitted} events, {repeats} came twice",
        chaos.broken(),
        chaos.accepted()
    );
    assert!(
        emitted > cuts / 10,
        "the weather is too bad to show anything"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cuts_with_retries() {
    let seed = seed(1);
    let all = WAYS
        .iter()
        .enumerate()
        .map(|(i, way)| tokio::spawn(cuts_with_retries(way, seed.wrapping_add(i as u64), 334)));
    let all: Vec<_> = all.collect();
    bounded("a thousand cuts", 100, async {
        for one in all {
            one.await.expect("no panic");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_of_tls() {
    let seed = seed(2);
    let ca = Authority::new("Test CA");
    let identity = ca.issue(&Leaf::named("localhost"));
    let host = server();
    let front = TlsFront::start(&host, &crate::peers::Settings::of(&identity)).await;
    let weather = Weather {
        seed,
        most: 16384,
        silent: true,
        rough: true,
    };
    let chaos = Chaos::under(weather, front.relay.address())
        .await
        .expect("a port");
    let url = format!("https://localhost:{}/", chaos.address().port());
    let builder = hasty(url, WAYS[0]).tls(Tls::new().ca_pem(ca.pem()));
    bounded("cuts of TLS", 100, async {
        let emitted = emit_through(200, &chaos, builder).await;
        let repeats = all_in_order(&host, emitted);
        println!(
            "{} connections broken, {emitted} events, {repeats} came twice",
            chaos.broken()
        );
        assert!(emitted > 20);
    })
    .await;
}

/// Without `retries`: what was written once is not written again, and what becomes of it is told exactly once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_through_cuts() {
    let seed = seed(3);
    let host = server();
    let weather = Weather {
        seed,
        most: 4096,
        silent: true,
        rough: true,
    };
    let chaos = Chaos::under(weather, host.address()).await.expect("a port");
    let url = format!("http://{}/", chaos.address());
    bounded("acknowledgements", 100, async {
        let socket = hasty(url, WAYS[0])
            .connect_background()
            .expect("good options");
        let mut waiting: VecDeque<(u64, Put)> = VecDeque::new();
        let (mut emitted, mut answered, mut lost) = (0u64, 0u64, 0u64);
        loop {
            if chaos.broken() >= 200 {
                chaos.calm();
            } else {
                while waiting.len() < WINDOW {
                    waiting.push_back((emitted, put(&socket, emitted)));
                    emitted += 1;
                }
            }
            let Some((n, answer)) = waiting.pop_front() else {
                break;
            };
            match answer.await {
                Ok(answer) => {
                    assert_eq!(answer, ("put".into(), n));
                    answered += 1;
                }
                Err(AckError::Disconnected { .. }) => lost += 1,
                Err(error) => panic!("event {n}: {error}"),
            }
        }
        socket.close().await.expect("all is sent");
        let arrived = numbers(&host);
        println!(
            "{} connections broken, {emitted} events, {answered} answered, {lost} lost",
            chaos.broken()
        );
        assert!(arrived.is_sorted_by(|a, b| a < b), "{arrived:?}");
        assert_eq!(answered + lost, emitted);
        assert!(answered <= arrived.len() as u64 && answered > 50);
    })
    .await;
}
