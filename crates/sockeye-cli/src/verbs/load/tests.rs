//! The engine against a server in memory, on a clock that stands still: every figure is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser as _;
use serde_json::Value;
use sockeye::testing::Server;
use tokio::time::Instant;

use super::engine::{self, End, Ending, Run};
use super::latency::{Timing, millis};
use super::metrics::{Metrics, Tally};
use super::pacer::Clock;
use crate::options::{Action, Cli};

/// What a run came to.
struct Ended {
    ending: Ending,
    connected: u64,
    tally: Tally,
}

impl Ended {
    fn percentile(&self, timing: Timing, percent: f64) -> f64 {
        let latency = self.tally.latency.of(timing);
        latency.percentile(percent).map_or(f64::NAN, millis)
    }

    fn errors(&self) -> Vec<(&str, u64)> {
        let errors = self.tally.errors.iter();
        errors
            .map(|(kind, errors)| (kind.as_str(), errors.count))
            .collect()
    }
}

fn plan(url: &str, args: &[&str]) -> engine::Plan {
    let cli = Cli::try_parse_from([&["sockeye", "load", url], args].concat()).unwrap();
    let Action::Load(options) = cli.command else {
        panic!("another command")
    };
    super::plan(&options).unwrap()
}

async fn load_until(url: &str, args: &[&str], interrupt: impl Future<Output = ()>) -> Ended {
    let plan = plan(url, args);
    let run = Arc::new(Run {
        end: End::new(plan.numbers().count()),
        plan,
        metrics: Metrics::default(),
        clock: Clock::Tokio,
        dialer: None,
        start: Instant::now(),
    });
    let mut connected = 0;
    let ending = engine::run(&run, interrupt, || connected = run.metrics.connected_now()).await;
    assert_eq!(run.metrics.connected_now(), 0, "all have left");
    Ended {
        ending,
        connected,
        tally: run.metrics.take(Tally::default()),
    }
}

async fn load(url: &str, args: &[&str]) -> Ended {
    load_until(url, args, engine::never()).await
}

/// A server that answers `echo` after a time that the event's argument names, in milliseconds.
fn server() -> Server {
    let server = Server::new();
    server.on("later", |event| {
        let (time,): (u64,) = event.parse().unwrap();
        let event = event.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(time)).await;
            event.ack((time,));
        });
    });
    server.on("echo", |event| {
        event.ack(event.args().clone());
        event.emit("echo", event.args().clone());
    });
    server
}

fn close(found: f64, wanted: f64) {
    assert!(
        (found / wanted - 1.0).abs() < 0.02,
        "{found} ms, not {wanted} ms"
    );
}

#[tokio::test(start_paused = true)]
async fn a_known_delay_is_measured_within_two_percent() {
    let server = server();
    let args = [
        "-c",
        "100",
        "--ramp",
        "1s",
        "-d",
        "20s",
        "--event",
        "later",
        "--args",
        "{{random 100 1099}}",
        "--ack",
        "--rate",
        "5",
    ];
    let ended = load(&server.url("/"), &args).await;
    let counts = &ended.tally.counts;
    assert_eq!((counts.started, counts.joins, counts.ended), (100, 100, 0));
    assert_eq!(counts.events, counts.acks);
    assert!((10_000..10_500).contains(&counts.events), "{counts:?}");
    assert_eq!(ended.errors(), []);
    assert_eq!((ended.ending, ended.connected), (Ending::Complete, 100));
    // Uniform from 100 ms to 1099 ms.
    close(ended.percentile(Timing::Ack, 50.0), 600.0);
    close(ended.percentile(Timing::Ack, 90.0), 1000.0);
    close(ended.percentile(Timing::Ack, 99.0), 1090.0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stands_still_shows_in_the_tail() {
    let server = server();
    let standing = server.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        standing.stall(true);
        tokio::time::sleep(Duration::from_secs(2)).await;
        standing.stall(false);
    });
    let args = [
        "-c", "10", "-d", "100s", "--event", "later", "--args", "1", "--ack", "--rate", "10",
    ];
    let ended = load(&server.url("/"), &args).await;
    assert_eq!(ended.errors(), []);
    assert_eq!(ended.tally.counts.events, ended.tally.counts.acks);
    // All that was due in these two of a hundred seconds waited, a second on average: not only the one event of each
    // client that was on its way. A tester that waits for answers would see 10 of 10 000.
    let latency = ended.tally.latency.of(Timing::Ack);
    let late: u64 = latency
        .buckets()
        .iter()
        .filter(|(micros, _)| *micros > 20_000)
        .map(|(_, count)| count)
        .sum();
    assert!((185..=205).contains(&late), "{late}");
    assert!(ended.percentile(Timing::Ack, 99.9) > 1800.0);
    assert!(ended.percentile(Timing::Ack, 90.0) < 20.0);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_waits_catches_up_and_counts_from_when_it_was_due() {
    let server = server();
    let file = std::env::temp_dir().join(format!("sockeye-load-{}.toml", std::process::id()));
    // Each answer takes longer than a round: the k-th one is late by all that came before.
    let text = "[[scenario]]\nname = \"a\"\nsteps = [{ loop = 5, every = \"100ms\", steps = [{ emit = \"later\", args = \"250\", ack = true }] }]\n";
    std::fs::write(&file, text).unwrap();
    let ended = load(
        &server.url("/"),
        &["-c", "1", "-d", "1m", "--scenario", file.to_str().unwrap()],
    )
    .await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!((ended.ending, ended.tally.counts.ended), (Ending::Done, 1));
    let latency = ended.tally.latency.of(Timing::Ack);
    let wanted = [250.0, 400.0, 550.0, 700.0, 850.0];
    for (at, wanted) in wanted.into_iter().enumerate() {
        close(
            millis(latency.percentile(20.0 * (at + 1) as f64 - 1.0).unwrap()),
            wanted,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_are_due_without_a_connection_count_from_then() {
    let server = server();
    let cutting = server.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        cutting.cut();
    });
    let args = [
        "-c",
        "20",
        "--ramp",
        "0s",
        "-d",
        "10s",
        "--event",
        "later",
        "--args",
        "0",
        "--ack",
        "--rate",
        "4",
        "--randomization-factor",
        "0",
    ];
    let ended = load(&server.url("/"), &args).await;
    let counts = &ended.tally.counts;
    assert_eq!(
        (counts.joins, counts.reconnects, counts.disconnects),
        (40, 20, 20)
    );
    let errors = ended.errors();
    let lost: u64 = errors
        .iter()
        .filter(|(kind, _)| kind.starts_with("ack"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(counts.acks + lost, counts.events);
    let cuts: u64 = errors
        .iter()
        .filter(|(kind, _)| kind.starts_with("disconnected: transport"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(cuts, 20, "{errors:?}");
    // The wait before a reconnection is a second.
    let max = millis(ended.tally.latency.of(Timing::Ack).max().unwrap());
    assert!((900.0..1300.0).contains(&max), "{max}");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_once_each_and_not_tried_again() {
    let server = server();
    server.refuse("/vip", "members only", None);
    let ended = load(
        &server.url("/vip"),
        &["-c", "7", "-d", "5s", "--event", "x"],
    )
    .await;
    assert_eq!(ended.errors(), [("join: refused", 7)]);
    let sample = &ended.tally.errors["join: refused"].sample;
    assert!(sample.contains("members only"), "{sample}");
    assert_eq!((ended.ending, ended.tally.counts.ended), (Ending::Done, 7));
    assert_eq!(ended.tally.counts.events, 0);
}

#[tokio::test(start_paused = true)]
async fn answers_that_do_not_come_are_errors() {
    let server = server();
    server.on("deaf", |_| ());
    let args = [
        "-c",
        "2",
        "-d",
        "3s",
        "--event",
        "deaf",
        "--ack",
        "--rate",
        "2",
        "--timeout",
        "1s",
    ];
    let ended = load(&server.url("/"), &args).await;
    let events = ended.tally.counts.events;
    assert_eq!(ended.errors(), [("ack: timeout", events)]);
    assert!(events >= 12);
}

#[tokio::test(start_paused = true)]
async fn heard_events_are_counted_and_placeholders_differ_from_client_to_client() {
    let server = server();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    server.on("say", move |event| {
        let (value,): (Value,) = event.parse().unwrap();
        log.lock()
            .unwrap()
            .push((value["c"].as_u64().unwrap(), value["n"].as_u64().unwrap()));
        event.emit("said", event.args().clone());
    });
    let args = [
        "-c",
        "5",
        "-d",
        "2s",
        "--event",
        "say",
        "--args",
        "{\"c\": {{client}}, \"n\": {{n}}, \"at\": {{now}}}",
        "--rate",
        "2",
        "--listen",
        "said",
    ];
    let ended = load(&server.url("/"), &args).await;
    let mut seen = seen.lock().unwrap().clone();
    let events = ended.tally.counts.events;
    assert_eq!(
        (ended.tally.counts.received, ended.tally.counts.unasked),
        (events, events)
    );
    assert_eq!(ended.tally.latency.of(Timing::Listen).count(), events);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len() as u64, events, "no two are alike");
    let each = events / 5;
    assert_eq!(seen.first(), Some(&(1, 1)));
    assert_eq!(seen.last(), Some(&(5, each)));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_in_order_with_what_there_is() {
    let server = server();
    let start = Instant::now();
    let args = [
        "-c", "10", "--ramp", "1/s", "-d", "1h", "--event", "later", "--args", "500", "--ack",
    ];
    let url = server.url("/");
    let ended = load_until(&url, &args, tokio::time::sleep(Duration::from_millis(4500))).await;
    assert_eq!((ended.ending, ended.connected), (Ending::Interrupted, 5));
    let counts = &ended.tally.counts;
    assert_eq!((counts.started, counts.acks), (5, counts.events));
    assert_eq!(ended.errors(), []);
    assert!(start.elapsed() < Duration::from_secs(6));
}

#[test]
fn shards_together_are_the_whole_timetable() {
    let whole = plan("http://h", &["-c", "10", "--ramp", "10s"]);
    let all: Vec<_> = whole
        .numbers()
        .map(|number| (number, whole.arrival(number)))
        .collect();
    assert_eq!(all[3], (4, Duration::from_secs(3)));
    let mut parts = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let part = plan("http://h", &["-c", "10", "--ramp", "10s", "--shard", shard]);
        parts.extend(part.numbers().map(|number| (number, part.arrival(number))));
    }
    parts.sort_unstable();
    assert_eq!(parts, all);
}

#[tokio::test(start_paused = true)]
async fn a_wait_takes_what_came_since_the_last_event_was_sent() {
    let server = Server::new();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    server.on("ask", move |event| {
        // The first answer comes at once, the second one never.
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            event.emit("answer", ());
            event.emit("answer", ());
        }
    });
    let file = std::env::temp_dir().join(format!("sockeye-load-wait-{}.toml", std::process::id()));
    let text = "[[scenario]]\nname = \"a\"\nsteps = [\n{ emit = \"ask\" }, { pause = \"1s\" }, { wait = \"answer\" },\n{ emit = \"ask\" }, { wait = \"answer\", timeout = \"2s\" } ]\n";
    std::fs::write(&file, text).unwrap();
    let ended = load(
        &server.url("/"),
        &["-c", "1", "-d", "1m", "--scenario", file.to_str().unwrap()],
    )
    .await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ended.tally.counts.waits, 1);
    assert_eq!(ended.errors(), [("wait: timeout", 1)]);
    assert_eq!(ended.ending, Ending::Done);
}
