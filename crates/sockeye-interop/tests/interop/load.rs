//! `sockeye load`, as a program: what it reports is what the server's own ledger says, through cuts and refusals, and what it
//! measures is what the server does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sockeye_testkit::chaos::{Chaos, End, Fate, Way, Weather};
use tokio::process::Command;

use crate::command::sockeye;
use crate::server::{Kind, Server};
use crate::tls::{self, PemFile};
use crate::wait::POLL;

/// As `scenario!`, without a client of this process.
macro_rules! on_all_servers {
    ($name:ident) => {
        scenario!($name on node_4_8 Node48, node_4_8_msgpack Node48Msgpack, node_4_8_tls Node48Tls, node_3_1 Node31, python Python, socketioxide Socketioxide);
    };
}

/// A scenario file; it is removed with this value.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-interop-load-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("the folder for temporary files can be written to");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs the load tester to its end: its exit code, and its result.
async fn load(kind: Kind, url: &str, args: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(sockeye());
    command.args(["load", url, "--json"]).args(args);
    if kind == Kind::Node48Msgpack {
        command.args(["--parser", "msgpack"]);
    }
    let authority = PemFile::authority();
    if url.starts_with("https:") {
        command.args(["--cacert", authority.path()]);
    }
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // `bounded` ends what hangs.
    let output = command.output().await.expect("the command starts");
    let out = String::from_utf8_lossy(&output.stdout);
    let last = out.lines().last().unwrap_or_else(|| {
        panic!(
            "no output; stderr: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let result: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(result["type"], "result", "{last}");
    (output.status.code(), result)
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// Errors of a kind that were reported.
fn errors(result: &Value, kind: &str) -> u64 {
    result["errors"][kind]["count"].as_u64().unwrap_or(0)
}

/// Errors of all kinds that begin so.
fn errors_of(result: &Value, group: &str) -> u64 {
    let all = result["errors"].as_object().expect("errors by kind");
    let of = all.iter().filter(|(kind, _)| kind.starts_with(group));
    of.map(|(_, error)| number(&error["count"])).sum()
}

/// The server's ledger, once everybody who has joined has left.
async fn ledger(server: &mut Server) -> Value {
    let settled = async {
        loop {
            let ledger = server.command(json!({"cmd": "ledger"})).await;
            if ledger["left"] == ledger["joined"] {
                return ledger;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    crate::wait::within("the last one has left", settled).await
}

on_all_servers!(counts_are_those_of_the_server);
async fn counts_are_those_of_the_server(kind: Kind) {
    let file = File::new(
        r#"
        [[scenario]]
        name = "all"
        listen = ["echo"]
        steps = [
          { loop = 20, every = "10ms", steps = [
            { emit = "ack", args = '[{{client}}, {{n}}]', ack = true },
            { emit = "echo", args = '[{"n": {{n}}}, {{bytes 100}}]' },
            { wait = "echo" },
            { emit = "ack", args = '["later"]', ack = "later" },
          ] },
        ]
        "#,
    );
    for transport in [
        &["--transport", "polling"][..],
        &["--transport", "websocket"],
        &[],
    ] {
        let mut server = Server::start(kind).await;
        let args = ["-c", "20", "-d", "50s", "--scenario", file.path()];
        let url = server.url("/");
        let (code, result) = load(kind, &url, &[&args[..], transport].concat()).await;
        assert_eq!((code, &result["errors"]), (Some(0), &json!({})), "{result}");
        let (counts, ledger) = (&result["counts"], ledger(&mut server).await);
        let of = |name: &str| number(&counts[name]);
        assert_eq!(of("joins"), 20);
        assert_eq!((of("events"), of("acks")), (20 * 60, 20 * 40));
        assert_eq!((of("waits"), of("received")), (20 * 20, 20 * 20));
        assert_eq!(ledger["joined"], counts["joins"], "{ledger}");
        assert_eq!(ledger["events"], counts["events"], "{ledger}");
        assert_eq!(ledger["acknowledged"], counts["acks"], "{ledger}");
        assert_eq!(result["latency"]["ack"]["count"], counts["acks"]);
    }
}

on_all_servers!(refusals_are_those_of_the_server);
async fn refusals_are_those_of_the_server(kind: Kind) {
    let file = File::new(
        r#"
        [[scenario]]
        name = "welcome"
        steps = [
          { join = "/admin", auth = '{"token": "secret", "client": {{client}}}' },
          { emit = "ack", namespace = "/admin", args = "{{n}}", ack = true },
        ]
        [[scenario]]
        name = "wrong token"
        steps = [
          { join = "/admin", auth = '{"token": "wrong"}' },
          { emit = "ack", namespace = "/admin", args = "{{n}}", ack = true },
        ]
        [[scenario]]
        name = "wrong place"
        steps = [
          { emit = "ack", args = "{{n}}", ack = true },
          { join = "/nowhere" },
        ]
        "#,
    );
    let mut server = Server::start(kind).await;
    let args = ["-c", "30", "-d", "50s", "--scenario", file.path()];
    let (code, result) = load(kind, &server.url("/"), &args).await;
    let counts = &result["counts"];
    assert_eq!(code, Some(0), "{result}");
    // All join `/` first, and ten of them `/admin`.
    assert_eq!(
        (&counts["started"], &counts["joins"]),
        (&json!(30), &json!(40))
    );
    assert_eq!(errors(&result, "join: refused"), 20, "{result}");
    assert_eq!(errors_of(&result, ""), 20, "{result}");
    let first = ledger(&mut server).await;
    assert_eq!(first["joined"], counts["joins"], "{first}");
    assert_eq!(first["events"], counts["events"], "{first}");
    assert_eq!(first["acknowledged"], counts["acks"], "{first}");
    // Socketioxide tells nobody that a namespace does not exist.
    let told = if kind == Kind::Socketioxide { 10 } else { 20 };
    assert_eq!(number(&first["refused"]), told, "{first}");

    // Nobody comes in.
    let wrong = [
        "-c",
        "7",
        "-d",
        "50s",
        "--auth",
        r#"{"token":"{{client}}"}"#,
        "--event",
        "ack",
    ];
    let (code, result) = load(kind, &server.url("/admin"), &wrong).await;
    assert_eq!(code, Some(1), "{result}");
    assert_eq!(errors(&result, "join: refused"), 7, "{result}");
    let sample = result["errors"]["join: refused"]["sample"].to_string();
    assert!(sample.contains("not authorized"), "{sample}");
    let second = ledger(&mut server).await;
    assert_eq!(number(&second["refused"]), told + 7, "{second}");
    assert_eq!(
        (&second["joined"], &second["events"]),
        (&first["joined"], &first["events"])
    );
}

/// Every connection is cut after so many bytes: after its handshake, in the middle of an event or of its acknowledgement.
const CUT: u64 = 2000;
/// With TLS, whose handshake comes first.
const CUT_TLS: u64 = 5000;

on_all_servers!(losses_through_cuts_are_those_of_the_server);
async fn losses_through_cuts_are_those_of_the_server(kind: Kind) {
    // A client has one event on its way at a time: what a cut takes is that one, or its acknowledgement.
    let file = File::new(
        r#"
        [[scenario]]
        name = "one by one"
        steps = [
          { loop = 20, steps = [{ emit = "ack", args = '["{{bytes 300}}"]', ack = true }] },
        ]
        "#,
    );
    let cuts = [
        (Way::Up, End::Reset),
        (Way::Up, End::Finish),
        (Way::Down, End::Reset),
        (Way::Down, End::Finish),
    ];
    for (way, end) in cuts {
        let mut server = Server::start(kind).await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
        let cut = if kind == Kind::Node48Tls {
            CUT_TLS
        } else {
            CUT
        };
        let fate = move |_, _: &[u8]| Fate::broken(way, cut, end);
        let chaos = Chaos::start(address, fate).await.expect("a free port");
        let args = [
            "-c",
            "8",
            "-d",
            "50s",
            "--transport",
            "websocket",
            "--reconnect-delay",
            "10ms",
            "--timeout",
            "20s",
            "--scenario",
            file.path(),
        ];
        let port = chaos.address().port();
        tls::secure_is(port, tls::secures(server.port));
        let url = tls::url(port, "/");
        let (code, result) = load(kind, &url, &args).await;
        assert_eq!(code, Some(0), "{result}");
        let (counts, ledger) = (&result["counts"], ledger(&mut server).await);
        let of = |name: &str| number(&counts[name]);
        let lost = errors(&result, "ack: disconnected");
        let what = format!("{way:?} {end:?}: {ledger}, {counts}, {}", result["errors"]);
        assert_eq!(of("events"), 8 * 20, "{what}");
        assert_eq!(of("acks") + lost, of("events"), "{what}");
        assert_eq!(lost, chaos.broken(), "{what}");
        assert!(lost >= 8, "{what}");
        assert_eq!(of("disconnects"), chaos.broken(), "{what}");
        assert_eq!(errors_of(&result, ""), lost + of("disconnects"), "{what}");
        assert_eq!(of("joins"), 8 + of("reconnects"), "{what}");
        assert_eq!(number(&ledger["joined"]), of("joins"), "{what}");
        // What was cut on its way to the server never came, and what was cut on its way back was acknowledged.
        let arrived = if way == Way::Up {
            of("acks")
        } else {
            of("events")
        };
        assert_eq!(number(&ledger["events"]), arrived, "{what}");
        assert_eq!(number(&ledger["acknowledged"]), arrived, "{what}");
    }
}

on_all_servers!(nothing_is_lost_untold_in_bad_weather);
async fn nothing_is_lost_untold_in_bad_weather(kind: Kind) {
    let seed = std::env::var("SOCKEYE_SEED").map_or(21, |text| text.parse().expect("a number"));
    println!("SOCKEYE_SEED={seed}");
    let file = File::new(
        r#"
        [[scenario]]
        name = "many at a time"
        steps = [
          { loop = 40, every = "20ms", steps = [
            { emit = "ack", args = '["{{bytes 50}}"]', ack = "later" },
          ] },
        ]
        "#,
    );
    let mut server =
        Server::start_with(kind, &["--ping-interval", "1000", "--ping-timeout", "1000"]).await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let weather = Weather {
        seed,
        most: 8192,
        silent: false,
        rough: true,
    };
    let chaos = Chaos::under(weather, address).await.expect("a free port");
    let port = chaos.address().port();
    tls::secure_is(port, tls::secures(server.port));
    let url = tls::url(port, "/");
    let args = [
        "-c",
        "10",
        "-d",
        "50s",
        "--reconnect-delay",
        "10ms",
        "--reconnect-delay-max",
        "20ms",
        "--transport",
        "websocket",
        "--connect-timeout",
        "3s",
        "--timeout",
        "20s",
        "--scenario",
        file.path(),
    ];
    let calmed = async {
        while chaos.broken() < 100 {
            tokio::time::sleep(POLL).await;
        }
        chaos.calm();
    };
    let run = load(kind, &url, &args);
    tokio::pin!(run, calmed);
    let (code, result) = tokio::select! {
        ended = &mut run => ended,
        () = &mut calmed => run.await,
    };
    assert_eq!(code, Some(0), "{result}");
    // Socketioxide has been seen not to tell of a socket whose connection broke as it joined.
    let ledger = if kind == Kind::Socketioxide {
        server.command(json!({"cmd": "ledger"})).await
    } else {
        ledger(&mut server).await
    };
    let counts = &result["counts"];
    let of = |name: &str| number(&counts[name]);
    let what = format!("{ledger}, {counts}, {}", result["errors"]);
    println!("{} connections broken: {what}", chaos.broken());
    let lost = errors_of(&result, "ack: ") + errors_of(&result, "not sent");
    assert_eq!(of("events"), 10 * 40, "{what}");
    assert_eq!(of("acks") + lost, of("events"), "{what}");
    // The server has seen what was acknowledged, and nothing that was not sent. (With polling it may see an event twice: a
    // POST that gets no answer on a connection that was used before is repeated.)
    let (arrived, acknowledged) = (number(&ledger["events"]), number(&ledger["acknowledged"]));
    assert!(
        of("acks") <= acknowledged && acknowledged <= arrived,
        "{what}"
    );
    assert!(arrived <= of("events"), "{what}");
    assert!(of("joins") <= number(&ledger["joined"]), "{what}");
}

/// The time that so many percent of the latencies do not exceed, in milliseconds.
fn percentile(latency: &Value, percent: f64) -> f64 {
    let buckets: Vec<(f64, u64)> =
        serde_json::from_value(latency["buckets_us"].clone()).expect("buckets");
    let wanted = number(&latency["count"]) as f64 * percent / 100.0;
    let mut seen = 0;
    let found = buckets.iter().find(|(_, count)| {
        seen += count;
        seen as f64 >= wanted
    });
    found.expect("a bucket").0 / 1000.0
}

on_all_servers!(known_delays_are_measured_within_two_percent);
async fn known_delays_are_measured_within_two_percent(kind: Kind) {
    // Two percent of the shortest are more than a busy machine adds on the way.
    let delays = [500, 1000, 1500, 2000];
    let scenarios = delays.map(|delay| {
        format!(
            "[[scenario]]\nname = \"{delay}\"\nsteps = [{{ loop = 20, every = \"150ms\", steps = [\
             {{ emit = \"later\", args = \"[{delay}, {{{{n}}}}]\", ack = \"later\" }}] }}]\n"
        )
    });
    let file = File::new(&scenarios.concat());
    let server = Server::start(kind).await;
    let args = [
        "-c",
        "20",
        "-d",
        "50s",
        "--ramp",
        "150ms",
        "--scenario",
        file.path(),
    ];
    let (code, result) = load(kind, &server.url("/"), &args).await;
    assert_eq!((code, &result["errors"]), (Some(0), &json!({})), "{result}");
    let latency = &result["latency"]["ack"];
    assert_eq!(latency["count"], 20 * 20);
    // A quarter of the acknowledgements each.
    for (at, delay) in delays.into_iter().enumerate() {
        let found = percentile(latency, 12.5 + 25.0 * at as f64);
        let wanted = f64::from(delay);
        assert!(
            (found / wanted - 1.0).abs() < 0.02,
            "{found} ms, not {wanted} ms"
        );
    }
}

/// The server process stands still for a second of nine.
#[cfg(unix)]
mod standing {
    use super::*;

    on_all_servers!(a_server_that_stands_still_shows_in_the_tail);
    async fn a_server_that_stands_still_shows_in_the_tail(kind: Kind) {
        let server = Server::start(kind).await;
        let args = [
            "-c",
            "20",
            "--ramp",
            "1s",
            "-d",
            "8s",
            "--event",
            "ack",
            "--args",
            "1",
            "--ack",
            "--rate",
            "10",
            "--transport",
            "websocket",
        ];
        let url = server.url("/");
        let stand = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            server.signal("STOP").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            server.signal("CONT").await;
        };
        let ((code, result), ()) = tokio::join!(load(kind, &url, &args), stand);
        assert_eq!((code, &result["errors"]), (Some(0), &json!({})), "{result}");
        let latency = &result["latency"]["ack"];
        let tail = percentile(latency, 99.9);
        assert!(tail >= 900.0, "{tail} ms");
        assert!(percentile(latency, 50.0) < 100.0, "{result}");
        // Whatever was due in that second waited, 20 × 10 events; a tester that waits for answers would have seen 20.
        // (A busy machine adds its own.)
        let buckets: Vec<(u64, u64)> =
            serde_json::from_value(latency["buckets_us"].clone()).expect("buckets");
        let late = buckets.iter().filter(|(micros, _)| *micros > 100_000);
        let late: u64 = late.map(|(_, count)| count).sum();
        assert!(late >= 150, "{late} of {}", latency["count"]);
    }
}
