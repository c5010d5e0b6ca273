//! `cargo xtask device`: an emulated board as one more device of the demo, beside the simulated ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::board::FOLDER;
use crate::part::Report;
use crate::qemu::{self, Board, Outcome, Running};
use crate::riscv::{Firmware, Target};
use crate::run;

/// Longer than a cold build takes.
const BUILD: Duration = Duration::from_secs(30 * 60);
/// How long the demo may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

const HELP: &str = "\
cargo xtask device [--connect URL] [--duration SECONDS] [--chip c3|c6] [--yes]
  Attaches an emulated RISC-V board to a demo that runs (`--connect http://127.0.0.1:7625`), or to one that is started
  along with it. `--chip` is the instruction set: c3 (imc, the default) or c6 (imac). Ctrl-C ends it with a summary.
  QEMU and a compiler for RISC-V are installed if they are missing, after a question; `--yes` does not ask.";

struct Options {
    connect: Option<String>,
    duration: Option<u64>,
    target: Target,
}

fn options(args: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        connect: None,
        duration: None,
        target: Target::Imc,
    };
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        let mut value = || {
            args.next()
                .copied()
                .ok_or_else(|| format!("{arg} needs a value\n{HELP}"))
        };
        match arg {
            "--connect" => options.connect = Some(value()?.to_owned()),
            "--duration" => {
                let text = value()?;
                let seconds = text
                    .trim_end_matches('s')
                    .parse()
                    .ok()
                    .filter(|seconds| *seconds > 0);
                options.duration = Some(
                    seconds.ok_or_else(|| format!("--duration {text}: write seconds, as in 30"))?,
                );
            }
            "--chip" => {
                options.target = match value()? {
                    "c3" => Target::Imc,
                    "c6" => Target::Imac,
                    other => return Err(format!("--chip {other}: there are c3 and c6")),
                };
            }
            _ => return Err(format!("unknown argument `{arg}`\n{HELP}")),
        }
    }
    Ok(options)
}

/// Runs it until `--duration` is over or somebody ends it.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    if let ["--help" | "-h"] = args {
        println!("{HELP}");
        return Ok(());
    }
    let options = options(args)?;
    // All that takes long or talks much comes before the page's address, which stays in sight.
    qemu::need()?;
    println!("Building the firmware of the board (some minutes the first time) …");
    let image = build(options.target)?;
    if options.connect.is_none() {
        println!("Building the demo …");
        build_demo()?;
    }
    let stop = on_interrupt()?;
    let mut demo = None;
    let url = match &options.connect {
        Some(url) => url.clone(),
        None => demo.insert(Demo::start(&[])?).url.clone(),
    };
    let (name, _) = name(options.target);
    println!("The board `{name}` joins the demo at {url}. Ctrl-C ends it with a summary.");
    let started = Instant::now();
    let board = start(&image, options.target, &url, options.duration)?;
    let show = |line: &str| println!("    | {line}");
    let ended = board.finish_unless(show, || stop.load(Ordering::Relaxed));
    if let Some(demo) = demo {
        demo.end();
    }
    let (outcome, stopped) = ended?;
    println!("{}", summary(name, &outcome, started.elapsed()));
    if stopped {
        return Ok(());
    }
    outcome.success().map(drop)
}

/// What the board did, from its console: it may have been switched off without a last word.
fn summary(name: &str, outcome: &Outcome, elapsed: Duration) -> String {
    let joins = outcome
        .lines
        .iter()
        .filter(|line| line.starts_with("joined as "))
        .count();
    let metrics = outcome.metrics();
    let acked = match metrics.get("telemetry_acknowledged") {
        Some(acked) => acked.to_string(),
        None => {
            let acked = |line: &String| {
                let (number, rest) = line.strip_prefix("telemetry ")?.split_once(' ')?;
                rest.starts_with("acknowledged")
                    .then(|| number.parse().ok())?
            };
            let last: u64 = outcome.lines.iter().rev().find_map(acked).unwrap_or(0);
            format!("at least {last}")
        }
    };
    let times = if joins == 1 {
        "once"
    } else {
        &format!("{joins} times")
    };
    format!(
        "The board `{name}` ran for {:.0} s: joined {times}, {acked} telemetries acknowledged",
        elapsed.as_secs_f64()
    )
}

/// Whether Ctrl-C has come: the board and the demo are then ended in order. A second one ends this program at once.
fn on_interrupt() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::SIGINT;
        let failed = |error: std::io::Error| format!("cannot listen to Ctrl-C: {error}");
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, stop.clone())
            .map_err(failed)?;
        signal_hook::flag::register(SIGINT, stop.clone()).map_err(failed)?;
    }
    Ok(stop)
}

fn build(target: Target) -> Result<std::path::PathBuf, String> {
    let firmware = Firmware {
        folder: FOLDER,
        target,
        features: &[],
        images: &["device"],
    };
    Ok(firmware.build()?.join("device"))
}

fn name(target: Target) -> (&'static str, &'static str) {
    match target {
        Target::Imc => ("emulated-c3", "RISC-V rv32imc, as ESP32-C3"),
        Target::Imac => ("emulated-c6", "RISC-V rv32imac, as ESP32-C6"),
    }
}

/// Starts the board against the demo at `url`.
fn start(
    image: &std::path::Path,
    target: Target,
    url: &str,
    duration: Option<u64>,
) -> Result<Running, String> {
    let (name, chip) = name(target);
    let mut args = vec![
        ("url", guest_url(url)?),
        ("name", name.to_owned()),
        ("chip", chip.to_owned()),
    ];
    args.extend(duration.map(|seconds| ("duration", seconds.to_string())));
    let limit = duration.map_or(FOREVER, |seconds| Duration::from_secs(seconds + 60));
    let board = Board {
        image,
        target,
        args: &args,
        blob: &[],
        count: false,
        limit,
    };
    board.start()
}

/// The URL as the board has to call it: this machine's loopback is 10.0.2.2 there. Without a path it is the namespace of
/// the devices.
fn guest_url(url: &str) -> Result<String, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("{url}: write http://host:port"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, format!(":{port}")),
        _ => (authority, String::new()),
    };
    let host = if ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"].contains(&host) {
        "10.0.2.2"
    } else {
        host
    };
    let path = if path.len() > 1 { path } else { "/devices" };
    Ok(format!("http://{host}{port}{path}"))
}

fn build_demo() -> Result<(), String> {
    let mut cargo = run::cargo("build --package sockeye-cli --bin sockeye");
    if run::run(&mut cargo, BUILD)?.success() {
        Ok(())
    } else {
        Err("the demo does not build".to_owned())
    }
}

/// A demo that was started here. Dropping it kills it; [`Self::end`] lets it say its summary.
struct Demo {
    child: Child,
    url: String,
    printer: Option<JoinHandle<()>>,
}

impl Demo {
    /// Starts the demo, which must have been built.
    fn start(args: &[&str]) -> Result<Self, String> {
        // It lies beside this program; by way of `cargo run` it would outlive its end.
        let beside = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
        let mut command =
            Command::new(beside.with_file_name(format!("sockeye{}", std::env::consts::EXE_SUFFIX)));
        command
            .arg("demo")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let spawned = command.spawn();
        let mut child =
            spawned.map_err(|error| format!("cannot start `{}`: {error}", run::shown(&command)))?;
        let output = child.stdout.take();
        let mut demo = Self {
            child,
            url: String::new(),
            printer: None,
        };
        let lines = lines(output.ok_or("the demo has no output")?);
        let end = Instant::now() + PATIENCE;
        loop {
            let line = lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.map_err(|_| {
                format!(
                    "the demo did not say where it is within {} s",
                    PATIENCE.as_secs()
                )
            })?;
            println!("{line}");
            let url = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"));
            if let Some(url) = url {
                demo.url = url.trim_end_matches('/').to_owned();
                break;
            }
        }
        demo.printer = Some(thread::spawn(move || {
            for line in lines {
                println!("{line}");
            }
        }));
        Ok(demo)
    }

    /// Ends it as Ctrl-C does, and passes its summary on.
    fn end(mut self) {
        if cfg!(unix) {
            let id = self.child.id().to_string();
            let asked = Command::new("kill").args(["-INT", &id]).status();
            let patience = Instant::now();
            while asked.is_ok() && patience.elapsed() < Duration::from_secs(10) {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        let printer = self.printer.take();
        drop(self);
        // A panic of the thread lost some lines, no more.
        printer.map(JoinHandle::join);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The board appears in the demo's feed with its chip, its telemetry is acknowledged, its LED obeys, its console is shown.
pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    let images = Target::ALL.map(|target| build(target).map(|image| (target, image)));
    build_demo()?;
    let demo = Demo::start(&["--no-devices", "--port", "0"])?;
    for built in images {
        let (target, image) = built?;
        let started = Instant::now();
        let result = check(&image, target, &demo.url);
        report.timed(
            &format!("the board in the demo, {}", target.name()),
            started.elapsed(),
            result,
        );
    }
    Ok(())
}

fn check(image: &std::path::Path, target: Target, url: &str) -> Result<(), String> {
    let (name, chip) = name(target);
    let address = url.strip_prefix("http://").unwrap_or(url).to_owned();
    let mut feed = request(
        &address,
        "GET /api/feed HTTP/1.1\r\nHost: demo\r\nAccept: text/event-stream\r\n\r\n",
    )?;
    let feed_lines = {
        let stream = feed.try_clone().map_err(|error| error.to_string())?;
        lines(stream)
    };
    let mut switched = Err("the board never acknowledged a telemetry".to_owned());
    let board = start(image, target, url, Some(5))?;
    let outcome = board.finish(|line| {
        println!("    | {line}");
        if line.starts_with("telemetry 1 acknowledged") {
            switched = switch(&address, name);
        }
    })?;
    let outcome = outcome.success()?;
    switched?;
    if !outcome.lines.iter().any(|line| line == "LED on") {
        return Err("the board's LED did not go on".to_owned());
    }
    feed.flush().ok();
    let mut seen: Vec<String> = feed_lines.try_iter().collect();
    seen.retain(|line| line.contains(name));
    for wanted in [chip, "joined as", "\"counter\"", "LED on"] {
        if !seen.iter().any(|line| line.contains(wanted)) {
            return Err(format!(
                "the demo's feed does not show `{wanted}` for {name}"
            ));
        }
    }
    feed.shutdown(std::net::Shutdown::Both).ok();
    Ok(())
}

/// Switches the LED as the page does, and expects the demo to have the board's answer.
fn switch(address: &str, name: &str) -> Result<(), String> {
    let body = "{\"on\":true}";
    let head = format!(
        "POST /api/boards/{name}/led HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let read = request(address, &head)?.read_to_string(&mut answer);
    read.map_err(|error| format!("no answer to the LED command: {error}"))?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!(
            "the LED command was answered by {}",
            answer.lines().next().unwrap_or_default()
        ))
    }
}

fn request(address: &str, head: &str) -> Result<TcpStream, String> {
    let port = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or(80);
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    });
    connected.map_err(|error| format!("no connection to the demo at {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read_from_the_console() {
        let outcome = |lines: &[&str]| Outcome {
            code: 0,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        };
        let cut = outcome(&[
            "joined as x, recovered: false",
            "telemetry 6 acknowledged after 900 us",
            "x",
        ]);
        assert_eq!(
            summary("x", &cut, Duration::from_secs(9)),
            "The board `x` ran for 9 s: joined once, at least 6 telemetries acknowledged"
        );
        let whole = outcome(&["metric telemetry_acknowledged 5"]);
        assert_eq!(
            summary("x", &whole, Duration::from_secs(7)),
            "The board `x` ran for 7 s: joined 0 times, 5 telemetries acknowledged"
        );
    }

    #[test]
    fn urls_as_the_board_calls_them() {
        for (url, guest) in [
            ("http://127.0.0.1:3000", "http://10.0.2.2:3000/devices"),
            ("http://localhost:3000/", "http://10.0.2.2:3000/devices"),
            ("http://[::1]:3000/fleet", "http://10.0.2.2:3000/fleet"),
            ("http://192.168.1.7", "http://192.168.1.7/devices"),
        ] {
            assert_eq!(guest_url(url).as_deref(), Ok(guest));
        }
        assert!(guest_url("https://x").is_err());
    }
}
