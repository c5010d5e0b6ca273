//! `load`, as a program, against a real server in this process. What its figures are worth is tested beside its code, on a
//! clock that stands still, and against other servers in `sockeye-interop`.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::{LIMIT, Outcome, command, server, sockeye};

/// A file of this test alone; it is removed with this value.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sockeye-load-{}-{name}", std::process::id())))
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

fn result(outcome: &Outcome) -> Value {
    let last = outcome.records().pop().expect("a result");
    assert_eq!(last["type"], "result", "{outcome:?}");
    last
}

#[tokio::test]
async fn seconds_add_up_to_the_result() {
    let server = server::start().await;
    let url = server.url("/");
    let args = [
        "load",
        &url,
        "-c",
        "20",
        "--event",
        "echo",
        "--args",
        "[{{client}}, \"n {{n}}\"]",
    ];
    let more = [
        "--ack",
        "--rate",
        "10",
        "-d",
        "2s",
        "--json",
        "--fail-if",
        "connected<20",
        "--fail-if",
        "errors>0",
    ];
    let outcome = sockeye(&[&args[..], &more].concat()).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let result = result(&outcome);
    let counts = &result["counts"];
    assert_eq!(
        (&counts["started"], &counts["joins"]),
        (&20.into(), &20.into())
    );
    assert_eq!(counts["events"], counts["acks"]);
    let sum = |name: &str| -> u64 {
        let records = outcome.records();
        let seconds = records.iter().filter(|record| record["type"] == "second");
        seconds
            .map(|second| second["counts"][name].as_u64().unwrap())
            .sum()
    };
    for name in ["events", "acks", "sent_bytes", "received_bytes"] {
        assert_eq!(Some(sum(name)), counts[name].as_u64(), "{name}");
        assert!(sum(name) > 0, "{name}");
    }
    assert_eq!(result["latency"]["ack"]["count"], counts["acks"]);
    assert_eq!(result["latency"]["connect"]["count"], 20);
    assert_eq!(result["conditions"][0]["failed"], false);
}

#[tokio::test]
async fn exit_codes_tell_how_it_went() {
    let server = server::start().await;
    let url = server.url("/");
    let args = [
        "load", &url, "-c", "2", "-d", "300ms", "--event", "echo", "--args", "[1, 2]", "--ack",
    ];
    let outcome =
        sockeye(&[&args[..], &["--fail-if", "p99>0ms", "--fail-if", "joins<1"]].concat()).await;
    assert_eq!(outcome.code, Some(6));
    assert!(
        outcome.err.contains("sockeye: --fail-if p99>0ms (found: "),
        "{outcome:?}"
    );
    assert!(
        outcome.out.contains("ok: fail if joins<1 (found: 2)"),
        "{outcome:?}"
    );

    let secret = server.url("/secret");
    let outcome = sockeye(&["load", &secret, "-c", "3", "-d", "5s"]).await;
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .err
            .contains("no client could join: the server refused the connection: wrong token"),
        "{outcome:?}"
    );
    assert!(outcome.out.contains("3 × join: refused"), "{outcome:?}");
    let outcome = sockeye(&[
        "load",
        &secret,
        "-c",
        "3",
        "-d",
        "300ms",
        "--auth",
        "{\"token\":\"good\",\"n\":\"{{client}}\"}",
    ])
    .await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");

    for (args, part) in [
        (&["load"][..], "the URL of the server is missing"),
        (&["load", "ftp://h"], "http"),
        (
            &["load", "http://h", "--event", "e", "--args", "[{{x}}]"],
            "--args: line 1, column 2: {{x}} is no placeholder",
        ),
        (
            &["load", "http://h", "--auth", "[\"s3cret\"]"],
            "--auth: credentials are a JSON object",
        ),
        (
            &["load", "http://h", "--fail-if", "p99>200"],
            "a time such as 200ms",
        ),
        (
            &["load", "http://h", "--shard", "3/2"],
            "write the second of eight as 2/8",
        ),
        (
            &["load", "http://h", "--start-at", "1"],
            "choose a time that is to come",
        ),
        (
            &["load", "http://h", "--scenario", "/nowhere.toml"],
            "/nowhere.toml",
        ),
        (&["load", "http://h", "--rate", "1"], "--event"),
        (
            &["load", "http://h", "--clients", "9000000"],
            "file descriptors",
        ),
        (&["load", "--merge", "/nowhere.json"], "/nowhere.json"),
    ] {
        let outcome = sockeye(args).await;
        assert_eq!(outcome.code, Some(2), "{args:?} {outcome:?}");
        assert!(outcome.complaint().contains(part), "{args:?} {outcome:?}");
        assert!(!outcome.err.contains("s3cret"));
    }
}

#[tokio::test]
async fn the_example_is_a_scenario_file() {
    let file = File::new("example.toml");
    let outcome = sockeye(&["load", "--example"]).await;
    assert_eq!(outcome.code, Some(0));
    std::fs::write(&file.0, outcome.out).unwrap();
    // There is no /devices here, and nothing answers: the file is read, and half of the clients are refused.
    let server = server::start().await;
    let url = server.url("/");
    let outcome = sockeye(&[
        "load",
        &url,
        "-c",
        "4",
        "-d",
        "1s",
        "--timeout",
        "500ms",
        "--scenario",
        file.path(),
        "--json",
    ])
    .await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let result = result(&outcome);
    assert_eq!(
        result["asked"]["scenarios"],
        serde_json::json!(["talker", "device"])
    );
    assert_eq!(result["errors"]["join: refused"]["count"], 1, "{result}");
}

#[tokio::test]
async fn shards_are_merged_to_one_report() {
    let server = server::start().await;
    let url = server.url("/");
    let start = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let start = format!("{:.3}", start.as_secs_f64() + 2.0);
    let shard = async |number: &str| {
        let args = [
            "load", &url, "-c", "5", "-d", "1s", "--event", "echo", "--args", "[1, 2]", "--ack",
            "--json",
        ];
        sockeye(&[&args[..], &["--shard", number, "--start-at", &start]].concat()).await
    };
    let (one, two) = tokio::join!(shard("1/2"), shard("2/2"));
    let (one_file, two_file) = (File::new("1.json"), File::new("2.json"));
    std::fs::write(&one_file.0, &one.out).unwrap();
    std::fs::write(&two_file.0, &two.out).unwrap();
    let page = File::new("report.html");
    let args = [
        "load",
        "--merge",
        two_file.path(),
        one_file.path(),
        "--json",
        "--report",
        page.path(),
    ];
    let merged = sockeye(&args).await;
    assert_eq!(merged.code, Some(0), "{merged:?}");
    let (one, two, merged) = (result(&one), result(&two), result(&merged));
    let number = |value: &Value| value.as_u64().expect("a number");
    for name in ["started", "joins", "events", "acks"] {
        let sum = number(&one["counts"][name]) + number(&two["counts"][name]);
        assert_eq!(number(&merged["counts"][name]), sum, "{name}");
    }
    assert_eq!(number(&one["counts"]["started"]), 3);
    assert_eq!(
        merged["warnings"].as_array().map(|all| all
            .iter()
            .filter(|one| one.to_string().contains("apart"))
            .count()),
        Some(0)
    );
    let page = std::fs::read_to_string(&page.0).unwrap();
    assert!(page.contains("<svg") && page.contains("shards 1/2, 2/2"));

    let outcome = sockeye(&["load", "--merge", one_file.path()]).await;
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.complaint().contains("of 2 shards, 1 missing: 2"),
        "{outcome:?}"
    );
    let outcome = sockeye(&[
        "load",
        "--merge",
        one_file.path(),
        "--allow-missing",
        "--fail-if",
        "started<5",
    ])
    .await;
    assert_eq!(outcome.code, Some(6), "{outcome:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_in_order_and_twice_at_once() {
    let server = server::start().await;
    let url = server.url("/");
    for (event, twice) in [("echo", false), ("silent", true)] {
        // Nobody answers `silent`: in order would take an hour.
        let args = [
            "load",
            &url,
            "-c",
            "3",
            "-d",
            "1h",
            "--timeout",
            "1h",
            "--event",
            event,
            "--args",
            "[1, 2]",
            "--ack",
        ];
        let mut child = command(&args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let pid = child.id().expect("it runs").to_string();
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let interrupt = async || {
            let status = tokio::process::Command::new("kill")
                .args(["-INT", &pid])
                .status();
            assert!(status.await.expect("kill is there").success());
        };
        let watched = async {
            // Clients have come, and events were sent.
            while let Some(line) = lines.next_line().await.expect("stderr is UTF-8") {
                if line.contains("3 connected") {
                    break;
                }
            }
            interrupt().await;
            if twice {
                // It goes on for what is still to be answered, a line a second, and sends nothing more.
                while let Some(line) = lines.next_line().await.expect("stderr is UTF-8") {
                    if line.contains("3 connected · 0 events/s") {
                        break;
                    }
                }
                interrupt().await;
            }
            let mut out = String::new();
            let mut stdout = child.stdout.take().expect("piped");
            stdout
                .read_to_string(&mut out)
                .await
                .expect("stdout is UTF-8");
            (child.wait().await.expect("it ends").code(), out)
        };
        let (code, out) = tokio::time::timeout(LIMIT, watched)
            .await
            .expect("it ends in time");
        assert_eq!(code, Some(130), "{event}: {out}");
        assert_eq!(out.contains("interrupted after"), !twice, "{event}: {out}");
    }
}

/// In a browser: the page is as wide as a phone's screen, and dark where dark is wanted.
#[cfg(unix)]
#[tokio::test]
#[ignore = "needs Chromium: cargo xtask test --part report"]
async fn the_report_fits_a_phone_and_the_night() {
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            std::process::Command::new(name)
                .arg("--version")
                .output()
                .is_ok()
        })
        .expect("Chromium is installed");
    let server = server::start().await;
    let url = server.url("/");
    let report = File::new("phone.html");
    let args = [
        "load",
        &url,
        "-c",
        "5",
        "-d",
        "2s",
        "--event",
        "echo",
        "--args",
        "[1, 2]",
        "--ack",
        "--report",
        report.path(),
    ];
    assert_eq!(sockeye(&args).await.code, Some(0));
    let page = std::fs::read_to_string(&report.0).unwrap();
    // The page in a frame of a phone's size; a script around it tells what it came to.
    let quoted = page.replace('&', "&amp;").replace('"', "&quot;");
    let frame = format!(
        "<!DOCTYPE html><body><iframe width=\"360\" height=\"740\" srcdoc=\"{quoted}\"></iframe><script>onload = () => {{\
         const inside = document.querySelector('iframe').contentDocument, root = inside.documentElement;\
         const plots = [...inside.querySelectorAll('svg')].map(svg => svg.getBoundingClientRect().width);\
         document.title = JSON.stringify({{width: root.scrollWidth, back: getComputedStyle(inside.body).backgroundColor,\
         plots: plots.length, narrow: Math.min(...plots)}}); }}</script>"
    );
    let framed = File::new("frame.html");
    std::fs::write(&framed.0, frame).unwrap();
    for (scheme, back) in [("1", "rgb(251, 251, 250)"), ("0", "rgb(22, 22, 21)")] {
        let profile = File::new(&format!("profile-{scheme}"));
        let mut command = tokio::process::Command::new(browser);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--dump-dom",
            ])
            .arg(format!("--user-data-dir={}", profile.path()))
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("file://{}", framed.path()))
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, command.output())
            .await
            .expect("the browser ends")
            .unwrap();
        let _ = std::fs::remove_dir_all(&profile.0);
        let dom = String::from_utf8_lossy(&output.stdout);
        let title = dom
            .split("<title>")
            .find_map(|part| part.strip_prefix('{'))
            .unwrap_or_else(|| panic!("no title: {dom:.2000}"));
        let title = format!("{{{}", title.split("</title>").next().unwrap_or_default());
        let seen: Value = serde_json::from_str(&title).unwrap();
        assert!(seen["width"].as_f64() <= Some(360.0), "{seen}");
        assert_eq!(seen["back"], back, "{seen}");
        assert!(seen["plots"].as_u64() >= Some(9), "{seen}");
        assert!(seen["narrow"].as_f64() >= Some(280.0), "{seen}");
    }
}
